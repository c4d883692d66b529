/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to members, and a seed: a cluster, faults until a time, healing, and what must hold
 * then. Scenarios call the same faults by name.
 */
#include "mesh.h"

#include <inttypes.h>

#include "core/swim_impl.h"

#define AGREE_WITHIN  (45 * SIM_SEC)
#define JOIN_WITHIN   (90 * SIM_SEC) /* whose attempts failed for long waits for the next one */
#define UPDATE_WITHIN (10 * SIM_SEC)
#define SETTLE        (150 * SIM_SEC)
#define IDLE_OVER     (20 * SIM_SEC)

/* ---- faults ---- */

/* Two machines change places: each begins where the other one was. */
void
mesh_swap(struct mesh_node *a, struct mesh_node *b)
{
	struct mesh *mesh = a->mesh;
	uint32_t place = a->place;

	mesh_crash(a);
	mesh_crash(b);
	a->place = b->place;
	b->place = place;
	mesh->at[a->place] = a->index;
	mesh->at[b->place] = b->index;
}

static void
newer_say(struct mesh_node *node, const struct mesh_node *to, struct mp_span records, size_t count)
{
	struct mp_addr addr = mesh_addr(to->place);

	mp_dgram_send(node->dgram, &node->env, &addr, &to->id, records, count);
}

/* A node of a later version says, in datagrams and on a stream, what this one does not know. */
void
mesh_newer(struct mesh_node *node)
{
	static const uint8_t ping[] = {
		0x8a, 1, 7, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0xf4, 0x61, 'x', 0x82, 1, 2};
	static const uint8_t unknown[] = {0x83, 0x18, 28, 0x41, 'y', 0xa1, 1, 0xf6};
	static const uint8_t message[] = {0x83, 0x18, 99, 1, 0x80};
	struct mesh *mesh = node->mesh;
	struct mesh_node *to = &mesh->nodes[mp_rng_below(&mesh->rng, mesh->plan.nodes)];

	if (!mesh_member(node) || to == node || to->cluster != node->cluster ||
		mesh_view(node, to) == NULL)
		return;
	mesh_begin(node);
	node->swim->own.proto_max = 2;
	newer_say(node, to, mp_span(ping, sizeof(ping)), 1);
	newer_say(node, to, mp_span(unknown, sizeof(unknown)), 1);
	mp_out_send(node->env.out, &to->id, MP_CLASS_CONTROL, mp_span(message, sizeof(message)), 0);
	(void)mp_swim_set_status(node->swim, &node->env,
		node->swim->own.status == MP_NODE_BUSY ? MP_NODE_AVAILABLE : MP_NODE_BUSY);
	mesh_finish(node);
}

void
mesh_heal(struct mesh *mesh)
{
	mesh_cut_set(mesh, MESH_WHOLE);
	mesh->plan.loss = mesh->plan.duplicate = 0;
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		struct mesh_node *node = &mesh->nodes[i];

		node->no_udp = false;
		node->starved_until = 0;
		if (node->paused_until > mesh->now) /* what waits comes when it would have woken */
			node->paused_until = mesh->now;
		mesh_start(node);
	}
}

/* ---- what must hold ---- */

static bool
at_odds(struct mesh *mesh)
{
	return !mesh_agree(mesh, NULL, 0);
}

bool
mesh_agree_within(struct mesh *mesh, sim_time limit)
{
	char why[200] = "";

	if (mesh_run_while(mesh, limit, at_odds))
		return true;
	(void)mesh_agree(mesh, why, sizeof(why));
	mesh_fail(mesh, "M6: no agreement within %.0f s: %s", (double)limit / 1e6, why);
	return false;
}

static bool
some_join(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		if (mesh->nodes[i].roster != NULL && !mesh_member(&mesh->nodes[i]))
			return true;
	}
	return false;
}

static bool
not_heard(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		const struct mesh_node *node = &mesh->nodes[i];

		if (mesh_member(node) && !node->left && !mesh->watch_has[i] &&
			node->cluster == mesh->nodes[mesh->watch].cluster)
			return true;
	}
	return false;
}

void
mesh_update_within(struct mesh *mesh, sim_time limit)
{
	if (!mesh_run_while(mesh, limit, not_heard))
		mesh_fail(mesh, "M7: an update has reached %" PRIu32 " nodes in %.0f s",
			mesh->watch_count, (double)limit / 1e6);
	mesh->watch = MESH_NONE;
}

