// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/fabric_dpdk.c userspace/move/dpdk_flow.c tests/unit/port_test.c userspace/move/fabric_loop.c userspace/move/fabric_tcp.c userspace/move/fabric.c userspace/libpando/auth.c
// LIBS: -lgcrypt -lpthread
// PKGS: libprotobuf-c
/*
 * What every page fabric must do, tried on the loop (the test double), on TCP
 * and on dpdk with a port that loses frames: messages in order, reads of what is offered and of nothing else, and
 * the end of the other side.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "port_test.h"
#include "tap.h"
#include "../../userspace/move/fabric.h"

/* not in this test */
const struct fabric_ops fabric_rdma = { .name = "rdma" };

#define TOKEN	"a token of this test"

static struct fabric *source, *target;

static void *connector(void *port)
{
	long err = target->ops->connect(target, "127.0.0.1",
					*(uint16_t *)port, 5000);

	return (void *)err;
}

/* How the two ends came together: 0, or the first error. */
static long meet(const struct fabric_ops *ops, const char *token)
{
	uint16_t port = 0;
	pthread_t t;
	void *err = NULL;
	long ours;

	source = fabric_new(ops, TOKEN, strlen(TOKEN));
	target = fabric_new(ops, token, strlen(token));
	if (ops->listen(source, "127.0.0.1", &port))
		return -1;
	if (ops == &fabric_loop) {
		err = connector(&port);
		ours = ops->accept(source, 5000);
	} else {
		pthread_create(&t, NULL, connector, &port);
		ours = ops->accept(source, 5000);
		pthread_join(t, &err);
	}
	return err ? (long)err : ours;
}

static void part(void)
{
	fabric_free(source);
	fabric_free(target);
}

/* The next event of @f; the other end is given its turn meanwhile. */
static int next(struct fabric *f, struct fabric_event *ev)
{
	struct fabric *other = f == source ? target : source;
	struct fabric_event none;

	for (time_t end = time(NULL) + 20; time(NULL) < end; ) {
		struct pollfd p[2] = { { f->fd, POLLIN, 0 },
				       { other ? other->fd : -1, POLLIN, 0 } };
		int err = f->ops->poll(f, ev);

		if (err || ev->type != FABRIC_NONE)
			return err;
		/* it has nothing for itself here, but it answers reads */
		if (other) {
			err = other->ops->poll(other, &none);
			if (err)
				return err;
		}
		poll(p, 2, 1);
	}
	return -ETIMEDOUT;
}

static void messages(const struct fabric_ops *ops)
{
	struct fabric_event ev;
	uint32_t n;

	CHECK_EQ(meet(ops, TOKEN), 0);
	for (n = 0; n < 100; n++)
		CHECK_EQ(source->ops->send(source, &n, sizeof(n)), 0);
	for (uint32_t i = 0; i < 100; i++) {
		CHECK_EQ(next(target, &ev), 0);
		CHECK_EQ(ev.type, FABRIC_MESSAGE);
		CHECK_EQ(ev.len, sizeof(n));
		memcpy(&n, ev.msg, sizeof(n));
		CHECK_EQ(n, i);
	}
	CHECK(source->ops->send(source, ev.msg, FABRIC_MSG + 1) < 0);
	part();
}

static void reads(const struct fabric_ops *ops)
{
	static uint8_t offered[1 << 18], landing[1 << 18];
	struct fabric_region r;
	struct fabric_event ev;
	uint64_t seed = 3;

	for (size_t i = 0; i < sizeof(offered); i++)
		offered[i] = tap_random(&seed);
	CHECK_EQ(meet(ops, TOKEN), 0);
	CHECK_EQ(ops->reg(source, offered, sizeof(offered), true, &r), 0);
	CHECK_EQ(ops->reg(target, landing, sizeof(landing), false, NULL), 0);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(ops->read(target, i, landing + (i << 15),
				   r.addr + (i << 15), r.key, 1 << 15), 0);
	for (uint64_t seen = 0, i = 0; i < 8; i++) {
		CHECK_EQ(next(target, &ev), 0);
		CHECK_EQ(ev.type, FABRIC_READ);
		CHECK(ev.cookie < 8 && !(seen & 1 << ev.cookie));
		seen |= 1 << ev.cookie;
	}
	CHECK(!memcmp(offered, landing, sizeof(offered)));
	part();
}

