// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills the memory of restored processes through userfaultfd.
 *
 * criu registers the memory when it has put it into its final place, and may
 * touch it from then on: faults are served from the first moment. What nobody
 * has asked for is pushed only once criu has said that all of it is in place
 * (post-restore), because before that an address may still be elsewhere.
 *
 * What came ahead of the process waits in the store, and goes into its place
 * when the process runs: the freeze does not last longer for it. From then on
 * it unmaps, moves and forks, and each such change is told in an event. While
 * one is untold the kernel refuses to fill (EAGAIN), so that nothing lands
 * where it does not belong: take the event, and look anew where it goes.
 *
 * A page of zeros is left out, unless somebody waits for it: once the
 * userfaultfd is closed the kernel gives zeros by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "uffd.h"

#define AROUND		16u	/* pages for one that is asked for */
#define EVENTS		32	/* of one process before the next has its turn */

size_t uffds_fds(const struct uffds *u, int *fds, size_t max)
{
	size_t n = 0;

	if (u->conn >= 0)
		fds[n++] = u->conn;
	else if (u->listener >= 0)
		fds[n++] = u->listener;
	for (size_t i = 0; i < u->n && n < max; i++)
		if (u->v[i].fd >= 0)
			fds[n++] = u->v[i].fd;
	return n;
}

bool uffds_has(const struct uffds *u, pid_t pid)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].pid == pid)
			return true;
	return false;
}

static void gone(struct uffds *u, struct uffd *t)
{
	u->missing -= t->lazy.missing;
	lazy_free(&t->lazy);
	free(t->again);
	t->again = NULL;
	t->nagain = 0;
	close(t->fd);
	t->fd = -1;
}

static void wake(const struct uffd *t, uint64_t addr)
{
	struct uffdio_range r = { addr, PAGE };

	ioctl(t->fd, UFFDIO_WAKE, &r);
}

/* Zeros, for a thread that waits. -EAGAIN: an event is in our queue. */
static int zero(const struct uffd *t, uint64_t addr)
{
	struct uffdio_zeropage z = { .range = { addr, PAGE } };

	if (!ioctl(t->fd, UFFDIO_ZEROPAGE, &z))
		return 0;
	/* something is there, or no place is any more */
	if (errno == EEXIST || errno == ENOENT) {
		wake(t, addr);
		return 0;
	}
	return -errno;
}

/* More than one page goes only where it is all within one mapping. */
static uint64_t part_of(uint64_t len)
{
	return len > PAGE ? len / 2 & ~(uint64_t)(PAGE - 1) : PAGE;
}

/*
 * Puts @len bytes in their place: how many are settled, fewer where its memory
 * is being changed and the event that says so is in our queue. -ESRCH: the
 * process is gone.
 */
static int64_t place(struct uffds *u, struct uffd *t, uint64_t addr,
		     const uint8_t *data, uint64_t len)
{
	uint64_t done = 0, part = len;

	while (done < len) {
		struct uffdio_copy c = { .dst = addr + done,
					 .src = (uintptr_t)data + done,
					 .len = part < len - done ?
						part : len - done };

		if (!ioctl(t->fd, UFFDIO_COPY, &c)) {
			done += c.len;
			continue;
		}
		if (c.copy > 0) {
			done += c.copy;
			continue;
		}
		switch (errno) {
		case EEXIST:
			wake(t, addr + done);
			done += PAGE;
			break;
		case EAGAIN:
			return done;
		case ESRCH:
			return -ESRCH;
		case ENOENT:
			part = part_of(c.len);
			/* unmapped; the event that says so is on its way */
			if (c.len == PAGE)
				done += PAGE;
			break;
		case ENOMEM:
			return move_fail(u->m, "the target has no memory left for %d",
					 t->pid);
		default:
			return move_fail(u->m, "cannot fill memory of %d at %#llx: %s",
					 t->pid,
					 (unsigned long long)addr + done,
					 strerror(errno));
		}
	}
	return done;
}

/* It is gone, which is nothing bad once it runs. */
static int died(struct uffds *u, struct uffd *t)
{
	if (!u->running)
		return move_fail(u->m, "%d died while it was restored", t->pid);
	gone(u, t);
	return 0;
}

