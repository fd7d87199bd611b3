// SPDX-License-Identifier: GPL-2.0-only
/*
 * libdistant.so, for LD_PRELOAD: every n-th child of fork() is moved to another
 * node before it does anything, and so is every n-th program that is executed.
 *
 *   DISTANT        a directory that all nodes see and distant.py looks after
 *   DISTANT_EVERY  n; 1 is everybody
 *   DISTANT_EXEC   set: also who executes a program
 *
 * Who is to move puts a file with its PID as name there and waits until it is
 * gone: then it runs elsewhere, or cannot move and goes on where it is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE	600	/* seconds, should nobody look after us */

static unsigned int forks;

static unsigned int every(void)
{
	const char *n = getenv("DISTANT_EVERY");

	return n && atoi(n) > 0 ? atoi(n) : 1;
}

static void ask(void)
{
	const char *dir = getenv("DISTANT");
	struct timespec now, end;
	int saved = errno, fd;
	char path[256];

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%d", dir, getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += PATIENCE;
	while (fd >= 0 && !access(path, F_OK)) {
		usleep(10000);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec)
			break;
	}
	errno = saved;
}

pid_t fork(void)
{
	static pid_t (*original)(void);
	pid_t pid;

	if (!original)
		original = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
	forks++;
	pid = original();
	if (!pid && forks % every() == 0)
		ask();
	return pid;
}

/* Its child must not wait in our memory: it gets its own. */
pid_t vfork(void)
{
	return fork();
}

__attribute__((constructor)) static void executed(void)
{
	if (getenv("DISTANT_EXEC") && getpid() % every() == 0)
		ask();
}
