// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/reqtab.c
/* Requests under way: ids, one reply each, what may be acknowledged. */
#include "reqtab.h"
#include "tap.h"

TEST(ids_grow_and_are_found)
{
	static struct pando_reqtab tab;
	struct pando_req a, b;

	pando_reqtab_init(&tab);
	CHECK_EQ(pando_reqtab_add(&tab, &a, true), 0);
	CHECK_EQ(pando_reqtab_add(&tab, &b, false), 0);
	CHECK(a.id && b.id > a.id);
	CHECK(pando_reqtab_find(&tab, a.id) == &a);
	CHECK(pando_reqtab_find(&tab, b.id) == &b);
	CHECK(!pando_reqtab_find(&tab, 0));
	/* the same slot, another time */
	CHECK(!pando_reqtab_find(&tab, a.id + PANDO_REQTAB_WINDOW));
}

TEST(a_reply_is_taken_once)
{
	static struct pando_reqtab tab;
	struct pando_req a, b;
	u64 id;

	pando_reqtab_init(&tab);
	pando_reqtab_add(&tab, &a, true);
	id = a.id;
	CHECK(pando_reqtab_take(&tab, id) == &a);
	CHECK(!pando_reqtab_take(&tab, id));
	CHECK(!pando_reqtab_cancel(&tab, &a));
	/* nor by the request that has its slot now */
	pando_reqtab_add(&tab, &b, true);
	CHECK(b.id != id);
	CHECK(!pando_reqtab_take(&tab, id));
	CHECK(pando_reqtab_cancel(&tab, &b));
	CHECK(!pando_reqtab_cancel(&tab, &b));
	CHECK(!pando_reqtab_pop(&tab));
}

TEST(the_window_is_bounded)
{
	static struct pando_reqtab tab;
	static struct pando_req req[PANDO_REQTAB_WINDOW], more;
	int i;

	pando_reqtab_init(&tab);
	for (i = 0; i < PANDO_REQTAB_WINDOW; i++)
		CHECK_EQ(pando_reqtab_add(&tab, &req[i], false), 0);
	CHECK(!pando_reqtab_room(&tab));
	CHECK_EQ(pando_reqtab_add(&tab, &more, false), -EAGAIN);
	CHECK(pando_reqtab_cancel(&tab, &req[7]));
	CHECK(pando_reqtab_room(&tab));
	CHECK_EQ(pando_reqtab_add(&tab, &more, false), 0);
}

TEST(one_that_hangs_holds_the_span)
{
	static struct pando_reqtab tab;
	struct pando_req old, r;
	int i, n = 0;

	pando_reqtab_init(&tab);
	pando_reqtab_add(&tab, &old, true);
	for (i = 0; i < 2 * PANDO_REQTAB_SPAN; i++) {
		if (pando_reqtab_add(&tab, &r, true))
			break;
		pando_reqtab_cancel(&tab, &r);
		n++;
	}
	CHECK_EQ(n, PANDO_REQTAB_SPAN);
	pando_reqtab_cancel(&tab, &old);
	CHECK_EQ(pando_reqtab_add(&tab, &r, true), 0);
}

TEST(a_repeatable_one_holds_nothing)
{
	static struct pando_reqtab tab;
	struct pando_req slow, r;
	int i;

	pando_reqtab_init(&tab);
	pando_reqtab_add(&tab, &slow, false);
	for (i = 0; i < 4 * PANDO_REQTAB_SPAN; i++) {
		CHECK_EQ(pando_reqtab_add(&tab, &r, true), 0);
		CHECK_EQ(pando_reqtab_acked(&tab), r.id);
		pando_reqtab_take(&tab, r.id);
	}
	CHECK(pando_reqtab_acked(&tab) > slow.id);
}

#define STEPS	200000

static void count(struct pando_req *req, void *arg)
{
	(void)req;
	++*(unsigned int *)arg;
}

/* Beside a list that is searched from end to end. */
TEST(agrees_with_a_naive_twin)
{
	static struct pando_req req[PANDO_REQTAB_WINDOW + 8];
	static struct pando_reqtab tab;
	bool in[ARRAY_SIZE(req)] = { false };
	uint64_t seed = 42;
	u64 newest = 0;
	int step;

	pando_reqtab_init(&tab);
	for (step = 0; step < STEPS && !tap_failed; step++) {
		/* mostly few, now and then the table fills */
		unsigned int span = (step >> 13) % 3 ? 12 : ARRAY_SIZE(req);
		unsigned int i = tap_random(&seed) % span, n = 0, used = 0, k;
		bool once = tap_random(&seed) & 1;
		u64 lowest = 0, id = req[i].id;
		struct pando_req *p;

		for (k = 0; k < ARRAY_SIZE(req); k++) {
			used += in[k];
			if (in[k] && req[k].once &&
			    (!lowest || req[k].id < lowest))
				lowest = req[k].id;
		}
		CHECK_EQ(tab.used, used);
		CHECK_EQ(pando_reqtab_acked(&tab),
			 lowest ?: (tab.seq + 1) << PANDO_REQTAB_SHIFT);
		pando_reqtab_each(&tab, count, &n);
		CHECK_EQ(n, used);
		if (!in[i]) {
			bool room = used < PANDO_REQTAB_WINDOW &&
				    (!lowest || tab.seq -
				     (lowest >> PANDO_REQTAB_SHIFT) <
				     PANDO_REQTAB_SPAN);

			CHECK_EQ(pando_reqtab_room(&tab), room);
			CHECK_EQ(pando_reqtab_add(&tab, &req[i], once),
				 room ? 0 : -EAGAIN);
			in[i] = room;
			CHECK(!room || req[i].id > newest);
			if (room)
				newest = req[i].id;
			continue;
		}
		switch (tap_random(&seed) % 8) {
		case 0:
			CHECK(pando_reqtab_cancel(&tab, &req[i]));
			in[i] = false;
			break;
		case 1:
			p = pando_reqtab_pop(&tab);
			CHECK(p && in[p - req]);
			if (p)
				in[p - req] = false;
			break;
		default:
			CHECK(pando_reqtab_find(&tab, id) == &req[i]);
			CHECK(pando_reqtab_take(&tab, id) == &req[i]);
			CHECK(!pando_reqtab_find(&tab, id));
			in[i] = false;
		}
	}
}

TAP_MAIN(T(ids_grow_and_are_found), T(a_reply_is_taken_once),
	 T(the_window_is_bounded), T(one_that_hangs_holds_the_span),
	 T(a_repeatable_one_holds_nothing), T(agrees_with_a_naive_twin))
