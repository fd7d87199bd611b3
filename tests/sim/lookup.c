// SPDX-License-Identifier: GPL-2.0-only
/* A model of pando_locate_where(): one question after the other. */
#include <stdlib.h>

#include "sim.h"

#define MAX_HOPS	4

static void lookup_end(struct node *n, struct lookup *l, u16 where, int err)
{
	struct lookup **p = &n->k.lookups;

	check_lookup(n, l, where, err);
	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	free(l);
}

static void lookup_ask(struct node *n, struct lookup *l, u16 node)
{
	struct kernel_msg m = { .type = CALL_LOCATE, .count = 1 };

	if (l->hops == MAX_HOPS || !node || node == n->id) {
		lookup_end(n, l, 0, -ESRCH);
		return;
	}
	l->hops++;
	l->at = node;
	m.pid[0] = l->pid;
	l->id = rpc_call(n, node, &m, RPC_TIMEOUT, 0);
}

void lookup_answered(struct node *n, u64 id, int status, u16 where)
{
	struct lookup *l = n->k.lookups;

	while (l && l->id != id)
		l = l->next;
	if (!l)
		return;
	if (status)
		lookup_end(n, l, 0, status);
	else if (where == l->at)
		lookup_end(n, l, where, 0);
	else
		lookup_ask(n, l, where);
}

/* pando_locate_where(), for a process that really lives. */
void kernel_lookup(struct node *n, const struct body *b)
{
	u32 pid = b->proc->pid;
	struct lookup *l;

	if (kernel_has_pid(n, pid))
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->pid = pid;
	l->proc = b->proc;
	l->started = w.now;
	l->epoch = n->k.epoch.number;
	l->next = n->k.lookups;
	n->k.lookups = l;
	w.lookups++;
	check_lookup_begins(n, l, b);
	lookup_ask(n, l, kernel_believed(n, pid, kernel_home(n, pid)));
}

void lookup_free(struct node *n)
{
	struct lookup *l;

	while ((l = n->k.lookups)) {
		n->k.lookups = l->next;
		free(l);
	}
}
