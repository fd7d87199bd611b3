// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of others: see rpc.h. By its id a request that comes again is known
 * to have been executed, and answered as it was.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "codec.h"
#include "peer.h"
#include "rpc.h"
#include "rpc_parts.h"
#include "serve.h"

/**
 * struct incoming - a request of a peer
 * @req: what the handler sees
 * @work: executes it, unless a serving thread does
 * @peer: who asks, with a reference
 * @dup: in the peer's table, under the peer's lock
 * @status: of the reply
 * @kept: reply that is kept, in case the request comes again
 * @payload: the request's
 */
struct incoming {
	struct pando_rpc_req req;
	struct work_struct work;
	struct pando_peer *peer;
	struct pando_dup dup;
	u64 id;
	int status;
	void *kept;
	u8 payload[];
};

struct handler {
	pando_rpc_handler fn;
	struct module *owner;
};

static struct handler handlers[PANDO_MSG_LAST + 1];
static DEFINE_MUTEX(handlers_mutex);
DEFINE_STATIC_SRCU(handlers_srcu);

/**
 * pando_rpc_register - set the handler of a message type
 * @type: the type
 * @fn: its handler
 * @owner: module it belongs to
 *
 * Return: 0, -EINVAL, or -EBUSY when there is one.
 */
int pando_rpc_register(enum pando_msg type, pando_rpc_handler fn,
		       struct module *owner)
{
	int err = -EBUSY;

	if (!pando_codec_info(type))
		return -EINVAL;
	mutex_lock(&handlers_mutex);
	if (!handlers[type].fn) {
		handlers[type].owner = owner;
		/* pairs with the acquire in pando_rpc_execute() */
		smp_store_release(&handlers[type].fn, fn);
		err = 0;
	}
	mutex_unlock(&handlers_mutex);
	return err;
}
EXPORT_SYMBOL_GPL(pando_rpc_register);

/**
 * pando_rpc_unregister - no handler any more
 * @type: the type; returns when none of its handlers runs
 */
void pando_rpc_unregister(enum pando_msg type)
{
	mutex_lock(&handlers_mutex);
	WRITE_ONCE(handlers[type].fn, NULL);
	mutex_unlock(&handlers_mutex);
	synchronize_srcu(&handlers_srcu);
}
EXPORT_SYMBOL_GPL(pando_rpc_unregister);

/**
 * pando_rpc_register_rows - set the handlers of several message types
 * @rows: types and handlers
 * @n: how many
 * @owner: module they belong to
 *
 * Return: 0, or what pando_rpc_register() says of the first that failed; then none is set.
 */
