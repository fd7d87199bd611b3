// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers for new tasks of the cluster namespace come from this node's leases.
 * The kernel's own allocator goes on from one to the next as long as it stays in
 * them; else alloc_pid() is asked for the number we chose (set_tid), and the
 * allocator stays the judge of what is free, under its own lock.
 *
 * Tasks of a node-local process (a number below PANDO_LOCAL_PIDS, pando-init
 * itself apart) get node-local numbers: the tools around the namespace are not
 * part of the cluster.
 */
#include <linux/cred.h>
#include <linux/idr.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "hooks.h"
#include "kin.h"
#include "kin_front.h"
#include "locate.h"
#include "locate_parts.h"
#include "ns.h"
#include "stub.h"
#include "tasklist.h"

#define LOCAL_FIRST	300	/* as the kernel's RESERVED_PIDS: daemons go first */

static const struct cred *kernel_cred;	/* set once at load */
static atomic_t local_cursor;
atomic_t pando_free_gate = ATOMIC_INIT(0);

PANDO_HOOK(struct pid *, hook_alloc_pid, struct pid_namespace *ns,
	   pid_t *set_tid, size_t n);
PANDO_HOOK_GATED(pando_free_gate, pando_kin_nspread, void, hook_free_pid, struct pid *pid);

/* Levels from @ns up to the cluster's namespace; -1 when @ns is not below it */
static int depth_below(struct pid_namespace *ns, struct pid_namespace *cluster)
{
	int depth = 0;

	while (ns && ns != cluster) {
		ns = ns->parent;
		depth++;
	}
	return ns ? depth : -1;
}

/*
 * A number for a namespace nested in the cluster's: what the kernel's cyclic
 * allocator would try next. Only a proposal: -EEXIST makes the caller ask again.
 */
static pid_t nested_next(struct pid_namespace *ns)
{
	unsigned int nr, i;

	if (!READ_ONCE(ns->child_reaper)) {
		idr_set_cursor(&ns->idr, 2);
		return 1;
	}
	nr = max_t(unsigned int, idr_get_cursor(&ns->idr), 2);
	for (i = 0; i < PANDO_PID_MAX; i++, nr++) {
		if (nr >= PANDO_PID_MAX)
			nr = LOCAL_FIRST;
		if (!find_pid_ns(nr, ns))
			break;
	}
	idr_set_cursor(&ns->idr, nr + 1);
	return nr;
}

/* The original, allowed to choose numbers whoever the caller is. */
static struct pid *alloc_as_kernel(struct pid_namespace *ns, pid_t *tids,
				   size_t n)
{
	unsigned int superpriv = current->flags & PF_SUPERPRIV;
	const struct cred *old = override_creds(kernel_cred);
	struct pid *pid;

	pid = pando_hook_original(hook_alloc_pid)(ns, tids, n);
	revert_creds(old);
	/* using our capability is not the caller's doing */
	if (!superpriv)
		current->flags &= ~PF_SUPERPRIV;
	return pid;
}

/* Node-local numbers for what a node-local process starts. */
static u32 local_next(u32 tries)
{
	const u32 n = PANDO_LOCAL_PIDS - LOCAL_FIRST;

	if (tries >= n)
		return 0;
	return LOCAL_FIRST + (u32)atomic_inc_return(&local_cursor) % n;
}

/*
 * @tids holds the caller's own choices for its innermost @given levels; the
 * levels above, up to the cluster's at @depth, are chosen here.
 */
