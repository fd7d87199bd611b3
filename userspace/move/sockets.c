// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets by inode: TCP and unix names out of /proc/PID/net, and who is
 * connected to whom over unix sockets out of sock_diag, which alone tells.
 */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"
#include "tree.h"

#define TCP_LISTENING	0x0a
#define TCP_CLOSED	0x07
#define DIAG_MS		2000

static struct socket_info *add(struct sockets *s, uint64_t ino)
{
	struct socket_info *i;

	/* powers of two: a busy node has ten thousands */
	if (!(s->n & (s->n - 1)))
		s->v = xrealloc(s->v, s->n ? 2 * s->n : 1, sizeof(*s->v));
	i = &s->v[s->n++];
	*i = (struct socket_info){ .ino = ino };
	return i;
}

/* An address of /proc/net/tcp: words of four bytes in the order of the host */
static void address(const char *hex, unsigned int port, char *buf, size_t size)
{
	uint32_t word[4] = { 0 };
	char text[INET6_ADDRSTRLEN] = "?";
	size_t n = strlen(hex) / 8;

	for (size_t i = 0; i < n && i < 4; i++) {
		char part[9] = { 0 };

		memcpy(part, hex + 8 * i, 8);
		word[i] = strtoul(part, NULL, 16);
	}
	if (n == 1)
		inet_ntop(AF_INET, word, text, sizeof(text));
	else if (!word[0] && !word[1] && word[2] == htonl(0xffff))
		inet_ntop(AF_INET, &word[3], text, sizeof(text));
	else
		inet_ntop(AF_INET6, word, text, sizeof(text));
	snprintf(buf, size, n == 4 && strchr(text, ':') ? "[%s]:%u" : "%s:%u",
		 text, port);
}

static void load_tcp(struct sockets *s, pid_t pid, const char *name)
{
	char *text = proc_text(pid, name), *line, *save = NULL;

	line = text ? strtok_r(text, "\n", &save) : NULL;
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		char remote[40];
		unsigned int own, port, state;
		unsigned long long ino;
		struct socket_info *i;

		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %36[0-9A-Fa-f]:%x %x %*s %*s %*s %*s %*s %llu",
			   &own, remote, &port, &state, &ino) != 5 || !ino)
			continue;
		i = add(s, ino);
		i->kind = SOCKET_TCP;
		i->connected = state != TCP_LISTENING && state != TCP_CLOSED;
		i->listens = state == TCP_LISTENING ? own : 0;
		address(remote, port, i->text, sizeof(i->text));
	}
	free(text);
}

static void load_unix(struct sockets *s, pid_t pid)
{
	char *text = proc_text(pid, "net/unix"), *line, *save = NULL;

	line = text ? strtok_r(text, "\n", &save) : NULL;
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long ino;
		struct socket_info *i;
		int at = 0;

		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %llu %n", &ino,
			   &at) != 1 || !at)
			continue;
		i = add(s, ino);
		i->kind = SOCKET_UNIX;
		snprintf(i->text, sizeof(i->text), "%s", line + at);
	}
	free(text);
}

static void diag_message(struct sockets *s, const struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const char *p = (const char *)(m + 1);
	size_t left;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return;
	left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	while (left >= NLA_HDRLEN) {
		struct nlattr a;
		struct socket_info *i;
		uint32_t peer;

		memcpy(&a, p, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || a.nla_len > left)
			return;
		if (a.nla_type == UNIX_DIAG_PEER &&
		    a.nla_len >= NLA_HDRLEN + sizeof(peer)) {
			memcpy(&peer, p + NLA_HDRLEN, sizeof(peer));
			i = sockets_find(s, m->udiag_ino);
			if (i)
				i->peer = peer;
		}
		if ((size_t)NLA_ALIGN(a.nla_len) >= left)
			return;
		p += NLA_ALIGN(a.nla_len);
		left -= NLA_ALIGN(a.nla_len);
	}
}

static void load_peers(struct sockets *s)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.r = { .sdiag_family = AF_UNIX, .udiag_states = ~0u,
		       .udiag_show = UDIAG_SHOW_PEER },
	};
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			  NETLINK_SOCK_DIAG);
	static char buf[65536] __attribute__((aligned(8)));

	if (sock < 0 || send(sock, &req, sizeof(req), 0) < 0)
		goto out;
	for (;;) {
		struct pollfd p = { sock, POLLIN, 0 };
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		ssize_t n;

		if (poll(&p, 1, DIAG_MS) <= 0)
			break;
		n = recv(sock, buf, sizeof(buf), 0);
		if (n <= 0)
			break;
		for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE ||
			    h->nlmsg_type == NLMSG_ERROR)
				goto out;
			diag_message(s, h);
		}
	}
out:
	if (sock >= 0)
		close(sock);
}

static int by_ino(const void *a, const void *b)
{
	const struct socket_info *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

void sockets_load(struct sockets *s, pid_t pid)
{
	*s = (struct sockets){ 0 };
	load_tcp(s, pid, "net/tcp");
	load_tcp(s, pid, "net/tcp6");
	load_unix(s, pid);
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_ino);
	load_peers(s);
}

struct socket_info *sockets_find(const struct sockets *s, uint64_t ino)
{
	struct socket_info key = { .ino = ino };

	return s->n ? bsearch(&key, s->v, s->n, sizeof(key), by_ino) : NULL;
}

void sockets_hold(struct sockets *s, uint64_t ino)
{
	struct socket_info *i = sockets_find(s, ino);

	if (i)
		i->held = true;
}

void sockets_free(struct sockets *s)
{
	free(s->v);
	*s = (struct sockets){ 0 };
}
