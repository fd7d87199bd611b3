// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of ours: see rpc.h. A request keeps its id for all its life: it is
 * sent again over a new connection, or when the peer was in a newer epoch.
 */
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "codec.h"
#include "peer.h"
#include "rpc.h"
#include "rpc_parts.h"

/**
 * struct call - a request of ours
 * @req: in the peer's table, under the peer's lock
 * @work: sends it again; holds a reference while it is queued
 * @peer: whom it is for; with a reference while @work is queued
 * @ref: the caller's and that of whoever sends it
 * @done: the reply is in, or will not come
 * @type: message type
 * @status: of the reply
 * @reply: the caller's buffer; written only by who took @req from the table
 * @cap: its size
 * @reply_len: what was written
 * @len: of @payload
 * @payload: the request
 */
struct call {
	struct pando_req req;
	struct work_struct work;
	struct pando_peer *peer;
	struct kref ref;
	struct completion done;
	u16 type;
	int status;
	void *reply;
	size_t cap;
	size_t reply_len;
	size_t len;
	u8 payload[];
};

static void call_free(struct kref *ref)
{
	kvfree(container_of(ref, struct call, ref));
}

static void call_put(struct call *call)
{
	kref_put(&call->ref, call_free);
}

static void call_fn(struct work_struct *work);

static struct call *call_new(enum pando_msg type, const struct kvec *vec,
			     int nvec, void *reply, size_t cap)
{
	struct call *call;
	size_t len = 0;
	int i;

	for (i = 0; i < nvec; i++)
		len += vec[i].iov_len;
	call = kvzalloc(struct_size(call, payload, len), GFP_KERNEL);
	if (!call)
		return NULL;
	kref_init(&call->ref);
	INIT_WORK(&call->work, call_fn);
	init_completion(&call->done);
	call->type = type;
	call->reply = reply;
	call->cap = cap;
	call->len = len;
	for (i = 0, len = 0; i < nvec; len += vec[i].iov_len, i++)
		memcpy(call->payload + len, vec[i].iov_base, vec[i].iov_len);
	return call;
}

/* A message that is not sent now is sent when the connection is back. */
static void call_send(struct pando_peer *p, struct call *call, u64 id)
{
	struct pando_conn *conn = pando_rpc_conn(p);
	struct pando_hdr hdr = {
		.type = call->type,
		.len = call->len,
		.epoch = pando_nodes_epoch(),
		.id = id,
	};
	struct pando_wire_hdr wire;
	struct kvec vec[2] = { { &wire, sizeof(wire) },
			       { call->payload, call->len } };

	if (!conn)
		return;
	spin_lock(&p->lock);
	hdr.acked = pando_reqtab_acked(&p->out);
	spin_unlock(&p->lock);
	pando_codec_encode(&wire, &hdr);
	pando_conn_send(conn, vec, call->len ? 2 : 1);
	pando_conn_put(conn);
}

static void call_fn(struct work_struct *work)
{
	struct call *call = container_of(work, struct call, work);
	struct pando_peer *p = call->peer;
	bool live;

	spin_lock(&p->lock);
	live = pando_reqtab_find(&p->out, call->req.id) == &call->req;
	spin_unlock(&p->lock);
	if (live)
		call_send(p, call, call->req.id);
	call_put(call);
	pando_peer_put(p);
}

/* A place in the table; waits for one, killable, until @deadline. */
static int call_add(struct pando_peer *p, struct call *call, bool once,
		    unsigned long deadline, u64 *id)
{
	long left = deadline - jiffies;
	int err = -EAGAIN;

	if (left <= 0)
		return -ETIMEDOUT;
	left = wait_event_killable_timeout(p->room, ({
		spin_lock(&p->lock);
		err = p->dead ? -EHOSTDOWN :
		      pando_reqtab_add(&p->out, &call->req, once);
		*id = call->req.id;
		spin_unlock(&p->lock);
		err != -EAGAIN;
	}), left);
	if (left < 0)
		return -EINTR;
	return left ? err : -ETIMEDOUT;
}

static int call_wait(struct pando_peer *p, struct call *call,
		     unsigned long deadline)
{
	long left = deadline - jiffies;
	bool mine;

	left = wait_for_completion_killable_timeout(&call->done,
						    max(left, 1L));
	if (left > 0)
		return call->status;
	/* whoever takes it from the table first decides how it ended */
	spin_lock(&p->lock);
	mine = pando_reqtab_cancel(&p->out, &call->req);
	spin_unlock(&p->lock);
	wake_up(&p->room);
	if (mine)
		return left ? -EINTR : -ETIMEDOUT;
	wait_for_completion(&call->done);
	return call->status;
}

/**
 * pando_rpc_call - ask another node and wait for the answer
 * @node: member to ask, not self
 * @type: message type, one that has a reply
 * @vec: request payload in @nvec pieces
 * @nvec: their number
 * @reply: buffer for the reply's payload, may be NULL with @cap 0
 * @cap: its size
 * @reply_len: out, may be NULL
 *
 * Context: process, may sleep, no locks held; killable.
 * Return: see rpc.h.
 */
