// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/pandod/message.c
/* What daemons tell their group: cut off anywhere, and noise. */
#include <stdlib.h>

#include "message.h"
#include "tap.h"

TEST(message_garbage)
{
	static struct sync sync = { .self = { .id = 3, .name = "n" } };
	struct message m = { .type = MESSAGE_SYNC, .sync = &sync }, out;
	uint64_t seed = 7;
	uint8_t *bytes, noise[64];
	size_t len;

	sync.lineage.lease[7] = (struct lease){ 1, 2, 0, 99 };
	bytes = message_encode(&m, &len);
	CHECK(!message_decode(bytes, len, &out));
	CHECK_EQ(out.sync->lineage.lease[7].incarnation, 99);
	message_free(&out);
	for (size_t n = 0; n < len; n++)
		CHECK(message_decode(bytes, n, &out) < 0);
	bytes[1]++;
	CHECK(message_decode(bytes, len, &out) < 0);
	free(bytes);
	for (int i = 0; i < 100000; i++) {
		size_t n = tap_random(&seed) % (sizeof(noise) + 1);

		for (size_t j = 0; j < n; j++)
			noise[j] = tap_random(&seed);
		noise[0] = tap_random(&seed) % 11;
		noise[1] = MESSAGE_VERSION;
		if (!message_decode(noise, n, &out))
			message_free(&out);
	}
}

TAP_MAIN(T(message_garbage))
