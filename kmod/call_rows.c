// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each system call by PID sends and how it is executed: see calls.h.
 * Layouts and units are in wire.h; all results a caller sees are what the
 * kernel's own system call returned at the owner.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/ioprio.h>
#include <linux/pid_namespace.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/uaccess.h>
#include <uapi/linux/sched/types.h>

#include "calls.h"
#include "kin.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "serve.h"

#define arg(in, i)	((long)le64_to_cpu((in)->msg->arg[i]))
#define pid_of(in)	((pid_t)le32_to_cpu((in)->msg->pid))

static void set_arg(struct pando_call_out *out, int i, s64 value)
{
	out->msg.arg[i] = cpu_to_le64(value);
}

#define whom_of(in)	((enum pando_whom)le32_to_cpu((in)->msg->whom))

/* Up to PANDO_CALL_DATA bytes between a message and the thread's memory. */
static bool give(const struct pando_call_in *in, size_t at, const void *data,
		 size_t len)
{
	return !copy_to_user((u8 __user *)in->server->buf + at, data, len);
}

static bool take(struct pando_call_in *in, size_t at, size_t len)
{
	if (len > PANDO_CALL_DATA ||
	    copy_from_user(in->out, (u8 __user *)in->server->buf + at, len))
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

/* The members that sigqueue() fills: they travel. */
int pando_call_get_info(struct kernel_siginfo *info, u64 uinfo, bool compat)
{
	clear_siginfo(info);
	if (compat) {
		struct compat_siginfo c;

		if (copy_from_user(&c, u64_to_user_ptr(uinfo), sizeof(c)))
			return -EFAULT;
		info->si_signo = c.si_signo;
		info->si_code = c.si_code;
		info->si_errno = c.si_errno;
		info->si_pid = c.si_pid;
		info->si_uid = c.si_uid;
		info->si_int = c.si_int;
	} else {
		siginfo_t u;

		if (copy_from_user(&u, u64_to_user_ptr(uinfo), sizeof(u)))
			return -EFAULT;
		info->si_signo = u.si_signo;
		info->si_code = u.si_code;
		info->si_errno = u.si_errno;
		info->si_pid = u.si_pid;
		info->si_uid = u.si_uid;
		info->si_ptr = u.si_ptr;
	}
	return 0;
}

/*
 * Where a stub stands the original was not asked, so what it would not let pass
 * is refused here, too.
 */
static int pack_queued(struct pando_call_out *out, int sig, u64 uinfo,
		       bool compat)
{
	struct kernel_siginfo info;
	int err = pando_call_get_info(&info, uinfo, compat);

	if (err)
		return err;
	if (info.si_code >= 0 || info.si_code == SI_TKILL)
		return -EPERM;
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

	if (whom_of(in) != PANDO_WHOM_ONE)
		pid = whom_of(in) == PANDO_WHOM_ALL ? -1 : -pid;
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
	struct pando_wire_pidfd wire = {
		.start = cpu_to_le64(start),
		.node = cpu_to_le32(pando_nodes_self()),
	};
	int err;

	if (start < 0)
		return start;
	err = pando_kin_tell(pid_of(in), in->node, false);
	if (err && err != -ESRCH)
		return err;
	wire.ended = cpu_to_le32(!!err);
	memcpy(in->out, &wire, sizeof(wire));
	in->out_len = sizeof(wire);
	return 0;
}

static long exec_pidfd_signal(struct pando_call_in *in)
{
	s64 start = start_of(pid_of(in));

	if (start < 0)
		return start;
	/*
	 * A number used again; what was restored here began anew. Who has a stub says 0:
	 * as long as that stands the number is no other's.
	 */
	if (arg(in, 1) && start != arg(in, 1) && !pando_locate_has_arrived(pid_of(in)))
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

static int pack_setpriority(struct pando_call_out *out, const u64 *args,
			    bool compat)
{
	set_arg(out, 0, (int)args[2]);
	return 0;
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
	return ret < 0 || take(in, 0, ret) ? ret : -EFAULT;
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

	return ret < 0 || take(in, 0, sizeof(__le32)) ? ret : -EFAULT;
}

static long unpack_getparam(struct pando_call_out *out, const u64 *args,
			    long ret)
{
	return store(args[1], out, sizeof(__le32), ret);
}

static int pack_data(struct pando_call_out *out, u64 user, size_t len)
{
	if (copy_from_user(out->data, u64_to_user_ptr(user), len))
		return -EFAULT;
	out->msg.datalen = cpu_to_le32(len);
	return 0;
}

static int pack_setscheduler(struct pando_call_out *out, const u64 *args,
			     bool compat)
{
	set_arg(out, 0, (int)args[1]);
	return args[2] ? pack_data(out, args[2], sizeof(__le32)) : -EINVAL;
}

static long exec_setscheduler(struct pando_call_in *in)
{
	if (in->len != sizeof(__le32) || !give(in, 0, in->data, in->len))
		return -EINVAL;
	return pando_call_original(PANDO_CALL_SCHED_SETSCHEDULER, pid_of(in),
				   arg(in, 0), (unsigned long)in->server->buf,
				   0);
}

static int pack_setparam(struct pando_call_out *out, const u64 *args,
			 bool compat)
{
	return args[1] ? pack_data(out, args[1], sizeof(__le32)) : -EINVAL;
}

static long exec_setparam(struct pando_call_in *in)
{
	if (in->len != sizeof(__le32) || !give(in, 0, in->data, in->len))
		return -EINVAL;
	return pando_call_original(PANDO_CALL_SCHED_SETPARAM, pid_of(in),
				   (unsigned long)in->server->buf, 0, 0);
}

static int pack_getattr(struct pando_call_out *out, const u64 *args,
			bool compat)
{
	if (!args[1] || (u32)args[2] > PAGE_SIZE || (u32)args[3])
		return -EINVAL;
	set_arg(out, 0, min_t(u32, args[2], sizeof(struct sched_attr)));
	return 0;
}

static long exec_getattr(struct pando_call_in *in)
{
	unsigned long len = arg(in, 0);
	long ret;

	if (len > sizeof(struct sched_attr))
		return -EINVAL;
	ret = pando_call_original(PANDO_CALL_SCHED_GETATTR, pid_of(in),
				  (unsigned long)in->server->buf, len, 0);
	return ret < 0 || take(in, 0, len) ? ret : -EFAULT;
}

static long unpack_getattr(struct pando_call_out *out, const u64 *args,
			   long ret)
{
	return store(args[1], out, min_t(u32, args[2],
					 sizeof(struct sched_attr)), ret);
}

/* A size that this kernel does not know may travel if nothing is said in it. */
static int pack_setattr(struct pando_call_out *out, const u64 *args,
			bool compat)
{
	struct sched_attr __user *user = u64_to_user_ptr(args[1]);
	struct sched_attr *attr = (void *)out->data;
	u32 size;
	int err;

	if (!args[1] || (u32)args[2])
		return -EINVAL;
	if (get_user(size, &user->size))
		return -EFAULT;
	err = !size ? copy_struct_from_user(attr, sizeof(*attr), user,
					    SCHED_ATTR_SIZE_VER0) :
	      size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE ? -E2BIG :
	      copy_struct_from_user(attr, sizeof(*attr), user, size);
	if (err == -E2BIG)
		return put_user((u32)sizeof(*attr), &user->size) ?: -E2BIG;
	/* read twice: what is said now counts */
	attr->size = min_t(u32, size, sizeof(*attr));
	out->msg.datalen = cpu_to_le32(sizeof(*attr));
	return err;
}

static long exec_setattr(struct pando_call_in *in)
{
	if (in->len != sizeof(struct sched_attr) ||
	    !give(in, 0, in->data, in->len))
		return -EINVAL;
	return pando_call_original(PANDO_CALL_SCHED_SETATTR, pid_of(in),
				   (unsigned long)in->server->buf, 0, 0);
}

static long exec_rr_interval(struct pando_call_in *in)
{
	long ret = pando_call_original(PANDO_CALL_SCHED_RR_GET_INTERVAL,
				       pid_of(in),
				       (unsigned long)in->server->buf, 0, 0);

	return ret < 0 || take(in, 0, 2 * sizeof(__le64)) ? ret : -EFAULT;
}

static long unpack_rr_interval(struct pando_call_out *out, const u64 *args,
			       long ret)
{
	return store(args[1], out, 2 * sizeof(__le64), ret);
}

static long unpack_rr_time32(struct pando_call_out *out, const u64 *args,
			     long ret)
{
	struct old_timespec32 t;
	__le64 wire[2];

	if (out->reply_len < sizeof(wire))
		return -EPROTO;
	memcpy(wire, out->reply.data, sizeof(wire));
	t.tv_sec = le64_to_cpu(wire[0]);
	t.tv_nsec = le64_to_cpu(wire[1]);
	return copy_to_user(u64_to_user_ptr(args[1]), &t, sizeof(t)) ?
	       -EFAULT : ret;
}

static long exec_ioprio_get(struct pando_call_in *in)
{
	long ret = pando_call_original(PANDO_CALL_IOPRIO_GET,
				       IOPRIO_WHO_PROCESS, pid_of(in), 0, 0);
	struct task_struct *task;

	/* of one it is what was set, of many what it comes to */
	if (ret < 0 || whom_of(in) == PANDO_WHOM_ONE ||
	    IOPRIO_PRIO_CLASS(ret) != IOPRIO_CLASS_NONE)
		return ret;
	rcu_read_lock();
	task = pid_task(find_pid_ns(pid_of(in), pando_ns()), PIDTYPE_PID);
	ret = task ? IOPRIO_PRIO_VALUE(task_nice_ioclass(task),
				       task_nice_ioprio(task)) : -ESRCH;
	rcu_read_unlock();
	return ret;
}

static int pack_ioprio_set(struct pando_call_out *out, const u64 *args,
			   bool compat)
{
	set_arg(out, 0, (int)args[2]);
	return 0;
}

static long exec_ioprio_set(struct pando_call_in *in)
{
	return pando_call_original(PANDO_CALL_IOPRIO_SET, IOPRIO_WHO_PROCESS,
				   pid_of(in), arg(in, 0), 0);
}

/* With another first argument it is about many, or wrong: then the kernel says so. */
static u32 priority_target(const u64 *args)
{
	return (int)args[0] == PRIO_PROCESS && (int)args[1] > 0 ? args[1] : 0;
}

static u32 ioprio_target(const u64 *args)
{
	return (int)args[0] == IOPRIO_WHO_PROCESS && (int)args[1] > 0 ? args[1] : 0;
}

/* How many pieces of 32 bits that version has; 0: there is none such. */
static u32 cap_pieces(u32 version)
{
	switch (version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return _LINUX_CAPABILITY_U32S_3;
	default:
		return 0;
	}
}

/* effective, permitted, inheritable */
#define CAP_PIECE	(3 * sizeof(u32))

struct cap_head {
	u32 version;
	s32 pid;
};

/* Who asks for the version only asks about nobody. */
static u32 capget_target(const u64 *args)
{
	struct cap_head head;

	if (!args[1] || copy_from_user(&head, u64_to_user_ptr(args[0]),
				       sizeof(head)))
		return 0;
	return cap_pieces(head.version) && head.pid > 0 ? head.pid : 0;
}

static int pack_capget(struct pando_call_out *out, const u64 *args,
		       bool compat)
{
	u32 version;

	if (get_user(version, (u32 __user *)u64_to_user_ptr(args[0])))
		return -EFAULT;
	set_arg(out, 0, version);
	return cap_pieces(version) ? 0 : -EINVAL;
}

static long exec_capget(struct pando_call_in *in)
{
	struct cap_head head = { arg(in, 0), pid_of(in) };
	unsigned long buf = (unsigned long)in->server->buf;
	long ret;

	if (!give(in, 0, &head, sizeof(head)))
		return -EFAULT;
	ret = pando_call_original(PANDO_CALL_CAPGET, buf, buf + sizeof(head),
				  0, 0);
	return ret < 0 || take(in, sizeof(head),
			       cap_pieces(head.version) * CAP_PIECE) ?
	       ret : -EFAULT;
}

static long unpack_capget(struct pando_call_out *out, const u64 *args,
			  long ret)
{
	u32 version = le64_to_cpu(out->msg.arg[0]);

	return store(args[1], out, cap_pieces(version) * CAP_PIECE, ret);
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
	return ret < 0 || !get || take(in, 0, sizeof(struct rlimit64)) ?
	       ret : -EFAULT;
}

static long unpack_prlimit64(struct pando_call_out *out, const u64 *args,
			     long ret)
{
	return args[3] ? store(args[3], out, sizeof(struct rlimit64), ret) :
			 ret;
}

#define ROW(name, nr, packer, unpacker, executor, ...) \
	[PANDO_CALL_##name] = { PANDO_CALL_##name, nr, packer, unpacker, \
				executor, __VA_ARGS__ }

const struct pando_call_row pando_call_rows[__PANDO_CALL_MAX] = {
	ROW(KILL, 0, pack_kill, NULL, exec_kill, .merge = pando_call_merge_any),
	ROW(TKILL, 0, pack_tkill, NULL, exec_tkill),
	ROW(TGKILL, 1, pack_tgkill, NULL, exec_tgkill),
	ROW(SIGQUEUE, 0, pack_sigqueue, NULL, exec_kill),
	ROW(TGSIGQUEUE, 1, pack_tgsigqueue, NULL, exec_tgkill),
	ROW(GETPGID, 0, pack_none, NULL, exec_getpgid),
	/* of many: pando_call_group_session() */
	ROW(GETSID, 0, pack_none, NULL, exec_getsid, .merge = pando_call_merge_max),
	ROW(GETPRIORITY, 1, pack_none, NULL, exec_getpriority,
	    .target = priority_target, .merge = pando_call_merge_max),
	ROW(SETPRIORITY, 1, pack_setpriority, NULL, exec_setpriority,
	    .target = priority_target, .merge = pando_call_merge_all),
	ROW(SCHED_GETAFFINITY, 0, pack_getaffinity, unpack_getaffinity,
	    exec_getaffinity),
	ROW(SCHED_SETAFFINITY, 0, pack_setaffinity, NULL, exec_setaffinity),
	ROW(SCHED_GETSCHEDULER, 0, pack_none, NULL, exec_getscheduler),
	ROW(SCHED_GETPARAM, 0, pack_none, unpack_getparam, exec_getparam),
	ROW(PRLIMIT64, 0, pack_prlimit64, unpack_prlimit64, exec_prlimit64),
	ROW(SCHED_SETSCHEDULER, 0, pack_setscheduler, NULL, exec_setscheduler),
	ROW(SCHED_SETPARAM, 0, pack_setparam, NULL, exec_setparam),
	ROW(SCHED_GETATTR, 0, pack_getattr, unpack_getattr, exec_getattr),
	ROW(SCHED_SETATTR, 0, pack_setattr, NULL, exec_setattr),
	ROW(SCHED_RR_GET_INTERVAL, 0, pack_none, unpack_rr_interval,
	    exec_rr_interval),
	ROW(IOPRIO_GET, 1, pack_none, NULL, exec_ioprio_get,
	    .target = ioprio_target, .merge = pando_call_merge_min),
	ROW(IOPRIO_SET, 1, pack_ioprio_set, NULL, exec_ioprio_set,
	    .target = ioprio_target, .merge = pando_call_merge_all),
	ROW(CAPGET, 0, pack_capget, unpack_capget, exec_capget,
	    .target = capget_target),
	/* no hooks of their own in calls.c: pidfd.c and kin_group.c send these */
	ROW(PIDFD_OPEN, 0, NULL, NULL, exec_pidfd_open),
	ROW(SETPGID, 0, NULL, NULL, pando_kin_exec_setpgid),
	ROW(PIDFD_SIGNAL, 0, NULL, NULL, exec_pidfd_signal),
};

/* For 32-bit programs the same, with a timespec of theirs. */
const struct pando_call_row pando_call_rr_time32 = {
	PANDO_CALL_SCHED_RR_GET_INTERVAL, 0, pack_none, unpack_rr_time32,
};
