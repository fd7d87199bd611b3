// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of a core image only the queues of pending signals matter: a message (10 in the
 * task's, 9 in the thread's) of which each field 1 is a message whose field 1 is
 * a siginfo, as the kernel has it. As in pagemap.c the parser believes nothing.
 */
#include <errno.h>
#include <string.h>

#include "image.h"
#include "pending.h"

#define TASK_SIGNALS	10
#define THREAD_SIGNALS	9

int pending_parse(const uint8_t *image, size_t len, bool shared,
		  uint16_t count[PANDO_HOLD_SIGNALS])
{
	struct image_part core, inner, queue, entry, info;
	int ret;

	memset(count, 0, PANDO_HOLD_SIGNALS * sizeof(*count));
	if (!image_core(image, len, &core))
		return -EPROTO;
	ret = image_next(&core, shared ? CORE_TASK : CORE_THREAD, &inner);
	if (ret > 0)
		ret = image_next(&inner, shared ? TASK_SIGNALS : THREAD_SIGNALS,
			   &queue);
	while (ret > 0 && (ret = image_next(&queue, 1, &entry)) > 0) {
		uint32_t sig;

		if (image_next(&entry, 1, &info) != 1 || info.end - info.p < 4)
			return -EPROTO;
		sig = image_u32(info.p);
		if (!sig || sig > PANDO_HOLD_SIGNALS)
			return -EPROTO;
		count[sig - 1]++;
	}
	return ret;
}
