// SPDX-License-Identifier: GPL-2.0-only
/*
 * What keeps a tree from moving, in words for the person who asked. All of it
 * is listed, not just the first thing: who fixes one wants to know the rest.
 *
 * A wrong "yes" is caught later, by criu, and costs a freeze; a wrong "no"
 * costs the user the move. So what cannot be known cheaply is left to criu.
 */
#include <dirent.h>
#include <linux/pando.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "sockets.h"
#include "tree.h"

struct pipe_end {
	uint64_t dev, ino;
	const struct task *task;
	int fd;
	bool reader, writer;
};

struct shared {
	const struct task *task;
	char dev[16];
	uint64_t ino;
	bool told;
};

/* A pipe, or two sockets, of which the tree has both ends. */
struct conduit {
	const struct task *task;
	const char *kind;	/* as in the link of a descriptor; NULL: a FIFO */
	uint64_t dev, ino;
	int fd;
	bool told;
};

struct look {
	const struct tree *tree;
	struct words *out;
	struct sockets sockets;
	struct pipe_end *pipe;
	size_t pipes;
	struct shared *shared;
	size_t shares;
	struct conduit *conduit;
	size_t conduits;
};

#define NAME	"%d (%s)"
#define WHO(k)	(k)->pid, (k)->comm

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), w = strlen(with);

	return n >= w && !strcmp(s + n - w, with);
}

static void comm_of(pid_t pid, char *buf, size_t size)
{
	char *text = proc_text(pid, "comm");

	snprintf(buf, size, "%s", text ? text : "?");
	buf[strcspn(buf, "\n")] = 0;
	free(text);
}

/* --- relations --------------------------------------------------------------*/

/* A stub takes its place where its parent waits; but not for a tool's child. */
static void check_parent(struct look *l)
{
	const struct task *root = &l->tree->task[0];
	char comm[64];

	if (root->ppid <= 1 || root->ppid >= PANDO_LOCAL_PIDS)
		return;
	comm_of(root->ppid, comm, sizeof(comm));
	words_add(l->out, "the parent of " NAME ", %d (%s), is a tool of this node and would lose it",
		  WHO(root), root->ppid, comm);
}

static void check_relations(struct look *l, const struct task *k)
{
	if (!k->sid)
		words_add(l->out, NAME " belongs to a session from outside of the cluster namespace",
			  WHO(k));
}

static void check_status(struct look *l, const struct task *k)
{
	char *status = proc_text(k->pid, "status");
	char *s = status ? strstr(status, "TracerPid:") : NULL;
	int tracer = s ? atoi(s + 10) : 0;

	if (tracer) {
		char comm[64];

		comm_of(tracer, comm, sizeof(comm));
		words_add(l->out, NAME " is traced by %d (%s)", WHO(k), tracer,
			  comm);
	}
	free(status);
}

/* All of them have one clock, though it may be another than the node's. */
static void check_clock(struct look *l, const struct task *k)
{
	static const char *const links[] = { "ns/time", "ns/time_for_children" };
	const struct task *root = &l->tree->task[0];
	char one[64], other[64];

	if (proc_link(one, sizeof(one), root->pid, "ns/time"))
		return;
	for (size_t i = 0; i < 2; i++) {
		if (proc_link(other, sizeof(other), k->pid, links[i]) ||
		    !strcmp(one, other))
			continue;
		words_add(l->out, NAME " is in another time namespace than "
			  NAME, WHO(k), WHO(root));
		return;
	}
	if (k == root && !clock_even(k->pid))
		words_add(l->out, NAME " is in a time namespace of its own",
			  WHO(k));
}

