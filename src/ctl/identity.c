/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codec/token.h"
#include "crypto/key.h"
#include "shell/heap.h"
#include "util/fd.h"

/* ---- files ---- */

int
mp_file_read(const char *path, struct mp_buf *out, struct mp_error *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char chunk[4096];
	int rc = 0;
	size_t n;

	if (f == NULL)
		return mp_fail(err, errno == ENOENT ? MP_ENOENT : MP_EIO, "%.300s: %s", path,
			strerror(errno));
	while (rc == 0 && (n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		rc = mp_buf_append(out, chunk, n);
		if (rc != 0)
			(void)mp_fail(err, rc, "%.300s: %s", path, mp_strerror(rc));
	}
	if (rc == 0 && ferror(f) != 0)
		rc = mp_fail(err, MP_EIO, "%.300s: cannot be read", path);
	if (f != stdin)
		(void)fclose(f);
	return rc;
}

static int
beside(char out[MP_PATH_MAX + 16], const char *path, const char *end, struct mp_error *err)
{
	int n = snprintf(out, MP_PATH_MAX + 16, "%s.%s", path, end);

	return n > 0 && n < MP_PATH_MAX + 8 ? 0 : mp_fail(err, MP_ELIMIT, "the path is too long");
}

/* Whole, or as it was. */
static int
write_beside(const char *path, const char *end, struct mp_span bytes, struct mp_error *err)
{
	char to[MP_PATH_MAX + 16], temp[MP_PATH_MAX + 24];
	int rc = beside(to, path, end, err), fd;

	if (rc != 0)
		return rc;
	(void)snprintf(temp, sizeof(temp), "%s.new", to);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !mp_fd_write(fd, bytes) || fsync(fd) != 0 || rename(temp, to) != 0)
		rc = mp_fail(err, errno == ENOSPC ? MP_EFULL : MP_EIO, "%.300s: %s", to,
			strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int
read_beside(const char *path, const char *end, struct mp_buf *out, struct mp_error *err)
{
	char from[MP_PATH_MAX + 16];
	int rc = beside(from, path, end, err);

	return rc != 0 ? rc : mp_file_read(from, out, err);
}

static mp_time
wall_ms(void)
{
	return (mp_time)time(NULL) * 1000;
}

/* ---- making one ---- */

int
mp_identity_new(const char *path, const char *name, struct mp_error *err)
{
	struct mp_request request = {.person = true};
	struct mp_secret *secret = NULL;
	struct mp_signer self;
	struct mp_buf bytes;
	int rc;

	if (!mp_node_name_valid(mp_span_str(name)))
		return mp_fail(err, MP_EINVAL,
			"--name %.100s: 1 to %d of A-Z a-z 0-9 . _ - are allowed, a letter or "
			"digit first",
			name, MP_NAME_MAX);
	memcpy(request.name.s, name, strlen(name) + 1);
	mp_buf_init(&bytes, &mp_heap, MP_REQUEST_MAX);
	rc = mp_key_generate(&secret, MP_KEY_NODE);
	if (rc != 0)
		return mp_fail(err, rc, "cannot make a key: %s", mp_strerror(rc));
	self.secret = secret;
	mp_secret_public(secret, self.key);
	mp_secret_xkey(secret, &request.xkey);
	rc = mp_request_sign(&mp_crypto_sodium, &request, &self, &bytes);
	rc = rc != 0 ? mp_fail(err, rc, "request: %s", mp_strerror(rc))
		     : mp_key_save(secret, path, err);
	if (rc == 0)
		rc = write_beside(path, "request", mp_buf_span(&bytes), err);
	mp_secret_free(secret);
	mp_buf_fini(&bytes);
	return rc;
}

/* ---- reading one ---- */

static int
load_cluster(struct mp_identity *identity, struct mp_error *err)
{
	struct mp_buf bytes;
	int rc;

	mp_buf_init(&bytes, &mp_heap, sizeof(identity->cluster.b));
	rc = read_beside(identity->path, "cluster", &bytes, err);
	identity->pinned = rc == 0 && bytes.n == sizeof(identity->cluster.b);
	if (identity->pinned)
		memcpy(identity->cluster.b, bytes.p, bytes.n);
	else if (rc == 0)
		rc = mp_fail(err, MP_EFORMAT, "%.300s.cluster: is damaged", identity->path);
	mp_buf_fini(&bytes);
	return rc == MP_ENOENT ? 0 : rc;
}

static int
load_credential(struct mp_identity *identity, struct mp_error *err)
{
	struct mp_trust trust = {.crypto = &mp_crypto_sodium, .cluster = identity->cluster};
	struct mp_credential *c;
	int rc = read_beside(identity->path, "cert", &identity->credential, err);

	if (rc == MP_ENOENT)
		return 0;
	c = calloc(1, sizeof(*c));
	if (rc == 0 && c == NULL)
		rc = mp_fail(err, MP_ENOMEM, "out of memory");
	if (rc == 0)
		rc = mp_credential_verify(&trust, mp_buf_span(&identity->credential), c, err);
	if (rc == 0 && !mp_node_id_eq(&c->cert.id, &identity->who.id))
		rc = mp_fail(err, MP_EAUTH, "it is of another key");
	if (rc == 0) {
		identity->cert = c->cert;
		identity->expires_ms = c->invite.expires_ms;
	} else {
		(void)mp_wrap(err, "%.300s.cert", identity->path);
	}
	free(c);
	return rc;
}

int
mp_identity_open(struct mp_identity *out, const struct mp_alloc *alloc, const char *path,
	struct mp_error *err)
{
	struct mp_error why = {0};
	struct mp_node_id id;
	int rc;

	*out = (struct mp_identity){.pinned = false};
	mp_buf_init(&out->request, alloc, MP_REQUEST_MAX);
	mp_buf_init(&out->credential, alloc, MP_CREDENTIAL_MAX);
	if (strlen(path) > MP_PATH_MAX)
		return mp_fail(err, MP_ELIMIT, "the path of the identity is too long");
	memcpy(out->path, path, strlen(path) + 1);
	rc = mp_key_load(&out->secret, MP_KEY_NODE, path, &why);
	if (rc == MP_ENOENT)
		return mp_fail(err, MP_ENOENT,
			"%.300s: there is no such identity; mpctl identity new --out FILE makes "
			"one",
			path);
	if (rc == MP_EFORMAT) /* not ours to have made */
		rc = mp_fail(
			err, MP_EINVAL, "%s; mpctl identity new --out FILE makes one", why.text);
	else if (rc != 0)
		(void)mp_fail(err, rc, "%s", why.text);
	if (rc == 0)
		rc = read_beside(path, "request", &out->request, err);
	if (rc == 0)
		rc = mp_request_open(&mp_crypto_sodium, mp_buf_span(&out->request), &out->who, err);
	if (rc == 0) {
		mp_secret_public(out->secret, id.b);
		if (!mp_node_id_eq(&id, &out->who.id))
			rc = mp_fail(err, MP_EAUTH, "%.300s.request: is of another key", path);
	}
	if (rc == 0)
		rc = load_cluster(out, err);
	if (rc == 0 && out->pinned)
		rc = load_credential(out, err);
	if (rc != 0)
		mp_identity_close(out);
	return rc;
}

void
mp_identity_close(struct mp_identity *identity)
{
	mp_secret_free(identity->secret);
	identity->secret = NULL;
	mp_buf_fini(&identity->request);
	mp_buf_fini(&identity->credential);
}

/* ---- becoming one of a cluster ---- */

int
mp_identity_pin(
	struct mp_identity *identity, const struct mp_cluster_id *cluster, struct mp_error *err)
{
	int rc;

	if (identity->pinned && mp_cluster_id_eq(&identity->cluster, cluster))
		return 0;
	if (identity->pinned)
		return mp_fail(err, MP_ECLUSTER,
			"this identity is for cluster %02x%02x%02x%02x..., and the node is of "
			"%02x%02x%02x%02x...; make another identity for that one",
			identity->cluster.b[0], identity->cluster.b[1], identity->cluster.b[2],
			identity->cluster.b[3], cluster->b[0], cluster->b[1], cluster->b[2],
			cluster->b[3]);
	rc = write_beside(identity->path, "cluster", mp_span(cluster->b, sizeof(cluster->b)), err);
	identity->pinned = rc == 0;
	identity->cluster = *cluster;
	return rc;
}

static int
make_credential(const struct mp_identity *identity, const struct mp_token *token,
	struct mp_buf *out, struct mp_error *err)
{
	struct mp_join_request q = {.log = token->log,
		.invite = token->invite_bytes,
		.node = {.secret = identity->secret},
		.xkey = identity->who.xkey,
		.name = mp_span_str(identity->who.name.s),
		.roles = token->invite.roles,
		.serial = (uint64_t)wall_ms(),
		.wall_ms = wall_ms()};
	struct mp_secret *inviter = NULL;
	int rc = mp_secret_from_bytes(&inviter, token->seed, NULL);

	if (rc != 0)
		return mp_fail(err, rc, "token: %s", mp_strerror(rc));
	q.inviter.secret = inviter;
	mp_secret_public(inviter, q.inviter.key);
	memcpy(q.node.key, identity->who.id.b, sizeof(q.node.key));
	rc = mp_trust_join(&mp_crypto_sodium, &q, out, err);
	mp_secret_free(inviter);
	return rc;
}

int
mp_identity_accept(struct mp_identity *identity, struct mp_span text, struct mp_error *err)
{
	struct mp_token *token = calloc(1, sizeof(*token));
	struct mp_buf bytes, credential;
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_buf_init(&bytes, &mp_heap, MP_TOKEN_MAX);
	mp_buf_init(&credential, &mp_heap, MP_CREDENTIAL_MAX);
	rc = mp_token_decode(&mp_crypto_sodium, text, &bytes, token, err);
	if (rc == 0 && (token->invite.roles & MP_ROLE_NODE) != 0)
		rc = mp_fail(err, MP_EAUTH, "that token is for a node, not for an identity");
	if (rc == 0)
		rc = mp_invite_check_time(&token->invite, wall_ms(), err);
	if (rc == 0)
		rc = mp_identity_pin(identity, &token->invite.cluster, err);
	if (rc == 0)
		rc = make_credential(identity, token, &credential, err);
	if (rc == 0)
		rc = write_beside(identity->path, "cert", mp_buf_span(&credential), err);
	if (rc == 0) {
		mp_buf_clear(&identity->credential);
		rc = load_credential(identity, err);
	}
	if (bytes.p != NULL)
		mp_crypto_sodium.wipe(bytes.p, bytes.cap);
	mp_buf_fini(&bytes);
	mp_buf_fini(&credential);
	mp_crypto_sodium.wipe(token, sizeof(*token));
	free(token);
	return rc;
}
