/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "codec/record_revoke.h"
#include "crypto/key.h"
#include "ctl/commands.h"
#include "util/clock.h"
#include "util/hex.h"

/* Digits that a key is named by at least. */
#define KEY_DIGITS_MIN 8
#define KEY_HEX        64

/* ---- what other commands use ---- */

static int
own_path(struct mp_cmd_ctx *ctx, char out[MP_PATH_MAX + 32])
{
	int rc = mp_cmd_state_dir(ctx, &ctx->err);

	if (rc == 0)
		(void)snprintf(out, MP_PATH_MAX + 32, "%s/authority.key", ctx->state_dir);
	return rc;
}

static int
key_load(struct mp_cmd_ctx *ctx, const char *path, struct mp_secret **out)
{
	int rc = mp_key_init();

	return rc != 0 ? mp_fail(&ctx->err, rc, "%s", mp_strerror(rc))
		       : mp_key_load(out, MP_KEY_SIGNING, path, &ctx->err);
}

int
mp_cmd_authority_load(struct mp_cmd_ctx *ctx, struct mp_secret **out, struct mp_signer *signer)
{
	const char *file = mp_cmd_value(ctx, "authority");
	char own[MP_PATH_MAX + 32];
	int rc;

	if (file == NULL && ctx->node != NULL)
		return mp_fail(&ctx->err, MP_EAUTH,
			"this is signed here: give the file of the authority's key with "
			"--authority");
	rc = file == NULL ? own_path(ctx, own) : 0;
	if (rc == 0)
		rc = key_load(ctx, file != NULL ? file : own, out);
	if (rc == MP_ENOENT && file == NULL)
		return mp_fail(&ctx->err, MP_EAUTH,
			"no authority key is kept on this node; ask where one is, or give its "
			"file with --authority");
	if (rc == 0) {
		signer->secret = *out;
		mp_secret_public(*out, signer->key);
	}
	return rc;
}

int
mp_cmd_authority_take(
	struct mp_cmd_ctx *ctx, enum mp_ctl_trust what, struct mp_span record, bool rotate)
{
	uint8_t key[MP_SYMKEY_SIZE];
	struct mp_span payload;
	struct mp_buf buf;
	int rc = mp_key_init();

	if (rc == 0)
		mp_key_random(key, sizeof(key));
	mp_buf_init(&buf, ctx->alloc, MP_CTL_CHARTER_MAX + 128);
	if (rc == 0)
		rc = mp_ctl_trust_encode(&buf, what, record, rotate ? key : NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	mp_crypto_sodium.wipe(key, sizeof(key));
	return rc;
}

/* ---- keys as text ---- */

static bool
hex_digit(char c, uint8_t *v)
{
	if (c >= '0' && c <= '9')
		*v = (uint8_t)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*v = (uint8_t)(c - 'a' + 10);
	else
		return false;
	return true;
}

/* A public key, alone in its file, or the public half of a key file. */
static int
file_key(struct mp_cmd_ctx *ctx, const char *path, uint8_t key[32])
{
	struct mp_secret *secret = NULL;
	char text[KEY_HEX + 2];
	size_t n = 0;
	FILE *f = fopen(path, "re");
	int rc;

	if (f != NULL) {
		n = fread(text, 1, sizeof(text), f);
		(void)fclose(f);
	}
	if (n == KEY_HEX + 1 && text[KEY_HEX] == '\n')
		n--;
	if (mp_unhex(key, 32, mp_span(text, n)))
		return 0;
	rc = key_load(ctx, path, &secret);
	if (rc == 0)
		mp_secret_public(secret, key);
	mp_secret_free(secret);
	return rc;
}

static bool
key_begins(const uint8_t key[32], const char *text)
{
	for (size_t i = 0; text[i] != '\0'; i++) {
		uint8_t v;

		if (i == KEY_HEX || !hex_digit(text[i], &v) ||
			(i % 2 == 0 ? key[i / 2] >> 4 : key[i / 2] & 15) != v)
			return false;
	}
	return true;
}

/* ---- the log ---- */

struct charter {
	struct mp_buf bytes; /* what the others point into */
	struct mp_ctl_charter c;
	struct mp_authority a; /* the one that counts */
};

static int
charter_get(struct mp_cmd_ctx *ctx, struct charter *out)
{
	struct mp_span payload;
	struct mp_cbor_r logs;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&out->bytes, ctx->alloc, MP_MSG_MAX);
	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_CHARTER, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc == 0)
		rc = mp_buf_append(&out->bytes, payload.p, payload.n);
	if (rc == 0)
		rc = mp_ctl_charter_decode(mp_buf_span(&out->bytes), &out->c);
	if (rc == 0 && out->c.log_count == 0)
		rc = MP_EFORMAT;
	if (rc == 0)
		rc = mp_key_init();
	if (rc == 0) {
		logs = out->c.logs;
		rc = mp_authority_open(&mp_crypto_sodium, mp_cbor_r_item(&logs), &out->a, NULL);
	}
	if (rc != 0 && ctx->err.code == 0)
		rc = mp_cmd_nonsense(ctx, rc, &ctx->err);
	return rc;
}

