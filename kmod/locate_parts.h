/* SPDX-License-Identifier: GPL-2.0-only */
/* What locate.c, locate_moves.c and recover.c share: the directory of this node. */
#ifndef _PANDO_LOCATE_PARTS_H
#define _PANDO_LOCATE_PARTS_H

#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "directory.h"

/*
 * Taken with interrupts off, for the end of a task takes it below
 * tasklist_lock. No other lock is taken inside it.
 */
extern spinlock_t pando_locate_lock;
extern struct pando_directory pando_locate_dir;	/* pando_locate_lock */

/* Told of each process that has moved. */
extern struct blocking_notifier_head pando_locate_moved_chain;

/* Under the lock, after RESERVED or LEAVING were changed. */
void pando_locate_note_moving(void);

/* Is this known of it? Any context. */
bool pando_locate_is_kind(u32 pid, enum pando_dir_kind kind);

#endif
