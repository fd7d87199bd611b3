// SPDX-License-Identifier: GPL-2.0-only
/* The directory that holds the state images of one move. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "move.h"

static int make_parents(char *path)
{
	for (char *s = path + 1; (s = strchr(s, '/')); s++) {
		*s = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return 0;
}

int workdir_make(struct move *m)
{
	const char *dir = m->start->workdir;
	struct statfs fs;
	struct stat st;

	if (dir && dir[0] == '/')
		snprintf(m->path, sizeof(m->path), "%s", dir);
	else
		snprintf(m->path, sizeof(m->path), PANDO_RUN_DIR "/move-%llu-%s",
			 (unsigned long long)m->start->move,
			 m->start->source ? "out" : "in");
	/* room for lazy-pages.socket within a sockaddr_un */
	if (strlen(m->path) > 80) {
		m->path[0] = 0;
		return move_fail(m, "the work directory %s is too long a path",
				 dir);
	}
	make_parents(m->path);
	if (mkdir(m->path, 0700)) {
		int err = errno;
		char path[sizeof(m->path)];

		memcpy(path, m->path, sizeof(path));
		m->path[0] = 0;	/* not ours to remove */
		return move_fail(m, "cannot make the work directory %s: %s",
				 path, strerror(err));
	}
	if (statfs(m->path, &fs) ||
	    (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)) {
		if (mount("pando-move", m->path, "tmpfs",
			  MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
			return move_fail(m, "cannot mount a tmpfs on %s: %s",
					 m->path, strerror(errno));
		m->mounted = true;
	}
	m->dir = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dir < 0)
		return move_fail(m, "cannot open %s: %s", m->path,
				 strerror(errno));
	/*
	 * As long as we live: a daemon that comes later asks for that. One that has
	 * just asked has it for a moment, and may take us for one that is dead.
	 */
	if (flock(m->dir, LOCK_EX) || fstat(m->dir, &st) || !st.st_nlink)
		return move_fail(m, "the work directory %s is gone", m->path);
	return 0;
}

void workdir_remove(struct move *m)
{
	struct dirent *e;
	DIR *d;

	if (!m->path[0])
		return;
	/* PANDO_MOVE_KEEP=1 leaves images and criu's logs to look at */
	if (m->dir >= 0 && !secure_getenv("PANDO_MOVE_KEEP")) {
		d = fdopendir(m->dir);
		/* whoever listed it through this descriptor left it at the end */
		if (d)
			rewinddir(d);
		while (d && (e = readdir(d)))
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				unlinkat(dirfd(d), e->d_name, 0);
		if (d)
			closedir(d);
		m->dir = -1;
		if (m->mounted)
			umount2(m->path, MNT_DETACH);
		rmdir(m->path);
	}
	m->path[0] = 0;
}
