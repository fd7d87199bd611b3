// SPDX-License-Identifier: GPL-2.0-only
/* Signals to a process that moves; see hold.h. */
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include "calls.h"
#include "hold.h"
#include "hooks.h"
#include "kin.h"
#include "node.h"
#include "ns.h"
#include "occasion.h"
#include "tasklist.h"

#define HELD_MAX	4096	/* of one process */
#define SEND_MOST	(30 * HZ)

/**
 * struct held - a signal
 * @list: of a hold, or on its way to another node
 * @pid: for whom: a process, or with @thread one of its threads
 * @tgid: that thread's process
 * @sig: number
 * @kernel: the kernel sent it: no siginfo goes with it
 * @occasion: it is for many (occasion.h), or 0
 * @info: else that, with the uid of the initial user namespace
 */
struct held {
	struct list_head list;
	u32 pid, tgid;
	bool thread;
	int sig;
	bool kernel;
	u64 occasion;
	struct kernel_siginfo info;
};

/** struct seen - how many signals of a queue travel with their process */
struct seen {
	struct list_head list;
	u32 tid;		/* 0: the process's own */
	u16 count[PANDO_HOLD_SIGNALS];
};

/**
 * struct hold - a process
 * @node: in the table, by its signal_struct
 * @leader: a reference; the signal_struct is alive with it
 * @pid: its number; the task may lose it to a stub
 * @move: it is of this move
 * @owner: whose end lets it go; NULL: pando_hold_let() alone does
 * @copy: it was restored here
 * @early: it runs: criu has not taken hold of it yet
 * @moved: the move was committed
 * @seen: what of its pending signals travels with it
 * @signals: what is held, @count of them
 */
struct hold {
	struct hlist_node node;
	struct task_struct *leader;
	u32 pid;
	u64 move;
	struct file *owner;
	bool copy, early, moved;
	struct list_head seen, signals;
	unsigned int count;
};

atomic_t pando_hold_count = ATOMIC_INIT(0);

/* Taken below siglocks; only that of occasion.c is taken below it. */
static DEFINE_SPINLOCK(lock);
static DEFINE_HASHTABLE(table, 5);	/* lock */
static LIST_HEAD(outs);			/* lock */

static void send_fn(struct work_struct *work);
static DECLARE_WORK(send_work, send_fn);

static struct hold *find(const struct signal_struct *signal)
{
	struct hold *h;

	hash_for_each_possible(table, h, node, (unsigned long)signal)
		if (h->leader->signal == signal)
			return h;
	return NULL;
}

/* --- what comes ------------------------------------------------------------------- */

/* Timers travel with their process, and ring there. */
static bool is_timer(int sig, int code)
{
	return code == SI_TIMER ||
	       (code == SI_KERNEL && (sig == SIGALRM || sig == SIGVTALRM ||
				      sig == SIGPROF));
}

static void set_uid(struct held *s, kuid_t uid)
{
	s->info.si_uid = from_kuid_munged(&init_user_ns, uid);
}

/* As send_signal_locked() would have it, for somebody else to send it. */
static void describe(struct held *s, int sig, const struct kernel_siginfo *info)
{
	bool plain = info == SEND_SIG_NOINFO;

	s->sig = sig;
	s->kernel = info == SEND_SIG_PRIV || (!plain && info->si_code > 0);
	if (s->kernel)
		return;
	if (plain)
		pando_call_user_info(&s->info, sig, SI_USER);
	else
		s->info = *info;
	set_uid(s, make_kuid(current_user_ns(), s->info.si_uid));
	if (!task_pid_nr_ns(current, pando_ns()))
		s->info.si_pid = 0;
}

static bool wanted(const struct hold *h, int sig, int code, u64 occasion)
{
	/* stopped while criu runs code of its own in it, it could not be described */
	if (sig == SIGCONT || sig_kernel_stop(sig))
		return true;
	if (h->early)
		return false;
	/* of what waits in its own queues nobody knows that it was for others too */
	if (occasion && !h->copy)
		return true;
	/* without criu that traces it, any fatal one would kill it at once */
	return sig == SIGKILL ||
	       (!h->copy && (h->moved || !h->owner) && !is_timer(sig, code));
}

