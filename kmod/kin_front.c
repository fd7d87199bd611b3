// SPDX-License-Identifier: GPL-2.0-only
/* Who is in front of a terminal, for other nodes: see kin_front.h. */
#include <linux/hashtable.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "kin_front.h"
#include "kin_tty.h"
#include "ns.h"
#include "rpc.h"
#include "tasklist.h"

#define LATE_AFTER	HZ
#define LATE_MOST	32	/* of them at a time */

/**
 * struct asker - a node that asks for a session of this one
 * @node: in the table
 * @sid: the session's number
 * @id: the node's
 * @seq: of the answer to its last question
 * @late: it could not be told
 */
struct asker {
	struct hlist_node node;
	u32 sid;
	u16 id;
	u64 seq;
	bool late;
};

/** struct telling - of one word to one of them; @work: by which it is told; @err: out */
struct telling {
	struct work_struct work;
	struct pando_wire_kin_front msg;
	u16 id;
	int err;
};

atomic_t pando_kin_fronts = ATOMIC_INIT(0);

/* Taken with interrupts off; the end of a task takes it below siglock: nothing within. */
static DEFINE_SPINLOCK(lock);
static DEFINE_HASHTABLE(table, 5);	/* lock; by session */
/*
 * One for all sessions, and for as long as the module is there: a session that was
 * forgotten, because nobody asked for it any more, does not begin anew. lock
 */
static u64 last_seq;

static void late_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(late_work, late_fn);

static struct asker *find(u32 sid, u16 id)
{
	struct asker *a;

	hash_for_each_possible(table, a, node, sid)
		if (a->sid == sid && a->id == id)
			return a;
	return NULL;
}

static void forget(struct asker *a)
{
	hash_del(&a->node);
	atomic_dec(&pando_kin_fronts);
	atomic_dec(&pando_free_gate);
	kfree(a);
}

/* @tty: the terminal's device, as in stat */
struct front {
	bool has;
	u32 pgid, tty;
};

