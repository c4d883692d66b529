/* SPDX-License-Identifier: Apache-2.0 */
/* The run's record, its log and its end. */
#include <inttypes.h>
#include <stdio.h>

#include "core/charter.h"
#include "ctl/proof.h"
#include "util/hex.h"

static void module_changed(void *ctx, uint32_t module, enum mp_module_state from);

/* ---- the record ---- */

static struct mp_electorate
first_electorate(const struct mp_run_record *rec)
{
	struct mp_electorate who = {.cluster = rec->cluster,
		.run = rec->id,
		.generation = 1,
		.naming = rec->hash,
		.elector_count = rec->elector_count,
		.mirrored = rec->mirrored,
		.mirror = rec->mirror,
		.base_hash = rec->hash};

	memcpy(who.electors, rec->electors, sizeof(who.electors));
	return who;
}

static void
check_electorate(struct mp_proof *p, const struct mp_electorate *who, mp_time wall_ms)
{
	for (uint32_t i = 0; i < who->elector_count; i++) {
		mp_proof_at(p, 0, MP_MODULES_MAX, &who->electors[i]);
		/* Who is revoked counts for no term: that is looked at there. */
		if (!mp_proof_shut(p, &who->electors[i], wall_ms))
			(void)mp_proof_signer(p, &who->electors[i], wall_ms, "is an elector");
	}
	mp_proof_at(p, 0, MP_MODULES_MAX, NULL);
}

static void
check_takeover(struct mp_proof *p)
{
	const struct mp_authority *log = mp_charter_log(p->charter);
	char at[MP_PROOF_TIME];

	if (p->rec.now.generation == 1)
		return;
	mp_proof_time(at, p->rec.takeover_ms);
	if (!mp_run_survived(&p->rec) &&
		(log == NULL || !mp_authority_has(log, p->rec.signer, p->rec.takeover_ms)))
		mp_proof_say(p, MP_PROOF_BROKEN, "takeover",
			"the takeover to generation %" PRIu64 " at %s was signed by no authority",
			p->rec.now.generation, at);
	else
		mp_proof_say(p, MP_PROOF_NOTE, "takeover",
			"taken over at %s: generation %" PRIu64 " goes on after entry %" PRIu64, at,
			p->rec.now.generation, p->rec.now.base_index);
	check_electorate(p, &p->rec.now, p->rec.takeover_ms);
}

/* The id that was asked for is the hash of what was handed in. */
static bool
check_id(struct mp_proof *p, const char *asked)
{
	char hex[2 * sizeof(p->rec.id.b) + 1];

	mp_hex(hex, p->rec.id.b, sizeof(p->rec.id.b));
	if (strncmp(hex, asked, strlen(asked)) == 0)
		return true;
	mp_proof_unlike(p, "record", asked, hex,
		"the record is that of another run: a run's id is the hash of its record");
	return false;
}

int
mp_proof_run(struct mp_proof *p, const char *asked, struct mp_span record, struct mp_span pipeline)
{
	int rc = mp_buf_append(&p->record, record.p, record.n);

	if (rc == 0)
		rc = mp_buf_append(&p->pipeline, pipeline.p, pipeline.n);
	if (rc != 0)
		return rc;
	rc = mp_run_record_verify(p->crypto, &p->cluster, mp_buf_span(&p->record), &p->rec);
	if (rc != 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "record",
			"the run's record, or the takeover of it, is not what was signed: %s",
			mp_strerror(rc));
		return MP_EFORMAT;
	}
	if (!check_id(p, asked))
		return MP_EFORMAT;
	p->has_record = true;
	p->first = first_electorate(&p->rec);
	p->tip = p->end_tip = p->rec.hash;
	mp_proof_at(p, 0, MP_MODULES_MAX, &p->rec.opener);
	(void)mp_proof_signer(p, &p->rec.opener, p->rec.submitted_ms, "opened the run");
	check_electorate(p, &p->first, p->rec.submitted_ms);
	check_takeover(p);
	rc = mp_run_graph(p->crypto, p->alloc, &p->rec, mp_buf_span(&p->pipeline), &p->graph);
	if (rc == MP_ENOMEM)
		return rc;
	if (rc != 0) {
		struct mp_hash actual;

		p->crypto->hash(&actual, &pipeline, 1);
		mp_proof_differ(p, "pipeline", p->rec.pipeline.b, actual.b,
			"the pipeline is not the one that the run's record names");
		return MP_EFORMAT;
	}
	rc = mp_run_init(&p->run, p->alloc, p->graph, &p->rec.id, 1);
	p->has_run = rc == 0;
	if (rc == 0)
		p->modules =
			mp_realloc(p->alloc, NULL, 0, p->graph->module_count * sizeof(*p->modules));
	if (p->modules == NULL)
		return MP_ENOMEM;
	memset(p->modules, 0, p->graph->module_count * sizeof(*p->modules));
	p->run.changed = module_changed;
	p->run.changed_ctx = p;
	return 0;
}

