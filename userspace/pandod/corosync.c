// SPDX-License-Identifier: GPL-2.0-only
/* Membership, order and quorum from corosync: cpg, quorum, votequorum, cmap. */
#include <arpa/inet.h>
#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "corosync.h"
#include "log.h"

#define LOG_NAME	"corosync"
#define GROUP		"pando"
#define RETRY_US	5000	/* corosync said: try again */
#define CONNECT_TRIES	50	/* ten seconds */

struct outgoing {
	struct outgoing *next;
	uint8_t *buf;
	size_t len;
};

static const struct membership_events *events;
static cpg_handle_t cpg;
static quorum_handle_t quorum;
static votequorum_handle_t votes;
static struct configured nodes[STATE_MEMBERS_MAX];
static unsigned int nnodes;

/* The group as it is: messages of those that left it are late. */
static struct cpg_address group[STATE_MEMBERS_MAX];
static size_t ngroup;
static uint64_t order_ring, quorum_ring;
static bool ring_quorate;
static int node_votes[PANDO_NODE_MAX + 1];	/* -1: to be asked for */
static unsigned int detection_ms;

static struct outgoing *queue, **queue_tail = &queue;
static sd_event_source *sender;

/* --- sending --------------------------------------------------------------------*/

static int on_send(sd_event_source *source, uint64_t usec, void *data);

/* Standalone: our own order, one message a turn of the loop. */
static cs_error_t deliver_self(struct outgoing *o)
{
	events->message(pandod.self, o->buf, o->len);
	return CS_OK;
}

static void send_queued(bool from_loop)
{
	while (queue) {
		struct outgoing *o = queue;
		struct iovec iov = { o->buf, o->len };
		cs_error_t err;

		if (pandod.standalone && !from_loop)
			break;
		queue = o->next;
		if (!queue)
			queue_tail = &queue;
		err = pandod.standalone ? deliver_self(o) :
		      cpg_mcast_joined(cpg, CPG_TYPE_AGREED, &iov, 1);
		if (err == CS_ERR_TRY_AGAIN) {
			o->next = queue;
			queue = o;
			if (!o->next)
				queue_tail = &o->next;
			break;
		}
		if (err != CS_OK)
			log_err("cannot send to the group: %s",
				cs_strerror(err));
		free(o->buf);
		free(o);
	}
	if (queue && !sender)
		sd_event_add_time_relative(pandod.event, &sender,
					   CLOCK_MONOTONIC,
					   pandod.standalone ? 0 : RETRY_US, 1,
					   on_send, NULL);
}

static int on_send(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	(void)data;
	sender = sd_event_source_disable_unref(sender);
	send_queued(true);
	return 0;
}

void membership_send(uint8_t *buf, size_t len)
{
	struct outgoing *o = calloc(1, sizeof(*o));

	if (!o || !buf) {
		free(buf);
		free(o);
		log_err("out of memory");
		return;
	}
	o->buf = buf;
	o->len = len;
	*queue_tail = o;
	queue_tail = &o->next;
	send_queued(false);
}

/* --- what corosync tells ----------------------------------------------------------*/

static void on_config(cpg_handle_t handle, const struct cpg_name *name,
		      const struct cpg_address *members, size_t n,
		      const struct cpg_address *left, size_t nleft,
		      const struct cpg_address *joined, size_t njoined)
{
	uint16_t ids[STATE_MEMBERS_MAX];

	(void)handle;
	(void)name;
	if (n > STATE_MEMBERS_MAX) {
		log_err("more than %d members", STATE_MEMBERS_MAX);
		n = STATE_MEMBERS_MAX;
	}
	for (size_t i = 0; i < nleft; i++)
		log_info("node left id=%u reason=%u", left[i].nodeid,
			 left[i].reason);
	for (size_t i = 0; i < njoined; i++)
		log_info("node joined id=%u", joined[i].nodeid);
	memcpy(group, members, n * sizeof(*members));
	ngroup = n;
	for (size_t i = 0; i < n; i++)
		ids[i] = members[i].nodeid;
	events->config(ids, n);
}

