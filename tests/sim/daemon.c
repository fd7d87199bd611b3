// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of userspace/pandod/cluster.c and corosync.c: the same inputs, the
 * same effects in the same order, without sockets. One entry of the inbox is
 * one turn of the daemon's loop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define ROUND_MS	300
#define ASK_MAX		4
#define LEASE_BLOCKS	(1 + w.population / 900)	/* few: they come round soon */

/* --- what corosync.c does ------------------------------------------------------ */

static int quorate_now(struct node *n)
{
	if (n->d.order_ring != n->cs.quorum_ring)
		return -EAGAIN;
	if (n->cs.quorate && 2 * n->d.state.nmembers > w.nodes)
		return 1;
	return state_only_left(&n->d.state);
}

void daemon_send(struct node *n, struct message *m)
{
	size_t len;
	uint8_t *buf = message_encode(m, &len);
	struct msg *bytes = msg_new(len);

	memcpy(bytes->data, buf, len);
	free(buf);
	w.messages++;
	group_send(n, ENTRY_MSG, bytes);
}

static bool from_member(const struct daemon *d, struct daemon_id from)
{
	unsigned int i;

	for (i = 0; i < d->ngroup; i++)
		if (d->group[i].node == from.node && d->group[i].gen == from.gen)
			return true;
	return false;
}

/* --- out ---------------------------------------------------------------------------- */

static struct sync sync_buf;	/* large, and never two at once */

static void make_sync(struct node *n, struct message *m)
{
	struct member *self = &sync_buf.self;

	memset(self, 0, sizeof(*self));
	self->id = n->id;
	self->attached = n->d.attached;
	self->lease_blocks = LEASE_BLOCKS;
	self->incarnation = n->d.incarnation;
	snprintf(self->name, sizeof(self->name), "node%u", n->id);
	sync_buf.zero_ns = n->id;
	quorum_over(n, &sync_buf);
	state_make_sync(&n->d.state, &sync_buf);
	*m = (struct message){ .type = MESSAGE_SYNC, .epoch = n->d.state.seen,
			       .sync = &sync_buf };
}

static void send_ack(struct node *n)
{
	struct message m = { .type = MESSAGE_ACK, .epoch = n->d.state.epoch };

	m.count = state_noted(&n->d.state);
	m.quorate = n->d.state.line.epoch == n->d.state.epoch;
	daemon_send(n, &m);
}

/* Numbers of rounds never meet. */
static void send_begin(struct node *n)
{
	struct message m = { .type = MESSAGE_BEGIN, .epoch = n->d.state.epoch };

	m.round = rnd(UINT64_MAX);
	m.proposal = state_proposal(&n->d.state);
	daemon_send(n, &m);
}

static void on_round_timer(struct node *n, struct msg *unused, u64 number, u64 b)
{
	(void)unused;
	(void)b;
	if (n->d.round_timer != number)
		return;
	n->d.round_timer = 0;
	send_begin(n);
}

void daemon_ask_round(struct node *n, u64 ms)
{
	static u64 number;

	if (n->d.round_timer)
		return;
	n->d.round_timer = ++number;
	event_at(ms * MS, DAEMON, n, on_round_timer, NULL, number, 0);
}

/* In bytes it is what SYNC carries, so that is tried out elsewhere. */
static void save(struct node *n)
{
	if (!n->saved)
		n->saved = malloc(sizeof(*n->saved));
	if (!n->saved) {
		perror("sim");
		exit(2);
	}
	*n->saved = n->d.state.line;
	n->saved_seen = n->d.state.seen;
}

static void restore(struct node *n)
{
	if (!n->saved)
		return;
	n->d.state.line = *n->saved;
	n->d.state.seen = n->saved_seen;
}

/* --- the namespace -------------------------------------------------------------------- */

static void on_init_ready(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	n->d.starting = false;
	if (kernel_attach(n, n->d.incarnation))
		return;
	n->d.attached = true;
	trace("node %llu: namespace %llx", n->id, n->d.incarnation);
	workload_start(n);
	daemon_ask_round(n, 0);
}

static void bring_up(struct node *n)
{
	struct daemon *d = &n->d;

	if (d->attached || d->starting || !d->state.quorate)
		return;
	d->starting = true;
	event_at(delay(60 * MS), DAEMON, n, on_init_ready, NULL, 0, 0);
}

