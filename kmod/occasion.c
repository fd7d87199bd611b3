// SPDX-License-Identifier: GPL-2.0-only
/* Signals to many, and who moves meanwhile; see occasion.h. */
#include <linux/atomic.h>
#include <linux/hashtable.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "node.h"
#include "occasion.h"

#define NODE_SHIFT	48
#define LEFT_FOR	(30 * HZ)	/* until it lives where it goes to, or is not asked */
/* longer than a signal is on its way: hold.c, kin_signal.c, and those before it */
#define REMEMBERED_FOR	(180 * HZ)
#define GOT_MOST	8192		/* the oldest go first */

/** struct mover - @pid, of the group @pgid, came or left at @when */
struct mover {
	struct list_head list;
	struct hlist_node node;
	unsigned long when;
	u32 pid, pgid;
};

/** struct got - @pid has got what @id is about */
struct got {
	struct list_head list;
	struct hlist_node node;
	u64 id;
	u32 pid;
};

static atomic_t narrivals = ATOMIC_INIT(0);	/* zero is the short way */

/* Taken below siglocks and the lock of hold.c; nothing is taken below it. */
static DEFINE_SPINLOCK(lock);
static LIST_HEAD(begun);		/* lock, as all that follows */
static LIST_HEAD(left);			/* the oldest first */
static LIST_HEAD(arrived);		/* the oldest first */
static DEFINE_HASHTABLE(arrivals, 8);	/* by pid */
static LIST_HEAD(gots);			/* the oldest first */
static DEFINE_HASHTABLE(got_table, 8);	/* by id */
static unsigned int ngots;
static atomic64_t last;

u64 pando_occasion_new(void)
{
	/* a node that is started anew does not begin where it began before */
	if (unlikely(!atomic64_read(&last)))
		atomic64_cmpxchg(&last, 0, get_random_u32() + 1ull);
	return (u64)pando_nodes_self() << NODE_SHIFT |
	       (atomic64_inc_return(&last) & (BIT_ULL(NODE_SHIFT) - 1));
}

void pando_occasion_begin(struct pando_occasion *o, u64 id)
{
	unsigned long flags;

	o->task = current;
	o->id = id;
	o->passed_over = false;
	spin_lock_irqsave(&lock, flags);
	list_add(&o->list, &begun);
	spin_unlock_irqrestore(&lock, flags);
}

void pando_occasion_end(struct pando_occasion *o)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	list_del(&o->list);
	spin_unlock_irqrestore(&lock, flags);
}

/* Under the lock. */
static struct pando_occasion *find(void)
{
	struct pando_occasion *o;

	list_for_each_entry(o, &begun, list)
		if (o->task == current)
			return o;
	return NULL;
}

u64 pando_occasion_current(void)
{
	struct pando_occasion *o;
	unsigned long flags;
	u64 id;

	if (likely(list_empty(&begun)) || !in_task())
		return 0;
	spin_lock_irqsave(&lock, flags);
	o = find();
	id = o ? o->id : 0;
	spin_unlock_irqrestore(&lock, flags);
	return id;
}

void pando_occasion_pass_over(void)
{
	struct pando_occasion *o;
	unsigned long flags;

	if (!in_task())
		return;
	spin_lock_irqsave(&lock, flags);
	o = find();
	if (o)
		o->passed_over = true;
	spin_unlock_irqrestore(&lock, flags);
}

/* --- who comes and goes ------------------------------------------------------------ */

static void forget(struct mover *m)
{
	if (!hlist_unhashed(&m->node)) {
		hash_del(&m->node);
		atomic_dec(&narrivals);
	}
	list_del(&m->list);
	kfree(m);
}

/* The oldest of @list. */
static void prune(struct list_head *list)
{
	struct mover *m;

	while ((m = list_first_entry_or_null(list, struct mover, list)) &&
	       time_after(jiffies, m->when + REMEMBERED_FOR))
		forget(m);
}

