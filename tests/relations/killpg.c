// SPDX-License-Identifier: GPL-2.0-only
/* kill(-pgid), killpg, kill(0) from a child, a group with zombies and whose leader is dead; ESRCH, EINVAL. */
#include "relations.h"
static atomic_int zero;
static void h(int s) { (void)s; zero++; }
int main(int argc, char **argv)
{
	pid_t c[6], z;
	siginfo_t si;
	d_init(argc, argv);
	setpgid(0, 0);
	setsid();
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, 0);
	for (int i = 0; i < 6; i++) {
		if ((c[i] = Fork()) == 0) {
			for (;;) {
				sigset_t m;
				sigemptyset(&m);
				sigaddset(&m, SIGUSR1);
				sigaddset(&m, SIGUSR2);
				sigaddset(&m, SIGRTMIN + 1);
				int s = sigwaitinfo(&m, &si);
				if (s == SIGUSR1)
					sq(d_main, SIGRTMIN, i * 4 + (si.si_code == SI_USER && si.si_pid == d_main));
				if (s == SIGUSR2)
					kill(0, SIGRTMIN + 1);  /* to my whole group, myself too */
				if (s == SIGRTMIN + 1)
					sq(d_main, SIGRTMIN, i * 4 + 2 + (si.si_pid == getpid()));
			}
		}
		setpgid(c[i], i < 3 ? c[0] : i < 5 ? c[3] : getpgrp());
	}
	int got[24] = {0};
	printf("kill group: %s\n", en(kill(-c[0], SIGUSR1)));
	for (int i = 0; i < 3; i++) {
		take(SIGRTMIN, &si);
		got[si.si_value.sival_int]++;
	}
	SAY("others none", none(SIGRTMIN, 100));
	for (int i = 0; i < 24; i++)
		printf("%d", got[i]);
	printf("\nkillpg: %s\n", en(killpg(c[3], SIGUSR1)));
	memset(got, 0, sizeof got);
	for (int i = 0; i < 2; i++) {
		take(SIGRTMIN, &si);
		got[si.si_value.sival_int]++;
	}
	for (int i = 0; i < 24; i++)
		printf("%d", got[i]);
	/* a child says kill(0) */
	kill(c[1], SIGUSR2);
	memset(got, 0, sizeof got);
	for (int i = 0; i < 3; i++) {
		take(SIGRTMIN, &si);
		got[si.si_value.sival_int]++;
	}
	printf("\n");
	for (int i = 0; i < 24; i++)
		printf("%d", got[i]);
	/* the leader dies: zombie, then reaped; the group lives */
	kill(c[3], SIGKILL);
	waitid(P_PID, c[3], &si, WEXITED | WNOWAIT);
	printf("\nwith the zombie leader: %s\n", en(kill(-c[3], SIGUSR1)));
	take(SIGRTMIN, &si);
	printf("answer %d\n", si.si_value.sival_int);
	reap("leader", c[3]);
	printf("leader by pid: %s, by group: ", en(kill(c[3], 0)));
	printf("%s\n", en(kill(-c[3], SIGUSR1)));
	take(SIGRTMIN, &si);
	printf("answer %d\n", si.si_value.sival_int);
	/* my own group by kill(0): myself by a handler and child 5 */
	signal(SIGVTALRM, h);
	printf("kill(0): %s, ", en(kill(0, SIGVTALRM)));
	printf("handler ran %d\n", zero);
	reap("child of my group", c[5]);
	printf("killpg(0): %s, ", en(killpg(0, SIGVTALRM)));
	printf("handler ran %d\n", zero);
	/* a group of a zombie only: signal succeeds */
	if ((z = Fork()) == 0)
		_exit(3);
	setpgid(z, z);
	waitid(P_PID, z, &si, WEXITED | WNOWAIT);
	printf("group of a zombie: %s\n", en(kill(-z, SIGTERM)));
	reap("z", z);
	printf("now: %s\n", en(kill(-z, SIGTERM)));
	printf("bad signal: %s, killpg -3: ", en(kill(-c[0], 99)));
	printf("%s\n", en(killpg(-3, 0)));
	kill(-c[0], SIGTERM);
	kill(-c[3], SIGKILL);
	for (int i = 0; i < 5; i++)
		if (i != 3)
			reap("end", c[i]);
	printf("%s\n", en(kill(-c[0], 0)));
	return d_end();
}
