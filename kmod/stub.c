// SPDX-License-Identifier: GPL-2.0-only
/* Stubs: see stub.h. */
#include <linux/hashtable.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "recover.h"
#include "relation.h"
#include "stub.h"

enum state {
	CLAIMED,	/* its number may be given; there may be a task already */
	BOUND,		/* has a task; the move is not done */
	STANDS,
	RETIRED,	/* the process itself is here; the task is ending */
};

/**
 * struct stub - a task that holds a number
 * @node: in the table
 * @dead: among those that are not, to be freed
 * @rcu: readers may see it a while longer
 * @pid: the number
 * @where: node where the process runs
 * @incarnation: of that node
 * @state: see above; lock
 * @owner: whose it is until it stands
 * @travels: it comes with a parent that waits for it
 * @task: the task, with a reference; NULL while CLAIMED
 * @sender: who may send it a signal of its own now
 * @ending: it is to end with @status
 * @status: as wait() has it
 * @stop_signal: that the process was stopped by
 * @misses: how often nobody knew of the process
 * @original: the process, if it is here and meets its stub, with a reference
 * @pending: how the process ended before the stub stood
 */
struct stub {
	struct hlist_node node;
	struct llist_node dead;
	struct rcu_head rcu;
	u32 pid;
	u16 where;
	u64 incarnation;
	enum state state;
	struct file *owner;
	bool travels;
	struct task_struct *task;
	struct task_struct *sender;
	bool ending;
	int status;
	int stop_signal;
	int misses;
	struct task_struct *original;
	struct pando_wire_kin_event *pending;
};

atomic_t pando_stub_gate = ATOMIC_INIT(0);

/* Changed under the lock, with interrupts off; read under RCU. */
static DEFINE_HASHTABLE(table, 8);
static DEFINE_SPINLOCK(lock);
static atomic_t count;

/* Whoever sends signals to stubs, or ends them: one at a time. Outermost. */
static DEFINE_MUTEX(act_mutex);

static void tidy_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(tidy_work, tidy_fn);
static void announce_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(announce_work, announce_fn);

#define TIDY_DELAY	(HZ / 2)
#define ANNOUNCE_AGAIN	HZ
/* Its home hears of a process from all nodes, but not from all at once. */
#define MISSES_MAX	5

/* --- the table ------------------------------------------------------------------ */

/* Under RCU or the lock. A retired one has its number no more. */
static struct stub *find(u32 pid)
{
	struct stub *s;

	hash_for_each_possible_rcu(table, s, node, pid)
		if (s->pid == pid && READ_ONCE(s->state) != RETIRED)
			return s;
	return NULL;
}

static struct stub *find_task(struct task_struct *task)
{
	struct pid_namespace *ns = pando_ns();
	struct stub *s;
	u32 pid;

	if (!ns)
		return NULL;
	pid = task_tgid_nr_ns(task, ns);
	hash_for_each_possible_rcu(table, s, node, pid)
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
	found = find(pid);
	rcu_read_unlock();
	return found;
}

u16 pando_stub_where(u32 pid)
{
	struct stub *s;
	u16 where = 0;

	rcu_read_lock();
	s = find(pid);
	if (s)
		where = READ_ONCE(s->where);
	rcu_read_unlock();
	return where;
}

u32 pando_stub_count(void)
{
	return atomic_read(&count);
}

u32 pando_stub_list(u32 *pids, u32 room)
{
	struct stub *s;
	u32 n = 0;
	int i;

	rcu_read_lock();
	hash_for_each_rcu(table, i, s, node)
		if (n < room && READ_ONCE(s->task) &&
		    READ_ONCE(s->state) != RETIRED)
			pids[n++] = s->pid;
	rcu_read_unlock();
	return n;
}

static void free_stub(struct rcu_head *rcu)
{
	struct stub *s = container_of(rcu, struct stub, rcu);

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
	struct stub *s, *next;

	mutex_lock(&act_mutex);
	llist_for_each_entry_safe(s, next, llist_del_all(&dead), dead)
		call_rcu(&s->rcu, free_stub);
	mutex_unlock(&act_mutex);
}

static DECLARE_WORK(bury_work, bury_fn);

/* Under the lock. */
static void remove(struct stub *s)
{
	hash_del_rcu(&s->node);
	atomic_dec(&count);
	atomic_dec(&pando_stub_gate);
	llist_add(&s->dead, &dead);
	queue_work(system_unbound_wq, &bury_work);
}

