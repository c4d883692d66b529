/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic CBOR (RFC 8949 section 4.2.1), the one encoding of every message and record.
 *
 * Both sides are sticky: after the first error every call does nothing, so a decoder reads a whole
 * record and asks once, at the end. The reader walks libcbor's streaming decoder one head at a
 * time over borrowed bytes; it takes no memory, accepts definite lengths, shortest heads, UTF-8
 * text and the types below, and refuses everything else (floats, tags, indefinite lengths).
 */
#ifndef MP_CODEC_CBOR_H
#define MP_CODEC_CBOR_H

#include "mp/base.h"
#include "mp/error.h"
#include "util/buf.h"

/* ---- writing: appends to a buffer that the caller owns ---- */

struct mp_cbor_w {
	struct mp_buf *buf;
	int rc; /* 0, MP_ENOMEM or MP_ELIMIT, of the buffer */
};

void mp_cbor_w_init(struct mp_cbor_w *w, struct mp_buf *buf);
void mp_cbor_w_array(struct mp_cbor_w *w, size_t items);
void mp_cbor_w_map(struct mp_cbor_w *w, size_t pairs); /* the caller sorts keys (4.2.1) */
void mp_cbor_w_uint(struct mp_cbor_w *w, uint64_t v);
void mp_cbor_w_int(struct mp_cbor_w *w, int64_t v);
void mp_cbor_w_bool(struct mp_cbor_w *w, bool v);
void mp_cbor_w_null(struct mp_cbor_w *w);
void mp_cbor_w_bytes(struct mp_cbor_w *w, const void *p, size_t n);
void mp_cbor_w_span(struct mp_cbor_w *w, struct mp_span s); /* as a byte string */
void mp_cbor_w_text(struct mp_cbor_w *w, const char *s);    /* NUL-terminated UTF-8 */
void mp_cbor_w_text_n(struct mp_cbor_w *w, const char *s, size_t n);
void mp_cbor_w_raw(struct mp_cbor_w *w, struct mp_span encoded); /* whole encoded items */

/* ---- reading ---- */

enum mp_cbor_type {
	MP_CBOR_UINT,
	MP_CBOR_NEGINT,
	MP_CBOR_BYTES,
	MP_CBOR_TEXT,
	MP_CBOR_ARRAY,
	MP_CBOR_MAP,
	MP_CBOR_BOOL,
	MP_CBOR_NULL,
	MP_CBOR_END,   /* no bytes left */
	MP_CBOR_OTHER, /* refused when read */
};

struct mp_cbor_r {
	const uint8_t *p; /* next byte */
	const uint8_t *end;
	const uint8_t *start;
	int rc; /* 0, MP_EFORMAT, MP_ETRUNC or MP_ELIMIT; the first one stays */
};

void mp_cbor_r_init(struct mp_cbor_r *r, struct mp_span bytes);

/* Type of the next item, without reading it. */
enum mp_cbor_type mp_cbor_r_peek(const struct mp_cbor_r *r);

/* Number of items, or pairs. More than max: MP_ELIMIT. After an error: 0. */
size_t mp_cbor_r_array(struct mp_cbor_r *r, size_t max);
size_t mp_cbor_r_map(struct mp_cbor_r *r, size_t max);

/* An array of exactly n items; of at least n, with *extra the rest to skip (newer senders add
 * items at the end; mp_cbor_r_skip() each). */
void mp_cbor_r_array_exact(struct mp_cbor_r *r, size_t n);
void mp_cbor_r_array_min(struct mp_cbor_r *r, size_t n, size_t max, size_t *extra);

uint64_t mp_cbor_r_uint(struct mp_cbor_r *r, uint64_t max);
int64_t mp_cbor_r_int(struct mp_cbor_r *r);
bool mp_cbor_r_bool(struct mp_cbor_r *r);
void mp_cbor_r_null(struct mp_cbor_r *r);

/* Borrowed from the input. */
struct mp_span mp_cbor_r_bytes(struct mp_cbor_r *r, size_t max);
struct mp_span mp_cbor_r_text(struct mp_cbor_r *r, size_t max);

/* A byte string of exactly n bytes, copied to out (zeroed on error). */
void mp_cbor_r_fixed(struct mp_cbor_r *r, void *out, size_t n);

/* A text string copied to out with a NUL; refuses an embedded NUL or more than size - 1 bytes. */
void mp_cbor_r_str(struct mp_cbor_r *r, char *out, size_t size);

/* The next item whole, nested ones included, as the bytes it was encoded in; at most
 * MP_DEPTH_MAX deep. */
struct mp_span mp_cbor_r_item(struct mp_cbor_r *r);
void mp_cbor_r_skip(struct mp_cbor_r *r);

/* Every byte was read and no error happened: 0, else the error (MP_EFORMAT for trailing bytes). */
int mp_cbor_r_end(const struct mp_cbor_r *r);

/* Offset of the next byte, for messages. */
size_t mp_cbor_r_offset(const struct mp_cbor_r *r);

#endif
