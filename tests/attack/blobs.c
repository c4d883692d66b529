/* SPDX-License-Identifier: Apache-2.0 */
/* A member that is asked for bytes, and gives others. */
#include <string.h>

#include "attack.h"

#define BLOBS 60
#define SIZE  300
#define CHUNK (256u * 1024)

/* Wants a copy of what it has not got to be kept: the node comes and asks for the bytes. */
static void
hold(struct member *m, const uint8_t digest[32], uint64_t req)
{
	struct bytes word = {0};

	put_array(&word, 3);
	put_uint(&word, 83);
	put_uint(&word, req);
	put_array(&word, 1);
	put_array(&word, 2);
	put_blob(&word, digest, 32);
	put_uint(&word, SIZE);
	if (!message_send(&m->control, &word))
		die("the node has closed the stream");
	bytes_free(&word);
}

/* [80, digest, offset, size] is answered with what it is not. */
static void
give(struct stream *bulk, const struct bytes *get, unsigned how)
{
	struct bytes word = {0}, digest;
	struct reader r = reader_of(get);
	static const uint8_t wrong[CHUNK];
	uint64_t offset;

	(void)read_array(&r);
	(void)read_uint(&r);
	digest = read_blob(&r);
	offset = read_uint(&r);
	put_array(&word, 5);
	put_uint(&word, 81);
	put_bytes(&word, &digest);
	put_uint(&word, how == 1 ? SIZE - 1 : how == 2 ? 1ull << 40 : SIZE);
	put_uint(&word, offset);
	put_blob(&word, wrong, how == 1 ? SIZE - 1 : how == 3 ? SIZE - 7 : how == 4 ? 0 : SIZE);
	(void)message_send(bulk, &word);
	bytes_free(&word);
}

void
attack_blobs(struct aim *a)
{
	struct bytes hello, get = {0};
	struct stream bulk;
	struct member m;

	if (a->argc != 1)
		die("usage: attack blobs PORT STATE TOKEN-FILE ENEMYS-STATE");
	member_enter(&m, a, a->argv[0]);
	hello = greeting(1, &m.credential);
	if (!stream_open(&bulk, a->port, &a->self, a->token.cluster, &hello))
		die("the node takes no stream for blobs");
	KIND(a, "blobs with wrong bytes, too short, too long", "blobs_wrong", "messages_malformed");
	for (uint64_t i = 0; i < BLOBS; i++) {
		uint8_t digest[32];

		hash_bytes(digest, &i, sizeof(i));
		hold(&m, digest, 1000 + i);
		if (!message_await(&bulk, 80, &get))
			die("the node does not ask for the bytes");
		give(&bulk, &get, (unsigned)(i % 5));
		tried(true, "a blob that is not what its digest says");
	}
	bytes_free(&hello);
	bytes_free(&get);
	stream_close(&bulk);
	stream_close(&m.control);
}
