/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define WALL ((mp_time)1700000000000)

/* ---- the queue ---- */

static bool
due_before(const struct mesh_due *a, const struct mesh_due *b)
{
	return a->when != b->when ? a->when < b->when : a->number < b->number;
}

static void
due_push(struct mesh *mesh, struct mesh_due due)
{
	size_t i = mesh->heap_count++;

	if (i == mesh->heap_cap) {
		mesh->heap_cap = mesh->heap_cap == 0 ? 4096 : mesh->heap_cap * 2;
		mesh->heap = realloc(mesh->heap, mesh->heap_cap * sizeof(*mesh->heap));
		mp_assert(mesh->heap != NULL);
	}
	due.number = mesh->inserted++;
	if (due.when < mesh->now)
		due.when = mesh->now;
	for (; i > 0 && due_before(&due, &mesh->heap[(i - 1) / 2]); i = (i - 1) / 2)
		mesh->heap[i] = mesh->heap[(i - 1) / 2];
	mesh->heap[i] = due;
}

static struct mesh_due
due_pop(struct mesh *mesh)
{
	struct mesh_due top = mesh->heap[0], last = mesh->heap[--mesh->heap_count];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < mesh->heap_count) {
		if (c + 1 < mesh->heap_count && due_before(&mesh->heap[c + 1], &mesh->heap[c]))
			c++;
		if (!due_before(&mesh->heap[c], &last))
			break;
		mesh->heap[i] = mesh->heap[c];
		i = c;
	}
	mesh->heap[i] = last;
	return top;
}

struct mesh_event *
mesh_event_new(enum mesh_kind kind, uint32_t from, struct mp_span bytes)
{
	struct mesh_event *e = malloc(sizeof(*e) + bytes.n);

	mp_assert(e != NULL);
	*e = (struct mesh_event){.kind = kind, .from = from, .size = bytes.n};
	if (bytes.n > 0)
		memcpy(e->bytes, bytes.p, bytes.n);
	return e;
}

static void
event_free(struct mesh_event *e)
{
	if (e != NULL && e->kind == MESH_DATAGRAM)
		mesh_twin_unref(e->u.datagram.twin);
	free(e);
}

void
mesh_post(struct mesh_node *to, sim_time when, struct mesh_event *event)
{
	due_push(to->mesh,
		(struct mesh_due){
			.when = when, .node = to->index, .life = to->life, .event = event});
}

void
mesh_at(struct mesh *mesh, sim_time when, mesh_call fn, uint64_t arg)
{
	struct mesh_event *e = mesh_event_new(MESH_CALL, MESH_NONE, mp_span(NULL, 0));

	e->u.call.fn = fn;
	e->u.call.arg = arg;
	due_push(mesh, (struct mesh_due){.when = when, .node = MESH_NONE, .event = e});
}

/* ---- the world ---- */

static void *
mesh_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	struct mesh *mesh = ctx;

	if (p != NULL && mesh_is_interned(mesh, p)) {
		mp_assert(size == 0);
		return NULL;
	}
	mesh->alloc_live += size - old_size;
	if (mesh->alloc_live > mesh->alloc_peak)
		mesh->alloc_peak = mesh->alloc_live;
	if (size == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, size);
}

void
mesh_plan_calm(struct mesh_plan *plan)
{
	*plan = (struct mesh_plan){.seed = 1,
		.nodes = 10,
		.clusters = 1,
		.founded = UINT32_MAX,
		.delay_min = 500,
		.delay_max = 2500};
}

static void
ids_init(struct mesh *mesh)
{
	mesh->ids_size = 64;
	while (mesh->ids_size < 4 * (size_t)mesh->plan.nodes)
		mesh->ids_size *= 2;
	mesh->ids = malloc(mesh->ids_size * sizeof(*mesh->ids));
	mp_assert(mesh->ids != NULL);
	memset(mesh->ids, 0xff, mesh->ids_size * sizeof(*mesh->ids));
}

static size_t
ids_slot(const struct mesh *mesh, const struct mp_node_id *id)
{
	size_t i = mp_hash64(id->b, 16, 1) & (mesh->ids_size - 1);

	while (mesh->ids[i] != MESH_NONE && !mp_node_id_eq(&mesh->nodes[mesh->ids[i]].id, id))
		i = (i + 1) & (mesh->ids_size - 1);
	return i;
}

