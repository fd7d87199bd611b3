// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls by PID: the hooks at the caller, the handler at the owner.
 *
 * The original is called first. Only its -ESRCH is looked at, so a call on a
 * local process costs what it always did. The other side executes the same
 * system call, with the kernel's own checks, in a thread of pando-init and
 * under the caller's credentials.
 */
#include <linux/ioprio.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/resource.h>
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
#include "occasion.h"
#include "rpc.h"
#include "serve.h"
#include "stub.h"

long pando_call_original(enum pando_call call, unsigned long a0,
			 unsigned long a1, unsigned long a2, unsigned long a3)
{
	struct pt_regs regs = { .di = a0, .si = a1, .dx = a2, .r10 = a3 };

	return ((pando_syscall_t)pando_call_hooks[call].orig)(&regs);
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

static int is_wanted(const struct pando_wire_call *msg)
{
	return pando_kin_wants(le32_to_cpu(msg->pid), le32_to_cpu(msg->group),
			       le64_to_cpu(msg->occasion));
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

static long send_here(const struct pando_wire_call *msg)
{
	struct pando_occasion o;
	long ret;

	pando_occasion_begin(&o, le64_to_cpu(msg->occasion));
	ret = pando_call_original(PANDO_CALL_KILL, le32_to_cpu(msg->pid),
				  le64_to_cpu(msg->arg[0]), 0, 0);
	pando_occasion_end(&o);
	return ret;
}

/* Those that have left meanwhile, each where it is now. */
static long send_lefts(const struct pando_call_row *row, struct pando_call_out *out,
		       __le32 *groups, const struct pando_lefts *lefts, long ret)
{
	u32 self = task_tgid_nr_ns(current, pando_ns()), pid, i;
	bool here;
	long r;

	out->msg.group = out->msg.pid;
	out->msg.whom = cpu_to_le32(PANDO_WHOM_ONE);
	for (i = 0; i < lefts->n; i++) {
		pid = le32_to_cpu(lefts->pid[i]);
		/* "everybody" is everybody else */
		if (pid == self && !out->msg.group)
			continue;
		out->msg.pid = lefts->pid[i];
		r = send(out, pid, groups, &here);
		if (here)
			r = is_wanted(&out->msg);
		if (here && r > 0)
			r = send_here(&out->msg);
		ret = row->merge(ret, r);
		if (r == -EINTR)
			break;
	}
	return ret;
}

/* The same call on every other member; @ret: what it gave here. */
static long send_all(const struct pando_call_row *row,
		     struct pando_call_out *out, __le32 *groups, struct pando_lefts *lefts,
		     long ret)
{
	u16 *ids = kmalloc_array(PANDO_NODE_MAX, sizeof(*ids), GFP_KERNEL);
	struct kvec vec[3];
	size_t len = 0;
	int i, k, n, err;

	if (!ids)
		return row->merge(ret, -ENOMEM);
	n = pieces(out, groups, vec);
	k = pando_nodes_others(ids, PANDO_NODE_MAX);
	for (i = 0; i < k; i++) {
		err = pando_rpc_call(ids[i], PANDO_MSG_CALL, vec, n,
				     &out->reply, sizeof(out->reply), &len);
		out->reply_len = 0;
		ret = row->merge(ret, result(out, err, len));
		if (row->call == PANDO_CALL_KILL)
			pando_lefts_add(lefts, (__le32 *)out->reply.data, out->reply_len);
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

/* The process a call is about; 0: none. */
static u32 target(const struct pando_call_row *row, const u64 *args)
{
	int pid;

	if (row->target)
		return row->target(args);
	pid = (int)args[row->pidarg];
	return pid > 0 ? pid : 0;
}

/* Which calls are about many, and when: their first argument tells. */
static __always_inline enum pando_whom whom(enum pando_call call, int first)
{
	int pid = first, which = first;

	switch (call) {
	case PANDO_CALL_KILL:
		if (likely(pid > 0))
			return PANDO_WHOM_ONE;
		return pid == -1 ? PANDO_WHOM_ALL : PANDO_WHOM_GROUP;
	case PANDO_CALL_GETPRIORITY:
	case PANDO_CALL_SETPRIORITY:
		return which == PRIO_PGRP ? PANDO_WHOM_GROUP :
		       which == PRIO_USER ? PANDO_WHOM_USER : PANDO_WHOM_ONE;
	case PANDO_CALL_IOPRIO_GET:
	case PANDO_CALL_IOPRIO_SET:
		return which == IOPRIO_WHO_PGRP ? PANDO_WHOM_GROUP :
		       which == IOPRIO_WHO_USER ? PANDO_WHOM_USER :
						  PANDO_WHOM_ONE;
	default:
		return PANDO_WHOM_ONE;
	}
}

/* The number of the group, or of the user; 0: all, or nobody. */
static u32 crowd_id(const struct pando_call_row *row, enum pando_whom whom,
		    const u64 *args)
{
	int id = (int)args[row->pidarg];
	kuid_t uid;

	if (whom == PANDO_WHOM_ALL)
		return 0;
	if (whom == PANDO_WHOM_USER) {
		uid = id ? make_kuid(current_user_ns(), id) : current_uid();
		return from_kuid(&init_user_ns, uid);
	}
	if (row->call == PANDO_CALL_KILL)
		id = -id;
	return id ?: task_pgrp_nr_ns(current, pando_ns());
}

/* Where else are some? @ret: what it gave here. */
static bool is_elsewhere(enum pando_whom whom, u32 id, long ret)
{
	if (whom == PANDO_WHOM_USER)
		return id != (u32)-1;
	if (whom == PANDO_WHOM_ALL)
		return true;
	/*
	 * Everywhere, perhaps, if the group is known to be spread or not known
	 * here at all; its number says nothing.
	 */
	return id >= PANDO_LOCAL_PIDS && id < PANDO_PID_MAX &&
	       (ret == -ESRCH || pando_kin_is_spread(id));
}

/* The members here: a signal meets no stub (signal.c), but others would. */
static long many_here(const struct pando_call_row *row,
		      struct pando_call_out *out, enum pando_whom whom, u32 id,
		      const struct pt_regs *regs, pando_syscall_t original)
{
	struct pando_call_in in = { .msg = &out->msg };

	if ((whom == PANDO_WHOM_USER ? id == (u32)-1 :
	     id < PANDO_LOCAL_PIDS || !pando_stub_any()))
		return original(regs);
	return pando_call_each(row, &in);
}

/*
 * A signal to those of a group, or to all, who run here. One that is about to come was not
 * signalled, whatever the kernel says.
 */
static long signal_here(const struct pando_wire_call *msg, const struct pt_regs *regs,
			pando_syscall_t original, bool *others)
{
	struct pando_occasion o;
	long ret;

	pando_occasion_begin(&o, le64_to_cpu(msg->occasion));
	ret = original(regs);
	pando_occasion_end(&o);
	*others = o.passed_over;
	return ret;
}

/* kill() on a group, or on all; priorities of a group, or of a user. */
static noinline long many(pando_syscall_t original, enum pando_call call,
			  enum pando_whom whom, const struct pt_regs *regs,
			  bool compat)
{
	const struct pando_call_row *row = &pando_call_rows[call];
	u64 args[PANDO_CALL_ARGS];
	struct pando_call_out *out;
	__le32 *groups;
	struct pando_lefts *lefts;
	bool others = false;
	long ret, err;
	u32 id;

	pando_call_args(regs, compat, args);
	out = kzalloc(sizeof(*out), GFP_KERNEL);
	lefts = kzalloc(sizeof(*lefts), GFP_KERNEL);
	if (!out || !lefts) {
		kfree(lefts);
		kfree(out);
		return -ENOMEM;
	}
	id = crowd_id(row, whom, args);
	row->pack(out, args, compat);
	err = address(out, call, id, &groups);
	out->msg.whom = cpu_to_le32(whom);
	if (call == PANDO_CALL_KILL) {
		out->msg.occasion = cpu_to_le64(pando_occasion_new());
		ret = signal_here(&out->msg, regs, original, &others);
		/* a group that has no number here has left nobody */
		if (whom == PANDO_WHOM_ALL || id >= PANDO_LOCAL_PIDS)
			lefts->n = pando_occasion_left(id, jiffies, lefts->pid);
	} else {
		ret = many_here(row, out, whom, id, regs, original);
	}
	if (err)
		ret = row->merge(ret, err);
	else if (others || is_elsewhere(whom, id, ret))
		ret = send_all(row, out, groups, lefts, ret);
	if (!err && lefts->n)
		ret = send_lefts(row, out, groups, lefts, ret);
	kfree(lefts);
	kfree(groups);
	kfree(out);
	return ret;
}

long pando_call_group_session(u32 pgid)
{
	const struct pando_call_row *row = &pando_call_rows[PANDO_CALL_GETSID];
	struct pando_call_out *out = kzalloc(sizeof(*out), GFP_KERNEL);
	struct pando_call_in in = {};
	__le32 *groups;
	long ret;

	if (!out)
		return -ENOMEM;
	ret = address(out, PANDO_CALL_GETSID, pgid, &groups);
	if (!ret) {
		out->msg.whom = cpu_to_le32(PANDO_WHOM_GROUP);
		in.msg = &out->msg;
		ret = send_all(row, out, groups, NULL, pando_call_each(row, &in));
		kfree(groups);
	}
	kfree(out);
	return ret;
}

bool pando_call_is_unsettled(u32 pid)
{
	return pid && pando_ns_has_current() && !pando_ns_is_local(current) &&
	       !pando_locate_is_settled(pid) &&
	       pando_locate_is_settled(task_tgid_nr_ns(current, pando_ns()));
}

/*
 * A mover, or criu, means what it builds here, or what is left of it: when it gives up it
 * kills by number. The process is elsewhere, and not theirs to touch.
 */
static bool is_a_builders(enum pando_call call)
{
	switch (call) {
	case PANDO_CALL_KILL:
	case PANDO_CALL_TKILL:
	case PANDO_CALL_TGKILL:
	case PANDO_CALL_SIGQUEUE:
	case PANDO_CALL_TGSIGQUEUE:
		return pando_ns_is_local(current);
	default:
		return false;
	}
}

/* There is no such process here. */
static noinline long elsewhere(pando_syscall_t original,
			       const struct pando_call_row *row,
			       const struct pt_regs *regs, bool compat)
{
	u64 args[PANDO_CALL_ARGS];
	bool here = false;
	long ret;
	u32 pid;

	if (!pando_ns_has_current())
		return -ESRCH;
	pando_call_args(regs, compat, args);
	pid = target(row, args);
	if (!pid || is_a_builders(row->call))
		return -ESRCH;
	/* it may come home while we look for it, and leave again */
	do {
		here = false;
		ret = -ESRCH;
		if (pando_locate_may_be_remote(pid))
			ret = forward(row, args, pid, compat, &here);
		else
			here = pando_ns_has_pid(pid);
		if (here)
			ret = original(regs);
	} while (here && ret == -ESRCH && !pando_ns_has_pid(pid) &&
		 !fatal_signal_pending(current));
	return ret;
}

/* What has a task here need not be here. */
static noinline long if_settled(pando_syscall_t original,
				const struct pando_call_row *row,
				const struct pt_regs *regs, bool compat)
{
	u64 args[PANDO_CALL_ARGS];

	pando_call_args(regs, compat, args);
	return pando_call_is_unsettled(target(row, args)) ? -ESRCH :
							    original(regs);
}

static __always_inline long by_pid(pando_syscall_t original,
				   const struct pando_call_row *row,
				   const struct pt_regs *regs, bool compat)
{
	long ret;

	if (pando_stub_any())
		ret = if_settled(original, row, regs, compat);
	else
		ret = original(regs);
	if (unlikely(ret == -ESRCH))
		ret = elsewhere(original, row, regs, compat);
	return ret;
}

static noinline long crowd(pando_syscall_t original, enum pando_call call,
			   enum pando_whom whom, const struct pt_regs *regs,
			   bool compat)
{
	int first = compat ? (int)regs->bx : (int)regs->di;

	/* no group has that number negated */
	if (pando_ns_has_current() && first != INT_MIN)
		return many(original, call, whom, regs, compat);
	return by_pid(original, &pando_call_rows[call], regs, compat);
}

static __always_inline long hooked(pando_syscall_t original,
				   enum pando_call call,
				   const struct pt_regs *regs, bool compat)
{
	enum pando_whom w = whom(call, compat ? (int)regs->bx : (int)regs->di);
	long ret;

	pando_hook_enter();
	if (likely(w == PANDO_WHOM_ONE))
		ret = by_pid(original, &pando_call_rows[call], regs, compat);
	else
		ret = crowd(original, call, w, regs, compat);
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
	X(prlimit64, PRLIMIT64, __x64_sys_prlimit64, __ia32_sys_prlimit64) \
	X(setscheduler, SCHED_SETSCHEDULER, __x64_sys_sched_setscheduler, \
	  __ia32_sys_sched_setscheduler) \
	X(setparam, SCHED_SETPARAM, __x64_sys_sched_setparam, \
	  __ia32_sys_sched_setparam) \
	X(getattr, SCHED_GETATTR, __x64_sys_sched_getattr, \
	  __ia32_sys_sched_getattr) \
	X(setattr, SCHED_SETATTR, __x64_sys_sched_setattr, \
	  __ia32_sys_sched_setattr) \
	X(rr_interval, SCHED_RR_GET_INTERVAL, __x64_sys_sched_rr_get_interval, \
	  __ia32_sys_sched_rr_get_interval) \
	X(ioprio_get, IOPRIO_GET, __x64_sys_ioprio_get, __ia32_sys_ioprio_get) \
	X(ioprio_set, IOPRIO_SET, __x64_sys_ioprio_set, __ia32_sys_ioprio_set) \
	X(capget, CAPGET, __x64_sys_capget, __ia32_sys_capget)

/*
 * The 64-bit hooks stand at the call's number on the wire, so that the owner
 * finds the original by it; the 32-bit ones behind them.
 */
enum {
	COMPAT_BASE = PANDO_CALL_SYSCALLS,
	RR_TIME32 = 2 * COMPAT_BASE,
};

#define X(tag, call, x64, ia32) \
PANDO_HOOK_SYSCALL(hook_##tag); \
static long hook_##tag(const struct pt_regs *regs) \
{ \
	return hooked(pando_hook_original(hook_##tag), PANDO_CALL_##call, \
		      regs, false); \
} \
PANDO_HOOK_SYSCALL(hook32_##tag); \
static long hook32_##tag(const struct pt_regs *regs) \
{ \
	return hooked(pando_hook_original(hook32_##tag), PANDO_CALL_##call, \
		      regs, true); \
}

CALLS(X)
#undef X

#ifdef CONFIG_IA32_EMULATION
/* 32-bit programs have two of these. */
PANDO_HOOK_SYSCALL(hook_rr_time32);

static long hook_rr_time32(const struct pt_regs *regs)
{
	long ret;

	pando_hook_enter();
	ret = by_pid(pando_hook_original(hook_rr_time32), &pando_call_rr_time32,
		     regs, true);
	pando_hook_leave();
	return ret;
}
#endif

struct pando_hook pando_call_hooks[] = {
#define X(tag, call, x64, ia32) \
	[PANDO_CALL_##call] = PANDO_HOOK_ROW(#x64, hook_##tag),
CALLS(X)
#undef X
#ifdef CONFIG_IA32_EMULATION
#define X(tag, call, x64, ia32) \
	[COMPAT_BASE + PANDO_CALL_##call] = PANDO_HOOK_ROW(#ia32, hook32_##tag),
CALLS(X)
#undef X
	[RR_TIME32] = PANDO_HOOK_ROW("__ia32_sys_sched_rr_get_interval_time32",
				     hook_rr_time32),
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
	in->node = req->node;
	in->msg = msg;
	in->len = le32_to_cpu(msg->datalen);
	if (in->len > PANDO_CALL_DATA || groups + in->len != rest)
		return -EPROTO;
	in->data = (const u8 *)(msg + 1) + groups;
	if (le32_to_cpu(msg->call) >= __PANDO_CALL_MAX)
		return -EOPNOTSUPP;
	return 0;
}

/* May a call be about them? Node-local processes are nobody else's to touch. */
static int check_whom(const struct pando_wire_call *msg)
{
	enum pando_call call = le32_to_cpu(msg->call);
	u32 pid = le32_to_cpu(msg->pid);

	switch (le32_to_cpu(msg->whom)) {
	case PANDO_WHOM_ONE:
		if (pid < PANDO_LOCAL_PIDS)
			return -ESRCH;
		return pando_ns_has_pid(pid) ? 0 : pando_locate_miss(pid);
	case PANDO_WHOM_GROUP:
		if (pid < PANDO_LOCAL_PIDS)
			return -ESRCH;
		return pando_call_rows[call].merge ? 0 : -EPROTO;
	case PANDO_WHOM_USER:
		return pando_call_rows[call].merge && call != PANDO_CALL_KILL ?
		       0 : -EPROTO;
	case PANDO_WHOM_ALL:
		return call == PANDO_CALL_KILL ? 0 : -EPROTO;
	default:
		return -EPROTO;
	}
}

static long execute(struct pando_call_in *in)
{
	const struct pando_wire_call *msg = in->msg;
	const struct pando_call_row *row;
	struct pando_occasion o;
	long ret;

	row = &pando_call_rows[le32_to_cpu(in->msg->call)];
	if (msg->whom && row->call != PANDO_CALL_KILL) {
		ret = pando_call_each(row, in);
		/* who asks may join it, and signals that are sent from here are for all */
		if (row->call == PANDO_CALL_GETSID && ret > 0)
			pando_kin_spread(le32_to_cpu(msg->pid));
		return ret;
	}
	if (!msg->occasion)
		return row->exec(in);
	ret = msg->whom ? 1 : is_wanted(msg);
	if (ret <= 0)
		return ret;
	pando_occasion_begin(&o, le64_to_cpu(msg->occasion));
	ret = row->exec(in);
	pando_occasion_end(&o);
	if (msg->whom)
		in->out_len = pando_occasion_left(le32_to_cpu(msg->pid), jiffies, in->out) *
			      sizeof(__le32);
	return ret;
}

static int handle_call(struct pando_rpc_req *req)
{
	struct pando_wire_call_reply *reply = req->reply;
	const struct cred *old;
	struct pando_call_in in = {};
	struct cred *cred;
	long ret;
	int err;
	u32 pid;

	err = check(req, &in);
	if (!err)
		err = check_whom(in.msg);
	if (err)
		return err;
	in.server = pando_server_current();
	if (!in.server)
		return -EOPNOTSUPP;
	in.out = reply + 1;
	cred = pando_serve_cred(&in.msg->cred, (const __le32 *)(in.msg + 1),
				req->len - sizeof(*in.msg));
	if (IS_ERR(cred))
		return PTR_ERR(cred);
	old = override_creds(cred);
	ret = execute(&in);
	revert_creds(old);
	put_cred(cred);
	pid = le32_to_cpu(in.msg->pid);
	if (ret == -ESRCH && !in.msg->whom && !pando_ns_has_pid(pid))
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
