// SPDX-License-Identifier: GPL-2.0-only
/* The leading side of a move: where the process runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "fault.h"
#include "init.h"
#include "log.h"
#include "marks.h"
#include "move.h"
#include "peer.h"
#include "serve.h"
#include "terminal.h"

#define LOG_NAME	"source"
#define TOKEN		32
#define GRACE_MS	5000	/* the movers' own bounds come first */
#define AFTERMATH_MS	10000	/* for the last figures, once it is decided */

enum phase {
	PREPARING,	/* our mover looks at the tree */
	ASKING,		/* the target prepares */
	MOVING,		/* the movers are at it */
	COMMITTING,	/* COMMIT was sent: nobody can call it off */
	DECIDED,	/* committed; the last figures are awaited */
};

struct source {
	struct source *next;
	enum phase phase;
	uint64_t id;
	uint32_t root, uid;
	bool why;
	struct move_sink sink;
	uint16_t to;
	char to_name[PANDO_NAME_MAX];
	char fabric[16];
	uint8_t token[TOKEN];
	struct mover *mover;
	struct call *prepare;		/* MovePrepare; its link to the target */
	bool target_called;
	uint32_t *pids, npids;
	uint64_t memory_kib;
	bool source_ready, source_done;
	bool target_ready, target_running, target_done;
	bool left;			/* it has had its turn */
	sd_event_source *timer;
	/* figures */
	uint64_t bytes, pages, started_us, frozen_us, running_us;
	uint32_t rounds, max_freeze_ms, lazy;
	struct marks marks;
	Pando__MoveTerminal *terminal;	/* of the tree, or NULL */
	double freeze_ms;
	char **blockers;
	size_t nblockers;
};

static struct source *sources;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static struct source *find(uint64_t id)
{
	for (struct source *s = sources; s; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

static void source_free(struct source *s)
{
	for (struct source **p = &sources; *p; p = &(*p)->next) {
		if (*p == s) {
			*p = s->next;
			break;
		}
	}
	sd_event_source_disable_unref(s->timer);
	if (s->mover)
		mover_drop(s->mover);
	for (size_t i = 0; i < s->nblockers; i++)
		free(s->blockers[i]);
	free(s->blockers);
	if (s->terminal)
		pando__move_terminal__free_unpacked(s->terminal, NULL);
	free(s->pids);
	free(s);
	/* the group that it came in may be empty now */
	landed_soon();
}

/* Tells the asker and forgets the move. */
static void end(struct source *s, const char *result, const char *reason)
{
	Pando__Move m = PANDO__MOVE__INIT;
	Pando__MovePhase phase[MARKS_MAX], *phases[MARKS_MAX];
	struct move_sink sink = s->sink;

	m.phases = phases;
	m.n_phases = marks_phases(&s->marks, phase, phases);
	m.rounds = s->rounds;
	m.pid = s->root;
	m.from = pandod.name;
	m.to = s->to_name;
	m.fabric = s->fabric;
	m.bytes = s->bytes;
	m.pages = s->pages;
	m.freeze_ms = s->freeze_ms;
	if (!m.freeze_ms && s->frozen_us && s->running_us)
		m.freeze_ms = (s->running_us - s->frozen_us) / 1000.0;
	m.total_ms = (now_us() - s->started_us) / 1000.0;
	m.result = (char *)result;
	m.reason = (char *)reason;
	m.blockers = s->blockers;
	m.n_blockers = s->nblockers;
	if (!s->why)
		log_info("move=%016llx pid=%u to=%s result=%s freeze=%.1fms%s%s",
			 (unsigned long long)s->id, s->root, s->to_name, result,
			 m.freeze_ms, *reason ? " reason=" : "", reason);
	if (sink.done)
		sink.done(sink.data, &m);
	s->sink.done = NULL;
	terminal_near_decided(s->id, s->phase == DECIDED);
	if (!s->why && !s->left)
		queue_left();
	source_free(s);
}

static bool drop_answer(void *data, Pando__Frame *f, int *fds, int nfds,
			int err)
{
	(void)data;
	(void)f;
	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	return false;
}

static void tell_abort(struct source *s, const char *reason)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_ABORT);
	Pando__MoveAbort a = PANDO__MOVE_ABORT__INIT;

	a.move = s->id;
	a.reason = (char *)reason;
	f.move_abort = &a;
	if (state_member(cluster_state(), s->to))
		peer_call(s->to, &f, 1000, drop_answer, NULL);
}

