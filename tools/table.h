/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables for people: a row a line, columns as wide as what stands in them, the
 * last one open to the right.
 */
#ifndef PANDO_TABLE_H
#define PANDO_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum table_colour { TABLE_PLAIN, TABLE_GOOD, TABLE_WARN, TABLE_BAD };

struct table_column {
	const char *title;
	int width;		/* at least */
	bool right;		/* numbers */
	bool fixed;		/* cut what is wider */
};

struct table;

struct table *table_new(const struct table_column *columns, int count);
void table_free(struct table *t);
/* The next cell, row by row. */
void table_cell(struct table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void table_text(struct table *t, enum table_colour colour, const char *text);
/*
 * @titles: with a line of titles, unless all are empty. @width: lines are cut
 * there (0: never). @colour: cells may be painted.
 */
void table_print(const struct table *t, FILE *out, bool titles, int width,
		 bool colour);

/* 1536 -> "1.5M": KiB for people, at most five characters; returns @buf. */
#define HUMAN_SIZE 16
char *human_kib(char buf[HUMAN_SIZE], uint64_t kib);
char *human_bytes(char buf[HUMAN_SIZE], uint64_t bytes);

#endif
