/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: N whole nodes, one thread, virtual time. A seed decides everything; the same seed
 * gives the same run to the last bit.
 *
 *   plan.c   draws a cluster and its pipelines from the seed
 *   fault.c  what happens to it, and how it is healed
 *   seed.c   runs one seed
 *   script.c reads a scenario from a file instead
 *   world.c  the clock: one queue of events ordered by (time, number of insertion)
 *   host.c   one machine: starts, steps and stops a node and carries out its effects
 *   net.c    datagrams and streams: delay, loss, duplication, reordering, cuts
 *   disk.c   rows and blobs: slow fsync, a crash that loses what was not synced
 *   shelf.c  each host's result cache
 *   jobs.c   the executor: how long a module takes and how it ends
 *   model.c  what modules read and leave
 *   client.c who submits, cancels and looks
 *   takeover.c who takes a run over
 *   figure8.c one order of crashes that chance hardly meets
 *   check.c  the invariants that show in logs and views, after every step
 *   effect.c the invariants that show in what a node asks for, before it is done
 *   once.c   lost.c  the same, of `once` modules, and of electors that have lost their rows
 *   live.c   liveness after healing; what is told of a failure
 *   names.c  words for what the trace shows
 *   trust.c  the cluster's keys and everybody's credential
 *   crypto.c cheap stand-ins for cryptography
 */
#ifndef MP_TESTS_SIM_H
#define MP_TESTS_SIM_H

#include <stdio.h>

#include "core/env.h"
#include "core/node.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/effect.h"
#include "mp/event.h"
#include "mp/limits.h"
#include "util/buf.h"
#include "util/rng.h"

#define SIM_HOSTS_MAX 128
#define SIM_RUNS_MAX  16

/* Microseconds of virtual time. */
typedef int64_t sim_time;
#define SIM_MS    ((sim_time)1000)
#define SIM_SEC   (1000 * SIM_MS)
#define SIM_NEVER INT64_MAX

struct mp_takeover;
struct sim;
struct sim_check;
struct sim_client;
struct sim_disk;
struct sim_entry;
struct sim_figure8;
struct sim_jobs;
struct sim_net;
struct sim_shelf;

/*
 * What is to happen in some of many seeds, or the sweep proves nothing: `mpsim --seeds` fails when
 * one of them was never seen in so many seeds or more. X(name, seeds, text)
 */
