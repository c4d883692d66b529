/* SPDX-License-Identifier: Apache-2.0 */
/* What one says whose stream is open. */
#include <string.h>

#include "attack.h"

/* Numbers of all messages that there are, and some that are none. */
#define MESSAGE_LAST 210

/* ---- one who was invited, and is no member ---- */

/* Requests to join that cannot be read are answered: so many answers, and everything before the
 * last one was looked at. */
static bool
settled(struct stream *s, unsigned asked)
{
	struct bytes answer = {0};
	struct reader r;
	bool good = true;

	while (good && asked-- > 0) {
		answer.n = 0;
		good = message_receive(s, &answer, CLOSES_MS);
		r = reader_of(&answer);
		good = good && read_array(&r) > 0 && read_uint(&r) == 38;
	}
	bytes_free(&answer);
	return good;
}

void
attack_strangers(struct aim *a)
{
	struct bytes hello, word = {0};
	struct stream s;

	aim_stranger(a, 4, "mallory");
	hello = greeting(0, &a->credential);
	if (!stream_open(&s, a->port, &a->self, a->token.cluster, &hello))
		die("an invited node may not even ask");
	KIND(a, "messages of one who is no member", "messages_refused", "messages_malformed",
		"joins_refused");
	for (unsigned number = 0; number <= MESSAGE_LAST; number++) {
		for (unsigned more = 0; more < 4; more++) {
			word.n = 0;
			put_array(&word, 1 + more);
			put_uint(&word, number);
			for (unsigned i = 0; i < more; i++)
				put_blob(&word, a->self.id, i == 0 ? 16 : 32);
			tried(message_send(&s, &word), "message %u of one who is no member",
				number);
		}
	}
	word.n = 0;
	put_array(&word, 1);
	put_uint(&word, 36);
	tried(message_send(&s, &word) && settled(&s, 5), /* and the four among those above */
		"one who is no member is answered");
	bytes_free(&word);
	bytes_free(&hello);
	stream_close(&s);
}

/* ---- one who is a member ---- */

struct liar {
	struct aim *a;
	struct member m;
	struct bytes word;
	uint64_t refused, malformed;
};

static void
say(struct liar *l, uint64_t kind, size_t more)
{
	l->word.n = 0;
	put_array(&l->word, 1 + more);
	put_uint(&l->word, kind);
}

static void
judge(struct liar *l, uint64_t *refused, uint64_t *malformed)
{
	static const char *const refusals[] = {
		"messages_refused", "messages_fenced", "joins_refused", NULL};
	static const char *const nonsense[] = {"messages_malformed", NULL};

	*refused = counted(l->a->victim, refusals);
	*malformed = counted(l->a->victim, nonsense);
}

/* Says it, and how much more was refused, and found malformed, then. */
static void
speak(struct liar *l, const char *what, uint64_t *refused, uint64_t *malformed)
{
	uint64_t now[2];

	if (!message_send(&l->m.control, &l->word))
		die("%s: the node has closed the stream", what);
	member_settle(&l->m);
	judge(l, &now[0], &now[1]);
	*refused = now[0] - l->refused - 1; /* the word that settles */
	*malformed = now[1] - l->malformed;
	l->refused = now[0];
	l->malformed = now[1];
}

/* Well said, and not for it to say. */
static void
lie(struct liar *l, const char *what)
{
	uint64_t refused, malformed;

	speak(l, what, &refused, &malformed);
	tried(refused > 0, "%s%s", what, malformed > 0 ? " (it was malformed)" : "");
}

/* What cannot be. */
static void
rave(struct liar *l, const char *what)
{
	uint64_t refused, malformed;

	speak(l, what, &refused, &malformed);
	tried(refused + malformed > 0, "%s", what);
}

static void
put_run(struct liar *l, uint64_t generation, uint64_t term)
{
	put_blob(&l->word, l->m.run, sizeof(l->m.run));
	put_uint(&l->word, generation);
	put_uint(&l->word, term);
}

static const uint64_t terms[] = {1, 2, 3, 1000, UINT32_MAX, 1ull << 32, UINT64_MAX >> 1};
#define TERMS (sizeof(terms) / sizeof(terms[0]))

