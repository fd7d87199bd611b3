/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page protocol, on top of a fabric: the target asks for runs of pages of
 * a frozen process and gets each into its hands once.
 *
 *	target				source
 *				<-	OFFER  slots, their memory and key
 *	WANT   id, pid, addr, n	->
 *		and some more, and which slots are free again
 *					reads them into free slots
 *				<-	HERE   id, slot, zeros, missing
 *						of each of them
 *	(fabric reads of the slots)
 *
 * One message asks for PAGES_BATCH runs where so many are to be asked for: what
 * a small packet costs, on a wire and to those who wake up for it, is the same
 * whatever is in it.
 *
 * With pid 0 addr is a position in the list of pages that both sides have
 * (peer.h, MAP), so that pages that lie far apart travel together.
 *
 * A run is at most PAGES_RUN pages, and at most `slots` are under way, so that
 * the source always has a slot free for what is asked. Pages of zeros do not
 * travel, nor do those that are not there any more: HERE has a bit for each,
 * and the others stand packed in the slot. A run that cannot be read comes as
 * HERE with an errno.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fabric.h"

#define PAGES_RUN	64u		/* one bit each in HERE */
#define PAGES_SLOTS	16u
#define PAGES_BATCH	4u		/* runs that one message asks for */
#define PAGE		4096u

/* --- source ----------------------------------------------------------------*/

/*
 * Fills @dst with @n pages at @addr of @pid, or from position @addr on of the
 * list with @pid 0: 0 or a negative errno. Bit i of *@missing is set where
 * there is none, and that is no error.
 */
typedef int (*page_reader)(void *arg, pid_t pid, uint64_t addr, unsigned int n,
			   uint8_t *dst, uint64_t *missing);

struct page_server {
	struct fabric *fabric;
	page_reader reader;
	void *arg;
	uint8_t *slots;
	size_t size;
	struct fabric_region region;
	uint32_t busy;			/* one bit a slot */
	uint64_t pages;			/* that were asked for */
	uint64_t bytes;			/* that were put on offer */
};

/* Registers the slots and offers them. */
int page_server_start(struct page_server *s, struct fabric *f,
		      page_reader reader, void *arg);
/* A message of the fabric: 0, or -EPROTO when it is not to be believed. */
int page_server_message(struct page_server *s, const uint8_t *msg, size_t len);
void page_server_free(struct page_server *s);

/* --- target ----------------------------------------------------------------*/

/* What arrived of a run that was asked for. */
struct page_news {
	uint64_t cookie;		/* what was given then */
	uint64_t addr;			/* as asked: an address, or a position */
	unsigned int n;
	uint64_t zero;			/* bit i: page i is zeros */
	uint64_t missing;		/* ... it is not there any more */
	const uint8_t *data;		/* the others, one after the other */
};
typedef int (*page_store)(void *arg, const struct page_news *news);

struct page_run {
	enum { RUN_FREE, RUN_QUEUED, RUN_WANTED, RUN_HERE, RUN_READING } state;
	uint64_t cookie;
	pid_t pid;
	uint64_t addr;
	unsigned int n;
	uint64_t zero, missing;
	unsigned int slot;
};

struct page_puller {
	struct fabric *fabric;
	page_store store;
	void *arg;
	uint8_t *land;			/* where reads land, a run each */
	size_t size;
	bool offered;
	uint64_t addr;			/* the source's slots */
	uint32_t key;
	unsigned int slots;
	unsigned int reads;		/* under way */
	unsigned int reads_max;
	unsigned int busy;		/* runs under way */
	bool full;			/* until a whole batch has room */
	uint32_t release;		/* slots that are read, to be told */
	uint16_t queue[PAGES_BATCH];	/* runs that are still to be asked for */
	unsigned int queued;
	struct page_run run[PAGES_SLOTS];
	uint64_t pages;			/* that came, zeros too */
	uint64_t bytes;			/* that travelled */
};

int page_puller_start(struct page_puller *p, struct fabric *f,
		      page_store store, void *arg);
/* Has another run room? */
bool page_puller_room(const struct page_puller *p);
/*
 * Is it time to ask for another run, of those that nobody waits for? They are
 * asked for in batches.
 */
bool page_puller_ready(const struct page_puller *p);
/* Where there is room. It goes out with others, or at the next push. */
int page_puller_want(struct page_puller *p, uint64_t cookie, pid_t pid,
		     uint64_t addr, unsigned int n);
/* Nothing more comes for now: asks for what is queued. */
int page_puller_push(struct page_puller *p);
/* An event of the fabric. */
int page_puller_event(struct page_puller *p, const struct fabric_event *ev);
void page_puller_free(struct page_puller *p);

#endif
