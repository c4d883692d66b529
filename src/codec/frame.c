/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/frame.h"

#define MAGIC_SIZE     4
#define FRAME_HEAD     2
#define FRAME_OVERHEAD (FRAME_HEAD + 1 + MP_AEAD_TAG)
#define FRAME_DATA_MAX (MP_FRAME_MAX - 1 - MP_AEAD_TAG)

/* Buffers no larger than this are kept when they fall empty. */
#define SESSION_KEEP 4096

static const uint8_t magic[MAGIC_SIZE] = {0x8d, 'M', 'P', 'S'};
static const uint8_t magic_knock[MAGIC_SIZE] = {0x8d, 'M', 'P', 'K'};

enum frame_type {
	FRAME_MORE,
	FRAME_END,
	FRAME_REKEY,
};

static uint16_t
get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put_u16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
buf_empty(struct mp_buf *b)
{
	if (b->cap > SESSION_KEEP)
		mp_buf_fini(b);
	else
		mp_buf_clear(b);
}

/* ---- life ---- */

static void
session_wipe(struct mp_session *s)
{
	const struct mp_crypto *c = s->config.crypto;

	mp_noise_fini(&s->noise);
	c->wipe(s->entropy, sizeof(s->entropy));
	c->wipe(&s->send.cipher, sizeof(s->send.cipher));
	c->wipe(&s->receive.cipher, sizeof(s->receive.cipher));
	mp_buf_fini(&s->input);
	mp_buf_fini(&s->message);
	mp_buf_fini(&s->output);
	s->written = 0;
}

static MP_PRINTF(3, 4) int session_die(struct mp_session *s, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)mp_vfail(&s->err, code, fmt, ap);
	va_end(ap);
	session_wipe(s);
	s->state = MP_SESSION_DEAD;
	return code;
}

static int
session_die_of(struct mp_session *s, int code)
{
	return session_die(s, code, "%s", mp_strerror(code));
}

void
mp_session_fini(struct mp_session *s)
{
	if (s->state != MP_SESSION_DEAD)
		(void)session_die_of(s, MP_ECLOSED);
	session_wipe(s);
}

static uint8_t *
session_preface(struct mp_session *s, bool ours)
{
	return s->preface[(s->config.role == MP_NOISE_INITIATOR) == ours ? 0 : 1];
}

static void
session_noise_init(struct mp_session *s)
{
	static const char label[16] = "meshpipe-stream";
	uint8_t prologue[sizeof(label) + sizeof(s->config.cluster.b) + sizeof(s->preface)];
	struct mp_noise_config config = {
		.role = s->config.role,
		.crypto = s->config.crypto,
		.secret = s->config.secret,
		.static_key = s->config.static_key,
	};
	uint8_t *p = prologue;

	memcpy(p, label, sizeof(label));
	p += sizeof(label);
	if (s->config.knock)
		memset(p, 0, sizeof(s->config.cluster.b));
	else
		memcpy(p, s->config.cluster.b, sizeof(s->config.cluster.b));
	p += sizeof(s->config.cluster.b);
	memcpy(p, s->preface, sizeof(s->preface));
	config.prologue = mp_span(prologue, sizeof(prologue));
	mp_noise_init(&s->noise, &config, s->entropy);
}

/* Writes the next handshake message to the output. */
static int
session_put_noise(struct mp_session *s, struct mp_span payload)
{
	size_t n = payload.n + mp_noise_overhead(s->noise.done + 1);
	int rc = mp_buf_reserve(&s->output, FRAME_HEAD + n);
	uint8_t *p;

	if (rc != 0)
		return rc;
	p = s->output.p + s->output.n;
	put_u16(p, n);
	rc = mp_noise_write(&s->noise, payload, p + FRAME_HEAD);
	if (rc == 0)
		s->output.n += FRAME_HEAD + n;
	return rc;
}

int
mp_session_init(
	struct mp_session *s, const struct mp_session_config *config, const uint8_t entropy[32])
{
	uint8_t *preface;
	int rc;

