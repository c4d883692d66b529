/* SPDX-License-Identifier: Apache-2.0 */
#include "core/roster.h"

#include "codec/caps.h"
#include "codec/cbor.h"
#include "codec/record_run.h"
#include "codec/record_trust.h"

#define ROW_MAX    (MP_CREDENTIAL_MAX + MP_STATEMENT_MAX + 16)
#define CERT_ITEMS 10

/* Capabilities that some member names. */
struct known_caps {
	struct known_caps *next;
	struct mp_hash digest;
	struct mp_caps caps;
	size_t size;
	uint8_t bytes[];
};

struct mp_roster {
	const struct mp_alloc *alloc;
	struct mp_trust trust;
	struct mp_charter *charter;
	struct mp_node_id self;
	struct mp_member **sorted; /* by id */
	struct mp_member **slots;  /* by arrival */
	size_t count, cap;
	uint64_t version;
	size_t state_counts[MP_MEMBER_LEFT + 1];
	struct known_caps *caps;
};

static bool is_admitter(void *ctx, const struct mp_node_id *id);
static bool is_revoked(void *ctx, const struct mp_node_id *key);

int
mp_roster_new(const struct mp_env *env, struct mp_roster **out)
{
	struct mp_roster *roster = mp_realloc(env->alloc, NULL, 0, sizeof(*roster));
	struct mp_charter *charter;

	if (roster == NULL)
		return MP_ENOMEM;
	if (mp_charter_new(env, &charter) != 0) {
		mp_dealloc(env->alloc, roster, sizeof(*roster));
		return MP_ENOMEM;
	}
	*roster = (struct mp_roster){.alloc = env->alloc, .self = env->self, .charter = charter};
	roster->trust = (struct mp_trust){.crypto = env->crypto,
		.cluster = env->cluster,
		.is_admitter = is_admitter,
		.is_revoked = is_revoked,
		.ctx = roster};
	*out = roster;
	return 0;
}

static void
span_free(const struct mp_roster *roster, struct mp_span *s)
{
	mp_dealloc(roster->alloc, (void *)(uintptr_t)s->p, s->n);
	*s = mp_span(NULL, 0);
}

static void
caps_free(const struct mp_roster *roster, struct known_caps *k)
{
	mp_dealloc(roster->alloc, k, sizeof(*k) + k->size);
}

void
mp_roster_free(struct mp_roster *roster)
{
	if (roster == NULL)
		return;
	for (size_t i = 0; i < roster->count; i++) {
		struct mp_member *m = roster->slots[i];

		span_free(roster, &m->credential);
		span_free(roster, &m->statement);
		mp_dealloc(roster->alloc, m, sizeof(*m));
	}
	while (roster->caps != NULL) {
		struct known_caps *k = roster->caps;

		roster->caps = k->next;
		caps_free(roster, k);
	}
	mp_charter_free(roster->charter);
	mp_dealloc(roster->alloc, roster->sorted, roster->cap * sizeof(struct mp_member *));
	mp_dealloc(roster->alloc, roster->slots, roster->cap * sizeof(struct mp_member *));
	mp_dealloc(roster->alloc, roster, sizeof(*roster));
}

/* ---- reading ---- */

