/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/settings.h"

#include "codec/caps.h"

/* ---- words ---- */

/* A word that can stand alone at the end of a line. */
static bool
word_ok(const char *s)
{
	size_t n = strnlen(s, MP_WORD_MAX);

	return mp_caps_word(s) && s[0] != ' ' && s[n - 1] != ' ';
}

/* One that stands between others. */
static bool
name_ok(const char *s)
{
	return word_ok(s) && strpbrk(s, " =/#") == NULL;
}

static int
number_parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (*text == '\0')
		return MP_EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || n > max / 10)
			return MP_EINVAL;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	*out = n;
	return n <= max ? 0 : MP_EINVAL;
}

static void
word_copy(char out[MP_WORD_MAX], const char *word)
{
	memcpy(out, word, strlen(word) + 1);
}

static int
tag_find(char (*tags)[MP_WORD_MAX], uint32_t count, const char *tag)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(tags[i], tag) == 0)
			return (int)i;
	}
	return -1;
}

static void
tag_remove(char (*tags)[MP_WORD_MAX], uint32_t *count, const char *tag)
{
	int at = tag_find(tags, *count, tag);

	if (at < 0)
		return;
	--*count;
	memmove(tags[at], tags[at + 1], (*count - (uint32_t)at) * sizeof(tags[0]));
}

static int
tag_add(char (*tags)[MP_WORD_MAX], uint32_t *count, const char *tag, struct mp_error *err)
{
	if (tag_find(tags, *count, tag) >= 0)
		return 0;
	if (*count == MP_TAGS_MAX)
		return mp_fail(err, MP_ELIMIT, "more than %d tags", MP_TAGS_MAX);
	word_copy(tags[(*count)++], tag);
	return 0;
}

static int
resource_set(
	struct mp_resource *all, uint32_t *count, const struct mp_resource *r, struct mp_error *err)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (strcmp(all[i].name, r->name) == 0) {
			all[i].count = r->count;
			return 0;
		}
	}
	if (*count == MP_RESOURCES_MAX)
		return mp_fail(err, MP_ELIMIT, "more than %d resources", MP_RESOURCES_MAX);
	all[(*count)++] = *r;
	return 0;
}

static int
tool_set(struct mp_settings *s, const struct mp_settings_tool *tool, struct mp_error *err)
{
	for (uint32_t i = 0; i < s->tool_count; i++) {
		if (strcmp(s->tools[i].name, tool->name) == 0) {
			s->tools[i] = *tool;
			return 0;
		}
	}
	if (s->tool_count == MP_SETTINGS_TOOLS)
		return mp_fail(err, MP_ELIMIT, "more than %d tools", MP_SETTINGS_TOOLS);
	s->tools[s->tool_count++] = *tool;
	return 0;
}

/* ---- one thing said ---- */

int
mp_settings_tag(struct mp_settings *s, const char *tag, bool has, struct mp_error *err)
{
	if (!word_ok(tag))
		return mp_fail(err, MP_EINVAL,
			"a tag is printable text of 1 to %d bytes, without blanks around it",
			MP_WORD_MAX - 1);
	tag_remove(has ? s->untags : s->tags, has ? &s->untag_count : &s->tag_count, tag);
	return tag_add(has ? s->tags : s->untags, has ? &s->tag_count : &s->untag_count, tag, err);
}

static int
resource_named(struct mp_settings *s, const char *name, const char *count, struct mp_error *err)
{
	struct mp_resource r = {.count = 0};

	if (!name_ok(name) || number_parse(count, INT64_MAX, &r.count) != 0)
		return mp_fail(
			err, MP_EINVAL, "a resource is a name without blanks and a whole number");
	word_copy(r.name, name);
	return resource_set(s->resources, &s->resource_count, &r, err);
}

