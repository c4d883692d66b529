/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_run.h"

#include "util/sort.h"

#define RECORD_VERSION 1
#define VOTE_BYTES_MAX 192

static const char run_domain[] = "mp-run";
static const char entry_domain[] = "mp-entry";
static const char vote_domain[] = "mp-vote";
static const char takeover_domain[] = "mp-takeover";
static const char cert_domain[] = "mp-leader";

/* ---- what all records share ---- */

static void
w_begin(struct mp_cbor_w *w, struct mp_buf *buf, size_t items, const char *domain)
{
	mp_cbor_w_init(w, buf);
	mp_cbor_w_array(w, items);
	mp_cbor_w_text(w, domain);
	mp_cbor_w_uint(w, RECORD_VERSION);
}

static void
r_fail(struct mp_cbor_r *r, int rc)
{
	if (r->rc == 0)
		r->rc = rc;
}

/* The version is judged before the number of items, which is its. */
static void
r_begin(struct mp_cbor_r *r, struct mp_span bytes, size_t items, const char *domain)
{
	size_t n;

	mp_cbor_r_init(r, bytes);
	n = mp_cbor_r_array(r, 64);
	if (!mp_span_eq(mp_cbor_r_text(r, 16), mp_span_str(domain)))
		r_fail(r, MP_EFORMAT);
	if (mp_cbor_r_uint(r, UINT64_MAX) != RECORD_VERSION)
		r_fail(r, MP_EVERSION);
	if (n != items)
		r_fail(r, MP_EFORMAT);
}

static bool
r_is_null(struct mp_cbor_r *r)
{
	if (mp_cbor_r_peek(r) != MP_CBOR_NULL)
		return false;
	mp_cbor_r_null(r);
	return true;
}

static void
w_hash_or_null(struct mp_cbor_w *w, const struct mp_hash *h)
{
	if (mp_hash_is_zero(h))
		mp_cbor_w_null(w);
	else
		mp_cbor_w_bytes(w, h->b, sizeof(h->b));
}

static void
r_hash_or_null(struct mp_cbor_r *r, struct mp_hash *h)
{
	*h = (struct mp_hash){{0}};
	if (r_is_null(r))
		return;
	mp_cbor_r_fixed(r, h->b, sizeof(h->b));
	if (mp_hash_is_zero(h))
		r_fail(r, MP_EFORMAT);
}

/* ---- parameters ---- */

/* RFC 8949 section 4.2.1 for keys of one type: shorter first, then by bytes. */
static int
key_cmp(struct mp_span a, struct mp_span b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return a.n == 0 ? 0 : memcmp(a.p, b.p, a.n);
}

static int
param_cmp(const void *a, const void *b)
{
	return key_cmp(
		((const struct mp_run_param *)a)->key, ((const struct mp_run_param *)b)->key);
}

int
mp_run_params_encode(struct mp_buf *buf, struct mp_run_param *params, size_t n)
{
	struct mp_cbor_w w;

	if (n > MP_RUN_PARAMS_MAX)
		return MP_ELIMIT;
	mp_sort(params, n, sizeof(*params), param_cmp);
	mp_cbor_w_init(&w, buf);
	for (size_t i = 0; i < n; i++) {
		mp_assert(params[i].key.n > 0);
		if (params[i].key.n > MP_NAME_MAX || params[i].value.n > MP_RUN_PARAM_MAX)
			return MP_ELIMIT;
		if (i > 0 && key_cmp(params[i - 1].key, params[i].key) == 0)
			return MP_EEXIST;
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_text_n(&w, (const char *)params[i].key.p, params[i].key.n);
		mp_cbor_w_text_n(&w, (const char *)params[i].value.p, params[i].value.n);
	}
	return w.rc;
}

static void
r_param(struct mp_cbor_r *r, struct mp_run_param *out)
{
	mp_cbor_r_array_exact(r, 2);
	out->key = mp_cbor_r_text(r, MP_NAME_MAX);
	out->value = mp_cbor_r_text(r, MP_RUN_PARAM_MAX);
	if (out->key.n == 0)
		r_fail(r, MP_EFORMAT);
}

static void
r_params(struct mp_cbor_r *r, struct mp_run_record *out)
{
	size_t n = mp_cbor_r_array(r, MP_RUN_PARAMS_MAX);
	const uint8_t *start = r->p;
	struct mp_run_param param, before = {{NULL, 0}, {NULL, 0}};

	for (size_t i = 0; i < n && r->rc == 0; i++, before = param) {
		r_param(r, &param);
		if (i > 0 && r->rc == 0 && key_cmp(before.key, param.key) >= 0)
			r_fail(r, MP_EFORMAT);
	}
	out->param_count = (uint32_t)n;
	out->params = mp_span(start, (size_t)(r->p - start));
}

