// SPDX-License-Identifier: GPL-2.0-only
/* Processes with relations on other nodes: see kin.h. */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "condemned.h"
#include "hooks.h"
#include "kin.h"
#include "kin_front.h"
#include "kin_stop.h"
#include "kin_tty.h"
#include "kin_usage.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "recover.h"
#include "rpc.h"
#include "stub.h"
#include "watch.h"

#define NODES	(PANDO_NODE_MAX + 1)

/**
 * struct kin - a process of this node that has stubs on others
 * @node: in the table
 * @ref: one for the table, one while @work is queued
 * @pid: its number
 * @holders: the nodes with stubs of it; lock
 * @events: what they have not been told yet, the youngest first
 * @untold: how many of those there are, with the one that is being told
 * @changes: and how many of them are for all
 * @exit: the last of them, ready when it is needed: memory may be short then
 * @ending: it has ended, @exit was filled in; lock
 * @kept: a holder has what is left of it
 * @tty: it had that for a terminal elsewhere when it ended, or NULL; a reference
 * @work: tells them
 */
struct kin {
	struct hlist_node node;
	struct kref ref;
	u32 pid;
	DECLARE_BITMAP(holders, NODES);
	struct llist_head events;
	atomic_t untold;
	atomic_t changes;
	struct pando_wire_kin_event exit;
	bool ending;
	bool kept;
	struct tty_struct *tty;
	struct work_struct work;
};

/* Holders that are not ready for a word hear it again after so long, and so often. */
#define LATER_MIN_MS	2
#define LATER_MAX_MS	50
#define LATER_MOST	(120 * HZ)

/**
 * struct event - other than its end; the members as on the wire
 * @only: for this holder, which may have missed some; what it says is looked up when it
 *	is told; 0: for all of them
 */
struct event {
	struct llist_node node;
	u16 only;
	u32 what;
	u32 status;
	u32 session;
};

/* Taken with interrupts off, below tasklist_lock and siglock. */
static DEFINE_SPINLOCK(lock);
static DEFINE_HASHTABLE(table, 8);	/* lock */

/* Tells: each process's events in their order, those of others meanwhile. */
static struct workqueue_struct *tell_wq;

/* --- the table --------------------------------------------------------------- */

static struct kin *find(u32 pid)
{
	struct kin *k;

	hash_for_each_possible(table, k, node, pid)
		if (k->pid == pid)
			return k;
	return NULL;
}

static void kin_free(struct kref *ref)
{
	struct kin *k = container_of(ref, struct kin, ref);

	tty_kref_put(k->tty);
	kfree(k);
}

/* Under the lock. */
static void forget(struct kin *k)
{
	hash_del(&k->node);
	atomic_dec(&pando_stub_gate);
	kref_put(&k->ref, kin_free);
}

static void tell(struct kin *k)
{
	kref_get(&k->ref);
	if (!queue_work(tell_wq, &k->work))
		kref_put(&k->ref, kin_free);
}

void pando_kin_holders(u32 pid, u64 *holders)
{
	struct kin *k;
	int id;

	spin_lock_irq(&lock);
	k = find(pid);
	if (k)
		for_each_set_bit(id, k->holders, NODES)
			holders[id / 64] |= BIT_ULL(id % 64);
	spin_unlock_irq(&lock);
}

static void tell_fn(struct work_struct *work);

int pando_kin_add(u32 pid, const u64 *holders)
{
	u16 self = pando_nodes_self();
	struct kin *new, *k;
	bool any = false;
	int id;

	for (id = 1; id < NODES; id++)
		any |= id != self && holders[id / 64] & BIT_ULL(id % 64);
	if (!any)
		return 0;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	kref_init(&new->ref);
	new->pid = pid;
	init_llist_head(&new->events);
	INIT_WORK(&new->work, tell_fn);
	spin_lock_irq(&lock);
	k = find(pid);
	if (!k) {
		k = new;
		new = NULL;
		hash_add(table, &k->node, pid);
		atomic_inc(&pando_stub_gate);
	}
	for (id = 1; id < NODES; id++)
		if (id != self &&
		    (holders[id / 64] & BIT_ULL(id % 64)))
			__set_bit(id, k->holders);
	spin_unlock_irq(&lock);
	kfree(new);
	return 0;
}

