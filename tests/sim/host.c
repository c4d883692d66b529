/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/caps.h"
#include "util/map.h"

static const uint8_t gossip_key[MP_SYMKEY_SIZE] = {'s', 'i', 'm'};

void
sim_host_init(struct sim *sim, uint32_t index)
{
	struct sim_host *host = &sim->hosts[index];

	*host = (struct sim_host){.sim = sim,
		.index = index,
		.slots = index + sim->plan.witnesses < sim->plan.hosts ? sim->plan.slots : 0,
		.tick_at = SIM_NEVER};
	host->addr.ip[10] = host->addr.ip[11] = 0xff;
	host->addr.ip[12] = 10;
	host->addr.ip[15] = (uint8_t)(index + 1);
	host->addr.port = 7117;
	host->disk = sim_disk_new(host);
	host->jobs = sim_jobs_new(host);
	host->shelf = sim_shelf_new();
	sim_trust_init(sim, host);
}

void
sim_host_fini(struct sim_host *host)
{
	mp_node_free(host->node);
	sim_jobs_free(host->jobs);
	sim_disk_free(host->disk);
	sim_shelf_free(host->shelf);
	sim_secret_free(host->secret);
}

uint32_t
sim_host_index(const struct sim *sim, const struct mp_node_id *id)
{
	uint32_t i = 0;

	while (i < sim->plan.hosts && !mp_node_id_eq(&sim->hosts[i].id, id))
		i++;
	return i;
}

struct sim_host *
sim_host_find(struct sim *sim, const struct mp_node_id *id)
{
	uint32_t i = sim_host_index(sim, id);

	return i < sim->plan.hosts ? &sim->hosts[i] : NULL;
}

struct sim_host *
sim_host_of(struct sim *sim, const struct mp_node_id *id)
{
	struct sim_host *host = sim_host_find(sim, id);

	mp_assert(host != NULL);
	return host;
}

static void
host_caps(const struct sim_host *host, struct mp_buf *buf)
{
	struct mp_caps caps = {.slots = host->slots, .cpus = 2, .memory_bytes = 1u << 30};

	memcpy(caps.os, "linux", 6);
	memcpy(caps.arch, "x86_64", 7);
	mp_assert(mp_caps_encode(&caps, buf) == 0);
}

/* ---- clocks ---- */

mp_time
sim_host_clock(const struct sim_host *host)
{
	return host->clock_base_ms +
	       (host->sim->now - host->clock_from) * (1000000 + host->clock_ppm) / 1000000000;
}

mp_time
sim_host_wall(const struct sim_host *host)
{
	return 1700000000000 + host->wall_off_ms + host->sim->now / SIM_MS;
}

/* The machine boots: its clock begins anywhere, and is as wrong as clocks are. */
static void
host_boot(struct sim_host *host)
{
	int32_t drift = (int32_t)host->sim->plan.drift_ppm;

	host->clock_from = host->sim->now;
	host->clock_base_ms =
		sim_between(host->sim, 1, host->sim->plan.drift_ppm > 0 ? 1 << 30 : 1);
	host->clock_ppm = (int32_t)sim_between(host->sim, -drift, drift);
}

/* ---- life ---- */

void
sim_host_start(struct sim_host *host)
{
	struct sim *sim = host->sim;
	struct mp_node_config config = {.alloc = &sim->alloc,
		.crypto = &sim_crypto,
		.secret = host->secret,
		.profile = &sim->profile,
		.self = host->id,
		.credential = mp_span(host->credential, host->credential_size),
		.cluster = *sim_trust_cluster(sim),
		.addrs = &host->addr,
		.addr_count = 1,
		.seeds = &sim->hosts[0].addr,
		.seed_count = host->index == 0 ? 0 : 1,
		.returned_ms = host->returned_ms,
		.slots = host->slots};
	struct mp_event ev = {.kind = MP_EV_START};
	struct mp_error err = {0};
	struct mp_buf caps;

	mp_assert(host->node == NULL);
	if (host->gone && !sim_shut_tries(host))
		return;
	if (host->index == 0)
		config.gossip_key = mp_span(gossip_key, sizeof(gossip_key));
	mp_buf_init(&caps, &sim->alloc, 4096);
	host_caps(host, &caps);
	config.caps = mp_buf_span(&caps);
	sim_net_host_down(host, false);
	if (host->clock_base_ms == 0)
		host_boot(host);
	sim->sometimes[SIM_RESTARTED] += sim_disk_count(host, MP_TABLE_MEMBER) > 1;
	host->life++;
	host->paused_until = 0;
	host->tick_at = SIM_NEVER;
	host->ready = host->stopping = false;
	sim_trace(sim, host, "start, life %" PRIu32, host->life);
	if (mp_node_new(&config, &host->node, &err) != 0) {
		sim_fail(sim, "host %" PRIu32 " does not start: %s", host->index, err.text);
	} else {
		sim_disk_restore(host);
		sim_host_step(host, &ev);
	}
	mp_buf_fini(&caps);
}

