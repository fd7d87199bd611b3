// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where does a PID live? The lease map says who its home is, the home's
 * directory says where it has gone. This file holds the directory of this node,
 * keeps it true when tasks end, and asks other nodes.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <uapi/linux/pando.h>

#include "alloc.h"
#include "hold.h"
#include "kin.h"
#include "locate.h"
#include "locate_parts.h"
#include "node.h"
#include "ns.h"
#include "peer.h"
#include "recover.h"
#include "rpc.h"
#include "stub.h"
#include "watch.h"

DEFINE_SPINLOCK(pando_locate_lock);
struct pando_directory pando_locate_dir;

u32 pando_locate_moving;

void pando_locate_set_gates(void)
{
	static bool any;
	u32 n = pando_locate_dir.count[PANDO_DIR_RESERVED] +
		pando_locate_dir.count[PANDO_DIR_LEAVING];
	bool now = n || pando_locate_dir.count[PANDO_DIR_ARRIVED];

	if (!n != !pando_locate_moving)
		atomic_add(n ? 1 : -1, &pando_stub_gate);
	WRITE_ONCE(pando_locate_moving, n);
	if (now != any)
		atomic_add(now ? 1 : -1, &pando_free_gate);
	any = now;
}

BLOCKING_NOTIFIER_HEAD(pando_locate_moved_chain);

bool pando_locate_is_kind(u32 pid, enum pando_dir_kind kind)
{
	unsigned long flags;
	bool found;

	if (!READ_ONCE(pando_locate_dir.count[kind]))
		return false;
	spin_lock_irqsave(&pando_locate_lock, flags);
	found = pando_dir_find(&pando_locate_dir, pid, kind);
	spin_unlock_irqrestore(&pando_locate_lock, flags);
	return found;
}

/* --- the end of tasks ------------------------------------------------------ */

/*
 * Forgets what was noted of a task that has ended here, and tells whether its
 * home has to know. Decided now: a moment later the number may be back.
 */
static bool end_is_news(u32 pid)
{
	const struct pando_dir_entry *e;
	unsigned long flags;
	bool news;

	if (!READ_ONCE(pando_locate_dir.count[PANDO_DIR_ARRIVED]) &&
	    !READ_ONCE(pando_locate_dir.count[PANDO_DIR_LEAVING]) &&
	    !READ_ONCE(pando_locate_dir.count[PANDO_DIR_RESERVED]))
		return true;
	spin_lock_irqsave(&pando_locate_lock, flags);
	e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_RESERVED);
	/* a copy that was never let run is nobody's guest */
	news = !e && !pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_LEAVING);
	if (e && !e->tag)
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_RESERVED);
	else if (e)
		pando_dir_mark(&pando_locate_dir, pid, PANDO_DIR_RESERVED, 1);
	else
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_ARRIVED);
	pando_locate_set_gates();
	spin_unlock_irqrestore(&pando_locate_lock, flags);
	return news;
}

/* Called with tasklist_lock held for writing: no sleeping, no work. */
void pando_locate_freed(u32 pid)
{
	bool mine = pando_locate_home(pid) == pando_nodes_self();

	if (!mine)
		pando_locate_guest_left();
	/* kin.c tells the home of its own when all others know */
	if (end_is_news(pid) && !mine && !pando_kin_is_ending(pid))
		pando_recover_gone(pid);
}

/**
 * pando_locate_is_settled - does a task that is here live here?
 * @pid: its global PID
 *
 * Return: false while it is about to arrive, for what is left of one that has
 * gone, and for a stub.
 */
bool pando_locate_is_settled(u32 pid)
{
	return !pando_locate_is_kind(pid, PANDO_DIR_RESERVED) &&
	       !pando_locate_is_kind(pid, PANDO_DIR_LEAVING) && !pando_stub_has(pid);
}
EXPORT_SYMBOL_GPL(pando_locate_is_settled);

bool pando_locate_is_reserved(u32 pid)
{
	return pando_locate_is_kind(pid, PANDO_DIR_RESERVED);
}

bool pando_locate_is_leaving(u32 pid)
{
	return pando_locate_is_kind(pid, PANDO_DIR_LEAVING);
}

