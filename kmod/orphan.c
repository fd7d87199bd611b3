// SPDX-License-Identifier: GPL-2.0-only
/* Orphaned process groups that have members on several nodes: see orphan.h. */
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "hold.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "occasion.h"
#include "orphan.h"
#include "relation.h"
#include "rpc.h"
#include "stub.h"
#include "tasklist.h"

#define SOON		1		/* several members say the same: once is enough */
#define MOVES_AGAIN	(HZ / 50)	/* somebody moves; then twice as long, and so on */
#define ASK_AGAIN	HZ		/* a node did not answer */
#define ASK_FOR		(600 * HZ)	/* by then it is lost, or has answered */

/**
 * struct doubt - whether a group is an orphan's now
 * @node: among those that are new
 * @list: then among @doubts
 * @pgid: the group
 * @task: of a process that exits and has anchored it: when all of that is dead; with a
 *	reference, or NULL
 * @when: not before that, jiffies
 * @wait: how long it was put off last, jiffies
 * @until: nor after that; 0: it was not looked into yet
 */
struct doubt {
	struct llist_node node;
	struct list_head list;
	u32 pgid;
	struct task_struct *task;
	unsigned long when, wait, until;
};

static LLIST_HEAD(fresh);
static LIST_HEAD(doubts);	/* the worker's own */
static void orphan_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(orphan_work, orphan_fn);

static bool add(u32 pgid, struct task_struct *task)
{
	struct doubt *d = kmalloc(sizeof(*d), GFP_ATOMIC);

	if (!d)
		return false;
	d->pgid = pgid;
	d->task = task ? get_task_struct(task) : NULL;
	d->when = jiffies;
	d->wait = 0;
	d->until = 0;
	llist_add(&d->node, &fresh);
	queue_delayed_work(system_unbound_wq, &orphan_work, SOON);
	return true;
}

static void drop(struct doubt *d)
{
	if (d->task)
		put_task_struct(d->task);
	list_del(&d->list);
	kfree(d);
}

/* --- who anchors it no more ---------------------------------------------------------- */

void pando_orphan_note(u32 pgid)
{
	add(pgid, current);
}

void pando_orphan_died(struct task_struct *task)
{
	struct task_struct *parent = rcu_dereference_protected(task->real_parent, 1);
	u32 pgid;

	if (likely(!pando_kin_any_spread()) || !pando_relation_is_anchored(task, parent))
		return;
	pgid = pando_kin_spread_group(task_pgrp(task), false);
	if (pgid)
		add(pgid, NULL);
}

bool pando_orphan_holds_back(int sig, const struct kernel_siginfo *info,
			     struct task_struct *task, enum pid_type type)
{
	u32 pgid;

	if (likely(type != PIDTYPE_PGID || info != SEND_SIG_PRIV) || !in_task() ||
	    !(current->flags & PF_EXITING) || (sig != SIGHUP && sig != SIGCONT) ||
	    /* a terminal's hang-up: kill_pgrp() */
	    pando_occasion_current())
		return false;
	pgid = pando_kin_spread_group(task_pgrp(task), false);
	return pgid && add(pgid, NULL);
}

/* --- the members here ------------------------------------------------------------------ */

/** struct members - @flags: out, PANDO_GROUP_* */
struct members {
	u32 pgid, flags;
};

static u32 look_at_member(struct task_struct *task, u32 pid, bool anchors)
{
	u32 flags = anchors ? PANDO_GROUP_ANCHORED : 0;

	if (pando_stub_is(task))
		return anchors ? PANDO_GROUP_MOVES : 0;
	/* the target answers for it */
	if (pando_locate_is_leaving(pid))
		return 0;
	/* it is decided later whether that will be */
	if (pando_locate_is_reserved(pid) || pando_hold_is_copy(task))
		return PANDO_GROUP_MOVES;
	if (pando_hold_has(task))
		flags |= PANDO_GROUP_MOVES;
	else if (task->signal->flags & SIGNAL_STOP_STOPPED)
		flags |= PANDO_GROUP_STOPPED;
	return flags;
}

/*
 * As the kernel's kill_orphaned_pgrp() does. A stub anchors no group by itself: its process
 * does, where it is; or moves, or has just ended.
 */
static int look_at_members(void *arg)
{
	struct members *m = arg;
	struct pid *pgrp = find_pid_ns(m->pgid, pando_ns());
	struct task_struct *p, *parent;
	u32 pid;

	do_each_pid_task(pgrp, PIDTYPE_PGID, p) {
		parent = rcu_dereference_protected(p->real_parent, 1);
		pid = task_tgid_nr_ns(p, pando_ns());
		/* what is put by of one that has moved is node-local */
		if (pid < PANDO_LOCAL_PIDS || pando_relation_is_zombie(p) || is_global_init(parent))
			continue;
		m->flags |= look_at_member(p, pid, pando_relation_is_anchored(p, parent));
	} while_each_pid_task(pgrp, PIDTYPE_PGID, p);
	return 0;
}

