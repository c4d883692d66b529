/* SPDX-License-Identifier: Apache-2.0 */
/* The CBOR forms: identity on what we write, refusal of everything else. */
#include "unit/pipeline_case.h"

#include "codec/cbor.h"

static const char everything[] =
	"meshpipe: 1\nname: all\n"
	"params: { zz: 1, b: two, long-name: 3 }\n"
	"env: { B: x, AA: y }\n"
	"inputs: [\"src/**\"]\n"
	"electors: 1\ncopies: 4\n"
	"defaults: { timeout: 30m, retry: { attempts: 4 }, requires: { tags: [x] } }\n"
	"modules:\n"
	"  z:\n"
	"    resources: { memory: 1GiB, gpu: 1, licence: 2 }\n"
	"    run: [a, b]\n"
	"    matrix: { os: [linux], cc: [gcc, clang],\n"
	"              exclude: [{ cc: clang, os: macos }, { cc: icc }] }\n"
	"    retry: { backoff: 2s, max_backoff: 90s, on: [timeout, signal, 75, 1] }\n"
	"    requires: { os: linux, arch: arm64, tools: [b, a] }\n"
	"    env: { X: \"${matrix.cc}\" }\n"
	"    inputs: []\n    outputs: [o, \"p/*\"]\n"
	"    grace: 0s\n    placement_timeout: 10m\n    cache: false\n"
	"  a: { run: \"echo ${params.b}\", needs: [\"z[linux,gcc]\", y], timeout: none }\n"
	"  y: { run: c, once: true, requires: {}, retry: { attempts: 1, backoff: 7s, on: [3] } }\n";

static struct mp_pipeline *
decode(const struct mp_alloc *alloc, struct mp_span cbor, int rc, const char *want)
{
	static char lines[10000];
	struct mp_pipeline *p = NULL;
	struct mp_diags diags;
	int got;

	mp_diags_init(&diags, alloc, "p.cbor");
	got = mp_pipeline_parse("p.cbor", cbor, alloc, &p, &diags);
	case_lines(&diags, lines, sizeof(lines));
	mp_diags_fini(&diags);
	if (want != NULL)
		assert_string_equal(lines, want);
	if (rc == 0 && got != 0)
		print_error("# %s\n", lines);
	assert_int_equal(got, rc);
	return p;
}

static void
test_identity(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc, everything);
	struct mp_pipeline *q;
	struct mp_buf one;
	struct mp_buf two;

	(void)state;
	mp_buf_init(&one, &alloc, 1u << 20);
	mp_buf_init(&two, &alloc, 1u << 20);
	assert_int_equal(mp_pipeline_encode(p, &one), 0);
	q = decode(&alloc, mp_buf_span(&one), 0, NULL);
	assert_int_equal(mp_pipeline_encode(q, &two), 0);
	assert_true(mp_span_eq(mp_buf_span(&one), mp_buf_span(&two)));

	assert_int_equal(q->module_count, 3);
	assert_string_equal(q->modules[0].name.s, "z");
	assert_string_equal(q->modules[0].matrix->axes[0].name.s, "os");
	assert_int_equal(q->modules[0].matrix->exclude_count, 2);
	assert_true(q->modules[0].timeout_ms == 1800000 && q->modules[0].grace_ms == 0);
	assert_int_equal(q->modules[0].retry.attempts, 4);
	assert_int_equal(q->modules[0].requires->tags.n, 1);
	assert_true(q->modules[1].timeout_ms == 0);
	assert_int_equal(q->modules[2].retry.attempts, 1);
	assert_true(q->modules[2].retry.backoff_ms == MP_RETRY_BACKOFF_MS_DEFAULT);
	mp_pipeline_free(p);
	mp_pipeline_free(q);
	mp_buf_fini(&one);
	mp_buf_fini(&two);
	assert_int_equal(heap.live, 0);
}

static void
test_failover(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(
		&alloc, "meshpipe: 1\nelectors: 1\nfailover: survivor\nmodules: { a: { run: x } }");
	struct mp_pipeline *q;
	struct mp_buf cbor;

	(void)state;
	mp_buf_init(&cbor, &alloc, 1u << 20);
	assert_int_equal(mp_pipeline_encode(p, &cbor), 0);
	q = decode(&alloc, mp_buf_span(&cbor), 0, NULL);
	assert_true(p->survivor && q->survivor);
	mp_pipeline_free(p);
	mp_pipeline_free(q);
	mp_buf_fini(&cbor);
	assert_int_equal(heap.live, 0);
}

