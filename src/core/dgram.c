/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dgram.h"

#include "codec/cbor.h"

#define VERSION     1
#define HINT_SIZE   4
#define AD_SIZE     (1 + HINT_SIZE)
#define OUTER_SIZE  (AD_SIZE + MP_XAEAD_NONCE)
#define SIG_SIZE    sizeof(struct mp_sig)
#define RECORDS_MAX 128

struct key {
	uint64_t epoch;
	struct mp_hash hash;
	uint8_t key[MP_SYMKEY_SIZE];
};

/* What was received of one sender; sequence number `top` and below it as many bits. */
struct window {
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
	uint64_t seq;           /* last one sent in this boot */
	struct window *windows; /* by slot of the roster */
	size_t window_count;
	uint64_t counters[MP_COUNTER_COUNT];
};

int
mp_dgram_new(const struct mp_env *env, const struct mp_roster *roster, struct mp_dgram **out)
{
	struct mp_dgram *d = mp_realloc(env->alloc, NULL, 0, sizeof(*d));

	if (d == NULL)
		return MP_ENOMEM;
	*d = (struct mp_dgram){.alloc = env->alloc, .crypto = env->crypto, .roster = roster};
	*out = d;
	return 0;
}

void
mp_dgram_free(struct mp_dgram *d)
{
	if (d == NULL)
		return;
	d->crypto->wipe(d->keys, sizeof(d->keys));
	mp_dealloc(d->alloc, d->windows, d->window_count * sizeof(*d->windows));
	mp_dealloc(d->alloc, d, sizeof(*d));
}

/* ---- the key ring ---- */

