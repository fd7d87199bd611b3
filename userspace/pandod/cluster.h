/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The group of daemons: corosync's order and quorum in, the replicated state
 * (state.h) in the middle, commands to the kernel out.
 */
#ifndef PANDOD_CLUSTER_H
#define PANDOD_CLUSTER_H

#include "message.h"
#include "pandod.h"

/* A node that corosync's configuration names, member or not. */
struct configured {
	uint16_t id;
	char name[PANDO_NAME_MAX];
	char addr[STATE_ADDR_MAX];
};

/* Connects to corosync and learns who we are; pandod.self and names are set. */
int cluster_open(void);
/* Joins the group; the rest follows from messages. */
int cluster_join(void);
/* Leaves it; the kernel goes on alone. */
void cluster_leave(void);
/* Leaves it for good: the namespace is gone, the kernel is detached. */
int cluster_detach(void);

struct state *cluster_state(void);
const struct configured *cluster_configured(unsigned int *n);
/* "node2", "2"; NULL if no member is called that. */
const struct member *cluster_find(const char *name);
/* Like cluster_find(); the name of any node, for messages to people. */
const char *cluster_name(uint16_t id);
/* In the group's total order, also to ourselves. */
void cluster_send(struct message *m);
/* Another view of the same members: what is under way is decided by it. */
void cluster_barrier(void);

/* Events of the kernel. */
void cluster_kernel_done(uint64_t epoch);
void cluster_lease_low(uint32_t used, uint32_t free);
void cluster_kernel_peer(uint16_t node, uint32_t state);

#endif
