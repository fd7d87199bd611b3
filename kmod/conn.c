// SPDX-License-Identifier: GPL-2.0-only
/* Connections and their handshake: see conn.h for the states. */
#include <linux/module.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "auth.h"
#include "codec.h"
#include "conn.h"
#include "netlink.h"

#define HANDSHAKE_TIMEOUT	(15 * HZ)
#define STRANGERS_MAX		32

static const struct pando_self *self;		/* constant while open */
static struct pando_transport *transport;	/* likewise */
static struct workqueue_struct *close_wq;

static DEFINE_SPINLOCK(conns_lock);
static LIST_HEAD(conns);	/* all that are not yet gone; conns_lock */
static bool closing;		/* conns_lock: no new ones */
static DECLARE_WAIT_QUEUE_HEAD(gone);

/* The only place that changes a state. False if it was closed meanwhile. */
static bool set_state(struct pando_conn *conn, enum pando_conn_state from,
		      enum pando_conn_state to)
{
	bool ok;

	spin_lock(&conn->lock);
	ok = conn->state == from ||
	     (to == PANDO_CONN_CLOSED && conn->state != to);
	if (ok)
		conn->state = to;
	spin_unlock(&conn->lock);
	return ok;
}

static enum pando_conn_state state_of(struct pando_conn *conn)
{
	enum pando_conn_state state;

	spin_lock(&conn->lock);
	state = conn->state;
	spin_unlock(&conn->lock);
	return state;
}

void pando_conn_get(struct pando_conn *conn)
{
	kref_get(&conn->ref);
}

static void conn_free(struct kref *ref)
{
	struct pando_conn *conn = container_of(ref, struct pando_conn, ref);

	kfree_sensitive(conn);
}

void pando_conn_put(struct pando_conn *conn)
{
	kref_put(&conn->ref, conn_free);
}

void pando_conn_kill(struct pando_conn *conn, int err)
{
	if (set_state(conn, PANDO_CONN_CONNECTING, PANDO_CONN_CLOSED)) {
		conn->error = err;
		queue_work(close_wq, &conn->close_work);
	}
}

static void close_fn(struct work_struct *work)
{
	struct pando_conn *conn = container_of(work, struct pando_conn,
					       close_work);
	void *link;

	cancel_delayed_work_sync(&conn->timeout);
	/* set once; NULL: nobody can be sending yet */
	link = READ_ONCE(conn->link);
	if (link)
		conn->transport->abort(link);
	/* a connect that is under way ends first, by its own bound */
	mutex_lock(&conn->send_mutex);
	mutex_unlock(&conn->send_mutex);
	if (conn->link)
		conn->transport->close(conn->link);
	pando_nodes_conn_down(conn, conn->error);
	spin_lock(&conns_lock);
	list_del(&conn->list);
	spin_unlock(&conns_lock);
	wake_up_all(&gone);
	pando_conn_put(conn);
}

static void timeout_fn(struct work_struct *work)
{
	struct pando_conn *conn = container_of(to_delayed_work(work),
					       struct pando_conn, timeout);

	if (state_of(conn) != PANDO_CONN_UP)
		pando_conn_kill(conn, -ETIMEDOUT);
}

static struct pando_conn *conn_new(bool initiator)
{
	struct pando_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL);

	if (!conn)
		return NULL;
	kref_init(&conn->ref);
	conn->transport = transport;
	spin_lock_init(&conn->lock);
	mutex_init(&conn->send_mutex);
	INIT_WORK(&conn->close_work, close_fn);
	INIT_DELAYED_WORK(&conn->timeout, timeout_fn);
	conn->initiator = initiator;
	conn->state = initiator ? PANDO_CONN_CONNECTING : PANDO_CONN_ACCEPTED;
	return conn;
}

/*
 * Begins its life: from here on anybody may close it, and closing drops the
 * first reference. So whatever closing needs (the link, or the mutex held
 * until there is one) and the caller's own reference come before.
 */
