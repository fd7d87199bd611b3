// SPDX-License-Identifier: GPL-2.0-only
/*
 * brood FILE N: forks N children and waits for them. FILE gets a line "child PID" for each,
 * and "ready". On SIGUSR1 they end, at random within half a minute, with all kinds of
 * status; of each FILE says "ended PID" if it is what it was to be, "killed PID" if it is
 * SIGKILL, else "bad PID STATUS"; and "done" after the last.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WITHIN_MS 30000
#define MOST	4096

/* As wait() will tell it. */
static int status_of(int i)
{
	return i % 4 == 3 ? SIGTERM : i % 256 << 8;
}

static void child(int i, const sigset_t *go)
{
	int sig;

	sigwait(go, &sig);
	srand(getpid());
	usleep(rand() % WITHIN_MS * 1000);
	if (i % 4 == 3)
		raise(SIGTERM);
	_exit(i % 256);
}

int main(int argc, char **argv)
{
	int n = argc == 3 ? atoi(argv[2]) : 0, i, sig, status;
	static pid_t pid[MOST + 1];
	sigset_t go;
	pid_t got;
	FILE *out;

	out = n > 0 && n <= MOST ? fopen(argv[1], "w") : NULL;
	if (!out)
		return 2;
	setvbuf(out, NULL, _IOLBF, 0);
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	for (i = 0; i < n; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			return 2;
		if (!pid[i]) {
			/* it grows, which criu does not expect of what it moves */
			close(fileno(out));
			child(i, &go);
		}
		fprintf(out, "child %d\n", pid[i]);
	}
	fprintf(out, "ready\n");
	sigwait(&go, &sig);
	for (i = 0; i < n; i++)
		if (kill(pid[i], SIGUSR1))
			fprintf(out, "bad %d cannot be signalled\n", pid[i]);
	while ((got = waitpid(-1, &status, 0)) > 0) {
		for (i = 0; i < n && pid[i] != got; i++)
			;
		if (i < n && status == status_of(i))
			fprintf(out, "ended %d\n", got);
		else if (i < n && status == SIGKILL)
			fprintf(out, "killed %d\n", got);
		else
			fprintf(out, "bad %d %#x\n", got, status);
		pid[i] = 0;
	}
	fprintf(out, "done %d\n", errno == ECHILD);
	return 0;
}