void pando_locate_parked(u32 pid)
{
	u16 to = pando_stub_where(pid);

	spin_lock_irq(&pando_locate_lock);
	pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_LEAVING);
	pando_locate_set_gates();
	spin_unlock_irq(&pando_locate_lock);
	blocking_notifier_call_chain(&pando_locate_moved_chain, pid, &to);
}

bool pando_locate_has_arrived(u32 pid)
{
	return pando_locate_is_kind(pid, PANDO_DIR_ARRIVED);
}

/**
 * pando_locate_chain_register - be told of moved PIDs
 * @nb: called in process context, action is the PID, data its new node's id
 *
 * Return: 0 or a negative errno.
 */
int pando_locate_chain_register(struct notifier_block *nb)
{
	return blocking_notifier_chain_register(&pando_locate_moved_chain, nb);
}
EXPORT_SYMBOL_GPL(pando_locate_chain_register);

/**
 * pando_locate_chain_unregister - no longer
 * @nb: what was registered
 *
 * Return: 0 or a negative errno.
 */
int pando_locate_chain_unregister(struct notifier_block *nb)
{
	return blocking_notifier_chain_unregister(&pando_locate_moved_chain, nb);
}
EXPORT_SYMBOL_GPL(pando_locate_chain_unregister);

/* --- asking ------------------------------------------------------------------ */

/*
 * Of one that has left nobody is told any more: its home knows better. Nor does one that
 * was thought to be here say where it is. 0: no stub.
 */
static u16 stub_where(u32 pid)
{
	u16 self = pando_nodes_self(), where = pando_stub_where(pid);

	if (pando_stub_has_left(pid) && pando_locate_home(pid) == self)
		return 0;
	return where == self ? 0 : where;
}

/* It came here, has ended and was waited for: a group or a session has its number. */
static bool is_just_a_name(u32 pid)
{
	return pando_locate_has_arrived(pid) && pando_ns_has_number(pid) &&
	       !pando_ns_has_process(pid) && pando_locate_is_settled(pid);
}

/* Where this node believes the PID lives: 0 if nobody can have it. */
static u16 believed(u32 pid, u16 home)
{
	const struct pando_dir_entry *e;
	u16 node = home;

	spin_lock_irq(&pando_locate_lock);
	e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_AWAY);
	if (!e)
		e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_LEAVING);
	if (!e)
		e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_HINT);
	if (e)
		node = e->node;
	spin_unlock_irq(&pando_locate_lock);
	if (!e)
		node = stub_where(pid) ?: node;
	return node;
}

static void set_hint(u32 pid, u16 node)
{
	spin_lock_irq(&pando_locate_lock);
	if (node)
		pando_dir_set(&pando_locate_dir, pid, PANDO_DIR_HINT, node, 0);
	else
		pando_dir_clear(&pando_locate_dir, pid, PANDO_DIR_HINT);
	spin_unlock_irq(&pando_locate_lock);
}

/**
 * pando_locate_may_be_remote - cheap test before anything is sent
 * @pid: a global PID
 *
 * Return: false for numbers of block 0, of nobody's lease, and of our own
 * leases that have not moved away and have no stub here.
 */
bool pando_locate_may_be_remote(u32 pid)
{
	u16 home = pando_locate_home(pid);

	return home && (home != pando_nodes_self() ||
			pando_locate_is_kind(pid, PANDO_DIR_AWAY) ||
			/* it has just come home, or is thought to be elsewhere */
			pando_stub_has(pid));
}
EXPORT_SYMBOL_GPL(pando_locate_may_be_remote);

/* Its home says that it is nowhere when all have said what they have. */
static bool may_be_found(u32 pid)
{
	return pando_locate_home(pid) == pando_nodes_self() &&
	       !pando_recover_heard_all();
}

/**
 * pando_locate_miss - answer for a PID that does not live here
 * @pid: what was asked for
 *
 * Return: -EREMCHG when this node knows where it went; -EBUSY when it is about
 * to arrive, and may have left already where it comes from, or when another
 * may yet say that it is there; -EOWNERDEAD: it has ended here, whatever its home
 * says; else -ESRCH.
 */
