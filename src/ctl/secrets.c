/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/secrets.h"

#include <stdlib.h>

#include "codec/msg_ctl.h"
#include "codec/record_secret.h"
#include "core/vault.h"
#include "ctl/commands.h"

/* Shorter values are found in what has nothing to do with them. */
#define SHORT_VALUE 4

int
mp_secrets_gather(struct mp_cmd_ctx *ctx, const struct mp_names_list *names, struct mp_buf *buf,
	struct mp_error *err)
{
	struct mp_secret_value v[MP_SECRETS_MAX];
	struct mp_names_list lacks;
	const char *missing[MP_SECRETS_MAX];
	char text[MP_ERROR_TEXT_MAX - 128];
	uint32_t n = 0;
	int rc;

	for (uint32_t i = 0; i < names->n && i < MP_SECRETS_MAX; i++) {
		const char *value = getenv(names->v[i]);

		if (value == NULL) {
			missing[n++] = names->v[i];
			continue;
		}
		v[i] = (struct mp_secret_value){mp_span_str(names->v[i]), mp_span_str(value)};
		if (v[i].value.n > MP_SECRET_VALUE_MAX)
			return mp_fail(err, MP_EUSAGE, "secret %s has more than %u bytes",
				names->v[i], MP_SECRET_VALUE_MAX);
		if (v[i].value.n > 0 && v[i].value.n < SHORT_VALUE)
			mp_cmd_note(ctx,
				"secret %s is so short that masking it makes logs hard to read",
				names->v[i]);
	}
	lacks = (struct mp_names_list){.v = missing, .n = n};
	mp_vault_names(&lacks, text, sizeof(text));
	if (n > 0)
		return mp_fail(err, MP_EUSAGE,
			"secrets that are not set in the environment: %s; nothing was sent", text);
	/* Room for all, so that no copy of a part is left behind. */
	rc = names->n == 0 ? 0 : mp_buf_reserve(buf, MP_SECRETS_ENCODED_MAX);
	if (rc == 0 && names->n > 0)
		rc = mp_secrets_encode(buf, v, names->n);
	if (rc == MP_ELIMIT)
		return mp_fail(err, MP_EUSAGE, "the secrets have more than %u bytes together",
			MP_SECRETS_BYTES_MAX);
	return rc == 0 ? 0 : mp_fail(err, rc, "secrets: %s", mp_strerror(rc));
}

/* ---- the command ---- */

static int
ask(struct mp_cmd_ctx *ctx, const char *run, struct mp_span values, char names[][MP_NAME_MAX + 1],
	size_t *n)
{
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, MP_MSG_MAX);
	rc = mp_ctl_secrets_encode(&buf, run, values);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &ctx->err);
	if (rc == 0 && (rc = mp_ctl_lacks_decode(payload, names, n)) != 0)
		rc = mp_cmd_nonsense(ctx, rc, &ctx->err);
	return rc;
}

static int
secrets_run(struct mp_cmd_ctx *ctx)
{
	static char names[MP_SECRETS_MAX][MP_NAME_MAX + 1];
	const char *list[MP_SECRETS_MAX];
	struct mp_names_list lacks = {.v = list};
	char run[MP_CMD_RUN_SIZE];
	struct mp_buf values;
	size_t n = 0;
	int rc = mp_cmd_run_name(ctx, ctx->args[0], run, &ctx->err);

	if (rc == 0)
		rc = ask(ctx, run, mp_span(NULL, 0), names, &n);
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	if (n == 0) {
		mp_cmd_note(ctx, "the run lacks no secrets");
		return MP_EXIT_DONE;
	}
	for (size_t i = 0; i < n; i++)
		list[i] = names[i];
	lacks.n = (uint32_t)n;
	mp_buf_init(&values, ctx->alloc, MP_SECRETS_ENCODED_MAX);
	rc = mp_secrets_gather(ctx, &lacks, &values, &ctx->err);
	if (rc == 0)
		rc = ask(ctx, run, mp_buf_span(&values), names, &n);
	mp_buf_wipe(&values);
	mp_buf_fini(&values);
	return rc != 0 ? mp_cmd_fail(ctx, &ctx->err) : MP_EXIT_DONE;
}

const struct mp_cmd mp_cmd_secrets = {
	.name = "secrets",
	.args = "RUN",
	.summary = "give a run its secrets again",
	.details =
		"When all nodes that had a run's secrets are lost for good, as after a takeover,\n"
		"the modules that take them wait: mpctl show says which ones. This takes the\n"
		"values from its own environment, like submit.\n",
	.args_min = 1,
	.args_max = 1,
	.run = secrets_run,
};
