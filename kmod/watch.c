// SPDX-License-Identifier: GPL-2.0-only
/* Waiting for the end of processes of other nodes: see watch.h. */
#include <linux/hashtable.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "kin.h"
#include "node.h"
#include "ns.h"
#include "stub.h"
#include "watch.h"

/**
 * struct pando_watch - a process that somebody here waits for the end of
 * @node: in the table until it has ended
 * @ref: whoever waits
 * @pid: its number
 * @where: node where it runs, 0 while that is not known
 * @incarnation: of that node
 * @misses: how often nobody knew of it
 * @ended: it has
 * @wait: woken then
 */
struct pando_watch {
	struct hlist_node node;
	struct kref ref;
	u32 pid;
	u16 where;
	u64 incarnation;
	int misses;
	bool ended;
	wait_queue_head_t wait;
};

/**
 * struct left - what a process had as its struct pid before it left
 * @node: in the table
 * @pid: with a reference
 * @watch: the process, with a reference
 */
struct left {
	struct hlist_node node;
	struct pid *pid;
	struct pando_watch *watch;
};

/* Taken with interrupts off, below tasklist_lock. */
static DEFINE_SPINLOCK(lock);
static DEFINE_HASHTABLE(table, 6);	/* lock */
static DEFINE_HASHTABLE(lefts, 6);	/* lock; by struct pid */
static u32 count, nlefts;		/* lock */

/* Asks other nodes, and waits for them. */
static struct workqueue_struct *wq;

static void announce_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(announce_work, announce_fn);

#define AGAIN		HZ
/* Those that only kept a file of /proc open have let go of it by then. */
#define PRUNE_DELAY	(5 * HZ)
/* Its home hears of a process from all nodes, but not from all at once. */
#define MISSES_MAX	5

static struct pando_watch *find(u32 pid)
{
	struct pando_watch *w;

	hash_for_each_possible(table, w, node, pid)
		if (w->pid == pid)
			return w;
	return NULL;
}

/* Under the lock. */
static void unlist(struct pando_watch *w)
{
	if (hlist_unhashed(&w->node))
		return;
	hash_del(&w->node);
	count--;
	atomic_dec(&pando_stub_gate);
}

/* --- nobody waits any more ------------------------------------------------------- */

/** struct parting - the process's node need not tell us any more */
struct parting {
	struct work_struct work;
	u32 pid;
};

static void part_fn(struct work_struct *work)
{
	struct parting *p = container_of(work, struct parting, work);

	if (!pando_watch_has(p->pid) &&
	    (!pando_stub_has(p->pid) || pando_stub_has_left(p->pid))) {
		pando_kin_hold(p->pid, PANDO_KIN_DROP, NULL);
		/* who has come since was perhaps overtaken by that */
		if (pando_watch_has(p->pid))
			pando_kin_hold(p->pid, 0, NULL);
	}
	kfree(p);
}

/* Under the lock. */
static void release(struct kref *ref)
{
	struct pando_watch *w = container_of(ref, struct pando_watch, ref);
	struct parting *p;

	unlist(w);
	/* without memory for it we are told in vain */
	p = w->ended || !w->where ? NULL : kmalloc(sizeof(*p), GFP_ATOMIC);
	if (p) {
		INIT_WORK(&p->work, part_fn);
		p->pid = w->pid;
		queue_work(wq, &p->work);
	}
	kfree(w);
}

void pando_watch_put(struct pando_watch *w)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	kref_put(&w->ref, release);
	spin_unlock_irqrestore(&lock, flags);
}

struct pando_watch *pando_watch_get(u32 pid)
{
	struct pando_watch *new = kzalloc(sizeof(*new), GFP_KERNEL), *w;

	if (!new)
		return NULL;
	kref_init(&new->ref);
	new->pid = pid;
	init_waitqueue_head(&new->wait);
	spin_lock_irq(&lock);
	w = find(pid);
	if (w) {
		kref_get(&w->ref);
	} else {
		w = new;
		new = NULL;
		hash_add(table, &w->node, pid);
		count++;
		atomic_inc(&pando_stub_gate);
	}
	spin_unlock_irq(&lock);
	kfree(new);
	return w;
}

/* --- its end ----------------------------------------------------------------------- */

