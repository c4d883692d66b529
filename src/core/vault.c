/* SPDX-License-Identifier: Apache-2.0 */
#include "core/vault.h"

#include "util/mask.h"

/* ---- names ---- */

struct names {
	char *out;
	size_t n, size;
};

static void
names_add(struct names *names, const char *name, size_t len)
{
	static const char comma[] = ", ";
	size_t gap = names->n > 0 ? sizeof(comma) - 1 : 0;

	if (names->n + gap + len + 4 >= names->size) {
		if (names->n + 4 < names->size && names->size > 0)
			memcpy(names->out + names->n, "...", 4);
		names->size = 0; /* no more */
		return;
	}
	memcpy(names->out + names->n, comma, gap);
	memcpy(names->out + names->n + gap, name, len);
	names->n += gap + len;
	names->out[names->n] = '\0';
}

void
mp_vault_names(const struct mp_names_list *names, char *out, size_t size)
{
	struct names list = {.out = out, .size = size};

	out[0] = '\0';
	for (uint32_t i = 0; i < names->n; i++)
		names_add(&list, names->v[i], strlen(names->v[i]));
}

static bool
is_declared(const struct mp_names_list *declared, struct mp_span name)
{
	for (uint32_t i = 0; i < declared->n; i++) {
		if (mp_span_eq(mp_span_str(declared->v[i]), name))
			return true;
	}
	return false;
}

int
mp_vault_check(const struct mp_names_list *declared, struct mp_span values, struct mp_error *err)
{
	char missing[MP_ERROR_TEXT_MAX - 96] = "", unknown[MP_ERROR_TEXT_MAX - 96] = "";
	struct names lacks = {.out = missing, .size = sizeof(missing)};
	struct names odd = {.out = unknown, .size = sizeof(unknown)};
	struct mp_secret_value v;
	struct mp_cbor_r r;
	size_t left;
	int rc = values.n == 0 ? 0 : mp_secrets_check(values);

	if (rc != 0)
		return mp_fail(err, rc, "secrets: %s", mp_strerror(rc));
	for (uint32_t i = 0; i < declared->n; i++) {
		if (!mp_secrets_find(values, mp_span_str(declared->v[i]), &v.value))
			names_add(&lacks, declared->v[i], strlen(declared->v[i]));
	}
	left = mp_secrets_begin(&r, values);
	while (mp_secrets_next(&r, &left, &v)) {
		if (!is_declared(declared, v.name))
			names_add(&odd, (const char *)v.name.p, v.name.n);
	}
	if (missing[0] != '\0')
		return mp_fail(err, MP_EINVAL, "secrets that were not given: %s", missing);
	if (unknown[0] != '\0')
		return mp_fail(err, MP_EINVAL, "no secrets of this pipeline: %s", unknown);
	return 0;
}

/* ---- values ---- */

int
mp_vault_seal(struct mp_env *env, const struct mp_roster *roster, const struct mp_electorate *who,
	struct mp_span values, struct mp_buf *out)
{
	struct mp_seal_to to[MP_ELECTORS_MAX + 1];
	size_t n = 0;

	for (uint32_t i = 0; i < who->elector_count + who->mirrored; i++) {
		const struct mp_node_id *id =
			i < who->elector_count ? &who->electors[i] : &who->mirror;
		const struct mp_member *m = mp_roster_find(roster, id);

		if (m == NULL)
			return MP_ENOENT;
		if (m->revoked)
			continue;
		to[n++] = (struct mp_seal_to){.node = *id, .xkey = m->xkey};
	}
	return mp_sealed_make(
		env->crypto, env->secret, &env->self, &env->cluster, &who->run, values, to, n, out);
}

struct text {
	char *p;
	size_t n, size;
};

static void
text_take(void *ctx, const uint8_t *p, size_t n)
{
	struct text *t = ctx;

	n = mp_min_size(n, t->size - 1 - t->n);
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

void
mp_vault_mask(const struct mp_alloc *alloc, struct mp_span values, char *text, size_t size)
{
	struct mp_span list[MP_SECRETS_MAX];
	char copy[MP_ERROR_TEXT_MAX];
	struct text t = {.p = text, .size = size};
	size_t n = mp_min_size(strlen(text), sizeof(copy) - 1), count = 0, left;
	struct mp_masker *masker = NULL;
	struct mp_mask *mask = NULL;
	struct mp_secret_value v;
	struct mp_cbor_r r;

	if (values.n == 0 || n == 0)
		return;
	left = mp_secrets_begin(&r, values);
	while (mp_secrets_next(&r, &left, &v))
		list[count++] = v.value;
	memcpy(copy, text, n);
	if (mp_mask_new(alloc, list, count, &mask) == 0 && mp_masker_new(mask, &masker) == 0) {
		mp_masker_feed(masker, mp_span(copy, n), text_take, &t);
		mp_masker_end(masker, text_take, &t);
	} else {
		text_take(&t, (const uint8_t *)MP_MASK_TEXT, strlen(MP_MASK_TEXT));
	}
	text[t.n] = '\0';
	mp_masker_free(masker);
	mp_mask_free(mask);
}
