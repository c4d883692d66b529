/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/manifest.h"
#include "shell/heap.h"
#include "shell/workspace_impl.h"
#include "util/glob.h"
#include "util/mask.h"

/* Directories below each other. Deeper: refused. */
#define COLLECT_DEPTH_MAX 128

/* Room for the line that tells what was cut. */
#define LOG_MARK_SIZE 80

struct collecting {
	struct mp_cache *cache;
	uid_t uid; /* whose files they are; 0: that is not asked */
	const char *const *patterns;
	size_t pattern_count;
	bool *hits; /* of the patterns */
	char path[MP_PATH_MAX + 2];
	size_t path_n;
	struct mp_masker *masker; /* NULL: there are no secrets */
	bool told;                /* a path holds one */
	struct mp_file *files;    /* paths are owned */
	size_t count, cap;
	uint64_t bytes;
};

/* ---- one file ---- */

static struct mp_file *
collect_add(struct collecting *c, struct mp_error *err)
{
	struct mp_file *v;
	char *path;

	if (c->count == MP_MANIFEST_FILES_MAX) {
		(void)mp_fail(err, MP_ELIMIT, "more than %u output files", MP_MANIFEST_FILES_MAX);
		return NULL;
	}
	if (c->count == c->cap) {
		v = realloc(c->files, (c->cap * 2 + 16) * sizeof(*v));
		if (v == NULL) {
			(void)mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
			return NULL;
		}
		c->files = v;
		c->cap = c->cap * 2 + 16;
	}
	path = strdup(c->path);
	if (path == NULL) {
		(void)mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
		return NULL;
	}
	v = &c->files[c->count++];
	*v = (struct mp_file){.path = mp_span_str(path)};
	return v;
}

static int
collect_regular(struct collecting *c, int dir, const char *name, struct mp_error *err)
{
	struct mp_blob_ref ref;
	struct mp_file *f;
	struct stat st;
	int fd, rc;

	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0600, 0) == 0)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return workspace_fail(err, c->path);
	rc = fstat(fd, &st) != 0 ? workspace_fail(err, c->path) : 0;
	/* A hard link to what its user may not read must not get it read by us. */
	if (rc == 0 && c->uid != 0 && st.st_uid != c->uid)
		rc = mp_fail(err, MP_EINVAL, "belongs to another user");
	if (rc == 0)
		rc = mp_cache_put_file(c->cache, fd, &ref, err);
	if (rc != 0)
		(void)mp_wrap(err, "%s", c->path);
	(void)close(fd);
	if (rc != 0)
		return rc;
	f = collect_add(c, err);
	if (f == NULL)
		return err == NULL ? MP_ELIMIT : err->code;
	f->kind = (st.st_mode & 0100) != 0 ? MP_FILE_EXECUTABLE : MP_FILE_REGULAR;
	f->size = ref.size;
	f->digest = ref.digest;
	c->bytes += ref.size;
	return 0;
}

static int
collect_link(struct collecting *c, int dir, const char *name, struct mp_error *err)
{
	char target[MP_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));
	struct mp_blob_ref ref;
	struct mp_file *f;
	int rc;

	if (n < 0)
		return workspace_fail(err, c->path);
	if ((size_t)n == sizeof(target))
		return mp_fail(err, MP_EINVAL, "%s: a link to a path that is too long", c->path);
	target[n] = '\0';
	if (!workspace_link_stays(target, workspace_depth(c->path)))
		return mp_fail(err, MP_EINVAL, "%s: a link that leads out of the workspace, to %s",
			c->path, target);
	rc = mp_cache_put_bytes(c->cache, mp_span(target, (size_t)n), &ref, err);
	if (rc != 0)
		return rc;
	f = collect_add(c, err);
	if (f == NULL)
		return err == NULL ? MP_ELIMIT : err->code;
	f->kind = MP_FILE_SYMLINK;
	f->size = ref.size;
	f->digest = ref.digest;
	c->bytes += ref.size;
	return 0;
}

/* ---- the tree ---- */

static int collect_dir(
	struct collecting *c, int dir, const bool *inside, unsigned depth, struct mp_error *err);

