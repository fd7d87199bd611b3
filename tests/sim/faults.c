// SPDX-License-Identifier: GPL-2.0-only
/* What befalls nodes, daemons and wires; and how all becomes well again. */
#include <string.h>

#include "sim.h"

static bool deaf[NODES_MAX + 1][NODES_MAX + 1];	/* the first to the second */

bool hears(const struct node *a, const struct node *from)
{
	return a->part == from->part && !deaf[a->id][from->id];
}

/* Both ways: a ring needs that, also where the wire does not. */
bool connected(const struct node *a, const struct node *b)
{
	return hears(a, b) && hears(b, a);
}

static void cut_one_way(void)
{
	unsigned int a = 1 + rnd(w.nodes), b = 1 + rnd(w.nodes);

	if (a == b)
		return;
	trace("node %llu does not hear %llu", a, b);
	deaf[a][b] = true;
	group_topology();
}

static void on_daemon(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	if (!n->d.up)
		daemon_start(n);
}

void node_power_on(struct node *n)
{
	if (n->up)
		return;
	n->up = true;
	n->paused = false;
	n->life++;
	n->resumed = w.now;
	trace("node %llu: power on", n->id);
	group_start(n);
	event_at(10 * MS + rnd(500 * MS), HOST, n, on_daemon, NULL, 0, 0);
}

static void on_power_on(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	node_power_on(n);
}

static void crash(struct node *n)
{
	trace("node %llu: power off, %llu tasks", n->id, n->k.nbodies);
	w.crashes++;
	kernel_free(n);
	move_crash(n);
	daemon_forget(n);
	n->up = false;
	n->life++;
	group_crash(n);
	if (w.rebirth)
		event_at(delay(w.away), WORLD, n, on_power_on, NULL, 0, 0);
}

static void resume(struct node *n)
{
	if (!n->paused)
		return;
	trace("node %llu: resumed", n->id);
	n->paused = false;
	n->resumed = w.now;
	guard_resume(n);
	event_resume(n);
	group_topology();
}

static void on_resume(struct node *n, struct msg *m, u64 life, u64 b)
{
	(void)m;
	(void)b;
	if (n->up && n->life == life)
		resume(n);
}

static void pause_node(struct node *n)
{
	trace("node %llu: paused", n->id);
	n->paused = true;
	group_topology();
	event_at(delay(w.away), WORLD, n, on_resume, NULL, n->life, 0);
}

static void part(void)
{
	unsigned int parts = 2 + rnd(2);
	struct node *n;

	trace("a partition into %llu", parts);
	for_each_node(n) {
		n->part = rnd(parts);
		trace("node %llu: part %llu", n->id, n->part);
	}
	group_topology();
}

static void heal(void)
{
	struct node *n;

	trace("%llu nodes hear each other", w.nodes);
	for_each_node(n)
		n->part = 0;
	memset(deaf, 0, sizeof(deaf));
	group_topology();
}

/*
 * A mover whose daemon dies before the verdict asks the other mover: not
 * modelled, so such a daemon is spared.
 */
static bool may_die(struct node *n)
{
	return n->d.up && !move_undecided(n);
}

static void befall(struct node *n)
{
	if (!n->up || n->paused)
		return;
	switch (rnd(8)) {
	case 0 ... 1:
		crash(n);
		break;
	case 2 ... 3:
		pause_node(n);
		break;
	case 4:
		if (may_die(n))
			daemon_kill(n);
		break;
	case 5:
		if (may_die(n))
			daemon_stop(n);
		break;
	default:
		if (n->d.up && n->d.state.phase == PHASE_ACTIVE)
			daemon_ask_round(n, 0);
		break;
	}
	if (n->up && !n->d.up)
		event_at(delay(5 * SECOND), HOST, n, on_daemon, NULL, 0, 0);
}

static void strike(struct node *unused, struct msg *m, u64 a, u64 b)
{
	(void)unused;
	(void)m;
	(void)a;
	(void)b;
	if (w.calm || act_left_out(&w.faults))
		return;
	switch (rnd(16)) {
	case 0 ... 2:
		part();
		break;
	case 3 ... 5:
		heal();
		break;
	case 6:
		cut_one_way();
		break;
	case 7 ... 9:
		expel_somebody(&w.node[1 + rnd(w.nodes)],
			       w.wait_for_all && chance(60));
		break;
	default:
		/* of many nodes a rack at once, perhaps */
		for (a = 1 + rnd(1 + w.nodes / 32); a; a--)
			befall(&w.node[1 + rnd(w.nodes)]);
	}
}

static void on_fault(struct node *n, struct msg *m, u64 a, u64 b)
{
	if (!w.calm)
		event_at(delay(w.fault_every) * w.slow, WORLD, NULL, on_fault, NULL, 0, 0);
	strike(n, m, a, b);
}

/* All hear what all say: no more often than of five nodes. */
static bool in_five(void)
{
	return w.nodes <= 8 || rnd((u64)w.nodes * w.nodes) < 25;
}

/* What is decided just now is worth a blow more than what stands still. */
void faults_strike(unsigned int percent)
{
	if (!w.calm && in_five() && chance(percent))
		event_at(rnd(5 * MS), WORLD, NULL, strike, NULL, 0, 0);
}

/* It has just heard what others may not hear from now on. */
void faults_isolate(struct node *n, unsigned int percent)
{
	if (w.calm || !in_five() || !chance(percent) ||
	    act_left_out(&w.faults))
		return;
	trace("node %llu: cut off", n->id);
	n->part = 100 + n->id;
	group_topology();
}

static void on_audit(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	check_audit();
	if (!w.calm)
		event_at(100 * MS * w.slow, WORLD, n, on_audit, NULL, 0,
			 0);
}

void faults_start(void)
{
	memset(deaf, 0, sizeof(deaf));
	event_at(3 * SECOND * w.slow, WORLD, NULL, on_fault, NULL, 0, 0);
	event_at(100 * MS, WORLD, NULL, on_audit, NULL, 0, 0);
}

void faults_heal(void)
{
	struct node *n;

	heal();
	for_each_node(n) {
		node_power_on(n);
		resume(n);
	}
}
