/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The members of the cluster as this kernel was told, the epoch, and the one
 * connection to each of them. node.c is the only place that changes them; node_recover.c
 * brings a view in force.
 */
#ifndef _PANDO_NODE_H
#define _PANDO_NODE_H

#include <linux/socket.h>
#include <linux/types.h>
#include <uapi/linux/pando.h>

struct netlink_ext_ack;

/*
 * A daemon that is started anew takes its node out of the view for a moment; all that
 * runs there goes on. So long it may take, jiffies.
 */
#define PANDO_BACK_WITHIN	(5 * HZ)

/**
 * struct pando_self - what ATTACH said; constant until DETACH
 * @id: node id; @incarnation: of the namespace; @name, @cluster: names
 * @addr: where to listen
 * @key, @key_len: cluster key
 * @timeout: longest wait of any request, jiffies
 */
struct pando_self {
	u16 id;
	u64 incarnation;
	char name[PANDO_NAME_MAX];
	char cluster[PANDO_NAME_MAX];
	struct sockaddr_storage addr;
	u8 *key;
	size_t key_len;
	unsigned long timeout;
};

/** struct pando_member - one node of a MEMBERS list */
struct pando_member {
	u16 id;
	u64 incarnation;
	char name[PANDO_NAME_MAX];
	struct sockaddr_storage addr;
};

/** struct pando_peer_info - one row of STATUS */
struct pando_peer_info {
	struct pando_member member;
	enum pando_peer_state state;
	u32 rtt_us;
};

/* Lifetime: start at ATTACH (process context, may sleep), stop at DETACH. */
int pando_nodes_attach(const struct pando_self *self, const char *transport,
		       struct netlink_ext_ack *extack);
void pando_nodes_detach(void);

/*
 * The STOP, MEMBERS, START steps; process context, may sleep, serialised by
 * the caller (netlink.c holds pando_cmd_mutex). They return what uapi says.
 * pando_nodes_members() ends all waits on nodes that are not in the list and
 * starts connecting to the others. pando_nodes_start() starts recovery in a
 * worker: wait for the connections, report guests to their homes, then call
 * pando_netlink_done(epoch); a newer STOP overtakes it.
 */
int pando_nodes_stop(u64 epoch);
int pando_nodes_members(u64 epoch, const struct pando_member *list, int n,
			bool complete, bool quorate);
int pando_nodes_start(u64 epoch);

/* Any context. */
u64 pando_nodes_epoch(void);
u64 pando_nodes_in_force(void);		/* the epoch; 0 while the view changes */
enum pando_state pando_nodes_state(void);
bool pando_nodes_is_member(u16 id);	/* self included */
u16 pando_nodes_self(void);		/* 0 when not attached */
u64 pando_nodes_incarnation(void);	/* of this node; 0: not attached */
u64 pando_nodes_incarnation_of(u16 id);	/* 0: not a member */

/*
 * Does the last MEMBERS list have the majority? Else nothing can be concluded from what
 * the members do not have. Any context.
 */
bool pando_nodes_quorate(void);
/* Nor is there a node that has just left and may be back as it was? Any context. */
bool pando_nodes_whole(void);

/* How long another node's answer is waited for, jiffies. */
unsigned long pando_nodes_timeout(void);

/*
 * Fills @ids with up to @max ids of the other members in ascending order and
 * returns how many there are. Any context.
 */
int pando_nodes_others(u16 *ids, int max);

/* Rows for STATUS, self included; process context. Returns the count. */
int pando_nodes_info(struct pando_peer_info *rows, int max);
const char *pando_nodes_transport(void);
int pando_nodes_name(u16 id, char *name, size_t size);	/* -ENOENT */

void pando_nodes_init(void);

#endif