void
mesh_idle_below(struct mesh *mesh, uint64_t most)
{
	uint64_t before = 0, after = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < mesh->plan.nodes; i++)
		before += mesh->nodes[i].udp_bytes + mesh->nodes[i].stream_bytes;
	/* That they have more or less to do is no news. */
	for (sim_time until = mesh->now + IDLE_OVER; mesh->now < until;) {
		struct mesh_node *node = &mesh->nodes[mp_rng_below(&mesh->rng, mesh->plan.nodes)];
		struct mp_load load = {.used = (uint32_t)mp_rng_below(&mesh->rng, 20)};

		if (mesh_member(node) && !node->left)
			mp_swim_set_load(node->swim, &load);
		mesh_run_until(mesh, mesh->now + SIM_SEC / 5);
	}
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		after += mesh->nodes[i].udp_bytes + mesh->nodes[i].stream_bytes;
		n += mesh_member(&mesh->nodes[i]) && !mesh->nodes[i].left;
	}
	after = (after - before) / (IDLE_OVER / SIM_SEC) / n;
	if (mesh->failure[0] == '\0' && after > most)
		mesh_fail(mesh, "M8: idle, each node sends %" PRIu64 " bytes a second", after);
}

/* Nobody, however bad it was, has flooded the others. */
void
mesh_no_floods(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		uint64_t peak = mesh->nodes[i].window_peak;

		if (peak > MESH_PEAK(mesh->plan.nodes))
			mesh_fail(mesh,
				"M8: node %" PRIu32 " has sent %" PRIu64 " datagrams in a second",
				i, peak);
	}
}

/* ---- a seed ---- */

struct seed {
	struct mesh *mesh;
	sim_time until;
	uint32_t kinds; /* bits: which faults it has */
};

enum {
	FAULT_CRASH,
	FAULT_PAUSE,
	FAULT_STARVE,
	FAULT_CUT,
	FAULT_UDP,
	FAULT_FLAP,
	FAULT_MASS,
	FAULT_LEAVE,
	FAULT_SPEAK,
	FAULT_SWAP,
	FAULT_NEWER,
	FAULT_COUNT
};

static struct mesh_node *
any(struct mesh *mesh)
{
	return &mesh->nodes[mp_rng_below(&mesh->rng, mesh->plan.nodes)];
}

static void
cut_draw(struct mesh *mesh)
{
	uint64_t sides = mp_rng_next(&mesh->rng);
	enum mesh_cut cut = (enum mesh_cut)mp_rng_below(&mesh->rng, 4);

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		mesh->nodes[i].side = sides >> (i % 64) & 1;
		if (cut == MESH_BRIDGE && mesh_chance(mesh, 200))
			mesh->nodes[i].side = 2;
	}
	mesh_cut_set(mesh, cut);
}

static void
flap_back(struct mesh *mesh, uint64_t arg)
{
	(void)arg;
	mesh_cut_set(mesh, MESH_WHOLE);
}

static void
mass(struct mesh *mesh)
{
	uint32_t part = mesh_chance(mesh, 500) ? 300 : 1000;

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		if (mesh_chance(mesh, part))
			mesh_crash(&mesh->nodes[i]);
	}
}

static void
revive(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		if (mesh_chance(mesh, 300))
			mesh_start(&mesh->nodes[i]);
	}
}

/* The first of each cluster are who the others join by. */
static bool
may_leave(const struct mesh_node *node)
{
	return node->index >= 2 * node->mesh->plan.clusters && mesh_member(node);
}

static void
fault_one(struct seed *seed)
{
	struct mesh *mesh = seed->mesh;
	struct mesh_node *node = any(mesh);
	uint32_t kind = (uint32_t)mp_rng_below(&mesh->rng, FAULT_COUNT);

	if ((seed->kinds >> kind & 1) == 0)
		return;
	if (kind == FAULT_CRASH)
		mesh_crash(node);
	else if (kind == FAULT_PAUSE && node->roster != NULL)
		mesh_pause(node, mesh->now + mesh_between(mesh, SIM_SEC / 10, 20 * SIM_SEC));
	else if (kind == FAULT_STARVE && node->roster != NULL)
		mesh_starve(node, mesh->now + mesh_between(mesh, SIM_SEC, 40 * SIM_SEC));
	else if (kind == FAULT_CUT)
		cut_draw(mesh);
	else if (kind == FAULT_UDP)
		node->no_udp = !node->no_udp;
	else if (kind == FAULT_FLAP) {
		cut_draw(mesh);
		mesh_at(mesh, mesh->now + mesh_between(mesh, SIM_MS, 3 * SIM_SEC), flap_back, 0);
	} else if (kind == FAULT_MASS && mesh_chance(mesh, 200))
		mass(mesh);
	else if (kind == FAULT_LEAVE && may_leave(node) && mesh_chance(mesh, 200))
		mesh_leave(node);
	else if (kind == FAULT_SPEAK && mesh_member(node) && !node->left)
		mesh_watch(mesh, node->index);
	else if (kind == FAULT_SWAP && node->index >= mesh->plan.clusters) {
		struct mesh_node *other = any(mesh);

		/* The founders' addresses are what joiners were given. */
		if (other->index >= mesh->plan.clusters)
			mesh_swap(node, other);
	} else if (kind == FAULT_NEWER)
		mesh_newer(node);
}

