// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each system call by PID sends and how it is executed: see calls.h.
 * Layouts and units are in wire.h; all results a caller sees are what the
 * kernel's own system call returned at the owner.
 */
#include <linux/compat.h>
#include <linux/pid_namespace.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/uaccess.h>

#include "calls.h"
#include "locate.h"
#include "ns.h"
#include "serve.h"

#define arg(in, i)	((long)le64_to_cpu((in)->msg->arg[i]))
#define pid_of(in)	((pid_t)le32_to_cpu((in)->msg->pid))

static void set_arg(struct pando_call_out *out, int i, s64 value)
{
	out->msg.arg[i] = cpu_to_le64(value);
}

/* Up to PANDO_CALL_DATA bytes between a message and the thread's memory. */
static bool give(const struct pando_call_in *in, size_t at, const void *data,
		 size_t len)
{
	return !copy_to_user((u8 __user *)in->server->buf + at, data, len);
}

static bool take(struct pando_call_in *in, size_t len)
{
	if (len > PANDO_CALL_DATA ||
	    copy_from_user(in->out, in->server->buf, len))
		return false;
	in->out_len = len;
	return true;
}

static long store(u64 user, const struct pando_call_out *out, size_t len,
		  long ret)
{
	if (out->reply_len < len)
		return -EPROTO;
	return copy_to_user(u64_to_user_ptr(user), out->reply.data, len) ?
	       -EFAULT : ret;
}

/* --- signals ----------------------------------------------------------------- */

void pando_call_pack_info(struct pando_call_out *out,
			  const struct kernel_siginfo *info)
{
	struct pando_wire_siginfo *w = (struct pando_wire_siginfo *)out->data;
	kuid_t uid = make_kuid(current_user_ns(), info->si_uid);

	w->signo = cpu_to_le32(info->si_signo);
	w->code = cpu_to_le32(info->si_code);
	w->err = cpu_to_le32(info->si_errno);
	w->pid = cpu_to_le32(info->si_pid);
	w->uid = cpu_to_le32(from_kuid_munged(&init_user_ns, uid));
	w->value = cpu_to_le64((unsigned long)info->si_ptr);
	out->msg.datalen = cpu_to_le32(sizeof(*w));
}

void pando_call_user_info(struct kernel_siginfo *info, int sig, int code)
{
	clear_siginfo(info);
	info->si_signo = sig;
	info->si_code = code;
	info->si_pid = task_tgid_vnr(current);
	info->si_uid = from_kuid_munged(current_user_ns(), current_uid());
}

static int pack_plain(struct pando_call_out *out, int sig, int code)
{
	struct kernel_siginfo info;

	pando_call_user_info(&info, sig, code);
	pando_call_pack_info(out, &info);
	set_arg(out, 0, sig);
	return 0;
}

static int pack_kill(struct pando_call_out *out, const u64 *args, bool compat)
{
	int pid = (int)args[0];

	set_arg(out, 1, pid > 0 ? PANDO_KILL_ONE :
		pid == -1 ? PANDO_KILL_ALL : PANDO_KILL_GROUP);
	return pack_plain(out, (int)args[1], SI_USER);
}

static int pack_tkill(struct pando_call_out *out, const u64 *args, bool compat)
{
	return pack_plain(out, (int)args[1], SI_TKILL);
}

static int pack_tgkill(struct pando_call_out *out, const u64 *args, bool compat)
{
	set_arg(out, 1, (int)args[0]);
	return pack_plain(out, (int)args[2], SI_TKILL);
}

/*
 * The original has read and judged this siginfo before it said -ESRCH; the
 * members that sigqueue() fills travel.
 */
