/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "unit/proof_world.h"

#define RUN MP_MODULES_MAX

static void
test_holds(void **state)
{
	struct mp_finished finished;
	struct mp_result result;

	(void)state;
	world_make(SPOIL_NOTHING);
	assert_int_equal(walk(&W.proof), 0);
	for (size_t i = 0; i < W.found_count; i++)
		print_error("%s: %s\n", W.found[i].check, W.found[i].text);
	assert_int_equal(W.found_count, 0);
	assert_true(W.proof.ended && W.proof.last == W.entry_count);
	assert_int_equal(W.proof.results, 3);
	assert_int_equal(W.proof.recalled, 1);
	assert_int_equal(W.proof.run.outcome, MP_OUTCOME_SUCCEEDED);
	assert_string_equal(mp_proof_name(&W.proof, &W.rec.electors[1]), "joiner-1.lab");
	assert_true(mp_proof_result(&W.proof, 2, &finished, &result));
	assert_false(mp_run_id_eq(&result.run, &W.rec.id));
	mp_proof_fini(&W.proof);
	world_free();
}

/* Each thing that is not as it has to be is told, of what it is, and as what. */
static void
test_spoilt(void **state)
{
	static const struct {
		enum spoil spoil;
		enum mp_proof_weight weight;
		const char *check;
		uint32_t module;
		enum who node; /* WHO_COUNT: not looked at */
	} cases[] = {
		{SPOIL_RECORD_SIG, MP_PROOF_BROKEN, "record", RUN, WHO_COUNT},
		{SPOIL_PIPELINE, MP_PROOF_BROKEN, "pipeline", RUN, WHO_COUNT},
		{SPOIL_ELECTOR, MP_PROOF_BROKEN, "signer", RUN, AUTHORITY2},
		{SPOIL_VOTE_MISSING, MP_PROOF_BROKEN, "term", RUN, FOUNDER},
		{SPOIL_VOTE_SIG, MP_PROOF_BROKEN, "term", RUN, FOUNDER},
		{SPOIL_VOTE_OTHER, MP_PROOF_BROKEN, "term", RUN, FOUNDER},
		{SPOIL_VOTE_SHUT, MP_PROOF_BROKEN, "term", RUN, FOUNDER},
		{SPOIL_CHAIN, MP_PROOF_BROKEN, "log", RUN, WHO_COUNT},
		{SPOIL_GAP, MP_PROOF_BROKEN, "log", RUN, WHO_COUNT},
		{SPOIL_TERM, MP_PROOF_BROKEN, "term", RUN, WHO_COUNT},
		{SPOIL_OTHER_RUN, MP_PROOF_BROKEN, "log", RUN, WHO_COUNT},
		{SPOIL_SIG, MP_PROOF_BROKEN, "signature", 0, JOINER},
		{SPOIL_UNASSIGNED, MP_PROOF_BROKEN, "assignment", 0, STRANGER},
		{SPOIL_UNCERTIFIED, MP_PROOF_BROKEN, "signer", 0, AUTHORITY2},
		{SPOIL_SHUT_BEFORE, MP_PROOF_BROKEN, "signer", 0, JOINER},
		{SPOIL_SHUT_BEFORE, MP_PROOF_BROKEN, "signer", 2, JOINER},
		{SPOIL_SHUT_LATER, MP_PROOF_NOTE, "signer", 0, JOINER},
		{SPOIL_SWAPPED, MP_PROOF_BROKEN, "result", 0, WHO_COUNT},
		{SPOIL_GENERATION, MP_PROOF_BROKEN, "result", 0, JOINER},
		{SPOIL_SPEC, MP_PROOF_BROKEN, "spec", 0, JOINER},
		{SPOIL_INPUTS, MP_PROOF_BROKEN, "inputs", 0, JOINER},
		{SPOIL_OFFER, MP_PROOF_BROKEN, "offer", 0, JOINER},
		{SPOIL_OFFER_SIG, MP_PROOF_BROKEN, "offer", 0, JOINER},
		{SPOIL_LEADER, MP_PROOF_BROKEN, "offer", 0, JOINER},
		{SPOIL_KEY, MP_PROOF_BROKEN, "cache", 0, JOINER},
		{SPOIL_RECALL_KEY, MP_PROOF_BROKEN, "cache", 2, JOINER},
		{SPOIL_RECALL_SIG, MP_PROOF_BROKEN, "signature", 2, JOINER},
		{SPOIL_RECALL_OFFER_SIG, MP_PROOF_BROKEN, "offer", 2, JOINER},
		{SPOIL_END_SIG, MP_PROOF_BROKEN, "end", RUN, WHO_COUNT},
		{SPOIL_END_HASH, MP_PROOF_BROKEN, "end", RUN, FOUNDER},
		{SPOIL_END_LEADER, MP_PROOF_BROKEN, "end", RUN, STRANGER},
		{SPOIL_END_COUNT, MP_PROOF_BROKEN, "end", RUN, FOUNDER},
		{SPOIL_END_CUT, MP_PROOF_BROKEN, "end", RUN, FOUNDER},
		{SPOIL_END_NONE, MP_PROOF_OPEN, "end", RUN, WHO_COUNT},
		{SPOIL_REVOCATION, MP_PROOF_BROKEN, "revocation", RUN, WHO_COUNT},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(cases); i++) {
		struct mp_finding f = {.module = 0};
		struct mp_node_id node;

		world_make(cases[i].spoil);
		(void)judge();
		if (!finding(cases[i].check, cases[i].module, &f) || f.weight != cases[i].weight) {
			for (size_t k = 0; k < W.found_count; k++)
				print_error("%s %u: %s\n", W.found[k].check, W.found[k].module,
					W.found[k].text);
			fail_msg("spoil %d: no '%s'", cases[i].spoil, cases[i].check);
		}
		if (cases[i].weight != MP_PROOF_BROKEN)
			assert_int_equal(weighing(MP_PROOF_BROKEN), 0);
		if (cases[i].node != WHO_COUNT) {
			node = node_of(cases[i].node);
			assert_true(f.has_node && mp_node_id_eq(&f.node, &node));
		}
		world_free();
	}
}

