/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/cbor.h"
#include "codec/manifest.h"
#include "codec/msg_blob.h"
#include "mp/limits.h"

static struct mp_file
file(const char *path, uint8_t digest)
{
	struct mp_file f = {.path = mp_span_str(path), .size = 3};

	memset(f.digest.b, digest, sizeof(f.digest.b));
	return f;
}

/* Writes a manifest without any check. */
static void
write_raw(struct mp_buf *buf, const char *domain, uint64_t version, const struct mp_file *files,
	size_t n)
{
	struct mp_cbor_w w;

	mp_buf_clear(buf);
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_text(&w, domain);
	mp_cbor_w_uint(&w, version);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, 4);
		mp_cbor_w_text_n(&w, (const char *)files[i].path.p, files[i].path.n);
		mp_cbor_w_uint(&w, (uint64_t)files[i].kind);
		mp_cbor_w_uint(&w, files[i].size);
		mp_cbor_w_bytes(&w, files[i].digest.b, 32);
	}
	assert_int_equal(w.rc, 0);
}

static void
test_round_trip(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_file files[] = {file("a-b", 1), file("a/b", 2), file("a/c d", 3), file("ä", 4)};
	struct mp_manifest m;
	struct mp_buf buf;

	(void)state;
	files[1].kind = MP_FILE_EXECUTABLE;
	files[2].kind = MP_FILE_SYMLINK;
	files[3].size = MP_BLOB_MAX;
	mp_buf_init(&buf, &alloc, 4096);
	assert_int_equal(mp_manifest_encode(&buf, files, mp_countof(files), NULL), 0);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), 0);
	assert_int_equal(m.count, mp_countof(files));
	for (size_t i = 0; i < m.count; i++) {
		assert_true(mp_span_eq(m.files[i].path, files[i].path));
		assert_int_equal(m.files[i].kind, files[i].kind);
		assert_true(m.files[i].size == files[i].size);
		assert_true(mp_hash_eq(&m.files[i].digest, &files[i].digest));
		assert_ptr_equal(mp_files_find(m.files, m.count, files[i].path), &m.files[i]);
	}
	assert_null(mp_files_find(m.files, m.count, mp_span_str("a")));
	mp_manifest_fini(&m);
	mp_buf_clear(&buf);
	assert_int_equal(mp_manifest_encode(&buf, NULL, 0, NULL), 0);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), 0);
	assert_int_equal(m.count, 0);
	mp_manifest_fini(&m);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *paths[3];
		int rc;
	} bad[] = {
		{{"b", "a"}, MP_EFORMAT},
		{{"a", "a"}, MP_EFORMAT},
		{{"a", "a/b"}, MP_EFORMAT},
		{{"a", "a-b", "a/b/c"}, MP_EFORMAT},
		{{"../a"}, MP_EINVAL},
		{{"/a"}, MP_EINVAL},
		{{"a/../b"}, MP_EINVAL},
		{{"a//b"}, MP_EINVAL},
		{{""}, MP_EINVAL},
	};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_file one = file("a", 1);
	struct mp_manifest m;
	struct mp_error err;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	for (size_t i = 0; i < mp_countof(bad); i++) {
		struct mp_file files[3];
		size_t n = 0;

		for (; n < 3 && bad[i].paths[n] != NULL; n++)
			files[n] = file(bad[i].paths[n], 1);
		write_raw(&buf, "mp-manifest", 1, files, n);
		assert_int_equal(
			mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, &err), bad[i].rc);
		assert_true(err.text[0] != '\0');
		assert_int_equal(mp_manifest_encode(&buf, files, n, &err), bad[i].rc);
	}
	write_raw(&buf, "mp-manifesto", 1, &one, 1);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), MP_EFORMAT);
	write_raw(&buf, "mp-manifest", 2, &one, 1);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), MP_EVERSION);
	one.size = MP_BLOB_MAX + 1;
	write_raw(&buf, "mp-manifest", 1, &one, 1);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), MP_ELIMIT);
	one.size = MP_PATH_MAX + 1;
	one.kind = MP_FILE_SYMLINK;
	write_raw(&buf, "mp-manifest", 1, &one, 1);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), MP_ELIMIT);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

/* Every cut, and a count that promises more than there is, without taking memory for it. */
static void
test_cut(void **state)
{
	static const uint8_t greedy[] = {0x83, 0x6b, 'm', 'p', '-', 'm', 'a', 'n', 'i', 'f', 'e',
		's', 't', 0x01, 0x9a, 0x00, 0x03, 0x0d, 0x40};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_file files[] = {file("a", 1), file("b", 2)};
	struct mp_manifest m;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	assert_int_equal(mp_manifest_encode(&buf, files, 2, NULL), 0);
	for (size_t n = 0; n < buf.n; n++)
		assert_int_not_equal(mp_manifest_decode(&alloc, mp_span(buf.p, n), &m, NULL), 0);
	assert_int_equal(mp_buf_append(&buf, "", 1), 0);
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), MP_EFORMAT);
	mp_buf_fini(&buf);
	heap.calls = 0;
	assert_int_equal(
		mp_manifest_decode(&alloc, mp_span(greedy, sizeof(greedy)), &m, NULL), MP_ETRUNC);
	assert_int_equal(heap.calls, 0);
	assert_int_equal(heap.live, 0);
}

