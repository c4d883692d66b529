/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, bodies of log entries, and the end of a run (codec/record_work.h). */
#include "codec/record_work.h"

#include "codec/record_run.h"
#include "codec/record_work_io.h"

/* ---- lists ---- */

void
mp_attempt_write(struct mp_cbor_w *w, const struct mp_attempt_id *id)
{
	mp_cbor_w_uint(w, id->module);
	mp_cbor_w_uint(w, id->term);
	mp_cbor_w_uint(w, id->counter);
}

void
mp_attempt_read(struct mp_cbor_r *r, struct mp_attempt_id *out)
{
	out->module = module_read(r);
	out->term = mp_cbor_r_uint(r, INT64_MAX);
	if (out->term == 0)
		reader_fail(r, MP_EFORMAT);
	out->counter = counter_read(r);
}

void
mp_list_read(struct mp_cbor_r *r, size_t max, struct mp_list *out,
	void (*element)(struct mp_cbor_r *r, void *scratch), void *scratch)
{
	size_t n = mp_cbor_r_array(r, max);

	out->r = *r;
	for (size_t i = 0; i < n && r->rc == 0; i++)
		element(r, scratch);
	out->left = r->rc == 0 ? n : 0;
}

static void
holder_read(struct mp_cbor_r *r, void *scratch)
{
	struct mp_node_id *id = scratch;

	mp_cbor_r_fixed(r, id->b, sizeof(id->b));
}

void
mp_holders_read(struct mp_cbor_r *r, struct mp_list *out)
{
	struct mp_node_id scratch;

	mp_list_read(r, MP_HOLDERS_MAX, out, holder_read, &scratch);
}

void
mp_holders_write(struct mp_cbor_w *w, const struct mp_node_id *holders, size_t n)
{
	if (n > MP_HOLDERS_MAX)
		n = MP_HOLDERS_MAX;
	mp_cbor_w_array(w, n);
	for (size_t i = 0; i < n; i++)
		mp_cbor_w_bytes(w, holders[i].b, sizeof(holders[i].b));
}

bool
mp_holders_next(struct mp_list *list, struct mp_node_id *out)
{
	if (list->left == 0)
		return false;
	list->left--;
	holder_read(&list->r, out);
	return list->r.rc == 0;
}

/* ---- bodies ---- */

int
mp_body_open_encode(struct mp_buf *buf)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 0);
	return w.rc;
}

int
mp_body_open_decode(struct mp_span body)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 0);
	return mp_cbor_r_end(&r);
}

int
mp_body_term_start_encode(struct mp_buf *buf, const struct mp_node_id *leader, struct mp_span cert)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_bytes(&w, leader->b, sizeof(leader->b));
	mp_cbor_w_span(&w, cert);
	return w.rc;
}

int
mp_body_term_start_decode(struct mp_span body, struct mp_node_id *leader, struct mp_span *cert)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 2);
	mp_cbor_r_fixed(&r, leader->b, sizeof(leader->b));
	*cert = mp_cbor_r_bytes(&r, MP_LEADER_CERT_MAX);
	return mp_cbor_r_end(&r);
}

static void
assigned_write(struct mp_cbor_w *w, const struct mp_assigned *a)
{
	mp_cbor_w_array(w, 4);
	mp_attempt_write(w, &a->attempt);
	mp_cbor_w_bytes(w, a->worker.b, sizeof(a->worker.b));
}

static void
assigned_read(struct mp_cbor_r *r, void *scratch)
{
	struct mp_assigned *a = scratch;

	mp_cbor_r_array_exact(r, 4);
	mp_attempt_read(r, &a->attempt);
	mp_cbor_r_fixed(r, a->worker.b, sizeof(a->worker.b));
}

int
mp_body_returned_encode(struct mp_buf *buf, const struct mp_returned *returned)
{
	struct mp_cbor_w w;

	mp_assert(returned->loss != 0);
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_bytes(&w, returned->elector.b, sizeof(returned->elector.b));
	mp_cbor_w_uint(&w, returned->loss);
	return w.rc;
}

int
mp_body_returned_decode(struct mp_span body, struct mp_returned *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 2);
	mp_cbor_r_fixed(&r, out->elector.b, sizeof(out->elector.b));
	out->loss = mp_cbor_r_uint(&r, INT64_MAX);
	if (out->loss == 0)
		reader_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

int
mp_body_assigned_encode(struct mp_buf *buf, const struct mp_assigned *items, size_t n)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++)
		assigned_write(&w, &items[i]);
	return w.rc;
}

