/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes that count as dead, should the node be back that they were lost with. */
#ifndef _PANDO_CONDEMNED_H
#define _PANDO_CONDEMNED_H

#include <linux/types.h>

/*
 * @pid was last known to be on @node in its life @incarnation (0: not known), which
 * is gone, and its stub here ends. Sleeps.
 */
void pando_condemn(u32 pid, u16 node, u64 incarnation);
/* A view stands: who can be reached now is killed. */
void pando_condemned_members(void);
/* None is any more, and nobody is at it. Sleeps. */
void pando_condemned_reset(void);

#endif
