// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page fabric over RDMA: one reliable connection, messages by SEND into
 * receives posted ahead, and reads by one-sided RDMA READ, in which the CPU of
 * the source takes no part.
 *
 * How many READs may be under way is settled when the connection is made
 * (responder_resources of the source, initiator_depth of the target) and kept
 * by the target; what the adapters have at most is asked of them, not assumed.
 *
 * Who connects proves the move's token in the private data of the connection
 * request, and who accepts proves it in the reply:
 *	request	nonce, HMAC-SHA256(token, "I" nonce)
 *	reply	nonce, HMAC-SHA256(token, "A" nonce)
 * The token is for one move and one connection is accepted in it.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "fabric.h"
#include "move.h"

#define MAGIC		0x5052444du	/* "PRDM" */
#define REGIONS		4
#define RNR_FOR_EVER	7		/* the silence timers above bound it */
#define RXE_MAP		256		/* pages in one of rdma_rxe's tables */

enum { W_RECV = 1, W_SEND, W_READ };
#define WR(kind, i)	((uint64_t)(kind) << 32 | (i))

struct proof {
	uint32_t magic;
	uint8_t nonce[16];
	uint8_t mac[32];
};

/* what a connection request over RDMA_PS_TCP has room for */
_Static_assert(sizeof(struct proof) <= 56, "private data");

struct rdma {
	struct fabric f;
	struct rdma_event_channel *ec;
	struct rdma_cm_id *listener;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *cc;
	struct ibv_cq *cq;
	struct ibv_mr *mr[REGIONS + 1];
	struct { uint8_t *mem; size_t len; uint32_t lkey; } region[REGIONS];
	unsigned int regions;
	unsigned int depth;		/* READs under way, negotiated */
	bool connected;
	bool closed;
	/* FABRIC_MSGS buffers to receive into, then as many to send from */
	uint8_t (*msg)[FABRIC_MSG];
	uint16_t free_send[FABRIC_MSGS];
	unsigned int nfree;
	struct { bool used; uint64_t cookie; } read[FABRIC_READS];
};

#define rdma_of(f) ((struct rdma *)(f))

static int prove(const struct fabric *f, char label, struct proof *p,
		 uint8_t *mac)
{
	gcry_mac_hd_t h;
	size_t size = sizeof(p->mac);
	int err = -EIO;

	if (gcry_mac_open(&h, GCRY_MAC_HMAC_SHA256, 0, NULL))
		return -EIO;
	if (!gcry_mac_setkey(h, f->token, f->token_len) &&
	    !gcry_mac_write(h, "pando-fabric-rdma", 18) &&
	    !gcry_mac_write(h, &label, 1) &&
	    !gcry_mac_write(h, p->nonce, sizeof(p->nonce)) &&
	    !gcry_mac_read(h, mac, &size) && size == sizeof(p->mac))
		err = 0;
	gcry_mac_close(h);
	return err;
}

static int check_proof(const struct fabric *f, char label,
		       const struct rdma_conn_param *param, struct proof *p)
{
	uint8_t mac[sizeof(p->mac)], diff = 0;

	if (!param->private_data || param->private_data_len < sizeof(*p))
		return -EACCES;
	memcpy(p, param->private_data, sizeof(*p));
	if (le32toh(p->magic) != MAGIC || prove(f, label, p, mac))
		return -EACCES;
	for (size_t i = 0; i < sizeof(mac); i++)
		diff |= mac[i] ^ p->mac[i];
	return diff ? -EACCES : 0;
}

static int parse(struct fabric *f, const char *addr, uint16_t port,
		 struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, addr, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return 0;
	}
	return fabric_error(f, -EINVAL, "%s is no address", addr);
}

