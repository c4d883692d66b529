/* SPDX-License-Identifier: Apache-2.0 */
/* What a secret holds. Only src/crypto includes this. */
#ifndef MP_CRYPTO_SECRET_H
#define MP_CRYPTO_SECRET_H

#include "crypto/key.h"

#include <sodium.h>

struct mp_secret {
	uint8_t ed25519[crypto_sign_SECRETKEYBYTES]; /* seed, then public key */
	uint8_t x25519[crypto_scalarmult_SCALARBYTES];
	struct mp_xkey xkey;
	enum mp_key_kind kind;
};

#endif
