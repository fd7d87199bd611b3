/* SPDX-License-Identifier: GPL-2.0-only */
/* The tree that moves: its tasks, what keeps it here, and what it needs. */
#ifndef TREE_H
#define TREE_H

#include "move.h"

struct task {
	pid_t pid, ppid, pgid, sid;
	char state;
	char comm[64];
	int tty;			/* device number of the terminal, or 0 */
	int pidfd;			/* -1 until tree_hold() */
	bool stub;			/* its process runs elsewhere (kin.h) */
	pid_t *tid;			/* threads, the leader too */
	size_t threads;
	uint64_t memory_kib;
};

struct tree {
	struct task *task;		/* the root first, parents before children */
	size_t n;
	uint64_t memory_kib;
};

/* Where /proc is; unit tests point it at a directory of their own. */
extern const char *tree_proc;

/* -ESRCH when there is no root. */
int tree_collect(struct tree *t, pid_t root);
struct task *tree_find(const struct tree *t, pid_t pid);
/* Numbers of all tasks and threads but stubs, malloc'ed, sorted. */
uint32_t *tree_pids(const struct tree *t, size_t *n);
/* Opens a pidfd of each, so that a kill later cannot meet anyone else. */
int tree_hold(struct tree *t);
/* Kills all that are held, waits until they are gone: how many are left. */
size_t tree_kill(struct tree *t, int timeout_ms);
void tree_free(struct tree *t);

/* Everything that keeps the tree from moving, in words. */
void tree_blockers(const struct tree *t, struct words *out);

/* The one terminal that a tree has open, if any. */
#define TREE_GROUPS	16
struct tree_terminal {
	uint64_t rdev, dev;	/* of the slave, as stat() tells; rdev 0: none */
	bool relayed;		/* it only stands here for one elsewhere */
	pid_t pid;
	int fd;			/* of that process, as which it is open */
	uint32_t sid;
	bool reads;		/* somebody may be waiting for what is typed */
	bool nonblock;
	uint32_t group[TREE_GROUPS];	/* of those that have it open */
	size_t groups;
};

/*
 * Looks for it; @relayed: the device numbers of those that stand here for others. What
 * keeps the tree from moving because of it, in words.
 */
void tree_terminal(const struct tree *t, const uint64_t *relayed, size_t n,
		   struct tree_terminal *found, struct words *why);

/* One file that must be there on the target. */
struct tree_file {
	char *path;
	uint64_t size, mtime_ns;
	uint32_t mode;
};
struct tree_files {
	struct tree_file *v;
	size_t n;
};
/* Programs, mapped and open files, directories. */
void tree_files(const struct tree *t, struct tree_files *out);
void tree_files_free(struct tree_files *f);

/* Memory that forbids reading is read too: its owner may allow it again. */
int read_forced(pid_t pid, uint64_t addr, unsigned int n, uint8_t *dst);

/* --- /proc, for the files of tree_*.c ---------------------------------------*/

/* A line's worth of a link of a process: 0 or a negative errno. */
int proc_link(char *buf, size_t size, pid_t pid, const char *name);
/* The whole of a file, NUL-terminated, malloc'ed; NULL if there is none. */
char *proc_text(pid_t pid, const char *name);

typedef void (*proc_fd_fn)(void *arg, const struct task *k, int fd,
			   const char *link);
void proc_each_fd(const struct task *k, proc_fd_fn fn, void *arg);
/* A mapping that has a name, as /proc/PID/maps tells it. */
struct proc_map {
	uint64_t start, end, offset;
	char perms[8], dev[16];
	uint64_t ino;
	const char *path;
};

typedef void (*proc_map_fn)(void *arg, const struct task *k,
			    const struct proc_map *map);
void proc_each_map(const struct task *k, proc_map_fn fn, void *arg);
/*
 * A mapping as that file has it: is it private and anonymous, the memory that criu
 * leaves to us? Of those with a name those that the kernel makes (vdso) are not.
 */
bool map_is_memory(const char *perms, uint64_t inode, const char *name);

#endif
