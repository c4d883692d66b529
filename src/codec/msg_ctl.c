/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl.h"

#include "codec/record_cert.h"
#include "codec/record_secret.h"
#include "codec/token.h"
#include "codec/record_revoke.h"

/* ---- small parts ---- */

static void
write_hash_or_null(struct mp_cbor_w *w, const struct mp_hash *hash)
{
	if (hash == NULL || mp_hash_is_zero(hash))
		mp_cbor_w_null(w);
	else
		mp_cbor_w_bytes(w, hash->b, sizeof(hash->b));
}

void
mp_ctl_addr_write(struct mp_cbor_w *w, const struct mp_addr *addr)
{
	uint8_t b[18];

	if (addr->port == 0) {
		mp_cbor_w_null(w);
		return;
	}
	memcpy(b, addr->ip, sizeof(addr->ip));
	b[16] = (uint8_t)(addr->port >> 8);
	b[17] = (uint8_t)addr->port;
	mp_cbor_w_bytes(w, b, sizeof(b));
}

void
mp_ctl_addr_read(struct mp_cbor_r *r, struct mp_addr *addr)
{
	uint8_t b[18];

	*addr = (struct mp_addr){.port = 0};
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return;
	}
	mp_cbor_r_fixed(r, b, sizeof(b));
	memcpy(addr->ip, b, sizeof(addr->ip));
	addr->port = (uint16_t)(b[16] << 8 | b[17]);
	if (r->rc == 0 && addr->port == 0)
		r->rc = MP_EFORMAT; /* null stands for none */
}

/* ---- lists inside requests ---- */

static void
read_param(struct mp_cbor_r *r, struct mp_ctl_param *out)
{
	mp_cbor_r_array_exact(r, 2);
	out->name = mp_cbor_r_text(r, MP_NAME_MAX);
	out->value = mp_cbor_r_text(r, MP_RUN_PARAM_MAX);
}

static void
read_blob(struct mp_cbor_r *r, struct mp_blob_ref *out)
{
	mp_cbor_r_array_exact(r, 2);
	mp_cbor_r_fixed(r, out->digest.b, sizeof(out->digest.b));
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		out->size = MP_SIZE_UNKNOWN;
	} else {
		out->size = mp_cbor_r_uint(r, MP_BLOB_MAX);
	}
}

static void
check_param(struct mp_cbor_r *r)
{
	struct mp_ctl_param param;

	read_param(r, &param);
}

static void
check_blob(struct mp_cbor_r *r)
{
	struct mp_blob_ref blob;

	read_blob(r, &blob);
}

static void
check_node(struct mp_cbor_r *r)
{
	struct mp_node_id id;

	mp_cbor_r_fixed(r, id.b, sizeof(id.b));
}

/* Checks an array and returns it whole. */
static struct mp_span
read_list(struct mp_cbor_r *r, size_t max, void (*element)(struct mp_cbor_r *r))
{
	const uint8_t *at = r->p;
	size_t n = mp_cbor_r_array(r, max);

	while (n-- > 0 && r->rc == 0)
		element(r);
	return r->rc == 0 ? mp_span(at, (size_t)(r->p - at)) : mp_span(NULL, 0);
}

size_t
mp_ctl_list_begin(struct mp_cbor_r *r, struct mp_span array)
{
	mp_cbor_r_init(r, array);
	return array.n == 0 ? 0 : mp_cbor_r_array(r, SIZE_MAX);
}

bool
mp_ctl_param_next(struct mp_cbor_r *r, size_t *left, struct mp_ctl_param *out)
{
	if (*left == 0)
		return false;
	(*left)--;
	read_param(r, out);
	return r->rc == 0;
}

bool
mp_ctl_blob_next(struct mp_cbor_r *r, size_t *left, struct mp_blob_ref *out)
{
	if (*left == 0)
		return false;
	(*left)--;
	read_blob(r, out);
	return r->rc == 0;
}

bool
mp_ctl_holder_next(struct mp_cbor_r *r, size_t *left, struct mp_node_id *out)
{
	if (*left == 0)
		return false;
	(*left)--;
	mp_cbor_r_fixed(r, out->b, sizeof(out->b));
	return r->rc == 0;
}

/* ---- requests to the core ---- */

