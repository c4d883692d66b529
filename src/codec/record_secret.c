/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_secret.h"

#include "mp/error.h"
#include "util/sort.h"

#define VERSION     1
#define BOX_MAX     (MP_SECRETS_ENCODED_MAX + 128u)
#define TAG_SECRETS "mp-secrets"
#define TAG_SEALED  "mp-sealed"

static int
span_cmp(struct mp_span a, struct mp_span b)
{
	int c = memcmp(a.p, b.p, mp_min_size(a.n, b.n));

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static void
open_tag(struct mp_cbor_r *r, size_t items, const char *tag)
{
	struct mp_span text;

	mp_cbor_r_array_exact(r, items);
	text = mp_cbor_r_text(r, 16);
	if (r->rc == 0 && !mp_span_eq(text, mp_span_str(tag)))
		r->rc = MP_EFORMAT;
	if (mp_cbor_r_uint(r, UINT64_MAX) != VERSION && r->rc == 0)
		r->rc = MP_EVERSION;
}

/* ---- values ---- */

static void
read_value(struct mp_cbor_r *r, struct mp_secret_value *out)
{
	mp_cbor_r_array_exact(r, 2);
	out->name = mp_cbor_r_text(r, MP_NAME_MAX);
	out->value = mp_cbor_r_bytes(r, MP_SECRET_VALUE_MAX);
}

/* What encoder and decoder ask of each value; *bytes is what is left for all. */
static int
value_check(const struct mp_secret_value *last, const struct mp_secret_value *v, size_t *bytes)
{
	size_t n = v->name.n + v->value.n;

	if (v->name.n == 0 || memchr(v->name.p, '\0', v->name.n) != NULL ||
		(v->value.n > 0 && memchr(v->value.p, '\0', v->value.n) != NULL) ||
		(last != NULL && span_cmp(last->name, v->name) >= 0))
		return MP_EINVAL;
	if (v->name.n > MP_NAME_MAX || v->value.n > MP_SECRET_VALUE_MAX || n > *bytes)
		return MP_ELIMIT;
	*bytes -= n;
	return 0;
}

int
mp_secrets_encode(struct mp_buf *buf, const struct mp_secret_value *v, size_t n)
{
	size_t bytes = MP_SECRETS_BYTES_MAX, before = buf->n;
	int rc = n > MP_SECRETS_MAX ? MP_ELIMIT : 0;
	struct mp_cbor_w w;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = value_check(i > 0 ? &v[i - 1] : NULL, &v[i], &bytes);
	if (rc != 0)
		return rc;
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text_n(&w, (const char *)v[i].name.p, v[i].name.n);
		mp_cbor_w_span(&w, v[i].value);
	}
	if (w.rc != 0)
		buf->n = before;
	return w.rc;
}

int
mp_secrets_check(struct mp_span values)
{
	size_t bytes = MP_SECRETS_BYTES_MAX, n;
	struct mp_secret_value last, v = {.name.n = 0};
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, values);
	n = mp_cbor_r_array(&r, MP_SECRETS_MAX);
	for (size_t i = 0; i < n && r.rc == 0; i++) {
		last = v;
		read_value(&r, &v);
		if (r.rc == 0)
			r.rc = value_check(i > 0 ? &last : NULL, &v, &bytes);
	}
	if (r.rc == MP_EINVAL)
		r.rc = MP_EFORMAT;
	return mp_cbor_r_end(&r);
}

size_t
mp_secrets_begin(struct mp_cbor_r *r, struct mp_span values)
{
	mp_cbor_r_init(r, values);
	return values.n == 0 ? 0 : mp_cbor_r_array(r, MP_SECRETS_MAX);
}

bool
mp_secrets_next(struct mp_cbor_r *r, size_t *left, struct mp_secret_value *out)
{
	if (*left == 0)
		return false;
	(*left)--;
	read_value(r, out);
	return r->rc == 0;
}