int
mp_settings_resource(struct mp_settings *s, const char *text, struct mp_error *err)
{
	const char *eq = strchr(text, '=');
	char name[MP_WORD_MAX] = "";

	if (eq != NULL && (size_t)(eq - text) < sizeof(name))
		memcpy(name, text, (size_t)(eq - text));
	return resource_named(s, name, eq != NULL ? eq + 1 : "", err);
}

int
mp_settings_zone(struct mp_settings *s, const char *zone, struct mp_error *err)
{
	if (zone[0] != '\0' && !word_ok(zone))
		return mp_fail(err, MP_EINVAL,
			"a zone is printable text of at most %d bytes, without blanks around it",
			MP_WORD_MAX - 1);
	s->has_zone = true;
	word_copy(s->zone, zone);
	return 0;
}

int
mp_settings_slots(struct mp_settings *s, const char *text, struct mp_error *err)
{
	uint64_t slots;

	if (number_parse(text, MP_SLOTS_MAX, &slots) != 0)
		return mp_fail(err, MP_EINVAL, "slots are a number from 0 to %d", MP_SLOTS_MAX);
	s->has_slots = true;
	s->slots = (uint32_t)slots;
	return 0;
}

static int
settings_tool(struct mp_settings *s, const char *name, const char *arg, struct mp_error *err)
{
	struct mp_settings_tool tool = {.name = ""};

	if (!name_ok(name) || (arg[0] != '\0' && !word_ok(arg)))
		return mp_fail(err, MP_EINVAL,
			"a tool is the name of a program, and the argument that makes it print its "
			"version");
	word_copy(tool.name, name);
	word_copy(tool.arg, arg);
	return tool_set(s, &tool, err);
}

/* ---- the file ---- */

/* Takes the first word off; what follows it, without blanks, stays in *line. */
static char *
line_word(char **line)
{
	char *word = *line;
	size_t n = strcspn(word, " \t");
	char *rest = word + n + strspn(word + n, " \t");

	word[n] = '\0';
	*line = rest;
	return word;
}

static int
line_read(struct mp_settings *s, char *line, struct mp_error *err)
{
	char *key = line_word(&line), *name;

	if (strcmp(key, "slots") == 0)
		return mp_settings_slots(s, line, err);
	if (strcmp(key, "zone") == 0)
		return mp_settings_zone(s, line, err);
	if (strcmp(key, "tag") == 0 || strcmp(key, "untag") == 0)
		return mp_settings_tag(s, line, key[0] == 't', err);
	if (strcmp(key, "resource") == 0) {
		name = line_word(&line);
		return resource_named(s, name, line, err);
	}
	if (strcmp(key, "tool") == 0) {
		name = line_word(&line);
		return settings_tool(s, name, line, err);
	}
	return mp_fail(err, MP_EINVAL,
		"'%.40s' is none of slots, zone, tag, untag, resource and tool", key);
}

/* The line without its blanks around, in `out`; false when it does not fit. */
static bool
line_trim(struct mp_span line, char out[256])
{
	size_t n = line.n;

	if (n > 0 && memchr(line.p, 0, n) != NULL)
		return false;
	while (n > 0 && strchr(" \t\r", line.p[0]) != NULL) {
		line.p++;
		n--;
	}
	while (n > 0 && strchr(" \t\r", line.p[n - 1]) != NULL)
		n--;
	if (n >= 256)
		return false;
	if (n > 0)
		memcpy(out, line.p, n);
	out[n] = '\0';
	return true;
}

int
mp_settings_parse(struct mp_span text, struct mp_settings *out, struct mp_error *err)
{
	struct mp_settings s = {.slots = 0};
	unsigned number = 0;

	if (text.n > MP_SETTINGS_TEXT_MAX)
		return mp_fail(err, MP_ELIMIT, "it is too long");
	while (text.n > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
		char line[256];
		int rc = 0;

		number++;
		if (!line_trim(mp_span(text.p, n), line))
			rc = mp_fail(err, MP_EINVAL, "it is too long, or no text");
		else if (line[0] != '\0' && line[0] != '#')
			rc = line_read(&s, line, err);
		if (rc != 0)
			return mp_wrap(err, "line %u", number);
		n += end != NULL;
		text = mp_span(text.p + n, text.n - n);
	}
	*out = s;
	return 0;
}