/* One page is known now. */
static int settle(struct uffds *u, struct uffd *t, uint64_t addr, bool is_zero)
{
	uint64_t source;
	uint8_t *s = lazy_at(&t->lazy, addr, &source);
	int err;

	if (!s)
		return 0;
	err = is_zero && (*s & LAZY_FAULT) ? zero(t, addr) : 0;
	if (err)
		return err;
	u->missing -= (*s & LAZY_STATE) != LAZY_PRESENT;
	lazy_set(&t->lazy, s, LAZY_PRESENT);
	/* what a forked child lacks too is kept */
	if (!u->forked)
		store_drop(u->store, t->pid, source, 1);
	return 0;
}

static int read_events(struct uffds *u, size_t i);

/*
 * Pages of one kind that lie side by side at the source, put where they belong
 * here: all of them settled, or an error.
 */
static int put(struct uffds *u, size_t i, uint64_t source, unsigned int n,
	       const uint8_t *data)
{
	int64_t deadline = now_ms() + u->m->timeout_ms;
	const struct timespec nap = { 0, 50000 };

	while (n && u->v[i].fd >= 0) {
		struct uffd *t = &u->v[i];
		unsigned int k = 1;
		uint64_t at, next;
		int64_t done = 0;
		int err = 0;

		if (!lazy_place(&t->lazy, source, &at)) {
			done = PAGE;	/* unmapped since */
		} else if (!data) {
			err = settle(u, t, at, true);
			done = err == -EAGAIN ? 0 : PAGE;
		} else {
			/* what stands side by side here too goes in one call */
			while (k < n && lazy_place(&t->lazy, source +
						   (uint64_t)k * PAGE, &next) &&
			       next == at + (uint64_t)k * PAGE)
				k++;
			done = place(u, t, at, data, (uint64_t)k * PAGE);
			for (int64_t d = 0; d < done; d += PAGE)
				settle(u, t, at + d, false);
			err = done < 0 ? done : 0;
		}
		if (err == -ESRCH)
			return died(u, t);
		if (err && err != -EAGAIN)
			return err;
		source += done;
		n -= done / PAGE;
		data = data ? data + done : NULL;
		if (done)
			continue;
		/* what changes there is told in an event: take it first */
		err = read_events(u, i);
		if (err)
			return err;
		/* or it is about to be told, by a thread that wants the CPU */
		nanosleep(&nap, NULL);
		if (now_ms() > deadline)
			return move_fail(u->m, "the memory of %d does not hold still",
					 u->v[i].pid);
	}
	return 0;
}

int uffds_store(struct uffds *u, const struct page_news *news)
{
	const uint8_t *data = news->data;

	for (unsigned int i = 0, k; i < news->n; i += k) {
		bool is_zero = news->zero >> i & 1;
		int err;

		for (k = 1; i + k < news->n &&
		     (news->zero >> (i + k) & 1) == is_zero; k++)
			;
		err = put(u, news->cookie, news->addr + (uint64_t)i * PAGE, k,
			  is_zero ? NULL : data);
		if (err)
			return err;
		data += is_zero ? 0 : (size_t)k * PAGE;
	}
	return 0;
}

/*
 * The place is changing, and the event that says so is still to be read. The
 * thread stays asleep until it was: woken, it would only ask again, and the
 * kernel hands out what is asked before what has changed.
 */
static void again(struct uffd *t, uint64_t addr)
{
	t->again = xrealloc(t->again, t->nagain + 1, sizeof(*t->again));
	t->again[t->nagain++] = addr;
}

/*
 * A page that came ahead, and those behind it: who reads one mostly reads on.
 */
static int fault_here(struct uffds *u, struct uffd *t, uint64_t addr,
		      unsigned int n, const uint8_t *data)
{
	int64_t done;

	if (!data) {
		done = zero(t, addr);
		n = 1;
	} else {
		for (unsigned int i = 1; i < n; i++) {
			uint64_t source, first;
			const uint8_t *s = lazy_at(&t->lazy, addr + i * PAGE,
						   &source);

			if (!s || *s != LAZY_ABSENT ||
			    !lazy_at(&t->lazy, addr, &first) ||
			    source != first + i * PAGE)
				n = i;
		}
		done = place(u, t, addr, data, n * (uint64_t)PAGE);
	}
	if (done == -ESRCH)
		return died(u, t);
	if (done == -EAGAIN || (data && !done)) {
		again(t, addr);
		return 0;
	}
	if (done < 0)
		return done;
	settle(u, t, addr, false);
	for (int64_t at = PAGE; data && at < done; at += PAGE)
		settle(u, t, addr + at, false);
	return 0;
}