static int conn_list(struct pando_conn *conn)
{
	struct pando_conn *other, *oldest = NULL;
	int strangers = 0, err = 0;

	spin_lock(&conns_lock);
	/* the newest is first */
	list_for_each_entry(other, &conns, list) {
		if (other->initiator ||
		    READ_ONCE(other->state) == PANDO_CONN_UP)
			continue;
		strangers++;
		if (READ_ONCE(other->state) != PANDO_CONN_CLOSED)
			oldest = other;
	}
	if (closing) {
		err = -ESHUTDOWN;
	} else if (!conn->initiator && strangers >= 2 * STRANGERS_MAX) {
		err = -EMFILE;
	} else {
		/* who says nothing keeps nobody out */
		if (!conn->initiator && strangers >= STRANGERS_MAX && oldest)
			pando_conn_kill(oldest, -EMFILE);
		queue_delayed_work(system_wq, &conn->timeout,
				   HANDSHAKE_TIMEOUT);
		list_add(&conn->list, &conns);
	}
	spin_unlock(&conns_lock);
	return err;
}

struct pando_conn *pando_conn_start(u16 node, u64 incarnation,
				    const struct sockaddr_storage *addr)
{
	struct pando_conn *conn = conn_new(true);
	int err;

	if (!conn)
		return ERR_PTR(-ENOMEM);
	conn->node = node;
	conn->incarnation = incarnation;
	pando_conn_get(conn);
	/* who closes it waits for the mutex, and finds the link then */
	mutex_lock(&conn->send_mutex);
	err = conn_list(conn);
	if (err) {
		mutex_unlock(&conn->send_mutex);
		kfree(conn);
		return ERR_PTR(err);
	}
	err = conn->transport->connect(conn, addr, &conn->link);
	mutex_unlock(&conn->send_mutex);
	if (err)
		pando_conn_kill(conn, err);
	return conn;
}

static int send_raw(struct pando_conn *conn, const struct kvec *vec, int nvec)
{
	size_t len = 0;
	int i, err;

	for (i = 0; i < nvec; i++)
		len += vec[i].iov_len;
	if (mutex_lock_killable(&conn->send_mutex))
		return -EINTR;
	err = state_of(conn) == PANDO_CONN_CLOSED ? -EPIPE :
	      conn->transport->send(conn->link, vec, nvec, len);
	mutex_unlock(&conn->send_mutex);
	if (err)
		pando_conn_kill(conn, err);
	return err;
}

int pando_conn_send(struct pando_conn *conn, const struct kvec *vec, int nvec)
{
	if (state_of(conn) != PANDO_CONN_UP)
		return -EPIPE;
	return send_raw(conn, vec, nvec);
}

static int send_handshake(struct pando_conn *conn, enum pando_msg type,
			  const void *payload, size_t len)
{
	struct pando_hdr hdr = { .type = type, .len = len };
	struct pando_wire_hdr wire;
	struct kvec vec[2] = { { &wire, sizeof(wire) },
			       { (void *)payload, len } };

	pando_codec_encode(&wire, &hdr);
	return send_raw(conn, vec, len ? 2 : 1);
}

/* --- the handshake ------------------------------------------------------------ */

/* Says why a handshake ended badly; a stranger may try often. */
static void refuse(struct pando_conn *conn, int err)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 5);
	const char *why = "bad handshake";

	if (err == -EACCES)
		why = "wrong cluster key";
	else if (err == -EPROTONOSUPPORT)
		why = "no common protocol version";
	else if (err == -EBADE)
		why = "another cluster";
	else if (err == -ENOENT || err == -ESTALE)
		why = "not a member in this view";
	else if (err == -EADDRNOTAVAIL)
		why = "meant for another node";
	if (err != -ENOENT && err != -ESTALE) {
		bool say = __ratelimit(&limit);

		if (say)
			pr_warn("pando: connection %s node %u refused: %s (%d)\n",
				conn->initiator ? "to" : "from", conn->node,
				why, err);
		/* a member is told of always: its attempts have their pauses */
		if (conn->initiator)
			pando_netlink_peer(conn->node, PANDO_PEER_REFUSED);
		else if (say)
			pando_netlink_peer(0, PANDO_PEER_REFUSED);
	}
	pando_conn_kill(conn, err);
}

static void fill_hello(struct pando_conn *conn)
{
	struct pando_wire_hello *h = &conn->hello;

	h->version_min = cpu_to_le16(PANDO_WIRE_VERSION);
	h->version_max = cpu_to_le16(PANDO_WIRE_VERSION);
	h->node = cpu_to_le16(self->id);
	h->to = cpu_to_le16(conn->node);
	h->incarnation = cpu_to_le64(self->incarnation);
	h->epoch = cpu_to_le64(pando_nodes_epoch());
	strscpy(h->cluster, self->cluster, sizeof(h->cluster));
	get_random_bytes(h->nonce, sizeof(h->nonce));
}

