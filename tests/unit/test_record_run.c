/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "unit/fake_crypto.h"

#include "codec/record_run.h"

static const struct mp_cluster_id cluster = {{7}};

static struct mp_secret
node(uint8_t i)
{
	return (struct mp_secret){{i}};
}

struct fixture {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf params;
	struct mp_buf buf;
	struct mp_run_record rec;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mp_run_param params[] = {
		{mp_span_str("version"), mp_span_str("1.1")},
		{mp_span_str("b"), mp_span_str("")},
		{mp_span_str("os"), mp_span_str("linux")},
		{mp_span_str("a"), mp_span_str("x y")},
	};

	f->alloc = UNIT_ALLOC(&f->heap);
	mp_buf_init(&f->params, &f->alloc, 4096);
	mp_buf_init(&f->buf, &f->alloc, MP_RUN_RECORD_MAX);
	assert_int_equal(mp_run_params_encode(&f->params, params, 4), 0);
	f->rec = (struct mp_run_record){.cluster = cluster,
		.pipeline = {{1, 2, 3}},
		.opener = {{1}},
		.nonce = {9},
		.submitted_ms = 1700000000000,
		.name = "release",
		.elector_count = 3,
		.electors = {{{1}}, {{2}}, {{3}}},
		.copies = 2,
		.param_count = 4,
		.params = mp_buf_span(&f->params),
		.submission_key = "nightly-7"};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	mp_buf_fini(&f->params);
	mp_buf_fini(&f->buf);
	assert_int_equal(f->heap.live, 0);
	free(f);
	return 0;
}

static void
test_run_round_trip(void **state)
{
	struct fixture *f = *state;
	struct mp_secret opener = node(1);
	struct mp_run_record out;
	struct mp_run_param param;
	size_t at = 0;
	static const char *const keys[] = {"a", "b", "os", "version"};

	assert_int_equal(mp_run_record_sign(&fake_crypto, &opener, &f->rec, &f->buf), 0);
	assert_int_equal(
		mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&f->buf), &out), 0);
	assert_memory_equal(out.id.b, f->rec.hash.b, 16);
	assert_true(mp_hash_eq(&out.hash, &f->rec.hash));
	assert_string_equal(out.name, "release");
	assert_string_equal(out.submission_key, "nightly-7");
	assert_true(mp_hash_is_zero(&out.inputs));
	assert_int_equal(out.submitted_ms, 1700000000000);
	assert_int_equal(mp_run_elector(&out, &(struct mp_node_id){{3}}), 2);
	assert_int_equal(mp_run_elector(&out, &(struct mp_node_id){{4}}), -1);
	for (size_t i = 0; i < 4; i++) {
		assert_true(mp_run_param_next(&out, &at, &param));
		assert_true(mp_span_eq(param.key, mp_span_str(keys[i])));
	}
	assert_true(mp_span_eq(param.value, mp_span_str("1.1")));
	assert_false(mp_run_param_next(&out, &at, &param));
}

static void
test_run_refused(void **state)
{
	struct fixture *f = *state;
	struct mp_secret stranger = node(4);
	struct mp_cluster_id other = {{8}};
	struct mp_run_record out;
	struct mp_span record;
	struct mp_sig sig;

	assert_int_equal(mp_run_record_sign(&fake_crypto, &stranger, &f->rec, &f->buf), 0);
	assert_int_equal(
		mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&f->buf), &out), MP_ESIG);
	assert_int_equal(mp_run_record_verify(&fake_crypto, &other, mp_buf_span(&f->buf), &out),
		MP_ECLUSTER);
	assert_int_equal(mp_run_signed_decode(mp_buf_span(&f->buf), &record, &sig, NULL, NULL), 0);
	for (size_t n = 0; n < record.n; n++)
		assert_int_not_equal(mp_run_record_decode(mp_span(record.p, n), &out), 0);
	f->buf.p[(size_t)(record.p - f->buf.p) + 8] = 2;
	assert_int_equal(mp_run_record_decode(record, &out), MP_EVERSION);
}

