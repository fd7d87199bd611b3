/* SPDX-License-Identifier: GPL-2.0-only */
/* A port for the dpdk fabric's tests: all ports of the process are on one wire. */
#ifndef PORT_TEST_H
#define PORT_TEST_H

#include <stddef.h>

/* How the wire is; chances of 1000. A size of 0: as large as they come. */
extern struct port_test {
	unsigned int lose, repeat, late, garbage;
	size_t frame_max;	/* what the ports say */
	size_t pass_max;	/* what the wire passes */
} port_test;

#endif
