/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between the electors of a run, and heartbeats between nodes. Each is one deterministic
 * CBOR array whose first element is its number.
 *
 *   PREVOTE      [40, run16, generation, term, last_index, last_term]   term: the one it would have
 *   PREVOTE_ACK  [41, run16, generation, term, granted, own_term]
 *   VOTE         [42, run16, generation, term, last_index, last_term, transfer]
 *   VOTE_ACK     [43, run16, generation, term, granted, sig64|null]     term: the voter's own
 *   APPEND       [44, run16, generation, term, seq, sent_ms, prev_index, prev_hash32, commit,
 *                 certificate|null, [entry...]]
 *   APPEND_ACK   [45, run16, generation, term, seq, sent_ms, ok, match_index, hint, loss]
 *   TIMEOUT_NOW  [46, run16, generation, term]
 *   PULSE        [30 or 47, seq, [[run16, generation, term, commit]...]]
 *   PULSE_ACK    [31 or 48, seq, [[run16, term]...]]   runs that do not count: the receiver's term
 *                                                      is higher, or equal when it has lost what
 *                                                      it had, or 0 when it has nothing of the run
 *
 * loss is 0, or the answer counts for nothing: its elector has lost what it had of the run (core/
 * raft.h). 40 to 46 go over control streams. Heartbeats are records of datagrams (30, 31) and, when
 * datagrams do not get through, messages (47, 48). seq and sent_ms come back as they were sent.
 *
 * Decoders take hostile bytes and return 0, MP_EFORMAT, MP_ETRUNC or MP_ELIMIT; after an error
 * *out is unspecified. Spans in *out are borrowed from the input. Encoders append to buf and return
 * 0, MP_ENOMEM or MP_ELIMIT.
 */
#ifndef MP_CODEC_MSG_RAFT_H
#define MP_CODEC_MSG_RAFT_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/limits.h"

enum mp_msg_raft_kind {
	MP_MSG_PULSE_RECORD = 30,
	MP_MSG_PULSE_ACK_RECORD = 31,
	MP_MSG_PREVOTE = 40,
	MP_MSG_PREVOTE_ACK = 41,
	MP_MSG_VOTE = 42,
	MP_MSG_VOTE_ACK = 43,
	MP_MSG_APPEND = 44,
	MP_MSG_APPEND_ACK = 45,
	MP_MSG_TIMEOUT_NOW = 46,
	MP_MSG_PULSE = 47,
	MP_MSG_PULSE_ACK = 48,
};

struct mp_msg_raft {
	enum mp_msg_raft_kind kind; /* PREVOTE to TIMEOUT_NOW */
	struct mp_run_id run;
	uint64_t generation;
	uint64_t term;
	union {
		struct { /* PREVOTE, VOTE */
			uint64_t last_index;
			uint64_t last_term;
			bool transfer; /* VOTE: the leader itself asked for it */
		} vote;
		struct { /* PREVOTE_ACK, VOTE_ACK */
			bool granted;
			uint64_t own_term; /* PREVOTE_ACK */
			struct mp_sig sig; /* VOTE_ACK that is granted */
		} voted;
		struct { /* APPEND */
			uint64_t seq;
			mp_time sent_ms;
			uint64_t prev_index;
			struct mp_hash prev_hash;
			uint64_t commit;
			struct mp_span certificate;    /* empty: none */
			const struct mp_span *entries; /* to encode; NULL when decoded */
			size_t entry_count;
			struct mp_cbor_r items; /* decoded: for mp_msg_raft_entry() */
		} append;
		struct { /* APPEND_ACK */
			uint64_t seq;
			mp_time sent_ms;
			bool ok;
			uint64_t match_index; /* ok: durable and equal up to here */
			uint64_t hint;        /* not ok: try after this one */
			uint64_t loss;        /* names a loss; 0: it counts */
		} appended;
	} u;
};

int mp_msg_raft_encode(struct mp_buf *buf, const struct mp_msg_raft *msg);
int mp_msg_raft_decode(struct mp_span bytes, struct mp_msg_raft *out);

/* The next entry of a decoded APPEND; false at the end. */
bool mp_msg_raft_entry(struct mp_msg_raft *msg, struct mp_span *entry);

/* Which run and generation a message 40 to 46 is for, to dispatch it. The rest is unread. */
int mp_msg_raft_run(struct mp_span bytes, struct mp_run_id *run, uint64_t *generation);

/* ---- heartbeats ---- */

/* One element of PULSE; of PULSE_ACK only run and term. */
struct mp_pulse_run {
	struct mp_run_id run;
	uint64_t generation;
	uint64_t term;
	uint64_t commit;
};

struct mp_msg_pulse {
	bool ack;
	bool record; /* of a datagram */
	uint64_t seq;
	size_t count;
	struct mp_cbor_r items; /* for mp_msg_pulse_next() */
};

/* What heads and one element take, at most. */
#define MP_PULSE_HEAD_MAX 16
#define MP_PULSE_ITEM_MAX 46

int mp_msg_pulse_encode(struct mp_buf *buf, enum mp_msg_raft_kind kind, uint64_t seq,
	const struct mp_pulse_run *runs, size_t n);
/* At most MP_RUNS_MAX elements. */
int mp_msg_pulse_decode(struct mp_span bytes, struct mp_msg_pulse *out);
bool mp_msg_pulse_next(struct mp_msg_pulse *msg, struct mp_pulse_run *out);

#endif
