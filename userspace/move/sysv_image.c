// SPDX-License-Identifier: GPL-2.0-only
/*
 * mm-PID.img is two magic numbers and one message with its u32 length before it,
 * in which each field 14 is a mapping. inventory.img has but the second of the
 * magic numbers; field 3 of its message are the ids of what criu itself had. As in
 * pagemap.c the encoding is public and small, and the parser believes nothing.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "image.h"
#include "sysv_image.h"

#define MAGIC_MM	0x57492820u
#define MAGIC_INVENTORY	0x58313116u
#define MAGIC_IDS	0x54432030u
#define HEAD		12
#define INVENTORY_HEAD	8

#define MM_VMA		14
#define INVENTORY_IDS	3
#define IDS_IPC		7

/* of a mapping */
enum { VMA_PGOFF = 3, VMA_SHMID, VMA_PROT, VMA_FLAGS, VMA_STATUS, VMA_FD,
       VMA_MADV, VMA_FDFLAGS, VMA_FIELDS };
#define STATUS_ANON_SHARED	(1u << 8)	/* its memory is criu's business */
#define STATUS_SYSVIPC		(1u << 10)
/* criu's for "attached with the mapping before" */
#define FD_SKIP			0x7fffffffu
#define FD_READ_ONLY		0u
#define GROWS			32	/* bytes of a mapping, at most */

struct field {
	uint32_t number;
	uint64_t value;			/* of a number */
	const uint8_t *at, *data, *end;	/* all of it; what a message holds */
};

/* The next one: 1, 0 at the end, -1. */
static int next(const uint8_t **p, const uint8_t *end, struct field *f)
{
	uint64_t tag, v;

	if (*p == end)
		return 0;
	f->at = *p;
	if (!image_varint(p, end, &tag) || tag >> 3 > UINT32_MAX)
		return -1;
	f->number = tag >> 3;
	f->data = f->end = NULL;
	switch (tag & 7) {
	case 0:
		return image_varint(p, end, &f->value) ? 1 : -1;
	case 1:
	case 5:
		v = tag & 4 ? 4 : 8;
		if (v > (uint64_t)(end - *p))
			return -1;
		*p += v;
		f->number = 0;		/* none that is of interest */
		return 1;
	case 2:
		if (!image_varint(p, end, &v) || v > (uint64_t)(end - *p))
			return -1;
		f->data = *p;
		*p += v;
		f->end = *p;
		return 1;
	}
	return -1;
}

static bool open_image(const uint8_t *image, size_t len, size_t head,
		       uint32_t magic, const uint8_t **p, const uint8_t **end)
{
	if (len < head || (head == HEAD && image_u32(image) != IMAGE_MAGIC) ||
	    image_u32(image + head - 8) != magic ||
	    image_u32(image + head - 4) > len - head)
		return false;
	*p = image + head;
	*end = *p + image_u32(image + head - 4);
	return true;
}

/* --- writing --------------------------------------------------------------------*/

struct out {
	uint8_t *data;
	size_t len;
};

static void put(struct out *o, const uint8_t *from, const uint8_t *to)
{
	memcpy(o->data + o->len, from, to - from);
	o->len += to - from;
}

static void put_varint(struct out *o, uint64_t v)
{
	for (; v > 127; v >>= 7)
		o->data[o->len++] = v | 128;
	o->data[o->len++] = v;
}

static void put_number(struct out *o, uint32_t number, uint64_t v)
{
	put_varint(o, number << 3);
	put_varint(o, v);
}

/* The message itself is all that an image of these kinds has behind its head. */
static uint8_t *close_image(struct out *o, size_t head, size_t *len)
{
	uint32_t size = htole32(o->len - head);

	memcpy(o->data + head - 4, &size, sizeof(size));
	*len = o->len;
	return o->data;
}

/* --- mappings --------------------------------------------------------------------*/

/* All that is known of one are numbers, and each is there once. */
static bool read_vma(const uint8_t *p, const uint8_t *end,
		     uint64_t v[VMA_FIELDS])
{
	uint32_t seen = 0;
	struct field f;
	int ret;

	memset(v, 0, VMA_FIELDS * sizeof(*v));
	/* where it is not told, what was asked for is more than enough */
	v[VMA_FDFLAGS] = UINT64_MAX;
	while ((ret = next(&p, end, &f)) > 0) {
		if (!f.number || f.number >= VMA_FIELDS)
			continue;
		if (f.data || seen >> f.number & 1)
			return false;
		seen |= 1u << f.number;
		v[f.number] = f.value;
	}
	return !ret;
}

/*
 * Without ANON_SHARED nobody in criu looks for who else has it, and its restorer
 * attaches by the descriptor in the image; for writing, if the mapping can be
 * executed.
 */
