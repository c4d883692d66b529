/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The membership world: up to thousands of nodes of which only membership is there, by the same
 * objects as in mpnode (roster, datagrams, SWIM, joining), in virtual time, on a network with loss,
 * delay, cuts and starved machines. A seed decides everything.
 *
 *   mesh.c         the clock, steps, lives
 *   mesh_net.c     datagrams and streams
 *   mesh_disk.c    rows; what all nodes keep alike is in memory once
 *   mesh_trust.c   clusters, credentials
 *   mesh_charter.c what authorities say later: revocations, gossip keys
 *   mesh_check.c   the invariants, after every step
 *   mesh_fault.c   what happens in a seed; and what a seed is
 *   mesh_script.c  scenarios from files
 *   mesh_model.h   a model of its rules, for ten thousand nodes
 *   mesh_measure.c the table of docs/membership.md
 */
#ifndef MP_TESTS_MESH_H
#define MP_TESTS_MESH_H

#include "core/dgram.h"
#include "core/join.h"
#include "core/swim.h"
#include "sim.h"
#include "util/map.h"

#define MESH_CLUSTERS_MAX 2
#define SCENARIO_SEED     UINT64_MAX /* the one in its file */
#define MESH_NONE         UINT32_MAX
/* What Linux keeps for a socket nobody reads (rmem_default 212992), in small datagrams. */
#define MESH_BACKLOG 277

struct mesh;
struct mesh_event;
struct mesh_twin;

struct mesh_plan {
	uint64_t seed;
	uint32_t nodes;   /* of all clusters together */
	uint32_t founded; /* so many of each cluster know each other from the start; others join */
	uint32_t clusters;
	uint32_t loss, duplicate; /* of 1000 datagrams */
	sim_time delay_min, delay_max;
	bool tick_first; /* whoever wakes judges its timers before it reads its sockets */
	bool replay;     /* somebody records datagrams and sends them again, much later */
	bool unchecked;  /* no invariants: for figures of many nodes */
	bool wan;
	bool trust; /* a seed in which authorities are at work */
};

enum mesh_cut {
	MESH_WHOLE,
	MESH_HALVES,  /* nobody hears another side */
	MESH_ONE_WAY, /* side 0 does not hear side 1 */
	MESH_BRIDGE,  /* as halves, but side 2 hears and is heard */
};

struct mesh_node {
	struct mesh *mesh;
	uint32_t index;
	uint32_t cluster;
	uint32_t place; /* its address */
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_secret *secret;
	struct mp_span credential; /* of the state directory; owned by the interner */
	/* A life; NULL while it is down. */
	struct mp_roster *roster;
	struct mp_dgram *dgram;
	struct mp_swim *swim;
	struct mp_join *join;
	struct mp_env env;
	uint32_t life;
	bool left, gone;     /* gone: not started again */
	bool shut;           /* an authority has said so, somewhere */
	size_t shut_seen;    /* how many it knew to be */
	sim_time since;      /* when this life or the end of the last one began */
	uint64_t boot;       /* on disk */
	uint32_t *rows;      /* on disk, by number of the member: mesh_blob(); 0 is none */
	uint32_t keys_row;   /* on disk: the gossip keys */
	uint32_t log_row;    /* the authority log */
	uint32_t *shut_rows; /* revocations, by number of the member */
	/* Its machine. */
	mp_time clock_base_ms;
	sim_time paused_until, starved_until;
	sim_time woke; /* when the last pause ended */
	sim_time tick_at;
	uint32_t ticks, backlog;
	sim_time ticks_ms;
	bool no_udp;
	uint8_t side;
	/* What it did. */
	uint64_t udp_bytes, stream_bytes, datagrams;
	uint64_t window_datagrams, window_peak; /* in one second */
	sim_time window_at;
	/* What was seen of it. */
	uint64_t roster_seen;
	size_t members_seen, members_durable;
	uint64_t *incarnations; /* by number of the member */
};

struct mesh_due {
	sim_time when;
	uint64_t number;
	struct mesh_event *event; /* NULL: a tick */
	uint32_t node, life;
};

