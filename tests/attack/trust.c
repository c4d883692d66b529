/* SPDX-License-Identifier: Apache-2.0 */
/* Records, certificates, statements and datagrams. */
#include <string.h>
#include <time.h>

#include "wire.h"

#define TAG_SIZE   16
#define OUTER_SIZE 20
#define HEAD_SIZE  18

/* ---- records ---- */

uint64_t
wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Hash of the tag, its NUL, and the body. */
static void
record_hash(uint8_t out[32], const char *tag, const struct bytes *body)
{
	struct bytes parts[2] = {{.p = (uint8_t *)(uintptr_t)tag, .n = strlen(tag) + 1}, *body};

	hash_of(out, parts, 2);
}

void
record_put(struct bytes *out, const char *tag, const struct bytes *body,
	const struct keys *const *signers, size_t n, uint8_t name[32])
{
	uint8_t hash[32], sig[64];

	record_hash(hash, tag, body);
	put_array(out, 1 + n);
	put_bytes(out, body);
	for (size_t i = 0; i < n; i++) {
		(void)crypto_sign_detached(sig, NULL, hash, sizeof(hash), signers[i]->secret);
		put_blob(out, sig, sizeof(sig));
	}
	if (name != NULL)
		memcpy(name, hash, sizeof(hash));
}

void
authority_put(struct bytes *out, const struct keys *key, const uint8_t previous[32],
	const uint8_t signer[32], const struct keys *by, uint64_t index, uint8_t name[32])
{
	struct bytes body = {0};

	put_array(&body, 8);
	put_text(&body, "mp-authority");
	put_uint(&body, 1);
	put_uint(&body, index);
	if (previous != NULL)
		put_blob(&body, previous, 32);
	else
		put_null(&body);
	put_uint(&body, 1);
	put_blob(&body, key->id, 32);
	if (signer != NULL)
		put_blob(&body, signer, 32);
	else
		put_null(&body);
	put_uint(&body, wall_ms());
	record_put(out, "mp-authority", &body, &by, 1, name);
	bytes_free(&body);
}

void
invite_terms_put(struct bytes *out, const uint8_t cluster[32], const struct keys *key,
	const struct terms *terms, const uint8_t signer[32], const struct keys *by,
	uint8_t name[32])
{
	struct bytes body = {0};

	put_array(&body, 11);
	put_text(&body, "mp-invite");
	put_uint(&body, 1);
	put_blob(&body, cluster, 32);
	put_blob(&body, key->id, 32);
	put_uint(&body, terms->roles);
	put_uint(&body, terms->from_ms);
	put_uint(&body, terms->until_ms);
	put_array(&body, 0);
	put_blob(&body, "0123456789abcdef", 16);
	put_uint(&body, 0);
	put_blob(&body, signer, 32);
	record_put(out, "mp-invite", &body, &by, 1, name);
	bytes_free(&body);
}

void
invite_put(struct bytes *out, const uint8_t cluster[32], const struct keys *key,
	const uint8_t signer[32], const struct keys *by, uint8_t name[32])
{
	struct terms terms = {
		.roles = 1, .from_ms = wall_ms() - 60000, .until_ms = wall_ms() + 3600000};

	invite_terms_put(out, cluster, key, &terms, signer, by, name);
}

void
admission_put(struct bytes *out, const uint8_t cluster[32], const uint8_t cert[32],
	const uint8_t admitter[32], const struct keys *by, uint64_t admitted_ms)
{
	struct bytes body = {0};

	put_array(&body, 6);
	put_text(&body, "mp-admission");
	put_uint(&body, 1);
	put_blob(&body, cluster, 32);
	put_blob(&body, cert, 32);
	put_blob(&body, admitter, 32);
	put_uint(&body, admitted_ms);
	record_put(out, "mp-admission", &body, &by, 1, NULL);
	bytes_free(&body);
}

void
request_put(struct bytes *out, const struct keys *who, const char *name, const struct keys *by)
{
	struct bytes body = {0};

	put_array(&body, 6);
	put_text(&body, "mp-request");
	put_uint(&body, 1);
	put_blob(&body, who->id, 32);
	put_blob(&body, who->x, 32);
	put_text(&body, name);
	put_bool(&body, false);
	record_put(out, "mp-request", &body, &by, 1, NULL);
	bytes_free(&body);
}

void
record_name(uint8_t out[32], const char *tag, const struct bytes *record)
{
	struct reader r = reader_of(record);
	struct bytes body;

	(void)read_array(&r);
	body = read_blob(&r);
	record_hash(out, tag, &body);
}

/* ---- tokens and certificates ---- */

