/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a cluster as a node answers NODES and mpctl shows them (DESIGN 10); runs are in
 * codec/msg_show.h.
 *
 *   [members, from, [member...], self]
 *   member [node, address18|null, state, status, used, capabilities|null,
 *           attempts, leads, drained, rtt_ms|null, silent_ms|null, skew_ms|null, path,
 *           reaches_out, revoked]
 *   self   [id32, health, isolated, [since_ms, by]|null]: of the node that answers; the last if it
 *           drains
 *   node   [id32, name]
 *
 * Members come in pages: who asks says from where and how many at most, who answers gives fewer
 * when the page is full, and at least one if there is one. Longer arrays are from a newer node; the
 * rest of them is skipped.
 *
 * Encoders append and return 0 or the error of the buffer. Decoders take hostile bytes, return
 * MP_EFORMAT, MP_ETRUNC or MP_ELIMIT, and borrow from the input; names are text.
 */
#ifndef MP_CODEC_SNAPSHOT_H
#define MP_CODEC_SNAPSHOT_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/limits.h"
#include "mp/member.h"

/* The words of DESIGN 10; never NULL. */
const char *mp_member_state_word(enum mp_member_state state);
const char *mp_member_status_word(enum mp_member_status status);
/* NULL for MP_PATH_NONE. */
const char *mp_path_word(enum mp_path path);

/* A page is closed once its items have this many bytes. */
#define MP_SNAP_PAGE_BYTES (1024u * 1024)
/* Items that are asked for when all are wanted. */
#define MP_SNAP_COUNT_MAX 65536u

struct mp_snap_node {
	struct mp_node_id id; /* zero: nobody */
	struct mp_span name;  /* at most MP_NAME_MAX bytes; empty: not known */
};

struct mp_snap_member {
	struct mp_snap_node node;
	struct mp_addr addr; /* port 0: not known */
	enum mp_member_state state;
	enum mp_member_status status;
	struct mp_load load;
	struct mp_span caps; /* encoded, codec/caps.h; empty: not known */
	/* From where the answering node stands; below 0, and without has_skew: not known. */
	int64_t rtt_ms;
	int64_t silent_ms; /* since it was heard last */
	int64_t skew_ms;   /* its clock less the answering node's */
	bool has_skew;
	enum mp_path path;
	bool reaches_out; /* nobody can open a stream to it */
	bool revoked;     /* its state is LEFT then */
};

/* A page of members is encoded one by one into a buffer of its own, then the list around it. */
int mp_snap_member_encode(struct mp_buf *items, const struct mp_snap_member *member);
struct mp_snap_self {
	struct mp_node_id id;
	uint32_t health; /* local health multiplier, 0 is well */
	bool isolated;   /* so many fell silent at once that it must be this node */
	bool drains;
	mp_time drains_since_ms;
	struct mp_span drained_by;
};

int mp_snap_nodes_encode(struct mp_buf *buf, uint32_t member_count, uint32_t from, uint32_t count,
	struct mp_span items, const struct mp_snap_self *self);
int mp_snap_nodes_decode(struct mp_span payload, uint32_t *member_count, uint32_t *from,
	uint32_t *count, struct mp_cbor_r *members);
/* MP_ENOENT: an older node, which does not tell. */
int mp_snap_self_decode(struct mp_span payload, struct mp_snap_self *out);
int mp_snap_member_next(struct mp_cbor_r *members, struct mp_snap_member *out);

#endif
