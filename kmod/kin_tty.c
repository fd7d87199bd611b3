// SPDX-License-Identifier: GPL-2.0-only
/* What a moved process has for a controlling terminal: see kin_tty.h. */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/list.h>
#include <linux/major.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/workqueue.h>

#include <uapi/linux/pando.h>

#include "kin_front.h"
#include "kin_tty.h"
#include "ns.h"
#include "tasklist.h"

#define SETTLE_MS	1000	/* for a link between daemons that is slow */
#define SHARED_MS	30	/* while others have it open, and it does not end */
#define CLOSED_AFTER	HZ	/* to look which are closed */

/**
 * struct stand_in - a pty that stands for a terminal elsewhere
 * @list: of all of them
 * @tty: its slave, with a reference
 * @node: where the terminal is, and the leader of its session
 * @sid: that session
 * @group: of the first who has it
 * @pgid: the group in front there
 * @seq: of that word
 * @device: the terminal's there; 0: not known
 *
 * It controls no session: nobody here can put a group in front of it. The group in
 * front is that which is in front of the terminal itself, and by it the kernel
 * judges who may read, write and set modes, and stops who may not.
 *
 * By the session the kernel would find those who have it for their controlling
 * terminal when it is closed: that is left to us, or /dev/tty would lead them to
 * one that cannot be opened and does not say so.
 */
struct stand_in {
	struct list_head list;
	struct tty_struct *tty;
	u16 node;
	u32 sid;
	u32 group;
	u32 pgid;
	u64 seq;
	u32 device;
};

/* --- terminals that are no more ------------------------------------------------- */

static LIST_HEAD(stand_ins);	/* stand_ins_mutex */
static DEFINE_MUTEX(stand_ins_mutex);
static void closed_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(closed_work, closed_fn);

struct taking {
	struct tty_struct *tty;
	unsigned int n;
};

/* Under tasklist_lock: how many had it. */
static int take_from_all(void *arg)
{
	struct taking *t = arg;
	struct task_struct *p;

	for_each_process(p) {
		struct sighand_struct *sighand;

		if (READ_ONCE(p->signal->tty) != t->tty)
			continue;
		sighand = rcu_dereference_protected(p->sighand, 1);
		if (!sighand)
			continue;
		spin_lock(&sighand->siglock);
		if (p->signal->tty == t->tty) {
			p->signal->tty = NULL;
			t->n++;
		}
		spin_unlock(&sighand->siglock);
	}
	return 0;
}

static void stand_in_free(struct stand_in *s)
{
	list_del(&s->list);
	tty_kref_put(s->tty);
	kfree(s);
}

static void closed_fn(struct work_struct *work)
{
	struct stand_in *s, *next;

	mutex_lock(&stand_ins_mutex);
	list_for_each_entry_safe(s, next, &stand_ins, list) {
		struct taking t = { .tty = s->tty };

		if (!test_bit(TTY_OTHER_CLOSED, &s->tty->flags))
			continue;
		pando_tasklist_run(take_from_all, &t);
		while (t.n--)
			tty_kref_put(s->tty);
		stand_in_free(s);
	}
	if (!list_empty(&stand_ins))
		queue_delayed_work(system_unbound_wq, &closed_work,
				   CLOSED_AFTER);
	mutex_unlock(&stand_ins_mutex);
}

static struct stand_in *find(const struct tty_struct *tty)
{
	struct stand_in *s;

	list_for_each_entry(s, &stand_ins, list)
		if (s->tty == tty)
			return s;
	return NULL;
}

/* Is it new? */
static bool remember(struct tty_struct *tty, struct task_struct *task, u16 node, u32 sid)
{
	struct stand_in *s;
	bool new = false;

	mutex_lock(&stand_ins_mutex);
	if (find(tty))
		goto out;
	s = kzalloc(sizeof(*s), GFP_KERNEL | __GFP_NOFAIL);
	s->tty = tty_kref_get(tty);
	s->node = node;
	s->sid = sid;
	s->group = task_pgrp_nr_ns(task, pando_ns());
	list_add(&s->list, &stand_ins);
	queue_delayed_work(system_unbound_wq, &closed_work, CLOSED_AFTER);
	new = true;
out:
	mutex_unlock(&stand_ins_mutex);
	return new;
}

void pando_kin_tty_reset(void)
{
	struct stand_in *s, *next;

	cancel_delayed_work_sync(&closed_work);
	mutex_lock(&stand_ins_mutex);
	list_for_each_entry_safe(s, next, &stand_ins, list)
		stand_in_free(s);
	mutex_unlock(&stand_ins_mutex);
}

/* --- who is in front ------------------------------------------------------------ */

/*
 * A group without members here has no number here, and a node-local one means
 * somebody else: then it is the shell that is in front, or pando-init; at any rate
 * not who has this terminal.
 */