void
sim_host_crash(struct sim_host *host, bool power)
{
	if (host->node == NULL)
		return;
	sim_trace(host->sim, host, power ? "power cut" : "crash");
	sim_mix(host->sim, host->index);
	host->sim->crashes++;
	sim_check_down(host);
	sim_client_down(host);
	mp_node_free(host->node);
	host->node = NULL;
	host->life++;
	if (power)
		host->clock_base_ms = 0;
	sim_jobs_crash(host);
	sim_disk_crash(host);
	sim_shelf_crash(host);
	sim_net_host_down(host, power);
}

void
sim_host_stop(struct sim_host *host)
{
	struct mp_event ev = {.kind = MP_EV_STOP};

	if (host->node == NULL || host->stopping)
		return;
	host->stopping = true;
	sim_deliver(host, host->sim->now, &ev);
}

/* It exited by itself, and what was written is written. */
static void
host_stopped(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = &sim->hosts[arg & 0xff];

	if (host->node == NULL || host->life != (uint32_t)(arg >> 8))
		return;
	sim->sometimes[SIM_STOPPED]++;
	if (!sim_disk_close(host))
		host->shut_told = false; /* it may not know it any more */
	else if (host->shut_told)
		sim_check_secrets_left(host);
	sim_host_crash(host, false);
	if ((sim->healed || host->shut_told) && !host->left)
		sim_host_start(host);
}

void
sim_host_pause(struct sim_host *host, sim_time until)
{
	if (host->node == NULL)
		return;
	/* Healing wakes it, and all that waits for it by then. */
	if (until > host->sim->plan.fault_until && host->sim->plan.fault_until > 0)
		until = host->sim->plan.fault_until;
	sim_trace(host->sim, host, "pause for %.3f s", (double)(until - host->sim->now) / 1e6);
	host->sim->pauses++;
	host->sim->sometimes[SIM_PAUSED]++;
	/* A shorter one within a longer one wakes nobody, or what waits would be overtaken. */
	if (until > host->paused_until)
		host->paused_until = until;
}

/* ---- steps ---- */

static void
host_serves(struct sim_host *host)
{
	host->ready = true;
	check_shut_serves(host);
	sim_trace(host->sim, host, "ready");
}

static void
host_stops(struct sim_host *host)
{
	sim_trace(host->sim, host, "stopped");
	sim_at(host->sim, host->sim->now, host_stopped, host->index | (uint64_t)host->life << 8);
}

static void
host_ends(struct sim_host *host, const char *why)
{
	if (sim_shut_stopped(host, why))
		host_stops(host);
	else
		sim_fail(host->sim, "host %" PRIu32 " stopped itself: %s", host->index, why);
}

