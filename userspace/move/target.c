// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target's side of a move until the decision: take what comes ahead, and let
 * criu rebuild the tree, to the end, but frozen. What follows is in landing.c.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alarms.h"
#include "hold.h"
#include "images.h"
#include "peer.h"
#include "sched.h"
#include "target.h"
#include "tree.h"

#define REPORT_MS	200
#define WATCH		512	/* userfaultfds polled; the rest in turn */

/* --- what stands before the freeze ------------------------------------------*/

static void missing(struct words *out, const Pando__FileNeed *f)
{
	char host[65] = "this node";
	struct stat st;

	gethostname(host, sizeof(host) - 1);
	if (stat(f->path, &st))
		words_add(out, "no %s on %s", f->path, host);
	else if ((st.st_mode & S_IFMT) != (f->mode & S_IFMT))
		words_add(out, "%s is something else on %s", f->path, host);
	else if (S_ISREG(f->mode) && (uint64_t)st.st_size != f->size)
		words_add(out, "%s differs on %s: %llu bytes instead of %llu",
			  f->path, host, (unsigned long long)st.st_size,
			  (unsigned long long)f->size);
}

static int check_files(struct move *m, const Pando__MovePrepare *plan)
{
	struct words why = { 0 };
	int err = 0;

	for (size_t i = 0; i < plan->n_files; i++)
		missing(&why, plan->files[i]);
	if (why.n > 1)
		err = move_fail(m, "%s (and %zu more files)", why.v[0],
				why.n - 1);
	else if (why.n)
		err = move_fail(m, "%s", why.v[0]);
	words_free(&why);
	return err;
}

static int try_fabric(struct target *t, const struct fabric_ops *ops,
		      uint16_t port, char *why, size_t size)
{
	struct move *m = t->m;
	struct fabric *f = fabric_new(ops, m->start->token.data,
				      m->start->token.len);
	struct peer_message msg;
	int err, up;

	if (!f)
		return -ENOMEM;
	/* a device that we lack is not worth the source's wait */
	if (f->ops->probe(f, NULL)) {
		snprintf(why, size, "%s", f->error);
		fabric_free(f);
		return 1;
	}
	err = peer_say(m, PEER_TRY, ops->name);
	if (err)
		goto out;
	up = f->ops->connect(f, m->start->peer_addr, port, m->timeout_ms / 3);
	if (up)
		snprintf(why, size, "%s", f->error);
	err = peer_expect(m, 0, &msg);
	if (err)
		goto out;
	if (!up && msg.type == PEER_DOWN) {
		snprintf(why, size, "%s", (char *)msg.data);
		up = -ECONNREFUSED;
	}
	peer_free(&msg);
	if (!up) {
		t->fabric = f;
		return 0;
	}
	err = 1;	/* not this one */
out:
	fabric_free(f);
	return err;
}

/* @offers: "name port name port ..." of the source, best first. */
static int open_fabric(struct target *t, char *offers)
{
	struct move *m = t->m;
	const char *wish = m->start->fabric;
	bool any = !wish || !wish[0] || !strcmp(wish, "auto");
	char *save = NULL, *name, *port, why[192] = "the source does not offer it";

	for (name = strtok_r(offers, " ", &save); name;
	     name = strtok_r(NULL, " ", &save)) {
		const struct fabric_ops *ops = fabric_find(name);
		int err;

		port = strtok_r(NULL, " ", &save);
		if (!port || !ops || (!any && strcmp(wish, name)))
			continue;
		err = try_fabric(t, ops, atoi(port), why, sizeof(why));
		if (err <= 0)
			return err;
	}
	return any ? move_fail(m, "no page fabric connects the two nodes: %s",
			       why) :
		     move_fail(m, "the %s fabric does not connect the two nodes: %s",
			       wish, why);
}

static int store_run(void *arg, const struct page_news *news)
{
	struct target *t = arg;

	return news->cookie == INTAKE_COOKIE ? intake_store(&t->intake, news) :
					       uffds_store(&t->uffds, news);
}

