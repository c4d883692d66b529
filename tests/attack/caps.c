/* SPDX-License-Identifier: Apache-2.0 */
/* What a node can do and how busy it is, told by another, altered and in its name; and what one
 * that is believed makes of the work that it is given. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attack.h"

/* Of a statement's record. */
#define ITEMS       12
#define ID          3
#define INCARNATION 4
#define NAME        5
#define ADDRESSES   6
#define ROLES       9
#define STATUS      10
#define DIGEST      11

/* Above all that was said, so that it would be believed. */
#define LATER (1ull << 40)
/* Above every boot of the others, so that it is no replay. */
#define BOOT_LATER (1u << 20)

struct forger {
	struct aim *a;
	struct member m;
	/* What another has said of itself, and what it can do. */
	struct bytes items[ITEMS], sig, caps;
	uint8_t digest[32];
	struct bytes word;
};

static void
say(struct forger *f, uint64_t kind, size_t more)
{
	f->word.n = 0;
	put_array(&f->word, 1 + more);
	put_uint(&f->word, kind);
}

static void
speak(struct forger *f)
{
	if (!message_send(&f->m.control, &f->word))
		die("the node has closed the stream");
}

/* ---- the truth ---- */

static void
learn_statement(struct forger *f, const uint8_t id[32])
{
	struct reader r = reader_of(&f->m.statements);

	for (size_t n = f->m.statement_count; n > 0; n--) {
		struct reader record;
		struct bytes bytes;

		(void)read_array(&r);
		bytes = read_blob(&r);
		f->sig = read_blob(&r);
		record = reader_of(&bytes);
		if (read_array(&record) != ITEMS)
			continue;
		for (size_t i = 0; i < ITEMS; i++)
			f->items[i] = read_item(&record);
		record = reader_of(&f->items[ID]);
		if (memcmp(read_blob(&record).p, id, 32) != 0)
			continue;
		record = reader_of(&f->items[DIGEST]);
		memcpy(f->digest, read_blob(&record).p, 32);
		return;
	}
	die("the node does not tell what another has said");
}

static void
learn_caps(struct forger *f)
{
	struct bytes answer = {0}, caps;
	struct reader r;

	say(f, 34, 1);
	put_array(&f->word, 1);
	put_blob(&f->word, f->digest, 32);
	speak(f);
	if (!message_await(&f->m.control, 35, &answer))
		die("the node does not tell what another can do");
	r = reader_of(&answer);
	(void)read_array(&r);
	(void)read_uint(&r);
	(void)read_array(&r);
	caps = read_blob(&r);
	f->caps = bytes_copy(&caps);
	bytes_free(&answer);
}

/* ---- statements ---- */

/* What it has said, newer, with that item changed. */
static struct bytes
altered(const struct forger *f, size_t at, const struct bytes *item)
{
	struct bytes record = {0};

	put_array(&record, ITEMS);
	for (size_t i = 0; i < ITEMS; i++) {
		const struct bytes *as = i == at ? item : &f->items[i];

		if (i == INCARNATION)
			put_uint(&record, LATER);
		else
			bytes_put(&record, as->p, as->n);
	}
	return record;
}

/* In a good datagram, as a message, and among what the node is said to lack. */
static void
spread(struct forger *f, const struct bytes *record, const uint8_t sig[64], const char *what)
{
	struct dgram d = member_dgram(&f->m, f->a, "alpha");
	struct bytes statement = {0}, records = {0}, b = {0};

	put_array(&statement, 2);
	put_bytes(&statement, record);
	put_blob(&statement, sig, 64);

	put_array(&records, 1);
	put_array(&records, 2);
	put_uint(&records, 8);
	bytes_put(&records, statement.p, statement.n);
	dgram_put(&b, &d, &records);
	member_shoot(&f->m, f->a->port, &b);
	tried(true, "%s, in a datagram", what);

	say(f, 8, 1);
	bytes_put(&f->word, statement.p, statement.n);
	speak(f);
	tried(true, "%s", what);

	say(f, 33, 4);
	put_array(&f->word, 0);
	put_array(&f->word, 1);
	bytes_put(&f->word, statement.p, statement.n);
	put_array(&f->word, 0);
	put_array(&f->word, 0);
	speak(f);
	tried(true, "%s, by the way", what);
	/* The datagrams of a few are not too many for the kernel. */
	member_settle(&f->m);
	bytes_free(&statement);
	bytes_free(&records);
	bytes_free(&b);
}

