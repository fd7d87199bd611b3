/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Request and reply between two members' modules. A request is executed at
 * most once (idempotent ones may be executed again after a reconnect), its
 * wait is bounded and killable, and ends at once when the peer leaves the view.
 */
#ifndef _PANDO_RPC_H
#define _PANDO_RPC_H

#include <linux/types.h>
#include <linux/uio.h>
#include <pando/wire.h>

struct module;

/**
 * pando_rpc_call - ask another node and wait for the answer
 * @node: member to ask, not self
 * @type: message type, one that has a reply
 * @vec: request payload in @nvec pieces (kernel memory)
 * @reply: buffer for the reply's payload, may be NULL with @reply_cap 0
 * @reply_cap: its size; a longer reply is -EMSGSIZE
 * @reply_len: out, may be NULL
 *
 * Context: process, may sleep, no locks held. Killable; between STOP and START
 * it waits. Retries by itself over reconnects and epoch changes.
 * Return: the handler's status (0 or negative errno), or -EHOSTDOWN: not a
 * member or it left meanwhile; -EINTR: killed; -ETIMEDOUT; -ENOTCONN: not
 * attached; -ENOMEM; -EMSGSIZE; -EAGAIN: too many requests under way.
 */
int pando_rpc_call(u16 node, enum pando_msg type,
		   const struct kvec *vec, int nvec,
		   void *reply, size_t reply_cap, size_t *reply_len);

/**
 * struct pando_rpc_req - one request at the server
 * @node: the authenticated member that asks
 * @type: message type
 * @data: payload, its length checked against the table in wire.h
 * @len: of @data
 * @reply: where the handler writes the reply's payload
 * @reply_cap: room there (the table's maximum)
 * @reply_len: the handler sets it, 0 on entry
 *
 * The rest is rpc.c's own.
 */
struct pando_rpc_req {
	u16 node;
	enum pando_msg type;
	const void *data;
	size_t len;
	void *reply;
	size_t reply_cap;
	size_t reply_len;
	struct list_head list;	/* free for the queue that holds it */
};

/* A handler's return value becomes the status of the reply. May sleep. */
typedef int (*pando_rpc_handler)(struct pando_rpc_req *req);

/*
 * Sets the handler of a type for as long as @owner is loaded; unregister waits
 * for those that run. -EBUSY if it has one. Requests of a type without handler
 * are answered -EOPNOTSUPP.
 */
int pando_rpc_register(enum pando_msg type, pando_rpc_handler fn,
		       struct module *owner);
void pando_rpc_unregister(enum pando_msg type);

/** struct pando_rpc_row - the handler @fn of the message type @type */
struct pando_rpc_row {
	enum pando_msg type;
	pando_rpc_handler fn;
};

int pando_rpc_register_rows(const struct pando_rpc_row *rows, int n, struct module *owner);
void pando_rpc_unregister_rows(const struct pando_rpc_row *rows, int n);

/*
 * For serve.c: requests of PANDO_MSGF_SERVE types are handed over with
 * pando_serve_queue(); a serving thread runs pando_rpc_execute() on each, which
 * calls the handler, sends the reply and frees the request.
 */
void pando_rpc_execute(struct pando_rpc_req *req);
/* Answers with @status instead of executing (nobody serves, detach). */
void pando_rpc_refuse(struct pando_rpc_req *req, int status);

/* Requests sent and received and round trips, for debugfs and bench. */
struct pando_rpc_stats {
	u64 sent, received, replies, stale, parked, resent, duplicates;
};

void pando_rpc_get_stats(struct pando_rpc_stats *stats);

int pando_rpc_init(void);
void pando_rpc_exit(void);

#endif
