/* SPDX-License-Identifier: GPL-2.0-only */
/* What takes its time is done by a thread, and its result by the main loop. */
#ifndef PANDOD_WORKER_H
#define PANDOD_WORKER_H

#include <systemd/sd-event.h>

int worker_init(sd_event *event);
/*
 * Runs work(data) in a thread, then done(data) in the main loop; where there
 * are many already, when one of those has ended. Returns a negative errno,
 * having called neither, when there is no memory.
 */
int worker_run(void (*work)(void *data), void (*done)(void *data), void *data);

#endif
