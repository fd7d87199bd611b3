// SPDX-License-Identifier: GPL-2.0-only
/*
 * The helpers of a move make stubs, park originals and place what was restored;
 * see include/uapi/linux/pando.h. They are root's and node-local; while one is
 * inside, the namespace cannot be detached (it has processes).
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>

#include <uapi/linux/pando.h>

#include "hold.h"
#include "kin.h"
#include "kin_ioctl.h"
#include "kin_stop.h"
#include "kin_tty.h"
#include "kin_usage.h"
#include "linger.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "nurse.h"
#include "relation.h"
#include "remap.h"
#include "stub.h"
#include "tasklist.h"

/* What to add to this host's CLOCK_BOOTTIME to have the namespace's. */
static s64 boot_offset(void)
{
	struct timespec64 off = current->nsproxy->time_ns->offsets.boottime;

	return timespec64_to_ns(&off);
}

/*
 * Who executes a program gets SIGCHLD of the children that it has, as do_notify_parent() has
 * it. (To the kernel's wait() they stay what they were; to one that has moved they do not.)
 */
static u32 exit_signal_of(struct task_struct *task)
{
	struct task_struct *parent;
	u32 sig = task->exit_signal;

	rcu_read_lock();
	parent = rcu_dereference(task->real_parent);
	if (task->parent_exec_id != READ_ONCE(parent->self_exec_id))
		sig = SIGCHLD;
	rcu_read_unlock();
	return sig;
}

static long ask(struct pando_kin __user *user)
{
	struct task_struct *task, *stub;
	struct pando_kin kin;

	if (copy_from_user(&kin, user, sizeof(kin)))
		return -EFAULT;
	task = pando_ns_get_process(kin.pid);
	if (!task)
		return pando_ns_has_number(kin.pid) ? -EOWNERDEAD : -ESRCH;
	kin = (struct pando_kin){ .pid = kin.pid,
				  .where = pando_nodes_self() };
	if (pando_stub_stands(kin.pid)) {
		kin.flags = PANDO_KIN_STUB;
		kin.where = pando_stub_where(kin.pid);
	}
	if (!(task->flags & PF_FORKNOEXEC))
		kin.flags |= PANDO_KIN_EXECED;
	stub = pando_stub_get(kin.pid);
	kin.flags |= pando_kin_stop_get(stub ?: task, &kin.stop);
	if (pando_kin_is_telling(kin.pid, false))
		kin.flags |= PANDO_KIN_TELLING;
	if (stub)
		put_task_struct(stub);
	kin.exit_signal = exit_signal_of(task);
	kin.start_ns = task->start_boottime + boot_offset();
	pando_kin_usage_read(task, &kin.self, &kin.children);
	pando_kin_holders(kin.pid, kin.holders);
	put_task_struct(task);
	return copy_to_user(user, &kin, sizeof(kin)) ? -EFAULT : 0;
}

/* It did not begin here and now: whoever looks sees the process it was. */
static void carry_over(struct task_struct *task, const struct pando_kin *kin)
{
	s64 delta = kin->start_ns - boot_offset() - task->start_boottime;

	/* setpgid() asks for that; it is held, and changes no flag of its own */
	if (kin->flags & PANDO_KIN_EXECED)
		task->flags &= ~PF_FORKNOEXEC;
	if (!kin->start_ns)
		return;
	task->start_boottime += delta;
	task->start_time += delta;
	pando_kin_usage_carry(task, &kin->self, &kin->children);
}

/* Under its siglock: criu arms no timer that has no interval, so these were given one. */
static void take_intervals(struct task_struct *task, void *arg)
{
	struct signal_struct *sig = task->signal;
	u32 flags = *(u32 *)arg;

	if (flags & PANDO_PLACE_ALARM << ITIMER_REAL)
		sig->it_real_incr = 0;
	if (flags & PANDO_PLACE_ALARM << ITIMER_VIRTUAL)
		sig->it[CPUCLOCK_VIRT].incr = 0;
	if (flags & PANDO_PLACE_ALARM << ITIMER_PROF)
		sig->it[CPUCLOCK_PROF].incr = 0;
}

