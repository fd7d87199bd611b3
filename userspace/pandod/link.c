// SPDX-License-Identifier: GPL-2.0-only
/* Connections in the event loop; see link.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link.h"
#include "log.h"

#define LOG_NAME	"link"
#define REQUESTS_MAX	1024	/* open at once on one link */

struct call {
	struct call *next;
	struct link *link;
	uint32_t id;
	unsigned int timeout_ms;
	sd_event_source *timer;
	call_fn fn;
	void *data;
	bool active;		/* fn is on the stack: who is in there frees it */
	bool cancelled, orphan;
};

struct link {
	struct link *next;	/* of all, until it is freed */
	sd_event *event;
	struct pando_stream *stream;
	sd_event_source *io, *later;	/* later: reap, break or resume */
	const struct link_ops *ops;
	void *data;
	struct cred cred;
	struct call *calls;
	struct request *requests;
	unsigned int nrequests;
	uint32_t next_id;
	uint32_t follow_id;	/* whose bytes follow */
	bool dead, paused, high;
	int broken;		/* writing failed: to be closed for it */
};

static struct link *links;

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data);

struct link *link_new(sd_event *event, int sock, const struct link_ops *ops,
		      void *data)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		goto fail;
	l->event = event;
	l->ops = ops;
	l->data = data;
	l->next_id = 1;
	l->stream = pando_stream_new(sock);
	if (!l->stream)
		goto fail;
	if (sd_event_add_io(event, &l->io, sock, EPOLLIN, on_io, l) < 0) {
		pando_stream_free(l->stream);
		free(l);
		return NULL;
	}
	l->next = links;
	links = l;
	return l;
fail:
	close(sock);
	free(l);
	return NULL;
}

void *link_data(struct link *l)
{
	return l->data;
}

void link_set_data(struct link *l, void *data)
{
	l->data = data;
}

struct cred *link_cred(struct link *l)
{
	return &l->cred;
}

int link_fd(struct link *l)
{
	return pando_stream_fd(l->stream);
}

size_t link_pending(struct link *l)
{
	return l->dead ? 0 : pando_stream_pending(l->stream);
}

static void watch(struct link *l)
{
	uint32_t events = l->paused ? 0 : EPOLLIN;

	if (l->dead)
		return;
	/* who waits for room is told by that, though all be written by now */
	if (pando_stream_pending(l->stream) || l->high)
		events |= EPOLLOUT;
	sd_event_source_set_io_events(l->io, events);
}

static void process(struct link *l);

/*
 * What must not happen under a caller's feet: the end of a link that broke in
 * the middle of a send, the frames that waited during a pause, and the freeing.
 */
static int on_later(sd_event_source *source, void *data)
{
	struct link *l = data;

	(void)source;
	l->later = sd_event_source_disable_unref(l->later);
	if (l->dead) {
		struct link **p = &links;

		while (*p != l)
			p = &(*p)->next;
		*p = l->next;
		pando_stream_free(l->stream);
		free(l->cred.groups);
		free(l);
	} else if (l->broken) {
		link_close(l, l->broken);
	} else {
		process(l);
	}
	return 0;
}

static void do_later(struct link *l)
{
	if (!l->later)
		sd_event_add_defer(l->event, &l->later, on_later, l);
}

void link_pause(struct link *l, bool paused)
{
	if (l->paused && !paused)
		do_later(l);
	l->paused = paused;
	watch(l);
}

static void call_free(struct call *c)
{
	sd_event_source_disable_unref(c->timer);
	free(c);
}

static void call_unlink(struct call *c)
{
	for (struct call **p = &c->link->calls; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			return;
		}
	}
}

void link_close(struct link *l, int err)
{
	if (l->dead)
		return;
	l->dead = true;
	l->io = sd_event_source_disable_unref(l->io);
	while (l->calls) {
		struct call *c = l->calls;

		l->calls = c->next;
		if (c->active) {
			c->orphan = true;
			continue;
		}
		c->active = true;
		c->fn(c->data, NULL, NULL, 0, err ? err : -ECONNRESET);
		call_free(c);
	}
	while (l->requests) {
		struct request *r = l->requests;

		l->requests = r->next;
		if (r->gone)
			r->gone(r);
		free(r);
	}
	if (l->ops->closed)
		l->ops->closed(l, err);
	/* someone up the stack may still look at it */
	do_later(l);
}

