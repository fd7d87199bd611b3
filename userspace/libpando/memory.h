/* SPDX-License-Identifier: GPL-2.0-only */
/* What a node has left for those that come to it. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

/* Nobody who comes takes the last of it: who lives here would be killed for it. */
#define MEMORY_SPARE_KIB	16384

/* MemAvailable of this node; 0 if it cannot be read. @total: MemTotal. */
uint64_t memory_available_kib(uint64_t *total);

#endif