static void check_namespaces(struct look *l, const struct task *k)
{
	static const struct {
		const char *link, *words;
	} ns[] = {
		{ "ns/pid", "PID" }, { "ns/mnt", "mount" },
		{ "ns/net", "network" }, { "ns/ipc", "IPC" },
		{ "ns/user", "user" }, { "ns/uts", "UTS" },
		{ "ns/cgroup", "cgroup" }, { "ns/pid_for_children", "PID" },
	};
	char path[128], ours[64], theirs[64];

	for (size_t i = 0; i < sizeof(ns) / sizeof(*ns); i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/self/%s", tree_proc,
			 ns[i].link);
		n = readlink(path, ours, sizeof(ours) - 1);
		if (n < 0 || proc_link(theirs, sizeof(theirs), k->pid,
				       ns[i].link))
			continue;
		ours[n] = 0;
		if (strcmp(ours, theirs))
			words_add(l->out, NAME " is in a %s namespace of its own",
				  WHO(k), ns[i].words);
	}
}

/* --- descriptors ------------------------------------------------------------*/

/* Access of a descriptor, as fdinfo tells it; 2 (both) where it does not. */
static int fd_mode(const struct task *k, int fd)
{
	char name[64], *text, *s;
	int mode = 2;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	text = proc_text(k->pid, name);
	s = text ? strstr(text, "flags:") : NULL;
	if (s)
		mode = strtol(s + 6, NULL, 8) & 3;
	free(text);
	return mode;
}

static void add_conduit(struct look *l, struct conduit c)
{
	for (size_t i = 0; i < l->conduits; i++)
		if (l->conduit[i].ino == c.ino && l->conduit[i].dev == c.dev)
			return;
	l->conduit = xrealloc(l->conduit, l->conduits + 1, sizeof(c));
	l->conduit[l->conduits++] = c;
}

static void add_pipe(struct look *l, const struct task *k, int fd, uint64_t dev,
		     uint64_t ino)
{
	int mode = fd_mode(k, fd);
	struct pipe_end *p = NULL;

	for (size_t i = 0; i < l->pipes && !p; i++)
		if (l->pipe[i].ino == ino && l->pipe[i].dev == dev)
			p = &l->pipe[i];
	if (!p) {
		l->pipe = xrealloc(l->pipe, l->pipes + 1, sizeof(*p));
		p = &l->pipe[l->pipes++];
		*p = (struct pipe_end){ dev, ino, k, fd, false, false };
	}
	p->reader |= mode != 1;
	p->writer |= mode != 0;
}

static void check_anon(struct look *l, const struct task *k, int fd,
		       const char *kind)
{
	static const char *const fine[] = {
		"[eventfd]", "[eventpoll]", "[signalfd]", "[timerfd]",
		"inotify", "[fanotify]",
	};

	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++)
		if (!strcmp(kind, fine[i]))
			return;
	if (!strcmp(kind, "[io_uring]"))
		words_add(l->out, NAME " uses io_uring (descriptor %d), which cannot be carried over",
			  WHO(k), fd);
	else
		words_add(l->out, NAME " has a descriptor of a kind that cannot be carried over: %d, %s",
			  WHO(k), fd, kind);
}

static void check_device(struct look *l, const struct task *k, int fd,
			 const char *path, dev_t dev)
{
	unsigned int maj = major(dev), min = minor(dev);

	/* null, zero, full, random, urandom */
	if (maj == 1 && (min == 3 || min == 5 || (min >= 7 && min <= 9)))
		return;
	/* of a pty: tree_terminal() has its say */
	if (maj >= 136 && maj <= 143)
		return;
	if (maj == 4 || maj == 5)
		words_add(l->out, NAME " has the terminal %s open (descriptor %d)",
			  WHO(k), path, fd);
	else
		words_add(l->out, NAME " has the device %s open (descriptor %d)",
			  WHO(k), path, fd);
}

/* What a deleted path may be and yet is no deleted file. */
static bool is_memory(const char *path)
{
	return starts(path, "/memfd:") || starts(path, "/dev/zero ") ||
	       starts(path, "/anon_hugepage") || starts(path, "/[aio]");
}

