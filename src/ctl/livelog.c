/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/livelog.h"

#include <errno.h>
#include <stdlib.h>

#include "codec/msg_blob.h"
#include "codec/msg_ctl.h"
#include "ctl/blobs.h"
#include "ctl/products.h"

/* A line longer than this is printed in pieces. */
#define LINE_MAX_BYTES 65536
/* Of the last lines of a log so much is shown of each. */
#define LAST_LINE_MAX 400
/* What is asked of a running attempt at a time. */
#define TAIL_MAX   65536
#define PREFIX_MAX (MP_NAME_MAX + 4)

/* One stream of one module. */
struct stream {
	uint64_t at; /* bytes of it that were printed */
	struct mp_buf line;
};

struct module_log {
	uint64_t term; /* the attempt that `at` counts in */
	uint32_t counter;
	bool done;
	struct stream streams[2];
};

struct mp_livelog {
	struct mp_cmd_ctx *ctx;
	struct mp_livelog_config config;
	struct mp_run_id run;
	enum mp_run_state state;
	struct module_log *v;
	uint32_t count;
	int broken; /* errno of the first thing that could not be printed */
	struct mp_error err;
};

/* ---- printing ---- */

static void
print(struct mp_livelog *l, struct mp_span bytes)
{
	if (bytes.n > 0 && fwrite(bytes.p, 1, bytes.n, l->config.out) != bytes.n && l->broken == 0)
		l->broken = errno;
}

static void
print_flush(struct mp_livelog *l)
{
	if (fflush(l->config.out) != 0 && l->broken == 0)
		l->broken = errno;
}

static void
print_line(struct mp_livelog *l, const char *name, struct mp_span line)
{
	if (name != NULL) {
		print(l, mp_span_str(name));
		print(l, mp_span_str(" | "));
	}
	print(l, line);
	print(l, mp_span_str("\n"));
}

/* name NULL: as it is. */
static void
print_bytes(struct mp_livelog *l, struct stream *s, const char *name, struct mp_span bytes)
{
	s->at += bytes.n;
	if (name == NULL) {
		print(l, bytes);
		return;
	}
	while (bytes.n > 0) {
		const uint8_t *end = memchr(bytes.p, '\n', bytes.n);
		size_t n = end != NULL ? (size_t)(end - bytes.p) : bytes.n;
		bool over = mp_buf_append(&s->line, bytes.p, n) != 0;

		if (over) { /* too long to keep */
			print_line(l, name, mp_buf_span(&s->line));
			mp_buf_clear(&s->line);
			if (n >= LINE_MAX_BYTES)
				print_line(l, name, mp_span(bytes.p, n));
			else
				(void)mp_buf_append(&s->line, bytes.p, n);
		}
		if (end != NULL) {
			print_line(l, name, mp_buf_span(&s->line));
			mp_buf_clear(&s->line);
			n++;
		}
		bytes = mp_span(bytes.p + n, bytes.n - n);
	}
}

static void
print_rest(struct mp_livelog *l, struct module_log *ml, const char *name)
{
	for (size_t i = 0; i < 2; i++) {
		if (ml->streams[i].line.n > 0)
			print_line(l, name, mp_buf_span(&ml->streams[i].line));
		mp_buf_clear(&ml->streams[i].line);
	}
}

/* ---- where bytes come from ---- */

/* Is there more in the blob of a stream that has ended than was printed? */
static bool
has_more(const struct stream *s, const struct mp_show_log *log)
{
	return !mp_hash_is_zero(&log->blob) && (log->cut || s->at < log->size);
}

