// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "daemon.h"

int daemon_connect(void)
{
	int sock = pando_connect(true);

	if (sock < 0)
		exit(cli_failed);
	return sock;
}

void daemon_send(int sock, const Pando__Frame *frame, const int *fds, int nfds)
{
	int err = pando_send(sock, frame, fds, nfds);

	if (err == -EMSGSIZE)
		cli_die("the request is too long: at most %u KiB of arguments and environment",
			PANDO_FRAME_MAX / 1024 - 1);
	if (err)
		cli_die("cannot talk to pandod: %s", strerror(-err));
}

Pando__Frame *daemon_recv(int sock)
{
	Pando__Frame *frame;
	int ret = pando_recv(sock, &frame, NULL, NULL);

	if (ret <= 0)
		daemon_lost(ret);
	return frame;
}

void daemon_lost(int err)
{
	if (!err)
		cli_die("pandod closed the connection; its log says why: journalctl -u pandod");
	cli_die("cannot understand pandod: %s; are tools and daemon of one version?",
		strerror(-err));
}

const char *daemon_error(const Pando__Error *error)
{
	if (error->text && *error->text)
		return error->text;
	return error->code ? strerror(error->code) : "no reason given";
}

void daemon_confused(void)
{
	cli_die("pandod answered something else; are tools and daemon of one version?");
}
