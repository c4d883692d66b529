/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codec/record_cert.h"
#include "crypto/key.h"
#include "shell/heap.h"
#include "shell/state_int.h"
#include "util/clock.h"
#include "util/fd.h"

#define MARKER      "meshpipe"
#define SETTINGS    "node.conf"
#define MARKER_TEXT "meshpipe state 1\n"

/* For a lock to be free: when the process that had it is gone, and its children end yet; when it
 * still shows, as one may that was just killed. */
#define LOCK_GONE_MS  20000
#define LOCK_ALIVE_MS 1000
#define LOCK_PAUSE_MS 20

/* ---- small files ---- */

mp_time
mp_state_wall_ms(void)
{
	return mp_clock_wall_ms();
}

static int
fail_errno(struct mp_error *err, const struct mp_state *state, const char *leaf)
{
	return mp_fail(err, mp_sys_error(errno), "%s/%s: %s", state->dir, leaf, strerror(errno));
}

int
mp_state_read(const struct mp_state *state, const char *leaf, void *p, size_t size, size_t *n,
	struct mp_error *err)
{
	int fd = openat(state->dir_fd, leaf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t got = 1;

	if (fd < 0)
		return errno == ENOENT ? MP_ENOENT : fail_errno(err, state, leaf);
	for (*n = 0; *n < size && got != 0;) {
		got = read(fd, (char *)p + *n, size - *n);
		if (got < 0 && errno != EINTR)
			break;
		*n += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		(void)fail_errno(err, state, leaf);
	(void)close(fd);
	return got < 0 ? MP_EIO : 0;
}

int
mp_state_write(const struct mp_state *state, const char *leaf, const void *p, size_t n,
	struct mp_error *err)
{
	char temp[64];
	int fd, rc = 0;

	(void)snprintf(temp, sizeof(temp), "%s.new", leaf);
	fd = openat(
		state->dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(err, state, leaf);
	if (!mp_fd_write(fd, mp_span(p, n)) || fsync(fd) != 0)
		rc = fail_errno(err, state, leaf);
	if (close(fd) != 0 && rc == 0)
		rc = fail_errno(err, state, leaf);
	if (rc == 0 && (renameat(state->dir_fd, temp, state->dir_fd, leaf) != 0 ||
			       fsync(state->dir_fd) != 0))
		rc = fail_errno(err, state, leaf);
	if (rc != 0)
		(void)unlinkat(state->dir_fd, temp, 0);
	return rc;
}

void
mp_state_remove(const struct mp_state *state, const char *leaf)
{
	(void)unlinkat(state->dir_fd, leaf, 0);
}

bool
mp_state_path(const struct mp_state *state, const char *leaf, char out[MP_PATH_MAX + 1])
{
	size_t n = strlen(state->dir), k = strlen(leaf);

	if (n + 1 + k > MP_PATH_MAX)
		return false;
	memcpy(out, state->dir, n);
	out[n] = '/';
	memcpy(out + n + 1, leaf, k + 1);
	return true;
}

static int
put_path(char out[MP_PATH_MAX + 1], const char *base, const char *rest, struct mp_error *err)
{
	int n = snprintf(out, MP_PATH_MAX + 1, "%s%s", base, rest);

	if (n < 0 || n > MP_PATH_MAX)
		return mp_fail(err, MP_ELIMIT, "the state directory's path is too long");
	return 0;
}

int
mp_state_default(const char *option, char out[MP_PATH_MAX + 1], struct mp_error *err)
{
	const char *env = getenv("MP_STATE"), *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (option != NULL && option[0] == '\0')
		return mp_fail(err, MP_EUSAGE, "--state needs the name of a folder");
	if (option != NULL)
		return put_path(out, option, "", err);
	if (env != NULL && env[0] != '\0')
		return put_path(out, env, "", err);
	if (geteuid() == 0)
		return put_path(out, "/var/lib/meshpipe", "", err);
	if (xdg != NULL && xdg[0] == '/')
		return put_path(out, xdg, "/meshpipe", err);
	if (home != NULL && home[0] != '\0')
		return put_path(out, home, "/.local/state/meshpipe", err);
	return mp_fail(err, MP_EUSAGE, "neither --state nor $HOME says where the node is");
}

/* ---- opening ---- */

/* Removes so many folders, the last one first, that must be empty. */
static void
remove_dirs(const char *dir, uint32_t count)
{
	char path[MP_PATH_MAX + 1];
	char *slash = path;

	memcpy(path, dir, strlen(dir) + 1);
	while (count-- > 0 && slash != NULL && rmdir(path) == 0) {
		slash = strrchr(path, '/');
		if (slash != NULL)
			*slash = '\0';
	}
}

/* *made: how many of them there were not. */
static int
make_dirs(const char *dir, uint32_t *made, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1], *slash;
	size_t n = strlen(dir);

	memcpy(path, dir, n + 1);
	for (size_t i = 1; i <= n; i++) {
		int rc;

		if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0700) == 0) {
			(*made)++;
		} else if (errno != EEXIST) {
			rc = mp_fail(err, errno == ENOSPC ? MP_EFULL : MP_EAUTH,
				"%s: cannot make the directory: %s; give another one with --state",
				path, strerror(errno));
			slash = strrchr(path, '/');
			if (slash != NULL)
				*slash = '\0';
			remove_dirs(path, *made);
			return rc;
		}
		path[i] = i < n ? '/' : '\0';
	}
	return 0;
}

