/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verify_blobs.h"

#include <stdio.h>

#include "codec/msg_ctl.h"
#include "crypto/hasher.h"
#include "ctl/blobs.h"

/* After the manifests that were lost, what they name may be lost, too. */
#define ROUNDS_MAX 3

void
mp_verify_blobs_init(struct mp_verify_blobs *v, struct mp_cmd_ctx *ctx, struct mp_proof *proof)
{
	*v = (struct mp_verify_blobs){.ctx = ctx, .proof = proof};
	mp_map_init(&v->map, ctx->alloc);
}

void
mp_verify_blobs_fini(struct mp_verify_blobs *v)
{
	struct mp_map_node *n;

	while ((n = mp_map_any(&v->map)) != NULL) {
		struct mp_verified *b = mp_container_of(n, struct mp_verified, in_map);

		mp_map_remove(&v->map, n);
		mp_buf_fini(&b->bytes);
		mp_dealloc(v->ctx->alloc, b, sizeof(*b));
	}
	mp_map_fini(&v->map);
	mp_dealloc(v->ctx->alloc, v->lost, v->lost_room * sizeof(*v->lost));
}

static struct mp_verified *
blob_find(const struct mp_verify_blobs *v, const struct mp_hash *digest)
{
	struct mp_map_node *n = mp_map_find(&v->map, mp_hash64(digest->b, sizeof(digest->b), 0));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct mp_verified *b = mp_container_of(n, struct mp_verified, in_map);

		if (mp_hash_eq(&b->digest, digest))
			return b;
	}
	return NULL;
}

const struct mp_verified *
mp_verify_find(const struct mp_verify_blobs *v, const struct mp_hash *digest)
{
	return blob_find(v, digest);
}

static int
out_of_memory(struct mp_verify_blobs *v)
{
	return mp_fail(&v->ctx->err, MP_ENOMEM, "out of memory");
}

static struct mp_verified *
blob_of(struct mp_verify_blobs *v, const struct mp_hash *digest)
{
	struct mp_verified *b = blob_find(v, digest);

	if (b != NULL)
		return b;
	b = mp_realloc(v->ctx->alloc, NULL, 0, sizeof(*b));
	if (b == NULL)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->digest = *digest;
	mp_buf_init(&b->bytes, v->ctx->alloc, MP_MANIFEST_BYTES_MAX);
	if (mp_map_add(&v->map, &b->in_map, mp_hash64(digest->b, sizeof(digest->b), 0)) == 0)
		return b;
	mp_dealloc(v->ctx->alloc, b, sizeof(*b));
	return NULL;
}

/* ---- reading one copy ---- */

struct reading {
	struct mp_hasher hasher;
	struct mp_sha256 sha256;
	uint64_t offset, total;
	struct mp_buf *keep; /* NULL: only hashed */
};

/* A piece of it. 0, or what the node or the way to it says. */
static int
read_piece(struct mp_verify_blobs *v, const struct mp_hash *digest, const struct mp_node_id *node,
	struct reading *r)
{
	struct mp_span payload, bytes;
	struct mp_buf buf;
	uint64_t total;
	int rc;

	mp_buf_init(&buf, v->ctx->alloc, 256);
	rc = mp_ctl_copy_encode(&buf, node, digest, r->offset, MP_CHUNK_SIZE);
	rc = mp_cmd_call(v->ctx, rc, &buf, &payload, &v->ctx->err);
	if (rc == 0)
		rc = mp_ctl_logged_decode(payload, &total, &bytes);
	if (rc != 0)
		return rc;
	if ((bytes.n == 0 && r->offset < total) || bytes.n > total - r->offset || r->offset > total)
		return MP_ESIG; /* it makes no progress, or goes on for ever */
	mp_hasher_update(&r->hasher, bytes);
	mp_sha256_update(&r->sha256, bytes);
	r->offset += bytes.n;
	r->total = total;
	return r->keep != NULL ? mp_buf_append(r->keep, bytes.p, bytes.n) : 0;
}

/* What a failure says about the copy; the rest is about us, and is passed on. */
static int
copy_state(int rc, enum mp_copy *out)
{
	switch (rc) {
	case 0:
		*out = MP_COPY_GOOD;
		return 0;
	case MP_ENOENT:
		*out = MP_COPY_MISSING;
		return 0;
	case MP_ECORRUPT:
		*out = MP_COPY_DAMAGED;
		return 0;
	case MP_ESIG:
		*out = MP_COPY_WRONG;
		return 0;
	case MP_ENOQUORUM:
	case MP_EIO:
	case MP_EBUSY:
		*out = MP_COPY_AWAY;
		return 0;
	default:
		return rc;
	}
}

