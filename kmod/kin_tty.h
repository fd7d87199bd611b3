/* SPDX-License-Identifier: GPL-2.0-only */
/* The controlling terminal of a process that was restored here. */
#ifndef _PANDO_KIN_TTY_H
#define _PANDO_KIN_TTY_H

struct file;
struct task_struct;

/*
 * The slave of a pty, open as @file, becomes the controlling terminal of @task's
 * process, which does not run yet: /dev/tty leads to it, and it shows in stat. Sleeps.
 *
 * Return: 0; -ENOTTY for what is no such slave; -EPERM when it is the terminal of
 * another session or group than the process's; -ESRCH when that has ended.
 */
int pando_kin_tty_set(struct task_struct *task, struct file *file);

#endif
