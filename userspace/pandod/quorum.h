/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This node's lease on quorum, and its patience with nodes that are gone: the
 * arithmetic (lease.h) with clocks, messages and pando-init around it.
 */
#ifndef PANDOD_QUORUM_H
#define PANDOD_QUORUM_H

#include "cluster.h"
#include "lease.h"

/* After membership_open(): how long a lease is follows from corosync's bounds. */
void quorum_open(void);
/* The group's members changed. */
void quorum_config(const uint16_t *ids, size_t n);
/* Fills in the nodes that we have no patience with any more. */
void quorum_over(struct sync *sync);
/* A SYNC is sent: when all members have acted on it, that counts as a pulse. */
void quorum_synced(void);
/*
 * The view is active. @known: its members know our namespace. Without both that
 * and enough votes to keep others from acting, the lease ends now.
 */
void quorum_view(struct state *s, bool known);
void quorum_pulse(struct state *s, uint16_t from, const struct message *m);
/* What runs here may not any more, or not for long; nothing renews the lease. */
void quorum_lost(void);
/* Are the cluster's processes on this node frozen, or about to be? */
bool quorum_frozen(void);
/* Microseconds until our patience with this node is over; 0: it is. */
uint64_t quorum_patience_us(uint16_t node);
uint64_t quorum_gone_us(uint16_t node);	/* how long it has been gone */
/*
 * Does the view have quorum? 1, 0, or -EAGAIN; by votes, or because all others
 * are known to be dead and off.
 */
int quorum_of(struct state *s);

#endif
