// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pando.h>

#include "cli.h"
#include "daemon.h"
#include "mv_all.h"
#include "nodes.h"

struct all {
	Pando__Process **p;
	size_t n;
};

/* What was taken out of a frame lives as long as the command. */
static void take(struct all *all, const Pando__PsReply *reply, uint32_t node)
{
	for (size_t i = 0; i < reply->n_processes; i++) {
		if (reply->processes[i]->node != node)
			continue;
		all->p = cli_grow(all->p, all->n + 1, sizeof(*all->p));
		all->p[all->n++] = reply->processes[i];
	}
}

static const Pando__Node *named(const char *name)
{
	const Pando__NodesReply *nodes = nodes_get();
	int id = cli_number(name);

	for (size_t i = 0; i < nodes->n_nodes; i++)
		if (!strcmp(nodes->nodes[i]->name, name) ||
		    (id > 0 && nodes->nodes[i]->id == (uint32_t)id))
			return nodes->nodes[i];
	cli_die("no node is called %s; see cluster-nodes", name);
}

static void ask(struct all *all, const Pando__Node *node)
{
	Pando__PsRequest request = PANDO__PS_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	int sock = daemon_connect();
	bool more = true;

	frame.id = 1;
	frame.body_case = PANDO__FRAME__BODY_PS_REQUEST;
	frame.ps_request = &request;
	daemon_send(sock, &frame, NULL, 0);
	while (more) {
		const Pando__Frame *reply = daemon_recv(sock);

		if (reply->body_case == PANDO__FRAME__BODY_ERROR)
			cli_die("%s", daemon_error(reply->error));
		if (reply->body_case != PANDO__FRAME__BODY_PS_REPLY)
			daemon_confused();
		for (size_t i = 0; i < reply->ps_reply->n_unreachable; i++)
			if (!strcmp(reply->ps_reply->unreachable[i], node->name))
				cli_die("node %s does not answer", node->name);
		take(all, reply->ps_reply, node->id);
		more = reply->ps_reply->more;
	}
	close(sock);
}

static bool has(const struct all *all, uint32_t pid)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->p[i]->pid == pid && pid >= PANDO_LOCAL_PIDS)
			return true;
	return false;
}

uint32_t *mv_all_from(const char *node, size_t *count)
{
	uint32_t *pids, uid = getuid();
	struct all all = { 0 };

	ask(&all, named(node));
	pids = cli_alloc(all.n + 1, sizeof(*pids));
	*count = 0;
	for (size_t i = 0; i < all.n; i++) {
		const Pando__Process *p = all.p[i];

		if (p->pid < PANDO_LOCAL_PIDS || has(&all, p->ppid) ||
		    !strcmp(p->state, "Z") || (uid && p->uid != uid))
			continue;
		pids[(*count)++] = p->pid;
	}
	free(all.p);
	return pids;
}
