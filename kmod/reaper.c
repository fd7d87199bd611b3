// SPDX-License-Identifier: GPL-2.0-only
/* Orphans whose subreaper is on another node: see reaper.h. */
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include <uapi/linux/pando.h>

#include "hooks.h"
#include "kin.h"
#include "kin_stop.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "nurse.h"
#include "orphan.h"
#include "reaper.h"
#include "relation.h"
#include "rpc.h"
#include "stub.h"

#define HOPS_MAX	32	/* from node to node on the way up */
#define ROUNDS_MAX	8	/* more children came meanwhile, or a subreaper went */
#define SETTLED_WITHIN	(30 * HZ)	/* a process does not wait longer for its end */
#define AT_ONCE		8	/* processes of this node that do */

static struct semaphore settling;

/* For a move of one of them that is under way: who asked waits longer for the answer. */
static unsigned long patience(void)
{
	return pando_nodes_timeout() / 4;
}

/* --- stubs ----------------------------------------------------------------------- */

static void describe(struct pando_wire_kin_stub *w, struct task_struct *task, u16 where)
{
	struct pid_namespace *ns = pando_ns();
	const struct cred *cred;
	const kuid_t *uid[3];
	const kgid_t *gid[3];
	int i;

	rcu_read_lock();
	cred = __task_cred(task);
	uid[0] = &cred->uid;
	uid[1] = &cred->euid;
	uid[2] = &cred->suid;
	gid[0] = &cred->gid;
	gid[1] = &cred->egid;
	gid[2] = &cred->sgid;
	*w = (struct pando_wire_kin_stub){
		.pid = cpu_to_le32(task_tgid_nr_ns(task, ns)),
		.pgid = cpu_to_le32(task_pgrp_nr_ns(task, ns)),
		.sid = cpu_to_le32(task_session_nr_ns(task, ns)),
		.where = cpu_to_le32(where),
	};
	for (i = 0; i < 3; i++) {
		w->uid[i] = cpu_to_le32(from_kuid(&init_user_ns, *uid[i]));
		w->gid[i] = cpu_to_le32(from_kgid(&init_user_ns, *gid[i]));
	}
	rcu_read_unlock();
}

static bool is_valid(const struct pando_wire_kin_stub *w)
{
	u32 pid = le32_to_cpu(w->pid), where = le32_to_cpu(w->where);

	return pid >= PANDO_LOCAL_PIDS && pid < PANDO_PID_MAX &&
	       where && where <= PANDO_NODE_MAX && valid_signal(le32_to_cpu(w->signal));
}

/* It is new: how it stands, and where it belongs, as far as it was described. */
static void finish(const struct pando_wire_kin_stub *w, struct task_struct *stub)
{
	u32 pid = le32_to_cpu(w->pid);

	pando_stub_regroup(pid, le32_to_cpu(w->pgid), le32_to_cpu(w->sid));
	if (w->stop) {
		pando_kin_stop_set(stub, le32_to_cpu(w->signal));
		pando_stub_rest(pid);
	}
}

/*
 * A stub, with a reference, that stays while it is pinned. -EEXIST: the process itself is
 * here. @clock: whose clock it has.
 */
static struct task_struct *get_stub(const struct pando_wire_kin_stub *w, u32 clock)
{
	struct pando_nurse n = {
		.pid = le32_to_cpu(w->pid),
		.where = le32_to_cpu(w->where),
		.parent = clock,
		.flags = PANDO_CLAIM_TOLD,
	};
	unsigned long end = jiffies + patience();
	struct task_struct *stub;
	int i, err;

	for (i = 0; i < 3; i++) {
		n.uid[i] = le32_to_cpu(w->uid[i]);
		n.gid[i] = le32_to_cpu(w->gid[i]);
	}
	for (;;) {
		stub = pando_stub_get_whole(n.pid);
		if (stub)
			return stub;
		if (pando_ns_has_pid(n.pid))
			return ERR_PTR(-EEXIST);
		err = pando_nurse_make(&n);
		stub = err ? NULL : pando_stub_get_whole(n.pid);
		if (stub) {
			finish(w, stub);
			return stub;
		}
		/* a move makes one, or one is about to go */
		if ((err && err != -EALREADY && err != -EEXIST && err != -EBUSY) ||
		    time_after(jiffies, end))
			return ERR_PTR(err ?: -EAGAIN);
		usleep_range(500, 2000);
	}
}

/* --- at the child's node ------------------------------------------------------------ */

