// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/sysv_image.c
/* SysV shared memory in criu's images: made so that criu attaches what is there. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tap.h"
#include "../../userspace/move/sysv_image.h"

#define REGULAR		1u
#define ANON_SHARED	(1u << 8)
#define SYSVIPC		(1u << 10)
#define MINUS_ONE	1u	/* zigzag */

struct buf {
	uint8_t data[4096];
	size_t len;
};

static void varint(struct buf *b, uint64_t v)
{
	for (; v > 127; v >>= 7)
		b->data[b->len++] = v | 128;
	b->data[b->len++] = v;
}

static void number(struct buf *b, unsigned int field, uint64_t v)
{
	varint(b, field << 3);
	varint(b, v);
}

static void message(struct buf *b, unsigned int field, const struct buf *m)
{
	varint(b, field << 3 | 2);
	varint(b, m->len);
	memcpy(b->data + b->len, m->data, m->len);
	b->len += m->len;
}

static struct buf image(uint32_t magic, const struct buf *m)
{
	uint32_t head[3] = { 0x54564319, magic, m->len };
	struct buf b = { .len = sizeof(head) };

	memcpy(b.data, head, sizeof(head));
	memcpy(b.data + b.len, m->data, m->len);
	b.len += m->len;
	return b;
}

/* It has no magic number of all images. */
static struct buf inventory(const struct buf *m)
{
	struct buf b = image(0x58313116, m);

	b.len -= 4;
	memmove(b.data, b.data + 4, b.len);
	return b;
}

struct vma {
	uint64_t start, end, pgoff, shmid, prot, status, fd, fdflags;
};

static void vma(struct buf *mm, struct vma v)
{
	struct buf b = { 0 };

	number(&b, 1, v.start);
	number(&b, 2, v.end);
	number(&b, 3, v.pgoff);
	number(&b, 4, v.shmid);
	number(&b, 5, v.prot);
	number(&b, 6, MAP_SHARED | MAP_ANONYMOUS);
	number(&b, 7, v.status);
	number(&b, 8, v.fd);
	number(&b, 10, v.fdflags);
	message(mm, 14, &b);
}

static const uint32_t made[] = { 7, 98305 };

static uint8_t *adopt(const struct buf *b, size_t *len)
{
	/* exactly as long as it is: who reads behind it is seen */
	uint8_t *image = malloc(b->len), *new;

	memcpy(image, b->data, b->len);
	new = sysv_mm_adopt(image, b->len, made, 2, len);
	free(image);
	return new;
}

#define RW	(PROT_READ | PROT_WRITE)

TEST(the_first_mapping_of_an_attach_says_what_to_attach)
{
	struct buf was = { 0 }, want = { 0 }, in, out;
	uint8_t *new;
	size_t len;

	number(&was, 1, 0x400000);
	number(&want, 1, 0x400000);
	/* attached for writing, of which a part is protected */
	vma(&was, (struct vma){ 0x1000, 0x3000, 0, 98305, RW,
		REGULAR | ANON_SHARED | SYSVIPC, MINUS_ONE, 2 });
	vma(&want, (struct vma){ 0x1000, 0x3000, 0, 98305, RW | PROT_EXEC,
		REGULAR | SYSVIPC, 2 * 98305, 2 });
	vma(&was, (struct vma){ 0x3000, 0x4000, 0x2000, 98305, PROT_READ,
		REGULAR | ANON_SHARED | SYSVIPC, MINUS_ONE, 2 });
	vma(&want, (struct vma){ 0x3000, 0x4000, 0x2000, 98305, PROT_READ,
		REGULAR | SYSVIPC, 2 * 0x7fffffffull, 2 });
	/* for reading */
	vma(&was, (struct vma){ 0x8000, 0x9000, 0, 7, PROT_READ,
		REGULAR | ANON_SHARED | SYSVIPC, MINUS_ONE, 0 });
	vma(&want, (struct vma){ 0x8000, 0x9000, 0, 7, PROT_READ,
		REGULAR | SYSVIPC, 14, 0 });
	/* no segment at all */
	vma(&was, (struct vma){ 0xa000, 0xb000, 0, 7, RW, REGULAR | ANON_SHARED,
		MINUS_ONE, 2 });
	vma(&want, (struct vma){ 0xa000, 0xb000, 0, 7, RW, REGULAR | ANON_SHARED,
		MINUS_ONE, 2 });
	number(&was, 15, 1);
	number(&want, 15, 1);
	in = image(0x57492820, &was);
	out = image(0x57492820, &want);
	new = adopt(&in, &len);
	CHECK(new && len == out.len && !memcmp(new, out.data, len));
	free(new);
	for (size_t n = 0; n < in.len; n++)
		free(sysv_mm_adopt(in.data, n, made, 2, &len));
	for (size_t n = 12; n < in.len; n++) {
		struct buf bad = in;

		bad.data[n] ^= 0x81;
		free(adopt(&bad, &len));
	}
	CHECK(!sysv_mm_adopt(in.data, in.len - 1, made, 2, &len));
}

