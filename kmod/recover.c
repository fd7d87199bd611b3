// SPDX-License-Identifier: GPL-2.0-only
/*
 * What nodes tell each other about tasks away from home: after a change of
 * members who runs here as a guest (GUESTS), and between changes which guests
 * have ended (GONE). The directory that this keeps true is in locate.c.
 */
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "kin.h"
#include "locate.h"
#include "locate_parts.h"
#include "node.h"
#include "ns.h"
#include "occasion.h"
#include "recover.h"
#include "rpc.h"

#define BATCH	512	/* PIDs in one message */
#define TRIES	3	/* each as long as a call waits; who is silent for longer is expelled */

/*
 * The members, as recovery and the directory need them; under
 * pando_locate_lock.
 * @epoch: of the last MEMBERS
 * @complete: nobody who may have guests of ours is missing
 * @incarnation: of each member by id; 0: not a member
 * @unheard: others whose report of this epoch is not complete
 */
static struct {
	u64 epoch;
	bool complete;
	u64 incarnation[PANDO_NODE_MAX + 1];
	DECLARE_BITMAP(unheard, PANDO_NODE_MAX + 1);
} view;

/* --- members ----------------------------------------------------------------- */

u64 pando_recover_incarnation(u16 node)
{
	return view.incarnation[node];
}

bool pando_recover_is_complete(void)
{
	bool complete;

	spin_lock_irq(&pando_locate_lock);
	complete = view.complete;
	spin_unlock_irq(&pando_locate_lock);
	return complete;
}

bool pando_recover_heard_all(void)
{
	return bitmap_empty(view.unheard, PANDO_NODE_MAX + 1);
}

/*
 * All members have spoken, and nobody else is left: where none of them has it,
 * it died with a node that came back empty or was declared dead.
 */
static bool is_unconfirmed(struct pando_dir_entry *e, void *unused)
{
	/* pinned: by us, until all were told of its end */
	if (e->node == pando_nodes_self())
		return false;
	return !view.incarnation[e->node] || !e->mark;
}

/*
 * A number that its last known place does not report may be in the report of
 * another that has yet to come, or be with one that is not a member now; what
 * is known of that place may be old, too. Nothing is forgotten before all were
 * heard.
 */
static void forget_unconfirmed(void)
{
	u32 n;

	if (!view.complete || !pando_recover_heard_all())
		return;
	n = pando_dir_purge(&pando_locate_dir, PANDO_DIR_AWAY, is_unconfirmed,
			    NULL);
	if (n)
		pr_info("pando: epoch %llu: %u PIDs died with their node\n",
			view.epoch, n);
}

void pando_recover_members(u64 epoch, const struct pando_member *list,
			   int n_list, bool complete)
{
	int i;

	spin_lock_irq(&pando_locate_lock);
	memset(&view, 0, sizeof(view));
	view.epoch = epoch;
	view.complete = complete;
	for (i = 0; i < n_list; i++) {
		view.incarnation[list[i].id] = list[i].incarnation;
		if (list[i].id != pando_nodes_self())
			__set_bit(list[i].id, view.unheard);
	}
	pando_dir_purge(&pando_locate_dir, PANDO_DIR_HINT, NULL, NULL);
	spin_unlock_irq(&pando_locate_lock);
}

/* --- who is here, told to their homes --------------------------------------- */

struct report {
	u32 seq;
	struct pando_wire_guests head;
	__le32 pid[BATCH];
};

static int report_send(u16 home, u64 epoch, struct report *r, u32 n)
{
	r->head.epoch = cpu_to_le64(epoch);
	r->head.seq = cpu_to_le32(r->seq++);
	r->head.count = cpu_to_le32(n);
	return pando_rpc_call(home, PANDO_MSG_GUESTS,
			      (struct kvec[]){ { &r->head, sizeof(r->head) },
					       { r->pid, n * sizeof(*r->pid) } },
			      2, NULL, 0, NULL);
}

/* Collects up to BATCH guests of @home from *@nr on. */
static u32 report_collect(u16 home, u32 *nr, struct report *r)
{
	struct pid_namespace *ns = pando_ns();
	struct pid *pid;
	u32 n = 0;

	rcu_read_lock();
	while (ns && n < BATCH && (pid = find_ge_pid(*nr, ns))) {
		u32 p = pid_nr_ns(pid, ns);

		*nr = p + 1;
		/* others are just names of groups and sessions */
		if (pando_locate_home(p) == home &&
		    pid_task(pid, PIDTYPE_PID) && pando_locate_is_settled(p))
			r->pid[n++] = cpu_to_le32(p);
	}
	rcu_read_unlock();
	return n;
}

