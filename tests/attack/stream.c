/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define PATIENCE_MS 10000
/* Connections a second, and addresses that they come from. */
#define CALM_RATE    800
#define CALM_SOURCES 16
#define FRAME_DATA   (65535 - 1 - 16)

/* ---- sockets ---- */

int
connect_from(uint16_t port, uint32_t from)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	in.sin_addr.s_addr = htonl(from);
	if (bind(fd, (const struct sockaddr *)&in, sizeof(in)) != 0) {
		(void)close(fd);
		return -1;
	}
	in.sin_port = htons(port);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (const struct sockaddr *)&in, sizeof(in)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

int
connect_calmly(uint16_t port)
{
	static struct timespec since;
	static unsigned long count;
	struct timespec now;
	int fd;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (count == 0)
		since = now;
	while ((double)count >
		100 + CALM_RATE * ((double)(now.tv_sec - since.tv_sec) +
					  (double)(now.tv_nsec - since.tv_nsec) / 1e9)) {
		(void)poll(NULL, 0, 5);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	}
	fd = connect_from(port, INADDR_LOOPBACK + (uint32_t)(count++ % CALM_SOURCES));
	if (fd < 0)
		die("nobody listens at port %u", (unsigned)port);
	return fd;
}

bool
send_all(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t put = send(fd, at, n, MSG_NOSIGNAL);

		if (put < 0)
			return false;
		at += put;
		n -= (size_t)put;
	}
	return true;
}

bool
receive_all(int fd, void *p, size_t n, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = poll(&wait, 1, ms) == 1 ? recv(fd, at, n, 0) : 0;

		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

bool
is_closed(int fd, size_t most, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint8_t piece[4096];
	size_t said = 0;

	for (;;) {
		ssize_t got;

		if (poll(&wait, 1, ms) != 1)
			return false;
		got = recv(fd, piece, sizeof(piece), 0);
		if (got <= 0)
			return said <= most;
		said += (size_t)got;
	}
}

/* ---- greeting ---- */

static void
put_u16(struct bytes *out, size_t v)
{
	uint8_t p[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	bytes_put(out, p, sizeof(p));
}

static void
stream_noise(struct stream *s, bool initiator, const struct keys *self, uint64_t seed)
{
	uint8_t prologue[16 + 32 + 2 * PREFACE_SIZE] = "meshpipe-stream";

	memcpy(prologue + 16, s->cluster, sizeof(s->cluster));
	memcpy(prologue + 48, s->preface, sizeof(s->preface));
	noise_start(&s->noise, initiator, self, seed, prologue, sizeof(prologue));
}

static const uint8_t usual[PREFACE_SIZE] = {0x8d, 'M', 'P', 'S', 0, 1, 0, 1};

void
stream_begin(struct stream *s, const struct keys *self, const uint8_t cluster[32], uint64_t seed,
	const uint8_t *preface, struct bytes *out)
{
	struct bytes nothing = {0}, message = {0};

	*s = (struct stream){.fd = -1};
	memcpy(s->cluster, cluster, sizeof(s->cluster));
	memcpy(s->preface[0], preface != NULL ? preface : usual, PREFACE_SIZE);
	memcpy(s->preface[1], usual, PREFACE_SIZE);
	stream_noise(s, true, self, seed);
	noise_write(&s->noise, 1, &nothing, &message);
	bytes_put(out, s->preface[0], PREFACE_SIZE);
	put_u16(out, message.n);
	bytes_put(out, message.p, message.n);
	bytes_free(&message);
}

bool
stream_middle(struct stream *s)
{
	uint8_t head[2], message[65535];
	size_t n;

	if (!receive_all(s->fd, s->preface[1], PREFACE_SIZE, PATIENCE_MS) ||
		!receive_all(s->fd, head, sizeof(head), PATIENCE_MS))
		return false;
	n = (size_t)(head[0] << 8 | head[1]);
	return receive_all(s->fd, message, n, PATIENCE_MS) &&
	       noise_read(&s->noise, 2, message, n, &s->hello);
}

void
stream_end(struct stream *s, const struct bytes *payload, struct bytes *out)
{
	struct bytes message = {0};

	noise_write(&s->noise, 3, payload, &message);
	put_u16(out, message.n);
	bytes_put(out, message.p, message.n);
	bytes_free(&message);
}

void
stream_opened(struct stream *s)
{
	uint8_t keys[2][32];

	noise_split(&s->noise, keys);
	memcpy(s->send_key, keys[s->noise.initiator ? 0 : 1], sizeof(s->send_key));
	memcpy(s->receive_key, keys[s->noise.initiator ? 1 : 0], sizeof(s->receive_key));
	s->open = true;
}

int
listen_at(uint16_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(*port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&in, sizeof(in)) != 0 ||
		listen(fd, 16) != 0 || getsockname(fd, (struct sockaddr *)&in, &n) != 0)
		die("no TCP port");
	*port = ntohs(in.sin_port);
	return fd;
}

bool
answer_hear(struct stream *s, int listener, const uint8_t cluster[32], struct bytes *heard, int ms)
{
	struct pollfd wait = {.fd = listener, .events = POLLIN};
	uint8_t said[PREFACE_SIZE + 2 + 32];

	*s = (struct stream){.fd = -1};
	if (poll(&wait, 1, ms) != 1)
		return false;
	s->fd = accept(listener, NULL, NULL);
	if (s->fd < 0 || !receive_all(s->fd, said, sizeof(said), PATIENCE_MS))
		die("who opens a stream does not greet");
	memcpy(s->cluster, cluster, sizeof(s->cluster));
	memcpy(s->preface[0], said, PREFACE_SIZE);
	heard->n = 0;
	bytes_put(heard, said, sizeof(said));
	return true;
}

void
answer_make(struct stream *s, const struct keys *self, uint64_t seed, const uint8_t *preface,
	const struct bytes *heard, const struct bytes *payload, struct bytes *out)
{
	struct bytes message = {0};

	memcpy(s->preface[1], preface != NULL ? preface : usual, PREFACE_SIZE);
	stream_noise(s, false, self, seed);
	(void)noise_read(&s->noise, 1, heard->p + PREFACE_SIZE + 2, 32, &message);
	message.n = 0;
	noise_write(&s->noise, 2, payload, &message);
	bytes_put(out, s->preface[1], PREFACE_SIZE);
	put_u16(out, message.n);
	bytes_put(out, message.p, message.n);
	bytes_free(&message);
}

bool
answer_end(struct stream *s)
{
	uint8_t head[2], message[65535];
	size_t n;

	if (!receive_all(s->fd, head, sizeof(head), PATIENCE_MS))
		return false;
	n = (size_t)(head[0] << 8 | head[1]);
	if (!receive_all(s->fd, message, n, PATIENCE_MS) ||
		!noise_read(&s->noise, 3, message, n, &s->hello))
		return false;
	stream_opened(s);
	return true;
}

void
stream_close(struct stream *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	bytes_free(&s->hello);
}

struct bytes
greeting(unsigned klass, const struct bytes *credential)
{
	struct bytes b = {0};

	put_array(&b, 2);
	put_uint(&b, klass);
	put_bytes(&b, credential);
	return b;
}

bool
stream_open(struct stream *s, uint16_t port, const struct keys *self, const uint8_t cluster[32],
	const struct bytes *payload)
{
	static uint64_t seed;
	struct bytes out = {0};
	bool good;

	stream_begin(s, self, cluster, ++seed, NULL, &out);
	s->fd = connect_calmly(port);
	good = send_all(s->fd, out.p, out.n) && stream_middle(s);
	out.n = 0;
	if (good) {
		stream_end(s, payload, &out);
		stream_opened(s);
		good = send_all(s->fd, out.p, out.n);
	}
	bytes_free(&out);
	return good;
}

/* ---- frames ---- */

static void
frame_nonce(uint8_t nonce[12], uint64_t n)
{
	memset(nonce, 0, 12);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n >> 8 * i);
}

