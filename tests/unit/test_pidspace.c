// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/pidspace.c
/* Leases: who may hand out which number, and in which order. */
#include <linux/pando.h>

#include "pidspace.h"
#include "tap.h"

/* What the map means, told as plainly as can be. */
static bool naive_mine(const u16 *map, u16 self, u32 pid)
{
	return self && pid < PANDO_PID_MAX &&
	       map[pid / PANDO_LEASE_SIZE] == self;
}

static u16 naive_home(const u16 *map, u32 pid)
{
	if (pid >= PANDO_PID_MAX)
		return 0;
	return map[pid / PANDO_LEASE_SIZE] % 1024;
}

static u16 map[PANDO_BLOCKS];
static u16 shut[PANDO_BLOCKS];
static struct pando_pidspace ps;
static u8 seen[PANDO_PID_MAX];

static void clear_map(void)
{
	memset(map, 0, sizeof(map));
	memset(&ps, 0, sizeof(ps));
}

TEST(numbers_are_those_of_the_uapi)
{
	CHECK_EQ(PANDO_BLOCK_SHIFT, PANDO_LEASE_SHIFT);
	CHECK_EQ(PANDO_BLOCK_SIZE, PANDO_LEASE_SIZE);
	CHECK_EQ(PANDO_BLOCKS, PANDO_LEASE_BLOCKS);
	CHECK_EQ(PANDO_OWNER_MASK, PANDO_LEASE_NODE);
	CHECK_EQ(PANDO_OWNER_HELD, PANDO_LEASE_HELD);
	CHECK_EQ(PANDO_NODE_MAX, PANDO_OWNER_MASK);
	CHECK(!(PANDO_OWNER_HELD & PANDO_OWNER_MASK));
}

TEST(empty_map)
{
	clear_map();
	CHECK_EQ(pando_pidspace_set(&ps, 1, 7, map), 0);
	CHECK_EQ(ps.self, 1);
	CHECK_EQ(ps.version, 7);
	CHECK_EQ(pando_pidspace_size(&ps), 0);
	CHECK_EQ(pando_pidspace_next(&ps, 70123), 0);
	CHECK_EQ(pando_pidspace_run(&ps, 70123, shut), 0);
	CHECK_EQ(pando_pidspace_ahead(0, 70123), 0);
	CHECK_EQ(pando_pidspace_ahead(0, 0), 0);
	CHECK_EQ(pando_pidspace_home(&ps, 70123), 0);
	CHECK(!pando_pidspace_mine(&ps, 70123));
}

TEST(block_zero_belongs_to_nobody)
{
	struct pando_pidspace before;

	clear_map();
	map[3] = 1;
	CHECK_EQ(pando_pidspace_set(&ps, 1, 7, map), 0);
	before = ps;
	map[0] = 1;
	CHECK_EQ(pando_pidspace_set(&ps, 1, 8, map), -EINVAL);
	map[0] = 2;
	CHECK_EQ(pando_pidspace_set(&ps, 1, 8, map), -EINVAL);
	map[0] = PANDO_OWNER_HELD;
	CHECK_EQ(pando_pidspace_set(&ps, 1, 8, map), -EINVAL);
	/* a refused map changes nothing */
	CHECK(!memcmp(&before, &ps, sizeof(ps)));
	CHECK_EQ(pando_pidspace_home(&ps, 1), 0);
	CHECK(!pando_pidspace_mine(&ps, 1023));
}

