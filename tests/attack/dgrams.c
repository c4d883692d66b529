/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams, by one who has the gossip key, and by one who has seen some. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"

/* So many are sent before the node is asked whether it has got them. */
#define BATCH      64
#define COUNTED_MS 10000

struct sniper {
	struct aim *a;
	struct member m;
	const char *at;        /* whom it attacks */
	uint64_t before, sent; /* in this batch */
};

static const char *const drops[] = {"datagrams_junk", "datagrams_stranger", "datagrams_forged",
	"datagrams_replayed", "datagrams_malformed", "datagrams_revoked", "datagrams_astray",
	"messages_refused", NULL};

/* All that was shot so far was dropped: more would be lost in the kernel. */
static void
settle(struct sniper *s)
{
	for (int ms = 0; ms < COUNTED_MS; ms += 2) {
		if (counted(s->a->victim, drops) - s->before >= s->sent)
			break;
		(void)poll(NULL, 0, 2);
	}
	s->sent = 0;
}

/* Whether it was dropped is for the counters to tell. */
static void
shot(struct sniper *s, const struct bytes *b, const char *what)
{
	if (s->sent == BATCH)
		settle(s);
	if (s->sent++ == 0)
		s->before = counted(s->a->victim, drops);
	member_shoot(&s->m, s->a->port, b);
	tried(true, "%s", what);
}

static void
aim_kind(struct sniper *s, const char *what, const char *const *counters)
{
	settle(s);
	kind(s->a, what, counters);
}
#define SHOTS(s, what, ...) aim_kind(s, what, (const char *const[]){__VA_ARGS__, NULL})

/* One that is good: from delta, to the node that is attacked. */
static struct dgram
good_dgram(struct sniper *s)
{
	return member_dgram(&s->m, s->a, s->at);
}

/* [[1, seq, view8, used, wall]] */
static struct bytes
ping(struct sniper *s)
{
	struct bytes b = {0};

	put_array(&b, 1);
	put_array(&b, 5);
	put_uint(&b, 1);
	put_uint(&b, s->m.seq);
	put_blob(&b, "\0\0\0\0\0\0\0\0", 8);
	put_uint(&b, 0);
	put_uint(&b, (uint64_t)time(NULL) * 1000);
	return b;
}

/* A datagram of the node itself, which is alive in its eyes. Its sender has to be the one that is
 * attacked: others may send, too. */
static struct bytes
hear(struct sniper *s, struct dgram *d, struct bytes *inner)
{
	struct pollfd wait = {.fd = s->m.udp, .events = POLLIN};
	struct bytes b = {0};
	uint8_t piece[2048];

	for (int i = 0; i < 1000; i++) {
		ssize_t n = poll(&wait, 1, CLOSES_MS) == 1 ? recv(s->m.udp, piece, sizeof(piece), 0)
							   : -1;

		if (n < 0)
			break;
		inner->n = 0;
		if (!dgram_open(s->m.key, piece, (size_t)n, d, inner) ||
			memcmp(d->sender, member_id(&s->m, s->at), 8) != 0)
			continue;
		bytes_put(&b, piece, (size_t)n);
		return b;
	}
	die("the node says nothing to one that seems to be alive");
}

/* A good one is taken, and answered; again it is not. */
static void
replayed(struct sniper *s)
{
	struct dgram d = good_dgram(s), answer;
	struct bytes records = ping(s), b = {0}, inner = {0}, heard;

	dgram_put(&b, &d, &records);
	member_shoot(&s->m, s->a->port, &b);
	heard = hear(s, &answer, &inner);
	SHOTS(s, "datagrams replayed", "datagrams_replayed");
	for (int i = 0; i < 200; i++)
		shot(s, &b, "a datagram again");
	d.boot = 1;
	b.n = 0;
	dgram_put(&b, &d, &records);
	shot(s, &b, "a datagram of an earlier life");
	d = good_dgram(s);
	d.seq += 5000;
	b.n = 0;
	dgram_put(&b, &d, &records);
	member_shoot(&s->m, s->a->port, &b);
	s->m.seq = d.seq;
	for (uint64_t back = 512; back < 5000; back += 500) {
		d.seq = s->m.seq - back;
		b.n = 0;
		dgram_put(&b, &d, &records);
		shot(s, &b, "a datagram from before the window");
	}
	bytes_free(&heard);
	bytes_free(&b);
	bytes_free(&inner);
	bytes_free(&records);
}

/* Each byte of what goes over the wire. */
static void
bent(struct sniper *s)
{
	struct dgram d = good_dgram(s);
	struct bytes records = ping(s), b = {0}, part;

	SHOTS(s, "datagrams, each bit changed, cut, too long", "datagrams_junk");
	dgram_put(&b, &d, &records);
	for (size_t at = 0; at < b.n; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			b.p[at] ^= (uint8_t)(1u << bit);
			shot(s, &b, "a datagram with one bit changed");
			b.p[at] ^= (uint8_t)(1u << bit);
		}
	}
	for (size_t n = 1; n < b.n; n++) {
		part = (struct bytes){.p = b.p, .n = n};
		shot(s, &part, "a part of a datagram");
	}
	while (b.n < 1600) {
		bytes_put(&b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b.n < 1200 ? 1 : 16);
		shot(s, &b, "a datagram with something behind it");
	}
	bytes_free(&b);
	bytes_free(&records);
}

