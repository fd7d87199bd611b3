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
 * @exit_signal: that a parent which is here gets at its end; -1: as it is
 * @execed: it has executed a program: that signal is SIGCHLD, whatever its stub knows
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
	int exit_signal;
	bool execed;
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

/* The process of a stub has executed a program: see execve(2) on exit signals. Sleeps. */
void pando_relation_execed(struct task_struct *stub);

/*
 * A stub that is about to end, while its process lives on elsewhere, is in no group of the
 * cluster any more. -ESRCH: it is dead. Sleeps.
 */
int pando_relation_leave(struct task_struct *stub);

/**
 * struct pando_orphan - a child of a process that is about to end
 * @pid: its number
 * @task: its leader, or the stub's, with a reference
 * @pgid: its group, if it anchors that, or 0
 * @stop, @signal: how it stands (kin_stop.h)
 */
struct pando_orphan {
	u32 pid, pgid;
	struct task_struct *task;
	u32 stop, signal;
};

/*
 * The subreaper of whoever is a descendant of @pid, and perhaps that one itself: its
 * number; 0: there is none as far as can be seen here, and if @next is not 0 those above
 * that one, who runs elsewhere, are to be looked at. Sleeps.
 */
u32 pando_relation_reaper(u32 pid, u32 *next);
/*
 * The children that current, which exits, and is the @last of its process to do so or not,
 * leaves behind: their number, or -ENOMEM; @orphans: to be freed, with their tasks. And
 * whose they are to be, as far as can be seen here, as above. Sleeps.
 */
int pando_relation_orphans(bool last, struct pando_orphan **orphans, u32 *reaper, u32 *next);
/*
 * The parent of @task ends, and leaves it to @reaper, which is here, or, if it need not be
 * @real, a stub of it: as the kernel does it, but for the dead. -ESRCH: @task has ended;
 * -ENXIO: there is no such @reaper; -EBUSY: one of them moves; -ELOOP: @task is above
 * @reaper. Sleeps.
 */
int pando_relation_inherit(struct task_struct *task, u32 reaper, bool real);
/*
 * Does @task, a child of @parent, anchor its group: is the parent in its session, and in
 * another group? Under tasklist_lock.
 */
bool pando_relation_is_anchored(struct task_struct *task, struct task_struct *parent);
/* Has all of it ended? Likewise. */
bool pando_relation_is_zombie(struct task_struct *task);
/* A thread that had forked it ends; its process is @parent, and goes on. Sleeps. */
void pando_relation_thread_ended(struct task_struct *task, u32 parent);
/*
 * The parent, with a reference, of a process that has ended; NULL: it has not. @ends: out:
 * and so does the parent. Sleeps.
 */
struct task_struct *pando_relation_zombies_parent(u32 pid, bool *ends);

#endif
