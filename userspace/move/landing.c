// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target's side from the moment in which the tree is whole here: wait for
 * the decision, let it run or take it away, put its memory where it belongs.
 *
 * Where all of the memory came ahead, two processes do that. The mover talks to
 * the daemon and to the source. The holder, forked off in that moment, has what
 * the tree needs to go on, and talks to nobody: it is told the decision, and
 * says how far it is. When the mover dies its socket ends, and the holder does
 * the talking as well, from where the mover was: the decision is asked for
 * again, and the daemon and the source hear some things twice. When the holder
 * dies so does what it holds: before the decision the move, after it the tree,
 * by the guard (keeper.h).
 *
 * Where the memory is still to come both are one process, because no fabric
 * survives a fork.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"
#include "peer.h"
#include "sysv.h"
#include "target.h"

#define REPORT_MS	200
#define END_MS		5000
#define NS_PER_S	1000000000ll
#define WATCH		512	/* userfaultfds polled; the rest in turn */

/* To the holder: WORD_RUN, WORD_ENDED; the others to the mover. */
enum { WORD_RUN = 1, WORD_RUNNING, WORD_FILLING, WORD_FILLED, WORD_ENDED };
struct word {
	int what;
	int64_t resumed_ns;	/* since when it runs */
	uint64_t total;		/* pages that were not in their place then */
};

/*
 * False if the other side is gone. How far it is need not be said where nobody has
 * listened for long.
 */
static bool say(int sock, const struct word *w)
{
	int flags = MSG_NOSIGNAL | (w->what == WORD_FILLING ? MSG_DONTWAIT : 0);
	ssize_t n;

	do
		n = send(sock, w, sizeof(*w), flags);
	while (n < 0 && errno == EINTR);
	return n == sizeof(*w) || (n < 0 && errno == EAGAIN);
}

