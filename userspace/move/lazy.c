// SPDX-License-Identifier: GPL-2.0-only
/* Which pages are still to come; see lazy.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lazy.h"

#define PAGE	4096u

static uint64_t end_of(const struct lazy_run *r)
{
	return r->addr + r->pages * PAGE;
}

int lazy_init(struct lazy *l, const struct pagemap_run *run, size_t n)
{
	*l = (struct lazy){ 0 };
	l->run = calloc(n + 1, sizeof(*l->run));
	if (!l->run)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct lazy_run *r = &l->run[l->n++];

		r->addr = r->source = run[i].addr;
		r->pages = run[i].pages;
		r->state = calloc(r->pages, 1);
		if (!r->state) {
			lazy_free(l);
			return -ENOMEM;
		}
		l->missing += r->pages;
	}
	return 0;
}

int lazy_clone(struct lazy *to, const struct lazy *from)
{
	*to = (struct lazy){ 0 };
	to->run = calloc(from->n + 1, sizeof(*to->run));
	if (!to->run)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		struct lazy_run *r = &to->run[to->n++];

		*r = from->run[i];
		r->state = malloc(r->pages);
		if (!r->state) {
			lazy_free(to);
			return -ENOMEM;
		}
		for (uint64_t p = 0; p < r->pages; p++) {
			/* what is on its way is on its way to the parent */
			uint8_t s = from->run[i].state[p] & LAZY_STATE;

			r->state[p] = s == LAZY_PRESENT ? s : LAZY_ABSENT;
			to->missing += s != LAZY_PRESENT;
		}
	}
	return 0;
}

void lazy_free(struct lazy *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->run[i].state);
	free(l->run);
	*l = (struct lazy){ 0 };
}

