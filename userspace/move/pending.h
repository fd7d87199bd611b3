/* SPDX-License-Identifier: GPL-2.0-only */
/* Pending signals in criu's images: those that travel with their process. */
#ifndef PENDING_H
#define PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/pando.h>

/*
 * How many signals of each number, from 1 on, wait in a core image: for the
 * process (@shared), or for that thread. 0, or -EPROTO.
 */
int pending_parse(const uint8_t *image, size_t len, bool shared,
		  uint16_t count[PANDO_HOLD_SIGNALS]);

#endif
