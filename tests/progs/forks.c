// SPDX-License-Identifier: GPL-2.0-only
/*
 * forks N [ALIVE]: forks N children, at most ALIVE (default 100) of them alive
 * at a time, and prints every number while its task is alive: the child's and
 * that of a thread it makes. Exits 1 if fork fails.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int report[2];

static void *thread(void *unused)
{
	int tid = gettid();

	(void)unused;
	if (write(report[1], &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	return NULL;
}

static void child(int hold)
{
	pthread_t t;
	char c;

	if (pthread_create(&t, NULL, thread, NULL))
		_exit(1);
	pthread_join(t, NULL);
	/* stays until the parent closes the batch */
	_exit(read(hold, &c, 1) != 0);
}

/* One batch lives together: its numbers must all differ. */
static int batch(int n)
{
	int hold[2], i, tid, status, bad = 0;

	if (pipe(hold))
		return -1;
	for (i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			fprintf(stderr, "fork: %s\n", strerror(errno));
			bad = 1;
			break;
		}
		if (!pid) {
			close(hold[1]);
			child(hold[0]);
		}
		if (read(report[0], &tid, sizeof(tid)) != sizeof(tid))
			return -1;
		printf("%d\n%d\n", pid, tid);
	}
	close(hold[1]);
	close(hold[0]);
	while (wait(&status) > 0)
		if (status)
			bad = 1;
	return bad;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 100;
	int alive = argc > 2 ? atoi(argv[2]) : 100;
	int bad = 0;

	if (pipe(report))
		return 1;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while (n > 0 && !bad) {
		fflush(stdout);
		bad = batch(n < alive ? n : alive);
		n -= alive;
	}
	return !!bad;
}
