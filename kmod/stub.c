// SPDX-License-Identifier: GPL-2.0-only
/* Stubs: which there are, and what the kernel's hooks ask. See stub.h. */
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <uapi/linux/pando.h>

#include "kin.h"
#include "node.h"
#include "ns.h"
#include "stub_parts.h"

atomic_t pando_stub_gate = ATOMIC_INIT(0);

DEFINE_HASHTABLE(pando_stub_table, 8);
DEFINE_SPINLOCK(pando_stub_lock);
DEFINE_MUTEX(pando_stub_act);	/* see stub_parts.h */
LIST_HEAD(pando_stub_lefts);	/* pando_stub_lock */
static atomic_t count;

/* --- the table ------------------------------------------------------------------ */

struct pando_stub *pando_stub_find(u32 pid)
{
	struct pando_stub *s;

	hash_for_each_possible_rcu(pando_stub_table, s, node, pid)
		if (s->pid == pid && READ_ONCE(s->state) != PANDO_STUB_RETIRED &&
		    /* released: it has no number any more */
		    (!s->left || READ_ONCE(s->task->sighand)))
			return s;
	return NULL;
}

struct pando_stub *pando_stub_find_task(struct task_struct *task)
{
	struct pid_namespace *ns = pando_ns();
	struct pando_stub *s;
	u32 pid;

	if (!ns)
		return NULL;
	pid = task_tgid_nr_ns(task, ns);
	hash_for_each_possible_rcu(pando_stub_table, s, node, pid)
		if (s->pid == pid && READ_ONCE(s->task) == task)
			return s;
	return NULL;
}

bool pando_stub_has(u32 pid)
{
	bool found;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	found = pando_stub_find(pid);
	rcu_read_unlock();
	return found;
}

bool pando_stub_is_left(u32 pid)
{
	struct pando_stub *s;
	bool is;

	rcu_read_lock();
	s = pando_stub_find(pid);
	is = s && READ_ONCE(s->left);
	rcu_read_unlock();
	return is;
}

u16 pando_stub_where(u32 pid)
{
	struct pando_stub *s;
	u16 where = 0;

	rcu_read_lock();
	s = pando_stub_find(pid);
	if (s)
		where = READ_ONCE(s->where);
	rcu_read_unlock();
	return where;
}

bool pando_stub_is_home(u32 pid)
{
	struct pando_stub *s;
	struct pid *number;
	bool is = false;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	s = pando_stub_find(pid);
	if (s && READ_ONCE(s->state) == PANDO_STUB_STANDS &&
	    READ_ONCE(s->where) == pando_nodes_self()) {
		/* the number is that one's which was attached to it last */
		number = find_pid_ns(pid, pando_ns());
		is = number && pid_task(number, PIDTYPE_PID) != s->task;
	}
	rcu_read_unlock();
	return is;
}

u32 pando_stub_count(void)
{
	return atomic_read(&count);
}

u32 pando_stub_list(u32 *pids, u32 room)
{
	struct pando_stub *s;
	u32 n = 0;
	int i;

	rcu_read_lock();
	hash_for_each_rcu(pando_stub_table, i, s, node)
		if (n < room && READ_ONCE(s->task) &&
		    READ_ONCE(s->state) != PANDO_STUB_RETIRED)
			pids[n++] = s->pid;
	rcu_read_unlock();
	return n;
}

void pando_stub_show(struct seq_file *m)
{
	static const char * const names[] = {
		"claimed", "bound", "stands", "retired",
	};
	struct pando_stub *s;
	int i;

	rcu_read_lock();
	hash_for_each_rcu(pando_stub_table, i, s, node)
		seq_printf(m, "%u node %u %s%s%s\n", s->pid,
			   READ_ONCE(s->where), names[READ_ONCE(s->state)],
			   s->ending ? " ending" : "",
			   READ_ONCE(s->owner) ? " owned" : "");
	rcu_read_unlock();
}

static void free_stub(struct rcu_head *rcu)
{
	struct pando_stub *s = container_of(rcu, struct pando_stub, rcu);

	if (s->task)
		put_task_struct(s->task);
	if (s->original)
		put_task_struct(s->original);
	kfree(s->pending);
	kfree(s);
}

static LLIST_HEAD(dead);

/* Whoever acts on a stub may still look at it. */
static void bury_fn(struct work_struct *work)
{
	struct pando_stub *s, *next;

	mutex_lock(&pando_stub_act);
	llist_for_each_entry_safe(s, next, llist_del_all(&dead), dead)
		call_rcu(&s->rcu, free_stub);
	mutex_unlock(&pando_stub_act);
}

