/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One clock for the cluster, before this node's namespace is made: the nodes'
 * wall clocks may differ, and a process that moves must not see time go back.
 */
#ifndef PANDOD_CLOCK_H
#define PANDOD_CLOCK_H

#include "pandod.h"

/*
 * Asks the other members how late it is. agreed() gets what this node's wall
 * clock shows at the zero of the cluster's clock, in nanoseconds: as near as
 * the wire tells, or @zero_ns where there is nobody to go by. It is always
 * called, possibly before this returns.
 */
void clock_agree(int64_t zero_ns, void (*agreed)(int64_t zero_ns));
/* Another node asks. */
void clock_peer(struct request *r);

#endif
