// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collects a process with its descendants and threads. What is collected of a
 * running tree is a plan and may be wrong a moment later; it is collected
 * again once criu holds all of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree.h"

const char *tree_proc = "/proc";

int proc_link(char *buf, size_t size, pid_t pid, const char *name)
{
	char path[128];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%d/%s", tree_proc, pid, name);
	n = readlink(path, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return 0;
}

char *proc_text(pid_t pid, const char *name)
{
	char path[128], *buf = NULL;
	size_t len = 0, room = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%d/%s", tree_proc, pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (;;) {
		ssize_t n;

		if (room - len < 4096)
			buf = xrealloc(buf, room = room ? 2 * room : 16384, 1);
		n = read(fd, buf + len, room - len - 1);
		if (n <= 0)
			break;
		len += n;
	}
	close(fd);
	buf[len] = 0;
	return buf;
}

static uint64_t status_kib(const char *status, const char *field)
{
	const char *s = strstr(status, field);

	return s ? strtoull(s + strlen(field), NULL, 10) : 0;
}

/* The fields behind the name, which may hold anything, a ")" too. */
static int read_stat(struct task *k)
{
	char *text = proc_text(k->pid, "stat"), *open, *close;
	int n = 0;

	if (!text)
		return -ESRCH;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (open && close && close > open) {
		*close = 0;
		snprintf(k->comm, sizeof(k->comm), "%s", open + 1);
		n = sscanf(close + 1, " %c %d %d %d %d", &k->state, &k->ppid,
			   &k->pgid, &k->sid, &k->tty);
	}
	free(text);
	return n == 5 ? 0 : -ESRCH;
}

static void read_threads(struct task *k)
{
	char path[128];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%d/task", tree_proc, k->pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		pid_t tid = atoi(e->d_name);

		if (tid <= 0)
			continue;
		k->tid = xrealloc(k->tid, k->threads + 1, sizeof(*k->tid));
		k->tid[k->threads++] = tid;
	}
	if (d)
		closedir(d);
	if (k->tid)
		qsort(k->tid, k->threads, sizeof(*k->tid), by_number);
}

static void add_children(struct tree *t, pid_t pid, pid_t tid)
{
	char name[64], *text, *s;

	snprintf(name, sizeof(name), "task/%d/children", tid);
	text = proc_text(pid, name);
	for (s = text; s && *s;) {
		char *end;
		pid_t child = strtol(s, &end, 10);

		if (end == s)
			break;
		s = end;
		if (child <= 0 || tree_find(t, child))
			continue;
		t->task = xrealloc(t->task, t->n + 1, sizeof(*t->task));
		t->task[t->n++] = (struct task){ .pid = child, .pidfd = -1 };
	}
	free(text);
}

int tree_collect(struct tree *t, pid_t root)
{
	*t = (struct tree){ 0 };
	t->task = xcalloc(1, sizeof(*t->task));
	t->task[t->n++] = (struct task){ .pid = root, .pidfd = -1 };
	/* the list grows while it is walked */
	for (size_t i = 0; i < t->n; i++) {
		struct task k = t->task[i];
		char *status;

		if (read_stat(&k)) {
			if (!i) {
				tree_free(t);
				return -ESRCH;
			}
			/* gone since its parent was read */
			memmove(&t->task[i], &t->task[i + 1],
				(--t->n - i) * sizeof(k));
			i--;
			continue;
		}
		read_threads(&k);
		status = proc_text(k.pid, "status");
		if (status) {
			k.memory_kib = status_kib(status, "RssAnon:") +
				       status_kib(status, "RssShmem:") +
				       status_kib(status, "VmSwap:");
			free(status);
		}
		t->memory_kib += k.memory_kib;
		t->task[i] = k;
		for (size_t j = 0; j < k.threads; j++)
			add_children(t, k.pid, k.tid[j]);
	}
	return 0;
}

struct task *tree_find(const struct tree *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->task[i].pid == pid)
			return &t->task[i];
	return NULL;
}

uint32_t *tree_pids(const struct tree *t, size_t *n)
{
	uint32_t *v = NULL;

	*n = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct task *k = &t->task[i];

		/* who runs elsewhere is not moved, whatever stands for it */
		if (k->stub)
			continue;
		/* a zombie's task/ may be empty, its number is taken all the same */
		v = xrealloc(v, *n + k->threads + 1, sizeof(*v));
		if (!k->threads)
			v[(*n)++] = k->pid;
		for (size_t j = 0; j < k->threads; j++)
			v[(*n)++] = k->tid[j];
	}
	if (v)
		qsort(v, *n, sizeof(*v), by_number);
	return v;
}

int tree_hold(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct task *k = &t->task[i];

		if (k->pidfd < 0)
			k->pidfd = syscall(SYS_pidfd_open, k->pid, 0);
		if (k->pidfd < 0)
			return -errno;
	}
	return 0;
}

size_t tree_kill(struct tree *t, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	size_t left = 0;

	/* children last: a dying parent must not see them die */
	for (size_t i = 0; i < t->n; i++)
		if (t->task[i].pidfd >= 0)
			syscall(SYS_pidfd_send_signal, t->task[i].pidfd,
				SIGKILL, NULL, 0);
	for (size_t i = 0; i < t->n; i++) {
		struct pollfd p = { t->task[i].pidfd, POLLIN, 0 };
		int64_t wait = deadline - now_ms();

		if (p.fd >= 0 && poll(&p, 1, wait > 0 ? wait : 0) <= 0)
			left++;
	}
	return left;
}

int read_forced(pid_t pid, uint64_t addr, unsigned int n, uint8_t *dst)
{
	size_t len = (size_t)n * 4096, off = 0;
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%d/mem", tree_proc, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (off < len && !err) {
		ssize_t got = pread(fd, dst + off, len - off, addr + off);

		if (got > 0)
			off += got;
		else
			err = got ? -errno : -EFAULT;
	}
	close(fd);
	return err;
}

void tree_free(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->task[i].tid);
		if (t->task[i].pidfd >= 0)
			close(t->task[i].pidfd);
	}
	free(t->task);
	*t = (struct tree){ 0 };
}

void proc_each_fd(const struct task *k, proc_fd_fn fn, void *arg)
{
	char path[128], name[64], link[4096];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%d/fd", tree_proc, k->pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "fd/%.20s", e->d_name);
		if (!proc_link(link, sizeof(link), k->pid, name))
			fn(arg, k, atoi(e->d_name), link);
	}
	if (d)
		closedir(d);
}

void proc_each_map(const struct task *k, proc_map_fn fn, void *arg)
{
	char *text = proc_text(k->pid, "maps"), *line, *save = NULL;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct proc_map map;
		int at = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %15s %"
			   SCNu64 " %n", &map.start, &map.end, map.perms,
			   &map.offset, map.dev, &map.ino, &at) != 6 || !at ||
		    !line[at])
			continue;
		map.path = line + at;
		fn(arg, k, &map);
	}
	free(text);
}

bool map_is_memory(const char *perms, uint64_t inode, const char *name)
{
	if (perms[3] != 'p' || inode)
		return false;
	return !*name || !strcmp(name, "[heap]") ||
	       !strncmp(name, "[stack", 6) || !strncmp(name, "[anon:", 6);
}
