/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/manifest.h"

#include "codec/cbor.h"
#include "mp/limits.h"
#include "util/glob.h"

#define DOMAIN  "mp-manifest"
#define VERSION 1

/* Some of a path that is being complained about. */
#define SHOWN_MAX 200

static int
shown(struct mp_span path)
{
	return (int)mp_min_size(path.n, SHOWN_MAX);
}

int
mp_path_cmp(struct mp_span a, struct mp_span b)
{
	size_t n = mp_min_size(a.n, b.n);
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (order != 0)
		return order;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* Index of the first file whose path is not below `path` in order. */
static size_t
lower_bound(const struct mp_file *files, size_t count, struct mp_span path)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (mp_path_cmp(files[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct mp_file *
mp_files_find(const struct mp_file *files, size_t count, struct mp_span path)
{
	size_t i = lower_bound(files, count, path);

	return i < count && mp_span_eq(files[i].path, path) ? &files[i] : NULL;
}

/* The directory of a path: empty for the workspace itself. */
static struct mp_span
parent(struct mp_span path)
{
	while (path.n > 0 && path.p[path.n - 1] != '/')
		path.n--;
	if (path.n > 0)
		path.n--;
	return path;
}

/* Neighbours mostly share their directory, so each directory is looked up about once. */
size_t
mp_files_blocked(const struct mp_file *files, size_t count, size_t *below)
{
	struct mp_span last = mp_span(NULL, 0);

	for (size_t i = 0; i < count; i++) {
		struct mp_span dir = parent(files[i].path);

		if (mp_span_eq(dir, last))
			continue;
		last = dir;
		for (; dir.n > 0; dir = parent(dir)) {
			const struct mp_file *f = mp_files_find(files, count, dir);

			if (f == NULL)
				continue;
			*below = i;
			return (size_t)(f - files);
		}
	}
	return count;
}

static int
path_check(struct mp_span path, struct mp_error *err)
{
	char text[MP_PATH_MAX + 1];
	int rc;

	if (path.n > MP_PATH_MAX)
		return mp_fail(err, MP_EINVAL, "path of %zu bytes", path.n);
	if (path.n == 0 || memchr(path.p, 0, path.n) != NULL)
		return mp_fail(err, MP_EINVAL, "empty path or NUL in a path");
	memcpy(text, path.p, path.n);
	text[path.n] = '\0';
	rc = mp_path_check(text, err);
	if (rc != 0)
		mp_wrap(err, "path %.*s", shown(path), text);
	return rc;
}

/* What holds for one file, and for it and the one before. */
static int
file_check(const struct mp_file *f, const struct mp_file *previous, struct mp_error *err)
{
	uint64_t max = f->kind == MP_FILE_SYMLINK ? MP_PATH_MAX : MP_BLOB_MAX;
	int rc = path_check(f->path, err);

	if (rc != 0)
		return rc;
	if (f->size > max)
		return mp_fail(
			err, MP_ELIMIT, "%.*s: too large", shown(f->path), (const char *)f->path.p);
	if (previous != NULL && mp_path_cmp(previous->path, f->path) >= 0)
		return mp_fail(err, MP_EFORMAT, "%.*s: out of order", shown(f->path),
			(const char *)f->path.p);
	return 0;
}

static int
blocked_check(const struct mp_file *files, size_t count, struct mp_error *err)
{
	size_t below;
	size_t i = mp_files_blocked(files, count, &below);

	if (i == count)
		return 0;
	return mp_fail(err, MP_EFORMAT, "%.*s: a file and a directory", shown(files[i].path),
		(const char *)files[i].path.p);
}

static void
file_read(struct mp_cbor_r *r, struct mp_file *f)
{
	mp_cbor_r_array_exact(r, 4);
	f->path = mp_cbor_r_text(r, MP_PATH_MAX);
	f->kind = (enum mp_file_kind)mp_cbor_r_uint(r, MP_FILE_SYMLINK);
	f->size = mp_cbor_r_uint(r, UINT64_MAX);
	mp_cbor_r_fixed(r, f->digest.b, sizeof(f->digest.b));
}

/* The smallest encoded file: heads of array, path, kind and size, a digest. */
#define FILE_BYTES_MIN (1 + 1 + 1 + 1 + 34)

static int
head_read(struct mp_cbor_r *r, size_t *count, struct mp_error *err)
{
	char domain[sizeof(DOMAIN)];

	mp_cbor_r_array_exact(r, 3);
	mp_cbor_r_str(r, domain, sizeof(domain));
	if (r->rc != 0 || strcmp(domain, DOMAIN) != 0)
		return mp_fail(err, MP_EFORMAT, "not a manifest");
	if (mp_cbor_r_uint(r, UINT64_MAX) != VERSION)
		return mp_fail(err, r->rc != 0 ? MP_EFORMAT : MP_EVERSION,
			"a manifest of an unknown version");
	*count = mp_cbor_r_array(r, MP_MANIFEST_FILES_MAX);
	if (r->rc == 0 && *count > (size_t)(r->end - r->p) / FILE_BYTES_MIN)
		r->rc = MP_ETRUNC;
	return r->rc == 0 ? 0 : mp_fail(err, r->rc, "manifest: %s", mp_strerror(r->rc));
}

int
mp_manifest_decode(const struct mp_alloc *alloc, struct mp_span bytes, struct mp_manifest *out,
	struct mp_error *err)
{
	struct mp_manifest m = {.alloc = alloc};
	struct mp_cbor_r r;
	int rc;

	*out = m;
	mp_cbor_r_init(&r, bytes);
	rc = head_read(&r, &m.count, err);
	if (rc != 0)
		return rc;
	if (m.count > 0) {
		m.files = mp_realloc(alloc, NULL, 0, m.count * sizeof(*m.files));
		if (m.files == NULL)
			return mp_fail(err, MP_ENOMEM, "manifest: out of memory");
	}
	for (size_t i = 0; i < m.count && rc == 0; i++) {
		m.files[i] = (struct mp_file){.size = 0};
		file_read(&r, &m.files[i]);
		rc = r.rc != 0 ? mp_fail(err, r.rc, "manifest: %s", mp_strerror(r.rc))
			       : file_check(&m.files[i], i > 0 ? &m.files[i - 1] : NULL, err);
	}
	if (rc == 0 && mp_cbor_r_end(&r) != 0)
		rc = mp_fail(err, mp_cbor_r_end(&r), "manifest: bytes after its end");
	if (rc == 0)
		rc = blocked_check(m.files, m.count, err);
	if (rc != 0)
		mp_manifest_fini(&m);
	else
		*out = m;
	return rc;
}

void
mp_manifest_fini(struct mp_manifest *m)
{
	mp_dealloc(m->alloc, m->files, m->count * sizeof(*m->files));
	*m = (struct mp_manifest){.alloc = m->alloc};
}

int
mp_manifest_encode(
	struct mp_buf *buf, const struct mp_file *files, size_t count, struct mp_error *err)
{
	size_t before = buf->n;
	struct mp_cbor_w w;
	int rc;

	if (count > MP_MANIFEST_FILES_MAX)
		return mp_fail(
			err, MP_ELIMIT, "%zu files, more than %u", count, MP_MANIFEST_FILES_MAX);
	for (size_t i = 0; i < count; i++) {
		rc = file_check(&files[i], i > 0 ? &files[i - 1] : NULL, err);
		if (rc != 0)
			return rc;
	}
	rc = blocked_check(files, count, err);
	if (rc != 0)
		return rc;
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_text(&w, DOMAIN);
	mp_cbor_w_uint(&w, VERSION);
	mp_cbor_w_array(&w, count);
	for (size_t i = 0; i < count; i++) {
		mp_cbor_w_array(&w, 4);
		mp_cbor_w_text_n(&w, (const char *)files[i].path.p, files[i].path.n);
		mp_cbor_w_uint(&w, (uint64_t)files[i].kind);
		mp_cbor_w_uint(&w, files[i].size);
		mp_cbor_w_bytes(&w, files[i].digest.b, sizeof(files[i].digest.b));
	}
	if (w.rc == 0 && buf->n - before > MP_MANIFEST_BYTES_MAX)
		w.rc = MP_ELIMIT;
	return w.rc == 0 ? 0 : mp_fail(err, w.rc, "manifest: %s", mp_strerror(w.rc));
}