static void
test_no_memory(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_file one = file("a", 1);
	struct mp_manifest m;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	assert_int_equal(mp_manifest_encode(&buf, &one, 1, NULL), 0);
	heap.fail_at = heap.calls + 1;
	assert_int_equal(mp_manifest_decode(&alloc, mp_buf_span(&buf), &m, NULL), MP_ENOMEM);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_messages(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_msg_blob_get get = {.offset = MP_CHUNK_SIZE, .size = 7}, get2;
	struct mp_msg_blob_data data = {.total = 3, .bytes = mp_span("abc", 3)}, data2;
	struct mp_blob_ref refs[] = {{.size = MP_SIZE_UNKNOWN}, {.size = 9}};
	struct mp_msg_hold hold;
	struct mp_msg_held held = {.req = 5, .ok = true}, held2;
	struct mp_hash digest = {{1}}, digest2;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	assert_int_equal(mp_msg_blob_get_encode(&buf, &get), 0);
	assert_int_equal(mp_msg_blob_get_decode(mp_buf_span(&buf), &get2), 0);
	assert_true(get2.offset == MP_CHUNK_SIZE && get2.size == 7);
	assert_int_not_equal(mp_msg_blob_data_decode(mp_buf_span(&buf), &data2), 0);
	mp_buf_clear(&buf);
	assert_int_equal(mp_msg_blob_data_encode(&buf, &data), 0);
	assert_int_equal(mp_msg_blob_data_decode(mp_buf_span(&buf), &data2), 0);
	assert_true(data2.total == 3 && mp_span_eq(data2.bytes, data.bytes));
	mp_buf_clear(&buf);
	assert_int_equal(mp_msg_blob_none_encode(&buf, &digest), 0);
	assert_int_equal(mp_msg_blob_none_decode(mp_buf_span(&buf), &digest2), 0);
	assert_true(mp_hash_eq(&digest, &digest2));
	mp_buf_clear(&buf);
	assert_int_equal(mp_msg_hold_head(&buf, 77, 2), 0);
	assert_int_equal(mp_msg_hold_ref(&buf, &refs[0]), 0);
	assert_int_equal(mp_msg_hold_ref(&buf, &refs[1]), 0);
	assert_int_equal(mp_msg_hold_decode(mp_buf_span(&buf), &hold), 0);
	assert_true(hold.req == 77 && hold.count == 2);
	assert_true(mp_msg_hold_next(&hold).size == MP_SIZE_UNKNOWN);
	assert_true(mp_msg_hold_next(&hold).size == 9);
	assert_int_equal(mp_msg_hold_decode(mp_span(buf.p, buf.n - 1), &hold), MP_ETRUNC);
	mp_buf_clear(&buf);
	assert_int_equal(mp_msg_held_encode(&buf, &held), 0);
	assert_int_equal(mp_msg_held_decode(mp_buf_span(&buf), &held2), 0);
	assert_true(held2.req == 5 && held2.ok);
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

static void
test_messages_refuse(void **state)
{
	static const struct mp_msg_blob_get gets[] = {
		{.offset = 1, .size = 7},
		{.offset = 0, .size = 0},
		{.offset = 0, .size = MP_CHUNK_SIZE + 1},
	};
	static const struct mp_msg_blob_data datas[] = {
		{.total = 2, .bytes = {(const uint8_t *)"abc", 3}},
		{.total = 2, .bytes = {(const uint8_t *)"", 0}},
		{.total = 2, .offset = MP_CHUNK_SIZE, .bytes = {(const uint8_t *)"a", 1}},
		{.total = 10, .offset = 5, .bytes = {(const uint8_t *)"a", 1}},
		{.total = MP_BLOB_MAX + 1, .bytes = {(const uint8_t *)"a", 1}},
	};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_msg_blob_data data;
	struct mp_msg_blob_get get;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 4096);
	for (size_t i = 0; i < mp_countof(gets); i++) {
		mp_buf_clear(&buf);
		assert_int_equal(mp_msg_blob_get_encode(&buf, &gets[i]), 0);
		assert_int_not_equal(mp_msg_blob_get_decode(mp_buf_span(&buf), &get), 0);
	}
	for (size_t i = 0; i < mp_countof(datas); i++) {
		mp_buf_clear(&buf);
		assert_int_equal(mp_msg_blob_data_encode(&buf, &datas[i]), 0);
		assert_int_not_equal(mp_msg_blob_data_decode(mp_buf_span(&buf), &data), 0);
	}
	mp_buf_fini(&buf);
	assert_int_equal(heap.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_messages_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
