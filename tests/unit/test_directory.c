// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/directory.c
/* The directory, by cases and beside a naive twin that is an array. */
#include "directory.h"
#include "tap.h"

static u32 total(const struct pando_directory *d)
{
	u32 k, n = 0;

	for (k = 0; k < PANDO_DIR_KINDS; k++)
		n += d->count[k];
	return n;
}

/* Entries that really hang in the chains, each in the chain it belongs to. */
static u32 walk(const struct pando_directory *d)
{
	const struct pando_dir_entry *e;
	u16 shut[PANDO_BLOCKS] = { 0 };
	u32 i, n = 0;

	for (i = 0; d->bits && i < 1u << d->bits; i++)
		for (e = d->bucket[i]; e; e = e->next, n++) {
			CHECK(pando_dir_find(d, e->pid, e->kind) == e);
			if (e->kind == PANDO_DIR_AWAY || e->kind == PANDO_DIR_RESERVED)
				shut[e->pid / PANDO_BLOCK_SIZE]++;
		}
	CHECK(!memcmp(shut, d->shut, sizeof(shut)));
	return n;
}

TEST(empty)
{
	struct pando_directory d;
	int k;

	memset(&d, 0xff, sizeof(d));
	pando_dir_init(&d);
	for (k = PANDO_DIR_NONE; k < PANDO_DIR_KINDS; k++) {
		CHECK(!pando_dir_find(&d, 5000, k));
		CHECK(!pando_dir_clear(&d, 5000, k));
		CHECK_EQ(pando_dir_purge(&d, k, NULL, NULL), 0);
		pando_dir_mark(&d, 5000, k, 1);
		pando_dir_mark_all(&d, k, 3, 1);
	}
	CHECK_EQ(total(&d), 0);
	pando_dir_destroy(&d);
	pando_dir_destroy(&d);
}

TEST(one_fact)
{
	const struct pando_dir_entry *e;
	struct pando_directory d;

	pando_dir_init(&d);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_AWAY, 3, 99), 0);
	e = pando_dir_find(&d, 5000, PANDO_DIR_AWAY);
	CHECK(e && e->pid == 5000 && e->node == 3 && e->tag == 99 &&
	      e->kind == PANDO_DIR_AWAY && !e->mark);
	CHECK(!pando_dir_find(&d, 5000, PANDO_DIR_LEAVING));
	CHECK(!pando_dir_find(&d, 5001, PANDO_DIR_AWAY));
	/* the same again changes it, and takes the mark off */
	pando_dir_mark(&d, 5000, PANDO_DIR_AWAY, 1);
	CHECK_EQ(pando_dir_find(&d, 5000, PANDO_DIR_AWAY)->mark, 1);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_AWAY, 4, 100), 0);
	e = pando_dir_find(&d, 5000, PANDO_DIR_AWAY);
	CHECK(e && e->node == 4 && e->tag == 100 && !e->mark);
	CHECK_EQ(total(&d), 1);
	CHECK(pando_dir_clear(&d, 5000, PANDO_DIR_AWAY));
	CHECK(!pando_dir_clear(&d, 5000, PANDO_DIR_AWAY));
	CHECK_EQ(total(&d), 0);
	pando_dir_destroy(&d);
}

TEST(kinds_live_side_by_side)
{
	struct pando_directory d;

	pando_dir_init(&d);
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_AWAY, 1, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_LEAVING, 2, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_RESERVED, 3, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_ARRIVED, 4, 0), 0);
	CHECK_EQ(total(&d), 4);
	CHECK_EQ(pando_dir_find(&d, 7, PANDO_DIR_LEAVING)->node, 2);
	CHECK(pando_dir_clear(&d, 7, PANDO_DIR_LEAVING));
	CHECK_EQ(pando_dir_find(&d, 7, PANDO_DIR_AWAY)->node, 1);
	CHECK_EQ(pando_dir_find(&d, 7, PANDO_DIR_RESERVED)->node, 3);
	CHECK_EQ(pando_dir_find(&d, 7, PANDO_DIR_ARRIVED)->node, 4);
	pando_dir_destroy(&d);
	CHECK_EQ(total(&d), 0);
}

