// SPDX-License-Identifier: GPL-2.0-only
/* Ports that a tree leaves when it has moved away; see ports.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pando.h>

#include "ports.h"
#include "sockets.h"

static void mark(void *arg, const struct task *k, int fd, const char *link)
{
	(void)k;
	(void)fd;
	if (!strncmp(link, "socket:[", 8))
		sockets_hold(arg, strtoull(link + 8, NULL, 10));
}

void ports_yield(const struct tree *t)
{
	int dev = open("/dev/pando", O_RDWR | O_CLOEXEC);
	struct sockets s;

	if (dev < 0)
		return;
	sockets_load(&s, t->task[0].pid);
	for (size_t i = 0; i < t->n; i++)
		if (t->task[i].state != 'Z')
			proc_each_fd(&t->task[i], mark, &s);
	for (size_t i = 0; i < s.n; i++) {
		uint32_t port = s.v[i].listens;

		if (s.v[i].held && port)
			ioctl(dev, PANDO_IOC_YIELD, &port);
	}
	sockets_free(&s);
	close(dev);
}