/* Before COMMIT: the process runs on here. */
static void abort_move(struct source *s, const char *result, const char *fmt,
		       ...) __attribute__((format(printf, 3, 4)));
static void abort_move(struct source *s, const char *result, const char *fmt,
		       ...)
{
	char reason[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (s->target_called)
		tell_abort(s, reason);
	/* its socket ends too, but a word is faster than a bound */
	if (s->mover) {
		mover_verdict(s->mover, false);
		/* it lets the process go; and if it is killed first? */
		left_soon();
	} else if (s->target_called)
		left_settle(s->id, false);
	end(s, result, reason);
}

static void arm(struct source *s);

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct source *s = data;

	(void)source;
	(void)usec;
	/* as long as its link lives the target will say how it ends */
	if (s->phase == DECIDED && s->target_running && !s->target_done &&
	    state_member(cluster_state(), s->to)) {
		arm(s);
	} else if (s->phase == DECIDED) {
		left_soon();
		end(s, "moved", "");
	} else if (s->phase == COMMITTING) {
		arm(s);		/* the group will tell, and nobody else can */
	} else if (s->phase == ASKING) {
		abort_move(s, "failed", "node %s did not answer in time",
			   s->to_name);
	} else {
		abort_move(s, "failed", "the move made no progress for %u s",
			   bound_ms(pandod.config.move_timeout_ms) / 1000);
	}
	return 0;
}

/* Something happened: silence is counted from now. */
static void arm(struct source *s)
{
	uint64_t us = (s->phase == DECIDED ? bound_ms(AFTERMATH_MS) :
		       bound_ms(pandod.config.move_timeout_ms + GRACE_MS)) *
		      1000ull;

	if (!s->timer) {
		sd_event_add_time_relative(pandod.event, &s->timer,
					   CLOCK_MONOTONIC, us, 0, on_timer, s);
		return;
	}
	sd_event_source_set_time_relative(s->timer, us);
	sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

/* --- what the movers report ------------------------------------------------------------*/

static void note_figures(struct source *s, const Pando__MoveEvent *e)
{
	if (e->bytes)
		s->bytes = e->bytes;
	if (e->pages)
		s->pages = e->pages;
	if (e->freeze_ms > 0)
		s->freeze_ms = e->freeze_ms;
	if (e->round)
		s->rounds = e->round;
	marks_note(&s->marks, e);
}

static void progress(struct source *s, const Pando__MoveEvent *e)
{
	Pando__MoveProgress p = PANDO__MOVE_PROGRESS__INIT;
	double secs = (now_us() - s->started_us) / 1e6;

	p.pid = s->root;
	p.phase = e->phase;
	p.bytes = e->bytes;
	p.total = e->total;
	p.rate = e->rate > 0 ? e->rate : secs > 0 ? e->bytes / secs : 0;
	p.round = e->round;
	p.dirty_rate = e->dirty_rate;
	p.expected_ms = e->expected_ms;
	if (s->sink.progress)
		s->sink.progress(s->sink.data, &p);
}

static void take_pids(struct source *s, const Pando__MoveEvent *e)
{
	uint32_t *pids = malloc((e->n_pids + 2) * sizeof(*pids));
	uint32_t n = 0;

	if (!pids || !e->n_pids || e->n_pids > PANDO_MOVE_PIDS_MAX) {
		free(pids);
		return;
	}
	/* the root stands first, everywhere */
	pids[n++] = s->root;
	for (size_t i = 0; i < e->n_pids; i++)
		if (e->pids[i] != s->root)
			pids[n++] = e->pids[i];
	free(s->pids);
	s->pids = pids;
	s->npids = n;
}

static void commit(struct source *s)
{
	struct message m = {
		.type = MESSAGE_COMMIT,
		.epoch = cluster_state()->epoch,
		.move = s->id,
		.from = pandod.self,
		.to = s->to,
		.count = s->npids,
		.pids = s->pids,
	};

	if (cluster_state()->phase != PHASE_ACTIVE ||
	    !cluster_state()->quorate) {
		abort_move(s, "failed", "the cluster changed during the move");
		return;
	}
	if (fault_at(FAULT_D_COMMIT)) {
		abort_move(s, "failed", "a fault was asked for");
		return;
	}
	/* guests' origins are known where they were started, or told on */
	m.origin = run_origin(s->root);
	s->phase = COMMITTING;
	arm(s);
	cluster_send(&m);
	fault_at(FAULT_D_SENT);
}

static void maybe_commit(struct source *s)
{
	if (s->phase == MOVING && s->source_ready && s->target_ready)
		commit(s);
}

/* It runs there with all that belongs to it, and nothing is left here. */
static void maybe_end(struct source *s)
{
	if (s->phase == DECIDED && s->target_done && !s->mover)
		end(s, "moved", "");
}

static bool on_target(void *data, Pando__Frame *f, int *fds, int nfds, int err);

static void ask_target(struct source *s, uint32_t port)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_PREPARE);
	Pando__MovePrepare p = PANDO__MOVE_PREPARE__INIT;
	struct utsname u;

	uname(&u);
	p.move = s->id;
	p.root = s->root;
	p.pids = s->pids;
	p.n_pids = s->npids;
	p.fabric = s->fabric;
	p.source_addr = pandod.address;
	p.source_port = port;
	p.token.data = s->token;
	p.token.len = TOKEN;
	p.memory_kib = s->memory_kib;
	p.kernel = u.release;
	p.terminal = s->terminal;
	f.move_prepare = &p;
	s->target_called = true;
	/* each call keeps the move by its number: it may end before the call */
	peer_call(s->to, &f, 0, on_target, (void *)(uintptr_t)s->id);
}

