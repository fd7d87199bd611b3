// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of userspace/pandod/{quorum,expel}.c around the real lease.c, and of
 * the guard in pando-init. Each node has a clock of its own.
 */
#include <string.h>

#include "sim.h"

#define GUARD_US	(20 * MS)	/* the most it takes to freeze */

u64 node_clock(const struct node *n)
{
	return n->clock_zero + w.now + (s64)w.now * n->permille / 1000;
}

/* In a large group it takes long until all have spoken. */
u64 quorum_lease(void)
{
	return 2 * SECOND + w.nodes * 20 * MS;
}

/* --- the guard ----------------------------------------------------------------------- */

static void on_guard(struct node *n, struct msg *m, u64 incarnation, u64 b)
{
	(void)m;
	(void)b;
	if (!n->k.attached || n->k.incarnation != incarnation ||
	    n->k.frozen || node_clock(n) < n->k.until)
		return;
	n->k.frozen = true;
	w.freezes++;
	trace("node %llu: frozen", n->id);
}

void guard_until(struct node *n, u64 until)
{
	u64 now = node_clock(n), wait;

	if (!n->k.attached)
		return;
	if (w.bug == BUG_LATE_FREEZE && until)
		until += 3 * quorum_lease();
	n->k.until = until;
	wait = until > now ? (until - now) * 1000 / (1000 + n->permille) + 1 : 0;
	event_at(wait + rnd(GUARD_US), HOST, n, on_guard, NULL,
		 n->k.incarnation, 0);
	if (until <= now || !n->k.frozen)
		return;
	n->k.frozen = false;
	trace("node %llu: runs", n->id);
	check_thaw(n);
}

/* A thread of real-time priority: after a pause it comes before all others. */
void guard_resume(struct node *n)
{
	if (n->k.attached)
		on_guard(n, NULL, n->k.incarnation, 0);
}

/* --- quorum.c -------------------------------------------------------------------------- */

void quorum_start(struct node *n)
{
	struct daemon *d = &n->d;

	memset(&d->lease, 0, sizeof(d->lease));
	memset(&d->patience, 0, sizeof(d->patience));
	d->lease.length = quorum_lease();
	d->patience.length = patience_of(d->lease.length);
	d->synced = d->told = 0;
	d->pulse_timer = d->expel_timer = 0;
	d->dying = false;
}

static void tell(struct node *n)
{
	struct daemon *d = &n->d;

	if (d->lease.until == d->told ||
	    (d->lease.until > d->told &&
	     d->lease.until - d->told < d->lease.length / 16))
		return;
	d->told = d->lease.until;
	guard_until(n, d->told);
}

void quorum_config(struct node *n, const u16 *ids, unsigned int count)
{
	patience_config(&n->d.patience, ids, count, node_clock(n));
}

void quorum_over(struct node *n, struct sync *sync)
{
	u16 id;

	sync->nover = 0;
	for (id = 1; id <= w.nodes; id++)
		if (patience_over(&n->d.patience, id, node_clock(n)) ||
		    (w.bug == BUG_IMPATIENT && n->d.patience.since[id]))
			sync->over[sync->nover++] = id;
}

static void on_pulse(struct node *n, struct msg *unused, u64 number, u64 b)
{
	struct message m = { .type = MESSAGE_PULSE,
			     .epoch = n->d.state.epoch };
	static struct heard heard[LEASE_PEERS];
	struct qlease *q = &n->d.lease;
	unsigned int i;

	(void)unused;
	(void)b;
	if (n->d.pulse_timer != number)
		return;
	m.pulse = qlease_send(q, node_clock(n));
	m.heard = heard;
	for (i = 0; i < q->npeers; i++)
		heard[m.count++] = (struct heard){ q->peer[i].id,
						   q->peer[i].heard };
	if (w.bug == BUG_UNHEARD_PULSE)
		qlease_all_heard(q, node_clock(n));
	daemon_send(n, &m);
	tell(n);
	event_at(q->length / LEASE_PULSES, DAEMON, n, on_pulse, NULL, number, 0);
}

void quorum_pulse(struct node *n, u16 from, const struct message *m)
{
	struct state *s = &n->d.state;
	u32 i;

	if (m->epoch != s->epoch || s->phase != PHASE_ACTIVE || from == n->id)
		return;
	for (i = 0; i < m->count; i++)
		if (m->heard[i].node == n->id)
			qlease_hear(&n->d.lease, from, m->pulse,
				    m->heard[i].pulse);
	tell(n);
}

