/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor_msg.h"

#include <stdlib.h>
#include <string.h>

#include "codec/cbor.h"

#define MSG_HEAD 4

/* ---- encoding ---- */

static size_t
msg_words(char *const *v)
{
	size_t n = 0;

	while (v[n] != NULL)
		n++;
	return n;
}

static void
msg_put_str(struct mp_cbor_w *w, const char *s)
{
	mp_cbor_w_span(w, mp_span_str(s));
}

static void
msg_put_words(struct mp_cbor_w *w, char *const *v)
{
	size_t i, n = msg_words(v);

	mp_cbor_w_array(w, n);
	for (i = 0; i < n; i++)
		msg_put_str(w, v[i]);
}

static void
msg_put_spawn(struct mp_cbor_w *w, const struct mp_keeper_spawn *s)
{
	msg_put_str(w, s->dir);
	msg_put_words(w, s->argv);
	msg_put_words(w, s->env);
	msg_put_str(w, s->out);
	msg_put_str(w, s->err);
	mp_cbor_w_uint(w, s->timeout_ms);
	mp_cbor_w_uint(w, s->grace_ms);
	mp_cbor_w_uint(w, s->keep_max);
	mp_cbor_w_uint(w, s->lease_ms);
	mp_cbor_w_uint(w, s->uid);
	mp_cbor_w_uint(w, s->gid);
	mp_cbor_w_uint(w, s->secrets);
}

static void
msg_put_exited(struct mp_cbor_w *w, const struct mp_keeper_exited *e)
{
	mp_cbor_w_int(w, e->exit_code);
	mp_cbor_w_int(w, e->signal);
	mp_cbor_w_bool(w, e->timed_out);
	mp_cbor_w_bool(w, e->killed);
	mp_cbor_w_bool(w, e->unleased);
	mp_cbor_w_uint(w, e->strays);
	mp_cbor_w_uint(w, e->left);
	mp_cbor_w_int(w, e->started_ms);
	mp_cbor_w_int(w, e->ended_ms);
	mp_cbor_w_uint(w, e->wall_us);
	mp_cbor_w_uint(w, e->user_us);
	mp_cbor_w_uint(w, e->sys_us);
	mp_cbor_w_uint(w, e->rss_max_kib);
	mp_cbor_w_uint(w, e->out_size);
	mp_cbor_w_uint(w, e->err_size);
	mp_cbor_w_bool(w, e->out_cut);
	mp_cbor_w_bool(w, e->err_cut);
	mp_cbor_w_bool(w, e->out_lost);
	mp_cbor_w_bool(w, e->err_lost);
}

/* Items of each kind, the two that all have included. */
static size_t
msg_items(enum mp_keeper_kind kind)
{
	switch (kind) {
	case MP_KEEPER_SPAWN:
		return 2 + 12;
	case MP_KEEPER_KILL:
		return 2;
	case MP_KEEPER_STARTED:
	case MP_KEEPER_LEASE:
		return 2 + 1;
	case MP_KEEPER_FAILED:
		return 2 + 2;
	case MP_KEEPER_EXITED:
		return 2 + 19;
	}
	mp_unreachable();
}

int
mp_keeper_msg_encode(struct mp_buf *buf, const struct mp_keeper_msg *m)
{
	size_t start = buf->n, size;
	struct mp_cbor_w w;
	int rc;

	rc = mp_buf_append(buf, "\0\0\0", MSG_HEAD);
	if (rc != 0)
		return rc;
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, msg_items(m->kind));
	mp_cbor_w_uint(&w, (uint64_t)m->kind);
	mp_cbor_w_uint(&w, m->id);
	switch (m->kind) {
	case MP_KEEPER_SPAWN:
		msg_put_spawn(&w, &m->u.spawn);
		break;
	case MP_KEEPER_KILL:
		break;
	case MP_KEEPER_STARTED:
		mp_cbor_w_int(&w, m->u.started.pid);
		break;
	case MP_KEEPER_EXITED:
		msg_put_exited(&w, &m->u.exited);
		break;
	case MP_KEEPER_FAILED:
		mp_cbor_w_int(&w, m->u.failed.code);
		msg_put_str(&w, m->u.failed.text);
		break;
	case MP_KEEPER_LEASE:
		mp_cbor_w_uint(&w, m->u.lease.until_ms);
		break;
	}
	size = buf->n - start - MSG_HEAD;
	if (w.rc == 0 && size > MP_KEEPER_FRAME_MAX)
		w.rc = MP_ELIMIT;
	if (w.rc != 0) {
		buf->n = start;
		return w.rc;
	}
	buf->p[start] = (uint8_t)(size >> 24);
	buf->p[start + 1] = (uint8_t)(size >> 16);
	buf->p[start + 2] = (uint8_t)(size >> 8);
	buf->p[start + 3] = (uint8_t)size;
	return 0;
}

