// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of corosync, as unkind as totem and cpg allow:
 *
 * Nodes that hear each other form a ring. What is sent in a ring has one
 * order; each member receives a prefix of it in its own time. When a ring
 * breaks, those who stay together agree on what any of them has received, and
 * on their own messages, before the next ring; what lies between may be lost to
 * them, though others have it. Messages that wait to be sent go out in whatever
 * ring comes next. Quorum is told beside the order, earlier or later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct ring {
	struct ring *next;
	u64 id;
	unsigned int n;
	struct node *member[NODES_MAX];
	struct entries log;
};

static struct ring *rings;
static u64 last_ring;
static bool reforming;

void entries_push(struct entries *e, struct entry x)
{
	if (e->n == e->cap && e->head > e->n / 2) {
		e->n -= e->head;
		memmove(e->v, e->v + e->head, e->n * sizeof(*e->v));
		e->head = 0;
	}
	if (e->n == e->cap) {
		e->cap = e->cap ? 2 * e->cap : 16;
		e->v = realloc(e->v, e->cap * sizeof(*e->v));
		if (!e->v) {
			perror("sim");
			exit(2);
		}
	}
	e->v[e->n++] = x;
}

bool entries_pop(struct entries *e, struct entry *x)
{
	if (e->head == e->n) {
		e->head = e->n = 0;
		return false;
	}
	*x = e->v[e->head++];
	return true;
}

void entries_clear(struct entries *e)
{
	struct entry x;

	while (entries_pop(e, &x))
		msg_put(x.msg);
	free(e->v);
	memset(e, 0, sizeof(*e));
}

/* --- one node's part of the group ---------------------------------------------- */

static struct daemon_id *in_group(struct corosync *cs, u16 node)
{
	return cs->at[node] ? &cs->group[cs->at[node] - 1] : NULL;
}

static void group_add(struct corosync *cs, struct daemon_id d)
{
	cs->group[cs->ngroup++] = d;
	cs->at[d.node] = cs->ngroup;
}

static void group_clear(struct corosync *cs)
{
	cs->ngroup = 0;
	memset(cs->at, 0, sizeof(cs->at));
}

static void group_remove(struct corosync *cs, struct daemon_id *d)
{
	cs->at[d->node] = 0;
	*d = cs->group[--cs->ngroup];
	if (d != &cs->group[cs->ngroup])
		cs->at[d->node] = d - cs->group + 1;
}

/* Is this node's own daemon of today a member? */
static bool joined(struct node *n)
{
	struct daemon_id *self = in_group(&n->cs, n->id);

	return self && n->d.up && self->gen == n->d.gen;
}

static void tell_config(struct node *n)
{
	struct msg *m;

	if (!joined(n))
		return;
	m = msg_new(n->cs.ngroup * sizeof(n->cs.group[0]));
	memcpy(m->data, n->cs.group, m->len);
	daemon_inbox(n, (struct entry){ .kind = ENTRY_CONFIG, .msg = m });
}

static void deliver(struct node *n, const struct entry *x)
{
	struct corosync *cs = &n->cs;
	struct daemon_id *d = in_group(cs, x->from.node);

	switch (x->kind) {
	case ENTRY_MSG:
		if (joined(n)) {
			struct entry copy = *x;

			msg_get(copy.msg);
			daemon_inbox(n, copy);
		}
		break;
	case ENTRY_LEAVE:
		if (!d || d->gen != x->from.gen)
			break;
		group_remove(cs, d);
		tell_config(n);
		break;
	case ENTRY_JOIN:
		if (d)
			*d = x->from;
		else
			group_add(cs, x->from);
		tell_config(n);
		break;
	default:
		break;
	}
}

static void receive_upto(struct node *n, size_t upto)
{
	while (n->cs.received < upto)
		deliver(n, &n->cs.ring->log.v[n->cs.received++]);
}

static void expect(struct node *n);

/* All that is there, or a part of it; the rest in a moment. */
static void on_receive(struct node *n, struct msg *m, u64 ring, u64 b)
{
	struct ring *r = n->cs.ring;
	size_t upto;

	(void)m;
	(void)b;
	if (!r || r->id != ring)
		return;
	n->cs.receiving = false;
	if (n->cs.received == r->log.n)
		return;
	upto = r->log.n;
	if (chance(50))
		upto = n->cs.received + 1 + rnd(upto - n->cs.received);
	if (!connected(n, &w.node[r->log.v[upto - 1].from.node]))
		return;
	receive_upto(n, upto);
	if (upto < r->log.n)
		expect(n);
}

