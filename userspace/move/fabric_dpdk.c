// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page fabric over DPDK: messages go over TCP, as in the tcp fabric, which
 * also proves who is who; reads are frames of our own on the Ethernet
 * (dpdk_wire.h), asked for as dpdk_flow.h says and answered without a memory of
 * who asked for what before.
 *
 * A poll-mode port cannot be waited for. While reads are under way fd is
 * readable all the time, and poll() looks at the port; a side that has heard
 * nothing for a while rests, and is woken by a message, the bell.
 */
#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "dpdk_flow.h"
#include "dpdk_port.h"
#include "dpdk_wire.h"
#include "fabric.h"

#ifndef PANDO_LIBEXEC
#define PANDO_LIBEXEC	"/usr/libexec/pando"
#endif
#define REGIONS		4
#define ASKS		256u		/* questions that wait for their answers */
#define BURST		64u		/* frames a poll, each way */
#define PING_US		20000u		/* from one to the next */
#define REST_US		20000u		/* without a frame: time to rest */
#define FRAGMENT_BIG	8192u
#define EMPTY		16u		/* looks at the port in vain, then a nap */
#define NAP_US		50u

enum { BELL = 1, HELLO, READY };	/* first byte of our own messages */

/* HELLO, both ways; READY, of who connected. A message of one byte is BELL. */
struct hello {
	uint8_t what;
	uint8_t mac[6];
	uint8_t pad;
	uint32_t frame_max;
	uint32_t fragment;		/* READY */
	uint64_t session;		/* of who connected */
};

_Static_assert(sizeof(struct hello) == 24, "wire struct");

struct dpdk {
	struct fabric f;
	struct fabric *tcp;
	const struct dpdk_port *port;
	void *handle;			/* of the port */
	struct dpdk_frame head;		/* what all our frames have in common */
	uint8_t mac[6];
	uint64_t session;
	unsigned int fragment;		/* bytes a frame; 0: not agreed upon */
	size_t frame_max;
	bool ponged;
	size_t pong;			/* bytes of the frame that came back */
	struct { uint8_t *mem; size_t len; bool readable; } region[REGIONS];
	unsigned int regions;
	struct flow flow;
	struct flow_ask ask[ASKS];	/* that we answer, in turn */
	unsigned int first, count;
	uint64_t done[FABRIC_READS];	/* cookies of reads that are complete */
	unsigned int ndone;
	uint64_t heard, rang;		/* us */
	uint64_t patience;		/* us without any progress */
	int err;			/* of a frame */
	int busy;			/* eventfd, readable while there is work */
	bool is_busy;
	unsigned int empty;		/* looks in vain, in a row */
};

#define dpdk_of(p) ((struct dpdk *)(p))

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* --- the port ----------------------------------------------------------------*/

static const char *args(void)
{
	const char *value = getenv("PANDO_DPDK");

	return value && *value ? value : NULL;
}

/* A test brings its own. */
extern const struct dpdk_port pando_dpdk_port __attribute__((weak));

static const struct dpdk_port *find_port(void)
{
	const struct dpdk_port *own = &pando_dpdk_port;
	void *object;

	if (own)
		return own;
	object = dlopen(PANDO_LIBEXEC "/" DPDK_PORT_FILE, RTLD_NOW);
	return object ? dlsym(object, "pando_dpdk_port") : NULL;
}

static int load_port(struct dpdk *d)
{
	const struct dpdk_port *port = find_port();
	char why[120];
	int err;

	if (!port)
		return fabric_error(&d->f, -ENOENT, "%s", dlerror());
	if (port->abi != DPDK_PORT_ABI)
		return fabric_error(&d->f, -ENOENT,
				    DPDK_PORT_FILE " is of another version");
	err = port->open(args(), &d->handle, why, sizeof(why));
	if (err)
		return fabric_error(&d->f, err, "%s", why);
	d->port = port;
	port->mac(d->handle, d->mac);
	d->frame_max = port->frame_max(d->handle);
	return 0;
}

static int dpdk_probe(struct fabric *f, const char *addr)
{
	(void)addr;
	return args() ? 0 : fabric_error(f, -ENODEV,
					 "pando.conf says nothing of dpdk");
}