static long place(const struct pando_place __user *user)
{
	struct pando_relation r = {};
	struct pando_place p;
	long err;

	if (copy_from_user(&p, user, sizeof(p)))
		return -EFAULT;
	if (p.flags & ~(PANDO_PLACE_SPREAD | PANDO_PLACE_SIGNAL | PANDO_PLACE_ALARMS) ||
	    p.reserved ||
	    p.kin.exit_signal > CSIGNAL)
		return -EINVAL;
	r.task = pando_ns_get_process(p.pid);
	if (!r.task)
		return -ESRCH;
	r.ppid = p.ppid;
	r.pgid = p.pgid;
	r.sid = p.sid;
	r.exit_signal = p.flags & PANDO_PLACE_SIGNAL ? p.kin.exit_signal : -1;
	r.execed = p.kin.flags & PANDO_KIN_EXECED;
	/* before it may end, its holders must be known */
	err = pando_kin_add(p.pid, p.kin.holders);
	if (err)
		goto out;
	r.stub = pando_stub_retire(p.pid);
	err = pando_relation_place(&r);
	if (r.stub) {
		pando_stub_release(r.stub);
		put_task_struct(r.stub);
	}
	if (err)
		goto out;
	carry_over(r.task, &p.kin);
	if (p.flags & PANDO_PLACE_ALARMS)
		pando_siglock_run(r.task, take_intervals, &p.flags);
	if (p.flags & PANDO_PLACE_SPREAD)
		pando_kin_spread(p.pgid);
out:
	put_task_struct(r.task);
	return err;
}

static long park(const struct pando_park __user *user)
{
	struct task_struct *body, *stub;
	struct pando_park p;
	long err = -ESRCH;

	if (copy_from_user(&p, user, sizeof(p)))
		return -EFAULT;
	body = pando_ns_get_process(p.pid);
	stub = pando_ns_get_process(p.stub);
	if (!body || !stub)
		goto out;
	if (p.stub >= PANDO_LOCAL_PIDS || !p.where ||
	    p.where > PANDO_NODE_MAX || p.flags & ~PANDO_PARK_LATER) {
		err = -EINVAL;
		goto out;
	}
	/* its record first: no signal may meet it unprepared */
	err = pando_stub_stand(p.pid, stub, p.where);
	if (err)
		goto out;
	err = pando_relation_swap(body, stub);
	if (err) {
		pando_stub_forget(stub, p.pid);
		goto out;
	}
	pando_kin_spread(task_pgrp_nr_ns(stub, pando_ns()));
	pando_locate_parked(p.pid);
	if (!(p.flags & PANDO_PARK_LATER))
		send_sig(SIGKILL, body, 1);
	pando_stub_rest(p.pid);
	/* its new place knows of us; should it have forgotten, it is told */
	pando_stub_announce();
out:
	if (body)
		put_task_struct(body);
	if (stub)
		put_task_struct(stub);
	return err;
}

static long bind(struct file *file, const struct pando_park __user *user)
{
	struct pando_park p;

	if (copy_from_user(&p, user, sizeof(p)))
		return -EFAULT;
	if (p.flags || p.where > PANDO_NODE_MAX)
		return -EINVAL;
	return pando_stub_bind(file, p.pid, p.where);
}

static long claim(struct file *file, const struct pando_claim __user *user)
{
	struct pando_claim c;

	if (copy_from_user(&c, user, sizeof(c)))
		return -EFAULT;
	if (c.flags & ~PANDO_CLAIM_TRAVELS && c.flags != PANDO_CLAIM_TOLD)
		return -EINVAL;
	return pando_stub_claim(file, c.pid, c.flags);
}

static long join(struct file *file, const __u32 __user *user)
{
	u32 pid;

	return get_user(pid, user) ? -EFAULT : pando_stub_join(file, pid);
}

static long hold(struct file *file, const struct pando_hold __user *user)
{
	struct pando_hold args;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	return pando_hold_begin(file, &args);
}

