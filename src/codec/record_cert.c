/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_cert.h"

#include <inttypes.h>

#include "codec/cbor.h"
#include "codec/record_signed.h"

static const char tag_authority[] = "mp-authority";
static const char tag_invite[] = "mp-invite";
static const char tag_cert[] = "mp-cert";
static const char tag_admission[] = "mp-admission";
static const char tag_request[] = "mp-request";

#define INVITE_BOUND 1 /* flags */

/* ---- names and roles ---- */

static bool
alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
mp_node_name_valid(struct mp_span name)
{
	if (name.n == 0 || name.n > MP_NAME_MAX || !alnum(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++) {
		if (!alnum(name.p[i]) && name.p[i] != '.' && name.p[i] != '_' && name.p[i] != '-')
			return false;
	}
	return true;
}

bool
mp_roles_valid(uint32_t roles)
{
	return roles != 0 && (roles & ~MP_ROLES_ALL) == 0;
}

/* A role that is not known here comes from a newer version. */
static uint32_t
body_roles(struct mp_cbor_r *r)
{
	uint32_t roles = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);

	if (r->rc == 0 && !mp_roles_valid(roles))
		r->rc = roles == 0 ? MP_EFORMAT : MP_EVERSION;
	return roles;
}

/* ---- authority ---- */

struct authority_entry {
	uint64_t index;
	struct mp_hash previous; /* zero: null */
	bool first;
	uint64_t op;
	uint8_t key[32], signer[32];
	mp_time created_ms;
};

static void
fixed_or_null(struct mp_cbor_r *r, bool null, void *out)
{
	if (null)
		mp_cbor_r_null(r);
	else
		mp_cbor_r_fixed(r, out, 32);
}

static int
authority_decode(struct mp_span body, struct authority_entry *e)
{
	struct mp_cbor_r r;

	memset(e, 0, sizeof(*e));
	body_open(&r, body, tag_authority, 8);
	e->index = mp_cbor_r_uint(&r, MP_AUTHORITY_MAX - 1);
	e->first = e->index == 0;
	fixed_or_null(&r, e->first, e->previous.b);
	e->op = mp_cbor_r_uint(&r, UINT64_MAX);
	if (r.rc == 0 && e->op != MP_AUTHORITY_ADD && e->op != MP_AUTHORITY_REMOVE)
		r.rc = MP_EVERSION;
	mp_cbor_r_fixed(&r, e->key, sizeof(e->key));
	fixed_or_null(&r, e->first, e->signer);
	if (e->first)
		memcpy(e->signer, e->key, sizeof(e->signer));
	e->created_ms = body_ms(&r);
	return mp_cbor_r_end(&r);
}

static struct mp_authority_key *
authority_find(struct mp_authority *a, const uint8_t key[32])
{
	for (size_t i = 0; i < a->key_count; i++) {
		if (memcmp(a->keys[i].key, key, 32) == 0)
			return &a->keys[i];
	}
	return NULL;
}

bool
mp_authority_has(const struct mp_authority *authority, const uint8_t key[32], mp_time wall_ms)
{
	for (size_t i = 0; i < authority->key_count; i++) {
		const struct mp_authority_key *k = &authority->keys[i];

		if (memcmp(k->key, key, 32) == 0)
			return k->removed_ms == MP_TIME_NEVER || wall_ms < k->removed_ms;
	}
	return false;
}

bool
mp_authority_knows(const struct mp_authority *authority, const uint8_t key[32])
{
	/* No wall time is before the first one. */
	return mp_authority_has(authority, key, INT64_MIN);
}

int
mp_authority_cmp(const struct mp_authority *a, const struct mp_authority *b)
{
	size_t both = mp_min_size(a->entry_count, b->entry_count), i = 0;

	while (i < both && mp_hash_eq(&a->entries[i], &b->entries[i]))
		i++;
	if (i == both)
		return (a->entry_count < b->entry_count) - (a->entry_count > b->entry_count);
	if (a->ops[i] != b->ops[i])
		return a->ops[i] == MP_AUTHORITY_REMOVE ? -1 : 1;
	if (a->signers[i] != b->signers[i])
		return a->signers[i] < b->signers[i] ? -1 : 1;
	return mp_hash_cmp(&a->entries[i], &b->entries[i]);
}