static struct pid *alloc_next(struct pid_namespace *ns,
			      struct pid_namespace *cluster, int depth,
			      pid_t *tids, int given)
{
	bool local = pando_ns_is_local_nr(pid_nr_ns(task_tgid(current), cluster));
	u32 from = idr_get_cursor(&cluster->idr);
	struct pid_namespace *level;
	u32 tries = 0, nr = 0;
	struct pid *pid;
	int i;

	for (;;) {
		nr = local ? local_next(tries++) : pando_locate_next(nr ? nr + 1 : from, &tries);
		if (!nr)
			return ERR_PTR(-EAGAIN);
		if (pando_ns_has_number(nr))
			continue;
		rcu_read_lock();
		for (i = 0, level = ns; i < depth; i++, level = level->parent)
			if (i >= given)
				tids[i] = nested_next(level);
		rcu_read_unlock();
		tids[depth] = nr;
		pid = alloc_as_kernel(ns, tids, depth + 1);
		if (pid != ERR_PTR(-EEXIST)) {
			if (!IS_ERR(pid))
				pando_locate_taken(nr);
			/* the kernel goes on there, if nobody has gone further */
			if (!local) {
				cmpxchg(&cluster->idr.idr_next, from, nr + 1);
				pando_locate_seek_run(nr + 1);
			}
			return pid;
		}
		/* a choice of the caller's own may be what is taken */
		for (i = 0, level = ns; i < given; i++, level = level->parent) {
			bool taken;

			rcu_read_lock();
			taken = find_pid_ns(tids[i], level);
			rcu_read_unlock();
			if (taken)
				return pid;
		}
	}
}

/* The check that alloc_pid() makes of those who choose numbers themselves. */
static bool may_choose(struct pid_namespace *ns, int levels)
{
	for (; levels; levels--, ns = ns->parent)
		if (!checkpoint_restore_ns_capable(ns->user_ns))
			return false;
	return true;
}

/* --- numbers that two have for a while -------------------------------------- */

/*
 * A process that comes home takes over the very struct pid that its stub holds,
 * because pidfds and waits hang on it; and a leader's stub that of the group or
 * session which is here already. While one is shared it is not freed: until the
 * new task is attached, or was not made after all, nobody may have it.
 */
struct share {
	struct list_head list;
	struct pid *pid;
	struct task_struct *maker;	/* whose child is to have it as well */
	struct task_struct *had;	/* who had it before; only to be compared */
	bool failed;			/* fork gave it back */
	unsigned long when;
};

/* When nobody has seen its task, which has come and gone; forks do not last as long. */
#define MADE_WITHIN	(120 * HZ)
#define LOOK_INTERVAL	(HZ / 25)

static LIST_HEAD(shares);
static DEFINE_SPINLOCK(shares_lock);	/* interrupts off; innermost */

static void shares_work_fn(struct work_struct *work)
{
	pando_alloc_unshare();
}

static DECLARE_DELAYED_WORK(shares_work, shares_work_fn);

/*
 * @failed: it is fork that gives it back: then current, its maker, is done with it, and nothing
 * else would tell.
 */
static bool is_shared(struct pid *pid, bool failed)
{
	unsigned long flags;
	struct share *sh;
	bool found = false;

	if (likely(list_empty(&shares)))
		return false;
	spin_lock_irqsave(&shares_lock, flags);
	list_for_each_entry(sh, &shares, list) {
		if (sh->pid != pid)
			continue;
		found = true;
		if (failed && sh->maker == current)
			sh->failed = true;
	}
	spin_unlock_irqrestore(&shares_lock, flags);
	return found;
}

struct sharing {
	struct pid_namespace *cluster;
	u32 nr;
	struct share *share;
	struct pid *pid;	/* out */
};

/* Under tasklist_lock: whoever leaves it does so before or after. */
static int share_if_there(void *arg)
{
	struct sharing *s = arg;
	struct pid *pid = find_pid_ns(s->nr, s->cluster);
	struct task_struct *had = pid ? pid_task(pid, PIDTYPE_PID) : NULL;

	/* a process of its own, or one that was made before */
	if (!pid || (had && !pando_stub_stands(s->nr) && !pando_stub_is_copy(s->nr)))
		return -ESRCH;
	s->pid = pid;
	s->share->pid = get_pid(pid);
	s->share->had = had;
	spin_lock(&shares_lock);
	list_add(&s->share->list, &shares);
	spin_unlock(&shares_lock);
	atomic_inc(&pando_free_gate);
	return 0;
}

/* The struct pid to be shared, or NULL: there is none, or it is not to be. */
static struct pid *share(struct pid_namespace *cluster, u32 nr)
{
	struct sharing s = { .cluster = cluster, .nr = nr };

