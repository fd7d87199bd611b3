/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cluster for test_state.c: daemons' replicated state without daemons, that crash,
 * restart, part and meet again, with a group that orders messages but lets each
 * side of a partition see only a prefix of them. What must always hold is looked
 * at after each message; violated() says what did not, and sets broken.
 */
#ifndef STATE_CLUSTER_H
#define STATE_CLUSTER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "tap.h"

#define NODES	5
#define QUEUE	4096
#define MOVES	64

/* A message on its way, in bytes as on the wire. */
struct packet {
	uint16_t from;
	uint64_t life;		/* of the sender; late words of the dead are void */
	size_t len;
	uint8_t *bytes;
};

/* What members of one configuration share: the order. */
struct group {
	unsigned int sent;
	struct packet *queue[QUEUE];
};

enum fate { OPEN, COMMITTED, VOID };

struct node {
	bool alive;
	unsigned int group, seen;	/* messages delivered of it */
	uint64_t incarnation;
	struct state s;
	uint16_t map[PANDO_LEASE_BLOCKS];	/* as its kernel has it */
	uint64_t map_version;
	enum fate fate[MOVES];		/* as this node came to know it */
	bool mine[MOVES];		/* and takes part in it */
};

static struct node node[NODES + 1];	/* by id */
static struct group group[NODES + 1];
static uint64_t seed, lives, rounds;
static bool mapped;		/* some kernel has got another map */
static unsigned int nmoves;
static bool broken;			/* an invariant was violated */
static bool no_patience;		/* all members' patience is always over */

static unsigned int rnd(unsigned int n)
{
	return tap_random(&seed) % n;
}

static void violated(const char *what)
{
	if (!broken)
		printf("# %s\n", what);
	broken = true;
}

/* --- the group -------------------------------------------------------------*/

static void packet_free(struct packet *p)
{
	free(p->bytes);
	free(p);
}

static void send(struct node *n, uint16_t id, const struct message *m)
{
	struct group *g = &group[n->group];
	struct packet *p = calloc(1, sizeof(*p));

	if (g->sent == QUEUE) {
		violated("the group never comes to rest");
		free(p);
		return;
	}
	p->from = id;
	p->life = n->incarnation;
	p->bytes = message_encode(m, &p->len);
	g->queue[g->sent++] = p;
}

static bool has_quorum(const struct state *s)
{
	return s->nmembers > NODES / 2 || state_only_left(s);
}

static void act(uint16_t id, unsigned int todo);

static void start_round(uint16_t id, const uint16_t *ids, unsigned int n)
{
	act(id, state_config(&node[id].s, ids, n));
}

static void take_map(struct node *n)
{
	const struct lineage *l = n->s.phase == PHASE_SYNCED ? &n->s.best :
							       &n->s.line;

	/* the kernel takes no older one */
	if (l->lease_version < n->map_version)
		violated("an older lease map");
	n->map_version = l->lease_version;
	state_map(&n->s, n->map);
	mapped = true;
}

static void decide(uint16_t id, uint64_t move, enum fate fate)
{
	struct node *n = &node[id];

	if (n->fate[move] != OPEN && n->fate[move] != fate)
		violated("one node changed its mind about a move");
	n->fate[move] = fate;
	/* source and target of a move, both alive, must agree */
	for (int i = 1; i <= NODES; i++)
		if (node[i].alive && n->mine[move] && node[i].mine[move] &&
		    node[i].fate[move] != OPEN && node[i].fate[move] != fate)
			violated("a move happened for one and not the other");
}

static void settle(uint16_t id)
{
	struct message m = { .type = MESSAGE_SETTLED,
			     .epoch = node[id].s.epoch };
	struct move_note note;
	uint32_t at = 0;

	while (state_next_unsettled(&node[id].s, &at, &note)) {
		m.move = note.id;
		send(&node[id], id, &m);
	}
}

static void on_start(uint16_t id)
{
	struct node *n = &node[id];

	for (unsigned int i = 0; i < nmoves && n->s.quorate; i++) {
		if (!n->mine[i] || n->fate[i] != OPEN)
			continue;
		decide(id, i, state_committed(&n->s, i) ? COMMITTED : VOID);
	}
}