int pando_rpc_register_rows(const struct pando_rpc_row *rows, int n, struct module *owner)
{
	int i, err;

	for (i = 0; i < n; i++) {
		err = pando_rpc_register(rows[i].type, rows[i].fn, owner);
		if (err) {
			pando_rpc_unregister_rows(rows, i);
			return err;
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(pando_rpc_register_rows);

/**
 * pando_rpc_unregister_rows - no handlers any more
 * @rows: what pando_rpc_register_rows() has set; returns when none of them runs
 * @n: how many
 */
void pando_rpc_unregister_rows(const struct pando_rpc_row *rows, int n)
{
	while (n--)
		pando_rpc_unregister(rows[n].type);
}
EXPORT_SYMBOL_GPL(pando_rpc_unregister_rows);

static void reply_send(struct pando_peer *p, u16 type, u64 id, int status,
		       const void *payload, size_t len)
{
	struct pando_conn *conn = pando_rpc_conn(p);
	struct pando_hdr hdr = {
		.type = type,
		.flags = PANDO_WIREF_REPLY,
		.len = len,
		.status = status,
		.epoch = pando_nodes_epoch(),
		.id = id,
	};
	struct pando_wire_hdr wire;
	struct kvec vec[2] = { { &wire, sizeof(wire) },
			       { (void *)payload, len } };

	if (!conn)
		return;	/* it comes again with the next connection */
	spin_lock(&p->lock);
	hdr.acked = pando_reqtab_acked(&p->out);
	spin_unlock(&p->lock);
	pando_codec_encode(&wire, &hdr);
	pando_conn_send(conn, vec, len ? 2 : 1);
	pando_conn_put(conn);
}

/**
 * struct late - a reply that the receiving side gives
 * @work: sends it: who receives must never wait until the other side does
 * @peer: who gets it, with a reference
 * @type: of the request
 * @id: of the request
 * @status: of the reply
 * @len: of @payload
 * @payload: the reply's
 */
struct late {
	struct work_struct work;
	struct pando_peer *peer;
	u16 type;
	u64 id;
	int status;
	size_t len;
	u8 payload[];
};

static void late_fn(struct work_struct *work)
{
	struct late *late = container_of(work, struct late, work);

	reply_send(late->peer, late->type, late->id, late->status,
		   late->payload, late->len);
	pando_peer_put(late->peer);
	kvfree(late);
}

static struct late *late_new(struct pando_peer *p, u16 type, u64 id,
			     int status, size_t len)
{
	struct late *late = kvzalloc(struct_size(late, payload, len),
				     GFP_KERNEL);

	if (!late)
		return NULL;	/* the client's bound ends it, or a resend */
	INIT_WORK(&late->work, late_fn);
	kref_get(&p->ref);
	late->peer = p;
	late->type = type;
	late->id = id;
	late->status = status;
	late->len = len;
	return late;
}

void pando_rpc_reply_later(struct pando_peer *p, u16 type, u64 id, int status)
{
	struct late *late = late_new(p, type, id, status, 0);

	if (late)
		queue_work(pando_rpc_wq, &late->work);
}

static void incoming_free(struct incoming *in)
{
	pando_peer_put(in->peer);
	kfree(in->kept);
	kvfree(in);
}

void pando_rpc_free_chain(struct pando_dup *dup)
{
	while (dup) {
		struct pando_dup *next = dup->next;
		struct incoming *in = container_of(dup, struct incoming, dup);

		/* a kept one holds no reference: the peer holds it */
		kfree(in->kept);
		kvfree(in);
		dup = next;
	}
}

/* Answers; keeps the answer of what must not be executed again. */
static void incoming_finish(struct incoming *in, int status, bool executed)
{
	struct pando_peer *p = in->peer;
	size_t len = status ? 0 : in->req.reply_len;
	void *reply = in->req.reply;
	u16 type = in->req.type;
	u64 id = in->id;
	bool keep;

	in->status = status;
	if (executed && in->dup.once && len)
		in->kept = kmemdup(reply, len, GFP_KERNEL | __GFP_NOFAIL);
	in->req.reply_len = len;
	in->req.reply = NULL;
	/*
	 * First the table, then the wire: a request that comes again meanwhile
	 * must find the answer. From here on @in may be acked and freed.
	 */
	spin_lock(&p->lock);
	keep = pando_duptab_finish(&p->in, &in->dup, executed);
	spin_unlock(&p->lock);
	reply_send(p, type, id, status, reply, len);
	kvfree(reply);
	if (keep)
		pando_peer_put(p);
	else
		incoming_free(in);
}

/**
 * pando_rpc_execute - run the handler of a request and answer it
 * @req: as handed to pando_serve_queue()
 */
void pando_rpc_execute(struct pando_rpc_req *req)
{
	struct incoming *in = container_of(req, struct incoming, req);
	pando_rpc_handler fn;
	int idx, status;

	idx = srcu_read_lock(&handlers_srcu);
	/* pairs with the release in pando_rpc_register() */
	fn = smp_load_acquire(&handlers[req->type].fn);
	status = fn ? fn(req) : -EOPNOTSUPP;
	srcu_read_unlock(&handlers_srcu, idx);
	incoming_finish(in, status, fn);
}

void pando_rpc_refuse(struct pando_rpc_req *req, int status)
{
	incoming_finish(container_of(req, struct incoming, req), status, false);
}

static void execute_fn(struct work_struct *work)
{
	pando_rpc_execute(&container_of(work, struct incoming, work)->req);
}

static struct incoming *incoming_new(struct pando_peer *p,
				     const struct pando_hdr *hdr,
				     const void *payload)
{
	const struct pando_msg_info *info = pando_codec_info(hdr->type);
	struct incoming *in;

	in = kvzalloc(struct_size(in, payload, hdr->len), GFP_KERNEL);
	if (!in)
		return NULL;
	if (info->rep_max) {
		in->req.reply = kvzalloc(info->rep_max, GFP_KERNEL);
		if (!in->req.reply) {
			kvfree(in);
			return NULL;
		}
	}
	memcpy(in->payload, payload, hdr->len);
	in->id = hdr->id;
	in->peer = p;
	kref_get(&p->ref);
	in->req.node = p->member.id;
	in->req.type = hdr->type;
	in->req.data = in->payload;
	in->req.len = hdr->len;
	in->req.reply_cap = info->rep_max;
	INIT_LIST_HEAD(&in->req.list);
	INIT_WORK(&in->work, execute_fn);
	return in;
}

static void reply_again(struct pando_peer *p, u16 type, u64 id)
{
	const struct pando_msg_info *info = pando_codec_info(type);
	struct pando_dup *dup;
	struct incoming *in;
	struct late *late;

	late = late_new(p, type, id, 0, info->rep_max);
	if (!late)
		return;
	/* look it up again: it may be acked any time */
	spin_lock(&p->lock);
	dup = pando_duptab_find_done(&p->in, id);
	if (dup) {
		in = container_of(dup, struct incoming, dup);
		late->type = in->req.type;
		late->status = in->status;
		late->len = min_t(size_t, in->req.reply_len, info->rep_max);
		if (late->len)
			memcpy(late->payload, in->kept, late->len);
	}
	spin_unlock(&p->lock);
	if (dup) {
		queue_work(pando_rpc_wq, &late->work);
	} else {
		pando_peer_put(p);
		kvfree(late);
	}
}

void pando_rpc_on_request(struct pando_peer *p, const struct pando_hdr *hdr,
			  const void *payload)
{
	const struct pando_msg_info *info = pando_codec_info(hdr->type);
	enum pando_dup_verdict verdict;
	struct pando_dup *old;
	struct incoming *in;

	in = incoming_new(p, hdr, payload);
	if (!in)
		return;	/* the client's bound ends it, or a resend */
	spin_lock(&p->lock);
	verdict = p->dead ? PANDO_DUP_OLD :
		  pando_duptab_begin(&p->in, &in->dup, hdr->id,
				     !(info->flags & PANDO_MSGF_IDEM), &old);
	spin_unlock(&p->lock);
	if (verdict == PANDO_DUP_NEW) {
		atomic64_inc(&pando_rpc_count.received);
		if (info->flags & PANDO_MSGF_SERVE)
			pando_serve_queue(&in->req);
		else
			queue_work(pando_rpc_wq, &in->work);
		return;
	}
	atomic64_inc(&pando_rpc_count.duplicates);
	if (verdict == PANDO_DUP_DONE)
		reply_again(p, hdr->type, hdr->id);
	else if (verdict == PANDO_DUP_FULL)
		pando_rpc_reply_later(p, hdr->type, hdr->id, -EAGAIN);
	kvfree(in->req.reply);
	incoming_free(in);
}

void pando_rpc_peer_free(struct pando_peer *p)
{
	struct pando_dup *dup;

	while ((dup = pando_duptab_pop(&p->in))) {
		dup->next = NULL;
		pando_rpc_free_chain(dup);
	}
}