/* A vote of this run, by whomever. */
static void
vote_sign(struct liar *l, const struct keys *by, const uint8_t candidate[32], uint64_t term,
	uint8_t sig[64])
{
	struct reader r = reader_of(&l->m.run_signed);
	struct bytes vote = {0}, record;
	uint8_t naming[32];

	(void)read_array(&r);
	record = read_blob(&r);
	hash_of(naming, &record, 1);
	put_array(&vote, 8);
	put_text(&vote, "mp-vote");
	put_uint(&vote, 1);
	put_blob(&vote, l->a->token.cluster, 32);
	put_blob(&vote, l->m.run, 16);
	put_uint(&vote, 1);
	put_blob(&vote, naming, 32);
	put_uint(&vote, term);
	put_blob(&vote, candidate, 32);
	sign_record(sig, by, &vote);
	bytes_free(&vote);
}

/* A certificate of who was never voted for: votes of two electors, which they have not cast. */
static void
certificate_put(struct liar *l, const uint8_t leader[32], uint64_t term, struct bytes *out)
{
	uint8_t sig[64];

	vote_sign(l, &l->a->self, leader, term, sig);
	put_array(out, 7);
	put_text(out, "mp-leader");
	put_uint(out, 1);
	put_blob(out, l->m.run, 16);
	put_uint(out, 1);
	put_uint(out, term);
	put_blob(out, leader, 32);
	put_array(out, 2);
	for (unsigned i = 0; i < 2; i++) {
		put_array(out, 2);
		put_uint(out, i);
		put_blob(out, sig, sizeof(sig));
	}
}

static void
lie_of_votes(struct liar *l, uint64_t term)
{
	uint8_t sig[64];

	say(l, 40, 5);
	put_run(l, 1, term);
	put_uint(&l->word, 1u << 20);
	put_uint(&l->word, term);
	lie(l, "wants to stand, and is no elector");
	say(l, 41, 5);
	put_run(l, 1, term);
	put_bool(&l->word, true);
	put_uint(&l->word, term);
	lie(l, "would vote, and is no elector");
	say(l, 42, 6);
	put_run(l, 1, term);
	put_uint(&l->word, 1u << 20);
	put_uint(&l->word, term);
	put_bool(&l->word, true);
	lie(l, "stands, and is no elector");
	vote_sign(l, &l->a->self, l->m.electors[0], term, sig);
	say(l, 43, 5);
	put_run(l, 1, term);
	put_bool(&l->word, true);
	put_blob(&l->word, sig, sizeof(sig));
	lie(l, "votes, and is no elector");
	say(l, 46, 3);
	put_run(l, 1, term);
	lie(l, "tells an elector to stand");
	say(l, 47, 2);
	put_uint(&l->word, term);
	put_array(&l->word, 1);
	put_array(&l->word, 4);
	put_run(l, 1, term);
	put_uint(&l->word, 1u << 20);
	lie(l, "beats as a leader");
}

static void
lie_of_log(struct liar *l, uint64_t term)
{
	struct bytes certificate = {0};
	uint8_t zero[32] = {0};

	certificate_put(l, l->a->self.id, term, &certificate);
	for (int i = 0; i < 2; i++) {
		say(l, 44, 10);
		put_run(l, 1, term);
		put_uint(&l->word, 1);
		put_uint(&l->word, 1);
		put_uint(&l->word, 0);
		put_blob(&l->word, zero, sizeof(zero));
		put_uint(&l->word, 1);
		if (i == 0)
			put_null(&l->word);
		else
			put_bytes(&l->word, &certificate);
		put_array(&l->word, 0);
		lie(l, "appends to a log of others");
	}
	say(l, 45, 9);
	put_run(l, 1, term);
	put_uint(&l->word, 1);
	put_uint(&l->word, 1);
	put_bool(&l->word, true);
	put_uint(&l->word, 1u << 20);
	put_uint(&l->word, 0);
	put_uint(&l->word, 0);
	lie(l, "says that it has a log of others");
	bytes_free(&certificate);
}