	mp_assert(config->proto_min >= 1 && config->proto_min <= config->proto_max);
	mp_assert(!config->knock || config->role == MP_NOISE_INITIATOR);
	*s = (struct mp_session){.config = *config};
	memcpy(s->entropy, entropy, sizeof(s->entropy));
	mp_buf_init(&s->input, config->alloc, FRAME_HEAD + MP_FRAME_MAX);
	mp_buf_init(&s->message, config->alloc, MP_MSG_MAX + 1);
	mp_buf_init(&s->output, config->alloc, MP_STREAM_QUEUE_MAX);
	preface = session_preface(s, true);
	memcpy(preface, config->knock ? magic_knock : magic, sizeof(magic));
	put_u16(preface + 4, config->proto_min);
	put_u16(preface + 6, config->proto_max);
	if (config->role == MP_NOISE_RESPONDER)
		return 0;
	/*
	 * Message 1 goes out before the responder's preface is known: with an empty payload it does
	 * not depend on the prologue. It is written again, for the transcript, once that is known.
	 */
	session_noise_init(s);
	rc = mp_buf_append(&s->output, preface, MP_PREFACE_SIZE);
	if (rc == 0)
		rc = session_put_noise(s, mp_span(NULL, 0));
	return rc == 0 ? 0 : session_die_of(s, rc);
}

/* ---- input ---- */

/*
 * The next n bytes of the stream in one piece, from *input itself where they are whole there. 1,
 * or 0 when there are fewer (they are kept), or MP_ENOMEM.
 */
static int
session_peek(struct mp_session *s, struct mp_span *input, size_t n, struct mp_span *out)
{
	size_t take;
	int rc;

	if (s->input.n == 0 && input->n >= n) {
		*out = mp_span(input->p, n);
		return 1;
	}
	if (s->input.n < n) {
		take = mp_min_size(n - s->input.n, input->n);
		rc = mp_buf_append(&s->input, input->p, take);
		if (rc != 0)
			return rc;
		*input = mp_span(take > 0 ? input->p + take : input->p, input->n - take);
	}
	*out = mp_span(s->input.p, n);
	return s->input.n >= n;
}

/* Steps over the n bytes that were peeked at last. */
static void
session_drop(struct mp_session *s, struct mp_span *input, size_t n)
{
	if (s->input.n > 0) {
		mp_assert(s->input.n == n);
		buf_empty(&s->input);
	} else {
		*input = mp_span(input->p + n, input->n - n);
	}
}

static int
session_check_versions(struct mp_session *s, uint16_t min, uint16_t max)
{
	uint16_t our_min = s->config.proto_min, our_max = s->config.proto_max;
	int rc;

	if (min == 0 || min > max)
		return session_die(s, MP_EFORMAT, "not a Meshpipe stream: versions %u to %u",
			(unsigned)min, (unsigned)max);
	s->proto = max < our_max ? max : our_max;
	if (s->proto >= min && s->proto >= our_min)
		return 0;
	rc = session_die(s, MP_EVERSION, "the peer speaks protocol %u to %u, this node %u to %u",
		(unsigned)min, (unsigned)max, (unsigned)our_min, (unsigned)our_max);
	/* The one thing that is sent after an error: it is no secret, and the peer can say why. */
	if (s->config.role == MP_NOISE_RESPONDER)
		(void)mp_buf_append(&s->output, session_preface(s, true), MP_PREFACE_SIZE);
	return rc;
}