bool
mp_secrets_find(struct mp_span values, struct mp_span name, struct mp_span *value)
{
	struct mp_secret_value v;
	struct mp_cbor_r r;
	size_t left = mp_secrets_begin(&r, values);

	while (mp_secrets_next(&r, &left, &v)) {
		if (mp_span_eq(v.name, name)) {
			*value = v.value;
			return true;
		}
	}
	return false;
}

/* ---- sealing ---- */

static int
to_order(const void *a, const void *b)
{
	return mp_node_id_cmp(
		&((const struct mp_seal_to *)a)->node, &((const struct mp_seal_to *)b)->node);
}

static void
write_box(struct mp_cbor_w *w, const struct mp_crypto *crypto, const struct mp_run_id *run,
	struct mp_span values, const struct mp_seal_to *to)
{
	struct mp_buf plain, box;
	struct mp_cbor_w p;

	mp_buf_init(&plain, w->buf->alloc, BOX_MAX);
	mp_buf_init(&box, w->buf->alloc, BOX_MAX + MP_BOX_EXTRA);
	mp_cbor_w_init(&p, &plain);
	/* Room for all of it, so that no copy of a part is left behind. */
	p.rc = mp_buf_reserve(&plain, values.n + 128);
	mp_cbor_w_array(&p, 5);
	mp_cbor_w_text(&p, TAG_SECRETS);
	mp_cbor_w_uint(&p, VERSION);
	mp_cbor_w_bytes(&p, run->b, sizeof(run->b));
	mp_cbor_w_bytes(&p, to->node.b, sizeof(to->node.b));
	mp_cbor_w_raw(&p, values);
	if (p.rc == 0)
		p.rc = mp_buf_reserve(&box, plain.n + MP_BOX_EXTRA);
	if (p.rc == 0)
		p.rc = crypto->box_seal(box.p, mp_buf_span(&plain), to->xkey.b);
	if (p.rc == 0)
		box.n = plain.n + MP_BOX_EXTRA;
	else if (w->rc == 0)
		w->rc = p.rc;
	mp_cbor_w_array(w, 2);
	mp_cbor_w_bytes(w, to->node.b, sizeof(to->node.b));
	mp_cbor_w_span(w, mp_buf_span(&box));
	mp_buf_wipe(&plain);
	mp_buf_fini(&plain);
	mp_buf_fini(&box);
}

int
mp_sealed_make(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_node_id *signer, const struct mp_cluster_id *cluster,
	const struct mp_run_id *run, struct mp_span values, struct mp_seal_to *to, size_t n,
	struct mp_buf *out)
{
	size_t before = out->n;
	struct mp_buf body;
	struct mp_cbor_w w;
	struct mp_span bytes;
	struct mp_hash hash;
	struct mp_sig sig;

	mp_sort(to, n, sizeof(*to), to_order);
	mp_buf_init(&body, out->alloc, MP_SEALED_MAX);
	mp_cbor_w_init(&w, &body);
	mp_cbor_w_array(&w, 6);
	mp_cbor_w_text(&w, TAG_SEALED);
	mp_cbor_w_uint(&w, VERSION);
	mp_cbor_w_bytes(&w, cluster->b, sizeof(cluster->b));
	mp_cbor_w_bytes(&w, run->b, sizeof(run->b));
	mp_cbor_w_bytes(&w, signer->b, sizeof(signer->b));
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n && w.rc == 0; i++)
		write_box(&w, crypto, run, values, &to[i]);
	if (w.rc == 0) {
		bytes = mp_buf_span(&body);
		crypto->hash(&hash, &bytes, 1);
		crypto->sign(secret, &sig, mp_span(hash.b, sizeof(hash.b)));
		mp_cbor_w_init(&w, out);
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_span(&w, bytes);
		mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
	}
	mp_buf_fini(&body);
	if (w.rc != 0)
		out->n = before;
	return w.rc;
}

/* ---- opening ---- */