/* Work for a node, from who does not lead: [61, run, generation, term, [item], []]. */
static void
lie_of_work(struct liar *l, uint64_t term)
{
	static const unsigned lists[] = {63, 64};
	uint8_t sig[64];

	say(l, 61, 5);
	put_run(l, 1, term);
	put_array(&l->word, 1);
	put_array(&l->word, 7);
	put_uint(&l->word, 0);
	put_uint(&l->word, 1u << 20);
	put_uint(&l->word, 1);
	put_text(&l->word, "m-1-1");
	put_blob(&l->word, "\xa0", 1);
	memset(sig, 7, sizeof(sig));
	put_blob(&l->word, sig, sizeof(sig));
	put_array(&l->word, 0);
	put_array(&l->word, 0);
	lie(l, "hands out work, and does not lead");
	for (int i = 0; i < 2; i++) {
		say(l, lists[i], 4);
		put_run(l, 1, term);
		put_array(&l->word, 1);
		put_array(&l->word, 3);
		put_uint(&l->word, 0);
		put_uint(&l->word, 1);
		put_uint(&l->word, 1);
		lie(l, "settles or kills, and does not lead");
	}
	say(l, 62, 4);
	put_run(l, 1, term);
	put_uint(&l->word, 1);
	lie(l, "asks how work goes, and does not lead");
	say(l, 65, 3);
	put_run(l, 1, term);
	lie(l, "says that the run is over, and does not lead");
	say(l, 66, 4);
	put_run(l, 1, term);
	put_uint(&l->word, 1);
	lie(l, "lends a lease, and does not lead");
}

/* A result of an attempt by `node`, made of what nobody has offered. */
static void
result_put(struct liar *l, struct bytes *out, const uint64_t attempt[3], const uint8_t node[32],
	const uint8_t leader[32], uint64_t status)
{
	const struct outcome outcome = {.cluster = l->a->token.cluster,
		.run = l->m.run,
		.node = node,
		.leader = leader,
		.generation = (attempt[1] >> 32) + 1,
		.module = attempt[0],
		.term = attempt[1],
		.counter = attempt[2],
		.status = status};
	struct bytes record = {0};
	uint8_t sig[64];

	outcome_put(&record, &outcome);
	sign_record(sig, &l->a->self, &record);
	outcome_signed_put(out, &record, sig);
	bytes_free(&record);
}

static void
lie_of_results(struct liar *l, uint64_t term)
{
	const uint8_t *nodes[] = {l->a->self.id, member_id(&l->m, "beta")};

	for (uint64_t i = 0; i < 24; i++) {
		const uint64_t attempt[3] = {i % 6 * 2, term, 1 + i / 6};
		struct bytes result = {0};

		result_put(l, &result, attempt, nodes[i % 2], l->m.electors[i % l->m.elector_count],
			i % 3 == 0 ? 1 : 0);
		say(l, 72, 4);
		put_run(l, 1, term);
		put_array(&l->word, 1);
		put_array(&l->word, 5);
		for (int k = 0; k < 3; k++)
			put_uint(&l->word, attempt[k]);
		put_bytes(&l->word, &result);
		put_array(&l->word, 0);
		lie(l, "has a result of what it was never given");
		lie(l, "has it again");
		bytes_free(&result);
	}
}

/* Is introduced as a leader by votes that nobody cast. */
static void
lie_of_lead(struct liar *l, uint64_t term)
{
	/* Of the terms that there may have been one of them is the leader. */
	for (size_t i = term < 1000 ? l->m.elector_count : 0; i <= l->m.elector_count; i++) {
		const uint8_t *leader = i == l->m.elector_count ? l->a->self.id : l->m.electors[i];
		struct bytes certificate = {0};

		certificate_put(l, leader, term, &certificate);
		say(l, 60, 2);
		put_bytes(&l->word, &l->m.run_signed);
		put_bytes(&l->word, &certificate);
		lie(l, "leads by forged votes");
		bytes_free(&certificate);
	}
}

/* ---- about runs ---- */

