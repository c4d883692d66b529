/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_trust.h"

#include "codec/cbor.h"

static int
fail_code(struct mp_error *err, int rc, const char *what)
{
	return mp_fail(err, rc, "%s: %s", what, mp_strerror(rc));
}

/* The longer of two logs when one continues the other; else our own. */
static const struct mp_authority *
authority_choose(const struct mp_authority *ours, const struct mp_authority *theirs)
{
	if (ours == NULL)
		return theirs;
	if (theirs->entry_count <= ours->entry_count)
		return ours;
	return mp_hash_eq(&ours->entries[ours->entry_count - 1],
		       &theirs->entries[ours->entry_count - 1])
		       ? theirs
		       : ours;
}

static int
credential_check_admission(const struct mp_trust *trust, struct mp_credential *c,
	const struct mp_authority *authority, struct mp_error *err)
{
	const struct mp_admission *a = &c->admission;
	struct mp_node_id id;

	if (memcmp(a->cluster.b, trust->cluster.b, sizeof(a->cluster.b)) != 0)
		return fail_code(err, MP_ECLUSTER, "admission");
	if (!mp_hash_eq(&a->cert, &c->cert_hash))
		return mp_fail(err, MP_EAUTH, "the admission is for another certificate");
	if (a->admitted_ms < c->invite.not_before_ms || a->admitted_ms > c->invite.expires_ms)
		return mp_fail(
			err, MP_EEXPIRED, "it was not admitted within the time of its invite");
	if (!mp_authority_has(authority, c->invite.signer, a->admitted_ms))
		return mp_fail(err, MP_EAUTH, "the invite is not signed by an authority");
	memcpy(id.b, a->admitter, sizeof(id.b));
	if (mp_authority_has(authority, a->admitter, a->admitted_ms) ||
		(trust->is_admitter != NULL && trust->is_admitter(trust->ctx, &id)))
		c->standing = MP_STANDING_MEMBER;
	else
		c->standing = MP_STANDING_UNPROVEN;
	return 0;
}

/* Everything but the log and the admission, which decide about authority. */
static int
credential_check_cert(const struct mp_trust *trust, struct mp_credential *c, struct mp_error *err)
{
	size_t n = sizeof(trust->cluster.b);
	int rc = mp_invite_open(trust->crypto, c->invite_bytes, &c->invite, &c->invite_hash, err);

	if (rc != 0)
		return rc;
	rc = mp_cert_open(
		trust->crypto, c->cert_bytes, c->invite.key, &c->cert, &c->cert_hash, err);
	if (rc != 0)
		return rc;
	if (memcmp(c->invite.cluster.b, trust->cluster.b, n) != 0 ||
		memcmp(c->cert.cluster.b, trust->cluster.b, n) != 0)
		return fail_code(err, MP_ECLUSTER, "certificate");
	if (!mp_hash_eq(&c->cert.invite, &c->invite_hash))
		return mp_fail(err, MP_EAUTH, "the certificate is for another invite");
	if (!mp_invite_is_for(&c->invite, &c->cert.id))
		return mp_fail(err, MP_EAUTH, "the invite is for somebody else");
	if ((c->cert.roles & ~c->invite.roles) != 0)
		return mp_fail(err, MP_EROLE, "the certificate has roles that the invite has not");
	return 0;
}

int
mp_credential_verify(const struct mp_trust *trust, struct mp_span bytes, struct mp_credential *out,
	struct mp_error *err)
{
	const struct mp_authority *authority;
	struct mp_span admission = mp_span(NULL, 0);
	struct mp_cbor_r r;
	int rc;

	memset(out, 0, sizeof(*out));
	if (bytes.n > MP_CREDENTIAL_MAX)
		return fail_code(err, MP_ELIMIT, "credential");
	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 4);
	out->log = mp_cbor_r_item(&r);
	out->invite_bytes = mp_cbor_r_item(&r);
	out->cert_bytes = mp_cbor_r_item(&r);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL)
		mp_cbor_r_null(&r);
	else
		admission = mp_cbor_r_item(&r);
	rc = mp_cbor_r_end(&r);
	if (rc != 0)
		return fail_code(err, rc, "credential");
	rc = mp_authority_open(trust->crypto, out->log, &out->authority, err);
	if (rc != 0)
		return rc;
	if (memcmp(out->authority.cluster.b, trust->cluster.b, sizeof(trust->cluster.b)) != 0)
		return fail_code(err, MP_ECLUSTER, "authority log");
	rc = credential_check_cert(trust, out, err);
	if (rc != 0)
		return rc;
	authority = authority_choose(trust->authority, &out->authority);
	if (admission.n > 0) {
		rc = mp_admission_open(trust->crypto, admission, &out->admission, err);
		return rc != 0 ? rc : credential_check_admission(trust, out, authority, err);
	}
	out->standing = MP_STANDING_JOINER;
	if (!mp_authority_knows(authority, out->invite.signer))
		return mp_fail(err, MP_EAUTH, "the invite is not signed by an authority");
	return 0;
}