/* What is not null is checked. */
static struct mp_span
read_secrets(struct mp_cbor_r *r)
{
	struct mp_span values = {NULL, 0};

	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return values;
	}
	values = mp_cbor_r_bytes(r, MP_SECRETS_ENCODED_MAX);
	if (r->rc == 0)
		r->rc = mp_secrets_check(values);
	return values;
}

static void
read_submit(struct mp_cbor_r *r, struct mp_ctl_request *out, bool secrets)
{
	out->pipeline = mp_cbor_r_bytes(r, MP_PIPELINE_CBOR_MAX);
	out->params = read_list(r, MP_CTL_PARAMS_MAX, check_param);
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
	} else {
		mp_cbor_r_fixed(r, out->inputs.b, sizeof(out->inputs.b));
		if (r->rc == 0 && mp_hash_is_zero(&out->inputs))
			r->rc = MP_EFORMAT; /* zero stands for none */
	}
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
	} else {
		out->key = mp_cbor_r_text(r, MP_NAME_MAX);
		if (r->rc == 0 && out->key.n == 0)
			r->rc = MP_EFORMAT;
	}
	if (!secrets)
		return;
	out->secrets = read_secrets(r);
	if (r->rc == 0 && out->secrets.n == 0)
		r->rc = MP_EFORMAT; /* it would not be there */
}

static void
read_log(struct mp_cbor_r *r, struct mp_ctl_request *out)
{
	struct mp_attempt_key *key = &out->log.key;

	mp_cbor_r_fixed(r, out->node.b, sizeof(out->node.b));
	mp_cbor_r_fixed(r, key->run.b, sizeof(key->run.b));
	key->attempt.module = (uint32_t)mp_cbor_r_uint(r, MP_MODULES_MAX - 1);
	key->attempt.term = mp_cbor_r_uint(r, UINT64_MAX);
	key->attempt.counter = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	out->log.err = mp_cbor_r_uint(r, 1) != 0;
	out->log.offset = mp_cbor_r_uint(r, INT64_MAX);
	out->log.size = (uint32_t)mp_cbor_r_uint(r, MP_CTL_READ_MAX);
}

static void
read_named(struct mp_cbor_r *r, struct mp_ctl_request *out)
{
	out->name = mp_cbor_r_text(r, MP_NAME_MAX);
	if (out->number == MP_CTL_REVOKE)
		out->why = mp_cbor_r_text(r, MP_REVOCATION_WHY_MAX);
	out->on = mp_cbor_r_bool(r);
	if (out->number == MP_CTL_DRAIN)
		out->by = mp_cbor_r_text(r, MP_NAME_MAX);
}

static void
read_copy(struct mp_cbor_r *r, struct mp_ctl_request *out)
{
	mp_cbor_r_fixed(r, out->node.b, sizeof(out->node.b));
	mp_cbor_r_fixed(r, out->blob.b, sizeof(out->blob.b));
	out->log.offset = mp_cbor_r_uint(r, INT64_MAX);
	out->log.size = (uint32_t)mp_cbor_r_uint(r, MP_CTL_READ_MAX);
}

static bool
is_paged(enum mp_ctl_number number)
{
	return number == MP_CTL_SHOW || number == MP_CTL_EVENTS || number == MP_CTL_ENTRIES ||
	       number == MP_CTL_NODES || number == MP_CTL_CREDENTIALS;
}

static void
read_trust(struct mp_cbor_r *r, struct mp_ctl_request *out)
{
	uint64_t what = mp_cbor_r_uint(r, MP_CTL_TRUST_ROTATE);

	if (r->rc == 0 && what < MP_CTL_TRUST_REVOKE)
		r->rc = MP_EFORMAT;
	out->what = (enum mp_ctl_trust)what;
	out->trust = mp_cbor_r_bytes(r, MP_CTL_CHARTER_MAX);
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
	} else {
		mp_cbor_r_fixed(r, out->gossip_key, sizeof(out->gossip_key));
		out->has_gossip_key = true;
	}
}