static int
copy_read(struct mp_verify_blobs *v, struct mp_verified *b, const struct mp_node_id *node,
	bool keep, enum mp_copy *out)
{
	struct reading r = {.keep = keep && !b->kept ? &b->bytes : NULL};
	struct mp_hash got;
	int rc;

	mp_hasher_init(&r.hasher);
	mp_sha256_init(&r.sha256);
	if (r.keep != NULL)
		mp_buf_clear(r.keep);
	do {
		rc = read_piece(v, &b->digest, node, &r);
	} while (rc == 0 && r.offset < r.total);
	mp_hasher_final(&r.hasher, &got);
	if (rc == 0 && !mp_hash_eq(&got, &b->digest))
		rc = MP_ESIG;
	rc = copy_state(rc, out);
	if (rc != 0)
		return mp_wrap(&v->ctx->err, "read a blob");
	v->ctx->err = (struct mp_error){0};
	if (*out == MP_COPY_GOOD) {
		v->copies++;
		v->blobs += !b->good;
		v->bytes += b->good ? 0 : r.total;
		b->good = true;
		b->kept = b->kept || r.keep != NULL;
		b->size = r.total;
		mp_sha256_final(&r.sha256, b->sha256);
	}
	return 0;
}

/* ---- all copies of one blob ---- */

static void
tell_copy(struct mp_verify_blobs *v, const char *what, enum mp_copy copy)
{
	struct mp_proof *p = v->proof;

	switch (copy) {
	case MP_COPY_GOOD:
		break;
	case MP_COPY_MISSING:
		mp_proof_say(p, MP_PROOF_NOTE, "blob", "%s: the copy there is gone", what);
		break;
	case MP_COPY_DAMAGED:
		mp_proof_say(p, MP_PROOF_NOTE, "blob", "%s: the copy there was damaged", what);
		break;
	case MP_COPY_WRONG:
		mp_proof_say(p, MP_PROOF_BROKEN, "blob",
			"%s: that node hands out other bytes than these", what);
		break;
	case MP_COPY_AWAY:
		mp_proof_say(p, MP_PROOF_NOTE, "blob",
			"%s: that node is out of reach, its copies are not read", what);
		break;
	}
}

static bool
node_away(const struct mp_verify_blobs *v, const struct mp_node_id *node)
{
	size_t i = 0;

	while (i < v->away_count && !mp_node_id_eq(&v->away[i], node))
		i++;
	return i < v->away_count;
}

static int
copy_check(struct mp_verify_blobs *v, struct mp_verified *b, const struct mp_node_id *node,
	const char *what, bool keep)
{
	bool away = node_away(v, node);
	enum mp_copy copy = MP_COPY_AWAY;
	int rc = 0;

	for (size_t i = 0; i < b->count; i++) {
		if (mp_node_id_eq(&b->nodes[i], node))
			return 0;
	}
	if (b->count == MP_VERIFY_COPIES)
		return 0;
	if (!away)
		rc = copy_read(v, b, node, keep, &copy);
	if (rc != 0)
		return rc;
	b->nodes[b->count] = *node;
	b->copies[b->count++] = copy;
	if (away)
		return 0; /* that was said once */
	if (copy == MP_COPY_AWAY && v->away_count < MP_VERIFY_AWAY)
		v->away[v->away_count++] = *node;
	mp_proof_at(v->proof, v->proof->at.entry, v->proof->at.module, node);
	tell_copy(v, what, copy);
	return 0;
}

/* Nobody where it should be has it: it is looked for everywhere, later and all at once. */
static int
blob_lost(struct mp_verify_blobs *v, struct mp_verified *b, const char *what, bool manifest)
{
	struct mp_verify_lost *lost;

	if (mp_proof_grow(v->proof, (void **)&v->lost, sizeof(*v->lost), v->lost_count,
		    &v->lost_room) != 0)
		return out_of_memory(v);
	lost = &v->lost[v->lost_count++];
	*lost = (struct mp_verify_lost){.blob = b,
		.module = v->proof->at.module,
		.entry = v->proof->at.entry,
		.manifest = manifest};
	(void)snprintf(lost->what, sizeof(lost->what), "%s", what);
	return 0;
}

static const struct mp_node_id *
good_node(const struct mp_verify_blobs *v, const struct mp_verified *b)
{
	for (size_t i = 0; i < b->count; i++) {
		if (b->copies[i] == MP_COPY_GOOD)
			return &b->nodes[i];
	}
	return &v->self;
}

