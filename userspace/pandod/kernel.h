/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's side of include/uapi/linux/pando.h. */
#ifndef PANDOD_KERNEL_H
#define PANDOD_KERNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include <linux/pando.h>

struct member;

struct kernel_peer {
	uint16_t id;
	uint32_t state;		/* enum pando_peer_state */
	uint32_t rtt_us;
};

struct kernel_status {
	uint16_t node;
	uint32_t init_pid;
	uint32_t state;		/* enum pando_state */
	uint64_t incarnation, epoch, lease_version;
	uint32_t pids_used, pids_free, guests, away;
	char transport[16];
	unsigned int npeers;
	struct kernel_peer peer[128];
};

struct kernel_attach {
	pid_t init_pid;
	uint16_t node;
	const char *name, *cluster, *transport, *addr;
	uint16_t port;
	uint64_t incarnation;
	const void *key;
	size_t keylen;
	uint32_t timeout_ms;
};

struct kernel_events {
	void (*done)(uint64_t epoch);
	void (*lease_low)(uint32_t used, uint32_t free);
	void (*peer)(uint16_t node, uint32_t state);
};

/*
 * Finds the module, loading it and what @transport needs if it is not there.
 * Everything below returns 0 or a negative errno, and logs what the kernel
 * says about it.
 */
int kernel_open(sd_event *event, const struct kernel_events *events,
		const char *transport);
bool kernel_present(void);
const char *kernel_release(void);	/* as uname -r */

int kernel_attach(const struct kernel_attach *a);
int kernel_detach(void);
int kernel_stop(uint64_t epoch);
/* Of @members those that are attached. The flags: see PANDO_CMD_MEMBERS. */
int kernel_members(uint64_t epoch, bool quorate, bool complete,
		   const struct member *members, unsigned int n);
int kernel_leases(uint64_t version, const uint16_t *map);
int kernel_start(uint64_t epoch);
/* @taken: the PID that is in use here, with -EEXIST; may be NULL. */
int kernel_reserve(uint64_t move, const uint32_t *pids, uint32_t n,
		   uint32_t *taken);
int kernel_unreserve(uint64_t move);
int kernel_moved(uint64_t move, const uint32_t *pids, uint32_t n,
		 uint16_t from, uint16_t to);
int kernel_status(struct kernel_status *st);
/*
 * PIDs of the stubs here: tasks of the namespace whose processes run elsewhere.
 * Malloc'ed; NULL for none.
 */
uint32_t *kernel_stubs(size_t *n);
/* May wait for another node; safe in a worker. */
int kernel_locate(uint32_t pid, uint16_t *home, uint16_t *location);

/* "10.0.0.1" and a port as socket address; false if it is neither v4 nor v6. */
bool kernel_address(const char *text, uint16_t port,
		    struct sockaddr_storage *ss, socklen_t *len);

#endif