int pando_rpc_call(u16 node, enum pando_msg type, const struct kvec *vec,
		   int nvec, void *reply, size_t cap, size_t *reply_len)
{
	const struct pando_msg_info *info = pando_codec_info(type);
	unsigned long deadline = jiffies + pando_nodes_timeout();
	struct pando_peer *p;
	struct call *call;
	u64 epoch, id;
	int err;

	if (!pando_nodes_self())
		return -ENOTCONN;
	err = pando_nodes_wait_open(deadline, 0, &epoch);
	if (err)
		return err;
	p = pando_peer_get(node);
	if (!p)
		return -EHOSTDOWN;
	call = call_new(type, vec, nvec, reply, cap);
	err = -ENOMEM;
	if (!call)
		goto out_peer;
	call->peer = p;
	err = call_add(p, call, !(info->flags & PANDO_MSGF_IDEM), deadline,
		       &id);
	if (err)
		goto out_call;
	atomic64_inc(&pando_rpc_count.sent);
	call_send(p, call, id);
	err = call_wait(p, call, deadline);
	if (reply_len)
		*reply_len = call->reply_len;
out_call:
	call_put(call);
out_peer:
	pando_peer_put(p);
	return err;
}
EXPORT_SYMBOL_GPL(pando_rpc_call);

static void call_finish(struct pando_peer *p, struct call *call, int status)
{
	call->status = status;
	complete(&call->done);
	wake_up(&p->room);
}

#define RESEND_BATCH	16

struct batch {
	struct call *call[RESEND_BATCH];
	u64 id[RESEND_BATCH];
	u64 above;
	int n;
};

/* The oldest RESEND_BATCH calls with ids above what was sent already. */
static void pick(struct pando_req *req, void *arg)
{
	struct call *call = container_of(req, struct call, req);
	struct batch *b = arg;
	int i;

	if (req->id <= b->above)
		return;
	for (i = b->n; i > 0 && b->id[i - 1] > req->id; i--) {
		if (i == RESEND_BATCH)
			continue;
		b->id[i] = b->id[i - 1];
		b->call[i] = b->call[i - 1];
	}
	if (i == RESEND_BATCH)
		return;
	b->id[i] = req->id;
	b->call[i] = call;
	b->n = min(b->n + 1, RESEND_BATCH);
}

static void resend(struct pando_peer *p)
{
	enum pando_state state = pando_nodes_state();
	struct batch b = { .above = 0 };
	int i;

	if (state != PANDO_STATE_RECOVERING && state != PANDO_STATE_RUNNING)
		return;
	do {
		b.n = 0;
		spin_lock(&p->lock);
		pando_reqtab_each(&p->out, pick, &b);
		for (i = 0; i < b.n; i++)
			kref_get(&b.call[i]->ref);
		spin_unlock(&p->lock);
		for (i = 0; i < b.n; i++) {
			atomic64_inc(&pando_rpc_count.resent);
			call_send(p, b.call[i], b.id[i]);
			call_put(b.call[i]);
			b.above = b.id[i];
		}
	} while (b.n == RESEND_BATCH);
}

static void resend_fn(struct work_struct *work)
{
	struct pando_peer *p = container_of(work, struct pando_peer,
					    resend_work);

	resend(p);
	pando_peer_put(p);
}

void pando_rpc_peer_init(struct pando_peer *p)
{
	INIT_WORK(&p->resend_work, resend_fn);
}

void pando_rpc_resend(struct pando_peer *p)
{
	kref_get(&p->ref);
	if (!queue_work(pando_rpc_wq, &p->resend_work))
		pando_peer_put(p);
}

/* The peer is in a newer epoch: the same request again, once we are too. */
static void on_stale(struct pando_peer *p, const struct pando_hdr *hdr)
{
	enum pando_state state = pando_nodes_state();
	struct call *call = NULL;
	struct pando_req *req;

	atomic64_inc(&pando_rpc_count.stale);
	if (hdr->epoch > pando_nodes_epoch() ||
	    (state != PANDO_STATE_RECOVERING && state != PANDO_STATE_RUNNING))
		return;	/* START sends it */
	spin_lock(&p->lock);
	req = pando_reqtab_find(&p->out, hdr->id);
	if (req) {
		call = container_of(req, struct call, req);
		kref_get(&call->ref);
	}
	spin_unlock(&p->lock);
	if (!call)
		return;
	kref_get(&p->ref);
	if (!queue_work(pando_rpc_wq, &call->work)) {
		pando_peer_put(p);
		call_put(call);
	}
}

void pando_rpc_on_reply(struct pando_peer *p, const struct pando_hdr *hdr,
			const void *payload)
{
	struct pando_req *req;
	struct call *call;
	int status = hdr->status;

	if (status == -ESTALE) {
		on_stale(p, hdr);
		return;
	}
	spin_lock(&p->lock);
	req = pando_reqtab_find(&p->out, hdr->id);
	/* a reply of another type than was asked is no reply */
	if (req && container_of(req, struct call, req)->type == hdr->type)
		pando_reqtab_take(&p->out, hdr->id);
	else
		req = NULL;
	spin_unlock(&p->lock);
	if (!req)
		return;
	atomic64_inc(&pando_rpc_count.replies);
	call = container_of(req, struct call, req);
	if (!status && hdr->len > call->cap) {
		status = -EMSGSIZE;
	} else if (!status && hdr->len) {
		memcpy(call->reply, payload, hdr->len);
		call->reply_len = hdr->len;
	}
	call_finish(p, call, status);
}

void pando_rpc_peer_dead(struct pando_peer *p)
{
	struct pando_req *req;

	for (;;) {
		spin_lock(&p->lock);
		req = pando_reqtab_pop(&p->out);
		spin_unlock(&p->lock);
		if (!req)
			break;
		call_finish(p, container_of(req, struct call, req),
			    -EHOSTDOWN);
	}
	wake_up_all(&p->room);
}