TEST(who_is_away_or_expected_shuts_a_block)
{
	struct pando_directory d;

	pando_dir_init(&d);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_ARRIVED, 1, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_LEAVING, 1, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_HINT, 1, 0), 0);
	CHECK_EQ(d.shutting, 0);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_AWAY, 1, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_RESERVED, 1, 0), 0);
	CHECK_EQ(d.shut[4], 2);
	CHECK_EQ(d.shutting, 2);
	/* known already: nobody has to look again */
	CHECK_EQ(pando_dir_set(&d, 5000, PANDO_DIR_AWAY, 2, 0), 0);
	CHECK_EQ(d.shutting, 2);
	/* the last number there is, and one beyond, of a message that nobody checked */
	CHECK_EQ(pando_dir_set(&d, PANDO_BLOCKS * PANDO_BLOCK_SIZE - 1, PANDO_DIR_AWAY, 1, 0), 0);
	CHECK_EQ(d.shut[PANDO_BLOCKS - 1], 1);
	CHECK_EQ(pando_dir_set(&d, PANDO_BLOCKS * PANDO_BLOCK_SIZE, PANDO_DIR_AWAY, 1, 0), 0);
	CHECK_EQ(d.shutting, 3);
	CHECK(pando_dir_clear(&d, PANDO_BLOCKS * PANDO_BLOCK_SIZE, PANDO_DIR_AWAY));
	CHECK(pando_dir_clear(&d, 5000, PANDO_DIR_AWAY));
	CHECK_EQ(d.shut[4], 1);
	CHECK_EQ(pando_dir_purge(&d, PANDO_DIR_RESERVED, NULL, NULL), 1);
	CHECK_EQ(d.shut[4], 0);
	CHECK_EQ(d.shutting, 3);
	pando_dir_destroy(&d);
}

TEST(away_wins_over_hint)
{
	struct pando_directory d;

	pando_dir_init(&d);
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_HINT, 1, 0), 0);
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_AWAY, 2, 5), 0);
	CHECK(!pando_dir_find(&d, 7, PANDO_DIR_HINT));
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_HINT, 3, 0), 0);
	CHECK(!pando_dir_find(&d, 7, PANDO_DIR_HINT));
	CHECK_EQ(pando_dir_find(&d, 7, PANDO_DIR_AWAY)->node, 2);
	CHECK(pando_dir_clear(&d, 7, PANDO_DIR_AWAY));
	CHECK_EQ(pando_dir_set(&d, 7, PANDO_DIR_HINT, 3, 0), 0);
	CHECK_EQ(pando_dir_find(&d, 7, PANDO_DIR_HINT)->node, 3);
	pando_dir_destroy(&d);
}

TEST(hints_are_bounded_and_only_they_go)
{
	struct pando_directory d;
	u32 i;

	pando_dir_init(&d);
	CHECK_EQ(pando_dir_set(&d, 1, PANDO_DIR_AWAY, 2, 5), 0);
	for (i = 0; i < 3 * PANDO_DIR_HINTS_MAX; i++) {
		if (pando_dir_set(&d, 5000 + i, PANDO_DIR_HINT, 1, 0) ||
		    d.count[PANDO_DIR_HINT] > PANDO_DIR_HINTS_MAX)
			break;
	}
	CHECK_EQ(i, 3 * PANDO_DIR_HINTS_MAX);
	/* the last one is always known */
	CHECK(pando_dir_find(&d, 5000 + i - 1, PANDO_DIR_HINT));
	CHECK(pando_dir_find(&d, 1, PANDO_DIR_AWAY));
	CHECK_EQ(walk(&d), total(&d));
	pando_dir_destroy(&d);
}

static bool odd(struct pando_dir_entry *e, void *ctx)
{
	++*(u32 *)ctx;
	return e->pid & 1;
}

