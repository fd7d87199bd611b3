// SPDX-License-Identifier: GPL-2.0-only
/* The processes of this node, read by a worker, and those of all nodes. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "init.h"
#include "kernel.h"
#include "peer.h"
#include "serve.h"
#include "worker.h"

#define ANSWER_MS	4000
#define ARGS_MAX	4096
#define CHUNK_MAX	(PANDO_FRAME_MAX / 2)	/* of a reply in one frame */

struct list {
	Pando__Process **p;
	size_t n, room;
};

/* One reading of this node. */
struct reading {
	uint32_t *pids;		/* those asked for, or all if there are none */
	size_t npids;
	uint32_t *stubs;	/* PIDs here that are shown from elsewhere */
	size_t nstubs;
	int proc;
	uint16_t self;
	int64_t zero_ns;
	struct list list;
	void (*done)(void *data, struct list *list);
	void *data;
};

/* One answer for a tool. */
struct gather {
	struct request *request;
	struct list list;
	char **unreachable;
	size_t nunreachable;
	unsigned int missing;
};

static bool list_add(struct list *l, Pando__Process *p)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 256;
		Pando__Process **list = realloc(l->p, room * sizeof(*list));

		if (!list)
			return false;
		l->p = list;
		l->room = room;
	}
	l->p[l->n++] = p;
	return true;
}

static void list_free(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		pando__process__free_unpacked(l->p[i], NULL);
	free(l->p);
}

/* --- reading, in a worker -------------------------------------------------------------*/

static ssize_t read_at(int dir, const char *pid, const char *file, char *buf,
		       size_t len)
{
	char path[64];
	ssize_t n, sum = 0;
	int fd;

	snprintf(path, sizeof(path), "%.16s/%s", pid, file);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((n = read(fd, buf + sum, len - 1 - sum)) > 0)
		sum += n;
	close(fd);
	buf[sum] = 0;
	return sum;
}

/* From "/proc/PID/stat"; the name may hold anything, also blanks and ')'. */
static bool parse_stat(Pando__Process *p, char *text, int64_t boot_ms,
		       int64_t zero_ms)
{
	static long hz, page_kib;
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long utime, stime, start, vsize;
	long nice, threads, rss;
	int ppid, pgid, sid, tty;
	char state;

	if (!hz) {
		page_kib = sysconf(_SC_PAGESIZE) / 1024;
		hz = sysconf(_SC_CLK_TCK);
	}
	if (!open || !close || close < open)
		return false;
	*close = 0;
	if (sscanf(close + 1, " %c %d %d %d %d %*d %*u %*u %*u %*u %*u %llu "
		   "%llu %*d %*d %*d %ld %ld %*d %llu %llu %ld", &state, &ppid,
		   &pgid, &sid, &tty, &utime, &stime, &nice, &threads, &start,
		   &vsize, &rss) != 12)
		return false;
	p->pid = atoi(text);
	p->comm = strdup(open + 1);
	p->state = malloc(2);
	if (p->state) {
		p->state[0] = state;
		p->state[1] = 0;
	}
	p->ppid = ppid;
	p->pgid = pgid;
	p->sid = sid;
	p->tty = tty;
	p->cpu_ms = (utime + stime) * 1000 / hz;
	p->nice = nice;
	p->threads = threads;
	p->vsz_kib = vsize / 1024;
	p->rss_kib = rss * page_kib;
	/* our own clock namespace is the host's: starts are since its boot */
	p->start_unix_ms = boot_ms + start * 1000 / hz;
	p->start_ms = (int64_t)p->start_unix_ms > zero_ms ?
		      p->start_unix_ms - zero_ms : 0;
	return true;
}

static char *user_name(uid_t uid)
{
	static __thread uid_t last = -1;
	static __thread char name[64];
	struct passwd pw, *found = NULL;
	char buf[2048];

	if (uid != last || !*name) {
		if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) || !found)
			snprintf(name, sizeof(name), "%u", uid);
		else
			snprintf(name, sizeof(name), "%s", found->pw_name);
		last = uid;
	}
	return strdup(name);
}

static void parse_status(Pando__Process *p, const char *text)
{
	const char *uid = strstr(text, "\nUid:");
	unsigned int real = 0, effective = 0;

	if (uid)
		sscanf(uid, "\nUid: %u %u", &real, &effective);
	p->uid = real;
	p->euid = effective;
	p->user = user_name(effective);
}

