// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of kmod/{kin,stub_life}.c: parents that wait for children which run
 * elsewhere. Where the parent is a stub holds the child's number; the child's
 * node tells it the end, as often as it takes; who counts as dead with its node
 * is killed when that is back. Parents stay where they are, so each child has one
 * holder at most, and stops, groups and sessions are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define MISSES_MAX	5
#define AGAIN		SECOND

/* A child that runs elsewhere, at its parent's node. */
struct stub {
	struct stub *next;
	u32 pid;
	struct proc *proc;	/* for the checks: whom it stands for */
	u16 where;
	u64 incarnation;
	unsigned int misses;
	bool asking;		/* a walk is under way, or will be */
	bool ending;		/* its home is being told of what is left */
	struct kernel_msg exit;	/* by this */
};

/* A child that runs here, with a stub elsewhere. */
struct kin {
	struct kin *next;
	u32 pid;
	struct proc *proc;
	u16 holder;
	bool ending, telling;
};

/* A process that counts as dead, should its node come back. */
struct condemned {
	struct condemned *next;
	u32 pid;
	u16 node;
	u64 incarnation;
	unsigned int misses;
	bool asking;
};

static void *new(size_t size)
{
	void *p = calloc(1, size);

	if (!p) {
		perror("sim");
		exit(2);
	}
	return p;
}

/* --- parents --------------------------------------------------------------------- */

/* Where it lives, and no copy that waits for life or death. */
static struct body *only_body(const struct proc *p)
{
	struct body *b = kernel_with_number(p->pid);

	while (b && (b->proc != p || b->state == DYING || b->state == HELD))
		b = b->next;
	return b;
}

/* Where somebody waits for it, or NULL. */
static struct node *waited_at(const struct proc *p)
{
	const struct body *b;

	if (!p->parent || !p->parent->alive || p->parent->ended)
		return NULL;
	b = only_body(p->parent);
	return b ? b->node : NULL;
}

static void over(struct proc *p)
{
	if (p->parent && !p->counted) {
		p->counted = true;
		p->parent->children--;
	}
}

/* The parent has its status; @truly: as it was, and not because of a loss. */
static void deliver(struct node *n, struct proc *p, bool truly)
{
	over(p);
	if (waited_at(p) != n)
		return;
	if (p->told)
		violated("PID %u: its parent on node %u is told twice that it ended",
			 p->pid, n->id);
	if (truly && !p->ended)
		violated("PID %u lives, and its parent on node %u is told that it ended",
			 p->pid, n->id);
	p->told = true;
	p->given_up = !truly && p->alive ? n->k.incarnation : 0;
	w.statuses++;
}

void kin_born(struct body *child, struct body *parent)
{
	child->proc->parent = parent->proc;
	parent->proc->children++;
}

/* --- tables ---------------------------------------------------------------------- */

static struct stub *find_stub(struct node *n, u32 pid)
{
	struct stub *s;

	for (s = n->k.stubs; s; s = s->next)
		if (s->pid == pid)
			return s;
	return NULL;
}

static struct kin *find_kin(struct node *n, u32 pid)
{
	struct kin *k;

	for (k = n->k.kins; k; k = k->next)
		if (k->pid == pid)
			return k;
	return NULL;
}

u16 kin_stub_where(struct node *n, u32 pid)
{
	struct stub *s = find_stub(n, pid);

	return s ? s->where : 0;
}

bool kin_is_ending(struct node *n, u32 pid)
{
	struct kin *k = find_kin(n, pid);

	return k && k->ending;
}

static void drop_stub(struct node *n, struct stub *s)
{
	struct stub **p = &n->k.stubs;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	free(s);
}

static void drop_kin(struct node *n, struct kin *k)
{
	struct kin **p = &n->k.kins;

	while (*p != k)
		p = &(*p)->next;
	*p = k->next;
	free(k);
}

/* The stub ends, its parent has seen it, the number is free here. */
static void end_stub(struct node *n, struct stub *s, bool truly)
{
	struct proc *p = s->proc;
	u32 pid = s->pid;

	trace("node %llu: stub of %llu ends, truly %llu", n->id, pid, truly);
	if (w.bug != BUG_TOLD_TWICE || !truly)
		drop_stub(n, s);
	deliver(n, p, truly);
	kernel_number_free(n, pid);
}

/* --- the end ---------------------------------------------------------------------- */

static void tell_end(struct node *n, struct kin *k)
{
	struct kernel_msg m = { .type = CALL_EXIT, .count = 1, .proc = k->proc };

	if (k->telling)
		return;
	k->telling = true;
	m.pid[0] = k->pid;
	rpc_call(n, k->holder, &m, RPC_TIMEOUT, k->pid);
}