/* ---- terms ---- */

const struct mp_node_id *
mp_proof_leader(const struct mp_proof *p, uint64_t term)
{
	for (size_t i = p->term_count; i > 0; i--) {
		if (p->terms[i - 1].term == term)
			return &p->terms[i - 1].leader;
	}
	return NULL;
}

/* NULL: of a generation between two takeovers, whose electors are not on record any more. */
static const struct mp_electorate *
electorate_of(const struct mp_proof *p, uint64_t term)
{
	uint64_t generation = mp_term_generation(term);

	if (generation == p->rec.now.generation)
		return &p->rec.now;
	return generation == 1 ? &p->first : NULL;
}

/* Votes of keys that were revoked by then do not count. */
static void
check_votes(struct mp_proof *p, const struct mp_electorate *who, const struct mp_leader_cert *cert,
	mp_time wall_ms)
{
	char expected[MP_PROOF_VALUE], actual[MP_PROOF_VALUE];
	uint32_t votes = 0;

	for (uint32_t i = 0; i < cert->vote_count; i++)
		votes += !mp_proof_shut(p, &who->electors[cert->votes[i].elector], wall_ms);
	if (votes > who->elector_count / 2)
		return;
	(void)snprintf(expected, sizeof(expected), "%u votes", who->elector_count / 2 + 1);
	(void)snprintf(actual, sizeof(actual), "%u votes", votes);
	mp_proof_unlike(p, "term", expected, actual,
		"without the votes of keys that were revoked by then, its leader has no majority");
}

/* A new generation begins where its takeover says. */
static void
check_base(struct mp_proof *p, const struct mp_electorate *who, const struct mp_entry *entry)
{
	if (who == NULL || who->generation == 1 || mp_term_generation(p->term) == who->generation)
		return;
	if (entry->index != who->base_index + 1)
		mp_proof_differ(p, "takeover", who->base_hash.b, entry->prev.b,
			"this generation does not begin where its takeover says");
}

/* The last entry that was taken over: whoever signed that stands for all before it. */
static void
check_taken(struct mp_proof *p)
{
	const struct mp_electorate *who = &p->rec.now;

	if (who->generation > 1 && p->last == who->base_index &&
		!mp_hash_eq(&p->tip, &who->base_hash))
		mp_proof_differ(p, "takeover", who->base_hash.b, p->tip.b,
			"the log before this generation is not the one that was taken over");
}

/* Votes for its leader cannot be judged: nobody keeps who the electors were. */
static void
tell_between(struct mp_proof *p, const struct mp_entry *entry)
{
	bool taken = !mp_run_survived(&p->rec) && entry->index <= p->rec.now.base_index;

	mp_proof_say(p, taken ? MP_PROOF_NOTE : MP_PROOF_OPEN, "term",
		"it is of generation %" PRIu64 ", between two takeovers, whose electors are not on "
		"record; %s",
		mp_term_generation(entry->term),
		taken ? "the authority that signed the later one stands for the log up to there"
		      : "no authority signed the later one");
}

static int
check_term(struct mp_proof *p, const struct mp_entry *entry)
{
	const struct mp_electorate *who = electorate_of(p, entry->term);
	struct mp_leader_cert cert;
	struct mp_node_id leader;
	struct mp_span votes;
	int rc = mp_body_term_start_decode(entry->body, &leader, &votes);

	if (rc != 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "term", "not a term's start: %s", mp_strerror(rc));
		return 0;
	}
	mp_proof_at(p, entry->index, MP_MODULES_MAX, &leader);
	check_base(p, who, entry);
	if (who != NULL)
		rc = mp_leader_cert_verify(p->crypto, votes, who, &cert);
	if (rc != 0)
		mp_proof_say(p, MP_PROOF_BROKEN, "term",
			"no majority of signed votes for the leader of term %" PRIu64 ": %s",
			entry->term, mp_strerror(rc));
	else if (who == NULL)
		tell_between(p, entry);
	else if (cert.term != entry->term || !mp_node_id_eq(&cert.leader, &leader))
		mp_proof_differ(p, "term", cert.leader.b, leader.b,
			"the votes are for another leader, or another term");
	else
		check_votes(p, who, &cert, entry->wall_ms);
	rc = mp_proof_grow(p, (void **)&p->terms, sizeof(*p->terms), p->term_count, &p->term_room);
	if (rc == 0)
		p->terms[p->term_count++] = (struct proof_term){entry->term, leader};
	return rc;
}

