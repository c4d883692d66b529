/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/caps.h"
#include "codec/cbor.h"

static struct mp_caps
sample(void)
{
	struct mp_caps caps = {.slots = 4,
		.os = "linux",
		.arch = "x86_64",
		.cpus = 8,
		.memory_bytes = 16ull << 30,
		.tool_count = 3,
		.tools = {{"gcc", "12.2.0"}, {"clang", "14.0.6"}, {"make", ""}},
		.tag_count = 2,
		.tags = {"test", "build"},
		.zone = "rack-7",
		.kernel = "6.1.0",
		.version = "0.1.0",
		.disk_bytes = 1ull << 40,
		.disk_free_bytes = 1ull << 39,
		.gpu_count = 2,
		.gpus = {"b", "a"},
		.resource_count = 2,
		.resources = {{"licence", 3}, {"gpu", 2}}};

	return caps;
}

static int
encode(const struct mp_caps *caps, struct unit_heap *heap, struct mp_alloc *alloc,
	struct mp_buf *buf)
{
	*heap = (struct unit_heap){0};
	*alloc = UNIT_ALLOC(heap);
	mp_buf_init(buf, alloc, MP_CAPS_BYTES_MAX);
	return mp_caps_encode(caps, buf);
}

static void
test_round_trip(void **state)
{
	struct mp_caps caps = sample(), back;
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;

	(void)state;
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), 0);
	assert_int_equal(mp_caps_decode(mp_buf_span(&buf), &back), 0);
	assert_int_equal(back.slots, 4);
	assert_int_equal(back.cpus, 8);
	assert_int_equal(back.memory_bytes, 16ull << 30);
	assert_string_equal(back.os, "linux");
	assert_string_equal(back.zone, "rack-7");
	assert_string_equal(back.tools[0].name, "clang"); /* sorted */
	assert_string_equal(mp_caps_tool(&back, "gcc"), "12.2.0");
	assert_string_equal(mp_caps_tool(&back, "make"), "");
	assert_null(mp_caps_tool(&back, "cc"));
	assert_true(mp_caps_tag(&back, "build"));
	assert_false(mp_caps_tag(&back, "builds"));
	assert_string_equal(back.kernel, "6.1.0");
	assert_string_equal(back.version, "0.1.0");
	assert_false(back.wan);
	assert_true(back.disk_bytes == 1ull << 40 && back.disk_free_bytes == 1ull << 39);
	assert_int_equal(back.gpu_count, 2);
	assert_string_equal(back.gpus[0], "b"); /* as they were found */
	assert_int_equal(back.resource_count, 2);
	assert_string_equal(back.resources[0].name, "gpu");
	assert_int_equal(mp_caps_resource(&back, "licence"), 3);
	assert_int_equal(mp_caps_resource(&back, "ice"), 0);
	caps.wan = true;
	mp_buf_clear(&buf);
	assert_int_equal(mp_caps_encode(&caps, &buf), 0);
	assert_int_equal(mp_caps_decode(mp_buf_span(&buf), &back), 0);
	assert_true(back.wan);
	mp_buf_fini(&buf);
}

/* The order in which things were found does not show, nor do doubles. */
static void
test_one_encoding(void **state)
{
	struct mp_caps a = sample(), b = sample();
	struct unit_heap ha, hb;
	struct mp_alloc aa, ab;
	struct mp_buf x, y;

	(void)state;
	b.tools[0] = a.tools[2];
	b.tools[2] = a.tools[0];
	b.tools[b.tool_count++] = a.tools[1];
	memcpy(b.tags[0], a.tags[1], sizeof(b.tags[0]));
	memcpy(b.tags[1], a.tags[0], sizeof(b.tags[0]));
	assert_int_equal(encode(&a, &ha, &aa, &x), 0);
	assert_int_equal(encode(&b, &hb, &ab, &y), 0);
	assert_true(mp_span_eq(mp_buf_span(&x), mp_buf_span(&y)));
	mp_buf_fini(&x);
	mp_buf_fini(&y);
}

static void
test_refused(void **state)
{
	struct mp_caps caps = sample();
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;

	(void)state;
	caps.os[0] = '\0';
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), MP_EINVAL);
	caps = sample();
	caps.tags[1][0] = '\n';
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), MP_EINVAL);
	caps = sample();
	caps.tool_count = MP_TOOLS_MAX + 1;
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), MP_EINVAL);
	caps = sample();
	memset(caps.zone, 'z', sizeof(caps.zone));
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), MP_EINVAL);
	caps = sample();
	caps.resources[0].name[0] = '\0';
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), MP_EINVAL);
	caps = sample();
	caps.gpu_count = MP_GPUS_MAX + 1;
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), MP_EINVAL);
	assert_int_equal(heap.live, 0);
}

