/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of criu's lazy-pages daemon that is ours to play: it hands us a
 * userfaultfd for each process that it restores, and we fill the memory.
 */
#ifndef UFFD_H
#define UFFD_H

#include "lazy.h"
#include "move.h"
#include "pages.h"

struct uffd {
	pid_t pid;		/* as at the source */
	int fd;			/* -1: complete, or the process is gone */
	struct lazy lazy;
};

struct uffds {
	struct move *m;
	struct page_puller *puller;
	int listener;
	int conn;		/* to criu */
	bool got_pid;
	int32_t next_pid;	/* the number that came, its descriptor to come */
	bool finished;		/* criu said so: the last word */
	bool push;		/* all is mapped: fetch what nobody waits for */
	struct uffd *v;
	size_t n;
	uint64_t missing;	/* pages over all */
	uint64_t total;
	uint64_t faults;
};

/* Listens at lazy-pages.socket in the work directory. */
int uffds_listen(struct uffds *u, struct move *m, struct page_puller *p);
/* Descriptors to watch: at most @max in @fds, how many. */
size_t uffds_fds(const struct uffds *u, int *fds, size_t max);
/* Does what can be done without waiting. */
int uffds_work(struct uffds *u);
/* A run arrived: page_store of the puller. */
int uffds_store(void *arg, uint64_t cookie, uint64_t addr, unsigned int n,
		uint64_t zero, const uint8_t *data);
/* Was @pid handed over? */
bool uffds_has(const struct uffds *u, pid_t pid);
/* All is there: let go, so that what is not there is zeros by the kernel. */
void uffds_release(struct uffds *u);
/* Takes criu's last words, so that it need not wait to say them. */
void uffds_free(struct uffds *u);

#endif