/* What a start that was cut short may leave, and what a fresh file system holds, do not count. */
static bool
is_clutter(const char *name)
{
	static const char *const clutter[] = {
		".", "..", MARKER ".new", "lock", "lost+found", SETTINGS};

	for (size_t i = 0; i < mp_countof(clutter); i++) {
		if (strcmp(name, clutter[i]) == 0)
			return true;
	}
	return false;
}

static bool
dir_is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	bool empty = true;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	while (empty && (e = readdir(d)) != NULL)
		empty = is_clutter(e->d_name);
	(void)closedir(d);
	return empty;
}

static int
check_marker(struct mp_state *state, struct mp_error *err)
{
	char text[64];
	struct stat st;
	size_t n;
	int rc = mp_state_read(state, MARKER, text, sizeof(text), &n, err);

	if (rc == MP_ENOENT) {
		if (!dir_is_empty(state->dir_fd))
			return mp_fail(err, MP_EEXIST,
				"%s: holds other things and is no state directory of meshpipe; "
				"give an empty one with --state",
				state->dir);
		if (fstat(state->dir_fd, &st) != 0 || fchmod(state->dir_fd, 0700) != 0)
			return fail_errno(err, state, ".");
		state->mode_before = st.st_mode & 07777;
		state->fresh = true;
		return mp_state_write(state, MARKER, MARKER_TEXT, strlen(MARKER_TEXT), err);
	}
	if (rc != 0)
		return rc;
	if (n != strlen(MARKER_TEXT) || memcmp(text, MARKER_TEXT, n) != 0)
		return mp_fail(err, MP_EVERSION,
			"%s: was made by another version of meshpipe, which this one cannot read",
			state->dir);
	return 0;
}

/* ---- the lock ---- */

