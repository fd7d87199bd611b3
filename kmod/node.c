// SPDX-License-Identifier: GPL-2.0-only
/*
 * Members, epoch and connections: see node.h. One spinlock guards the list of
 * members and the epoch; whoever needs a member longer takes a reference.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "conn.h"
#include "epoch.h"
#include "netlink.h"
#include "node.h"
#include "node_parts.h"
#include "peer.h"
#include "recover.h"
#include "rpc.h"

#define BACKOFF_MIN	(HZ / 20)
#define BACKOFF_MAX	(3 * HZ)

static struct pando_self self;			/* constant while attached */
bool pando_nodes_attached;
static struct pando_transport *transport;	/* constant while attached */
static struct workqueue_struct *connect_wq;

DEFINE_SPINLOCK(pando_nodes_lock);
struct pando_epoch pando_nodes_view;
LIST_HEAD(pando_peers);
static bool self_is_member;		/* pando_nodes_lock */
static bool quorate;			/* pando_nodes_lock; READ_ONCE without */
static unsigned long shrunk;		/* pando_nodes_lock; READ_ONCE without; 0: never */
DECLARE_WAIT_QUEUE_HEAD(pando_nodes_changed);

/* --- looking ------------------------------------------------------------------- */

u16 pando_nodes_self(void)
{
	return READ_ONCE(pando_nodes_attached) ? self.id : 0;
}
EXPORT_SYMBOL_GPL(pando_nodes_self);

u64 pando_nodes_incarnation(void)
{
	return READ_ONCE(pando_nodes_attached) ? self.incarnation : 0;
}

unsigned long pando_nodes_timeout(void)
{
	return self.timeout;
}

const char *pando_nodes_transport(void)
{
	return transport ? transport->name : "";
}

static struct pando_peer *find(u16 id)
{
	struct pando_peer *p;

	list_for_each_entry(p, &pando_peers, list)
		if (p->member.id == id)
			return p;
	return NULL;
}

struct pando_peer *pando_peer_get(u16 id)
{
	struct pando_peer *p;

	spin_lock(&pando_nodes_lock);
	p = find(id);
	if (p)
		kref_get(&p->ref);
	spin_unlock(&pando_nodes_lock);
	return p;
}

static void peer_free(struct kref *ref)
{
	struct pando_peer *p = container_of(ref, struct pando_peer, ref);

	pando_rpc_peer_free(p);
	kfree(p);
}

void pando_peer_put(struct pando_peer *p)
{
	kref_put(&p->ref, peer_free);
}

u64 pando_nodes_epoch(void)
{
	u64 number;

	spin_lock(&pando_nodes_lock);
	number = pando_nodes_view.number;
	spin_unlock(&pando_nodes_lock);
	return number;
}

u64 pando_nodes_in_force(void)
{
	u64 number;

	spin_lock(&pando_nodes_lock);
	number = pando_epoch_open(&pando_nodes_view) ? pando_nodes_view.number : 0;
	spin_unlock(&pando_nodes_lock);
	return number;
}

enum pando_state pando_nodes_state(void)
{
	enum pando_state state = PANDO_STATE_STOPPED;

	if (!READ_ONCE(pando_nodes_attached))
		return PANDO_STATE_DETACHED;
	spin_lock(&pando_nodes_lock);
	if (pando_nodes_view.phase != PANDO_EPOCH_NONE)
		state = (enum pando_state)pando_nodes_view.phase;
	spin_unlock(&pando_nodes_lock);
	return state;
}

enum pando_epoch_verdict pando_nodes_check(u64 number)
{
	enum pando_epoch_verdict verdict;

	spin_lock(&pando_nodes_lock);
	verdict = pando_epoch_check(&pando_nodes_view, number);
	spin_unlock(&pando_nodes_lock);
	return verdict;
}

bool pando_nodes_is_member(u16 id)
{
	bool found;

	spin_lock(&pando_nodes_lock);
	found = id == self.id ? self_is_member : !!find(id);
	spin_unlock(&pando_nodes_lock);
	return found;
}
EXPORT_SYMBOL_GPL(pando_nodes_is_member);

u64 pando_nodes_incarnation_of(u16 id)
{
	struct pando_peer *p;
	u64 incarnation = 0;

	if (id == self.id)
		return self.incarnation;
	spin_lock(&pando_nodes_lock);
	p = find(id);
	if (p)
		incarnation = p->member.incarnation;
	spin_unlock(&pando_nodes_lock);
	return incarnation;
}

/**
 * pando_nodes_others - who else is a member
 * @ids: out, ascending
 * @max: room there
 *
 * Return: how many there are.
 */
