/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants of membership, after every step:
 *
 *   M1  an incarnation never falls, in no view and over no restart
 *   M2  a certified member is never forgotten
 *   M3  two clusters never mix
 *   M4  queues, relays and datagrams stay in their bounds
 *   M5  nobody who lives, and can be heard, is held dead (counted; a failure where that is asked)
 *   M9  no datagram is taken twice
 *   M10 and M11 are of who is shut out: mesh_charter.c
 *
 * and once all is healed (mesh_agree(), mesh_fault.c):
 *
 *   M6  all views are equal within 45 s, and everybody who is up is alive in all of them
 *   M7  an update reaches everybody
 *   M8  traffic is back to its idle level
 */
#include "mesh.h"

#include <inttypes.h>

#include "core/swim_impl.h"

#define GRACE_MIN (60 * SIM_SEC)

/* A death that was decided while they could not hear each other, or while `of` did not run, is
 * true, and so is one that is remembered until it has been refuted. */
bool
mesh_should_live(const struct mesh_node *node, const struct mesh_node *of)
{
	const struct mesh *mesh = node->mesh;
	sim_time now = mesh->now;

	if (!mesh_member(of) || of->left || !mesh_hears(mesh, node, of) ||
		!mesh_hears(mesh, of, node))
		return false;
	return now - mesh->cut_changed > GRACE_MIN && now - of->since > GRACE_MIN &&
	       now - node->since > GRACE_MIN;
}

/* It stands still, or did a moment ago. */
static bool
stalls(const struct mesh_node *node)
{
	sim_time now = node->mesh->now;

	return node->paused_until > now || node->starved_until + 5 * SIM_SEC > now ||
	       (node->woke > 0 && now - node->woke < 5 * SIM_SEC);
}

static void
check_death(struct mesh_node *node, const struct mesh_node *of)
{
	struct mesh *mesh = node->mesh;

	mesh->deaths++;
	if (!mesh_should_live(node, of))
		return;
	if (stalls(of)) {
		mesh->starved_deaths++;
		return;
	}
	mesh->false_deaths++;
	if (mesh->deaths_fail)
		mesh_fail(mesh, "M5: node %" PRIu32 " holds %" PRIu32 " dead, which lives",
			node->index, of->index);
}

static void
check_member(struct mesh_node *node, const struct mp_member *m, uint64_t seen)
{
	struct mesh_node *of = mesh_find(node->mesh, &m->id);
	uint64_t *incarnation = &node->incarnations[of->index];

	if (of->cluster != node->cluster)
		mesh_fail(node->mesh, "M3: node %" PRIu32 " knows %" PRIu32 " of another cluster",
			node->index, of->index);
	if (m->incarnation < *incarnation)
		mesh_fail(node->mesh, "M1: the incarnation of %" PRIu32 " falls on %" PRIu32,
			of->index, node->index);
	*incarnation = m->incarnation;
	if (m->changed > seen && m->state == MP_MEMBER_DEAD && seen > 0)
		check_death(node, of);
}

static void
check_bounds(struct mesh_node *node)
{
	const struct mp_swim *swim = node->swim;

	if (swim->news_count > NEWS_KINDS * swim->peer_count ||
		swim->relay_count > SWIM_RELAYS_MAX || mp_out_waiting(node->env.out) > 64)
		mesh_fail(node->mesh, "M4: a queue of node %" PRIu32 " is longer than it may",
			node->index);
}

void
mesh_watch(struct mesh *mesh, uint32_t index)
{
	struct mesh_node *node = &mesh->nodes[index];
	enum mp_member_status status = mesh_view(node, node)->status;

	memset(mesh->watch_has, 0, mesh->plan.nodes * sizeof(*mesh->watch_has));
	mesh->watch = index;
	mesh->watch_count = 0;
	mesh->watch_since = mesh->now;
	mesh->watch_incarnation = UINT64_MAX;
	mesh_begin(node);
	if (mp_swim_set_status(node->swim, &node->env,
		    status == MP_NODE_BUSY ? MP_NODE_AVAILABLE : MP_NODE_BUSY) != 0)
		mesh_fail(mesh, "node %" PRIu32 " cannot speak", index);
	mesh->watch_incarnation = mesh_view(node, node)->signed_incarnation;
	mesh_finish(node);
}

static void
check_watch(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	const struct mp_member *m;

	if (mesh->watch == MESH_NONE || mesh->watch_has[node->index])
		return;
	m = mesh_view(node, &mesh->nodes[mesh->watch]);
	if (m == NULL || m->signed_incarnation < mesh->watch_incarnation)
		return;
	mesh->watch_has[node->index] = true;
	mesh->watch_at[mesh->watch_count++] = mesh->now - mesh->watch_since;
}