/* The process @pid is here, alive; its parent is about to end, or has. */
static int leave_to(u32 pid, const struct pando_wire_kin_stub *parent)
{
	u32 reaper = le32_to_cpu(parent->pid);
	struct task_struct *task, *stub;
	void *pin;
	int err;

	pin = pando_stub_pin(reaper);
	if (!pin)
		return -ENOMEM;
	stub = get_stub(parent, 0);
	err = PTR_ERR_OR_ZERO(stub);
	if (!err) {
		put_task_struct(stub);
		/* of its end, and its group, we are told from now on */
		if (pando_kin_hold(reaper, PANDO_KIN_ANEW, NULL) == -ESRCH)
			err = -ENXIO;
	}
	if (!err || err == -EEXIST) {
		task = pando_ns_get_process(pid);
		err = task ? pando_relation_inherit(task, reaper, false) : -ESRCH;
		if (task)
			put_task_struct(task);
	}
	pando_stub_unpin(pin);
	return err;
}

static int thread_ended(u32 pid, const struct pando_wire_kin_stub *parent)
{
	struct task_struct *task = pando_ns_get_process(pid);

	if (!task)
		return -ESRCH;
	pando_relation_thread_ended(task, le32_to_cpu(parent->pid));
	put_task_struct(task);
	return 0;
}

static int handle_parent(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_parent *msg = req->data;
	u32 pid = le32_to_cpu(msg->pid);
	int err;

	if (pid < PANDO_LOCAL_PIDS || !is_valid(&msg->parent))
		return -EPROTO;
	if (!pando_ns_has_pid(pid))
		return pando_locate_miss(pid);
	if (le32_to_cpu(msg->flags) & PANDO_KIN_THREAD)
		return thread_ended(pid, &msg->parent);
	err = pando_kin_tell(pid, req->node, false);
	if (err || !pando_ns_is_alive(pid))
		return err == -ESRCH ? -EOWNERDEAD : err;
	err = leave_to(pid, &msg->parent);
	/* what befell it meanwhile its parent so far was told */
	if (!err)
		pando_kin_tell(pid, req->node, true);
	return err == -ESRCH ? 0 : err;
}

/* --- at the subreaper's node ---------------------------------------------------------- */

/* Its node tells us of its end from now on. @flags: PANDO_KIN_THREAD. */
static int tell_parent(u32 pid, const struct pando_wire_kin_stub *parent, u32 flags)
{
	struct pando_wire_kin_parent msg = {
		.pid = cpu_to_le32(pid),
		.flags = cpu_to_le32(flags),
		.parent = *parent,
	};
	bool here;
	int err;

	err = pando_locate_call(pid, PANDO_MSG_KIN_PARENT, &(struct kvec){ &msg, sizeof(msg) },
				1, NULL, 0, NULL, &here);
	if (here)
		err = flags ? thread_ended(pid, parent) : leave_to(pid, parent);
	return err;
}

/* A subreaper that moves decides nothing: this waits for it. */
static int inherit(struct task_struct *stub, u32 reaper, unsigned long end)
{
	int err;

	while ((err = pando_relation_inherit(stub, reaper, true)) == -EBUSY &&
	       pando_locate_is_settled(reaper) && time_before(jiffies, end))
		usleep_range(500, 2000);
	return err == -EBUSY && !pando_locate_is_settled(reaper) ? -ENXIO : err;
}

/* A stub of it, with a reference, that is a child of the subreaper's. */
static struct task_struct *adopt_stub(const struct pando_wire_kin_stub *orphan, u32 reaper,
				      unsigned long end)
{
	struct task_struct *stub;
	int err;

	do {
		stub = get_stub(orphan, reaper);
		if (IS_ERR(stub))
			return stub;
		err = inherit(stub, reaper, end);
		if (!err)
			return stub;
		put_task_struct(stub);
		/* its process ended, or came here */
	} while (err == -ESRCH && time_before(jiffies, end));
	return ERR_PTR(err);
}

/* -ENXIO: the subreaper is not here. */
static int adopt_one(const struct pando_wire_kin_stub *orphan,
		     const struct pando_wire_kin_stub *reaper, unsigned long end)
{
	u32 pid = le32_to_cpu(orphan->pid);
	struct task_struct *stub;
	void *pin;
	int err;

	pin = pando_stub_pin(pid);
	if (!pin)
		return -ENOMEM;
	stub = adopt_stub(orphan, le32_to_cpu(reaper->pid), end);
	err = PTR_ERR_OR_ZERO(stub);
	if (!err) {
		err = tell_parent(pid, reaper, 0);
		/* it has gone, and nobody was to be told; or it is pando-init's */
		if (err && err != -ETIMEDOUT)
			pando_relation_orphan(stub);
		put_task_struct(stub);
	}
	pando_stub_unpin(pin);
	if (err == -EEXIST)
		while ((err = leave_to(pid, reaper)) == -EBUSY && time_before(jiffies, end))
			usleep_range(500, 2000);
	return err;
}

