/* SPDX-License-Identifier: GPL-2.0-only */
/* The transport of a cluster of one: nobody ever connects. */
#ifndef _PANDO_LOOP_H
#define _PANDO_LOOP_H

int pando_loop_init(void);
void pando_loop_exit(void);

#endif
