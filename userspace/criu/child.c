// SPDX-License-Identifier: GPL-2.0-only
/* See child.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

bool is_own_child(pid_t pid)
{
	char path[32], line[512], *end;
	int fd, ppid = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = 0;
	end = strrchr(line, ')');
	return end && sscanf(end + 1, " %*c %d", &ppid) == 1 && ppid == getpid();
}
