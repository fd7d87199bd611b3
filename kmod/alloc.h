/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers for new tasks; the hooks themselves are named in hooks.h. */
#ifndef _PANDO_ALLOC_H
#define _PANDO_ALLOC_H

#include <linux/types.h>

/*
 * A number that was given to a task by the struct pid which others have as
 * well (a stub, the members of a group) needs no such care any more: the task
 * is there, or is not wanted. 0: all numbers that no move has reserved. Sleeps.
 */
void pando_alloc_unshare(u32 nr);

int pando_alloc_init(void);	/* before the hooks are installed */
void pando_alloc_exit(void);

#endif