static void expect(struct node *n)
{
	if (n->cs.receiving)
		return;
	n->cs.receiving = true;
	event_at(delay(10 * MS), HOST, n, on_receive, NULL, n->cs.ring->id, 0);
}

/* The token goes round: as soon as one does not hear, nobody sends. */
static bool goes_round(const struct node *n)
{
	const struct ring *r = n->cs.ring;
	unsigned int i;

	for (i = 0; r && i < r->n; i++)
		if (!r->member[i]->up || r->member[i]->paused ||
		    r->member[i]->cs.ring != r || !connected(n, r->member[i]))
			return false;
	return r;
}

/* The token comes by: the oldest waiting message gets its place. */
static void on_token(struct node *n, struct msg *m, u64 a, u64 b)
{
	struct ring *r = n->cs.ring;
	struct entry x;
	unsigned int i;

	(void)m;
	(void)a;
	(void)b;
	if (!goes_round(n) || !entries_pop(&n->cs.outbox, &x)) {
		n->cs.sending = false;
		return;
	}
	entries_push(&r->log, x);
	for (i = 0; i < r->n; i++)
		expect(r->member[i]);
	event_at(delay(2 * MS), HOST, n, on_token, NULL, 0, 0);
}

static void kick(struct node *n)
{
	if (n->cs.sending || !n->cs.ring)
		return;
	n->cs.sending = true;
	event_at(delay(2 * MS), HOST, n, on_token, NULL, 0, 0);
}

void group_send(struct node *n, enum entry_kind kind, struct msg *m)
{
	entries_push(&n->cs.outbox, (struct entry){
		.kind = kind, .from = { n->id, n->d.gen }, .msg = m });
	kick(n);
}

/* --- rings ------------------------------------------------------------------------- */

static void on_quorum(struct node *n, struct msg *m, u64 ring, u64 quorate)
{
	(void)m;
	if (ring < n->cs.quorum_ring)
		return;
	n->cs.quorum_ring = ring;
	n->cs.quorate = quorate;
	daemon_quorum(n);
}

/*
 * Those of @r who go on together in the new ring come to the same point: all
 * that one of them has, then the rest of what they sent themselves.
 */
static void finish(struct ring *r, struct node **part, unsigned int n)
{
	bool in[NODES_MAX + 1] = { false };
	size_t upto = 0, i;
	unsigned int p;

	for (p = 0; p < n; p++)
		if (part[p]->cs.ring == r && part[p]->cs.received > upto)
			upto = part[p]->cs.received;
	for (p = 0; p < n; p++)
		if (part[p]->cs.ring == r) {
			in[part[p]->id] = true;
			receive_upto(part[p], upto);
		}
	for (i = upto; i < r->log.n; i++) {
		const struct entry *x = &r->log.v[i];

		for (p = 0; p < n && in[x->from.node]; p++)
			if (part[p]->cs.ring == r)
				deliver(part[p], x);
	}
}

static void drop_unused(void)
{
	struct ring **p = &rings, *r;
	struct node *n;

	while ((r = *p)) {
		bool used = false;

		for_each_node(n)
			used |= n->cs.ring == r;
		if (used) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		entries_clear(&r->log);
		free(r);
	}
}

/*
 * First those are gone who did not come along from this node's last ring, even
 * if they are here again; then all are told of who is here.
 */
static void regroup(struct node *n, const struct ring *r, struct ring **old)
{
	struct daemon_id now[NODES_MAX], was[NODES_MAX];
	u32 with_us[NODES_MAX + 1] = { 0 };	/* generations */
	struct corosync *cs = &n->cs;
	unsigned int i, nnow = 0, nwas = cs->ngroup;
	struct ring *mine = NULL;

	for (i = 0; i < r->n; i++) {
		if (joined(r->member[i]))
			now[nnow++] = (struct daemon_id){ r->member[i]->id,
							  r->member[i]->d.gen };
		if (r->member[i] == n)
			mine = old[i];
	}
	for (i = 0; i < r->n; i++)
		if (joined(r->member[i]) &&
		    (r->member[i] == n || (mine && old[i] == mine)))
			with_us[r->member[i]->id] = r->member[i]->d.gen;
	memcpy(was, cs->group, sizeof(was));
	group_clear(cs);
	for (i = 0; i < nwas; i++)
		if (with_us[was[i].node] == was[i].gen)
			group_add(cs, was[i]);
	if (cs->ngroup < nwas)
		tell_config(n);
	if (cs->ngroup == nnow)
		return;
	group_clear(cs);
	for (i = 0; i < nnow; i++)
		group_add(cs, now[i]);
	tell_config(n);
}

