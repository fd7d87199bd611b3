/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declaring nodes dead: who asks for it, when it is time, and what a node does
 * that finds itself declared dead. The rules are in state.h.
 */
#ifndef PANDOD_EXPEL_H
#define PANDOD_EXPEL_H

#include "cluster.h"

/* A tool asks: answered with Done when the node is dead. */
void expel_request(struct request *r, const Pando__ExpelRequest *q);
/* EXPEL was delivered. */
void expel_message(struct state *s, uint16_t from, const struct message *m);
/*
 * A view is known, though not yet in force. When this node's namespace is dead
 * in it all that is in it is killed, and the daemon starts anew.
 */
void expel_judged(struct state *s);
/* A view is active: who is missing, and for how long? */
void expel_view(struct state *s);

#endif
