/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pando_rdma: messages over RDMA send and receive (kernel verbs, connection
 * manager). rdma_cm.c makes and ends links, rdma_io.c moves messages.
 *
 * Credits: a link may have as many messages under way as the other side has
 * receive buffers for; how many, each says in the connection manager's private
 * data. Every message returns credits for the buffers posted anew since; when
 * many have gathered and there is nothing to send, an empty message does.
 * Those empty ones cost no credit: PANDO_RDMA_SPARE buffers are kept for them.
 */
#ifndef _PANDO_RDMA_H
#define _PANDO_RDMA_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include "codec.h"

struct pando_conn;
struct pando_transport;

#define PANDO_RDMA_RX		16	/* messages that may come unasked */
#define PANDO_RDMA_SPARE	4	/* and empty ones */
#define PANDO_RDMA_TX		8	/* messages on their way out */

/* Private data of connect and accept. */
struct pando_rdma_hello {
	__le32 magic;
	__le32 credits;
};

#define PANDO_RDMA_MAGIC	0x314d4452u	/* "RDM1" */

/* In front of every message on the link. */
struct pando_rdma_prefix {
	__le32 credits;
	__le32 reserved;
};

#define PANDO_RDMA_BUF	(sizeof(struct pando_rdma_prefix) + PANDO_CODEC_MAX)

/**
 * struct pando_rdma_buf - one message in memory that the device may reach
 * @list: free, or received and not yet looked at
 * @cqe: completion
 * @link: whose
 * @mem: PANDO_RDMA_BUF bytes
 * @dma: its address for the device
 * @len: bytes received
 */
struct pando_rdma_buf {
	struct list_head list;
	struct ib_cqe cqe;
	struct pando_rdma_link *link;
	void *mem;
	u64 dma;
	u32 len;
};

/**
 * struct pando_rdma_link - one connection
 * @id: of the connection manager
 * @conn: whom it belongs to
 * @pd: protection domain
 * @cq: completion queue
 * @has_qp: @id has a queue pair, and buffers are mapped
 * @initiator: we connected
 * @mutex: setting up against tearing down: has_qp and closing
 * @closing: no more callbacks
 * @lock: credits, lists, error
 * @error: first error; nothing is sent any more
 * @credits: messages the other side can take
 * @owed: buffers posted anew and not yet told
 * @free: send buffers
 * @received: receive buffers with messages
 * @room: waits for credits or a send buffer
 * @up: the connection manager says established
 * @rx_busy: @rx_work has messages, or is about to; under @lock
 * @rx_work: hands messages to the connection while its handshake lasts
 * @probe_work: sees now and then that the other side is there
 * @probe_cqe: its completion
 * @rx: receive buffers
 * @tx: send buffers
 */
struct pando_rdma_link {
	struct rdma_cm_id *id;
	struct pando_conn *conn;
	struct ib_pd *pd;
	struct ib_cq *cq;
	bool has_qp;
	bool initiator;
	struct mutex mutex;	/* has_qp, closing */
	bool closing;
	spinlock_t lock;	/* credits, lists, error; from softirq too */
	int error;
	u32 credits;
	u32 owed;
	struct list_head free;
	struct list_head received;
	wait_queue_head_t room;
	bool up;
	bool rx_busy;
	struct work_struct rx_work;
	struct delayed_work probe_work;
	struct ib_cqe probe_cqe;
	struct pando_rdma_buf rx[PANDO_RDMA_RX + PANDO_RDMA_SPARE];
	struct pando_rdma_buf tx[PANDO_RDMA_TX];
};

extern struct workqueue_struct *pando_rdma_wq;
extern struct pando_transport pando_rdma;

/* rdma_io.c: queues and buffers for @link->id's device; posts the receives. */
int pando_rdma_io_setup(struct pando_rdma_link *link);
/* Waits until the device is done with them, and frees them. */
void pando_rdma_io_free(struct pando_rdma_link *link);
int pando_rdma_io_send(struct pando_rdma_link *link, const struct kvec *vec,
		       int nvec, size_t len);
/* The link is of no use any more: wakes senders, tells the connection. */
void pando_rdma_io_error(struct pando_rdma_link *link, int err);
/* The established event: lets rx_work begin with pando_conn_established(). */
void pando_rdma_io_up(struct pando_rdma_link *link, u32 credits);
void pando_rdma_io_init(struct pando_rdma_link *link);

/* rdma_cm.c: the transport's operations. */
int pando_rdma_listen(const struct sockaddr_storage *addr);
void pando_rdma_unlisten(void);
int pando_rdma_connect(struct pando_conn *conn,
		       const struct sockaddr_storage *addr, void **link);
void pando_rdma_close(void *link);

#endif