struct mesh {
	struct mesh_plan plan;
	struct mp_rng rng;
	sim_time now;
	struct mesh_due *heap;
	size_t heap_count, heap_cap;
	uint64_t inserted;
	struct mesh_node *nodes;
	uint32_t *at;  /* node by place */
	uint32_t *ids; /* node by id: open addressing */
	size_t ids_size;
	enum mesh_cut cut;
	sim_time cut_changed; /* or when anything else began or ceased to keep nodes apart */
	bool streams_blocked;
	struct mp_map links;
	struct mp_cluster_id clusters[MESH_CLUSTERS_MAX];
	struct mp_profile profile;
	struct mp_alloc alloc;
	size_t alloc_live, alloc_peak;
	uint8_t *interned; /* shared bytes; see mesh_disk.c */
	size_t interned_size;
	uint32_t *blobs;
	size_t blobs_size, blob_count;
	struct mp_dgram_in in; /* the datagram that is being read */
	struct mesh_twin *recorded[64];
	uint64_t steps, datagrams, messages;
	/* What a starved machine does: runs and stalls by turns. */
	sim_time run_min, run_max, stall_min, stall_max;
	/* Verdicts: a node held dead by one that could hear it; of healthy nodes, of starved ones.
	 */
	uint64_t false_deaths, starved_deaths, suspicions, deaths;
	uint64_t replays_refused, strangers_refused;
	bool deaths_fail; /* a false death of a healthy node is a failure */
	/* An update of one node's word on its way to all. */
	uint32_t watch;
	uint64_t watch_incarnation;
	sim_time watch_since;
	uint32_t watch_count;
	sim_time *watch_at; /* when the n-th heard */
	bool *watch_has;
	char failure[512];
};

/* ---- mesh.c ---- */

void mesh_plan_calm(struct mesh_plan *plan);
struct mesh *mesh_new(const struct mesh_plan *plan);
int mesh_end(struct mesh *mesh, char *why, size_t size); /* frees it; -1 with its failure */
void mesh_run_until(struct mesh *mesh, sim_time until);
/* Until it holds, asked every 50 virtual ms; false when it did not by then. */
bool mesh_run_while(struct mesh *mesh, sim_time limit, bool (*going)(struct mesh *mesh));
void mesh_fail(struct mesh *mesh, const char *fmt, ...) MP_PRINTF(2, 3);
sim_time mesh_between(struct mesh *mesh, sim_time min, sim_time max);
bool mesh_chance(struct mesh *mesh, uint32_t per_mille);
typedef void (*mesh_call)(struct mesh *mesh, uint64_t arg);
void mesh_at(struct mesh *mesh, sim_time when, mesh_call fn, uint64_t arg);

/* Founds the clusters: the first plan.founded nodes of each know each other and live. */
void mesh_found(struct mesh *mesh);
void mesh_start(struct mesh_node *node);
void mesh_crash(struct mesh_node *node);
void mesh_leave(struct mesh_node *node);
void mesh_pause(struct mesh_node *node, sim_time until);
/* Runs for 2 to 60 ms and stalls for 2 to 16 s, by turns, until then; or as mesh->run_min ... say.
 */
void mesh_starve(struct mesh_node *node, sim_time until);
bool mesh_member(const struct mesh_node *node); /* up, and a member */
/* A step that somebody else takes: between these, its parts may be called. */
void mesh_begin(struct mesh_node *node);
void mesh_finish(struct mesh_node *node);
struct mesh_node *mesh_find(struct mesh *mesh, const struct mp_node_id *id); /* or NULL */
const struct mp_member *mesh_view(const struct mesh_node *node, const struct mesh_node *of);

enum mesh_kind { MESH_CALL, MESH_DATAGRAM, MESH_MESSAGE, MESH_LINK, MESH_PERSISTED };

/* Something on its way; bytes are behind it. */
struct mesh_event {
	enum mesh_kind kind;
	uint32_t from;
	union {
		struct {
			mesh_call fn;
			uint64_t arg;
		} call;
		struct {
			struct mesh_twin *twin; /* NULL: it comes once only */
		} datagram;
		struct {
			enum mp_link_state state;
			struct mp_addr addr;
		} link;
		struct {
			uint64_t seq;
		} persisted;
	} u;
	uint64_t stream; /* of a message: the link's number */
	size_t size;
	uint8_t bytes[];
};
struct mesh_event *mesh_event_new(enum mesh_kind kind, uint32_t from, struct mp_span bytes);
void mesh_post(struct mesh_node *to, sim_time when, struct mesh_event *event);
/* The same at once, inside somebody else's step no longer. */
void mesh_step_link(struct mesh_node *node, const struct mesh_event *event);

/* ---- mesh_net.c ---- */

void mesh_datagram(struct mesh_node *from, const struct mp_addr *to, struct mp_span bytes);
/* It arrives: has this very datagram been let in before? */
void mesh_datagram_in(struct mesh_node *node, const struct mesh_event *event);
void mesh_twin_unref(struct mesh_twin *twin);
void mesh_connect(struct mesh_node *from, const struct mp_addr *to);
void mesh_send(struct mesh_node *from, const struct mp_effect *fx);
void mesh_drop(struct mesh_node *from, const struct mp_node_id *peer);
void mesh_net_init(struct mesh *mesh);
void mesh_net_down(struct mesh_node *node);
void mesh_net_fini(struct mesh *mesh);
bool mesh_stream_lost(
	const struct mesh *mesh, const struct mesh_node *to, const struct mesh_event *e);
