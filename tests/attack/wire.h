/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format once more, for a peer that wishes us no good: written against the headers of
 * src/codec and src/core/dgram.h, over libsodium, and on purpose with none of our own code, so that
 * a mistake there is not made here, too. What may be lied about is left to the caller: nothing here
 * checks what it is told to write.
 *
 * Memory that cannot be had, and what this program itself cannot do, end it.
 */
#ifndef TESTS_ATTACK_WIRE_H
#define TESTS_ATTACK_WIRE_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- bytes, and CBOR of them (RFC 8949 section 4.2.1) ---- */

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

void bytes_put(struct bytes *b, const void *p, size_t n);
void bytes_free(struct bytes *b);
struct bytes bytes_copy(const struct bytes *from);
/* A file, whole. */
struct bytes bytes_read(const char *path);

void put_uint(struct bytes *b, uint64_t v);
void put_array(struct bytes *b, size_t n);
void put_blob(struct bytes *b, const void *p, size_t n);
void put_bytes(struct bytes *b, const struct bytes *blob);
void put_text(struct bytes *b, const char *s);
void put_bool(struct bytes *b, bool v);
void put_null(struct bytes *b);

/* Reads well-formed CBOR of definite lengths; anything else ends the program. */
struct reader {
	const uint8_t *p, *end;
};

struct reader reader_of(const struct bytes *b);
/* Major type and argument of the next item; steps over its head, and over a string's bytes. */
unsigned read_head(struct reader *r, uint64_t *v);
size_t read_array(struct reader *r);
uint64_t read_uint(struct reader *r);
/* A byte or text string. */
struct bytes read_blob(struct reader *r);
/* The encoded bytes of a whole item; borrowed. */
struct bytes read_item(struct reader *r);

/* ---- keys ---- */

struct keys {
	uint8_t id[32], secret[64]; /* Ed25519 */
	uint8_t x[32], x_secret[32];
};

/* Always the same for a number. */
struct keys keys_make(uint64_t seed);
/* STATE/node.key. */
struct keys keys_load(const char *state);
/* The key of an authority, which is a file: its signing half only. */
struct keys keys_load_signing(const char *path);

/* BLAKE2b-256 of some parts. */
void hash_of(uint8_t out[32], const struct bytes *parts, size_t n);
void hash_bytes(uint8_t out[32], const void *p, size_t n);
/* Signs the hash of a record's bytes (codec/record_run.h, codec/msg_swim.h). */
void sign_record(uint8_t sig[64], const struct keys *by, const struct bytes *record);

/* ---- Noise_XX_25519_ChaChaPoly_SHA512 (codec/noise.h) ---- */

struct noise {
	bool initiator, keyed;
	struct keys self;
	uint8_t e[32], e_secret[32], re[32], rs[32];
	uint8_t h[64], ck[64], k[32];
	uint64_t n;
};

void noise_start(struct noise *s, bool initiator, const struct keys *self, uint64_t seed,
	const void *prologue, size_t prologue_size);
/* Appends message 1, 2 or 3. */
void noise_write(struct noise *s, unsigned step, const struct bytes *payload, struct bytes *out);
/* False when it does not verify; the state goes on as if it had. payload is appended to. */
bool noise_read(struct noise *s, unsigned step, const uint8_t *p, size_t n, struct bytes *payload);
/* The keys of both directions: the initiator's first. */
void noise_split(const struct noise *s, uint8_t keys[2][32]);

/* ---- streams (codec/frame.h) ---- */

#define PREFACE_SIZE 8

struct stream {
	int fd;
	bool open;
	struct noise noise;
	uint8_t cluster[32];
	uint8_t preface[2][PREFACE_SIZE]; /* the initiator's first */
	uint8_t send_key[32], receive_key[32];
	uint64_t sent, received;
	struct bytes hello; /* what the other side says in its handshake */
};

/* Connects to 127.0.0.1:port from that address of 127/8. Below 0: it cannot. */
int connect_from(uint16_t port, uint32_t from);
/* The same from one of several addresses, and not faster than a node takes connections of people
 * that it does not know: what is tried is not that. Nobody there: ends the program. */
int connect_calmly(uint16_t port);
/* Writes it all. False: the other side has had enough. */
bool send_all(int fd, const void *p, size_t n);
/* Reads n bytes within `ms`. False: it ended before. */
bool receive_all(int fd, void *p, size_t n, int ms);
/* Has the other side closed, within `ms`, and said no more than `most` bytes before? */
bool is_closed(int fd, size_t most, int ms);

/*
 * Greets as an initiator in three parts, so that each may be bent. stream_begin() makes the preface
 * (NULL: the right one) and message 1 with its length; stream_middle() reads the preface and
 * message 2 (false: closed, or they do not verify); stream_end() makes message 3. They do not
 * write; stream_opened() makes the keys.
 */
void stream_begin(struct stream *s, const struct keys *self, const uint8_t cluster[32],
	uint64_t seed, const uint8_t *preface, struct bytes *out);
bool stream_middle(struct stream *s);
void stream_end(struct stream *s, const struct bytes *payload, struct bytes *out);
void stream_opened(struct stream *s);
void stream_close(struct stream *s);

/* [class, credential] */
struct bytes greeting(unsigned klass, const struct bytes *credential);
/* All of it with this payload in message 3; false when it is refused before. */
bool stream_open(struct stream *s, uint16_t port, const struct keys *self,
	const uint8_t cluster[32], const struct bytes *payload);

