/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stub.c (the table, the hooks), stub_life.c (what befalls processes and
 * nodes) and stub_move.c (what moves make) share.
 */
#ifndef _PANDO_STUB_PARTS_H
#define _PANDO_STUB_PARTS_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "stub.h"

enum pando_stub_state {
	PANDO_STUB_CLAIMED,	/* its number may be given; there may be a task already */
	PANDO_STUB_BOUND,	/* has a task; the move is not done */
	PANDO_STUB_STANDS,
	PANDO_STUB_RETIRED,	/* the process itself is here; the task is ending */
};

/**
 * struct pando_stub - a task that holds a number
 * @node: in the table
 * @dead: among those that are not, to be freed
 * @rcu: readers may see it a while longer
 * @pid: the number
 * @where: node where the process runs
 * @incarnation: of that node
 * @state: see above; pando_stub_lock
 * @owner: whose it is until it stands
 * @travels: it comes with a parent that waits for it
 * @held: its process's node knows of it before it stands
 * @anew: its group was noted before that
 * @leaver: who takes it away with that; it is left as it is
 * @heir: whose move brings its process's parent: what was restored with that, under the
 *	same number, is met; how its process ended is told after that
 * @rising: it stands, but not yet in the place of its process
 * @task: the task, with a reference; NULL while PANDO_STUB_CLAIMED
 * @sender: who may send it a signal of its own now
 * @ending: it is to end with @status
 * @lefts: of those that have @left
 * @left: nobody needs it, and its process lives on elsewhere: it is a stub as long as
 *	its task has the number
 * @status: as wait() has it
 * @stop_signal: that the process was stopped by
 * @misses: how often nobody knew of the process
 * @lost_since: jiffies, when its node was first missed; 0: it is not
 * @original: the process, if it is here and meets its stub, with a reference
 * @changed: that was stopped, or went on, and its parent on its way was not told
 * @pending: how the process ended before the stub stood
 */
struct pando_stub {
	struct hlist_node node;
	struct llist_node dead;
	struct rcu_head rcu;
	u32 pid;
	u16 where;
	u64 incarnation;
	enum pando_stub_state state;
	struct file *owner;
	bool travels, held, anew;
	struct file *leaver, *heir;
	bool rising;
	struct task_struct *task;
	struct task_struct *sender;
	bool ending;
	bool left;
	struct list_head lefts;
	int status;
	int stop_signal;
	int misses;
	unsigned long lost_since;
	struct task_struct *original;
	bool changed;
	struct pando_wire_kin_event *pending;
};

/* Changed under the lock, with interrupts off; read under RCU. */
extern DECLARE_HASHTABLE(pando_stub_table, 8);
extern spinlock_t pando_stub_lock;

/* Whoever sends signals to stubs, or ends them: one at a time. Outermost. */
extern struct mutex pando_stub_act;

/* Under RCU or the lock. A retired one has its number no more. */
struct pando_stub *pando_stub_find(u32 pid);
struct pando_stub *pando_stub_find_task(struct task_struct *task);
/* NULL: no memory. */
struct pando_stub *pando_stub_add(u32 pid, enum pando_stub_state state,
				  struct task_struct *task);
/* Under the lock. */
void pando_stub_remove(struct pando_stub *s);

/* --- process context, under pando_stub_act ------------------------------------- */

/* node.c's lock is not one to be taken below ours: ask it before. */
void pando_stub_set_where(struct pando_stub *s, u16 where, u64 incarnation);
/*
 * Ends its task with a status as wait() has it. The record goes when the kernel
 * says that the task is dead: pando_stub_died().
 */
void pando_stub_end(struct pando_stub *s, int status);
/* ... that nobody waits for. The record goes with the task: pando_stub_freed(). */
void pando_stub_put_away(struct pando_stub *s);
/* ... and as its process ended. */
void pando_stub_end_as(struct pando_stub *s,
		       const struct pando_wire_kin_event *ev);
/*
 * The standing stubs, to be freed; their records stay while the mutex is held.
 * NULL: none, or no memory (whoever asks will ask again).
 */
struct pando_stub **pando_stub_collect(u32 *n);

/* Does its parent, or somebody after it, still wait for it? A stub waits for nobody. */
bool pando_stub_has_parent(struct pando_stub *s);

/* It is being made, and nobody has its process any more: it ends when it stands. */
void pando_stub_note_gone(u32 pid);

/* stub_life.c: ends its workers; at DETACH. */
void pando_stub_life_stop(void);

#endif
