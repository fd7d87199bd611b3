// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal that a serving thread sends for a process of another node carries
 * that process's siginfo. The thread calls the ordinary system call, so that
 * the kernel's own permission checks decide; where the signal is about to be
 * queued (send_signal_locked()) its siginfo is replaced. Its callers are not
 * hooked instead: compilers inline them into each other as they like. Here, too,
 * signals to stubs are turned to where their processes are, and those to a
 * process that moves are kept for it.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "hold.h"
#include "hooks.h"
#include "locate.h"
#include "ns.h"
#include "occasion.h"
#include "orphan.h"
#include "serve.h"
#include "stub.h"

PANDO_HOOK(int, hook_send_signal_locked, int sig, struct kernel_siginfo *info,
	   struct task_struct *task, enum pid_type type);

int pando_signal_original(int sig, struct kernel_siginfo *info,
			  struct task_struct *task, enum pid_type type)
{
	return pando_hook_original(hook_send_signal_locked)(sig, info, task,
							    type);
}

/*
 * kill(-1) means the processes of the cluster: not the tools around the
 * namespace on this node, no more than those on others.
 */
static bool is_spared(struct task_struct *task, enum pid_type type)
{
	return type == PIDTYPE_MAX && in_task() && pando_ns_has_current() &&
	       pando_ns_is_local(task);
}

/*
 * Is a signal to many not for it? A copy of which it is not decided that it lives is met
 * where it comes from; and who has come here meanwhile may have got it on the way.
 */
static bool is_met_elsewhere(struct task_struct *task)
{
	struct pid_namespace *ns = pando_ns();
	u32 pid = ns ? task_tgid_nr_ns(task, ns) : 0;

	if (pid < PANDO_LOCAL_PIDS)
		return false;
	if (pando_locate_is_reserved(pid) || pando_hold_is_copy(task)) {
		pando_occasion_pass_over();
		return true;
	}
	return !pando_occasion_is_first(pid, pando_occasion_current());
}

/* Under the receiver's siglock, interrupts off. */
static int hook_send_signal_locked(int sig, struct kernel_siginfo *info,
				   struct task_struct *task, enum pid_type type)
{
	struct pando_server *server;
	int ret;

	pando_hook_enter();
	if (unlikely(is_spared(task, type) || pando_orphan_holds_back(sig, info, task, type)) ||
	    (pando_stub_any() && pando_stub_signal(sig, info, task, type))) {
		ret = 0;
		goto out;
	}
	if ((type == PIDTYPE_PGID || (type == PIDTYPE_MAX && info != SEND_SIG_PRIV)) &&
	    is_met_elsewhere(task)) {
		ret = 0;
		goto out;
	}
	/* an interrupt may send signals too, on nobody's behalf */
	if (in_task() && unlikely(pando_ns_current_is_init())) {
		server = pando_server_current();
		if (server && server->info)
			info = server->info;
	}
	if (pando_hold_any()) {
		ret = pando_hold_signal(sig, info, task, type);
		if (ret) {
			ret = min(ret, 0);
			goto out;
		}
	}
	ret = pando_signal_original(sig, info, task, type);
	if (pando_stub_any())
		pando_stub_sent(task);
out:
	pando_hook_leave();
	return ret;
}

struct pando_hook pando_signal_hooks[] = {
	PANDO_HOOK_ROW("send_signal_locked", hook_send_signal_locked),
};

const int pando_signal_nhooks = ARRAY_SIZE(pando_signal_hooks);
