// SPDX-License-Identifier: GPL-2.0-only
/*
 * The numbers that this node may hand out: the lease map, which number comes next, and
 * when the daemon is asked for more.
 */
#include <linux/jiffies.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "locate.h"
#include "locate_parts.h"
#include "netlink.h"
#include "node.h"
#include "ns.h"

/* Below this many free numbers the daemon is asked for another lease. */
#define LOW_WATER(size)		max(256u, (size) / 4)
#define LOW_INTERVAL		(HZ / 2)
#define COUNT_INTERVAL		(5 * HZ)
#define LOOK_INTERVAL		HZ
#define AT_ONCE			1024u	/* forks about to take a number, hardly ever more */

/* Replaced as a whole under pando_cmd_mutex, read under RCU. */
static struct pando_pidspace __rcu *space;

struct pando_locate_quick pando_locate_quick;

/*
 * Numbers of other homes may be here: each time one is taken it grows, so that whoever looks
 * whether the last of them has gone knows if he looked too early. 0: there are none.
 * pando_locate_lock
 */
static u64 guests_noted;

/* --- asking for more ------------------------------------------------------- */

static unsigned long low_asked, low_counted;	/* jiffies */
/* About how many in the namespace are not numbers of ours: guests, node-local ones. */
static atomic_t others;

static void low_work_fn(struct work_struct *work)
{
	struct pando_locate_info info;

	pando_locate_info(&info);
	WRITE_ONCE(low_counted, jiffies);
	atomic_set(&others, max_t(int, pando_ns_numbers() + info.away - info.used, 0));
	if (info.free >= LOW_WATER(info.used + info.free))
		return;
	WRITE_ONCE(low_asked, jiffies);
	pando_netlink_lease_low(info.used, info.free);
}

static DECLARE_DELAYED_WORK(low_work, low_work_fn);

/* One more of ours is in use. */
static void check_low(void)
{
	unsigned long since = jiffies - READ_ONCE(low_asked);
	u32 inuse = pando_ns_numbers() + READ_ONCE(pando_locate_dir.count[PANDO_DIR_AWAY]);
	u32 limit = READ_ONCE(pando_locate_quick.limit);

	if (inuse < limit)
		return;
	/* those who are not ours may have gone since they were counted */
	if ((int)(inuse - atomic_read(&others)) < (int)limit &&
	    time_before(jiffies, READ_ONCE(low_counted) + COUNT_INTERVAL))
		return;
	if (since < LOW_INTERVAL)
		queue_delayed_work(system_wq, &low_work, LOW_INTERVAL - since);
	else
		mod_delayed_work(system_wq, &low_work, 0);
}

/* --- the lease map ------------------------------------------------------- */

u16 pando_locate_home(u32 pid)
{
	struct pando_pidspace *ps;
	u16 home = 0;

	rcu_read_lock();
	ps = rcu_dereference(space);
	if (ps)
		home = pando_pidspace_home(ps, pid);
	rcu_read_unlock();
	return home;
}

/* May this node hand @pid out? */
static bool is_mine(u32 pid)
{
	struct pando_pidspace *ps;
	bool mine;

	rcu_read_lock();
	ps = rcu_dereference(space);
	mine = ps && pando_pidspace_mine(ps, pid);
	rcu_read_unlock();
	return mine;
}

/* --- are there guests? ----------------------------------------------------- */

static void note_guest(void)
{
	unsigned long flags;

	spin_lock_irqsave(&pando_locate_lock, flags);
	if (!guests_noted++)
		atomic_inc(&pando_free_gate);
	spin_unlock_irqrestore(&pando_locate_lock, flags);
}

static bool any_guest(void)
{
	u16 self = pando_nodes_self();
	u32 nr = PANDO_LOCAL_PIDS;
	struct pid_namespace *ns;
	bool any = false;
	struct pid *pid;

	rcu_read_lock();
	ns = pando_ns();
	while (!any && ns && (pid = find_ge_pid(nr, ns))) {
		nr = pid_nr_ns(pid, ns);
		any = pando_locate_home(nr) != self;
		/* its whole block has one home */
		nr = (nr | (PANDO_BLOCK_SIZE - 1)) + 1;
	}
	rcu_read_unlock();
	return any;
}

static void look_work_fn(struct work_struct *work)
{
	u64 before;

	spin_lock_irq(&pando_locate_lock);
	before = guests_noted;
	spin_unlock_irq(&pando_locate_lock);
	/* when one of them goes it is looked again */
	if (any_guest())
		return;
	spin_lock_irq(&pando_locate_lock);
	if (guests_noted && guests_noted == before) {
		guests_noted = 0;
		atomic_dec(&pando_free_gate);
	}
	spin_unlock_irq(&pando_locate_lock);
}

static DECLARE_DELAYED_WORK(look_work, look_work_fn);

void pando_locate_guest_left(void)
{
	atomic_dec_if_positive(&others);
	queue_delayed_work(system_wq, &look_work, LOOK_INTERVAL);
}

/* --- a new map --------------------------------------------------------------- */

