// SPDX-License-Identifier: GPL-2.0-only
/* Queues, buffers and credits of one RDMA link: see rdma.h. */
#include <linux/gfp.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "rdma.h"
#include "transport.h"

/* The longest a message may wait for credits before the link is broken. */
#define SEND_TIMEOUT	(10 * HZ)
#define PROBE_PAUSE	(5 * HZ)

void pando_rdma_io_error(struct pando_rdma_link *link, int err)
{
	bool first;

	spin_lock_bh(&link->lock);
	first = !link->error;
	if (first)
		link->error = err;
	spin_unlock_bh(&link->lock);
	wake_up_all(&link->room);
	if (first && !READ_ONCE(link->closing) && link->conn)
		pando_conn_error(link->conn, err);
}

/* --- receiving ------------------------------------------------------------------ */

static void receive_done(struct ib_cq *cq, struct ib_wc *wc);

static int post_receive(struct pando_rdma_link *link,
			struct pando_rdma_buf *buf)
{
	struct ib_sge sge = {
		.addr = buf->dma,
		.length = PANDO_RDMA_BUF,
		.lkey = link->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = {
		.wr_cqe = &buf->cqe,
		.sg_list = &sge,
		.num_sge = 1,
	};

	buf->cqe.done = receive_done;
	ib_dma_sync_single_for_device(link->id->device, buf->dma,
				      PANDO_RDMA_BUF, DMA_FROM_DEVICE);
	return ib_post_recv(link->id->qp, &wr, NULL);
}

static void credits_came(struct pando_rdma_link *link, u32 n)
{
	if (!n)
		return;
	spin_lock_bh(&link->lock);
	/* more than could be owed is a lie, or an error of the other side */
	link->credits = min_t(u32, link->credits + min_t(u32, n, 1024), 1024);
	spin_unlock_bh(&link->lock);
	wake_up_all(&link->room);
}

static void take_in(struct pando_rdma_link *link, struct pando_rdma_buf *buf);

/* In a worker of the completion queue's: one at a time, in order. */
static void receive_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct pando_rdma_buf *buf = container_of(wc->wr_cqe,
						  struct pando_rdma_buf, cqe);
	struct pando_rdma_link *link = buf->link;
	unsigned int noio;
	bool at_once;

	if (wc->status != IB_WC_SUCCESS) {
		pando_rdma_io_error(link, -ECONNRESET);
		return;
	}
	buf->len = wc->byte_len;
	ib_dma_sync_single_for_cpu(link->id->device, buf->dma, buf->len,
				   DMA_FROM_DEVICE);
	/* here, not in rx_work: that may itself be waiting for credits */
	if (buf->len >= sizeof(struct pando_rdma_prefix))
		credits_came(link, le32_to_cpu(((struct pando_rdma_prefix *)
						buf->mem)->credits));
	/*
	 * What only hands a message on need not wait for another worker. A
	 * handshake sends, and waits for credits that come by this one.
	 */
	at_once = READ_ONCE(link->up) && pando_conn_is_up(link->conn);
	spin_lock_bh(&link->lock);
	at_once = at_once && !link->rx_busy && !link->error;
	if (!at_once) {
		list_add_tail(&buf->list, &link->received);
		link->rx_busy = true;
	}
	spin_unlock_bh(&link->lock);
	if (!at_once) {
		queue_work(pando_rdma_wq, &link->rx_work);
		return;
	}
	/* storage over RDMA may need this worker for the memory we ask for */
	noio = memalloc_noio_save();
	take_in(link, buf);
	memalloc_noio_restore(noio);
}

static void message(struct pando_rdma_link *link, struct pando_rdma_buf *buf)
{
	const struct pando_rdma_prefix *prefix = buf->mem;
	const void *msg = prefix + 1;
	size_t len;

	if (buf->len < sizeof(*prefix)) {
		pando_rdma_io_error(link, -EPROTO);
		return;
	}
	len = buf->len - sizeof(*prefix);
	if (!len)
		return;
	if (len < sizeof(struct pando_wire_hdr) ||
	    pando_conn_length(link->conn, msg) != len) {
		pando_rdma_io_error(link, -EPROTO);
		return;
	}
	pando_conn_receive(link->conn, msg, len);
}

