/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of one's own for a test, small if need be, and gone afterwards. */
#ifndef MP_TESTS_SCRATCH_H
#define MP_TESTS_SCRATCH_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/unit.h"

struct scratch {
	char path[256];
	bool mounted;
};

static inline void
scratch_make(struct scratch *s)
{
	const char *base = getenv("TMPDIR");

	*s = (struct scratch){0};
	(void)snprintf(s->path, sizeof(s->path), "%s/mp-test-XXXXXX", base == NULL ? "/tmp" : base);
	assert_non_null(mkdtemp(s->path));
}

/* Makes it a file system of `size` bytes; false when this machine does not let us. */
static inline bool
scratch_shrink(struct scratch *s, size_t size)
{
	char opt[64];

	(void)snprintf(opt, sizeof(opt), "size=%zu", size);
	if (unshare(CLONE_NEWNS) != 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("tmpfs", s->path, "tmpfs", 0, opt) != 0)
		return false;
	s->mounted = true;
	return true;
}

static inline int
scratch_visit(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return flag == FTW_DP ? rmdir(path) : unlink(path);
}

static inline void
scratch_remove(struct scratch *s)
{
	if (s->mounted)
		(void)umount2(s->path, MNT_DETACH);
	(void)nftw(s->path, scratch_visit, 16, FTW_DEPTH | FTW_PHYS);
}

/* DIR/name in one of four buffers. */
static inline const char *
scratch_path(const struct scratch *s, const char *name)
{
	static char buf[4][PATH_MAX];
	static unsigned next;
	char *p = buf[next++ % 4];

	(void)snprintf(p, PATH_MAX, "%s/%s", s->path, name);
	return p;
}

static inline void
scratch_write(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	assert_int_equal(close(fd), 0);
}

/* The whole file with a NUL behind it, to be freed; NULL when there is none. */
static inline char *
scratch_read(const char *path, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;

	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	p = malloc((size_t)st.st_size + 1);
	assert_non_null(p);
	assert_int_equal(pread(fd, p, (size_t)st.st_size, 0), st.st_size);
	p[st.st_size] = '\0';
	if (n != NULL)
		*n = (size_t)st.st_size;
	(void)close(fd);
	return p;
}

#endif
