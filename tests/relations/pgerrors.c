// SPDX-License-Identifier: GPL-2.0-only
/* Errors of setpgid, getpgid, getsid: EPERM, EACCES after exec, ESRCH, EINVAL; of a zombie and a grandchild. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t a, b, e, g, z;
	siginfo_t si;
	int w;
	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, 0);
	setsid();
	if ((a = Fork()) == 0)
		end_on(SIGUSR1, 1);
	if ((b = Fork()) == 0) {
		setsid();
		if ((g = Fork()) == 0)
			end_on(SIGUSR1, 3);
		sq(d_main, SIGRTMIN, g);
		take(SIGUSR1, NULL);
		int r = (setpgid(0, 0) == -1 && errno == EPERM) |               /* session leader */
			(setpgid(g, d_main) == -1 && errno == EPERM) << 1 |     /* group of another session */
			(setpgid(d_main, 0) == -1 && errno == ESRCH) << 2 |     /* my parent */
			(setpgid(a, 0) == -1 && errno == ESRCH) << 3 |          /* my brother */
			(setpgid(g, g) == 0) << 4 | (setsid() == -1 && errno == EPERM) << 5;
		kill(g, SIGUSR1);
		Wait(g, &w, 0);
		_exit(r);
	}
	take(SIGRTMIN, &si);
	g = si.si_value.sival_int;
	if ((e = Fork()) == 0) {
		execl("/bin/sh", "sh", "-c", "kill -STOP $$; exit 4", NULL);
		_exit(99);
	}
	if ((z = Fork()) == 0)
		_exit(5);
	printf("myself, a session leader: %s\n", en(setpgid(0, 0)));
	printf("child leading another session: %s\n", en(setpgid(b, b)));
	printf("child into another session's group: %s\n", en(setpgid(a, b)));
	printf("child into no group: %s\n", en(setpgid(a, a + 1000000)));
	printf("child into its brother, no group: %s\n", en(setpgid(a, e)));
	printf("grandchild: %s\n", en(setpgid(g, g)));
	printf("my parent: %s\n", en(setpgid(getppid(), 0)));
	printf("negative group: %s\n", en(setpgid(a, -1)));
	printf("negative pid: %s\n", en(setpgid(-1, a)));
	printf("no such process: %s\n", en(setpgid(0x3fffff, 0)));
	printf("getpgid negative: %s\n", en(getpgid(-1)));
	printf("getsid negative: %s\n", en(getsid(-1)));
	printf("getpgid none: %s\n", en(getpgid(0x3fffff)));
	SAY("grandchild's session and group are b", getsid(g) == b && getpgid(g) == b);
	SAY("a's session and group are mine", getsid(a) == d_main && getpgid(a) == d_main);
	wi("stopped after exec", P_PID, e, WSTOPPED | WEXITED, e);
	printf("after exec: %s\n", en(setpgid(e, e)));
	printf("after exec, its present group: %s\n", en(setpgid(e, getpgrp())));
	SAY("its group and session can be asked", getpgid(e) == getpgrp() && getsid(e) == getsid(0));
	waitid(P_PID, z, &si, WEXITED | WNOWAIT);
	SAY("zombie's group and session", getpgid(z) == getpgrp() && getsid(z) == getsid(0));
	printf("zombie leads a group: %s\n", en(setpgid(z, z)));
	printf("a joins the zombie's group: %s\n", en(setpgid(a, z)));
	reap("z", z);
	printf("reaped: %s %s\n", en(setpgid(z, 0)), en(getpgid(z)));
	SAY("its group lives on", getpgid(a) == z && kill(-z, 0) == 0);
	printf("grandchild not: %s\n", en(setpgid(g, z)));
	kill(e, SIGCONT);
	reap("e", e);
	kill(b, SIGUSR1);
	reap("b", b);
	kill(a, SIGUSR1);
	reap("a", a);
	return d_end();
}
