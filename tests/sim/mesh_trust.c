/* SPDX-License-Identifier: Apache-2.0 */
/* Who belongs together: each cluster has a founder, its first node, which has admitted those that
 * are founded with it and has invited the others. */
#include "mesh.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/caps.h"
#include "codec/record_trust.h"

#define WALL    ((mp_time)1700000000000)
#define DAY     ((mp_time)24 * 3600 * 1000)
#define EXPIRES (WALL + 1000 * DAY)

static const uint8_t gossip_keys[MESH_CLUSTERS_MAX][MP_SYMKEY_SIZE] = {{'a'}, {'b'}};

/* The least there is: no tools, no tags, no zone. */
static const uint8_t caps_bytes[] = {0x88, 1, 0x61, 'l', 0x61, 'x', 1, 1, 0x80, 0x80, 0x60};

struct mp_span
mesh_caps(void)
{
	return mp_span(caps_bytes, sizeof(caps_bytes));
}

const uint8_t *
mesh_gossip_key(const struct mesh_node *node)
{
	return gossip_keys[node->cluster];
}

void
mesh_name(const struct mesh_node *node, struct mp_name *name)
{
	(void)snprintf(name->s, sizeof(name->s), "node-%" PRIu32, node->index);
}

static struct mp_signer
signer_of(struct mp_secret *secret, const struct mp_node_id *id)
{
	struct mp_signer s = {.secret = secret};

	memcpy(s.key, id->b, sizeof(s.key));
	return s;
}

struct cluster {
	struct mp_secret *authority, *inviter;
	struct mp_signer by_authority, by_inviter, by_founder;
	struct mp_trust trust;
	struct mp_span log;
	struct mp_buf founder, invite;
};

static void
cluster_found(struct mesh *mesh, uint32_t index, struct cluster *c)
{
	struct mesh_node *node = &mesh->nodes[index];
	struct mp_genesis genesis = {.wall_ms = WALL, .nonce = {(uint8_t)(index + 1)}};
	struct mp_invite invite = {
		.roles = MP_ROLES_ALL, .not_before_ms = WALL - DAY, .expires_ms = EXPIRES};
	struct mp_credential credential;
	struct mp_node_id id;
	struct mp_xkey unused;
	struct mp_name name;

	c->authority = sim_secret_new(900000001 + index, &id, &unused);
	c->by_authority = genesis.authority = signer_of(c->authority, &id);
	c->inviter = sim_secret_new(900000101 + index, &id, &unused);
	c->by_inviter = genesis.inviter = signer_of(c->inviter, &id);
	c->by_founder = genesis.node = signer_of(node->secret, &node->id);
	genesis.xkey = node->xkey;
	mesh_name(node, &name);
	genesis.name = mp_span_str(name.s);
	mp_buf_init(&c->founder, &mesh->alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&c->invite, &mesh->alloc, MP_CREDENTIAL_MAX);
	mp_assert(
		mp_trust_genesis(&sim_crypto, &genesis, &mesh->clusters[index], &c->founder) == 0);
	c->trust = (struct mp_trust){.crypto = &sim_crypto, .cluster = mesh->clusters[index]};
	mp_assert(
		mp_credential_verify(&c->trust, mp_buf_span(&c->founder), &credential, NULL) == 0);
	c->log = credential.log;
	invite.cluster = mesh->clusters[index];
	memcpy(invite.key, c->by_inviter.key, sizeof(invite.key));
	mp_assert(mp_invite_sign(&sim_crypto, &invite, &c->by_authority, &c->invite) == 0);
	node->credential = mesh_blob(mesh, mesh_intern(mesh, mp_buf_span(&c->founder)));
}

static void
cluster_fini(struct cluster *c)
{
	sim_secret_free(c->authority);
	sim_secret_free(c->inviter);
	mp_buf_fini(&c->founder);
	mp_buf_fini(&c->invite);
}

static void
node_invite(struct mesh_node *node, struct cluster *c)
{
	struct mesh *mesh = node->mesh;
	struct mp_join_request ask = {.roles = MP_ROLES_ALL, .serial = 1, .wall_ms = WALL};
	struct mp_buf credential, admitted;
	struct mp_name name;

	ask.log = c->log;
	ask.invite = mp_buf_span(&c->invite);
	ask.inviter = c->by_inviter;
	ask.node = signer_of(node->secret, &node->id);
	ask.xkey = node->xkey;
	mesh_name(node, &name);
	ask.name = mp_span_str(name.s);
	mp_buf_init(&credential, &mesh->alloc, MP_CREDENTIAL_MAX);
	mp_buf_init(&admitted, &mesh->alloc, MP_CREDENTIAL_MAX);
	mp_assert(mp_trust_join(&sim_crypto, &ask, &credential, NULL) == 0);
	if (node->index / mesh->plan.clusters < mesh->plan.founded) {
		mp_assert(mp_trust_admit(&c->trust, mp_buf_span(&credential), &c->by_founder, WALL,
				  &admitted, NULL) == 0);
		node->credential = mesh_blob(mesh, mesh_intern(mesh, mp_buf_span(&admitted)));
	} else {
		node->credential = mesh_blob(mesh, mesh_intern(mesh, mp_buf_span(&credential)));
	}
	mp_buf_fini(&credential);
	mp_buf_fini(&admitted);
}

void
mesh_trust_init(struct mesh *mesh)
{
	for (uint32_t k = 0; k < mesh->plan.clusters; k++) {
		struct cluster c;

		cluster_found(mesh, k, &c);
		for (uint32_t i = k + mesh->plan.clusters; i < mesh->plan.nodes;
			i += mesh->plan.clusters)
			node_invite(&mesh->nodes[i], &c);
		cluster_fini(&c);
	}
}

struct mp_secret *
mesh_authority(const struct mesh *mesh, uint32_t cluster, uint32_t number, struct mp_signer *by)
{
	struct mp_node_id id;
	struct mp_xkey unused;
	struct mp_secret *authority;

	(void)mesh;
	authority = sim_secret_new(900000001 + cluster + (uint64_t)number * 1000, &id, &unused);
	*by = signer_of(authority, &id);
	return authority;
}
