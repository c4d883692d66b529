/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"

static struct mp_span
read_run(struct mp_cbor_r *r)
{
	return mp_cbor_r_text(r, MP_NAME_MAX);
}

/* Checks an array of arrays of `width` items and returns it whole. */
static struct mp_span
read_pairs(struct mp_cbor_r *r, size_t max, void (*pair)(struct mp_cbor_r *r))
{
	const uint8_t *at = r->p;
	size_t n = mp_cbor_r_array(r, max);

	while (n-- > 0 && r->rc == 0)
		pair(r);
	return r->rc == 0 ? mp_span(at, (size_t)(r->p - at)) : mp_span(NULL, 0);
}

static void
read_param(struct mp_cbor_r *r)
{
	mp_cbor_r_array_exact(r, 2);
	(void)mp_cbor_r_text(r, MP_NAME_MAX);
	(void)mp_cbor_r_text(r, MP_SPEC_MAX);
}

static void
read_blob(struct mp_cbor_r *r)
{
	struct mp_hash digest;

	mp_cbor_r_array_exact(r, 2);
	mp_cbor_r_fixed(r, digest.b, sizeof(digest.b));
	(void)mp_cbor_r_uint(r, MP_BLOB_MAX);
}

static void
read_node(struct mp_cbor_r *r)
{
	struct mp_node_id id;

	mp_cbor_r_fixed(r, id.b, sizeof(id.b));
}

static void
read_submit(struct mp_cbor_r *r, struct mp_ctl_request *out)
{
	out->pipeline = mp_cbor_r_bytes(r, MP_PIPELINE_BYTES_MAX);
	out->params = read_pairs(r, MP_CTL_PARAMS_MAX, read_param);
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL)
		mp_cbor_r_null(r);
	else
		mp_cbor_r_fixed(r, out->inputs.b, sizeof(out->inputs.b));
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL)
		mp_cbor_r_null(r);
	else
		out->key = mp_cbor_r_text(r, MP_NAME_MAX);
}

static size_t
request_items(enum mp_ctl_number number)
{
	switch (number) {
	case MP_CTL_SUBMIT:
		return 5;
	case MP_CTL_CANCEL:
	case MP_CTL_FETCH:
		return 3;
	case MP_CTL_SHOW:
	case MP_CTL_WAIT:
		return 2;
	case MP_CTL_RUNS:
	case MP_CTL_NODES:
	case MP_CTL_LEAVE:
		return 1;
	case MP_CTL_OK:
	case MP_CTL_ERROR:
		break;
	}
	return 0;
}

int
mp_ctl_request_decode(struct mp_span bytes, struct mp_ctl_request *out)
{
	struct mp_cbor_r r;
	size_t items;

	*out = (struct mp_ctl_request){.number = MP_CTL_ERROR};
	mp_cbor_r_init(&r, bytes);
	items = mp_cbor_r_array(&r, 16);
	out->number = (enum mp_ctl_number)mp_cbor_r_uint(&r, 199);
	if (r.rc == 0 && (items == 0 || items != request_items(out->number)))
		return MP_EFORMAT;
	if (out->number == MP_CTL_SUBMIT)
		read_submit(&r, out);
	else if (items >= 2 && out->number != MP_CTL_FETCH)
		out->run = read_run(&r);
	if (out->number == MP_CTL_CANCEL)
		out->by = mp_cbor_r_text(&r, MP_NAME_MAX);
	if (out->number == MP_CTL_FETCH) {
		out->blobs = read_pairs(&r, MP_CTL_FETCH_MAX, read_blob);
		out->holders = read_pairs(&r, MP_MEMBERS_MAX, read_node);
	}
	return mp_cbor_r_end(&r);
}

bool
mp_ctl_param_next(struct mp_cbor_r *r, size_t *left, struct mp_ctl_param *out)
{
	if (*left == 0)
		return false;
	(*left)--;
	mp_cbor_r_array_exact(r, 2);
	out->name = mp_cbor_r_text(r, MP_NAME_MAX);
	out->value = mp_cbor_r_text(r, MP_SPEC_MAX);
	return r->rc == 0;
}

int
mp_ctl_submit_encode(struct mp_buf *buf, struct mp_span pipeline, const struct mp_ctl_param *params,
	size_t param_count, const struct mp_hash *inputs, const char *key)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_uint(&w, MP_CTL_SUBMIT);
	mp_cbor_w_span(&w, pipeline);
	mp_cbor_w_array(&w, param_count);
	for (size_t i = 0; i < param_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text_n(&w, (const char *)params[i].name.p, params[i].name.n);
		mp_cbor_w_text_n(&w, (const char *)params[i].value.p, params[i].value.n);
	}
	if (inputs == NULL || mp_hash_is_zero(inputs))
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_bytes(&w, inputs->b, sizeof(inputs->b));
	if (key == NULL)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_text(&w, key);
	return w.rc;
}

int
mp_ctl_simple_encode(struct mp_buf *buf, enum mp_ctl_number number, const char *run)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, run != NULL ? 2 : 1);
	mp_cbor_w_uint(&w, number);
	if (run != NULL)
		mp_cbor_w_text(&w, run);
	return w.rc;
}

int
mp_ctl_cancel_encode(struct mp_buf *buf, const char *run, const char *by)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_CANCEL);
	mp_cbor_w_text(&w, run);
	mp_cbor_w_text(&w, by);
	return w.rc;
}

int
mp_ctl_fetch_encode(struct mp_buf *buf, const struct mp_hash *digests, const uint64_t *sizes,
	size_t count, const struct mp_node_id *holders, size_t holder_count)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_FETCH);
	mp_cbor_w_array(&w, count);
	for (size_t i = 0; i < count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_bytes(&w, digests[i].b, sizeof(digests[i].b));
		mp_cbor_w_uint(&w, sizes[i]);
	}
	mp_cbor_w_array(&w, holder_count);
	for (size_t i = 0; i < holder_count; i++)
		mp_cbor_w_bytes(&w, holders[i].b, sizeof(holders[i].b));
	return w.rc;
}

int
mp_ctl_ok_encode(struct mp_buf *buf, struct mp_span payload)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, MP_CTL_OK);
	mp_cbor_w_raw(&w, payload);
	return w.rc;
}

int
mp_ctl_error_encode(struct mp_buf *buf, int code, const char *text)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_ERROR);
	mp_cbor_w_int(&w, code);
	mp_cbor_w_text(&w, text);
	return w.rc;
}

int
mp_ctl_answer_decode(struct mp_span bytes, struct mp_span *payload, struct mp_error *err)
{
	struct mp_cbor_r r;
	char text[MP_ERROR_TEXT_MAX];
	size_t items;
	uint64_t number;
	int64_t code;
	int rc;

	*payload = mp_span(NULL, 0);
	mp_cbor_r_init(&r, bytes);
	items = mp_cbor_r_array(&r, 3);
	number = mp_cbor_r_uint(&r, MP_CTL_ERROR);
	if (number == MP_CTL_OK && items == 2) {
		*payload = mp_cbor_r_item(&r);
		rc = mp_cbor_r_end(&r);
		return rc == 0 ? 0 : mp_fail(err, rc, "the node's answer makes no sense");
	}
	code = mp_cbor_r_int(&r);
	mp_cbor_r_str(&r, text, sizeof(text));
	if (number != MP_CTL_ERROR || items != 3 || mp_cbor_r_end(&r) != 0 || code >= 0 ||
		code < INT32_MIN)
		return mp_fail(err, MP_EFORMAT, "the node's answer makes no sense");
	return mp_fail(err, (int)code, "%s", text);
}