void quorum_view(struct node *n, bool known)
{
	struct votes v = { w.nodes, w.nodes / 2 + 1 };
	struct state *s = &n->d.state;
	bool left = state_only_left(s);
	static u64 number;
	unsigned int i;

	if (w.bug == BUG_SMALL_QUORUM && left)
		v = (struct votes){ s->nmembers, s->nmembers / 2 + 1 };
	else if (left && !votes_quorate(&v, s->nmembers))
		v = (struct votes){ s->nmembers, 1 };
	if (w.bug == BUG_BLIND_THAW && s->quorate)
		known = true;
	if (!known || (!s->quorate && !votes_blocking(&v, s->nmembers))) {
		n->d.pulse_timer = 0;
		qlease_end(&n->d.lease);
		tell(n);
		return;
	}
	qlease_view(&n->d.lease, &v, 1);
	for (i = 0; i < s->nmembers; i++)
		if (s->member[i].id != n->id)
			qlease_peer(&n->d.lease, s->member[i].id, 1);
	qlease_all_heard(&n->d.lease, n->d.synced);
	tell(n);
	n->d.pulse_timer = ++number;
	event_at(1, DAEMON, n, on_pulse, NULL, number, 0);
}

/* --- expel.c ---------------------------------------------------------------------------- */

static void send_expel(struct node *n, const struct host *h, bool off)
{
	struct message m = { .type = MESSAGE_EXPEL,
			     .epoch = n->d.state.epoch };

	m.node = h->id;
	m.incarnation = h->incarnation;
	m.off = off;
	daemon_send(n, &m);
}

static u64 look(struct node *n)
{
	struct state *s = &n->d.state;
	u64 next = UINT64_MAX, now = node_clock(n);
	u32 i;

	if (s->phase != PHASE_ACTIVE)
		return next;
	for (i = 0; i < s->line.nhosts; i++) {
		const struct host *h = &s->line.host[i];
		u64 since = n->d.patience.since[h->id], wait, gone;

		if (h->dead || state_member(s, h->id))
			continue;
		gone = since ? now - since : 0;
		if (h->condemned && (gone >= n->d.patience.length ||
				     w.bug == BUG_IMPATIENT)) {
			daemon_ask_round(n, 300);
			continue;
		}
		wait = n->d.patience.length - gone;
		if (!h->condemned && (!w.expel_after || !s->quorate))
			continue;
		if (!h->condemned && gone >= w.expel_after &&
		    s->member[0].id == n->id)
			send_expel(n, h, false);
		if (!h->condemned)
			wait = gone < w.expel_after ? w.expel_after - gone :
						      SECOND;
		if (wait < next)
			next = wait;
	}
	return next;
}

static void arm(struct node *n);

static void on_expel_timer(struct node *n, struct msg *m, u64 number, u64 b)
{
	(void)m;
	(void)b;
	if (n->d.expel_timer == number)
		arm(n);
}

static void arm(struct node *n)
{
	static u64 number;
	u64 wait = look(n);

	n->d.expel_timer = ++number;
	if (wait != UINT64_MAX)
		event_at(wait + wait / 100 + 1, DAEMON, n, on_expel_timer, NULL,
			 number, 0);
}

void expel_view(struct node *n)
{
	arm(n);
}

bool expel_message(struct node *n, const struct message *m)
{
	unsigned int todo = state_expel(&n->d.state, m->epoch, m->node,
					m->incarnation, m->off);

	if (todo & DO_ROUND && m->off)
		daemon_ask_round(n, 300);
	arm(n);
	return todo && !(todo & DO_VOID);
}

/*
 * He has seen it with his eyes: this one is off, all who were said to be are so
 * still, and so are those who came while this node was away.
 */
static bool may_call_off(struct node *n, const struct host *h)
{
	struct state *s = &n->d.state;
	const struct node *o;

	for_each_node(o) {
		const struct host *x = state_host(s, o->id);

		if (o->up && !state_member(s, o->id) &&
		    (!x || x == h || x->off))
			return w.bug == BUG_LIE;
	}
	return true;
}

void expel_somebody(struct node *n, bool off)
{
	struct state *s = &n->d.state;
	u32 i, first = rnd(s->line.nhosts);

	if (!n->d.up || s->phase != PHASE_ACTIVE || (!s->quorate && !off))
		return;
	for (i = 0; i < s->line.nhosts; i++) {
		const struct host *h;

		h = &s->line.host[(first + i) % s->line.nhosts];
		if (state_member(s, h->id) || (h->dead && (h->off || !off)))
			continue;
		if (off && !may_call_off(n, h))
			continue;
		trace("node %llu: expel %llu, off %llu", n->id, h->id, off);
		w.off += off;
		send_expel(n, h, off);
		return;
	}
}
