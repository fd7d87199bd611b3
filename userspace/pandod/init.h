/* SPDX-License-Identifier: GPL-2.0-only */
/* The cluster namespace of this node, and pando-init in it. */
#ifndef PANDOD_INIT_H
#define PANDOD_INIT_H

#include "pandod.h"

/* Is there a living pando-init from before? Waits for its hello, bounded. */
bool init_find(void);
/*
 * Makes time, PID and mount namespace and starts pando-init; ready() is called
 * when it has said hello, or with an error.
 */
int init_start(uint64_t incarnation, int64_t zero_ns, void (*ready)(int err));
bool init_alive(void);
pid_t init_pid(void);		/* as we see it */
uint64_t init_incarnation(void);
int64_t init_zero_ns(void);	/* our wall clock at the cluster clock's zero */
int64_t init_clock_ns(void);	/* the cluster's clock, in nanoseconds */
int init_proc_fd(void);		/* the namespace's plain /proc, or -1 */
/* The kernel is attached: threads may serve. */
void init_serve(void);
/* Spawn; the answers are Spawned and Exit. NULL if there is no pando-init. */
struct call *init_spawn(Pando__RunRequest *run, bool local, const int *fds,
			int nfds, call_fn fn, void *data);
/* Exit, or Error; for a process that was restored here. */
struct call *init_watch(uint32_t pid, call_fn fn, void *data);
/*
 * The cluster's processes here may run until @until_ns of our boot clock, then
 * pando-init freezes them, whatever has become of us. 0: now; UINT64_MAX: for
 * ever. @length_ns: of a lease, from when it was asked for.
 */
void init_lease(uint64_t until_ns, uint64_t length_ns);
void init_kill(uint32_t pid, int signo, bool group);
/* Of a program with a terminal: Kill and Foreground in pando.proto. */
void init_type(uint32_t pid, int signo);
void init_foreground(uint32_t pid, bool yes, bool go_on);
/*
 * Ends the namespace and all that is in it, frozen or not: nothing of it runs
 * again. gone() when it is.
 */
int init_destroy(void (*gone)(void));

#endif
