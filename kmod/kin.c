// SPDX-License-Identifier: GPL-2.0-only
/* Processes with relations on other nodes: see kin.h. */
#include <linux/bitmap.h>
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/task_io_accounting_ops.h>
#include <linux/tty.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "condemned.h"
#include "hooks.h"
#include "kin.h"
#include "kin_front.h"
#include "kin_tty.h"
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
	struct pando_wire_kin_event exit;
	bool ending;
	bool kept;
	struct tty_struct *tty;
	struct work_struct work;
};

/** struct event - other than its end; the members as on the wire */
struct event {
	struct llist_node node;
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

void pando_kin_moved(u32 pid, u16 to)
{
	struct kin *k;

	spin_lock_irq(&lock);
	k = to == pando_nodes_self() ? NULL : find(pid);
	/* its new node has the list, or gets it by their announcements */
	if (k && !k->ending)
		forget(k);
	spin_unlock_irq(&lock);
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

/*
 * Tries until it is no member any more (-EHOSTDOWN). Else 1 when the holder
 * keeps the remains, or 0.
 */
static int tell_one(u16 node, const struct pando_wire_kin_event *ev)
{
	struct pando_wire_kin_event_reply reply = {};
	size_t len;
	int err;

	do
		err = pando_rpc_call(node, PANDO_MSG_KIN_EVENT,
				     &(struct kvec){ (void *)ev, sizeof(*ev) },
				     1, &reply, sizeof(reply), &len);
	while (err == -ETIMEDOUT || err == -EAGAIN);
	return err ? err : !!reply.keeps;
}

static void copy_holders(struct kin *k, unsigned long *holders)
{
	spin_lock_irq(&lock);
	bitmap_copy(holders, k->holders, NODES);
	spin_unlock_irq(&lock);
}

static void tell_change(struct kin *k, const struct event *e)
{
	struct pando_wire_kin_event ev = {
		.pid = cpu_to_le32(k->pid),
		.what = cpu_to_le32(e->what),
		.status = cpu_to_le32(e->status),
		.session = cpu_to_le32(e->session),
	};
	DECLARE_BITMAP(holders, NODES);
	int id;

	copy_holders(k, holders);
	for_each_set_bit(id, holders, NODES)
		tell_one(id, &ev);
}

/*
 * Who is not a member now is told when it is back (pando_kin_members()): a
 * status is never lost while the one who waits for it may be alive.
 */
static void tell_end(struct kin *k)
{
	DECLARE_BITMAP(holders, NODES);
	bool all = true;
	int id, ret;

	copy_holders(k, holders);
	for_each_set_bit(id, holders, NODES) {
		ret = tell_one(id, &k->exit);
		if (ret == -EHOSTDOWN) {
			all = false;
			continue;
		}
		if (ret == -ENOTCONN)	/* detached */
			return;
		spin_lock_irq(&lock);
		__clear_bit(id, k->holders);
		k->kept |= ret > 0;
		spin_unlock_irq(&lock);
	}
	if (!all)
		return;
	/* who keeps it has told its home, and will tell it the end */
	if (!k->kept)
		pando_recover_ended(k->pid);
	spin_lock_irq(&lock);
	if (!hlist_unhashed(&k->node))
		forget(k);
	spin_unlock_irq(&lock);
}

static void tell_fn(struct work_struct *work)
{
	struct kin *k = container_of(work, struct kin, work);
	struct llist_node *list = llist_reverse_order(llist_del_all(&k->events));
	struct event *e, *next;
	bool ending;

	llist_for_each_entry_safe(e, next, list, node) {
		tell_change(k, e);
		kfree(e);
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

void pando_kin_change(u32 pid, enum pando_kin_event what, u32 status,
		      u32 session)
{
	struct event *e = kmalloc(sizeof(*e), GFP_ATOMIC);
	unsigned long flags;
	struct kin *k;

	if (!e)
		return;
	e->what = what;
	e->status = status;
	e->session = session;
	spin_lock_irqsave(&lock, flags);
	k = find(pid);
	if (k && !k->ending) {
		llist_add(&e->node, &k->events);
		tell(k);
		e = NULL;
	}
	spin_unlock_irqrestore(&lock, flags);
	kfree(e);
}

/* What wait4() will report of it; it is the last of its group, and dead. */
static void fill_exit(struct pando_wire_kin_event *ev, struct task_struct *t)
{
	struct pando_wire_rusage *self = &ev->self, *c = &ev->children;
	struct signal_struct *sig = t->signal;
	u64 utime = t->utime + sig->utime, stime = t->stime + sig->stime;
	u64 runtime;

	/* ticks are coarse: as the kernel, we scale them to the exact sum */
	runtime = max(t->se.sum_exec_runtime + sig->sum_sched_runtime,
		      sig->utime + sig->stime);
	if (utime + stime)
		stime = mul_u64_u64_div_u64(stime, runtime, utime + stime);
	utime = runtime - stime;
	ev->what = cpu_to_le32(PANDO_KIN_EXIT);
	ev->status = cpu_to_le32(sig->flags & SIGNAL_GROUP_EXIT ?
				 sig->group_exit_code : t->exit_code);
	self->utime = cpu_to_le64(utime);
	self->stime = cpu_to_le64(stime);
	self->minflt = cpu_to_le64(t->min_flt + sig->min_flt);
	self->majflt = cpu_to_le64(t->maj_flt + sig->maj_flt);
	self->nvcsw = cpu_to_le64(t->nvcsw + sig->nvcsw);
	self->nivcsw = cpu_to_le64(t->nivcsw + sig->nivcsw);
	self->inblock = cpu_to_le64(task_io_get_inblock(t) + sig->inblock);
	self->oublock = cpu_to_le64(task_io_get_oublock(t) + sig->oublock);
	self->maxrss = cpu_to_le64(sig->maxrss);
	c->utime = cpu_to_le64(sig->cutime);
	c->stime = cpu_to_le64(sig->cstime);
	c->minflt = cpu_to_le64(sig->cmin_flt);
	c->majflt = cpu_to_le64(sig->cmaj_flt);
	c->nvcsw = cpu_to_le64(sig->cnvcsw);
	c->nivcsw = cpu_to_le64(sig->cnivcsw);
	c->inblock = cpu_to_le64(sig->cinblock);
	c->oublock = cpu_to_le64(sig->coublock);
	c->maxrss = cpu_to_le64(sig->cmaxrss);
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
		fill_exit(&k->exit, task);
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
	bool keeps = false;

	switch (le32_to_cpu(ev->what)) {
	case PANDO_KIN_EXIT:
		pando_watch_end(pid);
		keeps = pando_stub_exit(pid, ev);
		break;
	case PANDO_KIN_STOP:
		pando_stub_stop(pid, status);
		break;
	case PANDO_KIN_CONT:
		pando_stub_cont(pid);
		break;
	case PANDO_KIN_REGROUP:
		pando_stub_regroup(pid, status, le32_to_cpu(ev->session));
		break;
	default:
		return -EPROTO;
	}
	reply->keeps = cpu_to_le32(keeps);
	req->reply_len = sizeof(*reply);
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

int pando_kin_tell(u32 pid, u16 node)
{
	u64 holders[PANDO_NODE_WORDS] = {};
	int err;

	holders[node / 64] = BIT_ULL(node % 64);
	err = pando_kin_add(pid, holders);
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
	return pando_kin_tell(pid, req->node);
}

/* --- signals ----------------------------------------------------------------------- */

/** struct out - a signal for another node: a process, or a @group everywhere */
struct out {
	struct llist_node node;
	u32 pid;
	int sig;
	bool group;
};

static LLIST_HEAD(outs);

static void send_group(const struct pando_wire_kin_signal *msg)
{
	u16 *ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*ids), GFP_KERNEL);
	int i, n = ids ? pando_nodes_others(ids, PANDO_NODE_MAX) : 0;

	for (i = 0; i < n; i++)
		pando_rpc_call(ids[i], PANDO_MSG_KIN_SIGNAL,
			       &(struct kvec){ (void *)msg, sizeof(*msg) }, 1,
			       NULL, 0, NULL);
	kfree(ids);
}

void pando_kin_kill(u32 pid, int sig)
{
	struct pid *p;

	rcu_read_lock();
	p = get_pid(find_pid_ns(pid, pando_ns()));
	rcu_read_unlock();
	if (p)
		kill_pid(p, sig, 1);
	put_pid(p);
}

static void out_fn(struct work_struct *work)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&outs));
	struct out *o, *next;

