/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <stdio.h>

#include "codec/caps.h"
#include "codec/settings.h"

static const char file[] = "# what it is\n"
			   "slots 6\n"
			   "  zone  east wing \n"
			   "\n"
			   "tag build\r\n"
			   "tag two words\n"
			   "untag test\n"
			   "resource licence 3\n"
			   "resource gpu 0\n"
			   "tool terraform version\n"
			   "tool jq";

static struct mp_settings
parsed(const char *text)
{
	struct mp_settings s;
	struct mp_error err = {0};

	assert_int_equal(mp_settings_parse(mp_span_str(text), &s, &err), 0);
	return s;
}

static void
test_file(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_settings s = parsed(file), again;
	struct mp_error err = {0};
	struct mp_buf buf;

	(void)state;
	assert_true(s.has_slots && s.slots == 6);
	assert_true(s.has_zone);
	assert_string_equal(s.zone, "east wing");
	assert_int_equal(s.tag_count, 2);
	assert_string_equal(s.tags[1], "two words");
	assert_string_equal(s.untags[0], "test");
	assert_true(s.resources[0].count == 3 && s.resources[1].count == 0);
	assert_string_equal(s.tools[0].arg, "version");
	assert_string_equal(s.tools[1].arg, "");
	mp_buf_init(&buf, &alloc, MP_SETTINGS_TEXT_MAX);
	assert_int_equal(mp_settings_format(&s, &buf), 0);
	assert_int_equal(mp_settings_parse(mp_buf_span(&buf), &again, &err), 0);
	assert_memory_equal(&again, &s, sizeof(s));
	mp_buf_fini(&buf);
	s = parsed("zone\n");
	assert_true(s.has_zone && s.zone[0] == '\0');
	s = parsed("");
	assert_false(s.has_zone || s.has_slots || s.tag_count > 0);
	assert_int_equal(heap.live, 0);
}

static void
refused(const char *text, const char *line)
{
	struct mp_settings s;
	struct mp_error err = {0};

	assert_int_equal(mp_settings_parse(mp_span_str(text), &s, &err), MP_EINVAL);
	assert_non_null(strstr(err.text, line));
}

static void
test_refused(void **state)
{
	struct mp_settings s;
	struct mp_error err = {0};
	static uint8_t lines[MP_SETTINGS_TEXT_MAX + 1];
	char many[1024] = "";

	(void)state;
	refused("slots\n", "line 1");
	refused("slots 4097\n", "line 1");
	refused("slots -1\n", "line 1");
	refused("slots 1 2\n", "line 1");
	refused("# x\nslot 4\n", "line 2: 'slot'");
	refused("tag\n", "line 1");
	refused("tag \x1b[31m\n", "line 1");
	refused("resource gpu\n", "line 1");
	refused("resource gpu 1 2\n", "line 1");
	refused("resource gpu 9223372036854775808\n", "line 1");
	refused("resource a=b 1\n", "line 1");
	refused("tool ../sh\n", "line 1");
	assert_int_equal(mp_settings_parse(mp_span("tag a\0b\n", 8), &s, &err), MP_EINVAL);
	for (int i = 0; i <= MP_RESOURCES_MAX; i++)
		(void)snprintf(
			many + strlen(many), sizeof(many) - strlen(many), "resource r%d 1\n", i);
	assert_int_equal(mp_settings_parse(mp_span_str(many), &s, &err), MP_ELIMIT);
	assert_non_null(strstr(err.text, "line 17"));
	many[0] = '\0';
	for (int i = 0; i <= MP_SETTINGS_TOOLS; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "tool t%d\n", i);
	assert_int_equal(mp_settings_parse(mp_span_str(many), &s, &err), MP_ELIMIT);
	assert_non_null(strstr(err.text, "line 33"));
	memset(lines, '\n', sizeof(lines));
	assert_int_equal(mp_settings_parse(mp_span(lines, MP_SETTINGS_TEXT_MAX), &s, &err), 0);
	assert_int_equal(mp_settings_parse(mp_span(lines, sizeof(lines)), &s, &err), MP_ELIMIT);
}

