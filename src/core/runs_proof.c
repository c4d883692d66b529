/* SPDX-License-Identifier: Apache-2.0 */
/* A run for who does not believe it (codec/msg_ctl_proof.h): records as they were signed. */
#include "codec/msg_ctl_proof.h"
#include "core/runs_int.h"

int
mp_runs_record(const struct mp_runs *runs, const struct mp_run_id *run, struct mp_buf *buf)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL || k->box == NULL || k->box->broken || k->box->loading)
		return MP_ENOENT;
	return mp_ctl_record_encode(buf, &(struct mp_ctl_record){.record = mp_buf_span(&k->record),
						 .pipeline = mp_buf_span(&k->box->pipeline),
						 .end = mp_buf_span(&k->end)});
}

/* An entry as it is on the disk, one item of the page. */
static int
entry_write(struct mp_cbor_w *w, const struct mp_alloc *alloc, const struct mp_entry *entry)
{
	struct mp_buf bytes;
	int rc;

	mp_buf_init(&bytes, alloc, MP_ENTRY_MAX);
	rc = mp_entry_encode(&bytes, entry);
	if (rc == 0)
		mp_cbor_w_span(w, mp_buf_span(&bytes));
	mp_buf_fini(&bytes);
	return rc != 0 ? rc : w->rc;
}

int
mp_runs_entries(
	const struct mp_runs *runs, const struct mp_run_id *run, uint64_t from, struct mp_buf *buf)
{
	const struct known *k = known_find(runs, run);
	const struct mp_run_box *box = k != NULL ? k->box : NULL;
	struct mp_raft_entry entry = {.index = 0}, at;
	struct mp_buf page;
	struct mp_cbor_w w;
	uint64_t i = from > 0 ? from : 1;
	size_t count = 0;
	int rc = 0;

	if (box == NULL || box->broken || box->loading)
		return MP_ENOENT;
	entry.hash = k->rec.hash;
	if (i > 1 && !mp_raft_entry_at(box->raft, i - 1, &entry))
		i = UINT64_MAX; /* nothing here is that long */
	mp_buf_init(&page, runs->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &page);
	for (; i <= box->cursor && rc == 0 && page.n < MP_SHOW_PAGE_BYTES &&
		mp_raft_entry_at(box->raft, i, &at);
		i++, count++) {
		rc = entry_write(&w, runs->alloc,
			&(struct mp_entry){.run = k->id,
				.index = at.index,
				.term = at.term,
				.kind = at.kind,
				.prev = entry.hash,
				.wall_ms = at.wall_ms,
				.body = at.body});
		entry = at;
	}
	mp_cbor_w_init(&w, buf);
	mp_ctl_proofs_begin(&w, i <= box->cursor ? i : 0, count);
	mp_cbor_w_raw(&w, mp_buf_span(&page));
	mp_buf_fini(&page);
	return rc != 0 ? rc : w.rc;
}
