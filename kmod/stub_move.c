// SPDX-License-Identifier: GPL-2.0-only
/* What the helpers of a move make of stubs, and undo. See stub.h. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "recover.h"
#include "relation.h"
#include "stub_parts.h"
#include "watch.h"

/* How long one that is ending is waited for. */
#define ENDS_WITHIN	(5 * HZ)

/**
 * struct pin - somebody relies on a stub that is, or comes to be, here
 * @list: of all
 * @owner: a move to this node, or NULL
 * @pid: on which
 */
struct pin {
	struct list_head list;
	struct file *owner;
	u32 pid;
};

static LIST_HEAD(pins);		/* pando_stub_lock */

static bool has_pin(u32 pid, bool moves)
{
	struct pin *p;
	bool is = false;

	spin_lock_irq(&pando_stub_lock);
	list_for_each_entry(p, &pins, list)
		is |= p->pid == pid && (p->owner || !moves);
	spin_unlock_irq(&pando_stub_lock);
	return is;
}

bool pando_stub_is_pinned(u32 pid)
{
	return has_pin(pid, false);
}

static struct pin *pin(struct file *owner, u32 pid)
{
	struct pin *p = kmalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->owner = owner;
	p->pid = pid;
	spin_lock_irq(&pando_stub_lock);
	list_add(&p->list, &pins);
	spin_unlock_irq(&pando_stub_lock);
	return p;
}

void *pando_stub_pin(u32 pid)
{
	struct pin *p;

	/* whoever has found it unneeded has put it away by then, or sees this */
	mutex_lock(&pando_stub_act);
	p = pin(NULL, pid);
	mutex_unlock(&pando_stub_act);
	return p;
}

void pando_stub_unpin(void *p)
{
	struct pin *this = p;

	spin_lock_irq(&pando_stub_lock);
	list_del(&this->list);
	spin_unlock_irq(&pando_stub_lock);
	kfree(this);
}

static void unpin(struct file *owner)
{
	struct pin *p, *next;

	spin_lock_irq(&pando_stub_lock);
	list_for_each_entry_safe(p, next, &pins, list) {
		if (p->owner == owner) {
			list_del(&p->list);
			kfree(p);
		}
	}
	spin_unlock_irq(&pando_stub_lock);
}

static void unclaim(struct file *owner, u32 pid)
{
	struct pando_stub *s;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->heir == owner)
		WRITE_ONCE(s->heir, NULL);
	else if (s && s->owner == owner && s->state == PANDO_STUB_CLAIMED)
		pando_stub_remove(s);
	spin_unlock_irq(&pando_stub_lock);
	pando_alloc_unshare();
}

/* Is there one that ends, or that another move is just making? */
static bool is_passing(u32 pid)
{
	struct pando_stub *s;
	bool is = false;

	spin_lock_irq(&pando_stub_lock);
	hash_for_each_possible(pando_stub_table, s, node, pid)
		is |= s->pid == pid &&
		      (s->ending || s->state == PANDO_STUB_RETIRED ||
		       (s->state == PANDO_STUB_CLAIMED && !s->travels));
	spin_unlock_irq(&pando_stub_lock);
	return is;
}

/*
 * For a child's sake its stub is here already, and nobody's child; now its process's parent
 * comes, and brings what stands for it there. Under act_mutex.
 */
static int inherit(struct file *owner, u32 pid)
{
	struct pando_stub *s;
	int err = 0;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	/* or its process has come home, and is about to take its place */
	if (!s || s->state != PANDO_STUB_STANDS || s->left || s->where == pando_nodes_self())
		err = -EAGAIN;
	else if (pando_stub_has_parent(s))
		err = -EALREADY;
	else if (s->leaver || s->heir || s->rising)
		err = -EBUSY;
	else
		WRITE_ONCE(s->heir, owner);
	/* pairs with pando_locate_reserve(): one of us sees the other */
	smp_mb();
	if (!err && pando_locate_is_reserved(pid)) {
		WRITE_ONCE(s->heir, NULL);
		err = -EBUSY;
	}
	spin_unlock_irq(&pando_stub_lock);
	return err ?: 1;
}