static void
host_effect(struct sim_host *host, const struct mp_effect *fx)
{
	switch (fx->kind) {
	case MP_FX_DATAGRAM:
		sim_net_datagram(host, &fx->u.datagram.to, fx->u.datagram.bytes);
		break;
	case MP_FX_CONNECT:
		sim_net_connect(host, &fx->u.connect.to);
		break;
	case MP_FX_SEND:
		sim_net_send(host, fx);
		break;
	case MP_FX_DROP_PEER:
		sim_net_drop(host, &fx->u.drop.peer);
		break;
	case MP_FX_PERSIST:
		sim_disk_persist(host, fx);
		break;
	case MP_FX_ROWS_READ:
		sim_disk_read(host, fx);
		break;
	case MP_FX_REPLY:
		sim_client_reply(host, fx->u.reply.request, fx->u.reply.bytes, fx->u.reply.last);
		break;
	case MP_FX_BLOB_STAT:
		sim_blob_stat(host, fx);
		break;
	case MP_FX_BLOB_READ:
		sim_blob_read(host, fx);
		break;
	case MP_FX_BLOB_WRITE:
		sim_blob_write(host, fx);
		break;
	case MP_FX_BLOB_SYNC:
		sim_blob_sync(host, fx);
		break;
	case MP_FX_CACHE_PUT:
		sim_shelf_put(host, fx);
		break;
	case MP_FX_CACHE_FIND:
		sim_shelf_find(host, fx);
		break;
	case MP_FX_CACHE_GET:
		sim_shelf_get(host, fx);
		break;
	case MP_FX_BLOB_LIST:
		sim_blob_list(host, fx);
		break;
	case MP_FX_EXEC_START:
		sim_jobs_start(host, &fx->u.exec_start);
		break;
	case MP_FX_EXEC_KILL:
		sim_jobs_kill(host, &fx->u.exec_kill.key);
		break;
	case MP_FX_EXEC_LEASE:
		sim_jobs_lease(host, &fx->u.exec_lease.key, fx->u.exec_lease.until_ms);
		break;
	case MP_FX_RESOLVE:  /* addresses have no names here, and stay */
	case MP_FX_LOG_READ: /* clients of the simulator follow no logs */
		break;
	case MP_FX_READY:
		host_serves(host);
		break;
	case MP_FX_STOPPED:
		host_stops(host);
		break;
	case MP_FX_FATAL:
		host_ends(host, fx->u.fatal.text);
		break;
	}
}

static void
host_trace(struct sim_host *host, const struct mp_event *ev)
{
	struct sim *sim = host->sim;
	uint64_t digest = ev->kind;

	if (ev->kind == MP_EV_DATAGRAM)
		digest ^= mp_hash64(ev->u.datagram.bytes.p, ev->u.datagram.bytes.n, 1);
	if (ev->kind == MP_EV_MESSAGE)
		digest ^= mp_hash64(ev->u.message.bytes.p, ev->u.message.bytes.n, 2);
	sim_mix(sim, digest ^ (uint64_t)sim->now << 8 ^ host->index);
	if (!sim->trace || ev->kind == MP_EV_RESTORE)
		return;
	if (ev->kind == MP_EV_MESSAGE)
		sim_trace(sim, host, "%s from n%" PRIu32 ", %zu bytes",
			sim_message_name(ev->u.message.bytes),
			sim_host_of(sim, &ev->u.message.peer)->index, ev->u.message.bytes.n);
	else if (ev->kind == MP_EV_DATAGRAM)
		sim_trace(sim, host, "datagram from n%u, %zu bytes",
			ev->u.datagram.from.ip[15] - 1u, ev->u.datagram.bytes.n);
	else if (ev->kind == MP_EV_LINK)
		sim_trace(sim, host, "%s link to n%" PRIu32 ": %s",
			ev->u.link.klass == MP_CLASS_CONTROL ? "control" : "bulk",
			sim_host_of(sim, &ev->u.link.peer)->index,
			(const char *const[]){"up", "down", "refused", "failed"}[ev->u.link.state]);
	else
		sim_trace(sim, host, "%s", sim_event_name(ev->kind));
}

void
sim_host_step(struct sim_host *host, struct mp_event *ev)
{
	struct sim *sim = host->sim;
	const struct mp_effect *fx;
	size_t count;

	ev->now_ms = sim_host_clock(host);
	ev->wall_ms = sim_host_wall(host);
	ev->entropy = mp_rng_next(&sim->rng);
	sim->steps++;
	host_trace(host, ev);
	sim_check_event(host, ev);
	mp_node_step(host->node, ev, &fx, &count);
	sim_check_step(host);
	for (size_t i = 0; i < count && sim->failure[0] == '\0'; i++) {
		sim_check_effect(host, &fx[i]);
		host_effect(host, &fx[i]);
	}
	if (host->node != NULL && ev->kind != MP_EV_RESTORE)
		sim_tick_at(host);
}
