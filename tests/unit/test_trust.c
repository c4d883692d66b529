/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/trust.h"

#include <stdio.h>

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
		MP_EEXPIRED);
	assert_non_null(strstr(err.text, "not valid for another"));
	assert_int_equal(
		mp_trust_admit(&trust, mp_buf_span(&joiner), &who[FOUNDER], LATER + 1, &out, &err),
		MP_EEXPIRED);
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
	const char *say; /* part of the text, or NULL */
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
		if (changes[i].say != NULL && strstr(err.text, changes[i].say) == NULL)
			fail_msg("%s row %zu says: %s", tag, i, err.text);
		mp_buf_fini(&body);
		mp_buf_fini(&signed_body);
		mp_buf_fini(&whole);
	}
}

static void
test_authority_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x67mp-cert"), MP_EFORMAT, NULL},
		{1, RAW("\x02"), MP_EVERSION, NULL},
		{1, RAW("\x00"), MP_EVERSION, NULL},
		{2, RAW("\x01"), MP_EFORMAT, NULL},    /* index 1: previous is not null then */
		{3, RAW(H32_7), MP_EFORMAT, NULL},     /* and at 0 it is */
		{4, RAW("\x02"), MP_EAUTH, "entry 0"}, /* begins with a removal */
		{4, RAW("\x03"), MP_EVERSION, NULL},   /* no such operation here */
		{5, RAW(H32_7), MP_ESIG, NULL},
		{6, RAW(H32_7), MP_EFORMAT, NULL},
		{7, RAW("\x05"), MP_ECLUSTER, NULL}, /* another first entry is another cluster */
		{7, RAW("\x20"), MP_EFORMAT, NULL},
		{7, RAW("\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"), MP_ELIMIT, NULL},
		{7, {NULL, 0}, MP_EFORMAT, NULL},
		{8, RAW("\xf6"), MP_EFORMAT, NULL},
	};

	(void)state;
	check_changes(0, "mp-authority", &who[AUTHORITY], NULL, changes, mp_countof(changes));
}

static void
test_invite_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x67mp-cert"), MP_EFORMAT, NULL},
		{1, RAW("\x02"), MP_EVERSION, NULL},
		{2, RAW(H32_7), MP_ECLUSTER, NULL},
		{3, RAW(H32_7), MP_ESIG, NULL}, /* then the certificate's second signature fails */
		{4, RAW("\x00"), MP_EFORMAT, NULL},
		{4, RAW("\x10"), MP_EVERSION, NULL},
		{5, RAW("\x1b\x7f\xff\xff\xff\xff\xff\xff\x00"), MP_EFORMAT,
			NULL}, /* ends before */
		{6, RAW("\x00"), MP_EFORMAT, NULL},
		{6, RAW("\xf6"), MP_EFORMAT, NULL},
		{7, RAW("\x81\x60"), MP_EFORMAT, NULL}, /* an empty seed */
		{7,
			RAW("\x81\x63"
			    "a b"),
			MP_EFORMAT, NULL},
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
			MP_ELIMIT, NULL},
		{7, RAW("\x80"), MP_EAUTH,
			"another invite"}, /* well-formed, but not what the certificate is for */
		{8, RAW("\x41x"), MP_EFORMAT, NULL},
		{9, RAW("\x01"), MP_EAUTH, "another invite"},
		{9, RAW("\x02"), MP_EVERSION, NULL},
		{10, RAW(H32_7), MP_ESIG, NULL},
		{10, {NULL, 0}, MP_EFORMAT, NULL},
		{11, RAW("\x00"), MP_EFORMAT, NULL},
	};

	(void)state;
	check_changes(1, "mp-invite", &who[AUTHORITY], NULL, changes, mp_countof(changes));
	/* The same domain is needed to sign. */
	check_changes(1, "mp-cert", &who[AUTHORITY], NULL,
		&(struct change){7, RAW("\x80"), MP_ESIG, NULL}, 1);
}