/*
 * -ENXIO: the subreaper is not here, or is not any more. Whoever could not be had in time is
 * not asked for again: the others may have been waited for by then, and would come twice.
 */
static int adopt(u32 pid, const struct pando_wire_kin_stub *orphans, u32 n)
{
	unsigned long end = jiffies + patience();
	struct pando_wire_kin_stub reaper;
	struct task_struct *task;
	int err = 0;
	u32 i;

	task = pando_ns_is_alive(pid) ? pando_ns_get_process(pid) : NULL;
	if (!task)
		return -ENXIO;
	describe(&reaper, task, pando_nodes_self());
	for (i = 0; i < n && err != -ENXIO; i++)
		err = adopt_one(&orphans[i], &reaper, end);
	put_task_struct(task);
	return err == -ENXIO ? err : 0;
}

static int handle_adopt(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_adopt *msg = req->data;
	u32 pid = le32_to_cpu(msg->reaper), n = le32_to_cpu(msg->n), i;
	int err;

	if (n > PANDO_ADOPT_MOST || req->len != struct_size(msg, orphan, n))
		return -EPROTO;
	for (i = 0; i < n; i++)
		if (!is_valid(&msg->orphan[i]))
			return -EPROTO;
	if (!pando_ns_has_pid(pid))
		return pando_locate_miss(pid);
	err = adopt(pid, msg->orphan, n);
	if (err != -ENXIO)
		return err;
	/* it ends, or has: then another is to be found */
	return pando_ns_has_pid(pid) ? -EOWNERDEAD : pando_locate_miss(pid);
}

/* --- where it ends ------------------------------------------------------------------------ */

static int handle_reaper(struct pando_rpc_req *req)
{
	const struct pando_wire_kin_reaper *msg = req->data;
	struct pando_wire_kin_reaper_reply *reply = req->reply;
	u32 pid = le32_to_cpu(msg->pid), next = 0;

	if (!pando_ns_has_pid(pid))
		return pando_locate_miss(pid);
	reply->reaper = cpu_to_le32(pando_relation_reaper(pid, &next));
	reply->next = cpu_to_le32(next);
	req->reply_len = sizeof(*reply);
	return 0;
}

/* From @next on upwards; @reaper: out, 0: there is none. -ESRCH: one of them ends. */
static int find_reaper(u32 next, u32 *reaper)
{
	struct pando_wire_kin_reaper_reply reply;
	struct pando_wire_kin_reaper msg = {};
	int hops, err;
	bool here;

	*reaper = 0;
	for (hops = 0; next && !*reaper && hops < HOPS_MAX; hops++) {
		msg.pid = cpu_to_le32(next);
		reply = (struct pando_wire_kin_reaper_reply){};
		err = pando_locate_call(next, PANDO_MSG_KIN_REAPER,
					&(struct kvec){ &msg, sizeof(msg) }, 1,
					&reply, sizeof(reply), NULL, &here);
		if (here) {
			*reaper = pando_relation_reaper(next, &next);
			continue;
		}
		if (err)
			return err;
		*reaper = le32_to_cpu(reply.reaper);
		next = le32_to_cpu(reply.next);
	}
	return 0;
}

/* So many at a time. */
static int give(u32 reaper, const struct pando_orphan *orphans, u32 n,
		struct pando_wire_kin_adopt *msg)
{
	bool here;
	u32 i;
	int err;

	msg->reaper = cpu_to_le32(reaper);
	msg->n = cpu_to_le32(n);
	for (i = 0; i < n; i++) {
		const struct pando_orphan *o = &orphans[i];
		struct pando_wire_kin_stub *w = &msg->orphan[i];

		describe(w, o->task, pando_stub_where(o->pid) ?: pando_nodes_self());
		/* it may have no number any more */
		w->pid = cpu_to_le32(o->pid);
		w->stop = cpu_to_le32(o->stop);
		w->signal = cpu_to_le32(o->signal);
	}
	err = pando_locate_call(reaper, PANDO_MSG_KIN_ADOPT,
				&(struct kvec){ msg, struct_size(msg, orphan, n) }, 1,
				NULL, 0, NULL, &here);
	return here ? adopt(reaper, msg->orphan, n) : err;
}

static bool is_away(const struct pando_orphan *o)
{
	return pando_stub_stands(o->pid);
}

/*
 * Those of whom nobody elsewhere waits to be told yet come first: how many? Who is dead the
 * second time may have been waited for already.
 */
