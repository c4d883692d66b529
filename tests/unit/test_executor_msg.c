/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/cbor.h"
#include "shell/executor_msg.h"
#include "shell/heap.h"

static void
test_frames(void **state)
{
	char *argv[] = {"a", "", "c d", NULL}, *env[] = {NULL};
	struct mp_keeper_msg in = {.kind = MP_KEEPER_SPAWN, .id = 7}, out;
	struct mp_buf b;
	size_t used, i;

	(void)state;
	in.u.spawn = (struct mp_keeper_spawn){.dir = "/d",
		.argv = argv,
		.env = env,
		.out = "/o",
		.err = "/e",
		.timeout_ms = UINT64_MAX,
		.grace_ms = 1,
		.keep_max = 2};
	mp_buf_init(&b, &mp_heap, 1u << 20);
	assert_int_equal(mp_keeper_msg_encode(&b, &in), 0);
	for (i = 0; i < b.n; i++)
		assert_int_equal(mp_keeper_msg_decode(mp_span(b.p, i), &out, &used), MP_ETRUNC);
	assert_int_equal(mp_keeper_msg_decode(mp_buf_span(&b), &out, &used), 0);
	assert_int_equal(used, b.n);
	assert_int_equal(out.id, 7);
	assert_string_equal(out.u.spawn.dir, "/d");
	assert_string_equal(out.u.spawn.argv[1], "");
	assert_string_equal(out.u.spawn.argv[2], "c d");
	assert_null(out.u.spawn.argv[3]);
	assert_null(out.u.spawn.env[0]);
	assert_string_equal(out.u.spawn.err, "/e");
	assert_true(out.u.spawn.timeout_ms == UINT64_MAX);
	mp_keeper_msg_fini(&out);
	mp_buf_fini(&b);
}

static void
test_junk_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int rc;
	} cases[] = {
		{"\xff\xff\xff\xff", 4, MP_ELIMIT},
		{"\0\0\0\0", 4, MP_EFORMAT},
		{"\0\0\0\1\x80", 5, MP_EFORMAT},
		{"\0\0\0\3\x82\x02\x07", 7, 0},          /* kill 7 */
		{"\0\0\0\3\x81\x02\x07", 7, MP_EFORMAT}, /* of one item */
		{"\0\0\0\3\x82\x00\x07", 7, MP_EFORMAT}, /* no such kind */
		{"\0\0\0\3\x82\x06\x07", 7, MP_EFORMAT},
		{"\0\0\0\3\x82\x01\x07", 7, MP_EFORMAT}, /* spawn without anything */
		{"\0\0\0\4\x82\x02\x07\x00", 8, MP_EFORMAT},
		/* spawn: well; a NUL in a word; no command */
		{"\0\0\0\x12\x8e\x01\x07\x41/\x81\x41x\x80\x40\x40\0\0\0\0\0\0\0", 22, 0},
		{"\0\0\0\x13\x8e\x01\x07\x42/\0\x81\x41x\x80\x40\x40\0\0\0\0\0\0\0", 23,
			MP_EFORMAT},
		{"\0\0\0\x10\x8e\x01\x07\x41/\x80\x80\x40\x40\0\0\0\0\0\0\0", 20, MP_EFORMAT},
		/* a secret of an environment that is empty */
		{"\0\0\0\x12\x8e\x01\x07\x41/\x81\x41x\x80\x40\x40\0\0\0\0\0\0\1", 22, MP_EFORMAT},
	};
	struct mp_keeper_msg m;
	size_t i, used;

	(void)state;
	for (i = 0; i < mp_countof(cases); i++) {
		int rc = mp_keeper_msg_decode(mp_span(cases[i].bytes, cases[i].n), &m, &used);

		assert_int_equal(rc, cases[i].rc);
		if (rc == 0)
			mp_keeper_msg_fini(&m);
	}
}

/* Each kind is one item of CBOR, whole, and comes back. */
static void
test_every_kind(void **state)
{
	char *argv[] = {"a", NULL}, *env[] = {"X=Y", "Z=", NULL};
	struct mp_keeper_msg in = {.id = 7}, out;
	struct mp_cbor_r r;
	struct mp_buf b;
	size_t used;

	(void)state;
	mp_buf_init(&b, &mp_heap, 1u << 20);
	for (int kind = MP_KEEPER_SPAWN; kind <= MP_KEEPER_LEASE; kind++) {
		in = (struct mp_keeper_msg){.kind = (enum mp_keeper_kind)kind, .id = 7};
		if (kind == MP_KEEPER_SPAWN)
			in.u.spawn = (struct mp_keeper_spawn){.dir = "/d",
				.argv = argv,
				.env = env,
				.out = "/o",
				.err = "/e",
				.uid = 5,
				.gid = 6,
				.secrets = 1};
		if (kind == MP_KEEPER_FAILED) /* 0 would be no failure */
			in.u.failed.code = MP_ENOMEM;
		mp_buf_clear(&b);
		assert_int_equal(mp_keeper_msg_encode(&b, &in), 0);
		mp_cbor_r_init(&r, mp_span(b.p + 4, b.n - 4));
		mp_cbor_r_skip(&r);
		assert_int_equal(mp_cbor_r_end(&r), 0);
		assert_int_equal(mp_keeper_msg_decode(mp_buf_span(&b), &out, &used), 0);
		assert_int_equal(out.kind, kind);
		if (kind == MP_KEEPER_SPAWN)
			assert_true(out.u.spawn.uid == 5 && out.u.spawn.gid == 6 &&
				    out.u.spawn.secrets == 1);
		if (kind == MP_KEEPER_FAILED)
			assert_int_equal(out.u.failed.code, MP_ENOMEM);
		mp_keeper_msg_fini(&out);
	}
	mp_buf_fini(&b);
}

/* A changed byte never gives more than another message or an error (sanitizers watch). */
static void
test_mangled_frames(void **state)
{
	char *argv[] = {"a", "b", NULL}, *env[] = {"X=Y", NULL};
	struct mp_keeper_msg in = {.kind = MP_KEEPER_SPAWN, .id = 7}, out;
	struct mp_buf b;
	size_t used, i;
	int v;

	(void)state;
	in.u.spawn = (struct mp_keeper_spawn){
		.dir = "/d", .argv = argv, .env = env, .out = "/o", .err = "/e"};
	mp_buf_init(&b, &mp_heap, 1u << 20);
	assert_int_equal(mp_keeper_msg_encode(&b, &in), 0);
	for (i = 0; i < b.n; i++) {
		uint8_t old = b.p[i];

		for (v = 0; v < 256; v++) {
			b.p[i] = (uint8_t)v;
			if (mp_keeper_msg_decode(mp_buf_span(&b), &out, &used) == 0)
				mp_keeper_msg_fini(&out);
		}
		b.p[i] = old;
	}
	mp_buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_junk_frames),
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_mangled_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
