/* SPDX-License-Identifier: GPL-2.0-only */
/* The encoding of criu's images: what their few readers here need of it. */
#ifndef IMAGE_H
#define IMAGE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IMAGE_MAGIC	0x54564319u	/* in front of every image's own */

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

#endif
