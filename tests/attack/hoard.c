/* SPDX-License-Identifier: Apache-2.0 */
/* Those who may speak, and take as much as there is of something: a member of what requests others
 * pass on, a person who may look of what clients have. Each prints "in", and stays for a while. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "attack.h"

enum { OBSERVE = 4, CLIENT = 2, RUNS = 102, WAIT = 104, FETCH = 106, ASK = 56 };

#define STAYS_MS 2000
#define WAITS    10000
#define FETCHES  100
#define BLOBS    65536 /* of each */
#define STREAMS  64
#define TALKERS  20
#define TALK     2000 /* requests of each */

static void
stay(size_t got)
{
	(void)printf("in %zu\n", got);
	(void)fflush(stdout);
	(void)poll(NULL, 0, STAYS_MS);
}

/* ---- a member ---- */

static void
ask(struct member *m, uint64_t number, const struct bytes *request)
{
	struct bytes word = {0};

	put_array(&word, 4);
	put_uint(&word, ASK);
	put_uint(&word, number);
	put_uint(&word, 1);
	put_bytes(&word, request);
	if (!message_send(&m->control, &word))
		die("the node has closed the stream");
	bytes_free(&word);
}

static void
enter(struct member *m, struct aim *a)
{
	if (a->argc != 1)
		die("usage: attack WHAT PORT STATE TOKEN-FILE ENEMYS-STATE");
	member_enter(m, a, a->argv[0]);
}

/* Waits for the end of the run, again and again. */
void
attack_waits(struct aim *a)
{
	struct bytes request = {0};
	struct member m;
	char hex[33];

	enter(&m, a);
	member_learn_run(&m);
	put_array(&request, 2);
	put_uint(&request, WAIT);
	put_text(&request, sodium_bin2hex(hex, sizeof(hex), m.run, sizeof(m.run)));
	for (uint64_t i = 1; i <= WAITS; i++)
		ask(&m, i, &request);
	stay(WAITS);
	stream_close(&m.control);
	bytes_free(&request);
}

/* Wants what nobody has, much of it. */
void
attack_fetches(struct aim *a)
{
	struct bytes request = {0};
	uint8_t hash[32] = {9};
	struct member m;

	enter(&m, a);
	for (uint32_t i = 1; i <= FETCHES; i++) {
		request.n = 0;
		put_array(&request, 3);
		put_uint(&request, FETCH);
		put_array(&request, BLOBS);
		for (uint32_t k = 0; k < BLOBS; k++) {
			memcpy(hash, &k, sizeof(k));
			memcpy(hash + 4, &i, sizeof(i));
			put_array(&request, 2);
			put_blob(&request, hash, sizeof(hash));
			put_uint(&request, 100);
		}
		put_array(&request, 0);
		ask(&m, i, &request);
	}
	stay(FETCHES);
	stream_close(&m.control);
	bytes_free(&request);
}

/* ---- a person ---- */

static bool
person_open(struct aim *a, struct stream *s)
{
	struct bytes credential, hello;
	struct cert c;
	bool good;

	a->self = keys_make(1000);
	c = cert_of(&a->token, &a->self, "olga");
	c.roles = OBSERVE;
	credential = credential_of(&a->token, &c);
	hello = greeting(CLIENT, &credential);
	good = stream_open(s, a->port, &a->self, a->token.cluster, &hello);
	bytes_free(&hello);
	bytes_free(&credential);
	return good;
}

/* Opens streams, and says how many of them are answered on. */
static size_t
people_open(struct aim *a, struct stream *s, size_t n)
{
	struct bytes word = {0}, answer = {0};
	size_t open = 0;

	put_array(&word, 1);
	put_uint(&word, RUNS);
	for (size_t i = 0; i < n; i++) {
		answer.n = 0;
		open += person_open(a, &s[i]) && message_send(&s[i], &word) &&
			message_receive(&s[i], &answer, CLOSES_MS);
	}
	bytes_free(&word);
	bytes_free(&answer);
	return open;
}

/* Takes all places that clients have. */
void
attack_places(struct aim *a)
{
	static struct stream s[STREAMS];

	stay(people_open(a, s, STREAMS));
	for (size_t i = 0; i < STREAMS; i++)
		stream_close(&s[i]);
}

/* Asks on, and reads no answer; as long as the node takes it. */
void
attack_talkers(struct aim *a)
{
	static struct stream s[TALKERS];
	struct bytes word = {0}, out = {0};
	size_t open = people_open(a, s, TALKERS);

	put_array(&word, 1);
	put_uint(&word, RUNS);
	for (size_t i = 0; i < TALK * TALKERS; i++) {
		struct stream *to = &s[i % TALKERS];
		struct pollfd ready = {.fd = to->fd, .events = POLLOUT};

		if (poll(&ready, 1, 0) != 1 || (ready.revents & (POLLERR | POLLHUP)) != 0)
			continue;
		out.n = 0;
		frame_put(to, 1, word.p, word.n, &out);
		(void)send_all(to->fd, out.p, out.n);
	}
	stay(open);
	for (size_t i = 0; i < TALKERS; i++)
		stream_close(&s[i]);
	bytes_free(&word);
	bytes_free(&out);
}
