/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes of who is whose parent, in which group, in which session, and of
 * whose number is whose: what the kernel does in fork, setpgid, setsid, exec
 * and exit, done here to tasks that stand for each other. All of it happens
 * under tasklist_lock, so nobody sees a half of it.
 */
#ifndef _PANDO_RELATION_H
#define _PANDO_RELATION_H

#include <linux/types.h>

struct task_struct;
struct pid;

/**
 * pando_relation_swap - a stub takes the place of a process
 * @body: leader of the process; it is stopped
 * @stub: a process of one thread that nobody waits for but its maker
 *
 * They exchange numbers, so everybody's struct pid, pidfd and wait goes on with
 * the stub; the stub gets the body's parent, children, group, session and
 * terminal, stands stopped for the parent if the body does, and the body
 * becomes a child of the stub's maker. Sleeps.
 *
 * Return: 0; -ESRCH when one of them has ended; -ECHILD when pando-init is the
 * body's parent, and no stub is needed: then nothing was changed.
 */
int pando_relation_swap(struct task_struct *body, struct task_struct *stub);

/**
 * struct pando_relation - where a process is to stand
 * @task: its leader
 * @stub: stands in its place so far, has the same number; may be NULL
 * @ppid: parent's number in the cluster namespace; 0: as it is
 * @pgid: process group; 0: as it is
 * @sid: session; 0: as it is
 * @keep_terminal: it has its own already, and the stub's is not to be taken
 * @changed: it was stopped, or went on, and the stub was not: its parent is told
 *
 * With a stub, parent and children are the stub's, and so are group, session
 * and terminal unless others are given; the stub goes to pando-init, childless.
 */
struct pando_relation {
	struct task_struct *task;
	struct task_struct *stub;
	u32 ppid, pgid, sid;
	bool keep_terminal;
	bool changed;
};

/*
 * Places a process. Sleeps. -ESRCH: it has ended. A parent that is not here any
 * more is pando-init; a group or session that is not stays as it was.
 */
int pando_relation_place(const struct pando_relation *r);

/**
 * struct pando_regroup - setpgid(), or what it and setsid() did elsewhere
 * @task: leader of a process, or a stub
 * @pgid: its new process group; there is a number
 * @sid: its new session; 0: as it is
 * @ppid: who asks: the parent in whose session @sid it has to be already; 0:
 *	nobody, it was decided elsewhere
 * @own: it asks for itself: it must not lead a session, and be in @sid
 */
struct pando_regroup {
	struct task_struct *task;
	u32 pgid, sid, ppid;
	bool own;
};

/*
 * 0, or with @ppid what setpgid() says; -ESRCH: it has ended, or the number is
 * gone. Sleeps.
 */
int pando_relation_regroup(const struct pando_regroup *r);

/*
 * Gives a stub to pando-init when nobody needs it as parent or as child:
 * -EBUSY while somebody does. Sleeps.
 */
int pando_relation_unneeded(struct task_struct *stub);

/* Its parent is pando-init from now on. -ESRCH: it is dead. Sleeps. */
int pando_relation_orphan(struct task_struct *task);

#endif