TEST(only_what_was_made_is_attached)
{
	struct buf mm = { 0 }, in;
	uint8_t *new;
	size_t len;

	vma(&mm, (struct vma){ 0x1000, 0x3000, 0, 7, RW,
		REGULAR | ANON_SHARED | SYSVIPC, MINUS_ONE, 2 });
	in = image(0x57492820, &mm);
	new = sysv_mm_adopt(in.data, in.len, made, 1, &len);
	CHECK(new);
	free(new);
	CHECK(!sysv_mm_adopt(in.data, in.len, made, 0, &len));
	CHECK(!sysv_mm_adopt(in.data, in.len, made + 1, 1, &len));
	vma(&mm, (struct vma){ 0x5000, 0x6000, 0x1000, (1ull << 32) + 7, RW,
		REGULAR | ANON_SHARED | SYSVIPC, MINUS_ONE, 2 });
	in = image(0x57492820, &mm);
	CHECK(!adopt(&in, &len));
}

static void repeated(unsigned int field, unsigned int times, bool data)
{
	static const struct buf empty;
	struct buf mm = { 0 }, in, b = { 0 };
	size_t len;

	number(&b, 1, 0x1000);
	number(&b, 2, 0x3000);
	number(&b, 4, 98305);
	number(&b, 7, REGULAR | SYSVIPC);
	while (times--) {
		if (data)
			message(&b, field, &empty);
		else
			number(&b, field, field == 7 ? REGULAR | SYSVIPC : 1);
	}
	message(&mm, 14, &b);
	in = image(0x57492820, &mm);
	CHECK(!adopt(&in, &len));
}

TEST(a_field_is_there_once)
{
	static const unsigned int fields[] = { 5, 7, 8 };

	for (size_t i = 0; i < 3; i++) {
		/* each becomes longer, and all of them were once read well */
		repeated(fields[i], 2, false);
		repeated(fields[i], 300, false);
		repeated(fields[i], 1, true);
		repeated(fields[i], 480, true);
	}
}

TEST(the_namespace_is_criu_s_own)
{
	struct buf ids = { 0 }, inner = { 0 }, was = { 0 }, in, img, want = { 0 };
	size_t len;
	uint8_t *new;

	number(&ids, 1, 5);
	number(&ids, 7, 300);
	number(&ids, 8, 4);
	img = image(0x54432030, &ids);
	number(&inner, 1, 9);
	number(&inner, 7, 2);
	number(&inner, 8, 4);
	number(&was, 1, 1);
	message(&was, 3, &inner);
	number(&was, 4, 1);
	in = inventory(&was);
	new = sysv_inventory_adopt(in.data, in.len, img.data, img.len, &len);
	inner.len = 0;
	number(&inner, 1, 9);
	number(&inner, 8, 4);
	number(&inner, 7, 300);
	number(&want, 1, 1);
	message(&want, 3, &inner);
	number(&want, 4, 1);
	was = inventory(&want);
	CHECK(new && len == was.len && !memcmp(new, was.data, len));
	free(new);
	for (size_t n = 0; n < in.len; n++)
		CHECK(!sysv_inventory_adopt(in.data, n, img.data, img.len, &len));
	for (size_t n = 0; n < img.len; n++)
		CHECK(!sysv_inventory_adopt(in.data, in.len, img.data, n, &len));
}

TAP_MAIN(T(the_first_mapping_of_an_attach_says_what_to_attach),
	 T(only_what_was_made_is_attached), T(a_field_is_there_once),
	 T(the_namespace_is_criu_s_own))
