/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secret keys: made, kept and forgotten here; everybody else holds an opaque struct mp_secret and
 * hands it to struct mp_crypto.
 *
 * A node has an Ed25519 half (signing; its public key is the node id) and an X25519 half (streams,
 * sealing), made independently: one is never converted into the other. An authority or invite key
 * has the signing half only. Secrets live in guarded, locked, read-only memory and are wiped when
 * freed.
 */
#ifndef MP_CRYPTO_KEY_H
#define MP_CRYPTO_KEY_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"

#define MP_KEY_SEED 32 /* Ed25519 seed (RFC 8032 section 5.1.5), or X25519 scalar */

enum mp_key_kind {
	MP_KEY_NODE,    /* both halves */
	MP_KEY_SIGNING, /* authority and invite keys */
};

/* The table over libsodium. Valid after mp_key_init(). */
extern const struct mp_crypto mp_crypto_sodium;

/* Call before anything else in this header or the table. May be called again. MP_EBUG. */
int mp_key_init(void);

/* Fills p with n bytes that nobody can guess. */
void mp_key_random(void *p, size_t n);

/* A fresh pair (or two). Returns it owned; MP_ENOMEM. */
int mp_key_generate(struct mp_secret **out, enum mp_key_kind kind);

/*
 * The key with these secret halves; x25519 is NULL for MP_KEY_SIGNING. Copies; the caller wipes
 * its own. Returns it owned; MP_ENOMEM.
 */
int mp_secret_from_bytes(struct mp_secret **out, const uint8_t ed25519_seed[MP_KEY_SEED],
	const uint8_t x25519[MP_KEY_SEED]);

/* Wipes. NULL is fine. */
void mp_secret_free(struct mp_secret *secret);

enum mp_key_kind mp_secret_kind(const struct mp_secret *secret);

/* The public Ed25519 half: the node id of a node's key. */
void mp_secret_public(const struct mp_secret *secret, uint8_t out[32]);

/* The public X25519 half; the key is MP_KEY_NODE. */
void mp_secret_xkey(const struct mp_secret *secret, struct mp_xkey *out);

/* The Ed25519 seed, for tokens and exports. The caller wipes it. */
void mp_secret_seed(const struct mp_secret *secret, uint8_t out[MP_KEY_SEED]);

/*
 * Writes the key to a new file, readable by its owner only, that is complete and on disk when this
 * returns. MP_EEXIST when there is a file already (it is left alone), MP_EFULL, MP_EIO.
 */
int mp_key_save(const struct mp_secret *secret, const char *path, struct mp_error *err);

/*
 * Reads what mp_key_save() wrote; the file must be of this kind. Returns it owned. MP_ENOENT;
 * MP_EAUTH when others may read the file or another user owns it (the text says what to run);
 * MP_EFORMAT, MP_EVERSION, MP_EIO, MP_ENOMEM.
 */
int mp_key_load(
	struct mp_secret **out, enum mp_key_kind kind, const char *path, struct mp_error *err);

#endif