static int claim(struct file *owner, u32 pid, bool travels, bool hold)
{
	bool leaves = pando_locate_is_leaving(pid);
	struct task_struct *original = NULL;
	struct pando_stub *s;

	if (is_passing(pid))
		return -EAGAIN;
	if (pando_stub_has(pid) && travels)
		return inherit(owner, pid);
	if (pando_stub_has(pid))
		return pin(owner, pid) ? -EALREADY : -ENOMEM;
	if (pando_locate_is_reserved(pid))
		return -EEXIST;
	if (pando_ns_has_process(pid)) {
		/* what is left of one that has gone, a moment ago */
		if (leaves)
			return -EAGAIN;
		original = travels ? pando_ns_get_process(pid) : NULL;
		if (!original)
			return -EEXIST;
	}
	s = pando_stub_add(pid, PANDO_STUB_CLAIMED, NULL);
	if (!s) {
		if (original)
			put_task_struct(original);
		return -ENOMEM;
	}
	s->owner = owner;
	s->travels = travels;
	s->held = hold && !original;
	s->anew = hold && !travels;
	WRITE_ONCE(s->original, original);
	/* from here on child_changed() sees to it */
	if (original && pando_kin_is_telling(pid, true))
		WRITE_ONCE(s->changed, true);
	return original ? 1 : 0;
}

/*
 * From now on we hear of its end, whoever hears of it as well. Nobody waits for one that
 * does not travel: a leader, or a parent, that has ended is no reason not to move.
 */
static int hear(u32 pid, bool travels)
{
	int err = pando_kin_hold(pid, 0, NULL);

	if (!err || travels || err == -EINTR)
		return err;
	/* of a node that is missing just now it may be */
	if (err == -ESRCH && pando_recover_is_complete() && !pando_ns_has_pid(pid) &&
	    !pando_locate_is_reserved(pid))
		pando_stub_note_gone(pid);
	return 0;
}

int pando_stub_claim(struct file *owner, u32 pid, u32 flags)
{
	bool travels = flags & PANDO_CLAIM_TRAVELS, hold = !(flags & PANDO_CLAIM_TOLD);
	unsigned long end = jiffies + ENDS_WITHIN;
	int ret;

	if (pid < PANDO_LOCAL_PIDS || pid >= PANDO_PID_MAX)
		return -EINVAL;
	for (;;) {
		mutex_lock(&pando_stub_act);
		ret = claim(owner, pid, travels, hold);
		mutex_unlock(&pando_stub_act);
		if (ret != -EAGAIN)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (time_after(jiffies, end))
			return -EBUSY;
		usleep_range(500, 2000);
	}
	if (!ret && hold) {
		ret = hear(pid, travels);
		if (ret)
			unclaim(owner, pid);
	}
	return ret;
}

int pando_stub_bind(struct file *owner, u32 pid, u16 where)
{
	struct task_struct *task = pando_ns_get_process(pid);
	struct pando_stub *s;
	int err = -ESRCH;

	if (!task)
		return -ESRCH;
	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->owner == owner && s->state == PANDO_STUB_CLAIMED && !s->original) {
		WRITE_ONCE(s->task, task);
		s->state = PANDO_STUB_BOUND;
		err = 0;
	}
	spin_unlock_irq(&pando_stub_lock);
	if (!err)
		pando_stub_set_where(s, where, pando_nodes_incarnation_of(where));
	else
		put_task_struct(task);
	mutex_unlock(&pando_stub_act);
	pando_alloc_unshare();
	return err;
}

int pando_stub_stand(u32 pid, struct task_struct *task, u16 where)
{
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	s = pando_stub_add(pid, PANDO_STUB_STANDS, task);
	if (s)
		pando_stub_set_where(s, where, pando_nodes_incarnation_of(where));
	mutex_unlock(&pando_stub_act);
	return s ? 0 : -ENOMEM;
}

void pando_stub_forget(struct task_struct *task, u32 pid)
{
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	hash_for_each_possible(pando_stub_table, s, node, pid) {
		if (s->task == task) {
			pando_stub_remove(s);
			break;
		}
	}
	spin_unlock_irq(&pando_stub_lock);
	mutex_unlock(&pando_stub_act);
}

