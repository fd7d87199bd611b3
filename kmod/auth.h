/* SPDX-License-Identifier: GPL-2.0-only */
/* Proofs of the cluster key, for the handshake drawn in wire.h. */
#ifndef _PANDO_AUTH_H
#define _PANDO_AUTH_H

#include <linux/types.h>
#include <pando/wire.h>

/*
 * The proof of one side over everything both have said. @responder: whose.
 * Process context, may sleep. 0 or a negative errno.
 */
int pando_auth_mac(u8 *mac, bool responder, const u8 *key, size_t key_len,
		   const struct pando_wire_hello *hello,
		   const struct pando_wire_challenge *challenge);

/* As above, compared in constant time: 0, -EACCES, or another errno. */
int pando_auth_check(const u8 *mac, bool responder, const u8 *key,
		     size_t key_len, const struct pando_wire_hello *hello,
		     const struct pando_wire_challenge *challenge);

#endif
