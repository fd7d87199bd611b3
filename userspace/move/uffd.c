// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills the memory of restored processes through userfaultfd.
 *
 * criu registers the memory when it has put it into its final place, and may
 * touch it from then on: faults are served from the first moment. What nobody
 * has asked for is pushed only once criu has said that all of it is in place
 * (post-restore), because before that an address may still be elsewhere.
 *
 * A page of zeros is left out, unless somebody waits for it: once the
 * userfaultfd is closed the kernel gives zeros by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "images.h"
#include "uffd.h"

#define RESTORE_FINISHED	0x52535446u	/* criu's last word, "RSTF" */

int uffds_listen(struct uffds *u, struct move *m, struct page_puller *p)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(m->path);

	*u = (struct uffds){ .m = m, .puller = p, .listener = -1, .conn = -1 };
	/* workdir_make() saw to it that both fit */
	memcpy(sun.sun_path, m->path, n);
	strcpy(sun.sun_path + n, "/lazy-pages.socket");
	u->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
			     SOCK_NONBLOCK, 0);
	if (u->listener < 0 ||
	    bind(u->listener, (struct sockaddr *)&sun, sizeof(sun)) ||
	    listen(u->listener, 4))
		return move_fail(m, "cannot listen on %s: %s", sun.sun_path,
				 strerror(errno));
	return 0;
}

size_t uffds_fds(const struct uffds *u, int *fds, size_t max)
{
	size_t n = 0;

	if (u->conn >= 0)
		fds[n++] = u->conn;
	else if (u->listener >= 0)
		fds[n++] = u->listener;
	for (size_t i = 0; i < u->n && n < max; i++)
		if (u->v[i].fd >= 0)
			fds[n++] = u->v[i].fd;
	return n;
}

bool uffds_has(const struct uffds *u, pid_t pid)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].pid == pid)
			return true;
	return false;
}

/* A process is handed over: its number is known, its descriptor comes now. */
static int add(struct uffds *u, pid_t pid, int fd)
{
	struct pagemap_run *runs;
	struct uffd *t;
	long n;
	int err;

	if (uffds_has(u, pid)) {
		close(fd);
		return move_fail(u->m, "criu handed %d over twice", pid);
	}
	n = images_pagemap(u->m, pid, &runs);
	if (n < 0) {
		close(fd);
		return n;
	}
	u->v = xrealloc(u->v, u->n + 1, sizeof(*u->v));
	t = &u->v[u->n];
	*t = (struct uffd){ .pid = pid, .fd = fd };
	err = lazy_init(&t->lazy, runs, n);
	free(runs);
	if (err)
		return move_fail(u->m, "no memory for the map of %d", pid);
	u->n++;
	u->missing += t->lazy.missing;
	u->total += t->lazy.missing;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return 0;
}

/*
 * criu's words: int pid (negative for a zombie), then one byte with the
 * descriptor; at the end RESTORE_FINISHED.
 */
static int hear(struct uffds *u)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	char byte[4];
	struct iovec iov = { byte, 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	int32_t word;
	ssize_t n;
	int fd = -1;

	if (!u->got_pid) {
		n = recv(u->conn, &word, sizeof(word), MSG_DONTWAIT | MSG_PEEK);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			/* criu ended: its RPC tells why, better than we can */
			close(u->conn);
			u->conn = -1;
			u->finished = true;
			return 0;
		}
		if (n < (ssize_t)sizeof(word))
			return 0;
		n = recv(u->conn, &word, sizeof(word), MSG_DONTWAIT);
		if ((uint32_t)word == RESTORE_FINISHED)
			u->finished = true;
		else if (word > 0)
			u->next_pid = word, u->got_pid = true;
		return 1;
	}
	n = recvmsg(u->conn, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	c = n > 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return move_fail(u->m, "criu sent no userfaultfd for %d",
				 u->next_pid);
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	u->got_pid = false;
	return add(u, u->next_pid, fd) ? -ECANCELED : 1;
}

static void gone(struct uffds *u, struct uffd *t)
{
	u->missing -= t->lazy.missing;
	lazy_free(&t->lazy);
	close(t->fd);
	t->fd = -1;
}

static void wake(const struct uffd *t, uint64_t addr)
{
	struct uffdio_range r = { addr, PAGE };

	ioctl(t->fd, UFFDIO_WAKE, &r);
}

