/* SPDX-License-Identifier: Apache-2.0 */
/* MP_FX_LOG_READ: a piece of what a running attempt has written, read on the thread pool. */
#include "shell/daemon_int.h"

#include <stdlib.h>

#include "mp/limits.h"

struct log_work {
	uv_work_t req;
	struct mp_daemon *daemon;
	uint64_t token;
	uint64_t offset;
	size_t room;
	size_t got;
	int rc;
	char path[MP_PATH_MAX + 1];
	uint8_t bytes[];
};

static void
on_work(uv_work_t *req)
{
	struct log_work *w = mp_container_of(req, struct log_work, req);

	if (w->rc == 0)
		w->rc = mp_exec_log_read(w->path, &w->offset, w->bytes, w->room, &w->got);
}

static void
on_work_done(uv_work_t *req, int status)
{
	struct log_work *w = mp_container_of(req, struct log_work, req);
	struct mp_daemon *d = w->daemon;
	struct mp_event ev = {.kind = MP_EV_LOG_READ};

	mp_daemon_work_done(d);
	if (status == 0) {
		ev.u.log_read.token = w->token;
		ev.u.log_read.rc = w->rc;
		ev.u.log_read.offset = w->offset;
		ev.u.log_read.bytes = mp_span(w->bytes, w->got);
		mp_daemon_event(d, &ev);
	}
	free(w);
}

void
mp_daemon_read_log(struct mp_daemon *d, const struct mp_effect *fx)
{
	const struct mp_log_piece *piece = &fx->u.log_read.piece;
	struct log_work *w = malloc(sizeof(*w) + piece->size);

	if (w == NULL) {
		mp_daemon_no_memory(d);
		return;
	}
	w->daemon = d;
	w->token = fx->u.log_read.token;
	w->offset = piece->offset;
	w->room = piece->size;
	w->got = 0;
	w->rc = mp_exec_log_path(d->exec, &piece->key,
		piece->err ? MP_EXEC_LOG_ERR : MP_EXEC_LOG_OUT, w->path, sizeof(w->path));
	mp_daemon_work(d, &w->req, on_work, on_work_done);
}
