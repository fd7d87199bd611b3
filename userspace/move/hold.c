// SPDX-License-Identifier: GPL-2.0-only
/* Signals of a moving tree; see hold.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold.h"
#include "pending.h"

#define CORE_MAX	(16u << 20)
#define SETTLE_MS	1000

static int read_pending(struct move *m, pid_t tid, bool shared, uint16_t *count)
{
	char name[32];
	struct stat st;
	uint8_t *buf;
	int fd, err;

	snprintf(name, sizeof(name), "core-%d.img", tid);
	fd = openat(m->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size > CORE_MAX) {
		if (fd >= 0)
			close(fd);
		return move_fail(m, "criu wrote no %s", name);
	}
	buf = xcalloc(1, st.st_size);
	err = read(fd, buf, st.st_size) == st.st_size ?
	      pending_parse(buf, st.st_size, shared, count) : -EIO;
	close(fd);
	free(buf);
	return err ? move_fail(m, "%s cannot be read: %s", name,
			       strerror(-err)) : 0;
}

static int hold(struct move *m, int dev, const struct task *k, pid_t tid)
{
	static const uint16_t none[PANDO_HOLD_SIGNALS];
	struct pando_hold h = { .move = m->start->move, .pid = k->pid,
				.tid = tid };
	int err = read_pending(m, tid ? tid : k->pid, !tid, h.seen);

	/* none is what the kernel assumes of threads */
	if (err || (tid && !memcmp(h.seen, none, sizeof(none))))
		return err;
	return ioctl(dev, PANDO_IOC_HOLD, &h) ?
	       move_fail(m, "signals to %d (%s) cannot be kept: %s", k->pid,
			 k->comm, strerror(errno)) : 0;
}

static int open_dev(struct move *m, int *dev)
{
	if (*dev < 0)
		*dev = open("/dev/pando", O_RDWR | O_CLOEXEC);
	return *dev < 0 ? move_fail(m, "/dev/pando: %s", strerror(errno)) : 0;
}

/* Does SIGSTOP wait in this queue? */
static bool has_stop(const char *status, const char *queue)
{
	const char *s = strstr(status, queue);

	return s && strtoull(s + strlen(queue), NULL, 16) >> (SIGSTOP - 1) & 1;
}

/*
 * Are all threads stopped, or none of them, and none about to be? Who stands stopped has
 * one more SIGSTOP waiting when criu has restored it so.
 */
static bool is_settled(struct task *k)
{
	bool stopped = false, runs = false, sent = false;

	for (size_t i = 0; i < k->threads; i++) {
		char name[40], *status, *s;

		snprintf(name, sizeof(name), "task/%d/status", k->tid[i]);
		status = proc_text(k->pid, name);
		s = status ? strstr(status, "\nState:\t") : NULL;
		if (s) {
			char state = s[strlen("\nState:\t")];

			if (k->tid[i] == k->pid)
				k->state = state;
			stopped |= state == 'T';
			runs |= !strchr("TZX", state);
			sent |= has_stop(status, "\nSigPnd:") ||
				has_stop(status, "\nShdPnd:");
		}
		free(status);
	}
	return !runs || (!sent && !stopped);
}

int hold_stops(struct move *m, int *dev, struct tree *t)
{
	int64_t deadline = now_ms() + SETTLE_MS;
	int err = open_dev(m, dev);

	for (size_t i = 0; i < t->n && !err; i++) {
		struct task *k = &t->task[i];
		struct pando_hold h = { .move = m->start->move, .pid = k->pid,
					.flags = PANDO_HOLD_STOPS };

		if (k->state == 'Z' || k->stub)
			continue;
		/* it has ended: criu will see */
		if (ioctl(*dev, PANDO_IOC_HOLD, &h) && errno != ESRCH)
			err = move_fail(m, "signals to %d (%s) cannot be kept: %s",
					k->pid, k->comm, strerror(errno));
	}
	for (size_t i = 0; i < t->n && !err; i++) {
		struct task *k = &t->task[i];

		if (k->state == 'Z' || k->stub)
			continue;
		/* one that cannot be woken just now keeps it for its next place */
		while (!is_settled(k) && now_ms() < deadline)
			poll(NULL, 0, 2);
	}
	return err;
}

int hold_tree(struct move *m, int *dev, const struct tree *t)
{
	int err = open_dev(m, dev);

	for (size_t i = 0; i < t->n && !err; i++) {
		const struct task *k = &t->task[i];

		if (k->state == 'Z' || k->stub)
			continue;
		err = hold(m, *dev, k, 0);
		for (size_t j = 0; j < k->threads && !err; j++)
			err = hold(m, *dev, k, k->tid[j]);
	}
	return err;
}

int hold_copies(struct move *m, int *dev, const uint32_t *pids, size_t n)
{
	int err = open_dev(m, dev);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		struct pando_hold h = { .move = m->start->move,
					.pid = pids[i],
					.flags = PANDO_HOLD_COPY };

		/* of threads there is no process */
		if (ioctl(*dev, PANDO_IOC_HOLD, &h) && errno != ESRCH)
			return move_fail(m, "signals to %u cannot be kept: %s",
					 pids[i], strerror(errno));
	}
	return 0;
}

void hold_stay(int dev)
{
	ioctl(dev, PANDO_IOC_STAY);
}

void hold_let(struct move *m, int *dev)
{
	uint64_t move = m->start->move;

	if (*dev < 0)
		return;
	ioctl(*dev, PANDO_IOC_LET, &move);
	close(*dev);
	*dev = -1;
}
