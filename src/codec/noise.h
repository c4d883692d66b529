/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise_XX_25519_ChaChaPoly_SHA512 (The Noise Protocol Framework, revision 34) as a state machine
 * over struct mp_crypto. It moves no bytes and makes no randomness.
 *
 *	initiator               responder
 *	1  e                ->
 *	2                   <-  e, ee, s, es
 *	3  s, se            ->
 *
 * Each side writes and reads in this order; anything else is the caller's bug. After the first
 * error the state is wiped and every later call returns that error again.
 */
#ifndef MP_CODEC_NOISE_H
#define MP_CODEC_NOISE_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"

#define MP_NOISE_MESSAGES 3
#define MP_NOISE_MSG_MAX  65535 /* one message with everything in it (section 3) */

enum mp_noise_role {
	MP_NOISE_INITIATOR,
	MP_NOISE_RESPONDER,
};

/* One direction's key and counter (CipherState, section 5.1). */
struct mp_noise_cipher {
	uint8_t key[MP_NOISE_KEY];
	uint64_t counter;
};

struct mp_noise_config {
	enum mp_noise_role role;
	const struct mp_crypto *crypto; /* borrowed for the state's life */
	const struct mp_secret *secret; /* the static X25519 half; borrowed likewise */
	struct mp_xkey static_key;      /* its public half */
	struct mp_span prologue;        /* what both sides must agree on; borrowed by init only */
};

struct mp_noise {
	const struct mp_crypto *crypto;
	const struct mp_secret *secret;
	enum mp_noise_role role;
	unsigned done; /* messages written and read, 0 to MP_NOISE_MESSAGES */
	int rc;        /* 0, or what killed it */
	bool keyed;
	struct mp_noise_cipher cipher;
	struct mp_xkey s, e, rs, re; /* public keys: ours, then the peer's */
	uint8_t e_secret[32];
	uint8_t ck[MP_SHA512_SIZE];
	uint8_t h[MP_SHA512_SIZE];
};

/* `ephemeral` is 32 fresh random bytes that are used for nothing else. */
void mp_noise_init(
	struct mp_noise *noise, const struct mp_noise_config *config, const uint8_t ephemeral[32]);

/* Wipes. Allowed at any time, and again. */
void mp_noise_fini(struct mp_noise *noise);

/* Is the next message ours to write? False once all three are through. */
bool mp_noise_writes(const struct mp_noise *noise);

/* Bytes that message 1, 2 or 3 adds to its payload: 32, 96, 64. */
size_t mp_noise_overhead(unsigned message);

/*
 * Writes the next message: out has room for payload.n and the overhead, together at most
 * MP_NOISE_MSG_MAX. MP_ESIG when the peer's key is a low-order point.
 */
int mp_noise_write(struct mp_noise *noise, struct mp_span payload, uint8_t *out);

/*
 * Reads the next message; its payload, msg.n less the overhead, goes to out. The payload of
 * message 1 is neither secret nor authentic. MP_EFORMAT when it is too short or too long, MP_ESIG
 * when it does not verify: other prologue, other keys, or changed on the way.
 */
int mp_noise_read(struct mp_noise *noise, struct mp_span msg, uint8_t *out);

/* The peer's static key: after message 2 (initiator) or 3 (responder). Borrowed. */
const struct mp_xkey *mp_noise_peer(const struct mp_noise *noise);

/*
 * After message 3: the two directions, and the handshake hash, which names this session and no
 * other (section 11.2). The state is wiped. Fails only with the error that killed the state.
 */
int mp_noise_split(struct mp_noise *noise, struct mp_noise_cipher *send,
	struct mp_noise_cipher *receive, uint8_t hash[MP_SHA512_SIZE]);

/* out has room for msg.n + MP_AEAD_TAG; out == msg.p is allowed. MP_ELIMIT after 2^64 - 1. */
int mp_noise_seal(const struct mp_crypto *crypto, struct mp_noise_cipher *cipher,
	struct mp_span msg, uint8_t *out);

/* out has room for sealed.n - MP_AEAD_TAG; out == sealed.p is allowed. MP_ESIG, MP_ELIMIT; the
 * counter stands still then. */
int mp_noise_open(const struct mp_crypto *crypto, struct mp_noise_cipher *cipher,
	struct mp_span sealed, uint8_t *out);

/* REKEY (section 4.2); the counter goes on. */
void mp_noise_rekey(const struct mp_crypto *crypto, struct mp_noise_cipher *cipher);

#endif
