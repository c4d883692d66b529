/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about work and about opening runs, all of class control: each is one deterministic CBOR
 * array whose first element is its number.
 *
 * Decoders take hostile bytes: MP_EFORMAT, MP_ETRUNC or MP_ELIMIT, and *out is unspecified then.
 * Spans and lists in *out are borrowed from the input; lists (codec/record_work.h) were checked
 * whole. Encoders append to buf and return 0, MP_ENOMEM or MP_ELIMIT.
 */
#ifndef MP_CODEC_MSG_WORK_H
#define MP_CODEC_MSG_WORK_H

#include "codec/record_work.h"
#include "mp/base.h"
#include "mp/limits.h"

enum mp_msg_work {
	/* opener and electors; all members */
	MP_MSG_RUN_HAVE = 49,
	MP_MSG_RUN_OPEN = 50,
	MP_MSG_RUN_ACCEPT = 51,
	MP_MSG_RUN_REFUSE = 52,
	MP_MSG_RUN_KNOWN = 53,
	MP_MSG_RUN_WANT = 54,
	MP_MSG_RUN_ABORT = 55,
	MP_MSG_RUN_TIP_ASK = 58,
	MP_MSG_RUN_TIP = 59,
	/* leader to worker */
	MP_MSG_WORK_LEAD = 60,
	MP_MSG_WORK_ASSIGN = 61,
	MP_MSG_WORK_STATUS_REQ = 62,
	MP_MSG_WORK_SETTLED = 63,
	MP_MSG_WORK_KILL = 64,
	MP_MSG_WORK_END = 65,
	MP_MSG_WORK_LEASE = 66,
	/* worker to leader */
	MP_MSG_WORK_WHO = 70,
	MP_MSG_WORK_STATUS = 71,
	MP_MSG_WORK_RESULT = 72,
	MP_MSG_WORK_REJECT = 73,
	MP_MSG_WORK_FREE = 74,
	MP_MSG_WORK_RENEW = 75,
	/* between electors */
	MP_MSG_RUN_SECRETS = 76,
};

/* Items of one WORK_ASSIGN. */
#define MP_WORK_ASSIGN_MAX   1024
#define MP_SIGNED_RECORD_MAX (256u * 1024)
#define MP_CERTIFICATE_MAX   4096

/* First element of a message; 0 for what is no message. */
uint64_t mp_msg_number(struct mp_span bytes);

/* Which run a message 60 to 73, or 75, is about, to dispatch it. The rest is unread. */
int mp_msg_work_run(struct mp_span bytes, struct mp_run_id *run);

/* ---- opening ---- */

/* [50, signed run record, pipeline, [holder of the run's inputs...], boot, ? sealed secrets]: from
 * the opener, or from any elector that was asked for it. */
struct mp_msg_run_open {
	struct mp_span record; /* signed run record, codec/record_run.h */
	struct mp_span pipeline;
	struct mp_list inputs; /* mp_holders_next() */
	struct mp_span sealed; /* secrets, codec/record_secret.h; empty: there are none */
	uint64_t boot; /* of the receiver, as known when the record was made, which is not older; 0
			*/
};
int mp_msg_run_open_encode(struct mp_buf *buf, const struct mp_msg_run_open *m,
	const struct mp_node_id *inputs, size_t n);
int mp_msg_run_open_decode(struct mp_span bytes, struct mp_msg_run_open *out);

/* [51, run]: the record and the pipeline are on this elector's disk. */
int mp_msg_run_accept_encode(struct mp_buf *buf, const struct mp_run_id *run);
int mp_msg_run_accept_decode(struct mp_span bytes, struct mp_run_id *run);

/* [52, run, text]: this elector does not take part; after ABORT it says that it has forgotten the
 * run for good. */
int mp_msg_run_refuse_encode(struct mp_buf *buf, const struct mp_run_id *run, struct mp_span text);
int mp_msg_run_refuse_decode(struct mp_span bytes, struct mp_run_id *run, struct mp_span *text);

/* [54, run]: an elector was asked to vote in or follow a run that it has not got. */
int mp_msg_run_want_encode(struct mp_buf *buf, const struct mp_run_id *run);
int mp_msg_run_want_decode(struct mp_span bytes, struct mp_run_id *run);

/* [55, run]: the opener gives up these electors for others; nothing has started. */
int mp_msg_run_abort_encode(struct mp_buf *buf, const struct mp_run_id *run);
int mp_msg_run_abort_decode(struct mp_span bytes, struct mp_run_id *run);

/* [76, run, sealed secrets|null]: null asks for them. */
int mp_msg_run_secrets_encode(
	struct mp_buf *buf, const struct mp_run_id *run, struct mp_span sealed);
int mp_msg_run_secrets_decode(struct mp_span bytes, struct mp_run_id *run, struct mp_span *sealed);

/* [53, signed run record, signed end | null] */
struct mp_msg_run_known {
	struct mp_span record;
	struct mp_span end; /* codec/record_work.h; empty: not known to have ended */
};
int mp_msg_run_known_encode(struct mp_buf *buf, const struct mp_msg_run_known *m);
int mp_msg_run_known_decode(struct mp_span bytes, struct mp_msg_run_known *out);