static DECLARE_WORK(bury_work, bury_fn);

void pando_stub_remove(struct pando_stub *s)
{
	hash_del_rcu(&s->node);
	if (s->left)
		list_del(&s->lefts);
	atomic_dec(&count);
	atomic_dec(&pando_stub_gate);
	llist_add(&s->dead, &dead);
	queue_work(system_unbound_wq, &bury_work);
}

struct pando_stub *pando_stub_add(u32 pid, enum pando_stub_state state, struct task_struct *task)
{
	struct pando_stub *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->pid = pid;
	s->state = state;
	s->rising = state == PANDO_STUB_STANDS;
	if (task)
		s->task = get_task_struct(task);
	spin_lock_irq(&pando_stub_lock);
	hash_add_rcu(pando_stub_table, &s->node, pid);
	atomic_inc(&count);
	atomic_inc(&pando_stub_gate);
	spin_unlock_irq(&pando_stub_lock);
	return s;
}

static bool is_in(u32 pid, enum pando_stub_state state)
{
	struct pando_stub *s;
	bool is;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	s = pando_stub_find(pid);
	is = s && READ_ONCE(s->state) == state;
	rcu_read_unlock();
	return is;
}

bool pando_stub_is_met(u32 pid)
{
	struct pando_stub *s;
	bool is;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	s = pando_stub_find(pid);
	is = s && READ_ONCE(s->heir);
	rcu_read_unlock();
	return is;
}

bool pando_stub_may_make(u32 pid)
{
	return is_in(pid, PANDO_STUB_CLAIMED) || pando_stub_is_met(pid);
}

bool pando_stub_stands(u32 pid)
{
	return is_in(pid, PANDO_STUB_STANDS);
}

bool pando_stub_is(struct task_struct *task)
{
	bool is;

	rcu_read_lock();
	is = pando_stub_find_task(task);
	rcu_read_unlock();
	return is;
}

struct task_struct *pando_stub_get(u32 pid)
{
	struct task_struct *task = NULL;
	struct pando_stub *s;

	rcu_read_lock();
	s = pando_stub_find(pid);
	if (s && READ_ONCE(s->state) == PANDO_STUB_STANDS)
		task = get_task_struct(s->task);
	rcu_read_unlock();
	return task;
}

struct task_struct *pando_stub_get_whole(u32 pid)
{
	struct task_struct *task = NULL;
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->state == PANDO_STUB_STANDS && !s->left && !s->ending)
		task = get_task_struct(s->task);
	spin_unlock_irq(&pando_stub_lock);
	mutex_unlock(&pando_stub_act);
	return task;
}

bool pando_stub_is_copy(u32 pid)
{
	struct pando_stub *s;
	bool is;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	s = pando_stub_find(pid);
	is = s && READ_ONCE(s->original);
	rcu_read_unlock();
	return is;
}

struct task_struct *pando_stub_met(u32 pid)
{
	struct task_struct *task = NULL;
	struct pando_stub *s;

	rcu_read_lock();
	s = pando_stub_find(pid);
	if (s)
		task = READ_ONCE(s->heir) ? s->task : READ_ONCE(s->original);
	rcu_read_unlock();
	return task;
}

bool pando_stub_is_original(struct task_struct *task, u32 pid)
{
	struct pando_stub *s;
	bool is;

	rcu_read_lock();
	s = pando_stub_find(pid);
	is = s && READ_ONCE(s->original) == task;
	rcu_read_unlock();
	return is;
}

/* --- hooks -------------------------------------------------------------------------------- */

/* A child of a stub was stopped or goes on: of interest to its process. Under RCU. */
static void child_changed(const struct kernel_siginfo *info)
{
	u32 status = info->si_status;
	struct pando_stub *copy;

	if (info->si_code != CLD_STOPPED && info->si_code != CLD_CONTINUED)
		return;
	copy = pando_stub_find(info->si_pid);
	if (copy)
		WRITE_ONCE(copy->changed, true);
	/* without a signal it was stopped, and goes on already */
	if (info->si_code == CLD_STOPPED)
		pando_kin_change(info->si_pid, PANDO_KIN_STOP, status ?: SIGSTOP, 0);
	if (info->si_code == CLD_CONTINUED || !status)
		pando_kin_change(info->si_pid, PANDO_KIN_CONT, 0, 0);
}

/* A signal to a stub that is not of our own sending; @s stands. */
static void divert(struct pando_stub *s, int sig, struct kernel_siginfo *info,
		   enum pid_type type)
{
	bool special = (unsigned long)info <= 1;	/* SEND_SIG_* */

