// SPDX-License-Identifier: GPL-2.0-only
// LINK: userspace/move/segments.c userspace/move/segments_look.c userspace/move/dirty.c userspace/move/tree.c userspace/move/util.c userspace/libpando/sysv.c
// PKGS: libprotobuf-c
/* SysV shared memory of a tree, which here is this test and its children. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "../../userspace/move/peer.h"
#include "../../userspace/move/segments.h"

#define PG	4096ul

static struct segments segments;
static struct words why;
static struct dirty_runs runs;
static struct peer_segment sent[8];
static struct move m;
static int stops;	/* what ends a scan */

int peer_send(struct move *mv, enum peer_type type, const void *data, size_t len)
{
	(void)mv;
	if (type == PEER_SEGMENTS && len <= sizeof(sent))
		memcpy(sent, data, len);
	return 0;
}

static void look(void)
{
	struct tree t;

	words_free(&why);
	CHECK(!tree_collect(&t, getpid()));
	segments_look(&segments, &t, &why);
	for (size_t i = 0; i < why.n; i++)
		printf("# %s\n", why.v[i]);
	tree_free(&t);
}

static bool said(const char *part)
{
	for (size_t i = 0; i < why.n; i++)
		if (strstr(why.v[i], part))
			return true;
	return false;
}

static uint8_t *make(size_t len, int *id)
{
	void *p;

	*id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
	p = shmat(*id, NULL, 0);
	shmctl(*id, IPC_RMID, NULL);
	if (p == (void *)-1) {
		perror("shmat");
		exit(1);
	}
	return p;
}

static void end(void)
{
	words_free(&why);
	dirty_runs_free(&runs);
	segments_free(&segments);
}

static bool listed(uint64_t addr, uint64_t pages)
{
	for (size_t i = 0; i < runs.n; i++)
		if (runs.v[i].pid == (pid_t)PEER_MAP_SEGMENT &&
		    runs.v[i].addr == addr && runs.v[i].pages == pages)
			return true;
	return false;
}

static unsigned int ticks;

static int tick(void *arg)
{
	++*(unsigned int *)arg;
	return stops;
}

static int scan(void)
{
	dirty_runs_free(&runs);
	return segments_scan(&segments, &m, &runs, tick, &ticks);
}

TEST(what_is_attached_in_part_is_named)
{
	int id;
	uint8_t *p = make(8 * PG, &id);

	look();
	CHECK(!why.n && segments.n == 1 && segments.v[0].id == id);
	CHECK_EQ(segments.v[0].ours, 1);
	CHECK(segments.v[0].mode & SHM_DEST);
	/* in three mappings, and whole */
	CHECK(!mprotect(p + 2 * PG, PG, PROT_READ));
	look();
	CHECK(!why.n);
	CHECK_EQ(segments.v[0].ours, 3);
	CHECK(!munmap(p + 7 * PG, PG));
	look();
	CHECK(said("attached only in part"));
	CHECK(!munmap(p, PG));
	look();
	CHECK(said("attached only in part"));
	shmdt(p);
	end();
}