bool pando_kin_is_held(u32 pid, u16 node)
{
	struct kin *k;
	bool held;

	spin_lock_irq(&lock);
	k = find(pid);
	held = k && test_bit(node, k->holders);
	spin_unlock_irq(&lock);
	return held;
}

void pando_kin_moved(u32 pid, u16 to)
{
	struct kin *k;

	spin_lock_irq(&lock);
	k = to == pando_nodes_self() ? NULL : find(pid);
	/* its new node has the list, or gets it by their announcements */
	if (k && !k->ending)
		forget(k);
	spin_unlock_irq(&lock);
	/* who comes home was noted before (pando_locate_moved()) */
	if (to != pando_nodes_self())
		pando_stub_moved(pid, to);
	/* it may have left a parent's stub here without children */
	if (pando_stub_any())
		pando_stub_tidy();
}

bool pando_kin_is_ending(u32 pid)
{
	unsigned long flags;
	struct kin *k;
	bool ending;

	if (!pando_stub_any())
		return false;
	spin_lock_irqsave(&lock, flags);
	k = find(pid);
	ending = k && k->ending;
	spin_unlock_irqrestore(&lock, flags);
	return ending;
}

/* --- telling the holders ------------------------------------------------------- */

/* Of one that has been forgotten, because it moved on, there are none. */
static void copy_holders(struct kin *k, unsigned long *holders)
{
	spin_lock_irq(&lock);
	if (hlist_unhashed(&k->node))
		bitmap_zero(holders, NODES);
	else
		bitmap_copy(holders, k->holders, NODES);
	spin_unlock_irq(&lock);
}

static bool holds(struct kin *k, u16 node)
{
	bool yes;

	spin_lock_irq(&lock);
	yes = !hlist_unhashed(&k->node) && test_bit(node, k->holders);
	spin_unlock_irq(&lock);
	return yes;
}

/*
 * Tries until it is no member any more (-EHOSTDOWN), or no holder, and ready to hear it.
 * Else its answer: enum pando_kin_answer.
 */
static int tell_one(struct kin *k, u16 node, const struct pando_wire_kin_event *ev)
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
		if (err || le32_to_cpu(reply.answer) != PANDO_KIN_LATER)
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
static bool look_up(struct kin *k, struct pando_wire_kin_event *ev)
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

/* Which holder is next? NODES: none. */
static int next_holder(struct kin *k, const struct event *e, const unsigned long *told)
{
	DECLARE_BITMAP(holders, NODES);

	copy_holders(k, holders);
	bitmap_andnot(holders, holders, told, NODES);
	if (e->only)
		return test_bit(e->only, holders) ? e->only : NODES;
	return find_first_bit(holders, NODES);
}

/*
 * A holder that is not ready keeps what comes after from the others as well: so there
 * is never more than one that some know of and some do not, and who becomes a holder
 * in place of another, as when a parent moves, misses none. What it was told already
 * where it comes from is nothing new to it.
 */
static void tell_change(struct kin *k, const struct event *e)
{
	struct pando_wire_kin_event ev = {
		.pid = cpu_to_le32(k->pid),
		.what = cpu_to_le32(e->what),
		.status = cpu_to_le32(e->status),
		.session = cpu_to_le32(e->session),
	};
	DECLARE_BITMAP(told, NODES) = {};
	u32 pgid, sid = 0;
	int id;

	while ((id = next_holder(k, e, told)) < NODES) {
		if (e->only && !look_up(k, &ev))
			return;
		/* one that came later may have been told already */
		if (e->what == PANDO_KIN_REGROUP) {
			pgid = pando_kin_group_of(k->pid, &sid);
			if (!pgid)
				return;
			ev.status = cpu_to_le32(pgid);
			ev.session = cpu_to_le32(sid);
		}
		if (tell_one(k, id, &ev) == -ENOTCONN)	/* detached */
			return;
		__set_bit(id, told);
	}
}

