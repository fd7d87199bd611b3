// SPDX-License-Identifier: GPL-2.0-only
/* SA_NOCLDSTOP: no SIGCHLD for stop and continue, but waits see them; without it every one is signalled. */
#include "relations.h"
static void h(int s) { (void)s; }
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	struct sigaction sa;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGCHLD, 0);
	memset(&sa, 0, sizeof sa);
	sa.sa_handler = h;
	if ((c = Fork()) == 0) {
		for (;;) {
			sigset_t m;
			sigemptyset(&m);
			sigaddset(&m, SIGUSR1);
			sigaddset(&m, SIGUSR2);
			int s = sigwaitinfo(&m, NULL);
			if (s == SIGUSR1)
				_exit(8);
			if (s == SIGUSR2)       /* shows that it really runs again */
				sq(d_main, SIGRTMIN, 0);
		}
	}
	for (int i = 0; i < 3; i++) {
		sa.sa_flags = i == 1 ? SA_NOCLDSTOP : 0;
		sigaction(SIGCHLD, &sa, NULL);
		printf("round %d, %s\n", i, i == 1 ? "SA_NOCLDSTOP" : "plain");
		kill(c, SIGSTOP);
		/* the signal first: a wait that overtakes it would clear its si_status */
		if (i == 1) {
			wi(" stop", P_PID, c, WSTOPPED, c);
			SAY(" no signal", none(SIGCHLD, 200));
		} else {
			take(SIGCHLD, &si);
			printf(" signal %s %s uid %d pid %s\n", cld(si.si_code), sn(si.si_status), (int)si.si_uid, YN(si.si_pid == c));
			wi(" stop", P_PID, c, WSTOPPED, c);
		}
		kill(c, SIGCONT);
		wi(" continue", P_PID, c, WCONTINUED, c);
		kill(c, SIGUSR2);
		take(SIGRTMIN, NULL);
		if (i == 1) {
			SAY(" no signal", none(SIGCHLD, 200));
		} else {
			take(SIGCHLD, &si);
			printf(" signal %s %s uid %d pid %s\n", cld(si.si_code), sn(si.si_status), (int)si.si_uid, YN(si.si_pid == c));
		}
	}
	sa.sa_flags = SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	kill(c, SIGUSR1);
	take(SIGCHLD, &si);
	printf("exit: %s %d\n", cld(si.si_code), si.si_status);
	reap("end", c);
	return d_end();
}
