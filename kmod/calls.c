// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls by PID: the hooks at the caller, the handler at the owner.
 *
 * The original is called first. Only its -ESRCH is looked at, so a call on a
 * local process costs what it always did. The other side executes the same
 * system call, with the kernel's own checks, in a thread of pando-init and
 * under the caller's credentials.
 */
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/syscalls.h>

#include <uapi/linux/pando.h>

#include "calls.h"
#include "hooks.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "rpc.h"
#include "serve.h"
#include "stub.h"

typedef long (*syscall_t)(const struct pt_regs *regs);

static void get_args(const struct pt_regs *regs, bool compat, u64 *args)
{
	if (compat) {
		args[0] = (u32)regs->bx;
		args[1] = (u32)regs->cx;
		args[2] = (u32)regs->dx;
		args[3] = (u32)regs->si;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
	}
}

long pando_call_original(enum pando_call call, unsigned long a0,
			 unsigned long a1, unsigned long a2, unsigned long a3)
{
	struct pt_regs regs = { .di = a0, .si = a1, .dx = a2, .r10 = a3 };

	return ((syscall_t)pando_call_hooks[call].orig)(&regs);
}

/* The pieces of a call on its way out. */
static int pieces(struct pando_call_out *out, __le32 *groups, struct kvec *vec)
{
	int n = 0;

	vec[n++] = (struct kvec){ &out->msg, sizeof(out->msg) };
	if (groups)
		vec[n++] = (struct kvec){ groups, sizeof(*groups) *
					le32_to_cpu(out->msg.cred.ngroups) };
	if (out->msg.datalen)
		vec[n++] = (struct kvec){ out->data,
					  le32_to_cpu(out->msg.datalen) };
	return n;
}

static long result(struct pando_call_out *out, int err, size_t len)
{
	if (err == -ENOTCONN || err == -EHOSTDOWN)
		return -ESRCH;
	if (err)
		return err;
	if (len < sizeof(out->reply.head))
		return -EPROTO;
	out->reply_len = len - sizeof(out->reply.head);
	return (s64)le64_to_cpu(out->reply.head.ret);
}

static long send(struct pando_call_out *out, u32 pid, __le32 *groups,
		 bool *here)
{
	struct kvec vec[3];
	size_t len = 0;
	int n = pieces(out, groups, vec), err;

	err = pando_locate_call(pid, PANDO_MSG_CALL, vec, n, &out->reply,
				sizeof(out->reply), &len, here);
	return result(out, err, len);
}

/*
 * What a call on many says: it worked if it did for one, and if for none that
 * somebody was not to be touched tells more than that nobody was there.
 */
static long better(long a, long b)
{
	if (!a || !b)
		return 0;
	return a == -ESRCH ? b : a;
}

/* The same call on every other member; @ret: what it gave here. */
static long send_all(struct pando_call_out *out, __le32 *groups, long ret)
{
	u16 *ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*ids), GFP_KERNEL);
	struct kvec vec[3];
	size_t len = 0;
	int i, k, n, err;

	if (!ids)
		return better(ret, -ENOMEM);
	n = pieces(out, groups, vec);
	k = pando_nodes_others(ids, PANDO_NODE_MAX);
	for (i = 0; i < k; i++) {
		err = pando_rpc_call(ids[i], PANDO_MSG_CALL, vec, n,
				     &out->reply, sizeof(out->reply), &len);
		ret = better(ret, result(out, err, len));
		if (err == -EINTR)
			break;
	}
	kfree(ids);
	return ret;
}

/* Whom it is about and who asks; the groups are to be freed. */
static long address(struct pando_call_out *out, enum pando_call call, u32 pid,
		    __le32 **groups)
{
	out->msg.call = cpu_to_le32(call);
	out->msg.pid = cpu_to_le32(pid);
	out->msg.sender = cpu_to_le32(task_tgid_vnr(current));
	return pando_serve_fill_cred(&out->msg.cred, groups);
}

long pando_call_send(struct pando_call_out *out, enum pando_call call, u32 pid,
		     bool *here)
{
	__le32 *groups;
	long ret;

	*here = false;
	ret = address(out, call, pid, &groups);
	if (ret)
		return ret;
	ret = send(out, pid, groups, here);
	kfree(groups);
	return ret;
}

