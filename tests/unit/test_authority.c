/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/trust.h"

#include "codec/token.h"

static int
append(struct mp_buf *log, enum mp_authority_op op, enum who key, enum who signer, mp_time at_ms)
{
	struct mp_authority_change change = {.op = op, .created_ms = at_ms};
	struct mp_buf longer = buf_new();
	int rc;

	memcpy(change.key, who[key].key, sizeof(change.key));
	rc = mp_authority_append(c, mp_buf_span(log), &change, &who[signer], &longer);
	if (rc != 0) {
		assert_int_equal(longer.n, 0);
		return rc;
	}
	mp_buf_fini(log);
	*log = longer;
	return 0;
}

static struct mp_buf
log_copy(void)
{
	struct mp_buf log = buf_new();

	assert_int_equal(mp_buf_append(&log, log_bytes.p, log_bytes.n), 0);
	return log;
}

static void
test_authority_log(void **state)
{
	struct mp_buf log = log_copy(), prefix = buf_new();
	struct mp_authority a;

	(void)state;
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY, AUTHORITY, NOW), MP_EEXIST);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY, NOW), MP_EAUTH);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, STRANGER, NOW), MP_EAUTH);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, STRANGER, AUTHORITY, NOW), MP_ENOENT);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, -1), MP_EINVAL);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW + 1), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2, NOW + 9), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2, NOW), MP_ENOENT);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), MP_EAUTH);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY, AUTHORITY2, NOW), MP_EEXIST);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&log), &a, NULL), 0);
	assert_int_equal(a.entry_count, 3);
	assert_memory_equal(a.cluster.b, cluster.b, 32);
	assert_true(mp_authority_has(&a, who[AUTHORITY2].key, MP_TIME_NEVER));
	assert_false(mp_authority_has(&a, who[AUTHORITY].key, MP_TIME_NEVER));
	assert_true(mp_authority_has(&a, who[AUTHORITY].key, NOW + 8));
	assert_false(mp_authority_has(&a, who[AUTHORITY].key, NOW + 9));
	assert_false(mp_authority_has(&a, who[STRANGER].key, NOW));
	assert_int_equal(mp_authority_prefix(mp_buf_span(&log), who[AUTHORITY].key), 1);
	assert_int_equal(mp_authority_prefix(mp_buf_span(&log), who[AUTHORITY2].key), 2);
	assert_int_equal(mp_authority_prefix(mp_buf_span(&log), who[STRANGER].key), 0);
	assert_int_equal(mp_authority_copy(mp_buf_span(&log), 1, &prefix), 0);
	assert_true(mp_span_eq(mp_buf_span(&prefix), mp_buf_span(&log_bytes)));
	mp_buf_fini(&prefix);
	for (size_t i = 0; i < log.n; i++) {
		log.p[i] ^= 4;
		if (mp_authority_open(c, mp_buf_span(&log), &a, NULL) == 0) /* another genesis? */
			fail_msg("byte %zu of the log does not count", i);
		log.p[i] ^= 4;
	}
	mp_buf_fini(&log);
}

static void
test_authority_order(void **state)
{
	struct mp_buf log = log_copy(), swapped = buf_new();
	struct mp_authority a;
	struct mp_cbor_w w;

	(void)state;
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	mp_cbor_w_init(&w, &swapped);
	mp_cbor_w_array(&w, 2); /* entry 1 is missing */
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&log), 0));
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&log), 2));
	assert_int_equal(mp_authority_open(c, mp_buf_span(&swapped), &a, NULL), MP_EFORMAT);
	mp_buf_fini(&swapped);
	assert_int_equal(mp_authority_open(c, mp_span("\x80", 1), &a, NULL), MP_EFORMAT);
	assert_int_equal(mp_authority_open(c, mp_span("\x98\x41", 2), &a, NULL), MP_ELIMIT);
	mp_buf_fini(&log);
}

/* The third entry of one log does not follow the second of another. */
static void
test_authority_chain(void **state)
{
	struct mp_buf one = log_copy(), other = log_copy(), mixed = buf_new();
	struct mp_authority a;
	struct mp_cbor_w w;

	(void)state;
	assert_int_equal(append(&one, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
	assert_int_equal(append(&one, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	assert_int_equal(append(&other, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW + 1), 0);
	mp_cbor_w_init(&w, &mixed);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&other), 0));
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&other), 1));
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&one), 2));
	assert_int_equal(mp_authority_open(c, mp_buf_span(&mixed), &a, NULL), MP_EAUTH);
	mp_buf_fini(&one);
	mp_buf_fini(&other);
	mp_buf_fini(&mixed);
}