void target_die_first(bool yes)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, yes ? "1000" : "0", yes ? 4 : 1) < 0)
		fputs("pando-move: no oom_score_adj\n", stderr);
	close(fd);
}

/*
 * To wait for a clock that is a little behind is simpler than to give the process
 * another, with which it and those with this node's no longer move together. One that
 * is ahead it sees as if it had stood still so long. How far apart they are is not known
 * better than the answers were fast.
 */
static bool is_near(const struct target *t, int64_t ahead_ns, int64_t near_ns)
{
	return ahead_ns < near_ns + t->m->skew_error_ns && ahead_ns > -CLOCK_SKIP_NS;
}

static bool share_clock(struct target *t, uint32_t pid)
{
	int64_t ahead_ns;

	if (!kin_is_here(pid))
		return false;
	ahead_ns = clock_ahead(pid);
	if (!is_near(t, t->ahead_ns - ahead_ns, CLOCK_KIN_NS))
		return false;
	t->ahead_ns = ahead_ns;
	t->clock = pid;
	return true;
}

/* A parent or child; or where that has but a stub here, its other children. */
static bool share_kins_clock(struct target *t, uint32_t pid)
{
	struct tree tree;
	bool shares = false;

	if (share_clock(t, pid))
		return true;
	if (kin_is_here(pid) || tree_collect(&tree, pid))
		return false;
	for (size_t i = 1; i < tree.n && !shares; i++)
		shares = share_clock(t, tree.task[i].pid);
	tree_free(&tree);
	return shares;
}

/* With relatives that are here it is to move on: those of a tree have one clock. */
static int agree_clock(struct target *t, const Pando__MovePrepare *plan)
{
	int err = peer_clock(t->m);

	t->ahead_ns = t->m->skew_ns + plan->clock_ns;
	for (size_t i = 0; i < plan->n_relatives && !err; i++) {
		uint32_t pid = plan->relatives[i];

		if (pid >= PANDO_LOCAL_PIDS && share_kins_clock(t, pid))
			return 0;
	}
	if (is_near(t, t->ahead_ns, CLOCK_NEAR_NS))
		t->ahead_ns = 0;
	return err;
}

static int prepare(struct target *t)
{
	struct move *m = t->m;
	Pando__MovePrepare *plan;
	struct peer_message msg;
	int err;

	err = workdir_make(m);
	if (!err)
		err = peer_connect(m);
	if (!err)
		err = peer_expect(m, PEER_PLAN, &msg);
	if (err)
		return err;
	plan = pando__move_prepare__unpack(NULL, msg.len, msg.data);
	peer_free(&msg);
	if (!plan)
		return move_fail(m, "the source's plan cannot be read");
	err = move_fault(m, FAULT_T_PLAN);
	if (!err && plan->version != PEER_VERSION)
		err = move_fail(m, "the two nodes have different versions of Pando, whose moves differ (%u and %u): install the same on both",
				plan->version, PEER_VERSION);
	if (!err)
		err = agree_clock(t, plan);
	if (!err)
		err = group_make(m, &t->group);
	if (!err)
		err = keeper_start(m, &t->keeper, t->group.path[0], t->clock,
				   t->ahead_ns);
	if (!err)
		err = terminal_make(m, &t->terminal);
	if (!err && t->terminal.slave >= 0)
		err = keeper_terminal(m, &t->keeper, t->terminal.slave);
	if (!err)
		err = criu_start(m, &t->criu, &t->keeper, false);
	target_die_first(true);
	if (!err)
		err = check_files(m, plan);
	if (!err)
		err = peer_say(m, PEER_PLAN_OK, NULL);
	if (!err)
		err = open_fabric(t, plan->fabric);
	pando__move_prepare__free_unpacked(plan, NULL);
	if (err)
		return err;
	err = move_fault(m, FAULT_T_FABRIC);
	if (err)
		return err;
	err = page_puller_start(&t->puller, t->fabric, store_run, t);
	t->intake = (struct intake){ .m = m, .puller = &t->puller,
				     .store = &t->store,
				     .segments = &t->segments };
	if (err)
		return move_fail(m, "%s fabric: %s", t->fabric->ops->name,
				 t->fabric->error[0] ? t->fabric->error :
						       strerror(-err));
	err = uffds_listen(&t->uffds, m, &t->puller, &t->store,
			   &t->keeper);
	if (!err)
		err = criu_ready(m, &t->criu);
	if (!err)
		err = peer_say(m, PEER_READY_TO_FREEZE, NULL);
	return err;
}