/* A record of the run as this one would like it: by another opener's hand. */
static void
lie_of_runs(struct liar *l)
{
	struct reader r = reader_of(&l->m.run_signed);
	struct bytes record, forged = {0}, end = {0}, signed_end = {0};
	uint8_t sig[64], zero[32] = {0};

	(void)read_array(&r);
	record = read_blob(&r);
	sign_record(sig, &l->a->self, &record);
	put_array(&forged, 2);
	put_bytes(&forged, &record);
	put_blob(&forged, sig, sizeof(sig));
	for (int i = 0; i < 2; i++) {
		say(l, 50, 4);
		put_bytes(&l->word, i == 0 ? &forged : &l->m.run_signed);
		put_blob(&l->word, "\xa0", 1);
		put_array(&l->word, 0);
		put_uint(&l->word, 0);
		lie(l, "opens a run that is another's");
	}
	say(l, 51, 1);
	put_blob(&l->word, l->m.run, 16);
	lie(l, "accepts a run, and is no elector");
	say(l, 52, 2);
	put_blob(&l->word, l->m.run, 16);
	put_text(&l->word, "no");
	lie(l, "refuses a run, and is no elector");
	say(l, 54, 1);
	put_blob(&l->word, l->m.run, 16);
	lie(l, "wants a run, and is no elector");
	say(l, 55, 1);
	put_blob(&l->word, l->m.run, 16);
	lie(l, "gives up another's run");

	/* The run has ended, says one that does not lead it, in the name of one that might. */
	put_array(&end, 13);
	put_text(&end, "mp-end");
	put_uint(&end, 1);
	put_blob(&end, l->a->token.cluster, 32);
	put_blob(&end, l->m.run, 16);
	put_uint(&end, 1);
	put_uint(&end, 1);
	put_blob(&end, l->m.electors[0], 32);
	put_uint(&end, 3);
	put_uint(&end, 1);
	put_uint(&end, 13);
	put_uint(&end, 0);
	put_uint(&end, 1);
	put_blob(&end, zero, sizeof(zero));
	sign_record(sig, &l->a->self, &end);
	put_array(&signed_end, 2);
	put_bytes(&signed_end, &end);
	put_blob(&signed_end, sig, sizeof(sig));
	say(l, 53, 2);
	put_bytes(&l->word, &l->m.run_signed);
	put_bytes(&l->word, &signed_end);
	lie(l, "says that a run has ended");
	bytes_free(&forged);
	bytes_free(&end);
	bytes_free(&signed_end);
}

/* A takeover of the run, by one who is no authority. */
static void
lie_of_takeover(struct liar *l)
{
	struct reader r = reader_of(&l->m.run_signed);
	struct bytes record, sig_of, takeover = {0}, forged = {0};
	uint8_t naming[32], sig[64];

	(void)read_array(&r);
	record = read_blob(&r);
	sig_of = read_blob(&r);
	hash_of(naming, &record, 1);
	put_array(&takeover, 13);
	put_text(&takeover, "mp-takeover");
	put_uint(&takeover, 1);
	put_blob(&takeover, l->a->token.cluster, 32);
	put_blob(&takeover, l->m.run, 16);
	put_uint(&takeover, 2);
	put_blob(&takeover, naming, 32);
	put_array(&takeover, 1);
	put_blob(&takeover, l->a->self.id, 32);
	put_null(&takeover);
	put_uint(&takeover, 0);
	put_uint(&takeover, 0);
	put_blob(&takeover, naming, 32);
	put_uint(&takeover, 1);
	put_blob(&takeover, l->a->self.id, 32);
	sign_record(sig, &l->a->self, &takeover);
	put_array(&forged, 4);
	put_bytes(&forged, &record);
	put_bytes(&forged, &sig_of);
	put_bytes(&forged, &takeover);
	put_blob(&forged, sig, sizeof(sig));
	say(l, 53, 2);
	put_bytes(&l->word, &forged);
	put_null(&l->word);
	lie(l, "takes a run over, and is no authority");
	bytes_free(&takeover);
	bytes_free(&forged);
}

/* ---- about members ---- */

