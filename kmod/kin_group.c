// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process groups with members on several nodes (kin.h); and setpgid() and
 * setsid() where relations are spread over nodes. The kernel does it here; what
 * is left to do is that the other side sees it, too:
 *
 * - of a process that runs here the nodes with a stub of it are told;
 * - a child that runs elsewhere has a stub here, and the kernel let the parent
 *   change that. The child's node has the last word (it knows whether the child
 *   has executed another program), and does it to the child; else the stub goes
 *   back into the group it was in.
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "calls.h"
#include "hooks.h"
#include "kin.h"
#include "kin_tty.h"
#include "locate.h"
#include "ns.h"
#include "occasion.h"
#include "relation.h"
#include "rpc.h"
#include "stub.h"

/* Taken with interrupts off, below tasklist_lock and siglock. */
static DEFINE_SPINLOCK(lock);

/** struct group - a process group that has members on other nodes too */
struct group {
	struct hlist_node node;
	u32 pgid;
};

static DEFINE_HASHTABLE(groups, 6);	/* lock */
atomic_t pando_kin_nspread;

static struct group *find_group(u32 pgid)
{
	struct group *g;

	hash_for_each_possible(groups, g, node, pgid)
		if (g->pgid == pgid)
			return g;
	return NULL;
}

bool pando_kin_is_spread(u32 pgid)
{
	unsigned long flags;
	bool found;

	if (likely(!pando_kin_any_spread()))
		return false;
	spin_lock_irqsave(&lock, flags);
	found = find_group(pgid);
	spin_unlock_irqrestore(&lock, flags);
	return found;
}

void pando_kin_spread(u32 pgid)
{
	struct group *new = kmalloc(sizeof(*new), GFP_KERNEL);

	if (!new || pgid < PANDO_LOCAL_PIDS)
		goto out;
	new->pgid = pgid;
	spin_lock_irq(&lock);
	if (!find_group(pgid)) {
		hash_add(groups, &new->node, pgid);
		atomic_inc(&pando_kin_nspread);
		new = NULL;
	}
	spin_unlock_irq(&lock);
out:
	kfree(new);
}

void pando_kin_freed(u32 nr)
{
	unsigned long flags;
	struct group *g;

	if (likely(!pando_kin_any_spread()))
		return;
	spin_lock_irqsave(&lock, flags);
	g = find_group(nr);
	if (g) {
		hash_del(&g->node);
		atomic_dec(&pando_kin_nspread);
		kfree(g);
	}
	spin_unlock_irqrestore(&lock, flags);
}

int pando_kin_wants(u32 pid, u32 pgid, u64 occasion)
{
	u32 sid, group = pgid ? pando_kin_group_of(pid, &sid) : 0;

	/* who was just restored may be in criu's for a moment */
	if (group != pgid && (!group || group >= PANDO_LOCAL_PIDS))
		return -ESRCH;
	return pando_occasion_is_first(pid, occasion);
}

u32 pando_kin_spread_group(struct pid *pgrp, bool certain)
{
	struct pid_namespace *ns = pando_ns();
	u32 pgid;

	if (likely(!pando_kin_any_spread() && !certain) || !ns)
		return 0;
	pgid = pid_nr_ns(pgrp, ns);
	return pgid && (certain || pando_kin_is_spread(pgid)) ? pgid : 0;
}

void pando_kin_groups_reset(void)
{
	struct hlist_node *next;
	struct group *g;
	int i;

	spin_lock_irq(&lock);
	hash_for_each_safe(groups, i, next, g, node) {
		hash_del(&g->node);
		atomic_dec(&pando_kin_nspread);
		kfree(g);
	}
	spin_unlock_irq(&lock);
}

/* --- setpgid() and setsid() ----------------------------------------------------- */

/* Are there relations over nodes that a process of the cluster may change? */
static bool may_matter(void)
{
	return pando_stub_any() && pando_ns_has_current() &&
	       !pando_ns_is_local(current);
}

u32 pando_kin_group_of(u32 pid, u32 *sid)
{
	struct pid_namespace *ns = pando_ns();
	struct task_struct *task;
	struct pid *p;
	u32 pgid = 0;

	rcu_read_lock();
	p = ns ? find_pid_ns(pid, ns) : NULL;
	task = p ? pid_task(p, PIDTYPE_TGID) : NULL;
	if (task) {
		pgid = task_pgrp_nr_ns(task, ns);
		*sid = task_session_nr_ns(task, ns);
	}
	rcu_read_unlock();
	return pgid;
}

