/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/manifest.h"
#include "crypto/hasher.h"
#include "mp/limits.h"
#include "util/glob.h"

#define READ_SIZE 262144

struct walk {
	struct mp_inputs *in;
	const struct mp_texts *globs;
	bool *used; /* which globs have matched */
	struct mp_diags *diags;
	struct mp_error *err;
	char path[MP_PATH_MAX + 1]; /* of the entry that is looked at */
};

bool
mp_link_stays(const char *path, const char *target)
{
	size_t depth = 0;

	if (target[0] == '/' || target[0] == '\0')
		return false;
	for (const char *p = path; *p != '\0'; p++)
		depth += *p == '/';
	while (*target != '\0') {
		size_t n = strcspn(target, "/");

		if (n == 2 && target[0] == '.' && target[1] == '.') {
			if (depth-- == 0)
				return false;
		} else if (n > 0 && !(n == 1 && target[0] == '.')) {
			depth++;
		}
		target += n;
		target += *target == '/';
	}
	return true;
}

/* The position of the first glob that matches path; all that do are marked. */
static const struct mp_text *
walk_match(struct walk *w, const char *path)
{
	const struct mp_text *first = NULL;

	for (uint32_t i = 0; i < w->globs->n; i++) {
		if (!mp_glob_match(w->globs->v[i].s, path))
			continue;
		w->used[i] = true;
		if (first == NULL)
			first = &w->globs->v[i];
	}
	return first;
}

static bool
walk_enters(const struct walk *w, const char *dir)
{
	for (uint32_t i = 0; i < w->globs->n; i++) {
		if (mp_glob_may_enter(w->globs->v[i].s, dir))
			return true;
	}
	return false;
}

static int
add(struct walk *w, const struct stat *st, char *link)
{
	struct mp_inputs *in = w->in;
	struct mp_input *f;

	if (in->count == MP_MANIFEST_FILES_MAX) {
		free(link);
		return mp_fail(w->err, MP_ELIMIT, "the inputs are more than %u files",
			MP_MANIFEST_FILES_MAX);
	}
	if (in->count == in->cap) {
		size_t cap = in->cap == 0 ? 64 : 2 * in->cap;
		struct mp_input *v = realloc(in->v, cap * sizeof(*v));

		if (v == NULL) {
			free(link);
			return mp_fail(w->err, MP_ENOMEM, "out of memory");
		}
		in->v = v;
		in->cap = cap;
	}
	f = &in->v[in->count];
	*f = (struct mp_input){.path = strdup(w->path), .link = link};
	f->kind = link != NULL                   ? MP_FILE_SYMLINK
		  : (st->st_mode & S_IXUSR) != 0 ? MP_FILE_EXECUTABLE
						 : MP_FILE_REGULAR;
	f->size = link != NULL ? strlen(link) : (uint64_t)st->st_size;
	in->count++;
	return f->path != NULL ? 0 : mp_fail(w->err, MP_ENOMEM, "out of memory");
}

static int
add_link(struct walk *w, int dir_fd, const char *name, const struct stat *st, struct mp_pos pos)
{
	char target[MP_PATH_MAX + 1];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));
	char *copy;

	if (n < 0)
		return mp_fail(w->err, MP_EIO, "%s: %s", w->path, strerror(errno));
	if ((size_t)n == sizeof(target)) {
		mp_diags_add(w->diags, pos, "%.200s: the link's target is too long", w->path);
		return 0;
	}
	target[n] = '\0';
	if (!mp_link_stays(w->path, target)) {
		mp_diags_add(w->diags, pos, "%.200s is a link that leads out of the folder: %.200s",
			w->path, target);
		return 0;
	}
	copy = strdup(target);
	return copy != NULL ? add(w, st, copy) : mp_fail(w->err, MP_ENOMEM, "out of memory");
}

static int walk_folder(struct walk *w, int fd, size_t length, unsigned depth);

static int
walk_entry(struct walk *w, int dir_fd, const char *name, size_t length, unsigned depth)
{
	const struct mp_text *glob;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT
			       ? 0
			       : mp_fail(w->err, MP_EIO, "%s: %s", w->path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		int fd;

		if (!walk_enters(w, w->path))
			return 0;
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return mp_fail(w->err, MP_EIO, "%s: %s", w->path, strerror(errno));
		return walk_folder(w, fd, length, depth + 1);
	}
	glob = walk_match(w, w->path);
	if (glob == NULL)
		return 0;
	if (mp_path_check(w->path, NULL) != 0) {
		mp_diags_add(
			w->diags, glob->pos, "%.200s: such a name cannot be an input", w->path);
		return 0;
	}
	if (S_ISLNK(st.st_mode))
		return add_link(w, dir_fd, name, &st, glob->pos);
	if (S_ISREG(st.st_mode))
		return add(w, &st, NULL);
	mp_diags_add(w->diags, glob->pos, "%.200s is not a file", w->path);
	return 0;
}

