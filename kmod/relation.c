// SPDX-License-Identifier: GPL-2.0-only
/* Parents, groups, sessions and numbers: see relation.h. */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/tty.h>
#include <linux/uidgid.h>

#include <pando/wire.h>

#include "alloc.h"
#include "hold.h"
#include "hooks.h"
#include "kin_stop.h"
#include "locate.h"
#include "ns.h"
#include "reaper.h"
#include "relation.h"
#include "stub.h"
#include "tasklist.h"

/* Everything below runs under tasklist_lock held for writing. */

static struct pid *pid_of(struct task_struct *task, enum pid_type type)
{
	return type == PIDTYPE_PID ? task->thread_pid :
				     task->signal->pids[type];
}

/*
 * As change_pid(), but a number that nobody uses any more is not freed: here
 * each of them has another task, or gets one before the lock is dropped.
 */
static void set_pid(struct task_struct *task, enum pid_type type,
		    struct pid *new)
{
	if (pid_of(task, type) == new)
		return;
	hlist_del_rcu(&task->pid_links[type]);
	if (type == PIDTYPE_PID)
		task->thread_pid = new;
	else
		task->signal->pids[type] = new;
	hlist_add_head_rcu(&task->pid_links[type], &new->tasks[type]);
}

/*
 * A number that two tasks have is that one's which was attached last, to kill() and to
 * wait() for one child: @task is whom they mean.
 */
static void come_first(struct task_struct *task, enum pid_type type)
{
	struct pid *pid = pid_of(task, type);

	if (pid->tasks[type].first == &task->pid_links[type])
		return;
	hlist_del_rcu(&task->pid_links[type]);
	hlist_add_head_rcu(&task->pid_links[type], &pid->tasks[type]);
}

/* Of a group or session that may have been there for its sake alone: criu's, mostly. */
static void go_to(struct task_struct *task, enum pid_type type, struct pid *new)
{
	struct pid *old = pid_of(task, type);

	if (old == new)
		return;
	set_pid(task, type, new);
	pando_alloc_left(old);
}

/* Of a stub that ends: its process may leave the group before it is quite gone. */
static void leave_group(struct task_struct *stub)
{
	go_to(stub, PIDTYPE_PGID, task_pgrp(pando_ns()->child_reaper));
}

static void set_parent(struct task_struct *task, struct task_struct *parent)
{
	struct task_struct *t;

	for_each_thread(task, t) {
		RCU_INIT_POINTER(t->real_parent, parent);
		/* a tracer stays the parent as wait() sees it */
		if (likely(!t->ptrace))
			RCU_INIT_POINTER(t->parent, parent);
	}
}

static struct task_struct *parent_of(struct task_struct *task)
{
	return rcu_dereference_protected(task->real_parent, 1);
}

static bool is_orphan(struct task_struct *task)
{
	return same_thread_group(parent_of(task), pando_ns()->child_reaper);
}

static bool is_dead(struct task_struct *task)
{
	/* released: its links are gone; a zombie is still somebody's child */
	return !task->sighand || task->exit_state == EXIT_DEAD;
}

/* @to stands among @parent's children where @from stood. */
static void take_parent(struct task_struct *to, struct task_struct *from)
{
	struct task_struct *parent = parent_of(from);

	list_del(&to->sibling);
	list_add(&to->sibling, &from->sibling);
	set_parent(to, parent);
	to->parent_exec_id = from->parent_exec_id;
	to->exit_signal = from->exit_signal;
}

/*
 * A stub was to die with who made it. From now on its parent's end is nothing to it: its
 * process is told where it runs, where the stub of its parent ends, and what it wants
 * then it may have changed meanwhile.
 */
static void no_pdeath(struct task_struct *stub)
{
	stub->pdeath_signal = 0;
}

static void give_to(struct task_struct *task, struct task_struct *parent)
{
	list_move_tail(&task->sibling, &parent->children);
	set_parent(task, parent);
	task->exit_signal = SIGCHLD;
}

static void take_children(struct task_struct *to, struct task_struct *from)
{
	struct task_struct *c, *next, *t;

	for_each_thread(from, t) {
		list_for_each_entry_safe(c, next, &t->children, sibling) {
			list_move_tail(&c->sibling, &to->children);
			set_parent(c, to);
		}
	}
}

/* A terminal's hang-up is its session leader's end: there must be but one. */
static struct tty_struct *set_terminal(struct task_struct *task,
				       struct tty_struct *tty)
{
	struct sighand_struct *sighand = rcu_dereference_protected(task->sighand,
								   1);
	struct tty_struct *old;

