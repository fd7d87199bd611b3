// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stubs that the kernel module asks for (PANDO_IOC_NURSE). They are made as those of moves
 * are, and are the module's as soon as they are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../move/nursery.h"
#include "init.h"

#define MADE_MS	20000

static struct nursery nursery = { .sock = -1 };

/* What it makes now nobody would wait for, nor know: that ends with it. */
static void give_up(int err)
{
	say("error", "stubs cannot be made any more (%s): orphans of other nodes are pando-init's",
	    strerror(-err));
	kill(nursery.pid, SIGKILL);
	nursery_end(&nursery);
}

static int make(int dev, const struct pando_nurse *n)
{
	struct pando_claim claim = { .pid = n->pid, .flags = n->flags };
	struct pando_park bind = { .pid = n->pid, .where = n->where };
	struct pando_place place = { .pid = n->pid, .ppid = 1 };
	struct ids ids;
	pid_t made;

	memcpy(ids.uid, n->uid, sizeof(ids.uid));
	memcpy(ids.gid, n->gid, sizeof(ids.gid));
	if (ioctl(dev, PANDO_IOC_CLAIM, &claim))
		return -errno;
	made = nursery_make(&nursery, n->pid, n->parent, &ids, MADE_MS);
	if ((made == -ETIMEDOUT || made == -EPIPE) && nursery.sock >= 0)
		give_up(made);
	if (made < 0)
		return made;
	if (ioctl(dev, PANDO_IOC_BIND, &bind) || ioctl(dev, PANDO_IOC_PLACE, &place) ||
	    ioctl(dev, PANDO_IOC_KEEP))
		return -errno;
	return 0;
}

/* With a descriptor of its own: what was not kept goes with that. */
static int serve(const struct pando_nurse *n)
{
	int dev = open("/dev/pando", O_RDWR | O_CLOEXEC);
	int ret = dev < 0 ? -errno : make(dev, n);

	if (dev >= 0)
		close(dev);
	return ret;
}

static void *nurse(void *data)
{
	unsigned int seen = 0;

	(void)data;
	for (;;) {
		struct pando_nurse n = { 0 };
		int dev;

		serve_wait(&seen);
		dev = open("/dev/pando", O_RDWR | O_CLOEXEC);
		while (dev >= 0) {
			if (!ioctl(dev, PANDO_IOC_NURSE, &n))
				n.result = serve(&n);
			else if (errno == EINTR)
				n.id = 0;
			else
				break;
		}
		if (dev >= 0)
			close(dev);
	}
	return NULL;
}

int nurse_start(void)
{
	pthread_attr_t attr;
	pthread_t id;
	int err = nursery_start(&nursery);

	if (err)
		return err;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	err = pthread_create(&id, &attr, nurse, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}