static void return_credits(struct pando_rdma_link *link)
{
	bool many;

	spin_lock_bh(&link->lock);
	many = link->owed >= PANDO_RDMA_RX / 2 && !link->error;
	spin_unlock_bh(&link->lock);
	if (many)
		pando_rdma_io_send(link, NULL, 0, 0);
}

/* Hands the message on, and the buffer back to the device. */
static void take_in(struct pando_rdma_link *link, struct pando_rdma_buf *buf)
{
	bool empty = buf->len == sizeof(struct pando_rdma_prefix);

	message(link, buf);
	if (post_receive(link, buf)) {
		pando_rdma_io_error(link, -ECONNRESET);
		return;
	}
	spin_lock_bh(&link->lock);
	link->owed += !empty;
	spin_unlock_bh(&link->lock);
	return_credits(link);
}

static void rx_fn(struct work_struct *work)
{
	struct pando_rdma_link *link = container_of(work,
						    struct pando_rdma_link,
						    rx_work);
	struct pando_rdma_buf *buf;
	bool established;

	spin_lock_bh(&link->lock);
	established = link->up && link->initiator;
	if (established)
		link->initiator = false;	/* said once */
	spin_unlock_bh(&link->lock);
	if (established)
		pando_conn_established(link->conn);
	for (;;) {
		spin_lock_bh(&link->lock);
		buf = link->up && !link->error ?
		      list_first_entry_or_null(&link->received,
					       struct pando_rdma_buf, list) :
		      NULL;
		if (buf)
			list_del_init(&buf->list);
		else if (link->up)
			link->rx_busy = false;
		spin_unlock_bh(&link->lock);
		if (!buf)
			break;
		take_in(link, buf);
	}
}

void pando_rdma_io_up(struct pando_rdma_link *link, u32 credits)
{
	spin_lock_bh(&link->lock);
	link->credits += clamp_t(u32, credits, 2, 1024);
	link->up = true;
	link->rx_busy = true;
	/* with an error it may be on its way out, and waits for no more work */
	if (!link->error) {
		queue_work(pando_rdma_wq, &link->rx_work);
		queue_delayed_work(pando_rdma_wq, &link->probe_work,
				   PROBE_PAUSE);
	}
	spin_unlock_bh(&link->lock);
	wake_up_all(&link->room);
}

/* --- is it still there? ------------------------------------------------------------- */

static void probe_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct pando_rdma_link *link = container_of(wc->wr_cqe,
						    struct pando_rdma_link,
						    probe_cqe);

	if (wc->status != IB_WC_SUCCESS) {
		pando_rdma_io_error(link, -ETIMEDOUT);
		return;
	}
	spin_lock_bh(&link->lock);
	if (!link->error)
		queue_delayed_work(pando_rdma_wq, &link->probe_work,
				   PROBE_PAUSE);
	spin_unlock_bh(&link->lock);
}

/*
 * The other side may have lost the connection and been unable to say so; with
 * nothing to send we would not find out. A write of no bytes needs neither a
 * buffer nor a key there, but the device must acknowledge it.
 */
static void probe_fn(struct work_struct *work)
{
	struct pando_rdma_link *link = container_of(to_delayed_work(work),
						    struct pando_rdma_link,
						    probe_work);
	struct ib_rdma_wr wr = {
		.wr = {
			.wr_cqe = &link->probe_cqe,
			.opcode = IB_WR_RDMA_WRITE,
			.send_flags = IB_SEND_SIGNALED,
		},
	};

	link->probe_cqe.done = probe_done;
	if (!READ_ONCE(link->error) &&
	    ib_post_send(link->id->qp, &wr.wr, NULL))
		pando_rdma_io_error(link, -EPIPE);
}