int
mp_body_assigned_decode(struct mp_span body, struct mp_list *out)
{
	struct mp_assigned scratch;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_list_read(&r, MP_WORK_LIST_MAX, out, assigned_read, &scratch);
	return mp_cbor_r_end(&r);
}

bool
mp_assigned_next(struct mp_list *list, struct mp_assigned *out)
{
	if (list->left == 0)
		return false;
	list->left--;
	assigned_read(&list->r, out);
	return list->r.rc == 0;
}

int
mp_body_lost_encode(struct mp_buf *buf, const struct mp_lost *lost)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_attempt_write(&w, &lost->attempt);
	mp_cbor_w_uint(&w, (uint64_t)lost->why);
	return w.rc;
}

int
mp_body_lost_decode(struct mp_span body, struct mp_lost *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 4);
	mp_attempt_read(&r, &out->attempt);
	out->why = (enum mp_lost_why)mp_cbor_r_uint(&r, MP_LOST_LEFT);
	if ((unsigned)out->why < MP_LOST_BOOT)
		reader_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

int
mp_body_finished_encode(struct mp_buf *buf, const struct mp_finished *finished,
	const struct mp_node_id *holders, size_t n)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 6);
	mp_attempt_write(&w, &finished->attempt);
	mp_cbor_w_bytes(&w, finished->worker.b, sizeof(finished->worker.b));
	mp_cbor_w_span(&w, finished->result);
	mp_holders_write(&w, holders, n);
	return w.rc;
}

int
mp_body_finished_decode(struct mp_span body, struct mp_finished *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 6);
	mp_attempt_read(&r, &out->attempt);
	mp_cbor_r_fixed(&r, out->worker.b, sizeof(out->worker.b));
	out->result = mp_cbor_r_bytes(&r, MP_SIGNED_RESULT_MAX);
	mp_holders_read(&r, &out->holders);
	return mp_cbor_r_end(&r);
}

int
mp_body_cached_encode(struct mp_buf *buf, const struct mp_recalled *recalled,
	const struct mp_node_id *holders, size_t n)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, recalled->module);
	mp_cbor_w_span(&w, recalled->result);
	mp_holders_write(&w, holders, n);
	return w.rc;
}

int
mp_body_cached_decode(struct mp_span body, struct mp_recalled *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 3);
	out->module = module_read(&r);
	out->result = mp_cbor_r_bytes(&r, MP_SIGNED_RESULT_MAX);
	mp_holders_read(&r, &out->holders);
	return mp_cbor_r_end(&r);
}

int
mp_body_retry_encode(struct mp_buf *buf, const struct mp_retry_at *retry)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, retry->module);
	time_write(&w, retry->not_before_ms);
	return w.rc;
}

int
mp_body_retry_decode(struct mp_span body, struct mp_retry_at *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 2);
	out->module = module_read(&r);
	out->not_before_ms = time_read(&r);
	return mp_cbor_r_end(&r);
}

int
mp_body_cancel_encode(struct mp_buf *buf, struct mp_span by)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 1);
	text_write(&w, by, MP_NAME_MAX);
	return w.rc;
}

int
mp_body_cancel_decode(struct mp_span body, struct mp_span *by)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 1);
	*by = mp_cbor_r_text(&r, MP_NAME_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_body_skip_encode(struct mp_buf *buf, const struct mp_skip *skip)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, skip->module);
	mp_cbor_w_uint(&w, (uint64_t)skip->what);
	text_write(&w, skip->text, MP_RESULT_ERROR_MAX);
	return w.rc;
}

int
mp_body_skip_decode(struct mp_span body, struct mp_skip *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 3);
	out->module = module_read(&r);
	out->what = (enum mp_skip_what)mp_cbor_r_uint(&r, MP_SKIP_FAILED);
	if ((unsigned)out->what < MP_SKIP_SKIPPED)
		reader_fail(&r, MP_EFORMAT);
	out->text = mp_cbor_r_text(&r, MP_RESULT_ERROR_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_body_once_begin_encode(struct mp_buf *buf, const struct mp_assigned *begin)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	assigned_write(&w, begin);
	return w.rc;
}

int
mp_body_once_begin_decode(struct mp_span body, struct mp_assigned *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	assigned_read(&r, out);
	return mp_cbor_r_end(&r);
}

int
mp_body_once_end_encode(struct mp_buf *buf, const struct mp_once_end *end)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 5);
	mp_attempt_write(&w, &end->attempt);
	mp_cbor_w_uint(&w, (uint64_t)end->how);
	text_write(&w, end->by, MP_NAME_MAX);
	return w.rc;
}