/*
 * One of these is as good as many; but of those that are for many the process may have got
 * one already, and not the other.
 */
static bool is_held(struct hold *h, int sig, u32 thread, u64 occasion)
{
	struct held *s;

	list_for_each_entry(s, &h->signals, list) {
		if (s->sig != sig || (s->thread ? s->pid : 0) != thread)
			continue;
		if (!occasion)
			s->occasion = 0;
		if (!s->occasion || s->occasion == occasion)
			return true;
	}
	return false;
}

/*
 * As the kernel has it: who goes on is not stopped by what came before. Not the
 * reverse: who stands stopped goes on when SIGCONT is sent, and is stopped anew.
 */
static void undo_stops(struct hold *h)
{
	struct held *s, *next;

	list_for_each_entry_safe(s, next, &h->signals, list) {
		if (!sig_kernel_stop(s->sig))
			continue;
		list_del(&s->list);
		h->count--;
		kfree(s);
	}
}

static int hold(struct hold *h, int sig, struct kernel_siginfo *info,
		struct task_struct *task, enum pid_type type, u64 occasion)
{
	u32 tid = type == PIDTYPE_PID ? task_pid_nr_ns(task, pando_ns()) : 0;
	struct held *s;

	if (task == h->leader && tid)
		tid = h->pid;
	/* it is named to the sender as one that has left (occasion.h) */
	if (occasion && h->moved && !h->copy)
		return 1;
	if (sig == SIGCONT)
		undo_stops(h);
	if (sig < SIGRTMIN && is_held(h, sig, tid, occasion))
		return 1;
	s = h->count < HELD_MAX ? kzalloc(sizeof(*s), GFP_ATOMIC) : NULL;
	if (!s)
		return -EAGAIN;
	s->pid = tid ?: h->pid;
	s->tgid = h->pid;
	s->thread = tid;
	s->occasion = occasion;
	describe(s, sig, info);
	if (h->moved && !h->copy) {
		list_add_tail(&s->list, &outs);
		queue_work(system_unbound_wq, &send_work);
		return 1;
	}
	list_add_tail(&s->list, &h->signals);
	h->count++;
	return 1;
}

int pando_hold_signal(int sig, struct kernel_siginfo *info,
		      struct task_struct *task, enum pid_type type)
{
	bool special = (unsigned long)info <= 1;	/* SEND_SIG_* */
	unsigned long flags;
	u64 occasion = pando_occasion_current();
	struct hold *h;
	int ret = 0;

	if (in_task() && (same_thread_group(task, current) || pando_ns_is_local(current)))
		return 0;
	if (sig == SIGKILL && special &&
	    !(in_task() && pando_ns_current_is_init()))
		return 0;
	spin_lock_irqsave(&lock, flags);
	h = find(task->signal);
	if (h && wanted(h, sig, special ? SI_KERNEL : info->si_code, occasion))
		ret = hold(h, sig, info, task, type, occasion);
	spin_unlock_irqrestore(&lock, flags);
	return ret;
}

bool pando_hold_is_copy(const struct task_struct *task)
{
	unsigned long flags;
	struct hold *h;
	bool is;

	if (!pando_hold_any())
		return false;
	spin_lock_irqsave(&lock, flags);
	h = find(task->signal);
	is = h && h->copy && !h->moved;
	spin_unlock_irqrestore(&lock, flags);
	return is;
}

bool pando_hold_comes(u32 pgid)
{
	unsigned long flags;
	bool comes = false;
	struct hold *h;
	u32 group;
	int i;

	if (!pando_hold_any())
		return false;
	spin_lock_irqsave(&lock, flags);
	hash_for_each(table, i, h, node) {
		if (!h->copy || !pid_alive(h->leader))
			continue;
		group = task_pgrp_nr_ns(h->leader, pando_ns());
		comes |= group == pgid || group < PANDO_LOCAL_PIDS;
	}
	spin_unlock_irqrestore(&lock, flags);
	return comes;
}

