// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery, from START until a view is in force: connections to all members, reports of
 * whom they have here, and what was asked earlier once more.
 */
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "netlink.h"
#include "node.h"
#include "node_parts.h"
#include "peer.h"
#include "recover.h"
#include "rpc.h"
#include "stub.h"
#include "watch.h"

static struct workqueue_struct *recover_wq;
static u64 recover_epoch;	/* under pando_cmd_mutex, read by the worker */

static bool all_ready(u64 number, bool *overtaken)
{
	struct pando_peer *p;
	bool ready = true;

	spin_lock(&pando_nodes_lock);
	*overtaken = pando_nodes_view.number != number || !READ_ONCE(pando_nodes_attached);
	list_for_each_entry(p, &pando_peers, list)
		ready = ready && READ_ONCE(p->ready);
	spin_unlock(&pando_nodes_lock);
	return ready || *overtaken;
}

static void name_missing(void)
{
	struct pando_peer *p;

	spin_lock(&pando_nodes_lock);
	list_for_each_entry(p, &pando_peers, list)
		if (!READ_ONCE(p->ready))
			pr_warn("pando: node %u (%s) cannot be reached yet%s\n",
				p->member.id, p->member.name,
				p->refused ? ": refused" : "");
	spin_unlock(&pando_nodes_lock);
}

/* A round trip to each, for people who look at STATUS. */
static void measure(void)
{
	u16 ids[16];
	int i, n = pando_nodes_others(ids, ARRAY_SIZE(ids));

	for (i = 0; i < n; i++) {
		struct pando_peer *p = pando_peer_get(ids[i]);
		ktime_t start = ktime_get();

		if (!p)
			continue;
		if (!pando_rpc_call(ids[i], PANDO_MSG_PING, NULL, 0, NULL, 0,
				    NULL))
			WRITE_ONCE(p->rtt_us, ktime_us_delta(ktime_get(), start));
		pando_peer_put(p);
	}
}

/* What was asked earlier and whose connection came up between the views. */
static void resend_all(void)
{
	struct pando_peer *p;
	u16 id = 0;

	for (;;) {
		spin_lock(&pando_nodes_lock);
		list_for_each_entry(p, &pando_peers, list)
			if (p->member.id > id)
				break;
		if (list_entry_is_head(p, &pando_peers, list))
			p = NULL;
		else
			kref_get(&p->ref);
		spin_unlock(&pando_nodes_lock);
		if (!p)
			break;
		id = p->member.id;
		pando_rpc_resend(p);
		pando_peer_put(p);
	}
}

static void recover_fn(struct work_struct *work)
{
	u64 number = READ_ONCE(recover_epoch);
	bool overtaken;
	int err;

	resend_all();
	for (;;) {
		while (!wait_event_timeout(pando_nodes_changed,
					   all_ready(number, &overtaken),
					   10 * HZ))
			name_missing();
		if (overtaken)
			return;
		err = pando_recover_report(number);
		if (!err)
			break;
		pr_warn("pando: epoch %llu: guests not reported (%d), again\n",
			number, err);
		if (pando_nodes_epoch() != number)
			return;
		schedule_timeout_uninterruptible(HZ / 10);
	}
	spin_lock(&pando_nodes_lock);
	err = pando_epoch_done(&pando_nodes_view, number);
	spin_unlock(&pando_nodes_lock);
	if (err)
		return;
	wake_up_all(&pando_nodes_changed);
	pr_info("pando: epoch %llu is in force\n", number);
	pando_netlink_done(number);
	pando_stub_announce();
	pando_watch_announce();
	measure();
}

static DECLARE_WORK(recover_work, recover_fn);

int pando_nodes_start(u64 number)
{
	int err;

	/*
	 * A recovery that was overtaken ends by itself, perhaps only when this
	 * START lets its requests go on: it must not be waited for here.
	 */
	spin_lock(&pando_nodes_lock);
	err = pando_epoch_start(&pando_nodes_view, number);
	spin_unlock(&pando_nodes_lock);
	if (err)
		return err;
	WRITE_ONCE(recover_epoch, number);
	wake_up_all(&pando_nodes_changed);
	queue_work(recover_wq, &recover_work);
	return 0;
}

int pando_nodes_recover_open(void)
{
	recover_wq = alloc_ordered_workqueue("pando_recover", 0);
	return recover_wq ? 0 : -ENOMEM;
}

void pando_nodes_recover_close(void)
{
	destroy_workqueue(recover_wq);
}
