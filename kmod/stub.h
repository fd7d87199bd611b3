/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stubs of this node: tasks that hold the number of a process which runs on
 * another node, because a relation of it lives here. A stub sleeps in pause();
 * what the kernel would do to it is sent on to the process (kin.h), and what
 * befalls the process is done to the stub, so that parents, groups and
 * sessions here are the kernel's own business.
 *
 *	         claim            bind              keep
 *	(none) -------> CLAIMED -------> BOUND ------------> STANDS
 *	                    \______________\___ drop            |
 *	  release: it ends, its parent sees nothing  <----------+
 *	  end:     it ends as the process did        <----------+
 *
 * A stub that was made for a move which was called off is dropped. A record
 * goes when its task does, or is told to.
 */
#ifndef _PANDO_STUB_H
#define _PANDO_STUB_H

#include <linux/atomic.h>
#include <linux/signal_types.h>
#include <linux/types.h>
#include <pando/wire.h>

struct file;
struct pid;
struct seq_file;
struct task_struct;

/*
 * How many stubs there are, and processes with stubs elsewhere, and one more
 * while numbers arrive or leave: zero is the short way through every hook.
 */
extern atomic_t pando_stub_gate;

static inline bool pando_stub_any(void)
{
	return unlikely(atomic_read(&pando_stub_gate));
}

/* Does this number, which has a task here, live elsewhere? Any context. */
bool pando_stub_has(u32 pid);
/* Where its process is believed to live: a node, 0 if there is no stub. */
u16 pando_stub_where(u32 pid);
/*
 * Is its process here, as all have decided, and about to take the stub's place? No
 * more when it has ended before that. Any context.
 */
bool pando_stub_is_home(u32 pid);

/* --- for the helper of a move; process context ------------------------------ */

/*
 * @owner may make a task of that number, see PANDO_IOC_CLAIM; @flags: PANDO_CLAIM_*. It is
 * undone when @owner is closed before it was kept.
 */
int pando_stub_claim(struct file *owner, u32 pid, u32 flags);
/*
 * What was restored with its parent meets its process, which is here, or the stub of that
 * which was here before for a child's sake.
 */
int pando_stub_join(struct file *owner, u32 pid);
/* The task was made. -ESRCH if it was not. */
int pando_stub_bind(struct file *owner, u32 pid, u16 where);
/* A stub leaves with its parent: see PANDO_IOC_TRAVEL. */
int pando_stub_travel(struct file *owner, u32 pid);
/* A move to this node found it here, and relies on it: it does not go before that ends. */
bool pando_stub_is_pinned(u32 pid);
/* So does whoever gets this, or NULL: no memory; to be given back. Process context. */
void *pando_stub_pin(u32 pid);
void pando_stub_unpin(void *pin);
/* One that stands, and goes on to do so while it is pinned: with a reference, or NULL. */
struct task_struct *pando_stub_get_whole(u32 pid);
/* Does it just now? Then its process cannot come home. Any context. */
bool pando_stub_leaves(u32 pid);
/* Does the parent of its process come to it just now? Nor can the process then. Likewise. */
bool pando_stub_is_met(u32 pid);
/*
 * @task is the stub of that number from now on: it gets the number next, and then
 * pando_stub_rest() follows. -ENOMEM
 */
int pando_stub_stand(u32 pid, struct task_struct *task, u16 where);
/* It did not get the number after all. */
void pando_stub_forget(struct task_struct *task, u32 pid);
/* The move is done: what @owner made stays. */
void pando_stub_keep(struct file *owner);
/* The move is over: what @owner made and did not keep goes. */
void pando_stub_drop(struct file *owner);
/*
 * The process itself is here: its stub's task, with a reference, or NULL. It is
 * no stub any more for others; pando_stub_release() ends it.
 */
struct task_struct *pando_stub_retire(u32 pid);
void pando_stub_release(struct task_struct *task);
/*
 * The process's parent has left, and the stub after it: 0. 1: another move has pinned it,
 * and it stays, nobody's child. -ESRCH: there is none.
 */
