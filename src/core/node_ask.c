/* SPDX-License-Identifier: Apache-2.0 */
/* What a shell may ask of a node between steps. */
#include "core/node_int.h"

int
mp_node_check_peer(const struct mp_node *node, struct mp_span credential,
	const struct mp_xkey *xkey, mp_time wall_ms, struct mp_node_id *id, bool *joiner,
	struct mp_error *err)
{
	return mp_join_check_peer(node->roster, credential, xkey, wall_ms, id, joiner, err);
}

struct mp_span
mp_node_credential(const struct mp_node *node)
{
	const struct mp_member *self = mp_roster_find(node->roster, &node->env.self);

	return self != NULL ? self->credential : mp_buf_span(&node->credential);
}

uint64_t
mp_node_counter(const struct mp_node *node, enum mp_counter which)
{
	uint64_t n = node->counters[which] + mp_dgram_counter(node->dgram, which) +
		     mp_ctl_counter(node->ctl, which);

	if (which == MP_COUNT_MSG_REFUSED)
		n += mp_swim_stat(node->swim, MP_SWIM_STAT_ITEMS_REFUSED);
	else if (which == MP_COUNT_BLOB_WRONG)
		n += mp_fetch_wrong(node->fetch);
	return n;
}

uint64_t
mp_node_gossip_epoch(const struct mp_node *node)
{
	uint64_t epoch = 0;

	if (mp_dgram_key_count(node->dgram) > 0)
		(void)mp_dgram_key(node->dgram, 0, &epoch);
	return epoch;
}

uint64_t
mp_node_gossip_digest(const struct mp_node *node)
{
	return mp_dgram_key_digest(node->dgram);
}

size_t
mp_node_waiting(const struct mp_node *node)
{
	return mp_ctl_waiting(node->ctl, &node->env);
}

const struct mp_roster *
mp_node_roster(const struct mp_node *node)
{
	return node->roster;
}

const struct mp_runs *
mp_node_runs(const struct mp_node *node)
{
	return node->runs;
}

bool
mp_node_quiet(const struct mp_node *node)
{
	return node->phase == NODE_RUNNING && mp_worker_attempts(node->worker) == 0 &&
	       mp_runs_quiet(node->runs) && mp_ctl_quiet(node->ctl);
}

const struct mp_env *
mp_node_env(const struct mp_node *node)
{
	return &node->env;
}

mp_time
mp_node_deadline(const struct mp_node *node)
{
	mp_time due[11], first = MP_TIME_NEVER;
	size_t n = 0;

	if (node->phase == NODE_JOINING)
		return mp_join_deadline(node->join);
	if (node->phase == NODE_QUARANTINED)
		return mp_swim_deadline(node->swim);
	if (node->phase != NODE_RUNNING && node->phase != NODE_STOPPING)
		return MP_TIME_NEVER;
	due[n++] = mp_swim_deadline(node->swim);
	due[n++] = node->phase == NODE_RUNNING ? mp_join_deadline(node->join) : MP_TIME_NEVER;
	due[n++] = mp_pulse_deadline(node->pulse);
	due[n++] = mp_runs_deadline(node->runs);
	due[n++] = mp_worker_deadline(node->worker);
	due[n++] = mp_fetch_deadline(node->fetch);
	due[n++] = mp_hold_deadline(node->hold);
	due[n++] = mp_shelf_deadline(node->shelf);
	due[n++] = mp_leave_deadline(node->leave);
	due[n++] = mp_ctl_deadline(node->ctl);
	due[n++] = mp_drain_deadline(node->drain);
	while (n-- > 0) {
		if (due[n] < first)
			first = due[n];
	}
	return first;
}