TEST(who_else_has_it_is_named)
{
	int id, go[2], say[2];
	uint8_t *p = make(PG, &id);
	char c;
	pid_t pid;

	CHECK(!pipe(go) && !pipe(say));
	/* not a child of ours by the time of the look */
	pid = fork();
	if (!pid) {
		if (!fork()) {
			setsid();
			close(go[1]);
			if (write(say[1], "x", 1) == 1 && read(go[0], &c, 1) >= 0)
				_exit(0);
			_exit(1);
		}
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	CHECK_EQ(read(say[0], &c, 1), 1);
	look();
	CHECK(said("shares memory (SysV"));
	CHECK(said("which does not move along"));
	close(go[1]);
	close(go[0]);
	for (int i = 0; i < 1000 && why.n; i++) {
		usleep(1000);
		look();
	}
	CHECK(!why.n);
	shmdt(p);
	end();
}

TEST(what_changed_since_it_was_sent_is_listed)
{
	uint8_t buf[8 * PG];
	int id;
	uint8_t *p = make(6 * PG + 100, &id);

	p[PG] = 1;
	p[6 * PG + 4000] = 7;	/* behind the end, and yet of it */
	look();
	if (segments_send(&segments, &m, false)) {
		printf("# %s: not root?\n", m.reason);
		m.reason[0] = 0;
		shmdt(p);
		end();
		return;
	}
	CHECK_EQ(sent[0].size, 6 * PG + 100);
	CHECK(!scan() && runs.pages == 2 && listed(PG, 1) && listed(6 * PG, 1));
	/* what was only looked at was not sent */
	CHECK(!scan() && runs.pages == 2);
	CHECK(!segments_read(&segments, 0, 0, 7, buf));
	CHECK(!memcmp(buf, p, 7 * PG));
	CHECK(!scan() && !runs.pages);
	p[PG] = 2;
	p[2 * PG + 9] = 1;
	CHECK(!scan() && listed(PG, 2));
	/* there and back between the look and the sending: seen all the same */
	CHECK(!segments_read(&segments, 0, PG, 2, buf));
	p[PG] = 1;
	CHECK(!scan() && runs.pages == 1 && listed(PG, 1));
	/* gone, so that it is zeros */
	CHECK(!madvise(p + 2 * PG, PG, MADV_REMOVE));
	CHECK(!scan() && listed(PG, 2));
	CHECK(!segments_read(&segments, 0, PG, 2, buf));
	CHECK(!buf[PG + 9]);
	CHECK(!scan() && !runs.pages);
	CHECK_EQ(segments_read(&segments, 0, 6 * PG, 2, buf), -EPROTO);
	CHECK_EQ(segments_read(&segments, 1, 0, 1, buf), -EPROTO);
	/* let go, and attached anew: the target begins anew too */
	shmdt(p);
	look();
	CHECK(!segments_send(&segments, &m, true));
	CHECK_EQ(sent[0].flags, PEER_SEGMENT_GONE | PEER_SEGMENT_LAST);
	CHECK(!scan() && !runs.pages);
	end();
}

TEST(what_was_let_go_since_the_look_is_gone)
{
	int id, other;
	uint8_t *p = make(2 * PG, &id), *q;

	/* nothing there, or something else, or another one */
	for (int i = 0; i < 3; i++) {
		look();
		CHECK(segments.n == 1 && segments.v[0].there);
		shmdt(p);
		if (i == 1)
			CHECK(mmap(p, 2 * PG, PROT_READ, MAP_SHARED |
				   MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
		q = i == 2 ? make(2 * PG, &other) : NULL;
		if (q && q != p) {
			CHECK(mremap(q, 2 * PG, 2 * PG, MREMAP_MAYMOVE |
				     MREMAP_FIXED, p) == p);
		}
		m.reason[0] = 0;
		if (segments_send(&segments, &m, false)) {
			printf("# %s: not root?\n", m.reason);
		} else {
			CHECK(!segments.v[0].there && segments.v[0].fd < 0);
			CHECK_EQ(sent[0].flags, PEER_SEGMENT_GONE);
			CHECK(!scan() && !runs.pages);
			segments.v[0].there = true;
			/* who is frozen lets go of nothing */
			CHECK(segments_send(&segments, &m, true) == -ECANCELED);
			CHECK(strstr(m.reason, "cannot be read"));
		}
		m.reason[0] = 0;
		if (i == 1)
			munmap(p, 2 * PG);
		if (i == 2)
			shmdt(p);
		else
			p = make(2 * PG, &id);
		end();
	}
}

/* One of plain memory that a look would not find: its pages are as they are. */
static uint64_t *stand_in(size_t pages)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);
	uint64_t *p;

	CHECK(!ftruncate(fd, pages * PG));
	p = mmap(NULL, pages * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(getrandom(segments.seed, sizeof(segments.seed), 0) ==
	      sizeof(segments.seed));
	segments.v = calloc(1, sizeof(*segments.v));
	segments.n = 1;
	*segments.v = (struct segment){ .size = pages * PG, .pages = pages,
					.there = true, .fd = fd,
					.sent = calloc(pages, 16) };
	return p;
}

static uint64_t rnd(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

#define MANY	256
#define WORDS	(PG / 8)

static void all_listed(const uint64_t *p, uint8_t *buf)
{
	CHECK(!scan());
	CHECK_EQ(runs.pages, MANY);
	CHECK(!segments_read(&segments, 0, 0, MANY, buf));
	CHECK(!memcmp(buf, p, MANY * PG));
	CHECK(!scan() && !runs.pages);
}

TEST(no_change_undoes_another)
{
	uint64_t *p = stand_in(MANY);
	uint8_t *buf = malloc(MANY * PG);
	void *same = p;
	float *f = same;

	for (size_t i = 0; i < MANY * WORDS; i++)
		p[i] = rnd();
	all_listed(p, buf);
	/* the upper bits, of words that meet in the digest */
	for (unsigned int k = 0; k < 8; k++) {
		for (size_t i = 0; i < MANY; i++) {
			uint64_t *w = p + i * WORDS + rnd() % (WORDS - 8);

			w[0] ^= k & 1 ? 1ull << 31 : 1ull << 63;
			w[8] ^= 1ull << 63;
			if (k & 2)
				w[8] ^= 1ull << 31;
			if (k & 4)
				w[0] ^= 1ull << 62;
		}
		all_listed(p, buf);
	}
	/* floats, of which two change their sign */
	for (size_t i = 0; i < MANY * PG / sizeof(*f); i++)
		f[i] = 1 + i % 7;
	all_listed(p, buf);
	for (unsigned int k = 0; k < 40; k++) {
		for (size_t i = 0; i < MANY; i++) {
			float *at = f + i * PG / sizeof(*f);
			size_t a = rnd() % 1024, b = (a + 1 + rnd() % 64) % 1024;

			at[a] = -at[a];
			at[b] = -at[b];
		}
		all_listed(p, buf);
	}
	/* all alike, in which one word moves on */
	memset(p, 0, MANY * PG);
	for (size_t i = 0; i < MANY; i++)
		p[i * WORDS + i] = 1;
	all_listed(p, buf);
	for (size_t i = 0; i < MANY; i++) {
		p[i * WORDS + i] = 0;
		p[i * WORDS + i + 8] = 1;
	}
	all_listed(p, buf);
	munmap(p, MANY * PG);
	free(buf);
	end();
}

TEST(a_long_scan_gives_signs_and_can_be_ended)
{
	uint64_t *p = stand_in(8192);

	for (size_t i = 0; i < 8192; i++)
		p[i * WORDS] = 1;
	ticks = 0;
	CHECK(!scan() && runs.pages == 8192);
	CHECK(ticks >= 4);
	stops = -ECANCELED;
	ticks = 0;
	CHECK_EQ(scan(), -ECANCELED);
	CHECK_EQ(ticks, 1);
	stops = 0;
	munmap(p, 8192 * PG);
	end();
}

/* The last one: it does not come back from there. */
TEST(what_nothing_can_be_told_of_is_not_listed)
{
	int id;
	uint8_t *p = make(3 * PG, &id);

	if (unshare(CLONE_NEWIPC)) {
		printf("# %s: not root?\n", strerror(errno));
	} else {
		look();
		CHECK(said("not of this node") && !segments.n);
		/* in three mappings, of which none is taken for another's rest */
		CHECK(!mprotect(p + PG, PG, PROT_READ));
		look();
		CHECK(!segments.n);
	}
	shmdt(p);
	end();
}

TAP_MAIN(T(what_is_attached_in_part_is_named), T(who_else_has_it_is_named),
	 T(what_changed_since_it_was_sent_is_listed),
	 T(what_was_let_go_since_the_look_is_gone), T(no_change_undoes_another),
	 T(a_long_scan_gives_signs_and_can_be_ended),
	 T(what_nothing_can_be_told_of_is_not_listed))
