/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which view of the cluster is in force. Pure: the caller serialises the
 * changes; pando_epoch_check() may run beside them under the caller's lock.
 *
 *   STOPPED --members--> MEMBERS --start--> RECOVERING --done--> RUNNING
 *      ^                    |                   |                   |
 *      +------- stop(newer) +-------------------+-------------------+
 */
#ifndef _PANDO_EPOCH_H
#define _PANDO_EPOCH_H

#include "pure.h"

/* The same numbers as enum pando_state in the uapi header. */
enum pando_epoch_phase {
	PANDO_EPOCH_NONE,
	PANDO_EPOCH_STOPPED,
	PANDO_EPOCH_MEMBERS,
	PANDO_EPOCH_RECOVERING,
	PANDO_EPOCH_RUNNING,
};

/**
 * struct pando_epoch - where this node stands
 * @number: newest epoch that was announced; 0 before the first
 * @phase: how far it has come
 */
struct pando_epoch {
	u64 number;
	enum pando_epoch_phase phase;
};

/* What to do with a message. */
enum pando_epoch_verdict {
	PANDO_EPOCH_ACCEPT,
	PANDO_EPOCH_STALE,	/* answer -ESTALE: the sender is behind */
	PANDO_EPOCH_PARK,	/* keep it: this node is behind */
};

void pando_epoch_init(struct pando_epoch *e);

/* Steps return 0, or -ESTALE when they do not fit what was said before. */
int pando_epoch_stop(struct pando_epoch *e, u64 number);
int pando_epoch_members(struct pando_epoch *e, u64 number);
int pando_epoch_start(struct pando_epoch *e, u64 number);
int pando_epoch_done(struct pando_epoch *e, u64 number);

/*
 * A message carries the epoch its sender was in. Equal numbers are accepted
 * once the list of members is in force here (recovery itself talks), before
 * that they wait.
 */
enum pando_epoch_verdict pando_epoch_check(const struct pando_epoch *e,
					   u64 msg_epoch);

/* May a new request of this node leave now? Recovery's own always may. */
static inline bool pando_epoch_open(const struct pando_epoch *e)
{
	return e->phase == PANDO_EPOCH_RECOVERING ||
	       e->phase == PANDO_EPOCH_RUNNING;
}

#endif
