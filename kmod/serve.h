/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads of pando-init that lend themselves to the module (PANDO_IOC_SERVE):
 * they stand inside the cluster's PID, mount and time namespaces, so that the
 * kernel's own system calls and procfs do the work and the checks.
 */
#ifndef _PANDO_SERVE_H
#define _PANDO_SERVE_H

#include <linux/cred.h>
#include <linux/list.h>
#include <linux/sched/signal.h>
#include <linux/types.h>
#include <pando/wire.h>

struct pando_rpc_req;

/* Hands a request to the next free thread. Any context that may sleep. */
void pando_serve_queue(struct pando_rpc_req *req);

/*
 * For handlers, in a serving thread only: its scratch memory (user address,
 * PANDO_SERVE_BUF bytes).
 */
void __user *pando_serve_buf(void);

/*
 * Credentials of a requester, for override_creds(): the given ids, groups and
 * capabilities on top of an otherwise empty set, initial user namespace.
 * @groups: ngroups little-endian ids. Returns a reference, or ERR_PTR(-EINVAL,
 * -ENOMEM). The groups count was not yet checked by the caller.
 */
struct cred *pando_serve_cred(const struct pando_wire_cred *cred,
			      const __le32 *groups, size_t groups_len);

/*
 * The other direction: writes current's credentials to @cred and allocates the
 * group list (kfree). Caps are empty outside the initial user namespace.
 */
int pando_serve_fill_cred(struct pando_wire_cred *cred, __le32 **groups);

/**
 * struct pando_server - a thread that serves
 * @list: in serve.c's list
 * @task: the thread
 * @buf: its scratch memory
 * @info: what a signal it sends on another's behalf shall carry, or NULL
 */
struct pando_server {
	struct list_head list;
	struct task_struct *task;
	void __user *buf;
	struct kernel_siginfo *info;
};

/* current's own, NULL if it does not serve. Any context that may spin. */
struct pando_server *pando_server_current(void);

/*
 * Attach opens; close refuses what is queued, sends all threads home and
 * returns when none is left. Process context, under pando_cmd_mutex.
 */
void pando_serve_open(void);
void pando_serve_close(void);

int pando_serve_init(void);
void pando_serve_exit(void);

#endif
