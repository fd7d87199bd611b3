// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of userspace/pandod/move*.c: one object is both sides of a move, each
 * touched only by events of its own host. Movers and their memory are left
 * out: what counts is who freezes, restores, lets run and lets go, and when.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define MOVE_TIMEOUT	(5 * SECOND)

#define BUCKETS		1024

static u64 last_id;
static struct move *bucket[BUCKETS];	/* by id */

static struct move *find(u64 id)
{
	struct move *m = bucket[id % BUCKETS];

	while (m && m->id != id)
		m = m->same;
	return m;
}

/* A word from daemon to daemon: lost when they do not hear each other. */
static void say(const struct node *from, struct node *to, event_fn fn, u64 id)
{
	if (to->up && to->d.up && connected(from, to) && !chance(1))
		event_at(delay(20 * MS), DAEMON, to, fn, NULL, id, 0);
}

static void forget_if_over(struct move *m)
{
	struct move **p = &w.move;
	u32 i;

	if (m->source != S_NONE || m->target != T_NONE)
		return;
	for (i = 0; i < m->n; i++)
		if (m->proc[i])
			m->proc[i]->moving = false;
	while (*p != m)
		p = &(*p)->next;
	*p = m->next;
	for (p = &bucket[m->id % BUCKETS]; *p != m;)
		p = &(*p)->same;
	*p = m->same;
	free(m);
}

static struct body *body_of(struct node *n, const struct move *m, u32 i)
{
	struct body *b = kernel_body(n, m->pid[i]);

	return b && b->proc == m->proc[i] ? b : NULL;
}

/* --- the copies ------------------------------------------------------------------- */

static void on_body_freed(struct node *n, struct msg *m, u64 pid, u64 b)
{
	struct body *x = kernel_body(n, pid);

	(void)m;
	(void)b;
	if (x && x->state == DYING)
		kernel_free_body(x, false);
}

/* Killed; its number is free when the kernel has reaped it. */
static void kill_body(struct body *b)
{
	struct node *n = b->node;

	b->state = DYING;
	n->k.ndying++;
	b->proc->alive--;
	/* in a namespace that was declared dead it died with that */
	b->proc->struck |= check_is_dead(n);
	check_lost(b->proc);
	event_at(delay(30 * MS), HOST, n, on_body_freed, NULL, b->proc->pid, 0);
}

static void target_abort(struct move *m)
{
	struct node *n = m->to;
	u32 i;

	trace("node %llu: move %llu called off by target", n->id, m->id);
	for (i = 0; i < m->n; i++) {
		struct body *b = body_of(n, m, i);

		if (b && b->state == HELD)
			kill_body(b);
	}
	kernel_unreserve(n, m->id);
	m->target = T_NONE;
	forget_if_over(m);
}

static void on_abort(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);

	(void)u;
	(void)b;
	if (m && m->to == n &&
	    (m->target == T_RESERVED || m->target == T_READY))
		target_abort(m);
}

static void source_abort(struct move *m)
{
	struct node *n = m->from;
	u32 i;

	trace("node %llu: move %llu called off by source", n->id, m->id);
	for (i = 0; i < m->n; i++) {
		struct body *b = body_of(n, m, i);

		if (b && b->state == FROZEN) {
			b->state = RUNNING;
			check_runs(b);
		}
	}
	m->source = S_NONE;
	if (m->to)
		say(n, m->to, on_abort, m->id);
	forget_if_over(m);
}

/* --- step by step --------------------------------------------------------------------- */

static void maybe_commit(struct move *m)
{
	struct node *n = m->from;
	struct message c = {
		.type = MESSAGE_COMMIT, .epoch = n->d.state.epoch,
		.move = m->id, .from = n->id, .to = m->to->id,
		.count = m->n, .pids = m->pid,
	};

	if (m->source != S_MOVING || !m->source_ready || !m->target_ready)
		return;
	if (n->d.state.phase != PHASE_ACTIVE || !n->d.state.quorate) {
		source_abort(m);
		return;
	}
	m->source = S_COMMITTING;
	daemon_send(n, &c);
}

static void on_target_ready(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);

	(void)u;
	(void)b;
	if (!m || m->from != n)
		return;
	m->target_ready = true;
	maybe_commit(m);
}

/* The image is there: restored, and held. */
static void on_image(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);
	u32 i;

	(void)u;
	(void)b;
	if (!m || m->to != n || m->target != T_RESERVED)
		return;
	for (i = 0; i < m->n; i++)
		if (!m->proc[i] || !kernel_restore(n, m->proc[i])) {
			target_abort(m);
			return;
		}
	m->target = T_READY;
	say(n, m->from, on_target_ready, id);
}

static void on_frozen(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);
	u32 i;

	(void)u;
	(void)b;
	if (!m || m->from != n || m->source != S_MOVING)
		return;
	for (i = 0; i < m->n; i++) {
		struct body *x = body_of(n, m, i);

		x->state = FROZEN;
		m->holder[i] = kin_holder(x);
	}
	m->source_ready = true;
	say(n, m->to, on_image, id);
	maybe_commit(m);
}

