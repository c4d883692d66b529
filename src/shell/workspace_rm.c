/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/workspace_impl.h"

/* Directories open at a time. What lies deeper is moved up first. */
#define RM_DEPTH_MAX 64

/* Looks at one directory, while somebody may still write there. */
#define RM_ROUNDS 8

struct rm {
	int top;       /* where what is too deep is moved to */
	bool skeleton; /* what a new workspace has stays */
	unsigned moved;
	int error; /* errno of the first thing that would not go */
};

static void
rm_note(struct rm *r)
{
	if (r->error == 0)
		r->error = errno;
}

/* The directory, readable and writable for us; -1 when it is none. */
static int
rm_open(int fd, const char *name)
{
	int dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir < 0 && errno == EACCES && fchmodat(fd, name, 0700, 0) == 0)
		dir = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && fstat(dir, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)fchmod(dir, 0700);
	return dir;
}

static void rm_entry(struct rm *r, int fd, const char *name, unsigned depth);

static bool
rm_stays(const struct rm *r, const char *name, unsigned depth)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	for (size_t i = 0; r->skeleton && depth == 0 && i < WORKSPACE_DIRS; i++)
		if (strcmp(name, workspace_dirs[i]) == 0)
			return true;
	return false;
}

/* Empties a directory. Takes the descriptor. */
static void
rm_content(struct rm *r, int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	bool found = true;
	int round;

	if (dir == NULL) {
		rm_note(r);
		(void)close(fd);
		return;
	}
	for (round = 0; found && round < RM_ROUNDS; round++) {
		found = false;
		rewinddir(dir);
		while ((e = readdir(dir)) != NULL) {
			if (rm_stays(r, e->d_name, depth))
				continue;
			found = true;
			rm_entry(r, dirfd(dir), e->d_name, depth);
		}
		if (r->error != 0)
			break;
	}
	(void)closedir(dir);
}

/* To the top, where workspace_rm_all() finds it later. */
static void
rm_move(struct rm *r, int fd, const char *name)
{
	char moved[32];
	int tries;

	for (tries = 0; tries < 100; tries++) {
		(void)snprintf(moved, sizeof(moved), ".rm-%u", r->moved++);
		if (renameat(fd, name, r->top, moved) == 0)
			return;
	}
	rm_note(r);
}

static void
rm_entry(struct rm *r, int fd, const char *name, unsigned depth)
{
	int dir;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return;
	if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
		return;
	if (depth >= RM_DEPTH_MAX) {
		rm_move(r, fd, name);
		return;
	}
	dir = rm_open(fd, name);
	if (dir < 0) {
		rm_note(r);
		return;
	}
	rm_content(r, dir, depth + 1);
	if (unlinkat(fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		rm_note(r);
}

/* A tree of any depth takes as many steps as it has stretches of RM_DEPTH_MAX. */
static int
rm_run(int fd, bool skeleton, struct mp_error *err)
{
	struct rm r = {.top = fd, .skeleton = skeleton};
	int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned i;
	char moved[32];

	if (dir < 0)
		return workspace_fail(err, ".");
	rm_content(&r, dir, 0);
	for (i = 0; i < r.moved && r.error == 0; i++) {
		(void)snprintf(moved, sizeof(moved), ".rm-%u", i);
		rm_entry(&r, fd, moved, 0);
	}
	errno = r.error;
	return r.error == 0 ? 0 : workspace_fail(err, ".");
}

int
workspace_rm_all(int fd, struct mp_error *err)
{
	return rm_run(fd, false, err);
}

int
workspace_rm_beside(int fd, struct mp_error *err)
{
	return rm_run(fd, true, err);
}
