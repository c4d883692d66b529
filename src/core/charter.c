/* SPDX-License-Identifier: Apache-2.0 */
#include "core/charter.h"

#include "core/mutant.h"

#define META_AUTHORITY "authority"

struct branch {
	struct mp_authority a; /* a.log points behind it */
	uint8_t bytes[];
};

struct revoked {
	struct mp_revocation r; /* r.why points into bytes */
	struct mp_hash hash;
	size_t size;
	uint8_t bytes[];
};

struct mp_charter {
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	struct mp_cluster_id cluster;
	struct branch *branches[MP_BRANCHES_MAX + 1]; /* the one that counts first */
	size_t branch_count;
	struct revoked **revoked; /* by subject */
	size_t count, cap;
	uint64_t digest;
};

int
mp_charter_new(const struct mp_env *env, struct mp_charter **out)
{
	struct mp_charter *charter = mp_realloc(env->alloc, NULL, 0, sizeof(*charter));

	if (charter == NULL)
		return MP_ENOMEM;
	*charter = (struct mp_charter){
		.alloc = env->alloc, .crypto = env->crypto, .cluster = env->cluster};
	*out = charter;
	return 0;
}

static void
branch_free(const struct mp_charter *charter, struct branch *b)
{
	if (b != NULL)
		mp_dealloc(charter->alloc, b, sizeof(*b) + b->a.log.n);
}

static void
revoked_free(const struct mp_charter *charter, struct revoked *e)
{
	mp_dealloc(charter->alloc, e, sizeof(*e) + e->size);
}

void
mp_charter_free(struct mp_charter *charter)
{
	if (charter == NULL)
		return;
	for (size_t i = 0; i < charter->branch_count; i++)
		branch_free(charter, charter->branches[i]);
	for (size_t i = 0; i < charter->count; i++)
		revoked_free(charter, charter->revoked[i]);
	mp_dealloc(charter->alloc, charter->revoked, charter->cap * sizeof(struct revoked *));
	mp_dealloc(charter->alloc, charter, sizeof(*charter));
}

static uint64_t
share_of(const struct mp_hash *hash)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | hash->b[i];
	return v;
}

/* ---- the log ---- */

const struct mp_authority *
mp_charter_log(const struct mp_charter *charter)
{
	return charter->branch_count > 0 ? &charter->branches[0]->a : NULL;
}

size_t
mp_charter_branch_count(const struct mp_charter *charter)
{
	return charter->branch_count;
}

const struct mp_authority *
mp_charter_branch(const struct mp_charter *charter, size_t i)
{
	mp_assert(i < charter->branch_count);
	return &charter->branches[i]->a;
}

static int
branch_open(const struct mp_charter *charter, struct mp_span log, struct branch **out)
{
	struct branch *b = mp_realloc(charter->alloc, NULL, 0, sizeof(*b) + log.n);
	int rc;

	if (b == NULL)
		return MP_ENOMEM;
	if (log.n > 0)
		memcpy(b->bytes, log.p, log.n);
	rc = mp_authority_open(charter->crypto, mp_span(b->bytes, log.n), &b->a, NULL);
	if (rc == 0 && !mp_cluster_id_eq(&b->a.cluster, &charter->cluster))
		rc = MP_ECLUSTER;
	if (rc != 0)
		mp_dealloc(charter->alloc, b, sizeof(*b) + log.n);
	else
		*out = b;
	return rc;
}

/* Does b go on where a ends, or are they equal? */
static bool
continues(const struct mp_authority *a, const struct mp_authority *b)
{
	size_t last = a->entry_count - 1;

	return b->entry_count > last && mp_hash_eq(&a->entries[last], &b->entries[last]);
}

static uint64_t
branch_share(const struct branch *b)
{
	return share_of(&b->a.entries[b->a.entry_count - 1]);
}

/* Puts it in its place; the last one may have to go. */
static void
branch_insert(struct mp_charter *charter, struct branch *b)
{
	size_t at = charter->branch_count++;

	for (; at > 0 && mp_authority_cmp(&b->a, &charter->branches[at - 1]->a) < 0; at--)
		charter->branches[at] = charter->branches[at - 1];
	charter->branches[at] = b;
	charter->digest ^= branch_share(b);
}

static void
branch_remove(struct mp_charter *charter, size_t at)
{
	charter->digest ^= branch_share(charter->branches[at]);
	branch_free(charter, charter->branches[at]);
	charter->branch_count--;
	for (; at < charter->branch_count; at++)
		charter->branches[at] = charter->branches[at + 1];
}

