/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbered points of a move at which something can be made to happen, for
 * tests. PANDO_FAULT in the environment of a program, or else the file
 * /run/pando/fault (root's), holds
 *
 *	POINT ACTION
 *
 * and the first program that comes to POINT does ACTION:
 *
 *	kill	SIGKILL to itself
 *	fail	acts as if the step had failed, where it can
 *	wait	writes its pid to /run/pando/fault.hit and stands still until
 *		the file /run/pando/fault is gone: time for a test to do what
 *		it wants in that very moment
 *
 * Both files are looked at when a move begins, and without them a point costs
 * a comparison.
 */
#ifndef PANDO_FAULT_H
#define PANDO_FAULT_H

#include <stdbool.h>

/* Numbers are an interface of tests: never used again for another point. */
enum fault_point {
	FAULT_NONE = 0,
	/* the source's mover */
	FAULT_S_LOOKED = 1,	/* the tree is collected, nothing promised */
	FAULT_S_PLAN = 2,	/* the target connected, the plan is not sent */
	FAULT_S_FABRIC = 3,	/* a page fabric is open */
	FAULT_S_STOPPED = 4,	/* a process stands still to be looked at */
	FAULT_S_ROUND = 5,	/* a round was listed, and travels */
	FAULT_S_DUMP = 6,	/* pre-copy is over, criu was not asked yet */
	FAULT_S_FROZEN = 7,	/* criu holds all tasks, and has described them */
	FAULT_S_IMAGES = 8,	/* the last list of pages is sent */
	FAULT_S_STATE = 9,	/* they are sent */
	FAULT_S_HELD = 10,	/* the target has all, our daemon does not know */
	FAULT_S_READY = 11,	/* it was told: the cluster decides */
	FAULT_S_COMMITTED = 12,	/* decided; the originals are still there */
	FAULT_S_KILLED = 13,	/* and now not any more */
	/* the target's mover */
	FAULT_T_PLAN = 21,	/* the plan was read */
	FAULT_T_FABRIC = 22,	/* a page fabric is open */
	FAULT_T_ROUND = 23,	/* a list of pages came */
	FAULT_T_STATE = 24,	/* the state is here, nothing is built */
	FAULT_T_RESTORE = 25,	/* criu was asked to restore */
	FAULT_T_BUILT = 26,	/* all is rebuilt, criu holds it */
	FAULT_T_READY = 27,	/* our daemon was told: the cluster decides */
	FAULT_T_COMMITTED = 28,	/* decided; it does not run yet */
	FAULT_T_RUNNING = 29,	/* it runs, its memory is not in its place */
	FAULT_T_FILLED = 30,	/* its memory is */
	FAULT_T_HOLDER = 32,	/* before READY: all is here, the holder is not */
	FAULT_T_SEGMENTS = 33,	/* its SysV shared memory is made */
	FAULT_T_TRACED = 31,	/* before READY: criu is done, they are not frozen yet */
	/* the source's daemon */
	FAULT_D_ASK = 41,	/* the mover is prepared, the target not asked */
	FAULT_D_COMMIT = 42,	/* both sides are ready, COMMIT is not sent */
	FAULT_D_SENT = 43,	/* COMMIT is sent */
	FAULT_D_EFFECTIVE = 45,	/* it is effective, not even our kernel was told */
	FAULT_D_DECIDED = 44,	/* our kernel knows, our mover does not */
	/* the target's daemon */
	FAULT_E_PREPARE = 51,	/* asked; nothing is reserved */
	FAULT_E_RESERVED = 52,	/* the numbers are reserved, the mover starts */
	FAULT_E_READY = 53,	/* the mover said ready, the source not told */
	FAULT_E_DECIDED = 54,	/* it is effective, our mover was not told */
};

/* Looks whether there is anything to do at all. */
void fault_load(void);
extern int fault_armed;
/* True where the step is to fail. */
bool fault_hit(enum fault_point point);

static inline bool fault_at(enum fault_point point)
{
	return fault_armed == (int)point && fault_hit(point);
}

#endif
