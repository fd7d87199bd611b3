// SPDX-License-Identifier: GPL-2.0-only
/* Moves, as locate.c's directory sees them: numbers that are about to arrive or gone. */
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "hold.h"
#include "kin.h"
#include "locate.h"
#include "locate_parts.h"
#include "node.h"
#include "ns.h"
#include "occasion.h"
#include "peer.h"
#include "recover.h"
#include "stub.h"
#include "watch.h"

int pando_locate_reserve(u64 move, const u32 *pids, u32 n, u32 *busy)
{
	int err = 0;
	u32 i;

	if (!move)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		*busy = pids[i];
		if (pids[i] < PANDO_LOCAL_PIDS || pids[i] >= PANDO_PID_MAX)
			err = -EINVAL;
		else if ((pando_ns_has_process(pids[i]) &&
			  (!pando_stub_stands(pids[i]) || pando_stub_has_left(pids[i]))) ||
			 pando_stub_may_make(pids[i]) ||
			 pando_locate_is_kind(pids[i], PANDO_DIR_RESERVED))
			err = -EEXIST;
		if (err)
			goto err_undo;
		spin_lock_irq(&pando_locate_lock);
		err = pando_dir_set(&pando_locate_dir, pids[i], PANDO_DIR_RESERVED,
				    pando_nodes_self(), move);
		pando_locate_set_gates();
		spin_unlock_irq(&pando_locate_lock);
		/* pairs with pando_stub_travel() and inherit(): one of us sees the other */
		smp_mb();
		if (!err && (pando_stub_leaves(pids[i]) || pando_stub_is_met(pids[i])))
			err = -EEXIST;
		if (err)
			goto err_undo;
	}
	return 0;

err_undo:
	pando_locate_unreserve(move);
	return err;
}

/*
 * A copy that was restored and is being killed keeps its number reserved, now
 * of no move, until it is gone: see end_is_news(). (The mark says that it is.)
 */
static bool is_over(struct pando_dir_entry *e, void *move)
{
	if (e->tag != *(u64 *)move)
		return false;
	/* where a stub stands the number is not free anyway */
	if (e->mark || !pando_ns_has_number(e->pid) ||
	    pando_stub_stands(e->pid))
		return true;
	e->tag = 0;
	return false;
}

void pando_locate_unreserve(u64 move)
{
	spin_lock_irq(&pando_locate_lock);
	pando_dir_purge(&pando_locate_dir, PANDO_DIR_RESERVED, is_over, &move);
	pando_locate_set_gates();
	spin_unlock_irq(&pando_locate_lock);
	pando_alloc_unshare();
}

static int moved_one(u32 pid, u16 from, u16 to)
{
	u16 self = pando_nodes_self();
	int err = 0;

	spin_lock_irq(&pando_locate_lock);
	pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_HINT);
	if (to == self) {
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_RESERVED);
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_AWAY);
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_LEAVING);
		err = pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_ARRIVED, self, 0);
	} else {
		if (pando_locate_home(pid) == self)
			err = pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_AWAY, to,
					    pando_recover_incarnation(to));
		/* a report that was collected before the move is no denial */
		pando_dir_mark(&pando_locate_dir, pid, PANDO_DIR_AWAY, 1);
		if (from == self && !err)
			err = pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_LEAVING, to,
					    0);
		if (from == self)
			pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_ARRIVED);
	}
	pando_locate_set_gates();
	spin_unlock_irq(&pando_locate_lock);
	return err;
}

/*
 * Whoever has a pidfd of it here will hear of its end there, and who signals its group asks
 * other nodes as well.
 */
static void leave(u32 nr, u16 to)
{
	struct task_struct *task = pando_ns_get_process(nr);
	u32 pgid;

	if (!task)
		return;
	pgid = task_pgrp_nr_ns(task, pando_ns());
	pando_occasion_leave(nr, pgid);
	pando_kin_spread(pgid);
	pando_watch_leave(nr, task, to);
	put_task_struct(task);
}

struct arrived {
	u64 move;
	u32 *pids;
	u32 n, room, ended;
};

/* Who is there first, who has ended already from the end on. */
static bool note_arrived(struct pando_dir_entry *e, void *ctx)
{
	struct arrived *a = ctx;

	if (e->tag == a->move && a->n + a->ended < a->room)
		a->pids[e->mark ? a->room - ++a->ended : a->n++] = e->pid;
	return false;
}

/* The daemon was not there to hear who they are: whom it had reserved for the move. */
static int moved_here(u64 move, u16 from)
{
	u16 self = pando_nodes_self();
	struct arrived a = { .move = move };
	int err = 0;
	u32 i;

	a.room = READ_ONCE(pando_locate_dir.count[PANDO_DIR_RESERVED]);
	if (!a.room)
		return 0;
	a.pids = kvmalloc_array(a.room, sizeof(*a.pids), GFP_KERNEL);
	if (!a.pids)
		return -ENOMEM;
	spin_lock_irq(&pando_locate_lock);
	pando_dir_purge(&pando_locate_dir, PANDO_DIR_RESERVED, note_arrived, &a);
	spin_unlock_irq(&pando_locate_lock);
	if (a.n)
		err = pando_locate_moved(move, a.pids, a.n, from, self);
	for (i = a.room - a.ended; i < a.room; i++) {
		moved_one(a.pids[i], from, self);
		spin_lock_irq(&pando_locate_lock);
		pando_dir_clear(&pando_locate_dir, a.pids[i], PANDO_DIR_ARRIVED);
		pando_locate_set_gates();
		spin_unlock_irq(&pando_locate_lock);
		if (pando_locate_home(a.pids[i]) != self)
			pando_recover_gone(a.pids[i]);
	}
	kvfree(a.pids);
	return err;
}

int pando_locate_moved(u64 move, const u32 *pids, u32 n, u16 from, u16 to)
{
	int err = 0;
	u32 i;

	if (!n)
		return to == pando_nodes_self() ? moved_here(move, from) : 0;
	for (i = 0; i < n; i++) {
		int e;

		/* at no moment is it neither about to come nor here */
		if (to == pando_nodes_self()) {
			pando_stub_moved(pids[i], to);
			pando_occasion_arrive(pids[i]);
		}
		e = moved_one(pids[i], from, to);
		if (e)
			err = e;
		if (from == pando_nodes_self())
			leave(pids[i], to);
		pando_kin_moved(pids[i], to);
		pando_watch_moved(pids[i], to);
		if (from == pando_nodes_self() || to == pando_nodes_self())
			pando_hold_moved(pids[i], to);
	}
	pando_alloc_unshare();
	for (i = 0; i < n; i++)
		blocking_notifier_call_chain(&pando_locate_moved_chain, pids[i], &to);
	return err;
}
