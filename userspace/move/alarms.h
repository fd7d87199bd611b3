/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Timers that ring once: alarm(), and setitimer() without an interval. criu describes them,
 * but arms none without an interval when it restores. So they are given one in the image,
 * and the kernel takes that away again before the process runs (PANDO_PLACE_ALARMS).
 */
#ifndef ALARMS_H
#define ALARMS_H

#include <stddef.h>
#include <stdint.h>

#include "move.h"

/* Those in a core image: a bit each (1 << ITIMER_REAL...), or -EPROTO. */
int alarms_mark(uint8_t *image, size_t len);
/* In that process's, in the work directory; likewise, or -ECANCELED. */
int alarms_keep(struct move *m, uint32_t pid);

#endif
