// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/pagemap.c userspace/move/lazy.c
/* criu's pagemap images, garbage among them, and which pages are to come. */
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "tap.h"
#include "../../userspace/move/lazy.h"
#include "../../userspace/move/pagemap.h"

#define PAGE	4096ull

static uint8_t image[1 << 16];
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
	put32(0x56084025);
	put32(2);
	image[len++] = 8;	/* pages_id = 1 */
	image[len++] = 1;
}

static void entry(uint64_t addr, uint64_t pages, uint64_t flags)
{
	uint8_t buf[64];
	size_t n = 0;

	buf[n++] = 1 << 3;
	n += varint(buf + n, addr);
	buf[n++] = 2 << 3;
	n += varint(buf + n, pages);
	buf[n++] = 4 << 3;
	n += varint(buf + n, flags);
	put32(n);
	memcpy(image + len, buf, n);
	len += n;
}

static long parse(struct pagemap_run **runs)
{
	/* exactly as large as it is, so that the sanitizer sees an overrun */
	uint8_t *copy = malloc(len + 1);
	long n;

	memcpy(copy, image, len);
	n = pagemap_parse(copy, len, runs);
	free(copy);
	return n;
}

TEST(lazy_runs_are_found)
{
	struct pagemap_run *r;

	start();
	entry(0x10000, 3, 4);			/* present, not lazy */
	entry(0x400000, 5, 6);
	entry(0x405000, 2, 6);			/* joins the one before */
	entry(0x7fff00000000, 1000, 2);
	CHECK_EQ(parse(&r), 2);
	CHECK_EQ(r[0].addr, 0x400000);
	CHECK_EQ(r[0].pages, 7);
	CHECK_EQ(r[1].addr, 0x7fff00000000);
	CHECK_EQ(r[1].pages, 1000);
	free(r);
}

TEST(no_runs_is_no_error)
{
	struct pagemap_run *r;

	start();
	CHECK_EQ(parse(&r), 0);
	free(r);
}

TEST(unknown_fields_are_skipped)
{
	struct pagemap_run *r;
	uint8_t more[] = { 0x0a | 0x38, 3, 'a', 'b', 'c',	/* bytes */
			   0x3d, 1, 2, 3, 4,			/* fixed32 */
			   0x39, 1, 2, 3, 4, 5, 6, 7, 8 };	/* fixed64 */
	size_t at;
	uint32_t n;

	start();
	at = len;
	entry(0x400000, 5, 2);
	memcpy(image + len, more, sizeof(more));
	len += sizeof(more);
	n = len - at - 4;
	memcpy(image + at, &n, sizeof(n));
	CHECK_EQ(parse(&r), 1);
	free(r);
}

TEST(what_makes_no_sense_is_refused)
{
	struct pagemap_run *r;

	len = 0;
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	image[0] ^= 1;
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	entry(0x400001, 1, 2);			/* not on a page */
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	entry(0x400000, 0, 2);
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	entry(0x400000, 1ull << 60, 2);
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	entry(1ull << 60, 1, 2);
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	entry(0x400000, 4, 2);
	entry(0x402000, 4, 2);			/* over the one before */
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	put32(1 << 30);				/* a length beyond the end */
	CHECK_EQ(parse(&r), -EPROTO);
	start();
	put32(3);
	memset(image + len, 0xff, 3);		/* a number without an end */
	len += 3;
	CHECK_EQ(parse(&r), -EPROTO);
}

TEST(any_prefix_and_any_bit_is_survived)
{
	struct pagemap_run *r;
	uint64_t seed = 1;
	size_t whole;

	start();
	for (int i = 0; i < 50; i++)
		entry(0x400000 + i * 0x10000ull, 1 + i % 9, i & 2);
	whole = len;
	for (len = 0; len < whole; len++) {
		if (parse(&r) >= 0)
			free(r);
	}
	len = whole;
	for (int i = 0; i < 20000; i++) {
		size_t at = tap_random(&seed) % whole;
		uint8_t bit = 1 << (tap_random(&seed) & 7);

		image[at] ^= bit;
		if (parse(&r) >= 0)
			free(r);
		if (i & 1)
			image[at] ^= bit;
	}
	CHECK(true);
}

/* --- what is to come ---------------------------------------------------------*/

TEST(pages_are_asked_for_once_and_in_order)
{
	struct pagemap_run run[] = { { 0x10000, 3 }, { 0x20000, 70 } };
	uint64_t source;
	struct lazy l;

	CHECK_EQ(lazy_init(&l, run, 2), 0);
	CHECK_EQ(l.missing, 73);
	lazy_set(&l, lazy_at(&l, 0x11000, NULL), LAZY_WANTED);
	CHECK_EQ(lazy_next(&l, 64, &source), 1);
	CHECK_EQ(source, 0x10000);
	CHECK_EQ(lazy_next(&l, 64, &source), 1);
	CHECK_EQ(source, 0x12000);
	CHECK_EQ(lazy_next(&l, 64, &source), 64);
	CHECK_EQ(source, 0x20000);
	CHECK_EQ(lazy_next(&l, 64, &source), 6);
	CHECK_EQ(lazy_next(&l, 64, &source), 0);
	CHECK(!lazy_at(&l, 0x13000, NULL));
	CHECK(!lazy_at(&l, 0xf000, NULL));
	CHECK_EQ(l.missing, 73);
	lazy_free(&l);
}