static void new_ring(struct node **part, unsigned int n)
{
	struct ring *r = calloc(1, sizeof(*r)), *old[NODES_MAX], *o;
	unsigned int i;

	if (!r) {
		perror("sim");
		exit(2);
	}
	/* "received" is per ring: all of one before the next */
	for (o = rings; o; o = o->next)
		finish(o, part, n);
	r->id = ++last_ring;
	r->n = n;
	memcpy(r->member, part, n * sizeof(*part));
	r->next = rings;
	rings = r;
	trace("ring %llu: %llu nodes, first %llu", r->id, n, part[0]->id);
	for (i = 0; i < n; i++) {
		bool seen = part[i]->cs.seen_all |= n == w.nodes;

		old[i] = part[i]->cs.ring;
		part[i]->cs.ring = r;
		part[i]->cs.received = 0;
		part[i]->cs.receiving = false;
		if (part[i]->d.up)
			daemon_inbox(part[i], (struct entry){
				.kind = ENTRY_RING, .ring = r->id });
		event_at(delay(40 * MS), HOST, part[i], on_quorum, NULL, r->id,
			 2 * n > w.nodes && (seen || !w.wait_for_all ||
					  w.bug == BUG_NO_WAIT));
	}
	for (i = 0; i < n; i++)
		regroup(part[i], r, old);
	for (i = 0; i < n; i++)
		kick(part[i]);
}

/* Who hears whom now; every set that is not a ring becomes one. */
static void on_reform(struct node *unused, struct msg *m, u64 a, u64 b)
{
	bool done[NODES_MAX + 1] = { false };
	struct node *n, *o;

	(void)unused;
	(void)m;
	(void)a;
	(void)b;
	reforming = false;
	for_each_node(n) {
		struct node *part[NODES_MAX];
		unsigned int count = 0;
		bool same = n->cs.ring;

		if (!n->up || n->paused || done[n->id])
			continue;
		for_each_node(o) {
			unsigned int p;

			if (!o->up || o->paused || done[o->id])
				continue;
			for (p = 0; p < count && connected(part[p], o); p++)
				;
			if (p < count)
				continue;
			done[o->id] = true;
			part[count++] = o;
			same = same && o->cs.ring == n->cs.ring;
		}
		if (!same || n->cs.ring->n != count) {
			new_ring(part, count);
			continue;
		}
		/* nobody noticed: what was lost is sent again */
		while (count--) {
			expect(part[count]);
			kick(part[count]);
		}
	}
	drop_unused();
}

/* Many gather for longer, and whatever happens meanwhile makes one ring. */
void group_topology(void)
{
	u64 most = 400 * MS * (1 + w.nodes / MANY);

	if (w.nodes > MANY && reforming)
		return;
	reforming = true;
	event_at(50 * MS + rnd(min(most, 4 * SECOND)), WORLD, NULL, on_reform,
		 NULL, 0, 0);
}

void group_start(struct node *n)
{
	memset(&n->cs, 0, sizeof(n->cs));
	group_topology();
}

void group_crash(struct node *n)
{
	n->cs.ring = NULL;
	entries_clear(&n->cs.outbox);
	memset(&n->cs, 0, sizeof(n->cs));
	group_topology();
}

u64 group_ring(const struct node *n)
{
	return n->cs.ring ? n->cs.ring->id : 0;
}

bool group_idle(void)
{
	struct node *n;

	for_each_node(n)
		if (n->up && (n->cs.outbox.head != n->cs.outbox.n ||
			      n->d.inbox.head != n->d.inbox.n ||
			      !n->cs.ring ||
			      n->cs.received != n->cs.ring->log.n))
			return false;
	return true;
}

void group_free(void)
{
	struct node *n;

	for_each_node(n) {
		n->cs.ring = NULL;
		entries_clear(&n->cs.outbox);
	}
	drop_unused();
	last_ring = 0;
	reforming = false;
}
