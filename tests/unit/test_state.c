// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/state.c
// LINK: userspace/pandod/message.c
/*
 * The replicated state: single steps by hand, and whole clusters that crash,
 * restart, part and meet again at random, with a group that orders messages
 * but lets each side of a partition see only a prefix of them.
 */
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

TEST(random_lives)
{
	const char *text = getenv("SEEDS");
	unsigned long first = 1, last = 150;

	if (text && sscanf(text, "%lu-%lu", &first, &last) != 2)
		last = first;
	for (unsigned long s = first; s <= last; s++) {
		broken = false;
		life(s, 600);
		if (broken) {
			printf("# replay: SEEDS=%lu-%lu %s\n", s, s, "test_state");
			tap_bad(__FILE__, __LINE__, "an invariant");
			return;
		}
	}
}

/* --- by hand -------------------------------------------------------------------*/

static void all_together(void)
{
	unsigned int part[NODES + 1] = { 0 };

	reconfigure(part);
	settle_down();
}

static void new_cluster(void)
{
	broken = false;
	seed = 1;
	lives = nmoves = 0;
	for (unsigned int g = 0; g <= NODES; g++)
		for (unsigned int k = 0; k < group[g].sent; k++)
			packet_free(group[g].queue[k]);
	memset(group, 0, sizeof(group));
	memset(node, 0, sizeof(node));
	for (int i = 1; i <= NODES; i++)
		boot(i);
	all_together();
}

TEST(first_view)
{
	new_cluster();
	for (int i = 1; i <= NODES; i++) {
		CHECK(node[i].s.phase == PHASE_ACTIVE && node[i].s.quorate);
		CHECK_EQ(node[i].s.epoch, 1);
		CHECK_EQ(state_blocks(&node[i].s, i), 2);
		CHECK_EQ(node[i].s.line.zero_ns, 1000);
		CHECK_EQ(state_home(&node[i].s, 500), 0);
		CHECK_EQ(state_home(&node[i].s, 1024), 1);
		CHECK_EQ(state_home(&node[i].s, 3 * 1024), 2);
		CHECK_EQ(node[i].map[2 * i], i);
	}
	CHECK(!broken);
}

static void part_off(int id)
{
	unsigned int part[NODES + 1] = { 0 };

	part[id] = 1;
	reconfigure(part);
	settle_down();
}

TEST(partition_and_return)
{
	new_cluster();
	part_off(5);
	CHECK_EQ(node[5].s.quorate, false);
	CHECK_EQ(node[5].s.phase, PHASE_ACTIVE);
	CHECK_EQ(node[5].map[9], 5);	/* goes on with what is its own */
	CHECK(node[1].s.quorate);
	CHECK_EQ(node[1].s.epoch, 2);
	/* block 9 has a home among the others, and nobody hands it out */
	CHECK(node[1].map[9] & PANDO_LEASE_HELD);
	CHECK((node[1].map[9] & PANDO_LEASE_NODE) != 5);
	/* a minority gets nothing */
	send_plain(5, MESSAGE_ASK);
	settle_down();
	CHECK_EQ(state_blocks(&node[5].s, 5), 2);
	all_together();
	CHECK_EQ(node[1].map[9], 5);
	CHECK_EQ(node[5].map[9], 5);
	CHECK_EQ(node[5].s.epoch, 3);
	CHECK(!broken);
}

TEST(death_and_rebirth)
{
	uint16_t heir;

	new_cluster();
	node[5].alive = false;
	all_together();
	heir = node[1].map[9] & PANDO_LEASE_NODE;
	CHECK(heir && heir != 5 && node[1].map[9] & PANDO_LEASE_HELD);
	CHECK_EQ(node[heir].map[9], heir | PANDO_LEASE_HELD);
	boot(5);
	all_together();
	/* the old life is over, and its numbers are the new one's */
	CHECK_EQ(node[heir].map[9], 5);
	CHECK_EQ(node[5].map[9], 5);
	CHECK_EQ(state_blocks(&node[1].s, 5), 2);
	/* however often: no numbers are lost */
	for (int i = 0; i < 1000; i++) {
		node[5].alive = false;
		all_together();
		boot(5);
		all_together();
	}
	CHECK_EQ(state_blocks(&node[1].s, 5), 2);
	CHECK_EQ(node[5].map[9], 5);
	CHECK(!broken);
}

/* Numbers of a former life wait for the last report of guests. */
TEST(inherited_numbers_wait)
{
	unsigned int part[NODES + 1] = { 0 };

	new_cluster();
	node[5].alive = false;
	all_together();
	boot(5);
	reconfigure(part);
	while (node[5].s.phase != PHASE_ACTIVE)
		for (int i = 1; i <= NODES; i++)
			deliver_one(i);
	CHECK_EQ(node[5].map[9], 5 | PANDO_LEASE_HELD);
	settle_down();
	CHECK_EQ(node[5].map[9], 5);
	CHECK(!broken);
}

