// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that tools start. On this node: a child of pando-init, its output
 * read from pipes or a pty and sent as Data. On another node: that daemon does
 * the same over a link of its own, and we pass frames through. A slow side
 * stops the reading of the other: nothing piles up.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "init.h"
#include "peer.h"
#include "run.h"
#include "serve.h"

static struct run *runs;

static struct run *run_new(struct request *r, const Pando__RunRequest *q)
{
	size_t len = pando__run_request__get_packed_size(q);
	uint8_t *buf = malloc(len + 1);
	struct run *run = calloc(1, sizeof(*run));

	if (buf && run) {
		pando__run_request__pack(q, buf);
		run->q = pando__run_request__unpack(NULL, len, buf);
	}
	free(buf);
	if (!run || !run->q) {
		free(run);
		return NULL;
	}
	run->request = r;
	r->data = run;
	run->in = -1;
	for (int i = 0; i < 2; i++)
		run->out[i] = (struct output){ run, i + 1, -1, NULL };
	run->next = runs;
	runs = run;
	return run;
}

void run_free(struct run *run)
{
	for (struct run **p = &runs; *p; p = &(*p)->next) {
		if (*p == run) {
			*p = run->next;
			break;
		}
	}
	run_close_output(&run->out[0]);
	run_close_output(&run->out[1]);
	run_close_input(run);
	sd_event_source_disable_unref(run->last_words);
	/* the end of what moved away may come after the end of the move */
	if (run->init)
		call_cancel(run->init);
	if (run->link) {
		struct link *l = run->link;

		run->link = NULL;
		link_set_data(l, NULL);
		link_close(l, 0);
	}
	pando__run_request__free_unpacked(run->q, NULL);
	pando_bytes_free(&run->input);
	free(run);
}

/* --- answers -------------------------------------------------------------------------*/

void run_tell_exit(struct run *run, int status, int error, const char *text)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_EXIT);
	Pando__Exit e = PANDO__EXIT__INIT;
	struct request *r = run->request;

	run->request = NULL;
	if (!r)
		return;
	e.status = status;
	e.error = error;
	e.text = (char *)text;
	f.exit = &e;
	link_pause(r->link, false);
	request_end(r, &f);
}

void run_finish(struct run *run)
{
	run_tell_exit(run, run->status, 0, "");
	run_free(run);
}

void run_fail(struct run *run, int err, const char *text)
{
	struct request *r = run->request;

	run->request = NULL;
	if (r) {
		link_pause(r->link, false);
		request_fail(r, err, "%s", text);
	}
	run_free(run);
}

void run_tell_started(struct run *run)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_RUN_STARTED);
	Pando__RunStarted s = PANDO__RUN_STARTED__INIT;
	Pando__Frame done = frame_of(PANDO__FRAME__BODY_DONE);
	Pando__Done d = PANDO__DONE__INIT;
	struct request *r = run->request;

	run->started = true;
	if (!r)
		return;
	s.pid = run->pid;
	s.node = pandod.name;
	f.run_started = &s;
	link_pause(r->link, false);
	request_reply(r, &f);
	run_on_drained(r);
	if (run->q->detach) {
		run->request = NULL;
		done.done = &d;
		request_end(r, &done);
	}
}

/* --- on another node -----------------------------------------------------------------*/

static void on_link_drained(struct link *l)
{
	struct run *run = link_data(l);

	if (run && run->request)
		link_pause(run->request->link, false);
}

static void on_link_closed(struct link *l, int err)
{
	struct run *run = link_data(l);

	(void)err;
	if (run)
		run->link = NULL;
}

static const struct link_ops stream_ops = {
	.drained = on_link_drained,
	.closed = on_link_closed,
};