/* [58, run]: how far does the log go that you hold? [59, run, generation, index, term, hash32,
 * led, lost]: so far, on disk; led: a leader is heard; lost: it has no vote, core/raft.h. */
struct mp_run_tip {
	struct mp_run_id run;
	uint64_t generation;
	uint64_t index, term; /* of the last entry; 0: none */
	struct mp_hash hash;  /* of it, or of the run record */
	bool led, lost;
};
int mp_msg_run_tip_ask_encode(struct mp_buf *buf, const struct mp_run_id *run);
int mp_msg_run_tip_ask_decode(struct mp_span bytes, struct mp_run_id *run);
int mp_msg_run_tip_encode(struct mp_buf *buf, const struct mp_run_tip *tip);
int mp_msg_run_tip_decode(struct mp_span bytes, struct mp_run_tip *out);

/* [49, [[run, ended, generation, naming8]...]]: the newest runs that the sender knows of. naming:
 * as much of it as tells rival takeovers apart. */
#define MP_RUN_HAVE_MAX 512
struct mp_run_have {
	struct mp_run_id run;
	bool ended;
	uint64_t generation;
	uint8_t naming[8];
};
int mp_msg_run_have_encode(struct mp_buf *buf, const struct mp_run_have *runs, size_t n);
int mp_msg_run_have_decode(struct mp_span bytes, struct mp_list *out);
bool mp_run_have_next(struct mp_list *list, struct mp_run_have *out);

/* ---- leader to worker ---- */

/* What every message of a leader, or to one, names. */
struct mp_work_head {
	struct mp_run_id run;
	uint64_t generation;
	uint64_t term;
};

/* [60, signed run record, certificate]: introduces a leader; the first message of a term to that
 * worker, and the answer to WORK_WHO. */
struct mp_msg_work_lead {
	struct mp_span record;
	struct mp_span certificate;
};
int mp_msg_work_lead_encode(struct mp_buf *buf, const struct mp_msg_work_lead *m);
int mp_msg_work_lead_decode(struct mp_span bytes, struct mp_msg_work_lead *out);

/*
 * [61, run, generation, term, [item...], [holder of the run's inputs...], ? secrets]
 * item: [module, counter, attempt number, name, spec, offer signature, [dep...]]
 * dep: [instance name, signed result, [holder...]]
 * The offer that is signed (over its hash) is encoded by the worker from: its own cluster and id,
 * head, module and counter, the hash of spec, and mp_inputs_hash() of the run record's inputs
 * manifest and the dependencies' result records.
 * secrets: what the items take, values of codec/record_secret.h in clear: this is for streams only.
 */
struct mp_work_dep {
	struct mp_span name;
	struct mp_span result; /* signed */
	struct mp_list holders;
};
struct mp_work_item {
	uint32_t module;
	uint32_t counter;
	uint32_t attempt_number; /* 1 for the first, for MP_ATTEMPT */
	struct mp_span name;
	struct mp_span spec;
	struct mp_sig offer_sig;
	struct mp_list deps; /* mp_work_dep_next() */
};
struct mp_msg_work_assign {
	struct mp_work_head head;
	struct mp_list items;   /* mp_work_item_next() */
	struct mp_list inputs;  /* mp_holders_next() */
	struct mp_span secrets; /* values, checked; empty: none */
};
int mp_msg_work_assign_decode(struct mp_span bytes, struct mp_msg_work_assign *out);
bool mp_work_item_next(struct mp_list *list, struct mp_work_item *out);
bool mp_work_dep_next(struct mp_list *list, struct mp_work_dep *out);

/* Encoding goes piece by piece, each announced number of pieces in full:
 *   begin (items); each item (deps) with its deps; end. Errors stay in w->rc. */
void mp_work_assign_begin(
	struct mp_cbor_w *w, const struct mp_work_head *head, size_t items, bool secrets);
void mp_work_assign_item(struct mp_cbor_w *w, const struct mp_work_item *item, size_t deps);
void mp_work_assign_dep(struct mp_cbor_w *w, struct mp_span name, struct mp_span result,
	const struct mp_node_id *holders, size_t n);
/* secrets: announced, and encoded. */
void mp_work_assign_end(
	struct mp_cbor_w *w, const struct mp_node_id *inputs, size_t n, struct mp_span secrets);

/* [62, run, generation, term, seq] */
struct mp_msg_work_status_req {
	struct mp_work_head head;
	uint64_t seq; /* echoed; larger is later */
};
int mp_msg_work_status_req_encode(struct mp_buf *buf, const struct mp_msg_work_status_req *m);
int mp_msg_work_status_req_decode(struct mp_span bytes, struct mp_msg_work_status_req *out);

/* [63 | 64, run, generation, term, [[module, term, counter]...]] */
struct mp_msg_work_list {
	struct mp_work_head head;
	struct mp_list attempts; /* mp_attempts_next() */
};
int mp_msg_work_list_encode(struct mp_buf *buf, enum mp_msg_work number,
	const struct mp_work_head *head, const struct mp_attempt_id *attempts, size_t n);
