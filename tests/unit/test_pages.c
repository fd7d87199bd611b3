// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/pages.c userspace/move/fabric_loop.c userspace/move/fabric.c
/* The page protocol over the loop: whole memories, errors, and garbage. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tap.h"
#include "../../userspace/move/pages.h"

/* not in this test */
const struct fabric_ops fabric_rdma = { .name = "rdma" };
const struct fabric_ops fabric_dpdk = { .name = "dpdk" };
const struct fabric_ops fabric_tcp = { .name = "tcp" };

#define PAGES	1000
#define BASE	0x7f0000000000ull
#define PID	70001

static uint8_t there[PAGES][PAGE], here[PAGES][PAGE];
static unsigned int stored, reads_asked;
static uint64_t gone;		/* what the reader says is missing */
static struct fabric *source, *target;
static struct page_server server;
static struct page_puller puller;

static int reader(void *arg, pid_t pid, uint64_t addr, unsigned int n,
		  uint8_t *dst, uint64_t *missing)
{
	uint64_t at = (addr - BASE) / PAGE;

	(void)arg;
	*missing = gone;
	reads_asked++;
	if (pid != PID)
		return -ESRCH;
	if (addr < BASE || at + n > PAGES)
		return -EFAULT;
	memcpy(dst, there[at], (size_t)n * PAGE);
	return 0;
}

static int store(void *arg, const struct page_news *news)
{
	uint64_t at = (news->addr - BASE) / PAGE;
	const uint8_t *data = news->data;

	(void)arg;
	CHECK_EQ(news->cookie, 42);
	CHECK_EQ(news->missing, gone);
	for (unsigned int i = 0; i < news->n; i++) {
		if (news->missing >> i & 1)
			continue;
		if (news->zero >> i & 1) {
			memset(here[at + i], 0, PAGE);
		} else {
			memcpy(here[at + i], data, PAGE);
			data += PAGE;
		}
	}
	stored += news->n;
	return 0;
}

static void meet(void)
{
	uint16_t port = 0;

	source = fabric_new(&fabric_loop, "t", 1);
	target = fabric_new(&fabric_loop, "t", 1);
	fabric_loop.listen(source, "", &port);
	fabric_loop.connect(target, "", port, 0);
	fabric_loop.accept(source, 0);
	stored = reads_asked = 0;
	memset(here, 0xee, sizeof(here));
	CHECK_EQ(page_server_start(&server, source, reader, NULL), 0);
	CHECK_EQ(page_puller_start(&puller, target, store, NULL), 0);
}

static void part(void)
{
	fabric_free(source);
	fabric_free(target);
	page_server_free(&server);
	page_puller_free(&puller);
}

/* Until both have nothing to do: 0, or who was unhappy. */
static int turn(void)
{
	struct fabric_event ev;
	bool more = true;
	int err = page_puller_push(&puller);

	if (err)
		return err;
	while (more) {
		more = false;
		fabric_loop.poll(source, &ev);
		if (ev.type == FABRIC_MESSAGE) {
			more = true;
			err = page_server_message(&server, ev.msg, ev.len);
			if (err)
				return err;
		}
		fabric_loop.poll(target, &ev);
		if (ev.type == FABRIC_MESSAGE || ev.type == FABRIC_READ) {
			more = true;
			err = page_puller_event(&puller, &ev);
			if (err)
				return err;
		}
	}
	return 0;
}

