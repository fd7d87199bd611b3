// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/pstree.c
/* criu's pstree image: groups and sessions of others are put into criu's own. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/pstree.h"

static uint8_t image[4096];
static size_t len;

static void put32(uint32_t v)
{
	memcpy(image + len, &v, sizeof(v));
	len += sizeof(v);
}

static size_t varint(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	do {
		p[n++] = (v & 127) | (v > 127 ? 128 : 0);
		v >>= 7;
	} while (v);
	return n;
}

static void start(void)
{
	len = 0;
	put32(0x54564319);
	put32(0x50273030);
}

/* pid, ppid, pgid, sid, and two threads */
static void process(uint32_t pid, uint32_t ppid, uint32_t pgid, uint32_t sid)
{
	uint32_t value[] = { pid, ppid, pgid, sid, pid, pid + 1 };
	static const uint8_t field[] = { 1, 2, 3, 4, 5, 5 };
	uint8_t buf[64];
	size_t n = 0;

	for (int i = 0; i < 6; i++) {
		buf[n++] = field[i] << 3;
		n += varint(buf + n, value[i]);
	}
	put32(n);
	memcpy(image + len, buf, n);
	len += n;
}

static bool above(void *arg, uint32_t id)
{
	return id > *(uint32_t *)arg;
}

TEST(what_is_in_the_tree_stays)
{
	uint32_t limit = 80000;
	bool changed = true;
	size_t n;
	uint8_t *new;

	start();
	process(70001, 1, 70001, 70001);
	process(70003, 70001, 70003, 70001);
	new = pstree_adopt(image, len, &n, above, &limit, &changed);
	CHECK(new && !changed);
	CHECK_EQ(n, len);
	CHECK(new && !memcmp(new, image, len));
	free(new);
}

static uint8_t want[4096];
static size_t wanted;

/* What was put so far is what shall become of what comes next. */
static void is_wanted(void)
{
	memcpy(want, image, len);
	wanted = len;
	start();
}

static void check_adopts(uint32_t limit)
{
	bool changed = false;
	size_t n = 0;
	uint8_t *new;

	new = pstree_adopt(image, len, &n, above, &limit, &changed);
	CHECK(new && changed);
	CHECK_EQ(n, wanted);
	CHECK(new && n == wanted && !memcmp(new, want, n));
	free(new);
}

TEST(what_is_not_becomes_crius)
{
	start();
	process(60001, 1, 1, 1);
	process(60003, 60001, 60003, 1);
	is_wanted();
	process(60001, 1, 70001, 70002);
	process(60003, 60001, 60003, 70002);
	check_adopts(70000);
}

/* 60003 leads a session that is in use; 60004 and 9, which leads a group, are of it. */
TEST(what_is_not_is_its_parents)
{
	start();
	process(60001, 1, 60001, 60001);
	process(60003, 60001, 60001, 60001);
	process(60004, 60003, 60001, 60001);
	process(9, 60003, 9, 60001);
	process(8, 60004, 8, 8);
	process(60006, 8, 8, 8);
	is_wanted();
	process(60001, 1, 60001, 60001);
	process(60003, 60001, 60003, 60003);
	process(60004, 60003, 60003, 60003);
	process(9, 60003, 9, 60003);
	process(8, 60004, 8, 8);
	process(60006, 8, 60006, 60006);
	check_adopts(60001);
}

TEST(a_number_may_grow)
{
	start();
	process(0xf0000000, 1, 0xf0000000, 0xf0000000);
	process(5, 0xf0000000, 0xf0000000, 0xf0000000);
	is_wanted();
	process(0xf0000000, 1, 0xf0000000, 0xf0000000);
	process(5, 0xf0000000, 0xf0000001, 0xf0000001);
	check_adopts(0xf0000000);
}

TEST(garbage_is_refused)
{
	uint32_t limit = 0;
	bool changed;
	size_t n, whole;

	start();
	process(70001, 1, 70001, 70001);
	whole = len;
	/* every cut but those between messages */
	for (size_t cut = 0; cut < whole; cut++) {
		uint8_t *copy = malloc(cut + 1), *new;

		memcpy(copy, image, cut);
		new = pstree_adopt(copy, cut, &n, above, &limit, &changed);
		CHECK_EQ(!!new, cut == 8);
		free(new);
		free(copy);
	}
	/* every bit, and the sanitizers look on */
	for (size_t bit = 0; bit < whole * 8; bit++) {
		image[bit / 8] ^= 1 << bit % 8;
		free(pstree_adopt(image, whole, &n, above, &limit, &changed));
		image[bit / 8] ^= 1 << bit % 8;
	}
}

TAP_MAIN(T(what_is_in_the_tree_stays), T(what_is_not_becomes_crius),
	 T(what_is_not_is_its_parents), T(a_number_may_grow), T(garbage_is_refused))
