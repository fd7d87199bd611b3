// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generic netlink: the daemon's commands, one function each, and the events.
 * The contract is include/uapi/linux/pando.h.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "alloc.h"
#include "hold.h"
#include "kin.h"
#include "locate.h"
#include "netlink.h"
#include "node.h"
#include "ns.h"
#include "nurse.h"
#include "orphan.h"
#include "serve.h"
#include "stub.h"
#include "watch.h"

#define DEFAULT_TIMEOUT_MS	30000

/* Commands that change something run one at a time. */
static DEFINE_MUTEX(pando_cmd_mutex);

static struct genl_family family;

static const struct nla_policy policy[PANDO_A_MAX + 1] = {
	[PANDO_A_INIT_PID] = { .type = NLA_U32 },
	[PANDO_A_NODE_ID] = NLA_POLICY_RANGE(NLA_U16, 1, PANDO_NODE_MAX),
	[PANDO_A_NODE_NAME] = { .type = NLA_NUL_STRING,
				.len = PANDO_NAME_MAX - 1 },
	[PANDO_A_CLUSTER_NAME] = { .type = NLA_NUL_STRING,
				   .len = PANDO_NAME_MAX - 1 },
	[PANDO_A_INCARNATION] = { .type = NLA_U64 },
	[PANDO_A_KEY] = { .type = NLA_BINARY, .len = 4096 },
	[PANDO_A_TRANSPORT] = { .type = NLA_NUL_STRING, .len = 15 },
	[PANDO_A_ADDR] = { .type = NLA_BINARY,
			   .len = sizeof(struct sockaddr_in6) },
	[PANDO_A_TIMEOUT] = NLA_POLICY_MIN(NLA_U32, 100),
	[PANDO_A_EPOCH] = { .type = NLA_U64 },
	[PANDO_A_NODES] = { .type = NLA_NESTED },
	[PANDO_A_NODE] = { .type = NLA_NESTED },
	[PANDO_A_LEASE_VERSION] = { .type = NLA_U64 },
	[PANDO_A_LEASE_MAP] = NLA_POLICY_EXACT_LEN(2 * PANDO_LEASE_BLOCKS),
	[PANDO_A_MOVE_ID] = { .type = NLA_U64 },
	[PANDO_A_PIDS] = { .type = NLA_BINARY,
			   .len = PANDO_MOVE_PIDS_MAX * sizeof(u32) },
	[PANDO_A_FROM] = NLA_POLICY_RANGE(NLA_U16, 1, PANDO_NODE_MAX),
	[PANDO_A_TO] = NLA_POLICY_RANGE(NLA_U16, 1, PANDO_NODE_MAX),
	[PANDO_A_PID] = NLA_POLICY_MIN(NLA_U32, 1),
	[PANDO_A_COMPLETE] = { .type = NLA_FLAG },
	[PANDO_A_QUORATE] = { .type = NLA_FLAG },
};

static bool has(struct genl_info *info, int attr)
{
	if (info->attrs[attr])
		return true;
	NL_SET_ERR_MSG(info->extack, "an attribute is missing");
	return false;
}

static u64 get_u64(struct genl_info *info, int attr)
{
	return nla_get_u64(info->attrs[attr]);
}

static int get_addr(const struct nlattr *attr, struct sockaddr_storage *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (!attr)
		return -EINVAL;
	nla_memcpy(addr, attr, sizeof(*addr));
	if (addr->ss_family == AF_INET &&
	    nla_len(attr) == sizeof(struct sockaddr_in))
		return 0;
	if (addr->ss_family == AF_INET6 &&
	    nla_len(attr) == sizeof(struct sockaddr_in6))
		return 0;
	return -EINVAL;
}

/* --- attach and detach ------------------------------------------------------ */

