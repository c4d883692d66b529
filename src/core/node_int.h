/* SPDX-License-Identifier: Apache-2.0 */
/* What node.c, the steps, and node_ask.c, what is asked between them, share. Nobody else includes
 * this. */
#ifndef MP_CORE_NODE_INT_H
#define MP_CORE_NODE_INT_H

#include "core/ctl.h"
#include "core/dgram.h"
#include "core/drain.h"
#include "core/env.h"
#include "core/fetch.h"
#include "core/hold.h"
#include "core/join.h"
#include "core/leave.h"
#include "core/node.h"
#include "core/pulse.h"
#include "core/roster.h"
#include "core/runs.h"
#include "core/shelf.h"
#include "core/swim.h"
#include "core/worker.h"

enum node_phase {
	NODE_RESTORING,
	NODE_BOOTING,
	NODE_JOINING,
	NODE_RUNNING,
	NODE_STOPPING,
	NODE_QUARANTINED, /* another node has its key: it says so, and that is all */
	NODE_STOPPED,     /* for good: nothing happens any more */
};

struct mp_node {
	struct mp_env env;
	struct mp_out *out;
	enum node_phase phase;
	uint64_t boot_seq; /* the row sequence that carries the boot counter */
	struct mp_roster *roster;
	struct mp_dgram *dgram;
	struct mp_swim *swim;
	struct mp_join *join;
	struct mp_pulse *pulse;
	struct mp_fetch *fetch;
	struct mp_hold *hold;
	struct mp_shelf *shelf;
	struct mp_worker *worker;
	struct mp_runs *runs;
	struct mp_leave *leave;
	struct mp_drain *drain;
	struct mp_ctl *ctl;
	uint64_t roster_version; /* up to which the others know of changes */
	struct mp_addr seeds[MP_SEEDS_MAX];
	size_t seed_count;
	bool may_join;            /* and more seeds may come */
	struct mp_buf credential; /* as configured */
	uint8_t gossip_key[MP_SYMKEY_SIZE];
	bool genesis;
	bool quarantined; /* in an earlier boot already */
	uint64_t counters[MP_COUNTER_COUNT];
	struct mp_dgram_in in; /* the datagram that is being read */
	char fatal[MP_ERROR_TEXT_MAX];
};

#endif
