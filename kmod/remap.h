/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mremap() moves whole page tables with the soft-dirty bits in them as they
 * are, so that an address may hold other memory, and its own again, and no mark
 * of it. While a mover follows what memory changes, mappings that were moved are
 * marked as new ones are: all of them counts as changed until bits are reset.
 */
#ifndef _PANDO_REMAP_H
#define _PANDO_REMAP_H

struct file;

/* From now on, until @owner is closed. -ENOMEM. Process context. */
int pando_remap_watch(struct file *owner);
void pando_remap_drop(struct file *owner);

#endif
