// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of kmod/rpc.c and the connections under it: requests in order of
 * their sending between two nodes, lost and sent again, executed twice when a
 * reply was lost, judged by the receiver's epoch, failed when the peer leaves.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define RESEND_US	(30 * MS)
#define PARKED_MAX	1024

/*
 * Between two nodes: requests that must not be executed twice. The others have
 * numbers of the whole node.
 */
struct incoming {
	struct pando_dup dup;
	struct incoming *next;	/* of those whose answer comes later */
	int status;
	u16 where;
};

struct channel {
	struct pando_reqtab out;
	struct pando_duptab in;
	struct incoming *late;
};

static u64 last_arrival[NODES_MAX + 1][NODES_MAX + 1];

static void on_arrival(struct node *n, struct msg *bytes, u64 a, u64 b);

static void transmit(struct node *n, const struct kernel_msg *m)
{
	struct node *to = &w.node[m->to];
	struct msg *bytes;
	u64 when = w.now + delay(5 * MS);

	if (!to->up || !hears(to, n) || chance(w.loss))
		return;
	if (when < last_arrival[n->id][m->to])
		when = last_arrival[n->id][m->to];
	last_arrival[n->id][m->to] = when;
	bytes = msg_new(sizeof(*m));
	memcpy(bytes->data, m, sizeof(*m));
	event_at(when - w.now, HOST, to, on_arrival, bytes, 0, 0);
}

static bool is_once(enum call_type type)
{
	return type == CALL_GONE || type == CALL_EXIT || type == CALL_LEFT ||
	       type == CALL_KILL;
}

static struct channel *channel_of(struct peer *p)
{
	if (p->channel)
		return p->channel;
	p->channel = calloc(1, sizeof(*p->channel));
	if (!p->channel)
		abort();
	pando_reqtab_init(&p->channel->out);
	/* above those of an earlier stay in the list: see kmod/node.c */
	p->channel->out.seq = w.now;
	pando_duptab_init(&p->channel->in);
	return p->channel;
}

/* What @m answers, or is. */
static struct call *find(struct node *n, const struct kernel_msg *m, u16 to)
{
	struct call *c;

	for (c = n->k.calls; c; c = c->next)
		if (c->m.id == m->id && c->m.to == to &&
		    is_once(c->m.type) == is_once(m->type))
			return c;
	return NULL;
}

static void end(struct node *n, struct call *c, int status, u16 where)
{
	struct peer *peer = kernel_peer(n, c->m.to);
	struct call **p = &n->k.calls;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (peer && peer->channel && peer->incarnation == c->m.to_inc)
		pando_reqtab_cancel(&peer->channel->out, &c->req);
	kernel_answered(n, c, status, where);
	free(c);
}

static bool alive(struct node *n, const struct call *c)
{
	struct peer *p = kernel_peer(n, c->m.to);

	return p && p->incarnation == c->m.to_inc;
}

static void send(struct node *n, struct call *c)
{
	struct peer *p = kernel_peer(n, c->m.to);

	if (!pando_epoch_open(&n->k.epoch))
		return;
	c->m.epoch = n->k.epoch.number;
	/* with long_wait a call outlives its channel */
	if (is_once(c->m.type) && alive(n, c) && p->channel)
		c->m.acked = pando_reqtab_acked(&p->channel->out);
	transmit(n, &c->m);
}

static void on_timer(struct node *n, struct msg *m, u64 serial, u64 b)
{
	struct call *c;

	(void)m;
	(void)b;
	for (c = n->k.calls; c && c->serial != serial; c = c->next)
		;
	if (!c)
		return;
	if (!alive(n, c) && w.bug != BUG_LONG_WAIT) {
		end(n, c, -EHOSTDOWN, 0);
	} else if (w.now >= c->deadline && w.bug != BUG_LONG_WAIT) {
		end(n, c, -ETIMEDOUT, 0);
	} else {
		send(n, c);
		event_at(RESEND_US + rnd(RESEND_US), HOST, n, on_timer, NULL,
			 serial, 0);
	}
}

u64 rpc_call(struct node *n, u16 to, struct kernel_msg *m, u64 timeout, u64 tag)
{
	struct peer *p = kernel_peer(n, to);
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->m = *m;
	c->serial = ++n->k.next_id;
	c->m.id = c->serial;
	if (p && is_once(m->type)) {
		if (pando_reqtab_add(&channel_of(p)->out, &c->req, true))
			abort();
		c->m.id = c->req.id;
	}
	c->m.from = n->id;
	c->m.to = to;
	c->m.from_inc = n->k.incarnation;
	c->m.to_inc = p ? p->incarnation : 0;
	c->deadline = w.now + timeout;
	c->tag = tag;
	c->next = n->k.calls;
	n->k.calls = c;
	if (p)
		send(n, c);
	event_at(p ? RESEND_US + rnd(RESEND_US) : 1, HOST, n, on_timer, NULL,
		 c->serial, 0);
	return c->m.id;
}

/* Waits on those who are no members any more end now. */
void rpc_members(struct node *n)
{
	struct call *c = n->k.calls;

	while (c) {
		if (alive(n, c) || w.bug == BUG_LONG_WAIT) {
			c = c->next;
			continue;
		}
		end(n, c, -EHOSTDOWN, 0);
		c = n->k.calls;		/* others may have come or gone */
	}
}

bool rpc_waits(struct node *n, enum call_type type)
{
	struct call *c;

	for (c = n->k.calls; c; c = c->next)
		if (c->m.type == type)
			return true;
	return false;
}

