// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "daemon.h"
#include "nodes.h"

static int by_id(const void *a, const void *b)
{
	const Pando__Node *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

void nodes_ask(int sock, uint32_t id)
{
	Pando__NodesRequest request = PANDO__NODES_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;

	frame.id = id;
	frame.body_case = PANDO__FRAME__BODY_NODES_REQUEST;
	frame.nodes_request = &request;
	daemon_send(sock, &frame, NULL, 0);
}

Pando__NodesReply *nodes_take(Pando__Frame *frame)
{
	Pando__NodesReply *reply = frame->nodes_reply;

	if (frame->body_case == PANDO__FRAME__BODY_ERROR)
		cli_die("%s", daemon_error(frame->error));
	if (frame->body_case != PANDO__FRAME__BODY_NODES_REPLY)
		daemon_confused();
	qsort(reply->nodes, reply->n_nodes, sizeof(*reply->nodes), by_id);
	/* what was taken out of a frame lives as long as the command */
	return reply;
}

Pando__NodesReply *nodes_get(void)
{
	int sock = daemon_connect();
	Pando__NodesReply *reply;

	nodes_ask(sock, 1);
	reply = nodes_take(daemon_recv(sock));
	close(sock);
	return reply;
}

const Pando__Node *nodes_find(const Pando__NodesReply *nodes, uint32_t id)
{
	for (size_t i = 0; i < nodes->n_nodes; i++)
		if (nodes->nodes[i]->id == id)
			return nodes->nodes[i];
	return NULL;
}

/* 0: there is no such process. */
static uint32_t ask_process(uint32_t pid)
{
	Pando__PsRequest request = PANDO__PS_REQUEST__INIT;
	Pando__Frame frame = PANDO__FRAME__INIT;
	int sock = daemon_connect();
	uint32_t node = 0;
	bool more = true;

	request.pids = &pid;
	request.n_pids = 1;
	frame.id = 1;
	frame.body_case = PANDO__FRAME__BODY_PS_REQUEST;
	frame.ps_request = &request;
	daemon_send(sock, &frame, NULL, 0);
	while (more) {
		Pando__Frame *reply = daemon_recv(sock);

		if (reply->body_case == PANDO__FRAME__BODY_ERROR)
			cli_die("%s", daemon_error(reply->error));
		if (reply->body_case != PANDO__FRAME__BODY_PS_REPLY)
			daemon_confused();
		for (size_t i = 0; i < reply->ps_reply->n_processes; i++)
			if (reply->ps_reply->processes[i]->pid == pid)
				node = reply->ps_reply->processes[i]->node;
		more = reply->ps_reply->more;
		pando_frame_free(reply);
	}
	close(sock);
	return node;
}

const char *nodes_of_process(uint32_t pid)
{
	uint32_t id = ask_process(pid);
	const Pando__Node *node;

	if (!id)
		cli_die("there is no process %u", pid);
	node = nodes_find(nodes_get(), id);
	if (node)
		return node->name;
	cli_die("process %u runs on node %u, which left the cluster", pid, id);
}
