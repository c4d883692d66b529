/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/visit.h"

#include "codec/msg_ctl.h"
#include "util/hex.h"

#define PAGE_COUNT 65536u

/* What the node answers, borrowed until the next request. */
static int
ask_page(struct mp_cmd_ctx *ctx, const char *run, uint32_t from, uint32_t count,
	struct mp_span *payload, struct mp_error *err)
{
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, ctx->alloc, 256);
	rc = mp_ctl_page_encode(&buf, MP_CTL_SHOW, run, from, count);
	return mp_cmd_call(ctx, rc, &buf, payload, err);
}

static int
read_page(
	struct mp_cmd_ctx *ctx, struct mp_span payload, struct mp_show *show, struct mp_error *err)
{
	int rc = mp_show_decode(payload, show);

	return rc == 0 ? 0 : mp_cmd_nonsense(ctx, rc, err);
}

/* One page, in a buffer of its own so that the visitor may make other requests. */
static int
get_page(struct mp_cmd_ctx *ctx, const char *run, uint32_t from, uint32_t count,
	struct mp_buf *page, struct mp_show *show, struct mp_error *err)
{
	struct mp_span payload;
	int rc = ask_page(ctx, run, from, count, &payload, err);

	if (rc != 0)
		return rc;
	mp_buf_clear(page);
	rc = mp_buf_append(page, payload.p, payload.n);
	return rc == 0 ? read_page(ctx, mp_buf_span(page), show, err)
		       : mp_fail(err, rc, "%s", mp_strerror(rc));
}

int
mp_visit_head(struct mp_cmd_ctx *ctx, const struct mp_run_id *run, mp_time patience_ms,
	struct mp_show *show, struct mp_error *err)
{
	struct mp_span payload;
	char hex[33];
	int rc;

	mp_cmd_run_hex(hex, run);
	ctx->deadline_ms = mp_client_now_ms() + patience_ms;
	rc = ask_page(ctx, hex, 0, 0, &payload, err);
	ctx->deadline_ms = 0;
	return rc == 0 ? read_page(ctx, payload, show, err) : rc;
}

int
mp_visit(struct mp_cmd_ctx *ctx, const char *run, const struct mp_visitor *v, struct mp_error *err)
{
	uint32_t at = 0, total;
	struct mp_buf page;
	int rc = 0;

	mp_buf_init(&page, ctx->alloc, MP_MSG_MAX);
	do {
		struct mp_show_module m;
		struct mp_show show;
		uint32_t from = at;

		rc = get_page(ctx, run, at, v->module != NULL ? PAGE_COUNT : 0, &page, &show, err);
		if (rc != 0)
			break;
		total = v->module != NULL ? show.module_count : 0;
		if (show.from != from && total > 0 && from < total)
			rc = mp_cmd_nonsense(ctx, MP_EFORMAT, err);
		if (rc == 0 && from == 0 && v->run != NULL)
			rc = v->run(v->arg, &show);
		if (rc == 0 && v->module != NULL && v->page != NULL)
			rc = v->page(v->arg, &show);
		while (rc == 0 && v->module != NULL && mp_show_module_next(&show.modules, &m))
			rc = v->module(v->arg, at++, &m);
		if (rc == 0 && at == from && at < total)
			rc = mp_cmd_nonsense(ctx, MP_EFORMAT, err);
	} while (rc == 0 && at < total);
	mp_buf_fini(&page);
	return rc;
}

struct one {
	const struct mp_visitor *v;
	const char *name;
	bool found;
};

static int
one_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct one *one = arg;

	if (!mp_span_eq(m->name, mp_span_str(one->name)))
		return 0;
	one->found = true;
	return one->v->module(one->v->arg, index, m);
}

static int
one_run(void *arg, const struct mp_show *show)
{
	struct one *one = arg;

	return one->v->run != NULL ? one->v->run(one->v->arg, show) : 0;
}

static int
one_page(void *arg, const struct mp_show *show)
{
	struct one *one = arg;

	return one->v->page != NULL ? one->v->page(one->v->arg, show) : 0;
}

int
mp_visit_one(struct mp_cmd_ctx *ctx, const char *run, const char *module,
	const struct mp_visitor *visitor, struct mp_error *err)
{
	struct one one = {.v = visitor, .name = module};
	struct mp_visitor v = {.run = one_run, .page = one_page, .module = one_module, .arg = &one};
	int rc = mp_visit(ctx, run, &v, err);

	if (rc != 0 || one.found)
		return rc;
	return mp_fail(err, MP_ENOENT, "the run has no module '%.128s'", module);
}

const char *
mp_who(const struct mp_show_node *node, char out[MP_WHO_SIZE])
{
	if (node->name.p == NULL)
		return NULL;
	if (node->name.n > 0 && node->name.n < MP_WHO_SIZE) {
		memcpy(out, node->name.p, node->name.n);
		out[node->name.n] = '\0';
		return out;
	}
	mp_hex(out, node->id.b, 6);
	return out;
}

void
mp_w_who(struct mp_writer *w, const char *key, const char *id_key, const struct mp_show_node *node)
{
	char name[MP_WHO_SIZE];

	mp_w_text(w, key, mp_who(node, name));
	if (id_key == NULL)
		return;
	if (node->name.p == NULL)
		mp_w_null(w, id_key);
	else
		mp_w_hex(w, id_key, node->id.b, sizeof(node->id.b));
}
