/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Relations of a tree to those who do not move along: the parent of its root,
 * leaders of groups and sessions. They stay in force over the nodes: at the
 * source a stub takes the root's place where its parent is, at the target
 * stubs stand for those whom the tree belongs to.
 *
 *	source				target
 *	kin_before()
 *	kin_collect() (frozen)
 *	kin_nest()
 *	KIN			->	kin_receive()
 *					kin_make()	stubs, before the restore
 *					kin_adopt()	pstree.img
 *					kin_stop()	who stands stopped
 *	  ... commit ...
 *	kin_park()			kin_place()	before it runs
 */
#ifndef KIN_H
#define KIN_H

#include <linux/pando.h>

#include "nursery.h"
#include "tree.h"

/* A process that moves, or a stub that goes with its parent. */
struct kin_task {
	uint32_t pid, pgid, sid;
	bool stub, copy;		/* ...; target: its process is here */
	bool foreign;			/* target: what it leads is in use there */
	uint8_t alarms;			/* target: of alarms.h */
	struct pando_kin kin;
};

/* One that does not. */
struct kin_other {
	uint32_t pid, pgid, sid;
	uint32_t ppid;			/* 0: of no interest, it is pando-init's there */
	uint16_t where;			/* its node */
	struct ids ids;
};

struct kin {
	int dev;			/* /dev/pando */
	uint32_t ppid;			/* the root's parent; 1 for pando-init */
	bool parked;			/* the source keeps a stub of the root */
	pid_t stub;			/* source: that one, for now node-local */
	struct kin_task *task;		/* the root first */
	size_t n;
	struct kin_other *other;
	size_t others;
};

/* Marks those in the tree that are stubs: children that run elsewhere. */
void kin_mark(struct tree *t);

/* At the source, before criu looks: the tree as it is, and stubs in it stay so. */
int kin_before(struct move *m, struct kin *k, struct tree *t);
/* While the tree is frozen. */
int kin_collect(struct move *m, struct kin *k, const struct tree *t);
/* Makes the stub that is to take the root's place, where one is needed. */
int kin_nest(struct move *m, struct kin *k);
/* Before that: criu is to see who stands stopped as it knows to. */
int kin_show_stops(struct move *m, const struct tree *t);
/*
 * Signals are held by now: is everybody stopped, or not, as it was collected, and
 * @before criu looked? And does everybody know who should?
 */
int kin_check_stops(struct move *m, const struct kin *k,
		    const struct tree *before);
/* As bytes, for the other mover. Malloc'ed. */
uint8_t *kin_pack(const struct kin *k, size_t *len);
/*
 * After the commit, the tree still frozen. The root's place is taken, and it
 * is held by its new number: its pidfd in @t is that of the body. @lazy: its memory is
 * read from here on too, so the caller ends it.
 */
void kin_park(struct move *m, struct kin *k, struct tree *t, bool lazy);

/* At the target. */
int kin_unpack(struct move *m, struct kin *k, const uint8_t *data, size_t len);
/* Does it run on this node, and is no stub here? */
bool kin_is_here(uint32_t pid);
int kin_make(struct move *m, struct kin *k);
/* criu is to put the tree into its own group and session: *@shell_job. */
int kin_adopt(struct move *m, struct kin *k, bool *shell_job);
/* Who stood stopped does so again: criu has them all under ptrace, and lets go next. */
int kin_stop(struct move *m, const struct kin *k);
/*
 * After the commit, before it runs. @tty: the slave that it has for its terminal here, or
 * -1.
 */
void kin_place(struct move *m, struct kin *k, int tty);
/*
 * criu is done, and misses none of those it has restored: children are met. Before it
 * runs, because by wait() it would see them double.
 */
void kin_join(struct kin *k);

void kin_free(struct kin *k);

#endif
