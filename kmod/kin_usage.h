/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process has used, which moves along; and what is left of one that ended elsewhere:
 * what wait4() reports, its name, its user.
 */
#ifndef _PANDO_KIN_USAGE_H
#define _PANDO_KIN_USAGE_H

#include <uapi/linux/pando.h>
#include <pando/wire.h>

struct task_struct;

#define PANDO_KIN_NOBODY	((u32)-1)	/* a user that is not known */

/* The real user of @t, in the initial user namespace. Any context. */
u32 pando_kin_user_of(struct task_struct *t);
/* @stub has it before it acts upon a signal that follows. Process context. */
void pando_kin_user_set(struct task_struct *stub, u32 uid);
/* What @task, and those that it has waited for, have used so far. Process context. */
void pando_kin_usage_read(struct task_struct *task, struct pando_rusage *self,
			  struct pando_rusage *children);
/* @task, which was restored here and does not run yet, has used that before it came. May sleep. */
void pando_kin_usage_carry(struct task_struct *task, const struct pando_rusage *self,
			   const struct pando_rusage *children);
/* Of @t, which is the last of its group, and dead. */
void pando_kin_usage_get(struct pando_wire_kin_event *ev, struct task_struct *t);
/* To its stub @t, which is about to end; may sleep. */
void pando_kin_usage_add(struct task_struct *t, const struct pando_wire_kin_event *ev);

#endif