static int
ring_insert(struct mp_dgram *d, uint64_t epoch, const uint8_t key[MP_SYMKEY_SIZE])
{
	struct key k = {.epoch = epoch};
	size_t at = 0;

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

/* hash(["mp-dgram", 1, cluster32, inner]) without copying inner. */
static void
signed_hash(const struct mp_env *env, struct mp_span inner, struct mp_hash *out)
{
	uint8_t mem[64];
	struct mp_buf buf = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	struct mp_span parts[2];
	struct mp_cbor_w w;

	mp_assert(inner.n >= 24 && inner.n <= MP_DGRAM_MAX);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_text(&w, "mp-dgram");
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_bytes(&w, env->cluster.b, sizeof(env->cluster.b));
	/* The head of a byte string of inner.n, less its bytes. */
	if (inner.n <= UINT8_MAX)
		mp_cbor_w_raw(&w, mp_span((uint8_t[]){0x58, (uint8_t)inner.n}, 2));
	else
		mp_cbor_w_raw(&w,
			mp_span((uint8_t[]){0x59, (uint8_t)(inner.n >> 8), (uint8_t)inner.n}, 3));
	mp_assert(w.rc == 0);
	parts[0] = mp_buf_span(&buf);
	parts[1] = inner;
	env->crypto->hash(out, parts, 2);
}

/* ---- sending ---- */

static void
nonce_make(struct mp_dgram *d, struct mp_env *env, uint8_t nonce[MP_XAEAD_NONCE])
{
	uint64_t fresh[3] = {env->boot, d->seq, mp_rng_next(&env->rng)};
	struct mp_span parts[2] = {
		mp_span(env->self.b, sizeof(env->self.b)),
		mp_span(fresh, sizeof(fresh)),
	};
	struct mp_hash hash;

	env->crypto->hash(&hash, parts, 2);
	memcpy(nonce, hash.b, MP_XAEAD_NONCE);
}

void
mp_dgram_send(struct mp_dgram *d, struct mp_env *env, const struct mp_addr *to,
	const struct mp_node_id *receiver, struct mp_span records, size_t count)
{
	uint8_t plain[MP_DGRAM_MAX], wire[MP_DGRAM_MAX];
	struct mp_buf buf = {.p = plain, .cap = sizeof(plain), .max = sizeof(plain)};
	struct mp_cbor_w w;
	struct mp_hash hash;
	struct mp_sig sig;

	mp_assert(records.n <= MP_DGRAM_ROOM && count <= RECORDS_MAX);
	if (d->key_count == 0)
		return;
	d->seq++;
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_bytes(&w, env->self.b, sizeof(env->self.b));
	mp_cbor_w_uint(&w, env->boot);
	mp_cbor_w_uint(&w, d->seq);
	if (receiver != NULL)
		mp_cbor_w_bytes(&w, receiver->b, sizeof(receiver->b));
	else
		mp_cbor_w_null(&w);
	mp_cbor_w_array(&w, count);
	mp_cbor_w_raw(&w, records);
	signed_hash(env, mp_buf_span(&buf), &hash);
	env->crypto->sign(env->secret, &sig, mp_span(hash.b, sizeof(hash.b)));
	mp_cbor_w_raw(&w, mp_span(sig.b, sizeof(sig.b)));
	mp_assert(w.rc == 0 && buf.n + OUTER_SIZE + MP_AEAD_TAG <= MP_DGRAM_MAX);

	wire[0] = VERSION;
	memcpy(wire + 1, d->keys[0].hash.b, HINT_SIZE);
	nonce_make(d, env, wire + AD_SIZE);
	env->crypto->seal(wire + OUTER_SIZE, mp_buf_span(&buf), mp_span(wire, AD_SIZE),
		wire + AD_SIZE, d->keys[0].key);
	mp_out_datagram(env->out, to, mp_span(wire, OUTER_SIZE + buf.n + MP_AEAD_TAG));
}

/* ---- receiving ---- */

static int
drop(struct mp_dgram *d, enum mp_counter why, int rc)
{
	d->counters[why]++;
	return rc;
}

/* The window of a member, made when there is none; NULL when memory is out. */
static struct window *
window_of(struct mp_dgram *d, const struct mp_member *m)
{
	size_t want = d->window_count == 0 ? 16 : d->window_count * 2;
	void *p;

	if (m->slot < d->window_count)
		return &d->windows[m->slot];
	while (want <= m->slot)
		want *= 2;
	p = mp_realloc(d->alloc, d->windows, d->window_count * sizeof(*d->windows),
		want * sizeof(*d->windows));
	if (p == NULL)
		return NULL;
	d->windows = p;
	memset(d->windows + d->window_count, 0, (want - d->window_count) * sizeof(*d->windows));
	d->window_count = want;
	return &d->windows[m->slot];
}

static bool
window_seen(const struct window *win, uint64_t boot, uint64_t seq)
{
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
	if (boot != win->boot)
		*win = (struct window){.boot = boot};
	if (seq > win->top + MP_DGRAM_WINDOW) {
		memset(win->seen, 0, sizeof(win->seen));
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
unseal(const struct mp_dgram *d, struct mp_span bytes, uint8_t *plain)
{
	struct mp_span sealed = mp_span(bytes.p + OUTER_SIZE, bytes.n - OUTER_SIZE);

	for (size_t i = 0; i < d->key_count; i++) {
		if (memcmp(d->keys[i].hash.b, bytes.p + 1, HINT_SIZE) == 0 &&
			d->crypto->open(plain, sealed, mp_span(bytes.p, AD_SIZE), bytes.p + AD_SIZE,
				d->keys[i].key) == 0)
			return sealed.n - MP_AEAD_TAG;
	}
	return 0;
}

struct inner {
	struct mp_node_id sender;
	bool directed;
	struct mp_node_id receiver;
};

static int
inner_read(struct mp_span bytes, struct inner *inner, struct mp_dgram_in *out)
{
	struct mp_cbor_r r;
	const uint8_t *start;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 5);
	mp_cbor_r_fixed(&r, inner->sender.b, sizeof(inner->sender.b));
	out->boot = mp_cbor_r_uint(&r, UINT32_MAX);
	out->seq = mp_cbor_r_uint(&r, INT64_MAX);
	inner->directed = mp_cbor_r_peek(&r) != MP_CBOR_NULL;
	if (inner->directed)
		mp_cbor_r_fixed(&r, inner->receiver.b, sizeof(inner->receiver.b));
	else
		mp_cbor_r_null(&r);
	out->records.count = mp_cbor_r_array(&r, RECORDS_MAX);
	start = r.p;
	for (size_t i = 0; i < out->records.count && r.rc == 0; i++)
		mp_cbor_r_skip(&r);
	out->records.items = mp_span(start, (size_t)(r.p - start));
	return mp_cbor_r_end(&r);
}

int
mp_dgram_open(struct mp_dgram *d, struct mp_env *env, struct mp_span bytes, struct mp_dgram_in *out)
{
	struct window *win;
	struct inner inner;
	struct mp_hash hash;
	struct mp_sig sig;
	size_t n;

	if (bytes.n > MP_DGRAM_MAX || bytes.n < OUTER_SIZE + MP_AEAD_TAG + SIG_SIZE + 24)
		return drop(d, MP_COUNT_DGRAM_JUNK, MP_EFORMAT);
	if (bytes.p[0] != VERSION)
		return drop(d, MP_COUNT_DGRAM_JUNK, MP_EVERSION);
	n = unseal(d, bytes, out->plain);
	if (n == 0)
		return drop(d, MP_COUNT_DGRAM_JUNK, MP_ESIG);
	n -= SIG_SIZE;
	memcpy(sig.b, out->plain + n, SIG_SIZE);
	if (inner_read(mp_span(out->plain, n), &inner, out) != 0)
		return drop(d, MP_COUNT_DGRAM_MALFORMED, MP_EFORMAT);
	out->sender = mp_roster_find(d->roster, &inner.sender);
	if (out->sender == NULL || out->sender->state == MP_MEMBER_LEFT ||
		mp_node_id_eq(&inner.sender, &env->self))
		return drop(d, MP_COUNT_DGRAM_STRANGER, MP_EAUTH);
	if (inner.directed && !mp_node_id_eq(&inner.receiver, &env->self))
		return drop(d, MP_COUNT_DGRAM_FORGED, MP_ECLUSTER);
	win = window_of(d, out->sender);
	if (win == NULL)
		return drop(d, MP_COUNT_NO_MEMORY, MP_ENOMEM);
	if (out->boot < mp_member_boot(out->sender) || window_seen(win, out->boot, out->seq))
		return drop(d, MP_COUNT_DGRAM_REPLAY, MP_EREPLAY);
	signed_hash(env, mp_span(out->plain, n), &hash);
	if (env->crypto->verify(inner.sender.b, &sig, mp_span(hash.b, sizeof(hash.b))) != 0)
		return drop(d, MP_COUNT_DGRAM_FORGED, MP_ESIG);
	window_mark(win, out->boot, out->seq);
	return 0;
}

uint64_t
mp_dgram_counter(const struct mp_dgram *d, enum mp_counter which)
{
	return d->counters[which];
}