	spin_lock(&sighand->siglock);
	old = task->signal->tty;
	task->signal->tty = tty;
	spin_unlock(&sighand->siglock);
	return old;
}

static void take_terminal(struct task_struct *to, struct task_struct *from)
{
	struct tty_struct *tty = set_terminal(from, NULL), *old;

	to->signal->leader = from->signal->leader;
	from->signal->leader = 0;
	old = set_terminal(to, tty);
	/* never the last reference: whoever opened it has one */
	tty_kref_put(old);
}

/* Exchanges what has the number of a process as its own. */
static void exchange_numbers(struct task_struct *a, struct task_struct *b)
{
	struct pid *pa = a->thread_pid, *pb = b->thread_pid;
	struct task_struct *t;

	/* @b first: at no moment is @a's number without a task */
	set_pid(b, PIDTYPE_PID, pa);
	set_pid(a, PIDTYPE_PID, pb);
	set_pid(b, PIDTYPE_TGID, pa);
	set_pid(a, PIDTYPE_TGID, pb);
	WRITE_ONCE(a->pid, pid_nr(pb));
	WRITE_ONCE(b->pid, pid_nr(pa));
	for_each_thread(a, t)
		WRITE_ONCE(t->tgid, pid_nr(pb));
	for_each_thread(b, t)
		WRITE_ONCE(t->tgid, pid_nr(pa));
}

struct swap {
	struct task_struct *body, *stub;
};

static int exchange(void *arg)
{
	struct swap *s = arg;
	struct task_struct *body = s->body, *stub = s->stub;
	struct task_struct *maker = parent_of(stub), *c;

	if (is_dead(body) || is_dead(stub) || body->exit_state ||
	    stub->exit_state || !thread_group_leader(body) ||
	    !thread_group_leader(stub) || !thread_group_empty(stub))
		return -ESRCH;
	if (is_orphan(body))
		return -ECHILD;
	take_parent(stub, body);
	no_pdeath(stub);
	give_to(body, maker);
	take_children(stub, body);
	/* nobody waits for them any more: a plain end is what leaves nothing */
	list_for_each_entry(c, &stub->children, sibling)
		c->exit_signal = SIGCHLD;
	take_terminal(stub, body);
	pando_kin_stop_copy(stub, body);
	exchange_numbers(body, stub);
	/* the body may have led them: whoever is in them keeps them */
	go_to(stub, PIDTYPE_PGID, task_pgrp(body));
	go_to(stub, PIDTYPE_SID, task_session(body));
	return 0;
}

int pando_relation_swap(struct task_struct *body, struct task_struct *stub)
{
	struct swap s = { body, stub };

	return pando_tasklist_run(exchange, &s);
}

/* The leader of the process of that number, whatever else has it; not a copy that goes. */
static struct task_struct *process(u32 nr)
{
	struct task_struct *met = pando_stub_met(nr);
	struct pid *pid = find_pid_ns(nr, pando_ns());

	if (met && !is_dead(met))
		return met;
	return pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
}

/* Of one that has ended meanwhile it is an orphan. */
static void give_to_number(struct task_struct *task, u32 ppid)
{
	struct task_struct *parent = process(ppid);

	if (!parent || is_dead(parent) || parent->exit_state)
		parent = pando_ns()->child_reaper;
	give_to(task, parent);
}

/*
 * What it was forked with, to a parent that is here. pando-init has only plain children;
 * and of the end of a stub's its parent's node is told, where another stub has the signal.
 */
static void set_exit_signal(struct task_struct *task, int sig)
{
	struct task_struct *parent = parent_of(task);

	if (sig < 0 || is_orphan(task) || pando_stub_is(parent))
		return;
	task->exit_signal = sig;
	/* as if its parent had executed nothing since: else it is SIGCHLD after all */
	task->parent_exec_id = READ_ONCE(parent->self_exec_id);
}