/* May this change follow? 0, MP_EAUTH, MP_EEXIST, MP_ENOENT. */
static int
authority_check(struct mp_authority *a, enum mp_authority_op op, const uint8_t key[32],
	const uint8_t signer[32])
{
	const struct mp_authority_key *k = authority_find(a, key);
	size_t good = 0;

	if (a->entry_count == 0)
		return op == MP_AUTHORITY_ADD && memcmp(key, signer, 32) == 0 ? 0 : MP_EAUTH;
	if (!mp_authority_has(a, signer, MP_TIME_NEVER))
		return MP_EAUTH;
	if (op == MP_AUTHORITY_ADD)
		return k == NULL ? 0 : MP_EEXIST;
	for (size_t i = 0; i < a->key_count; i++)
		good += a->keys[i].removed_ms == MP_TIME_NEVER;
	if (k == NULL || k->removed_ms != MP_TIME_NEVER)
		return MP_ENOENT;
	return good > 1 ? 0 : MP_EAUTH;
}

static void
authority_apply(struct mp_authority *a, const struct authority_entry *e, const struct mp_hash *hash)
{
	size_t by = 0;

	if (e->first)
		memcpy(a->cluster.b, hash->b, sizeof(a->cluster.b));
	while (by < a->key_count && memcmp(a->keys[by].key, e->signer, 32) != 0)
		by++;
	a->ops[a->entry_count] = (uint8_t)e->op;
	a->signers[a->entry_count] = (uint8_t)by;
	a->entries[a->entry_count++] = *hash;
	if (e->op == MP_AUTHORITY_REMOVE) {
		struct mp_authority_key *k = authority_find(a, e->key);

		mp_assert(k != NULL);
		k->removed_ms = e->created_ms;
		return;
	}
	memcpy(a->keys[a->key_count].key, e->key, 32);
	a->keys[a->key_count++].removed_ms = MP_TIME_NEVER;
}

static int
authority_open_entry(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_authority *a)
{
	struct authority_entry e;
	struct mp_span body;
	struct mp_hash hash;
	struct mp_sig sig;
	int rc = record_split(bytes, &body, &sig, 1);

	if (rc == 0)
		rc = authority_decode(body, &e);
	if (rc != 0)
		return rc;
	if (e.index != a->entry_count)
		return MP_EFORMAT;
	if (!e.first && !mp_hash_eq(&e.previous, &a->entries[e.index - 1]))
		return MP_EAUTH;
	if (authority_check(a, (enum mp_authority_op)e.op, e.key, e.signer) != 0)
		return MP_EAUTH;
	hash = record_hash(crypto, tag_authority, body);
	rc = crypto->verify(e.signer, &sig, mp_span(hash.b, sizeof(hash.b)));
	if (rc == 0)
		authority_apply(a, &e, &hash);
	return rc;
}

int
mp_authority_open(const struct mp_crypto *crypto, struct mp_span log, struct mp_authority *out,
	struct mp_error *err)
{
	struct mp_cbor_r r;
	size_t n;
	int rc;

	memset(out, 0, sizeof(*out));
	out->log = log;
	mp_cbor_r_init(&r, log);
	n = mp_cbor_r_array(&r, MP_AUTHORITY_MAX);
	if (r.rc == 0 && n == 0)
		r.rc = MP_EFORMAT;
	for (size_t i = 0; i < n; i++) {
		struct mp_span entry = mp_cbor_r_item(&r);

		if (r.rc != 0)
			break;
		rc = authority_open_entry(crypto, entry, out);
		if (rc != 0)
			return mp_fail(err, rc, "authority log, entry %zu: %s", i, mp_strerror(rc));
	}
	rc = mp_cbor_r_end(&r);
	return rc == 0 ? 0 : fail_code(err, rc, "authority log");
}

size_t
mp_authority_prefix(struct mp_span log, const uint8_t key[32])
{
	struct mp_cbor_r r;
	size_t n;

	mp_cbor_r_init(&r, log);
	n = mp_cbor_r_array(&r, MP_AUTHORITY_MAX);
	for (size_t i = 0; i < n; i++) {
		struct authority_entry e;
		struct mp_span body;
		struct mp_sig sig;

		if (record_split(mp_cbor_r_item(&r), &body, &sig, 1) == 0 &&
			authority_decode(body, &e) == 0 && e.op == MP_AUTHORITY_ADD &&
			memcmp(e.key, key, sizeof(e.key)) == 0)
			return i + 1;
	}
	return 0;
}

