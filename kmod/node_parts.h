/* SPDX-License-Identifier: GPL-2.0-only */
/* What node.c and node_recover.c share: the members as they are now. */
#ifndef _PANDO_NODE_PARTS_H
#define _PANDO_NODE_PARTS_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "epoch.h"

extern spinlock_t pando_nodes_lock;		/* process context */
extern struct pando_epoch pando_nodes_view;	/* pando_nodes_lock */
extern struct list_head pando_peers;		/* pando_nodes_lock; ascending ids */
extern bool pando_nodes_attached;		/* READ_ONCE without the lock */

/* The epoch or a connection has changed. */
extern wait_queue_head_t pando_nodes_changed;

/* The worker that recovers: ATTACH, DETACH. 0 or -ENOMEM. */
int pando_nodes_recover_open(void);
void pando_nodes_recover_close(void);

#endif
