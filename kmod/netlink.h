/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's side of the module: commands in, events out. */
#ifndef _PANDO_NETLINK_H
#define _PANDO_NETLINK_H

#include <uapi/linux/pando.h>

/* Events; process context, may sleep. Lost silently when nobody listens. */
void pando_netlink_done(u64 epoch);
void pando_netlink_peer(u16 node, enum pando_peer_state state);
void pando_netlink_lease_low(u32 used, u32 free);

int pando_netlink_init(void);
void pando_netlink_exit(void);

#endif