static void
test_authority_full(void **state)
{
	struct mp_buf log = log_copy();
	struct mp_authority a;

	(void)state;
	for (unsigned i = 1; i <= MP_AUTHORITY_MAX; i++) {
		struct mp_authority_change change = {.op = MP_AUTHORITY_ADD, .created_ms = NOW};
		struct mp_buf longer = buf_new();
		int rc;

		memset(change.key, (int)i, sizeof(change.key));
		rc = mp_authority_append(c, mp_buf_span(&log), &change, &who[AUTHORITY], &longer);
		assert_int_equal(rc, i < MP_AUTHORITY_MAX ? 0 : MP_ELIMIT);
		mp_buf_fini(rc == 0 ? &log : &longer);
		if (rc == 0)
			log = longer;
	}
	assert_int_equal(mp_authority_open(c, mp_buf_span(&log), &a, NULL), 0);
	assert_int_equal(a.entry_count, MP_AUTHORITY_MAX);
	mp_buf_fini(&log);
}

/* A key that was removed admits nobody any more, and who came before stays. */
static void
test_removed_authority(void **state)
{
	struct mp_buf early = log_copy(), late = log_copy(), fork = log_copy(), out = buf_new();
	struct mp_authority early_a, late_a, fork_a;
	struct mp_credential cred;
	struct mp_error err = {0};
	struct mp_trust trust;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mp_buf *log = i == 0 ? &early : &late;

		assert_int_equal(append(log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
		assert_int_equal(append(log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2,
					 i == 0 ? NOW + 10 : NOW + 11),
			0);
	}
	assert_int_equal(append(&fork, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&early), &early_a, NULL), 0);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&late), &late_a, NULL), 0);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&fork), &fork_a, NULL), 0);

	trust = trust_of(&late_a); /* removed after the admission, which was at NOW + 10 */
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&member), &cred, NULL), 0);
	assert_int_equal(cred.standing, MP_STANDING_MEMBER);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&joiner), &cred, NULL), 0);
	assert_int_equal(cred.standing, MP_STANDING_JOINER); /* it may come in to be told */
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], NOW, &out, &err),
		MP_EAUTH);
	assert_non_null(strstr(err.text, "no authority any more; mpctl invite"));
	trust = trust_of(&early_a);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&member), &cred, NULL), MP_EAUTH);
	/* Nor does a stranger's admission from before the removal help. */
	trust = trust_of(NULL);
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[STRANGER], NOW, &out, NULL), 0);
	trust = trust_of(&late_a);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&out), &cred, NULL), 0);
	assert_int_equal(cred.standing, MP_STANDING_UNPROVEN);
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&out), &who[FOUNDER], NOW, &joiner, NULL),
		MP_EAUTH);
	/* Of a fork our own side counts. */
	trust = trust_of(&fork_a);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&joiner), &cred, NULL), 0);
	mp_buf_fini(&early);
	mp_buf_fini(&late);
	mp_buf_fini(&fork);
	mp_buf_fini(&out);
}

/* An invite by the second authority brings its own proof, and no more of the log than that. */
static void
test_second_authority(void **state)
{
	struct mp_buf log = log_copy(), second = buf_new(), out = buf_new();
	struct mp_join_request q = join_request();
	struct mp_trust trust = trust_of(NULL);
	struct mp_authority old;
	struct mp_credential cred;

	(void)state;
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	assert_int_equal(mp_invite_sign(c, &invite_fields, &who[AUTHORITY2], &second), 0);
	q.invite = mp_buf_span(&second);
	assert_int_equal(mp_trust_join(c, &q, &out, NULL), MP_EAUTH); /* not in this log */
	q.log = mp_buf_span(&log);
	assert_int_equal(mp_trust_join(c, &q, &out, NULL), 0);
	/* A verifier that never heard of the key believes the longer log. */
	assert_int_equal(mp_authority_open(c, mp_buf_span(&log_bytes), &old, NULL), 0);
	trust.authority = &old;
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&out), &cred, NULL), 0);
	assert_int_equal(cred.authority.entry_count, 2);
	mp_buf_fini(&log);
	mp_buf_fini(&second);
	mp_buf_fini(&out);
}

static void
test_invite_bounds(void **state)
{
	struct mp_buf out = buf_new();
	struct mp_invite bad;

	(void)state;
	bad = invite_fields;
	bad.roles = 0;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.expires_ms = bad.not_before_ms - 1;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.expires_ms = MP_TIME_NEVER;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.seeds[0] = mp_span_str("new\nline");
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.seed_count = MP_INVITE_SEEDS_MAX + 1;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	assert_int_equal(out.n, 0);
	mp_buf_fini(&out);
}

/* ---- tokens ---- */

