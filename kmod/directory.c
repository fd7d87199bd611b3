// SPDX-License-Identifier: GPL-2.0-only
/* The directory: see directory.h. */
#include "directory.h"

#define FIRST_BITS	6
#define LAST_BITS	18

static u32 slot(u32 pid, u32 bits)
{
	return (pid * 0x61c88647u) >> (32 - bits);
}

/* An entry has come (1) or gone (-1). */
static void count(struct pando_directory *d, const struct pando_dir_entry *e, int n)
{
	u32 block = e->pid >> PANDO_BLOCK_SHIFT;

	d->count[e->kind] += n;
	if ((e->kind != PANDO_DIR_AWAY && e->kind != PANDO_DIR_RESERVED) || block >= PANDO_BLOCKS)
		return;
	d->shut[block] += n;
	if (n > 0)
		d->shutting++;
}

static u32 total(const struct pando_directory *d)
{
	u32 n = 0;
	int k;

	for (k = 0; k < PANDO_DIR_KINDS; k++)
		n += d->count[k];
	return n;
}

void pando_dir_init(struct pando_directory *d)
{
	memset(d, 0, sizeof(*d));
}

void pando_dir_destroy(struct pando_directory *d)
{
	int k;

	for (k = PANDO_DIR_NONE + 1; k < PANDO_DIR_KINDS; k++)
		pando_dir_purge(d, k, NULL, NULL);
	pure_free(d->bucket);
	pando_dir_init(d);
}

/* Doubling is an optimisation: when memory is short the chains grow longer. */
static int grow(struct pando_directory *d)
{
	u32 bits = d->bits ? d->bits + 1 : FIRST_BITS;
	struct pando_dir_entry **bucket, *e;
	u32 i;

	if (bits > LAST_BITS)
		return -ENOMEM;
	bucket = pure_zalloc(sizeof(*bucket) << bits);
	if (!bucket)
		return -ENOMEM;
	for (i = 0; d->bits && i < 1u << d->bits; i++) {
		while ((e = d->bucket[i])) {
			d->bucket[i] = e->next;
			e->next = bucket[slot(e->pid, bits)];
			bucket[slot(e->pid, bits)] = e;
		}
	}
	pure_free(d->bucket);
	d->bucket = bucket;
	d->bits = bits;
	return 0;
}

static struct pando_dir_entry **find(const struct pando_directory *d, u32 pid,
				     enum pando_dir_kind kind)
{
	struct pando_dir_entry **p;

	if (!d->count[kind])
		return NULL;
	for (p = &d->bucket[slot(pid, d->bits)]; *p; p = &(*p)->next)
		if ((*p)->pid == pid && (*p)->kind == kind)
			return p;
	return NULL;
}

const struct pando_dir_entry *pando_dir_find(const struct pando_directory *d,
					     u32 pid, enum pando_dir_kind kind)
{
	struct pando_dir_entry **p = find(d, pid, kind);

	return p ? *p : NULL;
}

int pando_dir_set(struct pando_directory *d, u32 pid, enum pando_dir_kind kind,
		  u16 node, u64 tag)
{
	struct pando_dir_entry **p, *e;

	if (kind == PANDO_DIR_HINT) {
		if (find(d, pid, PANDO_DIR_AWAY))
			return 0;
		if (d->count[kind] >= PANDO_DIR_HINTS_MAX)
			pando_dir_purge(d, kind, NULL, NULL);
	} else if (kind == PANDO_DIR_AWAY) {
		pando_dir_clear(d, pid, PANDO_DIR_HINT);
	}
	p = find(d, pid, kind);
	if (p) {
		e = *p;
	} else {
		if ((!d->bits || total(d) > 1u << d->bits) && grow(d) &&
		    !d->bits)
			return -ENOMEM;
		e = pure_zalloc(sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->pid = pid;
		e->kind = kind;
		e->next = d->bucket[slot(pid, d->bits)];
		d->bucket[slot(pid, d->bits)] = e;
		count(d, e, 1);
	}
	e->node = node;
	e->tag = tag;
	e->mark = 0;
	return 0;
}

void pando_dir_mark(struct pando_directory *d, u32 pid,
		    enum pando_dir_kind kind, u8 mark)
{
	struct pando_dir_entry **p = find(d, pid, kind);

	if (p)
		(*p)->mark = mark;
}

void pando_dir_mark_all(struct pando_directory *d, enum pando_dir_kind kind,
			u16 node, u8 mark)
{
	struct pando_dir_entry *e;
	u32 i;

	for (i = 0; d->count[kind] && i < 1u << d->bits; i++)
		for (e = d->bucket[i]; e; e = e->next)
			if (e->kind == kind && e->node == node)
				e->mark = mark;
}

bool pando_dir_clear(struct pando_directory *d, u32 pid,
		     enum pando_dir_kind kind)
{
	struct pando_dir_entry **p = find(d, pid, kind);
	struct pando_dir_entry *e;

	if (!p)
		return false;
	e = *p;
	*p = e->next;
	count(d, e, -1);
	pure_free(e);
	return true;
}

u32 pando_dir_purge(struct pando_directory *d, enum pando_dir_kind kind,
		    bool (*drop)(struct pando_dir_entry *e, void *ctx),
		    void *ctx)
{
	struct pando_dir_entry **p, *e;
	u32 i, n = 0;

	if (!d->count[kind])
		return 0;
	for (i = 0; i < 1u << d->bits; i++) {
		p = &d->bucket[i];
		while ((e = *p)) {
			if (e->kind != kind || (drop && !drop(e, ctx))) {
				p = &e->next;
				continue;
			}
			*p = e->next;
			count(d, e, -1);
			pure_free(e);
			n++;
		}
	}
	return n;
}