static void on_decided(uint16_t id)
{
	struct move_note note;

	while (state_next_decided(&node[id].s, &note))
		if (node[id].mine[note.id])
			decide(id, note.id, COMMITTED);
	settle(id);
}

static void send_sync(uint16_t id)
{
	static struct sync sync;
	struct message m = { .type = MESSAGE_SYNC, .sync = &sync };

	memset(&sync, 0, sizeof(sync));
	sync.self.id = id;
	sync.self.attached = true;
	sync.self.lease_blocks = 2;
	sync.self.incarnation = node[id].incarnation;
	sync.zero_ns = id * 1000;
	for (int i = 1; i <= NODES; i++)
		if (!state_member(&node[id].s, i) && (no_patience || rnd(2)))
			sync.over[sync.nover++] = i;
	state_make_sync(&node[id].s, &sync);
	send(&node[id], id, &m);
}

static void send_plain(uint16_t id, enum message_type type)
{
	struct message m = { .type = type, .epoch = node[id].s.epoch };

	m.round = ++rounds;
	m.proposal = state_proposal(&node[id].s);
	m.count = type == MESSAGE_ASK ? 1 + rnd(4) : state_noted(&node[id].s);
	m.quorate = node[id].s.line.epoch == node[id].s.epoch;
	send(&node[id], id, &m);
}

/* What the daemon does that finds its namespace dead: it makes a new one. */
static void find_dead(uint16_t id)
{
	struct node *n = &node[id];

	if (!state_member(&n->s, id)->expelled)
		return;
	n->incarnation = ++lives;
	memset(n->map, 0, sizeof(n->map));
	memset(n->mine, 0, sizeof(n->mine));
}

static void act(uint16_t id, unsigned int todo)
{
	struct node *n = &node[id];

	if (todo & (DO_BEGIN | DO_ROUND))
		send_plain(id, MESSAGE_BEGIN);
	if (todo & DO_SYNC)
		send_sync(id);
	if (todo & DO_PREPARE) {
		find_dead(id);
		if (has_quorum(&n->s))
			take_map(n);
		state_adopt(&n->s, has_quorum(&n->s));
		send_plain(id, MESSAGE_ACK);
	}
	if (todo & DO_LEASES)
		take_map(n);
	if (todo & DO_ACK)
		send_plain(id, MESSAGE_ACK);
	if (todo & DO_START) {
		on_start(id);
		send_plain(id, MESSAGE_READY);
	}
	if (todo & (DO_START | DO_MOVES))
		on_decided(id);
	if (!state_sane(&n->s))
		violated("a lease without an owner, or of block 0");
}

static void deliver(uint16_t id, const struct packet *p)
{
	struct node *n = &node[id];
	struct message m;
	unsigned int todo;

	/* of one that left, or of its former life */
	if (!state_member(&n->s, p->from) ||
	    node[p->from].incarnation != p->life)
		return;
	if (message_decode(p->bytes, p->len, &m)) {
		violated("a message does not survive its encoding");
		return;
	}
	switch (m.type) {
	case MESSAGE_SYNC:
		act(id, state_sync(&n->s, p->from, m.sync));
		break;
	case MESSAGE_ACK:
		act(id, state_ack(&n->s, p->from, m.epoch, m.count, m.quorate));
		break;
	case MESSAGE_ASK:
		act(id, state_ask(&n->s, p->from, m.epoch, m.count));
		break;
	case MESSAGE_COMMIT:
		todo = state_commit(&n->s, m.epoch, m.move, m.from, m.to);
		if (todo & DO_VOID && n->s.phase == PHASE_ACTIVE &&
		    n->s.quorate && m.epoch == n->s.epoch && n->mine[m.move])
			decide(id, m.move, VOID);
		act(id, todo);
		break;
	case MESSAGE_READY:
		act(id, state_ready(&n->s, p->from, m.epoch));
		break;
	case MESSAGE_SETTLED:
		state_settled(&n->s, p->from, m.epoch, m.move);
		break;
	case MESSAGE_EXPEL:
		act(id, state_expel(&n->s, m.epoch, m.node, m.incarnation,
				    m.off));
		break;
	case MESSAGE_PULSE:
		break;
	case MESSAGE_BEGIN:
		act(id, state_begin(&n->s, m.epoch, m.round, m.proposal));
		break;
	}
	message_free(&m);
}

/* --- invariants --------------------------------------------------------------*/

