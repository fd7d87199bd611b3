// SPDX-License-Identifier: GPL-2.0-only
/* Processes with relations on other nodes: see kin.h. */
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/tty.h>

#include <uapi/linux/pando.h>

#include "condemned.h"
#include "kin.h"
#include "kin_front.h"
#include "kin_parts.h"
#include "kin_tty.h"
#include "kin_usage.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "reaper.h"
#include "recover.h"
#include "rpc.h"
#include "stub.h"
#include "tasklist.h"
#include "watch.h"

DEFINE_SPINLOCK(pando_kin_lock);	/* see kin_parts.h */
static DEFINE_HASHTABLE(table, 8);	/* pando_kin_lock */

/* Tells: each process's events in their order, those of others meanwhile. */
static struct workqueue_struct *tell_wq;

/* --- the table --------------------------------------------------------------- */

struct pando_held *pando_kin_find(u32 pid)
{
	struct pando_held *k;

	hash_for_each_possible(table, k, node, pid)
		if (k->pid == pid)
			return k;
	return NULL;
}

void pando_kin_free(struct kref *ref)
{
	struct pando_held *k = container_of(ref, struct pando_held, ref);

	tty_kref_put(k->tty);
	kfree(k);
}

void pando_kin_forget(struct pando_held *k)
{
	hash_del(&k->node);
	atomic_dec(&pando_stub_gate);
	kref_put(&k->ref, pando_kin_free);
}

static void tell(struct pando_held *k)
{
	kref_get(&k->ref);
	if (!queue_work(tell_wq, &k->work))
		kref_put(&k->ref, pando_kin_free);
}

void pando_kin_holders(u32 pid, u64 *holders)
{
	struct pando_held *k;
	int id;

	spin_lock_irq(&pando_kin_lock);
	k = pando_kin_find(pid);
	if (k)
		for_each_set_bit(id, k->holders, PANDO_KIN_NODES)
			holders[id / 64] |= BIT_ULL(id % 64);
	spin_unlock_irq(&pando_kin_lock);
}

static int nothing(void *unused)
{
	return 0;
}

int pando_kin_add(u32 pid, const u64 *holders)
{
	u16 self = pando_nodes_self();
	struct pando_held *new, *k;
	bool any = false, first = false;
	u32 sid;
	int id;

	for (id = 1; id < PANDO_KIN_NODES; id++)
		any |= id != self && holders[id / 64] & BIT_ULL(id % 64);
	if (!any)
		return 0;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	kref_init(&new->ref);
	new->pid = pid;
	init_llist_head(&new->events);
	INIT_WORK(&new->work, pando_kin_tell_fn);
	spin_lock_irq(&pando_kin_lock);
	k = pando_kin_find(pid);
	if (!k) {
		k = new;
		new = NULL;
		hash_add(table, &k->node, pid);
		first = atomic_inc_return(&pando_stub_gate) == 1;
	}
	for (id = 1; id < PANDO_KIN_NODES; id++)
		if (id != self &&
		    (holders[id / 64] & BIT_ULL(id % 64)))
			__set_bit(id, k->holders);
	spin_unlock_irq(&pando_kin_lock);
	kfree(new);
	/* of who ends just now: he is seen to have ended, or sees the gate */
	if (first)
		pando_tasklist_run(nothing, NULL);
	/* where it is known others may be put into its group, and we are not asked */
	pando_kin_spread(pando_kin_group_of(pid, &sid));
	return 0;
}

bool pando_kin_has(u32 pid)
{
	unsigned long flags;
	struct pando_held *k;
	bool has;

	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	has = k && !k->ending;
	spin_unlock_irqrestore(&pando_kin_lock, flags);
	return has;
}

bool pando_kin_is_held(u32 pid, u16 node)
{
	struct pando_held *k;
	bool held;

	spin_lock_irq(&pando_kin_lock);
	k = pando_kin_find(pid);
	held = k && test_bit(node, k->holders);
	spin_unlock_irq(&pando_kin_lock);
	return held;
}

void pando_kin_moved(u32 pid, u16 to)
{
	struct pando_held *k;

	spin_lock_irq(&pando_kin_lock);
	k = to == pando_nodes_self() ? NULL : pando_kin_find(pid);
	/* its new node has the list, or gets it by their announcements */
	if (k && !k->ending)
		pando_kin_forget(k);
	spin_unlock_irq(&pando_kin_lock);
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
	struct pando_held *k;
	bool ending;

	if (!pando_stub_any())
		return false;
	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	ending = k && k->ending;
	spin_unlock_irqrestore(&pando_kin_lock, flags);
	return ending;
}

/* --- what befalls them ------------------------------------------------------------ */

static void add_event(u32 pid, const struct pando_held_event *what)
{
	struct pando_held_event *e = kmemdup(what, sizeof(*e), GFP_ATOMIC);
	unsigned long flags;
	struct pando_held *k;

	if (!e)
		return;
	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	if (k && !k->ending) {
		atomic_inc(&k->untold);
		if (!e->only)
			atomic_inc(&k->changes);
		llist_add(&e->node, &k->events);
		tell(k);
		e = NULL;
	}
	spin_unlock_irqrestore(&pando_kin_lock, flags);
	kfree(e);
}

void pando_kin_change(u32 pid, enum pando_kin_event what, u32 status,
		      u32 session)
{
	struct pando_held_event e = { .what = what, .status = status, .session = session };

	add_event(pid, &e);
}

