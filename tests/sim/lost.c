/* SPDX-License-Identifier: Apache-2.0 */
/* Electors whose rows were lost or damaged: who they are, and that they say nothing that counts
 * before their return is committed (I8). */
#include "check_int.h"

#include <inttypes.h>

#include "codec/msg_raft.h"
#include "core/raft_log.h"

static struct mp_span
run_key(const struct mp_run_id *id)
{
	return mp_span(id->b, sizeof(id->b));
}

/* A sum, then [generation, term, voted | null], and [..., loss, regained]. */
bool
check_vote_row(const struct sim_host *host, const struct mp_run_id *id, struct check_vote *out)
{
	struct mp_span row = sim_disk_row(host, MP_TABLE_VOTE, run_key(id));
	struct mp_span parts[2] = {run_key(id), {NULL, 0}};
	struct mp_cbor_r r;
	struct mp_hash sum;
	size_t items;

	*out = (struct check_vote){.term = 0};
	if (row.p == NULL || row.n < MP_LOG_ROW_HEAD)
		return false;
	parts[1] = mp_span(row.p + MP_LOG_ROW_HEAD, row.n - MP_LOG_ROW_HEAD);
	sim_crypto.hash(&sum, parts, 2);
	mp_cbor_r_init(&r, parts[1]);
	items = mp_cbor_r_array(&r, 5);
	out->generation = mp_cbor_r_uint(&r, UINT64_MAX);
	out->term = mp_cbor_r_uint(&r, UINT64_MAX);
	out->voted = mp_cbor_r_peek(&r) != MP_CBOR_NULL;
	if (out->voted)
		mp_cbor_r_fixed(&r, out->candidate.b, sizeof(out->candidate.b));
	else
		mp_cbor_r_null(&r);
	if (items == 5) {
		out->loss = mp_cbor_r_uint(&r, UINT64_MAX);
		out->regained = mp_cbor_r_uint(&r, UINT64_MAX);
	}
	return mp_cbor_r_end(&r) == 0 && memcmp(sum.b, row.p, MP_LOG_ROW_HEAD) == 0;
}

/* It came back without its rows, and cannot tell that the run is a new one. */
static bool
run_unknown(const struct sim_host *host, const struct check_run *run)
{
	return host->returned_ms > 0 && run->record.submitted_ms <= host->returned_ms + 60000 &&
	       sim_disk_row(host, MP_TABLE_RUN, run_key(&run->id)).p == NULL;
}

bool
check_lost(const struct sim *sim, const struct check_run *run, uint32_t host)
{
	const struct sim_host *h = &sim->hosts[host];
	struct check_vote vote;

	if (!run->lost[host] && h->returned_ms == 0)
		return false;
	if (!check_vote_row(h, &run->id, &vote) || vote.generation < run->generation)
		return run->lost[host] || run_unknown(h, run);
	if (run->lost[host] && vote.loss == run->old_loss[host])
		return true;
	return vote.loss != 0 && vote.regained == 0;
}

/* One more elector of this run may lose what it has. */
static bool
may_lose(const struct sim *sim, const struct check_run *run, uint32_t host)
{
	uint32_t whole = 0;

	for (uint32_t i = 0; i < run->record.elector_count; i++) {
		uint32_t elector = sim_host_index(sim, &run->record.electors[i]);

		whole += elector != host && !check_lost(sim, run, elector);
	}
	return whole >= check_majority(run);
}

bool
check_end_on_disk(const struct sim *sim, const struct check_run *run, uint32_t host)
{
	struct mp_span row = sim_disk_row(&sim->hosts[host], MP_TABLE_KNOWN, run_key(&run->id));
	struct mp_cbor_r r;

	if (row.p == NULL)
		return false;
	mp_cbor_r_init(&r, row);
	(void)mp_cbor_r_array(&r, 2);
	(void)mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	return mp_cbor_r_peek(&r) != MP_CBOR_NULL;
}

/* It has ended, and another one has that on its disk. */
static bool
run_over(const struct sim *sim, const struct check_run *run, uint32_t host)
{
	for (uint32_t i = 0; i < sim->plan.hosts; i++) {
		if (i != host && check_end_on_disk(sim, run, i))
			return true;
	}
	return false;
}

static void
run_lost(struct check_run *run, const struct sim_host *host)
{
	struct check_vote vote;

	(void)check_vote_row(host, &run->id, &vote);
	run->lost[host->index] = true;
	run->old_loss[host->index] = vote.loss;
}

bool
sim_check_wipe(struct sim_host *host)
{
	struct sim_check *check = host->sim->check;

	for (size_t i = 0; i < check->run_count; i++) {
		const struct check_run *run = check->runs[i];

		if (mp_run_elector(&run->record, &host->id) >= 0 &&
			!run_over(host->sim, run, host->index) &&
			!may_lose(host->sim, run, host->index))
			return false;
	}
	for (size_t i = 0; i < check->run_count; i++) {
		struct check_run *run = check->runs[i];

		if (mp_run_elector(&run->record, &host->id) >= 0)
			run_lost(run, host);
		run->fence[host->index] = 0;
	}
	check->members_durable[host->index] = 0;
	return true;
}

/* A minority of the electors may have a damaged log. */
bool
sim_check_damage(struct sim_host *host, struct mp_span id)
{
	struct sim *sim = host->sim;
	struct check_run *run;
	struct mp_run_id run_id;

	memcpy(run_id.b, id.p, sizeof(run_id.b));
	run = check_run_find(sim->check, &run_id);
	if (run == NULL || check_lost(sim, run, host->index) || !may_lose(sim, run, host->index))
		return false;
	sim_trace(sim, host, "the log of run %s is damaged", check_run_text(&run_id));
	run_lost(run, host);
	return true;
}

/* ---- what they say ---- */

/* Its return was committed in a term before this one, and it has that on its disk. */
static bool
return_committed(const struct sim_host *host, const struct check_run *run, uint64_t term)
{
	struct check_vote vote;

	if (!check_vote_row(host, &run->id, &vote) || vote.regained == 0 || vote.regained >= term ||
		vote.loss == run->old_loss[host->index])
		return false;
	for (size_t i = 0; i < run->entry_count; i++) {
		const struct committed *e = &run->entries[i];

		if (e->kind == MP_ENTRY_RETURNED && e->term <= vote.regained &&
			e->returned.loss == vote.loss &&
			mp_node_id_eq(&e->returned.elector, &host->id))
			return check_entry_row(host, &run->id, i + 1).p != NULL;
	}
	return false;
}

/* Its own vote counts, or what it says to others. */
void
check_regained(struct sim_host *host, const struct check_run *run, uint64_t term, bool votes)
{
	if (!run->lost[host->index])
		return;
	if (!return_committed(host, run, term))
		sim_fail(host->sim,
			"I8: host %" PRIu32 " votes or acknowledges without what it has lost",
			host->index);
	host->sim->sometimes[votes ? SIM_LOST_VOTED : SIM_LOST_COUNTED]++;
}

void
check_mute(struct sim_host *host, const struct mp_msg_raft *m)
{
	const struct check_run *run = check_run_find(host->sim->check, &m->run);
	bool votes = m->kind == MP_MSG_VOTE_ACK && m->u.voted.granted;
	bool acks = m->kind == MP_MSG_APPEND_ACK && m->u.appended.ok && m->u.appended.loss == 0;

	/* What a mirror says counts for nothing. */
	if (run != NULL && m->generation >= run->generation && (votes || acks) &&
		mp_run_elector(&run->record, &host->id) >= 0)
		check_regained(host, run, m->term, votes);
}
