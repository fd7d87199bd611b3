/* SPDX-License-Identifier: GPL-2.0-only */
/* The cluster namespace of this node: which it is, who belongs to it. */
#ifndef _PANDO_NS_H
#define _PANDO_NS_H

#include <linux/pid_namespace.h>
#include <linux/types.h>

struct netlink_ext_ack;

/* NULL when not attached. Valid while the caller is in a hook or attached. */
struct pid_namespace *pando_ns(void);

/* Is current a task whose active PID namespace is the cluster's? */
bool pando_ns_has_current(void);

/**
 * pando_ns_has_pid - is @nr a task or thread of the cluster namespace here?
 * Takes the RCU read lock itself; any context.
 */
bool pando_ns_has_pid(u32 nr);

#endif
