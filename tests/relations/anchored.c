// SPDX-License-Identifier: GPL-2.0-only
/* A group that another member's parent still anchors gets nothing; when that one goes too, SIGHUP and SIGCONT come. */
#include "relations.h"
/* session leader L; children A (group a) and B (joins group a); A has child X in group a.  A's end: L still anchors by B.
 * Then B's group: B dies: X remains, its parent is L or the subreaper M (other session) -> orphaned when A's X goes to M. */
int main(int argc, char **argv)
{
	pid_t l, x;
	siginfo_t si;
	d_init(argc, argv);
	setsid();
	blk(SIGUSR1, SIGUSR2, SIGHUP, SIGCONT, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((l = Fork()) == 0) {
		pid_t a, b;
		setsid();
		if ((a = Fork()) == 0) {
			setpgid(0, 0);
			sq(getppid(), SIGRTMIN, 0);
			if ((x = Fork()) == 0) {
				put("up", "1");
				take(SIGHUP, &si);
				take(SIGCONT, &si);
				put("xgot", "%d", (si.si_code == SI_KERNEL) | none(SIGHUP, 100) << 1 | none(SIGCONT, 100) << 2 | (getppid() == d_main) << 3);
				end_on(SIGUSR1, 33);
			}
			get("up");
			kill(x, SIGSTOP);
			waitid(P_PID, x, &si, WSTOPPED);
			sq(d_main, SIGRTMIN, x);
			end_on(SIGUSR1, 31);
		}
		take(SIGRTMIN, NULL);
		if ((b = Fork()) == 0)
			end_on(SIGUSR1, 32);
		if (setpgid(b, a))
			_exit(90);
		sq(d_main, SIGRTMIN + 1, a);
		sq(d_main, SIGRTMIN + 1, b);
		take(SIGUSR2, NULL);
		kill(a, SIGUSR1);
		Wait(a, NULL, 0);
		sq(d_main, SIGRTMIN + 1, 1);    /* A is gone; X is stopped, its parent M in another session; B anchored by us */
		take(SIGUSR2, NULL);
		kill(b, SIGUSR1);
		Wait(b, NULL, 0);
		sq(d_main, SIGRTMIN + 1, 2);
		end_on(SIGUSR1, 34);
	}
	pid_t ab[2];
	take(SIGRTMIN + 1, &si);
	ab[0] = si.si_value.sival_int;
	take(SIGRTMIN + 1, &si);
	ab[1] = si.si_value.sival_int;
	take(SIGRTMIN, &si);
	x = si.si_value.sival_int;
	SAY("x in group of a", getpgid(x) == ab[0] && getpgid(ab[1]) == ab[0] && getsid(x) == l);
	kill(l, SIGUSR2);
	take(SIGRTMIN + 1, &si);
	printf("a is gone: %d\n", si.si_value.sival_int);
	wp("x is mine, no event", x, WNOHANG | WCONTINUED | WUNTRACED, x);
	msleep(200);
	wp("still nothing", x, WNOHANG | WCONTINUED, x);
	SAY("no file", access((strcat(strcpy((char[800]){0}, d_pre), "xgot")), F_OK) != 0);
	kill(l, SIGUSR2);
	take(SIGRTMIN + 1, &si);
	printf("b is gone: %d\n", si.si_value.sival_int);
	wp("x continued", x, WCONTINUED, x);
	printf("x: 0x%lx\n", getn("xgot"));
	kill(x, SIGUSR1);
	reap("x", x);
	kill(l, SIGUSR1);
	reap("l", l);
	return d_end();
}
