// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/pages.c userspace/move/fabric_tcp.c userspace/move/fabric.c userspace/move/util.c userspace/libpando/auth.c
// PKGS: libgcrypt
/*
 * The page protocol over TCP between two processes that sleep whenever the
 * fabric says that there is nothing: whoever is not woken is found out.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/move.h"
#include "../../userspace/move/pages.h"

/* not in this test */
const struct fabric_ops fabric_rdma = { .name = "rdma" };
const struct fabric_ops fabric_dpdk = { .name = "dpdk" };

#define TOKEN	"a token of this test"
#define WAIT_MS	20000		/* far more than anything here takes */
#define RUNS	400u

static uint64_t seed = 5, arrived;
static unsigned int slept;

/* Each page says where it is; every 17th is zeros, every 19th is not there. */
static int reader(void *arg, pid_t pid, uint64_t addr, unsigned int n,
		  uint8_t *dst, uint64_t *missing)
{
	(void)arg;
	(void)pid;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t page = addr / PAGE + i;

		memset(dst + (size_t)i * PAGE, 0, PAGE);
		if (page % 19 == 0)
			*missing |= 1ull << i;
		else if (page % 17)
			for (size_t w = 0; w < PAGE / 8; w++)
				((uint64_t *)(dst + (size_t)i * PAGE))[w] =
					page * 0x9e3779b97f4a7c15ull + w;
	}
	return 0;
}

static int store(void *arg, const struct page_news *news)
{
	const uint8_t *data = news->data;

	(void)arg;
	for (unsigned int i = 0; i < news->n; i++) {
		uint64_t page = news->addr / PAGE + i;
		bool gone = page % 19 == 0, zero = !gone && page % 17 == 0;

		CHECK_EQ(news->missing >> i & 1, gone);
		CHECK_EQ(news->zero >> i & 1, zero);
		if (gone || zero)
			continue;
		for (size_t w = 0; w < PAGE / 8; w += 64)
			CHECK_EQ(((const uint64_t *)data)[w],
				 page * 0x9e3779b97f4a7c15ull + w);
		data += PAGE;
	}
	arrived++;
	return 0;
}

/* False: asleep for good. */
static bool await(struct fabric *f)
{
	struct pollfd p = { f->fd, POLLIN, 0 };

	slept++;
	return poll(&p, 1, WAIT_MS) > 0;
}

static int serve(struct fabric *f)
{
	struct page_server s;
	struct fabric_event ev;

	if (f->ops->accept(f, WAIT_MS) ||
	    page_server_start(&s, f, reader, NULL))
		return 1;
	for (;;) {
		if (f->ops->poll(f, &ev))
			return 2;
		if (ev.type == FABRIC_CLOSED)
			return 0;
		if (ev.type == FABRIC_NONE ? !await(f) :
		    page_server_message(&s, ev.msg, ev.len))
			return 3;
	}
}

/* Runs of all sizes, a few at a time or as many as there is room for. */
static void pull(struct fabric *f, bool few)
{
	struct page_puller p;
	struct fabric_event ev;
	unsigned int asked = 0, limit = 0;
	int err;

	CHECK_EQ(page_puller_start(&p, f, store, NULL), 0);
	while (arrived < RUNS) {
		if (few && !p.busy)
			limit = 1 + tap_random(&seed) % 5;
		while (asked < RUNS && page_puller_ready(&p) &&
		       (!few || p.busy < limit)) {
			unsigned int n = 1 + tap_random(&seed) % PAGES_RUN;

			CHECK_EQ(page_puller_want(&p, 0, 1, asked * 64ull * PAGE,
						  n), 0);
			asked++;
		}
		/* one that somebody waits for, in the midst of it */
		if (asked < RUNS && page_puller_room(&p) && asked % 7 == 0)
			CHECK_EQ(page_puller_want(&p, 0, 1,
						  asked++ * 64ull * PAGE, 1), 0);
		CHECK_EQ(page_puller_push(&p), 0);
		CHECK_EQ(f->ops->poll(f, &ev), 0);
		err = page_puller_event(&p, &ev);
		CHECK_EQ(err, 0);
		if (err)
			break;
		if (ev.type == FABRIC_NONE && !await(f)) {
			CHECK(!"nobody woke us");
			break;
		}
	}
	CHECK_EQ(arrived, RUNS);
	CHECK_EQ(p.busy, 0);
	page_puller_free(&p);
}

static void round_trip(bool few)
{
	struct fabric *source = fabric_new(&fabric_tcp, TOKEN, sizeof(TOKEN));
	struct fabric *target = fabric_new(&fabric_tcp, TOKEN, sizeof(TOKEN));
	uint16_t port = 0;
	int status = -1;
	pid_t pid;

	arrived = slept = 0;
	CHECK_EQ(source->ops->listen(source, "127.0.0.1", &port), 0);
	pid = fork();
	if (!pid)
		_exit(serve(source));
	CHECK_EQ(target->ops->connect(target, "127.0.0.1", port, WAIT_MS), 0);
	pull(target, few);
	CHECK(slept > 0);
	fabric_free(target);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	fabric_free(source);
}

TEST(all_at_once)
{
	round_trip(false);
}

TEST(a_few_at_a_time)
{
	round_trip(true);
}

/* A side that goes away in the midst of a read is seen at once. */
TEST(the_source_dies)
{
	struct fabric *source = fabric_new(&fabric_tcp, TOKEN, sizeof(TOKEN));
	struct fabric *target = fabric_new(&fabric_tcp, TOKEN, sizeof(TOKEN));
	struct page_puller p;
	struct fabric_event ev = { 0 };
	uint16_t port = 0;
	unsigned int n = 0;
	pid_t pid;

	arrived = 0;
	CHECK_EQ(source->ops->listen(source, "127.0.0.1", &port), 0);
	pid = fork();
	if (!pid)
		_exit(serve(source));
	CHECK_EQ(target->ops->connect(target, "127.0.0.1", port, WAIT_MS), 0);
	CHECK_EQ(page_puller_start(&p, target, store, NULL), 0);
	while (ev.type != FABRIC_CLOSED) {
		while (page_puller_ready(&p))
			page_puller_want(&p, 0, 1, n++ * 64ull * PAGE,
					 PAGES_RUN);
		if (page_puller_push(&p))
			break;
		if (arrived == 40) {
			kill(pid, SIGKILL);
			arrived++;
		}
		CHECK_EQ(target->ops->poll(target, &ev), 0);
		if (ev.type == FABRIC_NONE && !await(target)) {
			CHECK(!"nobody woke us");
			break;
		}
		if (ev.type != FABRIC_CLOSED)
			CHECK_EQ(page_puller_event(&p, &ev), 0);
	}
	CHECK_EQ(ev.type, FABRIC_CLOSED);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	page_puller_free(&p);
	fabric_free(target);
	fabric_free(source);
}

TAP_MAIN(T(all_at_once), T(a_few_at_a_time), T(the_source_dies))
