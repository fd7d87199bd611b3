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
		u32 nr = pando_pidspace_at(&k->space, ++k->cursor);
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

/* --- views and recovery ------------------------------------------------------------------- */

static bool is_of_the_dead(struct pando_dir_entry *e, void *node)
{
	u64 now = kernel_incarnation(node, e->node);

	return now && e->tag && now != e->tag;
}

static bool is_not_here(struct pando_dir_entry *e, void *node)
{
	return !kernel_incarnation(node, e->node);
}

/* Of a member that does not have it, or of a node that was declared dead. */
static bool is_unconfirmed(struct pando_dir_entry *e, void *node)
{
	return !kernel_incarnation(node, e->node) || !e->mark;
}

int kernel_stop(struct node *n, u64 epoch)
{
	return pando_epoch_stop(&n->k.epoch, epoch);
}

int kernel_members(struct node *n, u64 epoch, bool quorate, bool complete,
		   const struct member *m, unsigned int count)
{
	struct kernel *k = &n->k;
	struct channel *channel[NODES_MAX + 1] = { NULL };
	u64 was[NODES_MAX + 1] = { 0 };
	unsigned int i;

	if (pando_epoch_members(&k->epoch, epoch))
		return -ESTALE;
	for (i = 0; i < k->npeers; i++) {
		was[k->peer[i].id] = k->peer[i].incarnation;
		channel[k->peer[i].id] = k->peer[i].channel;
	}
	k->complete = complete;
	k->npeers = 0;
	memset(k->peer_at, 0, sizeof(k->peer_at));
	for (i = 0; i < count; i++) {
		struct peer *p = &k->peer[k->npeers];

		if (!m[i].attached || m[i].id == n->id)
			continue;
		k->peer_at[m[i].id] = ++k->npeers;
		*p = (struct peer){ .id = m[i].id,
				    .incarnation = m[i].incarnation };
		if (was[p->id] == p->incarnation) {
			p->channel = channel[p->id];
			channel[p->id] = NULL;
		}
	}
	rpc_members(n);
	for (i = 1; i <= w.nodes; i++)
		rpc_drop(channel[i]);
	k->quorate = quorate;
	k->unheard = k->npeers;
	pando_dir_purge(&k->dir, PANDO_DIR_HINT, NULL, NULL);
	if (w.bug == BUG_HASTY_GRIEF)
		pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_of_the_dead, n);
	if (w.bug == BUG_FORGET_AWAY)
		pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_not_here, n);
	/* alone, there is nobody to wait for */
	if (complete && !k->npeers)
		pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_unconfirmed, n);
	if (w.bug == BUG_EARLY_GRIEF)
		kin_grieve_early(n);
	rpc_unpark(n);
	return 0;
}

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* The next guests of @home in the order of their numbers. */
static u32 collect(struct node *n, u16 home, u32 *from, u32 *out)
{
	static u32 all[1 << 16];
	u32 count = 0, i;

	if (!n->k.guests_of[home])
		return 0;
	for (i = 0; i < n->k.nbodies && count < ARRAY_SIZE(all); i++) {
		u32 pid = n->k.body[i]->proc->pid;

		if (pid >= *from && kernel_home(n, pid) == home &&
		    kernel_settled(n, pid))
			all[count++] = pid;
	}
	qsort(all, count, sizeof(*all), compare);
	count = min(count, (u32)PIDS_A_MESSAGE);
	memcpy(out, all, count * sizeof(*all));
	if (count)
		*from = all[count - 1] + 1;
	return count;
}

static void report_next(struct node *n, u64 epoch)
{
	struct kernel *k = &n->k;
	struct kernel_msg m = { .type = CALL_GUESTS };

	if (k->report_peer == k->npeers) {
		if (pando_epoch_done(&k->epoch, epoch))
			return;
		trace("node %llu: epoch %llu is in force", n->id, epoch);
		kin_announce(n);
		daemon_kernel_done(n, epoch);
		return;
	}
	m.collected = epoch;
	m.seq = k->report_seq++;
	m.count = collect(n, k->peer[k->report_peer].id, &k->report_from,
			  m.pid);
	rpc_call(n, k->peer[k->report_peer].id, &m, RPC_TIMEOUT, epoch);
}

static void on_report(struct node *n, struct msg *m, u64 epoch, u64 b)
{
	(void)m;
	(void)b;
	if (n->k.epoch.number != epoch)
		return;
	n->k.report_peer = 0;
	n->k.report_from = n->k.report_seq = 0;
	report_next(n, epoch);
}

int kernel_start(struct node *n, u64 epoch)
{
	if (pando_epoch_start(&n->k.epoch, epoch))
		return -ESTALE;
	/* a recovery that was overtaken ends first: its request still goes out */
	rpc_open(n);
	/* the moves that the view decides are known by now, and who is lost */
	kin_start(n);
	if (!rpc_waits(n, CALL_GUESTS))
		event_at(delay(20 * MS), HOST, n, on_report, NULL, epoch, 0);
	return 0;
}

static bool is_unconfirmed_by(struct pando_dir_entry *e, void *node)
{
	return e->node == *(u16 *)node && !e->mark;
}

/*
 * A number that its last known place does not report may be in the report of
 * another that has yet to come, or with one that is not a member now: nothing
 * is forgotten before all were heard.
 */
static void purge_unconfirmed(struct node *n, u16 from)
{
	struct peer *p = kernel_peer(n, from);
	struct kernel *k = &n->k;

	if (w.bug == BUG_EARLY_PURGE) {
		pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_unconfirmed_by, &from);
		return;
	}
	k->unheard -= !p->reported;
	p->reported = true;
	if (k->unheard || (!k->complete && w.bug != BUG_BLIND_PURGE))
		return;
	pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_unconfirmed, n);
}

static int handle_guests(struct node *n, const struct kernel_msg *m)
{
	struct pando_directory *d = &n->k.dir;
	u32 i;

	if (w.watch)
		trace("  node %llu: report of %llu, part %llu, %llu numbers",
		      n->id, m->from, m->seq, m->count);
	if (m->collected != n->k.epoch.number && w.bug != BUG_OLD_REPORT)
		return -EAGAIN;
	if (!m->seq) {
		struct peer *p = kernel_peer(n, m->from);

		n->k.unheard += p->reported;
		p->reported = false;
		pando_dir_mark_all(d, PANDO_DIR_AWAY, m->from, 0);
	}
	for (i = 0; i < m->count; i++) {
		trace_pid(m->pid[i], "  node %llu: told by %llu of guest %llu, home %llu",
			  n->id, m->from, m->pid[i],
			  kernel_home(n, m->pid[i]));
		if (kernel_home(n, m->pid[i]) != n->id)
			continue;
		pando_dir_set(d, m->pid[i], PANDO_DIR_AWAY, m->from,
			      kernel_incarnation(n, m->from));
		pando_dir_mark(d, m->pid[i], PANDO_DIR_AWAY, 1);
	}
	if (!m->count)
		purge_unconfirmed(n, m->from);
	return 0;
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
		return handle_guests(n, m);
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
		if (k->epoch.number != c->tag) {
			if (k->epoch.phase == PANDO_EPOCH_RECOVERING)
				on_report(n, NULL, k->epoch.number, 0);
			break;
		}
		if (status) {
			event_at(100 * MS, HOST, n, on_report, NULL, c->tag, 0);
			break;
		}
		if (!c->m.count) {
			k->report_peer++;
			k->report_from = k->report_seq = 0;
		}
		report_next(n, c->tag);
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
