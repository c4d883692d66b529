/* SPDX-License-Identifier: Apache-2.0 */
/* What a node says of itself: mpctl health. The names of counters are a contract with scripts. */
#include "shell/daemon_int.h"

#include <stdio.h>
#include <string.h>

#include "core/wait.h"

/* By enum mp_counter. */
static const char *const of_node[MP_COUNTER_COUNT] = {
	[MP_COUNT_DGRAM_JUNK] = "datagrams_junk",
	[MP_COUNT_DGRAM_STRANGER] = "datagrams_stranger",
	[MP_COUNT_DGRAM_FORGED] = "datagrams_forged",
	[MP_COUNT_DGRAM_REPLAY] = "datagrams_replayed",
	[MP_COUNT_DGRAM_MALFORMED] = "datagrams_malformed",
	[MP_COUNT_MSG_MALFORMED] = "messages_malformed",
	[MP_COUNT_MSG_REFUSED] = "messages_refused",
	[MP_COUNT_FENCED] = "messages_fenced",
	[MP_COUNT_NO_MEMORY] = "out_of_memory",
	[MP_COUNT_DGRAM_REVOKED] = "datagrams_revoked",
	[MP_COUNT_STREAM_REVOKED] = "streams_revoked",
	[MP_COUNT_BLOB_WRONG] = "blobs_wrong",
	[MP_COUNT_DGRAM_ASTRAY] = "datagrams_astray",
	[MP_COUNT_JOIN_REFUSED] = "joins_refused",
	[MP_COUNT_KNOCK] = "knocks",
	[MP_COUNT_KNOCK_REFUSED] = "knocks_refused",
};

static const char *const of_refusals[MP_REFUSED_COUNT] = {
	[MP_REFUSED_HANDSHAKE_MALFORMED] = "handshakes_malformed",
	[MP_REFUSED_HANDSHAKE_FORGED] = "handshakes_forged",
	[MP_REFUSED_HANDSHAKE_VERSION] = "handshakes_version",
	[MP_REFUSED_HANDSHAKE_TIMEOUT] = "handshakes_timeout",
	[MP_REFUSED_HANDSHAKE_CLOSED] = "handshakes_closed",
	[MP_REFUSED_CERT_MALFORMED] = "certificates_malformed",
	[MP_REFUSED_CERT_FORGED] = "certificates_forged",
	[MP_REFUSED_CERT_CLUSTER] = "certificates_cluster",
	[MP_REFUSED_CERT_EXPIRED] = "certificates_expired",
	[MP_REFUSED_CERT_ROLE] = "certificates_role",
	[MP_REFUSED_CERT_REVOKED] = "certificates_revoked",
	[MP_REFUSED_CERT_UNPROVED] = "certificates_unproved",
};

static size_t
say_counters(const struct mp_daemon *d, const struct mp_peers_stats *stats,
	struct mp_ctl_counter out[MP_DAEMON_COUNTERS])
{
	const struct mp_ctl_counter of_shell[] = {
		{.name = "streams_rejected", .value = stats->rejected},
		{.name = "streams_distrusted", .value = stats->distrusted},
		{.name = "streams_crowded", .value = stats->crowded},
		{.name = "streams_throttled", .value = stats->throttled},
		{.name = "streams_broken", .value = stats->broken},
		{.name = "messages_lost", .value = stats->lost},
		{.name = "requests_refused", .value = d->requests_refused},
		{.name = "log_lines_held", .value = d->held},
		{.name = "log_lines_lost", .value = mp_lines_lost(d->log)},
	};
	size_t n = 0;

	_Static_assert(
		MP_COUNTER_COUNT + MP_REFUSED_COUNT + mp_countof(of_shell) == MP_DAEMON_COUNTERS,
		"room for all");
	for (size_t i = 0; i < MP_COUNTER_COUNT; i++)
		out[n++] = (struct mp_ctl_counter){
			.name = of_node[i], .value = mp_node_counter(d->node, (enum mp_counter)i)};
	for (size_t i = 0; i < MP_REFUSED_COUNT; i++)
		out[n++] =
			(struct mp_ctl_counter){.name = of_refusals[i], .value = stats->refused[i]};
	memcpy(out + n, of_shell, sizeof(of_shell));
	return n + mp_countof(of_shell);
}

static size_t
say_limits(const struct mp_daemon *d, const struct mp_peers_stats *stats,
	struct mp_ctl_limit out[MP_DAEMON_LIMITS])
{
	const struct mp_ctl_limit all[MP_DAEMON_LIMITS] = {
		{.name = "streams_unproved",
			.now = stats->unproved,
			.max = MP_PEERS_GREETING_MAX,
			.source_max = MP_PEERS_GREETING_SOURCE_MAX},
		{.name = "clients",
			.now = stats->clients,
			.max = MP_PEERS_CLIENTS_MAX,
			.source_max = MP_PEERS_CLIENTS_OF_ONE_MAX},
		{.name = "waiting",
			.now = mp_node_waiting(d->node),
			.max = MP_WAIT_MAX,
			.source_max = MP_WAIT_SOURCE_MAX},
	};

	memcpy(out, all, sizeof(all));
	return MP_DAEMON_LIMITS;
}

void
mp_daemon_on_info(void *ctx, struct mp_ctl_info *info)
{
	struct mp_daemon *d = ctx;
	struct mp_peers_stats stats;

	mp_peers_stats(d->peers, &stats);
	info->id = d->config.state->id;
	memcpy(info->name, d->config.state->name.s, sizeof(info->name));
	info->cluster = d->config.state->cluster;
	info->addr = d->advertised[0];
	(void)snprintf(info->version, sizeof(info->version), "%s", MP_VERSION);
	info->started_ms = d->started_ms;
	info->gossip_epoch = mp_node_gossip_epoch(d->node);
	info->gossip_digest = mp_node_gossip_digest(d->node);
	info->counters = d->info_counters;
	info->counter_count = say_counters(d, &stats, d->info_counters);
	info->limits = d->info_limits;
	info->limit_count = say_limits(d, &stats, d->info_limits);
}
