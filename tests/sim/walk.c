// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of pando_locate_call(): a request that follows a process to where it
 * is, from what is known here. What comes of it is kin.c's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define MAX_HOPS	4

struct walk {
	struct walk *next;
	u64 serial, id;		/* its own, of the request under way */
	enum call_type type;	/* CALL_HOLD, CALL_KILL */
	u32 pid;
	bool drop;
	u16 at;
	unsigned int hops;
	u64 deadline, epoch;
};

static void on_walk(struct node *n, struct msg *u, u64 serial, u64 b);

static void walk_again(struct node *n, struct walk *x);

/* 0 while the view changes. */
static u64 in_force(const struct node *n)
{
	return pando_epoch_open(&n->k.epoch) ? n->k.epoch.number : 0;
}

static void walk_over(struct node *n, struct walk *x, int err)
{
	struct walk **p = &n->k.walks, done = *x;

	/* of two views it saw a part of each, and nothing is certain */
	if (err == -ESRCH && (!x->epoch || x->epoch != in_force(n))) {
		walk_again(n, x);
		return;
	}
	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	free(x);
	kin_walked(n, done.type, done.pid, done.drop, done.at, err);
}

/* This way it is not found: it is looked for anew, for a while. */
static void walk_again(struct node *n, struct walk *x)
{
	if (w.now < x->deadline)
		event_at(MS, HOST, n, on_walk, NULL, x->serial, 0);
	else
		walk_over(n, x, -ETIMEDOUT);
}

static bool may_be_found(struct node *n, u32 pid)
{
	return kernel_home(n, pid) == n->id && n->k.unheard;
}

/*
 * As pando_locate_miss(). Who is to know where all are says that it is nowhere
 * when all who are here have said what they have.
 */
int walk_miss(struct node *n, u32 pid)
{
	const struct pando_directory *d = &n->k.dir;
	const struct pando_dir_entry *e;
	u16 node;
	u64 now;

	e = pando_dir_find(d, pid, PANDO_DIR_AWAY);
	if (!e)
		e = pando_dir_find(d, pid, PANDO_DIR_LEAVING);
	node = e ? e->node : kin_stub_where(n, pid);
	now = node ? kernel_incarnation(n, node) : 0;
	if (now && (!e || !e->tag || e->tag == now))
		return -EREMCHG;
	if (pando_dir_find(d, pid, PANDO_DIR_RESERVED) ||
	    may_be_found(n, pid))
		return -EBUSY;
	return -ESRCH;
}

static void walk_on(struct node *n, struct walk *x, u16 to)
{
	struct kernel_msg m = { .type = x->type, .count = 1, .drop = x->drop };
	u16 where = 0;
	int err;

	m.pid[0] = x->pid;
	x->at = to;
	if (x->hops++ == MAX_HOPS) {
		walk_again(n, x);
	} else if (to && to != n->id) {
		x->id = rpc_call(n, to, &m, RPC_TIMEOUT, 0);
	} else if (!to) {
		walk_over(n, x, -ESRCH);
	} else {
		err = kin_handle_walk(n, &m, &where);
		/* where it should be we were, or it is beyond a partition */
		if (err == -EREMCHG)
			err = may_be_found(n, x->pid) ? -EBUSY : -ESRCH;
		if (err == -EBUSY)
			walk_again(n, x);
		else
			walk_over(n, x, err);
	}
}

static void on_walk(struct node *n, struct msg *u, u64 serial, u64 b)
{
	struct walk *x;

	(void)u;
	(void)b;
	for (x = n->k.walks; x && x->serial != serial; x = x->next)
		;
	if (!x)
		return;
	x->hops = 0;
	x->epoch = in_force(n);
	walk_on(n, x, kernel_believed(n, x->pid, kernel_home(n, x->pid)));
}

void walk(struct node *n, enum call_type type, u32 pid, bool drop)
{
	struct walk *x = calloc(1, sizeof(*x));

	if (!x) {
		perror("sim");
		exit(2);
	}
	trace_pid(pid, "  node %llu: walks for %llu, kind %llu", n->id, pid, type);
	x->type = type;
	x->pid = pid;
	x->drop = drop;
	x->serial = ++n->k.next_id;
	x->deadline = w.now + RPC_TIMEOUT;
	x->epoch = in_force(n);
	x->next = n->k.walks;
	n->k.walks = x;
	if (kernel_has_pid(n, pid))
		walk_on(n, x, n->id);
	else
		walk_on(n, x, kernel_believed(n, pid, kernel_home(n, pid)));
}

void walk_answered(struct node *n, const struct call *c, int status, u16 where)
{
	u16 home = kernel_home(n, c->m.pid[0]);
	struct walk *x;

	for (x = n->k.walks; x; x = x->next)
		if (x->type == c->m.type && x->id == c->m.id && x->at == c->m.to)
			break;
	if (!x)
		return;
	if (status == -EREMCHG && where != x->at) {
		walk_on(n, x, where);
	} else if ((status == -ESRCH || status == -EHOSTDOWN) &&
		   x->at != home) {
		pando_dir_clear(&n->k.dir, x->pid, PANDO_DIR_HINT);
		walk_on(n, x, home);
	} else if (status == -EBUSY || status == -EREMCHG) {
		walk_again(n, x);
	} else {
		walk_over(n, x, status == -EHOSTDOWN ? -ESRCH : status);
	}
}

void walk_say_why(const struct node *n)
{
	const struct walk *x;

	for (x = n->k.walks; x; x = x->next)
		trace("node %llu: looks for %llu on %llu, kind %llu", n->id,
		      x->pid, x->at, x->type);
}

void walk_free(struct node *n)
{
	struct walk *x;

	while ((x = n->k.walks)) {
		n->k.walks = x->next;
		free(x);
	}
}