static int get_self(struct genl_info *info, struct pando_self *self)
{
	static const int needed[] = {
		PANDO_A_INIT_PID, PANDO_A_NODE_ID, PANDO_A_NODE_NAME,
		PANDO_A_CLUSTER_NAME, PANDO_A_INCARNATION, PANDO_A_KEY,
		PANDO_A_TRANSPORT, PANDO_A_ADDR,
	};
	u32 timeout = DEFAULT_TIMEOUT_MS;
	int i;

	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (!has(info, needed[i]))
			return -EINVAL;
	self->id = nla_get_u16(info->attrs[PANDO_A_NODE_ID]);
	self->incarnation = get_u64(info, PANDO_A_INCARNATION);
	nla_strscpy(self->name, info->attrs[PANDO_A_NODE_NAME],
		    sizeof(self->name));
	nla_strscpy(self->cluster, info->attrs[PANDO_A_CLUSTER_NAME],
		    sizeof(self->cluster));
	self->key = nla_data(info->attrs[PANDO_A_KEY]);
	self->key_len = nla_len(info->attrs[PANDO_A_KEY]);
	if (info->attrs[PANDO_A_TIMEOUT])
		timeout = nla_get_u32(info->attrs[PANDO_A_TIMEOUT]);
	self->timeout = msecs_to_jiffies(timeout);
	if (!self->incarnation || self->key_len < 16) {
		NL_SET_ERR_MSG(info->extack, "INCARNATION is zero or KEY shorter than 16 bytes");
		return -EINVAL;
	}
	if (get_addr(info->attrs[PANDO_A_ADDR], &self->addr)) {
		NL_SET_ERR_MSG(info->extack, "ADDR is neither sockaddr_in nor sockaddr_in6");
		return -EINVAL;
	}
	return 0;
}

static int attach(struct genl_info *info)
{
	struct pando_self *self;
	int err;

	if (pando_ns()) {
		NL_SET_ERR_MSG(info->extack, "a namespace is attached already");
		return -EBUSY;
	}
	self = kzalloc(sizeof(*self), GFP_KERNEL);
	if (!self)
		return -ENOMEM;
	err = get_self(info, self);
	if (err)
		goto out;
	if (!try_module_get(THIS_MODULE)) {
		err = -ENODEV;
		goto out;
	}
	err = pando_ns_attach(nla_get_u32(info->attrs[PANDO_A_INIT_PID]),
			      info->extack);
	if (err)
		goto err_module;
	pando_serve_open();
	pando_nurse_open();
	err = pando_nodes_attach(self,
				 nla_data(info->attrs[PANDO_A_TRANSPORT]),
				 info->extack);
	if (err)
		goto err_ns;
	pr_info("pando: node %u (%s) of cluster %s attached\n", self->id,
		self->name, self->cluster);
	goto out;

err_ns:
	pando_nurse_close();
	pando_serve_close();
	pando_ns_detach();
err_module:
	module_put(THIS_MODULE);
out:
	kfree(self);
	return err;
}

static int detach(struct genl_info *info)
{
	int err;

	if (!pando_ns())
		return -ENOTCONN;
	/* numbers are left for a moment which nobody has any more */
	pando_alloc_unshare();
	err = pando_ns_may_detach(info->extack);
	if (err)
		return err;
	/* ends all waits, so that nobody stays inside a hook */
	pando_nodes_detach();
	pando_orphan_reset();
	pando_nurse_close();
	pando_serve_close();
	pando_ns_detach();
	pando_watch_reset();
	pando_hold_reset();
	pando_stub_reset();
	pando_kin_reset();
	pando_locate_reset();
	pando_alloc_reset();
	pr_info("pando: detached\n");
	module_put(THIS_MODULE);
	return 0;
}

static int cmd_attach(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	mutex_lock(&pando_cmd_mutex);
	err = attach(info);
	mutex_unlock(&pando_cmd_mutex);
	return err;
}

static int cmd_detach(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	mutex_lock(&pando_cmd_mutex);
	err = detach(info);
	mutex_unlock(&pando_cmd_mutex);
	return err;
}

/* --- membership and leases ----------------------------------------------------- */

/* Runs @fn, which needs an attached node, as the only command. */
static int run_attached(struct genl_info *info,
			int (*fn)(struct genl_info *info))
{
	int err = -ENOTCONN;

	mutex_lock(&pando_cmd_mutex);
	if (pando_ns())
		err = fn(info);
	else
		NL_SET_ERR_MSG(info->extack, "no namespace is attached");
	mutex_unlock(&pando_cmd_mutex);
	return err;
}

static int stop(struct genl_info *info)
{
	if (!has(info, PANDO_A_EPOCH))
		return -EINVAL;
	return pando_nodes_stop(get_u64(info, PANDO_A_EPOCH));
}

static int start(struct genl_info *info)
{
	if (!has(info, PANDO_A_EPOCH))
		return -EINVAL;
	return pando_nodes_start(get_u64(info, PANDO_A_EPOCH));
}

