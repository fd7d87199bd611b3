// SPDX-License-Identifier: GPL-2.0-only
/* Requests of a peer, executed at most once; see duptab.h. Pure. */
#include "duptab.h"

/* Ids have the client's slot in the low byte and its sequence above. */
static struct pando_dup **duptab_bucket(struct pando_duptab *tab, u64 id)
{
	return &tab->bucket[(id ^ id >> 8) % PANDO_DUPTAB_BUCKETS];
}

void pando_duptab_init(struct pando_duptab *tab)
{
	memset(tab, 0, sizeof(*tab));
}

enum pando_dup_verdict pando_duptab_begin(struct pando_duptab *tab,
					  struct pando_dup *dup, u64 id,
					  bool once, struct pando_dup **old)
{
	struct pando_dup **head = duptab_bucket(tab, id);
	struct pando_dup *d;

	for (d = *head; d; d = d->next) {
		if (d->id != id)
			continue;
		*old = d;
		return d->done ? PANDO_DUP_DONE : PANDO_DUP_RUNNING;
	}
	if (once && id < tab->acked)
		return PANDO_DUP_OLD;
	if (tab->nr_running >= PANDO_DUPTAB_RUNNING ||
	    tab->nr_done >= PANDO_DUPTAB_DONE)
		return PANDO_DUP_FULL;

	dup->id = id;
	dup->once = once;
	dup->done = false;
	dup->next = *head;
	*head = dup;
	tab->nr_running++;
	return PANDO_DUP_NEW;
}

static void duptab_unlink(struct pando_duptab *tab, struct pando_dup *dup)
{
	struct pando_dup **pos = duptab_bucket(tab, dup->id);

	while (*pos && *pos != dup)
		pos = &(*pos)->next;
	if (*pos)
		*pos = dup->next;
	dup->next = NULL;
}

bool pando_duptab_finish(struct pando_duptab *tab, struct pando_dup *dup,
			 bool executed)
{
	tab->nr_running--;
	if (executed && dup->once && dup->id >= tab->acked) {
		dup->done = true;
		tab->nr_done++;
		return true;
	}
	duptab_unlink(tab, dup);
	return false;
}

struct pando_dup *pando_duptab_ack(struct pando_duptab *tab, u64 acked)
{
	struct pando_dup *gone = NULL;
	unsigned int i;

	if (acked <= tab->acked)
		return NULL;
	tab->acked = acked;
	for (i = 0; i < PANDO_DUPTAB_BUCKETS && tab->nr_done; i++) {
		struct pando_dup **pos = &tab->bucket[i];

		while (*pos) {
			struct pando_dup *d = *pos;

			if (!d->done || d->id >= acked) {
				pos = &d->next;
				continue;
			}
			*pos = d->next;
			d->next = gone;
			gone = d;
			tab->nr_done--;
		}
	}
	return gone;
}

struct pando_dup *pando_duptab_find_done(const struct pando_duptab *tab, u64 id)
{
	struct pando_dup *d = tab->bucket[(id ^ id >> 8) % PANDO_DUPTAB_BUCKETS];

	while (d && (d->id != id || !d->done))
		d = d->next;
	return d;
}

struct pando_dup *pando_duptab_pop(struct pando_duptab *tab)
{
	unsigned int i;

	for (i = 0; i < PANDO_DUPTAB_BUCKETS && tab->nr_done; i++) {
		struct pando_dup *d;

		for (d = tab->bucket[i]; d; d = d->next) {
			if (!d->done)
				continue;
			duptab_unlink(tab, d);
			tab->nr_done--;
			return d;
		}
	}
	return NULL;
}