/* By whomever but the one whose statement it is. */
static void
spread_signed(struct forger *f, const struct bytes *record, const char *what)
{
	struct keys nobody = keys_make(74);
	uint8_t sig[64];

	spread(f, record, f->sig.p, what);
	memcpy(sig, f->sig.p, sizeof(sig));
	sig[63] ^= 1;
	spread(f, record, sig, what);
	memset(sig, 0, sizeof(sig));
	spread(f, record, sig, what);
	sign_record(sig, &f->a->self, record);
	spread(f, record, sig, what);
	sign_record(sig, &nobody, record);
	spread(f, record, sig, what);
}

static void
forge_statements(struct forger *f)
{
	static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
	static const struct {
		size_t at;
		const char *what;
	} lies[] = {
		{INCARNATION, "says again what another has said"},
		{ID, "says of one what another has said of itself"},
		{NAME, "calls another another name"},
		{ADDRESSES, "says where another is"},
		{ROLES, "says what another may"},
		{STATUS, "says that another drains"},
		{DIGEST, "says that another can do something else"},
		{DIGEST, "says that another can do nothing"},
	};
	struct bytes items[sizeof(lies) / sizeof(lies[0])] = {{0}};
	uint8_t digest[32] = {5};

	put_uint(&items[0], 0);
	put_blob(&items[1], member_id(&f->m, "gamma"), 32);
	put_text(&items[2], "another");
	put_array(&items[3], 1);
	put_array(&items[3], 2);
	put_blob(&items[3], loopback, sizeof(loopback));
	put_uint(&items[3], f->m.udp_port);
	put_uint(&items[4], 15);
	put_uint(&items[5], 1);
	put_blob(&items[6], digest, sizeof(digest));
	put_null(&items[7]);
	KIND(f->a, "statements and capabilities in another's name", "messages_refused");
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct bytes record = altered(f, lies[i].at, &items[i]);

		spread_signed(f, &record, lies[i].what);
		bytes_free(&record);
		bytes_free(&items[i]);
	}
}

/* ---- capabilities ---- */

static void
give(struct forger *f, const struct bytes *caps)
{
	say(f, 35, 1);
	put_array(&f->word, 1);
	put_bytes(&f->word, caps);
	speak(f);
}

static void
give_unannounced(struct forger *f)
{
	struct bytes part = f->caps;

	KIND(f->a, "capabilities that nobody has announced", "messages_refused");
	for (size_t at = 0; at < f->caps.n; at++) {
		f->caps.p[at] ^= 1;
		give(f, &f->caps);
		f->caps.p[at] ^= 1;
		tried(true, "capabilities with one bit changed");
		part.n = at;
		give(f, &part);
		tried(true, "a part of capabilities");
	}
	member_settle(&f->m);
}

/* Says of itself, as it may, what another would say with its key. */
static void
announce(struct forger *f, uint64_t incarnation, const uint8_t digest[32])
{
	struct bytes record = {0};
	uint8_t sig[64];

	put_array(&record, ITEMS);
	for (size_t i = 0; i < ITEMS; i++) {
		if (i == ID)
			put_blob(&record, f->a->self.id, 32);
		else if (i == INCARNATION)
			put_uint(&record, incarnation);
		else if (i == NAME)
			put_text(&record, "delta");
		else if (i == ADDRESSES)
			put_array(&record, 0);
		else if (i == DIGEST && digest == NULL)
			put_null(&record);
		else if (i == DIGEST)
			put_blob(&record, digest, 32);
		else
			bytes_put(&record, f->items[i].p, f->items[i].n);
	}
	sign_record(sig, &f->a->self, &record);
	say(f, 8, 1);
	put_array(&f->word, 2);
	put_bytes(&f->word, &record);
	put_blob(&f->word, sig, sizeof(sig));
	speak(f);
	bytes_free(&record);
}