static int
text_add(struct mp_buf *buf, const char *key, const char *a, const char *b)
{
	size_t before = buf->n;
	int rc = mp_buf_append(buf, key, strlen(key));

	for (int i = 0; i < 2; i++) {
		const char *word = i == 0 ? a : b;

		if (rc == 0 && word[0] != '\0')
			rc = mp_buf_append(buf, " ", 1);
		if (rc == 0)
			rc = mp_buf_append(buf, word, strlen(word));
	}
	if (rc == 0)
		rc = mp_buf_append(buf, "\n", 1);
	if (rc != 0)
		buf->n = before;
	return rc;
}

static const char *
number_text(char out[24], uint64_t v)
{
	char *p = out + 23;

	*p = '\0';
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return p;
}

int
mp_settings_format(const struct mp_settings *s, struct mp_buf *buf)
{
	char n[24];
	int rc = text_add(
		buf, "# What this node can do, before its options; see mpnode(8).", "", "");

	if (rc == 0 && s->has_slots)
		rc = text_add(buf, "slots", number_text(n, s->slots), "");
	if (rc == 0 && s->has_zone)
		rc = text_add(buf, "zone", s->zone, "");
	for (uint32_t i = 0; rc == 0 && i < s->tag_count; i++)
		rc = text_add(buf, "tag", s->tags[i], "");
	for (uint32_t i = 0; rc == 0 && i < s->untag_count; i++)
		rc = text_add(buf, "untag", s->untags[i], "");
	for (uint32_t i = 0; rc == 0 && i < s->resource_count; i++)
		rc = text_add(buf, "resource", s->resources[i].name,
			number_text(n, s->resources[i].count));
	for (uint32_t i = 0; rc == 0 && i < s->tool_count; i++)
		rc = text_add(buf, "tool", s->tools[i].name, s->tools[i].arg);
	return rc;
}

/* ---- together ---- */

int
mp_settings_merge(struct mp_settings *s, const struct mp_settings *change, struct mp_error *err)
{
	struct mp_settings to = *s;
	int rc = 0;

	if (change->has_slots) {
		to.has_slots = true;
		to.slots = change->slots;
	}
	if (change->has_zone) {
		to.has_zone = true;
		word_copy(to.zone, change->zone);
	}
	for (uint32_t i = 0; rc == 0 && i < change->untag_count; i++)
		rc = mp_settings_tag(&to, change->untags[i], false, err);
	for (uint32_t i = 0; rc == 0 && i < change->tag_count; i++)
		rc = mp_settings_tag(&to, change->tags[i], true, err);
	for (uint32_t i = 0; rc == 0 && i < change->resource_count; i++)
		rc = resource_set(to.resources, &to.resource_count, &change->resources[i], err);
	for (uint32_t i = 0; rc == 0 && i < change->tool_count; i++)
		rc = tool_set(&to, &change->tools[i], err);
	if (rc == 0)
		*s = to;
	return rc;
}

int
mp_settings_apply(const struct mp_settings *s, struct mp_caps *caps, struct mp_error *err)
{
	uint32_t kept = 0;
	int rc = 0;

	if (s->has_slots)
		caps->slots = s->slots;
	if (s->has_zone)
		word_copy(caps->zone, s->zone);
	for (uint32_t i = 0; i < s->untag_count; i++)
		tag_remove(caps->tags, &caps->tag_count, s->untags[i]);
	for (uint32_t i = 0; rc == 0 && i < s->tag_count; i++)
		rc = tag_add(caps->tags, &caps->tag_count, s->tags[i], err);
	for (uint32_t i = 0; rc == 0 && i < s->resource_count; i++)
		rc = resource_set(caps->resources, &caps->resource_count, &s->resources[i], err);
	for (uint32_t i = 0; i < caps->resource_count; i++) {
		if (caps->resources[i].count > 0)
			caps->resources[kept++] = caps->resources[i];
	}
	caps->resource_count = kept;
	return rc;
}

