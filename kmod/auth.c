// SPDX-License-Identifier: GPL-2.0-only
/* HMAC-SHA256 over the handshake: see auth.h and wire.h. */
#include <crypto/algapi.h>
#include <crypto/hash.h>
#include <linux/err.h>

#include "auth.h"

static int digest(struct shash_desc *desc, const char *label, u8 *mac,
		  const struct pando_wire_hello *hello,
		  const struct pando_wire_challenge *challenge)
{
	int err;

	err = crypto_shash_init(desc);
	if (!err)
		err = crypto_shash_update(desc, label, strlen(label));
	if (!err)
		err = crypto_shash_update(desc, (const u8 *)hello,
					  sizeof(*hello));
	if (!err)
		err = crypto_shash_update(desc, (const u8 *)challenge,
					  offsetof(struct pando_wire_challenge,
						   mac));
	if (!err)
		err = crypto_shash_final(desc, mac);
	return err;
}

int pando_auth_mac(u8 *mac, bool responder, const u8 *key, size_t key_len,
		   const struct pando_wire_hello *hello,
		   const struct pando_wire_challenge *challenge)
{
	struct crypto_shash *tfm;
	int err;

	tfm = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	err = crypto_shash_setkey(tfm, key, key_len);
	if (!err) {
		SHASH_DESC_ON_STACK(desc, tfm);

		desc->tfm = tfm;
		err = digest(desc, responder ? "pando responder" :
			     "pando initiator", mac, hello, challenge);
		shash_desc_zero(desc);
	}
	crypto_free_shash(tfm);
	return err;
}

int pando_auth_check(const u8 *mac, bool responder, const u8 *key,
		     size_t key_len, const struct pando_wire_hello *hello,
		     const struct pando_wire_challenge *challenge)
{
	u8 want[PANDO_WIRE_MAC];
	int err;

	err = pando_auth_mac(want, responder, key, key_len, hello, challenge);
	if (!err && crypto_memneq(want, mac, sizeof(want)))
		err = -EACCES;
	memzero_explicit(want, sizeof(want));
	return err;
}