bool pando_hold_has(const struct task_struct *task)
{
	unsigned long flags;
	bool has;

	if (!pando_hold_any())
		return false;
	spin_lock_irqsave(&lock, flags);
	has = find(task->signal);
	spin_unlock_irqrestore(&lock, flags);
	return has;
}

/* --- where it goes ------------------------------------------------------------------ */

/* The original runs behind its hook. */
static void deliver_locked(struct task_struct *task, void *arg)
{
	struct held *s = arg;

	pando_signal_original(s->sig, s->kernel ? SEND_SIG_PRIV : &s->info,
			      task, s->thread ? PIDTYPE_PID : PIDTYPE_TGID);
}

/*
 * To the process that is held, if one is: another may have its number by now, or a stub
 * have it as well.
 */
static void deliver(struct held *s, const struct hold *h)
{
	struct task_struct *task;

	if (h && !s->thread && pando_siglock_run(h->leader, deliver_locked, s))
		return;
	rcu_read_lock();
	task = pid_task(find_pid_ns(s->pid, pando_ns()), PIDTYPE_PID);
	if (task && (!h || task->signal == h->leader->signal))
		pando_siglock_run(task, deliver_locked, s);
	rcu_read_unlock();
}

/* It is on its way, or its parent is to it: for so long it is waited for. */
static void send(struct held *s)
{
	unsigned long end = jiffies + SEND_MOST;
	struct pando_call_out *out;
	bool here = false;
	long err;

	if (s->kernel) {
		pando_kin_signal_on(s->tgid, s->sig, s->occasion);
		return;
	}
	out = kzalloc(sizeof(*out), GFP_KERNEL | __GFP_NOFAIL);
	pando_call_pack_info(out, &s->info);
	out->msg.arg[0] = cpu_to_le64(s->sig);
	if (s->thread)
		out->msg.arg[1] = cpu_to_le64(s->tgid);
	out->msg.occasion = cpu_to_le64(s->occasion);
	do
		err = pando_call_send(out, s->thread ? PANDO_CALL_TGKILL : PANDO_CALL_KILL,
				      s->pid, &here);
	while (err == -ETIMEDOUT && time_before(jiffies, end));
	if (here)
		deliver(s, NULL);
	kfree(out);
}

static struct held *next_out(void)
{
	struct held *s;

	spin_lock_irq(&lock);
	s = list_first_entry_or_null(&outs, struct held, list);
	if (s)
		list_del(&s->list);
	spin_unlock_irq(&lock);
	return s;
}

static void send_fn(struct work_struct *work)
{
	struct held *s;

	while ((s = next_out())) {
		send(s);
		kfree(s);
	}
}

/* Does it travel with its process? Counts it off. */
static bool travels(u16 *left, int sig)
{
	if (sig < 1 || sig > PANDO_HOLD_SIGNALS || !left[sig - 1])
		return false;
	left[sig - 1]--;
	return true;
}

static kuid_t uid_in(struct task_struct *task, uid_t uid)
{
	kuid_t kuid;

	rcu_read_lock();
	kuid = make_kuid(task_cred_xxx(task, user_ns), uid);
	rcu_read_unlock();
	return kuid;
}

/* Under the task's siglock: copies of what was sent since it was described. */
static void collect_queue(struct hold *h, struct sigpending *pending, u32 tid,
			  struct list_head *to)
{
	u16 left[PANDO_HOLD_SIGNALS] = {};
	struct sigqueue *q;
	struct seen *seen;
	struct held *s;

	list_for_each_entry(seen, &h->seen, list)
		if (seen->tid == tid)
			memcpy(left, seen->count, sizeof(left));
	list_for_each_entry(q, &pending->list, list) {
		int sig = q->info.si_signo;

		if (travels(left, sig) || is_timer(sig, q->info.si_code))
			continue;
		s = kzalloc(sizeof(*s), GFP_ATOMIC);
		if (!s)
			return;
		s->pid = tid ?: h->pid;
		s->tgid = h->pid;
		s->thread = tid;
		s->sig = sig;
		s->kernel = q->info.si_code > 0;
		s->info = q->info;
		set_uid(s, uid_in(h->leader, q->info.si_uid));
		list_add_tail(&s->list, to);
	}
}