/* --- state and memory --------------------------------------------------------*/

static int take_state(struct target *t, const struct peer_message *msg)
{
	struct peer_state st;
	int err;

	if (msg->len < sizeof(st))
		return move_fail(t->m, "the source's state cannot be read");
	memcpy(&st, msg->data, sizeof(st));
	t->n = le32toh(st.tasks);
	if (msg->len - sizeof(st) != t->n * sizeof(*t->pids) ||
	    le32toh(st.images) != t->images)
		return move_fail(t->m, "the source's state is not whole");
	t->frozen_ns = le64toh(st.frozen_ns) - t->m->skew_ns;
	t->clock_ns = le64toh(st.clock_ns);
	t->pids = xcalloc(t->n, sizeof(*t->pids));
	memcpy(t->pids, msg->data + sizeof(st), t->n * sizeof(*t->pids));
	for (size_t i = 0; i < t->n; i++)
		t->pids[i] = le32toh(t->pids[i]);
	t->stated = true;
	report_mark(t->m, "send");
	err = numbers_reserve(t->m, t->pids, t->n);
	return err ? err : move_fault(t->m, FAULT_T_STATE);
}

/* One message of the source, before all of its state is here. */
static int hear_source(struct target *t)
{
	struct move *m = t->m;
	struct peer_message msg;
	uint64_t bytes = 0;
	int err = peer_recv(m, &msg);

	if (err)
		return err;
	switch (msg.type) {
	case PEER_PING:
		break;
	case PEER_MAP:
		err = intake_map(&t->intake, &msg);
		if (!err)
			err = move_fault(m, FAULT_T_ROUND);
		break;
	case PEER_SEGMENTS:
		err = landed_segments_take(&t->segments, m, &t->keeper,
					   &msg);
		if (!err)
			err = move_fault(m, FAULT_T_SEGMENTS);
		break;
	case PEER_IMAGE:
		err = images_receive(m, msg.len, &bytes);
		t->images++;
		break;
	case PEER_KIN:
		err = t->kin.n ? move_fail(m, "the source talks twice of relations") :
				 kin_unpack(m, &t->kin, msg.data, msg.len);
		break;
	case PEER_STATE:
		err = take_state(t, &msg);
		break;
	case PEER_ABORT:
		err = move_fail(m, "%s", msg.len ? (char *)msg.data :
				"the other side gave up");
		break;
	default:
		err = move_fail(m, "the other mover is out of step (%d)",
				msg.type);
	}
	peer_free(&msg);
	return err;
}