static bool on_remote(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct run *run = data;
	struct request *r = run->request;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (!f) {
		run->call = NULL;
		if (run->started) {
			run_tell_exit(run, RUN_FAILED << 8, 0,
				      peer_error(run->node, err));
			run_free(run);
		} else {
			run_fail(run, err, peer_error(run->node, err));
		}
		return false;
	}
	if (f->body_case == PANDO__FRAME__BODY_RUN_STARTED) {
		run->started = true;
		run->pid = f->run_started->pid;
	}
	switch (f->body_case) {
	case PANDO__FRAME__BODY_RUN_STARTED:
	case PANDO__FRAME__BODY_DATA:
	case PANDO__FRAME__BODY_SIGNAL:
		if (!r)
			return true;
		request_reply(r, f);
		if (link_pending(r->link) > LINK_PENDING_HIGH && run->link)
			link_pause(run->link, true);
		return true;
	default:
		run->call = NULL;
		run->request = NULL;
		if (r) {
			link_pause(r->link, false);
			request_end(r, f);
		}
		run_free(run);
		return false;
	}
}

static void on_relay_frame(struct request *r, Pando__Frame *f, int *fds,
			   int nfds)
{
	struct run *run = r->data;

	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	switch (f->body_case) {
	case PANDO__FRAME__BODY_DATA:
	case PANDO__FRAME__BODY_WINDOW:
	case PANDO__FRAME__BODY_SIGNAL:
	case PANDO__FRAME__BODY_FOREGROUND:
		if (!run->call)
			return;
		call_send(run->call, f);
		if (run->link && link_pending(run->link) > LINK_PENDING_HIGH)
			link_pause(r->link, true);
		return;
	default:
		link_close(r->link, -EPROTO);
	}
}

static void on_relay_gone(struct request *r)
{
	struct run *run = r->data;

	run->request = NULL;
	/* the other daemon sees its link end and hangs up there */
	if (run->call) {
		call_cancel(run->call);
		run->call = NULL;
		run_free(run);
	}
}

static void on_link(void *data, struct link *l, int err)
{
	struct run *run = data;
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_RUN);
	Pando__PeerRun q = PANDO__PEER_RUN__INIT;

	run->link = l;
	if (!l) {
		run_fail(run, err, peer_error(run->node, err));
		return;
	}
	if (!run->request) {
		run_free(run);
		return;
	}
	q.run = run->q;
	f.peer_run = &q;
	run->call = link_call(l, &f, NULL, 0, 0, on_remote, run);
	if (!run->call) {
		run_fail(run, EIO, peer_error(run->node, -ECONNRESET));
		return;
	}
	link_pause(run->request->link, false);
}

static void run_remote(struct run *run, uint16_t node, int nfds)
{
	int err;

	if (nfds) {
		run_fail(run, EXDEV, "descriptors cannot go to another node");
		return;
	}
	run->node = node;
	run->request->frame = on_relay_frame;
	run->request->gone = on_relay_gone;
	run->request->drained = run_on_drained;
	link_pause(run->request->link, true);
	err = peer_open(node, &stream_ops, run, on_link);
	if (err)
		run_fail(run, err, peer_error(node, err));
}

/* --- requests --------------------------------------------------------------------------*/

static void on_picked(void *data, uint16_t node)
{
	struct run *run = data;

	if (!run->request)
		run_free(run);
	else if (node == pandod.self)
		run_local(run, NULL, 0);
	else
		run_remote(run, node, 0);
}

static void on_early_gone(struct request *r)
{
	struct run *run = r->data;

	run->request = NULL;
}

static bool set_credentials(Pando__RunRequest *q, const struct cred *c)
{
	free(q->groups);
	q->groups = calloc(c->ngroups + 1, sizeof(*q->groups));
	if (!q->groups)
		return false;
	for (int i = 0; i < c->ngroups; i++)
		q->groups[i] = c->groups[i];
	q->n_groups = c->ngroups;
	q->uid = c->uid;
	q->gid = c->gid;
	return true;
}

