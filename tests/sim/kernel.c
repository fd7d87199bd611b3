// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of kmod/{alloc,locate,node}.c around the real pidspace.c,
 * directory.c and epoch.c: the same questions to them in the same order. A
 * task is a number that somebody holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define LOW_WATER(size)	max(256u, (size) / 4)
#define LOW_INTERVAL	(500 * MS)

static struct body *holder[PANDO_PID_MAX];	/* of a number, anywhere */

/* --- numbers and who holds them ------------------------------------------------ */

struct body *kernel_with_number(u32 pid)
{
	return holder[pid];
}

struct body *kernel_body(struct node *n, u32 pid)
{
	struct body *b;

	for (b = holder[pid]; b; b = b->next)
		if (b->node == n)
			return b;
	return NULL;
}

static struct body *new_body(struct node *n, struct proc *p,
			     enum body_state state)
{
	struct kernel *k = &n->k;
	struct body *b = calloc(1, sizeof(*b));

	if (k->nbodies == k->bodies_cap) {
		k->bodies_cap = k->bodies_cap ? 2 * k->bodies_cap : 256;
		k->body = realloc(k->body, k->bodies_cap * sizeof(*k->body));
	}
	if (!b || !k->body) {
		perror("sim");
		exit(2);
	}
	b->proc = p;
	b->node = n;
	b->state = state;
	b->at = k->nbodies;
	k->body[k->nbodies++] = b;
	b->next = holder[p->pid];
	holder[p->pid] = b;
	p->alive++;
	k->guests_of[kernel_home(n, p->pid)]++;
	return b;
}

static void unlink_body(struct body *b)
{
	struct kernel *k = &b->node->k;
	struct body **p = &holder[b->proc->pid];

	while (*p != b)
		p = &(*p)->next;
	*p = b->next;
	k->ndying -= b->state == DYING;
	k->guests_of[kernel_home(b->node, b->proc->pid)]--;
	k->body[b->at] = k->body[--k->nbodies];
	k->body[b->at]->at = b->at;
	free(b);
}

static bool is_kind(struct node *n, u32 pid, enum pando_dir_kind kind)
{
	return pando_dir_find(&n->k.dir, pid, kind);
}

u16 kernel_home(const struct node *n, u32 pid)
{
	return n->k.mapped ? pando_pidspace_home(&n->k.space, pid) : 0;
}

bool kernel_settled(struct node *n, u32 pid)
{
	return !is_kind(n, pid, PANDO_DIR_RESERVED) &&
	       !is_kind(n, pid, PANDO_DIR_LEAVING) && !kin_stub_where(n, pid);
}

bool kernel_has_pid(struct node *n, u32 pid)
{
	return kernel_body(n, pid) && kernel_settled(n, pid);
}

/* --- the lease map, numbers for new tasks ----------------------------------------- */

static bool is_strange(struct pando_dir_entry *e, void *node)
{
	const struct node *n = node;

	return kernel_home(n, e->pid) != n->id;
}

int kernel_leases(struct node *n, u64 version, u16 *map)
{
	struct kernel *k = &n->k;
	size_t i;

	if (k->mapped && version < k->space.version)
		return -ESTALE;
	check_unmap(n);
	k->mapped = true;
	if (pando_pidspace_set(&k->space, n->id, version, map))
		return -EINVAL;
	check_map(n);
	memset(k->guests_of, 0, sizeof(k->guests_of));
	for (i = 0; i < k->nbodies; i++)
		k->guests_of[kernel_home(n, k->body[i]->proc->pid)]++;
	/* whose home is another now, is that one's to know */
	if (w.bug != BUG_STALE_HOME)
		pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_strange, n);
	return 0;
}

static void low(struct node *n)
{
	if (w.now < n->k.low_at)
		return;
	n->k.low_at = w.now + LOW_INTERVAL;
	daemon_lease_low(n);
}

static u32 next_number(struct node *n, u32 *tries)
{
	struct kernel *k = &n->k;
	u32 size = k->mapped ? pando_pidspace_size(&k->space) : 0;

	while (*tries < size) {
		u32 nr = pando_pidspace_next(&k->space, k->cursor);

		k->cursor = nr + 1;
		++*tries;
		if (!is_kind(n, nr, PANDO_DIR_AWAY) &&
		    !is_kind(n, nr, PANDO_DIR_RESERVED))
			return nr;
	}
	low(n);
	return 0;
}

