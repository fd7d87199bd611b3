/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's configuration: "key = value" lines, '#' starts a comment. */
#ifndef PANDOD_CONFIG_H
#define PANDOD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/pando.h>

#define CONFIG_TEXT	256

#ifndef PANDO_LIBEXEC
#define PANDO_LIBEXEC	"/usr/libexec/pando"
#endif

struct config {
	char transport[16];		/* rdma, tcp, loop */
	char fabric[16];		/* auto, rdma, dpdk, tcp */
	char dpdk[CONFIG_TEXT];		/* interface or arguments; "": none */
	char key_file[CONFIG_TEXT];
	char address[64];		/* "": ring0_addr of the own node */
	char node_name[PANDO_NAME_MAX];	/* "": the node list's, or hostname */
	char libexec[CONFIG_TEXT];	/* where pando-init and pando-move are */
	unsigned int kernel_port, daemon_port;
	unsigned int lease_blocks;	/* asked at join */
	unsigned int serve_threads;
	unsigned int request_timeout_ms;
	unsigned int move_timeout_ms;	/* longest silence of a mover */
	unsigned int quorum_lease_ms;	/* 0: as corosync's bounds want it */
	unsigned int expel_after_s;	/* 0: only when told to */
	unsigned int timescale;		/* all bounds times this */
	int log_level;
};

void config_defaults(struct config *c);
/*
 * Both fill in @c over what it holds. On failure they return a negative errno
 * and put one line for a person into @err: "FILE:LINE: what is wrong".
 */
int config_parse(struct config *c, const char *name, const char *text,
		 char *err, size_t errlen);
int config_load(struct config *c, const char *path, bool required, char *err,
		size_t errlen);

#endif