/* All that can be told now know its end; false: it is detached. */
static bool tell_end_to_all(struct kin *k, unsigned long *down)
{
	static const struct event end = { .what = PANDO_KIN_EXIT };
	int id, ret;

	while ((id = next_holder(k, &end, down)) < NODES) {
		ret = tell_one(k, id, &k->exit);
		if (ret == -ENOTCONN)
			return false;
		if (ret == -EHOSTDOWN) {
			__set_bit(id, down);
			continue;
		}
		spin_lock_irq(&lock);
		__clear_bit(id, k->holders);
		k->kept |= ret == PANDO_KIN_KEEPS;
		spin_unlock_irq(&lock);
	}
	return true;
}

/* Nobody is left who waits to be told. */
static bool forget_told(struct kin *k)
{
	bool gone;

	spin_lock_irq(&lock);
	gone = hlist_unhashed(&k->node);
	if (!gone && bitmap_empty(k->holders, NODES)) {
		forget(k);
		gone = true;
	}
	spin_unlock_irq(&lock);
	return gone;
}

/*
 * Who is not a member now is told when it is back (pando_kin_members()): a
 * status is never lost while the one who waits for it may be alive. Nor is it for who
 * becomes a holder meanwhile.
 */
static void tell_end(struct kin *k)
{
	DECLARE_BITMAP(down, NODES) = {};

	do {
		if (!tell_end_to_all(k, down) || !bitmap_empty(down, NODES))
			return;
	} while (!forget_told(k));
	/* who keeps it has told its home, and will tell it the end */
	if (!k->kept)
		pando_recover_ended(k->pid);
}

static void tell_fn(struct work_struct *work)
{
	struct kin *k = container_of(work, struct kin, work);
	struct llist_node *list = llist_reverse_order(llist_del_all(&k->events));
	struct event *e, *next;
	bool ending;

	llist_for_each_entry_safe(e, next, list, node) {
		tell_change(k, e);
		if (!e->only)
			atomic_dec(&k->changes);
		kfree(e);
		atomic_dec(&k->untold);
	}
	spin_lock_irq(&lock);
	ending = k->ending && !hlist_unhashed(&k->node);
	spin_unlock_irq(&lock);
	if (ending && k->tty)
		pando_kin_tty_settle(k->tty);
	if (ending)
		tell_end(k);
	kref_put(&k->ref, kin_free);
}

static void add_event(u32 pid, const struct event *what)
{
	struct event *e = kmemdup(what, sizeof(*e), GFP_ATOMIC);
	unsigned long flags;
	struct kin *k;

	if (!e)
		return;
	spin_lock_irqsave(&lock, flags);
	k = find(pid);
	if (k && !k->ending) {
		atomic_inc(&k->untold);
		if (!e->only)
			atomic_inc(&k->changes);
		llist_add(&e->node, &k->events);
		tell(k);
		e = NULL;
	}
	spin_unlock_irqrestore(&lock, flags);
	kfree(e);
}

void pando_kin_change(u32 pid, enum pando_kin_event what, u32 status,
		      u32 session)
{
	struct event e = { .what = what, .status = status, .session = session };

	add_event(pid, &e);
}

bool pando_kin_is_telling(u32 pid, bool change)
{
	unsigned long flags;
	struct kin *k;
	bool is;

	spin_lock_irqsave(&lock, flags);
	k = find(pid);
	is = k && atomic_read(change ? &k->changes : &k->untold);
	spin_unlock_irqrestore(&lock, flags);
	return is;
}