static void taken(struct node *n, u32 pid)
{
	struct kernel *k = &n->k;
	u32 size, inuse;

	if (kernel_home(n, pid) != n->id)
		return;
	inuse = ++k->used + k->dir.count[PANDO_DIR_AWAY];
	size = pando_pidspace_size(&k->space);
	if (size - min(inuse, size) < LOW_WATER(size))
		low(n);
}

bool kernel_fork(struct node *n, struct proc **proc)
{
	u32 tries = 0, nr;
	struct body *b;
	struct proc *p;

	if (!n->k.attached)
		return false;
	do {
		nr = next_number(n, &tries);
		if (!nr)
			return false;
	} while (kernel_body(n, nr) || kin_stub_where(n, nr));
	p = check_proc(nr);
	b = new_body(n, p, RUNNING);
	check_born(b);
	taken(n, nr);
	trace_pid(nr, "  node %llu: fork %llu", n->id, nr);
	w.forks++;
	*proc = p;
	return true;
}

struct body *kernel_restore(struct node *n, struct proc *p)
{
	struct body *b;

	/* the set_tid of a restore: only of reserved numbers */
	if (!p->alive || kernel_body(n, p->pid) ||
	    !is_kind(n, p->pid, PANDO_DIR_RESERVED))
		return NULL;
	b = new_body(n, p, HELD);
	trace_pid(p->pid, "  node %llu: restored %llu", n->id, p->pid);
	taken(n, p->pid);
	return b;
}

/* --- the end of tasks, and of guests -------------------------------------------------- */

static void gone_work(struct node *n)
{
	struct kernel *k = &n->k;
	struct kernel_msg m = { .type = CALL_GONE };
	size_t i, kept = 0;
	u16 home = 0;

	if (k->gone_busy)
		return;
	for (i = 0; i < k->ngone; i++) {
		u32 pid = k->gone[i] & (PANDO_PID_MAX - 1);
		u16 h = kernel_home(n, pid);
		bool left;

		if ((home && h != home) || m.count == PIDS_A_MESSAGE) {
			k->gone[kept++] = k->gone[i];
			continue;
		}
		home = h;
		/* as it was when it ended: it may be back by now */
		left = k->gone[i] & GONE_LEFT;
		if (w.bug == BUG_LATE_GONE) {
			left = pando_dir_clear(&k->dir, pid, PANDO_DIR_LEAVING);
			pando_dir_clear(&k->dir, pid, PANDO_DIR_ARRIVED);
		}
		if (!left && home && home != n->id)
			m.pid[m.count++] = pid;
	}
	k->ngone = kept;
	if (m.count) {
		k->gone_busy = true;
		rpc_call(n, home, &m, RPC_TIMEOUT, 0);
	} else if (kept) {
		gone_work(n);
	}
}

static void on_gone_work(struct node *n, struct msg *m, u64 a, u64 b)
{
	(void)m;
	(void)a;
	(void)b;
	gone_work(n);
}

static void tell_gone(struct node *n, u32 gone);

static void freed(struct node *n, u32 pid)
{
	struct kernel *k = &n->k;
	u32 flags = 0;

	if (kernel_home(n, pid) == n->id) {
		if (k->used)
			k->used--;
		if (!k->dir.count[PANDO_DIR_ARRIVED] &&
		    !k->dir.count[PANDO_DIR_LEAVING] &&
		    !k->dir.count[PANDO_DIR_RESERVED])
			return;
	}
	if (w.bug != BUG_LATE_GONE) {
		const struct pando_dir_entry *e;

		/* a copy that was never let run is nobody's guest */
		e = pando_dir_find(&k->dir, pid, PANDO_DIR_RESERVED);
		if (e && !e->tag)
			pando_dir_clear(&k->dir, pid, PANDO_DIR_RESERVED);
		else if (e)
			pando_dir_mark(&k->dir, pid, PANDO_DIR_RESERVED, 1);
		if (e)
			return;
		if (pando_dir_clear(&k->dir, pid, PANDO_DIR_LEAVING))
			flags = GONE_LEFT;
		pando_dir_clear(&k->dir, pid, PANDO_DIR_ARRIVED);
		/* its home is told when its parent has been */
		if (kin_is_ending(n, pid))
			return;
	}
	tell_gone(n, pid | flags);
}

static void tell_gone(struct node *n, u32 gone)
{
	struct kernel *k = &n->k;

	if (k->ngone == k->gone_cap) {
		k->gone_cap = k->gone_cap ? 2 * k->gone_cap : 64;
		k->gone = realloc(k->gone, k->gone_cap * sizeof(*k->gone));
		if (!k->gone) {
			perror("sim");
			exit(2);
		}
	}
	k->gone[k->ngone++] = gone;
	event_at(delay(5 * MS), HOST, n, on_gone_work, NULL, 0, 0);
}

