/* SPDX-License-Identifier: Apache-2.0 */
/* MP_FX_ROWS_READ: rows of control.db, read on the thread pool. */
#include "shell/daemon_int.h"

#include <stdlib.h>

#include "shell/heap.h"

struct rows_work {
	uv_work_t req;
	struct mp_daemon *daemon;
	uint64_t token;
	enum mp_table table;
	struct mp_span from, to; /* in bytes */
	uint32_t size;
	struct mp_row *rows; /* keys and values by their place in data until all are here */
	size_t count, room;
	struct mp_buf data;
	bool more;
	int rc;
	struct mp_error err;
	uint8_t bytes[];
};

/* What on_row() returns when the piece is full; no code of error.h. */
#define ROWS_FULL 1

static int
on_row(void *ctx, const struct mp_row *row)
{
	struct rows_work *w = ctx;
	struct mp_row *rows;

	if (w->count > 0 && w->data.n + row->key.n + row->value.n > w->size) {
		w->more = true;
		return ROWS_FULL;
	}
	if (w->count == w->room) {
		w->room = w->room == 0 ? 64 : 2 * w->room;
		rows = realloc(w->rows, w->room * sizeof(*rows));
		if (rows == NULL)
			return mp_fail(&w->err, MP_ENOMEM, "out of memory");
		w->rows = rows;
	}
	w->rows[w->count] = *row;
	if (mp_buf_append(&w->data, row->key.p, row->key.n) != 0 ||
		mp_buf_append(&w->data, row->value.p, row->value.n) != 0)
		return mp_fail(&w->err, MP_ENOMEM, "out of memory");
	w->count++;
	return 0;
}

static void
on_work(uv_work_t *req)
{
	struct rows_work *w = mp_container_of(req, struct rows_work, req);
	const uint8_t *p;

	w->rc = mp_control_read(w->daemon->control, w->table, w->from, w->to, on_row, w, &w->err);
	if (w->rc == ROWS_FULL)
		w->rc = 0;
	p = w->data.p;
	for (size_t i = 0; i < w->count; i++) {
		w->rows[i].key.p = p;
		p += w->rows[i].key.n;
		w->rows[i].value.p = p;
		p += w->rows[i].value.n;
	}
}

static void
on_work_done(uv_work_t *req, int status)
{
	struct rows_work *w = mp_container_of(req, struct rows_work, req);
	struct mp_daemon *d = w->daemon;
	struct mp_event ev = {.kind = MP_EV_ROWS_READ};

	mp_daemon_work_done(d);
	if (status == 0) {
		if (w->rc != 0)
			mp_daemon_log(d, "%s", w->err.text);
		ev.u.rows_read.token = w->token;
		ev.u.rows_read.rc = w->rc;
		ev.u.rows_read.rows = w->rows;
		ev.u.rows_read.count = w->count;
		ev.u.rows_read.more = w->more;
		mp_daemon_event(d, &ev);
	}
	mp_buf_fini(&w->data);
	free(w->rows);
	free(w);
}

void
mp_daemon_read_rows(struct mp_daemon *d, const struct mp_effect *fx)
{
	struct mp_span from = fx->u.rows_read.from, to = fx->u.rows_read.to;
	struct rows_work *w = calloc(1, sizeof(*w) + from.n + to.n);

	if (w == NULL) {
		mp_daemon_no_memory(d);
		return;
	}
	w->daemon = d;
	w->token = fx->u.rows_read.token;
	w->table = fx->u.rows_read.table;
	w->size = fx->u.rows_read.size;
	memcpy(w->bytes, from.p, from.n);
	memcpy(w->bytes + from.n, to.p, to.n);
	w->from = mp_span(w->bytes, from.n);
	w->to = mp_span(w->bytes + from.n, to.n);
	mp_buf_init(&w->data, &mp_heap, SIZE_MAX);
	mp_daemon_work(d, &w->req, on_work, on_work_done);
}
