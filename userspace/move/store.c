// SPDX-License-Identifier: GPL-2.0-only
/* Pages that came ahead of their process; see store.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "move.h"
#include "store.h"

#define PAGE		4096u
#define CHUNK_BYTES	(STORE_CHUNK * (size_t)PAGE)
#define ARENA_CHUNKS	64u
#define POPULATE	4u	/* pages that are worth a call */
#define GONE		1ull	/* a key that nobody has: there was one */

/* Addresses have 57 bits at most and a chunk takes 18 of them. */
static uint64_t key_of(pid_t pid, uint64_t addr)
{
	return ((uint64_t)pid << 40 | addr / CHUNK_BYTES) + 2;
}

static size_t slot_of(const struct store *s, uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ull) >> 20 & (s->size - 1);
}

static struct store_chunk *find(const struct store *s, uint64_t key)
{
	if (!s->size)
		return NULL;
	for (size_t i = slot_of(s, key);; i = (i + 1) & (s->size - 1)) {
		if (s->v[i].key == key)
			return &s->v[i];
		if (!s->v[i].key)
			return NULL;
	}
}

static int grow(struct store *s)
{
	size_t size = s->size ? 2 * s->size : 1024, used = 0;
	struct store_chunk *v = calloc(size, sizeof(*v)), *old = s->v;
	size_t n = s->size;

	if (!v)
		return -ENOMEM;
	s->v = v;
	s->size = size;
	for (size_t i = 0; i < n; i++) {
		size_t to;

		if (old[i].key <= GONE)
			continue;
		to = slot_of(s, old[i].key);
		while (v[to].key)
			to = (to + 1) & (size - 1);
		v[to] = old[i];
		used++;
	}
	s->used = used;
	free(old);
	return 0;
}

static struct store_chunk *make(struct store *s, uint64_t key)
{
	struct store_chunk *c = find(s, key);
	size_t i;

	if (c)
		return c;
	if (4 * (s->used + 1) > 3 * s->size && grow(s))
		return NULL;
	for (i = slot_of(s, key); s->v[i].key; i = (i + 1) & (s->size - 1))
		;
	s->used++;
	s->v[i] = (struct store_chunk){ .key = key };
	return &s->v[i];
}

static uint8_t *take_memory(struct store *s)
{
	if (!s->nspare) {
		size_t len = ARENA_CHUNKS * CHUNK_BYTES;
		uint8_t *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
				    -1, 0);

		if (mem == MAP_FAILED)
			return NULL;
		/* each page takes what it needs, and gives it back */
		madvise(mem, len, MADV_NOHUGEPAGE);
		s->arena = xrealloc(s->arena, s->narena + 1,
				    sizeof(*s->arena));
		s->arena[s->narena++] = mem;
		s->spare = xrealloc(s->spare, s->narena * ARENA_CHUNKS,
				    sizeof(*s->spare));
		while (s->nspare < ARENA_CHUNKS) {
			s->spare[s->nspare] = mem + s->nspare * CHUNK_BYTES;
			s->nspare++;
		}
	}
	return s->spare[--s->nspare];
}

static void give_back(struct store *s, struct store_chunk *c)
{
	if (c->mem) {
		madvise(c->mem, CHUNK_BYTES, MADV_REMOVE);
		s->spare[s->nspare++] = c->mem;
	}
	*c = (struct store_chunk){ .key = GONE };
}

static uint64_t bits(unsigned int first, unsigned int n)
{
	return (n == 64 ? ~0ull : (1ull << n) - 1) << first;
}

int store_put(struct store *s, pid_t pid, uint64_t addr, unsigned int n,
	      uint64_t zero, const uint8_t *data)
{
	unsigned int first = addr / PAGE % STORE_CHUNK;
	struct store_chunk *c;

	if (first + n > STORE_CHUNK)
		return -EINVAL;
	c = make(s, key_of(pid, addr));
	if (!c)
		return -ENOMEM;
	if (~zero & bits(0, n) && !c->mem) {
		c->mem = take_memory(s);
		if (!c->mem)
			return -ENOMEM;
	}
	for (unsigned int i = 0, k; i < n; i += k) {
		uint8_t *to;

		for (k = 1; i + k < n && (zero >> (i + k) & 1) ==
		     (zero >> i & 1); k++)
			;
		if (zero >> i & 1)
			continue;
		to = c->mem + (size_t)(first + i) * PAGE;
		/* one call for all of them instead of a fault for each */
		if (k >= POPULATE)
			madvise(to, (size_t)k * PAGE, MADV_POPULATE_WRITE);
		memcpy(to, data, (size_t)k * PAGE);
		data += (size_t)k * PAGE;
	}
	s->pages += n - __builtin_popcountll(c->have & bits(first, n));
	c->have |= bits(first, n);
	c->zero = (c->zero & ~bits(first, n)) | (zero & bits(0, n)) << first;
	return 0;
}

/* Calls for each chunk with a part of [addr, addr + n pages). */
#define FOR_CHUNKS(addr, left, first, part)				\
	for (unsigned int first, part; (left) &&			\
	     (first = (addr) / PAGE % STORE_CHUNK,			\
	      part = STORE_CHUNK - first < (left) ?			\
		     STORE_CHUNK - first : (left), true);		\
	     (addr) += (uint64_t)part * PAGE, (left) -= part)

void store_drop(struct store *s, pid_t pid, uint64_t addr, uint64_t n)
{
	FOR_CHUNKS(addr, n, first, part) {
		struct store_chunk *c = find(s, key_of(pid, addr));

		if (!c)
			continue;
		s->pages -= __builtin_popcountll(c->have & bits(first, part));
		c->have &= ~bits(first, part);
		c->zero &= c->have;
		if (!c->have)
			give_back(s, c);
	}
}

uint64_t store_count(const struct store *s, pid_t pid, uint64_t addr,
		     uint64_t n)
{
	uint64_t sum = 0;

	FOR_CHUNKS(addr, n, first, part) {
		const struct store_chunk *c = find(s, key_of(pid, addr));

		if (c)
			sum += __builtin_popcountll(c->have &
						    bits(first, part));
	}
	return sum;
}

enum store_kind store_find(const struct store *s, pid_t pid, uint64_t addr,
			   unsigned int max, unsigned int *n,
			   const uint8_t **data)
{
	const struct store_chunk *c = find(s, key_of(pid, addr));
	unsigned int first = addr / PAGE % STORE_CHUNK;
	unsigned int room = STORE_CHUNK - first;
	enum store_kind kind;
	uint64_t same;

	if (max > room)
		max = room;
	if (!c || !(c->have >> first & 1)) {
		kind = STORE_NONE;
		same = c ? ~c->have : ~0ull;
	} else if (c->zero >> first & 1) {
		kind = STORE_ZERO;
		same = c->zero;
	} else {
		kind = STORE_DATA;
		same = c->have & ~c->zero;
		*data = c->mem + (size_t)first * PAGE;
	}
	/* ones from bit first on: how many */
	same = ~(same >> first);
	*n = same ? __builtin_ctzll(same) : 64;
	if (*n > max)
		*n = max;
	return kind;
}

void store_free(struct store *s)
{
	for (size_t i = 0; i < s->narena; i++)
		munmap(s->arena[i], ARENA_CHUNKS * CHUNK_BYTES);
	free(s->arena);
	free(s->spare);
	free(s->v);
	*s = (struct store){ 0 };
}