static struct stub *add(u32 pid, enum state state, struct task_struct *task)
{
	struct stub *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->pid = pid;
	s->state = state;
	if (task)
		s->task = get_task_struct(task);
	spin_lock_irq(&lock);
	hash_add_rcu(table, &s->node, pid);
	atomic_inc(&count);
	atomic_inc(&pando_stub_gate);
	spin_unlock_irq(&lock);
	return s;
}

/* node.c's lock is not one to be taken below ours. */
static void set_where(struct stub *s, u16 where, u64 incarnation)
{
	WRITE_ONCE(s->where, where);
	s->incarnation = incarnation;
}

/* --- acting on one; process context, under act_mutex ------------------------------- */

static void send_own(struct stub *s, int sig)
{
	WRITE_ONCE(s->sender, current);
	send_sig(sig, s->task, 1);
	WRITE_ONCE(s->sender, NULL);
}

/* Its record goes when the kernel says that it is dead: pando_stub_died(). */
static void end(struct stub *s, int status)
{
	s->status = status;
	/* pairs with pando_stub_sent(), which runs in this thread */
	s->ending = true;
	send_own(s, SIGKILL);
}

static void add_usage(struct signal_struct *sig,
		      const struct pando_wire_rusage *self,
		      const struct pando_wire_rusage *children)
{
	unsigned long flags;

	write_seqlock_irqsave(&sig->stats_lock, flags);
	sig->utime += le64_to_cpu(self->utime);
	sig->stime += le64_to_cpu(self->stime);
	sig->sum_sched_runtime += le64_to_cpu(self->utime) +
				  le64_to_cpu(self->stime);
	sig->min_flt += le64_to_cpu(self->minflt);
	sig->maj_flt += le64_to_cpu(self->majflt);
	sig->nvcsw += le64_to_cpu(self->nvcsw);
	sig->nivcsw += le64_to_cpu(self->nivcsw);
	sig->inblock += le64_to_cpu(self->inblock);
	sig->oublock += le64_to_cpu(self->oublock);
	sig->maxrss = le64_to_cpu(self->maxrss);
	sig->cutime += le64_to_cpu(children->utime);
	sig->cstime += le64_to_cpu(children->stime);
	sig->cmin_flt += le64_to_cpu(children->minflt);
	sig->cmaj_flt += le64_to_cpu(children->majflt);
	sig->cnvcsw += le64_to_cpu(children->nvcsw);
	sig->cnivcsw += le64_to_cpu(children->nivcsw);
	sig->cinblock += le64_to_cpu(children->inblock);
	sig->coublock += le64_to_cpu(children->oublock);
	sig->cmaxrss = le64_to_cpu(children->maxrss);
	write_sequnlock_irqrestore(&sig->stats_lock, flags);
}

/* The stub of a process that lives elsewhere, for whoever holds act_mutex. */
static struct stub *standing(u32 pid)
{
	struct stub *s;

	spin_lock_irq(&lock);
	s = find(pid);
	if (s && (s->state != STANDS || s->ending))
		s = NULL;
	spin_unlock_irq(&lock);
	return s;
}

/*
 * The standing stubs; under act_mutex, so that their records stay. NULL: none,
 * or no memory (whoever asks will ask again).
 */
static struct stub **collect(u32 *n)
{
	u32 room = pando_stub_count();
	struct stub **all, *s;
	int i;

	*n = 0;
	all = room ? kvmalloc_array(room, sizeof(*all), GFP_KERNEL) : NULL;
	if (!all)
		return NULL;
	spin_lock_irq(&lock);
	hash_for_each(table, i, s, node)
		if (*n < room && s->state == STANDS && !s->ending)
			all[(*n)++] = s;
	spin_unlock_irq(&lock);
	return all;
}

/* Does its parent, or somebody after it, still wait for it? */
static bool has_parent(struct stub *s)
{
	bool found;

	rcu_read_lock();
	found = !same_thread_group(rcu_dereference(s->task->real_parent),
				   pando_ns()->child_reaper);
	rcu_read_unlock();
	return found;
}