/* Is asked for what it has announced, and has it not; or it is junk. */
static void
give_other(struct forger *f)
{
	uint64_t incarnation = ((uint64_t)f->m.boot << 32) + (1u << 20);
	struct bytes junk = {0}, asked = {0};
	uint8_t digest[32];

	put_text(&junk, "junk");
	hash_of(digest, &junk, 1);
	announce(f, incarnation, digest);
	if (!message_await(&f->m.control, 34, &asked))
		die("the node does not ask what one can do");
	KIND(f->a, "capabilities that are not those that were announced", "messages_refused",
		"messages_malformed");
	for (size_t at = 0; at < f->caps.n; at++) {
		f->caps.p[at] ^= 1;
		give(f, &f->caps);
		f->caps.p[at] ^= 1;
		tried(true, "capabilities other than those that were announced");
	}
	give(f, &junk);
	tried(true, "capabilities that are junk");
	member_settle(&f->m);
	announce(f, incarnation + 1, NULL);
	bytes_free(&junk);
	bytes_free(&asked);
}

/* ---- messages that cannot be read ---- */

static void
garble(struct forger *f)
{
	static const uint8_t zero[20000];
	static const size_t sizes[] = {0, 1, 4, 60, 65, 68, 4100, 8192};

	KIND(f->a, "sums and capabilities that are none", "messages_malformed");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		say(f, 96, 2);
		put_blob(&f->word, zero, sizes[i]);
		put_blob(&f->word, zero, 8);
		speak(f);
		tried(true, "sums of %zu bytes", sizes[i]);
	}
	for (uint64_t kind = 34; kind <= 35; kind++) {
		for (unsigned i = 0; i < 4; i++) {
			say(f, kind, 1);
			if (i < 3)
				put_array(&f->word, 1);
			if (i == 0)
				put_uint(&f->word, 1);
			else if (i == 1)
				put_null(&f->word);
			else if (i == 2)
				put_blob(&f->word, zero, sizeof(zero));
			else
				put_blob(&f->word, zero, 32);
			speak(f);
			tried(true, "capabilities that are none");
		}
	}
	member_settle(&f->m);
}

/* ---- load ---- */

static struct bytes
ping(uint64_t load)
{
	struct bytes b = {0};

	put_array(&b, 1);
	put_array(&b, 9);
	put_uint(&b, 1);
	put_uint(&b, load);
	put_blob(&b, "\0\0\0\0\0\0\0\0", 8);
	put_uint(&b, load);
	put_uint(&b, (uint64_t)time(NULL) * 1000);
	for (int i = 0; i < 4; i++)
		put_uint(&b, load);
	return b;
}

static void
forge_load(struct forger *f)
{
	static const char *const names[] = {"beta", "gamma"};

	KIND(f->a, "load in another's name", "datagrams_forged");
	for (uint64_t i = 0; i < 24; i++) {
		struct dgram d = member_dgram(&f->m, f->a, "alpha");
		struct bytes records = ping(i % 4 * 7), inner = {0}, b = {0};

		d.boot = BOOT_LATER;
		if (i / 8 != 0) /* else it is what it has signed as itself */
			memcpy(d.sender, member_id(&f->m, names[i % 2]), 32);
		dgram_sign(&inner, &d, &records);
		if (i / 8 == 1)
			inner.p[inner.n - 1] ^= 1;
		memcpy(d.sender, member_id(&f->m, names[i % 2]), 32);
		dgram_seal(&b, &d, &inner);
		member_shoot(&f->m, f->a->port, &b);
		tried(true, "says how busy another is");
		bytes_free(&records);
		bytes_free(&inner);
		bytes_free(&b);
	}
}

/* ---- one that is given work ---- */

/* Lives on its stream, as it has no address, until it is told a message of that number. */
static bool
live_until(struct forger *f, uint64_t number, struct bytes *message)
{
	for (;;) {
		struct reader r;
		struct bytes view;
		uint64_t seq;

		message->n = 0;
		if (!message_receive(&f->m.control, message, CLOSES_MS))
			return false;
		if (message_kind(message) == number)
			return true;
		if (message_kind(message) != 1)
			continue;
		r = reader_of(message);
		(void)read_array(&r);
		(void)read_uint(&r);
		seq = read_uint(&r);
		view = read_blob(&r);
		say(f, 2, 4);
		put_uint(&f->word, seq);
		put_bytes(&f->word, &view);
		put_uint(&f->word, 0);
		put_uint(&f->word, wall_ms());
		speak(f);
	}
}