static int place(void *arg)
{
	const struct pando_relation *r = arg;
	struct task_struct *task = r->task, *stub = r->stub;
	struct pid *pgrp = task_pgrp(task), *session = task_session(task);
	int exit_signal = r->exit_signal;

	if (is_dead(task) || (stub && is_dead(stub)))
		return -ESRCH;
	if (stub) {
		pgrp = task_pgrp(stub);
		session = task_session(stub);
	}
	/* a group or session that has vanished meanwhile is nobody's loss */
	if (r->pgid)
		pgrp = find_pid_ns(r->pgid, pando_ns()) ?: pgrp;
	if (r->sid)
		session = find_pid_ns(r->sid, pando_ns()) ?: session;
	if (stub) {
		/*
		 * An orphan was there for a child's sake alone, of another group or
		 * session; who came with its parent has that already.
		 */
		if (!is_orphan(stub)) {
			/* which it stood for; not one that was made for the group's sake */
			if (!same_thread_group(parent_of(task), parent_of(stub)))
				exit_signal = r->execed ? SIGCHLD : -1;
			take_parent(task, stub);
		} else if (r->ppid) {
			give_to_number(task, r->ppid);
		}
		take_children(task, stub);
		come_first(task, PIDTYPE_PID);
		come_first(task, PIDTYPE_TGID);
		pando_kin_stop_meet(task, stub, r->changed);
		if (!r->keep_terminal)
			take_terminal(task, stub);
		give_to(stub, pando_ns()->child_reaper);
	} else if (r->ppid) {
		give_to_number(task, r->ppid);
		if (pando_stub_is(task))
			no_pdeath(task);
	}
	set_exit_signal(task, exit_signal);
	go_to(task, PIDTYPE_PGID, pgrp);
	go_to(task, PIDTYPE_SID, session);
	task->signal->leader = session == task_tgid(task);
	if (stub)
		leave_group(stub);
	return 0;
}

int pando_relation_place(const struct pando_relation *r)
{
	return pando_tasklist_run(place, (void *)r);
}

static int orphan(void *arg)
{
	struct task_struct *task = arg;

	if (is_dead(task) || task->exit_state)
		return -ESRCH;
	give_to(task, pando_ns()->child_reaper);
	return 0;
}

int pando_relation_orphan(struct task_struct *task)
{
	return pando_tasklist_run(orphan, task);
}

static int execed(void *arg)
{
	struct task_struct *stub = arg;

	stub->exit_signal = SIGCHLD;
	return 0;
}

void pando_relation_execed(struct task_struct *stub)
{
	pando_tasklist_run(execed, stub);
}

static int leave(void *arg)
{
	struct task_struct *stub = arg;

	if (is_dead(stub))
		return -ESRCH;
	leave_group(stub);
	return 0;
}

int pando_relation_leave(struct task_struct *stub)
{
	return pando_tasklist_run(leave, stub);
}

/* The rules of setpgid() that hold where the child is. */
static int may_regroup(const struct pando_regroup *r)
{
	struct pid_namespace *ns = pando_ns();
	struct task_struct *task = r->task;

	if (task_tgid_nr_ns(parent_of(task), ns) != r->ppid)
		return -ESRCH;
	if (task_session_nr_ns(task, ns) != r->sid)
		return -EPERM;
	if (!(task->flags & PF_FORKNOEXEC))
		return -EACCES;
	return task->signal->leader ? -EPERM : 0;
}

static int regroup(void *arg)
{
	const struct pando_regroup *r = arg;
	struct pid *pgrp = find_pid_ns(r->pgid, pando_ns()), *session;
	struct task_struct *task = r->task;
	int err;

	if (is_dead(task) || !pgrp)
		return -ESRCH;
	err = r->ppid ? may_regroup(r) : 0;
	if (r->own && (task->signal->leader || task_session_nr_ns(task, pando_ns()) != r->sid))
		err = -EPERM;
	if (err)
		return err;
	session = r->sid ? find_pid_ns(r->sid, pando_ns()) : NULL;
	if (session && session != task_session(task)) {
		/* only its leader does that, and leaves its terminal */
		tty_kref_put(set_terminal(task, NULL));
		task->signal->leader = session == task_tgid(task);
		pando_tasklist_change_pid(task, PIDTYPE_SID, session);
	}
	if (pgrp != task_pgrp(task))
		pando_tasklist_change_pid(task, PIDTYPE_PGID, pgrp);
	return 0;
}

int pando_relation_regroup(const struct pando_regroup *r)
{
	return pando_tasklist_run(regroup, (void *)r);
}

static int unneeded(void *arg)
{
	struct task_struct *stub = arg;

	if (is_dead(stub) || stub->exit_state)
		return -ESRCH;
	if (!list_empty(&stub->children))
		return -EBUSY;
	/* by a stub nobody is waited for: it is there for the group's sake */
	return is_orphan(stub) || pando_stub_is(parent_of(stub)) ? 0 : -EBUSY;
}

