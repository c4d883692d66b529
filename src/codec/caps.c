/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/caps.h"

#include "codec/cbor.h"
#include "codec/tool.h"
#include "util/utf8.h"

#define CAPS_ITEMS     8 /* of the first version */
#define CAPS_MORE      6
#define CAPS_ITEMS_MAX 32 /* a newer node's */

static bool
word_ok(const char *s, bool may_be_empty)
{
	size_t n = strnlen(s, MP_WORD_MAX);

	return n < MP_WORD_MAX && (n > 0 || may_be_empty) && mp_utf8_printable(mp_span(s, n));
}

static bool
caps_ok(const struct mp_caps *caps)
{
	if (caps->tool_count > MP_TOOLS_MAX || caps->tag_count > MP_TAGS_MAX ||
		!word_ok(caps->os, false) || !word_ok(caps->arch, false) ||
		!word_ok(caps->zone, true) || !word_ok(caps->kernel, true) ||
		!word_ok(caps->version, true) || caps->gpu_count > MP_GPUS_MAX ||
		caps->resource_count > MP_RESOURCES_MAX)
		return false;
	for (uint32_t i = 0; i < caps->tool_count; i++) {
		if (!word_ok(caps->tools[i].name, false) || !word_ok(caps->tools[i].version, true))
			return false;
	}
	for (uint32_t i = 0; i < caps->tag_count; i++) {
		if (!word_ok(caps->tags[i], false))
			return false;
	}
	for (uint32_t i = 0; i < caps->gpu_count; i++) {
		if (!word_ok(caps->gpus[i], false))
			return false;
	}
	for (uint32_t i = 0; i < caps->resource_count; i++) {
		if (!word_ok(caps->resources[i].name, false))
			return false;
	}
	return true;
}

/* Writes the indices of n words, `stride` bytes apart, sorted and without doubles; how many. */
static size_t
words_sort(const char *words, size_t stride, size_t n, uint8_t *order)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const char *word = words + i * stride;
		size_t at = 0;
		int order_of = 1;

		while (at < count && (order_of = strcmp(words + order[at] * stride, word)) < 0)
			at++;
		if (at < count && order_of == 0)
			continue;
		memmove(order + at + 1, order + at, count - at);
		order[at] = (uint8_t)i;
		count++;
	}
	return count;
}

static void
write_more(struct mp_cbor_w *w, const struct mp_caps *caps)
{
	uint8_t order[MP_RESOURCES_MAX + 1];
	size_t n = words_sort(
		caps->resources[0].name, sizeof(caps->resources[0]), caps->resource_count, order);

	mp_cbor_w_text(w, caps->kernel);
	mp_cbor_w_text(w, caps->version);
	mp_cbor_w_uint(w, caps->disk_bytes);
	mp_cbor_w_uint(w, caps->disk_free_bytes);
	mp_cbor_w_array(w, caps->gpu_count);
	for (uint32_t i = 0; i < caps->gpu_count; i++)
		mp_cbor_w_text(w, caps->gpus[i]);
	mp_cbor_w_array(w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_text(w, caps->resources[order[i]].name);
		mp_cbor_w_uint(w, caps->resources[order[i]].count);
	}
}

int
mp_caps_encode(const struct mp_caps *caps, struct mp_buf *buf)
{
	uint8_t tools[MP_TOOLS_MAX + 1], tags[MP_TAGS_MAX + 1];
	size_t tool_count, tag_count, start = buf->n;
	struct mp_cbor_w w;

	if (!caps_ok(caps))
		return MP_EINVAL;
	tool_count =
		words_sort(caps->tools[0].name, sizeof(caps->tools[0]), caps->tool_count, tools);
	tag_count = words_sort(caps->tags[0], sizeof(caps->tags[0]), caps->tag_count, tags);
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, CAPS_ITEMS + CAPS_MORE + (caps->wan ? 1 : 0));
	mp_cbor_w_uint(&w, caps->slots);
	mp_cbor_w_text(&w, caps->os);
	mp_cbor_w_text(&w, caps->arch);
	mp_cbor_w_uint(&w, caps->cpus);
	mp_cbor_w_uint(&w, caps->memory_bytes);
	mp_cbor_w_array(&w, tool_count);
	for (size_t i = 0; i < tool_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text(&w, caps->tools[tools[i]].name);
		mp_cbor_w_text(&w, caps->tools[tools[i]].version);
	}
	mp_cbor_w_array(&w, tag_count);
	for (size_t i = 0; i < tag_count; i++)
		mp_cbor_w_text(&w, caps->tags[tags[i]]);
	mp_cbor_w_text(&w, caps->zone);
	write_more(&w, caps);
	if (caps->wan)
		mp_cbor_w_bool(&w, true);
	if (w.rc != 0)
		buf->n = start;
	return w.rc;
}

