// SPDX-License-Identifier: GPL-2.0-only
/*
 * What befalls the processes that stubs stand for, and the nodes they run on,
 * befalls their stubs. See stub.h.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "condemned.h"
#include "kin.h"
#include "kin_stop.h"
#include "kin_usage.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "recover.h"
#include "relation.h"
#include "stub_parts.h"
#include "watch.h"

static void tidy_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(tidy_work, tidy_fn);
static unsigned long tidy_asked;	/* bit 0: within TIDY_DELAY */
static void announce_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(announce_work, announce_fn);

#define TIDY_DELAY	(HZ / 2)
#define TIDY_AGAIN	(5 * HZ)
#define ANNOUNCE_AGAIN	HZ
/* A stub that is held by a tracer, or frozen, takes longer: then it is told again. */
#define STOP_WITHIN	(HZ / 5)
/* Its home hears of a process from all nodes, but not from all at once. */
#define MISSES_MAX	5

void pando_stub_set_where(struct pando_stub *s, u16 where, u64 incarnation)
{
	WRITE_ONCE(s->where, where);
	s->incarnation = incarnation;
	s->lost_since = 0;
}

/* --- one of them --------------------------------------------------------------- */

static void send_own(struct pando_stub *s, int sig)
{
	WRITE_ONCE(s->sender, current);
	send_sig(sig, s->task, 1);
	WRITE_ONCE(s->sender, NULL);
}

void pando_stub_end(struct pando_stub *s, int status)
{
	s->status = status;
	/* pairs with pando_stub_sent(), which runs in this thread */
	s->ending = true;
	send_own(s, SIGKILL);
}

void pando_stub_put_away(struct pando_stub *s)
{
	spin_lock_irq(&pando_stub_lock);
	if (!s->left && !hlist_unhashed(&s->node)) {
		s->left = true;
		list_add(&s->lefts, &pando_stub_lefts);
	}
	spin_unlock_irq(&pando_stub_lock);
	pando_relation_leave(s->task);
	pando_stub_end(s, 0);
}

void pando_stub_end_as(struct pando_stub *s,
		       const struct pando_wire_kin_event *ev)
{
	pando_kin_usage_add(s->task, ev);
	if (le32_to_cpu(ev->flags) & PANDO_KIN_EXEC)
		pando_relation_execed(s->task);
	pando_stub_end(s, le32_to_cpu(ev->status) & 0xffff);
}

/* The stub of a process that lives elsewhere, for whoever holds act_mutex. */
static struct pando_stub *standing(u32 pid)
{
	struct pando_stub *s;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && (s->state != PANDO_STUB_STANDS || s->ending))
		s = NULL;
	spin_unlock_irq(&pando_stub_lock);
	return s;
}

struct pando_stub **pando_stub_collect(u32 *n)
{
	u32 room = pando_stub_count();
	struct pando_stub **all, *s;
	int i;

	*n = 0;
	all = room ? kvmalloc_array(room, sizeof(*all), GFP_KERNEL) : NULL;
	if (!all)
		return NULL;
	spin_lock_irq(&pando_stub_lock);
	hash_for_each(pando_stub_table, i, s, node)
		if (*n < room && s->state == PANDO_STUB_STANDS && !s->ending)
			all[(*n)++] = s;
	spin_unlock_irq(&pando_stub_lock);
	return all;
}

bool pando_stub_has_parent(struct pando_stub *s)
{
	struct task_struct *parent;
	bool found;

	rcu_read_lock();
	parent = rcu_dereference(s->task->real_parent);
	found = !same_thread_group(parent, pando_ns()->child_reaper) &&
		!pando_stub_is(parent);
	rcu_read_unlock();
	return found;
}

/*
 * It is being made just now, or meets its parent: it ends when it stands there. True: with a
 * parent that waits.
 */
static bool postpone(u32 pid, const struct pando_wire_kin_event *ev)
{
	struct pando_stub *s;
	bool arrives;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	arrives = s && !s->ending && (s->heir || (s->state < PANDO_STUB_STANDS && !s->original));
	spin_unlock_irq(&pando_stub_lock);
	if (!arrives)
		return false;
	if (!s->pending)
		s->pending = kmemdup(ev, sizeof(*ev), GFP_KERNEL | __GFP_NOFAIL);
	return s->travels || s->heir;
}

