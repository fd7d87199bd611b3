// SPDX-License-Identifier: GPL-2.0-only
/* Stubs made by pando-init: see nurse.h. */
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "node.h"
#include "nurse.h"

/**
 * struct order - a stub that is to be made
 * @list: of @waiting or @begun; lock
 * @ref: one for who waits for it, one while it is in a list
 * @stub: what pando-init is told
 * @result: what it said
 * @done: it did
 */
struct order {
	struct list_head list;
	struct kref ref;
	struct pando_nurse stub;
	int result;
	struct completion done;
};

static DEFINE_SPINLOCK(lock);
static LIST_HEAD(waiting);		/* lock */
static LIST_HEAD(begun);		/* lock */
static bool open;			/* lock */
static u64 last;			/* lock: id of an order */
static DECLARE_WAIT_QUEUE_HEAD(wait);

static void order_free(struct kref *ref)
{
	kfree(container_of(ref, struct order, ref));
}

/* Out of its list, if it is in one; under the lock. */
static void finish(struct order *o, int result)
{
	if (list_empty(&o->list))
		return;
	list_del_init(&o->list);
	o->result = result;
	complete(&o->done);
	kref_put(&o->ref, order_free);
}

int pando_nurse_make(const struct pando_nurse *stub)
{
	struct order *o = kzalloc(sizeof(*o), GFP_KERNEL);
	int ret;

	if (!o)
		return -ENOMEM;
	o->stub = *stub;
	init_completion(&o->done);
	kref_init(&o->ref);
	INIT_LIST_HEAD(&o->list);
	spin_lock(&lock);
	if (open) {
		o->stub.id = ++last;
		kref_get(&o->ref);
		list_add_tail(&o->list, &waiting);
	} else {
		o->result = -ENOTCONN;
		complete(&o->done);
	}
	spin_unlock(&lock);
	wake_up(&wait);
	if (!wait_for_completion_timeout(&o->done, pando_nodes_timeout() / 2)) {
		spin_lock(&lock);
		finish(o, -ETIMEDOUT);
		spin_unlock(&lock);
	}
	ret = o->result;
	kref_put(&o->ref, order_free);
	return ret;
}

/* Nobody may wait for it any more. */
static void note_result(u64 id, int result)
{
	struct order *o;

	spin_lock(&lock);
	list_for_each_entry(o, &begun, list) {
		if (o->stub.id == id) {
			finish(o, min(result, 0));
			break;
		}
	}
	spin_unlock(&lock);
}

/* True: there is one, or no more will come, and @stub->id is 0. */
static bool next(struct pando_nurse *stub)
{
	struct order *o;
	bool due;

	*stub = (struct pando_nurse){};
	spin_lock(&lock);
	o = list_first_entry_or_null(&waiting, struct order, list);
	if (o) {
		list_move_tail(&o->list, &begun);
		*stub = o->stub;
	}
	due = o || !open;
	spin_unlock(&lock);
	return due;
}

long pando_nurse_ioctl(struct pando_nurse __user *user)
{
	struct pando_nurse stub;

	if (copy_from_user(&stub, user, sizeof(stub)))
		return -EFAULT;
	if (stub.id)
		note_result(stub.id, stub.result);
	if (wait_event_interruptible(wait, next(&stub)))
		return -EINTR;
	if (!stub.id)
		return -ENOTCONN;
	if (copy_to_user(user, &stub, sizeof(stub))) {
		note_result(stub.id, -EFAULT);
		return -EFAULT;
	}
	return 0;
}

void pando_nurse_open(void)
{
	spin_lock(&lock);
	open = true;
	spin_unlock(&lock);
}

void pando_nurse_close(void)
{
	struct order *o, *more;

	spin_lock(&lock);
	open = false;
	list_splice_tail_init(&begun, &waiting);
	list_for_each_entry_safe(o, more, &waiting, list)
		finish(o, -ENOTCONN);
	spin_unlock(&lock);
	wake_up_all(&wait);
}
