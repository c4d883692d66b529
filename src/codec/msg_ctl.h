/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mpctl and a node say to each other, and how a node passes a request on to one that knows.
 *
 * On the socket each message is a 4-byte big-endian length and a CBOR array whose first item is its
 * number. 100–149 are answered by the core, 150–199 by the shell (shell/ctlsock.h). Every request
 * gets one answer: [200, payload] or [201, code, text].
 *
 * Decoders return MP_EFORMAT, MP_ETRUNC or MP_ELIMIT and borrow from the input.
 */
#ifndef MP_CODEC_MSG_CTL_H
#define MP_CODEC_MSG_CTL_H

#include "codec/cbor.h"
#include "mp/base.h"
#include "mp/limits.h"

enum mp_ctl_number {
	MP_CTL_SUBMIT = 100, /* [100, pipeline, [[name, value]...], inputs digest|null, key|null] */
	MP_CTL_SHOW = 101,   /* [101, run] -> a run's snapshot, core/runs.h */
	MP_CTL_RUNS = 102,   /* [102] -> all known runs */
	MP_CTL_NODES = 103,  /* [103] -> all members */
	MP_CTL_WAIT = 104,   /* [104, run] -> its snapshot once it has ended */
	MP_CTL_CANCEL = 105, /* [105, run, by] */
	MP_CTL_FETCH =
		106, /* [106, [[digest, size]...], [node...]] -> they are in the local store */
	MP_CTL_LEAVE = 107, /* [107] */
	MP_CTL_OK = 200,
	MP_CTL_ERROR = 201,
};

/* Between nodes, on control streams: */
#define MP_MSG_CTL_ASK    56 /* [56, ask, hops, request] */
#define MP_MSG_CTL_ANSWER 57 /* [57, ask, answer] */

#define MP_CTL_PARAMS_MAX 256
#define MP_CTL_FETCH_MAX  65536

struct mp_ctl_request {
	enum mp_ctl_number number;
	struct mp_span run;      /* text: an id or the start of one */
	struct mp_span pipeline; /* SUBMIT */
	struct mp_span params;   /* SUBMIT: the encoded array, checked */
	struct mp_hash inputs;   /* SUBMIT: zero when there are none */
	struct mp_span key;      /* SUBMIT: empty when there is none */
	struct mp_span by;       /* CANCEL */
	struct mp_span blobs;    /* FETCH: the encoded array, checked */
	struct mp_span holders;  /* FETCH: the encoded array, checked */
};

int mp_ctl_request_decode(struct mp_span bytes, struct mp_ctl_request *out);

struct mp_ctl_param {
	struct mp_span name, value; /* UTF-8 text */
};

/* Clients' side. 0 or the error of the buffer. */
int mp_ctl_submit_encode(struct mp_buf *buf, struct mp_span pipeline,
	const struct mp_ctl_param *params, size_t param_count, const struct mp_hash *inputs,
	const char *key);
/* SHOW, WAIT, RUNS, NODES, LEAVE: run is NULL for the last three. */
int mp_ctl_simple_encode(struct mp_buf *buf, enum mp_ctl_number number, const char *run);
int mp_ctl_cancel_encode(struct mp_buf *buf, const char *run, const char *by);
int mp_ctl_fetch_encode(struct mp_buf *buf, const struct mp_hash *digests, const uint64_t *sizes,
	size_t count, const struct mp_node_id *holders, size_t holder_count);

/* Answers. payload is one encoded item. */
int mp_ctl_ok_encode(struct mp_buf *buf, struct mp_span payload);
int mp_ctl_error_encode(struct mp_buf *buf, int code, const char *text);
/* 0 with *payload, or the code that the answer carries with its text in err, or the decoder's own
 * error. */
int mp_ctl_answer_decode(struct mp_span bytes, struct mp_span *payload, struct mp_error *err);

/* Walks request.params, whose shape the decoder has checked. */
bool mp_ctl_param_next(struct mp_cbor_r *r, size_t *left, struct mp_ctl_param *out);

#endif
