/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_work.h"

#include "mp/limits.h"

#define RECORD_VERSION 1

/* ---- pieces ---- */

static void
record_begin(struct mp_cbor_w *w, size_t items, const char *domain)
{
	mp_cbor_w_array(w, items);
	mp_cbor_w_text(w, domain);
	mp_cbor_w_uint(w, RECORD_VERSION);
}

static void
reader_fail(struct mp_cbor_r *r, int rc)
{
	if (r->rc == 0)
		r->rc = rc;
}

/* The length of the array is checked after the version: another version may have another one. */
static void
record_expect(struct mp_cbor_r *r, size_t items, const char *domain)
{
	size_t n = mp_cbor_r_array(r, 256);
	struct mp_span text = mp_cbor_r_text(r, 32);

	if (r->rc == 0 && !mp_span_eq(text, mp_span_str(domain)))
		reader_fail(r, MP_EFORMAT);
	if (mp_cbor_r_uint(r, UINT64_MAX) != RECORD_VERSION)
		reader_fail(r, MP_EVERSION);
	if (n != items)
		reader_fail(r, MP_EFORMAT);
}

/* An optional hash: null for the zero hash. */
static void
hash_write(struct mp_cbor_w *w, const struct mp_hash *h)
{
	if (mp_hash_is_zero(h))
		mp_cbor_w_null(w);
	else
		mp_cbor_w_bytes(w, h->b, sizeof(h->b));
}

static void
hash_read(struct mp_cbor_r *r, struct mp_hash *out)
{
	*out = (struct mp_hash){{0}};
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return;
	}
	mp_cbor_r_fixed(r, out->b, sizeof(out->b));
	if (mp_hash_is_zero(out))
		reader_fail(r, MP_EFORMAT);
}

/* Text that is too long is cut between characters. */
static void
text_write(struct mp_cbor_w *w, struct mp_span text, size_t max)
{
	size_t n = text.n;

	if (n > max) {
		n = max;
		while (n > 0 && (text.p[n] & 0xc0) == 0x80)
			n--;
	}
	mp_cbor_w_text_n(w, (const char *)text.p, n);
}

static int32_t
int32_read(struct mp_cbor_r *r)
{
	int64_t v = mp_cbor_r_int(r);

	if (v < INT32_MIN || v > INT32_MAX)
		reader_fail(r, MP_ELIMIT);
	return (int32_t)v;
}

static mp_time
time_read(struct mp_cbor_r *r)
{
	return (mp_time)mp_cbor_r_uint(r, INT64_MAX);
}

static void
time_write(struct mp_cbor_w *w, mp_time t)
{
	mp_cbor_w_uint(w, t > 0 ? (uint64_t)t : 0);
}

static uint32_t
module_read(struct mp_cbor_r *r)
{
	return (uint32_t)mp_cbor_r_uint(r, MP_MODULES_MAX - 1);
}

static uint32_t
counter_read(struct mp_cbor_r *r)
{
	uint32_t v = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);

	if (v == 0)
		reader_fail(r, MP_EFORMAT);
	return v;
}

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

/* ---- offer ---- */

#define OFFER_ITEMS 11

int
mp_offer_encode(struct mp_buf *buf, const struct mp_offer *o)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	record_begin(&w, OFFER_ITEMS, "mp-offer");
	mp_cbor_w_bytes(&w, o->cluster.b, sizeof(o->cluster.b));
	mp_cbor_w_bytes(&w, o->run.b, sizeof(o->run.b));
	mp_cbor_w_uint(&w, o->generation);
	mp_cbor_w_uint(&w, o->attempt.term);
	mp_cbor_w_uint(&w, o->attempt.module);
	mp_cbor_w_uint(&w, o->attempt.counter);
	mp_cbor_w_bytes(&w, o->worker.b, sizeof(o->worker.b));
	mp_cbor_w_bytes(&w, o->spec.b, sizeof(o->spec.b));
	mp_cbor_w_bytes(&w, o->inputs.b, sizeof(o->inputs.b));
	return w.rc;
}