static void
test_run_electors(void **state)
{
	struct fixture *f = *state;
	struct mp_run_record out;
	uint8_t *elector;

	f->rec.param_count = 0;
	f->rec.params = mp_span(NULL, 0);
	assert_int_equal(mp_run_record_encode(&f->buf, &f->rec), 0);
	assert_int_equal(mp_run_record_decode(mp_buf_span(&f->buf), &out), 0);
	elector = memmem(f->buf.p, f->buf.n, f->rec.electors[2].b, 32);
	assert_non_null(elector);
	*elector = 2;
	assert_int_equal(mp_run_record_decode(mp_buf_span(&f->buf), &out), MP_EFORMAT);
}

static void
test_params(void **state)
{
	struct fixture *f = *state;
	struct mp_run_param twice[] = {{mp_span_str("k"), mp_span_str("1")},
		{mp_span_str("j"), mp_span_str("2")}, {mp_span_str("k"), mp_span_str("3")}};
	struct mp_run_record out;
	uint8_t *key;

	assert_int_equal(mp_run_params_encode(&f->buf, twice, 3), MP_EEXIST);
	mp_buf_clear(&f->buf);
	assert_int_equal(mp_run_record_encode(&f->buf, &f->rec), 0);
	assert_int_equal(mp_run_record_decode(mp_buf_span(&f->buf), &out), 0);
	assert_int_equal(out.param_count, 4);
	key = memmem(f->buf.p, f->buf.n, "\x62os", 3);
	assert_non_null(key);
	memcpy(key, "\x61\x61\x61\x61", 3); /* not even the right shape */
	assert_int_equal(mp_run_record_decode(mp_buf_span(&f->buf), &out), MP_EFORMAT);
}

static void
test_entry(void **state)
{
	struct fixture *f = *state;
	struct mp_entry out, entry = {.run = {{5}},
				     .index = 1u << 20,
				     .term = 3,
				     .kind = MP_ENTRY_FINISHED,
				     .prev = {{6}},
				     .wall_ms = 1700000000001,
				     .body = mp_span_str("body")};
	struct mp_entry zero = entry;

	assert_int_equal(mp_entry_encode(&f->buf, &entry), 0);
	assert_true(f->buf.n <= entry.body.n + MP_ENTRY_OVERHEAD);
	assert_int_equal(mp_entry_decode(mp_buf_span(&f->buf), &out), 0);
	assert_int_equal(out.index, entry.index);
	assert_int_equal(out.term, 3);
	assert_int_equal(out.kind, MP_ENTRY_FINISHED);
	assert_int_equal(out.wall_ms, entry.wall_ms);
	assert_true(mp_span_eq(out.body, entry.body));
	for (size_t n = 0; n < f->buf.n; n++)
		assert_int_not_equal(mp_entry_decode(mp_span(f->buf.p, n), &out), 0);
	mp_buf_clear(&f->buf);
	zero.wall_ms = INT64_MIN + 1;
	zero.index = zero.term = INT64_MAX;
	zero.body = mp_span(NULL, 0);
	assert_int_equal(mp_entry_encode(&f->buf, &zero), 0);
	assert_true(f->buf.n <= MP_ENTRY_OVERHEAD);
	assert_int_equal(mp_entry_decode(mp_buf_span(&f->buf), &out), 0);
	assert_int_equal(out.body.n, 0);
}

/* A certificate for leader 2 in term 4, signed by the electors in `signers`. */
static struct mp_leader_cert
cert_make(struct fixture *f, const uint32_t *signers, uint32_t n)
{
	struct mp_leader_cert cert = {
		.run = f->rec.id, .generation = 1, .term = 4, .leader = {{2}}, .vote_count = n};
	struct mp_vote vote = {.cluster = cluster,
		.run = f->rec.id,
		.generation = 1,
		.naming = f->rec.hash,
		.term = 4,
		.candidate = {{2}}};

	for (uint32_t i = 0; i < n; i++) {
		struct mp_secret s = node((uint8_t)(signers[i] + 1));

		cert.votes[i].elector = signers[i];
		mp_vote_sign(&fake_crypto, &s, &vote, &cert.votes[i].sig);
	}
	return cert;
}