/* Reads the copies of one blob; the proof is where it belongs. *out may be NULL. */
static int
blob_check(struct mp_verify_blobs *v, const struct mp_hash *digest, struct mp_list holders,
	const char *what, struct mp_verified **out)
{
	enum mp_copy copy;
	struct mp_verified *b;
	struct mp_node_id node;
	int rc = 0;

	if (out != NULL)
		*out = NULL;
	if (mp_hash_is_zero(digest))
		return 0;
	b = blob_of(v, digest);
	if (b == NULL)
		return out_of_memory(v);
	while (rc == 0 && !(v->one && b->good) && mp_holders_next(&holders, &node))
		rc = copy_check(v, b, &node, what, out != NULL);
	mp_proof_at(v->proof, v->proof->at.entry, v->proof->at.module, NULL);
	if (rc == 0 && !b->good)
		rc = blob_lost(v, b, what, out != NULL);
	/* Equal bytes were something else before, and not kept. */
	if (rc == 0 && b->good && out != NULL && !b->kept)
		rc = copy_read(v, b, good_node(v, b), true, &copy);
	if (rc == 0 && b->kept && out != NULL)
		*out = b;
	return rc;
}

/* ---- what a module left ---- */

static int
files_check(struct mp_verify_blobs *v, const struct mp_manifest *m, struct mp_list holders,
	uint64_t *bytes)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->count; i++) {
		const struct mp_file *f = &m->files[i];
		const struct mp_verified *b;
		char what[160];

		*bytes += f->size;
		(void)snprintf(what, sizeof(what), "%.*s", (int)f->path.n, (const char *)f->path.p);
		rc = blob_check(v, &f->digest, holders, what, NULL);
		b = blob_find(v, &f->digest);
		if (rc == 0 && b != NULL && b->good && b->size != f->size)
			mp_proof_say(v->proof, MP_PROOF_BROKEN, "manifest",
				"%s: it is not as long as the list of files says", what);
	}
	return rc;
}

/* The manifest is here: what it names, and that it is what the result says. */
static int
manifest_check(struct mp_verify_blobs *v, const struct mp_verified *b, struct mp_list holders,
	const struct mp_result *result)
{
	struct mp_manifest m;
	uint64_t bytes = 0;
	int rc = mp_manifest_decode(v->ctx->alloc, mp_buf_span(&b->bytes), &m, NULL);

	if (rc == MP_ENOMEM)
		return out_of_memory(v);
	if (rc != 0) {
		mp_proof_say(v->proof, MP_PROOF_BROKEN, "manifest", "the list of files is none: %s",
			mp_strerror(rc));
		return 0;
	}
	rc = files_check(v, &m, holders, &bytes);
	if (rc == 0 && result != NULL &&
		(result->output_files != m.count || result->output_bytes != bytes))
		mp_proof_say(v->proof, MP_PROOF_BROKEN, "manifest",
			"the result counts %llu files and %llu bytes, the list of files %zu and "
			"%llu",
			(unsigned long long)result->output_files,
			(unsigned long long)result->output_bytes, m.count,
			(unsigned long long)bytes);
	mp_manifest_fini(&m);
	return rc;
}

static int
module_check(struct mp_verify_blobs *v, uint32_t i)
{
	struct mp_finished finished;
	struct mp_verified *manifest;
	struct mp_result r;
	int rc;

	if (!mp_proof_result(v->proof, i, &finished, &r))
		return 0;
	mp_proof_at(v->proof, v->proof->modules[i].entry, i, NULL);
	rc = blob_check(v, &r.manifest, finished.holders, "the list of its files", &manifest);
	if (rc == 0 && manifest != NULL)
		rc = manifest_check(v, manifest, finished.holders, &r);
	if (rc == 0)
		rc = blob_check(v, &r.out_log, finished.holders, "its standard output", NULL);
	if (rc == 0)
		rc = blob_check(v, &r.err_log, finished.holders, "its standard error", NULL);
	if (rc == 0)
		rc = blob_check(v, &r.value, finished.holders, "its value", NULL);
	return rc;
}

/* ---- what is in no place where it should be ---- */

static void
tell_lost(struct mp_verify_blobs *v, const struct mp_verify_lost *lost)
{
	const struct mp_verified *b = lost->blob;
	size_t damaged = 0, away = 0;

	mp_proof_at(v->proof, lost->entry, lost->module, NULL);
	for (size_t i = 0; i < b->count; i++) {
		damaged += b->copies[i] == MP_COPY_DAMAGED || b->copies[i] == MP_COPY_WRONG;
		away += b->copies[i] == MP_COPY_AWAY;
	}
	if (b->good)
		mp_proof_say(v->proof, MP_PROOF_NOTE, "blob",
			"%s: only nodes that the log does not name have it", lost->what);
	else if (away > 0)
		mp_proof_say(v->proof, MP_PROOF_OPEN, "blob",
			"%s: no node that can be reached has it", lost->what);
	else if (damaged > 0)
		mp_proof_say(v->proof, MP_PROOF_BROKEN, "blob",
			"%s: damaged, and no node has a good copy", lost->what);
	else
		mp_proof_say(v->proof,
			lost->module == MP_MODULES_MAX ? MP_PROOF_OPEN : MP_PROOF_BROKEN, "blob",
			"%s: no node has it any more", lost->what);
}

