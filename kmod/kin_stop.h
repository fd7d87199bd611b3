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
 * PANDO_KIN_STOPPED: it is stopped; @signal: out, the one that wait() has yet to tell the
 * parent, or 0. PANDO_KIN_CONTINUED: it goes on, and wait() has yet to tell that; SIGCONT.
 * Or 0. Any context.
 */
u32 pando_kin_stop_get(struct task_struct *task, u32 *signal);
/* A tracer is shown a stop by SIGSTOP. -ESRCH: it is not stopped. */
int pando_kin_stop_show(struct task_struct *task);
/*
 * It is marked as stopped, and so its threads stop when their tracer lets go of them; or
 * with SIGCONT as one that goes on, of which wait() has yet to tell. -ESRCH: it has ended.
 */
int pando_kin_stop_set(struct task_struct *task, u32 signal);
/* @to is marked as @from is; under tasklist_lock, neither is dead. */
void pando_kin_stop_copy(struct task_struct *to, struct task_struct *from);
/*
 * @to takes the place of @from, of which the parent knows by wait() how it stands. Where
 * @to stands otherwise, or it has been stopped, or gone on, since (@changed), the parent
 * is told; else it has been told, or has not, as it was of @from. Likewise.
 */
void pando_kin_stop_meet(struct task_struct *to, struct task_struct *from, bool changed);

#endif