static void on_message(cpg_handle_t handle, const struct cpg_name *name,
		       uint32_t nodeid, uint32_t pid, void *msg, size_t len)
{
	(void)handle;
	(void)name;
	for (size_t i = 0; i < ngroup; i++)
		if (group[i].nodeid == nodeid && group[i].pid == pid)
			events->message(nodeid, msg, len);
}

static void forget_votes(void)
{
	memset(node_votes, -1, sizeof(node_votes));
}

static void on_ring(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t n,
		    const uint32_t *members)
{
	(void)handle;
	(void)n;
	(void)members;
	order_ring = ring.seq;
	forget_votes();
	events->quorum();
}

static void on_quorum(quorum_handle_t handle, uint32_t is_quorate,
		      uint64_t ring_seq, uint32_t n, uint32_t *members)
{
	(void)handle;
	(void)n;
	(void)members;
	if (ring_quorate != !!is_quorate)
		log_notice("quorum %s", is_quorate ? "gained" : "lost");
	ring_quorate = is_quorate;
	quorum_ring = ring_seq;
	forget_votes();
	events->quorum();
}

unsigned int membership_node_votes(uint16_t id)
{
	struct votequorum_info info;

	if (pandod.standalone)
		return 1;
	if (node_votes[id] < 0) {
		if (votequorum_getinfo(votes, id, &info) != CS_OK)
			return 0;
		node_votes[id] = info.node_votes;
	}
	return node_votes[id];
}

/*
 * More than half of the most votes that there ever were, whatever corosync may
 * be content with (two_node, last_man_standing, auto_tie_breaker): of two
 * quorums the later one has to know of the earlier one.
 */
static bool count_votes(struct votes *v, unsigned int *device)
{
	struct votequorum_info info;
	unsigned int half;

	*v = (struct votes){ 1, 1 };
	*device = 0;
	if (pandod.standalone)
		return true;
	if (votequorum_getinfo(votes, pandod.self, &info) != CS_OK)
		return false;
	v->total = info.highest_expected > info.node_expected_votes ?
		   info.highest_expected : info.node_expected_votes;
	half = v->total / 2 + 1;
	v->needed = info.quorum > half ? info.quorum : half;
	if (info.flags & VOTEQUORUM_INFO_QDEVICE_CAST_VOTE)
		*device = info.qdevice_votes;
	return true;
}

void membership_votes(struct votes *v)
{
	unsigned int device;

	/* nobody can say: then the others may have what they need */
	if (!count_votes(v, &device))
		*v = (struct votes){ UINT32_MAX, 1 };
}

/*
 * Counted over the nodes whose daemons are in the group: two majorities of
 * nodes where no daemon runs would not know of each other's leases.
 */
int membership_quorate(const uint16_t *ids, size_t n)
{
	unsigned int sum = 0, device;
	struct votes v;

	if (pandod.standalone)
		return 1;
	if (order_ring != quorum_ring)
		return -EAGAIN;
	if (!ring_quorate || !count_votes(&v, &device))
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += membership_node_votes(ids[i]);
	if (votes_quorate(&v, sum))
		return 1;
	return votes_quorate(&v, sum + device) ? QUORATE_BY_DEVICE : 0;
}

unsigned int membership_detection_ms(void)
{
	return detection_ms;
}

/* --- connections -----------------------------------------------------------------*/

static void dispatched(cs_error_t err)
{
	if (err == CS_OK || err == CS_ERR_TRY_AGAIN || pandod.leaving)
		return;
	log_err("corosync is gone: %s", cs_strerror(err));
	events->lost();
}

static int on_cpg(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)data;
	/* one at a time: other events get their turn between messages */
	dispatched(cpg_dispatch(cpg, CS_DISPATCH_ONE_NONBLOCKING));
	return 0;
}

