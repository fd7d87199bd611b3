// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/dirty.c userspace/move/store.c userspace/move/util.c
// PKGS: libprotobuf-c
/*
 * Pre-copy without a kernel: what changes is listed, what came is held, and
 * whatever a process does to its memory the target ends with the same.
 */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/dirty.h"
#include "../../userspace/move/store.h"

#define PAGE	4096ull
#define BASE	0x550000000000ull
#define PID	70001

static struct dirty d;
static struct dirty_runs runs;

static void scan(pid_t pid, uint64_t start, unsigned int n,
		 const uint64_t *entry)
{
	struct dirty_proc *p;

	dirty_runs_free(&runs);
	dirty_scan(&d);
	p = dirty_open(&d, pid);
	if (n)
		dirty_span(&d, p, start, start + n * PAGE, entry, &runs);
	dirty_close(p, &runs);
	dirty_scanned(&d, &runs);
}

static void check_run(size_t i, uint64_t addr, uint32_t pages, bool drop)
{
	CHECK(i < runs.n);
	if (i >= runs.n)
		return;
	CHECK_EQ(runs.v[i].addr, addr);
	CHECK_EQ(runs.v[i].pages, pages);
	CHECK_EQ(runs.v[i].drop, drop);
}

TEST(only_what_changed_is_listed)
{
	uint64_t e[4] = { PM_PRESENT | 10, PM_PRESENT | 11, 0, PM_PRESENT | 13 };

	scan(PID, BASE, 4, e);
	CHECK_EQ(runs.n, 2);
	CHECK_EQ(runs.pages, 3);
	check_run(0, BASE, 2, false);
	check_run(1, BASE + 3 * PAGE, 1, false);
	scan(PID, BASE, 4, e);
	CHECK_EQ(runs.n, 0);
	e[1] |= PM_SOFT_DIRTY;
	scan(PID, BASE, 4, e);
	CHECK_EQ(runs.n, 1);
	check_run(0, BASE + PAGE, 1, false);
	/* another frame without a soft-dirty bit: moved there */
	e[1] = PM_PRESENT | 99;
	scan(PID, BASE, 4, e);
	check_run(0, BASE + PAGE, 1, false);
	/* to swap, and discarded */
	e[0] = PM_SWAP | 7;
	e[3] = 0;
	scan(PID, BASE, 4, e);
	CHECK_EQ(runs.n, 2);
	check_run(0, BASE, 1, false);
	check_run(1, BASE + 3 * PAGE, 1, true);
	CHECK_EQ(runs.pages, 1);
	dirty_free(&d);
}

TEST(mappings_that_go_and_shrink_are_dropped)
{
	uint64_t e[8];

	for (int i = 0; i < 8; i++)
		e[i] = PM_PRESENT | (20 + i);
	scan(PID, BASE, 8, e);
	CHECK_EQ(runs.pages, 8);
	/* its middle alone is left */
	scan(PID, BASE + 2 * PAGE, 3, e + 2);
	CHECK_EQ(runs.n, 2);
	check_run(0, BASE, 2, true);
	check_run(1, BASE + 5 * PAGE, 3, true);
	/* grown again: what came back is new */
	scan(PID, BASE, 8, e);
	CHECK_EQ(runs.pages, 5);
	/* all of it */
	scan(PID, 0, 0, NULL);
	CHECK_EQ(runs.n, 1);
	check_run(0, BASE, 8, true);
	dirty_free(&d);
}

TEST(what_did_not_arrive_comes_again)
{
	uint64_t e[4] = { PM_PRESENT | 1, PM_PRESENT | 2, PM_PRESENT | 3,
			  PM_PRESENT | 4 };

	scan(PID, BASE, 4, e);
	dirty_forget(&d, PID, BASE + PAGE, 2);
	scan(PID, BASE, 4, e);
	CHECK_EQ(runs.n, 1);
	check_run(0, BASE + PAGE, 2, false);
	dirty_free(&d);
}

TEST(the_page_of_zeros_stays)
{
	uint64_t e[2] = { PM_PRESENT | 5, PM_PRESENT | 6 };

	d.zero_key = PM_PRESENT | 5;
	scan(PID, BASE, 2, e);
	CHECK_EQ(runs.pages, 1);
	check_run(0, BASE + PAGE, 1, false);
	e[1] = PM_PRESENT | 5;
	scan(PID, BASE, 2, e);
	CHECK_EQ(runs.pages, 0);
	check_run(0, BASE + PAGE, 1, true);
	dirty_free(&d);
}

