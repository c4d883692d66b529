/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dgram.h"

#include "codec/cbor.h"
#include "core/mutant.h"
#include "util/map.h"

#define VERSION     2
#define AD_SIZE     2 /* version and hint */
#define PREFIX_SIZE 8 /* of the sender's id */
#define HEAD_SIZE   (PREFIX_SIZE + 4 + 5 + 1)
#define OUTER_SIZE  (AD_SIZE + HEAD_SIZE)
#define SIG_SIZE    sizeof(struct mp_sig)
#define RECORDS_MAX 128
#define SEQ_MAX     (((uint64_t)1 << 40) - 1)

struct key {
	uint64_t epoch;
	struct mp_hash hash;
	uint8_t key[MP_SYMKEY_SIZE];
};

/* What was received of one sender; sequence number `top` and below it as many bits. */
struct window {
	struct mp_map_node node;
	uint32_t slot; /* of the roster */
	uint64_t boot;
	uint64_t top;
	uint64_t seen[MP_DGRAM_WINDOW / 64]; /* bit seq % MP_DGRAM_WINDOW */
};

struct mp_dgram {
	const struct mp_alloc *alloc;
	const struct mp_crypto *crypto;
	const struct mp_roster *roster;
	struct key keys[MP_GOSSIP_KEYS]; /* the one that seals first */
	size_t key_count;
	uint64_t seq;          /* last one sent in this boot; 0: none */
	struct mp_map windows; /* one for each that was heard */
	uint64_t counters[MP_COUNTER_COUNT];
};

int
mp_dgram_new(const struct mp_env *env, const struct mp_roster *roster, struct mp_dgram **out)
{
	struct mp_dgram *d = mp_realloc(env->alloc, NULL, 0, sizeof(*d));

	if (d == NULL)
		return MP_ENOMEM;
	*d = (struct mp_dgram){.alloc = env->alloc, .crypto = env->crypto, .roster = roster};
	mp_map_init(&d->windows, env->alloc);
	*out = d;
	return 0;
}

void
mp_dgram_free(struct mp_dgram *d)
{
	struct mp_map_node *at;

	if (d == NULL)
		return;
	d->crypto->wipe(d->keys, sizeof(d->keys));
	while ((at = mp_map_any(&d->windows)) != NULL) {
		struct window *win = mp_container_of(at, struct window, node);

		mp_map_remove(&d->windows, at);
		mp_dealloc(d->alloc, win, sizeof(*win));
	}
	mp_map_fini(&d->windows);
	mp_dealloc(d->alloc, d, sizeof(*d));
}

/* ---- the key ring ---- */

static int
ring_insert(struct mp_dgram *d, uint64_t epoch, const uint8_t key[MP_SYMKEY_SIZE])
{
	struct key k = {.epoch = epoch};
	size_t at = 0;

	if (epoch > MP_GOSSIP_EPOCH_MAX ||
		(d->key_count > 0 && epoch > d->keys[0].epoch + MP_GOSSIP_EPOCH_LEAP))
		return MP_EFORMAT;
	memcpy(k.key, key, sizeof(k.key));
	d->crypto->hash(&k.hash, &(struct mp_span){k.key, sizeof(k.key)}, 1);
	for (size_t i = 0; i < d->key_count; i++) {
		int order = mp_hash_cmp(&d->keys[i].hash, &k.hash);

		if (order == 0)
			return MP_EEXIST;
		if (d->keys[i].epoch > epoch || (d->keys[i].epoch == epoch && order < 0))
			at = i + 1;
	}
	if (at == MP_GOSSIP_KEYS)
		return MP_ELIMIT;
	if (d->key_count < MP_GOSSIP_KEYS)
		d->key_count++;
	memmove(d->keys + at + 1, d->keys + at, (d->key_count - at - 1) * sizeof(k));
	d->keys[at] = k;
	d->crypto->wipe(&k, sizeof(k));
	return 0;
}

static void
ring_persist(const struct mp_dgram *d, struct mp_env *env)
{
	uint8_t mem[16 + MP_GOSSIP_KEYS * (MP_SYMKEY_SIZE + 12)];
	struct mp_buf buf = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, d->key_count);
	for (size_t i = 0; i < d->key_count; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_uint(&w, d->keys[i].epoch);
		mp_cbor_w_bytes(&w, d->keys[i].key, sizeof(d->keys[i].key));
	}
	mp_assert(w.rc == 0);
	mp_out_put(env->out, MP_TABLE_META, mp_span_str(MP_DGRAM_META), mp_buf_span(&buf));
	d->crypto->wipe(mem, sizeof(mem));
}