static void on_prepared(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);

	(void)u;
	(void)b;
	if (!m || m->from != n || m->source != S_ASKING)
		return;
	m->source = S_MOVING;
	event_at(delay(200 * MS), DAEMON, n, on_frozen, NULL, id, 0);
}

static void on_refused(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);

	(void)u;
	(void)b;
	if (m && m->from == n && m->source && m->source < S_COMMITTING)
		source_abort(m);
}

static void on_target_timeout(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);

	(void)u;
	(void)b;
	if (m && m->to == n && m->target == T_RESERVED)
		target_abort(m);
}

static void on_prepare(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);
	struct state *s = &n->d.state;

	(void)u;
	(void)b;
	if (!m || m->to != n || m->target != T_NONE)
		return;
	if (!s->quorate || !n->d.attached ||
	    kernel_reserve(n, id, m->pid, m->n)) {
		say(n, m->from, on_refused, id);
		return;
	}
	m->target = T_RESERVED;
	say(n, m->from, on_prepared, id);
	event_at(MOVE_TIMEOUT, DAEMON, n, on_target_timeout, NULL, id, 0);
}

static void on_source_timeout(struct node *n, struct msg *u, u64 id, u64 b)
{
	on_refused(n, u, id, b);
}

bool move_start(struct node *n, struct node *to)
{
	struct state *s = &n->d.state;
	struct member *self = state_member(s, n->id);
	struct member *target = state_member(s, to->id);
	u32 want = 1 + rnd(MOVE_TASKS), tries;
	struct move *m;

	if (!s->quorate || !target || !target->attached || !target->ready)
		return false;
	if (!self || !self->ready)
		return false;
	if (!n->k.nbodies)
		return false;
	m = calloc(1, sizeof(*m));
	if (!m)
		return false;
	m->id = ++last_id;
	m->from = n;
	m->to = to;
	for (tries = 0; tries < 8 && m->n < want; tries++) {
		struct body *b = n->k.body[rnd(n->k.nbodies)];

		/* parents that wait stay where they are: see kin.c */
		if (b->state != RUNNING || b->proc->moving || b->proc->children)
			continue;
		b->proc->moving = true;
		m->proc[m->n] = b->proc;
		m->pid[m->n++] = b->proc->pid;
	}
	m->next = w.move;
	w.move = m;
	m->same = bucket[m->id % BUCKETS];
	bucket[m->id % BUCKETS] = m;
	if (!m->n) {
		forget_if_over(m);
		return false;
	}
	m->source = S_ASKING;
	trace("node %llu: move %llu to %llu: %llu tasks, first %llu", n->id,
	      m->id, to->id, m->n, m->pid[0]);
	say(n, to, on_prepare, m->id);
	event_at(MOVE_TIMEOUT, DAEMON, n, on_source_timeout, NULL, m->id, 0);
	return true;
}

/* --- what the group says --------------------------------------------------------------------- */

static void on_resume(struct node *n, struct msg *u, u64 id, u64 b)
{
	struct move *m = find(id);
	u32 i;

	(void)u;
	(void)b;
	if (!m || m->target != T_DECIDED)
		return;
	for (i = 0; i < m->n; i++) {
		struct body *x = body_of(n, m, i);

		if (!x || x->state != HELD)
			continue;
		kin_arrived(x, m->holder[i]);
		x->state = RUNNING;
		x->proc->settled = w.now;
		check_runs(x);
	}
	m->target = T_NONE;
	w.moves++;
	forget_if_over(m);
}

static void target_decided(struct move *m)
{
	m->target = T_DECIDED;
	event_at(delay(20 * MS), HOST, m->to, on_resume, NULL, m->id, 0);
}

static void source_decided(struct move *m)
{
	u32 i;

	for (i = 0; i < m->n; i++) {
		struct body *b = body_of(m->from, m, i);

		if (b && b->state == FROZEN)
			kill_body(b);
	}
	m->source = S_NONE;
	forget_if_over(m);
}

/* May free the move. */
static void void_at(struct node *n, u64 id)
{
	struct move *m = find(id);

	if (m && m->from == n && m->source == S_COMMITTING)
		source_abort(m);
	m = find(id);
	if (m && m->to == n &&
	    (m->target == T_RESERVED || m->target == T_READY))
		target_abort(m);
}

static struct commit *take_commit(struct node *n, u64 id)
{
	struct commit **p, *c;

	for (p = &n->d.commits; (c = *p); p = &c->next)
		if (c->move == id) {
			*p = c->next;
			return c;
		}
	return NULL;
}