void
frame_put(struct stream *s, unsigned type, const void *data, size_t n, struct bytes *out)
{
	uint8_t plain[65535], sealed[65535 + 16], nonce[12];
	unsigned long long size;

	plain[0] = (uint8_t)type;
	if (n > 0)
		memcpy(plain + 1, data, n);
	frame_nonce(nonce, s->sent++);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(
		sealed, &size, plain, n + 1, NULL, 0, NULL, nonce, s->send_key);
	put_u16(out, (size_t)size);
	bytes_put(out, sealed, (size_t)size);
}

bool
message_send(struct stream *s, const struct bytes *message)
{
	struct bytes out = {0};
	size_t at = 0, n;
	bool good;

	do {
		n = message->n - at < FRAME_DATA ? message->n - at : FRAME_DATA;
		frame_put(s, at + n == message->n, message->p + at, n, &out);
		at += n;
	} while (at < message->n);
	good = send_all(s->fd, out.p, out.n);
	bytes_free(&out);
	return good;
}

bool
message_receive(struct stream *s, struct bytes *message, int ms)
{
	uint8_t head[2], sealed[65535], plain[65535], nonce[12];

	for (;;) {
		unsigned long long size;
		size_t n;

		if (!receive_all(s->fd, head, sizeof(head), ms))
			return false;
		n = (size_t)(head[0] << 8 | head[1]);
		if (!receive_all(s->fd, sealed, n, PATIENCE_MS))
			return false;
		frame_nonce(nonce, s->received++);
		if (crypto_aead_chacha20poly1305_ietf_decrypt(
			    plain, &size, NULL, sealed, n, NULL, 0, nonce, s->receive_key) != 0)
			die("a frame of the node does not open");
		if (plain[0] > 1)
			die("a frame of the node has type %u", (unsigned)plain[0]);
		bytes_put(message, plain + 1, (size_t)size - 1);
		if (plain[0] == 1)
			return true;
	}
}
