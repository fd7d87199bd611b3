// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysv DIR KEY: a process with SysV shared memory of all kinds, and a child that has
 * it too and keeps writing, for tests that move both. DIR/sysv.ready is there when all
 * is set up. On SIGUSR1 it looks at all of it, changes it for the next time, and says
 * in DIR/sysv.PID "ok", or what is wrong.
 *
 *	main	with the key, not a whole number of pages, attached for reading at a
 *		second address, and a part of it that cannot be written
 *	child	what the child writes there, round and round
 *	marked	for its end (IPC_RMID), so that it lives by its attaches
 *	small	less than a page, of which all can be used
 *	over	attached over other memory (SHM_REMAP), and locked
 *	huge	of huge pages
 *	sparse	1 GiB with three pages of it used
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <unistd.h>

#define PAGE	4096ul
#define MAIN	(3 * 1024 * 1024 + 100ul)
#define FIXED	((MAIN + PAGE - 1) / PAGE / 2)	/* page that cannot be written */
#define CHILDS	(2ul << 20)
#define MARKED	(1ul << 20)
#define OVER	(256ul << 10)
#define HUGE	(4ul << 20)
#define SPARSE	(1ul << 30)
#define ANSWERS	3000

struct piece {
	const char *name;
	int id;
	key_t key;
	size_t len;
	unsigned int mode;
	unsigned long attaches;
	uint64_t *at;
};

enum { P_MAIN, P_CHILD, P_MARKED, P_SMALL, P_OVER, P_HUGE, P_SPARSE, PIECES };
static struct piece piece[PIECES] = {
	{ "main", -1, 0, MAIN, 0640, 8, NULL },
	{ "child", -1, IPC_PRIVATE, CHILDS, 0600, 2, NULL },
	{ "marked", -1, IPC_PRIVATE, MARKED, 0600 | SHM_DEST, 2, NULL },
	{ "small", -1, IPC_PRIVATE, 100, 0606, 2, NULL },
	{ "over", -1, IPC_PRIVATE, OVER, 0600 | SHM_LOCKED, 2, NULL },
	{ "huge", -1, IPC_PRIVATE, HUGE, 0600, 2, NULL },
	{ "sparse", -1, IPC_PRIVATE, SPARSE, 0600, 2, NULL },
};

static const char *dir;
static const uint64_t *reading;
static unsigned long generation;
static volatile sig_atomic_t asked, ended;

static void on_signal(int sig)
{
	asked = 1;
	ended = sig == SIGTERM;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t word(unsigned long kind, size_t page)
{
	return (generation * 16 + kind) * 0x9e3779b97f4a7c15ull + page;
}

static size_t pages_of(const struct piece *p)
{
	return (p->len + PAGE - 1) / PAGE;
}

/* Those of the sparse one that are used. */
static bool used(int kind, size_t page)
{
	return kind != P_SPARSE || page == 1 || page == 70000 ||
	       page == SPARSE / PAGE - 1;
}

static void fill(int kind)
{
	const struct piece *p = &piece[kind];

	/* the last word of a page, be it behind the end of the segment */
	for (size_t i = 0; i < pages_of(p); i++)
		if (used(kind, i) && !(kind == P_MAIN && i == FIXED))
			p->at[(i + 1) * PAGE / 8 - 1] = word(kind, i);
}

static bool holds(int kind, const uint64_t *at)
{
	const struct piece *p = &piece[kind];

	for (size_t i = 0; i < pages_of(p); i++)
		if (used(kind, i) && !(kind == P_MAIN && i == FIXED) &&
		    at[(i + 1) * PAGE / 8 - 1] != word(kind, i))
			return false;
	return true;
}

/* How it is, of those that are mapped at an address. */
static bool has_perms(const void *at, const char *perms)
{
	char line[512], want[32];
	bool ok = false;
	FILE *f = fopen("/proc/self/maps", "r");

	snprintf(want, sizeof(want), "%lx-", (unsigned long)at);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, want, strlen(want)))
			ok = strstr(line, perms) && strstr(line, "/SYSV");
	if (f)
		fclose(f);
	return ok;
}

static bool is_as_it_was(const struct piece *p)
{
	struct shmid_ds ds;

	return !shmctl(p->id, IPC_STAT, &ds) && ds.shm_segsz == p->len &&
	       ds.shm_perm.__key == p->key && ds.shm_perm.mode == p->mode &&
	       ds.shm_nattch == p->attaches && ds.shm_perm.uid == 56 &&
	       ds.shm_perm.cuid == (p == &piece[P_HUGE] ? 0 : 12) &&
	       ds.shm_perm.cgid == 34;
}

/* It stops for as long as it is looked at; then all it wrote must be there. */
static bool child_is_right(void)
{
	volatile uint64_t *c = piece[P_CHILD].at;
	size_t n = CHILDS / PAGE - 1;
	bool ok = true;
	uint64_t last;

	c[0] = 1;
	for (int i = 0; i < ANSWERS && c[1] != 1; i++)
		usleep(10000);
	if (c[1] != 1)
		return false;
	last = c[2];
	for (uint64_t s = last > n ? last - n + 1 : 1; s <= last && ok; s++)
		ok = c[(1 + s % n) * PAGE / 8 + 5] == s;
	c[0] = 0;
	return ok;
}

