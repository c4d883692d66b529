/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/ctl_roles.h"
#include "codec/msg_ctl.h"
#include "crypto/key.h"
#include "ctl/authority.h"
#include "ctl/commands.h"
#include "ctl/identity.h"
#include "ctl/token.h"
#include "ctl/waiting.h"

/* Digits of a fingerprint that are enough: nobody makes a key that begins with so many of another
 * one's. */
#define DIGITS_MIN 32

static const struct mp_column columns[] = {
	{"name", "admitted", false, 0},
	{"fingerprint", "fingerprint", false, 0},
	{"roles", "roles", false, 0},
};

struct wanted {
	const char *digits;
	size_t count;
	bool twice;
	struct mp_request who;
	struct mp_buf request; /* empty: nobody */
};

static void
look(void *arg, const struct mp_cmd_waiting *w)
{
	struct wanted *wanted = arg;
	size_t n = strlen(wanted->digits);
	char hex[65];

	for (size_t i = 0; i < sizeof(w->who.id.b); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", w->who.id.b[i]);
	if (strncmp(hex, wanted->digits, n) != 0)
		return;
	if (wanted->request.n > 0) {
		wanted->twice = wanted->twice || !mp_node_id_eq(&wanted->who.id, &w->who.id);
		return;
	}
	wanted->who = w->who;
	(void)mp_buf_append(&wanted->request, w->request.p, w->request.n);
}

static int
find_waiting(struct mp_cmd_ctx *ctx, struct wanted *wanted)
{
	size_t n = strlen(wanted->digits);
	int rc;

	if (n < DIGITS_MIN || n > 64 || strspn(wanted->digits, "0123456789abcdef") != n)
		return mp_fail(&ctx->err, MP_EUSAGE,
			"a fingerprint is 64 hex digits, as the waiting node prints them; at "
			"least the first %d are needed",
			DIGITS_MIN);
	rc = mp_cmd_waiting(ctx, look, wanted);
	if (rc == 0 && wanted->request.n == 0)
		rc = mp_fail(&ctx->err, MP_ENOENT,
			"nobody with that fingerprint waits here; mpctl pending lists who does");
	if (rc == 0 && wanted->twice)
		rc = mp_fail(&ctx->err, MP_EEXIST,
			"more than one begins so; give the whole fingerprint");
	return rc;
}

static int
read_request(struct mp_cmd_ctx *ctx, const char *path, struct wanted *wanted)
{
	int rc = mp_file_read(path, &wanted->request, &ctx->err);

	if (rc == 0)
		rc = mp_request_open(
			&mp_crypto_sodium, mp_buf_span(&wanted->request), &wanted->who, &ctx->err);
	return rc;
}

/* The authority signs, and the nodes hold the token ready for it. */
static int
give(struct mp_cmd_ctx *ctx, struct mp_cmd_let_in *in, struct mp_buf *token)
{
	struct mp_span payload;
	struct mp_buf buf;
	int rc = mp_cmd_token(ctx, in, token);

	if (rc != 0)
		return rc;
	mp_buf_init(&buf, ctx->alloc, MP_CTL_TOKEN_MAX + 64);
	rc = mp_ctl_grant_encode(&buf, &in->who->id, mp_buf_span(token));
	return mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
}

static void
write_admitted(
	struct mp_cmd_ctx *ctx, const struct wanted *wanted, uint32_t roles, struct mp_span token)
{
	char text[MP_ROLES_TEXT];

	mp_roles_format(text, roles);
	mp_w_object(ctx->writer, NULL, mp_cmd_value(ctx, "request") != NULL ? NULL : columns,
		mp_cmd_value(ctx, "request") != NULL ? 0 : mp_countof(columns));
	mp_w_text(ctx->writer, "name", wanted->who.name.s);
	mp_w_hex(ctx->writer, "fingerprint", wanted->who.id.b, sizeof(wanted->who.id.b));
	mp_w_text(ctx->writer, "roles", text);
	mp_w_span(ctx->writer, "token", token);
	mp_w_end(ctx->writer);
	if (mp_cmd_value(ctx, "request") != NULL) {
		mp_w_raw(ctx->writer, token);
		mp_w_raw(ctx->writer, mp_span("\n", 1));
	}
}

static int
admit_run(struct mp_cmd_ctx *ctx)
{
	const char *file = mp_cmd_value(ctx, "request");
	struct wanted wanted = {.digits = ctx->arg_count > 0 ? ctx->args[0] : ""};
	struct mp_cmd_let_in in = {.who = &wanted.who};
	struct mp_buf token;
	int rc;

	mp_buf_init(&wanted.request, ctx->alloc, MP_REQUEST_MAX);
	mp_buf_init(&token, ctx->alloc, MP_CTL_TOKEN_MAX);
	if ((file != NULL) == (ctx->arg_count > 0))
		rc = mp_fail(&ctx->err, MP_EUSAGE, "say whom: a FINGERPRINT, or --request FILE");
	else if (file != NULL)
		rc = read_request(ctx, file, &wanted);
	else
		rc = find_waiting(ctx, &wanted);
	in.request = mp_buf_span(&wanted.request);
	if (rc == 0)
		rc = give(ctx, &in, &token);
	if (rc == 0)
		write_admitted(ctx, &wanted, in.roles, mp_buf_span(&token));
	mp_buf_fini(&wanted.request);
	mp_buf_fini(&token);
	return rc == 0 ? mp_cmd_done(ctx, MP_EXIT_DONE) : mp_cmd_fail(ctx, &ctx->err);
}

static const struct mp_option options[] = {
	{"request", 0, "FILE", "admit who made this request; prints a token for it"},
	{"role", 0, "ROLE", "node, submit, observe or admin; may be repeated"},
	{"expires", 0, "TIME", "until when a person may use it (30d), a node join (24h)"},
	MP_CMD_AUTHORITY_OPTION,
};

const struct mp_cmd mp_cmd_admit = {
	.name = "admit",
	.args = "[FINGERPRINT]",
	.summary = "let in a node or a person that waits",
	.details =
		"Needs the authority's key: on the node that founded the cluster, where the key\n"
		"was taken, or anywhere by --authority FILE. Compare the fingerprint with what the "
		"waiting one prints. A node\n"
		"then goes on by itself; so does mpctl, the next time that it is used with that\n"
		"identity. What is given is of use for that one key only.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 0,
	.args_max = 1,
	.run = admit_run,
};