static bool wants_to_rest(const struct dpdk *d, uint64_t now)
{
	return !d->flow.reads && !d->count && !d->ndone &&
	       now - d->heard > REST_US;
}

static void set_busy(struct dpdk *d, bool busy)
{
	uint64_t one = 1;

	if (busy == d->is_busy)
		return;
	if ((busy ? write(d->busy, &one, sizeof(one)) :
		    read(d->busy, &one, sizeof(one))) == sizeof(one))
		d->is_busy = busy;
}

static void ring(struct dpdk *d, uint64_t now)
{
	uint8_t bell = BELL;

	if (now - d->rang < REST_US / 2)
		return;
	d->rang = now;
	d->tcp->ops->send(d->tcp, &bell, 1);
}

/* --- frames --------------------------------------------------------------------*/

static int send_frame(struct dpdk *d, uint16_t type, const struct flow_ask *a,
		      uint16_t first, uint32_t len, const void *body,
		      size_t body_len)
{
	struct dpdk_frame h = d->head;

	h.type = htole16(type);
	h.read = htole16(a->read);
	h.first = htole16(first);
	h.generation = htole32(a->generation);
	h.len = htole32(len);
	h.key = htole32(a->key);
	h.addr = htole64(a->addr);
	h.mask = htole64(a->mask);
	return d->port->send(d->handle, &h, sizeof(h), body, body_len);
}

/* Answers what waits, as far as the port takes it: was there something? */
static bool answer(struct dpdk *d)
{
	bool any = d->count;

	for (unsigned int n = 0; d->count && n < BURST; ) {
		struct flow_ask *a = &d->ask[d->first];
		unsigned int bit = __builtin_ctzll(a->mask);
		unsigned int i = a->first + bit;
		uint32_t len = flow_bytes(a->len, d->fragment, i);

		if (send_frame(d, DPDK_DATA, a, i, len,
			       d->region[a->key].mem + a->addr +
			       (size_t)i * d->fragment, len))
			break;
		n++;
		a->mask &= a->mask - 1;
		if (a->mask)
			continue;
		d->first = (d->first + 1) % ASKS;
		d->count--;
	}
	return any;
}

/*
 * Whoever spins is the last that the scheduler favours when there is something
 * to do, and on one CPU keeps the other side from doing it.
 */
static void pause_if(struct dpdk *d, bool idle)
{
	struct timespec nap = { .tv_nsec = NAP_US * 1000 };

	d->empty = idle ? d->empty + 1 : 0;
	if (d->empty >= EMPTY)
		nanosleep(&nap, NULL);
}

/* What it names must be ours, whole, and readable. Too many: they ask again. */
static int take_ask(struct dpdk *d, const struct dpdk_frame *h)
{
	struct flow_ask a = {
		.read = le16toh(h->read), .first = le16toh(h->first),
		.generation = le32toh(h->generation), .len = le32toh(h->len),
		.key = le32toh(h->key), .addr = le64toh(h->addr),
		.mask = le64toh(h->mask),
	};
	unsigned int n = a.len && a.len <= FABRIC_READ_MAX ?
			 flow_fragments(a.len, d->fragment) : 0;

	if (!a.mask || a.first >= n ||
	    (n - a.first < 64 && a.mask >> (n - a.first)) ||
	    a.key >= d->regions || !d->region[a.key].readable ||
	    a.addr > d->region[a.key].len ||
	    a.len > d->region[a.key].len - a.addr)
		return fabric_error(&d->f, -EPROTO,
				    "the other side asked for memory that is not offered");
	if (d->count < ASKS)
		d->ask[(d->first + d->count++) % ASKS] = a;
	return 0;
}

static int take_data(struct dpdk *d, const struct dpdk_frame *h, size_t len)
{
	uint64_t cookie;
	int ret;

	/* short frames are filled up on the wire */
	if (le32toh(h->len) > len)
		return -EPROTO;
	ret = flow_data(&d->flow, now_us(), le16toh(h->read),
			le32toh(h->generation), le16toh(h->first), h + 1,
			le32toh(h->len), &cookie);
	if (ret > 0)
		d->done[d->ndone++] = cookie;
	return ret < 0 ? fabric_error(&d->f, ret, "garbage from the other side") :
			 0;
}

