/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members tell each other about members.
 *
 * Records 1-29 travel in datagrams, several in one; any of them may also be a message of its own on
 * a control stream. Messages 32-39 travel on control streams only.
 *
 *   1 PING      [1, seq, view8, slots_used, wall_ms, attempts, leads, drained, runs]    2 ACK, the
 *               same; the last one, four, or five, are left out when they are zero
 *   3 PING_REQ  [3, seq, target32]               ask the receiver to ping target
 *   4 NACK      [4, seq]                         target has not answered the receiver so far
 *   5 IND_ACK   [5, seq]                         target answered the receiver
 *   7 CRED      [7, credential bstr]             a member's credential
 *   8 STATEMENT [8, statement]                   alive or left, signed by its subject
 *   9 SUSPECT   [9, subject32, incarnation, from32]   10 DEAD, the same
 *  11 REVOKED   [11, revocation bstr]            codec/record_revoke.h
 *
 *  32 VIEW      [32, [[id32, incarnation, state]...], trust8]   all the sender knows; state: enum
 *               mp_view; trust8, a digest of what TRUST carries, may be missing; behind it, where
 *               it answers SUMS, the buckets that it is of, one bit each
 *  33 DELTA     [33, [credential bstr...], [statement...], [[id32, incarnation, state]...],
 *               [id32...]] what the receiver lacked; last, what the sender lacks itself
 *  34 CAPS_GET  [34, [digest32...]]
 *  35 CAPS      [35, [caps bstr...]]
 *  36 JOIN      [36, credential bstr, statement]
 *  37 JOINED    [37, credential bstr, [[epoch, key32]...], [credential bstr...], [statement...],
 *               [[log...], [revocation bstr...]], wan]   the last one, a bool, may be missing
 *  38 JOIN_REFUSED [38, code, text]
 *  39 TRUST     [39, answer, trust8, [authority log...], [revocation bstr...], [[epoch, key32]...]]
 *               all that the sender knows; answer: with the same, by who has more
 *  96 SUMS      [96, [digest4...] as one bstr, trust8]   what VIEW says, in 2^k buckets of members
 *               (mp_sums_bucket()), of each the xor of its members' digests, the suspect not as the
 *               living. Answered by the VIEW of those that differ; by a node that does not know it,
 *               not at all
 *
 * A statement is [record bstr, sig bstr64], Ed25519 over hash(record):
 *   ["mp-alive", 1, cluster32, id32, incarnation, name, [[ip16, port]...], proto_min, proto_max,
 *    roles, status, caps_digest32|null]
 *   ["mp-left", 1, cluster32, id32, incarnation]
 * No address at all says that nobody can open a stream to its subject, which opens its own.
 * Longer arrays are from newer nodes, the rest is skipped; but not in what is signed: a changed
 * record has a new version number.
 */
#ifndef MP_CODEC_MSG_SWIM_H
#define MP_CODEC_MSG_SWIM_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/limits.h"
#include "mp/member.h"

enum mp_swim_kind {
	MP_SWIM_PING = 1,
	MP_SWIM_ACK = 2,
	MP_SWIM_PING_REQ = 3,
	MP_SWIM_NACK = 4,
	MP_SWIM_IND_ACK = 5,
	MP_SWIM_CRED = 7,
	MP_SWIM_STATEMENT = 8,
	MP_SWIM_SUSPECT = 9,
	MP_SWIM_DEAD = 10,
	MP_SWIM_REVOKED = 11,
};
#define MP_SWIM_RECORD_LAST 29

enum mp_member_msg {
	MP_MSG_VIEW = 32,
	MP_MSG_DELTA = 33,
	MP_MSG_CAPS_GET = 34,
	MP_MSG_CAPS = 35,
	MP_MSG_JOIN = 36,
	MP_MSG_JOINED = 37,
	MP_MSG_JOIN_REFUSED = 38,
	MP_MSG_TRUST = 39,
	MP_MSG_SUMS = 96,
};

/* Bounds of one message. */
#define MP_STATEMENT_MAX 640 /* one signed statement, encoded */
#define MP_CAPS_ASK_MAX  256 /* digests in one CAPS_GET */
#define MP_JOIN_TEXT_MAX 256
#define MP_GOSSIP_KEYS   4
#define MP_SUMS_MIN      16 /* buckets of SUMS */
#define MP_SUMS_MAX      1024

/* ---- datagram records ---- */

struct mp_swim_record {
	enum mp_swim_kind kind;
	union {
		struct { /* PING, ACK */
			uint64_t seq;
			uint64_t view; /* digest of the sender's view */
			struct mp_load load;
			mp_time wall_ms; /* the sender's clock; 0: not said */
		} ping;
		struct { /* PING_REQ; target not with NACK and IND_ACK */
			uint64_t seq;
			struct mp_node_id target;
		} ask;
		struct mp_span credential;
		struct mp_span statement;
		struct mp_span revocation;
		struct { /* SUSPECT, DEAD */
			struct mp_node_id subject;
			uint64_t incarnation;
			struct mp_node_id from;
		} accuse;
	} u;
};

void mp_swim_record_write(struct mp_cbor_w *w, const struct mp_swim_record *record);

/* Spans in *out point into bytes. MP_EFORMAT, MP_ETRUNC, MP_ELIMIT; MP_EUNSUPPORTED for a kind
 * that this version does not know (to be skipped). */
