// SPDX-License-Identifier: GPL-2.0-only
/* The transport "rdma" and its module. */
#include <linux/module.h>

#include "rdma.h"
#include "transport.h"

struct workqueue_struct *pando_rdma_wq;

static int send(void *link, const struct kvec *vec, int nvec, size_t len)
{
	return pando_rdma_io_send(link, vec, nvec, len);
}

static void abort_link(void *link)
{
	pando_rdma_io_error(link, -ESHUTDOWN);
}

struct pando_transport pando_rdma = {
	.name = "rdma",
	.owner = THIS_MODULE,
	.listen = pando_rdma_listen,
	.unlisten = pando_rdma_unlisten,
	.connect = pando_rdma_connect,
	.send = send,
	.abort = abort_link,
	.close = pando_rdma_close,
};

static int __init pando_rdma_init(void)
{
	int err;

	pando_rdma_wq = alloc_workqueue("pando_rdma", WQ_UNBOUND | WQ_HIGHPRI,
					0);
	if (!pando_rdma_wq)
		return -ENOMEM;
	err = pando_transport_register(&pando_rdma);
	if (err)
		destroy_workqueue(pando_rdma_wq);
	return err;
}

static void __exit pando_rdma_exit(void)
{
	pando_transport_unregister(&pando_rdma);
	destroy_workqueue(pando_rdma_wq);
}

module_init(pando_rdma_init);
module_exit(pando_rdma_exit);
MODULE_DESCRIPTION("Pando: messages between kernels over RDMA");
MODULE_LICENSE("GPL");