/* It arrives with its parent just now: it ends when it stands. */
static bool postpone(u32 pid, const struct pando_wire_kin_event *ev)
{
	struct stub *s;
	bool arrives;

	spin_lock_irq(&lock);
	s = find(pid);
	arrives = s && s->state < STANDS && s->travels && !s->original;
	spin_unlock_irq(&lock);
	if (!arrives)
		return false;
	if (!s->pending)
		s->pending = kmemdup(ev, sizeof(*ev), GFP_KERNEL | __GFP_NOFAIL);
	return true;
}

bool pando_stub_exit(u32 pid, const struct pando_wire_kin_event *ev)
{
	struct stub *s;
	bool keeps;

	mutex_lock(&act_mutex);
	s = standing(pid);
	keeps = s ? has_parent(s) : postpone(pid, ev);
	mutex_unlock(&act_mutex);
	/* another node is told, and nobody else waits for that */
	if (keeps)
		pando_recover_left(pid);
	mutex_lock(&act_mutex);
	s = standing(pid);
	if (s) {
		add_usage(s->task->signal, &ev->self, &ev->children);
		end(s, le32_to_cpu(ev->status) & 0xffff);
	}
	mutex_unlock(&act_mutex);
	return keeps;
}

void pando_stub_stop(u32 pid, int sig)
{
	struct stub *s;

	mutex_lock(&act_mutex);
	s = standing(pid);
	if (s && valid_signal(sig)) {
		WRITE_ONCE(s->stop_signal, sig);
		send_own(s, SIGSTOP);
	}
	mutex_unlock(&act_mutex);
}

void pando_stub_cont(u32 pid)
{
	struct stub *s;

	mutex_lock(&act_mutex);
	s = standing(pid);
	if (s)
		send_own(s, SIGCONT);
	mutex_unlock(&act_mutex);
}

/* --- the helper of a move ----------------------------------------------------------- */

static struct task_struct *get_process(u32 pid)
{
	struct task_struct *task;
	struct pid *p;

	rcu_read_lock();
	p = find_pid_ns(pid, pando_ns());
	task = p ? get_pid_task(p, PIDTYPE_TGID) : NULL;
	rcu_read_unlock();
	return task;
}

static void unclaim(struct file *owner, u32 pid)
{
	struct stub *s;

	spin_lock_irq(&lock);
	s = find(pid);
	if (s && s->owner == owner && s->state == CLAIMED)
		remove(s);
	spin_unlock_irq(&lock);
	pando_alloc_unshare(pid);
}

static int claim(struct file *owner, u32 pid, bool travels)
{
	struct task_struct *original = NULL;
	struct stub *s;

	if (pando_stub_has(pid))
		return -EALREADY;
	if (pando_locate_is_reserved(pid))
		return -EEXIST;
	if (pando_ns_has_process(pid)) {
		original = travels ? get_process(pid) : NULL;
		if (!original)
			return -EEXIST;
	}
	s = add(pid, CLAIMED, NULL);
	if (!s) {
		if (original)
			put_task_struct(original);
		return -ENOMEM;
	}
	s->owner = owner;
	s->travels = travels;
	WRITE_ONCE(s->original, original);
	return original ? 1 : 0;
}

int pando_stub_claim(struct file *owner, u32 pid, bool travels)
{
	int ret;

	if (pid < PANDO_LOCAL_PIDS || pid >= PANDO_PID_MAX)
		return -EINVAL;
	mutex_lock(&act_mutex);
	ret = claim(owner, pid, travels);
	mutex_unlock(&act_mutex);
	/* from now on we hear of its end, whoever hears of it as well */
	if (!ret && travels) {
		ret = pando_kin_hold(pid, false);
		if (ret)
			unclaim(owner, pid);
	}
	return ret;
}

int pando_stub_bind(struct file *owner, u32 pid, u16 where)
{
	struct task_struct *task = get_process(pid);
	struct stub *s;
	int err = -ESRCH;

	if (!task)
		return -ESRCH;
	mutex_lock(&act_mutex);
	spin_lock_irq(&lock);
	s = find(pid);
	if (s && s->owner == owner && s->state == CLAIMED && !s->original) {
		WRITE_ONCE(s->task, task);
		s->state = BOUND;
		err = 0;
	}
	spin_unlock_irq(&lock);
	if (!err)
		set_where(s, where, pando_nodes_incarnation_of(where));
	else
		put_task_struct(task);
	mutex_unlock(&act_mutex);
	pando_alloc_unshare(pid);
	return err;
}

