// SPDX-License-Identifier: GPL-2.0-only
/* kill 0 and others of a live, stopped, zombie, reaped child; of a grandchild; of tids; tgkill mismatches. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c, g;
	siginfo_t si;
	int w;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		if ((g = Fork()) == 0)
			end_on(SIGUSR1, 2);
		sq(d_main, SIGRTMIN, g);
		take(SIGUSR1, NULL);
		waitid(P_PID, g, &si, WEXITED | WNOWAIT);       /* g stays a zombie */
		sq(d_main, SIGRTMIN, g);
		take(SIGUSR1, NULL);
		Wait(g, &w, 0);
		sq(d_main, SIGRTMIN, g);
		end_on(SIGUSR1, 1);
	}
	take(SIGRTMIN, &si);
	g = si.si_value.sival_int;
	printf("live: %s %s\n", en(kill(c, 0)), en(kill(g, 0)));
	printf("bad signals: %s ", en(kill(c, -1)));
	printf("%s ", en(kill(c, 65)));
	printf("%s\n", en(kill(0x3fffff, 0)));
	printf("tgkill: %s ", en(syscall(SYS_tgkill, c, c, 0)));
	printf("%s ", en(syscall(SYS_tgkill, c, g, 0)));
	printf("%s ", en(syscall(SYS_tgkill, -1, g, 0)));
	printf("%s ", en(syscall(SYS_tgkill, c, 0, 0)));
	printf("tkill: %s\n", en(syscall(SYS_tkill, g, 0)));
	kill(c, SIGSTOP);
	wi("stop", P_PID, c, WSTOPPED, c);
	printf("stopped: %s\n", en(kill(c, 0)));
	kill(c, SIGCONT);
	kill(c, SIGUSR1);
	kill(g, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("zombie grandchild: %s ", en(kill(g, 0)));
	printf("%s ", en(kill(g, SIGKILL)));
	printf("%s ", en(sq(g, SIGUSR1, 5)));
	printf("%s\n", en(syscall(SYS_tgkill, g, g, SIGTERM)));
	kill(c, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("reaped grandchild: %s ", en(kill(g, 0)));
	printf("%s ", en(sq(g, SIGUSR1, 5)));
	printf("%s\n", en(syscall(SYS_tgkill, g, g, 0)));
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	printf("zombie: %s ", en(kill(c, 0)));
	printf("%s ", en(kill(c, SIGKILL)));
	printf("%s ", en(kill(c, SIGCONT)));
	printf("%s ", en(kill(c, SIGSTOP)));
	printf("%s\n", en(sq(c, SIGRTMIN, 5)));
	reap("its status unchanged", c);
	printf("reaped: %s ", en(kill(c, 0)));
	printf("%s ", en(sq(c, SIGRTMIN, 5)));
	printf("%s\n", en(syscall(SYS_tkill, c, 0)));
	return d_end();
}
