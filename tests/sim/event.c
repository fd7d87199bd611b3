// SPDX-License-Identifier: GPL-2.0-only
/* Virtual time: a heap of events, and the only source of randomness. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct event {
	u64 when, seq;
	enum scope scope;
	struct node *node;
	u32 life, gen;
	event_fn fn;
	struct msg *msg;
	u64 a, b;
};

static struct event *heap;
static size_t nheap, heap_cap;
static struct event *waiting;	/* for a paused host */
static size_t nwaiting, waiting_cap;
static u64 next_seq;
static u64 random_state[4];

/* xoshiro256**, seeded by splitmix64 as its authors advise */
static u64 splitmix(u64 *x)
{
	u64 z = *x += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static u64 rotl(u64 x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static u64 random_next(void)
{
	u64 *s = random_state, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

u64 rnd(u64 n)
{
	return n ? random_next() % n : 0;
}

bool chance(unsigned int percent)
{
	return rnd(100) < percent;
}

u64 delay(u64 most)
{
	return 1 + rnd(chance(90) ? most / 10 + 1 : most);
}

struct msg *msg_new(size_t len)
{
	struct msg *m = calloc(1, sizeof(*m) + len);

	if (!m) {
		perror("sim");
		exit(2);
	}
	m->refs = 1;
	m->len = len;
	return m;
}

struct msg *msg_get(struct msg *m)
{
	if (m)
		m->refs++;
	return m;
}

void msg_put(struct msg *m)
{
	if (!m || --m->refs)
		return;
	if (m->decoded)
		message_free(m->decoded);
	free(m->decoded);
	free(m);
}

static bool before(const struct event *a, const struct event *b)
{
	return a->when != b->when ? a->when < b->when : a->seq < b->seq;
}

static struct event *room(struct event **v, const size_t *n, size_t *cap)
{
	if (*n == *cap) {
		*cap = *cap ? 2 * *cap : 1024;
		*v = realloc(*v, *cap * sizeof(**v));
		if (!*v) {
			perror("sim");
			exit(2);
		}
	}
	return *v;
}

static void push(const struct event *e)
{
	size_t i = nheap;

	room(&heap, &nheap, &heap_cap);
	nheap++;
	for (; i && before(e, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = *e;
}

static struct event pop(void)
{
	struct event top = heap[0], last = heap[--nheap];
	size_t i = 0, c;

	for (; (c = 2 * i + 1) < nheap; i = c) {
		if (c + 1 < nheap && before(&heap[c + 1], &heap[c]))
			c++;
		if (!before(&heap[c], &last))
			break;
		heap[i] = heap[c];
	}
	heap[i] = last;
	return top;
}

void event_at(u64 delay_us, enum scope scope, struct node *n, event_fn fn,
	      struct msg *m, u64 a, u64 b)
{
	struct event e = {
		.when = w.now + delay_us, .seq = next_seq++, .scope = scope,
		.node = n, .fn = fn, .msg = m, .a = a, .b = b,
	};

	if (scope != WORLD)
		e.life = n->life;
	if (scope == DAEMON)
		e.gen = n->d.gen;
	push(&e);
}

static bool outlived(const struct event *e)
{
	if (e->scope == WORLD)
		return false;
	if (!e->node->up || e->life != e->node->life)
		return true;
	return e->scope == DAEMON &&
	       (!e->node->d.up || e->gen != e->node->d.gen);
}

bool event_run_one(void)
{
	struct event e;

	if (!nheap)
		return false;
	e = pop();
	w.now = e.when;
	if (outlived(&e)) {
		msg_put(e.msg);
		return true;
	}
	if (e.scope != WORLD && e.node->paused) {
		room(&waiting, &nwaiting, &waiting_cap);
		waiting[nwaiting++] = e;
		return true;
	}
	w.events++;
	e.fn(e.node, e.msg, e.a, e.b);
	msg_put(e.msg);
	if (e.node)
		check_node(e.node);
	return true;
}

void event_resume(struct node *n)
{
	size_t i, kept = 0;

	for (i = 0; i < nwaiting; i++) {
		struct event e = waiting[i];

		if (e.node != n) {
			waiting[kept++] = e;
			continue;
		}
		e.when = w.now;
		e.seq = next_seq++;
		push(&e);
	}
	nwaiting = kept;
}

void event_init(u64 seed)
{
	int i;

	for (i = 0; i < 4; i++)
		random_state[i] = splitmix(&seed);
	next_seq = 1;
}

void event_exit(void)
{
	size_t i;

	for (i = 0; i < nheap; i++)
		msg_put(heap[i].msg);
	for (i = 0; i < nwaiting; i++)
		msg_put(waiting[i].msg);
	free(heap);
	free(waiting);
	heap = NULL;
	waiting = NULL;
	nheap = heap_cap = nwaiting = waiting_cap = 0;
}