/* They wait for who is missing, too: it may have guests of the former life. */
TEST(inherited_numbers_wait_for_the_missing)
{
	new_cluster();
	node[4].alive = node[5].alive = false;
	all_together();
	CHECK(!state_complete(&node[1].s));
	boot(5);
	all_together();
	CHECK_EQ(node[5].map[9], 5 | PANDO_LEASE_HELD);
	/* meanwhile it has others to live on */
	CHECK_EQ(state_blocks(&node[1].s, 5), 3);
	node[4].alive = true;
	all_together();
	CHECK(state_complete(&node[1].s));
	CHECK_EQ(node[5].map[9], 5);
	CHECK(!broken);
}

/* The one that nobody will see again keeps nothing from anybody. */
TEST(expelled)
{
	uint16_t heir;

	new_cluster();
	no_patience = true;
	node[4].alive = node[5].alive = false;
	all_together();
	boot(4);
	all_together();
	heir = node[1].map[9] & PANDO_LEASE_NODE;
	CHECK_EQ(node[heir].map[9], heir | PANDO_LEASE_HELD);
	CHECK_EQ(node[4].map[7], 4 | PANDO_LEASE_HELD);
	expel(1, 5, false);
	settle_down();
	CHECK(state_host(&node[1].s, 5)->dead);
	CHECK(state_complete(&node[1].s));
	CHECK_EQ(node[heir].map[9], heir);
	CHECK_EQ(node[4].map[7], 4);
	/* it comes back as it was: nobody takes it in, and it starts anew */
	node[5].alive = true;
	CHECK_EQ(node[5].incarnation, 5);
	all_together();
	CHECK(node[5].incarnation > 5);
	CHECK(node[5].s.quorate);
	CHECK(!state_member(&node[1].s, 5)->attached);
	CHECK_EQ(state_blocks(&node[1].s, 5), 0);
	CHECK(state_complete(&node[1].s));
	all_together();
	CHECK(state_member(&node[1].s, 5)->attached);
	CHECK(!state_host(&node[1].s, 5)->dead);
	CHECK_EQ(state_blocks(&node[1].s, 5), 2);
	CHECK(!broken);
	no_patience = false;
}

/* A move to or from a dead node is forgotten: nobody will ever settle it. */
TEST(moves_of_the_dead)
{
	struct message m = { .type = MESSAGE_COMMIT, .from = 1, .to = 5 };
	uint32_t pid = 1030;

	new_cluster();
	no_patience = true;
	m.count = 1;
	m.pids = &pid;
	for (unsigned int i = 0; i < 3; i++) {
		m.epoch = node[1].s.epoch;
		m.move = i;
		m.from = i ? 5 : 1;
		m.to = i ? 2 : 5;
		send(&node[1], 1, &m);
	}
	/* committed, but node 5 does not live to say that it knows */
	for (int k = 0; k < 100; k++)
		for (int i = 1; i < NODES; i++)
			deliver_one(i);
	node[5].alive = false;
	all_together();
	CHECK_EQ(node[1].s.line.nmoves, 3);
	expel(1, 5, false);
	settle_down();
	CHECK(state_host(&node[1].s, 5)->dead);
	CHECK_EQ(node[1].s.line.nmoves, 0);
	CHECK_EQ(node[4].s.line.nmoves, 0);
	CHECK(!broken);
	no_patience = false;
}

/* As long as one member's patience is not over nothing happens. */
TEST(patience)
{
	struct state *s = &node[1].s;
	unsigned int dead = 0;

	for (int i = 0; i < 40 && !dead; i++) {
		new_cluster();
		seed = i;
		part_off(5);
		expel(2, 5, false);
		settle_down();
		dead += state_host(s, 5)->dead;
	}
	/* each member says yes in one of two rounds */
	CHECK(dead);
	new_cluster();
	part_off(5);
	for (seed = 0; !state_host(s, 5)->condemned; seed++) {
		CHECK(!state_host(s, 5)->dead);
		new_cluster();
		part_off(5);
		expel(2, 5, false);
		settle_down();
		if (state_host(s, 5)->dead)
			new_cluster();
	}
	/* and when it comes back before that, it is as if nothing had been */
	all_together();
	CHECK(!state_host(s, 5)->condemned);
	CHECK_EQ(node[5].map[9], 5);
	CHECK_EQ(node[1].map[9], 5);
	no_patience = true;
	part_off(4);
	CHECK(!state_host(s, 5)->dead && !state_host(s, 4)->dead);
	no_patience = false;
	CHECK(!broken);
}

