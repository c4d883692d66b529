/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What authorities do while all goes on: they shut nodes out, change the gossip key, and add each
 * other, at any node that they can reach.
 *
 *   M10  a key that a node knows to be shut out is no member in its eyes, and never again
 *   M11  what a node knows to be shut out only grows, also over a restart
 *   M12  once all is healed, all know the same of it, seal with the same gossip key, and who is
 *        shut out is down; nobody else was lost by that (M6)
 */
#include "mesh.h"

#include <inttypes.h>

#include "codec/record_revoke.h"

static bool
knows_shut(const struct mesh_node *node, const struct mesh_node *of)
{
	return node->roster != NULL && mp_roster_revoked(node->roster, &of->id);
}

/* ---- what authorities do ---- */

static int
rotate(struct mesh_node *at)
{
	uint8_t key[MP_SYMKEY_SIZE];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)mp_rng_below(&at->mesh->rng, 256);
	return mp_swim_rotate(at->swim, &at->env, key);
}

void
mesh_rotate(struct mesh_node *at)
{
	if (!mesh_member(at) || at->left)
		return;
	mesh_begin(at);
	if (rotate(at) != 0)
		mesh_fail(at->mesh, "node %" PRIu32 " takes no new gossip key", at->index);
	mesh_finish(at);
}

void
mesh_revoke(struct mesh_node *at, struct mesh_node *of)
{
	struct mp_revocation r = {.cluster = at->mesh->clusters[at->cluster],
		.subject = of->id,
		.revoked_ms = at->env.wall_ms};
	uint8_t bytes[MP_REVOCATION_MAX];
	struct mp_buf record = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_signer by;
	struct mp_secret *authority;
	int rc;

	if (!mesh_member(at) || at->left || at == of || at->cluster != of->cluster ||
		knows_shut(at, of))
		return;
	authority = mesh_authority(at->mesh, at->cluster, 0, &by);
	mp_assert(mp_revocation_sign(&sim_crypto, &r, &by, &record) == 0);
	mesh_begin(at);
	of->shut = true;
	rc = mp_swim_revoke(at->swim, &at->env, mp_buf_span(&record));
	if (rc == 0)
		rc = rotate(at);
	if (rc != 0)
		mesh_fail(at->mesh, "node %" PRIu32 " does not revoke: %s", at->index,
			mp_strerror(rc));
	mesh_finish(at);
	sim_secret_free(authority);
}

void
mesh_authorise(struct mesh_node *at, uint32_t number)
{
	const struct mp_authority *log;
	struct mp_authority_change change = {.op = MP_AUTHORITY_ADD, .created_ms = at->env.wall_ms};
	struct mp_secret *authority, *added;
	struct mp_signer by, other;
	struct mp_buf out;
	int rc;

	if (!mesh_member(at) || at->left)
		return;
	log = mp_charter_log(mp_roster_charter(at->roster));
	authority = mesh_authority(at->mesh, at->cluster, 0, &by);
	added = mesh_authority(at->mesh, at->cluster, number, &other);
	memcpy(change.key, other.key, sizeof(change.key));
	mp_buf_init(&out, &at->mesh->alloc, MP_CREDENTIAL_MAX);
	rc = mp_authority_append(&sim_crypto, log->log, &change, &by, &out);
	mesh_begin(at);
	if (rc == 0)
		rc = mp_swim_charter(at->swim, &at->env, mp_buf_span(&out));
	if (rc != 0 && rc != MP_EEXIST)
		mesh_fail(at->mesh, "node %" PRIu32 " adds no authority: %s", at->index,
			mp_strerror(rc));
	mesh_finish(at);
	mp_buf_fini(&out);
	sim_secret_free(authority);
	sim_secret_free(added);
}

/* ---- what must hold ---- */

void
mesh_check_shut(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	size_t count = mp_charter_revoked_count(mp_roster_charter(node->roster));

	if (count < node->shut_seen)
		mesh_fail(mesh, "M11: node %" PRIu32 " has forgotten who is shut out", node->index);
	node->shut_seen = count;
	for (uint32_t i = node->cluster; count > 0 && i < mesh->plan.nodes;
		i += mesh->plan.clusters) {
		const struct mp_member *m;

		if (!knows_shut(node, &mesh->nodes[i]))
			continue;
		m = mesh_view(node, &mesh->nodes[i]);
		if (m != NULL && (!m->revoked || m->state != MP_MEMBER_LEFT))
			mesh_fail(mesh,
				"M10: %" PRIu32 " is shut out, and a member for node %" PRIu32, i,
				node->index);
	}
}

bool
mesh_shut(const struct mesh_node *of)
{
	const struct mesh *mesh = of->mesh;

	for (uint32_t i = of->cluster; of->shut && i < mesh->plan.nodes; i += mesh->plan.clusters) {
		if (mesh_member(&mesh->nodes[i]) && knows_shut(&mesh->nodes[i], of))
			return true;
	}
	return false;
}

bool
mesh_trust_agree(struct mesh *mesh, char *why, size_t size)
{
	const struct mesh_node *first[MESH_CLUSTERS_MAX] = {NULL};

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		const struct mesh_node *node = &mesh->nodes[i], *other = first[node->cluster];
		const char *what = NULL;
		uint64_t epochs[2];

		if (!mesh_member(node) || node->left)
			continue;
		if (mesh_shut(node))
			what = "is shut out, and does not know";
		else if (other == NULL)
			first[node->cluster] = node;
		else if (mp_charter_digest(mp_roster_charter(node->roster)) !=
			 mp_charter_digest(mp_roster_charter(other->roster)))
			what = "knows something else of authorities";
		else if (memcmp(mp_dgram_key(node->dgram, 0, &epochs[0]),
				 mp_dgram_key(other->dgram, 0, &epochs[1]), MP_SYMKEY_SIZE) != 0)
			what = "seals with another gossip key";
		if (what == NULL)
			continue;
		if (why != NULL)
			(void)snprintf(why, size, "M12: node %" PRIu32 " %s", i, what);
		return false;
	}
	return true;
}