struct work {
	struct bytes run;
	uint64_t generation, term, module, counter;
};

/* The first item of [61, run, generation, term, [[module, counter, ...]...], ...]. */
static struct work
work_read(const struct bytes *assign)
{
	struct reader r = reader_of(assign);
	struct work work;

	(void)read_array(&r);
	(void)read_uint(&r);
	work.run = read_blob(&r);
	work.generation = read_uint(&r);
	work.term = read_uint(&r);
	(void)read_array(&r);
	(void)read_array(&r);
	work.module = read_uint(&r);
	work.counter = read_uint(&r);
	return work;
}

/* A result of it, signed; changed then, or by another, or of another. */
static void
result_put(struct forger *f, const struct work *work, unsigned how)
{
	const struct keys nobody = keys_make(75);
	const struct outcome outcome = {.cluster = f->a->token.cluster,
		.run = work->run.p,
		.node = how == 2 ? member_id(&f->m, "beta") : f->a->self.id,
		.leader = member_id(&f->m, "alpha"),
		.generation = work->generation,
		.module = work->module,
		.term = work->term,
		.counter = work->counter + (how == 3)};
	struct bytes record = {0}, result = {0};
	uint8_t sig[64];

	outcome_put(&record, &outcome);
	sign_record(sig, how == 1 ? &nobody : &f->a->self, &record);
	if (how == 0)
		record.p[record.n - 5] = 0xf5; /* what it has written was cut, it says now */
	outcome_signed_put(&result, &record, sig);

	say(f, 72, 4);
	put_bytes(&f->word, &work->run);
	put_uint(&f->word, work->generation);
	put_uint(&f->word, work->term);
	put_array(&f->word, 1);
	put_array(&f->word, 5);
	put_uint(&f->word, work->module);
	put_uint(&f->word, work->term);
	put_uint(&f->word, work->counter);
	put_bytes(&f->word, &result);
	put_array(&f->word, 0);
	bytes_free(&record);
	bytes_free(&result);
}

/* Is believed to be able to do what another can, and says "in"; given work, it tells of results
 * that are none, each twice. */
void
attack_worker(struct aim *a)
{
	struct forger f = {.a = a};
	struct bytes hello, assign = {0};
	struct stream bulk;
	struct work work;

	if (a->argc != 1)
		die("usage: attack worker PORT STATE TOKEN-FILE ENEMYS-STATE");
	member_enter(&f.m, a, a->argv[0]);
	hello = greeting(1, &f.m.credential);
	if (!stream_open(&bulk, a->port, &a->self, a->token.cluster, &hello))
		die("the node takes no stream for blobs");
	learn_statement(&f, member_id(&f.m, "beta"));
	announce(&f, ((uint64_t)f.m.boot << 32) + (1u << 20), f.digest);
	(void)puts("in");
	(void)fflush(stdout);
	if (!live_until(&f, 61, &assign))
		die("the node gives no work to one that can do it");
	work = work_read(&assign);
	KIND(a, "forged results of work that it was given", "messages_refused");
	for (unsigned how = 0; how < 8; how++) {
		result_put(&f, &work, how / 2);
		speak(&f);
		tried(true, "a forged result of work that it was given");
	}
	member_settle(&f.m);
	announce(&f, ((uint64_t)f.m.boot << 32) + (1u << 20) + 1, NULL);
	bytes_free(&hello);
	bytes_free(&assign);
	bytes_free(&f.word);
	stream_close(&bulk);
	stream_close(&f.m.control);
}

void
attack_caps(struct aim *a)
{
	struct forger f = {.a = a};

	if (a->argc != 1)
		die("usage: attack caps PORT STATE TOKEN-FILE ENEMYS-STATE");
	member_enter(&f.m, a, a->argv[0]);
	learn_statement(&f, member_id(&f.m, "beta"));
	learn_caps(&f);
	member_settle(&f.m);
	forge_statements(&f);
	give_unannounced(&f);
	give_other(&f);
	garble(&f);
	forge_load(&f);
	bytes_free(&f.word);
	bytes_free(&f.caps);
	stream_close(&f.m.control);
}
