// SPDX-License-Identifier: GPL-2.0-only
/* Control groups of a moving tree; see group.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "group.h"

#define ROOT	"/sys/fs/cgroup"

static int put(const char *dir, const char *name, const char *text)
{
	char path[4352];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

bool group_of(pid_t pid, char *buf, size_t size)
{
	char *text = proc_text(pid, "cgroup"), *s, *end;
	bool ok = false;

	s = text ? strstr(text, "0::/") : NULL;
	if (s) {
		end = strchrnul(s, '\n');
		*end = 0;
		s += 3;
		ok = snprintf(buf, size, ROOT "%s", s[1] ? s : "") < (int)size;
	}
	free(text);
	return ok;
}

static bool ours(const struct group *g, const char *path)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->path[i], path))
			return true;
	return false;
}

static int enter(struct move *m, struct group *g, pid_t pid)
{
	char at[4096], to[4224], number[16], *name;
	int err;

	if (!group_of(pid, at, sizeof(at)) || ours(g, at))
		return 0;
	/* in that of an earlier move, which goes when the last has left it */
	name = strrchr(at, '/');
	if (!strncmp(name + 1, PANDO_LANDING_GROUP, strlen(PANDO_LANDING_GROUP)))
		*name = 0;
	snprintf(to, sizeof(to), "%s/" PANDO_MOVE_GROUP "%016llx", at,
		 (unsigned long long)m->start->move);
	if (!ours(g, to)) {
		if (mkdir(to, 0755) && errno != EEXIST)
			return -errno;
		g->path = xrealloc(g->path, g->n + 1, sizeof(*g->path));
		g->path[g->n] = strdup(to);
		if (!g->path[g->n++])
			return -ENOMEM;
	}
	snprintf(number, sizeof(number), "%d", pid);
	err = put(to, "cgroup.procs", number);
	return err == -ESRCH ? 0 : err;
}

int group_enter(struct move *m, struct group *g, const struct tree *t)
{
	struct statfs fs;

	if (statfs(ROOT, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return 0;
	for (size_t i = 0; i < t->n; i++) {
		int err = t->task[i].state == 'Z' ? 0 :
			  enter(m, g, t->task[i].pid);

		if (err)
			return move_fail(m, "cannot make a control group for %d: %s",
					 t->task[i].pid, strerror(-err));
	}
	return 0;
}

void group_part(const struct group *g, const struct tree *t)
{
	for (size_t i = 0; i < g->n; i++) {
		char name[4352], up[4352], line[32];
		FILE *f;

		snprintf(name, sizeof(name), "%s/cgroup.procs", g->path[i]);
		snprintf(up, sizeof(up), "%.*s",
			 (int)(strrchr(g->path[i], '/') - g->path[i]), g->path[i]);
		f = fopen(name, "re");
		while (f && fgets(line, sizeof(line), f))
			if (!tree_find(t, atoi(line)))
				put(up, "cgroup.procs", line);
		if (f)
			fclose(f);
	}
}

int group_freeze(struct move *m, struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		int err = put(g->path[i], "cgroup.freeze", "1");

		if (err)
			return move_fail(m, "cannot freeze %s: %s", g->path[i],
					 strerror(-err));
	}
	return 0;
}

/* One at a time, because one that ended must not keep the others. */
static void move_up(char *path)
{
	char *slash = strrchr(path, '/'), line[32], name[4352];
	FILE *f;

	snprintf(name, sizeof(name), "%s/cgroup.procs", path);
	f = fopen(name, "re");
	*slash = 0;
	while (f && fgets(line, sizeof(line), f))
		put(path, "cgroup.procs", line);
	*slash = '/';
	if (f)
		fclose(f);
}

void group_leave(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		put(g->path[i], "cgroup.freeze", "0");
	for (size_t i = 0; i < g->n; i++) {
		/* what is forked meanwhile makes it fail once or twice */
		for (int tries = 0; tries < 10; tries++) {
			move_up(g->path[i]);
			if (!rmdir(g->path[i]) || errno != EBUSY)
				break;
		}
	}
	group_free(g);
}

int group_make(struct move *m, struct group *g)
{
	char path[160];

	snprintf(path, sizeof(path), PANDO_CGROUP_TASKS "/" PANDO_LANDING_GROUP "%016llx",
		 (unsigned long long)m->start->move);
	/* mostly the daemon made it */
	if (mkdir(path, 0755) && errno != EEXIST)
		return move_fail(m, "cannot make %s: %s", path, strerror(errno));
	g->path = xcalloc(1, sizeof(*g->path));
	g->path[0] = strdup(path);
	g->n = g->path[0] ? 1 : 0;
	strcat(path, "/cgroup.freeze");
	g->freezer = open(path, O_WRONLY | O_CLOEXEC);
	return g->n && g->freezer >= 0 ? 0 :
	       move_fail(m, "cannot open %s: %s", path, strerror(errno));
}

int group_thaw(const struct group *g)
{
	ssize_t n;

	do
		n = pwrite(g->freezer, "0", 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -errno;
}

void group_kill(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		put(g->path[i], "cgroup.kill", "1");
}

void group_free(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->path[i]);
	free(g->path);
	if (g->freezer > 0)
		close(g->freezer);
	*g = (struct group){ 0 };
}