struct mesh_node *
mesh_find(struct mesh *mesh, const struct mp_node_id *id)
{
	uint32_t index = mesh->ids[ids_slot(mesh, id)];

	return index == MESH_NONE ? NULL : &mesh->nodes[index];
}

static void
node_init(struct mesh *mesh, uint32_t index)
{
	struct mesh_node *node = &mesh->nodes[index];
	uint32_t n = mesh->plan.nodes;

	*node = (struct mesh_node){.mesh = mesh,
		.index = index,
		.cluster = index % mesh->plan.clusters,
		.place = index,
		.tick_at = SIM_NEVER,
		.clock_base_ms = mesh_between(mesh, 1, 1 << 30)};
	mesh->at[index] = index;
	node->secret = sim_secret_new(mesh->plan.seed * 100003 + index, &node->id, &node->xkey);
	node->rows = calloc(n, sizeof(*node->rows));
	node->incarnations = mesh->plan.unchecked ? NULL : calloc(n, sizeof(*node->incarnations));
	node->shut_rows = calloc(n, sizeof(*node->shut_rows));
	mp_assert(node->rows != NULL && node->shut_rows != NULL);
	mesh->ids[ids_slot(mesh, &node->id)] = index;
}

struct mesh *
mesh_new(const struct mesh_plan *plan)
{
	struct mesh *mesh = calloc(1, sizeof(*mesh));

	mp_assert(mesh != NULL && plan->nodes > 0 && plan->clusters <= MESH_CLUSTERS_MAX);
	mesh->plan = *plan;
	mesh->rng.state = plan->seed * 0x9e3779b97f4a7c15ull + 7;
	mesh->alloc = (struct mp_alloc){.realloc = mesh_realloc, .ctx = mesh};
	mesh->profile = plan->wan ? mp_profile_wan : mp_profile_lan;
	mesh->watch = MESH_NONE;
	mesh->run_min = 2 * SIM_MS;
	mesh->run_max = 60 * SIM_MS;
	mesh->stall_min = 2 * SIM_SEC;
	mesh->stall_max = 16 * SIM_SEC;
	mp_map_init(&mesh->links, &mesh->alloc);
	mesh_disk_init(mesh);
	ids_init(mesh);
	mesh->nodes = calloc(plan->nodes, sizeof(*mesh->nodes));
	mesh->at = calloc(plan->nodes, sizeof(*mesh->at));
	mesh->watch_at = calloc(plan->nodes + 1, sizeof(*mesh->watch_at));
	mesh->watch_has = calloc(plan->nodes + 1, sizeof(*mesh->watch_has));
	mp_assert(mesh->nodes != NULL && mesh->at != NULL && mesh->watch_at != NULL &&
		  mesh->watch_has != NULL);
	for (uint32_t i = 0; i < plan->nodes; i++)
		node_init(mesh, i);
	mesh_trust_init(mesh);
	mesh_net_init(mesh);
	return mesh;
}

static void
parts_free(struct mesh_node *node)
{
	mp_join_free(node->join);
	mp_swim_free(node->swim);
	mp_dgram_free(node->dgram);
	mp_out_free(node->env.out);
	mp_roster_free(node->roster);
	node->join = NULL;
	node->swim = NULL;
	node->dgram = NULL;
	node->env.out = NULL;
	node->roster = NULL;
}

int
mesh_end(struct mesh *mesh, char *why, size_t size)
{
	int rc;

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		struct mesh_node *node = &mesh->nodes[i];

		parts_free(node);
		sim_secret_free(node->secret);
		free(node->rows);
		free(node->shut_rows);
		free(node->incarnations);
	}
	mesh_net_fini(mesh);
	if (mesh->alloc_live != 0)
		mesh_fail(mesh, "%zu bytes are leaked", mesh->alloc_live);
	for (size_t i = 0; i < mesh->heap_count; i++)
		event_free(mesh->heap[i].event);
	for (size_t i = 0; i < mp_countof(mesh->recorded); i++)
		mesh_twin_unref(mesh->recorded[i]);
	rc = mesh->failure[0] == '\0' ? 0 : -1;
	(void)snprintf(why, size, "%s", mesh->failure);
	mesh_disk_fini(mesh);
	free(mesh->heap);
	free(mesh->nodes);
	free(mesh->at);
	free(mesh->ids);
	free(mesh->watch_at);
	free(mesh->watch_has);
	free(mesh);
	return rc;
}