int
mp_offer_decode(struct mp_span bytes, struct mp_offer *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	record_expect(&r, OFFER_ITEMS, "mp-offer");
	mp_cbor_r_fixed(&r, out->cluster.b, sizeof(out->cluster.b));
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	out->generation = mp_cbor_r_uint(&r, INT64_MAX);
	out->attempt.term = mp_cbor_r_uint(&r, INT64_MAX);
	if (out->attempt.term == 0)
		reader_fail(&r, MP_EFORMAT);
	out->attempt.module = module_read(&r);
	out->attempt.counter = counter_read(&r);
	mp_cbor_r_fixed(&r, out->worker.b, sizeof(out->worker.b));
	mp_cbor_r_fixed(&r, out->spec.b, sizeof(out->spec.b));
	mp_cbor_r_fixed(&r, out->inputs.b, sizeof(out->inputs.b));
	return mp_cbor_r_end(&r);
}

int
mp_inputs_hash(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_hash *run_inputs, const struct mp_hash *deps, size_t n, struct mp_hash *out)
{
	static const struct mp_hash none;
	struct mp_buf buf;
	struct mp_cbor_w w;
	struct mp_span bytes;

	mp_buf_init(&buf, alloc, 64 + n * 34);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 2);
	hash_write(&w, run_inputs != NULL ? run_inputs : &none);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++)
		mp_cbor_w_bytes(&w, deps[i].b, sizeof(deps[i].b));
	bytes = mp_buf_span(&buf);
	if (w.rc == 0)
		crypto->hash(out, &bytes, 1);
	mp_buf_fini(&buf);
	return w.rc;
}

/* ---- result ---- */

#define RESULT_ITEMS 33

static void
result_write_head(struct mp_cbor_w *w, const struct mp_result *v)
{
	mp_cbor_w_bytes(w, v->cluster.b, sizeof(v->cluster.b));
	mp_cbor_w_bytes(w, v->run.b, sizeof(v->run.b));
	mp_cbor_w_uint(w, v->generation);
	mp_attempt_write(w, &v->attempt);
	mp_cbor_w_bytes(w, v->node.b, sizeof(v->node.b));
	mp_cbor_w_bytes(w, v->offer.b, sizeof(v->offer.b));
	mp_cbor_w_bytes(w, v->spec.b, sizeof(v->spec.b));
	mp_cbor_w_bytes(w, v->inputs.b, sizeof(v->inputs.b));
}

int
mp_result_encode(struct mp_buf *buf, const struct mp_result *v)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	record_begin(&w, RESULT_ITEMS, "mp-result");
	result_write_head(&w, v);
	mp_cbor_w_uint(&w, (uint64_t)v->status);
	mp_cbor_w_int(&w, v->exit_code);
	mp_cbor_w_int(&w, v->signal);
	time_write(&w, v->started_ms);
	time_write(&w, v->ended_ms);
	mp_cbor_w_uint(&w, v->wall_us);
	mp_cbor_w_uint(&w, v->user_us);
	mp_cbor_w_uint(&w, v->sys_us);
	mp_cbor_w_uint(&w, v->rss_max_kib);
	hash_write(&w, &v->manifest);
	mp_cbor_w_uint(&w, v->output_files);
	mp_cbor_w_uint(&w, v->output_bytes);
	hash_write(&w, &v->out_log);
	mp_cbor_w_uint(&w, v->out_size);
	mp_cbor_w_bool(&w, v->out_cut);
	hash_write(&w, &v->err_log);
	mp_cbor_w_uint(&w, v->err_size);
	mp_cbor_w_bool(&w, v->err_cut);
	hash_write(&w, &v->value);
	hash_write(&w, &v->cache_key);
	text_write(&w, v->error, MP_RESULT_ERROR_MAX);
	return w.rc;
}