struct token
token_read(const char *path)
{
	struct bytes text = bytes_read(path), seed, first;
	struct token t = {0};
	struct reader r;
	size_t n;

	while (text.n > 0 && text.p[text.n - 1] <= ' ')
		text.n--;
	bytes_put(&t.cbor, text.p, text.n);
	if (text.n < 4 ||
		sodium_base642bin(t.cbor.p, t.cbor.n, (const char *)text.p + 4, text.n - 4, NULL,
			&n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		die("%s: not a token", path);
	bytes_free(&text);
	t.cbor.n = n - 4; /* without the check bytes */
	r = reader_of(&t.cbor);
	(void)read_array(&r);
	(void)read_blob(&r);
	(void)read_uint(&r);
	t.log = read_item(&r);
	t.invite = read_item(&r);
	seed = read_blob(&r);
	if (seed.n != 32)
		die("%s: no seed", path);
	(void)crypto_sign_seed_keypair(t.inviter.id, t.inviter.secret, seed.p);
	record_name(t.invite_hash, "mp-invite", &t.invite);
	r = reader_of(&t.log);
	(void)read_array(&r);
	first = read_item(&r);
	record_name(t.cluster, "mp-authority", &first);
	return t;
}

struct cert
cert_of(const struct token *t, const struct keys *node, const char *name)
{
	struct cert c = {
		.node = *node, .name = name, .roles = 1, .serial = 1, .issued_ms = wall_ms()};

	memcpy(c.cluster, t->cluster, sizeof(c.cluster));
	memcpy(c.invite, t->invite_hash, sizeof(c.invite));
	return c;
}

void
cert_put(struct bytes *out, const struct cert *c, const struct keys *inviter, uint8_t name[32])
{
	const struct keys *by[2] = {c->by_node != NULL ? c->by_node : &c->node,
		c->by_invite != NULL ? c->by_invite : inviter};
	struct bytes body = {0};

	put_array(&body, 10);
	put_text(&body, "mp-cert");
	put_uint(&body, 1);
	put_blob(&body, c->cluster, 32);
	put_blob(&body, c->node.id, 32);
	put_blob(&body, c->node.x, 32);
	put_text(&body, c->name);
	put_uint(&body, c->roles);
	put_uint(&body, c->serial);
	put_uint(&body, c->issued_ms);
	put_blob(&body, c->invite, 32);
	record_put(out, "mp-cert", &body, by, 2, name);
	bytes_free(&body);
}

struct bytes
credential_of(const struct token *t, const struct cert *c)
{
	struct bytes b = {0};

	put_array(&b, 4);
	bytes_put(&b, t->log.p, t->log.n);
	bytes_put(&b, t->invite.p, t->invite.n);
	cert_put(&b, c, &t->inviter, NULL);
	put_null(&b);
	return b;
}

/* ---- statements ---- */

static void
statement_sign(struct bytes *out, const struct bytes *record, const struct keys *by)
{
	uint8_t sig[64];

	sign_record(sig, by, record);
	put_array(out, 2);
	put_bytes(out, record);
	put_blob(out, sig, sizeof(sig));
}

void
statement_put(struct bytes *out, const uint8_t cluster[32], const uint8_t id[32],
	const struct keys *by, uint64_t incarnation, const char *name, uint16_t port)
{
	static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	struct bytes record = {0};

	put_array(&record, 12);
	put_text(&record, "mp-alive");
	put_uint(&record, 1);
	put_blob(&record, cluster, 32);
	put_blob(&record, id, 32);
	put_uint(&record, incarnation);
	put_text(&record, name);
	put_array(&record, 1);
	put_array(&record, 2);
	put_blob(&record, loopback, sizeof(loopback));
	put_uint(&record, port);
	put_uint(&record, 1);
	put_uint(&record, 1);
	put_uint(&record, 1); /* roles: node */
	put_uint(&record, 0); /* available */
	put_null(&record);
	statement_sign(out, &record, by);
	bytes_free(&record);
}

void
statement_left_put(struct bytes *out, const uint8_t cluster[32], const uint8_t id[32],
	const struct keys *by, uint64_t incarnation)
{
	struct bytes record = {0};

	put_array(&record, 5);
	put_text(&record, "mp-left");
	put_uint(&record, 1);
	put_blob(&record, cluster, 32);
	put_blob(&record, id, 32);
	put_uint(&record, incarnation);
	statement_sign(out, &record, by);
	bytes_free(&record);
}

/* ---- results ---- */

void
outcome_put(struct bytes *record, const struct outcome *o)
{
	static const uint8_t hash[64] = {7};

	put_array(record, 36);
	put_text(record, "mp-result");
	put_uint(record, 1);
	put_blob(record, o->cluster, 32);
	put_blob(record, o->run, 16);
	put_uint(record, o->generation);
	put_uint(record, o->module);
	put_uint(record, o->term);
	put_uint(record, o->counter);
	put_blob(record, o->node, 32);
	put_blob(record, hash, 32);
	put_blob(record, o->leader, 32);
	put_blob(record, hash, 64);
	put_blob(record, hash, 32);
	put_blob(record, hash, 32);
	put_uint(record, o->status);
	put_uint(record, o->status == 0 ? 0 : 1);
	for (int i = 0; i < 7; i++) /* signal, times, memory */
		put_uint(record, 0);
	put_null(record);
	put_uint(record, 0);
	put_uint(record, 0);
	for (int i = 0; i < 2; i++) { /* logs */
		put_null(record);
		put_uint(record, 0);
		put_bool(record, false);
	}
	for (int i = 0; i < 3; i++)
		put_null(record);
	put_text(record, "");
}

void
outcome_signed_put(struct bytes *out, const struct bytes *record, const uint8_t sig[64])
{
	put_array(out, 2);
	put_bytes(out, record);
	put_array(out, 3);
	put_blob(out, sig, 64);
	put_uint(out, 0);
	put_array(out, 0);
}

/* ---- datagrams ---- */

void
dgram_sign(struct bytes *inner, const struct dgram *d, const struct bytes *records)
{
	struct bytes record = {0};
	uint8_t sig[64];

	put_array(&record, 8);
	put_text(&record, "mp-dgram");
	put_uint(&record, 2);
	put_blob(&record, d->cluster, 32);
	put_blob(&record, d->sender, 32);
	put_uint(&record, d->boot);
	put_uint(&record, d->seq);
	put_blob(&record, d->receiver, 32);
	put_bytes(&record, records);
	sign_record(sig, d->by, &record);
	bytes_put(inner, records->p, records->n);
	bytes_put(inner, sig, sizeof(sig));
	bytes_free(&record);
}

static void
head_mask(const uint8_t key[32], const uint8_t *tag, uint8_t mask[32])
{
	struct bytes parts[2] = {{.p = (uint8_t *)(uintptr_t)key, .n = 32},
		{.p = (uint8_t *)(uintptr_t)tag, .n = TAG_SIZE}};

	hash_of(mask, parts, 2);
}

void
dgram_seal(struct bytes *out, const struct dgram *d, const struct bytes *inner)
{
	uint8_t wire[2048] = {2}, nonce[24] = {0}, hint[32], mask[32];
	unsigned long long size;

	if (inner->n > sizeof(wire) - OUTER_SIZE - TAG_SIZE)
		die("a datagram that is too long even for this");
	hash_bytes(hint, d->key, 32);
	wire[1] = hint[0];
	memcpy(nonce, d->sender, 8);
	for (unsigned i = 0; i < 4; i++)
		nonce[8 + i] = (uint8_t)(d->boot >> 8 * (3 - i));
	for (unsigned i = 0; i < 5; i++)
		nonce[12 + i] = (uint8_t)(d->seq >> 8 * (4 - i));
	nonce[17] = d->receiver[0];
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		wire + OUTER_SIZE, &size, inner->p, inner->n, wire, 2, NULL, nonce, d->key);
	head_mask(d->key, wire + OUTER_SIZE + inner->n, mask);
	for (size_t i = 0; i < HEAD_SIZE; i++)
		wire[2 + i] = nonce[i] ^ mask[i];
	bytes_put(out, wire, OUTER_SIZE + (size_t)size);
}

void
dgram_put(struct bytes *out, const struct dgram *d, const struct bytes *records)
{
	struct bytes inner = {0};

	dgram_sign(&inner, d, records);
	dgram_seal(out, d, &inner);
	bytes_free(&inner);
}

bool
dgram_open(const uint8_t key[32], const uint8_t *p, size_t n, struct dgram *d, struct bytes *inner)
{
	uint8_t nonce[24] = {0}, plain[2048], mask[32];
	unsigned long long size;

	if (n < OUTER_SIZE + TAG_SIZE || n > sizeof(plain))
		return false;
	head_mask(key, p + n - TAG_SIZE, mask);
	for (size_t i = 0; i < HEAD_SIZE; i++)
		nonce[i] = p[2 + i] ^ mask[i];
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain, &size, NULL, p + OUTER_SIZE, n - OUTER_SIZE, p, 2, nonce, key) != 0)
		return false;
	memcpy(d->key, key, sizeof(d->key));
	memcpy(d->sender, nonce, 8); /* its start is all that is told */
	d->boot = d->seq = 0;
	for (unsigned i = 0; i < 4; i++)
		d->boot = d->boot << 8 | nonce[8 + i];
	for (unsigned i = 0; i < 5; i++)
		d->seq = d->seq << 8 | nonce[12 + i];
	bytes_put(inner, plain, (size_t)size);
	return true;
}