static int look_at_group(u32 pgid, u32 *flags)
{
	struct members m = { .pgid = pgid };
	bool any;
	int err;

	if (pando_hold_comes(pgid))
		*flags |= PANDO_GROUP_MOVES;
	rcu_read_lock();
	any = pid_task(find_pid_ns(pgid, pando_ns()), PIDTYPE_PGID);
	rcu_read_unlock();
	if (!any)
		return 0;
	err = pando_tasklist_run(look_at_members, &m);
	*flags |= m.flags;
	return err;
}

static int handle_group(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_group *msg = req->data;
	struct pando_wire_kin_group *reply = req->reply;
	u32 pgid = le32_to_cpu(msg->pgid), flags = 0;
	int err;

	if (pgid < PANDO_LOCAL_PIDS || pgid >= PANDO_PID_MAX)
		return -EPROTO;
	err = look_at_group(pgid, &flags);
	reply->pgid = msg->pgid;
	reply->flags = cpu_to_le32(flags);
	req->reply_len = sizeof(*reply);
	return err;
}

/* --- where it is judged ---------------------------------------------------------------- */

static int ask_node(u16 node, u32 pgid, u32 *flags)
{
	struct pando_wire_kin_group msg = { .pgid = cpu_to_le32(pgid) }, reply = {};
	int err;

	err = pando_rpc_call(node, PANDO_MSG_KIN_GROUP, &(struct kvec){ &msg, sizeof(msg) }, 1,
			     &reply, sizeof(reply), NULL);
	*flags |= le32_to_cpu(reply.flags);
	return err;
}

/**
 * struct verdict - what all nodes say of a group
 * @ids: the other members; those where nobody is stopped come first
 * @n: how many
 * @flags: what one of them says, or this node, PANDO_GROUP_*
 * @here: what this node says
 */
struct verdict {
	u16 *ids;
	int n;
	u32 flags, here;
};

static int ask_all(u32 pgid, struct verdict *v)
{
	int i, running = 0, err;

	v->here = 0;
	err = look_at_group(pgid, &v->here);
	v->flags |= v->here;
	for (i = 0; i < v->n && !err && !(v->flags & PANDO_GROUP_ANCHORED); i++) {
		u32 there = 0;

		err = ask_node(v->ids[i], pgid, &there);
		v->flags |= there;
		if (!(there & PANDO_GROUP_STOPPED)) {
			swap(v->ids[running], v->ids[i]);
			running++;
		}
	}
	return err;
}

static void signal_here(u32 pgid, int sig, u64 occasion)
{
	struct pando_occasion o;
	struct pid *pgrp;

	rcu_read_lock();
	pgrp = get_pid(find_pid_ns(pgid, pando_ns()));
	rcu_read_unlock();
	pando_occasion_begin(&o, occasion);
	if (pgrp)
		pando_kin_kill_pgrp(pgrp, sig);
	pando_occasion_end(&o);
	put_pid(pgrp);
}

/*
 * With one kernel all have both before one of those that were stopped can do anything. So
 * the nodes where these are have SIGCONT last.
 */
static void signal_group(u32 pgid, const struct verdict *v)
{
	u64 hup = pando_occasion_new(), cont = pando_occasion_new();
	bool last = v->here & PANDO_GROUP_STOPPED;

	/* who got an older signal after these would see them in another order */
	pando_kin_signals_flush_groups();
	signal_here(pgid, SIGHUP, hup);
	pando_kin_signal_group_on(v->ids, v->n, pgid, SIGHUP, hup);
	if (!last)
		signal_here(pgid, SIGCONT, cont);
	pando_kin_signal_group_on(v->ids, v->n, pgid, SIGCONT, cont);
	if (last) {
		signal_here(pgid, SIGCONT, cont);
		/* who has left here since the others were told */
		pando_kin_signal_group_on(NULL, 0, pgid, SIGCONT, cont);
	}
}

/*
 * All are asked twice: a member may have moved from one that was still to be asked. 0, or
 * how long to wait before another try.
 */
static unsigned long judge(u32 pgid)
{
	struct verdict v = {
		.ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*v.ids), GFP_KERNEL),
	};
	u64 view = pando_nodes_in_force();
	unsigned long again = 0;
	int err;

	if (!v.ids)
		return ASK_AGAIN;
	v.n = pando_nodes_others(v.ids, PANDO_NODE_MAX);
	err = ask_all(pgid, &v);
	if (!err && !(v.flags & PANDO_GROUP_ANCHORED))
		err = ask_all(pgid, &v);
	if (v.flags & PANDO_GROUP_ANCHORED)
		goto out;
	if (err || !view || view != pando_nodes_in_force() || !pando_nodes_whole())
		again = ASK_AGAIN;
	else if (v.flags & PANDO_GROUP_MOVES)
		again = MOVES_AGAIN;
	else if (v.flags & PANDO_GROUP_STOPPED)
		/* who has heard of another end does not find it stopped any more after this */
		signal_group(pgid, &v);