static u32 sort_out(struct pando_orphan *orphans, u32 n, bool again)
{
	u32 i, left = 0;

	for (i = 0; i < n; i++) {
		if (pando_kin_is_left(orphans[i].pid) ||
		    (again && READ_ONCE(orphans[i].task->exit_state)))
			continue;
		swap(orphans[left], orphans[i]);
		left++;
	}
	return left;
}

static bool any_away(const struct pando_orphan *orphans, u32 n)
{
	while (n--)
		if (is_away(&orphans[n]))
			return true;
	return false;
}

static bool is_ours(struct task_struct *task)
{
	bool is;

	rcu_read_lock();
	/* a released one's parent may be freed */
	is = pid_alive(task) && same_thread_group(rcu_dereference(task->real_parent), current);
	rcu_read_unlock();
	return is;
}

/* Those of other nodes are the subreaper's now, which has stubs of its own. */
static void let_go(const struct pando_orphan *orphans, u32 n)
{
	while (n--)
		if (is_away(&orphans[n]) && is_ours(orphans[n].task))
			pando_relation_orphan(orphans[n].task);
}

/* @native: the kernel gives them away. 0, or why not all were taken. */
static int give_all(u32 reaper, const struct pando_orphan *orphans, u32 n, bool native)
{
	unsigned long end = jiffies + SETTLED_WITHIN;
	struct pando_wire_kin_adopt *msg;
	int err = 0, ret = -ENOMEM;
	u32 i, some;

	msg = kzalloc(struct_size(msg, orphan, PANDO_ADOPT_MOST), GFP_KERNEL);
	if (!msg || down_timeout(&settling, SETTLED_WITHIN))
		goto out;
	for (i = 0, ret = 0; i < n && time_before(jiffies, end); i += some) {
		some = min_t(u32, n - i, PANDO_ADOPT_MOST);
		err = give(reaper, orphans + i, some, msg);
		if (!err && !native)
			let_go(orphans + i, some);
		ret = ret ?: err;
		if (err && err != -ETIMEDOUT)
			break;
	}
	up(&settling);
out:
	kfree(msg);
	return ret;
}

/*
 * A subreaper of this node is the kernel's business, if all of the children are here too.
 * 1: others may have come meanwhile; -ESRCH, -ENXIO: it is worth another try.
 */
static int settle(const struct pando_orphan *orphans, u32 n, u32 reaper, u32 next)
{
	bool native = reaper;
	int err = 0;

	if (!n || (native && !any_away(orphans, n)))
		return 0;
	if (!native)
		err = find_reaper(next, &reaper);
	if (err || !reaper)
		return err;
	err = give_all(reaper, orphans, n, native);
	return err ?: !native;
}

/* The process goes on, and so do its children: who has asked for it is told. */
static void settle_thread(const struct pando_orphan *orphans, u32 n)
{
	unsigned long end = jiffies + SETTLED_WITHIN;
	struct pando_wire_kin_stub self;
	int err = 0;
	u32 i;

	describe(&self, current, pando_nodes_self());
	for (i = 0; i < n && err != -ETIMEDOUT && time_before(jiffies, end); i++)
		if (is_away(&orphans[i]))
			err = tell_parent(orphans[i].pid, &self, PANDO_KIN_THREAD);
}

/*
 * Those of children that are not its own any more the kernel does not look at, nor can it
 * judge those that have members elsewhere.
 */
static void note_groups(const struct pando_orphan *orphans, int n)
{
	u32 noted = 0;
	int i;

	for (i = 0; i < n; i++) {
		const struct pando_orphan *o = &orphans[i];

		if (o->pgid < PANDO_LOCAL_PIDS || o->pgid == noted ||
		    (!pando_kin_is_spread(o->pgid) && is_ours(o->task)))
			continue;
		noted = o->pgid;
		pando_orphan_note(noted);
	}
}

/** struct leaver - who ends, and settles whose its children are to be */
struct leaver {
	struct list_head list;
	struct task_struct *task;
};

static LIST_HEAD(leavers);		/* leavers_lock */
static DEFINE_SPINLOCK(leavers_lock);	/* with interrupts off, below tasklist_lock */

bool pando_reaper_is_leaver(struct task_struct *task)
{
	struct leaver *l;
	unsigned long flags;
	bool is = false;

	spin_lock_irqsave(&leavers_lock, flags);
	list_for_each_entry(l, &leavers, list)
		is |= same_thread_group(l->task, task);
	spin_unlock_irqrestore(&leavers_lock, flags);
	return is;
}

