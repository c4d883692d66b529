/* SPDX-License-Identifier: Apache-2.0 */
/* What runs.c (the table), runs_box.c (one run that is hosted here), runs_file.c (what it leaves in
 * the result cache), runs_known.c (what every node knows of every run) and runs_show.c (what is
 * told about runs), runs_vault.c (secrets) share. Nobody else includes this. */
#ifndef MP_CORE_RUNS_INT_H
#define MP_CORE_RUNS_INT_H

#include "codec/msg_show.h"
#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "codec/record_secret.h"
#include "core/lead.h"
#include "core/open.h"
#include "core/raft.h"
#include "core/run.h"
#include "core/runs.h"
#include "util/dlist.h"
#include "util/map.h"

/*
 * A run that this node is an elector or the mirror of.
 *
 *   OPENING ──majority──▶ ACTIVE ──END──▶ ENDED, awake until all electors have the whole log
 *   (opener only)                           │ ▲
 *                                  at rest ◀┘ │ an elector that lags stands, or a worker still
 *                                     │ └─────┘ holds something
 *                                     └─▶ away: no box, rows only (runs_load.c)
 */
struct mp_run_box {
	struct mp_run_box *next;
	struct mp_dlist in_active; /* time passes for it */
	struct known *known;       /* record and end; never NULL */
	struct mp_buf pipeline;
	struct mp_node_id inputs[MP_HOLDERS_MAX]; /* who holds the run's inputs */
	size_t input_count;
	uint64_t row_seq; /* of the RUN row */
	struct mp_graph *graph;
	struct mp_raft *raft;
	struct mp_run run;
	bool has_run;
	struct mp_lead *lead;
	uint64_t lead_term;
	struct mp_buf secrets; /* in clear, while it leads; empty: there are none, or they lack */
	mp_time vault_ms;      /* they lack: the other electors are asked then */
	uint64_t cursor;       /* committed entries that were applied */
	bool started;          /* the log runs; the opener's begins when a majority has the run */
	bool broken;           /* its log could not be restored: left alone */
	bool ended;            /* END was applied */
	bool replaying;        /* what is applied was committed in an earlier life of this node */
	bool ticking;          /* its log's deadlines count */
	bool pulsing;          /* it shares heartbeats */
	bool asked;            /* ended, and a worker still holds something of it */
	bool loading; /* its log is being read from the disk: nothing else is done with it */
	struct mp_dlist resting; /* ended, and neither time nor messages are for it */
	uint64_t rest_seq;       /* rows up to this one were put when it went to rest */
	mp_time awake_until_ms;
	mp_time retry_ms;    /* something could not be done for want of memory */
	mp_time survive_ms;  /* everybody was asked whether it has ended; 0: not yet */
	mp_time catch_up_ms; /* one that cannot stand and lacks the end asks again */
	uint32_t catch_up;   /* how often it did */
};

/* What every member keeps of a run. */
struct known {
	struct mp_map_node in_map;
	struct known *next; /* newest first */
	struct mp_run_id id;
	struct mp_buf record;           /* signed */
	struct mp_run_record rec;       /* borrows from record */
	const struct mp_member *opener; /* NULL: not known any more */
	struct mp_buf end;              /* signed; empty until the run has ended */
	struct mp_buf sealed; /* of an elector or the mirror, until then: codec/record_secret.h */
	struct mp_end ending;
	bool opened; /* a majority of its electors took it: its opener cannot give it up any more */
	bool ended;
	struct mp_run_box *box;
	bool away; /* ended, and this node is an elector whose rows of it are on the disk only */
	struct mp_dlist to_load;
};

/* The run whose rows are being read. */
struct load {
	struct known *k; /* NULL: none */
	uint64_t token;
	enum mp_table table;
	uint64_t from_index;
	uint64_t entries; /* that have come */
	bool damaged;     /* one of them was */
	mp_time deadline_ms;
};

/* More than the clocks of two nodes differ. */
#define MP_RUNS_SKEW_MS 60000