TEST(a_process_that_ended_is_forgotten)
{
	uint64_t e[2] = { PM_PRESENT | 5, PM_PRESENT | 6 };

	scan(PID, BASE, 2, e);
	scan(PID + 1, BASE, 2, e);
	/* the first was not seen in the second scan */
	CHECK_EQ(runs.n, 2);
	CHECK(!dirty_has(&d, PID));
	CHECK(dirty_has(&d, PID + 1));
	dirty_scan(&d);
	dirty_skip(&d, PID + 1);
	dirty_scanned(&d, &runs);
	CHECK(dirty_has(&d, PID + 1));
	dirty_free(&d);
}

TEST(positions_lead_to_pages)
{
	uint64_t e[6] = { PM_PRESENT | 1, 0, PM_PRESENT | 2, PM_PRESENT | 3, 0,
			  PM_PRESENT | 4 };
	size_t hint = 0;

	scan(PID, BASE, 6, e);
	CHECK_EQ(runs.pages, 4);
	for (uint64_t i = 0; i < 4; i++) {
		static const uint64_t want[] = { 0, 2, 3, 5 };

		hint = dirty_runs_find(&runs, i, hint);
		CHECK_EQ(runs.v[hint].addr + (i - runs.v[hint].first) * PAGE,
			 BASE + want[i] * PAGE);
	}
	CHECK_EQ(dirty_runs_find(&runs, 0, hint), 0);
	CHECK_EQ(dirty_runs_find(&runs, 4, 0), runs.n);
	dirty_free(&d);
	dirty_runs_free(&runs);
}

TEST(a_page_is_found_among_many_runs_in_any_order)
{
	struct dirty d = { 0 };
	struct dirty_runs runs = { 0 };
	struct dirty_proc *p;
	uint64_t entry[4096] = { 0 };
	size_t hint = 0;

	/* of four pages the first is new, the second and third go, one is not */
	for (int round = 0; round < 2; round++) {
		dirty_scan(&d);
		p = dirty_open(&d, PID);
		for (int i = 0; i < 4096; i++)
			entry[i] = i % 4 == 3 || (round && i % 4) ? 0 :
				   PM_PRESENT | PM_SOFT_DIRTY | (i + 1);
		dirty_runs_free(&runs);
		dirty_span(&d, p, BASE, BASE + 4096 * PAGE, entry, &runs);
		dirty_close(p, &runs);
		dirty_scanned(&d, &runs);
	}
	CHECK_EQ(runs.pages, 1024);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		uint64_t at = rand() % runs.pages;

		hint = dirty_runs_find(&runs, at, i % 3 ? hint : 0);
		CHECK(hint < runs.n && !runs.v[hint].drop);
		if (hint < runs.n)
			CHECK_EQ(runs.v[hint].addr +
				 (at - runs.v[hint].first) * PAGE,
				 BASE + 4 * at * PAGE);
	}
	dirty_free(&d);
	dirty_runs_free(&runs);
}

/* --- the store ----------------------------------------------------------------*/

