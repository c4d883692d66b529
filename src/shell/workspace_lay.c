/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/workspace_impl.h"
#include "util/fd.h"
#include "util/glob.h"

struct laying {
	struct mp_cache *cache;
	const struct mp_exec_request *req;
	int base; /* what paths are relative to */
	int dir;  /* the directory `path` below it; -1 when there is none yet */
	char path[MP_PATH_MAX + 1];
	bool conflict; /* two files claim one path */
};

/* ---- links ---- */

size_t
workspace_depth(const char *path)
{
	size_t n = 0;

	for (; *path != '\0'; path++)
		n += *path == '/';
	return n;
}

bool
workspace_link_stays(const char *target, size_t depth)
{
	bool down = false; /* a real name came: no way up any more */

	if (*target == '/' || *target == '\0')
		return false;
	while (*target != '\0') {
		size_t n = strcspn(target, "/");

		if (n == 2 && memcmp(target, "..", 2) == 0) {
			if (down || depth == 0)
				return false;
			depth--;
		} else if (n > 0 && !(n == 1 && *target == '.')) {
			down = true;
		}
		target += n;
		target += strspn(target, "/");
	}
	return true;
}

/* ---- directories ---- */

static int
lay_fail(struct laying *l, struct mp_error *err, const char *path)
{
	if (errno == EEXIST || errno == ENOTDIR || errno == ELOOP || errno == EISDIR)
		l->conflict = true;
	return workspace_fail(err, path);
}

/* One component, made if need be; never through a link. Takes the descriptor unless it is base. */
static int
lay_enter(struct laying *l, int fd, const char *name)
{
	int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), saved;

	if (next < 0 && errno == ENOENT && mkdirat(fd, name, 0755) == 0)
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	saved = errno;
	if (fd != l->base)
		(void)close(fd);
	errno = saved;
	return next;
}

static void
lay_leave(struct laying *l)
{
	if (l->dir >= 0 && l->dir != l->base)
		(void)close(l->dir);
	l->dir = -1;
}

/* Opens the directory of a path, n bytes of it; files mostly come sorted, so it often is open. */
static int
lay_dir(struct laying *l, const char *path, size_t n, struct mp_error *err)
{
	char name[NAME_MAX + 1];
	size_t at = 0, part;

	if (l->dir >= 0 && strlen(l->path) == n && memcmp(l->path, path, n) == 0)
		return 0;
	lay_leave(l);
	l->dir = l->base;
	while (at < n) {
		part = strcspn(path + at, "/");
		if (part > NAME_MAX) {
			errno = ENAMETOOLONG;
			l->dir = -1;
			return lay_fail(l, err, path);
		}
		memcpy(name, path + at, part);
		name[part] = '\0';
		l->dir = lay_enter(l, l->dir, name);
		if (l->dir < 0)
			return lay_fail(l, err, path);
		at += part + 1;
	}
	memcpy(l->path, path, n);
	l->path[n] = '\0';
	return 0;
}

/* ---- files ---- */

static int
lay_regular(struct laying *l, const struct mp_file *f, const char *path, const char *name,
	struct mp_error *err)
{
	mode_t mode = f->kind == MP_FILE_EXECUTABLE ? 0755 : 0644;
	int fd = openat(l->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int rc;

	if (fd < 0)
		return lay_fail(l, err, path);
	rc = mp_cache_get_file(l->cache, &f->digest, fd, err);
	if (rc != 0)
		(void)mp_wrap(err, "%s", path);
	if (close(fd) != 0 && rc == 0)
		rc = workspace_fail(err, path);
	return rc;
}

static int
lay_link(struct laying *l, const struct mp_file *f, const char *path, const char *name,
	struct mp_error *err)
{
	char target[MP_PATH_MAX + 1];
	uint8_t *p;
	size_t n;
	int rc;

	rc = mp_cache_get_bytes(l->cache, &f->digest, MP_PATH_MAX, &p, &n, err);
	if (rc != 0) {
		(void)mp_wrap(err, "%s", path);
		return rc;
	}
	memcpy(target, p, n);
	target[n] = '\0';
	free(p);
	if (strlen(target) != n || !workspace_link_stays(target, workspace_depth(path)))
		return mp_fail(err, MP_EINVAL, "%s: the link leads out of the workspace", path);
	if (symlinkat(target, l->dir, name) != 0)
		return lay_fail(l, err, path);
	return 0;
}

static int
lay_file(struct laying *l, const struct mp_file *f, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	const char *name;
	int rc;

	if (f->path.n == 0 || f->path.n > MP_PATH_MAX || memchr(f->path.p, '\0', f->path.n) != NULL)
		return mp_fail(err, MP_EINVAL, "a path that is empty, too long or holds a NUL");
	memcpy(path, f->path.p, f->path.n);
	path[f->path.n] = '\0';
	rc = mp_path_check(path, err);
	if (rc != 0) {
		(void)mp_wrap(err, "%s", path);
		return rc;
	}
	name = strrchr(path, '/');
	rc = lay_dir(l, path, name == NULL ? 0 : (size_t)(name - path), err);
	if (rc != 0)
		return rc;
	name = name == NULL ? path : name + 1;
	switch (f->kind) {
	case MP_FILE_REGULAR:
	case MP_FILE_EXECUTABLE:
		return lay_regular(l, f, path, name, err);
	case MP_FILE_SYMLINK:
		return lay_link(l, f, path, name, err);
	}
	return mp_fail(err, MP_EINVAL, "%s: unknown kind of file", path);
}

/* ---- conflicts ---- */

static bool
lay_claims(const struct mp_file *files, size_t count, struct mp_span path)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (mp_span_eq(files[i].path, path))
			return true;
	return false;
}

