/* SPDX-License-Identifier: GPL-2.0-only */
/* The controlling terminal of a process that was restored here. */
#ifndef _PANDO_KIN_TTY_H
#define _PANDO_KIN_TTY_H

#include <linux/types.h>

struct file;
struct pid;
struct task_struct;
struct tty_struct;

/*
 * The slave of a pty, open as @file, becomes the controlling terminal of @task's
 * process, which does not run yet: /dev/tty leads to it, and it shows in stat. With
 * @node it stands for the terminal of session @sid there, is told who is in front of
 * that (kin_front.h), and the kernel does here what job control asks for. Sleeps.
 *
 * Return: 0; -ENOTTY for what is no such slave; -EPERM when it is the terminal of
 * another session than the process's; -ESRCH when that has ended.
 */
int pando_kin_tty_set(struct task_struct *task, struct file *file, u16 node, u32 sid);
/*
 * Group @pgid is in front of the terminal of session @sid of @node, unless a later @seq
 * has said otherwise. False: nothing stands for that here. Sleeps.
 */
bool pando_kin_tty_front(u16 node, u32 sid, u32 pgid, u64 seq);
/* A group may have its first member here. Sleeps. */
void pando_kin_tty_regrouped(void);
/**
 * pando_kin_tty_device - for others, the controlling terminal is what it was
 * @pid: of a thread of this node
 *
 * Context: process, sleeps.
 * Return: the device, where it is, of the terminal for which that of @pid stands, as
 * /proc/PID/stat has it; 0: it stands for none, or that is not known.
 */
u32 pando_kin_tty_device(struct pid *pid);
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
