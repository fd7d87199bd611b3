// SPDX-License-Identifier: GPL-2.0-only
/* Which fragments to ask for, and which came: see dpdk_flow.h. */
#include <errno.h>
#include <string.h>

#include "dpdk_flow.h"

#define WINDOW_FIRST	32u
#define WINDOW_LEAST	8u
#define RTO_FIRST	100000u		/* us */
#define RTO_LEAST	2000u
#define RTO_MOST	1000000u
#define OVERTAKEN	3u		/* by so many: it is lost, not late */

static bool bit(const uint64_t *map, unsigned int i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void set(uint64_t *map, unsigned int i)
{
	map[i / 64] |= 1ull << (i % 64);
}

static void clear(uint64_t *map, unsigned int i)
{
	map[i / 64] &= ~(1ull << (i % 64));
}

void flow_init(struct flow *f, unsigned int fragment)
{
	memset(f, 0, sizeof(*f));
	f->fragment = fragment;
	f->window = WINDOW_FIRST;
	f->threshold = FLOW_WINDOW;
	f->rto = RTO_FIRST;
}

int flow_read(struct flow *f, uint64_t now, uint64_t cookie, void *dst,
	      uint64_t addr, uint32_t key, size_t len)
{
	struct flow_read *r = f->read;

	if (!len || len > FABRIC_READ_MAX)
		return -EINVAL;
	while (r < f->read + FABRIC_READS && r->used)
		r++;
	if (r == f->read + FABRIC_READS)
		return -EBUSY;
	*r = (struct flow_read){
		.used = true, .cookie = cookie, .dst = dst, .addr = addr,
		.key = key, .len = len, .generation = ++f->generation,
		.fragments = flow_fragments(len, f->fragment),
	};
	if (!f->reads++)
		f->progress = now;
	return 0;
}

/* --- asking ------------------------------------------------------------------*/

/* The first fragment that is neither here nor asked for, from r->next on. */
static bool find_open(struct flow_read *r)
{
	while (r->next < r->fragments &&
	       (bit(r->here, r->next) || bit(r->asked, r->next)))
		r->next++;
	return r->next < r->fragments;
}

/* The oldest read first: it is the one that somebody waits for. */
static struct flow_read *choose(struct flow *f)
{
	struct flow_read *best = NULL;

	for (unsigned int i = 0; i < FABRIC_READS; i++) {
		struct flow_read *r = &f->read[i];

		if (r->used && find_open(r) &&
		    (!best || (int32_t)(r->generation - best->generation) < 0))
			best = r;
	}
	return best;
}

bool flow_next(struct flow *f, uint64_t now, struct flow_ask *ask)
{
	unsigned int room = f->window > f->flying ? f->window - f->flying : 0;
	struct flow_flight *flight;
	struct flow_read *r;

	if (!room || f->flights == FLOW_ASKS)
		return false;
	r = choose(f);
	/* not in dribs and drabs, unless it is all there is to ask */
	if (!r || (room < WINDOW_LEAST && f->flying))
		return false;
	*ask = (struct flow_ask){
		.read = r - f->read, .first = r->next,
		.generation = r->generation, .len = r->len, .key = r->key,
		.addr = r->addr,
	};
	for (unsigned int i = 0; i < 64 && r->next < r->fragments && room;
	     i = r->next - ask->first) {
		ask->mask |= 1ull << i;
		set(r->asked, r->next);
		room--;
		f->flying++;
		if (!find_open(r))
			break;
	}
	flight = &f->flight[f->flights++];
	*flight = (struct flow_flight){
		.read = ask->read, .first = ask->first,
		.generation = ask->generation, .left = ask->mask, .at = now,
	};
	for (unsigned int b = 0; b < 64; b++)
		if (ask->mask >> b & 1)
			flight->again |= bit(r->again, ask->first + b);
	return true;
}

/* --- what came, and what did not ---------------------------------------------*/

static void drop_flight(struct flow *f, unsigned int i)
{
	memmove(&f->flight[i], &f->flight[i + 1],
		(--f->flights - i) * sizeof(*f->flight));
}

/* It is to be asked for again. */
static void give_up(struct flow *f, unsigned int i)
{
	struct flow_flight *flight = &f->flight[i];
	struct flow_read *r = &f->read[flight->read];

	for (unsigned int b = 0; b < 64; b++) {
		if (!(flight->left >> b & 1))
			continue;
		f->flying--;
		f->lost++;
		if (!r->used || r->generation != flight->generation)
			continue;
		clear(r->asked, flight->first + b);
		set(r->again, flight->first + b);
		if (r->next > flight->first + b)
			r->next = flight->first + b;
	}
	drop_flight(f, i);
}

/* Once in a round trip: one burst of losses is one sign. */
static void shrink(struct flow *f, uint64_t now, unsigned int to)
{
	if (now < f->held)
		return;
	f->held = now + f->rtt;
	f->threshold = f->window / 2 > WINDOW_LEAST ? f->window / 2 :
						      WINDOW_LEAST;
	f->window = to ? to : f->threshold;
}

/* A fragment came: doubles in a round trip, near the limit grows by one. */
static void grow(struct flow *f)
{
	if (f->window >= FLOW_WINDOW)
		return;
	if (f->window < f->threshold) {
		f->window++;
	} else if (++f->credit >= f->window) {
		f->credit = 0;
		f->window++;
	}
}

/* As RFC 6298 has it. */
static void measure(struct flow *f, uint64_t rtt)
{
	uint64_t diff = rtt > f->rtt ? rtt - f->rtt : f->rtt - rtt;

	if (!f->rtt) {
		f->rtt = rtt;
		f->rttvar = rtt / 2;
	} else {
		f->rttvar = (3 * f->rttvar + diff) / 4;
		f->rtt = (7 * f->rtt + rtt) / 8;
	}
	f->rto = f->rtt + 4 * f->rttvar;
	if (f->rto < RTO_LEAST)
		f->rto = RTO_LEAST;
	if (f->rto > RTO_MOST)
		f->rto = RTO_MOST;
}

static void landed(struct flow *f, uint64_t now, uint16_t read,
		   uint32_t generation, unsigned int fragment)
{
	struct flow_flight *flight;
	unsigned int i, b;

	for (i = 0; i < f->flights; i++) {
		flight = &f->flight[i];
		b = fragment - flight->first;
		if (flight->read == read && flight->generation == generation &&
		    fragment >= flight->first && b < 64 && flight->left >> b & 1)
			break;
	}
	/* given up, and here after all */
	if (i == f->flights)
		return;
	flight->left &= ~(1ull << b);
	f->flying--;
	grow(f);
	if (flight->left)
		return;
	if (!flight->again)
		measure(f, now - flight->at);
	drop_flight(f, i);
	for (unsigned int j = 0; j < i; j++)
		f->flight[j].passed++;
	for (unsigned int j = 0; j < f->flights;) {
		if (f->flight[j].passed < OVERTAKEN) {
			j++;
			continue;
		}
		shrink(f, now, 0);
		give_up(f, j);
	}
}

int flow_data(struct flow *f, uint64_t now, uint16_t read, uint32_t generation,
	      uint16_t first, const void *data, size_t len, uint64_t *cookie)
{
	struct flow_read *r;

	if (read >= FABRIC_READS)
		return -EPROTO;
	r = &f->read[read];
	if (!r->used || r->generation != generation)
		return 0;
	if (first >= r->fragments ||
	    len != flow_bytes(r->len, f->fragment, first))
		return -EPROTO;
	if (bit(r->here, first))
		return 0;
	memcpy(r->dst + (size_t)first * f->fragment, data, len);
	set(r->here, first);
	f->progress = now;
	landed(f, now, read, generation, first);
	if (++r->got < r->fragments)
		return 0;
	*cookie = r->cookie;
	r->used = false;
	f->reads--;
	return 1;
}

void flow_tick(struct flow *f, uint64_t now)
{
	while (f->flights && now - f->flight[0].at > f->rto) {
		/* what was asked before the last pause says nothing new */
		bool news = f->flight[0].at >= f->paused;

		give_up(f, 0);
		if (!news)
			continue;
		f->paused = now;
		shrink(f, now, WINDOW_LEAST);
		f->rto = 2 * f->rto < RTO_MOST ? 2 * f->rto : RTO_MOST;
	}
}
