// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtt WHAT N [PID]: median microseconds of one operation, over N.
 *   kill PID    kill(PID, 0)
 *   self        kill(getpid(), 0), 1000 a sample
 *   fork        fork, exit, wait
 *   pipe        a byte there and back between two processes
 *   end         of N children that were moved away: three medians, see ends()
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int there[2], back[2];

static int once(const char *what, pid_t pid)
{
	int i, status;
	char c = 0;

	if (!strcmp(what, "kill"))
		return kill(pid, 0);
	if (!strcmp(what, "self")) {
		for (i = 0; i < 1000; i++)
			if (kill(getpid(), 0))
				return -1;
		return 0;
	}
	if (!strcmp(what, "fork")) {
		pid = fork();
		if (!pid)
			_exit(0);
		return pid < 0 || waitpid(pid, &status, 0) != pid;
	}
	if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
		return -1;
	return 0;
}

static void echo(void)
{
	char c;

	close(there[1]);
	while (read(there[0], &c, 1) == 1)
		if (write(back[1], &c, 1) != 1)
			break;
	_exit(0);
}

static pid_t pauses(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

/* From SIGKILL until wait() has it; 0: that failed. */
static double end_of(pid_t pid)
{
	double t = now();
	int status;

	if (kill(pid, SIGKILL) || waitpid(pid, &status, 0) != pid)
		return 0;
	return now() - t;
}

/*
 * What a child's end takes to reach us, beside a signal to it and back, and beside
 * that of a like child that is here: dying takes its time anywhere. The children
 * are made first, so that they can be moved; SIGUSR1 says that they were.
 */
static int ends(int n, double *us)
{
	pid_t *pids = calloc(n, sizeof(*pids));
	double t, *kills = calloc(n, sizeof(*kills));
	double *local = calloc(n, sizeof(*local));
	sigset_t set;
	int i, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < n; i++) {
		pids[i] = pauses();
		printf("%d ", pids[i]);
	}
	printf("\n");
	fflush(stdout);
	sigwait(&set, &sig);
	for (i = 0; i < n; i++)
		if (kill(pids[i], 0))
			return 1;
	for (i = 0; i < n; i++) {
		t = now();
		if (kill(pids[i], 0))
			return 1;
		kills[i] = now() - t;
		us[i] = end_of(pids[i]);
		pids[i] = pauses();
		/* it has to be asleep, as the others are */
		usleep(20000);
		local[i] = end_of(pids[i]);
		if (!us[i] || !local[i])
			return 1;
	}
	qsort(kills, n, sizeof(*kills), compare);
	qsort(us, n, sizeof(*us), compare);
	qsort(local, n, sizeof(*local), compare);
	printf("%.3f %.3f %.3f\n", kills[n / 2], us[n / 2], local[n / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	int i, n = argc > 2 ? atoi(argv[2]) : 0;
	pid_t pid = argc > 3 ? atoi(argv[3]) : 0;
	double *us, t;

	us = n > 0 ? calloc(n, sizeof(*us)) : NULL;
	if (!us)
		return 2;
	if (!strcmp(argv[1], "end"))
		return ends(n, us);
	if (!strcmp(argv[1], "pipe")) {
		if (pipe(there) || pipe(back))
			return 1;
		if (!fork())
			echo();
	}
	once(argv[1], pid);
	for (i = 0; i < n; i++) {
		t = now();
		if (once(argv[1], pid)) {
			perror(argv[1]);
			return 1;
		}
		us[i] = now() - t;
	}
	qsort(us, n, sizeof(*us), compare);
	printf("%.3f\n", us[n / 2]);
	return 0;
}