void
mesh_fail(struct mesh *mesh, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (mesh->failure[0] != '\0')
		return;
	n = snprintf(mesh->failure, sizeof(mesh->failure), "at %.3f s: ", (double)mesh->now / 1e6);
	va_start(ap, fmt);
	(void)vsnprintf(mesh->failure + n, sizeof(mesh->failure) - (size_t)n, fmt, ap);
	va_end(ap);
}

sim_time
mesh_between(struct mesh *mesh, sim_time min, sim_time max)
{
	return min + (sim_time)mp_rng_below(&mesh->rng, (uint64_t)(max - min) + 1);
}

bool
mesh_chance(struct mesh *mesh, uint32_t per_mille)
{
	return per_mille > 0 && mp_rng_below(&mesh->rng, 1000) < per_mille;
}

/* ---- steps ---- */

bool
mesh_member(const struct mesh_node *node)
{
	return node->swim != NULL && mp_swim_started(node->swim);
}

const struct mp_member *
mesh_view(const struct mesh_node *node, const struct mesh_node *of)
{
	return mp_roster_find(node->roster, &of->id);
}

void
mesh_begin(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;

	node->env.now_ms = node->clock_base_ms + mesh->now / SIM_MS;
	node->env.wall_ms = WALL + mesh->now / SIM_MS;
	mp_rng_stir(&node->env.rng, mp_rng_next(&mesh->rng));
	mesh->steps++;
	mp_out_begin(node->env.out);
}

/* A deadline that a tick does not move would keep a processor busy for ever. */
static void
tick_plan(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	mp_time deadline =
		mesh_member(node) ? mp_swim_deadline(node->swim) : mp_join_deadline(node->join);
	sim_time when;

	if (deadline == MP_TIME_NEVER)
		return;
	when = (deadline - node->clock_base_ms) * SIM_MS;
	if (when <= mesh->now)
		when = mesh->now + 1;
	if (node->tick_at <= when)
		return;
	node->tick_at = when;
	due_push(mesh, (struct mesh_due){.when = when, .node = node->index, .life = node->life});
}

/* What node.c does with joining, and with a life that must not go on. */
static void
node_progress(struct mesh_node *node)
{
	if (!mesh_member(node) && mp_join_state(node->join) == MP_JOIN_REFUSED && node->shut)
		node->left = true;
	else if (!mesh_member(node) && mp_join_state(node->join) == MP_JOIN_REFUSED)
		mesh_fail(node->mesh, "node %" PRIu32 " is refused: %s", node->index,
			mp_join_error(node->join)->text);
	if (!mesh_member(node) && mp_join_done(node->join)) {
		if (mp_swim_start(node->swim, &node->env) != 0)
			mesh_fail(node->mesh, "node %" PRIu32 " does not start", node->index);
		mesh_check_started(node);
	}
	if (mp_swim_doubled(node->swim))
		mesh_fail(
			node->mesh, "M1: node %" PRIu32 " takes itself for a double", node->index);
}

/* It has said often enough that it leaves. */
static void
node_gone(struct mesh *mesh, uint64_t index)
{
	mesh_crash(&mesh->nodes[index]);
}

static void
node_effect(struct mesh_node *node, const struct mp_effect *fx)
{
	if (fx->kind == MP_FX_DATAGRAM)
		mesh_datagram(node, &fx->u.datagram.to, fx->u.datagram.bytes);
	else if (fx->kind == MP_FX_SEND)
		mesh_send(node, fx);
	else if (fx->kind == MP_FX_CONNECT)
		mesh_connect(node, &fx->u.connect.to);
	else if (fx->kind == MP_FX_PERSIST)
		mesh_persist(node, fx);
	else if (fx->kind == MP_FX_DROP_PEER)
		mesh_drop(node, &fx->u.drop.peer);
}

