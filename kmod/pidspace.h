/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers a node may hand out: the blocks it holds a lease of, and which
 * number comes next. Pure; all but pando_pidspace_set() may run on many CPUs at
 * once against one pando_pidspace, a new map is a new pando_pidspace (the module
 * swaps them by RCU).
 *
 * Numbers are tried in a circle over all blocks, as the kernel does over its
 * one range, so that a number that was just freed is used again last. Whether
 * a candidate is in use is known by others: the kernel's own allocator is the
 * judge.
 */
#ifndef _PANDO_PIDSPACE_H
#define _PANDO_PIDSPACE_H

#include "pure.h"

#define PANDO_BLOCK_SHIFT	10
#define PANDO_BLOCK_SIZE	(1u << PANDO_BLOCK_SHIFT)
#define PANDO_BLOCKS		4096u
#define PANDO_OWNER_MASK	0x03ffu
#define PANDO_OWNER_HELD	0x8000u

/**
 * struct pando_pidspace - one lease map as one node sees it
 * @self: this node
 * @version: of the map
 * @owner: per block, owner and PANDO_OWNER_HELD
 * @nblocks: blocks this node hands numbers out of
 * @block: those, ascending
 */
struct pando_pidspace {
	u16 self;
	u64 version;
	u16 owner[PANDO_BLOCKS];
	u32 nblocks;
	u16 block[PANDO_BLOCKS];
};

/*
 * Fills @ps from a map of PANDO_BLOCKS entries. -EINVAL when block 0 has an
 * owner: it is node-local everywhere.
 */
int pando_pidspace_set(struct pando_pidspace *ps, u16 self, u64 version,
		       const u16 *map);

/* How many numbers this node may hand out, in use or not. */
static inline u32 pando_pidspace_size(const struct pando_pidspace *ps)
{
	return ps->nblocks << PANDO_BLOCK_SHIFT;
}

/*
 * The first number from @from on (any u32), round the circle, that this node may hand
 * out: @from itself, if it is one. 0: there is none.
 */
u32 pando_pidspace_next(const struct pando_pidspace *ps, u32 from);

/*
 * A run: blocks of this node that follow each other, in one word, so that it is read at
 * once: the first, and above PANDO_RUN_SHIFT the one behind the last. 0: none.
 */
#define PANDO_RUN_SHIFT	16

/*
 * The run that begins with the block of @pid (any u32) and ends before the first block that
 * is @shut (of PANDO_BLOCKS); 0: that is not ours, or is shut.
 */
u32 pando_pidspace_run(const struct pando_pidspace *ps, u32 pid, const u16 *shut);

/* How many numbers from @pid on, itself included, are in @run? 0: it is not. */
static inline u32 pando_pidspace_ahead(u32 run, u32 pid)
{
	u32 end = run >> PANDO_RUN_SHIFT << PANDO_BLOCK_SHIFT;

	return pid >> PANDO_BLOCK_SHIFT >= (run & 0xffff) && pid < end ? end - pid : 0;
}

/* Home of a number: node id, 0 for nobody, also for block 0 and beyond. */
u16 pando_pidspace_home(const struct pando_pidspace *ps, u32 pid);

/* May this node hand the number out? */
bool pando_pidspace_mine(const struct pando_pidspace *ps, u32 pid);

#endif
