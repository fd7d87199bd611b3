// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that tools start. On this node: a child of pando-init, its output
 * read from pipes or a pty and sent as Data. On another node: that daemon does
 * the same over a link of its own, which the tool gets. A slow side stops the
 * reading of the other: nothing piles up.
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
		run->out[i] = (struct output){ run, i + 1, -1, { -1, -1 }, NULL };
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
	pando_bytes_free(&run->unread);
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
	e.unread.data = run->unread.buf + run->unread.off;
	e.unread.len = pando_bytes_left(&run->unread);
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
	s.follows = true;
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

/*
 * The tool speaks with the other daemon itself, so that what its program reads and
 * writes is not copied once more. All of our request must have left by then.
 */
static void hand_over(struct link *l)
{
	struct run *run = link_data(l);
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_RUN_LINK);
	Pando__RunLink link = PANDO__RUN_LINK__INIT;
	int fd = link_fd(l);

	if (!run || link_pending(l))
		return;
	link.node = (char *)cluster_name(run->node);
	f.run_link = &link;
	f.id = run->request->id;
	link_pause(run->request->link, false);
	link_send(run->request->link, &f, &fd, 1);
	/* it has a descriptor of its own */
	link_set_data(l, NULL);
	run->link = NULL;
	run->handed = true;
	link_close(l, 0);
}

static void on_link_closed(struct link *l, int err)
{
	struct run *run = link_data(l);

	if (!run)
		return;
	run->link = NULL;
	run_fail(run, err ? err : EIO,
		 peer_error(run->node, err ? err : -ECONNRESET));
}

static const struct link_ops stream_ops = {
	.flushed = hand_over,
	.closed = on_link_closed,
};

static void on_remote_gone(struct request *r)
{
	struct run *run = r->data;

	run->request = NULL;
	/* while the link is being made there is somebody who will look */
	if (run->link || run->handed)
		run_free(run);
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
	/* the answer is not for us */
	link_pause(l, true);
	q.run = run->q;
	f.peer_run = &q;
	f.id = run->request->id;
	if (link_send(l, &f, NULL, 0) < 0) {
		run_fail(run, EIO, peer_error(run->node, -ECONNRESET));
		return;
	}
	hand_over(l);
}

static void run_remote(struct run *run, uint16_t node, int nfds)
{
	int err;

	if (nfds) {
		run_fail(run, EXDEV, "descriptors cannot go to another node");
		return;
	}
	run->node = node;
	run->request->gone = on_remote_gone;
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
		    !run->q->tty)
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
		if (!run->node || run->link ||
		    !(run->started || run->handed) ||
		    state_member(cluster_state(), run->node))
			continue;
		if (run->handed) {
			run_fail(run, EHOSTDOWN,
				 peer_error(run->node, -EHOSTDOWN));
			continue;
		}
		run_tell_exit(run, RUN_FAILED << 8, 0,
			      "its node left the cluster");
		run_free(run);
	}
}
