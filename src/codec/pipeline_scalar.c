/* SPDX-License-Identifier: Apache-2.0 */
/* Values of one scalar, and plain lists and maps of them. */
#include "codec/pipeline_read.h"

#include "mp/limits.h"

void *
mp_read_take(struct mp_pipeline_reader *r, size_t n, size_t size)
{
	void *p = mp_arena_take_n(&r->box->arena, n, size);

	if (p == NULL)
		r->rc = MP_ENOMEM;
	return p;
}

bool
mp_read_is_nothing(const struct mp_value *v)
{
	return v->kind == MP_VALUE_TEXT && v->plain && v->s[0] == '\0';
}

void
mp_read_expected(struct mp_pipeline_reader *r, const struct mp_value *v, const char *what)
{
	switch (v->kind) {
	case MP_VALUE_TEXT:
		if (mp_read_is_nothing(v))
			mp_pipeline_reader_fail(r, v->pos, "expected %s, found nothing", what);
		else
			mp_pipeline_reader_fail(
				r, v->pos, "expected %s, found '%.60s'", what, v->s);
		return;
	case MP_VALUE_UINT:
		mp_pipeline_reader_fail(r, v->pos, "expected %s, found the number %llu", what,
			(unsigned long long)v->u);
		return;
	case MP_VALUE_BOOL:
		mp_pipeline_reader_fail(
			r, v->pos, "expected %s, found %s", what, v->u != 0 ? "true" : "false");
		return;
	case MP_VALUE_LIST:
		mp_pipeline_reader_fail(r, v->pos, "expected %s, found a list", what);
		return;
	case MP_VALUE_MAP:
		mp_pipeline_reader_fail(r, v->pos, "expected %s, found a map", what);
		return;
	case MP_VALUE_BAD:
		return;
	}
	mp_unreachable();
}

void
mp_read_twice(
	struct mp_pipeline_reader *r, struct mp_pos pos, const char *name, struct mp_pos first)
{
	if (first.line == 0)
		mp_pipeline_reader_fail(r, pos, "'%.60s' is written twice", name);
	else
		mp_pipeline_reader_fail(r, pos, "'%.60s' is written twice, first at line %u", name,
			(unsigned)first.line);
}

bool
mp_read_text(struct mp_pipeline_reader *r, const struct mp_value *v, size_t max, const char *what,
	struct mp_text *out)
{
	size_t n;

	if (v->kind != MP_VALUE_TEXT) {
		mp_read_expected(r, v, what);
		return false;
	}
	n = strlen(v->s);
	if (n > max) {
		mp_pipeline_reader_fail(
			r, v->pos, "%s has %zu bytes, at most %zu are possible", what, n, max);
		return false;
	}
	out->pos = v->pos;
	out->s = mp_arena_text(&r->box->arena, v->s, n);
	if (out->s == NULL)
		r->rc = MP_ENOMEM;
	return out->s != NULL;
}

bool
mp_read_texts(struct mp_pipeline_reader *r, const struct mp_value *v, size_t max, const char *what,
	struct mp_texts *out)
{
	struct mp_text *list;
	uint32_t n = 0;
	bool ok = true;

	if (v->kind != MP_VALUE_LIST) {
		mp_read_expected(r, v, what);
		return false;
	}
	if (v->count > MP_LIST_MAX) {
		mp_pipeline_reader_fail(r, v->pos, "a list of %zu entries, at most %d are possible",
			v->count, MP_LIST_MAX);
		return false;
	}
	list = mp_read_take(r, v->count, sizeof(*list));
	if (list == NULL)
		return false;
	for (const struct mp_value *item = v->first; item != NULL; item = item->next) {
		if (mp_read_is_nothing(item)) {
			mp_read_expected(r, item, "text");
			ok = false;
		} else if (mp_read_text(r, item, max, "text", &list[n])) {
			n++;
		} else {
			ok = false;
		}
	}
	*out = (struct mp_texts){.v = list, .n = n, .set = true};
	return ok;
}

/* Keeps list[0..n) sorted; false when the name is there already. */
static bool
binding_insert(struct mp_binding *list, size_t n, struct mp_binding b, size_t *at)
{
	size_t lo = 0;
	size_t hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = mp_name_cmp(list[mid].name.s, b.name.s);

		*at = mid;
		if (order == 0)
			return false;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	memmove(list + lo + 1, list + lo, (n - lo) * sizeof(*list));
	list[lo] = b;
	return true;
}

