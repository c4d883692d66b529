/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node, whole: the seam between the pure core and a shell.
 *
 * A shell creates a node, feeds it its stored rows (MP_EV_RESTORE), then MP_EV_START, then
 * whatever happens, and carries out the effects of every step. It calls with MP_EV_TICK when
 * mp_node_deadline() has come. Judge after drain (DESIGN 4): a shell that was late hands over the
 * datagrams and messages that are waiting before it hands over the tick.
 */
#ifndef MP_CORE_NODE_H
#define MP_CORE_NODE_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/effect.h"
#include "mp/error.h"
#include "mp/event.h"
#include "mp/member.h"

/* Why a node stops, and what helps. */
#define UNKNOWN_TEXT                                                                               \
	"control.db knows neither this node nor another; mpnode join --again HOST:PORT, with the " \
	"address of a member, comes back as the same node"
#define REVOKED_TEXT                                                                               \
	"this node's key was revoked by an authority of the cluster, for ever; mpnode join with "  \
	"a new --state directory comes back as another node"
#define DOUBLED_TEXT                                                                               \
	"another node runs, or ran, with this node's key: with a copy of its state directory, or " \
	"this one was restored from an older copy; neither of the two may go on. Stop the other "  \
	"for good; mpnode join --again HOST:PORT, with the address of a member, comes back"

struct mp_node;
struct mp_profile;

struct mp_node_config {
	const struct mp_alloc *alloc;     /* borrowed for the node's life */
	const struct mp_crypto *crypto;   /* borrowed */
	const struct mp_secret *secret;   /* borrowed */
	const struct mp_profile *profile; /* borrowed; NULL is the LAN profile */
	struct mp_node_id self;
	struct mp_span credential; /* see codec/record_trust.h; copied */
	struct mp_cluster_id cluster;
	const struct mp_addr *addrs; /* where others reach us; copied */
	size_t addr_count;           /* 0: nobody can; this node dials all others */
	const struct mp_addr *seeds; /* of join; copied; none to rejoin from the roster */
	size_t seed_count;
	bool joining;              /* it has seeds even if none is given: MP_FX_RESOLVE asks */
	struct mp_span caps;       /* encoded capabilities; copied */
	uint32_t slots;            /* attempts at a time; 0 is a witness */
	mp_time returned_ms;       /* wall: when it came back without its rows; 0: it never did */
	struct mp_span gossip_key; /* genesis only: the first gossip key, 32 bytes; else empty:
				    * it is in the stored rows or comes with admission */
};

/* 0, MP_ENOMEM, MP_EINVAL, or the error of a credential that does not verify. */
int mp_node_new(const struct mp_node_config *config, struct mp_node **out, struct mp_error *err);
void mp_node_free(struct mp_node *node);

/* One step. *effects stays valid until the next step. Never fails: what cannot be done is an
 * effect (MP_FX_FATAL), and what comes from outside and is wrong is counted and dropped. */
void mp_node_step(struct mp_node *node, const struct mp_event *event,
	const struct mp_effect **effects, size_t *effect_count);

/* When to call with MP_EV_TICK, in now_ms; MP_TIME_NEVER for not at all. */
mp_time mp_node_deadline(const struct mp_node *node);

/* May this peer's stream be opened? The credential comes from the handshake and xkey is the static
 * key that the handshake proved. 0 with *id (and *joiner: it may only ask to join), or MP_E*. */
int mp_node_check_peer(const struct mp_node *node, struct mp_span credential,
	const struct mp_xkey *xkey, mp_time wall_ms, struct mp_node_id *id, bool *joiner,
	struct mp_error *err);

/* This node's credential as it is now (it grows by its admission). Borrowed until the next step. */
struct mp_span mp_node_credential(const struct mp_node *node);

/* Nothing of a run is going on here, and nobody waits for an answer of or by this node: streams
 * that say nothing are of no use to it. */
bool mp_node_quiet(const struct mp_node *node);

/* For checks and tables; borrowed. */
struct mp_env;
struct mp_roster;
struct mp_runs;
const struct mp_roster *mp_node_roster(const struct mp_node *node);
const struct mp_runs *mp_node_runs(const struct mp_node *node);
const struct mp_env *mp_node_env(const struct mp_node *node);

/* Counters of what was dropped and why, for health and for tests. */
enum mp_counter {
	MP_COUNT_DGRAM_JUNK,     /* does not open with any gossip key */
	MP_COUNT_DGRAM_STRANGER, /* opened, but the sender is no member */
	MP_COUNT_DGRAM_FORGED,   /* bad signature, or signed for another cluster */
	MP_COUNT_DGRAM_REPLAY,
	MP_COUNT_DGRAM_MALFORMED,
	MP_COUNT_MSG_MALFORMED,
	MP_COUNT_MSG_REFUSED, /* well-formed, but not from who may say it */
	MP_COUNT_FENCED,      /* a stale leader's message was refused */
	MP_COUNT_NO_MEMORY,
	MP_COUNT_DGRAM_REVOKED,  /* by a key that is shut out */
	MP_COUNT_STREAM_REVOKED, /* likewise */
	MP_COUNT_BLOB_WRONG,     /* bytes that were not the blob that was asked for */
	MP_COUNT_DGRAM_ASTRAY,   /* for another receiver */
	MP_COUNT_JOIN_REFUSED,   /* who was invited, and may not all the same */
	MP_COUNT_KNOCK,          /* who was not, and asks to be admitted: each time */
	MP_COUNT_KNOCK_REFUSED,
	MP_COUNTER_COUNT
};
uint64_t mp_node_counter(const struct mp_node *node, enum mp_counter which);

/* The epoch of the gossip key that seals, 0: there is none yet; and a number that is equal where
 * the same keys are known, and tells nothing of them. */
uint64_t mp_node_gossip_epoch(const struct mp_node *node);
uint64_t mp_node_gossip_digest(const struct mp_node *node);

/* Who waits at this node to be admitted (MP_WAIT_MAX of them at most). */
size_t mp_node_waiting(const struct mp_node *node);

#endif
