/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One member of a cluster of two is given whatever the network may bring. The first byte says how
 * the rest arrives: 0 as a datagram; 1 as the records of a datagram that the other member signed
 * and sealed; 2 as a message of the other member on a stream; 3 as one of a joiner. It answers or
 * not, ticks for a while, and gives all its memory back.
 */
#include "fuzz.h"

#include "codec/record_trust.h"
#include "core/dgram.h"
#include "core/join.h"
#include "core/out.h"
#include "core/roster.h"
#include "core/swim.h"
#include "null_crypto.h"

#define WALL ((mp_time)1700000000000)

static const struct mp_profile profile = {
	.probe_interval_ms = 1000,
	.probe_timeout_ms = 500,
	.gossip_interval_ms = 200,
	.suspicion_ms = 4000,
	.push_pull_ms = 30000,
	.dead_contact_ms = 30000,
};
static const struct mp_addr here = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = 7117};
static const uint8_t caps[] = {
	0x88, 1, 0x61, 'l', 0x61, 'x', 1, 1, 0x80, 0x80, 0x60}; /* the least there is */

static void
plain_seal(uint8_t *out, struct mp_span msg, struct mp_span ad, const uint8_t nonce[MP_XAEAD_NONCE],
	const uint8_t key[MP_SYMKEY_SIZE])
{
	(void)ad;
	(void)nonce;
	(void)key;
	null_put(out, msg);
}

static int
plain_open(uint8_t *out, struct mp_span sealed, struct mp_span ad,
	const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE])
{
	(void)ad;
	(void)nonce;
	(void)key;
	return null_take(out, sealed);
}

struct node {
	struct mp_crypto crypto;
	struct mp_env env;
	struct mp_roster *roster;
	struct mp_dgram *dgram;
	struct mp_swim *swim;
	struct mp_join *join;
	struct mp_dgram_in in;
	struct mp_node_id other, joiner;
};

/* The founder's credential, and one that it admitted. */
static void
credentials(struct node *n, struct mp_buf *own, struct mp_buf *other)
{
	struct mp_genesis g = {.name = mp_span_str("here"), .wall_ms = WALL};
	struct mp_join_request q = {
		.name = mp_span_str("other"), .roles = MP_ROLE_NODE, .serial = 1, .wall_ms = WALL};
	struct mp_invite invite = {
		.roles = MP_ROLE_NODE, .not_before_ms = WALL, .expires_ms = WALL + 1000000};
	struct mp_trust trust = {.crypto = &n->crypto};
	struct mp_credential c;
	struct mp_buf token, ask;

	memset(g.authority.key, 0xaa, 32);
	memset(g.inviter.key, 0xbb, 32);
	memset(g.node.key, 0x11, 32);
	memset(q.node.key, 0x22, 32);
	memcpy(q.inviter.key, g.inviter.key, 32);
	memcpy(invite.key, g.inviter.key, 32);
	mp_buf_init(&token, n->env.alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&ask, n->env.alloc, MP_CREDENTIAL_MAX);
	mp_assert(mp_trust_genesis(&n->crypto, &g, &n->env.cluster, own) == 0);
	trust.cluster = n->env.cluster;
	mp_assert(mp_credential_verify(&trust, mp_buf_span(own), &c, NULL) == 0);
	invite.cluster = n->env.cluster;
	mp_assert(mp_invite_sign(&n->crypto, &invite, &g.authority, &token) == 0);
	q.log = c.log;
	q.invite = mp_buf_span(&token);
	mp_assert(mp_trust_join(&n->crypto, &q, &ask, NULL) == 0);
	/* Admitted by the authority, so that it needs nobody's word. */
	mp_assert(mp_trust_admit(&trust, mp_buf_span(&ask), &g.authority, WALL + 1, other, NULL) ==
		  0);
	mp_buf_fini(&token);
	mp_buf_fini(&ask);
}

