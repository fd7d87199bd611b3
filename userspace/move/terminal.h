/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal that moves with a tree, or rather does not: see terminal.h of pandod.
 * criu takes it as one that is somebody else's, and names it after the device.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "tree.h"

struct keeper;

struct terminal {
	char key[64];		/* criu's name for it at the source; empty: none */
	int slave, master;	/* -1: none; master: what stands for it here */
};

#define TERMINAL_NONE	((struct terminal){ .slave = -1, .master = -1 })

/* --- at the source --------------------------------------------------------------*/

/* Looks for it; what keeps the tree from moving because of it goes to @why. */
void terminal_look(const struct move *m, const struct tree *t,
		   struct tree_terminal *found, struct words *why);
/*
 * Takes the slave from the process that has it, and says so in *@out, for which it
 * uses @found; a slave that only stands for one elsewhere is not taken.
 */
int terminal_take(struct move *m, const struct tree_terminal *found,
		  struct terminal *t, Pando__MoveTerminal *out);

/* --- at the target ----------------------------------------------------------------*/

/* The slave that the tree is to have here: its own, or that of a new pty. */
int terminal_make(struct move *m, struct terminal *t);
/* criu's images: its session is not restored, its modes are what they are to be. */
int terminal_adopt(struct move *m, const struct terminal *t);
/* After the commit: the daemon relays. */
void terminal_hand_over(struct move *m, struct terminal *t);

void terminal_free(struct terminal *t);

#endif
