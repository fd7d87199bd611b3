/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SysV shared memory has no owner whose end would take it away. So that none is
 * left where a tree does not run, who may be killed writes down first what is to
 * go then:
 *
 *	in the work directory at the target	segments that were made for a move,
 *		until it is committed: they go if nobody has attached them
 *	PANDO_RUN_DIR/sysv-MOVE at the source	segments of the tree that moves,
 *		while the cluster decides: they go if it has moved
 *
 * One line each: id, creator's process number, time of change.
 */
#ifndef SYSV_H
#define SYSV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SYSV_MADE	"sysv"
#define SYSV_MOVES	"sysv-"

struct sysv_note {
	int id;
	pid_t creator;		/* 0: any */
	int64_t ctime;		/* 0: not known yet */
};

/* To the end of a file: 0 or a negative errno. */
int sysv_write(int fd, const struct sysv_note *n);
/*
 * Those that were made here and that nobody has attached: away with them. Takes
 * the descriptor of what was written of them, which may be -1. Says whether one is
 * left that is still attached.
 */
bool sysv_unmake(int fd);
/* What became of the move that has such a file at the source. */
void sysv_settle(uint64_t move, bool committed);
void sysv_path(char *buf, size_t size, uint64_t move);

#endif
