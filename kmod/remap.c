// SPDX-License-Identifier: GPL-2.0-only
/* Moved mappings count as changed; see remap.h. */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "hooks.h"
#include "remap.h"

/** struct watcher - a mover that follows what changes */
struct watcher {
	struct list_head list;
	struct file *owner;
};

static LIST_HEAD(watchers);	/* watchers_mutex */
static DEFINE_MUTEX(watchers_mutex);
static atomic_t watched = ATOMIC_INIT(0);

int pando_remap_watch(struct file *owner)
{
	struct watcher *w = kmalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	w->owner = owner;
	mutex_lock(&watchers_mutex);
	list_add(&w->list, &watchers);
	atomic_inc(&watched);
	mutex_unlock(&watchers_mutex);
	return 0;
}

void pando_remap_drop(struct file *owner)
{
	struct watcher *w, *next;

	mutex_lock(&watchers_mutex);
	list_for_each_entry_safe(w, next, &watchers, list) {
		if (w->owner != owner)
			continue;
		list_del(&w->list);
		atomic_dec(&watched);
		kfree(w);
	}
	mutex_unlock(&watchers_mutex);
}

/*
 * Whoever looks at the memory has stopped all threads first: none of them is
 * between its mremap() and this.
 */
static noinline void mark(unsigned long addr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	mmap_write_lock(mm);
	vma = find_vma(mm, addr);
	if (vma)
		vma->vm_flags |= VM_SOFTDIRTY;
	mmap_write_unlock(mm);
}

static __always_inline long remap(pando_syscall_t original,
				  const struct pt_regs *regs)
{
	long ret;

	pando_hook_enter();
	ret = original(regs);
	if (unlikely(atomic_read(&watched)) && !IS_ERR_VALUE(ret))
		mark(ret);
	pando_hook_leave();
	return ret;
}

PANDO_HOOK_SYSCALL(hook_mremap);

static long hook_mremap(const struct pt_regs *regs)
{
	return remap(pando_hook_original(hook_mremap), regs);
}

#ifdef CONFIG_IA32_EMULATION
PANDO_HOOK_SYSCALL(hook32_mremap);

static long hook32_mremap(const struct pt_regs *regs)
{
	return remap(pando_hook_original(hook32_mremap), regs);
}
#endif

struct pando_hook pando_remap_hooks[] = {
	PANDO_HOOK_ROW("__x64_sys_mremap", hook_mremap),
#ifdef CONFIG_IA32_EMULATION
	PANDO_HOOK_ROW("__ia32_sys_mremap", hook32_mremap),
#endif
};

const int pando_remap_nhooks = ARRAY_SIZE(pando_remap_hooks);