TEST(memory_arrives_whole)
{
	uint64_t seed = 11, zeros = 0;
	unsigned int at = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		bool zero = tap_random(&seed) % 3 == 0;

		memset(there[i], 0, PAGE);
		zeros += zero;
		/* one byte anywhere makes it a page that travels */
		if (!zero)
			there[i][tap_random(&seed) % PAGE] = 1 + i % 255;
	}
	meet();
	CHECK(!page_puller_ready(&puller));
	CHECK_EQ(turn(), 0);
	while (at < PAGES) {
		while (at < PAGES && page_puller_ready(&puller)) {
			unsigned int n = 1 + tap_random(&seed) % PAGES_RUN;

			if (n > PAGES - at)
				n = PAGES - at;
			CHECK_EQ(page_puller_want(&puller, 42, PID,
						  BASE + at * (uint64_t)PAGE,
						  n), 0);
			at += n;
		}
		CHECK_EQ(turn(), 0);
	}
	CHECK_EQ(stored, PAGES);
	CHECK_EQ(puller.busy, 0);
	/* what is free again is told with the next that is asked for */
	CHECK_EQ(server.busy, puller.release);
	CHECK_EQ(puller.pages, PAGES);
	CHECK_EQ(puller.bytes, (PAGES - zeros) * PAGE);
	CHECK_EQ(server.bytes, puller.bytes);
	CHECK(!memcmp(here, there, sizeof(here)));
	part();
}

TEST(what_is_gone_does_not_travel)
{
	meet();
	turn();
	for (unsigned int i = 0; i < 8; i++)
		memset(there[i], i == 3 ? 0 : i + 1, PAGE);
	gone = 0x81;
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE, 8), 0);
	CHECK_EQ(turn(), 0);
	CHECK_EQ(stored, 8);
	CHECK_EQ(puller.bytes, 5 * PAGE);
	CHECK_EQ(here[0][0], 0xee);
	CHECK_EQ(here[7][0], 0xee);
	CHECK(!memcmp(here + 1, there + 1, 6 * PAGE));
	gone = 0xff;
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE, 8), 0);
	CHECK_EQ(turn(), 0);
	CHECK_EQ(stored, 16);
	CHECK_EQ(puller.busy, 0);
	CHECK_EQ(server.busy, puller.release);
	gone = 0;
	part();
}

TEST(no_more_than_the_slots_are_under_way)
{
	unsigned int n = 0;

	meet();
	turn();
	while (page_puller_ready(&puller))
		CHECK_EQ(page_puller_want(&puller, 42, PID,
					  BASE + n++ * (uint64_t)PAGE, 1), 0);
	CHECK_EQ(n, PAGES_SLOTS);
	CHECK(!page_puller_room(&puller));
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE, 1), -EBUSY);
	CHECK_EQ(turn(), 0);
	CHECK(page_puller_ready(&puller));
	part();
}

/* Those that nobody waits for come in batches, and a fault in between. */
TEST(one_message_asks_for_a_batch)
{
	struct fabric_event ev;
	unsigned int messages = 0, asked;

	meet();
	turn();
	for (asked = 0; page_puller_ready(&puller); asked++)
		page_puller_want(&puller, 42, PID, BASE, 1);
	CHECK_EQ(asked, PAGES_SLOTS);
	for (fabric_loop.poll(source, &ev); ev.type == FABRIC_MESSAGE;
	     fabric_loop.poll(source, &ev)) {
		messages++;
		CHECK_EQ(page_server_message(&server, ev.msg, ev.len), 0);
	}
	CHECK_EQ(messages, PAGES_SLOTS / PAGES_BATCH);
	/* one comes: there is room, but it is not time */
	while (stored < 1) {
		fabric_loop.poll(target, &ev);
		CHECK_EQ(page_puller_event(&puller, &ev), 0);
	}
	CHECK(page_puller_room(&puller));
	CHECK(!page_puller_ready(&puller));
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE, 1), 0);
	CHECK_EQ(turn(), 0);
	CHECK_EQ(stored, PAGES_SLOTS + 1);
	CHECK(page_puller_ready(&puller));
	part();
}

TEST(what_cannot_be_read_says_so)
{
	meet();
	turn();
	page_puller_want(&puller, 42, PID, BASE + PAGES * (uint64_t)PAGE, 1);
	CHECK_EQ(turn(), -EFAULT);
	part();
	meet();
	turn();
	page_puller_want(&puller, 42, PID + 1, BASE, 1);
	CHECK_EQ(turn(), -ESRCH);
	part();
}

TEST(senseless_runs_are_not_asked_for)
{
	meet();
	turn();
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE + 1, 1), -EINVAL);
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE, 0), -EINVAL);
	CHECK_EQ(page_puller_want(&puller, 42, PID, BASE, PAGES_RUN + 1),
		 -EINVAL);
	CHECK_EQ(page_puller_want(&puller, 42, PID, ~0ull & ~4095ull, 2),
		 -EINVAL);
	part();
}

