/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Orphans and subreapers (PR_SET_CHILD_SUBREAPER) on different nodes. Whose the children
 * of a process will be is settled before it ends, because the kernel gives them away in one
 * go:
 *
 *	where it ends		looks for the nearest subreaper above it, over the nodes
 *				that its ancestors are on (KIN_REAPER), and tells that one's
 *				node of the children (KIN_ADOPT)
 *	the subreaper's		has stubs of them, which are its children from then on, and
 *				tells the node of each (KIN_PARENT)
 *	a child's		has a stub of the subreaper, whose child it is from then on
 *
 * Then it ends, and whether groups of theirs are orphans' now is seen to (orphan.h). The dead
 * among its children are left to the kernel, and to pando-init, and how they ended is told to
 * their new stubs. Whoever could not be settled is pando-init's; so are the children of who is
 * lost with its node.
 */
#ifndef _PANDO_REAPER_H
#define _PANDO_REAPER_H

#include "hooks.h"

extern struct pando_hook pando_reaper_hooks[];
extern const int pando_reaper_nhooks;

/*
 * Has @pid ended, and its parent is at that, so that whoever wants to be told of its end
 * will be when the kernel gives it away? Process context.
 */
bool pando_reaper_leaves(u32 pid);

/* Is it a process of this node that is at that? Any context. */
bool pando_reaper_is_leaver(struct task_struct *task);

int pando_reaper_init(void);
void pando_reaper_exit(void);

#endif