static int tell(u16 node, u32 pid, u32 pgid, u32 sid)
{
	struct pando_wire_kin_event_reply reply;
	struct pando_wire_kin_event ev = {
		.pid = cpu_to_le32(pid),
		.what = cpu_to_le32(PANDO_KIN_REGROUP),
		.status = cpu_to_le32(pgid),
		.session = cpu_to_le32(sid),
	};

	int err;

	err = pando_rpc_call(node, PANDO_MSG_KIN_EVENT,
			     &(struct kvec){ &ev, sizeof(ev) }, 1, &reply,
			     sizeof(reply), NULL);
	return !err && le32_to_cpu(reply.answer) == PANDO_KIN_LATER ? -EAGAIN : err;
}

/*
 * By who is in setpgid() or setsid(), and who waits for that: a holder that does
 * not answer in time is told by a worker, as of all else.
 */
void pando_kin_regrouped(u32 pid)
{
	u64 holders[PANDO_NODE_WORDS] = {};
	bool late = false;
	u32 pgid, sid = 0;
	int id, err;

	pando_kin_holders(pid, holders);
	pgid = pando_kin_group_of(pid, &sid);
	if (!pgid)
		return;
	if (!bitmap_empty((unsigned long *)holders, PANDO_NODE_MAX + 1))
		pando_kin_spread(pgid);
	for (id = 1; id <= PANDO_NODE_MAX; id++) {
		if (!(holders[id / 64] & BIT_ULL(id % 64)))
			continue;
		err = tell(id, pid, pgid, sid);
		late |= err == -ETIMEDOUT || err == -EAGAIN || err == -EINTR;
	}
	if (late)
		pando_kin_change(pid, PANDO_KIN_REGROUP, pgid, sid);
}

static long ask_owner(u32 pid, u32 pgid)
{
	struct pando_call_out *out = kzalloc(sizeof(*out), GFP_KERNEL);
	u32 sid = task_session_nr_ns(current, pando_ns());
	bool here;
	long ret;

	if (!out)
		return -ENOMEM;
	out->msg.arg[0] = cpu_to_le64(pgid);
	out->msg.arg[1] = cpu_to_le64(sid);
	ret = pando_call_send(out, PANDO_CALL_SETPGID, pid, &here);
	kfree(out);
	return ret;
}

/* The child's stub is in @pgid now, and was in @old. */
static long follow(u32 pid, u32 pgid, u32 old, u32 sid)
{
	long ret = ask_owner(pid, pgid);

	if (ret)
		pando_stub_regroup(pid, old, sid);
	else
		pando_kin_spread(pgid);
	return ret;
}

/* The process @nr, into a group that may have no member here, and so no number. */
static long put_into(u32 nr, struct pando_regroup *r)
{
	struct pid *pid, *made;
	long ret;

	rcu_read_lock();
	pid = find_pid_ns(nr, pando_ns());
	r->task = pid ? get_pid_task(pid, PIDTYPE_TGID) : NULL;
	rcu_read_unlock();
	if (!r->task)
		return -ESRCH;
	ret = pando_alloc_number(r->pgid, &made);
	if (!ret)
		ret = pando_relation_regroup(r);
	pando_alloc_number_done(made);
	put_task_struct(r->task);
	if (!ret)
		pando_kin_tty_regrouped();
	return ret;
}

/* At the child's node; the group was looked for at the parent's. */
long pando_kin_exec_setpgid(struct pando_call_in *in)
{
	struct pando_regroup r = {
		.pgid = le64_to_cpu(in->msg->arg[0]),
		.sid = le64_to_cpu(in->msg->arg[1]),
		.ppid = le32_to_cpu(in->msg->sender),
	};
	u32 nr = le32_to_cpu(in->msg->pid);
	long ret;

	if (r.pgid < PANDO_LOCAL_PIDS || r.pgid >= PANDO_PID_MAX)
		return -EPERM;
	ret = put_into(nr, &r);
	if (!ret)
		pando_kin_regrouped(nr);
	return ret;
}

