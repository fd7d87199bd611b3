// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page fabric within one process, for tests: two ends with a queue each.
 * connect() does not wait for accept(), so that one thread can play both
 * sides. It keeps the rules of the others: bounds, token, limits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fabric.h"

#define PORTS	8
#define REGIONS	4
#define QUEUE	(FABRIC_MSGS + FABRIC_READS)

struct loop {
	struct fabric f;
	struct loop *other;
	int port;		/* listening there, or -1 */
	bool closed;
	unsigned int reads;
	struct { uint8_t *mem; size_t len; bool readable; } region[REGIONS];
	unsigned int regions;
	struct fabric_event queue[QUEUE];
	unsigned int head, count;
};

#define loop_of(f) ((struct loop *)(f))

static struct loop *listeners[PORTS];

static int post(struct loop *l, const struct fabric_event *ev)
{
	uint64_t one = 1;

	if (l->count == QUEUE)
		return -ENOBUFS;
	l->queue[(l->head + l->count++) % QUEUE] = *ev;
	if (write(l->f.fd, &one, sizeof(one)) != sizeof(one))
		return -EIO;
	return 0;
}

static int open_end(struct loop *l)
{
	l->f.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l->f.fd < 0 ? -errno : 0;
}

static int loop_probe(struct fabric *f, const char *addr)
{
	(void)f;
	(void)addr;
	return 0;
}

static int loop_listen(struct fabric *f, const char *addr, uint16_t *port)
{
	(void)addr;
	for (int i = 0; i < PORTS; i++) {
		if (listeners[i])
			continue;
		listeners[i] = loop_of(f);
		loop_of(f)->port = i;
		*port = i + 1;
		return open_end(loop_of(f));
	}
	return fabric_error(f, -EADDRINUSE, "no port left");
}

static int loop_connect(struct fabric *f, const char *addr, uint16_t port,
			int timeout_ms)
{
	struct loop *l = loop_of(f), *o;

	(void)addr;
	(void)timeout_ms;
	l->port = -1;
	o = port && port <= PORTS ? listeners[port - 1] : NULL;
	if (!o || o->other)
		return fabric_error(f, -ECONNREFUSED, "nobody listens there");
	if (o->f.token_len != f->token_len ||
	    memcmp(o->f.token, f->token, f->token_len))
		return fabric_error(f, -EACCES, "the tokens differ");
	l->other = o;
	o->other = l;
	return open_end(l);
}

static int loop_accept(struct fabric *f, int timeout_ms)
{
	struct loop *l = loop_of(f);

	(void)timeout_ms;
	listeners[l->port] = NULL;
	l->port = -1;
	return l->other ? 0 : fabric_error(f, -ETIMEDOUT, "nobody connected");
}

static int loop_reg(struct fabric *f, void *mem, size_t len, bool readable,
		    struct fabric_region *region)
{
	struct loop *l = loop_of(f);

	if (l->regions == REGIONS)
		return -ENOSPC;
	l->region[l->regions].mem = mem;
	l->region[l->regions].len = len;
	l->region[l->regions].readable = readable;
	/* an address that is none, so that nobody takes it for a pointer */
	if (region)
		*region = (struct fabric_region){ 4096, l->regions };
	l->regions++;
	return 0;
}

static int loop_send(struct fabric *f, const void *msg, size_t len)
{
	struct fabric_event ev = { .type = FABRIC_MESSAGE, .len = len };
	struct loop *l = loop_of(f);

	if (!l->other || l->other->closed)
		return -EPIPE;
	if (!len || len > FABRIC_MSG)
		return -EMSGSIZE;
	memcpy(ev.msg, msg, len);
	return post(l->other, &ev);
}

static int loop_read(struct fabric *f, uint64_t cookie, void *dst,
		     uint64_t addr, uint32_t key, size_t len)
{
	struct fabric_event ev = { .type = FABRIC_READ, .cookie = cookie };
	struct loop *l = loop_of(f), *o = l->other;

	if (!o || o->closed)
		return -EPIPE;
	if (l->reads == FABRIC_READS)
		return -EBUSY;
	if (key >= o->regions || !o->region[key].readable || addr < 4096 ||
	    addr - 4096 > o->region[key].len ||
	    len > o->region[key].len - (addr - 4096))
		return fabric_error(f, -EPROTO, "outside of what is offered");
	memcpy(dst, o->region[key].mem + addr - 4096, len);
	l->reads++;
	return post(l, &ev);
}

static int loop_poll(struct fabric *f, struct fabric_event *ev)
{
	struct loop *l = loop_of(f);
	uint64_t n;

	ev->type = FABRIC_NONE;
	if (!l->count) {
		if (read(f->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return -errno;
		if (!l->other || l->other->closed)
			ev->type = FABRIC_CLOSED;
		return 0;
	}
	*ev = l->queue[l->head];
	l->head = (l->head + 1) % QUEUE;
	l->count--;
	if (ev->type == FABRIC_READ)
		l->reads--;
	return 0;
}

static void loop_limits(const struct fabric *f, struct fabric_limits *l)
{
	(void)f;
	l->reads = FABRIC_READS;
	l->read_max = FABRIC_READ_MAX;
}

static void loop_close(struct fabric *f)
{
	struct loop *l = loop_of(f);
	uint64_t one = 1;

	if (f->fd < 0)
		return;
	l->closed = true;
	if (l->port >= 0 && listeners[l->port] == l)
		listeners[l->port] = NULL;
	if (l->other) {
		/* wake it, to see that we are gone */
		if (l->other->f.fd >= 0 &&
		    write(l->other->f.fd, &one, sizeof(one)) < 0)
			fabric_error(&l->other->f, -EIO, "eventfd");
		l->other->other = NULL;
		l->other = NULL;
	}
	close(f->fd);
	f->fd = -1;
}

const struct fabric_ops fabric_loop = {
	.name = "loop",
	.size = sizeof(struct loop),
	.probe = loop_probe,
	.listen = loop_listen,
	.accept = loop_accept,
	.connect = loop_connect,
	.reg = loop_reg,
	.send = loop_send,
	.read = loop_read,
	.poll = loop_poll,
	.limits = loop_limits,
	.close = loop_close,
};
