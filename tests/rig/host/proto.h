/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frames of the command channel: client <-> rigd <-> agent.
 *
 *   client --- unix socket --- rigd --- virtio-serial --- agent (in the node)
 *
 * A client has one channel, number 0 on its own socket; rigd gives it a number
 * on the node's port, where the frames of all clients travel together. A side
 * that sends a stream (stdin one way, stdout and stderr the other) may have
 * WINDOW bytes outstanding and is given more by CREDIT frames as the other
 * side gets rid of them; so nobody's unread output stops another's.
 *
 * Host and node are the same machine: native byte order.
 */
#ifndef RIG_PROTO_H
#define RIG_PROTO_H

#include <stdint.h>

#define PORT_NAME	"pando.rig"
#define FRAME_MAX	65536		/* payload; longer is a protocol error */
#define WINDOW		(256 * 1024)
#define CHANNELS_MAX	512
#define LOST_STATUS	128
#define TIMEOUT_STATUS	124

enum frame_type {
	F_HELLO = 1,	/* rigd -> agent: struct hello; forget what was before */
	F_HELLO_ACK,	/* agent -> rigd: the nonce */
	F_PING,		/* rigd -> agent */
	F_PONG,
	F_EXEC,		/* client -> agent: struct exec_req, strings */
	F_STDIN,
	F_STDIN_EOF,
	F_RESIZE,	/* client -> agent: uint16_t rows, columns */
	F_CLOSE,	/* rigd -> agent: the client is gone, end the command */
	F_CREDIT,	/* both ways: uint32_t bytes */
	F_STDOUT,
	F_STDERR,
	F_EXIT,		/* agent -> client: uint32_t exit status */
	F_LOST,		/* rigd -> client: text; the node is gone */
};

struct frame {
	uint32_t len;		/* of the payload that follows */
	uint16_t type;
	uint16_t chan;
};

struct hello {
	uint64_t nonce;
	int64_t sec;		/* wall clock of the host: clones wake in the past */
	int64_t nsec;
	uint8_t seed[32];	/* and with each other's random numbers */
};

struct exec_req {
	uint32_t timeout_ms;	/* 0: none */
	uint16_t argc;		/* strings that follow: TERM, then argv */
	uint16_t tty;
	uint16_t rows;
	uint16_t columns;
};

#endif