static bool have_one_in_common(const struct source *a, const struct source *b)
{
	for (uint32_t i = 0; i < a->npids; i++)
		for (uint32_t j = 0; j < b->npids; j++)
			if (a->pids[i] == b->pids[j])
				return true;
	return false;
}

/* Two movers must never hold the same task. */
static bool is_busy(const struct source *s)
{
	for (const struct source *o = sources; o; o = o->next)
		if (o != s && !o->why && o->phase != DECIDED &&
		    have_one_in_common(s, o))
			return true;
	return false;
}

static void on_prepared(struct source *s, const Pando__MoveEvent *e, int fd)
{
	take_pids(s, e);
	if (e->terminal && !s->terminal)
		s->terminal = terminal_near_take(s->id, fd, e->terminal);
	if (e->terminal && !s->terminal) {
		abort_move(s, "failed", "its terminal cannot be kept on this node");
		return;
	}
	s->memory_kib = e->memory_kib;
	if (!s->npids) {
		abort_move(s, "failed", "no such process");
		return;
	}
	if (s->uid && !move_owned_by(s->pids, s->npids, s->uid)) {
		abort_move(s, "refused", "it, or a part of its tree, belongs "
			   "to another user: only root and the owner may move "
			   "it");
		return;
	}
	if (s->why) {
		end(s, s->nblockers ? "refused" : "unchanged", "");
		return;
	}
	if (is_busy(s)) {
		abort_move(s, MOVE_BUSY, "it, or a part of its tree, is being "
			   "moved already");
		return;
	}
	s->phase = ASKING;
	if (fault_at(FAULT_D_ASK)) {
		abort_move(s, "failed", "a fault was asked for");
		return;
	}
	ask_target(s, e->port);
}

static void take_blockers(struct source *s, const Pando__MoveEvent *e)
{
	s->blockers = calloc(e->n_blockers + 1, sizeof(*s->blockers));
	for (size_t i = 0; s->blockers && i < e->n_blockers; i++) {
		s->blockers[i] = strdup(e->blockers[i]);
		s->nblockers += s->blockers[i] != NULL;
	}
}

static void on_blockers(struct source *s, const Pando__MoveEvent *e)
{
	if (!s->nblockers)
		take_blockers(s, e);
	if (s->why)
		end(s, s->nblockers ? "refused" : "unchanged", "");
	else if (s->nblockers)
		abort_move(s, "refused", "it cannot be moved as it is");
}

/* New threads may have come up since it was first looked at. */
static void on_frozen(struct source *s, const Pando__MoveEvent *e)
{
	s->frozen_us = now_us();
	if (e->n_pids)
		take_pids(s, e);
}

