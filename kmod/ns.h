/* SPDX-License-Identifier: GPL-2.0-only */
/* The cluster namespace of this node: which it is, who belongs to it. */
#ifndef _PANDO_NS_H
#define _PANDO_NS_H

#include <linux/pid_namespace.h>
#include <linux/types.h>
#include <uapi/linux/pando.h>

struct netlink_ext_ack;

extern struct pid_namespace *pando_cluster_ns;	/* ns.c's */

/* NULL when not attached. Valid while the caller is in a hook or attached. */
static inline struct pid_namespace *pando_ns(void)
{
	return READ_ONCE(pando_cluster_ns);
}

/* How many numbers are taken in it, node-local ones too; 0 where there is none. Any context. */
unsigned int pando_ns_numbers(void);
/* Is current a task whose active PID namespace is the cluster's? */
bool pando_ns_has_current(void);

/**
 * pando_ns_has_pid - does @nr, a task or thread, live here?
 *
 * False also for a task that is being restored here (it lives at the source
 * until the move is committed) and for the remains of one that has left.
 * Takes the RCU read lock itself; any context.
 */
bool pando_ns_has_pid(u32 nr);

/* Is there a struct pid of that number, whatever it is? Any context. */
bool pando_ns_has_number(u32 nr);
/* Has a task that number, be it a process's, a stub's or a zombie's? */
bool pando_ns_has_process(u32 nr);
/* The newest process of that number, with a reference, or NULL. Process context. */
struct task_struct *pando_ns_get_process(u32 nr);
/* ... and has not ended? Any context. */
bool pando_ns_is_alive(u32 nr);

struct task_struct;
/*
 * Is it one of the tools around the namespace, with a node-local number?
 * pando-init is not. Any context.
 */
bool pando_ns_is_local(struct task_struct *task);
/* Of the number, in the cluster's namespace, of its thread group; 0: not in there. */
static inline bool pando_ns_is_local_nr(u32 nr)
{
	return nr > 1 && nr < PANDO_LOCAL_PIDS;
}

/*
 * Attach and detach, process context, under pando_cmd_mutex. Attach finds the
 * namespace whose pid 1 is @init_pid in current's eyes. Detach waits until no
 * hook uses it; may_detach gives -EBUSY while cluster processes are left in it.
 */
int pando_ns_attach(pid_t init_pid, struct netlink_ext_ack *extack);
int pando_ns_may_detach(struct netlink_ext_ack *extack);
void pando_ns_detach(void);

/* PID of pando-init in the reader's namespace, 0 when gone or detached. */
pid_t pando_ns_init_pid(void);
/* Is current a thread of pando-init? */
bool pando_ns_current_is_init(void);

#endif
