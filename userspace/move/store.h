/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that came ahead of their process: the target's mover holds them until
 * the process is there to take them. By the source's process number and
 * address, in memory that is given back chunk by chunk, and that a fork shares,
 * so that it takes no time. No I/O here.
 */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_CHUNK	64u		/* pages, aligned: one bit each */

struct store_chunk {
	uint64_t key;			/* pid and address; 0: none */
	uint64_t have;			/* it holds these pages ... */
	uint64_t zero;			/* ... and of them these are zeros */
	uint8_t *mem;			/* NULL while all are zeros */
};

struct store {
	struct store_chunk *v;		/* open addressing, a power of two */
	size_t size, used;
	uint8_t **spare;		/* memory of chunks, clean */
	size_t nspare;
	uint8_t **arena;		/* to be unmapped in the end */
	size_t narena;
	uint64_t pages;			/* held */
};

/*
 * @n pages, that lie in one chunk; bit i of @zero: page i is zeros, the others
 * follow each other in @data. 0 or -ENOMEM.
 */
int store_put(struct store *s, pid_t pid, uint64_t addr, unsigned int n,
	      uint64_t zero, const uint8_t *data);
void store_drop(struct store *s, pid_t pid, uint64_t addr, uint64_t n);
/* How many of @n pages are held. */
uint64_t store_count(const struct store *s, pid_t pid, uint64_t addr,
		     uint64_t n);

enum store_kind { STORE_NONE, STORE_ZERO, STORE_DATA };
/*
 * What is held at @addr, and of how many pages, at most @max, that is so: they
 * follow each other in *@data.
 */
enum store_kind store_find(const struct store *s, pid_t pid, uint64_t addr,
			   unsigned int max, unsigned int *n,
			   const uint8_t **data);
void store_free(struct store *s);

#endif