static size_t
request_items(enum mp_ctl_number number)
{
	switch (number) {
	case MP_CTL_SUBMIT:
	case MP_CTL_RESOLVE:
	case MP_CTL_COPY:
		return 5;
	case MP_CTL_LOG:
		return 9;
	case MP_CTL_SHOW:
	case MP_CTL_EVENTS:
	case MP_CTL_ENTRIES:
	case MP_CTL_DRAIN:
	case MP_CTL_REVOKE:
	case MP_CTL_TRUST:
		return 4;
	case MP_CTL_NODES:
	case MP_CTL_CREDENTIALS:
	case MP_CTL_CANCEL:
	case MP_CTL_SECRETS:
	case MP_CTL_FETCH:
	case MP_CTL_TAKE:
	case MP_CTL_KNOCK:
	case MP_CTL_GRANT:
		return 3;
	case MP_CTL_WAIT:
	case MP_CTL_TAKEOVER:
	case MP_CTL_RECORD:
		return 2;
	case MP_CTL_RUNS:
	case MP_CTL_LEAVE:
	case MP_CTL_LEAVE_ANYWAY:
	case MP_CTL_PENDING:
	case MP_CTL_CHARTER:
		return 1;
	case MP_CTL_OK:
	case MP_CTL_ERROR:
		break;
	}
	return 0;
}

static void
read_request(struct mp_cbor_r *r, struct mp_ctl_request *out, size_t items)
{
	switch (out->number) {
	case MP_CTL_SUBMIT:
		read_submit(r, out, items > request_items(MP_CTL_SUBMIT));
		return;
	case MP_CTL_SHOW:
	case MP_CTL_EVENTS:
	case MP_CTL_ENTRIES:
	case MP_CTL_RECORD:
	case MP_CTL_WAIT:
	case MP_CTL_CANCEL:
	case MP_CTL_RESOLVE:
	case MP_CTL_TAKEOVER:
	case MP_CTL_SECRETS:
		out->run = mp_cbor_r_text(r, MP_NAME_MAX);
		break;
	case MP_CTL_FETCH:
		out->blobs = read_list(r, MP_CTL_FETCH_MAX, check_blob);
		out->holders = read_list(r, MP_MEMBERS_MAX, check_node);
		return;
	case MP_CTL_LOG:
		read_log(r, out);
		return;
	case MP_CTL_COPY:
		read_copy(r, out);
		return;
	case MP_CTL_TAKE:
		out->takeover = mp_cbor_r_bytes(r, MP_CTL_TAKEOVER_MAX);
		mp_cbor_r_fixed(r, out->sig.b, sizeof(out->sig.b));
		return;
	case MP_CTL_DRAIN:
	case MP_CTL_REVOKE:
		read_named(r, out);
		return;
	case MP_CTL_KNOCK:
		out->record = mp_cbor_r_bytes(r, MP_REQUEST_MAX);
		mp_ctl_addr_read(r, &out->addr);
		return;
	case MP_CTL_GRANT:
		mp_cbor_r_fixed(r, out->node.b, sizeof(out->node.b));
		out->token = mp_cbor_r_text(r, MP_TOKEN_MAX);
		return;
	case MP_CTL_TRUST:
		read_trust(r, out);
		return;
	case MP_CTL_RUNS:
	case MP_CTL_NODES:
	case MP_CTL_CREDENTIALS:
	case MP_CTL_LEAVE:
	case MP_CTL_LEAVE_ANYWAY:
	case MP_CTL_PENDING:
	case MP_CTL_CHARTER:
	case MP_CTL_OK:
	case MP_CTL_ERROR:
		break;
	}
	if (out->number == MP_CTL_SECRETS)
		out->secrets = read_secrets(r);
	if (out->number == MP_CTL_RESOLVE) {
		out->module = mp_cbor_r_text(r, MP_NAME_MAX);
		out->rerun = mp_cbor_r_bool(r);
	}
	if (out->number == MP_CTL_CANCEL || out->number == MP_CTL_RESOLVE)
		out->by = mp_cbor_r_text(r, MP_NAME_MAX);
	if (is_paged(out->number)) {
		out->from = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		out->count = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	}
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
	if (r.rc == 0 && (items == 0 || (items != request_items(out->number) &&
						(out->number != MP_CTL_SUBMIT || items != 6))))
		return MP_EFORMAT;
	if (r.rc == 0)
		read_request(&r, out, items);
	return mp_cbor_r_end(&r);
}

