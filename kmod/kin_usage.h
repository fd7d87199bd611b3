/* SPDX-License-Identifier: GPL-2.0-only */
/* What wait4() reports of a process that ended elsewhere: its status, and its usage. */
#ifndef _PANDO_KIN_USAGE_H
#define _PANDO_KIN_USAGE_H

#include <pando/wire.h>

struct signal_struct;
struct task_struct;

/* Of @t, which is the last of its group, and dead. */
void pando_kin_usage_get(struct pando_wire_kin_event *ev, struct task_struct *t);
/* The usage, to that of its stub. */
void pando_kin_usage_add(struct signal_struct *sig, const struct pando_wire_kin_event *ev);

#endif
