// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink to the module: commands with an answer each, and events. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "log.h"
#include "state.h"

#define LOG_NAME	"kernel"
#define BUFFER		(128 * 1024)	/* PANDO_MOVE_PIDS_MAX and more */
#define COMMAND_TIMEOUT_S	30	/* a dead module must not hold us */

/* One command on its way; a socket of its own, so workers may use it too. */
struct command {
	struct mnl_socket *nl;
	char *buf;
	struct nlmsghdr *nlh;
};

static uint16_t family;
static uint32_t event_group;
static const struct kernel_events *handlers;

static const char *const names[] = {
	[PANDO_CMD_ATTACH] = "ATTACH",	[PANDO_CMD_DETACH] = "DETACH",
	[PANDO_CMD_STOP] = "STOP",	[PANDO_CMD_MEMBERS] = "MEMBERS",
	[PANDO_CMD_LEASES] = "LEASES",	[PANDO_CMD_START] = "START",
	[PANDO_CMD_RESERVE] = "RESERVE", [PANDO_CMD_UNRESERVE] = "UNRESERVE",
	[PANDO_CMD_MOVED] = "MOVED",	[PANDO_CMD_LOCATE] = "LOCATE",
	[PANDO_CMD_STATUS] = "STATUS",
};

static int command_begin(struct command *c, uint16_t type, uint8_t cmd,
			 uint8_t version)
{
	struct timeval tv = { .tv_sec = COMMAND_TIMEOUT_S };
	struct genlmsghdr *g;
	int one = 1;

	c->buf = calloc(1, BUFFER);
	c->nl = c->buf ? mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC) : NULL;
	if (!c->nl || mnl_socket_bind(c->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = errno;

		if (c->nl)
			mnl_socket_close(c->nl);
		free(c->buf);
		return -err;
	}
	mnl_socket_setsockopt(c->nl, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(mnl_socket_get_fd(c->nl), SOL_SOCKET, SO_RCVTIMEO, &tv,
		   sizeof(tv));
	c->nlh = mnl_nlmsg_put_header(c->buf);
	c->nlh->nlmsg_type = type;
	c->nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	c->nlh->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(c->nlh, sizeof(*g));
	g->cmd = cmd;
	g->version = version;
	return 0;
}

/* The sentence that came with a refusal. */
static void log_refusal(const struct nlmsghdr *nlh, const char *name, int err)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	const char *text = "";
	struct nlattr *attr;

	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		size_t skip = sizeof(*e);

		if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
			skip += e->msg.nlmsg_len - sizeof(e->msg);
		mnl_attr_for_each(attr, nlh, MNL_ALIGN(skip))
			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
				text = mnl_attr_get_str(attr);
	}
	log_line(err == -ESRCH ? LOG_DEBUG : LOG_WARNING, LOG_NAME,
		 "%s refused: %s%s%s", name, strerror(-err), *text ? ": " : "",
		 text);
}

/*
 * Sends it and takes answers until the ACK. @reply sees each message that is
 * not one. Ends the command.
 */
static int command_run(struct command *c, const char *name, mnl_attr_cb_t reply,
		       void *data)
{
	ssize_t n;
	int ret = 1;

	if (mnl_socket_sendto(c->nl, c->nlh, c->nlh->nlmsg_len) < 0)
		ret = -errno;
	while (ret == 1) {
		n = mnl_socket_recvfrom(c->nl, c->buf, BUFFER);
		if (n < 0) {
			ret = errno == EINTR ? 1 : -errno;
			if (ret == -EAGAIN)
				ret = -ETIMEDOUT;
			continue;
		}
		for (struct nlmsghdr *h = (void *)c->buf;
		     ret == 1 && mnl_nlmsg_ok(h, n); h = mnl_nlmsg_next(h, (int *)&n)) {
			if (h->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *e =
					mnl_nlmsg_get_payload(h);

				ret = e->error;
				if (ret)
					log_refusal(h, name, ret);
			} else if (reply) {
				mnl_attr_parse(h, sizeof(struct genlmsghdr),
					       reply, data);
			}
		}
	}
	mnl_socket_close(c->nl);
	free(c->buf);
	return ret;
}

static int begin(struct command *c, uint8_t cmd)
{
	if (!family)
		return -ENODEV;
	return command_begin(c, family, cmd, PANDO_GENL_VERSION);
}

static int run(struct command *c, uint8_t cmd, mnl_attr_cb_t reply, void *data)
{
	return command_run(c, names[cmd], reply, data);
}

/* --- the family --------------------------------------------------------------*/

