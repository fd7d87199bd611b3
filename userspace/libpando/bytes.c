// SPDX-License-Identifier: GPL-2.0-only
/* Bytes that wait: added behind, taken from the front; see pando.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pando.h"

#define KEEP_MAX	(256u << 10)	/* of an empty buffer */

uint8_t *pando_bytes_reserve(struct pando_bytes *b, size_t n)
{
	size_t left = pando_bytes_left(b);
	uint8_t *buf;

	if (b->cap - b->len >= n)
		return b->buf + b->len;
	/* worth its while only if little is moved to free much */
	if (b->cap - left >= n && b->off >= left) {
		memcpy(b->buf, b->buf + b->off, left);
	} else {
		size_t cap = left + n + left / 2;

		buf = malloc(cap);
		if (!buf)
			return NULL;
		if (left)
			memcpy(buf, b->buf + b->off, left);
		free(b->buf);
		b->buf = buf;
		b->cap = cap;
	}
	b->off = 0;
	b->len = left;
	return b->buf + left;
}

int pando_bytes_add(struct pando_bytes *b, const void *data, size_t n)
{
	uint8_t *to = n ? pando_bytes_reserve(b, n) : NULL;

	if (!n)
		return 0;
	if (!to)
		return -ENOMEM;
	memcpy(to, data, n);
	b->len += n;
	return 0;
}

void pando_bytes_take(struct pando_bytes *b, size_t n)
{
	b->off += n;
	if (b->off < b->len)
		return;
	b->off = b->len = 0;
	if (b->cap > KEEP_MAX)
		pando_bytes_free(b);
}

void pando_bytes_free(struct pando_bytes *b)
{
	free(b->buf);
	*b = (struct pando_bytes){ 0 };
}