static struct mp_span
read_boxes(struct mp_cbor_r *r)
{
	const uint8_t *at = r->p;
	struct mp_node_id last = {{0}}, node;
	size_t n = mp_cbor_r_array(r, MP_ELECTORS_MAX + 1);

	for (size_t i = 0; i < n && r->rc == 0; i++) {
		mp_cbor_r_array_exact(r, 2);
		mp_cbor_r_fixed(r, node.b, sizeof(node.b));
		(void)mp_cbor_r_bytes(r, BOX_MAX + MP_BOX_EXTRA);
		if (r->rc == 0 && i > 0 && mp_node_id_cmp(&last, &node) >= 0)
			r->rc = MP_EFORMAT;
		last = node;
	}
	return r->rc == 0 ? mp_span(at, (size_t)(r->p - at)) : mp_span(NULL, 0);
}

int
mp_sealed_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_sealed *out)
{
	struct mp_cbor_r r;
	struct mp_hash hash;
	struct mp_span body;
	struct mp_sig sig;
	int rc;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 2);
	body = mp_cbor_r_bytes(&r, MP_SEALED_MAX);
	mp_cbor_r_fixed(&r, sig.b, sizeof(sig.b));
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, body);
	open_tag(&r, 6, TAG_SEALED);
	mp_cbor_r_fixed(&r, out->cluster.b, sizeof(out->cluster.b));
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	mp_cbor_r_fixed(&r, out->signer.b, sizeof(out->signer.b));
	out->boxes = read_boxes(&r);
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return rc;
	crypto->hash(&hash, &body, 1);
	return crypto->verify(out->signer.b, &sig, mp_span(hash.b, sizeof(hash.b)));
}

static struct mp_span
find_box(const struct mp_sealed *sealed, const struct mp_node_id *node)
{
	struct mp_node_id id;
	struct mp_span box;
	struct mp_cbor_r r;
	size_t n;

	mp_cbor_r_init(&r, sealed->boxes);
	for (n = mp_cbor_r_array(&r, MP_ELECTORS_MAX + 1); n > 0 && r.rc == 0; n--) {
		mp_cbor_r_array_exact(&r, 2);
		mp_cbor_r_fixed(&r, id.b, sizeof(id.b));
		box = mp_cbor_r_bytes(&r, BOX_MAX + MP_BOX_EXTRA);
		if (r.rc == 0 && mp_node_id_eq(&id, node))
			return box;
	}
	return mp_span(NULL, 0);
}

bool
mp_sealed_has(const struct mp_sealed *sealed, const struct mp_node_id *node)
{
	return find_box(sealed, node).p != NULL;
}

/* What was in the box; `values` as the box has it. */
static int
plain_read(struct mp_span plain, const struct mp_sealed *sealed, const struct mp_node_id *node,
	struct mp_span *values)
{
	struct mp_run_id run;
	struct mp_node_id id;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, plain);
	open_tag(&r, 5, TAG_SECRETS);
	mp_cbor_r_fixed(&r, run.b, sizeof(run.b));
	mp_cbor_r_fixed(&r, id.b, sizeof(id.b));
	if (r.rc != 0)
		return r.rc;
	if (!mp_run_id_eq(&run, &sealed->run) || !mp_node_id_eq(&id, node))
		return MP_ESIG;
	*values = mp_span(r.p, (size_t)(plain.p + plain.n - r.p));
	return mp_secrets_check(*values);
}

int
mp_sealed_values(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_sealed *sealed, const struct mp_node_id *node, struct mp_buf *values)
{
	struct mp_span box = find_box(sealed, node), found;
	struct mp_buf plain;
	int rc;

	if (box.p == NULL)
		return MP_ENOENT;
	if (box.n <= MP_BOX_EXTRA)
		return MP_ETRUNC;
	mp_buf_init(&plain, values->alloc, BOX_MAX);
	rc = mp_buf_reserve(&plain, box.n - MP_BOX_EXTRA);
	if (rc == 0)
		rc = crypto->box_open(plain.p, box, secret);
	if (rc == 0) {
		plain.n = box.n - MP_BOX_EXTRA;
		rc = plain_read(mp_buf_span(&plain), sealed, node, &found);
	}
	if (rc == 0)
		rc = mp_buf_append(values, found.p, found.n);
	mp_buf_wipe(&plain);
	mp_buf_fini(&plain);
	return rc;
}
