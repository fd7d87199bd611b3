// SPDX-License-Identifier: GPL-2.0-only
/* The disposition of SIGCHLD changed between fork, death and wait; stops of a child of an ignorer. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t a, b, c, d;
	int w;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	if ((a = Fork()) == 0)
		end_on(SIGUSR1, 1);
	if ((b = Fork()) == 0)
		end_on(SIGUSR1, 2);
	/* a zombie made before stays waitable after */
	kill(a, SIGUSR1);
	waitid(P_PID, a, &si, WEXITED | WNOWAIT);
	signal(SIGCHLD, SIG_IGN);
	wp("zombie from before SIG_IGN", a, 0, a);
	/* forked before, dies under SIG_IGN */
	kill(b, SIGUSR1);
	wp("died under SIG_IGN", b, 0, b);
	/* forked under SIG_IGN, dies under SIG_DFL */
	if ((c = Fork()) == 0)
		end_on(SIGUSR1, 3);
	signal(SIGCHLD, SIG_DFL);
	kill(c, SIGUSR1);
	wp("died under SIG_DFL", c, 0, c);
	/* stops and continues are still seen by waits under SIG_IGN */
	signal(SIGCHLD, SIG_IGN);
	if ((d = Fork()) == 0)
		end_on(SIGUSR1, 4);
	kill(d, SIGSTOP);
	wi("stop under SIG_IGN", P_PID, d, WSTOPPED | WEXITED, d);
	kill(d, SIGCONT);
	wi("continue under SIG_IGN", P_PID, d, WCONTINUED | WEXITED, d);
	kill(d, SIGKILL);
	wi("exit under SIG_IGN", P_PID, d, WCONTINUED | WEXITED, d);
	(void)w;
	/* SIG_IGN is inherited over fork and exec: sh then cannot wait for ... its status still comes here */
	signal(SIGCHLD, SIG_DFL);
	if ((a = Fork()) == 0) {
		signal(SIGCHLD, SIG_IGN);
		if ((b = Fork()) == 0)
			_exit(9);
		_exit(Wait(b, &w, 0) == -1 && errno == ECHILD ? 44 : 45);
	}
	reap("ignorer below", a);
	return d_end();
}
