// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the task's message of a core image field 7 has the three interval timers, each a
 * message of four numbers: interval and time left, seconds and microseconds. They are
 * always there, so a byte that is zero becomes another, and nothing grows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alarms.h"
#include "image.h"

#define CORE_MAX	(16u << 20)
#define TASK_TIMERS	7
#define TIMERS		3	/* real, virtual, profiling, as setitimer() counts them */
#define SOME_INTERVAL	127	/* s: longer than it stands before it is taken away */

/* No interval, and time left? Then it is given one. */
static bool mark(uint8_t *p, size_t len)
{
	static const uint8_t none[] = { 1 << 3, 0, 2 << 3, 0, 3 << 3 };
	const uint8_t *at = p + sizeof(none), *end = p + len;
	uint64_t s, tag, us;

	if (len <= sizeof(none) || memcmp(p, none, sizeof(none)) ||
	    !image_varint(&at, end, &s) || !image_varint(&at, end, &tag) || tag != 4 << 3 ||
	    !image_varint(&at, end, &us) || !(s || us))
		return false;
	p[1] = SOME_INTERVAL;
	return true;
}

int alarms_mark(uint8_t *image, size_t len)
{
	struct image_part core, task, timers, timer;
	int ret, bits = 0;

	if (!image_core(image, len, &core))
		return -EPROTO;
	ret = image_next(&core, CORE_TASK, &task);
	if (ret > 0)
		ret = image_next(&task, TASK_TIMERS, &timers);
	for (int i = 0; ret > 0 && i < TIMERS; i++) {
		struct image_part all = timers;

		ret = image_next(&all, i + 1, &timer);
		if (ret > 0 && mark(image + (timer.p - image), timer.end - timer.p))
			bits |= 1 << i;
	}
	return ret < 0 ? ret : bits;
}

int alarms_keep(struct move *m, uint32_t pid)
{
	struct stat st;
	uint8_t *buf;
	char name[32];
	int fd, ret;

	snprintf(name, sizeof(name), "core-%u.img", pid);
	fd = openat(m->dir, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size > CORE_MAX) {
		if (fd >= 0)
			close(fd);
		return move_fail(m, "the source sent no %s", name);
	}
	buf = xcalloc(1, st.st_size + 1);
	ret = pread(fd, buf, st.st_size, 0) == st.st_size ? alarms_mark(buf, st.st_size) : -EIO;
	if (ret > 0 && pwrite(fd, buf, st.st_size, 0) != st.st_size)
		ret = -EIO;
	close(fd);
	free(buf);
	return ret < 0 ? move_fail(m, "%s cannot be read: %s", name, strerror(-ret)) : ret;
}
