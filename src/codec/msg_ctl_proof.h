/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node hands out to who checks a run for itself (mpctl verify): signed records as they are,
 * and nothing that would have to be believed. The payloads of
 *
 *   RECORD       [signed record, pipeline, signed end|null]   codec/record_run.h, record_work.h
 *   ENTRIES      [next, [entry...]]                           codec/record_run.h; oldest first
 *   CREDENTIALS  [next, [credential...]]                      codec/record_trust.h
 *
 * A page is full once its items have MP_SHOW_PAGE_BYTES; next is where the next one begins, or 0
 * when there are no more so far.
 *
 * Decoders return 0, MP_EFORMAT, MP_ETRUNC or MP_ELIMIT and check sizes only; spans are borrowed.
 * Encoders append to buf and return 0, MP_ENOMEM or MP_ELIMIT.
 */
#ifndef MP_CODEC_MSG_CTL_PROOF_H
#define MP_CODEC_MSG_CTL_PROOF_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "util/buf.h"

struct mp_ctl_record {
	struct mp_span record;
	struct mp_span pipeline;
	struct mp_span end; /* empty: the run has not ended, as far as that node knows */
};

int mp_ctl_record_encode(struct mp_buf *buf, const struct mp_ctl_record *record);
int mp_ctl_record_decode(struct mp_span payload, struct mp_ctl_record *out);

/* A page of byte strings. Begin with how many of them mp_cbor_w_span() writes next, or
 * mp_cbor_w_raw() all at once. */
void mp_ctl_proofs_begin(struct mp_cbor_w *w, uint64_t next, size_t count);

struct mp_ctl_proofs {
	uint64_t next;
	size_t left;
	struct mp_cbor_r r;
};

int mp_ctl_proofs_decode(struct mp_span payload, struct mp_ctl_proofs *out);
/* False at the end. */
bool mp_ctl_proofs_next(struct mp_ctl_proofs *page, struct mp_span *out);

#endif
