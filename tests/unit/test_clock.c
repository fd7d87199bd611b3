// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/clock.c
/* A process's clock against ours: made, read and entered. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/clock.h"

#define SECOND	1000000000ll

static int64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* What a process sees that is made under another clock. */
struct seen {
	pid_t pid;
	int64_t monotonic, boottime;
};

static void __attribute__((noreturn)) tell(int to)
{
	struct seen s = { getpid(), now(CLOCK_MONOTONIC), now(CLOCK_BOOTTIME) };

	if (write(to, &s, sizeof(s)) == sizeof(s))
		for (;;)
			pause();
	_exit(1);
}

/* As keeper.c does, @deep times one below the other; all end with us. */
static void make(int64_t ahead_ns, int deep, int to)
{
	pid_t maker = getpid();

	if (fork())
		return;
	end_with(maker);
	maker = getpid();
	/* without the right to, in a user namespace */
	if (clock_shift(ahead_ns) &&
	    (unshare(CLONE_NEWUSER) || clock_shift(ahead_ns)))
		_exit(1);
	if (deep > 1) {
		make(ahead_ns, deep - 1, to);
	} else if (!fork()) {
		end_with(maker);
		tell(to);
	}
	for (;;)
		pause();
}

/* What happens in between takes less than that. */
static bool near(int64_t a, int64_t b)
{
	return a - b > -100 * SECOND && a - b < 100 * SECOND;
}

static void look_at(int64_t ahead_ns, int deep)
{
	int64_t all = deep * ahead_ns;
	struct seen s = { 0 };
	int to[2], status = -1;
	pid_t pid;

	CHECK_EQ(pipe(to), 0);
	pid = fork();
	if (!pid) {
		make(ahead_ns, deep, to[1]);
		pause();
	}
	close(to[1]);
	CHECK_EQ(read(to[0], &s, sizeof(s)), sizeof(s));
	close(to[0]);
	CHECK(near(s.monotonic, now(CLOCK_MONOTONIC) + all));
	CHECK(near(s.boottime, now(CLOCK_BOOTTIME) + all));
	CHECK_EQ(clock_ahead(s.pid), all);
	CHECK(clock_even(s.pid));
	if (!fork())
		/* now it is as late there as here */
		_exit(clock_enter(s.pid) || clock_ahead(s.pid) ||
		      !near(now(CLOCK_MONOTONIC), s.monotonic));
	wait(&status);
	CHECK_EQ(status, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(our_own)
{
	CHECK_EQ(clock_ahead(getpid()), 0);
	CHECK(clock_even(getpid()));
}

TEST(ahead)
{
	look_at(1000 * SECOND + 1, 1);
}

TEST(ahead_of_one_that_is)
{
	look_at(1000 * SECOND + SECOND - 1, 2);
}

/* Not further than the boot of this machine: no clock is negative. */
TEST(behind)
{
	look_at(-now(CLOCK_MONOTONIC) / 2, 1);
}

TAP_MAIN(T(our_own), T(ahead), T(ahead_of_one_that_is), T(behind))
