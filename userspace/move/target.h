/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target's side of a move, in two parts: target.c until the tree is whole
 * here, rebuilt and frozen; landing.c from there until nobody is needed.
 */
#ifndef TARGET_H
#define TARGET_H

#include "clock.h"
#include "criu.h"
#include "group.h"
#include "intake.h"
#include "keeper.h"
#include "kin.h"
#include "pages.h"
#include "store.h"
#include "terminal.h"
#include "uffd.h"

#define CLOCK_NEAR_NS	50000000ll	/* near enough to be waited for */
#define CLOCK_KIN_NS	250000000ll	/* ... to have one with a parent or child */
#define CLOCK_SKIP_NS	1000000000ll	/* no more than if it had stood still so long */

struct target {
	struct move *m;
	struct keeper keeper;
	struct criu criu;
	struct kin kin;
	struct terminal terminal;
	struct group group;		/* of what is rebuilt */
	int hold;			/* of signals to what was restored */
	struct fabric *fabric;
	struct page_puller puller;
	struct store store;
	struct intake intake;
	struct landed_segments segments;
	struct uffds uffds;
	uint32_t *pids;			/* tasks and threads to come */
	size_t n;
	int64_t frozen_ns, resumed_ns, reported_ms;
	int64_t ahead_ns;	/* by this the processes' clock is, of ours */
	pid_t clock;		/* whose clock they have, 0: no relative's */
	int64_t clock_ns;	/* it has shown this at most */
	unsigned int images;
	bool stated;			/* the source's state is here */
	bool holding;			/* all is mapped (post-restore) */
	bool restored;			/* criu is done, and all stands frozen */
	int holder;			/* to the holder (landing.c), or -1 */
	pid_t holder_pid;
	int mover;			/* in the holder: to the mover, or -1 */
};

/* Waits a while, and takes what comes from anywhere. */
int target_pump(void *arg);
/* What the source says, if @spoke; else whether it is still there. */
int target_listen_peer(struct target *t, bool spoke);
void target_progress(struct target *t, const char *phase);
/*
 * Should memory run out after all, it is the move that ends, and no process of
 * this node. Once it is committed, the process is worth no less than others.
 */
void target_die_first(bool yes);
/*
 * All is here: waits for the decision, and does what it says. With @err, away
 * with what there is.
 */
int target_land(struct target *t, int err);

#endif
