/* SPDX-License-Identifier: Apache-2.0 */
/* What may be done to a handshake. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "attack.h"

/* The most that an opener who is refused in the end may hear: a preface and message 2. */
#define HEARD_MAX (PREFACE_SIZE + 2 + 96 + 9 * 1024)

/* An opener's bytes: preface, message 1, message 3, each with its length in front. */
struct script {
	struct stream s;
	struct bytes first, last;
};

static void
script_start(struct script *x, struct aim *a, const uint8_t cluster[32], uint64_t seed,
	const uint8_t *preface)
{
	*x = (struct script){.first = {0}};
	stream_begin(&x->s, &a->self, cluster, seed, preface, &x->first);
	x->s.fd = connect_calmly(a->port);
}

static void
script_begin(struct script *x, struct aim *a, uint64_t seed)
{
	script_start(x, a, a->token.cluster, seed, NULL);
}

/* Reads message 2 and makes message 3, even where neither can be right. */
static void
script_middle(struct script *x, struct aim *a)
{
	struct bytes hello = greeting(0, &a->credential);

	(void)stream_middle(&x->s);
	stream_end(&x->s, &hello, &x->last);
	bytes_free(&hello);
}

/* All was said. */
static bool
script_refused(struct script *x)
{
	bool refused;

	(void)shutdown(x->s.fd, SHUT_WR);
	refused = is_closed(x->s.fd, HEARD_MAX, CLOSES_MS);
	stream_close(&x->s);
	bytes_free(&x->first);
	bytes_free(&x->last);
	return refused;
}

/* ---- each byte ---- */

/* The first part with byte `at` changed, and what follows from it for one who does not know. */
static void
flip_first(struct aim *a, size_t at, uint8_t with)
{
	struct script x;

	script_begin(&x, a, at << 8 | with);
	x.first.p[at] ^= with;
	if (send_all(x.s.fd, x.first.p, x.first.n) && at >= PREFACE_SIZE + 2) {
		script_middle(&x, a);
		(void)send_all(x.s.fd, x.last.p, x.last.n);
	}
	tried(script_refused(&x), "byte %zu of the preface and message 1 ^ %02x", at,
		(unsigned)with);
}

/* Message 3, cut to `n` bytes (0: not) or with byte `at` changed. Returns how long it is. */
static size_t
bend_last(struct aim *a, size_t at, uint8_t with, size_t n)
{
	struct script x;
	size_t size;

	script_begin(&x, a, at << 16 | n << 8 | with);
	(void)send_all(x.s.fd, x.first.p, x.first.n);
	script_middle(&x, a);
	size = x.last.n;
	x.last.p[at] ^= with;
	if (n > 0)
		x.last.n = n;
	(void)send_all(x.s.fd, x.last.p, x.last.n);
	tried(script_refused(&x), "message 3, %zu bytes of it, byte %zu ^ %02x", x.last.n, at,
		(unsigned)with);
	return size;
}

/* With a length that says that this is all. */
static void
shorten_last(struct aim *a, size_t n)
{
	struct script x;

	script_begin(&x, a, n);
	(void)send_all(x.s.fd, x.first.p, x.first.n);
	script_middle(&x, a);
	x.last.p[0] = (uint8_t)(n >> 8);
	x.last.p[1] = (uint8_t)n;
	(void)send_all(x.s.fd, x.last.p, 2 + n);
	tried(script_refused(&x), "message 3 that says it has %zu bytes", n);
}

void
attack_bytes(struct aim *a)
{
	size_t size;

	aim_stranger(a, 1, "mallory");
	KIND(a, "preface and message 1, each bit flipped", HANDSHAKES);
	for (size_t at = 0; at < PREFACE_SIZE + 2 + 32; at++) {
		for (unsigned bit = 0; bit < 8; bit++)
			flip_first(a, at, (uint8_t)(1u << bit));
	}
	KIND(a, "preface and message 1, truncated", "handshakes_closed");
	for (size_t n = 0; n < PREFACE_SIZE + 2 + 32; n++) {
		struct script x;

		script_begin(&x, a, n);
		(void)send_all(x.s.fd, x.first.p, n);
		tried(script_refused(&x), "%zu bytes of the preface and message 1", n);
	}
	KIND(a, "message 3, each byte flipped", HANDSHAKES);
	size = bend_last(a, 2, 0x80, 0);
	for (size_t at = 0; at < size; at++)
		(void)bend_last(a, at, (uint8_t)(1u << at % 8), 0);
	KIND(a, "message 3, truncated", "handshakes_closed");
	for (size_t n = 1; n < size; n++)
		(void)bend_last(a, 0, 0, n);
	KIND(a, "message 3, shortened", "handshakes_forged", "handshakes_malformed");
	for (size_t n = 0; n < size - 2; n += n < 70 ? 1 : 7)
		shorten_last(a, n);
}

/* ---- order ---- */