/**
 * pando_conn_established - the link of an initiator stands
 * @conn: as given to connect
 */
void pando_conn_established(struct pando_conn *conn)
{
	if (!set_state(conn, PANDO_CONN_CONNECTING, PANDO_CONN_HELLO_SENT))
		return;
	fill_hello(conn);
	send_handshake(conn, PANDO_MSG_HELLO, &conn->hello,
		       sizeof(conn->hello));
}
EXPORT_SYMBOL_GPL(pando_conn_established);

/* ACCEPTED: a HELLO came. */
static int on_hello(struct pando_conn *conn, const void *payload)
{
	struct pando_wire_challenge *ch = &conn->challenge;
	int err;

	memcpy(&conn->hello, payload, sizeof(conn->hello));
	err = pando_codec_hello(&conn->hello, self->id, self->cluster);
	if (err)
		return err;
	conn->node = le16_to_cpu(conn->hello.node);
	conn->incarnation = le64_to_cpu(conn->hello.incarnation);
	ch->version = cpu_to_le16(PANDO_WIRE_VERSION);
	ch->node = cpu_to_le16(self->id);
	ch->incarnation = cpu_to_le64(self->incarnation);
	get_random_bytes(ch->nonce, sizeof(ch->nonce));
	err = pando_auth_mac(ch->mac, true, self->key, self->key_len,
			     &conn->hello, ch);
	if (err)
		return err;
	if (!set_state(conn, PANDO_CONN_ACCEPTED, PANDO_CONN_CHALLENGED))
		return 0;
	send_handshake(conn, PANDO_MSG_CHALLENGE, ch, sizeof(*ch));
	return 0;
}

/* HELLO_SENT: a CHALLENGE came. */
static int on_challenge(struct pando_conn *conn, const void *payload)
{
	struct pando_wire_auth auth;
	int err;

	memcpy(&conn->challenge, payload, sizeof(conn->challenge));
	err = pando_auth_check(conn->challenge.mac, true, self->key,
			       self->key_len, &conn->hello, &conn->challenge);
	if (!err)
		err = pando_codec_challenge(&conn->challenge, conn->node,
					    conn->incarnation);
	if (!err)
		err = pando_auth_mac(auth.mac, false, self->key, self->key_len,
				     &conn->hello, &conn->challenge);
	if (err)
		return err;
	if (!set_state(conn, PANDO_CONN_HELLO_SENT, PANDO_CONN_AUTH_SENT))
		return 0;
	send_handshake(conn, PANDO_MSG_AUTH, &auth, sizeof(auth));
	return 0;
}

static int come_up(struct pando_conn *conn, enum pando_conn_state from)
{
	int err = pando_nodes_conn_up(conn);

	if (err)
		return err;
	if (!set_state(conn, from, PANDO_CONN_UP))
		return 0;
	cancel_delayed_work(&conn->timeout);
	return 0;
}

/* CHALLENGED: an AUTH came. */
static int on_auth(struct pando_conn *conn, const void *payload)
{
	const struct pando_wire_auth *auth = payload;
	int err;

	err = pando_auth_check(auth->mac, false, self->key, self->key_len,
			       &conn->hello, &conn->challenge);
	if (!err)
		err = come_up(conn, PANDO_CONN_CHALLENGED);
	if (err)
		return err;
	/* READY is the first message the other side takes as proof of all */
	send_handshake(conn, PANDO_MSG_READY, NULL, 0);
	pando_nodes_conn_ready(conn);
	return 0;
}

/* AUTH_SENT: READY came. */
static int on_ready(struct pando_conn *conn)
{
	int err = come_up(conn, PANDO_CONN_AUTH_SENT);

	if (!err)
		pando_nodes_conn_ready(conn);
	return err;
}

static int handshake(struct pando_conn *conn, const void *msg, size_t len)
{
	const void *payload = (const u8 *)msg + sizeof(struct pando_wire_hdr);
	enum pando_conn_state state = state_of(conn);
	struct pando_hdr hdr;

	if (pando_codec_decode(&hdr, msg, len) || hdr.flags)
		return -EPROTO;
	if (state == PANDO_CONN_ACCEPTED && hdr.type == PANDO_MSG_HELLO)
		return on_hello(conn, payload);
	if (state == PANDO_CONN_HELLO_SENT && hdr.type == PANDO_MSG_CHALLENGE)
		return on_challenge(conn, payload);
	if (state == PANDO_CONN_CHALLENGED && hdr.type == PANDO_MSG_AUTH)
		return on_auth(conn, payload);
	if (state == PANDO_CONN_AUTH_SENT && hdr.type == PANDO_MSG_READY)
		return on_ready(conn);
	return -EPROTO;
}