/* What is expected and what is there are told in hex. */
static void
test_values(void **state)
{
	struct mp_finding f = {.module = 1};

	(void)state;
	world_make(SPOIL_SPEC);
	assert_int_equal(judge(), 0);
	assert_true(finding("spec", 0, &f));
	assert_int_equal(f.entry, 4);
	assert_true(strlen(f.expected) == 64 && strlen(f.actual) == 64);
	assert_true(f.expected[0] == f.actual[0] && f.expected[1] != f.actual[1]);
	assert_int_equal(weighing(MP_PROOF_BROKEN), 1);
	world_free();
}

/* No byte of what a node hands out can be another without being noticed. */
static void
test_flips(void **state)
{
	struct mp_buf *parts[ENTRIES_MAX + 5] = {&W.record, &W.pipeline, &W.end, &W.third, &member};
	size_t count = 5, flips = 0;

	(void)state;
	world_make(SPOIL_NOTHING);
	for (size_t i = 0; i < W.entry_count; i++)
		parts[count++] = &W.entries[i];
	for (size_t i = 0; i < count; i++) {
		for (size_t n = i % 13; n < parts[i]->n; n += 13) {
			parts[i]->p[n] ^= 0x10;
			(void)judge();
			if (weighing(MP_PROOF_BROKEN) == 0)
				fail_msg("part %zu, byte %zu of %zu", i, n, parts[i]->n);
			parts[i]->p[n] ^= 0x10;
			flips++;
		}
	}
	assert_true(flips > 300);
	assert_int_equal(judge(), 0);
	assert_int_equal(W.found_count, 0);
	world_free();
}

/* A record of another run, another cluster, credentials that are kept back. */
static void
test_withheld(void **state)
{
	struct mp_cluster_id other = cluster;
	struct mp_proof *p = &W.proof;

	(void)state;
	world_make(SPOIL_NOTHING);
	other.b[0] ^= 1;
	assert_int_equal(mp_proof_init(p, &alloc, c, &other, on_finding, NULL), 0);
	assert_int_equal(mp_proof_authority(p, mp_buf_span(&log_bytes)), 0);
	assert_true(finding("authority", RUN, NULL));
	assert_int_equal(mp_proof_settle(p), 0);
	assert_int_equal(
		mp_proof_run(p, "", mp_buf_span(&W.record), mp_buf_span(&W.pipeline)), MP_EFORMAT);
	assert_true(finding("record", RUN, NULL));
	mp_proof_fini(p);
	W.found_count = 0;
	assert_int_equal(mp_proof_init(p, &alloc, c, &cluster, on_finding, NULL), 0);
	assert_int_equal(mp_proof_authority(p, mp_buf_span(&log_bytes)), 0);
	assert_int_equal(mp_proof_settle(p), 0);
	assert_int_equal(mp_proof_run(p, "00ff", mp_buf_span(&W.record), mp_buf_span(&W.pipeline)),
		MP_EFORMAT);
	assert_true(finding("record", RUN, NULL));
	mp_proof_fini(p);
	W.found_count = 0;
	assert_int_equal(mp_proof_init(p, &alloc, c, &cluster, on_finding, NULL), 0);
	assert_int_equal(mp_proof_authority(p, mp_buf_span(&log_bytes)), 0);
	assert_int_equal(mp_proof_settle(p), 0);
	assert_int_equal(mp_proof_run(p, "", mp_buf_span(&W.record), mp_buf_span(&W.pipeline)), 0);
	assert_true(finding("signer", RUN, NULL));
	mp_proof_fini(p);
	world_free();
}

/* Every allocation may fail. */
static void
test_memory(void **state)
{
	(void)state;
	world_make(SPOIL_NOTHING);
	for (size_t at = 1;; at += 1 + at / 8) {
		int rc;

		heap.calls = 0;
		heap.fail_at = at;
		rc = judge();
		heap.fail_at = 0;
		if (rc == 0)
			break;
		assert_int_equal(rc, MP_ENOMEM);
	}
	assert_int_equal(W.found_count, 0);
	world_free();
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_spoilt),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_withheld),
		cmocka_unit_test(test_memory),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
