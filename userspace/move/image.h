/* SPDX-License-Identifier: GPL-2.0-only */
/* The encoding of criu's images: what their few readers here need of it. */
#ifndef IMAGE_H
#define IMAGE_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IMAGE_MAGIC	0x54564319u	/* in front of every image's own */
#define IMAGE_MAGIC_CORE	0x55053847u

static inline uint32_t image_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* A protobuf varint at *@p, which moves behind it; false: there is none. */
static inline bool image_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t b;

		if (*p == end)
			return false;
		b = *(*p)++;
		*v |= (uint64_t)(b & 127) << shift;
		if (!(b & 128))
			return true;
	}
	return false;
}

/* A message, of which what is before @p has been looked at. */
struct image_part {
	const uint8_t *p, *end;
};

/* The next field of @in that is a message of that number: 1, 0 or -EPROTO. */
static inline int image_next(struct image_part *in, unsigned int number,
			     struct image_part *out)
{
	while (in->p < in->end) {
		uint64_t tag, v;

		if (!image_varint(&in->p, in->end, &tag))
			return -EPROTO;
		switch (tag & 7) {
		case 0:
			if (!image_varint(&in->p, in->end, &v))
				return -EPROTO;
			continue;
		case 1:
		case 5:
			v = tag & 4 ? 4 : 8;
			break;
		case 2:
			if (!image_varint(&in->p, in->end, &v))
				return -EPROTO;
			break;
		default:
			return -EPROTO;
		}
		if (v > (uint64_t)(in->end - in->p))
			return -EPROTO;
		*out = (struct image_part){ in->p, in->p + v };
		in->p += v;
		if (tag >> 3 == number && (tag & 7) == 2)
			return 1;
	}
	return 0;
}

#define CORE_TASK	3
#define CORE_THREAD	5

/* A core image is two magic numbers and one message with its u32 length before it. */
static inline bool image_core(const uint8_t *image, size_t len, struct image_part *core)
{
	if (len < 12 || image_u32(image) != IMAGE_MAGIC ||
	    image_u32(image + 4) != IMAGE_MAGIC_CORE || image_u32(image + 8) > len - 12)
		return false;
	*core = (struct image_part){ image + 12, image + 12 + image_u32(image + 8) };
	return true;
}

#endif
