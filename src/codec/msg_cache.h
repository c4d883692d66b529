/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about the result cache (DESIGN 8), all in the control class, and the record it keeps.
 *
 *   [90, seq, [base32...]]                      CACHE_ASK   which records have you for these?
 *   [91, seq, [[base32, key32]...]]             CACHE_HAVE
 *   [92, seq, [key32...]]                       CACHE_GET   give me these records
 *   [93, seq, [[key32, record bstr]...]]        CACHE_GOT   those of them that are here
 *   [94, seq, signed result bstr, copies, [holder32...]]
 *                                               CACHE_HOLD  see to it that the blobs of this result
 *                                                           are on so many disks; who had them once
 *   [95, seq, [holder32...]]                    CACHE_HELD  they are on these; none: cannot
 *
 * An answer has the seq of its question, which its sender chose.
 *
 * Encoders append to a buffer and return its errors. Decoders are strict, take no memory, borrow
 * from the message, and return 0, MP_EFORMAT, MP_ETRUNC or MP_ELIMIT. Lists are checked whole
 * before; each *_next() then gives `count` elements.
 */
#ifndef MP_CODEC_MSG_CACHE_H
#define MP_CODEC_MSG_CACHE_H

#include "codec/cbor.h"
#include "codec/record_work.h"
#include "mp/base.h"
#include "mp/store.h"
#include "util/buf.h"

#define MP_MSG_CACHE_ASK  90
#define MP_MSG_CACHE_HAVE 91
#define MP_MSG_CACHE_GET  92
#define MP_MSG_CACHE_GOT  93
#define MP_MSG_CACHE_HOLD 94
#define MP_MSG_CACHE_HELD 95

/* References in one HAVE. */
#define MP_CACHE_HAVE_MAX (MP_CACHE_ASK_MAX * MP_CACHE_PER_BASE)

/* ASK and GET; HAVE; GOT. */
struct mp_msg_cache_list {
	uint64_t seq;
	size_t count;
	struct mp_cbor_r items;
};

struct mp_msg_cache_hold {
	uint64_t seq;
	struct mp_span result;  /* signed, checked for size only */
	uint32_t copies;        /* 1 to MP_COPIES_MAX */
	struct mp_list holders; /* see mp_holders_next(); at most MP_HOLDERS_MAX */
};

struct mp_msg_cache_held {
	uint64_t seq;
	struct mp_list holders;
};

/* At most MP_CACHE_ASK_MAX bases. */
int mp_msg_cache_ask_encode(
	struct mp_buf *buf, uint64_t seq, const struct mp_hash *bases, size_t n);
int mp_msg_cache_ask_decode(struct mp_span bytes, struct mp_msg_cache_list *out);

/* At most MP_CACHE_GET_MAX keys. */
int mp_msg_cache_get_encode(struct mp_buf *buf, uint64_t seq, const struct mp_hash *keys, size_t n);
int mp_msg_cache_get_decode(struct mp_span bytes, struct mp_msg_cache_list *out);

/* The next element of an ASK or a GET. */
struct mp_hash mp_msg_cache_next(struct mp_msg_cache_list *m);

/* At most MP_CACHE_HAVE_MAX references. */
int mp_msg_cache_have_encode(
	struct mp_buf *buf, uint64_t seq, const struct mp_cache_ref *refs, size_t n);
int mp_msg_cache_have_decode(struct mp_span bytes, struct mp_msg_cache_list *out);
struct mp_cache_ref mp_msg_cache_have_next(struct mp_msg_cache_list *m);

/* keys and records are parallel; what has an empty record is left out. */
int mp_msg_cache_got_encode(struct mp_buf *buf, uint64_t seq, const struct mp_hash *keys,
	const struct mp_span *records, size_t n);
int mp_msg_cache_got_decode(struct mp_span bytes, struct mp_msg_cache_list *out);
/* The next key; *record is not empty. */
struct mp_hash mp_msg_cache_got_next(struct mp_msg_cache_list *m, struct mp_span *record);

int mp_msg_cache_hold_encode(struct mp_buf *buf, uint64_t seq, struct mp_span result,
	uint32_t copies, const struct mp_node_id *holders, size_t n);
int mp_msg_cache_hold_decode(struct mp_span bytes, struct mp_msg_cache_hold *out);

int mp_msg_cache_held_encode(
	struct mp_buf *buf, uint64_t seq, const struct mp_node_id *holders, size_t n);
int mp_msg_cache_held_decode(struct mp_span bytes, struct mp_msg_cache_held *out);

/*
 * What the cache keeps under a key: ["mp-cached", 1, signed result bstr, [holder32...]], where the
 * holders are those who had its blobs when it was committed. At most MP_CACHE_RECORD_MAX bytes.
 * Also MP_EVERSION. The result is checked for size only: its signature, its signer and its
 * cache_key are the reader's to check, whoever the record comes from.
 */
struct mp_cache_record {
	struct mp_span result;
	struct mp_list holders; /* when decoded */
};
int mp_cache_record_encode(
	struct mp_buf *buf, struct mp_span result, const struct mp_node_id *holders, size_t n);
int mp_cache_record_decode(struct mp_span bytes, struct mp_cache_record *out);

#endif