bool pando_reaper_leaves(u32 pid)
{
	struct task_struct *parent;
	bool is;

	parent = pando_relation_zombies_parent(pid, &is);
	if (!parent)
		return false;
	is |= pando_reaper_is_leaver(parent);
	put_task_struct(parent);
	return is;
}

/* A process of the cluster that has children, or a stub of one. */
static bool is_parent(void)
{
	struct pid_namespace *ns = pando_ns();

	return !list_empty(&current->children) && ns && task_active_pid_ns(current) == ns &&
	       !pando_ns_is_local(current) && !pando_ns_current_is_init() &&
	       !(ns->child_reaper->signal->flags & SIGNAL_GROUP_EXIT);
}

/* And not what a move has left, or not made yet. */
static bool settles(void)
{
	u32 pid = task_tgid_nr_ns(current, pando_ns());

	return !pando_stub_is(current) &&
	       (pando_locate_is_settled(pid) || pando_stub_is_original(current, pid));
}

/* Its children are another thread's, as long as there is one that does not end as well. */
static bool is_last(void)
{
	return current->signal->flags & SIGNAL_GROUP_EXIT ||
	       atomic_read(&current->signal->live) <= 1;
}

/* Once over; as settle(). */
static int settle_all(bool last, bool again)
{
	struct pando_orphan *orphans = NULL;
	u32 reaper = 0, next = 0;
	int n, i, ret = 0;

	n = pando_relation_orphans(last, &orphans, &reaper, &next);
	if (n > 0 && last)
		ret = settle(orphans, sort_out(orphans, n, again), reaper, next);
	else if (n > 0)
		settle_thread(orphans, n);
	if (last)
		note_groups(orphans, n);
	for (i = 0; i < n; i++)
		put_task_struct(orphans[i].task);
	kvfree(orphans);
	return ret;
}

static void settle_last(void)
{
	unsigned long end = jiffies + patience();
	bool again = false;
	int ret, round = 0;

	do {
		ret = settle_all(true, again);
		again |= ret > 0;
		/* until it is known here too, or one of them has moved */
		if (ret < 0)
			usleep_range(2000, 5000);
		else if (++round == ROUNDS_MAX)
			return;
	} while ((ret > 0 || ret == -ESRCH || ret == -ENXIO) &&
		 time_before(jiffies, end));
}

/* A stub, or one that is neither here nor there, has nothing to settle. */
static void note_all_groups(void)
{
	struct pando_orphan *orphans = NULL;
	u32 reaper, next;
	int n, i;

	n = pando_relation_orphans(false, &orphans, &reaper, &next);
	note_groups(orphans, n);
	for (i = 0; i < n; i++)
		put_task_struct(orphans[i].task);
	kvfree(orphans);
}

/* @leaver: it is in the list when this returns true. */
static bool exits(struct leaver *leaver)
{
	if (!is_parent())
		return false;
	if (!settles()) {
		if (is_last())
			note_all_groups();
		return false;
	}
	if (!is_last()) {
		settle_all(false, false);
		if (!is_last())
			return false;
	}
	leaver->task = current;
	spin_lock_irq(&leavers_lock);
	list_add(&leaver->list, &leavers);
	spin_unlock_irq(&leavers_lock);
	settle_last();
	return true;
}

PANDO_HOOK_GATED(pando_stub_gate, pando_kin_nspread, void, hook_exit_signals,
		 struct task_struct *task);

/* At the beginning of do_exit(). From its end on everybody sees that it exits. */
static void hook_exit_signals(struct task_struct *task)
{
	struct leaver leaver;
	bool listed;

	pando_hook_enter();
	listed = exits(&leaver);
	pando_hook_original(hook_exit_signals)(task);
	if (listed) {
		spin_lock_irq(&leavers_lock);
		list_del(&leaver.list);
		spin_unlock_irq(&leavers_lock);
	}
	pando_hook_leave();
}

struct pando_hook pando_reaper_hooks[] = {
	PANDO_HOOK_ROW("exit_signals", hook_exit_signals),
};

const int pando_reaper_nhooks = ARRAY_SIZE(pando_reaper_hooks);

static const struct pando_rpc_row handlers[] = {
	{ PANDO_MSG_KIN_REAPER, handle_reaper },
	{ PANDO_MSG_KIN_PARENT, handle_parent },
	{ PANDO_MSG_KIN_ADOPT, handle_adopt },
};

int pando_reaper_init(void)
{
	sema_init(&settling, AT_ONCE);
	return pando_rpc_register_rows(handlers, ARRAY_SIZE(handlers), THIS_MODULE);
}

void pando_reaper_exit(void)
{
	pando_rpc_unregister_rows(handlers, ARRAY_SIZE(handlers));
}
