// SPDX-License-Identifier: GPL-2.0-only
/* /sys/kernel/debug/pando: counters for people and for the bench. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "debugfs.h"
#include "locate.h"
#include "node.h"
#include "ns.h"
#include "rpc.h"
#include "stub.h"
#include "watch.h"

static struct dentry *dir;

static int stats_show(struct seq_file *m, void *unused)
{
	struct pando_rpc_stats rpc;
	struct pando_locate_info loc;

	pando_rpc_get_stats(&rpc);
	pando_locate_info(&loc);
	seq_printf(m, "epoch\t\t%llu\n", pando_nodes_epoch());
	seq_printf(m, "state\t\t%d\n", pando_nodes_state());
	seq_printf(m, "lease_version\t%llu\n", loc.version);
	seq_printf(m, "pids_used\t%u\n", loc.used);
	seq_printf(m, "pids_free\t%u\n", loc.free);
	seq_printf(m, "numbers\t\t%u\n", pando_ns_numbers());
	seq_printf(m, "guests\t\t%u\n", loc.guests);
	seq_printf(m, "away\t\t%u\n", loc.away);
	seq_printf(m, "stubs\t\t%u\n", pando_stub_count());
	seq_printf(m, "watches\t\t%u\n", pando_watch_count());
	seq_printf(m, "requests_sent\t%llu\n", rpc.sent);
	seq_printf(m, "requests_recv\t%llu\n", rpc.received);
	seq_printf(m, "replies\t\t%llu\n", rpc.replies);
	seq_printf(m, "stale\t\t%llu\n", rpc.stale);
	seq_printf(m, "parked\t\t%llu\n", rpc.parked);
	seq_printf(m, "resent\t\t%llu\n", rpc.resent);
	seq_printf(m, "duplicates\t%llu\n", rpc.duplicates);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int stubs_show(struct seq_file *m, void *unused)
{
	pando_stub_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stubs);

/* debugfs is a convenience: its absence is nobody's error. */
void pando_debugfs_init(void)
{
	dir = debugfs_create_dir("pando", NULL);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_file("stubs", 0400, dir, NULL, &stubs_fops);
}

void pando_debugfs_exit(void)
{
	debugfs_remove_recursive(dir);
}
