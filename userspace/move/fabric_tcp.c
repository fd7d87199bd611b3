// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page fabric over TCP: messages, and reads as request and response. What
 * is read is sent straight from the registered memory and received straight
 * into its place; only headers and messages are copied.
 *
 * Each side queues what is to go out next. The queue is bounded by what
 * the protocol above allows to be under way, and who exceeds it is cut off.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fabric.h"
#include "pando.h"

#define MAGIC		0x50544350u	/* "PCTP" */
#define QUEUE		(FABRIC_MSGS + FABRIC_READS * 2)
#define REGIONS		4
#define BATCH		64u	/* pieces that go out in one call */
#define LOWAT		65536	/* bytes that are worth to be woken for */

enum { T_MESSAGE = 1, T_READ, T_DATA };

struct wire {
	uint32_t magic;
	uint16_t type;
	uint16_t pad;
	uint32_t len;		/* of what follows, T_READ: of what is wanted */
	uint32_t key;
	uint64_t addr;
	uint64_t cookie;
};

_Static_assert(sizeof(struct wire) == 32, "wire header");

struct out {
	struct wire head;
	uint8_t msg[FABRIC_MSG];
	const uint8_t *body;	/* registered memory, for T_DATA */
	size_t len;
};

struct pending {
	bool used;
	uint64_t cookie;
	uint8_t *dst;
	size_t len;
};

struct tcp {
	struct fabric f;
	int listener;
	int sock;
	bool closed;
	bool want_out;
	int lowat;		/* as the socket has it */
	struct { uint8_t *mem; size_t len; bool readable; } region[REGIONS];
	unsigned int regions;
	struct pending pending[FABRIC_READS];
	struct out queue[QUEUE];
	unsigned int head, count;
	size_t sent;		/* of the queue's first */
	/* what is being received */
	struct wire in;
	size_t got;		/* of the header, then of the body */
	bool in_body;
	uint8_t *dst;
	uint8_t msg[FABRIC_MSG];
};

#define tcp_of(f) ((struct tcp *)(f))

static int make_addr(const char *addr, uint16_t port,
		     struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, addr, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
	} else {
		return -EINVAL;
	}
	return 0;
}

static int tcp_probe(struct fabric *f, const char *addr)
{
	(void)f;
	(void)addr;
	return 0;
}

static int tcp_listen(struct fabric *f, const char *addr, uint16_t *port)
{
	struct tcp *t = tcp_of(f);
	struct sockaddr_storage ss;
	socklen_t len;

	t->sock = t->listener = -1;
	if (make_addr(addr, *port, &ss, &len))
		return fabric_error(f, -EINVAL, "%s is no address", addr);
	t->listener = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
			     SOCK_NONBLOCK, 0);
	if (t->listener < 0 || bind(t->listener, (void *)&ss, len) ||
	    listen(t->listener, 4) ||
	    getsockname(t->listener, (void *)&ss, &len))
		return fabric_error(f, -errno, "cannot listen on %s: %s", addr,
				    strerror(errno));
	*port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	f->fd = t->listener;
	return 0;
}

/* The socket is proved: make it quick, non-blocking, and watched. */
static int start(struct tcp *t, int sock)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int one = 1;

	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	t->sock = sock;
	t->f.fd = epoll_create1(EPOLL_CLOEXEC);
	if (t->f.fd < 0 || epoll_ctl(t->f.fd, EPOLL_CTL_ADD, sock, &ev))
		return fabric_error(&t->f, -errno, "epoll: %s",
				    strerror(errno));
	return 0;
}

static int tcp_accept(struct fabric *f, int timeout_ms)
{
	struct tcp *t = tcp_of(f);
	struct pollfd p = { t->listener, POLLIN, 0 };
	int sock, err;

	f->fd = -1;
	if (poll(&p, 1, timeout_ms) <= 0)
		return fabric_error(f, -ETIMEDOUT, "nobody connected");
	sock = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	close(t->listener);
	t->listener = -1;
	if (sock < 0)
		return fabric_error(f, -errno, "accept: %s", strerror(errno));
	err = pando_auth(sock, false, f->token, f->token_len, "pando-fabric",
			 timeout_ms);
	if (err) {
		close(sock);
		return fabric_error(f, err,
				    "who connected did not prove the token");
	}
	return start(t, sock);
}

static int tcp_connect(struct fabric *f, const char *addr, uint16_t port,
		       int timeout_ms)
{
	struct tcp *t = tcp_of(f);
	struct sockaddr_storage ss;
	socklen_t len, elen = sizeof(int);
	struct pollfd p;
	int sock, err = 0;

	t->sock = t->listener = -1;
	if (make_addr(addr, port, &ss, &len))
		return fabric_error(f, -EINVAL, "%s is no address", addr);
	sock = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (sock < 0)
		return fabric_error(f, -errno, "socket: %s", strerror(errno));
	if (connect(sock, (void *)&ss, len)) {
		p = (struct pollfd){ sock, POLLOUT, 0 };
		err = errno;
		if (err == EINPROGRESS) {
			err = ETIMEDOUT;
			if (poll(&p, 1, timeout_ms) > 0)
				getsockopt(sock, SOL_SOCKET, SO_ERROR, &err,
					   &elen);
		}
	}
	if (!err)
		err = -pando_auth(sock, true, f->token, f->token_len,
				  "pando-fabric", timeout_ms);
	if (err) {
		close(sock);
		return fabric_error(f, -err, "%s port %u: %s", addr, port,
				    strerror(err));
	}
	return start(t, sock);
}

