/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks into the kernel: which functions are replaced, by what, and how
 * the originals are called. All of them are installed in hooks.c, by ftrace,
 * by name.
 */
#ifndef _PANDO_HOOKS_H
#define _PANDO_HOOKS_H

#include <linux/ftrace.h>
#include <linux/objtool.h>
#include <linux/percpu.h>
#include <linux/static_call.h>

/**
 * struct pando_hook - one replaced function
 * @name: symbol
 * @stub: leads to what runs in its place
 * @key: of pando_hook_original(), which is patched when the hook is installed
 * @tramp: likewise
 * @orig: where the original goes on behind its ftrace call; calling it runs
 *	the original and no hook
 */
struct pando_hook {
	const char *name;
	void (*stub)(void);
	struct static_call_key *key;
	void *tramp;
	unsigned long orig;
};

/* A system call as the kernel has it in its table, original or replaced. */
typedef long (*pando_syscall_t)(const struct pt_regs *regs);

/*
 * PANDO_HOOK(type, fn, arguments) declares what runs in a function's place: it
 * has its signature, and does all between pando_hook_enter() and
 * pando_hook_leave(). The stub is what the kernel calls at the function's
 * start: it forgets the way back into it, and jumps on. The function itself
 * follows it, mostly in the same line of the cache.
 *
 * PANDO_HOOK_GATED(a, b, type, fn, arguments): as long as @a and @b, which are
 * atomic_t, are zero, the stub jumps to the original, and nothing of ours is left
 * on the stack.
 *
 * pando_hook_original(fn) is the function that @fn stands for, called directly:
 * where indirect branches are guarded against speculation, one costs as much as
 * all else that a hook does.
 */
#define PANDO_HOOK(type, fn, ...)					\
	PANDO_HOOK_STUB("", type, fn, __VA_ARGS__)

#define PANDO_HOOK_GATED(a, b, type, fn, ...)				\
	PANDO_HOOK_STUB("	cmpl $0, " #a "(%rip)\n"		\
			"	jne " #fn "\n"				\
			"	cmpl $0, " #b "(%rip)\n"		\
			"	jne " #fn "\n"				\
			"	jmp " STATIC_CALL_TRAMP_STR(fn##_original) "\n", \
			type, fn, __VA_ARGS__)

#define PANDO_HOOK_STUB(gate, type, fn, ...)				\
	static type fn(__VA_ARGS__) __attribute__((no_reorder));	\
	DEFINE_STATIC_CALL_NULL(fn##_original, fn);			\
	void fn##_stub(void);						\
	static void *const fn##_kept __used = fn;			\
	asm(".pushsection .text, \"ax\"\n"				\
	    ".p2align 6\n"						\
	    ".type " #fn "_stub, @function\n"				\
	    #fn "_stub:\n"						\
	    "	leaq 8(%rsp), %rsp\n"					\
	    gate							\
	    "	jmp " #fn "\n"						\
	    ".size " #fn "_stub, . - " #fn "_stub\n"			\
	    ".popsection\n");						\
	STACK_FRAME_NON_STANDARD(fn##_stub)

#define PANDO_HOOK_SYSCALL(fn) \
	PANDO_HOOK(long, fn, const struct pt_regs *regs)

#define pando_hook_original(fn) static_call(fn##_original)

/* A row of a table of hooks. */
#define PANDO_HOOK_ROW(symbol, fn) {					\
	.name = symbol, .stub = fn##_stub,				\
	.key = &STATIC_CALL_KEY(fn##_original),				\
	.tramp = STATIC_CALL_TRAMP_ADDR(fn##_original),			\
}

/*
 * How many tasks are inside hooks, summed over the CPUs: what unloading and
 * detaching wait for. A task may sleep in a hook and leave on another CPU.
 */
DECLARE_PER_CPU(long, pando_hook_busy);

static inline void pando_hook_enter(void)
{
	this_cpu_inc(pando_hook_busy);
}

static inline void pando_hook_leave(void)
{
	this_cpu_dec(pando_hook_busy);
}

/*
 * Returns when every task that was inside a hook at the call has left it.
 * Process context, sleeps; whoever waits inside a hook must have been woken.
 */
void pando_hooks_drain(void);

/*
 * Where a function of the kernel begins, for calling one that is not hooked.
 * -ENOENT. Process context.
 */
int pando_hook_resolve(const char *name, unsigned long *addr);

/*
 * send_signal_locked() without its hook. Under the receiver's siglock,
 * interrupts off.
 */
int pando_signal_original(int sig, struct kernel_siginfo *info,
			  struct task_struct *task, enum pid_type type);

int pando_hooks_init(void);	/* -ENOENT names what the kernel lacks */
void pando_hooks_exit(void);

/* alloc.c */
extern struct pando_hook pando_alloc_hooks[];
extern const int pando_alloc_nhooks;
/* calls.c, refuse.c, pidfd.c: system calls by PID */
extern struct pando_hook pando_call_hooks[];
extern const int pando_call_nhooks;
extern struct pando_hook pando_refuse_hooks[];
extern const int pando_refuse_nhooks;
extern struct pando_hook pando_pidfd_hooks[];
extern const int pando_pidfd_nhooks;
int pando_pidfd_init(void);
/* signal.c */
extern struct pando_hook pando_signal_hooks[];
extern const int pando_signal_nhooks;
/* kin_group.c */
extern struct pando_hook pando_group_hooks[];
extern const int pando_group_nhooks;
/* tasklist.c */
extern struct pando_hook pando_tasklist_hooks[];
extern const int pando_tasklist_nhooks;
/* kin_wait.c */
extern struct pando_hook pando_wait_hooks[];
extern const int pando_wait_nhooks;
/* remap.c */
extern struct pando_hook pando_remap_hooks[];
extern const int pando_remap_nhooks;
/* kin_hooks.c; and a tracepoint */
extern struct pando_hook pando_kin_hooks[];
extern const int pando_kin_nhooks;
int pando_kin_hooks_init(void);
void pando_kin_hooks_exit(void);

#endif