static void
test_given(void **state)
{
	struct mp_settings s = {.slots = 0};
	struct mp_error err = {0};

	(void)state;
	assert_int_equal(mp_settings_resource(&s, "gpu=2", &err), 0);
	assert_true(s.resources[0].count == 2);
	assert_int_equal(mp_settings_resource(&s, "gpu", &err), MP_EINVAL);
	assert_int_equal(mp_settings_resource(&s, "=2", &err), MP_EINVAL);
	assert_int_equal(mp_settings_resource(&s, "gpu=", &err), MP_EINVAL);
	assert_int_equal(mp_settings_slots(&s, "0", &err), 0);
	assert_int_equal(mp_settings_slots(&s, "four", &err), MP_EINVAL);
	assert_int_equal(mp_settings_zone(&s, " a", &err), MP_EINVAL);
	assert_int_equal(mp_settings_tag(&s, "", true, &err), MP_EINVAL);
}

/* The last word counts, and what a change does not speak of stays. */
static void
test_merge(void **state)
{
	struct mp_settings s = parsed(file);
	struct mp_settings change = parsed("tag test\nuntag build\nresource gpu 4\nzone\n");
	struct mp_error err = {0};

	(void)state;
	assert_int_equal(mp_settings_merge(&s, &change, &err), 0);
	assert_true(s.slots == 6 && s.has_zone && s.zone[0] == '\0');
	assert_int_equal(s.tag_count, 2);
	assert_string_equal(s.tags[0], "two words");
	assert_string_equal(s.tags[1], "test");
	assert_int_equal(s.untag_count, 1);
	assert_string_equal(s.untags[0], "build");
	assert_int_equal(s.resource_count, 2);
	assert_true(s.resources[1].count == 4);
	assert_int_equal(s.tool_count, 2);
}

static void
test_apply(void **state)
{
	struct mp_caps caps = {.slots = 2,
		.os = "linux",
		.tag_count = 2,
		.tags = {"test", "here"},
		.resource_count = 1,
		.resources = {{"gpu", 1}},
		.zone = "west"};
	struct mp_settings s = parsed(file);
	struct mp_error err = {0};

	(void)state;
	assert_int_equal(mp_settings_apply(&s, &caps, &err), 0);
	assert_int_equal(caps.slots, 6);
	assert_string_equal(caps.zone, "east wing");
	assert_false(mp_caps_tag(&caps, "test"));
	assert_true(mp_caps_tag(&caps, "here") && mp_caps_tag(&caps, "build"));
	assert_int_equal(caps.resource_count, 1);
	assert_int_equal(mp_caps_resource(&caps, "licence"), 3);
	caps.tag_count = MP_TAGS_MAX - 1;
	for (uint32_t i = 0; i < caps.tag_count; i++)
		(void)snprintf(caps.tags[i], sizeof(caps.tags[i]), "t%u", i);
	assert_int_equal(mp_settings_apply(&s, &caps, &err), MP_ELIMIT);
	assert_non_null(strstr(err.text, "tags"));
}

static void
test_in_a_request(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_settings s = parsed(file), back;
	struct mp_cbor_w w;
	struct mp_cbor_r r;
	struct mp_buf buf;

	(void)state;
	mp_buf_init(&buf, &alloc, 65536);
	mp_cbor_w_init(&w, &buf);
	mp_settings_write(&w, &s);
	assert_int_equal(w.rc, 0);
	mp_cbor_r_init(&r, mp_buf_span(&buf));
	mp_settings_read(&r, &back);
	assert_int_equal(mp_cbor_r_end(&r), 0);
	assert_memory_equal(&back, &s, sizeof(s));
	for (size_t n = 0; n < buf.n; n++) {
		mp_cbor_r_init(&r, mp_span(buf.p, n));
		mp_settings_read(&r, &back);
		assert_int_not_equal(mp_cbor_r_end(&r), 0);
	}
	mp_buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_in_a_request),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
