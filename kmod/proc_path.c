// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which paths below /proc one node may ask of another. Both sides use these:
 * the client so as not to ask in vain, the server because it trusts nobody.
 * No state, no locks.
 */
#include "proc.h"

struct word {
	const char *s;
	size_t len;
};

#define WORD(str) { str, sizeof(str) - 1 }

/*
 * Not shown of a remote process, directly below PID or PID/task/TID:
 * memory and its page tables (pagemap and clear_refs would disturb or outlive
 * a move, and mem is for a debugger, which runs where the process is), and
 * links that mean something on their own node only.
 */
static const struct word hidden[] = {
	WORD("mem"), WORD("pagemap"), WORD("clear_refs"),
	WORD("map_files"), WORD("ns"),
	/* no kernel that we serve has it, but ps looks for it every time */
	WORD("ctty"),
};

/*
 * May be written. Left out is what procfs decides by looking at the writing
 * task itself and not at its credentials (id maps, setgroups, attr, autogroup).
 */
static const struct word writable[] = {
	WORD("comm"), WORD("oom_adj"), WORD("oom_score_adj"),
	WORD("coredump_filter"), WORD("timerslack_ns"), WORD("sched"),
	WORD("latency"),
};

/* In every task's directory of every kernel that we serve, with mode 0444. */
static const struct word common[] = {
	WORD("stat"), WORD("status"), WORD("statm"), WORD("cmdline"),
	WORD("cgroup"),
};

static bool word_in(const struct word *list, size_t n, const char *s,
		    size_t len)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].len == len && !memcmp(list[i].s, s, len))
			return true;
	return false;
}

/* Length of the component that @path begins with. */
static size_t comp_len(const char *path, size_t len)
{
	size_t n;

	for (n = 0; n < len && path[n] != '/'; n++)
		;
	return n;
}

static bool comp_ok(const char *s, size_t len)
{
	size_t i;

	if (!len || len > PANDO_PROC_NAME_MAX)
		return false;
	if (s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')))
		return false;
	for (i = 0; i < len; i++)
		if (!s[i] || s[i] == '/')
			return false;
	return true;
}

/*
 * The components of a directory below which the names of a task stand: 1 for
 * "70123", 3 for "70123/task/70124", 0 for anything else.
 */
static int task_depth(const char *dir, size_t len)
{
	size_t n = comp_len(dir, len);

	if (n == len)
		return 1;
	dir += n + 1;
	len -= n + 1;
	n = comp_len(dir, len);
	if (n == len || n != 4 || memcmp(dir, "task", 4))
		return 0;
	dir += n + 1;
	len -= n + 1;
	return comp_len(dir, len) == len ? 3 : 0;
}

/**
 * pando_proc_name_to_pid - a decimal number as procfs takes it
 * @name: not terminated
 * @len: of @name
 * @pid: result
 *
 * Return: 0, or -ENOENT for what cannot be a cluster-wide PID.
 */
int pando_proc_name_to_pid(const char *name, size_t len, u32 *pid)
{
	u32 nr = 0;
	size_t i;

	/* 4194303 has seven digits, so nothing overflows. */
	if (!len || len > 7 || name[0] == '0')
		return -ENOENT;
	for (i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		nr = nr * 10 + (name[i] - '0');
	}
	if (nr < PANDO_LOCAL_PIDS || nr >= PANDO_PID_MAX)
		return -ENOENT;
	*pid = nr;
	return 0;
}

/**
 * pando_proc_path_check - is this a path that may be asked for?
 * @path: as in struct pando_wire_proc, not terminated
 * @len: of @path
 * @pid: out, its first component; may be NULL
 *
 * Return: 0; -EINVAL when malformed; -ENOENT for what is not shown.
 */
int pando_proc_path_check(const char *path, size_t len, u32 *pid)
{
	size_t at = 0, n;
	int depth = 0;
	u32 nr = 0;

	if (!len || len > PANDO_PROC_PATH_MAX)
		return -EINVAL;

	for (;;) {
		n = comp_len(path + at, len - at);
		if (!comp_ok(path + at, n) || ++depth > PANDO_PROC_DEPTH_MAX)
			return -EINVAL;
		if (depth == 1 && pando_proc_name_to_pid(path, n, &nr))
			return -EINVAL;
		if (depth > 1 && pando_proc_path_hides(path, at - 1,
						       path + at, n))
			return -ENOENT;
		at += n;
		if (at == len)
			break;
		at++;	/* the slash; an empty end is caught above */
	}
	if (pid)
		*pid = nr;
	return 0;
}

/**
 * pando_proc_path_hides - is this entry of a remote directory left out?
 * @dir: path of the directory
 * @len: of @dir
 * @name: of the entry
 * @namelen: of @name
 */
bool pando_proc_path_hides(const char *dir, size_t len,
			   const char *name, size_t namelen)
{
	return task_depth(dir, len) &&
	       word_in(hidden, ARRAY_SIZE(hidden), name, namelen);
}

/* Is it a file in a task's directory, with a name of that list? */
static bool file_in(const struct word *list, size_t n, const char *path,
		    size_t len)
{
	size_t dir = len;

	while (dir && path[dir - 1] != '/')
		dir--;
	if (!dir || !task_depth(path, dir - 1))
		return false;
	return word_in(list, n, path + dir, len - dir);
}

/**
 * pando_proc_path_writable - may this file be written from another node?
 * @path: one that pando_proc_path_check() let pass
 * @len: of @path
 */
bool pando_proc_path_writable(const char *path, size_t len)
{
	return file_in(writable, ARRAY_SIZE(writable), path, len);
}

/**
 * pando_proc_path_is_common - a file that every task has and all may read?
 * @path: one that pando_proc_path_check() let pass
 * @len: of @path
 */
bool pando_proc_path_is_common(const char *path, size_t len)
{
	return file_in(common, ARRAY_SIZE(common), path, len);
}