void run_request(struct request *r, const Pando__RunRequest *q, int *fds,
		 int nfds)
{
	struct run *run = run_new(r, q);
	const struct member *m;

	if (!run || !set_credentials(run->q, link_cred(r->link))) {
		request_fail(r, ENOMEM, "out of memory");
	} else if (!*q->node || !strcmp(q->node, "self")) {
		run_local(run, fds, nfds);
	} else if (!strcmp(q->node, "any") && nfds) {
		run_local(run, fds, nfds);	/* where its files are open */
	} else if (!strcmp(q->node, "any")) {
		r->gone = on_early_gone;
		link_pause(r->link, true);
		load_pick(on_picked, run);
	} else if (!(m = cluster_find(q->node))) {
		char text[128];

		snprintf(text, sizeof(text), "no member is called '%.64s'; see "
			 "cluster-nodes", q->node);
		run_fail(run, EHOSTUNREACH, text);
	} else if (m->id == pandod.self) {
		run_local(run, fds, nfds);
	} else {
		run_remote(run, m->id, nfds);
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

void run_peer(struct request *r, const Pando__PeerRun *q)
{
	struct run *run = q->run ? run_new(r, q->run) : NULL;

	if (run)
		run_local(run, NULL, 0);
	else
		request_fail(r, EINVAL, "no program");
}

/* --- runs that move ---------------------------------------------------------------------*/

/* Not of those with a terminal: their parent has a stub, and tells their end. */
static struct run *find(uint32_t pid)
{
	for (struct run *run = runs; run; run = run->next)
		if (run->pid == pid && run->started && !run->exited &&
		    !run->call && !run->q->tty)
			return run;
	return NULL;
}

/* A guest whose end is of interest elsewhere. */
struct guest {
	struct guest *next;
	uint32_t pid;
	uint16_t origin;
};

static struct guest *guests;

uint16_t run_origin(uint32_t pid)
{
	if (find(pid))
		return pandod.self;
	for (struct guest *g = guests; g; g = g->next)
		if (g->pid == pid)
			return g->origin;
	return 0;
}

static void forget_guest(struct guest *g)
{
	for (struct guest **p = &guests; *p; p = &(*p)->next) {
		if (*p == g) {
			*p = g->next;
			break;
		}
	}
	free(g);
}

static bool ignore(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	(void)data;
	(void)f;
	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	return false;
}

static bool on_guest(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	Pando__Frame out = frame_of(PANDO__FRAME__BODY_PEER_EXIT);
	Pando__PeerExit e = PANDO__PEER_EXIT__INIT;
	struct guest *g = data;

	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	/* when it moved on, what ended here was the original */
	if (f && f->body_case == PANDO__FRAME__BODY_EXIT && g->origin) {
		e.pid = g->pid;
		e.status = f->exit->status;
		out.peer_exit = &e;
		peer_call(g->origin, &out, 1000, ignore, NULL);
	}
	forget_guest(g);
	return false;
}

static bool on_return(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct run *run = find((uintptr_t)data);

	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (run && f && f->body_case == PANDO__FRAME__BODY_EXIT)
		run_on_exit(run, f->exit);
	return false;
}

void run_moved(uint32_t pid, uint16_t to, uint16_t origin)
{
	struct run *run = origin == pandod.self ? find(pid) : NULL;
	struct guest *g;

	for (g = guests; g; g = g->next)
		if (g->pid == pid && to != pandod.self)
			g->origin = 0;
	if (run) {
		run->node = to == pandod.self ? 0 : to;
		if (!run->node)
			init_watch(pid, on_return, (void *)(uintptr_t)pid);
	} else if (to == pandod.self && origin) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return;
		g->pid = pid;
		g->origin = origin;
		g->next = guests;
		guests = g;
		if (!init_watch(pid, on_guest, g))
			forget_guest(g);
	}
}

void run_peer_exit(const Pando__PeerExit *e)
{
	struct run *run = find(e->pid);

	if (!run || !run->node)
		return;
	run->node = 0;
	run->exited = true;
	run->status = e->status;
	run_maybe_finish(run);
}

void run_view(void)
{
	for (struct run *run = runs, *next; run; run = next) {
		next = run->next;
		/* those with a link learn it from the link */
		if (!run->node || run->link || run->call || !run->started ||
		    state_member(cluster_state(), run->node))
			continue;
		run_tell_exit(run, RUN_FAILED << 8, 0,
			      "its node left the cluster");
		run_free(run);
	}
}
