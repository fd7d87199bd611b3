// SPDX-License-Identifier: GPL-2.0-only
/* The namespace's own view of /proc. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

#define PLAIN_PROC	PANDO_RUN_DIR "/proc"

int mounts_setup(void)
{
	int fd;

	/* the host's mounts are to show here, ours are not to show there */
	if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		say("error", "cannot leave the host's mounts: %s",
		    strerror(errno));
		return -errno;
	}
	/*
	 * A plain /proc of this namespace: for pandod, and because containers
	 * may mount proc only where an unobstructed one is in sight.
	 */
	mkdir(PANDO_RUN_DIR, 0755);
	mkdir(PLAIN_PROC, 0555);
	if (mount("proc", PLAIN_PROC, "proc",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		say("error", "cannot mount proc on " PLAIN_PROC ": %s",
		    strerror(errno));
		return -errno;
	}
	if (mount("proc", "/proc", "pando_proc",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		say("warning", "no cluster-wide /proc, only this node's: "
		    "mount -t pando_proc: %s (is the module pando_proc "
		    "loaded?)", strerror(errno));
		if (mount("proc", "/proc", "proc",
			  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
			say("error", "cannot mount proc: %s", strerror(errno));
			return -errno;
		}
	}
	fd = open(PLAIN_PROC, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		say("error", "cannot open " PLAIN_PROC ": %s",
		    strerror(errno));
		return -errno;
	}
	return fd;
}