/* One that stands, and whose process ended while it was on its way: how; to be freed. */
static struct pando_wire_kin_event *take_pending(void)
{
	struct pando_wire_kin_event *ev = NULL;
	struct pando_stub **all;
	u32 n, i;

	mutex_lock(&pando_stub_act);
	all = pando_stub_collect(&n);
	for (i = 0; i < n && !ev; i++)
		if (!all[i]->heir)
			swap(ev, all[i]->pending);
	kvfree(all);
	mutex_unlock(&pando_stub_act);
	return ev;
}

static void end_pending(void)
{
	struct pando_wire_kin_event *ev;

	while ((ev = take_pending())) {
		pando_stub_exit(le32_to_cpu(ev->pid), ev);
		kfree(ev);
	}
}

/* That the process, or its stub, is met: a reference; NULL: nobody waits to be. */
static struct task_struct *awaits(struct file *owner, u32 pid, bool *changed)
{
	struct task_struct *task = NULL;
	struct pando_stub *s;

	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->heir == owner)
		task = get_task_struct(s->task);
	else if (s && s->owner == owner && s->original)
		task = get_task_struct(s->original);
	/* one that stood here knows, and its looks say it (kin_stop.h) */
	*changed = task && !s->heir && s->changed;
	spin_unlock_irq(&pando_stub_lock);
	return task;
}

/* @r->stub, that was restored, goes: what dies then is neither the process nor its stub. */
static int meet(u32 pid, struct pando_relation *r)
{
	struct pid_namespace *ns = pando_ns();
	struct pando_stub *copy;
	int err;

	if (!r->stub || r->stub == r->task)
		return -ESRCH;
	copy = pando_stub_add(pid, PANDO_STUB_RETIRED, r->stub);
	if (!copy)
		return -ENOMEM;
	r->pgid = task_pgrp_nr_ns(r->task, ns);
	r->sid = task_session_nr_ns(r->task, ns);
	r->execed = !(r->task->flags & PF_FORKNOEXEC);
	err = pando_relation_place(r);
	if (!err) {
		pando_stub_end(copy, SIGKILL);
		return 0;
	}
	spin_lock_irq(&pando_stub_lock);
	pando_stub_remove(copy);
	spin_unlock_irq(&pando_stub_lock);
	return err;
}

int pando_stub_join(struct file *owner, u32 pid)
{
	struct pando_relation r = { .keep_terminal = true, .exit_signal = -1 };
	int err;

	/* as long as the copy is the first that has the number */
	pando_alloc_unshare();
	mutex_lock(&pando_stub_act);
	r.task = awaits(owner, pid, &r.changed);
	r.stub = r.task ? pando_ns_get_process(pid) : NULL;
	err = meet(pid, &r);
	if (r.stub)
		put_task_struct(r.stub);
	if (r.task)
		put_task_struct(r.task);
	mutex_unlock(&pando_stub_act);
	unclaim(owner, pid);
	end_pending();
	return err;
}

void pando_stub_keep(struct file *owner)
{
	struct pando_stub *s;
	int i;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	hash_for_each(pando_stub_table, i, s, node) {
		/* those that meet their process are not done yet */
		if (s->owner != owner || s->original)
			continue;
		s->owner = NULL;
		if (s->state == PANDO_STUB_BOUND)
			s->state = PANDO_STUB_STANDS;
	}
	spin_unlock_irq(&pando_stub_lock);
	mutex_unlock(&pando_stub_act);
	unpin(owner);
	end_pending();
	pando_stub_announce();
	pando_stub_tidy();
}

int pando_stub_travel(struct file *owner, u32 pid)
{
	struct pando_stub *s;
	int err = -ESRCH;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->state == PANDO_STUB_STANDS && !s->ending) {
		err = s->leaver && s->leaver != owner ? -EBUSY : 0;
		if (!err)
			WRITE_ONCE(s->leaver, owner);
		/* pairs with pando_locate_reserve(): one of us sees the other */
		smp_mb();
		if (!err && pando_locate_is_reserved(pid)) {
			WRITE_ONCE(s->leaver, NULL);
			err = -EBUSY;
		}
	}
	spin_unlock_irq(&pando_stub_lock);
	mutex_unlock(&pando_stub_act);
	return err;
}