out:
	kfree(v.ids);
	return again;
}

/* One for all nodes, so that a group is signalled once. */
static u16 judge_of(u32 pgid)
{
	u16 home = pando_locate_home(pgid), first, self = pando_nodes_self();

	if (pando_nodes_is_member(home))
		return home;
	return pando_nodes_others(&first, 1) ? min(first, self) : self;
}

static unsigned long hand_over(u32 pgid, u16 to)
{
	struct pando_wire_kin_orphan msg = { .pgid = cpu_to_le32(pgid) };

	return pando_rpc_call(to, PANDO_MSG_KIN_ORPHAN, &(struct kvec){ &msg, sizeof(msg) }, 1,
			      NULL, 0, NULL) ? ASK_AGAIN : 0;
}

static unsigned long look_into(const struct doubt *d)
{
	u32 flags = 0;
	u16 to;

	/* mostly another anchors it still, whose end is not missed either */
	if (look_at_group(d->pgid, &flags))
		return ASK_AGAIN;
	if (flags & PANDO_GROUP_ANCHORED)
		return 0;
	to = judge_of(d->pgid);
	return to == pando_nodes_self() ? judge(d->pgid) : hand_over(d->pgid, to);
}

/* --- the worker ------------------------------------------------------------------------ */

/* Until then its children may be those of another thread. */
static bool is_dead(struct task_struct *task)
{
	struct task_struct *t;
	bool is = READ_ONCE(task->exit_state);

	rcu_read_lock();
	for_each_thread(task, t)
		is &= READ_ONCE(t->exit_state) != 0;
	rcu_read_unlock();
	return is;
}

static bool is_due(const struct doubt *d)
{
	return time_after_eq(jiffies, d->when) && (!d->task || is_dead(d->task));
}

static void take_fresh(void)
{
	struct doubt *d, *next;

	llist_for_each_entry_safe(d, next, llist_reverse_order(llist_del_all(&fresh)), node)
		list_add_tail(&d->list, &doubts);
}

/* What the others that are due now say of that group is the same. */
static void drop_same(struct doubt *one)
{
	struct doubt *d, *next;

	list_for_each_entry_safe(d, next, &doubts, list)
		if (d != one && d->pgid == one->pgid && is_due(d)) {
			drop(d);
			one->until = 0;
		}
}

static struct doubt *next_due(void)
{
	struct doubt *d;

	list_for_each_entry(d, &doubts, list)
		if (is_due(d))
			return d;
	return NULL;
}

static void orphan_fn(struct work_struct *work)
{
	unsigned long again;
	struct doubt *d;

	while (pando_nodes_self()) {
		take_fresh();
		d = next_due();
		if (!d)
			break;
		drop_same(d);
		/* without a majority it is for as long as that takes */
		if (!d->until || !pando_nodes_quorate())
			d->until = jiffies + ASK_FOR;
		again = look_into(d);
		if (!again || time_after(jiffies, d->until)) {
			if (again)
				pr_warn("pando: not all say whether group %u is an orphan's\n",
					d->pgid);
			drop(d);
			continue;
		}
		d->wait = min_t(unsigned long, max(again, 2 * d->wait), ASK_AGAIN);
		d->when = jiffies + d->wait;
		/* the others first */
		list_move_tail(&d->list, &doubts);
	}
	if (pando_nodes_self() && !list_empty(&doubts))
		queue_delayed_work(system_unbound_wq, &orphan_work, MOVES_AGAIN);
}

static int handle_orphan(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_orphan *msg = req->data;
	u32 pgid = le32_to_cpu(msg->pgid);

	if (pgid < PANDO_LOCAL_PIDS || pgid >= PANDO_PID_MAX)
		return -EPROTO;
	return add(pgid, NULL) ? 0 : -ENOMEM;
}

/* --- life ------------------------------------------------------------------------------ */

/* Nobody is attached any more: no node can be asked. */
void pando_orphan_reset(void)
{
	struct doubt *d, *next;

	cancel_delayed_work_sync(&orphan_work);
	take_fresh();
	list_for_each_entry_safe(d, next, &doubts, list)
		drop(d);
}

static const struct pando_rpc_row handlers[] = {
	{ PANDO_MSG_KIN_GROUP, handle_group },
	{ PANDO_MSG_KIN_ORPHAN, handle_orphan },
};

int pando_orphan_init(void)
{
	return pando_rpc_register_rows(handlers, ARRAY_SIZE(handlers), THIS_MODULE);
}

/* The hooks are gone. */
void pando_orphan_exit(void)
{
	pando_rpc_unregister_rows(handlers, ARRAY_SIZE(handlers));
	pando_orphan_reset();
}
