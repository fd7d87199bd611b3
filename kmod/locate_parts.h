/* SPDX-License-Identifier: GPL-2.0-only */
/* What alloc.c, locate*.c and recover.c share: the directory of this node. */
#ifndef _PANDO_LOCATE_PARTS_H
#define _PANDO_LOCATE_PARTS_H

#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "directory.h"
#include "pidspace.h"

/*
 * Taken with interrupts off, for the end of a task takes it below
 * tasklist_lock. No other lock is taken inside it.
 */
extern spinlock_t pando_locate_lock;
extern struct pando_directory pando_locate_dir;	/* pando_locate_lock */

/* Told of each process that has moved. */
extern struct blocking_notifier_head pando_locate_moved_chain;

/* RESERVED, LEAVING or ARRIVED were changed: are there any now? Under the lock. */
void pando_locate_set_gates(void);

/* One of another home has gone from here: is there any left? Any context. */
void pando_locate_guest_left(void);
void pando_locate_lease_reset(void);

/**
 * struct pando_locate_quick - what every fork looks at
 * @run: blocks of ours where the last number was chosen, of which nobody is away or about
 *	to come (pidspace.h); in its upper half pando_locate_dir.shutting, as it was then
 * @limit: while fewer numbers are in use the daemon need not be asked for more
 * @margin: so many others may be about to take one
 *
 * Each read and written at once; @run under pando_locate_lock, but that a new map makes it 0,
 * and once more when nobody looks at the old one.
 */
extern struct pando_locate_quick {
	u64 run;
	u32 limit, margin;
} pando_locate_quick;

/*
 * Is the first number from @from on that has no struct pid here in @run, and one for a new
 * task? @taken: how many are in use here.
 */
static inline bool pando_locate_goes_on(u64 run, u32 from, u32 taken)
{
	u32 away = READ_ONCE(pando_locate_dir.count[PANDO_DIR_AWAY]);

	/* so that one is free among those ahead */
	return run >> 32 == READ_ONCE(pando_locate_dir.shutting) &&
	       pando_pidspace_ahead(run, from) > taken + READ_ONCE(pando_locate_quick.margin) &&
	       taken + away < READ_ONCE(pando_locate_quick.limit);
}

/* Was @nr, which was taken meanwhile, in @run, and is all as it was? */
static inline bool pando_locate_went_on(u64 run, u32 nr)
{
	return READ_ONCE(pando_locate_quick.run) == run &&
	       run >> 32 == READ_ONCE(pando_locate_dir.shutting) &&
	       pando_pidspace_ahead(run, nr);
}

/* Is this known of it? Any context. */
bool pando_locate_is_kind(u32 pid, enum pando_dir_kind kind);

#endif
