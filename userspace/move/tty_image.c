// SPDX-License-Identifier: GPL-2.0-only
/*
 * The image is two magic numbers and then messages with a u32 length before each, one
 * a terminal. Of one we change session (field 6), group in front (7), modes (9)
 * and window (11), all else is copied. As in pstree.c the encoding is public and
 * small.
 */
#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "tty_image.h"

#define MAGIC_TTY_INFO	0x59453036u
#define FIELD_SID	6
#define FIELD_PGRP	7
#define FIELD_TERMIOS	9
#define FIELD_WINSIZE	11
#define LOCAL		4	/* of the modes: c_lflag */
#define NUMBERS		19	/* and its characters */
#define GROWTH		512	/* of one message, at most */

struct out {
	uint8_t *data;
	size_t len;
};

static void put(struct out *o, const void *data, size_t len)
{
	memcpy(o->data + o->len, data, len);
	o->len += len;
}

static void put_varint(struct out *o, uint64_t v)
{
	do {
		o->data[o->len++] = (v & 127) | (v > 127 ? 128 : 0);
		v >>= 7;
	} while (v);
}

static void put_field(struct out *o, unsigned int field, uint64_t v)
{
	put_varint(o, field << 3);
	put_varint(o, v);
}

/* A message within: its length is known when it is there. */
static size_t open_message(struct out *o, unsigned int field)
{
	put_varint(o, field << 3 | 2);
	put_varint(o, 0x80);	/* room for two */
	return o->len;
}

static void close_message(struct out *o, size_t at)
{
	size_t n = o->len - at;

	o->data[at - 2] = (n & 127) | 128;
	o->data[at - 1] = n >> 7;
}

static void put_modes(struct out *o, const struct termios *t)
{
	size_t at = open_message(o, FIELD_TERMIOS);

	put_field(o, 1, t->c_iflag);
	put_field(o, 2, t->c_oflag);
	put_field(o, 3, t->c_cflag);
	put_field(o, LOCAL, t->c_lflag);
	put_field(o, 5, 0);
	put_field(o, 6, 0);
	put_field(o, 7, 0);
	/* so many numbers, of which criu fills the first with four characters each */
	for (size_t i = 0; i < NUMBERS; i++) {
		uint32_t v = 0;

		if (4 * i < sizeof(t->c_cc))
			memcpy(&v, t->c_cc + 4 * i, sizeof(v));
		put_field(o, 8, v);
	}
	close_message(o, at);
}

static void put_window(struct out *o, const struct winsize *w)
{
	size_t at = open_message(o, FIELD_WINSIZE);

	put_field(o, 1, w->ws_row);
	put_field(o, 2, w->ws_col);
	put_field(o, 3, w->ws_xpixel);
	put_field(o, 4, w->ws_ypixel);
	close_message(o, at);
}

/* One field: its tag, and its value or the length of it. */
static bool next(const uint8_t **p, const uint8_t *end, uint64_t *tag, uint64_t *v)
{
	if (!image_varint(p, end, tag) || !image_varint(p, end, v))
		return false;
	return (*tag & 7) == 0 ||
	       ((*tag & 7) == 2 && *v <= (uint64_t)(end - *p));
}

static bool add_local(struct out *o, const uint8_t *p, const uint8_t *end,
		      uint32_t local)
{
	size_t at = open_message(o, FIELD_TERMIOS);
	bool once = false;

	while (p < end) {
		const uint8_t *from = p;
		uint64_t tag, v;

		if (!next(&p, end, &tag, &v) || (tag == LOCAL << 3 && once))
			return false;
		if ((tag & 7) == 2)
			p += v;
		once |= tag == LOCAL << 3;
		if (tag == LOCAL << 3)
			put_field(o, LOCAL, v | local);
		else
			put(o, from, p - from);
	}
	close_message(o, at);
	return true;
}

static bool entry(struct out *o, const uint8_t *p, const uint8_t *end,
		  const struct termios *modes, const struct winsize *window,
		  uint32_t local)
{
	bool had_modes = false, had_window = false;

	while (p < end) {
		const uint8_t *from = p, *value;
		uint64_t tag, v;

		if (!next(&p, end, &tag, &v))
			return false;
		/* what grows comes once: so much room there is */
		if ((tag == (FIELD_TERMIOS << 3 | 2) && had_modes) ||
		    (tag == (FIELD_WINSIZE << 3 | 2) && had_window))
			return false;
		had_modes |= tag == (FIELD_TERMIOS << 3 | 2);
		had_window |= tag == (FIELD_WINSIZE << 3 | 2);
		value = p;
		if ((tag & 7) == 2)
			p += v;
		if (tag == FIELD_SID << 3 || tag == FIELD_PGRP << 3) {
			put_field(o, tag >> 3, 0);
		} else if (tag == (FIELD_TERMIOS << 3 | 2) && modes) {
			put_modes(o, modes);
		} else if (tag == (FIELD_TERMIOS << 3 | 2)) {
			if (v > 256 || !add_local(o, value, p, local))
				return false;
		} else if (tag == (FIELD_WINSIZE << 3 | 2) && modes) {
			put_window(o, window);
		} else {
			put(o, from, p - from);
		}
	}
	return true;
}

_Static_assert(sizeof(((struct termios *)NULL)->c_cc) % 4 == 0, "four at a time");

uint8_t *tty_image_adopt(const uint8_t *image, size_t len, size_t *new_len,
			 const struct termios *modes, const struct winsize *window,
			 uint32_t local)
{
	struct out o = { 0 };
	size_t at = 8, n = 0;

	if (len < 8 || image_u32(image) != IMAGE_MAGIC ||
	    image_u32(image + 4) != MAGIC_TTY_INFO)
		return NULL;
	/* each message is of 20 bytes at least, or none */
	o.data = malloc(len + GROWTH * (len / 20 + 1));
	if (!o.data)
		return NULL;
	put(&o, image, 8);
	while (at < len) {
		size_t head = o.len;
		uint32_t size;

		if (len - at < 4)
			goto bad;
		size = image_u32(image + at);
		at += 4;
		if (size > len - at || size < 20 || ++n > len / 20)
			goto bad;
		o.len += 4;
		if (!entry(&o, image + at, image + at + size, modes, window, local))
			goto bad;
		at += size;
		size = htole32(o.len - head - 4);
		memcpy(o.data + head, &size, sizeof(size));
	}
	*new_len = o.len;
	return o.data;
bad:
	free(o.data);
	return NULL;
}