int mp_swim_record_read(struct mp_span bytes, struct mp_swim_record *out);

/* The number that a record or message begins with; 0 when it does not begin with one. */
uint64_t mp_msg_kind(struct mp_span bytes);

/* ---- statements ---- */

struct mp_statement {
	bool left; /* then only id and incarnation count */
	struct mp_node_id id;
	uint64_t incarnation;
	struct mp_name name;
	struct mp_addr addrs[MP_ADDRS_MAX];
	uint32_t addr_count; /* 0: nobody can reach it, it reaches others */
	uint32_t proto_min, proto_max;
	uint32_t roles;
	enum mp_member_status status;
	bool has_caps;
	struct mp_hash caps_digest;
};

/* Appends the signed statement; `secret` is the key of statement->id. MP_ENOMEM, MP_ELIMIT. */
int mp_statement_sign(const struct mp_statement *statement, const struct mp_cluster_id *cluster,
	const struct mp_crypto *crypto, const struct mp_secret *secret, struct mp_buf *buf);

/* Reads it without a look at the signature. MP_EFORMAT, MP_ETRUNC, MP_ELIMIT, MP_EVERSION;
 * MP_ECLUSTER when it is of another cluster. */
int mp_statement_read(
	struct mp_span bytes, const struct mp_cluster_id *cluster, struct mp_statement *out);

/* Did out->id sign these bytes, which mp_statement_read() accepted? 0 or MP_ESIG. */
int mp_statement_verify(
	struct mp_span bytes, const struct mp_statement *out, const struct mp_crypto *crypto);

/* ---- view exchange ---- */

enum mp_view {
	MP_VIEW_ALIVE = 0,
	MP_VIEW_SUSPECT = 1,
	MP_VIEW_DEAD = 2,
	MP_VIEW_LEFT = 3,
	MP_VIEW_UNKNOWN = 4, /* the sender has no news of its own */
};

struct mp_view_entry {
	struct mp_node_id id;
	uint64_t incarnation;
	enum mp_view state;
};

void mp_view_entry_write(struct mp_cbor_w *w, const struct mp_view_entry *entry);

/* A message in parts. Lists are spans of `count` encoded items, checked when they are walked. */
struct mp_part {
	struct mp_span items;
	size_t count;
};

struct mp_delta_msg {
	struct mp_part credentials, statements, view, wanted;
};
struct mp_joined_msg {
	struct mp_span credential;
	struct mp_part keys, credentials, statements;
	struct mp_part logs, revocations; /* none from an older node */
	bool has_profile, wan;
};
struct mp_trust_msg {
	bool answer;
	uint64_t digest;
	struct mp_part logs, revocations, keys;
};
struct mp_view_msg {
	struct mp_part view;
	bool has_trust;
	uint64_t trust;
	struct mp_span buckets; /* bits, from the lowest of the first byte; empty: it is of all */
};
struct mp_sums_msg {
	struct mp_span sums; /* 4 bytes for each bucket */
	uint64_t trust;
};

/* Entries follow, then mp_view_msg_end() with the same `buckets`, empty when it is of all members;
 * else MP_SUMS_MIN to MP_SUMS_MAX bits, a power of two. */
void mp_view_msg_begin(struct mp_cbor_w *w, size_t entries, struct mp_span buckets);
void mp_view_msg_end(struct mp_cbor_w *w, uint64_t trust, struct mp_span buckets);
void mp_sums_msg_write(struct mp_cbor_w *w, const struct mp_sums_msg *msg);
/* The bucket, of so many, in which this member is. */
size_t mp_sums_bucket(const struct mp_node_id *id, size_t buckets);
/* Three lists follow. */
void mp_trust_msg_begin(struct mp_cbor_w *w, bool answer, uint64_t digest);
/* 0, MP_EFORMAT, MP_ETRUNC, MP_ELIMIT, for all of these; lists are well-formed, items unread. */
int mp_view_msg_read(struct mp_span bytes, struct mp_view_msg *out);
int mp_sums_msg_read(struct mp_span bytes, struct mp_sums_msg *out);
int mp_trust_msg_read(struct mp_span bytes, struct mp_trust_msg *out);
int mp_delta_msg_read(struct mp_span bytes, struct mp_delta_msg *out);
int mp_joined_msg_read(struct mp_span bytes, struct mp_joined_msg *out);
int mp_join_msg_read(struct mp_span bytes, struct mp_span *credential, struct mp_span *statement);
int mp_join_refused_read(struct mp_span bytes, int64_t *code, char text[MP_JOIN_TEXT_MAX + 1]);
/* CAPS_GET and CAPS. */
int mp_caps_msg_read(struct mp_span bytes, enum mp_member_msg kind, struct mp_part *out);

/* Walks a list: the next item, and its parts. False at the end; malformed: false and *rc set. */
bool mp_list_next(struct mp_part *list, struct mp_span *item);
bool mp_list_next_bytes(struct mp_part *list, size_t max, struct mp_span *bytes, int *rc);
bool mp_list_next_entry(struct mp_part *list, struct mp_view_entry *entry, int *rc);
bool mp_list_next_id(struct mp_part *list, struct mp_node_id *id, int *rc);
bool mp_list_next_key(struct mp_part *list, uint64_t *epoch, uint8_t key[32], int *rc);

#endif
