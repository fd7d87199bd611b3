// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages that come: to the client's or the server's side, or into the park
 * until their epoch is here.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "codec.h"
#include "peer.h"
#include "rpc.h"
#include "rpc_parts.h"

#define PARKED_MAX	4096

struct workqueue_struct *pando_rpc_wq;
struct pando_rpc_count pando_rpc_count;

/* The connection to use now, with a reference; NULL while there is none. */
struct pando_conn *pando_rpc_conn(struct pando_peer *p)
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
	atomic64_inc(&pando_rpc_count.parked);
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
		pando_rpc_on_request(p, hdr, payload);
		break;
	case PANDO_EPOCH_STALE:
		pando_rpc_reply_later(p, hdr->type, hdr->id, -ESTALE);
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
	queue_work(pando_rpc_wq, &unpark_work);
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
		pando_rpc_reply_later(p, hdr.type, hdr.id, -EOPNOTSUPP);
		goto out;
	}
	/* what an older connection still brings is not this peer's word */
	gone = NULL;
	spin_lock(&p->lock);
	current_conn = p->conn == conn;
	if (current_conn)
		gone = pando_duptab_ack(&p->in, hdr.acked);
	spin_unlock(&p->lock);
	pando_rpc_free_chain(gone);
	if (!current_conn)
		goto out;
	if (hdr.flags & PANDO_WIREF_REPLY)
		pando_rpc_on_reply(p, &hdr, payload);
	else
		judge(p, &hdr, payload);
out:
	pando_peer_put(p);
}

void pando_rpc_get_stats(struct pando_rpc_stats *stats)
{
	stats->sent = atomic64_read(&pando_rpc_count.sent);
	stats->received = atomic64_read(&pando_rpc_count.received);
	stats->replies = atomic64_read(&pando_rpc_count.replies);
	stats->stale = atomic64_read(&pando_rpc_count.stale);
	stats->parked = atomic64_read(&pando_rpc_count.parked);
	stats->resent = atomic64_read(&pando_rpc_count.resent);
	stats->duplicates = atomic64_read(&pando_rpc_count.duplicates);
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
	flush_workqueue(pando_rpc_wq);
}

static int handle_ping(struct pando_rpc_req *req)
{
	memcpy(req->reply, req->data, req->len);
	req->reply_len = req->len;
	return 0;
}

int pando_rpc_init(void)
{
	pando_rpc_wq = alloc_workqueue("pando_rpc", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!pando_rpc_wq)
		return -ENOMEM;
	return pando_rpc_register(PANDO_MSG_PING, handle_ping, THIS_MODULE);
}

void pando_rpc_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_PING);
	destroy_workqueue(pando_rpc_wq);
}
