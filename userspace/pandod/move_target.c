// SPDX-License-Identifier: GPL-2.0-only
/* The receiving side of a move. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cluster.h"
#include "fault.h"
#include "init.h"
#include "kernel.h"
#include "log.h"
#include "memory.h"
#include "move.h"
#include "serve.h"
#include "terminal.h"

#define LOG_NAME	"target"

struct target {
	struct target *next;
	uint64_t id;
	uint16_t from;
	struct request *request;	/* MovePrepare; NULL: the leader is gone */
	struct mover *mover;
	uint32_t *pids, npids;
	uint64_t memory_kib, arrived_kib;
	bool reserved;
	bool ready;			/* restored, held: COMMIT may be on its way */
	bool decided;
	bool called_off;		/* its mover was ready: until it has ended */
	bool terminal;			/* its terminal was taken over */
	bool done;			/* it runs, with all of its memory */
	char why[256];			/* after the decision: it does not */
};

static struct target *targets;

static struct target *find(uint64_t id)
{
	for (struct target *t = targets; t; t = t->next)
		if (t->id == id)
			return t;
	return NULL;
}

static void target_free(struct target *t)
{
	for (struct target **p = &targets; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	if (t->mover)
		mover_drop(t->mover);
	free(t->pids);
	free(t);
	landed_soon();
}

/* Nothing of it stays here; the leader is told why, if it did not say so. */
static void abort_move(struct target *t, int err, const char *reason)
{
	log_info("move=%016llx called off: %s", (unsigned long long)t->id,
		 reason);
	if (t->mover)
		mover_verdict(t->mover, false);
	if (t->reserved && kernel_present())
		kernel_unreserve(t->id);
	t->reserved = false;
	if (t->request)
		request_fail(t->request, err, "%s", reason);
	t->request = NULL;
	/* who read the verdict may be dead, and another one asks for it */
	if (t->mover && t->ready)
		t->called_off = true;
	else
		target_free(t);
}

static bool take_pids(struct target *t, const uint32_t *pids, size_t n)
{
	uint32_t *copy = malloc((n + 1) * sizeof(*copy));

	if (!copy)
		return false;
	memcpy(copy, pids, n * sizeof(*copy));
	free(t->pids);
	t->pids = copy;
	t->npids = n;
	return true;
}

static int reserve(struct target *t, char *text, size_t len)
{
	uint32_t taken;
	int err;

	landed_make(t->id);
	if (!kernel_present())
		return 0;
	err = kernel_reserve(t->id, t->pids, t->npids, &taken);
	t->reserved = !err;
	if (err == -EEXIST && taken)
		snprintf(text, len, "PID %u is in use on node %s", taken,
			 pandod.name);
	else if (err)
		snprintf(text, len, "node %s cannot reserve its PIDs: %s",
			 pandod.name, strerror(-err));
	return err;
}

/* Who is in the tree when it is frozen: reserved before it is rebuilt. */
static void reserve_again(struct target *t, const Pando__MoveEvent *e)
{
	char text[200] = "out of memory";

	if (t->reserved)
		kernel_unreserve(t->id);
	t->reserved = false;
	if (e->n_pids > PANDO_MOVE_PIDS_MAX)
		snprintf(text, sizeof(text), "a tree of %zu tasks cannot be moved; the limit is %d",
			 e->n_pids, PANDO_MOVE_PIDS_MAX);
	if (e->n_pids > PANDO_MOVE_PIDS_MAX ||
	    !take_pids(t, e->pids, e->n_pids) || reserve(t, text, sizeof(text))) {
		abort_move(t, EEXIST, text);
		return;
	}
	mover_reserved(t->mover);
}

static void on_event(void *data, Pando__MoveEvent *e, int fd)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_EVENT);
	struct target *t = data;

	log_debug("move=%016llx phase=%s %s", (unsigned long long)t->id,
		  e->phase, e->text);
	if (!strcmp(e->phase, "terminal")) {
		if (fd >= 0 && t->decided && !t->terminal && t->npids && e->terminal) {
			/* who says it again has taken over from one that was killed */
			t->terminal = true;
			terminal_far_start(t->pids[0], fd, e->terminal);
		} else if (fd >= 0) {
			close(fd);
		}
		return;
	}
	if (fd >= 0)
		close(fd);
	if (!strcmp(e->phase, "failed") && !t->decided && !t->ready) {
		char text[600];

		snprintf(text, sizeof(text), "%s: %s", pandod.name, e->text);
		abort_move(t, ECANCELED, text);
		return;
	}
	if (!strcmp(e->phase, "failed")) {
		snprintf(t->why, sizeof(t->why), "%s", e->text);
		log_err("move=%016llx: %s", (unsigned long long)t->id, e->text);
	}
	if (!strcmp(e->phase, "done"))
		t->done = true;
	if (!strcmp(e->phase, "ready"))
		t->ready = true;
	if (e->bytes)
		t->arrived_kib = e->bytes / 1024;
	if (t->ready && !t->decided && !t->called_off)
		fault_at(FAULT_E_READY);
	/* who said it first may have died with the answer (move/landing.c) */
	else if (!strcmp(e->phase, "ready"))
		mover_verdict(t->mover, !t->called_off);
	f.move_event = e;
	if (t->request)
		request_reply(t->request, &f);
	if (e->n_pids && !t->ready)
		reserve_again(t, e);
}