void
mesh_finish(struct mesh_node *node)
{
	const struct mp_effect *fx;
	size_t count;

	node_progress(node);
	mp_out_end(node->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++)
		node_effect(node, &fx[i]);
	mesh_check_step(node);
	tick_plan(node);
	if (mesh_member(node) && mp_swim_shut(node->swim, node->env.now_ms))
		node->left = true;
	if (node->left && (!mesh_member(node) || mp_swim_left(node->swim, node->env.now_ms) ||
				  mp_swim_shut(node->swim, node->env.now_ms)))
		mesh_at(node->mesh, node->mesh->now, node_gone, node->index);
}

static void
step_tick(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;

	node->ticks = node->ticks_ms == mesh->now / SIM_MS ? node->ticks + 1 : 0;
	node->ticks_ms = mesh->now / SIM_MS;
	if (node->ticks > 200)
		mesh_fail(mesh, "node %" PRIu32 " asks for one tick after the other", node->index);
	mesh_begin(node);
	if (mesh_member(node))
		mp_swim_tick(node->swim, &node->env);
	else
		mp_join_tick(node->join, &node->env);
	mesh_finish(node);
}

static void
step_message(struct mesh_node *node, const struct mesh_event *e)
{
	const struct mp_node_id *from = &node->mesh->nodes[e->from].id;
	struct mp_span bytes = mp_span(e->bytes, e->size);
	uint64_t kind = mp_msg_kind(bytes);

	mesh_begin(node);
	if (mesh_member(node) && mp_roster_find(node->roster, from) != NULL &&
		!mp_roster_revoked(node->roster, from))
		mp_swim_sign_of_life(node->swim, &node->env, from);
	if (mp_roster_revoked(node->roster, from))
		;
	else if (kind >= 36 && kind <= 38)
		(void)mp_join_message(node->join, &node->env, from, bytes);
	else if (mp_roster_find(node->roster, from) != NULL)
		(void)mp_swim_message(node->swim, &node->env, from, bytes);
	mesh_finish(node);
}

void
mesh_step_link(struct mesh_node *node, const struct mesh_event *e)
{
	struct mesh_node *peer = &node->mesh->nodes[e->from];
	struct mp_span credential = mp_span(NULL, 0);
	bool joiner = false;

	if (e->u.link.state == MP_LINK_UP) {
		struct mp_node_id id;

		credential = mp_span(e->bytes, e->size);
		if (mp_join_check_peer(
			    node->roster, credential, &peer->xkey, WALL, &id, &joiner, NULL) != 0)
			return;
	}
	mesh_begin(node);
	if (e->u.link.state == MP_LINK_UP && mp_roster_revoked(node->roster, &peer->id))
		mp_join_turn_away(&node->env, &peer->id);
	if (mp_swim_refuses(node->swim, &node->env, &peer->id, MP_CLASS_CONTROL, e->u.link.state) &&
		e->u.link.state == MP_LINK_UP) {
		mesh_finish(node);
		return;
	}
	if (!joiner && mesh_member(node))
		mp_swim_link(node->swim, &node->env, &peer->id, MP_CLASS_CONTROL, e->u.link.state,
			credential);
	mp_join_link(node->join, &node->env, &peer->id, MP_CLASS_CONTROL, e->u.link.state,
		credential, &e->u.link.addr);
	mesh_finish(node);
}

static void
step_event(struct mesh_node *node, struct mesh_event *e)
{
	switch (e->kind) {
	case MESH_DATAGRAM:
		if (mesh_member(node))
			mesh_datagram_in(node, e);
		break;
	case MESH_MESSAGE:
		if (!mesh_stream_lost(node->mesh, node, e))
			step_message(node, e);
		break;
	case MESH_LINK:
		mesh_step_link(node, e);
		break;
	case MESH_PERSISTED:
		mesh_persisted(node, e);
		break;
	case MESH_CALL:
		break;
	}
}

/* ---- the clock ---- */

/* One that starves runs for a moment, and then not. */
static void
starve_next(struct mesh *mesh, uint64_t arg)
{
	struct mesh_node *node = &mesh->nodes[arg];
	sim_time until = mesh->now + mesh_between(mesh, mesh->stall_min, mesh->stall_max);

	if (node->starved_until <= mesh->now)
		return;
	node->paused_until = until;
	mesh_at(mesh, until + mesh_between(mesh, mesh->run_min, mesh->run_max), starve_next, arg);
}

