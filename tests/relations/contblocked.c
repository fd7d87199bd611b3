// SPDX-License-Identifier: GPL-2.0-only
/* SIGCONT continues even if blocked, ignored or handled; it discards pending stops, and a stop discards a pending SIGCONT. */
#include "relations.h"
static atomic_int hits;
static void h(int s) { (void)s; hits++; }
int main(int argc, char **argv)
{
	static const char *nm[] = {"default", "blocked", "ignored", "handled"};
	pid_t c;
	siginfo_t si;
	d_init(argc, argv);
	setsid();
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	for (int i = 0; i < 4; i++) {
		if ((c = Fork()) == 0) {
			if (i == 1)
				blk(SIGCONT, 0);
			if (i == 2)
				signal(SIGCONT, SIG_IGN);
			if (i == 3)
				signal(SIGCONT, h);
			raise(SIGSTOP);
			take(SIGUSR1, NULL);
			_exit(hits * 2 + pending(SIGCONT));
		}
		printf("%s\n", nm[i]);
		wi(" stop", P_PID, c, WSTOPPED | WEXITED, c);
		kill(c, SIGUSR1);       /* does not run while stopped */
		wi(" stopped takes no signals", P_PID, c, WEXITED | WNOHANG, c);
		kill(c, SIGCONT);
		reap(" end", c);
	}
	if ((c = Fork()) == 0) {
		blk(SIGTSTP, SIGCONT, 0);
		setpgid(0, 0);
		sq(d_main, SIGRTMIN, 0);
		take(SIGUSR1, NULL);
		int r = pending(SIGTSTP) | pending(SIGCONT) << 1;       /* TSTP was sent: 1 */
		sq(d_main, SIGRTMIN, r);
		take(SIGUSR1, NULL);
		r = pending(SIGTSTP) | pending(SIGCONT) << 1;           /* CONT was sent: 2 */
		sq(d_main, SIGRTMIN, r);
		take(SIGUSR1, NULL);
		r = pending(SIGTSTP) | pending(SIGCONT) << 1;           /* TTIN was sent and ... */
		sq(d_main, SIGRTMIN, r);
		end_on(SIGUSR1, 3);
	}
	take(SIGRTMIN, &si);
	kill(c, SIGTSTP);
	kill(c, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("after TSTP: %d\n", si.si_value.sival_int);
	kill(c, SIGCONT);
	kill(c, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("after CONT: %d\n", si.si_value.sival_int);
	kill(c, SIGTSTP);
	kill(c, SIGUSR1);
	take(SIGRTMIN, &si);
	printf("after TSTP again: %d\n", si.si_value.sival_int);
	wi("never stopped", P_PID, c, WSTOPPED | WNOHANG, c);
	kill(c, SIGUSR1);
	reap("end", c);
	return d_end();
}