/* Which patterns take the current path: those that match it and those that match a directory
 * above it. False when none does. */
static bool
collect_match(const struct collecting *c, const bool *inside, bool *out)
{
	bool any = false;
	size_t i;

	for (i = 0; i < c->pattern_count; i++) {
		out[i] = (inside != NULL && inside[i]) || mp_glob_match(c->patterns[i], c->path);
		any = any || out[i];
	}
	return any;
}

static bool
collect_may_enter(const struct collecting *c)
{
	size_t i;

	for (i = 0; i < c->pattern_count; i++)
		if (mp_glob_may_enter(c->patterns[i], c->path))
			return true;
	return false;
}

static int
collect_enter(struct collecting *c, int dir, const char *name, const bool *inside, unsigned depth,
	struct mp_error *err)
{
	int fd, rc;

	if (depth == COLLECT_DEPTH_MAX)
		return mp_fail(err, MP_EINVAL, "%.100s…: more than %d directories deep", c->path,
			COLLECT_DEPTH_MAX);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return workspace_fail(err, c->path);
	rc = collect_dir(c, fd, inside, depth + 1, err);
	(void)close(fd);
	return rc;
}

static const char *
collect_kind(mode_t mode)
{
	if (S_ISSOCK(mode))
		return "socket";
	if (S_ISFIFO(mode))
		return "pipe";
	return "device";
}

static void
collect_told(void *ctx, const uint8_t *p, size_t n)
{
	struct collecting *c = ctx;

	c->told = c->told || memmem(p, n, MP_MASK_TEXT, strlen(MP_MASK_TEXT)) != NULL;
}

/* Names of files are shown to whoever may look. */
static bool
collect_tells(struct collecting *c)
{
	c->told = false;
	if (c->masker == NULL || strstr(c->path, MP_MASK_TEXT) != NULL)
		return false;
	mp_masker_feed(c->masker, mp_span_str(c->path), collect_told, c);
	mp_masker_end(c->masker, collect_told, c);
	return c->told;
}

static int
collect_take(struct collecting *c, int dir, const char *name, mode_t mode, const bool *by,
	struct mp_error *err)
{
	size_t i;
	int rc = mp_path_check(c->path, err);

	if (rc != 0) {
		(void)mp_wrap(err, "output %.200s", c->path);
		return MP_EINVAL;
	}
	if (collect_tells(c))
		return mp_fail(err, MP_EINVAL, "the path of an output holds a secret");
	for (i = 0; i < c->pattern_count; i++)
		c->hits[i] = c->hits[i] || by[i];
	if (S_ISREG(mode))
		return collect_regular(c, dir, name, err);
	if (S_ISLNK(mode))
		return collect_link(c, dir, name, err);
	return mp_fail(err, MP_EINVAL, "%s: a %s cannot be an output", c->path, collect_kind(mode));
}

/* Something at the current path. `by` is room for one bool a pattern. */
static int
collect_entry(struct collecting *c, int dir, const char *name, const bool *inside, bool *by,
	unsigned depth, struct mp_error *err)
{
	struct stat st;
	bool taken;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return workspace_fail(err, c->path);
	taken = collect_match(c, inside, by);
	if (!S_ISDIR(st.st_mode))
		return taken ? collect_take(c, dir, name, st.st_mode, by, err) : 0;
	if (taken || collect_may_enter(c))
		return collect_enter(c, dir, name, taken ? by : NULL, depth, err);
	return 0;
}

static int
collect_name(struct collecting *c, int dir, const char *name, const bool *inside, bool *by,
	unsigned depth, struct mp_error *err)
{
	size_t before = c->path_n, n = strlen(name);
	int rc;

	if (before + n + 1 > MP_PATH_MAX)
		return mp_fail(err, MP_EINVAL, "%.100s…/%.100s: path too long", c->path, name);
	if (before > 0)
		c->path[c->path_n++] = '/';
	memcpy(c->path + c->path_n, name, n + 1);
	c->path_n += n;
	rc = collect_entry(c, dir, name, inside, by, depth, err);
	c->path_n = before;
	c->path[before] = '\0';
	return rc;
}

