/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A signal to a group, or to everybody, is one occasion, and each node sends it to those
 * that run there, one after the other. Who moves meanwhile may be met twice or never: where
 * it comes from it is held and the signal follows it (hold.h), or it is gone already; where
 * it goes to it lives by the time that node is asked, or not yet.
 *
 *	where it comes from	a node remembers for a while who has left. Who sends is told
 *				of them, and sends it to each of them by its own number too
 *	where it goes to	the occasion has a number, by which the node knows for a
 *				while what those that have come have got already
 */
#ifndef _PANDO_OCCASION_H
#define _PANDO_OCCASION_H

#include <linux/list.h>
#include <linux/types.h>
#include <pando/wire.h>

struct task_struct;

/**
 * struct pando_occasion - current is signalling many
 * @list: of all that do
 * @task: current
 * @id: the same on all nodes; never 0
 * @passed_over: somebody here who is about to come: other nodes are to be asked
 */
struct pando_occasion {
	struct list_head list;
	struct task_struct *task;
	u64 id;
	bool passed_over;
};

/* A number for one that begins at this node. Any context. */
u64 pando_occasion_new(void);

/* Around the signals that current sends here; @o is the caller's. Any context. */
void pando_occasion_begin(struct pando_occasion *o, u64 id);
void pando_occasion_end(struct pando_occasion *o);

/* The number of what current is at; 0: none. Any context. */
u64 pando_occasion_current(void);

/* Current has passed over one, if it is at any. Any context. */
void pando_occasion_pass_over(void);

/* @pid comes here; before it is settled. Process context. */
void pando_occasion_arrive(u32 pid);
/* @pid, of the group @pgid, has left. Process context. */
void pando_occasion_leave(u32 pid, u32 pgid);
/* Not long ago? Any context. */
bool pando_occasion_has_left(u32 pid);

/* Is this what @pid is to get for @id? False: it has got it. Any context. */
bool pando_occasion_is_first(u32 pid, u64 id);

/** struct pando_lefts - @n processes that have left a node */
struct pando_lefts {
	u32 n;
	__le32 pid[PANDO_LEFT_MOST];
};

/*
 * Those of the group @pgid, 0: of all, who had just left at @when (jiffies), the last first;
 * at most PANDO_LEFT_MOST. How many. Any context.
 */
u32 pando_occasion_left(u32 pgid, unsigned long when, __le32 *pids);

/* And those that another node has named, in @len bytes. */
void pando_lefts_add(struct pando_lefts *lefts, const __le32 *pids, size_t len);

void pando_occasion_reset(void);	/* DETACH, and unload */

#endif
