// SPDX-License-Identifier: GPL-2.0-only
/* Links between daemons. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "kernel.h"
#include "log.h"
#include "peer.h"
#include "serve.h"
#include "worker.h"

#define LOG_NAME	"peer"
#define CONTEXT		"pandod"
#define CONNECT_MS	3000
#define RETRY_MS	20
#define HANDSHAKES_MAX	32	/* strangers at once */
#define STRANGER_MS	100	/* no longer, when others wait */
#define REFUSALS_MAX	5	/* lines in the log in REFUSALS_MS */
#define REFUSALS_MS	5000

/* A connection that a worker makes or checks. */
struct handshake {
	struct handshake *older, *newer;	/* of strangers */
	uint64_t since;		/* ms */
	int sock;		/* -1: to be connected */
	uint16_t node;
	struct sockaddr_storage addr;
	socklen_t addrlen;
	char from[64];
	unsigned int timeout_ms;
	int err;
	const struct link_ops *ops;
	void *data;
	void (*ready)(void *data, struct link *l, int err);
};

/* A call that waits for the link. */
struct waiting {
	struct waiting *next;
	uint8_t *frame;
	size_t len;
	unsigned int timeout_ms;
	call_fn fn;
	void *data;
};

struct peer {
	struct peer *next;
	uint16_t node;
	struct link *link;
	bool connecting;
	struct waiting *waiting;
};

static struct peer *peers;

/* Who has connected and not yet shown that they belong here. */
static struct {
	struct handshake *oldest, *newest;
	int count;
	sd_event_source *listener;	/* off while there are too many */
	sd_event_source *timer;		/* the oldest has had its time */
} strangers;