struct collecting {
	struct hold *hold;
	struct list_head signals;
};

/* What comes from now on is sent on, behind what is held, and that behind what waited. */
static void depart(struct collecting *c)
{
	struct hold *h = c->hold;

	spin_lock(&lock);
	h->moved = true;
	list_splice_tail_init(&h->signals, &c->signals);
	list_splice_tail(&c->signals, &outs);
	spin_unlock(&lock);
}

static void collect(struct task_struct *leader, void *arg)
{
	struct collecting *c = arg;
	struct task_struct *t;
	u32 tid;

	collect_queue(c->hold, &leader->signal->shared_pending, 0, &c->signals);
	for_each_thread(leader, t) {
		tid = t == leader ? c->hold->pid :
				    task_pid_nr_ns(t, pando_ns());
		collect_queue(c->hold, &t->pending, tid, &c->signals);
		/*
		 * Its parent here is what is left of one that moved too, or of a stub, and
		 * the end of that is nobody's; of its parent's own it is told at its new place.
		 */
		t->pdeath_signal = 0;
	}
	depart(c);
}

static struct hold *find_pid(u32 pid, bool copy)
{
	struct hold *h;
	int i;

	hash_for_each(table, i, h, node)
		if (h->pid == pid && h->copy == copy && !h->moved && !h->early)
			return h;
	return NULL;
}

/* Serialises with pando_hold_let(), which frees. */
static DEFINE_MUTEX(act);

void pando_hold_moved(u32 pid, u16 to)
{
	struct collecting c = { .signals = LIST_HEAD_INIT(c.signals) };
	struct hold *h;

	if (!pando_hold_any())
		return;
	mutex_lock(&act);
	spin_lock_irq(&lock);
	h = find_pid(pid, to == pando_nodes_self());
	if (h && h->copy)
		h->moved = true;
	spin_unlock_irq(&lock);
	if (h && !h->copy) {
		c.hold = h;
		if (!pando_siglock_run(h->leader, collect, &c)) {
			local_irq_disable();
			depart(&c);
			local_irq_enable();
		}
		queue_work(system_unbound_wq, &send_work);
	}
	mutex_unlock(&act);
}

/* --- beginning and end ---------------------------------------------------------------- */

static void free_hold(struct hold *h)
{
	struct seen *seen, *next;
	struct held *s, *snext;

	list_for_each_entry_safe(seen, next, &h->seen, list)
		kfree(seen);
	list_for_each_entry_safe(s, snext, &h->signals, list)
		kfree(s);
	put_task_struct(h->leader);
	kfree(h);
}

static int add_seen(struct hold *h, const struct pando_hold *args)
{
	struct seen *seen = kmalloc(sizeof(*seen), GFP_KERNEL);

	if (!seen)
		return -ENOMEM;
	seen->tid = args->tid;
	memcpy(seen->count, args->seen, sizeof(seen->count));
	list_add(&seen->list, &h->seen);
	return 0;
}

/*
 * Of this move, or NULL. While it runs, a thread may have become the leader (execve()):
 * the process is the same.
 */
static struct hold *find_own(struct file *owner, u64 move, struct task_struct *task)
{
	struct task_struct *was = NULL;
	struct hold *h;

	spin_lock_irq(&lock);
	h = find(task->signal);
	if (h && (h->owner != owner || h->move != move)) {
		h = ERR_PTR(-EBUSY);
	} else if (h && h->leader != task) {
		was = h->leader;
		h->leader = get_task_struct(task);
	}
	spin_unlock_irq(&lock);
	if (was)
		put_task_struct(was);
	return h;
}

static struct hold *make(struct file *owner, const struct pando_hold *args,
			 struct task_struct *task)
{
	struct hold *h = kzalloc(sizeof(*h), GFP_KERNEL);