static int pack_queued(struct pando_call_out *out, int sig, u64 uinfo,
		       bool compat)
{
	struct kernel_siginfo info;

	clear_siginfo(&info);
	if (compat) {
		struct compat_siginfo c;

		if (copy_from_user(&c, u64_to_user_ptr(uinfo), sizeof(c)))
			return -EFAULT;
		info.si_code = c.si_code;
		info.si_errno = c.si_errno;
		info.si_pid = c.si_pid;
		info.si_uid = c.si_uid;
		info.si_int = c.si_int;
	} else {
		siginfo_t u;

		if (copy_from_user(&u, u64_to_user_ptr(uinfo), sizeof(u)))
			return -EFAULT;
		info.si_code = u.si_code;
		info.si_errno = u.si_errno;
		info.si_pid = u.si_pid;
		info.si_uid = u.si_uid;
		info.si_ptr = u.si_ptr;
	}
	info.si_signo = sig;
	pando_call_pack_info(out, &info);
	set_arg(out, 0, sig);
	return 0;
}

static int pack_sigqueue(struct pando_call_out *out, const u64 *args,
			 bool compat)
{
	return pack_queued(out, (int)args[1], args[2], compat);
}

static int pack_tgsigqueue(struct pando_call_out *out, const u64 *args,
			   bool compat)
{
	set_arg(out, 1, (int)args[0]);
	return pack_queued(out, (int)args[2], args[3], compat);
}

static bool unpack_info(const struct pando_call_in *in,
			struct kernel_siginfo *info)
{
	const struct pando_wire_siginfo *w = in->data;

	if (in->len != sizeof(*w))
		return false;
	clear_siginfo(info);
	info->si_signo = arg(in, 0);
	info->si_code = (s32)le32_to_cpu(w->code);
	info->si_errno = (s32)le32_to_cpu(w->err);
	info->si_pid = (s32)le32_to_cpu(w->pid);
	info->si_uid = le32_to_cpu(w->uid);
	if (info->si_code < 0 && info->si_code != SI_TKILL)
		info->si_ptr = (void __user *)(unsigned long)
			       le64_to_cpu(w->value);
	/* a peer's kernel may say user signals only: nothing of the kernel's */
	return info->si_code <= 0;
}

static long exec_signal(struct pando_call_in *in, enum pando_call call,
			long a0, long a1, long a2)
{
	struct kernel_siginfo info;
	long ret;

	if (!unpack_info(in, &info))
		return -EINVAL;
	in->server->info = &info;
	ret = pando_call_original(call, a0, a1, a2, 0);
	in->server->info = NULL;
	return ret;
}

static long exec_kill(struct pando_call_in *in)
{
	pid_t pid = pid_of(in);

	if (arg(in, 1))
		pid = arg(in, 1) == PANDO_KILL_ALL ? -1 : -pid;
	return exec_signal(in, PANDO_CALL_KILL, pid, arg(in, 0), 0);
}

static long exec_tkill(struct pando_call_in *in)
{
	return exec_signal(in, PANDO_CALL_TKILL, pid_of(in), arg(in, 0), 0);
}

static long exec_tgkill(struct pando_call_in *in)
{
	return exec_signal(in, PANDO_CALL_TGKILL, arg(in, 1), pid_of(in),
			   arg(in, 0));
}

/* What the caller's kernel has not yet checked: that it is a process at all. */
static long exec_sigqueue(struct pando_call_in *in)
{
	return exec_signal(in, PANDO_CALL_KILL, pid_of(in), arg(in, 0), 0);
}

/* --- pidfd -------------------------------------------------------------------- */

/* Start time of a thread group leader in ns, or a negative errno. */
static s64 start_of(pid_t nr)
{
	struct task_struct *task;
	struct pid *pid;
	s64 ret = -ESRCH;

	rcu_read_lock();
	pid = find_pid_ns(nr, pando_ns());
	if (pid) {
		task = pid_task(pid, PIDTYPE_TGID);
		ret = task ? task->start_boottime : -EINVAL;
	}
	rcu_read_unlock();
	return ret;
}