/* Zeros, for a thread that waits; -EEXIST: something is there. */
static int zero(const struct uffd *t, uint64_t addr)
{
	struct uffdio_zeropage z = { .range = { addr, PAGE } };

	for (int tries = 0; ioctl(t->fd, UFFDIO_ZEROPAGE, &z); tries++) {
		if (errno == EEXIST) {
			wake(t, addr);
			return 0;
		}
		/* its memory is being changed: the event is in our queue */
		if (errno != EAGAIN || tries == 100)
			return -errno;
	}
	return 0;
}

static int place(struct uffds *u, struct uffd *t, uint64_t addr,
		 const uint8_t *data, uint64_t len)
{
	uint64_t done = 0;

	for (int tries = 0; done < len;) {
		struct uffdio_copy c = { .dst = addr + done,
					 .src = (uintptr_t)data + done,
					 .len = len - done };

		if (!ioctl(t->fd, UFFDIO_COPY, &c))
			return 0;
		if (c.copy > 0) {
			done += c.copy;
			continue;
		}
		switch (errno) {
		case EEXIST:
			wake(t, addr + done);
			done += PAGE;
			break;
		case EAGAIN:
			if (tries++ == 100)
				return move_fail(u->m, "the memory of %d does not hold still",
						 t->pid);
			break;
		case ESRCH:
			return move_fail(u->m, "%d died while it was restored",
					 t->pid);
		case ENOENT:
			/* unmapped; the event that says so is on its way */
			done += PAGE;
			break;
		case ENOMEM:
			return move_fail(u->m, "the target has no memory left for %d",
					 t->pid);
		default:
			return move_fail(u->m, "cannot fill memory of %d at %#llx: %s",
					 t->pid,
					 (unsigned long long)addr + done,
					 strerror(errno));
		}
	}
	return 0;
}

/* One page is known now. */
static int settle(struct uffds *u, struct uffd *t, uint64_t addr, bool is_zero)
{
	uint8_t *s = lazy_at(&t->lazy, addr, NULL);
	int err = 0;

	if (!s)
		return 0;
	if (is_zero && (*s & LAZY_FAULT))
		err = zero(t, addr);
	u->missing -= (*s & LAZY_STATE) != LAZY_PRESENT;
	lazy_set(&t->lazy, s, LAZY_PRESENT);
	return err;
}

int uffds_store(void *arg, uint64_t cookie, uint64_t addr, unsigned int n,
		uint64_t zeros, const uint8_t *data)
{
	struct uffds *u = arg;
	struct uffd *t = &u->v[cookie];

	if (t->fd < 0)
		return 0;	/* it ended meanwhile */
	for (unsigned int i = 0; i < n;) {
		uint64_t at, next;
		unsigned int k = 1;
		int err;

		if (!lazy_place(&t->lazy, addr + (uint64_t)i * PAGE, &at)) {
			data += zeros >> i & 1 ? 0 : PAGE;
			i++;
			continue;
		}
		if (zeros >> i & 1) {
			err = settle(u, t, at, true);
			if (err)
				return err;
			i++;
			continue;
		}
		/* what stands side by side here too goes in one call */
		while (i + k < n && !(zeros >> (i + k) & 1) &&
		       lazy_place(&t->lazy, addr + (uint64_t)(i + k) * PAGE,
				  &next) && next == at + (uint64_t)k * PAGE)
			k++;
		err = place(u, t, at, data, (uint64_t)k * PAGE);
		if (err)
			return err;
		for (unsigned int j = 0; j < k; j++)
			settle(u, t, at + (uint64_t)j * PAGE, false);
		data += (size_t)k * PAGE;
		i += k;
	}
	return 0;
}

static int fault(struct uffds *u, struct uffd *t, uint64_t addr)
{
	uint64_t source;
	uint8_t *s;

	u->faults++;
	addr &= ~(uint64_t)(PAGE - 1);
	s = lazy_at(&t->lazy, addr, &source);
	/* a hole that never was, or zeros that we left out */
	if (!s || (*s & LAZY_STATE) == LAZY_PRESENT)
		return zero(t, addr) == -ESRCH ? -ESRCH : 0;
	*s |= LAZY_FAULT;
	if ((*s & LAZY_STATE) == LAZY_WANTED)
		return 0;
	/* full: uffds_work() comes back to it, it is marked */
	if (!page_puller_ready(u->puller))
		return 0;
	lazy_set(&t->lazy, s, LAZY_WANTED);
	return page_puller_want(u->puller, t - u->v, t->pid, source, 1);
}

