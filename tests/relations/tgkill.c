// SPDX-License-Identifier: GPL-2.0-only
/* tgkill to each of the child's threads (tids by file); wrong tgid; kill, waitpid, getpgid by tid. */
#include "relations.h"
static pthread_barrier_t bar;
static volatile pid_t tid[4];
static void *thr(void *x)
{
	int i = (int)(intptr_t)x;
	siginfo_t si;
	char nm[8];
	tid[i] = gettid();
	pthread_barrier_wait(&bar);
	take(SIGUSR1, &si);
	snprintf(nm, sizeof nm, "t%d", i);
	put(nm, "%d", (si.si_code == SI_TKILL) | (si.si_pid == d_main) << 1 | (gettid() == tid[i]) << 2);
	take(SIGUSR2, NULL);
	return NULL;
}
int main(int argc, char **argv)
{
	pid_t c, t[4];
	d_init(argc, argv);
	blk(SIGUSR1, SIGUSR2, 0);
	if ((c = Fork()) == 0) {
		pthread_t th[4];
		pthread_barrier_init(&bar, NULL, 5);
		for (int i = 0; i < 4; i++)
			pthread_create(&th[i], NULL, thr, (void *)(intptr_t)i);
		pthread_barrier_wait(&bar);
		put("tids", "%d %d %d %d", tid[0], tid[1], tid[2], tid[3]);
		for (int i = 0; i < 4; i++)
			pthread_join(th[i], NULL);
		_exit(14);
	}
	if (sscanf(get("tids"), "%d %d %d %d", &t[0], &t[1], &t[2], &t[3]) != 4)
		d_bail("tids");
	printf("wrong tgid: %s\n", en(syscall(SYS_tgkill, getpid(), t[1], SIGUSR1)));
	printf("tid as tgid: %s\n", en(syscall(SYS_tgkill, t[1], t[1], SIGUSR1)));
	for (int k = 0; k < 4; k++) {
		int i = k * 3 % 4;
		char nm[8];
		snprintf(nm, sizeof nm, "t%d", i);
		printf("tgkill thread %d: %s, ", i, en(syscall(SYS_tgkill, c, t[i], SIGUSR1)));
		printf("0x%lx\n", getn(nm));
	}
	printf("kill by tid: %s\n", en(kill(t[2], 0)));
	printf("waitpid by tid: %s\n", en(waitpid(t[2], NULL, WNOHANG)));
	printf("getpgid by tid: %s\n", YN(getpgid(t[2]) == getpgrp()));
	for (int i = 0; i < 4; i++)
		syscall(SYS_tgkill, c, t[i], SIGUSR2);
	reap("end", c);
	printf("thread gone: %s\n", en(syscall(SYS_tgkill, c, t[1], 0)));
	return d_end();
}
