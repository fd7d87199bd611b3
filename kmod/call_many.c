// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls on a group's or a user's processes, as far as they run here. The
 * kernel's own loops would take stubs for them, which have a priority and an
 * owner's permissions of no meaning; so each is asked by its number.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include <uapi/linux/pando.h>

#include "calls.h"
#include "locate.h"
#include "ns.h"

/*
 * A signal was sent if it was for one of them; if for none, that somebody was
 * not to be touched tells more than that nobody was there.
 */
long pando_call_merge_any(long a, long b)
{
	if (!a || !b)
		return 0;
	return a == -ESRCH ? b : a;
}

/* What failed for one has no say. */
long pando_call_merge_max(long a, long b)
{
	return a < 0 && b < 0 ? pando_call_merge_any(a, b) : max(a, b);
}

long pando_call_merge_min(long a, long b)
{
	return a < 0 || b < 0 ? pando_call_merge_max(a, b) : min(a, b);
}

/* It has to be done for all. */
long pando_call_merge_all(long a, long b)
{
	return b == -ESRCH || (!b && a != -ESRCH) ? a : b;
}

/** struct crowd - thread numbers; @n of them, of which the first @room are kept */
struct crowd {
	u32 *pids;
	u32 n, room;
};

static void join(struct crowd *c, struct task_struct *t)
{
	u32 tgid = task_tgid_nr_ns(t, pando_ns());

	if (tgid < PANDO_LOCAL_PIDS || !pando_locate_is_settled(tgid))
		return;
	if (c->n < c->room)
		c->pids[c->n] = task_pid_nr_ns(t, pando_ns());
	c->n++;
}

static void gather(struct crowd *c, enum pando_whom whom, u32 id)
{
	kuid_t uid = make_kuid(&init_user_ns, id);
	struct task_struct *g, *t;
	struct pid *pgrp;

	c->n = 0;
	rcu_read_lock();
	if (whom == PANDO_WHOM_GROUP) {
		pgrp = find_pid_ns(id, pando_ns());
		do_each_pid_thread(pgrp, PIDTYPE_PGID, t) {
			join(c, t);
		} while_each_pid_thread(pgrp, PIDTYPE_PGID, t);
	} else {
		for_each_process_thread(g, t)
			if (uid_eq(task_uid(t), uid))
				join(c, t);
	}
	rcu_read_unlock();
}

/* Whoever is forked while we count them is not among them. */
#define SPARE	16

long pando_call_each(const struct pando_call_row *row,
		     const struct pando_call_in *in)
{
	struct pando_wire_call msg = *in->msg;
	struct pando_call_in one = *in;
	struct crowd c = {};
	long ret = -ESRCH;
	u32 i;

	gather(&c, le32_to_cpu(msg.whom), le32_to_cpu(msg.pid));
	c.room = c.n + SPARE;
	c.pids = kvmalloc_array(c.room, sizeof(*c.pids), GFP_KERNEL);
	if (!c.pids)
		return -ENOMEM;
	gather(&c, le32_to_cpu(msg.whom), le32_to_cpu(msg.pid));
	one.msg = &msg;
	for (i = 0; i < min(c.n, c.room); i++) {
		msg.pid = cpu_to_le32(c.pids[i]);
		ret = row->merge(ret, row->exec(&one));
	}
	kvfree(c.pids);
	return ret;
}
