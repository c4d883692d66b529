/* SPDX-License-Identifier: Apache-2.0 */
/* What one says whose stream is open. */
#include <string.h>

#include "attack.h"

/* Numbers of all messages that there are, and some that are none. */
#define MESSAGE_LAST 210

/* ---- one who was invited, and is no member ---- */

/* A request to join that cannot be read is answered: everything before it was looked at. */
static bool
settled(struct stream *s)
{
	struct bytes ask = {0}, answer = {0};
	struct reader r;
	uint64_t kind = 0;

	put_array(&ask, 1);
	put_uint(&ask, 36);
	if (message_send(s, &ask) && message_receive(s, &answer, CLOSES_MS)) {
		r = reader_of(&answer);
		if (read_array(&r) > 0)
			kind = read_uint(&r);
	}
	bytes_free(&ask);
	bytes_free(&answer);
	return kind == 38;
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
	for (unsigned kind = 0; kind <= MESSAGE_LAST; kind++) {
		for (unsigned more = 0; more < 4; more++) {
			if (kind == 36 && more == 0)
				continue; /* see settled() */
			word.n = 0;
			put_array(&word, 1 + more);
			put_uint(&word, kind);
			for (unsigned i = 0; i < more; i++)
				put_blob(&word, a->self.id, i == 0 ? 16 : 32);
			tried(message_send(&s, &word), "message %u of one who is no member", kind);
		}
	}
	if (!settled(&s))
		tried(false, "one who is no member is answered");
	bytes_free(&word);
	bytes_free(&hello);
	stream_close(&s);
}