/* Says who claims a path, as far as the dependencies tell. */
static int
lay_conflict(struct laying *l, struct mp_span path, struct mp_error *err)
{
	const struct mp_exec_dep *who[2] = {NULL, NULL};
	size_t i, n = 0;

	for (i = 0; i < l->req->dep_count && n < 2; i++)
		if (lay_claims(l->req->deps[i].files, l->req->deps[i].file_count, path))
			who[n++] = &l->req->deps[i];
	if (n == 2)
		return mp_fail(err, MP_EEXIST, "%.*s: %.*s and %.*s give different bytes",
			(int)path.n, (const char *)path.p, (int)who[0]->name.n,
			(const char *)who[0]->name.p, (int)who[1]->name.n,
			(const char *)who[1]->name.p);
	if (n == 1)
		return mp_fail(err, MP_EEXIST, "%.*s: %.*s and the run's inputs differ",
			(int)path.n, (const char *)path.p, (int)who[0]->name.n,
			(const char *)who[0]->name.p);
	return mp_fail(err, MP_EEXIST, "%.*s: two files claim this path", (int)path.n,
		(const char *)path.p);
}

/* Was it laid already, the same? */
static bool
lay_is_repeated(const struct mp_file *files, size_t at)
{
	size_t i;

	for (i = 0; i < at; i++)
		if (mp_span_eq(files[i].path, files[at].path))
			return files[i].kind == files[at].kind &&
			       mp_hash_eq(&files[i].digest, &files[at].digest);
	return false;
}

static int
lay_files(struct laying *l, const struct mp_file *files, size_t count, struct mp_error *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < count; i++) {
		l->conflict = false;
		rc = lay_file(l, &files[i], err);
		if (rc == 0 || !l->conflict)
			continue;
		if (lay_is_repeated(files, i))
			rc = 0;
		else
			rc = lay_conflict(l, files[i].path, err);
	}
	lay_leave(l);
	return rc;
}

/* ---- dependencies ---- */

static int
lay_bytes(struct laying *l, const char *name, struct mp_span bytes, struct mp_error *err)
{
	int fd = openat(l->base, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int rc;

	if (fd < 0)
		return errno == EEXIST ? 0 : workspace_fail(err, name); /* an output of that name */
	rc = mp_fd_write(fd, bytes) ? 0 : workspace_fail(err, name);
	if (close(fd) != 0 && rc == 0)
		rc = workspace_fail(err, name);
	return rc;
}

static int
lay_value(struct laying *l, const struct mp_hash *digest, struct mp_error *err)
{
	uint8_t *p;
	size_t n;
	int rc;

	if (mp_hash_is_zero(digest))
		return 0;
	rc = mp_cache_get_bytes(l->cache, digest, MP_VALUE_MAX, &p, &n, err);
	if (rc != 0)
		return rc;
	rc = lay_bytes(l, ".value", mp_span(p, n), err);
	free(p);
	return rc;
}

/* deps/NAME/: its outputs, .result, .value. */
static int
lay_dep(struct laying *l, int deps, const struct mp_exec_dep *dep, struct mp_error *err)
{
	char name[MP_NAME_MAX + 1];
	int rc;

	if (dep->name.n == 0 || dep->name.n > MP_NAME_MAX ||
		memchr(dep->name.p, '\0', dep->name.n) != NULL)
		return mp_fail(err, MP_EINVAL, "a dependency without a proper name");
	memcpy(name, dep->name.p, dep->name.n);
	name[dep->name.n] = '\0';
	rc = mp_path_check(name, err);
	if (rc != 0)
		return rc;
	l->base = deps;
	l->dir = -1;
	rc = lay_dir(l, name, dep->name.n, err);
	if (rc != 0)
		return rc;
	l->base = l->dir;
	l->dir = -1;
	rc = lay_files(l, dep->files, dep->file_count, err);
	if (rc == 0)
		rc = lay_bytes(l, ".result", dep->result, err);
	if (rc == 0)
		rc = lay_value(l, &dep->value, err);
	(void)close(l->base);
	if (rc != 0)
		(void)mp_wrap(err, "dependency %s", name);
	return rc;
}

static int
lay_deps(struct laying *l, int fd, struct mp_error *err)
{
	size_t i;
	int deps, rc = 0;

	if (mkdirat(fd, "deps", 0755) != 0)
		return workspace_fail(err, "deps");
	deps = openat(fd, "deps", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (deps < 0)
		return workspace_fail(err, "deps");
	for (i = 0; rc == 0 && i < l->req->dep_count; i++)
		rc = lay_dep(l, deps, &l->req->deps[i], err);
	(void)close(deps);
	return rc;
}

int
workspace_lay_all(int fd, struct mp_cache *cache, const struct mp_exec_request *req,
	enum mp_status *status, struct mp_error *err)
{
	struct laying l = {.cache = cache, .req = req, .base = -1, .dir = -1};
	int rc = 0;

	*status = MP_STATUS_NOT_STARTED;
	if (req->file_count > 0) {
		l.base = openat(fd, "w", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (l.base < 0)
			return workspace_fail(err, "w");
		rc = lay_files(&l, req->files, req->file_count, err);
		(void)close(l.base);
		if (rc == MP_EEXIST)
			*status = MP_STATUS_CONFLICT;
	}
	if (rc == 0 && req->dep_count > 0)
		rc = lay_deps(&l, fd, err);
	return rc;
}
