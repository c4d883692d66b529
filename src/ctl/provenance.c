/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/provenance.h"

#include <inttypes.h>
#include <stdio.h>

#include "crypto/hasher.h"
#include "mp/limits.h"
#include "util/hex.h"

/* Ours; mpctl(1) documents them. */
#define BUILD_TYPE "meshpipe:pipeline/v1"
#define BUILDER    "meshpipe:cluster/"
#define DIGEST     "blake2b_256"

struct teller {
	const struct mp_verify_blobs *v;
	struct mp_writer *w;
	uint32_t subjects;
};

static void
write_digest(struct mp_writer *w, const uint8_t sha256[32], const struct mp_hash *hash)
{
	mp_w_object(w, "digest", NULL, 0);
	if (sha256 != NULL)
		mp_w_hex(w, "sha256", sha256, 32);
	mp_w_hex(w, DIGEST, hash->b, sizeof(hash->b));
	mp_w_end(w);
}

/* {"name", "digest"}: a resource descriptor. */
static void
write_blob(const struct teller *t, const char *folder, struct mp_span name,
	const struct mp_hash *digest)
{
	const struct mp_verified *b = mp_verify_find(t->v, digest);
	char path[MP_NAME_MAX + MP_PATH_MAX + 32];
	int n = snprintf(path, sizeof(path), "%s/%.*s", folder, (int)name.n,
		name.n > 0 ? (const char *)name.p : "");

	mp_w_object(t->w, NULL, NULL, 0);
	mp_w_span(t->w, "name",
		mp_span((const uint8_t *)path, mp_min_size((size_t)n, sizeof(path) - 1)));
	write_digest(t->w, b != NULL && b->good ? b->sha256 : NULL, digest);
	mp_w_end(t->w);
}

/* What a manifest names: files, not links, whose bytes are a path and not theirs. */
static void
write_files(struct teller *t, const char *folder, const struct mp_hash *manifest)
{
	const struct mp_verified *b =
		mp_hash_is_zero(manifest) ? NULL : mp_verify_find(t->v, manifest);
	struct mp_manifest m;

	if (b == NULL ||
		mp_manifest_decode(t->v->ctx->alloc, mp_buf_span(&b->bytes), &m, NULL) != 0)
		return;
	for (size_t i = 0; i < m.count; i++) {
		if (m.files[i].kind == MP_FILE_SYMLINK)
			continue;
		write_blob(t, folder, m.files[i].path, &m.files[i].digest);
		t->subjects++;
	}
	mp_manifest_fini(&m);
}

static bool
succeeded(const struct mp_proof *p, uint32_t i, struct mp_result *r)
{
	struct mp_finished finished;

	return mp_proof_result(p, i, &finished, r) && r->status == MP_STATUS_OK;
}

static void
write_subjects(struct teller *t)
{
	const struct mp_proof *p = t->v->proof;
	struct mp_result r;

	mp_w_list(t->w, "subject", NULL, 0);
	for (uint32_t i = 0; i < p->graph->module_count; i++) {
		if (succeeded(p, i, &r))
			write_files(t, p->graph->modules[i].name, &r.manifest);
	}
	mp_w_end(t->w);
}

/* ---- how it was built ---- */

static void
write_external(struct teller *t)
{
	const struct mp_proof *p = t->v->proof;
	struct mp_run_param param;
	struct mp_sha256 h;
	uint8_t sha[32];
	size_t at = 0;

	mp_sha256_init(&h);
	mp_sha256_update(&h, mp_buf_span(&p->pipeline));
	mp_sha256_final(&h, sha);
	mp_w_object(t->w, "externalParameters", NULL, 0);
	mp_w_object(t->w, "pipeline", NULL, 0);
	mp_w_text(t->w, "name", p->graph->name);
	mp_w_text(t->w, "mediaType", "application/cbor");
	write_digest(t->w, sha, &p->rec.pipeline);
	mp_w_end(t->w);
	mp_w_object(t->w, "params", NULL, 0);
	while (mp_run_param_next(&p->rec, &at, &param)) {
		char key[MP_NAME_MAX + 1];

		(void)snprintf(
			key, sizeof(key), "%.*s", (int)param.key.n, (const char *)param.key.p);
		mp_w_span(t->w, key, param.value);
	}
	mp_w_end(t->w);
	mp_w_end(t->w);
}

static void
write_time(struct mp_writer *w, const char *key, mp_time ms)
{
	char text[MP_PROOF_TIME];

	mp_proof_time(text, ms);
	mp_w_text(w, key, text);
}