/* Who has the lock; 0: that is not known. */
static pid_t
lock_holder(const struct mp_state *state)
{
	char text[32] = "";
	ssize_t n = pread(state->lock_fd, text, sizeof(text) - 1, 0);

	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int
lock_busy(const struct mp_state *state, pid_t holder, bool alive, struct mp_error *err)
{
	if (alive && holder > 0)
		return mp_fail(err, MP_EBUSY, "%s: in use by process %ld; stop it first",
			state->dir, (long)holder);
	return mp_fail(err, MP_EBUSY,
		"%s: in use by what is left of another mpnode; stop its processes first",
		state->dir);
}

/* The executor of a node that was killed holds the lock until its children are gone. */
static int
take_lock(struct mp_state *state, struct mp_error *err)
{
	struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
	char text[32];
	int n;

	state->lock_fd =
		openat(state->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (state->lock_fd < 0)
		return fail_errno(err, state, "lock");
	for (long waited = 0; flock(state->lock_fd, LOCK_EX | LOCK_NB) != 0;
		waited += LOCK_PAUSE_MS) {
		pid_t holder = lock_holder(state);
		bool alive = holder <= 0 || kill(holder, 0) == 0 || errno == EPERM;

		if (waited >= (alive ? LOCK_ALIVE_MS : LOCK_GONE_MS))
			return lock_busy(state, holder, alive, err);
		(void)nanosleep(&pause, NULL);
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(state->lock_fd, 0) != 0 || pwrite(state->lock_fd, text, (size_t)n, 0) != n)
		return fail_errno(err, state, "lock");
	state->has_lock = true;
	/* Whoever had it before may have made what is here. */
	state->fresh = state->fresh && faccessat(state->dir_fd, "node.key", F_OK, 0) != 0;
	return 0;
}

/* ---- what is in it ---- */

static int
load_keys(struct mp_state *state, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	int rc;

	if (!mp_state_path(state, "node.key", path))
		return mp_fail(err, MP_ELIMIT, "%s: path too long", state->dir);
	rc = mp_key_load(&state->secret, MP_KEY_NODE, path, err);
	if (rc == MP_ENOENT && faccessat(state->dir_fd, "credential", F_OK, 0) == 0)
		return mp_fail(err, MP_ECORRUPT,
			"%s/node.key: is missing; put it back, or join with a new state directory",
			state->dir);
	if (rc == MP_ENOENT) {
		rc = mp_key_generate(&state->secret, MP_KEY_NODE);
		if (rc != 0)
			return mp_fail(err, rc, "cannot make a key: %s", mp_strerror(rc));
		rc = mp_key_save(state->secret, path, err);
	}
	if (rc != 0)
		return rc;
	mp_secret_public(state->secret, state->id.b);
	mp_secret_xkey(state->secret, &state->xkey);
	return 0;
}

#define NAME_APART_MAX (MP_NAME_MAX - 5)

/* ASCII letters, digits, '.', '_' and '-' of what the machine calls itself. */
static void
default_name(char *out, size_t size)
{
	char host[256] = "node";
	size_t n = 0;

	(void)gethostname(host, sizeof(host) - 1);
	for (const char *p = host; *p != '\0' && *p != '.' && n < size - 1; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');

		if (alnum || (n > 0 && (*p == '-' || *p == '_')))
			out[n++] = *p;
	}
	out[n] = '\0';
	if (n == 0)
		(void)snprintf(out, size, "node");
}

void
mp_state_name_apart(struct mp_state *state)
{
	size_t n = strnlen(state->name.s, NAME_APART_MAX);

	(void)snprintf(state->name.s + n, sizeof(state->name.s) - n, "-%02x%02x", state->id.b[0],
		state->id.b[1]);
}

/* The name is the one in the credential, when there is one. Another one may be given for the next
 * token, while the node is no member, or of its own cluster only. */
static int
choose_name(struct mp_state *state, const char *name, struct mp_error *err)
{
	bool other = name != NULL && strcmp(name, state->name.s) != 0;

	if (state->has_credential && !other)
		return 0;
	if (state->has_credential && !state->joining && !state->founder)
		return mp_fail(err, MP_EEXIST,
			"this node is called %s; its name is in its certificate and stays",
			state->name.s);
	if (name != NULL && !mp_node_name_valid(mp_span_str(name)))
		return mp_fail(err, MP_EINVAL,
			"--name %.150s: 1 to %d of A-Z a-z 0-9 . _ - are allowed, a letter or "
			"digit "
			"first",
			name, MP_NAME_MAX);
	state->renamed = state->has_credential;
	if (name != NULL)
		memcpy(state->name.s, name, strlen(name) + 1);
	else if (!state->waiting || !mp_node_name_valid(mp_span_str(state->name.s)))
		default_name(state->name.s, 64);
	return 0;
}

static int
load_credential(struct mp_state *state, struct mp_error *err)
{
	size_t n = 0;
	int rc = mp_state_read(
		state, "credential", state->credential, sizeof(state->credential), &n, err);

	/* It comes before all that a node does. */
	if (rc == MP_ENOENT && faccessat(state->dir_fd, "control.db", F_OK, 0) == 0)
		return mp_fail(err, MP_ECORRUPT,
			"%s/credential: is missing; put it back, or join with a new state "
			"directory",
			state->dir);
	if (rc == MP_ENOENT)
		return 0;
	state->credential_size = n;
	if (rc == 0)
		rc = mp_state_read_credential(state, err);
	state->has_credential = rc == 0;
	return rc;
}

static int
load_returned(struct mp_state *state, struct mp_error *err)
{
	char text[32];
	size_t n = 0;
	int rc = mp_state_read(state, "returned", text, sizeof(text) - 1, &n, err);

	if (rc == MP_ENOENT)
		return 0;
	text[n] = '\0';
	state->returned_ms = rc == 0 ? (mp_time)strtoll(text, NULL, 10) : 0;
	if (rc == 0 && state->returned_ms <= 0)
		return mp_fail(err, MP_ECORRUPT, "%s/returned: damaged", state->dir);
	/* Who founded the cluster and lost everything is a member as any other. */
	state->founder = state->founder && rc != 0;
	return rc;
}

static int
load_seeds(struct mp_state *state, struct mp_error *err)
{
	char text[MP_STATE_SEEDS_MAX * MP_STATE_SEED_SIZE + 1];
	size_t n = 0;
	int rc = mp_state_read(state, "joining", text, sizeof(text) - 1, &n, err);
	char *line, *rest = text;

	if (rc == MP_ENOENT)
		return 0;
	text[n] = '\0';
	/* Left by a token that was not taken whole, if this node founded its cluster. */
	state->joining = rc == 0 && state->has_credential && !state->founder;
	while (state->joining && state->seed_count < MP_STATE_SEEDS_MAX &&
		(line = strsep(&rest, "\n")) != NULL) {
		if (line[0] != '\0' && strlen(line) < MP_STATE_SEED_SIZE)
			memcpy(state->seeds[state->seed_count++], line, strlen(line) + 1);
	}
	return rc;
}

static int
load_port(struct mp_state *state, struct mp_error *err)
{
	char text[16] = "";
	size_t n = 0;
	int rc = mp_state_read(state, "port", text, sizeof(text) - 1, &n, err);
	unsigned long port = strtoul(text, NULL, 10);

	state->port = port <= UINT16_MAX ? (uint16_t)port : 0;
	return rc == MP_ENOENT ? 0 : rc;
}

/* Lines of KEY VALUE; a key that is not known is a newer version's. */
static int
load_network(struct mp_state *state, struct mp_error *err)
{
	char text[(1 + MP_ADDRS_MAX) * (MP_STATE_SEED_SIZE + 16)];
	struct mp_state_network *net = &state->network;
	size_t n = 0;
	int rc = mp_state_read(state, "network", text, sizeof(text) - 1, &n, err);
	char *line, *rest = text;

	if (rc != 0)
		return rc == MP_ENOENT ? 0 : rc;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *value = strchr(line, ' ');

		if (value == NULL || strlen(++value) >= MP_STATE_SEED_SIZE)
			continue;
		if (strncmp(line, "listen ", 7) == 0)
			memcpy(net->listen, value, strlen(value) + 1);
		else if (strcmp(line, "reach out") == 0)
			net->reach_out = true;
		else if (strcmp(line, "profile wan") == 0)
			net->wan = true;
		else if (strncmp(line, "advertise ", 10) == 0 &&
			 net->advertise_count < mp_countof(net->advertise))
			memcpy(net->advertise[net->advertise_count++], value, strlen(value) + 1);
	}
	return 0;
}

int
mp_state_open(const char *dir, const char *name, struct mp_state *out, struct mp_error *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	out->dir_fd = out->lock_fd = -1;
	if (mp_key_init() != 0)
		return mp_fail(err, MP_EBUG, "libsodium does not start");
	if (strlen(dir) > MP_PATH_MAX - 32)
		return mp_fail(err, MP_ELIMIT, "%s: path too long", dir);
	rc = make_dirs(dir, &out->made_dirs, err);
	if (rc != 0)
		return rc;
	out->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->dir_fd < 0 || realpath(dir, out->dir) == NULL)
		rc = mp_fail(err, errno == ENOTDIR ? MP_EEXIST : MP_EAUTH, "%s: %s", dir,
			strerror(errno));
	if (rc != 0 || (rc = check_marker(out, err)) != 0 || (rc = take_lock(out, err)) != 0 ||
		(rc = load_keys(out, err)) != 0 || (rc = load_credential(out, err)) != 0 ||
		(rc = load_returned(out, err)) != 0 || (rc = load_seeds(out, err)) != 0 ||
		(rc = mp_state_load_waiting(out, err)) != 0 ||
		(rc = choose_name(out, name, err)) != 0 || (rc = load_port(out, err)) != 0 ||
		(rc = load_network(out, err)) != 0)
		mp_state_abandon(out);
	return rc;
}

