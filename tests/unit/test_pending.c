// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/pending.c
/* Pending signals in criu's core images. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/pending.h"

struct buf {
	uint8_t data[2048];
	size_t len;
};

static void varint(struct buf *b, uint64_t v)
{
	do {
		b->data[b->len++] = (v & 127) | (v > 127 ? 128 : 0);
		v >>= 7;
	} while (v);
}

static void number(struct buf *b, unsigned int field, uint64_t v)
{
	varint(b, field << 3);
	varint(b, v);
}

static void message(struct buf *b, unsigned int field, const void *data,
		    size_t len)
{
	varint(b, field << 3 | 2);
	varint(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void queue(struct buf *to, unsigned int field, const int *sig, size_t n)
{
	struct buf q = { .len = 0 };

	for (size_t i = 0; i < n; i++) {
		struct buf entry = { .len = 0 };
		int info[32] = { sig[i], 0, -1 };

		message(&entry, 1, info, sizeof(info));
		message(&q, 1, entry.data, entry.len);
	}
	message(to, field, q.data, q.len);
}

static void put32(struct buf *b, uint32_t v)
{
	memcpy(b->data + b->len, &v, sizeof(v));
	b->len += sizeof(v);
}

/* A task with signals of its own and of its thread, and more around them. */
static void core(struct buf *image, const int *shared, size_t nshared,
		 const int *own, size_t nown)
{
	struct buf task = { .len = 0 }, thread = { .len = 0 }, c = { .len = 0 };
	static const uint8_t eight[8] = { 10 << 3 | 2, 1, 2, 3, 4, 5, 6, 7 };

	number(&task, 1, 1);
	message(&task, 6, "a name", 6);
	queue(&task, 10, shared, nshared);
	number(&task, 13, 1ull << 40);
	varint(&thread, 6 << 3 | 1);
	memcpy(thread.data + thread.len, eight, 8);
	thread.len += 8;
	queue(&thread, 9, own, nown);
	number(&c, 1, 1);
	message(&c, 2, "registers", 9);
	message(&c, 3, task.data, task.len);
	message(&c, 5, thread.data, thread.len);
	image->len = 0;
	put32(image, 0x54564319);
	put32(image, 0x55053847);
	put32(image, c.len);
	memcpy(image->data + image->len, c.data, c.len);
	image->len += c.len;
}

static uint16_t count[PANDO_HOLD_SIGNALS];

static unsigned int total(void)
{
	unsigned int n = 0;

	for (int i = 0; i < PANDO_HOLD_SIGNALS; i++)
		n += count[i];
	return n;
}

TEST(each_queue_is_counted_by_itself)
{
	static const int shared[] = { 10, 34, 34, 64 }, own[] = { 1, 34 };
	struct buf image;

	core(&image, shared, 4, own, 2);
	CHECK_EQ(pending_parse(image.data, image.len, true, count), 0);
	CHECK_EQ(total(), 4);
	CHECK_EQ(count[10 - 1], 1);
	CHECK_EQ(count[34 - 1], 2);
	CHECK_EQ(count[64 - 1], 1);
	CHECK_EQ(pending_parse(image.data, image.len, false, count), 0);
	CHECK_EQ(total(), 2);
	CHECK_EQ(count[1 - 1], 1);
	CHECK_EQ(count[34 - 1], 1);
}

TEST(none_are_none)
{
	struct buf image;

	core(&image, NULL, 0, NULL, 0);
	CHECK_EQ(pending_parse(image.data, image.len, true, count), 0);
	CHECK_EQ(total(), 0);
	/* a task that is only a thread of another has no part 3 */
	image.len = 0;
	put32(&image, 0x54564319);
	put32(&image, 0x55053847);
	put32(&image, 0);
	CHECK_EQ(pending_parse(image.data, image.len, true, count), 0);
	CHECK_EQ(total(), 0);
}

TEST(signals_that_there_are_not)
{
	static const int zero[] = { 0 }, high[] = { 65 };
	struct buf image;

	core(&image, zero, 1, NULL, 0);
	CHECK_EQ(pending_parse(image.data, image.len, true, count), -EPROTO);
	core(&image, high, 1, NULL, 0);
	CHECK_EQ(pending_parse(image.data, image.len, true, count), -EPROTO);
}

TEST(what_is_cut_off_or_garbled_is_not_believed)
{
	static const int shared[] = { 10, 34 };
	struct buf image;
	uint8_t *copy;

	core(&image, shared, 2, shared, 2);
	for (size_t n = 0; n < image.len; n++) {
		/* exactly as large, for who looks beyond */
		copy = malloc(n + 1);
		memcpy(copy, image.data, n);
		CHECK_EQ(pending_parse(copy, n, true, count), -EPROTO);
		free(copy);
	}
	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct buf bad = image;

		bad.data[rand() % bad.len] = rand();
		pending_parse(bad.data, bad.len, i & 1, count);
	}
}

TAP_MAIN(T(each_queue_is_counted_by_itself), T(none_are_none),
	 T(signals_that_there_are_not),
	 T(what_is_cut_off_or_garbled_is_not_believed))