#define SIM_SOMETIMES(X)                                                                           \
	X(LED_ANEW, 200, "a run got another leader")                                               \
	X(DEPOSED, 200, "a leader stepped down")                                                   \
	X(OVERWRITTEN, 200, "entries that were not committed were overwritten")                    \
	X(ATTEMPT_LOST, 200, "an attempt was lost")                                                \
	X(ATTEMPT_ADOPTED, 20000, "an attempt of an earlier leader was adopted")                   \
	X(RESULT_INHERITED, 200, "a result of an earlier leader's attempt was committed")          \
	X(FENCED, 5000, "a stale leader was refused by a worker")                                  \
	X(MODULE_FAILED, 200, "an attempt failed and was tried again")                             \
	X(LOST_ACCEPTED, 20000, "a result of an attempt that was given up was accepted")           \
	X(BOUND, 200, "an elector that hears its leader refused another one")                      \
	X(FIGURE_8, 200, "an entry of an older term was on a majority of disks, not committed")    \
	X(FIGURE_8_WHOLE, 5000, "such an entry was overwritten after all")                         \
	X(EXCLUDED, 200, "a run got a leader while the log of an elector was damaged")             \
	X(LOST_COUNTED, 2000, "an elector that had lost its log was counted again")                \
	X(LOST_VOTED, 5000, "an elector that had lost its log voted again")                        \
	X(RUN_SUCCEEDED, 200, "a run succeeded")                                                   \
	X(RUN_FAILED, 200, "a run failed")                                                         \
	X(RUN_CANCELLED, 200, "a run was cancelled")                                               \
	X(LISTED, 400, "one that waits to be admitted was listed")                                 \
	X(REFUSED, 200, "a submission was refused")                                                \
	X(FIVE_ELECTORS, 200, "a run had five electors")                                           \
	X(DATAGRAM_LOST, 200, "a datagram was lost")                                               \
	X(DATAGRAM_DOUBLED, 200, "a datagram came twice")                                          \
	X(STREAM_LOST, 200, "a stream broke and lost messages")                                    \
	X(STREAM_SILENT, 200, "a stream's other end was gone and nobody said so")                  \
	X(CRASH_LOST, 200, "a crash lost rows that were not on disk")                              \
	X(CRASH_KEPT, 200, "a crash kept rows that nobody was told to be on disk")                 \
	X(RESTARTED, 200, "a node came back with its state directory")                             \
	X(GONE, 200, "a node was lost for good")                                                   \
	X(POWER_CUT, 200, "all nodes lost power at once")                                          \
	X(STOPPED, 200, "a node stopped gracefully")                                               \
	X(PAUSED, 200, "a node was paused")                                                        \
	X(PARTED, 200, "the network was parted")                                                   \
	X(JOINED_LATE, 200, "a node joined after a run had begun")                                 \
	X(CLOCK_JUMPED, 200, "a wall clock jumped")                                                \
	X(DISK_FULL, 200, "a disk was full for a while")                                           \
	X(BLOB_LOST, 200, "a stored blob vanished")                                                \
	X(RESULT_FILED, 200, "a result was put into a cache")                                      \
	X(SECRETS, 200, "a module got its secrets")                                                \
	X(ONCE_BEGUN, 200, "a `once` module began")                                                \
	X(ONCE_RETURNED, 5000, "a `once` module was given back unstarted")                         \
	X(MAYBE_RAN, 500, "a `once` module may have run")                                          \
	X(ONCE_RERUN, 2000, "a `once` module ran again on an operator's word")                     \
	X(ONCE_DONE, 2000, "a `once` module was done on an operator's word")                       \
	X(RESOLVED, 500, "an operator was told that a word counts")                                \
	X(CANCEL_SAID, 200, "somebody was told that a run is cancelled")                           \
	X(ONCE_AFTER_ALL, 20000, "a `once` module that was given up was heard of after all")       \
	X(LEASE_OVER, 20000, "what ran was killed for want of a lease")                            \
	X(WIPED, 2000, "a host came back without its control.db")                                  \
	X(BLOB_FETCHED, 200, "a blob came from a peer")                                            \
	X(GENERATION_2, 1000, "a run went on in another generation")                               \
	X(TAKEN_OVER, 5000, "an operator took a run over")                                         \
	X(SURVIVOR, 5000, "a mirror took its run over by itself")                                  \
	X(END_DROPPED, 5000, "an end counted for nothing in a later generation")                   \
	X(DECLARED_DEAD, 200, "a node was declared dead")                                          \
	X(SHUT, 1000, "a node was shut out, and stopped")                                          \
	X(DRAINED, 200, "a node was taken out of work")                                            \
	X(DRAIN_LED, 1000, "a node that drains leads no more")                                     \
	X(ROTATED, 200, "the gossip key was changed")                                              \
	X(CACHED, 200, "a result of another run was taken")                                        \
	X(CACHED_ORPHAN, 1000, "a result was taken whose maker was gone")

enum sim_sometimes {
#define X(name, seeds, text) SIM_##name,
	SIM_SOMETIMES(X)
#undef X
		SIM_SOMETIMES_COUNT
};

