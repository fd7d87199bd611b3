/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one port of DPDK's that a mover uses. It is in a shared object of its own
 * (pando-dpdk.so), which is loaded when the dpdk fabric is wanted: whoever does
 * not want it needs no DPDK. One thread uses it.
 */
#ifndef DPDK_PORT_H
#define DPDK_PORT_H

#include <stddef.h>
#include <stdint.h>

#define DPDK_PORT_ABI	1
#define DPDK_PORT_FILE	"pando-dpdk.so"

struct dpdk_port {
	int abi;			/* DPDK_PORT_ABI */
	/*
	 * Starts DPDK and its first port; DPDK itself can do so once a process.
	 * @args: the name of a network interface (then it is shared with the
	 * kernel, af_packet), or DPDK's own arguments. 0 and @port, what the
	 * others are given, or a negative errno and in @why what is wrong.
	 */
	int (*open)(const char *args, void **port, char *why, size_t size);
	void (*mac)(void *port, uint8_t mac[6]);
	/* The largest frame, the Ethernet head included. */
	size_t (*frame_max)(void *port);
	/* Queues a frame of two parts: 0, or -EAGAIN when there is no room now. */
	int (*send)(void *port, const void *head, size_t headlen,
		    const void *body, size_t len);
	/* What was queued leaves. */
	void (*flush)(void *port);
	/* Hands over what has come, up to @most frames; returns how many. */
	unsigned int (*receive)(void *port, unsigned int most,
				void (*fn)(void *arg, const uint8_t *frame,
					   size_t len), void *arg);
	void (*close)(void *port);
};

/* What the shared object exports is a struct dpdk_port, pando_dpdk_port. */

#endif