static int on_quorum_fd(sd_event_source *source, int fd, uint32_t revents,
			void *data)
{
	(void)source;
	(void)fd;
	(void)revents;
	(void)data;
	dispatched(quorum_dispatch(quorum, CS_DISPATCH_ALL));
	return 0;
}

static void read_nodes(cmap_handle_t cmap)
{
	cmap_iter_handle_t iter;
	char key[CMAP_KEYNAME_MAXLEN + 1], other[CMAP_KEYNAME_MAXLEN + 1];
	unsigned int at;
	uint32_t id;
	char *text;

	if (cmap_iter_init(cmap, "nodelist.node.", &iter) != CS_OK)
		return;
	while (cmap_iter_next(cmap, iter, key, NULL, NULL) == CS_OK) {
		struct configured *c = &nodes[nnodes];

		if (sscanf(key, "nodelist.node.%u.nodei%*1[d]", &at) != 1 ||
		    !strstr(key, ".nodeid") || nnodes == STATE_MEMBERS_MAX ||
		    cmap_get_uint32(cmap, key, &id) != CS_OK ||
		    !id || id > PANDO_NODE_MAX)
			continue;
		c->id = id;
		snprintf(other, sizeof(other), "nodelist.node.%u.name", at);
		if (cmap_get_string(cmap, other, &text) == CS_OK) {
			snprintf(c->name, sizeof(c->name), "%s", text);
			free(text);
		} else {
			snprintf(c->name, sizeof(c->name), "node%u", id);
		}
		snprintf(other, sizeof(other), "nodelist.node.%u.ring0_addr",
			 at);
		if (cmap_get_string(cmap, other, &text) == CS_OK) {
			snprintf(c->addr, sizeof(c->addr), "%s", text);
			free(text);
		}
		nnodes++;
	}
	cmap_iter_finalize(cmap, iter);
}

/* ring0_addr may be a name; the kernel wants an address. */
static void resolve(char *addr, size_t len)
{
	struct addrinfo *list;

	if (getaddrinfo(addr, NULL, NULL, &list))
		return;
	getnameinfo(list->ai_addr, list->ai_addrlen, addr, len, NULL, 0,
		    NI_NUMERICHOST);
	freeaddrinfo(list);
}

static void read_detection(cmap_handle_t cmap)
{
	uint32_t token, consensus;

	/* as they are in effect, with what corosync adds for each node */
	if (cmap_get_uint32(cmap, "runtime.config.totem.token", &token) != CS_OK)
		token = 3000;
	if (cmap_get_uint32(cmap, "runtime.config.totem.consensus",
			    &consensus) != CS_OK)
		consensus = token + token / 5;
	detection_ms = token + consensus;
}

static void read_cmap(cmap_handle_t cmap)
{
	char *text;

	read_nodes(cmap);
	read_detection(cmap);
	if (cmap_get_string(cmap, "totem.cluster_name", &text) == CS_OK) {
		snprintf(pandod.cluster, sizeof(pandod.cluster), "%s", text);
		free(text);
	}
	for (unsigned int i = 0; i < nnodes; i++) {
		if (nodes[i].id != pandod.self)
			continue;
		if (!*pandod.name)
			snprintf(pandod.name, sizeof(pandod.name), "%s",
				 nodes[i].name);
		if (!*pandod.address) {
			snprintf(pandod.address, sizeof(pandod.address), "%s",
				 nodes[i].addr);
			resolve(pandod.address, sizeof(pandod.address));
		}
	}
}

static int open_standalone(void)
{
	pandod.self = 1;
	snprintf(pandod.cluster, sizeof(pandod.cluster), "standalone");
	if (!*pandod.address)
		snprintf(pandod.address, sizeof(pandod.address), "127.0.0.1");
	if (!*pandod.name)
		gethostname(pandod.name, sizeof(pandod.name) - 1);
	nodes[0].id = 1;
	memcpy(nodes[0].name, pandod.name, sizeof(nodes[0].name));
	memcpy(nodes[0].addr, pandod.address, sizeof(nodes[0].addr));
	nnodes = 1;
	return 0;
}