/* One byte too far, below, a key of nobody, memory that is not for reading. */
static void strangers(const struct fabric_ops *ops)
{
	static uint8_t offered[8192], secret[8192], landing[8192];
	struct fabric_region r, s;
	struct { uint64_t addr; uint32_t key; size_t len; } bad[5];
	struct fabric_event ev;

	for (int i = 0; i < 5; i++) {
		int err;

		CHECK_EQ(meet(ops, TOKEN), 0);
		ops->reg(source, offered, sizeof(offered), true, &r);
		ops->reg(source, secret, sizeof(secret), false, &s);
		ops->reg(target, landing, sizeof(landing), false, NULL);
		bad[0].addr = r.addr + 1, bad[0].key = r.key, bad[0].len = 8192;
		bad[1].addr = r.addr - 1, bad[1].key = r.key, bad[1].len = 2;
		bad[2].addr = r.addr, bad[2].key = r.key + 9, bad[2].len = 4096;
		bad[3].addr = s.addr, bad[3].key = s.key, bad[3].len = 4096;
		bad[4].addr = ~0ull - 10, bad[4].key = r.key, bad[4].len = 100;
		err = ops->read(target, 1, landing, bad[i].addr, bad[i].key,
				bad[i].len);
		if (!err)
			err = next(target, &ev);
		CHECK(err || ev.type == FABRIC_CLOSED);
		part();
	}
}

static void limits(const struct fabric_ops *ops)
{
	static uint8_t offered[4096], landing[4096];
	struct fabric_limits l;
	struct fabric_region r;
	unsigned int n = 0;

	CHECK_EQ(meet(ops, TOKEN), 0);
	ops->reg(source, offered, sizeof(offered), true, &r);
	ops->reg(target, landing, sizeof(landing), false, NULL);
	ops->limits(target, &l);
	while (n < 1000 &&
	       !ops->read(target, n, landing, r.addr, r.key, 4096))
		n++;
	CHECK_EQ(n, l.reads);
	part();
}

static void ends(const struct fabric_ops *ops)
{
	struct fabric_event ev;

	CHECK_EQ(meet(ops, TOKEN), 0);
	fabric_free(source);
	source = NULL;
	CHECK_EQ(next(target, &ev), 0);
	CHECK_EQ(ev.type, FABRIC_CLOSED);
	part();
	CHECK(meet(ops, "another token of the same") != 0);
	CHECK(target->error[0]);
	part();
}

#define ALL(name)							\
	TEST(loop_##name) { name(&fabric_loop); }			\
	TEST(tcp_##name) { name(&fabric_tcp); }				\
	TEST(dpdk_##name) { setenv("PANDO_DPDK", "test", 1); name(&fabric_dpdk); }

ALL(messages)
ALL(reads)
ALL(strangers)
ALL(limits)
ALL(ends)

/* One in five frames is lost, one in ten comes twice, one in ten late. */
TEST(dpdk_lossy)
{
	port_test = (struct port_test){ .lose = 200, .repeat = 100, .late = 100 };
	reads(&fabric_dpdk);
	port_test = (struct port_test){ .frame_max = 1514, .lose = 50 };
	reads(&fabric_dpdk);
	port_test = (struct port_test){ 0 };
}

/* A switch that passes small frames only is found out, and one that none. */
TEST(dpdk_small)
{
	port_test = (struct port_test){ .pass_max = 1514 };
	reads(&fabric_dpdk);
	port_test = (struct port_test){ .lose = 1000 };
	CHECK(meet(&fabric_dpdk, TOKEN) != 0);
	CHECK(strstr(target->error, "no frame comes back"));
	part();
	port_test = (struct port_test){ 0 };
}

/* Frames of others, and of others who know our type, are passed over. */
TEST(dpdk_garbage)
{
	port_test = (struct port_test){ .garbage = 300 };
	reads(&fabric_dpdk);
	port_test = (struct port_test){ 0 };
}

#define EACH(name)	T(loop_##name), T(tcp_##name), T(dpdk_##name)
TAP_MAIN(EACH(messages), EACH(reads), EACH(strangers), EACH(limits), EACH(ends),
	 T(dpdk_lossy), T(dpdk_small), T(dpdk_garbage))
