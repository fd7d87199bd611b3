// SPDX-License-Identifier: GPL-2.0-only
/*
 * The invariants. What can be seen at the moment it goes wrong is checked
 * there (a number born twice, a process that runs twice or is lost, a block
 * with two owners); what takes a moment to become true is audited: now and
 * then where nothing is on its way, and at the end, when all has healed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define GRACE		(8 * SECOND)	/* a word may be that long on its way */
#define TAIL		60

/* --- trace ----------------------------------------------------------------------- */

struct note {
	u64 when;
	const char *format;
	u64 v[5];
};

static struct note notes[TAIL];
static u64 nnotes;

static void print_note(const struct note *n)
{
	printf("# %10.3f ms  ", n->when / 1000.0);
	printf(n->format, (unsigned long long)n->v[0],
	       (unsigned long long)n->v[1], (unsigned long long)n->v[2],
	       (unsigned long long)n->v[3], (unsigned long long)n->v[4]);
	printf("\n");
}

void trace_note(const char *format, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	struct note *n = &notes[nnotes++ % TAIL];

	*n = (struct note){ w.now, format, { a, b, c, d, e } };
	if (w.verbose)
		print_note(n);
}

void violated(const char *format, ...)
{
	va_list ap;
	u64 i;

	if (w.broken)
		return;
	w.broken = true;
	w.rule = format;
	if (w.quiet)
		return;
	if (!w.verbose)
		for (i = nnotes > TAIL ? nnotes - TAIL : 0; i < nnotes; i++)
			print_note(&notes[i % TAIL]);
	printf("# %10.3f ms  seed %llu VIOLATED: ", w.now / 1000.0,
	       (unsigned long long)w.seed);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

/* --- at once ------------------------------------------------------------------------- */

#define CHUNK	4096

struct chunk {
	struct chunk *next;
	unsigned int used;
	struct proc proc[CHUNK];
};

static struct chunk *chunks;
static u16 allocator[PANDO_BLOCKS];	/* who may hand a block's numbers out */

void check_init(void)
{
	nnotes = 0;
	memset(allocator, 0, sizeof(allocator));
}

void check_exit(void)
{
	struct chunk *c;

	while ((c = chunks)) {
		chunks = c->next;
		free(c);
	}
}

struct proc *check_proc(u32 pid)
{
	struct proc *p;

	if (!chunks || chunks->used == CHUNK) {
		struct chunk *c = calloc(1, sizeof(*c));

		if (!c) {
			perror("sim");
			exit(2);
		}
		c->next = chunks;
		chunks = c;
	}
	p = &chunks->proc[chunks->used++];
	p->pid = pid;
	p->settled = w.now;
	return p;
}

void check_born(const struct body *b)
{
	const struct body *o;

	/*
	 * A copy that is held, or the frozen original of a committed move, may
	 * never live; check_runs() sees if it does.
	 */
	for (o = kernel_with_number(b->proc->pid); o; o = o->next)
		if (o->proc != b->proc && o->state != DYING &&
		    !check_is_dead(o->node) && o->state != HELD && !move_has_left(o))
			violated("PID %u is given out on node %u and lives on node %u%s",
				 b->proc->pid, b->node->id, o->node->id,
				 connected(b->node, o->node) ? "" :
				 ", beyond a partition");
}

void check_runs(const struct body *b)
{
	const struct body *o;

	/* let go by its mover, it is still frozen with all the others */
	if (check_is_dead(b->node))
		return;
	for (o = kernel_with_number(b->proc->pid); o; o = o->next)
		if (o != b && o->state == RUNNING && !check_is_dead(o->node))
			violated("PID %u runs on node %u and on node %u",
				 b->proc->pid, b->node->id, o->node->id);
}

void check_lost(const struct proc *p)
{
	if (!p->alive && !p->ended && !p->struck)
		violated("PID %u is lost, and no node died", p->pid);
}

bool check_is_dead(const struct node *n)
{
	return n->k.attached && n->k.incarnation == n->dead;
}

/*
 * What this view says may be done again elsewhere: so it must not be done any
 * more where it was.
 */
void check_dead(struct node *n)
{
	const struct lineage *v = &n->d.state.line;
	u32 i;

	for (i = 0; i < v->nhosts && n->d.state.quorate; i++) {
		const struct host *h = &v->host[i];
		struct node *o = &w.node[h->id];

		if (!h->dead || !o->k.attached ||
		    o->k.incarnation != h->incarnation)
			continue;
		if (!o->k.frozen && !o->paused)
			violated("node %u was declared dead by node %u, and runs",
				 o->id, n->id);
		if (o->dead != h->incarnation)
			check_unmap(o);
		o->dead = h->incarnation;
	}
}

static bool takes_for_dead(const struct node *n, const struct node *o)
{
	const struct lineage *v = &n->d.state.line;
	u32 i;

	for (i = 0; i < v->nhosts; i++)
		if (v->host[i].id == o->id && v->host[i].dead &&
		    v->host[i].incarnation == o->k.incarnation)
			return true;
	return false;
}

/*
 * Where all who declared it dead are off, what they did in its place is gone with
 * them: told so (--off), it goes on.
 */
void check_thaw(struct node *n)
{
	struct node *o;

	if (!check_is_dead(n))
		return;
	for_each_node(o)
		if (o != n && o->up && takes_for_dead(o, n))
			violated("node %u runs again, though it was declared dead by node %u",
				 n->id, o->id);
	n->dead = 0;
	check_map(n);
}

void check_unmap(struct node *n)
{
	u32 b;

	for (b = 0; b < PANDO_BLOCKS; b++)
		if (allocator[b] == n->id)
			allocator[b] = 0;
}

void check_map(struct node *n)
{
	u32 b;

	/* what it hands out by a map of before, frozen as it is, is nothing */
	if (check_is_dead(n))
		return;
	for (b = 0; b < PANDO_BLOCKS; b++) {
		if (!pando_pidspace_mine(&n->k.space, b << PANDO_BLOCK_SHIFT))
			continue;
		if (allocator[b])
			violated("block %u may be handed out by node %u and node %u",
				 b, allocator[b], n->id);
		allocator[b] = n->id;
	}
}

/* What a node's directory says about the watched number. */
static void watch(const struct node *n)
{
	static u16 was[NODES_MAX + 1];
	const struct pando_dir_entry *e;
	u16 now;

	e = pando_dir_find(&n->k.dir, w.watch, PANDO_DIR_AWAY);
	now = e ? e->node : 0;
	if (now != was[n->id])
		trace("  node %llu: %llu is away on %llu, was %llu", n->id,
		      w.watch, now, was[n->id]);
	was[n->id] = now;
}

void check_node(struct node *n)
{
	if (w.watch)
		watch(n);
	if (n->k.dir.count[PANDO_DIR_HINT] > PANDO_DIR_HINTS_MAX ||
	    n->d.state.line.nmoves > STATE_MOVES_MAX)
		violated("node %u: a table has outgrown its bound", n->id);
}

/* --- when nothing is on its way -------------------------------------------------------- */

static bool runs(const struct node *n)
{
	return n->up && !n->paused && n->k.attached && !check_is_dead(n) &&
	       n->k.epoch.phase == PANDO_EPOCH_RUNNING;
}

static bool steady(const struct node *n)
{
	return runs(n) && w.now - n->resumed > GRACE;
}

static bool of_one_view(struct node *a, struct node *b)
{
	struct peer *p = kernel_peer(a, b->id), *q = kernel_peer(b, a->id);

	return runs(a) && runs(b) &&
	       a->k.epoch.number == b->k.epoch.number && p && q &&
	       p->incarnation == b->k.incarnation &&
	       q->incarnation == a->k.incarnation;
}

static bool agree(struct node *a, struct node *b)
{
	return steady(a) && steady(b) && of_one_view(a, b);
}

/* A process that has been where it is for long enough. */
static bool rests(const struct body *b)
{
	return b->state == RUNNING && !b->proc->moving &&
	       w.now - b->proc->settled > GRACE;
}

static void audit_guest(struct node *n, const struct body *b)
{
	u32 pid = b->proc->pid;
	u16 h = kernel_home(n, pid);
	const struct pando_dir_entry *e;
	struct node *home;

	if (!h || h == n->id || !rests(b))
		return;
	home = &w.node[h];
	if (!agree(n, home) || kernel_home(home, pid) != h)
		return;
	e = pando_dir_find(&home->k.dir, pid, PANDO_DIR_AWAY);
	if (!e || e->node != n->id)
		violated("PID %u lives on node %u, its home node %u %s", pid,
			 n->id, h, e ? "believes in another place" :
			 "does not know");
}

/* Whatever became of the other side: a wait has an end. */
static void audit_waits(const struct node *n)
{
	const struct call *c;

	for (c = n->k.calls; c && steady(n); c = c->next)
		if (w.now > c->deadline + SECOND)
			violated("node %u waits for node %u, %llu s after it should have ended",
				 n->id, c->m.to,
				 (unsigned long long)((w.now - c->deadline) / SECOND));
}

void check_audit(void)
{
	struct node *n;
	size_t i;

	for_each_node(n)
		audit_waits(n);
	for_each_node(n)
		for (i = 0; steady(n) && i < n->k.nbodies; i++)
			audit_guest(n, n->k.body[i]);
}

/* Home and whoever asks are of one view, and home knows where it is. */
static bool findable(struct node *n, const struct body *b)
{
	struct node *home = &w.node[kernel_home(n, b->proc->pid)];
	u32 pid = b->proc->pid;

	/* without quorum there is no common map: each goes on with its own */
	if (home == &w.node[0] || b->state != RUNNING || !n->d.up ||
	    !n->d.state.quorate || !of_one_view(n, home) ||
	    !of_one_view(n, b->node) || !of_one_view(home, b->node))
		return false;
	return kernel_has_pid(b->node, pid) &&
	       (home == b->node ||
		kernel_believed(home, pid, home->id) == b->node->id);
}

void check_lookup_begins(struct node *n, struct lookup *l, const struct body *b)
{
	l->sure = findable(n, b) && !b->proc->moving;
}

void check_lookup(struct node *n, const struct lookup *l, u16 where, int err)
{
	const struct body *b;

	if (!l->sure || !l->proc->alive || l->proc->moving ||
	    l->proc->settled > l->started || err == -ETIMEDOUT ||
	    n->k.epoch.number != l->epoch)
		return;
	for (b = kernel_with_number(l->pid); b && b->proc != l->proc;)
		b = b->next;
	if (!b || !findable(n, b))
		return;
	if (err || where != b->node->id)
		violated("node %u looks for PID %u: %d, node %u; it lives on node %u",
			 n->id, l->pid, err, where, b->node->id);
	w.found++;
	if (l->hops > w.hops_max)
		w.hops_max = l->hops;
}

/* --- the end ------------------------------------------------------------------------------- */

static bool node_settled(const struct node *n)
{
	const struct state *s = &n->d.state, *first = &w.node[1].d.state;

	if (!n->up || n->paused || !n->d.up || !n->d.attached ||
	    s->phase != PHASE_ACTIVE || !s->quorate || s->epoch != first->epoch ||
	    s->nmembers != w.nodes || n->k.epoch.number != s->epoch ||
	    n->k.epoch.phase != PANDO_EPOCH_RUNNING || n->k.calls ||
	    n->k.ngone || n->k.ndying || n->d.round_timer || !kin_settled(n))
		return false;
	return true;
}

static bool members_settled(const struct node *n)
{
	const struct state *s = &n->d.state;
	unsigned int i;

	for (i = 0; i < s->nmembers; i++)
		if (!s->member[i].ready || !s->member[i].attached)
			return false;
	return true;
}

/* Asked after each step: who was not last time is asked first. */
bool check_settled(void)
{
	static unsigned int last = 1;
	const struct node *n;

	if (last <= w.nodes && !node_settled(&w.node[last]))
		return false;
	for_each_node(n) {
		last = n->id;
		if (!node_settled(n))
			return false;
	}
	if (!group_idle())
		return false;
	for_each_node(n)
		if (!members_settled(n))
			return false;
	return true;
}

static void end_leases(const struct node *n)
{
	const struct state *s = &n->d.state, *first = &w.node[1].d.state;
	unsigned int b;

	for (b = 1; b < PANDO_LEASE_BLOCKS; b++) {
		const struct lease *l = &s->line.lease[b];

		if (memcmp(l, &first->line.lease[b], sizeof(*l)))
			violated("nodes 1 and %u differ about block %u", n->id,
				 b);
		if (l->owner &&
		    (l->owner > w.nodes || l->home != l->owner || l->granting ||
		     l->incarnation != w.node[l->owner].k.incarnation))
			violated("block %u is lost: home %u, owner %u", b,
				 l->home, l->owner);
	}
	if (s->line.nmoves)
		violated("node %u: %u moves are noted for ever", n->id,
			 s->line.nmoves);
}

/* All have the same map by now, so that one may be asked for all. */
static void end_map(const struct node *n)
{
	const struct node *first = &w.node[1];
	u32 b;

	for (b = 1; b < PANDO_BLOCKS; b++)
		if (n->k.space.owner[b] != first->k.space.owner[b])
			violated("nodes 1 and %u: their kernels differ about block %u",
				 n->id, b);
}

/* Guests of each home, and those that it does not know. */
static u32 guests_of[NODES_MAX + 1], wrong_of[NODES_MAX + 1];

static void end_guests(const struct node *o)
{
	const struct pando_dir_entry *e;
	size_t i;

	for (i = 0; i < o->k.nbodies; i++) {
		u32 pid = o->k.body[i]->proc->pid;
		u16 home = kernel_home(o, pid);

		if (home == o->id)
			continue;
		guests_of[home]++;
		e = pando_dir_find(&w.node[home].k.dir, pid, PANDO_DIR_AWAY);
		wrong_of[home] += !e || e->node != o->id;
	}
}

/* Exactly the guests, and nobody else's. */
static void end_directory(struct node *n)
{
	u32 guests = guests_of[n->id], wrong = wrong_of[n->id], arrived = 0;
	size_t i;

	for (i = 0; i < n->k.nbodies; i++)
		arrived += !!pando_dir_find(&n->k.dir,
					    n->k.body[i]->proc->pid,
					    PANDO_DIR_ARRIVED);
	if (wrong)
		violated("node %u: %u of its %u guests elsewhere are not known",
			 n->id, wrong, guests);
	if (n->k.dir.count[PANDO_DIR_AWAY] != guests)
		violated("node %u: %u numbers are away, %u processes", n->id,
			 n->k.dir.count[PANDO_DIR_AWAY], guests);
	if (n->k.dir.count[PANDO_DIR_ARRIVED] != arrived ||
	    n->k.dir.count[PANDO_DIR_LEAVING] ||
	    n->k.dir.count[PANDO_DIR_RESERVED])
		violated("node %u: entries are left: arrived %u of %u, leaving %u, reserved %u",
			 n->id, arrived, n->k.dir.count[PANDO_DIR_ARRIVED],
			 n->k.dir.count[PANDO_DIR_LEAVING],
			 n->k.dir.count[PANDO_DIR_RESERVED]);
}

/* Numbers that some directory says something of. */
static u8 noted[PANDO_PID_MAX / 8];

static void note_all(const struct node *n)
{
	const struct pando_directory *d = &n->k.dir;
	const struct pando_dir_entry *e;
	u32 i;

	for (i = 0; d->bits && i < 1u << d->bits; i++)
		for (e = d->bucket[i]; e; e = e->next)
			noted[e->pid / 8] |= 1 << e->pid % 8;
}

/* Whoever asks finds it, in at most two hops. */
static void end_lookup(struct node *n, const struct body *b)
{
	u32 pid = b->proc->pid, hops = 0;
	u16 at;

	if (n == b->node)
		return;
	at = kernel_believed(n, pid, kernel_home(n, pid));
	while (at && at <= w.nodes && hops++ < 2) {
		u16 next = kernel_has_pid(&w.node[at], pid) ?
			   at : kernel_believed(&w.node[at], pid, 0);

		if (next == at)
			break;
		at = next;
	}
	if (at != b->node->id)
		violated("PID %u on node %u is not found from node %u", pid,
			 b->node->id, n->id);
}

static bool is_here(u64 incarnation)
{
	const struct node *n;

	for_each_node(n)
		if (n->k.incarnation == incarnation)
			return true;
	return false;
}

/* Each parent that lives has been told what became of its children. */
static void end_statuses(void)
{
	const struct chunk *c;
	unsigned int i;

	for (c = chunks; c; c = c->next)
		for (i = 0; i < c->used; i++) {
			const struct proc *p = &c->proc[i], *q = p->parent;

			if (p->alive && p->given_up && is_here(p->given_up))
				violated("PID %u lives, though its parent was told that it was lost",
					 p->pid);
			if (!p->alive && q && q->alive && !q->ended && !p->told)
				violated("PID %u has ended, and its parent was not told",
					 p->pid);
		}
}

void check_end(void)
{
	struct node *n, *o;
	size_t i;

	end_statuses();

	memset(guests_of, 0, sizeof(guests_of));
	memset(wrong_of, 0, sizeof(wrong_of));
	memset(noted, 0, sizeof(noted));
	for_each_node(n) {
		note_all(n);
		end_map(n);
		end_guests(n);
	}
	for_each_node(n) {
		end_leases(n);
		end_directory(n);
		for (i = 0; i < n->k.nbodies; i++) {
			const struct body *b = n->k.body[i];
			u32 pid = b->proc->pid;

			if (b->state != RUNNING || b->proc->alive != 1)
				violated("PID %u on node %u is in state %u of %u bodies",
					 pid, n->id, b->state,
					 b->proc->alive);
			/* of the rest all know the same: its home */
			if (w.nodes > MANY && !(noted[pid / 8] & 1 << pid % 8) &&
			    kernel_home(n, pid) == n->id)
				continue;
			for_each_node(o)
				end_lookup(o, b);
		}
	}
}
