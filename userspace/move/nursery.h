/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where stubs are made: a small process, forked before the mover has memory or
 * descriptors worth the name, that makes others of its kind on demand. A stub
 * sleeps in pause() and holds a PID; the kernel does the rest (linux/pando.h).
 * The nursery ends with the mover, and so do the stubs that were not kept.
 */
#ifndef NURSERY_H
#define NURSERY_H

#include <stdint.h>
#include <sys/types.h>

struct nursery {
	int sock;		/* -1: there is none */
	pid_t pid;
};

/* Whose a stub is to be: by that the kernel judges who may signal it. */
struct ids {
	uint32_t uid[3];	/* real, effective, saved */
	uint32_t gid[3];
};

int nursery_start(struct nursery *n);
/*
 * Makes a stub with the PID @number, which was claimed, or with 0 a node-local
 * one; with the clock of @parent, if that is not 0, so that it can move with it
 * (clock.h). Returns the PID, or a negative errno.
 */
pid_t nursery_make(struct nursery *n, pid_t number, pid_t parent,
		   const struct ids *ids, int timeout_ms);
void nursery_end(struct nursery *n);

#endif