bool
mp_run_param_next(const struct mp_run_record *rec, size_t *at, struct mp_run_param *out)
{
	struct mp_cbor_r r;

	if (*at >= rec->params.n)
		return false;
	mp_cbor_r_init(&r, mp_span(rec->params.p + *at, rec->params.n - *at));
	r_param(&r, out);
	mp_assert(r.rc == 0);
	*at += mp_cbor_r_offset(&r);
	return true;
}

/* ---- who decides ---- */

static int
elector_find(const struct mp_node_id *electors, size_t n, const struct mp_node_id *node)
{
	for (size_t i = 0; i < n; i++)
		if (mp_node_id_eq(&electors[i], node))
			return (int)i;
	return -1;
}

int
mp_electorate_find(const struct mp_electorate *who, const struct mp_node_id *node)
{
	return elector_find(who->electors, who->elector_count, node);
}

bool
mp_electorate_has(const struct mp_electorate *who, const struct mp_node_id *node)
{
	return mp_electorate_find(who, node) >= 0 ||
	       (who->mirrored && mp_node_id_eq(&who->mirror, node));
}

int
mp_electorate_cmp(const struct mp_electorate *a, const struct mp_electorate *b)
{
	int order;

	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	order = memcmp(a->naming.b, b->naming.b, sizeof(a->naming.b));
	return order < 0 ? -1 : order > 0;
}

static bool
electors_valid(const struct mp_node_id *electors, uint32_t n, const struct mp_node_id *mirror)
{
	if (n > MP_ELECTORS_MAX || n % 2 == 0)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (elector_find(electors, i, &electors[i]) >= 0)
			return false;
	return mirror == NULL || (n == 1 && !mp_node_id_eq(mirror, &electors[0]));
}

static void
w_electors(struct mp_cbor_w *w, const struct mp_node_id *electors, uint32_t n)
{
	mp_cbor_w_array(w, n);
	for (uint32_t i = 0; i < n; i++)
		mp_cbor_w_bytes(w, electors[i].b, sizeof(electors[i].b));
}

static uint32_t
r_electors(struct mp_cbor_r *r, struct mp_node_id electors[MP_ELECTORS_MAX])
{
	uint32_t n = (uint32_t)mp_cbor_r_array(r, MP_ELECTORS_MAX);

	for (uint32_t i = 0; i < n; i++)
		mp_cbor_r_fixed(r, electors[i].b, sizeof(electors[i].b));
	return n;
}

static void
w_mirror(struct mp_cbor_w *w, bool mirrored, const struct mp_node_id *mirror)
{
	if (mirrored)
		mp_cbor_w_bytes(w, mirror->b, sizeof(mirror->b));
	else
		mp_cbor_w_null(w);
}

static bool
r_mirror(struct mp_cbor_r *r, struct mp_node_id *mirror)
{
	if (r_is_null(r))
		return false;
	mp_cbor_r_fixed(r, mirror->b, sizeof(mirror->b));
	return true;
}

/* ---- the run record ---- */

static bool
record_valid(const struct mp_run_record *rec)
{
	return electors_valid(
		       rec->electors, rec->elector_count, rec->mirrored ? &rec->mirror : NULL) &&
	       (rec->mirrored || !rec->survivor);
}

int
mp_run_record_encode(struct mp_buf *buf, const struct mp_run_record *rec)
{
	struct mp_cbor_w w;
	size_t start = buf->n;

	mp_assert(record_valid(rec));
	mp_assert(rec->copies >= 1 && rec->copies <= MP_COPIES_MAX);
	w_begin(&w, buf, 15, run_domain);
	mp_cbor_w_bytes(&w, rec->cluster.b, sizeof(rec->cluster.b));
	mp_cbor_w_bytes(&w, rec->pipeline.b, sizeof(rec->pipeline.b));
	mp_cbor_w_bytes(&w, rec->opener.b, sizeof(rec->opener.b));
	mp_cbor_w_bytes(&w, rec->nonce, sizeof(rec->nonce));
	mp_cbor_w_int(&w, rec->submitted_ms);
	mp_cbor_w_text(&w, rec->name);
	w_electors(&w, rec->electors, rec->elector_count);
	mp_cbor_w_uint(&w, rec->copies);
	mp_cbor_w_array(&w, rec->param_count);
	mp_cbor_w_raw(&w, rec->params);
	w_hash_or_null(&w, &rec->inputs);
	if (rec->submission_key[0] == '\0')
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_text(&w, rec->submission_key);
	w_mirror(&w, rec->mirrored, &rec->mirror);
	mp_cbor_w_bool(&w, rec->survivor);
	if (w.rc == 0 && buf->n - start > MP_RUN_RECORD_MAX)
		w.rc = MP_ELIMIT;
	return w.rc;
}

