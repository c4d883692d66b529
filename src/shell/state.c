/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codec/cbor.h"
#include "codec/record_trust.h"
#include "codec/token.h"
#include "crypto/key.h"
#include "shell/heap.h"

#define MARKER         "meshpipe"
#define MARKER_TEXT    "meshpipe state 1\n"
#define FILE_MAX_BYTES 65536

/* ---- small files ---- */

static mp_time
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (mp_time)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
fail_errno(struct mp_error *err, const struct mp_state *state, const char *leaf)
{
	int code = errno == ENOSPC                                       ? MP_EFULL
		   : errno == EACCES || errno == EPERM || errno == EROFS ? MP_EAUTH
									 : MP_EIO;

	return mp_fail(err, code, "%s/%s: %s", state->dir, leaf, strerror(errno));
}

/* MP_ENOENT without a text when there is none. */
static int
file_read(const struct mp_state *state, const char *leaf, void *p, size_t size, size_t *n,
	struct mp_error *err)
{
	int fd = openat(state->dir_fd, leaf, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? MP_ENOENT : fail_errno(err, state, leaf);
	got = read(fd, p, size);
	(void)close(fd);
	if (got < 0)
		return fail_errno(err, state, leaf);
	*n = (size_t)got;
	return 0;
}

/* Whole and on disk, or not at all. */
static int
file_write(const struct mp_state *state, const char *leaf, const void *p, size_t n,
	struct mp_error *err)
{
	char temp[64];
	int fd;
	bool ok;