/* --- sending ---------------------------------------------------------------------- */

static void send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct pando_rdma_buf *buf = container_of(wc->wr_cqe,
						  struct pando_rdma_buf, cqe);
	struct pando_rdma_link *link = buf->link;

	spin_lock_bh(&link->lock);
	list_add(&buf->list, &link->free);
	spin_unlock_bh(&link->lock);
	wake_up_all(&link->room);
	if (wc->status != IB_WC_SUCCESS)
		pando_rdma_io_error(link, -ECONNRESET);
	else
		return_credits(link);	/* that may have lacked a buffer */
}

/* A send buffer, and a credit if it @costs one; with the credits we owe. */
static bool take(struct pando_rdma_link *link, bool costs,
		 struct pando_rdma_buf **out, u32 *owed)
{
	struct pando_rdma_buf *buf = NULL;
	bool over;

	spin_lock_bh(&link->lock);
	over = link->error;
	if (!over && link->up && (!costs || link->credits)) {
		buf = list_first_entry_or_null(&link->free,
					       struct pando_rdma_buf, list);
		if (buf) {
			list_del_init(&buf->list);
			link->credits -= costs;
			*owed = link->owed;
			link->owed = 0;
		}
	}
	spin_unlock_bh(&link->lock);
	*out = buf;
	return over || buf;
}

static int post_send(struct pando_rdma_link *link, struct pando_rdma_buf *buf,
		     u32 len)
{
	struct ib_sge sge = {
		.addr = buf->dma,
		.length = len,
		.lkey = link->pd->local_dma_lkey,
	};
	struct ib_send_wr wr = {
		.wr_cqe = &buf->cqe,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IB_WR_SEND,
		.send_flags = IB_SEND_SIGNALED,
	};

	buf->cqe.done = send_done;
	ib_dma_sync_single_for_device(link->id->device, buf->dma, len,
				      DMA_TO_DEVICE);
	return ib_post_send(link->id->qp, &wr, NULL);
}

int pando_rdma_io_send(struct pando_rdma_link *link, const struct kvec *vec,
		       int nvec, size_t len)
{
	struct pando_rdma_prefix *prefix;
	struct pando_rdma_buf *buf;
	u8 *at;
	u32 owed = 0;
	int i, err;

	if (len > PANDO_CODEC_MAX)
		return -EMSGSIZE;
	if (!len) {
		/* from who receives, and must not wait for itself */
		if (!take(link, false, &buf, &owed) || !buf)
			return 0;
	} else if (!wait_event_timeout(link->room,
				       take(link, true, &buf, &owed),
				       SEND_TIMEOUT)) {
		return -ETIMEDOUT;
	}
	if (!buf)
		return -EPIPE;
	ib_dma_sync_single_for_cpu(link->id->device, buf->dma,
				   sizeof(*prefix) + len, DMA_TO_DEVICE);
	prefix = buf->mem;
	prefix->credits = cpu_to_le32(owed);
	prefix->reserved = 0;
	at = (u8 *)(prefix + 1);
	for (i = 0; i < nvec; i++) {
		memcpy(at, vec[i].iov_base, vec[i].iov_len);
		at += vec[i].iov_len;
	}
	err = post_send(link, buf, sizeof(*prefix) + len);
	if (err) {
		spin_lock_bh(&link->lock);
		list_add(&buf->list, &link->free);
		spin_unlock_bh(&link->lock);
		pando_rdma_io_error(link, -EPIPE);
	}
	return err;
}

/* --- setting up and down ------------------------------------------------------------- */

void pando_rdma_io_init(struct pando_rdma_link *link)
{
	mutex_init(&link->mutex);
	spin_lock_init(&link->lock);
	INIT_LIST_HEAD(&link->free);
	INIT_LIST_HEAD(&link->received);
	init_waitqueue_head(&link->room);
	INIT_WORK(&link->rx_work, rx_fn);
	INIT_DELAYED_WORK(&link->probe_work, probe_fn);
}

