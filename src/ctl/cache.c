/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"
#include "ctl/commands.h"

static int
cache_call(struct mp_cmd_ctx *ctx, enum mp_ctl_local_number number, const struct mp_hash *after,
	struct mp_span *payload)
{
	struct mp_ctl_local m = {.number = number};
	struct mp_buf buf;
	int rc;

	if (after != NULL)
		m.digest = *after;
	mp_buf_init(&buf, ctx->alloc, 64);
	rc = mp_ctl_local_encode(&buf, &m, NULL);
	return mp_cmd_call(ctx, rc, &buf, payload, &ctx->err);
}

static int
senseless(struct mp_cmd_ctx *ctx, int rc)
{
	return rc == 0 ? 0 : mp_cmd_nonsense(ctx, rc, &ctx->err);
}

static void
write_size(struct mp_writer *w, const char *key, uint64_t bytes)
{
	char text[MP_W_SHORT];

	mp_w_size(text, bytes);
	mp_w_uint(w, key, bytes);
	mp_w_show(w, key, "%s", text);
}

/* ---- stat ---- */

static int
cache_stat(struct mp_cmd_ctx *ctx)
{
	static const struct mp_column columns[] = {
		{"blobs", "blobs", false, 0},
		{"bytes", "their size", false, 0},
		{"results", "results", false, 0},
		{"result_bytes", "their size", false, 0},
		{"stored_bytes", "on disk", false, 0},
	};
	struct mp_writer *w = ctx->writer;
	struct mp_cache_totals totals;
	struct mp_span payload;
	int rc = cache_call(ctx, MP_CTL_CACHE_STAT, NULL, &payload);

	if (rc == 0)
		rc = senseless(ctx, mp_ctl_totals_decode(payload, &totals));
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_w_object(w, NULL, columns, mp_countof(columns));
	mp_w_uint(w, "blobs", totals.blobs);
	write_size(w, "bytes", totals.bytes);
	mp_w_uint(w, "results", totals.results);
	write_size(w, "result_bytes", totals.result_bytes);
	write_size(w, "stored_bytes", totals.stored);
	mp_w_end(w);
	return mp_cmd_done(ctx, MP_EXIT_DONE);
}

/* ---- check ---- */

struct checking {
	uint64_t blobs;
	uint64_t bytes;
	uint64_t damaged;
};

/* All blobs, part by part; those that are damaged go into the writer's list. */
static int
check_blobs(struct mp_cmd_ctx *ctx, struct checking *c)
{
	struct mp_cache_checked part = {.more = true};
	int rc = 0;

	while (rc == 0 && part.more) {
		struct mp_span payload;

		rc = cache_call(ctx, MP_CTL_CACHE_BLOBS, &part.last, &payload);
		if (rc == 0)
			rc = senseless(ctx, mp_ctl_checked_decode(payload, &part));
		if (rc != 0)
			break;
		c->blobs += part.blobs;
		c->bytes += part.bytes;
		c->damaged += part.damaged_count;
		for (size_t i = 0; i < part.damaged_count; i++)
			mp_w_hex(ctx->writer, NULL, part.damaged[i].b, sizeof(part.damaged[i].b));
	}
	return rc;
}

/* What was wrong, on stderr; the exit code. */
static int
check_verdict(
	const struct mp_cmd_ctx *ctx, const struct mp_cache_sound *sound, const struct checking *c)
{
	if (sound->wrong[0] != '\0')
		mp_cmd_error(ctx,
			"cache.db is damaged: %s; stop the node and move the file away, with those "
			"beside it that end in -wal and -shm",
			sound->wrong);
	if (c->damaged > 0)
		mp_cmd_error(ctx,
			"%llu blobs were damaged: they are forgotten, and are fetched or made "
			"again",
			(unsigned long long)c->damaged);
	if (sound->damaged > 0)
		mp_cmd_error(ctx, "%llu results of earlier runs were damaged: they are forgotten",
			(unsigned long long)sound->damaged);
	return sound->wrong[0] != '\0' || c->damaged > 0 || sound->damaged > 0 ? MP_EXIT_FAILED
									       : MP_EXIT_DONE;
}

static int
cache_check(struct mp_cmd_ctx *ctx)
{
	static const struct mp_column columns[] = {
		{"database", "database", false, 0},
		{"blobs", "blobs", false, 0},
		{"bytes", "their size", false, 0},
		{"damaged_blobs", "damaged", false, 0},
		{"results", "results", false, 0},
		{"damaged_results", "damaged", false, 0},
	};
	struct mp_writer *w = ctx->writer;
	struct mp_cache_sound sound;
	struct checking c = {.blobs = 0};
	struct mp_span payload;
	int rc = cache_call(ctx, MP_CTL_CACHE_FILE, NULL, &payload);

	if (rc == 0)
		rc = senseless(ctx, mp_ctl_sound_decode(payload, &sound));
	if (rc != 0)
		return mp_cmd_fail(ctx, &ctx->err);
	mp_w_object(w, NULL, columns, mp_countof(columns));
	mp_w_text(w, "database", sound.wrong[0] == '\0' ? "sound" : "damaged");
	mp_w_uint(w, "results", sound.results);
	mp_w_uint(w, "damaged_results", sound.damaged);
	mp_w_list(w, "damaged", NULL, 0);
	rc = check_blobs(ctx, &c);
	mp_w_end(w);
	mp_w_uint(w, "blobs", c.blobs);
	write_size(w, "bytes", c.bytes);
	mp_w_uint(w, "damaged_blobs", c.damaged);
	mp_w_end(w);
	if (rc != 0)
		return mp_cmd_done(ctx, mp_cmd_fail(ctx, &ctx->err));
	return mp_cmd_done(ctx, check_verdict(ctx, &sound, &c));
}

static int
cache_run(struct mp_cmd_ctx *ctx)
{
	const char *what = ctx->arg_count > 0 ? ctx->args[0] : "stat";

	if (strcmp(what, "stat") == 0)
		return cache_stat(ctx);
	if (strcmp(what, "check") == 0)
		return cache_check(ctx);
	if (strcmp(what, "gc") == 0)
		mp_cmd_error(ctx, "gc is not available in this version");
	else
		mp_cmd_error(ctx, "%s is neither stat nor check", what);
	return MP_EXIT_USAGE;
}

const struct mp_cmd mp_cmd_cache = {
	.name = "cache",
	.args = "[stat|check]",
	.summary = "say what the node's cache holds, or check all of it",
	.details = "stat: how much there is, of blobs and of results that may be used again.\n"
		   "check: reads all of it and verifies it; what is damaged is forgotten, and the "
		   "exit\nstatus is 1.\n",
	.args_max = 1,
	.run = cache_run,
};