TEST(first_and_last_number_of_a_block)
{
	clear_map();
	map[2] = 5;
	map[4095] = 5;
	CHECK_EQ(pando_pidspace_set(&ps, 5, 1, map), 0);
	CHECK_EQ(pando_pidspace_size(&ps), 2048);
	CHECK(!pando_pidspace_mine(&ps, 2047));
	CHECK(pando_pidspace_mine(&ps, 2048));
	CHECK(pando_pidspace_mine(&ps, 3071));
	CHECK(!pando_pidspace_mine(&ps, 3072));
	CHECK(pando_pidspace_mine(&ps, PANDO_PID_MAX - 1));
	CHECK(!pando_pidspace_mine(&ps, PANDO_PID_MAX));
	CHECK(!pando_pidspace_mine(&ps, UINT32_MAX));
	CHECK_EQ(pando_pidspace_home(&ps, PANDO_PID_MAX - 1), 5);
	CHECK_EQ(pando_pidspace_home(&ps, PANDO_PID_MAX), 0);
	CHECK_EQ(pando_pidspace_home(&ps, UINT32_MAX), 0);
	CHECK_EQ(pando_pidspace_next(&ps, 0), 2048);
	CHECK_EQ(pando_pidspace_next(&ps, 2047), 2048);
	CHECK_EQ(pando_pidspace_next(&ps, 2048), 2048);
	CHECK_EQ(pando_pidspace_next(&ps, 3071), 3071);
	CHECK_EQ(pando_pidspace_next(&ps, 3072), PANDO_PID_MAX - 1024);
	CHECK_EQ(pando_pidspace_next(&ps, PANDO_PID_MAX - 1), PANDO_PID_MAX - 1);
	CHECK_EQ(pando_pidspace_next(&ps, PANDO_PID_MAX), 2048);
	CHECK_EQ(pando_pidspace_next(&ps, UINT32_MAX), 2048);
}

TEST(held_blocks_are_home_but_hand_nothing_out)
{
	u32 i;

	clear_map();
	map[1] = 5;
	map[2] = 5 | PANDO_OWNER_HELD;
	map[3] = 6 | PANDO_OWNER_HELD;
	CHECK_EQ(pando_pidspace_set(&ps, 5, 1, map), 0);
	CHECK_EQ(pando_pidspace_size(&ps), 1024);
	for (i = 0; i < 4096; i++)
		CHECK_EQ(pando_pidspace_next(&ps, i), i / 1024 == 1 ? i : 1024);
	CHECK(pando_pidspace_mine(&ps, 1024));
	CHECK(!pando_pidspace_mine(&ps, 2048));
	CHECK_EQ(pando_pidspace_home(&ps, 2048), 5);
	CHECK_EQ(pando_pidspace_home(&ps, 3072), 6);
}

TEST(nobody_owns_nothing)
{
	clear_map();
	map[1] = 1;
	/* self is 0 before the node is told who it is: no block is its own */
	CHECK_EQ(pando_pidspace_set(&ps, 0, 1, map), 0);
	CHECK_EQ(pando_pidspace_size(&ps), 0);
	CHECK(!pando_pidspace_mine(&ps, 5000));
	CHECK(!pando_pidspace_mine(&ps, 1024));
}

TEST(unknown_bits_do_not_make_an_owner)
{
	clear_map();
	map[1] = 0x0400 | 3;	/* of the future: the node is still 3 */
	map[2] = 0x7c00;
	CHECK_EQ(pando_pidspace_set(&ps, 3, 1, map), 0);
	CHECK_EQ(pando_pidspace_home(&ps, 1024), 3);
	CHECK_EQ(pando_pidspace_home(&ps, 2048), 0);
}

/* From any 32 bit number on, also where it wraps, come those that are ours. */
static void check_circle(u32 from)
{
	u32 size = pando_pidspace_size(&ps), i, pid, bad = 0;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < size; i++, from = pid + 1) {
		pid = pando_pidspace_next(&ps, from);
		if (pid >= PANDO_PID_MAX || !pando_pidspace_mine(&ps, pid)) {
			bad++;
			continue;
		}
		bad += seen[pid]++;
	}
	CHECK_EQ(bad, 0);
}

TEST(the_circle_has_every_number_once)
{
	u64 seed = 2;
	u32 b;

	clear_map();
	for (b = 1; b < PANDO_BLOCKS; b++)
		if (tap_random(&seed) % 3 == 0)
			map[b] = 9;
	CHECK_EQ(pando_pidspace_set(&ps, 9, 1, map), 0);
	check_circle(0);
	check_circle(1);
	check_circle(123456789);
}

TEST(the_whole_space_may_be_one_nodes)
{
	u32 b;

	clear_map();
	for (b = 1; b < PANDO_BLOCKS; b++)
		map[b] = PANDO_NODE_MAX;
	CHECK_EQ(pando_pidspace_set(&ps, PANDO_NODE_MAX, 1, map), 0);
	CHECK_EQ(pando_pidspace_size(&ps), PANDO_PID_MAX - 1024);
	check_circle(0);
	CHECK_EQ(pando_pidspace_next(&ps, 0), 1024);
	CHECK_EQ(pando_pidspace_next(&ps, PANDO_PID_MAX - 1), PANDO_PID_MAX - 1);
	CHECK_EQ(pando_pidspace_next(&ps, PANDO_PID_MAX), 1024);
	CHECK_EQ(pando_pidspace_ahead(pando_pidspace_run(&ps, 5000, shut), 5000),
		 PANDO_PID_MAX - 5000);
}

