// SPDX-License-Identifier: GPL-2.0-only
/* Leases: see pidspace.h. */
#include "pidspace.h"

int pando_pidspace_set(struct pando_pidspace *ps, u16 self, u64 version,
		       const u16 *map)
{
	u32 b;

	if (map[0])
		return -EINVAL;
	ps->self = self;
	ps->version = version;
	ps->nblocks = 0;
	for (b = 0; b < PANDO_BLOCKS; b++) {
		ps->owner[b] = map[b] & (PANDO_OWNER_MASK | PANDO_OWNER_HELD);
		if (self && ps->owner[b] == self)
			ps->block[ps->nblocks++] = b;
	}
	return 0;
}

u32 pando_pidspace_next(const struct pando_pidspace *ps, u32 from)
{
	u32 low = 0, high = ps->nblocks, mid;

	if (!high || pando_pidspace_mine(ps, from))
		return high ? from : 0;
	/* the first block of ours above it */
	while (low < high) {
		mid = (low + high) / 2;
		if (ps->block[mid] < from >> PANDO_BLOCK_SHIFT)
			low = mid + 1;
		else
			high = mid;
	}
	return (u32)ps->block[low < ps->nblocks ? low : 0] << PANDO_BLOCK_SHIFT;
}

u32 pando_pidspace_run(const struct pando_pidspace *ps, u32 pid, const u16 *shut)
{
	u32 first = pid >> PANDO_BLOCK_SHIFT, end = first;

	while (pando_pidspace_mine(ps, end << PANDO_BLOCK_SHIFT) && !shut[end])
		end++;
	return first == end ? 0 : first | end << PANDO_RUN_SHIFT;
}

u16 pando_pidspace_home(const struct pando_pidspace *ps, u32 pid)
{
	u32 b = pid >> PANDO_BLOCK_SHIFT;

	return b < PANDO_BLOCKS ? ps->owner[b] & PANDO_OWNER_MASK : 0;
}

bool pando_pidspace_mine(const struct pando_pidspace *ps, u32 pid)
{
	u32 b = pid >> PANDO_BLOCK_SHIFT;

	return b < PANDO_BLOCKS && ps->self && ps->owner[b] == ps->self;
}