int pando_relation_unneeded(struct task_struct *stub)
{
	return pando_tasklist_run(unneeded, stub);
}

/* --- orphans -------------------------------------------------------------------- */

bool pando_relation_is_zombie(struct task_struct *task)
{
	return task->exit_state && thread_group_empty(task);
}

bool pando_relation_is_anchored(struct task_struct *task, struct task_struct *parent)
{
	return task_pgrp(parent) != task_pgrp(task) &&
	       task_session(parent) == task_session(task);
}

/* As the kernel's find_alive_thread(). */
static struct task_struct *alive_thread(struct task_struct *task)
{
	struct task_struct *t;

	for_each_thread(task, t)
		if (!(t->flags & PF_EXITING))
			return t;
	return NULL;
}

struct climb {
	u32 pid, reaper, next;
};

/* From @t on upwards. */
static void climb_from(struct task_struct *t, struct climb *c)
{
	struct pid_namespace *ns = pando_ns();
	u32 nr;

	for (;; t = parent_of(t)) {
		nr = task_tgid_nr_ns(t, ns);
		if (nr < PANDO_LOCAL_PIDS)
			return;
		if (pando_stub_is(t->group_leader) || !pando_locate_is_settled(nr)) {
			c->next = nr;
			return;
		}
		/* one that ends has given its children away, and would not give these */
		if (t->signal->is_child_subreaper && alive_thread(t) &&
		    !pando_reaper_is_leaver(t)) {
			c->reaper = nr;
			return;
		}
	}
}

static int climb(void *arg)
{
	struct climb *c = arg;
	struct task_struct *t = process(c->pid);

	if (!t || is_dead(t))
		return -ESRCH;
	climb_from(t, c);
	return 0;
}

u32 pando_relation_reaper(u32 pid, u32 *next)
{
	struct climb c = { .pid = pid };

	pando_tasklist_run(climb, &c);
	*next = c.next;
	return c.reaper;
}

/**
 * struct gather - of @task's children those of the cluster, @room of @n at most
 * @last: no other thread of its process will have them
 */
struct gather {
	struct task_struct *task;
	bool last;
	struct pando_orphan *orphans;
	int room, n;
	struct climb up;
};

static int gather(void *arg)
{
	struct pid_namespace *ns = pando_ns();
	struct gather *g = arg;
	struct task_struct *c;

	g->n = 0;
	g->up = (struct climb){};
	list_for_each_entry(c, &g->task->children, sibling) {
		struct pando_orphan *o = &g->orphans[g->n];
		u32 nr = task_tgid_nr_ns(c, ns);

		if (nr < PANDO_LOCAL_PIDS || g->n++ >= g->room)
			continue;
		*o = (struct pando_orphan){ .pid = nr, .task = get_task_struct(c) };
		o->stop = pando_kin_stop_get(c, &o->signal);
		if (pando_relation_is_anchored(c, g->task))
			o->pgid = task_pgrp_nr_ns(c, ns);
	}
	climb_from(parent_of(g->task), &g->up);
	/* the kernel is to find the same one: where none is to be found here, pando-init */
	if (g->last)
		g->task->signal->has_child_subreaper = !!g->up.reaper;
	return 0;
}

int pando_relation_orphans(bool last, struct pando_orphan **orphans, u32 *reaper, u32 *next)
{
	struct gather g = { .task = current, .last = last };

	for (;;) {
		pando_tasklist_run(gather, &g);
		if (g.n <= g.room)
			break;
		while (g.room)
			put_task_struct(g.orphans[--g.room].task);
		kvfree(g.orphans);
		g.orphans = kvcalloc(g.n, sizeof(*g.orphans), GFP_KERNEL);
		if (!g.orphans)
			return -ENOMEM;
		g.room = g.n;
	}
	*orphans = g.orphans;
	*reaper = g.up.reaper;
	*next = g.up.next;
	return g.n;
}

/**
 * struct bequest - @task is to be a child of @reaper
 * @real: which is not a stub
 */
struct bequest {
	struct task_struct *task;
	u32 reaper;
	bool real;
};

static bool is_above(struct task_struct *above, struct task_struct *task)
{
	for (; task_tgid_nr_ns(task, pando_ns()) >= PANDO_LOCAL_PIDS; task = parent_of(task))
		if (same_thread_group(task, above))
			return true;
	return false;
}