static int group_attr(const struct nlattr *attr, void *data)
{
	struct nlattr *a;
	uint32_t id = 0;
	bool ours = false;

	(void)data;
	mnl_attr_for_each_nested(a, attr) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == CTRL_ATTR_MCAST_GRP_NAME)
			ours = !strcmp(mnl_attr_get_str(a), PANDO_GENL_EVENTS);
	}
	if (ours)
		event_group = id;
	return MNL_CB_OK;
}

static int family_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
		family = mnl_attr_get_u16(attr);
	if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
		mnl_attr_parse_nested(attr, group_attr, data);
	return MNL_CB_OK;
}

static int resolve(void)
{
	struct command c;
	int err = command_begin(&c, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);

	if (err)
		return err;
	mnl_attr_put_strz(c.nlh, CTRL_ATTR_FAMILY_NAME, PANDO_GENL_NAME);
	if (mnl_socket_sendto(c.nl, c.nlh, c.nlh->nlmsg_len) < 0)
		err = -errno;
	else
		err = 0;
	/* ENOENT is an answer here, not something to complain of */
	while (!err) {
		ssize_t n = mnl_socket_recvfrom(c.nl, c.buf, BUFFER);
		struct nlmsghdr *h = (void *)c.buf;

		if (n < 0) {
			err = -errno;
		} else if (h->nlmsg_type == NLMSG_ERROR) {
			err = ((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
			break;
		} else {
			mnl_attr_parse(h, sizeof(struct genlmsghdr),
				       family_attr, NULL);
		}
	}
	mnl_socket_close(c.nl);
	free(c.buf);
	return family ? 0 : err ? err : -ENOENT;
}

static void modprobe(const char *module)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execlp("modprobe", "modprobe", "-q", module, NULL);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status)
		log_warn("cannot load the module %s", module);
}

static int on_event(const struct nlmsghdr *h, void *data)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(h);
	uint32_t used = 0, avail = 0, peer_state = 0;
	uint64_t epoch = 0;
	uint16_t node = 0;
	struct nlattr *a;

	(void)data;
	mnl_attr_for_each(a, h, sizeof(*g)) {
		switch (mnl_attr_get_type(a)) {
		case PANDO_A_EPOCH:
			epoch = mnl_attr_get_u64(a);
			break;
		case PANDO_A_PIDS_USED:
			used = mnl_attr_get_u32(a);
			break;
		case PANDO_A_PIDS_FREE:
			avail = mnl_attr_get_u32(a);
			break;
		case PANDO_A_NODE_ID:
			node = mnl_attr_get_u16(a);
			break;
		case PANDO_A_PEER_STATE:
			peer_state = mnl_attr_get_u32(a);
			break;
		}
	}
	if (g->cmd == PANDO_EVENT_DONE)
		handlers->done(epoch);
	else if (g->cmd == PANDO_EVENT_LEASE_LOW)
		handlers->lease_low(used, avail);
	else if (g->cmd == PANDO_EVENT_PEER)
		handlers->peer(node, peer_state);
	return MNL_CB_OK;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events,
		       void *data)
{
	static char buf[65536];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)source;
	(void)events;
	(void)data;
	if (n > 0)
		mnl_cb_run(buf, n, 0, 0, on_event, NULL);
	else if (n < 0 && errno == ENOBUFS)
		log_warn("events were lost");
	return 0;
}

int kernel_open(sd_event *event, const struct kernel_events *events,
		const char *transport)
{
	struct mnl_socket *nl;
	char module[64];
	int err;

	handlers = events;
	err = resolve();
	if (err) {
		modprobe("pando");
		err = resolve();
	}
	if (err)
		return err;
	/* the transport may be built in or loaded; modprobe knows */
	if (strcmp(transport, "loop")) {
		snprintf(module, sizeof(module), "pando_%s", transport);
		modprobe(module);
	}
	modprobe("pando_proc");
	nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &event_group,
				  sizeof(event_group)) < 0)
		return -errno;
	return sd_event_add_io(event, NULL, mnl_socket_get_fd(nl), EPOLLIN,
			       on_readable, NULL);
}

bool kernel_present(void)
{
	return family != 0;
}

const char *kernel_release(void)
{
	static struct utsname u;

	uname(&u);
	return u.release;
}

/* --- commands ----------------------------------------------------------------*/

bool kernel_address(const char *text, uint16_t port,
		    struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof(*v6);
		return true;
	}
	return false;
}

static void put_address(struct nlmsghdr *nlh, const char *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len;

	if (kernel_address(addr, port, &ss, &len))
		mnl_attr_put(nlh, PANDO_A_ADDR, len, &ss);
}

