// SPDX-License-Identifier: GPL-2.0-only
/*
 * kinds DIR MAPPINGS: a process with memory of all kinds, and a child of it, for tests
 * that move both. DIR/kinds.ready is there when all is set up. On SIGUSR1 it looks at
 * all of it, changes it for the next time, and says in DIR/kinds.PID "ok", or what
 * is wrong.
 *
 *	shared	anonymous memory that is shared with the child, which answers in it
 *	memfd	mapped, and written through its descriptor
 *	huge	pages of the hugetlb pool
 *	locked	mlock()
 *	stack	six megabytes deep
 *	file	a private mapping of a file that was written to
 *	swapped	paged out, where there is swap
 *	many	so many mappings, of a page each
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE	4096ul
#define SHARED	(4ul << 20)
#define MEMFD	(2ul << 20)
#define HUGE	(8ul << 20)
#define LOCKED	(4ul << 20)
#define SWAPPED	(4ul << 20)
#define FILE_LEN	(64 * PAGE)
#define DEPTH	1500	/* frames of a page */
#define ANSWERS	3000	/* waits of 10 ms for the child */

static const char *dir;
static uint64_t *shared, *memfd, *huge, *locked, *file, *swapped, **many;
static uint64_t *frame[DEPTH];
static unsigned long nmany, generation;
static int fd;
static long locked_kib;
static volatile sig_atomic_t asked, ended;

static void on_signal(int sig)
{
	asked = 1;
	ended = sig == SIGTERM;
}

static void *map(size_t len, int flags, int from)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, from, 0);

	if (p == MAP_FAILED) {
		perror("kinds: mmap");
		exit(1);
	}
	return p;
}

/* A word at the start of each page, its own in every generation. */
static uint64_t word(unsigned long kind, size_t page)
{
	return (generation * 8 + kind) * 0x9e3779b97f4a7c15ull + page;
}

static void fill(unsigned long kind, uint64_t *p, size_t len)
{
	for (size_t i = 0; i < len / PAGE; i++)
		p[i * PAGE / 8 + kind] = word(kind, i);
}

static bool holds(unsigned long kind, const uint64_t *p, size_t len)
{
	for (size_t i = 0; i < len / PAGE; i++)
		if (p[i * PAGE / 8 + kind] != word(kind, i))
			return false;
	return true;
}

static long status_kib(const char *name)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kib = atol(line + strlen(name));
	if (f)
		fclose(f);
	return kib;
}

static void fill_all(void)
{
	uint64_t w;

	generation++;
	fill(1, shared, SHARED);
	fill(2, memfd, MEMFD);
	w = word(2, 1);
	/* its second page by the descriptor */
	if (pwrite(fd, &w, sizeof(w), PAGE + 2 * 8) != sizeof(w))
		exit(1);
	fill(3, huge, HUGE);
	fill(4, locked, LOCKED);
	fill(5, file, FILE_LEN);
	for (int i = 0; i < DEPTH; i++)
		*frame[i] = word(6, i);
	for (unsigned long i = 0; i < nmany; i++)
		if (i % 2)
			*many[i] = word(7, i);
	fill(0, swapped, SWAPPED);
	madvise(swapped, SWAPPED, MADV_PAGEOUT);
}

/* What was asked of the child in the memory that it shares. */
static bool child_answers(void)
{
	volatile uint64_t *ask = shared, *answer = shared + 2;

	*ask = generation;
	for (int i = 0; i < ANSWERS; i++) {
		if (*answer == generation)
			return true;
		usleep(10000);
	}
	return false;
}

static void say(const char *what)
{
	char path[256], tmp[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/kinds.%d", dir, getpid());
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "w");
	if (!f)
		exit(1);
	fprintf(f, "%s\n", *what ? what : "ok");
	fclose(f);
	rename(tmp, path);
}

static void look(void)
{
	char bad[256] = "";
	bool ok = true;
	uint64_t w = 0;

	if (!holds(1, shared, SHARED) || !child_answers())
		strcat(bad, "shared ");
	if (!holds(2, memfd, MEMFD) ||
	    pread(fd, &w, sizeof(w), PAGE + 2 * 8) != sizeof(w) || w != word(2, 1))
		strcat(bad, "memfd ");
	if (!holds(3, huge, HUGE))
		strcat(bad, "huge ");
	if (!holds(4, locked, LOCKED) || status_kib("VmLck:") != locked_kib)
		strcat(bad, "locked ");
	if (!holds(0, swapped, SWAPPED))
		strcat(bad, "swapped ");
	if (!holds(5, file, FILE_LEN))
		strcat(bad, "file ");
	for (int i = 0; i < DEPTH; i++)
		ok &= *frame[i] == word(6, i);
	if (!ok)
		strcat(bad, "stack ");
	ok = true;
	for (unsigned long i = 0; i < nmany; i++)
		ok &= *many[i] == (i % 2 ? word(7, i) : 0);
	if (!ok)
		strcat(bad, "many ");
	fill_all();
	say(bad);
}

static void wait_and_look(void)
{
	char path[256];
	sigset_t set, old;
	FILE *f;

	fill_all();
	snprintf(path, sizeof(path), "%s/kinds.ready", dir);
	f = fopen(path, "w");
	if (!f)
		exit(1);
	fclose(f);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	while (!ended) {
		while (!asked)
			sigsuspend(&old);
		asked = 0;
		look();
	}
}

static __attribute__((noinline)) void deeper(int depth)
{
	uint64_t page[PAGE / 8];

	page[0] = 0;
	frame[depth] = page;
	if (depth + 1 < DEPTH)
		deeper(depth + 1);
	else
		wait_and_look();
	/* it is not to be a jump */
	frame[depth] = NULL;
}

static void child(void)
{
	volatile uint64_t *ask = shared, *answer = shared + 2;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, SIG_IGN);
	for (;;) {
		*answer = *ask;
		usleep(20000);
	}
}

int main(int argc, char **argv)
{
	FILE *self;

	if (argc != 3) {
		fputs("usage: kinds DIR MAPPINGS\n", stderr);
		return 2;
	}
	dir = argv[1];
	nmany = strtoul(argv[2], NULL, 10);
	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);
	shared = map(SHARED, MAP_SHARED | MAP_ANONYMOUS, -1);
	if (!fork())
		child();
	fd = memfd_create("kinds", 0);
	if (fd < 0 || ftruncate(fd, MEMFD))
		return 1;
	memfd = map(MEMFD, MAP_SHARED, fd);
	huge = map(HUGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	locked = map(LOCKED, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (mlock(locked, LOCKED))
		return 1;
	locked_kib = status_kib("VmLck:");
	self = fopen("/usr/bin/python3", "r");
	if (!self)
		return 1;
	file = map(FILE_LEN, MAP_PRIVATE, fileno(self));
	fclose(self);
	swapped = map(SWAPPED, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	many = calloc(nmany + 1, sizeof(*many));
	/* every second one can only be read, so that they do not merge */
	for (unsigned long i = 0; i < nmany; i++) {
		many[i] = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		if (!(i % 2) && mprotect(many[i], PAGE, PROT_READ))
			return 1;
	}
	deeper(0);
	return 0;
}