const char *peer_error(uint16_t node, int err)
{
	static char text[160];
	const char *why;

	switch (-err) {
	case ETIMEDOUT:
		why = "did not answer in time";
		break;
	case EACCES:
		why = "has another cluster key";
		break;
	case EHOSTDOWN:
		why = "left the cluster";
		break;
	case ECONNRESET:
	case EPIPE:
		why = "broke the connection";
		break;
	case ECONNREFUSED:
		why = "has no daemon listening";
		break;
	default:
		snprintf(text, sizeof(text), "node %s cannot be reached: %s",
			 cluster_name(node), strerror(-err));
		return text;
	}
	snprintf(text, sizeof(text), "node %s %s", cluster_name(node), why);
	return text;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* --- handshakes, in workers ---------------------------------------------------------*/

static int connect_timed(struct handshake *h, unsigned int timeout_ms)
{
	int sock = socket(h->addr.ss_family,
			  SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { sock, POLLOUT, 0 };
	socklen_t len = sizeof(int);
	int err = 0;

	if (sock < 0)
		return -errno;
	h->sock = sock;
	if (!connect(sock, (struct sockaddr *)&h->addr, h->addrlen))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int shake_once(struct handshake *h, bool initiator,
		      unsigned int timeout_ms)
{
	int err = initiator ? connect_timed(h, timeout_ms) : 0;
	int one = 1;

	if (err)
		return err;
	setsockopt(h->sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(h->sock, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return pando_auth(h->sock, initiator, pandod.key, pandod.keylen,
			  CONTEXT, timeout_ms);
}

static void shake(void *data)
{
	struct handshake *h = data;
	bool initiator = h->sock < 0;
	uint64_t end = now_ms() + h->timeout_ms, now;

	h->err = shake_once(h, initiator, h->timeout_ms);
	/* we were taken for one of many strangers, and had to make room */
	while (initiator && (h->err == -EPIPE || h->err == -ECONNRESET) &&
	       (now = now_ms()) < end) {
		close(h->sock);
		h->sock = -1;
		poll(NULL, 0, RETRY_MS);
		h->err = shake_once(h, initiator, end - now);
	}
}

static void connected(void *data)
{
	struct handshake *h = data;
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_HELLO);
	Pando__PeerHello hello = PANDO__PEER_HELLO__INIT;
	struct link *l = NULL;

	if (!h->err && !state_member(cluster_state(), h->node))
		h->err = -EHOSTDOWN;
	if (!h->err) {
		l = link_new(pandod.event, h->sock, h->ops, h->data);
		h->sock = -1;
		if (!l)
			h->err = -ENOMEM;
	}
	if (l) {
		link_cred(l)->node = h->node;
		f.peer_hello = &hello;
		hello.node = pandod.self;
		link_send(l, &f, NULL, 0);
	} else {
		log_warn("no link node=%u: %s", h->node,
			 peer_error(h->node, h->err));
	}
	if (h->sock >= 0)
		close(h->sock);
	h->ready(h->data, l, h->err);
	free(h);
}

int peer_open(uint16_t node, const struct link_ops *ops, void *data,
	      void (*ready)(void *data, struct link *l, int err))
{
	const struct member *m = state_member(cluster_state(), node);
	struct handshake *h;
	int err;

	if (!m)
		return -EHOSTDOWN;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->sock = -1;
	h->node = node;
	h->timeout_ms = bound_ms(CONNECT_MS);
	h->ops = ops;
	h->data = data;
	h->ready = ready;
	err = kernel_address(m->addr, m->daemon_port, &h->addr, &h->addrlen) ?
	      worker_run(shake, connected, h) : -EINVAL;
	if (err)
		free(h);
	return err;
}

/* --- the kept link ------------------------------------------------------------------*/

static struct peer *find(uint16_t node)
{
	struct peer *p;

	for (p = peers; p && p->node != node; p = p->next)
		;
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		p->node = node;
		p->next = peers;
		peers = p;
	}
	return p;
}

static void on_closed(struct link *l, int err)
{
	struct peer *p = link_data(l);

	log_info("link closed node=%u: %s", p->node,
		 err ? strerror(-err) : "end of file");
	p->link = NULL;
}

static const struct link_ops kept_ops = { .closed = on_closed };

static void send_waiting(struct peer *p, int err)
{
	struct waiting *list = p->waiting, *w;

	p->waiting = NULL;
	while ((w = list)) {
		Pando__Frame *f = pando__frame__unpack(NULL, w->len, w->frame);
		int bad = err ? err : f ? 0 : -ENOMEM;

		list = w->next;
		if (!bad && (!p->link || !link_call(p->link, f, NULL, 0,
						    w->timeout_ms, w->fn,
						    w->data)))
			bad = -ECONNRESET;
		if (bad)
			w->fn(w->data, NULL, NULL, 0, bad);
		pando_frame_free(f);
		free(w->frame);
		free(w);
	}
}

static void on_ready(void *data, struct link *l, int err)
{
	struct peer *p = data;

	p->connecting = false;
	p->link = l;
	send_waiting(p, err);
}

void peer_call(uint16_t node, Pando__Frame *f, unsigned int timeout_ms,
	       call_fn fn, void *data)
{
	struct peer *p = find(node);
	struct waiting *w, **tail;
	int err;

	if (p && p->link) {
		if (!link_call(p->link, f, NULL, 0, timeout_ms, fn, data))
			fn(data, NULL, NULL, 0, -ECONNRESET);
		return;
	}
	w = p ? calloc(1, sizeof(*w)) : NULL;
	if (w)
		w->frame = malloc(pando__frame__get_packed_size(f));
	if (!w || !w->frame) {
		free(w);
		fn(data, NULL, NULL, 0, -ENOMEM);
		return;
	}
	w->len = pando__frame__pack(f, w->frame);
	w->timeout_ms = timeout_ms;
	w->fn = fn;
	w->data = data;
	for (tail = &p->waiting; *tail; tail = &(*tail)->next)
		;
	*tail = w;
	if (p->connecting)
		return;
	err = peer_open(node, &kept_ops, p, on_ready);
	if (err)
		send_waiting(p, err);
	else
		p->connecting = true;
}

/* --- the other side --------------------------------------------------------------------*/

static void on_frame(struct link *l, Pando__Frame *f, int *fds, int nfds)
{
	struct cred *c = link_cred(l);

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (c->node) {
		serve_peer(l, f);
	} else if (f->body_case == PANDO__FRAME__BODY_PEER_HELLO &&
		   f->peer_hello->node && f->peer_hello->node <= PANDO_NODE_MAX) {
		c->node = f->peer_hello->node;
	} else {
		link_close(l, -EPROTO);
	}
}

static void on_served_closed(struct link *l, int err)
{
	log_debug("served link closed node=%u: %s", link_cred(l)->node,
		  err ? strerror(-err) : "end of file");
}

static const struct link_ops served_ops = {
	.frame = on_frame,
	.closed = on_served_closed,
};

static void stranger_add(struct handshake *h)
{
	h->since = now_ms();
	h->older = strangers.newest;
	if (h->older)
		h->older->newer = h;
	else
		strangers.oldest = h;
	strangers.newest = h;
	strangers.count++;
}

static void stranger_remove(struct handshake *h)
{
	*(h->older ? &h->older->newer : &strangers.oldest) = h->newer;
	*(h->newer ? &h->newer->older : &strangers.newest) = h->older;
	strangers.count--;
}

/* Anybody can make us say so, as often as they like. */
static void say_refused(const struct handshake *h)
{
	static unsigned int said, unsaid;
	static uint64_t since;

	if (now_ms() - since > REFUSALS_MS) {
		if (unsaid)
			log_warn("refused %u more", unsaid);
		since = now_ms();
		said = unsaid = 0;
	}
	if (said == REFUSALS_MAX) {
		unsaid++;
		return;
	}
	said++;
	if (h->err == -EACCES)
		log_warn("refused from=%s: wrong cluster key, or no daemon of "
			 "this cluster", h->from);
	else
		log_info("refused from=%s: %s", h->from, strerror(-h->err));
}

static void accepted(void *data)
{
	struct handshake *h = data;

	stranger_remove(h);
	sd_event_source_set_enabled(strangers.listener, SD_EVENT_ON);
	if (h->err) {
		say_refused(h);
	} else {
		link_new(pandod.event, h->sock, &served_ops, NULL);
		h->sock = -1;
	}
	if (h->sock >= 0)
		close(h->sock);
	free(h);
}

static void describe(const struct sockaddr_storage *ss, socklen_t len, char *to,
		     size_t size)
{
	char host[48] = "?", port[8] = "?";

	getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(to, size, "%s:%s", host, port);
}

static int on_time(sd_event_source *source, uint64_t usec, void *data);

/*
 * Whoever connects next waits for a place. Those who belong here need theirs
 * for a moment only; who says nothing must not keep them out.
 */
static void make_room(void)
{
	struct handshake *h = strangers.oldest;
	uint64_t age = now_ms() - h->since, limit = bound_ms(STRANGER_MS);

	sd_event_source_set_enabled(strangers.listener, SD_EVENT_OFF);
	strangers.timer = sd_event_source_unref(strangers.timer);
	if (age >= limit)
		shutdown(h->sock, SHUT_RDWR);	/* ends its worker's wait */
	else
		sd_event_add_time_relative(pandod.event, &strangers.timer,
					   CLOCK_MONOTONIC,
					   (limit - age) * 1000, 0, on_time,
					   NULL);
}

static int on_time(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	(void)data;
	if (strangers.count >= HANDSHAKES_MAX)
		make_room();
	return 0;
}

static int on_connect(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	struct handshake *h;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int sock;

	(void)source;
	(void)events;
	(void)data;
	if (strangers.count >= HANDSHAKES_MAX) {
		make_room();
		return 0;
	}
	h = calloc(1, sizeof(*h));
	sock = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);
	if (sock < 0 || !h) {
		if (sock >= 0)
			close(sock);
		free(h);
		return 0;
	}
	h->sock = sock;
	h->timeout_ms = bound_ms(CONNECT_MS);
	describe(&ss, len, h->from, sizeof(h->from));
	if (worker_run(shake, accepted, h) < 0) {
		close(sock);
		free(h);
	} else {
		stranger_add(h);
	}
	return 0;
}

int peer_listen(void)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int sock, one = 1;

	if (pandod.standalone)
		return 0;
	if (!kernel_address(pandod.address, pandod.config.daemon_port, &ss,
			    &len)) {
		log_err("address '%s' is neither IPv4 nor IPv6",
			pandod.address);
		return -EINVAL;
	}
	sock = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (sock >= 0)
		setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sock < 0 || bind(sock, (struct sockaddr *)&ss, len) < 0 ||
	    listen(sock, SOMAXCONN) < 0) {
		int err = errno;

		log_err("cannot listen on %s:%u: %s", pandod.address,
			pandod.config.daemon_port, strerror(err));
		if (sock >= 0)
			close(sock);
		return -err;
	}
	return sd_event_add_io(pandod.event, &strangers.listener, sock, EPOLLIN,
			       on_connect, NULL);
}

static bool is_gone(const struct cred *c)
{
	return c->node && !state_member(cluster_state(), c->node);
}

void peer_view(void)
{
	link_close_all(is_gone, -EHOSTDOWN);
}