static bool put_vma(struct out *o, const struct field *vma,
		    const uint64_t v[VMA_FIELDS])
{
	bool first = !v[VMA_PGOFF];
	const uint8_t *p = vma->data;
	uint8_t buf[1024];
	struct out in = { buf, 0 };
	struct field f;

	while (next(&p, vma->end, &f) > 0) {
		if (in.len + (p - f.at) + 16 > sizeof(buf))
			return false;
		switch (f.number) {
		case VMA_PROT:
			put_number(&in, VMA_PROT, first &&
				   v[VMA_FDFLAGS] != FD_READ_ONLY ?
				   v[VMA_PROT] | PROT_EXEC : v[VMA_PROT]);
			break;
		case VMA_STATUS:
			put_number(&in, VMA_STATUS,
				   v[VMA_STATUS] & ~STATUS_ANON_SHARED);
			break;
		case VMA_FD:
			/* zigzag */
			put_number(&in, VMA_FD, 2 * (first ? v[VMA_SHMID] :
						     (uint64_t)FD_SKIP));
			break;
		default:
			put(&in, f.at, p);
		}
	}
	put_varint(o, MM_VMA << 3 | 2);
	put_varint(o, in.len);
	put(o, buf, buf + in.len);
	return true;
}

static bool is_among(uint64_t id, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

uint8_t *sysv_mm_adopt(const uint8_t *image, size_t len, const uint32_t *ids,
		       size_t n, size_t *new_len)
{
	const uint8_t *p, *end, *start;
	uint64_t v[VMA_FIELDS];
	struct field f;
	struct out o = { 0 };
	size_t room = len;
	int ret;

	if (!open_image(image, len, HEAD, MAGIC_MM, &p, &end))
		return NULL;
	start = p;
	while ((ret = next(&p, end, &f)) > 0) {
		if (f.number != MM_VMA || !f.data)
			continue;
		if (!read_vma(f.data, f.end, v))
			return NULL;
		if (!(v[VMA_STATUS] & STATUS_SYSVIPC))
			continue;
		/* and what it grows by has room in put_vma() */
		if (f.end - f.data > 1024 - GROWS ||
		    !is_among(v[VMA_SHMID], ids, n))
			return NULL;
		room += GROWS;
	}
	if (ret)
		return NULL;
	o.data = malloc(room);
	if (!o.data)
		return NULL;
	put(&o, image, image + HEAD);
	for (p = start; next(&p, end, &f) > 0;) {
		if (f.number != MM_VMA || !f.data ||
		    !read_vma(f.data, f.end, v) ||
		    !(v[VMA_STATUS] & STATUS_SYSVIPC)) {
			put(&o, f.at, p);
		} else if (!put_vma(&o, &f, v)) {
			free(o.data);
			return NULL;
		}
	}
	return close_image(&o, HEAD, new_len);
}

/* --- namespaces ------------------------------------------------------------------*/

static uint8_t *put_inventory(const uint8_t *image, size_t len,
			      const uint8_t *p, const uint8_t *end,
			      uint64_t ipc, size_t *new_len)
{
	/* one number changes, and the length before it */
	struct out o = { malloc(len + GROWS), 0 }, in = { malloc(len + GROWS), 0 };
	struct field f, id;
	int ret;

	if (!o.data || !in.data)
		goto bad;
	put(&o, image, image + INVENTORY_HEAD);
	while ((ret = next(&p, end, &f)) > 0) {
		const uint8_t *q = f.data;

		if (f.number != INVENTORY_IDS || !f.data) {
			put(&o, f.at, p);
			continue;
		}
		if (in.len)
			goto bad;
		while ((ret = next(&q, f.end, &id)) > 0) {
			if (id.number == IDS_IPC && !id.data)
				continue;
			put(&in, id.at, q);
		}
		if (ret)
			goto bad;
		put_number(&in, IDS_IPC, ipc);
		put_varint(&o, INVENTORY_IDS << 3 | 2);
		put_varint(&o, in.len);
		put(&o, in.data, in.data + in.len);
	}
	if (ret || !in.len)
		goto bad;
	free(in.data);
	return close_image(&o, INVENTORY_HEAD, new_len);
bad:
	free(o.data);
	free(in.data);
	return NULL;
}

uint8_t *sysv_inventory_adopt(const uint8_t *image, size_t len,
			      const uint8_t *ids, size_t ids_len,
			      size_t *new_len)
{
	const uint8_t *p, *end;
	struct field f;
	uint64_t ipc = 0;
	int ret;

	if (!open_image(ids, ids_len, HEAD, MAGIC_IDS, &p, &end))
		return NULL;
	while ((ret = next(&p, end, &f)) > 0)
		if (f.number == IDS_IPC && !f.data)
			ipc = f.value;
	if (ret || !ipc || ipc > UINT32_MAX ||
	    !open_image(image, len, INVENTORY_HEAD, MAGIC_INVENTORY, &p, &end))
		return NULL;
	return put_inventory(image, len, p, end, ipc, new_len);
}