static int
collect_dir(struct collecting *c, int fd, const bool *inside, unsigned depth, struct mp_error *err)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	bool *by = calloc(c->pattern_count, sizeof(*by));
	struct dirent *e;

	if (dir == NULL && copy >= 0)
		(void)close(copy);
	if (dir == NULL)
		rc = workspace_fail(err, depth == 0 ? "w" : c->path);
	else if (by == NULL)
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	while (rc == 0 && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		rc = collect_name(c, fd, e->d_name, inside, by, depth, err);
	}
	free(by);
	if (dir != NULL)
		(void)closedir(dir);
	return rc;
}

/* ---- the whole ---- */

static int
collect_order(const void *a, const void *b)
{
	const struct mp_file *f = a, *g = b;

	return mp_path_cmp(f->path, g->path);
}

static int
collect_manifest(struct collecting *c, struct mp_hash *out, struct mp_error *err)
{
	struct mp_blob_ref ref;
	struct mp_buf buf;
	int rc;

	qsort(c->files, c->count, sizeof(*c->files), collect_order);
	mp_buf_init(&buf, &mp_heap, MP_MANIFEST_BYTES_MAX);
	rc = mp_manifest_encode(&buf, c->files, c->count, err);
	if (rc == 0)
		rc = mp_cache_put_bytes(c->cache, mp_buf_span(&buf), &ref, err);
	else
		(void)mp_wrap(err, "list of outputs");
	mp_buf_fini(&buf);
	if (rc == 0)
		*out = ref.digest;
	return rc;
}