static void check_path(struct look *l, const struct task *k, int fd,
		       const char *path)
{
	char self[128];
	struct stat st, there;

	if (is_memory(path))
		return;
	if (ends(path, " (deleted)")) {
		words_add(l->out, NAME " has a deleted file open: %.*s (descriptor %d)",
			  WHO(k), (int)strlen(path) - 10, path, fd);
		return;
	}
	snprintf(self, sizeof(self), "%s/%d/fd/%d", tree_proc, k->pid, fd);
	if (stat(self, &st))
		return;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		check_device(l, k, fd, path, st.st_rdev);
	else if (S_ISFIFO(st.st_mode))
		add_pipe(l, k, fd, st.st_dev, st.st_ino);
	else if (stat(path, &there) || there.st_ino != st.st_ino ||
		 there.st_dev != st.st_dev)
		words_add(l->out, NAME " has a file open that is no longer under its name: %s (descriptor %d)",
			  WHO(k), path, fd);
}

static void check_socket(struct look *l, const struct task *k, int fd,
			 uint64_t ino)
{
	const struct socket_info *s = sockets_find(&l->sockets, ino);

	if (!s)
		return;
	if (s->kind == SOCKET_TCP && s->connected)
		words_add(l->out, NAME " has an established TCP connection with %s (descriptor %d)",
			  WHO(k), s->text, fd);
	if (s->kind == SOCKET_UNIX && s->peer) {
		const struct socket_info *o = sockets_find(&l->sockets,
							   s->peer);

		if (o && o->held) {
			add_conduit(l, (struct conduit){ k, "socket", 0, ino, fd, false });
			return;
		}
		words_add(l->out, NAME " is connected over a unix socket%s%s to a process that does not move along (descriptor %d)",
			  WHO(k), o && o->text[0] ? " " : "",
			  o ? o->text : "", fd);
	}
}

static void mark_socket(void *arg, const struct task *k, int fd,
			const char *link)
{
	struct look *l = arg;

	(void)k;
	(void)fd;
	if (starts(link, "socket:["))
		sockets_hold(&l->sockets, strtoull(link + 8, NULL, 10));
}

static void check_fd(void *arg, const struct task *k, int fd, const char *link)
{
	struct look *l = arg;

	if (starts(link, "pipe:["))
		add_pipe(l, k, fd, 0, strtoull(link + 6, NULL, 10));
	else if (starts(link, "socket:["))
		check_socket(l, k, fd, strtoull(link + 8, NULL, 10));
	else if (starts(link, "anon_inode:"))
		check_anon(l, k, fd, link + 11);
	else if (link[0] == '/')
		check_path(l, k, fd, link);
}

/*
 * A pipe with one kind of end in the tree has the other elsewhere, or it is
 * broken. To tell the two apart takes a look at every process of the node;
 * a broken pipe is rare, so it is refused too.
 */
static void check_pipes(struct look *l)
{
	for (size_t i = 0; i < l->pipes; i++) {
		const struct pipe_end *p = &l->pipe[i];

		if (p->reader && p->writer)
			add_conduit(l, (struct conduit){ p->task, p->dev ? NULL : "pipe", p->dev,
							 p->ino, p->fd, false });
		else
			words_add(l->out, NAME " holds a pipe (descriptor %d) whose %s end does not move along",
				  WHO(p->task), p->fd,
				  p->reader ? "writing" : "reading");
	}
}

/* --- memory -----------------------------------------------------------------*/

/* Memory that the tree shares, among its own or with others. */
static void add_shared(struct look *l, const struct task *k,
		       const struct proc_map *map)
{
	for (size_t i = 0; i < l->shares; i++)
		if (l->shared[i].ino == map->ino &&
		    !strcmp(l->shared[i].dev, map->dev))
			return;
	l->shared = xrealloc(l->shared, l->shares + 1, sizeof(*l->shared));
	l->shared[l->shares] = (struct shared){ .task = k, .ino = map->ino };
	memcpy(l->shared[l->shares++].dev, map->dev, sizeof(map->dev));
}

static void check_stranger_map(void *arg, const struct task *k,
			       const struct proc_map *map)
{
	struct look *l = arg;
	char comm[64];

	for (size_t i = 0; i < l->shares && map->perms[3] == 's'; i++) {
		struct shared *s = &l->shared[i];

		if (s->told || s->ino != map->ino || strcmp(s->dev, map->dev))
			continue;
		comm_of(k->pid, comm, sizeof(comm));
		words_add(l->out, NAME " shares memory with %d (%s), which does not move along",
			  WHO(s->task), k->pid, comm);
		s->told = true;
	}
}