static struct mp_buf
token_text(void)
{
	struct mp_token token = {
		.log = mp_buf_span(&log_bytes),
		.invite_bytes = mp_buf_span(&invite),
	};
	struct mp_buf text = buf_new();

	mp_secret_seed(who[INVITE].secret, token.seed);
	assert_int_equal(mp_token_encode(c, &token, &text), 0);
	return text;
}

static int
token_try(struct mp_span text, struct mp_token *token, struct mp_error *err)
{
	struct mp_buf bytes = buf_new();
	int rc = mp_token_decode(c, text, &bytes, token, err);

	mp_buf_fini(&bytes);
	return rc;
}

static void
test_token(void **state)
{
	struct mp_buf text = token_text(), bytes = buf_new(), padded = buf_new();
	struct mp_token token;
	struct mp_secret *s = NULL;
	struct mp_error err;
	uint8_t key[32];

	(void)state;
	assert_int_equal(mp_buf_append(&padded, " \t", 2), 0);
	assert_int_equal(mp_buf_append(&padded, text.p, text.n), 0);
	assert_int_equal(mp_buf_append(&padded, "\r\n\n", 3), 0);
	assert_int_equal(mp_token_decode(c, mp_buf_span(&padded), &bytes, &token, &err), 0);
	assert_true(mp_span_eq(token.log, mp_buf_span(&log_bytes)));
	assert_true(mp_span_eq(token.invite_bytes, mp_buf_span(&invite)));
	assert_memory_equal(token.authority.cluster.b, cluster.b, 32);
	assert_int_equal(token.invite.seed_count, 2);
	assert_int_equal(mp_secret_from_bytes(&s, token.seed, NULL), 0);
	mp_secret_public(s, key);
	assert_memory_equal(key, token.invite.key, 32);
	mp_secret_free(s);
	mp_buf_fini(&text);
	mp_buf_fini(&bytes);
	mp_buf_fini(&padded);
}

static void
test_bad_tokens(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *say;
	} rows[] = {
		{"", MP_EFORMAT, "empty"},
		{" \n", MP_EFORMAT, "empty"},
		{"hello", MP_EFORMAT, "not an invite token"},
		{"mp1", MP_EFORMAT, "not an invite token"},
		{"mp2-AAAA", MP_EVERSION, "newer"},
		{"mp1-", MP_EFORMAT, "damaged"},
		{"mp1-AAAAAAAAAAAAAAAAAAAA", MP_EFORMAT, "damaged"},
		{"mp1-AAAA+AAA", MP_EFORMAT, "damaged"},
		{"mp1-AAAA AAAA", MP_EFORMAT, "one line"},
		{"mp1-AAAA\nAAAA", MP_EFORMAT, "one line"},
	};
	struct mp_buf text = token_text();
	static uint8_t large[MP_TOKEN_MAX + 1];
	struct mp_token token;
	struct mp_error err;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		assert_int_equal(token_try(mp_span_str(rows[i].text), &token, &err), rows[i].rc);
		if (strstr(err.text, rows[i].say) == NULL)
			fail_msg("row %zu says: %s", i, err.text);
	}
	memset(large, 'A', sizeof(large));
	assert_int_equal(token_try(mp_span(large, sizeof(large)), &token, &err), MP_ELIMIT);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t was = text.p[i];

		assert_int_not_equal(token_try(mp_span(text.p, i), &token, &err), 0);
		text.p[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(token_try(mp_buf_span(&text), &token, &err), 0);
		text.p[i] = was;
	}
	mp_buf_fini(&text);
}

/* Well made, and still it proves nothing: the invite is by a stranger, or for another cluster. */
static void
test_false_tokens(void **state)
{
	struct mp_token token = {.log = mp_buf_span(&log_bytes)};
	struct mp_invite fields = invite_fields;
	struct mp_error err;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mp_buf signed_invite = buf_new(), text = buf_new();
		struct mp_token got;

		fields.cluster.b[0] ^= (uint8_t)i;
		assert_int_equal(mp_invite_sign(c, &fields, &who[i == 0 ? STRANGER : AUTHORITY],
					 &signed_invite),
			0);
		token.invite_bytes = mp_buf_span(&signed_invite);
		assert_int_equal(mp_token_encode(c, &token, &text), 0);
		assert_int_equal(
			token_try(mp_buf_span(&text), &got, &err), i == 0 ? MP_EAUTH : MP_ECLUSTER);
		mp_buf_fini(&signed_invite);
		mp_buf_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authority_log),
		cmocka_unit_test(test_authority_order),
		cmocka_unit_test(test_authority_chain),
		cmocka_unit_test(test_authority_full),
		cmocka_unit_test(test_removed_authority),
		cmocka_unit_test(test_second_authority),
		cmocka_unit_test(test_invite_bounds),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_bad_tokens),
		cmocka_unit_test(test_false_tokens),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
