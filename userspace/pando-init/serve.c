// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads lent to the kernel: they execute in this namespace what other nodes
 * ask of it. They are made before the kernel is attached, so that their
 * numbers are of the node-local block; then they wait to be told.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "init.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static unsigned int turn;	/* how often serve_go() was called */

static void serve(void *buf)
{
	struct pando_serve arg = { .buf = (uintptr_t)buf,
				   .len = PANDO_SERVE_BUF };
	int fd = open("/dev/pando", O_RDWR | O_CLOEXEC);
	int ret;

	if (fd < 0) {
		say("error", "/dev/pando: %s", strerror(errno));
		return;
	}
	do
		ret = ioctl(fd, PANDO_IOC_SERVE, &arg);
	while (ret < 0 && errno == EINTR);
	if (ret < 0 && errno != ENOTCONN)
		say("error", "serving ended: %s", strerror(errno));
	close(fd);
}

void serve_wait(unsigned int *seen)
{
	pthread_mutex_lock(&lock);
	while (turn == *seen)
		pthread_cond_wait(&told, &lock);
	*seen = turn;
	pthread_mutex_unlock(&lock);
}

static void *thread(void *data)
{
	unsigned int seen = 0;
	void *buf;

	(void)data;
	buf = mmap(NULL, PANDO_SERVE_BUF, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED) {
		say("error", "no memory for a serving thread");
		return NULL;
	}
	for (;;) {
		serve_wait(&seen);
		serve(buf);
	}
}

int serve_start(unsigned int threads)
{
	pthread_attr_t attr;
	pthread_t id;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	while (threads-- && !err)
		err = pthread_create(&id, &attr, thread, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

void serve_go(void)
{
	pthread_mutex_lock(&lock);
	turn++;
	pthread_cond_broadcast(&told);
	pthread_mutex_unlock(&lock);
}