int
mp_dgram_key_add(struct mp_dgram *d, struct mp_env *env, uint64_t epoch,
	const uint8_t key[MP_SYMKEY_SIZE], bool persist)
{
	int rc = ring_insert(d, epoch, key);

	if (rc == 0 && persist)
		ring_persist(d, env);
	return rc;
}

size_t
mp_dgram_key_count(const struct mp_dgram *d)
{
	return d->key_count;
}

const uint8_t *
mp_dgram_key(const struct mp_dgram *d, size_t i, uint64_t *epoch)
{
	mp_assert(i < d->key_count);
	*epoch = d->keys[i].epoch;
	return d->keys[i].key;
}

uint64_t
mp_dgram_key_digest(const struct mp_dgram *d)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < d->key_count; i++) {
		uint64_t v = d->keys[i].epoch;

		for (size_t k = 1; k <= 8; k++)
			v = (v ^ d->keys[i].hash.b[k]) * 0x100000001b3ull;
		digest ^= v;
	}
	return digest;
}

int
mp_dgram_restore(struct mp_dgram *d, struct mp_env *env, struct mp_span key, struct mp_span value)
{
	struct mp_cbor_r r;
	size_t n;

	(void)env;
	if (!mp_span_eq(key, mp_span_str(MP_DGRAM_META)))
		return MP_ENOENT;
	mp_cbor_r_init(&r, value);
	n = mp_cbor_r_array(&r, MP_GOSSIP_KEYS);
	for (; n > 0 && r.rc == 0; n--) {
		uint8_t bytes[MP_SYMKEY_SIZE];
		uint64_t epoch;

		mp_cbor_r_array_exact(&r, 2);
		epoch = mp_cbor_r_uint(&r, UINT64_MAX);
		mp_cbor_r_fixed(&r, bytes, sizeof(bytes));
		if (r.rc == 0)
			(void)ring_insert(d, epoch, bytes);
		d->crypto->wipe(bytes, sizeof(bytes));
	}
	return mp_cbor_r_end(&r) == 0 ? 0 : MP_ECORRUPT;
}

/* ---- both ways ---- */

struct head {
	uint8_t prefix[PREFIX_SIZE];
	uint64_t boot, seq;
	uint8_t receiver; /* first byte of its id */
};

/* What is hashed and signed, with inner as it is. */
static void
signed_hash(const struct mp_env *env, const struct head *head, const struct mp_node_id *sender,
	const struct mp_node_id *receiver, struct mp_span inner, struct mp_hash *out)
{
	uint8_t mem[160];
	struct mp_buf buf = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	struct mp_span parts[2];
	struct mp_cbor_w w;

	mp_assert(inner.n <= MP_DGRAM_MAX);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 8);
	mp_cbor_w_text(&w, "mp-dgram");
	mp_cbor_w_uint(&w, VERSION);
	mp_cbor_w_bytes(&w, env->cluster.b, sizeof(env->cluster.b));
	mp_cbor_w_bytes(&w, sender->b, sizeof(sender->b));
	mp_cbor_w_uint(&w, head->boot);
	mp_cbor_w_uint(&w, head->seq);
	mp_cbor_w_bytes(&w, receiver->b, sizeof(receiver->b));
	/* The head of a byte string of inner.n, less its bytes. */
	if (inner.n < 24)
		mp_cbor_w_raw(&w, mp_span((uint8_t[]){(uint8_t)(0x40 + inner.n)}, 1));
	else if (inner.n <= UINT8_MAX)
		mp_cbor_w_raw(&w, mp_span((uint8_t[]){0x58, (uint8_t)inner.n}, 2));
	else
		mp_cbor_w_raw(&w,
			mp_span((uint8_t[]){0x59, (uint8_t)(inner.n >> 8), (uint8_t)inner.n}, 3));
	mp_assert(w.rc == 0);
	parts[0] = mp_buf_span(&buf);
	parts[1] = inner;
	env->crypto->hash(out, parts, 2);
}