static bool is_over(u32 pid)
{
	return !pando_ns_has_number(pid) && !pando_kin_is_ending(pid) &&
	       !pando_occasion_has_left(pid);
}

/* Told while the report was on its way, their end was news of the past there. */
static void report_ended(const struct report *r, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (is_over(le32_to_cpu(r->pid[i])))
			pando_recover_gone(le32_to_cpu(r->pid[i]));
}

static int report_to(u16 home, u64 epoch, struct report *r)
{
	u32 nr = PANDO_LOCAL_PIDS, n;
	int err;

	r->seq = 0;
	do {
		if (pando_nodes_epoch() != epoch)
			return -EINTR;
		n = report_collect(home, &nr, r);
		err = report_send(home, epoch, r, n);
		report_ended(r, n);
	} while (!err && n);
	return err;
}

int pando_recover_report(u64 epoch)
{
	struct report *r;
	u16 *ids;
	int i, n, err = 0;

	ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*ids), GFP_KERNEL);
	r = kmalloc(sizeof(*r), GFP_KERNEL);
	if (!ids || !r) {
		err = -ENOMEM;
		goto out;
	}
	n = pando_nodes_others(ids, PANDO_NODE_MAX);
	for (i = 0; i < n && !err; i++)
		err = report_to(ids[i], epoch, r);
	/*
	 * Alone, nobody's report does it. But not before START: a view that some
	 * others do not agree to may never be, and who is dead in it lives.
	 */
	spin_lock_irq(&pando_locate_lock);
	if (!err && view.epoch == epoch)
		forget_unconfirmed();
	spin_unlock_irq(&pando_locate_lock);
out:
	kfree(r);
	kfree(ids);
	return err;
}

static void heard(u16 node)
{
	__clear_bit(node, view.unheard);
	forget_unconfirmed();
}

static int handle_guests(struct pando_rpc_req *req)
{
	const struct pando_wire_guests *msg = req->data;
	u32 i, n = le32_to_cpu(msg->count);
	u16 self = pando_nodes_self();
	int err = 0;

	if (req->len != struct_size(msg, pid, n))
		return -EPROTO;
	spin_lock_irq(&pando_locate_lock);
	/* collected in a view that is over, or we are not there yet: once more */
	if (le64_to_cpu(msg->epoch) != view.epoch) {
		err = -EAGAIN;
		goto out;
	}
	if (!msg->seq) {
		__set_bit(req->node, view.unheard);
		pando_dir_mark_all(&pando_locate_dir, PANDO_DIR_AWAY, req->node, 0);
	}
	for (i = 0; i < n && !err; i++) {
		u32 pid = le32_to_cpu(msg->pid[i]);

		if (pando_locate_home(pid) != self)
			continue;
		err = pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_AWAY, req->node,
				    view.incarnation[req->node]);
		pando_dir_mark(&pando_locate_dir, pid, PANDO_DIR_AWAY, 1);
	}
	if (!n)
		heard(req->node);
out:
	spin_unlock_irq(&pando_locate_lock);
	return err;
}

/* --- the end of guests -------------------------------------------------------- */

struct gone {
	struct llist_node node;
	u32 pid;
};

static LLIST_HEAD(gone_list);

static int tell(u16 home, enum pando_msg type, const struct kvec *vec, int nvec)
{
	int tries = 0, err;

	do
		err = pando_rpc_call(home, type, vec, nvec, NULL, 0, NULL);
	while ((err == -ETIMEDOUT || err == -EAGAIN) && ++tries < TRIES);
	return err;
}

static void tell_gone(u16 home, const u32 *pids, u32 n)
{
	struct pando_wire_gone head = { .count = cpu_to_le32(n) };
	__le32 *list;
	u32 i;
	int err;

	list = kmalloc_array(n, sizeof(*list), GFP_KERNEL);
	if (!list)
		return;	/* the next recovery's report tells the home */
	for (i = 0; i < n; i++)
		list[i] = cpu_to_le32(pids[i]);
	err = tell(home, PANDO_MSG_GONE,
		   (struct kvec[]){ { &head, sizeof(head) },
				    { list, n * sizeof(*list) } }, 2);
	if (err)
		pr_debug("pando: node %u was not told of %u ended guests: %d\n",
			 home, n, err);
	kfree(list);
}