	if ((!pando_locate_is_reserved(nr) && !pando_stub_may_make(nr)) ||
	    !pando_ns_has_number(nr))
		return NULL;
	s.share = kmalloc(sizeof(*s.share), GFP_KERNEL);
	if (!s.share)
		return NULL;
	s.share->maker = get_task_struct(current);
	s.share->failed = false;
	s.share->when = jiffies;
	if (pando_tasklist_run(share_if_there, &s)) {
		put_task_struct(current);
		kfree(s.share);
	} else {
		queue_delayed_work(system_wq, &shares_work, LOOK_INTERVAL);
	}
	return s.pid;
}

static bool pid_has_no_task(struct pid *pid)
{
	enum pid_type type;

	for (type = 0; type < PIDTYPE_MAX; type++)
		if (!hlist_empty(&pid->tasks[type]))
			return false;
	return true;
}

/* Under tasklist_lock: nobody joins it, or leaves it, meanwhile. */
static int give_back(void *arg)
{
	struct pid *pid = arg;
	struct pid_namespace *ns = ns_of_pid(pid);

	/* its members may have come and gone again, and it with them */
	if (find_pid_ns(pid_nr_ns(pid, ns), ns) == pid)
		pando_alloc_left(pid);
	return 0;
}

/* Is its maker out of fork()? The task is there, or there will be none. */
static bool is_settled(const struct share *sh)
{
	struct task_struct *task;
	bool made;

	rcu_read_lock();
	task = pid_task(sh->pid, PIDTYPE_PID);
	made = task && task != sh->had;
	rcu_read_unlock();
	return made || sh->failed || READ_ONCE(sh->maker->flags) & PF_EXITING ||
	       time_after(jiffies, sh->when + MADE_WITHIN);
}

static void share_free(struct share *sh)
{
	atomic_dec(&pando_free_gate);
	put_pid(sh->pid);
	put_task_struct(sh->maker);
	kfree(sh);
}

void pando_alloc_unshare(void)
{
	struct share *sh, *next;
	LIST_HEAD(done);

	spin_lock_irq(&shares_lock);
	list_for_each_entry_safe(sh, next, &shares, list)
		if (is_settled(sh))
			list_move(&sh->list, &done);
	if (!list_empty(&shares))
		queue_delayed_work(system_wq, &shares_work, LOOK_INTERVAL);
	spin_unlock_irq(&shares_lock);
	list_for_each_entry_safe(sh, next, &done, list) {
		/* whoever had it could not end it as it should be */
		pando_tasklist_run(give_back, sh->pid);
		share_free(sh);
	}
}

int pando_alloc_number(u32 nr, struct pid **made)
{
	pid_t tid = nr;
	struct pid *pid;

	*made = NULL;
	if (pando_ns_has_number(nr))
		return 0;
	pid = alloc_as_kernel(pando_ns(), &tid, 1);
	if (pid == ERR_PTR(-EEXIST))
		return 0;
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	pando_locate_taken(nr);
	*made = get_pid(pid);
	return 0;
}

void pando_alloc_left(struct pid *pid)
{
	if (pid_has_no_task(pid))
		hook_free_pid(pid);
}

void pando_alloc_number_done(struct pid *made)
{
	if (made)
		pando_tasklist_run(give_back, made);
	put_pid(made);
}

static struct pid *cluster_alloc(struct pid_namespace *ns,
				 struct pid_namespace *cluster, int depth,
				 pid_t *set_tid, size_t n)
{
	pid_t tids[MAX_PID_NS_LEVEL + 1];
	struct pid *pid;
	int err;

	if (n > depth) {
		if (!depth && may_choose(ns, n)) {
			pid = share(ns, set_tid[0]);
			if (pid)
				return pid;
		}
		err = pando_stub_may_make(set_tid[depth]) ? 0 :
		      pando_locate_may_use(set_tid[depth]);
		if (err)
			return ERR_PTR(err);
		pid = pando_hook_original(hook_alloc_pid)(ns, set_tid, n);
		if (!IS_ERR(pid))
			pando_locate_taken(set_tid[depth]);
		return pid;
	}
	if (depth > MAX_PID_NS_LEVEL)
		return ERR_PTR(-EINVAL);
	if (n) {
		if (!may_choose(ns, n))
			return ERR_PTR(-EPERM);
		memcpy(tids, set_tid, n * sizeof(*tids));
	}
	return alloc_next(ns, cluster, depth, tids, n);
}

