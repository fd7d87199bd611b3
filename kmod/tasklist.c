// SPDX-License-Identifier: GPL-2.0-only
/* Work under tasklist_lock: see tasklist.h. */
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "hooks.h"
#include "tasklist.h"

PANDO_HOOK(void, hook_change_pid, struct task_struct *task, enum pid_type type,
	   struct pid *pid);

/**
 * struct job - what a worker is to do
 * @work: brings it to a kernel thread, which is no session's leader
 * @fn: the work itself
 * @arg: for it
 * @ret: what it returned
 */
struct job {
	struct work_struct work;
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static DEFINE_MUTEX(one);		/* jobs exclude each other */
static struct job *job;			/* under @one */
static struct task_struct *worker;	/* who runs it; NULL: nobody */
static unsigned long setpgid;		/* __x64_sys_setpgid */

/* Under write_lock_irq(&tasklist_lock): setpgid(), setsid(). */
static void hook_change_pid(struct task_struct *task, enum pid_type type,
			    struct pid *pid)
{
	pando_hook_enter();
	if (unlikely(READ_ONCE(worker) == current))
		job->ret = job->fn(job->arg);
	else
		pando_hook_original(hook_change_pid)(task, type, pid);
	pando_hook_leave();
}

void pando_tasklist_change_pid(struct task_struct *task, enum pid_type type,
			       struct pid *pid)
{
	pando_hook_original(hook_change_pid)(task, type, pid);
}

struct pando_hook pando_tasklist_hooks[] = {
	PANDO_HOOK_ROW("change_pid", hook_change_pid),
};

const int pando_tasklist_nhooks = ARRAY_SIZE(pando_tasklist_hooks);

static void job_fn(struct work_struct *work)
{
	struct job *j = container_of(work, struct job, work);
	struct pt_regs regs = {};	/* setpgid(0, 0) */

	j->ret = -EIO;
	WRITE_ONCE(worker, current);
	((pando_syscall_t)setpgid)(&regs);
	WRITE_ONCE(worker, NULL);
}

int pando_tasklist_run(int (*fn)(void *arg), void *arg)
{
	struct job j = { .fn = fn, .arg = arg };

	INIT_WORK_ONSTACK(&j.work, job_fn);
	mutex_lock(&one);
	job = &j;
	queue_work(system_unbound_wq, &j.work);
	flush_work(&j.work);
	job = NULL;
	mutex_unlock(&one);
	destroy_work_on_stack(&j.work);
	return j.ret;
}

bool pando_siglock_run(struct task_struct *task,
		       void (*fn)(struct task_struct *task, void *arg), void *arg)
{
	struct sighand_struct *sighand;
	unsigned long flags;
	bool again;

	rcu_read_lock();
	do {
		sighand = rcu_dereference(task->sighand);
		if (!sighand)
			break;
		spin_lock_irqsave(&sighand->siglock, flags);
		again = sighand != rcu_access_pointer(task->sighand);
		if (!again)
			fn(task, arg);
		spin_unlock_irqrestore(&sighand->siglock, flags);
	} while (again);
	rcu_read_unlock();
	return sighand;
}

int pando_tasklist_init(void)
{
	return pando_hook_resolve("__x64_sys_setpgid", &setpgid);
}

void pando_tasklist_exit(void)
{
	/* whoever runs a job waits for it: none is left */
	mutex_destroy(&one);
}