static void find_namespace(struct node *n)
{
	struct daemon *d = &n->d;

	if (!n->k.attached) {
		d->incarnation = (rnd(UINT64_MAX) << 8 | n->id) << 1 | 1;
		if (w.bug != BUG_OLD_OFF)
			state_forget_off(&d->state);
		return;
	}
	d->incarnation = n->k.incarnation;
	d->attached = true;
	if (n->k.epoch.number > d->state.seen)
		d->state.seen = n->k.epoch.number;
	d->stopped = n->k.epoch.number;
}

/* --- effects ---------------------------------------------------------------------------- */

static void stop_kernel(struct node *n, u64 epoch)
{
	if (!n->d.attached || epoch <= n->d.stopped)
		return;
	if (kernel_stop(n, epoch))
		violated("node %u: STOP %llu was refused", n->id,
			 (unsigned long long)epoch);
	n->d.stopped = epoch;
}

static void send_leases(struct node *n)
{
	struct state *s = &n->d.state;
	const struct lineage *line = s->phase == PHASE_SYNCED ? &s->best :
								&s->line;
	u16 map[PANDO_LEASE_BLOCKS];
	unsigned int b;

	if (!n->d.attached)
		return;
	state_map(s, map);
	for (b = 1; b < PANDO_LEASE_BLOCKS && w.bug; b++) {
		const struct lease *l = &line->lease[b];

		if (w.bug == BUG_SKIP_ACK && l->owner == l->home)
			map[b] &= ~PANDO_LEASE_HELD;
		if (w.bug == BUG_HEIR_ALLOCATES)
			map[b] &= ~PANDO_LEASE_HELD;
	}
	if (kernel_leases(n, line->lease_version, map))
		violated("node %u: lease map %llu was refused", n->id,
			 (unsigned long long)line->lease_version);
}

static bool known(struct node *n)
{
	const struct member *m = state_member(&n->d.state, n->id);

	return n->d.attached && m && m->attached &&
	       m->incarnation == n->d.incarnation;
}

static void on_dying(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	trace("node %llu: kills its namespace of %llu tasks", n->id,
	      n->k.nbodies);
	w.expelled++;
	kernel_free(n);
	move_crash(n);
	daemon_kill(n);
	daemon_start(n);
}

/* expel_judged(): who finds itself dead kills what it has and starts anew. */
void daemon_judged(struct node *n)
{
	struct member *self = state_member(&n->d.state, n->id);

	if (w.bug == BUG_REVENANT && self && self->expelled) {
		self->attached = true;
		self->expelled = false;
	}
	if (!self || !self->expelled || n->d.dying)
		return;
	n->d.dying = true;
	n->d.pulse_timer = 0;
	qlease_end(&n->d.lease);
	guard_until(n, 0);
	event_at(1 + rnd(50 * MS), DAEMON, n, on_dying, NULL, 0, 0);
}

static void prepare(struct node *n)
{
	struct state *s = &n->d.state;
	int quorate;

	if (!n->d.preparing)
		return;
	quorate = quorate_now(n);
	if (quorate < 0)
		return;
	n->d.preparing = false;
	daemon_judged(n);
	if (known(n)) {
		stop_kernel(n, s->epoch);
		kernel_members(n, s->epoch, quorate,
			       quorate && state_complete(s), s->member,
			       s->nmembers);
		if (quorate)
			send_leases(n);
	}
	state_adopt(s, quorate);
	save(n);
	send_ack(n);
}

static void settle_moves(struct node *n)
{
	struct message m = { .type = MESSAGE_SETTLED,
			     .epoch = n->d.state.epoch };
	struct move_note note;
	u32 at = 0;

	while (state_next_unsettled(&n->d.state, &at, &note)) {
		if (move_in_flight(n, note.id))
			continue;
		m.move = note.id;
		daemon_send(n, &m);
	}
}

static void decide_moves(struct node *n)
{
	struct move_note note;

	while (state_next_decided(&n->d.state, &note))
		move_on_decided(n, &note);
	save(n);
	settle_moves(n);
}

static void check_quorum(struct node *n)
{
	int quorate;

	if (n->d.state.phase != PHASE_ACTIVE)
		return;
	quorate = quorate_now(n);
	if (quorate >= 0 && quorate != n->d.state.quorate)
		daemon_ask_round(n, 0);
}