static int open_channel(struct rdma *r)
{
	r->ec = rdma_create_event_channel();
	if (!r->ec)
		return fabric_error(&r->f, -errno,
				    "no RDMA on this node (%s)",
				    strerror(errno));
	fcntl(r->ec->fd, F_SETFD, FD_CLOEXEC);
	fcntl(r->ec->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

/* The next event of the connection manager, to be acknowledged; or NULL. */
static struct rdma_cm_event *next_event(struct rdma *r, int timeout_ms)
{
	struct pollfd p = { r->ec->fd, POLLIN, 0 };
	struct rdma_cm_event *ev;

	if (poll(&p, 1, timeout_ms) <= 0 || rdma_get_cm_event(r->ec, &ev))
		return NULL;
	return ev;
}

/*
 * Waits for one kind of event. With @param, its parameters are checked for
 * the proof labelled @label.
 */
static int await(struct rdma *r, enum rdma_cm_event_type type, int timeout_ms,
		 char label, struct rdma_conn_param *param)
{
	struct rdma_cm_event *ev = next_event(r, timeout_ms);
	struct proof p;
	int err = 0;

	if (!ev)
		return fabric_error(&r->f, -ETIMEDOUT, "no answer over RDMA");
	if (ev->event != type)
		err = fabric_error(&r->f, -ECONNREFUSED, "%s (%d)",
				   rdma_event_str(ev->event), ev->status);
	if (!err && param) {
		*param = ev->param.conn;
		err = check_proof(&r->f, label, param, &p);
		if (err)
			fabric_error(&r->f, err,
				     "who answered did not prove the token");
	}
	rdma_ack_cm_event(ev);
	return err;
}

static int rdma_f_probe(struct fabric *f, const char *addr)
{
	struct sockaddr_storage ss;
	struct rdma_cm_id *id = NULL;
	struct rdma *r = rdma_of(f);
	struct ibv_device **list;
	int err, n = 0;

	if (!addr) {
		list = ibv_get_device_list(&n);
		if (list)
			ibv_free_device_list(list);
		return n > 0 ? 0 : fabric_error(f, -ENODEV,
						"no RDMA device on this node");
	}
	err = parse(f, addr, 0, &ss);
	if (!err)
		err = open_channel(r);
	if (err)
		return err;
	if (rdma_create_id(r->ec, &id, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(id, (void *)&ss) || !id->verbs)
		err = fabric_error(f, -ENODEV, "no RDMA device has %s", addr);
	if (id)
		rdma_destroy_id(id);
	rdma_destroy_event_channel(r->ec);
	r->ec = NULL;
	return err;
}

static int rdma_f_listen(struct fabric *f, const char *addr, uint16_t *port)
{
	struct rdma *r = rdma_of(f);
	struct sockaddr_storage ss;
	int err = parse(f, addr, *port, &ss);

	if (!err)
		err = open_channel(r);
	if (err)
		return err;
	if (rdma_create_id(r->ec, &r->listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(r->listener, (void *)&ss))
		return fabric_error(f, -errno, "cannot bind RDMA to %s: %s",
				    addr, strerror(errno));
	if (!r->listener->verbs)
		return fabric_error(f, -ENODEV, "no RDMA device has %s", addr);
	if (rdma_listen(r->listener, 4))
		return fabric_error(f, -errno, "cannot listen over RDMA: %s",
				    strerror(errno));
	*port = ntohs(rdma_get_src_port(r->listener));
	f->fd = r->ec->fd;
	return 0;
}

static int post_recv(struct rdma *r, unsigned int i)
{
	struct ibv_sge sge = { (uintptr_t)r->msg[i], FABRIC_MSG,
			       r->mr[REGIONS]->lkey };
	struct ibv_recv_wr wr = { .wr_id = WR(W_RECV, i), .sg_list = &sge,
				  .num_sge = 1 }, *bad;

	return ibv_post_recv(r->id->qp, &wr, &bad) ? -EIO : 0;
}

/* Queues, buffers, and all receives posted, before the peer may send. */
static int setup(struct rdma *r)
{
	struct ibv_qp_init_attr qp = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = FABRIC_MSGS + FABRIC_READS,
			 .max_recv_wr = FABRIC_MSGS,
			 .max_send_sge = 1, .max_recv_sge = 1 },
	};
	size_t len = 2 * FABRIC_MSGS * sizeof(*r->msg);

	r->pd = ibv_alloc_pd(r->id->verbs);
	r->cc = ibv_create_comp_channel(r->id->verbs);
	if (!r->pd || !r->cc)
		goto fail;
	fcntl(r->cc->fd, F_SETFL, O_NONBLOCK);
	fcntl(r->cc->fd, F_SETFD, FD_CLOEXEC);
	r->cq = ibv_create_cq(r->id->verbs, 2 * FABRIC_MSGS + FABRIC_READS,
			      NULL, r->cc, 0);
	if (!r->cq)
		goto fail;
	qp.send_cq = qp.recv_cq = r->cq;
	if (rdma_create_qp(r->id, r->pd, &qp))
		goto fail;
	r->msg = aligned_alloc(4096, (len + 4095) & ~4095ul);
	if (!r->msg)
		goto fail;
	r->mr[REGIONS] = ibv_reg_mr(r->pd, r->msg, len, IBV_ACCESS_LOCAL_WRITE);
	if (!r->mr[REGIONS])
		goto fail;
	for (unsigned int i = 0; i < FABRIC_MSGS; i++) {
		r->free_send[r->nfree++] = FABRIC_MSGS + i;
		if (post_recv(r, i))
			goto fail;
	}
	return 0;
fail:
	return fabric_error(&r->f, -EIO, "cannot set up the RDMA queues: %s",
			    strerror(errno));
}

static int watch(struct rdma *r)
{
	struct epoll_event ev = { .events = EPOLLIN };

	r->f.fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->f.fd < 0 ||
	    epoll_ctl(r->f.fd, EPOLL_CTL_ADD, r->cc->fd, &ev) ||
	    epoll_ctl(r->f.fd, EPOLL_CTL_ADD, r->ec->fd, &ev) ||
	    ibv_req_notify_cq(r->cq, 0))
		return fabric_error(&r->f, -EIO, "cannot watch the RDMA queues");
	r->connected = true;
	return 0;
}

/*
 * One connection is taken. Who cannot prove the token is turned away, and the
 * wait goes on.
 */
static int rdma_f_accept(struct fabric *f, int timeout_ms)
{
	struct rdma *r = rdma_of(f);
	int64_t deadline = now_ms() + timeout_ms;
	struct rdma_conn_param param;
	struct ibv_device_attr attr;
	struct rdma_cm_event *ev;
	unsigned int wanted;
	struct proof p;
	int err;

	f->fd = -1;
	for (;;) {
		int64_t left = deadline - now_ms();

		ev = next_event(r, left > 0 ? left : 0);
		if (!ev)
			return fabric_error(f, -ETIMEDOUT,
					    "nobody connected over RDMA");
		if (ev->event != RDMA_CM_EVENT_CONNECT_REQUEST) {
			rdma_ack_cm_event(ev);
			continue;
		}
		if (!check_proof(f, 'I', &ev->param.conn, &p))
			break;
		rdma_reject(ev->id, NULL, 0);
		/* the id may go only once its event is acknowledged */
		struct rdma_cm_id *stranger = ev->id;

		rdma_ack_cm_event(ev);
		rdma_destroy_id(stranger);
	}
	r->id = ev->id;
	wanted = ev->param.conn.responder_resources;
	rdma_ack_cm_event(ev);
	if (ibv_query_device(r->id->verbs, &attr))
		return fabric_error(f, -EIO, "cannot query the RDMA device");
	if ((int)wanted > attr.max_qp_rd_atom)
		wanted = attr.max_qp_rd_atom;
	r->depth = wanted;
	err = setup(r);
	if (err)
		return err;
	err = prove(f, 'A', &p, p.mac);
	if (err)
		return err;
	memset(&param, 0, sizeof(param));
	param.private_data = &p;
	param.private_data_len = sizeof(p);
	param.responder_resources = wanted;
	param.initiator_depth = 0;
	param.rnr_retry_count = RNR_FOR_EVER;
	if (rdma_accept(r->id, &param))
		return fabric_error(f, -errno, "cannot accept over RDMA: %s",
				    strerror(errno));
	err = await(r, RDMA_CM_EVENT_ESTABLISHED, timeout_ms, 0, NULL);
	return err ? err : watch(r);
}

static int rdma_f_connect(struct fabric *f, const char *addr, uint16_t port,
			  int timeout_ms)
{
	struct rdma *r = rdma_of(f);
	struct rdma_conn_param param = { 0 }, reply;
	struct ibv_device_attr attr;
	struct sockaddr_storage ss;
	struct proof p = { .magic = htole32(MAGIC) };
	int err = parse(f, addr, port, &ss);

	if (!err)
		err = open_channel(r);
	if (err)
		return err;
	if (rdma_create_id(r->ec, &r->id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(r->id, NULL, (void *)&ss, timeout_ms))
		return fabric_error(f, -errno, "no RDMA device leads to %s (%s)",
				    addr, strerror(errno));
	err = await(r, RDMA_CM_EVENT_ADDR_RESOLVED, timeout_ms, 0, NULL);
	if (err)
		return err;
	if (!r->id->verbs || ibv_query_device(r->id->verbs, &attr))
		return fabric_error(f, -ENODEV, "no RDMA device leads to %s",
				    addr);
	if (rdma_resolve_route(r->id, timeout_ms))
		return fabric_error(f, -errno, "no RDMA route to %s: %s", addr,
				    strerror(errno));
	err = await(r, RDMA_CM_EVENT_ROUTE_RESOLVED, timeout_ms, 0, NULL);
	if (!err)
		err = setup(r);
	if (err)
		return err;
	if (getrandom(p.nonce, sizeof(p.nonce), 0) != sizeof(p.nonce) ||
	    prove(f, 'I', &p, p.mac))
		return fabric_error(f, -EIO, "no random numbers");
	r->depth = FABRIC_READS;
	if ((int)r->depth > attr.max_qp_init_rd_atom)
		r->depth = attr.max_qp_init_rd_atom;
	param.private_data = &p;
	param.private_data_len = sizeof(p);
	param.initiator_depth = r->depth;
	param.responder_resources = 0;
	/* rdma_rxe takes the most, 7, for never to give up */
	param.retry_count = 6;
	param.rnr_retry_count = RNR_FOR_EVER;
	if (rdma_connect(r->id, &param))
		return fabric_error(f, -errno, "cannot connect over RDMA: %s",
				    strerror(errno));
	err = await(r, RDMA_CM_EVENT_ESTABLISHED, timeout_ms, 'A', &reply);
	if (err)
		return err;
	/* what the source has room for; a wish of more would break the queue */
	if (reply.initiator_depth && reply.initiator_depth < r->depth)
		r->depth = reply.initiator_depth;
	if (!r->depth)
		return fabric_error(f, -ENODEV,
				    "the RDMA devices take no READ at all");
	return watch(r);
}

static int rdma_f_reg(struct fabric *f, void *mem, size_t len, bool readable,
		      struct fabric_region *region)
{
	struct rdma *r = rdma_of(f);
	int access = IBV_ACCESS_LOCAL_WRITE;
	struct ibv_mr *mr;
	size_t room = 0;

	if (r->regions == REGIONS)
		return fabric_error(f, -ENOSPC, "too many regions");
	if (readable)
		access = IBV_ACCESS_REMOTE_READ;
	/*
	 * Who copies to the end of a region whose last table is full makes
	 * rdma_rxe of Linux 6.1 look for a table behind the last: past the end
	 * of its own array (KASAN: slab-out-of-bounds in rxe_mr_copy). With a
	 * page more, which is never copied, no copy ends there.
	 */
	if (!((len + FABRIC_PAGE - 1) / FABRIC_PAGE % RXE_MAP))
		room = FABRIC_PAGE;
	mr = ibv_reg_mr(r->pd, mem, len + room, access);
	if (!mr)
		return fabric_error(f, -errno,
				    "cannot register %zu KiB for RDMA: %s",
				    len >> 10, strerror(errno));
	r->mr[r->regions] = mr;
	r->region[r->regions].mem = mem;
	r->region[r->regions].len = len;
	r->region[r->regions].lkey = mr->lkey;
	r->regions++;
	if (region)
		*region = (struct fabric_region){ (uintptr_t)mem, mr->rkey };
	return 0;
}

static int rdma_f_send(struct fabric *f, const void *msg, size_t len)
{
	struct rdma *r = rdma_of(f);
	struct ibv_send_wr wr = { .num_sge = 1, .opcode = IBV_WR_SEND,
				  .send_flags = IBV_SEND_SIGNALED }, *bad;
	struct ibv_sge sge;
	unsigned int i;

	if (!len || len > FABRIC_MSG)
		return -EMSGSIZE;
	if (r->closed)
		return -EPIPE;
	if (!r->nfree)
		return fabric_error(f, -ENOBUFS,
				    "the other side does not take our messages");
	i = r->free_send[--r->nfree];
	memcpy(r->msg[i], msg, len);
	sge = (struct ibv_sge){ (uintptr_t)r->msg[i], len,
				r->mr[REGIONS]->lkey };
	wr.wr_id = WR(W_SEND, i);
	wr.sg_list = &sge;
	if (ibv_post_send(r->id->qp, &wr, &bad)) {
		r->free_send[r->nfree++] = i;
		return fabric_error(f, -EIO, "cannot send over RDMA: %s",
				    strerror(errno));
	}
	return 0;
}

static int rdma_f_read(struct fabric *f, uint64_t cookie, void *dst,
		       uint64_t addr, uint32_t key, size_t len)
{
	struct rdma *r = rdma_of(f);
	struct ibv_send_wr wr = { .num_sge = 1, .opcode = IBV_WR_RDMA_READ,
				  .send_flags = IBV_SEND_SIGNALED }, *bad;
	struct ibv_sge sge = { (uintptr_t)dst, len, 0 };
	unsigned int i, n;

	for (n = 0; n < r->regions; n++)
		if ((uint8_t *)dst >= r->region[n].mem &&
		    (uint8_t *)dst + len <= r->region[n].mem + r->region[n].len)
			break;
	if (n == r->regions || len > FABRIC_READ_MAX)
		return -EINVAL;
	sge.lkey = r->region[n].lkey;
	for (i = 0; i < r->depth && r->read[i].used; i++)
		;
	if (i == r->depth)
		return -EBUSY;
	r->read[i].used = true;
	r->read[i].cookie = cookie;
	wr.wr_id = WR(W_READ, i);
	wr.sg_list = &sge;
	wr.wr.rdma.remote_addr = addr;
	wr.wr.rdma.rkey = key;
	if (ibv_post_send(r->id->qp, &wr, &bad)) {
		r->read[i].used = false;
		return fabric_error(f, -EIO, "cannot read over RDMA: %s",
				    strerror(errno));
	}
	return 0;
}

/* One completion; 1 when it made an event, 0 when it was housekeeping. */
static int complete(struct rdma *r, const struct ibv_wc *wc,
		    struct fabric_event *ev)
{
	unsigned int i = (uint32_t)wc->wr_id;

	if (wc->status == IBV_WC_WR_FLUSH_ERR) {
		r->closed = true;
		ev->type = FABRIC_CLOSED;
		return 1;
	}
	if (wc->status != IBV_WC_SUCCESS)
		return fabric_error(&r->f, -EIO, "RDMA: %s",
				    ibv_wc_status_str(wc->status));
	switch (wc->wr_id >> 32) {
	case W_RECV:
		ev->type = FABRIC_MESSAGE;
		ev->len = wc->byte_len;
		memcpy(ev->msg, r->msg[i], ev->len);
		if (post_recv(r, i))
			return fabric_error(&r->f, -EIO,
					    "cannot post a receive");
		return 1;
	case W_SEND:
		r->free_send[r->nfree++] = i;
		return 0;
	case W_READ:
		r->read[i].used = false;
		ev->type = FABRIC_READ;
		ev->cookie = r->read[i].cookie;
		return 1;
	}
	return 0;
}

static int drain(struct rdma *r, struct fabric_event *ev)
{
	struct ibv_wc wc;
	int n;

	while ((n = ibv_poll_cq(r->cq, 1, &wc)) > 0) {
		int made = complete(r, &wc, ev);

		if (made)
			return made;
	}
	return n < 0 ? fabric_error(&r->f, -EIO, "cannot poll the RDMA queue") :
		       0;
}

static int rdma_f_poll(struct fabric *f, struct fabric_event *ev)
{
	struct rdma *r = rdma_of(f);
	struct rdma_cm_event *cm;
	struct ibv_cq *cq;
	unsigned int n = 0;
	void *ctx;
	int made;

	ev->type = FABRIC_NONE;
	if (r->closed) {
		ev->type = FABRIC_CLOSED;
		return 0;
	}
	made = drain(r, ev);
	if (made)
		return made < 0 ? made : 0;
	/* empty: arm it, and look once more for what came in between */
	while (!ibv_get_cq_event(r->cc, &cq, &ctx))
		n++;
	if (n)
		ibv_ack_cq_events(r->cq, n);
	if (ibv_req_notify_cq(r->cq, 0))
		return fabric_error(f, -EIO, "cannot arm the RDMA queue");
	made = drain(r, ev);
	if (made)
		return made < 0 ? made : 0;
	cm = next_event(r, 0);
	if (cm) {
		if (cm->event == RDMA_CM_EVENT_DISCONNECTED ||
		    cm->event == RDMA_CM_EVENT_DEVICE_REMOVAL) {
			r->closed = true;
			ev->type = FABRIC_CLOSED;
		}
		rdma_ack_cm_event(cm);
	}
	return 0;
}

static void rdma_f_limits(const struct fabric *f, struct fabric_limits *l)
{
	l->reads = ((const struct rdma *)f)->depth;
	l->read_max = FABRIC_READ_MAX;
}

static void rdma_f_close(struct fabric *f)
{
	struct rdma *r = rdma_of(f);

	if (r->connected) {
		rdma_disconnect(r->id);
		close(f->fd);
	}
	f->fd = -1;
	if (r->id && r->id->qp)
		rdma_destroy_qp(r->id);
	for (int i = 0; i <= REGIONS; i++)
		if (r->mr[i])
			ibv_dereg_mr(r->mr[i]);
	if (r->cq)
		ibv_destroy_cq(r->cq);
	if (r->cc)
		ibv_destroy_comp_channel(r->cc);
	if (r->pd)
		ibv_dealloc_pd(r->pd);
	if (r->id)
		rdma_destroy_id(r->id);
	if (r->listener)
		rdma_destroy_id(r->listener);
	if (r->ec)
		rdma_destroy_event_channel(r->ec);
	free(r->msg);
	*r = (struct rdma){ .f = r->f };
}

const struct fabric_ops fabric_rdma = {
	.name = "rdma",
	.size = sizeof(struct rdma),
	.probe = rdma_f_probe,
	.listen = rdma_f_listen,
	.accept = rdma_f_accept,
	.connect = rdma_f_connect,
	.reg = rdma_f_reg,
	.send = rdma_f_send,
	.read = rdma_f_read,
	.poll = rdma_f_poll,
	.limits = rdma_f_limits,
	.close = rdma_f_close,
};
