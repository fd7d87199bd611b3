// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/state.c
// LINK: userspace/pandod/message.c
/* The replicated state: single steps by hand, and whole lives at random. */
#include "state_cluster.h"

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

/* A view that it adopted, and that never came into force, decides nothing for it. */
TEST(adopted_and_alone)
{
	const unsigned int part[NODES + 1] = { 0, 0, 0, 0, 1, 1 };
	struct message m = { .type = MESSAGE_COMMIT, .from = 1, .to = 4 };
	uint32_t pid = 1030;

	new_cluster();
	m.epoch = node[1].s.epoch;
	m.count = 1;
	m.pids = &pid;
	send(&node[1], 1, &m);
	while (!node[1].s.line.nmoves && deliver_one(1))
		;
	reconfigure(part);
	/* all have said what they know, and node 1 alone hears it */
	for (int i = 1; i <= 3; i++)
		while (node[i].s.phase != PHASE_BEGUN && deliver_one(i))
			;
	while (node[1].s.phase != PHASE_ADOPTED && deliver_one(1))
		;
	CHECK_EQ(node[1].s.line.epoch, node[1].s.epoch);
	CHECK_EQ(node[1].s.line.nmoves, 1);
	part_off(1);
	CHECK_EQ(node[1].s.phase, PHASE_ACTIVE);
	CHECK(!node[1].s.quorate);
	CHECK(!state_committed(&node[1].s, 0));
	all_together();
	for (int i = 2; i <= NODES; i++)
		CHECK_EQ(state_committed(&node[i].s, 0),
			 state_committed(&node[1].s, 0));
	CHECK(!broken);
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
	 T(adopted_and_alone), T(patience), T(expel_needs_quorum_or_certainty),
	 T(expelled_a_thousand_times), T(grants_wait_for_all), T(exhaustion),
	 T(random_lives), T(nothing_left))
