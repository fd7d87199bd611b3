// SPDX-License-Identifier: GPL-2.0-only
/* One TCP link: reading and writing messages. */
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "codec.h"
#include "tcp.h"
#include "transport.h"

/* The longest that a write may stand still before the link counts as broken. */
#define SEND_TIMEOUT	(10 * HZ)

void pando_tcp_tune(struct socket *sock)
{
	tcp_sock_set_nodelay(sock->sk);
	sock_set_keepalive(sock->sk);
	tcp_sock_set_keepidle(sock->sk, 5);
	tcp_sock_set_keepintvl(sock->sk, 5);
	tcp_sock_set_keepcnt(sock->sk, 3);
	/* no reclaim through a file system that waits for us */
	sock->sk->sk_allocation = GFP_NOFS;
}

/* All of it: 0, or -ECONNRESET at the end of the stream. */
static int read_all(struct socket *sock, void *buf, size_t len)
{
	struct kvec vec = { buf, len };
	struct msghdr msg = { .msg_flags = MSG_WAITALL };
	int n;

	while (vec.iov_len) {
		n = kernel_recvmsg(sock, &msg, &vec, 1, vec.iov_len,
				   MSG_WAITALL);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return n ?: -ECONNRESET;
		vec.iov_base += n;
		vec.iov_len -= n;
	}
	return 0;
}

static int read_message(struct pando_tcp_link *link)
{
	const size_t head = sizeof(struct pando_wire_hdr);
	int len, err;

	err = read_all(link->sock, link->buf, head);
	if (err)
		return err;
	len = pando_conn_length(link->conn, link->buf);
	if (len < 0)
		return len;
	err = read_all(link->sock, link->buf + head, len - head);
	if (err)
		return err;
	pando_conn_receive(link->conn, link->buf, len);
	return 0;
}

static int reader(void *arg)
{
	struct pando_tcp_link *link = arg;
	int err = 0;

	if (link->initiator)
		pando_conn_established(link->conn);
	while (!err && !kthread_should_stop())
		err = read_message(link);
	if (err)
		pando_conn_error(link->conn, err);
	/* the end is the owner's to decide */
	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

struct pando_tcp_link *pando_tcp_link_new(struct socket *sock, bool initiator)
{
	struct pando_tcp_link *link = kzalloc(sizeof(*link), GFP_KERNEL);
	struct task_struct *task;

	if (!link)
		return ERR_PTR(-ENOMEM);
	link->buf = kvmalloc(PANDO_CODEC_MAX, GFP_KERNEL);
	if (!link->buf) {
		kfree(link);
		return ERR_PTR(-ENOMEM);
	}
	task = kthread_create(reader, link, "pando_tcp");
	if (IS_ERR(task)) {
		kvfree(link->buf);
		kfree(link);
		return ERR_CAST(task);
	}
	link->reader = get_task_struct(task);
	link->sock = sock;
	link->initiator = initiator;
	pando_tcp_tune(sock);
	return link;
}

void pando_tcp_link_abort(struct pando_tcp_link *link)
{
	kernel_sock_shutdown(link->sock, SHUT_RDWR);
}

void pando_tcp_link_free(struct pando_tcp_link *link)
{
	kernel_sock_shutdown(link->sock, SHUT_RDWR);
	kthread_stop(link->reader);
	put_task_struct(link->reader);
	sock_release(link->sock);
	kvfree(link->buf);
	kfree(link);
}

/* The socket's wake-ups are meant for who sleeps interruptibly. */
static int wake_sender(struct wait_queue_entry *wait, unsigned int mode,
		       int sync, void *key)
{
	return woken_wake_function(wait, TASK_NORMAL, sync, key);
}

/*
 * Waits for room in the send buffer. Not to be interrupted: a part of a message
 * cannot be taken back, and a signal to one caller must not cost all others
 * the link. Bounded, and ended by pando_tcp_link_abort().
 */
static int wait_room(struct socket *sock)
{
	DEFINE_WAIT_FUNC(wait, wake_sender);
	struct sock *sk = sock->sk;
	long left = SEND_TIMEOUT;

	/* there is room: it was memory that was short */
	if (sk_stream_is_writeable(sk))
		schedule_timeout_uninterruptible(1);
	add_wait_queue(sk_sleep(sk), &wait);
	set_bit(SOCK_NOSPACE, &sock->flags);
	while (left && !sk_stream_is_writeable(sk) && !READ_ONCE(sk->sk_err) &&
	       !(READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN))
		left = wait_woken(&wait, TASK_UNINTERRUPTIBLE, left);
	remove_wait_queue(sk_sleep(sk), &wait);
	return left ? 0 : -ETIMEDOUT;
}

int pando_tcp_link_send(struct pando_tcp_link *link, const struct kvec *vec,
			int nvec, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT };
	int n, err;

	iov_iter_kvec(&msg.msg_iter, WRITE, vec, nvec, len);
	while (msg_data_left(&msg)) {
		n = sock_sendmsg(link->sock, &msg);
		if (n == -EAGAIN) {
			err = wait_room(link->sock);
			if (err)
				return err;
		} else if (n <= 0) {
			return n ?: -EPIPE;
		}
	}
	return 0;
}
