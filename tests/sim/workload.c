// SPDX-License-Identifier: GPL-2.0-only
/* What processes do: live, die, move, and look for each other. */
#include "sim.h"

#define BURST		400	/* short lives in a row: the numbers come round */

static struct body *anyone(struct node *n)
{
	return n->k.nbodies ? n->k.body[rnd(n->k.nbodies)] : NULL;
}

static void end_one(struct node *n)
{
	struct body *b = anyone(n);

	if (b && b->state == RUNNING && !b->proc->moving)
		kernel_exit(b);
}

/* Somebody may wait for it. */
static void find_parent(struct node *n, struct proc *p)
{
	struct body *parent = anyone(n);

	if (chance(30) && parent->state == RUNNING && !parent->proc->moving &&
	    parent->proc != p)
		kin_born(kernel_body(n, p->pid), parent);
}

static void fork_some(struct node *n, u64 count)
{
	struct proc *p;

	while (count-- && kernel_fork(n, &p))
		find_parent(n, p);
}

static void short_lives(struct node *n)
{
	u64 count = rnd(BURST);
	struct proc *p;

	while (count-- && kernel_fork(n, &p))
		kernel_exit(kernel_body(n, p->pid));
}

static struct node *another(struct node *n)
{
	struct node *o = &w.node[1 + rnd(w.nodes)];

	return o == n ? NULL : o;
}

static void look_up(struct node *n)
{
	struct node *o = another(n);
	struct body *b = o && o->up ? anyone(o) : NULL;

	if (b && b->state != DYING)
		kernel_lookup(n, b);
}

/* All hear of all blocks and moves: no more of that than there is of a few. */
static u64 rest(void)
{
	return delay(100 * MS) * (1 + w.nodes / MANY);
}

/* Every commit is acknowledged by all to all. */
static bool may_move(void)
{
	return w.nodes <= MANY || rnd(w.nodes) < 4 * MANY;
}

static void on_work(struct node *n, struct msg *m, u64 a, u64 b)
{
	struct node *to = another(n);

	(void)m;
	(void)a;
	(void)b;
	if (w.calm)
		return;
	if (n->k.frozen) {
		event_at(rest(), HOST, n, on_work, NULL, 0, 0);
		return;
	}
	if (act_left_out(&w.work)) {
		event_at(rest(), HOST, n, on_work, NULL, 0, 0);
		return;
	}
	switch (rnd(10)) {
	case 0 ... 2:
		fork_some(n, 1 + rnd(8));
		break;
	case 3:
		short_lives(n);
		break;
	case 4 ... 5:
		look_up(n);
		break;
	case 6 ... 7:
		if (to && n->d.up && may_move())
			move_start(n, to);
		break;
	default:
		end_one(n);
	}
	while (n->k.nbodies > w.population && chance(90))
		end_one(n);
	event_at(rest(), HOST, n, on_work, NULL, 0, 0);
}

/* Many at once, or it would take for ever until there are as many. */
static void on_birth(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	if (w.calm || n->k.nbodies >= w.population)
		return;
	if (!n->k.frozen)
		fork_some(n, min((u64)w.population - n->k.nbodies, 100ull));
	event_at(delay(50 * MS), HOST, n, on_birth, NULL, 0, 0);
}

void workload_start(struct node *n)
{
	if (w.population > 100)
		event_at(delay(50 * MS), HOST, n, on_birth, NULL, 0, 0);
	event_at(delay(20 * MS), HOST, n, on_work, NULL, 0, 0);
}
