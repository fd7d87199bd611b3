/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads over a link that loses, repeats and reorders frames: which fragments to
 * ask for next, and which have come. The reader alone decides: what it has asked
 * for and not yet got is bounded by a window that grows while nothing is lost
 * and shrinks when something is, so that the rate fits the link. Plain C, no
 * clock of its own and no input or output: times are microseconds that the
 * caller gives, and only grow.
 */
#ifndef DPDK_FLOW_H
#define DPDK_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabric.h"

#define FLOW_FRAGMENT	1024u		/* the smallest */
#define FLOW_FRAGMENTS	(FABRIC_READ_MAX / FLOW_FRAGMENT)
#define FLOW_ASKS	64u		/* under way at once */
#define FLOW_WINDOW	384u		/* fragments: fewer than ports have buffers */

/* A question for up to 64 fragments. */
struct flow_ask {
	uint16_t read;
	uint16_t first;
	uint32_t generation;
	uint32_t len;			/* of the read */
	uint32_t key;
	uint64_t addr;
	uint64_t mask;
};

struct flow_read {
	bool used;
	uint64_t cookie;
	uint8_t *dst;
	uint64_t addr;
	uint32_t key;
	uint32_t len;
	uint32_t generation;
	unsigned int fragments, got;
	unsigned int next;		/* none is to be asked for below it */
	uint64_t here[FLOW_FRAGMENTS / 64];
	uint64_t asked[FLOW_FRAGMENTS / 64];
	uint64_t again[FLOW_FRAGMENTS / 64];	/* were lost once */
};

/* A question that was put: @left has not come. */
struct flow_flight {
	uint16_t read, first;
	uint32_t generation;
	uint64_t left;
	uint64_t at;
	unsigned int passed;		/* later ones that came whole */
	bool again;			/* no measure of the round trip */
};

struct flow {
	unsigned int fragment;		/* bytes */
	struct flow_read read[FABRIC_READS];
	unsigned int reads;		/* used */
	unsigned int turn;		/* whose reads are asked for first */
	uint32_t generation;
	struct flow_flight flight[FLOW_ASKS];	/* in the order of asking */
	unsigned int flights;
	unsigned int flying;		/* fragments */
	unsigned int window, threshold;
	unsigned int credit;		/* towards one more */
	uint64_t rtt, rttvar, rto;	/* us */
	uint64_t progress;		/* when the last new fragment came */
	uint64_t held;			/* no second cut of the window until then */
	uint64_t paused;		/* when the last pause began */
	uint64_t lost;			/* fragments that were asked for again */
};

/* @fragment: bytes of payload a frame, FLOW_FRAGMENT at least. */
void flow_init(struct flow *f, unsigned int fragment);
/* -EBUSY: FABRIC_READS are under way; -EINVAL: nothing, or too much. */
int flow_read(struct flow *f, uint64_t now, uint64_t cookie, void *dst,
	      uint64_t addr, uint32_t key, size_t len);
/* Is there something to ask for now? Then @ask is what. */
bool flow_next(struct flow *f, uint64_t now, struct flow_ask *ask);
/*
 * A fragment came. 1 when the read is complete with it: @cookie. 0, or -EPROTO
 * when it is no part of what was asked for; a repeated or late one is no error.
 */
int flow_data(struct flow *f, uint64_t now, uint16_t read, uint32_t generation,
	      uint16_t first, const void *data, size_t len, uint64_t *cookie);
/* What did not come in time is to be asked for again. Call it often. */
void flow_tick(struct flow *f, uint64_t now);

/* The fragments of a read of @len bytes. */
static inline unsigned int flow_fragments(uint32_t len, unsigned int fragment)
{
	return (len + fragment - 1) / fragment;
}

/* The bytes of fragment @i. */
static inline uint32_t flow_bytes(uint32_t len, unsigned int fragment,
				  unsigned int i)
{
	uint32_t off = i * fragment;

	return len - off < fragment ? len - off : fragment;
}

#endif
