// SPDX-License-Identifier: GPL-2.0-only
/* The pages of SysV shared memory, at the source; see segments.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pages.h"
#include "peer.h"
#include "segments.h"
#include "sysv.h"

#define AT_ONCE		64u	/* pages */
#define TICK		(16 * AT_ONCE)
#define LANES		8
#define WORDS		(PAGE / sizeof(uint64_t))

/* --- digests ------------------------------------------------------------------*/

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9fb21c651e98df25ull;
	return x ^ x >> 29;
}

/*
 * The whole of a product: the lower half alone would carry a change of the upper
 * bits nowhere, and one word could undo what another has done. Nothing is stuck at
 * zero, where a word happens to meet what it is mixed with.
 */
static uint64_t step(uint64_t lane, uint64_t word, uint64_t mul)
{
	unsigned __int128 x = (unsigned __int128)(lane ^ word) * mul;

	return ((uint64_t)x ^ (uint64_t)(x >> 64)) + 0xd6e8feb86659fd93ull;
}

/*
 * Of a page, 128 bits, from a seed that nobody knows. Two zeros stand for a page
 * of zeros, and for no other.
 */
static void digest(const uint64_t seed[3], const uint8_t *page, uint64_t out[2])
{
	const uint64_t *w = (const uint64_t *)page;
	uint64_t lane[LANES], any = 0;

	for (int i = 0; i < LANES; i++)
		lane[i] = seed[i & 1] + i * 0x9e3779b97f4a7c15ull;
	for (size_t i = 0; i < WORDS; i += LANES) {
		for (int j = 0; j < LANES; j++) {
			any |= w[i + j];
			lane[j] = step(lane[j], w[i + j], seed[2] | 1);
		}
	}
	out[0] = out[1] = 0;
	if (!any)
		return;
	for (int i = 0; i < LANES; i++) {
		out[0] = mix(out[0] ^ lane[i]);
		out[1] = mix(out[1] + (lane[i] << 17 | lane[i] >> 47));
	}
	out[0] |= !(out[0] | out[1]);
}

static void close_one(struct segment *g)
{
	if (g->fd >= 0)
		close(g->fd);
	if (g->tail)
		munmap(g->tail, PAGE);
	free(g->sent);
	g->fd = -1;
	g->tail = NULL;
	g->sent = NULL;
}

/* --- what it is --------------------------------------------------------------------*/

static int unreadable(struct move *m, const struct segment *g, int err)
{
	return move_fail(m, "SysV shared memory of %d (id %d) cannot be read: %s",
			 g->pid, g->id, strerror(err));
}

/*
 * -ENOENT, without a word: it is not there any more. Who runs may have let go of
 * it since the look, and have something else at its place.
 */
static int open_one(struct segments *s, struct move *m, struct segment *g)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%d/map_files/%llx-%llx", tree_proc,
		 g->pid, (unsigned long long)g->start,
		 (unsigned long long)g->end);
	g->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (g->fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (g->fd < 0 || fstat(g->fd, &st))
		return unreadable(m, g, errno);
	/* the number of the file is its id */
	if (st.st_ino != (ino_t)g->id)
		return -ENOENT;
	if (!s->seed[0] && getrandom(s->seed, sizeof(s->seed), 0) < 0)
		return -errno;
	if (g->size % PAGE && !g->huge) {
		g->tail = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, g->fd,
			       (g->pages - 1) * PAGE);
		if (g->tail == MAP_FAILED) {
			g->tail = NULL;
			return unreadable(m, g, errno);
		}
	}
	/* mostly untouched, where it is a large one that is hardly used */
	g->sent = calloc(g->pages, sizeof(*g->sent));
	return g->sent ? 0 : move_fail(m, "no memory for what is known of SysV shared memory of %llu bytes",
				       (unsigned long long)g->size);
}

int segments_send(struct segments *s, struct move *m, bool last)
{
	struct peer_segment *out;
	int err = 0;

	if (!s->n)
		return 0;
	out = xcalloc(s->n, sizeof(*out));
	for (size_t i = 0; i < s->n && !err; i++) {
		struct segment *g = &s->v[i];

		if (g->there && g->fd < 0)
			err = open_one(s, m, g);
		if (err == -ENOENT) {
			g->there = false;
			/* who is frozen does not let go */
			err = last ? unreadable(m, g, ENOENT) : 0;
		}
		/* should it come back, it begins anew there */
		if (!g->there)
			close_one(g);
		out[i] = (struct peer_segment){
			.size = htole64(g->size),
			.id = htole32(g->id),
			.key = htole32(g->key),
			.mode = htole32(g->mode),
			.uid = htole32(g->uid),
			.gid = htole32(g->gid),
			.cuid = htole32(g->cuid),
			.cgid = htole32(g->cgid),
			.huge = htole32(g->huge),
			.flags = htole32((g->there ? 0 : PEER_SEGMENT_GONE) |
					 (last ? PEER_SEGMENT_LAST : 0)),
		};
	}
	if (!err)
		err = peer_send(m, PEER_SEGMENTS, out, s->n * sizeof(*out));
	free(out);
	return err;
}

/* --- its pages ------------------------------------------------------------------------*/