int
mp_run_record_decode(struct mp_span bytes, struct mp_run_record *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_run_record){.copies = 0};
	if (bytes.n > MP_RUN_RECORD_MAX)
		return MP_ELIMIT;
	r_begin(&r, bytes, 15, run_domain);
	mp_cbor_r_fixed(&r, out->cluster.b, sizeof(out->cluster.b));
	mp_cbor_r_fixed(&r, out->pipeline.b, sizeof(out->pipeline.b));
	mp_cbor_r_fixed(&r, out->opener.b, sizeof(out->opener.b));
	mp_cbor_r_fixed(&r, out->nonce, sizeof(out->nonce));
	out->submitted_ms = mp_cbor_r_int(&r);
	mp_cbor_r_str(&r, out->name, sizeof(out->name));
	out->elector_count = r_electors(&r, out->electors);
	out->copies = (uint32_t)mp_cbor_r_uint(&r, MP_COPIES_MAX);
	if (out->copies == 0)
		r_fail(&r, MP_EFORMAT);
	r_params(&r, out);
	r_hash_or_null(&r, &out->inputs);
	if (!r_is_null(&r)) {
		mp_cbor_r_str(&r, out->submission_key, sizeof(out->submission_key));
		if (out->submission_key[0] == '\0')
			r_fail(&r, MP_EFORMAT);
	}
	out->mirrored = r_mirror(&r, &out->mirror);
	out->survivor = mp_cbor_r_bool(&r);
	if (!record_valid(out))
		r_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

int
mp_run_signed_decode(struct mp_span bytes, struct mp_span *record, struct mp_sig *sig,
	struct mp_span *takeover, struct mp_sig *takeover_sig)
{
	struct mp_span second = mp_span(NULL, 0);
	struct mp_sig second_sig = {{0}};
	struct mp_cbor_r r;
	size_t n;

	mp_cbor_r_init(&r, bytes);
	n = mp_cbor_r_array(&r, 4);
	*record = mp_cbor_r_bytes(&r, MP_RUN_RECORD_MAX);
	mp_cbor_r_fixed(&r, sig->b, sizeof(sig->b));
	if (n == 4) {
		second = mp_cbor_r_bytes(&r, MP_TAKEOVER_MAX);
		mp_cbor_r_fixed(&r, second_sig.b, sizeof(second_sig.b));
		if (second.n == 0)
			r_fail(&r, MP_EFORMAT);
	} else if (n != 2) {
		r_fail(&r, MP_EFORMAT);
	}
	if (takeover != NULL)
		*takeover = second;
	if (takeover_sig != NULL)
		*takeover_sig = second_sig;
	return mp_cbor_r_end(&r);
}

int
mp_run_naming(const struct mp_crypto *crypto, struct mp_span signed_record, struct mp_hash *naming)
{
	struct mp_span record, takeover;
	struct mp_sig sig;
	int rc = mp_run_signed_decode(signed_record, &record, &sig, &takeover, NULL);

	if (rc == 0)
		*naming = mp_record_hash(crypto, takeover.n > 0 ? takeover : record);
	return rc;
}

static void
run_record_named(
	const struct mp_crypto *crypto, struct mp_run_record *rec, struct mp_span record_bytes)
{
	rec->hash = mp_record_hash(crypto, record_bytes);
	rec->id = mp_run_id_of(&rec->hash);
	rec->now = (struct mp_electorate){.cluster = rec->cluster,
		.run = rec->id,
		.generation = 1,
		.naming = rec->hash,
		.elector_count = rec->elector_count,
		.mirrored = rec->mirrored,
		.mirror = rec->mirror,
		.base_hash = rec->hash};
	memcpy(rec->now.electors, rec->electors, sizeof(rec->now.electors));
}

