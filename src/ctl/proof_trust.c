/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs to the cluster: authority logs, revocations, credentials. */
#include "core/roster.h"
#include "ctl/proof.h"
#include "util/sort.h"

int
mp_proof_authority(struct mp_proof *p, struct mp_span log)
{
	int rc = mp_charter_learn(p->charter, NULL, log, true);

	if (rc == MP_ENOMEM)
		return rc;
	if (rc == MP_ECLUSTER)
		mp_proof_say(p, MP_PROOF_BROKEN, "authority",
			"the authority log begins with the key of another cluster");
	else if (rc != 0 && rc != MP_EEXIST && rc != MP_ELIMIT)
		mp_proof_say(p, MP_PROOF_BROKEN, "authority",
			"the authority log does not lead from the cluster's first key: %s",
			mp_strerror(rc));
	return 0;
}

/* By any branch of the log: core/charter.h tells why. */
static bool
was_authority(const struct mp_proof *p, const uint8_t key[32])
{
	for (size_t i = 0; i < mp_charter_branch_count(p->charter); i++) {
		if (mp_authority_knows(mp_charter_branch(p->charter, i), key))
			return true;
	}
	return false;
}

int
mp_proof_revocation(struct mp_proof *p, struct mp_span record)
{
	struct mp_revocation r;
	int rc = mp_revocation_open(p->crypto, record, &r, NULL);

	if (rc == 0 && !was_authority(p, r.signer))
		rc = MP_EAUTH;
	if (rc == 0)
		rc = mp_charter_restore(
			p->charter, mp_span(r.subject.b, sizeof(r.subject.b)), record);
	if (rc == MP_ENOMEM)
		return rc;
	if (rc != 0 && rc != MP_EEXIST)
		mp_proof_say(p, MP_PROOF_BROKEN, "revocation",
			"a revocation that no authority of the cluster has signed: %s",
			mp_strerror(rc));
	return 0;
}

/* ---- credentials ---- */

int
mp_proof_credential(struct mp_proof *p, struct mp_span credential)
{
	struct proof_member m = {.size = credential.n};
	struct mp_cert cert;
	int rc = p->member_count < MP_MEMBERS_MAX ? mp_roster_peek(credential, &cert) : MP_ELIMIT;

	if (rc != 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "credential", "a credential that is none: %s",
			mp_strerror(rc));
		return 0;
	}
	m.id = cert.id;
	m.name = cert.name;
	m.roles = cert.roles;
	rc = mp_proof_grow(
		p, (void **)&p->members, sizeof(*p->members), p->member_count, &p->member_room);
	if (rc == 0 && (m.bytes = mp_realloc(p->alloc, NULL, 0, credential.n)) == NULL)
		rc = MP_ENOMEM;
	if (rc != 0)
		return rc;
	memcpy(m.bytes, credential.p, credential.n);
	p->members[p->member_count++] = m;
	return 0;
}

static int
member_cmp(const void *a, const void *b)
{
	const struct proof_member *x = a, *y = b;

	return mp_node_id_cmp(&x->id, &y->id);
}

static struct proof_member *
member_find(const struct mp_proof *p, const struct mp_node_id *id)
{
	size_t low = 0, high = p->settled ? p->member_count : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = mp_node_id_cmp(&p->members[mid].id, id);

		if (order == 0)
			return &p->members[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool
is_admitter(void *ctx, const struct mp_node_id *id)
{
	const struct proof_member *m = member_find(ctx, id);

	return m != NULL && m->proven && (m->roles & MP_ROLE_NODE) != 0;
}

/* By that branch of the authority log. MP_EAUTH: not yet, or not at all. */
static int
member_verify(struct mp_proof *p, struct proof_member *m, const struct mp_authority *authority)
{
	struct mp_trust trust = {.crypto = p->crypto,
		.cluster = p->cluster,
		.authority = authority,
		.is_admitter = is_admitter,
		.ctx = p};
	struct mp_node_id admitter;
	struct mp_credential c;
	int rc = mp_credential_verify(&trust, mp_span(m->bytes, m->size), &c, &m->why);

	if (rc != 0)
		return rc;
	if (c.standing != MP_STANDING_MEMBER)
		return mp_fail(&m->why, MP_EAUTH, "nobody who is certified has let it in");
	memcpy(admitter.b, c.admission.admitter, sizeof(admitter.b));
	if (mp_proof_shut(p, &admitter, c.admission.admitted_ms))
		return mp_fail(&m->why, MP_EAUTH, "the key of who let it in had been revoked");
	m->proven = true;
	return 0;
}

/* Who let in whom is not known beforehand: until nobody more is proven. */
int
mp_proof_settle(struct mp_proof *p)
{
	size_t proven = 0, before;

	mp_sort(p->members, p->member_count, sizeof(*p->members), member_cmp);
	p->settled = true;
	do {
		before = proven;
		proven = 0;
		for (size_t i = 0; i < p->member_count; i++) {
			struct proof_member *m = &p->members[i];

			for (size_t b = 0; !m->proven && b < mp_charter_branch_count(p->charter);
				b++)
				(void)member_verify(p, m, mp_charter_branch(p->charter, b));
			proven += m->proven;
		}
	} while (proven > before);
	return 0;
}

/* ---- asking ---- */

const char *
mp_proof_name(const struct mp_proof *p, const struct mp_node_id *id)
{
	const struct proof_member *m = member_find(p, id);

	return m != NULL ? m->name.s : "?";
}

bool
mp_proof_shut(const struct mp_proof *p, const struct mp_node_id *id, mp_time wall_ms)
{
	const struct mp_revocation *r = mp_charter_revoked(p->charter, id);

	return r != NULL && r->revoked_ms <= wall_ms;
}

bool
mp_proof_signer(struct mp_proof *p, const struct mp_node_id *id, mp_time wall_ms, const char *what)
{
	const struct mp_revocation *r = mp_charter_revoked(p->charter, id);
	const struct proof_member *m = member_find(p, id);
	char revoked[MP_PROOF_TIME], then[MP_PROOF_TIME];

	if (m == NULL || !m->proven || (m->roles & MP_ROLE_NODE) == 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "signer", "who %s is no certified node: %s", what,
			m == NULL    ? "nobody has a certificate of that key"
			: !m->proven ? m->why.text
				     : "its certificate has not that role");
		return false;
	}
	if (r == NULL)
		return true;
	mp_proof_time(revoked, r->revoked_ms);
	mp_proof_time(then, wall_ms);
	if (r->revoked_ms <= wall_ms)
		mp_proof_say(p, MP_PROOF_BROKEN, "signer",
			"the key of who %s was revoked at %s, before this was decided at %s", what,
			revoked, then);
	else
		mp_proof_say(p, MP_PROOF_NOTE, "signer",
			"the key of who %s was revoked later, at %s; this was decided at %s", what,
			revoked, then);
	return r->revoked_ms > wall_ms;
}
