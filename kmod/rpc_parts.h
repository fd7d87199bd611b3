/* SPDX-License-Identifier: GPL-2.0-only */
/* What rpc.c, rpc_client.c and rpc_server.c need of each other. */
#ifndef _PANDO_RPC_PARTS_H
#define _PANDO_RPC_PARTS_H

#include <linux/atomic.h>
#include <linux/types.h>

struct pando_conn;
struct pando_dup;
struct pando_hdr;
struct pando_peer;
struct workqueue_struct;

/*
 * Executes requests, and sends whatever the receiving side has to say: who
 * receives must never wait until the other side does.
 */
extern struct workqueue_struct *pando_rpc_wq;

/** struct pando_rpc_count - see struct pando_rpc_stats */
struct pando_rpc_count {
	atomic64_t sent, received, replies, stale, parked, resent, duplicates;
};

extern struct pando_rpc_count pando_rpc_count;

/* The connection to use now, with a reference; NULL while there is none. */
struct pando_conn *pando_rpc_conn(struct pando_peer *p);

/* For the receiving side; may sleep for memory, never for the wire. */
void pando_rpc_on_reply(struct pando_peer *p, const struct pando_hdr *hdr,
			const void *payload);
void pando_rpc_on_request(struct pando_peer *p, const struct pando_hdr *hdr,
			  const void *payload);
void pando_rpc_reply_later(struct pando_peer *p, u16 type, u64 id, int status);

/* Answers that were kept and that the peer has got. */
void pando_rpc_free_chain(struct pando_dup *dup);

#endif
