// SPDX-License-Identifier: GPL-2.0-only
/* Who is in front of a terminal, for other nodes: see kin_front.h. */
#include <linux/bitmap.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "kin_front.h"
#include "kin_tty.h"
#include "ns.h"
#include "rpc.h"
#include "tasklist.h"

#define NODES		(PANDO_NODE_MAX + 1)
#define LATE_AFTER	HZ
#define LATE_MOST	32	/* of them at a time */

/**
 * struct asked - a session of this node that others ask for
 * @node: in the table
 * @sid: its number
 * @nodes: who asked
 * @asks: how often somebody did
 * @seq: of the last word
 * @late: somebody could not be told
 */
struct asked {
	struct hlist_node node;
	u32 sid;
	DECLARE_BITMAP(nodes, NODES);
	u32 asks;
	u64 seq;
	bool late;
};

atomic_t pando_kin_fronts = ATOMIC_INIT(0);

/* Taken with interrupts off; the end of a task takes it below siglock: nothing within. */
static DEFINE_SPINLOCK(lock);
static DEFINE_HASHTABLE(table, 5);	/* lock */

static void late_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(late_work, late_fn);

static struct asked *find(u32 sid)
{
	struct asked *a;

	hash_for_each_possible(table, a, node, sid)
		if (a->sid == sid)
			return a;
	return NULL;
}

static void forget(struct asked *a)
{
	hash_del(&a->node);
	atomic_dec(&pando_kin_fronts);
	kfree(a);
}

struct front {
	bool has;
	u32 pgid;
};

/* Under the leader's siglock. */
static void look(struct task_struct *leader, void *arg)
{
	struct tty_struct *tty = leader->signal->tty;
	struct front *f = arg;

	f->has = tty && leader->signal->leader;
	if (!f->has)
		return;
	spin_lock(&tty->ctrl.lock);
	f->pgid = tty->ctrl.pgrp ? pid_nr_ns(tty->ctrl.pgrp, pando_ns()) : 0;
	spin_unlock(&tty->ctrl.lock);
}

static struct front front_of(u32 sid)
{
	struct task_struct *leader;
	struct front f = {};
	struct pid *pid;

	rcu_read_lock();
	pid = pando_ns() ? find_pid_ns(sid, pando_ns()) : NULL;
	leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
	if (leader)
		pando_siglock_run(leader, look, &f);
	rcu_read_unlock();
	return f;
}

/* It has nobody before that terminal any more, unless it has asked anew. */
static void drop(u32 sid, u16 node, u32 asks)
{
	struct asked *a;

	spin_lock_irq(&lock);
	a = find(sid);
	if (a && a->asks == asks) {
		__clear_bit(node, a->nodes);
		if (bitmap_empty(a->nodes, NODES))
			forget(a);
	}
	spin_unlock_irq(&lock);
}

/* --- where the leader is --------------------------------------------------------- */

static int handle_ask(struct pando_rpc_req *req, u32 sid)
{
	struct pando_wire_kin_front *reply = req->reply;
	struct asked *new = kzalloc(sizeof(*new), GFP_KERNEL), *a;
	struct front f;
	u32 asks;
	u64 seq;

	if (sid < PANDO_LOCAL_PIDS || sid >= PANDO_PID_MAX) {
		kfree(new);
		return -ESRCH;
	}
	if (!new)
		return -ENOMEM;
	spin_lock_irq(&lock);
	a = find(sid);
	if (!a) {
		a = new;
		new = NULL;
		a->sid = sid;
		hash_add(table, &a->node, sid);
		atomic_inc(&pando_kin_fronts);
	}
	__set_bit(req->node, a->nodes);
	asks = ++a->asks;
	seq = ++a->seq;
	spin_unlock_irq(&lock);
	kfree(new);
	/* what changes from here on is told, with a later number */
	f = front_of(sid);
	if (!f.has) {
		drop(sid, req->node, asks);
		return -ESRCH;
	}
	*reply = (struct pando_wire_kin_front){
		.sid = cpu_to_le32(sid),
		.pgid = cpu_to_le32(f.pgid),
		.seq = cpu_to_le64(seq),
	};
	req->reply_len = sizeof(*reply);
	return 0;
}

