/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens, and is dialled by nodes that take it for a member, or by people and newcomers who
 * were given its address: what it answers is bent. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attack.h"

#define DIALLED_MS 4
#define TRIES      2000 /* until somebody dials */
#define SOME       16   /* answers to people, and to one that joins */

struct trap {
	struct aim *a;
	struct member *m; /* makes nodes dial; NULL: they come by themselves */
	int listener;
	uint64_t seed, asked;
	struct bytes hello;  /* what an answer says, if it is right */
	struct bytes before; /* an answer to somebody else */
};

/* Wants a blob to be kept that it has: the node comes and asks for it on a stream of its own. */
static void
lure(struct trap *t)
{
	struct bytes word = {0};
	uint8_t digest[32];

	t->asked++;
	hash_bytes(digest, &t->asked, sizeof(t->asked));
	put_array(&word, 3);
	put_uint(&word, 83);
	put_uint(&word, t->asked);
	put_array(&word, 1);
	put_array(&word, 2);
	put_blob(&word, digest, sizeof(digest));
	put_uint(&word, 300);
	if (!message_send(&t->m->control, &word))
		die("the node has closed the stream");
	bytes_free(&word);
}

static void
trapped(struct trap *t, struct stream *s, struct bytes *heard)
{
	if (t->m == NULL) {
		if (!answer_hear(s, t->listener, t->a->token.cluster, heard, 30000))
			die("nobody dials");
		return;
	}
	for (int i = 0; i < TRIES; i++) {
		if (answer_hear(
			    s, t->listener, t->a->token.cluster, heard, i == 0 ? 0 : DIALLED_MS))
			return;
		for (int k = 0; k < 1; k++)
			lure(t);
	}
	die("no node dials");
}

/* Whoever dialled has had enough of it. */
static void
refused(struct stream *s, const struct bytes *out, const char *what, size_t at)
{
	(void)send_all(s->fd, out->p, out->n);
	(void)shutdown(s->fd, SHUT_WR);
	tried(is_closed(s->fd, 0, CLOSES_MS), "%s %zu", what, at);
	stream_close(s);
}

static size_t
flip(struct trap *t, size_t at, uint8_t with)
{
	struct bytes heard = {0}, out = {0};
	struct stream s;
	size_t n;

	trapped(t, &s, &heard);
	answer_make(&s, &t->a->self, ++t->seed, NULL, &heard, &t->hello, &out);
	n = out.n;
	out.p[at] ^= with;
	refused(&s, &out, "an answer changed at", at);
	bytes_free(&heard);
	bytes_free(&out);
	return n;
}

/* So much of it; and with a length that says that this is all. */
static void
cut(struct trap *t, size_t n, bool shorten)
{
	struct bytes heard = {0}, out = {0};
	struct stream s;

	trapped(t, &s, &heard);
	answer_make(&s, &t->a->self, ++t->seed, NULL, &heard, &t->hello, &out);
	out.n = n;
	if (shorten) {
		out.p[PREFACE_SIZE] = (uint8_t)((n - PREFACE_SIZE - 2) >> 8);
		out.p[PREFACE_SIZE + 1] = (uint8_t)(n - PREFACE_SIZE - 2);
	}
	refused(&s, &out, shorten ? "an answer shortened to" : "an answer cut at", n);
	bytes_free(&heard);
	bytes_free(&out);
}

static void
another(struct trap *t, unsigned which)
{
	struct bytes heard = {0}, out = {0}, nothing = {0};
	struct keys own = keys_make(77);
	struct stream s;

	trapped(t, &s, &heard);
	answer_make(&s, &own, ++t->seed, NULL, &heard, &nothing, &out);
	switch (which % 4) {
	case 0: /* what it has said itself */
		out.n = 0;
		bytes_put(&out, heard.p, heard.n);
		break;
	case 1: /* an answer to somebody else */
		out.n = 0;
		bytes_put(&out, t->before.p, t->before.n);
		break;
	case 2: /* the same with our own key in it */
		memcpy(out.p + PREFACE_SIZE + 2, heard.p + PREFACE_SIZE + 2, 32);
		break;
	default: /* a point of low order */
		memset(out.p + PREFACE_SIZE + 2, 0, 32);
		break;
	}
	refused(&s, &out, "an answer that is none:", which % 4);
	bytes_free(&heard);
	bytes_free(&out);
}

static void
version(struct trap *t, unsigned min, unsigned max, bool honest)
{
	const uint8_t preface[PREFACE_SIZE] = {0x8d, 'M', 'P', 'S', (uint8_t)(min >> 8),
		(uint8_t)min, (uint8_t)(max >> 8), (uint8_t)max};
	struct bytes heard = {0}, out = {0};
	struct stream s;

	trapped(t, &s, &heard);
	answer_make(&s, &t->a->self, ++t->seed, honest ? preface : NULL, &heard, &t->hello, &out);
	memcpy(out.p, preface, PREFACE_SIZE);
	refused(&s, &out, "an answer of version", max);
	bytes_free(&heard);
	bytes_free(&out);
}

/* Answers well, but as somebody else. */
static void
pretend(struct trap *t, const struct keys *self, const struct bytes *payload, const char *who)
{
	struct bytes heard = {0}, out = {0};
	struct stream s;

	trapped(t, &s, &heard);
	answer_make(&s, self, ++t->seed, NULL, &heard, payload, &out);
	refused(&s, &out, who, 0);
	bytes_free(&heard);
	bytes_free(&out);
}

