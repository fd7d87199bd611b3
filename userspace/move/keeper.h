/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two small processes that see to it that a restored tree is whole or is not,
 * whatever becomes of its mover.
 *
 * The keeper is the parent of criu, and so of what criu builds. When the mover
 * goes before the commit it kills all of that. After the commit it goes itself.
 *
 * The guard holds copies of the userfaultfds while memory is put in its place.
 * A page that is missing is waited for as long as one of them is open; were
 * they all closed, it would be read as zeros. So when the mover goes before it
 * is done, the guard kills the tree, and only then lets go.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "move.h"

struct keeper {
	pid_t pid;
	int pidfd;
	int sock;		/* to the keeper, -1: none */
	int guard;		/* to the guard, -1: none */
};

#define KEEPER_NONE	((struct keeper){ .pidfd = -1, .sock = -1, .guard = -1 })

/*
 * What it builds is born in the control group at @group, if not NULL, and has the
 * clocks of @clock, or with 0 some of its own, that are ahead of ours by @ahead_ns.
 */
int keeper_start(struct move *m, struct keeper *k, const char *group, pid_t clock,
		 int64_t ahead_ns);
/* The slave that the tree is to have for its terminal: before criu is started. */
int keeper_terminal(struct move *m, struct keeper *k, int slave);
/* Has criu started with its end @sock of the RPC: its pidfd. */
int keeper_criu(struct move *m, struct keeper *k, int sock);
/* A userfaultfd of the tree: held from now on. */
int keeper_hold(struct move *m, struct keeper *k, int uffd);
/*
 * criu leaves the group of what it has built, which takes its time: asked for
 * by the first, done when the second returns.
 */
int keeper_part(struct move *m, struct keeper *k);
int keeper_parted(struct move *m, struct keeper *k);
/* What is made beside the tree and goes with it, before the commit (sysv.h). */
int keeper_record(struct move *m, struct keeper *k, int fd);
/* All is built: the guard takes up its post. */
int keeper_built(struct move *m, struct keeper *k);
/* It is committed. */
void keeper_commit(struct keeper *k);
/*
 * The tree is where it belongs: the keeper goes. Not before, because its end is that of
 * a parent: to who asked for a signal then (PR_SET_PDEATHSIG) it would be sent.
 */
void keeper_leave(struct keeper *k);
/* Its memory is complete: nobody is needed any more. */
void keeper_done(struct keeper *k);
/* Away with all that was built: 0, or -ETIMEDOUT when something is left. */
int keeper_kill(struct keeper *k, int timeout_ms);

#endif