int
mp_run_record_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	struct mp_run_record *rec, struct mp_buf *out)
{
	struct mp_buf bytes;
	struct mp_cbor_w w;
	struct mp_sig sig;
	int rc;

	mp_buf_init(&bytes, out->alloc, MP_RUN_RECORD_MAX);
	rc = mp_run_record_encode(&bytes, rec);
	if (rc == 0) {
		run_record_named(crypto, rec, mp_buf_span(&bytes));
		crypto->sign(secret, &sig, mp_span(rec->hash.b, sizeof(rec->hash.b)));
		mp_cbor_w_init(&w, out);
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_span(&w, mp_buf_span(&bytes));
		mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
		rc = w.rc;
	}
	mp_buf_fini(&bytes);
	return rc;
}

/* ---- takeovers ---- */

static bool
takeover_valid(const struct mp_takeover *t)
{
	const struct mp_electorate *who = &t->who;

	return electors_valid(
		       who->electors, who->elector_count, who->mirrored ? &who->mirror : NULL) &&
	       who->generation > 1 && who->generation <= MP_GENERATION_MAX &&
	       who->base_term < MP_TERM_FIRST(who->generation) &&
	       (who->base_index == 0) == (who->base_term == 0);
}

int
mp_takeover_encode(struct mp_buf *buf, const struct mp_takeover *t)
{
	const struct mp_electorate *who = &t->who;
	struct mp_cbor_w w;

	mp_assert(takeover_valid(t));
	w_begin(&w, buf, 13, takeover_domain);
	mp_cbor_w_bytes(&w, who->cluster.b, sizeof(who->cluster.b));
	mp_cbor_w_bytes(&w, who->run.b, sizeof(who->run.b));
	mp_cbor_w_uint(&w, who->generation);
	mp_cbor_w_bytes(&w, t->parent.b, sizeof(t->parent.b));
	w_electors(&w, who->electors, who->elector_count);
	w_mirror(&w, who->mirrored, &who->mirror);
	mp_cbor_w_uint(&w, who->base_index);
	mp_cbor_w_uint(&w, who->base_term);
	mp_cbor_w_bytes(&w, who->base_hash.b, sizeof(who->base_hash.b));
	mp_cbor_w_int(&w, t->wall_ms);
	mp_cbor_w_bytes(&w, t->signer, sizeof(t->signer));
	return w.rc;
}