void link_close_all(bool (*such)(const struct cred *c), int err)
{
	/* closed ones stay in the list for this turn of the loop */
	for (struct link *l = links; l; l = l->next)
		if (such(&l->cred))
			link_close(l, err);
}

static int flush(struct link *l)
{
	int ret = pando_stream_flush(l->stream);

	if (ret < 0) {
		l->broken = ret;
		do_later(l);
		return ret;
	}
	if (pando_stream_pending(l->stream) > LINK_PENDING_HIGH)
		l->high = true;
	watch(l);
	return 0;
}

int link_send(struct link *l, const Pando__Frame *f, const int *fds, int nfds)
{
	int ret;

	if (l->dead || l->broken)
		return -ECONNRESET;
	ret = pando_stream_queue(l->stream, f, fds, nfds);
	if (ret == -EMSGSIZE || ret == -EINVAL)
		return ret;	/* our own doing, the link is sound */
	if (ret < 0) {
		l->broken = ret;
		do_later(l);
		return ret;
	}
	return flush(l);
}

int link_send_pipe(struct link *l, const Pando__Frame *f, int pipe, size_t n)
{
	int ret;

	if (l->dead || l->broken)
		return -ECONNRESET;
	ret = pando_stream_queue_pipe(l->stream, f, pipe, n);
	if (!ret)
		return flush(l);
	/* what is in the pipe cannot be put back */
	l->broken = ret;
	do_later(l);
	return ret;
}

void link_take_follows(struct link *l)
{
	pando_stream_take_follows(l->stream);
}

static struct call *find_call(struct link *l, uint32_t id)
{
	for (struct call *c = l->calls; c; c = c->next)
		if (c->id == id)
			return c;
	return NULL;
}

static struct request *find_request(struct link *l, uint32_t id)
{
	for (struct request *r = l->requests; r; r = r->next)
		if (r->id == id)
			return r;
	return NULL;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data)
{
	struct call *c = data;

	(void)source;
	(void)usec;
	call_unlink(c);
	c->active = true;
	c->fn(c->data, NULL, NULL, 0, -ETIMEDOUT);
	call_free(c);
	return 0;
}

static void call_touch(struct call *c)
{
	if (c->timer)
		sd_event_source_set_time_relative(c->timer,
						  c->timeout_ms * 1000ull);
}

static void dispatch(struct link *l, Pando__Frame *f, int *fds, int nfds)
{
	struct call *c = find_call(l, f->id);
	struct request *r = c ? NULL : find_request(l, f->id);

	if (c) {
		bool more;

		call_touch(c);
		c->active = true;
		more = c->fn(c->data, f, fds, nfds, 0);
		c->active = false;
		if (more && !c->cancelled && !c->orphan)
			return;
		if (c->orphan && more && !c->cancelled)
			c->fn(c->data, NULL, NULL, 0, -ECONNRESET);
		if (!c->orphan)
			call_unlink(c);
		call_free(c);
	} else if (r && r->frame) {
		r->frame(r, f, fds, nfds);
	} else if (r) {
		for (int i = 0; i < nfds; i++)
			close(fds[i]);
		link_close(l, -EPROTO);
	} else if (l->ops->frame) {
		l->ops->frame(l, f, fds, nfds);
	} else {
		/* an answer to what was given up */
		for (int i = 0; i < nfds; i++)
			close(fds[i]);
	}
}

/* False: there are more to come, or the link is closed. */
static bool take_follows(struct link *l)
{
	static uint8_t nowhere[65536];
	ssize_t n = 1;

	while (n > 0 && pando_stream_follows(l->stream)) {
		struct request *r = find_request(l, l->follow_id);

		if (r && r->follow)
			n = r->follow(r, l->stream);
		else
			n = pando_stream_follow_read(l->stream, nowhere,
						     sizeof(nowhere));
		if (l->dead || l->broken)
			return false;
	}
	if (n <= 0 && n != -EAGAIN && n != -EINTR)
		link_close(l, n);
	return n > 0;
}

