/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs about relations of processes have in common. Each does something with
 * children, and says what came of that, in words that are the same at each run: no numbers,
 * no times. Only the first process prints; its children tell it by their exit status, by
 * signals that are queued, or by small files. Nothing is shared by pipes or memory, for a
 * child may be moved to another node as soon as it is made.
 */
#ifndef RELATIONS_H
#define RELATIONS_H
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define YN(c) ((c) ? "yes" : "no")
#define SAY(what, c) printf("%s: %s\n", (what), YN(c))

extern pid_t d_main;	/* the first process */
extern char d_pre[600];	/* what the names of our files begin with */

/* What was waited for has not come. */
void d_bail(const char *why);
/* First of all: from a known state, whatever the caller left us. argv[1]: for files. */
void d_init(int argc, char **argv);
/* Files by relative names: for children that may not search the path to them. */
void d_rel(void);
/* Last of all: main() returns it. */
int d_end(void);
/* Called first in every child. */
void d_child(void);
pid_t Fork(void);
/* In words: errno, unless @r is a success; a signal; a status; si_code of wait, of others. */
const char *en(long r);
const char *sn(int s);
const char *st(int w);
const char *cld(int c);
const char *sic(int c);
/* waitpid that ignores EINTR; prints nothing. */
pid_t Wait(pid_t p, int *w, int opt);
/* Reap and show. */
void reap(const char *what, pid_t p);
/* One waitpid / waitid, shown whole. */
void wp(const char *what, pid_t arg, int opt, pid_t expect);
void wi(const char *what, int type, id_t id, int opt, pid_t expect);
/* Block the signals of a list ended by 0. */
void blk(int s, ...);
/* Take one (blocked) signal, up to 100 s. */
int take(int sig, siginfo_t *si);
/* Is this (blocked) signal absent, also during the next ms? */
int none(int sig, int ms);
/* Is it pending? */
int pending(int sig);
void msleep(int ms);
/* sigqueue() */
int sq(pid_t p, int sig, int v);
/* A small file of that name is there as a whole; waits for it, and reads it. */
void put(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *get(const char *name);
long getn(const char *name);
/* Read a /proc file whole; returns length or -1. */
int rproc(char *o, int max, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* State letter of a task of this same process (tid) - for threads only. */
void until_asleep(pid_t tid);
/* Waits, at most 100 s, for that signal, and ends. */
_Noreturn void end_on(int sig, int code);

#endif
