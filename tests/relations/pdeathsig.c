// SPDX-License-Identifier: GPL-2.0-only
/* PR_SET_PDEATHSIG: sent at the parent's end, on each reparenting, cleared by fork and kept over exec; by its thread's end. */
#include "relations.h"
static pid_t c;
static void *thr(void *x)
{
	siginfo_t si;
	if ((c = Fork()) == 0) {        /* the parent thread's end counts */
		prctl(PR_SET_PDEATHSIG, SIGUSR2);
		sq(d_main, SIGRTMIN + 1, 0);
		take(SIGUSR2, &si);
		_exit(si.si_pid == getppid() && getppid() == d_main ? 61 : 62);
	}
	take(SIGRTMIN + 1, NULL);
	return x;
}
int main(int argc, char **argv)
{
	siginfo_t si;
	pid_t m, x = 0;
	pthread_t t;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((m = Fork()) == 0) {
		pid_t me = getpid();
		if ((x = Fork()) == 0) {
			int v = -1;
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			prctl(PR_GET_PDEATHSIG, &v);
			sq(d_main, SIGRTMIN, v == SIGUSR1);
			pid_t y = Fork();
			if (y == 0) {   /* cleared in the child of fork */
				prctl(PR_GET_PDEATHSIG, &v);
				_exit(v == 0 ? 0 : 1);
			}
			Wait(y, &v, 0);
			sq(d_main, SIGRTMIN, v == 0);
			take(SIGUSR1, &si);
			/* from the dying parent, as if by kill */
			sq(d_main, SIGRTMIN + 2, (si.si_code == SI_USER) | (si.si_pid == me) << 1 | (getppid() == d_main) << 2 |
			   none(SIGUSR1, 100) << 3);
			end_on(SIGUSR1, 51);
		}
		if (Fork() == 0) {      /* default action: dies of it; its own exec keeps the setting */
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			execl("/bin/sh", "sh", "-c", "kill -STOP $$; while :; do sleep 1; done", NULL);
			_exit(99);
		}
		waitid(P_ALL, 0, &si, WSTOPPED);
		kill(si.si_pid, SIGCONT);
		sq(d_main, SIGRTMIN + 1, si.si_pid);
		end_on(SIGUSR1, 50);
	}
	take(SIGRTMIN + 1, &si);
	pid_t z = si.si_value.sival_int;
	take(SIGRTMIN, &si);
	SAY("set and got", si.si_value.sival_int);
	x = si.si_pid;
	take(SIGRTMIN, &si);
	SAY("cleared by fork", si.si_value.sival_int);
	kill(m, SIGUSR1);
	reap("middle", m);
	take(SIGRTMIN + 2, &si);
	printf("bits 0x%x from x %s\n", si.si_value.sival_int, YN(si.si_pid == x));
	reap("after exec", z);
	kill(x, SIGUSR1);
	reap("x", x);
	pthread_create(&t, NULL, thr, NULL);
	pthread_join(t, NULL);
	reap("child of an ended thread", c);
	return d_end();
}