static int criu_spoke(struct target *t)
{
	struct move *m = t->m;
	struct criu_event ev;
	char why[MOVE_REASON - 64];
	int err = criu_event(&t->criu, &ev);

	if (err)
		return move_fail(m, "criu talks garbage");
	switch (ev.type) {
	case CRIU_NOTHING:
		return 0;
	case CRIU_DONE:
		t->restored = true;
		report_mark(m, "release");
		return 0;
	case CRIU_FAILED:
		/* a word of ours before may be the cause, and stands then */
		criu_reason(m, "restore.log", why, sizeof(why));
		return move_fail(m, "criu cannot rebuild the process here: %s",
				 why);
	case CRIU_ASKS:
		break;
	}
	if (!strcmp(ev.script, "post-restore")) {
		t->holding = true;
		report_mark(m, "rebuild");
		err = move_fault(m, FAULT_T_BUILT);
		if (!err)
			err = keeper_part(m, &t->keeper);
	} else if (!strcmp(ev.script, "pre-resume")) {
		/* when it lets go of them they do not run */
		err = keeper_parted(m, &t->keeper);
		if (!err)
			err = move_fault(m, FAULT_T_TRACED);
		if (!err)
			err = kin_stop(m, &t->kin);
		if (!err)
			err = group_freeze(m, &t->group);
	}
	if (err)
		return err;
	if (criu_answer(&t->criu, true))
		return move_fail(m, "criu went away");
	return 0;
}

static int serve_fabric(struct target *t)
{
	struct fabric_event ev;
	int err;

	for (;;) {
		err = t->fabric->ops->poll(t->fabric, &ev);
		if (!err && ev.type == FABRIC_NONE)
			return 0;
		if (!err)
			err = page_puller_event(&t->puller, &ev);
		if (err)
			return move_fail(t->m, "pages do not arrive over the %s fabric: %s",
					 t->fabric->ops->name,
					 t->fabric->error[0] ?
					 t->fabric->error : strerror(-err));
	}
}

void target_progress(struct target *t, const char *phase)
{
	Pando__MoveEvent ev = PANDO__MOVE_EVENT__INIT;

	t->reported_ms = now_ms();
	ev.bytes = t->puller.bytes;
	ev.pages = t->puller.pages;
	ev.total = t->uffds.total * PAGE;
	report(t->m, phase, &ev);
}

int target_listen_peer(struct target *t, bool spoke)
{
	struct move *m = t->m;
	int err = 0;

	if (m->peer >= 0 && !spoke)
		err = peer_tick(m);
	else if (m->peer >= 0)
		err = t->stated ? peer_hear(m) : hear_source(t);
	if (err && m->ready) {
		/* the source's end after its commit looks like this too */
		close(m->peer);
		m->peer = -1;
		err = 0;
	}
	return err;
}

int target_pump(void *arg)
{
	struct target *t = arg;
	struct move *m = t->m;
	struct pollfd p[4 + WATCH] = {
		{ m->daemon, POLLIN, 0 },
		{ m->peer, POLLIN, 0 },
		/* how it ends is of no more interest then */
		{ t->restored ? -1 : t->criu.sock, POLLIN, 0 },
		{ t->fabric ? t->fabric->fd : -1, POLLIN, 0 },
	};
	int fds[WATCH], err = 0;
	size_t n = uffds_fds(&t->uffds, fds, WATCH);

	for (size_t i = 0; i < n; i++)
		p[4 + i] = (struct pollfd){ fds[i], POLLIN, 0 };
	poll(p, 4 + n, uffds_busy(&t->uffds) ? 0 : n == WATCH ? 1 :
	     peer_tick_ms(m));
	if (p[0].revents)
		report_listen(m);
	if (p[2].revents)
		err = criu_spoke(t);
	/* before the work, which may be what the source has just listed */
	if (!err)
		err = target_listen_peer(t, p[1].revents);
	if (!err && t->fabric)
		err = serve_fabric(t);
	if (!err)
		err = intake_work(&t->intake);
	if (!err)
		err = uffds_work(&t->uffds);
	/* what was asked for in all of that goes out together */
	if (!err && t->fabric && page_puller_push(&t->puller))
		err = move_fail(m, "%s fabric: %s", t->fabric->ops->name,
				t->fabric->error);
	return err > 0 ? -EIO : err;
}

/* Each process with lazy pages must have come to us, or they would be zeros. */
static int all_handed_over(struct target *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct pagemap_run *runs;
		long n = images_pagemap(t->m, t->pids[i], &runs);

		free(runs);
		if (n < 0)
			return n;
		if (n && !uffds_has(&t->uffds, t->pids[i]))
			return move_fail(t->m, "criu did not hand over the memory of %u",
					 t->pids[i]);
	}
	return 0;
}