int pando_locate_miss(u32 pid)
{
	const struct pando_dir_entry *e;
	u16 node = 0;
	u64 now;
	int err;

	/* here, and so is for a moment a stub of it; or it has come since it was looked for */
	if (pando_stub_is_copy(pid) || pando_stub_is_home(pid) || pando_ns_has_pid(pid))
		return -EBUSY;
	if (is_just_a_name(pid))
		return -EOWNERDEAD;
	spin_lock_irq(&pando_locate_lock);
	e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_AWAY);
	if (!e)
		e = pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_LEAVING);
	if (e)
		node = e->node;
	else
		node = stub_where(pid);
	/* where it went with is lost, or is beyond a partition: not there */
	now = pando_recover_incarnation(node);
	if (now && (!e || !e->tag || e->tag == now))
		err = -EREMCHG;
	else if (pando_dir_find(&pando_locate_dir, pid, PANDO_DIR_RESERVED) ||
		 may_be_found(pid))
		err = -EBUSY;
	else
		err = -ESRCH;
	spin_unlock_irq(&pando_locate_lock);
	return err;
}
EXPORT_SYMBOL_GPL(pando_locate_miss);

/*
 * It is not where its home, this node, has it; unless this node has heard of it since it
 * believed it to be on @first.
 */
static int lost_sight(u32 pid, u16 home, u16 first)
{
	int err;

	if (pando_ns_has_pid(pid) || believed(pid, home) != first)
		return -EBUSY;
	spin_lock_irq(&pando_locate_lock);
	err = may_be_found(pid) ? -EBUSY : -ESRCH;
	spin_unlock_irq(&pando_locate_lock);
	return err;
}

/* Here, be it that for a moment a stub of it is here as well. */
static bool lives_here(u32 pid)
{
	return pando_ns_has_pid(pid) || pando_stub_is_copy(pid);
}

static int handle_locate(struct pando_rpc_req *req)
{
	const struct pando_wire_locate *msg = req->data;
	struct pando_wire_locate_reply *reply = req->reply;
	u32 pid = le32_to_cpu(msg->pid);
	u16 node;

	if (lives_here(pid))
		node = pando_nodes_self();
	else
		node = believed(pid, 0);
	reply->node = cpu_to_le16(node);
	reply->reserved = 0;
	req->reply_len = sizeof(*reply);
	return 0;
}

/* Asks @node where @pid went. A node id, 0 for unknown, or a negative errno. */
static int ask_where(u16 node, u32 pid)
{
	struct pando_wire_locate msg = { .pid = cpu_to_le32(pid) };
	struct pando_wire_locate_reply reply;
	size_t len;
	int err;

	err = pando_rpc_call(node, PANDO_MSG_LOCATE,
			     &(struct kvec){ &msg, sizeof(msg) }, 1,
			     &reply, sizeof(reply), &len);
	if (err)
		return err;
	return len == sizeof(reply) ? le16_to_cpu(reply.node) : -EPROTO;
}

/* More hops than these are a circle: a move that not all have heard of. */
#define MAX_HOPS	4

/* It is about to be here, or about to be where this node has sent it. */
static bool is_coming(u32 pid)
{
	return pando_locate_is_kind(pid, PANDO_DIR_RESERVED) ||
	       pando_locate_is_kind(pid, PANDO_DIR_LEAVING) ||
	       pando_stub_is_copy(pid) || pando_stub_is_home(pid);
}

