// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks: direct calls of ftrace. The call at a function's start goes to a stub
 * of ours, which goes on to what replaces it; that calls the original behind
 * its ftrace call. Nobody can switch direct calls off below us by a sysctl, and
 * they save no registers, so a hook costs little more than the calls in it;
 * that of the original is patched in too (static_call).
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "hooks.h"
#include "reaper.h"

DEFINE_PER_CPU(long, pando_hook_busy);

static struct {
	struct pando_hook *hooks;
	const int *n;
} groups[] = {
	{ pando_alloc_hooks, &pando_alloc_nhooks },
	{ pando_signal_hooks, &pando_signal_nhooks },
	{ pando_call_hooks, &pando_call_nhooks },
	{ pando_refuse_hooks, &pando_refuse_nhooks },
	{ pando_pidfd_hooks, &pando_pidfd_nhooks },
	{ pando_tasklist_hooks, &pando_tasklist_nhooks },
	{ pando_kin_hooks, &pando_kin_nhooks },
	{ pando_remap_hooks, &pando_remap_nhooks },
	{ pando_group_hooks, &pando_group_nhooks },
	{ pando_reaper_hooks, &pando_reaper_nhooks },
	{ pando_wait_hooks, &pando_wait_nhooks },
};

/* kprobes know the address of a symbol; the probe does not stay. */
int pando_hook_resolve(const char *name, unsigned long *addr)
{
	struct kprobe probe = { .symbol_name = name };
	int err;

	err = register_kprobe(&probe);
	if (err) {
		pr_err("pando: this kernel has no function %s (%d)\n", name,
		       err);
		return err;
	}
	*addr = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

/* Where the original goes on: behind the call at its start. */
static int resolve(struct pando_hook *h)
{
	unsigned long addr;
	int err;

	err = pando_hook_resolve(h->name, &addr);
	if (err)
		return err;
#ifdef CONFIG_X86_KERNEL_IBT
	if (is_endbr(*(u32 *)addr))
		addr += 4;
#endif
	h->orig = addr + MCOUNT_INSN_SIZE;
	return 0;
}

/* The call that ftrace patches. */
static unsigned long site(const struct pando_hook *h)
{
	return h->orig - MCOUNT_INSN_SIZE;
}

static int install(struct pando_hook *h)
{
	int err;

	err = resolve(h);
	if (err)
		return err;
	__static_call_update(h->key, h->tramp, (void *)h->orig);
	err = register_ftrace_direct(site(h), (unsigned long)h->stub);
	if (err)
		pr_err("pando: cannot hook %s (%d); is it live-patched, or does a BPF program sit there?\n",
		       h->name, err);
	return err;
}

static void remove(struct pando_hook *h)
{
	unregister_ftrace_direct(site(h), (unsigned long)h->stub);
}

/* Removes the first @n hooks of group @g and all of the groups before it. */
static void remove_upto(int g, int n)
{
	for (;;) {
		while (n--)
			remove(&groups[g].hooks[n]);
		if (!g--)
			break;
		n = *groups[g].n;
	}
}

void pando_hooks_drain(void)
{
	long sum;
	int cpu;

	for (;;) {
		/* nobody is between the trampoline and pando_hook_enter() */
		synchronize_rcu_tasks();
		sum = 0;
		for_each_possible_cpu(cpu)
			sum += per_cpu(pando_hook_busy, cpu);
		if (!sum)
			break;
		msleep(20);
	}
	/* nobody is between pando_hook_leave() and the return */
	synchronize_rcu_tasks();
}

static void remove_all(void)
{
	remove_upto(ARRAY_SIZE(groups) - 1,
		    *groups[ARRAY_SIZE(groups) - 1].n);
	pando_hooks_drain();
}

int pando_hooks_init(void)
{
	int g, i, err;

	err = pando_pidfd_init();
	if (err)
		return err;
	for (g = 0; g < ARRAY_SIZE(groups); g++) {
		for (i = 0; i < *groups[g].n; i++) {
			err = install(&groups[g].hooks[i]);
			if (err) {
				remove_upto(g, i);
				pando_hooks_drain();
				return err;
			}
		}
	}
	err = pando_kin_hooks_init();
	if (err)
		remove_all();
	return err;
}

void pando_hooks_exit(void)
{
	pando_kin_hooks_exit();
	remove_all();
}
