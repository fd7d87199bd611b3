/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One connection to another node's module, from the transport's first word to
 * its end:
 *
 *   initiator   CONNECTING -> HELLO_SENT -> AUTH_SENT -\
 *   responder   ACCEPTED ---> CHALLENGED --------------+-> UP
 *                    \_____________\___________________/   |
 *                                 any error                |
 *                            CLOSED <----------------------+
 *
 * CLOSED is the end: a worker takes the link down and drops the last reference;
 * the next attempt is a new connection. set_state() in conn.c is the only
 * place that changes the state.
 */
#ifndef _PANDO_CONN_H
#define _PANDO_CONN_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <pando/wire.h>

#include "node.h"
#include "transport.h"

enum pando_conn_state {
	PANDO_CONN_CONNECTING,
	PANDO_CONN_HELLO_SENT,
	PANDO_CONN_AUTH_SENT,
	PANDO_CONN_ACCEPTED,
	PANDO_CONN_CHALLENGED,
	PANDO_CONN_UP,
	PANDO_CONN_CLOSED,
};

/**
 * struct pando_conn - a connection
 * @ref: one while it is not closed, one for whoever keeps a pointer
 * @list: in conn.c's list of all
 * @transport: what carries it
 * @link: the transport's own, valid until the close worker has run
 * @lock: state
 * @state: see above
 * @send_mutex: one sender at a time; process context
 * @node: who is (to be) at the other end; 0 for a stranger
 * @incarnation: of that node
 * @initiator: we connected
 * @error: why it was closed
 * @hello: first message of the handshake
 * @challenge: second
 * @close_work: takes it down
 * @timeout: ends a handshake that does not get on
 */
struct pando_conn {
	struct kref ref;
	struct list_head list;
	struct pando_transport *transport;
	void *link;
	spinlock_t lock;	/* state */
	enum pando_conn_state state;
	struct mutex send_mutex;	/* one message at a time; setting link */
	u16 node;
	u64 incarnation;
	bool initiator;
	int error;
	struct pando_wire_hello hello;
	struct pando_wire_challenge challenge;
	struct work_struct close_work;
	struct delayed_work timeout;
};

/* Attach and detach; exit waits until every connection is gone. */
int pando_conns_open(struct pando_transport *t, const struct pando_self *self);
void pando_conns_close(void);

/*
 * Begins to connect to a member. A reference for the caller, or an ERR_PTR.
 * What becomes of it is told by pando_nodes_conn_up() and _down().
 */
struct pando_conn *pando_conn_start(u16 node, u64 incarnation,
				    const struct sockaddr_storage *addr);

/* One whole message; -EPIPE unless UP. May sleep. */
int pando_conn_send(struct pando_conn *conn, const struct kvec *vec, int nvec);

/* Ends it; returns at once. Any context that may take a spinlock. */
void pando_conn_kill(struct pando_conn *conn, int err);

void pando_conn_get(struct pando_conn *conn);
void pando_conn_put(struct pando_conn *conn);

/* --- upcalls, in node.c and rpc.c; process context ------------------------- */

/*
 * The handshake is done. Returns 0 and takes a reference if this is a member
 * of that incarnation, else -ENOENT: the connection is closed.
 */
int pando_nodes_conn_up(struct pando_conn *conn);
/* Both sides know it is up: requests may flow. */
void pando_nodes_conn_ready(struct pando_conn *conn);
/* It is closed; also told of connections that never came up. */
void pando_nodes_conn_down(struct pando_conn *conn, int err);
/* A whole message on a connection that is UP. */
void pando_rpc_receive(struct pando_conn *conn, const void *msg, size_t len);

#endif
