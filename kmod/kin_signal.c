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
#include "rpc.h"

/** struct out - a signal for another node: a process, or a @group everywhere */
struct out {
	struct llist_node node;
	u32 pid;
	int sig;
	bool group;
};

#define TRIES	3	/* each as long as a call waits */

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

/* It is on its way, or its parent is to it: mostly one try is enough. */
static void send_one(const struct pando_wire_kin_signal *msg, u32 pid, int sig)
{
	bool here = false;
	int tries, err;

	for (tries = 0; tries < TRIES; tries++) {
		err = pando_locate_call(pid, PANDO_MSG_KIN_SIGNAL,
					&(struct kvec){ (void *)msg, sizeof(*msg) }, 1,
					NULL, 0, NULL, &here);
		if (err != -ETIMEDOUT || !pando_nodes_in_force())
			break;
	}
	if (err == -ETIMEDOUT)
		pr_warn("pando: signal %d did not reach %u\n", sig, pid);
	if (here)
		pando_kin_kill(pid, sig);
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
		if (o->group)
			send_group(&msg);
		else
			send_one(&msg, o->pid, o->sig);
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
		    !pando_kin_is_held(pid, req->node))
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

/* --- life ---------------------------------------------------------------------- */

void pando_kin_signals_flush(void)
{
	flush_work(&out_work);
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
