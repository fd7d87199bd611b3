// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "table.h"
#include "term.h"

struct cell {
	char *text;		/* clean */
	int width;
	enum table_colour colour;
};

struct table {
	int columns;
	struct table_column *column;
	struct cell *title;
	struct cell *cell;
	size_t count, room;
};

static struct cell cell_make(const char *text, int limit)
{
	size_t size = strlen(text) + 1;
	struct cell c = { .text = cli_alloc(size, 1) };

	c.width = term_clean(c.text, size, text, limit);
	return c;
}

struct table *table_new(const struct table_column *columns, int count)
{
	struct table *t = cli_alloc(1, sizeof(*t));

	t->columns = count;
	t->column = cli_alloc(count, sizeof(*t->column));
	t->title = cli_alloc(count, sizeof(*t->title));
	for (int i = 0; i < count; i++) {
		struct table_column *c = &t->column[i];

		*c = columns[i];
		t->title[i] = cell_make(c->title, c->fixed ? c->width : -1);
		if (t->title[i].width > c->width)
			c->width = t->title[i].width;
	}
	return t;
}

void table_free(struct table *t)
{
	for (int i = 0; i < t->columns; i++)
		free(t->title[i].text);
	for (size_t i = 0; i < t->count; i++)
		free(t->cell[i].text);
	free(t->column);
	free(t->title);
	free(t->cell);
	free(t);
}

void table_text(struct table *t, enum table_colour colour, const char *text)
{
	struct table_column *c = &t->column[t->count % t->columns];
	struct cell cell = cell_make(text, c->fixed ? c->width : -1);

	cell.colour = colour;
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cell = cli_grow(t->cell, t->room, sizeof(*t->cell));
	}
	t->cell[t->count++] = cell;
	if (cell.width > c->width)
		c->width = cell.width;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		cli_die("out of memory");
	table_text(t, TABLE_PLAIN, text);
	free(text);
}

static void pad(FILE *out, int n)
{
	if (n > 0)
		fprintf(out, "%*s", n, "");
}

static void print_row(const struct table *t, const struct cell *row, FILE *out,
		      int width, bool colour)
{
	static const char *const code[] = {
		[TABLE_GOOD] = "\033[32m",
		[TABLE_WARN] = "\033[33m",
		[TABLE_BAD] = "\033[31m",
	};
	int gap = 0, left = width;

	for (int i = 0; i < t->columns; i++) {
		const struct cell *c = &row[i];
		bool paint = colour && c->colour;
		int fill = t->column[i].width - c->width;
		int before = gap + (t->column[i].right ? fill : 0);
		const char *text = c->text;
		int used = c->width;
		char *cut = NULL;

		if (width && before + used > left) {
			size_t size = strlen(text) + 1;

			if (before >= left)
				break;
			cut = cli_alloc(size, 1);
			used = term_clean(cut, size, text, left - before);
			text = cut;
		}
		/* blanks are written before a text: none trail at the end */
		if (used) {
			pad(out, before);
			fprintf(out, "%s%s%s", paint ? code[c->colour] : "",
				text, paint ? "\033[0m" : "");
			left -= before + used;
			before = 0;
		}
		gap = before + 1 + (t->column[i].right ? 0 : fill);
		free(cut);
	}
	fputc('\n', out);
}

void table_print(const struct table *t, FILE *out, bool titles, int width,
		 bool colour)
{
	bool named = false;

	for (int i = 0; i < t->columns; i++)
		named = named || t->title[i].width;
	if (titles && named)
		print_row(t, t->title, out, width, false);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		print_row(t, t->cell + i, out, width, colour);
}

char *human_bytes(char buf[HUMAN_SIZE], uint64_t bytes)
{
	static const char unit[] = "BKMGTPE";
	double value = bytes;
	int i = 0;

	while (value >= 1000 && unit[i + 1]) {
		value /= 1024;
		i++;
	}
	snprintf(buf, HUMAN_SIZE, i && value < 9.95 ? "%.1f%c" : "%.0f%c",
		 value, unit[i]);
	return buf;
}

char *human_kib(char buf[HUMAN_SIZE], uint64_t kib)
{
	return human_bytes(buf, kib * 1024);
}