/* Nobody of the namespace sends it: the kernel would say so. */
static void pdeath_locked(struct task_struct *task, void *arg)
{
	struct kernel_siginfo *info = arg;
	u32 pid = info->si_pid;
	struct sigqueue *q;

	pando_signal_original(info->si_signo, info, task, PIDTYPE_TGID);
	list_for_each_entry_reverse(q, &task->signal->shared_pending.list, list) {
		if (q->info.si_signo != info->si_signo)
			continue;
		if (q->info.si_code == SI_USER && !q->info.si_pid)
			q->info.si_pid = pid;
		break;
	}
}

/* May it signal that one? As a process may that has no capability but root's. */
static bool may_signal(struct task_struct *from, struct task_struct *to)
{
	const struct cred *a, *b;
	bool may;

	rcu_read_lock();
	a = __task_cred(from);
	b = __task_cred(to);
	may = uid_eq(a->euid, GLOBAL_ROOT_UID) || uid_eq(a->euid, b->suid) ||
	      uid_eq(a->euid, b->uid) || uid_eq(a->uid, b->suid) || uid_eq(a->uid, b->uid);
	rcu_read_unlock();
	return may;
}

/* PR_SET_PDEATHSIG, as its parent sends it while it ends. */
static void send_pdeath(struct task_struct *task, struct task_struct *parent)
{
	struct kernel_siginfo info;
	struct task_struct *t;

	for_each_thread(task, t) {
		if (!t->pdeath_signal || !may_signal(parent, t))
			continue;
		clear_siginfo(&info);
		info.si_signo = t->pdeath_signal;
		info.si_code = SI_USER;
		info.si_pid = task_tgid_nr_ns(parent, task_active_pid_ns(t));
		/* who sends it is of the initial user namespace */
		info.si_uid = from_kuid_munged(&init_user_ns, task_uid(parent));
		pando_siglock_run(t, pdeath_locked, &info);
	}
}

static int inherit(void *arg)
{
	struct bequest *b = arg;
	struct task_struct *task = b->task, *reaper = process(b->reaper), *parent;

	reaper = reaper && !is_dead(reaper) ? alive_thread(reaper) : NULL;
	if (!reaper || (b->real && pando_stub_is(reaper->group_leader)) ||
	    pando_reaper_is_leaver(reaper))
		return -ENXIO;
	if (is_dead(task) || pando_relation_is_zombie(task))
		return -ESRCH;
	if (pando_hold_has(task) || pando_hold_has(reaper))
		return -EBUSY;
	parent = parent_of(task);
	/* who asks again may not have heard */
	if (same_thread_group(parent, reaper))
		return 0;
	if (is_above(task, reaper))
		return -ELOOP;
	give_to(task, reaper);
	/* else it has been an orphan for a moment */
	if (!same_thread_group(parent, pando_ns()->child_reaper))
		send_pdeath(task, parent);
	return 0;
}

int pando_relation_inherit(struct task_struct *task, u32 reaper, bool real)
{
	struct bequest b = { .task = task, .reaper = reaper, .real = real };

	return pando_tasklist_run(inherit, &b);
}

static int thread_ended(void *arg)
{
	const struct bequest *b = arg;
	struct task_struct *parent = parent_of(b->task);

	if (!is_dead(b->task) && !pando_relation_is_zombie(b->task) &&
	    task_tgid_nr_ns(parent, pando_ns()) == b->reaper)
		send_pdeath(b->task, parent);
	return 0;
}

void pando_relation_thread_ended(struct task_struct *task, u32 parent)
{
	struct bequest b = { .task = task, .reaper = parent };

	pando_tasklist_run(thread_ended, &b);
}

/**
 * struct whose - @pid: a zombie's; @parent: out: with a reference, or NULL; @ends: out: all
 *	threads of that do
 */
struct whose {
	u32 pid;
	struct task_struct *parent;
	bool ends;
};

static int zombies_parent(void *arg)
{
	struct whose *q = arg;
	struct task_struct *task = process(q->pid);

	if (!task || is_dead(task) || !pando_relation_is_zombie(task))
		return -ESRCH;
	q->parent = get_task_struct(parent_of(task));
	q->ends = !alive_thread(q->parent);
	return 0;
}

struct task_struct *pando_relation_zombies_parent(u32 pid, bool *ends)
{
	struct whose q = { .pid = pid };

	pando_tasklist_run(zombies_parent, &q);
	*ends = q.ends;
	return q.parent;
}
