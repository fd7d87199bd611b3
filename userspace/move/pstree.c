// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pstree image is two magic numbers and then messages with a u32 length
 * before each, one a process. Of it we change the process group (field 3) and
 * the session (4); all else is copied as it is. As in pagemap.c the encoding
 * is public and small.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "pstree.h"

#define MAGIC_PSTREE	0x50273030u
#define FIELD_PGID	3
#define FIELD_SID	4
#define ADOPTED		1	/* nobody in the tree, so criu's own */

struct out {
	uint8_t *data;
	size_t len;
};

static void put(struct out *o, const void *data, size_t len)
{
	memcpy(o->data + o->len, data, len);
	o->len += len;
}

/* Copies one message; a changed number takes less room, never more. */
static bool entry(struct out *o, const uint8_t *p, const uint8_t *end,
		  bool (*foreign)(void *arg, uint32_t id), void *arg,
		  bool *changed)
{
	static const uint8_t adopted = ADOPTED;

	while (p < end) {
		const uint8_t *at = p, *value;
		uint64_t tag, v;

		if (!image_varint(&p, end, &tag))
			return false;
		value = p;
		switch (tag & 7) {
		case 0:
			if (!image_varint(&p, end, &v))
				return false;
			break;
		case 2:
			if (!image_varint(&p, end, &v) || v > (uint64_t)(end - p))
				return false;
			p += v;
			break;
		default:
			return false;
		}
		if ((tag == FIELD_PGID << 3 || tag == FIELD_SID << 3) &&
		    foreign(arg, v)) {
			put(o, at, value - at);
			put(o, &adopted, 1);
			*changed = true;
		} else {
			put(o, at, p - at);
		}
	}
	return true;
}

uint8_t *pstree_adopt(const uint8_t *image, size_t len, size_t *new_len,
		      bool (*foreign)(void *arg, uint32_t id), void *arg,
		      bool *changed)
{
	struct out o = { .data = malloc(len) };
	size_t at = 8;

	*changed = false;
	if (!o.data || len < 8 || image_u32(image) != IMAGE_MAGIC ||
	    image_u32(image + 4) != MAGIC_PSTREE)
		goto bad;
	put(&o, image, 8);
	while (at < len) {
		size_t head = o.len;
		uint32_t size;

		if (len - at < 4)
			goto bad;
		size = image_u32(image + at);
		at += 4;
		if (size > len - at)
			goto bad;
		o.len += 4;
		if (!entry(&o, image + at, image + at + size, foreign, arg,
			   changed))
			goto bad;
		size = htole32(o.len - head - 4);
		memcpy(o.data + head, &size, sizeof(size));
		at += image_u32(image + at - 4);
	}
	*new_len = o.len;
	return o.data;
bad:
	free(o.data);
	return NULL;
}
