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

u32 pando_pidspace_at(const struct pando_pidspace *ps, u32 cursor)
{
	u32 place = cursor % pando_pidspace_size(ps);

	return ((u32)ps->block[place >> PANDO_BLOCK_SHIFT]
		<< PANDO_BLOCK_SHIFT) | (place & (PANDO_BLOCK_SIZE - 1));
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