void
mp_state_close(struct mp_state *state)
{
	mp_secret_free(state->secret);
	state->secret = NULL;
	if (state->lock_fd >= 0)
		(void)close(state->lock_fd);
	if (state->dir_fd >= 0)
		(void)close(state->dir_fd);
	state->lock_fd = state->dir_fd = -1;
}

void
mp_state_abandon(struct mp_state *state)
{
	static const char *const files[] = {"node.key", "authority.key", "credential", "joining",
		"waiting", "port", "network", "control.db", "control.db-wal", "control.db-shm",
		"cache.db", "cache.db-wal", "cache.db-shm", "control.sock", MARKER, MARKER ".new",
		"lock"};

	/* Without the lock it may have become somebody else's. */
	if (state->fresh && state->has_lock) {
		(void)unlinkat(state->dir_fd, "work/.clean", AT_REMOVEDIR);
		(void)unlinkat(state->dir_fd, "work", AT_REMOVEDIR);
		for (size_t i = 0; i < mp_countof(files); i++)
			(void)unlinkat(state->dir_fd, files[i], 0);
		if (state->made_dirs == 0)
			(void)fchmod(state->dir_fd, state->mode_before);
		remove_dirs(state->dir, state->made_dirs);
	}
	mp_state_close(state);
}

int
mp_state_set_port(struct mp_state *state, uint16_t port, struct mp_error *err)
{
	char text[16];
	int n;

	if (state->port == port)
		return 0;
	state->port = port;
	n = snprintf(text, sizeof(text), "%u\n", port);
	return mp_state_write(state, "port", text, (size_t)n, err);
}