/* Under the leader's siglock. */
static void look(struct task_struct *leader, void *arg)
{
	struct tty_struct *tty = leader->signal->tty;
	struct front *f = arg;

	f->has = tty && leader->signal->leader;
	if (!f->has)
		return;
	f->tty = new_encode_dev(tty_devnum(tty));
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

/* It has nobody before that terminal any more, unless it has asked after @seq. */
static void drop(u32 sid, u16 id, u64 seq)
{
	struct asker *a;

	spin_lock_irq(&lock);
	a = find(sid, id);
	if (a && a->seq <= seq)
		forget(a);
	spin_unlock_irq(&lock);
}

/* --- where the leader is --------------------------------------------------------- */

static int handle_ask(struct pando_rpc_req *req, u32 sid)
{
	struct pando_wire_kin_front *reply = req->reply;
	struct asker *new = kzalloc(sizeof(*new), GFP_KERNEL), *a;
	struct front f;
	u64 seq;

	if (sid < PANDO_LOCAL_PIDS || sid >= PANDO_PID_MAX) {
		kfree(new);
		return -ESRCH;
	}
	if (!new)
		return -ENOMEM;
	spin_lock_irq(&lock);
	a = find(sid, req->node);
	if (!a) {
		a = new;
		new = NULL;
		a->sid = sid;
		a->id = req->node;
		hash_add(table, &a->node, sid);
		atomic_inc(&pando_kin_fronts);
		atomic_inc(&pando_free_gate);
	}
	seq = ++last_seq;
	a->seq = seq;
	spin_unlock_irq(&lock);
	kfree(new);
	/* what changes from here on is told, with a later number */
	f = front_of(sid);
	if (!f.has) {
		drop(sid, req->node, seq);
		return -ESRCH;
	}
	*reply = (struct pando_wire_kin_front){
		.sid = cpu_to_le32(sid),
		.pgid = cpu_to_le32(f.pgid),
		.tty = cpu_to_le32(f.tty),
		.seq = cpu_to_le64(seq),
	};
	req->reply_len = sizeof(*reply);
	return 0;
}

static void tell_fn(struct work_struct *work)
{
	struct telling *t = container_of(work, struct telling, work);

	t->err = pando_rpc_call(t->id, PANDO_MSG_KIN_FRONT,
				&(struct kvec){ &t->msg, sizeof(t->msg) }, 1,
				NULL, 0, NULL);
}

/* For DETACH: who is not found any more is not told later either. */
static void set_late(u32 sid, u16 id)
{
	struct asker *a;

	spin_lock_irq(&lock);
	a = find(sid, id);
	if (a) {
		a->late = true;
		mod_delayed_work(system_unbound_wq, &late_work, LATE_AFTER);
	}
	spin_unlock_irq(&lock);
}

/*
 * A node that left the view for a moment may still have the terminal: it is asked until
 * it says that it has not, or the session has ended.
 */
static void told(const struct telling *t)
{
	u32 sid = le32_to_cpu(t->msg.sid);

	if (t->err == -ENOENT)
		drop(sid, t->id, le64_to_cpu(t->msg.seq));
	else if (t->err && t->err != -ENOTCONN)
		set_late(sid, t->id);
}

/* Up to @seq: who asks later hears of it by the answer. */
static u32 count(u32 sid, u64 *seq)
{
	struct asker *a;
	u32 n = 0;

	spin_lock_irq(&lock);
	*seq = last_seq;
	hash_for_each_possible(table, a, node, sid)
		n += a->sid == sid;
	spin_unlock_irq(&lock);
	return n;
}

static u32 gather(u32 sid, bool late, u64 upto, struct telling *all, u32 room)
{
	struct asker *a;
	u32 n = 0, i;
	u64 seq;

	spin_lock_irq(&lock);
	seq = ++last_seq;
	hash_for_each_possible(table, a, node, sid) {
		if (a->sid != sid || (late && !a->late) || a->seq > upto || n == room)
			continue;
		a->late = false;
		all[n++] = (struct telling){
			.id = a->id,
			.msg = { .sid = cpu_to_le32(sid), .seq = cpu_to_le64(seq) },
		};
	}
	spin_unlock_irq(&lock);
	/* a change after that is told with a later number */
	for (i = 0; i < n; i++)
		all[i].msg.pgid = cpu_to_le32(front_of(sid).pgid);
	return n;
}

/*
 * All, or those that are @late, at once: whoever changes it waits for the slowest, and
 * not for the sum of them.
 * Who else tells the same meanwhile has a later number, or an older front.
 */
static void tell(u32 sid, bool late)
{
	struct telling *all;
	u64 upto;
	u32 n = count(sid, &upto), i;

	if (!n)
		return;
	all = kvcalloc(n, sizeof(*all), GFP_KERNEL | __GFP_NOFAIL);
	n = gather(sid, late, upto, all, n);
	for (i = 1; i < n; i++) {
		INIT_WORK(&all[i].work, tell_fn);
		queue_work(system_unbound_wq, &all[i].work);
	}
	if (n)
		tell_fn(&all[0].work);
	for (i = 0; i < n; i++) {
		if (i)
			flush_work(&all[i].work);
		told(&all[i]);
	}
	kvfree(all);
}

void pando_kin_front_changed(void)
{
	if (pando_ns_has_current())
		tell(task_session_nr_ns(current, pando_ns()), false);
}

static void late_fn(struct work_struct *work)
{
	u32 sid[LATE_MOST], n = 0, j;
	struct asker *a;
	int i;

	spin_lock_irq(&lock);
	hash_for_each(table, i, a, node) {
		/* a session's are side by side, or told twice */
		if (!a->late || n == LATE_MOST || (n && sid[n - 1] == a->sid))
			continue;
		sid[n++] = a->sid;
	}
	spin_unlock_irq(&lock);
	for (j = 0; j < n; j++)
		tell(sid[j], true);
	/* others, or these again */
	if (n)
		mod_delayed_work(system_unbound_wq, &late_work, LATE_AFTER);
}

void pando_kin_front_freed(u32 nr)
{
	struct hlist_node *next;
	unsigned long flags;
	struct asker *a;

	if (likely(!atomic_read(&pando_kin_fronts)))
		return;
	spin_lock_irqsave(&lock, flags);
	hash_for_each_possible_safe(table, a, next, node, nr)
		if (a->sid == nr)
			forget(a);
	spin_unlock_irqrestore(&lock, flags);
}

/* --- where others of the session are ---------------------------------------------- */

int pando_kin_front_ask(u16 node, u32 sid, u32 *pgid, u64 *seq, u32 *tty)
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
	*tty = le32_to_cpu(reply.tty);
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
	struct asker *a;
	int i;

	spin_lock_irq(&lock);
	hash_for_each_safe(table, i, next, a, node)
		forget(a);
	spin_unlock_irq(&lock);
	/* nobody is found who could be late again */
	cancel_delayed_work_sync(&late_work);
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