/* False at the end of the other side. */
static bool hear(int sock, struct word *w)
{
	ssize_t n;

	do
		n = recv(sock, w, sizeof(*w), 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof(*w);
}

/* --- what the daemon and the source are told ----------------------------------------*/

static void speak(struct target *t, const struct word *w)
{
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;
	struct move *m = t->m;

	switch (w->what) {
	case WORD_RUNNING:
		report_mark_at(m, "resume", w->resumed_ns);
		ev.total = w->total * PAGE;
		ev.freeze_ms = (w->resumed_ns - t->frozen_ns) / 1e6;
		report(m, "running", &ev);
		if (m->peer >= 0)
			peer_say(m, PEER_RESUMED, NULL);
		fault_at(FAULT_T_RUNNING);
		break;
	case WORD_FILLING:
		target_progress(t, "filling");
		break;
	case WORD_FILLED:
		report_mark(m, "fill");
		if (m->peer >= 0)
			peer_say(m, PEER_FILLED, NULL);
		fault_at(FAULT_T_FILLED);
		ev.bytes = t->puller.bytes;
		ev.pages = t->puller.pages;
		report(m, "done", &ev);
		break;
	}
}

/* Its part is ours from now on. */
static void mover_gone(struct target *t)
{
	close(t->mover);
	t->mover = -1;
	/* it was said, or is said again now: the source's end is no failure */
	t->m->ready = true;
	/* nor is it gone because nobody listened to it for a while */
	t->m->heard_ns = now_ns();
	fault_armed = FAULT_NONE;
	/* it may not have come to say so */
	if (t->resumed_ns)
		speak(t, &(struct word){ WORD_RUNNING, t->resumed_ns,
					 t->uffds.total });
}

static void tell(struct target *t, int what)
{
	struct word w = { what, t->resumed_ns, t->uffds.total };

	if (t->mover >= 0 && say(t->mover, &w))
		return;
	if (t->mover >= 0) {
		mover_gone(t);
		if (what == WORD_RUNNING)
			return;
	}
	speak(t, &w);
}

/* --- the decision ---------------------------------------------------------------------*/

/* While another process has the tree: from it only the end can come. */
static int watch(struct target *t, struct word *w)
{
	struct move *m = t->m;
	struct pollfd p[3] = { { m->daemon, POLLIN, 0 }, { m->peer, POLLIN, 0 },
			       { t->holder, POLLIN, 0 } };
	int err;

	*w = (struct word){ 0 };
	poll(p, 3, peer_tick_ms(m));
	if (p[0].revents)
		report_listen(m);
	err = target_listen_peer(t, p[1].revents);
	if (!err && p[2].revents && !hear(t->holder, w))
		err = move_fail(m, "who held the restored process was killed");
	return err;
}

static int wait_with_holder(void *arg)
{
	struct word w;

	return watch(arg, &w);
}

static int decide(struct target *t)
{
	struct move *m = t->m;
	int err;

	m->ready = true;
	target_progress(t, "ready");
	fault_at(FAULT_T_READY);
	/* should it not arrive, the decision is the cluster's anyway */
	peer_say(m, PEER_HELD, NULL);
	err = peer_decide(m, t->holder >= 0 ? wait_with_holder : target_pump, t);
	if (err)
		return err;
	report_mark(m, "commit");
	target_die_first(false);
	fault_at(FAULT_T_COMMITTED);
	terminal_hand_over(m, &t->terminal);
	return 0;
}

static void holder_end(struct target *t)
{
	struct pollfd p = { t->holder, POLLIN, 0 };
	struct word w = { .what = WORD_ENDED };

	if (t->holder < 0)
		return;
	/* the keeper waits for its end */
	if (say(t->holder, &w))
		poll(&p, 1, END_MS);
	kill(t->holder_pid, SIGKILL);
	waitpid(t->holder_pid, NULL, 0);
	close(t->holder);
	t->holder = -1;
}

static void abort_move(struct target *t)
{
	struct move *m = t->m;

	if (!m->reason[0])
		move_fail(m, "the move was called off");
	holder_end(t);
	criu_kill(&t->criu);
	uffds_release(&t->uffds);
	landed_segments_free(&t->segments);
	/* all that is in there is a copy, whoever its parent is by now */
	group_kill(&t->group);
	if (keeper_kill(&t->keeper, m->timeout_ms)) {
		size_t n = strlen(m->reason);

		snprintf(m->reason + n, sizeof(m->reason) - n,
			 "; restored tasks do not die");
	}
	/* the keeper does that, unless it was killed */
	if (m->dir >= 0)
		sysv_unmake(openat(m->dir, SYSV_MADE, O_RDONLY | O_CLOEXEC));
	if (m->peer >= 0)
		peer_say(m, m->ready ? PEER_ABORTED : PEER_ABORT, m->reason);
}

/* --- run and fill ----------------------------------------------------------------------*/

/* However well the nodes agree: no process may see the time go back. */
static void let_clock_pass(const struct target *t)
{
	int64_t ahead = t->clock_ns - t->ahead_ns - now_ns();
	struct timespec ts = { ahead / NS_PER_S, ahead % NS_PER_S };

	if (ahead > 0 && ahead < 2 * (CLOCK_KIN_NS + t->m->skew_error_ns))
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void let_run(struct target *t)
{
	int err;

	t->uffds.running = true;
	target_die_first(false);
	landed_segments_keep(t->m);
	keeper_commit(&t->keeper);
	kin_place(t->m, &t->kin, t->terminal.slave);
	kin_join(&t->kin);
	keeper_leave(&t->keeper);
	/* from here on it is the tree's alone */
	terminal_free(&t->terminal);
	let_clock_pass(t);
	err = group_thaw(&t->group);
	if (err)
		fprintf(stderr, "pando-move: move %016llx: it cannot be let run: %s\n",
			(unsigned long long)t->m->start->move, strerror(-err));
	t->resumed_ns = now_ns();
	hold_let(t->m, &t->hold);
}

/* Serves who waits for memory, for a while. */
static int attend(struct target *t)
{
	struct pollfd p[1 + WATCH] = { { t->mover, POLLIN, 0 } };
	int fds[WATCH];
	size_t n;

	if (t->mover < 0)
		return target_pump(t);
	n = uffds_fds(&t->uffds, fds, WATCH);
	for (size_t i = 0; i < n; i++)
		p[1 + i] = (struct pollfd){ fds[i], POLLIN, 0 };
	poll(p, 1 + n, uffds_busy(&t->uffds) ? 0 : n == WATCH ? 1 : -1);
	/* before it runs who waits for a word of the mover's sees that */
	if (t->uffds.running && p[0].revents & POLLHUP)
		mover_gone(t);
	return uffds_work(&t->uffds);
}

static int run(struct target *t)
{
	let_run(t);
	tell(t, WORD_RUNNING);
	/* not before: until it runs each moment is one of its freeze */
	uffds_fill(&t->uffds, FILL_ALL);
	while (t->uffds.missing) {
		/* what is not here now never will be: the guard knows */
		if (attend(t))
			return -ECANCELED;
		if (now_ms() - t->reported_ms < REPORT_MS)
			continue;
		t->reported_ms = now_ms();
		tell(t, WORD_FILLING);
	}
	/* what was not carried is zeros, and the kernel has those */
	uffds_release(&t->uffds);
	keeper_done(&t->keeper);
	tell(t, WORD_FILLED);
	return 0;
}

/* --- the two processes -----------------------------------------------------------------*/

static void __attribute__((noreturn)) hold_all(struct target *t)
{
	struct word w = { 0 };
	int err = 0;

	prctl(PR_SET_NAME, "pando-holder");
	/* the mover reports them */
	t->m->marks = 0;
	while (!err && t->mover >= 0 && w.what != WORD_RUN) {
		struct pollfd p = { t->mover, POLLIN, 0 };

		err = attend(t);
		if (err || poll(&p, 1, 0) <= 0)
			continue;
		if (!hear(t->mover, &w))
			mover_gone(t);
		else if (w.what == WORD_ENDED)
			_exit(1);
	}
	if (t->mover < 0) {
		fprintf(stderr, "pando-move: move %016llx: the mover was killed, and its part is taken over\n",
			(unsigned long long)t->m->start->move);
		if (!err)
			err = decide(t);
		if (err)
			abort_move(t);
	} else if (t->terminal.master >= 0) {
		/* the daemon has it */
		close(t->terminal.master);
		t->terminal.master = -1;
	}
	if (!err)
		err = run(t);
	/* it may have been killed before it said so */
	if (!err && t->mover >= 0 && !hear(t->mover, &w)) {
		mover_gone(t);
		tell(t, WORD_FILLED);
	}
	if (t->mover < 0) {
		criu_finish(&t->criu);
		workdir_remove(t->m);
	}
	_exit(err ? 1 : 0);
}

/* What the holder has is not the mover's any more. */
static void give_up(struct target *t)
{
	uint64_t total = t->uffds.total;

	uffds_free(&t->uffds);
	t->uffds.total = total;
	store_free(&t->store);
	/*
	 * The descriptors of relations and held signals are the mover's too: were they
	 * closed before the copies are dead, one's end would be taken for its process's.
	 */
	if (t->keeper.guard >= 0)
		close(t->keeper.guard);
	if (t->terminal.slave >= 0)
		close(t->terminal.slave);
	t->keeper.guard = t->terminal.slave = -1;
}

static int start_holder(struct target *t)
{
	int sk[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk))
		return move_fail(t->m, "socketpair: %s", strerror(errno));
	t->holder_pid = fault_at(FAULT_T_HOLDER) ? -1 : fork();
	if (!t->holder_pid) {
		close(sk[0]);
		t->mover = sk[1];
		hold_all(t);
	}
	close(sk[1]);
	if (t->holder_pid < 0) {
		close(sk[0]);
		return move_fail(t->m, "fork: %s", strerror(errno));
	}
	t->holder = sk[0];
	give_up(t);
	return 0;
}

/* Until all is in its place: tells what the holder says. */
static int follow(struct target *t)
{
	struct word w = { .what = WORD_RUN };

	say(t->holder, &w);
	do {
		if (watch(t, &w))
			return -ECANCELED;
		speak(t, &w);
	} while (w.what != WORD_FILLED);
	w.what = WORD_ENDED;
	say(t->holder, &w);
	waitpid(t->holder_pid, NULL, 0);
	return 0;
}

int target_land(struct target *t, int err)
{
	if (!err && !t->intake.lazy)
		err = start_holder(t);
	if (!err)
		err = decide(t);
	if (err) {
		abort_move(t);
		return err;
	}
	err = t->holder >= 0 ? follow(t) : run(t);
	if (!err)
		criu_finish(&t->criu);
	return err;
}
