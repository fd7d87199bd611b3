/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Headers of messages: to and from the wire, and the first look at what a peer
 * sent. Pure: nothing is allocated, locked or kept. Whatever comes out of
 * pando_codec_decode() with 0 has a known type, a sane length and a status that
 * is zero or an errno; handlers may rely on it.
 */
#ifndef _PANDO_CODEC_H
#define _PANDO_CODEC_H

#include "pure.h"
#include <pando/wire.h>

/* Longest message, and the longest that is read from a stranger. */
#define PANDO_CODEC_MAX		(sizeof(struct pando_wire_hdr) + \
				 PANDO_WIRE_PAYLOAD)
#define PANDO_CODEC_STRANGER	(sizeof(struct pando_wire_hdr) + \
				 sizeof(struct pando_wire_hello))

/**
 * struct pando_msg_info - one row of the message table in wire.h
 * @name: for logs; NULL where there is no such type
 * @req_min: shortest request payload
 * @req_max: longest
 * @rep_min: shortest payload of a successful reply
 * @rep_max: longest reply payload
 * @flags: PANDO_MSGF_*
 */
struct pando_msg_info {
	const char *name;
	u32 req_min;
	u32 req_max;
	u32 rep_min;
	u32 rep_max;
	u32 flags;
};

/**
 * struct pando_hdr - a message header in host byte order
 * @type: enum pando_msg
 * @flags: PANDO_WIREF_*
 * @len: of the payload alone
 * @status: zero or a negative errno, in a reply
 * @epoch: of the sender
 * @id: of the request
 * @acked: see struct pando_wire_hdr
 */
struct pando_hdr {
	u16 type;
	u16 flags;
	u32 len;
	s32 status;
	u64 epoch;
	u64 id;
	u64 acked;
};

/* NULL for a number that names no type. */
const struct pando_msg_info *pando_codec_info(u16 type);

/* One of the four messages of the handshake? */
static inline bool pando_codec_is_handshake(u16 type)
{
	return type >= PANDO_MSG_HELLO && type <= PANDO_MSG_READY;
}

void pando_codec_encode(struct pando_wire_hdr *wire,
			const struct pando_hdr *hdr);

/*
 * What a stream needs to know to read on: the length of the whole message,
 * or -EPROTO if this is no header of ours or longer than @limit.
 */
int pando_codec_length(const struct pando_wire_hdr *wire, size_t limit);

/*
 * Checks a message of @len bytes, header included, and fills @hdr.
 * Return: 0; -EOPNOTSUPP: a well-formed request of a type we do not know (@hdr
 * is filled, so that it can be answered); -EPROTO: anything else.
 */
int pando_codec_decode(struct pando_hdr *hdr, const struct pando_wire_hdr *wire,
		       size_t len);

/**
 * pando_codec_hello - does a HELLO concern us, and who says so?
 * @hello: as received, its length checked
 * @self: our node id
 * @cluster: our cluster's name
 *
 * Return: 0; -EPROTONOSUPPORT: no common version; -EADDRNOTAVAIL: meant for
 * another node; -EBADE: another cluster; -EINVAL: a node id that may not
 * connect to us.
 */
int pando_codec_hello(const struct pando_wire_hello *hello, u16 self,
		      const char *cluster);

/*
 * Is this CHALLENGE from the node and incarnation that we wanted to reach?
 * Its MAC is not looked at. Return: 0; -EPROTONOSUPPORT; -EADDRNOTAVAIL:
 * another node; -ESTALE: another incarnation.
 */
int pando_codec_challenge(const struct pando_wire_challenge *ch, u16 node,
			  u64 incarnation);

#endif /* _PANDO_CODEC_H */
