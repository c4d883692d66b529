/* SPDX-License-Identifier: Apache-2.0 */
#include "core/env.h"

const struct mp_profile mp_profile_lan = {
	.probe_interval_ms = 1000,
	.probe_timeout_ms = 500,
	.gossip_interval_ms = 200,
	.gossip_fanout = 3,
	.suspicion_ms = 4000,
	.push_pull_ms = 30000,
	.dead_contact_ms = 30000,
	.heartbeat_ms = 250,
	.lease_ms = 1200,
	.election_ms = 1500,
};

const struct mp_profile mp_profile_wan = {
	.wan = true,
	.probe_interval_ms = 2000,
	.probe_timeout_ms = 1500,
	.gossip_interval_ms = 500,
	.gossip_fanout = 4,
	.suspicion_ms = 10000,
	.push_pull_ms = 60000,
	.dead_contact_ms = 30000,
	.heartbeat_ms = 1000,
	.lease_ms = 6400,
	.election_ms = 8000,
};
