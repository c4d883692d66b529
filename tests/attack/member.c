/* SPDX-License-Identifier: Apache-2.0 */
/* A node's key in other hands: comes in as that node, and learns what members know. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"

/* Above every boot of the node whose key this is, and of this program before. */
#define BOOT ((uint32_t)((wall_ms() - 1577836800000u) / 128))

/* Whose certificate is it? */
static void
credential_who(const struct bytes *credential, uint8_t id[32], char name[64])
{
	struct reader r = reader_of(credential);
	struct bytes cert, body, text;

	(void)read_array(&r);
	(void)read_item(&r);
	(void)read_item(&r);
	cert = read_item(&r);
	r = reader_of(&cert);
	(void)read_array(&r);
	body = read_blob(&r);
	r = reader_of(&body);
	(void)read_array(&r);
	for (int i = 0; i < 3; i++)
		(void)read_item(&r);
	memcpy(id, read_blob(&r).p, 32);
	(void)read_item(&r);
	text = read_blob(&r);
	(void)snprintf(name, 64, "%.*s", (int)text.n, (const char *)text.p);
}

static void
joined_read(struct member *m, const struct bytes *message)
{
	struct reader r = reader_of(message);
	struct bytes credential, key;
	size_t n;

	(void)read_array(&r);
	(void)read_uint(&r);
	credential = read_blob(&r);
	m->credential = bytes_copy(&credential);
	for (n = read_array(&r); n > 0; n--) {
		(void)read_array(&r);
		m->epoch = read_uint(&r);
		key = read_blob(&r);
		if (m->keys == 0)
			memcpy(m->key, key.p, sizeof(m->key));
		m->keys++;
	}
	for (n = read_array(&r); n > 0; n--) {
		struct node node;

		credential = read_blob(&r);
		credential_who(&credential, node.id, node.name);
		if (m->node_count < sizeof(m->nodes) / sizeof(m->nodes[0]))
			m->nodes[m->node_count++] = node;
	}
	for (n = read_array(&r); n > 0; n--) {
		struct bytes statement = read_item(&r);

		bytes_put(&m->statements, statement.p, statement.n);
		m->statement_count++;
	}
	m->charter = read_item(&r);
	m->charter = bytes_copy(&m->charter);
}

uint64_t
message_kind(const struct bytes *message)
{
	struct reader r = reader_of(message);

	return read_array(&r) > 0 ? read_uint(&r) : 0;
}

bool
message_await(struct stream *s, uint64_t kind, struct bytes *message)
{
	do {
		message->n = 0;
		if (!message_receive(s, message, CLOSES_MS))
			return false;
	} while (message_kind(message) != kind);
	return true;
}

/* A port for datagrams that is free for streams, too: dial.c listens there. */
static void
member_udp(struct member *m)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	int tcp = listen_at(&m->udp_port);

	m->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(m->udp_port);
	if (m->udp < 0 || bind(m->udp, (const struct sockaddr *)&in, sizeof(in)) != 0)
		die("no UDP port");
	(void)close(tcp);
}

void
member_enter(struct member *m, struct aim *a, const char *state)
{
	struct bytes hello, ask = {0}, message = {0};
	char path[4096];

	*m = (struct member){.boot = BOOT};
	(void)snprintf(path, sizeof(path), "%s/credential", state);
	a->self = keys_load(state);
	a->credential = bytes_read(path);
	member_udp(m);
	hello = greeting(0, &a->credential);
	if (!stream_open(&m->control, a->port, &a->self, a->token.cluster, &hello))
		die("the node does not take one of its own");
	put_array(&ask, 3);
	put_uint(&ask, 36);
	put_bytes(&ask, &a->credential);
	statement_put(&ask, a->token.cluster, a->self.id, &a->self, (uint64_t)m->boot << 32,
		"delta", m->udp_port);
	if (!message_send(&m->control, &ask) || !message_await(&m->control, 37, &message))
		die("the node does not let in one of its own");
	joined_read(m, &message);
	stream_close(&m->control);
	bytes_free(&hello);
	hello = greeting(0, &m->credential);
	if (!stream_open(&m->control, a->port, &a->self, a->token.cluster, &hello))
		die("the node does not know whom it has let in");
	bytes_free(&hello);
	bytes_free(&ask);
	bytes_free(&message);
}

const uint8_t *
member_id(const struct member *m, const char *name)
{
	for (size_t i = 0; i < m->node_count; i++) {
		if (strcmp(m->nodes[i].name, name) == 0)
			return m->nodes[i].id;
	}
	die("no member is called %s", name);
}

void
member_settle(struct member *m)
{
	struct bytes ask = {0}, answer = {0};

	/* A request to join that cannot be read is answered, after all that was said before. */
	put_array(&ask, 1);
	put_uint(&ask, 36);
	if (!message_send(&m->control, &ask))
		die("the node has closed the stream");
	for (m->owed++; m->owed > 0; m->owed--) {
		if (!message_await(&m->control, 38, &answer))
			die("the node has closed the stream");
	}
	bytes_free(&ask);
	bytes_free(&answer);
}

/* Says that it knows of no run, and is told of all. */
void
member_learn_run(struct member *m)
{
	struct bytes ask = {0}, message = {0}, record;
	struct reader r;
	uint8_t hash[32];
	size_t n;

	put_array(&ask, 2);
	put_uint(&ask, 49);
	put_array(&ask, 0);
	if (!message_send(&m->control, &ask) || !message_await(&m->control, 53, &message))
		die("the node knows of no run");
	r = reader_of(&message);
	(void)read_array(&r);
	(void)read_uint(&r);
	record = read_blob(&r);
	m->run_signed = bytes_copy(&record);
	r = reader_of(&m->run_signed);
	(void)read_array(&r);
	record = read_blob(&r);
	hash_of(hash, &record, 1);
	memcpy(m->run, hash, sizeof(m->run));
	r = reader_of(&record);
	(void)read_array(&r);
	for (int i = 0; i < 8; i++)
		(void)read_item(&r);
	for (n = read_array(&r); n > 0 && m->elector_count < 5; n--)
		memcpy(m->electors[m->elector_count++], read_blob(&r).p, 32);
	bytes_free(&ask);
	bytes_free(&message);
}

struct dgram
member_dgram(struct member *m, const struct aim *a, const char *to)
{
	struct dgram d = {.boot = m->boot, .seq = ++m->seq, .by = &a->self};

	memcpy(d.key, m->key, sizeof(d.key));
	memcpy(d.cluster, a->token.cluster, sizeof(d.cluster));
	memcpy(d.sender, a->self.id, sizeof(d.sender));
	memcpy(d.receiver, member_id(m, to), sizeof(d.receiver));
	return d;
}

void
member_shoot(const struct member *m, uint16_t port, const struct bytes *b)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (sendto(m->udp, b->p, b->n, 0, (const struct sockaddr *)&in, sizeof(in)) < 0)
		die("sendto");
}