TEST(expel_needs_quorum_or_certainty)
{
	unsigned int part[NODES + 1] = { 0, 0, 0, 1, 1, 1 };

	new_cluster();
	no_patience = true;
	reconfigure(part);
	settle_down();
	CHECK(!node[1].s.quorate);
	expel(1, 3, false);
	settle_down();
	CHECK(!state_host(&node[1].s, 3)->condemned);
	/* a member cannot be expelled */
	expel(3, 4, false);
	settle_down();
	CHECK(!state_host(&node[3].s, 4)->condemned);
	/* the others are off, all of them: then two are enough */
	node[3].alive = node[4].alive = node[5].alive = false;
	expel(1, 3, true);
	expel(1, 4, true);
	settle_down();
	CHECK(!node[1].s.quorate);
	expel(2, 5, true);
	settle_down();
	expel(2, 5, true);
	expel(2, 4, true);
	expel(2, 3, true);
	settle_down();
	CHECK(node[1].s.quorate && node[2].s.quorate);
	CHECK(state_complete(&node[1].s));
	CHECK_EQ(state_blocks(&node[1].s, 1) + state_blocks(&node[1].s, 2), 10);
	/* who was off itself does not know who is */
	CHECK(state_host(&node[1].s, 4)->off);
	state_forget_off(&node[1].s);
	CHECK(!state_host(&node[1].s, 4)->off && !state_only_left(&node[1].s));
	/* and they come back as others, and are not off any more */
	for (int i = 3; i <= NODES; i++)
		node[i].alive = true;
	all_together();
	for (int i = 3; i <= NODES; i++)
		CHECK(!state_host(&node[2].s, i)->off);
	all_together();
	for (int i = 3; i <= NODES; i++) {
		CHECK(node[i].incarnation > NODES);
		CHECK(node[i].s.quorate);
		CHECK_EQ(state_blocks(&node[1].s, i), 2);
	}
	CHECK(!broken);
	no_patience = false;
}

/* Who is expelled a thousand times, or by turns, takes nothing away. */
TEST(expelled_a_thousand_times)
{
	unsigned int sum = 0;

	new_cluster();
	no_patience = true;
	for (int i = 0; i < 3000 && !broken; i++) {
		uint16_t id = 2 + i % (NODES - 1);

		node[id].alive = false;
		all_together();
		expel(1, id, false);
		settle_down();
		boot(id);
		all_together();
	}
	for (int i = 1; i <= NODES; i++) {
		/* also when all numbers are somebody's */
		CHECK(state_blocks(&node[1].s, i) >= 2);
		sum += state_blocks(&node[1].s, i);
	}
	CHECK_EQ(sum, PANDO_LEASE_BLOCKS - 1);
	for (int b = 1; b < PANDO_LEASE_BLOCKS; b++)
		CHECK(!(node[1].map[b] & PANDO_LEASE_HELD));
	CHECK(!broken);
	no_patience = false;
}

TEST(grants_wait_for_all)
{
	new_cluster();
	send_plain(1, MESSAGE_ASK);
	deliver_one(1);		/* block 11, the lowest free */
	CHECK_EQ(node[1].map[11], 1 | PANDO_LEASE_HELD);
	settle_down();
	CHECK_EQ(node[1].map[11], 1);
	CHECK_EQ(node[3].map[11], 1);
	CHECK(!broken);
}

TEST(exhaustion)
{
	new_cluster();
	for (int i = 0; i < 3000; i++) {
		send_plain(1 + i % NODES, MESSAGE_ASK);
		settle_down();
		/* the queue of the test is finite */
		if (group[0].sent > QUEUE - 64)
			all_together();
	}
	CHECK_EQ(node[1].map[0], 0);
	CHECK_EQ(node[1].map[PANDO_LEASE_BLOCKS - 1] & PANDO_LEASE_HELD, 0);
	CHECK(node[1].map[PANDO_LEASE_BLOCKS - 1]);
	CHECK(!broken);
}

TEST(message_garbage)
{
	static struct sync sync = { .self = { .id = 3, .name = "n" } };
	struct message m = { .type = MESSAGE_SYNC, .sync = &sync }, out;
	uint8_t *bytes, noise[64];
	size_t len;

	sync.lineage.lease[7] = (struct lease){ 1, 2, 0, 99 };
	bytes = message_encode(&m, &len);
	CHECK(!message_decode(bytes, len, &out));
	CHECK_EQ(out.sync->lineage.lease[7].incarnation, 99);
	message_free(&out);
	for (size_t n = 0; n < len; n++)
		CHECK(message_decode(bytes, n, &out) < 0);
	bytes[1]++;
	CHECK(message_decode(bytes, len, &out) < 0);
	free(bytes);
	seed = 7;
	for (int i = 0; i < 100000; i++) {
		size_t n = rnd(sizeof(noise) + 1);

		for (size_t j = 0; j < n; j++)
			noise[j] = tap_random(&seed);
		noise[0] = rnd(11);
		noise[1] = MESSAGE_VERSION;
		if (!message_decode(noise, n, &out))
			message_free(&out);
	}
}

/* The last test of a run leaves packets behind; the sanitizer would tell. */
TEST(nothing_left)
{
	for (unsigned int g = 0; g <= NODES; g++) {
		for (unsigned int k = 0; k < group[g].sent; k++)
			packet_free(group[g].queue[k]);
		group[g].sent = 0;
	}
	CHECK(true);
}

TAP_MAIN(T(first_view), T(partition_and_return), T(death_and_rebirth),
	 T(inherited_numbers_wait),
	 T(inherited_numbers_wait_for_the_missing), T(expelled), T(moves_of_the_dead),
	 T(patience), T(expel_needs_quorum_or_certainty),
	 T(expelled_a_thousand_times), T(grants_wait_for_all), T(exhaustion),
	 T(message_garbage),
	 T(random_lives), T(nothing_left))