static void
result_read_head(struct mp_cbor_r *r, struct mp_result *out)
{
	mp_cbor_r_fixed(r, out->cluster.b, sizeof(out->cluster.b));
	mp_cbor_r_fixed(r, out->run.b, sizeof(out->run.b));
	out->generation = mp_cbor_r_uint(r, INT64_MAX);
	mp_attempt_read(r, &out->attempt);
	mp_cbor_r_fixed(r, out->node.b, sizeof(out->node.b));
	mp_cbor_r_fixed(r, out->offer.b, sizeof(out->offer.b));
	mp_cbor_r_fixed(r, out->spec.b, sizeof(out->spec.b));
	mp_cbor_r_fixed(r, out->inputs.b, sizeof(out->inputs.b));
}

int
mp_result_decode(struct mp_span bytes, struct mp_result *out)
{
	struct mp_cbor_r r;

	if (bytes.n > MP_RESULT_MAX)
		return MP_ELIMIT;
	mp_cbor_r_init(&r, bytes);
	record_expect(&r, RESULT_ITEMS, "mp-result");
	result_read_head(&r, out);
	out->status = (enum mp_status)mp_cbor_r_uint(&r, MP_STATUS_CONFLICT);
	out->exit_code = int32_read(&r);
	out->signal = int32_read(&r);
	out->started_ms = time_read(&r);
	out->ended_ms = time_read(&r);
	out->wall_us = mp_cbor_r_uint(&r, INT64_MAX);
	out->user_us = mp_cbor_r_uint(&r, INT64_MAX);
	out->sys_us = mp_cbor_r_uint(&r, INT64_MAX);
	out->rss_max_kib = mp_cbor_r_uint(&r, INT64_MAX);
	hash_read(&r, &out->manifest);
	out->output_files = mp_cbor_r_uint(&r, INT64_MAX);
	out->output_bytes = mp_cbor_r_uint(&r, INT64_MAX);
	hash_read(&r, &out->out_log);
	out->out_size = mp_cbor_r_uint(&r, INT64_MAX);
	out->out_cut = mp_cbor_r_bool(&r);
	hash_read(&r, &out->err_log);
	out->err_size = mp_cbor_r_uint(&r, INT64_MAX);
	out->err_cut = mp_cbor_r_bool(&r);
	hash_read(&r, &out->value);
	hash_read(&r, &out->cache_key);
	out->error = mp_cbor_r_text(&r, MP_RESULT_ERROR_MAX);
	return mp_cbor_r_end(&r);
}

/* ---- batches of results ---- */

static void
merkle_leaf(const struct mp_crypto *crypto, struct mp_span record, struct mp_hash *out)
{
	crypto->hash(out, &record, 1);
}

static void
merkle_node(const struct mp_crypto *crypto, const struct mp_hash *left, const struct mp_hash *right,
	struct mp_hash *out)
{
	/* The encoded array ["mp-merkle", 1, left, right] less its two hashes. */
	static const uint8_t head[] = {
		0x84, 0x69, 'm', 'p', '-', 'm', 'e', 'r', 'k', 'l', 'e', 0x01};
	static const uint8_t bytes32[] = {0x58, 0x20};
	const struct mp_span parts[] = {
		{head, sizeof(head)},
		{bytes32, sizeof(bytes32)},
		{left->b, sizeof(left->b)},
		{bytes32, sizeof(bytes32)},
		{right->b, sizeof(right->b)},
	};

	crypto->hash(out, parts, mp_countof(parts));
}

void
mp_result_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_span *records, size_t n, struct mp_result_sig *sigs)
{
	struct mp_hash level[MP_RESULT_BATCH_MAX] = {{{0}}};
	struct mp_sig sig;
	size_t width = 1;
	uint32_t depth = 0;

	mp_assert(n > 0 && n <= MP_RESULT_BATCH_MAX);
	while (width < n) {
		width *= 2;
		depth++;
	}
	for (size_t i = 0; i < n; i++)
		merkle_leaf(crypto, records[i], &level[i]);
	for (uint32_t d = 0; d < depth; d++) {
		for (size_t i = 0; i < n; i++)
			sigs[i].siblings[d] = level[(i >> d) ^ 1];
		width /= 2;
		for (size_t i = 0; i < width; i++)
			merkle_node(crypto, &level[2 * i], &level[2 * i + 1], &level[i]);
	}
	crypto->sign(secret, &sig, mp_span(level[0].b, sizeof(level[0].b)));
	for (size_t i = 0; i < n; i++) {
		sigs[i].root_sig = sig;
		sigs[i].index = (uint32_t)i;
		sigs[i].depth = depth;
	}
}

