// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests and replies: see rpc.h. A request keeps its id for all its life: it
 * is sent again over a new connection, or when the peer was in a newer epoch,
 * and the peer knows by the id whether it has executed it.
 */
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "codec.h"
#include "peer.h"
#include "rpc.h"
#include "serve.h"

#define PARKED_MAX	4096

static struct workqueue_struct *rpc_wq;
static atomic64_t nr_sent, nr_received, nr_replies, nr_stale, nr_parked;
static atomic64_t nr_resent, nr_duplicates;

/* --- the client ------------------------------------------------------------------ */

/**
 * struct call - a request of ours
 * @req: in the peer's table, under the peer's lock
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
	init_completion(&call->done);
	call->type = type;
	call->reply = reply;
	call->cap = cap;
	call->len = len;
	for (i = 0, len = 0; i < nvec; len += vec[i].iov_len, i++)
		memcpy(call->payload + len, vec[i].iov_base, vec[i].iov_len);
	return call;
}

/* The connection to use now, with a reference; NULL while there is none. */
static struct pando_conn *get_conn(struct pando_peer *p)
{
	struct pando_conn *conn = NULL;

	spin_lock(&p->lock);
	if (p->ready && p->conn) {
		conn = p->conn;
		pando_conn_get(conn);
	}
	spin_unlock(&p->lock);
	return conn;
}

/* A message that is not sent now is sent when the connection is back. */
static void call_send(struct pando_peer *p, struct call *call, u64 id)
{
	struct pando_conn *conn = get_conn(p);
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
	err = call_add(p, call, !(info->flags & PANDO_MSGF_IDEM), deadline,
		       &id);
	if (err)
		goto out_call;
	atomic64_inc(&nr_sent);
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

void pando_rpc_resend(struct pando_peer *p)
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
			atomic64_inc(&nr_resent);
			call_send(p, b.call[i], b.id[i]);
			call_put(b.call[i]);
			b.above = b.id[i];
		}
	} while (b.n == RESEND_BATCH);
}

/* The peer is in a newer epoch: the same request again, once we are too. */
static void on_stale(struct pando_peer *p, const struct pando_hdr *hdr)
{
	enum pando_state state = pando_nodes_state();
	struct call *call = NULL;
	struct pando_req *req;

	atomic64_inc(&nr_stale);
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
	call_send(p, call, hdr->id);
	call_put(call);
}

static void on_reply(struct pando_peer *p, const struct pando_hdr *hdr,
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
	atomic64_inc(&nr_replies);
	call = container_of(req, struct call, req);
	if (!status && hdr->len > call->cap) {
		status = -EMSGSIZE;
	} else if (!status && hdr->len) {
		memcpy(call->reply, payload, hdr->len);
		call->reply_len = hdr->len;
	}
	call_finish(p, call, status);
}

/* --- the server ------------------------------------------------------------------- */

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

static void reply_send(struct pando_peer *p, u16 type, u64 id, int status,
		       const void *payload, size_t len)
{
	struct pando_conn *conn = get_conn(p);
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

static void incoming_free(struct incoming *in)
{
	pando_peer_put(in->peer);
	kfree(in->kept);
	kvfree(in);
}

static void free_chain(struct pando_dup *dup)
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

static void reply_again(struct pando_peer *p, u64 id)
{
	struct pando_dup *dup;
	struct incoming *in;
	void *copy = NULL;
	size_t len = 0;
	int status = 0;
	u16 type = 0;

	/* look it up again: it may be acked any time */
	spin_lock(&p->lock);
	dup = pando_duptab_find_done(&p->in, id);
	if (dup) {
		in = container_of(dup, struct incoming, dup);
		type = in->req.type;
		status = in->status;
		len = in->req.reply_len;
		if (len)
			copy = kmemdup(in->kept, len, GFP_ATOMIC);
	}
	spin_unlock(&p->lock);
	if (dup && (copy || !len))
		reply_send(p, type, id, status, copy, len);
	kfree(copy);
}

static void on_request(struct pando_peer *p, const struct pando_hdr *hdr,
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
		atomic64_inc(&nr_received);
		if (info->flags & PANDO_MSGF_SERVE)
			pando_serve_queue(&in->req);
		else
			queue_work(rpc_wq, &in->work);
		return;
	}
	atomic64_inc(&nr_duplicates);
	if (verdict == PANDO_DUP_DONE)
		reply_again(p, hdr->id);
	else if (verdict == PANDO_DUP_FULL)
		reply_send(p, hdr->type, hdr->id, -EAGAIN, NULL, 0);
	kvfree(in->req.reply);
	incoming_free(in);
}

/* --- messages of an epoch that has not come here yet -------------------------------- */

/**
 * struct parked - a request that waits for its epoch
 * @list: in the order they came
 * @peer: who asks, with a reference
 * @hdr: its header
 * @payload: its payload
 */
struct parked {
	struct list_head list;
	struct pando_peer *peer;
	struct pando_hdr hdr;
	u8 payload[];
};

static DEFINE_SPINLOCK(parked_lock);
static LIST_HEAD(parked_list);	/* parked_lock */
static int nr_in_park;		/* parked_lock */

