/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster that every simulation is about: host 0 founds it and has invited all the others. */
#include "sim.h"

#include "codec/record_revoke.h"
#include "codec/record_run.h"
#include "codec/record_trust.h"

#define NEVER_EXPIRES (1700000000000 + (mp_time)1000 * 24 * 3600 * 1000)

static struct mp_signer
signer(struct mp_secret *secret, const struct mp_node_id *id)
{
	struct mp_signer s = {.secret = secret};

	memcpy(s.key, id->b, sizeof(s.key));
	return s;
}

static void
host_name(const struct sim_host *host, char name[16])
{
	(void)snprintf(name, 16, "n%u", host->index);
}

static void
trust_found(struct sim *sim, struct sim_host *host, struct mp_buf *out)
{
	struct mp_genesis genesis = {.wall_ms = 1700000000000, .nonce = {1}};
	struct mp_secret *authority, *inviter;
	struct mp_node_id authority_id, inviter_id;
	struct mp_xkey unused;
	char name[16];

	authority = sim_secret_new(1000001, &authority_id, &unused);
	inviter = sim_secret_new(1000002, &inviter_id, &unused);
	genesis.authority = signer(authority, &authority_id);
	genesis.inviter = signer(inviter, &inviter_id);
	genesis.node = signer(host->secret, &host->id);
	genesis.xkey = host->xkey;
	host_name(host, name);
	genesis.name = mp_span_str(name);
	mp_assert(mp_trust_genesis(&sim_crypto, &genesis, &sim->cluster, out) == 0);
	sim_secret_free(authority);
	sim_secret_free(inviter);
}

/* An invite of the authority's, taken by the host; admission comes from the members. */
static void
trust_invite(struct sim *sim, struct sim_host *host, struct mp_buf *out)
{
	struct mp_invite invite = {.cluster = sim->cluster,
		.roles = MP_ROLES_ALL,
		.not_before_ms = 1700000000000 - (mp_time)1000 * 24 * 3600 * 1000,
		.expires_ms = NEVER_EXPIRES};
	struct mp_join_request join = {
		.roles = MP_ROLES_ALL, .serial = 1, .wall_ms = 1700000000000};
	struct mp_trust trust = {.crypto = &sim_crypto, .cluster = sim->cluster};
	struct mp_secret *authority, *inviter;
	struct mp_node_id authority_id, inviter_id;
	struct mp_credential founder;
	struct mp_signer by;
	struct mp_xkey unused;
	struct mp_buf signed_invite;
	char name[16];

	authority = sim_secret_new(1000001, &authority_id, &unused);
	inviter = sim_secret_new(1000100 + host->index, &inviter_id, &unused);
	by = signer(authority, &authority_id);
	memcpy(invite.key, inviter_id.b, sizeof(invite.key));
	invite.nonce[0] = (uint8_t)host->index;
	mp_buf_init(&signed_invite, &sim->alloc, 8192);
	mp_assert(mp_invite_sign(&sim_crypto, &invite, &by, &signed_invite) == 0);
	mp_assert(mp_credential_verify(&trust,
			  mp_span(sim->hosts[0].credential, sim->hosts[0].credential_size),
			  &founder, NULL) == 0);
	join.log = founder.log;
	join.invite = mp_buf_span(&signed_invite);
	join.inviter = signer(inviter, &inviter_id);
	join.node = signer(host->secret, &host->id);
	join.xkey = host->xkey;
	host_name(host, name);
	join.name = mp_span_str(name);
	mp_assert(mp_trust_join(&sim_crypto, &join, out, NULL) == 0);
	mp_buf_fini(&signed_invite);
	sim_secret_free(authority);
	sim_secret_free(inviter);
}

void
sim_trust_init(struct sim *sim, struct sim_host *host)
{
	struct mp_buf buf;

	host->secret =
		sim_secret_new(sim->plan.seed * 1000 + host->index + 1, &host->id, &host->xkey);
	mp_buf_init(&buf, &sim->alloc, sizeof(host->credential));
	if (host->index == 0)
		trust_found(sim, host, &buf);
	else
		trust_invite(sim, host, &buf);
	memcpy(host->credential, buf.p, buf.n);
	host->credential_size = buf.n;
	mp_buf_fini(&buf);
}

void
sim_trust_revoke(struct mp_revocation *r, struct mp_buf *record)
{
	struct mp_node_id id;
	struct mp_xkey unused;
	struct mp_secret *authority = sim_secret_new(1000001, &id, &unused);
	struct mp_signer by = signer(authority, &id);

	mp_assert(mp_revocation_sign(&sim_crypto, r, &by, record) == 0);
	sim_secret_free(authority);
}

void
sim_trust_take_over(
	struct sim *sim, struct mp_takeover *t, struct mp_buf *record, struct mp_sig *sig)
{
	struct mp_secret *authority;
	struct mp_node_id id;
	struct mp_xkey unused;
	struct mp_hash h;

	(void)sim;
	authority = sim_secret_new(1000001, &id, &unused);
	memcpy(t->signer, id.b, sizeof(t->signer));
	mp_assert(mp_takeover_encode(record, t) == 0);
	h = mp_record_hash(&sim_crypto, mp_buf_span(record));
	sim_crypto.sign(authority, sig, mp_span(h.b, sizeof(h.b)));
	sim_secret_free(authority);
}

const struct mp_cluster_id *
sim_trust_cluster(const struct sim *sim)
{
	return &sim->cluster;
}