/* Hands the ended guests of one home at a time to it. */
static void gone_work_fn(struct work_struct *work)
{
	struct llist_node *all = llist_del_all(&gone_list);
	struct llist_node *rest;
	struct gone *g, *next;
	u32 *pids;
	u32 n;
	u16 home, h;

	pids = kmalloc_array(BATCH, sizeof(*pids), GFP_KERNEL | __GFP_NOFAIL);
	while (all) {
		home = 0;
		n = 0;
		rest = NULL;
		llist_for_each_entry_safe(g, next, all, node) {
			h = pando_locate_home(g->pid);
			if ((home && h != home) || n == BATCH) {
				g->node.next = rest;
				rest = &g->node;
				continue;
			}
			home = h;
			if (home && home != pando_nodes_self())
				pids[n++] = g->pid;
			kfree(g);
		}
		if (n)
			tell_gone(home, pids, n);
		all = rest;
	}
	kfree(pids);
}

static DECLARE_WORK(gone_work, gone_work_fn);

/* Called with tasklist_lock held for writing: no sleeping, no work. */
void pando_recover_gone(u32 pid)
{
	struct gone *g = kmalloc(sizeof(*g), GFP_ATOMIC);

	if (!g)
		return;	/* as in tell_gone() */
	g->pid = pid;
	llist_add(&g->node, &gone_list);
	queue_work(system_unbound_wq, &gone_work);
}

void pando_recover_pin(u32 pid)
{
	u16 self = pando_nodes_self();
	unsigned long flags;

	if (pando_locate_home(pid) != self)
		return;
	spin_lock_irqsave(&pando_locate_lock, flags);
	pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_AWAY, self, 0);
	spin_unlock_irqrestore(&pando_locate_lock, flags);
}

void pando_recover_ended(u32 pid)
{
	const struct pando_dir_entry *e;
	u16 self = pando_nodes_self();

	if (pando_locate_home(pid) != self) {
		/* a parent here has not waited for it: pando_locate_freed() tells then */
		if (!pando_ns_has_process(pid))
			pando_recover_gone(pid);
		return;
	}
	spin_lock_irq(&pando_locate_lock);
	e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_AWAY);
	if (e && e->node == self)
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_AWAY);
	spin_unlock_irq(&pando_locate_lock);
}

void pando_recover_left(u32 pid)
{
	struct pando_wire_kin_left msg = { .pid = cpu_to_le32(pid) };
	u16 home = pando_locate_home(pid);
	int err = 0;

	if (home == pando_nodes_self()) {
		spin_lock_irq(&pando_locate_lock);
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_AWAY);
		spin_unlock_irq(&pando_locate_lock);
	} else if (home) {
		/* once: others wait for the answer */
		err = pando_rpc_call(home, PANDO_MSG_KIN_LEFT,
				     &(struct kvec){ &msg, sizeof(msg) }, 1,
				     NULL, 0, NULL);
	}
	/* the next view's report says it again */
	if (err)
		pr_debug("pando: node %u was not told what is left of %u: %d\n",
			 home, pid, err);
}

static int handle_left(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_left *msg = req->data;
	u32 pid = le32_to_cpu(msg->pid);
	int err = 0;

	if (pando_locate_home(pid) != pando_nodes_self())
		return 0;
	spin_lock_irq(&pando_locate_lock);
	err = pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_AWAY, req->node,
			    view.incarnation[req->node]);
	pando_dir_mark(&pando_locate_dir, pid, PANDO_DIR_AWAY, 1);
	spin_unlock_irq(&pando_locate_lock);
	return err;
}

static int handle_gone(struct pando_rpc_req *req)
{
	const struct pando_wire_gone *msg = req->data;
	const struct pando_dir_entry *e;
	u32 i, n = le32_to_cpu(msg->count);

	if (req->len != struct_size(msg, pid, n))
		return -EPROTO;
	for (i = 0; i < n; i++) {
		u32 pid = le32_to_cpu(msg->pid[i]);

		spin_lock_irq(&pando_locate_lock);
		e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_AWAY);
		/* it may have moved on since: only its present place may say so */
		if (e && e->node == req->node)
			pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_AWAY);
		spin_unlock_irq(&pando_locate_lock);
	}
	return 0;
}

/* --- life ----------------------------------------------------------------------- */

void pando_recover_reset(void)
{
	flush_work(&gone_work);
	spin_lock_irq(&pando_locate_lock);
	memset(&view, 0, sizeof(view));
	spin_unlock_irq(&pando_locate_lock);
}

static const struct pando_rpc_row handlers[] = {
	{ PANDO_MSG_GONE, handle_gone },
	{ PANDO_MSG_GUESTS, handle_guests },
	{ PANDO_MSG_KIN_LEFT, handle_left },
};

int pando_recover_init(void)
{
	return pando_rpc_register_rows(handlers, ARRAY_SIZE(handlers), THIS_MODULE);
}

void pando_recover_exit(void)
{
	pando_rpc_unregister_rows(handlers, ARRAY_SIZE(handlers));
}
