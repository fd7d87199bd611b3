// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of kmod/recover.c and of the steps of node*.c: STOP, MEMBERS, START;
 * who runs here is told to the homes, and what nobody has is forgotten.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

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
		if (k->complete && !k->npeers)
			pando_dir_purge(&k->dir, PANDO_DIR_AWAY, is_unconfirmed,
					n);
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

int recover_guests(struct node *n, const struct kernel_msg *m)
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

void recover_answered(struct node *n, const struct call *c, int status)
{
	struct kernel *k = &n->k;

	if (k->epoch.number != c->tag) {
		if (k->epoch.phase == PANDO_EPOCH_RECOVERING)
			on_report(n, NULL, k->epoch.number, 0);
		return;
	}
	if (status) {
		event_at(100 * MS, HOST, n, on_report, NULL, c->tag, 0);
		return;
	}
	if (!c->m.count) {
		k->report_peer++;
		k->report_from = k->report_seq = 0;
	}
	report_next(n, c->tag);
}
