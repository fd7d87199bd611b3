// SPDX-License-Identifier: GPL-2.0-only
/* The cluster namespace: see ns.h. */
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include <uapi/linux/pando.h>

#include "hooks.h"
#include "locate.h"
#include "ns.h"

/*
 * Written under pando_cmd_mutex. Read without a lock by hooks (which detach
 * waits for) and by whoever runs only while attached.
 */
struct pid_namespace *pando_cluster_ns;
EXPORT_SYMBOL_GPL(pando_cluster_ns);
static struct pid *init_pid;	/* its pid 1; same rules */

bool pando_ns_has_current(void)
{
	struct pid_namespace *ns = pando_ns();

	return ns && task_active_pid_ns(current) == ns;
}
EXPORT_SYMBOL_GPL(pando_ns_has_current);

bool pando_ns_has_number(u32 nr)
{
	struct pid_namespace *ns = pando_ns();
	bool found;

	if (!ns)
		return false;
	rcu_read_lock();
	found = find_pid_ns(nr, ns);
	rcu_read_unlock();
	return found;
}

unsigned int pando_ns_numbers(void)
{
	struct pid_namespace *ns;
	unsigned int n = 0;

	pando_hook_enter();
	ns = pando_ns();
	if (ns)
		n = READ_ONCE(ns->pid_allocated) & ~PIDNS_ADDING;
	pando_hook_leave();
	return n;
}

static bool has_task(u32 nr)
{
	struct pid_namespace *ns = pando_ns();
	struct task_struct *task = NULL;
	struct pid *pid;

	if (!ns)
		return false;
	rcu_read_lock();
	pid = find_pid_ns(nr, ns);
	if (pid)
		task = pid_task(pid, PIDTYPE_PID);
	rcu_read_unlock();
	return task;
}

bool pando_ns_has_process(u32 nr)
{
	return has_task(nr);
}

struct task_struct *pando_ns_get_process(u32 nr)
{
	struct pid_namespace *ns = pando_ns();
	struct task_struct *task;
	struct pid *pid;

	if (!ns)
		return NULL;
	rcu_read_lock();
	pid = find_pid_ns(nr, ns);
	task = pid ? get_pid_task(pid, PIDTYPE_TGID) : NULL;
	rcu_read_unlock();
	return task;
}

bool pando_ns_is_alive(u32 nr)
{
	struct pid_namespace *ns = pando_ns();
	struct pid *pid;
	bool alive;

	if (!ns)
		return false;
	rcu_read_lock();
	pid = find_pid_ns(nr, ns);
	/* a process whose first thread has ended goes on with the others */
	alive = pid && !thread_group_exited(pid);
	rcu_read_unlock();
	return alive;
}

bool pando_ns_has_pid(u32 nr)
{
	return has_task(nr) && pando_locate_is_settled(nr);
}
EXPORT_SYMBOL_GPL(pando_ns_has_pid);

bool pando_ns_is_local(struct task_struct *task)
{
	struct pid_namespace *ns = pando_ns();

	return ns && pando_ns_is_local_nr(task_tgid_nr_ns(task, ns));
}
EXPORT_SYMBOL_GPL(pando_ns_is_local);

bool pando_ns_current_is_init(void)
{
	return pando_ns_has_current() && task_tgid(current) == init_pid;
}

pid_t pando_ns_init_pid(void)
{
	return init_pid ? pid_vnr(init_pid) : 0;
}

int pando_ns_attach(pid_t nr, struct netlink_ext_ack *extack)
{
	struct pid *pid = find_get_pid(nr);
	struct pid_namespace *ns;

	if (!pid) {
		NL_SET_ERR_MSG(extack, "no process with this INIT_PID");
		return -ESRCH;
	}
	ns = ns_of_pid(pid);
	if (ns == &init_pid_ns || pid_nr_ns(pid, ns) != 1) {
		NL_SET_ERR_MSG(extack, "INIT_PID is not pid 1 of a PID namespace of its own");
		put_pid(pid);
		return -EINVAL;
	}
	init_pid = pid;
	WRITE_ONCE(pando_cluster_ns, get_pid_ns(ns));
	return 0;
}

/* The first task of the namespace that is not one of ours, or 0. */
static pid_t first_process(struct pid_namespace *ns)
{
	struct pid *pid;
	pid_t nr;

	rcu_read_lock();
	pid = find_ge_pid(PANDO_LOCAL_PIDS, ns);
	nr = pid ? pid_nr_ns(pid, ns) : 0;
	rcu_read_unlock();
	return nr;
}

int pando_ns_may_detach(struct netlink_ext_ack *extack)
{
	if (!first_process(pando_cluster_ns))
		return 0;
	NL_SET_ERR_MSG(extack, "processes of the cluster still run here");
	return -EBUSY;
}

void pando_ns_detach(void)
{
	struct pid_namespace *ns = pando_cluster_ns;

	WRITE_ONCE(pando_cluster_ns, NULL);
	pando_hooks_drain();
	put_pid_ns(ns);
	put_pid(init_pid);
	init_pid = NULL;
}