/* Appends the first `keep` entries of a log that was opened, with room for `more`. */
static void
log_copy(struct mp_cbor_w *w, struct mp_span log, size_t keep, size_t more)
{
	struct mp_cbor_r r;

	mp_cbor_w_array(w, keep + more);
	mp_cbor_r_init(&r, log);
	if (keep > 0)
		(void)mp_cbor_r_array(&r, MP_AUTHORITY_MAX);
	for (size_t i = 0; i < keep; i++)
		mp_cbor_w_raw(w, mp_cbor_r_item(&r));
}

int
mp_authority_copy(struct mp_span log, size_t n, struct mp_buf *out)
{
	size_t start = out->n;
	struct mp_cbor_w w;

	mp_assert(n > 0);
	mp_cbor_w_init(&w, out);
	log_copy(&w, log, n, 0);
	if (w.rc != 0)
		out->n = start;
	return w.rc;
}

static int
authority_put_entry(const struct mp_crypto *crypto, const struct mp_authority *a,
	const struct mp_authority_change *change, const struct mp_signer *signer,
	struct mp_buf *out)
{
	bool first = a->entry_count == 0;
	struct mp_cbor_w w;
	struct mp_buf body;
	struct mp_sig sig;
	int rc;

	mp_buf_init(&body, out->alloc, BODY_MAX);
	body_begin(&w, &body, tag_authority, 8);
	mp_cbor_w_uint(&w, a->entry_count);
	if (first)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_bytes(&w, a->entries[a->entry_count - 1].b, 32);
	mp_cbor_w_uint(&w, change->op);
	mp_cbor_w_bytes(&w, change->key, sizeof(change->key));
	if (first)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_bytes(&w, signer->key, sizeof(signer->key));
	mp_cbor_w_uint(&w, (uint64_t)change->created_ms);
	rc = w.rc;
	if (rc == 0) {
		(void)record_sign(crypto, tag_authority, mp_buf_span(&body), signer, &sig);
		rc = record_put(out, mp_buf_span(&body), &sig, 1);
	}
	mp_buf_fini(&body);
	return rc;
}

int
mp_authority_append(const struct mp_crypto *crypto, struct mp_span log,
	const struct mp_authority_change *change, const struct mp_signer *signer,
	struct mp_buf *out)
{
	struct mp_authority a = {.entry_count = 0};
	size_t n = out->n;
	struct mp_cbor_w w;
	int rc = 0;

	if (log.n > 0)
		rc = mp_authority_open(crypto, log, &a, NULL);
	if (rc != 0)
		return rc;
	if (!time_valid(change->created_ms))
		return MP_EINVAL;
	if (a.entry_count == MP_AUTHORITY_MAX)
		return MP_ELIMIT;
	rc = authority_check(&a, change->op, change->key, signer->key);
	if (rc != 0)
		return rc;
	mp_cbor_w_init(&w, out);
	log_copy(&w, log, a.entry_count, 1);
	rc = w.rc;
	if (rc == 0)
		rc = authority_put_entry(crypto, &a, change, signer, out);
	if (rc != 0)
		out->n = n;
	return rc;
}

/* ---- invite ---- */

static bool
seed_valid(struct mp_span seed)
{
	if (seed.n == 0 || seed.n > MP_INVITE_SEED_MAX)
		return false;
	for (size_t i = 0; i < seed.n; i++) {
		if (seed.p[i] <= ' ' || seed.p[i] > '~')
			return false;
	}
	return true;
}

static bool
invite_valid(const struct mp_invite *v)
{
	if (!mp_roles_valid(v->roles) || v->seed_count > MP_INVITE_SEEDS_MAX)
		return false;
	if (!time_valid(v->not_before_ms) || !time_valid(v->expires_ms) ||
		v->not_before_ms > v->expires_ms)
		return false;
	for (size_t i = 0; i < v->seed_count; i++) {
		if (!seed_valid(v->seeds[i]))
			return false;
	}
	return true;
}

void
mp_invite_bind(struct mp_invite *invite, const struct mp_node_id *id)
{
	memcpy(invite->nonce, id->b, sizeof(invite->nonce));
	invite->bound = true;
}