	if (!h)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&h->seen);
	INIT_LIST_HEAD(&h->signals);
	h->leader = get_task_struct(task);
	h->pid = args->pid;
	h->move = args->move;
	h->owner = owner;
	h->copy = args->flags & PANDO_HOLD_COPY;
	h->early = true;
	spin_lock_irq(&lock);
	hash_add(table, &h->node, (unsigned long)task->signal);
	atomic_inc(&pando_hold_count);
	spin_unlock_irq(&lock);
	return h;
}

/* Under the task's siglock: who sent SIGKILL before it was held is done. */
static void look_killed(struct task_struct *task, void *arg)
{
	*(bool *)arg = task->signal->flags & SIGNAL_GROUP_EXIT;
}

static int begin(struct file *owner, const struct pando_hold *args,
		 struct task_struct *task)
{
	struct hold *h = find_own(owner, args->move, task);
	bool killed = true;
	int err;

	if (!h)
		h = make(owner, args, task);
	if (IS_ERR(h))
		return PTR_ERR(h);
	if (args->flags & PANDO_HOLD_STOPS)
		return 0;
	err = add_seen(h, args);
	if (err)
		return err;
	spin_lock_irq(&lock);
	h->early = false;
	spin_unlock_irq(&lock);
	/* killed already: it is not to live on elsewhere */
	pando_siglock_run(task, look_killed, &killed);
	return killed ? -ESRCH : 0;
}

int pando_hold_begin(struct file *owner, const struct pando_hold *args)
{
	struct task_struct *task;
	int err;

	if (!args->move || args->reserved ||
	    (args->flags && args->flags != PANDO_HOLD_COPY && args->flags != PANDO_HOLD_STOPS))
		return -EINVAL;
	task = pando_ns_get_process(args->pid);
	if (!task)
		return -ESRCH;
	mutex_lock(&act);
	err = begin(owner, args, task);
	mutex_unlock(&act);
	put_task_struct(task);
	return err;
}

void pando_hold_stay(struct file *owner)
{
	struct hold *h;
	int i;

	spin_lock_irq(&lock);
	hash_for_each(table, i, h, node)
		if (h->owner == owner)
			h->owner = NULL;
	spin_unlock_irq(&lock);
}

static struct hold *find_going(struct file *owner, u64 move, bool all)
{
	struct hold *h;
	int i;

	hash_for_each(table, i, h, node)
		if (all || (owner ? h->owner == owner : h->move == move))
			return h;
	return NULL;
}

/*
 * The next that is held for one that is to go; NULL, and @h is out of the table: none is
 * left. Until then what comes is held behind it.
 */
static struct held *next_held(struct hold *h)
{
	struct held *s;

	spin_lock_irq(&lock);
	s = list_first_entry_or_null(&h->signals, struct held, list);
	if (s) {
		list_del(&s->list);
		h->count--;
	} else {
		hash_del(&h->node);
		atomic_dec(&pando_hold_count);
	}
	spin_unlock_irq(&lock);
	return s;
}

static void let(struct file *owner, u64 move, bool all)
{
	struct held *s;
	struct hold *h;

	mutex_lock(&act);
	for (;;) {
		spin_lock_irq(&lock);
		h = find_going(owner, move, all);
		spin_unlock_irq(&lock);
		if (!h)
			break;
		while ((s = next_held(h))) {
			/* of one that has moved away nothing is left to deliver */
			if (!all)
				deliver(s, h);
			kfree(s);
		}
		free_hold(h);
	}
	mutex_unlock(&act);
}

void pando_hold_drop(struct file *owner)
{
	if (pando_hold_any())
		let(owner, 0, false);
}

void pando_hold_let(u64 move)
{
	if (pando_hold_any())
		let(NULL, move, false);
}

void pando_hold_reset(void)
{
	struct held *s;

	let(NULL, 0, true);
	pando_occasion_reset();
	cancel_work_sync(&send_work);
	while ((s = next_out()))
		kfree(s);
}
