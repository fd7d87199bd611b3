// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/dpdk_flow.c
/*
 * Reads over a link that loses, repeats and reorders, in virtual time: every
 * byte arrives once and in its place, the window finds the rate of a slow link
 * without flooding it, and what nobody asked for is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/dpdk_flow.h"

#define MIB		(1u << 20)
#define EVENTS		65536
#define QUEUE		128		/* frames that wait at the slow link */

/* A frame on its way: a question, or one fragment. */
struct frame {
	uint64_t at, serial;
	bool data;
	struct flow_ask ask;
	unsigned int fragment;
};

static struct {
	struct frame frame[EVENTS];	/* a heap would be quicker: this is enough */
	int frames;
	uint64_t now, busy;		/* the link is busy until then */
	unsigned int lose, repeat, swap;	/* per mille */
	uint64_t delay, per_frame;
	uint64_t sent, dropped, serial;
} net;

static uint8_t remote[4 * MIB], local[4 * MIB];
static struct flow flow;
static unsigned int seed;

static bool chance(unsigned int per_mille)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % 1000 < per_mille;
}

static void post(const struct frame *f)
{
	struct frame *slot;

	if (net.frames == EVENTS || chance(net.lose))
		return;
	slot = &net.frame[net.frames++];
	*slot = *f;
	slot->serial = ++net.serial;
	if (chance(net.swap))
		slot->at += net.delay;
}

/* The source: answers, through a link that takes its time and has an end. */
static void answer(const struct flow_ask *ask)
{
	for (unsigned int i = 0; i < 64; i++) {
		struct frame f = { .data = true, .ask = *ask,
				   .fragment = ask->first + i };

		if (!(ask->mask >> i & 1))
			continue;
		net.sent++;
		if (net.busy < net.now)
			net.busy = net.now;
		if (net.per_frame &&
		    net.busy - net.now > QUEUE * net.per_frame) {
			net.dropped++;
			continue;
		}
		net.busy += net.per_frame;
		f.at = net.busy + net.delay;
		post(&f);
		if (chance(net.repeat))
			post(&f);
	}
}

static int next_frame(void)
{
	int best = -1;

	for (int i = 0; i < net.frames; i++) {
		const struct frame *f = &net.frame[i];
		const struct frame *b = &net.frame[best < 0 ? i : best];

		if (best < 0 || f->at < b->at ||
		    (f->at == b->at && f->serial < b->serial))
			best = i;
	}
	return best;
}

/* Until @total bytes are here, or a minute of virtual time is over. */
static bool run(unsigned int fragment, size_t total, size_t each)
{
	size_t asked = 0, done = 0;
	struct flow_ask ask;
	uint64_t cookie;
	int i, ret;

	for (size_t j = 0; j < sizeof(remote); j++)
		remote[j] = j * 2654435761u >> 13;
	memset(local, 0, sizeof(local));
	net.frames = 0;
	net.busy = 0;
	net.sent = net.dropped = 0;
	flow_init(&flow, fragment);
	while (done < total && net.now < 60000000) {
		while (asked < total) {
			size_t n = total - asked < each ? total - asked : each;

			if (flow_read(&flow, net.now, n, local + asked, asked, 0, n))
				break;
			asked += n;
		}
		while (flow_next(&flow, net.now, &ask)) {
			struct frame f = { .at = net.now + net.delay, .ask = ask };

			post(&f);
		}
		i = next_frame();
		if (i < 0 || net.frame[i].at > net.now + 500) {
			net.now += 500;
		} else {
			struct frame f = net.frame[i];

			net.frame[i] = net.frame[--net.frames];
			if (f.at > net.now)
				net.now = f.at;
			if (f.data) {
				uint32_t off = f.fragment * fragment;

				ret = flow_data(&flow, net.now, f.ask.read,
						f.ask.generation, f.fragment,
						remote + f.ask.addr + off,
						flow_bytes(f.ask.len, fragment,
							   f.fragment), &cookie);
				if (ret < 0)
					return false;
				if (ret)
					done += cookie;
			} else {
				answer(&f.ask);
			}
		}
		flow_tick(&flow, net.now);
	}
	return done == total && !flow.reads && !memcmp(local, remote, total);
}