static int
session_read_preface(struct mp_session *s, struct mp_span *input)
{
	struct mp_span p = {0};
	int rc = session_peek(s, input, MAGIC_SIZE, &p);

	if (rc > 0 && s->config.role == MP_NOISE_RESPONDER)
		s->config.knock = memcmp(p.p, magic_knock, MAGIC_SIZE) == 0;
	if (rc > 0 && memcmp(p.p, magic, MAGIC_SIZE) != 0 &&
		!(s->config.role == MP_NOISE_RESPONDER && s->config.knock))
		return session_die(s, MP_EFORMAT,
			"not a Meshpipe stream: it begins with %02x%02x%02x%02x", p.p[0], p.p[1],
			p.p[2], p.p[3]);
	if (rc > 0)
		rc = session_peek(s, input, MP_PREFACE_SIZE, &p);
	if (rc <= 0)
		return rc;
	memcpy(session_preface(s, false), p.p, MP_PREFACE_SIZE);
	session_drop(s, input, MP_PREFACE_SIZE);
	p = mp_span(session_preface(s, false), MP_PREFACE_SIZE);
	rc = session_check_versions(s, get_u16(p.p + 4), get_u16(p.p + 6));
	if (rc != 0)
		return rc;
	session_noise_init(s);
	if (s->config.role == MP_NOISE_INITIATOR) {
		uint8_t again[32];

		rc = mp_noise_write(&s->noise, mp_span(NULL, 0), again);
	} else {
		rc = mp_buf_append(&s->output, session_preface(s, true), MP_PREFACE_SIZE);
	}
	if (rc != 0)
		return rc;
	s->config.crypto->wipe(s->entropy, sizeof(s->entropy));
	s->state = MP_SESSION_WAIT;
	return 1;
}

static int
session_read_noise(struct mp_session *s, struct mp_span *input, struct mp_session_event *event)
{
	unsigned step = s->noise.done + 1;
	size_t overhead = mp_noise_overhead(step), payload, n;
	struct mp_span p = {0};
	int rc = session_peek(s, input, FRAME_HEAD, &p);

	if (rc <= 0)
		return rc;
	n = get_u16(p.p);
	if (n < overhead || n > overhead + (step == 1 ? 0 : MP_HANDSHAKE_MAX))
		return session_die(
			s, MP_EFORMAT, "handshake message %u cannot have %zu bytes", step, n);
	rc = session_peek(s, input, FRAME_HEAD + n, &p);
	if (rc <= 0)
		return rc;
	payload = n - overhead;
	rc = mp_buf_reserve(&s->message, payload + MP_AEAD_TAG);
	if (rc == 0)
		rc = mp_noise_read(&s->noise, mp_span(p.p + FRAME_HEAD, n), s->message.p);
	if (rc == MP_ESIG)
		return session_die(s, rc,
			"handshake message %u does not verify: another cluster, or changed on its "
			"way",
			step);
	if (rc != 0)
		return rc;
	session_drop(s, input, FRAME_HEAD + n);
	*event = (struct mp_session_event){
		.type = MP_SESSION_HANDSHAKE,
		.step = step,
		.data = mp_span(s->message.p, payload),
	};
	if (step > 1)
		event->peer = *mp_noise_peer(&s->noise);
	s->delivered = true;
	s->state = MP_SESSION_ASKED;
	return 1;
}

/*
 * Opens a frame straight behind the message so far. Its type byte, which comes first, lands on the
 * last byte that is there already; that one is put back. Returns the type.
 */
static int
session_open_frame(struct mp_session *s, struct mp_span sealed, size_t *data)
{
	struct mp_buf *m = &s->message;
	uint8_t *at, last, type;
	int rc;

	*data = sealed.n - MP_AEAD_TAG - 1;
	if (m->n == 0) {
		rc = mp_buf_append(m, "", 1);
		if (rc != 0)
			return rc;
	}
	rc = mp_buf_reserve(m, *data);
	if (rc == MP_ELIMIT)
		return session_die(s, rc, "a message is over %u bytes", MP_MSG_MAX);
	if (rc != 0)
		return rc;
	at = m->p + m->n - 1;
	last = *at;
	rc = mp_noise_open(s->config.crypto, &s->receive.cipher, sealed, at);
	if (rc != 0)
		return session_die(s, rc, "a frame does not verify");
	type = *at;
	*at = last;
	m->n += *data;
	return type;
}