/*
 * Declared dead by somebody: it has been frozen, and knows or will know. It may
 * think itself in an earlier view, never in that one or a later.
 */
static bool is_dead(uint16_t id)
{
	for (int i = 1; i <= NODES; i++) {
		const struct lineage *l = &node[i].s.line;

		for (uint32_t h = 0; h < l->nhosts; h++)
			if (l->host[h].id == id && l->host[h].dead &&
			    l->host[h].incarnation == node[id].incarnation) {
				if (node[id].s.quorate &&
				    node[id].s.epoch >= l->epoch)
					violated("a dead namespace is in a view");
				return true;
			}
	}
	return false;
}

static void check_owners(void)
{
	static uint16_t owner[PANDO_LEASE_BLOCKS];
	bool look = mapped;

	mapped = false;
	if (look)
		memset(owner, 0, sizeof(owner));
	for (int i = 1; i <= NODES; i++) {
		if (!node[i].alive)
			continue;
		if (is_dead(i) || !look)
			continue;
		for (int b = 0; b < PANDO_LEASE_BLOCKS; b++) {
			if (node[i].map[b] != i)
				continue;	/* somebody else's, or held */
			if (owner[b] || !b)
				violated("two nodes hand out the same PIDs");
			owner[b] = i;
		}
	}
}

/* --- what happens to it ---------------------------------------------------------*/

static bool deliver_one(uint16_t id)
{
	struct node *n = &node[id];
	struct group *g = &group[n->group];

	if (!n->alive || n->seen == g->sent)
		return false;
	deliver(id, g->queue[n->seen++]);
	check_owners();
	return true;
}

static void settle_down(void)
{
	bool more = true;

	while (more && !broken) {
		more = false;
		for (int i = 1; i <= NODES; i++)
			more |= deliver_one(i);
	}
}

/* A node starts anew; what it had adopted is on its disk. */
static void boot(uint16_t id)
{
	static struct lineage disk;
	struct node *n = &node[id];
	uint64_t seen = n->s.seen;

	disk = n->s.line;
	memset(n, 0, sizeof(*n));
	n->alive = true;
	n->incarnation = ++lives;
	state_init(&n->s, id);
	n->s.line = disk;
	n->s.seen = seen;
	n->group = NODES;
}

/*
 * A new layout: @part gives each living node its side. Nodes that go on
 * together have seen the same of their old group; the rest of it is lost but
 * for what they themselves had sent, which comes late.
 */
static void reconfigure(const unsigned int *part)
{
	static struct group fresh[NODES + 1];
	unsigned int old_group[NODES + 1];

	memset(fresh, 0, sizeof(fresh));
	for (int i = 1; i <= NODES; i++)
		old_group[i] = node[i].group;
	for (unsigned int side = 0; side <= NODES; side++) {
		for (unsigned int g = 0; g <= NODES; g++) {
			unsigned int upto = 0, at;

			for (int i = 1; i <= NODES; i++)
				if (node[i].alive && part[i] == side &&
				    old_group[i] == g && node[i].seen > upto)
					upto = node[i].seen;
			at = upto + (group[g].sent > upto ?
				     rnd(group[g].sent - upto + 1) : 0);
			for (int i = 1; i <= NODES; i++) {
				if (!node[i].alive || part[i] != side ||
				    old_group[i] != g)
					continue;
				while (node[i].seen < at && !broken)
					deliver_one(i);
			}
			/* what those deliveries sent is still on its way */
			for (unsigned int k = at; k < group[g].sent; k++) {
				struct packet *p = group[g].queue[k], *late;

				if (!node[p->from].alive ||
				    node[p->from].incarnation != p->life ||
				    part[p->from] != side ||
				    old_group[p->from] != g)
					continue;
				late = malloc(sizeof(*late));
				*late = *p;
				late->bytes = malloc(p->len);
				memcpy(late->bytes, p->bytes, p->len);
				fresh[side].queue[fresh[side].sent++] = late;
			}
		}
	}
	for (unsigned int g = 0; g <= NODES; g++)
		for (unsigned int k = 0; k < group[g].sent; k++)
			packet_free(group[g].queue[k]);
	memcpy(group, fresh, sizeof(group));
	for (int i = 1; i <= NODES; i++) {
		node[i].group = part[i];
		node[i].seen = 0;
	}
	for (int i = 1; i <= NODES; i++) {
		uint16_t ids[NODES];
		unsigned int n = 0;

		if (!node[i].alive)
			continue;
		for (int j = NODES; j >= 1; j--)
			if (node[j].alive && part[j] == part[i])
				ids[n++] = j;
		start_round(i, ids, n);
	}
	check_owners();
}