int
mp_state_keep_network(
	const struct mp_state *state, const struct mp_state_network *net, struct mp_error *err)
{
	char text[(1 + MP_ADDRS_MAX) * (MP_STATE_SEED_SIZE + 16)];
	size_t n = 0;

	if (net->listen[0] != '\0')
		n += (size_t)snprintf(text, sizeof(text), "listen %s\n", net->listen);
	for (size_t i = 0; i < net->advertise_count; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "advertise %s\n", net->advertise[i]);
	if (net->reach_out)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "reach out\n");
	if (net->wan)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "profile wan\n");
	return mp_state_write(state, "network", text, n, err);
}

int
mp_state_set_network(
	struct mp_state *state, const struct mp_state_network *net, struct mp_error *err)
{
	if (memcmp(net, &state->network, sizeof(*net)) == 0)
		return 0;
	state->network = *net;
	return mp_state_keep_network(state, net, err);
}

/* ---- what an operator says of it ---- */

int
mp_state_load_settings(const struct mp_state *state, struct mp_settings *out, struct mp_error *err)
{
	char *text = malloc(MP_SETTINGS_TEXT_MAX + 1);
	size_t n = 0;
	int rc = MP_ENOMEM;

	*out = (struct mp_settings){.slots = 0};
	if (text != NULL)
		rc = mp_state_read(state, SETTINGS, text, MP_SETTINGS_TEXT_MAX + 1, &n, err);
	else
		(void)mp_fail(err, rc, "out of memory");
	if (rc == 0 && (rc = mp_settings_parse(mp_span(text, n), out, err)) != 0)
		(void)mp_wrap(err, "%s/" SETTINGS, state->dir);
	free(text);
	return rc == MP_ENOENT ? 0 : rc;
}

int
mp_state_save_settings(
	const struct mp_state *state, const struct mp_settings *settings, struct mp_error *err)
{
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &mp_heap, MP_SETTINGS_TEXT_MAX);
	rc = mp_settings_format(settings, &buf);
	if (rc != 0)
		(void)mp_fail(err, rc, SETTINGS ": %s", mp_strerror(rc));
	else
		rc = mp_state_write(state, SETTINGS, buf.p, buf.n, err);
	mp_buf_fini(&buf);
	return rc;
}

int
mp_state_open_to(
	const struct mp_state *state, bool has_group, gid_t group, bool all, struct mp_error *err)
{
	static const char *const databases[] = {"control.db", "control.db-wal", "control.db-shm",
		"cache.db", "cache.db-wal", "cache.db-shm"};

	/* All other files are made so. */
	for (size_t i = 0; i < mp_countof(databases); i++) {
		if (fchmodat(state->dir_fd, databases[i], 0600, 0) != 0 && errno != ENOENT)
			return fail_errno(err, state, databases[i]);
	}
	if (has_group && fchown(state->dir_fd, (uid_t)-1, group) != 0)
		return mp_fail(err, MP_EAUTH, "%s: cannot be given to the control group: %s",
			state->dir, strerror(errno));
	if (fchmod(state->dir_fd, all ? 0711 : has_group ? 0710 : 0700) != 0)
		return fail_errno(err, state, ".");
	return 0;
}
