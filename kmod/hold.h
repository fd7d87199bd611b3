/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals to a process that moves. From the moment it is described until it is
 * decided where it lives, nothing may end it, and what is sent to it must
 * arrive once:
 *
 *	the original	is not stopped any more, nor let go on, before criu takes
 *			hold of it. Then it stands still, so signals wait in its own
 *			queues, all but those, SIGKILL and what is sent to many, which
 *			are held back; once the cluster decides, all are. Called off: it
 *			gets them.
 *			Committed: those that do not travel with it follow it.
 *	the copy	is held by criu, which must not lose it: SIGKILL and SIGSTOP
 *			wait until it runs.
 *
 * What the kernel itself kills (for want of memory, a whole control group) is
 * killed, and so is what movers and criu kill.
 */
#ifndef _PANDO_HOLD_H
#define _PANDO_HOLD_H

#include <linux/atomic.h>
#include <linux/pid.h>
#include <linux/signal_types.h>
#include <linux/types.h>

#include <uapi/linux/pando.h>

struct file;
struct task_struct;

/* How many are held: zero is the short way through the hook. */
extern atomic_t pando_hold_count;

static inline bool pando_hold_any(void)
{
	return unlikely(atomic_read(&pando_hold_count));
}

/*
 * Under @task's siglock. 0: send it; 1: it is held; -EAGAIN: too many are.
 */
int pando_hold_signal(int sig, struct kernel_siginfo *info,
		      struct task_struct *task, enum pid_type type);

/* Is @task a copy of which it is not decided that it lives? Any context. */
bool pando_hold_is_copy(const struct task_struct *task);

/*
 * Does one come of the group @pgid, or one that has not been put into its own group yet?
 * Any context.
 */
bool pando_hold_comes(u32 pgid);

/* Is it to move, and stands still or is about to? Any context. */
bool pando_hold_has(const struct task_struct *task);

/* --- for the helpers of a move; process context ------------------------------ */

int pando_hold_begin(struct file *owner, const struct pando_hold *args);
/* What @owner holds stays so when it is closed: the cluster decides now. */
void pando_hold_stay(struct file *owner);
/* A file is closed. */
void pando_hold_drop(struct file *owner);
/* It is decided, and acted upon. */
void pando_hold_let(u64 move);

/* A move was committed: what waits for @pid follows it to @to. Process context. */
void pando_hold_moved(u32 pid, u16 to);

void pando_hold_reset(void);	/* DETACH, and unload */

#endif