static void on_event(void *data, Pando__MoveEvent *e, int fd)
{
	struct source *s = data;
	bool prepared = !strcmp(e->phase, "prepared") && s->phase == PREPARING;

	if (fd >= 0 && !(prepared && e->terminal && !s->terminal)) {
		close(fd);
		fd = -1;
	}
	arm(s);
	note_figures(s, e);
	log_debug("move=%016llx mover phase=%s %s", (unsigned long long)s->id,
		  e->phase, e->text);
	if (!strcmp(e->phase, "failed")) {
		/* once it is decided there is nothing left to fail here */
		if (s->phase < COMMITTING)
			abort_move(s, "failed", "%s", e->text);
		else
			log_err("move=%016llx: %s", (unsigned long long)s->id,
				e->text);
	} else if (prepared) {
		on_prepared(s, e, fd);
	} else if (!strcmp(e->phase, "blockers") && s->phase == PREPARING) {
		on_blockers(s, e);
	} else if (!strcmp(e->phase, "ready")) {
		s->source_ready = true;
		maybe_commit(s);
	} else if (!strcmp(e->phase, "done")) {
		s->source_done = true;
	} else {
		if (!strcmp(e->phase, "frozen"))
			on_frozen(s, e);
		progress(s, e);
	}
}

static void on_mover_gone(void *data)
{
	struct source *s = data;

	s->mover = NULL;
	/* it was told, and may not have come to it */
	if (s->phase == DECIDED && !s->source_done)
		left_settle(s->id, true);
	if (s->phase < COMMITTING)
		abort_move(s, "failed", "pando-move ended without a word; see "
			   "the log of node %s", pandod.name);
	else if (s->phase == DECIDED)
		maybe_end(s);
	else if (s->phase == COMMITTING)
		log_err("move=%016llx: pando-move died before the verdict",
			(unsigned long long)s->id);
}

static void on_target_event(struct source *s, Pando__MoveEvent *e)
{
	arm(s);
	note_figures(s, e);
	log_debug("move=%016llx target phase=%s %s", (unsigned long long)s->id,
		  e->phase, e->text);
	if (!strcmp(e->phase, "ready")) {
		s->target_ready = true;
		maybe_commit(s);
	} else if (!strcmp(e->phase, "running")) {
		if (!s->left)
			queue_left();
		s->left = true;
		s->target_running = true;
		s->running_us = now_us();
	} else if (!strcmp(e->phase, "done")) {
		s->target_done = true;
		maybe_end(s);
	} else if (s->phase < COMMITTING || s->target_running) {
		progress(s, e);
	}
}

static bool on_target(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct source *s = find((uintptr_t)data);

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (!s)
		return false;
	if (f && f->body_case == PANDO__FRAME__BODY_MOVE_PREPARED) {
		if (s->phase == ASKING)
			s->phase = MOVING;
		arm(s);
		/* an event may have come before, in theory */
		maybe_commit(s);
		return true;
	}
	if (f && f->body_case == PANDO__FRAME__BODY_MOVE_EVENT) {
		on_target_event(s, f->move_event);
		return true;
	}
	if (s->phase < COMMITTING) {
		s->target_called = f == NULL;
		abort_move(s, s->phase == ASKING && f ? "refused" : "failed",
			   "%s", !f ? peer_error(s->to, err) :
			   f->body_case == PANDO__FRAME__BODY_ERROR ?
			   f->error->text : "the target's answer makes no sense");
	} else if (s->phase == DECIDED) {
		bool bad = f && f->body_case == PANDO__FRAME__BODY_ERROR;

		end(s, bad ? "failed" : "moved", bad ? f->error->text : "");
	}
	return false;
}

/* --- start and decision ----------------------------------------------------------------*/

/* "auto" is the daemon's choice; then the links' own kind. */
static const char *choose_fabric(const char *asked)
{
	if (!*asked || !strcmp(asked, "auto"))
		asked = pandod.config.fabric;
	if (strcmp(asked, "auto"))
		return asked;
	return !strcmp(pandod.config.transport, "rdma") ? "rdma" : "tcp";
}

static void start_mover(struct source *s)
{
	Pando__MoveStart order = PANDO__MOVE_START__INIT;
	Pando__MoveTerminal *here;
	char workdir[64];

	snprintf(workdir, sizeof(workdir), PANDO_RUN_DIR "/move-%016llx-source",
		 (unsigned long long)s->id);
	order.move = s->id;
	order.source = true;
	order.root = s->root;
	order.fabric = s->fabric;
	order.peer_addr = pandod.address;
	order.peer_node = s->to;
	order.token.data = s->token;
	order.token.len = TOKEN;
	order.workdir = workdir;
	order.check_only = s->why;
	order.max_freeze_ms = s->max_freeze_ms;
	order.lazy = s->lazy;
	order.timeout_ms = bound_ms(pandod.config.move_timeout_ms);
	order.n_terminals = terminal_far_list(&here, &order.terminals);
	s->mover = mover_start(&order, -1, on_event, on_mover_gone, s);
	free(order.terminals);
	free(here);
	if (!s->mover)
		abort_move(s, "failed", "pando-move cannot be started on node "
			   "%s", pandod.name);
}