static int
collect_outputs(struct collecting *c, int ws, struct mp_workspace_yield *out, struct mp_error *err)
{
	int rc, fd = openat(ws, "w", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	size_t i;

	if (fd < 0)
		return workspace_fail(err, "w");
	rc = collect_dir(c, fd, NULL, 0, err);
	(void)close(fd);
	for (i = 0; rc == 0 && i < c->pattern_count; i++)
		if (!c->hits[i])
			rc = mp_fail(err, MP_ENOENT, "declared output %.200s is missing",
				c->patterns[i]);
	if (rc == 0)
		rc = collect_manifest(c, &out->manifest, err);
	out->files = c->count;
	out->bytes = c->bytes;
	return rc;
}

static bool
log_read(int fd, uint8_t *p, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, p + done, n - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

struct masked {
	uint8_t *p;
	size_t n;
};

static void
masked_take(void *ctx, const uint8_t *p, size_t n)
{
	struct masked *m = ctx;

	memcpy(m->p + m->n, p, n);
	m->n += n;
}

/* A value is shown, and handed on to who does not take the secret. */
static int
collect_masked(int fd, size_t size, struct mp_masker *masker, struct mp_cache *cache,
	struct mp_blob_ref *ref, struct mp_error *err)
{
	uint8_t *bytes = malloc(size);
	struct masked m = {.p = malloc(size * strlen(MP_MASK_TEXT))};
	int rc;

	if (bytes == NULL || m.p == NULL) {
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	} else if (!log_read(fd, bytes, size, 0)) {
		rc = mp_fail(err, MP_EIO, "$MP_OUTPUT cannot be read");
	} else {
		mp_masker_feed(masker, mp_span(bytes, size), masked_take, &m);
		mp_masker_end(masker, masked_take, &m);
		explicit_bzero(bytes, size);
		rc = mp_cache_put_bytes(cache, mp_span(m.p, m.n), ref, err);
	}
	free(bytes);
	free(m.p);
	return rc;
}

static int
collect_value(int ws, struct mp_cache *cache, struct mp_masker *masker, struct mp_hash *out,
	struct mp_error *err)
{
	int rc = 0, fd = openat(ws, "value", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct mp_blob_ref ref = {0};
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : workspace_fail(err, "$MP_OUTPUT");
	if (fstat(fd, &st) != 0)
		rc = workspace_fail(err, "$MP_OUTPUT");
	else if (!S_ISREG(st.st_mode))
		rc = mp_fail(err, MP_EINVAL, "$MP_OUTPUT is not a regular file");
	else if (st.st_size > MP_VALUE_MAX)
		rc = mp_fail(err, MP_EINVAL, "$MP_OUTPUT holds more than %u bytes", MP_VALUE_MAX);
	else if (st.st_size > 0 && masker != NULL)
		rc = collect_masked(fd, (size_t)st.st_size, masker, cache, &ref, err);
	else if (st.st_size > 0)
		rc = mp_cache_put_file(cache, fd, &ref, err);
	(void)close(fd);
	if (rc == 0)
		*out = ref.digest;
	return rc;
}

int
mp_workspace_collect(struct mp_workspace *ws, struct mp_cache *cache, const char *const *patterns,
	size_t n, struct mp_workspace_yield *out, struct mp_error *err)
{
	struct collecting c = {
		.cache = cache, .uid = ws->uid, .patterns = patterns, .pattern_count = n};
	struct mp_workspace_yield y = {0};
	size_t i;
	int rc = 0;

	if (ws->mask != NULL && mp_masker_new(ws->mask, &c.masker) != 0)
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	if (rc == 0)
		rc = collect_value(ws->fd, cache, c.masker, &y.value, err);
	if (rc == 0 && n > 0) {
		c.hits = calloc(n, sizeof(*c.hits));
		rc = c.hits == NULL ? mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM))
				    : collect_outputs(&c, ws->fd, &y, err);
	}
	for (i = 0; i < c.count; i++)
		free((void *)(uintptr_t)c.files[i].path.p);
	free(c.files);
	free(c.hits);
	mp_masker_free(c.masker);
	if (rc == 0)
		*out = y;
	return rc;
}

/* ---- logs ---- */

/* Beginning, a line that tells of the gap, and the end if it is there: keep_max bytes at most. */
static int
log_shorten(int fd, struct mp_cache *cache, uint64_t there, uint64_t size, uint64_t keep_max,
	struct mp_blob_ref *ref, struct mp_error *err)
{
	bool has_end = there >= size && size > keep_max;
	uint64_t room = keep_max > LOG_MARK_SIZE ? keep_max - LOG_MARK_SIZE : 0;
	uint64_t first = has_end ? room / 2 : there, last = has_end ? room / 2 : 0;
	char mark[LOG_MARK_SIZE];
	uint8_t *p;
	size_t n;
	int len, rc;

	if (first > room)
		first = room;
	len = snprintf(mark, sizeof(mark), "\n[meshpipe: %llu bytes are missing here]\n",
		(unsigned long long)(size - first - last));
	n = (size_t)(first + last) + (size_t)len;
	p = malloc(n);
	if (p == NULL)
		return mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	memcpy(p + first, mark, (size_t)len);
	if (!log_read(fd, p, (size_t)first, 0) ||
		!log_read(fd, p + first + len, (size_t)last, size - last))
		rc = mp_fail(err, MP_EIO, "cannot be read");
	else
		rc = mp_cache_put_bytes(cache, mp_span(p, n), ref, err);
	free(p);
	return rc;
}

int
mp_workspace_log(struct mp_workspace *ws, struct mp_cache *cache, const char *which, uint64_t size,
	uint64_t keep_max, struct mp_hash *digest, struct mp_error *err)
{
	struct mp_blob_ref ref = {0};
	struct stat st;
	int fd, rc;

	*digest = (struct mp_hash){{0}};
	if (size == 0)
		return 0;
	fd = openat(ws->fd, which, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : workspace_fail(err, which);
	if (fstat(fd, &st) != 0)
		rc = workspace_fail(err, which);
	else if (!S_ISREG(st.st_mode))
		rc = mp_fail(err, MP_EINVAL, "not a regular file");
	else if ((uint64_t)st.st_size == size && size <= keep_max)
		rc = mp_cache_put_file(cache, fd, &ref, err);
	else
		rc = log_shorten(fd, cache, (uint64_t)st.st_size, size, keep_max, &ref, err);
	(void)close(fd);
	if (rc == 0)
		*digest = ref.digest;
	else
		(void)mp_wrap(err, "store std%s", which);
	return rc;
}
