/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages of one process that are still to come: runs of addresses, where
 * each page is at the source, and what is known of it. Kept right under what
 * the process does to its memory meanwhile (unmap, move, fork). No I/O here.
 */
#ifndef LAZY_H
#define LAZY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pagemap.h"

enum lazy_state {
	LAZY_ABSENT,		/* nobody asked for it */
	LAZY_WANTED,		/* on its way */
	LAZY_PRESENT,		/* in its place, or known to be zeros */
	LAZY_STATE = 3,
	LAZY_FAULT = 4,		/* a thread waits for it */
};

struct lazy_run {
	uint64_t addr;		/* here */
	uint64_t source;	/* there */
	uint64_t pages;
	uint8_t *state;
};

struct lazy {
	struct lazy_run *run;	/* by addr, disjoint */
	size_t n;
	uint64_t missing;	/* pages that are not LAZY_PRESENT */
	size_t cursor;		/* where lazy_next() goes on: run, page */
	uint64_t page;
};

int lazy_init(struct lazy *l, const struct pagemap_run *run, size_t n);
int lazy_clone(struct lazy *to, const struct lazy *from);
void lazy_free(struct lazy *l);

/* The state of the page at @addr, or NULL when it is none of ours. */
uint8_t *lazy_at(struct lazy *l, uint64_t addr, uint64_t *source);
/* Where the page that is at @source there belongs here; false: nowhere. */
bool lazy_place(const struct lazy *l, uint64_t source, uint64_t *addr);
/*
 * The next pages that are ABSENT, at most @max that follow each other: how
 * many, and they are WANTED now. 0: there are no more.
 */
unsigned int lazy_next(struct lazy *l, unsigned int max, uint64_t *source);
/* Pages that lazy_next() gave, at the source, are not WANTED after all. */
void lazy_unwant(struct lazy *l, uint64_t source, unsigned int n);
void lazy_set(struct lazy *l, uint8_t *state, enum lazy_state to);

/* [addr, addr + len) is gone, or its content is. */
int lazy_drop(struct lazy *l, uint64_t addr, uint64_t len);
/* [from, from + len) is at @to now. */
int lazy_move(struct lazy *l, uint64_t from, uint64_t to, uint64_t len);

#endif
