// SPDX-License-Identifier: GPL-2.0-only
/*
 * pidfds of processes that live on another node: an anonymous inode of ours
 * that holds the PID and the process's start time (by which the owner knows
 * whether the number was used again), and watches for its end. What signals it
 * is forwarded; what would look into it is refused, as in refuse.c.
 *
 * The kernel's own pidfds of processes that have left are watched, too, and
 * their signals follow.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/wait.h>

#include "calls.h"
#include "hooks.h"
#include "locate.h"
#include "ns.h"
#include "stub.h"
#include "watch.h"

/**
 * struct remote_pidfd - private data of such a file
 * @pid: global PID
 * @start: as the owner said; 0: not known
 * @watch: tells its end
 */
struct remote_pidfd {
	u32 pid;
	u64 start;
	struct pando_watch *watch;
};

typedef __poll_t (*poll_t)(struct file *file, struct poll_table_struct *table);

/* By which the kernel's own pidfds are told. */
static poll_t kernels_poll;

static int release(struct inode *inode, struct file *file)
{
	struct remote_pidfd *p = file->private_data;

	pando_watch_put(p->watch);
	kfree(p);
	return 0;
}

static __poll_t poll(struct file *file, struct poll_table_struct *table)
{
	struct remote_pidfd *p = file->private_data;

	poll_wait(file, pando_watch_wait(p->watch), table);
	return pando_watch_has_ended(p->watch) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void show_fdinfo(struct seq_file *m, struct file *file)
{
	struct remote_pidfd *p = file->private_data;
	bool ended = pando_watch_has_ended(p->watch);

	seq_printf(m, "Pid:\t%d\n", ended ? -1 : (int)p->pid);
}

static const struct file_operations remote_pidfd_fops = {
	.owner = THIS_MODULE,
	.release = release,
	.poll = poll,
	.show_fdinfo = show_fdinfo,
	.llseek = noop_llseek,
};

static bool is_remote(unsigned int fd)
{
	struct fd f = fdget(fd);
	bool is = f.file && f.file->f_op == &remote_pidfd_fops;

	fdput(f);
	return is;
}

/* --- opening -------------------------------------------------------------------- */

static int make_fd(const struct remote_pidfd *p, unsigned int flags)
{
	struct remote_pidfd *data = kmemdup(p, sizeof(*p), GFP_KERNEL);
	int fd;

	if (!data)
		return -ENOMEM;
	fd = anon_inode_getfd("[pidfd]", &remote_pidfd_fops, data,
			      O_RDWR | O_CLOEXEC | (flags & O_NONBLOCK));
	if (fd < 0)
		kfree(data);
	return fd;
}

/* We are told of its end as soon as the owner knows: the watch stands before. */
static long ask(struct remote_pidfd *p, bool *here)
{
	struct pando_call_out *out = kzalloc(sizeof(*out), GFP_KERNEL);
	struct pando_wire_pidfd wire;
	long ret;

	if (!out)
		return -ENOMEM;
	ret = pando_call_send(out, PANDO_CALL_PIDFD_OPEN, p->pid, here);
	if (!ret && out->reply_len < sizeof(wire))
		ret = -EPROTO;
	if (!ret) {
		memcpy(&wire, out->reply.data, sizeof(wire));
		p->start = le64_to_cpu(wire.start);
		pando_watch_found(p->watch, le32_to_cpu(wire.node));
		if (wire.ended)
			pando_watch_end(p->pid);
	}
	kfree(out);
	return ret;
}

static long open_remote(u32 pid, unsigned int flags, bool *here)
{
	struct remote_pidfd p = { .pid = pid, .watch = pando_watch_get(pid) };
	long ret;

	if (!p.watch)
		return -ENOMEM;
	ret = ask(&p, here);
	if (!ret)
		ret = make_fd(&p, flags);
	if (ret < 0)
		pando_watch_put(p.watch);
	return ret;
}

/*
 * A stub has what the process's parent waits for, and is as good a pidfd as the
 * process; what is about to arrive or to go is none.
 */
static long pidfd_open(pando_syscall_t original, const struct pt_regs *regs,
		       int pid, unsigned int flags)
{
	bool left, here = false;
	long ret = -ESRCH;

	pando_hook_enter();
	left = pid > 0 && pando_stub_has_left(pid);
	if (likely(pid <= 0 || (!READ_ONCE(pando_locate_moving) && !left)) ||
	    (pando_stub_has(pid) && !left) || !pando_call_is_unsettled(pid))
		ret = original(regs);
	if (ret == -ESRCH && pando_ns_has_current() &&
	    pando_locate_may_be_remote(pid)) {
		ret = open_remote(pid, flags, &here);
		if (here)
			ret = original(regs);
	}
	pando_hook_leave();
	return ret;
}

/* --- signals ---------------------------------------------------------------------- */

/* With the checks that pidfd_send_signal() makes of a siginfo. */
static int get_info(struct kernel_siginfo *info, int sig, u64 uinfo)
{
	int err;

	if (!uinfo) {
		pando_call_user_info(info, sig, SI_USER);
		return 0;
	}
	err = pando_call_get_info(info, uinfo, in_compat_syscall());
	if (err)
		return err;
	if (info->si_signo != sig)
		return -EINVAL;
	return info->si_code >= 0 || info->si_code == SI_TKILL ? -EPERM : 0;
}

/*
 * The process has come to this node: the original calls know it (and read a
 * siginfo as 64-bit programs have it: of a 32-bit one only the number goes).
 */
static long signal_local(const struct remote_pidfd *p, int sig, u64 uinfo)
{
	if (uinfo && !in_compat_syscall())
		return pando_call_original(PANDO_CALL_SIGQUEUE, p->pid, sig,
					   uinfo, 0);
	return pando_call_original(PANDO_CALL_KILL, p->pid, sig, 0, 0);
}

static long signal_remote(const struct remote_pidfd *p, int sig, u64 uinfo,
			  unsigned int flags)
{
	struct pando_call_out *out;
	struct kernel_siginfo info;
	bool here;
	long ret;

	if (flags || sig < 0 || sig > _NSIG)
		return -EINVAL;
	ret = get_info(&info, sig, uinfo);
	if (ret)
		return ret;
	if (pando_ns_has_pid(p->pid))
		return signal_local(p, sig, uinfo);
	out = kzalloc(sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	pando_call_pack_info(out, &info);
	out->msg.arg[0] = cpu_to_le64(sig);
	out->msg.arg[1] = cpu_to_le64(p->start);
	ret = pando_call_send(out, PANDO_CALL_PIDFD_SIGNAL, p->pid, &here);
	if (here)
		ret = signal_local(p, sig, uinfo);
	kfree(out);
	return ret;
}

/*
 * For movers, pando-init and whoever is outside of the cluster a task that has
 * ended here has ended.
 */
static bool is_concerned(void)
{
	return pando_ns_has_current() && !pando_ns_is_local(current) &&
	       !pando_ns_current_is_init();
}

/* The number of a process that left, or of which there is a stub; or 0. */
static u32 of_absent(struct pid *pid)
{
	u32 nr = pando_watch_left(pid);
	bool same;

	if (nr || !pando_stub_any())
		return nr;
	nr = pid_nr_ns(pid, pando_ns());
	rcu_read_lock();
	same = nr && find_pid_ns(nr, pando_ns()) == pid;
	rcu_read_unlock();
	return same && pando_stub_stands(nr) ? nr : 0;
}

/* Whose pidfd it is, if the process lives elsewhere. */
static bool of_remote(struct file *file, struct remote_pidfd *p)
{
	if (file->f_op == &remote_pidfd_fops) {
		*p = *(struct remote_pidfd *)file->private_data;
		return true;
	}
	*p = (struct remote_pidfd){};
	if (file->f_op->poll == kernels_poll && is_concerned())
		p->pid = of_absent(file->private_data);
	/* without a stub its number may be another's by now: only who has arrived is it */
	if (p->pid && !pando_stub_stands(p->pid))
		p->start = ~0ULL;
	return p->pid;
}

static long pidfd_signal(pando_syscall_t original, const struct pt_regs *regs,
			 int fd, int sig, u64 info, unsigned int flags)
{
	struct remote_pidfd p;
	struct fd f;
	long ret;

	pando_hook_enter();
	f = fdget(fd);
	if (f.file && of_remote(f.file, &p))
		ret = signal_remote(&p, sig, info, flags);
	else
		ret = original(regs);
	fdput(f);
	pando_hook_leave();
	return ret;
}

/* --- the end, and what cannot be done ------------------------------------------------ */

PANDO_HOOK(__poll_t, hook_pidfd_poll, struct file *file,
	   struct poll_table_struct *table);

static __poll_t hook_pidfd_poll(struct file *file,
				struct poll_table_struct *table)
{
	__poll_t ret;

	pando_hook_enter();
	ret = pando_hook_original(hook_pidfd_poll)(file, table);
	if (ret && is_concerned() && pando_watch_left(file->private_data))
		ret = 0;
	pando_hook_leave();
	return ret;
}

/* waitid(P_PIDFD): a process that is remote is no child of the caller. */
PANDO_HOOK(struct pid *, hook_pidfd_get_pid, unsigned int fd,
	   unsigned int *flags);

static struct pid *hook_pidfd_get_pid(unsigned int fd, unsigned int *flags)
{
	struct pid *pid;

	pando_hook_enter();
	pid = pando_hook_original(hook_pidfd_get_pid)(fd, flags);
	if (unlikely(pid == ERR_PTR(-EBADF)) && is_remote(fd))
		pid = ERR_PTR(-ECHILD);
	pando_hook_leave();
	return pid;
}

static long refuse(pando_syscall_t original, const struct pt_regs *regs,
		   unsigned int fd, unsigned int flags)
{
	long ret;

	pando_hook_enter();
	if (!flags && is_remote(fd))
		ret = -EREMOTE;
	else
		ret = original(regs);
	pando_hook_leave();
	return ret;
}

#define CALLS(X) \
	X(open, pidfd_open, a[0], a[1]) \
	X(signal, pidfd_signal, a[0], a[1], a[2], a[3]) \
	X(getfd, refuse, a[0], a[2]) \
	X(madvise, refuse, a[0], a[4]) \
	X(mrelease, refuse, a[0], a[1])

#define X(name, fn, ...) \
PANDO_HOOK_SYSCALL(hook_##name); \
static long hook_##name(const struct pt_regs *regs) \
{ \
	u64 a[PANDO_CALL_ARGS]; \
\
	pando_call_args(regs, false, a); \
	return fn(pando_hook_original(hook_##name), regs, __VA_ARGS__); \
}

CALLS(X)
#undef X

#ifdef CONFIG_IA32_EMULATION
#define X(name, fn, ...) \
PANDO_HOOK_SYSCALL(hook32_##name); \
static long hook32_##name(const struct pt_regs *regs) \
{ \
	u64 a[PANDO_CALL_ARGS]; \
\
	pando_call_args(regs, true, a); \
	return fn(pando_hook_original(hook32_##name), regs, __VA_ARGS__); \
}

CALLS(X)
#undef X
#endif

struct pando_hook pando_pidfd_hooks[] = {
	PANDO_HOOK_ROW("pidfd_poll", hook_pidfd_poll),
	PANDO_HOOK_ROW("pidfd_get_pid", hook_pidfd_get_pid),
	PANDO_HOOK_ROW("__x64_sys_pidfd_open", hook_open),
	PANDO_HOOK_ROW("__x64_sys_pidfd_send_signal", hook_signal),
	PANDO_HOOK_ROW("__x64_sys_pidfd_getfd", hook_getfd),
	PANDO_HOOK_ROW("__x64_sys_process_madvise", hook_madvise),
	PANDO_HOOK_ROW("__x64_sys_process_mrelease", hook_mrelease),
#ifdef CONFIG_IA32_EMULATION
	PANDO_HOOK_ROW("__ia32_sys_pidfd_open", hook32_open),
	PANDO_HOOK_ROW("__ia32_sys_pidfd_send_signal", hook32_signal),
	PANDO_HOOK_ROW("__ia32_sys_pidfd_getfd", hook32_getfd),
	PANDO_HOOK_ROW("__ia32_sys_process_madvise", hook32_madvise),
	PANDO_HOOK_ROW("__ia32_sys_process_mrelease", hook32_mrelease),
#endif
};

const int pando_pidfd_nhooks = ARRAY_SIZE(pando_pidfd_hooks);

int pando_pidfd_init(void)
{
	unsigned long addr;
	int err = pando_hook_resolve("pidfd_poll", &addr);

	kernels_poll = (poll_t)addr;
	return err;
}