/* Puts the mask on, or takes it off. `tag` is the end of the datagram. */
static void
head_mask(const struct mp_dgram *d, const struct key *key, const uint8_t tag[MP_AEAD_TAG],
	const uint8_t from[HEAD_SIZE], uint8_t to[HEAD_SIZE])
{
	struct mp_span parts[2] = {mp_span(key->key, sizeof(key->key)), mp_span(tag, MP_AEAD_TAG)};
	struct mp_hash mask;

	d->crypto->hash(&mask, parts, 2);
	for (size_t i = 0; i < HEAD_SIZE; i++)
		to[i] = from[i] ^ mask.b[i];
}

/* As bytes, which are the nonce's first. */
static void
head_write(const struct head *head, uint8_t nonce[MP_XAEAD_NONCE])
{
	memset(nonce, 0, MP_XAEAD_NONCE);
	memcpy(nonce, head->prefix, PREFIX_SIZE);
	for (unsigned i = 0; i < 4; i++)
		nonce[PREFIX_SIZE + i] = (uint8_t)(head->boot >> 8 * (3 - i));
	for (unsigned i = 0; i < 5; i++)
		nonce[PREFIX_SIZE + 4 + i] = (uint8_t)(head->seq >> 8 * (4 - i));
	nonce[HEAD_SIZE - 1] = head->receiver;
}

static struct head
head_read(const uint8_t nonce[MP_XAEAD_NONCE])
{
	struct head head = {.receiver = nonce[HEAD_SIZE - 1]};

	memcpy(head.prefix, nonce, PREFIX_SIZE);
	for (unsigned i = 0; i < 4; i++)
		head.boot = head.boot << 8 | nonce[PREFIX_SIZE + i];
	for (unsigned i = 0; i < 5; i++)
		head.seq = head.seq << 8 | nonce[PREFIX_SIZE + 4 + i];
	return head;
}

/* ---- sending ---- */

static void
dgram_seal(struct mp_dgram *d, struct mp_env *env, const struct key *key, const struct mp_addr *to,
	const struct mp_node_id *receiver, struct mp_span records, size_t count)
{
	uint8_t plain[MP_DGRAM_MAX], wire[MP_DGRAM_MAX], nonce[MP_XAEAD_NONCE];
	struct mp_buf buf = {.p = plain, .cap = sizeof(plain), .max = sizeof(plain)};
	struct head head = {.boot = env->boot, .receiver = receiver->b[0]};
	struct mp_cbor_w w;
	struct mp_hash hash;
	struct mp_sig sig;
	size_t n;

	mp_assert(records.n <= MP_DGRAM_ROOM && count <= RECORDS_MAX);
	if (d->seq == 0)
		d->seq = mp_rng_below(&env->rng, SEQ_MAX / 2);
	head.seq = ++d->seq;
	mp_assert(head.boot <= UINT32_MAX && head.seq <= SEQ_MAX);
	memcpy(head.prefix, env->self.b, PREFIX_SIZE);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, count);
	mp_cbor_w_raw(&w, records);
	signed_hash(env, &head, &env->self, receiver, mp_buf_span(&buf), &hash);
	env->crypto->sign(env->secret, &sig, mp_span(hash.b, sizeof(hash.b)));
	mp_cbor_w_raw(&w, mp_span(sig.b, sizeof(sig.b)));
	n = OUTER_SIZE + buf.n + MP_AEAD_TAG;
	mp_assert(w.rc == 0 && n <= MP_DGRAM_MAX);

	wire[0] = VERSION;
	wire[1] = key->hash.b[0];
	head_write(&head, nonce);
	env->crypto->seal(
		wire + OUTER_SIZE, mp_buf_span(&buf), mp_span(wire, AD_SIZE), nonce, key->key);
	head_mask(d, key, wire + n - MP_AEAD_TAG, nonce, wire + AD_SIZE);
	mp_out_datagram(env->out, to, mp_span(wire, n));
}

void
mp_dgram_send(struct mp_dgram *d, struct mp_env *env, const struct mp_addr *to,
	const struct mp_node_id *receiver, struct mp_span records, size_t count)
{
	if (d->key_count > 0)
		dgram_seal(d, env, &d->keys[0], to, receiver, records, count);
}