static int get_member(struct nlattr *nest, struct pando_member *m,
		      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[PANDO_A_MAX + 1];
	int err;

	err = nla_parse_nested(tb, PANDO_A_MAX, nest, policy, extack);
	if (err)
		return err;
	if (!tb[PANDO_A_NODE_ID] || !tb[PANDO_A_NODE_NAME] ||
	    !tb[PANDO_A_INCARNATION] || get_addr(tb[PANDO_A_ADDR], &m->addr)) {
		NL_SET_ERR_MSG(extack, "a NODE needs id, name, incarnation and address");
		return -EINVAL;
	}
	m->id = nla_get_u16(tb[PANDO_A_NODE_ID]);
	m->incarnation = nla_get_u64(tb[PANDO_A_INCARNATION]);
	nla_strscpy(m->name, tb[PANDO_A_NODE_NAME], sizeof(m->name));
	return 0;
}

static int members(struct genl_info *info)
{
	struct pando_member *list;
	struct nlattr *nest;
	int n = 0, rem, err = 0;

	if (!has(info, PANDO_A_EPOCH) || !has(info, PANDO_A_NODES))
		return -EINVAL;
	list = kvcalloc(PANDO_NODE_MAX, sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	nla_for_each_nested(nest, info->attrs[PANDO_A_NODES], rem) {
		if (n == PANDO_NODE_MAX)
			err = -E2BIG;
		else
			err = get_member(nest, &list[n++], info->extack);
		if (err)
			goto out;
	}
	err = pando_nodes_members(get_u64(info, PANDO_A_EPOCH), list, n,
				  info->attrs[PANDO_A_COMPLETE],
				  info->attrs[PANDO_A_QUORATE]);
	if (!err)
		pando_kin_members();
out:
	kvfree(list);
	return err;
}

static int leases(struct genl_info *info)
{
	if (!has(info, PANDO_A_LEASE_VERSION) || !has(info, PANDO_A_LEASE_MAP))
		return -EINVAL;
	return pando_locate_leases(pando_nodes_self(),
				   get_u64(info, PANDO_A_LEASE_VERSION),
				   nla_data(info->attrs[PANDO_A_LEASE_MAP]));
}

/* --- moves ------------------------------------------------------------------------ */

static u32 npids(struct genl_info *info)
{
	return nla_len(info->attrs[PANDO_A_PIDS]) / sizeof(u32);
}

static int reserve(struct genl_info *info)
{
	u32 busy = 0;
	int err;

	if (!has(info, PANDO_A_MOVE_ID) || !has(info, PANDO_A_PIDS))
		return -EINVAL;
	err = pando_locate_reserve(get_u64(info, PANDO_A_MOVE_ID),
				   nla_data(info->attrs[PANDO_A_PIDS]),
				   npids(info), &busy);
	if (err) {
		NL_SET_ERR_MSG(info->extack, "a PID of the move is in use on this node");
		pr_info("pando: PID %u is not free for a move: %d\n", busy,
			err);
	}
	return err;
}

static int unreserve(struct genl_info *info)
{
	if (!has(info, PANDO_A_MOVE_ID))
		return -EINVAL;
	pando_locate_unreserve(get_u64(info, PANDO_A_MOVE_ID));
	pando_hold_let(get_u64(info, PANDO_A_MOVE_ID));
	return 0;
}

static int moved(struct genl_info *info)
{
	if (!has(info, PANDO_A_MOVE_ID) || !has(info, PANDO_A_PIDS) ||
	    !has(info, PANDO_A_FROM) || !has(info, PANDO_A_TO))
		return -EINVAL;
	return pando_locate_moved(get_u64(info, PANDO_A_MOVE_ID),
				  nla_data(info->attrs[PANDO_A_PIDS]),
				  npids(info),
				  nla_get_u16(info->attrs[PANDO_A_FROM]),
				  nla_get_u16(info->attrs[PANDO_A_TO]));
}

#define CMD(name) \
static int cmd_##name(struct sk_buff *skb, struct genl_info *info) \
{ \
	return run_attached(info, name); \
}

CMD(stop)
CMD(members)
CMD(leases)
CMD(start)
CMD(reserve)
CMD(unreserve)
CMD(moved)
#undef CMD

/* --- questions ---------------------------------------------------------------------- */

/* Not under the mutex: it may have to wait for another node. */
static int cmd_locate(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg;
	u16 home, location;
	void *head;
	u32 pid;
	int err;

	if (!has(info, PANDO_A_PID))
		return -EINVAL;
	pid = nla_get_u32(info->attrs[PANDO_A_PID]);
	err = pando_locate_where(pid, &home, &location);
	if (err)
		return err;
	msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	head = genlmsg_put_reply(msg, info, &family, 0, PANDO_CMD_LOCATE);
	if (!head || nla_put_u32(msg, PANDO_A_PID, pid) ||
	    nla_put_u16(msg, PANDO_A_HOME, home) ||
	    nla_put_u16(msg, PANDO_A_LOCATION, location)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, head);
	return genlmsg_reply(msg, info);
}

static int put_peer(struct sk_buff *msg, const struct pando_peer_info *p)
{
	size_t len = p->member.addr.ss_family == AF_INET6 ?
		     sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct nlattr *nest = nla_nest_start(msg, PANDO_A_NODE);

	if (!nest || nla_put_u16(msg, PANDO_A_NODE_ID, p->member.id) ||
	    nla_put_string(msg, PANDO_A_NODE_NAME, p->member.name) ||
	    nla_put_u64_64bit(msg, PANDO_A_INCARNATION, p->member.incarnation,
			      PANDO_A_PAD) ||
	    nla_put(msg, PANDO_A_ADDR, len, &p->member.addr) ||
	    nla_put_u32(msg, PANDO_A_PEER_STATE, p->state) ||
	    nla_put_u32(msg, PANDO_A_RTT, p->rtt_us))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

/* An attribute has room for this many. */
#define STUBS_MAX	16000u

static u32 stubs_room(void)
{
	return min(pando_stub_count(), STUBS_MAX);
}

static int put_stubs(struct sk_buff *msg)
{
	u32 room = stubs_room(), n;
	u32 *pids;
	int err;

	if (!room)
		return 0;
	pids = kvmalloc_array(room, sizeof(*pids), GFP_KERNEL);
	if (!pids)
		return -ENOMEM;
	n = pando_stub_list(pids, room);
	err = nla_put(msg, PANDO_A_PIDS, n * sizeof(*pids), pids);
	kvfree(pids);
	return err;
}

static int put_status(struct sk_buff *msg, const struct pando_peer_info *peers,
		      int n)
{
	char name[PANDO_NAME_MAX] = "";
	struct pando_locate_info loc;
	struct nlattr *nest;
	int i;

	pando_locate_info(&loc);
	pando_nodes_name(pando_nodes_self(), name, sizeof(name));
	if (nla_put_u32(msg, PANDO_A_STATE, pando_nodes_state()) ||
	    nla_put_u16(msg, PANDO_A_NODE_ID, pando_nodes_self()) ||
	    nla_put_string(msg, PANDO_A_NODE_NAME, name) ||
	    nla_put_string(msg, PANDO_A_TRANSPORT, pando_nodes_transport()) ||
	    nla_put_u32(msg, PANDO_A_INIT_PID, pando_ns_init_pid()) ||
	    nla_put_u64_64bit(msg, PANDO_A_INCARNATION,
			      pando_nodes_incarnation(), PANDO_A_PAD) ||
	    nla_put_u64_64bit(msg, PANDO_A_EPOCH, pando_nodes_epoch(),
			      PANDO_A_PAD) ||
	    nla_put_u64_64bit(msg, PANDO_A_LEASE_VERSION, loc.version,
			      PANDO_A_PAD) ||
	    nla_put_u32(msg, PANDO_A_PIDS_USED, loc.used) ||
	    nla_put_u32(msg, PANDO_A_PIDS_FREE, loc.free) ||
	    nla_put_u32(msg, PANDO_A_GUESTS, loc.guests) ||
	    nla_put_u32(msg, PANDO_A_AWAY, loc.away) || put_stubs(msg))
		return -EMSGSIZE;
	nest = nla_nest_start(msg, PANDO_A_NODES);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < n; i++)
		if (put_peer(msg, &peers[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int status(struct genl_info *info)
{
	struct pando_peer_info *peers;
	struct sk_buff *msg;
	void *head;
	int n = 0, err;

	peers = kvcalloc(PANDO_NODE_MAX, sizeof(*peers), GFP_KERNEL);
	if (!peers)
		return -ENOMEM;
	if (pando_ns())
		n = pando_nodes_info(peers, PANDO_NODE_MAX);
	/* should there be more by then, it is asked again */
	msg = genlmsg_new(NLMSG_GOODSIZE + n * 2 * sizeof(*peers) +
			  (stubs_room() + 64) * sizeof(u32), GFP_KERNEL);
	err = -ENOMEM;
	if (!msg)
		goto out;
	head = genlmsg_put_reply(msg, info, &family, 0, PANDO_CMD_STATUS);
	err = -EMSGSIZE;
	if (!head)
		goto err_msg;
	if (pando_ns())
		err = put_status(msg, peers, n);
	else
		err = nla_put_u32(msg, PANDO_A_STATE, PANDO_STATE_DETACHED);
	if (err)
		goto err_msg;
	genlmsg_end(msg, head);
	err = genlmsg_reply(msg, info);
	goto out;

err_msg:
	nlmsg_free(msg);
out:
	kvfree(peers);
	return err;
}

static int cmd_status(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	mutex_lock(&pando_cmd_mutex);
	err = status(info);
	mutex_unlock(&pando_cmd_mutex);
	return err;
}

/* --- events --------------------------------------------------------------------------- */

static struct sk_buff *event_new(u8 cmd, void **head)
{
	struct sk_buff *msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);

	if (!msg)
		return NULL;
	*head = genlmsg_put(msg, 0, 0, &family, 0, cmd);
	if (*head)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

static void event_send(struct sk_buff *msg, void *head)
{
	genlmsg_end(msg, head);
	genlmsg_multicast(&family, msg, 0, 0, GFP_KERNEL);
}

void pando_netlink_done(u64 epoch)
{
	struct sk_buff *msg;
	void *head;

	msg = event_new(PANDO_EVENT_DONE, &head);
	if (!msg)
		return;
	if (nla_put_u64_64bit(msg, PANDO_A_EPOCH, epoch, PANDO_A_PAD))
		nlmsg_free(msg);
	else
		event_send(msg, head);
}

void pando_netlink_peer(u16 node, enum pando_peer_state state)
{
	struct sk_buff *msg;
	void *head;

	msg = event_new(PANDO_EVENT_PEER, &head);
	if (!msg)
		return;
	if (nla_put_u16(msg, PANDO_A_NODE_ID, node) ||
	    nla_put_u32(msg, PANDO_A_PEER_STATE, state))
		nlmsg_free(msg);
	else
		event_send(msg, head);
}

void pando_netlink_lease_low(u32 used, u32 free)
{
	struct sk_buff *msg;
	void *head;

	msg = event_new(PANDO_EVENT_LEASE_LOW, &head);
	if (!msg)
		return;
	if (nla_put_u32(msg, PANDO_A_PIDS_USED, used) ||
	    nla_put_u32(msg, PANDO_A_PIDS_FREE, free))
		nlmsg_free(msg);
	else
		event_send(msg, head);
}

/* --- the family ------------------------------------------------------------------------- */

#define OP(nr, fn) { .cmd = PANDO_CMD_##nr, .doit = fn, \
		     .flags = GENL_ADMIN_PERM }

static const struct genl_small_ops ops[] = {
	OP(ATTACH, cmd_attach),
	OP(DETACH, cmd_detach),
	OP(STOP, cmd_stop),
	OP(MEMBERS, cmd_members),
	OP(LEASES, cmd_leases),
	OP(START, cmd_start),
	OP(RESERVE, cmd_reserve),
	OP(UNRESERVE, cmd_unreserve),
	OP(MOVED, cmd_moved),
	OP(LOCATE, cmd_locate),
	OP(STATUS, cmd_status),
};

static const struct genl_multicast_group groups[] = {
	{ .name = PANDO_GENL_EVENTS, .flags = GENL_UNS_ADMIN_PERM },
};

static struct genl_family family __ro_after_init = {
	.name = PANDO_GENL_NAME,
	.version = PANDO_GENL_VERSION,
	.maxattr = PANDO_A_MAX,
	.policy = policy,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int pando_netlink_init(void)
{
	return genl_register_family(&family);
}

void pando_netlink_exit(void)
{
	genl_unregister_family(&family);
}
