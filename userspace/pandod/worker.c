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
	struct job *next;
	void (*work)(void *data);
	void (*done)(void *data);
	void *data;
};

static int results[2] = { -1, -1 };
static int running;
static struct job *waiting, **waiting_end = &waiting;

static void *thread(void *arg)
{
	struct job *job = arg;

	job->work(job->data);
	/* a pointer is less than PIPE_BUF: whole or not at all */
	while (write(results[1], &job, sizeof(job)) < 0 && errno == EINTR)
		;
	return NULL;
}

static int start(struct job *job)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t id;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* signals belong to the main loop */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&id, &attr, thread, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		running++;
	return -err;
}

/* Those that could not begin at once; what is under way comes here again. */
static void start_waiting(void)
{
	while (waiting && running < WORKERS_MAX) {
		struct job *job = waiting;

		if (start(job) < 0) {
			if (running)
				return;
			thread(job);	/* nobody else will */
			running++;
		}
		waiting = job->next;
		if (!waiting)
			waiting_end = &waiting;
	}
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
		start_waiting();
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
	struct job *job = malloc(sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	*job = (struct job){ NULL, work, done, data };
	if (running >= WORKERS_MAX) {
		*waiting_end = job;
		waiting_end = &job->next;
		return 0;
	}
	err = start(job);
	if (err)
		free(job);
	return err;
}