static void child(void)
{
	volatile uint64_t *c = piece[P_CHILD].at;
	size_t n = CHILDS / PAGE - 1;
	uint64_t s = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, SIG_IGN);
	for (;;) {
		c[1] = c[0];
		if (c[0]) {
			usleep(5000);
			continue;
		}
		s++;
		c[(1 + s % n) * PAGE / 8 + 5] = s;
		c[2] = s;
		if (!(s % 16))
			usleep(2000);
	}
}

static void say(const char *what)
{
	char path[256], tmp[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sysv.%d", dir, getpid());
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
	uint64_t *fixed = piece[P_MAIN].at + FIXED * PAGE / 8;
	char bad[512] = "";

	for (int i = 0; i < PIECES; i++) {
		if (piece[i].id < 0)
			continue;
		if (i != P_CHILD && !holds(i, piece[i].at))
			strcat(strcat(bad, piece[i].name), " ");
		if (!is_as_it_was(&piece[i]))
			strcat(strcat(bad, piece[i].name), "'s-state ");
	}
	if (!child_is_right())
		strcat(bad, "child ");
	if (!holds(P_MAIN, reading) || !has_perms(reading, "r--s") ||
	    !mprotect((void *)reading, PAGE, PROT_READ | PROT_WRITE) ||
	    errno != EACCES)
		strcat(bad, "reading ");
	if (*fixed != 4711 || !has_perms(fixed, "r--s") ||
	    mprotect(fixed, PAGE, PROT_READ | PROT_WRITE) ||
	    mprotect(fixed, PAGE, PROT_READ))
		strcat(bad, "fixed ");
	if (shmdt(reading) ||
	    shmat(piece[P_MAIN].id, reading, SHM_RDONLY) != reading)
		strcat(bad, "again ");
	generation++;
	for (int i = 0; i < PIECES; i++)
		if (piece[i].id >= 0 && i != P_CHILD)
			fill(i);
	say(bad);
}

static void make(int kind)
{
	struct piece *p = &piece[kind];
	int flags = kind == P_HUGE ? SHM_HUGETLB :
		    kind == P_SPARSE ? SHM_NORESERVE : 0;
	void *where = NULL;
	struct shmid_ds ds;

	/* made by one, owned by another; huge pages are root's to make */
	if (setegid(34) || seteuid(kind == P_HUGE ? 0 : 12))
		fail("sysv: seteuid");
	p->id = shmget(p->key, p->len, IPC_CREAT | IPC_EXCL | flags |
		       (p->mode & 0777));
	if (seteuid(0) || setegid(0))
		fail("sysv: seteuid");
	if (p->id < 0 && kind == P_HUGE)
		return;
	if (p->id < 0 || shmctl(p->id, IPC_STAT, &ds))
		fail("sysv: shmget");
	ds.shm_perm.uid = 56;
	if (shmctl(p->id, IPC_SET, &ds))
		fail("sysv: IPC_SET");
	if (kind == P_OVER) {
		where = mmap(NULL, OVER + 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		where = (char *)where + PAGE;
	}
	p->at = shmat(p->id, where, kind == P_OVER ? SHM_REMAP : 0);
	if (p->at == (void *)-1)
		fail("sysv: shmat");
	if (p->mode & SHM_DEST)
		shmctl(p->id, IPC_RMID, NULL);
	if (p->mode & SHM_LOCKED)
		shmctl(p->id, SHM_LOCK, NULL);
}

int main(int argc, char **argv)
{
	uint64_t *fixed;
	char path[256];
	sigset_t set, old;
	FILE *f;

	if (argc != 3) {
		fputs("usage: sysv DIR KEY\n", stderr);
		return 2;
	}
	dir = argv[1];
	piece[P_MAIN].key = strtoul(argv[2], NULL, 0);
	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);
	for (int i = 0; i < PIECES; i++)
		make(i);
	fixed = piece[P_MAIN].at + FIXED * PAGE / 8;
	*fixed = 4711;
	if (mprotect(fixed, PAGE, PROT_READ))
		fail("sysv: mprotect");
	reading = shmat(piece[P_MAIN].id, NULL, SHM_RDONLY);
	if (reading == (void *)-1)
		fail("sysv: shmat");
	for (int i = 0; i < PIECES; i++)
		if (piece[i].id >= 0 && i != P_CHILD)
			fill(i);
	if (!fork())
		child();
	snprintf(path, sizeof(path), "%s/sysv.ready", dir);
	f = fopen(path, "w");
	if (!f)
		return 1;
	for (int i = 0; i < PIECES; i++)
		fprintf(f, "%s %d\n", piece[i].name, piece[i].id);
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
	for (int i = 0; i < PIECES; i++)
		shmctl(piece[i].id, IPC_RMID, NULL);
	return 0;
}