/* The digest of a pipeline is the hash of these bytes: they may never change. */
static void
test_bytes(void **state)
{
	static const uint8_t want[] = "\xa3\x64name\x61t\x67modules\x81\x82\x61"
				      "a\xa2\x63run\x82"
				      "\x61x\x61y\x65needs\x80\x68meshpipe\x01";
	static const uint8_t bytes[] = "\xa3\x64name\x61t\x67modules\x81\x82\x61"
				       "a\xa1\x63run\x82"
				       "\x61x\x61y\x68meshpipe\x01";
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(
		&alloc, "meshpipe: 1\nname: t\nmodules: { a: { run: [x, y], needs: [] } }");
	struct mp_buf cbor;

	(void)state;
	mp_buf_init(&cbor, &alloc, 1u << 20);
	assert_int_equal(mp_pipeline_encode(p, &cbor), 0);
	assert_true(mp_span_eq(mp_buf_span(&cbor), mp_span(bytes, sizeof(bytes) - 1)));
	mp_pipeline_free(p);
	(void)decode(&alloc, mp_span(want, sizeof(want) - 1), MP_EPIPELINE,
		"p.cbor:byte 20: not in the deterministic form that mpctl compile writes");
	mp_buf_fini(&cbor);
	assert_int_equal(heap.live, 0);
}

static void
test_bad_cbor(void **state)
{
#define NAME "\x64name\x61t"
#define VERS "\x68meshpipe\x01"
#define MODS                                                                                       \
	"\x67modules\x81\x82\x61"                                                                  \
	"a\xa1\x63run\x61x"
	static const struct {
		const char *bytes;
		size_t n;
		const char *lines;
	} rows[] = {
#define ROW(b, l) {b, sizeof(b) - 1, l}
		ROW("\xa0", "p.cbor:byte 0: 'meshpipe: 1' is missing\n"
			    "p.cbor:byte 0: 'modules' is missing\n"
			    "p.cbor:byte 0: 'name' is missing"),
		ROW("\xa2" MODS VERS, "p.cbor:byte 0: 'name' is missing"),
		ROW("\xa3" MODS NAME VERS,
			"p.cbor:byte 1: not in the deterministic form that mpctl compile writes"),
		ROW("\xa3" NAME MODS VERS "\x00",
			"p.cbor:byte 37: not a pipeline in CBOR: malformed data"),
		ROW("\xa3" NAME MODS "\x68meshpipe\x18\x01",
			"p.cbor:byte 36: not a pipeline in CBOR: malformed data"),
		ROW("\xbf" NAME MODS VERS "\xff",
			"p.cbor:byte 0: not a pipeline in CBOR: malformed data"),
		ROW("\xa4" NAME NAME MODS VERS, "p.cbor:byte 8: 'name' is written twice"),
		ROW("\xa4\x63zzz\x01" NAME MODS VERS, "p.cbor:byte 1: unknown key 'zzz'"),
		ROW("\xa4\x01\x01" NAME MODS VERS,
			"p.cbor:byte 1: not a pipeline in CBOR: malformed data"),
		ROW("\xa3" NAME "\x67modules\xa1\x61"
		    "a\xa1\x63run\x61x" VERS,
			"p.cbor:byte 16: expected a map of modules, found a map"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa1\x63run\xf6" VERS,
			"p.cbor:byte 25: not a pipeline in CBOR: malformed data"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa1\x63run\x01" VERS,
			"p.cbor:byte 25: expected a command: text for the shell, or a list of "
			"arguments, "
			"found the number 1"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa1\x63run\x62x\x00" VERS,
			"p.cbor:byte 28: not a pipeline in CBOR: malformed data"),
		ROW("\xa3" NAME "\x67modules\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
			"p.cbor:byte 25: not a pipeline in CBOR: over a limit"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa2\x63run\x61x\x66matrix\xa1\x64"
		    "axes\x80" VERS,
			"p.cbor:byte 34: the matrix has no axis"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa2\x63run\x61x\x66matrix\xa0" VERS,
			"p.cbor:byte 34: expected a map of axes and exclude, found a map"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa2\x63run\x61x\x67timeout\x00" VERS,
			"p.cbor:byte 35: expected a duration above 0, or none"),
		ROW("\xa3" NAME "\x67modules\x81\x82\x61"
		    "a\xa2\x63run\x61x\x67timeout\x62"
		    "1s" VERS,
			"p.cbor:byte 35: not in the deterministic form that mpctl compile writes"),
#undef ROW
	};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		assert_null(decode(
			&alloc, mp_span(rows[i].bytes, rows[i].n), MP_EPIPELINE, rows[i].lines));
		assert_int_equal(heap.live, 0);
	}
}