int
mp_takeover_decode(struct mp_span bytes, struct mp_takeover *out)
{
	struct mp_electorate *who = &out->who;
	struct mp_cbor_r r;

	*out = (struct mp_takeover){.wall_ms = 0};
	if (bytes.n > MP_TAKEOVER_MAX)
		return MP_ELIMIT;
	r_begin(&r, bytes, 13, takeover_domain);
	mp_cbor_r_fixed(&r, who->cluster.b, sizeof(who->cluster.b));
	mp_cbor_r_fixed(&r, who->run.b, sizeof(who->run.b));
	who->generation = mp_cbor_r_uint(&r, MP_GENERATION_MAX);
	mp_cbor_r_fixed(&r, out->parent.b, sizeof(out->parent.b));
	who->elector_count = r_electors(&r, who->electors);
	who->mirrored = r_mirror(&r, &who->mirror);
	who->base_index = mp_cbor_r_uint(&r, INT64_MAX);
	who->base_term = mp_cbor_r_uint(&r, INT64_MAX);
	mp_cbor_r_fixed(&r, who->base_hash.b, sizeof(who->base_hash.b));
	out->wall_ms = mp_cbor_r_int(&r);
	mp_cbor_r_fixed(&r, out->signer, sizeof(out->signer));
	if (r.rc == 0 && !takeover_valid(out))
		r_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

static int
takeover_verify(const struct mp_crypto *crypto, struct mp_span bytes, const struct mp_sig *sig,
	struct mp_run_record *rec)
{
	struct mp_takeover t;
	struct mp_hash naming;
	int rc = mp_takeover_decode(bytes, &t);

	if (rc != 0)
		return rc;
	if (!mp_cluster_id_eq(&t.who.cluster, &rec->cluster) ||
		!mp_run_id_eq(&t.who.run, &rec->id) ||
		(t.who.base_index == 0 && !mp_hash_eq(&t.who.base_hash, &rec->hash)))
		return MP_EAUTH;
	naming = mp_record_hash(crypto, bytes);
	rc = crypto->verify(t.signer, sig, mp_span(naming.b, sizeof(naming.b)));
	if (rc != 0)
		return rc;
	rec->now = t.who;
	rec->now.naming = naming;
	memcpy(rec->signer, t.signer, sizeof(rec->signer));
	rec->takeover_ms = t.wall_ms;
	return 0;
}

int
mp_run_take_over(struct mp_buf *out, struct mp_span signed_record, struct mp_span takeover,
	const struct mp_sig *takeover_sig)
{
	struct mp_span record;
	struct mp_cbor_w w;
	struct mp_sig sig;
	int rc = mp_run_signed_decode(signed_record, &record, &sig, NULL, NULL);

	if (rc != 0)
		return rc;
	mp_cbor_w_init(&w, out);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_span(&w, record);
	mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
	mp_cbor_w_span(&w, takeover);
	mp_cbor_w_bytes(&w, takeover_sig->b, sizeof(takeover_sig->b));
	return w.rc;
}

bool
mp_run_survived(const struct mp_run_record *rec)
{
	const struct mp_electorate *now = &rec->now;
	const struct mp_node_id *a = &rec->electors[0], *b = &rec->mirror;

	if (!rec->survivor || now->generation == 1 || now->elector_count != 1 || !now->mirrored ||
		memcmp(rec->signer, now->electors[0].b, sizeof(rec->signer)) != 0)
		return false;
	return (mp_node_id_eq(&now->electors[0], a) && mp_node_id_eq(&now->mirror, b)) ||
	       (mp_node_id_eq(&now->electors[0], b) && mp_node_id_eq(&now->mirror, a));
}

int
mp_run_record_verify(const struct mp_crypto *crypto, const struct mp_cluster_id *cluster,
	struct mp_span signed_record, struct mp_run_record *out)
{
	struct mp_span record, takeover;
	struct mp_sig sig, takeover_sig;
	int rc = mp_run_signed_decode(signed_record, &record, &sig, &takeover, &takeover_sig);

	if (rc == 0)
		rc = mp_run_record_decode(record, out);
	if (rc != 0)
		return rc;
	if (!mp_cluster_id_eq(&out->cluster, cluster))
		return MP_ECLUSTER;
	run_record_named(crypto, out, record);
	rc = crypto->verify(out->opener.b, &sig, mp_span(out->hash.b, sizeof(out->hash.b)));
	return rc != 0 || takeover.n == 0 ? rc
					  : takeover_verify(crypto, takeover, &takeover_sig, out);
}

int
mp_run_elector(const struct mp_run_record *rec, const struct mp_node_id *node)
{
	return mp_electorate_find(&rec->now, node);
}

/* ---- log entries ---- */

int
mp_entry_encode(struct mp_buf *buf, const struct mp_entry *entry)
{
	struct mp_cbor_w w;

	mp_assert(entry->index > 0 && entry->term > 0 && entry->kind > 0);
	w_begin(&w, buf, 9, entry_domain);
	mp_cbor_w_bytes(&w, entry->run.b, sizeof(entry->run.b));
	mp_cbor_w_uint(&w, entry->index);
	mp_cbor_w_uint(&w, entry->term);
	mp_cbor_w_uint(&w, (uint64_t)entry->kind);
	mp_cbor_w_bytes(&w, entry->prev.b, sizeof(entry->prev.b));
	mp_cbor_w_int(&w, entry->wall_ms);
	mp_cbor_w_span(&w, entry->body);
	return w.rc;
}

int
mp_entry_decode(struct mp_span bytes, struct mp_entry *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_entry){.index = 0};
	if (bytes.n > MP_ENTRY_MAX)
		return MP_ELIMIT;
	r_begin(&r, bytes, 9, entry_domain);
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	out->index = mp_cbor_r_uint(&r, INT64_MAX);
	out->term = mp_cbor_r_uint(&r, INT64_MAX);
	out->kind = (enum mp_entry_kind)mp_cbor_r_uint(&r, MP_ENTRY_KIND_MAX);
	mp_cbor_r_fixed(&r, out->prev.b, sizeof(out->prev.b));
	out->wall_ms = mp_cbor_r_int(&r);
	out->body = mp_cbor_r_bytes(&r, MP_ENTRY_MAX);
	if (out->index == 0 || out->term == 0 || out->kind == 0)
		r_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

/* ---- votes ---- */

static struct mp_hash
vote_hash(const struct mp_crypto *crypto, const struct mp_vote *vote)
{
	uint8_t bytes[VOTE_BYTES_MAX];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_cbor_w w;

	w_begin(&w, &buf, 8, vote_domain);
	mp_cbor_w_bytes(&w, vote->cluster.b, sizeof(vote->cluster.b));
	mp_cbor_w_bytes(&w, vote->run.b, sizeof(vote->run.b));
	mp_cbor_w_uint(&w, vote->generation);
	mp_cbor_w_bytes(&w, vote->naming.b, sizeof(vote->naming.b));
	mp_cbor_w_uint(&w, vote->term);
	mp_cbor_w_bytes(&w, vote->candidate.b, sizeof(vote->candidate.b));
	mp_assert(w.rc == 0);
	return mp_record_hash(crypto, mp_buf_span(&buf));
}

void
mp_vote_sign(const struct mp_crypto *crypto, const struct mp_secret *secret,
	const struct mp_vote *vote, struct mp_sig *sig)
{
	struct mp_hash h = vote_hash(crypto, vote);

	crypto->sign(secret, sig, mp_span(h.b, sizeof(h.b)));
}

int
mp_vote_verify(const struct mp_crypto *crypto, const struct mp_vote *vote,
	const struct mp_node_id *elector, const struct mp_sig *sig)
{
	struct mp_hash h = vote_hash(crypto, vote);

	return crypto->verify(elector->b, sig, mp_span(h.b, sizeof(h.b)));
}

/* ---- certificates ---- */

int
mp_leader_cert_encode(struct mp_buf *buf, const struct mp_leader_cert *cert)
{
	struct mp_cbor_w w;

	mp_assert(cert->vote_count <= MP_ELECTORS_MAX);
	w_begin(&w, buf, 7, cert_domain);
	mp_cbor_w_bytes(&w, cert->run.b, sizeof(cert->run.b));
	mp_cbor_w_uint(&w, cert->generation);
	mp_cbor_w_uint(&w, cert->term);
	mp_cbor_w_bytes(&w, cert->leader.b, sizeof(cert->leader.b));
	mp_cbor_w_array(&w, cert->vote_count);
	for (uint32_t i = 0; i < cert->vote_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, cert->votes[i].elector);
		mp_cbor_w_bytes(&w, cert->votes[i].sig.b, sizeof(cert->votes[i].sig.b));
	}
	return w.rc;
}