int
mp_trust_check_invite(const struct mp_trust *trust, const struct mp_credential *c, mp_time wall_ms,
	struct mp_error *err)
{
	const struct mp_authority *authority = authority_choose(trust->authority, &c->authority);
	struct mp_node_id key;
	int rc = mp_invite_check_time(&c->invite, wall_ms, err);

	memcpy(key.b, c->invite.key, sizeof(key.b));
	if (rc == 0 && trust->is_revoked != NULL && trust->is_revoked(trust->ctx, &key))
		return mp_fail(
			err, MP_EREVOKED, "the invite was revoked; mpctl invite makes a new one");
	if (rc == 0 && !mp_authority_has(authority, c->invite.signer, MP_TIME_NEVER))
		return mp_fail(err, MP_EAUTH,
			"the key that signed the invite is no authority any more; mpctl invite "
			"makes a new one");
	return rc;
}

/* ---- making credentials ---- */

/* Ends what a builder appended: within bounds, or not at all. */
static int
credential_end(struct mp_buf *out, size_t start, int rc)
{
	if (rc == 0 && out->n - start > MP_CREDENTIAL_MAX)
		rc = MP_ELIMIT;
	if (rc != 0)
		out->n = start;
	return rc;
}

int
mp_trust_admit(const struct mp_trust *trust, struct mp_span joiner,
	const struct mp_signer *admitter, mp_time wall_ms, struct mp_buf *out, struct mp_error *err)
{
	struct mp_admission admission = {.cluster = trust->cluster, .admitted_ms = wall_ms};
	struct mp_credential c;
	size_t start = out->n;
	struct mp_cbor_w w;
	int rc = mp_credential_verify(trust, joiner, &c, err);

	if (rc == 0 && c.standing == MP_STANDING_MEMBER)
		return mp_fail(err, MP_EEXIST, "it is a member already");
	/* A stranger's admission, which is replaced here, may have named any time. */
	if (rc == 0)
		rc = mp_trust_check_invite(trust, &c, wall_ms, err);
	if (rc != 0)
		return rc;
	admission.cert = c.cert_hash;
	mp_cbor_w_init(&w, out);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_raw(&w, c.log);
	mp_cbor_w_raw(&w, c.invite_bytes);
	mp_cbor_w_raw(&w, c.cert_bytes);
	rc = w.rc;
	if (rc == 0)
		rc = mp_admission_sign(trust->crypto, &admission, admitter, out);
	rc = credential_end(out, start, rc);
	return rc == 0 ? 0 : fail_code(err, rc, "admission");
}

static int
join_check(const struct mp_join_request *q, const struct mp_authority *authority,
	const struct mp_invite *invite, struct mp_error *err)
{
	struct mp_node_id id;

	memcpy(id.b, q->node.key, sizeof(id.b));
	if (memcmp(invite->cluster.b, authority->cluster.b, sizeof(invite->cluster.b)) != 0)
		return fail_code(err, MP_ECLUSTER, "invite");
	if (!mp_authority_has(authority, invite->signer, MP_TIME_NEVER))
		return mp_fail(err, MP_EAUTH, "the invite is not signed by an authority");
	if (memcmp(invite->key, q->inviter.key, sizeof(invite->key)) != 0)
		return mp_fail(err, MP_EAUTH, "the token's secret is not its invite's");
	if (!mp_invite_is_for(invite, &id))
		return mp_fail(err, MP_EAUTH, "the token is for somebody else's key");
	if (!mp_node_name_valid(q->name))
		return mp_fail(err, MP_EINVAL,
			"not a node's name: it takes letters, digits, '.', '_' and '-', at most %d",
			MP_NAME_MAX);
	if (!mp_roles_valid(q->roles) || (q->roles & ~invite->roles) != 0)
		return mp_fail(err, MP_EAUTH, "the invite does not give these roles");
	return 0;
}

/* Appends [log, invite, cert, and leaves the admission to the caller. */
static int
credential_begin(const struct mp_crypto *crypto, const struct mp_join_request *q,
	const struct mp_invite *invite, const struct mp_hash *invite_hash, struct mp_hash *hash,
	struct mp_buf *out)
{
	struct mp_cert cert = {
		.cluster = invite->cluster,
		.xkey = q->xkey,
		.roles = q->roles,
		.serial = q->serial,
		.issued_ms = q->wall_ms,
		.invite = *invite_hash,
	};
	struct mp_cbor_w w;

