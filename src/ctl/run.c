/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>

#include "codec/msg_ctl.h"
#include "codec/tool.h"
#include "core/want.h"
#include "ctl/commands.h"
#include "ctl/embedded.h"
#include "ctl/follow.h"
#include "ctl/gather.h"
#include "ctl/submitter.h"
#include "mp/member.h"
#include "shell/caps_probe.h"
#include "shell/tools_probe.h"

#define CANCEL_MS 10000

static volatile sig_atomic_t interrupted;

/* The second time the usual happens. */
static void
on_signal(int signum)
{
	interrupted = 1;
	(void)signal(signum, SIG_DFL);
}

static void
catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: calls come back */

	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
}

/* So that nothing of the run is left behind in a state directory that stays. */
static void
cancel(struct mp_cmd_ctx *ctx, const char *run)
{
	struct mp_error err = {0};
	struct mp_span payload;
	struct mp_buf buf;
	int rc;

	interrupted = 0;
	ctx->deadline_ms = mp_client_now_ms() + CANCEL_MS;
	mp_buf_init(&buf, ctx->alloc, 1024);
	rc = mp_ctl_cancel_encode(&buf, run, "mpctl run");
	rc = mp_cmd_call(ctx, rc, &buf, &payload, &err);
	if (rc == 0) {
		mp_buf_init(&buf, ctx->alloc, 1024);
		rc = mp_ctl_simple_encode(&buf, MP_CTL_WAIT, run);
		(void)mp_cmd_call(ctx, rc, &buf, &payload, &err);
	}
}

static void
write_end(struct mp_cmd_ctx *ctx, const char *run, int code)
{
	mp_w_object(ctx->writer, NULL, NULL, 0);
	mp_w_text(ctx->writer, "run", run);
	mp_w_text(ctx->writer, "state",
		code == MP_EXIT_DONE        ? "succeeded"
		: code == MP_EXIT_FAILED    ? "failed"
		: code == MP_EXIT_CANCELLED ? "cancelled"
					    : NULL);
	mp_w_end(ctx->writer);
}

/* The node is there. */
static int
run_there(struct mp_cmd_ctx *ctx, struct mp_submitter *s, mp_time timeout_ms)
{
	const char *to = mp_cmd_value(ctx, "to");
	struct mp_follow_config config = {
		.timeout_ms = timeout_ms, .failures = true, .submitted = true, .ours = true};
	struct mp_run_id run;
	size_t files = 0;
	char hex[33];
	int code = mp_submitter_send(ctx, s, NULL, &run);

	if (code != MP_EXIT_DONE)
		return code;
	mp_cmd_run_hex(hex, &run);
	config.run = hex;
	config.logs = mp_cmd_has(ctx, "follow") ? stderr : NULL;
	code = mp_follow(ctx, &config);
	if (code == MP_EXIT_CANCELLED || code == MP_EXIT_TIMEOUT)
		cancel(ctx, hex);
	if (to != NULL && (code == MP_EXIT_DONE || code == MP_EXIT_FAILED)) {
		if (mp_gather(ctx, hex, NULL, to, &files, &ctx->err) == 0)
			mp_cmd_note(ctx, "%zu files are in %s", files, to);
		else if (code == MP_EXIT_DONE)
			code = mp_cmd_fail(ctx, &ctx->err);
		else
			(void)mp_cmd_fail(ctx, &ctx->err);
	}
	write_end(ctx, hex, code);
	return mp_cmd_done(ctx, code);
}

static int
take_options(struct mp_cmd_ctx *ctx, struct mp_settings *settings, mp_time *timeout_ms)
{
	const char *slots = mp_cmd_value(ctx, "slots");
	struct mp_error why = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ctx->given_count; i++) {
		if (strcmp(ctx->given[i].option->name, "tag") == 0)
			rc = mp_settings_tag(settings, ctx->given[i].value, true, &why);
	}
	if (rc != 0)
		return mp_fail(&ctx->err, MP_EUSAGE, "--tag: %s", why.text);
	if (slots != NULL)
		rc = mp_settings_slots(settings, slots, &why);
	if (rc != 0 || (settings->has_slots && settings->slots == 0))
		return mp_fail(
			&ctx->err, MP_EUSAGE, "--slots takes a number from 1 to %d", MP_SLOTS_MAX);
	return mp_follow_timeout(ctx, timeout_ms, &ctx->err);
}