/* What is drawn from the seed, or set by a scenario. Chances are in parts of 1000. */
struct sim_plan {
	uint64_t seed;
	uint32_t hosts;
	uint32_t slots;
	uint32_t witnesses; /* so many of the last hosts have no slots */
	uint32_t runs;
	uint32_t modules; /* of each run, at most about twice as many */
	uint32_t electors, copies;
	sim_time fault_until;   /* then everything is healed */
	sim_time finish_within; /* after healing, every accepted run must have ended */
	uint32_t loss, duplicate;
	sim_time delay_min, delay_max;
	sim_time fsync_min, fsync_max;
	sim_time job_min, job_max;
	uint32_t job_fail;
	sim_time join_within; /* hosts start within this time */
	/* Mean times between faults; 0: never. wipe: a host loses its control.db. */
	sim_time pause_max; /* 0: 5 s */
	sim_time crash_every, pause_every, cut_every, stop_every, clock_every, full_every;
	sim_time blob_every, drop_every, wipe_every, cancel_after;
	sim_time resolve_every; /* an operator looks for what may have run, also after healing */
	sim_time rotate_every;  /* an authority changes the gossip key */
	sim_time drain_every;   /* a host is taken out of work, or comes back */
	uint32_t power_cut;     /* chance that a crash is one of all hosts at once */
	uint32_t gone;          /* chance that one of them does not come back */
	uint32_t damage;        /* chance that a crash damages a row of a log */
	uint32_t depose;        /* chance that a new leader is struck at once */
	size_t append_max;      /* as in struct mp_profile */
	uint32_t drift_ppm;     /* clocks are fast or slow by at most this */
	bool cut_one_way;
	bool tick_first;   /* a node that wakes judges its timers before it reads its sockets */
	bool inputs;       /* runs have input files */
	bool secrets;      /* modules take some */
	bool wide;         /* no module needs another */
	bool survivor;     /* the mirror of a run may go on by itself */
	bool figure8;      /* figure 8 of the Raft paper is played out: figure8.c */
	bool takeover;     /* most electors of a run are lost for good, and it is taken over */
	uint32_t contents; /* so many different pipelines among the runs; 0: all are different */
	bool fresh;        /* equal pipelines have one input that differs */
	uint32_t once;     /* chance that a module is a `once` one */
};

/* One machine. */
struct sim_host {
	struct sim *sim;
	uint32_t index;
	uint32_t slots;
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_secret *secret;
	struct mp_addr addr;
	uint8_t credential[MP_CREDENTIAL_MAX];
	size_t credential_size;
	struct mp_node *node; /* NULL while it is down */
	uint32_t life;        /* counts starts; events meant for an earlier life are dropped */
	bool ready;
	bool stopping; /* it was asked to stop */
	bool left;     /* it has left the cluster, and never comes back */
	bool gone;     /* lost for good */
	bool shut;     /* an authority has shut it out, */
	sim_time shut_at;
	bool shut_told;       /* and it has stopped for that, */
	bool shut_tried;      /* and was started once more */
	bool drain_asked;     /* somebody wants it out of work, */
	bool drains;          /* and it has said that it is */
	bool drain_open;      /* it was asked something, and has not said that it does not drain */
	bool drain_over;      /* it has said that it is not, since all is healed */
	sim_time drains_at;   /* since then */
	sim_time leads_since; /* though it drains */
	sim_time paused_until;
	mp_time returned_ms; /* wall: when it came back without its rows */
	sim_time full_until;
	sim_time tick_at; /* of the tick in the queue, SIM_NEVER when none */
	uint32_t ticks;   /* in this millisecond */
	sim_time ticks_ms;
	/* Its clocks: CLOCK_BOOTTIME was clock_base_ms at clock_from, and how wrong the wall is. */
	sim_time clock_from;
	mp_time clock_base_ms;
	int32_t clock_ppm;
	mp_time wall_off_ms;
	struct sim_disk *disk;
	struct sim_jobs *jobs;
	struct sim_shelf *shelf;
};

/* What an operator says of a `once` module, and how often that was said before. */
struct sim_word {
	struct mp_run_id run;
	uint32_t module, before;
};

/* Called when its time comes. arg is the caller's. */
typedef void (*sim_call)(struct sim *sim, uint64_t arg);