/* Everything at its bound fits. */
static void
test_largest(void **state)
{
	struct mp_caps caps = sample(), back;
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;

	(void)state;
	caps.tool_count = MP_TOOLS_MAX;
	caps.tag_count = MP_TAGS_MAX;
	memset(caps.zone, 'z', sizeof(caps.zone) - 1);
	for (int i = 0; i < MP_TOOLS_MAX; i++) {
		memset(caps.tools[i].name, 'a' + i % 26, MP_WORD_MAX - 1);
		memset(caps.tools[i].version, '0' + i / 26, MP_WORD_MAX - 1);
		caps.tools[i].name[1] = (char)('A' + i / 26);
	}
	for (int i = 0; i < MP_TAGS_MAX; i++) {
		memset(caps.tags[i], 'a' + i % 26, MP_WORD_MAX - 1);
		caps.tags[i][0] = (char)('0' + i / 26);
	}
	caps.gpu_count = MP_GPUS_MAX;
	caps.resource_count = MP_RESOURCES_MAX;
	for (int i = 0; i < MP_GPUS_MAX; i++)
		memset(caps.gpus[i], 'g', MP_WORD_MAX - 1);
	for (int i = 0; i < MP_RESOURCES_MAX; i++) {
		memset(caps.resources[i].name, 'a' + i, MP_WORD_MAX - 1);
		caps.resources[i].count = UINT64_MAX;
	}
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), 0);
	assert_int_equal(mp_caps_decode(mp_buf_span(&buf), &back), 0);
	assert_int_equal(back.tool_count, MP_TOOLS_MAX);
	assert_int_equal(back.tag_count, MP_TAGS_MAX);
	mp_buf_fini(&buf);
}

static void
write_caps(struct mp_cbor_w *w, size_t items, const char *tag1, const char *tag2)
{
	mp_cbor_w_array(w, items);
	mp_cbor_w_uint(w, 1);
	mp_cbor_w_text(w, "linux");
	mp_cbor_w_text(w, "x86_64");
	mp_cbor_w_uint(w, 1);
	mp_cbor_w_uint(w, 1);
	mp_cbor_w_array(w, 0);
	mp_cbor_w_array(w, 2);
	mp_cbor_w_text(w, tag1);
	mp_cbor_w_text(w, tag2);
	mp_cbor_w_text(w, "");
	if (items > 8)
		mp_cbor_w_text(w, "of a newer node");
}

static int
decode_as(size_t items, const char *tag1, const char *tag2)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_caps caps;
	struct mp_cbor_w w;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &alloc, MP_CAPS_BYTES_MAX);
	mp_cbor_w_init(&w, &buf);
	write_caps(&w, items, tag1, tag2);
	assert_int_equal(w.rc, 0);
	rc = mp_caps_decode(mp_buf_span(&buf), &caps);
	mp_buf_fini(&buf);
	return rc;
}

static void
test_strict(void **state)
{
	(void)state;
	assert_int_equal(decode_as(8, "a", "b"), 0);
	assert_int_equal(decode_as(9, "a", "b"), 0);
	assert_int_equal(decode_as(8, "b", "a"), MP_EFORMAT);
	assert_int_equal(decode_as(8, "a", "a"), MP_EFORMAT);
	assert_int_equal(decode_as(8, "", "a"), MP_EFORMAT);
	assert_int_equal(decode_as(8, "a", "b\x1b[31m"), MP_EFORMAT);
}

/* Every prefix of good bytes is refused. */
static void
test_truncated(void **state)
{
	struct mp_caps caps = sample(), back;
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_buf buf;

	(void)state;
	assert_int_equal(encode(&caps, &heap, &alloc, &buf), 0);
	for (size_t n = 0; n < buf.n; n++)
		assert_int_not_equal(mp_caps_decode(mp_span(buf.p, n), &back), 0);
	mp_buf_fini(&buf);
}

static void
test_no_memory(void **state)
{
	struct mp_caps caps = sample();
	int rc = MP_ENOMEM;

	(void)state;
	for (size_t at = 1; rc != 0; at++) {
		struct unit_heap heap = {.fail_at = at};
		struct mp_alloc alloc = UNIT_ALLOC(&heap);
		struct mp_buf buf;

		mp_buf_init(&buf, &alloc, MP_CAPS_BYTES_MAX);
		rc = mp_caps_encode(&caps, &buf);
		assert_true(rc == 0 || (rc == MP_ENOMEM && buf.n == 0));
		mp_buf_fini(&buf);
		assert_int_equal(heap.live, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_one_encoding),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
