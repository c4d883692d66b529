/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile credentials, authority logs, invites, requests and tokens, with signatures that all hold:
 * what is accepted lies inside its input, can be built upon, and a token comes out as it went in.
 */
#include "same.h"
#include "null_crypto.h"

#include "codec/record_revoke.h"
#include "codec/record_trust.h"
#include "codec/token.h"

static struct fuzz_heap heap;
static const struct mp_alloc alloc = FUZZ_ALLOC(&heap);

static void
inside(struct mp_span part, struct mp_span whole)
{
	mp_assert(part.p >= whole.p && part.n <= whole.n);
	mp_assert((size_t)(part.p - whole.p) <= whole.n - part.n);
}

static struct mp_trust
trust_of(void)
{
	struct mp_trust trust = {.crypto = &null_crypto};
	struct mp_hash h;

	null_hash(&h, NULL, 2); /* what every record's hash is */
	memcpy(trust.cluster.b, h.b, sizeof(h.b));
	return trust;
}

static void
check_credential(struct mp_span in, struct mp_buf *buf)
{
	static const struct mp_signer admitter = {.key = {1}};
	struct mp_trust trust = trust_of();
	struct mp_credential cred;
	struct mp_error err = {0};
	int rc = mp_credential_verify(&trust, in, &cred, &err);

	mp_assert(rc == err.code);
	if (rc != 0)
		return;
	inside(cred.log, in);
	inside(cred.invite_bytes, in);
	inside(cred.cert_bytes, in);
	mp_assert((cred.cert.roles & ~cred.invite.roles) == 0 && cred.cert.roles != 0);
	mp_assert(mp_node_name_valid(mp_span_str(cred.cert.name.s)));
	mp_assert(mp_authority_knows(&cred.authority, cred.invite.signer));
	rc = mp_trust_admit(&trust, in, &admitter, cred.invite.expires_ms, buf, &err);
	if (rc == 0) {
		mp_assert(mp_credential_verify(&trust, mp_buf_span(buf), &cred, NULL) == 0);
		mp_assert(cred.standing != MP_STANDING_JOINER);
	}
	mp_buf_clear(buf);
}

static void
check_log(struct mp_span in, struct mp_buf *buf)
{
	struct mp_authority_change change = {.op = MP_AUTHORITY_ADD, .key = {0xfe, 0xdc}};
	struct mp_signer signer = {.secret = NULL};
	struct mp_authority a;
	int rc;

	if (mp_authority_open(&null_crypto, in, &a, NULL) != 0)
		return;
	mp_assert(a.entry_count > 0 && a.key_count > 0);
	mp_assert(mp_authority_copy(in, a.entry_count, buf) == 0);
	mp_assert(mp_span_eq(mp_buf_span(buf), in));
	fuzz_item(in);
	mp_buf_clear(buf);
	for (size_t i = 0; i < a.key_count; i++) {
		mp_assert(mp_authority_prefix(in, a.keys[i].key) > 0);
		if (a.keys[i].removed_ms == MP_TIME_NEVER)
			memcpy(signer.key, a.keys[i].key, sizeof(signer.key));
	}
	rc = mp_authority_append(&null_crypto, in, &change, &signer, buf);
	mp_assert(rc == 0 || rc == MP_ELIMIT || rc == MP_EEXIST);
	if (rc == 0)
		mp_assert(mp_authority_open(&null_crypto, mp_buf_span(buf), &a, NULL) == 0);
	mp_buf_clear(buf);
}

static void
check_invite(struct mp_span in, struct mp_buf *buf)
{
	struct mp_signer signer = {.secret = NULL};
	struct mp_invite invite, again;

	if (mp_invite_open(&null_crypto, in, &invite, NULL, NULL) != 0)
		return;
	memcpy(signer.key, invite.signer, sizeof(signer.key));
	mp_assert(mp_invite_sign(&null_crypto, &invite, &signer, buf) == 0);
	mp_assert(buf->n == in.n && memcmp(buf->p, in.p, in.n - 64) == 0);
	fuzz_item(in);
	mp_assert(mp_invite_open(&null_crypto, mp_buf_span(buf), &again, NULL, NULL) == 0);
	mp_buf_clear(buf);
}

static void
check_request(struct mp_span in, struct mp_buf *buf)
{
	struct mp_signer signer = {.secret = NULL};
	struct mp_request request, again;

	if (mp_request_open(&null_crypto, in, &request, NULL) != 0)
		return;
	memcpy(signer.key, request.id.b, sizeof(signer.key));
	mp_assert(mp_request_sign(&null_crypto, &request, &signer, buf) == 0);
	mp_assert(buf->n == in.n && memcmp(buf->p, in.p, in.n - 64) == 0);
	fuzz_item(in);
	mp_assert(mp_request_open(&null_crypto, mp_buf_span(buf), &again, NULL) == 0);
	mp_buf_clear(buf);
}

static void
check_revocation(struct mp_span in, struct mp_buf *buf)
{
	struct mp_signer signer = {.secret = NULL};
	struct mp_revocation revocation, again;

	if (mp_revocation_open(&null_crypto, in, &revocation, NULL) != 0)
		return;
	memcpy(signer.key, revocation.signer, sizeof(signer.key));
	mp_assert(mp_revocation_sign(&null_crypto, &revocation, &signer, buf) == 0);
	mp_assert(buf->n == in.n && memcmp(buf->p, in.p, in.n - 64) == 0);
	fuzz_item(in);
	mp_assert(mp_revocation_peek(mp_buf_span(buf), &again) == 0);
	mp_buf_clear(buf);
}

static void
check_token(struct mp_span in, struct mp_buf *buf)
{
	struct mp_error err = {0};
	struct mp_token token;
	struct mp_buf bytes;
	int rc;

	mp_buf_init(&bytes, &alloc, MP_TOKEN_MAX);
	rc = mp_token_decode(&null_crypto, in, &bytes, &token, &err);
	mp_assert(rc == err.code);
	if (rc == 0) {
		mp_assert(mp_token_encode(&null_crypto, &token, buf) == 0);
		mp_assert(buf->n <= in.n && memmem(in.p, in.n, buf->p, buf->n) != NULL);
		mp_buf_clear(buf);
	}
	mp_buf_fini(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_span in = mp_span(data, size);
	struct mp_buf buf;

	heap = (struct fuzz_heap){.max = 1024 * 1024};
	mp_buf_init(&buf, &alloc, 256 * 1024);
	check_credential(in, &buf);
	check_log(in, &buf);
	check_invite(in, &buf);
	check_revocation(in, &buf);
	check_token(in, &buf);
	check_request(in, &buf);
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