static void parse_args(Pando__Process *p, char *text, ssize_t n)
{
	/* arguments end with NULs; a kernel-made zombie has none */
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	if (n > 0)
		p->args = strndup(text, n);
	else if (asprintf(&p->args, "[%s]", p->comm) < 0)
		p->args = NULL;
	/* a name or argument may be any bytes, a string of the protocol not */
	for (char *c = p->args; c && *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
}

static bool is_stub(const struct reading *r, uint32_t pid)
{
	for (size_t i = 0; i < r->nstubs; i++)
		if (r->stubs[i] == pid)
			return true;
	return false;
}

static void read_process(struct reading *r, const char *pid, int64_t boot_ms)
{
	Pando__Process *p;
	char buf[ARGS_MAX];
	ssize_t n;

	if (is_stub(r, atoi(pid)) ||
	    read_at(r->proc, pid, "stat", buf, sizeof(buf)) <= 0)
		return;		/* elsewhere, or it ended */
	p = malloc(sizeof(*p));
	if (!p)
		return;
	pando__process__init(p);
	if (!parse_stat(p, buf, boot_ms, r->zero_ns / 1000000) ||
	    read_at(r->proc, pid, "status", buf, sizeof(buf)) <= 0) {
		pando__process__free_unpacked(p, NULL);
		return;
	}
	parse_status(p, buf);
	n = read_at(r->proc, pid, "cmdline", buf, sizeof(buf));
	parse_args(p, buf, n);
	p->node = r->self;
	if (!p->comm || !p->state || !p->user || !p->args ||
	    !list_add(&r->list, p))
		pando__process__free_unpacked(p, NULL);
}

static void read_all(void *data)
{
	struct reading *r = data;
	struct timespec wall, boot;
	struct dirent *e;
	char pid[16];
	int64_t boot_ms;
	DIR *dir;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	boot_ms = (wall.tv_sec - boot.tv_sec) * 1000ll +
		  (wall.tv_nsec - boot.tv_nsec) / 1000000;
	for (size_t i = 0; i < r->npids; i++) {
		snprintf(pid, sizeof(pid), "%u", r->pids[i]);
		if (r->pids[i] >= PANDO_LOCAL_PIDS)
			read_process(r, pid, boot_ms);
	}
	if (r->npids || r->proc < 0)
		return;
	dir = fdopendir(openat(r->proc, ".",
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (dir && (e = readdir(dir)))
		if (isdigit((unsigned char)*e->d_name) &&
		    atoi(e->d_name) >= PANDO_LOCAL_PIDS)
			read_process(r, e->d_name, boot_ms);
	if (dir)
		closedir(dir);
}

static void on_read(void *data)
{
	struct reading *r = data;

	/* homes belong to the main loop */
	for (size_t i = 0; i < r->list.n; i++)
		r->list.p[i]->home = state_home(cluster_state(),
						r->list.p[i]->pid);
	r->done(r->data, &r->list);
	free(r->stubs);
	free(r->pids);
	free(r);
}

static int read_node(const uint32_t *pids, size_t npids,
		     void (*done)(void *data, struct list *list), void *data)
{
	struct reading *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return err;
	r->pids = malloc((npids + 1) * sizeof(*pids));
	if (r->pids) {
		if (npids)
			memcpy(r->pids, pids, npids * sizeof(*pids));
		r->npids = npids;
		r->stubs = kernel_stubs(&r->nstubs);
		r->proc = init_proc_fd();
		r->self = pandod.self;
		r->zero_ns = init_zero_ns();
		r->done = done;
		r->data = data;
		err = worker_run(read_all, on_read, r);
	}
	if (err) {
		free(r->stubs);
		free(r->pids);
		free(r);
	}
	return err;
}

/* --- answers --------------------------------------------------------------------------*/

/* In as many frames as it takes; ends the request. */
static void answer(struct request *r, struct list *list, char **unreachable,
		   size_t nunreachable)
{
	size_t at = 0;

	for (;;) {
		Pando__Frame f = frame_of(PANDO__FRAME__BODY_PS_REPLY);
		Pando__PsReply reply = PANDO__PS_REPLY__INIT;
		struct timespec now;
		size_t size = 0;

		reply.processes = list->p + at;
		while (at < list->n && size < CHUNK_MAX) {
			size += pando__process__get_packed_size(list->p[at++]) +
				8;
			reply.n_processes++;
		}
		clock_gettime(CLOCK_REALTIME, &now);
		reply.now_unix_ms = now.tv_sec * 1000ull +
				    now.tv_nsec / 1000000;
		reply.more = at < list->n;
		f.ps_reply = &reply;
		if (!reply.more) {
			reply.unreachable = unreachable;
			reply.n_unreachable = nunreachable;
			request_end(r, &f);
			return;
		}
		request_reply(r, &f);
	}
}

static void finish(struct gather *g)
{
	if (g->request)
		answer(g->request, &g->list, g->unreachable, g->nunreachable);
	list_free(&g->list);
	for (size_t i = 0; i < g->nunreachable; i++)
		free(g->unreachable[i]);
	free(g->unreachable);
	free(g);
}

static void one_less(struct gather *g)
{
	if (--g->missing == 0)
		finish(g);
}

/* Takes the processes over. */
static void merge(struct gather *g, Pando__Process **p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!list_add(&g->list, p[i]))
			pando__process__free_unpacked(p[i], NULL);
}

static void on_own(void *data, struct list *list)
{
	struct gather *g = data;

	merge(g, list->p, list->n);
	free(list->p);
	one_less(g);
}

struct asked {
	struct gather *gather;
	uint16_t node;
};

static bool on_answer(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct asked *a = data;
	struct gather *g = a->gather;
	char **names;

	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (f && f->body_case == PANDO__FRAME__BODY_PS_REPLY) {
		Pando__PsReply *reply = f->ps_reply;

		merge(g, reply->processes, reply->n_processes);
		reply->n_processes = 0;
		free(reply->processes);
		reply->processes = NULL;
		if (reply->more)
			return true;
	} else {
		names = realloc(g->unreachable,
				(g->nunreachable + 1) * sizeof(*names));
		if (names) {
			g->unreachable = names;
			names[g->nunreachable] = strdup(cluster_name(a->node));
			g->nunreachable += names[g->nunreachable] != NULL;
		}
	}
	free(a);
	one_less(g);
	return false;
}

static void on_gone(struct request *r)
{
	struct gather *g = r->data;

	g->request = NULL;
}

void ps_request(struct request *r, const Pando__PsRequest *q)
{
	struct gather *g = calloc(1, sizeof(*g));
	struct state *s = cluster_state();
	uint16_t ids[STATE_MEMBERS_MAX];
	unsigned int n = 0;

	if (!g) {
		request_fail(r, ENOMEM, "out of memory");
		return;
	}
	g->request = r;
	r->data = g;
	r->gone = on_gone;
	g->missing = 1;
	/* a call that fails at once may change the list of members */
	for (unsigned int i = 0; i < s->nmembers; i++)
		if (s->member[i].id != pandod.self && s->member[i].attached)
			ids[n++] = s->member[i].id;
	g->missing++;
	if (read_node(q->pids, q->n_pids, on_own, g))
		one_less(g);
	for (unsigned int i = 0; i < n; i++) {
		Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_PS);
		Pando__PeerPs peer = PANDO__PEER_PS__INIT;
		struct asked *a = calloc(1, sizeof(*a));

		if (!a)
			continue;
		a->gather = g;
		a->node = ids[i];
		peer.pids = q->pids;
		peer.n_pids = q->n_pids;
		f.peer_ps = &peer;
		g->missing++;
		peer_call(ids[i], &f, bound_ms(ANSWER_MS), on_answer, a);
	}
	one_less(g);
}

/* The asking daemon may be gone before the worker is done. */
struct peer_reply {
	struct request *request;
};

static void on_peer_gone(struct request *r)
{
	struct peer_reply *p = r->data;

	p->request = NULL;
}

static void on_peer_read(void *data, struct list *list)
{
	struct peer_reply *p = data;

	if (p->request)
		answer(p->request, list, NULL, 0);
	list_free(list);
	free(p);
}

void ps_peer(struct request *r, const Pando__PeerPs *q)
{
	struct peer_reply *p = calloc(1, sizeof(*p));

	if (p) {
		p->request = r;
		r->data = p;
		r->gone = on_peer_gone;
	}
	if (!p || read_node(q->pids, q->n_pids, on_peer_read, p)) {
		free(p);
		r->gone = NULL;
		request_fail(r, EAGAIN, "this node is too busy");
	}
}
