/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * criu, spoken to over its RPC (`criu swrk`): one request, in the course of
 * which it asks us at named points and waits for the answer.
 *
 *	dump	pre-dump	nothing is frozen yet
 *		post-dump	all images are complete, the tasks still stopped
 *	restore	post-restore	all is rebuilt; the tasks wait within criu's code
 *		pre-resume	they are traced, and as they are to go on
 *		post-resume	they run
 *
 * A dump waits at post-dump until the cluster has decided. To call it off is
 * SIGKILL to criu, which lets go of the tasks as they were.
 *
 * A restore goes on to its end, but from pre-resume on the tasks are frozen
 * (group.h). To call it off is SIGKILL to criu and then to them. Until
 * post-restore they wait for a word of criu's that never comes then; while they
 * are traced they die with it, and if we die before we have frozen them, criu
 * does that itself: criu/landing.c, preloaded into it.
 */
#ifndef CRIU_H
#define CRIU_H

#include "move.h"

#define CRIU_TTY_FD	20

struct keeper;

struct criu {
	pid_t pid;			/* our child; at the target the keeper's */
	int pidfd;
	int sock;
	int64_t deadline_ms;		/* it hangs where tasks die under it */
	bool asked;			/* it waits for criu_answer() */
};

enum criu_event_type {
	CRIU_NOTHING, CRIU_ASKS, CRIU_DONE, CRIU_FAILED,
};

struct criu_event {
	enum criu_event_type type;
	char script[32];		/* CRIU_ASKS: at which point */
	int pid;			/* ... post-restore: the root */
};

#define CRIU_NONE	((struct criu){ .pidfd = -1, .sock = -1 })

/*
 * Starts it, so that it is warm when it is needed. With @k, at the target, it
 * is the keeper's child, and so is what it will build. @sysv, at the source: the
 * tree has SysV shared memory (criu/ipc.c).
 */
int criu_start(struct move *m, struct criu *c, struct keeper *k, bool sysv);
/*
 * Becomes criu, which speaks on @sock and has @tty, if it is not -1. @landing: the
 * group of what it rebuilds, in which it lets go of nobody who is not frozen; or
 * NULL.
 */
void criu_exec(int sock, int tty, const char *landing)
	__attribute__((noreturn));
/* Waits until it is. */
int criu_ready(struct move *m, struct criu *c);
/*
 * @shell_job: the root's session, and group, are those of others. At the
 * restore it gets criu's own. @tty: criu's name for a terminal of others, or "";
 * at the restore it is the descriptor CRIU_TTY_FD, which its keeper gave it.
 */
int criu_dump(struct move *m, struct criu *c, pid_t root, bool shell_job,
	      const char *tty);
int criu_restore(struct move *m, struct criu *c, bool shell_job,
		 const char *tty);
/* Where its socket is readable: the next event. */
int criu_event(struct criu *c, struct criu_event *ev);
int criu_answer(struct criu *c, bool yes);
/* Why it failed: the first error in its log, without its decoration. */
void criu_reason(const struct move *m, const char *log, char *buf, size_t size);
/* Its lock on connections, should it have made one before it was killed. */
void criu_unlock_network(pid_t root);
/* SIGKILL, and wait for it. Safe where none was started. */
void criu_kill(struct criu *c);
/* It is done and goes by itself; SIGKILL when it does not. */
void criu_finish(struct criu *c);

#endif
