/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An authority shuts a host out, or changes the gossip key, while runs go on.
 *
 *   I15  what is shut out stops itself, says why, and never serves again; 10 s after it was, with
 *        all in order, no result that it made is taken any more
 */
#include "check_int.h"

#include <inttypes.h>

#include "codec/msg_ctl.h"
#include "codec/record_revoke.h"

#define KNOWN_WITHIN (10 * SIM_SEC)

static bool
may_ask(const struct sim_host *host)
{
	return host->node != NULL && host->ready && !host->stopping && !host->shut;
}

static void
ask(struct sim_host *at, enum mp_ctl_trust what, struct mp_span record)
{
	struct sim *sim = at->sim;
	uint8_t key[MP_SYMKEY_SIZE];
	struct mp_buf bytes;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)mp_rng_below(&sim->rng, 256);
	mp_buf_init(&bytes, &sim->alloc, 4096);
	mp_assert(mp_ctl_trust_encode(&bytes, what, record, key) == 0);
	sim_client_trust(at, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
}

bool
sim_shut_rotate(struct sim_host *at)
{
	if (!may_ask(at))
		return false;
	sim_trace(at->sim, at, "change the gossip key");
	ask(at, MP_CTL_TRUST_ROTATE, mp_span(NULL, 0));
	return true;
}

bool
sim_shut_revoke(struct sim_host *at, struct sim_host *of)
{
	struct sim *sim = at->sim;
	struct mp_revocation r = {
		.cluster = sim->cluster, .subject = of->id, .revoked_ms = sim_host_wall(at)};
	struct mp_buf record;

	if (!may_ask(at) || at == of || of->shut)
		return false;
	sim_trace(sim, at, "shut n%" PRIu32 " out", of->index);
	of->shut = true;
	of->shut_at = sim->now;
	mp_buf_init(&record, &sim->alloc, MP_REVOCATION_MAX);
	sim_trust_revoke(&r, &record);
	ask(at, MP_CTL_TRUST_REVOKE, mp_buf_span(&record));
	mp_buf_fini(&record);
	return true;
}

bool
sim_shut_stopped(struct sim_host *host, const char *why)
{
	if (!host->shut || strstr(why, "revoked") == NULL)
		return false;
	sim_trace(host->sim, host, "is shut out, and knows");
	host->sim->sometimes[SIM_SHUT] += !host->shut_told;
	host->shut_told = true;
	host->gone = true;
	return true;
}

bool
sim_shut_tries(struct sim_host *host)
{
	bool tries = host->shut_told && !host->shut_tried;

	host->shut_tried = host->shut_tried || tries;
	return tries;
}

void
check_shut_result(struct sim *sim, const struct mp_result *result)
{
	const struct sim_host *by = sim_host_of(sim, &result->node);

	if (by->shut && sim->healed && sim->now - by->shut_at > KNOWN_WITHIN)
		sim_fail(sim, "I15: a result of n%" PRIu32 " is taken, which is shut out",
			by->index);
}

void
check_shut_serves(struct sim_host *host)
{
	if (host->gone)
		sim_fail(host->sim, "I15: n%" PRIu32 " is shut out, and serves again", host->index);
}

/* One that all can do without, while they go on. Not the first, by which others join. */
void
sim_shut_one(struct sim *sim, uint64_t index)
{
	struct sim_host *of = &sim->hosts[index];

	if (!sim_check_spares(sim, of->index)) /* meanwhile it was given more */
		return;
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (sim_shut_revoke(&sim->hosts[i], of))
			return;
	}
	sim_at(sim, sim->now + SIM_SEC / 10, sim_shut_one, index);
}