/* Takes fd. w->path holds the folder's path of `length` bytes. */
static int
walk_folder(struct walk *w, int fd, size_t length, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	int rc = 0;

	if (dir == NULL) {
		(void)close(fd);
		return mp_fail(w->err, MP_EIO, "%s: %s", w->path, strerror(errno));
	}
	/* One descriptor a level. */
	if (depth > 200)
		rc = mp_fail(w->err, MP_ELIMIT, "%.200s: the folders are too deep", w->path);
	while (rc == 0 && (errno = 0, e = readdir(dir)) != NULL) {
		size_t n = strlen(e->d_name), slash = length > 0 ? 1 : 0;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (length + slash + n > MP_PATH_MAX) {
			rc = mp_fail(w->err, MP_ELIMIT, "%.200s...: the path is too long", w->path);
			break;
		}
		if (slash == 1)
			w->path[length] = '/';
		memcpy(w->path + length + slash, e->d_name, n + 1);
		rc = walk_entry(w, dirfd(dir), e->d_name, length + slash + n, depth);
	}
	if (rc == 0 && errno != 0) {
		w->path[length] = '\0';
		rc = mp_fail(w->err, MP_EIO, "%s: %s", w->path, strerror(errno));
	}
	w->path[length] = '\0';
	(void)closedir(dir);
	return rc;
}

/* ---- contents ---- */

int
mp_inputs_open(const struct mp_inputs *in, const struct mp_input *file)
{
	return openat(in->dir_fd, file->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

static int
hash_file(const struct mp_inputs *in, struct mp_input *f, uint8_t *buf, struct mp_error *err)
{
	struct mp_hasher h;
	uint64_t size = 0;
	ssize_t n;
	int fd;

	if (f->link != NULL) {
		mp_hasher_once(&f->digest, mp_span_str(f->link));
		return 0;
	}
	fd = mp_inputs_open(in, f);
	if (fd < 0)
		return mp_fail(err, MP_EIO, "%s: %s", f->path, strerror(errno));
	mp_hasher_init(&h);
	while ((n = read(fd, buf, READ_SIZE)) > 0) {
		mp_hasher_update(&h, mp_span(buf, (size_t)n));
		size += (uint64_t)n;
	}
	(void)close(fd);
	if (n < 0)
		return mp_fail(err, MP_EIO, "%s: %s", f->path, strerror(errno));
	if (size > MP_BLOB_MAX)
		return mp_fail(
			err, MP_ELIMIT, "%s: a file has at most %llu bytes", f->path, MP_BLOB_MAX);
	f->size = size;
	mp_hasher_final(&h, &f->digest);
	return 0;
}

static int
by_path(const void *a, const void *b)
{
	const struct mp_input *x = a, *y = b;

	return mp_path_cmp(mp_span_str(x->path), mp_span_str(y->path));
}

static int
make_manifest(struct mp_inputs *in, struct mp_error *err)
{
	struct mp_file *files = calloc(in->count + 1, sizeof(*files));
	uint8_t *buf = malloc(READ_SIZE);
	int rc = files != NULL && buf != NULL ? 0 : mp_fail(err, MP_ENOMEM, "out of memory");

	for (size_t i = 0; rc == 0 && i < in->count; i++) {
		rc = hash_file(in, &in->v[i], buf, err);
		in->bytes += in->v[i].size;
		files[i] = (struct mp_file){.path = mp_span_str(in->v[i].path),
			.kind = in->v[i].kind,
			.size = in->v[i].size,
			.digest = in->v[i].digest};
	}
	if (rc == 0 && in->count > 0) {
		rc = mp_manifest_encode(&in->manifest, files, in->count, err);
		mp_hasher_once(&in->manifest_digest, mp_buf_span(&in->manifest));
	}
	free(buf);
	free(files);
	return rc;
}

int
mp_inputs_find(struct mp_inputs *in, const struct mp_alloc *alloc, const char *folder,
	const struct mp_texts *globs, struct mp_diags *diags, struct mp_error *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	size_t mistakes = diags->n + diags->dropped;
	int fd, rc = 0;

	*in = (struct mp_inputs){.dir_fd = -1};
	mp_buf_init(&in->manifest, alloc, MP_MANIFEST_BYTES_MAX);
	if (w == NULL || (w->used = calloc(globs->n + 1, sizeof(*w->used))) == NULL) {
		free(w);
		return mp_fail(err, MP_ENOMEM, "out of memory");
	}
	w->in = in;
	w->globs = globs;
	w->diags = diags;
	w->err = err;
	in->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = in->dir_fd >= 0 ? fcntl(in->dir_fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (globs->n > 0 && fd < 0)
		rc = mp_fail(err, MP_ENOENT, "%s: %s", folder, strerror(errno));
	else if (globs->n > 0)
		rc = walk_folder(w, fd, 0, 0);
	else if (fd >= 0)
		(void)close(fd);
	for (uint32_t i = 0; rc == 0 && i < globs->n; i++) {
		if (!w->used[i])
			mp_diags_add(diags, globs->v[i].pos, "inputs: no file matches '%.200s'",
				globs->v[i].s);
	}
	free(w->used);
	free(w);
	if (rc == 0 && diags->n + diags->dropped > mistakes)
		return mp_fail(err, MP_EPIPELINE, "the inputs are not as the pipeline says");
	if (rc != 0)
		return rc;
	if (in->count > 0)
		qsort(in->v, in->count, sizeof(*in->v), by_path);
	return make_manifest(in, err);
}

void
mp_inputs_fini(struct mp_inputs *in)
{
	for (size_t i = 0; i < in->count; i++) {
		free(in->v[i].path);
		free(in->v[i].link);
	}
	free(in->v);
	mp_buf_fini(&in->manifest);
	if (in->dir_fd >= 0)
		(void)close(in->dir_fd);
	*in = (struct mp_inputs){.dir_fd = -1};
}
