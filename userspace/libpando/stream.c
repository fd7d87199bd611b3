// SPDX-License-Identifier: GPL-2.0-only
/* Frames over a non-blocking socket, for programs with an event loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

#define READ_CHUNK	(256u << 10)
#define PENDING_MAX	(64u << 20)	/* nobody may make us hold more */
#define SPLICE_MIN	(32u << 10)	/* less is copied sooner than moved */
#define FIRST_CHUNK	4096u		/* where bytes may follow that are not for us */

/* A frame on its way out; its descriptors go with the first byte. */
struct chunk {
	struct chunk *next;
	size_t len, off;
	int pipe;			/* or bytes of this one, if not -1 */
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
	bool take_follows;
	size_t follows;			/* bytes to come that are no frame */
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
	if (c->pipe >= 0)
		close(c->pipe);
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

/* What follows a frame is better left where it is: to the frame's end. */
static size_t wanted(const struct pando_stream *s)
{
	size_t have = pando_bytes_left(&s->in);
	ssize_t len;

	if (!s->take_follows)
		return READ_CHUNK;
	len = have < FRAME_HEADER ? 0 :
	      pando_frame_length(s->in.buf + s->in.off);
	if (len < 0 || FRAME_HEADER + (size_t)len <= have + FIRST_CHUNK)
		return FIRST_CHUNK;
	return FRAME_HEADER + (size_t)len - have;
}

int pando_stream_fill(struct pando_stream *s)
{
	size_t want = wanted(s);
	uint8_t *to;
	ssize_t n;

	if (s->follows)
		return 1;
	to = pando_bytes_reserve(&s->in, want);
	if (!to)
		return -ENOMEM;
	/*
	 * One chunk a call: the event loop comes back while there is more, and
	 * a fast sender does not keep the others waiting.
	 */
	n = pando_recvmsg(s->sock, to, want, &s->queue, MSG_DONTWAIT);
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
	if (s->follows)
		return 0;
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
	if (ret <= 0 || (*frame)->body_case != PANDO__FRAME__BODY_DATA)
		return ret;
	s->follows = (*frame)->data->follows;
	if (!s->follows ||
	    (s->take_follows && s->follows <= PANDO_FOLLOW_MAX))
		return ret;
	pando_frame_free(*frame);
	for (int i = 0; nfds && i < *nfds; i++)
		close(fds[i]);
	return -EPROTO;
}

/* --- bytes behind a frame ------------------------------------------------------*/

void pando_stream_take_follows(struct pando_stream *s)
{
	s->take_follows = true;
}

size_t pando_stream_follows(const struct pando_stream *s)
{
	return s->follows;
}

static ssize_t followed(struct pando_stream *s, ssize_t n)
{
	if (n < 0)
		return -errno;
	s->follows -= n;
	return n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

ssize_t pando_stream_follow_read(struct pando_stream *s, void *buf, size_t n)
{
	size_t have = pando_bytes_left(&s->in);

	n = least(n, s->follows);
	if (!have)
		return followed(s, recv(s->sock, buf, n, MSG_DONTWAIT));
	n = least(n, have);
	memcpy(buf, s->in.buf + s->in.off, n);
	pando_bytes_take(&s->in, n);
	return followed(s, n);
}

ssize_t pando_stream_follow_splice(struct pando_stream *s, int pipe)
{
	size_t have = least(pando_bytes_left(&s->in), s->follows);
	ssize_t n;

	if (!have)
		return followed(s, splice(s->sock, NULL, pipe, NULL, s->follows,
					  SPLICE_F_NONBLOCK | SPLICE_F_MOVE));
	n = write(pipe, s->in.buf + s->in.off, have);
	if (n > 0)
		pando_bytes_take(&s->in, n);
	return followed(s, n);
}

/* --- sending ----------------------------------------------------------------------*/

static void add(struct pando_stream *s, struct chunk *c)
{
	*s->out_tail = c;
	s->out_tail = &c->next;
	s->pending += c->len;
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
	c->pipe = -1;
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
	add(s, c);
	return 0;
}

size_t pando_hold_fill(int hold[2], int from, size_t max)
{
	int there = 0;
	ssize_t n;

	if (ioctl(from, FIONREAD, &there) < 0 || there < (int)SPLICE_MIN ||
	    max < SPLICE_MIN)
		return 0;
	if (hold[0] < 0) {
		if (pipe2(hold, O_CLOEXEC | O_NONBLOCK) < 0)
			return 0;
		fcntl(hold[0], F_SETPIPE_SZ, PANDO_FOLLOW_MAX);
	}
	/*
	 * Fails where @from is no pipe. Others may read from it too: how much
	 * it was shows only here.
	 */
	n = splice(from, NULL, hold[1], NULL, max,
		   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	return n > 0 ? n : 0;
}

void pando_hold_close(int hold[2])
{
	for (int i = 0; i < 2; i++) {
		if (hold[i] >= 0)
			close(hold[i]);
		hold[i] = -1;
	}
}

int pando_stream_queue_pipe(struct pando_stream *s, const Pando__Frame *frame,
			    int pipe, size_t n)
{
	struct chunk *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->len = n;
	c->pipe = fcntl(pipe, F_DUPFD_CLOEXEC, 3);
	err = c->pipe < 0 ? -errno : pando_stream_queue(s, frame, NULL, 0);
	if (err)
		chunk_free(c);
	else
		add(s, c);
	return err;
}

static ssize_t send_chunk(struct pando_stream *s, struct chunk *c)
{
	size_t left = c->len - c->off;
	ssize_t n;

	if (c->pipe < 0)
		return pando_sendmsg(s->sock, c->buf + c->off, left, c->fds,
				     c->off ? 0 : c->nfds,
				     MSG_DONTWAIT | (c->next ? MSG_MORE : 0));
	do
		n = splice(c->pipe, NULL, s->sock, NULL, left,
			   SPLICE_F_NONBLOCK | (c->next ? SPLICE_F_MORE : 0));
	while (n < 0 && errno == EINTR);
	/* it was said that they are there */
	return n ? (n < 0 ? -errno : n) : -EIO;
}

int pando_stream_flush(struct pando_stream *s)
{
	while (s->out) {
		struct chunk *c = s->out;
		ssize_t n = send_chunk(s, c);

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
