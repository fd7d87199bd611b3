// SPDX-License-Identifier: GPL-2.0-only
/* Frames over a non-blocking socket, for programs with an event loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define READ_CHUNK	65536
#define PENDING_MAX	(64u << 20)	/* nobody may make us hold more */

/* A frame on its way out; its descriptors go with the first byte. */
struct chunk {
	struct chunk *next;
	size_t len, off;
	int nfds;
	int fds[PANDO_FRAME_FDS];
	uint8_t *buf;
};

struct pando_stream {
	int sock;
	uint8_t *in;			/* bytes not yet made into frames */
	size_t in_len, in_off, in_cap;
	struct fd_queue queue;
	struct chunk *out, **out_tail;
	size_t pending;
};

struct pando_stream *pando_stream_new(int sock)
{
	struct pando_stream *s = calloc(1, sizeof(*s));
	int flags = fcntl(sock, F_GETFL);

	if (!s || flags < 0 || fcntl(sock, F_SETFL, flags | O_NONBLOCK) < 0) {
		free(s);
		return NULL;
	}
	s->sock = sock;
	s->out_tail = &s->out;
	return s;
}

static void chunk_free(struct chunk *c)
{
	for (int i = 0; i < c->nfds; i++)
		close(c->fds[i]);
	free(c->buf);
	free(c);
}

void pando_stream_free(struct pando_stream *s)
{
	if (!s)
		return;
	while (s->out) {
		struct chunk *c = s->out;

		s->out = c->next;
		chunk_free(c);
	}
	pando_fd_queue_close(&s->queue);
	close(s->sock);
	free(s->in);
	free(s);
}

int pando_stream_fd(const struct pando_stream *s)
{
	return s->sock;
}

size_t pando_stream_pending(const struct pando_stream *s)
{
	return s->pending;
}

/* Makes room for a chunk; what was consumed makes way first. */
static int reserve(struct pando_stream *s)
{
	uint8_t *in;

	if (s->in_off) {
		s->in_len -= s->in_off;
		memmove(s->in, s->in + s->in_off, s->in_len);
		s->in_off = 0;
	}
	if (s->in_cap - s->in_len >= READ_CHUNK)
		return 0;
	in = realloc(s->in, s->in_len + READ_CHUNK);
	if (!in)
		return -ENOMEM;
	s->in = in;
	s->in_cap = s->in_len + READ_CHUNK;
	return 0;
}

int pando_stream_fill(struct pando_stream *s)
{
	ssize_t n;

	/*
	 * One chunk a call: the event loop comes back while there is more, and
	 * a fast sender does not keep the others waiting.
	 */
	n = reserve(s);
	if (n)
		return n;
	n = pando_recvmsg(s->sock, s->in + s->in_len, READ_CHUNK, &s->queue,
			  MSG_DONTWAIT);
	if (n == -EAGAIN)
		return 1;
	if (n <= 0)
		return n;
	s->in_len += n;
	return 1;
}

int pando_stream_next(struct pando_stream *s, Pando__Frame **frame, int *fds,
		      int *nfds)
{
	size_t have = s->in_len - s->in_off;
	const uint8_t *at = s->in + s->in_off;
	ssize_t len;
	int ret;

	if (nfds)
		*nfds = 0;
	if (have < FRAME_HEADER) {
		/* descriptors come with a frame's first byte, or not at all */
		return !have && s->queue.n ? -EPROTO : 0;
	}
	len = pando_frame_length(at);
	if (len < 0)
		return len;
	if (have < FRAME_HEADER + (size_t)len)
		return 0;
	ret = pando_frame_decode(at + FRAME_HEADER, len, &s->queue, frame, fds,
				 nfds);
	s->in_off += FRAME_HEADER + len;
	return ret;
}

int pando_stream_queue(struct pando_stream *s, const Pando__Frame *frame,
		       const int *fds, int nfds)
{
	struct chunk *c;
	int err;

	if (s->pending > PENDING_MAX)
		return -ENOBUFS;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	err = pando_frame_encode(frame, nfds, &c->buf, &c->len);
	for (int i = 0; i < nfds && !err; i++) {
		c->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (c->fds[i] < 0)
			err = -errno;
		else
			c->nfds++;
	}
	if (err) {
		chunk_free(c);
		return err;
	}
	*s->out_tail = c;
	s->out_tail = &c->next;
	s->pending += c->len;
	return 0;
}

int pando_stream_flush(struct pando_stream *s)
{
	while (s->out) {
		struct chunk *c = s->out;
		ssize_t n = pando_sendmsg(s->sock, c->buf + c->off,
					  c->len - c->off, c->fds,
					  c->off ? 0 : c->nfds, MSG_DONTWAIT);

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return n;
		c->off += n;
		s->pending -= n;
		if (c->off < c->len)
			continue;
		s->out = c->next;
		if (!s->out)
			s->out_tail = &s->out;
		chunk_free(c);
	}
	return 1;
}
