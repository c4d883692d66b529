/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cachekey.h"

#include "codec/caps.h"
#include "codec/cbor.h"
#include "mp/limits.h"

/* All names of dependencies, the inputs of a run, or a specification: whatever is longer than the
 * largest of them is our own mistake and not hashed. */
#define HASHED_MAX (64u * 1024 * 1024)

static void
hash_or_null(struct mp_cbor_w *w, const struct mp_hash *h)
{
	if (mp_hash_is_zero(h))
		mp_cbor_w_null(w);
	else
		mp_cbor_w_bytes(w, h->b, sizeof(h->b));
}

static void
span_text(struct mp_cbor_w *w, struct mp_span s)
{
	mp_cbor_w_text_n(w, (const char *)s.p, s.n);
}

static void
list_write(struct mp_cbor_w *w, struct mp_names_list list)
{
	mp_cbor_w_array(w, list.n);
	for (uint32_t i = 0; i < list.n; i++)
		mp_cbor_w_text(w, list.v[i]);
}

static void
begin(struct mp_cbor_w *w, struct mp_buf *buf, const struct mp_alloc *alloc, size_t items,
	const char *domain)
{
	mp_buf_init(buf, alloc, HASHED_MAX);
	mp_cbor_w_init(w, buf);
	mp_cbor_w_array(w, items);
	mp_cbor_w_text(w, domain);
	mp_cbor_w_uint(w, 1);
}

static int
end(const struct mp_cbor_w *w, const struct mp_crypto *crypto, struct mp_hash *out)
{
	struct mp_span bytes = mp_buf_span(w->buf);

	if (w->rc == 0)
		crypto->hash(out, &bytes, 1);
	mp_buf_fini(w->buf);
	return w->rc;
}

int
mp_cache_base(const struct mp_crypto *crypto, const struct mp_alloc *alloc, struct mp_span name,
	const struct mp_spec *spec, const struct mp_span *deps, size_t n, struct mp_hash *out)
{
	struct mp_cbor_w w;
	struct mp_buf buf;

	begin(&w, &buf, alloc, spec->secrets.n > 0 ? 9 : 8, "mp-cache-base");
	span_text(&w, name);
	if (spec->shell != NULL)
		mp_cbor_w_text(&w, spec->shell);
	else
		list_write(&w, spec->argv);
	list_write(&w, spec->outputs);
	mp_cbor_w_array(&w, spec->env_count);
	for (uint32_t i = 0; i < spec->env_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text(&w, spec->env[i].name);
		mp_cbor_w_text(&w, spec->env[i].value);
	}
	list_write(&w, spec->tools);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++)
		span_text(&w, deps[i]);
	/* Names only: with `cache: true` a module says that what it leaves does not depend on them.
	 */
	if (spec->secrets.n > 0)
		list_write(&w, spec->secrets);
	return end(&w, crypto, out);
}

int
mp_cache_base_of(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_graph *graph, uint32_t module, struct mp_hash *out)
{
	const struct mp_graph_module *m = &graph->modules[module];
	size_t size = m->need_count * sizeof(struct mp_span);
	struct mp_span *deps = NULL;
	struct mp_spec *spec = NULL;
	int rc;

	if (!m->cache)
		return MP_ENOENT;
	if (size > 0) {
		deps = mp_realloc(alloc, NULL, 0, size);
		if (deps == NULL)
			return MP_ENOMEM;
	}
	for (uint32_t i = 0; i < m->need_count; i++)
		deps[i] = mp_span_str(graph->modules[m->needs[i]].name);
	rc = mp_spec_decode(m->spec, alloc, &spec);
	if (rc == 0)
		rc = mp_cache_base(
			crypto, alloc, mp_span_str(m->name), spec, deps, m->need_count, out);
	mp_spec_free(spec);
	mp_dealloc(alloc, deps, size);
	return rc;
}

int
mp_cache_inputs(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_spec *spec, const struct mp_file *files, size_t n, struct mp_hash *out)
{
	struct mp_cbor_w w;
	struct mp_buf buf;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += mp_spec_takes(spec, files[i].path);
	begin(&w, &buf, alloc, 3, "mp-cache-inputs");
	mp_cbor_w_array(&w, count);
	for (size_t i = 0; i < n && w.rc == 0; i++) {
		if (!mp_spec_takes(spec, files[i].path))
			continue;
		mp_cbor_w_array(&w, 3);
		mp_cbor_w_span(&w, files[i].path);
		mp_cbor_w_uint(&w, (uint64_t)files[i].kind);
		mp_cbor_w_bytes(&w, files[i].digest.b, sizeof(files[i].digest.b));
	}
	return end(&w, crypto, out);
}

static const char *
version_of(const struct mp_caps *caps, const char *tool)
{
	const char *version = mp_caps_tool(caps, tool);

	return version != NULL ? version : "";
}

int
mp_cache_where(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_caps *caps, struct mp_names_list tools, struct mp_hash *out)
{
	struct mp_cbor_w w;
	struct mp_buf buf;

	begin(&w, &buf, alloc, 5, "mp-cache-where");
	mp_cbor_w_text(&w, caps->os);
	mp_cbor_w_text(&w, caps->arch);
	mp_cbor_w_array(&w, tools.n);
	for (uint32_t i = 0; i < tools.n; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text(&w, tools.v[i]);
		mp_cbor_w_text(&w, version_of(caps, tools.v[i]));
	}
	return end(&w, crypto, out);
}

int
mp_cache_key(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_cache_what *what, struct mp_hash *out)
{
	struct mp_cbor_w w;
	struct mp_buf buf;

	begin(&w, &buf, alloc, 6, "mp-cache-key");
	mp_cbor_w_bytes(&w, what->base.b, sizeof(what->base.b));
	hash_or_null(&w, &what->inputs);
	mp_cbor_w_array(&w, what->dep_count);
	for (size_t i = 0; i < what->dep_count; i++) {
		mp_cbor_w_array(&w, 2);
		hash_or_null(&w, &what->deps[i].manifest);
		hash_or_null(&w, &what->deps[i].value);
	}
	mp_cbor_w_bytes(&w, what->where.b, sizeof(what->where.b));
	return end(&w, crypto, out);
}

bool
mp_cache_same_where(const struct mp_caps *a, const struct mp_caps *b, struct mp_names_list tools)
{
	if (strcmp(a->os, b->os) != 0 || strcmp(a->arch, b->arch) != 0)
		return false;
	for (uint32_t i = 0; i < tools.n; i++) {
		if (strcmp(version_of(a, tools.v[i]), version_of(b, tools.v[i])) != 0)
			return false;
	}
	return true;
}
