/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "shell/workspace_impl.h"
#include "util/fd.h"
#include "util/hex.h"

/* Directories that are kept for the next attempts: making and removing one costs as much as a
 * short command. */
#define ROOT_CLEAN_MAX 64

/* Others may remove a run's directory at the moment when we want to use it. */
#define ROOT_TRIES 100

/* Folders in folders that are laid; a path has no room for more. */
#define WORKSPACE_DEPTH_MAX (MP_PATH_MAX / 2)

#define RUN_NAME_SIZE MP_HEX_SIZE(sizeof(struct mp_run_id))

const char *const workspace_dirs[WORKSPACE_DIRS] = {"w", "home", "tmp"};

struct mp_workspace_root {
	char *path;
	int fd;
	uv_mutex_t lock; /* of all below */
	uint64_t clean[ROOT_CLEAN_MAX];
	size_t clean_count;
	uint64_t clean_next;
	char run[RUN_NAME_SIZE]; /* whose directory is left for its next attempt */
	bool shared;             /* with a user of which attempts have groups of their own */
	struct mp_run_as who;
	uint32_t groups; /* used so far */
};

int
workspace_fail(struct mp_error *err, const char *what)
{
	int code = mp_sys_error(errno);

	return mp_fail(
		err, code, "%s: %s", what, code == MP_EFULL ? mp_strerror(code) : strerror(errno));
}

/* ---- the root ---- */

