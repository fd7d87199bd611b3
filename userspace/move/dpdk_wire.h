/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the dpdk fabric puts on the Ethernet. All numbers are little-endian but
 * the Ethernet type, which is the one for local experiments (IEEE 802).
 *
 *	target				source
 *	PING			->		do frames arrive at all?
 *			<-	PONG
 *	ASK read, first, mask	->		64 fragments at most
 *			<-	DATA read, first	one frame a fragment
 *
 * Frames may be lost, repeated and overtaken: an ASK may be answered any number
 * of times, and whoever asked takes each fragment once. Everything else, who the
 * other side is included, goes over TCP (fabric_dpdk.c), where the two also
 * agree on @session: a number that nobody else knows.
 */
#ifndef DPDK_WIRE_H
#define DPDK_WIRE_H

#include <stdint.h>

#define DPDK_ETHER_TYPE	0x88b5u
#define DPDK_MAGIC	0x50445044u	/* "DPDP" */

enum dpdk_frame_type {
	DPDK_PING = 1,
	DPDK_PONG,
	DPDK_ASK,
	DPDK_DATA,
};

/**
 * struct dpdk_frame - the head of each frame
 * @dst: Ethernet address
 * @src: Ethernet address
 * @ether_type: DPDK_ETHER_TYPE, big-endian
 * @type: enum dpdk_frame_type
 * @magic: DPDK_MAGIC
 * @session: of this move
 * @read: which of the reads under way, chosen by who asks
 * @generation: of @read: an answer to an earlier one is not for this one
 * @first: fragment: of DATA the one that follows; of ASK the one of bit 0
 * @len: bytes of payload; of ASK of the whole read
 * @key: of the region, ASK
 * @addr: where the read begins, ASK
 * @mask: fragments wanted, ASK
 */
struct dpdk_frame {
	uint8_t dst[6];
	uint8_t src[6];
	uint16_t ether_type;
	uint16_t type;
	uint32_t magic;
	uint32_t key;
	uint64_t session;
	uint16_t read;
	uint16_t first;
	uint32_t generation;
	uint32_t len;
	uint32_t pad;
	uint64_t addr;
	uint64_t mask;
} __attribute__((packed));

_Static_assert(sizeof(struct dpdk_frame) == 64, "wire struct");

#endif