/* No cut and no flipped bit of a good file is taken for another one that encodes differently. */
static void
test_damage(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc, everything);
	struct mp_buf good;
	struct mp_buf again;
	size_t accepted = 0;

	(void)state;
	mp_buf_init(&good, &alloc, 1u << 20);
	mp_buf_init(&again, &alloc, 1u << 20);
	assert_int_equal(mp_pipeline_encode(p, &good), 0);
	mp_pipeline_free(p);
	for (size_t n = 0; n < good.n; n++)
		assert_int_equal(
			mp_pipeline_decode(mp_span(good.p, n), &alloc, &p, NULL), MP_EPIPELINE);
	for (size_t bit = 0; bit < good.n * 8; bit++) {
		good.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (mp_pipeline_decode(mp_buf_span(&good), &alloc, &p, NULL) == 0) {
			accepted++;
			mp_buf_clear(&again);
			assert_int_equal(mp_pipeline_encode(p, &again), 0);
			assert_true(mp_span_eq(mp_buf_span(&good), mp_buf_span(&again)));
			mp_pipeline_free(p);
		}
		good.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(accepted > 0); /* letters in a name */
	mp_buf_fini(&good);
	mp_buf_fini(&again);
	assert_int_equal(heap.live, 0);
}

static void
test_spec(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int rc;
	} rows[] = {
#define ROW(b, rc) {b, sizeof(b) - 1, rc}
		ROW("\xa2\x00\x01\x01\x81\x61x", 0),
		ROW("\xa2\x00\x01\x02\x61x", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x04\x80", 0),
		ROW("", MP_ETRUNC),
		ROW("\xa0", MP_EFORMAT),
		ROW("\xa1\x00\x01", MP_EFORMAT),                       /* no command */
		ROW("\xa3\x00\x01\x01\x81\x61x\x02\x61x", MP_EFORMAT), /* two */
		ROW("\xa2\x00\x02\x01\x81\x61x", MP_EVERSION),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0a\xf5", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0a\xf4", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0d\x01", MP_EVERSION),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0b\x81\x82\x61g\x01", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0b\x82\x82\x61g\x01\x82\x62gg\x02", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0b\x82\x82\x62gg\x01\x82\x61g\x02", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0b\x82\x82\x61g\x01\x82\x61g\x02", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0b\x81\x82\x61g\x00", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x0b\x80", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x08\xf5", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x08\xf4", MP_EFORMAT), /* a default, written */
		ROW("\xa3\x00\x01\x01\x81\x61x\x08\x01", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x09\x81\x61g", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x09\x80", MP_EFORMAT),
		ROW("\xa2\x01\x81\x61x\x00\x01", MP_EFORMAT), /* order */
		ROW("\xa3\x00\x01\x01\x81\x61x\x01\x81\x61x", MP_EFORMAT),
		ROW("\xa2\x00\x01\x01\x80", MP_EFORMAT), /* an empty argv */
		ROW("\xa2\x00\x01\x01\x81\x60", MP_EFORMAT),
		ROW("\xa2\x00\x01\x01\x81\x61\x00", MP_EFORMAT),      /* NUL */
		ROW("\xa3\x00\x01\x01\x81\x61x\x03\x80", MP_EFORMAT), /* a default, written */
		ROW("\xa3\x00\x01\x01\x81\x61x\x05\x80", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x06\x00", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x07\x19\x13\x88", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x03\x81\x82\x61\x41\x60", 0),
		ROW("\xa3\x00\x01\x01\x81\x61x\x03\x82\x82\x61\x42\x60\x82\x61\x41\x60",
			MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x03\x81\x82\x61=\x60", MP_EFORMAT),
		ROW("\xa3\x00\x01\x01\x81\x61x\x05\x81\x62..", MP_EFORMAT),
		ROW("\xa2\x00\x01\x01\x81\x61x\x00", MP_EFORMAT),
		ROW("\xa2\x00\x01\x01\x99\xff\xff", MP_ELIMIT),
		ROW("\xa2\x00\x01\x01\x99\x10\x00", MP_ETRUNC),
#undef ROW
	};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_spec *s;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		int rc = mp_spec_decode(mp_span(rows[i].bytes, rows[i].n), &alloc, &s);

		if (rc != rows[i].rc)
			print_error("# row %zu: %s\n", i, mp_strerror(rc));
		assert_int_equal(rc, rows[i].rc);
		if (rc == 0)
			mp_spec_free(s);
		assert_int_equal(heap.live, 0);
	}
	mp_spec_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bad_cbor),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_spec),
	};

	return cmocka_run_group_tests_name("pipeline_cbor", tests, NULL, NULL);
}
