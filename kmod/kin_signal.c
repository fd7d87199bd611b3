// SPDX-License-Identifier: GPL-2.0-only
/* Signals of the kernel that met a stub, or a group's on all nodes: see kin.h. */
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "hooks.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "occasion.h"
#include "rpc.h"

/** struct out - a signal for another node: a process, or a group everywhere */
struct out {
	struct llist_node node;
	unsigned long when;
	struct pando_wire_kin_signal msg;
};

#define TRIES	3	/* each as long as a call waits */

/* Those to groups apart: they do not wait for one that is on its way. */
static struct llist_head outs[2];

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

static void kill_wanted(const struct pando_wire_kin_signal *msg)
{
	u64 occasion = le64_to_cpu(msg->occasion);
	u32 pid = le32_to_cpu(msg->pid);
	struct pando_occasion o;

	if (pando_kin_wants(pid, le32_to_cpu(msg->group), occasion) <= 0)
		return;
	pando_occasion_begin(&o, occasion);
	pando_kin_kill(pid, le32_to_cpu(msg->signo));
	pando_occasion_end(&o);
}

/* It is on its way, or its parent is to it: mostly one try is enough. */
static void send_one(const struct pando_wire_kin_signal *msg)
{
	u32 pid = le32_to_cpu(msg->pid);
	bool here = false;
	int tries, err;

	for (tries = 0; tries < TRIES; tries++) {
		err = pando_locate_call(pid, PANDO_MSG_KIN_SIGNAL,
					&(struct kvec){ (void *)msg, sizeof(*msg) }, 1,
					NULL, 0, NULL, &here);
		if (err != -ETIMEDOUT || !pando_nodes_self())
			break;
	}
	if (err == -ETIMEDOUT)
		pr_warn("pando: signal %u did not reach %u\n", le32_to_cpu(msg->signo), pid);
	if (here)
		kill_wanted(msg);
}

/* To its members on the @n nodes @ids, and to each of those that have just left one. */
static void send_group(struct pando_wire_kin_signal *msg, unsigned long when,
		       const u16 *ids, int n)
{
	struct pando_lefts *all = kzalloc(sizeof(*all), GFP_KERNEL);
	struct pando_lefts *some = kzalloc(sizeof(*some), GFP_KERNEL);
	size_t len;
	int i;
	u32 k;

	if (!all || !some)
		goto out;
	all->n = pando_occasion_left(le32_to_cpu(msg->pid), when, all->pid);
	for (i = 0; i < n; i++)
		if (!pando_rpc_call(ids[i], PANDO_MSG_KIN_SIGNAL,
				    &(struct kvec){ msg, sizeof(*msg) }, 1,
				    some->pid, sizeof(some->pid), &len))
			pando_lefts_add(all, some->pid, len);
	msg->flags = 0;
	msg->group = msg->pid;
	for (k = 0; k < all->n; k++) {
		msg->pid = all->pid[k];
		send_one(msg);
	}
out:
	kfree(some);
	kfree(all);
}

static void send_group_everywhere(struct pando_wire_kin_signal *msg, unsigned long when)
{
	u16 *ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*ids), GFP_KERNEL);
	int n = ids ? pando_nodes_others(ids, PANDO_NODE_MAX) : 0;

	if (n)
		send_group(msg, when, ids, n);
	kfree(ids);
}

static struct pando_wire_kin_signal message(u32 pid, int sig, u32 flags, u64 occasion)
{
	return (struct pando_wire_kin_signal){
		.pid = cpu_to_le32(pid),
		.flags = cpu_to_le32(flags),
		.signo = cpu_to_le32(sig),
		.occasion = cpu_to_le64(occasion),
	};
}

static void out_fn(struct work_struct *work);

static struct work_struct out_works[] = {
	__WORK_INITIALIZER(out_works[0], out_fn),
	__WORK_INITIALIZER(out_works[1], out_fn),
};

static void out_fn(struct work_struct *work)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&outs[work - out_works]));
	struct out *o, *next;

	llist_for_each_entry_safe(o, next, list, node) {
		if (le32_to_cpu(o->msg.flags) & PANDO_KIN_GROUP)
			send_group_everywhere(&o->msg, o->when);
		else
			send_one(&o->msg);
		kfree(o);
	}
}

static void send_out(u32 pid, int sig, u32 flags, u64 occasion)
{
	struct out *o = kmalloc(sizeof(*o), GFP_ATOMIC);
	int which = !!(flags & PANDO_KIN_GROUP);

	if (!o)
		return;
	o->msg = message(pid, sig, flags, occasion);
	o->when = jiffies;
	if (llist_add(&o->node, &outs[which]))
		queue_work(system_unbound_wq, &out_works[which]);
}

void pando_kin_signal(u32 pid, int sig)
{
	send_out(pid, sig, 0, 0);
}

void pando_kin_signal_on(u32 pid, int sig, u64 occasion)
{
	send_out(pid, sig, 0, occasion);
}

void pando_kin_signal_group(u32 pgid, int sig, u64 occasion)
{
	send_out(pgid, sig, PANDO_KIN_GROUP, occasion);
}

void pando_kin_signal_group_on(const u16 *ids, int n, u32 pgid, int sig, u64 occasion)
{
	struct pando_wire_kin_signal msg = message(pgid, sig, PANDO_KIN_GROUP, occasion);

	send_group(&msg, jiffies, ids, n);
}

static int handle_signal(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_signal *msg = req->data;
	u32 pid = le32_to_cpu(msg->pid), sig = le32_to_cpu(msg->signo);
	u64 occasion = le64_to_cpu(msg->occasion);
	struct pando_occasion o;
	struct pid *p;

	if (!valid_signal(sig) || !sig || pid < PANDO_LOCAL_PIDS)
		return -EPROTO;
	if (!(le32_to_cpu(msg->flags) & PANDO_KIN_GROUP)) {
		if (!pando_ns_has_pid(pid))
			return pando_locate_miss(pid);
		if (le32_to_cpu(msg->flags) & PANDO_KIN_HELD &&
		    !pando_kin_is_held(pid, req->node))
			return -EEXIST;
		kill_wanted(msg);
		return 0;
	}
	rcu_read_lock();
	p = get_pid(find_pid_ns(pid, pando_ns()));
	rcu_read_unlock();
	pando_occasion_begin(&o, occasion);
	if (p)
		pando_kin_kill_pgrp(p, sig);
	pando_occasion_end(&o);
	put_pid(p);
	req->reply_len = pando_occasion_left(pid, jiffies, req->reply) * sizeof(__le32);
	return 0;
}

/* --- life ---------------------------------------------------------------------- */

void pando_kin_signals_flush_groups(void)
{
	flush_work(&out_works[1]);
}

void pando_kin_signals_flush(void)
{
	pando_kin_signals_flush_groups();
	flush_work(&out_works[0]);
}

int pando_kin_signals_init(void)
{
	return pando_rpc_register(PANDO_MSG_KIN_SIGNAL, handle_signal, THIS_MODULE);
}

void pando_kin_signals_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_KIN_SIGNAL);
	pando_kin_signals_flush();
}
