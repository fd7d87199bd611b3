/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the time of a move went, as its two movers tell it. */
#ifndef PANDOD_MARKS_H
#define PANDOD_MARKS_H

#include "pando.h"

#define MARKS_MAX	32

struct marks {
	struct mark {
		char name[16];
		int64_t at_ns;	/* the cluster's CLOCK_MONOTONIC */
	} v[MARKS_MAX];
	uint32_t n;
};

void marks_note(struct marks *m, const Pando__MoveEvent *e);
/*
 * The phases between them, by time: how many. Both arrays have MARKS_MAX
 * places; names point into @m.
 */
uint32_t marks_phases(struct marks *m, Pando__MovePhase *phase,
		      Pando__MovePhase **phases);

#endif