int
mp_result_verify(const struct mp_crypto *crypto, const struct mp_node_id *signer,
	struct mp_span record, const struct mp_result_sig *sig)
{
	struct mp_hash h, up;

	if (sig->depth > MP_RESULT_BATCH_DEPTH || sig->index >> sig->depth != 0)
		return MP_ESIG;
	merkle_leaf(crypto, record, &h);
	for (uint32_t d = 0; d < sig->depth; d++) {
		if ((sig->index >> d & 1) != 0)
			merkle_node(crypto, &sig->siblings[d], &h, &up);
		else
			merkle_node(crypto, &h, &sig->siblings[d], &up);
		h = up;
	}
	return crypto->verify(signer->b, &sig->root_sig, mp_span(h.b, sizeof(h.b)));
}

int
mp_signed_result_encode(struct mp_buf *buf, struct mp_span record, const struct mp_result_sig *sig)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_span(&w, record);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_bytes(&w, sig->root_sig.b, sizeof(sig->root_sig.b));
	mp_cbor_w_uint(&w, sig->index);
	mp_cbor_w_array(&w, sig->depth);
	for (uint32_t i = 0; i < sig->depth; i++)
		mp_cbor_w_bytes(&w, sig->siblings[i].b, sizeof(sig->siblings[i].b));
	return w.rc;
}

int
mp_signed_result_decode(struct mp_span bytes, struct mp_span *record, struct mp_result_sig *sig)
{
	struct mp_cbor_r r;

	if (bytes.n > MP_SIGNED_RESULT_MAX)
		return MP_ELIMIT;
	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 2);
	*record = mp_cbor_r_bytes(&r, MP_RESULT_MAX);
	mp_cbor_r_array_exact(&r, 3);
	mp_cbor_r_fixed(&r, sig->root_sig.b, sizeof(sig->root_sig.b));
	sig->index = (uint32_t)mp_cbor_r_uint(&r, MP_RESULT_BATCH_MAX - 1);
	sig->depth = (uint32_t)mp_cbor_r_array(&r, MP_RESULT_BATCH_DEPTH);
	for (uint32_t i = 0; i < sig->depth; i++)
		mp_cbor_r_fixed(&r, sig->siblings[i].b, sizeof(sig->siblings[i].b));
	return mp_cbor_r_end(&r);
}

int
mp_signed_result_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_result *out,
	struct mp_span *record)
{
	struct mp_result_sig sig;
	struct mp_span exact;
	int rc = mp_signed_result_decode(bytes, &exact, &sig);

	if (rc == 0)
		rc = mp_result_decode(exact, out);
	if (rc == 0)
		rc = mp_result_verify(crypto, &out->node, exact, &sig);
	if (rc == 0 && record != NULL)
		*record = exact;
	return rc;
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
mp_body_term_start_encode(struct mp_buf *buf, const struct mp_node_id *leader)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 1);
	mp_cbor_w_bytes(&w, leader->b, sizeof(leader->b));
	return w.rc;
}

int
mp_body_term_start_decode(struct mp_span body, struct mp_node_id *leader)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, 1);
	mp_cbor_r_fixed(&r, leader->b, sizeof(leader->b));
	return mp_cbor_r_end(&r);
}

static void
assigned_read(struct mp_cbor_r *r, void *scratch)
{
	struct mp_assigned *a = scratch;

	mp_cbor_r_array_exact(r, 3);
	a->module = module_read(r);
	a->counter = counter_read(r);
	mp_cbor_r_fixed(r, a->worker.b, sizeof(a->worker.b));
}

int
mp_body_assigned_encode(struct mp_buf *buf, const struct mp_assigned *items, size_t n)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, 3);
		mp_cbor_w_uint(&w, items[i].module);
		mp_cbor_w_uint(&w, items[i].counter);
		mp_cbor_w_bytes(&w, items[i].worker.b, sizeof(items[i].worker.b));
	}
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