/* Under pando_cmd_mutex; NULL: none. */
static void set_space(struct pando_pidspace *new)
{
	struct pando_pidspace *old = rcu_dereference_protected(space, 1);
	u32 size = new ? pando_pidspace_size(new) : 0;

	rcu_assign_pointer(space, new);
	WRITE_ONCE(pando_locate_quick.limit, size - min(size, LOW_WATER(size)));
	WRITE_ONCE(pando_locate_quick.margin, min(size / 8, AT_ONCE));
	WRITE_ONCE(pando_locate_quick.run, 0);
	synchronize_rcu();
	/* who still looked at the old one is done */
	WRITE_ONCE(pando_locate_quick.run, 0);
	kvfree(old);
	/* what was asked for may have come: the next time it is asked at once */
	WRITE_ONCE(low_asked, jiffies - LOW_INTERVAL);
	/* some of those who are here may be ours now */
	atomic_set(&others, 0);
}

/* A directory entry of somebody else's number says nothing any more. */
static bool is_strange(struct pando_dir_entry *e, void *unused)
{
	return pando_locate_home(e->pid) != pando_nodes_self();
}

int pando_locate_leases(u16 self, u64 version, const u16 *map)
{
	struct pando_pidspace *new, *old;
	int err;

	old = rcu_dereference_protected(space, 1);
	if (old && version < old->version)
		return -ESTALE;
	new = kvmalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	err = pando_pidspace_set(new, self, version, map);
	if (err) {
		kvfree(new);
		return err;
	}
	/* another may be the home of what is here, and of what ends meanwhile */
	atomic_inc(&pando_free_gate);
	set_space(new);
	note_guest();
	atomic_dec(&pando_free_gate);
	queue_delayed_work(system_wq, &look_work, LOOK_INTERVAL);
	spin_lock_irq(&pando_locate_lock);
	pando_dir_purge(&pando_locate_dir, PANDO_DIR_AWAY, is_strange, NULL);
	spin_unlock_irq(&pando_locate_lock);
	return 0;
}

/* --- numbers for new tasks ------------------------------------------------ */

/* Has it gone elsewhere, or is it about to come? */
static bool has_moved(u32 pid)
{
	return pando_locate_is_kind(pid, PANDO_DIR_AWAY) ||
	       pando_locate_is_kind(pid, PANDO_DIR_RESERVED);
}

bool pando_locate_is_free(u32 pid)
{
	return is_mine(pid) && !has_moved(pid);
}

int pando_locate_may_use(u32 pid)
{
	if (pid < PANDO_LOCAL_PIDS || pid >= PANDO_PID_MAX ||
	    pando_locate_is_kind(pid, PANDO_DIR_RESERVED))
		return 0;
	return pando_locate_is_free(pid) ? 0 : -EEXIST;
}

u32 pando_locate_next(u32 from, u32 *tries)
{
	struct pando_pidspace *ps;
	u32 nr = 0;

	rcu_read_lock();
	ps = rcu_dereference(space);
	for (; ps && *tries < pando_pidspace_size(ps); from = nr + 1) {
		++*tries;
		nr = pando_pidspace_next(ps, from);
		if (!has_moved(nr))
			goto out;
	}
	nr = 0;
	queue_delayed_work(system_wq, &low_work, LOW_INTERVAL);
out:
	rcu_read_unlock();
	return nr;
}

void pando_locate_seek_run(u32 from)
{
	struct pando_pidspace *ps;
	u64 run;

	if (pando_locate_went_on(READ_ONCE(pando_locate_quick.run), from))
		return;
	rcu_read_lock();
	ps = rcu_dereference(space);
	spin_lock_irq(&pando_locate_lock);
	run = (u64)pando_locate_dir.shutting << 32;
	if (ps)
		run |= pando_pidspace_run(ps, from, pando_locate_dir.shut);
	WRITE_ONCE(pando_locate_quick.run, run);
	spin_unlock_irq(&pando_locate_lock);
	rcu_read_unlock();
}

void pando_locate_taken(u32 pid)
{
	if (pid < PANDO_LOCAL_PIDS)
		return;
	if (READ_ONCE(pando_locate_dir.count[PANDO_DIR_RESERVED])) {
		spin_lock_irq(&pando_locate_lock);
		pando_dir_mark(&pando_locate_dir, pid, PANDO_DIR_RESERVED, 0);
		spin_unlock_irq(&pando_locate_lock);
	}
	if (pando_locate_home(pid) == pando_nodes_self())
		check_low();
	else
		note_guest();
}

/* --- counts --------------------------------------------------------------------- */

void pando_locate_info(struct pando_locate_info *info)
{
	u16 self = pando_nodes_self();
	u32 most, nr = PANDO_LOCAL_PIDS;
	struct pid_namespace *ns;
	struct pando_pidspace *ps;
	struct pid *pid;

	memset(info, 0, sizeof(*info));
	info->away = READ_ONCE(pando_locate_dir.count[PANDO_DIR_AWAY]);
	rcu_read_lock();
	ns = pando_ns();
	ps = rcu_dereference(space);
	info->version = ps ? ps->version : 0;
	most = ps ? pando_pidspace_size(ps) : 0;
	while (ns && (pid = find_ge_pid(nr, ns))) {
		nr = pid_nr_ns(pid, ns);
		if (ps && pando_pidspace_home(ps, nr) == self)
			info->used++;
		else
			info->guests++;
		nr++;
	}
	rcu_read_unlock();
	info->used = min(most, info->used + info->away);
	info->free = most - info->used;
}

void pando_locate_lease_reset(void)
{
	set_space(NULL);
	cancel_delayed_work_sync(&low_work);
	cancel_delayed_work_sync(&look_work);
	spin_lock_irq(&pando_locate_lock);
	if (guests_noted)
		atomic_dec(&pando_free_gate);
	guests_noted = 0;
	spin_unlock_irq(&pando_locate_lock);
}
