/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <stdio.h>

#include "codec/cbor.h"
#include "codec/record_trust.h"
#include "codec/token.h"
#include "crypto/key.h"
#include "mp/limits.h"

#define NOW   ((mp_time)1700000000000)
#define HOUR  ((mp_time)3600 * 1000)
#define LATER (NOW + HOUR)

static const struct mp_crypto *const c = &mp_crypto_sodium;

static struct unit_heap heap;
static struct mp_alloc alloc = {.realloc = unit_realloc, .ctx = &heap};

enum who {
	AUTHORITY,
	AUTHORITY2,
	FOUNDER,
	FOUNDER_INVITE,
	JOINER,
	INVITE,
	STRANGER,
	WHO_COUNT,
};
static struct mp_signer who[WHO_COUNT];
static struct mp_xkey xkeys[WHO_COUNT];

/* One cluster: its founder's credential, an invite, and a joiner's credential, admitted and not. */
static struct mp_cluster_id cluster;
static struct mp_buf founder, log_bytes, invite, joiner, member;
static struct mp_invite invite_fields;

static struct mp_buf
buf_new(void)
{
	struct mp_buf b;

	mp_buf_init(&b, &alloc, 64u * 1024);
	return b;
}

static bool
founder_only(void *ctx, const struct mp_node_id *id)
{
	(void)ctx;
	return memcmp(id->b, who[FOUNDER].key, sizeof(id->b)) == 0;
}

static struct mp_trust
trust_of(const struct mp_authority *authority)
{
	return (struct mp_trust){
		.crypto = c,
		.cluster = cluster,
		.authority = authority,
		.is_admitter = founder_only,
	};
}

static struct mp_join_request
join_request(void)
{
	return (struct mp_join_request){
		.log = mp_buf_span(&log_bytes),
		.invite = mp_buf_span(&invite),
		.inviter = who[INVITE],
		.node = who[JOINER],
		.xkey = xkeys[JOINER],
		.name = mp_span_str("joiner-1.lab"),
		.roles = MP_ROLE_NODE,
		.serial = 7,
		.wall_ms = NOW + 5,
	};
}

static int
setup(void **state)
{
	struct mp_genesis genesis = {.name = mp_span_str("founder"), .wall_ms = NOW};
	struct mp_trust trust;
	struct mp_credential cred;
	struct mp_join_request q;

	(void)state;
	for (int i = 0; i < WHO_COUNT; i++) {
		struct mp_secret *s = NULL;
		uint8_t seed[32], x[32];

		memset(seed, 1 + i, sizeof(seed));
		memset(x, 101 + i, sizeof(x));
		assert_int_equal(mp_secret_from_bytes(&s, seed, x), 0);
		who[i].secret = s;
		mp_secret_public(s, who[i].key);
		mp_secret_xkey(s, &xkeys[i]);
	}
	genesis.authority = who[AUTHORITY];
	genesis.inviter = who[FOUNDER_INVITE];
	genesis.node = who[FOUNDER];
	genesis.xkey = xkeys[FOUNDER];
	founder = log_bytes = invite = joiner = member = buf_new();
	assert_int_equal(mp_trust_genesis(c, &genesis, &cluster, &founder), 0);
	trust = trust_of(NULL);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&founder), &cred, NULL), 0);
	assert_int_equal(mp_buf_append(&log_bytes, cred.log.p, cred.log.n), 0);
	invite_fields = (struct mp_invite){
		.cluster = cluster,
		.roles = MP_ROLE_NODE | MP_ROLE_SUBMIT,
		.not_before_ms = NOW,
		.expires_ms = LATER,
		.seed_count = 2,
		.seeds = {mp_span_str("10.0.0.1:7117"), mp_span_str("[fd00::1]:7117")},
	};
	memcpy(invite_fields.key, who[INVITE].key, 32);
	assert_int_equal(mp_invite_sign(c, &invite_fields, &who[AUTHORITY], &invite), 0);
	q = join_request();
	assert_int_equal(mp_trust_join(c, &q, &joiner, NULL), 0);
	assert_int_equal(mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], NOW + 10,
				 &member, NULL),
		0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mp_buf_fini(&founder);
	mp_buf_fini(&log_bytes);
	mp_buf_fini(&invite);
	mp_buf_fini(&joiner);
	mp_buf_fini(&member);
	for (int i = 0; i < WHO_COUNT; i++) {
		struct mp_secret *s;

		memcpy(&s, &who[i].secret, sizeof(s));
		mp_secret_free(s);
	}
	return heap.live == 0 ? 0 : -1;
}

/* ---- a second writer and signer of records, to say anything at all ---- */

