/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: N whole nodes, one thread, virtual time. A seed decides everything; the same seed
 * gives the same run to the last bit.
 *
 *   plan.c   draws a cluster, its pipelines and its faults from the seed
 *   script.c reads a scenario from a file instead
 *   world.c  the clock: one queue of events ordered by (time, number of insertion)
 *   host.c   one machine: starts, steps and stops a node and carries out its effects
 *   net.c    datagrams and streams: delay, loss, duplication, reordering, cuts
 *   disk.c   rows and blobs: slow fsync, a crash that loses what was not synced
 *   jobs.c   the executor: how long a module takes and how it ends
 *   check.c  the invariants, after every step; liveness after healing
 *   trust.c  the cluster's keys and everybody's credential
 *   crypto.c cheap stand-ins for cryptography
 */
#ifndef MP_TESTS_SIM_H
#define MP_TESTS_SIM_H

#include <stdio.h>

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

struct sim;
struct sim_check;
struct sim_disk;
struct sim_entry;
struct sim_jobs;
struct sim_net;

/* What is drawn from the seed, or set by a scenario. Chances are in parts of 1000. */
struct sim_plan {
	uint64_t seed;
	uint32_t hosts;
	uint32_t slots;
	uint32_t runs;
	uint32_t modules;       /* of each run, about */
	sim_time fault_until;   /* then everything is healed */
	sim_time finish_within; /* after healing, every accepted run must have ended */
	uint32_t loss, duplicate;
	sim_time delay_min, delay_max;
	sim_time fsync_min, fsync_max;
	sim_time job_min, job_max;
	uint32_t job_fail;
	sim_time crash_every, pause_every, cut_every; /* mean; 0: never */
	bool cut_one_way;
	bool tick_first; /* a node that wakes judges its timers before it reads its sockets */
};

/* One machine. */
struct sim_host {
	struct sim *sim;
	uint32_t index;
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_secret *secret;
	struct mp_addr addr;
	uint8_t credential[MP_CREDENTIAL_MAX];
	size_t credential_size;
	struct mp_node *node; /* NULL while it is down */
	uint32_t life;        /* counts starts; events meant for an earlier life are dropped */
	bool fatal;           /* it stopped itself: its text is the simulation's failure */
	bool ready;
	sim_time paused_until;
	sim_time tick_at; /* of the tick in the queue, SIM_NEVER when none */
	struct sim_disk *disk;
	struct sim_jobs *jobs;
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
	struct mp_cluster_id cluster;
	struct mp_alloc alloc;
	size_t alloc_live;
	bool healed;
	bool trace;
	uint64_t trace_hash;
	uint64_t steps, datagrams, messages, lost, crashes, pauses, cuts;
	char failure[512]; /* empty: all is well */
};

/* ---- world.c ---- */

struct sim *sim_new(const struct sim_plan *plan, bool trace);
void sim_free(struct sim *sim);
/* Until the queue is empty, the time is reached or something failed. */
void sim_run_until(struct sim *sim, sim_time until);
/* As sim_run_until, but stops as soon as done() holds, asked once per virtual 100 ms. */
void sim_run_while(struct sim *sim, sim_time until, bool (*going)(struct sim *sim));
void sim_at(struct sim *sim, sim_time when, sim_call fn, uint64_t arg);
/* Hands an event to a host at that time, if it still lives this life then. Copies the spans of
 * datagrams, messages, controls, links and blob reads. */
void sim_deliver(struct sim_host *host, sim_time when, const struct mp_event *ev);
void sim_tick_at(struct sim_host *host);
void sim_fail(struct sim *sim, const char *fmt, ...) MP_PRINTF(2, 3);
void sim_trace(struct sim *sim, const struct sim_host *host, const char *fmt, ...) MP_PRINTF(3, 4);
void sim_mix(struct sim *sim, uint64_t value); /* into the trace hash */
sim_time sim_between(struct sim *sim, sim_time min, sim_time max);
bool sim_chance(struct sim *sim, uint32_t per_mille);

/* ---- host.c ---- */

void sim_host_init(struct sim *sim, uint32_t index);
void sim_host_fini(struct sim_host *host);
void sim_host_start(struct sim_host *host);
void sim_host_crash(struct sim_host *host); /* kill -9 and power loss in one */
void sim_host_pause(struct sim_host *host, sim_time until);
void sim_host_step(struct sim_host *host, struct mp_event *ev); /* fills time and entropy */
struct sim_host *sim_host_find(struct sim *sim, const struct mp_node_id *id);

