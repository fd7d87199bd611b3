// SPDX-License-Identifier: GPL-2.0-only
/* The reply to BULK: see proc_record.h. */
#include "proc_record.h"

#define TYPE_MASK	0170000u
#define TYPE_DIR	0040000u
#define TYPE_FILE	0100000u

static const char *const names[PANDO_BULK_FILES] = PANDO_BULK_NAMES;

/* As procfs has them. */
static const u32 modes[PANDO_BULK_FILES] = {
	0444, 0444, 0444, 0444, 0644, 0444, 0400, 0400
};

/* Where the record at @at ends; 0 when it is not whole. */
static size_t record_end(const u8 *buf, size_t at, size_t len)
{
	const struct pando_wire_proc_bulk *rec = (const void *)(buf + at);
	size_t end = at + sizeof(*rec);
	int i;

	if (len - at < sizeof(*rec))
		return 0;
	for (i = 0; i < PANDO_BULK_FILES; i++)
		if (le16_to_cpu(rec->len[i]) != PANDO_BULK_ABSENT)
			end += le16_to_cpu(rec->len[i]);
	end = (end + 7) & ~(size_t)7;
	return end <= len ? end : 0;
}

bool pando_record_whole(const u8 *buf, size_t len, u32 pid)
{
	const struct pando_wire_proc_bulk *rec;
	size_t at = 0;

	while (at < len) {
		rec = (const void *)(buf + at);
		at = record_end(buf, at, len);
		if (!at || le32_to_cpu(rec->pid) < pid ||
		    (le32_to_cpu(rec->stat.mode) & TYPE_MASK) != TYPE_DIR)
			return false;
		pid = le32_to_cpu(rec->pid) + 1;
	}
	return true;
}

const struct pando_wire_proc_bulk *
pando_record_find(const u8 *buf, size_t len, u32 pid)
{
	const struct pando_wire_proc_bulk *rec;
	size_t at;

	for (at = 0; at < len; at = record_end(buf, at, len)) {
		rec = (const void *)(buf + at);
		if (le32_to_cpu(rec->pid) == pid)
			return rec;
		if (le32_to_cpu(rec->pid) > pid)
			break;
	}
	return NULL;
}

int pando_record_index(const char *name)
{
	int i;

	for (i = 0; i < PANDO_BULK_FILES; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

u32 pando_record_mode(int index)
{
	return TYPE_FILE | modes[index];
}

const u8 *pando_record_file(const struct pando_wire_proc_bulk *rec, int index,
			    size_t *len)
{
	const u8 *data = (const void *)(rec + 1);
	int i;

	for (i = 0; i < index; i++)
		if (le16_to_cpu(rec->len[i]) != PANDO_BULK_ABSENT)
			data += le16_to_cpu(rec->len[i]);
	*len = le16_to_cpu(rec->len[index]);
	return *len <= PANDO_BULK_FILE ? data : NULL;
}

size_t pando_stat_set_tty(char *text, size_t len, size_t cap, u32 tty)
{
	char number[sizeof("-2147483648")];
	size_t at = len, end, n;
	int field;

	/* a name may hold anything, but what follows has no parentheses */
	while (at && text[at - 1] != ')')
		at--;
	if (!at)
		return len;
	/* behind it: state ppid pgrp session tty_nr */
	for (field = 0; field < 5; field++) {
		while (at < len && text[at] != ' ')
			at++;
		if (at++ >= len)
			return len;
	}
	end = at;
	while (end < len && text[end] != ' ')
		end++;
	n = snprintf(number, sizeof(number), "%d", (s32)tty);
	if (end >= len || len - (end - at) + n > cap)
		return len;
	memmove(text + at + n, text + end, len - end);
	memcpy(text + at, number, n);
	return len - (end - at) + n;
}