/* Signs a body as any record: [body, signature...]. */
static void
forge(struct mp_buf *out, const char *tag, struct mp_span body, const struct mp_signer *a,
	const struct mp_signer *b)
{
	struct mp_span parts[2] = {mp_span(tag, strlen(tag) + 1), body};
	struct mp_cbor_w w;
	struct mp_hash h;
	struct mp_sig sig;

	c->hash(&h, parts, 2);
	mp_cbor_w_init(&w, out);
	mp_cbor_w_array(&w, b != NULL ? 3 : 2);
	mp_cbor_w_span(&w, body);
	c->sign(a->secret, &sig, mp_span(h.b, sizeof(h.b)));
	mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
	if (b != NULL) {
		c->sign(b->secret, &sig, mp_span(h.b, sizeof(h.b)));
		mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
	}
	assert_int_equal(w.rc, 0);
}

/* The body of a signed record. */
static struct mp_span
body_of(struct mp_span record)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, record);
	(void)mp_cbor_r_array(&r, 3);
	return mp_cbor_r_bytes(&r, 8192);
}

/* Copies an array with item `at` replaced by these bytes (no bytes: left out; at its end: added).
 */
static void
patch(struct mp_buf *out, struct mp_span array, size_t at, struct mp_span item)
{
	struct mp_cbor_r r;
	struct mp_cbor_w w;
	size_t n;

	mp_cbor_r_init(&r, array);
	mp_cbor_w_init(&w, out);
	n = mp_cbor_r_array(&r, 64);
	mp_cbor_w_array(&w, at == n ? n + 1 : item.n == 0 ? n - 1 : n);
	for (size_t i = 0; i < n; i++) {
		struct mp_span was = mp_cbor_r_item(&r);

		mp_cbor_w_raw(&w, i == at ? item : was);
	}
	if (at == n)
		mp_cbor_w_raw(&w, item);
	assert_int_equal(w.rc, 0);
	assert_int_equal(mp_cbor_r_end(&r), 0);
}

static struct mp_span
item_at(struct mp_span array, size_t at)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, array);
	(void)mp_cbor_r_array(&r, 64);
	while (at-- > 0)
		mp_cbor_r_skip(&r);
	return mp_cbor_r_item(&r);
}

/* ---- what is good ---- */

static void
test_genesis(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	struct mp_credential cred;
	struct mp_cluster_id other;
	struct mp_span parts[2], body;
	struct mp_hash h;

	(void)state;
	trust.is_admitter = NULL;
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&founder), &cred, NULL), 0);
	assert_int_equal(cred.standing, MP_STANDING_MEMBER);
	assert_memory_equal(cred.cert.id.b, who[FOUNDER].key, 32);
	assert_memory_equal(cred.cert.xkey.b, xkeys[FOUNDER].b, 32);
	assert_string_equal(cred.cert.name.s, "founder");
	assert_int_equal(cred.cert.roles, MP_ROLES_ALL);
	assert_int_equal(cred.cert.serial, 0);
	assert_true(cred.cert.issued_ms == NOW && cred.admission.admitted_ms == NOW);
	assert_memory_equal(cred.admission.admitter, who[AUTHORITY].key, 32);
	assert_int_equal(cred.authority.entry_count, 1);
	/* The cluster's id is the hash of the first entry, as anybody may compute it. */
	body = body_of(item_at(cred.log, 0));
	parts[0] = mp_span("mp-authority", 13);
	parts[1] = body;
	c->hash(&h, parts, 2);
	assert_memory_equal(h.b, cluster.b, 32);
	/* In another cluster it is worth nothing. */
	other = cluster;
	other.b[0] ^= 1;
	trust.cluster = other;
	assert_int_equal(
		mp_credential_verify(&trust, mp_buf_span(&founder), &cred, NULL), MP_ECLUSTER);
}

static void
test_join_and_admit(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	struct mp_credential cred;
	struct mp_error err;

	(void)state;
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&joiner), &cred, &err), 0);
	assert_int_equal(cred.standing, MP_STANDING_JOINER);
	assert_memory_equal(cred.cert.id.b, who[JOINER].key, 32);
	assert_string_equal(cred.cert.name.s, "joiner-1.lab");
	assert_int_equal(cred.cert.serial, 7);
	assert_int_equal(cred.invite.seed_count, 2);
	assert_true(mp_span_eq(cred.invite.seeds[1], mp_span_str("[fd00::1]:7117")));
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&member), &cred, &err), 0);
	assert_int_equal(cred.standing, MP_STANDING_MEMBER);
	assert_true(cred.admission.admitted_ms == NOW + 10);
	assert_true(member.n < 1000); /* fits a datagram */
	/* Whoever does not know the admitter cannot tell yet. */
	trust.is_admitter = NULL;
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&member), &cred, &err), 0);
	assert_int_equal(cred.standing, MP_STANDING_UNPROVEN);
}