static int
session_take_frame(struct mp_session *s, struct mp_span sealed, struct mp_session_event *event)
{
	size_t data;
	int type;

	if (s->receive.frames >= 2ull * MP_REKEY_FRAMES ||
		s->receive.bytes >= 2ull * MP_REKEY_BYTES)
		return session_die(s, MP_EFORMAT, "the peer does not change its key");
	type = session_open_frame(s, sealed, &data);
	if (type < 0)
		return type;
	s->receive.frames++;
	s->receive.bytes += data;
	if (type == FRAME_END) {
		*event = (struct mp_session_event){
			.type = MP_SESSION_MESSAGE,
			.data = mp_span(s->message.p + 1, s->message.n - 1),
		};
		s->delivered = true;
	} else if (type == FRAME_REKEY && data == 0) {
		mp_noise_rekey(s->config.crypto, &s->receive.cipher);
		s->receive.frames = s->receive.bytes = 0;
	} else if (type != FRAME_MORE || data == 0) {
		return session_die(
			s, MP_EFORMAT, "a frame of type %d with %zu bytes of data", type, data);
	}
	return 1;
}

static int
session_read_frame(struct mp_session *s, struct mp_span *input, struct mp_session_event *event)
{
	struct mp_span p = {0};
	size_t n;
	int rc = session_peek(s, input, FRAME_HEAD, &p);

	if (rc <= 0)
		return rc;
	n = get_u16(p.p);
	if (n < 1 + MP_AEAD_TAG)
		return session_die(s, MP_EFORMAT, "a frame cannot have %zu bytes", n);
	rc = session_peek(s, input, FRAME_HEAD + n, &p);
	if (rc <= 0)
		return rc;
	rc = session_take_frame(s, mp_span(p.p + FRAME_HEAD, n), event);
	if (rc > 0)
		session_drop(s, input, FRAME_HEAD + n);
	return rc;
}

/* 1: call again. 0: more input is needed. */
static int
session_read(struct mp_session *s, struct mp_span *input, struct mp_session_event *event)
{
	switch (s->state) {
	case MP_SESSION_PREFACE:
		return session_read_preface(s, input);
	case MP_SESSION_WAIT:
		return session_read_noise(s, input, event);
	case MP_SESSION_OPEN:
		return session_read_frame(s, input, event);
	case MP_SESSION_ASKED: /* the caller owes a reply */
	case MP_SESSION_DEAD:
		break;
	}
	mp_unreachable();
}

int
mp_session_next(struct mp_session *s, struct mp_span *input, struct mp_session_event *event)
{
	int rc = 1;

	*event = (struct mp_session_event){.type = MP_SESSION_NONE};
	if (s->state == MP_SESSION_DEAD)
		return s->err.code;
	if (s->delivered)
		buf_empty(&s->message);
	s->delivered = false;
	while (rc > 0 && event->type == MP_SESSION_NONE)
		rc = session_read(s, input, event);
	if (rc < 0 && s->state != MP_SESSION_DEAD)
		rc = session_die_of(s, rc);
	return rc < 0 ? rc : 0;
}

/* ---- output ---- */

/* Room for n more bytes behind what waits. */
static int
session_room(struct mp_session *s, size_t n)
{
	struct mp_buf *b = &s->output;

	/* Moving what waits pays off only when as much was written, or nothing else helps. */
	if (b->cap - b->n < n && (s->written > b->n / 2 || n > b->max - b->n)) {
		mp_buf_consume(b, s->written);
		s->written = 0;
	}
	return mp_buf_reserve(b, n);
}

static int
session_open(struct mp_session *s, mp_time now_ms)
{
	int rc = mp_noise_split(&s->noise, &s->send.cipher, &s->receive.cipher, s->hash);

	if (rc != 0)
		return rc;
	s->send.since_ms = now_ms;
	s->state = MP_SESSION_OPEN;
	return 0;
}

