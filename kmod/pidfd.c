// SPDX-License-Identifier: GPL-2.0-only
/*
 * pidfds of processes that live on another node. An anonymous inode of ours
 * that holds the PID and the process's start time (by which the owner knows
 * whether the number was used again); pidfd_send_signal() on it is forwarded.
 * Polling for the exit and waitid(P_PIDFD) come with remote parents; until
 * then poll() never reports it, and pidfd_getfd() gives EBADF.
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

#include "calls.h"
#include "hooks.h"
#include "locate.h"
#include "ns.h"

/**
 * struct remote_pidfd - private data of such a file
 * @pid: global PID
 * @start: as the owner said
 */
struct remote_pidfd {
	u32 pid;
	u64 start;
};

typedef long (*syscall_t)(const struct pt_regs *regs);

enum { OPEN64, SIGNAL64, OPEN32, SIGNAL32 };

static int release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static __poll_t poll(struct file *file, struct poll_table_struct *table)
{
	return 0;
}

static void show_fdinfo(struct seq_file *m, struct file *file)
{
	struct remote_pidfd *p = file->private_data;

	seq_printf(m, "Pid:\t%u\n", p->pid);
}

static const struct file_operations remote_pidfd_fops = {
	.owner = THIS_MODULE,
	.release = release,
	.poll = poll,
	.show_fdinfo = show_fdinfo,
	.llseek = noop_llseek,
};

static int make_fd(u32 pid, u64 start, unsigned int flags)
{
	struct remote_pidfd *p = kmalloc(sizeof(*p), GFP_KERNEL);
	int fd;

	if (!p)
		return -ENOMEM;
	p->pid = pid;
	p->start = start;
	fd = anon_inode_getfd("[pidfd]", &remote_pidfd_fops, p,
			      O_RDWR | O_CLOEXEC | (flags & O_NONBLOCK));
	if (fd < 0)
		kfree(p);
	return fd;
}

static long open_remote(u32 pid, unsigned int flags, bool *here)
{
	struct pando_call_out *out;
	__le64 start;
	long ret;

	out = kzalloc(sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	ret = pando_call_send(out, PANDO_CALL_PIDFD_OPEN, pid, here);
	if (!ret && out->reply_len < sizeof(start))
		ret = -EPROTO;
	if (!ret) {
		memcpy(&start, out->reply.data, sizeof(start));
		ret = make_fd(pid, le64_to_cpu(start), flags);
	}
	kfree(out);
	return ret;
}

static long pidfd_open(struct pando_hook *hook, const struct pt_regs *regs,
		       int pid, unsigned int flags)
{
	bool here = false;
	long ret;

	pando_hook_enter();
	ret = ((syscall_t)hook->orig)(regs);
	if (ret == -ESRCH && pando_ns_has_current() &&
	    pando_locate_may_be_remote(pid)) {
		ret = open_remote(pid, flags, &here);
		if (here)
			ret = ((syscall_t)hook->orig)(regs);
	}
	pando_hook_leave();
	return ret;
}

/* The checks that pidfd_send_signal() makes of a siginfo. */
static int get_info(struct kernel_siginfo *info, int sig, u64 uinfo)
{
	siginfo_t u;

	if (!uinfo) {
		pando_call_user_info(info, sig, SI_USER);
		return 0;
	}
	if (in_compat_syscall())
		return -EOPNOTSUPP;
	if (copy_from_user(&u, u64_to_user_ptr(uinfo), sizeof(u)))
		return -EFAULT;
	if (u.si_signo != sig)
		return -EINVAL;
	if (u.si_code >= 0 || u.si_code == SI_TKILL)
		return -EPERM;
	clear_siginfo(info);
	info->si_signo = sig;
	info->si_code = u.si_code;
	info->si_errno = u.si_errno;
	info->si_pid = u.si_pid;
	info->si_uid = u.si_uid;
	info->si_ptr = u.si_ptr;
	return 0;
}

/* The process has come to this node: the original calls know it. */
static long signal_local(struct remote_pidfd *p, int sig, u64 uinfo)
{
	if (uinfo)
		return pando_call_original(PANDO_CALL_SIGQUEUE, p->pid, sig,
					   uinfo, 0);
	return pando_call_original(PANDO_CALL_KILL, p->pid, sig, 0, 0);
}

static long signal_remote(struct remote_pidfd *p, int sig, u64 uinfo,
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

static long pidfd_signal(struct pando_hook *hook, const struct pt_regs *regs,
			 int fd, int sig, u64 info, unsigned int flags)
{
	struct fd f;
	long ret;

	pando_hook_enter();
	ret = ((syscall_t)hook->orig)(regs);
	if (ret == -EBADF) {
		f = fdget(fd);
		if (f.file && f.file->f_op == &remote_pidfd_fops)
			ret = signal_remote(f.file->private_data, sig, info,
					    flags);
		fdput(f);
	}
	pando_hook_leave();
	return ret;
}

static long hook_open64(const struct pt_regs *regs)
{
	return pidfd_open(&pando_pidfd_hooks[OPEN64], regs, regs->di, regs->si);
}

PANDO_HOOK_STUB(hook_open64);

static long hook_signal64(const struct pt_regs *regs)
{
	return pidfd_signal(&pando_pidfd_hooks[SIGNAL64], regs, regs->di,
			    regs->si, regs->dx, regs->r10);
}

PANDO_HOOK_STUB(hook_signal64);

#ifdef CONFIG_IA32_EMULATION
static long hook_open32(const struct pt_regs *regs)
{
	return pidfd_open(&pando_pidfd_hooks[OPEN32], regs, regs->bx, regs->cx);
}

PANDO_HOOK_STUB(hook_open32);

static long hook_signal32(const struct pt_regs *regs)
{
	return pidfd_signal(&pando_pidfd_hooks[SIGNAL32], regs, regs->bx,
			    regs->cx, (u32)regs->dx, regs->si);
}

PANDO_HOOK_STUB(hook_signal32);
#endif

struct pando_hook pando_pidfd_hooks[] = {
	[OPEN64] = { .name = "__x64_sys_pidfd_open", .stub = hook_open64_stub },
	[SIGNAL64] = { .name = "__x64_sys_pidfd_send_signal",
		       .stub = hook_signal64_stub },
#ifdef CONFIG_IA32_EMULATION
	[OPEN32] = { .name = "__ia32_sys_pidfd_open", .stub = hook_open32_stub },
	[SIGNAL32] = { .name = "__ia32_sys_pidfd_send_signal",
		       .stub = hook_signal32_stub },
#endif
};

const int pando_pidfd_nhooks = ARRAY_SIZE(pando_pidfd_hooks);
