/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who runs away from home: told to the homes in recovery, which node.c runs,
 * and when such a task ends. The directory (locate.c) is kept true by it.
 */
#ifndef _PANDO_RECOVER_H
#define _PANDO_RECOVER_H

#include <linux/types.h>

struct pando_member;

/*
 * Sends every home the list of its PIDs that run here (message GUESTS, in
 * pieces). Called by the recovery worker after all connections stand; may
 * sleep. -EINTR when pando_nodes_epoch() is no longer @epoch.
 */
int pando_recover_report(u64 epoch);

/*
 * A new MEMBERS list of @n is in force: forget hints. @complete: as in uapi;
 * when all have reported, numbers that nobody has are forgotten.
 */
void pando_recover_members(u64 epoch, const struct pando_member *list, int n,
			   bool complete);

/* Of the member @node, 0 if it is none; under pando_locate_lock. */
u64 pando_recover_incarnation(u16 node);

/*
 * Have all members said what they have of ours? Then what is not known is not
 * with any of them. Under pando_locate_lock.
 */
bool pando_recover_heard_all(void);

/*
 * Nobody is missing who may have any: what a home does not find then is nowhere.
 * Takes pando_locate_lock.
 */
bool pando_recover_is_complete(void);

/* The guest @pid has ended here: its home will be told. Any context. */
void pando_recover_gone(u32 pid);

/*
 * A process with stubs elsewhere ends here: should its number be ours, it is
 * not handed out before pando_recover_ended(). Any context.
 */
void pando_recover_pin(u32 pid);
/* All who hold stubs know it, and nobody keeps it. Sleeps. */
void pando_recover_ended(u32 pid);
/* A process ended elsewhere, and its stub here is what is left. Sleeps. */
void pando_recover_left(u32 pid);

/* Forgets the members and ends what is under way (DETACH). May sleep. */
void pando_recover_reset(void);

int pando_recover_init(void);
void pando_recover_exit(void);

#endif
