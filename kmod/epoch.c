// SPDX-License-Identifier: GPL-2.0-only
/* Epochs: see epoch.h for the picture. */
#include "epoch.h"

void pando_epoch_init(struct pando_epoch *e)
{
	e->number = 0;
	e->phase = PANDO_EPOCH_NONE;
}

int pando_epoch_stop(struct pando_epoch *e, u64 number)
{
	if (number <= e->number)
		return -ESTALE;
	e->number = number;
	e->phase = PANDO_EPOCH_STOPPED;
	return 0;
}

/* One legal step of the epoch that was announced last. */
static int step(struct pando_epoch *e, u64 number, enum pando_epoch_phase from,
		enum pando_epoch_phase to)
{
	if (number != e->number || e->phase != from)
		return -ESTALE;
	e->phase = to;
	return 0;
}

int pando_epoch_members(struct pando_epoch *e, u64 number)
{
	return step(e, number, PANDO_EPOCH_STOPPED, PANDO_EPOCH_MEMBERS);
}

int pando_epoch_start(struct pando_epoch *e, u64 number)
{
	return step(e, number, PANDO_EPOCH_MEMBERS, PANDO_EPOCH_RECOVERING);
}

int pando_epoch_done(struct pando_epoch *e, u64 number)
{
	return step(e, number, PANDO_EPOCH_RECOVERING, PANDO_EPOCH_RUNNING);
}

enum pando_epoch_verdict pando_epoch_check(const struct pando_epoch *e,
					   u64 msg_epoch)
{
	if (msg_epoch < e->number)
		return PANDO_EPOCH_STALE;
	if (msg_epoch > e->number || e->phase < PANDO_EPOCH_MEMBERS)
		return PANDO_EPOCH_PARK;
	return PANDO_EPOCH_ACCEPT;
}
