// SPDX-License-Identifier: GPL-2.0-only
/* Waits that began before the event, also before the child came into the group waited for. */
#include "relations.h"
static pid_t mtid, c[4], lead;
static atomic_int go;
static void *thr(void *x)
{
	for (int s = 1; s <= 6; s++) {
		while (go != s)
			msleep(5);
		until_asleep(mtid);
		switch (s) {
		case 1: kill(c[0], SIGUSR1); break;
		case 2: kill(c[1], SIGSTOP); break;
		case 3: kill(c[1], SIGCONT); break;
		case 4: kill(c[1], SIGTERM); break;
		case 5: setpgid(c[2], lead); kill(c[2], SIGUSR1); break;
		case 6: kill(lead, SIGTERM); setpgid(c[3], 0); kill(c[3], SIGUSR1); break;
		}
	}
	return x;
}
int main(int argc, char **argv)
{
	pthread_t t;
	int w;
	siginfo_t si;
	d_init(argc, argv);
	blk(SIGUSR1, 0);
	setpgid(0, 0);
	mtid = gettid();
	for (int i = 0; i < 4; i++)
		if ((c[i] = Fork()) == 0)
			end_on(SIGUSR1, 30 + i);
	if ((lead = Fork()) == 0)
		for (;;)
			pause();
	setpgid(lead, lead);
	pthread_create(&t, NULL, thr, NULL);
	go = 1;
	wp("exit", c[0], 0, c[0]);
	go = 2;
	memset(&si, 0, sizeof si);
	waitid(P_ALL, 0, &si, WSTOPPED | WEXITED);
	printf("stop: %s %s %s\n", YN(si.si_pid == c[1]), cld(si.si_code), sn(si.si_status));
	go = 3;
	memset(&si, 0, sizeof si);
	waitid(P_PGID, getpgrp(), &si, WCONTINUED | WEXITED);
	printf("cont: %s %s %s\n", YN(si.si_pid == c[1]), cld(si.si_code), sn(si.si_status));
	go = 4;
	wp("any", -1, WUNTRACED, c[1]);
	go = 5;
	wp("joined the group later", -lead, 0, c[2]);
	go = 6;
	memset(&si, 0, sizeof si);
	waitid(P_PID, c[3], &si, WEXITED | WSTOPPED | WCONTINUED);
	printf("left our group meanwhile: %s %s %d\n", YN(si.si_pid == c[3]), cld(si.si_code), si.si_status);
	pthread_join(t, NULL);
	reap("lead", lead);
	printf("none: %s\n", en(wait(&w)));
	return d_end();
}
