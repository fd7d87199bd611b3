/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that stand stopped, by ^Z or SIGSTOP, and move so. The kernel has that
 * in three places: each thread sleeps (and remembers, for a tracer, by which signal);
 * the process is marked as stopped; and a status is there for wait() until somebody
 * has taken it. Where the mark is set first, a thread that stops later takes part in
 * a stop that everybody knows of: nobody is told.
 */
#ifndef _PANDO_KIN_STOP_H
#define _PANDO_KIN_STOP_H

#include <linux/types.h>

struct task_struct;

/*
 * Is it stopped? @signal: out, the one that wait() has yet to tell the parent, or 0. Any
 * context.
 */
bool pando_kin_stop_get(struct task_struct *task, u32 *signal);
/* A tracer is shown a stop by SIGSTOP. -ESRCH: it is not stopped. */
int pando_kin_stop_show(struct task_struct *task);
/*
 * It is marked as stopped, and so its threads stop when their tracer lets go of them.
 * -ESRCH: it has ended.
 */
int pando_kin_stop_set(struct task_struct *task, u32 signal);
/* @to is marked as @from is; under tasklist_lock, neither is dead. */
void pando_kin_stop_copy(struct task_struct *to, struct task_struct *from);
/*
 * Where both are stopped: the parent of @to has been told by wait(), or has not, as it
 * was of @from, which stood in its place. Likewise.
 */
void pando_kin_stop_told(struct task_struct *to, struct task_struct *from);

#endif
