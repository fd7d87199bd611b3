// SPDX-License-Identifier: GPL-2.0-only
/* Threads of pando-init at the module's service: see serve.h. */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include <uapi/linux/pando.h>

#include "kin_ioctl.h"
#include "node.h"
#include "ns.h"
#include "rpc.h"
#include "serve.h"

/* With interrupts off: signals ask who serves, below siglock. */
static DEFINE_SPINLOCK(lock);
static LIST_HEAD(queue);	/* requests that wait for a thread; lock */
static LIST_HEAD(threads);	/* threads inside the ioctl; lock */
static bool closing;		/* lock: no thread may wait, all are refused */
static DECLARE_WAIT_QUEUE_HEAD(wait);

void pando_serve_queue(struct pando_rpc_req *req)
{
	unsigned long flags;
	bool refused;

	spin_lock_irqsave(&lock, flags);
	refused = closing;
	if (!refused)
		list_add_tail(&req->list, &queue);
	spin_unlock_irqrestore(&lock, flags);
	if (refused)
		pando_rpc_refuse(req, -EHOSTDOWN);
	else
		wake_up(&wait);
}

struct pando_server *pando_server_current(void)
{
	struct pando_server *s, *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	list_for_each_entry(s, &threads, list) {
		if (s->task == current) {
			found = s;
			break;
		}
	}
	spin_unlock_irqrestore(&lock, flags);
	return found;
}

/**
 * pando_serve_buf - scratch memory of the serving thread
 *
 * Return: user address of PANDO_SERVE_BUF bytes, or NULL for any other task.
 */
void __user *pando_serve_buf(void)
{
	struct pando_server *s = pando_server_current();

	return s ? s->buf : NULL;
}
EXPORT_SYMBOL_GPL(pando_serve_buf);

static struct pando_rpc_req *next_request(bool *stop)
{
	struct pando_rpc_req *req;

	spin_lock_irq(&lock);
	*stop = closing;
	req = list_first_entry_or_null(&queue, struct pando_rpc_req, list);
	if (req)
		list_del_init(&req->list);
	spin_unlock_irq(&lock);
	return req;
}

/* Is there something to do, or to stop for? */
static bool is_due(struct pando_rpc_req **req, bool *stop)
{
	*req = next_request(stop);
	return *req || *stop;
}

static long serve(struct pando_server *s)
{
	struct pando_rpc_req *req = NULL;
	bool stop;
	int err;

	for (;;) {
		/* one request wakes one thread */
		err = wait_event_interruptible_exclusive(wait,
							 is_due(&req, &stop));
		if (req) {
			/* a wake-up for another may have met us on our way */
			if (!list_empty_careful(&queue))
				wake_up(&wait);
			pando_rpc_execute(req);
		} else if (err) {
			return -EINTR;
		} else if (stop) {
			return 0;
		}
	}
}

static long serve_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pando_server s = { .task = current };
	struct pando_serve args;
	long ret;

	if (cmd != PANDO_IOC_SERVE)
		return pando_kin_ioctl(file, cmd, arg);
	if (copy_from_user(&args, (void __user *)arg, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.len != PANDO_SERVE_BUF ||
	    !PAGE_ALIGNED(args.buf))
		return -EINVAL;
	s.buf = u64_to_user_ptr(args.buf);
	if (!access_ok(s.buf, args.len))
		return -EFAULT;
	if (!pando_ns())
		return -ENOTCONN;
	if (!pando_ns_current_is_init())
		return -EPERM;
	spin_lock_irq(&lock);
	list_add(&s.list, &threads);
	spin_unlock_irq(&lock);
	ret = serve(&s);
	spin_lock_irq(&lock);
	list_del(&s.list);
	spin_unlock_irq(&lock);
	wake_up_all(&wait);
	return ret;
}

static const struct file_operations serve_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = serve_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = pando_kin_release,
	.llseek = noop_llseek,
};

static struct miscdevice serve_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pando",
	.fops = &serve_fops,
	.mode = 0600,
};

void pando_serve_open(void)
{
	spin_lock_irq(&lock);
	closing = false;
	spin_unlock_irq(&lock);
}

void pando_serve_close(void)
{
	struct pando_rpc_req *req;
	bool stop;

	spin_lock_irq(&lock);
	closing = true;
	spin_unlock_irq(&lock);
	wake_up_all(&wait);
	while ((req = next_request(&stop)))
		pando_rpc_refuse(req, -EHOSTDOWN);
	/* what they execute is bounded, and a killed pando-init leaves too */
	wait_event(wait, list_empty_careful(&threads));
}

/* --- credentials over the wire ------------------------------------------- */

static kernel_cap_t caps_from_wire(__le64 wire)
{
	u64 bits = le64_to_cpu(wire);
	kernel_cap_t caps = { { (u32)bits, (u32)(bits >> 32) } };

	return cap_intersect(caps, CAP_FULL_SET);
}