int pando_stub_stand(u32 pid, struct task_struct *task, u16 where)
{
	struct stub *s;

	mutex_lock(&act_mutex);
	s = add(pid, STANDS, task);
	if (s)
		set_where(s, where, pando_nodes_incarnation_of(where));
	mutex_unlock(&act_mutex);
	return s ? 0 : -ENOMEM;
}

void pando_stub_forget(struct task_struct *task, u32 pid)
{
	struct stub *s;

	mutex_lock(&act_mutex);
	spin_lock_irq(&lock);
	hash_for_each_possible(table, s, node, pid) {
		if (s->task == task) {
			remove(s);
			break;
		}
	}
	spin_unlock_irq(&lock);
	mutex_unlock(&act_mutex);
}

int pando_stub_join(struct file *owner, u32 pid)
{
	struct pando_relation r = { .keep_terminal = true };
	struct pid_namespace *ns = pando_ns();
	struct stub *s;
	int err = -ESRCH;

	mutex_lock(&act_mutex);
	spin_lock_irq(&lock);
	s = find(pid);
	if (s && s->owner == owner && s->original)
		r.task = get_task_struct(s->original);
	spin_unlock_irq(&lock);
	if (!r.task)
		goto out;
	r.stub = get_process(pid);
	r.pgid = task_pgrp_nr_ns(r.task, ns);
	r.sid = task_session_nr_ns(r.task, ns);
	if (r.stub && r.stub != r.task)
		err = pando_relation_place(&r);
	if (!err) {
		/* what dies now is a stub, and not the process */
		spin_lock_irq(&lock);
		s->owner = NULL;
		WRITE_ONCE(s->task, get_task_struct(r.stub));
		WRITE_ONCE(s->state, RETIRED);
		spin_unlock_irq(&lock);
		end(s, SIGKILL);
	}
	if (r.stub)
		put_task_struct(r.stub);
	put_task_struct(r.task);
out:
	mutex_unlock(&act_mutex);
	if (err)
		unclaim(owner, pid);
	else
		pando_alloc_unshare(pid);
	return err;
}

/* How their processes ended while they were on their way. */
static void end_pending(void)
{
	struct pando_wire_kin_event *ev;
	struct stub **all;
	u32 n, i;

	mutex_lock(&act_mutex);
	all = collect(&n);
	for (i = 0; i < n; i++) {
		ev = all[i]->pending;
		if (!ev)
			continue;
		add_usage(all[i]->task->signal, &ev->self, &ev->children);
		end(all[i], le32_to_cpu(ev->status) & 0xffff);
	}
	kvfree(all);
	mutex_unlock(&act_mutex);
}

void pando_stub_keep(struct file *owner)
{
	struct stub *s;
	int i;

	mutex_lock(&act_mutex);
	spin_lock_irq(&lock);
	hash_for_each(table, i, s, node) {
		/* those that meet their process are not done yet */
		if (s->owner != owner || s->original)
			continue;
		s->owner = NULL;
		if (s->state == BOUND)
			s->state = STANDS;
	}
	spin_unlock_irq(&lock);
	mutex_unlock(&act_mutex);
	end_pending();
	mod_delayed_work(system_unbound_wq, &announce_work, 0);
	pando_stub_tidy();
}

/* The first that is @owner's; under act_mutex. */
static struct stub *owned(struct file *owner)
{
	struct stub *s, *found = NULL;
	int i;

	spin_lock_irq(&lock);
	hash_for_each(table, i, s, node) {
		if (s->owner == owner) {
			found = s;
			s->owner = NULL;
			break;
		}
	}
	spin_unlock_irq(&lock);
	return found;
}

void pando_stub_drop(struct file *owner)
{
	struct stub *s;
	bool travels;
	u32 pid;

	for (;;) {
		mutex_lock(&act_mutex);
		s = owned(owner);
		if (!s) {
			mutex_unlock(&act_mutex);
			return;
		}
		pid = s->pid;
		travels = s->travels && !s->original;
		if (s->pending)
			pando_recover_gone(pid);
		if (s->state == BOUND) {
			end(s, SIGKILL);
		} else {
			spin_lock_irq(&lock);
			remove(s);
			spin_unlock_irq(&lock);
		}
		mutex_unlock(&act_mutex);
		pando_alloc_unshare(pid);
		if (travels)
			pando_kin_hold(pid, true);
	}
}

