// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/libpando/bytes.c
// PKGS: libprotobuf-c
/* Bytes that wait: what goes in comes out, in order, and room is used again. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "pando.h"

TEST(an_empty_one)
{
	struct pando_bytes b = { 0 };

	CHECK_EQ(pando_bytes_left(&b), 0);
	CHECK_EQ(pando_bytes_add(&b, NULL, 0), 0);
	CHECK_EQ(pando_bytes_left(&b), 0);
	pando_bytes_free(&b);
}

/* Against a counter: the n-th byte in is the n-th out. */
TEST(order_is_kept)
{
	struct pando_bytes b = { 0 };
	size_t in = 0, out = 0, highest = 0;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		uint8_t chunk[4096];
		size_t n = rand() % sizeof(chunk), left;

		for (size_t i = 0; i < n; i++)
			chunk[i] = in++ % 251;
		CHECK_EQ(pando_bytes_add(&b, chunk, n), 0);
		left = pando_bytes_left(&b);
		CHECK_EQ(left, in - out);
		/* now and then all of it, else about as much as came */
		n = left > 65536 || !(rand() % 50) ? left : (size_t)rand() % 4096;
		n = n > left ? left : n;
		for (size_t i = 0; i < n; i++)
			if (b.buf[b.off + i] != out++ % 251)
				CHECK(0);
		pando_bytes_take(&b, n);
		highest = b.cap > highest ? b.cap : highest;
	}
	/* what was taken makes room: it does not grow with what went through */
	CHECK(highest < 4 * 65536);
	pando_bytes_free(&b);
}

TEST(room_is_reserved_and_may_stay_unused)
{
	struct pando_bytes b = { 0 };
	uint8_t *to = pando_bytes_reserve(&b, 100);

	CHECK(to && pando_bytes_left(&b) == 0);
	if (!to)
		return;
	memset(to, 7, 100);
	b.len += 10;
	pando_bytes_take(&b, 9);
	to = pando_bytes_reserve(&b, 5000);
	CHECK(to && b.cap - b.len >= 5000 && b.buf[b.off] == 7);
	CHECK_EQ(pando_bytes_left(&b), 1);
	pando_bytes_free(&b);
}

TEST(a_large_one_is_given_back)
{
	struct pando_bytes b = { 0 };

	CHECK(pando_bytes_reserve(&b, 4 << 20) != NULL);
	b.len += 4 << 20;
	pando_bytes_take(&b, 4 << 20);
	CHECK(!b.buf && !b.cap);
	pando_bytes_free(&b);
}

int main(void)
{
	static const struct tap_test tests[] = {
		T(an_empty_one), T(order_is_kept),
		T(room_is_reserved_and_may_stay_unused),
		T(a_large_one_is_given_back),
	};

	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
