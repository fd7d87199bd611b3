// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/proc_record.c
/* What another node says of many processes is looked at before it is believed. */
#include "proc_record.h"
#include "tap.h"

static uint64_t space[4096];
static u8 *const buf = (u8 *)space;

/* Adds a record with the given files at @at; where it ends. */
static size_t add(size_t at, u32 pid, const char *const *files)
{
	struct pando_wire_proc_bulk *rec = (void *)(buf + at);

	memset(rec, 0, sizeof(*rec));
	rec->stat.mode = cpu_to_le32(040555);
	rec->pid = cpu_to_le32(pid);
	at += sizeof(*rec);
	for (int i = 0; i < PANDO_BULK_FILES; i++) {
		const char *text = files ? files[i] : NULL;

		rec->len[i] = cpu_to_le16(text ? strlen(text) :
						 PANDO_BULK_ABSENT);
		if (text)
			memcpy(buf + at, text, strlen(text));
		at += text ? strlen(text) : 0;
	}
	while (at % 8)
		buf[at++] = 0;
	return at;
}

static const char *const files[PANDO_BULK_FILES] = {
	"1 (a) S", "Name:\ta", "", NULL, "a", "0::/", NULL, "rchar: 1",
};

static bool is(const struct pando_wire_proc_bulk *rec, const char *name,
	       const char *want)
{
	size_t len;
	const u8 *data;

	data = pando_record_file(rec, pando_record_index(name), &len);
	return want ? data && len == strlen(want) && !memcmp(data, want, len) :
		      !data;
}

TEST(finds_processes_and_their_files)
{
	size_t len = add(add(add(0, 2000, files), 2001, NULL), 5000, files);
	const struct pando_wire_proc_bulk *rec;

	CHECK(pando_record_whole(buf, len, 2000));
	CHECK(pando_record_whole(buf, len, 1024));
	CHECK(pando_record_whole(buf, 0, 1024));
	rec = pando_record_find(buf, len, 5000);
	CHECK(rec);
	if (!rec)
		return;
	CHECK(is(rec, "stat", "1 (a) S"));
	CHECK(is(rec, "statm", ""));
	CHECK(is(rec, "cmdline", NULL));
	CHECK(is(rec, "cgroup", "0::/"));
	CHECK(is(rec, "environ", NULL));
	CHECK(is(rec, "io", "rchar: 1"));
	rec = pando_record_find(buf, len, 2001);
	CHECK(rec && is(rec, "stat", NULL) && is(rec, "io", NULL));
	CHECK(!pando_record_find(buf, len, 1999));
	CHECK(!pando_record_find(buf, len, 3000));
	CHECK(!pando_record_find(buf, len, 5001));
	CHECK(!pando_record_find(buf, 0, 2000));
	CHECK_EQ(pando_record_index("maps"), -1);
	CHECK_EQ(pando_record_mode(pando_record_index("comm")), 0100644);
	CHECK_EQ(pando_record_mode(pando_record_index("environ")), 0100400);
}

TEST(what_is_not_whole_is_refused)
{
	size_t one = add(0, 2000, files), len = add(one, 2001, files);
	struct pando_wire_proc_bulk *second = (void *)(buf + one);

	for (size_t cut = 1; cut < len; cut++)
		CHECK_EQ(pando_record_whole(buf, cut, 2000), cut == one);
	CHECK(!pando_record_whole(buf, len, 2001));
	second->pid = cpu_to_le32(2000);
	CHECK(!pando_record_whole(buf, len, 2000));
	second->pid = cpu_to_le32(2001);
	second->stat.mode = cpu_to_le32(0100444);
	CHECK(!pando_record_whole(buf, len, 2000));
	second->stat.mode = cpu_to_le32(040555);
	second->len[7] = cpu_to_le16(PANDO_BULK_ABSENT - 1);
	CHECK(!pando_record_whole(buf, len, 2000));
}

static bool terminal(const char *before, u32 tty, size_t cap, const char *after)
{
	char text[64];
	size_t len = strlen(before);

	memcpy(text, before, len);
	len = pando_stat_set_tty(text, len, cap, tty);
	return len == strlen(after) && !memcmp(text, after, len);
}

TEST(puts_another_terminal_into_a_stat)
{
	CHECK(terminal("7 (a) S 1 7 7 34816 9 0\n", 34817, 64, "7 (a) S 1 7 7 34817 9 0\n"));
	CHECK(terminal("7 (a) S 1 7 7 0 -1 0\n", 34816, 64, "7 (a) S 1 7 7 34816 -1 0\n"));
	CHECK(terminal("7 (a) S 1 7 7 34816 9 0\n", 1025, 64, "7 (a) S 1 7 7 1025 9 0\n"));
	CHECK(terminal("7 (a) S 1 7 7 0 9\n", 0x80000000, 64, "7 (a) S 1 7 7 -2147483648 9\n"));
	/* whatever its name is */
	CHECK(terminal("7 ((a) S 1) R 1 7 7 5 9\n", 6, 64, "7 ((a) S 1) R 1 7 7 6 9\n"));
	CHECK(terminal("7 () R 1 7 7 5 9\n", 6, 64, "7 () R 1 7 7 6 9\n"));
	/* no room for it, by one; and just enough */
	CHECK(terminal("7 (a) S 1 7 7 0 -1 0\n", 34816, 24, "7 (a) S 1 7 7 0 -1 0\n"));
	CHECK(terminal("7 (a) S 1 7 7 0 -1 0\n", 34816, 25, "7 (a) S 1 7 7 34816 -1 0\n"));
	/* no stat, or the beginning of one */
	CHECK(terminal("", 6, 64, ""));
	CHECK(terminal("7 a S 1 7 7 5 9\n", 6, 64, "7 a S 1 7 7 5 9\n"));
	CHECK(terminal("7 (a)", 6, 64, "7 (a)"));
	CHECK(terminal("7 (a) S 1 7 7", 6, 64, "7 (a) S 1 7 7"));
	CHECK(terminal("7 (a) S 1 7 7 ", 6, 64, "7 (a) S 1 7 7 "));
	CHECK(terminal("7 (a) S 1 7 7 34", 6, 64, "7 (a) S 1 7 7 34"));
}

/* Any bytes at all: nothing outside of them is touched (the sanitizer looks). */
TEST(noise)
{
	uint32_t x = 1;

	for (int round = 0; round < 20000; round++) {
		size_t len = round % 400;
		u8 *p = malloc(len);

		if (!p)
			return;
		for (size_t i = 0; i < len; i++) {
			x = x * 1664525 + 1013904223;
			/* small lengths, or nothing would ever fit */
			p[i] = i % 2 ? 0 : x >> 28;
		}
		/* a directory, or it would not be looked at any further */
		if (len > 1)
			p[1] = 0x40;
		if (pando_record_whole(p, len, 0)) {
			size_t l;
			const struct pando_wire_proc_bulk *rec =
				pando_record_find(p, len, 3);

			for (int i = 0; rec && i < PANDO_BULK_FILES; i++)
				pando_record_file(rec, i, &l);
		}
		free(p);
	}
}

TAP_MAIN(T(finds_processes_and_their_files), T(what_is_not_whole_is_refused),
	 T(puts_another_terminal_into_a_stat),
	 T(noise))