static void
test_admit_refuses(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	struct mp_buf out = buf_new();
	struct mp_error err;

	(void)state;
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], NOW - 1, &out, &err),
		MP_EAUTH);
	assert_non_null(strstr(err.text, "not valid for another"));
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], LATER + 1, &out, &err),
		MP_EAUTH);
	assert_non_null(strstr(err.text, "expired"));
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&member), &who[FOUNDER], NOW, &out, &err),
		MP_EEXIST);
	assert_int_equal(mp_trust_admit(&trust, mp_span("\x84", 1), &who[FOUNDER], NOW, &out, &err),
		MP_ETRUNC);
	assert_int_equal(out.n, 0);
	/* At both ends of its time it is good. */
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], NOW, &out, &err), 0);
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], LATER, &out, &err), 0);
	mp_buf_fini(&out);
}

static void
test_join_refuses(void **state)
{
	struct mp_buf out = buf_new();
	struct mp_join_request good = join_request(), q;
	struct mp_error err;
	char name[MP_NAME_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof(name));
	q = good;
	q.roles = MP_ROLE_NODE | MP_ROLE_ADMIN;
	assert_int_equal(mp_trust_join(c, &q, &out, &err), MP_EAUTH);
	q.roles = 0;
	assert_int_equal(mp_trust_join(c, &q, &out, &err), MP_EAUTH);
	q.roles = 0x100;
	assert_int_equal(mp_trust_join(c, &q, &out, &err), MP_EAUTH);
	q = good;
	q.inviter = who[STRANGER];
	assert_int_equal(mp_trust_join(c, &q, &out, &err), MP_EAUTH);
	for (size_t i = 0; i < 7; i++) {
		static const char *const bad[] = {"", "-x", ".x", "a b", "a\n", "k\xc3\xb6ln"};

		q = good;
		q.name = i < 6 ? mp_span_str(bad[i]) : mp_span(name, MP_NAME_MAX + 1);
		assert_int_equal(mp_trust_join(c, &q, &out, &err), MP_EINVAL);
	}
	q = good;
	q.log = mp_span("\x80", 1);
	assert_int_equal(mp_trust_join(c, &q, &out, &err), MP_EFORMAT);
	assert_int_equal(out.n, 0);
	q = good;
	q.name = mp_span(name, MP_NAME_MAX);
	assert_int_equal(mp_trust_join(c, &q, &out, &err), 0);
	mp_buf_fini(&out);
}

/* ---- what is bad ---- */

/* Any byte changed, any byte missing, any byte more. */
static void
test_every_byte(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	struct mp_buf copy = buf_new();
	struct mp_credential cred;

	(void)state;
	assert_int_equal(mp_buf_append(&copy, member.p, member.n), 0);
	assert_int_equal(mp_buf_append(&copy, "", 1), 0);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&copy), &cred, NULL), MP_EFORMAT);
	for (size_t i = 0; i < member.n; i++) {
		struct mp_error err = {0};
		int rc;

		copy.p[i] ^= (uint8_t)(1 << i % 8);
		rc = mp_credential_verify(&trust, mp_span(copy.p, member.n), &cred, &err);
		assert_true(rc == MP_ESIG || rc == MP_EFORMAT || rc == MP_ETRUNC ||
			    rc == MP_ELIMIT || rc == MP_EVERSION || rc == MP_EAUTH ||
			    rc == MP_ECLUSTER);
		assert_int_equal(err.code, rc);
		copy.p[i] = member.p[i];
		assert_int_not_equal(
			mp_credential_verify(&trust, mp_span(copy.p, i), &cred, NULL), 0);
	}
	mp_buf_fini(&copy);
}

#define RAW(s)                                                                                     \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}
#define H32_7                                                                                      \
	"\x58\x20"                                                                                 \
	"77777777777777777777777777777777"

struct change {
	size_t field;
	struct mp_span item; /* nothing: the field is left out */
	int rc;
};

/* Each field of a record changed by somebody who can sign, with the right keys or as said. */
static void
check_changes(size_t part, const char *tag, const struct mp_signer *a, const struct mp_signer *b,
	const struct change *changes, size_t n)
{
	struct mp_trust trust = trust_of(NULL);
	struct mp_span record = item_at(mp_buf_span(&member), part);

	if (part == 0)
		record = item_at(record, 0);
	for (size_t i = 0; i < n; i++) {
		struct mp_buf body = buf_new(), signed_body = buf_new(), whole = buf_new();
		struct mp_credential cred;
		struct mp_error err = {0};
		int rc;

		patch(&body, body_of(record), changes[i].field, changes[i].item);
		if (part == 0) {
			struct mp_cbor_w w;

			mp_cbor_w_init(&w, &signed_body);
			mp_cbor_w_array(&w, 1);
		}
		forge(&signed_body, tag, mp_buf_span(&body), a, b);
		patch(&whole, mp_buf_span(&member), part, mp_buf_span(&signed_body));
		rc = mp_credential_verify(&trust, mp_buf_span(&whole), &cred, &err);
		if (rc != changes[i].rc)
			fail_msg("%s row %zu: %d (%s)", tag, i, rc, err.text);
		mp_buf_fini(&body);
		mp_buf_fini(&signed_body);
		mp_buf_fini(&whole);
	}
}

