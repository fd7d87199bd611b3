// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of pando-criu.so, preloaded into the criu that describes a tree at the source.
 *
 * criu, when it gives up, sends SIGSTOP to whom it saw stopped, for fear that the end
 * of a tracer lets him run. The kernel sees to it by itself that it does not; and who
 * was sent SIGCONT meanwhile was told to go on, and would stand stopped by nobody's
 * wish. So that signal is not sent. Those by which criu looks at the kernel are: to
 * children of its own, and by these to themselves.
 *
 * With PANDO_SOURCE in the environment; without it criu is as it ever was.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

__attribute__((visibility("default")))
int kill(pid_t pid, int sig)
{
	if (sig == SIGSTOP && getenv("PANDO_SOURCE") && pid != getpid() &&
	    !is_own_child(pid))
		return 0;
	return syscall(SYS_kill, pid, sig);
}
