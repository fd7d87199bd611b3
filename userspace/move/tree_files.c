// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files that a tree has mapped or open. They do not travel in this
 * version: the same path with the same size must be there on the target.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree.h"

static void add(struct tree_files *out, const char *path)
{
	struct tree_file *f;
	struct stat st;

	for (size_t i = 0; i < out->n; i++)
		if (!strcmp(out->v[i].path, path))
			return;
	if (stat(path, &st) || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	out->v = xrealloc(out->v, out->n + 1, sizeof(*out->v));
	f = &out->v[out->n++];
	*f = (struct tree_file){
		.path = strdup(path),
		.size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0,
		.mtime_ns = st.st_mtim.tv_sec * 1000000000ull +
			    st.st_mtim.tv_nsec,
		.mode = st.st_mode,
	};
}

static bool is_deleted(const char *path)
{
	size_t n = strlen(path);

	return n > 10 && !strcmp(path + n - 10, " (deleted)");
}

static void fd_file(void *arg, const struct task *k, int fd, const char *link)
{
	(void)k;
	(void)fd;
	if (link[0] == '/' && !is_deleted(link))
		add(arg, link);
}

static void map_file(void *arg, const struct task *k,
		     const struct proc_map *map)
{
	(void)k;
	if (map->path[0] == '/' && !is_deleted(map->path))
		add(arg, map->path);
}

void tree_files(const struct tree *t, struct tree_files *out)
{
	static const char *const links[] = { "exe", "cwd", "root" };
	char path[4096];

	*out = (struct tree_files){ 0 };
	for (size_t i = 0; i < t->n; i++) {
		for (int j = 0; j < 3; j++)
			if (!proc_link(path, sizeof(path), t->task[i].pid,
				       links[j]) && !is_deleted(path))
				add(out, path);
		proc_each_fd(&t->task[i], fd_file, out);
		proc_each_map(&t->task[i], map_file, out);
	}
}

void tree_files_free(struct tree_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].path);
	free(f->v);
	*f = (struct tree_files){ 0 };
}