/* Takes b. */
static int
branch_take(struct mp_charter *charter, struct branch *b, bool fork)
{
	size_t longer = charter->branch_count;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < charter->branch_count; i++) {
		if (continues(&b->a, &charter->branches[i]->a))
			rc = MP_EEXIST;
		else if (continues(&charter->branches[i]->a, &b->a))
			longer = i;
	}
	if (rc == 0 && longer == charter->branch_count && longer > 0 && !fork)
		rc = MP_EAUTH;
	if (rc == 0 && longer == MP_BRANCHES_MAX &&
		mp_authority_cmp(&b->a, &charter->branches[longer - 1]->a) > 0)
		rc = MP_ELIMIT;
	if (rc != 0) {
		branch_free(charter, b);
		return rc;
	}
	if (longer < charter->branch_count)
		branch_remove(charter, longer);
	branch_insert(charter, b);
	if (charter->branch_count > MP_BRANCHES_MAX)
		branch_remove(charter, MP_BRANCHES_MAX);
	return 0;
}

static void
logs_write(const struct mp_charter *charter, struct mp_cbor_w *w)
{
	mp_cbor_w_array(w, charter->branch_count);
	for (size_t i = 0; i < charter->branch_count; i++)
		mp_cbor_w_raw(w, charter->branches[i]->a.log);
}

int
mp_charter_learn(struct mp_charter *charter, struct mp_env *env, struct mp_span log, bool fork)
{
	struct branch *b = NULL;
	struct mp_cbor_w w;
	int rc;

	/* Mostly it is what is known. */
	if (charter->branch_count > 0 && mp_span_eq(log, charter->branches[0]->a.log))
		return MP_EEXIST;
	rc = branch_open(charter, log, &b);
	if (rc == 0)
		rc = branch_take(charter, b, fork);
	if (rc != 0 || env == NULL)
		return rc;
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	logs_write(charter, &w);
	if (w.rc == 0)
		mp_out_put(
			env->out, MP_TABLE_META, mp_span_str(META_AUTHORITY), mp_buf_span(w.buf));
	return w.rc;
}

int
mp_charter_restore_meta(struct mp_charter *charter, struct mp_span key, struct mp_span value)
{
	struct mp_cbor_r r;
	size_t n;
	int rc = 0;

	if (!mp_span_eq(key, mp_span_str(META_AUTHORITY)))
		return MP_ENOENT;
	mp_cbor_r_init(&r, value);
	n = mp_cbor_r_array(&r, MP_BRANCHES_MAX);
	for (; n > 0 && r.rc == 0 && rc == 0; n--) {
		struct mp_span log = mp_cbor_r_item(&r);
		struct branch *b = NULL;

		if (r.rc == 0)
			rc = branch_open(charter, log, &b);
		if (b != NULL)
			rc = branch_take(charter, b, true);
	}
	if (rc == MP_ENOMEM)
		return rc;
	return rc == 0 && mp_cbor_r_end(&r) == 0 ? 0 : MP_ECORRUPT;
}

/* ---- who is shut out ---- */

