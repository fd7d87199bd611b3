// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of pando-criu.so, preloaded into the criu that rebuilds a tree at the target: no
 * copy may run before the cluster has decided, whoever is killed.
 *
 * criu traces the tasks in the end, to clear its own code away, and then lets
 * go of them. pando-move freezes them before that (move/group.h), when criu asks
 * it at pre-resume. But criu does not wait for the answer of one that is dead,
 * and a task whose tracer is dead runs on. So here
 *
 *	- what is traced dies with criu, and
 *	- before the first is let go of all are frozen.
 *
 * PANDO_LANDING names their control group; without it criu is as it ever was.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "child.h"
#include "pando.h"

typedef long (*ptrace_fn)(enum __ptrace_request, ...);

static bool put(const char *group, const char *name, const char *text)
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n > 0;
}

/* All of them, once; criu itself must not be among them. */
static bool freeze(const char *group)
{
	static bool frozen;

	if (!frozen)
		frozen = put(PANDO_CGROUP_TASKS, "cgroup.procs", "0") &&
			 put(group, "cgroup.freeze", "1");
	return frozen;
}

__attribute__((visibility("default")))
long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_fn real;
	const char *group = getenv("PANDO_LANDING");
	uintptr_t addr, data;
	va_list args;
	pid_t pid;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	addr = va_arg(args, uintptr_t);
	data = va_arg(args, uintptr_t);
	va_end(args);
	if (!real)
		real = (ptrace_fn)dlsym(RTLD_NEXT, "ptrace");
	if (!real) {
		errno = ENOSYS;
		return -1;
	}
	if (group && (request == PTRACE_SEIZE || request == PTRACE_SETOPTIONS))
		data |= PTRACE_O_EXITKILL;
	if (group && request == PTRACE_DETACH && !is_own_child(pid) &&
	    !freeze(group)) {
		errno = EPERM;
		return -1;
	}
	return real(request, pid, addr, data);
}