/**
 * pando_conn_receive - a message has come
 * @conn: over which connection
 * @msg: the whole message, header first; the transport's memory
 * @len: its length
 */
void pando_conn_receive(struct pando_conn *conn, const void *msg, size_t len)
{
	int err;

	switch (state_of(conn)) {
	case PANDO_CONN_CLOSED:
		return;
	case PANDO_CONN_UP:
		pando_rpc_receive(conn, msg, len);
		return;
	default:
		err = handshake(conn, msg, len);
		if (err)
			refuse(conn, err);
	}
}
EXPORT_SYMBOL_GPL(pando_conn_receive);

/**
 * pando_conn_accept - somebody has connected to us
 * @link: its link, complete: it may be closed before this returns
 * @conn: out, the connection for it; set before anybody can see it
 *
 * Return: 0: the link is the connection's now. -EMFILE when there are too many
 * strangers, -ESHUTDOWN, -ENOMEM: the link is still the caller's.
 */
int pando_conn_accept(void *link, struct pando_conn **conn)
{
	int err;

	*conn = conn_new(false);
	if (!*conn)
		return -ENOMEM;
	(*conn)->link = link;
	err = conn_list(*conn);
	if (err) {
		kfree(*conn);
		*conn = NULL;
	}
	return err;
}
EXPORT_SYMBOL_GPL(pando_conn_accept);

/**
 * pando_conn_error - the link is broken
 * @conn: whose
 * @err: negative errno
 */
void pando_conn_error(struct pando_conn *conn, int err)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 5);

	if (err == -EPROTO && __ratelimit(&limit))
		pr_warn("pando: garbage on a connection %s node %u: closed\n",
			conn->initiator ? "to" : "from", conn->node);
	else if (state_of(conn) == PANDO_CONN_CHALLENGED && __ratelimit(&limit))
		pr_warn("pando: node %u hung up on our challenge: is its cluster key the same?\n",
			conn->node);
	pando_conn_kill(conn, err);
}
EXPORT_SYMBOL_GPL(pando_conn_error);

/**
 * pando_conn_limit - longest message that may come now
 * @conn: over this connection
 *
 * Return: bytes, header included.
 */
size_t pando_conn_limit(struct pando_conn *conn)
{
	return state_of(conn) == PANDO_CONN_UP ? PANDO_CODEC_MAX :
						 PANDO_CODEC_STRANGER;
}
EXPORT_SYMBOL_GPL(pando_conn_limit);

/**
 * pando_conn_is_up - is the handshake over?
 * @conn: the connection
 *
 * Return: true: pando_conn_receive() sends nothing, and waits for nobody.
 */
bool pando_conn_is_up(struct pando_conn *conn)
{
	return state_of(conn) == PANDO_CONN_UP;
}
EXPORT_SYMBOL_GPL(pando_conn_is_up);

/**
 * pando_conn_length - how long a message is
 * @conn: over which connection it comes
 * @hdr: its header, unchecked
 *
 * Return: bytes, header included, or -EPROTO: not one that may come now.
 */
int pando_conn_length(struct pando_conn *conn,
		      const struct pando_wire_hdr *hdr)
{
	return pando_codec_length(hdr, pando_conn_limit(conn));
}
EXPORT_SYMBOL_GPL(pando_conn_length);

int pando_conns_open(struct pando_transport *t, const struct pando_self *me)
{
	int err;

	close_wq = alloc_workqueue("pando_close", WQ_UNBOUND, 0);
	if (!close_wq)
		return -ENOMEM;
	self = me;
	transport = t;
	spin_lock(&conns_lock);
	closing = false;
	spin_unlock(&conns_lock);
	err = t->listen(&me->addr);
	if (err)
		destroy_workqueue(close_wq);
	return err;
}

void pando_conns_close(void)
{
	struct pando_conn *conn;

	spin_lock(&conns_lock);
	closing = true;
	spin_unlock(&conns_lock);
	transport->unlisten();
	spin_lock(&conns_lock);
	list_for_each_entry(conn, &conns, list)
		pando_conn_kill(conn, -ESHUTDOWN);
	spin_unlock(&conns_lock);
	wait_event(gone, list_empty_careful(&conns));
	destroy_workqueue(close_wq);
}
