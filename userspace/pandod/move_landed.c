// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control groups of copies (move/group.h), one for each move to this node. The
 * daemon makes it before it reserves the numbers, and takes it away when nobody
 * is in it any more, which may be when the process has ended. So a daemon that
 * is started anew finds what an earlier one had on its way here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster.h"
#include "kernel.h"
#include "log.h"
#include "move.h"

#define LOG_NAME	"landed"
#define AGAIN_US	500000u

static sd_event_source *timer;

static void path_of(char *path, size_t size, uint64_t move, const char *name)
{
	snprintf(path, size, PANDO_CGROUP_TASKS "/" PANDO_LANDING_GROUP "%016llx%s",
		 (unsigned long long)move, name);
}

void landed_make(uint64_t move)
{
	char path[128];

	path_of(path, sizeof(path), move, "");
	/* without it the mover says what is wrong */
	if (mkdir(path, 0755) && errno != EEXIST)
		log_err("cannot make %s: %s", path, strerror(errno));
}

static bool is_frozen(uint64_t move)
{
	char path[128], c = 0;
	int fd;

	path_of(path, sizeof(path), move, "/cgroup.freeze");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c == '1';
}

static void kill_all(uint64_t move)
{
	char path[128];
	int fd;

	path_of(path, sizeof(path), move, "/cgroup.kill");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		log_err("cannot kill what is in %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* NULL: it was not decided so, or so long ago that nobody remembers. */
static const struct move_note *note_of(uint64_t move)
{
	struct state *s = cluster_state();

	for (uint32_t i = 0; i < s->line.nmoves; i++)
		if (s->line.move[i].id == move && state_committed(s, move))
			return &s->line.move[i];
	return NULL;
}

/* True: to be looked at again, soon. */
static bool look_at(uint64_t move)
{
	const struct move_note *note = note_of(move);
	const uint32_t *pids;
	char path[128];
	uint32_t n;

	/* it is acted upon; its end looks here again */
	if (target_pids(move, &pids, &n))
		return false;
	/*
	 * Decided while no daemon listened here: the kernel does not know yet that
	 * these are no copies any more, and would deny them.
	 */
	if (note && kernel_present())
		kernel_moved(move, NULL, 0, note->from, note->to);
	if (move_mover_lives(move, "target"))
		return true;
	path_of(path, sizeof(path), move, "");
	/* never let run, and nobody is left who could have its memory */
	if (is_frozen(move)) {
		kill_all(move);
		if (kernel_present())
			kernel_unreserve(move);
		return rmdir(path) && errno == EBUSY;
	}
	if (!note && kernel_present())
		kernel_unreserve(move);
	/* where somebody lives there it is for another time */
	rmdir(path);
	return false;
}

void landed_look(void)
{
	DIR *d = opendir(PANDO_CGROUP_TASKS);
	unsigned long long move;
	bool again = false;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (sscanf(e->d_name, PANDO_LANDING_GROUP "%16llx", &move) == 1)
			again |= look_at(move);
	if (d)
		closedir(d);
	if (again)
		landed_soon();
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	(void)data;
	/* otherwise a view with quorum has to come first, and looks */
	if (cluster_state()->quorate) {
		left_again();
		landed_look();
	}
	return 0;
}

void landed_soon(void)
{
	if (!timer) {
		sd_event_add_time_relative(pandod.event, &timer, CLOCK_MONOTONIC,
					   AGAIN_US, 0, on_timer, NULL);
		return;
	}
	sd_event_source_set_time_relative(timer, AGAIN_US);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}