void kernel_free_body(struct body *b, bool crash)
{
	struct proc *p = b->proc;
	struct node *n = b->node;

	trace_pid(p->pid, "  node %llu: freed %llu, state %llu", n->id, p->pid,
		  b->state);
	if (b->state != DYING) {
		p->alive--;
		p->struck |= crash;
	}
	unlink_body(b);
	if (!crash)
		freed(n, p->pid);
}

void kernel_exit(struct body *b)
{
	b->proc->ended = true;
	kin_ended(b);
	kin_parent_ended(b);
	kernel_free_body(b, false);
}

int kernel_kill(struct node *n, u32 pid)
{
	struct body *b = kernel_body(n, pid);

	if (b->state != RUNNING || b->proc->moving)
		return -EBUSY;
	kernel_exit(b);
	return 0;
}

void kernel_pin(struct node *n, u32 pid)
{
	if (kernel_home(n, pid) == n->id)
		pando_dir_set(&n->k.dir, pid, PANDO_DIR_AWAY, n->id, 0);
}

void kernel_ended(struct node *n, u32 pid)
{
	const struct pando_dir_entry *e;

	if (kernel_home(n, pid) != n->id) {
		tell_gone(n, pid);
		return;
	}
	e = pando_dir_find(&n->k.dir, pid, PANDO_DIR_AWAY);
	if (e && e->node == n->id)
		pando_dir_clear(&n->k.dir, pid, PANDO_DIR_AWAY);
}

/* The original that has left may still be here: then that is what is freed. */
void kernel_number_free(struct node *n, u32 pid)
{
	if (!kernel_body(n, pid) && kernel_home(n, pid) != n->id)
		tell_gone(n, pid);
}

static void handle_left(struct node *n, const struct kernel_msg *m)
{
	if (kernel_home(n, m->pid[0]) != n->id)
		return;
	pando_dir_set(&n->k.dir, m->pid[0], PANDO_DIR_AWAY, m->from,
		      kernel_incarnation(n, m->from));
	pando_dir_mark(&n->k.dir, m->pid[0], PANDO_DIR_AWAY, 1);
}

static void handle_gone(struct node *n, const struct kernel_msg *m)
{
	u32 i;

	for (i = 0; i < m->count; i++) {
		const struct pando_dir_entry *e;

		trace_pid(m->pid[i], "  node %llu: told by %llu that %llu is gone",
			  n->id, m->from, m->pid[i]);
		e = pando_dir_find(&n->k.dir, m->pid[i], PANDO_DIR_AWAY);
		if (e && e->node == m->from)
			pando_dir_clear(&n->k.dir, m->pid[i], PANDO_DIR_AWAY);
	}
}

/* --- moves ---------------------------------------------------------------------------- */

struct reserved {
	struct node *node;
	u64 move;
};

static bool is_over(struct pando_dir_entry *e, void *ctx)
{
	struct reserved *r = ctx;

	if (e->tag != r->move)
		return false;
	if (e->mark || !kernel_body(r->node, e->pid) ||
	    w.bug == BUG_EARLY_UNRESERVE)
		return true;
	e->tag = 0;
	return false;
}

void kernel_unreserve(struct node *n, u64 move)
{
	struct reserved r = { n, move };

	pando_dir_purge(&n->k.dir, PANDO_DIR_RESERVED, is_over, &r);
}

int kernel_reserve(struct node *n, u64 move, const u32 *pids, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (!kernel_body(n, pids[i]) &&
		    !is_kind(n, pids[i], PANDO_DIR_RESERVED) &&
		    !pando_dir_set(&n->k.dir, pids[i], PANDO_DIR_RESERVED,
				   n->id, move))
			continue;
		kernel_unreserve(n, move);
		return -EEXIST;
	}
	return 0;
}

struct peer *kernel_peer(struct node *n, u16 id)
{
	u16 at = n->k.peer_at[id];

	return at ? &n->k.peer[at - 1] : NULL;
}

/* As pando_nodes_kernel_incarnation(): 0 when it is not a member. */
u64 kernel_incarnation(struct node *n, u16 id)
{
	struct peer *p = kernel_peer(n, id);

	return id == n->id ? n->k.incarnation : p ? p->incarnation : 0;
}

