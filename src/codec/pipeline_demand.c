/* SPDX-License-Identifier: Apache-2.0 */
/* `resources` of a module: what can be counted, and how much of it one attempt takes. */
#include "codec/pipeline_read.h"

#include "codec/caps.h"
#include "codec/pipeline_text.h"

/* "512MiB": a whole number of bytes, or with a unit. */
static bool
parse_size(const char *s, uint64_t *out)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
	const uint64_t most = INT64_MAX;
	const char *unit = s;
	uint64_t v = 0;

	while (*unit >= '0' && *unit <= '9' && v <= most / 10)
		v = v * 10 + (uint64_t)(*unit++ - '0');
	if (unit == s)
		return false;
	for (size_t i = 0; i < mp_countof(units); i++) {
		if (strcmp(unit, units[i]) != 0)
			continue;
		*out = v << 10 * i;
		return v <= most >> 10 * i;
	}
	return false;
}

static bool
read_count(struct mp_pipeline_reader *r, const struct mp_value *v, bool bytes, uint64_t *out)
{
	if (bytes && v->kind == MP_VALUE_TEXT) {
		if (parse_size(v->s, out) && *out > 0)
			return true;
		mp_read_expected(r, v, "a size such as 512MiB or 2GiB");
		return false;
	}
	return mp_read_uint(
		r, v, 1, INT64_MAX, bytes ? "a number of bytes" : "a whole number", out);
}

/* Keeps list[0..n) sorted; false when the name is there already. */
static bool
demand_insert(struct mp_demand *list, size_t n, struct mp_demand d)
{
	size_t at = 0;

	while (at < n && mp_name_cmp(list[at].name, d.name) < 0)
		at++;
	if (at < n && strcmp(list[at].name, d.name) == 0)
		return false;
	memmove(list + at + 1, list + at, (n - at) * sizeof(*list));
	list[at] = d;
	return true;
}

void
mp_read_demands(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_demands *out)
{
	struct mp_demand *list;
	uint32_t n = 0;

	if (v->kind != MP_VALUE_MAP) {
		mp_read_expected(r, v, "a map of resources to how much is taken");
		return;
	}
	if (v->count > MP_RESOURCES_MAX) {
		mp_pipeline_reader_fail(r, v->pos, "%zu resources, at most %d are possible",
			v->count, MP_RESOURCES_MAX);
		return;
	}
	list = mp_read_take(r, v->count, sizeof(*list));
	if (list == NULL)
		return;
	for (const struct mp_value *key = v->first; key != NULL; key = key->next->next) {
		struct mp_demand d = {.count = 0};
		struct mp_text name;

		if (key->kind == MP_VALUE_BAD ||
			!mp_read_text(r, key, MP_WORD_MAX - 1, "a resource", &name))
			continue;
		if (!mp_is_label(name.s) || strchr(name.s, '=') != NULL) {
			mp_pipeline_reader_fail(r, key->pos,
				"'%.60s' cannot name a resource: no blanks, '/' and '='", name.s);
			continue;
		}
		d.name = name.s;
		if (!read_count(r, key->next, strcmp(d.name, "memory") == 0, &d.count))
			continue;
		if (demand_insert(list, n, d))
			n++;
		else
			mp_pipeline_reader_fail(r, key->pos, "'%.60s' is written twice", d.name);
	}
	*out = (struct mp_demands){.v = list, .n = n};
}

bool
mp_demands_same(const struct mp_demands *a, const struct mp_demands *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (a->v[i].count != b->v[i].count || strcmp(a->v[i].name, b->v[i].name) != 0)
			return false;
	}
	return true;
}

uint64_t
mp_demand_total(const struct mp_caps *caps, const char *name)
{
	if (strcmp(name, "cpus") == 0)
		return caps->cpus;
	if (strcmp(name, "memory") == 0)
		return caps->memory_bytes;
	return mp_caps_resource(caps, name);
}