static void to_server(const void *msg, size_t len, int want)
{
	meet();
	turn();
	CHECK_EQ(page_server_message(&server, msg, len), want);
	CHECK_EQ(reads_asked, 0);
	part();
}

struct want { uint16_t id, n; uint32_t pid; uint64_t addr; };
struct wants { uint16_t type, count; uint32_t release; struct want v[4]; };
struct here { uint16_t id, slot, error, pad; uint64_t zero, missing; };
struct heres { uint16_t type, count; uint32_t pad; struct here v[4]; };

#define LENGTH(s, n)	(sizeof(s) - (4 - (n)) * sizeof((s).v[0]))

TEST(the_source_believes_nothing)
{
	struct wants w = { htole16(0x5002), htole16(1), 0,
		{ { 0, htole16(1), htole32(PID), htole64(BASE) } } };
	size_t one = LENGTH(w, 1);

	to_server(&w, one - 1, -EPROTO);
	to_server(&w, 1, -EPROTO);
	to_server(&w, sizeof(w), -EPROTO);
	w.count = 0;
	to_server(&w, LENGTH(w, 0), -EPROTO);
	to_server(&w, one, -EPROTO);
	w.count = htole16(2);
	to_server(&w, one, -EPROTO);
	w.count = htole16(400);
	to_server(&w, sizeof(w), -EPROTO);
	w.count = htole16(1);
	w.v[0].n = htole16(65);
	to_server(&w, one, -EPROTO);
	w.v[0].n = htole16(0);
	to_server(&w, one, -EPROTO);
	w.v[0].n = htole16(1);
	w.v[0].addr = htole64(BASE + 8);
	to_server(&w, one, -EPROTO);
	w.v[0].addr = htole64(~0ull << 12);
	to_server(&w, one, -EPROTO);
	w.v[0].addr = htole64(BASE);
	w.v[0].pid = htole32(0x80000001u);
	to_server(&w, one, -EPROTO);
	w.v[0].pid = htole32(PID);
	/* slots that are not taken, or none at all */
	w.release = htole32(1u << 3);
	to_server(&w, one, -EPROTO);
	w.release = htole32(1u << 31);
	to_server(&w, one, -EPROTO);
	w.release = 0;
	w.type = htole16(0x5001);
	to_server(&w, one, -EPROTO);
}

/* More than it has slots for, by one who never lets go of any. */
TEST(the_source_has_so_many_slots)
{
	struct wants w = { htole16(0x5002), htole16(4), 0, { { 0 } } };

	for (unsigned int i = 0; i < 4; i++)
		w.v[i] = (struct want){ 0, htole16(1), htole32(PID),
					htole64(BASE) };
	meet();
	turn();
	for (unsigned int i = 0; i < PAGES_SLOTS / 4; i++)
		CHECK_EQ(page_server_message(&server, (void *)&w, sizeof(w)),
			 0);
	CHECK_EQ(page_server_message(&server, (void *)&w, sizeof(w)), -EPROTO);
	CHECK_EQ(reads_asked, PAGES_SLOTS);
	part();
}

static int to_puller(const struct heres *h, size_t len)
{
	struct fabric_event ev = { .type = FABRIC_MESSAGE, .len = len };

	memcpy(ev.msg, h, len < sizeof(ev.msg) ? len : sizeof(ev.msg));
	return page_puller_event(&puller, &ev);
}

