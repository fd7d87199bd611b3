// SPDX-License-Identifier: GPL-2.0-only
/* Time namespaces; see clock.h and time_namespaces(7). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define BILLION		1000000000ll

struct offsets {
	int64_t monotonic, boottime;	/* against the host's */
};

/* 0 where there are no time namespaces: then all clocks are the host's. */
static struct offsets offsets_of(pid_t pid)
{
	struct offsets o = { 0 };
	char path[64], name[16];
	long long secs, nsecs;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/timens_offsets", pid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%15s %lld %lld", name, &secs, &nsecs) == 3) {
		if (!strcmp(name, "monotonic"))
			o.monotonic = secs * BILLION + nsecs;
		else if (!strcmp(name, "boottime"))
			o.boottime = secs * BILLION + nsecs;
	}
	if (f)
		fclose(f);
	return o;
}

int64_t clock_ahead(pid_t pid)
{
	return offsets_of(pid).monotonic - offsets_of(getpid()).monotonic;
}

bool clock_even(pid_t pid)
{
	struct offsets o = offsets_of(pid), ours = offsets_of(getpid());

	return o.monotonic - ours.monotonic == o.boottime - ours.boottime;
}

int clock_enter(pid_t pid)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%d/ns/time", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = setns(fd, CLONE_NEWTIME) ? -errno : 0;
	close(fd);
	return err;
}

/* The kernel wants 0 <= nanoseconds. */
static int print(char *to, size_t size, const char *name, int64_t ns)
{
	int64_t rest = (ns % BILLION + BILLION) % BILLION;

	return snprintf(to, size, "%s %lld %lld\n", name,
			(long long)((ns - rest) / BILLION), (long long)rest);
}

int clock_shift(int64_t ahead_ns)
{
	struct offsets o = offsets_of(getpid());
	char text[160];
	int fd, n, err = 0;

	if (unshare(CLONE_NEWTIME))
		return -errno;
	n = print(text, sizeof(text), "monotonic", o.monotonic + ahead_ns);
	n += print(text + n, sizeof(text) - n, "boottime",
		   o.boottime + ahead_ns);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != n)
		err = -errno;
	close(fd);
	return err;
}
