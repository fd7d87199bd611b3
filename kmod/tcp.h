/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pando_tcp: messages over TCP. A message's own header says its length; a
 * thread per link reads, whoever sends writes.
 */
#ifndef _PANDO_TCP_H
#define _PANDO_TCP_H

#include <linux/net.h>
#include <linux/socket.h>
#include <linux/types.h>
#include <linux/uio.h>

struct pando_conn;

/**
 * struct pando_tcp_link - one connection
 * @sock: its socket
 * @conn: whom it belongs to
 * @reader: thread that reads; whoever sets @conn wakes it for the first time
 * @initiator: we connected: tell @conn that the link stands
 * @buf: room for one message
 */
struct pando_tcp_link {
	struct socket *sock;
	struct pando_conn *conn;
	struct task_struct *reader;
	bool initiator;
	void *buf;
};

/*
 * Takes over @sock; the reader waits to be woken. ERR_PTR, then @sock is still
 * the caller's.
 */
struct pando_tcp_link *pando_tcp_link_new(struct socket *sock, bool initiator);
/* Ends reader and socket, whatever they do. */
void pando_tcp_link_abort(struct pando_tcp_link *link);
void pando_tcp_link_free(struct pando_tcp_link *link);
int pando_tcp_link_send(struct pando_tcp_link *link, const struct kvec *vec,
			int nvec, size_t len);

/* Options of every socket of ours, before it is used. */
void pando_tcp_tune(struct socket *sock);

#endif
