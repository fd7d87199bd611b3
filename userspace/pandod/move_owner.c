// SPDX-License-Identifier: GPL-2.0-only
/* Whose a tree is that is to be moved. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "init.h"
#include "move.h"

bool move_owned_by(const uint32_t *pids, uint32_t n, uid_t uid)
{
	for (uint32_t i = 0; i < n; i++) {
		unsigned int u[4];
		char path[32], buf[4096], *line;
		ssize_t len;
		int fd;

		snprintf(path, sizeof(path), "%u/status", pids[i]);
		fd = openat(init_proc_fd(), path, O_RDONLY | O_CLOEXEC);
		len = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
		if (fd >= 0)
			close(fd);
		if (len <= 0) {
			/* an ended thread is nobody's; the root must be there */
			if (!i)
				return false;
			continue;
		}
		buf[len] = 0;
		line = strstr(buf, "\nUid:");
		if (!line || sscanf(line, "\nUid: %u %u %u %u", &u[0], &u[1],
				    &u[2], &u[3]) != 4)
			return false;
		for (int j = 0; j < 4; j++)
			if (u[j] != uid)
				return false;
	}
	return true;
}
