/* SPDX-License-Identifier: Apache-2.0 */
#include "core/run.h"

struct texts {
	struct mp_param *params;
	char *bytes;
	size_t count, size;
};

static size_t
texts_size(const struct mp_run_record *rec)
{
	struct mp_run_param p;
	size_t at = 0, n = 1;

	while (mp_run_param_next(rec, &at, &p))
		n += p.key.n + p.value.n + 2;
	return n;
}

static const char *
text_put(struct texts *t, size_t *used, struct mp_span text)
{
	char *out = t->bytes + *used;

	if (text.n > 0)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	*used += text.n + 1;
	return out;
}

/* The parameters of the record with a NUL after each name and value. */
static int
texts_init(struct texts *t, const struct mp_alloc *alloc, const struct mp_run_record *rec)
{
	size_t at = 0, used = 0;
	struct mp_run_param p;

	*t = (struct texts){.count = 0, .size = texts_size(rec)};
	t->params = mp_realloc(alloc, NULL, 0, (rec->param_count + 1) * sizeof(*t->params));
	t->bytes = mp_realloc(alloc, NULL, 0, t->size);
	if (t->params == NULL || t->bytes == NULL)
		return MP_ENOMEM;
	while (mp_run_param_next(rec, &at, &p)) {
		struct mp_param *out = &t->params[t->count++];

		out->name = text_put(t, &used, p.key);
		out->value = text_put(t, &used, p.value);
	}
	return 0;
}

int
mp_run_graph(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_run_record *rec, struct mp_span pipeline, struct mp_graph **out)
{
	struct mp_pipeline *p = NULL;
	struct mp_hash digest;
	struct texts t;
	int rc;

	crypto->hash(&digest, &pipeline, 1);
	if (!mp_hash_eq(&digest, &rec->pipeline))
		return MP_EPIPELINE;
	rc = texts_init(&t, alloc, rec);
	if (rc == 0)
		rc = mp_pipeline_decode(pipeline, alloc, &p, NULL);
	if (rc == 0)
		rc = mp_graph_expand(p, t.params, t.count, alloc, out, NULL);
	mp_pipeline_free(p);
	mp_dealloc(alloc, t.params, (rec->param_count + 1) * sizeof(*t.params));
	mp_dealloc(alloc, t.bytes, t.size);
	return rc;
}