/*
 * The other side of it. listen_at() takes that port of 127.0.0.1, 0 any; answer_hear() accepts who
 * comes within `ms` and keeps its preface and message 1 (false: nobody came); answer_make() makes
 * a preface (NULL: the right one) and message 2 with its length; answer_end() reads message 3
 * (false: closed) and makes the keys.
 */
int listen_at(uint16_t *port);
bool answer_hear(
	struct stream *s, int listener, const uint8_t cluster[32], struct bytes *heard, int ms);
void answer_make(struct stream *s, const struct keys *self, uint64_t seed, const uint8_t *preface,
	const struct bytes *heard, const struct bytes *payload, struct bytes *out);
bool answer_end(struct stream *s);

/* One sealed frame: type (0 more, 1 end, 2 new key) and data. */
void frame_put(struct stream *s, unsigned type, const void *data, size_t n, struct bytes *out);
/* One message, in frames. False: closed. */
bool message_send(struct stream *s, const struct bytes *message);
/* The next message within `ms`. False: closed, or none came. */
bool message_receive(struct stream *s, struct bytes *message, int ms);

/* ---- records (codec/record_cert.h) ---- */

/* [body, signature...] with the hash that names it, which may be NULL. */
void record_put(struct bytes *out, const char *tag, const struct bytes *body,
	const struct keys *const *signers, size_t n, uint8_t name[32]);

/* The hash that names a signed record. */
void record_name(uint8_t out[32], const char *tag, const struct bytes *record);

struct token {
	struct bytes cbor;        /* owns what follows */
	struct bytes log, invite; /* as they travel */
	struct keys inviter;      /* signing half only */
	uint8_t cluster[32];
	uint8_t invite_hash[32];
};

/* An entry of an authority log that adds `key`, in the name of `signer` (NULL: the genesis). */
void authority_put(struct bytes *out, const struct keys *key, const uint8_t previous[32],
	const uint8_t signer[32], const struct keys *by, uint64_t index, uint8_t name[32]);
/* What an invite is for, and from when to when, in wall time. */
struct terms {
	uint64_t roles, from_ms, until_ms;
};

void invite_terms_put(struct bytes *out, const uint8_t cluster[32], const struct keys *key,
	const struct terms *terms, const uint8_t signer[32], const struct keys *by,
	uint8_t name[32]);
/* An invite of `key` for nodes, good now, in the name of `signer`. */
void invite_put(struct bytes *out, const uint8_t cluster[32], const struct keys *key,
	const uint8_t signer[32], const struct keys *by, uint8_t name[32]);
/* That `admitter` has let in this certificate. */
void admission_put(struct bytes *out, const uint8_t cluster[32], const uint8_t cert[32],
	const uint8_t admitter[32], const struct keys *by, uint64_t admitted_ms);
/* A request to be let in, of who knocks. */
void request_put(
	struct bytes *out, const struct keys *who, const char *name, const struct keys *by);

struct token token_read(const char *path);
uint64_t wall_ms(void);

/* What a certificate says, and who signs it. */
struct cert {
	uint8_t cluster[32];
	struct keys node;
	const char *name;
	uint64_t roles, serial, issued_ms;
	uint8_t invite[32];
	const struct keys *by_node, *by_invite; /* NULL: as it should be */
};

/* A credential without admission of what a token gives. */
struct cert cert_of(const struct token *t, const struct keys *node, const char *name);
void cert_put(
	struct bytes *out, const struct cert *c, const struct keys *inviter, uint8_t name[32]);
struct bytes credential_of(const struct token *t, const struct cert *c);

/* A statement of codec/msg_swim.h, signed by `by`: alive at 127.0.0.1:port, or that it left. */
void statement_put(struct bytes *out, const uint8_t cluster[32], const uint8_t id[32],
	const struct keys *by, uint64_t incarnation, const char *name, uint16_t port);
void statement_left_put(struct bytes *out, const uint8_t cluster[32], const uint8_t id[32],
	const struct keys *by, uint64_t incarnation);

/* ---- results (codec/record_work.h) ---- */

/* Of an attempt, in the name of `node`, of an offer that nobody has made. */
struct outcome {
	const uint8_t *cluster, *run, *node, *leader;
	uint64_t generation, module, term, counter, status;
};

void outcome_put(struct bytes *record, const struct outcome *o);
/* As it travels, signed alone. */
void outcome_signed_put(struct bytes *out, const struct bytes *record, const uint8_t sig[64]);

/* ---- datagrams (core/dgram.h) ---- */

struct dgram {
	uint8_t key[32]; /* gossip */
	uint8_t cluster[32], sender[32], receiver[32];
	uint64_t boot, seq;
	const struct keys *by;
};

/* records: an encoded array. */
void dgram_put(struct bytes *out, const struct dgram *d, const struct bytes *records);
/* As it is inside: signed, and sealed by dgram_seal(). */
void dgram_sign(struct bytes *inner, const struct dgram *d, const struct bytes *records);
void dgram_seal(struct bytes *out, const struct dgram *d, const struct bytes *inner);
/* Of one that came; fills boot and seq. False: it is not of that key. */
bool dgram_open(
	const uint8_t key[32], const uint8_t *p, size_t n, struct dgram *d, struct bytes *inner);

#endif
