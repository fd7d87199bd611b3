// SPDX-License-Identifier: GPL-2.0-only
/* Time, memory, whole reads and writes, words. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "move.h"

/*
 * The cluster's time namespace gives CLOCK_MONOTONIC the same zero on every
 * node, give or take the skew of the agreement at join: see peer_clock().
 */
int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		fputs("pando-move: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (!p) {
		fputs("pando-move: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

int move_fail(struct move *m, const char *fmt, ...)
{
	va_list ap;

	if (!m->reason[0]) {
		va_start(ap, fmt);
		vsnprintf(m->reason, sizeof(m->reason), fmt, ap);
		va_end(ap);
	}
	return -ECANCELED;
}

void words_add(struct words *w, const char *fmt, ...)
{
	char *s;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	if (!s || words_has(w, s)) {
		free(s);
		return;
	}
	w->v = xrealloc(w->v, w->n + 1, sizeof(*w->v));
	w->v[w->n++] = s;
}

bool words_has(const struct words *w, const char *s)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->v[i], s))
			return true;
	return false;
}

void words_free(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
	*w = (struct words){ 0 };
}

static int transfer(int fd, void *buf, size_t len, short events, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;

	for (size_t off = 0; off < len;) {
		ssize_t n;

		if (events == POLLIN)
			n = recv(fd, (char *)buf + off, len - off,
				 MSG_DONTWAIT);
		else
			n = send(fd, (const char *)buf + off, len - off,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			/* silence is what is bounded, not the whole */
			off += n;
			deadline = now_ms() + timeout_ms;
			continue;
		}
		if (!n || errno == EPIPE || errno == ECONNRESET)
			return -EPIPE;
		if (errno == EAGAIN) {
			struct pollfd p = { fd, events, 0 };
			int64_t left = deadline - now_ms();

			if (left <= 0)
				return -ETIMEDOUT;
			poll(&p, 1, left);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int read_full(int fd, void *buf, size_t len, int timeout_ms)
{
	return transfer(fd, buf, len, POLLIN, timeout_ms);
}

int write_full(int fd, const void *buf, size_t len, int timeout_ms)
{
	return transfer(fd, (void *)buf, len, POLLOUT, timeout_ms);
}