bool mesh_hears(const struct mesh *mesh, const struct mesh_node *to, const struct mesh_node *from);
void mesh_cut_set(struct mesh *mesh, enum mesh_cut cut);
struct mp_addr mesh_addr(uint32_t place);
sim_time mesh_delay(struct mesh *mesh);

/* ---- mesh_disk.c ---- */

void mesh_disk_init(struct mesh *mesh);
void mesh_disk_fini(struct mesh *mesh);
/* A copy of these bytes that lives as long as the mesh; equal bytes are one. */
uint32_t mesh_intern(struct mesh *mesh, struct mp_span bytes);
struct mp_span mesh_blob(const struct mesh *mesh, uint32_t blob);
bool mesh_is_interned(const struct mesh *mesh, const void *p);
void mesh_persist(struct mesh_node *node, const struct mp_effect *fx);
void mesh_persisted(struct mesh_node *node, const struct mesh_event *event);
void mesh_restore(struct mesh_node *node);
void mesh_disk_put(struct mesh_node *node, const struct mesh_node *of, struct mp_span credential,
	struct mp_span statement);

/* ---- mesh_trust.c ---- */

void mesh_trust_init(struct mesh *mesh);
const uint8_t *mesh_gossip_key(const struct mesh_node *node);
void mesh_name(const struct mesh_node *node, struct mp_name *name);
struct mp_span mesh_caps(void);
/* The cluster's authority: the one that founded it is number 0. To be freed. */
struct mp_secret *mesh_authority(
	const struct mesh *mesh, uint32_t cluster, uint32_t number, struct mp_signer *by);

/* ---- mesh_charter.c: nothing, when `at` is no member ---- */

/* The authority of a cluster shuts a node out, at another one, with a fresh gossip key. */
void mesh_revoke(struct mesh_node *at, struct mesh_node *of);
void mesh_rotate(struct mesh_node *at);
void mesh_authorise(struct mesh_node *at, uint32_t number);
void mesh_check_shut(struct mesh_node *node);
/* Does anybody who is up know that it is shut out? */
bool mesh_shut(const struct mesh_node *of);
bool mesh_trust_agree(struct mesh *mesh, char *why, size_t size);

/* ---- mesh_check.c ---- */

void mesh_check_step(struct mesh_node *node);
void mesh_check_started(struct mesh_node *node);
/* Can, and could for a while, `node` hear `of`, and `of` speak? */
bool mesh_should_live(const struct mesh_node *node, const struct mesh_node *of);
/* Every member that is up sees all that are up of its cluster alive, nobody else, and all have one
 * digest. */
bool mesh_agree(struct mesh *mesh, char *why, size_t size);
/* Somebody who is down is not held dead by everybody yet. */
bool mesh_dead_agree(struct mesh *mesh, uint32_t index);
void mesh_watch(struct mesh *mesh, uint32_t index); /* it makes a new statement; who hears it? */

void mesh_picture(struct mesh *mesh, FILE *f); /* who is where, and sees whom */

/* ---- mesh_fault.c ---- */

/* Datagrams that one node may send in one second, whatever happens. */
#define MESH_PEAK(nodes) (MESH_BACKLOG + 100u + 2u * (nodes))

void mesh_swap(struct mesh_node *a, struct mesh_node *b); /* addresses; both are down then */
void mesh_newer(struct mesh_node *node);
void mesh_heal(struct mesh *mesh); /* all that ails, and starts all */
/* These fail when it is not so. */
bool mesh_agree_within(struct mesh *mesh, sim_time limit);
void mesh_update_within(struct mesh *mesh, sim_time limit); /* of mesh_watch() */
void mesh_idle_below(struct mesh *mesh, uint64_t bytes);    /* a second and node, for 20 s */
void mesh_no_floods(struct mesh *mesh);

/* ---- mesh_fault.c, mesh_script.c, mesh_measure.c ---- */

int mesh_seed_run(uint64_t seed, bool trace, char *why, size_t size);
/* With that seed instead of the file's, unless it is SCENARIO_SEED. */
int mesh_script_run(const char *file, uint64_t seed, bool trace, char *why, size_t size);
bool mesh_script_is(const char *file);
/* Prints the figures of docs/membership.md: "membership" is all, else one part of it. */
int mesh_measure(const char *name);
bool mesh_measure_is(const char *name);

#endif