static void forget_left(struct left *l)
{
	hash_del(&l->node);
	WRITE_ONCE(nlefts, nlefts - 1);
	kref_put(&l->watch->ref, release);
	put_pid(l->pid);
	kfree(l);
}

/* Under the lock; the caller has a reference. */
static void end(struct pando_watch *w)
{
	struct hlist_node *next;
	struct left *l;
	int i;

	WRITE_ONCE(w->ended, true);
	unlist(w);
	wake_up_all(&w->wait);
	hash_for_each_safe(lefts, i, next, l, node) {
		if (l->watch != w)
			continue;
		/* now it is true what the kernel says of it */
		wake_up_all(&l->pid->wait_pidfd);
		forget_left(l);
	}
}

void pando_watch_end(u32 pid)
{
	struct pando_watch *w;
	unsigned long flags;

	if (!READ_ONCE(count))
		return;
	spin_lock_irqsave(&lock, flags);
	w = find(pid);
	if (w) {
		kref_get(&w->ref);
		end(w);
		kref_put(&w->ref, release);
	}
	spin_unlock_irqrestore(&lock, flags);
}

bool pando_watch_has_ended(const struct pando_watch *w)
{
	return READ_ONCE(w->ended);
}

wait_queue_head_t *pando_watch_wait(struct pando_watch *w)
{
	return &w->wait;
}

bool pando_watch_has(u32 pid)
{
	unsigned long flags;
	bool found;

	if (!READ_ONCE(count))
		return false;
	spin_lock_irqsave(&lock, flags);
	found = find(pid);
	spin_unlock_irqrestore(&lock, flags);
	return found;
}

u32 pando_watch_count(void)
{
	return READ_ONCE(count);
}

/* --- where it is --------------------------------------------------------------------- */

void pando_watch_found(struct pando_watch *w, u16 node)
{
	/* node.c's lock is not one to be taken below ours */
	u64 incarnation = pando_nodes_incarnation_of(node);
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	w->where = node;
	w->incarnation = incarnation;
	w->misses = 0;
	spin_unlock_irqrestore(&lock, flags);
}

void pando_watch_moved(u32 pid, u16 to)
{
	u64 incarnation = pando_nodes_incarnation_of(to);
	struct pando_watch *w;

	if (!pando_watch_has(pid))
		return;
	spin_lock_irq(&lock);
	w = find(pid);
	if (w) {
		w->where = to;
		w->incarnation = incarnation;
	}
	spin_unlock_irq(&lock);
	pando_watch_announce();
}

/* The numbers, for who must not hold the lock. */
static u32 *copy_all(u32 *n)
{
	u32 room = READ_ONCE(count), i;
	struct pando_watch *w;
	u32 *all;

	*n = 0;
	all = room ? kvmalloc_array(room, sizeof(*all), GFP_KERNEL) : NULL;
	if (!all)
		return NULL;
	spin_lock_irq(&lock);
	hash_for_each(table, i, w, node)
		if (*n < room)
			all[(*n)++] = w->pid;
	spin_unlock_irq(&lock);
	return all;
}

/* 0: the node was no member when we heard that the process is there. */
static bool is_lost(u16 where, u64 incarnation)
{
	u64 now = where ? pando_nodes_incarnation_of(where) : 0;

	return where && (!now || (incarnation && now != incarnation));
}

/*
 * Nobody has it, says its home. If it was on a node that is lost, that is its
 * end; if not, perhaps not yet: ask again? A minority knows nothing at all, as
 * with stubs (stub_life.c).
 */
static bool missed(u32 pid)
{
	u64 incarnation = 0;
	struct pando_watch *w;
	bool again = false, ended;
	u16 where = 0;

	if (!pando_nodes_quorate())
		return false;
	spin_lock_irq(&lock);
	w = find(pid);
	if (w) {
		where = w->where;
		incarnation = w->incarnation;
		again = ++w->misses < MISSES_MAX;
	}
	spin_unlock_irq(&lock);
	ended = !again || is_lost(where, incarnation);
	/* still, with the list in which is_lost() has looked? */
	if (!pando_nodes_quorate())
		return false;
	if (ended)
		pando_watch_end(pid);
	return !ended;
}