bool pando_kin_is_telling(u32 pid, bool change)
{
	unsigned long flags;
	struct pando_held *k;
	bool is;

	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	is = k && atomic_read(change ? &k->changes : &k->untold);
	spin_unlock_irqrestore(&pando_kin_lock, flags);
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
	struct pando_held *k;

	if (task->ptrace &&
	    !same_thread_group(rcu_dereference_protected(task->parent, 1),
			       rcu_dereference_protected(task->real_parent, 1)))
		return;
	/* what criu builds and is then not wanted is not the process */
	if (!pando_locate_is_settled(pid) && !pando_stub_is_original(task, pid))
		return;
	pando_watch_end(pid);
	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	if (k && !k->ending) {
		k->exit.pid = cpu_to_le32(pid);
		pando_kin_usage_get(&k->exit, task);
		k->tty = pando_kin_tty_get(task);
		k->waiter = pando_kin_waits_where(task);
		k->ending = true;
		pando_recover_pin(pid);
		tell(k);
	}
	spin_unlock_irqrestore(&pando_kin_lock, flags);
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
	if (what == PANDO_KIN_STOP || what == PANDO_KIN_CONT)
		pando_stub_user(pid, le32_to_cpu(ev->uid));
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

int pando_kin_hold(u32 pid, u32 flags, u16 *where)
{
	struct pando_wire_kin_hold msg = {
		.pid = cpu_to_le32(pid),
		.flags = cpu_to_le32(flags),
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
		pando_kin_hold(pid, PANDO_KIN_DROP, NULL);
}

static void drop_holder(u32 pid, u16 node)
{
	struct pando_held *k;

	spin_lock_irq(&pando_kin_lock);
	k = pando_kin_find(pid);
	if (k) {
		__clear_bit(node, k->holders);
		if (bitmap_empty(k->holders, PANDO_KIN_NODES) && !k->ending)
			pando_kin_forget(k);
	}
	spin_unlock_irq(&pando_kin_lock);
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

bool pando_kin_is_left(u32 pid)
{
	unsigned long flags;
	struct pando_held *k;
	bool is;

	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	is = k && k->left;
	spin_unlock_irqrestore(&pando_kin_lock, flags);
	return is;
}

/* It has ended, and will be told of when its parent, which ends, has left it. */
static bool is_left_behind(u32 pid)
{
	unsigned long flags;
	struct pando_held *k;

	if (pando_kin_is_left(pid))
		return true;
	if (!pando_reaper_leaves(pid))
		return false;
	spin_lock_irqsave(&pando_kin_lock, flags);
	k = pando_kin_find(pid);
	if (k)
		k->left = true;
	spin_unlock_irqrestore(&pando_kin_lock, flags);
	return k;
}

int pando_kin_tell(u32 pid, u16 node, bool anew)
{
	struct pando_held_event group = { .only = node, .what = PANDO_KIN_REGROUP };
	u64 holders[PANDO_NODE_WORDS] = {};
	int err;

	holders[node / 64] = BIT_ULL(node % 64);
	err = pando_kin_add(pid, holders);
	if (!err && anew)
		add_event(pid, &group);
	/* it may be new, or was away, or asks for a stub that has come since */
	if (!err && is_told_of(pid))
		add_event(pid, &(struct pando_held_event){ .only = node });
	/* it may have died meanwhile, and nobody looked for holders */
	if (!err && !pando_ns_is_alive(pid) && !pando_kin_is_ending(pid) &&
	    !is_left_behind(pid)) {
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
	err = pando_kin_tell(pid, req->node, le32_to_cpu(msg->flags) & PANDO_KIN_ANEW);
	/* that it is not here, so that its home had to be asked, would be another answer */
	return err == -ESRCH ? -EOWNERDEAD : err;
}

/* --- life ---------------------------------------------------------------------------------- */

void pando_kin_members(void)
{
	DECLARE_BITMAP(members, PANDO_KIN_NODES) = {};
	bool complete = pando_recover_is_complete();
	struct pando_held *k;
	int i;

	for (i = 1; i < PANDO_KIN_NODES; i++)
		if (pando_nodes_is_member(i))
			__set_bit(i, members);
	spin_lock_irq(&pando_kin_lock);
	hash_for_each(table, i, k, node) {
		if (!k->ending)
			continue;
		/* who is missing is dead, and nobody there waits */
		if (complete)
			bitmap_and(k->holders, k->holders, members, PANDO_KIN_NODES);
		tell(k);
	}
	spin_unlock_irq(&pando_kin_lock);
	pando_condemned_members();
}

void pando_kin_reset(void)
{
	struct hlist_node *next;
	struct pando_held *k;
	int i;

	pando_kin_signals_flush();
	pando_condemned_reset();
	spin_lock_irq(&pando_kin_lock);
	hash_for_each_safe(table, i, next, k, node)
		pando_kin_forget(k);
	spin_unlock_irq(&pando_kin_lock);
	pando_kin_groups_reset();
	pando_kin_tty_reset();
	pando_kin_front_reset();
	flush_workqueue(tell_wq);
}

static const struct pando_rpc_row handlers[] = {
	{ PANDO_MSG_KIN_EVENT, handle_event },
	{ PANDO_MSG_KIN_HOLD, handle_hold },
};

int pando_kin_init(void)
{
	int err;

	tell_wq = alloc_workqueue("pando_kin", WQ_UNBOUND, 0);
	if (!tell_wq)
		return -ENOMEM;
	err = pando_rpc_register_rows(handlers, ARRAY_SIZE(handlers), THIS_MODULE);
	if (err)
		goto err_wq;
	err = pando_kin_signals_init();
	if (err)
		goto err_handlers;
	return 0;

err_handlers:
	pando_rpc_unregister_rows(handlers, ARRAY_SIZE(handlers));
err_wq:
	destroy_workqueue(tell_wq);
	return err;
}

void pando_kin_exit(void)
{
	pando_kin_signals_exit();
	pando_rpc_unregister_rows(handlers, ARRAY_SIZE(handlers));
	pando_kin_reset();
	destroy_workqueue(tell_wq);
}
