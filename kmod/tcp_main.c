// SPDX-License-Identifier: GPL-2.0-only
/* The transport "tcp": listening, connecting, and the module. */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "tcp.h"
#include "transport.h"

#define CONNECT_TIMEOUT	(5 * HZ)

/* Set while listening: under the core's command mutex. */
static struct socket *listener;
static struct task_struct *acceptor;

static int addr_len(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
					     sizeof(struct sockaddr_in);
}

static int make_socket(const struct sockaddr_storage *addr,
		       struct socket **sock)
{
	return sock_create_kern(&init_net, addr->ss_family, SOCK_STREAM,
				IPPROTO_TCP, sock);
}

static void accept_one(struct socket *sock)
{
	struct pando_tcp_link *link;
	struct task_struct *reader;

	link = pando_tcp_link_new(sock, false);
	if (IS_ERR(link)) {
		sock_release(sock);
		return;
	}
	/* the link may be gone as soon as it is accepted */
	reader = get_task_struct(link->reader);
	if (pando_conn_accept(link, &link->conn))
		pando_tcp_link_free(link);
	else
		wake_up_process(reader);
	put_task_struct(reader);
}

static int accept_fn(void *unused)
{
	struct socket *sock;
	int err;

	while (!kthread_should_stop()) {
		err = kernel_accept(listener, &sock, 0);
		if (!err)
			accept_one(sock);
		else if (err != -EINTR && err != -EAGAIN)
			schedule_timeout_interruptible(HZ / 10);
	}
	return 0;
}

static int link_listen(const struct sockaddr_storage *addr)
{
	struct task_struct *task;
	int err;

	err = make_socket(addr, &listener);
	if (err)
		return err;
	sock_set_reuseaddr(listener->sk);
	/* the acceptor looks now and then whether it shall stop */
	listener->sk->sk_rcvtimeo = HZ / 4;
	err = kernel_bind(listener, (struct sockaddr *)addr, addr_len(addr));
	if (!err)
		err = kernel_listen(listener, 64);
	if (err)
		goto err_sock;
	task = kthread_run(accept_fn, NULL, "pando_tcp_accept");
	if (IS_ERR(task)) {
		err = PTR_ERR(task);
		goto err_sock;
	}
	acceptor = task;
	return 0;

err_sock:
	sock_release(listener);
	listener = NULL;
	return err;
}

static void link_unlisten(void)
{
	kernel_sock_shutdown(listener, SHUT_RDWR);
	kthread_stop(acceptor);
	sock_release(listener);
	listener = NULL;
	acceptor = NULL;
}

static int link_connect(struct pando_conn *conn,
			const struct sockaddr_storage *addr, void **out)
{
	struct pando_tcp_link *link;
	struct socket *sock;
	int err;

	err = make_socket(addr, &sock);
	if (err)
		return err;
	sock->sk->sk_sndtimeo = CONNECT_TIMEOUT;
	err = kernel_connect(sock, (struct sockaddr *)addr, addr_len(addr), 0);
	if (err)
		goto err_sock;
	link = pando_tcp_link_new(sock, true);
	if (IS_ERR(link)) {
		err = PTR_ERR(link);
		goto err_sock;
	}
	link->conn = conn;
	*out = link;
	wake_up_process(link->reader);
	return 0;

err_sock:
	sock_release(sock);
	return err;
}

static int link_send(void *link, const struct kvec *vec, int nvec, size_t len)
{
	return pando_tcp_link_send(link, vec, nvec, len);
}

static void link_abort(void *link)
{
	pando_tcp_link_abort(link);
}

static void link_close(void *link)
{
	pando_tcp_link_free(link);
}

static struct pando_transport pando_tcp = {
	.name = "tcp",
	.owner = THIS_MODULE,
	.listen = link_listen,
	.unlisten = link_unlisten,
	.connect = link_connect,
	.send = link_send,
	.abort = link_abort,
	.close = link_close,
};

static int __init pando_tcp_init(void)
{
	return pando_transport_register(&pando_tcp);
}

static void __exit pando_tcp_exit(void)
{
	pando_transport_unregister(&pando_tcp);
}

module_init(pando_tcp_init);
module_exit(pando_tcp_exit);
MODULE_DESCRIPTION("Pando: messages between kernels over TCP");
MODULE_LICENSE("GPL");