static void on_mover_gone(void *data)
{
	struct target *t = data;

	t->mover = NULL;
	if (t->called_off) {
		target_free(t);
	} else if (t->decided) {
		struct request *r = t->request;

		t->request = NULL;
		if (r && t->done)
			request_end(r, NULL);
		else if (r)	/* the guard kills what it cannot complete */
			request_fail(r, ECHILD, "it was moved, and killed on node %s: %s",
				     pandod.name, t->why[0] ? t->why :
				     "pando-move ended before its memory was complete");
		target_free(t);
	} else if (!t->ready) {
		abort_move(t, ECANCELED, "pando-move ended without a word; see "
			   "the target's log");
	} else {
		/*
		 * What it held died with it. If COMMIT is not on its way yet,
		 * the leader can still keep its own.
		 */
		log_err("move=%016llx: pando-move died before the verdict",
			(unsigned long long)t->id);
		if (t->request) {
			struct request *r = t->request;

			t->request = NULL;
			request_fail(r, ECANCELED, "pando-move died on node %s",
				     pandod.name);
		}
	}
}

static void on_gone(struct request *r)
{
	struct target *t = r->data;

	t->request = NULL;
	/* ready: COMMIT may have been sent, the group will tell */
	if (!t->ready && !t->decided)
		abort_move(t, ECONNRESET, "the source's daemon is gone");
	else if (!t->decided)
		cluster_barrier();
}

/* Memory of those on their way here that is not taken yet. */
static uint64_t promised_kib(void)
{
	uint64_t sum = 0;

	for (const struct target *t = targets; t; t = t->next)
		if (!t->done && t->memory_kib > t->arrived_kib)
			sum += t->memory_kib - t->arrived_kib;
	return sum;
}

/* NULL, or what stands against it, in @text. */
static const char *check(const Pando__MovePrepare *q, char *text, size_t len)
{
	struct state *s = cluster_state();
	struct member *self = state_member(s, pandod.self);
	uint64_t total, available = memory_available_kib(&total);
	struct utsname u;

	uname(&u);
	if (access(PANDO_CGROUP_TASKS, W_OK)) {
		snprintf(text, len, "node %s has no unified cgroup hierarchy, in which "
			 "a copy is frozen", pandod.name);
		return text;
	}
	if (!s->quorate || !self || !self->attached || !init_alive()) {
		snprintf(text, len, "node %s is not ready: it is joining, or "
			 "has no quorum", pandod.name);
		return text;
	}
	available -= promised_kib() < available ? promised_kib() : available;
	if (q->memory_kib + MEMORY_SPARE_KIB > available) {
		snprintf(text, len, "node %s is full: the process needs %llu "
			 "MiB, %llu MiB are available", pandod.name,
			 (unsigned long long)q->memory_kib / 1024,
			 (unsigned long long)available / 1024);
		return text;
	}
	return NULL;
}

static bool start_mover(struct target *t, const Pando__MovePrepare *q)
{
	Pando__MoveStart order = PANDO__MOVE_START__INIT;
	Pando__MoveTerminal *terminal = q->terminal;
	char workdir[64];
	int slave = -1;

	snprintf(workdir, sizeof(workdir), PANDO_RUN_DIR "/move-%016llx-target",
		 (unsigned long long)t->id);
	order.move = t->id;
	order.root = q->root;
	order.pids = t->pids;
	order.n_pids = t->npids;
	order.fabric = q->fabric;
	order.peer_addr = q->source_addr;
	order.peer_port = q->source_port;
	order.peer_node = t->from;
	order.token = q->token;
	order.workdir = workdir;
	order.timeout_ms = bound_ms(pandod.config.move_timeout_ms);
	if (terminal) {
		order.terminals = &terminal;
		order.n_terminals = 1;
	}
	/* it comes home */
	if (terminal && terminal->node == pandod.self)
		slave = terminal_near_slave(terminal->id);
	t->mover = mover_start(&order, slave, on_event, on_mover_gone, t);
	return t->mover != NULL;
}