static void
test_authority_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x67mp-cert"), MP_EFORMAT},
		{1, RAW("\x02"), MP_EVERSION},
		{1, RAW("\x00"), MP_EVERSION},
		{2, RAW("\x01"), MP_EFORMAT},  /* index 1: previous is not null then */
		{3, RAW(H32_7), MP_EFORMAT},   /* and at 0 it is */
		{4, RAW("\x02"), MP_EAUTH},    /* begins with a removal */
		{4, RAW("\x03"), MP_EVERSION}, /* no such operation here */
		{5, RAW(H32_7), MP_ESIG},
		{6, RAW(H32_7), MP_EFORMAT},
		{7, RAW("\x05"), MP_ECLUSTER}, /* another first entry is another cluster */
		{7, RAW("\x20"), MP_EFORMAT},
		{7, RAW("\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"), MP_ELIMIT},
		{7, {NULL, 0}, MP_EFORMAT},
		{8, RAW("\xf6"), MP_EFORMAT},
	};

	(void)state;
	check_changes(0, "mp-authority", &who[AUTHORITY], NULL, changes, mp_countof(changes));
}

static void
test_invite_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x67mp-cert"), MP_EFORMAT},
		{1, RAW("\x02"), MP_EVERSION},
		{2, RAW(H32_7), MP_ECLUSTER},
		{3, RAW(H32_7), MP_ESIG}, /* then the certificate's second signature fails */
		{4, RAW("\x00"), MP_EFORMAT},
		{4, RAW("\x10"), MP_EVERSION},
		{5, RAW("\x1b\x7f\xff\xff\xff\xff\xff\xff\x00"), MP_EFORMAT}, /* ends before */
		{6, RAW("\x00"), MP_EFORMAT},
		{6, RAW("\xf6"), MP_EFORMAT},
		{7, RAW("\x81\x60"), MP_EFORMAT}, /* an empty seed */
		{7,
			RAW("\x81\x63"
			    "a b"),
			MP_EFORMAT},
		{7,
			RAW("\x89\x61"
			    "a\x61"
			    "a\x61"
			    "a\x61"
			    "a\x61"
			    "a\x61"
			    "a\x61"
			    "a\x61"
			    "a\x61"
			    "a"),
			MP_ELIMIT},
		{7, RAW("\x80"), MP_EAUTH}, /* well-formed, but not what the certificate is for */
		{8, RAW("\x41x"), MP_EFORMAT},
		{9, RAW("\x01"), MP_EVERSION},
		{10, RAW(H32_7), MP_ESIG},
		{10, {NULL, 0}, MP_EFORMAT},
		{11, RAW("\x00"), MP_EFORMAT},
	};

	(void)state;
	check_changes(1, "mp-invite", &who[AUTHORITY], NULL, changes, mp_countof(changes));
	/* The same domain is needed to sign. */
	check_changes(
		1, "mp-cert", &who[AUTHORITY], NULL, &(struct change){7, RAW("\x80"), MP_ESIG}, 1);
}

static void
test_cert_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x69mp-invite"), MP_EFORMAT},
		{1, RAW("\x02"), MP_EVERSION},
		{2, RAW(H32_7), MP_ECLUSTER},
		{3, RAW(H32_7), MP_ESIG},
		{4, RAW(H32_7), MP_EAUTH}, /* the admission is for another one then */
		{5, RAW("\x60"), MP_EFORMAT},
		{5, RAW("\x62-x"), MP_EFORMAT},
		{5, RAW("\x62x\n"), MP_EFORMAT},
		{5, RAW("\x62x\0"), MP_EFORMAT},
		{6, RAW("\x00"), MP_EFORMAT},
		{6, RAW("\x11"), MP_EVERSION},
		{6, RAW("\x09"), MP_EAUTH}, /* admin: not in the invite */
		{6, RAW("\x02"), MP_EAUTH}, /* in the invite, but not what was admitted */
		{7, RAW("\x20"), MP_EFORMAT},
		{7, RAW("\x08"), MP_EAUTH},
		{8, RAW("\xf6"), MP_EFORMAT},
		{9, RAW(H32_7), MP_EAUTH},
		{9, {NULL, 0}, MP_EFORMAT},
		{10, RAW("\x00"), MP_EFORMAT},
	};
	struct change wrong_signer = {8, RAW("\x05"), MP_ESIG};

	(void)state;
	check_changes(2, "mp-cert", &who[JOINER], &who[INVITE], changes, mp_countof(changes));
	check_changes(2, "mp-cert", &who[JOINER], &who[STRANGER], &wrong_signer, 1);
	check_changes(2, "mp-cert", &who[STRANGER], &who[INVITE], &wrong_signer, 1);
	check_changes(2, "mp-cert", &who[INVITE], &who[JOINER], &wrong_signer, 1);
	wrong_signer.rc = MP_EFORMAT; /* one signature only */
	check_changes(2, "mp-cert", &who[JOINER], NULL, &wrong_signer, 1);
}

