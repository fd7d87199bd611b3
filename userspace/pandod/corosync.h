/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Membership and order, from corosync or, standalone, from ourselves. Another
 * engine takes its place by implementing these few functions.
 */
#ifndef PANDOD_COROSYNC_H
#define PANDOD_COROSYNC_H

#include "cluster.h"
#include "lease.h"

struct membership_events {
	void (*config)(const uint16_t *ids, size_t n);
	void (*message)(uint16_t from, const uint8_t *buf, size_t len);
	void (*quorum)(void);	/* membership_quorate() may have changed */
	void (*lost)(void);	/* the engine is gone */
};

int membership_open(const struct membership_events *events);
int membership_join(void);
void membership_leave(void);
/* Reliable, in total order; queued while the engine is busy. */
void membership_send(uint8_t *buf, size_t len);	/* takes buf */
/*
 * Has the part of the cluster that we see quorum, counted over @ids? 1, 0, or
 * -EAGAIN while order and quorum still speak of different rings.
 * QUORATE_BY_DEVICE: only with the vote of a quorum device. It remembers
 * nothing: that vote is good for those who go on, not for those who start.
 */
#define QUORATE_BY_DEVICE	2
int membership_quorate(const uint16_t *ids, size_t n);
/* All votes there are and how many make a quorum; what a node has of them. */
void membership_votes(struct votes *v);
unsigned int membership_node_votes(uint16_t id);
/* The longest that corosync takes to find out that a node is gone. */
unsigned int membership_detection_ms(void);
const struct configured *membership_configured(unsigned int *n);

#endif