/* A page to ask for, and its neighbours that are not here either: WANTED. */
static unsigned int absent_around(struct uffds *u, struct uffd *t,
				  uint64_t addr, uint64_t source)
{
	unsigned int n, max;
	const uint8_t *data;

	store_find(u->store, t->pid, source, AROUND, &max, &data);
	for (n = 0; n < max; n++) {
		uint64_t there;
		uint8_t *s = lazy_at(&t->lazy, addr + n * PAGE, &there);

		if (!s || there != source + n * PAGE ||
		    (*s & LAZY_STATE) != LAZY_ABSENT)
			break;
		lazy_set(&t->lazy, s, LAZY_WANTED);
	}
	return n;
}

static int fault(struct uffds *u, size_t i, uint64_t addr)
{
	struct uffd *t = &u->v[i];
	const uint8_t *data = NULL;
	enum store_kind kind;
	uint64_t source;
	unsigned int n;
	uint8_t *s;

	u->faults++;
	addr &= ~(uint64_t)(PAGE - 1);
	s = lazy_at(&t->lazy, addr, &source);
	/* a hole that never was, or zeros that we left out */
	if (!s || (*s & LAZY_STATE) == LAZY_PRESENT)
		return fault_here(u, t, addr, 1, NULL);
	if ((*s & LAZY_STATE) == LAZY_ABSENT) {
		kind = store_find(u->store, t->pid, source, AROUND, &n, &data);
		if (kind != STORE_NONE)
			return fault_here(u, t, addr, n, data);
	}
	*s |= LAZY_FAULT;
	if ((*s & LAZY_STATE) == LAZY_WANTED)
		return 0;
	/* full: fetch_faults() comes back to it, it is marked */
	if (!page_puller_room(u->puller)) {
		u->waiting = true;
		return 0;
	}
	n = absent_around(u, t, addr, source);
	return page_puller_want(u->puller, i, t->pid, source, n);
}

/* A child with a copy of the memory: what its parent lacks, it lacks. */
static int forked(struct uffds *u, size_t parent, int fd)
{
	/* the source knows the memory by the parent's number */
	struct uffd child = { .pid = u->v[parent].pid, .fd = fd };

	if (lazy_clone(&child.lazy, &u->v[parent].lazy)) {
		close(fd);
		return move_fail(u->m, "no memory for the map of a child of %d",
				 child.pid);
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	u->missing += child.lazy.missing;
	u->total += child.lazy.missing;
	u->forked = true;
	u->v = xrealloc(u->v, u->n + 1, sizeof(*u->v));
	u->v[u->n++] = child;
	return keeper_hold(u->m, u->keeper, fd);
}

static int event(struct uffds *u, size_t i, const struct uffd_msg *msg)
{
	struct uffd *t = &u->v[i];
	uint64_t before = t->lazy.missing;
	int err = 0;

	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		return fault(u, i, msg->arg.pagefault.address);
	case UFFD_EVENT_UNMAP:
	case UFFD_EVENT_REMOVE:
		err = lazy_drop(&t->lazy, msg->arg.remove.start,
				msg->arg.remove.end - msg->arg.remove.start);
		break;
	case UFFD_EVENT_REMAP:
		err = lazy_move(&t->lazy, msg->arg.remap.from,
				msg->arg.remap.to, msg->arg.remap.len);
		break;
	case UFFD_EVENT_FORK:
		return forked(u, i, msg->arg.fork.ufd);
	}
	u->missing -= before - t->lazy.missing;
	return err ? move_fail(u->m, "no memory for the map of %d", t->pid) : 0;
}

/* Those that were put off: some may have to be put off once more. */
static int retry(struct uffds *u, size_t i)
{
	uint64_t *addr = u->v[i].again;
	size_t n = u->v[i].nagain;
	int err = 0;

	u->v[i].again = NULL;
	u->v[i].nagain = 0;
	for (size_t k = 0; k < n && !err && u->v[i].fd >= 0; k++)
		err = fault(u, i, addr[k]);
	free(addr);
	return err;
}

static int read_events(struct uffds *u, size_t i)
{
	struct uffd_msg msg;
	int left = EVENTS;
	ssize_t n;

	/* not all at once: the others' threads wait too */
	while (left-- && u->v[i].fd >= 0 &&
	       (n = read(u->v[i].fd, &msg, sizeof(msg))) != 0) {
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n != sizeof(msg)) {
			gone(u, &u->v[i]);
			return 0;
		}
		err = event(u, i, &msg);
		if (err)
			return err;
	}
	return u->v[i].nagain ? retry(u, i) : 0;
}

