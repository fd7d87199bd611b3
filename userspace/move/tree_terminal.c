// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal of a tree. It may have one, that of its session, whose leader stays
 * where it is; or what stands here for such a one elsewhere.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tree.h"

#define NAME	"%d (%s)"
#define WHO(k)	(k)->pid, (k)->comm

struct look {
	const struct tree *tree;
	const uint64_t *relayed;
	size_t n;
	struct tree_terminal *found;
	struct words *why;
	bool has;		/* this task */
};

/* As the kernel encodes it in stat. */
static uint64_t tty_device(int tty)
{
	unsigned int n = tty;

	return n ? makedev(n >> 8 & 0xfff, (n & 0xff) | (n >> 12 & 0xfff00)) : 0;
}

static bool is_relayed(const struct look *l, uint64_t rdev)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->relayed[i] == rdev)
			return true;
	return false;
}

/* Somebody must say who is in front, and that is asked of its leader. */
static bool leads(pid_t sid, uint64_t rdev)
{
	char *text = proc_text(sid, "stat"), *s = text ? strrchr(text, ')') : NULL;
	int tty = 0;

	if (s)
		sscanf(s + 1, " %*c %*d %*d %*d %d", &tty);
	free(text);
	return tty_device(tty) == rdev;
}

static bool is_read(const struct task *k, int fd)
{
	char name[64], *text, *s;
	bool yes = true;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	text = proc_text(k->pid, name);
	s = text ? strstr(text, "flags:") : NULL;
	if (s)
		yes = (strtol(s + 6, NULL, 8) & 3) != 1;
	free(text);
	/* where nothing is said these two are open for both, and not read */
	return yes && fd != 1 && fd != 2;
}

static bool is_nonblock(const struct task *k, int fd)
{
	char name[64], *text, *s;
	bool yes;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	text = proc_text(k->pid, name);
	s = text ? strstr(text, "flags:") : NULL;
	yes = s && strtol(s + 6, NULL, 8) & 04000;
	free(text);
	return yes;
}

/*
 * Who puts others in front of a terminal must not be stopped by doing so, and so ignores
 * what would: a shell with job control. There is no front to give away where it
 * would come to.
 */
static bool is_shell(const struct task *k)
{
	const uint64_t stops = 1ull << (SIGTSTP - 1) | 1ull << (SIGTTIN - 1) |
			       1ull << (SIGTTOU - 1);
	char *text = proc_text(k->pid, "status");
	char *s = text ? strstr(text, "\nSigIgn:") : NULL;
	uint64_t ignored = s ? strtoull(s + 8, NULL, 16) : 0;

	free(text);
	return (ignored & stops) == stops;
}

static void add_group(struct tree_terminal *f, uint32_t pgid)
{
	for (size_t i = 0; i < f->groups; i++)
		if (f->group[i] == pgid)
			return;
	if (f->groups < TREE_GROUPS)
		f->group[f->groups++] = pgid;
}

static void look_at(void *arg, const struct task *k, int fd, const char *link)
{
	struct look *l = arg;
	struct tree_terminal *f = l->found;
	char self[128];
	struct stat st;

	if (strncmp(link, "/dev/pts/", 9))
		return;
	snprintf(self, sizeof(self), "%s/%d/fd/%d", tree_proc, k->pid, fd);
	if (stat(self, &st) || !S_ISCHR(st.st_mode) ||
	    major(st.st_rdev) < 136 || major(st.st_rdev) > 143)
		return;
	l->has = true;
	if (f->rdev && f->rdev != st.st_rdev) {
		words_add(l->why, NAME " has the terminal %s open (descriptor %d), beside another one",
			  WHO(k), link, fd);
		return;
	}
	add_group(f, k->pgid);
	f->reads |= is_read(k, fd);
	if (f->rdev)
		return;
	f->relayed = is_relayed(l, st.st_rdev);
	if (!f->relayed && tree_find(l->tree, k->sid))
		words_add(l->why, NAME " has the terminal %s open (descriptor %d), whose session's leader cannot leave it",
			  WHO(k), link, fd);
	else if (!f->relayed && (tty_device(k->tty) != st.st_rdev ||
				 !leads(k->sid, st.st_rdev)))
		words_add(l->why, NAME " has the terminal %s open (descriptor %d), which is not that of its session",
			  WHO(k), link, fd);
	f->rdev = st.st_rdev;
	f->dev = st.st_dev;
	f->pid = k->pid;
	f->fd = fd;
	f->sid = k->sid;
	f->nonblock = is_nonblock(k, fd);
}

void tree_terminal(const struct tree *t, const uint64_t *relayed, size_t n,
		   struct tree_terminal *found, struct words *why)
{
	struct look l = { t, relayed, n, found, why, false };

	*found = (struct tree_terminal){ 0 };
	for (size_t i = 0; i < t->n; i++) {
		const struct task *k = &t->task[i];

		if (k->state == 'Z' || k->stub)
			continue;
		l.has = false;
		proc_each_fd(k, look_at, &l);
		if (l.has && is_shell(k))
			words_add(why, NAME " is a shell that does job control, and cannot do so away from its terminal",
				  WHO(k));
	}
}