int pando_stub_leave(u32 pid);

/* --- for alloc.c -------------------------------------------------------------- */

/* Was the number claimed, so that a task with it may be made? Any context. */
bool pando_stub_may_make(u32 pid);
/* ... though the process itself is here? Any context. */
bool pando_stub_is_copy(u32 pid);
/*
 * While what was restored has the number as well: that process, or the stub that was here
 * before; NULL: there is but one. Under tasklist_lock.
 */
struct task_struct *pando_stub_met(u32 pid);
/* Is it that process, and not the copy? Under tasklist_lock. */
bool pando_stub_is_original(struct task_struct *task, u32 pid);
/* Has it a task that stands for a process elsewhere? Any context. */
bool pando_stub_stands(u32 pid);
/* Is this task such a one, or becoming it? Any context. */
bool pando_stub_is(struct task_struct *task);
/* ... that task, with a reference, or NULL. */
struct task_struct *pando_stub_get(u32 pid);

/* --- what befell the process; process context ----------------------------------- */

/*
 * It ended. True: the stub has a parent to be waited for by, and what is left
 * of the process is here now.
 */
bool pando_stub_exit(u32 pid, const struct pando_wire_kin_event *ev);
/* It stops, or goes on, as that user's: what pando_stub_stop() and _cont() tell of it. */
void pando_stub_user(u32 pid, u32 uid);
/* False: not just now, and it is to be told again; likewise. */
bool pando_stub_stop(u32 pid, int sig);
bool pando_stub_cont(u32 pid);
/*
 * Is what befell a process too early for its stub? That is about to take its place, or
 * is on its way from one node to another, with a parent that must see it once. Of
 * those the @end is kept until they stand.
 */
bool pando_stub_comes(u32 pid, bool end);
/*
 * Its stub has its place. It was stopped when it left, and goes on to be: so is its
 * stub, without anybody being told (kin_stop.h).
 */
void pando_stub_rest(u32 pid);
/* It is in another group, or session. */
bool pando_stub_regroup(u32 pid, u32 pgid, u32 sid);
/* It moved on. Any context. */
void pando_stub_moved(u32 pid, u16 where);
/*
 * The view stands: every stub is made known to its process, and what was lost
 * with its node has ended. Any context.
 */
void pando_stub_announce(void);
/* Some may be nobody's relation any more: they go in a moment. Any context. */
void pando_stub_tidy(void);

/* --- for the hooks ----------------------------------------------------------------- */

/*
 * Under @task's siglock. True: the signal is dealt with, nothing is sent. If
 * something is, pando_stub_sent() follows.
 */
bool pando_stub_signal(int sig, struct kernel_siginfo *info,
		       struct task_struct *task, enum pid_type type);
void pando_stub_sent(struct task_struct *task);
/* current takes a signal: @info is what the kernel acts upon. */
void pando_stub_delivered(int sig, struct kernel_siginfo *info);
/*
 * Something is dead: was it a stub, and so no process's end? @ended: out: but its process
 * has ended, and that is why. Under tasklist_lock.
 */
bool pando_stub_died(struct task_struct *task, bool *ended);
/* Those that nobody needs any more, and whose tasks have not quite gone. */
extern struct list_head pando_stub_lefts;
bool pando_stub_is_left(u32 pid);
/* Its process lives elsewhere, and it is on its way out. Any context. */
static inline bool pando_stub_has_left(u32 pid)
{
	return unlikely(!list_empty(&pando_stub_lefts)) && pando_stub_is_left(pid);
}

/* What has ended has no number any more. Any context. */
void pando_stub_freed(struct task_struct *task);

void pando_stub_reset(void);	/* DETACH */
u32 pando_stub_count(void);
/* Numbers of up to @room stubs; returns how many. Any context. */
u32 pando_stub_list(u32 *pids, u32 room);
/* A line for each, for debugfs. */
void pando_stub_show(struct seq_file *m);
void pando_stub_fini(void);	/* at unload, after the hooks are gone */

#endif
