/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets of a network namespace, by inode. */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct socket_info {
	uint64_t ino;
	enum { SOCKET_TCP, SOCKET_UNIX } kind;
	bool connected;
	uint16_t listens;	/* tcp: the port, or 0 */
	bool held;		/* by the tree at hand */
	uint64_t peer;		/* unix: the other end's inode, or 0 */
	char text[120];		/* tcp: the peer's address; unix: the name */
};

struct sockets {
	struct socket_info *v;
	size_t n;
};

/* As @pid sees them. */
void sockets_load(struct sockets *s, pid_t pid);
struct socket_info *sockets_find(const struct sockets *s, uint64_t ino);
void sockets_hold(struct sockets *s, uint64_t ino);
void sockets_free(struct sockets *s);

#endif
