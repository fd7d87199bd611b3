/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports that a process leaves behind when it moves. */
#ifndef PANDO_LINGER_H
#define PANDO_LINGER_H

#include <linux/types.h>

/*
 * Connections in TIME_WAIT at @port of the caller's network namespace do not
 * keep anybody who sets SO_REUSEADDR from binding it. May sleep.
 */
void pando_linger_yield(u16 port);

#endif