/* Where the subject is, or where it would stand. */
static size_t
position(const struct mp_charter *charter, const struct mp_node_id *id)
{
	size_t low = 0, high = charter->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (mp_node_id_cmp(&charter->revoked[mid]->r.subject, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct revoked *
find(const struct mp_charter *charter, const struct mp_node_id *id)
{
	size_t at = position(charter, id);

	if (at < charter->count && mp_node_id_eq(&charter->revoked[at]->r.subject, id))
		return charter->revoked[at];
	return NULL;
}

const struct mp_revocation *
mp_charter_revoked(const struct mp_charter *charter, const struct mp_node_id *id)
{
	const struct revoked *e = find(charter, id);

	return e != NULL ? &e->r : NULL;
}

struct mp_span
mp_charter_record(const struct mp_charter *charter, const struct mp_node_id *id)
{
	const struct revoked *e = find(charter, id);

	return e != NULL ? mp_span(e->bytes, e->size) : mp_span(NULL, 0);
}

size_t
mp_charter_revoked_count(const struct mp_charter *charter)
{
	return charter->count;
}

struct mp_span
mp_charter_record_at(const struct mp_charter *charter, size_t i)
{
	mp_assert(i < charter->count);
	return mp_span(charter->revoked[i]->bytes, charter->revoked[i]->size);
}

static int
reserve(struct mp_charter *charter)
{
	size_t want = charter->cap == 0 ? 8 : charter->cap * 2;
	struct revoked **grown;

	if (charter->count == MP_REVOKED_MAX)
		return MP_ELIMIT;
	if (charter->count < charter->cap)
		return 0;
	grown = mp_realloc(charter->alloc, charter->revoked, charter->cap * sizeof(*grown),
		want * sizeof(*grown));
	if (grown == NULL)
		return MP_ENOMEM;
	charter->revoked = grown;
	charter->cap = want;
	return 0;
}

static int
revoked_open(const struct mp_charter *charter, struct mp_span record, struct revoked **out)
{
	struct revoked *e = mp_realloc(charter->alloc, NULL, 0, sizeof(*e) + record.n);
	int rc;

	if (e == NULL)
		return MP_ENOMEM;
	e->size = record.n;
	if (record.n > 0)
		memcpy(e->bytes, record.p, record.n);
	rc = mp_revocation_open(charter->crypto, mp_span(e->bytes, e->size), &e->r, &e->hash);
	if (rc == 0 && !mp_cluster_id_eq(&e->r.cluster, &charter->cluster))
		rc = MP_ECLUSTER;
	if (rc != 0)
		revoked_free(charter, e);
	else
		*out = e;
	return rc;
}

/* Takes e. */
static int
revoked_take(struct mp_charter *charter, struct revoked *e)
{
	size_t at = position(charter, &e->r.subject);
	int rc;

	if (find(charter, &e->r.subject) != NULL) {
		if (mp_hash_cmp(&charter->revoked[at]->hash, &e->hash) <= 0) {
			revoked_free(charter, e);
			return MP_EEXIST;
		}
		charter->digest ^= share_of(&charter->revoked[at]->hash);
		revoked_free(charter, charter->revoked[at]);
	} else {
		rc = reserve(charter);
		if (rc != 0) {
			revoked_free(charter, e);
			return rc;
		}
		memmove(charter->revoked + at + 1, charter->revoked + at,
			(charter->count++ - at) * sizeof(struct revoked *));
	}
	charter->revoked[at] = e;
	charter->digest ^= share_of(&e->hash);
	return 0;
}

static bool
signer_may(const struct mp_charter *charter, const struct mp_revocation *r, bool told)
{
	if (!told)
		return charter->branch_count > 0 &&
		       mp_authority_has(&charter->branches[0]->a, r->signer, MP_TIME_NEVER);
	for (size_t i = 0; i < charter->branch_count; i++) {
		if (mp_authority_knows(&charter->branches[i]->a, r->signer))
			return true;
	}
	return false;
}

int
mp_charter_revoke(struct mp_charter *charter, struct mp_env *env, struct mp_span record, bool told,
	struct mp_node_id *subject)
{
	struct mp_revocation peek;
	struct mp_node_id id;
	struct revoked *e;
	int rc = mp_revocation_peek(record, &peek);

	if (rc == 0 && mp_span_eq(record, mp_charter_record(charter, &peek.subject)))
		return MP_EEXIST;
	if (rc == 0)
		rc = revoked_open(charter, record, &e);
	if (rc != 0)
		return rc;
	if (!signer_may(charter, &e->r, told)) {
		revoked_free(charter, e);
		return MP_EAUTH;
	}
	id = e->r.subject;
	rc = revoked_take(charter, e);
	if (rc != 0)
		return rc;
	if (!MP_MUTANT(SHUT_FORGOTTEN))
		mp_out_put(env->out, MP_TABLE_REVOKED, mp_span(id.b, sizeof(id.b)), record);
	if (subject != NULL)
		*subject = id;
	return 0;
}

int
mp_charter_restore(struct mp_charter *charter, struct mp_span key, struct mp_span value)
{
	struct revoked *e;
	int rc = revoked_open(charter, value, &e);

	if (rc == 0 && !mp_span_eq(key, mp_span(e->r.subject.b, sizeof(e->r.subject.b)))) {
		revoked_free(charter, e);
		rc = MP_ECORRUPT;
	}
	if (rc == 0)
		rc = revoked_take(charter, e);
	return rc == 0 || rc == MP_ENOMEM || rc == MP_ELIMIT ? rc : MP_ECORRUPT;
}

/* ---- between members ---- */

uint64_t
mp_charter_digest(const struct mp_charter *charter)
{
	return charter->digest;
}

void
mp_charter_write(const struct mp_charter *charter, struct mp_cbor_w *w)
{
	logs_write(charter, w);
	mp_cbor_w_array(w, charter->count);
	for (size_t i = 0; i < charter->count; i++)
		mp_cbor_w_span(w, mp_charter_record_at(charter, i));
}