struct sim {
	struct sim_plan plan;
	struct mp_rng rng; /* of the world: faults and delays */
	sim_time now;
	uint64_t inserted;
	struct sim_entry *heap;
	size_t heap_count, heap_cap;
	struct sim_host hosts[SIM_HOSTS_MAX];
	struct sim_net *net;
	struct sim_check *check;
	struct sim_client *client;
	struct sim_figure8 *figure8;
	struct mp_cluster_id cluster;
	struct mp_profile profile;
	struct mp_alloc alloc;
	size_t alloc_live;
	bool healed;
	bool trace;
	uint64_t trace_hash;
	uint64_t steps, datagrams, messages, crashes, pauses, cuts;
	uint64_t sometimes[SIM_SOMETIMES_COUNT];
	char failure[512]; /* empty: all is well */
};

/* ---- world.c ---- */

struct sim *sim_new(const struct sim_plan *plan, bool trace);
/* Frees it. 0; or -1, with its failure, or that memory was leaked, in why. */
int sim_end(struct sim *sim, char *why, size_t size);
/* Until the queue is empty, the time is reached or something failed. */
void sim_run_until(struct sim *sim, sim_time until);
/* As sim_run_until, but stops as soon as done() holds, asked once per virtual 100 ms. */
void sim_run_while(struct sim *sim, sim_time until, bool (*going)(struct sim *sim));
void sim_at(struct sim *sim, sim_time when, sim_call fn, uint64_t arg);
/* Hands an event to a host at that time, if it still lives this life then. Copies the spans of
 * datagrams, messages, controls, links and blob reads. */
void sim_deliver(struct sim_host *host, sim_time when, const struct mp_event *ev);
void sim_tick_at(struct sim_host *host);
/* Ends the simulation, unless the text is of the invariant that is not looked at. */
extern const char *sim_blind;
void sim_fail(struct sim *sim, const char *fmt, ...) MP_PRINTF(2, 3);
void sim_trace(struct sim *sim, const struct sim_host *host, const char *fmt, ...) MP_PRINTF(3, 4);
void sim_mix(struct sim *sim, uint64_t value); /* into the trace hash */
sim_time sim_between(struct sim *sim, sim_time min, sim_time max);
bool sim_chance(struct sim *sim, uint32_t per_mille);
/* As sim_deliver, of a message on a stream: dropped when sim_net_lost() says so. */
void sim_deliver_stream(
	struct sim_host *host, sim_time when, const struct mp_event *ev, uint64_t stream);

/* ---- figure8.c ---- */

struct sim_figure8 *sim_figure8_new(void);
void sim_figure8_free(struct sim_figure8 *f);
void sim_figure8_schedule(struct sim *sim);
void sim_figure8_elected(struct sim_host *host);
/* The stream stands still before this message. */
bool sim_figure8_holds(const struct sim_host *from, uint32_t to, struct mp_span bytes);

/* ---- takeover.c ---- */

/* ---- shut.c ---- */

/* False: it cannot be asked now. */
bool sim_shut_rotate(struct sim_host *at);
bool sim_shut_revoke(struct sim_host *at, struct sim_host *of);
/* It stopped itself: is it because it is shut out? */
bool sim_shut_stopped(struct sim_host *host, const char *why);
void check_shut_serves(struct sim_host *host);
void sim_shut_one(struct sim *sim, uint64_t index);
/* True once: one that has stopped for it is started again, all the same. */
bool sim_shut_tries(struct sim_host *host);

void sim_takeover_lose(struct sim *sim);
void sim_takeover_look(struct sim *sim, uint64_t arg);

/* ---- drained.c ---- */

/* Out of work, unless nobody else would be left to do any, or back. */
void sim_drain_toggle(struct sim_host *host);
void sim_drain_said(struct sim_host *host, bool on); /* it has acknowledged that */
void sim_drain_heal(struct sim *sim);
/* As sim_check_led(). */
void sim_drain_led(struct sim *sim);