TEST(purge_asks_about_its_kind_only)
{
	struct pando_directory d;
	u32 i, asked = 0;

	pando_dir_init(&d);
	for (i = 0; i < 100; i++) {
		CHECK_EQ(pando_dir_set(&d, i, PANDO_DIR_AWAY, 1, 0), 0);
		CHECK_EQ(pando_dir_set(&d, i, PANDO_DIR_ARRIVED, 1, 0), 0);
	}
	CHECK_EQ(pando_dir_purge(&d, PANDO_DIR_AWAY, odd, &asked), 50);
	CHECK_EQ(asked, 100);
	CHECK_EQ(d.count[PANDO_DIR_AWAY], 50);
	CHECK_EQ(d.count[PANDO_DIR_ARRIVED], 100);
	for (i = 0; i < 100; i++)
		CHECK_EQ(!pando_dir_find(&d, i, PANDO_DIR_AWAY), i & 1);
	CHECK_EQ(pando_dir_purge(&d, PANDO_DIR_AWAY, NULL, NULL), 50);
	CHECK_EQ(walk(&d), 100);
	pando_dir_destroy(&d);
}

static bool unmarked(struct pando_dir_entry *e, void *node)
{
	return e->node == *(u16 *)node && !e->mark;
}

/* As a report of guests uses it: what was not repeated is forgotten. */
TEST(marks_of_one_node)
{
	struct pando_directory d;
	u16 three = 3;
	u32 i;

	pando_dir_init(&d);
	for (i = 0; i < 60; i++)
		CHECK_EQ(pando_dir_set(&d, i, PANDO_DIR_AWAY, 2 + i % 3, 0), 0);
	pando_dir_mark_all(&d, PANDO_DIR_AWAY, 3, 1);
	for (i = 0; i < 60; i++)
		CHECK_EQ(pando_dir_find(&d, i, PANDO_DIR_AWAY)->mark,
			 i % 3 == 1);
	pando_dir_mark_all(&d, PANDO_DIR_AWAY, 3, 0);
	pando_dir_mark(&d, 1, PANDO_DIR_AWAY, 1);
	pando_dir_mark(&d, 4, PANDO_DIR_AWAY, 1);
	CHECK_EQ(pando_dir_purge(&d, PANDO_DIR_AWAY, unmarked, &three), 18);
	for (i = 0; i < 60; i++)
		CHECK_EQ(!pando_dir_find(&d, i, PANDO_DIR_AWAY),
			 i % 3 == 1 && i != 1 && i != 4);
	pando_dir_destroy(&d);
}

/* Chains stay short while it grows: a table, not a list. */
TEST(grows)
{
	struct pando_directory d;
	const struct pando_dir_entry *e;
	u32 i, longest = 0, n;

	pando_dir_init(&d);
	for (i = 0; i < 200000; i++)
		if (pando_dir_set(&d, 1024 + i, PANDO_DIR_AWAY, 1, i))
			break;
	CHECK_EQ(d.count[PANDO_DIR_AWAY], 200000);
	CHECK_EQ(walk(&d), 200000);
	for (i = 0; i < 1u << d.bits; i++) {
		for (e = d.bucket[i], n = 0; e; e = e->next)
			n++;
		longest = max(longest, n);
	}
	CHECK(longest <= 8);
	for (i = 0; i < 200000; i++) {
		e = pando_dir_find(&d, 1024 + i, PANDO_DIR_AWAY);
		if (!e || e->tag != i)
			break;
	}
	CHECK_EQ(i, 200000);
	pando_dir_destroy(&d);
}

/* --- the naive twin --------------------------------------------------------- */

#define TWIN_PIDS	512

struct twin_fact {
	bool there;
	u16 node;
	u8 mark;
	u64 tag;
};

static struct twin_fact twin[TWIN_PIDS][PANDO_DIR_KINDS];

static bool random_drop(struct pando_dir_entry *e, void *ctx)
{
	return (e->pid * 7 + e->node + e->tag) % 5 < *(u32 *)ctx;
}

static u32 twin_purge(int kind, bool all, u32 limit)
{
	u32 p, n = 0;

	for (p = 0; p < TWIN_PIDS; p++) {
		struct twin_fact *f = &twin[p][kind];

		if (f->there && (all || (p * 7 + f->node + f->tag) % 5 < limit)) {
			f->there = false;
			n++;
		}
	}
	return n;
}