/* One walk from what is known here to the process. -EBUSY: try again. */
static int walk(u32 pid, enum pando_msg type, const struct kvec *vec, int nvec,
		void *reply, size_t reply_cap, size_t *reply_len, bool *here)
{
	u16 home = pando_locate_home(pid), self = pando_nodes_self();
	u16 first = believed(pid, home), node = first;
	int hops, err;

	for (hops = 0; hops < MAX_HOPS; hops++) {
		if (!node || node == self) {
			*here = pando_ns_has_pid(pid);
			if (!*here && (pando_kin_is_ending(pid) || is_just_a_name(pid)))
				return -ESRCH;
			/* another has it here: one of us has not heard yet */
			if (!*here && (is_coming(pid) || (node && hops)))
				return -EBUSY;
			return *here ? -ESRCH : lost_sight(pid, home, first);
		}
		err = pando_rpc_call(node, type, vec, nvec, reply, reply_cap,
				     reply_len);
		if (err == -EREMCHG) {
			err = ask_where(node, pid);
			if (err < 0)
				return err == -EHOSTDOWN ? -ESRCH : err;
			if (err == node)
				return -EBUSY;
			node = err;
			if (node && node != self && node != home)
				set_hint(pid, node);
		} else if ((err == -ESRCH || err == -EHOSTDOWN) &&
			   node != home) {
			/* a hint was wrong: back to who must know */
			set_hint(pid, 0);
			if (home == self)
				return is_coming(pid) ? -EBUSY :
							lost_sight(pid, home, first);
			node = home;
		} else if (err == -EOWNERDEAD && !hops && node != home && home != self) {
			/* since this node heard of it the number may be another's */
			set_hint(pid, 0);
			node = home;
		} else {
			return err == -EHOSTDOWN || err == -EOWNERDEAD ? -ESRCH : err;
		}
	}
	return -EBUSY;
}

/**
 * pando_locate_call - ask the node where a PID lives
 * @pid: global PID
 * @type: message type, its handler answers pando_locate_miss() for strangers, and
 *	-EOWNERDEAD for one that has ended there and has not been waited for
 * @vec: request in @nvec pieces
 * @nvec: their number
 * @reply: buffer for the reply's payload
 * @reply_cap: its size
 * @reply_len: out, may be NULL
 * @here: out: it turned out to live on this node, nothing was asked
 *
 * Context: process, may sleep, killable.
 * Return: the handler's status, -ESRCH when nobody has it, -ETIMEDOUT when that
 * did not become clear in time, or an error of pando_rpc_call().
 */
int pando_locate_call(u32 pid, enum pando_msg type,
		      const struct kvec *vec, int nvec,
		      void *reply, size_t reply_cap, size_t *reply_len,
		      bool *here)
{
	unsigned long deadline = jiffies + pando_nodes_timeout();
	u64 epoch;
	int err;

	for (;;) {
		*here = false;
		epoch = pando_nodes_in_force();
		err = walk(pid, type, vec, nvec, reply, reply_cap, reply_len,
			   here);
		/* of two views it saw a part of each: nothing is certain */
		if (err == -ESRCH && !*here &&
		    (!epoch || epoch != pando_nodes_in_force()))
			err = -EBUSY;
		if (err != -EBUSY)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		usleep_range(500, 2000);
	}
}
EXPORT_SYMBOL_GPL(pando_locate_call);

int pando_locate_where(u32 pid, u16 *home, u16 *location)
{
	u16 self = pando_nodes_self(), node;
	int hops, where;

	*home = pando_locate_home(pid);
	*location = 0;
	if (lives_here(pid)) {
		*location = self;
		return 0;
	}
	node = believed(pid, *home);
	for (hops = 0; hops < MAX_HOPS && node && node != self; hops++) {
		where = ask_where(node, pid);
		if (where < 0)
			return where == -EHOSTDOWN ? -ESRCH : where;
		if (where == node) {
			*location = node;
			return 0;
		}
		node = where;
	}
	return -ESRCH;
}

/* --- life --------------------------------------------------------------------- */

void pando_locate_reset(void)
{
	pando_locate_lease_reset();
	pando_recover_reset();
	spin_lock_irq(&pando_locate_lock);
	pando_dir_destroy(&pando_locate_dir);
	pando_locate_set_gates();
	spin_unlock_irq(&pando_locate_lock);
}

int pando_locate_init(void)
{
	int err;

	pando_dir_init(&pando_locate_dir);
	err = pando_rpc_register(PANDO_MSG_LOCATE, handle_locate, THIS_MODULE);
	if (err)
		return err;
	err = pando_recover_init();
	if (err)
		pando_rpc_unregister(PANDO_MSG_LOCATE);
	return err;
}

void pando_locate_exit(void)
{
	pando_rpc_unregister(PANDO_MSG_LOCATE);
	pando_recover_exit();
	pando_locate_reset();
}
