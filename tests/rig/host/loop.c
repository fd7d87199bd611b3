// SPDX-License-Identifier: GPL-2.0-only
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE	65536

static int epfd = -1;

static void control(int op, struct source *s)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (s->writable ? EPOLLOUT : 0),
		.data.ptr = s,
	};

	if (epoll_ctl(epfd, op, s->fd, &ev))
		abort();
}

void loop_add(struct source *s)
{
	if (epfd < 0)
		epfd = epoll_create1(EPOLL_CLOEXEC);
	control(EPOLL_CTL_ADD, s);
}

void loop_remove(struct source *s)
{
	control(EPOLL_CTL_DEL, s);
	close(s->fd);
	s->fd = -1;
}

void loop_want_write(struct source *s, int writable)
{
	if (s->writable == writable)
		return;
	s->writable = writable;
	control(EPOLL_CTL_MOD, s);
}

void loop_once(int ms)
{
	struct epoll_event ev;

	/* One at a time: what ready() frees can be in no list of ours. */
	if (epoll_wait(epfd, &ev, 1, ms) == 1) {
		struct source *s = ev.data.ptr;

		s->ready(s, ev.events);
	}
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void make_room(struct queue *q, size_t len)
{
	if (q->at + q->len + len <= q->cap)
		return;
	if (q->at)
		memmove(q->data, q->data + q->at, q->len);
	q->at = 0;
	if (q->len + len <= q->cap)
		return;
	q->cap = (q->len + len) * 2;
	q->data = realloc(q->data, q->cap);
	if (!q->data)
		abort();
}

void queue_add(struct queue *q, const void *data, size_t len)
{
	if (!len)
		return;
	make_room(q, len);
	memcpy(q->data + q->at + q->len, data, len);
	q->len += len;
}

void queue_drop(struct queue *q, size_t len)
{
	q->at += len;
	q->len -= len;
	if (!q->len)
		q->at = 0;
}

void queue_free(struct queue *q)
{
	free(q->data);
	memset(q, 0, sizeof(*q));
}

int queue_flush(struct queue *q, struct source *s)
{
	ssize_t n;

	while (q->len) {
		n = send(s->fd, queue_head(q), q->len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR)
				break;
			return -1;
		}
		queue_drop(q, n);
	}
	loop_want_write(s, q->len != 0);
	return 0;
}

int queue_fill(struct queue *q, int fd)
{
	ssize_t n;

	make_room(q, READ_SIZE);
	n = recv(fd, q->data + q->at + q->len, READ_SIZE, MSG_DONTWAIT);
	if (n > 0)
		q->len += n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		return -1;
	return n > 0 ? n : 0;
}
