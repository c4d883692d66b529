/* SPDX-License-Identifier: Apache-2.0 */
/* Who may sign and who is shut out: whatever the order in which it is learned. */
#include "unit/trust.h"

#include "core/charter.h"

static struct mp_env env;

static struct mp_charter *
charter_new(void)
{
	struct mp_charter *charter;

	env.alloc = &alloc;
	env.crypto = c;
	env.cluster = cluster;
	if (env.out == NULL)
		env.out = mp_out_new(&alloc, NULL, NULL, NULL);
	mp_out_begin(env.out);
	assert_int_equal(mp_charter_new(&env, &charter), 0);
	return charter;
}

static void
out_free(void)
{
	mp_out_free(env.out);
	env.out = NULL;
}

/* The log with one more entry. */
static struct mp_buf
changed(struct mp_span log, enum mp_authority_op op, enum who key, enum who by, mp_time ms)
{
	struct mp_authority_change change = {.op = op, .created_ms = ms};
	struct mp_buf b = buf_new();

	memcpy(change.key, who[key].key, sizeof(change.key));
	assert_int_equal(mp_authority_append(c, log, &change, &who[by], &b), 0);
	return b;
}

static struct mp_buf
revocation(enum who of, enum who by, const char *why)
{
	struct mp_revocation r = {.cluster = cluster, .why = mp_span_str(why), .revoked_ms = NOW};
	struct mp_buf b = buf_new();

	memcpy(r.subject.b, who[of].key, sizeof(r.subject.b));
	assert_int_equal(mp_revocation_sign(c, &r, &who[by], &b), 0);
	return b;
}

static void
test_record(void **state)
{
	struct mp_buf b = revocation(JOINER, AUTHORITY, "gone"), bad = buf_new();
	struct mp_revocation r;
	struct mp_hash hash;

	(void)state;
	assert_int_equal(mp_revocation_open(c, mp_buf_span(&b), &r, &hash), 0);
	assert_memory_equal(r.subject.b, who[JOINER].key, 32);
	assert_memory_equal(r.signer, who[AUTHORITY].key, 32);
	assert_true(mp_span_eq(r.why, mp_span_str("gone")));
	assert_int_equal(r.revoked_ms, NOW);
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 1;
		assert_int_not_equal(mp_revocation_open(c, mp_buf_span(&b), &r, NULL), 0);
		b.p[i] ^= 1;
		assert_int_not_equal(mp_revocation_open(c, mp_span(b.p, i), &r, NULL), 0);
	}
	r.why = mp_span_str("a line\nand another");
	assert_int_equal(mp_revocation_sign(c, &r, &who[AUTHORITY], &bad), MP_EINVAL);
	mp_buf_fini(&b);
	mp_buf_fini(&bad);
}

/* a outranks b, whoever is asked first. */
static void
outranks(struct mp_span a, struct mp_span b)
{
	struct mp_authority *x = malloc(sizeof(*x)), *y = malloc(sizeof(*y));

	assert_non_null(x);
	assert_non_null(y);
	assert_int_equal(mp_authority_open(c, a, x, NULL), 0);
	assert_int_equal(mp_authority_open(c, b, y, NULL), 0);
	assert_true(mp_authority_cmp(x, y) < 0);
	assert_true(mp_authority_cmp(y, x) > 0);
	assert_int_equal(mp_authority_cmp(x, x), 0);
	free(x);
	free(y);
}

static void
test_order(void **state)
{
	struct mp_span base = mp_buf_span(&log_bytes);
	struct mp_buf two = changed(base, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW);
	struct mp_buf adds = changed(mp_buf_span(&two), MP_AUTHORITY_ADD, JOINER, AUTHORITY, NOW);
	struct mp_buf more = changed(mp_buf_span(&adds), MP_AUTHORITY_ADD, INVITE, JOINER, NOW);
	struct mp_buf young =
		changed(mp_buf_span(&two), MP_AUTHORITY_ADD, STRANGER, AUTHORITY2, NOW);
	struct mp_buf removes =
		changed(mp_buf_span(&two), MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2, NOW);

	(void)state;
	outranks(mp_buf_span(&two), base);
	outranks(mp_buf_span(&adds), mp_buf_span(&young));
	/* However long the branch of a lost key is. */
	outranks(mp_buf_span(&removes), mp_buf_span(&more));
	mp_buf_fini(&two);
	mp_buf_fini(&adds);
	mp_buf_fini(&more);
	mp_buf_fini(&young);
	mp_buf_fini(&removes);
}

