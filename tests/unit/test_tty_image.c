// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/tty_image.c
/* criu's tty-info image: terminals lose their session, and get other modes. */
#include <asm/ioctls.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/tty_image.h"

static uint8_t image[4096];
static size_t len;

static void put32(uint32_t v)
{
	memcpy(image + len, &v, sizeof(v));
	len += sizeof(v);
}

static size_t varint(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	do {
		p[n++] = (v & 127) | (v > 127 ? 128 : 0);
		v >>= 7;
	} while (v);
	return n;
}

static size_t field(uint8_t *p, int number, uint64_t v)
{
	size_t n = varint(p, number << 3);

	return n + varint(p + n, v);
}

static size_t modes(uint8_t *p, uint32_t local)
{
	uint8_t in[256];
	size_t n = 0, at;

	for (int i = 1; i <= 7; i++)
		n += field(in + n, i, i == 4 ? local : 1000u + i);
	for (int i = 0; i < 19; i++)
		n += field(in + n, 8, 200 + i);
	at = varint(p, 9 << 3 | 2);
	at += varint(p + at, n);
	memcpy(p + at, in, n);
	return at + n;
}

/* A terminal as criu describes it: session, group, local modes, rows and columns. */
static void terminal(uint32_t sid, uint32_t pgrp, uint32_t local, int rows, int cols)
{
	uint8_t buf[512], in[64];
	size_t n = 0, m = 0;

	for (int i = 1; i <= 5; i++)
		n += field(buf + n, i, i);
	n += field(buf + n, 6, sid);
	n += field(buf + n, 7, pgrp);
	n += field(buf + n, 8, 0x8803);
	n += modes(buf + n, local);
	m += field(in, 1, rows);
	m += field(in + m, 2, cols);
	m += field(in + m, 3, 0);
	m += field(in + m, 4, 0);
	n += varint(buf + n, 11 << 3 | 2);
	n += varint(buf + n, m);
	memcpy(buf + n, in, m);
	n += m;
	put32(n);
	memcpy(image + len, buf, n);
	len += n;
}

static void start(void)
{
	len = 0;
	put32(0x54564319);
	put32(0x59453036);
}

static uint64_t take(const uint8_t **p)
{
	uint64_t v = 0;

	for (int shift = 0; ; shift += 7) {
		v |= (uint64_t)(**p & 127) << shift;
		if (!(*(*p)++ & 128))
			return v;
	}
}

/* The @nth of field @number in a message, within @within of it if that is not 0. */
static long get(const uint8_t *p, const uint8_t *end, int within, int number, int nth)
{
	while (p < end) {
		uint64_t tag = take(&p), v = take(&p);

		if ((tag & 7) == 2 && within && tag >> 3 == (unsigned int)within)
			return get(p, p + v, 0, number, nth);
		if ((tag & 7) == 2)
			p += v;
		else if (!within && tag >> 3 == (unsigned int)number && !nth--)
			return v;
	}
	return -1;
}

static long first(const uint8_t *new, int within, int number, int nth)
{
	uint32_t size;

	memcpy(&size, new + 8, sizeof(size));
	return get(new + 12, new + 12 + size, within, number, nth);
}

TEST(a_new_one_keeps_its_modes)
{
	uint8_t *new;
	size_t n = 0;

	start();
	terminal(70001, 70002, 0x8a3b, 40, 132);
	terminal(70001, 70002, 0x8a3b, 40, 132);
	new = tty_image_adopt(image, len, &n, NULL, NULL, EXTPROC);
	CHECK(new && n > 0);
	if (!new)
		return;
	CHECK_EQ(first(new, 0, 6, 0), 0);
	CHECK_EQ(first(new, 0, 7, 0), 0);
	CHECK_EQ(first(new, 0, 8, 0), 0x8803);
	CHECK_EQ(first(new, 9, 1, 0), 1001);
	CHECK_EQ(first(new, 9, 4, 0), 0x8a3b | EXTPROC);
	CHECK_EQ(first(new, 9, 8, 18), 218);
	CHECK_EQ(first(new, 11, 2, 0), 132);
	free(new);
}

TEST(at_home_it_finds_what_is_there)
{
	struct termios t = { .c_iflag = 5, .c_oflag = 6, .c_cflag = 7, .c_lflag = 8 };
	struct winsize w = { .ws_row = 300, .ws_col = 9 };
	uint8_t *new;
	size_t n = 0;

	/* criu has them four in a number */
	t.c_cc[VEOF] = 4;
	t.c_cc[VTIME] = 7;
	t.c_cc[18] = 255;
	start();
	terminal(70001, 70002, 0x18a3b, 40, 132);
	new = tty_image_adopt(image, len, &n, &t, &w, 0);
	CHECK(new != NULL);
	if (!new)
		return;
	for (int i = 1; i <= 4; i++)
		CHECK_EQ(first(new, 9, i, 0), 4 + i);
	CHECK_EQ(first(new, 9, 8, 0), 0);
	CHECK_EQ(first(new, 9, 8, 1), 7 << 8 | 4);
	CHECK_EQ(first(new, 9, 8, 4), 255 << 16);
	CHECK(first(new, 9, 8, 18) == 0 && first(new, 9, 8, 19) == -1);
	CHECK_EQ(first(new, 11, 1, 0), 300);
	CHECK_EQ(first(new, 11, 2, 0), 9);
	CHECK_EQ(first(new, 0, 6, 0), 0);
	free(new);
}

TEST(garbage_is_refused)
{
	struct termios t = { 0 };
	struct winsize w = { 0 };
	size_t n, whole;

	start();
	terminal(70001, 70002, 0x8a3b, 40, 132);
	whole = len;
	for (size_t cut = 0; cut < whole; cut++) {
		uint8_t *copy = malloc(cut + 1), *new;

		memcpy(copy, image, cut);
		new = tty_image_adopt(copy, cut, &n, NULL, NULL, EXTPROC);
		CHECK_EQ(!!new, cut == 8);
		free(new);
		free(copy);
	}
	/* every bit, and the sanitizers look on */
	for (size_t bit = 0; bit < whole * 8; bit++) {
		image[bit / 8] ^= 1 << bit % 8;
		free(tty_image_adopt(image, whole, &n, NULL, NULL, EXTPROC));
		free(tty_image_adopt(image, whole, &n, &t, &w, 0));
		image[bit / 8] ^= 1 << bit % 8;
	}
	/* modes without end */
	start();
	put32(2000);
	for (int i = 0; i < 1000; i++) {
		image[len++] = 9 << 3 | 2;
		image[len++] = 0;
	}
	CHECK(!tty_image_adopt(image, len, &n, &t, &w, 0));
}

TAP_MAIN(T(a_new_one_keeps_its_modes), T(at_home_it_finds_what_is_there),
	 T(garbage_is_refused))
