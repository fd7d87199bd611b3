// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's side of a move: what it orders, and what it is told. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "move.h"

/* The daemon starts us and speaks at once; a minute is a hung node. */
#define START_MS	60000
#define TIMEOUT_MIN_MS	1000
#define TIMEOUT_DEFAULT	30000

int report_start(struct move *m)
{
	struct pollfd p = { m->daemon, POLLIN, 0 };
	int fds[PANDO_FRAME_FDS], nfds = 0;
	Pando__Frame *frame;
	int n;

	if (poll(&p, 1, START_MS) <= 0)
		return -ETIMEDOUT;
	n = pando_recv(m->daemon, &frame, fds, &nfds);
	if (n <= 0)
		return n ? n : -EPIPE;
	for (int i = 1; i < nfds; i++)
		close(fds[i]);
	m->slave = nfds ? fds[0] : -1;
	if (frame->body_case != PANDO__FRAME__BODY_MOVE_START) {
		pando_frame_free(frame);
		return -EPROTO;
	}
	m->start = frame->move_start;
	/* the frame is kept whole for as long as we live */
	m->timeout_ms = m->start->timeout_ms ? m->start->timeout_ms :
					       TIMEOUT_DEFAULT;
	if (m->timeout_ms < TIMEOUT_MIN_MS)
		m->timeout_ms = TIMEOUT_MIN_MS;
	return 0;
}

/* It does not listen any more, but what it said before stands. */
static void hear_out(struct move *m)
{
	struct pollfd p = { m->daemon, POLLIN, 0 };

	while (m->daemon >= 0 && poll(&p, 1, 0) > 0)
		report_listen(m);
	if (m->daemon < 0)
		return;
	close(m->daemon);
	m->daemon = -1;
	if (m->verdict == VERDICT_NONE)
		m->verdict = VERDICT_LOST;
}

int report(struct move *m, const char *phase, Pando__MoveEvent *ev)
{
	return report_fd(m, phase, ev, -1);
}

int report_fd(struct move *m, const char *phase, Pando__MoveEvent *ev, int fd)
{
	Pando__Frame frame = PANDO__FRAME__INIT;
	Pando__MoveEvent plain = PANDO__MOVE_EVENT__INIT;
	Pando__MoveMark mark[MOVE_MARKS], *marks[MOVE_MARKS];
	int err;

	if (!ev)
		ev = &plain;
	ev->phase = (char *)phase;
	if (!ev->text)
		ev->text = (char *)"";
	for (unsigned int i = 0; i < m->marks; i++) {
		pando__move_mark__init(&mark[i]);
		mark[i].name = (char *)m->mark[i].name;
		mark[i].at_ns = m->mark[i].at_ns;
		marks[i] = &mark[i];
	}
	ev->marks = marks;
	ev->n_marks = m->marks;
	m->marks = 0;
	frame.body_case = PANDO__FRAME__BODY_MOVE_EVENT;
	frame.move_event = ev;
	if (getenv("PANDO_MOVE_DEBUG"))
		fprintf(stderr, "pando-move[%d] %lld ms %s %s\n", getpid(),
			(long long)now_ms(), phase, ev->text);
	if (m->daemon < 0)
		return -EPIPE;
	err = pando_send(m->daemon, &frame, &fd, fd >= 0);
	ev->marks = NULL;
	ev->n_marks = 0;
	if (err)
		hear_out(m);
	return err;
}

void report_mark_at(struct move *m, const char *name, int64_t at_ns)
{
	if (m->marks == MOVE_MARKS)
		return;
	m->mark[m->marks].name = name;
	m->mark[m->marks++].at_ns = at_ns + m->skew_ns;
}

void report_mark(struct move *m, const char *name)
{
	report_mark_at(m, name, now_ns());
}

void report_phase(struct move *m, const char *phase)
{
	report(m, phase, NULL);
}

/*
 * A verdict stands: the daemon has it from the one total order, and nobody
 * may talk it back.
 */
void report_listen(struct move *m)
{
	struct pollfd p = { m->daemon, POLLIN, 0 };
	Pando__Frame *frame;
	int n;

	if (m->daemon < 0 || poll(&p, 1, 0) <= 0)
		return;
	n = pando_recv(m->daemon, &frame, NULL, NULL);
	if (n <= 0) {
		close(m->daemon);
		m->daemon = -1;
		if (m->verdict == VERDICT_NONE) {
			m->verdict = VERDICT_LOST;
			move_fail(m, "the daemon of this node went away");
		}
		return;
	}
	if (frame->body_case == PANDO__FRAME__BODY_MOVE_VERDICT &&
	    m->verdict == VERDICT_NONE) {
		if (frame->move_verdict->commit) {
			m->verdict = VERDICT_COMMIT;
		} else {
			m->verdict = VERDICT_ABORT;
			move_fail(m, "the cluster called the move off");
		}
	}
	m->numbered |= frame->body_case == PANDO__FRAME__BODY_MOVE_PREPARED;
	pando_frame_free(frame);
}

int report_await_numbers(struct move *m)
{
	int64_t end = now_ms() + m->timeout_ms;

	while (!m->numbered && m->verdict == VERDICT_NONE) {
		struct pollfd p = { m->daemon, POLLIN, 0 };
		int64_t left = end - now_ms();

		if (left <= 0)
			return move_fail(m, "the daemon of this node does not reserve its numbers");
		if (poll(&p, 1, left) > 0)
			report_listen(m);
	}
	return m->numbered ? 0 : -ECANCELED;
}

int move_fault(struct move *m, enum fault_point point)
{
	if (!fault_at(point))
		return 0;
	return move_fail(m, "fault %d was asked for", point);
}
