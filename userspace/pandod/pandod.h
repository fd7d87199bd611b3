/* SPDX-License-Identifier: GPL-2.0-only */
/* What all parts of the daemon know. */
#ifndef PANDOD_PANDOD_H
#define PANDOD_PANDOD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "link.h"
#include "state.h"

struct pandod {
	sd_event *event;
	struct config config;
	bool standalone;	/* no corosync: this node is the cluster */
	bool no_kernel;		/* everything but the module, for tests */
	uint16_t self;
	char name[PANDO_NAME_MAX];
	char cluster[PANDO_NAME_MAX];
	char address[STATE_ADDR_MAX];
	void *key;
	size_t keylen;
	bool leaving;
};

extern struct pandod pandod;

/* A bound in ms, scaled for slow machines. */
static inline unsigned int bound_ms(unsigned int ms)
{
	return ms * pandod.config.timescale;
}

/* Ends the daemon in good order; the processes of the cluster stay. */
void pandod_leave(int status);

/* As if it had been started just now; with an error, the daemon ends. */
void pandod_again(int err);

#endif
