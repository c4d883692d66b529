/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/trust.h"

#include "codec/ctl_roles.h"
#include "codec/msg_ctl.h"
#include "codec/token.h"
#include "core/out.h"
#include "core/wait.h"

static struct mp_env env;
static struct mp_wait *room;

static void
room_open(void)
{
	env = (struct mp_env){
		.alloc = &alloc, .crypto = c, .cluster = cluster, .now_ms = 1000, .wall_ms = NOW};
	env.out = mp_out_new(&alloc, NULL, NULL, NULL);
	assert_non_null(env.out);
	mp_out_begin(env.out);
	assert_int_equal(mp_wait_new(&env, &room), 0);
}

static void
room_close(void)
{
	mp_wait_free(room);
	mp_out_free(env.out);
}

/* Ends the step: the rows that it wrote. */
static const struct mp_row *
rows_of(size_t *n)
{
	const struct mp_effect *fx;
	size_t count;

	*n = 0;
	mp_out_end(env.out, &fx, &count);
	if (count == 0)
		return NULL;
	assert_int_equal(count, 1);
	assert_int_equal(fx[0].kind, MP_FX_PERSIST);
	*n = fx[0].u.persist.count;
	return fx[0].u.persist.rows;
}

static struct mp_addr
addr_of(uint8_t ip)
{
	return (struct mp_addr){.ip = {ip}, .port = 7};
}

/* A knock by a key of our making. */
static int
knock(uint32_t key, uint8_t ip, struct mp_span *token, struct mp_node_id *id)
{
	struct mp_request q = {.name = {"joiner"}};
	struct mp_addr addr = addr_of(ip);
	struct mp_buf bytes = buf_new();
	struct mp_secret *secret;
	struct mp_signer self;
	uint8_t seed[32] = {1};
	int rc;

	memcpy(seed + 4, &key, sizeof(key));
	assert_int_equal(mp_secret_from_bytes(&secret, seed, seed), 0);
	self.secret = secret;
	mp_secret_public(secret, self.key);
	mp_secret_xkey(secret, &q.xkey);
	if (id != NULL)
		memcpy(id->b, self.key, sizeof(id->b));
	assert_int_equal(mp_request_sign(c, &q, &self, &bytes), 0);
	rc = mp_wait_knock(room, &env, mp_buf_span(&bytes), &addr, token, NULL);
	mp_buf_fini(&bytes);
	mp_secret_free(secret);
	return rc;
}

static size_t
count(void)
{
	size_t n = 0;

	while (mp_wait_at(room, &env, n) != NULL)
		n++;
	return n;
}

static void
test_knocks(void **state)
{
	const struct mp_waiting *w;
	struct mp_span token;
	struct mp_node_id id;

	(void)state;
	room_open();
	assert_int_equal(count(), 0);
	assert_int_equal(knock(1, 1, &token, &id), 0);
	assert_int_equal(token.n, 0);
	env.now_ms += MP_WAIT_MS / 2;
	env.wall_ms += MP_WAIT_MS / 2;
	assert_int_equal(knock(1, 1, &token, NULL), 0);
	w = mp_wait_at(room, &env, 0);
	assert_true(mp_node_id_eq(&w->who.id, &id));
	assert_int_equal(w->since_ms, NOW);
	assert_int_equal(count(), 1);
	env.now_ms += MP_WAIT_MS; /* it was heard of since */
	assert_int_equal(count(), 1);
	env.now_ms++;
	assert_int_equal(count(), 0);
	assert_int_not_equal(mp_wait_knock(room, &env, mp_span("x", 1), &w->addr, &token, NULL), 0);
	assert_int_equal(count(), 0);
	room_close();
}

static void
test_bounds(void **state)
{
	struct mp_span token;
	uint32_t key = 0;

	(void)state;
	room_open();
	for (unsigned ip = 1; ip <= MP_WAIT_MAX / MP_WAIT_SOURCE_MAX; ip++) {
		for (unsigned i = 0; i < MP_WAIT_SOURCE_MAX; i++)
			assert_int_equal(knock(++key, (uint8_t)ip, &token, NULL), 0);
		assert_int_equal(knock(9999, (uint8_t)ip, &token, NULL), MP_EBUSY);
		assert_int_equal(knock(key, (uint8_t)ip, &token, NULL), 0); /* it is there */
	}
	assert_int_equal(count(), MP_WAIT_MAX);
	assert_int_equal(knock(9999, 99, &token, NULL), MP_EBUSY);
	env.now_ms += MP_WAIT_MS + 1;
	assert_int_equal(knock(9999, 99, &token, NULL), 0);
	assert_int_equal(count(), 1);
	room_close();
}

