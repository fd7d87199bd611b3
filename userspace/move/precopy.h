/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pre-copy: memory goes ahead to the target while the process runs, round
 * after round, each round what changed since the last one.
 *
 * A round stops each process for a blink, reads its pagemap and resets the
 * soft-dirty bits; then it runs, and the target fetches what the round lists.
 * A page that is written while it is read is soft-dirty again, and comes once
 * more. The last round is the one in the freeze, without a reset.
 *
 * Soft-dirty is kept for each page table entry, and a transparent huge page
 * has one for 512 pages. So huge pages that changed are split: MADV_COLD on a
 * part of one does that, from outside too, and costs no more than the place
 * of a page in the list of old pages.
 *
 * mremap() may leave no soft-dirty bit behind. What it moves and moves back
 * between two looks would show in nothing, while the target read something else
 * there in between: so the kernel module marks it (PANDO_IOC_WATCH).
 */
#ifndef PRECOPY_H
#define PRECOPY_H

#include "dirty.h"
#include "move.h"
#include "peer.h"
#include "tree.h"

struct precopy {
	struct move *m;
	const uint64_t *sent;
	int64_t told_ms;
	bool lazy;			/* what is left comes after it */
	bool on;			/* this kernel and process allow it */
	int watch;			/* of mappings that move */
	struct dirty dirty;
	struct dirty_runs runs;		/* of the round at hand */
	struct segments *segments;	/* whose pages go with these */
	uint64_t *entry;		/* of a mapping: in the window */
	uint64_t *window;		/* of page table entries, as they were read */
	uint64_t first;			/* page of the first of them */
	size_t entries, room;		/* how many; bytes for them */
	uint64_t *huge;			/* addresses of huge pages to split */
	size_t nhuge;
	size_t hint;			/* where the target asked last */
	unsigned int rounds;		/* that were sent */
	unsigned int stale;
	bool frozen;
	/* figures of the last round */
	uint64_t round_pages;
	int64_t round_ns;		/* that it took to travel */
	int64_t scan_ns;		/* when it was looked at */
	int64_t stop_ns;		/* longest stop of a round yet */
	double rate;			/* bytes a second that travel */
	double dirty_rate;		/* bytes a second that change */
	double expected_ms;		/* to send what is dirty now */
};

/*
 * Looks at what the kernel can do; not to be on is no error. @sent: where the
 * bytes are counted that travelled.
 */
void precopy_start(struct precopy *p, struct move *m, struct segments *segments,
		   const uint64_t *sent);
/*
 * Rounds until what is left is small, or does not get smaller. @pump waits a
 * while and serves; it and what follows return negative errnos after a word.
 */
int precopy_run(struct precopy *p, int (*pump)(void *arg), void *arg);
/* The tree is frozen: what changed since the last round. */
int precopy_last(struct precopy *p, const struct tree *t);
/*
 * Reads @n pages from @position of the last list on. Before the freeze some
 * may be gone: they are noted, and their bits set in *@missing.
 */
int precopy_read(struct precopy *p, uint64_t position, unsigned int n,
		 uint8_t *dst, uint64_t *missing);
void precopy_free(struct precopy *p);

#endif