	llist_for_each_entry_safe(o, next, list, node) {
		struct pando_wire_kin_signal msg = {
			.pid = cpu_to_le32(o->pid),
			.flags = cpu_to_le32(o->group ? PANDO_KIN_GROUP : 0),
			.signo = cpu_to_le32(o->sig),
		};
		bool here = false;

		if (o->group)
			send_group(&msg);
		else
			pando_locate_call(o->pid, PANDO_MSG_KIN_SIGNAL,
					  &(struct kvec){ &msg, sizeof(msg) },
					  1, NULL, 0, NULL, &here);
		if (here)
			pando_kin_kill(o->pid, o->sig);
		kfree(o);
	}
}

static DECLARE_WORK(out_work, out_fn);

static void send_out(u32 pid, int sig, bool group)
{
	struct out *o = kmalloc(sizeof(*o), GFP_ATOMIC);

	if (!o)
		return;
	o->pid = pid;
	o->sig = sig;
	o->group = group;
	if (llist_add(&o->node, &outs))
		queue_work(system_unbound_wq, &out_work);
}

void pando_kin_signal(u32 pid, int sig)
{
	send_out(pid, sig, false);
}

void pando_kin_signal_group(u32 pgid, int sig)
{
	send_out(pgid, sig, true);
}

static bool is_held_by(u32 pid, u16 node)
{
	struct kin *k;
	bool held;

	spin_lock_irq(&lock);
	k = find(pid);
	held = k && test_bit(node, k->holders);
	spin_unlock_irq(&lock);
	return held;
}

