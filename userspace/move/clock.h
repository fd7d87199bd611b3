/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monotonic and boot clocks of who moves. The nodes' namespaces agree on
 * the time, but a machine may have stood still since, as a paused one does.
 * Then the process takes its own clock along, in a time namespace of its own.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* By so much is the clock of @pid ahead of ours, in nanoseconds. */
int64_t clock_ahead(pid_t pid);
/* Are both clocks of @pid ahead by the same? Those that we make are. */
bool clock_even(pid_t pid);
/* Into the time namespace of @pid: 0, or a negative errno. */
int clock_enter(pid_t pid);
/*
 * Children from now on have clocks that are so much ahead of ours: 0, or a
 * negative errno. Once, before the first of them.
 */
int clock_shift(int64_t ahead_ns);

#endif
