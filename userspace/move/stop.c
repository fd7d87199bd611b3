// SPDX-License-Identifier: GPL-2.0-only
/* Stops a process by ptrace; see stop.h. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "move.h"
#include "stop.h"
#include "tree.h"

static bool known(const struct stopped *s, pid_t tid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].tid == tid)
			return true;
	return false;
}

static bool is_zombie(pid_t pid, pid_t tid)
{
	char name[32], state = 0, *text, *close;

	snprintf(name, sizeof(name), "task/%d/stat", tid);
	text = proc_text(pid, name);
	close = text ? strrchr(text, ')') : NULL;
	if (close && close[1])
		state = close[2];
	free(text);
	return !state || state == 'Z' || state == 'X';
}

/* Asks every thread that is not asked yet: how many there were. */
static int ask(struct stopped *s, pid_t pid)
{
	char path[64];
	struct dirent *e;
	int n = 0, err = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%d/task", tree_proc, pid);
	d = opendir(path);
	if (!d)
		return -ESRCH;
	while (!err && (e = readdir(d))) {
		pid_t tid = atoi(e->d_name);

		if (tid <= 0 || known(s, tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
			/* ended, be it that its leader's number stays */
			if (errno != ESRCH && !is_zombie(pid, tid))
				err = -EPERM;
			continue;
		}
		s->v = xrealloc(s->v, s->n + 1, sizeof(*s->v));
		s->v[s->n++] = (struct stopped_thread){ .tid = tid };
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		n++;
	}
	closedir(d);
	return err ? err : n;
}

static int await(struct stopped_thread *t, int64_t deadline_ns)
{
	const struct timespec nap = { 0, 50000 };
	int status;

	while (t->state == STOP_ASKED) {
		pid_t got = waitpid(t->tid, &status, __WALL | WNOHANG);

		if (got < 0 || (got && !WIFSTOPPED(status))) {
			t->state = STOP_GONE;
		} else if (got) {
			/* a signal that was on its way is handed on at the end */
			if (!(status >> 16))
				t->signal = WSTOPSIG(status);
			t->state = STOP_DONE;
		} else if (now_ns() > deadline_ns) {
			return -EBUSY;
		} else {
			nanosleep(&nap, NULL);
		}
	}
	return 0;
}

int stop_process(struct stopped *s, pid_t pid, int timeout_ms)
{
	int64_t deadline = now_ns() + timeout_ms * 1000000LL;
	int n, err = 0;

	*s = (struct stopped){ 0 };
	if (stop_late())
		return -EBUSY;
	/* until all that could make another thread stand still */
	while (!err && (n = ask(s, pid)) != 0) {
		if (n < 0)
			err = n;
		for (size_t i = 0; !err && i < s->n; i++)
			err = await(&s->v[i], deadline);
	}
	n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += s->v[i].state == STOP_DONE;
	if (!err && !n)
		err = -ESRCH;
	if (err)
		stop_release(s);
	return err;
}

/* Threads that were asked and did not stop in time; they are still ours. */
static struct stopped_thread *late;
static size_t nlate;

size_t stop_late(void)
{
	size_t left = 0;

	for (size_t i = 0; i < nlate; i++) {
		struct stopped_thread *t = &late[i];

		if (await(t, 0)) {
			late[left++] = *t;
			continue;
		}
		if (t->state == STOP_DONE)
			ptrace(PTRACE_DETACH, t->tid, NULL, t->signal);
	}
	nlate = left;
	return left;
}

void stop_release(struct stopped *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct stopped_thread *t = &s->v[i];

		if (t->state == STOP_DONE)
			ptrace(PTRACE_DETACH, t->tid, NULL, t->signal);
		if (t->state != STOP_ASKED)
			continue;
		/* only who stands still can be let go */
		late = xrealloc(late, nlate + 1, sizeof(*late));
		late[nlate++] = *t;
	}
	free(s->v);
	*s = (struct stopped){ 0 };
}
