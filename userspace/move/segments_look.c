// SPDX-License-Identifier: GPL-2.0-only
/* Which SysV shared memory a tree has attached, and how; see segments.h. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "segments.h"

#define TRIES	4
#define TRY_MS	20

#define NAME	"%d (%s)"
#define WHO(k)	(k)->pid, (k)->comm

struct walk {
	struct segments *s;
	struct words *why;
	const struct task *task;
	size_t at;		/* the segment of the mapping before, or n */
	uint64_t end, offset;	/* where an attach goes on that is not whole yet */
	uint64_t whole;
	bool found;
};

/* The whole of an attach is mapped, in pages of its kind. */
static uint64_t whole_of(const struct segment *g)
{
	uint64_t page = g->huge ? 1ull << g->huge : 4096;

	return (g->size + page - 1) / page * page;
}

/*
 * criu attaches a segment as a whole, and the address space may hold other
 * things where it was unmapped.
 */
static void attach_ends(struct walk *w)
{
	if (w->at < w->s->n && w->offset != w->whole)
		words_add(w->why, NAME " has SysV shared memory (id %d) attached only in part, which cannot be carried over",
			  WHO(w->task), w->s->v[w->at].id);
	w->at = w->s->n;
}

static bool stat_segment(struct segment *g)
{
	struct shmid_ds ds;

	if (shmctl(g->id, IPC_STAT, &ds))
		return false;
	g->key = ds.shm_perm.__key;
	g->mode = ds.shm_perm.mode;
	g->uid = ds.shm_perm.uid;
	g->gid = ds.shm_perm.gid;
	g->cuid = ds.shm_perm.cuid;
	g->cgid = ds.shm_perm.cgid;
	g->size = ds.shm_segsz;
	g->attached = ds.shm_nattch;
	return true;
}

/* A mapping of hugetlbfs says so only in smaps. */
static uint32_t huge_of(char *smaps, uint64_t start)
{
	char head[32], *line, *s;
	unsigned long kib = 4;

	snprintf(head, sizeof(head), "%08llx-", (unsigned long long)start);
	line = smaps ? strstr(smaps, head) : NULL;
	s = line ? strstr(line, "KernelPageSize:") : NULL;
	if (s)
		kib = strtoul(s + 15, NULL, 10);
	return kib > 4 ? 63 - __builtin_clzll(kib * 1024ull) : 0;
}

/* Its place in the list; where it is not there, that or the end of the list. */
static size_t segment_of(struct walk *w, const struct proc_map *map)
{
	struct segments *s = w->s;
	struct segment *g;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->v[i].id == (int)map->ino)
			break;
	if (i < s->n && s->v[i].there)
		return i;
	if (i == s->n) {
		s->v = xrealloc(s->v, s->n + 1, sizeof(*s->v));
		s->v[s->n++] = (struct segment){ .id = map->ino, .fd = -1 };
	}
	g = &s->v[i];
	g->there = true;
	g->ours = 0;
	g->pid = w->task->pid;
	memcpy(g->comm, w->task->comm, sizeof(g->comm));
	g->start = map->start;
	g->end = map->end;
	if (!stat_segment(g)) {
		words_add(w->why, NAME " has SysV shared memory attached (id %d) that is not of this node: %s",
			  WHO(w->task), g->id, strerror(errno));
		g->there = false;
		/* nothing is known of it that the target could be told */
		if (!g->pages)
			s->n--;
	} else if (!g->pages) {
		char *smaps = proc_text(w->task->pid, "smaps");

		g->huge = huge_of(smaps, map->start);
		g->pages = whole_of(g) / 4096;
		free(smaps);
	}
	return i;
}

static void add_map(void *arg, const struct task *k, const struct proc_map *map)
{
	struct walk *w = arg;
	struct segment *g;

	if (strncmp(map->path, "/SYSV", 5))
		return;
	w->found = true;
	if (w->at < w->s->n && (w->s->v[w->at].id != (int)map->ino ||
				w->offset == w->whole ||
				map->start != w->end ||
				map->offset != w->offset))
		attach_ends(w);
	if (w->at >= w->s->n) {
		size_t i = segment_of(w, map);

		if (i >= w->s->n || !w->s->v[i].there)
			return;
		w->at = i;
		w->offset = 0;
		w->whole = whole_of(&w->s->v[i]);
	}
	g = &w->s->v[w->at];
	g->ours++;
	if (map->offset == w->offset) {
		w->end = map->end;
		w->offset += map->end - map->start;
	}
	if (map->perms[2] == 'x')
		words_add(w->why, NAME " has SysV shared memory (id %d) attached to run it, which cannot be carried over",
			  WHO(k), g->id);
}

