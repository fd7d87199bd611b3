/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What recovery and the directory's messages need of each other: node.c runs
 * the recovery, locate.c owns the directory (directory.c) and its lock.
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
int pando_locate_report(u64 epoch);

/*
 * A new MEMBERS list of @n is in force: forget hints, and what was noted about
 * incarnations that are gone for good. @complete: as in uapi.
 */
void pando_locate_members(u64 epoch, const struct pando_member *list, int n,
			  bool complete);

#endif
