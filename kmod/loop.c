// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transport "loop": for a node that stands alone. It listens to nobody and
 * reaches nobody, so that a cluster of one needs no network.
 */
#include <linux/module.h>

#include "loop.h"
#include "transport.h"

static int loop_listen(const struct sockaddr_storage *addr)
{
	return 0;
}

static void loop_unlisten(void)
{
}

static int loop_connect(struct pando_conn *conn,
			const struct sockaddr_storage *addr, void **link)
{
	return -EHOSTUNREACH;
}

static int loop_send(void *link, const struct kvec *vec, int nvec, size_t len)
{
	return -EPIPE;
}

static void loop_abort(void *link)
{
}

static void loop_close(void *link)
{
}

static struct pando_transport loop = {
	.name = "loop",
	.owner = THIS_MODULE,
	.listen = loop_listen,
	.unlisten = loop_unlisten,
	.connect = loop_connect,
	.send = loop_send,
	.abort = loop_abort,
	.close = loop_close,
};

int pando_loop_init(void)
{
	return pando_transport_register(&loop);
}

void pando_loop_exit(void)
{
	pando_transport_unregister(&loop);
}
