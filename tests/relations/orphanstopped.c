// SPDX-License-Identifier: GPL-2.0-only
/* A newly orphaned group with a stopped member gets SIGHUP and SIGCONT, each once, every member of it. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t p, a, b, o;
	siginfo_t si;
	d_init(argc, argv);
	setsid();
	blk(SIGUSR1, SIGHUP, SIGCONT, SIGRTMIN, SIGRTMIN + 1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((p = Fork()) == 0) {
		pid_t q[3];
		for (int i = 0; i < 3; i++) {
			if ((q[i] = Fork()) == 0) {
				int r = 0;
				take(i < 2 ? SIGHUP : SIGUSR1, &si);
				if (i < 2) {
					r |= (si.si_code == SI_KERNEL) | (si.si_pid == 0) << 1;
					take(SIGCONT, &si);
					r |= (si.si_code == SI_KERNEL) << 2 | (si.si_pid == 0) << 3;
				}
				r |= none(SIGHUP, 100) << 4;
				r |= none(SIGCONT, 100) << 5;
				r |= (getppid() == d_main) << 6;
				sq(d_main, SIGRTMIN, r);
				end_on(SIGUSR1, 20 + i);
			}
			setpgid(q[i], i == 1 ? q[0] : q[i]);    /* 0 and 1 one group, 2 another */
		}
		kill(q[1], SIGSTOP);
		waitid(P_PID, q[1], &si, WSTOPPED);
		for (int i = 0; i < 3; i++)
			sq(d_main, SIGRTMIN + 1, q[i]);
		end_on(SIGUSR1, 4);
	}
	take(SIGRTMIN + 1, &si);
	a = si.si_value.sival_int;
	take(SIGRTMIN + 1, &si);
	b = si.si_value.sival_int;
	take(SIGRTMIN + 1, &si);
	o = si.si_value.sival_int;
	/* the group's leader and the stopped one have the parent p, in our session: anchored */
	SAY("one group", getpgid(b) == a && getpgid(a) == a && getpgid(o) == o);
	/* p shares our group; when it dies, its children come to us, in the same session: still anchored! */
	/* so let us first leave: a new session is not possible for a leader; hence p's children are anchored by us */
	kill(p, SIGUSR1);
	reap("p", p);
	wp("anchored by the subreaper: still stopped", b, WNOHANG | WUNTRACED, b);
	SAY("no report", none(SIGRTMIN, 300));
	kill(a, SIGKILL);
	kill(b, SIGKILL);
	kill(o, SIGKILL);
	reap("a", a);
	reap("b", b);
	reap("o", o);
	/* now the same with p leading a session of its own: its end orphans the groups, as we are in another session */
	if ((p = Fork()) == 0) {
		pid_t q[3];
		if (setsid() < 0)
			_exit(90);
		for (int i = 0; i < 3; i++) {
			if ((q[i] = Fork()) == 0) {
				int r = 0;
				take(i < 2 ? SIGHUP : SIGUSR1, &si);
				if (i < 2) {
					r |= (si.si_code == SI_KERNEL) | (si.si_pid == 0) << 1;
					take(SIGCONT, &si);
					r |= (si.si_code == SI_KERNEL) << 2 | (si.si_pid == 0) << 3;
				}
				r |= none(SIGHUP, 100) << 4;
				r |= none(SIGCONT, 100) << 5;
				r |= (getppid() == d_main) << 6;
				put(i == 0 ? "r0" : i == 1 ? "r1" : "r2", "%d", r);
				end_on(SIGUSR1, 20 + i);
			}
			setpgid(q[i], i == 1 ? q[0] : q[i]);
		}
		kill(q[1], SIGSTOP);
		waitid(P_PID, q[1], &si, WSTOPPED);
		for (int i = 0; i < 3; i++)
			sq(d_main, SIGRTMIN + 1, q[i]);
		end_on(SIGUSR1, 5);
	}
	pid_t q[3];
	for (int i = 0; i < 3; i++) {
		take(SIGRTMIN + 1, &si);
		q[i] = si.si_value.sival_int;
	}
	kill(p, SIGUSR1);
	reap("session leader p", p);
	printf("leader of the group: 0x%lx\n", getn("r0"));
	printf("stopped member: 0x%lx\n", getn("r1"));
	kill(q[2], SIGUSR1);
	printf("other group: 0x%lx\n", getn("r2"));
	for (int i = 0; i < 3; i++) {
		kill(q[i], SIGUSR1);
		reap("end", q[i]);
	}
	return d_end();
}
