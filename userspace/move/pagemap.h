/* SPDX-License-Identifier: GPL-2.0-only */
/* criu's pagemap-PID.img: which pages of a process are left to us. */
#ifndef PAGEMAP_H
#define PAGEMAP_H

#include <stddef.h>
#include <stdint.h>

struct pagemap_run {
	uint64_t addr;
	uint64_t pages;
};

/*
 * Finds the lazy runs in an image of @len bytes, in rising order. Returns
 * their number and the runs in *@runs (free), -EPROTO for what is no pagemap
 * image, or -ENOMEM.
 */
long pagemap_parse(const uint8_t *image, size_t len, struct pagemap_run **runs);

#endif