static void
test_cert_fields(void **state)
{
	static const struct change changes[] = {
		{0, RAW("\x69mp-invite"), MP_EFORMAT, NULL},
		{1, RAW("\x02"), MP_EVERSION, NULL},
		{2, RAW(H32_7), MP_ECLUSTER, NULL},
		{3, RAW(H32_7), MP_ESIG, NULL},
		{4, RAW(H32_7), MP_EAUTH,
			"another certificate"}, /* the admission is for another one then */
		{5, RAW("\x60"), MP_EFORMAT, NULL},
		{5, RAW("\x62-x"), MP_EFORMAT, NULL},
		{5, RAW("\x62x\n"), MP_EFORMAT, NULL},
		{5, RAW("\x62x\0"), MP_EFORMAT, NULL},
		{6, RAW("\x00"), MP_EFORMAT, NULL},
		{6, RAW("\x11"), MP_EVERSION, NULL},
		{6, RAW("\x09"), MP_EROLE, "roles"}, /* admin: not in the invite */
		{6, RAW("\x02"), MP_EAUTH,
			"another certificate"}, /* in the invite, but not what was admitted */
		{7, RAW("\x20"), MP_EFORMAT, NULL},
		{7, RAW("\x08"), MP_EAUTH, "another certificate"},
		{8, RAW("\xf6"), MP_EFORMAT, NULL},
		{9, RAW(H32_7), MP_EAUTH, "another invite"},
		{9, {NULL, 0}, MP_EFORMAT, NULL},
		{10, RAW("\x00"), MP_EFORMAT, NULL},
	};
	struct change wrong_signer = {8, RAW("\x05"), MP_ESIG, NULL};

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
		{0, RAW("\x67mp-cert"), MP_EFORMAT, NULL},
		{1, RAW("\x02"), MP_EVERSION, NULL},
		{2, RAW(H32_7), MP_ECLUSTER, NULL},
		{3, RAW(H32_7), MP_EAUTH, "another certificate"},
		{4, RAW(H32_7), MP_ESIG, NULL},
		{5, RAW("\x00"), MP_EEXPIRED, "within the time"}, /* before the invite's time */
		{5, RAW("\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x00"), 0,
			NULL}, /* at its first instant */
		{5, RAW("\x1b\x00\x00\x01\x8b\xcf\xe5\x67\xff"), MP_EEXPIRED,
			"within the time"},                                /* and before that */
		{5, RAW("\x1b\x00\x00\x01\x8b\xd0\x1c\x56\x80"), 0, NULL}, /* at its last */
		{5, RAW("\x1b\x00\x00\x01\x8b\xd0\x1c\x56\x81"), MP_EEXPIRED,
			"within the time"}, /* and after */
		{5, RAW("\x1b\x7f\xff\xff\xff\xff\xff\xff\xff"), MP_ELIMIT, NULL},
		{5, {NULL, 0}, MP_EFORMAT, NULL},
		{6, RAW("\x00"), MP_EFORMAT, NULL},
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
	assert_string_equal(
		hex, "24e120fe7bca565e194ac4cb2f883a52493770ca5ef4cce99cf8a45b3f2ab1cf");
}

/* An invite that is bound is of use for one key only. */
static void
test_bound_invite(void **state)
{
	struct mp_invite v = invite_fields;
	struct mp_trust trust = trust_of(NULL);
	struct mp_buf bytes = buf_new(), own = buf_new();
	struct mp_join_request q = join_request();
	struct mp_credential cred;
	struct mp_error err = {0};
	struct mp_node_id id;

	(void)state;
	memcpy(id.b, who[JOINER].key, sizeof(id.b));
	mp_invite_bind(&v, &id);
	assert_true(mp_invite_is_for(&v, &id));
	assert_int_equal(mp_invite_sign(c, &v, &who[AUTHORITY], &bytes), 0);
	q.invite = mp_buf_span(&bytes);
	assert_int_equal(mp_trust_join(c, &q, &own, &err), 0);
	assert_int_equal(mp_credential_verify(&trust, mp_buf_span(&own), &cred, &err), 0);
	assert_true(cred.invite.bound);
	q.node = who[STRANGER];
	mp_buf_clear(&own);
	assert_int_equal(mp_trust_join(c, &q, &own, &err), MP_EAUTH);
	assert_non_null(strstr(err.text, "somebody else"));
	mp_buf_fini(&bytes);
	mp_buf_fini(&own);
}

static void
test_invite_time(void **state)
{
	struct mp_error err = {0};

	(void)state;
	assert_int_equal(mp_invite_check_time(&invite_fields, NOW, &err), 0);
	assert_int_equal(mp_invite_check_time(&invite_fields, LATER, &err), 0);
	assert_int_equal(mp_invite_check_time(&invite_fields, NOW - 90000, &err), MP_EEXPIRED);
	assert_non_null(strstr(err.text, "for another 91 s: the clock here is that much"));
	assert_int_equal(mp_invite_check_time(&invite_fields, LATER + 5000, &err), MP_EEXPIRED);
	assert_non_null(strstr(err.text, "expired 5 s ago"));
	assert_non_null(strstr(err.text, "mpctl invite"));
}

static void
test_request(void **state)
{
	struct mp_request q = {.xkey = xkeys[JOINER], .name = {"joiner-1.lab"}, .person = true};
	struct mp_buf bytes = buf_new();
	struct mp_request out;
	struct mp_error err = {0};

	(void)state;
	assert_int_equal(mp_request_sign(c, &q, &who[JOINER], &bytes), 0);
	assert_true(bytes.n <= MP_REQUEST_MAX);
	assert_int_equal(mp_request_open(c, mp_buf_span(&bytes), &out, &err), 0);
	assert_memory_equal(out.id.b, who[JOINER].key, 32);
	assert_memory_equal(out.xkey.b, q.xkey.b, 32);
	assert_string_equal(out.name.s, q.name.s);
	assert_true(out.person);
	/* Every byte counts, and every byte is needed. */
	for (size_t i = 0; i < bytes.n; i++) {
		assert_int_not_equal(mp_request_open(c, mp_span(bytes.p, i), &out, &err), 0);
		bytes.p[i] ^= 1;
		assert_int_not_equal(mp_request_open(c, mp_buf_span(&bytes), &out, &err), 0);
		bytes.p[i] ^= 1;
	}
	mp_buf_clear(&bytes);
	memcpy(q.name.s, "a b", 4);
	assert_int_equal(mp_request_sign(c, &q, &who[JOINER], &bytes), MP_EINVAL);
	assert_int_equal(bytes.n, 0);
	mp_buf_fini(&bytes);
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
		cmocka_unit_test(test_bound_invite),
		cmocka_unit_test(test_invite_time),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_cert_fields),
		cmocka_unit_test(test_admission_fields),
		cmocka_unit_test(test_self_admission),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_final_form),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
