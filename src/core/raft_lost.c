/* SPDX-License-Identifier: Apache-2.0 */
/* Electors that have lost what they had, and how they come to count again: core/raft.h. */
#include "codec/record_work.h"
#include "core/mutant.h"
#include "core/raft_int.h"

bool
mp_raft_lost(const struct mp_raft *raft)
{
	return raft->loss != 0 && raft->regained == 0;
}

bool
mp_raft_blank(const struct mp_raft *raft)
{
	return !raft_counts(raft) && raft->matched == 0;
}

uint64_t
mp_raft_loss(const struct mp_raft *raft)
{
	return raft->loss;
}

/* ---- the one that lost ---- */

void
mp_raft_lose(struct mp_raft *raft, struct mp_env *env)
{
	raft->loss = MP_MUTANT(LOSS_FORGOTTEN) ? 0 : (mp_rng_next(&env->rng) >> 1) | 1;
	raft->regained = 0;
	raft->voted = RAFT_NOBODY;
	mp_raft_put_vote(raft, env);
}

void
mp_raft_contradicted(struct mp_raft *raft, struct mp_env *env)
{
	mp_raft_lose(raft, env);
	raft->corrupt = true;
}

void
mp_raft_regain(struct mp_raft *raft, struct mp_env *env, uint64_t after)
{
	uint64_t last = MP_MUTANT(REGAINED_EARLY) ? mp_raft_log_last(&raft->log) : raft->commit;
	struct mp_raft_entry entry;
	struct mp_returned r;

	for (uint64_t i = after + 1; i <= last && mp_raft_lost(raft); i++) {
		if (!mp_raft_entry_at(raft, i, &entry) || entry.kind != MP_ENTRY_RETURNED ||
			mp_body_returned_decode(entry.body, &r) != 0 || r.loss != raft->loss ||
			!mp_node_id_eq(&r.elector, &raft->peers[raft->self].id))
			continue;
		/* On the disk it comes after the entries. */
		raft->regained = raft->term;
		mp_raft_put_vote(raft, env);
	}
}

/* ---- its leader ---- */

void
mp_raft_peer_lost(struct mp_raft *raft, struct raft_peer *peer, uint64_t loss)
{
	if (peer->silent && (loss == 0 || loss == peer->loss))
		return;
	/* What it held before does not matter any more. */
	if (!peer->silent || peer->loss != 0)
		peer->match = 0;
	peer->match_ms = peer->heard_ms;
	peer->silent = true;
	peer->loss = loss;
	if (peer->next > raft->lead_next)
		peer->next = raft->lead_next;
	/* It cannot take over, and while that is waited for no RETURNED is proposed. */
	if (!raft->transfer_told && raft->transfer_to >= 0 &&
		peer == &raft->peers[raft->transfer_to])
		raft->transfer_to = RAFT_NOBODY;
}

/* Is the RETURNED of this loss in the log? Nor is one needed after the end of a run. */
static bool
lost_logged(const struct mp_raft *raft, uint64_t loss)
{
	struct mp_raft_entry entry;
	struct mp_returned r;

	for (uint64_t i = mp_raft_log_last(&raft->log); i > 0; i--) {
		(void)mp_raft_entry_at(raft, i, &entry);
		if (entry.kind == MP_ENTRY_END ||
			(entry.kind == MP_ENTRY_RETURNED &&
				mp_body_returned_decode(entry.body, &r) == 0 && r.loss == loss))
			return true;
	}
	return false;
}

void
mp_raft_heal(struct mp_raft *raft, struct mp_env *env)
{
	uint8_t bytes[64];
	struct mp_buf body = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};

	if (raft->role != MP_RAFT_LEADER)
		return;
	for (size_t i = 0; i < raft->elector_count; i++) {
		struct raft_peer *peer = &raft->peers[i];
		struct mp_returned r = {.elector = peer->id, .loss = peer->loss};

		if (peer->loss == 0 || peer->loss == peer->returned)
			continue;
		mp_buf_clear(&body);
		if (!lost_logged(raft, peer->loss) &&
			(mp_body_returned_encode(&body, &r) != 0 ||
				mp_raft_propose(raft, env, MP_ENTRY_RETURNED, mp_buf_span(&body),
					NULL) != 0))
			continue;
		peer->returned = peer->loss;
	}
}
