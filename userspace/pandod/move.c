// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves: what tools ask for, many processes at once, and what the group
 * decides. The two sides are in move_source.c and move_target.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "fault.h"
#include "kernel.h"
#include "log.h"
#include "move.h"
#include "peer.h"
#include "serve.h"
#include "worker.h"

#define LOG_NAME	"move"
#define PIDS_MAX	1024	/* in one request */
#define AT_ONCE		32	/* of one request */

/* --- what a tool asked for -------------------------------------------------------*/

enum item_state { TODO, RUNNING, BUSY, DONE };

struct item {
	struct job *job;
	uint32_t pid;
	enum item_state state;
	bool again;			/* looked for once more */
	Pando__Move *move;		/* once it is done */
};

struct job {
	struct request *request;	/* NULL: the tool is gone */
	Pando__MoveRequest *q;
	uint32_t uid;
	size_t running;
	bool starting;			/* advance() is at work */
	struct item *item;		/* one for each PID of the request */
};

static void advance(struct job *j);

static void job_free(struct job *j)
{
	for (size_t i = 0; j->item && i < j->q->n_pids; i++)
		if (j->item[i].move)
			pando__move__free_unpacked(j->item[i].move, NULL);
	free(j->item);
	if (j->q)
		pando__move_request__free_unpacked(j->q, NULL);
	free(j);
}

/* A copy, made through its bytes. */
static Pando__Move *copy(const Pando__Move *m)
{
	size_t len = pando__move__get_packed_size(m);
	uint8_t *buf = malloc(len + 1);
	Pando__Move *c = NULL;

	if (buf) {
		pando__move__pack(m, buf);
		c = pando__move__unpack(NULL, len, buf);
	}
	free(buf);
	if (!c) {
		log_err("out of memory");
		abort();
	}
	return c;
}

static void on_progress(void *data, Pando__MoveProgress *p)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_PROGRESS);
	struct item *it = data;

	f.move_progress = p;
	if (it->job->request)
		request_reply(it->job->request, &f);
}

static void on_done(void *data, Pando__Move *m)
{
	bool busy = !strcmp(m->result, MOVE_BUSY);
	struct item *it = data;
	struct job *j = it->job;

	j->running--;
	/* a part of a tree that moves by this request: when that is over */
	if (busy && j->running) {
		it->state = BUSY;
		return;
	}
	if (busy && !it->again) {
		it->again = true;
		it->state = TODO;
		advance(j);
		return;
	}
	if (busy)
		m->result = (char *)"refused";
	it->state = DONE;
	it->move = copy(m);
	for (size_t i = 0; i < j->q->n_pids; i++)
		if (j->item[i].state == BUSY)
			j->item[i].state = TODO;
	advance(j);
}

static void refuse(struct item *it, const char *result, const char *from,
		   const char *reason)
{
	Pando__Move m = PANDO__MOVE__INIT;

	m.pid = it->pid;
	m.from = (char *)from;
	m.to = it->job->q->node;
	m.fabric = it->job->q->fabric;
	m.result = (char *)result;
	m.reason = (char *)reason;
	on_done(it, &m);
}

/* The leader is another daemon. */
static bool on_peer(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct item *it = data;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (!f) {
		refuse(it, "failed", "", err == -ETIMEDOUT ?
		       "the node where it runs went silent; ask again where it "
		       "is" : "the node where it runs was lost");
	} else if (f->body_case == PANDO__FRAME__BODY_MOVE_PROGRESS) {
		on_progress(it, f->move_progress);
		return true;
	} else if (f->body_case == PANDO__FRAME__BODY_MOVE_REPLY &&
		   f->move_reply->n_moves == 1) {
		on_done(it, f->move_reply->moves[0]);
	} else {
		refuse(it, "failed", "", f->body_case == PANDO__FRAME__BODY_ERROR ?
		       f->error->text : "the answer makes no sense");
	}
	return false;
}

/* Where is it? May ask over the network, so a worker does. */
struct locate {
	struct item *item;
	uint32_t pid;
	uint16_t home, location;
	int err;
};

static void locate(void *data)
{
	struct locate *l = data;

	/* without the module there are no other places */
	l->location = pandod.self;
	l->err = pandod.no_kernel ? 0 :
		 kernel_locate(l->pid, &l->home, &l->location);
	if (!l->err && !l->location)
		l->err = -ESRCH;
}

