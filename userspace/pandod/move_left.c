// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mover leaves behind that was killed while the cluster decided: the
 * originals, frozen in control groups named after the move (move/group.h). The
 * daemon kills them or lets them go, be it one that was started only later.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cluster.h"
#include "kernel.h"
#include "log.h"
#include "move.h"
#include "sysv.h"

#define LOG_NAME	"left"
#define ROOT		"/sys/fs/cgroup"
#define DEPTH		16	/* directories open at once */

static bool dying;	/* a group was not settled yet, or not empty, */
static bool attached;	/* ... or what was made for it was still attached */

void left_soon(void)
{
	dying = true;
	landed_soon();
}

static bool put(const char *dir, const char *name, const char *text)
{
	char path[4352];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = write(fd, text, strlen(text));
		close(fd);
	}
	return n > 0;
}

static void move_up(const char *dir)
{
	char name[4352], up[4096], line[32];
	FILE *f;

	snprintf(up, sizeof(up), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
	snprintf(name, sizeof(name), "%s/cgroup.procs", dir);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f))
		put(up, "cgroup.procs", line);
	if (f)
		fclose(f);
}

static void settle(const char *dir, uint64_t move, bool committed)
{
	log_notice("move=%016llx: its mover is gone; what it left here is %s",
		   (unsigned long long)move,
		   committed ? "killed, it runs elsewhere" : "let go");
	if (committed) {
		if (!put(dir, "cgroup.kill", "1"))
			log_err("cannot kill what is in %s: %s", dir,
				strerror(errno));
	} else {
		put(dir, "cgroup.freeze", "0");
		move_up(dir);
	}
	/* signals that waited for it go where it lives */
	if (kernel_present())
		kernel_unreserve(move);
	/* what dies takes a moment */
	if (rmdir(dir) && errno == EBUSY)
		left_soon();
}

/* A mover holds a lock on its work directory as long as it lives. */
bool move_mover_lives(uint64_t move, const char *side)
{
	char path[64];
	bool lives;
	int fd;

	snprintf(path, sizeof(path), PANDO_RUN_DIR "/move-%016llx-%s",
		 (unsigned long long)move, side);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	lives = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return lives;
}

void left_workdir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) || !(d = fdopendir(fd))) {
		close(fd);
		return;
	}
	/* who has it dies, and takes a moment; until then this tells of it */
	if (sysv_unmake(openat(fd, SYSV_MADE, O_RDONLY | O_CLOEXEC))) {
		attached = true;
		landed_soon();
		closedir(d);
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(fd, e->d_name, 0);
	closedir(d);
	rmdir(path);
}

/* nftw() takes no argument of ours; this daemon has one thread that looks. */
static uint64_t wanted;
static bool wanted_committed;

static int look_at(const char *path, const struct stat *st, int type,
		   struct FTW *at)
{
	const char *name = path + at->base;
	unsigned long long move;

	(void)st;
	if (type != FTW_D ||
	    strncmp(name, PANDO_MOVE_GROUP, strlen(PANDO_MOVE_GROUP)) ||
	    sscanf(name + strlen(PANDO_MOVE_GROUP), "%16llx", &move) != 1)
		return 0;
	if (wanted && move == wanted)
		settle(path, move, wanted_committed);
	else if (wanted || move_in_flight(move))
		return 0;
	else if (move_mover_lives(move, "source"))
		left_soon();	/* it does so itself, unless it is killed */
	else
		settle(path, move, state_committed(cluster_state(), move));
	return 0;
}

void left_settle(uint64_t move, bool committed)
{
	wanted = move;
	wanted_committed = committed;
	sysv_settle(move, committed);
	nftw(ROOT, look_at, DEPTH, FTW_PHYS);
}

/* Those of movers; or only those in which something is said to have been made. */
static void left_workdirs(bool made)
{
	char path[sizeof(PANDO_RUN_DIR) + 256 + sizeof(SYSV_MADE)];
	DIR *d = opendir(PANDO_RUN_DIR);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "move-", 5))
			continue;
		snprintf(path, sizeof(path), PANDO_RUN_DIR "/%s/" SYSV_MADE,
			 e->d_name);
		if (made && access(path, F_OK))
			continue;
		*strrchr(path, '/') = 0;
		left_workdir(path);
	}
	if (d)
		closedir(d);
}

void left_again(void)
{
	if (dying) {
		dying = false;
		wanted = 0;
		nftw(ROOT, look_at, DEPTH, FTW_PHYS);
	}
	if (attached) {
		attached = false;
		left_workdirs(true);
	}
}

/* Of a move whose mover was killed with the daemon. */
static void left_sysv(const char *name)
{
	unsigned long long move;

	if (sscanf(name, "%16llx", &move) == 1 && !move_in_flight(move) &&
	    !move_mover_lives(move, "source"))
		sysv_settle(move, state_committed(cluster_state(), move));
}

void left_sweep(void)
{
	struct dirent *e;
	DIR *d;

	wanted = 0;
	nftw(ROOT, look_at, DEPTH, FTW_PHYS);
	d = opendir(PANDO_RUN_DIR);
	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, SYSV_MOVES, strlen(SYSV_MOVES)))
			left_sysv(e->d_name + strlen(SYSV_MOVES));
	if (d)
		closedir(d);
	left_workdirs(false);
}
