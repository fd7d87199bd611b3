// SPDX-License-Identifier: GPL-2.0-only
/* What processes have used, here and before they came: see kin_usage.h. */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/resource.h>
#include <linux/sched/mm.h>
#include <linux/sched/prio.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_io_accounting_ops.h>
#include <linux/task_work.h>
#include <linux/uidgid.h>

#include "kin_usage.h"

/* All of both are words of 64 bits, in the same order. */
#define WORDS	(sizeof(struct pando_rusage) / sizeof(u64))

static_assert(sizeof(struct pando_wire_rusage) == sizeof(struct pando_rusage));

static void to_wire(struct pando_wire_rusage *wire, const struct pando_rusage *r)
{
	const u64 *from = (const u64 *)r;
	__le64 *to = (__le64 *)wire;
	int i;

	for (i = 0; i < WORDS; i++)
		to[i] = cpu_to_le64(from[i]);
}

static void from_wire(struct pando_rusage *r, const struct pando_wire_rusage *wire)
{
	const __le64 *from = (const __le64 *)wire;
	u64 *to = (u64 *)r;
	int i;

	for (i = 0; i < WORDS; i++)
		to[i] = le64_to_cpu(from[i]);
}

/* What its group keeps of it, and of its children; of its threads only those that ended. */
static void read_group(struct signal_struct *sig, struct pando_rusage *self,
		       struct pando_rusage *children)
{
	*self = (struct pando_rusage){
		.utime_ns = sig->utime, .stime_ns = sig->stime,
		.minflt = sig->min_flt, .majflt = sig->maj_flt,
		.nvcsw = sig->nvcsw, .nivcsw = sig->nivcsw,
		.inblock = sig->inblock, .oublock = sig->oublock,
		.maxrss = sig->maxrss,
	};
	*children = (struct pando_rusage){
		.utime_ns = sig->cutime, .stime_ns = sig->cstime,
		.minflt = sig->cmin_flt, .majflt = sig->cmaj_flt,
		.nvcsw = sig->cnvcsw, .nivcsw = sig->cnivcsw,
		.inblock = sig->cinblock, .oublock = sig->coublock,
		.maxrss = sig->cmaxrss,
	};
}

static void add_thread(struct pando_rusage *self, const struct task_struct *t)
{
	self->minflt += t->min_flt;
	self->majflt += t->maj_flt;
	self->nvcsw += t->nvcsw;
	self->nivcsw += t->nivcsw;
	self->inblock += task_io_get_inblock(t);
	self->oublock += task_io_get_oublock(t);
}

/* Ticks are coarse: as the kernel, we scale them to the exact sum. */
static void scale(struct pando_rusage *self, u64 runtime)
{
	u64 ticks = self->utime_ns + self->stime_ns;

	if (ticks)
		self->stime_ns = mul_u64_u64_div_u64(self->stime_ns, runtime, ticks);
	self->utime_ns = runtime - self->stime_ns;
}

/* Another node says so; the kernel divides by sums of them. */
static u64 sane(u64 ns)
{
	return min_t(u64, ns, S64_MAX / 8);
}

static void add_group(struct signal_struct *sig, const struct pando_rusage *self,
		      const struct pando_rusage *children)
{
	u64 utime = sane(self->utime_ns), stime = sane(self->stime_ns);
	unsigned long flags;

	write_seqlock_irqsave(&sig->stats_lock, flags);
	sig->utime += utime;
	sig->stime += stime;
	sig->sum_sched_runtime += utime + stime;
	sig->min_flt += self->minflt;
	sig->maj_flt += self->majflt;
	sig->nvcsw += self->nvcsw;
	sig->nivcsw += self->nivcsw;
	sig->inblock += self->inblock;
	sig->oublock += self->oublock;
	sig->maxrss = max_t(u64, sig->maxrss, self->maxrss);
	sig->cutime += sane(children->utime_ns);
	sig->cstime += sane(children->stime_ns);
	sig->cmin_flt += children->minflt;
	sig->cmaj_flt += children->majflt;
	sig->cnvcsw += children->nvcsw;
	sig->cnivcsw += children->nivcsw;
	sig->cinblock += children->inblock;
	sig->coublock += children->oublock;
	sig->cmaxrss = max_t(u64, sig->cmaxrss, children->maxrss);
	write_sequnlock_irqrestore(&sig->stats_lock, flags);
}

/* --- of one that moves ------------------------------------------------------------- */

void pando_kin_usage_read(struct task_struct *task, struct pando_rusage *self,
			  struct pando_rusage *children)
{
	struct mm_struct *mm = get_task_mm(task);
	struct signal_struct *sig = task->signal;
	u64 runtime = sig->sum_sched_runtime;
	struct task_struct *t;

	read_group(sig, self, children);
	if (mm) {
		self->maxrss = max_t(u64, self->maxrss, get_mm_hiwater_rss(mm));
		mmput(mm);
	}
	rcu_read_lock();
	for_each_thread(task, t) {
		self->utime_ns += t->utime;
		self->stime_ns += t->stime;
		runtime += t->se.sum_exec_runtime;
		add_thread(self, t);
	}
	rcu_read_unlock();
	scale(self, max(runtime, sig->utime + sig->stime));
}

void pando_kin_usage_carry(struct task_struct *task, const struct pando_rusage *self,
			   const struct pando_rusage *children)
{
	struct mm_struct *mm = get_task_mm(task);

	add_group(task->signal, self, children);
	/* who has made it was larger, perhaps */
	task->signal->maxrss = self->maxrss;
	if (mm) {
		mmap_write_lock(mm);
		reset_mm_hiwater_rss(mm);
		mmap_write_unlock(mm);
		mmput(mm);
	}
}

/* --- of one that ended -------------------------------------------------------------- */

void pando_kin_usage_get(struct pando_wire_kin_event *ev, struct task_struct *t)
{
	struct signal_struct *sig = t->signal;
	struct pando_rusage self, children;
	int i;

	read_group(sig, &self, &children);
	self.utime_ns += t->utime;
	self.stime_ns += t->stime;
	add_thread(&self, t);
	scale(&self, max(t->se.sum_exec_runtime + sig->sum_sched_runtime,
			 sig->utime + sig->stime));
	ev->what = cpu_to_le32(PANDO_KIN_EXIT);
	ev->status = cpu_to_le32(sig->flags & SIGNAL_GROUP_EXIT ?
				 sig->group_exit_code : t->exit_code);
	to_wire(&ev->self, &self);
	to_wire(&ev->children, &children);
	ev->nice = cpu_to_le32(task_nice(t->group_leader));
	strscpy(ev->comm, t->group_leader->comm, sizeof(ev->comm));
	ev->uid = cpu_to_le32(pando_kin_user_of(t));
	if (!(t->group_leader->flags & PF_FORKNOEXEC))
		ev->flags = cpu_to_le32(PANDO_KIN_EXEC);
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
	struct pando_rusage self, children;

	from_wire(&self, &ev->self);
	from_wire(&children, &ev->children);
	add_group(t->signal, &self, &children);
	take_name(t, ev);
	take_limits(t, ev);
	pando_kin_user_set(t, le32_to_cpu(ev->uid));
}