int kernel_attach(const struct kernel_attach *a)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_ATTACH);

	if (err)
		return err;
	mnl_attr_put_u32(c.nlh, PANDO_A_INIT_PID, a->init_pid);
	mnl_attr_put_u16(c.nlh, PANDO_A_NODE_ID, a->node);
	mnl_attr_put_strz(c.nlh, PANDO_A_NODE_NAME, a->name);
	mnl_attr_put_strz(c.nlh, PANDO_A_CLUSTER_NAME, a->cluster);
	mnl_attr_put_u64(c.nlh, PANDO_A_INCARNATION, a->incarnation);
	mnl_attr_put(c.nlh, PANDO_A_KEY, a->keylen, a->key);
	mnl_attr_put_strz(c.nlh, PANDO_A_TRANSPORT, a->transport);
	put_address(c.nlh, a->addr, a->port);
	mnl_attr_put_u32(c.nlh, PANDO_A_TIMEOUT, a->timeout_ms);
	return run(&c, PANDO_CMD_ATTACH, NULL, NULL);
}

int kernel_detach(void)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_DETACH);

	return err ? err : run(&c, PANDO_CMD_DETACH, NULL, NULL);
}

static int epoch_command(uint8_t cmd, uint64_t epoch)
{
	struct command c;
	int err = begin(&c, cmd);

	if (err)
		return err;
	mnl_attr_put_u64(c.nlh, PANDO_A_EPOCH, epoch);
	return run(&c, cmd, NULL, NULL);
}

int kernel_stop(uint64_t epoch)
{
	return epoch_command(PANDO_CMD_STOP, epoch);
}

int kernel_start(uint64_t epoch)
{
	return epoch_command(PANDO_CMD_START, epoch);
}

int kernel_members(uint64_t epoch, bool quorate, bool complete,
		   const struct member *members, unsigned int n)
{
	struct nlattr *nodes, *node;
	struct command c;
	int err = begin(&c, PANDO_CMD_MEMBERS);

	if (err)
		return err;
	mnl_attr_put_u64(c.nlh, PANDO_A_EPOCH, epoch);
	nodes = mnl_attr_nest_start(c.nlh, PANDO_A_NODES);
	for (unsigned int i = 0; i < n; i++) {
		if (!members[i].attached)
			continue;
		node = mnl_attr_nest_start(c.nlh, PANDO_A_NODE);
		mnl_attr_put_u16(c.nlh, PANDO_A_NODE_ID, members[i].id);
		mnl_attr_put_strz(c.nlh, PANDO_A_NODE_NAME, members[i].name);
		mnl_attr_put_u64(c.nlh, PANDO_A_INCARNATION,
				 members[i].incarnation);
		put_address(c.nlh, members[i].addr, members[i].kernel_port);
		mnl_attr_nest_end(c.nlh, node);
	}
	mnl_attr_nest_end(c.nlh, nodes);
	if (quorate)
		mnl_attr_put(c.nlh, PANDO_A_QUORATE, 0, NULL);
	if (complete)
		mnl_attr_put(c.nlh, PANDO_A_COMPLETE, 0, NULL);
	return run(&c, PANDO_CMD_MEMBERS, NULL, NULL);
}

int kernel_leases(uint64_t version, const uint16_t *map)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_LEASES);

	if (err)
		return err;
	mnl_attr_put_u64(c.nlh, PANDO_A_LEASE_VERSION, version);
	mnl_attr_put(c.nlh, PANDO_A_LEASE_MAP,
		     PANDO_LEASE_BLOCKS * sizeof(*map), map);
	return run(&c, PANDO_CMD_LEASES, NULL, NULL);
}

static int pid_attr(const struct nlattr *attr, void *data)
{
	if (data && mnl_attr_get_type(attr) == PANDO_A_PID)
		*(uint32_t *)data = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

int kernel_reserve(uint64_t move, const uint32_t *pids, uint32_t n,
		   uint32_t *taken)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_RESERVE);

	if (taken)
		*taken = 0;
	if (err)
		return err;
	mnl_attr_put_u64(c.nlh, PANDO_A_MOVE_ID, move);
	mnl_attr_put(c.nlh, PANDO_A_PIDS, n * sizeof(*pids), pids);
	return run(&c, PANDO_CMD_RESERVE, pid_attr, taken);
}

int kernel_unreserve(uint64_t move)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_UNRESERVE);

	if (err)
		return err;
	mnl_attr_put_u64(c.nlh, PANDO_A_MOVE_ID, move);
	return run(&c, PANDO_CMD_UNRESERVE, NULL, NULL);
}