struct task_struct *pando_stub_retire(u32 pid)
{
	struct task_struct *task = NULL;
	struct stub *s;

	mutex_lock(&act_mutex);
	spin_lock_irq(&lock);
	s = find(pid);
	if (s && s->state == STANDS) {
		WRITE_ONCE(s->state, RETIRED);
		task = get_task_struct(s->task);
	}
	spin_unlock_irq(&lock);
	mutex_unlock(&act_mutex);
	return task;
}

void pando_stub_release(struct task_struct *task)
{
	struct stub *s;

	mutex_lock(&act_mutex);
	rcu_read_lock();
	s = find_task(task);
	rcu_read_unlock();
	if (s)
		end(s, SIGKILL);
	mutex_unlock(&act_mutex);
	pando_stub_tidy();
}

/* --- what alloc.c asks ----------------------------------------------------------------- */

static bool is_in(u32 pid, enum state state)
{
	struct stub *s;
	bool is;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	s = find(pid);
	is = s && READ_ONCE(s->state) == state;
	rcu_read_unlock();
	return is;
}

bool pando_stub_may_make(u32 pid)
{
	return is_in(pid, CLAIMED);
}

bool pando_stub_stands(u32 pid)
{
	return is_in(pid, STANDS);
}

bool pando_stub_is_copy(u32 pid)
{
	struct stub *s;
	bool is;

	if (!pando_stub_any())
		return false;
	rcu_read_lock();
	s = find(pid);
	is = s && READ_ONCE(s->original);
	rcu_read_unlock();
	return is;
}

bool pando_stub_is_original(struct task_struct *task, u32 pid)
{
	struct stub *s;
	bool is;

	rcu_read_lock();
	s = find(pid);
	is = s && READ_ONCE(s->original) == task;
	rcu_read_unlock();
	return is;
}

/* --- where the processes are ------------------------------------------------------------ */

void pando_stub_moved(u32 pid, u16 where)
{
	u64 incarnation = pando_nodes_incarnation_of(where);
	struct stub *s;
	bool found;

	if (!pando_stub_any())
		return;
	spin_lock_irq(&lock);
	s = find(pid);
	found = s && where != pando_nodes_self();
	if (found)
		set_where(s, where, incarnation);
	spin_unlock_irq(&lock);
	if (found)
		mod_delayed_work(system_unbound_wq, &announce_work, 0);
}

static bool is_lost(const struct stub *s, bool quorate)
{
	u64 now = pando_nodes_incarnation_of(s->where);

	return now ? now != s->incarnation : quorate;
}

/*
 * The node is gone and its processes with it. (Should it only be cut off, what
 * ran there is killed before it may run again: a node without quorum is
 * frozen, and the stub's end is announced as a signal when it is back.)
 */
void pando_stub_members(bool quorate)
{
	struct stub **all;
	u32 n, i;

	mutex_lock(&act_mutex);
	all = collect(&n);
	for (i = 0; i < n; i++) {
		if (!is_lost(all[i], quorate))
			continue;
		pr_info("pando: process %u was lost with node %u\n",
			all[i]->pid, all[i]->where);
		pando_kin_condemn(all[i]->pid, all[i]->where,
				  all[i]->incarnation);
		end(all[i], SIGKILL);
	}
	kvfree(all);
	mutex_unlock(&act_mutex);
}

/* Nobody has it, so it ended, and we were not told: its node was lost. */
static bool missed(u32 pid)
{
	struct pando_wire_kin_event killed = {
		.what = cpu_to_le32(PANDO_KIN_EXIT),
		.status = cpu_to_le32(SIGKILL),
	};
	struct stub *s;
	bool again;

	mutex_lock(&act_mutex);
	s = standing(pid);
	again = s && ++s->misses < MISSES_MAX;
	mutex_unlock(&act_mutex);
	if (s && !again)
		pando_stub_exit(pid, &killed);
	return again;
}

static void found(u32 pid)
{
	struct stub *s;

	mutex_lock(&act_mutex);
	s = standing(pid);
	if (s)
		s->misses = 0;
	mutex_unlock(&act_mutex);
}