/* Others may use this type of frame too: what is not for us is passed over. */
static void on_frame(void *arg, const uint8_t *data, size_t len)
{
	static const struct flow_ask none;
	struct dpdk *d = arg;
	struct dpdk_frame h;
	const struct dpdk_frame *frame = (const void *)data;

	if (len < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	if (h.ether_type != d->head.ether_type || h.magic != d->head.magic ||
	    h.session != d->head.session || memcmp(h.dst, d->mac, 6) || d->err)
		return;
	d->heard = now_us();
	switch (le16toh(h.type)) {
	case DPDK_PING:
		if (le32toh(h.len) <= len - sizeof(h))
			send_frame(d, DPDK_PONG, &none, 0, le32toh(h.len),
				   frame + 1, le32toh(h.len));
		break;
	case DPDK_PONG:
		d->ponged = true;
		if (le32toh(h.len) <= len - sizeof(h) &&
		    le32toh(h.len) > d->pong)
			d->pong = le32toh(h.len);
		break;
	case DPDK_ASK:
		if (d->fragment)
			d->err = take_ask(d, &h);
		break;
	case DPDK_DATA:
		if (d->fragment)
			d->err = take_data(d, frame, len - sizeof(h));
		break;
	}
}

/* --- meeting ---------------------------------------------------------------------*/

static int dpdk_listen(struct fabric *f, const char *addr, uint16_t *port)
{
	struct dpdk *d = dpdk_of(f);
	int err;

	d->busy = -1;
	err = load_port(d);
	if (err)
		return err;
	d->tcp = fabric_new(&fabric_tcp, f->token, f->token_len);
	if (!d->tcp)
		return -ENOMEM;
	err = d->tcp->ops->listen(d->tcp, addr, port);
	if (err)
		return fabric_error(f, err, "%s", d->tcp->error);
	f->fd = d->tcp->fd;
	return 0;
}

static void say_hello(struct dpdk *d, uint8_t what)
{
	struct hello h = {
		.what = what,
		.frame_max = htole32(d->frame_max),
		.fragment = htole32(d->fragment),
		.session = htole64(d->session),
	};

	memcpy(h.mac, d->mac, 6);
	d->tcp->ops->send(d->tcp, &h, sizeof(h));
}

static int lost(struct dpdk *d)
{
	return fabric_error(&d->f, -EPIPE, "the other side went away%s%s",
			    d->tcp->error[0] ? ": " : "", d->tcp->error);
}

/* Waits for @what, and answers frames meanwhile. */
static int await(struct dpdk *d, uint8_t what, uint64_t end, struct hello *h)
{
	struct fabric_event ev;

	while (now_us() < end) {
		struct pollfd p = { d->tcp->fd, POLLIN, 0 };

		if (d->tcp->ops->poll(d->tcp, &ev) || ev.type == FABRIC_CLOSED)
			return lost(d);
		if (ev.type == FABRIC_MESSAGE && ev.len == sizeof(*h) &&
		    ev.msg[0] == what) {
			memcpy(h, ev.msg, sizeof(*h));
			return 0;
		}
		if (ev.type != FABRIC_NONE)
			return fabric_error(&d->f, -EPROTO,
					    "garbage from the other side");
		d->port->receive(d->handle, BURST, on_frame, d);
		d->port->flush(d->handle);
		poll(&p, 1, 1);
	}
	return fabric_error(&d->f, -ETIMEDOUT, "the other side says nothing");
}

/* From now on there are frames. */
static void know(struct dpdk *d, const struct hello *h)
{
	memcpy(d->head.dst, h->mac, 6);
	memcpy(d->head.src, d->mac, 6);
	d->head.ether_type = htobe16(DPDK_ETHER_TYPE);
	d->head.magic = htole32(DPDK_MAGIC);
	d->head.session = htole64(d->session);
	if (le32toh(h->frame_max) < d->frame_max)
		d->frame_max = le32toh(h->frame_max);
}

static int start(struct dpdk *d, int timeout_ms)
{
	struct epoll_event ev = { .events = EPOLLIN };

	flow_init(&d->flow, d->fragment);
	d->patience = timeout_ms * 1000ull;
	d->heard = now_us();
	d->busy = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->f.fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->busy < 0 || d->f.fd < 0 ||
	    epoll_ctl(d->f.fd, EPOLL_CTL_ADD, d->busy, &ev) ||
	    epoll_ctl(d->f.fd, EPOLL_CTL_ADD, d->tcp->fd, &ev))
		return fabric_error(&d->f, -errno, "epoll: %s",
				    strerror(errno));
	return 0;
}