void
mesh_starve(struct mesh_node *node, sim_time until)
{
	bool already = node->starved_until > node->mesh->now;

	node->starved_until = until;
	if (!already)
		starve_next(node->mesh, node->index);
}

void
mesh_pause(struct mesh_node *node, sim_time until)
{
	if (node->paused_until < until)
		node->paused_until = until;
}

/* A machine that stands still gets it when it wakes: sockets first, then timers, or the reverse. */
static bool
due_postpone(struct mesh *mesh, struct mesh_due *due)
{
	struct mesh_node *node = &mesh->nodes[due->node];
	bool tick = due->event == NULL;

	if (node->paused_until <= mesh->now)
		return false;
	if (!tick && due->event->kind == MESH_DATAGRAM && due->when == mesh->now &&
		node->backlog++ >= MESH_BACKLOG) {
		event_free(due->event);
		return true;
	}
	due->when = node->paused_until + (tick != mesh->plan.tick_first);
	node->woke = node->paused_until;
	if (tick)
		node->tick_at = due->when;
	due_push(mesh, *due);
	return true;
}

static void
due_run(struct mesh *mesh, struct mesh_due *due)
{
	struct mesh_event *e = due->event;
	struct mesh_node *node;

	if (e != NULL && e->kind == MESH_CALL) {
		e->u.call.fn(mesh, e->u.call.arg);
		free(e);
		return;
	}
	node = &mesh->nodes[due->node];
	if (node->life != due->life || node->roster == NULL) {
		event_free(e);
		return;
	}
	if (due_postpone(mesh, due))
		return;
	node->backlog = 0;
	if (e != NULL) {
		step_event(node, e);
		event_free(e);
	} else if (node->tick_at == due->when) {
		node->tick_at = SIM_NEVER;
		step_tick(node);
	}
}

void
mesh_run_until(struct mesh *mesh, sim_time until)
{
	while (mesh->heap_count > 0 && mesh->heap[0].when <= until && mesh->failure[0] == '\0') {
		struct mesh_due due = due_pop(mesh);

		mesh->now = due.when;
		due_run(mesh, &due);
	}
	if (mesh->failure[0] == '\0' && mesh->now < until)
		mesh->now = until;
}

bool
mesh_run_while(struct mesh *mesh, sim_time limit, bool (*going)(struct mesh *mesh))
{
	sim_time until = mesh->now + limit;

	while (going(mesh)) {
		if (mesh->now >= until || mesh->failure[0] != '\0')
			return false;
		mesh_run_until(mesh, mesh->now + 50 * SIM_MS);
	}
	return mesh->failure[0] == '\0';
}

/* ---- lives ---- */

static int
parts_new(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	struct mp_env *env = &node->env;
	struct mp_addr addr = mesh_addr(node->place);
	struct mp_swim_config config = {.addrs = &addr, .addr_count = 1, .caps = mesh_caps()};
	int rc;

	*env = (struct mp_env){.alloc = &mesh->alloc,
		.crypto = &sim_crypto,
		.secret = node->secret,
		.profile = &mesh->profile,
		.self = node->id,
		.cluster = mesh->clusters[node->cluster],
		.boot = ++node->boot};
	mesh_name(node, &config.name);
	rc = mp_roster_new(env, &node->roster);
	if (rc != 0)
		return rc;
	env->out = mp_out_new(&mesh->alloc, &env->self, mp_roster_addrs, node->roster);
	if (env->out == NULL)
		return MP_ENOMEM;
	if ((rc = mp_dgram_new(env, node->roster, &node->dgram)) != 0 ||
		(rc = mp_swim_new(env, node->roster, node->dgram, &config, &node->swim)) != 0)
		return rc;
	return mp_join_new(env, node->roster, node->dgram, node->swim, &node->join);
}

