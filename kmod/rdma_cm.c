// SPDX-License-Identifier: GPL-2.0-only
/* RDMA links: made and ended with the connection manager. */
#include <linux/module.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "rdma.h"
#include "transport.h"

#define RESOLVE_TIMEOUT_MS	5000
/*
 * 4.096 us << 17: half a second for each of seven tries. What the connection
 * manager makes of a subnet's packet life time is four times as long.
 */
#define ACK_TIMEOUT		17

/* Set while listening: under the core's command mutex. */
static struct rdma_cm_id *listener;

static const struct pando_rdma_hello our_hello = {
	.magic = cpu_to_le32(PANDO_RDMA_MAGIC),
	.credits = cpu_to_le32(PANDO_RDMA_RX),
};

static void fill_param(struct rdma_conn_param *param)
{
	memset(param, 0, sizeof(*param));
	param->private_data = &our_hello;
	param->private_data_len = sizeof(our_hello);
	param->responder_resources = 1;
	param->initiator_depth = 1;
	/* rdma_rxe takes the most, 7, for never to give up */
	param->retry_count = 6;
	/* credits keep receives posted; a short pause is no error */
	param->rnr_retry_count = 6;
}

/* What the other side can take; 0 when it does not speak our language. */
static u32 credits_of(const struct rdma_cm_event *event)
{
	const struct pando_rdma_hello *hello = event->param.conn.private_data;

	if (event->param.conn.private_data_len < sizeof(*hello) ||
	    le32_to_cpu(hello->magic) != PANDO_RDMA_MAGIC)
		return 0;
	return le32_to_cpu(hello->credits);
}

static struct pando_rdma_link *link_new(bool initiator)
{
	struct pando_rdma_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return NULL;
	link->initiator = initiator;
	pando_rdma_io_init(link);
	return link;
}

/* A step towards a connection, unless it is being torn down. */
static int step(struct pando_rdma_link *link,
		int (*fn)(struct pando_rdma_link *link))
{
	int err = -ESHUTDOWN;

	mutex_lock(&link->mutex);
	if (!link->closing)
		err = fn(link);
	mutex_unlock(&link->mutex);
	return err;
}

static int do_route(struct pando_rdma_link *link)
{
	return rdma_resolve_route(link->id, RESOLVE_TIMEOUT_MS);
}

static int do_connect(struct pando_rdma_link *link)
{
	struct rdma_conn_param param;
	int err;

	err = pando_rdma_io_setup(link);
	if (err)
		return err;
	fill_param(&param);
	return rdma_connect_locked(link->id, &param);
}

static int do_answer(struct pando_rdma_link *link)
{
	struct rdma_conn_param param;

	fill_param(&param);
	return rdma_accept(link->id, &param);
}

static int on_link_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct pando_rdma_link *link = id->context;
	u32 credits;
	int err = 0;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		err = step(link, do_route);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		err = step(link, do_connect);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		/* at the responder the credits came with the request */
		credits = link->initiator ? credits_of(event) :
					    link->credits;
		if (!credits) {
			err = -EPROTO;
			break;
		}
		if (!link->initiator)
			link->credits = 0;
		pando_rdma_io_up(link, credits);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		err = -EHOSTUNREACH;
		break;
	case RDMA_CM_EVENT_REJECTED:
		err = -ECONNREFUSED;
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		err = -ECONNRESET;
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		err = -ENODEV;
		break;
	default:
		break;
	}
	if (err)
		pando_rdma_io_error(link, err);
	return 0;
}

/* --- responder ---------------------------------------------------------------------- */

/*
 * Somebody asks to connect on @id. An error makes the connection manager
 * destroy @id: then nothing of ours may hang on it any more.
 */
static int on_request(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	u32 credits = credits_of(event);
	struct pando_rdma_link *link;
	int err;

	if (!credits)
		return -EPROTO;
	link = link_new(false);
	if (!link)
		return -ENOMEM;
	link->id = id;
	link->credits = credits;
	id->context = link;
	rdma_set_ack_timeout(id, ACK_TIMEOUT);
	err = pando_rdma_io_setup(link);
	if (err)
		goto err_io;
	err = pando_conn_accept(link, &link->conn);
	if (err)
		goto err_io;
	/*
	 * The connection owns the link now, and closes it; destroying @id waits
	 * for this handler.
	 */
	err = step(link, do_answer);
	if (err)
		pando_rdma_io_error(link, err);
	return 0;

err_io:
	link->closing = true;
	pando_rdma_io_free(link);
	kfree(link);
	return err;
}

static int on_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST)
		return on_request(id, event);
	if (!id->context)
		return 0;	/* the listener's own: nothing to do */
	return on_link_event(id, event);
}

int pando_rdma_listen(const struct sockaddr_storage *addr)
{
	struct rdma_cm_id *id;
	int err;

	id = rdma_create_id(&init_net, on_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	err = rdma_bind_addr(id, (struct sockaddr *)addr);
	if (!err)
		err = rdma_listen(id, 64);
	if (err) {
		rdma_destroy_id(id);
		return err;
	}
	listener = id;
	return 0;
}

void pando_rdma_unlisten(void)
{
	rdma_destroy_id(listener);
	listener = NULL;
}

/* --- initiator ------------------------------------------------------------------------ */

int pando_rdma_connect(struct pando_conn *conn,
		       const struct sockaddr_storage *addr, void **out)
{
	struct pando_rdma_link *link = link_new(true);
	int err;

	if (!link)
		return -ENOMEM;
	link->conn = conn;
	link->id = rdma_create_id(&init_net, on_event, link, RDMA_PS_TCP,
				  IB_QPT_RC);
	if (IS_ERR(link->id)) {
		err = PTR_ERR(link->id);
		kfree(link);
		return err;
	}
	rdma_set_ack_timeout(link->id, ACK_TIMEOUT);
	*out = link;
	/* on failure the link is closed with the connection */
	return rdma_resolve_addr(link->id, NULL, (struct sockaddr *)addr,
				 RESOLVE_TIMEOUT_MS);
}

void pando_rdma_close(void *arg)
{
	struct pando_rdma_link *link = arg;

	mutex_lock(&link->mutex);
	WRITE_ONCE(link->closing, true);
	mutex_unlock(&link->mutex);
	pando_rdma_io_error(link, -ESHUTDOWN);
	if (link->has_qp)
		rdma_disconnect(link->id);
	pando_rdma_io_free(link);
	/* waits for a handler that runs */
	rdma_destroy_id(link->id);
	kfree(link);
}
