// SPDX-License-Identifier: GPL-2.0-only
/* What a moved process has for a controlling terminal: see kin_tty.h. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/major.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>

#include "tasklist.h"
#include "kin_tty.h"

#define SETTLE_MS	1000	/* for a link between daemons that is slow */
#define SHARED_MS	30	/* while others have it open, and it does not end */

struct control {
	struct task_struct *task;
	struct tty_struct *tty, *old;
};

/*
 * A pty that controls a session here controls those of that session. One that stands
 * for a terminal elsewhere controls none, and belongs to the first group that comes: a
 * member of it then finds itself in front, and the kernel stops nobody. Who is of
 * another group is better off without: its reads would fail, as an orphan's do.
 */
static int control(void *arg)
{
	struct control *c = arg;
	struct task_struct *task = c->task;
	struct tty_struct *tty = c->tty;
	struct sighand_struct *sighand;
	bool mine;

	sighand = rcu_dereference_protected(task->sighand, 1);
	if (!sighand)
		return -ESRCH;
	spin_lock(&tty->ctrl.lock);
	if (!tty->ctrl.session && !tty->ctrl.pgrp)
		tty->ctrl.pgrp = get_pid(task_pgrp(task));
	mine = tty->ctrl.session ? tty->ctrl.session == task_session(task) :
				   tty->ctrl.pgrp == task_pgrp(task);
	spin_unlock(&tty->ctrl.lock);
	if (!mine)
		return -EPERM;
	spin_lock(&sighand->siglock);
	c->old = task->signal->tty;
	task->signal->tty = tty_kref_get(tty);
	spin_unlock(&sighand->siglock);
	return 0;
}

int pando_kin_tty_set(struct task_struct *task, struct file *file)
{
	const struct inode *inode = file_inode(file);
	struct tty_file_private *private = file->private_data;
	struct control c = { .task = task };
	int err;

	if (!S_ISCHR(inode->i_mode) || !private ||
	    imajor(inode) < UNIX98_PTY_SLAVE_MAJOR ||
	    imajor(inode) >= UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT)
		return -ENOTTY;
	/* the file is open, and so is its terminal */
	c.tty = private->tty;
	if (c.tty->driver->type != TTY_DRIVER_TYPE_PTY ||
	    c.tty->driver->subtype != PTY_TYPE_SLAVE)
		return -ENOTTY;
	err = pando_tasklist_run(control, &c);
	/* never the last reference: whoever opened it has one */
	tty_kref_put(c.old);
	return err;
}

struct tty_struct *pando_kin_tty_get(struct task_struct *task)
{
	struct tty_struct *tty = task->signal->tty;

	/* of those only we have made one such: it controls no session */
	if (!tty || tty->driver->type != TTY_DRIVER_TYPE_PTY || tty->ctrl.session ||
	    test_bit(TTY_HUPPED, &tty->flags))
		return NULL;
	return tty_kref_get(tty);
}

void pando_kin_tty_settle(const struct tty_struct *tty)
{
	unsigned long end = jiffies + msecs_to_jiffies(READ_ONCE(tty->count) ? SHARED_MS :
									       SETTLE_MS);

	/* set when the master is closed, which the daemon does last */
	while (!test_bit(TTY_OTHER_CLOSED, &tty->flags) && time_before(jiffies, end))
		usleep_range(500, 1000);
}
