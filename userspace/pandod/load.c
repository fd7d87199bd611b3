// SPDX-License-Identifier: GPL-2.0-only
/* What the nodes have to do, and who has the least. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "init.h"
#include "kernel.h"
#include "memory.h"
#include "peer.h"
#include "quorum.h"
#include "serve.h"

#define ANSWER_MS	2000

/* One question to all members; rows stand in the order of the answer. */
struct gather {
	struct request *request;	/* NodesRequest, or NULL */
	void (*picked)(void *data, uint16_t node);
	void *data;
	Pando__NodesReply reply;
	unsigned int missing;
};

/* One row of it on its way. */
struct row {
	struct gather *gather;
	Pando__Node *node;
};

unsigned int load_processes(void)
{
	int fd = init_proc_fd() < 0 ? -1 :
		 openat(init_proc_fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned int n = 0;
	struct dirent *e;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((e = readdir(dir)))
		n += isdigit((unsigned char)*e->d_name) &&
		     atoi(e->d_name) >= PANDO_LOCAL_PIDS;
	closedir(dir);
	return n;
}

static double load1(void)
{
	double load = 0;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

/* What only the node itself knows. */
static void measure(Pando__Node *n)
{
	struct kernel_status st;
	size_t stubs;

	n->load1 = load1();
	n->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	n->mem_available_kib = memory_available_kib(&n->mem_total_kib);
	n->processes = load_processes();
	free(kernel_stubs(&stubs));
	n->processes -= stubs < n->processes ? stubs : n->processes;
	if (kernel_present() && !kernel_status(&st)) {
		n->guests = st.guests;
		n->pids_used = st.pids_used;
		n->pids_free = st.pids_free;
	}
}

void load_peer(struct request *r)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_NODES_REPLY);
	Pando__NodesReply reply = PANDO__NODES_REPLY__INIT;
	Pando__Node node = PANDO__NODE__INIT, *list = &node;

	measure(&node);
	node.id = pandod.self;
	reply.nodes = &list;
	reply.n_nodes = 1;
	f.nodes_reply = &reply;
	request_end(r, &f);
}

static const char *node_state(uint16_t id, const struct member *m)
{
	const struct host *h = state_host(cluster_state(), id);

	if (!m)
		return h && h->dead ? "expelled" : "down";
	if (id == pandod.self && quorum_frozen())
		return "frozen";
	if (!m->ready)
		return "joining";
	return pandod.standalone ? "standalone" : "member";
}

static const char *link_state(const struct kernel_status *st, uint16_t id)
{
	if (id == pandod.self)
		return "self";
	for (unsigned int i = 0; i < st->npeers; i++) {
		if (st->peer[i].id != id)
			continue;
		switch (st->peer[i].state) {
		case PANDO_PEER_UP:
			return "up";
		case PANDO_PEER_CONNECTING:
			return "connecting";
		case PANDO_PEER_REFUSED:
			return "refused";
		}
	}
	return "down";
}

static Pando__Node *add_row(struct gather *g, uint16_t id, const char *name,
			    const char *addr, const struct member *m,
			    const struct kernel_status *st)
{
	Pando__Node **list = realloc(g->reply.nodes, (g->reply.n_nodes + 1) *
				     sizeof(*list));
	Pando__Node *n = malloc(sizeof(*n));

	if (list)
		g->reply.nodes = list;
	if (!list || !n) {
		free(n);
		return NULL;
	}
	pando__node__init(n);
	n->id = id;
	n->name = strdup(name);
	n->address = strdup(addr);
	n->state = strdup(node_state(id, m));
	n->transport = strdup(pandod.config.transport);
	n->link = strdup(link_state(st, id));
	g->reply.nodes[g->reply.n_nodes++] = n;
	return n;
}

static void gather_free(struct gather *g)
{
	for (size_t i = 0; i < g->reply.n_nodes; i++)
		pando__node__free_unpacked(g->reply.nodes[i], NULL);
	free(g->reply.nodes);
	free(g);
}

static double load_per_cpu(const Pando__Node *n)
{
	return n->load1 / (n->cpus ? n->cpus : 1);
}