static void twin_set(u32 pid, int kind, u16 node, u64 tag)
{
	if (kind == PANDO_DIR_HINT && twin[pid][PANDO_DIR_AWAY].there)
		return;
	if (kind == PANDO_DIR_AWAY)
		twin[pid][PANDO_DIR_HINT].there = false;
	twin[pid][kind] = (struct twin_fact){ true, node, 0, tag };
}

static u32 twin_differs(const struct pando_directory *d)
{
	const struct pando_dir_entry *e;
	u32 p, k, n[PANDO_DIR_KINDS] = { 0 }, bad = 0;

	for (p = 0; p < TWIN_PIDS; p++)
		for (k = PANDO_DIR_NONE + 1; k < PANDO_DIR_KINDS; k++) {
			const struct twin_fact *f = &twin[p][k];

			e = pando_dir_find(d, p, k);
			n[k] += f->there;
			if (!e != !f->there)
				bad++;
			else if (e && (e->pid != p || e->kind != k ||
				       e->node != f->node ||
				       e->tag != f->tag || e->mark != f->mark))
				bad++;
		}
	for (k = 0; k < PANDO_DIR_KINDS; k++)
		bad += n[k] != d->count[k];
	return bad;
}

/* One random operation on both; what each returned must be the same. */
static u32 twin_step(struct pando_directory *d, u64 r)
{
	u32 pid = r % TWIN_PIDS, limit = (r >> 10) % 5, p;
	int kind = 1 + (r >> 16) % (PANDO_DIR_KINDS - 1);
	u16 node = 1 + (r >> 24) % 8;
	u64 tag = (r >> 32) % 16;
	struct twin_fact *f = &twin[pid][kind];
	bool was = f->there;

	switch ((r >> 40) % 64) {
	case 0:
		return pando_dir_purge(d, kind, random_drop, &limit) !=
		       twin_purge(kind, false, limit);
	case 1:
		if ((r >> 50) % 8)
			return 0;
		return pando_dir_purge(d, kind, NULL, NULL) !=
		       twin_purge(kind, true, 0);
	case 2:
		pando_dir_mark_all(d, kind, node, tag & 1);
		for (p = 0; p < TWIN_PIDS; p++)
			if (twin[p][kind].there && twin[p][kind].node == node)
				twin[p][kind].mark = tag & 1;
		return 0;
	case 3 ... 10:
		pando_dir_mark(d, pid, kind, tag & 1);
		if (was)
			f->mark = tag & 1;
		return 0;
	case 11 ... 30:
		f->there = false;
		return pando_dir_clear(d, pid, kind) != was;
	default:
		twin_set(pid, kind, node, tag);
		return pando_dir_set(d, pid, kind, node, tag) != 0;
	}
}

TEST(random_operations_beside_an_array)
{
	struct pando_directory d;
	u64 seed;
	u32 i, bad = 0;

	for (seed = 1; seed <= 20 && !bad; seed++) {
		u64 state = seed;

		memset(twin, 0, sizeof(twin));
		pando_dir_init(&d);
		for (i = 0; i < 20000 && !bad; i++) {
			bad += twin_step(&d, tap_random(&state));
			if (i % 100 == 0)
				bad += twin_differs(&d);
		}
		bad += twin_differs(&d);
		CHECK_EQ(walk(&d), total(&d));
		if (bad)
			printf("# seed %llu, operation %u\n",
			       (unsigned long long)seed, i);
		pando_dir_destroy(&d);
		CHECK_EQ(total(&d), 0);
	}
	CHECK_EQ(bad, 0);
}

TAP_MAIN(T(empty), T(one_fact), T(kinds_live_side_by_side),
	 T(who_is_away_or_expected_shuts_a_block), T(away_wins_over_hint),
	 T(hints_are_bounded_and_only_they_go), T(purge_asks_about_its_kind_only),
	 T(marks_of_one_node), T(grows), T(random_operations_beside_an_array))