void
mp_dgram_answer(struct mp_dgram *d, struct mp_env *env, const struct mp_dgram_in *in,
	const struct mp_addr *to, struct mp_span record)
{
	mp_assert(in->drop == MP_DROP_REVOKED && in->key < d->key_count);
	dgram_seal(d, env, &d->keys[in->key], to, &in->sender->id, record, 1);
}

/* ---- receiving ---- */

static int
drop(struct mp_dgram *d, enum mp_counter why, int rc)
{
	d->counters[why]++;
	return rc;
}

static struct window *
window_find(const struct mp_dgram *d, uint32_t slot)
{
	struct mp_map_node *at = mp_map_find(&d->windows, mp_hash64(&slot, sizeof(slot), 0));

	for (; at != NULL; at = mp_map_find_next(at)) {
		struct window *win = mp_container_of(at, struct window, node);

		if (win->slot == slot)
			return win;
	}
	return NULL;
}

/* The window of a member, made when there is none; NULL when memory is out. What came before the
 * first datagram that it is made for may have been taken before this node has restarted. */
static struct window *
window_of(struct mp_dgram *d, uint32_t slot, const struct head *head)
{
	struct window *win = window_find(d, slot);

	if (win != NULL)
		return win;
	win = mp_realloc(d->alloc, NULL, 0, sizeof(*win));
	if (win == NULL)
		return NULL;
	*win = (struct window){.slot = slot, .boot = head->boot, .top = head->seq};
	memset(win->seen, 0xff, sizeof(win->seen));
	if (mp_map_add(&d->windows, &win->node, mp_hash64(&slot, sizeof(slot), 0)) != 0) {
		mp_dealloc(d->alloc, win, sizeof(*win));
		return NULL;
	}
	return win;
}

static bool
window_seen(const struct window *win, uint64_t boot, uint64_t seq)
{
	if (MP_MUTANT(NO_WINDOW))
		return false;
	if (boot != win->boot)
		return boot < win->boot;
	if (seq > win->top)
		return false;
	return win->top - seq >= MP_DGRAM_WINDOW ||
	       (win->seen[seq % MP_DGRAM_WINDOW / 64] >> (seq % 64) & 1) != 0;
}

static void
window_mark(struct window *win, uint64_t boot, uint64_t seq)
{
	if (boot != win->boot || seq > win->top + MP_DGRAM_WINDOW) {
		memset(win->seen, 0, sizeof(win->seen));
		win->boot = boot;
		win->top = seq;
	}
	while (win->top < seq) {
		win->top++;
		win->seen[win->top % MP_DGRAM_WINDOW / 64] &= ~((uint64_t)1 << (win->top % 64));
	}
	win->seen[seq % MP_DGRAM_WINDOW / 64] |= (uint64_t)1 << (seq % 64);
}

/* Opens the seal with whichever key the hint names; the length of the plain bytes, or 0. */
static size_t
unseal(const struct mp_dgram *d, struct mp_span bytes, struct mp_dgram_in *out, struct head *head)
{
	struct mp_span sealed = mp_span(bytes.p + OUTER_SIZE, bytes.n - OUTER_SIZE);

	for (size_t i = 0; i < d->key_count; i++) {
		uint8_t nonce[MP_XAEAD_NONCE] = {0};

		if (d->keys[i].hash.b[0] != bytes.p[1])
			continue;
		head_mask(
			d, &d->keys[i], bytes.p + bytes.n - MP_AEAD_TAG, bytes.p + AD_SIZE, nonce);
		if (d->crypto->open(out->plain, sealed, mp_span(bytes.p, AD_SIZE), nonce,
			    d->keys[i].key) != 0)
			continue;
		*head = head_read(nonce);
		out->key = i;
		return sealed.n - MP_AEAD_TAG;
	}
	return 0;
}

static int
inner_read(struct mp_span bytes, struct mp_dgram_in *out)
{
	struct mp_cbor_r r;
	const uint8_t *start;

	mp_cbor_r_init(&r, bytes);
	out->records.count = mp_cbor_r_array(&r, RECORDS_MAX);
	start = r.p;
	for (size_t i = 0; i < out->records.count && r.rc == 0; i++)
		mp_cbor_r_skip(&r);
	out->records.items = mp_span(start, (size_t)(r.p - start));
	return mp_cbor_r_end(&r);
}