/*
 * Whoever chooses a number pays for a check of his capabilities. Where the kernel's cursor
 * is it need not be chosen, mostly. NULL: it is to be.
 */
static struct pid *alloc_on(struct pid_namespace *cluster)
{
	u32 nr, taken = READ_ONCE(cluster->pid_allocated) & ~PIDNS_ADDING;
	u64 run = READ_ONCE(pando_locate_quick.run);
	struct pid *pid;

	if (!pando_locate_goes_on(run, idr_get_cursor(&cluster->idr), taken) ||
	    pando_ns_is_local_nr(pid_nr_ns(task_tgid(current), cluster)))
		return NULL;
	pid = pando_hook_original(hook_alloc_pid)(cluster, NULL, 0);
	if (IS_ERR(pid))
		return pid;
	/* the last of its numbers, for it is @cluster's */
	nr = pid->numbers[pid->level].nr;
	if (likely(pando_locate_went_on(run, nr) && list_empty(&shares)))
		return pid;
	pando_locate_taken(nr);
	if (pando_locate_is_free(nr) && !is_shared(pid, false) && pid_has_no_task(pid))
		return pid;
	/* while this slept it became another's: who has moved comes back, or its stub does */
	pando_alloc_number_done(get_pid(pid));
	return NULL;
}

static struct pid *hook_alloc_pid(struct pid_namespace *ns, pid_t *set_tid,
				  size_t n)
{
	struct pid_namespace *cluster;
	struct pid *pid = NULL;
	int depth;

	pando_hook_enter();
	cluster = pando_ns();
	/* in a namespace below it the first number cannot be given back */
	if (ns == cluster && !n)
		pid = alloc_on(cluster);
	if (likely(pid))
		goto out;
	depth = cluster ? depth_below(ns, cluster) : -1;
	if (depth < 0 || !READ_ONCE(cluster->child_reaper))
		pid = pando_hook_original(hook_alloc_pid)(ns, set_tid, n);
	else
		pid = cluster_alloc(ns, cluster, depth, set_tid, n);
out:
	pando_hook_leave();
	return pid;
}

/* Under tasklist_lock held for writing, interrupts off; or on fork's way back. */
static void hook_free_pid(struct pid *pid)
{
	struct pid_namespace *cluster;
	pid_t nr = 0;

	pando_hook_enter();
	cluster = pando_ns();
	if (cluster)
		nr = pid_nr_ns(pid, cluster);
	if (nr < PANDO_LOCAL_PIDS) {
		pando_hook_original(hook_free_pid)(pid);
	} else if (!is_shared(pid, !irqs_disabled())) {
		pando_hook_original(hook_free_pid)(pid);
		pando_locate_freed(nr);
		pando_kin_freed(nr);
		pando_kin_front_freed(nr);
	}
	pando_hook_leave();
}

struct pando_hook pando_alloc_hooks[] = {
	PANDO_HOOK_ROW("alloc_pid", hook_alloc_pid),
	PANDO_HOOK_ROW("free_pid", hook_free_pid),
};

const int pando_alloc_nhooks = ARRAY_SIZE(pando_alloc_hooks);

int pando_alloc_init(void)
{
	kernel_cred = prepare_kernel_cred(NULL);
	return kernel_cred ? 0 : -ENOMEM;
}

void pando_alloc_reset(void)
{
	struct share *sh, *next;
	LIST_HEAD(done);

	spin_lock_irq(&shares_lock);
	list_splice_init(&shares, &done);
	spin_unlock_irq(&shares_lock);
	cancel_delayed_work_sync(&shares_work);
	list_for_each_entry_safe(sh, next, &done, list)
		share_free(sh);
}

void pando_alloc_exit(void)
{
	put_cred(kernel_cred);
}
