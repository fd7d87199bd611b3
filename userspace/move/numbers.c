// SPDX-License-Identifier: GPL-2.0-only
/* The numbers of a tree that arrives: without its number no task is rebuilt. */
#include <stdlib.h>
#include <string.h>

#include "move.h"

/* Are they those that were reserved when the move began? */
static bool as_reserved(const Pando__MoveStart *start, const uint32_t *pids,
			size_t n)
{
	size_t size = n * sizeof(*pids);
	uint32_t *old, *new;
	bool same;

	if (start->n_pids != n)
		return false;
	old = xcalloc(n + 1, sizeof(*old));
	new = xcalloc(n + 1, sizeof(*new));
	memcpy(old, start->pids, size);
	memcpy(new, pids, size);
	qsort(old, n, sizeof(*old), by_number);
	qsort(new, n, sizeof(*new), by_number);
	same = !memcmp(old, new, size);
	free(old);
	free(new);
	return same;
}

int numbers_reserve(struct move *m, uint32_t *pids, size_t n)
{
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;

	if (as_reserved(m->start, pids, n)) {
		report_phase(m, "state");
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if (pids[i] != m->start->root)
			continue;
		pids[i] = pids[0];
		pids[0] = m->start->root;
	}
	ev.pids = pids;
	ev.n_pids = n;
	report(m, "state", &ev);
	return report_await_numbers(m);
}
