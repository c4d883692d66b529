/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encrypted stream between two peers as a pure state machine: bytes in, events and bytes out.
 *
 * On the wire, all integers big-endian:
 *
 *	preface    8d "MPS", lowest (u16) and highest (u16) protocol version      each side, first
 *	handshake  length (u16), Noise XX message                                 three of them
 *	frame      length (u16), sealed: type (1), data                           from then on
 *
 * Types: 0 data, more of this message follows; 1 data, the message ends; 2 no data, and the sender
 * has a new key after it. Noise's prologue is "meshpipe-stream" and a NUL, the cluster id and both
 * prefaces, the opener's first, so peers of two clusters, or with a preface changed on the way, do
 * not come to terms. The version spoken is the highest that both speak. Message 1 has no payload;
 * those of 2 and 3 are the caller's: shell/stream.h.
 *
 * Who does not know the cluster yet knocks: the opener's preface begins with 8d "MPK" then, and the
 * cluster id in the prologue is zero on both sides. What a responder lets such a peer do is the
 * caller's.
 *
 *	initiator: preface, 1 ->        <- preface, 2        3, frames ->
 *
 * The first error ends the session: keys are wiped, what was not yet written is dropped, nothing
 * more is sent (but the responder's preface, so that a peer of another version learns why), and
 * every later call returns the same error. Timeouts and the number of half-open sessions are the
 * caller's.
 */
#ifndef MP_CODEC_FRAME_H
#define MP_CODEC_FRAME_H

#include "codec/noise.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "util/buf.h"

#define MP_PREFACE_SIZE 8

struct mp_session_config {
	enum mp_noise_role role;
	const struct mp_alloc *alloc; /* this and the next two: borrowed for the session's life */
	const struct mp_crypto *crypto;
	const struct mp_secret *secret;
	struct mp_xkey static_key;
	struct mp_cluster_id cluster;
	bool knock;                    /* INITIATOR: the cluster is not known */
	uint16_t proto_min, proto_max; /* 1 or above */
};

enum mp_session_event_type {
	MP_SESSION_NONE,      /* the input is used up */
	MP_SESSION_HANDSHAKE, /* answer with mp_session_reply(), or give the session up */
	MP_SESSION_MESSAGE,
};

struct mp_session_event {
	enum mp_session_event_type type;
	unsigned step;       /* HANDSHAKE: the Noise message that came, 1 to 3 */
	struct mp_span data; /* its payload (of 1: none), or the message */
	struct mp_xkey peer; /* HANDSHAKE 2 and 3: the peer's static key */
};

enum mp_session_state {
	MP_SESSION_PREFACE, /* the peer's preface comes next */
	MP_SESSION_WAIT,    /* a handshake message comes next */
	MP_SESSION_ASKED,   /* mp_session_reply() comes next */
	MP_SESSION_OPEN,
	MP_SESSION_DEAD,
};

/* Read through the functions below. */
struct mp_session {
	struct mp_session_config config;
	enum mp_session_state state;
	uint16_t proto;
	bool delivered; /* an event borrows `message` */
	uint8_t preface[2][MP_PREFACE_SIZE];
	uint8_t entropy[32];
	uint8_t hash[MP_SHA512_SIZE];
	struct mp_noise noise;
	struct {
		struct mp_noise_cipher cipher;
		uint64_t frames, bytes; /* under this key */
		mp_time since_ms;
	} send, receive;
	struct mp_buf input;   /* the start of what is not yet whole */
	struct mp_buf message; /* one byte of slack, then the message so far */
	struct mp_buf output;
	size_t written; /* of output */
	struct mp_error err;
};

/*
 * `entropy` is 32 fresh random bytes. The initiator has its first bytes to send afterwards.
 * 0 or MP_ENOMEM; mp_session_fini() is due in either case.
 */
int mp_session_init(
	struct mp_session *s, const struct mp_session_config *config, const uint8_t entropy[32]);
void mp_session_fini(struct mp_session *s);

/*
 * Consumes from the front of *input until there is an event; with MP_SESSION_NONE all of it is
 * gone. Call again until then. The event's data is borrowed until the next call. Errors:
 * MP_EFORMAT (not our protocol, or against it), MP_EVERSION (no common version), MP_ESIG (does
 * not verify), MP_ELIMIT (message too large), MP_ENOMEM.
 */
int mp_session_next(struct mp_session *s, struct mp_span *input, struct mp_session_event *event);

/*
 * Answers MP_SESSION_HANDSHAKE before the next mp_session_next(): step 1 (responder) and step 2
 * (initiator) with this side's payload, step 3 with an empty one. After step 2 and 3 the session
 * is open. Calling it means that the peer was found good. MP_ELIMIT for more than MP_HANDSHAKE_MAX
 * (the session lives), MP_ESIG, MP_ENOMEM.
 */
int mp_session_reply(struct mp_session *s, struct mp_span payload, mp_time now_ms);

static inline bool
mp_session_is_open(const struct mp_session *s)
{
	return s->state == MP_SESSION_OPEN;
}

/* Seals one message, which may be empty, to the output. The session is open (or dead). MP_ELIMIT
 * when it is over MP_MSG_MAX or the output would be over MP_STREAM_QUEUE_MAX, and MP_ENOMEM: the
 * session lives and nothing was queued. */
int mp_session_send(struct mp_session *s, struct mp_span message, mp_time now_ms);

/* Bytes to write, borrowed until the next call; report what was written. */
struct mp_span mp_session_output(const struct mp_session *s);
void mp_session_sent(struct mp_session *s, size_t n);

/*
 * The same for writers that need the bytes to stay: swaps the output with the buffer *into, which
 * is empty, initialised, and of the same allocator. It is the caller's then.
 */
void mp_session_take(struct mp_session *s, struct mp_buf *into);

/* Does the opener knock? Known from the first event on. */
static inline bool
mp_session_knocks(const struct mp_session *s)
{
	return s->config.knock;
}

/* The version spoken and the handshake's hash, which names this session; it is open. */
uint16_t mp_session_proto(const struct mp_session *s);
const uint8_t *mp_session_hash(const struct mp_session *s);

/* Why the session is dead; code 0 while it lives. */
const struct mp_error *mp_session_error(const struct mp_session *s);

#endif