int pando_nodes_others(u16 *ids, int max)
{
	struct pando_peer *p;
	int n = 0;

	spin_lock(&pando_nodes_lock);
	list_for_each_entry(p, &pando_peers, list)
		if (n < max)
			ids[n++] = p->member.id;
	spin_unlock(&pando_nodes_lock);
	return n;
}
EXPORT_SYMBOL_GPL(pando_nodes_others);

bool pando_nodes_quorate(void)
{
	return READ_ONCE(quorate);
}

bool pando_nodes_whole(void)
{
	unsigned long then = READ_ONCE(shrunk);

	/* stubs give up what was lost first, each from when it was missed */
	return READ_ONCE(quorate) && (!then || time_after(jiffies, then + PANDO_BACK_WITHIN + HZ));
}

int pando_nodes_name(u16 id, char *name, size_t size)
{
	struct pando_peer *p;
	int err = 0;

	spin_lock(&pando_nodes_lock);
	p = find(id);
	if (id == self.id)
		strscpy(name, self.name, size);
	else if (p)
		strscpy(name, p->member.name, size);
	else
		err = -ENOENT;
	spin_unlock(&pando_nodes_lock);
	return err;
}
EXPORT_SYMBOL_GPL(pando_nodes_name);

int pando_nodes_info(struct pando_peer_info *rows, int max)
{
	struct pando_peer *p;
	int n = 0;

	if (max > 0) {
		struct pando_peer_info *me = &rows[n++];

		memset(me, 0, sizeof(*me));
		me->member.id = self.id;
		me->member.incarnation = self.incarnation;
		me->member.addr = self.addr;
		strscpy(me->member.name, self.name, sizeof(me->member.name));
		me->state = PANDO_PEER_SELF;
	}
	spin_lock(&pando_nodes_lock);
	list_for_each_entry(p, &pando_peers, list) {
		if (n == max)
			break;
		rows[n].member = p->member;
		rows[n].rtt_us = p->rtt_us;
		spin_lock(&p->lock);
		rows[n].state = p->ready ? PANDO_PEER_UP :
				p->refused ? PANDO_PEER_REFUSED :
				p->conn ? PANDO_PEER_CONNECTING :
					  PANDO_PEER_DOWN;
		spin_unlock(&p->lock);
		n++;
	}
	spin_unlock(&pando_nodes_lock);
	return n;
}

int pando_nodes_wait_open(unsigned long deadline, u64 newer_than, u64 *number)
{
	long left = deadline - jiffies;
	bool open;

	if (left <= 0)
		return -ETIMEDOUT;
	left = wait_event_killable_timeout(pando_nodes_changed, ({
		spin_lock(&pando_nodes_lock);
		open = pando_epoch_open(&pando_nodes_view) && pando_nodes_view.number > newer_than;
		*number = pando_nodes_view.number;
		spin_unlock(&pando_nodes_lock);
		open || !READ_ONCE(pando_nodes_attached);
	}), left);
	if (left < 0)
		return -EINTR;
	if (!READ_ONCE(pando_nodes_attached))
		return -ENOTCONN;
	return left ? 0 : -ETIMEDOUT;
}

/* --- connections ------------------------------------------------------------------ */

/* The queued work holds a reference of its own. */
static void queue_connect(struct pando_peer *p, unsigned long pause)
{
	kref_get(&p->ref);
	if (!queue_delayed_work(connect_wq, &p->connect_work, pause))
		pando_peer_put(p);
}

static void connect_fn(struct work_struct *work)
{
	struct pando_peer *p = container_of(to_delayed_work(work),
					    struct pando_peer, connect_work);
	struct sockaddr_storage addr;
	struct pando_conn *conn;
	bool needed;

	spin_lock(&pando_nodes_lock);
	addr = p->member.addr;
	spin_unlock(&pando_nodes_lock);
	spin_lock(&p->lock);
	needed = !p->dead && !p->conn;
	spin_unlock(&p->lock);
	if (needed) {
		conn = pando_conn_start(p->member.id, p->member.incarnation,
					&addr);
		if (!IS_ERR(conn))
			pando_conn_put(conn);
		else if (PTR_ERR(conn) != -ESHUTDOWN)
			queue_connect(p, BACKOFF_MAX);
	}
	pando_peer_put(p);
}

/* The node with the lower id connects; a pause grows up to BACKOFF_MAX. */
static void connect_later(struct pando_peer *p, bool now)
{
	unsigned long pause = 0;

	if (self.id > p->member.id)
		return;
	spin_lock(&p->lock);
	if (!now) {
		pause = p->backoff + get_random_u32() % (p->backoff / 2 + 1);
		p->backoff = min_t(unsigned long, p->backoff * 2, BACKOFF_MAX);
	}
	if (!p->dead)
		queue_connect(p, pause);
	spin_unlock(&p->lock);
}