bool
mp_invite_is_for(const struct mp_invite *invite, const struct mp_node_id *id)
{
	return !invite->bound || memcmp(invite->nonce, id->b, sizeof(invite->nonce)) == 0;
}

int
mp_invite_sign(const struct mp_crypto *crypto, const struct mp_invite *invite,
	const struct mp_signer *authority, struct mp_buf *out)
{
	struct mp_cbor_w w;
	struct mp_buf body;
	struct mp_sig sig;
	int rc;

	if (!invite_valid(invite))
		return MP_EINVAL;
	mp_buf_init(&body, out->alloc, BODY_MAX);
	body_begin(&w, &body, tag_invite, 11);
	mp_cbor_w_bytes(&w, invite->cluster.b, sizeof(invite->cluster.b));
	mp_cbor_w_bytes(&w, invite->key, sizeof(invite->key));
	mp_cbor_w_uint(&w, invite->roles);
	mp_cbor_w_uint(&w, (uint64_t)invite->not_before_ms);
	mp_cbor_w_uint(&w, (uint64_t)invite->expires_ms);
	mp_cbor_w_array(&w, invite->seed_count);
	for (size_t i = 0; i < invite->seed_count; i++)
		mp_cbor_w_text_n(&w, (const char *)invite->seeds[i].p, invite->seeds[i].n);
	mp_cbor_w_bytes(&w, invite->nonce, sizeof(invite->nonce));
	mp_cbor_w_uint(&w, invite->bound ? INVITE_BOUND : 0);
	mp_cbor_w_bytes(&w, authority->key, sizeof(authority->key));
	rc = w.rc;
	if (rc == 0) {
		(void)record_sign(crypto, tag_invite, mp_buf_span(&body), authority, &sig);
		rc = record_put(out, mp_buf_span(&body), &sig, 1);
	}
	mp_buf_fini(&body);
	return rc;
}

static int
invite_decode(struct mp_span body, struct mp_invite *v)
{
	struct mp_cbor_r r;
	uint64_t flags;

	memset(v, 0, sizeof(*v));
	body_open(&r, body, tag_invite, 11);
	body_cluster(&r, &v->cluster);
	mp_cbor_r_fixed(&r, v->key, sizeof(v->key));
	v->roles = body_roles(&r);
	v->not_before_ms = body_ms(&r);
	v->expires_ms = body_ms(&r);
	v->seed_count = mp_cbor_r_array(&r, MP_INVITE_SEEDS_MAX);
	for (size_t i = 0; i < v->seed_count; i++)
		v->seeds[i] = mp_cbor_r_text(&r, MP_INVITE_SEED_MAX);
	mp_cbor_r_fixed(&r, v->nonce, sizeof(v->nonce));
	flags = mp_cbor_r_uint(&r, UINT64_MAX);
	if (flags > INVITE_BOUND && r.rc == 0)
		r.rc = MP_EVERSION;
	v->bound = flags == INVITE_BOUND;
	mp_cbor_r_fixed(&r, v->signer, sizeof(v->signer));
	if (r.rc == 0 && !invite_valid(v))
		r.rc = MP_EFORMAT;
	return mp_cbor_r_end(&r);
}

int
mp_invite_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_invite *out,
	struct mp_hash *hash, struct mp_error *err)
{
	struct mp_span body;
	struct mp_hash h;
	struct mp_sig sig;
	int rc = record_split(bytes, &body, &sig, 1);

	if (rc == 0)
		rc = invite_decode(body, out);
	if (rc == 0) {
		h = record_hash(crypto, tag_invite, body);
		rc = crypto->verify(out->signer, &sig, mp_span(h.b, sizeof(h.b)));
	}
	if (rc != 0)
		return fail_code(err, rc, "invite");
	if (hash != NULL)
		*hash = h;
	return 0;
}

int
mp_invite_check_time(const struct mp_invite *invite, mp_time wall_ms, struct mp_error *err)
{
	if (wall_ms < invite->not_before_ms)
		return mp_fail(err, MP_EEXPIRED,
			"the invite is not valid for another %" PRId64
			" s: the clock here is that much, or more, behind the one where it was "
			"made; set it right and try again",
			(invite->not_before_ms - wall_ms) / 1000 + 1);
	if (wall_ms > invite->expires_ms)
		return mp_fail(err, MP_EEXPIRED,
			"the invite expired %" PRId64
			" s ago, by the clock here; mpctl invite makes a new one",
			(wall_ms - invite->expires_ms) / 1000);
	return 0;
}

