/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pipeline_text.h"

#include "mp/limits.h"
#include "util/utf8.h"

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_alnum(char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9');
}

bool
mp_is_identifier(const char *s, bool dash)
{
	size_t n = 0;

	if (!is_alpha(s[0]) && s[0] != '_')
		return false;
	while (is_alnum(s[n]) || s[n] == '_' || (dash && s[n] == '-'))
		n++;
	return s[n] == '\0' && n <= MP_NAME_MAX;
}

bool
mp_is_module_name(const char *s)
{
	size_t n = 0;

	if (!is_alnum(s[0]) && s[0] != '_')
		return false;
	while (is_alnum(s[n]) || (s[n] != '\0' && strchr("_.-", s[n]) != NULL))
		n++;
	return s[n] == '\0' && n <= MP_NAME_MAX;
}

bool
mp_is_matrix_value(const char *s)
{
	return s[0] != '\0' && strpbrk(s, "/\\,[]") == NULL && mp_utf8_printable(mp_span_str(s));
}

bool
mp_is_label(const char *s)
{
	return s[0] != '\0' && strlen(s) <= MP_NAME_MAX && strpbrk(s, " /") == NULL &&
	       mp_utf8_printable(mp_span_str(s));
}

bool
mp_shell_safe(const char *s)
{
	while (is_alnum(*s) || (*s != '\0' && strchr("._/:@%+=,-", *s) != NULL))
		s++;
	return *s == '\0';
}

int
mp_name_cmp(const char *a, const char *b)
{
	size_t an = strlen(a);
	size_t bn = strlen(b);

	if (an != bn)
		return an < bn ? -1 : 1;
	return memcmp(a, b, an);
}

static int
name_cmp_n(const char *a, const char *b, size_t bn)
{
	size_t an = strlen(a);

	if (an != bn)
		return an < bn ? -1 : 1;
	return memcmp(a, b, an);
}

const struct mp_binding *
mp_bindings_find(struct mp_bindings list, const char *name, size_t n)
{
	size_t lo = 0;
	size_t hi = list.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = name_cmp_n(list.v[mid].name.s, name, n);

		if (order == 0)
			return &list.v[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* s stands after "${". */
static struct mp_ref
ref_parse(const char *start, const char *s)
{
	static const struct {
		const char *word;
		enum mp_ref_kind kind;
	} words[] = {
		{"params.", MP_REF_PARAM},
		{"matrix.", MP_REF_MATRIX},
		{"needs.", MP_REF_NEEDS},
	};
	struct mp_ref ref = {.kind = MP_REF_NONE, .start = start};

	for (size_t i = 0; i < mp_countof(words); i++) {
		size_t n = strlen(words[i].word);

		if (strncmp(s, words[i].word, n) != 0)
			continue;
		ref.name = s + n;
		while (is_alnum(ref.name[ref.name_len]) || ref.name[ref.name_len] == '_' ||
			ref.name[ref.name_len] == '-' ||
			(words[i].kind == MP_REF_NEEDS && ref.name[ref.name_len] == '.'))
			ref.name_len++;
		ref.kind = words[i].kind;
		ref.end = ref.name + ref.name_len;
		if (ref.name_len == 0 || *ref.end != '}')
			ref.kind = MP_REF_BAD;
		else
			ref.end++;
	}
	return ref;
}

struct mp_ref
mp_ref_next(const char *s)
{
	for (s = strchr(s, '$'); s != NULL; s = strchr(s + 1, '$')) {
		struct mp_ref ref;

		if (s[1] == '$' && s[2] == '{')
			return (struct mp_ref){MP_REF_ESCAPE, s, s + 3, NULL, 0};
		if (s[1] != '{')
			continue;
		ref = ref_parse(s, s + 2);
		if (ref.kind != MP_REF_NONE)
			return ref;
	}
	return (struct mp_ref){.kind = MP_REF_NONE};
}

bool
mp_text_has_ref(const char *s)
{
	return mp_ref_next(s).kind != MP_REF_NONE;
}

const char *
mp_scope_find(const struct mp_scope *scope, const struct mp_ref *ref)
{
	const struct mp_binding *b;

	if (ref->kind == MP_REF_PARAM) {
		b = mp_bindings_find(scope->params, ref->name, ref->name_len);
		return b == NULL ? NULL : b->value.s;
	}
	if (ref->kind != MP_REF_MATRIX || scope->matrix == NULL)
		return NULL;
	for (uint32_t i = 0; i < scope->matrix->axis_count; i++) {
		const struct mp_axis *axis = &scope->matrix->axes[i];

		if (name_cmp_n(axis->name.s, ref->name, ref->name_len) == 0)
			return axis->values.v[scope->choice[i]].s;
	}
	return NULL;
}

int
mp_text_expand(const struct mp_scope *scope, const char *text, bool shell, struct mp_buf *out,
	struct mp_ref *bad)
{
	for (;;) {
		struct mp_ref ref = mp_ref_next(text);
		const char *value = "${";
		int rc;

		if (ref.kind == MP_REF_NONE)
			return mp_buf_append(out, text, strlen(text));
		if (ref.kind != MP_REF_ESCAPE) {
			value = mp_scope_find(scope, &ref);
			if (value == NULL || (shell && !mp_shell_safe(value))) {
				*bad = ref;
				return MP_EPIPELINE;
			}
		}
		rc = mp_buf_append(out, text, (size_t)(ref.start - text));
		if (rc == 0)
			rc = mp_buf_append(out, value, strlen(value));
		if (rc != 0)
			return rc;
		text = ref.end;
	}
}
