// SPDX-License-Identifier: GPL-2.0-only
/* Frames: their encoding, and whole ones over blocking sockets. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

int pando_frame_encode(const Pando__Frame *frame, int nfds, uint8_t **buf,
		       size_t *len)
{
	Pando__Frame f = *frame;
	size_t body;

	if (nfds < 0 || nfds > PANDO_FRAME_FDS)
		return -EINVAL;
	f.fds = nfds;
	body = pando__frame__get_packed_size(&f);
	if (!body || body > PANDO_FRAME_MAX)
		return -EMSGSIZE;
	*buf = malloc(FRAME_HEADER + body);
	if (!*buf)
		return -ENOMEM;
	for (int i = 0; i < FRAME_HEADER; i++)
		(*buf)[i] = body >> (8 * i);
	pando__frame__pack(&f, *buf + FRAME_HEADER);
	*len = FRAME_HEADER + body;
	return 0;
}

ssize_t pando_frame_length(const uint8_t *h)
{
	uint32_t len = h[0] | h[1] << 8 | h[2] << 16 | (uint32_t)h[3] << 24;

	/* a frame always has a body: nothing useful is empty */
	return len && len <= PANDO_FRAME_MAX ? (ssize_t)len : -EMSGSIZE;
}

int pando_frame_decode(const uint8_t *body, size_t len, struct fd_queue *queue,
		       Pando__Frame **frame, int *fds, int *nfds)
{
	Pando__Frame *f = pando__frame__unpack(NULL, len, body);
	int n;

	if (!f)
		return -EPROTO;
	if (f->fds > PANDO_FRAME_FDS || (int)f->fds > queue->n ||
	    f->body_case == PANDO__FRAME__BODY__NOT_SET) {
		pando_frame_free(f);
		return -EPROTO;
	}
	n = f->fds;
	for (int i = 0; i < n; i++) {
		if (fds)
			fds[i] = queue->fd[i];
		else
			close(queue->fd[i]);
	}
	queue->n -= n;
	memmove(queue->fd, queue->fd + n, queue->n * sizeof(int));
	if (nfds)
		*nfds = n;
	*frame = f;
	return 1;
}

void pando_frame_free(Pando__Frame *frame)
{
	if (frame)
		pando__frame__free_unpacked(frame, NULL);
}

void pando_fd_queue_close(struct fd_queue *queue)
{
	for (int i = 0; i < queue->n; i++)
		close(queue->fd[i]);
	queue->n = 0;
}

ssize_t pando_sendmsg(int sock, const void *buf, size_t len, const int *fds,
		      int nfds, int flags)
{
	struct iovec iov = { (void *)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_control control;
	struct cmsghdr *c;
	ssize_t n;

	if (nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t pando_recvmsg(int sock, void *buf, size_t len, struct fd_queue *queue,
		      int flags)
{
	const int room = sizeof(queue->fd) / sizeof(queue->fd[0]);
	struct iovec iov = { buf, len };
	union fd_control control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	bool overrun = false;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		int count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (int i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (queue->n < room) {
				queue->fd[queue->n++] = fd;
			} else {
				close(fd);
				overrun = true;
			}
		}
	}
	return overrun || msg.msg_flags & MSG_CTRUNC ? -EPROTO : n;
}

/* The blocking functions also work on a socket that was set non-blocking. */
static int wait_for(int sock, short events)
{
	struct pollfd p = { sock, events, 0 };

	return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int pando_send(int sock, const Pando__Frame *frame, const int *fds, int nfds)
{
	uint8_t *buf;
	size_t len;
	int err = pando_frame_encode(frame, nfds, &buf, &len);

	if (err)
		return err;
	for (size_t off = 0; off < len && !err;) {
		ssize_t n = pando_sendmsg(sock, buf + off, len - off, fds,
					  off ? 0 : nfds, 0);

		if (n == -EAGAIN)
			err = wait_for(sock, POLLOUT);
		else if (n < 0)
			err = n == -ECONNRESET ? -EPIPE : n;
		else
			off += n;
	}
	free(buf);
	return err;
}

/* 1 when all of it came, 0 at end of file before the first byte. */
static int read_all(int sock, uint8_t *buf, size_t len, struct fd_queue *queue)
{
	for (size_t off = 0; off < len;) {
		ssize_t n = pando_recvmsg(sock, buf + off, len - off, queue, 0);

		if (n == -EAGAIN)
			n = wait_for(sock, POLLIN);
		else if (!n)
			return off ? -EPROTO : 0;
		if (n < 0)
			return n;
		off += n;
	}
	return 1;
}

int pando_recv(int sock, Pando__Frame **frame, int *fds, int *nfds)
{
	struct fd_queue queue = { .n = 0 };
	uint8_t header[FRAME_HEADER];
	uint8_t *body = NULL;
	ssize_t len;
	int ret;

	if (nfds)
		*nfds = 0;
	ret = read_all(sock, header, sizeof(header), &queue);
	if (ret <= 0)
		goto out;
	len = pando_frame_length(header);
	if (len < 0) {
		ret = len;
		goto out;
	}
	body = malloc(len);
	ret = body ? read_all(sock, body, len, &queue) : -ENOMEM;
	if (ret > 0)
		ret = pando_frame_decode(body, len, &queue, frame, fds, nfds);
	else if (!ret)
		ret = -EPROTO;
out:
	/* what no frame asked for must not stay open */
	pando_fd_queue_close(&queue);
	free(body);
	return ret;
}
