/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "codec/msg_work.h"
#include "codec/record_secret.h"
#include "crypto/key.h"

static struct unit_heap heap;
static const struct mp_alloc alloc = UNIT_ALLOC(&heap);
static const struct mp_crypto *const crypto = &mp_crypto_sodium;

struct node {
	struct mp_secret *secret;
	struct mp_node_id id;
	struct mp_xkey xkey;
};

static struct node nodes[4];
static const struct mp_cluster_id cluster = {{1}};
static const struct mp_run_id run = {{2}};

static struct mp_secret_value
value(const char *name, const char *text)
{
	return (struct mp_secret_value){mp_span_str(name), mp_span_str(text)};
}

static int
encode(struct mp_buf *buf, const struct mp_secret_value *v, size_t n)
{
	mp_buf_init(buf, &alloc, MP_SECRETS_ENCODED_MAX);
	return mp_secrets_encode(buf, v, n);
}

static void
test_values(void **state)
{
	const struct mp_secret_value v[] = {value("A", ""), value("B", "two"), value("BC", "x\ny")};
	struct mp_secret_value got;
	struct mp_span found;
	struct mp_cbor_r r;
	struct mp_buf buf;
	size_t left, n = 0;

	(void)state;
	assert_int_equal(encode(&buf, v, 3), 0);
	assert_int_equal(mp_secrets_check(mp_buf_span(&buf)), 0);
	left = mp_secrets_begin(&r, mp_buf_span(&buf));
	while (mp_secrets_next(&r, &left, &got)) {
		assert_true(mp_span_eq(got.name, v[n].name) && mp_span_eq(got.value, v[n].value));
		n++;
	}
	assert_int_equal(n, 3);
	assert_true(mp_secrets_find(mp_buf_span(&buf), mp_span_str("B"), &found));
	assert_true(mp_span_eq(found, mp_span_str("two")));
	assert_false(mp_secrets_find(mp_buf_span(&buf), mp_span_str("C"), &found));
	assert_false(mp_secrets_find(mp_span(NULL, 0), mp_span_str("B"), &found));
	for (size_t i = 0; i < buf.n; i++)
		assert_int_not_equal(mp_secrets_check(mp_span(buf.p, i)), 0);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_bad_values(void **state)
{
	static char big[MP_SECRET_VALUE_MAX + 2];
	struct mp_secret_value v[2] = {value("B", "x"), value("A", "y")};
	struct mp_buf buf;

	(void)state;
	assert_int_equal(encode(&buf, v, 2), MP_EINVAL);
	v[1] = value("B", "y");
	assert_int_equal(encode(&buf, v, 2), MP_EINVAL);
	v[0] = value("", "y");
	assert_int_equal(encode(&buf, v, 1), MP_EINVAL);
	v[0] = (struct mp_secret_value){mp_span_str("A"), mp_span("a\0b", 3)};
	assert_int_equal(encode(&buf, v, 1), MP_EINVAL);
	memset(big, 'x', sizeof(big) - 1);
	v[0] = value("A", big);
	assert_int_equal(encode(&buf, v, 1), MP_ELIMIT);
	v[0].value.n--;
	assert_int_equal(encode(&buf, v, 1), 0);
	mp_buf_fini(&buf);
	/* The same from somebody else: names that fall, a name of no bytes, a NUL, junk. */
	assert_int_equal(mp_secrets_check(mp_span("\x82\x82\x61\x62\x41x\x82\x61\x61\x41x", 11)),
		MP_EFORMAT);
	assert_int_equal(mp_secrets_check(mp_span("\x81\x82\x60\x41x", 5)), MP_EFORMAT);
	assert_int_equal(mp_secrets_check(mp_span("\x81\x82\x61\x61\x41\0", 6)), MP_EFORMAT);
	assert_int_equal(mp_secrets_check(mp_span("\x81\x82\x61\x61\x41x\0", 7)), MP_EFORMAT);
	assert_int_equal(mp_secrets_check(mp_span("\x80", 1)), 0);
	assert_int_equal(heap.live, 0);
}

static void
seal(struct mp_buf *out, const char *text)
{
	const struct mp_secret_value v[] = {value("TOKEN", text)};
	struct mp_seal_to to[3];
	struct mp_buf values;

	for (size_t i = 0; i < 3; i++)
		to[i] = (struct mp_seal_to){nodes[i].id, nodes[i].xkey};
	mp_buf_init(out, &alloc, MP_SEALED_MAX);
	assert_int_equal(encode(&values, v, 1), 0);
	assert_int_equal(mp_sealed_make(crypto, nodes[0].secret, &nodes[0].id, &cluster, &run,
				 mp_buf_span(&values), to, 3, out),
		0);
	mp_buf_fini(&values);
}

static int
open_as(const struct mp_sealed *sealed, size_t node, size_t key, const char *want)
{
	struct mp_span found;
	struct mp_buf values;
	int rc;

	mp_buf_init(&values, &alloc, MP_SECRETS_ENCODED_MAX);
	rc = mp_sealed_values(crypto, nodes[key].secret, sealed, &nodes[node].id, &values);
	if (rc == 0) {
		assert_true(mp_secrets_find(mp_buf_span(&values), mp_span_str("TOKEN"), &found));
		assert_true(mp_span_eq(found, mp_span_str(want)));
	}
	mp_buf_fini(&values);
	return rc;
}

static void
test_sealed(void **state)
{
	struct mp_sealed sealed, other;
	struct mp_buf buf;

	(void)state;
	seal(&buf, "open sesame");
	assert_null(memmem(buf.p, buf.n, "open sesame", 11));
	assert_int_equal(mp_sealed_open(crypto, mp_buf_span(&buf), &sealed), 0);
	assert_true(mp_node_id_eq(&sealed.signer, &nodes[0].id));
	assert_true(mp_run_id_eq(&sealed.run, &run));
	for (size_t i = 0; i < 3; i++) {
		assert_true(mp_sealed_has(&sealed, &nodes[i].id));
		assert_int_equal(open_as(&sealed, i, i, "open sesame"), 0);
	}
	assert_false(mp_sealed_has(&sealed, &nodes[3].id));
	assert_int_equal(open_as(&sealed, 3, 3, ""), MP_ENOENT);
	/* Nobody opens another's box, and none is of another run. */
	assert_int_equal(open_as(&sealed, 0, 1, ""), MP_ESIG);
	other = sealed;
	other.run.b[0] ^= 1;
	assert_int_equal(open_as(&other, 1, 1, ""), MP_ESIG);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

/* Each byte of it counts. */
static void
test_mangled(void **state)
{
	struct mp_sealed sealed;
	struct mp_buf buf;

	(void)state;
	seal(&buf, "open sesame");
	for (size_t i = 0; i < buf.n; i++) {
		buf.p[i] ^= 0x10;
		assert_int_not_equal(mp_sealed_open(crypto, mp_buf_span(&buf), &sealed), 0);
		assert_int_not_equal(mp_sealed_open(crypto, mp_span(buf.p, i), &sealed), 0);
		buf.p[i] ^= 0x10;
	}
	assert_int_equal(mp_sealed_open(crypto, mp_buf_span(&buf), &sealed), 0);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

/* A key of low order would give the values to everybody. */
static void
test_bad_key(void **state)
{
	const struct mp_secret_value v[] = {value("TOKEN", "x")};
	struct mp_seal_to to = {.node = nodes[1].id};
	struct mp_buf values, buf;

	(void)state;
	mp_buf_init(&buf, &alloc, MP_SEALED_MAX);
	assert_int_equal(encode(&values, v, 1), 0);
	assert_int_equal(mp_sealed_make(crypto, nodes[0].secret, &nodes[0].id, &cluster, &run,
				 mp_buf_span(&values), &to, 1, &buf),
		MP_ESIG);
	assert_int_equal(buf.n, 0);
	mp_buf_fini(&values);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_message(void **state)
{
	struct mp_span sealed;
	struct mp_run_id got;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 256);
	assert_int_equal(mp_msg_run_secrets_encode(&buf, &run, mp_span("abc", 3)), 0);
	assert_int_equal(mp_msg_number(mp_buf_span(&buf)), MP_MSG_RUN_SECRETS);
	assert_int_equal(mp_msg_run_secrets_decode(mp_buf_span(&buf), &got, &sealed), 0);
	assert_true(mp_run_id_eq(&got, &run) && mp_span_eq(sealed, mp_span("abc", 3)));
	mp_buf_clear(&buf);
	assert_int_equal(mp_msg_run_secrets_encode(&buf, &run, mp_span(NULL, 0)), 0);
	assert_int_equal(mp_msg_run_secrets_decode(mp_buf_span(&buf), &got, &sealed), 0);
	assert_int_equal(sealed.n, 0);
	buf.p[buf.n - 1] = 0x40; /* no bytes, in the place of null */
	assert_int_equal(mp_msg_run_secrets_decode(mp_buf_span(&buf), &got, &sealed), MP_EFORMAT);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static int
make_nodes(void **state)
{
	(void)state;
	if (mp_key_init() != 0)
		return -1;
	for (size_t i = 0; i < mp_countof(nodes); i++) {
		if (mp_key_generate(&nodes[i].secret, MP_KEY_NODE) != 0)
			return -1;
		mp_secret_public(nodes[i].secret, nodes[i].id.b);
		mp_secret_xkey(nodes[i].secret, &nodes[i].xkey);
	}
	return 0;
}

static int
free_nodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < mp_countof(nodes); i++)
		mp_secret_free(nodes[i].secret);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_mangled),
		cmocka_unit_test(test_bad_key),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, make_nodes, free_nodes);
}
