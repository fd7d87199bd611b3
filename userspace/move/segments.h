/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SysV shared memory that the tree has attached, at the source: what it is, and
 * which of its pages the target has as they are.
 *
 * Its pages show in no page table that would tell of each change: who writes
 * may have no entry for a page a moment later. So what was sent is known by a
 * digest, and what is there is read and compared.
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "dirty.h"
#include "tree.h"

struct segment {
	int id;
	uint32_t key, mode;	/* SHM_DEST and SHM_LOCKED in it too */
	uint32_t uid, gid, cuid, cgid;
	uint32_t huge;		/* log2 of its pages' size, or 0 */
	uint64_t size, pages;
	uint64_t attached;	/* mappings of it, of all; */
	uint64_t ours;		/* ... of the tree */
	pid_t pid;		/* one that has it, */
	char comm[64];
	uint64_t start, end;	/* ... where */
	bool there;		/* by the last look */
	int fd;			/* of its memory, or -1 */
	uint8_t *tail;		/* its last page, where it ends within one */
	uint64_t (*sent)[2];	/* of each page; zeros: the target has zeros */
};

struct segments {
	struct segment *v;	/* by the order in which they were found */
	size_t n;
	uint64_t seed[3];
};

/*
 * Looks what the tree has attached. What keeps it from moving, in words; they may
 * be wrong of one that runs, where what is counted changes meanwhile.
 */
void segments_look(struct segments *s, const struct tree *t, struct words *why);
/* The same of one that runs; what changes has words only if it does so again. */
void segments_look_again(struct segments *s, pid_t root, struct words *why);
/*
 * Opens those that are new, and tells the target. @last: it is frozen. Before that
 * one that was let go since the look is not there, and that is all.
 */
int segments_send(struct segments *s, struct move *m, bool last);
/*
 * Adds the pages that the target does not have. @tick is called every few MiB of
 * what may be many GiB; what it returns but 0 ends it, after a word.
 */
int segments_scan(struct segments *s, struct move *m, struct dirty_runs *runs,
		  int (*tick)(void *arg), void *arg);
/* @n pages of one from @addr on, as they are now, and notes that they went. */
int segments_read(struct segments *s, uint32_t which, uint64_t addr,
		  unsigned int n, uint8_t *dst);

/*
 * They are in two places from when the tree is whole at the target until the
 * decision; who is killed meanwhile leaves this to the daemon (sysv.h).
 */
int segments_note(const struct segments *s, struct move *m);
/* The tree runs at the target, with them: away with these. */
void segments_gone(const struct segments *s, struct move *m);
/* It runs on here: there is nothing to be done after us. */
void segments_stay(const struct segments *s, struct move *m);
void segments_free(struct segments *s);

#endif