/* It cannot be replayed, for nothing is taken of it. */
static int
revoked_check(struct mp_dgram *d, struct mp_env *env, const struct mp_member *m,
	const struct head *head, struct mp_span inner, const struct mp_sig *sig)
{
	struct mp_hash hash;

	signed_hash(env, head, &m->id, &env->self, inner, &hash);
	if (env->crypto->verify(m->id.b, sig, mp_span(hash.b, sizeof(hash.b))) != 0)
		return drop(d, MP_COUNT_DGRAM_FORGED, MP_ESIG);
	return drop(d, MP_COUNT_DGRAM_REVOKED, MP_EAUTH);
}

/* Was it this member, which has the sender's prefix? */
static int
sender_check(struct mp_dgram *d, struct mp_env *env, const struct mp_member *m,
	const struct head *head, struct mp_span inner, const struct mp_sig *sig)
{
	struct window *win;
	struct mp_hash hash;

	if (m->revoked)
		return revoked_check(d, env, m, head, inner, sig);
	if (m->state == MP_MEMBER_LEFT || mp_node_id_eq(&m->id, &env->self))
		return drop(d, MP_COUNT_DGRAM_STRANGER, MP_EAUTH);
	win = window_find(d, m->slot);
	if (head->boot < mp_member_boot(m) ||
		(win != NULL && window_seen(win, head->boot, head->seq)))
		return drop(d, MP_COUNT_DGRAM_REPLAY, MP_EREPLAY);
	signed_hash(env, head, &m->id, &env->self, inner, &hash);
	if (env->crypto->verify(m->id.b, sig, mp_span(hash.b, sizeof(hash.b))) != 0)
		return drop(d, MP_COUNT_DGRAM_FORGED, MP_ESIG);
	win = window_of(d, m->slot, head);
	if (win == NULL)
		return drop(d, MP_COUNT_NO_MEMORY, MP_ENOMEM);
	window_mark(win, head->boot, head->seq);
	return 0;
}

int
mp_dgram_open(struct mp_dgram *d, struct mp_env *env, struct mp_span bytes, struct mp_dgram_in *out)
{
	struct head head;
	struct mp_sig sig;
	int rc = MP_EAUTH;
	size_t n;

	out->drop = MP_DROP_OTHER;
	if (bytes.n > MP_DGRAM_MAX || bytes.n < OUTER_SIZE + MP_AEAD_TAG + SIG_SIZE + 1)
		return drop(d, MP_COUNT_DGRAM_JUNK, MP_EFORMAT);
	if (bytes.p[0] != VERSION)
		return drop(d, MP_COUNT_DGRAM_JUNK, MP_EVERSION);
	n = unseal(d, bytes, out, &head);
	if (n == 0) {
		out->drop = MP_DROP_UNOPENED;
		return drop(d, MP_COUNT_DGRAM_JUNK, MP_ESIG);
	}
	n -= SIG_SIZE;
	memcpy(sig.b, out->plain + n, SIG_SIZE);
	if (inner_read(mp_span(out->plain, n), out) != 0)
		return drop(d, MP_COUNT_DGRAM_MALFORMED, MP_EFORMAT);
	if (head.receiver != env->self.b[0])
		return drop(d, MP_COUNT_DGRAM_ASTRAY, MP_ECLUSTER);
	out->boot = head.boot;
	out->seq = head.seq;
	if (mp_roster_find_prefix(d->roster, head.prefix, PREFIX_SIZE, 0) == NULL)
		return drop(d, MP_COUNT_DGRAM_STRANGER, MP_EAUTH);
	for (size_t i = 0; rc != 0; i++) {
		out->sender = mp_roster_find_prefix(d->roster, head.prefix, PREFIX_SIZE, i);
		if (out->sender == NULL)
			break;
		rc = sender_check(d, env, out->sender, &head, mp_span(out->plain, n), &sig);
		if (rc == MP_EAUTH && out->sender->revoked) {
			out->drop = MP_DROP_REVOKED;
			break;
		}
		if (rc == MP_EREPLAY && head.boot < mp_member_boot(out->sender)) {
			out->drop = MP_DROP_OUTLIVED;
			break;
		}
	}
	return rc;
}

uint64_t
mp_dgram_counter(const struct mp_dgram *d, enum mp_counter which)
{
	return d->counters[which];
}
