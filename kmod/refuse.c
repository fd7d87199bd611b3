// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that look into a process, which no other node can do in its
 * place: memory, tracing, descriptors, counters. On a process of another node
 * they fail with EREMOTE ("Object is remote"); `cluster-run --with PID` runs
 * strace, gdb, perf or lsof beside it instead.
 */
#include <linux/compiler.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/ptrace.h>

#include "calls.h"
#include "hooks.h"
#include "locate.h"
#include "ns.h"
#include "stub.h"

/* Which of the arguments is the process, and when. 0: none. */
static u32 first(const u64 *a)
{
	return (int)a[0] > 0 ? a[0] : 0;
}

static u32 ptrace_pid(const u64 *a)
{
	return (long)a[0] == PTRACE_TRACEME || (int)a[1] <= 0 ? 0 : a[1];
}

static u32 perf_pid(const u64 *a)
{
	return (a[4] & PERF_FLAG_PID_CGROUP) || (int)a[1] <= 0 ? 0 : a[1];
}

/* Two processes: the one that is elsewhere, if there is one. */
static u32 kcmp_pid(const u64 *a)
{
	u32 pid = first(a);

	return pid && !pando_ns_has_pid(pid) ? pid : first(a + 1);
}

/* Does a process of that number live on another node? -ESRCH: nowhere. */
static long is_remote(u32 pid, bool *here)
{
	u16 home, node;
	long err;

	err = pando_locate_where(pid, &home, &node);
	*here = !err && pando_ns_has_pid(pid);
	return err ?: -EREMOTE;
}

static noinline long elsewhere(pando_syscall_t original,
			       const struct pt_regs *regs, u32 pid)
{
	bool here;
	long ret;

	if (!pid || !pando_ns_has_current() || !pando_locate_may_be_remote(pid))
		return -ESRCH;
	ret = is_remote(pid, &here);
	return here ? original(regs) : ret;
}

static __always_inline long refuse(pando_syscall_t original,
				   u32 (*pid_of)(const u64 *args),
				   const struct pt_regs *regs, bool compat)
{
	u64 args[PANDO_CALL_ARGS];
	long ret;

	pando_hook_enter();
	pando_call_args(regs, compat, args);
	if (pando_stub_any() &&
	    pando_call_is_unsettled(pid_of(args)))
		ret = -ESRCH;
	else
		ret = original(regs);
	if (unlikely(ret == -ESRCH))
		ret = elsewhere(original, regs, pid_of(args));
	pando_hook_leave();
	return ret;
}

#define CALLS(X) \
	X(ptrace, ptrace_pid, __x64_sys_ptrace, __ia32_compat_sys_ptrace) \
	X(vm_readv, first, __x64_sys_process_vm_readv, \
	  __ia32_sys_process_vm_readv) \
	X(vm_writev, first, __x64_sys_process_vm_writev, \
	  __ia32_sys_process_vm_writev) \
	X(kcmp, kcmp_pid, __x64_sys_kcmp, __ia32_sys_kcmp) \
	X(perf, perf_pid, __x64_sys_perf_event_open, \
	  __ia32_sys_perf_event_open) \
	X(migrate_pages, first, __x64_sys_migrate_pages, \
	  __ia32_sys_migrate_pages) \
	X(move_pages, first, __x64_sys_move_pages, __ia32_sys_move_pages) \
	X(robust_list, first, __x64_sys_get_robust_list, \
	  __ia32_compat_sys_get_robust_list)

#define X(tag, pid_of, x64, ia32) \
PANDO_HOOK_SYSCALL(hook_##tag); \
static long hook_##tag(const struct pt_regs *regs) \
{ \
	return refuse(pando_hook_original(hook_##tag), pid_of, regs, false); \
}

CALLS(X)
#undef X

#ifdef CONFIG_IA32_EMULATION
#define X(tag, pid_of, x64, ia32) \
PANDO_HOOK_SYSCALL(hook32_##tag); \
static long hook32_##tag(const struct pt_regs *regs) \
{ \
	return refuse(pando_hook_original(hook32_##tag), pid_of, regs, true); \
}

CALLS(X)
#undef X
#endif

struct pando_hook pando_refuse_hooks[] = {
#define X(tag, pid_of, x64, ia32) PANDO_HOOK_ROW(#x64, hook_##tag),
CALLS(X)
#undef X
#ifdef CONFIG_IA32_EMULATION
#define X(tag, pid_of, x64, ia32) PANDO_HOOK_ROW(#ia32, hook32_##tag),
CALLS(X)
#undef X
#endif
};

const int pando_refuse_nhooks = ARRAY_SIZE(pando_refuse_hooks);
