// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/duptab.c kmod/reqtab.c
/* Executed at most once, also over a link that loses and repeats. */
#include "duptab.h"
#include "reqtab.h"
#include "tap.h"

TEST(runs_once_and_is_remembered)
{
	static struct pando_duptab tab;
	struct pando_dup a, b, *old = NULL;

	pando_duptab_init(&tab);
	CHECK_EQ(pando_duptab_begin(&tab, &a, 256, true, &old), PANDO_DUP_NEW);
	CHECK_EQ(pando_duptab_begin(&tab, &b, 256, true, &old),
		 PANDO_DUP_RUNNING);
	CHECK(old == &a);
	CHECK(!pando_duptab_find_done(&tab, 256));
	CHECK(pando_duptab_finish(&tab, &a, true));
	CHECK(pando_duptab_find_done(&tab, 256) == &a);
	old = NULL;
	CHECK_EQ(pando_duptab_begin(&tab, &b, 256, true, &old), PANDO_DUP_DONE);
	CHECK(old == &a);
	CHECK(pando_duptab_ack(&tab, 257) == &a);
	CHECK(!a.next);
	CHECK_EQ(pando_duptab_begin(&tab, &b, 256, true, &old), PANDO_DUP_OLD);
}

TEST(what_was_refused_may_come_again)
{
	static struct pando_duptab tab;
	struct pando_dup a, *old;

	pando_duptab_init(&tab);
	CHECK_EQ(pando_duptab_begin(&tab, &a, 9, true, &old), PANDO_DUP_NEW);
	CHECK(!pando_duptab_finish(&tab, &a, false));
	CHECK_EQ(pando_duptab_begin(&tab, &a, 9, true, &old), PANDO_DUP_NEW);
	CHECK(pando_duptab_finish(&tab, &a, true));
	CHECK(pando_duptab_pop(&tab) == &a);
	CHECK(!pando_duptab_pop(&tab));
}

TEST(repeatable_ones_are_forgotten)
{
	static struct pando_duptab tab;
	struct pando_dup a, b, *old;

	pando_duptab_init(&tab);
	pando_duptab_ack(&tab, 1000);
	/* acknowledgements do not speak of these */
	CHECK_EQ(pando_duptab_begin(&tab, &a, 9, false, &old), PANDO_DUP_NEW);
	CHECK_EQ(pando_duptab_begin(&tab, &b, 9, false, &old),
		 PANDO_DUP_RUNNING);
	CHECK(!pando_duptab_finish(&tab, &a, true));
	CHECK_EQ(pando_duptab_begin(&tab, &b, 9, false, &old), PANDO_DUP_NEW);
	/* nor are those above kept */
	CHECK_EQ(pando_duptab_begin(&tab, &a, 2000, false, &old),
		 PANDO_DUP_NEW);
	CHECK(!pando_duptab_finish(&tab, &a, true));
}

TEST(acked_while_it_runs_is_not_kept)
{
	static struct pando_duptab tab;
	struct pando_dup a, *old;

	pando_duptab_init(&tab);
	CHECK_EQ(pando_duptab_begin(&tab, &a, 9, true, &old), PANDO_DUP_NEW);
	CHECK(!pando_duptab_ack(&tab, 10));
	CHECK(!pando_duptab_ack(&tab, 3));	/* never backwards */
	CHECK(!pando_duptab_finish(&tab, &a, true));
	CHECK(!pando_duptab_pop(&tab));
}

TEST(a_greedy_peer_is_bounded)
{
	static struct pando_dup dup[PANDO_DUPTAB_DONE + 1];
	static struct pando_duptab tab;
	struct pando_dup *old;
	int i;

	pando_duptab_init(&tab);
	for (i = 0; i < PANDO_DUPTAB_RUNNING; i++)
		CHECK_EQ(pando_duptab_begin(&tab, &dup[i], i + 1, true, &old),
			 PANDO_DUP_NEW);
	CHECK_EQ(pando_duptab_begin(&tab, &dup[i], i + 1, false, &old),
		 PANDO_DUP_FULL);
	for (i = 0; i < PANDO_DUPTAB_RUNNING; i++)
		CHECK(pando_duptab_finish(&tab, &dup[i], true));
	for (; i < PANDO_DUPTAB_DONE; i++) {
		CHECK_EQ(pando_duptab_begin(&tab, &dup[i], i + 1, true, &old),
			 PANDO_DUP_NEW);
		CHECK(pando_duptab_finish(&tab, &dup[i], true));
	}
	CHECK_EQ(pando_duptab_begin(&tab, &dup[i], i + 1, true, &old),
		 PANDO_DUP_FULL);
	for (old = pando_duptab_ack(&tab, i + 1), i = 0; old; old = old->next)
		i++;
	CHECK_EQ(i, PANDO_DUPTAB_DONE);
	CHECK(!pando_duptab_pop(&tab));
}

/*
 * Client and server over connections that break at any moment. In one
 * connection messages keep their order; what is in flight when it breaks is
 * lost, and the client sends all it has under way over the next one.
 */
#define CALLS	64
#define FLIGHT	4096

struct message {
	u64 id, acked;
	int call;
	unsigned int serial;	/* which of the uses of this call */
	bool once;
};