static bool fits(const struct dpdk *d, unsigned int fragment)
{
	return d->frame_max >= sizeof(struct dpdk_frame) + fragment;
}

static int dpdk_accept(struct fabric *f, int timeout_ms)
{
	struct dpdk *d = dpdk_of(f);
	uint64_t end = now_us() + timeout_ms * 1000ull;
	struct hello h;
	int err;

	f->fd = -1;
	err = d->tcp->ops->accept(d->tcp, timeout_ms);
	if (err)
		return fabric_error(f, err, "%s", d->tcp->error);
	err = await(d, HELLO, end, &h);
	if (err)
		return err;
	d->session = le64toh(h.session);
	know(d, &h);
	say_hello(d, HELLO);
	err = await(d, READY, end, &h);
	if (err)
		return err;
	d->fragment = le32toh(h.fragment);
	if (d->fragment < FLOW_FRAGMENT || !fits(d, d->fragment))
		return fabric_error(f, -EPROTO, "garbage from the other side");
	return start(d, timeout_ms);
}

/*
 * Do frames arrive, and how large may they be? Large ones are tried first; what
 * the ports allow, a switch between them may not.
 */
static int try_frames(struct dpdk *d, uint64_t end)
{
	static const uint8_t filler[FRAGMENT_BIG];
	static const struct flow_ask none;
	uint64_t now = now_us(), half = now + (end - now) / 2, last = 0;
	struct fabric_event ev;
	uint32_t size = fits(d, FRAGMENT_BIG) ? FRAGMENT_BIG : FLOW_FRAGMENT;

	for (; now < end; now = now_us()) {
		if (d->tcp->ops->poll(d->tcp, &ev) || ev.type == FABRIC_CLOSED)
			return lost(d);
		if (now > half)
			size = FLOW_FRAGMENT;
		if (now - last > PING_US) {
			send_frame(d, DPDK_PING, &none, 0, size, filler, size);
			last = now;
		}
		d->port->flush(d->handle);
		d->port->receive(d->handle, BURST, on_frame, d);
		if (d->pong >= FLOW_FRAGMENT) {
			d->fragment = d->pong >= FRAGMENT_BIG ? FRAGMENT_BIG :
								FLOW_FRAGMENT;
			return 0;
		}
		poll(NULL, 0, 1);
	}
	return fabric_error(&d->f, -EHOSTUNREACH,
			    "no frame comes back: are both ports on one Ethernet?");
}

static int dpdk_connect(struct fabric *f, const char *addr, uint16_t port,
			int timeout_ms)
{
	struct dpdk *d = dpdk_of(f);
	uint64_t end = now_us() + timeout_ms * 1000ull;
	struct fabric_event ev;
	struct hello h;
	int err;

	d->busy = -1;
	err = load_port(d);
	if (err)
		return err;
	d->tcp = fabric_new(&fabric_tcp, f->token, f->token_len);
	if (!d->tcp || getrandom(&d->session, sizeof(d->session), 0) !=
		       sizeof(d->session))
		return -ENOMEM;
	err = d->tcp->ops->connect(d->tcp, addr, port, timeout_ms);
	if (err)
		return fabric_error(f, err, "%s", d->tcp->error);
	say_hello(d, HELLO);
	err = await(d, HELLO, end, &h);
	if (err)
		return err;
	know(d, &h);
	/* somebody else's turn comes after us */
	err = try_frames(d, now_us() + timeout_ms * 1000ull / 3);
	if (err)
		return err;
	say_hello(d, READY);
	/* it goes out now: the other side says nothing before it has it */
	if (d->tcp->ops->poll(d->tcp, &ev) || ev.type == FABRIC_CLOSED)
		return lost(d);
	return start(d, timeout_ms);
}

/* --- reads and messages --------------------------------------------------------------*/

