// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/libpando/auth.c
// LINK: build/userspace/gen/pando.pb-c.c
// LIBS: -lgcrypt -lpthread
// PKGS: libprotobuf-c
/*
 * Somebody between two daemons, or instead of one, who does not have the key:
 * plays back what was heard, changes bits, guesses. Nobody may let them in.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pando.h"
#include "tap.h"

#define HELLO	40	/* from the initiator; then the acceptor's ANSWER */
#define ANSWER	64
#define PROOF	32	/* from the initiator; then one byte: accepted */
#define NONCE	32

struct side {
	pthread_t thread;
	int sock, far;		/* its end, and ours */
	bool initiator;
	int ret;
};

static uint64_t seed = 1;

static void *run(void *data)
{
	struct side *s = data;

	s->ret = pando_auth(s->sock, s->initiator, "secret", 6, "c", 2000);
	close(s->sock);
	return NULL;
}

static void begin(struct side *s, bool initiator)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		exit(1);
	*s = (struct side){ .sock = pair[0], .far = pair[1],
			    .initiator = initiator, .ret = 1 };
	if (pthread_create(&s->thread, NULL, run, s))
		exit(1);
}

/* What it came to: 0 if somebody was let in. */
static int end(struct side *s)
{
	close(s->far);
	pthread_join(s->thread, NULL);
	return s->ret;
}

static bool hear(struct side *s, void *buf, size_t n)
{
	return recv(s->far, buf, n, MSG_WAITALL) == (ssize_t)n;
}

static void tell(struct side *s, const void *buf, size_t n)
{
	send(s->far, buf, n, MSG_NOSIGNAL);
}

static void noise(uint8_t *p, size_t n)
{
	while (n--)
		*p++ = tap_random(&seed);
}

/* What was said between two who know each other. */
struct heard {
	uint8_t hello[HELLO], answer[ANSWER], proof[PROOF], accepted;
};

/*
 * In the middle: passes on what they say, but for one bit of it. Returns
 * whether the last byte came through.
 */
static bool between(struct side *x, struct side *y, struct heard *h, int bit)
{
	uint8_t *part[] = { h->hello, h->answer, h->proof, &h->accepted };
	const size_t size[] = { HELLO, ANSWER, PROOF, 1 };
	int i;

	for (i = 0; i < 4; i++) {
		if (!hear(i % 2 ? y : x, part[i], size[i]))
			return false;
		if (bit >= 0 && bit < 8 * (int)size[i])
			part[i][bit / 8] ^= 1 << bit % 8;
		bit -= 8 * size[i];
		tell(i % 2 ? x : y, part[i], size[i]);
	}
	return true;
}

static void listen_in(struct heard *h)
{
	struct side x, y;

	begin(&x, true);
	begin(&y, false);
	CHECK(between(&x, &y, h, -1));
	CHECK_EQ(end(&x), 0);
	CHECK_EQ(end(&y), 0);
}

TEST(every_bit_counts)
{
	struct heard h;
	int bit;

	for (bit = 0; bit < 8 * (HELLO + ANSWER + PROOF); bit++) {
		struct side x, y;
		int ret;

		begin(&x, true);
		begin(&y, false);
		between(&x, &y, &h, bit);
		ret = end(&y);
		/* who is accepted knows it, and nobody is taken for another */
		if (!end(&x) || !ret)
			tap_bad(__FILE__, __LINE__, "a changed bit was accepted");
	}
}

TEST(played_back_to_the_acceptor)
{
	uint8_t answer[ANSWER];
	struct heard h;
	struct side y;

	listen_in(&h);
	begin(&y, false);
	tell(&y, h.hello, HELLO);
	CHECK(hear(&y, answer, ANSWER));
	CHECK(memcmp(answer, h.answer, NONCE));
	tell(&y, h.proof, PROOF);
	CHECK_EQ(end(&y), -EACCES);
}

TEST(played_back_to_the_initiator)
{
	uint8_t hello[HELLO], byte;
	struct heard h;
	struct side x;

	listen_in(&h);
	begin(&x, true);
	CHECK(hear(&x, hello, HELLO));
	CHECK(memcmp(hello, h.hello, HELLO));
	tell(&x, h.answer, ANSWER);
	/* no proof is shown to who has none */
	CHECK(!hear(&x, &byte, 1));
	CHECK_EQ(end(&x), -EACCES);
}

/* Its own words, from it or from another of its kind, are no proof. */
TEST(mirrored)
{
	uint8_t answer[ANSWER], other[ANSWER], hello[HELLO];
	struct side y, z;

	begin(&y, false);
	noise(hello, HELLO);
	memcpy(hello, "PANDO-1", 8);
	tell(&y, hello, HELLO);
	CHECK(hear(&y, answer, ANSWER));
	/* asked for the same nonces, another acceptor proves the other way */
	begin(&z, false);
	memcpy(hello + 8, answer, NONCE);
	tell(&z, hello, HELLO);
	CHECK(hear(&z, other, ANSWER));
	tell(&y, other + NONCE, PROOF);
	CHECK_EQ(end(&y), -EACCES);
	tell(&z, answer + NONCE, PROOF);
	CHECK_EQ(end(&z), -EACCES);
	begin(&y, false);
	tell(&y, hello, HELLO);
	CHECK(hear(&y, answer, ANSWER));
	tell(&y, answer + NONCE, PROOF);
	CHECK_EQ(end(&y), -EACCES);
}

/* Two initiators, told each other's hello as an answer. */
TEST(initiators_among_themselves)
{
	uint8_t a[HELLO], b[HELLO], answer[ANSWER];
	struct side x, y;

	begin(&x, true);
	begin(&y, true);
	CHECK(hear(&x, a, HELLO));
	CHECK(hear(&y, b, HELLO));
	noise(answer, ANSWER);
	memcpy(answer, b + 8, NONCE);
	tell(&x, answer, ANSWER);
	memcpy(answer, a + 8, NONCE);
	tell(&y, answer, ANSWER);
	CHECK_EQ(end(&x), -EACCES);
	CHECK_EQ(end(&y), -EACCES);
}

TEST(guesses_and_pieces)
{
	uint8_t words[HELLO + PROOF];
	int i;

	for (i = 0; i < 2000; i++) {
		size_t n = tap_random(&seed) % (sizeof(words) + 1);
		struct side y;

		noise(words, sizeof(words));
		if (i % 4)
			memcpy(words, "PANDO-1", 8);
		begin(&y, false);
		tell(&y, words, n);
		shutdown(y.far, SHUT_WR);
		if (!end(&y))
			tap_bad(__FILE__, __LINE__, "a guess was accepted");
	}
}

TAP_MAIN(T(every_bit_counts), T(played_back_to_the_acceptor),
	 T(played_back_to_the_initiator), T(mirrored),
	 T(initiators_among_themselves), T(guesses_and_pieces))
