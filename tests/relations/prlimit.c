// SPDX-License-Identifier: GPL-2.0-only
/* prlimit of a child by its parent: get, set, both; child sees it; inherited onwards; of a zombie; errors. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	struct rlimit o, n, me0, me1;
	d_init(argc, argv);
	n.rlim_cur = 200;
	n.rlim_max = 400;
	setrlimit(RLIMIT_NOFILE, &n);
	getrlimit(RLIMIT_NOFILE, &me0);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		for (int i = 0; i < 2; i++) {
			take(SIGUSR2, NULL);
			getrlimit(RLIMIT_NOFILE, &o);
			int fd = dup2(0, 100);
			sq(d_main, SIGRTMIN, o.rlim_cur * 1000 + o.rlim_max);
			sq(d_main, SIGRTMIN, fd == 100 ? 1 : errno == EBADF ? 2 : 3);
			if (fd == 100)
				close(fd);
			pid_t g = Fork();
			int w;
			if (g == 0) {
				getrlimit(RLIMIT_NOFILE, &o);
				_exit(o.rlim_cur);
			}
			Wait(g, &w, 0);
			sq(d_main, SIGRTMIN, WEXITSTATUS(w));
		}
		o.rlim_cur = 90;
		setrlimit(RLIMIT_NOFILE, &o);
		sq(d_main, SIGRTMIN, 0);
		end_on(SIGUSR1, 1);
	}
	printf("get: %s ", en(prlimit(c, RLIMIT_NOFILE, NULL, &o)));
	printf("%d %d\n", (int)o.rlim_cur, (int)o.rlim_max);
	kill(c, SIGUSR2);
	for (int i = 0; i < 3; i++) {
		take(SIGRTMIN, &si);
		printf("child: %d\n", si.si_value.sival_int);
	}
	n.rlim_cur = 50;
	n.rlim_max = 150;
	memset(&o, 0, sizeof o);
	printf("set and get old: %s ", en(prlimit(c, RLIMIT_NOFILE, &n, &o)));
	printf("%d %d\n", (int)o.rlim_cur, (int)o.rlim_max);
	prlimit(c, RLIMIT_NOFILE, NULL, &o);
	printf("now: %d %d\n", (int)o.rlim_cur, (int)o.rlim_max);
	kill(c, SIGUSR2);
	for (int i = 0; i < 3; i++) {
		take(SIGRTMIN, &si);
		printf("child: %d\n", si.si_value.sival_int);
	}
	take(SIGRTMIN, &si);
	prlimit(c, RLIMIT_NOFILE, NULL, &o);
	printf("set by the child: %d %d\n", (int)o.rlim_cur, (int)o.rlim_max);
	getrlimit(RLIMIT_NOFILE, &me1);
	SAY("mine is unchanged", me0.rlim_cur == me1.rlim_cur && me0.rlim_max == me1.rlim_max);
	n.rlim_cur = 10;
	n.rlim_max = 5;
	printf("cur above max: %s\n", en(prlimit(c, RLIMIT_NOFILE, &n, NULL)));
	printf("bad resource: %s\n", en(prlimit(c, 99, NULL, &o)));
	printf("bad pid: %s\n", en(prlimit(-5, RLIMIT_CORE, NULL, &o)));
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	memset(&o, 0, sizeof o);
	printf("zombie get: %s ", en(prlimit(c, RLIMIT_NOFILE, NULL, &o)));
	printf("%d %d\n", (int)o.rlim_cur, (int)o.rlim_max);
	reap("it", c);
	printf("reaped: %s\n", en(prlimit(c, RLIMIT_NOFILE, NULL, &o)));
	return d_end();
}
