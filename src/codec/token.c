/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/token.h"

#include "codec/cbor.h"

#define CHECK_SIZE 4

static const char tag_token[] = "mp-token";
static const char prefix[] = "mp1-";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
token_check(const struct mp_crypto *crypto, struct mp_span cbor, uint8_t out[CHECK_SIZE])
{
	struct mp_span parts[2] = {mp_span(tag_token, sizeof(tag_token)), cbor};
	struct mp_hash h;

	crypto->hash(&h, parts, 2);
	memcpy(out, h.b, CHECK_SIZE);
}

static int
base64_put(struct mp_buf *text, struct mp_span bytes)
{
	size_t n = bytes.n / 3 * 4 + (bytes.n % 3 == 0 ? 0 : bytes.n % 3 + 1);
	int rc = mp_buf_reserve(text, n);
	uint32_t bits = 0;
	unsigned have = 0;

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < bytes.n; i++) {
		bits = bits << 8 | bytes.p[i];
		for (have += 8; have >= 6; have -= 6)
			text->p[text->n++] = (uint8_t)alphabet[bits >> (have - 6) & 63];
	}
	if (have > 0)
		text->p[text->n++] = (uint8_t)alphabet[bits << (6 - have) & 63];
	return 0;
}

static int
base64_digit(uint8_t c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int)(at - alphabet);
}

/* MP_EFORMAT for a foreign digit, a length that cannot be, or bits left over. */
static int
base64_take(struct mp_buf *bytes, struct mp_span text)
{
	int rc = mp_buf_reserve(bytes, text.n / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned have = 0;

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < text.n; i++) {
		int digit = base64_digit(text.p[i]);

		if (digit < 0)
			return MP_EFORMAT;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		bytes->p[bytes->n++] = (uint8_t)(bits >> have);
	}
	return have < 6 && (bits & ((1u << have) - 1)) == 0 ? 0 : MP_EFORMAT;
}

int
mp_token_encode(const struct mp_crypto *crypto, const struct mp_token *token, struct mp_buf *text)
{
	uint8_t check[CHECK_SIZE];
	size_t start = text->n;
	struct mp_cbor_w w;
	struct mp_buf cbor;
	int rc;

	mp_buf_init(&cbor, text->alloc, MP_TOKEN_MAX);
	mp_cbor_w_init(&w, &cbor);
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_text(&w, tag_token);
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_raw(&w, token->log);
	mp_cbor_w_raw(&w, token->invite_bytes);
	mp_cbor_w_bytes(&w, token->seed, sizeof(token->seed));
	rc = w.rc;
	if (rc == 0) {
		token_check(crypto, mp_buf_span(&cbor), check);
		rc = mp_buf_append(&cbor, check, sizeof(check));
	}
	if (rc == 0)
		rc = mp_buf_append(text, prefix, sizeof(prefix) - 1);
	if (rc == 0)
		rc = base64_put(text, mp_buf_span(&cbor));
	if (rc == 0 && text->n - start > MP_TOKEN_MAX)
		rc = MP_ELIMIT;
	if (rc != 0)
		text->n = start;
	if (cbor.n > 0)
		crypto->wipe(cbor.p, cbor.n);
	mp_buf_fini(&cbor);
	return rc;
}

static bool
space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Finds the base64 in the text. */
static int
token_strip(struct mp_span *text, struct mp_error *err)
{
	struct mp_span t = *text;

	while (t.n > 0 && space(t.p[0]))
		t = mp_span(t.p + 1, t.n - 1);
	while (t.n > 0 && space(t.p[t.n - 1]))
		t.n--;
	if (t.n == 0)
		return mp_fail(err, MP_EFORMAT, "the token is empty");
	if (t.n > MP_TOKEN_MAX)
		return mp_fail(err, MP_ELIMIT, "too long for an invite token");
	for (size_t i = 0; i < t.n; i++) {
		if (space(t.p[i]))
			return mp_fail(
				err, MP_EFORMAT, "the token must be one line without spaces in it");
	}
	if (t.n >= 4 && memcmp(t.p, "mp", 2) == 0 && t.p[2] >= '2' && t.p[2] <= '9' &&
		t.p[3] == '-')
		return mp_fail(err, MP_EVERSION, "the token was made by a newer version");
	if (t.n < sizeof(prefix) - 1 || memcmp(t.p, prefix, sizeof(prefix) - 1) != 0)
		return mp_fail(
			err, MP_EFORMAT, "not an invite token: it does not begin with %s", prefix);
	*text = mp_span(t.p + sizeof(prefix) - 1, t.n - (sizeof(prefix) - 1));
	return 0;
}