/* The blob, which was brought, holds all, or its beginning and its end. */
static int
print_blob(struct mp_livelog *l, struct stream *s, const char *name, const struct mp_show_log *log)
{
	uint64_t at = s->at, total = 0;
	struct mp_span bytes;
	int rc = 0;

	if (!has_more(s, log))
		return 0;
	if (log->cut && at > MP_OUTPUT_KEEP_MAX / 2) {
		rc = mp_blobs_read(l->ctx, &log->blob, 0, 1, &bytes, &total, &l->err);
		at = log->size - at < total ? total - (log->size - at) : 0;
	}
	do {
		if (rc == 0)
			rc = mp_blobs_read(
				l->ctx, &log->blob, at, MP_CTL_READ_MAX, &bytes, &total, &l->err);
		if (rc != 0)
			return rc;
		print_bytes(l, s, name, bytes);
		at += bytes.n;
	} while (at < total);
	s->at = log->size;
	return 0;
}

/* Of an attempt that runs, from its node. */
static int
print_tail(struct mp_livelog *l, struct stream *s, const char *name, uint32_t index,
	const struct mp_show_module *m, bool err)
{
	struct mp_log_piece piece = {.size = TAIL_MAX, .err = err};
	struct mp_span payload, bytes;
	struct mp_buf buf;
	uint64_t offset;
	int rc;

	piece.key.run = l->run;
	piece.key.attempt = (struct mp_attempt_id){
		.term = m->attempt_term, .module = index, .counter = m->attempt_counter};
	do {
		piece.offset = s->at;
		mp_buf_init(&buf, l->ctx->alloc, 256);
		rc = mp_ctl_log_encode(&buf, &m->node.id, &piece);
		rc = mp_cmd_call(l->ctx, rc, &buf, &payload, &l->err);
		if (rc == MP_ENOENT)
			return 0; /* it has just ended, or has not begun */
		if (rc != 0)
			return rc;
		if (mp_ctl_logged_decode(payload, &offset, &bytes) != 0 || offset < s->at)
			return mp_cmd_nonsense(l->ctx, MP_EFORMAT, &l->err);
		s->at = offset;
		print_bytes(l, s, name, bytes);
	} while (bytes.n > 0);
	return 0;
}

static bool
is_over(enum mp_module_state state)
{
	return state >= MP_MODULE_SUCCEEDED && state != MP_MODULE_MAYBE_RAN;
}

static int
print_module(
	struct mp_livelog *l, struct module_log *ml, uint32_t index, const struct mp_show_module *m)
{
	char prefix[PREFIX_MAX];
	const char *name = l->config.module == NULL ? prefix : NULL;
	int rc = 0;

	(void)snprintf(prefix, sizeof(prefix), "%.*s", (int)m->name.n, (const char *)m->name.p);
	if (m->attempt_term != ml->term || m->attempt_counter != ml->counter) {
		print_rest(l, ml, name);
		ml->term = m->attempt_term;
		ml->counter = m->attempt_counter;
		ml->streams[0].at = ml->streams[1].at = 0;
	}
	for (size_t i = 0; rc == 0 && i < 2; i++) {
		if ((l->config.streams & (1u << i)) == 0)
			continue;
		if (m->state != MP_MODULE_RUNNING)
			rc = print_blob(l, &ml->streams[i], name, i == 0 ? &m->out : &m->err);
		else
			rc = print_tail(l, &ml->streams[i], name, index, m, i == 1);
	}
	if (rc == 0 && is_over(m->state)) {
		print_rest(l, ml, name);
		ml->done = true;
	}
	return rc;
}

/* ---- a visit ---- */

static int
on_run(void *arg, const struct mp_show *show)
{
	struct mp_livelog *l = arg;

	l->state = show->state;
	l->run = show->run;
	if (l->v != NULL)
		return 0;
	l->v = calloc((size_t)show->module_count + 1, sizeof(*l->v));
	if (l->v == NULL)
		return mp_fail(&l->err, MP_ENOMEM, "out of memory");
	l->count = show->module_count;
	for (uint32_t i = 0; i < l->count; i++) {
		mp_buf_init(&l->v[i].streams[0].line, l->ctx->alloc, LINE_MAX_BYTES);
		mp_buf_init(&l->v[i].streams[1].line, l->ctx->alloc, LINE_MAX_BYTES);
	}
	return 0;
}