static void link_is(uint64_t delay, uint64_t per_frame, unsigned int lose,
		    unsigned int repeat, unsigned int swap)
{
	net.now = 0;
	net.delay = delay;
	net.per_frame = per_frame;
	net.lose = lose;
	net.repeat = repeat;
	net.swap = swap;
}

TEST(refuses)
{
	uint8_t dst[4096], byte = 7;
	struct flow_ask ask;
	uint64_t cookie = 0;

	flow_init(&flow, FLOW_FRAGMENT);
	CHECK_EQ(flow_read(&flow, 0, 1, dst, 0, 0, 0), -EINVAL);
	CHECK_EQ(flow_read(&flow, 0, 1, dst, 0, 0, FABRIC_READ_MAX + 1), -EINVAL);
	CHECK(!flow_next(&flow, 0, &ask));
	CHECK_EQ(flow_read(&flow, 0, 1, dst, 0, 0, 1025), 0);
	/* both fragments are asked for, and once */
	CHECK(flow_next(&flow, 0, &ask));
	CHECK_EQ(ask.mask, 3);
	CHECK(!flow_next(&flow, 0, &ask));
	/* a read that cannot be, one behind the end, one that is too long */
	CHECK_EQ(flow_data(&flow, 1, 99, ask.generation, 0, dst, 1024, &cookie),
		 -EPROTO);
	CHECK_EQ(flow_data(&flow, 1, ask.read, ask.generation, 2, dst, 1,
			   &cookie), -EPROTO);
	CHECK_EQ(flow_data(&flow, 1, ask.read, ask.generation, 1, dst, 1024,
			   &cookie), -EPROTO);
	/* one of another generation is passed over */
	CHECK_EQ(flow_data(&flow, 1, ask.read, ask.generation + 1, 0, dst, 1024,
			   &cookie), 0);
	CHECK_EQ(flow.read[ask.read].got, 0);
	CHECK_EQ(flow_data(&flow, 1, ask.read, ask.generation, 1, &byte, 1,
			   &cookie), 0);
	CHECK_EQ(dst[1024], 7);
	for (unsigned int i = 1; i < FABRIC_READS; i++)
		CHECK_EQ(flow_read(&flow, 0, 1, dst, 0, 0, 1), 0);
	CHECK_EQ(flow_read(&flow, 0, 1, dst, 0, 0, 1), -EBUSY);
}

static void nothing_is_left(void)
{
	CHECK_EQ(flow.flying, 0);
	CHECK_EQ(flow.flights, 0);
	CHECK_EQ(flow.reads, 0);
}

TEST(good_link)
{
	link_is(100, 0, 0, 0, 0);
	CHECK(run(1024, 4 * MIB, 256 * 1024));
	CHECK_EQ(flow.lost, 0);
	nothing_is_left();
}

TEST(bad_links)
{
	for (unsigned int s = 1; s < 40; s++) {
		seed = s;
		link_is(50 + 13 * s, 1, 5 * s, 4 * s, 10 * s);
		CHECK(run(s % 2 ? 1024 : 8192, MIB, 1 + s * 9973));
		nothing_is_left();
	}
}

/* 20 us a frame, with room for 128: 4 MiB take 82 ms at best. */
TEST(slow_link)
{
	uint64_t ideal = 4 * MIB / 1024 * 20;

	link_is(200, 20, 0, 0, 0);
	CHECK(run(1024, 4 * MIB, 256 * 1024));
	nothing_is_left();
	printf("# %llu ms, %llu at best; %llu of %llu frames dropped\n",
	       (unsigned long long)net.now / 1000,
	       (unsigned long long)ideal / 1000,
	       (unsigned long long)net.dropped, (unsigned long long)net.sent);
	CHECK(net.now < ideal * 3 / 2);
	CHECK(net.dropped < net.sent / 10);
}

/* What is down is not hammered. */
TEST(dead_link)
{
	link_is(100, 1, 1000, 0, 0);
	CHECK(!run(1024, MIB, 256 * 1024));
	printf("# asked %llu times in a minute\n",
	       (unsigned long long)flow.lost);
	CHECK(flow.lost < 2000);
}

TAP_MAIN(T(refuses), T(good_link), T(bad_links), T(slow_link),
	 T(dead_link))