bool pando_stub_leaves(u32 pid)
{
	struct pando_stub *s;
	bool leaves;

	rcu_read_lock();
	s = pando_stub_find(pid);
	leaves = s && READ_ONCE(s->leaver);
	rcu_read_unlock();
	return leaves;
}

/* They stay after all, or stay nobody's child. */
static void stay(struct file *owner)
{
	struct pando_stub *s;
	int i;

	spin_lock_irq(&pando_stub_lock);
	hash_for_each(pando_stub_table, i, s, node) {
		if (s->leaver == owner)
			s->leaver = NULL;
		if (s->heir == owner)
			WRITE_ONCE(s->heir, NULL);
	}
	spin_unlock_irq(&pando_stub_lock);
	pando_alloc_unshare();
}

/* The first that is @owner's; under act_mutex. */
static struct pando_stub *owned(struct file *owner)
{
	struct pando_stub *s, *found = NULL;
	int i;

	spin_lock_irq(&pando_stub_lock);
	hash_for_each(pando_stub_table, i, s, node) {
		if (s->owner == owner) {
			found = s;
			s->owner = NULL;
			break;
		}
	}
	spin_unlock_irq(&pando_stub_lock);
	return found;
}

void pando_stub_drop(struct file *owner)
{
	struct pando_stub *s;
	bool held;
	u32 pid;

	stay(owner);
	unpin(owner);
	for (;;) {
		mutex_lock(&pando_stub_act);
		s = owned(owner);
		if (!s) {
			mutex_unlock(&pando_stub_act);
			if (pando_stub_any()) {
				end_pending();
				pando_stub_tidy();
			}
			return;
		}
		pid = s->pid;
		held = s->held;
		if (s->state == PANDO_STUB_BOUND && has_pin(pid, true)) {
			spin_lock_irq(&pando_stub_lock);
			s->state = PANDO_STUB_STANDS;
			spin_unlock_irq(&pando_stub_lock);
			held = false;
		} else if (s->state == PANDO_STUB_BOUND) {
			pando_stub_put_away(s);
		} else {
			spin_lock_irq(&pando_stub_lock);
			pando_stub_remove(s);
			spin_unlock_irq(&pando_stub_lock);
		}
		mutex_unlock(&pando_stub_act);
		pando_alloc_unshare();
		if (held)
			pando_kin_let_go(pid);
	}
}

struct task_struct *pando_stub_retire(u32 pid)
{
	struct task_struct *task = NULL;
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && s->state == PANDO_STUB_STANDS && !s->heir) {
		WRITE_ONCE(s->state, PANDO_STUB_RETIRED);
		/* of one that has left already nothing is taken over */
		task = s->left ? NULL : get_task_struct(s->task);
	}
	spin_unlock_irq(&pando_stub_lock);
	mutex_unlock(&pando_stub_act);
	return task;
}

void pando_stub_release(struct task_struct *task)
{
	struct pando_stub *s;

	mutex_lock(&pando_stub_act);
	rcu_read_lock();
	s = pando_stub_find_task(task);
	rcu_read_unlock();
	if (s)
		pando_stub_end(s, SIGKILL);
	mutex_unlock(&pando_stub_act);
	pando_stub_tidy();
}

int pando_stub_leave(u32 pid)
{
	struct pando_stub *s;
	int ret = -ESRCH;

	mutex_lock(&pando_stub_act);
	spin_lock_irq(&pando_stub_lock);
	s = pando_stub_find(pid);
	if (s && (s->state != PANDO_STUB_STANDS || s->left))
		s = NULL;
	if (s)
		WRITE_ONCE(s->leaver, NULL);
	spin_unlock_irq(&pando_stub_lock);
	if (s) {
		/* whose child it was has left */
		pando_relation_orphan(s->task);
		ret = pando_stub_is_pinned(pid);
	}
	if (!ret) {
		pando_watch_leave(pid, s->task, s->where);
		pando_stub_put_away(s);
	}
	mutex_unlock(&pando_stub_act);
	pando_stub_tidy();
	if (!ret)
		pando_kin_let_go(pid);
	return ret;
}