static int
want_streams(
	void *arg, struct mp_products_wanted *w, uint32_t index, const struct mp_show_module *m)
{
	static const struct stream fresh;
	struct mp_livelog *l = arg;
	const struct module_log *ml;
	int rc = 0;

	if (index >= l->count || l->v[index].done || m->state == MP_MODULE_RUNNING)
		return 0;
	ml = &l->v[index];
	for (size_t i = 0; rc == 0 && i < 2; i++) {
		const struct mp_show_log *log = i == 0 ? &m->out : &m->err;
		bool same = m->attempt_term == ml->term && m->attempt_counter == ml->counter;

		if ((l->config.streams & (1u << i)) != 0 &&
			has_more(same ? &ml->streams[i] : &fresh, log))
			rc = mp_products_want(w, m, &log->blob, MP_SIZE_UNKNOWN);
	}
	return rc;
}

static int
on_page(void *arg, const struct mp_show *page)
{
	struct mp_livelog *l = arg;

	return mp_products_bring(l->ctx, page, l->config.module, want_streams, l, &l->err);
}

static int
on_module(void *arg, uint32_t index, const struct mp_show_module *m)
{
	struct mp_livelog *l = arg;
	int rc;

	if (index >= l->count || l->v[index].done)
		return 0;
	rc = print_module(l, &l->v[index], index, m);
	/* Bytes that are lost or late are no reason to keep silent about the others. */
	if (rc == MP_ENOENT || rc == MP_ECORRUPT) {
		mp_cmd_error(l->ctx, "output of %.*s: %s", (int)m->name.n, (const char *)m->name.p,
			l->err.text);
		l->v[index].done = true;
		rc = 0;
	}
	return rc;
}

int
mp_livelog_new(
	struct mp_cmd_ctx *ctx, const struct mp_livelog_config *config, struct mp_livelog **out)
{
	struct mp_livelog *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return MP_ENOMEM;
	l->ctx = ctx;
	l->config = *config;
	*out = l;
	return 0;
}

int
mp_livelog_poll(struct mp_livelog *l, enum mp_run_state *state, struct mp_error *err)
{
	struct mp_visitor v = {.run = on_run, .page = on_page, .module = on_module, .arg = l};
	int rc;

	if (l->config.module != NULL)
		rc = mp_visit_one(l->ctx, l->config.run, l->config.module, &v, &l->err);
	else
		rc = mp_visit(l->ctx, l->config.run, &v, &l->err);
	print_flush(l);
	if (rc != 0)
		return mp_fail(err, rc, "%s", l->err.text);
	*state = l->state;
	return 0;
}

int
mp_livelog_broken(const struct mp_livelog *l)
{
	return l->broken;
}

void
mp_livelog_free(struct mp_livelog *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; i < l->count; i++) {
		print_rest(l, &l->v[i], NULL);
		mp_buf_fini(&l->v[i].streams[0].line);
		mp_buf_fini(&l->v[i].streams[1].line);
	}
	print_flush(l);
	free(l->v);
	free(l);
}

/* ---- the end of a log ---- */

int
mp_livelog_last_lines(struct mp_cmd_ctx *ctx, const struct mp_show_log *log, size_t lines,
	const char *indent, FILE *out, struct mp_error *err)
{
	struct mp_span bytes;
	uint64_t total;
	size_t start;
	int rc;

	if (mp_hash_is_zero(&log->blob))
		return 0;
	rc = mp_blobs_read(ctx, &log->blob, 0, 1, &bytes, &total, err);
	if (rc == 0)
		rc = mp_blobs_read(ctx, &log->blob,
			total > LINE_MAX_BYTES ? total - LINE_MAX_BYTES : 0, LINE_MAX_BYTES, &bytes,
			&total, err);
	if (rc != 0)
		return rc;
	while (bytes.n > 0 && bytes.p[bytes.n - 1] == '\n')
		bytes.n--;
	start = bytes.n;
	while (start > 0 && (bytes.p[start - 1] != '\n' || --lines > 0))
		start--;
	mp_w_lines(out, indent, mp_span(bytes.p + start, bytes.n - start), LAST_LINE_MAX);
	return 0;
}
