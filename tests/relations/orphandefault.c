// SPDX-License-Identifier: GPL-2.0-only
/* Newly orphaned stopped jobs by default: SIGHUP kills them; a handler of one lets it live; group without stopped: nothing. */
#include "relations.h"
static volatile sig_atomic_t hups, conts;
static void h(int s) { if (s == SIGHUP) hups++; else conts++; }
int main(int argc, char **argv)
{
	pid_t p, q[4];
	siginfo_t si;
	d_init(argc, argv);
	setsid();
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((p = Fork()) == 0) {
		setsid();
		for (int i = 0; i < 4; i++) {
			if ((q[i] = Fork()) == 0) {
				if (i == 1 || i == 3) {
					signal(SIGHUP, h);
					signal(SIGCONT, h);
				}
				sq(d_main, SIGRTMIN + 1, i);
				take(SIGUSR1, NULL);
				_exit(10 + hups * 3 + conts);
			}
			/* 0 stopped, 1 in its group with handlers; 2 and 3 in a group without stopped ones */
			setpgid(q[i], q[i & 2]);
			sq(d_main, SIGRTMIN, q[i]);
		}
		take(SIGUSR2, NULL);
		kill(q[0], SIGSTOP);
		waitid(P_PID, q[0], &si, WSTOPPED);
		_exit(6);
	}
	for (int i = 0; i < 4; i++) {
		take(SIGRTMIN, &si);
		q[i] = si.si_value.sival_int;
	}
	for (int i = 0; i < 4; i++)     /* all have their handlers */
		take(SIGRTMIN + 1, &si);
	kill(p, SIGUSR2);
	reap("p", p);
	reap("stopped one, default", q[0]);
	/* its companion had SIGHUP and SIGCONT in its handlers, once each: 10 + 3 + 1 */
	kill(q[1], SIGUSR1);
	reap("its companion with handlers lives", q[1]);
	wp("2, WNOHANG", q[2], WNOHANG, q[2]);
	kill(q[2], SIGUSR1);
	reap("default one in the group without stopped ones", q[2]);
	kill(q[3], SIGUSR1);
	reap("its companion", q[3]);
	return d_end();
}