int
mp_leader_cert_decode(struct mp_span bytes, struct mp_leader_cert *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_leader_cert){.term = 0};
	r_begin(&r, bytes, 7, cert_domain);
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	out->generation = mp_cbor_r_uint(&r, INT64_MAX);
	out->term = mp_cbor_r_uint(&r, INT64_MAX);
	mp_cbor_r_fixed(&r, out->leader.b, sizeof(out->leader.b));
	out->vote_count = (uint32_t)mp_cbor_r_array(&r, MP_ELECTORS_MAX);
	for (uint32_t i = 0; i < out->vote_count; i++) {
		mp_cbor_r_array_exact(&r, 2);
		out->votes[i].elector = (uint32_t)mp_cbor_r_uint(&r, MP_ELECTORS_MAX - 1);
		mp_cbor_r_fixed(&r, out->votes[i].sig.b, sizeof(out->votes[i].sig.b));
		if (i > 0 && out->votes[i].elector <= out->votes[i - 1].elector)
			r_fail(&r, MP_EFORMAT);
	}
	if (out->term == 0)
		r_fail(&r, MP_EFORMAT);
	return mp_cbor_r_end(&r);
}

int
mp_leader_cert_verify(const struct mp_crypto *crypto, struct mp_span cert,
	const struct mp_electorate *who, struct mp_leader_cert *out)
{
	struct mp_leader_cert c;
	struct mp_vote vote;
	int rc = mp_leader_cert_decode(cert, &c);

	if (rc != 0)
		return rc;
	if (!mp_run_id_eq(&c.run, &who->run) || c.generation != who->generation ||
		mp_electorate_find(who, &c.leader) < 0)
		return MP_EAUTH;
	if (c.vote_count < who->elector_count / 2 + 1)
		return MP_ENOQUORUM;
	vote = (struct mp_vote){.cluster = who->cluster,
		.run = who->run,
		.generation = who->generation,
		.naming = who->naming,
		.term = c.term,
		.candidate = c.leader};
	for (uint32_t i = 0; i < c.vote_count; i++) {
		if (c.votes[i].elector >= who->elector_count)
			return MP_EAUTH;
		rc = mp_vote_verify(
			crypto, &vote, &who->electors[c.votes[i].elector], &c.votes[i].sig);
		if (rc != 0)
			return rc;
	}
	if (out != NULL)
		*out = c;
	return 0;
}