static int dpdk_reg(struct fabric *f, void *mem, size_t len, bool readable,
		    struct fabric_region *region)
{
	struct dpdk *d = dpdk_of(f);

	if (d->regions == REGIONS)
		return fabric_error(f, -ENOSPC, "too many regions");
	d->region[d->regions].mem = mem;
	d->region[d->regions].len = len;
	d->region[d->regions].readable = readable;
	if (region)
		*region = (struct fabric_region){ 0, d->regions };
	d->regions++;
	return 0;
}

static int dpdk_send(struct fabric *f, const void *msg, size_t len)
{
	struct dpdk *d = dpdk_of(f);
	int err;

	if (len < 2)
		return -EINVAL;	/* it would be a bell */
	err = d->tcp->ops->send(d->tcp, msg, len);
	return err ? fabric_error(f, err, "%s", d->tcp->error) : 0;
}

static int dpdk_read(struct fabric *f, uint64_t cookie, void *dst, uint64_t addr,
		     uint32_t key, size_t len)
{
	struct dpdk *d = dpdk_of(f);
	uint64_t now = now_us();

	if (d->flow.reads + d->ndone >= FABRIC_READS ||
	    flow_read(&d->flow, now, cookie, dst, addr, key, len))
		return -EBUSY;
	if (now - d->heard > REST_US / 2)
		ring(d, now);
	set_busy(d, true);
	return 0;
}

static int turn_port(struct dpdk *d)
{
	uint64_t now, lost_before = d->flow.lost;
	struct flow_ask a;
	bool idle;

	idle = !d->port->receive(d->handle, BURST, on_frame, d);
	if (d->err)
		return d->err;
	now = now_us();
	flow_tick(&d->flow, now);
	if (d->flow.lost != lost_before)
		ring(d, now);
	while (flow_next(&d->flow, now, &a)) {
		idle = false;
		if (send_frame(d, DPDK_ASK, &a, a.first, a.len, NULL, 0))
			break;		/* as if it were lost */
	}
	idle &= !answer(d);
	d->port->flush(d->handle);
	if (d->flow.reads && now > d->flow.progress + d->patience)
		return fabric_error(&d->f, -ETIMEDOUT,
				    "frames do not arrive any more");
	set_busy(d, !wants_to_rest(d, now));
	pause_if(d, idle && d->is_busy && !d->ndone);
	return 0;
}

static int dpdk_poll(struct fabric *f, struct fabric_event *ev)
{
	struct dpdk *d = dpdk_of(f);
	int err = d->tcp->ops->poll(d->tcp, ev);

	if (err)
		return fabric_error(f, err, "%s", d->tcp->error);
	if (ev->type == FABRIC_MESSAGE && ev->len == 1) {
		d->heard = now_us();
		ev->type = FABRIC_NONE;
	}
	if (ev->type != FABRIC_NONE)
		return 0;
	err = turn_port(d);
	if (err)
		return err;
	if (d->ndone) {
		ev->type = FABRIC_READ;
		ev->cookie = d->done[--d->ndone];
	}
	return 0;
}

static void dpdk_limits(const struct fabric *f, struct fabric_limits *l)
{
	(void)f;
	l->reads = FABRIC_READS;
	l->read_max = FABRIC_READ_MAX;
}

static void dpdk_close(struct fabric *f)
{
	struct dpdk *d = dpdk_of(f);

	/* only made, or nobody came: there is nothing of its own yet */
	if (d->tcp && f->fd >= 0 && f->fd != d->tcp->fd) {
		close(f->fd);
		close(d->busy);
	}
	fabric_free(d->tcp);
	d->tcp = NULL;
	f->fd = -1;
	if (d->port)
		d->port->close(d->handle);
	d->port = NULL;
}

const struct fabric_ops fabric_dpdk = {
	.name = "dpdk",
	.size = sizeof(struct dpdk),
	.probe = dpdk_probe,
	.listen = dpdk_listen,
	.accept = dpdk_accept,
	.connect = dpdk_connect,
	.reg = dpdk_reg,
	.send = dpdk_send,
	.read = dpdk_read,
	.poll = dpdk_poll,
	.limits = dpdk_limits,
	.close = dpdk_close,
};