static void
test_admission_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x67mp-cert"), MP_EFORMAT},
		{1, RAW("\x02"), MP_EVERSION},
		{2, RAW(H32_7), MP_ECLUSTER},
		{3, RAW(H32_7), MP_EAUTH},
		{4, RAW(H32_7), MP_ESIG},
		{5, RAW("\x00"), MP_EAUTH},                          /* before the invite's time */
		{5, RAW("\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00"), 0}, /* at its first instant */
		{5, RAW("\x1b\x00\x00\x01\x8b\xcf\xe5\x67\xff"), MP_EAUTH}, /* and before that */
		{5, RAW("\x1b\x00\x00\x01\x8b\xd0\x1c\x56\x80"), 0},        /* at its last */
		{5, RAW("\x1b\x00\x00\x01\x8b\xd0\x1c\x56\x81"), MP_EAUTH}, /* and after */
		{5, RAW("\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"), MP_ELIMIT},
		{5, {NULL, 0}, MP_EFORMAT},
		{6, RAW("\x00"), MP_EFORMAT},
	};

	(void)state;
	assert_true(NOW == 0x18bcfe56800 && LATER == 0x18bd01c5680);
	check_changes(3, "mp-admission", &who[FOUNDER], NULL, changes, mp_countof(changes));
}

/* Who admits oneself, or is admitted by a stranger or by a joiner, is no member. */
static void
test_self_admission(void **state)
{
	static const enum who admitters[] = {JOINER, STRANGER, INVITE, AUTHORITY2};
	struct mp_trust trust = trust_of(NULL);

	(void)state;
	for (size_t i = 0; i < mp_countof(admitters); i++) {
		struct mp_buf out = buf_new(), again = buf_new();
		struct mp_credential cred;

		assert_int_equal(mp_trust_admit(&trust, mp_buf_span(&joiner), &who[admitters[i]],
					 NOW, &out, NULL),
			0);
		assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&out), &cred, NULL), 0);
		assert_int_equal(cred.standing, MP_STANDING_UNPROVEN);
		/* A real member may still admit it, in time. */
		assert_int_equal(
			mp_trust_admit(&trust, mp_buf_span(&out), &who[FOUNDER], NOW, &again, NULL),
			0);
		assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&again), &cred, NULL), 0);
		assert_int_equal(cred.standing, MP_STANDING_MEMBER);
		mp_buf_fini(&out);
		mp_buf_fini(&again);
	}
}

static void
test_too_large(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	static uint8_t bytes[MP_CREDENTIAL_MAX + 1];
	struct mp_credential cred;

	(void)state;
	assert_int_equal(mp_credential_verify(&trust, mp_span(bytes, sizeof(bytes)), &cred, NULL),
		MP_ELIMIT);
}

/* ---- the authority's log ---- */

static int
append(struct mp_buf *log, enum mp_authority_op op, enum who key, enum who signer, mp_time at_ms)
{
	struct mp_authority_change change = {.op = op, .created_ms = at_ms};
	struct mp_buf longer = buf_new();
	int rc;

	memcpy(change.key, who[key].key, sizeof(change.key));
	rc = mp_authority_append(c, mp_buf_span(log), &change, &who[signer], &longer);
	if (rc != 0) {
		assert_int_equal(longer.n, 0);
		return rc;
	}
	mp_buf_fini(log);
	*log = longer;
	return 0;
}

static struct mp_buf
log_copy(void)
{
	struct mp_buf log = buf_new();

	assert_int_equal(mp_buf_append(&log, log_bytes.p, log_bytes.n), 0);
	return log;
}