static int map_buf(struct pando_rdma_link *link, struct pando_rdma_buf *buf,
		   enum dma_data_direction dir)
{
	struct ib_device *dev = link->id->device;

	buf->link = link;
	INIT_LIST_HEAD(&buf->list);
	buf->mem = alloc_pages_exact(PANDO_RDMA_BUF, GFP_KERNEL | __GFP_ZERO);
	if (!buf->mem)
		return -ENOMEM;
	buf->dma = ib_dma_map_single(dev, buf->mem, PANDO_RDMA_BUF, dir);
	if (ib_dma_mapping_error(dev, buf->dma)) {
		free_pages_exact(buf->mem, PANDO_RDMA_BUF);
		buf->mem = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void unmap_buf(struct pando_rdma_link *link, struct pando_rdma_buf *buf,
		      enum dma_data_direction dir)
{
	if (!buf->mem)
		return;
	ib_dma_unmap_single(link->id->device, buf->dma, PANDO_RDMA_BUF, dir);
	free_pages_exact(buf->mem, PANDO_RDMA_BUF);
	buf->mem = NULL;
}

static void unmap_all(struct pando_rdma_link *link)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(link->rx); i++)
		unmap_buf(link, &link->rx[i], DMA_FROM_DEVICE);
	for (i = 0; i < ARRAY_SIZE(link->tx); i++)
		unmap_buf(link, &link->tx[i], DMA_TO_DEVICE);
}

static int map_all(struct pando_rdma_link *link)
{
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(link->rx) && !err; i++)
		err = map_buf(link, &link->rx[i], DMA_FROM_DEVICE);
	for (i = 0; i < ARRAY_SIZE(link->tx) && !err; i++) {
		err = map_buf(link, &link->tx[i], DMA_TO_DEVICE);
		if (!err)
			list_add_tail(&link->tx[i].list, &link->free);
	}
	if (err)
		unmap_all(link);
	return err;
}

static int make_qp(struct pando_rdma_link *link)
{
	struct ib_qp_init_attr attr = {
		.send_cq = link->cq,
		.recv_cq = link->cq,
		/* one more each, for draining; and the probe */
		.cap.max_send_wr = PANDO_RDMA_TX + 2,
		.cap.max_recv_wr = ARRAY_SIZE(link->rx) + 1,
		.cap.max_send_sge = 1,
		.cap.max_recv_sge = 1,
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};

	return rdma_create_qp(link->id, link->pd, &attr);
}

int pando_rdma_io_setup(struct pando_rdma_link *link)
{
	struct ib_device *dev = link->id->device;
	int i, err;

	link->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(link->pd))
		return PTR_ERR(link->pd);
	link->cq = ib_alloc_cq(dev, link, ARRAY_SIZE(link->rx) +
			       PANDO_RDMA_TX + 3, 0, IB_POLL_WORKQUEUE);
	if (IS_ERR(link->cq)) {
		err = PTR_ERR(link->cq);
		goto err_pd;
	}
	err = map_all(link);
	if (err)
		goto err_cq;
	err = make_qp(link);
	if (err)
		goto err_map;
	link->has_qp = true;
	for (i = 0; i < ARRAY_SIZE(link->rx); i++) {
		err = post_receive(link, &link->rx[i]);
		if (err)
			return err;	/* pando_rdma_io_free() undoes all */
	}
	return 0;

err_map:
	unmap_all(link);
err_cq:
	ib_free_cq(link->cq);
err_pd:
	ib_dealloc_pd(link->pd);
	return err;
}

void pando_rdma_io_free(struct pando_rdma_link *link)
{
	if (!link->has_qp)
		return;
	cancel_delayed_work_sync(&link->probe_work);
	ib_drain_qp(link->id->qp);
	cancel_work_sync(&link->rx_work);
	rdma_destroy_qp(link->id);
	ib_free_cq(link->cq);
	unmap_all(link);
	ib_dealloc_pd(link->pd);
	link->has_qp = false;
}
