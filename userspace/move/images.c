// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends and takes criu's images. On the wire: le32 length of the name, the
 * name, and the rest of the message is the file. What arrives becomes a file
 * in a directory of root's own; its name is looked at letter by letter.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images.h"
#include "peer.h"

#define NAME_MAX_LEN	64
#define CHUNK		(256u << 10)
#define PAGEMAP_MAX	(64u << 20)

bool images_name_valid(const char *name, size_t len)
{
	if (len < 5 || len > NAME_MAX_LEN || memcmp(name + len - 4, ".img", 4))
		return false;
	for (size_t i = 0; i < len - 4; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

static int send_one(struct move *m, int fd, const char *name, uint64_t size,
		    uint8_t *buf)
{
	uint32_t n = strlen(name), wire = htole32(n);
	int err;

	err = peer_send_header(m, PEER_IMAGE, sizeof(wire) + n + size);
	if (!err)
		err = write_full(m->peer, &wire, sizeof(wire), m->timeout_ms);
	if (!err)
		err = write_full(m->peer, name, n, m->timeout_ms);
	while (!err && size) {
		ssize_t got = read(fd, buf, size < CHUNK ? size : CHUNK);

		/* it is complete and ours: it does not shrink */
		if (got <= 0)
			return move_fail(m, "cannot read the image %s: %s",
					 name, strerror(errno));
		err = write_full(m->peer, buf, got, m->timeout_ms);
		size -= got;
	}
	return err ? move_fail(m, "the target does not take the images") : 0;
}

int images_send(struct move *m, uint64_t *bytes)
{
	uint8_t *buf = xcalloc(1, CHUNK);
	int dup = fcntl(m->dir, F_DUPFD_CLOEXEC, 0), n = 0, err = 0;
	DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *e;

	if (!d) {
		free(buf);
		return move_fail(m, "cannot list the images: %s",
				 strerror(errno));
	}
	rewinddir(d);
	while (!err && (e = readdir(d))) {
		struct stat st;
		int fd;

		/*
		 * The private time namespace that criu would make of it
		 * drifts from the cluster's clock: it does not travel. Nor does
		 * the IPC namespace that criu was shown (criu/ipc.c).
		 */
		if (!images_name_valid(e->d_name, strlen(e->d_name)) ||
		    !strcmp(e->d_name, "timens-0.img") ||
		    !strncmp(e->d_name, "ipcns-", 6))
			continue;
		fd = openat(m->dir, e->d_name, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st)) {
			err = move_fail(m, "cannot open the image %s: %s",
					e->d_name, strerror(errno));
		} else {
			err = send_one(m, fd, e->d_name, st.st_size, buf);
			*bytes += st.st_size;
			n++;
		}
		if (fd >= 0)
			close(fd);
	}
	closedir(d);
	free(buf);
	return err ? err : n;
}

int images_receive(struct move *m, uint64_t len, uint64_t *bytes)
{
	char name[NAME_MAX_LEN + 1] = "";
	uint8_t *buf;
	uint32_t n;
	int fd, err;

	err = len < sizeof(n) ? -EPROTO :
	      read_full(m->peer, &n, sizeof(n), m->timeout_ms);
	n = le32toh(n);
	if (!err && (n > NAME_MAX_LEN || n > len - sizeof(n)))
		err = -EPROTO;
	if (!err)
		err = read_full(m->peer, name, n, m->timeout_ms);
	if (!err && !images_name_valid(name, n))
		err = -EPROTO;
	if (err == -EPROTO)
		return move_fail(m, "the source sent something that is no image");
	if (err)
		return move_fail(m, "the connection to the source was lost");
	fd = openat(m->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
		    O_NOFOLLOW, 0600);
	if (fd < 0)
		return move_fail(m, "cannot make the image %s: %s", name,
				 strerror(errno));
	buf = xcalloc(1, CHUNK);
	for (len -= sizeof(n) + n; len && !err;) {
		size_t part = len < CHUNK ? len : CHUNK;

		err = read_full(m->peer, buf, part, m->timeout_ms);
		if (err) {
			move_fail(m, "the connection to the source was lost");
		} else if (write(fd, buf, part) != (ssize_t)part) {
			err = move_fail(m, "no room for the image %s: %s",
					name, strerror(errno));
		}
		len -= part;
		*bytes += part;
	}
	free(buf);
	close(fd);
	m->heard_ns = now_ns();
	return err ? -ECANCELED : 0;
}

long images_pagemap(struct move *m, pid_t pid, struct pagemap_run **runs)
{
	char name[64];
	struct stat st;
	uint8_t *buf;
	long n;
	int fd;

	*runs = NULL;
	snprintf(name, sizeof(name), "pagemap-%d.img", pid);
	fd = openat(m->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) || st.st_size > PAGEMAP_MAX) {
		close(fd);
		return move_fail(m, "%s is too large", name);
	}
	buf = xcalloc(1, st.st_size);
	n = read(fd, buf, st.st_size) == st.st_size ?
	    pagemap_parse(buf, st.st_size, runs) : -EIO;
	close(fd);
	free(buf);
	return n < 0 ? move_fail(m, "%s cannot be read: %s", name,
				 strerror(-n)) : n;
}
