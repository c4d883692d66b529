/* SPDX-License-Identifier: Apache-2.0 */
/* People and nodes whose certificates were good, or are for something else; with the key of an
 * authority, as nobody can make an invite that is over without one. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "attack.h"

enum { NODE = 1, SUBMIT = 2, OBSERVE = 4, ADMIN = 8 };
/* Classes of streams. */
enum { CONTROL, BULK, CLIENT };

#define HOUR_MS 3600000u
#define ENDS_MS 3000

static struct terms
now_for(uint64_t roles)
{
	return (struct terms){
		.roles = roles, .from_ms = wall_ms() - HOUR_MS, .until_ms = wall_ms() + HOUR_MS};
}

/* A certificate with some of the roles of an invite by that authority. */
static struct bytes
credential_by(struct aim *a, const struct keys *authority, const struct terms *terms,
	uint64_t roles, uint64_t admitted_ms)
{
	struct token t = a->token;
	struct bytes credential = {0};
	uint8_t hash[32];
	struct cert c;

	t.inviter = keys_make(91);
	t.invite = (struct bytes){0};
	invite_terms_put(
		&t.invite, t.cluster, &t.inviter, terms, authority->id, authority, t.invite_hash);
	c = cert_of(&t, &a->self, "mallory");
	c.roles = roles;
	put_array(&credential, 4);
	bytes_put(&credential, t.log.p, t.log.n);
	bytes_put(&credential, t.invite.p, t.invite.n);
	cert_put(&credential, &c, &t.inviter, hash);
	if (admitted_ms > 0)
		admission_put(&credential, t.cluster, hash, authority->id, authority, admitted_ms);
	else
		put_null(&credential);
	bytes_free(&t.invite);
	return credential;
}

static void
show(struct aim *a, unsigned klass, struct bytes credential, const char *what)
{
	struct bytes hello = greeting(klass, &credential);

	greet(a, &hello, what);
	bytes_free(&hello);
	bytes_free(&credential);
}

/* May speak, for it may be told why not; and asks to be let in. */
static void
ask_to_join(struct aim *a, struct bytes credential, const char *what)
{
	struct bytes hello = greeting(CONTROL, &credential), word = {0}, answer = {0};
	struct stream s;

	if (!stream_open(&s, a->port, &a->self, a->token.cluster, &hello))
		die("%s: it is not even told why", what);
	put_array(&word, 3);
	put_uint(&word, 36);
	put_bytes(&word, &credential);
	statement_put(&word, a->token.cluster, a->self.id, &a->self, 1ull << 32, "mallory", 9);
	tried(message_send(&s, &word) && message_receive(&s, &answer, CLOSES_MS) &&
			message_kind(&answer) == 38,
		"%s", what);
	stream_close(&s);
	bytes_free(&hello);
	bytes_free(&word);
	bytes_free(&answer);
	bytes_free(&credential);
}

/* ---- out of its time ---- */

static void
expired(struct aim *a, const struct keys *authority)
{
	static const uint64_t roles[] = {OBSERVE, SUBMIT, ADMIN, SUBMIT | OBSERVE | ADMIN};
	static const uint64_t ages[] = {1000, 60000, HOUR_MS, 365ull * 24 * HOUR_MS};
	struct terms terms;

	KIND(a, "certificates that are expired, or not good yet", "certificates_expired");
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 4; k++) {
			terms = now_for(roles[i]);
			terms.from_ms = wall_ms() - ages[k] - HOUR_MS;
			terms.until_ms = wall_ms() - ages[k];
			show(a, CLIENT, credential_by(a, authority, &terms, roles[i], 0),
				"an identity that has ended");
			terms.from_ms = wall_ms() + ages[k] + HOUR_MS;
			terms.until_ms = terms.from_ms + HOUR_MS;
			show(a, CLIENT, credential_by(a, authority, &terms, roles[i], 0),
				"an identity that has not begun");
			terms = now_for(NODE);
			terms.until_ms = wall_ms() - ages[k];
			terms.from_ms = terms.until_ms - HOUR_MS;
			show(a, CONTROL, credential_by(a, authority, &terms, NODE, wall_ms()),
				"a node that was admitted after the end of its invite");
		}
	}
	KIND(a, "nodes that join by an expired invite", "joins_refused");
	for (size_t k = 0; k < 4; k++) {
		terms = now_for(NODE);
		terms.from_ms = wall_ms() - ages[k] - HOUR_MS;
		terms.until_ms = wall_ms() - ages[k];
		ask_to_join(a, credential_by(a, authority, &terms, NODE, 0),
			"joins by an invite that has ended");
		terms.from_ms = wall_ms() + ages[k] + HOUR_MS;
		terms.until_ms = terms.from_ms + HOUR_MS;
		ask_to_join(a, credential_by(a, authority, &terms, NODE, 0),
			"joins by an invite that has not begun");
	}
}