/*
 * A tracer that is not the parent hears of it first; the parent when the
 * tracer has, and then so do the holders.
 */
void pando_kin_died(struct task_struct *task)
{
	u32 pid = task_tgid_nr_ns(task, pando_ns());
	unsigned long flags;
	struct kin *k;

	if (task->ptrace &&
	    !same_thread_group(rcu_dereference_protected(task->parent, 1),
			       rcu_dereference_protected(task->real_parent, 1)))
		return;
	/* what criu builds and is then not wanted is not the process */
	if (!pando_locate_is_settled(pid) && !pando_stub_is_original(task, pid))
		return;
	pando_watch_end(pid);
	spin_lock_irqsave(&lock, flags);
	k = find(pid);
	if (k && !k->ending) {
		k->exit.pid = cpu_to_le32(pid);
		pando_kin_usage_get(&k->exit, task);
		k->tty = pando_kin_tty_get(task);
		k->ending = true;
		pando_recover_pin(pid);
		tell(k);
	}
	spin_unlock_irqrestore(&lock, flags);
	pando_stub_tidy();
}

static int handle_event(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_event *ev = req->data;
	struct pando_wire_kin_event_reply *reply = req->reply;
	u32 pid = le32_to_cpu(ev->pid), status = le32_to_cpu(ev->status);
	u32 what = le32_to_cpu(ev->what);
	u32 answer = PANDO_KIN_NOTED;

	req->reply_len = sizeof(*reply);
	if (pando_stub_comes(pid, what == PANDO_KIN_EXIT)) {
		reply->answer = cpu_to_le32(PANDO_KIN_LATER);
		return 0;
	}
	switch (what) {
	case PANDO_KIN_EXIT:
		pando_watch_end(pid);
		if (pando_stub_exit(pid, ev))
			answer = PANDO_KIN_KEEPS;
		break;
	case PANDO_KIN_STOP:
		if (!valid_signal(status) || !status)
			return -EPROTO;
		if (!pando_stub_stop(pid, status))
			answer = PANDO_KIN_LATER;
		break;
	case PANDO_KIN_CONT:
		if (!pando_stub_cont(pid))
			answer = PANDO_KIN_LATER;
		break;
	case PANDO_KIN_REGROUP:
		if (!pando_stub_regroup(pid, status, le32_to_cpu(ev->session)))
			answer = PANDO_KIN_LATER;
		break;
	default:
		return -EPROTO;
	}
	reply->answer = cpu_to_le32(answer);
	return 0;
}

/* --- who holds ------------------------------------------------------------------- */

int pando_kin_hold(u32 pid, bool drop, u16 *where)
{
	struct pando_wire_kin_hold msg = {
		.pid = cpu_to_le32(pid),
		.flags = cpu_to_le32(drop ? PANDO_KIN_DROP : 0),
	};
	struct pando_wire_kin_hold_reply reply = {};
	bool here;
	int err;

	err = pando_locate_call(pid, PANDO_MSG_KIN_HOLD,
				&(struct kvec){ &msg, sizeof(msg) }, 1,
				&reply, sizeof(reply), NULL, &here);
	if (where)
		*where = le16_to_cpu(reply.node);
	return err;
}

void pando_kin_let_go(u32 pid)
{
	if (!pando_watch_has(pid))
		pando_kin_hold(pid, true, NULL);
}

static void drop_holder(u32 pid, u16 node)
{
	struct kin *k;

	spin_lock_irq(&lock);
	k = find(pid);
	if (k) {
		__clear_bit(node, k->holders);
		if (bitmap_empty(k->holders, NODES) && !k->ending)
			forget(k);
	}
	spin_unlock_irq(&lock);
}

