/* SPDX-License-Identifier: GPL-2.0-only */
/* Where does a PID live? The directory of this node and its messages. */
#ifndef _PANDO_LOCATE_H
#define _PANDO_LOCATE_H

#include <linux/notifier.h>
#include <linux/types.h>
#include <linux/uio.h>
#include <pando/wire.h>

/**
 * pando_locate_may_be_remote - cheap test before anything is sent
 *
 * False for numbers of block 0, of nobody's lease, and of our own leases that
 * have not moved away. Any context.
 */
bool pando_locate_may_be_remote(u32 pid);

/**
 * pando_locate_call - ask the node where @pid lives
 *
 * As pando_rpc_call(), but finds the node: hint, else home, else where the
 * home says (at most one redirect), and the hint is kept. Handlers answer
 * -ESRCH when the PID is not theirs; then the home is asked (LOCATE) once.
 * Return: the handler's status; -ESRCH also when nobody has it, when its home
 * is gone, or when it turned out to live here (then *@here is set true, and
 * the caller tries the local call again). -EINTR when killed.
 */
int pando_locate_call(u32 pid, enum pando_msg type,
		      const struct kvec *vec, int nvec,
		      void *reply, size_t reply_cap, size_t *reply_len,
		      bool *here);

/*
 * The answer of a handler that was asked about a PID which does not live here:
 * -EREMCHG when this node knows where it went (the asker then sends LOCATE),
 * -EBUSY when it is about to arrive (the asker tries again), else -ESRCH.
 */
int pando_locate_miss(u32 pid);

/* Neither about to arrive (RESERVED) nor gone already (LEAVING). Any context. */
bool pando_locate_is_settled(u32 pid);

/* Is the number about to arrive here? Any context. */
bool pando_locate_is_reserved(u32 pid);
/* Has it left this node, and is what it left not gone yet? */
bool pando_locate_is_leaving(u32 pid);
/* How many are about to arrive, or on their way out: zero is the rule. */
extern u32 pando_locate_moving;

/* Was the task restored here, so that its start time is not its own? */
bool pando_locate_has_arrived(u32 pid);

/*
 * Told (blocking chain, process context) when a PID has moved: action is the
 * PID, data points to the u16 id of its new node.
 */
int pando_locate_chain_register(struct notifier_block *nb);
int pando_locate_chain_unregister(struct notifier_block *nb);

/* --- for alloc.c ---------------------------------------------------------- */

/* May a new task have it, as far as moves are concerned? */
bool pando_locate_is_free(u32 pid);
/*
 * The next number to try for a new task, from @from on. 0: all of this node's numbers are
 * in use (or it has none). @tries: in and out: how many have been tried, at first 0.
 */
u32 pando_locate_next(u32 from, u32 *tries);

/* The last number was chosen before @from: see pando_locate_quick. */
void pando_locate_seek_run(u32 from);

/* May a restored or chosen number be used here? 0, or -EEXIST. */
int pando_locate_may_use(u32 pid);

/* A number was taken, and looked at: process context. */
void pando_locate_taken(u32 pid);
/* One was given back; any context. */
void pando_locate_freed(u32 pid);

/* --- for kin_ioctl.c ----------------------------------------------------------- */

/* A stub stands now where the original of one that left was. */
void pando_locate_parked(u32 pid);

/* --- for netlink.c: process context, under pando_cmd_mutex ------------------ */
int pando_locate_leases(u16 self, u64 version, const u16 *map);
int pando_locate_reserve(u64 move, const u32 *pids, u32 n, u32 *busy);
void pando_locate_unreserve(u64 move);
int pando_locate_moved(u64 move, const u32 *pids, u32 n, u16 from, u16 to);
/* The node that holds the lease of @pid's block; 0: nobody. Any context. */
u16 pando_locate_home(u32 pid);
/* 0 and the nodes, or -ESRCH; may ask the home. */
int pando_locate_where(u32 pid, u16 *home, u16 *location);

/**
 * struct pando_locate_info - counts for STATUS
 * @version: of the lease map; @used, @free: of the numbers this node hands out
 * @guests: tasks here with another home; @away: ours that run elsewhere
 */
struct pando_locate_info {
	u64 version;
	u32 used, free, guests, away;
};

void pando_locate_info(struct pando_locate_info *info);

/* Forgets everything (DETACH). */
void pando_locate_reset(void);

int pando_locate_init(void);
void pando_locate_exit(void);

#endif
