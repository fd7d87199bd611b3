/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals to the tree while it is described, copied and decided upon: the
 * kernel keeps them (PANDO_IOC_HOLD), and each arrives once, where it lives.
 */
#ifndef HOLD_H
#define HOLD_H

#include "tree.h"

/*
 * Before criu takes hold of the tree, of which nobody is to be stopped or to go on
 * from then on. Who was sent a stop before is stopped when this returns; their
 * states in @t are those of now.
 */
int hold_stops(struct move *m, int *dev, struct tree *t);
/* The tree is frozen, and its images are complete. */
int hold_tree(struct move *m, int *dev, const struct tree *t);
/* At the target: what was restored. */
int hold_copies(struct move *m, int *dev, const uint32_t *pids, size_t n);
/* From now on our end does not end it: the cluster decides. */
void hold_stay(int dev);
/* It is decided, and acted upon. */
void hold_let(struct move *m, int *dev);

#endif
