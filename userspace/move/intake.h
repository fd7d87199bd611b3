/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes what comes ahead of the process: the source lists pages round by
 * round, and they are fetched into the store.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include "dirty.h"
#include "landed_segments.h"
#include "move.h"
#include "pages.h"
#include "peer.h"
#include "store.h"

/* What is asked for on its behalf. */
#define INTAKE_COOKIE	UINT64_MAX

struct intake {
	struct move *m;
	struct page_puller *puller;
	struct store *store;
	struct landed_segments *segments;
	struct dirty_runs runs;		/* of the round at hand */
	uint64_t at;			/* the next to ask for */
	size_t hint;
	unsigned int flying;
	unsigned int unweighed;		/* pages since memory was looked at */
	unsigned int round;
	bool busy;			/* it is to be answered */
	bool last;			/* the source is frozen */
	bool lazy;			/* and has more, for when it runs */
};

int intake_map(struct intake *in, const struct peer_message *msg);
/* Asks for what can be asked for, and tells the source when all is there. */
int intake_work(struct intake *in);
/* Is all there that the rounds so far have listed? */
bool intake_done(const struct intake *in);
/* What came with INTAKE_COOKIE. */
int intake_store(struct intake *in, const struct page_news *news);
void intake_free(struct intake *in);

#endif
