// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/lease.c
/*
 * The lease on quorum: who has to have heard what, and that a node is frozen
 * before anybody's patience is over, with clocks that differ and messages that
 * take any time.
 */
#include <string.h>

#include "lease.h"
#include "tap.h"

#define L	1000000ull	/* a lease, in the test's microseconds */
#define NODES	5

static struct qlease q;

static void view(unsigned int total, unsigned int needed, unsigned int peers)
{
	struct votes v = { total, needed };

	memset(&q, 0, sizeof(q));
	q.length = L;
	qlease_view(&q, &v, 1);
	for (unsigned int i = 0; i < peers; i++)
		qlease_peer(&q, 2 + i, 1);
}

TEST(votes)
{
	struct votes five = { 5, 3 }, four = { 4, 3 }, two = { 2, 2 };
	struct votes device = { 3, 2 };

	CHECK(!votes_quorate(&five, 2) && votes_quorate(&five, 3));
	CHECK(!votes_blocking(&five, 2) && votes_blocking(&five, 3));
	/* half of them: no quorum here, and none elsewhere */
	CHECK(!votes_quorate(&four, 2) && votes_blocking(&four, 2));
	CHECK(!votes_quorate(&two, 1) && votes_blocking(&two, 1));
	/* the device may side with the other */
	CHECK(!votes_quorate(&device, 1) && !votes_blocking(&device, 1));
}

TEST(none_without_a_view)
{
	memset(&q, 0, sizeof(q));
	q.length = L;
	CHECK_EQ(qlease_send(&q, 100), 1);
	qlease_hear(&q, 2, 1, 1);
	CHECK_EQ(q.until, 0);
}

TEST(a_majority_has_to_hear)
{
	view(5, 3, 4);
	CHECK_EQ(qlease_send(&q, 100), 1);
	CHECK_EQ(qlease_send(&q, 200), 2);
	CHECK_EQ(qlease_send(&q, 300), 3);
	CHECK_EQ(q.until, 0);
	qlease_hear(&q, 2, 1, 3);
	CHECK_EQ(q.until, 0);
	qlease_hear(&q, 3, 1, 2);
	CHECK_EQ(q.until, 200 + L);	/* when it was sent, not heard */
	qlease_hear(&q, 4, 1, 1);
	CHECK_EQ(q.until, 200 + L);
	qlease_hear(&q, 5, 1, 3);
	CHECK_EQ(q.until, 300 + L);
	/* it never goes back, and strangers do not count */
	qlease_hear(&q, 2, 2, 1);
	CHECK_EQ(q.until, 300 + L);
	CHECK_EQ(qlease_send(&q, 400), 4);
	qlease_hear(&q, 9, 1, 4);
	qlease_hear(&q, 2, 3, 4);
	CHECK_EQ(q.until, 300 + L);
	/* a pulse that was never sent was sent by another life */
	qlease_hear(&q, 3, 3, 77);
	CHECK_EQ(q.until, 300 + L);
	qlease_end(&q);
	CHECK_EQ(q.until, 0);
	qlease_hear(&q, 3, 3, 4);
	CHECK_EQ(q.until, 0);
}

/* All have heard a SYNC that was sent after the pulse: that counts. */
TEST(it_is_not_shortened)
{
	view(5, 3, 4);
	qlease_send(&q, 100);
	qlease_all_heard(&q, 500);
	CHECK_EQ(q.until, 500 + L);
	qlease_hear(&q, 2, 1, 1);
	qlease_hear(&q, 3, 1, 1);
	CHECK_EQ(q.counted, 1);
	CHECK_EQ(q.until, 500 + L);
	qlease_all_heard(&q, 400);
	CHECK_EQ(q.until, 500 + L);
}

/* Alone it is enough where nobody can have quorum without this node. */
TEST(alone)
{
	view(2, 2, 0);
	qlease_send(&q, 100);
	CHECK_EQ(q.until, 100 + L);
	view(3, 2, 0);
	qlease_send(&q, 100);
	CHECK_EQ(q.until, 0);
}

TEST(what_is_forgotten_renews_nothing)
{
	view(3, 2, 2);
	for (unsigned int i = 1; i <= 3 * LEASE_KEPT; i++)
		qlease_send(&q, i);
	qlease_hear(&q, 2, 1, 1);
	CHECK_EQ(q.until, 0);
	qlease_hear(&q, 2, 2, 3 * LEASE_KEPT - 1);
	CHECK_EQ(q.until, 3 * LEASE_KEPT - 1 + L);
}

