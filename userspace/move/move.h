/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of pando-move share: the move at hand, its reports to the
 * daemon, time, and small helpers.
 *
 * Functions return 0 or a count, or a negative errno. Those that are given
 * the move also leave one line of words in it (move_fail); the first line
 * stands, because what follows a failure is mostly its echo.
 */
#ifndef MOVE_H
#define MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault.h"
#include "nursery.h"
#include "pando.h"

#define MOVE_DAEMON_FD	3
#define MOVE_REASON	512
#define MOVE_MARKS	16

enum verdict { VERDICT_NONE, VERDICT_COMMIT, VERDICT_ABORT, VERDICT_LOST };

struct move {
	Pando__MoveStart *start;
	int daemon;		/* socket to the daemon, -1 when it is gone */
	int peer;		/* control connection to the other mover */
	int slave;		/* that came with the order, or -1 */
	int dir;		/* work directory */
	char path[256];		/* its path */
	struct nursery nursery;
	bool mounted;		/* we put a tmpfs on it */
	int timeout_ms;		/* longest silence of the other side */
	int64_t heard_ns;	/* from the peer, anything */
	int64_t told_ns;	/* to the peer, anything */
	int64_t skew_ns;	/* target: the source's clock is so much ahead */
	int64_t skew_error_ns;	/* give or take so much */
	enum verdict verdict;
	/* what the other mover said; see peer.h */
	bool ready;		/* we reported ready: the daemons decide now */
	bool held, resumed, peer_aborted, peer_committed;
	bool filled;		/* post-copy: it needs no more pages */
	bool asked;		/* it asks how the cluster decided */
	bool numbered;		/* our daemon has reserved what we reported */
	struct { const char *name; int64_t at_ns; } mark[MOVE_MARKS];
	unsigned int marks;	/* not yet reported */
	uint32_t rounds_done;	/* of pre-copy */
	uint64_t pulled_bytes;	/* in them */
	char reason[MOVE_REASON];
};

/* --- words ---------------------------------------------------------------*/

/* A point of fault.h: 0, or -ECANCELED where the step is to fail. */
int move_fault(struct move *m, enum fault_point point);
/* Keeps the first reason; returns -ECANCELED so that callers may pass it on. */
int move_fail(struct move *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A growing list of strings. Out of memory ends the program: see xmalloc. */
struct words {
	char **v;
	size_t n;
};
void words_add(struct words *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool words_has(const struct words *w, const char *s);
void words_free(struct words *w);

/* --- daemon (report.c) ---------------------------------------------------*/

int report_start(struct move *m);	/* reads MoveStart, bounded */
int report(struct move *m, const char *phase, Pando__MoveEvent *ev);
/* With a descriptor, if it is not -1. */
int report_fd(struct move *m, const char *phase, Pando__MoveEvent *ev, int fd);
void report_phase(struct move *m, const char *phase);
/* Until the daemon has reserved the numbers that a report was of. */
int report_await_numbers(struct move *m);
/*
 * The state is here, and @pids are who is in it: reports that. Tasks come and go until
 * they are frozen; where they are not those that the daemon has reserved when the move
 * began (numbers.c), it waits until they are. Puts the root first.
 */
int numbers_reserve(struct move *m, uint32_t *pids, size_t n);
/* A phase, by a constant name, ends now: told with the next report. */
void report_mark(struct move *m, const char *name);
/* One that ended at @at_ns, by our clock. */
void report_mark_at(struct move *m, const char *name, int64_t at_ns);
/* Reads what the daemon says, where something is there to be read. */
void report_listen(struct move *m);

/* --- the two roles ---------------------------------------------------------*/

int source_run(struct move *m);
int target_run(struct move *m);

/* --- work directory --------------------------------------------------------*/

/* Makes it, on a tmpfs: images hold other people's memory and need speed. */
int workdir_make(struct move *m);
void workdir_remove(struct move *m);

/* --- helpers ---------------------------------------------------------------*/

int64_t now_ns(void);
static inline int64_t now_ms(void)
{
	return now_ns() / 1000000;
}

/*
 * Allocation fails on these sizes only when the node is beyond help. To end
 * is then the same as to be killed, and that aborts the move by design.
 */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);

/* For qsort() and bsearch(): PIDs, pid_t or uint32_t. */
int by_number(const void *a, const void *b);

/* All of @len bytes of a socket within @timeout_ms: 0, -EPIPE, -ETIMEDOUT. */
int read_full(int fd, void *buf, size_t len, int timeout_ms);
int write_full(int fd, const void *buf, size_t len, int timeout_ms);

#endif