/* A token by that authority for that key, or for all. */
static void
token_make(int authority, const struct mp_node_id *id, struct mp_buf *text)
{
	struct mp_token *token = calloc(1, sizeof(*token));
	struct mp_invite v = invite_fields;
	struct mp_buf bytes = buf_new();

	if (id != NULL)
		mp_invite_bind(&v, id);
	assert_int_equal(mp_invite_sign(c, &v, &who[authority], &bytes), 0);
	token->log = mp_buf_span(&log_bytes);
	token->invite_bytes = mp_buf_span(&bytes);
	memset(token->seed, 1 + INVITE, sizeof(token->seed));
	mp_buf_clear(text);
	assert_int_equal(mp_token_encode(c, token, text), 0);
	mp_buf_fini(&bytes);
	free(token);
}

static void
test_grants(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	struct mp_buf text = buf_new();
	struct mp_node_id id, other;
	struct mp_span token;

	(void)state;
	room_open();
	assert_int_equal(knock(1, 1, &token, &id), 0);
	assert_int_equal(knock(2, 1, &token, &other), 0);
	token_make(AUTHORITY, NULL, &text);
	assert_int_equal(
		mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), MP_EAUTH);
	token_make(AUTHORITY, &other, &text);
	assert_int_equal(
		mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), MP_EAUTH);
	token_make(STRANGER, &id, &text);
	assert_int_equal(
		mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), MP_EAUTH);
	assert_int_equal(count(), 2);
	token_make(AUTHORITY, &id, &text);
	assert_int_equal(mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), 0);
	assert_int_equal(count(), 1);
	assert_int_equal(knock(2, 1, &token, NULL), 0);
	assert_int_equal(token.n, 0);
	for (int i = 0; i < 2; i++) { /* it may have been lost on the way */
		assert_int_equal(knock(1, 1, &token, NULL), 0);
		assert_true(mp_span_eq(token, mp_buf_span(&text)));
	}
	assert_int_equal(count(), 1);
	assert_true(mp_wait_granted(room, &env, 0, &other, &token)); /* for those that were away */
	assert_true(mp_node_id_eq(&other, &id));
	assert_true(mp_span_eq(token, mp_buf_span(&text)));
	assert_false(mp_wait_granted(room, &env, 1, &other, &token));
	env.wall_ms += MP_WAIT_GRANT_MS;
	assert_false(mp_wait_granted(room, &env, 0, &other, &token));
	assert_int_equal(knock(1, 1, &token, NULL), 0);
	assert_int_equal(token.n, 0);
	env.wall_ms = NOW;
	mp_wait_came(room, &env, &id);
	env.cluster.b[0] ^= 1;
	assert_int_equal(
		mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), MP_ECLUSTER);
	env.cluster = cluster;
	for (uint32_t i = 0; i < MP_WAIT_GRANTS_MAX + 1; i++) { /* the oldest goes */
		env.wall_ms++;
		memcpy(id.b, &i, sizeof(i));
		token_make(AUTHORITY, &id, &text);
		assert_int_equal(
			mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), 0);
	}
	mp_buf_fini(&text);
	room_close();
}

/* What is granted outlives the node, until it has been of use or has ended. */
static void
test_grants_kept(void **state)
{
	struct mp_trust trust = trust_of(NULL);
	uint8_t key[64], value[MP_TOKEN_MAX];
	struct mp_buf text = buf_new();
	struct mp_span token, k, v;
	const struct mp_row *row;
	struct mp_node_id id;
	size_t n;

	(void)state;
	room_open();
	assert_int_equal(knock(1, 1, &token, &id), 0);
	token_make(AUTHORITY, &id, &text);
	for (int i = 0; i < 2; i++) /* told again, it is not written again */
		assert_int_equal(
			mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), 0);
	row = rows_of(&n);
	assert_int_equal(n, 1);
	assert_int_equal(row->op, MP_ROW_PUT);
	memcpy(key, row->key.p, row->key.n);
	memcpy(value, row->value.p, row->value.n);
	k = mp_span(key, row->key.n);
	v = mp_span(value, row->value.n);
	room_close();

	room_open();
	assert_int_equal(mp_wait_restore(room, &env, mp_span_str("boot"), v), MP_ENOENT);
	for (size_t i = 0; i < v.n; i += 7) /* damaged: it is as if there were none */
		assert_int_equal(mp_wait_restore(room, &env, k, mp_span(v.p, i)), 0);
	assert_int_equal(knock(1, 1, &token, NULL), 0);
	assert_int_equal(token.n, 0);
	assert_int_equal(mp_wait_restore(room, &env, k, v), 0);
	assert_int_equal(knock(1, 1, &token, NULL), 0);
	assert_true(mp_span_eq(token, mp_buf_span(&text)));
	mp_wait_came(room, &env, &id);
	assert_int_equal(knock(1, 1, &token, NULL), 0);
	assert_int_equal(token.n, 0);
	row = rows_of(&n);
	assert_int_equal(n, 1);
	assert_int_equal(row->op, MP_ROW_DELETE);
	assert_true(mp_span_eq(row->key, k));
	room_close();

	room_open(); /* after its end */
	env.wall_ms += MP_WAIT_GRANT_MS;
	assert_int_equal(mp_wait_restore(room, &env, k, v), 0);
	assert_int_equal(knock(1, 1, &token, NULL), 0);
	assert_int_equal(token.n, 0);
	env.wall_ms = invite_fields.expires_ms + 1;
	assert_int_equal(
		mp_wait_grant(room, &env, &trust, &id, mp_buf_span(&text), NULL), MP_EEXPIRED);
	room_close();
	mp_buf_fini(&text);
}

