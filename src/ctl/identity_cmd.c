/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <time.h>
#include <unistd.h>

#include "codec/ctl_roles.h"
#include "codec/token.h"
#include "ctl/commands.h"
#include "ctl/identity.h"

static const struct mp_column columns[] = {
	{"name", "name", false, 0},
	{"fingerprint", "fingerprint", false, 0},
	{"cluster", "cluster", false, 0},
	{"roles", "roles", false, 0},
	{"expires_ms", "expires", false, 0},
};

static void
write_identity(struct mp_writer *w, const struct mp_identity *i)
{
	char roles[MP_ROLES_TEXT];

	mp_w_object(w, NULL, columns, mp_countof(columns));
	mp_w_text(w, "name", i->who.name.s);
	mp_w_hex(w, "fingerprint", i->who.id.b, sizeof(i->who.id.b));
	if (i->pinned)
		mp_w_hex(w, "cluster", i->cluster.b, sizeof(i->cluster.b));
	else
		mp_w_null(w, "cluster");
	if (i->credential.n > 0) {
		mp_roles_format(roles, i->cert.roles);
		mp_w_text(w, "roles", roles);
		mp_w_time(w, "expires_ms", i->expires_ms);
	} else {
		mp_w_null(w, "roles");
		mp_w_null(w, "expires_ms");
	}
	mp_w_end(w);
}

static int
make(struct mp_cmd_ctx *ctx, const char *path)
{
	const char *name = mp_cmd_value(ctx, "name");
	const struct passwd *pw = getpwuid(getuid());

	if (name == NULL && pw != NULL)
		name = pw->pw_name;
	return mp_identity_new(path, name != NULL ? name : "somebody", &ctx->err);
}

static int
accept_token(struct mp_cmd_ctx *ctx, struct mp_identity *identity)
{
	struct mp_buf text;
	int rc;

	if (ctx->arg_count < 2)
		return mp_fail(&ctx->err, MP_EUSAGE, "accept needs the file with the token");
	mp_buf_init(&text, ctx->alloc, MP_TOKEN_MAX);
	rc = mp_file_read(ctx->args[1], &text, &ctx->err);
	if (rc == 0)
		rc = mp_identity_accept(identity, mp_buf_span(&text), &ctx->err);
	mp_buf_fini(&text);
	return rc;
}

static int
identity_run(struct mp_cmd_ctx *ctx)
{
	bool fresh = strcmp(ctx->args[0], "new") == 0;
	bool accept = strcmp(ctx->args[0], "accept") == 0;
	const char *path = fresh ? mp_cmd_value(ctx, "out") : ctx->identity;
	struct mp_identity identity;
	int rc = 0;

	if (!fresh && !accept && strcmp(ctx->args[0], "show") != 0)
		rc = mp_fail(&ctx->err, MP_EUSAGE, "'%.40s': new, show or accept is expected",
			ctx->args[0]);
	else if (path == NULL)
		rc = mp_fail(&ctx->err, MP_EUSAGE,
			fresh ? "say where: --out FILE" : "say which: --identity FILE");
	else if (fresh)
		rc = make(ctx, path);
	if (rc == 0)
		rc = mp_identity_open(&identity, ctx->alloc, path, &ctx->err);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (accept)
		rc = accept_token(ctx, &identity);
	if (rc == 0)
		write_identity(ctx->writer, &identity);
	mp_identity_close(&identity);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (fresh)
		mp_cmd_note(ctx,
			"use it with --node HOST:PORT --identity %s; the first time it is shown to "
			"who may admit it, or send them %s.request",
			path, path);
	return mp_cmd_done(ctx, MP_EXIT_DONE);
}

static const struct mp_option options[] = {
	{"out", 0, "FILE", "new: where the keys are written"},
	{"name", 0, "NAME", "new: what it calls itself (default: your login name)"},
};

const struct mp_cmd mp_cmd_identity = {
	.name = "identity",
	.args = "new|show|accept [TOKENFILE]",
	.summary = "make or show the keys to control nodes from elsewhere",
	.details = "new --out FILE makes the keys and FILE.request, which proves them and is no\n"
		   "secret. show --identity FILE tells what it may do and until when. accept\n"
		   "--identity FILE TOKENFILE takes what mpctl admit --request printed.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 2,
	.run = identity_run,
};