static long exec_pidfd_open(struct pando_call_in *in)
{
	s64 start = start_of(pid_of(in));
	__le64 wire = cpu_to_le64(start);

	if (start < 0)
		return start;
	memcpy(in->out, &wire, sizeof(wire));
	in->out_len = sizeof(wire);
	return 0;
}

static long exec_pidfd_signal(struct pando_call_in *in)
{
	s64 start = start_of(pid_of(in));

	if (start < 0)
		return start;
	/* a number used again; what was restored here began anew */
	if (start != arg(in, 1) && !pando_locate_has_arrived(pid_of(in)))
		return -ESRCH;
	return exec_kill(in);
}

/* --- the others ----------------------------------------------------------------- */

static int pack_none(struct pando_call_out *out, const u64 *args, bool compat)
{
	return 0;
}

static long exec_getpgid(struct pando_call_in *in)
{
	return pando_call_original(PANDO_CALL_GETPGID, pid_of(in), 0, 0, 0);
}

static long exec_getsid(struct pando_call_in *in)
{
	return pando_call_original(PANDO_CALL_GETSID, pid_of(in), 0, 0, 0);
}

/* Groups and users may be spread over nodes: only single processes travel. */
static int pack_getpriority(struct pando_call_out *out, const u64 *args,
			    bool compat)
{
	return (int)args[0] == PRIO_PROCESS ? 0 : -ESRCH;
}

static int pack_setpriority(struct pando_call_out *out, const u64 *args,
			    bool compat)
{
	set_arg(out, 0, (int)args[2]);
	return (int)args[0] == PRIO_PROCESS ? 0 : -ESRCH;
}

static long exec_getpriority(struct pando_call_in *in)
{
	return pando_call_original(PANDO_CALL_GETPRIORITY, PRIO_PROCESS,
				   pid_of(in), 0, 0);
}

static long exec_setpriority(struct pando_call_in *in)
{
	return pando_call_original(PANDO_CALL_SETPRIORITY, PRIO_PROCESS,
				   pid_of(in), arg(in, 0), 0);
}

static int pack_getaffinity(struct pando_call_out *out, const u64 *args,
			    bool compat)
{
	set_arg(out, 0, min_t(u32, args[1], PANDO_CALL_DATA));
	return 0;
}

static long unpack_getaffinity(struct pando_call_out *out, const u64 *args,
			       long ret)
{
	if (ret > (u32)args[1])
		return -EINVAL;
	return store(args[2], out, ret, ret);
}

static long exec_getaffinity(struct pando_call_in *in)
{
	unsigned long len = arg(in, 0);
	long ret;

	if (len > PANDO_CALL_DATA)
		return -EINVAL;
	ret = pando_call_original(PANDO_CALL_SCHED_GETAFFINITY, pid_of(in),
				  round_down(len, sizeof(long)),
				  (unsigned long)in->server->buf, 0);
	return ret < 0 || take(in, ret) ? ret : -EFAULT;
}

static int pack_setaffinity(struct pando_call_out *out, const u64 *args,
			    bool compat)
{
	u32 len = min_t(u32, args[1], PANDO_CALL_DATA);

	if (copy_from_user(out->data, u64_to_user_ptr(args[2]), len))
		return -EFAULT;
	set_arg(out, 0, len);
	out->msg.datalen = cpu_to_le32(len);
	return 0;
}

static long exec_setaffinity(struct pando_call_in *in)
{
	if (!give(in, 0, in->data, in->len))
		return -EFAULT;
	return pando_call_original(PANDO_CALL_SCHED_SETAFFINITY, pid_of(in),
				   in->len, (unsigned long)in->server->buf, 0);
}

static long exec_getscheduler(struct pando_call_in *in)
{
	return pando_call_original(PANDO_CALL_SCHED_GETSCHEDULER, pid_of(in),
				   0, 0, 0);
}