/* ---- entries ---- */

static int
assigned_add(struct mp_proof *p, const struct mp_assigned *a)
{
	int rc = mp_proof_grow(p, (void **)&p->assigned, sizeof(*p->assigned), p->assigned_count,
		&p->assigned_room);

	if (rc == 0)
		p->assigned[p->assigned_count++] = (struct proof_assigned){a->attempt, a->worker};
	return rc;
}

static int
note_assigned(struct mp_proof *p, const struct mp_entry *entry)
{
	struct mp_assigned a;
	struct mp_list list;
	int rc = 0;

	if (entry->kind == MP_ENTRY_ONCE_BEGIN)
		return mp_body_once_begin_decode(entry->body, &a) == 0 ? assigned_add(p, &a) : 0;
	if (mp_body_assigned_decode(entry->body, &list) != 0)
		return 0;
	while (rc == 0 && mp_assigned_next(&list, &a))
		rc = assigned_add(p, &a);
	return rc;
}

/* It names the one before, and its term is that of the leader that appended it. */
static bool
check_chain(struct mp_proof *p, const struct mp_entry *entry)
{
	char expected[MP_PROOF_VALUE], actual[MP_PROOF_VALUE];

	if (!mp_run_id_eq(&entry->run, &p->rec.id)) {
		mp_proof_say(p, MP_PROOF_BROKEN, "log", "an entry of another run");
		return false;
	}
	if (entry->index != p->last + 1) {
		(void)snprintf(expected, sizeof(expected), "entry %" PRIu64, p->last + 1);
		(void)snprintf(actual, sizeof(actual), "entry %" PRIu64, entry->index);
		mp_proof_unlike(p, "log", expected, actual, "entries are missing");
		return false;
	}
	if (!mp_hash_eq(&entry->prev, &p->tip)) {
		mp_proof_differ(p, "log", entry->prev.b, p->tip.b,
			"the entry before this one is not the one that it was appended to");
		return false;
	}
	if (entry->term == p->term || (entry->term > p->term && entry->kind == MP_ENTRY_TERM_START))
		return true;
	(void)snprintf(expected, sizeof(expected), "term %" PRIu64, p->term);
	(void)snprintf(actual, sizeof(actual), "term %" PRIu64, entry->term);
	mp_proof_unlike(p, "term", expected, actual, "an entry of a term that did not begin");
	return false;
}

/* As mp_run_changed_cb. */
static void
module_changed(void *ctx, uint32_t module, enum mp_module_state from)
{
	struct mp_proof *p = ctx;

	(void)from;
	if (p->keep_rc == 0 && p->run.modules[module].entry == p->applying->index)
		p->keep_rc = mp_proof_keep(p, p->applying, module);
}

static int
entry_apply(struct mp_proof *p, const struct mp_entry *entry)
{
	struct mp_raft_entry e = {.index = entry->index,
		.term = entry->term,
		.kind = entry->kind,
		.wall_ms = entry->wall_ms,
		.body = entry->body,
		.hash = p->tip};
	int rc = 0;

	if (entry->kind == MP_ENTRY_TERM_START)
		rc = check_term(p, entry);
	else if (entry->kind == MP_ENTRY_ASSIGNED || entry->kind == MP_ENTRY_ONCE_BEGIN)
		rc = note_assigned(p, entry);
	else if (entry->kind == MP_ENTRY_FINISHED || entry->kind == MP_ENTRY_CACHED)
		rc = mp_proof_check_result(p, &e);
	p->applying = &e;
	p->keep_rc = 0;
	if (rc == 0)
		rc = mp_run_apply(&p->run, &e);
	if (p->keep_rc != 0)
		rc = p->keep_rc;
	mp_proof_at(p, entry->index, MP_MODULES_MAX, NULL);
	if (rc == MP_EUNSUPPORTED)
		mp_proof_say(
			p, MP_PROOF_OPEN, "log", "of a newer version, which this one cannot judge");
	return rc == MP_ENOMEM ? rc : 0;
}