static bool is_conduit(const struct conduit *c, const struct task *k, int fd, const char *link)
{
	char self[128];
	struct stat st;
	size_t n;

	if (c->kind) {
		n = strlen(c->kind);
		return starts(link, c->kind) && starts(link + n, ":[") &&
		       strtoull(link + n + 2, NULL, 10) == c->ino;
	}
	snprintf(self, sizeof(self), "%s/%d/fd/%d", tree_proc, k->pid, fd);
	return link[0] == '/' && !stat(self, &st) && S_ISFIFO(st.st_mode) &&
	       st.st_dev == c->dev && st.st_ino == c->ino;
}

/*
 * Both ends move along, and yet a third one stays: with the parent that made the pipe, as
 * that of a queue or of make's tokens. It would be another pipe from then on.
 */
static void check_stranger_fd(void *arg, const struct task *k, int fd, const char *link)
{
	struct look *l = arg;
	char comm[64];

	for (size_t i = 0; i < l->conduits; i++) {
		struct conduit *c = &l->conduit[i];

		if (c->told || !is_conduit(c, k, fd, link))
			continue;
		comm_of(k->pid, comm, sizeof(comm));
		words_add(l->out, NAME " shares a %s (descriptor %d) with %d (%s), which does not move along",
			  WHO(c->task), !c->kind ? "FIFO" : *c->kind == 's' ? "unix socket" : "pipe",
			  c->fd, k->pid, comm);
		c->told = true;
	}
}

/* It takes a look at every process of the node, so only where there is need. */
static void check_strangers(struct look *l)
{
	DIR *d = l->shares || l->conduits ? opendir(tree_proc) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct task k = { .pid = atoi(e->d_name) };

		if (k.pid <= 0 || tree_find(l->tree, k.pid))
			continue;
		if (l->shares)
			proc_each_map(&k, check_stranger_map, l);
		if (l->conduits)
			proc_each_fd(&k, check_stranger_fd, l);
	}
	if (d)
		closedir(d);
}

static void check_map(void *arg, const struct task *k,
		      const struct proc_map *map)
{
	const char *path = map->path;
	struct look *l = arg;
	struct stat st;

	/* segments_look() has its say */
	if (starts(path, "/SYSV"))
		return;
	if (starts(path, "anon_inode:[io_uring]")) {
		words_add(l->out, NAME " uses io_uring, which cannot be carried over",
			  WHO(k));
		return;
	}
	if (starts(path, "socket:") || starts(path, "anon_inode:")) {
		words_add(l->out, NAME " maps something that cannot be carried over: %s",
			  WHO(k), path);
		return;
	}
	if (is_memory(path) && map->perms[3] == 's')
		add_shared(l, k, map);
	if (path[0] != '/' || is_memory(path))
		return;
	if (ends(path, " (deleted)"))
		words_add(l->out, NAME " maps a deleted file: %.*s", WHO(k),
			  (int)strlen(path) - 10, path);
	else if (!stat(path, &st) && S_ISCHR(st.st_mode) &&
		 st.st_rdev != makedev(1, 5))
		words_add(l->out, NAME " maps the device %s", WHO(k), path);
}

void tree_blockers(const struct tree *t, struct words *out)
{
	struct look l = { .tree = t, .out = out };

	check_parent(&l);
	sockets_load(&l.sockets, t->task[0].pid);
	for (size_t i = 0; i < t->n; i++)
		proc_each_fd(&t->task[i], mark_socket, &l);
	for (size_t i = 0; i < t->n; i++) {
		const struct task *k = &t->task[i];

		check_relations(&l, k);
		if (k->state == 'Z')
			continue;
		check_status(&l, k);
		check_namespaces(&l, k);
		check_clock(&l, k);
		proc_each_fd(k, check_fd, &l);
		proc_each_map(k, check_map, &l);
	}
	check_pipes(&l);
	check_strangers(&l);
	sockets_free(&l.sockets);
	free(l.pipe);
	free(l.shared);
	free(l.conduit);
}
