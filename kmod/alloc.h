/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers for new tasks; the hooks themselves are named in hooks.h. */
#ifndef _PANDO_ALLOC_H
#define _PANDO_ALLOC_H

#include <linux/atomic.h>
#include <linux/types.h>

/*
 * What there is for which something has to be done when a number is given back, spread
 * groups (kin.h) apart: zero is the rule. One for each number that is shared, for each
 * terminal whose front another node has asked for, while there are numbers of other homes,
 * and while anybody is about to come, has come, or is on his way out (directory.h).
 */
extern atomic_t pando_free_gate;

/*
 * Numbers that were given to a task by the struct pid which others have as well
 * (a stub, the members of a group) need no such care any more where the task is
 * there, or was not made. Sleeps. While there are any a worker looks, too.
 */
void pando_alloc_unshare(void);

void pando_alloc_reset(void);	/* DETACH, when no hook is in use */
int pando_alloc_init(void);	/* before the hooks are installed */
void pando_alloc_exit(void);

struct pid;
/*
 * A group's or session's number may be needed where neither its leader nor a
 * member is. Makes one, without a task, if there is none; when its member has
 * come, or not, that is said, and it goes if nobody has it. 0, or what
 * alloc_pid() says. Process context.
 */
int pando_alloc_number(u32 nr, struct pid **made);
void pando_alloc_number_done(struct pid *made);
/* A task has left @pid as its group or session: it goes if nobody has it. Under tasklist_lock. */
void pando_alloc_left(struct pid *pid);

#endif