/* ---- in another role ---- */

static void
wrong_role(struct aim *a, const struct keys *authority)
{
	static const uint64_t people[] = {OBSERVE, SUBMIT, ADMIN, SUBMIT | OBSERVE | ADMIN};
	struct terms all = now_for(NODE | SUBMIT | OBSERVE | ADMIN), terms;

	KIND(a, "certificates in a wrong role", "certificates_role");
	for (uint64_t more = 0; more < 16; more += 2) {
		show(a, CLIENT, credential_by(a, authority, &all, NODE | more, 0),
			"a node as a client");
		show(a, CLIENT, credential_by(a, authority, &all, NODE | more, wall_ms()),
			"a node that was admitted as a client");
	}
	for (size_t i = 0; i < 4; i++) {
		terms = now_for(people[i]);
		for (unsigned klass = CONTROL; klass <= CLIENT; klass++) {
			show(a, klass, credential_by(a, authority, &terms, people[i] | NODE, 0),
				"a person's invite for a node");
			if (people[i] == (SUBMIT | OBSERVE | ADMIN))
				continue;
			show(a, klass, credential_by(a, authority, &terms, people[i] ^ 14, 0),
				"another role than that of the invite");
		}
	}
	KIND(a, "people who join as nodes", "joins_refused");
	for (size_t i = 0; i < 4; i++) {
		terms = now_for(people[i]);
		ask_to_join(a, credential_by(a, authority, &terms, people[i], 0),
			"joins by an invite for people");
	}
}

/* ---- what a role is not for ---- */

void
request_of_client_put(struct bytes *ask, unsigned number)
{
	uint8_t zero[64] = {[17] = 1};

	put_array(ask, number == 130 || number == 131 ? 4 : number < 120 || number == 132 ? 1 : 3);
	put_uint(ask, number);
	if (number == 120) {
		put_blob(ask, zero, 64);
		put_blob(ask, zero, 18);
	} else if (number == 122) {
		put_blob(ask, zero, 32);
		put_text(ask, "mp1-none");
	} else if (number == 130) {
		put_text(ask, "beta");
		put_text(ask, "because");
		put_bool(ask, true);
	} else if (number == 131) {
		put_uint(ask, 1);
		put_blob(ask, zero, 64);
		put_null(ask);
	}
}

static void
client_open(
	struct aim *a, const struct keys *authority, const struct terms *terms, struct stream *s)
{
	struct bytes credential = credential_by(a, authority, terms, terms->roles, 0);
	struct bytes hello = greeting(CLIENT, &credential);

	if (!stream_open(s, a->port, &a->self, a->token.cluster, &hello))
		die("one whose certificate is good may not come in");
	bytes_free(&hello);
	bytes_free(&credential);
}

/* The number of the answer. */
static uint64_t
client_ask(struct stream *s, unsigned number)
{
	struct bytes ask = {0}, answer = {0};
	uint64_t got;

	request_of_client_put(&ask, number);
	if (!message_send(s, &ask) || !message_receive(s, &answer, CLOSES_MS))
		die("request %u ends the stream", number);
	got = message_kind(&answer);
	bytes_free(&ask);
	bytes_free(&answer);
	return got;
}

/* What each role may, of the numbers of codec/msg_ctl.h; the rest is tried. */
static void
beyond(struct aim *a, const struct keys *authority, uint64_t role, const unsigned *allowed,
	size_t allowed_count)
{
	struct terms terms = now_for(role);
	struct stream s;

	client_open(a, authority, &terms, &s);
	for (unsigned number = 0; number < 260; number++) {
		bool may = false;

		for (size_t i = 0; i < allowed_count; i++)
			may = may || allowed[i] == number;
		if (!may)
			tried(client_ask(&s, number) == 201, "request %u of role %u", number,
				(unsigned)role);
	}
	stream_close(&s);
}