/* Each byte of what is inside, sealed again with the key that all members have. */
static void
forged(struct sniper *s)
{
	struct bytes records = ping(s), inner = {0}, b = {0};
	struct dgram d = good_dgram(s);

	SHOTS(s, "datagrams sealed well, and forged inside", "datagrams_forged",
		"datagrams_malformed", "datagrams_stranger", "datagrams_astray");
	dgram_sign(&inner, &d, &records);
	for (size_t at = 0; at < inner.n; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			inner.p[at] ^= (uint8_t)(1u << bit);
			b.n = 0;
			dgram_seal(&b, &d, &inner);
			shot(s, &b, "a datagram with one bit changed inside");
			inner.p[at] ^= (uint8_t)(1u << bit);
		}
	}
	d = good_dgram(s);
	d.cluster[0] ^= 1;
	b.n = 0;
	dgram_put(&b, &d, &records);
	shot(s, &b, "a datagram of another cluster");
	d = good_dgram(s);
	memcpy(d.sender, member_id(&s->m, "beta"), 32);
	b.n = 0;
	dgram_put(&b, &d, &records);
	shot(s, &b, "a datagram in another's name");
	memcpy(d.sender, member_id(&s->m, s->at), 32);
	b.n = 0;
	dgram_put(&b, &d, &records);
	shot(s, &b, "a datagram in the receiver's own name");
	memset(d.sender, 1, 32);
	b.n = 0;
	dgram_put(&b, &d, &records);
	shot(s, &b, "a datagram of nobody");
	d = good_dgram(s);
	d.receiver[31] ^= 1;
	b.n = 0;
	dgram_put(&b, &d, &records);
	shot(s, &b, "a datagram that is signed for another");
	bytes_free(&b);
	bytes_free(&inner);
	bytes_free(&records);
}

/* What another has said: as it is, and with its record changed. */
static void
redirected(struct sniper *s)
{
	struct bytes b = {0}, inner = {0}, heard;
	struct dgram d = good_dgram(s);
	static const char *const names[] = {"beta", "gamma", "delta"};

	SHOTS(s, "datagrams redirected, reflected", "datagrams_astray", "datagrams_stranger",
		"datagrams_forged");
	for (size_t i = 0; i < 3; i++) {
		struct bytes records = ping(s);

		d = good_dgram(s);
		memcpy(d.receiver, member_id(&s->m, names[i]), 32);
		b.n = 0;
		dgram_put(&b, &d, &records);
		shot(s, &b, "a datagram that is for another");
		bytes_free(&records);
	}
	heard = hear(s, &d, &inner);
	shot(s, &heard, "its own datagram back to it");
	memcpy(d.receiver, member_id(&s->m, s->at), 32);
	b.n = 0;
	dgram_seal(&b, &d, &inner);
	shot(s, &b, "its own datagram back to it, with its address on it");
	SHOTS(s, "another's record, altered", "datagrams_forged", "datagrams_malformed");
	memcpy(d.sender, member_id(&s->m, "beta"), 32);
	d.boot = 1u << 20; /* so that it is no replay */
	for (size_t at = 0; at + 64 < inner.n; at++) {
		inner.p[at] ^= 1;
		b.n = 0;
		dgram_seal(&b, &d, &inner);
		shot(s, &b, "another's record, altered");
		inner.p[at] ^= 1;
	}
	bytes_free(&heard);
	bytes_free(&b);
	bytes_free(&inner);
}

/* Records that are none, in datagrams that are good. */
static void
nonsense(struct sniper *s)
{
	static const char *const records[] = {"\x80", "\x81\x80", "\x81\xf6", "\x81\x81\x01",
		"\x81\x81\x02", "\x81\x81\x03", "\x81\x81\x08", "\x81\x82\x08\x01",
		"\x81\x82\x08\x40", "\x81\x81\x09", "\x81\x81\x0b", "\x81\x82\x0b\x41\x01",
		"\x81\x81\x18\x1e", "\x81\x81\x18\x1f", "\x82\x81\x01", "\x81\x9f\x01\xff",
		"\x9f\xff", "\xa1\x01\x01", "\x81\x1b"};
	struct bytes b = {0};

	SHOTS(s, "records that are none, in good datagrams", "datagrams_malformed",
		"messages_refused");
	for (size_t i = 2; i < sizeof(records) / sizeof(records[0]); i++) {
		struct bytes record = {
			.p = (uint8_t *)(uintptr_t)records[i], .n = strlen(records[i])};
		struct dgram d = good_dgram(s);

		b.n = 0;
		dgram_put(&b, &d, &record);
		shot(s, &b, "a record that is none");
	}
	bytes_free(&b);
}

