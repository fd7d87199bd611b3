// SPDX-License-Identifier: GPL-2.0-only
/* Memory goes ahead while the process runs; see precopy.h. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/pando.h>

#include "pages.h"
#include "precopy.h"
#include "segments.h"
#include "stop.h"

#define STOP_MS		1000		/* to let the threads of one process stop */
#define ROUNDS		24
#define REPORT_MS	200
#define ENOUGH_PAGES	64u		/* so few are not worth a round */
#define ENOUGH_MS	20.0
#define SHRINKS		0.8		/* of the round before, or it does not */
enum { LAZY_NEVER, LAZY_AUTO, LAZY_ALL };	/* MoveStart.lazy */

#define STALE		2		/* rounds in a row that did not help */
#define MAPS_A_TICK	1024
#define HUGE_PAGES	512u
/* Of a huge mapping so much is looked at at once, from borders that are always the same. */
#define PIECE_BYTES	(4ull << 30)
#define HUGE_BYTES	(HUGE_PAGES * (uint64_t)PAGE)

/* --- what the kernel can do ---------------------------------------------------*/

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%d/%s", tree_proc, pid, name);
	return open(path, flags | O_CLOEXEC);
}

static bool reset(pid_t pid)
{
	int fd = open_proc(pid, "clear_refs", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "4", 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static uint64_t entry_of(int fd, const volatile uint8_t *page)
{
	uint64_t e = 0;

	if (pread(fd, &e, sizeof(e), (uintptr_t)page / PAGE * sizeof(e)) !=
	    sizeof(e))
		e = 0;
	return e;
}

/* On a page of our own: are bits set, reset and set again, and frames told? */
static bool works(uint64_t *zero_key)
{
	volatile uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open_proc(getpid(), "pagemap", O_RDONLY);
	uint64_t set, cleared, again, zero;
	bool ok;

	if (page == MAP_FAILED || fd < 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	madvise((void *)page, 2 * PAGE, MADV_NOHUGEPAGE);
	page[0] = 1;
	*zero_key = page[PAGE];
	set = entry_of(fd, page);
	ok = reset(getpid());
	cleared = entry_of(fd, page);
	page[0] = 2;
	again = entry_of(fd, page);
	zero = entry_of(fd, page + PAGE);
	*zero_key = zero & (PM_PRESENT | PM_FRAME);
	munmap((void *)page, 2 * PAGE);
	close(fd);
	return ok && set & PM_SOFT_DIRTY && !(cleared & PM_SOFT_DIRTY) &&
	       again & PM_SOFT_DIRTY && set & PM_FRAME;
}

void precopy_start(struct precopy *p, struct move *m, struct segments *segments,
		   const uint64_t *sent)
{
	*p = (struct precopy){ .m = m, .segments = segments, .sent = sent };
	p->watch = open("/dev/pando", O_RDWR | O_CLOEXEC);
	p->on = works(&p->dirty.zero_key) && p->watch >= 0 &&
		!ioctl(p->watch, PANDO_IOC_WATCH);
}

/* --- a look at the memory -------------------------------------------------------*/

/*
 * Makes p->entry those of @pages from @start on. However few are asked for, the kernel
 * walks to the next border of a huge page: so that is what is read, and for the
 * mappings behind it is there already.
 */
static int read_entries(struct precopy *p, int fd, uint64_t start,
			uint64_t pages)
{
	uint64_t first = start / PAGE, wanted = first + pages;
	size_t len, got = 0;

	if (first >= p->first && wanted <= p->first + p->entries) {
		p->entry = p->window + (first - p->first);
		return 0;
	}
	wanted += (HUGE_PAGES - wanted % HUGE_PAGES) % HUGE_PAGES;
	len = (wanted - first) * sizeof(*p->window);
	if (len > p->room) {
		p->room = len;
		p->window = xrealloc(p->window, len, 1);
	}
	p->entries = 0;
	while (got < len) {
		ssize_t n = pread(fd, (uint8_t *)p->window + got, len - got,
				  first * sizeof(*p->window) + got);

		if (n < 0)
			return -errno;
		/* the end of the address space */
		if (!n)
			break;
		got += n;
	}
	p->first = first;
	p->entries = got / sizeof(*p->window);
	p->entry = p->window;
	return p->entries >= pages ? 0 : -ESRCH;
}

/* Aligned, all there, and in one piece of memory: a huge page by its looks. */
static void note_huge(struct precopy *p, pid_t pid, uint64_t start,
		      uint64_t pages)
{
	uint64_t skip = (HUGE_PAGES - start / PAGE % HUGE_PAGES) % HUGE_PAGES;

	for (uint64_t i = skip; i + HUGE_PAGES <= pages; i += HUGE_PAGES) {
		const uint64_t *e = &p->entry[i];
		uint64_t frame = e[0] & PM_FRAME;

		if (!(e[0] & PM_PRESENT) || frame % HUGE_PAGES ||
		    (e[HUGE_PAGES - 1] & PM_FRAME) != frame + HUGE_PAGES - 1 ||
		    (e[1] & PM_FRAME) != frame + 1 ||
		    (e[HUGE_PAGES / 2] & PM_FRAME) != frame + HUGE_PAGES / 2)
			continue;
		if (!(p->nhuge & (p->nhuge - 1)))
			p->huge = xrealloc(p->huge, p->nhuge ? 4 * p->nhuge : 2,
					   sizeof(*p->huge));
		p->huge[2 * p->nhuge] = pid;
		p->huge[2 * p->nhuge + 1] = start + i * PAGE;
		p->nhuge++;
	}
}

static int look_mapping(struct precopy *p, int fd, struct dirty_proc *dp, pid_t pid,
			uint64_t start, uint64_t end)
{
	while (start < end) {
		uint64_t stop = (start / PIECE_BYTES + 1) * PIECE_BYTES;
		int err;

		if (stop > end)
			stop = end;
		err = read_entries(p, fd, start, (stop - start) / PAGE);
		/* the target waits for a word */
		if (!err && stop < end && p->m->peer >= 0)
			err = peer_tick(p->m);
		if (err)
			return err;
		note_huge(p, pid, start, (stop - start) / PAGE);
		if (dp)
			dirty_span(&p->dirty, dp, start, stop, p->entry, &p->runs);
		start = stop;
	}
	return 0;
}

/*
 * The mappings of a process that stands still; or, with @huge alone, of one
 * that runs, for its huge pages.
 */
static int look(struct precopy *p, pid_t pid, bool huge)
{
	char *maps = proc_text(pid, "maps"), *line, *save = NULL;
	int fd = open_proc(pid, "pagemap", O_RDONLY), err = 0;
	struct dirty_proc *dp = NULL;
	unsigned int seen = 0;

	if (!maps || fd < 0) {
		free(maps);
		if (fd >= 0)
			close(fd);
		return -ESRCH;
	}
	p->entries = 0;
	if (!huge)
		dp = dirty_open(&p->dirty, pid);
	for (line = strtok_r(maps, "\n", &save); line && !err;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned long long start, end, inode;
		char perms[8];
		int at = 0;

		if (sscanf(line, "%llx-%llx %7s %*s %*s %llu %n", &start, &end,
			   perms, &inode, &at) != 4 || !at)
			continue;
		if (!map_is_memory(perms, inode, line + at))
			continue;
		err = look_mapping(p, fd, dp, pid, start, end);
		/* there may be 100,000 of them */
		if (!err && !(++seen % MAPS_A_TICK) && p->m->peer >= 0)
			err = peer_tick(p->m);
	}
	if (dp)
		dirty_close(dp, &p->runs);
	close(fd);
	free(maps);
	return err;
}

static void split_huge(struct precopy *p)
{
	pid_t last = 0;
	int fd = -1;

	for (size_t i = 0; i < p->nhuge; i++) {
		struct iovec part = { (void *)p->huge[2 * i + 1], PAGE };

		if ((pid_t)p->huge[2 * i] != last) {
			if (fd >= 0)
				close(fd);
			last = p->huge[2 * i];
			fd = syscall(SYS_pidfd_open, last, 0);
		}
		/* locked memory cannot be split: its changes cost more then */
		if (fd >= 0)
			syscall(SYS_process_madvise, fd, &part, 1, MADV_COLD,
				0);
	}
	if (fd >= 0)
		close(fd);
	p->nhuge = 0;
}

static void is_direct(void *arg, const struct task *k, int fd,
		      const char *link)
{
	char name[32], *text, *flags;
	bool *direct = arg;

	if (*link != '/' || !strncmp(link, "/dev/null", 9) || *direct)
		return;
	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	text = proc_text(k->pid, name);
	flags = text ? strstr(text, "flags:") : NULL;
	if (flags && strtoul(flags + 6, NULL, 8) & O_DIRECT)
		*direct = true;
	free(text);
}

/*
 * What a device writes for an O_DIRECT read shows in no page table: pages may
 * change without a trace while one is under way. Such memory does not go ahead.
 */
static bool uses_direct_io(const struct task *k)
{
	bool direct = false;

	proc_each_fd(k, is_direct, &direct);
	return direct;
}

/* Before the first round, or each write until the second would be 512. */
static void split_all(struct precopy *p)
{
	struct tree t;

	if (tree_collect(&t, p->m->start->root))
		return;
	for (size_t i = 0; i < t.n; i++)
		if (t.task[i].state != 'Z')
			look(p, t.task[i].pid, true);
	tree_free(&t);
	split_huge(p);
}

/* --- rounds -----------------------------------------------------------------------*/

static void tell(struct precopy *p, uint64_t bytes, bool ended)
{
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	char text[128] = "";

	p->told_ms = now_ms();
	if (ended)
		snprintf(text, sizeof(text), "round %u: %llu pages in %lld ms, longest stop %lld us",
			 p->rounds, (unsigned long long)p->round_pages,
			 (long long)p->round_ns / 1000000,
			 (long long)p->stop_ns / 1000);
	ev.text = text;
	ev.round = p->rounds;
	ev.bytes = bytes;
	ev.total = p->runs.pages * PAGE;
	ev.rate = p->rate;
	ev.dirty_rate = p->dirty_rate;
	ev.expected_ms = p->expected_ms;
	report(p->m, "precopy", &ev);
}

/* Within a scan: the target and the daemon wait for a word, and may have one. */
static int tick(void *arg)
{
	struct precopy *p = arg;
	int err = p->m->peer >= 0 ? peer_tick(p->m) : 0;

	report_listen(p->m);
	if (!err && p->m->verdict != VERDICT_NONE)
		err = -ECANCELED;
	if (!err && now_ms() - p->told_ms >= REPORT_MS)
		tell(p, *p->sent, false);
	return err;
}

static int look_and_reset(struct precopy *p, const struct task *k)
{
	pid_t pid = k->pid;
	struct stopped s;
	int64_t start;
	int err;

	if (uses_direct_io(k))
		return 0;	/* dirty_scanned() forgets what it was */
	start = now_ns();
	err = stop_process(&s, pid, STOP_MS);
	if (err == -ESRCH)
		return 0;	/* it ended: dirty_scanned() forgets it */
	if (err) {
		dirty_skip(&p->dirty, pid);
		return 0;
	}
	err = move_fault(p->m, FAULT_S_STOPPED);
	if (!err)
		err = look(p, pid, false);
	if (!err && !reset(pid))
		err = -EIO;
	stop_release(&s);
	if (err == -ESRCH) {
		/* killed under our eyes */
		dirty_open(&p->dirty, pid)->seen = false;
		err = 0;
	}
	if (now_ns() - start > p->stop_ns)
		p->stop_ns = now_ns() - start;
	return err;
}

/* SysV shared memory, of a tree that is just looked at: first what it is. */
static int scan_segments(struct precopy *p, const struct tree *t, bool last)
{
	struct words why = { 0 };
	int err = 0;

	/* if one was attached since, criu says so */
	if (!p->segments->n)
		return 0;
	segments_look(p->segments, t, &why);
	/* of one that runs it need not be true, and is looked at again */
	if (last && why.n)
		err = move_fail(p->m, "%s", why.v[0]);
	words_free(&why);
	if (!err)
		err = segments_send(p->segments, p->m, last);
	return err ? err : segments_scan(p->segments, p->m, &p->runs, tick, p);
}

/* @memory: not only what cannot come later. */
static int scan(struct precopy *p, bool memory)
{
	struct tree t;
	int err = 0;

	dirty_runs_free(&p->runs);
	if (tree_collect(&t, p->m->start->root))
		return move_fail(p->m, "process %u ended",
				 p->m->start->root);
	p->scan_ns = now_ns();
	if (memory) {
		dirty_scan(&p->dirty);
		for (size_t i = 0; i < t.n && !err; i++)
			if (t.task[i].state != 'Z')
				err = look_and_reset(p, &t.task[i]);
		dirty_scanned(&p->dirty, &p->runs);
	}
	if (err)
		err = move_fail(p->m, "cannot read what memory changes: %s",
				strerror(-err));
	else
		err = scan_segments(p, &t, false);
	tree_free(&t);
	if (!err)
		split_huge(p);
	return err;
}

static int send_map(struct precopy *p, uint32_t last)
{
	size_t len = sizeof(struct peer_map) +
		     p->runs.n * sizeof(struct peer_map_run);
	struct peer_map *map = xcalloc(1, len);
	struct peer_map_run *out = (struct peer_map_run *)(map + 1);
	int err;

	if (len > PEER_MESSAGE_MAX) {
		free(map);
		return move_fail(p->m, "its memory is in too many pieces (%zu) to go ahead of it: move it with --lazy",
				 p->runs.n);
	}
	map->round = htole32(++p->rounds);
	map->last = htole32(last);
	for (size_t i = 0; i < p->runs.n; i++) {
		const struct dirty_run *r = &p->runs.v[i];

		out[i].addr = htole64(r->addr);
		out[i].pages = htole32(r->pages);
		out[i].pid = htole32(r->pid | (r->drop ? PEER_MAP_DROP : 0));
	}
	err = peer_send(p->m, PEER_MAP, map, len);
	free(map);
	p->hint = 0;
	return err;
}

static int travel(struct precopy *p, int (*pump)(void *arg), void *arg)
{
	int64_t start = now_ns();
	int err = send_map(p, 0);

	if (!err)
		err = move_fault(p->m, FAULT_S_ROUND);
	while (!err && p->m->rounds_done < p->rounds) {
		stop_late();
		err = pump(arg);
		if (!err && p->m->verdict != VERDICT_NONE)
			err = -ECANCELED;
		if (now_ms() - p->told_ms >= REPORT_MS)
			tell(p, *p->sent, false);
	}
	p->round_pages = p->runs.pages;
	p->round_ns = now_ns() - start;
	/* so few bytes say nothing about the wire */
	if (p->round_pages >= ENOUGH_PAGES || !p->rate)
		p->rate = p->round_pages * (double)PAGE * 1e9 /
			  (p->round_ns + 1);
	tell(p, *p->sent, true);
	return err;
}

/* Judged after a scan: is another round before the freeze of use? */
static bool go_on(struct precopy *p, int64_t last_scan_ns, uint64_t last_pages,
		  double goal_ms)
{
	uint64_t pages = p->runs.pages;

	p->dirty_rate = pages * (double)PAGE * 1e9 /
			(p->scan_ns - last_scan_ns + 1);
	p->expected_ms = p->rate > 0 ? pages * (double)PAGE * 1e3 / p->rate :
				       0;
	if (pages <= ENOUGH_PAGES || p->expected_ms <= goal_ms)
		return false;
	p->stale = pages < last_pages * SHRINKS ? 0 : p->stale + 1;
	return p->stale < STALE && p->rounds < ROUNDS;
}

/* criu cannot take those that we still hold. */
static int late_threads(struct precopy *p)
{
	for (int64_t until = now_ms() + STOP_MS; stop_late();) {
		poll(NULL, 0, 2);
		if (now_ms() > until)
			return move_fail(p->m, "a thread of it does not stop");
	}
	return 0;
}

/* How long what is listed takes to travel, of SysV shared memory or of all else. */
static double travel_ms(const struct precopy *p, bool segments)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < p->runs.n; i++)
		if (!p->runs.v[i].drop &&
		    !(p->runs.v[i].pid & PEER_MAP_SEGMENT) == !segments)
			pages += p->runs.v[i].pages;
	return p->rate > 0 ? pages * (double)PAGE * 1e3 / p->rate : 0;
}

static int too_slow(struct precopy *p, const char *what, double ms)
{
	return move_fail(p->m, "it changes %.1f MiB of memory a second and %.1f travel: its %s alone would take %.0f ms of freeze, and %u are allowed",
			 p->dirty_rate / 0x1p20, p->rate / 0x1p20, what, ms,
			 p->m->start->max_freeze_ms);
}

int precopy_run(struct precopy *p, int (*pump)(void *arg), void *arg)
{
	uint32_t most = p->m->start->max_freeze_ms;
	double goal = most ? : ENOUGH_MS;
	bool memory;
	uint64_t pages = 0;
	int64_t last;
	int err;

	p->lazy = p->m->start->lazy == LAZY_ALL;
	memory = p->on && !p->lazy;
	if (!memory && !p->segments->n)
		return 0;
	if (memory)
		split_all(p);
	err = scan(p, memory);
	if (err)
		return err;
	do {
		last = p->scan_ns;
		pages = p->runs.pages;
		err = travel(p, pump, arg);
		if (!err)
			err = scan(p, memory);
		if (err)
			return err;
	} while (go_on(p, last, pages, goal));
	/* the rest of SysV shared memory comes in the freeze, of the other later */
	if (most && travel_ms(p, true) > most)
		return too_slow(p, "SysV shared memory", travel_ms(p, true));
	if (!memory)
		return 0;
	p->lazy = p->m->start->lazy == LAZY_AUTO && p->stale &&
		  travel_ms(p, false) > goal;
	if (p->lazy) {
		/* listed by the last look, and not to be sent now */
		for (size_t i = 0; i < p->runs.n; i++)
			if (!(p->runs.v[i].pid & PEER_MAP_SEGMENT))
				dirty_forget(&p->dirty, p->runs.v[i].pid,
					     p->runs.v[i].addr,
					     p->runs.v[i].pages);
		return late_threads(p);
	}
	if (most && p->expected_ms > most)
		return too_slow(p, "memory", p->expected_ms);
	/* what the last look found, so that only what changes now is left */
	err = travel(p, pump, arg);
	return err ? err : late_threads(p);
}

int precopy_last(struct precopy *p, const struct tree *t)
{
	int err = 0;

	dirty_runs_free(&p->runs);
	err = scan_segments(p, t, true);
	if (err)
		return err;
	p->frozen = true;
	/* all else comes later: there is nothing to list */
	if (!p->on || p->m->start->lazy == LAZY_ALL)
		return p->lazy ? send_map(p, PEER_MAP_LAZY) :
		       p->segments->n ? send_map(p, PEER_MAP_LAST) : 0;
	dirty_scan(&p->dirty);
	for (size_t i = 0; i < t->n && !err; i++)
		if (t->task[i].state != 'Z')
			err = look(p, t->task[i].pid, false);
	if (err)
		return move_fail(p->m, "cannot read what memory changed: %s",
				 strerror(-err));
	dirty_scanned(&p->dirty, &p->runs);
	p->nhuge = 0;
	return send_map(p, p->lazy ? PEER_MAP_LAZY : PEER_MAP_LAST);
}

/* Of one process, side by side or not: how many came, from the first on. */
static unsigned int read_some(pid_t pid, const uint64_t *addr, unsigned int n,
			      uint8_t *dst)
{
	struct iovec to = { dst, (size_t)n * PAGE }, from[PAGES_RUN];
	unsigned int parts = 0;
	ssize_t got;

	/* the kernel looks each part up by itself, and mostly they are few */
	for (unsigned int i = 0; i < n; i++) {
		if (i && addr[i] == addr[i - 1] + PAGE)
			from[parts - 1].iov_len += PAGE;
		else
			from[parts++] = (struct iovec){ (void *)addr[i], PAGE };
	}
	got = process_vm_readv(pid, &to, 1, from, parts, 0);
	return got > 0 ? got / PAGE : 0;
}

/* A page that does not come like that may be one that forbids reading. */
static bool read_one(struct precopy *p, pid_t pid, uint64_t addr, uint8_t *dst)
{
	if (!read_forced(pid, addr, 1, dst))
		return true;
	if (!p->frozen)
		dirty_forget(&p->dirty, pid, addr, 1);
	return false;
}

int precopy_read(struct precopy *p, uint64_t position, unsigned int n,
		 uint8_t *dst, uint64_t *missing)
{
	uint64_t addr[PAGES_RUN];
	pid_t pid[PAGES_RUN];

	if (n > PAGES_RUN || n > p->runs.pages || position > p->runs.pages - n)
		return -EPROTO;
	for (unsigned int i = 0; i < n; i++) {
		const struct dirty_run *r;

		p->hint = dirty_runs_find(&p->runs, position + i, p->hint);
		r = &p->runs.v[p->hint];
		addr[i] = r->addr + (position + i - r->first) * PAGE;
		pid[i] = r->pid;
	}
	for (unsigned int i = 0, k, got; i < n; i += got) {
		for (k = 1; i + k < n && pid[i + k] == pid[i]; k++)
			;
		if (pid[i] & PEER_MAP_SEGMENT) {
			int err = segments_read(p->segments, pid[i] &
						~PEER_MAP_SEGMENT, addr[i], 1,
						dst + (size_t)i * PAGE);

			if (err)
				return err;
			got = 1;
			continue;
		}
		got = read_some(pid[i], &addr[i], k, dst + (size_t)i * PAGE);
		if (got)
			continue;
		got = 1;
		if (read_one(p, pid[i], addr[i], dst + (size_t)i * PAGE))
			continue;
		if (p->frozen)
			return -EFAULT;
		*missing |= 1ull << i;
	}
	return 0;
}

void precopy_free(struct precopy *p)
{
	if (p->watch > 0)
		close(p->watch);
	dirty_free(&p->dirty);
	dirty_runs_free(&p->runs);
	free(p->window);
	free(p->huge);
	*p = (struct precopy){ 0 };
}