static void
node_open(struct node *n, struct mp_alloc *alloc)
{
	struct mp_swim_config config = {.name = {"here"},
		.addrs = &here,
		.addr_count = 1,
		.caps = mp_span(caps, sizeof(caps))};
	static const uint8_t key[MP_SYMKEY_SIZE];
	struct mp_buf own, other;

	*n = (struct node){.crypto = null_crypto};
	n->crypto.seal = plain_seal;
	n->crypto.open = plain_open;
	n->env = (struct mp_env){.alloc = alloc,
		.crypto = &n->crypto,
		.profile = &profile,
		.boot = 1,
		.now_ms = 1000,
		.wall_ms = WALL + 1000,
		.rng.state = 7};
	memset(n->env.self.b, 0x11, 32);
	memset(n->other.b, 0x22, 32);
	memset(n->joiner.b, 0x33, 32);
	mp_buf_init(&own, alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&other, alloc, MP_CREDENTIAL_MAX);
	credentials(n, &own, &other);
	mp_assert(mp_roster_new(&n->env, &n->roster) == 0);
	n->env.out = mp_out_new(alloc, &n->env.self, mp_roster_addrs, n->roster);
	mp_assert(n->env.out != NULL && mp_dgram_new(&n->env, n->roster, &n->dgram) == 0);
	mp_assert(mp_swim_new(&n->env, n->roster, n->dgram, &config, &n->swim) == 0);
	mp_assert(mp_join_new(&n->env, n->roster, n->dgram, n->swim, &n->join) == 0);
	mp_out_begin(n->env.out);
	mp_assert(mp_dgram_key_add(n->dgram, &n->env, 1, key, true) == 0);
	mp_assert(mp_roster_add(n->roster, &n->env, mp_buf_span(&own), NULL) == 0);
	mp_assert(mp_roster_add(n->roster, &n->env, mp_buf_span(&other), NULL) == 0);
	mp_assert(mp_swim_start(n->swim, &n->env) == 0);
	mp_buf_fini(&own);
	mp_buf_fini(&other);
}

static void
step_end(struct node *n)
{
	const struct mp_effect *fx;
	size_t count;

	mp_out_end(n->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++)
		mp_assert(fx[i].kind != MP_FX_DATAGRAM || fx[i].u.datagram.bytes.n <= MP_DGRAM_MAX);
	mp_out_begin(n->env.out);
}

static void
node_close(struct node *n)
{
	for (int i = 0; i < 40; i++) {
		mp_time t = mp_swim_deadline(n->swim);

		if (t == MP_TIME_NEVER)
			break;
		n->env.now_ms = t > n->env.now_ms ? t : n->env.now_ms;
		mp_swim_tick(n->swim, &n->env);
		step_end(n);
	}
	mp_join_free(n->join);
	mp_swim_free(n->swim);
	mp_dgram_free(n->dgram);
	mp_out_free(n->env.out);
	mp_roster_free(n->roster);
}

static void
datagram_in(struct node *n, struct mp_span bytes)
{
	struct mp_span record;

	if (mp_dgram_open(n->dgram, &n->env, bytes, &n->in) != 0)
		return;
	mp_swim_heard(n->swim, &n->env, &n->in.sender->id, n->in.boot, &here);
	while (mp_list_next(&n->in.records, &record))
		(void)mp_swim_record(n->swim, &n->env, &n->in.sender->id, &here, record);
}

/* Head and signature around records; how many there are is counted by skipping. */
static void
records_in(struct node *n, struct mp_span records)
{
	uint8_t mem[MP_DGRAM_MAX];
	struct mp_buf buf = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	static const uint8_t zero[64];
	uint8_t key[MP_SYMKEY_SIZE], head[18] = {0};
	struct mp_span parts[2] = {mp_span(key, sizeof(key)), mp_span(zero, MP_AEAD_TAG)};
	struct mp_hash hint, mask;
	struct mp_cbor_w w;
	struct mp_cbor_r r;
	size_t count = 0;

	mp_cbor_r_init(&r, records);
	for (; mp_cbor_r_peek(&r) != MP_CBOR_END; count++)
		mp_cbor_r_skip(&r);
	memset(key, 0, sizeof(key));
	n->crypto.hash(&hint, &(struct mp_span){key, sizeof(key)}, 1);
	n->crypto.hash(&mask, parts, mp_countof(parts));
	memcpy(head, n->other.b, 8);
	head[11] = head[16] = 1; /* boot, sequence number */
	head[17] = n->env.self.b[0];
	for (size_t i = 0; i < sizeof(head); i++)
		head[i] ^= mask.b[i];
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_raw(&w, mp_span((uint8_t[]){2, hint.b[0]}, 2));
	mp_cbor_w_raw(&w, mp_span(head, sizeof(head)));
	mp_cbor_w_array(&w, count);
	mp_cbor_w_raw(&w, records);
	mp_cbor_w_raw(&w, mp_span(zero, 64));
	mp_cbor_w_raw(&w, mp_span(zero, MP_AEAD_TAG));
	if (w.rc == 0)
		datagram_in(n, mp_buf_span(&buf));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 8u * 1024 * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct node n;
	struct mp_span in;

	if (size == 0)
		return 0;
	in = mp_span(data + 1, size - 1);
	node_open(&n, &alloc);
	if (data[0] == 0)
		datagram_in(&n, in);
	else if (data[0] == 1)
		records_in(&n, in);
	else if (data[0] == 2)
		(void)mp_swim_message(n.swim, &n.env, &n.other, in);
	else
		(void)mp_join_message(n.join, &n.env, &n.joiner, in);
	step_end(&n);
	node_close(&n);
	mp_assert(heap.live == 0);
	return 0;
}