/* ---- certificate ---- */

/* The first signature is the node's, the second the inviter's. */
int
mp_cert_sign(const struct mp_crypto *crypto, const struct mp_cert *cert,
	const struct mp_signer *node, const struct mp_signer *inviter, struct mp_hash *hash,
	struct mp_buf *out)
{
	struct mp_sig sigs[2];
	struct mp_cbor_w w;
	struct mp_buf body;
	int rc;

	if (!mp_node_name_valid(mp_span_str(cert->name.s)) || !mp_roles_valid(cert->roles) ||
		!time_valid(cert->issued_ms))
		return MP_EINVAL;
	mp_buf_init(&body, out->alloc, BODY_MAX);
	body_begin(&w, &body, tag_cert, 10);
	mp_cbor_w_bytes(&w, cert->cluster.b, sizeof(cert->cluster.b));
	mp_cbor_w_bytes(&w, cert->id.b, sizeof(cert->id.b));
	mp_cbor_w_bytes(&w, cert->xkey.b, sizeof(cert->xkey.b));
	mp_cbor_w_text(&w, cert->name.s);
	mp_cbor_w_uint(&w, cert->roles);
	mp_cbor_w_uint(&w, cert->serial);
	mp_cbor_w_uint(&w, (uint64_t)cert->issued_ms);
	mp_cbor_w_bytes(&w, cert->invite.b, sizeof(cert->invite.b));
	rc = w.rc;
	if (rc == 0) {
		(void)record_sign(crypto, tag_cert, mp_buf_span(&body), node, &sigs[0]);
		*hash = record_sign(crypto, tag_cert, mp_buf_span(&body), inviter, &sigs[1]);
		rc = record_put(out, mp_buf_span(&body), sigs, 2);
	}
	mp_buf_fini(&body);
	return rc;
}

static int
cert_decode(struct mp_span body, struct mp_cert *c)
{
	struct mp_cbor_r r;

	memset(c, 0, sizeof(*c));
	body_open(&r, body, tag_cert, 10);
	body_cluster(&r, &c->cluster);
	mp_cbor_r_fixed(&r, c->id.b, sizeof(c->id.b));
	mp_cbor_r_fixed(&r, c->xkey.b, sizeof(c->xkey.b));
	mp_cbor_r_str(&r, c->name.s, sizeof(c->name.s));
	if (r.rc == 0 && !mp_node_name_valid(mp_span_str(c->name.s)))
		r.rc = MP_EFORMAT;
	c->roles = body_roles(&r);
	c->serial = mp_cbor_r_uint(&r, UINT64_MAX);
	c->issued_ms = body_ms(&r);
	mp_cbor_r_fixed(&r, c->invite.b, sizeof(c->invite.b));
	return mp_cbor_r_end(&r);
}

int
mp_cert_open(const struct mp_crypto *crypto, struct mp_span bytes, const uint8_t inviter[32],
	struct mp_cert *out, struct mp_hash *hash, struct mp_error *err)
{
	struct mp_sig sigs[2];
	struct mp_span body, digest;
	int rc = record_split(bytes, &body, sigs, 2);

	if (rc == 0)
		rc = cert_decode(body, out);
	if (rc != 0)
		return fail_code(err, rc, "certificate");
	*hash = record_hash(crypto, tag_cert, body);
	digest = mp_span(hash->b, sizeof(hash->b));
	rc = crypto->verify(out->id.b, &sigs[0], digest);
	if (rc == 0)
		rc = crypto->verify(inviter, &sigs[1], digest);
	return rc == 0 ? 0 : fail_code(err, rc, "certificate");
}

/* ---- admission ---- */

