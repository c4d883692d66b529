/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node answers when it is asked about runs: deterministic CBOR arrays, which mpctl prints
 * as text or as the JSON of DESIGN 10.
 *
 *   show  [1, run16, name, state, leader|null, term, [elector...], submitted_ms, ended_ms|null,
 *          opener, copies, inputs32|null, text, [count of each module state...], cached, modules,
 *          from, [module...]]
 *   module [name, state, node|null, attempts, lost, cached, exit|null, signal, queued_ms|null,
 *          started_ms|null, ended_ms|null, [manifest32, files, bytes]|null, [holder32...],
 *          [log32, size, cut]|null, [log32, size, cut]|null, value32|null, text,
 *          [term, counter]|null]
 *   list  [[run16, name, state, leader|null, submitted_ms, ended_ms|null]...]
 *   events [next, [[index, term, time_ms|null, event, module|null, node|null, text]...]]
 *   leader, elector, opener, node: [id32, name]
 *
 * A million modules do not fit into one message: modules come in pages. Who asks says from which
 * one and how many at most, who answers gives fewer when the page is full, and at least one if
 * there is one.
 *
 * The same rules as in codec/msg_work.h hold for decoders and encoders.
 */
#ifndef MP_CODEC_MSG_SHOW_H
#define MP_CODEC_MSG_SHOW_H

#include "codec/record_work.h"
#include "mp/base.h"
#include "mp/limits.h"

/* X(name, word of DESIGN 10). The numbers travel and are hashed: add at the end only. */
#define MP_RUN_STATES(X)                                                                           \
	X(PENDING, "pending")                                                                      \
	X(RUNNING, "running")                                                                      \
	X(PAUSED, "paused")                                                                        \
	X(STALLED, "stalled")                                                                      \
	X(SUCCEEDED, "succeeded")                                                                  \
	X(FAILED, "failed")                                                                        \
	X(CANCELLED, "cancelled")

enum mp_run_state {
#define X(name, word) MP_RUN_##name,
	MP_RUN_STATES(X)
#undef X
		MP_RUN_STATE_COUNT
};

#define MP_MODULE_STATES(X)                                                                        \
	X(WAITING, "waiting")                                                                      \
	X(READY, "ready")                                                                          \
	X(UNPLACEABLE, "unplaceable")                                                              \
	X(BACKOFF, "backoff")                                                                      \
	X(PAUSED, "paused")                                                                        \
	X(RUNNING, "running")                                                                      \
	X(SUCCEEDED, "succeeded")                                                                  \
	X(IGNORED, "ignored")                                                                      \
	X(FAILED, "failed")                                                                        \
	X(TIMED_OUT, "timed_out")                                                                  \
	X(MAYBE_RAN, "maybe_ran")                                                                  \
	X(SKIPPED, "skipped")                                                                      \
	X(CANCELLED, "cancelled")

enum mp_module_state {
#define X(name, word) MP_MODULE_##name,
	MP_MODULE_STATES(X)
#undef X
		MP_MODULE_STATE_COUNT
};

/* The word of DESIGN 10; never NULL. */
const char *mp_run_state_word(enum mp_run_state state);
const char *mp_module_state_word(enum mp_module_state state);

static inline bool
mp_run_state_ended(enum mp_run_state state)
{
	return state >= MP_RUN_SUCCEEDED;
}

/* Somebody, with the name that the answering node knows; absent: name.p NULL. */
struct mp_show_node {
	struct mp_node_id id;
	struct mp_span name;
};

struct mp_show_log {
	struct mp_hash blob; /* zero: nothing was said */
	uint64_t size;       /* before it was cut */
	bool cut;
};

/* A page is full once its modules have this many bytes. */
#define MP_SHOW_PAGE_BYTES (1024u * 1024)

/* Times are Unix milliseconds, 0 when absent. */
struct mp_show_module {
	struct mp_span name;
	enum mp_module_state state;
	struct mp_show_node node; /* of the attempt that runs, or whose result counts */
	uint32_t attempts;
	uint32_t lost;
	bool cached;
	bool has_exit; /* it ended by itself */
	int32_t exit_code;
	int32_t signal;
	mp_time queued_ms;
	mp_time started_ms;
	mp_time ended_ms;
	struct mp_hash manifest; /* of its outputs; zero: none */
	uint64_t output_files;
	uint64_t output_bytes;
	struct mp_list holders; /* mp_holders_next(): who has the result's blobs */
	struct mp_show_log out;
	struct mp_show_log err;
	struct mp_hash value; /* what it left in $MP_OUTPUT; zero: nothing */
	struct mp_span text;  /* why it failed, or waits */
	/* The last attempt; term 0: none yet. */
	uint64_t attempt_term;
	uint32_t attempt_counter;
};

struct mp_show {
	struct mp_run_id run;
	struct mp_span name;
	enum mp_run_state state;
	struct mp_show_node leader;
	uint64_t term;
	uint32_t elector_count;
	struct mp_show_node electors[MP_ELECTORS_MAX];
	mp_time submitted_ms;
	mp_time ended_ms; /* 0: not ended */
	struct mp_show_node opener;
	uint32_t copies;
	struct mp_hash inputs;                  /* manifest; zero: none */
	struct mp_span text;                    /* why it is stalled or failed; may be empty */
	uint32_t states[MP_MODULE_STATE_COUNT]; /* how many modules are in each */
	uint32_t cached;                        /* of those that succeeded */
	uint32_t module_count;                  /* of the run */
	uint32_t from;                          /* number of the first one of the page */
	struct mp_list modules;                 /* of the page; mp_show_module_next() */
};

/* Encoding: begin with how many modules follow, then each of them, or a page of modules that was
 * encoded on its own by mp_cbor_w_raw(). Errors stay in w->rc. The module's holders are given
 * beside it. */
void mp_show_begin(struct mp_cbor_w *w, const struct mp_show *show, size_t modules);
void mp_show_module(struct mp_cbor_w *w, const struct mp_show_module *m,
	const struct mp_node_id *holders, size_t n);

int mp_show_decode(struct mp_span bytes, struct mp_show *out);
bool mp_show_module_next(struct mp_list *list, struct mp_show_module *out);

struct mp_show_run {
	struct mp_run_id run;
	struct mp_span name;
	enum mp_run_state state;
	struct mp_show_node leader;
	mp_time submitted_ms;
	mp_time ended_ms; /* 0: not ended, or not known here */
};

/* What the log of a run says, in words; an entry about several modules is several of these. */
struct mp_show_event {
	uint64_t index; /* of the entry */
	uint64_t term;
	mp_time wall_ms;
	struct mp_span event;  /* a word: "began", "assigned", "lost" ... */
	struct mp_span module; /* p NULL: about the run */
	struct mp_show_node node;
	struct mp_span text; /* at most MP_RESULT_ERROR_MAX bytes */
};

/* A page of events: begin with how many follow, and the index that the next page is to begin with;
 * 0: there are no more so far. */
void mp_show_events_begin(struct mp_cbor_w *w, uint64_t next, size_t events);
void mp_show_events_one(struct mp_cbor_w *w, const struct mp_show_event *e);
int mp_show_events_decode(struct mp_span bytes, uint64_t *next, struct mp_list *out);
bool mp_show_events_next(struct mp_list *list, struct mp_show_event *out);

void mp_show_list_begin(struct mp_cbor_w *w, size_t runs);
void mp_show_list_run(struct mp_cbor_w *w, const struct mp_show_run *run);
int mp_show_list_decode(struct mp_span bytes, struct mp_list *out);
bool mp_show_list_next(struct mp_list *list, struct mp_show_run *out);

#endif
