// SPDX-License-Identifier: GPL-2.0-only
/* The socket for tools. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "serve.h"

#define LOG_NAME	"control"
#define CLIENTS_MAX	512
#define USER_MAX	64	/* of one user other than root */

static struct client {
	struct client *next;
	struct link *link;
} *clients;

static void on_closed(struct link *l, int err)
{
	const struct cred *c = link_cred(l);

	if (err == -EPROTO || err == -EMSGSIZE)
		log_warn("garbage uid=%u pid=%d: connection closed", c->uid,
			 c->pid);
	else if (err && err != -ECONNRESET && err != -EPIPE)
		log_info("connection lost uid=%u pid=%d: %s", c->uid, c->pid,
			 strerror(-err));
	for (struct client **p = &clients; *p; p = &(*p)->next) {
		if ((*p)->link == l) {
			struct client *gone = *p;

			*p = gone->next;
			free(gone);
			return;
		}
	}
}

static const struct link_ops ops = {
	.frame = serve_control,
	.closed = on_closed,
};

/* Who it is, for as long as the connection lives: with the groups it has now. */
static int identify(int sock, struct cred *c)
{
	struct ucred u;
	socklen_t len = sizeof(u);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &u, &len) < 0)
		return -errno;
	c->uid = u.uid;
	c->gid = u.gid;
	c->pid = u.pid;
	len = 0;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) < 0 &&
	    errno != ERANGE)
		return -errno;
	if (!len)
		return 0;
	c->groups = malloc(len);
	if (!c->groups)
		return -ENOMEM;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, c->groups, &len) < 0) {
		int err = -errno;

		free(c->groups);
		c->groups = NULL;
		return err;
	}
	c->ngroups = len / sizeof(gid_t);
	return 0;
}

static bool too_many(uid_t uid)
{
	unsigned int all = 0, theirs = 0;

	for (struct client *c = clients; c; c = c->next) {
		all++;
		theirs += link_cred(c->link)->uid == uid;
	}
	/* one user must not keep the others out */
	return uid && (all >= CLIENTS_MAX || theirs >= USER_MAX);
}

static int on_connect(sd_event_source *source, int fd, uint32_t events,
		      void *data)
{
	int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct cred cred = { .uid = -1 };
	struct client *c;
	int err;

	(void)source;
	(void)events;
	(void)data;
	if (sock < 0)
		return 0;
	err = identify(sock, &cred);
	c = err || too_many(cred.uid) ? NULL : calloc(1, sizeof(*c));
	if (!c) {
		log_warn("connection refused uid=%u pid=%d", cred.uid, cred.pid);
		free(cred.groups);
		close(sock);
		return 0;
	}
	c->link = link_new(pandod.event, sock, &ops, NULL);
	if (!c->link) {
		free(cred.groups);
		free(c);
		return 0;
	}
	*link_cred(c->link) = cred;
	c->next = clients;
	clients = c;
	return 0;
}

int control_listen(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
				   .sun_path = PANDO_CONTROL_SOCKET };
	int sock, err;

	mkdir(PANDO_RUN_DIR, 0755);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	if (!connect(sock, (struct sockaddr *)&sun, sizeof(sun))) {
		log_err("another pandod is running at %s", sun.sun_path);
		close(sock);
		return -EADDRINUSE;
	}
	unlink(sun.sun_path);
	if (bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    chmod(sun.sun_path, 0666) < 0 || listen(sock, 128) < 0) {
		err = -errno;
		log_err("cannot listen at %s: %s", sun.sun_path,
			strerror(-err));
		close(sock);
		return err;
	}
	return sd_event_add_io(pandod.event, NULL, sock, EPOLLIN, on_connect,
			       NULL);
}