int mp_msg_work_list_decode(
	struct mp_span bytes, enum mp_msg_work number, struct mp_msg_work_list *out);
bool mp_attempts_next(struct mp_list *list, struct mp_attempt_id *out);

/* [65, run, generation, term] */
int mp_msg_work_end_encode(struct mp_buf *buf, const struct mp_work_head *head);
int mp_msg_work_end_decode(struct mp_span bytes, struct mp_work_head *out);

/*
 * [66 | 75, run, generation, term, asked]: a worker asks its leader for a lease on what it runs of
 * `once` modules of that run, and gets one of MP_ONCE_LEASE_MS. `asked` is the worker's own clock
 * when it asked, and comes back: the lease counts from there, so that it is over for the worker
 * before it is over for the leader, however long a message took.
 */
struct mp_msg_work_lease {
	struct mp_work_head head;
	mp_time asked_ms;
};
int mp_msg_work_lease_encode(
	struct mp_buf *buf, enum mp_msg_work number, const struct mp_msg_work_lease *m);
int mp_msg_work_lease_decode(
	struct mp_span bytes, enum mp_msg_work number, struct mp_msg_work_lease *out);

/* ---- worker to leader ---- */

/* [70, run] */
int mp_msg_work_who_encode(struct mp_buf *buf, const struct mp_run_id *run);
int mp_msg_work_who_decode(struct mp_span bytes, struct mp_run_id *run);

/* The numbers travel: add at the end only. */
enum mp_work_phase {
	MP_WORK_QUEUED = 0,
	MP_WORK_FETCHING = 1,
	MP_WORK_RUNNING = 2,
	MP_WORK_STORING = 3, /* ended; its outputs are being stored and copied */
	MP_WORK_DONE = 4,    /* the result is held until the leader settles it */
	MP_WORK_UNSURE = 5,  /* of a `once` module, started before this node was; how far it came
			      * nobody knows */
};
struct mp_work_state {
	struct mp_attempt_id attempt;
	enum mp_work_phase phase;
};

/* [71, run, generation, term, seq, boot, slots, slots_free, [[module, term, counter, phase]...]]
 * Everything this node runs and holds for that run, whoever assigned it. */
struct mp_msg_work_status {
	struct mp_work_head head;
	uint64_t seq; /* of the request; 0: unasked */
	uint64_t boot;
	uint32_t slots;
	uint32_t slots_free;
	struct mp_list states; /* mp_work_states_next() */
};
int mp_msg_work_status_encode(struct mp_buf *buf, const struct mp_msg_work_status *m,
	const struct mp_work_state *states, size_t n);
int mp_msg_work_status_decode(struct mp_span bytes, struct mp_msg_work_status *out);
bool mp_work_states_next(struct mp_list *list, struct mp_work_state *out);

/* [72, run, generation, term, [[module, term, counter, signed result, [holder...]]...]]
 * head.term is the highest the worker knows, the attempts may be of earlier ones. */
struct mp_work_done {
	struct mp_attempt_id attempt;
	struct mp_span result; /* signed; verify with mp_signed_result_open() */
	struct mp_list holders;
};
struct mp_msg_work_result {
	struct mp_work_head head;
	struct mp_list results; /* mp_work_done_next() */
};
int mp_msg_work_result_decode(struct mp_span bytes, struct mp_msg_work_result *out);
bool mp_work_done_next(struct mp_list *list, struct mp_work_done *out);
/* begin, then n results. Errors stay in w->rc. */
void mp_work_result_begin(struct mp_cbor_w *w, const struct mp_work_head *head, size_t n);
void mp_work_result_item(struct mp_cbor_w *w, const struct mp_attempt_id *attempt,
	struct mp_span result, const struct mp_node_id *holders, size_t n);

/* The numbers travel: add at the end only. */
enum mp_reject_why {
	MP_REJECT_BUSY = 1,     /* no slot; WORK_FREE follows when one is free */
	MP_REJECT_FENCED = 2,   /* a higher term is known: certificate and record are with it */
	MP_REJECT_STOPPING = 3, /* this node takes no more work */
	MP_REJECT_BAD = 4,      /* the offer does not verify */
	MP_REJECT_TROUBLE = 5,  /* disk or memory of the node are full: as good as lost there */
};
/* [73, run, generation, term, [[module, term, counter]...], why, certificate | null,
 *  signed record | null] */
struct mp_msg_work_reject {
	struct mp_work_head head; /* as in what is refused */
	struct mp_list attempts;  /* mp_attempts_next() */
	enum mp_reject_why why;
	struct mp_span certificate; /* empty: none */
	struct mp_span record;      /* empty: none */
};
int mp_msg_work_reject_encode(struct mp_buf *buf, const struct mp_msg_work_reject *m,
	const struct mp_attempt_id *attempts, size_t n);
int mp_msg_work_reject_decode(struct mp_span bytes, struct mp_msg_work_reject *out);

/* [74, slots_free] */
int mp_msg_work_free_encode(struct mp_buf *buf, uint32_t slots_free);
int mp_msg_work_free_decode(struct mp_span bytes, uint32_t *slots_free);

#endif