/* What is not there reads as zeros, and is not made by that. */
static int read_pages(const struct segment *g, uint64_t page, unsigned int n,
		      uint8_t *dst)
{
	size_t len = n * (size_t)PAGE, off = 0;

	while (off < len) {
		ssize_t got = pread(g->fd, dst + off, len - off,
				    page * PAGE + off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got) {
			memset(dst + off, 0, len - off);
			break;
		}
		off += got;
	}
	/* what is behind its end is there for who has it mapped */
	if (g->tail && page <= g->pages - 1 && g->pages - 1 - page < n)
		memcpy(dst + (g->pages - 1 - page) * PAGE, g->tail, PAGE);
	return 0;
}

static void differs(uint32_t which, uint64_t page, uint64_t *run,
		    struct dirty_runs *runs, bool yes)
{
	if (yes) {
		++*run;
	} else if (*run) {
		dirty_runs_add(runs, PEER_MAP_SEGMENT | which,
			       (page - *run) * PAGE, *run);
		*run = 0;
	}
}

static int scan_one(struct segments *s, struct move *m, uint32_t which,
		    struct dirty_runs *runs, int (*tick)(void *arg), void *arg)
{
	struct segment *g = &s->v[which];
	uint8_t *buf = xcalloc(AT_ONCE, PAGE);
	uint64_t page = 0, run = 0, ticked = 0;
	int err = 0, called_off = 0;

	while (page < g->pages && !err && !called_off) {
		off_t data = lseek(g->fd, page * PAGE, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(g->fd, data, SEEK_HOLE);
		uint64_t from = data < 0 ? g->pages : (uint64_t)data / PAGE;
		uint64_t to = hole < 0 ? g->pages :
			      ((uint64_t)hole + PAGE - 1) / PAGE;

		if (data < 0 && errno != ENXIO)
			err = -errno;
		if (from > g->pages)
			from = g->pages;
		if (to > g->pages)
			to = g->pages;
		/* once there, and not any more */
		for (; page < from; page++)
			differs(which, page, &run, runs,
				g->sent[page][0] | g->sent[page][1]);
		while (page < to && !err && !called_off) {
			unsigned int n = to - page < AT_ONCE ? to - page : AT_ONCE;

			err = read_pages(g, page, n, buf);
			for (unsigned int i = 0; i < n && !err; i++, page++) {
				uint64_t now[2];

				digest(s->seed, buf + i * (size_t)PAGE, now);
				differs(which, page, &run, runs,
					memcmp(now, g->sent[page], sizeof(now)));
			}
			if (page - ticked >= TICK) {
				ticked = page;
				called_off = tick(arg);
			}
		}
	}
	differs(which, page, &run, runs, false);
	free(buf);
	return err ? unreadable(m, g, -err) : called_off;
}

int segments_scan(struct segments *s, struct move *m, struct dirty_runs *runs,
		  int (*tick)(void *arg), void *arg)
{
	int err = 0;

	for (uint32_t i = 0; i < s->n && !err; i++)
		if (s->v[i].there)
			err = scan_one(s, m, i, runs, tick, arg);
	return err;
}

int segments_read(struct segments *s, uint32_t which, uint64_t addr,
		  unsigned int n, uint8_t *dst)
{
	struct segment *g = which < s->n ? &s->v[which] : NULL;
	uint64_t page = addr / PAGE;
	int err;

	if (!g || g->fd < 0 || page >= g->pages || n > g->pages - page)
		return -EPROTO;
	err = read_pages(g, page, n, dst);
	/* of what goes, not of what was looked at: it may change between the two */
	for (unsigned int i = 0; i < n && !err; i++)
		digest(s->seed, dst + i * (size_t)PAGE, g->sent[page + i]);
	return err;
}

/* --- whose it is ------------------------------------------------------------------------*/

int segments_note(const struct segments *s, struct move *m)
{
	char path[64];
	int fd, err = 0;

	if (!s->n)
		return 0;
	sysv_path(path, sizeof(path), m->start->move);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	for (size_t i = 0; i < s->n && fd >= 0 && !err; i++) {
		const struct segment *g = &s->v[i];
		struct shmid_ds ds;

		if (!g->there)
			continue;
		/* who stood still did not change that */
		if (shmctl(g->id, IPC_STAT, &ds) || ds.shm_nattch > g->ours)
			err = move_fail(m, "another process has attached SysV shared memory of %d (%s, id %d) during the move",
					g->pid, g->comm, g->id);
		else
			err = sysv_write(fd, &(struct sysv_note){
				.id = g->id, .ctime = ds.shm_ctime });
	}
	if (fd < 0 || (err && err != -ECANCELED))
		err = move_fail(m, "cannot write %s: %s", path,
				strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

void segments_gone(const struct segments *s, struct move *m)
{
	if (s->n)
		sysv_settle(m->start->move, true);
}

void segments_stay(const struct segments *s, struct move *m)
{
	if (s->n)
		sysv_settle(m->start->move, false);
}

void segments_free(struct segments *s)
{
	for (size_t i = 0; i < s->n; i++)
		close_one(&s->v[i]);
	free(s->v);
	*s = (struct segments){ 0 };
}
