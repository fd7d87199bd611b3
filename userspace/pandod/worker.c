// SPDX-License-Identifier: GPL-2.0-only
/* Threads for what takes its time; they come back through a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

#define WORKERS_MAX	64
#define STACK_SIZE	(256 * 1024)

struct job {
	void (*work)(void *data);
	void (*done)(void *data);
	void *data;
};

static int results[2] = { -1, -1 };
static int running;

static void *thread(void *arg)
{
	struct job *job = arg;

	job->work(job->data);
	/* a pointer is less than PIPE_BUF: whole or not at all */
	while (write(results[1], &job, sizeof(job)) < 0 && errno == EINTR)
		;
	return NULL;
}

static int on_result(sd_event_source *source, int fd, uint32_t events,
		     void *data)
{
	struct job *job;

	(void)source;
	(void)events;
	(void)data;
	if (read(fd, &job, sizeof(job)) == sizeof(job)) {
		running--;
		job->done(job->data);
		free(job);
	}
	return 0;
}

int worker_init(sd_event *event)
{
	if (pipe2(results, O_CLOEXEC) < 0)
		return -errno;
	return sd_event_add_io(event, NULL, results[0], EPOLLIN, on_result,
			       NULL);
}

int worker_run(void (*work)(void *data), void (*done)(void *data), void *data)
{
	struct job *job;
	pthread_attr_t attr;
	pthread_t id;
	sigset_t all, old;
	int err;

	if (running >= WORKERS_MAX)
		return -EAGAIN;
	job = malloc(sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){ work, done, data };
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* signals belong to the main loop */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&id, &attr, thread, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err) {
		free(job);
		return -err;
	}
	running++;
	return 0;
}
