// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the kernel tells parents and groups, other nodes are told too: a
 * process's end (do_notify_parent), a terminal's signal to a group
 * (kill_pgrp), who is in front of a terminal (tty_jobctrl_ioctl). And a stub
 * is stopped by the signal that stopped its process: the tracepoint in
 * get_signal() hands out what the kernel acts upon. Another says when a stub has
 * no number any more.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/tty.h>
#include <linux/tracepoint.h>

#include "hooks.h"
#include "kin.h"
#include "kin_front.h"
#include "ns.h"
#include "occasion.h"
#include "orphan.h"
#include "stub.h"

PANDO_HOOK_GATED(pando_stub_gate, pando_kin_nspread, bool, hook_do_notify_parent,
		 struct task_struct *task, int sig);
PANDO_HOOK(int, hook_kill_pgrp, struct pid *pgrp, int sig, int priv);
PANDO_HOOK(long, hook_tty_jobctrl_ioctl, struct tty_struct *tty, struct tty_struct *real_tty,
	   struct file *file, unsigned int cmd, unsigned long arg);

/* Under tasklist_lock held for writing, interrupts off. */
static bool hook_do_notify_parent(struct task_struct *task, int sig)
{
	bool whole = thread_group_leader(task) && thread_group_empty(task);
	bool ended, ret;

	pando_hook_enter();
	/* not one that was dead before, and whose parent goes now */
	if (whole && (same_thread_group(task, current) || task->ptrace))
		pando_orphan_died(task);
	if (whole && pando_stub_any()) {
		/* of a stub whose new parent is elsewhere only we can tell (reaper.h) */
		if (!pando_stub_died(task, &ended) ||
		    (ended && pando_kin_has(task_tgid_nr_ns(task, pando_ns()))))
			pando_kin_died(task);
	}
	ret = pando_hook_original(hook_do_notify_parent)(task, sig);
	pando_hook_leave();
	return ret;
}

static int hook_kill_pgrp(struct pid *pgrp, int sig, int priv)
{
	struct pando_occasion o;
	u32 pgid;
	int ret;

	pando_hook_enter();
	pando_occasion_begin(&o, pando_occasion_new());
	ret = pando_hook_original(hook_kill_pgrp)(pgrp, sig, priv);
	pando_occasion_end(&o);
	pgid = sig ? pando_kin_spread_group(pgrp, o.passed_over) : 0;
	if (unlikely(pgid))
		pando_kin_signal_group(pgid, sig, o.id);
	pando_hook_leave();
	return ret;
}

void pando_kin_kill_pgrp(struct pid *pgrp, int sig)
{
	pando_hook_original(hook_kill_pgrp)(pgrp, sig, 1);
}

static long hook_tty_jobctrl_ioctl(struct tty_struct *tty, struct tty_struct *real_tty,
				   struct file *file, unsigned int cmd, unsigned long arg)
{
	long ret;

	pando_hook_enter();
	ret = pando_hook_original(hook_tty_jobctrl_ioctl)(tty, real_tty, file, cmd, arg);
	if (!ret && cmd == TIOCSPGRP && unlikely(atomic_read(&pando_kin_fronts)))
		pando_kin_front_changed();
	pando_hook_leave();
	return ret;
}

struct pando_hook pando_kin_hooks[] = {
	PANDO_HOOK_ROW("do_notify_parent", hook_do_notify_parent),
	PANDO_HOOK_ROW("kill_pgrp", hook_kill_pgrp),
	PANDO_HOOK_ROW("tty_jobctrl_ioctl", hook_tty_jobctrl_ioctl),
};

const int pando_kin_nhooks = ARRAY_SIZE(pando_kin_hooks);

/* --- the tracepoint ------------------------------------------------------------- */

static struct tracepoint *signal_deliver, *process_free;

static void probe_deliver(void *unused, int sig, struct kernel_siginfo *info,
			  struct k_sigaction *ka)
{
	pando_stub_delivered(sig, info);
}

static void probe_free(void *unused, struct task_struct *task)
{
	pando_stub_freed(task);
}

static void look_at(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "sched_process_free"))
		process_free = tp;
	if (!strcmp(tp->name, "signal_deliver"))
		signal_deliver = tp;
}

int pando_kin_hooks_init(void)
{
	int err;

	for_each_kernel_tracepoint(look_at, NULL);
	if (!signal_deliver || !process_free) {
		pr_err("pando: this kernel has no tracepoint %s\n",
		       signal_deliver ? "sched_process_free" : "signal_deliver");
		return -ENOENT;
	}
	err = tracepoint_probe_register(signal_deliver, probe_deliver, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(process_free, probe_free, NULL);
	if (err) {
		tracepoint_probe_unregister(signal_deliver, probe_deliver, NULL);
		tracepoint_synchronize_unregister();
	}
	return err;
}

void pando_kin_hooks_exit(void)
{
	tracepoint_probe_unregister(process_free, probe_free, NULL);
	tracepoint_probe_unregister(signal_deliver, probe_deliver, NULL);
	tracepoint_synchronize_unregister();
}
