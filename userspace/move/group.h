/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control groups in which a tree is frozen while the cluster decides.
 *
 * At the source:
 *
 * criu holds the tasks by ptrace and lets go of them when it dies, and it dies
 * with its mover. Before the source says that it is ready that is right: the
 * process runs on. Afterwards it may run elsewhere already. So the tasks are in
 * a group of their own below the one they were in, moved there while they ran,
 * and frozen before "ready" is said: with the mover gone they stay so until
 * the daemon, which finds the groups by their name, kills them or lets them go.
 *
 * At the target: the copy is born in a group of its own, and frozen in the
 * moment in which criu has done all but let go of it. criu ends before "ready"
 * is said; what remains after the decision is one write that cannot fail.
 */
#ifndef GROUP_H
#define GROUP_H

#include "move.h"
#include "tree.h"

struct group {
	char **path;		/* of the groups that were made */
	size_t n;
	int freezer;		/* at the target: open, so that nothing is to fail */
};

/* The group of a task in the unified hierarchy, as a path; false: there is none. */
bool group_of(pid_t pid, char *buf, size_t size);
/*
 * Moves the tasks of @t in. Without a unified cgroup hierarchy there is none,
 * and that is no error.
 */
int group_enter(struct move *m, struct group *g, const struct tree *t);
/* Who has left the tree since, and lives, does not stand still with it. */
void group_part(const struct group *g, const struct tree *t);
int group_freeze(struct move *m, struct group *g);
/* Lets run what is there, where it was before; and forgets the groups. */
void group_leave(struct group *g);

/*
 * At the target: one below that of the cluster's processes. The tree stays in it;
 * the daemon takes it away when it is empty.
 */
int group_make(struct move *m, struct group *g);
/* Lets it run: 0, or a negative errno. */
int group_thaw(const struct group *g);
/* Whatever is in it. */
void group_kill(const struct group *g);
/* Forgets the groups, and leaves them as they are. */
void group_free(struct group *g);

#endif