	memcpy(cert.id.b, q->node.key, sizeof(cert.id.b));
	memcpy(cert.name.s, q->name.p, q->name.n);
	mp_cbor_w_init(&w, out);
	mp_cbor_w_array(&w, 4);
	if (w.rc == 0)
		w.rc = mp_authority_copy(q->log, mp_authority_prefix(q->log, invite->signer), out);
	mp_cbor_w_raw(&w, q->invite);
	return w.rc != 0 ? w.rc : mp_cert_sign(crypto, &cert, &q->node, &q->inviter, hash, out);
}

int
mp_trust_join(const struct mp_crypto *crypto, const struct mp_join_request *request,
	struct mp_buf *out, struct mp_error *err)
{
	struct mp_hash invite_hash, cert_hash;
	struct mp_authority authority;
	struct mp_invite invite;
	size_t start = out->n;
	struct mp_cbor_w w;
	int rc = mp_authority_open(crypto, request->log, &authority, err);

	if (rc == 0)
		rc = mp_invite_open(crypto, request->invite, &invite, &invite_hash, err);
	if (rc == 0)
		rc = join_check(request, &authority, &invite, err);
	if (rc != 0)
		return rc;
	rc = credential_begin(crypto, request, &invite, &invite_hash, &cert_hash, out);
	mp_cbor_w_init(&w, out);
	if (rc == 0)
		mp_cbor_w_null(&w);
	rc = credential_end(out, start, rc != 0 ? rc : w.rc);
	return rc == 0 ? 0 : fail_code(err, rc, "credential");
}

/* The log's first entry and the invite that the founder writes to itself, good for one instant. */
static int
genesis_records(const struct mp_crypto *crypto, const struct mp_genesis *g, struct mp_buf *log,
	struct mp_buf *invite_bytes, struct mp_invite *invite)
{
	struct mp_authority_change change = {
		.op = MP_AUTHORITY_ADD,
		.created_ms = g->wall_ms,
	};
	struct mp_authority authority;
	int rc;

	memcpy(change.key, g->authority.key, sizeof(change.key));
	rc = mp_authority_append(crypto, mp_span(NULL, 0), &change, &g->authority, log);
	if (rc == 0)
		rc = mp_authority_open(crypto, mp_buf_span(log), &authority, NULL);
	if (rc != 0)
		return rc;
	*invite = (struct mp_invite){
		.cluster = authority.cluster,
		.roles = MP_ROLES_ALL,
		.not_before_ms = g->wall_ms,
		.expires_ms = g->wall_ms,
	};
	memcpy(invite->key, g->inviter.key, sizeof(invite->key));
	memcpy(invite->nonce, g->nonce, sizeof(invite->nonce));
	memcpy(invite->signer, g->authority.key, sizeof(invite->signer));
	return mp_invite_sign(crypto, invite, &g->authority, invite_bytes);
}

int
mp_trust_genesis(const struct mp_crypto *crypto, const struct mp_genesis *genesis,
	struct mp_cluster_id *cluster, struct mp_buf *out)
{
	struct mp_join_request q = {
		.inviter = genesis->inviter,
		.node = genesis->node,
		.xkey = genesis->xkey,
		.name = genesis->name,
		.roles = MP_ROLES_ALL,
		.wall_ms = genesis->wall_ms,
	};
	struct mp_admission admission = {.admitted_ms = genesis->wall_ms};
	struct mp_hash invite_hash;
	struct mp_invite invite;
	struct mp_buf log, signed_invite;
	size_t start = out->n;
	int rc;

	if (!mp_node_name_valid(genesis->name))
		return MP_EINVAL;
	mp_buf_init(&log, out->alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&signed_invite, out->alloc, MP_CREDENTIAL_MAX);
	rc = genesis_records(crypto, genesis, &log, &signed_invite, &invite);
	q.log = mp_buf_span(&log);
	q.invite = mp_buf_span(&signed_invite);
	if (rc == 0)
		rc = mp_invite_open(crypto, q.invite, &invite, &invite_hash, NULL);
	if (rc == 0)
		rc = credential_begin(crypto, &q, &invite, &invite_hash, &admission.cert, out);
	if (rc == 0) {
		admission.cluster = invite.cluster;
		rc = mp_admission_sign(crypto, &admission, &genesis->authority, out);
	}
	rc = credential_end(out, start, rc);
	if (rc == 0)
		*cluster = invite.cluster;
	mp_buf_fini(&log);
	mp_buf_fini(&signed_invite);
	return rc;
}