/* In a datagram's record, or alone. */
static void
lie_of_members(struct liar *l)
{
	const uint8_t *beta = member_id(&l->m, "beta");
	const uint8_t *cluster = l->a->token.cluster;
	struct keys other = keys_make(71);
	uint8_t elsewhere[32] = {1};

	say(l, 8, 1);
	statement_put(&l->word, cluster, beta, &l->a->self, 1ull << 40, "beta", 9);
	lie(l, "says where another is");
	say(l, 8, 1);
	statement_left_put(&l->word, cluster, beta, &l->a->self, 1ull << 40);
	lie(l, "says that another has left");
	say(l, 8, 1);
	statement_left_put(&l->word, cluster, member_id(&l->m, "alpha"), &l->a->self, 1ull << 40);
	lie(l, "tells a node that it has left");
	say(l, 8, 1);
	statement_put(&l->word, elsewhere, l->a->self.id, &l->a->self, 1ull << 50, "delta", 9);
	lie(l, "says where it is in another cluster");
	say(l, 33, 4);
	put_array(&l->word, 0);
	put_array(&l->word, 1);
	statement_left_put(&l->word, cluster, beta, &l->a->self, 1ull << 40);
	put_array(&l->word, 0);
	put_array(&l->word, 0);
	lie(l, "says that another has left, by the way");
	for (unsigned number = 9; number <= 10; number++) {
		say(l, number, 3);
		put_blob(&l->word, beta, 32);
		put_uint(&l->word, (1ull << 32) + (1u << 30));
		put_blob(&l->word, member_id(&l->m, "gamma"), 32);
		rave(l, "accuses another of what cannot be");
		say(l, number, 3);
		put_blob(&l->word, member_id(&l->m, "alpha"), 32);
		put_uint(&l->word, UINT64_MAX);
		put_blob(&l->word, beta, 32);
		rave(l, "accuses a node of what cannot be");
	}
	say(l, 7, 1);
	{
		struct cert c = cert_of(&l->a->token, &other, "another");
		struct bytes credential = credential_of(&l->a->token, &c);

		put_bytes(&l->word, &credential);
		bytes_free(&credential);
	}
	lie(l, "spreads one that nobody has let in");
}

/* [36] and [37] of what is not its own; an authority's word that is none. */
static void
revocation_put(
	struct liar *l, const uint8_t subject[32], const uint8_t signer[32], struct bytes *out)
{
	const struct keys *by = &l->a->self;
	struct bytes body = {0};

	put_array(&body, 7);
	put_text(&body, "mp-revocation");
	put_uint(&body, 1);
	put_blob(&body, l->a->token.cluster, 32);
	put_blob(&body, subject, 32);
	put_text(&body, "because");
	put_uint(&body, 1);
	put_blob(&body, signer, 32);
	record_put(out, "mp-revocation", &body, &by, 1, NULL);
	bytes_free(&body);
}

static void
lie_of_trust(struct liar *l)
{
	const uint8_t *beta = member_id(&l->m, "beta");
	struct bytes record = {0};
	struct keys own = keys_make(72);
	uint8_t key[32] = {9};

	for (int i = 0; i < 2; i++) {
		record.n = 0;
		revocation_put(l, beta, i == 0 ? l->a->self.id : beta, &record);
		say(l, 11, 1);
		put_bytes(&l->word, &record);
		lie(l, "revokes another's key");
		say(l, 39, 5);
		put_bool(&l->word, false);
		put_blob(&l->word, "12345678", 8);
		put_array(&l->word, 0);
		put_array(&l->word, 1);
		put_bytes(&l->word, &record);
		put_array(&l->word, 0);
		lie(l, "revokes another's key, by the way");
	}
	say(l, 39, 5);
	put_bool(&l->word, false);
	put_blob(&l->word, "12345678", 8);
	put_array(&l->word, 1);
	put_array(&l->word, 1);
	authority_put(&l->word, &own, NULL, NULL, &own, 0, NULL);
	put_array(&l->word, 0);
	put_array(&l->word, 0);
	lie(l, "has an authority of its own");
	say(l, 39, 5);
	put_bool(&l->word, false);
	put_blob(&l->word, "12345678", 8);
	put_array(&l->word, 0);
	put_array(&l->word, 0);
	put_array(&l->word, 1);
	put_array(&l->word, 2);
	put_uint(&l->word, UINT64_MAX);
	put_blob(&l->word, key, sizeof(key));
	rave(l, "has a gossip key that can never be replaced");
	bytes_free(&record);
}