static long forward(const struct pando_call_row *row, const u64 *args,
		    u32 pid, bool compat, bool *here)
{
	struct pando_call_out *out;
	long ret;

	out = kzalloc(sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	ret = row->pack(out, args, compat);
	if (!ret) {
		ret = pando_call_send(out, row->call, pid, here);
		if (ret >= 0 && row->unpack)
			ret = row->unpack(out, args, ret);
	}
	kfree(out);
	return ret;
}

/* The process a call is about; 0: none, or many. */
static u32 target(const struct pando_call_row *row, const u64 *args)
{
	int pid = (int)args[row->pidarg];

	return pid > 0 ? pid : 0;
}

/*
 * kill() on a group, or on all: the members here had it from the original.
 * Where else are some? Everywhere, perhaps, if the group is known to be spread
 * or not known here at all; its number says nothing.
 */
static noinline long kill_many(const u64 *args, bool compat, long ret)
{
	struct pando_call_out *out;
	int pid = (int)args[0];
	__le32 *groups;
	u32 pgid;
	long err;

	if (!pid)
		pgid = task_pgrp_nr_ns(current, pando_ns());
	else
		pgid = pid == -1 ? 0 : -pid;
	if (pid != -1 && (pgid < PANDO_LOCAL_PIDS || pgid >= PANDO_PID_MAX ||
			  (ret != -ESRCH && !pando_kin_is_spread(pgid))))
		return ret;
	out = kzalloc(sizeof(*out), GFP_KERNEL);
	if (!out)
		return better(ret, -ENOMEM);
	pando_call_rows[PANDO_CALL_KILL].pack(out, args, compat);
	err = address(out, PANDO_CALL_KILL, pgid, &groups);
	if (!err)
		ret = send_all(out, groups, ret);
	else
		ret = better(ret, err);
	kfree(groups);
	kfree(out);
	return ret;
}

static bool is_many(const u64 *args)
{
	return (int)args[0] <= 0 && (int)args[0] != INT_MIN;
}

/*
 * Has the number a task here that is not the process: a stub, one about to
 * arrive, one that has left? For tools around the namespace it is what it
 * seems, and so is for one that is being restored what is restored with it.
 */
static noinline bool is_unsettled(const struct pando_call_row *row,
				  const struct pt_regs *regs, bool compat)
{
	u64 args[4];
	u32 pid;

	if (!pando_ns_has_current() || pando_ns_is_local(current))
		return false;
	get_args(regs, compat, args);
	pid = target(row, args);
	return pid && !pando_locate_is_settled(pid) &&
	       pando_locate_is_settled(task_tgid_nr_ns(current, pando_ns()));
}

/* There is no such process here. */
static noinline long elsewhere(struct pando_hook *hook, enum pando_call call,
			       const struct pt_regs *regs, bool compat)
{
	const struct pando_call_row *row = &pando_call_rows[call];
	bool here = false;
	u64 args[4];
	long ret;
	u32 pid;

	if (!pando_ns_has_current())
		return -ESRCH;
	get_args(regs, compat, args);
	pid = target(row, args);
	if (!pid || !pando_locate_may_be_remote(pid))
		return -ESRCH;
	ret = forward(row, args, pid, compat, &here);
	if (here)	/* it came home while we looked for it */
		ret = ((syscall_t)hook->orig)(regs);
	return ret;
}

static __always_inline long by_pid(struct pando_hook *hook,
				   enum pando_call call,
				   const struct pt_regs *regs, bool compat)
{
	u64 args[4];
	long ret;

	pando_hook_enter();
	if (unlikely(pando_stub_any() || READ_ONCE(pando_locate_moving)) &&
	    is_unsettled(&pando_call_rows[call], regs, compat))
		ret = -ESRCH;
	else
		ret = ((syscall_t)hook->orig)(regs);
	if (call == PANDO_CALL_KILL) {
		get_args(regs, compat, args);
		if (unlikely(is_many(args)) && pando_ns_has_current()) {
			ret = kill_many(args, compat, ret);
			goto out;
		}
	}
	if (unlikely(ret == -ESRCH))
		ret = elsewhere(hook, call, regs, compat);
out:
	pando_hook_leave();
	return ret;
}

/* Which calls: name, number on the wire, names in both ABIs. */
#define CALLS(X) \
	X(kill, KILL, __x64_sys_kill, __ia32_sys_kill) \
	X(tkill, TKILL, __x64_sys_tkill, __ia32_sys_tkill) \
	X(tgkill, TGKILL, __x64_sys_tgkill, __ia32_sys_tgkill) \
	X(sigqueue, SIGQUEUE, __x64_sys_rt_sigqueueinfo, \
	  __ia32_compat_sys_rt_sigqueueinfo) \
	X(tgsigqueue, TGSIGQUEUE, __x64_sys_rt_tgsigqueueinfo, \
	  __ia32_compat_sys_rt_tgsigqueueinfo) \
	X(getpgid, GETPGID, __x64_sys_getpgid, __ia32_sys_getpgid) \
	X(getsid, GETSID, __x64_sys_getsid, __ia32_sys_getsid) \
	X(getpriority, GETPRIORITY, __x64_sys_getpriority, \
	  __ia32_sys_getpriority) \
	X(setpriority, SETPRIORITY, __x64_sys_setpriority, \
	  __ia32_sys_setpriority) \
	X(getaffinity, SCHED_GETAFFINITY, __x64_sys_sched_getaffinity, \
	  __ia32_compat_sys_sched_getaffinity) \
	X(setaffinity, SCHED_SETAFFINITY, __x64_sys_sched_setaffinity, \
	  __ia32_compat_sys_sched_setaffinity) \
	X(getscheduler, SCHED_GETSCHEDULER, __x64_sys_sched_getscheduler, \
	  __ia32_sys_sched_getscheduler) \
	X(getparam, SCHED_GETPARAM, __x64_sys_sched_getparam, \
	  __ia32_sys_sched_getparam) \
	X(prlimit64, PRLIMIT64, __x64_sys_prlimit64, __ia32_sys_prlimit64)

/*
 * The 64-bit hooks stand at the call's number on the wire, so that the owner
 * finds the original by it; the 32-bit ones behind them.
 */
enum {
	COMPAT_BASE = PANDO_CALL_SYSCALLS,
};

#define X(tag, call, x64, ia32) \
static long hook_##tag(const struct pt_regs *regs) \
{ \
	return by_pid(&pando_call_hooks[PANDO_CALL_##call], \
		      PANDO_CALL_##call, regs, false); \
} \
static long hook32_##tag(const struct pt_regs *regs) \
{ \
	return by_pid(&pando_call_hooks[COMPAT_BASE + PANDO_CALL_##call], \
		      PANDO_CALL_##call, regs, true); \
} \
PANDO_HOOK_STUB(hook_##tag); \
PANDO_HOOK_STUB(hook32_##tag);

CALLS(X)
#undef X

struct pando_hook pando_call_hooks[] = {
#define X(tag, call, x64, ia32) \
	[PANDO_CALL_##call] = { .name = #x64, .stub = hook_##tag##_stub },
CALLS(X)
#undef X
#ifdef CONFIG_IA32_EMULATION
#define X(tag, call, x64, ia32) \
	[COMPAT_BASE + PANDO_CALL_##call] = { .name = #ia32, \
					      .stub = hook32_##tag##_stub },
CALLS(X)
#undef X
#endif
};

const int pando_call_nhooks = ARRAY_SIZE(pando_call_hooks);

/* --- at the owner ----------------------------------------------------------- */

static int check(const struct pando_rpc_req *req, struct pando_call_in *in)
{
	const struct pando_wire_call *msg = req->data;
	size_t groups = le32_to_cpu(msg->cred.ngroups);
	size_t rest = req->len - sizeof(*msg);

	if (groups > PANDO_WIRE_GROUPS_MAX)
		return -EPROTO;
	groups *= sizeof(__le32);
	in->msg = msg;
	in->len = le32_to_cpu(msg->datalen);
	if (in->len > PANDO_CALL_DATA || groups + in->len != rest)
		return -EPROTO;
	in->data = (const u8 *)(msg + 1) + groups;
	if (le32_to_cpu(msg->call) >= __PANDO_CALL_MAX)
		return -EOPNOTSUPP;
	return 0;
}

static int handle_call(struct pando_rpc_req *req)
{
	struct pando_wire_call_reply *reply = req->reply;
	const struct cred *old;
	struct pando_call_in in = {};
	struct cred *cred;
	bool many;
	long ret;
	u32 pid;
	int err;

	err = check(req, &in);
	if (err)
		return err;
	pid = le32_to_cpu(in.msg->pid);
	many = le32_to_cpu(in.msg->call) == PANDO_CALL_KILL &&
	       in.msg->arg[1];
	/* node-local processes are nobody else's to touch */
	if (pid < PANDO_LOCAL_PIDS &&
	    !(many && le64_to_cpu(in.msg->arg[1]) == PANDO_KILL_ALL))
		return -ESRCH;
	if (!many && !pando_ns_has_pid(pid))
		return pando_locate_miss(pid);
	in.server = pando_server_current();
	if (!in.server)
		return -EOPNOTSUPP;
	in.out = reply + 1;
	cred = pando_serve_cred(&in.msg->cred, (const __le32 *)(in.msg + 1),
				req->len - sizeof(*in.msg));
	if (IS_ERR(cred))
		return PTR_ERR(cred);
	old = override_creds(cred);
	ret = pando_call_rows[le32_to_cpu(in.msg->call)].exec(&in);
	revert_creds(old);
	put_cred(cred);
	if (ret == -ESRCH && !many && !pando_ns_has_pid(pid))
		return pando_locate_miss(pid);
	reply->ret = cpu_to_le64(ret);
	req->reply_len = sizeof(*reply) + in.out_len;
	return 0;
}

int pando_calls_init(void)
{
	return pando_rpc_register(PANDO_MSG_CALL, handle_call, THIS_MODULE);
}

void pando_calls_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_CALL);
}