static void
test_authority_log(void **state)
{
	struct mp_buf log = log_copy(), prefix = buf_new();
	struct mp_authority a;

	(void)state;
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY, AUTHORITY, NOW), MP_EEXIST);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY, NOW), MP_EAUTH);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, STRANGER, NOW), MP_EAUTH);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, STRANGER, AUTHORITY, NOW), MP_ENOENT);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, -1), MP_EINVAL);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW + 1), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2, NOW + 9), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2, NOW), MP_ENOENT);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), MP_EAUTH);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY, AUTHORITY2, NOW), MP_EEXIST);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&log), &a, NULL), 0);
	assert_int_equal(a.entry_count, 3);
	assert_memory_equal(a.cluster.b, cluster.b, 32);
	assert_true(mp_authority_has(&a, who[AUTHORITY2].key, MP_TIME_NEVER));
	assert_false(mp_authority_has(&a, who[AUTHORITY].key, MP_TIME_NEVER));
	assert_true(mp_authority_has(&a, who[AUTHORITY].key, NOW + 8));
	assert_false(mp_authority_has(&a, who[AUTHORITY].key, NOW + 9));
	assert_false(mp_authority_has(&a, who[STRANGER].key, NOW));
	assert_int_equal(mp_authority_prefix(mp_buf_span(&log), who[AUTHORITY].key), 1);
	assert_int_equal(mp_authority_prefix(mp_buf_span(&log), who[AUTHORITY2].key), 2);
	assert_int_equal(mp_authority_prefix(mp_buf_span(&log), who[STRANGER].key), 0);
	assert_int_equal(mp_authority_copy(mp_buf_span(&log), 1, &prefix), 0);
	assert_true(mp_span_eq(mp_buf_span(&prefix), mp_buf_span(&log_bytes)));
	mp_buf_fini(&prefix);
	for (size_t i = 0; i < log.n; i++) {
		log.p[i] ^= 4;
		if (mp_authority_open(c, mp_buf_span(&log), &a, NULL) == 0) /* another genesis? */
			fail_msg("byte %zu of the log does not count", i);
		log.p[i] ^= 4;
	}
	mp_buf_fini(&log);
}

static void
test_authority_order(void **state)
{
	struct mp_buf log = log_copy(), swapped = buf_new();
	struct mp_authority a;
	struct mp_cbor_w w;

	(void)state;
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	mp_cbor_w_init(&w, &swapped);
	mp_cbor_w_array(&w, 2); /* entry 1 is missing */
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&log), 0));
	mp_cbor_w_raw(&w, item_at(mp_buf_span(&log), 2));
	assert_int_equal(mp_authority_open(c, mp_buf_span(&swapped), &a, NULL), MP_EFORMAT);
	mp_buf_fini(&swapped);
	assert_int_equal(mp_authority_open(c, mp_span("\x80", 1), &a, NULL), MP_EFORMAT);
	assert_int_equal(mp_authority_open(c, mp_span("\x98\x41", 2), &a, NULL), MP_ELIMIT);
	mp_buf_fini(&log);
}

static void
test_authority_full(void **state)
{
	struct mp_buf log = log_copy();
	struct mp_authority a;

	(void)state;
	for (unsigned i = 1; i <= MP_AUTHORITY_MAX; i++) {
		struct mp_authority_change change = {.op = MP_AUTHORITY_ADD, .created_ms = NOW};
		struct mp_buf longer = buf_new();
		int rc;

		memset(change.key, (int)i, sizeof(change.key));
		rc = mp_authority_append(c, mp_buf_span(&log), &change, &who[AUTHORITY], &longer);
		assert_int_equal(rc, i < MP_AUTHORITY_MAX ? 0 : MP_ELIMIT);
		mp_buf_fini(rc == 0 ? &log : &longer);
		if (rc == 0)
			log = longer;
	}
	assert_int_equal(mp_authority_open(c, mp_buf_span(&log), &a, NULL), 0);
	assert_int_equal(a.entry_count, MP_AUTHORITY_MAX);
	mp_buf_fini(&log);
}

/* A key that was removed admits nobody any more, and who came before stays. */
static void
test_removed_authority(void **state)
{
	struct mp_buf early = log_copy(), late = log_copy(), fork = log_copy(), out = buf_new();
	struct mp_authority early_a, late_a, fork_a;
	struct mp_credential cred;
	struct mp_trust trust;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mp_buf *log = i == 0 ? &early : &late;

		assert_int_equal(append(log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
		assert_int_equal(append(log, MP_AUTHORITY_REMOVE, AUTHORITY, AUTHORITY2,
					 i == 0 ? NOW + 10 : NOW + 11),
			0);
	}
	assert_int_equal(append(&fork, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&early), &early_a, NULL), 0);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&late), &late_a, NULL), 0);
	assert_int_equal(mp_authority_open(c, mp_buf_span(&fork), &fork_a, NULL), 0);

	trust = trust_of(&late_a); /* removed after the admission, which was at NOW + 10 */
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&member), &cred, NULL), 0);
	assert_int_equal(cred.standing, MP_STANDING_MEMBER);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&joiner), &cred, NULL), MP_EAUTH);
	trust = trust_of(&early_a);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&member), &cred, NULL), MP_EAUTH);
	/* Nor does a stranger's admission from before the removal help. */
	trust = trust_of(NULL);
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[STRANGER], NOW, &out, NULL), 0);
	trust = trust_of(&late_a);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&out), &cred, NULL), 0);
	assert_int_equal(cred.standing, MP_STANDING_UNPROVEN);
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&out), &who[FOUNDER], NOW, &joiner, NULL),
		MP_EAUTH);
	/* Of a fork our own side counts. */
	trust = trust_of(&fork_a);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&joiner), &cred, NULL), 0);
	mp_buf_fini(&early);
	mp_buf_fini(&late);
	mp_buf_fini(&fork);
	mp_buf_fini(&out);
}

