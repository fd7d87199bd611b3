// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pando: one process tree over many hosts. This module makes the numbers of
 * one PID namespace unique in the cluster and carries calls on them to where
 * they live; what it does not know it is told by the daemon (netlink.c).
 */
#include <linux/module.h>

#include "alloc.h"
#include "calls.h"
#include "debugfs.h"
#include "hold.h"
#include "hooks.h"
#include "kin.h"
#include "kin_front.h"
#include "locate.h"
#include "loop.h"
#include "netlink.h"
#include "node.h"
#include "orphan.h"
#include "reaper.h"
#include "rpc.h"
#include "serve.h"
#include "stub.h"
#include "tasklist.h"
#include "watch.h"

static int __init pando_init(void)
{
	int err;

	err = pando_alloc_init();
	if (err)
		goto err_alloc;
	err = pando_rpc_init();
	if (err)
		goto err_rpc;
	pando_nodes_init();
	err = pando_loop_init();
	if (err)
		goto err_loop;
	err = pando_locate_init();
	if (err)
		goto err_locate;
	err = pando_calls_init();
	if (err)
		goto err_calls;
	err = pando_watch_init();
	if (err)
		goto err_watch;
	err = pando_kin_init();
	if (err)
		goto err_kin;
	err = pando_kin_front_init();
	if (err)
		goto err_front;
	err = pando_orphan_init();
	if (err)
		goto err_orphan;
	err = pando_reaper_init();
	if (err)
		goto err_reaper;
	err = pando_tasklist_init();
	if (err)
		goto err_tasklist;
	err = pando_serve_init();
	if (err)
		goto err_serve;
	err = pando_hooks_init();
	if (err)
		goto err_hooks;
	err = pando_netlink_init();
	if (err)
		goto err_netlink;
	pando_debugfs_init();
	return 0;

err_netlink:
	pando_hooks_exit();
err_hooks:
	pando_serve_exit();
err_serve:
	pando_tasklist_exit();
err_tasklist:
	pando_reaper_exit();
err_reaper:
	pando_orphan_exit();
err_orphan:
	pando_kin_front_exit();
err_front:
	pando_kin_exit();
err_kin:
	pando_watch_exit();
err_watch:
	pando_calls_exit();
err_calls:
	pando_locate_exit();
err_locate:
	pando_loop_exit();
err_loop:
	pando_rpc_exit();
err_rpc:
	pando_alloc_exit();
err_alloc:
	return err;
}

/* Attached nodes hold a reference on the module: here nothing is attached. */
static void __exit pando_exit(void)
{
	pando_debugfs_exit();
	pando_netlink_exit();
	pando_hooks_exit();
	pando_serve_exit();
	pando_tasklist_exit();
	pando_hold_reset();
	pando_stub_fini();
	pando_reaper_exit();
	pando_orphan_exit();
	pando_kin_front_exit();
	pando_kin_exit();
	pando_watch_exit();
	pando_calls_exit();
	pando_locate_exit();
	pando_loop_exit();
	pando_rpc_exit();
	pando_alloc_exit();
}

module_init(pando_init);
module_exit(pando_exit);
MODULE_DESCRIPTION("Pando: one process tree over many hosts");
MODULE_LICENSE("GPL");
