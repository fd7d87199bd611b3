// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/criu/landing.c userspace/criu/child.c
// LIBS: -ldl
/*
 * What is preloaded into criu: who is traced dies with the tracer, and is let go
 * of only when it was frozen. Here nothing can be frozen, for there is no such group.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static pid_t sleeper(void)
{
	pid_t maker = getpid(), pid = fork();

	if (!pid) {
		end_with(maker);
		for (;;)
			pause();
	}
	return pid;
}

/* Seizes @pid, says what letting go of it gives, and stays. */
static pid_t tracer(pid_t pid, int *said)
{
	int fd[2], status;
	pid_t self;

	CHECK_EQ(pipe(fd), 0);
	self = fork();
	if (!self) {
		int err = 0;

		/* a child of its own is criu's look at the kernel */
		if (!pid)
			pid = sleeper();
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) ||
		    ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
		    waitpid(pid, &status, __WALL) != pid)
			err = -1;
		else if (ptrace(PTRACE_DETACH, pid, 0, 0))
			err = errno;
		if (write(fd[1], &err, sizeof(err)) != sizeof(err))
			_exit(1);
		for (;;)
			pause();
	}
	close(fd[1]);
	CHECK_EQ(read(fd[0], said, sizeof(*said)), sizeof(*said));
	close(fd[0]);
	return self;
}

static bool ends(pid_t pid, int ms)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { pidfd, POLLIN, 0 };
	bool over = poll(&p, 1, ms) > 0;

	close(pidfd);
	return over;
}

TEST(a_copy_is_not_let_go_of_and_dies_with_criu)
{
	pid_t copy = sleeper(), criu;
	int said;

	setenv("PANDO_LANDING", "/nonexistent", 1);
	criu = tracer(copy, &said);
	CHECK_EQ(said, EPERM);
	CHECK(!ends(copy, 50));
	kill(criu, SIGKILL);
	CHECK(ends(copy, 10000));
	kill(copy, SIGKILL);
	waitpid(copy, NULL, 0);
	waitpid(criu, NULL, 0);
}

TEST(criu_may_look_at_the_kernel)
{
	int said;
	pid_t criu;

	setenv("PANDO_LANDING", "/nonexistent", 1);
	criu = tracer(0, &said);
	CHECK_EQ(said, 0);
	kill(criu, SIGKILL);
	waitpid(criu, NULL, 0);
}

TEST(elsewhere_it_changes_nothing)
{
	pid_t task = sleeper(), criu;
	int said;

	unsetenv("PANDO_LANDING");
	criu = tracer(task, &said);
	CHECK_EQ(said, 0);
	kill(criu, SIGKILL);
	CHECK(!ends(task, 50));
	kill(task, SIGKILL);
	waitpid(task, NULL, 0);
	waitpid(criu, NULL, 0);
}

TAP_MAIN(T(a_copy_is_not_let_go_of_and_dies_with_criu), T(criu_may_look_at_the_kernel),
	 T(elsewhere_it_changes_nothing))