TEST(the_target_believes_nothing)
{
	struct heres h = { htole16(0x5003), htole16(1), 0, { { 0 } } };
	struct fabric_event ev = { .type = FABRIC_READ, .cookie = 5 };
	size_t one = LENGTH(h, 1);

	meet();
	turn();
	/* nothing was asked for */
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	h.v[0].id = htole16(500);
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	h.v[0].id = 0;
	page_puller_want(&puller, 42, PID, BASE, 4);
	/* not yet: it is still in the queue */
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	CHECK_EQ(page_puller_push(&puller), 0);
	/* lengths and numbers that do not fit each other */
	CHECK_EQ(to_puller(&h, one - 1), -EPROTO);
	CHECK_EQ(to_puller(&h, sizeof(h)), -EPROTO);
	CHECK_EQ(to_puller(&h, LENGTH(h, 0)), -EPROTO);
	h.count = 0;
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	h.count = htole16(5);
	CHECK_EQ(to_puller(&h, sizeof(h)), -EPROTO);
	h.count = htole16(1);
	/* a slot that is none; zeros beyond the run */
	h.v[0].slot = htole16(16);
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	h.v[0].slot = 0;
	h.v[0].zero = htole64(0x10);
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	/* missing beyond the run, and zeros that are missing */
	h.v[0].zero = 0;
	h.v[0].missing = htole64(0x10);
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	h.v[0].zero = h.v[0].missing = htole64(2);
	CHECK_EQ(to_puller(&h, one), -EPROTO);
	/* a read of nothing */
	CHECK_EQ(page_puller_event(&puller, &ev), -EPROTO);
	ev.cookie = ~0ull;
	CHECK_EQ(page_puller_event(&puller, &ev), -EPROTO);
	ev.type = FABRIC_CLOSED;
	CHECK_EQ(page_puller_event(&puller, &ev), -EPIPE);
	CHECK_EQ(stored, 0);
	part();
}

/* A slot that it has let go of, but has not said so yet, is not its any more. */
TEST(a_slot_holds_one_run)
{
	struct heres h = { htole16(0x5003), htole16(1), 0, { { 0 } } };

	meet();
	turn();
	page_puller_want(&puller, 42, PID, BASE, 4);
	CHECK_EQ(turn(), 0);
	CHECK_EQ(puller.release, 1);
	puller.release = 2;
	page_puller_want(&puller, 42, PID, BASE, 4);
	CHECK_EQ(puller.run[0].state, RUN_QUEUED);
	puller.run[0].state = RUN_WANTED;
	h.v[0].slot = htole16(1);
	CHECK_EQ(to_puller(&h, LENGTH(h, 1)), -EPROTO);
	/* and one that holds a run which was not read yet */
	puller.release = 0;
	puller.run[3].state = RUN_HERE;
	puller.run[3].slot = 1;
	CHECK_EQ(to_puller(&h, LENGTH(h, 1)), -EPROTO);
	part();
}

TEST(random_words_hurt_nobody)
{
	uint64_t seed = 99;

	for (int i = 0; i < 3000; i++) {
		struct fabric_event ev = { .type = FABRIC_MESSAGE };
		uint16_t type = 0x5001 + tap_random(&seed) % 3;

		if (i % 100 == 0) {
			if (i)
				part();
			meet();
			turn();
		}
		ev.len = tap_random(&seed) % (FABRIC_MSG + 1);
		for (size_t b = 0; b < sizeof(ev.msg); b++)
			ev.msg[b] = tap_random(&seed);
		if (i & 1) {
			static const uint8_t sizes[] = { 24, 16, 24 };
			uint16_t count = 1 + tap_random(&seed) % 4;

			ev.len = sizes[type - 0x5001];
			if (type != 0x5001)
				ev.len = 8 + count * ev.len;
			type = htole16(type);
			count = htole16(count);
			memcpy(ev.msg, &type, sizeof(type));
			memcpy(ev.msg + 2, &count, sizeof(count));
		}
		page_server_message(&server, ev.msg, ev.len);
		page_puller_event(&puller, &ev);
	}
	part();
	CHECK_EQ(stored, 0);
}

TAP_MAIN(T(memory_arrives_whole), T(what_is_gone_does_not_travel),
	 T(no_more_than_the_slots_are_under_way),
	 T(one_message_asks_for_a_batch),
	 T(what_cannot_be_read_says_so), T(senseless_runs_are_not_asked_for),
	 T(the_source_believes_nothing), T(the_source_has_so_many_slots),
	 T(the_target_believes_nothing), T(a_slot_holds_one_run),
	 T(random_words_hurt_nobody))