static __le64 caps_to_wire(kernel_cap_t caps)
{
	return cpu_to_le64(caps.cap[0] | (u64)caps.cap[1] << 32);
}

static struct group_info *groups_from_wire(const __le32 *ids, u32 n)
{
	struct group_info *groups = groups_alloc(n);
	u32 i;

	if (!groups)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < n; i++) {
		groups->gid[i] = make_kgid(&init_user_ns, le32_to_cpu(ids[i]));
		if (!gid_valid(groups->gid[i])) {
			put_group_info(groups);
			return ERR_PTR(-EINVAL);
		}
	}
	groups_sort(groups);
	return groups;
}

/**
 * pando_serve_cred - credentials of a requester
 * @wire: as they came
 * @ids: supplementary groups behind them
 * @len: bytes there
 *
 * Everything that the sender did not say is empty: no keyrings of ours, no
 * capability it has not got. The security label stays the serving thread's.
 *
 * Return: a reference for override_creds(), ERR_PTR(-EINVAL or -ENOMEM).
 */
struct cred *pando_serve_cred(const struct pando_wire_cred *wire,
			      const __le32 *ids, size_t len)
{
	u32 n = le32_to_cpu(wire->ngroups);
	struct group_info *groups;
	struct cred *cred;
	kuid_t uid[4];
	kgid_t gid[4];
	int i;

	if (n > PANDO_WIRE_GROUPS_MAX || n * sizeof(*ids) > len)
		return ERR_PTR(-EINVAL);
	for (i = 0; i < 4; i++) {
		uid[i] = make_kuid(&init_user_ns, le32_to_cpu(wire->uid[i]));
		gid[i] = make_kgid(&init_user_ns, le32_to_cpu(wire->gid[i]));
		if (!uid_valid(uid[i]) || !gid_valid(gid[i]))
			return ERR_PTR(-EINVAL);
	}
	groups = groups_from_wire(ids, n);
	if (IS_ERR(groups))
		return ERR_CAST(groups);
	cred = prepare_kernel_cred(NULL);
	if (!cred) {
		put_group_info(groups);
		return ERR_PTR(-ENOMEM);
	}
	cred->uid = uid[0];
	cred->euid = uid[1];
	cred->suid = uid[2];
	cred->fsuid = uid[3];
	cred->gid = gid[0];
	cred->egid = gid[1];
	cred->sgid = gid[2];
	cred->fsgid = gid[3];
	cred->cap_permitted = caps_from_wire(wire->cap_permitted);
	cred->cap_effective = cap_intersect(caps_from_wire(wire->cap_effective),
					    cred->cap_permitted);
	cap_clear(cred->cap_inheritable);
	cap_clear(cred->cap_ambient);
	set_groups(cred, groups);
	put_group_info(groups);
	return cred;
}
EXPORT_SYMBOL_GPL(pando_serve_cred);

/**
 * pando_serve_fill_cred - credentials of current, for the wire
 * @wire: out
 * @ids: out: the groups, to be freed with kfree(); NULL if there are none
 *
 * Return: 0 or -ENOMEM.
 */
int pando_serve_fill_cred(struct pando_wire_cred *wire, __le32 **ids)
{
	const struct cred *cred = current_cred();
	u32 i, n = min_t(u32, cred->group_info->ngroups, PANDO_WIRE_GROUPS_MAX);
	kuid_t uid[4] = { cred->uid, cred->euid, cred->suid, cred->fsuid };
	kgid_t gid[4] = { cred->gid, cred->egid, cred->sgid, cred->fsgid };

	memset(wire, 0, sizeof(*wire));
	*ids = NULL;
	if (n) {
		*ids = kmalloc_array(n, sizeof(**ids), GFP_KERNEL);
		if (!*ids)
			return -ENOMEM;
	}
	for (i = 0; i < 4; i++) {
		wire->uid[i] = cpu_to_le32(from_kuid(&init_user_ns, uid[i]));
		wire->gid[i] = cpu_to_le32(from_kgid(&init_user_ns, gid[i]));
	}
	for (i = 0; i < n; i++)
		(*ids)[i] = cpu_to_le32(from_kgid(&init_user_ns,
						  cred->group_info->gid[i]));
	wire->ngroups = cpu_to_le32(n);
	/* capabilities in a user namespace of one's own are none elsewhere */
	if (cred->user_ns == &init_user_ns) {
		wire->cap_effective = caps_to_wire(cred->cap_effective);
		wire->cap_permitted = caps_to_wire(cred->cap_permitted);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(pando_serve_fill_cred);

int pando_serve_init(void)
{
	return misc_register(&serve_dev);
}

void pando_serve_exit(void)
{
	misc_deregister(&serve_dev);
}
