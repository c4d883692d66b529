/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the model share: mesh_model.c has its rules, mesh_model_run.c its clock.
 */
#ifndef MP_TESTS_MESH_MODEL_INT_H
#define MP_TESTS_MESH_MODEL_INT_H

#include "mesh_model.h"

#include <stdlib.h>
#include <string.h>

#include "core/env.h"

#define HEALTH_MAX   7
#define INDIRECT     3
#define FANOUT       3
#define ACCUSERS     4
#define PROLONG_MAX  3
#define NACK_AFTER   (400 * SIM_MS)
#define REPLY        (5 * SIM_SEC)
#define REFUTE       (200 * SIM_MS)
#define PULL         SIM_SEC
#define LAG          (250 * SIM_MS)
#define MISMATCHES   3
#define MISMATCH_MAX 48
#define BACKLOG      277
#define RECORDS      16
#define BOOT         256 /* refutations that a boot has room for */
#define NOBODY       UINT32_MAX

/* Bytes, as the core writes them. */
#define ROOM      1130
#define OVERHEAD  (102 + 28) /* seal, signature, array; IPv4 and UDP */
#define PING      14
#define ACK       23
#define ASK       40
#define ANSWER    4
#define STATEMENT 217
#define ACCUSED   79
#define ENTRY     42
#define STREAM    70   /* a message: frame and TCP head */
#define CONNECT   1380 /* both sides of a handshake with credentials */

enum { ALIVE, SUSPECT, DEAD };
enum kind { TICK, WAKE, NEWS_ONLY, PINGED, ACKED, ASKED, NACKED, VOUCHED, SYNC };

struct record {
	uint32_t subject, by;
	uint16_t incarnation;
	uint8_t what; /* ALIVE: its statement; SUSPECT, DEAD */
};

struct packet {
	enum kind kind;
	uint32_t from, seq, target;
	uint64_t digest;
	bool stream;
	uint32_t count;
	struct record records[RECORDS];
};

struct model_due {
	sim_time when;
	uint32_t node, life;
	enum kind kind;
	struct packet *packet;
};

struct news {
	uint32_t subject;
	bool statement; /* else an accusation */
	uint8_t sent;
};

/* What is known of one that is not alive. */
struct doubt {
	uint32_t subject, accusers[ACCUSERS];
	uint8_t count, prolonged;
	bool hearsay;
	sim_time since, expire, heard, replied;
};

struct relay {
	uint32_t asker, target, asker_seq, seq;
	sim_time nack, end;
};

struct model_node {
	bool up;
	uint32_t life;
	uint16_t own, accused_of;
	uint32_t health, seq;
	sim_time since;
	/* Whom it probes: a walk over all with a step that has no divisor in common with n. */
	uint32_t walk_at, walk_step, walk_left;
	uint32_t target, probe_seq, relays[INDIRECT];
	uint8_t relay_count, nacks;
	sim_time probe_at, ask_at, end_at, gossip_at, gossiped, refute_at, refuted, judge_at,
		pull_at, pulled, push_at, dead_at, tick_at;
	uint32_t pull_from;
	struct relay relay[32];
	uint32_t relaying;
	struct news *news;
	struct doubt *doubts;
	uint32_t news_count, news_cap, doubt_count, doubt_cap;
	uint64_t digest;
	uint32_t mismatches, mismatches_max;
	sim_time paused_until, starved_until, woke;
	uint32_t backlog;
};

static inline void
sooner(sim_time *at, sim_time when)
{
	if (when < *at)
		*at = when;
}

static inline uint16_t *
view(struct model *m, uint32_t v, uint32_t s)
{
	return &m->views[(size_t)v * m->n + s];
}

static inline uint16_t
incarnation_of(uint16_t held)
{
	return held >> 2;
}

static inline uint8_t
state_of(uint16_t held)
{
	return held & 3;
}

void model_push(struct model *m, struct model_due due);
struct model_due model_pop(struct model *m);
uint32_t model_below(struct model *m, uint32_t n);
sim_time model_between(struct model *m, sim_time min, sim_time max);
uint64_t model_share(uint32_t s, uint16_t held);
struct doubt *model_doubt_make(struct model *m, struct model_node *node, uint32_t s);
void model_health_add(struct model_node *node, int delta);
struct packet *model_packet_new(struct model *m, uint32_t v, enum kind kind, uint32_t seq);
void model_send_packet(struct model *m, uint32_t v, uint32_t to, struct packet *p);
void model_send_stream(struct model *m, uint32_t to, struct packet *p, size_t size);
void model_reply(struct model *m, uint32_t v, const struct packet *to, enum kind kind);
uint32_t model_pick(struct model *m, uint32_t v, uint32_t except, bool alive_only);
void model_expire_set(struct model *m, struct model_node *node, struct doubt *d);
void model_answer_stale(struct model *m, uint32_t v, uint32_t s);
void model_accuse(struct model *m, uint32_t v, const struct record *r, bool fresh);
void model_say(struct model *m, uint32_t v, uint16_t incarnation);
void model_refute_now(struct model *m, uint32_t v);
void model_record_in(struct model *m, uint32_t v, uint32_t sender, const struct record *r);
void model_judge(struct model *m, uint32_t v);

#endif