int
mp_ctl_submit_encode(struct mp_buf *buf, struct mp_span pipeline, const struct mp_ctl_param *params,
	size_t param_count, const struct mp_hash *inputs, const char *key, struct mp_span secrets)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, secrets.n > 0 ? 6 : 5);
	mp_cbor_w_uint(&w, MP_CTL_SUBMIT);
	mp_cbor_w_span(&w, pipeline);
	mp_cbor_w_array(&w, param_count);
	for (size_t i = 0; i < param_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text_n(&w, (const char *)params[i].name.p, params[i].name.n);
		mp_cbor_w_text_n(&w, (const char *)params[i].value.p, params[i].value.n);
	}
	write_hash_or_null(&w, inputs);
	if (key == NULL)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_text(&w, key);
	if (secrets.n > 0)
		mp_cbor_w_span(&w, secrets);
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
mp_ctl_page_encode(struct mp_buf *buf, enum mp_ctl_number number, const char *run, uint32_t from,
	uint32_t count)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, run != NULL ? 4 : 3);
	mp_cbor_w_uint(&w, number);
	if (run != NULL)
		mp_cbor_w_text(&w, run);
	mp_cbor_w_uint(&w, from);
	mp_cbor_w_uint(&w, count);
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
mp_ctl_resolve_encode(
	struct mp_buf *buf, const char *run, const char *module, bool rerun, const char *by)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_uint(&w, MP_CTL_RESOLVE);
	mp_cbor_w_text(&w, run);
	mp_cbor_w_text(&w, module);
	mp_cbor_w_bool(&w, rerun);
	mp_cbor_w_text(&w, by);
	return w.rc;
}

int
mp_ctl_drain_encode(struct mp_buf *buf, const char *node, bool on, const char *by)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, MP_CTL_DRAIN);
	mp_cbor_w_text(&w, node);
	mp_cbor_w_bool(&w, on);
	mp_cbor_w_text(&w, by);
	return w.rc;
}

int
mp_ctl_take_encode(struct mp_buf *buf, struct mp_span takeover, const struct mp_sig *sig)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_TAKE);
	mp_cbor_w_span(&w, takeover);
	mp_cbor_w_bytes(&w, sig->b, sizeof(sig->b));
	return w.rc;
}

int
mp_ctl_log_encode(
	struct mp_buf *buf, const struct mp_node_id *node, const struct mp_log_piece *piece)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 9);
	mp_cbor_w_uint(&w, MP_CTL_LOG);
	mp_cbor_w_bytes(&w, node->b, sizeof(node->b));
	mp_cbor_w_bytes(&w, piece->key.run.b, sizeof(piece->key.run.b));
	mp_cbor_w_uint(&w, piece->key.attempt.module);
	mp_cbor_w_uint(&w, piece->key.attempt.term);
	mp_cbor_w_uint(&w, piece->key.attempt.counter);
	mp_cbor_w_uint(&w, piece->err);
	mp_cbor_w_uint(&w, piece->offset);
	mp_cbor_w_uint(&w, piece->size);
	return w.rc;
}

int
mp_ctl_copy_encode(struct mp_buf *buf, const struct mp_node_id *node, const struct mp_hash *blob,
	uint64_t offset, uint32_t size)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_uint(&w, MP_CTL_COPY);
	mp_cbor_w_bytes(&w, node->b, sizeof(node->b));
	mp_cbor_w_bytes(&w, blob->b, sizeof(blob->b));
	mp_cbor_w_uint(&w, offset);
	mp_cbor_w_uint(&w, size);
	return w.rc;
}

int
mp_ctl_logged_encode(struct mp_buf *buf, uint64_t offset, struct mp_span bytes)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, offset);
	mp_cbor_w_span(&w, bytes);
	return w.rc;
}

int
mp_ctl_logged_decode(struct mp_span payload, uint64_t *offset, struct mp_span *bytes)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 2);
	*offset = mp_cbor_r_uint(&r, INT64_MAX);
	*bytes = mp_cbor_r_bytes(&r, MP_CTL_READ_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_ctl_fetch_encode(struct mp_buf *buf, const struct mp_blob_ref *blobs, size_t count,
	const struct mp_node_id *holders, size_t holder_count)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_FETCH);
	mp_cbor_w_array(&w, count);
	for (size_t i = 0; i < count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_bytes(&w, blobs[i].digest.b, sizeof(blobs[i].digest.b));
		if (blobs[i].size == MP_SIZE_UNKNOWN)
			mp_cbor_w_null(&w);
		else
			mp_cbor_w_uint(&w, blobs[i].size);
	}
	mp_cbor_w_array(&w, holder_count);
	for (size_t i = 0; i < holder_count; i++)
		mp_cbor_w_bytes(&w, holders[i].b, sizeof(holders[i].b));
	return w.rc;
}