/* ---- decoding ---- */

/* Strings move into one block; each needs no more room there than it had in the frame. */
struct msg_pool {
	char *p;
	char **words;
};

static char *
msg_get_str(struct mp_cbor_r *r, struct msg_pool *pool)
{
	struct mp_span s = mp_cbor_r_bytes(r, MP_KEEPER_FRAME_MAX);
	char *out = pool->p;

	if (r->rc == 0 && s.n > 0 && memchr(s.p, '\0', s.n) != NULL)
		r->rc = MP_EFORMAT;
	if (r->rc != 0)
		return NULL;
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	pool->p += s.n + 1;
	return out;
}

static char **
msg_get_words(struct mp_cbor_r *r, struct msg_pool *pool)
{
	size_t i, n = mp_cbor_r_array(r, MP_KEEPER_WORDS_MAX);
	char **out = pool->words;

	for (i = 0; i < n && r->rc == 0; i++)
		out[i] = msg_get_str(r, pool);
	out[r->rc == 0 ? n : 0] = NULL;
	pool->words += n + 1;
	return out;
}

static void
msg_get_spawn(struct mp_cbor_r *r, struct mp_keeper_spawn *s)
{
	size_t rest = (size_t)(r->end - r->p);
	/* A word takes a byte at least; two lists have a NULL at their end. */
	size_t words = (rest + 2) * sizeof(char *);
	struct msg_pool pool;
	char *mem = malloc(words + rest + 1);

	if (mem == NULL) {
		r->rc = MP_ENOMEM;
		return;
	}
	pool = (struct msg_pool){.p = mem + words, .words = (char **)(void *)mem};
	s->mem = mem;
	s->mem_size = words + rest + 1;
	s->dir = msg_get_str(r, &pool);
	s->argv = msg_get_words(r, &pool);
	s->env = msg_get_words(r, &pool);
	s->out = msg_get_str(r, &pool);
	s->err = msg_get_str(r, &pool);
	s->timeout_ms = mp_cbor_r_uint(r, UINT64_MAX);
	s->grace_ms = mp_cbor_r_uint(r, UINT64_MAX);
	s->keep_max = mp_cbor_r_uint(r, UINT64_MAX);
	s->lease_ms = mp_cbor_r_uint(r, INT64_MAX);
	s->uid = (uid_t)mp_cbor_r_uint(r, UINT32_MAX);
	s->gid = (gid_t)mp_cbor_r_uint(r, UINT32_MAX);
	s->secrets = (uint32_t)mp_cbor_r_uint(r, MP_SECRETS_MAX);
	if (r->rc == 0 && (s->argv[0] == NULL || s->secrets > msg_words(s->env)))
		r->rc = MP_EFORMAT;
}

static int32_t
msg_get_int32(struct mp_cbor_r *r)
{
	int64_t v = mp_cbor_r_int(r);

	if (v < INT32_MIN || v > INT32_MAX) {
		if (r->rc == 0)
			r->rc = MP_EFORMAT;
		return 0;
	}
	return (int32_t)v;
}