static void found(u32 pid, u16 where)
{
	u64 incarnation = pando_nodes_incarnation_of(where);
	struct pando_watch *w;

	spin_lock_irq(&lock);
	w = find(pid);
	if (w) {
		w->misses = 0;
		w->where = where;
		w->incarnation = incarnation;
	}
	spin_unlock_irq(&lock);
}

/* Tells the process's node that we wait for its end. Once more? */
static bool announce(u32 pid)
{
	u16 where;
	int err;

	if (pando_ns_has_pid(pid)) {
		/* here we see it ourselves */
		if (!pando_ns_is_alive(pid))
			pando_watch_end(pid);
		return false;
	}
	err = pando_kin_hold(pid, 0, &where);
	if (!err)
		found(pid, where);
	return err && (err != -ESRCH || missed(pid));
}

/* A struct pid that only we refer to is nobody's pidfd any more. */
static void prune(void)
{
	struct hlist_node *next;
	struct left *l;
	int i;

	spin_lock_irq(&lock);
	hash_for_each_safe(lefts, i, next, l, node)
		if (refcount_read(&l->pid->count) == 1)
			forget_left(l);
	spin_unlock_irq(&lock);
}

static void announce_fn(struct work_struct *work)
{
	bool again = false;
	u32 *all, n, i;

	prune();
	all = copy_all(&n);
	for (i = 0; i < n; i++)
		again |= announce(all[i]);
	kvfree(all);
	if (again || READ_ONCE(nlefts))
		queue_delayed_work(wq, &announce_work,
				   again ? AGAIN : PRUNE_DELAY);
}

void pando_watch_announce(void)
{
	if (READ_ONCE(count))
		mod_delayed_work(wq, &announce_work, 0);
}

/* --- what has left --------------------------------------------------------------------- */

static struct left *find_left(struct pid *pid)
{
	struct left *l;

	hash_for_each_possible(lefts, l, node, (unsigned long)pid)
		if (l->pid == pid)
			return l;
	return NULL;
}

/* Takes over the reference to @pid, if it returns true. */
static bool note_left(u32 nr, struct pid *pid, u16 where)
{
	struct left *l = kmalloc(sizeof(*l), GFP_KERNEL);
	bool taken;

	if (!l)
		return false;
	*l = (struct left){ .pid = pid, .watch = pando_watch_get(nr) };
	if (!l->watch) {
		kfree(l);
		return false;
	}
	pando_watch_found(l->watch, where);
	spin_lock_irq(&lock);
	taken = !l->watch->ended && !find_left(pid);
	if (taken) {
		hash_add(lefts, &l->node, (unsigned long)pid);
		WRITE_ONCE(nlefts, nlefts + 1);
	} else {
		kref_put(&l->watch->ref, release);
		kfree(l);
	}
	spin_unlock_irq(&lock);
	return taken;
}

void pando_watch_leave(u32 nr, struct task_struct *task, u16 where)
{
	struct pid *pid = get_task_pid(task, PIDTYPE_TGID);

	/* are there others than the task itself, and we? */
	if (!pid || refcount_read(&pid->count) <= 2 ||
	    !note_left(nr, pid, where))
		put_pid(pid);
	else
		pando_watch_announce();
}

u32 pando_watch_left(struct pid *pid)
{
	unsigned long flags;
	struct left *l;
	u32 nr = 0;

	if (likely(!READ_ONCE(nlefts)))
		return 0;
	spin_lock_irqsave(&lock, flags);
	l = find_left(pid);
	if (l)
		nr = l->watch->pid;
	spin_unlock_irqrestore(&lock, flags);
	return nr;
}

/* --- life --------------------------------------------------------------------------------- */

void pando_watch_reset(void)
{
	u32 *all, n, i;

	cancel_delayed_work_sync(&announce_work);
	all = copy_all(&n);
	for (i = 0; i < n; i++)
		pando_watch_end(all[i]);
	kvfree(all);
}

int pando_watch_init(void)
{
	wq = alloc_workqueue("pando_watch", WQ_UNBOUND, 0);
	return wq ? 0 : -ENOMEM;
}

void pando_watch_exit(void)
{
	pando_watch_reset();
	destroy_workqueue(wq);
}
