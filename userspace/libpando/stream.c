// SPDX-License-Identifier: GPL-2.0-only
/* Frames over a non-blocking socket, for programs with an event loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define READ_CHUNK	(256u << 10)
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
	struct pando_bytes in;		/* not yet made into frames */
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
	pando_bytes_free(&s->in);
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

int pando_stream_fill(struct pando_stream *s)
{
	uint8_t *to = pando_bytes_reserve(&s->in, READ_CHUNK);
	ssize_t n;

	if (!to)
		return -ENOMEM;
	/*
	 * One chunk a call: the event loop comes back while there is more, and
	 * a fast sender does not keep the others waiting.
	 */
	n = pando_recvmsg(s->sock, to, READ_CHUNK, &s->queue, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return 1;
	if (n <= 0)
		return n;
	s->in.len += n;
	return 1;
}

int pando_stream_next(struct pando_stream *s, Pando__Frame **frame, int *fds,
		      int *nfds)
{
	size_t have = pando_bytes_left(&s->in);
	const uint8_t *at = s->in.buf + s->in.off;
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
	pando_bytes_take(&s->in, FRAME_HEADER + len);
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
