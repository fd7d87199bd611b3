// SPDX-License-Identifier: GPL-2.0-only
/* A stopped process: SIGKILL ends it at once, SIGTERM only after SIGCONT; queued signals wait. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c[3];
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGRTMIN, 0);
	for (int i = 0; i < 3; i++)
		if ((c[i] = Fork()) == 0) {
			if (i == 2) {
				int sum = 0, n = 0;
				raise(SIGSTOP);
				while (n < 5) {
					take(SIGRTMIN, &si);
					sum = sum * 3 + si.si_value.sival_int;
					n++;
				}
				_exit(sum & 255);
			}
			for (;;)
				pause();
		}
	kill(c[0], SIGSTOP);
	kill(c[1], SIGSTOP);
	for (int i = 0; i < 3; i++)
		wi("stop", P_PID, c[i], WSTOPPED | WEXITED, c[i]);
	kill(c[1], SIGTERM);
	for (int k = 0; k < 5; k++)
		sq(c[2], SIGRTMIN, k);
	kill(c[0], SIGKILL);
	reap("killed while stopped", c[0]);
	msleep(50);
	wi("TERM waits", P_PID, c[1], WEXITED | WSTOPPED | WCONTINUED | WNOHANG, c[1]);
	wi("queue waits", P_PID, c[2], WEXITED | WSTOPPED | WCONTINUED | WNOHANG, c[2]);
	kill(c[1], SIGCONT);
	reap("TERM after CONT", c[1]);
	kill(c[2], SIGCONT);
	reap("queue after CONT", c[2]);
	return d_end();
}
