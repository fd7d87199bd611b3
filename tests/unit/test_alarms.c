// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/alarms.c userspace/move/util.c
/* Timers that ring once, in criu's core images. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/alarms.h"

/* Interval and time left of a timer: what criu has of those of a process that sleeps. */
#define NONE	10, 8, 8, 0, 16, 0, 24, 0, 32, 0
#define ONCE	10, 9, 8, 0, 16, 0, 24, 32, 32, 0x80, 1
#define AGAIN	10, 8, 8, 1, 16, 0, 24, 9, 32, 0

#define IMAGE(len, ...) { 0x19, 0x43, 0x56, 0x54, 0x47, 0x38, 0x05, 0x55, (len) + 4, 0, 0, 0, \
	26, (len) + 2, 58, len, __VA_ARGS__ }

/* Of protobuf's tags 10 is field 1; the others are 18 and 26. */
static void renumber(uint8_t *image, size_t len)
{
	uint8_t field = 1;

	for (size_t at = 16; at < len; at += 2 + image[at + 1])
		image[at] = field++ << 3 | 2;
}

TEST(those_that_ring_once_get_an_interval)
{
	uint8_t image[] = IMAGE(32, ONCE, AGAIN, ONCE), was[sizeof(image)];

	renumber(image, sizeof(image));
	memcpy(was, image, sizeof(image));
	CHECK_EQ(alarms_mark(image, sizeof(image)), 1 | 4);
	CHECK_EQ(image[19], 127);
	was[19] = image[19];
	CHECK_EQ(image[16 + 11 + 10 + 3], 127);
	was[16 + 11 + 10 + 3] = 127;
	CHECK(!memcmp(image, was, sizeof(image)));
	CHECK_EQ(alarms_mark(image, sizeof(image)), 0);
}

TEST(what_does_not_ring_or_rings_again_is_left)
{
	uint8_t image[] = IMAGE(30, NONE, AGAIN, NONE), was[sizeof(image)];

	renumber(image, sizeof(image));
	memcpy(was, image, sizeof(image));
	CHECK_EQ(alarms_mark(image, sizeof(image)), 0);
	CHECK(!memcmp(image, was, sizeof(image)));
}

TEST(what_is_cut_off_or_garbled_is_not_believed)
{
	uint8_t image[] = IMAGE(32, ONCE, AGAIN, ONCE), *copy;

	renumber(image, sizeof(image));
	for (size_t n = 0; n < sizeof(image); n++) {
		copy = malloc(n + 1);
		memcpy(copy, image, n);
		CHECK_EQ(alarms_mark(copy, n), -EPROTO);
		free(copy);
	}
	srand(1);
	for (int i = 0; i < 20000; i++) {
		copy = malloc(sizeof(image));
		memcpy(copy, image, sizeof(image));
		copy[rand() % sizeof(image)] = rand();
		alarms_mark(copy, sizeof(image));
		free(copy);
	}
}

TAP_MAIN(T(those_that_ring_once_get_an_interval), T(what_does_not_ring_or_rings_again_is_left),
	 T(what_is_cut_off_or_garbled_is_not_believed))
