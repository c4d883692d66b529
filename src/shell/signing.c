/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/signing.h"

#include <stdlib.h>

#include "codec/record_run.h"
#include "codec/record_trust.h"
#include "codec/token.h"
#include "crypto/key.h"
#include "shell/heap.h"

#define SKEW_MS 60000 /* clocks differ a little */

static int
check_signer(
	const struct mp_signing *by, const struct mp_authority *authority, struct mp_error *err)
{
	if (mp_authority_has(authority, by->signer.key, MP_TIME_NEVER))
		return 0;
	return mp_fail(
		err, MP_EAUTH, "the key that signs is no authority of this cluster, or no longer");
}

/* token->authority is open; the secret of the invite is in token->seed. */
static int
token_make(const struct mp_signing *by, struct mp_token *token, struct mp_invite *invite,
	struct mp_buf *text, struct mp_error *err)
{
	struct mp_secret *inviter = NULL;
	struct mp_buf bytes;
	int rc = mp_key_generate(&inviter, MP_KEY_SIGNING);

	mp_buf_init(&bytes, &mp_heap, MP_TOKEN_MAX);
	if (rc == 0) {
		mp_secret_public(inviter, invite->key);
		mp_secret_seed(inviter, token->seed);
		rc = mp_invite_sign(&mp_crypto_sodium, invite, &by->signer, &bytes);
	}
	if (rc == 0) {
		token->log = token->authority.log;
		token->invite_bytes = mp_buf_span(&bytes);
		rc = mp_token_encode(&mp_crypto_sodium, token, text);
	}
	mp_buf_fini(&bytes);
	mp_secret_free(inviter);
	return rc != 0 ? mp_fail(err, rc, "invite: %s", mp_strerror(rc)) : 0;
}

static int
invite_sign(const struct mp_signing *by, struct mp_invite *invite, mp_time valid_ms,
	struct mp_buf *text, struct mp_error *err)
{
	struct mp_token *token = calloc(1, sizeof(*token));
	int rc;

	if (token == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	rc = mp_authority_open(&mp_crypto_sodium, by->log, &token->authority, err);
	if (rc == 0)
		rc = check_signer(by, &token->authority, err);
	invite->cluster = token->authority.cluster;
	invite->not_before_ms = by->wall_ms - SKEW_MS;
	invite->expires_ms = by->wall_ms + valid_ms;
	if (rc == 0)
		rc = token_make(by, token, invite, text, err);
	mp_crypto_sodium.wipe(token, sizeof(*token));
	free(token);
	return rc;
}

int
mp_signing_invite(const struct mp_signing *by, uint32_t roles, mp_time valid_ms,
	const char *const *seeds, size_t seed_count, struct mp_buf *token, struct mp_error *err)
{
	struct mp_invite invite = {
		.roles = roles, .seed_count = mp_min_size(seed_count, MP_INVITE_SEEDS_MAX)};

	for (size_t i = 0; i < invite.seed_count; i++)
		invite.seeds[i] = mp_span_str(seeds[i]);
	mp_key_random(invite.nonce, sizeof(invite.nonce));
	return invite_sign(by, &invite, valid_ms, token, err);
}

int
mp_signing_admit(const struct mp_signing *by, struct mp_span request, uint32_t roles,
	mp_time valid_ms, struct mp_buf *token, struct mp_error *err)
{
	struct mp_invite invite = {.roles = roles};
	struct mp_request who;
	int rc = mp_request_open(&mp_crypto_sodium, request, &who, err);

	if (rc != 0)
		return rc;
	if (who.person == ((roles & MP_ROLE_NODE) != 0))
		return mp_fail(err, MP_EUSAGE,
			who.person ? "%s is a person: a role among submit, observe and admin"
				   : "%s is a node: the roles must have node among them",
			who.name.s);
	mp_invite_bind(&invite, &who.id);
	return invite_sign(by, &invite, valid_ms, token, err);
}

static int
takeover_sign(const struct mp_signing *by, const struct mp_cluster_id *cluster,
	struct mp_span takeover, struct mp_buf *out, struct mp_sig *sig)
{
	struct mp_takeover t;
	struct mp_hash h;
	int rc = mp_takeover_decode(takeover, &t);

	if (rc == 0 && !mp_cluster_id_eq(&t.who.cluster, cluster))
		rc = MP_ECLUSTER;
	if (rc == 0) {
		memcpy(t.signer, by->signer.key, sizeof(t.signer));
		rc = mp_takeover_encode(out, &t);
	}
	if (rc == 0) {
		h = mp_record_hash(&mp_crypto_sodium, mp_buf_span(out));
		mp_crypto_sodium.sign(by->signer.secret, sig, mp_span(h.b, sizeof(h.b)));
	}
	return rc;
}

int
mp_signing_takeover(const struct mp_signing *by, struct mp_span takeover, struct mp_buf *out,
	struct mp_sig *sig, struct mp_error *err)
{
	struct mp_authority *authority = calloc(1, sizeof(*authority));
	int rc;

	if (authority == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	rc = mp_authority_open(&mp_crypto_sodium, by->log, authority, err);
	if (rc == 0)
		rc = check_signer(by, authority, err);
	if (rc == 0) {
		rc = takeover_sign(by, &authority->cluster, takeover, out, sig);
		if (rc != 0)
			(void)mp_fail(err, rc, "takeover: %s", mp_strerror(rc));
	}
	free(authority);
	return rc;
}