void rpc_open(struct node *n)
{
	struct call *c;

	for (c = n->k.calls; c; c = c->next)
		send(n, c);
}

static void answer(struct node *n, const struct kernel_msg *m, int status,
		   u16 where)
{
	struct kernel_msg r = *m;

	r.reply = true;
	r.status = status;
	r.node = where;
	r.from = n->id;
	r.to = m->from;
	r.from_inc = m->to_inc;
	r.to_inc = m->from_inc;
	r.epoch = n->k.epoch.number;
	transmit(n, &r);
}

static void free_chain(struct pando_dup *d)
{
	while (d) {
		struct incoming *in = (void *)d;

		d = d->next;
		free(in);
	}
}

void rpc_drop(struct channel *ch)
{
	struct incoming *in;
	struct pando_dup *d;

	if (!ch)
		return;
	while ((d = pando_duptab_pop(&ch->in))) {
		d->next = NULL;
		free_chain(d);
	}
	while ((in = ch->late)) {
		ch->late = in->next;
		free(in);
	}
	free(ch);
}

static void finish(struct node *n, struct channel *ch, struct incoming *in,
		   const struct kernel_msg *m, int status, u16 where)
{
	in->status = status;
	in->where = where;
	if (!pando_duptab_finish(&ch->in, &in->dup, true))
		free(in);
	answer(n, m, status, where);
}

void rpc_finish(struct node *n, const struct kernel_msg *m, int status, u16 where)
{
	struct peer *p = kernel_peer(n, m->from);
	struct incoming **at, *in;

	if (w.bug == BUG_GONE_TWICE || w.bug == BUG_TOLD_TWICE)
		answer(n, m, status, where);
	if (!p || p->incarnation != m->from_inc || !p->channel)
		return;
	for (at = &p->channel->late; (in = *at); at = &in->next)
		if (in->dup.id == m->id)
			break;
	if (!in)
		return;
	*at = in->next;
	finish(n, p->channel, in, m, status, where);
}

/* At most once, as kmod/rpc_server.c sees to it. */
static void execute(struct node *n, const struct kernel_msg *m)
{
	struct channel *ch;
	struct incoming *in;
	struct pando_dup *old;
	u16 where = 0;
	int status;

	if (!is_once(m->type) || w.bug == BUG_GONE_TWICE ||
	    w.bug == BUG_TOLD_TWICE) {
		status = kernel_handle(n, m, &where);
		if (status != -EINPROGRESS)
			answer(n, m, status, where);
		return;
	}
	ch = channel_of(kernel_peer(n, m->from));
	free_chain(pando_duptab_ack(&ch->in, m->acked));
	in = calloc(1, sizeof(*in));
	if (!in)
		abort();
	switch (pando_duptab_begin(&ch->in, &in->dup, m->id, true, &old)) {
	case PANDO_DUP_NEW:
		status = kernel_handle(n, m, &where);
		if (status == -EINPROGRESS) {
			in->next = ch->late;
			ch->late = in;
		} else {
			finish(n, ch, in, m, status, where);
		}
		return;
	case PANDO_DUP_DONE:
		answer(n, m, ((struct incoming *)old)->status,
		       ((struct incoming *)old)->where);
		break;
	case PANDO_DUP_FULL:
		answer(n, m, -EAGAIN, 0);
		break;
	default:
		break;
	}
	free(in);
}

static void judge(struct node *n, struct msg *bytes)
{
	const struct kernel_msg *m = (const void *)bytes->data;

	switch (pando_epoch_check(&n->k.epoch, m->epoch)) {
	case PANDO_EPOCH_ACCEPT:
		execute(n, m);
		break;
	case PANDO_EPOCH_STALE:
		answer(n, m, -ESTALE, 0);
		break;
	case PANDO_EPOCH_PARK:
		if (n->k.parked.n - n->k.parked.head < PARKED_MAX)
			entries_push(&n->k.parked, (struct entry){
				.msg = msg_get(bytes) });
		break;
	}
}

/* Is it from a member, as he is, to us, as we are? */
static bool welcome(struct node *n, const struct kernel_msg *m)
{
	struct peer *p = kernel_peer(n, m->from);

	return n->k.attached && p && p->incarnation == m->from_inc &&
	       n->k.incarnation == m->to_inc;
}

static void on_arrival(struct node *n, struct msg *bytes, u64 a, u64 b)
{
	const struct kernel_msg *m = (const void *)bytes->data;

	(void)a;
	(void)b;
	if (!welcome(n, m))
		return;
	if (!m->reply) {
		judge(n, bytes);
	} else if (m->status != -ESTALE) {	/* else again, in the next epoch */
		struct call *c = find(n, m, m->from);

		if (c)
			end(n, c, m->status, m->node);
	}
}

void rpc_unpark(struct node *n)
{
	struct entries was = n->k.parked;
	struct entry x;

	memset(&n->k.parked, 0, sizeof(n->k.parked));
	while (entries_pop(&was, &x)) {
		if (welcome(n, (const void *)x.msg->data))
			judge(n, x.msg);
		msg_put(x.msg);
	}
	entries_clear(&was);
}

void rpc_free(struct node *n)
{
	struct call *c;

	while ((c = n->k.calls)) {
		n->k.calls = c->next;
		free(c);
	}
	entries_clear(&n->k.parked);
}

void rpc_reset(void)
{
	memset(last_arrival, 0, sizeof(last_arrival));
}