/* Has all of them brought to the node that is asked, which costs its time only once. */
static int
bring_lost(struct mp_verify_blobs *v, size_t from, size_t to)
{
	size_t size = (to - from) * sizeof(struct mp_blob_ref), n = 0;
	struct mp_blob_ref *refs = mp_realloc(v->ctx->alloc, NULL, 0, size);
	int rc;

	if (refs == NULL)
		return out_of_memory(v);
	for (size_t i = from; i < to; i++) {
		if (!v->lost[i].blob->wanted)
			refs[n++] = (struct mp_blob_ref){v->lost[i].blob->digest, MP_SIZE_UNKNOWN};
		v->lost[i].blob->wanted = true;
	}
	rc = n > 0 ? mp_blobs_fetch(v->ctx, refs, n, NULL, 0, &v->ctx->err) : 0;
	mp_dealloc(v->ctx->alloc, refs, size);
	if (rc != MP_ENOENT && rc != MP_ECORRUPT)
		return rc;
	v->ctx->err = (struct mp_error){0};
	return 0;
}

static int
lost_again(struct mp_verify_blobs *v, size_t i)
{
	struct mp_verify_lost lost = v->lost[i];
	struct mp_finished finished = {.holders = {.left = 0}};
	struct mp_result result;
	enum mp_copy copy;
	bool module = lost.module < MP_MODULES_MAX;
	int rc = 0;

	if (!lost.blob->good)
		rc = copy_read(v, lost.blob, &v->self, lost.manifest, &copy);
	if (rc != 0)
		return rc;
	/* Of the run's inputs the log names no holder. */
	if (module || !lost.blob->good)
		tell_lost(v, &lost);
	if (!lost.manifest || !lost.blob->kept)
		return 0;
	mp_proof_at(v->proof, lost.entry, lost.module, NULL);
	if (module && !mp_proof_result(v->proof, lost.module, &finished, &result))
		return 0;
	return manifest_check(v, lost.blob, finished.holders, module ? &result : NULL);
}

static int
check_lost(struct mp_verify_blobs *v)
{
	size_t from = 0;
	int rc = 0;

	for (int round = 0; rc == 0 && from < v->lost_count && round < ROUNDS_MAX; round++) {
		size_t to = v->lost_count;

		rc = bring_lost(v, from, to);
		for (; rc == 0 && from < to; from++)
			rc = lost_again(v, from);
	}
	return rc;
}

int
mp_verify_blobs(struct mp_verify_blobs *v)
{
	const struct mp_list nobody = {.left = 0};
	struct mp_verified *inputs;
	int rc;

	mp_proof_at(v->proof, 0, MP_MODULES_MAX, NULL);
	rc = blob_check(v, &v->proof->rec.inputs, nobody, "the list of the run's inputs", &inputs);
	if (rc == 0 && inputs != NULL)
		rc = manifest_check(v, inputs, nobody, NULL);
	for (uint32_t i = 0; rc == 0 && i < v->proof->graph->module_count; i++)
		rc = module_check(v, i);
	if (rc == 0)
		rc = check_lost(v);
	mp_proof_at(v->proof, 0, MP_MODULES_MAX, NULL);
	return rc;
}

int
mp_verify_fetch(struct mp_verify_blobs *v, const struct mp_hash *digest, struct mp_buf *buf)
{
	const struct mp_blob_ref ref = {*digest, MP_SIZE_UNKNOWN};
	struct mp_verified *b = blob_of(v, digest);
	enum mp_copy copy = MP_COPY_AWAY;
	int rc;

	if (b == NULL)
		return MP_ENOMEM;
	if (!b->good) {
		rc = mp_blobs_fetch(v->ctx, &ref, 1, NULL, 0, &v->ctx->err);
		if (rc == 0)
			rc = copy_read(v, b, &v->self, true, &copy);
		v->ctx->err = (struct mp_error){0};
		if (rc != 0)
			return rc;
	}
	return b->kept ? mp_buf_append(buf, b->bytes.p, b->bytes.n) : MP_ENOENT;
}
