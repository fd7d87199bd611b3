// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pstree image is two magic numbers and then messages with a u32 length
 * before each, one a process, its parent's before it. Of it we change the
 * process group and the session; all else is copied as it is. As in pagemap.c
 * the encoding is public and small.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "pstree.h"

#define MAGIC_PSTREE	0x50273030u
#define ADOPTED		1	/* nobody in the tree, so criu's own */
#define GROWS		3	/* at most so many times: a number of one byte has five */

enum field { PID = 1, PPID, PGID, SID, FIELDS };

struct process {
	uint32_t id[FIELDS];
};

struct adopting {
	bool (*foreign)(void *arg, uint32_t id);
	void *arg;
	uint8_t *data;		/* what becomes of it */
	size_t len;
	struct process *seen;
	size_t n;
};

static void put(struct adopting *a, const void *data, size_t len)
{
	memcpy(a->data + a->len, data, len);
	a->len += len;
}

static void put_varint(struct adopting *a, uint32_t v)
{
	do {
		uint8_t b = (v & 127) | (v > 127 ? 128 : 0);

		put(a, &b, 1);
		v >>= 7;
	} while (v);
}

/* One field at *@p, which moves behind it: its number, and its value where it is one. */
static bool field(const uint8_t **p, const uint8_t *end, uint64_t *tag, uint64_t *v)
{
	if (!image_varint(p, end, tag) || !image_varint(p, end, v))
		return false;
	if ((*tag & 7) == 2) {
		if (*v > (uint64_t)(end - *p))
			return false;
		*p += *v;
		return true;
	}
	return !(*tag & 7);
}

static bool parse(const uint8_t *p, const uint8_t *end, struct process *t)
{
	uint64_t tag, v;

	memset(t, 0, sizeof(*t));
	while (p < end) {
		if (!field(&p, end, &tag, &v))
			return false;
		if (tag & 7 || tag >> 3 >= FIELDS)
			continue;
		if (v > UINT32_MAX)
			return false;
		t->id[tag >> 3] = v;
	}
	return true;
}

/* Its parent's session is at hand, and so is the group of a session's leader. */
static bool adopt(const struct adopting *a, struct process *t)
{
	const uint32_t pgid = t->id[PGID], sid = t->id[SID];
	uint32_t parents = ADOPTED;

	for (size_t i = a->n; i-- > 0;) {
		if (a->seen[i].id[PID] != t->id[PPID])
			continue;
		parents = a->seen[i].id[SID];
		break;
	}
	if (sid && a->foreign(a->arg, sid))
		t->id[SID] = parents;
	if (pgid && a->foreign(a->arg, pgid))
		t->id[PGID] = t->id[SID];
	return pgid != t->id[PGID] || sid != t->id[SID];
}

/* Copies one message. */
static void copy(struct adopting *a, const uint8_t *p, const uint8_t *end,
		 const struct process *t)
{
	size_t head = a->len;
	uint32_t size;

	a->len += sizeof(size);
	while (p < end) {
		const uint8_t *at = p, *value;
		uint64_t tag, v;

		image_varint(&p, end, &tag);
		value = p;
		p = at;
		field(&p, end, &tag, &v);
		if (tag == PGID << 3 || tag == SID << 3) {
			put(a, at, value - at);
			put_varint(a, t->id[tag >> 3]);
		} else {
			put(a, at, p - at);
		}
	}
	size = htole32(a->len - head - sizeof(size));
	memcpy(a->data + head, &size, sizeof(size));
}

uint8_t *pstree_adopt(const uint8_t *image, size_t len, size_t *new_len,
		      bool (*foreign)(void *arg, uint32_t id), void *arg,
		      bool *changed)
{
	struct adopting a = { .foreign = foreign, .arg = arg };
	size_t at = 8;

	*changed = false;
	if (len < 8 || image_u32(image) != IMAGE_MAGIC ||
	    image_u32(image + 4) != MAGIC_PSTREE)
		return NULL;
	a.data = malloc(len * GROWS);
	a.seen = calloc(len / 4, sizeof(*a.seen));
	if (!a.data || !a.seen)
		goto bad;
	put(&a, image, 8);
	while (at < len) {
		struct process *t = &a.seen[a.n];
		uint32_t size;

		if (len - at < 4)
			goto bad;
		size = image_u32(image + at);
		at += 4;
		if (size > len - at ||
		    !parse(image + at, image + at + size, t))
			goto bad;
		*changed |= adopt(&a, t);
		copy(&a, image + at, image + at + size, t);
		a.n++;
		at += size;
	}
	free(a.seen);
	*new_len = a.len;
	return a.data;
bad:
	free(a.seen);
	free(a.data);
	return NULL;
}