static void exit_answered(struct node *n, const struct call *c, int status,
			  bool keeps)
{
	struct kin *k = find_kin(n, c->tag);

	if (!k || k->proc != c->m.proc)
		return;
	k->telling = false;
	if (status == -EHOSTDOWN && w.bug != BUG_STATUS_LOST)
		return;		/* it is told when it is back */
	if (status == -ETIMEDOUT || status == -EAGAIN) {
		tell_end(n, k);
		return;
	}
	if (!keeps)
		kernel_ended(n, k->pid);
	drop_kin(n, k);
}

/* It ends by itself or is killed, and is no copy of another. */
void kin_ended(struct body *b)
{
	struct node *n = b->node;
	struct proc *p = b->proc;
	struct kin *k = find_kin(n, p->pid);

	if (waited_at(p) == n && !p->given_up)
		deliver(n, p, true);
	if (!kernel_settled(n, p->pid) || !k || k->ending)
		return;
	k->ending = true;
	kernel_pin(n, p->pid);
	tell_end(n, k);
}

/* What handle_event() does: -EINPROGRESS when the answer comes later. */
int kin_handle_exit(struct node *n, const struct kernel_msg *m, u16 *keeps)
{
	struct stub *s = find_stub(n, m->pid[0]);
	struct kernel_msg left = { .type = CALL_LEFT, .count = 1 };
	u16 home = kernel_home(n, m->pid[0]);

	*keeps = 0;
	if (!s || s->ending)
		return 0;
	if (s->proc != m->proc)
		violated("PID %u: the end of another is told to the parent on node %u",
			 s->pid, n->id);
	if (waited_at(s->proc) != n) {
		end_stub(n, s, true);
		return 0;
	}
	if (home == n->id)
		pando_dir_clear(&n->k.dir, s->pid, PANDO_DIR_AWAY);
	if (!home || home == n->id) {
		*keeps = 1;
		end_stub(n, s, true);
		return 0;
	}
	s->ending = true;
	s->exit = *m;
	left.pid[0] = s->pid;
	rpc_call(n, home, &left, RPC_TIMEOUT, 0);
	return -EINPROGRESS;
}

static void left_answered(struct node *n, u32 pid)
{
	struct stub *s = find_stub(n, pid);
	struct kernel_msg m;

	if (!s || !s->ending)
		return;
	m = s->exit;
	end_stub(n, s, true);
	rpc_finish(n, &m, 0, 1);
}

static bool is_lost(struct node *n, const struct stub *s)
{
	u64 now = kernel_incarnation(n, s->where);

	/* 0: it was no member when we heard that the process is there */
	return now ? s->incarnation && now != s->incarnation : n->k.quorate;
}

/* It has to be where it is believed to be, or with another who is missing. */
static void lost(struct node *n, const struct stub *s)
{
	const struct body *b = only_body(s->proc);

	if (b && b->state == RUNNING && b->node->id != s->where &&
	    kernel_incarnation(n, b->node->id) == b->node->k.incarnation)
		violated("PID %u lives on node %u, and node %u says that it was lost with node %u",
			 s->pid, b->node->id, n->id, s->where);
}

static void on_condemned(struct node *n, struct msg *u, u64 pid, u64 b);

static void condemn(struct node *n, const struct stub *s)
{
	struct condemned *c = n->k.condemned;

	while (c && c->pid != s->pid)
		c = c->next;
	if (!c) {
		c = new(sizeof(*c));
		c->pid = s->pid;
		c->next = n->k.condemned;
		n->k.condemned = c;
	}
	c->node = s->where;
	c->incarnation = s->incarnation;
	c->misses = 0;
	event_at(0, HOST, n, on_condemned, NULL, s->pid, 0);
}

/* It was lost with its node, and has to be if that comes back. */
static void grieve(struct node *n, struct stub *s)
{
	trace("node %llu: %llu is lost with node %llu", n->id, s->pid, s->where);
	lost(n, s);
	condemn(n, s);
	end_stub(n, s, false);
}

/* --- the lost ---------------------------------------------------------------------- */

static void announce(struct node *n, struct stub *s, u64 us);

/* Nobody has it, so it ended, and we were not told. */
static void missed(struct node *n, struct stub *s)
{
	trace("node %llu: nobody has %llu", n->id, s->pid);
	if (s->proc->alive)
		violated("PID %u lives, and node %u takes it for dead", s->pid,
			 n->id);
	else if (!s->proc->struck)
		violated("PID %u ended, and how is lost to its parent on node %u",
			 s->pid, n->id);
	if (kernel_home(n, s->pid) == n->id)
		pando_dir_clear(&n->k.dir, s->pid, PANDO_DIR_AWAY);
	end_stub(n, s, false);
}

/*
 * Not found, with all who may have it: it may be on its way. It need not be where
 * it was last known to be, so while somebody is missing nothing is concluded.
 */
