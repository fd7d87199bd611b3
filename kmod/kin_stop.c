// SPDX-License-Identifier: GPL-2.0-only
/* Processes that stand stopped, and move: see kin_stop.h. */
#include <linux/cred.h>
#include <linux/pid_namespace.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include <uapi/linux/pando.h>

#include "kin_stop.h"
#include "tasklist.h"

/** struct stop - @is: PANDO_KIN_STOPPED, PANDO_KIN_CONTINUED; @signal: see kin_stop.h */
struct stop {
	u32 is;
	u32 signal;
};

/* The following run under the task's siglock. */

static void get_locked(struct task_struct *task, void *arg)
{
	struct signal_struct *sig = task->signal;
	struct stop *s = arg;

	*s = (struct stop){};
	if (sig->flags & SIGNAL_STOP_STOPPED)
		*s = (struct stop){ PANDO_KIN_STOPPED, sig->group_exit_code };
	else if (sig->flags & SIGNAL_STOP_CONTINUED)
		*s = (struct stop){ PANDO_KIN_CONTINUED, SIGCONT };
}

static void set_locked(struct task_struct *task, void *arg)
{
	struct signal_struct *sig = task->signal;
	struct stop *s = arg;

	s->is = !(sig->flags & SIGNAL_GROUP_EXIT);
	if (!s->is)
		return;
	sig->flags &= ~SIGNAL_STOP_MASK;
	if (s->signal == SIGCONT) {
		sig->flags |= SIGNAL_STOP_CONTINUED;
		return;
	}
	sig->flags |= SIGNAL_STOP_STOPPED;
	sig->group_stop_count = 0;
	sig->group_exit_code = s->signal;
}

/** struct meeting - @from: how it stood; @why: CLD_*, the parent is to be told, or 0 */
struct meeting {
	struct stop from;
	bool changed;
	int why;
};

static void meet_locked(struct task_struct *task, void *arg)
{
	struct signal_struct *sig = task->signal;
	bool stopped = sig->flags & SIGNAL_STOP_STOPPED;
	struct meeting *m = arg;
	bool was = m->from.is == PANDO_KIN_STOPPED;

	if (sig->flags & SIGNAL_GROUP_EXIT)
		return;
	if (stopped != was || m->changed) {
		if (stopped && !sig->group_exit_code)
			sig->group_exit_code = SIGSTOP;
		if (!stopped && was)
			sig->flags |= SIGNAL_STOP_CONTINUED;
		if (stopped)
			m->why = CLD_STOPPED;
		else if (sig->flags & SIGNAL_STOP_CONTINUED)
			m->why = CLD_CONTINUED;
	} else if (stopped) {
		sig->group_exit_code = m->from.signal;
	} else {
		/* its parent's stub never waited for it */
		sig->flags &= ~SIGNAL_STOP_CONTINUED;
		if (m->from.is)
			sig->flags |= SIGNAL_STOP_CONTINUED;
	}
}

static void show_locked(struct task_struct *task, void *arg)
{
	struct task_struct *t;
	struct stop *s = arg;

	s->is = task->signal->flags & SIGNAL_STOP_STOPPED;
	if (!s->is)
		return;
	for_each_thread(task, t)
		if (t->jobctl & JOBCTL_STOP_SIGMASK)
			t->jobctl = (t->jobctl & ~JOBCTL_STOP_SIGMASK) | SIGSTOP;
}

u32 pando_kin_stop_get(struct task_struct *task, u32 *signal)
{
	struct stop s = {};

	pando_siglock_run(task, get_locked, &s);
	*signal = s.signal;
	return s.is;
}

int pando_kin_stop_show(struct task_struct *task)
{
	struct stop s = {};

	pando_siglock_run(task, show_locked, &s);
	return s.is ? 0 : -ESRCH;
}

int pando_kin_stop_set(struct task_struct *task, u32 signal)
{
	struct stop s = { .signal = signal };

	pando_siglock_run(task, set_locked, &s);
	return s.is ? 0 : -ESRCH;
}

void pando_kin_stop_copy(struct task_struct *to, struct task_struct *from)
{
	struct stop s = {};

	if (pando_siglock_run(from, get_locked, &s) && s.is)
		pando_siglock_run(to, set_locked, &s);
}

static bool wants_to_know(struct sighand_struct *sighand)
{
	struct k_sigaction *act = &sighand->action[SIGCHLD - 1];

	return act->sa.sa_handler != SIG_IGN && !(act->sa.sa_flags & SA_NOCLDSTOP);
}

/* As do_notify_parent_cldstop(), which is the kernel's own. */
static void notify(struct task_struct *task, int why)
{
	struct task_struct *parent = rcu_dereference_protected(task->real_parent, 1);
	struct sighand_struct *sighand = rcu_dereference_protected(parent->sighand, 1);
	struct kernel_siginfo info;
	u32 signal;

	if (!sighand)
		return;
	pando_kin_stop_get(task, &signal);
	clear_siginfo(&info);
	info.si_signo = SIGCHLD;
	info.si_code = why;
	info.si_pid = task_pid_nr_ns(task, task_active_pid_ns(parent));
	info.si_uid = from_kuid_munged(task_cred_xxx(parent, user_ns),
				       task_uid(task));
	info.si_status = signal & 0x7f;
	if (wants_to_know(sighand))
		send_sig_info(SIGCHLD, &info, parent);
	__wake_up_sync_key(&parent->signal->wait_chldexit, TASK_INTERRUPTIBLE, task);
}

void pando_kin_stop_meet(struct task_struct *to, struct task_struct *from, bool changed)
{
	struct meeting m = { .changed = changed };

	if (pando_siglock_run(from, get_locked, &m.from))
		pando_siglock_run(to, meet_locked, &m);
	if (m.why)
		notify(to, m.why);
}