static long exec_getparam(struct pando_call_in *in)
{
	long ret = pando_call_original(PANDO_CALL_SCHED_GETPARAM, pid_of(in),
				       (unsigned long)in->server->buf, 0, 0);

	return ret < 0 || take(in, sizeof(__le32)) ? ret : -EFAULT;
}

static long unpack_getparam(struct pando_call_out *out, const u64 *args,
			    long ret)
{
	return store(args[1], out, sizeof(__le32), ret);
}

enum { PRLIMIT_SET = 1, PRLIMIT_GET = 2 };

static int pack_prlimit64(struct pando_call_out *out, const u64 *args,
			  bool compat)
{
	set_arg(out, 0, (u32)args[1]);
	set_arg(out, 1, (args[2] ? PRLIMIT_SET : 0) |
		(args[3] ? PRLIMIT_GET : 0));
	if (!args[2])
		return 0;
	if (copy_from_user(out->data, u64_to_user_ptr(args[2]),
			   sizeof(struct rlimit64)))
		return -EFAULT;
	out->msg.datalen = cpu_to_le32(sizeof(struct rlimit64));
	return 0;
}

static long exec_prlimit64(struct pando_call_in *in)
{
	unsigned long old = (unsigned long)in->server->buf;
	unsigned long new = old + sizeof(struct rlimit64);
	bool set = arg(in, 1) & PRLIMIT_SET, get = arg(in, 1) & PRLIMIT_GET;
	long ret;

	if (set && (in->len != sizeof(struct rlimit64) ||
		    !give(in, sizeof(struct rlimit64), in->data, in->len)))
		return -EINVAL;
	ret = pando_call_original(PANDO_CALL_PRLIMIT64, pid_of(in), arg(in, 0),
				  set ? new : 0, get ? old : 0);
	return ret < 0 || !get || take(in, sizeof(struct rlimit64)) ?
	       ret : -EFAULT;
}

static long unpack_prlimit64(struct pando_call_out *out, const u64 *args,
			     long ret)
{
	return args[3] ? store(args[3], out, sizeof(struct rlimit64), ret) :
			 ret;
}

#define ROW(name, nr, packer, unpacker, executor) \
	[PANDO_CALL_##name] = { PANDO_CALL_##name, nr, packer, unpacker, \
				executor }

const struct pando_call_row pando_call_rows[__PANDO_CALL_MAX] = {
	ROW(KILL, 0, pack_kill, NULL, exec_kill),
	ROW(TKILL, 0, pack_tkill, NULL, exec_tkill),
	ROW(TGKILL, 1, pack_tgkill, NULL, exec_tgkill),
	ROW(SIGQUEUE, 0, pack_sigqueue, NULL, exec_sigqueue),
	ROW(TGSIGQUEUE, 1, pack_tgsigqueue, NULL, exec_tgkill),
	ROW(GETPGID, 0, pack_none, NULL, exec_getpgid),
	ROW(GETSID, 0, pack_none, NULL, exec_getsid),
	ROW(GETPRIORITY, 1, pack_getpriority, NULL, exec_getpriority),
	ROW(SETPRIORITY, 1, pack_setpriority, NULL, exec_setpriority),
	ROW(SCHED_GETAFFINITY, 0, pack_getaffinity, unpack_getaffinity,
	    exec_getaffinity),
	ROW(SCHED_SETAFFINITY, 0, pack_setaffinity, NULL, exec_setaffinity),
	ROW(SCHED_GETSCHEDULER, 0, pack_none, NULL, exec_getscheduler),
	ROW(SCHED_GETPARAM, 0, pack_none, unpack_getparam, exec_getparam),
	ROW(PRLIMIT64, 0, pack_prlimit64, unpack_prlimit64, exec_prlimit64),
	/* no hooks of their own in calls.c: pidfd.c sends these */
	ROW(PIDFD_OPEN, 0, NULL, NULL, exec_pidfd_open),
	ROW(PIDFD_SIGNAL, 0, NULL, NULL, exec_pidfd_signal),
};