static void start(struct node *n)
{
	struct state *s = &n->d.state;

	w.views++;
	trace("node %llu: view %llu of %llu, quorate %llu", n->id, s->epoch,
	      s->nmembers, s->quorate);
	check_dead(n);
	move_on_view(n, s->quorate);
	decide_moves(n);
	if (n->d.attached && !known(n))
		daemon_ask_round(n, 0);
	if (known(n))
		kernel_start(n, s->epoch);
	quorum_view(n, known(n));
	expel_view(n);
	n->d.asked = false;
	bring_up(n);
	check_quorum(n);
}

static void act(struct node *n, unsigned int todo)
{
	struct message m;

	if (todo & DO_STOP) {
		n->d.preparing = false;
		n->d.round_timer = 0;
		/* the least that the next epoch can be: prepare() knows it */
		stop_kernel(n, n->d.state.epoch + 1);
		move_on_round(n);
	}
	if (todo & DO_BEGIN)
		send_begin(n);
	if (todo & DO_SYNC) {
		save(n);
		make_sync(n, &m);
		n->d.synced = node_clock(n);
		daemon_send(n, &m);
	}
	if (todo & DO_PREPARE) {
		n->d.preparing = true;
		prepare(n);
	}
	if (todo & DO_LEASES) {
		send_leases(n);
		save(n);
	}
	if (todo & DO_ACK)
		send_ack(n);
	if (todo & DO_START)
		start(n);
	else if (todo & DO_MOVES)
		decide_moves(n);
	if (todo & DO_ROUND)
		daemon_ask_round(n, ROUND_MS);
}

/* --- in ---------------------------------------------------------------------------------- */

static void on_config(struct node *n, const struct msg *m)
{
	struct daemon *d = &n->d;
	u16 ids[NODES_MAX];
	unsigned int i;

	d->ngroup = m->len / sizeof(d->group[0]);
	memcpy(d->group, m->data, m->len);
	for (i = 0; i < d->ngroup; i++)
		ids[i] = d->group[i].node;
	trace("node %llu: config of %llu", n->id, d->ngroup);
	quorum_config(n, ids, d->ngroup);
	act(n, state_config(&d->state, ids, d->ngroup));
}

static void on_ask(struct node *n, u16 from, const struct message *m)
{
	unsigned int todo = state_ask(&n->d.state, from, m->epoch, m->count);

	if (from == n->id) {
		faults_isolate(n, 30);
		n->d.asked = false;
		if (!(todo & DO_VOID) && n->d.ask_blocks < ASK_MAX)
			n->d.ask_blocks *= 2;
	}
	act(n, todo);
}

static void on_commit(struct node *n, const struct message *m)
{
	unsigned int todo = state_commit(&n->d.state, m->epoch, m->move,
					 m->from, m->to);

	faults_strike(1);
	faults_isolate(n, 1);
	move_on_commit(n, m, !(todo & DO_VOID));
	save(n);
	act(n, todo);
}

static const struct message *decoded(struct msg *bytes)
{
	struct message *m = bytes->decoded;

	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (m && message_decode(bytes->data, bytes->len, m)) {
		free(m);
		return NULL;
	}
	bytes->decoded = m;
	return m;
}

static void on_message(struct node *n, u16 from, struct msg *bytes)
{
	struct state *s = &n->d.state;
	const struct message *m = decoded(bytes);
	u32 noted = s->line.delivered;
	enum state_phase phase = s->phase;

	if (!m) {
		violated("node %u: message of %u does not decode", n->id, from);
		return;
	}
	switch (m->type) {
	case MESSAGE_SYNC:
		faults_strike(1);
		act(n, state_sync(s, from, m->sync));
		break;
	case MESSAGE_ACK:
		act(n, state_ack(s, from, m->epoch, m->count, m->quorate));
		break;
	case MESSAGE_ASK:
		on_ask(n, from, m);
		break;
	case MESSAGE_COMMIT:
		on_commit(n, m);
		break;
	case MESSAGE_READY:
		act(n, state_ready(s, from, m->epoch));
		break;
	case MESSAGE_SETTLED:
		state_settled(s, from, m->epoch, m->move);
		break;
	case MESSAGE_EXPEL:
		if (expel_message(n, m))
			save(n);
		break;
	case MESSAGE_PULSE:
		quorum_pulse(n, from, m);
		break;
	case MESSAGE_BEGIN:
		act(n, state_begin(s, m->epoch, m->round, m->proposal));
		break;
	}
	/* of many nodes most words change nothing: then now and then */
	if ((w.nodes <= MANY || noted != s->line.delivered ||
	     phase != s->phase || !rnd(w.nodes)) && !state_sane(s))
		violated("node %u: the state is not sane", n->id);
}

