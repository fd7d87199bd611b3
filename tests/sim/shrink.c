// SPDX-License-Identifier: GPL-2.0-only
/*
 * Smaller ways to the same violation. Everything that a world does by chance is
 * one of two kinds of *acts*, faults and work, which are numbered as they come.
 * Acts that are left out change what comes after them, yet mostly the same rule
 * is broken again; then they were not needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static struct acts *kinds[] = { &w.faults, &w.work };
static const char *const names[] = { "faults", "work" };

bool act_left_out(struct acts *a)
{
	u32 n = a->next++;

	return n < ACTS_MAX && a->out[n / 8] & 1 << n % 8;
}

static bool is_out(const struct acts *a, u32 n)
{
	return a->out[n / 8] & 1 << n % 8;
}

static void set_out(struct acts *a, u32 from, u32 to, bool out)
{
	for (; from < to; from++) {
		if (out)
			a->out[from / 8] |= 1 << from % 8;
		else
			a->out[from / 8] &= ~(1 << from % 8);
	}
}

/* "3,7-9": as --without-faults and --without-work take it. */
bool acts_parse(struct acts *a, const char *text)
{
	while (*text) {
		char *end;
		u64 from = strtoull(text, &end, 10), to = from;

		if (end == text)
			return false;
		if (*end == '-') {
			text = end + 1;
			to = strtoull(text, &end, 10);
			if (end == text)
				return false;
		}
		if (from > to || to >= ACTS_MAX || (*end && *end != ','))
			return false;
		set_out(a, from, to + 1, true);
		text = *end ? end + 1 : end;
	}
	return true;
}

void acts_print(const struct acts *a, const char *option)
{
	const char *sep = option;
	u32 from, to;

	for (from = 0; from < ACTS_MAX; from = to + 1) {
		for (to = from; to < ACTS_MAX && is_out(a, to); to++)
			;
		if (to == from)
			continue;
		printf("%s%u", sep, from);
		if (to > from + 1)
			printf("-%u", to - 1);
		sep = ",";
	}
}

/* Fewer acts: larger pieces first, then smaller ones. */
void shrink(bool (*again)(const struct acts *faults, const struct acts *work),
	    struct acts *faults, struct acts *work, unsigned int tries)
{
	struct acts *best[] = { faults, work };
	unsigned int kind;

	for (kind = 0; kind < 2; kind++) {
		struct acts *a = best[kind], was;
		u32 count = kinds[kind]->next, size, from;

		count = min(count, (u32)ACTS_MAX);
		for (size = (count + 1) / 2; size && tries; size /= 2) {
			for (from = 0; from < count && tries; from += size) {
				u32 to = min(from + size, count), n, left = 0;

				for (n = from; n < to; n++)
					left += !is_out(a, n);
				if (!left)
					continue;
				was = *a;
				set_out(a, from, to, true);
				tries--;
				if (again(faults, work))
					count = min(kinds[kind]->next, count);
				else
					*a = was;
			}
		}
		/* what never came need not be left out */
		set_out(a, count, ACTS_MAX, false);
		printf("# of %u acts of %s %u are needed\n", count, names[kind],
		       count - acts_count(a, count));
	}
}

u32 acts_count(const struct acts *a, u32 upto)
{
	u32 n, count = 0;

	for (n = 0; n < upto; n++)
		count += is_out(a, n);
	return count;
}