/* What comes ahead of the process, and then its state. */
static int receive(struct target *t)
{
	while (!t->stated) {
		int err = target_pump(t);

		if (err)
			return err;
		if (t->m->verdict != VERDICT_NONE)
			return -ECANCELED;
		if (t->intake.last && now_ms() - t->reported_ms >= REPORT_MS)
			target_progress(t, "memory");
	}
	return 0;
}

/* Is all of it in our hands, whether in its place or not, and criu done? */
static bool complete(const struct target *t)
{
	return t->restored && t->uffds.fill != FILL_NOTHING &&
	       (t->intake.lazy || (t->uffds.asked && !t->puller.busy));
}

static int restore(struct target *t)
{
	struct move *m = t->m;
	bool shell_job = false;
	int err = kin_make(m, &t->kin);

	for (size_t i = 0; i < t->kin.n && !err; i++) {
		struct kin_task *k = &t->kin.task[i];
		int alarms = k->stub ? 0 : alarms_keep(m, k->pid);

		if (alarms < 0)
			err = alarms;
		else
			k->alarms = alarms;
	}
	if (!err)
		err = kin_adopt(m, &t->kin, &shell_job);
	if (!err)
		err = terminal_adopt(m, &t->terminal);
	if (!err)
		err = landed_segments_adopt(&t->segments, m, t->pids, t->n);
	if (!err)
		err = criu_restore(m, &t->criu, shell_job, t->terminal.key);

	if (!err)
		err = move_fault(m, FAULT_T_RESTORE);
	while (!err && !complete(t)) {
		err = target_pump(t);
		if (!err && m->verdict != VERDICT_NONE)
			err = -ECANCELED;
		if (err)
			break;
		if (!t->restored && now_ms() > t->criu.deadline_ms)
			err = move_fail(m, "criu did not rebuild the process in time");
		if (err || !t->holding)
			continue;
		/* while criu does the rest */
		if (t->hold < 0)
			err = hold_copies(m, &t->hold, t->pids, t->n);
		if (err)
			continue;
		if (t->uffds.fill == FILL_NOTHING && intake_done(&t->intake)) {
			err = all_handed_over(t);
			uffds_fill(&t->uffds, FILL_ABSENT);
			if (!err && !t->intake.lazy)
				err = uffds_work(&t->uffds);
		}
		if (now_ms() - t->reported_ms >= REPORT_MS)
			target_progress(t, "memory");
	}
	if (!err)
		err = landed_segments_finish(&t->segments, m);
	if (err)
		return err;
	/* all is here, and goes to its place while it runs */
	if (!t->intake.lazy) {
		fabric_free(t->fabric);
		t->fabric = NULL;
	}
	t->uffds.fill = FILL_NOTHING;
	sched_restore(m, t->pids, t->n);
	return keeper_built(m, &t->keeper);
}

int target_run(struct move *m)
{
	struct target t = { .m = m, .criu = CRIU_NONE, .keeper = KEEPER_NONE,
			    .kin = { .dev = -1 }, .hold = -1,
			    .terminal = TERMINAL_NONE,
			    .segments = LANDED_SEGMENTS_NONE,
			    .uffds = { .conn = -1, .listener = -1 },
			    .holder = -1, .mover = -1 };
	int err;

	err = prepare(&t);
	if (!err)
		err = receive(&t);
	if (!err)
		err = restore(&t);
	report_mark(m, "pages");
	err = target_land(&t, err);
	terminal_free(&t.terminal);
	kin_free(&t.kin);
	uffds_free(&t.uffds);
	intake_free(&t.intake);
	landed_segments_free(&t.segments);
	store_free(&t.store);
	page_puller_free(&t.puller);
	fabric_free(t.fabric);
	group_free(&t.group);
	free(t.pids);
	return err;
}
