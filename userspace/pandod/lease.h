/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lease on quorum: until when this node may let its cluster processes run,
 * and from when on the others may do what it might have done. Pure: the caller
 * brings the clock, in nanoseconds, one that never stops or jumps as long as
 * the node is up (CLOCK_BOOTTIME). Nodes need not agree on the time, only, and
 * roughly, on how fast it goes.
 *
 * Each node sends a numbered *pulse* to the group, a few in the length of a
 * lease, and says in it which pulse of each other member it has heard last. A
 * node's lease ends LENGTH after it has *sent* the newest pulse that so many
 * have heard that without them, and without itself, nobody has quorum. Then
 *
 *	s	a node sends a pulse (its clock)
 *	s + L	its lease ends: the guard freezes what runs
 *	h >= s	one of those, M, hears it
 *	g >= h	M is told by the group that the node is gone: from here on it
 *		hears no pulse of it
 *	g + P	M's patience is over
 *
 * Whatever acts in the node's place has quorum, so one of its members is such
 * an M, and it waits for all of its members. So the node is frozen before, if
 * what passes in P of M's clock is more than what passes in L of the node's
 * plus the time the guard needs: P = 3/2 L leaves half a lease for both, where
 * clocks differ by less than a thousandth and a freezer takes milliseconds.
 */
#ifndef PANDOD_LEASE_H
#define PANDOD_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pando.h>

#define LEASE_PULSES	6	/* sent in the length of a lease */
#define LEASE_KEPT	64	/* whose times are remembered */
#ifndef LEASE_PEERS
#define LEASE_PEERS	128
#endif

/* How votes are counted; see corosync's votequorum(5). */
struct votes {
	unsigned int total;	/* of all there are, present or not */
	unsigned int needed;	/* for quorum; more than half of total */
};

static inline bool votes_quorate(const struct votes *v, unsigned int have)
{
	return have >= v->needed;
}

/* Without those who have these nobody has quorum. */
static inline bool votes_blocking(const struct votes *v, unsigned int have)
{
	return have + v->needed > v->total;
}

struct lease_peer {
	uint16_t id;
	unsigned int votes;
	uint64_t heard;		/* the newest of its pulses; 0: none */
	uint64_t confirmed;	/* the newest of ours that it has heard */
};

/* Zeroed, with @length set, it is ready. */
struct qlease {
	uint64_t length;
	uint64_t until;		/* 0: there is none */
	uint64_t pulse;		/* the last that was sent */
	uint64_t counted;	/* the newest that was heard by enough */
	uint64_t sent[LEASE_KEPT];	/* when, by number modulo LEASE_KEPT */
	struct votes votes;
	unsigned int own;	/* votes */
	unsigned int npeers;
	struct lease_peer peer[LEASE_PEERS];
};

/* No lease, and no members: the view is over, or is no good. */
void qlease_end(struct qlease *q);
/* A view without anybody else in it: its members follow by qlease_peer(). */
void qlease_view(struct qlease *q, const struct votes *v, unsigned int own);
void qlease_peer(struct qlease *q, uint16_t id, unsigned int votes);
/*
 * All members of the view have heard something that was sent at @when, other
 * than a pulse: that is as good.
 */
void qlease_all_heard(struct qlease *q, uint64_t when);
/* The number of a pulse that is sent now. */
uint64_t qlease_send(struct qlease *q, uint64_t now);
/* A pulse of @from; @ours: the newest of ours that it has heard, 0 for none. */
void qlease_hear(struct qlease *q, uint16_t from, uint64_t pulse,
		 uint64_t ours);

/* --- the other side of it ----------------------------------------------------*/

struct patience {
	uint64_t length;
	uint64_t since[PANDO_NODE_MAX + 1];	/* gone; 0: here, or never seen */
};

static inline uint64_t patience_of(uint64_t lease)
{
	return lease + lease / 2;
}

/* The group's members changed, now; @now is never 0. */
void patience_config(struct patience *p, const uint16_t *ids, size_t n,
		     uint64_t now);
bool patience_over(const struct patience *p, uint16_t id, uint64_t now);

#endif
