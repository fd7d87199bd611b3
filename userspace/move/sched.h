/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the scheduler was told of a thread, and criu does not keep: which CPUs it may run
 * on, its I/O priority, its timer slack. It travels as an image of ours beside criu's.
 */
#ifndef SCHED_H
#define SCHED_H

#include "move.h"
#include "tree.h"

#define SCHED_IMAGE	"pando-sched.img"

/* Of all that is not as it is by default, into the work directory; they are frozen. */
int sched_save(struct move *m, const struct tree *t);
/*
 * To the copies, @n threads with the numbers @tid, which are frozen: as far as this node has
 * such CPUs. What it does not take they do without.
 */
void sched_restore(struct move *m, const uint32_t *tid, size_t n);

#endif
