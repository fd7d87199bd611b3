/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The group's messages in bytes: little-endian, every length checked. One
 * byte of type, one of version, then the fields of struct message in order.
 */
#ifndef PANDOD_MESSAGE_H
#define PANDOD_MESSAGE_H

#include "state.h"

#define MESSAGE_VERSION	3

enum message_type {
	MESSAGE_SYNC = 1,	/* a member's state, at the start of a round */
	MESSAGE_ACK,		/* epoch, noted, quorate */
	MESSAGE_ASK,		/* epoch, blocks: a lease is wanted */
	MESSAGE_COMMIT,		/* epoch, move, from, to, pids: a move */
	MESSAGE_READY,		/* epoch: the kernel is done */
	MESSAGE_SETTLED,	/* epoch, move: acted upon */
	MESSAGE_BEGIN,		/* epoch, round, proposal: a round starts */
	MESSAGE_EXPEL,		/* epoch, node, incarnation, off: condemned */
	MESSAGE_PULSE,		/* epoch, pulse, heard: see lease.h */
};

/* The newest pulse of that node that the sender has heard in this view. */
struct heard {
	uint16_t node;
	uint64_t pulse;
};

struct message {
	enum message_type type;
	uint64_t epoch;
	uint64_t move, round, proposal, incarnation, pulse;
	uint32_t count;		/* noted; blocks; number of pids, of heard */
	uint16_t from, to, node;
	uint16_t origin;	/* the node that the run belongs to, or 0 */
	bool quorate, off;
	uint32_t *pids;		/* when decoded: freed by message_free() */
	struct heard *heard;	/* the same */
	struct sync *sync;	/* the same */
};

/* A malloc'ed buffer and its length, or NULL. */
uint8_t *message_encode(const struct message *m, size_t *len);
/* 0, -EPROTO for garbage, -EPROTONOSUPPORT for another version, -ENOMEM. */
int message_decode(const uint8_t *buf, size_t len, struct message *m);
void message_free(struct message *m);

#endif