void move_peer_prepare(struct request *r, const Pando__MovePrepare *q)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_PREPARED);
	Pando__MovePrepared p = PANDO__MOVE_PREPARED__INIT;
	struct target *t = find(q->move);
	const char *against;
	char text[256];

	if (!q->n_pids || q->n_pids > PANDO_MOVE_PIDS_MAX) {
		request_fail(r, E2BIG, "a tree of %zu tasks cannot be moved; "
			     "the limit is %d", q->n_pids, PANDO_MOVE_PIDS_MAX);
		return;
	}
	if (!t)
		fault_load();
	if (!t && fault_at(FAULT_E_PREPARE)) {
		request_fail(r, ECANCELED, "a fault was asked for");
		return;
	}
	if (t) {
		request_fail(r, EALREADY, "it is on its way already");
		return;
	}
	against = check(q, text, sizeof(text));
	if (against) {
		request_fail(r, EAGAIN, "%s", against);
		return;
	}
	t = calloc(1, sizeof(*t));
	if (!t || !take_pids(t, q->pids, q->n_pids)) {
		free(t);
		request_fail(r, ENOMEM, "out of memory");
		return;
	}
	t->id = q->move;
	t->memory_kib = q->memory_kib;
	t->from = link_cred(r->link)->node;
	t->next = targets;
	targets = t;
	t->request = r;
	r->data = t;
	if (reserve(t, text, sizeof(text))) {
		abort_move(t, EEXIST, text);
		return;
	}
	if (fault_at(FAULT_E_RESERVED)) {
		abort_move(t, ECANCELED, "a fault was asked for");
		return;
	}
	if (q->terminal && q->terminal->node == pandod.self &&
	    terminal_near_slave(q->terminal->id) < 0) {
		abort_move(t, ENXIO, "its terminal is not kept on this node any more");
		return;
	}
	if (!start_mover(t, q)) {
		abort_move(t, EIO, "pando-move cannot be started at the target");
		return;
	}
	r->gone = on_gone;
	p.move = t->id;
	f.move_prepared = &p;
	request_reply(r, &f);
}

void move_peer_abort(uint16_t node, const Pando__MoveAbort *a)
{
	struct target *t = find(a->move);

	if (!t || t->from != node || t->decided || t->called_off)
		return;
	/* it knows already */
	if (t->request)
		request_end(t->request, NULL);
	t->request = NULL;
	abort_move(t, ECANCELED, a->reason);
}

/* --- what the group says ---------------------------------------------------------------*/

void target_round(void)
{
	for (struct target *t = targets, *next; t; t = next) {
		next = t->next;
		if (!t->ready && !t->decided)
			abort_move(t, ECANCELED, "the cluster changed during "
				   "the move; try again");
	}
}

void target_void(uint64_t move)
{
	struct target *t = find(move);

	if (t && !t->decided && !t->called_off)
		abort_move(t, ECANCELED, "the cluster changed during the move; "
			   "try again");
}

void target_view(bool quorate)
{
	for (struct target *t = targets, *next; t && quorate; t = next) {
		next = t->next;
		if (!t->decided && !state_committed(cluster_state(), t->id))
			target_void(t->id);
	}
}

bool target_pids(uint64_t move, const uint32_t **pids, uint32_t *n)
{
	struct target *t = find(move);

	if (!t)
		return false;
	*pids = t->pids;
	*n = t->npids;
	return true;
}

void target_decided(uint64_t move)
{
	struct target *t = find(move);

	if (!t || t->decided)
		return;
	t->decided = true;
	fault_at(FAULT_E_DECIDED);
	if (t->mover) {
		mover_verdict(t->mover, true);
		return;
	}
	log_err("move=%016llx: the process was lost with pando-move",
		(unsigned long long)move);
	target_free(t);
}

static bool is_filling(uint32_t pid)
{
	for (struct target *t = targets; t; t = t->next)
		for (uint32_t i = 0; t->decided && !t->done && i < t->npids; i++)
			if (t->pids[i] == pid)
				return true;
	return false;
}

static uint32_t parent_of(uint32_t pid)
{
	char path[32], buf[512], *close_paren;
	uint32_t ppid = 0;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%u/stat", pid);
	fd = openat(init_proc_fd(), path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		close(fd);
	if (len <= 0)
		return 0;
	buf[len] = 0;
	close_paren = strrchr(buf, ')');
	if (close_paren)
		sscanf(close_paren + 1, " %*c %u", &ppid);
	return ppid;
}

/* A child that was forked since lacks what its parent lacks. */
bool target_filling(uint32_t pid)
{
	for (int depth = 0; targets && pid > 1 && depth < 64; depth++) {
		if (is_filling(pid))
			return true;
		pid = parent_of(pid);
	}
	return false;
}

bool target_in_flight(uint64_t move)
{
	struct target *t = find(move);

	return t && !t->decided && !t->called_off;
}
