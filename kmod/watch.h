/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting for the end of a process that runs elsewhere, on behalf of pidfds.
 * This node is among the holders of the process (kin.h), as if it had a stub
 * of it, and so is told; a node that is lost takes its processes along.
 *
 * A pidfd that was opened while the process was here hangs on a struct pid
 * that nobody has any more when the process has left: such a one is watched,
 * too, and what the kernel would say of it (that it has ended) is not so.
 */
#ifndef _PANDO_WATCH_H
#define _PANDO_WATCH_H

#include <linux/types.h>
#include <linux/wait.h>

struct pando_watch;
struct pid;
struct task_struct;

/*
 * Of a number that lives: one for all who ask, with a reference. NULL: no
 * memory. Process context.
 */
struct pando_watch *pando_watch_get(u32 pid);
/* Any context. */
void pando_watch_put(struct pando_watch *w);
/* The process was found on @node, and that node tells us. Any context. */
void pando_watch_found(struct pando_watch *w, u16 node);
/* Has it ended? @wait: woken when it does. */
bool pando_watch_has_ended(const struct pando_watch *w);
wait_queue_head_t *pando_watch_wait(struct pando_watch *w);

/* Is the number watched here? Any context. */
bool pando_watch_has(u32 pid);
/* The process @pid has ended. Any context. */
void pando_watch_end(u32 pid);
/* It was moved to @to. Process context. */
void pando_watch_moved(u32 pid, u16 to);
/* The view stands: our interest is made known again. Any context. */
void pando_watch_announce(void);

/*
 * @task, which has the number @nr, ends here, but the process goes on, on
 * @where. Process context.
 */
void pando_watch_leave(u32 nr, struct task_struct *task, u16 where);
/* Did it leave, and has not ended? Then its number, else 0. Any context. */
u32 pando_watch_left(struct pid *pid);

u32 pando_watch_count(void);
void pando_watch_reset(void);	/* DETACH; all have ended as far as we know */
int pando_watch_init(void);
void pando_watch_exit(void);

#endif
