// SPDX-License-Identifier: GPL-2.0-only
/*
 * A core image is two magic numbers and one message with its u32 length before
 * it. Of it only the queues of pending signals matter: a message (10 in the
 * task's, 9 in the thread's) of which each field 1 is a message whose field 1 is
 * a siginfo, as the kernel has it. As in pagemap.c the parser believes nothing.
 */
#include <errno.h>
#include <string.h>

#include "image.h"
#include "pending.h"

#define MAGIC_CORE	0x55053847u
#define CORE_TASK	3
#define CORE_THREAD	5
#define TASK_SIGNALS	10
#define THREAD_SIGNALS	9

struct part {
	const uint8_t *p, *end;
};

/* The next field of @in that is a message of that number: 1, 0 or -EPROTO. */
static int next(struct part *in, unsigned int number, struct part *out)
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
		*out = (struct part){ in->p, in->p + v };
		in->p += v;
		if (tag >> 3 == number && (tag & 7) == 2)
			return 1;
	}
	return 0;
}

int pending_parse(const uint8_t *image, size_t len, bool shared,
		  uint16_t count[PANDO_HOLD_SIGNALS])
{
	struct part core, inner, queue, entry, info;
	int ret;

	memset(count, 0, PANDO_HOLD_SIGNALS * sizeof(*count));
	if (len < 12 || image_u32(image) != IMAGE_MAGIC ||
	    image_u32(image + 4) != MAGIC_CORE ||
	    image_u32(image + 8) > len - 12)
		return -EPROTO;
	core = (struct part){ image + 12, image + 12 + image_u32(image + 8) };
	ret = next(&core, shared ? CORE_TASK : CORE_THREAD, &inner);
	if (ret > 0)
		ret = next(&inner, shared ? TASK_SIGNALS : THREAD_SIGNALS,
			   &queue);
	while (ret > 0 && (ret = next(&queue, 1, &entry)) > 0) {
		uint32_t sig;

		if (next(&entry, 1, &info) != 1 || info.end - info.p < 4)
			return -EPROTO;
		sig = image_u32(info.p);
		if (!sig || sig > PANDO_HOLD_SIGNALS)
			return -EPROTO;
		count[sig - 1]++;
	}
	return ret;
}