TEST(the_store_holds_what_it_was_given)
{
	static uint8_t data[64 * 4096];
	struct store s = { 0 };
	const uint8_t *at = NULL;
	unsigned int n;

	for (int i = 0; i < 64; i++)
		memset(data + i * PAGE, i + 1, PAGE);
	CHECK_EQ(store_find(&s, PID, BASE, 64, &n, &at), STORE_NONE);
	CHECK_EQ(n, 64);
	/* pages 8 to 15, of which 10 and 11 are zeros */
	CHECK_EQ(store_put(&s, PID, BASE + 8 * PAGE, 8, 0xc, data), 0);
	CHECK_EQ(s.pages, 8);
	CHECK_EQ(store_count(&s, PID, BASE - 5 * PAGE, 200), 8);
	CHECK_EQ(store_count(&s, PID + 1, BASE, 64), 0);
	CHECK_EQ(store_find(&s, PID, BASE, 64, &n, &at), STORE_NONE);
	CHECK_EQ(n, 8);
	CHECK_EQ(store_find(&s, PID, BASE + 8 * PAGE, 64, &n, &at), STORE_DATA);
	CHECK_EQ(n, 2);
	CHECK_EQ(at[0], 1);
	CHECK_EQ(at[PAGE], 2);
	CHECK_EQ(store_find(&s, PID, BASE + 10 * PAGE, 64, &n, &at), STORE_ZERO);
	CHECK_EQ(n, 2);
	CHECK_EQ(store_find(&s, PID, BASE + 12 * PAGE, 3, &n, &at), STORE_DATA);
	CHECK_EQ(n, 3);
	CHECK_EQ(at[0], 3);
	/* zeros become data, data zeros */
	CHECK_EQ(store_put(&s, PID, BASE + 10 * PAGE, 1, 0, data), 0);
	CHECK_EQ(store_put(&s, PID, BASE + 9 * PAGE, 1, 1, data), 0);
	CHECK_EQ(s.pages, 8);
	CHECK_EQ(store_find(&s, PID, BASE + 9 * PAGE, 9, &n, &at), STORE_ZERO);
	CHECK_EQ(n, 1);
	CHECK_EQ(store_find(&s, PID, BASE + 10 * PAGE, 9, &n, &at), STORE_DATA);
	CHECK_EQ(n, 1);
	store_drop(&s, PID, BASE, 64);
	CHECK_EQ(s.pages, 0);
	/* never over the edge of a chunk */
	CHECK(store_put(&s, PID, BASE + 60 * PAGE, 8, 0, data) < 0);
	store_free(&s);
}

/*
 * A naive twin: an array of pages of one process that are rewritten, dropped
 * and shuffled at random. Each round what dirty.c lists goes into the store.
 */
#define N	700

TEST(a_random_process_arrives_whole)
{
	static uint64_t frame[N], content[N], entry[N];
	static uint8_t page[4096];
	struct store s = { 0 };
	uint64_t seed = 3, frames = 1;

	for (int round = 0; round < 60; round++) {
		for (int change = 0; change < 100; change++) {
			unsigned int i = tap_random(&seed) % N;
			unsigned int j = tap_random(&seed) % N;
			uint64_t swap;

			switch (tap_random(&seed) % 4) {
			case 0:	/* written, in place if there */
				if (!frame[i])
					frame[i] = frames++;
				content[i] = tap_random(&seed) | 1;
				entry[i] = PM_PRESENT | PM_SOFT_DIRTY | frame[i];
				break;
			case 1:	/* discarded */
				frame[i] = content[i] = entry[i] = 0;
				break;
			case 2:	/* places are changed, bits go along */
				swap = frame[i], frame[i] = frame[j], frame[j] = swap;
				swap = content[i], content[i] = content[j];
				content[j] = swap;
				swap = entry[i], entry[i] = entry[j], entry[j] = swap;
				break;
			case 3:	/* the kernel moves it to another frame */
				if (!frame[i])
					break;
				frame[i] = frames++;
				entry[i] = (entry[i] & ~PM_FRAME) | frame[i];
				break;
			}
		}
		scan(PID, BASE, N, entry);
		for (int i = 0; i < N; i++)
			entry[i] &= ~PM_SOFT_DIRTY;
		for (size_t r = 0; r < runs.n; r++) {
			uint64_t addr = runs.v[r].addr;

			if (runs.v[r].drop) {
				store_drop(&s, PID, addr, runs.v[r].pages);
				continue;
			}
			for (uint32_t k = 0; k < runs.v[r].pages; k++) {
				uint64_t at = (addr - BASE) / PAGE + k;

				memcpy(page, &content[at], 8);
				CHECK_EQ(store_put(&s, PID, addr + k * PAGE, 1,
						   0, page), 0);
			}
		}
		for (int i = 0; i < N; i++) {
			const uint8_t *at = NULL;
			unsigned int n;
			bool held = store_find(&s, PID, BASE + i * PAGE, 1, &n,
					       &at) == STORE_DATA;

			CHECK_EQ(held, frame[i] != 0);
			if (held)
				CHECK(!memcmp(at, &content[i], 8));
		}
	}
	store_free(&s);
	dirty_free(&d);
	dirty_runs_free(&runs);
}

TAP_MAIN(T(only_what_changed_is_listed),
	 T(mappings_that_go_and_shrink_are_dropped),
	 T(what_did_not_arrive_comes_again), T(the_page_of_zeros_stays),
	 T(a_process_that_ended_is_forgotten), T(positions_lead_to_pages),
	 T(a_page_is_found_among_many_runs_in_any_order),
	 T(the_store_holds_what_it_was_given),
	 T(a_random_process_arrives_whole))