int
mp_proof_entry(struct mp_proof *p, struct mp_span bytes)
{
	struct mp_entry entry;
	int rc = mp_entry_decode(bytes, &entry);

	if (p->lost)
		return 0;
	mp_proof_at(p, rc == 0 ? entry.index : p->last + 1, MP_MODULES_MAX, NULL);
	if (rc != 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "log", "not an entry: %s", mp_strerror(rc));
		p->lost = true;
		return 0;
	}
	p->lost = !check_chain(p, &entry) && entry.index != p->last + 1;
	if (p->lost)
		return 0;
	p->tip = mp_record_hash(p->crypto, bytes);
	p->last = entry.index;
	p->last_ms = entry.wall_ms;
	check_taken(p);
	rc = entry_apply(p, &entry);
	p->term = entry.term;
	if (p->run.end_index == entry.index)
		p->end_tip = p->tip;
	mp_proof_at(p, 0, MP_MODULES_MAX, NULL);
	return rc;
}

/* ---- the end ---- */

static void
check_end_entry(struct mp_proof *p, const struct mp_end *end)
{
	char expected[MP_PROOF_VALUE], actual[MP_PROOF_VALUE];
	enum mp_run_outcome outcome = p->run.outcome;

	(void)snprintf(expected, sizeof(expected), "entry %" PRIu64, end->last_index);
	(void)snprintf(actual, sizeof(actual), "entry %" PRIu64, p->last);
	if (p->last < end->last_index)
		mp_proof_unlike(p, "end", expected, actual,
			"the log breaks off before the entry that the run ended with");
	else if ((unsigned)outcome == 0)
		mp_proof_say(p, MP_PROOF_BROKEN, "end",
			"the run has ended, and its log does not say so where its leader signed "
			"that it does");
	else if (p->run.end_index != end->last_index || !mp_hash_eq(&p->end_tip, &end->last_hash))
		mp_proof_differ(p, "end", end->last_hash.b, p->end_tip.b,
			"the log does not end with the entry that its leader signed");
	else if (end->outcome != outcome || end->modules != p->graph->module_count ||
		 end->succeeded != p->run.counts[MP_MODULE_SUCCEEDED])
		mp_proof_say(p, MP_PROOF_BROKEN, "end",
			"what its leader signed (%u of %u modules succeeded) is not what follows "
			"from the log (%u of %u)",
			end->succeeded, end->modules, p->run.counts[MP_MODULE_SUCCEEDED],
			p->graph->module_count);
}

int
mp_proof_end(struct mp_proof *p, struct mp_span bytes)
{
	const struct mp_node_id *leader;
	struct mp_end end;
	int rc;

	mp_proof_at(p, 0, MP_MODULES_MAX, NULL);
	if (bytes.n == 0) {
		if ((unsigned)p->run.outcome != 0)
			mp_proof_say(p, MP_PROOF_OPEN, "end",
				"the run has ended, and its leader's signature on that is missing");
		return 0;
	}
	rc = mp_end_open(p->crypto, bytes, &end);
	if (rc != 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "end", "the end of the run is not signed: %s",
			mp_strerror(rc));
		return 0;
	}
	p->ended = true;
	p->end = end;
	mp_proof_at(p, end.last_index, MP_MODULES_MAX, &end.leader);
	leader = mp_proof_leader(p, end.term);
	if (!mp_cluster_id_eq(&end.cluster, &p->cluster) || !mp_run_id_eq(&end.run, &p->rec.id) ||
		end.generation != mp_term_generation(end.term))
		mp_proof_say(p, MP_PROOF_BROKEN, "end", "the end is that of another run");
	else if (leader == NULL && p->last < end.last_index)
		check_end_entry(p, &end); /* it breaks off even before that term */
	else if (leader == NULL || !mp_node_id_eq(leader, &end.leader))
		mp_proof_say(p, MP_PROOF_BROKEN, "end",
			"the end was signed by a node that did not lead term %" PRIu64, end.term);
	else if (mp_proof_signer(p, &end.leader, end.ended_ms, "signed the end"))
		check_end_entry(p, &end);
	mp_proof_at(p, 0, MP_MODULES_MAX, NULL);
	return 0;
}