/* An invite by the second authority brings its own proof, and no more of the log than that. */
static void
test_second_authority(void **state)
{
	struct mp_buf log = log_copy(), second = buf_new(), out = buf_new();
	struct mp_join_request q = join_request();
	struct mp_trust trust = trust_of(NULL);
	struct mp_authority old;
	struct mp_credential cred;

	(void)state;
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, AUTHORITY2, AUTHORITY, NOW), 0);
	assert_int_equal(append(&log, MP_AUTHORITY_ADD, STRANGER, AUTHORITY, NOW), 0);
	assert_int_equal(mp_invite_sign(c, &invite_fields, &who[AUTHORITY2], &second), 0);
	q.invite = mp_buf_span(&second);
	assert_int_equal(mp_trust_join(c, &q, &out, NULL), MP_EAUTH); /* not in this log */
	q.log = mp_buf_span(&log);
	assert_int_equal(mp_trust_join(c, &q, &out, NULL), 0);
	/* A verifier that never heard of the key believes the longer log. */
	assert_int_equal(mp_authority_open(c, mp_buf_span(&log_bytes), &old, NULL), 0);
	trust.authority = &old;
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&out), &cred, NULL), 0);
	assert_int_equal(cred.authority.entry_count, 2);
	mp_buf_fini(&log);
	mp_buf_fini(&second);
	mp_buf_fini(&out);
}

static void
test_invite_bounds(void **state)
{
	struct mp_buf out = buf_new();
	struct mp_invite bad;

	(void)state;
	bad = invite_fields;
	bad.roles = 0;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.expires_ms = bad.not_before_ms - 1;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.expires_ms = MP_TIME_NEVER;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.seeds[0] = mp_span_str("new\nline");
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	bad = invite_fields;
	bad.seed_count = MP_INVITE_SEEDS_MAX + 1;
	assert_int_equal(mp_invite_sign(c, &bad, &who[AUTHORITY], &out), MP_EINVAL);
	assert_int_equal(out.n, 0);
	mp_buf_fini(&out);
}

/* ---- tokens ---- */

static struct mp_buf
token_text(void)
{
	struct mp_token token = {
		.log = mp_buf_span(&log_bytes),
		.invite_bytes = mp_buf_span(&invite),
	};
	struct mp_buf text = buf_new();

	mp_secret_seed(who[INVITE].secret, token.seed);
	assert_int_equal(mp_token_encode(c, &token, &text), 0);
	return text;
}

static int
token_try(struct mp_span text, struct mp_token *token, struct mp_error *err)
{
	struct mp_buf bytes = buf_new();
	int rc = mp_token_decode(c, text, &bytes, token, err);

	mp_buf_fini(&bytes);
	return rc;
}

static void
test_token(void **state)
{
	struct mp_buf text = token_text(), bytes = buf_new(), padded = buf_new();
	struct mp_token token;
	struct mp_secret *s = NULL;
	struct mp_error err;
	uint8_t key[32];

	(void)state;
	assert_int_equal(mp_buf_append(&padded, " \t", 2), 0);
	assert_int_equal(mp_buf_append(&padded, text.p, text.n), 0);
	assert_int_equal(mp_buf_append(&padded, "\r\n\n", 3), 0);
	assert_int_equal(mp_token_decode(c, mp_buf_span(&padded), &bytes, &token, &err), 0);
	assert_true(mp_span_eq(token.log, mp_buf_span(&log_bytes)));
	assert_true(mp_span_eq(token.invite_bytes, mp_buf_span(&invite)));
	assert_memory_equal(token.authority.cluster.b, cluster.b, 32);
	assert_int_equal(token.invite.seed_count, 2);
	assert_int_equal(mp_secret_from_bytes(&s, token.seed, NULL), 0);
	mp_secret_public(s, key);
	assert_memory_equal(key, token.invite.key, 32);
	mp_secret_free(s);
	mp_buf_fini(&text);
	mp_buf_fini(&bytes);
	mp_buf_fini(&padded);
}

