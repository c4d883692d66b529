/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "codec/msg_show.h"
#include "ctl/cmd.h"
#include "shell/state.h"
#include "util/hex.h"
#include "util/utf8.h"

MP_PRINTF(2, 0)
static void
say(const struct mp_cmd_ctx *ctx, const char *fmt, va_list ap)
{
	char text[4096];

	(void)fflush(stdout);
	if (ctx->cmd != NULL)
		(void)fprintf(stderr, "mpctl: %s: ", ctx->cmd->name);
	else
		(void)fputs("mpctl: ", stderr);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	mp_w_lines(stderr, "", mp_span_str(text), 0);
}

void
mp_cmd_error(const struct mp_cmd_ctx *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(ctx, fmt, ap);
	va_end(ap);
}

void
mp_cmd_note(const struct mp_cmd_ctx *ctx, const char *fmt, ...)
{
	va_list ap;

	if (ctx->quiet)
		return;
	va_start(ap, fmt);
	say(ctx, fmt, ap);
	va_end(ap);
}

static int
exit_of(int code)
{
	switch (code) {
	case MP_EPIPELINE:
		return MP_EXIT_PIPELINE;
	case MP_EREFUSED:
	case MP_ECLOSED:
	case MP_EBUSY:
	case MP_ENOQUORUM:
	case MP_ENOTLEADER:
		return MP_EXIT_NO_NODE;
	case MP_EAUTH:
	case MP_EEXPIRED:
	case MP_EREVOKED:
	case MP_EROLE:
	case MP_ESIG:
	case MP_ECLUSTER:
		return MP_EXIT_AUTH;
	case MP_ECANCELED:
		return MP_EXIT_CANCELLED;
	case MP_ETIMEOUT:
		return MP_EXIT_TIMEOUT;
	case MP_EUSAGE:
	case MP_EINVAL:
	case MP_ENOENT:
	case MP_EEXIST:
	case MP_ELIMIT:
	case MP_EUNSUPPORTED:
	case MP_EVERSION:
		return MP_EXIT_USAGE;
	default:
		return MP_EXIT_BUG;
	}
}

int
mp_cmd_fail(const struct mp_cmd_ctx *ctx, const struct mp_error *err)
{
	mp_cmd_error(ctx, "%s", err->text[0] != '\0' ? err->text : mp_strerror(err->code));
	return exit_of(err->code);
}

int
mp_cmd_done(struct mp_cmd_ctx *ctx, int code)
{
	struct mp_error err = {0};

	if (mp_writer_finish(ctx->writer, &err) == 0)
		return code;
	return mp_cmd_fail(ctx, &err);
}

/* ---- the node ---- */

int
mp_cmd_state_dir(struct mp_cmd_ctx *ctx, struct mp_error *err)
{
	return mp_state_default(ctx->state, ctx->state_dir, err);
}

int
mp_cmd_connect(struct mp_cmd_ctx *ctx, struct mp_error *err)
{
	int rc;

	if (ctx->connected && ctx->client.fd >= 0)
		return 0;
	mp_client_close(&ctx->client);
	ctx->connected = false;
	if (ctx->node != NULL && ctx->state != NULL)
		return mp_fail(err, MP_EUSAGE, "--state and --node: only one of them");
	if (ctx->node != NULL && ctx->identity == NULL)
		return mp_fail(err, MP_EUSAGE,
			"--node needs --identity FILE; mpctl identity new --out FILE makes one");
	if (ctx->node == NULL && ctx->identity != NULL)
		return mp_fail(err, MP_EUSAGE,
			"--identity goes with --node HOST:PORT: the node of this machine asks for "
			"none");
	if (ctx->node != NULL) {
		rc = mp_client_open_remote(&ctx->client, ctx->alloc, ctx->node, ctx->identity, err);
		ctx->connected = rc == 0;
		return rc;
	}
	rc = mp_cmd_state_dir(ctx, err);
	if (rc == 0)
		rc = mp_client_open(&ctx->client, ctx->alloc, ctx->state_dir, err);
	ctx->connected = rc == 0;
	return rc;
}

int
mp_cmd_call(struct mp_cmd_ctx *ctx, int rc, struct mp_buf *buf, struct mp_span *payload,
	struct mp_error *err)
{
	*payload = mp_span(NULL, 0);
	if (rc != 0)
		(void)mp_fail(err, rc, "request: %s", mp_strerror(rc));
	if (rc == 0)
		rc = mp_cmd_connect(ctx, err);
	ctx->client.stop = ctx->stop;
	ctx->client.deadline_ms = ctx->deadline_ms != 0 ? ctx->deadline_ms : MP_TIME_NEVER;
	if (rc == 0)
		rc = mp_client_call(&ctx->client, mp_buf_span(buf), payload, err);
	mp_buf_wipe(buf); /* secrets may be among it */
	mp_buf_fini(buf);
	return rc;
}