/* Do holders hear of its stops at all? Who has a parent here is that one's business. */
static bool is_told_of(u32 pid)
{
	struct task_struct *task = pando_ns_get_process(pid);
	bool told;

	if (!task)
		return false;
	rcu_read_lock();
	told = pando_stub_is(rcu_dereference(task->real_parent));
	rcu_read_unlock();
	put_task_struct(task);
	return told;
}

int pando_kin_tell(u32 pid, u16 node)
{
	u64 holders[PANDO_NODE_WORDS] = {};
	int err;

	holders[node / 64] = BIT_ULL(node % 64);
	err = pando_kin_add(pid, holders);
	/* it may be new, or was away, or asks for a stub that has come since */
	if (!err && is_told_of(pid))
		add_event(pid, &(struct event){ .only = node });
	/* it may have died meanwhile, and nobody looked for holders */
	if (!err && !pando_ns_is_alive(pid) && !pando_kin_is_ending(pid)) {
		drop_holder(pid, node);
		err = -ESRCH;
	}
	return err;
}

static int handle_hold(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_hold *msg = req->data;
	struct pando_wire_kin_hold_reply *reply = req->reply;
	u32 pid = le32_to_cpu(msg->pid);
	int err;

	*reply = (struct pando_wire_kin_hold_reply){
		.node = cpu_to_le16(pando_nodes_self()),
	};
	req->reply_len = sizeof(*reply);
	if (le32_to_cpu(msg->flags) & PANDO_KIN_DROP) {
		drop_holder(pid, req->node);
		return 0;
	}
	if (!pando_ns_has_pid(pid))
		return pando_locate_miss(pid);
	err = pando_kin_tell(pid, req->node);
	/* that it is not here, so that its home had to be asked, would be another answer */
	return err == -ESRCH ? -EOWNERDEAD : err;
}

/* --- life ---------------------------------------------------------------------------------- */

void pando_kin_members(void)
{
	DECLARE_BITMAP(members, NODES) = {};
	bool complete = pando_recover_is_complete();
	struct kin *k;
	int i;

	for (i = 1; i < NODES; i++)
		if (pando_nodes_is_member(i))
			__set_bit(i, members);
	spin_lock_irq(&lock);
	hash_for_each(table, i, k, node) {
		if (!k->ending)
			continue;
		/* who is missing is dead, and nobody there waits */
		if (complete)
			bitmap_and(k->holders, k->holders, members, NODES);
		tell(k);
	}
	spin_unlock_irq(&lock);
	pando_condemned_members();
}

void pando_kin_reset(void)
{
	struct hlist_node *next;
	struct kin *k;
	int i;

	pando_kin_signals_flush();
	pando_condemned_reset();
	spin_lock_irq(&lock);
	hash_for_each_safe(table, i, next, k, node)
		forget(k);
	spin_unlock_irq(&lock);
	pando_kin_groups_reset();
	pando_kin_tty_reset();
	pando_kin_front_reset();
	flush_workqueue(tell_wq);
}

int pando_kin_init(void)
{
	int err;

	tell_wq = alloc_workqueue("pando_kin", WQ_UNBOUND, 0);
	if (!tell_wq)
		return -ENOMEM;
	err = pando_rpc_register(PANDO_MSG_KIN_EVENT, handle_event, THIS_MODULE);
	if (err)
		goto err_wq;
	err = pando_kin_signals_init();
	if (err)
		goto err_event;
	err = pando_rpc_register(PANDO_MSG_KIN_HOLD, handle_hold, THIS_MODULE);
	if (err)
		goto err_signal;
	return 0;

err_signal:
	pando_kin_signals_exit();
err_event:
	pando_rpc_unregister(PANDO_MSG_KIN_EVENT);
err_wq:
	destroy_workqueue(tell_wq);
	return err;
}

void pando_kin_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_KIN_HOLD);
	pando_kin_signals_exit();
	pando_rpc_unregister(PANDO_MSG_KIN_EVENT);
	pando_kin_reset();
	destroy_workqueue(tell_wq);
}
