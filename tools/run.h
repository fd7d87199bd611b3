/* SPDX-License-Identifier: GPL-2.0-only */
/* A program in the cluster that seems to run here: cluster-run, cluster-shell. */
#ifndef PANDO_RUN_H
#define PANDO_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pando.h"

/* What podman, env and nohup say of themselves, beside the child's status. */
#define RUN_FAILED	125

enum run_tty { RUN_TTY_AUTO, RUN_TTY_ALWAYS, RUN_TTY_NEVER };

struct run {
	const char *node;
	bool login;		/* a login shell; no argv: the user's own */
	const char *cwd;	/* NULL: the caller's, or home at a login */
	char **argv;
	int argc;
	char **env;		/* NAME=VALUE, beside the caller's */
	size_t envs;
	bool detach, json;
	enum run_tty tty;
};

/* Options that both commands have; false: not one of them. */
#define RUN_OPTIONS "n:w:e:tT"
#define RUN_LONG_OPTIONS \
	{ "node", required_argument, NULL, 'n' }, \
	{ "workdir", required_argument, NULL, 'w' }, \
	{ "env", required_argument, NULL, 'e' }, \
	{ "tty", no_argument, NULL, 't' }, \
	{ "no-tty", no_argument, NULL, 'T' }
bool run_option(struct run *r, int opt, char *arg);

/* Runs it and returns the status to exit with. */
int run(struct run *r);

/* --- run_request.c ---------------------------------------------------------*/

/*
 * Sends the request. @tty: the program gets a terminal of its own; @front: and
 * that one's foreground. @direct: it starts on this node and gets our descriptors.
 */
void run_request(int sock, uint32_t id, const struct run *r, bool tty,
		 bool front, bool direct);

/* --- run_relay.c -----------------------------------------------------------*/

/*
 * A descriptor that becomes readable on signals that are the program's. From
 * here on they have no effect of their own.
 */
int run_signals(void);
int run_signal_take(int signals);

/* --- run_stop.c ------------------------------------------------------------*/

enum run_stop {
	RUN_STOP_GO_ON,		/* somebody let us go on */
	RUN_STOP_NEWS,		/* something came on one of the descriptors */
	RUN_STOP_EARLY,		/* likewise, before we stopped */
	RUN_STOP_NONE,		/* nobody could: we did not stop (an orphan's group) */
};

/*
 * Stops this process by @signo (SIGTSTP, SIGTTIN, SIGTTOU), and returns why it is stopped
 * no more. @fds: sockets, or -1. SIGCONT must be blocked.
 */
enum run_stop run_stop(int signo, const int fds[2]);

/* --- run_relay.c, its loop -------------------------------------------------*/

struct run_relay {
	int sock;		/* is taken; to the daemon where the program runs */
	int control;		/* to ours, if that is another one; or -1 */
	uint32_t id;
	int signals;
	int early;		/* a signal that came before the program ran */
	bool tty;		/* the program has a terminal of its own */
	bool front;		/* ... and its foreground, as we have ours */
	bool direct;		/* it has our descriptors */
	bool follows;		/* the daemon takes bytes behind a frame */
};

/*
 * Passes bytes, signals and window sizes until the program has ended: then 1
 * and its Exit in *@frame. 0: the terminal is gone, the program was told.
 * Else a negative errno: the daemon is gone.
 */
int run_relay(const struct run_relay *how, Pando__Frame **frame);

#endif
