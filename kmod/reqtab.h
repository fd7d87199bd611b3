/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The requests that one node has under way at one peer. Pure: the caller holds
 * its own lock around every call and owns the memory of the entries, which
 * stand in the table from add until take, cancel or pop.
 *
 * An id is a sequence number with the table's slot in its low bits: ids grow,
 * never come twice, and are found without search. What the peer may forget is
 * told by pando_reqtab_acked(): it is held back by requests that must not run
 * twice, and by those only, so a slow read of a file delays nobody's memory.
 */
#ifndef _PANDO_REQTAB_H
#define _PANDO_REQTAB_H

#include "pure.h"

#define PANDO_REQTAB_SHIFT	8
#define PANDO_REQTAB_WINDOW	(1 << PANDO_REQTAB_SHIFT)
/* Requests that may start after one that must not run twice and still runs. */
#define PANDO_REQTAB_SPAN	512

/**
 * struct pando_req - one request under way
 * @id: given by pando_reqtab_add(), 0 outside of a table
 * @once: must not be executed twice
 * @prev: the one before among those with the same @once, by age
 * @next: the one after
 */
struct pando_req {
	u64 id;
	bool once;
	struct pando_req *prev;
	struct pando_req *next;
};

/**
 * struct pando_reqtab - table of requests under way
 * @seq: last sequence number given out
 * @used: entries in the table
 * @head: oldest entry, for requests that may be repeated and that may not
 * @tail: youngest, likewise
 * @nfree: free slots
 * @free: their numbers
 * @slot: entries
 */
struct pando_reqtab {
	u64 seq;
	unsigned int used;
	struct pando_req *head[2];
	struct pando_req *tail[2];
	unsigned int nfree;
	u16 free[PANDO_REQTAB_WINDOW];
	struct pando_req *slot[PANDO_REQTAB_WINDOW];
};

void pando_reqtab_init(struct pando_reqtab *tab);

/* Would pando_reqtab_add() succeed? */
bool pando_reqtab_room(const struct pando_reqtab *tab);

/* Gives @req an id. -EAGAIN when the window is full. */
int pando_reqtab_add(struct pando_reqtab *tab, struct pando_req *req,
		     bool once);

/* The entry stays in the table. NULL for an id that is not under way. */
struct pando_req *pando_reqtab_find(const struct pando_reqtab *tab, u64 id);

/* As find, and removes it: a second reply to an id finds nothing. */
struct pando_req *pando_reqtab_take(struct pando_reqtab *tab, u64 id);

/* Removes @req. False if it was taken, cancelled or popped before. */
bool pando_reqtab_cancel(struct pando_reqtab *tab, struct pando_req *req);

/* Removes and returns any entry; NULL when the table is empty. */
struct pando_req *pando_reqtab_pop(struct pando_reqtab *tab);

/* All replies to non-idempotent requests below this id have come. */
u64 pando_reqtab_acked(const struct pando_reqtab *tab);

/* All entries, in no order. @fn must not change the table. */
void pando_reqtab_each(struct pando_reqtab *tab,
		       void (*fn)(struct pando_req *req, void *arg), void *arg);

#endif /* _PANDO_REQTAB_H */
