// SPDX-License-Identifier: GPL-2.0-only
/* What a node has left: see memory.h. */
#include <stdio.h>

#include "memory.h"

uint64_t memory_available_kib(uint64_t *total)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib, available = 0;
	char line[128];

	*total = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemTotal: %llu", &kib) == 1)
			*total = kib;
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			available = kib;
	}
	if (f)
		fclose(f);
	return available;
}
