/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of criu's lazy-pages daemon that is ours to play: it hands us a
 * userfaultfd for each process that it restores, and we fill the memory.
 */
#ifndef UFFD_H
#define UFFD_H

#include "keeper.h"
#include "lazy.h"
#include "move.h"
#include "pages.h"
#include "store.h"

/* What is put into its place beside what a thread waits for. */
enum uffd_fill {
	FILL_NOTHING,		/* not all is mapped yet */
	FILL_ABSENT,		/* what the store does not have is fetched */
	FILL_ALL,
};

struct uffd {
	pid_t pid;		/* as at the source */
	int fd;			/* -1: complete, or the process is gone */
	struct lazy lazy;
	uint64_t *again;	/* faults to be looked at after the next event */
	size_t nagain;
};

struct uffds {
	struct move *m;
	struct page_puller *puller;
	int listener;
	int conn;		/* to criu */
	bool got_pid;
	int32_t next_pid;	/* the number that came, its descriptor to come */
	bool finished;		/* criu said so: the last word */
	enum uffd_fill fill;
	bool waiting;		/* threads, for what could not be asked for yet */
	bool asked;		/* FILL_ABSENT: all of it is asked for */
	bool more;		/* FILL_ALL: the last look found something */
	bool forked;		/* a child may lack what its parent has */
	bool running;		/* processes may end, and change their memory */
	struct keeper *keeper;	/* holds a copy of each */
	struct store *store;	/* what came ahead */
	struct uffd *v;
	size_t n;
	uint64_t missing;	/* pages over all */
	uint64_t total;
	uint64_t faults;
};

/* Listens at lazy-pages.socket in the work directory. */
int uffds_listen(struct uffds *u, struct move *m, struct page_puller *p,
		 struct store *s, struct keeper *k);
/* What criu says, as far as it has (uffd_criu.c): for uffds_work(). */
int uffds_hear(struct uffds *u);
/* Descriptors to watch: at most @max in @fds, how many. */
size_t uffds_fds(const struct uffds *u, int *fds, size_t max);
/* Does a part of what can be done without waiting. */
int uffds_work(struct uffds *u);
/* From now on. */
void uffds_fill(struct uffds *u, enum uffd_fill fill);
/* Is there more that needs no waiting? */
bool uffds_busy(const struct uffds *u);
/* A run arrived that it asked for. */
int uffds_store(struct uffds *u, const struct page_news *news);
/* Was @pid handed over? */
bool uffds_has(const struct uffds *u, pid_t pid);
/* All is there: let go, so that what is not there is zeros by the kernel. */
void uffds_release(struct uffds *u);
/* Takes criu's last words, so that it need not wait to say them. */
void uffds_free(struct uffds *u);

#endif