/* The first run that ends behind @addr. */
static size_t find(const struct lazy *l, uint64_t addr)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (end_of(&l->run[mid]) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint8_t *lazy_at(struct lazy *l, uint64_t addr, uint64_t *source)
{
	size_t i = find(l, addr);
	struct lazy_run *r = &l->run[i];
	uint64_t page;

	if (i == l->n || addr < r->addr)
		return NULL;
	page = (addr - r->addr) / PAGE;
	if (source)
		*source = r->source + page * PAGE;
	return &r->state[page];
}

/* Runs seldom move, and one that did not is found at once. */
bool lazy_place(const struct lazy *l, uint64_t source, uint64_t *addr)
{
	size_t i = find(l, source);

	if (i < l->n && source >= l->run[i].addr &&
	    l->run[i].source == l->run[i].addr) {
		*addr = source;
		return true;
	}
	for (i = 0; i < l->n; i++) {
		const struct lazy_run *r = &l->run[i];

		if (source >= r->source &&
		    source - r->source < r->pages * PAGE) {
			*addr = r->addr + (source - r->source);
			return true;
		}
	}
	return false;
}

void lazy_set(struct lazy *l, uint8_t *state, enum lazy_state to)
{
	if (to == LAZY_PRESENT && (*state & LAZY_STATE) != LAZY_PRESENT)
		l->missing--;
	*state = to == LAZY_PRESENT ? LAZY_PRESENT :
				      (*state & LAZY_FAULT) | to;
}

unsigned int lazy_next(struct lazy *l, unsigned int max, uint64_t *source)
{
	/* what is behind the cursor was given before */
	for (; l->cursor < l->n; l->cursor++, l->page = 0) {
		struct lazy_run *r = &l->run[l->cursor];
		uint64_t p = l->page;
		unsigned int n = 0;

		while (p < r->pages && (r->state[p] & LAZY_STATE))
			p++;
		if (p == r->pages)
			continue;
		*source = r->source + p * PAGE;
		while (n < max && p + n < r->pages &&
		       !(r->state[p + n] & LAZY_STATE))
			lazy_set(l, &r->state[p + n++], LAZY_WANTED);
		l->page = p + n;
		return n;
	}
	return 0;
}

void lazy_unwant(struct lazy *l, uint64_t source, unsigned int n)
{
	for (; n; n--, source += PAGE) {
		uint64_t addr;
		uint8_t *s = lazy_place(l, source, &addr) ?
			     lazy_at(l, addr, NULL) : NULL;

		if (s && (*s & LAZY_STATE) == LAZY_WANTED)
			lazy_set(l, s, LAZY_ABSENT);
	}
}

/* Makes @addr a border between runs, where it is within one. */
static int split(struct lazy *l, uint64_t addr)
{
	size_t i = find(l, addr);
	struct lazy_run *r, *more, tail;
	uint64_t keep;

	if (i == l->n || addr <= l->run[i].addr)
		return 0;
	more = reallocarray(l->run, l->n + 2, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->run = more;
	r = &l->run[i];
	keep = (addr - r->addr) / PAGE;
	tail = (struct lazy_run){ addr, r->source + keep * PAGE,
				  r->pages - keep, malloc(r->pages - keep) };
	if (!tail.state)
		return -ENOMEM;
	memcpy(tail.state, r->state + keep, tail.pages);
	r->pages = keep;
	memmove(r + 2, r + 1, (l->n - i - 1) * sizeof(*r));
	r[1] = tail;
	l->n++;
	if (l->cursor > i) {
		l->cursor++;
	} else if (l->cursor == i && l->page >= keep) {
		l->cursor++;
		l->page -= keep;
	}
	return 0;
}

/* Takes the runs of [addr, addr + len) out; they are the caller's then. */
static long take(struct lazy *l, uint64_t addr, uint64_t len,
		 struct lazy_run **out)
{
	size_t first, n = 0;

	*out = NULL;
	if (split(l, addr) || split(l, addr + len))
		return -ENOMEM;
	first = find(l, addr);
	while (first + n < l->n && l->run[first + n].addr < addr + len)
		n++;
	if (!n)
		return 0;
	*out = malloc(n * sizeof(**out));
	if (!*out)
		return -ENOMEM;
	memcpy(*out, &l->run[first], n * sizeof(**out));
	memmove(&l->run[first], &l->run[first + n],
		(l->n - first - n) * sizeof(**out));
	l->n -= n;
	if (l->cursor >= first + n) {
		l->cursor -= n;
	} else if (l->cursor >= first) {
		l->cursor = first;
		l->page = 0;
	}
	return n;
}

int lazy_drop(struct lazy *l, uint64_t addr, uint64_t len)
{
	struct lazy_run *r;
	long n = take(l, addr, len, &r);

	for (long i = 0; i < n; i++) {
		for (uint64_t p = 0; p < r[i].pages; p++)
			l->missing -= (r[i].state[p] & LAZY_STATE) !=
				      LAZY_PRESENT;
		free(r[i].state);
	}
	free(r);
	return n < 0 ? n : 0;
}

static int by_addr(const void *a, const void *b)
{
	const struct lazy_run *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

int lazy_move(struct lazy *l, uint64_t from, uint64_t to, uint64_t len)
{
	struct lazy_run *r, *more;
	long n = take(l, from, len, &r);
	int err;

	if (n <= 0)
		return n;
	/* what was there is replaced, as mremap() does */
	err = lazy_drop(l, to, len);
	more = err ? NULL : reallocarray(l->run, l->n + n + 1, sizeof(*more));
	if (!more) {
		for (long i = 0; i < n; i++)
			free(r[i].state);
		free(r);
		return -ENOMEM;
	}
	l->run = more;
	for (long i = 0; i < n; i++) {
		r[i].addr += to - from;
		l->run[l->n++] = r[i];
	}
	free(r);
	qsort(l->run, l->n, sizeof(*l->run), by_addr);
	/* they may stand before the cursor now, and not have been given */
	l->cursor = l->page = 0;
	return 0;
}
