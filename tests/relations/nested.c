// SPDX-License-Identifier: GPL-2.0-only
/* Nested subreapers: the nearest living one gets the orphan; when it dies, the next; clearing the flag. */
#include "relations.h"
/* M(sub) - S1(sub) - S2(sub) - P - X */
int main(int argc, char **argv)
{
	siginfo_t si;
	pid_t s1, s2, p, x;
	int w;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((s1 = Fork()) == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		if ((s2 = Fork()) == 0) {
			prctl(PR_SET_CHILD_SUBREAPER, 1);
			if ((p = Fork()) == 0) {
				if ((x = Fork()) == 0) {
					for (;;) {      /* tell our parent's pid when asked */
						take(SIGUSR2, &si);
						sq(d_main, SIGRTMIN, getppid());
					}
				}
				sq(d_main, SIGRTMIN + 1, x);
				sq(d_main, SIGRTMIN + 2, getppid());
				end_on(SIGUSR1, 1);
			}
			w = Wait(p, NULL, 0) == p;
			sq(d_main, SIGRTMIN + 1, w);
			end_on(SIGUSR1, 2);
		}
		Wait(s2, NULL, 0);
		prctl(PR_SET_CHILD_SUBREAPER, 0);       /* keeps the children it has */
		sq(d_main, SIGRTMIN + 1, 1);
		end_on(SIGUSR1, 3);
	}
	take(SIGRTMIN + 1, &si);
	p = si.si_pid;
	x = si.si_value.sival_int;
	take(SIGRTMIN + 2, &si);
	s2 = si.si_value.sival_int;
	kill(x, SIGUSR2);
	take(SIGRTMIN, &si);
	SAY("x's parent is p", si.si_value.sival_int == p && si.si_pid == x);
	kill(p, SIGUSR1);
	take(SIGRTMIN + 1, &si);
	SAY("s2 reaped p", si.si_pid == s2 && si.si_value.sival_int == 1);
	kill(x, SIGUSR2);
	take(SIGRTMIN, &si);
	SAY("x's parent is s2", si.si_value.sival_int == s2);
	kill(s2, SIGKILL);
	take(SIGRTMIN + 1, &si);
	SAY("s1 reaped s2", si.si_pid == s1);
	kill(x, SIGUSR2);
	take(SIGRTMIN, &si);
	SAY("x's parent is s1", si.si_value.sival_int == s1);
	printf("not mine: %s\n", en(Wait(x, &w, WNOHANG)));
	kill(s1, SIGUSR1);
	reap("s1", s1);
	kill(x, SIGUSR2);
	take(SIGRTMIN, &si);
	SAY("x's parent is the main one", si.si_value.sival_int == d_main);
	wp("mine", x, WNOHANG, x);
	kill(x, SIGTERM);
	reap("x", x);
	printf("then %s\n", en(wait(&w)));
	return d_end();
}