/* A word that is above the one before. */
static void
read_sorted(struct mp_cbor_r *r, char *out, const char *before)
{
	mp_cbor_r_str(r, out, MP_WORD_MAX);
	if (r->rc == 0 && before != NULL && strcmp(before, out) >= 0)
		r->rc = MP_EFORMAT;
}

static void
read_more(struct mp_cbor_r *r, struct mp_caps *caps)
{
	mp_cbor_r_str(r, caps->kernel, sizeof(caps->kernel));
	mp_cbor_r_str(r, caps->version, sizeof(caps->version));
	caps->disk_bytes = mp_cbor_r_uint(r, UINT64_MAX);
	caps->disk_free_bytes = mp_cbor_r_uint(r, UINT64_MAX);
	caps->gpu_count = (uint32_t)mp_cbor_r_array(r, MP_GPUS_MAX);
	for (uint32_t i = 0; i < caps->gpu_count && r->rc == 0; i++)
		mp_cbor_r_str(r, caps->gpus[i], sizeof(caps->gpus[i]));
	caps->resource_count = (uint32_t)mp_cbor_r_array(r, MP_RESOURCES_MAX);
	for (uint32_t i = 0; i < caps->resource_count && r->rc == 0; i++) {
		mp_cbor_r_array_exact(r, 2);
		read_sorted(r, caps->resources[i].name, i > 0 ? caps->resources[i - 1].name : NULL);
		caps->resources[i].count = mp_cbor_r_uint(r, UINT64_MAX);
	}
}

int
mp_caps_decode(struct mp_span bytes, struct mp_caps *out)
{
	struct mp_caps caps = {0};
	struct mp_cbor_r r;
	size_t extra;

	if (bytes.n > MP_CAPS_BYTES_MAX)
		return MP_ELIMIT;
	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_min(&r, CAPS_ITEMS, CAPS_ITEMS_MAX, &extra);
	caps.slots = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	mp_cbor_r_str(&r, caps.os, sizeof(caps.os));
	mp_cbor_r_str(&r, caps.arch, sizeof(caps.arch));
	caps.cpus = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	caps.memory_bytes = mp_cbor_r_uint(&r, UINT64_MAX);
	caps.tool_count = (uint32_t)mp_cbor_r_array(&r, MP_TOOLS_MAX);
	for (uint32_t i = 0; i < caps.tool_count && r.rc == 0; i++) {
		mp_cbor_r_array_exact(&r, 2);
		read_sorted(&r, caps.tools[i].name, i > 0 ? caps.tools[i - 1].name : NULL);
		mp_cbor_r_str(&r, caps.tools[i].version, sizeof(caps.tools[i].version));
	}
	caps.tag_count = (uint32_t)mp_cbor_r_array(&r, MP_TAGS_MAX);
	for (uint32_t i = 0; i < caps.tag_count && r.rc == 0; i++)
		read_sorted(&r, caps.tags[i], i > 0 ? caps.tags[i - 1] : NULL);
	mp_cbor_r_str(&r, caps.zone, sizeof(caps.zone));
	if (extra >= CAPS_MORE) {
		read_more(&r, &caps);
		extra -= CAPS_MORE;
		if (extra > 0) {
			caps.wan = mp_cbor_r_bool(&r);
			extra--;
		}
	}
	for (; extra > 0 && r.rc == 0; extra--)
		mp_cbor_r_skip(&r);
	if (mp_cbor_r_end(&r) != 0)
		return mp_cbor_r_end(&r);
	if (!caps_ok(&caps))
		return MP_EFORMAT;
	*out = caps;
	return 0;
}

const char *
mp_caps_tool(const struct mp_caps *caps, const char *asked)
{
	size_t n = mp_tool_name_size(asked);

	for (uint32_t i = 0; i < caps->tool_count; i++) {
		const struct mp_tool *tool = &caps->tools[i];

		if (strncmp(tool->name, asked, n) == 0 && tool->name[n] == '\0')
			return tool->version;
	}
	return NULL;
}

bool
mp_caps_tag(const struct mp_caps *caps, const char *tag)
{
	for (uint32_t i = 0; i < caps->tag_count; i++) {
		if (strcmp(caps->tags[i], tag) == 0)
			return true;
	}
	return false;
}

uint64_t
mp_caps_resource(const struct mp_caps *caps, const char *name)
{
	for (uint32_t i = 0; i < caps->resource_count; i++) {
		if (strcmp(caps->resources[i].name, name) == 0)
			return caps->resources[i].count;
	}
	return 0;
}

bool
mp_caps_word(const char *word)
{
	return word_ok(word, false);
}
