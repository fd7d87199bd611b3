// SPDX-License-Identifier: GPL-2.0-only
/* The way from a tool to the daemon on this node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

static const char *advice(int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return "is pandod running? Try: systemctl start pandod";
	case EACCES:
	case EPERM:
		return "permission denied";
	case EAGAIN:
		return "pandod is busy, try again";
	default:
		return strerror(err);
	}
}

int pando_connect(bool loud)
{
	const char *path = getenv("PANDO_CONTROL");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int sock, err;

	if (!path || !*path)
		path = PANDO_CONTROL_SOCKET;
	if (strlen(path) >= sizeof(sun.sun_path)) {
		err = ENAMETOOLONG;
		goto fail;
	}
	strcpy(sun.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0) {
		err = errno;
		goto fail;
	}
	if (!connect(sock, (struct sockaddr *)&sun, sizeof(sun)))
		return sock;
	err = errno;
	close(sock);
fail:
	if (loud)
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name,
			path, advice(err));
	return -err;
}
