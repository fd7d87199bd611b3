// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pagemap image is two magic numbers and then messages with a u32 length
 * before each: one head (the id of the pages image) and one entry a run of
 * pages. Of an entry only three fields matter here: where it starts (1), how
 * many pages it has (2) and its flags (4). They are few and their encoding is
 * public, so the parser stands here on its own; it believes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "pagemap.h"

#define MAGIC_PAGEMAP	0x56084025u
#define FLAG_LAZY	2u
#define MESSAGE_MAX	4096u
#define PAGE		4096u
#define ADDR_MAX	(1ull << 57)

/* Fields 0 to 7 of a message, those of other types skipped. */
static bool fields(const uint8_t *p, const uint8_t *end, uint64_t field[8])
{
	memset(field, 0, 8 * sizeof(*field));
	while (p < end) {
		uint64_t tag, v;

		if (!image_varint(&p, end, &tag))
			return false;
		switch (tag & 7) {
		case 0:
			if (!image_varint(&p, end, &v))
				return false;
			if (tag >> 3 < 8)
				field[tag >> 3] = v;
			break;
		case 1:
			if (end - p < 8)
				return false;
			p += 8;
			break;
		case 2:
			if (!image_varint(&p, end, &v) || v > (uint64_t)(end - p))
				return false;
			p += v;
			break;
		case 5:
			if (end - p < 4)
				return false;
			p += 4;
			break;
		default:
			return false;
		}
	}
	return true;
}

long pagemap_parse(const uint8_t *image, size_t len, struct pagemap_run **runs)
{
	const uint8_t *p = image, *end = image + len;
	struct pagemap_run *v = NULL;
	uint64_t field[8], last = 0;
	bool head = true;
	long n = 0;

	*runs = NULL;
	if (len < 8 || image_u32(p) != IMAGE_MAGIC ||
	    image_u32(p + 4) != MAGIC_PAGEMAP)
		return -EPROTO;
	for (p += 8; p < end; head = false) {
		struct pagemap_run *more;
		uint32_t size;

		if (end - p < 4)
			goto garbage;
		size = image_u32(p);
		p += 4;
		if (size > MESSAGE_MAX || size > (size_t)(end - p) ||
		    !fields(p, p + size, field))
			goto garbage;
		p += size;
		if (head)
			continue;
		if (field[1] % PAGE || field[1] >= ADDR_MAX || !field[2] ||
		    field[2] > ADDR_MAX / PAGE ||
		    field[1] + field[2] * PAGE > ADDR_MAX || field[1] < last)
			goto garbage;
		last = field[1] + field[2] * PAGE;
		if (!(field[4] & FLAG_LAZY))
			continue;
		if (n && v[n - 1].addr + v[n - 1].pages * PAGE == field[1]) {
			v[n - 1].pages += field[2];
			continue;
		}
		/* grow in powers of two: images of 100,000 runs exist */
		if (!(n & (n - 1))) {
			more = reallocarray(v, n ? 2 * n : 1, sizeof(*v));
			if (!more) {
				free(v);
				return -ENOMEM;
			}
			v = more;
		}
		v[n++] = (struct pagemap_run){ field[1], field[2] };
	}
	if (head)
		goto garbage;
	*runs = v;
	return n;
garbage:
	free(v);
	return -EPROTO;
}