TEST(a_new_map_forgets_the_old)
{
	clear_map();
	map[1] = 1;
	map[2] = 1;
	CHECK_EQ(pando_pidspace_set(&ps, 1, 1, map), 0);
	map[1] = 2;
	CHECK_EQ(pando_pidspace_set(&ps, 1, 2, map), 0);
	CHECK_EQ(ps.nblocks, 1);
	CHECK_EQ(ps.version, 2);
	CHECK(!pando_pidspace_mine(&ps, 1024));
	CHECK_EQ(pando_pidspace_home(&ps, 1024), 2);
}

/* The next one, told as plainly as can be; 0: there is none. */
static u32 naive_next(const u16 *map, u16 self, u32 from)
{
	u32 i, pid;

	for (i = 0; i < PANDO_PID_MAX + PANDO_LEASE_SIZE; i++) {
		pid = from < PANDO_PID_MAX ? (from + i) % PANDO_PID_MAX : i;
		if (naive_mine(map, self, pid))
			return pid;
		/* whole blocks at once */
		i += PANDO_LEASE_SIZE - 1 - pid % PANDO_LEASE_SIZE;
	}
	return 0;
}

/* How many from @pid on are ours, without a gap, in blocks that are not shut? */
static u32 naive_ahead(const u16 *map, u16 self, u32 pid)
{
	u32 n = 0;

	while (naive_mine(map, self, pid + n) && !shut[(pid + n) / PANDO_LEASE_SIZE])
		n += PANDO_LEASE_SIZE - (pid + n) % PANDO_LEASE_SIZE;
	return n;
}

/* Random maps, beside the naive reading of the same map. */
TEST(random_maps)
{
	u64 seed = 3;
	u32 bad = 0, n, b, i, pid, mine, run, other;

	for (n = 0; n < 200; n++) {
		u16 nodes = 1 + tap_random(&seed) % 40;
		u16 self = tap_random(&seed) % (nodes + 1);

		clear_map();
		for (b = 1; b < PANDO_BLOCKS; b++) {
			u64 r = tap_random(&seed);

			map[b] = r % (nodes + 1);
			if (map[b] && (r >> 32) % 8 == 0)
				map[b] |= PANDO_OWNER_HELD;
			shut[b] = n % 2 && (r >> 40) % 4 == 0;
		}
		CHECK_EQ(pando_pidspace_set(&ps, self, n, map), 0);
		for (b = 0, mine = 0; b < PANDO_BLOCKS; b++)
			mine += naive_mine(map, self, b * 1024);
		CHECK_EQ(ps.nblocks, mine);
		for (i = 0; i < 5000; i++) {
			pid = tap_random(&seed) % (PANDO_PID_MAX + 5000);
			bad += naive_mine(map, self, pid) !=
			       pando_pidspace_mine(&ps, pid);
			bad += naive_home(map, pid) !=
			       pando_pidspace_home(&ps, pid);
			bad += naive_next(map, self, pid) !=
			       pando_pidspace_next(&ps, pid);
			run = pando_pidspace_run(&ps, pid, shut);
			bad += naive_ahead(map, self, pid) !=
			       pando_pidspace_ahead(run, pid);
			/* whatever is in a run is ours, and open */
			other = pid + tap_random(&seed) % 8192 - 4096;
			bad += pando_pidspace_ahead(run, other) > naive_ahead(map, self, other);
		}
	}
	CHECK_EQ(bad, 0);
}

TAP_MAIN(T(numbers_are_those_of_the_uapi), T(empty_map),
	 T(block_zero_belongs_to_nobody), T(first_and_last_number_of_a_block),
	 T(held_blocks_are_home_but_hand_nothing_out), T(nobody_owns_nothing),
	 T(unknown_bits_do_not_make_an_owner),
	 T(the_circle_has_every_number_once),
	 T(the_whole_space_may_be_one_nodes), T(a_new_map_forgets_the_old),
	 T(random_maps))