bool
mp_read_bindings(struct mp_pipeline_reader *r, const struct mp_value *v, size_t max,
	bool (*key_check)(struct mp_pipeline_reader *, const struct mp_value *), const char *what,
	struct mp_bindings *out)
{
	struct mp_binding *list;
	uint32_t n = 0;
	bool ok = true;

	if (v->kind != MP_VALUE_MAP) {
		mp_read_expected(r, v, what);
		return false;
	}
	if (v->count > max) {
		mp_pipeline_reader_fail(
			r, v->pos, "%zu names, at most %zu are possible", v->count, max);
		return false;
	}
	list = mp_read_take(r, v->count, sizeof(*list));
	if (list == NULL)
		return false;
	for (const struct mp_value *key = v->first; key != NULL; key = key->next->next) {
		struct mp_binding b;
		size_t at = 0;

		if (!key_check(r, key) || !mp_read_text(r, key, MP_NAME_MAX, "name", &b.name) ||
			!mp_read_text(r, key->next, MP_ARG_MAX, "text", &b.value)) {
			ok = false;
		} else if (binding_insert(list, n, b, &at)) {
			n++;
		} else {
			mp_read_twice(r, key->pos, b.name.s, list[at].name.pos);
			ok = false;
		}
	}
	*out = (struct mp_bindings){.v = list, .n = n};
	return ok;
}

/* Decimal digits without a leading zero. */
static bool
parse_uint(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	if (s[0] < '0' || s[0] > '9' || (s[0] == '0' && s[1] != '\0'))
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*out = v;
	return *s == '\0';
}

bool
mp_read_uint(struct mp_pipeline_reader *r, const struct mp_value *v, uint64_t least, uint64_t most,
	const char *what, uint64_t *out)
{
	uint64_t u = v->u;

	if (v->kind != MP_VALUE_UINT &&
		(v->kind != MP_VALUE_TEXT || !v->plain || !parse_uint(v->s, &u))) {
		mp_read_expected(r, v, what);
		return false;
	}
	if (u < least || u > most) {
		mp_pipeline_reader_fail(r, v->pos, "expected %s, from %llu to %llu, found %llu",
			what, (unsigned long long)least, (unsigned long long)most,
			(unsigned long long)u);
		return false;
	}
	*out = u;
	return true;
}

bool
mp_read_bool(struct mp_pipeline_reader *r, const struct mp_value *v, bool *out)
{
	/* YAML 1.2.2 section 10.3.2 */
	static const char *const words[] = {"false", "False", "FALSE", "true", "True", "TRUE"};

	if (v->kind == MP_VALUE_BOOL) {
		*out = v->u != 0;
		return true;
	}
	for (size_t i = 0; v->kind == MP_VALUE_TEXT && v->plain && i < mp_countof(words); i++) {
		if (strcmp(v->s, words[i]) == 0) {
			*out = i >= 3;
			return true;
		}
	}
	mp_read_expected(r, v, "true or false");
	return false;
}

/* One number with its unit: "30m". Returns what follows, or NULL. */
static const char *
parse_span(const char *s, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	const char *unit = s;
	uint64_t v = 0;

	while (*unit >= '0' && *unit <= '9' && v <= MP_DURATION_MS_MAX)
		v = v * 10 + (uint64_t)(*unit++ - '0');
	if (unit == s || v > MP_DURATION_MS_MAX)
		return NULL;
	for (size_t i = 0; i < mp_countof(units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(unit, units[i].name, n) != 0)
			continue;
		*ms += v * units[i].ms;
		return *ms > MP_DURATION_MS_MAX ? NULL : unit + n;
	}
	return NULL;
}

bool
mp_read_duration(struct mp_pipeline_reader *r, const struct mp_value *v, uint64_t *out)
{
	static const char what[] = "a duration of at most 366d, such as 500ms, 30s or 1h30m";
	const char *s = v->s;
	uint64_t ms = 0;

	if (v->kind == MP_VALUE_UINT && v->u <= MP_DURATION_MS_MAX) {
		*out = v->u;
		return true;
	}
	if (v->kind == MP_VALUE_TEXT) {
		do
			s = parse_span(s, &ms);
		while (s != NULL && *s != '\0');
		if (s != NULL) {
			*out = ms;
			return true;
		}
	}
	mp_read_expected(r, v, what);
	return false;
}
