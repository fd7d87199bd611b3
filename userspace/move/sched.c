// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sched.h"

#define IOPRIO_WHO_PROCESS	1
#define CPUS			(8 * sizeof(((struct record *)0)->cpus))

/* Of one thread; zeroes: by default. */
struct record {
	uint32_t tid;		/* le32, as the rest is little-endian */
	uint32_t ioprio;
	uint64_t slack_ns;
	uint8_t cpus[128];	/* bit 0 of byte 0 is CPU 0 */
};

/* --- CPUs: of @tid, or of this node where @tid is 0 --------------------------------*/

static bool get_cpus(pid_t tid, uint8_t *cpus)
{
	/* what it fills are whole longs, least significant byte first on what we run on */
	memset(cpus, 0, CPUS / 8);
	return syscall(SYS_sched_getaffinity, tid, CPUS / 8, cpus) > 0;
}

/* Has @a all that @b has? */
static bool has_all(const uint8_t *a, const uint8_t *b)
{
	for (size_t i = 0; i < CPUS / 8; i++)
		if (b[i] & ~a[i])
			return false;
	return true;
}

/* --- timer slack ---------------------------------------------------------------------*/

static int open_slack(pid_t tid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", tid);
	return open(path, flags | O_CLOEXEC);
}

static uint64_t get_slack(pid_t tid)
{
	int fd = open_slack(tid, O_RDONLY);
	char text[32] = "";

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoull(text, NULL, 10);
}

static void set_slack(pid_t tid, uint64_t ns)
{
	int fd = open_slack(tid, O_WRONLY);

	if (fd < 0)
		return;
	dprintf(fd, "%" PRIu64, ns);
	close(fd);
}

/* --- the image -----------------------------------------------------------------------*/

/* False: nothing is to be said of it. */
static bool save(pid_t tid, const uint8_t *all, uint64_t slack_ns, struct record *r)
{
	long ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
	uint64_t slack = get_slack(tid);
	bool pinned;

	memset(r, 0, sizeof(*r));
	r->tid = htole32(tid);
	pinned = get_cpus(tid, r->cpus) && !has_all(r->cpus, all);
	if (!pinned)
		memset(r->cpus, 0, sizeof(r->cpus));
	if (ioprio > 0)
		r->ioprio = htole32(ioprio);
	if (slack != slack_ns)
		r->slack_ns = htole64(slack);
	return pinned || ioprio > 0 || r->slack_ns;
}

int sched_save(struct move *m, const struct tree *t)
{
	uint64_t slack_ns = get_slack(getpid());
	uint8_t all[CPUS / 8];
	struct record r;
	int err = 0, fd;

	if (!get_cpus(0, all))
		memset(all, 0xff, sizeof(all));
	fd = openat(m->dir, SCHED_IMAGE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return move_fail(m, "cannot make %s: %s", SCHED_IMAGE, strerror(errno));
	for (size_t i = 0; i < t->n && !err; i++)
		for (size_t k = 0; k < t->task[i].threads && !err; k++)
			if (!t->task[i].stub && save(t->task[i].tid[k], all, slack_ns, &r))
				err = write(fd, &r, sizeof(r)) == sizeof(r) ? 0 : -EIO;
	close(fd);
	return err ? move_fail(m, "cannot write %s", SCHED_IMAGE) : 0;
}

static void restore(const struct record *r, const uint8_t *all)
{
	pid_t tid = le32toh(r->tid);
	uint8_t cpus[CPUS / 8];
	bool any = false;

	for (size_t i = 0; i < sizeof(cpus); i++) {
		cpus[i] = r->cpus[i] & all[i];
		any |= cpus[i];
	}
	if (any)
		syscall(SYS_sched_setaffinity, tid, sizeof(cpus), cpus);
	if (r->ioprio)
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, le32toh(r->ioprio));
	if (r->slack_ns)
		set_slack(tid, le64toh(r->slack_ns));
}

void sched_restore(struct move *m, const uint32_t *tid, size_t n)
{
	int fd = openat(m->dir, SCHED_IMAGE, O_RDONLY | O_CLOEXEC);
	uint32_t *sorted, nr;
	uint8_t all[CPUS / 8];
	struct record r;

	if (fd < 0 || !get_cpus(0, all)) {
		if (fd >= 0)
			close(fd);
		return;
	}
	sorted = xcalloc(n, sizeof(*sorted));
	memcpy(sorted, tid, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_number);
	while (read(fd, &r, sizeof(r)) == sizeof(r)) {
		nr = le32toh(r.tid);
		/* it comes from elsewhere: nobody but who moves */
		if (bsearch(&nr, sorted, n, sizeof(nr), by_number))
			restore(&r, all);
	}
	free(sorted);
	close(fd);
}
