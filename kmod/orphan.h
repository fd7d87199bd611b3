/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Orphaned process groups that have members on several nodes. A process whose parent is in
 * the same session and in another group anchors its own. When the last one that does is
 * gone, or its parent, and a member is stopped, all members get SIGHUP and SIGCONT (POSIX,
 * _exit()). The kernel of a node looks at those that are there, or have stubs there. So of
 * a group that has members elsewhere:
 *
 *	each node		holds back what the kernel there sends (signal.c), and tells
 *				the home of the group's number (KIN_ORPHAN) when somebody
 *				ends who has anchored it, be it a stub
 *	the home		asks all nodes (KIN_GROUP), and if it is anchored on none of
 *				them signals it on all, first where nobody is stopped
 *
 * The stub of a parent may outlive its process for a moment, and the group counts as
 * anchored; but then the stub ends, and the home is told again. Where a stub is all that
 * anchors it, or a member moves, the home asks again soon: that will be over. And it waits
 * while the members of the cluster change, for a node that is missing may be back.
 */
#ifndef _PANDO_ORPHAN_H
#define _PANDO_ORPHAN_H

#include <linux/pid.h>
#include <linux/signal_types.h>
#include <linux/types.h>

struct task_struct;

/* Current, which exits, has anchored the group @pgid by a child. Process context. */
void pando_orphan_note(u32 pgid);
/* A process, or a stub, is dead. Under tasklist_lock. */
void pando_orphan_died(struct task_struct *task);
/*
 * Is it what the kernel sends to a group that it takes for an orphan's, and not for this
 * node to judge? Under the receiver's siglock.
 */
bool pando_orphan_holds_back(int sig, const struct kernel_siginfo *info,
			     struct task_struct *task, enum pid_type type);

void pando_orphan_reset(void);		/* DETACH, before there is no namespace any more */
int pando_orphan_init(void);
void pando_orphan_exit(void);

#endif