int
mp_workspace_root_open(const char *path, struct mp_workspace_root **out, struct mp_error *err)
{
	struct mp_workspace_root *r = calloc(1, sizeof(*r));
	int rc = 0;

	if (r == NULL)
		return mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	r->fd = -1;
	rc = uv_mutex_init(&r->lock);
	mp_assert(rc == 0);
	r->path = strdup(path);
	if (r->path == NULL)
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	else if (mkdir(path, 0700) != 0 && errno != EEXIST)
		rc = workspace_fail(err, path);
	if (rc == 0) {
		r->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (r->fd < 0)
			rc = workspace_fail(err, path);
	}
	if (rc == 0) {
		rc = workspace_rm_all(r->fd, err);
		if (rc != 0)
			(void)mp_wrap(err, "empty %s", path);
	}
	if (rc == 0 && mkdirat(r->fd, ".clean", 0700) != 0)
		rc = workspace_fail(err, path);
	if (rc != 0) {
		mp_workspace_root_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void
mp_workspace_root_close(struct mp_workspace_root *r)
{
	char name[64];

	if (r == NULL)
		return;
	while (r->clean_count > 0) {
		int fd;

		(void)snprintf(name, sizeof(name), ".clean/%llu",
			(unsigned long long)r->clean[--r->clean_count]);
		fd = openat(r->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		(void)workspace_rm_all(fd, NULL);
		(void)close(fd);
		(void)unlinkat(r->fd, name, AT_REMOVEDIR);
	}
	if (r->fd >= 0) {
		(void)unlinkat(r->fd, ".clean", AT_REMOVEDIR);
		if (r->run[0] != '\0')
			(void)unlinkat(r->fd, r->run, AT_REMOVEDIR);
		(void)close(r->fd);
	}
	uv_mutex_destroy(&r->lock);
	free(r->path);
	free(r);
}

/* ---- another user ---- */

/* Can a user that owns nothing there get to it? */
static int
root_check_path(const char *path, struct mp_error *err)
{
	char part[MP_PATH_MAX + 1];
	struct stat st;

	for (size_t i = 1; path[i] != '\0' && i < sizeof(part); i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (stat(part, &st) == 0 && (st.st_mode & S_IXOTH) == 0)
			return mp_fail(err, MP_EAUTH,
				"--run-as: its user cannot pass through %s; chmod o+x it, or use a "
				"state directory elsewhere",
				part);
	}
	return 0;
}

int
mp_workspace_root_share(
	struct mp_workspace_root *r, const struct mp_run_as *who, struct mp_error *err)
{
	int rc = root_check_path(r->path, err);

	if (rc != 0)
		return rc;
	if (fchmod(r->fd, 0711) != 0)
		return workspace_fail(err, r->path);
	if (fchown(r->fd, (uid_t)-1, who->gid + MP_RUN_AS_GROUPS - 1) != 0 ||
		fchown(r->fd, (uid_t)-1, who->gid) != 0 || fchown(r->fd, (uid_t)-1, 0) != 0)
		return mp_fail(err, MP_EAUTH,
			"--run-as: each attempt needs a group of its own, from %u on, and they "
			"cannot be used here (in a container they are to be mapped): %s",
			(unsigned)who->gid, strerror(errno));
	r->who = *who;
	r->shared = true;
	return 0;
}

/* Gives all in the directory away. Nobody else works in it yet. */
static int
workspace_chown(int fd, const struct mp_workspace *ws, unsigned depth, struct mp_error *err)
{
	DIR *dir = depth < WORKSPACE_DEPTH_MAX ? fdopendir(fd) : NULL; /* has fd from now on */
	const struct dirent *e;
	struct stat st;
	int rc = 0;

	if (dir == NULL) {
		(void)close(fd);
		return workspace_fail(err, ws->name);
	}
	while (rc == 0 && (e = readdir(dir)) != NULL) {
		int sub;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fchownat(fd, e->d_name, ws->uid, ws->gid, AT_SYMLINK_NOFOLLOW) != 0 ||
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			rc = workspace_fail(err, e->d_name);
		} else if (S_ISDIR(st.st_mode)) {
			sub = openat(
				fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			rc = sub < 0 ? workspace_fail(err, e->d_name)
				     : workspace_chown(sub, ws, depth + 1, err);
		}
	}
	(void)closedir(dir);
	return rc;
}

/* To the user, in a group that no other attempt has. $MP_OUTPUT is there already: nothing else can
 * be made beside what we keep. */
static int
root_give(struct mp_workspace_root *r, struct mp_workspace *ws, struct mp_error *err)
{
	int fd;

	uv_mutex_lock(&r->lock);
	ws->gid = r->who.gid + (gid_t)(r->groups++ % MP_RUN_AS_GROUPS);
	uv_mutex_unlock(&r->lock);
	ws->uid = r->who.uid;
	fd = openat(ws->fd, "value", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return workspace_fail(err, ws->name);
	(void)close(fd);
	fd = openat(ws->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return workspace_fail(err, ws->name);
	if (workspace_chown(fd, ws, 0, err) != 0)
		return MP_EIO;
	if (fchown(ws->fd, 0, ws->gid) != 0 || fchmod(ws->fd, 0710) != 0)
		return workspace_fail(err, ws->name);
	return 0;
}

/* ---- making ---- */

/* RUN/NAME.M-T-C, the name in letters that no tool stumbles over. */
static char *
workspace_name(const struct mp_exec_request *req)
{
	const struct mp_attempt_id *a = &req->key.attempt;
	char run[RUN_NAME_SIZE], name[49], *out;
	size_t i, n = mp_min_size(req->module_name.n, sizeof(name) - 1);

	mp_hex(run, req->key.run.b, sizeof(req->key.run.b));
	for (i = 0; i < n; i++) {
		char c = (char)req->module_name.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' ||
			     (c == '.' && i > 0);

		name[i] = plain ? c : '_';
	}
	name[n] = '\0';
	if (asprintf(&out, "%s/%s.%u-%llu-%u", run, name, a->module, (unsigned long long)a->term,
		    a->counter) < 0)
		return NULL;
	return out;
}

/* Makes the run's directory and remembers it as the current one; the one before may go. */
static void
root_enter_run(struct mp_workspace_root *r, const char *name)
{
	char run[RUN_NAME_SIZE], old[RUN_NAME_SIZE];

	memcpy(run, name, sizeof(run) - 1);
	run[sizeof(run) - 1] = '\0';
	uv_mutex_lock(&r->lock);
	memcpy(old, r->run, sizeof(old));
	memcpy(r->run, run, sizeof(run));
	uv_mutex_unlock(&r->lock);
	if (old[0] != '\0' && strcmp(old, run) != 0)
		(void)unlinkat(r->fd, old, AT_REMOVEDIR); /* when it is empty */
	if (mkdirat(r->fd, run, 0700) == 0 && r->shared)
		(void)fchmodat(r->fd, run, 0711, 0);
}

static bool
root_take_clean(struct mp_workspace_root *r, char *name, size_t size)
{
	bool any;

	uv_mutex_lock(&r->lock);
	any = r->clean_count > 0;
	if (any)
		(void)snprintf(
			name, size, ".clean/%llu", (unsigned long long)r->clean[--r->clean_count]);
	uv_mutex_unlock(&r->lock);
	return any;
}

static bool
workspace_make_dirs(struct mp_workspace *ws)
{
	for (size_t i = 0; i < WORKSPACE_DIRS; i++)
		if (mkdirat(ws->fd, workspace_dirs[i], 0700) != 0)
			return false;
	return true;
}

static int
workspace_make(struct mp_workspace_root *r, struct mp_workspace *ws, struct mp_error *err)
{
	char clean[64];
	bool reuse = root_take_clean(r, clean, sizeof(clean));
	int tries, rc;

	for (tries = 0; tries < ROOT_TRIES; tries++) {
		rc = reuse ? renameat(r->fd, clean, r->fd, ws->name)
			   : mkdirat(r->fd, ws->name, 0700);
		if (rc == 0)
			break;
		if (errno != ENOENT)
			return workspace_fail(err, ws->name);
		root_enter_run(r, ws->name);
	}
	ws->fd = openat(r->fd, ws->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ws->fd < 0 || (!reuse && !workspace_make_dirs(ws)))
		return workspace_fail(err, ws->name);
	return 0;
}

int
mp_workspace_lay(struct mp_workspace_root *root, struct mp_cache *cache,
	const struct mp_exec_request *req, struct mp_workspace *ws, enum mp_status *status,
	struct mp_error *err)
{
	int rc;

	*status = MP_STATUS_NOT_STARTED;
	*ws = (struct mp_workspace){.fd = -1, .name = workspace_name(req)};
	if (ws->name == NULL || asprintf(&ws->path, "%s/%s", root->path, ws->name) < 0) {
		ws->path = NULL;
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	} else {
		rc = workspace_make(root, ws, err);
	}
	if (rc == 0)
		rc = workspace_lay_all(ws->fd, cache, req, status, err);
	if (rc == 0 && root->shared)
		rc = root_give(root, ws, err);
	if (rc != 0)
		(void)mp_workspace_remove(root, ws, false, NULL);
	return rc;
}

/* ---- removing ---- */

/* Counts entries, up to a few; -1 on error. The descriptor stands at its beginning. */
static int
workspace_count(int fd)
{
	_Alignas(struct dirent64) char buf[1024];
	ssize_t n, at;
	int count = 0;

	while (count < 16 && (n = getdents64(fd, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return -1;
		for (at = 0; at < n; count++)
			at += ((const struct dirent64 *)(const void *)(buf + at))->d_reclen;
	}
	return count - 2; /* . and .. */
}

static bool
workspace_is_new_dir(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool clean;

	if (fd < 0)
		return false;
	clean = fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0700 && st.st_uid == geteuid() &&
		workspace_count(fd) == 0;
	(void)close(fd);
	return clean;
}

/* As good as one that was just made, but for what may be beside its directories? */
static bool
workspace_is_clean(const struct mp_workspace *ws)
{
	struct stat st;

	if (ws->haunted || fstat(ws->fd, &st) != 0 || (st.st_mode & 07777) != 0700)
		return false;
	for (size_t i = 0; i < WORKSPACE_DIRS; i++)
		if (!workspace_is_new_dir(ws->fd, workspace_dirs[i]))
			return false;
	return true;
}

static bool
root_give_clean(struct mp_workspace_root *r, const char *name)
{
	char clean[64];
	bool done = false;

	uv_mutex_lock(&r->lock);
	if (r->clean_count < ROOT_CLEAN_MAX) {
		(void)snprintf(
			clean, sizeof(clean), ".clean/%llu", (unsigned long long)r->clean_next);
		done = renameat(r->fd, name, r->fd, clean) == 0;
		if (done)
			r->clean[r->clean_count++] = r->clean_next++;
	}
	uv_mutex_unlock(&r->lock);
	return done;
}

static int
workspace_destroy(struct mp_workspace_root *r, struct mp_workspace *ws, struct mp_error *err)
{
	int rc;

	if (workspace_is_clean(ws) && workspace_rm_beside(ws->fd, NULL) == 0 &&
		root_give_clean(r, ws->name))
		return 0;
	rc = workspace_rm_all(ws->fd, err);
	if (rc == 0 && unlinkat(r->fd, ws->name, AT_REMOVEDIR) != 0)
		rc = workspace_fail(err, ws->name);
	return rc;
}

/* The directory of a run that is not the current one goes with its last attempt. */
static void
root_leave_run(struct mp_workspace_root *r, const char *name)
{
	char run[RUN_NAME_SIZE];
	bool current;

	memcpy(run, name, sizeof(run) - 1);
	run[sizeof(run) - 1] = '\0';
	uv_mutex_lock(&r->lock);
	current = strcmp(run, r->run) == 0;
	uv_mutex_unlock(&r->lock);
	if (!current)
		(void)unlinkat(r->fd, run, AT_REMOVEDIR);
}

/* Frees what it owns, wherever its directory is now. */
static void
workspace_forget(struct mp_workspace_root *r, struct mp_workspace *ws)
{
	if (ws->fd >= 0) {
		root_leave_run(r, ws->name);
		(void)close(ws->fd);
	}
	free(ws->name);
	free(ws->path);
	*ws = (struct mp_workspace){.fd = -1};
}

bool
mp_workspace_put_back(struct mp_workspace_root *root, struct mp_workspace *ws)
{
	if (lseek(ws->fd, 0, SEEK_SET) != 0 || workspace_count(ws->fd) != WORKSPACE_DIRS ||
		!workspace_is_clean(ws) || !root_give_clean(root, ws->name))
		return false;
	workspace_forget(root, ws);
	return true;
}

int
mp_workspace_remove(
	struct mp_workspace_root *root, struct mp_workspace *ws, bool keep, struct mp_error *err)
{
	int rc = 0;

	if (ws->fd >= 0 && !keep)
		rc = workspace_destroy(root, ws, err);
	if (rc != 0)
		(void)mp_wrap(err, "remove %s", ws->path);
	workspace_forget(root, ws);
	return rc;
}