/* Asks for pages that threads wait for, where there was no room before. */
static int fetch_faults(struct uffds *u)
{
	if (!u->waiting)
		return 0;
	for (size_t i = 0; i < u->n; i++) {
		struct uffd *t = &u->v[i];

		for (size_t r = 0; t->fd >= 0 && r < t->lazy.n; r++) {
			struct lazy_run *run = &t->lazy.run[r];

			for (uint64_t p = 0; p < run->pages; p++) {
				int err;

				if (run->state[p] != (LAZY_FAULT | LAZY_ABSENT))
					continue;
				if (!page_puller_room(u->puller))
					return 0;
				lazy_set(&t->lazy, &run->state[p], LAZY_WANTED);
				err = page_puller_want(u->puller, i, t->pid,
						       run->source + p * PAGE,
						       1);
				if (err)
					return err;
			}
		}
	}
	u->waiting = false;
	return 0;
}

/*
 * The next pages of process @i in order: those that came ahead are put in
 * their place (@local), the others asked for. 1: something was done, 0: there
 * is nothing more, or no room.
 */
static int fill_next(struct uffds *u, size_t i, bool local)
{
	struct lazy *l = &u->v[i].lazy;
	size_t cursor = l->cursor;
	uint64_t page = l->page, source;
	unsigned int left = lazy_next(l, PAGES_RUN, &source), n;
	int err = 0;

	if (!left)
		return 0;
	for (; left && !err && u->v[i].fd >= 0; left -= n, source += n * PAGE) {
		const uint8_t *data = NULL;
		enum store_kind kind = store_find(u->store, u->v[i].pid, source,
						  left, &n, &data);

		if (kind != STORE_NONE && local) {
			err = put(u, i, source, n, data);
		} else if (kind == STORE_NONE) {
			if (!page_puller_ready(u->puller))
				break;
			err = page_puller_want(u->puller, i, u->v[i].pid,
					       source, n);
		} else {
			lazy_unwant(&u->v[i].lazy, source, n);
		}
	}
	if (left && !err && u->v[i].fd >= 0) {
		/* no room: from here again, later */
		l = &u->v[i].lazy;
		lazy_unwant(l, source, left);
		l->cursor = cursor;
		l->page = page;
		return 0;
	}
	return err ? err : 1;
}

static int fill(struct uffds *u)
{
	bool local = u->fill == FILL_ALL;

	for (size_t i = 0; i < u->n; i++) {
		int did = 1;

		while (did > 0 && u->v[i].fd >= 0) {
			did = fill_next(u, i, local);
			/* faults come first: look for them after each run */
			if (did > 0 && local) {
				u->more = true;
				return 0;
			}
		}
		if (did < 0)
			return did;
		if (!did && !page_puller_ready(u->puller))
			break;
	}
	u->more = false;
	if (u->fill == FILL_ABSENT && page_puller_ready(u->puller))
		u->asked = true;
	return 0;
}

bool uffds_busy(const struct uffds *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].nagain)
			return true;
	return u->fill == FILL_ALL && u->more;
}

void uffds_fill(struct uffds *u, enum uffd_fill fill)
{
	uint64_t absent = 0;

	u->fill = fill;
	for (size_t i = 0; i < u->n; i++) {
		struct lazy *l = &u->v[i].lazy;

		l->cursor = l->page = 0;
		for (size_t r = 0; r < l->n && u->v[i].fd >= 0; r++)
			absent += l->run[r].pages -
				  store_count(u->store, u->v[i].pid,
					      l->run[r].source,
					      l->run[r].pages);
	}
	/* mostly all came ahead, and there is nothing to look for */
	u->asked = !absent;
	u->more = true;
}

int uffds_work(struct uffds *u)
{
	int err;

	err = uffds_hear(u);
	if (err)
		return err;
	for (size_t i = 0; i < u->n; i++) {
		err = read_events(u, i);
		if (err)
			return err;
	}
	err = fetch_faults(u);
	if (err || u->fill == FILL_NOTHING ||
	    (u->fill == FILL_ABSENT && u->asked))
		return err;
	return fill(u);
}

void uffds_release(struct uffds *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].fd >= 0)
			gone(u, &u->v[i]);
}

void uffds_free(struct uffds *u)
{
	uffds_release(u);
	free(u->v);
	if (u->conn >= 0)
		close(u->conn);
	if (u->listener >= 0)
		close(u->listener);
	*u = (struct uffds){ .conn = -1, .listener = -1 };
}
