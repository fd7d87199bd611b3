/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pando-init: pid 1 of the cluster's PID namespace on one node. It reaps,
 * starts what pandod asks for, and lends threads to the kernel module. It
 * lives as long as the namespace does; pandod may come and go.
 */
#ifndef PANDO_INIT_H
#define PANDO_INIT_H

#include <linux/pando.h>

#include "pando.h"
#include "terminal.h"

#define LOCAL_FIRST	300	/* as the kernel's RESERVED_PIDS */
#define CHILD_FDS	4	/* 0, 1, 2, and a mover's socket */

/* One line to stderr: "LEVEL pando-init: ...". */
void say(const char *level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* mounts.c: gives the namespace its own /proc; the plain one as descriptor. */
int mounts_setup(void);

/* serve.c: threads that wait for serve_go(), then serve until detached. */
int serve_start(unsigned int threads);
void serve_go(void);
/* For one more thread: returns when serve_go() was called since it did last (*@seen). */
void serve_wait(unsigned int *seen);

/*
 * nurse.c: a thread, and a process of its own, that make stubs for the kernel module where
 * no move does, once serve_go() was called.
 */
int nurse_start(void);

/*
 * guard.c: a thread that freezes the cluster's processes when the lease on
 * quorum ends and lets them run when there is a new one. Without a freezer it
 * kills them.
 */
int guard_start(void);
/*
 * Until @ns of CLOCK_BOOTTIME, as it is in this namespace; 0: now. The lease is
 * @length long: it was asked for so much earlier.
 */
void guard_until(uint64_t ns, uint64_t length);
/* The directory of the cgroup that is frozen, or -1. */
int guard_cgroup(void);

/* spawn.c */
struct child {
	struct child *next;
	pid_t pid;
	pid_t leader;		/* of its session, if it has a terminal; or 0 */
	uint32_t id;		/* of the frame to answer */
	unsigned int client;	/* whom: pandod's connections are counted */
	int error_fd;		/* -1 once it is known to have been executed */
	int master;		/* of its pty, until handed over, or -1 */
	struct pando_bytes unread;	/* typed there, and not read by it */
};

/*
 * What went wrong before the program ran, as the child writes it to error_fd.
 * status: the exit status that says so: 127 and 126 of the program itself, 125
 * of all that was to be made ready for it.
 */
struct failure {
	int error;
	int status;
	char what[60];
};

/*
 * Starts a process. @fds: the first become 0, 1, 2, ... of the child; they
 * stay the caller's. @events: for terminal_events; of a program with a terminal
 * the leader is known at once, and the PID by an event that comes before it
 * executes. Returns the child or NULL, with @f filled in.
 */
struct child *spawn(const Pando__Spawn *s, const int *fds, int nfds, int events,
		    struct failure *f);

#endif