TEST(patience_starts_when_it_is_gone)
{
	static struct patience p;
	uint16_t all[] = { 1, 2, 3 }, two[] = { 3, 1 };

	memset(&p, 0, sizeof(p));
	p.length = patience_of(L);
	patience_config(&p, all, 3, 10);
	CHECK(!patience_over(&p, 2, 10 + 9 * L));
	patience_config(&p, two, 2, 100);
	patience_config(&p, two, 2, 200);
	CHECK(!patience_over(&p, 2, 100 + p.length - 1));
	CHECK(patience_over(&p, 2, 100 + p.length));
	CHECK(!patience_over(&p, 3, 100 + p.length));
	/* one that was never here may have been before us */
	CHECK(!patience_over(&p, 4, 10 + p.length - 1));
	CHECK(patience_over(&p, 4, 10 + p.length));
	patience_config(&p, all, 3, 300);
	CHECK(!patience_over(&p, 2, 300 + 9 * L));
	CHECK(!patience_over(&p, 0, 300 + 9 * L));
	CHECK(!patience_over(&p, 60000, 300 + 9 * L));
}

/* --- a node that is cut off, again and again -----------------------------------*/

static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	return tap_random(&seed) % n;
}

/* A clock: some thousandths fast or slow, and from anywhere. */
struct clock {
	uint64_t zero;
	int64_t permille;
};

static uint64_t read_clock(const struct clock *c, uint64_t t)
{
	return c->zero + t + (int64_t)t * c->permille / 1000;
}

/* When, in true time, this clock shows that. */
static uint64_t true_time(const struct clock *c, uint64_t shown)
{
	return (shown - c->zero) * 1000 / (1000 + c->permille);
}

/*
 * One cut: node 1 sends pulses; the others hear them late, say so late, or not
 * at all; at some time each of them is told that node 1 is gone, while its
 * pulses and their answers may still be on their way. Returns whether it was
 * frozen in time.
 */
static bool one_cut(int drift)
{
	struct clock clock[NODES + 1];
	static struct patience p;
	uint64_t told[NODES + 1], acts = 0, frozen, now = 1000;
	uint16_t others[] = { 2, 3, 4, 5 };

	for (int i = 1; i <= NODES; i++) {
		clock[i].zero = 1 + rnd(100 * L);
		clock[i].permille = (int64_t)rnd(2 * drift + 1) - drift;
		told[i] = 5 * L + rnd(3 * L);
	}
	view(NODES, 3, NODES - 1);
	while (now < 9 * L) {
		uint64_t k = qlease_send(&q, read_clock(&clock[1], now));

		for (int i = 2; i <= NODES; i++) {
			uint64_t heard = now + rnd(rnd(4) ? L / 8 : 3 * L);

			if (heard < told[i])
				qlease_hear(&q, i, k, k);
		}
		now += L / LEASE_PULSES;
	}
	frozen = true_time(&clock[1], q.until);
	/* all that act in its place, a majority of the others, have to wait */
	for (int out = 2; out <= NODES; out++) {
		uint64_t last = 0;

		for (int i = 2; i <= NODES; i++) {
			uint64_t when;

			if (i == out)
				continue;
			memset(&p, 0, sizeof(p));
			p.length = patience_of(L);
			when = read_clock(&clock[i], told[i]);
			patience_config(&p, others, 4, when);
			when = true_time(&clock[i], when + p.length);
			if (when > last)
				last = when;
		}
		if (!acts || last < acts)
			acts = last;
	}
	return frozen + L / 4 < acts;
}

TEST(frozen_before_others_act)
{
	for (seed = 1; seed < 20000; seed++) {
		uint64_t s = seed;

		if (!one_cut(20)) {
			printf("# seed %llu\n", (unsigned long long)s);
			CHECK(false);
			return;
		}
		seed = s;
	}
	/* clocks that go wrong by half are not covered, and the test sees it */
	for (seed = 1; seed < 20000; seed++) {
		uint64_t s = seed;

		if (!one_cut(500))
			return;
		seed = s;
	}
	CHECK(false);
}

TAP_MAIN(T(votes), T(none_without_a_view), T(a_majority_has_to_hear),
	 T(it_is_not_shortened), T(alone),
	 T(what_is_forgotten_renews_nothing),
	 T(patience_starts_when_it_is_gone), T(frozen_before_others_act))