void pando_stub_note_gone(u32 pid)
{
	struct pando_wire_kin_event killed = {
		.pid = cpu_to_le32(pid),
		.what = cpu_to_le32(PANDO_KIN_EXIT),
		.status = cpu_to_le32(SIGKILL),
		.uid = cpu_to_le32(PANDO_KIN_NOBODY),
	};

	mutex_lock(&pando_stub_act);
	postpone(pid, &killed);
	mutex_unlock(&pando_stub_act);
}

bool pando_stub_exit(u32 pid, const struct pando_wire_kin_event *ev)
{
	struct pando_stub *s;
	bool keeps;

	mutex_lock(&pando_stub_act);
	s = standing(pid);
	/* where its parent comes from says that it is there, and end_pending() the next */
	if ((!s || s->heir) && postpone(pid, ev)) {
		mutex_unlock(&pando_stub_act);
		return true;
	}
	keeps = s && pando_stub_has_parent(s);
	if (s && !keeps)
		pando_stub_end_as(s, ev);
	mutex_unlock(&pando_stub_act);
	if (!keeps)
		return false;
	/* another node is told, and nobody else waits for that */
	pando_recover_left(pid);
	mutex_lock(&pando_stub_act);
	s = standing(pid);
	if (s)
		pando_stub_end_as(s, ev);
	mutex_unlock(&pando_stub_act);
	return true;
}

/*
 * It has left, and what it left is not put away yet: will that be a stub? For a parent
 * that lives here; not for one that has left as well, or is a stub, nor for pando-init.
 */
static bool leaves_stub(u32 pid)
{
	struct pid_namespace *ns = pando_ns();
	struct task_struct *task;
	u32 ppid;

	if (!pando_ns_is_alive(pid) || pando_locate_is_reserved(pid))
		return false;
	task = pando_ns_get_process(pid);
	if (!task)
		return false;
	rcu_read_lock();
	ppid = task_tgid_nr_ns(rcu_dereference(task->real_parent), ns);
	rcu_read_unlock();
	put_task_struct(task);
	return ppid >= PANDO_LOCAL_PIDS && pando_locate_is_settled(ppid);
}

bool pando_stub_comes(u32 pid, bool end)
{
	struct pando_stub *s;
	bool comes;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (!s)
		comes = false;
	else if (s->state == PANDO_STUB_STANDS)
		comes = s->rising || s->heir || (s->leaver && !end);
	else
		comes = s->travels && !s->original && !end;
	spin_unlock_irq(&pando_stub_lock);
	return s ? comes : leaves_stub(pid);
}

void pando_stub_user(u32 pid, u32 uid)
{
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	s = standing(pid);
	if (s)
		pando_kin_user_set(s->task, uid);
	mutex_unlock(&pando_stub_act);
}

/* It stops when it runs: mostly at once. */
static bool await_stop(struct task_struct *task)
{
	unsigned long end = jiffies + STOP_WITHIN;
	u32 signal;

	while (!(pando_kin_stop_get(task, &signal) & PANDO_KIN_STOPPED)) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(100, 500);
	}
	return true;
}

/*
 * What is sent to let it go on would undo a stop that has not come about, and its parent
 * would be told of neither: so each is waited for.
 */
bool pando_stub_stop(u32 pid, int sig)
{
	struct task_struct *task = NULL;
	struct pando_stub *s;
	bool stopped = true;
	u32 signal;

	mutex_lock(&pando_stub_act);
	s = standing(pid);
	if (s && s->leaver) {
		stopped = false;
	} else if (s && !(pando_kin_stop_get(s->task, &signal) & PANDO_KIN_STOPPED)) {
		task = get_task_struct(s->task);
		WRITE_ONCE(s->stop_signal, sig);
		send_own(s, SIGSTOP);
	}
	mutex_unlock(&pando_stub_act);
	if (task) {
		stopped = await_stop(task);
		put_task_struct(task);
	}
	return stopped;
}

