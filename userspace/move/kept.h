/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A copy of the memory of a process that ends before all of it was read: of a stub,
 * which leaves the source at the commit, while the memory of its tree is still to come.
 */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kept {
	uint64_t *addr;		/* of its pages, ascending; others are zeros */
	uint8_t *data;		/* those pages, one after the other */
	size_t n;
	int err;		/* others are not known */
};

/* All that is private and anonymous: 0, or a negative errno. It must stand still. */
int kept_take(struct kept *k, pid_t pid);
/* @len bytes from @addr on, both whole pages: 0, or why they are not known. */
int kept_read(const struct kept *k, uint64_t addr, size_t len, uint8_t *dst);
void kept_free(struct kept *k);

#endif
