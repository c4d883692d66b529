/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "crypto/hasher.h"
#include "ctl/blobs.h"
#include "util/fd.h"
#include "util/glob.h"

static int
fail_errno(struct mp_error *err, const char *path)
{
	if (errno == ELOOP || errno == ENOTDIR)
		return mp_fail(err, MP_EINVAL, "%s: a link or a file stands in the way", path);
	return mp_fail(err, errno == ENOSPC || errno == EDQUOT ? MP_EFULL : MP_EIO, "%s: %s", path,
		strerror(errno));
}

int
mp_unpack_folder(const char *path, int *fd, struct mp_error *err)
{
	char part[MP_PATH_MAX + 1];
	size_t n = strlen(path);

	if (n == 0 || n > MP_PATH_MAX)
		return mp_fail(err, MP_EUSAGE, "the name of the folder is %s",
			n == 0 ? "empty" : "too long");
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST)
			return fail_errno(err, part);
	}
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd >= 0 ? 0 : fail_errno(err, path);
}

/* Opens the folder that path, relative to fd, is in; *leaf is the rest of path. Below 0: *err. */
static int
open_parent(int fd, const char *path, const char **leaf, struct mp_error *err)
{
	int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	const char *p = path, *slash;
	char part[MP_PATH_MAX + 1];

	while (at >= 0 && (slash = strchr(p, '/')) != NULL) {
		int next = -1, saved;

		memcpy(part, p, (size_t)(slash - p));
		part[slash - p] = '\0';
		if (mkdirat(at, part, 0777) == 0 || errno == EEXIST)
			next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		saved = errno;
		(void)close(at);
		errno = saved;
		at = next;
		p = slash + 1;
	}
	if (at < 0)
		(void)fail_errno(err, path);
	*leaf = p;
	return at;
}

static int
copy_blob(struct mp_cmd_ctx *ctx, const struct mp_file *file, const char *path, int fd,
	struct mp_error *err)
{
	struct mp_hash found;
	struct mp_hasher h;
	struct mp_span bytes;
	uint64_t at = 0;
	int rc = 0;

	mp_hasher_init(&h);
	while (at < file->size && rc == 0) {
		rc = mp_blobs_read(ctx, &file->digest, at, MP_CTL_READ_MAX, &bytes, NULL, err);
		if (rc != 0)
			break;
		if (bytes.n == 0 || bytes.n > file->size - at)
			return mp_fail(err, MP_ECORRUPT, "%s has another size than was said", path);
		mp_hasher_update(&h, bytes);
		if (!mp_fd_write(fd, bytes))
			rc = fail_errno(err, path);
		at += bytes.n;
	}
	if (rc != 0)
		return rc;
	mp_hasher_final(&h, &found);
	if (!mp_hash_eq(&found, &file->digest))
		return mp_fail(err, MP_ECORRUPT, "%s: the node gave other bytes", path);
	return 0;
}

static int
make_file(struct mp_cmd_ctx *ctx, int dir, const char *temp, const char *path,
	const struct mp_file *file, struct mp_error *err)
{
	mode_t mode = file->kind == MP_FILE_EXECUTABLE ? 0777 : 0666;
	int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode), rc;

	if (fd < 0)
		return fail_errno(err, path);
	rc = copy_blob(ctx, file, path, fd, err);
	if (close(fd) != 0 && rc == 0)
		rc = fail_errno(err, path);
	return rc;
}

static int
make_link(struct mp_cmd_ctx *ctx, int dir, const char *temp, const char *path,
	const struct mp_file *file, struct mp_error *err)
{
	char target[MP_PATH_MAX + 1];
	struct mp_buf bytes;
	int rc;

	mp_buf_init(&bytes, ctx->alloc, MP_PATH_MAX);
	rc = mp_blobs_get(ctx, &file->digest, &bytes, err);
	if (rc == 0 && bytes.n > 0) {
		memcpy(target, bytes.p, bytes.n);
		target[bytes.n] = '\0';
		if (strlen(target) != bytes.n || !mp_link_stays(path, target))
			rc = mp_fail(err, MP_EINVAL, "%s is a link that leads out", path);
		else if (symlinkat(target, dir, temp) != 0)
			rc = fail_errno(err, path);
	} else if (rc == 0) {
		rc = mp_fail(err, MP_EINVAL, "%s is a link to nothing", path);
	}
	mp_buf_fini(&bytes);
	return rc;
}

int
mp_unpack_file(struct mp_cmd_ctx *ctx, int folder, const char *sub, const struct mp_file *file,
	struct mp_error *err)
{
	char path[MP_PATH_MAX + 1], whole[MP_PATH_MAX + MP_NAME_MAX + 8], temp[64];
	const char *leaf;
	int dir, rc = 0;

	if (file->path.n > MP_PATH_MAX || strchr(sub, '/') != NULL)
		return mp_fail(err, MP_EINVAL, "%.128s: the path leads out", sub);
	memcpy(path, file->path.p, file->path.n);
	path[file->path.n] = '\0';
	if (mp_path_check(path, err) != 0 || mp_path_check(sub, err) != 0)
		return mp_wrap(err, "%.128s/%.200s", sub, path);
	(void)snprintf(whole, sizeof(whole), "%s/%s", sub, path);
	dir = open_parent(folder, whole, &leaf, err);
	if (dir < 0)
		return err->code;
	(void)snprintf(temp, sizeof(temp), ".meshpipe-%ld", (long)getpid());
	(void)unlinkat(dir, temp, 0);
	if (file->kind == MP_FILE_SYMLINK)
		rc = make_link(ctx, dir, temp, path, file, err);
	else
		rc = make_file(ctx, dir, temp, whole, file, err);
	if (rc == 0 && renameat(dir, temp, dir, leaf) != 0)
		rc = fail_errno(err, whole);
	if (rc != 0)
		(void)unlinkat(dir, temp, 0);
	(void)close(dir);
	return rc;
}
