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

static struct call *find(struct node *n, u64 id)
{
	struct call *c;

	for (c = n->k.calls; c; c = c->next)
		if (c->m.id == id)
			return c;
	return NULL;
}

static void end(struct node *n, u64 id, int status, u16 where)
{
	struct call **p = &n->k.calls, *c;

	while ((c = *p) && c->m.id != id)
		p = &c->next;
	if (!c)
		return;
	*p = c->next;
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
	if (!pando_epoch_open(&n->k.epoch))
		return;
	c->m.epoch = n->k.epoch.number;
	transmit(n, &c->m);
}

static void on_timer(struct node *n, struct msg *m, u64 id, u64 b)
{
	struct call *c = find(n, id);

	(void)m;
	(void)b;
	if (!c)
		return;
	if (!alive(n, c) && w.bug != BUG_LONG_WAIT) {
		end(n, id, -EHOSTDOWN, 0);
	} else if (w.now >= c->deadline && w.bug != BUG_LONG_WAIT) {
		end(n, id, -ETIMEDOUT, 0);
	} else {
		send(n, c);
		event_at(RESEND_US + rnd(RESEND_US), HOST, n, on_timer, NULL,
			 id, 0);
	}
}

u64 rpc_call(struct node *n, u16 to, struct kernel_msg *m, u64 timeout, u64 tag)
{
	struct peer *p = kernel_peer(n, to);
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->m = *m;
	c->m.id = ++n->k.next_id;
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
		 c->m.id, 0);
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
		end(n, c->m.id, -EHOSTDOWN, 0);
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

static void judge(struct node *n, struct msg *bytes)
{
	const struct kernel_msg *m = (const void *)bytes->data;
	u16 where = 0;
	int status;

	switch (pando_epoch_check(&n->k.epoch, m->epoch)) {
	case PANDO_EPOCH_ACCEPT:
		status = kernel_handle(n, m, &where);
		answer(n, m, status, where);
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
	if (!m->reply)
		judge(n, bytes);
	else if (m->status != -ESTALE)	/* else again, in the next epoch */
		end(n, m->id, m->status, m->node);
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