int
mp_session_reply(struct mp_session *s, struct mp_span payload, mp_time now_ms)
{
	bool last = s->noise.done == MP_NOISE_MESSAGES;
	int rc = 0;

	if (s->state == MP_SESSION_DEAD)
		return s->err.code;
	mp_assert(s->state == MP_SESSION_ASKED);
	mp_assert(!last || payload.n == 0);
	if (payload.n > MP_HANDSHAKE_MAX)
		return MP_ELIMIT;
	if (!last)
		rc = session_put_noise(s, payload);
	if (rc == 0 && s->noise.done == MP_NOISE_MESSAGES)
		rc = session_open(s, now_ms);
	else if (rc == 0)
		s->state = MP_SESSION_WAIT;
	return rc == 0 ? 0 : session_die_of(s, rc);
}

/* There is room. */
static void
session_put_frame(struct mp_session *s, enum frame_type type, struct mp_span data)
{
	uint8_t *p = s->output.p + s->output.n;
	size_t n = 1 + data.n;
	int rc;

	put_u16(p, n + MP_AEAD_TAG);
	p += FRAME_HEAD;
	p[0] = (uint8_t)type;
	if (data.n > 0)
		memcpy(p + 1, data.p, data.n);
	rc = mp_noise_seal(s->config.crypto, &s->send.cipher, mp_span(p, n), p);
	mp_assert(rc == 0); /* 2^64 frames of at most 64 KiB */
	s->output.n += FRAME_HEAD + n + MP_AEAD_TAG;
	s->send.frames++;
	s->send.bytes += data.n;
}

static void
session_put_rekey(struct mp_session *s, mp_time now_ms)
{
	if (s->send.frames < MP_REKEY_FRAMES && s->send.bytes < MP_REKEY_BYTES &&
		now_ms - s->send.since_ms < MP_REKEY_MS)
		return;
	session_put_frame(s, FRAME_REKEY, mp_span(NULL, 0));
	mp_noise_rekey(s->config.crypto, &s->send.cipher);
	s->send.frames = s->send.bytes = 0;
	s->send.since_ms = now_ms;
}

int
mp_session_send(struct mp_session *s, struct mp_span message, mp_time now_ms)
{
	/* One rekey falls due at the start by time, and one later by volume. */
	size_t frames = message.n / FRAME_DATA_MAX + 3;
	int rc;

	if (s->state == MP_SESSION_DEAD)
		return s->err.code;
	mp_assert(s->state == MP_SESSION_OPEN);
	if (message.n > MP_MSG_MAX)
		return MP_ELIMIT;
	rc = session_room(s, message.n + frames * FRAME_OVERHEAD);
	if (rc != 0)
		return rc;
	for (;;) {
		size_t n = mp_min_size(message.n, FRAME_DATA_MAX);
		bool end = n == message.n;

		session_put_rekey(s, now_ms);
		session_put_frame(s, end ? FRAME_END : FRAME_MORE, mp_span(message.p, n));
		if (end)
			return 0;
		message = mp_span(message.p + n, message.n - n);
	}
}

struct mp_span
mp_session_output(const struct mp_session *s)
{
	if (s->output.n == 0)
		return mp_span(NULL, 0);
	return mp_span(s->output.p + s->written, s->output.n - s->written);
}

void
mp_session_sent(struct mp_session *s, size_t n)
{
	mp_assert(n <= s->output.n - s->written);
	s->written += n;
	if (s->written < s->output.n)
		return;
	s->written = 0;
	buf_empty(&s->output);
}

void
mp_session_take(struct mp_session *s, struct mp_buf *into)
{
	struct mp_buf taken = s->output;

	mp_assert(into->n == 0 && into->alloc == s->output.alloc);
	if (s->written > 0)
		mp_buf_consume(&taken, s->written);
	s->output = *into;
	s->output.max = MP_STREAM_QUEUE_MAX;
	s->written = 0;
	*into = taken;
}

uint16_t
mp_session_proto(const struct mp_session *s)
{
	mp_assert(s->state == MP_SESSION_OPEN);
	return s->proto;
}

const uint8_t *
mp_session_hash(const struct mp_session *s)
{
	mp_assert(s->state == MP_SESSION_OPEN);
	return s->hash;
}

const struct mp_error *
mp_session_error(const struct mp_session *s)
{
	return &s->err;
}
