/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams: signed inside, sealed outside (DESIGN 3).
 *
 *   [version 1][key hint 1][masked head 18][XChaCha20-Poly1305 of inner]   ad: the first 2 bytes
 *   head  = sender's id 8 | boot 4 | seq 5 | receiver's id 1
 *   inner = [record...] || sig64
 *
 * Nodes say little and often, so a datagram is as short as it can be: a ping is 116 bytes. The head
 * is the nonce too (then zeros): it does not repeat as long as a boot counter does not, and should
 * one do, sequence numbers begin anywhere in each start. It is masked by hash(key || tag), so that
 * it names nobody (RFC 9001 section 5.4 does so for QUIC). The hint is the first byte of hash(key).
 * sig is Ed25519 of the sender over
 *   hash(["mp-dgram", 2, cluster32, sender32, boot, seq, receiver32, the array as bstr]).
 *
 * Cheap checks come first: version, hint, one AEAD open, member, receiver, replay; the signature
 * last. What is dropped is counted by enum mp_counter (core/node.h).
 *
 * Replays: per sender the highest boot and, for it, a window over the last MP_DGRAM_WINDOW sequence
 * numbers. The window is memory: a receiver that has restarted takes what it first hears of a
 * sender's present boot and nothing older; the first may be one that it has taken before, so
 * records must bear that (they do: they carry incarnations or sequences).
 */
#ifndef MP_CORE_DGRAM_H
#define MP_CORE_DGRAM_H

#include "core/env.h"
#include "core/node.h"
#include "core/roster.h"

#define MP_DGRAM_WINDOW 512
/* Room for records: MP_DGRAM_MAX less 20 outside, 16 tag, 64 signature, 2 for the array. */
#define MP_DGRAM_ROOM 1130

struct mp_dgram;

/* MP_ENOMEM. */
int mp_dgram_new(const struct mp_env *env, const struct mp_roster *roster, struct mp_dgram **out);
void mp_dgram_free(struct mp_dgram *d); /* wipes keys */

/* ---- the key ring: the last MP_GOSSIP_KEYS; the highest epoch, then the lowest hash, seals ----
 */

/* Adds a key and, with `persist`, puts the ring's row. MP_EEXIST when it is there, MP_ELIMIT when
 * it is older than all of a full ring, MP_EFORMAT when its epoch is out of bounds. */
int mp_dgram_key_add(struct mp_dgram *d, struct mp_env *env, uint64_t epoch,
	const uint8_t key[MP_SYMKEY_SIZE], bool persist);
size_t mp_dgram_key_count(const struct mp_dgram *d);
/* Equal where the same keys are known; tells nothing of them. */
uint64_t mp_dgram_key_digest(const struct mp_dgram *d);
/* The i-th key, the one that seals first. */
const uint8_t *mp_dgram_key(const struct mp_dgram *d, size_t i, uint64_t *epoch);

/* A row of MP_TABLE_META; MP_ENOENT when its key is not MP_DGRAM_META, MP_ECORRUPT. */
#define MP_DGRAM_META "gossip-keys"
int mp_dgram_restore(
	struct mp_dgram *d, struct mp_env *env, struct mp_span key, struct mp_span value);

/* ---- sending ---- */

/*
 * Seals `count` encoded records, at most MP_DGRAM_ROOM bytes in all, and emits the datagram.
 * Without a key nothing is sent.
 */
void mp_dgram_send(struct mp_dgram *d, struct mp_env *env, const struct mp_addr *to,
	const struct mp_node_id *receiver, struct mp_span records, size_t count);

/* ---- receiving ---- */

enum mp_dgram_drop {
	MP_DROP_OTHER,
	MP_DROP_UNOPENED, /* with none of the gossip keys */
	MP_DROP_REVOKED,  /* by `sender`, indeed, whose key is shut out */
	MP_DROP_OUTLIVED, /* as if by `sender`, of a boot before the one that is known */
};

struct mp_dgram_in {
	const struct mp_member *sender;
	enum mp_dgram_drop drop; /* when it was not opened: more of why */
	size_t key;              /* MP_DROP_REVOKED: what opened it */
	uint64_t boot, seq;
	struct mp_part records;      /* walk with mp_list_next(); kinds by mp_msg_kind() */
	uint8_t plain[MP_DGRAM_MAX]; /* what records points into */
};

/*
 * Opens one datagram from the network. 0, or, counted: MP_EFORMAT, MP_EVERSION, MP_ESIG (junk, or
 * forged), MP_EAUTH (no member, or one that left), MP_ECLUSTER (for another receiver),
 * MP_EREPLAY; MP_ENOMEM.
 */
int mp_dgram_open(
	struct mp_dgram *d, struct mp_env *env, struct mp_span bytes, struct mp_dgram_in *out);

/* As mp_dgram_send(), to one who is shut out, sealed with the key that opened what it sent. */
void mp_dgram_answer(struct mp_dgram *d, struct mp_env *env, const struct mp_dgram_in *in,
	const struct mp_addr *to, struct mp_span record);

/* MP_COUNT_DGRAM_*. */
uint64_t mp_dgram_counter(const struct mp_dgram *d, enum mp_counter which);

#endif
