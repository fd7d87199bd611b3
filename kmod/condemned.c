// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that count as dead, since their node was lost and who waited for them
 * has been told so: should they be back, they are killed. See condemned.h.
 */
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "condemned.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "recover.h"

#define AGAIN		HZ
/* Its home hears of a process from all nodes, but not from all at once. */
#define MISSES_MAX	5

/**
 * struct condemned - a process that counts as dead, should its node come back
 * @list: of all of them
 * @pid: its number
 * @node: where it was last known to be; it may have moved on since
 * @incarnation: of that node; 0: not known
 * @misses: how often all were there who may have it, and nobody had
 */
struct condemned {
	struct list_head list;
	u32 pid;
	u16 node;
	u64 incarnation;
	unsigned int misses;
};

static LIST_HEAD(condemned);	/* mutex */
static DEFINE_MUTEX(mutex);
static void work_fn(struct work_struct *unused);
static DECLARE_DELAYED_WORK(work, work_fn);

void pando_condemn(u32 pid, u16 node, u64 incarnation)
{
	struct condemned *c = kmalloc(sizeof(*c), GFP_KERNEL | __GFP_NOFAIL);

	c->pid = pid;
	c->node = node;
	c->incarnation = incarnation;
	c->misses = 0;
	mutex_lock(&mutex);
	list_add(&c->list, &condemned);
	mutex_unlock(&mutex);
	/* the view in which it can be found may stand already */
	mod_delayed_work(system_unbound_wq, &work, 0);
}

/* Only who knows us as its stub's node: the number may be another's by now. */
static int kill_condemned(const struct condemned *c)
{
	struct pando_wire_kin_signal msg = {
		.pid = cpu_to_le32(c->pid),
		.flags = cpu_to_le32(PANDO_KIN_HELD),
		.signo = cpu_to_le32(SIGKILL),
	};
	u64 now = pando_nodes_incarnation_of(c->node);
	bool here;
	int err;

	err = pando_locate_call(c->pid, PANDO_MSG_KIN_SIGNAL,
				&(struct kvec){ &msg, sizeof(msg) }, 1, NULL, 0,
				NULL, &here);
	if (!here)
		return err;
	/* who did not come from elsewhere, or after its node came back empty, is new */
	if (!pando_locate_has_arrived(c->pid) ||
	    (now && c->incarnation && now != c->incarnation))
		return -EEXIST;
	pando_kin_kill(c->pid, SIGKILL);
	return 0;
}

/*
 * Was it killed, or is there nothing to kill? It need not be where it was last
 * known to be: while somebody is missing it may be there, and the next view is
 * waited for.
 */
static bool is_executed(struct condemned *c, bool *again)
{
	int err = kill_condemned(c);

	if (!err || err == -ENOTCONN)
		return true;
	if (err == -ESRCH && !pando_recover_is_complete())
		return false;
	if ((err == -ESRCH || err == -EEXIST) && ++c->misses == MISSES_MAX)
		return true;
	*again = true;
	return false;
}

/* What is told in vain is told again: somebody has been told that it died. */
static void work_fn(struct work_struct *unused)
{
	struct condemned *c, *next;
	bool again = false;
	LIST_HEAD(all);

	mutex_lock(&mutex);
	list_splice_init(&condemned, &all);
	mutex_unlock(&mutex);
	list_for_each_entry_safe(c, next, &all, list) {
		if (!is_executed(c, &again))
			continue;
		list_del(&c->list);
		kfree(c);
	}
	mutex_lock(&mutex);
	list_splice(&all, &condemned);
	mutex_unlock(&mutex);
	if (again)
		queue_delayed_work(system_unbound_wq, &work, AGAIN);
}

void pando_condemned_members(void)
{
	mod_delayed_work(system_unbound_wq, &work, 0);
}

void pando_condemned_reset(void)
{
	struct condemned *c, *next;

	cancel_delayed_work_sync(&work);
	mutex_lock(&mutex);
	list_for_each_entry_safe(c, next, &condemned, list) {
		list_del(&c->list);
		kfree(c);
	}
	mutex_unlock(&mutex);
}
