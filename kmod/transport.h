/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What carries messages between two kernels, in the manner of net/rds. A
 * transport moves whole messages, in order, reliably while a link lives; it
 * knows nothing of nodes, keys or epochs: conn.c does.
 */
#ifndef _PANDO_TRANSPORT_H
#define _PANDO_TRANSPORT_H

#include <linux/types.h>
#include <linux/uio.h>
#include <linux/socket.h>

struct module;
struct pando_conn;
struct pando_wire_hdr;

/**
 * struct pando_transport - operations of one kind of link
 * @name: as in the configuration: "tcp", "rdma", "loop"
 * @owner: its module, pinned while attached
 * @listen: start accepting at @addr; each newcomer is offered by
 *	pando_conn_accept(). Process context, may sleep.
 * @unlisten: stop; returns when no pando_conn_accept() is running any more
 * @connect: begin to connect @conn to @addr; pando_conn_established() or
 *	pando_conn_error() follows, perhaps before it returns. May sleep.
 * @send: queue one message made of @nvec pieces, copying them; may sleep;
 *	-EPIPE when the link is broken. Calls for one link are serialised
 *	by conn.c.
 * @abort: the link is of no use any more: a @send that waits ends soon, and
 *	those that follow fail. At any time before @close; must not sleep for
 *	long.
 * @close: tears the link down; after its return no callback for @link runs
 *	or will run, and @link is gone. Process context, may sleep; never
 *	called from a callback.
 * @stats: optional, one line for debugfs
 *
 * Callbacks are made from process context (workqueue or thread).
 */
struct pando_transport {
	const char *name;
	struct module *owner;
	struct list_head list;
	int (*listen)(const struct sockaddr_storage *addr);
	void (*unlisten)(void);
	int (*connect)(struct pando_conn *conn,
		       const struct sockaddr_storage *addr, void **link);
	int (*send)(void *link, const struct kvec *vec, int nvec, size_t len);
	void (*abort)(void *link);
	void (*close)(void *link);
	int (*stats)(void *link, char *buf, size_t size);
};

int pando_transport_register(struct pando_transport *t);
void pando_transport_unregister(struct pando_transport *t);
/* Finds by name and takes a reference on the module; NULL if none. */
struct pando_transport *pando_transport_get(const char *name);
void pando_transport_put(struct pando_transport *t);

/*
 * Callbacks into conn.c. accept sets *conn to the connection of the new link
 * and takes the link over, or fails when there are too many strangers already
 * (then the transport drops the link). The connection may be closed before
 * accept returns: after it the transport touches the link only where its own
 * @close waits for it. receive is given whole messages only; @limit of what may
 * arrive before the handshake ended is asked with pando_conn_limit().
 */
int pando_conn_accept(void *link, struct pando_conn **conn);
void pando_conn_established(struct pando_conn *conn);
void pando_conn_receive(struct pando_conn *conn, const void *msg, size_t len);
void pando_conn_error(struct pando_conn *conn, int err);
size_t pando_conn_limit(struct pando_conn *conn);
bool pando_conn_is_up(struct pando_conn *conn);
int pando_conn_length(struct pando_conn *conn,
		      const struct pando_wire_hdr *hdr);

#endif
