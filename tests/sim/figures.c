// SPDX-License-Identifier: GPL-2.0-only
/* Figures of size that need no machine: for tests/bench. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define PROCESSES	100000u
#define NODES		8u

/*
 * The tables of a node whose 100,000 processes all live elsewhere, in turns on
 * seven others: the most that a home can have to remember. Allocated bytes, with
 * what the allocator adds.
 */
double figure_bytes_per_process(void)
{
	static struct pando_pidspace space;
	static u16 map[PANDO_LEASE_BLOCKS];
	struct pando_directory d;
	size_t before, after;
	u32 i, b;

	for (b = 1; b <= PROCESSES / PANDO_LOCAL_PIDS + 1; b++)
		map[b] = 1;
	if (pando_pidspace_set(&space, 1, 1, map))
		exit(2);
	pando_dir_init(&d);
	before = mallinfo2().uordblks;
	for (i = 0; i < PROCESSES; i++)
		if (pando_dir_set(&d, PANDO_LOCAL_PIDS + i,
				  PANDO_DIR_AWAY, 2 + i % (NODES - 1), i))
			exit(2);
	after = mallinfo2().uordblks;
	pando_dir_destroy(&d);
	return (double)(after - before + sizeof(space)) / PROCESSES;
}
