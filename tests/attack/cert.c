/* SPDX-License-Identifier: Apache-2.0 */
/* Greetings that are right but for what they say: credentials, and those of who knocks. */
#include <string.h>
#include <time.h>

#include "attack.h"

void
greet(struct aim *a, const struct bytes *hello, const char *what)
{
	struct stream s;

	(void)stream_open(&s, a->port, &a->self, a->token.cluster, hello);
	tried(is_closed(s.fd, 0, CLOSES_MS), "%s", what);
	stream_close(&s);
}

static void
show(struct aim *a, unsigned klass, const struct bytes *credential, const char *what)
{
	struct bytes hello = greeting(klass, credential);

	greet(a, &hello, what);
	bytes_free(&hello);
}

/* ---- certificates ---- */

/* The certificate as bent, with the rest of a credential as it should be. */
static void
show_cert(struct aim *a, const struct cert *c, const char *what)
{
	struct bytes credential = credential_of(&a->token, c);

	show(a, 0, &credential, what);
	bytes_free(&credential);
}

static void
bad_signatures(struct aim *a)
{
	struct cert good = cert_of(&a->token, &a->self, "mallory"), c;
	struct keys other = keys_make(666);

	c = good;
	c.by_invite = &a->self;
	show_cert(a, &c, "a certificate that is signed by itself");
	c.by_invite = &other;
	show_cert(a, &c, "a certificate that another key than the invite's signed");
	c = good;
	c.by_node = &other;
	show_cert(a, &c, "a certificate that the node has not signed");
	c.by_node = &a->token.inviter;
	show_cert(a, &c, "a certificate that only the invite has signed");
	c = good;
	c.cluster[0] ^= 1;
	show_cert(a, &c, "a certificate of another cluster");
	c = good;
	c.invite[31] ^= 1;
	show_cert(a, &c, "a certificate for another invite");
	c = good;
	memcpy(c.node.x, other.x, sizeof(c.node.x));
	show_cert(a, &c, "a certificate with another stream's key");
	c.node = other;
	show_cert(a, &c, "another node's certificate");
	c = good;
	memset(c.node.id, 0, sizeof(c.node.id));
	show_cert(a, &c, "a certificate of the zero key");
}

static void
bad_fields(struct aim *a)
{
	static const uint64_t roles[] = {0, 2, 1 | 8, 1 | 1u << 20, UINT32_MAX, UINT64_MAX};
	static const char *const names[] = {"", "no such name", ".hidden", "../up", "a\nb"};
	struct cert c = cert_of(&a->token, &a->self, "mallory");

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		c.roles = roles[i];
		show_cert(a, &c, "a certificate with roles that its invite has not");
	}
	c.roles = 1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		c.name = names[i];
		show_cert(a, &c, "a certificate with a name that is none");
	}
	c.name = "mallory";
	c.issued_ms = UINT64_MAX;
	show_cert(a, &c, "a certificate from the end of time");
}

/* ---- chains ---- */

struct chain {
	struct bytes log, invite, admission;
	struct keys inviter;
	uint8_t cluster[32], invite_hash[32];
};

/* What the token gives; the caller bends it. */
static struct chain
chain_of(struct aim *a)
{
	struct chain c = {.log = bytes_copy(&a->token.log),
		.invite = bytes_copy(&a->token.invite),
		.inviter = a->token.inviter};

	put_null(&c.admission);
	memcpy(c.cluster, a->token.cluster, sizeof(c.cluster));
	memcpy(c.invite_hash, a->token.invite_hash, sizeof(c.invite_hash));
	return c;
}

static struct cert
chain_cert(struct aim *a, const struct chain *x)
{
	struct cert c = cert_of(&a->token, &a->self, "mallory");

	memcpy(c.cluster, x->cluster, sizeof(c.cluster));
	memcpy(c.invite, x->invite_hash, sizeof(c.invite));
	return c;
}

/* Shows it, and takes it apart. */
static void
show_chain(struct aim *a, struct chain *x, const char *what)
{
	struct cert c = chain_cert(a, x);
	struct bytes credential = {0};

	put_array(&credential, 4);
	bytes_put(&credential, x->log.p, x->log.n);
	bytes_put(&credential, x->invite.p, x->invite.n);
	cert_put(&credential, &c, &x->inviter, NULL);
	bytes_put(&credential, x->admission.p, x->admission.n);
	show(a, 0, &credential, what);
	show(a, 1, &credential, what);
	bytes_free(&credential);
	bytes_free(&x->log);
	bytes_free(&x->invite);
	bytes_free(&x->admission);
}