int pando_nodes_conn_up(struct pando_conn *conn)
{
	struct pando_conn *old = NULL;
	struct pando_peer *p;
	int err = -ENOENT;

	p = pando_peer_get(conn->node);
	if (!p)
		return -ENOENT;
	spin_lock(&p->lock);
	if (!p->dead && p->member.incarnation == conn->incarnation) {
		err = 0;
		old = p->conn;
		p->conn = conn;
		pando_conn_get(conn);
		p->ready = false;
		p->refused = false;
		p->backoff = BACKOFF_MIN;
	}
	spin_unlock(&p->lock);
	/* the other side has given that one up, or would not have connected */
	if (old) {
		pando_conn_kill(old, -ECONNRESET);
		pando_conn_put(old);
	}
	pando_peer_put(p);
	return err;
}

void pando_nodes_conn_ready(struct pando_conn *conn)
{
	struct pando_peer *p = pando_peer_get(conn->node);
	bool ready = false;

	if (!p)
		return;
	spin_lock(&p->lock);
	if (p->conn == conn) {
		p->ready = true;
		ready = true;
	}
	spin_unlock(&p->lock);
	if (ready) {
		pando_netlink_peer(conn->node, PANDO_PEER_UP);
		pando_rpc_resend(p);
		wake_up_all(&pando_nodes_changed);
	}
	pando_peer_put(p);
}

void pando_nodes_conn_down(struct pando_conn *conn, int err)
{
	struct pando_peer *p;
	bool was = false;

	p = conn->node ? pando_peer_get(conn->node) : NULL;
	if (!p)
		return;
	spin_lock(&p->lock);
	if (p->conn == conn) {
		p->conn = NULL;
		was = true;
		p->ready = false;
	}
	/* a stranger may call itself anything */
	if ((was || conn->initiator) &&
	    (err == -EACCES || err == -EPROTONOSUPPORT || err == -EBADE))
		p->refused = true;
	spin_unlock(&p->lock);
	if (was) {
		pr_info("pando: connection to node %u lost (%d)\n", conn->node,
			err);
		pando_netlink_peer(conn->node, PANDO_PEER_DOWN);
		pando_conn_put(conn);
	}
	if (was || conn->initiator)
		connect_later(p, false);
	pando_peer_put(p);
}

/* --- the list ------------------------------------------------------------------------ */

static struct pando_peer *peer_new(const struct pando_member *m)
{
	struct pando_peer *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	kref_init(&p->ref);
	p->member = *m;
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->room);
	INIT_DELAYED_WORK(&p->connect_work, connect_fn);
	pando_rpc_peer_init(p);
	p->backoff = BACKOFF_MIN;
	pando_reqtab_init(&p->out);
	/*
	 * The peer may remember ids of an earlier stay of ours in its list: we
	 * go on above them, however fast we were.
	 */
	p->out.seq = ktime_get_boottime_ns() >> 10;
	pando_duptab_init(&p->in);
	return p;
}

/* Off the list already: ends all that hangs on it. */
static void peer_drop(struct pando_peer *p)
{
	struct pando_conn *conn;

	spin_lock(&p->lock);
	p->dead = true;
	p->ready = false;
	conn = p->conn;
	p->conn = NULL;
	spin_unlock(&p->lock);
	pando_rpc_peer_dead(p);
	/* one that runs already sees that the peer is dead, or fails */
	if (cancel_delayed_work(&p->connect_work))
		pando_peer_put(p);
	if (conn) {
		pando_conn_kill(conn, -EHOSTDOWN);
		pando_conn_put(conn);
	}
	pando_peer_put(p);
}

static bool stays(const struct pando_peer *p, const struct pando_member *list,
		  int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (list[i].id == p->member.id &&
		    list[i].incarnation == p->member.incarnation)
			return true;
	return false;
}

static void insert(struct pando_peer *p)
{
	struct pando_peer *other;

	list_for_each_entry(other, &pando_peers, list)
		if (other->member.id > p->member.id)
			break;
	list_add_tail(&p->list, &other->list);
}

/* Members that are new get a peer; nothing has changed when it fails. */
static int make_new(const struct pando_member *list, int n,
		    struct list_head *fresh)
{
	struct pando_peer *p;
	int i;

	for (i = 0; i < n; i++) {
		if (list[i].id == self.id)
			continue;
		p = pando_peer_get(list[i].id);
		if (p) {
			bool same = p->member.incarnation ==
				    list[i].incarnation;

			pando_peer_put(p);
			if (same)
				continue;
		}
		p = peer_new(&list[i]);
		if (!p)
			return -ENOMEM;
		list_add_tail(&p->list, fresh);
	}
	return 0;
}

