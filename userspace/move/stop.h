/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stops a process for the blink in which its memory is looked at: every thread
 * by ptrace, so that nobody else sees it stop, and so that the kernel lets it
 * go on by itself should we die meanwhile.
 */
#ifndef STOP_H
#define STOP_H

#include <stddef.h>
#include <sys/types.h>

struct stopped {
	struct stopped_thread {
		pid_t tid;
		int signal;	/* that it was about to take, or 0 */
		enum { STOP_ASKED, STOP_DONE, STOP_GONE } state;
	} *v;
	size_t n;
};

/*
 * All threads of @pid stand still: 0. -ESRCH when it ended, -EBUSY when it
 * does not stop within @timeout_ms (it waits for a device, or for a vfork
 * child that shares its memory) and -EPERM when somebody traces it. It runs on
 * then.
 */
int stop_process(struct stopped *s, pid_t pid, int timeout_ms);
void stop_release(struct stopped *s);
/*
 * A thread that did not stop in time stays asked, and must be let go when it
 * comes back from where it waits: to be called until it returns 0.
 */
size_t stop_late(void);

#endif