/* ---- host.c ---- */

void sim_host_init(struct sim *sim, uint32_t index);
void sim_host_fini(struct sim_host *host);
void sim_host_start(struct sim_host *host);
/* kill -9, or with `power` a power cut: its streams end without a word, its clock begins anew. */
void sim_host_crash(struct sim_host *host, bool power);
void sim_host_stop(struct sim_host *host); /* SIGTERM */
mp_time sim_host_clock(const struct sim_host *host);
mp_time sim_host_wall(const struct sim_host *host);
void sim_host_pause(struct sim_host *host, sim_time until);
void sim_host_step(struct sim_host *host, struct mp_event *ev); /* fills time and entropy */
struct sim_host *sim_host_find(struct sim *sim, const struct mp_node_id *id); /* or NULL */
struct sim_host *sim_host_of(struct sim *sim, const struct mp_node_id *id);
uint32_t sim_host_index(const struct sim *sim, const struct mp_node_id *id);

/* ---- net.c ---- */

struct sim_net *sim_net_new(struct sim *sim);
void sim_net_free(struct sim_net *net);
void sim_net_datagram(struct sim_host *from, const struct mp_addr *to, struct mp_span bytes);
void sim_net_connect(struct sim_host *from, const struct mp_addr *to);
void sim_net_send(struct sim_host *from, const struct mp_effect *fx);
void sim_net_drop(struct sim_host *from, const struct mp_node_id *peer);
/* All its streams end; silent: the others hear of it late. */
void sim_net_host_down(struct sim_host *host, bool silent);
/* Was this message still under way when its stream broke? */
bool sim_net_lost(struct sim *sim, uint64_t stream);
void sim_net_cut(struct sim *sim, uint32_t from, uint32_t to, bool cut);
void sim_net_heal(struct sim *sim);
bool sim_net_is_cut(const struct sim *sim, uint32_t from, uint32_t to);

/* ---- disk.c ---- */