/* Numbers of all that stand, for who must not hold act_mutex; to be freed. */
static u32 *all_pids(u32 *n)
{
	struct stub **all;
	u32 *pids = NULL, i;

	mutex_lock(&act_mutex);
	all = collect(n);
	if (*n)
		pids = kvmalloc_array(*n, sizeof(*pids), GFP_KERNEL);
	if (!pids)
		*n = 0;
	for (i = 0; i < *n; i++)
		pids[i] = all[i]->pid;
	kvfree(all);
	mutex_unlock(&act_mutex);
	return pids;
}

static void announce_fn(struct work_struct *work)
{
	bool again = false;
	u32 *pids, n, i;
	int err;

	pids = all_pids(&n);
	for (i = 0; i < n; i++) {
		err = pando_kin_hold(pids[i], false);
		if (!err)
			found(pids[i]);
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
	struct stub *s;

	pids = all_pids(&n);
	mutex_lock(&act_mutex);
	for (i = 0; i < n; i++) {
		s = standing(pids[i]);
		if (!s || pando_relation_unneeded(s->task))
			continue;
		pids[gone++] = pids[i];
		end(s, 0);
	}
	mutex_unlock(&act_mutex);
	for (i = 0; i < gone; i++)
		pando_kin_hold(pids[i], true);
	kvfree(pids);
}

void pando_stub_tidy(void)
{
	mod_delayed_work(system_unbound_wq, &tidy_work, TIDY_DELAY);
}

/* --- hooks -------------------------------------------------------------------------------- */

/* A signal to a stub that is not of our own sending; @s stands. */
static void divert(struct stub *s, int sig, struct kernel_siginfo *info,
		   enum pid_type type)
{
	bool special = (unsigned long)info <= 1;	/* SEND_SIG_* */

	/* a child of its was stopped or goes on: of interest to its process */
	if (sig == SIGCHLD && !special && info->si_code > 0) {
		if (info->si_code == CLD_STOPPED ||
		    info->si_code == CLD_CONTINUED)
			pando_kin_stopped(info->si_pid, info->si_code,
					  info->si_status);
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

bool pando_stub_signal(int sig, struct kernel_siginfo *info,
		       struct task_struct *task, enum pid_type type)
{
	struct stub *s;
	bool done = false;

	/* a trap: it runs what criu put into it */
	if (task == current)
		return false;
	rcu_read_lock();
	s = find_task(task);
	if (!s || READ_ONCE(s->sender) == current)
		goto out;
	/* the namespace ends, and all in it */
	if (pando_ns()->child_reaper->signal->flags & SIGNAL_GROUP_EXIT)
		goto out;
	done = true;
	if (READ_ONCE(s->state) == STANDS)
		divert(s, sig, info, type);
out:
	rcu_read_unlock();
	return done;
}

void pando_stub_sent(struct task_struct *task)
{
	struct stub *s;

	rcu_read_lock();
	s = find_task(task);
	/* what its parent will see */
	if (s && s->ending && READ_ONCE(s->sender) == current)
		task->signal->group_exit_code = s->status;
	rcu_read_unlock();
}

void pando_stub_delivered(int sig, struct kernel_siginfo *info)
{
	struct stub *s;

	if (sig != SIGSTOP || !pando_stub_any())
		return;
	rcu_read_lock();
	s = find_task(current);
	/* do_signal_stop() tells the parent this number */
	if (s && READ_ONCE(s->stop_signal))
		info->si_signo = s->stop_signal;
	rcu_read_unlock();
}

bool pando_stub_died(struct task_struct *task)
{
	unsigned long flags;
	struct stub *s;

	spin_lock_irqsave(&lock, flags);
	s = find_task(task);
	if (s)
		remove(s);
	spin_unlock_irqrestore(&lock, flags);
	return s;
}

/* --- life ---------------------------------------------------------------------------------- */

void pando_stub_reset(void)
{
	struct hlist_node *next;
	struct stub *s;
	int i;

	cancel_delayed_work_sync(&tidy_work);
	cancel_delayed_work_sync(&announce_work);
	spin_lock_irq(&lock);
	hash_for_each_safe(table, i, next, s, node)
		remove(s);
	spin_unlock_irq(&lock);
}

/* The hooks are gone. */
void pando_stub_fini(void)
{
	pando_stub_reset();
	flush_work(&bury_work);
	rcu_barrier();
}
