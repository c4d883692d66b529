/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "util/fd.h"

/*
 * A key file is text, so that a person who meets one sees what it is:
 *
 *	meshpipe-key 1 node
 *	ed25519 64 hex digits (the seed)
 *	x25519 64 hex digits (node keys only)
 */
#define KEY_HEAD     "meshpipe-key "
#define KEY_FILE_MAX 256
#define HEX_SIZE     (2 * MP_KEY_SEED + 1)

static const char *const kind_name[] = {
	[MP_KEY_NODE] = "node",
	[MP_KEY_SIGNING] = "signing",
};

int
mp_key_init(void)
{
	return sodium_init() < 0 ? MP_EBUG : 0;
}

void
mp_key_random(void *p, size_t n)
{
	randombytes_buf(p, n);
}

int
mp_secret_from_bytes(struct mp_secret **out, const uint8_t ed25519_seed[MP_KEY_SEED],
	const uint8_t x25519[MP_KEY_SEED])
{
	struct mp_secret *s = sodium_malloc(sizeof(*s));
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];

	if (s == NULL)
		return MP_ENOMEM;
	memset(s, 0, sizeof(*s));
	(void)crypto_sign_seed_keypair(public_key, s->ed25519, ed25519_seed);
	s->kind = x25519 != NULL ? MP_KEY_NODE : MP_KEY_SIGNING;
	if (x25519 != NULL) {
		memcpy(s->x25519, x25519, sizeof(s->x25519));
		(void)crypto_scalarmult_base(s->xkey.b, s->x25519);
	}
	(void)sodium_mprotect_readonly(s);
	*out = s;
	return 0;
}

int
mp_key_generate(struct mp_secret **out, enum mp_key_kind kind)
{
	uint8_t seed[2][MP_KEY_SEED];
	int rc;

	randombytes_buf(seed, sizeof(seed));
	rc = mp_secret_from_bytes(out, seed[0], kind == MP_KEY_NODE ? seed[1] : NULL);
	sodium_memzero(seed, sizeof(seed));
	return rc;
}

void
mp_secret_free(struct mp_secret *secret)
{
	sodium_free(secret);
}

enum mp_key_kind
mp_secret_kind(const struct mp_secret *secret)
{
	return secret->kind;
}

void
mp_secret_public(const struct mp_secret *secret, uint8_t out[32])
{
	(void)crypto_sign_ed25519_sk_to_pk(out, secret->ed25519);
}

void
mp_secret_xkey(const struct mp_secret *secret, struct mp_xkey *out)
{
	mp_assert(secret->kind == MP_KEY_NODE);
	*out = secret->xkey;
}

void
mp_secret_seed(const struct mp_secret *secret, uint8_t out[MP_KEY_SEED])
{
	(void)crypto_sign_ed25519_sk_to_seed(out, secret->ed25519);
}

/* ---- files ---- */

static int
fail_errno(struct mp_error *err, int e, const char *what, const char *path)
{
	int code = e == ENOSPC || e == EDQUOT  ? MP_EFULL
		   : e == ENOENT               ? MP_ENOENT
		   : e == EEXIST               ? MP_EEXIST
		   : e == EACCES || e == EPERM ? MP_EAUTH
					       : MP_EIO;

	return mp_fail(err, code, "%s %s: %s", what, path, strerror(e));
}

static size_t
key_format(const struct mp_secret *s, char text[KEY_FILE_MAX])
{
	char ed[HEX_SIZE], x[HEX_SIZE];
	int n;

	(void)sodium_bin2hex(ed, sizeof(ed), s->ed25519, MP_KEY_SEED);
	(void)sodium_bin2hex(x, sizeof(x), s->x25519, MP_KEY_SEED);
	n = snprintf(text, KEY_FILE_MAX, KEY_HEAD "1 %s\ned25519 %s\n%s%s%s", kind_name[s->kind],
		ed, s->kind == MP_KEY_NODE ? "x25519 " : "", s->kind == MP_KEY_NODE ? x : "",
		s->kind == MP_KEY_NODE ? "\n" : "");
	sodium_memzero(ed, sizeof(ed));
	sodium_memzero(x, sizeof(x));
	mp_assert(n > 0 && n < KEY_FILE_MAX);
	return (size_t)n;
}

/* A new name is on disk once its directory is. */
static bool
sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	bool ok;
	int fd;

	if (slash == NULL)
		(void)snprintf(dir, sizeof(dir), ".");
	else
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	(void)close(fd);
	return ok;
}