static void
outlived(struct aim *a, const struct keys *authority)
{
	struct terms terms = now_for(OBSERVE);
	struct stream s;

	KIND(a, "requests on a stream whose certificate has ended", "requests_refused");
	terms.until_ms = wall_ms() + ENDS_MS;
	client_open(a, authority, &terms, &s);
	if (client_ask(&s, 102) != 200)
		die("one who may look may not");
	while (wall_ms() <= terms.until_ms)
		(void)poll(NULL, 0, 50);
	for (int i = 0; i < 20; i++)
		tried(client_ask(&s, 102) == 201, "a request of one whose time is over");
	stream_close(&s);
}

void
attack_people(struct aim *a)
{
	static const unsigned observe[] = {101, 102, 103, 104, 106, 108, 111, 121, 132, 140, 141,
		142, 143, 151, 152, 154, 155};
	char path[4096];
	struct keys authority;

	(void)snprintf(path, sizeof(path), "%s/authority.key", a->argc > 0 ? a->argv[0] : "");
	authority = keys_load_signing(path);
	a->self = keys_make(8);
	expired(a, &authority);
	wrong_role(a, &authority);
	KIND(a, "requests beyond the role of an identity", "requests_refused");
	beyond(a, &authority, OBSERVE, observe, sizeof(observe) / sizeof(observe[0]));
	outlived(a, &authority);
}

/* ---- who was good once ---- */

/* The key of a token's invite, for who is to shut it out. */
void
attack_fingerprint(struct aim *a)
{
	char hex[65];

	(void)printf("fingerprint %s\n", sodium_bin2hex(hex, sizeof(hex), a->token.inviter.id, 32));
}

static struct bytes
credential_now(const struct aim *a, uint64_t roles)
{
	struct cert c = cert_of(&a->token, &a->self, "mallory");

	c.roles = roles;
	return credential_of(&a->token, &c);
}

static void
show_clients(struct aim *a, const char *what)
{
	for (unsigned i = 0; i < 10; i++)
		show(a, CLIENT, credential_now(a, OBSERVE), what);
}

/* Such a one may open a stream, to be told. */
static void
ask_in_vain(struct aim *a, const char *what)
{
	for (unsigned i = 0; i < 10; i++)
		ask_to_join(a, credential_now(a, NODE), what);
}

void
attack_invite_revoked(struct aim *a)
{
	a->self = keys_make(9);
	KIND(a, "people by an invite that was revoked", "certificates_revoked");
	show_clients(a, "by an invite that was revoked");
	KIND(a, "nodes by an invite that was revoked", "joins_refused");
	ask_in_vain(a, "joins by an invite that was revoked");
}

/* The enemy has a token of a removed authority, and its key, and goes on with the log as it was. */
static void
log_continue(struct aim *a, const struct keys *removed, const struct keys *own)
{
	struct reader r = reader_of(&a->token.log);
	struct bytes log = {0}, one, last = {0};
	uint8_t previous[32];
	size_t n = read_array(&r);

	put_array(&log, n + 1);
	for (size_t i = 0; i < n; i++) {
		one = read_item(&r);
		bytes_put(&log, one.p, one.n);
		last = one;
	}
	record_name(previous, "mp-authority", &last);
	authority_put(&log, own, previous, removed->id, removed, n, NULL);
	a->token.log = log;
}

static void
invite_by(struct aim *a, const struct keys *by)
{
	struct terms terms = now_for(NODE | OBSERVE);

	a->token.invite = (struct bytes){0};
	invite_terms_put(&a->token.invite, a->token.cluster, &a->token.inviter, &terms, by->id, by,
		a->token.invite_hash);
}

void
attack_authority_removed(struct aim *a)
{
	struct keys removed, own = keys_make(92);

	if (a->argc != 1)
		die("usage: attack authority-removed PORT STATE TOKEN-FILE KEY-FILE");
	removed = keys_load_signing(a->argv[0]);
	a->self = keys_make(9);
	KIND(a, "nodes by an authority that was removed", "joins_refused");
	ask_in_vain(a, "joins by an authority that was removed");
	KIND(a, "people by an authority that was removed", "certificates_unproved");
	show_clients(a, "by an authority that was removed");
	log_continue(a, &removed, &own);
	a->token.inviter = keys_make(93);
	invite_by(a, &removed);
	show_clients(a, "by an authority that was removed, with a log that goes on");
	invite_by(a, &own);
	show_clients(a, "by an authority that one who was removed has added");
	KIND(a, "nodes by an authority that one who was removed has added",
		"certificates_unproved");
	for (unsigned i = 0; i < 10; i++)
		show(a, i % 2, credential_now(a, NODE), "by such an authority");
}