static void
msg_get_exited(struct mp_cbor_r *r, struct mp_keeper_exited *e)
{
	e->exit_code = msg_get_int32(r);
	e->signal = msg_get_int32(r);
	e->timed_out = mp_cbor_r_bool(r);
	e->killed = mp_cbor_r_bool(r);
	e->unleased = mp_cbor_r_bool(r);
	e->strays = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	e->left = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	e->started_ms = mp_cbor_r_int(r);
	e->ended_ms = mp_cbor_r_int(r);
	e->wall_us = mp_cbor_r_uint(r, UINT64_MAX);
	e->user_us = mp_cbor_r_uint(r, UINT64_MAX);
	e->sys_us = mp_cbor_r_uint(r, UINT64_MAX);
	e->rss_max_kib = mp_cbor_r_uint(r, UINT64_MAX);
	e->out_size = mp_cbor_r_uint(r, UINT64_MAX);
	e->err_size = mp_cbor_r_uint(r, UINT64_MAX);
	e->out_cut = mp_cbor_r_bool(r);
	e->err_cut = mp_cbor_r_bool(r);
	e->out_lost = mp_cbor_r_bool(r);
	e->err_lost = mp_cbor_r_bool(r);
}

static void
msg_get_text(struct mp_cbor_r *r, char *out, size_t size)
{
	struct mp_span s = mp_cbor_r_bytes(r, size - 1);

	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

static int
msg_decode_body(struct mp_span body, struct mp_keeper_msg *m)
{
	struct mp_cbor_r r;
	size_t items;

	mp_cbor_r_init(&r, body);
	items = mp_cbor_r_array(&r, 32);
	m->kind = (enum mp_keeper_kind)mp_cbor_r_uint(&r, MP_KEEPER_LEASE);
	m->id = mp_cbor_r_uint(&r, UINT64_MAX);
	if (r.rc == 0 && (m->kind < MP_KEEPER_SPAWN || items != msg_items(m->kind)))
		r.rc = MP_EFORMAT;
	if (r.rc != 0)
		return r.rc;
	switch (m->kind) {
	case MP_KEEPER_SPAWN:
		msg_get_spawn(&r, &m->u.spawn);
		break;
	case MP_KEEPER_KILL:
		break;
	case MP_KEEPER_STARTED:
		m->u.started.pid = msg_get_int32(&r);
		break;
	case MP_KEEPER_EXITED:
		msg_get_exited(&r, &m->u.exited);
		break;
	case MP_KEEPER_FAILED:
		m->u.failed.code = msg_get_int32(&r);
		if (r.rc == 0 && m->u.failed.code >= 0)
			r.rc = MP_EFORMAT;
		msg_get_text(&r, m->u.failed.text, sizeof(m->u.failed.text));
		break;
	case MP_KEEPER_LEASE:
		m->u.lease.until_ms = mp_cbor_r_uint(&r, INT64_MAX);
		break;
	}
	return mp_cbor_r_end(&r);
}

int
mp_keeper_msg_decode(struct mp_span bytes, struct mp_keeper_msg *out, size_t *used)
{
	struct mp_keeper_msg m = {0};
	size_t size;
	int rc;

	if (bytes.n < MSG_HEAD)
		return MP_ETRUNC;
	size = (size_t)bytes.p[0] << 24 | (size_t)bytes.p[1] << 16 | (size_t)bytes.p[2] << 8 |
	       bytes.p[3];
	if (size > MP_KEEPER_FRAME_MAX)
		return MP_ELIMIT;
	if (bytes.n - MSG_HEAD < size)
		return MP_ETRUNC;
	rc = msg_decode_body(mp_span(bytes.p + MSG_HEAD, size), &m);
	if (rc != 0) {
		mp_keeper_msg_fini(&m);
		return rc == MP_ENOMEM ? rc : MP_EFORMAT;
	}
	*out = m;
	*used = MSG_HEAD + size;
	return 0;
}

void
mp_keeper_msg_fini(struct mp_keeper_msg *m)
{
	if (m->kind == MP_KEEPER_SPAWN && m->u.spawn.mem != NULL) {
		explicit_bzero(m->u.spawn.mem, m->u.spawn.mem_size); /* secrets may be among it */
		free(m->u.spawn.mem);
	}
	*m = (struct mp_keeper_msg){0};
}