/* What came to it meanwhile, to go on, came under the same mutex. */
void pando_stub_rest(u32 pid)
{
	struct pando_stub *s;
	u32 signal;

	mutex_lock(&pando_stub_act);
	s = standing(pid);
	if (s)
		s->rising = false;
	if (s && pando_kin_stop_get(s->task, &signal) & PANDO_KIN_STOPPED)
		send_own(s, SIGSTOP);
	mutex_unlock(&pando_stub_act);
}

bool pando_stub_cont(u32 pid)
{
	struct pando_stub *s;
	bool leaves;

	mutex_lock(&pando_stub_act);
	s = standing(pid);
	leaves = s && s->leaver;
	if (s && !leaves)
		send_own(s, SIGCONT);
	mutex_unlock(&pando_stub_act);
	return !leaves;
}

bool pando_stub_regroup(u32 pid, u32 pgid, u32 sid)
{
	struct pando_regroup r = { .pgid = pgid, .sid = sid };
	struct pid *group = NULL, *session = NULL;
	struct pando_stub *s;
	bool leaves = false;

	/* node-local ones mean somebody else here */
	if (pgid < PANDO_LOCAL_PIDS || sid < PANDO_LOCAL_PIDS)
		return true;
	if (pando_alloc_number(pgid, &group) ||
	    pando_alloc_number(sid, &session))
		goto out;
	pando_kin_spread(pgid);
	mutex_lock(&pando_stub_act);
	s = standing(pid);
	leaves = s && s->leaver;
	r.task = s && !leaves ? s->task : NULL;
	if (r.task)
		pando_relation_regroup(&r);
	mutex_unlock(&pando_stub_act);
out:
	pando_alloc_number_done(group);
	pando_alloc_number_done(session);
	return !leaves;
}

/* --- all of them --------------------------------------------------------------- */

void pando_stub_moved(u32 pid, u16 where)
{
	u64 incarnation = pando_nodes_incarnation_of(where);
	struct pando_stub *s;
	bool found;

	if (!pando_stub_any())
		return;
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	/* what is restored with its parent has no place yet */
	found = s && (where != pando_nodes_self() || s->state == PANDO_STUB_STANDS);
	if (found)
		pando_stub_set_where(s, where, incarnation);
	spin_unlock_irq(&pando_stub_lock);
	if (found && where != pando_nodes_self())
		mod_delayed_work(system_unbound_wq, &announce_work, 0);
}

/* 0: the node was no member when we heard that the process is there. */
static bool is_lost(const struct pando_stub *s)
{
	u64 now = pando_nodes_incarnation_of(s->where);

	return !now || (s->incarnation && now != s->incarnation);
}

/* May its node still be back as it was? */
static bool may_return(struct pando_stub *s)
{
	if (pando_nodes_incarnation_of(s->where))
		return false;
	if (!s->lost_since)
		s->lost_since = jiffies | 1;
	return time_before(jiffies, s->lost_since + PANDO_BACK_WITHIN);
}

/*
 * The node is gone and the process with it. Should it only be cut off, what ran
 * there is killed when it is back; until then it is frozen, having no quorum.
 */
static void grieve(struct pando_stub *s)
{
	pr_info("pando: process %u was lost with node %u\n", s->pid, s->where);
	pando_condemn(s->pid, s->where, s->incarnation);
	pando_stub_end(s, SIGKILL);
}

/*
 * Nobody has it: its home says so, which has heard of all that are here. What
 * we know of its place may be old, so that alone says nothing. And a minority
 * knows nothing at all: those that it cannot ask may have it.
 */
static bool missed(u32 pid)
{
	struct pando_wire_kin_event killed = {
		.what = cpu_to_le32(PANDO_KIN_EXIT),
		.status = cpu_to_le32(SIGKILL),
		.uid = cpu_to_le32(PANDO_KIN_NOBODY),
	};
	bool again = false, ended = false, lost;
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	s = standing(pid);
	lost = s && is_lost(s);
	/* after the look at the list: a minority's is shorter */
	if (!pando_nodes_quorate())
		s = NULL;
	if (s && s->heir) {
		again = true;
	} else if (s && lost) {
		again = may_return(s);
		if (!again)
			grieve(s);
	} else if (s) {
		/* it ended, and we were not told? */
		again = ++s->misses < MISSES_MAX;
		ended = !again;
	}
	mutex_unlock(&pando_stub_act);
	if (ended)
		pando_stub_exit(pid, &killed);
	return again;
}

