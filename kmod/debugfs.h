/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters; see debugfs.c. */
#ifndef _PANDO_DEBUGFS_H
#define _PANDO_DEBUGFS_H

void pando_debugfs_init(void);
void pando_debugfs_exit(void);

#endif
