/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links between daemons: TCP, the cluster key proved both ways before any
 * frame. Who connects makes the calls; each direction has links of its own.
 */
#ifndef PANDOD_PEER_H
#define PANDOD_PEER_H

#include "pandod.h"

int peer_listen(void);
/* The view changed: links to those that left end, with their calls. */
void peer_view(void);
/*
 * A call on the one link that is kept to @node, made when there is none. @fn
 * is always called, possibly before this returns.
 */
void peer_call(uint16_t node, Pando__Frame *f, unsigned int timeout_ms,
	       call_fn fn, void *data);
/*
 * A link of its own, for streams; ready() gets it or an error. It is the
 * caller's, with @ops; the daemon ends it when the node leaves.
 */
int peer_open(uint16_t node, const struct link_ops *ops, void *data,
	      void (*ready)(void *data, struct link *l, int err));
/* What an error of a call to @node means, in words. */
const char *peer_error(uint16_t node, int err);

#endif
