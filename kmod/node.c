// SPDX-License-Identifier: GPL-2.0-only
/*
 * Members, epoch and recovery: see node.h. One spinlock guards the list of
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
#include "peer.h"
#include "recover.h"
#include "rpc.h"
#include "stub.h"
#include "watch.h"

#define BACKOFF_MIN	(HZ / 20)
#define BACKOFF_MAX	(3 * HZ)

static struct pando_self self;			/* constant while attached */
static bool attached;				/* READ_ONCE without the lock */
static struct pando_transport *transport;	/* constant while attached */
static struct workqueue_struct *connect_wq;
static struct workqueue_struct *recover_wq;

static DEFINE_SPINLOCK(lock);
static struct pando_epoch epoch;	/* lock */
static LIST_HEAD(peers);		/* lock; ascending ids */
static bool self_is_member;		/* lock */
static bool quorate;			/* lock; READ_ONCE without */
static unsigned long shrunk;		/* lock; READ_ONCE without; 0: never */
/* The epoch or a connection has changed. */
static DECLARE_WAIT_QUEUE_HEAD(changed);

/* --- looking ------------------------------------------------------------------- */

u16 pando_nodes_self(void)
{
	return READ_ONCE(attached) ? self.id : 0;
}
EXPORT_SYMBOL_GPL(pando_nodes_self);

u64 pando_nodes_incarnation(void)
{
	return READ_ONCE(attached) ? self.incarnation : 0;
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

	list_for_each_entry(p, &peers, list)
		if (p->member.id == id)
			return p;
	return NULL;
}

struct pando_peer *pando_peer_get(u16 id)
{
	struct pando_peer *p;

	spin_lock(&lock);
	p = find(id);
	if (p)
		kref_get(&p->ref);
	spin_unlock(&lock);
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

	spin_lock(&lock);
	number = epoch.number;
	spin_unlock(&lock);
	return number;
}

u64 pando_nodes_in_force(void)
{
	u64 number;

	spin_lock(&lock);
	number = pando_epoch_open(&epoch) ? epoch.number : 0;
	spin_unlock(&lock);
	return number;
}

enum pando_state pando_nodes_state(void)
{
	enum pando_state state = PANDO_STATE_STOPPED;

	if (!READ_ONCE(attached))
		return PANDO_STATE_DETACHED;
	spin_lock(&lock);
	if (epoch.phase != PANDO_EPOCH_NONE)
		state = (enum pando_state)epoch.phase;
	spin_unlock(&lock);
	return state;
}

enum pando_epoch_verdict pando_nodes_check(u64 number)
{
	enum pando_epoch_verdict verdict;

	spin_lock(&lock);
	verdict = pando_epoch_check(&epoch, number);
	spin_unlock(&lock);
	return verdict;
}

bool pando_nodes_is_member(u16 id)
{
	bool found;

	spin_lock(&lock);
	found = id == self.id ? self_is_member : !!find(id);
	spin_unlock(&lock);
	return found;
}
EXPORT_SYMBOL_GPL(pando_nodes_is_member);

