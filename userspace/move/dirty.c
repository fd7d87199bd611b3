// SPDX-License-Identifier: GPL-2.0-only
/* Which pages changed; see dirty.h. */
#include <stdlib.h>
#include <string.h>

#include "dirty.h"
#include "move.h"

#define PAGE		4096u
#define RUN_MAX		(1u << 30)

static void add(struct dirty_runs *r, pid_t pid, uint64_t addr, uint64_t pages,
		bool drop)
{
	struct dirty_run *last = r->n ? &r->v[r->n - 1] : NULL;
	uint64_t first = r->pages;

	if (!drop)
		r->pages += pages;
	if (last && last->pid == pid && last->drop == drop &&
	    last->addr + (uint64_t)last->pages * PAGE == addr &&
	    last->pages + pages <= RUN_MAX) {
		last->pages += pages;
		return;
	}
	/* grows in powers of two: every other page may be dirty */
	if (!(r->n & (r->n - 1)))
		r->v = xrealloc(r->v, r->n ? 2 * r->n : 1, sizeof(*r->v));
	r->v[r->n++] = (struct dirty_run){ addr, pages, pid, drop, first };
}

void dirty_runs_add(struct dirty_runs *r, pid_t pid, uint64_t addr,
		    uint64_t pages)
{
	add(r, pid, addr, pages, false);
}

static bool holds(const struct dirty_run *r, uint64_t position)
{
	return !r->drop && r->first <= position &&
	       position < r->first + r->pages;
}

size_t dirty_runs_find(const struct dirty_runs *r, uint64_t position,
		       size_t hint)
{
	size_t low = 0, high = r->n;

	/* asked for in order, mostly */
	for (size_t i = hint; i < r->n && i < hint + 2; i++)
		if (holds(&r->v[i], position))
			return i;
	/* of those that begin there the last one has pages */
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (r->v[mid].first <= position)
			low = mid;
		else
			high = mid;
	}
	return low < r->n && holds(&r->v[low], position) ? low : r->n;
}

static void drop_known(struct dirty_runs *out, pid_t pid,
		       const struct dirty_span *s, uint64_t from, uint64_t to)
{
	for (uint64_t a = from; a < to; a += PAGE)
		if (s->key[(a - s->start) / PAGE])
			add(out, pid, a, 1, true);
}

static void free_spans(struct dirty_span *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i].key);
	free(s);
}

static struct dirty_proc *find(const struct dirty *d, pid_t pid)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->proc[i].pid == pid)
			return &d->proc[i];
	return NULL;
}

void dirty_scan(struct dirty *d)
{
	for (size_t i = 0; i < d->n; i++)
		d->proc[i].seen = false;
}

struct dirty_proc *dirty_open(struct dirty *d, pid_t pid)
{
	struct dirty_proc *p = find(d, pid);

	if (!p) {
		d->proc = xrealloc(d->proc, d->n + 1, sizeof(*d->proc));
		p = &d->proc[d->n++];
		*p = (struct dirty_proc){ .pid = pid };
	}
	p->seen = true;
	p->at = 0;
	return p;
}

/*
 * The keys of what was in [start, end) before: taken over as they are where
 * the mapping is the same, else piece by piece. What no mapping covers any
 * more is dropped on the way.
 */
static uint64_t *inherit(struct dirty_proc *p, uint64_t start, uint64_t end,
			 struct dirty_runs *out)
{
	uint64_t *key = NULL;