int
mp_cmd_signing_open(struct mp_cmd_ctx *ctx, struct mp_cmd_signing *out)
{
	struct charter *c = mp_realloc(ctx->alloc, NULL, 0, sizeof(*c));
	int rc;

	*out = (struct mp_cmd_signing){.by = {.wall_ms = mp_clock_wall_ms()}};
	mp_buf_init(&out->log, ctx->alloc, MP_CTL_CHARTER_MAX);
	if (c == NULL)
		return mp_fail(&ctx->err, MP_ENOMEM, "out of memory");
	mp_buf_init(&c->bytes, ctx->alloc, MP_MSG_MAX);
	rc = mp_cmd_authority_load(ctx, &out->secret, &out->by.signer);
	if (rc == 0)
		rc = charter_get(ctx, c);
	if (rc == 0) {
		rc = mp_buf_append(&out->log, c->a.log.p, c->a.log.n);
		if (rc != 0)
			(void)mp_fail(&ctx->err, rc, "the authority's log: %s", mp_strerror(rc));
	}
	out->by.log = mp_buf_span(&out->log);
	mp_buf_fini(&c->bytes);
	mp_dealloc(ctx->alloc, c, sizeof(*c));
	return rc;
}

void
mp_cmd_signing_close(struct mp_cmd_signing *s)
{
	mp_secret_free(s->secret);
	mp_buf_fini(&s->log);
}

static int
change_fail(struct mp_cmd_ctx *ctx, int rc, const struct mp_authority_change *change)
{
	bool add = change->op == MP_AUTHORITY_ADD;

	switch (rc) {
	case MP_EEXIST:
		return mp_fail(&ctx->err, rc, "that key was added before; a removed one stays so");
	case MP_ENOENT:
		return mp_fail(&ctx->err, rc, "that key is no authority");
	case MP_EAUTH:
		return mp_fail(&ctx->err, rc,
			add ? "the key that signs is no authority, or no longer"
			    : "the key that signs is no authority, or the last one there is");
	default:
		return mp_fail(&ctx->err, rc, "%s", mp_strerror(rc));
	}
}

static int
change_make(struct mp_cmd_ctx *ctx, const struct charter *c, struct mp_authority_change *change)
{
	struct mp_secret *secret = NULL;
	struct mp_signer signer;
	struct mp_buf log;
	int rc = mp_cmd_authority_load(ctx, &secret, &signer);

	if (rc != 0)
		return rc;
	mp_buf_init(&log, ctx->alloc, MP_CTL_CHARTER_MAX);
	change->created_ms = mp_clock_wall_ms();
	rc = mp_authority_append(&mp_crypto_sodium, c->a.log, change, &signer, &log);
	mp_secret_free(secret);
	if (rc != 0)
		(void)change_fail(ctx, rc, change);
	else
		rc = mp_cmd_authority_take(ctx, MP_CTL_TRUST_AUTHORITY, mp_buf_span(&log), false);
	mp_buf_fini(&log);
	return rc;
}

static int
authority_add(struct mp_cmd_ctx *ctx, struct charter *c)
{
	struct mp_authority_change change = {.op = MP_AUTHORITY_ADD};
	int rc = file_key(ctx, ctx->args[1], change.key);

	if (rc == 0)
		rc = charter_get(ctx, c);
	return rc != 0 ? rc : change_make(ctx, c, &change);
}

static int
authority_remove(struct mp_cmd_ctx *ctx, struct charter *c)
{
	struct mp_authority_change change = {.op = MP_AUTHORITY_REMOVE};
	size_t found = 0;
	int rc = charter_get(ctx, c);

	if (rc != 0)
		return rc;
	if (strlen(ctx->args[1]) < KEY_DIGITS_MIN)
		return mp_fail(
			&ctx->err, MP_EUSAGE, "give at least %d digits of the key", KEY_DIGITS_MIN);
	for (size_t i = 0; i < c->a.key_count; i++) {
		if (!key_begins(c->a.keys[i].key, ctx->args[1]))
			continue;
		memcpy(change.key, c->a.keys[i].key, sizeof(change.key));
		found++;
	}
	if (found != 1)
		return mp_fail(&ctx->err, MP_ENOENT,
			found == 0 ? "no authority's key begins so; mpctl authority show lists them"
				   : "more than one key begins so");
	return change_make(ctx, c, &change);
}