u64 pando_nodes_incarnation_of(u16 id)
{
	struct pando_peer *p;
	u64 incarnation = 0;

	if (id == self.id)
		return self.incarnation;
	spin_lock(&lock);
	p = find(id);
	if (p)
		incarnation = p->member.incarnation;
	spin_unlock(&lock);
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

	spin_lock(&lock);
	list_for_each_entry(p, &peers, list)
		if (n < max)
			ids[n++] = p->member.id;
	spin_unlock(&lock);
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

	spin_lock(&lock);
	p = find(id);
	if (id == self.id)
		strscpy(name, self.name, size);
	else if (p)
		strscpy(name, p->member.name, size);
	else
		err = -ENOENT;
	spin_unlock(&lock);
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
	spin_lock(&lock);
	list_for_each_entry(p, &peers, list) {
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
	spin_unlock(&lock);
	return n;
}

int pando_nodes_wait_open(unsigned long deadline, u64 newer_than, u64 *number)
{
	long left = deadline - jiffies;
	bool open;

	if (left <= 0)
		return -ETIMEDOUT;
	left = wait_event_killable_timeout(changed, ({
		spin_lock(&lock);
		open = pando_epoch_open(&epoch) && epoch.number > newer_than;
		*number = epoch.number;
		spin_unlock(&lock);
		open || !READ_ONCE(attached);
	}), left);
	if (left < 0)
		return -EINTR;
	if (!READ_ONCE(attached))
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

	spin_lock(&lock);
	addr = p->member.addr;
	spin_unlock(&lock);
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
		wake_up_all(&changed);
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

	list_for_each_entry(other, &peers, list)
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
	spin_lock(&lock);
	err = pando_epoch_members(&epoch, number);
	if (!err) {
		self_is_member = true;
		list_for_each_entry_safe(p, next, &peers, list)
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
	spin_unlock(&lock);
	if (err)
		goto out;
	list_for_each_entry_safe(p, next, &old, list) {
		list_del_init(&p->list);
		peer_drop(p);
	}
	pando_recover_members(number, list, n, complete);
	spin_lock(&lock);
	list_for_each_entry(p, &peers, list)
		if (!READ_ONCE(p->conn))
			connect_later(p, true);
	spin_unlock(&lock);
	pando_rpc_unpark();
	wake_up_all(&changed);
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

	spin_lock(&lock);
	err = pando_epoch_stop(&epoch, number);
	spin_unlock(&lock);
	wake_up_all(&changed);
	return err;
}

/* --- recovery --------------------------------------------------------------------------- */

static u64 recover_epoch;	/* under pando_cmd_mutex, read by the worker */

static bool all_ready(u64 number, bool *overtaken)
{
	struct pando_peer *p;
	bool ready = true;

	spin_lock(&lock);
	*overtaken = epoch.number != number || !attached;
	list_for_each_entry(p, &peers, list)
		ready = ready && READ_ONCE(p->ready);
	spin_unlock(&lock);
	return ready || *overtaken;
}

static void name_missing(void)
{
	struct pando_peer *p;

	spin_lock(&lock);
	list_for_each_entry(p, &peers, list)
		if (!READ_ONCE(p->ready))
			pr_warn("pando: node %u (%s) cannot be reached yet%s\n",
				p->member.id, p->member.name,
				p->refused ? ": refused" : "");
	spin_unlock(&lock);
}

/* A round trip to each, for people who look at STATUS. */
static void measure(void)
{
	u16 ids[16];
	int i, n = pando_nodes_others(ids, ARRAY_SIZE(ids));

	for (i = 0; i < n; i++) {
		struct pando_peer *p = pando_peer_get(ids[i]);
		ktime_t start = ktime_get();

		if (!p)
			continue;
		if (!pando_rpc_call(ids[i], PANDO_MSG_PING, NULL, 0, NULL, 0,
				    NULL))
			WRITE_ONCE(p->rtt_us, ktime_us_delta(ktime_get(), start));
		pando_peer_put(p);
	}
}

/* What was asked earlier and whose connection came up between the views. */
static void resend_all(void)
{
	struct pando_peer *p;
	u16 id = 0;

	for (;;) {
		spin_lock(&lock);
		list_for_each_entry(p, &peers, list)
			if (p->member.id > id)
				break;
		if (list_entry_is_head(p, &peers, list))
			p = NULL;
		else
			kref_get(&p->ref);
		spin_unlock(&lock);
		if (!p)
			break;
		id = p->member.id;
		pando_rpc_resend(p);
		pando_peer_put(p);
	}
}

static void recover_fn(struct work_struct *work)
{
	u64 number = READ_ONCE(recover_epoch);
	bool overtaken;
	int err;

	resend_all();
	for (;;) {
		while (!wait_event_timeout(changed,
					   all_ready(number, &overtaken),
					   10 * HZ))
			name_missing();
		if (overtaken)
			return;
		err = pando_recover_report(number);
		if (!err)
			break;
		pr_warn("pando: epoch %llu: guests not reported (%d), again\n",
			number, err);
		if (pando_nodes_epoch() != number)
			return;
		schedule_timeout_uninterruptible(HZ / 10);
	}
	spin_lock(&lock);
	err = pando_epoch_done(&epoch, number);
	spin_unlock(&lock);
	if (err)
		return;
	wake_up_all(&changed);
	pr_info("pando: epoch %llu is in force\n", number);
	pando_netlink_done(number);
	pando_stub_announce();
	pando_watch_announce();
	measure();
}

static DECLARE_WORK(recover_work, recover_fn);

int pando_nodes_start(u64 number)
{
	int err;

	/*
	 * A recovery that was overtaken ends by itself, perhaps only when this
	 * START lets its requests go on: it must not be waited for here.
	 */
	spin_lock(&lock);
	err = pando_epoch_start(&epoch, number);
	spin_unlock(&lock);
	if (err)
		return err;
	WRITE_ONCE(recover_epoch, number);
	wake_up_all(&changed);
	queue_work(recover_wq, &recover_work);
	return 0;
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
	spin_lock(&lock);
	pando_epoch_init(&epoch);
	spin_unlock(&lock);
	err = -ENOMEM;
	connect_wq = alloc_workqueue("pando_connect", WQ_UNBOUND, 0);
	if (!connect_wq)
		goto err_transport;
	recover_wq = alloc_ordered_workqueue("pando_recover", 0);
	if (!recover_wq)
		goto err_connect;
	WRITE_ONCE(attached, true);
	err = pando_conns_open(transport, &self);
	if (err) {
		NL_SET_ERR_MSG(extack, "cannot listen on ADDR");
		goto err_recover;
	}
	return 0;

err_recover:
	WRITE_ONCE(attached, false);
	destroy_workqueue(recover_wq);
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

	WRITE_ONCE(attached, false);
	wake_up_all(&changed);
	spin_lock(&lock);
	list_splice_init(&peers, &old);
	self_is_member = false;
	WRITE_ONCE(quorate, false);
	WRITE_ONCE(shrunk, 0);
	spin_unlock(&lock);
	list_for_each_entry_safe(p, next, &old, list) {
		list_del_init(&p->list);
		peer_drop(p);
	}
	destroy_workqueue(recover_wq);
	pando_conns_close();
	destroy_workqueue(connect_wq);
	pando_rpc_quiesce();
	pando_transport_put(transport);
	transport = NULL;
	kfree_sensitive(self.key);
	self.key = NULL;
}

int pando_nodes_init(void)
{
	pando_epoch_init(&epoch);
	return 0;
}

void pando_nodes_exit(void)
{
}