struct sim_disk *sim_disk_new(struct sim_host *host);
void sim_disk_free(struct sim_disk *disk);
void sim_disk_persist(struct sim_host *host, const struct mp_effect *fx);
void sim_disk_crash(struct sim_host *host);
/* It exits by itself: what it has put is written. False: the disk is full. */
bool sim_disk_close(struct sim_host *host);
/* All rows are lost, and the blobs are not. */
void sim_disk_wipe(struct sim_host *host);
void sim_disk_restore(struct sim_host *host);
void sim_disk_read(struct sim_host *host, const struct mp_effect *fx);
/* A durable row; p NULL when there is none. */
struct mp_span sim_disk_row(const struct sim_host *host, enum mp_table table, struct mp_span key);
void sim_blob_list(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_stat(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_read(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_write(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_sync(struct sim_host *host, const struct mp_effect *fx);
struct mp_hash sim_blob_put(struct sim_host *host, struct mp_span bytes, bool durable);
bool sim_blob_has(const struct sim_host *host, const struct mp_hash *digest);
bool sim_blob_durable(const struct sim_host *host, const struct mp_hash *digest);
/* Loses one durable blob that another host has durably as well. */
void sim_blob_lose(struct sim_host *host);
void sim_disk_full(struct sim_host *host, sim_time until);
bool sim_disk_pending(const struct sim_host *host); /* rows that are not on disk yet */
/* Flips a bit in a vote or an entry of a run that has a majority without this host. */
void sim_disk_damage(struct sim_host *host);
size_t sim_disk_count(const struct sim_host *host, enum mp_table table);

/* ---- shelf.c ---- */

struct sim_shelf *sim_shelf_new(void);
void sim_shelf_free(struct sim_shelf *shelf);
/* A crash may lose what was put last, for nobody waits for it. */
void sim_shelf_crash(struct sim_host *host);
void sim_shelf_put(struct sim_host *host, const struct mp_effect *fx);
void sim_shelf_find(struct sim_host *host, const struct mp_effect *fx);
void sim_shelf_get(struct sim_host *host, const struct mp_effect *fx);

/* ---- jobs.c ---- */

struct sim_jobs *sim_jobs_new(struct sim_host *host);
void sim_jobs_free(struct sim_jobs *jobs);
void sim_jobs_start(struct sim_host *host, const struct mp_exec_request *req);
void sim_jobs_kill(struct sim_host *host, const struct mp_attempt_key *key);
void sim_jobs_lease(struct sim_host *host, const struct mp_attempt_key *key, mp_time until_ms);
/* Runs an attempt of this module anywhere, other than this one? */
bool sim_jobs_elsewhere(const struct sim *sim, const struct mp_attempt_key *key);
void sim_jobs_crash(struct sim_host *host);

/* ---- model.c ---- */

/* Runs of the same content have the same modules. */
uint32_t sim_model_content(const struct sim *sim, uint32_t run_number);

struct sim_input {
	const char *path;
	char text[32];
};
void sim_model_inputs(const struct sim *sim, uint32_t run_number, struct sim_input inputs[2]);

/* What one file adds to what a module reads; the sum of all says what that was. */
uint64_t sim_model_read(struct mp_span path, const struct mp_hash *digest);

/* The one file that a module leaves whose name begins with "o". */
struct sim_output {
	char path[MP_NAME_MAX + 16];
	char text[MP_NAME_MAX + 64];
	struct mp_file file;
};
void sim_model_output(const char *name, uint64_t reads, struct sim_output *out);

/* ---- check.c, effect.c, live.c ---- */

struct sim_check *sim_check_new(struct sim *sim);
void sim_check_free(struct sim_check *check);
/* In this order: before a step, after it, and before each of its effects is done. */
void sim_check_event(struct sim_host *host, const struct mp_event *ev);
void sim_check_step(struct sim_host *host);
void sim_check_effect(struct sim_host *host, const struct mp_effect *fx);
/* Answers one question of what may have run, for an operator. */
void sim_check_resolve(struct sim_host *host);
/* Somebody was told that it is done. */
void sim_check_resolved(struct sim_host *host, const struct sim_word *word);
void sim_check_cancelled(struct sim_host *host, const struct mp_run_id *run);
void sim_check_down(struct sim_host *host);
void sim_check_acknowledged(struct sim_host *host, const struct mp_run_id *id);
/* The host tells somebody that the run has ended. */
void sim_check_told_end(struct sim_host *host, const struct mp_run_id *id);
bool sim_check_runs_ended(struct sim *sim, char *why, size_t size);
bool sim_check_views_agree(struct sim *sim, char *why, size_t size);
/* Every acknowledged run has ended: has it ended as it had to? */
void sim_check_outcomes(struct sim *sim);
/* Every acknowledged run that has a majority of its electors has a leader, within ten seconds.
 * Asked again and again once all is healed. */
void sim_check_led(struct sim *sim);
/* Can every acknowledged run go on without this host? */
bool sim_check_spares(struct sim *sim, uint32_t host);
/* May a log of this run be damaged here? It is now. */
/* May all of this host's rows be lost? They are now. */
bool sim_check_wipe(struct sim_host *host);
bool sim_check_damage(struct sim_host *host, struct mp_span run);
uint32_t sim_check_last_leader(const struct sim *sim); /* hosts: nobody yet */
/* Is this host an elector of the run that was led last? */
bool sim_check_elects(const struct sim *sim, uint32_t host);
uint64_t sim_check_elections(const struct sim *sim);
/* Of all runs, what was committed. */
uint64_t sim_check_succeeded(const struct sim *sim);
uint64_t sim_check_lost(const struct sim *sim);
void sim_check_summary(const struct sim *sim, FILE *f);
/* Where every host and every run stands. */
void sim_check_picture(struct sim *sim, FILE *f);

/* ---- secret.c ---- */

/* Appends what the submitter of that run has. */
void sim_secrets(uint32_t run_number, struct mp_buf *out);
/* It has left for ever. */
void sim_check_secrets_left(struct sim_host *host);

/* ---- client.c ---- */

/* Clients do this at a host now; the answer comes back as a reply. */
struct sim_client *sim_client_new(struct sim *sim);
void sim_client_free(struct sim_client *client);
void sim_client_submit(struct sim_host *host, uint32_t run_number);
/* False: that submission has not been acknowledged so far. */
void sim_client_resolve(
	struct sim_host *host, const struct sim_word *word, const char *module, bool rerun);
bool sim_client_cancel(struct sim_host *host, uint32_t run_number);
/* The host is asked to leave the cluster; it has left when that is answered. */
void sim_client_leave(struct sim_host *host);
/* An operator with the authority's key, who also signs. */
/* False: it has not answered the last one yet. */
bool sim_client_drain(struct sim_host *host, bool on);
void sim_client_trust(struct sim_host *host, struct mp_span bytes); /* MP_CTL_TRUST */
void sim_client_takeover(struct sim_host *host, uint32_t run);
void sim_client_look(struct sim_host *host);
void sim_client_reply(struct sim_host *host, uint64_t request, struct mp_span bytes, bool last);
void sim_client_down(struct sim_host *host); /* its clients are told nothing */
/* The id that a submission was acknowledged with, or NULL. */
const struct mp_run_id *sim_client_run(const struct sim *sim, uint32_t run_number);
uint64_t sim_client_acknowledged(const struct sim *sim);
/* Requests that were not answered within 60 s, though their node was there all the time. */
bool sim_client_waits(const struct sim *sim, char *why, size_t size);

/* ---- names.c ---- */

const char *sim_event_name(enum mp_event_kind kind);
const char *sim_message_name(struct mp_span bytes);
const char *sim_entry_name(uint64_t kind);

/* ---- plan.c, fault.c, seed.c, script.c ---- */

void sim_plan_calm(struct sim_plan *plan); /* three hosts, no faults */
void sim_plan_draw(struct sim_plan *plan, uint64_t seed);
void sim_plan_pipeline(struct sim *sim, uint32_t run_number, struct mp_buf *yaml);
void sim_fault_schedule(struct sim *sim); /* submissions and faults */
void sim_fault_heal(struct sim *sim);
void sim_fault_elected(struct sim_host *host); /* it leads a run since now */
/* All hosts at once; those that were up come back after a while. */
void sim_fault_power_cut(struct sim *sim);
/* Crashes, and all its rows are lost. False: then too much would be lost. */
bool sim_fault_wipe(struct sim_host *host);
/* The leader loses its fellow electors and keeps the other hosts, or the other way round. */
void sim_fault_part_leader(struct sim *sim, bool electors);

struct sim_report {
	uint64_t trace_hash;
	uint64_t sometimes[SIM_SOMETIMES_COUNT];
	char why[600];
};
/* 0, or -1 with the failure in report->why. */
int sim_seed_run(uint64_t seed, bool trace, bool quiet, struct sim_report *report);
int sim_script_run(const char *file, bool trace, char *why, size_t size);

/* ---- trust.c ---- */

void sim_trust_init(struct sim *sim, struct sim_host *host); /* keys and credential; host 0 first */
/* In the authority's name. */
struct mp_revocation;
void sim_trust_revoke(struct mp_revocation *r, struct mp_buf *record);
void sim_trust_take_over(
	struct sim *sim, struct mp_takeover *t, struct mp_buf *record, struct mp_sig *sig);
const struct mp_cluster_id *sim_trust_cluster(const struct sim *sim);

/* ---- crypto.c ---- */

extern const struct mp_crypto sim_crypto;
struct mp_secret *sim_secret_new(uint64_t n, struct mp_node_id *id, struct mp_xkey *xkey);
void sim_secret_free(struct mp_secret *secret);

#endif