static void
pretend_all(struct trap *t)
{
	struct keys other = keys_make(78), mixed = t->a->self;
	struct cert c = cert_of(&t->a->token, &other, "mallory"), own;
	struct bytes nothing = {0}, word, long_word = {0}, credential;

	pretend(t, &t->a->self, &nothing, "says nothing of itself");
	credential = credential_of(&t->a->token, &c);
	word = greeting(0, &credential);
	pretend(t, &other, &word, "was invited and is no member");
	pretend(t, &t->a->self, &word, "has another's certificate");
	bytes_free(&word);
	bytes_free(&credential);
	memcpy(mixed.x, other.x, sizeof(mixed.x));
	memcpy(mixed.x_secret, other.x_secret, sizeof(mixed.x_secret));
	pretend(t, &mixed, &t->hello, "has a member's certificate and not its key");
	own = cert_of(&t->a->token, &t->a->self, "delta");
	own.serial = 0;
	credential = credential_of(&t->a->token, &own);
	word = greeting(0, &credential);
	pretend(t, &t->a->self, &word, "has a certificate from before");
	bytes_free(&word);
	own.serial = 9;
	own.by_invite = &other;
	bytes_free(&credential);
	credential = credential_of(&t->a->token, &own);
	word = greeting(0, &credential);
	pretend(t, &t->a->self, &word, "has signed its certificate itself");
	bytes_free(&word);
	bytes_free(&credential);
	while (long_word.n < 60000)
		bytes_put(&long_word, "0123456789abcdef", 16);
	pretend(t, &t->a->self, &long_word, "says too much");
	bytes_free(&long_word);
}

static void
mangle_all(struct trap *t)
{
	struct aim *a = t->a;
	size_t n;

	KIND(a, "message 2 to who dials, each byte flipped", "streams_distrusted");
	n = flip(t, PREFACE_SIZE + 2, 0x80);
	for (size_t at = 0; at < n; at++)
		(void)flip(t, at, (uint8_t)(1u << at % 8));
	KIND(a, "message 2 to who dials, truncated", "streams_distrusted");
	for (size_t at = 0; at < n; at += at < 120 ? 1 : 37)
		cut(t, at, false);
	KIND(a, "message 2 to who dials, shortened", "streams_distrusted");
	for (size_t at = PREFACE_SIZE + 2; at < n; at += at < 120 ? 1 : 37)
		cut(t, at, true);
	KIND(a, "message 2 to who dials, replayed, reflected", "streams_distrusted");
	for (unsigned i = 0; i < 40; i++)
		another(t, i);
	KIND(a, "versions to who dials, downgraded", "streams_distrusted");
	for (unsigned v = 0; v < 20; v++) {
		version(t, v == 1 ? 65535 : v, v == 1 ? 1 : v, true);
		version(t, v == 1 ? 0 : v, v, false);
	}
	KIND(a, "somebody else than who was dialled", "streams_distrusted");
	pretend_all(t);
}

/* The same, right: it is let in, and asked for what the node was lured with. */
static void
honest(struct trap *t)
{
	struct bytes heard = {0}, out = {0}, get = {0};
	struct stream s;
	bool good = false;

	for (int i = 0; i < 20 && !good; i++) {
		out.n = get.n = 0;
		trapped(t, &s, &heard);
		answer_make(&s, &t->a->self, ++t->seed, NULL, &heard, &t->hello, &out);
		if (send_all(s.fd, out.p, out.n) && answer_end(&s))
			good = message_receive(&s, &get, 1000) && message_kind(&get) == 80;
		stream_close(&s);
	}
	if (!good)
		die("an answer that is right is of no use either");
	bytes_free(&heard);
	bytes_free(&out);
	bytes_free(&get);
}

static void
trap_set(struct trap *t, struct aim *a)
{
	struct bytes heard = {0};

	*t = (struct trap){.a = a};
	bytes_put(&heard, "\x8dMPS\0\1\0\1\0\x20", PREFACE_SIZE + 2);
	bytes_put(&heard, keys_make(79).x, 32);
	t->hello = greeting(0, &a->credential);
	{
		struct stream s = {.fd = -1};

		memcpy(s.cluster, a->token.cluster, 32);
		memcpy(s.preface[0], heard.p, PREFACE_SIZE);
		answer_make(&s, &a->self, 80, NULL, &heard, &t->hello, &t->before);
	}
	bytes_free(&heard);
}

/* All nodes of the cluster, by their state directories, dial who says that it is delta. */
void
attack_dialled(struct aim *a)
{
	struct member m;
	struct trap t;

	if (a->argc != 1)
		die("usage: attack dialled PORT STATE,... TOKEN-FILE ENEMYS-STATE");
	member_enter(&m, a, a->argv[0]);
	bytes_free(&a->credential);
	a->credential = bytes_copy(&m.credential);
	trap_set(&t, a);
	t.m = &m;
	t.listener = listen_at(&m.udp_port);
	mangle_all(&t);
	honest(&t);
	stream_close(&m.control);
}

/* Whoever was given its address: prints "port PORT", and a line for each that it has answered. */
void
attack_listen(struct aim *a)
{
	uint16_t port = 0;
	struct trap t;

	aim_stranger(a, 21, "mallory");
	trap_set(&t, a);
	t.listener = listen_at(&port);
	(void)printf("port %u\n", (unsigned)port);
	(void)fflush(stdout);
	kind(a, "answers to mpctl and to a newcomer, bent", NULL);
	for (size_t i = 0; i < SOME; i++) {
		if (i % 4 == 0)
			(void)flip(&t, 37 * i % 900, (uint8_t)(1u << i % 8));
		else if (i % 4 == 1)
			cut(&t, 29 * i % 900, false);
		else if (i % 4 == 2)
			another(&t, (unsigned)i / 4);
		else
			pretend(&t, &a->self, &t.hello, "was invited and is no member");
		(void)printf("answered %zu\n", i + 1);
		(void)fflush(stdout);
	}
}