	if (sig == SIGCHLD && !special && info->si_code > 0) {
		child_changed(info);
		return;
	}
	/* who signals a group, or everybody, asks the other nodes too */
	if (type == PIDTYPE_PGID || type == PIDTYPE_MAX)
		return;
	/* movers, criu: they mean the task, and it is not theirs to end */
	if (in_task() && pando_ns_is_local(current))
		return;
	pando_kin_signal(s->pid, sig);
}

/*
 * A mover, or criu, that gives up kills by number what it has built; and where its copy
 * of a stub is gone already, that number is the process's alone, which has been here all
 * the time. What the kernel kills it kills.
 */
static bool is_met(struct task_struct *task, int sig, const struct kernel_siginfo *info)
{
	return sig == SIGKILL && info != SEND_SIG_PRIV && in_task() && pando_ns_is_local(current) &&
	       pando_stub_is_original(task, task_tgid_nr_ns(task, pando_ns()));
}

bool pando_stub_signal(int sig, struct kernel_siginfo *info,
		       struct task_struct *task, enum pid_type type)
{
	struct pando_stub *s;
	bool done = false;

	/* a trap: it runs what criu put into it */
	if (task == current)
		return false;
	if (unlikely(is_met(task, sig, info)))
		return true;
	rcu_read_lock();
	s = pando_stub_find_task(task);
	if (!s || READ_ONCE(s->sender) == current)
		goto out;
	/* the namespace ends, and all in it */
	if (pando_ns()->child_reaper->signal->flags & SIGNAL_GROUP_EXIT)
		goto out;
	done = true;
	/* of a retired one the process is here, and about to have the number */
	if (READ_ONCE(s->state) >= PANDO_STUB_STANDS)
		divert(s, sig, info, type);
out:
	rcu_read_unlock();
	return done;
}

void pando_stub_sent(struct task_struct *task)
{
	struct pando_stub *s;

	rcu_read_lock();
	s = pando_stub_find_task(task);
	/* what its parent will see */
	if (s && s->ending && READ_ONCE(s->sender) == current)
		task->signal->group_exit_code = s->status;
	rcu_read_unlock();
}

void pando_stub_delivered(int sig, struct kernel_siginfo *info)
{
	struct pando_stub *s;

	if (sig != SIGSTOP || !pando_stub_any())
		return;
	rcu_read_lock();
	s = pando_stub_find_task(current);
	/* do_signal_stop() tells the parent this number */
	if (s && READ_ONCE(s->stop_signal))
		info->si_signo = s->stop_signal;
	rcu_read_unlock();
}

bool pando_stub_died(struct task_struct *task, bool *ended)
{
	unsigned long flags;
	struct pando_stub *s;

	spin_lock_irqsave(&pando_stub_lock, flags);
	s = pando_stub_find_task(task);
	*ended = s && s->state == PANDO_STUB_STANDS && s->ending && !s->left;
	/* a tracer may keep it for a while: what is sent to it is its process's */
	if (s && s->left)
		goto out;
	if (s)
		pando_stub_remove(s);
	/* the last child, perhaps, for whose sake its stub was there */
	else if (pando_stub_find_task(rcu_dereference_protected(task->real_parent,
								1)))
		pando_stub_tidy();
out:
	spin_unlock_irqrestore(&pando_stub_lock, flags);
	return s;
}

/* It has no number of its own any more by which to find it. */
void pando_stub_freed(struct task_struct *task)
{
	unsigned long flags;
	struct pando_stub *s;

	if (likely(list_empty(&pando_stub_lefts)))
		return;
	spin_lock_irqsave(&pando_stub_lock, flags);
	list_for_each_entry(s, &pando_stub_lefts, lefts) {
		if (s->task == task) {
			pando_stub_remove(s);
			break;
		}
	}
	spin_unlock_irqrestore(&pando_stub_lock, flags);
}

/* --- life ---------------------------------------------------------------------------------- */

void pando_stub_reset(void)
{
	struct hlist_node *next;
	struct pando_stub *s;
	int i;

	pando_stub_life_stop();
	spin_lock_irq(&pando_stub_lock);
	hash_for_each_safe(pando_stub_table, i, next, s, node)
		pando_stub_remove(s);
	spin_unlock_irq(&pando_stub_lock);
}

/* The hooks are gone. */
void pando_stub_fini(void)
{
	pando_stub_reset();
	flush_work(&bury_work);
	rcu_barrier();
}