int membership_open(const struct membership_events *e)
{
	static cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_message,
		.cpg_confchg_fn = on_config,
		.cpg_totem_confchg_fn = on_ring,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	static quorum_callbacks_t quorum_callbacks = {
		.quorum_notify_fn = on_quorum,
	};
	struct timespec pause = { 0, 200000000 };
	uint32_t type, id = 0;
	cmap_handle_t cmap;
	cs_error_t err;
	int fd;

	events = e;
	forget_votes();
	snprintf(pandod.cluster, sizeof(pandod.cluster), "pando");
	if (pandod.standalone)
		return open_standalone();
	for (int i = 0; i < CONNECT_TRIES; i++) {
		err = cpg_model_initialize(&cpg, CPG_MODEL_V1,
					   (cpg_model_data_t *)&model, NULL);
		if (err == CS_OK)
			break;
		nanosleep(&pause, NULL);
	}
	if (err != CS_OK) {
		log_err("no connection to corosync: %s; is it running? "
			"(--standalone works without)", cs_strerror(err));
		return -ENOTCONN;
	}
	if (cpg_local_get(cpg, &id) != CS_OK || !id || id > PANDO_NODE_MAX) {
		log_err("corosync's nodeid=%u is not in 1..%d", id,
			PANDO_NODE_MAX);
		return -EINVAL;
	}
	pandod.self = id;
	if (cmap_initialize(&cmap) == CS_OK) {
		read_cmap(cmap);
		cmap_finalize(cmap);
	}
	if (!*pandod.name)
		snprintf(pandod.name, sizeof(pandod.name), "node%u", id);
	if (!*pandod.address) {
		log_err("own address unknown: set 'address' in the "
			"configuration");
		return -EINVAL;
	}
	err = quorum_initialize(&quorum, &quorum_callbacks, &type);
	if (err == CS_OK && type != QUORUM_SET) {
		log_err("corosync has no quorum provider: set 'provider: "
			"corosync_votequorum' in corosync.conf");
		return -EINVAL;
	}
	if (err == CS_OK)
		err = votequorum_initialize(&votes, NULL);
	if (err == CS_OK)
		err = quorum_trackstart(quorum, CS_TRACK_CHANGES |
					CS_TRACK_CURRENT);
	if (err != CS_OK) {
		log_err("no quorum service: %s", cs_strerror(err));
		return -ENOTCONN;
	}
	cpg_fd_get(cpg, &fd);
	sd_event_add_io(pandod.event, NULL, fd, EPOLLIN, on_cpg, NULL);
	quorum_fd_get(quorum, &fd);
	sd_event_add_io(pandod.event, NULL, fd, EPOLLIN, on_quorum_fd, NULL);
	return 0;
}

int membership_join(void)
{
	struct cpg_name name = { .length = sizeof(GROUP) - 1, .value = GROUP };
	struct timespec pause = { 0, 100000000 };
	cs_error_t err = CS_OK;

	if (pandod.standalone) {
		events->config(&pandod.self, 1);
		return 0;
	}
	for (int i = 0; i < CONNECT_TRIES; i++) {
		err = cpg_join(cpg, &name);
		if (err != CS_ERR_TRY_AGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	if (err == CS_OK)
		return 0;
	log_err("cannot join the group: %s", cs_strerror(err));
	return -EIO;
}

void membership_leave(void)
{
	struct cpg_name name = { .length = sizeof(GROUP) - 1, .value = GROUP };

	if (pandod.standalone || !cpg)
		return;
	cpg_leave(cpg, &name);
	cpg_finalize(cpg);
}

const struct configured *membership_configured(unsigned int *n)
{
	*n = nnodes;
	return nodes;
}
