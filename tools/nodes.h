/* SPDX-License-Identifier: GPL-2.0-only */
/* The list of nodes, which most commands need for names. */
#ifndef PANDO_NODES_H
#define PANDO_NODES_H

#include "pando.h"

/* Asks on @sock under @id; the reply is to be taken with nodes_take(). */
void nodes_ask(int sock, uint32_t id);
/* Of a frame that answers it: the nodes in the order of their ids. */
Pando__NodesReply *nodes_take(Pando__Frame *frame);
/* Both, over a connection of its own. */
Pando__NodesReply *nodes_get(void);
/* Name of the node where a process runs; there is one, or the command ends. */
const char *nodes_of_process(uint32_t pid);
const Pando__Node *nodes_find(const Pando__NodesReply *nodes, uint32_t id);

#endif
