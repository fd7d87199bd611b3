// SPDX-License-Identifier: GPL-2.0-only
/* Processes that stand stopped, and move: see kin_stop.h. */
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>

#include "kin_stop.h"
#include "tasklist.h"

struct stop {
	bool is;
	u32 signal;
};

/* The following run under the task's siglock. */

static void get_locked(struct task_struct *task, void *arg)
{
	struct stop *s = arg;

	s->is = task->signal->flags & SIGNAL_STOP_STOPPED;
	s->signal = s->is ? task->signal->group_exit_code : 0;
}

static void set_locked(struct task_struct *task, void *arg)
{
	struct signal_struct *sig = task->signal;
	struct stop *s = arg;

	s->is = !(sig->flags & SIGNAL_GROUP_EXIT);
	if (!s->is)
		return;
	sig->flags = (sig->flags & ~SIGNAL_STOP_MASK) | SIGNAL_STOP_STOPPED;
	sig->group_stop_count = 0;
	sig->group_exit_code = s->signal;
}

static void told_locked(struct task_struct *task, void *arg)
{
	struct stop *s = arg;

	if (task->signal->flags & SIGNAL_STOP_STOPPED)
		task->signal->group_exit_code = s->signal;
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

bool pando_kin_stop_get(struct task_struct *task, u32 *signal)
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

void pando_kin_stop_told(struct task_struct *to, struct task_struct *from)
{
	struct stop s = {};

	if (pando_siglock_run(from, get_locked, &s) && s.is)
		pando_siglock_run(to, told_locked, &s);
}