static void update_addresses(const struct pando_member *list, int n)
{
	struct pando_peer *p;
	int i;

	for (i = 0; i < n; i++) {
		p = find(list[i].id);
		if (p)
			p->member.addr = list[i].addr;
	}
}

static bool list_has_self(const struct pando_member *list, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (list[i].id == self.id)
			return list[i].incarnation == self.incarnation;
	return false;
}

int pando_nodes_members(u64 number, const struct pando_member *list, int n,
			bool complete, bool majority)
{
	struct pando_peer *p, *next;
	LIST_HEAD(fresh);
	LIST_HEAD(old);
	int err;

	if (!list_has_self(list, n))
		return -EINVAL;
	err = make_new(list, n, &fresh);
	if (err)
		goto out;
	spin_lock(&pando_nodes_lock);
	err = pando_epoch_members(&pando_nodes_view, number);
	if (!err) {
		self_is_member = true;
		list_for_each_entry_safe(p, next, &pando_peers, list)
			if (!stays(p, list, n))
				list_move_tail(&p->list, &old);
		WRITE_ONCE(quorate, majority);
		if (!list_empty(&old))
			WRITE_ONCE(shrunk, jiffies | 1);
		list_for_each_entry_safe(p, next, &fresh, list) {
			list_del(&p->list);
			insert(p);
		}
		update_addresses(list, n);
	}
	spin_unlock(&pando_nodes_lock);
	if (err)
		goto out;
	list_for_each_entry_safe(p, next, &old, list) {
		list_del_init(&p->list);
		peer_drop(p);
	}
	pando_recover_members(number, list, n, complete);
	spin_lock(&pando_nodes_lock);
	list_for_each_entry(p, &pando_peers, list)
		if (!READ_ONCE(p->conn))
			connect_later(p, true);
	spin_unlock(&pando_nodes_lock);
	pando_rpc_unpark();
	wake_up_all(&pando_nodes_changed);
out:
	list_for_each_entry_safe(p, next, &fresh, list) {
		list_del(&p->list);
		pando_peer_put(p);
	}
	return err;
}

int pando_nodes_stop(u64 number)
{
	int err;

	spin_lock(&pando_nodes_lock);
	err = pando_epoch_stop(&pando_nodes_view, number);
	spin_unlock(&pando_nodes_lock);
	wake_up_all(&pando_nodes_changed);
	return err;
}

/* --- attach and detach ---------------------------------------------------------------------- */

int pando_nodes_attach(const struct pando_self *me, const char *name,
		       struct netlink_ext_ack *extack)
{
	int err;

	self = *me;
	self.key = kmemdup(me->key, me->key_len, GFP_KERNEL);
	if (!self.key)
		return -ENOMEM;
	transport = pando_transport_get(name);
	if (!transport) {
		NL_SET_ERR_MSG(extack, "no such transport: is its module loaded?");
		err = -ENOENT;
		goto err_key;
	}
	spin_lock(&pando_nodes_lock);
	pando_epoch_init(&pando_nodes_view);
	spin_unlock(&pando_nodes_lock);
	err = -ENOMEM;
	connect_wq = alloc_workqueue("pando_connect", WQ_UNBOUND, 0);
	if (!connect_wq)
		goto err_transport;
	if (pando_nodes_recover_open())
		goto err_connect;
	WRITE_ONCE(pando_nodes_attached, true);
	err = pando_conns_open(transport, &self);
	if (err) {
		NL_SET_ERR_MSG(extack, "cannot listen on ADDR");
		goto err_recover;
	}
	return 0;

err_recover:
	WRITE_ONCE(pando_nodes_attached, false);
	pando_nodes_recover_close();
err_connect:
	destroy_workqueue(connect_wq);
err_transport:
	pando_transport_put(transport);
	transport = NULL;
err_key:
	kfree_sensitive(self.key);
	self.key = NULL;
	return err;
}

void pando_nodes_detach(void)
{
	struct pando_peer *p, *next;
	LIST_HEAD(old);

	WRITE_ONCE(pando_nodes_attached, false);
	wake_up_all(&pando_nodes_changed);
	spin_lock(&pando_nodes_lock);
	list_splice_init(&pando_peers, &old);
	self_is_member = false;
	WRITE_ONCE(quorate, false);
	WRITE_ONCE(shrunk, 0);
	spin_unlock(&pando_nodes_lock);
	list_for_each_entry_safe(p, next, &old, list) {
		list_del_init(&p->list);
		peer_drop(p);
	}
	pando_nodes_recover_close();
	pando_conns_close();
	destroy_workqueue(connect_wq);
	pando_rpc_quiesce();
	pando_transport_put(transport);
	transport = NULL;
	kfree_sensitive(self.key);
	self.key = NULL;
}

void pando_nodes_init(void)
{
	pando_epoch_init(&pando_nodes_view);
}