int
mp_body_once_end_decode(struct mp_span body, struct mp_once_end *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 5);
	mp_attempt_read(&r, &out->attempt);
	out->how = (enum mp_once_how)mp_cbor_r_uint(&r, MP_ONCE_RERUN);
	if ((unsigned)out->how < MP_ONCE_UNSTARTED)
		reader_fail(&r, MP_EFORMAT);
	out->by = mp_cbor_r_text(&r, MP_NAME_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_body_end_encode(struct mp_buf *buf, enum mp_run_outcome outcome)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 1);
	mp_cbor_w_uint(&w, (uint64_t)outcome);
	return w.rc;
}

int
mp_body_end_decode(struct mp_span body, enum mp_run_outcome *outcome)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 1);
	*outcome = (enum mp_run_outcome)mp_cbor_r_uint(&r, MP_OUTCOME_CANCELLED);
	if ((unsigned)*outcome < MP_OUTCOME_SUCCEEDED)
		reader_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

/* ---- end ---- */

#define END_ITEMS 13

int
mp_end_encode(struct mp_buf *buf, const struct mp_end *end)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	record_begin(&w, END_ITEMS, "mp-end");
	mp_cbor_w_bytes(&w, end->cluster.b, sizeof(end->cluster.b));
	mp_cbor_w_bytes(&w, end->run.b, sizeof(end->run.b));
	mp_cbor_w_uint(&w, end->generation);
	mp_cbor_w_uint(&w, end->term);
	mp_cbor_w_bytes(&w, end->leader.b, sizeof(end->leader.b));
	mp_cbor_w_uint(&w, (uint64_t)end->outcome);
	time_write(&w, end->ended_ms);
	mp_cbor_w_uint(&w, end->modules);
	mp_cbor_w_uint(&w, end->succeeded);
	mp_cbor_w_uint(&w, end->last_index);
	mp_cbor_w_bytes(&w, end->last_hash.b, sizeof(end->last_hash.b));
	return w.rc;
}

int
mp_end_decode(struct mp_span bytes, struct mp_end *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	record_expect(&r, END_ITEMS, "mp-end");
	mp_cbor_r_fixed(&r, out->cluster.b, sizeof(out->cluster.b));
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	out->generation = mp_cbor_r_uint(&r, INT64_MAX);
	out->term = mp_cbor_r_uint(&r, INT64_MAX);
	mp_cbor_r_fixed(&r, out->leader.b, sizeof(out->leader.b));
	out->outcome = (enum mp_run_outcome)mp_cbor_r_uint(&r, MP_OUTCOME_CANCELLED);
	if ((unsigned)out->outcome < MP_OUTCOME_SUCCEEDED)
		reader_fail(&r, MP_EFORMAT);
	out->ended_ms = time_read(&r);
	out->modules = (uint32_t)mp_cbor_r_uint(&r, MP_MODULES_MAX);
	out->succeeded = (uint32_t)mp_cbor_r_uint(&r, MP_MODULES_MAX);
	out->last_index = mp_cbor_r_uint(&r, INT64_MAX);
	mp_cbor_r_fixed(&r, out->last_hash.b, sizeof(out->last_hash.b));
	return mp_cbor_r_end(&r);
}

int
mp_end_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_end *end, struct mp_buf *out)
{
	struct mp_span bytes;
	struct mp_cbor_w w;
	struct mp_buf record;
	struct mp_hash hash;
	struct mp_sig sig;
	int rc;

	mp_buf_init(&record, out->alloc, MP_END_MAX);
	rc = mp_end_encode(&record, end);
	if (rc == 0) {
		bytes = mp_buf_span(&record);
		crypto->hash(&hash, &bytes, 1);
		crypto->sign(secret, &sig, mp_span(hash.b, sizeof(hash.b)));
		mp_cbor_w_init(&w, out);
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_span(&w, bytes);
		mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
		rc = w.rc;
	}
	mp_buf_fini(&record);
	return rc;
}

int
mp_end_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_end *out)
{
	struct mp_span record;
	struct mp_hash hash;
	struct mp_cbor_r r;
	struct mp_sig sig;
	int rc;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 2);
	record = mp_cbor_r_bytes(&r, MP_END_MAX);
	mp_cbor_r_fixed(&r, sig.b, sizeof(sig.b));
	rc = mp_cbor_r_end(&r);
	if (rc == 0)
		rc = mp_end_decode(record, out);
	if (rc != 0)
		return rc;
	crypto->hash(&hash, &record, 1);
	return crypto->verify(out->leader.b, &sig, mp_span(hash.b, sizeof(hash.b)));
}