void
mesh_check_step(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	uint64_t seen = node->roster_seen;
	size_t count = mp_roster_count(node->roster);

	check_watch(node);
	if (mp_roster_version(node->roster) == seen)
		return;
	node->roster_seen = mp_roster_version(node->roster);
	if (mesh->plan.unchecked || !mesh_member(node))
		return;
	if (count < node->members_seen)
		mesh_fail(mesh, "M2: node %" PRIu32 " has forgotten a member", node->index);
	node->members_seen = count;
	check_bounds(node);
	mesh_check_shut(node);
	for (uint32_t i = 0; i < count; i++)
		check_member(node, mp_roster_slot(node->roster, i), seen);
}

void
mesh_check_started(struct mesh_node *node)
{
	if (mp_roster_count(node->roster) < node->members_durable)
		mesh_fail(node->mesh,
			"M2: node %" PRIu32 " comes back with %zu members and had %zu on its disk",
			node->index, mp_roster_count(node->roster), node->members_durable);
	node->roster_seen = 0;
	node->members_seen = 0;
	/* What others only accused is not on its disk. Its own word is. */
	for (uint32_t i = 0; node->incarnations != NULL && i < node->mesh->plan.nodes; i++) {
		if (i != node->index)
			node->incarnations[i] = 0;
	}
}

/* ---- what is asked once all is well ---- */

static bool
sees_right(const struct mesh_node *node, const struct mesh_node *of)
{
	const struct mp_member *m = mesh_view(node, of);

	/* If nobody could hear that it left, it is only dead. */
	if (of->shut && mp_roster_revoked(node->roster, &of->id))
		return m == NULL || m->state == MP_MEMBER_LEFT;
	if (of->left)
		return m == NULL || m->state == MP_MEMBER_LEFT || m->state == MP_MEMBER_DEAD;
	if (mesh_member(of))
		return m != NULL && m->state == MP_MEMBER_ALIVE;
	return m == NULL || m->state != MP_MEMBER_ALIVE;
}

bool
mesh_agree(struct mesh *mesh, char *why, size_t size)
{
	uint64_t digests[MESH_CLUSTERS_MAX] = {0};

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		struct mesh_node *node = &mesh->nodes[i];

		if (node->roster != NULL && !mesh_member(node)) {
			if (why != NULL)
				(void)snprintf(why, size, "node %" PRIu32 " has not joined", i);
			return false;
		}
		if (node->roster == NULL || node->left)
			continue;
		for (uint32_t k = node->cluster; k < mesh->plan.nodes; k += mesh->plan.clusters) {
			const struct mp_member *m;

			if (sees_right(node, &mesh->nodes[k]))
				continue;
			m = mesh_view(node, &mesh->nodes[k]);
			if (why != NULL)
				(void)snprintf(why, size,
					"node %" PRIu32 " sees %" PRIu32 " in state %d", i, k,
					m == NULL ? -1 : (int)m->state);
			return false;
		}
		if (digests[node->cluster] == 0)
			digests[node->cluster] = mp_swim_view_digest(node->swim);
		if (digests[node->cluster] == mp_swim_view_digest(node->swim))
			continue;
		if (why != NULL)
			(void)snprintf(why, size, "node %" PRIu32 " has another digest", i);
		return false;
	}
	return mesh_trust_agree(mesh, why, size);
}

bool
mesh_dead_agree(struct mesh *mesh, uint32_t index)
{
	const struct mesh_node *of = &mesh->nodes[index];

	for (uint32_t i = of->cluster; i < mesh->plan.nodes; i += mesh->plan.clusters) {
		const struct mesh_node *node = &mesh->nodes[i];

		if (mesh_member(node) && mesh_view(node, of)->state != MP_MEMBER_DEAD)
			return false;
	}
	return true;
}

void
mesh_picture(struct mesh *mesh, FILE *f)
{
	static const char states[] = "asdl";

	(void)fprintf(f, "# at %.3f s, cut %d\n", (double)mesh->now / 1e6, (int)mesh->cut);
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		const struct mesh_node *node = &mesh->nodes[i];

		(void)fprintf(f, "# %3" PRIu32 " at %" PRIu32 "%s%s boot %" PRIu64, i, node->place,
			node->roster == NULL ? " down" : "", node->left ? " left" : "", node->boot);
		for (uint32_t k = 0; node->roster != NULL && k < mesh->plan.nodes && k < 16; k++) {
			const struct mp_member *m = mesh_view(node, &mesh->nodes[k]);

			if (m == NULL)
				(void)fprintf(f, " -");
			else
				(void)fprintf(f, " %c%" PRIu64 ".%" PRIu32 "%s", states[m->state],
					m->incarnation >> 32, (uint32_t)m->incarnation,
					m->statement.n == 0 ? "?" : "");
		}
		if (mesh_member(node))
			(void)fprintf(f,
				" health %" PRIu32 ", %" PRIu64 " of %" PRIu64 " probes failed%s",
				mp_swim_health(node->swim),
				mp_swim_stat(node->swim, MP_SWIM_STAT_PROBES_FAILED),
				mp_swim_stat(node->swim, MP_SWIM_STAT_PROBES),
				mp_swim_isolated(node->swim) ? ", isolated" : "");
		(void)fprintf(f, "\n");
	}
}