static void located(void *data)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_MOVE);
	Pando__PeerMove q = PANDO__PEER_MOVE__INIT;
	struct locate *l = data;
	struct item *it = l->item;
	struct job *j = it->job;
	struct move_sink sink = { on_progress, on_done, it };
	char text[128];

	if (l->err == -ESRCH) {
		refuse(it, "failed", "", "no such process");
	} else if (l->err) {
		snprintf(text, sizeof(text), "cannot tell where it is: %s",
			 strerror(-l->err));
		refuse(it, "failed", "", text);
	} else {
		q.pid = l->pid;
		q.node = j->q->node;
		q.fabric = j->q->fabric;
		q.why = j->q->why;
		q.max_freeze_ms = j->q->max_freeze_ms;
		q.lazy = j->q->lazy;
		q.uid = j->uid;
		f.peer_move = &q;
		if (l->location == pandod.self)
			queue_move(&q, &sink);
		else	/* the mover's silence is the leader's to judge */
			peer_call(l->location, &f,
				  bound_ms(2 * pandod.config.move_timeout_ms),
				  on_peer, it);
	}
	free(l);
}

static void finish(struct job *j)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_REPLY);
	Pando__MoveReply reply = PANDO__MOVE_REPLY__INIT;
	Pando__Move **moves = calloc(j->q->n_pids, sizeof(*moves));

	for (size_t i = 0; moves && i < j->q->n_pids; i++)
		moves[i] = j->item[i].move;
	reply.moves = moves;
	reply.n_moves = j->q->n_pids;
	f.move_reply = &reply;
	if (j->request && moves)
		request_end(j->request, &f);
	else if (j->request)
		request_fail(j->request, ENOMEM, "out of memory");
	free(moves);
	job_free(j);
}

static void start(struct item *it)
{
	struct locate *l;

	it->state = RUNNING;
	it->job->running++;
	if (it->pid < PANDO_LOCAL_PIDS) {
		refuse(it, "refused", "", "PIDs below 1024 belong to their node "
		       "and cannot move");
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l) {
		l->item = it;
		l->pid = it->pid;
	}
	if (!l || worker_run(locate, located, l)) {
		free(l);
		refuse(it, "failed", "", "this node is too busy");
	}
}

static struct item *to_do(const struct job *j)
{
	for (size_t i = 0; i < j->q->n_pids; i++)
		if (j->item[i].state == TODO)
			return &j->item[i];
	return NULL;
}

/* How many of them move at once is for the nodes to say that they leave. */
static void advance(struct job *j)
{
	struct item *it;

	/* what is done before start() returns: the loop below goes on */
	if (j->starting)
		return;
	j->starting = true;
	/* nobody waits for the rest any more: leave it where it is */
	while (j->request && j->running < AT_ONCE && (it = to_do(j)) != NULL)
		start(it);
	j->starting = false;
	if (!j->running)
		finish(j);
}

static void on_gone(struct request *r)
{
	struct job *j = r->data;

	j->request = NULL;
	/* the last of them takes the job along */
	j->running++;
	for (size_t i = 0; i < j->q->n_pids; i++)
		if (j->item[i].state == RUNNING && queue_forget(&j->item[i]))
			refuse(&j->item[i], "failed", pandod.name,
			       "nobody waits for it any more");
	j->running--;
	advance(j);
}

void move_request(struct request *r, const Pando__MoveRequest *q)
{
	size_t len = pando__move_request__get_packed_size(q);
	struct job *j = calloc(1, sizeof(*j));
	uint8_t *buf = malloc(len + 1);

	if (!q->n_pids || q->n_pids > PIDS_MAX || (!*q->node && !q->why)) {
		free(buf);
		free(j);
		request_fail(r, EINVAL, "which processes, and where to?");
		return;
	}
	if (buf && j) {
		pando__move_request__pack(q, buf);
		j->q = pando__move_request__unpack(NULL, len, buf);
		j->item = calloc(q->n_pids, sizeof(*j->item));
	}
	free(buf);
	if (!j || !j->q || !j->item) {
		if (j)
			job_free(j);
		request_fail(r, ENOMEM, "out of memory");
		return;
	}
	for (size_t i = 0; i < q->n_pids; i++)
		j->item[i] = (struct item){ .job = j, .pid = q->pids[i] };
	j->request = r;
	j->uid = link_cred(r->link)->uid;
	r->data = j;
	r->gone = on_gone;
	advance(j);
}

/* --- a daemon asks for a process of this node ---------------------------------------*/