struct pipe {
	struct message m[FLIGHT];
	unsigned int head, tail;
};

static struct world {
	struct pando_reqtab reqs;
	struct pando_duptab dups;
	struct pando_req req[CALLS];	/* the client's */
	bool once[CALLS], active[CALLS];
	unsigned int calls[CALLS];	/* how often each was begun */
	struct server_side {
		struct pando_dup dup;
		int call;
		unsigned int serial;
		bool used, running;
	} run[PANDO_DUPTAB_DONE + PANDO_DUPTAB_RUNNING];
	unsigned int executed[CALLS];	/* since it was begun */
	struct pipe there, back;
	unsigned long replies, again;
} w;

static void push(struct pipe *p, struct message m)
{
	if (p->head - p->tail < FLIGHT)
		p->m[p->head++ % FLIGHT] = m;
}

static void client_send(int call)
{
	push(&w.there, (struct message){ .id = w.req[call].id, .call = call,
				       .acked = pando_reqtab_acked(&w.reqs),
				       .serial = w.calls[call],
				       .once = w.once[call] });
}

static void client_begin(int call, bool once)
{
	if (w.active[call] || pando_reqtab_add(&w.reqs, &w.req[call], once))
		return;
	w.active[call] = true;
	w.once[call] = once;
	w.calls[call]++;
	w.executed[call] = 0;
	client_send(call);
}

static void free_runs(struct pando_dup *d)
{
	for (; d; d = d->next)
		((struct server_side *)d)->used = false;
}

static void server_receive(void)
{
	struct server_side *s = w.run;
	struct pando_dup *old;
	struct message m;

	if (w.there.tail == w.there.head)
		return;
	m = w.there.m[w.there.tail++ % FLIGHT];
	free_runs(pando_duptab_ack(&w.dups, m.acked));
	while (s->used)
		s++;
	switch (pando_duptab_begin(&w.dups, &s->dup, m.id, m.once, &old)) {
	case PANDO_DUP_NEW:
		s->used = true;
		s->running = true;
		s->call = m.call;
		s->serial = m.serial;
		break;
	case PANDO_DUP_DONE:
		w.again++;
		push(&w.back, (struct message){ .id = m.id, .call = m.call });
		break;
	default:
		break;
	}
}

static void server_finish(uint64_t *seed)
{
	unsigned int i, n = tap_random(seed) % 8;
	struct server_side *s;

	for (i = 0; i < ARRAY_SIZE(w.run); i++) {
		s = &w.run[i];
		if (!s->used || !s->running || n--)
			continue;
		s->running = false;
		/* one that was given up may be begun anew meanwhile */
		if (s->serial == w.calls[s->call])
			w.executed[s->call]++;
		CHECK(!w.once[s->call] || w.executed[s->call] <= 1);
		push(&w.back, (struct message){ .id = s->dup.id,
					      .call = s->call });
		s->used = pando_duptab_finish(&w.dups, &s->dup, true);
		return;
	}
}

static void client_receive(void)
{
	struct message m;

	if (w.back.tail == w.back.head)
		return;
	m = w.back.m[w.back.tail++ % FLIGHT];
	if (!pando_reqtab_take(&w.reqs, m.id))
		return;
	CHECK(w.active[m.call]);
	CHECK(w.executed[m.call] >= 1);
	w.active[m.call] = false;
	w.replies++;
}

static void resend(struct pando_req *req, void *arg)
{
	(void)arg;
	client_send(req - w.req);
}

static void link_breaks(void)
{
	w.there.tail = w.there.head;
	w.back.tail = w.back.head;
	pando_reqtab_each(&w.reqs, resend, NULL);
}

TEST(at_most_once_over_a_link_that_breaks)
{
	uint64_t seed = 7;
	int step, i;

	pando_reqtab_init(&w.reqs);
	pando_duptab_init(&w.dups);
	for (step = 0; step < 400000 && !tap_failed; step++) {
		i = tap_random(&seed) % CALLS;
		switch (tap_random(&seed) % 64) {
		case 0:
			link_breaks();
			break;
		case 1:	/* killed: nobody waits any more */
			if (pando_reqtab_cancel(&w.reqs, &w.req[i]))
				w.active[i] = false;
			break;
		case 2 ... 15:
			client_begin(i, tap_random(&seed) & 1);
			break;
		case 16 ... 31:
			server_receive();
			break;
		case 32 ... 47:
			server_finish(&seed);
			break;
		default:
			client_receive();
		}
	}
	/* the link holds: all that is under way ends */
	link_breaks();
	for (step = 0; step < 100000; step++) {
		server_receive();
		server_finish(&seed);
		client_receive();
	}
	CHECK(!pando_reqtab_pop(&w.reqs));
	CHECK(w.replies > 10000);
	CHECK(w.again > 100);
	printf("# %lu replies, %lu given again\n", w.replies, w.again);
}

TAP_MAIN(T(runs_once_and_is_remembered), T(what_was_refused_may_come_again),
	 T(repeatable_ones_are_forgotten), T(acked_while_it_runs_is_not_kept),
	 T(a_greedy_peer_is_bounded),
	 T(at_most_once_over_a_link_that_breaks))