int
mp_admission_sign(const struct mp_crypto *crypto, const struct mp_admission *admission,
	const struct mp_signer *admitter, struct mp_buf *out)
{
	struct mp_cbor_w w;
	struct mp_buf body;
	struct mp_sig sig;
	int rc;

	if (!time_valid(admission->admitted_ms))
		return MP_EINVAL;
	mp_buf_init(&body, out->alloc, BODY_MAX);
	body_begin(&w, &body, tag_admission, 6);
	mp_cbor_w_bytes(&w, admission->cluster.b, sizeof(admission->cluster.b));
	mp_cbor_w_bytes(&w, admission->cert.b, sizeof(admission->cert.b));
	mp_cbor_w_bytes(&w, admitter->key, sizeof(admitter->key));
	mp_cbor_w_uint(&w, (uint64_t)admission->admitted_ms);
	rc = w.rc;
	if (rc == 0) {
		(void)record_sign(crypto, tag_admission, mp_buf_span(&body), admitter, &sig);
		rc = record_put(out, mp_buf_span(&body), &sig, 1);
	}
	mp_buf_fini(&body);
	return rc;
}

static int
admission_decode(struct mp_span body, struct mp_admission *a)
{
	struct mp_cbor_r r;

	memset(a, 0, sizeof(*a));
	body_open(&r, body, tag_admission, 6);
	body_cluster(&r, &a->cluster);
	mp_cbor_r_fixed(&r, a->cert.b, sizeof(a->cert.b));
	mp_cbor_r_fixed(&r, a->admitter, sizeof(a->admitter));
	a->admitted_ms = body_ms(&r);
	return mp_cbor_r_end(&r);
}

int
mp_admission_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_admission *out,
	struct mp_error *err)
{
	struct mp_span body;
	struct mp_hash hash;
	struct mp_sig sig;
	int rc = record_split(bytes, &body, &sig, 1);

	if (rc == 0)
		rc = admission_decode(body, out);
	if (rc == 0) {
		hash = record_hash(crypto, tag_admission, body);
		rc = crypto->verify(out->admitter, &sig, mp_span(hash.b, sizeof(hash.b)));
	}
	return rc == 0 ? 0 : fail_code(err, rc, "admission");
}

/* ---- request ---- */

int
mp_request_sign(const struct mp_crypto *crypto, const struct mp_request *request,
	const struct mp_signer *self, struct mp_buf *out)
{
	struct mp_cbor_w w;
	struct mp_buf body;
	struct mp_sig sig;
	int rc;

	if (!mp_node_name_valid(mp_span_str(request->name.s)))
		return MP_EINVAL;
	mp_buf_init(&body, out->alloc, BODY_MAX);
	body_begin(&w, &body, tag_request, 6);
	mp_cbor_w_bytes(&w, self->key, sizeof(self->key));
	mp_cbor_w_bytes(&w, request->xkey.b, sizeof(request->xkey.b));
	mp_cbor_w_text(&w, request->name.s);
	mp_cbor_w_bool(&w, request->person);
	rc = w.rc;
	if (rc == 0) {
		(void)record_sign(crypto, tag_request, mp_buf_span(&body), self, &sig);
		rc = record_put(out, mp_buf_span(&body), &sig, 1);
	}
	mp_buf_fini(&body);
	return rc;
}

static int
request_decode(struct mp_span body, struct mp_request *q)
{
	struct mp_cbor_r r;

	memset(q, 0, sizeof(*q));
	body_open(&r, body, tag_request, 6);
	mp_cbor_r_fixed(&r, q->id.b, sizeof(q->id.b));
	mp_cbor_r_fixed(&r, q->xkey.b, sizeof(q->xkey.b));
	mp_cbor_r_str(&r, q->name.s, sizeof(q->name.s));
	if (r.rc == 0 && !mp_node_name_valid(mp_span_str(q->name.s)))
		r.rc = MP_EFORMAT;
	q->person = mp_cbor_r_bool(&r);
	return mp_cbor_r_end(&r);
}

int
mp_request_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_request *out,
	struct mp_error *err)
{
	struct mp_span body;
	struct mp_hash hash;
	struct mp_sig sig;
	int rc = bytes.n <= MP_REQUEST_MAX ? record_split(bytes, &body, &sig, 1) : MP_ELIMIT;

	if (rc == 0)
		rc = request_decode(body, out);
	if (rc == 0) {
		hash = record_hash(crypto, tag_request, body);
		rc = crypto->verify(out->id.b, &sig, mp_span(hash.b, sizeof(hash.b)));
	}
	return rc == 0 ? 0 : fail_code(err, rc, "request");
}
