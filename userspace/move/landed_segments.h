/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SysV shared memory at the target: made before its tree comes, with the same id
 * and key, and filled as pages come; criu only attaches it.
 */
#ifndef LANDED_SEGMENTS_H
#define LANDED_SEGMENTS_H

#include "keeper.h"
#include "peer.h"

struct landed_segment {
	struct peer_segment is;		/* in our byte order */
	uint8_t *mem;			/* attached, or NULL: not made, or gone */
	uint64_t pages;
	uint8_t *written;		/* a bit a page; others are zeros */
};

struct landed_segments {
	struct landed_segment *v;
	size_t n;
	int record;			/* of what was made (sysv.h), or -1 */
};

#define LANDED_SEGMENTS_NONE	((struct landed_segments){ .record = -1 })

/* The source's list: makes what is new. The keeper takes it away if we die. */
int landed_segments_take(struct landed_segments *l, struct move *m,
			 struct keeper *k, const struct peer_message *msg);
bool landed_segments_has(const struct landed_segments *l, uint32_t which,
			 uint64_t addr, uint64_t pages);
/* @n pages; bit i of @zero: it is zeros; the others follow each other in @data. */
void landed_segments_put(struct landed_segments *l, uint32_t which,
			 uint64_t addr, unsigned int n, uint64_t zero,
			 const uint8_t *data);
/* Of the images of @pids, the root first: so that criu attaches what is here. */
int landed_segments_adopt(const struct landed_segments *l, struct move *m,
			  const uint32_t *pids, size_t n);
/* The tree has them all attached: as they were. */
int landed_segments_finish(struct landed_segments *l, struct move *m);
/* The tree runs here: they are its own. */
void landed_segments_keep(struct move *m);
/* Lets go of them. Who made them for nothing takes them away by the record. */
void landed_segments_free(struct landed_segments *l);

#endif
