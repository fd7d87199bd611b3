// SPDX-License-Identifier: GPL-2.0-only
/* What is left of one that ended elsewhere: see kin_usage.h. */
#include <linux/cred.h>
#include <linux/resource.h>
#include <linux/sched/prio.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_io_accounting_ops.h>
#include <linux/task_work.h>
#include <linux/uidgid.h>

#include "kin_usage.h"

void pando_kin_usage_get(struct pando_wire_kin_event *ev, struct task_struct *t)
{
	struct pando_wire_rusage *self = &ev->self, *c = &ev->children;
	struct signal_struct *sig = t->signal;
	u64 utime = t->utime + sig->utime, stime = t->stime + sig->stime;
	u64 runtime;
	int i;

	/* ticks are coarse: as the kernel, we scale them to the exact sum */
	runtime = max(t->se.sum_exec_runtime + sig->sum_sched_runtime,
		      sig->utime + sig->stime);
	if (utime + stime)
		stime = mul_u64_u64_div_u64(stime, runtime, utime + stime);
	utime = runtime - stime;
	ev->what = cpu_to_le32(PANDO_KIN_EXIT);
	ev->status = cpu_to_le32(sig->flags & SIGNAL_GROUP_EXIT ?
				 sig->group_exit_code : t->exit_code);
	self->utime = cpu_to_le64(utime);
	self->stime = cpu_to_le64(stime);
	self->minflt = cpu_to_le64(t->min_flt + sig->min_flt);
	self->majflt = cpu_to_le64(t->maj_flt + sig->maj_flt);
	self->nvcsw = cpu_to_le64(t->nvcsw + sig->nvcsw);
	self->nivcsw = cpu_to_le64(t->nivcsw + sig->nivcsw);
	self->inblock = cpu_to_le64(task_io_get_inblock(t) + sig->inblock);
	self->oublock = cpu_to_le64(task_io_get_oublock(t) + sig->oublock);
	self->maxrss = cpu_to_le64(sig->maxrss);
	c->utime = cpu_to_le64(sig->cutime);
	c->stime = cpu_to_le64(sig->cstime);
	c->minflt = cpu_to_le64(sig->cmin_flt);
	c->majflt = cpu_to_le64(sig->cmaj_flt);
	c->nvcsw = cpu_to_le64(sig->cnvcsw);
	c->nivcsw = cpu_to_le64(sig->cnivcsw);
	c->inblock = cpu_to_le64(sig->cinblock);
	c->oublock = cpu_to_le64(sig->coublock);
	c->maxrss = cpu_to_le64(sig->cmaxrss);
	ev->nice = cpu_to_le32(task_nice(t->group_leader));
	strscpy(ev->comm, t->group_leader->comm, sizeof(ev->comm));
	ev->uid = cpu_to_le32(pando_kin_user_of(t));
	BUILD_BUG_ON(ARRAY_SIZE(ev->limit) != RLIM_NLIMITS);
	/* it is dead: nobody changes them any more */
	for (i = 0; i < RLIM_NLIMITS; i++) {
		ev->limit[i][0] = cpu_to_le64(sig->rlim[i].rlim_cur);
		ev->limit[i][1] = cpu_to_le64(sig->rlim[i].rlim_max);
	}
}

/* A zombie is seen in /proc: the name of a stub is nothing to its parent. */
static void take_name(struct task_struct *t, const struct pando_wire_kin_event *ev)
{
	int nice = le32_to_cpu(ev->nice);

	if (!ev->comm[0])
		return;
	task_lock(t);
	strscpy_pad(t->comm, ev->comm, sizeof(t->comm));
	task_unlock(t);
	set_user_nice(t, clamp(nice, MIN_NICE, MAX_NICE));
}

static void take_limits(struct task_struct *t, const struct pando_wire_kin_event *ev)
{
	int i;

	if (!ev->comm[0])
		return;
	task_lock(t->group_leader);
	for (i = 0; i < RLIM_NLIMITS; i++) {
		t->signal->rlim[i].rlim_cur = le64_to_cpu(ev->limit[i][0]);
		t->signal->rlim[i].rlim_max = le64_to_cpu(ev->limit[i][1]);
	}
	task_unlock(t->group_leader);
}

/* --- its user, which its parent sees in siginfo ------------------------------------ */

/** struct user - @uid: that a stub is to have; @work: of the stub's own */
struct user {
	struct callback_head work;
	kuid_t uid;
};

u32 pando_kin_user_of(struct task_struct *t)
{
	u32 uid;

	rcu_read_lock();
	uid = from_kuid(&init_user_ns, task_uid(t));
	rcu_read_unlock();
	return uid;
}

/* In the stub, before it acts upon a signal, or at its end: only it may do that. */
static void take_user(struct callback_head *work)
{
	struct user *u = container_of(work, struct user, work);
	struct cred *new = prepare_creds();

	if (new) {
		new->uid = u->uid;
		commit_creds(new);
	}
	kfree(u);
}

void pando_kin_user_set(struct task_struct *stub, u32 uid)
{
	kuid_t kuid = make_kuid(&init_user_ns, uid);
	struct user *u;

	if (!uid_valid(kuid) || pando_kin_user_of(stub) == uid)
		return;
	u = kmalloc(sizeof(*u), GFP_KERNEL);
	if (!u)
		return;
	u->uid = kuid;
	init_task_work(&u->work, take_user);
	if (task_work_add(stub, &u->work, TWA_SIGNAL))
		kfree(u);
}

void pando_kin_usage_add(struct task_struct *t, const struct pando_wire_kin_event *ev)
{
	struct signal_struct *sig = t->signal;
	const struct pando_wire_rusage *self = &ev->self, *children = &ev->children;
	unsigned long flags;

	write_seqlock_irqsave(&sig->stats_lock, flags);
	sig->utime += le64_to_cpu(self->utime);
	sig->stime += le64_to_cpu(self->stime);
	sig->sum_sched_runtime += le64_to_cpu(self->utime) +
				  le64_to_cpu(self->stime);
	sig->min_flt += le64_to_cpu(self->minflt);
	sig->maj_flt += le64_to_cpu(self->majflt);
	sig->nvcsw += le64_to_cpu(self->nvcsw);
	sig->nivcsw += le64_to_cpu(self->nivcsw);
	sig->inblock += le64_to_cpu(self->inblock);
	sig->oublock += le64_to_cpu(self->oublock);
	sig->maxrss = le64_to_cpu(self->maxrss);
	sig->cutime += le64_to_cpu(children->utime);
	sig->cstime += le64_to_cpu(children->stime);
	sig->cmin_flt += le64_to_cpu(children->minflt);
	sig->cmaj_flt += le64_to_cpu(children->majflt);
	sig->cnvcsw += le64_to_cpu(children->nvcsw);
	sig->cnivcsw += le64_to_cpu(children->nivcsw);
	sig->cinblock += le64_to_cpu(children->inblock);
	sig->coublock += le64_to_cpu(children->oublock);
	sig->cmaxrss = le64_to_cpu(children->maxrss);
	write_sequnlock_irqrestore(&sig->stats_lock, flags);
	take_name(t, ev);
	take_limits(t, ev);
	pando_kin_user_set(t, le32_to_cpu(ev->uid));
}
