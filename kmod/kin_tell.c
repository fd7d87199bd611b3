// SPDX-License-Identifier: GPL-2.0-only
/* What the nodes that hold stubs of a process are told of it: see kin.h. */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/tty.h>

#include "kin.h"
#include "kin_parts.h"
#include "kin_stop.h"
#include "kin_tty.h"
#include "kin_usage.h"
#include "ns.h"
#include "recover.h"
#include "rpc.h"
#include "stub.h"

/* Holders that are not ready for a word hear it again after so long, and so often. */
#define LATER_MIN_MS	2
#define LATER_MAX_MS	50
#define LATER_MOST	(120 * HZ)

/* Of one that has been forgotten, because it moved on, there are none. */
static void copy_holders(struct pando_held *k, unsigned long *holders)
{
	spin_lock_irq(&pando_kin_lock);
	if (hlist_unhashed(&k->node))
		bitmap_zero(holders, PANDO_KIN_NODES);
	else
		bitmap_copy(holders, k->holders, PANDO_KIN_NODES);
	spin_unlock_irq(&pando_kin_lock);
}

static bool holds(struct pando_held *k, u16 node)
{
	bool yes;

	spin_lock_irq(&pando_kin_lock);
	yes = !hlist_unhashed(&k->node) && test_bit(node, k->holders);
	spin_unlock_irq(&pando_kin_lock);
	return yes;
}

/*
 * Tries until it is no member any more (-EHOSTDOWN), or no holder, and ready to hear it,
 * or once, unless we @insist. Else its answer: enum pando_kin_answer.
 */
static int tell_one(struct pando_held *k, u16 node, const struct pando_wire_kin_event *ev,
		    bool insist)
{
	struct pando_wire_kin_event_reply reply;
	unsigned long end = jiffies + LATER_MOST;
	unsigned int nap = LATER_MIN_MS;
	size_t len;
	int err;

	for (;;) {
		reply = (struct pando_wire_kin_event_reply){};
		err = pando_rpc_call(node, PANDO_MSG_KIN_EVENT,
				     &(struct kvec){ (void *)ev, sizeof(*ev) },
				     1, &reply, sizeof(reply), &len);
		if (err == -ETIMEDOUT || err == -EAGAIN)
			continue;
		if (err || le32_to_cpu(reply.answer) != PANDO_KIN_LATER || !insist)
			break;
		if (!holds(k, node) || time_after(jiffies, end))
			return PANDO_KIN_NOTED;
		msleep(nap);
		nap = min_t(unsigned int, 2 * nap, LATER_MAX_MS);
	}
	return err ?: le32_to_cpu(reply.answer);
}

/*
 * How it stands now: to be told twice of the same changes nothing (stub_life.c). False:
 * it ends, and that is told.
 */
static bool look_up(struct pando_held *k, struct pando_wire_kin_event *ev)
{
	struct task_struct *task = pando_ns_get_process(k->pid);
	u32 signal = 0;
	bool lives;

	if (!task)
		return false;
	lives = !(READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT) && !task->exit_state;
	ev->what = cpu_to_le32(PANDO_KIN_CONT);
	if (pando_kin_stop_get(task, &signal) & PANDO_KIN_STOPPED) {
		ev->what = cpu_to_le32(PANDO_KIN_STOP);
		ev->status = cpu_to_le32(signal ?: SIGSTOP);
	}
	put_task_struct(task);
	return lives;
}

/* Which holder is next? PANDO_KIN_NODES: none. */
static int next_holder(struct pando_held *k, const struct pando_held_event *e,
		       const unsigned long *told)
{
	DECLARE_BITMAP(holders, PANDO_KIN_NODES);

	copy_holders(k, holders);
	bitmap_andnot(holders, holders, told, PANDO_KIN_NODES);
	if (e->only)
		return test_bit(e->only, holders) ? e->only : PANDO_KIN_NODES;
	return find_first_bit(holders, PANDO_KIN_NODES);
}

/* The node of its parent, as far as is known here; 0: this one, or nobody waits. */
u16 pando_kin_waits_where(struct task_struct *task)
{
	u32 ppid;
	u16 where;

	rcu_read_lock();
	ppid = task_tgid_nr_ns(rcu_dereference(task->real_parent), pando_ns());
	rcu_read_unlock();
	where = pando_stub_where(ppid);
	return where < PANDO_KIN_NODES ? where : 0;
}

/*
 * A holder that is not ready keeps what comes after from the others as well: so there
 * is never more than one that some know of and some do not, and who becomes a holder
 * in place of another, as when a parent moves, misses none. What it was told already
 * where it comes from is nothing new to it.
 */
