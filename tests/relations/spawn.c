// SPDX-License-Identifier: GPL-2.0-only
/* posix_spawn with attributes: SETPGROUP, SETSID, SETSIGMASK, SETSIGDEF; failures. */
#include "relations.h"
extern char **environ;
static pid_t sp(const char *what, const char *cmd, posix_spawnattr_t *a, const char *path)
{
	char *av[] = {"sh", "-c", (char *)cmd, NULL};
	pid_t p = -1;
	fflush(stdout);
	int r = posix_spawn(&p, path ? path : "/bin/sh", NULL, a, av, environ);
	printf("%s: %s\n", what, r ? strerrorname_np(r) : "ok");
	return r ? -1 : p;
}
int main(int argc, char **argv)
{
	posix_spawnattr_t a;
	pid_t p, q;
	sigset_t m;
	d_init(argc, argv);
	setpgid(0, 0);
	p = sp("plain", "kill -STOP $$; exit 3", NULL, NULL);
	wi(" stop", P_PID, p, WSTOPPED | WEXITED, p);
	SAY(" in my group and session", getpgid(p) == getpgrp() && getsid(p) == getsid(0));
	posix_spawnattr_init(&a);
	posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&a, 0);
	q = sp("own group", "kill -STOP $$; exit 4", &a, NULL);
	SAY(" leads it at once", getpgid(q) == q);
	wi(" stop", P_PGID, q, WSTOPPED | WEXITED, q);
	posix_spawnattr_setpgroup(&a, q);
	pid_t r = sp("joins it", "kill -STOP $$; exit 5", &a, NULL);
	SAY(" in it", getpgid(r) == q);
	wi(" stop", P_PGID, q, WSTOPPED | WEXITED, r);
	kill(-q, SIGCONT);
	wp(" r", r, 0, r);
	wp(" q", -q, 0, q);
	sp("group gone", "exit 1", &a, NULL);
	posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSID);
	q = sp("own session", "kill -STOP $$; exit 6", &a, NULL);
	wi(" stop", P_PID, q, WSTOPPED | WEXITED, q);
	SAY(" leads it", getsid(q) == q && getpgid(q) == q);
	kill(q, SIGCONT);
	kill(p, SIGCONT);
	reap(" q", q);
	reap(" p", p);
	blk(SIGTERM, SIGUSR1, 0);
	q = sp("mask inherited", "kill -TERM $$; exit 7", NULL, NULL);
	reap(" it", q);
	sigemptyset(&m);
	posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&a, &m);
	q = sp("mask empty", "kill -TERM $$; exit 8", &a, NULL);
	reap(" it", q);
	sigemptyset(&m);
	sigprocmask(SIG_SETMASK, &m, NULL);
	signal(SIGTERM, SIG_IGN);
	q = sp("ignored inherited", "kill -TERM $$; exit 9", NULL, NULL);
	reap(" it", q);
	sigaddset(&m, SIGTERM);
	posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigdefault(&a, &m);
	q = sp("made default", "kill -TERM $$; exit 10", &a, NULL);
	reap(" it", q);
	sp("no such file", "exit 1", NULL, "/nonexistent/sh");
	sp("a directory", "exit 1", NULL, "/");
	printf("no child is left: %s\n", en(wait(NULL)));
	return d_end();
}
