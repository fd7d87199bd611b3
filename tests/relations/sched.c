// SPDX-License-Identifier: GPL-2.0-only
/* The scheduling class of a child by pid, read and set by the parent; affinity; of a zombie; errors. */
#include "relations.h"
int main(int argc, char **argv)
{
	pid_t c;
	siginfo_t si;
	struct sched_param sp = {0};
	cpu_set_t cs;
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, SIGRTMIN, 0);
	if ((c = Fork()) == 0) {
		for (int i = 0; i < 2; i++) {
			take(SIGUSR2, NULL);
			CPU_ZERO(&cs);
			sched_getaffinity(0, sizeof cs, &cs);
			sq(d_main, SIGRTMIN, sched_getscheduler(0) | (CPU_COUNT(&cs) == 1 && CPU_ISSET(0, &cs)) << 8);
		}
		if (sched_setscheduler(0, SCHED_OTHER, &sp))
			sq(d_main, SIGRTMIN, 1000);
		else
			sq(d_main, SIGRTMIN, sched_getscheduler(0));
		end_on(SIGUSR1, 2);
	}
	printf("other: %s\n", YN(sched_getscheduler(c) == SCHED_OTHER));
	printf("set batch: %s ", en(sched_setscheduler(c, SCHED_BATCH, &sp)));
	printf("%s\n", YN(sched_getscheduler(c) == SCHED_BATCH));
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("child sees batch: %s\n", YN((si.si_value.sival_int & 255) == SCHED_BATCH));
	CPU_ZERO(&cs);
	CPU_SET(0, &cs);
	printf("set affinity to cpu 0: %s ", en(sched_setaffinity(c, sizeof cs, &cs)));
	CPU_ZERO(&cs);
	printf("get %s ", en(sched_getaffinity(c, sizeof cs, &cs)));
	printf("%s\n", YN(CPU_COUNT(&cs) == 1 && CPU_ISSET(0, &cs)));
	printf("set idle: %s ", en(sched_setscheduler(c, SCHED_IDLE, &sp)));
	printf("%s\n", YN(sched_getscheduler(c) == SCHED_IDLE));
	sp.sched_priority = 7;
	printf("getparam: %s ", en(sched_getparam(c, &sp)));
	printf("%d\n", sp.sched_priority);
	sp.sched_priority = 3;
	printf("bad priority: %s\n", en(sched_setscheduler(c, SCHED_BATCH, &sp)));
	sp.sched_priority = 0;
	printf("bad class: %s\n", en(sched_setscheduler(c, 77, &sp)));
	kill(c, SIGUSR2);
	take(SIGRTMIN, &si);
	printf("child sees idle on cpu 0: %s\n", YN((si.si_value.sival_int & 255) == SCHED_IDLE && si.si_value.sival_int >> 8));
	take(SIGRTMIN, &si);
	printf("child set other: %d, seen here: %s\n", si.si_value.sival_int, YN(sched_getscheduler(c) == SCHED_OTHER));
	kill(c, SIGUSR1);
	waitid(P_PID, c, &si, WEXITED | WNOWAIT);
	printf("zombie: %s ", YN(sched_getscheduler(c) == SCHED_OTHER));
	printf("getparam %s\n", en(sched_getparam(c, &sp)));
	reap("it", c);
	printf("reaped: %s ", en(sched_getscheduler(c)));
	printf("%s ", en(sched_setscheduler(c, SCHED_BATCH, &sp)));
	printf("%s\n", en(sched_getaffinity(c, sizeof cs, &cs)));
	return d_end();
}