/* Run ids that are not to come back: opened and given up. */
#define ABORTED_KEEP 64
struct mp_takeover_ask;

/* How often the same unknown run is asked for. */
#define WANT_MS   1000
#define WANT_KEEP 16

struct want {
	struct mp_run_id run;
	mp_time asked_ms;
};

struct mp_runs {
	const struct mp_alloc *alloc;
	struct mp_node_id self;
	struct mp_runs_parts parts;
	struct mp_open *open;
	struct mp_map map; /* of known */
	struct known *known;
	size_t known_count;
	struct mp_run_box *boxes;
	struct mp_dlist active;  /* of boxes */
	struct mp_dlist resting; /* of boxes, the last came last */
	size_t box_count;
	struct mp_dlist to_load; /* of known; the first may be under way */
	struct load load;
	uint64_t loads_begun;
	uint64_t loads_ended;
	uint64_t ends;
	bool stopping;
	bool draining;
	size_t leading; /* see mp_runs_leading() */
	bool started;
	mp_time have_ms; /* when it is next seen whether a HAVE is to go out */
	uint32_t said;   /* the digest that goes out now; 0: none does */
	mp_time say_ms;  /* until then; or not before */
	struct mp_run_id aborted[ABORTED_KEEP];
	size_t aborted_count;
	struct want wants[WANT_KEEP];
	size_t want_count;
	struct mp_run_id strays[64]; /* restored secrets of runs that have ended: to be deleted */
	size_t stray_count;
	struct mp_takeover_ask *takeovers;
	size_t takeover_count;
	struct mp_cached *filing; /* NULL, or in step memory: what is to go out as one effect */
	size_t filing_count;
};

/* runs.c */
const struct mp_node_id *mp_runs_self(const struct mp_runs *runs);
void runs_send(struct mp_env *env, const struct mp_node_id *to, const struct mp_buf *buf, int rc);
/* A run, or a generation of it, in which this node may have voted or acknowledged what it has lost
 * since (DESIGN 5). */
bool runs_forgotten(const struct mp_runs *runs, const struct mp_run_record *rec);

/* runs_box.c */
/* 0, or why not: MP_EPIPELINE (record and pipeline do not belong together), MP_ENOMEM. */
int box_new(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span pipeline,
	struct mp_list inputs, struct mp_run_box **out);
void box_free(struct mp_runs *runs, struct mp_run_box *box);
/* A RUN row of the disk. 0, MP_ECORRUPT, MP_ENOMEM. */
int box_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row);
/* Puts its row; row_seq tells when that is durable. */
int box_put(struct mp_run_box *box, struct mp_env *env);
/* Takes it down with all that is stored of it, and forgets the run. */
void box_forget(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box);
/* Deletes what an elector has stored of a run. */
void box_delete_rows(struct mp_env *env, const struct mp_run_id *id);
void box_start(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box, bool eager);
/* Its log has been read: starts, unless the run has ended and its log is here whole. */
void box_restart(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box);
/* An ended run is needed again for a while; tick: this elector may have to lead. */
void box_wake(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box, bool tick);
/* Its record names the electors of a new generation: what it has of the log goes on in that, or it
 * is taken down when this node is not among them. MP_ENOMEM: it is taken down as broken; the rows
 * stay, and a restart goes on. */
void box_renew(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box);
/* Nothing was decided in it yet, not even a vote. */
bool box_untouched(const struct mp_run_box *box);
/* What is committed goes into the state, a new role begins or ends a leadership, and so on. */
void box_step(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box);
mp_time box_deadline(const struct mp_run_box *box);

/* runs_file.c */
/* An entry was applied: if it has a result that may be used again, this elector's cache gets it. */
void box_file(struct mp_runs *runs, struct mp_env *env, const struct mp_run_box *box,
	const struct mp_raft_entry *entry);
/* At the end of what was applied together. */
void runs_file_flush(struct mp_runs *runs, struct mp_env *env);

/* runs_show.c: with the name that this node knows; id NULL: nobody. */
struct mp_show_node show_node(const struct mp_runs *runs, const struct mp_node_id *id);

