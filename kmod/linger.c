// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server that has closed connections leaves them behind in TIME_WAIT when it
 * moves, and could not bind its port when it comes back before they end, unless
 * it had set SO_REUSEADDR before it took them. Who restores it sets that while
 * it binds; what is missing is the consent of those that linger, as they would
 * have given it had the server said so. They go on doing what they linger for.
 */
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <net/inet_hashtables.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "linger.h"

void pando_linger_yield(u16 port)
{
	struct net *net = current->nsproxy->net_ns;
	struct inet_hashinfo *info = net->ipv4.tcp_death_row.hashinfo;
	struct inet_bind_hashbucket *head;
	struct inet_bind_bucket *tb;
	struct sock *sk;

	head = &info->bhash[inet_bhashfn(net, port, info->bhash_size)];
	spin_lock_bh(&head->lock);
	inet_bind_bucket_for_each(tb, &head->chain) {
		if (!net_eq(ib_net(tb), net) || tb->port != port)
			continue;
		sk_for_each_bound(sk, &tb->owners)
			if (sk->sk_state == TCP_TIME_WAIT)
				sk->sk_reuse = SK_CAN_REUSE;
	}
	spin_unlock_bh(&head->lock);
}
