/* SPDX-License-Identifier: GPL-2.0-only */
/* cluster-ps: what its files share. */
#ifndef PANDO_PS_H
#define PANDO_PS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pando.h"

/* A process as it is shown. */
struct proc {
	const Pando__Process *p;
	const char *node, *home, *user;	/* names */
	double pcpu, pmem;
	uint64_t elapsed_ms;
	char *branch;			/* the tree's lines before its command */
};

struct procs {
	struct proc *proc;
	size_t count;
	uint64_t now_unix_ms;
};

/* --- ps_columns.c ---------------------------------------------------------*/

#define PS_TEXT 65536	/* of one cell; a longer command line is cut */

struct ps_column {
	const char *name, *title;
	int width;
	bool right;
	/* one of them is the order; text shows what num alone would not */
	double (*num)(const struct proc *p);
	void (*text)(const struct proc *p, char *buf, size_t size);
};

const struct ps_column *ps_column_find(const char *name);
/* By one column; numbers by value, all else as text. */
int ps_column_compare(const struct ps_column *c, const struct proc *a,
		      const struct proc *b);
/* Names for --help, in lines. */
const char *ps_column_names(void);

/* --- ps_format.c: forms of the values --------------------------------------*/

uint64_t ps_now_ms(void);
void ps_set_now_ms(uint64_t unix_ms);
void ps_tty(uint32_t device, char *buf, size_t size);
void ps_duration(uint64_t seconds, bool hours, char *buf, size_t size);
/* A point in time as short as the distance to now allows. */
void ps_start(uint64_t unix_ms, char *buf, size_t size);
void ps_date(const char *format, uint64_t unix_ms, char *buf, size_t size);

/* --- ps_options.c ----------------------------------------------------------*/

struct ps_shown {
	const struct ps_column *column;
	char *title;		/* NULL: the column's own */
	int width;		/* 0: as wide as needed */
};

struct ps_sort {
	const struct ps_column *column;
	bool down;
};

struct ps_list {
	char **word;
	size_t count;
};

struct ps_options {
	struct ps_shown *shown;
	size_t columns;
	struct ps_sort *sort;
	size_t sorts;

	bool every;			/* -e, -A, or no selection at all */
	bool no_leaders;		/* -d: all but session leaders */
	bool with_tty;			/* -a: besides, only those with a terminal */
	bool own;			/* BSD x: mine */
	bool all_tty;			/* BSD a */
	bool deselect;			/* -N */
	struct ps_list pid, ppid, sid, ruser, euser, comm, tty;
	struct ps_list node;		/* only of these, whatever else is said */

	bool json, headers, forest, indent;
	int width;			/* 0: no limit */
};

void ps_options_parse(struct ps_options *o, int argc, char **argv);

/* --- ps_select.c, ps_tree.c -------------------------------------------------*/

bool ps_selected(const struct ps_options *o, const struct proc *p);
/* Puts children behind their parents and draws the lines between them. */
void ps_tree(struct procs *procs, bool lines);

#endif
