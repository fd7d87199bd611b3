/* SPDX-License-Identifier: GPL-2.0-only */
/* The controlling terminal of a process that was restored here. */
#ifndef _PANDO_KIN_TTY_H
#define _PANDO_KIN_TTY_H

struct file;
struct task_struct;
struct tty_struct;

/*
 * The slave of a pty, open as @file, becomes the controlling terminal of @task's
 * process, which does not run yet: /dev/tty leads to it, and it shows in stat. Sleeps.
 *
 * Return: 0; -ENOTTY for what is no such slave; -EPERM when it is the terminal of
 * another session or group than the process's; -ESRCH when that has ended.
 */
int pando_kin_tty_set(struct task_struct *task, struct file *file);
/* None of them is looked after any more. Sleeps. */
void pando_kin_tty_reset(void);

/*
 * What stands here for a terminal elsewhere, if it is that of @task, which ends: with a
 * reference (tty_kref_put()), or NULL. Under tasklist_lock.
 */
struct tty_struct *pando_kin_tty_get(struct task_struct *task);

/*
 * What was written to it last, and the modes that were set, come before the word that
 * who did so has ended: waits until the daemons are done with it, which they are at once
 * when nobody has it open any more; bounded. Sleeps.
 */
void pando_kin_tty_settle(const struct tty_struct *tty);

#endif
