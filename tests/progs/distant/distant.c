// SPDX-License-Identifier: GPL-2.0-only
/*
 * libdistant.so, for LD_PRELOAD: every n-th child of fork(), vfork(), forkpty(), clone()
 * and clone3() is moved to another node before it does anything, and so is every n-th
 * program that is executed, which gets those of posix_spawn(), system() and popen().
 *
 *   DISTANT        a directory that all nodes see and distant.py looks after
 *   DISTANT_EVERY  n; 1 is everybody
 *   DISTANT_EXEC   set: also who executes a program
 *
 *   DISTANT_RUN    a node: every n-th program of execve() and execv() runs there
 *                  from the beginning, by cluster-run
 *
 * Who is to move puts a file with its PID as name there and waits until it is
 * gone: then it runs elsewhere, or cannot move and goes on where it is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pty.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define PATIENCE	600	/* seconds, should nobody look after us */
#define ARGS_MAX	256

#define ORIGINAL(name) \
	static __typeof__(name) *original; \
	if (!original) \
		original = (__typeof__(original))dlsym(RTLD_NEXT, #name)

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
	ORIGINAL(fork);
	pid_t pid;

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

/* The C library's own calls its own fork(). */
int forkpty(int *master, char *name, const struct termios *modes, const struct winsize *size)
{
	int slave;
	pid_t pid;

	if (openpty(master, &slave, name, modes, size) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		close(*master);
		if (login_tty(slave) < 0)
			_exit(1);
		return 0;
	}
	close(slave);
	if (pid < 0)
		close(*master);
	return pid;
}

struct entry {
	int (*fn)(void *arg);
	void *arg;
};

static int enter(void *arg)
{
	struct entry e = *(struct entry *)arg;

	ask();
	return e.fn(e.arg);
}

int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	ORIGINAL(clone);
	struct entry e = { fn, arg };
	int *parent_tid, *child_tid;
	va_list ap;
	void *tls;

	va_start(ap, arg);
	parent_tid = va_arg(ap, int *);
	tls = va_arg(ap, void *);
	child_tid = va_arg(ap, int *);
	va_end(ap);
	/* in a PID namespace of its own it has no number that is good here */
	if (flags & (CLONE_VM | CLONE_NEWPID) || ++forks % every())
		return original(fn, stack, flags, arg, parent_tid, tls, child_tid);
	/* its memory is a copy of ours, with this in it */
	return original(enter, stack, flags, &e, parent_tid, tls, child_tid);
}

/* The bare calls. */
long syscall(long nr, ...)
{
	ORIGINAL(syscall);
	uint64_t flags = CLONE_VM;
	va_list ap;
	bool counts;
	long a[6], ret;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_clone)
		flags = a[0];
	else if (nr == SYS_clone3 && a[0])
		flags = ((struct clone_args *)a[0])->flags;
	counts = !(flags & (CLONE_VM | CLONE_NEWPID));
	if (counts)
		forks++;
	ret = original(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (!ret && counts && forks % every() == 0)
		ask();
	return ret;
}

static int run_there(const char *node, const char *path, char *const argv[], char *const env[])
{
	ORIGINAL(execve);
	char *run[5 + ARGS_MAX] = { "cluster-run", "-T", "-n", (char *)node, "--", (char *)path };
	int n = 1;

	while (argv[n - 1] && argv[n]) {
		if (n >= ARGS_MAX - 2) {
			errno = E2BIG;
			return -1;
		}
		run[5 + n] = argv[n];
		n++;
	}
	return original("/usr/bin/cluster-run", run, env);
}

int execve(const char *path, char *const argv[], char *const env[])
{
	ORIGINAL(execve);
	const char *node = getenv("DISTANT_RUN");

	/* that a file is missing or may not be executed the kernel tells, not cluster-run */
	if (node && getpid() % every() == 0 && argv[0] && !access(path, X_OK))
		return run_there(node, path, argv, env);
	return original(path, argv, env);
}

/* The C library's own calls its own execve(). */
int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

__attribute__((constructor)) static void executed(void)
{
	if (getenv("DISTANT_EXEC") && getpid() % every() == 0)
		ask();
}