/* A child with a copy of the memory: what its parent lacks, it lacks. */
static int forked(struct uffds *u, size_t parent, int fd)
{
	/* the source knows the memory by the parent's number */
	struct uffd child = { .pid = u->v[parent].pid, .fd = fd };

	if (lazy_clone(&child.lazy, &u->v[parent].lazy)) {
		close(fd);
		return move_fail(u->m, "no memory for the map of a child of %d",
				 child.pid);
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	u->missing += child.lazy.missing;
	u->total += child.lazy.missing;
	u->v = xrealloc(u->v, u->n + 1, sizeof(*u->v));
	u->v[u->n++] = child;
	return 0;
}

static int event(struct uffds *u, size_t i, const struct uffd_msg *msg)
{
	struct uffd *t = &u->v[i];
	uint64_t before = t->lazy.missing;
	int err = 0;

	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		return fault(u, t, msg->arg.pagefault.address);
	case UFFD_EVENT_UNMAP:
	case UFFD_EVENT_REMOVE:
		err = lazy_drop(&t->lazy, msg->arg.remove.start,
				msg->arg.remove.end - msg->arg.remove.start);
		break;
	case UFFD_EVENT_REMAP:
		err = lazy_move(&t->lazy, msg->arg.remap.from,
				msg->arg.remap.to, msg->arg.remap.len);
		break;
	case UFFD_EVENT_FORK:
		return forked(u, i, msg->arg.fork.ufd);
	}
	u->missing -= before - t->lazy.missing;
	return err ? move_fail(u->m, "no memory for the map of %d", t->pid) : 0;
}

static int read_events(struct uffds *u, size_t i)
{
	struct uffd_msg msg;
	ssize_t n;

	while (u->v[i].fd >= 0 &&
	       (n = read(u->v[i].fd, &msg, sizeof(msg))) != 0) {
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n != sizeof(msg)) {
			gone(u, &u->v[i]);
			return 0;
		}
		err = event(u, i, &msg);
		if (err)
			return err;
	}
	return 0;
}

/* Asks for as much as may be under way: waited for first, then in order. */
static int fetch(struct uffds *u)
{
	for (size_t i = 0; i < u->n && page_puller_ready(u->puller); i++) {
		struct uffd *t = &u->v[i];

		for (size_t r = 0; t->fd >= 0 && !u->push && r < t->lazy.n; r++) {
			struct lazy_run *run = &t->lazy.run[r];

			for (uint64_t p = 0; p < run->pages; p++) {
				int err;

				if (run->state[p] != (LAZY_FAULT | LAZY_ABSENT))
					continue;
				if (!page_puller_ready(u->puller))
					return 0;
				lazy_set(&t->lazy, &run->state[p], LAZY_WANTED);
				err = page_puller_want(u->puller, i, t->pid,
						       run->source + p * PAGE,
						       1);
				if (err)
					return err;
			}
		}
		while (t->fd >= 0 && u->push && page_puller_ready(u->puller)) {
			uint64_t source;
			unsigned int n = lazy_next(&t->lazy, PAGES_RUN,
						   &source);
			int err;

			if (!n)
				break;
			err = page_puller_want(u->puller, i, t->pid, source, n);
			if (err)
				return err;
		}
	}
	return 0;
}

int uffds_work(struct uffds *u)
{
	int err;

	if (u->conn < 0 && u->listener >= 0) {
		u->conn = accept4(u->listener, NULL, NULL,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (u->conn >= 0) {
			close(u->listener);
			u->listener = -1;
		}
	}
	while (u->conn >= 0 && (err = hear(u)) != 0)
		if (err < 0)
			return err;
	for (size_t i = 0; i < u->n; i++) {
		err = read_events(u, i);
		if (err)
			return err;
	}
	return fetch(u);
}

void uffds_release(struct uffds *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].fd >= 0)
			gone(u, &u->v[i]);
}

void uffds_free(struct uffds *u)
{
	uffds_release(u);
	free(u->v);
	if (u->conn >= 0)
		close(u->conn);
	if (u->listener >= 0)
		close(u->listener);
	*u = (struct uffds){ .conn = -1, .listener = -1 };
}