static void
write_module(struct teller *t, uint32_t i)
{
	const struct mp_proof *p = t->v->proof;
	const struct proof_module *m = &p->modules[i];
	struct mp_finished finished;
	struct mp_result r;

	if (!mp_proof_result(p, i, &finished, &r))
		return;
	mp_w_object(t->w, NULL, NULL, 0);
	mp_w_text(t->w, "name", p->graph->modules[i].name);
	mp_w_text(t->w, "state", mp_module_state_word(mp_run_module_state(&p->run, i)));
	mp_w_text(t->w, "node", mp_proof_name(p, &r.node));
	mp_w_hex(t->w, "nodeId", r.node.b, sizeof(r.node.b));
	mp_w_hex(t->w, "result", m->record.b, sizeof(m->record.b));
	mp_w_hex(t->w, "spec", r.spec.b, sizeof(r.spec.b));
	mp_w_hex(t->w, "inputs", r.inputs.b, sizeof(r.inputs.b));
	mp_w_bool(t->w, "cached", m->kind == MP_ENTRY_CACHED);
	if (m->kind == MP_ENTRY_CACHED)
		mp_w_hex(t->w, "originInvocationId", r.run.b, sizeof(r.run.b));
	write_time(t->w, "startedOn", r.started_ms);
	write_time(t->w, "finishedOn", r.ended_ms);
	mp_w_end(t->w);
}

static void
write_internal(struct teller *t)
{
	const struct mp_proof *p = t->v->proof;

	mp_w_object(t->w, "internalParameters", NULL, 0);
	mp_w_uint(t->w, "copies", p->rec.copies);
	mp_w_list(t->w, "electors", NULL, 0);
	for (uint32_t i = 0; i < p->rec.now.elector_count; i++)
		mp_w_hex(t->w, NULL, p->rec.now.electors[i].b, sizeof(p->rec.now.electors[i].b));
	mp_w_end(t->w);
	mp_w_list(t->w, "modules", NULL, 0);
	for (uint32_t i = 0; i < p->graph->module_count; i++)
		write_module(t, i);
	mp_w_end(t->w);
	mp_w_end(t->w);
}

static void
write_definition(struct teller *t)
{
	mp_w_object(t->w, "buildDefinition", NULL, 0);
	mp_w_text(t->w, "buildType", BUILD_TYPE);
	write_external(t);
	write_internal(t);
	mp_w_list(t->w, "resolvedDependencies", NULL, 0);
	write_files(t, "inputs", &t->v->proof->rec.inputs);
	mp_w_end(t->w);
	mp_w_end(t->w);
}

/* ---- by whom, and when ---- */

static void
write_logs(struct teller *t)
{
	const struct mp_proof *p = t->v->proof;
	struct mp_result r;

	mp_w_list(t->w, "byproducts", NULL, 0);
	for (uint32_t i = 0; i < p->graph->module_count; i++) {
		char folder[MP_NAME_MAX + 16];

		if (!succeeded(p, i, &r))
			continue;
		(void)snprintf(folder, sizeof(folder), "logs/%s", p->graph->modules[i].name);
		if (!mp_hash_is_zero(&r.out_log))
			write_blob(t, folder, mp_span_str("stdout"), &r.out_log);
		if (!mp_hash_is_zero(&r.err_log))
			write_blob(t, folder, mp_span_str("stderr"), &r.err_log);
	}
	mp_w_end(t->w);
}

static void
write_details(struct teller *t)
{
	const struct mp_proof *p = t->v->proof;
	char builder[sizeof(BUILDER) + 2 * sizeof(p->cluster.b)] = BUILDER;

	mp_hex(builder + sizeof(BUILDER) - 1, p->cluster.b, sizeof(p->cluster.b));
	mp_w_object(t->w, "runDetails", NULL, 0);
	mp_w_object(t->w, "builder", NULL, 0);
	mp_w_text(t->w, "id", builder);
	mp_w_end(t->w);
	mp_w_object(t->w, "metadata", NULL, 0);
	mp_w_hex(t->w, "invocationId", p->rec.id.b, sizeof(p->rec.id.b));
	write_time(t->w, "startedOn", p->rec.submitted_ms);
	write_time(t->w, "finishedOn", p->end.ended_ms);
	mp_w_end(t->w);
	write_logs(t);
	mp_w_end(t->w);
}

int
mp_provenance_write(const struct mp_verify_blobs *v, struct mp_error *err)
{
	struct teller t = {.v = v, .w = mp_writer_new(MP_WRITER_JSON, stdout)};
	int rc;

	if (t.w == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_w_object(t.w, NULL, NULL, 0);
	mp_w_text(t.w, "_type", "https://in-toto.io/Statement/v1");
	write_subjects(&t);
	mp_w_text(t.w, "predicateType", "https://slsa.dev/provenance/v1");
	mp_w_object(t.w, "predicate", NULL, 0);
	write_definition(&t);
	write_details(&t);
	mp_w_end(t.w);
	mp_w_end(t.w);
	rc = mp_writer_finish(t.w, err);
	mp_writer_free(t.w);
	return rc;
}