/* ---- answers ---- */

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
mp_ctl_ok_null_encode(struct mp_buf *buf)
{
	static const uint8_t null = 0xf6;

	return mp_ctl_ok_encode(buf, mp_span(&null, 1));
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

int
mp_ctl_submitted_encode(struct mp_buf *buf, const struct mp_run_id *run)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_bytes(&w, run->b, sizeof(run->b));
	return w.rc;
}

int
mp_ctl_submitted_decode(struct mp_span payload, struct mp_run_id *run)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, payload);
	mp_cbor_r_fixed(&r, run->b, sizeof(run->b));
	return mp_cbor_r_end(&r);
}

/* ---- who waits to be admitted ---- */

int
mp_ctl_knock_encode(struct mp_buf *buf, struct mp_span request, const struct mp_addr *addr)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_KNOCK);
	mp_cbor_w_span(&w, request);
	mp_ctl_addr_write(&w, addr);
	return w.rc;
}

int
mp_ctl_grant_encode(struct mp_buf *buf, const struct mp_node_id *id, struct mp_span token)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_GRANT);
	mp_cbor_w_bytes(&w, id->b, sizeof(id->b));
	mp_cbor_w_text_n(&w, (const char *)token.p, token.n);
	return w.rc;
}

int
mp_ctl_knocked_encode(struct mp_buf *buf, struct mp_span token)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	if (token.n > 0)
		mp_cbor_w_text_n(&w, (const char *)token.p, token.n);
	else
		mp_cbor_w_null(&w);
	return w.rc;
}

int
mp_ctl_knocked_decode(struct mp_span payload, struct mp_span *token)
{
	struct mp_cbor_r r;

	*token = mp_span(NULL, 0);
	mp_cbor_r_init(&r, payload);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL)
		mp_cbor_r_null(&r);
	else
		*token = mp_cbor_r_text(&r, MP_TOKEN_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_ctl_pending_encode(struct mp_buf *buf, const struct mp_ctl_pending *p)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_span(&w, p->request);
	mp_ctl_addr_write(&w, &p->addr);
	mp_cbor_w_uint(&w, (uint64_t)p->since_ms);
	return w.rc;
}

void
mp_ctl_pending_next(struct mp_cbor_r *r, struct mp_ctl_pending *out)
{
	mp_cbor_r_array_exact(r, 3);
	out->request = mp_cbor_r_bytes(r, MP_REQUEST_MAX);
	mp_ctl_addr_read(r, &out->addr);
	out->since_ms = (mp_time)mp_cbor_r_uint(r, MP_TIME_NEVER - 1);
}

/* ---- what an authority signs ---- */

int
mp_ctl_revoke_encode(struct mp_buf *buf, const char *node, const char *why, bool force)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, MP_CTL_REVOKE);
	mp_cbor_w_text(&w, node);
	mp_cbor_w_text(&w, why);
	mp_cbor_w_bool(&w, force);
	return w.rc;
}

int
mp_ctl_trust_encode(struct mp_buf *buf, enum mp_ctl_trust what, struct mp_span record,
	const uint8_t key[MP_SYMKEY_SIZE])
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, MP_CTL_TRUST);
	mp_cbor_w_uint(&w, what);
	mp_cbor_w_span(&w, record);
	if (key != NULL)
		mp_cbor_w_bytes(&w, key, MP_SYMKEY_SIZE);
	else
		mp_cbor_w_null(&w);
	return w.rc;
}

static size_t
charter_list(struct mp_cbor_r *r, size_t max, struct mp_cbor_r *items)
{
	size_t n = mp_cbor_r_array(r, max);

	*items = *r;
	for (size_t i = 0; i < n && r->rc == 0; i++)
		mp_cbor_r_skip(r);
	return n;
}

int
mp_ctl_charter_decode(struct mp_span payload, struct mp_ctl_charter *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_ctl_charter){.log_count = 0};
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 4);
	mp_cbor_r_fixed(&r, out->cluster.b, sizeof(out->cluster.b));
	mp_cbor_r_fixed(&r, out->id.b, sizeof(out->id.b));
	out->log_count = charter_list(&r, MP_BRANCHES_MAX, &out->logs);
	out->revocation_count = charter_list(&r, MP_REVOKED_MAX, &out->revocations);
	return mp_cbor_r_end(&r);
}