static int tcp_reg(struct fabric *f, void *mem, size_t len, bool readable,
		   struct fabric_region *region)
{
	struct tcp *t = tcp_of(f);

	if (t->regions == REGIONS)
		return fabric_error(f, -ENOSPC, "too many regions");
	t->region[t->regions].mem = mem;
	t->region[t->regions].len = len;
	t->region[t->regions].readable = readable;
	if (region)
		*region = (struct fabric_region){ 0, t->regions };
	t->regions++;
	return 0;
}

static void want_out(struct tcp *t, bool want)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (want == t->want_out)
		return;
	if (want)
		ev.events |= EPOLLOUT;
	if (!epoll_ctl(t->f.fd, EPOLL_CTL_MOD, t->sock, &ev))
		t->want_out = want;
}

/* What is to be sent next, after the first @sent bytes of the first one. */
static size_t gather(struct tcp *t, struct iovec *iov, size_t *len)
{
	size_t n = 0, off = t->sent;

	*len = 0;
	for (unsigned int i = 0; i < t->count && n + 2 <= BATCH; i++) {
		struct out *o = &t->queue[(t->head + i) % QUEUE];
		size_t head = sizeof(o->head);

		if (off < head)
			iov[n++] = (struct iovec){ (uint8_t *)&o->head + off,
						   head - off };
		off = off > head ? off - head : 0;
		if (o->len)
			iov[n++] = (struct iovec){ (void *)(o->body + off),
						   o->len - off };
		*len += head + o->len;
		off = 0;
	}
	*len -= t->sent;
	return n;
}

static void sent(struct tcp *t, size_t n)
{
	for (t->sent += n; t->count; t->count--) {
		size_t len = sizeof(struct wire) + t->queue[t->head].len;

		if (t->sent < len)
			break;
		t->sent -= len;
		t->head = (t->head + 1) % QUEUE;
	}
}

