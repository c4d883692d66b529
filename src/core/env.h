/* SPDX-License-Identifier: Apache-2.0 */
/* What every part of the core is given: who we are, what time it is, memory, crypto, the outbox. */
#ifndef MP_CORE_ENV_H
#define MP_CORE_ENV_H

#include "core/out.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "util/rng.h"

/* Timings of DESIGN 4 and 5; one table per profile: LAN is the default, WAN is for round trips of
 * up to a second and more loss. All nodes of a cluster should have the same: a joiner takes that of
 * the member that lets it in. */
struct mp_profile {
	bool wan;
	mp_time probe_interval_ms;
	mp_time probe_timeout_ms;
	mp_time gossip_interval_ms;
	uint32_t gossip_fanout; /* at most SWIM_FANOUT_MAX; 0 is 3 */
	mp_time suspicion_ms;   /* multiplied by max(1, log10 n), up to six times that */
	mp_time push_pull_ms;
	mp_time dead_contact_ms;
	mp_time heartbeat_ms; /* per pair of nodes that share runs */
	mp_time lease_ms;     /* a leader dispatches this long after a majority's answer */
	mp_time election_ms;  /* electors stand after this long without a leader */
	size_t append_max;    /* entries of one APPEND; 0: what the codec takes */
};

extern const struct mp_profile mp_profile_lan, mp_profile_wan;

struct mp_env {
	/* Set once. */
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	const struct mp_secret *secret;
	const struct mp_profile *profile; /* until it has joined, then that of the cluster */
	struct mp_node_id self;
	struct mp_cluster_id cluster;
	uint64_t boot; /* this start's boot counter; durable before anything is sent */
	/* Set at each step. */
	mp_time now_ms;
	mp_time wall_ms;
	struct mp_rng rng;
	struct mp_out *out;
};

#endif