int
mp_cmd_nonsense(struct mp_cmd_ctx *ctx, int rc, struct mp_error *err)
{
	struct mp_ctl_local m = {.number = MP_CTL_INFO};
	struct mp_error why = {0};
	struct mp_span payload;
	struct mp_buf buf;
	char theirs[64];
	int known;

	mp_buf_init(&buf, ctx->alloc, 64);
	known = mp_ctl_local_encode(&buf, &m, NULL);
	known = mp_cmd_call(ctx, known, &buf, &payload, &why);
	if (known != 0 || mp_ctl_info_version(payload, theirs, sizeof(theirs)) != 0)
		return mp_fail(err, rc,
			"the node's answer makes no sense: is it of the version of this mpctl, "
			"%s? if not, take an mpctl of its version",
			MP_VERSION);
	if (strcmp(theirs, MP_VERSION) != 0)
		return mp_fail(err, MP_EVERSION,
			"the node's answer makes no sense: it is of version %s, and this mpctl of "
			"%s; take an mpctl of its version, or update the node and start it again",
			theirs, MP_VERSION);
	return mp_fail(err, rc,
		"the node's answer makes no sense: it says that it is of version %s, as this mpctl "
		"is; if it runs since before an update, start it again, else this is a bug",
		theirs);
}

void
mp_cmd_run_hex(char out[33], const struct mp_run_id *run)
{
	mp_hex(out, run->b, sizeof(run->b));
}

int
mp_cmd_run_name(
	struct mp_cmd_ctx *ctx, const char *arg, char out[MP_CMD_RUN_SIZE], struct mp_error *err)
{
	struct mp_show_run run, newest = {.submitted_ms = -1};
	struct mp_list list;
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	if (strcmp(arg, "last") != 0) {
		size_t n = strlen(arg);

		if (n == 0 || n > 32 || strspn(arg, "0123456789abcdefABCDEF") != n)
			return mp_fail(err, MP_EUSAGE,
				"'%.60s' is not the id of a run, the start of one, or 'last'", arg);
		for (size_t i = 0; i <= n; i++)
			out[i] = (char)(arg[i] >= 'A' && arg[i] <= 'F' ? arg[i] + 32 : arg[i]);
		return 0;
	}
	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_simple_encode(&buf, MP_CTL_RUNS, NULL);
	rc = mp_cmd_call(ctx, rc, &buf, &payload, err);
	if (rc != 0)
		return rc;
	rc = mp_show_list_decode(payload, &list);
	if (rc != 0)
		return mp_cmd_nonsense(ctx, rc, err);
	while (mp_show_list_next(&list, &run)) {
		if (run.submitted_ms > newest.submitted_ms)
			newest = run;
	}
	if (newest.submitted_ms < 0)
		return mp_fail(err, MP_ENOENT, "there are no runs yet");
	mp_cmd_run_hex(out, &newest.run);
	return 0;
}

void
mp_cmd_write_address(struct mp_writer *w, const struct mp_addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = memcmp(addr->ip, mapped, sizeof(mapped)) == 0;
	char ip[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];

	if (addr->port == 0 || inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr->ip + 12 : addr->ip, ip,
				       sizeof(ip)) == NULL) {
		mp_w_null(w, "address");
		return;
	}
	(void)snprintf(text, sizeof(text), v4 ? "%s:%u" : "[%s]:%u", ip, addr->port);
	mp_w_text(w, "address", text);
}

void
mp_cmd_who(char out[MP_NAME_MAX + 1])
{
	const struct passwd *pw = getpwuid(getuid());
	char host[65] = "";

	(void)gethostname(host, sizeof(host) - 1);
	if (pw != NULL)
		(void)snprintf(out, MP_NAME_MAX + 1, "%.60s@%.60s", pw->pw_name, host);
	else
		(void)snprintf(out, MP_NAME_MAX + 1, "uid %u@%.60s", (unsigned)getuid(), host);
	if (!mp_utf8_printable(mp_span_str(out)))
		(void)snprintf(out, MP_NAME_MAX + 1, "uid %u", (unsigned)getuid());
}