/* To find them out takes a moment. */
static bool
asks_for_versions(const struct mp_graph *graph)
{
	for (uint32_t i = 0; i < graph->module_count; i++) {
		const struct mp_names_list *tools = &graph->modules[i].tools;

		for (uint32_t k = 0; k < tools->n; k++) {
			if (tools->v[k][mp_tool_name_size(tools->v[k])] != '\0')
				return true;
		}
	}
	return false;
}

/* Nobody else will ever come to run what this machine cannot. */
static int
check_placeable(
	struct mp_cmd_ctx *ctx, const struct mp_settings *settings, const struct mp_graph *graph)
{
	struct mp_caps *caps = calloc(1, sizeof(*caps));
	const struct mp_graph_module *first = NULL;
	struct mp_error lacks = {0};
	uint32_t count = 0;
	atomic_bool never = false;

	if (caps == NULL)
		return mp_fail(&ctx->err, MP_ENOMEM, "out of memory");
	mp_caps_probe(caps, NULL);
	mp_tools_find(caps, settings);
	if (asks_for_versions(graph))
		mp_tools_versions(caps, settings, false, &never);
	(void)mp_settings_apply(settings, caps, NULL);
	for (uint32_t i = 0; i < graph->module_count; i++) {
		const struct mp_graph_module *m = &graph->modules[i];

		if (mp_want_lacks(m, caps, first == NULL ? &lacks : NULL) == 0)
			continue;
		if (first == NULL)
			first = m;
		count++;
	}
	free(caps);
	if (first == NULL)
		return 0;
	return mp_fail(&ctx->err, MP_EUSAGE,
		"%s%s cannot run here: this machine lacks %.400s; --tag TAG says what it can do, "
		"tools are looked for in $PATH",
		first->name, count > 1 ? " and others" : "", lacks.text);
}

static int
run_run(struct mp_cmd_ctx *ctx)
{
	struct mp_settings settings = {.slots = 0};
	struct mp_embedded_config config = {.state = ctx->state, .options = &settings};
	struct mp_embedded node = {.pid = 0};
	struct mp_submitter s;
	mp_time timeout_ms;
	int code;

	if (take_options(ctx, &settings, &timeout_ms) != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	code = mp_submitter_prepare(ctx, &s, ctx->args[0]);
	if (code == MP_EXIT_DONE && check_placeable(ctx, &settings, s.loaded.graph) != 0)
		code = mp_cmd_fail(ctx, &ctx->err);
	if (code == MP_EXIT_DONE) {
		catch_signals();
		ctx->stop = &interrupted;
		if (mp_embedded_start(&node, &config, &ctx->err) != 0) {
			code = mp_cmd_fail(ctx, &ctx->err);
		} else {
			ctx->state = node.dir;
			code = run_there(ctx, &s, timeout_ms);
			mp_client_close(&ctx->client);
			ctx->connected = false;
			mp_embedded_stop(&node);
		}
	}
	mp_submitter_fini(&s);
	return code;
}

static const struct mp_option options[] = {
	MP_OPTION_PARAM,
	{"to", 0, "DIR", "write the outputs to DIR/MODULE/PATH"},
	{"follow", 'f', NULL, "print the modules' output on stderr as it comes"},
	{"slots", 0, "N", "modules at a time (default: processors)"},
	{"tag", 0, "TAG", "what this machine can do, for requires; repeatable"},
	MP_OPTION_TIMEOUT,
};

const struct mp_cmd mp_cmd_run = {
	.name = "run",
	.args = "FILE",
	.summary = "run a pipeline here, without a daemon",
	.details =
		"The same engine as a cluster of one, in a child of this process. Nothing is kept\n"
		"unless --state names a folder. When a module requires what this machine lacks,\n"
		"nothing is run.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = run_run,
};