static int
cert_verify(struct fixture *f, const struct mp_leader_cert *cert)
{
	struct mp_leader_cert out;

	mp_buf_clear(&f->buf);
	assert_int_equal(mp_leader_cert_encode(&f->buf, cert), 0);
	assert_true(f->buf.n <= MP_LEADER_CERT_MAX);
	return mp_leader_cert_verify(&fake_crypto, mp_buf_span(&f->buf), &f->rec.now, &out);
}

static void
test_certificate(void **state)
{
	struct fixture *f = *state;
	struct mp_secret opener = node(1);
	struct mp_leader_cert cert, bad;

	assert_int_equal(mp_run_record_sign(&fake_crypto, &opener, &f->rec, &f->buf), 0);
	cert = cert_make(f, (const uint32_t[]){0, 2}, 2);
	assert_int_equal(cert_verify(f, &cert), 0);
	bad = cert_make(f, (const uint32_t[]){0, 1, 2}, 3);
	assert_int_equal(cert_verify(f, &bad), 0);

	bad = cert_make(f, (const uint32_t[]){1}, 1);
	assert_int_equal(cert_verify(f, &bad), MP_ENOQUORUM);
	bad = cert_make(f, (const uint32_t[]){1, 1}, 2);
	assert_int_equal(cert_verify(f, &bad), MP_EFORMAT);
	bad = cert_make(f, (const uint32_t[]){1, 3}, 2); /* a valid signature of no elector */
	assert_int_equal(cert_verify(f, &bad), MP_EAUTH);
	bad = cert;
	bad.votes[1].sig.b[5] ^= 1;
	assert_int_equal(cert_verify(f, &bad), MP_ESIG);
	bad = cert;
	bad.term = 5; /* votes of another term */
	assert_int_equal(cert_verify(f, &bad), MP_ESIG);
	bad = cert;
	bad.generation = 2;
	assert_int_equal(cert_verify(f, &bad), MP_EAUTH);
	bad = cert;
	bad.leader = f->rec.electors[0]; /* votes for another candidate */
	assert_int_equal(cert_verify(f, &bad), MP_ESIG);
	bad = cert;
	bad.leader = (struct mp_node_id){{4}};
	assert_int_equal(cert_verify(f, &bad), MP_EAUTH);
	bad = cert;
	bad.run.b[0] ^= 1;
	assert_int_equal(cert_verify(f, &bad), MP_EAUTH);
}

/* ---- mirrors and takeovers ---- */

static void
test_mirror(void **state)
{
	struct fixture *f = *state;
	struct mp_secret opener = node(1);
	struct mp_run_record out;

	f->rec.elector_count = 1;
	f->rec.mirrored = f->rec.survivor = true;
	f->rec.mirror = (struct mp_node_id){{2}};
	assert_int_equal(mp_run_record_sign(&fake_crypto, &opener, &f->rec, &f->buf), 0);
	assert_int_equal(
		mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&f->buf), &out), 0);
	assert_true(out.mirrored && out.survivor && out.now.mirrored);
	assert_int_equal(mp_run_elector(&out, &out.mirror), -1);
	assert_true(mp_electorate_has(&out.now, &out.mirror));
	assert_false(mp_electorate_has(&out.now, &(struct mp_node_id){{3}}));
	/* A mirror is not its own elector's. */
	memset(memmem(f->buf.p + f->buf.n - 120, 120, f->rec.mirror.b, 32), 1, 1);
	assert_int_equal(mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&f->buf), &out),
		MP_EFORMAT);
}

/* Node 2 takes over after node 1, who becomes its mirror; signed by `signer`. */
static int
take_over(struct fixture *f, struct mp_takeover *t, uint8_t signer, struct mp_buf *out)
{
	struct mp_secret secret = node(signer);
	uint8_t bytes[MP_TAKEOVER_MAX];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_run_record rec;
	struct mp_sig sig;
	struct mp_hash h;

	memcpy(t->signer, secret.public_key, sizeof(t->signer));
	assert_int_equal(mp_takeover_encode(&buf, t), 0);
	h = mp_record_hash(&fake_crypto, mp_buf_span(&buf));
	fake_crypto.sign(&secret, &sig, mp_span(h.b, sizeof(h.b)));
	mp_buf_clear(out);
	assert_int_equal(mp_run_take_over(out, mp_buf_span(&f->buf), mp_buf_span(&buf), &sig), 0);
	return mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(out), &rec);
}