/* Writes what the socket takes. */
static int flush(struct tcp *t)
{
	while (t->count) {
		struct iovec iov[BATCH];
		struct msghdr mh = { .msg_iov = iov };
		size_t len;
		ssize_t n;

		mh.msg_iovlen = gather(t, iov, &len);
		n = sendmsg(t->sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -EPIPE;
		if (n > 0)
			sent(t, n);
		/* full: the rest is not to be tried before it says so */
		if (n < (ssize_t)len) {
			want_out(t, true);
			return 0;
		}
	}
	want_out(t, false);
	return 0;
}

static struct out *enqueue(struct tcp *t, uint16_t type)
{
	struct out *o;

	if (t->closed || t->count == QUEUE)
		return NULL;
	o = &t->queue[(t->head + t->count++) % QUEUE];
	memset(&o->head, 0, sizeof(o->head));
	o->head.magic = htole32(MAGIC);
	o->head.type = htole16(type);
	o->len = 0;
	/* whoever sleeps on it before that is woken to send it */
	want_out(t, true);
	return o;
}

static int tcp_send(struct fabric *f, const void *msg, size_t len)
{
	struct tcp *t = tcp_of(f);
	struct out *o;

	if (len > FABRIC_MSG)
		return -EMSGSIZE;
	o = enqueue(t, T_MESSAGE);
	if (!o)
		return fabric_error(f, -ENOBUFS, "the other side does not take our messages");
	memcpy(o->msg, msg, len);
	o->body = o->msg;
	o->len = len;
	o->head.len = htole32(len);
	return 0;
}

static int tcp_read(struct fabric *f, uint64_t cookie, void *dst, uint64_t addr,
		    uint32_t key, size_t len)
{
	struct tcp *t = tcp_of(f);
	struct out *o;
	unsigned int i;

	for (i = 0; i < FABRIC_READS && t->pending[i].used; i++)
		;
	if (i == FABRIC_READS || len > FABRIC_READ_MAX)
		return -EBUSY;
	o = enqueue(t, T_READ);
	if (!o)
		return fabric_error(f, -ENOBUFS, "the other side does not take our requests");
	t->pending[i] = (struct pending){ true, cookie, dst, len };
	o->head.len = htole32(len);
	o->head.key = htole32(key);
	o->head.addr = htole64(addr);
	o->head.cookie = htole64(i);
	return 0;
}

/* The other side reads: what it names must be ours, whole, and readable. */
static int serve_read(struct tcp *t)
{
	uint32_t key = le32toh(t->in.key), len = le32toh(t->in.len);
	uint64_t addr = le64toh(t->in.addr);
	struct out *o;

	if (key >= t->regions || !t->region[key].readable || !len ||
	    len > FABRIC_READ_MAX || addr > t->region[key].len ||
	    len > t->region[key].len - addr)
		return fabric_error(&t->f, -EPROTO,
				    "the other side asked for memory that is not offered");
	o = enqueue(t, T_DATA);
	if (!o)
		return fabric_error(&t->f, -EPROTO,
				    "the other side asks for more than it takes");
	o->head.len = t->in.len;
	o->head.cookie = t->in.cookie;
	o->body = t->region[key].mem + addr;
	o->len = len;
	return flush(t);
}

/* A header is here: 0 wait for its body, 1 complete, or an error. */
static int take_header(struct tcp *t)
{
	uint32_t len = le32toh(t->in.len);
	uint64_t i = le64toh(t->in.cookie);

	if (le32toh(t->in.magic) != MAGIC)
		return -EPROTO;
	switch (le16toh(t->in.type)) {
	case T_MESSAGE:
		if (!len || len > FABRIC_MSG)
			return -EPROTO;
		t->dst = t->msg;
		return 0;
	case T_DATA:
		if (i >= FABRIC_READS || !t->pending[i].used ||
		    len != t->pending[i].len)
			return -EPROTO;
		t->dst = t->pending[i].dst;
		return 0;
	case T_READ:
		return 1;
	}
	return -EPROTO;
}

static int closed(struct tcp *t, struct fabric_event *ev)
{
	t->closed = true;
	ev->type = FABRIC_CLOSED;
	return 0;
}

/*
 * While so much is sure to come, since it was asked for, nobody need wake up
 * for less: at a packet each, that would cost more than the packets.
 */
static void set_lowat(struct tcp *t)
{
	size_t due = 0;
	int lowat;

	for (unsigned int i = 0; i < FABRIC_READS; i++)
		if (t->pending[i].used)
			due += t->pending[i].len;
	if (t->in_body && le16toh(t->in.type) == T_DATA)
		due -= t->got;
	lowat = due >= LOWAT ? LOWAT : 1;
	if (lowat != t->lowat &&
	    !setsockopt(t->sock, SOL_SOCKET, SO_RCVLOWAT, &lowat,
			sizeof(lowat)))
		t->lowat = lowat;
}

/* One frame at most; ev stays FABRIC_NONE where nothing is complete. */
static int receive(struct tcp *t, struct fabric_event *ev)
{
	for (;;) {
		uint8_t *dst = t->in_body ? t->dst : (uint8_t *)&t->in;
		size_t len = t->in_body ? le32toh(t->in.len) : sizeof(t->in);
		ssize_t n = recv(t->sock, dst + t->got, len - t->got,
				 MSG_DONTWAIT);
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return closed(t, ev);
		t->got += n;
		if (t->got < len)
			continue;
		t->got = 0;
		if (!t->in_body) {
			err = take_header(t);
			if (err < 0)
				return fabric_error(&t->f, err, "garbage from the other side");
			if (!err) {
				t->in_body = true;
				continue;
			}
			err = serve_read(t);
			if (err)
				return err;
			continue;
		}
		t->in_body = false;
		if (le16toh(t->in.type) == T_MESSAGE) {
			ev->type = FABRIC_MESSAGE;
			ev->len = len;
			memcpy(ev->msg, t->msg, len);
		} else {
			struct pending *p = &t->pending[le64toh(t->in.cookie)];

			ev->type = FABRIC_READ;
			ev->cookie = p->cookie;
			p->used = false;
		}
		return 0;
	}
}

/*
 * Small things go out together, when there is nothing more to be received or
 * with the next that is large: each segment by itself costs far more than its
 * bytes.
 */
static int tcp_poll(struct fabric *f, struct fabric_event *ev)
{
	struct tcp *t = tcp_of(f);
	int err;

	ev->type = FABRIC_NONE;
	if (t->closed)
		return closed(t, ev);
	err = receive(t, ev);
	if (err || ev->type != FABRIC_NONE)
		return err;
	if (flush(t))
		return closed(t, ev);
	set_lowat(t);
	return 0;
}

static void tcp_limits(const struct fabric *f, struct fabric_limits *l)
{
	(void)f;
	l->reads = FABRIC_READS;
	l->read_max = FABRIC_READ_MAX;
}

static void tcp_close(struct fabric *f)
{
	struct tcp *t = tcp_of(f);

	/* a fabric that was only made has zeros here, and 0 is stdin */
	if (f->fd >= 0 && f->fd != t->listener)
		close(f->fd);
	if (t->listener > 0)
		close(t->listener);
	if (t->sock > 0)
		close(t->sock);
	f->fd = t->listener = t->sock = -1;
}

const struct fabric_ops fabric_tcp = {
	.name = "tcp",
	.size = sizeof(struct tcp),
	.probe = tcp_probe,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.connect = tcp_connect,
	.reg = tcp_reg,
	.send = tcp_send,
	.read = tcp_read,
	.poll = tcp_poll,
	.limits = tcp_limits,
	.close = tcp_close,
};
