/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a node knows about numbers that do not simply run where their home is.
 * Pure; the caller holds one lock around every call.
 *
 * Kinds of facts, at most one entry of each per number:
 *   AWAY    home is here, the task runs on @node. The number is in use. An
 *           entry whose node has died stays until everybody who may have the
 *           task is there, or was declared dead, and none of them reports it:
 *           only then is it sure that it is gone.
 *   LEAVING this node has given the task to another (MOVED came), the local
 *           original is being removed: its end is nobody's business.
 *   HINT    the task was last seen on @node; may be wrong, costs one message.
 *   RESERVED a task with this number is about to be restored here; or was,
 *           and what was restored is not gone yet (move 0).
 *   ARRIVED a task that runs here was restored here: its start time says
 *           nothing about who it is.
 */
#ifndef _PANDO_DIRECTORY_H
#define _PANDO_DIRECTORY_H

#include "pidspace.h"
#include "pure.h"

enum pando_dir_kind {
	PANDO_DIR_NONE,
	PANDO_DIR_AWAY,
	PANDO_DIR_LEAVING,
	PANDO_DIR_HINT,
	PANDO_DIR_RESERVED,
	PANDO_DIR_ARRIVED,
	PANDO_DIR_KINDS
};

/**
 * struct pando_dir_entry - one fact
 * @next: in its chain
 * @pid: the number
 * @node: where, as the kind says
 * @kind: enum pando_dir_kind
 * @mark: for the caller: confirmed by the report under way (AWAY), or the
 *	task that was restored has ended (RESERVED)
 * @tag: incarnation of @node (AWAY) or move id (RESERVED)
 */
struct pando_dir_entry {
	struct pando_dir_entry *next;
	u32 pid;
	u16 node;
	u8 kind;
	u8 mark;
	u64 tag;
};

/**
 * struct pando_directory - hash table that grows with what it holds
 * @bucket: chains
 * @bits: log2 of their number; 0: not allocated yet
 * @count: entries of each kind
 * @shut: AWAY and RESERVED entries of each block: with none, all of its numbers may be had
 *	by new tasks, as far as moves are concerned
 * @shutting: how often one was added to @shut, round the circle
 */
struct pando_directory {
	struct pando_dir_entry **bucket;
	u32 bits;
	u32 count[PANDO_DIR_KINDS];
	u16 shut[PANDO_BLOCKS];
	u32 shutting;
};

/* Hints are dropped above this many, the oldest knowledge is as good as none */
#define PANDO_DIR_HINTS_MAX	65536u

void pando_dir_init(struct pando_directory *d);
void pando_dir_destroy(struct pando_directory *d);

/* NULL when nothing is known. Valid until the next change. */
const struct pando_dir_entry *pando_dir_find(const struct pando_directory *d,
					     u32 pid, enum pando_dir_kind kind);

/*
 * Notes a fact, or changes the one of this kind. -ENOMEM; never fails for a
 * fact that is there already. AWAY and HINT exclude each other: AWAY wins.
 */
int pando_dir_set(struct pando_directory *d, u32 pid, enum pando_dir_kind kind,
		  u16 node, u64 tag);

/* Sets the mark of a fact that is there. */
void pando_dir_mark(struct pando_directory *d, u32 pid,
		    enum pando_dir_kind kind, u8 mark);

/* Sets the mark of all facts of a kind about @node. */
void pando_dir_mark_all(struct pando_directory *d, enum pando_dir_kind kind,
			u16 node, u8 mark);

/* Forgets it; returns whether there was one. */
bool pando_dir_clear(struct pando_directory *d, u32 pid,
		     enum pando_dir_kind kind);

/*
 * Forgets all of a kind for which @drop is true (NULL: all); returns how many.
 * @drop may change mark and tag of what it keeps.
 */
u32 pando_dir_purge(struct pando_directory *d, enum pando_dir_kind kind,
		    bool (*drop)(struct pando_dir_entry *e, void *ctx),
		    void *ctx);

#endif