TEST(memory_that_moves_keeps_its_source)
{
	struct pagemap_run run[] = { { 0x10000, 16 } };
	uint64_t source, addr;
	struct lazy l;

	lazy_init(&l, run, 1);
	CHECK_EQ(lazy_move(&l, 0x14000, 0x90000, 0x4000), 0);
	CHECK(!lazy_at(&l, 0x14000, NULL));
	CHECK(lazy_at(&l, 0x91000, &source));
	CHECK_EQ(source, 0x15000);
	CHECK(lazy_place(&l, 0x15000, &addr));
	CHECK_EQ(addr, 0x91000);
	CHECK(lazy_place(&l, 0x18000, &addr));
	CHECK_EQ(addr, 0x18000);
	CHECK_EQ(l.missing, 16);
	/* and onto pages that were still to come there */
	CHECK_EQ(lazy_move(&l, 0x90000, 0x10000, 0x2000), 0);
	CHECK_EQ(l.missing, 14);
	CHECK(lazy_at(&l, 0x10000, &source));
	CHECK_EQ(source, 0x14000);
	lazy_free(&l);
}

TEST(memory_that_goes_is_not_waited_for)
{
	struct pagemap_run run[] = { { 0x10000, 16 }, { 0x40000, 4 } };
	struct lazy l, child;
	uint64_t addr;

	lazy_init(&l, run, 2);
	lazy_set(&l, lazy_at(&l, 0x12000, NULL), LAZY_PRESENT);
	lazy_set(&l, lazy_at(&l, 0x13000, NULL), LAZY_WANTED);
	CHECK_EQ(lazy_clone(&child, &l), 0);
	CHECK_EQ(child.missing, 19);
	/* on its way to the parent is not on its way to the child */
	CHECK_EQ(*lazy_at(&child, 0x13000, NULL), LAZY_ABSENT);
	CHECK_EQ(lazy_drop(&l, 0x11000, 0x4000), 0);
	CHECK_EQ(l.missing, 16);
	CHECK(!lazy_place(&l, 0x12000, &addr));
	CHECK_EQ(lazy_drop(&l, 0, 0x100000), 0);
	CHECK_EQ(l.missing, 0);
	CHECK_EQ(child.missing, 19);
	lazy_free(&l);
	lazy_free(&child);
}

/* Against a page table that is as plain as can be. */
TEST(any_sequence_agrees_with_a_plain_table)
{
	enum { N = 256 };
	uint64_t seed = 7;

	for (int round = 0; round < 200; round++) {
		uint64_t table[N] = { 0 }, missing = 0, at;
		struct pagemap_run run[8];
		struct lazy l;
		size_t n = 0;

		for (at = 1; at < N - 20 && n < 8; n++) {
			run[n].pages = 1 + tap_random(&seed) % 12;
			run[n].addr = at * PAGE;
			for (uint64_t p = 0; p < run[n].pages; p++)
				table[at + p] = (at + p) * PAGE;
			missing += run[n].pages;
			at += run[n].pages + 1 + tap_random(&seed) % 20;
		}
		lazy_init(&l, run, n);
		for (int i = 0; i < 20; i++) {
			uint64_t k = 1 + tap_random(&seed) % 10;
			uint64_t from = tap_random(&seed) % (N / 2 - k);
			uint64_t to = N / 2 + tap_random(&seed) % (N / 2 - k);
			bool move = tap_random(&seed) & 1;

			CHECK_EQ(move ? lazy_move(&l, from * PAGE, to * PAGE,
						  k * PAGE) :
					lazy_drop(&l, from * PAGE, k * PAGE), 0);
			/* nothing to move: then nothing is replaced either */
			bool any = false;

			for (uint64_t p = 0; p < k; p++)
				any |= table[from + p] != 0;
			for (uint64_t p = 0; p < k; p++) {
				if (move && any)
					table[to + p] = table[from + p];
				table[from + p] = 0;
			}
		}
		missing = 0;
		for (uint64_t p = 0; p < N; p++) {
			uint64_t source = 0;

			CHECK_EQ(!!lazy_at(&l, p * PAGE, &source), !!table[p]);
			CHECK_EQ(source, table[p]);
			missing += table[p] != 0;
		}
		CHECK_EQ(l.missing, missing);
		lazy_free(&l);
	}
}

TAP_MAIN(T(lazy_runs_are_found), T(no_runs_is_no_error),
	 T(unknown_fields_are_skipped), T(what_makes_no_sense_is_refused),
	 T(any_prefix_and_any_bit_is_survived),
	 T(pages_are_asked_for_once_and_in_order),
	 T(memory_that_moves_keeps_its_source),
	 T(memory_that_goes_is_not_waited_for),
	 T(any_sequence_agrees_with_a_plain_table))