/* ---- net.c ---- */

struct sim_net *sim_net_new(struct sim *sim);
void sim_net_free(struct sim_net *net);
void sim_net_datagram(struct sim_host *from, const struct mp_addr *to, struct mp_span bytes);
void sim_net_connect(struct sim_host *from, const struct mp_addr *to);
void sim_net_send(struct sim_host *from, const struct mp_effect *fx);
void sim_net_drop(struct sim_host *from, const struct mp_node_id *peer);
void sim_net_host_down(struct sim_host *host);
void sim_net_cut(struct sim *sim, uint32_t from, uint32_t to, bool cut);
void sim_net_heal(struct sim *sim);
bool sim_net_is_cut(const struct sim *sim, uint32_t from, uint32_t to);

/* ---- disk.c ---- */

struct sim_disk *sim_disk_new(struct sim_host *host);
void sim_disk_free(struct sim_disk *disk);
void sim_disk_persist(struct sim_host *host, const struct mp_effect *fx);
void sim_disk_crash(struct sim_host *host);
void sim_disk_restore(struct sim_host *host);
/* A durable row; p NULL when there is none. */
struct mp_span sim_disk_row(const struct sim_host *host, enum mp_table table, struct mp_span key);
void sim_blob_stat(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_read(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_write(struct sim_host *host, const struct mp_effect *fx);
void sim_blob_sync(struct sim_host *host, const struct mp_effect *fx);
struct mp_hash sim_blob_put(struct sim_host *host, struct mp_span bytes, bool durable);
bool sim_blob_has(const struct sim_host *host, const struct mp_hash *digest);

/* ---- jobs.c ---- */

struct sim_jobs *sim_jobs_new(struct sim_host *host);
void sim_jobs_free(struct sim_jobs *jobs);
void sim_jobs_start(struct sim_host *host, const struct mp_exec_request *req);
void sim_jobs_kill(struct sim_host *host, const struct mp_attempt_key *key);
void sim_jobs_crash(struct sim_host *host);

/* ---- check.c ---- */

struct sim_check *sim_check_new(struct sim *sim);
void sim_check_free(struct sim_check *check);
void sim_check_effect(struct sim_host *host, const struct mp_effect *fx); /* before it is done */
void sim_check_step(struct sim_host *host);                               /* after each step */
void sim_check_down(struct sim_host *host);
/* A client submits to a host now; the answer comes back as a reply. */
void sim_check_submit(struct sim_host *host, uint32_t run_number);
void sim_check_reply(struct sim_host *host, uint64_t request, struct mp_span bytes, bool last);
bool sim_check_runs_ended(struct sim *sim, char *why, size_t size);
bool sim_check_views_agree(struct sim *sim, char *why, size_t size);
uint32_t sim_check_last_leader(const struct sim *sim); /* hosts: nobody yet */
uint64_t sim_check_elections(const struct sim *sim);
void sim_check_summary(const struct sim *sim, FILE *f);

/* ---- plan.c, script.c ---- */

void sim_plan_calm(struct sim_plan *plan); /* three hosts, no faults */
void sim_plan_draw(struct sim_plan *plan, uint64_t seed);
void sim_plan_schedule(struct sim *sim); /* submissions and faults */
void sim_plan_pipeline(struct sim *sim, uint32_t run_number, struct mp_buf *yaml);
/* 0, or -1 with the failure in why. */
int sim_seed_run(
	uint64_t seed, bool trace, bool quiet, uint64_t *trace_hash, char *why, size_t size);
int sim_script_run(const char *file, bool trace, char *why, size_t size);

/* ---- trust.c ---- */

void sim_trust_init(struct sim *sim, struct sim_host *host); /* keys and credential; host 0 first */
const struct mp_cluster_id *sim_trust_cluster(const struct sim *sim);

/* ---- crypto.c ---- */

extern const struct mp_crypto sim_crypto;
struct mp_secret *sim_secret_new(uint64_t n, struct mp_node_id *id, struct mp_xkey *xkey);
void sim_secret_free(struct mp_secret *secret);

#endif
