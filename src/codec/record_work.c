/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_work.h"

#include "codec/record_work_io.h"

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
mp_offer_hash(const struct mp_crypto *crypto, const struct mp_alloc *alloc,
	const struct mp_offer *offer, struct mp_hash *out)
{
	struct mp_span bytes;
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, alloc, MP_RESULT_MAX);
	rc = mp_offer_encode(&buf, offer);
	bytes = mp_buf_span(&buf);
	if (rc == 0)
		crypto->hash(out, &bytes, 1);
	mp_buf_fini(&buf);
	return rc;
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

#define RESULT_ITEMS 36

static void
result_write_head(struct mp_cbor_w *w, const struct mp_result *v)
{
	mp_cbor_w_bytes(w, v->cluster.b, sizeof(v->cluster.b));
	mp_cbor_w_bytes(w, v->run.b, sizeof(v->run.b));
	mp_cbor_w_uint(w, v->generation);
	mp_attempt_write(w, &v->attempt);
	mp_cbor_w_bytes(w, v->node.b, sizeof(v->node.b));
	mp_cbor_w_bytes(w, v->offer.b, sizeof(v->offer.b));
	mp_cbor_w_bytes(w, v->leader.b, sizeof(v->leader.b));
	mp_cbor_w_bytes(w, v->offer_sig.b, sizeof(v->offer_sig.b));
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
	hash_write(&w, &v->where);
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
	mp_cbor_r_fixed(r, out->leader.b, sizeof(out->leader.b));
	mp_cbor_r_fixed(r, out->offer_sig.b, sizeof(out->offer_sig.b));
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
	hash_read(&r, &out->where);
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
	if (rc == 0 && crypto != NULL)
		rc = mp_result_verify(crypto, &out->node, exact, &sig);
	if (rc == 0 && record != NULL)
		*record = exact;
	return rc;
}