/* Where id is, or where it would stand. */
static size_t
position(const struct mp_roster *roster, const struct mp_node_id *id)
{
	size_t low = 0, high = roster->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (mp_node_id_cmp(&roster->sorted[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct mp_member *
find(const struct mp_roster *roster, const struct mp_node_id *id)
{
	size_t at = position(roster, id);

	if (at < roster->count && mp_node_id_eq(&roster->sorted[at]->id, id))
		return roster->sorted[at];
	return NULL;
}

const struct mp_member *
mp_roster_find(const struct mp_roster *roster, const struct mp_node_id *id)
{
	return find(roster, id);
}

const struct mp_member *
mp_roster_find_prefix(const struct mp_roster *roster, const uint8_t *prefix, size_t size, size_t i)
{
	struct mp_node_id id = {{0}};
	size_t at;

	mp_assert(size <= sizeof(id.b));
	memcpy(id.b, prefix, size);
	at = position(roster, &id) + i;
	if (at < roster->count && memcmp(roster->sorted[at]->id.b, prefix, size) == 0)
		return roster->sorted[at];
	return NULL;
}

size_t
mp_roster_count(const struct mp_roster *roster)
{
	return roster->count;
}

const struct mp_member *
mp_roster_at(const struct mp_roster *roster, size_t i)
{
	mp_assert(i < roster->count);
	return roster->sorted[i];
}

const struct mp_member *
mp_roster_slot(const struct mp_roster *roster, uint32_t slot)
{
	mp_assert(slot < roster->count);
	return roster->slots[slot];
}

uint64_t
mp_roster_version(const struct mp_roster *roster)
{
	return roster->version;
}

size_t
mp_roster_state_count(const struct mp_roster *roster, enum mp_member_state state)
{
	return roster->state_counts[state];
}

const struct mp_member *
mp_roster_find_name(const struct mp_roster *roster, const char *name)
{
	const struct mp_member *best = NULL;

	for (size_t i = 0; i < roster->count; i++) {
		const struct mp_member *m = roster->sorted[i];

		if ((best == NULL || m->state < best->state) && strcmp(m->name.s, name) == 0)
			best = m;
	}
	return best;
}

void
mp_roster_addrs(void *roster, const struct mp_node_id *peer, struct mp_addr addrs[4])
{
	const struct mp_member *m = mp_roster_find(roster, peer);

	_Static_assert(MP_ADDRS_MAX == 4, "an effect holds all addresses of a member");
	memset(addrs, 0, 4 * sizeof(addrs[0]));
	if (m != NULL && m->addr_count > 0 && !m->revoked)
		memcpy(addrs, m->addrs, m->addr_count * sizeof(addrs[0]));
}

/* ---- changing ---- */

struct mp_member *
mp_roster_edit(struct mp_roster *roster, const struct mp_member *m)
{
	mp_assert(m->slot < roster->count && roster->slots[m->slot] == m);
	return roster->slots[m->slot];
}

void
mp_roster_changed(struct mp_roster *roster, struct mp_member *m)
{
	m->changed = ++roster->version;
}

void
mp_roster_set_state(struct mp_roster *roster, struct mp_member *m, enum mp_member_state state)
{
	if (m->state == state)
		return;
	mp_assert(m->state != MP_MEMBER_LEFT);
	roster->state_counts[m->state]--;
	roster->state_counts[state]++;
	m->state = state;
	mp_roster_changed(roster, m);
}

/* Replaces an owned span by a copy; nothing changes when memory is out. */
static int
span_set(const struct mp_roster *roster, struct mp_span *s, struct mp_span bytes)
{
	uint8_t *p = mp_realloc(roster->alloc, NULL, 0, bytes.n);

	mp_assert(bytes.n > 0);
	if (p == NULL)
		return MP_ENOMEM;
	memcpy(p, bytes.p, bytes.n);
	span_free(roster, s);
	*s = mp_span(p, bytes.n);
	return 0;
}

static int
reserve(struct mp_roster *roster)
{
	size_t want = roster->cap == 0 ? 16 : roster->cap * 2;
	struct mp_member **sorted, **slots;

	if (roster->count == MP_MEMBERS_MAX)
		return MP_ELIMIT;
	if (roster->count < roster->cap)
		return 0;
	sorted = mp_realloc(roster->alloc, NULL, 0, want * sizeof(*sorted));
	slots = mp_realloc(roster->alloc, NULL, 0, want * sizeof(*slots));
	if (sorted == NULL || slots == NULL) {
		mp_dealloc(roster->alloc, sorted, want * sizeof(*sorted));
		mp_dealloc(roster->alloc, slots, want * sizeof(*slots));
		return MP_ENOMEM;
	}
	if (roster->count > 0) {
		memcpy(sorted, roster->sorted, roster->count * sizeof(*sorted));
		memcpy(slots, roster->slots, roster->count * sizeof(*slots));
	}
	mp_dealloc(roster->alloc, roster->sorted, roster->cap * sizeof(*sorted));
	mp_dealloc(roster->alloc, roster->slots, roster->cap * sizeof(*slots));
	roster->sorted = sorted;
	roster->slots = slots;
	roster->cap = want;
	return 0;
}

/* A new member that has said nothing yet. */
static int
insert(struct mp_roster *roster, const struct mp_cert *c, struct mp_span bytes,
	struct mp_member **out)
{
	struct mp_member *m;
	size_t at;
	int rc = reserve(roster);

	if (rc != 0)
		return rc;
	m = mp_realloc(roster->alloc, NULL, 0, sizeof(*m));
	if (m == NULL)
		return MP_ENOMEM;
	*m = (struct mp_member){.id = c->id,
		.xkey = c->xkey,
		.name = c->name,
		.roles = c->roles,
		.serial = c->serial,
		.state = MP_MEMBER_DEAD,
		.slot = (uint32_t)roster->count};
	if (mp_roster_revoked(roster, &c->id)) {
		m->revoked = true;
		m->state = MP_MEMBER_LEFT;
	}
	rc = span_set(roster, &m->credential, bytes);
	if (rc != 0) {
		mp_dealloc(roster->alloc, m, sizeof(*m));
		return rc;
	}
	at = position(roster, &m->id);
	memmove(roster->sorted + at + 1, roster->sorted + at,
		(roster->count - at) * sizeof(struct mp_member *));
	roster->sorted[at] = m;
	roster->slots[roster->count++] = m;
	roster->state_counts[m->state]++;
	mp_roster_changed(roster, m);
	*out = m;
	return 0;
}

static void
row_put(struct mp_env *env, const struct mp_member *m)
{
	uint8_t mem[ROW_MAX];
	struct mp_buf buf = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_span(&w, m->credential);
	if (m->statement.n > 0)
		mp_cbor_w_raw(&w, m->statement);
	else
		mp_cbor_w_null(&w);
	mp_assert(w.rc == 0);
	mp_out_put(env->out, MP_TABLE_MEMBER, mp_span(m->id.b, sizeof(m->id.b)), mp_buf_span(&buf));
}

/* ---- capabilities ---- */

static struct known_caps *
caps_find(const struct mp_roster *roster, const struct mp_hash *digest)
{
	struct known_caps *k = roster->caps;

	while (k != NULL && !mp_hash_eq(&k->digest, digest))
		k = k->next;
	return k;
}

static struct known_caps *
caps_of(const struct mp_member *m)
{
	return m->caps == NULL ? NULL : mp_container_of(m->caps, struct known_caps, caps);
}

/* Forgets capabilities that nobody names, or is taken to have, any more. */
static void
caps_drop(struct mp_roster *roster, struct known_caps *k)
{
	struct known_caps **at = &roster->caps;

	for (size_t i = 0; k != NULL && i < roster->count; i++) {
		const struct mp_member *m = roster->slots[i];

		if (m->caps == &k->caps || (m->has_caps && mp_hash_eq(&m->caps_digest, &k->digest)))
			return;
	}
	if (k == NULL)
		return;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	caps_free(roster, k);
}

/* What it could do before holds until it is known what it can do now. */
static void
caps_named(struct mp_roster *roster, struct mp_member *m, const struct mp_statement *s)
{
	struct known_caps *before = caps_of(m), *k;

	if (m->has_caps == s->has_caps &&
		(!m->has_caps || mp_hash_eq(&m->caps_digest, &s->caps_digest)))
		return;
	m->has_caps = s->has_caps;
	m->caps_digest = s->caps_digest;
	k = m->has_caps ? caps_find(roster, &m->caps_digest) : NULL;
	m->caps_old = m->has_caps && k == NULL;
	if (!m->caps_old)
		m->caps = k != NULL ? &k->caps : NULL;
	caps_drop(roster, before);
}

int
mp_roster_caps(struct mp_roster *roster, const struct mp_hash *digest, struct mp_span bytes)
{
	struct known_caps *k;
	bool named = false;
	int rc;

	if (caps_find(roster, digest) != NULL)
		return 0;
	for (size_t i = 0; i < roster->count && !named; i++)
		named = roster->slots[i]->has_caps &&
			mp_hash_eq(&roster->slots[i]->caps_digest, digest);
	if (!named)
		return MP_ENOENT;
	k = mp_realloc(roster->alloc, NULL, 0, sizeof(*k) + bytes.n);
	if (k == NULL)
		return MP_ENOMEM;
	rc = mp_caps_decode(bytes, &k->caps);
	k->digest = *digest;
	k->size = bytes.n;
	if (rc != 0) {
		caps_free(roster, k);
		return rc;
	}
	memcpy(k->bytes, bytes.p, bytes.n);
	k->next = roster->caps;
	roster->caps = k;
	for (size_t i = 0; i < roster->count; i++) {
		struct mp_member *m = roster->slots[i];

		if (m->has_caps && mp_hash_eq(&m->caps_digest, digest)) {
			struct known_caps *before = caps_of(m);

			m->caps = &k->caps;
			m->caps_old = false;
			caps_drop(roster, before);
			mp_roster_changed(roster, m);
		}
	}
	return 0;
}

struct mp_span
mp_roster_caps_bytes(const struct mp_roster *roster, const struct mp_hash *digest)
{
	const struct known_caps *k = caps_find(roster, digest);

	return k != NULL ? mp_span(k->bytes, k->size) : mp_span(NULL, 0);
}

struct mp_span
mp_roster_caps_of(const struct mp_member *m)
{
	const struct known_caps *k = caps_of(m);

	return k != NULL ? mp_span(k->bytes, k->size) : mp_span(NULL, 0);
}

/* ---- credentials ---- */

static bool
was_admitter(void *ctx, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(ctx, id);

	return m != NULL && (m->roles & MP_ROLE_NODE) != 0;
}

static bool
is_admitter(void *ctx, const struct mp_node_id *id)
{
	return was_admitter(ctx, id) && !mp_roster_revoked(ctx, id);
}

static bool
is_revoked(void *ctx, const struct mp_node_id *key)
{
	return mp_roster_revoked(ctx, key);
}

/* Of rows that this node wrote when it knew who admitted whom. */
static bool
any_admitter(void *ctx, const struct mp_node_id *id)
{
	(void)ctx;
	(void)id;
	return true;
}

bool
mp_roster_is_member(const struct mp_roster *roster)
{
	return find(roster, &roster->self) != NULL;
}

const struct mp_trust *
mp_roster_trust(const struct mp_roster *roster)
{
	return &roster->trust;
}

int
mp_roster_peek(struct mp_span credential, struct mp_cert *out)
{
	struct mp_cert cert = {0};
	struct mp_cbor_r r;
	struct mp_span body;
	uint64_t version;

	if (credential.n > MP_CREDENTIAL_MAX)
		return MP_ELIMIT;
	mp_cbor_r_init(&r, credential);
	mp_cbor_r_array_exact(&r, 4);
	mp_cbor_r_skip(&r);
	mp_cbor_r_skip(&r);
	mp_cbor_r_array_exact(&r, 3);
	body = mp_cbor_r_bytes(&r, MP_CREDENTIAL_MAX);
	if (r.rc != 0)
		return r.rc;
	mp_cbor_r_init(&r, body);
	mp_cbor_r_array_exact(&r, CERT_ITEMS);
	(void)mp_cbor_r_text(&r, MP_WORD_MAX);
	version = mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, cert.cluster.b, sizeof(cert.cluster.b));
	mp_cbor_r_fixed(&r, cert.id.b, sizeof(cert.id.b));
	mp_cbor_r_fixed(&r, cert.xkey.b, sizeof(cert.xkey.b));
	mp_cbor_r_str(&r, cert.name.s, sizeof(cert.name.s));
	cert.roles = (uint32_t)mp_cbor_r_uint(&r, UINT32_MAX);
	cert.serial = mp_cbor_r_uint(&r, UINT64_MAX);
	if (r.rc == 0 && version != 1)
		return MP_EVERSION;
	if (r.rc == 0)
		*out = cert;
	return r.rc;
}

/* ---- authorities ---- */

struct mp_charter *
mp_roster_charter(const struct mp_roster *roster)
{
	return roster->charter;
}

bool
mp_roster_revoked(const struct mp_roster *roster, const struct mp_node_id *id)
{
	return mp_charter_revoked(roster->charter, id) != NULL;
}

int
mp_roster_revoke(struct mp_roster *roster, struct mp_env *env, struct mp_span record, bool told,
	struct mp_node_id *subject, struct mp_member **m)
{
	int rc = mp_charter_revoke(roster->charter, env, record, told, subject);

	if (rc != 0)
		return rc;
	*m = find(roster, subject);
	if (*m != NULL && !(*m)->revoked) {
		(*m)->revoked = true;
		(*m)->link_up = false;
		mp_roster_set_state(roster, *m, MP_MEMBER_LEFT);
		mp_roster_changed(roster, *m);
	}
	return 0;
}

int
mp_roster_learn(struct mp_roster *roster, struct mp_env *env, struct mp_span log, bool fork)
{
	int rc = mp_charter_learn(roster->charter, env, log, fork);

	roster->trust.authority = mp_charter_log(roster->charter);
	return rc;
}

int
mp_roster_restore_meta(struct mp_roster *roster, struct mp_span key, struct mp_span value)
{
	int rc = mp_charter_restore_meta(roster->charter, key, value);

	roster->trust.authority = mp_charter_log(roster->charter);
	return rc;
}

int
mp_roster_restore_revoked(struct mp_roster *roster, struct mp_span key, struct mp_span value)
{
	return mp_charter_restore(roster->charter, key, value);
}

/* ---- certificates ---- */

/* A newer certificate of the same key. */
static int
replace(struct mp_roster *roster, struct mp_member *m, const struct mp_cert *c,
	struct mp_span bytes)
{
	int rc = span_set(roster, &m->credential, bytes);

	if (rc != 0)
		return rc;
	m->xkey = c->xkey;
	m->roles = c->roles;
	m->serial = c->serial;
	mp_roster_changed(roster, m);
	return 0;
}

int
mp_roster_add(struct mp_roster *roster, struct mp_env *env, struct mp_span credential,
	struct mp_member **out)
{
	struct mp_trust trust = roster->trust;
	struct mp_credential c;
	struct mp_cert peek;
	struct mp_member *m;
	int rc = mp_roster_peek(credential, &peek);

	if (rc != 0)
		return rc;
	m = find(roster, &peek.id);
	if (m != NULL && peek.serial <= m->serial) {
		if (out != NULL)
			*out = m;
		return MP_EEXIST;
	}
	trust.is_admitter = was_admitter;
	rc = mp_credential_verify(&trust, credential, &c, NULL);
	if (rc == 0 && (c.standing != MP_STANDING_MEMBER || (c.cert.roles & MP_ROLE_NODE) == 0))
		rc = MP_EAUTH;
	if (rc == 0)
		rc = m == NULL ? insert(roster, &c.cert, credential, &m)
			       : replace(roster, m, &c.cert, credential);
	if (rc != 0)
		return rc;
	(void)mp_roster_learn(roster, env, c.log, false);
	row_put(env, m);
	if (out != NULL)
		*out = m;
	return 0;
}

/* ---- statements ---- */

/* What a statement says becomes what is known; its state is the caller's to judge. */
static int
word_take(struct mp_roster *roster, struct mp_member *m, const struct mp_statement *s,
	struct mp_span bytes)
{
	int rc = span_set(roster, &m->statement, bytes);

	if (rc != 0)
		return rc;
	m->signed_incarnation = s->incarnation;
	if (m->incarnation < s->incarnation)
		m->incarnation = s->incarnation;
	if (!s->left) {
		m->name = s->name;
		m->addr_count = s->addr_count;
		memcpy(m->addrs, s->addrs, sizeof(m->addrs));
		m->status = s->status;
		caps_named(roster, m, s);
	}
	mp_roster_changed(roster, m);
	return 0;
}

int
mp_roster_state_word(struct mp_roster *roster, struct mp_env *env, struct mp_member *m,
	const struct mp_statement *statement, struct mp_span bytes)
{
	int rc;

	mp_assert(mp_node_id_eq(&m->id, &statement->id));
	mp_assert(m->statement.n == 0 || statement->incarnation > m->signed_incarnation ||
		  statement->left);
	rc = word_take(roster, m, statement, bytes);
	if (rc != 0)
		return rc;
	if (statement->left)
		mp_roster_set_state(roster, m, MP_MEMBER_LEFT);
	row_put(env, m);
	return 0;
}

int
mp_roster_restore(
	struct mp_roster *roster, struct mp_env *env, struct mp_span key, struct mp_span value)
{
	struct mp_trust own = roster->trust;
	struct mp_credential c;
	struct mp_statement s;
	struct mp_span credential, statement = mp_span(NULL, 0);
	struct mp_member *m;
	struct mp_cbor_r r;
	int rc;

	mp_cbor_r_init(&r, value);
	mp_cbor_r_array_exact(&r, 2);
	credential = mp_cbor_r_bytes(&r, MP_CREDENTIAL_MAX);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL)
		mp_cbor_r_null(&r);
	else
		statement = mp_cbor_r_item(&r);
	/* Keys may have been removed since, and branches be void. */
	own.is_admitter = any_admitter;
	own.authority = NULL;
	if (mp_cbor_r_end(&r) != 0 || mp_credential_verify(&own, credential, &c, NULL) != 0 ||
		c.standing != MP_STANDING_MEMBER ||
		!mp_span_eq(key, mp_span(c.cert.id.b, sizeof(c.cert.id.b))) ||
		find(roster, &c.cert.id) != NULL)
		return MP_ECORRUPT;
	if (statement.n > 0 && (mp_statement_read(statement, &env->cluster, &s) != 0 ||
				       !mp_node_id_eq(&s.id, &c.cert.id)))
		return MP_ECORRUPT;
	rc = insert(roster, &c.cert, credential, &m);
	if (rc == 0)
		(void)mp_roster_learn(roster, NULL, c.log, false);
	if (rc != 0 || statement.n == 0)
		return rc;
	rc = word_take(roster, m, &s, statement);
	if (rc == 0 && !m->revoked)
		mp_roster_set_state(roster, m, s.left ? MP_MEMBER_LEFT : MP_MEMBER_SUSPECT);
	return rc;
}

bool
mp_roster_may_take_over(const struct mp_roster *roster, const struct mp_run_record *rec)
{
	return rec->now.generation == 1 || mp_run_survived(rec) ||
	       (roster->trust.authority != NULL &&
		       mp_authority_has(roster->trust.authority, rec->signer, rec->takeover_ms));
}
