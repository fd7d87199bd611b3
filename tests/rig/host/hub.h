/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIG_HUB_H
#define RIG_HUB_H

#include <stddef.h>

/* An Ethernet switch with one port a node; a port is a stream socket to QEMU. */

/* Connects @node by @fd, which is the hub's from here on. */
void hub_attach(int node, int fd);
void hub_detach(int node);

/* Delayed frames that are due leave; returns ms until the next one, or -1. */
int hub_tick(void);

/* Frames from @a to @b are dropped from now on (one direction). */
void hub_cut(int a, int b);
void hub_cut_all(int node);
void hub_heal(void);
/* Every frame from or to @node: lost with @loss percent, held for @delay_ms. */
void hub_shape(int node, double loss, int delay_ms);

/* Counters and filters of @node's port as "key=value ..." */
void hub_status(int node, char *text, size_t size);

#endif