void kernel_moved(struct node *n, const u32 *pids, u32 count, u16 from, u16 to)
{
	struct pando_directory *d = &n->k.dir;
	u32 i;

	if (!n->k.attached)
		return;
	for (i = 0; i < count; i++) {
		u32 pid = pids[i];

		trace_pid(pid, "  node %llu: %llu moved %llu to %llu, home %llu",
			  n->id, pid, from, to, kernel_home(n, pid));
		kin_moved(n, pid, to);
		pando_dir_clear(d, pid, PANDO_DIR_HINT);
		if (to == n->id) {
			pando_dir_clear(d, pid, PANDO_DIR_RESERVED);
			pando_dir_clear(d, pid, PANDO_DIR_AWAY);
			pando_dir_clear(d, pid, PANDO_DIR_LEAVING);
			pando_dir_set(d, pid, PANDO_DIR_ARRIVED, n->id, 0);
			continue;
		}
		if (kernel_home(n, pid) == n->id)
			pando_dir_set(d, pid, PANDO_DIR_AWAY, to,
				      kernel_incarnation(n, to));
		pando_dir_mark(d, pid, PANDO_DIR_AWAY, 1);
		if (from == n->id) {
			pando_dir_set(d, pid, PANDO_DIR_LEAVING, to, 0);
			if (kernel_body(n, pid))
				kin_left(kernel_body(n, pid), to);
		}
	}
}

/* --- where is it? ----------------------------------------------------------------------------- */

u16 kernel_believed(struct node *n, u32 pid, u16 home)
{
	const struct pando_dir_entry *e;

	e = pando_dir_find(&n->k.dir, pid, PANDO_DIR_AWAY);
	if (!e)
		e = pando_dir_find(&n->k.dir, pid, PANDO_DIR_LEAVING);
	if (!e)
		e = pando_dir_find(&n->k.dir, pid, PANDO_DIR_HINT);
	if (e)
		return e->node;
	return kin_stub_where(n, pid) ?: home;
}

int kernel_handle(struct node *n, const struct kernel_msg *m, u16 *where)
{
	switch (m->type) {
	case CALL_GUESTS:
		return recover_guests(n, m);
	case CALL_GONE:
		handle_gone(n, m);
		break;
	case CALL_LEFT:
		handle_left(n, m);
		break;
	case CALL_EXIT:
		return kin_handle_exit(n, m, where);
	case CALL_HOLD:
	case CALL_KILL:
		return kin_handle_walk(n, m, where);
	case CALL_LOCATE:
		*where = kernel_has_pid(n, m->pid[0]) ?
			 n->id : kernel_believed(n, m->pid[0], 0);
		break;
	}
	return 0;
}

void kernel_answered(struct node *n, const struct call *c, int status, u16 where)
{
	struct kernel *k = &n->k;

	switch (c->m.type) {
	case CALL_GONE:
		/* not told: the next recovery's report does */
		k->gone_busy = false;
		gone_work(n);
		break;
	case CALL_EXIT:
	case CALL_LEFT:
	case CALL_HOLD:
	case CALL_KILL:
		kin_answered(n, c, status, where);
		break;
	case CALL_LOCATE:
		lookup_answered(n, c->m.id, status, where);
		break;
	case CALL_GUESTS:
		recover_answered(n, c, status);
		break;
	}
}

/* --- life ----------------------------------------------------------------------------------------- */

int kernel_attach(struct node *n, u64 incarnation)
{
	struct kernel *k = &n->k;

	if (k->attached)
		return -EBUSY;
	memset(k, 0, sizeof(*k));
	k->attached = true;
	k->frozen = true;
	k->incarnation = incarnation;
	k->next_id = w.now << 4;
	k->cursor = rnd(UINT32_MAX);
	pando_epoch_init(&k->epoch);
	pando_dir_init(&k->dir);
	return 0;
}

/* The power is gone: every task dies here, in no order that matters. */
void kernel_free(struct node *n)
{
	struct kernel *k = &n->k;
	unsigned int i;

	while (k->nbodies) {
		struct proc *p = k->body[k->nbodies - 1]->proc;

		kernel_free_body(k->body[k->nbodies - 1], true);
		check_lost(p);
	}
	check_unmap(n);
	kin_free(n);
	rpc_free(n);
	for (i = 0; i < k->npeers; i++)
		rpc_drop(k->peer[i].channel);
	lookup_free(n);
	pando_dir_destroy(&k->dir);
	free(k->gone);
	free(k->body);
	memset(k, 0, sizeof(*k));
}