/* An authority at any node: on two sides of a cut there are two of them. */
static void
trust_one(struct mesh *mesh)
{
	struct mesh_node *at = any(mesh), *of = any(mesh);
	uint64_t kind = mp_rng_below(&mesh->rng, 6);

	if (kind < 2)
		mesh_rotate(at);
	else if (kind == 2)
		mesh_authorise(at, (uint32_t)(1 + mp_rng_below(&mesh->rng, 3)));
	else if (kind == 3 && of->index >= 2 * mesh->plan.clusters)
		mesh_revoke(at, of);
}

static void
seed_plan(uint64_t number, struct mesh_plan *plan)
{
	struct mp_rng r = {.state = number * 0x9e3779b97f4a7c15ull + 11};
	uint64_t big = mp_rng_below(&r, 10);

	mesh_plan_calm(plan);
	plan->seed = number;
	plan->nodes = (uint32_t)(big == 0 ? 20 + mp_rng_below(&r, 30) : 2 + mp_rng_below(&r, 10));
	plan->clusters = mp_rng_below(&r, 5) == 0 ? 2 : 1;
	plan->nodes = (plan->nodes + plan->clusters - 1) / plan->clusters * plan->clusters;
	plan->founded = (uint32_t)(1 + mp_rng_below(&r, plan->nodes / plan->clusters + 3));
	if (mp_rng_below(&r, 2) == 0)
		plan->loss = (uint32_t)mp_rng_below(&r, 301);
	if (mp_rng_below(&r, 2) == 0)
		plan->duplicate = (uint32_t)mp_rng_below(&r, 501);
	plan->delay_max = plan->delay_min + (sim_time)mp_rng_below(&r, 100 * SIM_MS);
	plan->tick_first = mp_rng_below(&r, 2) == 0;
	plan->replay = mp_rng_below(&r, 2) == 0;
	plan->wan = mp_rng_below(&r, 10) == 0;
	plan->trust = mp_rng_below(&r, 3) == 0;
}

/* Those are asked for ever whether they are back, by everybody. */
static bool
some_dead(const struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		const struct mesh_node *node = &mesh->nodes[i];

		if (mesh_member(node) && mp_roster_state_count(node->roster, MP_MEMBER_DEAD) > 0)
			return true;
	}
	return false;
}

static void
join_late(struct mesh *mesh, uint64_t index)
{
	mesh_start(&mesh->nodes[index]);
}

int
mesh_seed_run(uint64_t number, bool trace, char *why, size_t size)
{
	struct mesh_plan plan;
	struct seed seed;
	struct mesh *mesh;

	seed_plan(number, &plan);
	seed.mesh = mesh = mesh_new(&plan);
	seed.until = mesh_between(mesh, 20 * SIM_SEC, 150 * SIM_SEC);
	seed.kinds = (uint32_t)(mp_rng_next(&mesh->rng) & mp_rng_next(&mesh->rng));
	mesh_found(mesh);
	for (uint32_t i = 0; i < plan.nodes; i++) {
		if (i / plan.clusters >= plan.founded)
			mesh_at(mesh, mesh_between(mesh, 0, seed.until), join_late, i);
	}
	while (mesh->now < seed.until && mesh->failure[0] == '\0') {
		mesh_run_until(mesh, mesh->now + mesh_between(mesh, SIM_MS, 4 * SIM_SEC));
		fault_one(&seed);
		if (plan.trust)
			trust_one(mesh);
		if (mesh_chance(mesh, 150))
			mesh_cut_set(mesh, MESH_WHOLE);
		if (mesh_chance(mesh, 300))
			revive(mesh);
	}
	mesh_heal(mesh);
	(void)mesh_run_while(mesh, JOIN_WITHIN, some_join);
	if (mesh->failure[0] == '\0' && mesh_agree_within(mesh, AGREE_WITHIN)) {
		mesh_watch(mesh, (uint32_t)mp_rng_below(&mesh->rng, plan.clusters));
		mesh_update_within(mesh, UPDATE_WITHIN);
		/* What comes late is asked for twice; whoever began anew may take an old one. */
		mesh->plan.delay_max = mesh->plan.delay_min;
		mesh->plan.replay = false;
		mesh_run_until(mesh, mesh->now + SETTLE);
		mesh->deaths_fail = true;
		mesh_idle_below(mesh, some_dead(mesh) ? 400 : 300);
		(void)mesh_agree_within(mesh, SIM_SEC);
		mesh_no_floods(mesh);
	}
	if (trace && mesh->failure[0] != '\0')
		mesh_picture(mesh, stdout);
	return mesh_end(mesh, why, size);
}