static void executed(struct node *n, u32 pid, int err)
{
	struct condemned **p = &n->k.condemned, *c;

	trace("node %llu: %llu was to be killed: %llu", n->id, pid, -err);
	while ((c = *p) && c->pid != pid)
		p = &c->next;
	if (!c)
		return;
	c->asking = false;
	if (err == -ESRCH && !n->k.complete && w.bug != BUG_MERCY)
		return;		/* with the next view */
	if (err && w.bug != BUG_MERCY &&
	    ((err != -ESRCH && err != -EEXIST) || ++c->misses < MISSES_MAX)) {
		event_at(AGAIN, HOST, n, on_condemned, NULL, pid, 0);
		return;
	}
	*p = c->next;
	free(c);
}

void kin_walked(struct node *n, enum call_type type, u32 pid, bool drop, u16 at,
		int err)
{
	struct stub *s = type == CALL_HOLD && !drop ? find_stub(n, pid) : NULL;

	if (type == CALL_KILL)
		executed(n, pid, err);
	if (!s || s->ending)
		return;
	s->asking = false;
	/* whom a minority does not hear of may live well elsewhere */
	if (err && !n->k.quorate && w.bug != BUG_RASH_GRIEF) {
		s->misses = 0;
	} else if (!err) {
		s->misses = 0;
		s->where = at;
		s->incarnation = kernel_incarnation(n, at);
	} else if (err != -ESRCH) {
		announce(n, s, AGAIN);
	} else if (is_lost(n, s)) {
		grieve(n, s);
	} else if (++s->misses < MISSES_MAX) {
		announce(n, s, AGAIN);
	} else {
		missed(n, s);
	}
}

static void on_announce(struct node *n, struct msg *u, u64 pid, u64 b)
{
	struct stub *s = find_stub(n, pid);

	(void)u;
	(void)b;
	if (s && !s->ending && s->asking)
		walk(n, CALL_HOLD, pid, false);
}

static void announce(struct node *n, struct stub *s, u64 us)
{
	if (s->asking)
		return;
	s->asking = true;
	event_at(us, HOST, n, on_announce, NULL, s->pid, 0);
}

/* The view stands: every stub is made known to its process. */
void kin_announce(struct node *n)
{
	struct stub *s;

	for (s = n->k.stubs; s; s = s->next)
		announce(n, s, delay(10 * MS));
}

/* The node that it was lost with is back with nothing: who has its number here is new. */
static bool is_reborn(struct node *n, u32 pid)
{
	const struct condemned *c = n->k.condemned;
	u64 now;

	while (c && c->pid != pid)
		c = c->next;
	now = c ? kernel_incarnation(n, c->node) : 0;
	return now && c->incarnation && now != c->incarnation;
}

int kin_handle_walk(struct node *n, const struct kernel_msg *m, u16 *where)
{
	u32 pid = m->pid[0];
	struct kin *k;

	*where = 0;
	if (m->type == CALL_HOLD && m->drop) {
		k = find_kin(n, pid);
		if (k && k->holder == m->from && !k->ending)
			drop_kin(n, k);
		return 0;
	}
	if (!kernel_has_pid(n, pid)) {
		*where = kernel_believed(n, pid, 0);
		return walk_miss(n, pid);
	}
	k = find_kin(n, pid);
	if (m->type == CALL_KILL) {
		/* the number may be another's by now */
		if (m->from ? !k || k->holder != m->from : is_reborn(n, pid))
			return -EEXIST;
		return kernel_kill(n, pid);
	}
	if (!m->from)
		return 0;	/* its stub here does not know yet */
	if (!k) {
		k = new(sizeof(*k));
		k->pid = pid;
		k->proc = kernel_body(n, pid)->proc;
		k->next = n->k.kins;
		n->k.kins = k;
	}
	if (!k->ending)
		k->holder = m->from;
	return 0;
}

void kin_answered(struct node *n, const struct call *c, int status, u16 where)
{
	if (c->m.type == CALL_EXIT)
		exit_answered(n, c, status, where);
	else if (c->m.type == CALL_LEFT)
		left_answered(n, c->m.pid[0]);
	else
		walk_answered(n, c, status, where);
}

/* --- moves ----------------------------------------------------------------------- */

/* Which node is to be told of its end: goes with it. 0: none. */
u16 kin_holder(const struct body *b)
{
	struct node *n = b->node, *parent = waited_at(b->proc);
	struct kin *k = find_kin(n, b->proc->pid);

	/* who was told that it is lost is its parent no more */
	if (parent == n && !b->proc->told)
		return n->id;
	return k ? k->holder : 0;
}