/* Two admins, two branches, what each of them revoked: in both orders all is the same. */
static void
test_merge(void **state)
{
	struct mp_span base = mp_buf_span(&log_bytes);
	struct mp_buf two = changed(base, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW);
	struct mp_buf left = changed(mp_buf_span(&two), MP_AUTHORITY_ADD, JOINER, AUTHORITY, NOW);
	struct mp_buf right =
		changed(mp_buf_span(&two), MP_AUTHORITY_ADD, STRANGER, AUTHORITY2, NOW);
	struct mp_buf by_left = revocation(FOUNDER, JOINER, "left");
	struct mp_buf by_right = revocation(FOUNDER, STRANGER, "right");
	struct mp_charter *a = charter_new(), *b = charter_new();
	struct mp_node_id id;
	struct mp_span ra, rb;

	(void)state;
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&left), false), 0);
	assert_int_equal(mp_charter_revoke(a, &env, mp_buf_span(&by_left), false, &id), 0);
	assert_int_equal(mp_charter_revoke(a, &env, mp_buf_span(&by_right), true, &id), MP_EAUTH);
	/* A fork comes from members only. */
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&right), false), MP_EAUTH);
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&right), true), 0);
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&right), true), MP_EEXIST);
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&two), true), MP_EEXIST);

	assert_int_equal(mp_charter_learn(b, &env, mp_buf_span(&right), false), 0);
	assert_int_equal(mp_charter_revoke(b, &env, mp_buf_span(&by_right), false, &id), 0);
	assert_int_equal(mp_charter_learn(b, &env, mp_buf_span(&left), true), 0);
	/* Of a void branch: an operator's word is not taken, a member's is. */
	(void)mp_charter_revoke(b, &env, mp_buf_span(&by_left), true, &id);
	(void)mp_charter_revoke(a, &env, mp_buf_span(&by_right), true, &id);
	assert_int_equal(mp_charter_digest(a), mp_charter_digest(b));
	assert_true(mp_span_eq(mp_charter_log(a)->log, mp_charter_log(b)->log));
	assert_true(mp_span_eq(mp_charter_log(a)->log, mp_buf_span(&left)));
	memcpy(id.b, who[FOUNDER].key, sizeof(id.b));
	ra = mp_charter_record(a, &id);
	rb = mp_charter_record(b, &id);
	assert_true(ra.n > 0 && mp_span_eq(ra, rb));
	mp_charter_free(a);
	mp_charter_free(b);
	out_free();
	mp_buf_fini(&two);
	mp_buf_fini(&left);
	mp_buf_fini(&right);
	mp_buf_fini(&by_left);
	mp_buf_fini(&by_right);
}

/* A key that was removed shuts out nobody here any more; what it did before stays. */
static void
test_removed(void **state)
{
	struct mp_span base = mp_buf_span(&log_bytes);
	struct mp_buf two = changed(base, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW);
	struct mp_buf three =
		changed(mp_buf_span(&two), MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2, NOW + 1);
	struct mp_buf before = revocation(JOINER, AUTHORITY, "");
	struct mp_buf after = revocation(STRANGER, AUTHORITY, "");
	struct mp_charter *a = charter_new();

	(void)state;
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&two), false), 0);
	assert_int_equal(mp_charter_revoke(a, &env, mp_buf_span(&before), false, NULL), 0);
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&three), false), 0);
	assert_int_equal(mp_charter_revoke(a, &env, mp_buf_span(&after), false, NULL), MP_EAUTH);
	assert_int_equal(mp_charter_revoke(a, &env, mp_buf_span(&after), true, NULL), 0);
	assert_int_equal(mp_charter_revoked_count(a), 2);
	mp_charter_free(a);
	out_free();
	mp_buf_fini(&two);
	mp_buf_fini(&three);
	mp_buf_fini(&before);
	mp_buf_fini(&after);
}

/* What it put is what it reads back; damage is found. */
static void
test_rows(void **state)
{
	struct mp_buf two =
		changed(mp_buf_span(&log_bytes), MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW);
	struct mp_buf record = revocation(JOINER, AUTHORITY2, "x");
	struct mp_charter *a = charter_new(), *b;
	const struct mp_effect *fx;
	size_t count;

	(void)state;
	assert_int_equal(mp_charter_learn(a, &env, mp_buf_span(&two), false), 0);
	assert_int_equal(mp_charter_revoke(a, &env, mp_buf_span(&record), false, NULL), 0);
	mp_out_end(env.out, &fx, &count);
	assert_int_equal(count, 1);
	assert_int_equal(fx->u.persist.count, 2);
	assert_int_equal(mp_charter_new(&env, &b), 0);
	for (size_t i = 0; i < 2; i++) {
		const struct mp_row *row = &fx->u.persist.rows[i];

		assert_int_equal(row->table == MP_TABLE_META
					 ? mp_charter_restore_meta(b, row->key, row->value)
					 : mp_charter_restore(b, row->key, row->value),
			0);
		((uint8_t *)(uintptr_t)row->value.p)[row->value.n - 1] ^= 1;
		assert_int_equal(row->table == MP_TABLE_META
					 ? mp_charter_restore_meta(b, row->key, row->value)
					 : mp_charter_restore(b, row->key, row->value),
			MP_ECORRUPT);
	}
	assert_int_equal(
		mp_charter_restore_meta(b, mp_span_str("boot"), mp_span(NULL, 0)), MP_ENOENT);
	assert_int_equal(mp_charter_digest(a), mp_charter_digest(b));
	mp_charter_free(a);
	mp_charter_free(b);
	out_free();
	mp_buf_fini(&two);
	mp_buf_fini(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_rows),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