static void one_entry(struct node *n, struct entry x)
{
	if (x.kind == ENTRY_CONFIG) {
		on_config(n, x.msg);
	} else if (x.kind == ENTRY_RING) {
		n->d.order_ring = x.ring;
		daemon_quorum(n);
	} else if (from_member(&n->d, x.from)) {
		on_message(n, x.from.node, x.msg);
	}
	/* the ring keeps it for those who come late: as bytes */
	if (x.msg && x.msg->refs == 2 && x.msg->decoded) {
		message_free(x.msg->decoded);
		free(x.msg->decoded);
		x.msg->decoded = NULL;
	}
	msg_put(x.msg);
}

static void on_turn(struct node *n, struct msg *m, u64 a, u64 b)
{
	u64 count = 1 + rnd(1 + w.nodes / MANY * 4);
	struct entry x;

	(void)m;
	(void)a;
	(void)b;
	while (count--) {
		if (!entries_pop(&n->d.inbox, &x)) {
			n->d.turning = false;
			return;
		}
		one_entry(n, x);
	}
	event_at(delay(2 * MS), DAEMON, n, on_turn, NULL, 0, 0);
}

/* Of many that join at once it hears in one word, or it would never end. */
static bool superseded(struct node *n, const struct entry *x)
{
	struct entries *e = &n->d.inbox;
	struct entry *last = e->n > e->head ? &e->v[e->n - 1] : NULL;

	if (w.nodes <= MANY || x->kind != ENTRY_CONFIG || !last ||
	    last->kind != ENTRY_CONFIG)
		return false;
	msg_put(last->msg);
	*last = *x;
	return true;
}

void daemon_inbox(struct node *n, struct entry x)
{
	if (!superseded(n, &x))
		entries_push(&n->d.inbox, x);
	if (!n->d.turning) {
		n->d.turning = true;
		event_at(delay(2 * MS), DAEMON, n, on_turn, NULL, 0, 0);
	}
}

void daemon_quorum(struct node *n)
{
	if (!n->d.up)
		return;
	prepare(n);
	check_quorum(n);
}

void daemon_kernel_done(struct node *n, u64 epoch)
{
	struct message m = { .type = MESSAGE_READY, .epoch = epoch };

	if (n->d.up && n->d.attached && epoch == n->d.state.epoch)
		daemon_send(n, &m);
}

void daemon_lease_low(struct node *n)
{
	struct message m = { .type = MESSAGE_ASK, .epoch = n->d.state.epoch };

	if (!n->d.up || n->d.asked || n->d.state.phase != PHASE_ACTIVE ||
	    !n->d.state.quorate)
		return;
	m.count = n->d.ask_blocks;
	n->d.asked = true;
	daemon_send(n, &m);
}

/* --- life ------------------------------------------------------------------------------------ */

static void reset(struct node *n)
{
	struct daemon *d = &n->d;
	struct commit *c;

	entries_clear(&d->inbox);
	while ((c = d->commits)) {
		d->commits = c->next;
		free(c);
	}
	d->up = false;
	d->attached = d->preparing = d->starting = d->asked = false;
	d->turning = false;
	d->stopped = d->round_timer = d->order_ring = 0;
	d->ngroup = 0;
	state_init(&d->state, n->id);
	d->ask_blocks = LEASE_BLOCKS;
	quorum_start(n);
}

void daemon_start(struct node *n)
{
	reset(n);
	n->d.gen++;
	n->d.up = true;
	restore(n);
	find_namespace(n);
	/* cpg tells a new client of the ring that is */
	n->d.order_ring = group_ring(n);
	group_send(n, ENTRY_JOIN, NULL);
	trace("node %llu: daemon %llu", n->id, n->d.gen);
}

void daemon_kill(struct node *n)
{
	trace("node %llu: daemon dies", n->id);
	move_daemon_died(n);
	group_send(n, ENTRY_LEAVE, NULL);
	reset(n);
}

/* cluster_leave(): the kernel is not left waiting for a START. */
void daemon_stop(struct node *n)
{
	u64 epoch = n->d.state.seen + 1;
	struct member self = { .id = n->id, .attached = true,
			       .incarnation = n->d.incarnation };

	if (n->d.attached) {
		stop_kernel(n, epoch);
		kernel_members(n, epoch, false, false, &self, 1);
		kernel_start(n, epoch);
	}
	daemon_kill(n);
}

void daemon_forget(struct node *n)
{
	reset(n);
}