/* runs_load.c */
/* Has the log read from the disk: of a box that was restored, or of a run that is away. */
void runs_load(struct mp_runs *runs, struct mp_env *env, struct known *k);
void load_forget(struct mp_runs *runs, struct known *k);
/* An ended run is not needed any more; others that rest for longer may be put away. */
void runs_rest(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box);
void load_tick(struct mp_runs *runs, struct mp_env *env);
mp_time load_deadline(const struct mp_runs *runs);

/* runs_known.c */
struct known *known_find(const struct mp_runs *runs, const struct mp_run_id *id);
/* Takes a verified record. persist: puts its row, unless there is a box whose row has it. NULL: out
 * of memory. */
struct known *known_add(struct mp_runs *runs, struct mp_env *env, const struct mp_run_record *rec,
	struct mp_span signed_record, bool persist);
/* Can it no longer be given up, as far as is known here? Others hear of it only then. */
bool known_opened(const struct known *k);
void known_free(struct mp_runs *runs, struct known *k);
void known_remove(struct mp_runs *runs, struct mp_env *env, struct known *k);
/* The end of a run, as its leader signed it. Puts the row. 0, MP_EEXIST, MP_ESIG, MP_EAUTH, … */
int known_end(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span signed_end,
	bool persist);
/* A signed record of this run that may know of a later generation; if so, it is taken over, and an
 * end that was known is one no more. 0, MP_EEXIST (the same), MP_EREPLAY (of an earlier one),
 * MP_EBUSY (its log is being read from the disk: it will be told again), MP_EAUTH, MP_ESIG,
 * MP_ENOMEM, … */
int known_renew(
	struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span signed_record);
/* Tells one member, or all of them, of a run. */
void known_tell(struct mp_runs *runs, struct mp_env *env, const struct known *k,
	const struct mp_node_id *to);
void known_have(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *to);
/* Of what HAVE would say, never 0. */
uint32_t known_digest(const struct mp_runs *runs);
/* Now and then: HAVE to a member that knows something else, if there is one. */
#define HAVE_MS 10000
#define SAY_MS  30000
void known_compare(struct mp_runs *runs, struct mp_env *env);
int known_message(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes, uint64_t kind);
/* The run of a stored row, which has its signed record: the one that is known, or a new one. 0;
 * MP_ECORRUPT: the record is none, or of another run than the key says; MP_ENOMEM. */
int known_of_row(struct mp_runs *runs, struct mp_env *env, struct mp_span key,
	struct mp_span record, struct known **out);
/* A KNOWN row of the disk. 0, MP_ECORRUPT, MP_ENOMEM. */
int known_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row);

/* runs_vault.c */
/* Keeps sealed secrets that came with a run, or later; empty: there are none. 0, MP_EEXIST (this
 * node has some that it can open), MP_ESIG, MP_EAUTH, MP_ENOMEM, or a decoder's error. */
int vault_take(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span bytes);
/* The run has ended, or is no business of this node any more. */
void vault_drop(struct mp_env *env, struct known *k);
/* A SECRET row of the disk, after RUN and KNOWN. 0, MP_ECORRUPT, MP_ENOMEM. */
int vault_restore(struct mp_runs *runs, const struct mp_row *row);
void vault_start(struct mp_runs *runs, struct mp_env *env);
/* While it leads: opens what it has, or asks the other electors. */
void vault_step(struct mp_env *env, struct mp_run_box *box);
/* Wipes what it has in clear. */
void vault_close(struct mp_run_box *box);
int vault_on_message(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);

/* runs_takeover.c */
void takeovers_free(struct mp_runs *runs);
int takeover_on_ask(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);
int takeover_on_tip(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes);
void takeovers_tick(struct mp_runs *runs, struct mp_env *env);
mp_time takeovers_deadline(const struct mp_runs *runs);
/* The takeover that goes on from this; its electors are still to be named. */
void takeover_record(const struct mp_env *env, const struct known *k, const struct mp_run_tip *base,
	struct mp_takeover *t);

#endif