/* A group without a member here, of which the kernel therefore says EPERM: it may live. */
static long join_elsewhere(u32 pid, u32 pgid)
{
	u32 self = task_tgid_nr_ns(current, pando_ns());
	struct pando_regroup r = {
		.pgid = pgid,
		.sid = task_session_nr_ns(current, pando_ns()),
		.ppid = pid == self ? 0 : self,
		.own = pid == self,
	};
	long ret;

	if (pid == self && current->signal->leader)
		return -EPERM;
	if (pando_call_group_session(pgid) != r.sid)
		return -EPERM;
	ret = put_into(pid, &r);
	if (!ret)
		pando_kin_spread(pgid);
	return ret;
}

/* Not one that criu rebuilds, which does as it did before. */
static bool is_settled(void)
{
	return pando_locate_is_settled(task_tgid_nr_ns(current, pando_ns()));
}

static bool has_group(u32 pgid)
{
	bool has;

	rcu_read_lock();
	has = pid_task(find_pid_ns(pgid, pando_ns()), PIDTYPE_PGID);
	rcu_read_unlock();
	return has;
}

static long set_group(pando_syscall_t original, const struct pt_regs *regs,
		      u32 pid, u32 pgid)
{
	u32 old, sid = 0;
	bool away;
	long ret;

	if (!pid)
		pid = task_tgid_nr_ns(current, pando_ns());
	if (!pgid)
		pgid = pid;
	away = pando_stub_stands(pid);
	old = away ? pando_kin_group_of(pid, &sid) : 0;
	ret = original(regs);
	if (ret == -EPERM && pgid != pid && pgid >= PANDO_LOCAL_PIDS &&
	    pgid < PANDO_PID_MAX && !has_group(pgid) && is_settled())
		ret = join_elsewhere(pid, pgid);
	if (!ret && away)
		ret = follow(pid, pgid, old, sid);
	else if (!ret)
		pando_kin_regrouped(pid);
	return ret;
}

static long regroup(pando_syscall_t original, const struct pt_regs *regs,
		    u32 pid, u32 pgid)
{
	long ret;

	pando_hook_enter();
	if (unlikely(may_matter()))
		ret = set_group(original, regs, pid, pgid);
	else
		ret = original(regs);
	pando_hook_leave();
	return ret;
}

PANDO_HOOK_SYSCALL(hook_setpgid);

static long hook_setpgid(const struct pt_regs *regs)
{
	return regroup(pando_hook_original(hook_setpgid), regs, regs->di, regs->si);
}

#ifdef CONFIG_IA32_EMULATION
PANDO_HOOK_SYSCALL(hook32_setpgid);

static long hook32_setpgid(const struct pt_regs *regs)
{
	return regroup(pando_hook_original(hook32_setpgid), regs, regs->bx,
		       regs->cx);
}
#endif

/* One for both ABIs: it has no arguments. */
PANDO_HOOK_SYSCALL(hook_setsid);

/* Where its own number is that of a group nobody becomes the leader of a session. */
static bool is_groups_number(void)
{
	u32 pid = task_tgid_nr_ns(current, pando_ns());

	if (task_pgrp(current) == task_tgid(current) || !is_settled())
		return false;
	/* of a group that it has led here this node knows whether others are elsewhere */
	if (!pando_kin_is_spread(pid) && !pando_locate_has_arrived(pid))
		return false;
	return pando_call_group_session(pid) > 0;
}

static long hook_setsid(const struct pt_regs *regs)
{
	bool matters;
	long ret;

	pando_hook_enter();
	matters = may_matter();
	if (unlikely(matters) && is_groups_number())
		ret = -EPERM;
	else
		ret = pando_hook_original(hook_setsid)(regs);
	if (ret > 0 && unlikely(matters))
		pando_kin_regrouped(ret);
	pando_hook_leave();
	return ret;
}

struct pando_hook pando_group_hooks[] = {
	PANDO_HOOK_ROW("__do_sys_setsid", hook_setsid),
	PANDO_HOOK_ROW("__x64_sys_setpgid", hook_setpgid),
#ifdef CONFIG_IA32_EMULATION
	PANDO_HOOK_ROW("__ia32_sys_setpgid", hook32_setpgid),
#endif
};

const int pando_group_nhooks = ARRAY_SIZE(pando_group_hooks);
