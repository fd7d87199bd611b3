// SPDX-License-Identifier: GPL-2.0-only
/* Where the time of a move went; see marks.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"

void marks_note(struct marks *m, const Pando__MoveEvent *e)
{
	for (size_t i = 0; i < e->n_marks && m->n < MARKS_MAX; i++) {
		struct mark *k = &m->v[m->n++];

		snprintf(k->name, sizeof(k->name), "%s", e->marks[i]->name);
		k->at_ns = e->marks[i]->at_ns;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

uint32_t marks_phases(struct marks *m, Pando__MovePhase *phase,
		      Pando__MovePhase **phases)
{
	bool frozen = false;
	uint32_t n = 0;

	qsort(m->v, m->n, sizeof(m->v[0]), by_time);
	for (uint32_t i = 1; i < m->n; i++) {
		pando__move_phase__init(&phase[n]);
		phase[n].name = m->v[i].name;
		phase[n].ms = (m->v[i].at_ns - m->v[i - 1].at_ns) / 1e6;
		phase[n].frozen = frozen;
		if (!strcmp(m->v[i].name, "wait"))
			frozen = true;
		else if (!strcmp(m->v[i].name, "resume"))
			frozen = false;
		phases[n] = &phase[n];
		n++;
	}
	return n;
}
