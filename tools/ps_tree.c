// SPDX-License-Identifier: GPL-2.0-only
/* One tree over all nodes: children behind their parents. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ps.h"

#define NONE	((size_t)-1)
#define DEPTH	100	/* levels that are drawn; what is deeper stays there */

struct tree {
	struct proc *proc;
	size_t count;
	size_t *by_pid;		/* indices in the order of PIDs */
	size_t *parent, *child, *next;
	bool *done;
};

static const struct proc *sorting;	/* qsort() has no room for it */

static int by_pid(const void *a, const void *b)
{
	uint32_t x = sorting[*(const size_t *)a].p->pid;
	uint32_t y = sorting[*(const size_t *)b].p->pid;

	return x < y ? -1 : x > y;
}

/*
 * Node-local numbers (pid 1) stand once on every node: of several the one on
 * the child's own node is meant.
 */
static size_t find(const struct tree *t, uint32_t pid, uint32_t node)
{
	size_t low = 0, high = t->count, first;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->proc[t->by_pid[mid]].p->pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	first = low;
	for (; low < t->count; low++) {
		const Pando__Process *p = t->proc[t->by_pid[low]].p;

		if (p->pid != pid)
			break;
		if (p->node == node)
			return t->by_pid[low];
	}
	if (first < t->count && t->proc[t->by_pid[first]].p->pid == pid)
		return t->by_pid[first];
	return NONE;
}

static void relate(struct tree *t)
{
	for (size_t i = 0; i < t->count; i++) {
		t->by_pid[i] = i;
		t->child[i] = t->next[i] = NONE;
	}
	sorting = t->proc;
	qsort(t->by_pid, t->count, sizeof(*t->by_pid), by_pid);
	/* backwards, so that each list comes out in the order shown */
	for (size_t i = t->count; i-- > 0;) {
		const Pando__Process *p = t->proc[i].p;
		size_t up = p->ppid ? find(t, p->ppid, p->node) : NONE;

		t->parent[i] = up == i ? NONE : up;
		if (t->parent[i] == NONE)
			continue;
		t->next[i] = t->child[up];
		t->child[up] = i;
	}
}

static char *draw(const struct tree *t, size_t at, size_t root, bool lines)
{
	const char *bend = lines ? " \\_ " : "  ";
	size_t step = strlen(bend), depth = 0, chain[DEPTH] = { 0 };
	char *text, *to;

	for (size_t i = at; i != root && depth < DEPTH; i = t->parent[i])
		chain[depth++] = i;
	to = text = cli_alloc(depth * step + 1, 1);
	while (depth--) {
		bool last = t->next[chain[depth]] == NONE;
		const char *piece = !depth || !lines ? bend :
				    last ? "    " : " |  ";

		memcpy(to, piece, step);
		to += step;
	}
	return text;
}

/* Walks a whole tree without recursion: chains may be as long as PIDs go. */
static size_t walk(struct tree *t, size_t root, struct proc *out, size_t n,
		   bool lines)
{
	size_t at = root;

	for (;;) {
		if (!t->done[at]) {
			t->done[at] = true;
			t->proc[at].branch = draw(t, at, root, lines);
			out[n++] = t->proc[at];
			if (t->child[at] != NONE && !t->done[t->child[at]]) {
				at = t->child[at];
				continue;
			}
		}
		while (at != root && t->next[at] == NONE)
			at = t->parent[at];
		if (at == root)
			return n;
		at = t->next[at];
	}
}

void ps_tree(struct procs *procs, bool lines)
{
	size_t n = procs->count, out = 0;
	struct tree t = {
		.proc = procs->proc,
		.count = n,
		.by_pid = cli_alloc(n, sizeof(size_t)),
		.parent = cli_alloc(n, sizeof(size_t)),
		.child = cli_alloc(n, sizeof(size_t)),
		.next = cli_alloc(n, sizeof(size_t)),
		.done = cli_alloc(n, sizeof(bool)),
	};
	struct proc *sorted = cli_alloc(n, sizeof(*sorted));

	relate(&t);
	for (size_t i = 0; i < n; i++)
		if (t.parent[i] == NONE)
			out = walk(&t, i, sorted, out, lines);
	/*
	 * The nodes answer one after the other: what was moved or adopted in
	 * between may seem its own ancestor. It is shown all the same.
	 */
	for (size_t i = 0; i < n; i++)
		if (!t.done[i])
			out = walk(&t, i, sorted, out, lines);
	free(procs->proc);
	procs->proc = sorted;
	free(t.by_pid);
	free(t.parent);
	free(t.child);
	free(t.next);
	free(t.done);
}
