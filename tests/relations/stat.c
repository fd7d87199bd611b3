// SPDX-License-Identifier: GPL-2.0-only
/* /proc/CHILD/stat and status by the parent: ppid, pgrp, session, state letters S T Z R, exit_signal, Threads, uids. */
#include "relations.h"
struct S { char st; int pp, pg, ss, nice, nth, es; };
static int rd(pid_t p, struct S *s)
{
	char b[1500], *q;
	long n, i, es = -1;
	memset(s, 0, sizeof *s);
	if (rproc(b, sizeof b, "/proc/%d/stat", (int)p) < 0 || !(q = strrchr(b, ')')))
		return -1;
	n = sscanf(q + 2, "%c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %d %d", &s->st, &s->pp, &s->pg, &s->ss, &s->nice, &s->nth);
	q = strtok(q + 2, " ");
	for (i = 3; q; i++, q = strtok(NULL, " "))
		if (i == 38)
			es = atol(q);
	s->es = es;
	return n == 6 ? 0 : -1;
}
static char upto(pid_t p, char want)
{
	struct S s;
	for (int k = 0; k < 10000; k++) {
		if (rd(p, &s) == 0 && s.st == want)
			return want;
		msleep(10);
	}
	return s.st;
}
static void field(const char *what, pid_t p, const char *f)
{
	char b[6000], *q;
	char key[40];
	rproc(b, sizeof b, "/proc/%d/status", (int)p);
	snprintf(key, sizeof key, "\n%s:", f);
	q = strstr(b, key);
	if (!q)
		printf("%s: no %s\n", what, f);
	else
		printf("%s: %.*s\n", what, (int)strcspn(q + 1, "\n"), q + 1);
}
static void *sl(void *a) { for (;;) pause(); return a; }
int main(int argc, char **argv)
{
	pid_t c, g;
	siginfo_t si;
	struct S s;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		setsid();
		setpriority(PRIO_PROCESS, 0, 4);
		prctl(PR_SET_NAME, "na) me (x");
		if ((g = Fork()) == 0)
			end_on(SIGUSR1, 2);
		setpgid(g, g);
		sq(d_main, SIGRTMIN, g);
		take(SIGUSR2, NULL);
		pthread_t t;
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, sl, NULL);
		sq(d_main, SIGRTMIN, g);
		take(SIGUSR2, NULL);
		sq(d_main, SIGRTMIN, g);
		for (;;)        /* state R until SIGUSR1 is there */
			if (pending(SIGUSR1))
				_exit(3);
	}
	take(SIGRTMIN, &si);
	g = si.si_value.sival_int;
	printf("sleeping: %c\n", upto(c, 'S'));
	rd(c, &s);
	printf("child: ppid %s pgrp %s session %s nice %d threads %d exit signal %s\n", YN(s.pp == d_main), YN(s.pg == c), YN(s.ss == c), s.nice, s.nth, sn(s.es));
	printf("grandchild: %c ", upto(g, 'S'));
	rd(g, &s);
	printf("ppid %s pgrp %s session %s nice %d threads %d\n", YN(s.pp == c), YN(s.pg == g), YN(s.ss == c), s.nice, s.nth);
	field("grandchild", g, "Uid");
	field("child", c, "State");
	field("child", c, "SigBlk");
	field("child", c, "SigIgn");
	field("child", c, "Threads");
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	rd(c, &s);
	printf("threads now %d\n", s.nth);
	field("child", c, "Threads");
	kill(c, SIGSTOP);
	wi("stop", P_PID, c, WSTOPPED, c);
	rd(c, &s);
	printf("stopped: %c\n", s.st);
	field("child", c, "State");
	kill(c, SIGCONT);
	wi("cont", P_PID, c, WCONTINUED, c);
	printf("again: %c\n", upto(c, 'S'));
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("running: %c\n", upto(c, 'R'));
	kill(g, SIGUSR1);
	printf("grandchild a zombie: %c\n", upto(g, 'Z'));
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	rd(c, &s);
	printf("zombie: %c ppid %s pgrp %s session %s\n", s.st, YN(s.pp == d_main), YN(s.pg == c), YN(s.ss == c));
	field("zombie", c, "State");
	field("zombie", c, "Threads");
	field("zombie", c, "VmSize");
	reap("it", c);
	SAY("gone", rd(c, &s) < 0);
	return d_end();
}
