/* SPDX-License-Identifier: GPL-2.0-only */
/* What kin.c (who holds stubs of whom) and kin_tell.c (what they are told) share. */
#ifndef _PANDO_KIN_PARTS_H
#define _PANDO_KIN_PARTS_H

#include <linux/bitmap.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <pando/wire.h>
#include <uapi/linux/pando.h>

struct task_struct;
struct tty_struct;

#define PANDO_KIN_NODES	(PANDO_NODE_MAX + 1)

/**
 * struct pando_held - a process of this node that has stubs on others
 * @node: in the table
 * @ref: one for the table, one while @work is queued
 * @pid: its number
 * @holders: the nodes with stubs of it; pando_kin_lock
 * @events: what they have not been told yet, the youngest first
 * @untold: how many of those there are, with the one that is being told
 * @changes: and how many of them are for all
 * @exit: the last of them, ready when it is needed: memory may be short then
 * @ending: it has ended, @exit was filled in; pando_kin_lock
 * @kept: a holder has what is left of it
 * @left: it has ended, and its parent ends: who gets it from that will be told
 * @waiter: the node of its parent then, as far as is known, or 0
 * @tty: it had that for a terminal elsewhere when it ended, or NULL; a reference
 * @work: tells them
 */
struct pando_held {
	struct hlist_node node;
	struct kref ref;
	u32 pid;
	DECLARE_BITMAP(holders, PANDO_KIN_NODES);
	struct llist_head events;
	atomic_t untold;
	atomic_t changes;
	struct pando_wire_kin_event exit;
	bool ending;
	bool kept;
	bool left;
	u16 waiter;
	struct tty_struct *tty;
	struct work_struct work;
};

/**
 * struct pando_held_event - other than its end; the members as on the wire
 * @only: for this holder, which may have missed some; what it says is looked up when it
 *	is told; 0: for all of them
 */
struct pando_held_event {
	struct llist_node node;
	u16 only;
	u32 what;
	u32 status;
	u32 session;
};

/* Taken with interrupts off, below tasklist_lock and siglock. */
extern spinlock_t pando_kin_lock;

/* Under the lock. NULL: it has none. */
struct pando_held *pando_kin_find(u32 pid);
/* Under the lock: it has none any more. */
void pando_kin_forget(struct pando_held *k);
void pando_kin_free(struct kref *ref);

/* The node of its parent, as far as is known here; 0: this one, or nobody waits. */
u16 pando_kin_waits_where(struct task_struct *task);
/* Tells them what is there to be told; the work of a struct pando_held. */
void pando_kin_tell_fn(struct work_struct *work);

#endif
