// SPDX-License-Identifier: GPL-2.0-only
/* How criu hands its userfaultfds over; see uffd.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "images.h"
#include "uffd.h"

#define RESTORE_FINISHED	0x52535446u	/* criu's last word, "RSTF" */

int uffds_listen(struct uffds *u, struct move *m, struct page_puller *p,
		 struct store *s, struct keeper *k)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(m->path);

	*u = (struct uffds){ .m = m, .puller = p, .store = s, .keeper = k,
			     .listener = -1, .conn = -1 };
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
	return keeper_hold(u->m, u->keeper, fd);
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

int uffds_hear(struct uffds *u)
{
	int ret = 1;

	if (u->conn < 0 && u->listener >= 0) {
		u->conn = accept4(u->listener, NULL, NULL,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (u->conn >= 0) {
			close(u->listener);
			u->listener = -1;
		}
	}
	while (u->conn >= 0 && ret > 0)
		ret = hear(u);
	return ret < 0 ? ret : 0;
}