static void tell_change(struct pando_held *k, const struct pando_held_event *e)
{
	struct pando_wire_kin_event ev = {
		.pid = cpu_to_le32(k->pid),
		.what = cpu_to_le32(e->what),
		.status = cpu_to_le32(e->status),
		.session = cpu_to_le32(e->session),
	};
	struct task_struct *task = pando_ns_get_process(k->pid);
	DECLARE_BITMAP(told, PANDO_KIN_NODES) = {};
	u32 pgid, sid = 0;
	u16 waiter = 0;
	int id;

	ev.uid = cpu_to_le32(task ? pando_kin_user_of(task) : PANDO_KIN_NOBODY);
	if (task) {
		waiter = pando_kin_waits_where(task);
		put_task_struct(task);
	}
	/* its parent last: who sees that it is stopped finds it so everywhere */
	__set_bit(waiter, told);
	for (;;) {
		id = next_holder(k, e, told);
		if (id == PANDO_KIN_NODES && !waiter)
			return;
		if (id == PANDO_KIN_NODES) {
			__clear_bit(waiter, told);
			waiter = 0;
			continue;
		}
		if (e->only && e->what != PANDO_KIN_REGROUP && !look_up(k, &ev))
			return;
		/* one that came later may have been told already */
		if (e->what == PANDO_KIN_REGROUP) {
			pgid = pando_kin_group_of(k->pid, &sid);
			if (!pgid)
				return;
			ev.status = cpu_to_le32(pgid);
			ev.session = cpu_to_le32(sid);
		}
		if (tell_one(k, id, &ev, true) == -ENOTCONN)	/* detached */
			return;
		__set_bit(id, told);
	}
}

/*
 * All that can be told now know its end; false: it is detached. Where its parent waits
 * they are told last: who has reaped it finds it on no other node any more. Unless one
 * is not ready to hear it.
 */
static bool tell_end_to_all(struct pando_held *k, unsigned long *down)
{
	static const struct pando_held_event end = { .what = PANDO_KIN_EXIT };
	DECLARE_BITMAP(skip, PANDO_KIN_NODES);
	bool insist = false;
	int id, ret;

	bitmap_copy(skip, down, PANDO_KIN_NODES);
	__set_bit(k->waiter, skip);
	for (;;) {
		id = next_holder(k, &end, skip);
		if (id == PANDO_KIN_NODES && insist)
			return true;
		if (id == PANDO_KIN_NODES) {
			insist = true;
			bitmap_copy(skip, down, PANDO_KIN_NODES);
			continue;
		}
		ret = tell_one(k, id, &k->exit, insist);
		if (ret == -ENOTCONN)
			return false;
		if (ret == -EHOSTDOWN)
			__set_bit(id, down);
		if (ret == -EHOSTDOWN || ret == PANDO_KIN_LATER) {
			__set_bit(id, skip);
			continue;
		}
		spin_lock_irq(&pando_kin_lock);
		__clear_bit(id, k->holders);
		k->kept |= ret == PANDO_KIN_KEEPS;
		spin_unlock_irq(&pando_kin_lock);
	}
}

/* Nobody is left who waits to be told. */
static bool forget_told(struct pando_held *k)
{
	bool gone;

	spin_lock_irq(&pando_kin_lock);
	gone = hlist_unhashed(&k->node);
	if (!gone && bitmap_empty(k->holders, PANDO_KIN_NODES)) {
		pando_kin_forget(k);
		gone = true;
	}
	spin_unlock_irq(&pando_kin_lock);
	return gone;
}

/*
 * Who is not a member now is told when it is back (pando_kin_members()): a
 * status is never lost while the one who waits for it may be alive. Nor is it for who
 * becomes a holder meanwhile.
 */
static void tell_end(struct pando_held *k)
{
	DECLARE_BITMAP(down, PANDO_KIN_NODES) = {};

	do {
		if (!tell_end_to_all(k, down) || !bitmap_empty(down, PANDO_KIN_NODES))
			return;
	} while (!forget_told(k));
	/* who keeps it has told its home, and will tell it the end */
	if (!k->kept)
		pando_recover_ended(k->pid);
}

void pando_kin_tell_fn(struct work_struct *work)
{
	struct pando_held *k = container_of(work, struct pando_held, work);
	struct llist_node *list = llist_reverse_order(llist_del_all(&k->events));
	struct pando_held_event *e, *next;
	bool ending;

	llist_for_each_entry_safe(e, next, list, node) {
		tell_change(k, e);
		if (!e->only)
			atomic_dec(&k->changes);
		kfree(e);
		atomic_dec(&k->untold);
	}
	spin_lock_irq(&pando_kin_lock);
	ending = k->ending && !hlist_unhashed(&k->node);
	spin_unlock_irq(&pando_kin_lock);
	if (ending && k->tty)
		pando_kin_tty_settle(k->tty);
	if (ending)
		tell_end(k);
	kref_put(&k->ref, pando_kin_free);
}
