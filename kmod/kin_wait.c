// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits by number for a child that comes home. Until it takes the place of its stub both
 * have one struct pid (alloc.c), and whoever looks there finds the one that came last: the
 * process as it is being made anew, which is a child of who makes it. So wait() would say
 * that there is no such child (ECHILD), also one that had begun before and is woken by a
 * signal. A parent that looks there for a process finds its own child.
 */
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "hooks.h"
#include "kin.h"
#include "ns.h"
#include "stub.h"

PANDO_HOOK_GATED(pando_stub_gate, pando_kin_nspread, struct task_struct *, hook_pid_task,
		 struct pid *pid, enum pid_type type);

/* Under RCU or tasklist_lock, as who asks for a task is. */
static bool is_child(const struct task_struct *task)
{
	return same_thread_group(rcu_dereference_check(task->real_parent,
						       lockdep_tasklist_lock_is_held()),
				 current);
}

/* Who waits. A timer may ring over anybody, and what is pando-init's are stubs that end. */
static bool is_parent(void)
{
	return in_task() && pando_ns_has_current() && !pando_ns_current_is_init();
}

static struct task_struct *hook_pid_task(struct pid *pid, enum pid_type type)
{
	struct task_struct *task, *p;

	pando_hook_enter();
	task = pando_hook_original(hook_pid_task)(pid, type);
	if (type == PIDTYPE_TGID && task && !is_child(task) && is_parent()) {
		hlist_for_each_entry_rcu(p, &pid->tasks[type], pid_links[type],
					 lockdep_tasklist_lock_is_held()) {
			if (is_child(p)) {
				task = p;
				break;
			}
		}
	}
	pando_hook_leave();
	return task;
}

struct pando_hook pando_wait_hooks[] = {
	PANDO_HOOK_ROW("pid_task", hook_pid_task),
};

const int pando_wait_nhooks = ARRAY_SIZE(pando_wait_hooks);