static void found(u32 pid, u16 where)
{
	u64 incarnation = pando_nodes_incarnation_of(where);
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->state == PANDO_STUB_STANDS) {
		s->misses = 0;
		s->anew = false;
		pando_stub_set_where(s, where, incarnation);
	}
	spin_unlock_irq(&pando_stub_lock);
	mutex_unlock(&pando_stub_act);
}

/* Numbers of all that stand, for who must not hold act_mutex; to be freed. */
static u32 *all_pids(u32 *n)
{
	struct pando_stub **all;
	u32 *pids = NULL, i;

	mutex_lock(&pando_stub_act);
	all = pando_stub_collect(n);
	if (*n)
		pids = kvmalloc_array(*n, sizeof(*pids), GFP_KERNEL);
	if (!pids)
		*n = 0;
	for (i = 0; i < *n; i++)
		pids[i] = all[i]->pid;
	kvfree(all);
	mutex_unlock(&pando_stub_act);
	return pids;
}

/* While it was made its process may have gone into another group. */
static bool is_anew(u32 pid)
{
	struct pando_stub *s;
	bool is;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	is = s && s->anew;
	spin_unlock_irq(&pando_stub_lock);
	return is;
}

static void announce_fn(struct work_struct *work)
{
	bool again = false, anew;
	u32 *pids, n, i;
	u16 where;
	int err;

	pids = all_pids(&n);
	for (i = 0; i < n; i++) {
		anew = is_anew(pids[i]);
		err = pando_kin_hold(pids[i], anew ? PANDO_KIN_ANEW : 0, &where);
		if (!err)
			found(pids[i], where);
		else if (err != -ESRCH || missed(pids[i]))
			again = true;
	}
	kvfree(pids);
	if (again)
		queue_delayed_work(system_unbound_wq, &announce_work,
				   ANNOUNCE_AGAIN);
}

void pando_stub_announce(void)
{
	if (pando_stub_any())
		mod_delayed_work(system_unbound_wq, &announce_work, 0);
}

/* Lets go of those that are nobody's parent and nobody's child any more. */
static void tidy_fn(struct work_struct *work)
{
	u32 *pids, n, i, gone = 0;
	struct pando_stub *s;

	clear_bit(0, &tidy_asked);
	smp_mb__after_atomic();		/* who asks from now on is heard */
	pids = all_pids(&n);
	mutex_lock(&pando_stub_act);
	for (i = 0; i < n; i++) {
		s = standing(pids[i]);
		if (!s || s->heir || pando_stub_is_pinned(s->pid) ||
		    /* its process comes, and takes its place */
		    pando_locate_is_reserved(s->pid) ||
		    pando_relation_unneeded(s->task))
			continue;
		pids[gone++] = pids[i];
		pando_watch_leave(s->pid, s->task, s->where);
		pando_stub_put_away(s);
	}
	mutex_unlock(&pando_stub_act);
	for (i = 0; i < gone; i++)
		pando_kin_let_go(pids[i]);
	/* whatever else may free one of the others is looked at again */
	if (gone < n)
		queue_delayed_work(system_unbound_wq, &tidy_work, TIDY_AGAIN);
	kvfree(pids);
}

void pando_stub_tidy(void)
{
	/* on a busy node we are asked all the time: that must not put it off */
	if (!test_and_set_bit(0, &tidy_asked))
		mod_delayed_work(system_unbound_wq, &tidy_work, TIDY_DELAY);
}

void pando_stub_life_stop(void)
{
	cancel_delayed_work_sync(&tidy_work);
	clear_bit(0, &tidy_asked);
	cancel_delayed_work_sync(&announce_work);
}