int
mp_key_save(const struct mp_secret *secret, const char *path, struct mp_error *err)
{
	char tmp[PATH_MAX], text[KEY_FILE_MAX];
	size_t n;
	int fd, rc = 0;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return mp_fail(err, MP_EINVAL, "write key %s: the path is too long", path);
	fd = mkostemp(tmp, O_CLOEXEC); /* 0600 by contract */
	if (fd < 0)
		return fail_errno(err, errno, "write key", path);
	n = key_format(secret, text);
	if (!mp_fd_write(fd, mp_span(text, n)) || fsync(fd) != 0)
		rc = fail_errno(err, errno, "write key", path);
	sodium_memzero(text, sizeof(text));
	if (close(fd) != 0 && rc == 0)
		rc = fail_errno(err, errno, "write key", path);
	/* link, unlike rename, does not replace what is there. */
	if (rc == 0 && link(tmp, path) != 0)
		rc = fail_errno(err, errno, "write key", path);
	(void)unlink(tmp);
	if (rc == 0 && !sync_parent(path))
		rc = fail_errno(err, errno, "write key", path);
	return rc;
}

static int
check_owner(int fd, const char *path, struct mp_error *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail_errno(err, errno, "read key", path);
	if (!S_ISREG(st.st_mode))
		return mp_fail(err, MP_EFORMAT, "read key %s: not a regular file", path);
	if (st.st_uid != geteuid())
		return mp_fail(err, MP_EAUTH,
			"read key %s: it belongs to user %u, this process runs as %u; run: chown "
			"%u %s",
			path, (unsigned)st.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return mp_fail(err, MP_EAUTH,
			"read key %s: others than its owner may use it (mode %04o); run: chmod 600 "
			"%s",
			path, (unsigned)(st.st_mode & 07777), path);
	return 0;
}

static int
read_all(int fd, char text[KEY_FILE_MAX], size_t *n, const char *path, struct mp_error *err)
{
	*n = 0;
	while (*n < KEY_FILE_MAX) {
		ssize_t got = read(fd, text + *n, KEY_FILE_MAX - *n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(err, errno, "read key", path);
		if (got == 0)
			return 0;
		*n += (size_t)got;
	}
	return mp_fail(err, MP_EFORMAT, "read key %s: too long for a key file", path);
}

/* Steps over `want` at *p. */
static bool
take(const char **p, const char *end, const char *want)
{
	size_t n = strlen(want);

	if ((size_t)(end - *p) < n || memcmp(*p, want, n) != 0)
		return false;
	*p += n;
	return true;
}

static bool
take_hex(const char **p, const char *end, uint8_t out[MP_KEY_SEED])
{
	size_t n;

	if ((size_t)(end - *p) < HEX_SIZE - 1 ||
		sodium_hex2bin(out, MP_KEY_SEED, *p, HEX_SIZE - 1, NULL, &n, NULL) != 0 ||
		n != MP_KEY_SEED)
		return false;
	*p += HEX_SIZE - 1;
	return take(p, end, "\n");
}

static int
key_parse(struct mp_secret **out, const char *text, size_t n, enum mp_key_kind kind,
	struct mp_error *err)
{
	const char *p = text, *end = text + n;
	uint8_t seed[2][MP_KEY_SEED];
	bool node = kind == MP_KEY_NODE;
	int rc;

	if (!take(&p, end, KEY_HEAD))
		return mp_fail(err, MP_EFORMAT, "not a Meshpipe key file");
	if (!take(&p, end, "1 "))
		return mp_fail(err, MP_EVERSION, "written by a newer version");
	if (!take(&p, end, kind_name[kind]) || !take(&p, end, "\n"))
		return mp_fail(err, MP_EFORMAT, "not a %s key", kind_name[kind]);
	if (take(&p, end, "ed25519 ") && take_hex(&p, end, seed[0]) &&
		(!node || (take(&p, end, "x25519 ") && take_hex(&p, end, seed[1]))) && p == end) {
		rc = mp_secret_from_bytes(out, seed[0], node ? seed[1] : NULL);
		if (rc != 0)
			(void)mp_fail(err, rc, "%s", mp_strerror(rc));
	} else {
		rc = mp_fail(err, MP_EFORMAT, "the key file is damaged");
	}
	sodium_memzero(seed, sizeof(seed));
	return rc;
}

int
mp_key_load(struct mp_secret **out, enum mp_key_kind kind, const char *path, struct mp_error *err)
{
	char text[KEY_FILE_MAX];
	size_t n;
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fail_errno(err, errno, "read key", path);
	rc = check_owner(fd, path, err);
	if (rc == 0)
		rc = read_all(fd, text, &n, path, err);
	(void)close(fd);
	if (rc != 0)
		return rc;
	rc = key_parse(out, text, n, kind, err);
	sodium_memzero(text, sizeof(text));
	if (rc != 0)
		(void)mp_wrap(err, "read key %s", path);
	return rc;
}