static struct pid *get_front(const struct stand_in *s)
{
	struct pid *pid = NULL;

	rcu_read_lock();
	if (s->pgid >= PANDO_LOCAL_PIDS)
		pid = find_pid_ns(s->pgid, pando_ns());
	if (!pid && s->sid >= PANDO_LOCAL_PIDS && s->sid != s->group)
		pid = find_pid_ns(s->sid, pando_ns());
	pid = get_pid(pid ?: find_pid_ns(1, pando_ns()));
	rcu_read_unlock();
	return pid;
}

/* @pid: a reference, which is consumed. */
static void set_front(struct tty_struct *tty, struct pid *pid)
{
	spin_lock_irq(&tty->ctrl.lock);
	/*
	 * One that is hung up has none, and will have none any more. Who has made
	 * it the terminal of a session of its own says who is in front.
	 */
	if (!test_bit(TTY_HUPPED, &tty->flags) && !tty->ctrl.session)
		swap(tty->ctrl.pgrp, pid);
	spin_unlock_irq(&tty->ctrl.lock);
	put_pid(pid);
}

bool pando_kin_tty_front(u16 node, u32 sid, u32 pgid, u64 seq)
{
	struct stand_in *s;
	bool any = false;

	mutex_lock(&stand_ins_mutex);
	list_for_each_entry(s, &stand_ins, list) {
		if (s->sid != sid || s->node != node)
			continue;
		any = true;
		if (s->seq >= seq)
			continue;
		s->seq = seq;
		s->pgid = pgid;
		set_front(s->tty, get_front(s));
	}
	mutex_unlock(&stand_ins_mutex);
	return any;
}

void pando_kin_tty_regrouped(void)
{
	struct stand_in *s;

	mutex_lock(&stand_ins_mutex);
	list_for_each_entry(s, &stand_ins, list)
		if (s->seq)
			set_front(s->tty, get_front(s));
	mutex_unlock(&stand_ins_mutex);
}

/* Before anybody has it; without an answer @task's group is in front for good. */
static void ask_front(struct tty_struct *tty, struct task_struct *task, u16 node, u32 sid)
{
	struct stand_in *s;
	u32 pgid, device;
	u64 seq;

	rcu_read_lock();
	set_front(tty, get_pid(task_pgrp(task)));
	rcu_read_unlock();
	if (pando_kin_front_ask(node, sid, &pgid, &seq, &device))
		return;
	pando_kin_tty_front(node, sid, pgid, seq);
	mutex_lock(&stand_ins_mutex);
	s = find(tty);
	if (s)
		s->device = device;
	mutex_unlock(&stand_ins_mutex);
}

u32 pando_kin_tty_device(struct pid *pid)
{
	struct task_struct *task;
	struct stand_in *s;
	u32 device = 0;

	mutex_lock(&stand_ins_mutex);
	rcu_read_lock();
	task = list_empty(&stand_ins) ? NULL : pid_task(pid, PIDTYPE_PID);
	s = task ? find(READ_ONCE(task->signal->tty)) : NULL;
	if (s)
		device = s->device;
	rcu_read_unlock();
	mutex_unlock(&stand_ins_mutex);
	return device;
}
EXPORT_SYMBOL_GPL(pando_kin_tty_device);

/* --- of one process ------------------------------------------------------------- */

struct control {
	struct task_struct *task;
	struct tty_struct *tty, *old;
	bool stands_in;
};

/*
 * A pty that controls a session here controls those of that session, and no others. One
 * that stands for a terminal elsewhere controls none.
 */
static int control(void *arg)
{
	struct control *c = arg;
	struct task_struct *task = c->task;
	struct tty_struct *tty = c->tty;
	struct sighand_struct *sighand;

	sighand = rcu_dereference_protected(task->sighand, 1);
	if (!sighand)
		return -ESRCH;
	if (c->stands_in ? !!tty->ctrl.session : tty->ctrl.session != task_session(task))
		return -EPERM;
	spin_lock(&sighand->siglock);
	c->old = task->signal->tty;
	task->signal->tty = tty_kref_get(tty);
	spin_unlock(&sighand->siglock);
	return 0;
}

int pando_kin_tty_set(struct task_struct *task, struct file *file, u16 node, u32 sid)
{
	const struct inode *inode = file_inode(file);
	struct tty_file_private *private = file->private_data;
	struct control c = { .task = task, .stands_in = node };
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
	if (node && c.tty->ctrl.session)
		return -EPERM;
	if (node && remember(c.tty, task, node, sid))
		ask_front(c.tty, task, node, sid);
	err = pando_tasklist_run(control, &c);
	/* was it closed just before, and nobody had it who could lose it? */
	if (node && !err)
		remember(c.tty, task, node, sid);
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