static int
check(uint64_t number, uint32_t roles, bool runs)
{
	struct mp_buf b = buf_new();
	struct mp_cbor_w w;
	int rc;

	mp_cbor_w_init(&w, &b);
	mp_cbor_w_array(&w, 1);
	mp_cbor_w_uint(&w, number);
	rc = mp_ctl_check_role(mp_buf_span(&b), roles, runs, NULL);
	mp_buf_fini(&b);
	return rc;
}

/* Said twice on purpose: who may ask what from elsewhere does not change by a slip. What is in no
 * list is for the node's own user. */
static uint32_t
role_wanted(uint64_t number)
{
	static const struct {
		uint32_t role;
		uint16_t numbers[24];
	} lists[] = {
		{MP_ROLE_OBSERVE,
			{MP_CTL_SHOW, MP_CTL_RUNS, MP_CTL_NODES, MP_CTL_WAIT, MP_CTL_EVENTS,
				MP_CTL_LOG, MP_CTL_FETCH, MP_CTL_PENDING, MP_CTL_CHARTER,
				MP_CTL_BLOB_STAT, MP_CTL_BLOB_READ, MP_CTL_INFO, MP_CTL_CACHE_STAT,
				MP_CTL_RECORD, MP_CTL_ENTRIES, MP_CTL_CREDENTIALS, MP_CTL_COPY}},
		{MP_ROLE_SUBMIT, {MP_CTL_SUBMIT, MP_CTL_CANCEL, MP_CTL_RESOLVE, MP_CTL_SECRETS,
					 MP_CTL_BLOB_WRITE}},
		{MP_ROLE_ADMIN,
			{MP_CTL_DRAIN, MP_CTL_REVOKE, MP_CTL_TRUST, MP_CTL_TAKEOVER, MP_CTL_TAKE,
				MP_CTL_SIGN_TAKEOVER, MP_CTL_NODE_SET, MP_CTL_INVITE, MP_CTL_ADMIT,
				MP_CTL_GRANT, MP_CTL_CACHE_FILE, MP_CTL_CACHE_BLOBS}},
	};

	for (size_t i = 0; number != 0 && i < mp_countof(lists); i++) {
		for (size_t k = 0; k < mp_countof(lists[i].numbers); k++) {
			if (lists[i].numbers[k] == number)
				return lists[i].role;
		}
	}
	return 0;
}

static void
test_roles(void **state)
{
	const uint32_t see = MP_ROLE_OBSERVE, run = MP_ROLE_SUBMIT, all = MP_ROLE_ADMIN;
	char text[MP_ROLES_TEXT];
	uint32_t roles = 0;

	(void)state;
	for (uint64_t n = 0; n < 300; n++) {
		uint32_t need = role_wanted(n);

		assert_int_equal(mp_ctl_role_of(n), need);
		assert_int_equal(check(n, all, true), need != 0 ? 0 : MP_EROLE);
		assert_int_equal(check(n, see, true), need == see ? 0 : MP_EROLE);
		assert_int_equal(check(n, run, true), need == see || need == run ? 0 : MP_EROLE);
		/* A node's own role is none of these. */
		assert_int_equal(check(n, MP_ROLE_NODE, true), MP_EROLE);
		if (need == run)
			assert_int_equal(check(n, all, false), MP_EROLE);
	}
	assert_int_equal(mp_ctl_check_role(mp_span("", 0), all, true, NULL), MP_EFORMAT);
	assert_int_equal(mp_roles_parse("node,submit,observe,admin", &roles, NULL), 0);
	assert_int_equal(roles, MP_ROLES_ALL);
	mp_roles_format(text, roles);
	assert_string_equal(text, "node,submit,observe,admin");
	assert_int_equal(mp_roles_parse("root", &roles, NULL), MP_EUSAGE);
	assert_int_equal(mp_roles_parse("", &roles, NULL), MP_EUSAGE);
	assert_int_equal(mp_roles_parse("node,", &roles, NULL), MP_EUSAGE);
	assert_int_equal(mp_roles_parse(",node", &roles, NULL), MP_EUSAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_knocks),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_grants_kept),
		cmocka_unit_test(test_roles),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
