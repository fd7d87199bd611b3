/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal of a process that has moved. Terminal A, of the node where its
 * session's leader is, stays what it is: it edits lines, echoes, makes signals.
 * Where the process runs it has the slave of another pty, B, with EXTPROC, which
 * does nothing of that. The daemons of both nodes relay, over a link of its own:
 *
 *	near: A's node			far: where the process runs
 *				<-	PeerTerminal	by the id that A's daemon
 *							gave it
 *	Modes, Window		->			first of all, then as they
 *							change at A: while a group of
 *							the process is not in front,
 *							of the modes TOSTOP alone
 *	Data 0			->			what A has ready, while a
 *							group of the process is in
 *							front; empty: end of file
 *				<-	Taken		of it, an empty one counts 1
 *	Recall			->			the front is somebody else's
 *				<-	Data 0		what was not read, for A, if
 *							anything; unasked: nobody
 *							will read any more
 *				<-	Modes		the program has set
 *				<-	Data 1		its output; empty: it is over
 *	Done or Error		->			all is written; hung up
 *
 * A side that goes is a hang-up for the other. Nothing is held beyond
 * TERMINAL_AHEAD of input and TERMINAL_BEHIND of output: who does not read is not read
 * for.
 */
#ifndef PANDOD_TERMINAL_H
#define PANDOD_TERMINAL_H

#include <termios.h>

#include "pandod.h"

#define TERMINAL_AHEAD	4096u		/* of input, on its way to the program */
#define TERMINAL_CHUNK	16384u		/* of output */
#define TERMINAL_BEHIND	65536u		/* of it, in each buffer: a ^C does not undo it */
#define TERMINAL_GROUPS	16u		/* of a tree, that are asked for */
#define TERMINAL_TICK_MS	50	/* who is in front, and what has changed */

/* --- where the terminal is (terminal_near.c) ---------------------------------*/

/*
 * The terminal @t of a tree that is about to leave. If its slave @fd comes along it is of
 * this node, and kept: the move @id is its key. Returns what to say of it to the next node
 * (pando__move_terminal__free_unpacked), or NULL for what is none. @fd is the callee's.
 */
Pando__MoveTerminal *terminal_near_take(uint64_t id, int fd,
					const Pando__MoveTerminal *t);
/* The move is over; who left has joined by its key, or does so within a moment. */
void terminal_near_decided(uint64_t id, bool left);
/* The slave by that key, for a tree that comes home: borrowed, or -1. */
int terminal_near_slave(uint64_t id);
/* Another daemon has the process and the other pty. */
void terminal_near_join(struct request *r, const Pando__PeerTerminal *q);

/* --- where the process is (terminal_far.c) -------------------------------------*/

/* Relays for @root, whose terminal @t is, from and to the pty @master: the callee's. */
void terminal_far_start(uint32_t root, int master, const Pando__MoveTerminal *t);
/* That process has moved on: what it has not read is not for it here. */
void terminal_far_left(uint64_t id, uint32_t root);
/*
 * What stands here for terminals elsewhere, by its device number; both arrays are
 * to be freed. How many.
 */
size_t terminal_far_list(Pando__MoveTerminal **list,
			 Pando__MoveTerminal ***pointers);

/*
 * /proc/PID/stat of a process of the namespace, from its state on: in @buf, or NULL
 * when there is none.
 */
const char *terminal_stat(uint32_t pid, char *buf, size_t size);

/* --- what both say (terminal_modes.c) --------------------------------------------*/

/* What differs between the two ptys is no difference: EXTPROC, the line's speed. */
bool terminal_modes_equal(const struct termios *a, const struct termios *b);
/* TOSTOP of *@t is as in @lflag: true if that is a change. */
bool terminal_modes_tostop(struct termios *t, tcflag_t lflag);
/* Points to @t. */
void terminal_modes_pack(const struct termios *t, Pando__Modes *m);
/* Into *@t, which keeps what does not travel. -EPROTO. */
int terminal_modes_unpack(const Pando__Modes *m, struct termios *t);
/*
 * B has made CR LF of the program's LF, and A will do so again: back, in place, if
 * both are so set. *@cr: the last byte so far was a CR. How many are left.
 */
size_t terminal_output(const struct termios *t, uint8_t *buf, size_t n, bool *cr);

#endif