static void
lie_of_joining(struct liar *l)
{
	struct keys other = keys_make(73);
	struct cert c = cert_of(&l->a->token, &other, "another");
	struct bytes credential = credential_of(&l->a->token, &c);

	say(l, 36, 2);
	put_bytes(&l->word, &credential);
	statement_put(&l->word, c.cluster, other.id, &other, 1ull << 32, "another", 9);
	l->m.owed = 1;
	lie(l, "joins for another");
	say(l, 36, 2);
	put_bytes(&l->word, &l->a->credential);
	statement_put(&l->word, c.cluster, l->a->self.id, &other, 1ull << 50, "delta", 9);
	l->m.owed = 1;
	lie(l, "joins with another's signature");
	say(l, 37, 5);
	put_bytes(&l->word, &credential);
	for (int i = 0; i < 3; i++)
		put_array(&l->word, 0);
	bytes_put(&l->word, l->m.charter.p, l->m.charter.n);
	lie(l, "lets a member in");
	say(l, 38, 2);
	put_uint(&l->word, 5);
	put_text(&l->word, "go away");
	lie(l, "refuses to let a member in");
	bytes_free(&credential);
}

/* ---- what only clients may ask ---- */

static void
lie_of_control(struct liar *l)
{
	static const unsigned asks[] = {107, 109, 120, 130, 131, 132};
	struct bytes ask = {0};

	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		ask.n = 0;
		request_of_client_put(&ask, asks[i]);
		say(l, 56, 3);
		put_uint(&l->word, i);
		put_uint(&l->word, 0);
		put_bytes(&l->word, &ask);
		lie(l, "asks what is a client's to ask");
	}
	for (unsigned number = 150; number < 220; number++) {
		ask.n = 0;
		request_of_client_put(&ask, number);
		say(l, 56, 3);
		put_uint(&l->word, number);
		put_uint(&l->word, 0);
		put_bytes(&l->word, &ask);
		rave(l, "asks what only its owner may");
	}
	bytes_free(&ask);
	say(l, 57, 2);
	put_uint(&l->word, 1);
	put_blob(&l->word, "\x82\x18\xc8\xf6", 4);
	lie(l, "answers what nobody has asked");
}

void
attack_lies(struct aim *a)
{
	struct liar l = {.a = a};

	if (a->argc != 1)
		die("usage: attack lies PORT STATE TOKEN-FILE ENEMYS-STATE");
	member_enter(&l.m, a, a->argv[0]);
	member_learn_run(&l.m);
	member_settle(&l.m);
	judge(&l, &l.refused, &l.malformed);
	kind(a, "votes and beats of one who is no elector", NULL);
	for (size_t i = 0; i < TERMS; i++)
		lie_of_votes(&l, terms[i]);
	kind(a, "entries for a log of others", NULL);
	for (size_t i = 0; i < TERMS; i++)
		lie_of_log(&l, terms[i]);
	kind(a, "work from one who does not lead", NULL);
	for (size_t i = 0; i < TERMS; i++)
		lie_of_work(&l, terms[i]);
	kind(a, "results by who was not assigned, or forged", NULL);
	for (size_t i = 0; i < TERMS; i++)
		lie_of_results(&l, terms[i]);
	kind(a, "leaders by forged votes", NULL);
	for (size_t i = 0; i < TERMS; i++)
		lie_of_lead(&l, terms[i]);
	kind(a, "forged run records, ends, takeovers", NULL);
	lie_of_runs(&l);
	lie_of_takeover(&l);
	kind(a, "others' statements: where they are, that they left", NULL);
	lie_of_members(&l);
	kind(a, "revocations, authorities, gossip keys that are none", NULL);
	lie_of_trust(&l);
	kind(a, "joins and admissions for others", NULL);
	lie_of_joining(&l);
	kind(a, "requests that only clients or the owner may make", NULL);
	lie_of_control(&l);
	bytes_free(&l.word);
	stream_close(&l.m.control);
}