/* ---- files ---- */

static int
print_key(struct mp_cmd_ctx *ctx, const struct mp_secret *secret)
{
	uint8_t key[32];
	char text[KEY_HEX + 2];

	mp_secret_public(secret, key);
	for (size_t i = 0; i < sizeof(key); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", key[i]);
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_text(ctx->writer, "key", text);
	mp_w_end(ctx->writer);
	text[KEY_HEX] = '\n';
	mp_w_raw(ctx->writer, mp_span(text, KEY_HEX + 1));
	return 0;
}

static int
authority_new(struct mp_cmd_ctx *ctx, const char *to)
{
	struct mp_secret *secret = NULL;
	int rc = mp_key_init();

	if (rc == 0)
		rc = mp_key_generate(&secret, MP_KEY_SIGNING);
	if (rc != 0)
		return mp_fail(&ctx->err, rc, "%s", mp_strerror(rc));
	rc = mp_key_save(secret, to, &ctx->err);
	if (rc == 0)
		rc = print_key(ctx, secret);
	mp_secret_free(secret);
	return rc;
}

static int
remove_own(struct mp_cmd_ctx *ctx, const char *path)
{
	int fd = open(ctx->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || unlink(path) != 0 || fsync(fd) != 0)
		(void)mp_fail(&ctx->err, errno == EACCES ? MP_EAUTH : MP_EIO, "remove %s: %s", path,
			strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return ctx->err.code;
}

/* It is elsewhere, whole and readable, before it goes. */
static int
authority_export(struct mp_cmd_ctx *ctx, const char *to)
{
	struct mp_secret *secret = NULL, *again = NULL;
	char own[MP_PATH_MAX + 32];
	uint8_t key[32], copy[32];
	int rc = own_path(ctx, own);

	if (rc == 0)
		rc = key_load(ctx, own, &secret);
	if (rc == MP_ENOENT)
		return mp_fail(&ctx->err, rc, "no authority key is kept on this node");
	if (rc == 0)
		rc = mp_key_save(secret, to, &ctx->err);
	if (rc == 0)
		rc = key_load(ctx, to, &again);
	if (rc == 0) {
		mp_secret_public(secret, key);
		mp_secret_public(again, copy);
		rc = memcmp(key, copy, sizeof(key)) == 0
			     ? remove_own(ctx, own)
			     : mp_fail(&ctx->err, MP_EIO, "%s: is not what was written", to);
	}
	mp_secret_free(secret);
	mp_secret_free(again);
	return rc;
}

/* ---- show ---- */

static const struct mp_column key_columns[] = {
	{"key", "KEY", false, 0},
	{"state", "STATE", false, 0},
	{"here", "HERE", false, 0},
};

static const struct mp_column revoked_columns[] = {
	{"key", "REVOKED", false, 0},
	{"revoked_ms", "WHEN", false, 0},
	{"reason", "REASON", false, 0},
};

/* Is it this key that the node keeps? */
static bool
own_key(struct mp_cmd_ctx *ctx, uint8_t key[32])
{
	struct mp_secret *secret = NULL;
	char own[MP_PATH_MAX + 32];
	struct mp_error before = ctx->err;
	bool here = own_path(ctx, own) == 0 && key_load(ctx, own, &secret) == 0;

	if (here)
		mp_secret_public(secret, key);
	mp_secret_free(secret);
	ctx->err = before;
	return here;
}

static void
show_keys(struct mp_cmd_ctx *ctx, const struct mp_authority *a)
{
	struct mp_writer *w = ctx->writer;
	uint8_t own[32];
	bool has = own_key(ctx, own);

	mp_w_list(w, "keys", key_columns, mp_countof(key_columns));
	for (size_t i = 0; i < a->key_count; i++) {
		const struct mp_authority_key *k = &a->keys[i];
		bool good = k->removed_ms == MP_TIME_NEVER;
		bool here = has && memcmp(own, k->key, sizeof(own)) == 0;

		mp_w_object(w, NULL, NULL, 0);
		mp_w_hex(w, "key", k->key, sizeof(k->key));
		mp_w_text(w, "state", good ? "good" : "removed");
		mp_w_time(w, "removed_ms", good ? 0 : k->removed_ms);
		mp_w_bool(w, "here", here);
		mp_w_show(w, "here", "%s", here ? "yes" : "");
		mp_w_end(w);
	}
	mp_w_end(w);
}

static int
authority_show(struct mp_cmd_ctx *ctx, struct charter *c)
{
	struct mp_writer *w = ctx->writer;
	int rc = charter_get(ctx, c);

	if (rc != 0)
		return rc;
	mp_w_object(w, NULL, NULL, 0);
	mp_w_hex(w, "cluster", c->c.cluster.b, sizeof(c->c.cluster.b));
	mp_w_uint(w, "entries", c->a.entry_count);
	mp_w_uint(w, "void_branches", c->c.log_count - 1);
	show_keys(ctx, &c->a);
	mp_w_list(w, "revoked", revoked_columns,
		c->c.revocation_count > 0 ? mp_countof(revoked_columns) : 0);
	for (size_t i = 0; rc == 0 && i < c->c.revocation_count; i++) {
		struct mp_revocation r;

		rc = mp_revocation_peek(mp_cbor_r_bytes(&c->c.revocations, MP_REVOCATION_MAX), &r);
		if (rc != 0)
			break;
		mp_w_object(w, NULL, NULL, 0);
		mp_w_hex(w, "key", r.subject.b, sizeof(r.subject.b));
		mp_w_span(w, "reason", r.why);
		mp_w_time(w, "revoked_ms", r.revoked_ms);
		mp_w_hex(w, "signer", r.signer, sizeof(r.signer));
		mp_w_end(w);
	}
	mp_w_end(w);
	mp_w_end(w);
	if (c->c.log_count > 1)
		mp_cmd_note(ctx,
			"two admins changed the log at once: of %zu branches this one "
			"counts; what only the others said is to be said again",
			c->c.log_count);
	return rc == 0 ? 0 : mp_cmd_nonsense(ctx, rc, &ctx->err);
}

/* ---- the command ---- */

static int
authority_do(struct mp_cmd_ctx *ctx, struct charter *c)
{
	const char *what = ctx->args[0], *to = mp_cmd_value(ctx, "to");
	bool takes = strcmp(what, "add-key") == 0 || strcmp(what, "remove-key") == 0;
	bool writes = strcmp(what, "new") == 0 || strcmp(what, "export") == 0;

	if (ctx->arg_count != 1 + (size_t)takes || (to != NULL) != writes)
		return mp_fail(&ctx->err, MP_EUSAGE,
			"it is: show, new --to FILE, add-key FILE, remove-key KEY, or export --to "
			"FILE");
	if (strcmp(what, "show") == 0)
		return authority_show(ctx, c);
	if (strcmp(what, "add-key") == 0)
		return authority_add(ctx, c);
	if (strcmp(what, "remove-key") == 0)
		return authority_remove(ctx, c);
	if (strcmp(what, "new") == 0)
		return authority_new(ctx, to);
	if (strcmp(what, "export") == 0)
		return authority_export(ctx, to);
	return mp_fail(&ctx->err, MP_EUSAGE, "'%.40s' is not what authority does", what);
}

static int
authority_run(struct mp_cmd_ctx *ctx)
{
	struct charter *c = mp_realloc(ctx->alloc, NULL, 0, sizeof(*c));
	int rc;

	if (c == NULL)
		rc = mp_fail(&ctx->err, MP_ENOMEM, "out of memory");
	else {
		mp_buf_init(&c->bytes, ctx->alloc, MP_MSG_MAX);
		rc = authority_do(ctx, c);
		mp_buf_fini(&c->bytes);
		mp_dealloc(ctx->alloc, c, sizeof(*c));
	}
	return mp_cmd_done(ctx, rc == 0 ? MP_EXIT_DONE : mp_cmd_fail(ctx, &ctx->err));
}

static const struct mp_option options[] = {
	{"to", 0, "FILE", "new, export: the file that is made, readable by its owner only"},
	MP_CMD_AUTHORITY_OPTION,
};

const struct mp_cmd mp_cmd_authority = {
	.name = "authority",
	.args = "show|new|add-key FILE|remove-key KEY|export",
	.summary = "see and change who may admit and revoke",
	.details =
		"show        the keys of the cluster, and what was revoked\n"
		"new         makes a key, and prints its public half\n"
		"add-key     lets the key of FILE sign too: a key file, or a public half in hex\n"
		"remove-key  takes that away from a key that was lost, for ever\n"
		"export      moves the key that this node keeps to FILE: nothing here can sign\n"
		"            then; what needs the key takes it by --authority FILE\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 2,
	.run = authority_run,
};