static void park(struct pando_peer *p, const struct pando_hdr *hdr,
		 const void *payload)
{
	struct parked *m = kvmalloc(struct_size(m, payload, hdr->len),
				    GFP_KERNEL);
	bool full;

	if (!m)
		return;
	m->peer = p;
	m->hdr = *hdr;
	memcpy(m->payload, payload, hdr->len);
	spin_lock(&parked_lock);
	full = nr_in_park >= PARKED_MAX;
	if (!full) {
		nr_in_park++;
		kref_get(&p->ref);
		list_add_tail(&m->list, &parked_list);
	}
	spin_unlock(&parked_lock);
	atomic64_inc(&nr_parked);
	if (full)
		kvfree(m);
	else if (pando_nodes_check(hdr->epoch) != PANDO_EPOCH_PARK)
		pando_rpc_unpark();	/* the epoch came while we parked */
}

static void judge(struct pando_peer *p, const struct pando_hdr *hdr,
		  const void *payload)
{
	switch (pando_nodes_check(hdr->epoch)) {
	case PANDO_EPOCH_ACCEPT:
		on_request(p, hdr, payload);
		break;
	case PANDO_EPOCH_STALE:
		reply_send(p, hdr->type, hdr->id, -ESTALE, NULL, 0);
		break;
	case PANDO_EPOCH_PARK:
		park(p, hdr, payload);
		break;
	}
}

static void unpark_fn(struct work_struct *work)
{
	struct parked *m, *next;
	LIST_HEAD(list);

	spin_lock(&parked_lock);
	list_splice_init(&parked_list, &list);
	nr_in_park = 0;
	spin_unlock(&parked_lock);
	list_for_each_entry_safe(m, next, &list, list) {
		list_del(&m->list);
		judge(m->peer, &m->hdr, m->payload);
		pando_peer_put(m->peer);
		kvfree(m);
	}
}

static DECLARE_WORK(unpark_work, unpark_fn);

void pando_rpc_unpark(void)
{
	queue_work(rpc_wq, &unpark_work);
}

/* --- both ------------------------------------------------------------------------------ */

void pando_rpc_receive(struct pando_conn *conn, const void *msg, size_t len)
{
	const void *payload = (const u8 *)msg + sizeof(struct pando_wire_hdr);
	struct pando_dup *gone;
	struct pando_hdr hdr;
	struct pando_peer *p;
	bool current_conn;
	int err;

	err = pando_codec_decode(&hdr, msg, len);
	if (err == -EPROTO || pando_codec_is_handshake(hdr.type)) {
		pando_conn_error(conn, -EPROTO);
		return;
	}
	p = pando_peer_get(conn->node);
	if (!p)
		return;
	if (err == -EOPNOTSUPP) {
		reply_send(p, hdr.type, hdr.id, -EOPNOTSUPP, NULL, 0);
		goto out;
	}
	/* what an older connection still brings is not this peer's word */
	gone = NULL;
	spin_lock(&p->lock);
	current_conn = p->conn == conn;
	if (current_conn)
		gone = pando_duptab_ack(&p->in, hdr.acked);
	spin_unlock(&p->lock);
	free_chain(gone);
	if (!current_conn)
		goto out;
	if (hdr.flags & PANDO_WIREF_REPLY)
		on_reply(p, &hdr, payload);
	else
		judge(p, &hdr, payload);
out:
	pando_peer_put(p);
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

void pando_rpc_peer_free(struct pando_peer *p)
{
	struct pando_dup *dup;

	while ((dup = pando_duptab_pop(&p->in))) {
		dup->next = NULL;
		free_chain(dup);
	}
}

void pando_rpc_get_stats(struct pando_rpc_stats *stats)
{
	stats->sent = atomic64_read(&nr_sent);
	stats->received = atomic64_read(&nr_received);
	stats->replies = atomic64_read(&nr_replies);
	stats->stale = atomic64_read(&nr_stale);
	stats->parked = atomic64_read(&nr_parked);
	stats->resent = atomic64_read(&nr_resent);
	stats->duplicates = atomic64_read(&nr_duplicates);
}

/* Nobody is a member any more: what was parked is answered by nobody. */
void pando_rpc_quiesce(void)
{
	struct parked *m, *next;
	LIST_HEAD(list);

	cancel_work_sync(&unpark_work);
	spin_lock(&parked_lock);
	list_splice_init(&parked_list, &list);
	nr_in_park = 0;
	spin_unlock(&parked_lock);
	list_for_each_entry_safe(m, next, &list, list) {
		list_del(&m->list);
		pando_peer_put(m->peer);
		kvfree(m);
	}
	flush_workqueue(rpc_wq);
}

static int handle_ping(struct pando_rpc_req *req)
{
	memcpy(req->reply, req->data, req->len);
	req->reply_len = req->len;
	return 0;
}

int pando_rpc_init(void)
{
	rpc_wq = alloc_workqueue("pando_rpc", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!rpc_wq)
		return -ENOMEM;
	return pando_rpc_register(PANDO_MSG_PING, handle_ping, THIS_MODULE);
}

void pando_rpc_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_PING);
	destroy_workqueue(rpc_wq);
}
