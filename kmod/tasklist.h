/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work under the kernel's tasklist_lock, which is not a module's to take: a
 * worker of ours calls setpgid(), which takes it and calls change_pid() to make
 * the worker a group of its own. There, with the lock held for writing, our work
 * is done, and nothing else.
 */
#ifndef _PANDO_TASKLIST_H
#define _PANDO_TASKLIST_H

#include <linux/types.h>

/*
 * Runs @fn(@arg) with tasklist_lock held for writing and interrupts off, and
 * returns what it returns. Process context, sleeps; one at a time. @fn must not
 * sleep and takes no lock outside of siglock and those below it.
 */
int pando_tasklist_run(int (*fn)(void *arg), void *arg);

/*
 * Runs @fn(@task, @arg) under @task's siglock, with interrupts off; false: it has
 * ended, and @fn did not run. The caller has a reference, or RCU. Any context.
 */
struct task_struct;
bool pando_siglock_run(struct task_struct *task,
		       void (*fn)(struct task_struct *task, void *arg), void *arg);

int pando_tasklist_init(void);	/* before the hooks are installed */
void pando_tasklist_exit(void);

/* The kernel's change_pid(), for jobs: what nobody uses any more is freed. */
struct pid;
void pando_tasklist_change_pid(struct task_struct *task, enum pid_type type,
			       struct pid *pid);

#endif