int kernel_moved(uint64_t move, const uint32_t *pids, uint32_t n,
		 uint16_t from, uint16_t to)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_MOVED);

	if (err)
		return err;
	mnl_attr_put_u64(c.nlh, PANDO_A_MOVE_ID, move);
	mnl_attr_put(c.nlh, PANDO_A_PIDS, n * sizeof(*pids), pids);
	mnl_attr_put_u16(c.nlh, PANDO_A_FROM, from);
	mnl_attr_put_u16(c.nlh, PANDO_A_TO, to);
	return run(&c, PANDO_CMD_MOVED, NULL, NULL);
}

struct location {
	uint16_t home, location;
};

static int locate_attr(const struct nlattr *attr, void *data)
{
	struct location *l = data;

	if (mnl_attr_get_type(attr) == PANDO_A_HOME)
		l->home = mnl_attr_get_u16(attr);
	if (mnl_attr_get_type(attr) == PANDO_A_LOCATION)
		l->location = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

int kernel_locate(uint32_t pid, uint16_t *home, uint16_t *location)
{
	struct location l = { 0, 0 };
	struct command c;
	int err = begin(&c, PANDO_CMD_LOCATE);

	if (err)
		return err;
	mnl_attr_put_u32(c.nlh, PANDO_A_PID, pid);
	err = run(&c, PANDO_CMD_LOCATE, locate_attr, &l);
	*home = l.home;
	*location = l.location;
	return err;
}

static int peers_attr(const struct nlattr *attr, void *data)
{
	struct kernel_status *st = data;
	struct kernel_peer *p;
	struct nlattr *a;

	if (st->npeers == sizeof(st->peer) / sizeof(st->peer[0]))
		return MNL_CB_OK;
	p = &st->peer[st->npeers++];
	mnl_attr_for_each_nested(a, attr) {
		if (mnl_attr_get_type(a) == PANDO_A_NODE_ID)
			p->id = mnl_attr_get_u16(a);
		if (mnl_attr_get_type(a) == PANDO_A_PEER_STATE)
			p->state = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == PANDO_A_RTT)
			p->rtt_us = mnl_attr_get_u32(a);
	}
	return MNL_CB_OK;
}

static int status_attr(const struct nlattr *a, void *data)
{
	struct kernel_status *st = data;

	switch (mnl_attr_get_type(a)) {
	case PANDO_A_NODE_ID:
		st->node = mnl_attr_get_u16(a);
		break;
	case PANDO_A_INIT_PID:
		st->init_pid = mnl_attr_get_u32(a);
		break;
	case PANDO_A_STATE:
		st->state = mnl_attr_get_u32(a);
		break;
	case PANDO_A_INCARNATION:
		st->incarnation = mnl_attr_get_u64(a);
		break;
	case PANDO_A_EPOCH:
		st->epoch = mnl_attr_get_u64(a);
		break;
	case PANDO_A_LEASE_VERSION:
		st->lease_version = mnl_attr_get_u64(a);
		break;
	case PANDO_A_PIDS_USED:
		st->pids_used = mnl_attr_get_u32(a);
		break;
	case PANDO_A_PIDS_FREE:
		st->pids_free = mnl_attr_get_u32(a);
		break;
	case PANDO_A_GUESTS:
		st->guests = mnl_attr_get_u32(a);
		break;
	case PANDO_A_AWAY:
		st->away = mnl_attr_get_u32(a);
		break;
	case PANDO_A_TRANSPORT:
		snprintf(st->transport, sizeof(st->transport), "%s",
			 mnl_attr_get_str(a));
		break;
	case PANDO_A_NODES:
		mnl_attr_parse_nested(a, peers_attr, st);
		break;
	}
	return MNL_CB_OK;
}

int kernel_status(struct kernel_status *st)
{
	struct command c;
	int err = begin(&c, PANDO_CMD_STATUS);

	memset(st, 0, sizeof(*st));
	return err ? err : run(&c, PANDO_CMD_STATUS, status_attr, st);
}

struct stubs {
	uint32_t *pid;
	size_t n;
};

static int stubs_attr(const struct nlattr *a, void *data)
{
	struct stubs *s = data;
	uint16_t len = mnl_attr_get_payload_len(a);

	if (mnl_attr_get_type(a) != PANDO_A_PIDS || s->pid)
		return MNL_CB_OK;
	s->pid = malloc(len);
	if (s->pid) {
		memcpy(s->pid, mnl_attr_get_payload(a), len);
		s->n = len / sizeof(*s->pid);
	}
	return MNL_CB_OK;
}

uint32_t *kernel_stubs(size_t *n)
{
	struct stubs s = { NULL, 0 };
	struct command c;

	*n = 0;
	if (!kernel_present() || begin(&c, PANDO_CMD_STATUS))
		return NULL;
	run(&c, PANDO_CMD_STATUS, stubs_attr, &s);
	*n = s.n;
	return s.pid;
}