/* What an opener says in a session that is good, all of it. */
static struct bytes
recorded(struct aim *a, struct bytes *second)
{
	struct bytes all = {0};
	struct script x;
	uint8_t said[PREFACE_SIZE + 2];
	size_t n;

	/* What the node says is kept, too: read here, not by the stream. */
	script_begin(&x, a, 77);
	(void)send_all(x.s.fd, x.first.p, x.first.n);
	if (!receive_all(x.s.fd, said, sizeof(said), CLOSES_MS))
		die("the node does not greet");
	n = (size_t)(said[PREFACE_SIZE] << 8 | said[PREFACE_SIZE + 1]);
	bytes_put(second, said, sizeof(said));
	while (n-- > 0) {
		uint8_t byte;

		if (!receive_all(x.s.fd, &byte, 1, CLOSES_MS))
			die("the node does not greet");
		bytes_put(second, &byte, 1);
	}
	memcpy(x.s.preface[1], said, PREFACE_SIZE);
	if (!noise_read(
		    &x.s.noise, 2, second->p + sizeof(said), second->n - sizeof(said), &x.s.hello))
		die("the node's greeting does not verify");
	{
		struct bytes hello = greeting(0, &a->credential);

		stream_end(&x.s, &hello, &x.last);
		bytes_free(&hello);
	}
	bytes_put(&all, x.first.p, x.first.n);
	bytes_put(&all, x.last.p, x.last.n);
	(void)script_refused(&x);
	return all;
}

static void
say(struct aim *a, const char *what, const struct bytes *const *parts, size_t n)
{
	struct script x;

	script_begin(&x, a, 99);
	for (size_t i = 0; i < n; i++)
		(void)send_all(x.s.fd, parts[i]->p, parts[i]->n);
	tried(script_refused(&x), "%s", what);
}

#define SAY(a, what, ...)                                                                          \
	say(a, what, (const struct bytes *const[]){__VA_ARGS__},                                   \
		sizeof((const struct bytes *const[]){__VA_ARGS__}) / sizeof(struct bytes *))

static struct bytes
piece(const struct bytes *of, size_t from, size_t n)
{
	return (struct bytes){.p = of->p + from, .n = n};
}

void
attack_order(struct aim *a)
{
	struct bytes node = {0}, all;
	struct bytes preface, first, last, both, reply, node_preface;

	aim_stranger(a, 1, "mallory");
	all = recorded(a, &node);
	preface = piece(&all, 0, PREFACE_SIZE);
	first = piece(&all, PREFACE_SIZE, 34);
	last = piece(&all, PREFACE_SIZE + 34, all.n - PREFACE_SIZE - 34);
	both = piece(&all, 0, PREFACE_SIZE + 34);
	node_preface = piece(&node, 0, PREFACE_SIZE);
	reply = piece(&node, PREFACE_SIZE, node.n - PREFACE_SIZE);
	KIND(a, "handshake replayed", "handshakes_forged");
	for (int i = 0; i < 20; i++)
		SAY(a, "a whole session again", &all);
	KIND(a, "handshake reordered", HANDSHAKES);
	SAY(a, "message 3 first", &preface, &last);
	SAY(a, "message 3 before message 1", &preface, &last, &first);
	SAY(a, "message 1 first", &first, &preface, &last);
	SAY(a, "message 1 alone", &first);
	SAY(a, "message 1 twice", &both, &first);
	SAY(a, "message 1 twice, then 3", &both, &first, &last);
	SAY(a, "message 3 twice", &both, &last, &last);
	SAY(a, "two prefaces", &preface, &preface, &first, &last);
	KIND(a, "handshake reflected", HANDSHAKES);
	SAY(a, "its own message 2 as our 3", &both, &reply);
	SAY(a, "its own message 2 as our 1", &preface, &reply);
	SAY(a, "its own preface and message 2", &node);
	SAY(a, "its preface, our message 1, its message 2", &node_preface, &first, &reply);
	SAY(a, "its own message 2, then our 3", &both, &reply, &last);
	bytes_free(&all);
	bytes_free(&node);
}

/* ---- versions ---- */

/* Changed on the way; or what the opener itself says and hashes. */
static void
versions(struct aim *a, unsigned min, unsigned max, bool honest)
{
	const uint8_t preface[PREFACE_SIZE] = {0x8d, 'M', 'P', 'S', (uint8_t)(min >> 8),
		(uint8_t)min, (uint8_t)(max >> 8), (uint8_t)max};
	struct script x;

	script_start(&x, a, a->token.cluster, min << 16 | max, honest ? preface : NULL);
	memcpy(x.first.p, preface, PREFACE_SIZE);
	if (send_all(x.s.fd, x.first.p, x.first.n)) {
		script_middle(&x, a);
		(void)send_all(x.s.fd, x.last.p, x.last.n);
	}
	tried(script_refused(&x), "versions %u to %u%s", min, max,
		honest ? "" : ", changed on the way");
}

void
attack_versions(struct aim *a)
{
	static const unsigned some[] = {0, 2, 3, 255, 256, 257, 65535};

	aim_stranger(a, 1, "mallory");
	KIND(a, "versions that are none, downgraded on the way", HANDSHAKES);
	for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		versions(a, some[i], some[i], false);
		versions(a, some[i], some[i], true);
		versions(a, 1, some[i], false);
		versions(a, some[i], 1, false);
		versions(a, some[i], 1, true);
	}
}