static void set_late(u32 sid)
{
	struct asked *a;

	spin_lock_irq(&lock);
	a = find(sid);
	if (a)
		a->late = true;
	spin_unlock_irq(&lock);
	if (a)
		mod_delayed_work(system_unbound_wq, &late_work, LATE_AFTER);
}

/* Who else tells the same meanwhile has a later number, or an older front. */
static void tell(u32 sid)
{
	struct pando_wire_kin_front msg = { .sid = cpu_to_le32(sid) };
	DECLARE_BITMAP(nodes, NODES);
	bool late = false;
	struct asked *a;
	u32 asks = 0;
	int id, err;

	spin_lock_irq(&lock);
	a = find(sid);
	if (a) {
		bitmap_copy(nodes, a->nodes, NODES);
		asks = a->asks;
		a->late = false;
		msg.seq = cpu_to_le64(++a->seq);
	}
	spin_unlock_irq(&lock);
	if (!a)
		return;
	/* a change after that is told with a later number */
	msg.pgid = cpu_to_le32(front_of(sid).pgid);
	for_each_set_bit(id, nodes, NODES) {
		err = pando_rpc_call(id, PANDO_MSG_KIN_FRONT,
				     &(struct kvec){ &msg, sizeof(msg) }, 1,
				     NULL, 0, NULL);
		/* a node that left the view has lost the terminal as well */
		if (err == -ENOENT || err == -EHOSTDOWN)
			drop(sid, id, asks);
		else if (err && err != -ENOTCONN)
			late = true;
	}
	if (late)
		set_late(sid);
}

void pando_kin_front_changed(void)
{
	if (pando_ns_has_current())
		tell(task_session_nr_ns(current, pando_ns()));
}

static void late_fn(struct work_struct *work)
{
	u32 sid[LATE_MOST], n = 0, j;
	struct asked *a;
	int i;

	spin_lock_irq(&lock);
	hash_for_each(table, i, a, node)
		if (a->late && n < LATE_MOST)
			sid[n++] = a->sid;
	spin_unlock_irq(&lock);
	for (j = 0; j < n; j++)
		tell(sid[j]);
	/* others, or these again */
	if (n)
		mod_delayed_work(system_unbound_wq, &late_work, LATE_AFTER);
}

void pando_kin_front_freed(u32 nr)
{
	unsigned long flags;
	struct asked *a;

	if (likely(!atomic_read(&pando_kin_fronts)))
		return;
	spin_lock_irqsave(&lock, flags);
	a = find(nr);
	if (a)
		forget(a);
	spin_unlock_irqrestore(&lock, flags);
}

/* --- where others of the session are ---------------------------------------------- */

int pando_kin_front_ask(u16 node, u32 sid, u32 *pgid, u64 *seq)
{
	struct pando_wire_kin_front msg = {
		.sid = cpu_to_le32(sid),
		.flags = cpu_to_le32(PANDO_KIN_ASKS),
	}, reply;
	size_t len;
	int err;

	err = pando_rpc_call(node, PANDO_MSG_KIN_FRONT,
			     &(struct kvec){ &msg, sizeof(msg) }, 1, &reply,
			     sizeof(reply), &len);
	if (!err && len != sizeof(reply))
		err = -EPROTO;
	if (err)
		return err;
	*pgid = le32_to_cpu(reply.pgid);
	*seq = le64_to_cpu(reply.seq);
	return 0;
}

static int handle_front(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_front *msg = req->data;
	u32 sid = le32_to_cpu(msg->sid);

	if (le32_to_cpu(msg->flags) & PANDO_KIN_ASKS)
		return handle_ask(req, sid);
	return pando_kin_tty_front(req->node, sid, le32_to_cpu(msg->pgid),
				   le64_to_cpu(msg->seq)) ? 0 : -ENOENT;
}

/* --- life --------------------------------------------------------------------------- */

void pando_kin_front_reset(void)
{
	struct hlist_node *next;
	struct asked *a;
	int i;

	cancel_delayed_work_sync(&late_work);
	spin_lock_irq(&lock);
	hash_for_each_safe(table, i, next, a, node)
		forget(a);
	spin_unlock_irq(&lock);
}

int pando_kin_front_init(void)
{
	return pando_rpc_register(PANDO_MSG_KIN_FRONT, handle_front, THIS_MODULE);
}

void pando_kin_front_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_KIN_FRONT);
	pando_kin_front_reset();
}
