// SPDX-License-Identifier: GPL-2.0-only
/* What is still to be read of who has ended; see kept.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kept.h"
#include "move.h"
#include "pages.h"
#include "tree.h"

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

static int take_page(struct kept *k, pid_t pid, uint64_t addr)
{
	int err;

	/* grows in powers of two */
	if (!(k->n & (k->n - 1))) {
		size_t room = k->n ? 2 * k->n : 1;

		k->addr = xrealloc(k->addr, room, sizeof(*k->addr));
		k->data = xrealloc(k->data, room, PAGE);
	}
	err = read_forced(pid, addr, 1, k->data + k->n * PAGE);
	if (err)
		return err;
	if (!is_zero(k->data + k->n * PAGE))
		k->addr[k->n++] = addr;
	return 0;
}

int kept_take(struct kept *k, pid_t pid)
{
	char *maps = proc_text(pid, "maps"), *line, *save = NULL;
	int err = maps ? 0 : -ESRCH;

	*k = (struct kept){ 0 };
	for (line = maps ? strtok_r(maps, "\n", &save) : NULL; line && !err;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned long long start, end, inode;
		char perms[8];
		int at = 0;

		if (sscanf(line, "%llx-%llx %7s %*s %*s %llu %n", &start, &end,
			   perms, &inode, &at) != 4 || !at ||
		    !map_is_memory(perms, inode, line + at))
			continue;
		for (; start < end && !err; start += PAGE)
			err = take_page(k, pid, start);
	}
	free(maps);
	k->err = err;
	return err;
}

int kept_read(const struct kept *k, uint64_t addr, size_t len, uint8_t *dst)
{
	for (size_t off = 0; off < len; off += PAGE) {
		size_t low = 0, high = k->n;

		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (k->addr[mid] < addr + off)
				low = mid + 1;
			else
				high = mid;
		}
		if (low < k->n && k->addr[low] == addr + off)
			memcpy(dst + off, k->data + low * PAGE, PAGE);
		else if (k->err)
			return k->err;
		else
			memset(dst + off, 0, PAGE);
	}
	return 0;
}

void kept_free(struct kept *k)
{
	free(k->addr);
	free(k->data);
	*k = (struct kept){ 0 };
}