/* The founder, those that were members before, and joiners. */
static int
node_begin(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	uint32_t founder = node->index % mesh->plan.clusters;
	struct mp_addr seed = mesh_addr(mesh->nodes[founder].place);
	int rc = 0;

	if (mp_roster_revoked(node->roster, &node->id)) { /* it has read that */
		node->left = true;
		return 0;
	}
	if (mp_roster_is_member(node->roster))
		return mp_swim_start(node->swim, &node->env);
	if (node->index != founder)
		return mp_join_start(node->join, &node->env, &seed, 1, node->credential);
	rc = mp_dgram_key_add(node->dgram, &node->env, 1, mesh_gossip_key(node), true);
	if (rc == 0)
		rc = mp_roster_add(node->roster, &node->env, node->credential, NULL);
	return rc != 0 ? rc : mp_swim_start(node->swim, &node->env);
}

void
mesh_start(struct mesh_node *node)
{
	struct mesh *mesh = node->mesh;
	int rc;

	if (node->roster != NULL || node->gone || node->left)
		return;
	node->life++;
	node->tick_at = SIM_NEVER;
	node->paused_until = node->starved_until = node->woke = 0;
	node->backlog = 0;
	node->since = mesh->now;
	rc = parts_new(node);
	if (rc == 0) {
		mesh_begin(node);
		mesh_restore(node);
		rc = node_begin(node);
	}
	if (rc != 0) {
		mesh_fail(
			mesh, "node %" PRIu32 " does not start: %s", node->index, mp_strerror(rc));
		return;
	}
	if (mesh_member(node))
		mesh_check_started(node);
	mesh_finish(node);
}

void
mesh_crash(struct mesh_node *node)
{
	if (node->roster == NULL)
		return;
	parts_free(node);
	node->life++;
	node->since = node->mesh->now;
	node->starved_until = node->paused_until = 0;
	mesh_net_down(node);
}

void
mesh_leave(struct mesh_node *node)
{
	if (!mesh_member(node))
		return;
	mesh_begin(node);
	if (mp_swim_leave(node->swim, &node->env) != 0)
		mesh_fail(node->mesh, "node %" PRIu32 " cannot leave", node->index);
	node->left = true;
	mesh_finish(node);
}

/* All that the founded know of each other is on their disks, and as true as it gets: as if they had
 * been together for long. */
static void
found_disks(struct mesh *mesh)
{
	uint32_t n = mesh->plan.nodes;
	struct mp_hash digest;
	struct mp_span caps = mesh_caps();
	struct mp_buf buf;

	sim_crypto.hash(&digest, &caps, 1);
	mp_buf_init(&buf, &mesh->alloc, MP_STATEMENT_MAX);
	for (uint32_t of = 0; of < n; of++) {
		struct mesh_node *node = &mesh->nodes[of];
		struct mp_statement s = {.id = node->id,
			.incarnation = (uint64_t)1 << 32,
			.addrs = {mesh_addr(node->place)},
			.addr_count = 1,
			.proto_min = 1,
			.proto_max = 1,
			.roles = MP_ROLE_NODE,
			.has_caps = true,
			.caps_digest = digest};

		if (of / mesh->plan.clusters >= mesh->plan.founded)
			continue;
		mesh_name(node, &s.name);
		mp_buf_clear(&buf);
		mp_assert(mp_statement_sign(&s, &mesh->clusters[node->cluster], &sim_crypto,
				  node->secret, &buf) == 0);
		for (uint32_t at = 0; at < n; at++) {
			if (mesh->nodes[at].cluster == node->cluster &&
				at / mesh->plan.clusters < mesh->plan.founded)
				mesh_disk_put(&mesh->nodes[at], node, node->credential,
					at == of ? mp_span(NULL, 0) : mp_buf_span(&buf));
		}
	}
	mp_buf_fini(&buf);
}

void
mesh_found(struct mesh *mesh)
{
	uint32_t n = mesh->plan.nodes, clusters = mesh->plan.clusters;

	found_disks(mesh);
	for (uint32_t i = 0; i < n; i++) {
		if (i / clusters < mesh->plan.founded)
			mesh_start(&mesh->nodes[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct mesh_node *node = &mesh->nodes[i];

		if (!mesh_member(node))
			continue;
		mesh_begin(node);
		for (uint32_t k = 0; k < n; k++) {
			if (k != i && mesh_member(&mesh->nodes[k]))
				mp_swim_sign_of_life(node->swim, &node->env, &mesh->nodes[k].id);
		}
		mesh_finish(node);
	}
}
