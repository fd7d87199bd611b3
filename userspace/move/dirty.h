/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of a running tree the target does not have as they are now.
 *
 * Fed with what /proc/PID/pagemap says of each private anonymous mapping, scan
 * after scan, while the process is stopped; no I/O here. For a page that was
 * handed out its key is kept: what pagemap said of it then. The page has not
 * changed since if its key is the same and it is not soft-dirty.
 *
 * The page frame is in the key too: whatever stands at an address, it is not
 * what it was if the frame is another. A frame that got another owner meanwhile
 * was written by it, and that is seen.
 */
#ifndef DIRTY_H
#define DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* pagemap entries, Documentation/admin-guide/mm/pagemap.rst */
#define PM_PRESENT	(1ull << 63)
#define PM_SWAP		(1ull << 62)
#define PM_SOFT_DIRTY	(1ull << 55)
#define PM_FRAME	((1ull << 55) - 1)

/* What the target is to do: fetch these pages, or forget them. */
struct dirty_run {
	uint64_t addr;
	uint32_t pages;
	pid_t pid;
	bool drop;
	uint64_t first;		/* position of its first page among the fetched */
};

struct dirty_runs {
	struct dirty_run *v;
	size_t n;
	uint64_t pages;		/* over all that are to be fetched */
};

/* One mapping: a key for each page, 0 for one that the target has not. */
struct dirty_span {
	uint64_t start, end;
	uint64_t *key;
};

struct dirty_proc {
	pid_t pid;
	bool seen;		/* in the scan at hand */
	struct dirty_span *was;	/* by address */
	size_t nwas;
	size_t at;		/* the first of them that may matter yet */
	struct dirty_span *now;
	size_t nnow;
};

struct dirty {
	struct dirty_proc *proc;
	size_t n;
	uint64_t zero_key;	/* of the kernel's page of zeros, or 0 */
};

/*
 * A scan: dirty_scan() once, then for each process dirty_open(), dirty_span()
 * for its mappings by rising address and dirty_close(), then dirty_scanned().
 * What is to be done is added to @out. dirty_skip() instead of the three: it
 * could not be looked at, and what is known of it stays.
 */
void dirty_scan(struct dirty *d);
struct dirty_proc *dirty_open(struct dirty *d, pid_t pid);
/* @entry: what pagemap says of each page of [start, end). */
void dirty_span(struct dirty *d, struct dirty_proc *p, uint64_t start,
		uint64_t end, const uint64_t *entry, struct dirty_runs *out);
void dirty_close(struct dirty_proc *p, struct dirty_runs *out);
void dirty_skip(struct dirty *d, pid_t pid);
void dirty_scanned(struct dirty *d, struct dirty_runs *out);

/* The target did not get these after all. */
void dirty_forget(struct dirty *d, pid_t pid, uint64_t addr, uint64_t pages);
bool dirty_has(const struct dirty *d, pid_t pid);
void dirty_free(struct dirty *d);
/* One that is to be fetched. */
void dirty_runs_add(struct dirty_runs *r, pid_t pid, uint64_t addr,
		    uint64_t pages);
/* The run with the page at @position, or r->n; @hint: an earlier answer, or 0. */
size_t dirty_runs_find(const struct dirty_runs *r, uint64_t position,
		       size_t hint);
void dirty_runs_free(struct dirty_runs *r);

#endif