static void
sniper_enter(struct sniper *s, struct aim *a, const char *at)
{
	if (a->argc < 1)
		die("usage: attack WHAT PORT STATE TOKEN-FILE ENEMYS-STATE");
	*s = (struct sniper){.a = a, .at = at};
	member_enter(&s->m, a, a->argv[0]);
}

/* Says "in" when it is, and waits until the node cuts its stream, for its key was shut out: then it
 * may not even come in any more, and what it says is dropped. */
void
attack_revoked(struct aim *a)
{
	struct bytes hello, records, b = {0};
	struct sniper s;

	sniper_enter(&s, a, "alpha");
	(void)puts("in");
	(void)fflush(stdout);
	kind(a, "streams open when their key is shut out", NULL);
	tried(is_closed(s.m.control.fd, SIZE_MAX, 60000), "a stream that was open");
	SHOTS(&s, "datagrams of a key that is shut out", "datagrams_revoked");
	for (int i = 0; i < 200; i++) {
		struct dgram d = good_dgram(&s);

		records = ping(&s);
		b.n = 0;
		dgram_put(&b, &d, &records);
		shot(&s, &b, "a datagram by a key that was shut out");
		bytes_free(&records);
	}
	settle(&s);
	KIND(a, "streams of a key that is shut out", "streams_revoked");
	hello = greeting(0, &s.m.credential);
	for (int i = 0; i < 20; i++) {
		struct stream stream;

		(void)stream_open(&stream, a->port, &a->self, a->token.cluster, &hello);
		/* It is told why. */
		tried(is_closed(stream.fd, 2048, CLOSES_MS), "a stream by a key that was shut out");
		stream_close(&stream);
	}
	bytes_free(&hello);
	bytes_free(&b);
}

/* Of this life, good ones, each taken once; kept as they went over the wire. */
#define RECORDED 200

static void
record(struct sniper *s, uint32_t boot, struct bytes kept[RECORDED])
{
	for (int i = 0; i < RECORDED; i++) {
		struct dgram d = good_dgram(s);
		struct bytes records = ping(s);

		d.boot = boot;
		kept[i] = (struct bytes){0};
		dgram_put(&kept[i], &d, &records);
		member_shoot(&s->m, s->a->port, &kept[i]);
		bytes_free(&records);
	}
}

/* Datagrams are not lost here, nor does one overtake another: what was shot before is taken when
 * the node is heard in a life later than `boot`. */
static uint64_t
hear_later(struct sniper *s, uint64_t boot)
{
	struct bytes inner = {0}, heard;
	struct dgram d;

	do {
		heard = hear(s, &d, &inner);
		bytes_free(&heard);
	} while (d.boot <= boot);
	bytes_free(&inner);
	return d.boot;
}

/*
 * ENEMYS-STATE NAME FILE: what the node with that name has taken is said to it again when it has
 * ended and begun anew, which FILE tells by being there. It has only kept in which life of its peer
 * that was: the first that it hears may be the last that it was told, and nothing before that one.
 */
void
attack_replay(struct aim *a)
{
	static struct bytes before[RECORDED], now[RECORDED];
	struct bytes records, b = {0};
	struct sniper s;
	struct dgram d;
	uint64_t boot;

	if (a->argc != 3)
		die("usage: attack replay PORT STATE TOKEN-FILE ENEMYS-STATE NAME FILE");
	sniper_enter(&s, a, a->argv[1]);
	boot = hear_later(&s, 0);
	record(&s, s.m.boot - 1, before);
	record(&s, s.m.boot, now);
	(void)puts("in");
	(void)fflush(stdout);
	while (access(a->argv[2], F_OK) != 0)
		(void)poll(NULL, 0, 10);
	d = good_dgram(&s);
	records = ping(&s);
	dgram_put(&b, &d, &records);
	member_shoot(&s.m, a->port, &b);
	(void)hear_later(&s, boot);
	SHOTS(&s, "datagrams replayed after a restart", "datagrams_replayed");
	shot(&s, &b, "the datagram that was heard first");
	for (int i = RECORDED - 1; i >= 0; i--) {
		shot(&s, &now[i], "a datagram from before the restart");
		shot(&s, &before[i], "a datagram of an earlier life, from before the restart");
		bytes_free(&now[i]);
		bytes_free(&before[i]);
	}
	settle(&s);
	bytes_free(&b);
	bytes_free(&records);
	stream_close(&s.m.control);
}

void
attack_datagrams(struct aim *a)
{
	struct sniper s;

	sniper_enter(&s, a, "alpha");
	replayed(&s);
	bent(&s);
	forged(&s);
	redirected(&s);
	nonsense(&s);
	settle(&s);
	stream_close(&s.m.control);
}
