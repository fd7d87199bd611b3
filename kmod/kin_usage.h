/* SPDX-License-Identifier: GPL-2.0-only */
/* What is left of a process that ended elsewhere: what wait4() reports, its name. */
#ifndef _PANDO_KIN_USAGE_H
#define _PANDO_KIN_USAGE_H

#include <pando/wire.h>

struct task_struct;

/* Of @t, which is the last of its group, and dead. */
void pando_kin_usage_get(struct pando_wire_kin_event *ev, struct task_struct *t);
/* To its stub @t, which is about to end; may sleep. */
void pando_kin_usage_add(struct task_struct *t, const struct pando_wire_kin_event *ev);

#endif