static void
test_bad_tokens(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *say;
	} rows[] = {
		{"", MP_EFORMAT, "empty"},
		{" \n", MP_EFORMAT, "empty"},
		{"hello", MP_EFORMAT, "not an invite token"},
		{"mp1", MP_EFORMAT, "not an invite token"},
		{"mp2-AAAA", MP_EVERSION, "newer"},
		{"mp1-", MP_EFORMAT, "damaged"},
		{"mp1-AAAAAAAAAAAAAAAAAAAA", MP_EFORMAT, "damaged"},
		{"mp1-AAAA+AAA", MP_EFORMAT, "damaged"},
		{"mp1-AAAA AAAA", MP_EFORMAT, "one line"},
		{"mp1-AAAA\nAAAA", MP_EFORMAT, "one line"},
	};
	struct mp_buf text = token_text();
	static uint8_t large[MP_TOKEN_MAX + 1];
	struct mp_token token;
	struct mp_error err;

	(void)state;
	for (size_t i = 0; i < mp_countof(rows); i++) {
		assert_int_equal(token_try(mp_span_str(rows[i].text), &token, &err), rows[i].rc);
		if (strstr(err.text, rows[i].say) == NULL)
			fail_msg("row %zu says: %s", i, err.text);
	}
	memset(large, 'A', sizeof(large));
	assert_int_equal(token_try(mp_span(large, sizeof(large)), &token, &err), MP_ELIMIT);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t was = text.p[i];

		assert_int_not_equal(token_try(mp_span(text.p, i), &token, &err), 0);
		text.p[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(token_try(mp_buf_span(&text), &token, &err), 0);
		text.p[i] = was;
	}
	mp_buf_fini(&text);
}

/* Well made, and still it proves nothing: the invite is by a stranger, or for another cluster. */
static void
test_false_tokens(void **state)
{
	struct mp_token token = {.log = mp_buf_span(&log_bytes)};
	struct mp_invite fields = invite_fields;
	struct mp_error err;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct mp_buf signed_invite = buf_new(), text = buf_new();
		struct mp_token got;

		fields.cluster.b[0] ^= (uint8_t)i;
		assert_int_equal(mp_invite_sign(c, &fields, &who[i == 0 ? STRANGER : AUTHORITY],
					 &signed_invite),
			0);
		token.invite_bytes = mp_buf_span(&signed_invite);
		assert_int_equal(mp_token_encode(c, &token, &text), 0);
		assert_int_equal(
			token_try(mp_buf_span(&text), &got, &err), i == 0 ? MP_EAUTH : MP_ECLUSTER);
		mp_buf_fini(&signed_invite);
		mp_buf_fini(&text);
	}
}

/* ---- memory ---- */

static void
test_no_memory(void **state)
{
	struct unit_heap small = {0};
	struct mp_alloc small_alloc = UNIT_ALLOC(&small);
	struct mp_genesis genesis = {.authority = who[AUTHORITY],
		.inviter = who[FOUNDER_INVITE],
		.node = who[FOUNDER],
		.xkey = xkeys[FOUNDER],
		.name = mp_span_str("founder"),
		.wall_ms = NOW};
	struct mp_join_request q = join_request();
	struct mp_cluster_id id;
	int rc = MP_ENOMEM;

	(void)state;
	for (size_t fail_at = 1; rc != 0; fail_at++) {
		struct mp_buf a, b;

		assert_true(fail_at < 100);
		small.calls = 0;
		small.fail_at = fail_at;
		mp_buf_init(&a, &small_alloc, 64u * 1024);
		mp_buf_init(&b, &small_alloc, 64u * 1024);
		rc = mp_trust_genesis(c, &genesis, &id, &a);
		if (rc == 0)
			rc = mp_trust_join(c, &q, &b, NULL);
		if (rc == 0) {
			struct mp_trust trust = trust_of(NULL);

			mp_buf_clear(&a);
			rc = mp_trust_admit(&trust, mp_buf_span(&b), &who[FOUNDER], NOW, &a, NULL);
		}
		assert_true(rc == 0 || (rc == MP_ENOMEM && (a.n == 0 || b.n == 0)));
		mp_buf_fini(&a);
		mp_buf_fini(&b);
		assert_int_equal(small.live, 0);
	}
}

/* The form of what is hashed and signed never changes: fixed keys and times give these bytes. */
static void
test_final_form(void **state)
{
	struct mp_span parts[1] = {mp_buf_span(&member)};
	char hex[65];
	struct mp_hash h;

	(void)state;
	c->hash(&h, parts, 1);
	for (size_t i = 0; i < sizeof(h.b); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", h.b[i]);
	assert_string_equal(hex, "24e120fe7bca565e194ac4cb2f883a52493770ca5ef4cce99cf8a45b3f2ab1cf");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_genesis),
		cmocka_unit_test(test_join_and_admit),
		cmocka_unit_test(test_admit_refuses),
		cmocka_unit_test(test_join_refuses),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_authority_fields),
		cmocka_unit_test(test_invite_fields),
		cmocka_unit_test(test_cert_fields),
		cmocka_unit_test(test_admission_fields),
		cmocka_unit_test(test_self_admission),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_authority_log),
		cmocka_unit_test(test_authority_order),
		cmocka_unit_test(test_authority_full),
		cmocka_unit_test(test_removed_authority),
		cmocka_unit_test(test_second_authority),
		cmocka_unit_test(test_invite_bounds),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_bad_tokens),
		cmocka_unit_test(test_false_tokens),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_final_form),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