static struct mover *find_arrival(u32 pid)
{
	struct mover *m;

	hash_for_each_possible(arrivals, m, node, pid)
		if (m->pid == pid)
			return m;
	return NULL;
}

static void note(u32 pid, u32 pgid, bool comes)
{
	struct mover *m = kzalloc(sizeof(*m), GFP_KERNEL), *before;

	if (!m)
		return;
	m->pid = pid;
	m->pgid = pgid;
	m->when = jiffies;
	spin_lock_irq(&lock);
	prune(&left);
	prune(&arrived);
	if (comes) {
		before = find_arrival(pid);
		if (before)
			forget(before);
		hash_add(arrivals, &m->node, pid);
		atomic_inc(&narrivals);
	}
	list_add_tail(&m->list, comes ? &arrived : &left);
	spin_unlock_irq(&lock);
}

void pando_occasion_arrive(u32 pid)
{
	note(pid, 0, true);
}

void pando_occasion_leave(u32 pid, u32 pgid)
{
	note(pid, pgid, false);
}

bool pando_occasion_has_left(u32 pid)
{
	unsigned long flags;
	struct mover *m;
	bool has = false;

	spin_lock_irqsave(&lock, flags);
	list_for_each_entry(m, &left, list)
		has |= m->pid == pid;
	spin_unlock_irqrestore(&lock, flags);
	return has;
}

u32 pando_occasion_left(u32 pgid, unsigned long when, __le32 *pids)
{
	unsigned long flags;
	struct mover *m;
	u32 n = 0;

	if (likely(list_empty(&left)))
		return 0;
	spin_lock_irqsave(&lock, flags);
	/* who left last is met least */
	list_for_each_entry_reverse(m, &left, list)
		if (n < PANDO_LEFT_MOST && (!pgid || m->pgid == pgid) &&
		    time_before(when, m->when + LEFT_FOR))
			pids[n++] = cpu_to_le32(m->pid);
	spin_unlock_irqrestore(&lock, flags);
	return n;
}

void pando_lefts_add(struct pando_lefts *lefts, const __le32 *pids, size_t len)
{
	u32 n = min_t(size_t, len / sizeof(*pids), PANDO_LEFT_MOST - lefts->n);

	memcpy(lefts->pid + lefts->n, pids, n * sizeof(*pids));
	lefts->n += n;
}

/* --- who has got what -------------------------------------------------------------- */

static bool has_got(u32 pid, u64 id)
{
	struct got *g;

	hash_for_each_possible(got_table, g, node, id)
		if (g->id == id && g->pid == pid)
			return true;
	return false;
}

static void forget_got(struct got *g)
{
	hash_del(&g->node);
	list_del(&g->list);
	kfree(g);
	ngots--;
}

bool pando_occasion_is_first(u32 pid, u64 id)
{
	struct got *g = NULL;
	bool first = true;
	unsigned long flags;

	if (!id || likely(!atomic_read(&narrivals)))
		return true;
	spin_lock_irqsave(&lock, flags);
	if (!find_arrival(pid))
		goto out;
	first = !has_got(pid, id);
	if (first)
		g = kmalloc(sizeof(*g), GFP_ATOMIC);
	if (!g)
		goto out;
	g->id = id;
	g->pid = pid;
	hash_add(got_table, &g->node, id);
	list_add_tail(&g->list, &gots);
	if (++ngots > GOT_MOST)
		forget_got(list_first_entry(&gots, struct got, list));
out:
	spin_unlock_irqrestore(&lock, flags);
	return first;
}

void pando_occasion_reset(void)
{
	struct mover *m, *mnext;
	struct got *g, *gnext;

	spin_lock_irq(&lock);
	list_for_each_entry_safe(m, mnext, &left, list)
		forget(m);
	list_for_each_entry_safe(m, mnext, &arrived, list)
		forget(m);
	list_for_each_entry_safe(g, gnext, &gots, list)
		forget_got(g);
	spin_unlock_irq(&lock);
}
