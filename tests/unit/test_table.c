// SPDX-License-Identifier: GPL-2.0-only
// LINK: tools/table.c tools/term.c
/* Tables and what a terminal may be shown. */
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "../../tools/cli.h"
#include "../../tools/table.h"
#include "../../tools/term.h"

/* In place of cli.c, which ends the program. */
void *cli_alloc(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

void *cli_grow(void *ptr, size_t count, size_t size)
{
	return reallocarray(ptr, count, size);
}

void cli_die(const char *fmt, ...)
{
	puts(fmt);
	abort();
}

static const struct table_column columns[] = {
	{ "ID", 0, true, false },
	{ "NAME", 6, false, false },
	{ "WHAT", 0, false, false },
};

static struct table *sample(void)
{
	struct table *t = table_new(columns, 3);

	table_cell(t, "%d", 7);
	table_text(t, TABLE_GOOD, "a");
	table_text(t, TABLE_PLAIN, "first of all");
	table_cell(t, "%d", 1234);
	table_text(t, TABLE_PLAIN, "longname");
	table_text(t, TABLE_PLAIN, "");
	return t;
}

static bool prints(const struct table *t, bool titles, int width, bool colour,
		   const char *want)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool same;

	table_print(t, out, titles, width, colour);
	fclose(out);
	same = !strcmp(text, want);
	if (!same)
		printf("# got\n%s# wanted\n%s", text, want);
	free(text);
	return same;
}

TEST(widths)
{
	struct table *t = sample();

	CHECK(prints(t, true, 0, false,
		     "  ID NAME     WHAT\n"
		     "   7 a        first of all\n"
		     "1234 longname\n"));
	CHECK(prints(t, false, 0, false,
		     "   7 a        first of all\n"
		     "1234 longname\n"));
	table_free(t);
}

TEST(cut)
{
	struct table *t = sample();

	CHECK(prints(t, true, 19, false,
		     "  ID NAME     WHAT\n"
		     "   7 a        first\n"
		     "1234 longname\n"));
	CHECK(prints(t, false, 8, false, "   7 a\n1234 lon\n"));
	CHECK(prints(t, false, 1, false, "\n1\n"));
	table_free(t);
}

TEST(colour)
{
	struct table *t = sample();

	CHECK(prints(t, false, 0, true,
		     "   7 \033[32ma\033[0m        first of all\n"
		     "1234 longname\n"));
	table_free(t);
}

TEST(fixed_and_untitled)
{
	static const struct table_column fixed[] = {
		{ "", 4, false, true },
		{ "", 0, false, false },
	};
	struct table *t = table_new(fixed, 2);

	table_text(t, TABLE_PLAIN, "abcdefgh");
	table_text(t, TABLE_PLAIN, "x");
	CHECK(prints(t, true, 0, false, "abcd x\n"));
	table_free(t);
}

TEST(empty_cells)
{
	static const struct table_column two[] = {
		{ "A", 3, false, false },
		{ "B", 3, true, false },
		{ "C", 0, false, false },
	};
	struct table *t = table_new(two, 3);

	for (int i = 0; i < 2; i++)
		table_text(t, TABLE_PLAIN, "");
	table_text(t, TABLE_PLAIN, "c");
	CHECK(prints(t, true, 0, false, "A     B C\n        c\n"));
	table_free(t);
}

static bool cleans(const char *src, int width, const char *want, int used)
{
	char text[64];
	int n = term_clean(text, sizeof(text), src, width);

	if (strcmp(text, want) || n != used) {
		printf("# got '%s' %d\n", text, n);
		return false;
	}
	return true;
}

TEST(clean)
{
	char small[4];

	CHECK(cleans("plain", -1, "plain", 5));
	CHECK(cleans("a\033[31mb\n\x7f", -1, "a?[31mb??", 9));
	CHECK(cleans("abcdef", 3, "abc", 3));
	CHECK(cleans("", 0, "", 0));
	/* never more than there is room for */
	CHECK_EQ(term_clean(small, sizeof(small), "abcdef", -1), 3);
	CHECK(!strcmp(small, "abc"));
}

TEST(clean_utf8)
{
	char small[3];

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return;
	CHECK(cleans("caf\xc3\xa9!", -1, "caf\xc3\xa9!", 5));
	CHECK(cleans("caf\xc3\xa9!", 4, "caf\xc3\xa9", 4));
	/* two columns wide: it does not fit in one */
	CHECK(cleans("\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2", 2));
	CHECK(cleans("x\xff\xc3", -1, "x??", 3));
	/* a character is taken whole or not at all */
	CHECK_EQ(term_clean(small, sizeof(small), "a\xe6\xbc\xa2", -1), 1);
	CHECK(!strcmp(small, "a"));
}

static bool human(uint64_t bytes, const char *want)
{
	char buf[HUMAN_SIZE];

	return !strcmp(human_bytes(buf, bytes), want);
}

TEST(sizes)
{
	CHECK(human(0, "0B"));
	CHECK(human(999, "999B"));
	CHECK(human(1024, "1.0K"));
	CHECK(human(1536, "1.5K"));
	CHECK(human(10 << 20, "10M"));
	CHECK(human(1000 << 20, "1.0G"));
	CHECK(human(UINT64_MAX, "16E"));
}

TAP_MAIN(T(widths), T(cut), T(colour), T(fixed_and_untitled), T(empty_cells),
	 T(clean), T(clean_utf8), T(sizes))
