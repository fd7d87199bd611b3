// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/epoch.c
/* Epochs: every step from every phase, and what becomes of a message. */
#include "epoch.h"
#include "tap.h"

#define NOW	10	/* the epoch that all tests stand in */

enum { STOP, MEMBERS, START, DONE, STEPS };

static int step(struct pando_epoch *e, int what, u64 number)
{
	switch (what) {
	case STOP:
		return pando_epoch_stop(e, number);
	case MEMBERS:
		return pando_epoch_members(e, number);
	case START:
		return pando_epoch_start(e, number);
	default:
		return pando_epoch_done(e, number);
	}
}

/* As the daemon brings it there; PANDO_EPOCH_NONE is before the first. */
static struct pando_epoch at(enum pando_epoch_phase phase)
{
	struct pando_epoch e;
	int i;

	pando_epoch_init(&e);
	for (i = STOP; i < (int)phase; i++)
		CHECK_EQ(step(&e, i, NOW), 0);
	CHECK_EQ(e.phase, phase);
	return e;
}

TEST(starts_with_nothing)
{
	struct pando_epoch e = { .number = 77, .phase = PANDO_EPOCH_RUNNING };

	pando_epoch_init(&e);
	CHECK_EQ(e.number, 0);
	CHECK_EQ(e.phase, PANDO_EPOCH_NONE);
	CHECK(!pando_epoch_open(&e));
	CHECK_EQ(pando_epoch_stop(&e, 0), -ESTALE);
	CHECK_EQ(pando_epoch_members(&e, 0), -ESTALE);
	CHECK_EQ(pando_epoch_start(&e, 0), -ESTALE);
	CHECK_EQ(pando_epoch_done(&e, 0), -ESTALE);
	CHECK_EQ(e.phase, PANDO_EPOCH_NONE);
}

/* Each step is legal from one phase and for one number only; stop(newer) ever */
TEST(every_step_from_every_phase)
{
	static const s64 offset[] = { -1, 0, 1, 1000 };
	enum pando_epoch_phase phase;
	struct pando_epoch e, before;
	int what, legal;
	unsigned int o;

	for (phase = PANDO_EPOCH_NONE; phase <= PANDO_EPOCH_RUNNING; phase++)
		for (what = STOP; what < STEPS; what++)
			for (o = 0; o < ARRAY_SIZE(offset); o++) {
				u64 nr;

				e = at(phase);
				before = e;
				nr = e.number + offset[o];
				if (what == STOP)
					legal = nr > e.number;
				else
					legal = !offset[o] && what == (int)phase;
				CHECK_EQ(step(&e, what, nr),
					 legal ? 0 : -ESTALE);
				if (legal) {
					CHECK_EQ(e.phase, what + 1);
					CHECK_EQ(e.number, nr);
				} else {
					CHECK_EQ(e.phase, before.phase);
					CHECK_EQ(e.number, before.number);
				}
			}
}

TEST(newer_stop_overtakes)
{
	enum pando_epoch_phase phase;
	struct pando_epoch e;

	for (phase = PANDO_EPOCH_STOPPED; phase <= PANDO_EPOCH_RUNNING;
	     phase++) {
		e = at(phase);
		CHECK_EQ(pando_epoch_stop(&e, NOW + 5), 0);
		/* the steps of the one overtaken come late and do nothing */
		CHECK_EQ(pando_epoch_members(&e, NOW), -ESTALE);
		CHECK_EQ(pando_epoch_start(&e, NOW), -ESTALE);
		CHECK_EQ(pando_epoch_done(&e, NOW), -ESTALE);
		CHECK_EQ(e.phase, PANDO_EPOCH_STOPPED);
		CHECK_EQ(pando_epoch_members(&e, NOW + 5), 0);
		CHECK_EQ(pando_epoch_start(&e, NOW + 5), 0);
		CHECK_EQ(pando_epoch_done(&e, NOW + 5), 0);
	}
}

TEST(numbers_at_the_end)
{
	struct pando_epoch e;

	pando_epoch_init(&e);
	CHECK_EQ(pando_epoch_stop(&e, UINT64_MAX), 0);
	CHECK_EQ(pando_epoch_stop(&e, UINT64_MAX), -ESTALE);
	CHECK_EQ(pando_epoch_stop(&e, 0), -ESTALE);
	CHECK_EQ(pando_epoch_members(&e, UINT64_MAX), 0);
	CHECK_EQ(pando_epoch_check(&e, UINT64_MAX), PANDO_EPOCH_ACCEPT);
	CHECK_EQ(pando_epoch_check(&e, UINT64_MAX - 1), PANDO_EPOCH_STALE);
}

TEST(messages)
{
	enum pando_epoch_phase phase;
	struct pando_epoch e;

	for (phase = PANDO_EPOCH_STOPPED; phase <= PANDO_EPOCH_RUNNING;
	     phase++) {
		e = at(phase);
		CHECK_EQ(pando_epoch_check(&e, 0), PANDO_EPOCH_STALE);
		CHECK_EQ(pando_epoch_check(&e, NOW - 1), PANDO_EPOCH_STALE);
		CHECK_EQ(pando_epoch_check(&e, NOW),
			 phase >= PANDO_EPOCH_MEMBERS ? PANDO_EPOCH_ACCEPT :
							PANDO_EPOCH_PARK);
		CHECK_EQ(pando_epoch_check(&e, NOW + 1), PANDO_EPOCH_PARK);
		CHECK_EQ(pando_epoch_check(&e, UINT64_MAX), PANDO_EPOCH_PARK);
	}
	e = at(PANDO_EPOCH_NONE);
	CHECK_EQ(pando_epoch_check(&e, 0), PANDO_EPOCH_PARK);
	CHECK_EQ(pando_epoch_check(&e, 1), PANDO_EPOCH_PARK);
}

TEST(open_while_recovering_and_running)
{
	struct pando_epoch e;
	int phase;

	for (phase = PANDO_EPOCH_NONE; phase <= PANDO_EPOCH_RUNNING; phase++) {
		e = at(phase);
		CHECK_EQ(pando_epoch_open(&e), phase >= PANDO_EPOCH_RECOVERING);
	}
}

/* Whatever comes: the number never falls, a phase is only ever next or first */
TEST(random_steps)
{
	u64 seed = 1;
	struct pando_epoch e;
	int i;

	pando_epoch_init(&e);
	for (i = 0; i < 200000; i++) {
		struct pando_epoch was = e;
		u64 r = tap_random(&seed);
		int what = r % STEPS, err;
		u64 nr = was.number + (r >> 8) % 4 - 1;

		err = step(&e, what, nr);
		CHECK(e.number >= was.number);
		if (err) {
			CHECK_EQ(err, -ESTALE);
			CHECK(e.number == was.number && e.phase == was.phase);
		} else if (what == STOP) {
			CHECK(e.number > was.number);
			CHECK_EQ(e.phase, PANDO_EPOCH_STOPPED);
		} else {
			CHECK(e.number == was.number);
			CHECK_EQ(e.phase, was.phase + 1);
		}
	}
	CHECK(e.number > 1000);
}

TAP_MAIN(T(starts_with_nothing), T(every_step_from_every_phase),
	 T(newer_stop_overtakes), T(numbers_at_the_end), T(messages),
	 T(open_while_recovering_and_running), T(random_steps))