/* Logs that do not lead from the cluster's genesis to who has signed. */
static void
bad_logs(struct aim *a)
{
	struct keys own = keys_make(31), inviter = keys_make(32);
	uint8_t genesis[32];
	struct reader r;
	struct bytes first;
	struct chain x = chain_of(a);

	x.log.n = x.invite.n = 0;
	x.inviter = inviter;
	put_array(&x.log, 1);
	authority_put(&x.log, &own, NULL, NULL, &own, 0, genesis);
	memcpy(x.cluster, genesis, sizeof(genesis));
	invite_put(&x.invite, genesis, &inviter, own.id, &own, x.invite_hash);
	show_chain(a, &x, "a cluster of its own");

	x = chain_of(a);
	x.log.n = x.invite.n = 0;
	x.inviter = inviter;
	put_array(&x.log, 1);
	authority_put(&x.log, &own, NULL, NULL, &own, 0, genesis);
	invite_put(&x.invite, x.cluster, &inviter, own.id, &own, x.invite_hash);
	show_chain(a, &x, "its own authority log under this cluster's name");

	/* The real genesis, continued by who is none of its authorities. */
	for (int i = 0; i < 2; i++) {
		x = chain_of(a);
		x.log.n = x.invite.n = 0;
		x.inviter = inviter;
		r = reader_of(&a->token.log);
		(void)read_array(&r);
		first = read_item(&r);
		put_array(&x.log, 2);
		bytes_put(&x.log, first.p, first.n);
		authority_put(&x.log, &own, a->token.cluster, i == 0 ? own.id : inviter.id, &own, 1,
			NULL);
		invite_put(&x.invite, x.cluster, &inviter, own.id, &own, x.invite_hash);
		show_chain(a, &x, "an authority that added itself");
	}
	x = chain_of(a);
	x.log.n = 0;
	put_array(&x.log, 0);
	show_chain(a, &x, "an empty authority log");
}

/* The id of the authority that signed the token's invite. */
static void
invite_signer(const struct aim *a, uint8_t out[32])
{
	struct reader r = reader_of(&a->token.invite);
	struct bytes body, last = {0};
	size_t n;

	(void)read_array(&r);
	body = read_blob(&r);
	r = reader_of(&body);
	for (n = read_array(&r); n > 0; n--)
		last = read_item(&r);
	memcpy(out, last.p + 2, 32);
}

static void
bad_invites(struct aim *a)
{
	struct keys own = keys_make(33), inviter = keys_make(34);
	struct chain x = chain_of(a);
	uint8_t signer[32];

	invite_signer(a, signer);
	x.invite.n = 0;
	x.inviter = inviter;
	invite_put(&x.invite, x.cluster, &inviter, own.id, &own, x.invite_hash);
	show_chain(a, &x, "an invite by who is no authority");

	x = chain_of(a);
	x.invite.n = 0;
	x.inviter = inviter;
	invite_put(&x.invite, x.cluster, &inviter, signer, &own, x.invite_hash);
	show_chain(a, &x, "an invite that the authority it names has not signed");

	x = chain_of(a);
	x.invite.n = 0;
	x.inviter = inviter;
	invite_put(&x.invite, x.cluster, &inviter, a->token.inviter.id, &a->token.inviter,
		x.invite_hash);
	show_chain(a, &x, "an invite by an invite");

	x = chain_of(a);
	x.inviter = inviter;
	show_chain(a, &x, "an invite whose key it has not");
}

static void
bad_admissions(struct aim *a)
{
	struct keys other = keys_make(35);
	uint64_t now_ms = (uint64_t)time(NULL) * 1000;
	uint8_t signer[32], cert[32];
	struct bytes scrap = {0};

	invite_signer(a, signer);
	for (int i = 0; i < 7; i++) {
		struct chain x = chain_of(a);
		struct cert c = chain_cert(a, &x);
		const uint8_t *by = i == 1 ? signer : i == 2 ? a->self.id : other.id;

		scrap.n = 0;
		cert_put(&scrap, &c, &x.inviter, cert);
		cert[0] ^= i == 3;
		x.admission.n = 0;
		admission_put(&x.admission, i == 4 ? cert : x.cluster, cert, by,
			i == 2 ? &a->self : &other,
			i == 5   ? 0
			: i == 6 ? UINT64_MAX
				 : now_ms);
		show_chain(a, &x, "an admission that no member made");
	}
	bytes_free(&scrap);
}

/* ---- bytes of what is said ---- */

