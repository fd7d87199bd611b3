/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes of this node with relations elsewhere: who holds stubs of them,
 * and what the nodes tell each other about it (KIN_* in wire.h).
 */
#ifndef _PANDO_KIN_H
#define _PANDO_KIN_H

#include <linux/signal_types.h>
#include <linux/types.h>
#include <pando/wire.h>
#include <uapi/linux/pando.h>

struct task_struct;

/* Who holds stubs of @pid: sets bits in @holders. Process context. */
void pando_kin_holders(u32 pid, u64 *holders);
/* These do, too. -ENOMEM. Process context. */
int pando_kin_add(u32 pid, const u64 *holders);

/* --- to others; any context: a worker sends --------------------------------------- */

/* A signal of the kernel met a stub here. */
void pando_kin_signal(u32 pid, int sig);
/* One of the kernel's follows its process; @occasion: occasion.h, or 0. */
void pando_kin_signal_on(u32 pid, int sig, u64 occasion);
/* A signal for the members of a group on all other nodes. */
void pando_kin_signal_group(u32 pgid, int sig, u64 occasion);
/*
 * The same at once for those on the @n nodes @ids, one node after the other, and for those
 * that have just left one of them, or this. Process context, waits.
 */
void pando_kin_signal_group_on(const u16 *ids, int n, u32 pgid, int sig, u64 occasion);
/* Something befell a process that runs here, other than its end. */
void pando_kin_change(u32 pid, enum pando_kin_event what, u32 status,
		      u32 session);
/*
 * Are holders still being told of such, or with @change all of them, and not only one of
 * how it stands? Any context.
 */
bool pando_kin_is_telling(u32 pid, bool change);
/*
 * A process that runs here is in another group, or session: its holders know
 * when this returns, or will be told. Process context, waits.
 */
void pando_kin_regrouped(u32 pid);
/* Its group, and session; 0: there is no such process. Any context. */
u32 pando_kin_group_of(u32 pid, u32 *sid);
struct pando_call_in;
/* The call SETPGID, at the owner. */
long pando_kin_exec_setpgid(struct pando_call_in *in);
/* A process is dead; under tasklist_lock. */
void pando_kin_died(struct task_struct *task);
/*
 * Are its holders still being told that it ended? Its home is told then that
 * the number is free, and not before. Any context.
 */
bool pando_kin_is_ending(u32 pid);
/*
 * @node holds @pid from now on: it is told of its end, and @anew of its group and session.
 * -ESRCH: that was before. Process context.
 */
int pando_kin_tell(u32 pid, u16 node, bool anew);
/*
 * This node holds, or holds no more, @pid: there is a stub of it, or somebody
 * watches it (watch.h). @flags: PANDO_KIN_DROP, PANDO_KIN_ANEW. @where, if it is not NULL:
 * out, the node that answered. Process context, waits.
 */
int pando_kin_hold(u32 pid, u32 flags, u16 *where);
/* There is no stub of it any more. */
void pando_kin_let_go(u32 pid);
/* A signal of the kernel's for a process that is here, if it is. */
void pando_kin_kill(u32 pid, int sig);
/* Have others that are to be told of its end? Under tasklist_lock. */
bool pando_kin_has(u32 pid);
/* Has it ended, and will others be told of it when its parent has left it? */
bool pando_kin_is_left(u32 pid);
/* Has that node a stub of it? Process context. */
bool pando_kin_is_held(u32 pid, u16 node);

/* Those to groups, or all, have been sent when this returns. Process context. */
void pando_kin_signals_flush_groups(void);
void pando_kin_signals_flush(void);
int pando_kin_signals_init(void);	/* kin_signal.c */
void pando_kin_signals_exit(void);

/* --- process groups with members on several nodes --------------------------------- */

/* Has, from now on. Process context. */
void pando_kin_spread(u32 pgid);
bool pando_kin_is_spread(u32 pgid);	/* any context */

/* How many there are: zero is the short way through hooks. */
extern atomic_t pando_kin_nspread;

static inline bool pando_kin_any_spread(void)
{
	return unlikely(atomic_read(&pando_kin_nspread));
}

void pando_kin_groups_reset(void);
void pando_kin_freed(u32 nr);		/* nobody here has the number; any context */

/* A process was moved: @to is its node now. Process context. */
void pando_kin_moved(u32 pid, u16 to);
struct pid;
/* Its number when it has, or had, members on other nodes as well, as is @certain; or 0. */
u32 pando_kin_spread_group(struct pid *pgrp, bool certain);
/*
 * A signal to many, that one of them is sent by its number: 1: it is to get it; 0: it has
 * got it (occasion.h); -ESRCH: it is not of @pgid any more, 0: of whichever. Any context.
 */
int pando_kin_wants(u32 pid, u32 pgid, u64 occasion);
/* The original kill_pgrp(), for what another node sent. */
void pando_kin_kill_pgrp(struct pid *pgrp, int sig);

/* A new MEMBERS list is in force: who is back is told what it missed. */
void pando_kin_members(void);
void pando_kin_reset(void);		/* DETACH */
int pando_kin_init(void);
void pando_kin_exit(void);

#endif
