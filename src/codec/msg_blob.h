/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about blobs. GET, DATA and NONE travel in the bulk class, HOLD and HELD in control.
 *
 *   [80, digest32, offset, size]                BLOB_GET   send me this piece
 *   [81, digest32, total, offset, bytes]        BLOB_DATA  here it is; the blob has `total` bytes
 *   [82, digest32]                              BLOB_NONE  I do not have it
 *   [83, req, [[digest32, size|null]...]]       HOLD       keep copies, on disk; fetch them from me
 *   [84, req, ok]                               HELD       done, or cannot
 *
 * Encoders append to a buffer and return its errors. Decoders are strict, take no memory, borrow
 * from the message, and return 0, MP_EFORMAT, MP_ETRUNC or MP_ELIMIT.
 */
#ifndef MP_CODEC_MSG_BLOB_H
#define MP_CODEC_MSG_BLOB_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/store.h"
#include "util/buf.h"

#define MP_MSG_BLOB_GET  80
#define MP_MSG_BLOB_DATA 81
#define MP_MSG_BLOB_NONE 82
#define MP_MSG_HOLD      83
#define MP_MSG_HELD      84

/* In a blob reference: nobody has said how large it is. */
#define MP_SIZE_UNKNOWN UINT64_MAX

/* Blobs of one HOLD: a full manifest's files, the manifest, two logs and a value. */
#define MP_HOLD_REFS_MAX (MP_MANIFEST_FILES_MAX + 4)

struct mp_msg_blob_get {
	struct mp_hash digest;
	uint64_t offset; /* a multiple of MP_CHUNK_SIZE */
	uint32_t size;   /* 1 to MP_CHUNK_SIZE */
};

struct mp_msg_blob_data {
	struct mp_hash digest;
	uint64_t total;
	uint64_t offset;
	struct mp_span bytes; /* ends at the total or earlier; empty only when the total is 0 */
};

struct mp_msg_hold {
	uint64_t req;
	size_t count;
	struct mp_cbor_r items; /* see mp_msg_hold_next() */
};

struct mp_msg_held {
	uint64_t req;
	bool ok;
};

int mp_msg_blob_get_encode(struct mp_buf *buf, const struct mp_msg_blob_get *m);
int mp_msg_blob_get_decode(struct mp_span bytes, struct mp_msg_blob_get *out);

int mp_msg_blob_data_encode(struct mp_buf *buf, const struct mp_msg_blob_data *m);
int mp_msg_blob_data_decode(struct mp_span bytes, struct mp_msg_blob_data *out);

int mp_msg_blob_none_encode(struct mp_buf *buf, const struct mp_hash *digest);
int mp_msg_blob_none_decode(struct mp_span bytes, struct mp_hash *digest);

/* A HOLD is written head first, then `count` references. */
int mp_msg_hold_head(struct mp_buf *buf, uint64_t req, size_t count);
int mp_msg_hold_ref(struct mp_buf *buf, const struct mp_blob_ref *ref);
/* Checks all references; mp_msg_hold_next() then gives `count` of them. */
int mp_msg_hold_decode(struct mp_span bytes, struct mp_msg_hold *out);
struct mp_blob_ref mp_msg_hold_next(struct mp_msg_hold *m);

int mp_msg_held_encode(struct mp_buf *buf, const struct mp_msg_held *m);
int mp_msg_held_decode(struct mp_span bytes, struct mp_msg_held *out);

#endif