static int handle_signal(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_signal *msg = req->data;
	u32 pid = le32_to_cpu(msg->pid), sig = le32_to_cpu(msg->signo);
	struct pid *p;

	if (!valid_signal(sig) || !sig || pid < PANDO_LOCAL_PIDS)
		return -EPROTO;
	if (!(le32_to_cpu(msg->flags) & PANDO_KIN_GROUP)) {
		if (!pando_ns_has_pid(pid))
			return pando_locate_miss(pid);
		if (le32_to_cpu(msg->flags) & PANDO_KIN_HELD &&
		    !is_held_by(pid, req->node))
			return -EEXIST;
		pando_kin_kill(pid, sig);
		return 0;
	}
	rcu_read_lock();
	p = get_pid(find_pid_ns(pid, pando_ns()));
	rcu_read_unlock();
	if (p)
		pando_kin_kill_pgrp(p, sig);
	put_pid(p);
	return 0;
}

void pando_kin_members(void)
{
	struct kin *k;
	int i;

	spin_lock_irq(&lock);
	hash_for_each(table, i, k, node)
		if (k->ending)
			tell(k);
	spin_unlock_irq(&lock);
	pando_condemned_members();
}

/* --- life ---------------------------------------------------------------------------------- */

void pando_kin_reset(void)
{
	struct hlist_node *next;
	struct kin *k;
	int i;

	flush_work(&out_work);
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
	err = pando_rpc_register(PANDO_MSG_KIN_SIGNAL, handle_signal,
				 THIS_MODULE);
	if (err)
		goto err_event;
	err = pando_rpc_register(PANDO_MSG_KIN_HOLD, handle_hold, THIS_MODULE);
	if (err)
		goto err_signal;
	return 0;

err_signal:
	pando_rpc_unregister(PANDO_MSG_KIN_SIGNAL);
err_event:
	pando_rpc_unregister(PANDO_MSG_KIN_EVENT);
err_wq:
	destroy_workqueue(tell_wq);
	return err;
}

void pando_kin_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_KIN_HOLD);
	pando_rpc_unregister(PANDO_MSG_KIN_SIGNAL);
	pando_rpc_unregister(PANDO_MSG_KIN_EVENT);
	pando_kin_reset();
	destroy_workqueue(tell_wq);
}