/* ---- in a request ---- */

static void
tags_write(struct mp_cbor_w *w, const char (*tags)[MP_WORD_MAX], uint32_t count)
{
	mp_cbor_w_array(w, count);
	for (uint32_t i = 0; i < count; i++)
		mp_cbor_w_text(w, tags[i]);
}

void
mp_settings_write(struct mp_cbor_w *w, const struct mp_settings *s)
{
	mp_cbor_w_array(w, 6);
	if (s->has_slots)
		mp_cbor_w_uint(w, s->slots);
	else
		mp_cbor_w_null(w);
	if (s->has_zone)
		mp_cbor_w_text(w, s->zone);
	else
		mp_cbor_w_null(w);
	tags_write(w, s->tags, s->tag_count);
	tags_write(w, s->untags, s->untag_count);
	mp_cbor_w_array(w, s->resource_count);
	for (uint32_t i = 0; i < s->resource_count; i++) {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_text(w, s->resources[i].name);
		mp_cbor_w_uint(w, s->resources[i].count);
	}
	mp_cbor_w_array(w, s->tool_count);
	for (uint32_t i = 0; i < s->tool_count; i++) {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_text(w, s->tools[i].name);
		mp_cbor_w_text(w, s->tools[i].arg);
	}
}

static bool
null_read(struct mp_cbor_r *r)
{
	if (r->rc != 0 || mp_cbor_r_peek(r) != MP_CBOR_NULL)
		return false;
	mp_cbor_r_null(r);
	return true;
}

static void
tags_read(struct mp_cbor_r *r, struct mp_settings *out, bool has)
{
	size_t n = mp_cbor_r_array(r, MP_TAGS_MAX);
	char tag[MP_WORD_MAX];

	while (n-- > 0 && r->rc == 0) {
		mp_cbor_r_str(r, tag, sizeof(tag));
		if (r->rc == 0 && mp_settings_tag(out, tag, has, NULL) != 0)
			r->rc = MP_EFORMAT;
	}
}

void
mp_settings_read(struct mp_cbor_r *r, struct mp_settings *out)
{
	char name[MP_WORD_MAX], word[MP_WORD_MAX];
	const char *count;
	size_t n;

	*out = (struct mp_settings){.slots = 0};
	mp_cbor_r_array_exact(r, 6);
	if (!null_read(r)) {
		out->has_slots = true;
		out->slots = (uint32_t)mp_cbor_r_uint(r, MP_SLOTS_MAX);
	}
	if (!null_read(r)) {
		mp_cbor_r_str(r, word, sizeof(word));
		if (r->rc == 0 && mp_settings_zone(out, word, NULL) != 0)
			r->rc = MP_EFORMAT;
	}
	tags_read(r, out, true);
	tags_read(r, out, false);
	for (n = mp_cbor_r_array(r, MP_RESOURCES_MAX); n > 0 && r->rc == 0; n--) {
		mp_cbor_r_array_exact(r, 2);
		mp_cbor_r_str(r, name, sizeof(name));
		count = number_text(word, mp_cbor_r_uint(r, INT64_MAX));
		if (r->rc == 0 && resource_named(out, name, count, NULL) != 0)
			r->rc = MP_EFORMAT;
	}
	for (n = mp_cbor_r_array(r, MP_SETTINGS_TOOLS); n > 0 && r->rc == 0; n--) {
		mp_cbor_r_array_exact(r, 2);
		mp_cbor_r_str(r, name, sizeof(name));
		mp_cbor_r_str(r, word, sizeof(word));
		if (r->rc == 0 && settings_tool(out, name, word, NULL) != 0)
			r->rc = MP_EFORMAT;
	}
}
