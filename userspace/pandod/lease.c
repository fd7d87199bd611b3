// SPDX-License-Identifier: GPL-2.0-only
/* The lease on quorum; the arithmetic is told in lease.h. */
#include <string.h>

#include "lease.h"

void qlease_end(struct qlease *q)
{
	q->until = 0;
	q->counted = q->pulse;
	q->npeers = 0;
	q->votes = (struct votes){ 0 };
}

void qlease_view(struct qlease *q, const struct votes *v, unsigned int own)
{
	q->votes = *v;
	q->own = own;
	q->npeers = 0;
}

void qlease_peer(struct qlease *q, uint16_t id, unsigned int votes)
{
	if (q->npeers < LEASE_PEERS)
		q->peer[q->npeers++] = (struct lease_peer){ .id = id,
							    .votes = votes };
}

static void extend(struct qlease *q, uint64_t when)
{
	if (when + q->length > q->until)
		q->until = when + q->length;
}

void qlease_all_heard(struct qlease *q, uint64_t when)
{
	extend(q, when);
}

/* Votes of those who have heard this pulse. */
static unsigned int heard_by(const struct qlease *q, uint64_t pulse)
{
	unsigned int have = q->own;

	for (unsigned int i = 0; i < q->npeers; i++)
		if (q->peer[i].confirmed >= pulse)
			have += q->peer[i].votes;
	return have;
}

/* The newest pulse that enough have heard, @pulse or one before it. */
static void renew(struct qlease *q, uint64_t pulse)
{
	if (!q->votes.total)
		return;
	/* one that is older than what is remembered extends nothing */
	while (pulse > q->counted && pulse + LEASE_KEPT > q->pulse) {
		if (votes_blocking(&q->votes, heard_by(q, pulse))) {
			q->counted = pulse;
			extend(q, q->sent[pulse % LEASE_KEPT]);
			return;
		}
		pulse--;
	}
}

uint64_t qlease_send(struct qlease *q, uint64_t now)
{
	q->pulse++;
	q->sent[q->pulse % LEASE_KEPT] = now;
	renew(q, q->pulse);
	return q->pulse;
}

void qlease_hear(struct qlease *q, uint16_t from, uint64_t pulse,
		 uint64_t ours)
{
	for (unsigned int i = 0; i < q->npeers; i++) {
		struct lease_peer *p = &q->peer[i];

		if (p->id != from)
			continue;
		p->heard = pulse;
		/* what was never sent is of somebody's former life */
		if (ours > p->confirmed && ours <= q->pulse) {
			p->confirmed = ours;
			renew(q, ours);
		}
		return;
	}
}

void patience_config(struct patience *p, const uint16_t *ids, size_t n,
		     uint64_t now)
{
	bool here[PANDO_NODE_MAX + 1] = { false };

	for (size_t i = 0; i < n; i++)
		if (ids[i] <= PANDO_NODE_MAX)
			here[ids[i]] = true;
	for (unsigned int id = 1; id <= PANDO_NODE_MAX; id++) {
		if (here[id])
			p->since[id] = 0;
		else if (!p->since[id])
			p->since[id] = now;
	}
}

bool patience_over(const struct patience *p, uint16_t id, uint64_t now)
{
	return id && id <= PANDO_NODE_MAX && p->since[id] &&
	       now - p->since[id] >= p->length;
}