static long let(const __u64 __user *user)
{
	u64 move;

	if (copy_from_user(&move, user, sizeof(move)))
		return -EFAULT;
	pando_hold_let(move);
	return 0;
}

static long travel(struct file *file, const __u32 __user *user)
{
	u32 pid;

	return get_user(pid, user) ? -EFAULT : pando_stub_travel(file, pid);
}

static long release(const __u32 __user *user)
{
	u32 pid;

	return get_user(pid, user) ? -EFAULT : pando_stub_leave(pid);
}

static long yield_port(u32 __user *user)
{
	u32 port;

	if (get_user(port, user))
		return -EFAULT;
	if (!port || port > U16_MAX)
		return -EINVAL;
	pando_linger_yield(port);
	return 0;
}

static long set_terminal(const struct pando_terminal __user *user)
{
	struct pando_terminal t;
	struct task_struct *task;
	struct file *tty;
	long ret;

	if (copy_from_user(&t, user, sizeof(t)))
		return -EFAULT;
	if (t.node > PANDO_NODE_MAX || t.node == pando_nodes_self())
		return -EINVAL;
	tty = fget(t.fd);
	if (!tty)
		return -EBADF;
	task = pando_ns_get_process(t.pid);
	ret = task ? pando_kin_tty_set(task, tty, t.node, t.sid) : -ESRCH;
	if (task)
		put_task_struct(task);
	fput(tty);
	return ret;
}

static long show_stop(const __u32 __user *user)
{
	struct task_struct *task;
	long err;
	u32 pid;

	if (get_user(pid, user))
		return -EFAULT;
	task = pando_ns_get_process(pid);
	if (!task)
		return -ESRCH;
	err = pando_kin_stop_show(task);
	put_task_struct(task);
	return err;
}

static long stop(const struct pando_stop __user *user)
{
	struct task_struct *task;
	struct pando_stop s;
	long err;

	if (copy_from_user(&s, user, sizeof(s)))
		return -EFAULT;
	if (!valid_signal(s.signal))
		return -EINVAL;
	task = pando_ns_get_process(s.pid);
	if (!task)
		return -ESRCH;
	err = pando_kin_stop_set(task, s.signal);
	put_task_struct(task);
	return err;
}

long pando_kin_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	if (!pando_ns())
		return -ENOTCONN;
	if (!pando_ns_has_current() || !capable(CAP_SYS_ADMIN) ||
	    (!pando_ns_is_local(current) && !pando_ns_current_is_init()))
		return -EPERM;
	switch (cmd) {
	case PANDO_IOC_NURSE:
		return pando_ns_current_is_init() ? pando_nurse_ioctl(user) : -EPERM;
	case PANDO_IOC_KIN:
		return ask(user);
	case PANDO_IOC_CLAIM:
		return claim(file, user);
	case PANDO_IOC_BIND:
		return bind(file, user);
	case PANDO_IOC_KEEP:
		pando_stub_keep(file);
		return 0;
	case PANDO_IOC_PLACE:
		return place(user);
	case PANDO_IOC_PARK:
		return park(user);
	case PANDO_IOC_JOIN:
		return join(file, user);
	case PANDO_IOC_TRAVEL:
		return travel(file, user);
	case PANDO_IOC_RELEASE:
		return release(user);
	case PANDO_IOC_HOLD:
		return hold(file, user);
	case PANDO_IOC_STAY:
		pando_hold_stay(file);
		return 0;
	case PANDO_IOC_LET:
		return let(user);
	case PANDO_IOC_WATCH:
		return pando_remap_watch(file);
	case PANDO_IOC_YIELD:
		return yield_port(user);
	case PANDO_IOC_TERMINAL:
		return set_terminal(user);
	case PANDO_IOC_STOPPED:
		return show_stop(user);
	case PANDO_IOC_STOP:
		return stop(user);
	}
	return -ENOTTY;
}

int pando_kin_release(struct inode *inode, struct file *file)
{
	pando_stub_drop(file);
	pando_hold_drop(file);
	pando_remap_drop(file);
	return 0;
}
