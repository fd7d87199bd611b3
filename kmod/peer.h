/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another member, for as long as it is one under the same incarnation: its
 * connection and the requests both ways. node.c makes and drops peers, rpc.c
 * works on them.
 */
#ifndef _PANDO_PEER_H
#define _PANDO_PEER_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "conn.h"
#include "duptab.h"
#include "node.h"
#include "reqtab.h"

/**
 * struct pando_peer - a member that is not this node
 * @ref: one while it is a member, one for each user
 * @list: among the members, node.c's lock
 * @member: as the daemon said; constant but for the address
 * @lock: all below; process context, nothing is taken inside it
 * @conn: the connection that is UP, with a reference; NULL
 * @ready: requests may be sent on it
 * @dead: no member any more: no new requests
 * @refused: its last handshake failed for good reason
 * @out: requests of ours under way there
 * @in: its requests here
 * @room: waits for a place in @out
 * @connect_work: connects, and again after a pause
 * @resend_work: sends @out again; holds a reference while it is queued
 * @backoff: that pause, jiffies
 * @rtt_us: smoothed round trip of PING
 */
struct pando_peer {
	struct kref ref;
	struct list_head list;
	struct pando_member member;
	spinlock_t lock;	/* all that follows */
	struct pando_conn *conn;
	bool ready;
	bool dead;
	bool refused;
	struct pando_reqtab out;
	struct pando_duptab in;
	wait_queue_head_t room;
	struct delayed_work connect_work;
	struct work_struct resend_work;
	unsigned long backoff;
	u32 rtt_us;
};

/* A reference, or NULL if @id is no other member. */
struct pando_peer *pando_peer_get(u16 id);
void pando_peer_put(struct pando_peer *peer);

/*
 * Waits until requests may leave (START has come), killable, until @deadline
 * (jiffies). 0 and the epoch, -EINTR, -ETIMEDOUT, -ENOTCONN.
 */
int pando_nodes_wait_open(unsigned long deadline, u64 newer_than, u64 *epoch);

/* What to do with a message of that epoch. */
#include "epoch.h"
enum pando_epoch_verdict pando_nodes_check(u64 epoch);

/*
 * rpc.c: the connection is usable (again), or the epoch is in force: a worker
 * sends what has no reply yet. Any context.
 */
void pando_rpc_peer_init(struct pando_peer *peer);
void pando_rpc_resend(struct pando_peer *peer);
/* rpc.c: the peer is gone: end all waits on it, forget its requests. */
void pando_rpc_peer_dead(struct pando_peer *peer);
/* rpc.c: the epoch has changed: look at parked messages again. */
void pando_rpc_unpark(void);
/* rpc.c: end everything (detach); returns when no handler runs. */
void pando_rpc_quiesce(void);
/* rpc.c: last reference is going. */
void pando_rpc_peer_free(struct pando_peer *peer);

#endif