static void
bad_greetings(struct aim *a)
{
	struct bytes good = greeting(0, &a->credential), b = {0};

	greet(a, &b, "nothing");
	for (unsigned klass = 2; klass < 40; klass++)
		show(a, klass, &a->credential, "a class that is none, or not for nodes");
	b = bytes_copy(&good);
	put_null(&b);
	greet(a, &b, "a greeting with something behind it");
	b.n = 0;
	put_array(&b, 1);
	put_uint(&b, 0);
	greet(a, &b, "a greeting without a credential");
	b.n = 0;
	put_array(&b, 3);
	put_uint(&b, 0);
	put_bytes(&b, &a->credential);
	put_uint(&b, 0);
	greet(a, &b, "a greeting with one item more");
	b.n = 0;
	while (b.n < 9 * 1024 + 1)
		bytes_put(&b, "x", 1);
	greet(a, &b, "a greeting that is too long");
	for (size_t n = 0; n < good.n; n += 3) {
		struct bytes cut = {.p = good.p, .n = n};

		greet(a, &cut, "a part of a greeting");
	}
	bytes_free(&b);
	bytes_free(&good);
}

static void
bad_bytes(struct aim *a)
{
	for (size_t at = 0; at < a->credential.n; at++) {
		struct bytes credential = bytes_copy(&a->credential);

		credential.p[at] ^= (uint8_t)(1u << at % 8);
		show(a, 0, &credential, "a credential with one byte changed");
		bytes_free(&credential);
	}
}

void
attack_certificates(struct aim *a)
{
	aim_stranger(a, 2, "mallory");
	KIND(a, "certificates self-signed, by another key, of another cluster", CERTIFICATES);
	bad_signatures(a);
	KIND(a, "certificates with roles and names that are not theirs", "certificates_role",
		"certificates_malformed", "certificates_forged");
	bad_fields(a);
	KIND(a, "wrong chains: authority logs, invites", CERTIFICATES);
	bad_logs(a);
	bad_invites(a);
	KIND(a, "admissions that no member made", CERTIFICATES);
	bad_admissions(a);
	KIND(a, "greetings that are none", CERTIFICATES, HANDSHAKES);
	bad_greetings(a);
	KIND(a, "credentials, each byte changed", CERTIFICATES);
	bad_bytes(a);
}

/* ---- those who knock ---- */

/* As one who knows no cluster, and says that. `more`: and goes on speaking. */
static void
knock(struct aim *a, const struct bytes *payload, bool more, const char *what)
{
	static const uint8_t preface[PREFACE_SIZE] = {0x8d, 'M', 'P', 'K', 0, 1, 0, 1};
	static const uint8_t zero[32];
	static uint64_t seed = 5000;
	struct bytes out = {0}, word = {0};
	struct stream s;
	bool refused;

	stream_begin(&s, &a->self, zero, ++seed, preface, &out);
	s.fd = connect_calmly(a->port);
	if (!send_all(s.fd, out.p, out.n) || !stream_middle(&s))
		die("the node does not answer who knocks");
	out.n = 0;
	stream_end(&s, payload, &out);
	stream_opened(&s);
	put_array(&word, 1);
	put_uint(&word, 121);
	if (more)
		frame_put(&s, 1, word.p, word.n, &out);
	(void)send_all(s.fd, out.p, out.n);
	refused = is_closed(s.fd, more ? 200 : 0, CLOSES_MS);
	tried(refused, "knocks with %s", what);
	bytes_free(&out);
	bytes_free(&word);
	stream_close(&s);
}

void
attack_knocks(struct aim *a)
{
	struct keys other = keys_make(36), mixed;
	struct bytes b = {0}, good = {0}, hello;

	aim_stranger(a, 3, "mallory");
	KIND(a, "knocks that are forged", CERTIFICATES, HANDSHAKES, "streams_broken");
	knock(a, &b, false, "nothing");
	hello = greeting(0, &a->credential);
	knock(a, &hello, false, "a credential");
	request_put(&b, &a->self, "mallory", &other);
	knock(a, &b, false, "a request that another key signed");
	b.n = 0;
	request_put(&b, &other, "mallory", &other);
	knock(a, &b, false, "another's request");
	mixed = a->self;
	memcpy(mixed.x, other.x, sizeof(mixed.x));
	b.n = 0;
	request_put(&b, &mixed, "mallory", &a->self);
	knock(a, &b, false, "another stream's key");
	b.n = 0;
	request_put(&b, &a->self, "two words", &a->self);
	knock(a, &b, false, "a name that is none");
	request_put(&good, &a->self, "mallory", &a->self);
	for (size_t at = 0; at < good.n; at++) {
		good.p[at] ^= 0x10;
		knock(a, &good, false, "a request with one byte changed");
		good.p[at] ^= 0x10;
	}
	for (size_t n = 0; n < good.n; n++) {
		struct bytes cut = {.p = good.p, .n = n};

		knock(a, &cut, false, "a part of a request");
	}
	knock(a, &good, true, "a request, and goes on");
	bytes_free(&b);
	bytes_free(&good);
	bytes_free(&hello);
}