static void
test_takeover(void **state)
{
	struct fixture *f = *state;
	struct mp_secret opener = node(1);
	struct mp_takeover t;
	struct mp_run_record first, rec;
	struct mp_hash naming;
	struct mp_buf out, again;

	mp_buf_init(&out, &f->alloc, MP_RUN_RECORD_MAX);
	mp_buf_init(&again, &f->alloc, MP_RUN_RECORD_MAX);
	f->rec.elector_count = 1;
	f->rec.mirrored = f->rec.survivor = true;
	f->rec.mirror = (struct mp_node_id){{2}};
	assert_int_equal(mp_run_record_sign(&fake_crypto, &opener, &f->rec, &f->buf), 0);
	assert_int_equal(
		mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&f->buf), &first), 0);
	assert_false(mp_run_survived(&first));
	t = (struct mp_takeover){.who = first.now, .parent = first.now.naming, .wall_ms = 5};
	t.who.generation = 2;
	t.who.electors[0] = (struct mp_node_id){{2}};
	t.who.mirror = (struct mp_node_id){{1}};
	t.who.base_index = 7;
	t.who.base_term = 3;
	assert_int_equal(take_over(f, &t, 2, &out), 0);
	assert_int_equal(mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&out), &rec), 0);
	assert_true(mp_run_id_eq(&rec.id, &first.id) && mp_hash_eq(&rec.hash, &first.hash));
	assert_true(rec.now.generation == 2 && rec.now.base_index == 7 && rec.takeover_ms == 5);
	assert_true(mp_run_survived(&rec));
	assert_int_equal(mp_electorate_cmp(&first.now, &rec.now), -1);
	assert_int_equal(mp_run_naming(&fake_crypto, mp_buf_span(&out), &naming), 0);
	assert_true(mp_hash_eq(&naming, &rec.now.naming));
	/* By whom it may be signed is for others to say; of three it is nobody's own business. */
	assert_int_equal(take_over(f, &t, 3, &out), 0);
	assert_int_equal(mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&out), &rec), 0);
	assert_false(mp_run_survived(&rec));
	/* The next one takes its place. */
	t.who.generation = 3;
	assert_int_equal(take_over(f, &t, 2, &again), 0);
	assert_int_equal(again.n, out.n);
	/* Not of this run; nothing to build on, and yet something. */
	t.who.run.b[0] ^= 1;
	assert_int_equal(take_over(f, &t, 2, &out), MP_EAUTH);
	t.who.run.b[0] ^= 1;
	t.who.base_index = t.who.base_term = 0;
	t.who.base_hash.b[0] ^= 1;
	assert_int_equal(take_over(f, &t, 2, &out), MP_EAUTH);
	for (size_t i = f->buf.n; i < again.n; i++) {
		again.p[i] ^= 0x10;
		assert_int_not_equal(
			mp_run_record_verify(&fake_crypto, &cluster, mp_buf_span(&again), &rec), 0);
		again.p[i] ^= 0x10;
	}
	mp_buf_fini(&out);
	mp_buf_fini(&again);
}

/* Every allocation may fail, and nothing is left behind. */
static void
test_memory(void **state)
{
	struct fixture *f = *state;
	struct mp_secret opener = node(1);
	int rc = MP_ENOMEM;

	for (size_t i = 1; rc != 0; i++) {
		struct mp_buf buf;

		mp_buf_init(&buf, &f->alloc, MP_RUN_RECORD_MAX);
		f->heap.fail_at = f->heap.calls + i;
		rc = mp_run_record_sign(&fake_crypto, &opener, &f->rec, &buf);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		f->heap.fail_at = 0;
		mp_buf_fini(&buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_run_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_electors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_params, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mirror, setup, teardown),
		cmocka_unit_test_setup_teardown(test_takeover, setup, teardown),
		cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