static void shake(void)
{
	unsigned int part[NODES + 1] = { 0 }, sides = 1 + rnd(3);

	for (int i = 1; i <= NODES; i++) {
		if (node[i].alive && !rnd(8))
			node[i].alive = false;
		else if (!node[i].alive && !rnd(2))
			boot(i);
		part[i] = rnd(sides);
	}
	reconfigure(part);
}

static void begin_move(void)
{
	uint16_t from = 1 + rnd(NODES), to = 1 + rnd(NODES);
	struct message m = { .type = MESSAGE_COMMIT, .from = from, .to = to };
	uint32_t pid = 5000;

	if (nmoves == MOVES || from == to || !node[from].alive ||
	    !node[to].alive || node[from].group != node[to].group ||
	    node[from].s.phase != PHASE_ACTIVE || !node[from].s.quorate ||
	    node[to].s.phase != PHASE_ACTIVE ||
	    node[to].s.epoch != node[from].s.epoch)
		return;
	m.epoch = node[from].s.epoch;
	m.move = nmoves++;
	m.count = 1;
	m.pids = &pid;
	/* restored and held: from here on only the group can tell */
	node[from].mine[m.move] = node[to].mine[m.move] = true;
	send(&node[from], from, &m);
}

static void expel(uint16_t id, uint16_t node_id, bool off)
{
	const struct host *h = state_host(&node[id].s, node_id);
	struct message m = { .type = MESSAGE_EXPEL,
			     .epoch = node[id].s.epoch, .off = off };

	if (!h)
		return;
	m.node = h->id;
	m.incarnation = h->incarnation;
	send(&node[id], id, &m);
}

static void life(uint64_t s, unsigned int steps)
{
	seed = s;
	lives = nmoves = 0;
	memset(node, 0, sizeof(node));
	for (unsigned int g = 0; g <= NODES; g++)
		for (unsigned int k = 0; k < group[g].sent; k++)
			packet_free(group[g].queue[k]);
	memset(group, 0, sizeof(group));
	for (int i = 1; i <= NODES; i++)
		boot(i);
	shake();
	while (steps-- && !broken) {
		unsigned int what = rnd(100);
		uint16_t id = 1 + rnd(NODES);

		if (what < 85)
			deliver_one(id);
		else if (what < 89)
			begin_move();
		else if (what < 94 && node[id].alive &&
			 node[id].s.phase == PHASE_ACTIVE)
			send_plain(id, MESSAGE_ASK);
		else if (what < 95 && node[id].alive)
			send_plain(id, MESSAGE_BEGIN);
		else if (what < 97)
			shake();
		else if (node[id].alive && node[id].s.quorate &&
			 node[id].s.phase == PHASE_ACTIVE)
			expel(id, 1 + rnd(NODES), false);
	}
	/* all wounds healed: one view, one opinion */
	if (!broken) {
		unsigned int part[NODES + 1] = { 0 };

		for (int i = 1; i <= NODES; i++)
			if (!node[i].alive)
				boot(i);
		reconfigure(part);
		settle_down();
		/* who found itself dead comes as another, by a round of its own */
		reconfigure(part);
		settle_down();
	}
	for (int i = 1; i <= NODES && !broken; i++) {
		if (node[i].s.phase != PHASE_ACTIVE || !node[i].s.quorate)
			violated("not all are in the view");
		if (node[i].s.epoch != node[1].s.epoch ||
		    memcmp(node[i].s.line.lease, node[1].s.line.lease,
			   sizeof(node[1].s.line.lease)))
			violated("members differ");
		if (state_blocks(&node[i].s, i) == 0)
			violated("a member without PIDs");
		for (unsigned int m = 0; m < nmoves; m++)
			if (node[i].mine[m] && node[i].fate[m] == OPEN)
				violated("a move without an end");
		if (node[i].s.line.nmoves)
			violated("a move that is never forgotten");
	}
}

#endif