void move_on_commit(struct node *n, const struct message *msg, bool noted)
{
	struct state *s = &n->d.state;
	struct move *m = find(msg->move);
	struct commit *c;

	if (!noted) {
		if (s->phase == PHASE_ACTIVE && s->quorate &&
		    msg->epoch == s->epoch)
			void_at(n, msg->move);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->move = msg->move;
	c->from = msg->from;
	c->to = msg->to;
	c->n = msg->count;
	memcpy(c->pid, msg->pids, msg->count * sizeof(c->pid[0]));
	c->next = n->d.commits;
	n->d.commits = c;
	if (w.bug == BUG_DOUBLE_COMMIT && m && m->to == n &&
	    m->target == T_READY) {
		kernel_moved(n, c->pid, c->n, c->from, c->to);
		target_decided(m);
	}
}

void move_on_decided(struct node *n, const struct move_note *note)
{
	struct commit *c = take_commit(n, note->id);
	struct move *m = find(note->id);
	bool mine = m && ((m->from == n && m->source == S_COMMITTING) ||
			  (m->to == n && m->target == T_READY));

	trace("node %llu: moved %llu from %llu to %llu", n->id, note->id,
	      note->from, note->to);
	if (c)
		kernel_moved(n, c->pid, c->n, note->from, note->to);
	else if (mine)
		kernel_moved(n, m->pid, m->n, note->from, note->to);
	free(c);
	if (m)
		m->committed = true;
	if (m && m->to == n && m->target == T_READY)
		target_decided(m);
	if (m && m->from == n && m->source == S_COMMITTING)
		source_decided(m);
}

/* @m may go away meanwhile, and others with it. */
static void each(struct node *n, void (*fn)(struct node *n, struct move *m))
{
	u64 ids[256];
	unsigned int i, count = 0;
	struct move *m;

	for (m = w.move; m && count < 256; m = m->next)
		if (m->from == n || m->to == n)
			ids[count++] = m->id;
	for (i = 0; i < count; i++) {
		m = find(ids[i]);
		if (m)
			fn(n, m);
	}
}

static void end_in_round(struct node *n, struct move *m)
{
	u64 id = m->id;

	if (m->from == n && m->source && m->source < S_COMMITTING)
		source_abort(m);
	m = find(id);
	if (m && m->to == n && m->target == T_RESERVED)
		target_abort(m);
}

void move_on_round(struct node *n)
{
	each(n, end_in_round);
}

static void void_unless_committed(struct node *n, struct move *m)
{
	if (!state_committed(&n->d.state, m->id))
		void_at(n, m->id);
}

static void drop_commits(struct node *n)
{
	struct commit **p = &n->d.commits, *c;

	while ((c = *p)) {
		if (state_committed(&n->d.state, c->move)) {
			p = &c->next;
		} else {
			*p = c->next;
			free(c);
		}
	}
}

void move_on_view(struct node *n, bool quorate)
{
	struct state *s = &n->d.state;
	u32 i;

	if (!quorate)
		return;
	for (i = 0; i < s->line.nmoves; i++) {
		struct move_note note = s->line.move[i];

		if (!note.op && move_in_flight(n, note.id))
			move_on_decided(n, &note);
	}
	each(n, void_unless_committed);
	drop_commits(n);
}

bool move_has_left(const struct body *b)
{
	struct move *m;
	u32 i;

	if (b->state != FROZEN)
		return false;
	for (m = w.move; m; m = m->next)
		for (i = 0; i < m->n && m->committed && m->from == b->node; i++)
			if (m->proc[i] == b->proc)
				return true;
	return false;
}

bool move_in_flight(struct node *n, u64 id)
{
	struct move *m = find(id);

	return m && ((m->from == n && m->source) ||
		     (m->to == n &&
		      (m->target == T_RESERVED || m->target == T_READY)));
}

bool move_undecided(struct node *n)
{
	struct move *m;

	for (m = w.move; m; m = m->next)
		if ((m->from == n && m->source == S_COMMITTING) ||
		    (m->to == n && m->target == T_READY))
			return true;
	return false;
}

/* --- the ends of others -------------------------------------------------------------------------- */

void move_daemon_died(struct node *n)
{
	each(n, end_in_round);
}

/* The host is gone: so is its side of each move, and nobody says so. */
static void end_in_crash(struct node *n, struct move *m)
{
	u32 i;

	if (m->from == n)
		m->source = S_NONE;
	if (m->to == n)
		m->target = T_NONE;
	for (i = 0; i < m->n; i++)
		if (m->proc[i] && !m->proc[i]->alive)
			m->proc[i] = NULL;
	forget_if_over(m);
}

void move_crash(struct node *n)
{
	each(n, end_in_crash);
}

void moves_free(void)
{
	struct move *m;

	while ((m = w.move)) {
		w.move = m->next;
		free(m);
	}
	memset(bucket, 0, sizeof(bucket));
	last_id = 0;
}

unsigned int moves_active(void)
{
	unsigned int n = 0;
	struct move *m;

	for (m = w.move; m; m = m->next)
		n++;
	return n;
}
