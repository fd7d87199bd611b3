// SPDX-License-Identifier: GPL-2.0-only
/*
 * statuses FILE: for ever, forks children that exit with numbers or are killed,
 * waits for them, and says in FILE how often each came back as it was to. A
 * status that is lost, doubled or another one is a line in FILE that begins with
 * "bad", and the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH	20

static int out;

static void say(const char *word, unsigned long n, int got, int want)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %lu %#x %#x\n", word, n, got,
			   want);

	/* one line, always at the same place: whoever reads sees all of it */
	if (pwrite(out, line, len, 0) != len)
		exit(2);
}

/* As wait() will tell it. */
static int end(unsigned int n, int really)
{
	if (n % 4 == 3) {
		if (really)
			kill(getpid(), SIGTERM);
		return SIGTERM;
	}
	if (really)
		_exit(n % 256);
	return n % 256 << 8;
}

int main(int argc, char **argv)
{
	unsigned long round;

	if (argc != 2)
		return 2;
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (out < 0)
		return 2;
	for (round = 1; ; round++) {
		pid_t pid[BATCH], got;
		int status, i, left = 0;

		for (i = 0; i < BATCH; i++) {
			pid[i] = fork();
			if (!pid[i])
				_exit(end(round + i, 1));
			if (pid[i] < 0 && errno != EAGAIN) {
				say("bad fork", round, errno, 0);
				return 1;
			}
			left += pid[i] > 0;
		}
		while (left--) {
			got = wait(&status);
			for (i = 0; i < BATCH && pid[i] != got; i++)
				;
			if (got < 0 || i == BATCH) {
				say("bad child", round, got, errno);
				return 1;
			}
			if (status != end(round + i, 0)) {
				say("bad status", round, status,
				    end(round + i, 0));
				return 1;
			}
			pid[i] = 0;
		}
		got = wait(&status);
		if (got != -1 || errno != ECHILD) {
			say("bad extra", round, got, status);
			return 1;
		}
		say("good", round, 0, 0);
		usleep(50000);
	}
}
