// SPDX-License-Identifier: GPL-2.0-only
/* getpriority/setpriority of a child: by process, by group, of zombie, of none; nice by the child itself seen here. */
#include "relations.h"
static void gp(const char *what, int which, id_t who)
{
	errno = 0;
	int r = getpriority(which, who);
	if (r == -1 && errno)
		printf("%s: %s\n", what, en(-1));
	else
		printf("%s: %d\n", what, r);
}
int main(int argc, char **argv)
{
	pid_t c, d;
	siginfo_t si;
	d_init(argc, argv);
	setpriority(PRIO_PROCESS, 0, 0);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		take(SIGUSR2, NULL);
		sq(d_main, SIGRTMIN, getpriority(PRIO_PROCESS, 0));
		take(SIGUSR2, NULL);
		sq(d_main, SIGRTMIN, nice(4));
		take(SIGUSR2, NULL);
		sq(d_main, SIGRTMIN, getpriority(PRIO_PGRP, 0));
		end_on(SIGUSR1, 3);
	}
	if ((d = Fork()) == 0)
		end_on(SIGUSR1, 4);
	gp("at first", PRIO_PROCESS, c);
	printf("set 7: %s\n", en(setpriority(PRIO_PROCESS, c, 7)));
	gp("then", PRIO_PROCESS, c);
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("child sees %d\n", si.si_value.sival_int);
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("child's nice(4): %d\n", si.si_value.sival_int);
	gp("seen here", PRIO_PROCESS, c);
	printf("clamped: %s\n", en(setpriority(PRIO_PROCESS, c, 100)));
	gp("then", PRIO_PROCESS, c);
	printf("lower: %s\n", en(setpriority(PRIO_PROCESS, c, -3)));
	gp("then", PRIO_PROCESS, c);
	gp("no such group", PRIO_PGRP, c);
	setpgid(c, c);
	setpgid(d, c);
	gp("group: the best of both", PRIO_PGRP, c);
	printf("group set 9: %s\n", en(setpriority(PRIO_PGRP, c, 9)));
	gp("c", PRIO_PROCESS, c);
	gp("d", PRIO_PROCESS, d);
	setpriority(PRIO_PROCESS, d, 5);
	gp("group", PRIO_PGRP, c);
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("child sees its group: %d\n", si.si_value.sival_int);
	gp("I am still", PRIO_PROCESS, 0);
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	gp("zombie", PRIO_PROCESS, c);
	printf("zombie set: %s\n", en(setpriority(PRIO_PROCESS, c, 11)));
	gp("zombie", PRIO_PROCESS, c);
	reap("c", c);
	gp("reaped", PRIO_PROCESS, c);
	printf("set: %s, bad which: ", en(setpriority(PRIO_PROCESS, c, 1)));
	printf("%s\n", en(setpriority(9, c, 1)));
	gp("group of the dead leader", PRIO_PGRP, c);
	kill(d, SIGUSR1);
	reap("d", d);
	gp("group gone", PRIO_PGRP, c);
	return d_end();
}
