/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cluster with fixed keys and times: its founder, an invite, and a joiner's credential, before
 * and after it was admitted.
 */
#ifndef MP_TESTS_TRUST_H
#define MP_TESTS_TRUST_H

#include "unit/unit.h"

#include "codec/cbor.h"
#include "codec/record_trust.h"
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

static struct mp_cluster_id cluster;
static struct mp_buf founder, log_bytes, invite, joiner, member;
static struct mp_invite invite_fields;

static inline struct mp_buf
buf_new(void)
{
	struct mp_buf b;

	mp_buf_init(&b, &alloc, 64u * 1024);
	return b;
}

static inline bool
founder_only(void *ctx, const struct mp_node_id *id)
{
	(void)ctx;
	return memcmp(id->b, who[FOUNDER].key, sizeof(id->b)) == 0;
}

static inline struct mp_trust
trust_of(const struct mp_authority *authority)
{
	return (struct mp_trust){
		.crypto = c,
		.cluster = cluster,
		.authority = authority,
		.is_admitter = founder_only,
	};
}

static inline struct mp_join_request
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

static inline int
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

static inline int
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

/* Item number `at` of an array. */
static inline struct mp_span
item_at(struct mp_span array, size_t at)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, array);
	(void)mp_cbor_r_array(&r, 64);
	while (at-- > 0)
		mp_cbor_r_skip(&r);
	return mp_cbor_r_item(&r);
}

#endif