void source_start(const Pando__PeerMove *q, const struct move_sink *sink)
{
	struct source *s = calloc(1, sizeof(*s));
	const struct member *to = *q->node ? cluster_find(q->node) : NULL;
	const struct member *self = state_member(cluster_state(), pandod.self);
	char path[16];

	if (!s) {
		log_err("out of memory");
		abort();
	}
	fault_load();
	s->sink = *sink;
	s->root = q->pid;
	s->uid = q->uid;
	s->why = q->why;
	s->max_freeze_ms = q->max_freeze_ms;
	s->lazy = q->lazy;
	s->started_us = now_us();
	s->next = sources;
	sources = s;
	snprintf(s->to_name, sizeof(s->to_name), "%s", to ? to->name : q->node);
	snprintf(s->fabric, sizeof(s->fabric), "%s", choose_fabric(q->fabric));
	snprintf(path, sizeof(path), "%u", q->pid);
	if (getrandom(&s->id, sizeof(s->id), 0) != sizeof(s->id) ||
	    getrandom(s->token, TOKEN, 0) != TOKEN) {
		end(s, "failed", "no random numbers");
	} else if (faccessat(init_proc_fd(), path, F_OK, 0) < 0) {
		end(s, "failed", "no such process");
	} else if (s->uid && !move_owned_by(&s->root, 1, s->uid)) {
		end(s, "refused", "it belongs to another user: only root and "
		    "its owner may move it");
	} else if (!s->why && target_filling(s->root)) {
		end(s, "refused", "it has just come, and its memory is still "
		    "being put in its place: try again");
	} else if (*q->node && !to) {
		end(s, "refused", "no member of the cluster is called that; "
		    "see cluster-nodes");
	} else if (!s->why && to->id == pandod.self) {
		end(s, "unchanged", "it is there already");
	} else if (!s->why && !cluster_state()->quorate) {
		end(s, "refused", "the cluster has no quorum, or is changing: "
		    "try again");
	} else if (!s->why && !(self && self->ready)) {
		/* its kernel may still be reporting what it is about to give away */
		end(s, "refused", "this node is still joining; try again");
	} else if (!s->why && !(to->attached && to->ready)) {
		end(s, "refused", "that node is still joining; try again");
	} else {
		s->to = to ? to->id : 0;
		arm(s);
		start_mover(s);
	}
}

void source_forget(void *sink_data)
{
	for (struct source *s = sources; s; s = s->next)
		if (s->sink.data == sink_data)
			memset(&s->sink, 0, sizeof(s->sink));
}

void source_round(void)
{
	for (struct source *s = sources, *next; s; s = next) {
		next = s->next;
		if (s->phase < COMMITTING && !s->why)
			abort_move(s, "failed", "the cluster changed during "
				   "the move; try again");
	}
}

void source_void(uint64_t move)
{
	struct source *s = find(move);

	if (s && s->phase == COMMITTING)
		abort_move(s, "failed", "the cluster changed during the move; "
			   "try again");
}

void source_view(bool quorate)
{
	for (struct source *s = sources, *next; s && quorate; s = next) {
		next = s->next;
		if (s->phase == COMMITTING &&
		    !state_committed(cluster_state(), s->id))
			source_void(s->id);
	}
}

bool source_pids(uint64_t move, const uint32_t **pids, uint32_t *n)
{
	struct source *s = find(move);

	if (!s)
		return false;
	*pids = s->pids;
	*n = s->npids;
	return true;
}

void source_decided(uint64_t move)
{
	struct source *s = find(move);

	if (!s || s->phase != COMMITTING)
		return;
	s->phase = DECIDED;
	fault_at(FAULT_D_DECIDED);
	if (s->terminal)
		terminal_far_left(s->terminal->id, s->root);
	arm(s);
	if (s->mover)
		mover_verdict(s->mover, true);
	else
		left_settle(move, true);
	maybe_end(s);
}

bool source_in_flight(uint64_t move)
{
	struct source *s = find(move);

	return s && s->phase != DECIDED;
}