/* Load that hardly differs does not count: then memory does, then the id. */
static uint16_t least(const struct gather *g)
{
	const Pando__Node *best = NULL;

	for (size_t i = 0; i < g->reply.n_nodes; i++) {
		const Pando__Node *n = g->reply.nodes[i];

		/* a node that did not answer has no memory */
		if (!n->mem_total_kib || !strcmp(n->state, "down") ||
		    !strcmp(n->state, "frozen"))
			continue;
		if (!best || load_per_cpu(n) < load_per_cpu(best) - 0.25 ||
		    (load_per_cpu(n) < load_per_cpu(best) + 0.25 &&
		     n->mem_available_kib > best->mem_available_kib))
			best = n;
	}
	return best ? best->id : pandod.self;
}

static void finish(struct gather *g)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_NODES_REPLY);
	const struct state *s = cluster_state();

	if (g->picked) {
		g->picked(g->data, least(g));
	} else if (g->request) {
		g->reply.epoch = s->epoch;
		g->reply.quorate = s->phase == PHASE_ACTIVE && s->quorate;
		g->reply.self = pandod.name;
		f.nodes_reply = &g->reply;
		request_end(g->request, &f);
	}
	gather_free(g);
}

static bool on_answer(void *data, Pando__Frame *f, int *fds, int nfds, int err)
{
	struct row *row = data;
	struct gather *g = row->gather;

	(void)err;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (f && f->body_case == PANDO__FRAME__BODY_NODES_REPLY &&
	    f->nodes_reply->n_nodes == 1) {
		const Pando__Node *n = f->nodes_reply->nodes[0];

		row->node->load1 = n->load1;
		row->node->cpus = n->cpus;
		row->node->mem_total_kib = n->mem_total_kib;
		row->node->mem_available_kib = n->mem_available_kib;
		row->node->processes = n->processes;
		row->node->guests = n->guests;
		row->node->pids_used = n->pids_used;
		row->node->pids_free = n->pids_free;
	}
	free(row);
	if (--g->missing == 0)
		finish(g);
	return false;
}

static void ask(struct gather *g, Pando__Node *n)
{
	Pando__Frame f = frame_of(PANDO__FRAME__BODY_PEER_LOAD);
	Pando__PeerLoad q = PANDO__PEER_LOAD__INIT;
	struct row *row = calloc(1, sizeof(*row));

	if (!row)
		return;
	row->gather = g;
	row->node = n;
	f.peer_load = &q;
	g->missing++;
	peer_call(n->id, &f, bound_ms(ANSWER_MS), on_answer, row);
}

static void on_gone(struct request *r)
{
	struct gather *g = r->data;

	g->request = NULL;
}

static void gather(struct request *r, void (*picked)(void *, uint16_t),
		   void *data)
{
	struct gather *g = calloc(1, sizeof(*g));
	struct state *s = cluster_state();
	struct kernel_status st = { 0 };
	const struct configured *c;
	unsigned int n;

	if (!g) {
		if (picked)
			picked(data, pandod.self);
		else
			request_fail(r, ENOMEM, "out of memory");
		return;
	}
	pando__nodes_reply__init(&g->reply);
	g->request = r;
	g->picked = picked;
	g->data = data;
	if (r) {
		r->data = g;
		r->gone = on_gone;
	}
	if (kernel_present())
		kernel_status(&st);
	g->missing = 1;		/* ourselves, until all are asked */
	for (unsigned int i = 0; i < s->nmembers; i++) {
		const struct member *m = &s->member[i];
		Pando__Node *row = add_row(g, m->id, m->name, m->addr, m, &st);

		if (!row)
			continue;
		if (m->id == pandod.self)
			measure(row);
		else if (r || m->attached)
			ask(g, row);
	}
	c = cluster_configured(&n);
	for (unsigned int i = 0; i < n && r; i++)
		if (!state_member(s, c[i].id))
			add_row(g, c[i].id, c[i].name, c[i].addr, NULL, &st);
	if (--g->missing == 0)
		finish(g);
}

void load_nodes(struct request *r)
{
	gather(r, NULL, NULL);
}

void load_pick(void (*picked)(void *data, uint16_t node), void *data)
{
	gather(NULL, picked, data);
}