	(void)snprintf(temp, sizeof(temp), "%s.new", leaf);
	fd = openat(
		state->dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(err, state, leaf);
	ok = write(fd, p, n) == (ssize_t)n && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;
	if (!ok || renameat(state->dir_fd, temp, state->dir_fd, leaf) != 0)
		return fail_errno(err, state, leaf);
	(void)fsync(state->dir_fd);
	return 0;
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

int
mp_state_default(const char *option, char out[MP_PATH_MAX + 1], struct mp_error *err)
{
	const char *env = getenv("MP_STATE"), *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (option != NULL)
		n = snprintf(out, MP_PATH_MAX + 1, "%s", option);
	else if (env != NULL && env[0] != '\0')
		n = snprintf(out, MP_PATH_MAX + 1, "%s", env);
	else if (geteuid() == 0)
		n = snprintf(out, MP_PATH_MAX + 1, "/var/lib/meshpipe");
	else if (xdg != NULL && xdg[0] == '/')
		n = snprintf(out, MP_PATH_MAX + 1, "%s/meshpipe", xdg);
	else
		n = snprintf(
			out, MP_PATH_MAX + 1, "%s/.local/state/meshpipe", home != NULL ? home : "");
	if (n <= 0 || n > MP_PATH_MAX)
		return mp_fail(err, MP_ELIMIT, "the path of the state directory is too long");
	return 0;
}

/* ---- opening ---- */

static int
make_dirs(const char *dir, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	size_t n = strlen(dir);

	memcpy(path, dir, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return mp_fail(err, errno == ENOSPC ? MP_EFULL : MP_EAUTH,
				"%s: cannot make the directory: %s; give another one with --state",
				path, strerror(errno));
		path[i] = i < n ? '/' : '\0';
	}
	return 0;
}

static bool
dir_is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	bool empty = true;

	if (d == NULL)
		return false;
	while (empty && (e = readdir(d)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	(void)closedir(d);
	return empty;
}

static int
check_marker(struct mp_state *state, struct mp_error *err)
{
	char text[64];
	size_t n;
	int rc = file_read(state, MARKER, text, sizeof(text), &n, err);

	if (rc == MP_ENOENT) {
		if (!dir_is_empty(state->dir_fd))
			return mp_fail(err, MP_EEXIST,
				"%s: holds other things and is no state directory of meshpipe; "
				"give an "
				"empty one with --state",
				state->dir);
		return file_write(state, MARKER, MARKER_TEXT, strlen(MARKER_TEXT), err);
	}
	if (rc != 0)
		return rc;
	if (n != strlen(MARKER_TEXT) || memcmp(text, MARKER_TEXT, n) != 0)
		return mp_fail(err, MP_EVERSION,
			"%s: was made by another version of meshpipe, which this one cannot read",
			state->dir);
	return 0;
}

static int
take_lock(struct mp_state *state, struct mp_error *err)
{
	state->lock_fd =
		openat(state->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (state->lock_fd < 0)
		return fail_errno(err, state, "lock");
	if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return mp_fail(err, MP_EBUSY,
		"%s: in use by another mpnode, or by what is left of one; stop it first",
		state->dir);
}

static int
load_keys(struct mp_state *state, struct mp_error *err)
{
	char path[MP_PATH_MAX + 1];
	int rc;

	if (!mp_state_path(state, "node.key", path))
		return mp_fail(err, MP_ELIMIT, "%s: path too long", state->dir);
	rc = mp_key_load(&state->secret, MP_KEY_NODE, path, err);
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

static int
load_name(struct mp_state *state, const char *name, struct mp_error *err)
{
	size_t n = 0;
	int rc = file_read(state, "name", state->name.s, MP_NAME_MAX, &n, err);

	if (rc != 0 && rc != MP_ENOENT)
		return rc;
	state->name.s[n] = '\0';
	state->name.s[strcspn(state->name.s, "\n")] = '\0';
	if (rc == 0 && (name == NULL || strcmp(name, state->name.s) == 0))
		return 0;
	if (rc == 0)
		return mp_fail(err, MP_EEXIST,
			"this node is called %s; its name is in its certificate and stays",
			state->name.s);
	if (name != NULL && strlen(name) <= MP_NAME_MAX)
		memcpy(state->name.s, name, strlen(name) + 1);
	else
		default_name(state->name.s, 64);
	if (!mp_node_name_valid(mp_span_str(name != NULL ? name : state->name.s)))
		return mp_fail(err, MP_EINVAL,
			"--name %s: 1 to %d of A-Z a-z 0-9 . _ - are allowed, a letter or digit "
			"first",
			name, MP_NAME_MAX);
	return 0;
}

/* The authority log of a credential: its first item. */
static int
credential_authority(const struct mp_state *state, struct mp_authority *out, struct mp_error *err)
{
	struct mp_span log;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, mp_span(state->credential, state->credential_size));
	mp_cbor_r_array_exact(&r, 4);
	log = mp_cbor_r_item(&r);
	if (r.rc != 0)
		return mp_fail(err, MP_ECORRUPT, "%s/credential: is damaged", state->dir);
	return mp_authority_open(&mp_crypto_sodium, log, out, err);
}

static int
load_credential(struct mp_state *state, struct mp_error *err)
{
	struct mp_authority *authority;
	size_t n = 0;
	int rc = file_read(
		state, "credential", state->credential, sizeof(state->credential), &n, err);

	if (rc == MP_ENOENT)
		return 0;
	if (rc != 0)
		return rc;
	state->credential_size = n;
	authority = calloc(1, sizeof(*authority));
	if (authority == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	rc = credential_authority(state, authority, err);
	state->cluster = authority->cluster;
	free(authority);
	if (rc != 0)
		return mp_wrap(err, "%s/credential", state->dir);
	state->has_credential = true;
	return 0;
}

static int
load_rest(struct mp_state *state, struct mp_error *err)
{
	char text[16] = "";
	size_t n = 0;
	int rc = file_read(state, "port", text, sizeof(text) - 1, &n, err);

	if (rc != 0 && rc != MP_ENOENT)
		return rc;
	state->port = (uint16_t)strtoul(text, NULL, 10);
	state->founder = faccessat(state->dir_fd, "founder", F_OK, 0) == 0;
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
	rc = make_dirs(dir, err);
	if (rc != 0)
		return rc;
	if (realpath(dir, out->dir) == NULL)
		return mp_fail(err, MP_EIO, "%s: %s", dir, strerror(errno));
	out->dir_fd = open(out->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->dir_fd < 0)
		rc = mp_fail(err, MP_EAUTH, "%s: %s", dir, strerror(errno));
	if (rc != 0 || (rc = check_marker(out, err)) != 0 || (rc = take_lock(out, err)) != 0 ||
		(rc = load_keys(out, err)) != 0 || (rc = load_name(out, name, err)) != 0 ||
		(rc = load_credential(out, err)) != 0 || (rc = load_rest(out, err)) != 0)
		mp_state_close(out);
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

int
mp_state_set_port(struct mp_state *state, uint16_t port, struct mp_error *err)
{
	char text[16];
	int n;

	if (state->port == port)
		return 0;
	state->port = port;
	n = snprintf(text, sizeof(text), "%u\n", port);
	return file_write(state, "port", text, (size_t)n, err);
}

/* ---- clusters and tokens ---- */

static int
keep_credential(struct mp_state *state, struct mp_span bytes, struct mp_error *err)
{
	char name[MP_NAME_MAX + 2];
	int n = snprintf(name, sizeof(name), "%s\n", state->name.s);
	int rc = file_write(state, "name", name, (size_t)n, err);

	if (rc == 0)
		rc = file_write(state, "credential", bytes.p, bytes.n, err);
	if (rc != 0)
		return rc;
	memcpy(state->credential, bytes.p, bytes.n);
	state->credential_size = bytes.n;
	state->has_credential = true;
	return 0;
}

static struct mp_signer
signer_of(const struct mp_secret *secret)
{
	struct mp_signer s = {.secret = secret};

	mp_secret_public(secret, s.key);
	return s;
}

int
mp_state_found(struct mp_state *state, struct mp_error *err)
{
	struct mp_secret *authority = NULL, *inviter = NULL;
	struct mp_genesis genesis = {
		.xkey = state->xkey, .name = mp_span_str(state->name.s), .wall_ms = wall_ms()};
	char path[MP_PATH_MAX + 1];
	struct mp_buf buf;
	int rc = mp_key_generate(&authority, MP_KEY_SIGNING);

	mp_buf_init(&buf, &mp_heap, MP_CREDENTIAL_MAX);
	if (rc == 0)
		rc = mp_key_generate(&inviter, MP_KEY_SIGNING);
	if (rc != 0) {
		(void)mp_fail(err, rc, "cannot make keys: %s", mp_strerror(rc));
		goto out;
	}
	genesis.authority = signer_of(authority);
	genesis.inviter = signer_of(inviter);
	genesis.node = signer_of(state->secret);
	mp_key_random(genesis.nonce, sizeof(genesis.nonce));
	rc = mp_trust_genesis(&mp_crypto_sodium, &genesis, &state->cluster, &buf);
	if (rc != 0) {
		(void)mp_fail(err, rc, "cannot found a cluster: %s", mp_strerror(rc));
		goto out;
	}
	(void)mp_state_path(state, "authority.key", path);
	(void)unlink(path); /* of a founding that was cut short: nothing depends on it */
	rc = mp_key_save(authority, path, err);
	if (rc == 0)
		rc = file_write(state, "founder", "", 0, err);
	if (rc == 0)
		rc = keep_credential(state, mp_buf_span(&buf), err);
	state->founder = rc == 0;
out:
	mp_secret_free(authority);
	mp_secret_free(inviter);
	mp_buf_fini(&buf);
	return rc;
}

static int
token_join(struct mp_state *state, const struct mp_token *token, struct mp_error *err)
{
	struct mp_join_request request = {.log = token->log,
		.invite = token->invite_bytes,
		.xkey = state->xkey,
		.name = mp_span_str(state->name.s),
		.roles = token->invite.roles,
		.serial = 1,
		.wall_ms = wall_ms()};
	struct mp_secret *inviter = NULL;
	struct mp_buf buf;
	int rc = mp_secret_from_bytes(&inviter, token->seed, NULL);

	if (rc != 0)
		return mp_fail(err, rc, "token: %s", mp_strerror(rc));
	mp_buf_init(&buf, &mp_heap, MP_CREDENTIAL_MAX);
	request.inviter = signer_of(inviter);
	request.node = signer_of(state->secret);
	rc = mp_trust_join(&mp_crypto_sodium, &request, &buf, err);
	if (rc == 0)
		rc = keep_credential(state, mp_buf_span(&buf), err);
	if (rc == 0)
		state->cluster = token->authority.cluster;
	mp_secret_free(inviter);
	mp_buf_fini(&buf);
	return rc;
}

int
mp_state_take_token(struct mp_state *state, struct mp_span text, char seeds[][128], size_t seed_max,
	size_t *seed_count, struct mp_error *err)
{
	struct mp_token *token = calloc(1, sizeof(*token));
	struct mp_buf bytes;
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_buf_init(&bytes, &mp_heap, MP_TOKEN_MAX);
	rc = mp_token_decode(&mp_crypto_sodium, text, &bytes, token, err);
	if (rc == 0)
		rc = mp_invite_check_time(&token->invite, wall_ms(), err);
	if (rc == 0)
		rc = token_join(state, token, err);
	*seed_count = 0;
	for (size_t i = 0; rc == 0 && i < token->invite.seed_count && *seed_count < seed_max; i++) {
		struct mp_span s = token->invite.seeds[i];

		if (s.n >= 128)
			continue;
		memcpy(seeds[*seed_count], s.p, s.n);
		seeds[(*seed_count)++][s.n] = '\0';
	}
	if (bytes.p != NULL)
		mp_crypto_sodium.wipe(bytes.p, bytes.cap);
	mp_buf_fini(&bytes);
	mp_crypto_sodium.wipe(token, sizeof(*token));
	free(token);
	return rc;
}

static int
invite_make(const struct mp_state *state, const struct mp_secret *authority,
	struct mp_invite *invite, struct mp_buf *text, struct mp_error *err)
{
	struct mp_signer signer = signer_of(authority);
	struct mp_token *token = calloc(1, sizeof(*token));
	struct mp_secret *inviter = NULL;
	struct mp_buf signed_invite;
	int rc = token != NULL ? mp_key_generate(&inviter, MP_KEY_SIGNING) : MP_ENOMEM;

	mp_buf_init(&signed_invite, &mp_heap, MP_TOKEN_MAX);
	if (rc == 0) {
		mp_secret_public(inviter, invite->key);
		mp_secret_seed(inviter, token->seed);
		rc = credential_authority(state, &token->authority, err);
	}
	if (rc == 0 && !mp_authority_has(&token->authority, signer.key, MP_TIME_NEVER))
		rc = mp_fail(err, MP_EAUTH, "the authority key kept here is no longer one");
	if (rc == 0)
		rc = mp_invite_sign(&mp_crypto_sodium, invite, &signer, &signed_invite);
	if (rc == 0) {
		token->log = token->authority.log;
		token->invite_bytes = mp_buf_span(&signed_invite);
		rc = mp_token_encode(&mp_crypto_sodium, token, text);
	}
	if (rc != 0 && err->code == 0)
		(void)mp_fail(err, rc, "invite: %s", mp_strerror(rc));
	mp_buf_fini(&signed_invite);
	mp_secret_free(inviter);
	if (token != NULL)
		mp_crypto_sodium.wipe(token, sizeof(*token));
	free(token);
	return rc;
}

int
mp_state_invite(const struct mp_state *state, uint32_t roles, mp_time valid_ms,
	const char *const *seeds, size_t seed_count, struct mp_buf *text, struct mp_error *err)
{
	struct mp_invite invite = {.cluster = state->cluster,
		.roles = roles,
		.not_before_ms = wall_ms() - 60000, /* clocks differ a little */
		.seed_count = mp_min_size(seed_count, MP_INVITE_SEEDS_MAX)};
	struct mp_secret *authority = NULL;
	char path[MP_PATH_MAX + 1];
	int rc;

	(void)mp_state_path(state, "authority.key", path);
	rc = mp_key_load(&authority, MP_KEY_SIGNING, path, err);
	if (rc == MP_ENOENT)
		return mp_fail(err, rc,
			"no authority key is kept on this node; ask on the node that founded the "
			"cluster");
	if (rc != 0)
		return rc;
	invite.expires_ms = wall_ms() + valid_ms;
	for (size_t i = 0; i < invite.seed_count; i++)
		invite.seeds[i] = mp_span_str(seeds[i]);
	mp_key_random(invite.nonce, sizeof(invite.nonce));
	rc = invite_make(state, authority, &invite, text, err);
	mp_secret_free(authority);
	return rc;
}