/* criu would attach it without. */
static void check_locked(struct walk *w)
{
	char *status = proc_text(w->task->pid, "status"), *smaps, *line, *save = NULL;
	char *lck = status ? strstr(status, "VmLck:") : NULL;
	bool sysv = false;

	smaps = lck && atol(lck + 6) ? proc_text(w->task->pid, "smaps") : NULL;
	free(status);
	for (line = smaps ? strtok_r(smaps, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		/* fields have capitals, addresses do not */
		if (*line < 'A' || *line > 'Z')
			sysv = strstr(line, " /SYSV") != NULL;
		else if (sysv && !strncmp(line, "VmFlags:", 8) &&
			 strstr(line, " lo"))
			words_add(w->why, NAME " has locked SysV shared memory by mlock(), which cannot be carried over",
				  WHO(w->task));
	}
	free(smaps);
}

struct stranger {
	const struct segment *g;
	const struct tree *t;
	char name[128];
};

static void is_attached(void *arg, const struct task *k,
			const struct proc_map *map)
{
	struct stranger *s = arg;
	char ours[64], theirs[64];

	if (s->name[0] || (int)map->ino != s->g->id ||
	    strncmp(map->path, "/SYSV", 5) ||
	    proc_link(ours, sizeof(ours), s->t->task[0].pid, "ns/ipc") ||
	    proc_link(theirs, sizeof(theirs), k->pid, "ns/ipc") ||
	    strcmp(ours, theirs))
		return;
	snprintf(s->name, sizeof(s->name), "%d", k->pid);
}

/* It takes a look at every process of the node, so only where there is one. */
static void name_stranger(const struct segment *g, const struct tree *t,
			  struct words *why)
{
	struct stranger s = { .g = g, .t = t };
	DIR *d = opendir(tree_proc);
	struct dirent *e;

	while (d && !s.name[0] && (e = readdir(d))) {
		struct task k = { .pid = atoi(e->d_name) };

		/* we may have mapped a page of it, which is no attach */
		if (k.pid > 0 && k.pid != getpid() && !tree_find(t, k.pid))
			proc_each_map(&k, is_attached, &s);
	}
	if (d)
		closedir(d);
	if (s.name[0]) {
		char *comm = proc_text(atoi(s.name), "comm");
		size_t n = strlen(s.name);

		if (comm) {
			comm[strcspn(comm, "\n")] = 0;
			snprintf(s.name + n, sizeof(s.name) - n, " (%s)", comm);
		}
		free(comm);
	}
	words_add(why, NAME " shares memory (SysV, id %d) with %s, which does not move along",
		  WHO(g), g->id, s.name[0] ? s.name : "another process");
}

void segments_look(struct segments *s, const struct tree *t, struct words *why)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i].there = false;
	for (size_t i = 0; i < t->n; i++) {
		struct walk w = { .s = s, .why = why, .task = &t->task[i],
				  .at = SIZE_MAX };

		if (t->task[i].state == 'Z')
			continue;
		proc_each_map(&t->task[i], add_map, &w);
		if (w.at < s->n)
			attach_ends(&w);
		if (w.found)
			check_locked(&w);
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].there && s->v[i].attached > s->v[i].ours)
			name_stranger(&s->v[i], t, why);
}

void segments_look_again(struct segments *s, pid_t root, struct words *why)
{
	for (int i = 0; i < TRIES; i++) {
		struct words now = { 0 };
		struct tree t;

		if (i)
			poll(NULL, 0, TRY_MS);
		if (tree_collect(&t, root))
			return;
		segments_look(s, &t, &now);
		tree_free(&t);
		if (i == TRIES - 1)
			for (size_t j = 0; j < now.n; j++)
				words_add(why, "%s", now.v[j]);
		if (!now.n)
			i = TRIES;
		words_free(&now);
	}
}