/* Takes the check bytes off; they find what a hand or a terminal did, before signatures do. */
static int
token_unpack(const struct mp_crypto *crypto, struct mp_span text, struct mp_buf *bytes,
	struct mp_span *cbor, struct mp_error *err)
{
	uint8_t check[CHECK_SIZE];
	int rc = base64_take(bytes, text);

	if (rc != 0 && rc != MP_EFORMAT)
		return mp_fail(err, rc, "token: %s", mp_strerror(rc));
	if (rc == 0 && bytes->n > CHECK_SIZE) {
		*cbor = mp_span(bytes->p, bytes->n - CHECK_SIZE);
		token_check(crypto, *cbor, check);
		if (memcmp(check, bytes->p + cbor->n, CHECK_SIZE) == 0)
			return 0;
	}
	return mp_fail(err, MP_EFORMAT, "the token is damaged; was it copied whole?");
}

static int
token_read(struct mp_span cbor, struct mp_token *t)
{
	struct mp_span tag;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, cbor);
	mp_cbor_r_array_exact(&r, 5);
	tag = mp_cbor_r_text(&r, sizeof(tag_token));
	if (r.rc == 0 && !mp_span_eq(tag, mp_span_str(tag_token)))
		r.rc = MP_EFORMAT;
	if (mp_cbor_r_uint(&r, UINT64_MAX) != 1 && r.rc == 0)
		r.rc = MP_EVERSION;
	t->log = mp_cbor_r_item(&r);
	t->invite_bytes = mp_cbor_r_item(&r);
	mp_cbor_r_fixed(&r, t->seed, sizeof(t->seed));
	return mp_cbor_r_end(&r);
}

int
mp_token_decode(const struct mp_crypto *crypto, struct mp_span text, struct mp_buf *bytes,
	struct mp_token *out, struct mp_error *err)
{
	struct mp_span cbor;
	int rc;

	memset(out, 0, sizeof(*out));
	mp_assert(bytes->n == 0);
	rc = token_strip(&text, err);
	if (rc == 0)
		rc = token_unpack(crypto, text, bytes, &cbor, err);
	if (rc != 0)
		return rc;
	rc = token_read(cbor, out);
	if (rc != 0)
		return mp_fail(err, rc, "token: %s", mp_strerror(rc));
	rc = mp_authority_open(crypto, out->log, &out->authority, err);
	if (rc == 0)
		rc = mp_invite_open(crypto, out->invite_bytes, &out->invite, NULL, err);
	if (rc != 0) {
		(void)mp_wrap(err, "token");
		return rc;
	}
	if (memcmp(out->invite.cluster.b, out->authority.cluster.b, 32) != 0)
		return mp_fail(err, MP_ECLUSTER, "token: the invite is for another cluster");
	if (!mp_authority_has(&out->authority, out->invite.signer, MP_TIME_NEVER))
		return mp_fail(err, MP_EAUTH, "token: the invite is not signed by an authority");
	return 0;
}

int
mp_token_facts(const struct mp_crypto *crypto, const struct mp_alloc *alloc, struct mp_span text,
	struct mp_token_facts *out, struct mp_error *err)
{
	struct mp_token *token = mp_realloc(alloc, NULL, 0, sizeof(*token));
	struct mp_buf bytes;
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	mp_buf_init(&bytes, alloc, MP_TOKEN_MAX);
	rc = mp_token_decode(crypto, text, &bytes, token, err);
	if (rc == 0) {
		memcpy(out->key.b, token->invite.key, sizeof(out->key.b));
		out->roles = token->invite.roles;
		out->expires_ms = token->invite.expires_ms;
	}
	if (bytes.p != NULL)
		crypto->wipe(bytes.p, bytes.cap);
	mp_buf_fini(&bytes);
	crypto->wipe(token, sizeof(*token));
	mp_dealloc(alloc, token, sizeof(*token));
	return rc;
}