static void peer_progress(void *data, Pando__MoveProgress *p)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_PROGRESS);
	struct request *r = data;

	f.move_progress = p;
	request_reply(r, &f);
}

static void peer_done(void *data, Pando__Move *m)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_MOVE_REPLY);
	Pando__MoveReply reply = PANDO__MOVE_REPLY__INIT;
	struct request *r = data;

	reply.moves = &m;
	reply.n_moves = 1;
	f.move_reply = &reply;
	request_end(r, &f);
}

static void on_peer_gone(struct request *r)
{
	if (!queue_forget(r))
		source_forget(r);
}

void move_peer(struct request *r, const Pando__PeerMove *q)
{
	struct move_sink sink = { peer_progress, peer_done, r };

	r->gone = on_peer_gone;
	queue_move(q, &sink);
}

/* --- what the group says -------------------------------------------------------------*/

/* COMMITs noted in this view and not yet effective, with their PIDs. */
struct commit {
	struct commit *next;
	uint64_t move;
	uint16_t from, to, origin;
	uint32_t n;
	uint32_t pids[];
};

static struct commit *commits;

static struct commit *take_commit(uint64_t move)
{
	for (struct commit **p = &commits; *p; p = &(*p)->next) {
		if ((*p)->move == move) {
			struct commit *c = *p;

			*p = c->next;
			return c;
		}
	}
	return NULL;
}

void move_on_commit(const struct message *m, bool noted)
{
	struct state *s = cluster_state();
	struct commit *c;

	if (!noted) {
		/*
		 * Refused by all alike in a view that lives. In any other case
		 * somebody beyond a partition may have noted it: the next view
		 * with quorum tells.
		 */
		if (s->phase == PHASE_ACTIVE && s->quorate &&
		    m->epoch == s->epoch) {
			source_void(m->move);
			target_void(m->move);
		}
		return;
	}
	c = malloc(sizeof(*c) + m->count * sizeof(c->pids[0]));
	if (!c) {
		log_err("out of memory");
		return;
	}
	c->move = m->move;
	c->from = m->from;
	c->to = m->to;
	c->origin = m->origin;
	c->n = m->count;
	memcpy(c->pids, m->pids, m->count * sizeof(c->pids[0]));
	c->next = commits;
	commits = c;
}

/*
 * The kernel knows first, everywhere; then the source lets go and the target
 * lets run.
 */
void move_on_decided(const struct move_note *note)
{
	struct commit *c = take_commit(note->id);
	const uint32_t *pids = c ? c->pids : NULL;
	uint32_t n = c ? c->n : 0;
	int err;

	if (source_in_flight(note->id))
		fault_at(FAULT_D_EFFECTIVE);
	log_notice("moved move=%016llx from=%u to=%u tasks=%u",
		   (unsigned long long)note->id, note->from, note->to, n);
	if (!pids && !target_pids(note->id, &pids, &n))
		source_pids(note->id, &pids, &n);
	/* who is neither, and lost the list in a round, learns it in recovery */
	if (pids && kernel_present()) {
		err = kernel_moved(note->id, pids, n, note->from, note->to);
		if (err)
			log_err("MOVED move=%016llx: %s",
				(unsigned long long)note->id, strerror(-err));
	}
	if (c && c->n)
		run_moved(c->pids[0], c->to, c->origin);
	source_decided(note->id);
	target_decided(note->id);
	free(c);
}

void move_on_round(void)
{
	source_round();
	target_round();
}

/* Lists from an ended view whose moves did not make it into this one. */
static void drop_commits(const struct state *s)
{
	for (struct commit **p = &commits; *p;) {
		struct commit *c = *p;

		if (state_committed(s, c->move)) {
			p = &c->next;
		} else {
			*p = c->next;
			free(c);
		}
	}
}

void move_on_view(bool quorate)
{
	struct move_note note = { 0 };
	struct state *s = cluster_state();

	/* returned from a partition: what was decided without us comes first */
	for (uint32_t i = 0; i < s->line.nmoves && quorate; i++) {
		note = s->line.move[i];
		if (!note.op && move_in_flight(note.id))
			move_on_decided(&note);
	}
	source_view(quorate);
	target_view(quorate);
	if (quorate) {
		drop_commits(s);
		left_sweep();
		landed_look();
	}
}

bool move_in_flight(uint64_t move)
{
	return source_in_flight(move) || target_in_flight(move);
}