	for (; p->at < p->nwas; p->at++) {
		struct dirty_span *s = &p->was[p->at];
		uint64_t from = s->start > start ? s->start : start;
		uint64_t to = s->end < end ? s->end : end;

		if (s->start >= end)
			break;
		if (s->start == start && s->end == end) {
			key = s->key;
			s->key = NULL;
			s->start = s->end;
			p->at++;
			break;
		}
		if (s->start < start)
			drop_known(out, p->pid, s, s->start,
				   s->end < start ? s->end : start);
		if (from < to) {
			if (!key)
				key = xcalloc((end - start) / PAGE,
					      sizeof(*key));
			memcpy(key + (from - start) / PAGE,
			       s->key + (from - s->start) / PAGE,
			       (to - from) / PAGE * sizeof(*key));
		}
		if (s->end > end) {
			/* its rest belongs to the next mapping, or to none */
			memmove(s->key, s->key + (end - s->start) / PAGE,
				(s->end - end) / PAGE * sizeof(*key));
			s->start = end;
			break;
		}
	}
	return key ? key : xcalloc((end - start) / PAGE, sizeof(*key));
}

void dirty_span(struct dirty *d, struct dirty_proc *p, uint64_t start,
		uint64_t end, const uint64_t *entry, struct dirty_runs *out)
{
	struct dirty_span *s;

	if (!(p->nnow & (p->nnow - 1)))
		p->now = xrealloc(p->now, p->nnow ? 2 * p->nnow : 1,
				  sizeof(*p->now));
	s = &p->now[p->nnow++];
	*s = (struct dirty_span){ start, end, inherit(p, start, end, out) };
	for (uint64_t i = 0; i < (end - start) / PAGE; i++) {
		uint64_t e = entry[i], *was = &s->key[i];
		uint64_t key = e & (PM_PRESENT | PM_SWAP | PM_FRAME);

		if (!(e & (PM_PRESENT | PM_SWAP)) || key == d->zero_key) {
			/* to be zeros there, as it is here */
			if (*was) {
				add(out, p->pid, start + i * PAGE, 1, true);
				*was = 0;
			}
			continue;
		}
		if (*was == key && !(e & PM_SOFT_DIRTY))
			continue;
		add(out, p->pid, start + i * PAGE, 1, false);
		*was = key;
	}
}

void dirty_close(struct dirty_proc *p, struct dirty_runs *out)
{
	for (; p->at < p->nwas; p->at++)
		if (p->was[p->at].key)
			drop_known(out, p->pid, &p->was[p->at],
				   p->was[p->at].start, p->was[p->at].end);
	free_spans(p->was, p->nwas);
	p->was = p->now;
	p->nwas = p->nnow;
	p->now = NULL;
	p->nnow = p->at = 0;
}

void dirty_skip(struct dirty *d, pid_t pid)
{
	struct dirty_proc *p = find(d, pid);

	if (p)
		p->seen = true;
}

void dirty_scanned(struct dirty *d, struct dirty_runs *out)
{
	for (size_t i = 0; i < d->n;) {
		struct dirty_proc *p = &d->proc[i];

		if (p->seen) {
			i++;
			continue;
		}
		/* it ended; the number may come back with another memory */
		p->at = 0;
		dirty_close(p, out);
		free_spans(p->was, p->nwas);
		*p = d->proc[--d->n];
	}
}

void dirty_forget(struct dirty *d, pid_t pid, uint64_t addr, uint64_t pages)
{
	struct dirty_proc *p = find(d, pid);
	uint64_t end = addr + pages * PAGE;
	size_t low = 0, high = p ? p->nwas : 0;

	/* the first that ends behind @addr: a process may have 100,000 */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->was[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (; p && low < p->nwas && p->was[low].start < end; low++) {
		struct dirty_span *s = &p->was[low];

		for (uint64_t a = addr > s->start ? addr : s->start;
		     a < end && a < s->end; a += PAGE)
			s->key[(a - s->start) / PAGE] = 0;
	}
}

bool dirty_has(const struct dirty *d, pid_t pid)
{
	return find(d, pid) != NULL;
}

void dirty_free(struct dirty *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free_spans(d->proc[i].was, d->proc[i].nwas);
		free_spans(d->proc[i].now, d->proc[i].nnow);
	}
	free(d->proc);
	*d = (struct dirty){ 0 };
}

void dirty_runs_free(struct dirty_runs *r)
{
	free(r->v);
	*r = (struct dirty_runs){ 0 };
}