/* It has left for @to; its parent, if it is here, has a stub from now on. */
void kin_left(struct body *b, u16 to)
{
	struct node *n = b->node;
	struct kin *k = find_kin(n, b->proc->pid);
	struct stub *s;

	if (k && !k->ending)
		drop_kin(n, k);
	if (waited_at(b->proc) != n || b->proc->told)
		return;
	s = new(sizeof(*s));
	s->pid = b->proc->pid;
	s->proc = b->proc;
	s->where = to;
	s->incarnation = kernel_incarnation(n, to);
	s->next = n->k.stubs;
	n->k.stubs = s;
	announce(n, s, delay(10 * MS));
}

void kin_moved(struct node *n, u32 pid, u16 to)
{
	struct stub *s = find_stub(n, pid);

	if (!s || to == n->id)
		return;
	s->where = to;
	s->incarnation = kernel_incarnation(n, to);
	announce(n, s, delay(10 * MS));
}

/* It is placed: told to @holder, or it takes the place of its stub. */
void kin_arrived(struct body *b, u16 holder)
{
	struct node *n = b->node;
	struct stub *s = find_stub(n, b->proc->pid);
	struct kin *k = find_kin(n, b->proc->pid);

	if (s)
		drop_stub(n, s);
	if (!holder || holder == n->id)
		return;
	if (!k) {
		k = new(sizeof(*k));
		k->pid = b->proc->pid;
		k->next = n->k.kins;
		n->k.kins = k;
	}
	if (!k->ending) {
		k->holder = holder;
		k->proc = b->proc;
	}
}

/* --- views ----------------------------------------------------------------------- */

static void execute(struct node *n, struct condemned *c)
{
	if (c->asking)
		return;
	c->asking = true;
	walk(n, CALL_KILL, c->pid, false);
}

static void on_condemned(struct node *n, struct msg *u, u64 pid, u64 b)
{
	struct condemned *c = n->k.condemned;

	(void)u;
	(void)b;
	while (c && c->pid != pid)
		c = c->next;
	if (c)
		execute(n, c);
}

static void execute_condemned(struct node *n)
{
	struct condemned *c, *next;

	for (c = n->k.condemned; c; c = next) {
		next = c->next;
		execute(n, c);
	}
}

/* Not so: what is known of the place may be old. */
void kin_grieve_early(struct node *n)
{
	struct stub *s, *next;

	for (s = n->k.stubs; s; s = next) {
		next = s->next;
		if (!s->ending && is_lost(n, s))
			grieve(n, s);
	}
}

void kin_start(struct node *n)
{
	struct kin *k;

	for (k = n->k.kins; k; k = k->next)
		if (k->ending)
			tell_end(n, k);
	execute_condemned(n);
}

/* --- life ------------------------------------------------------------------------ */

/* Its children are nobody's: their stubs here go. */
void kin_parent_ended(struct body *b)
{
	struct node *n = b->node;
	struct stub *s, *next;

	if (!b->proc->children)
		return;
	for (s = n->k.stubs; s; s = next) {
		next = s->next;
		if (s->proc->parent != b->proc || s->ending)
			continue;
		walk(n, CALL_HOLD, s->pid, true);
		over(s->proc);
		drop_stub(n, s);
	}
}

bool kin_settled(const struct node *n)
{
	const struct stub *s;
	const struct kin *k;

	for (s = n->k.stubs; s; s = s->next)
		if (s->asking || s->ending || s->misses)
			return false;
	for (k = n->k.kins; k; k = k->next)
		if (k->ending)
			return false;
	return !n->k.walks && !n->k.condemned;
}

void kin_say_why(const struct node *n)
{
	const struct condemned *c;
	const struct stub *s;
	const struct kin *k;

	for (s = n->k.stubs; s; s = s->next)
		if (s->asking || s->ending || s->misses)
			trace("node %llu: stub of %llu: asking %llu, ending %llu, misses %llu",
			      n->id, s->pid, s->asking, s->ending, s->misses);
	for (k = n->k.kins; k; k = k->next)
		if (k->ending)
			trace("node %llu: the end of %llu is to be told to %llu",
			      n->id, k->pid, k->holder);
	walk_say_why(n);
	for (c = n->k.condemned; c; c = c->next)
		trace("node %llu: %llu is condemned with node %llu", n->id,
		      c->pid, c->node);
}

/* The host is gone: what was not told yet is lost with it. */
void kin_free(struct node *n)
{
	struct condemned *c;
	struct stub *s;
	struct kin *k;

	while ((s = n->k.stubs)) {
		n->k.stubs = s->next;
		free(s);
	}
	while ((k = n->k.kins)) {
		k->proc->struck |= k->ending;
		n->k.kins = k->next;
		free(k);
	}
	while ((c = n->k.condemned)) {
		n->k.condemned = c->next;
		free(c);
	}
	walk_free(n);
}
