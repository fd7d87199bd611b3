/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIG_MUX_H
#define RIG_MUX_H

#include <stddef.h>

/* The clients of a node's command channel share its virtio port (see proto.h). */

/* Connects @node's agent by @fd and greets it. */
void mux_attach(int node, int fd);
/* The node is gone: every client of it is told, with @why. */
void mux_detach(int node, const char *why);
/* 1 once the agent has answered our greeting. */
int mux_is_up(int node);

/* Takes over @fd, a client of @node; @data of it was read already. */
void mux_client(int node, int fd, const char *data, size_t len);

/* Once a second: do agents that owe somebody an answer still live? */
void mux_tick(int lost_after_ms);

#endif
