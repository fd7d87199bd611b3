// SPDX-License-Identifier: GPL-2.0-only
/* A session leader's end (no terminal): its members live on, session id stays, groups too. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t l, m[3];
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGHUP, SIGCONT, SIGRTMIN, SIGRTMIN + 1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((l = Fork()) == 0) {
		if (setsid() != getpid())
			_exit(90);
		l = getpid();
		for (int i = 0; i < 3; i++) {
			pid_t p = Fork();
			if (p == 0) {
				pid_t me = getpid();
				take(SIGUSR2, &si);
				int r = (getsid(0) == l) | (getpgrp() == (i == 0 ? l : i == 1 ? me : m[1])) << 1 | none(SIGHUP, 50) << 2 |
					none(SIGCONT, 50) << 3 | (getppid() == d_main) << 4 | (getsid(l) == -1 && errno == ESRCH) << 5;
				if (i == 1)     /* a group leader cannot */
					r |= (setsid() == -1 && errno == EPERM) << 6;
				if (i == 2)     /* a member of another's group can join the dead leader's group and can leave */
					r |= (setpgid(0, l) == 0 && getpgrp() == l) << 6 | (setpgid(0, 0) == 0) << 7;
				sq(d_main, SIGRTMIN, r);
				end_on(SIGUSR1, 70 + i);
			}
			m[i] = p;
			setpgid(p, i == 0 ? getpid() : i == 1 ? p : m[1]);
			sq(d_main, SIGRTMIN + 1, p);
		}
		end_on(SIGUSR1, 9);
	}
	for (int i = 0; i < 3; i++) {
		take(SIGRTMIN + 1, &si);
		m[i] = si.si_value.sival_int;
	}
	printf("sid of leader's children: %s %s %s\n", YN(getsid(m[0]) == l), YN(getsid(m[1]) == l), YN(getsid(m[2]) == l));
	kill(l, SIGUSR1);
	waitid(P_PID, l, &si, WEXITED | WNOWAIT);
	SAY("the zombie leader still has its session and group", getsid(l) == l && getpgid(l) == l);
	reap("leader", l);
	printf("leader's sid: %s\n", en(getsid(l)));
	printf("its group by kill 0: %s\n", en(kill(-l, 0)));
	for (int i = 0; i < 3; i++) {
		kill(m[i], SIGUSR2);
		take(SIGRTMIN, &si);
		printf("member %d: 0x%x %s\n", i, si.si_value.sival_int, YN(si.si_pid == m[i]));
		SAY("session still the dead leader's", getsid(m[i]) == l);
	}
	for (int i = 0; i < 3; i++) {
		kill(m[i], SIGUSR1);
		reap("member", m[i]);
	}
	printf("its group: %s\n", en(kill(-l, 0)));
	return d_end();
}