static void process(struct link *l)
{
	int fds[PANDO_FRAME_FDS], nfds;
	Pando__Frame *f;
	int got;

	while (!l->dead && !l->broken && !l->paused) {
		if (!take_follows(l))
			return;
		got = pando_stream_next(l->stream, &f, fds, &nfds);
		if (got < 0)
			link_close(l, got);
		if (got <= 0)
			return;
		l->follow_id = f->id;
		dispatch(l, f, fds, nfds);
		pando_frame_free(f);
	}
}

static void on_readable(struct link *l)
{
	int ret = pando_stream_fill(l->stream);

	/* frames that came before an end of file still count */
	process(l);
	if (!l->dead && ret <= 0)
		link_close(l, ret);
}

static void on_writable(struct link *l)
{
	struct request *r, *next;

	flush(l);
	if (!l->broken && l->ops->flushed && !pando_stream_pending(l->stream))
		l->ops->flushed(l);
	if (l->dead || l->broken || !l->high ||
	    pando_stream_pending(l->stream) >= LINK_PENDING_LOW)
		return;
	l->high = false;
	if (l->ops->drained)
		l->ops->drained(l);
	for (r = l->requests; r && !l->dead; r = next) {
		next = r->next;
		if (r->drained)
			r->drained(r);
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct link *l = data;

	(void)source;
	(void)fd;
	if (events & EPOLLOUT)
		on_writable(l);
	if (l->dead || l->broken)
		return 0;
	if (!l->paused && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		on_readable(l);
	else if (events & (EPOLLHUP | EPOLLERR))
		link_close(l, 0);	/* nobody left to pause for */
	return 0;
}

struct call *link_call(struct link *l, Pando__Frame *f, const int *fds,
		       int nfds, unsigned int timeout_ms, call_fn fn,
		       void *data)
{
	struct call *c;

	if (l->dead || l->broken)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->link = l;
	c->id = f->id = l->next_id++;
	c->fn = fn;
	c->data = data;
	c->timeout_ms = timeout_ms;
	/* sent before it is listed: a failure is told by NULL, not by fn */
	if (link_send(l, f, fds, nfds) < 0) {
		free(c);
		return NULL;
	}
	if (timeout_ms)
		sd_event_add_time_relative(l->event, &c->timer, CLOCK_MONOTONIC,
					   timeout_ms * 1000ull, 0, on_timeout,
					   c);
	c->next = l->calls;
	l->calls = c;
	return c;
}

int call_send(struct call *c, Pando__Frame *f)
{
	f->id = c->id;
	return link_send(c->link, f, NULL, 0);
}

struct link *call_link(struct call *c)
{
	return c->link;
}

void call_cancel(struct call *c)
{
	c->cancelled = true;
	if (c->active)
		return;
	call_unlink(c);
	call_free(c);
}

struct request *request_new(struct link *l, uint32_t id)
{
	struct request *r;

	if (l->dead || l->nrequests >= REQUESTS_MAX || find_request(l, id))
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->link = l;
	r->id = id;
	r->next = l->requests;
	l->requests = r;
	l->nrequests++;
	return r;
}

int request_reply(struct request *r, Pando__Frame *f)
{
	f->id = r->id;
	return link_send(r->link, f, NULL, 0);
}

int request_reply_pipe(struct request *r, Pando__Frame *f, int pipe, size_t n)
{
	f->id = r->id;
	return link_send_pipe(r->link, f, pipe, n);
}

void request_end(struct request *r, Pando__Frame *f)
{
	struct link *l = r->link;

	for (struct request **p = &l->requests; *p; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			break;
		}
	}
	l->nrequests--;
	if (f) {
		f->id = r->id;
		link_send(l, f, NULL, 0);
	}
	free(r);
}

void request_fail(struct request *r, int err, const char *fmt, ...)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_ERROR);
	Pando__Error e = PANDO__ERROR__INIT;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_debug("request failed errno=%d text=%s", err, text);
	e.code = err < 0 ? -err : err;
	e.text = text;
	f.error = &e;
	request_end(r, &f);
}

Pando__Frame frame_of(Pando__Frame__BodyCase body)
{
	Pando__Frame f = PANDO__FRAME__INIT;

	f.body_case = body;
	return f;
}
