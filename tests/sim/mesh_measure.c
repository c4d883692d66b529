/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpsim --table membership: what docs/membership.md shows. All figures are of virtual time but the
 * last column, virtual seconds in one of processor time.
 */
#include "mesh.h"
#include "mesh_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "core/swim_impl.h"

static double
cpu_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
secs(sim_time t)
{
	return (double)t / 1e6;
}

/* What each said when it started, all have heard, and told often enough: a thousand that start at
 * once are busy with it for minutes. */
static void
all_told(struct mesh *mesh)
{
	uint32_t n = mesh->plan.nodes;

	for (uint32_t i = 0; i < n; i++) {
		struct mesh_node *node = &mesh->nodes[i];

		for (uint32_t k = 0; k < n; k++) {
			const struct mesh_node *other = &mesh->nodes[k];
			const struct mp_member *m = mesh_view(node, other);

			if (k % 16 == 0) /* as many as a message may bring */
				mesh_begin(node);
			mp_assert(mp_swim_take_statement(node->swim, &node->env, &other->id,
					  mp_buf_span(&other->swim->own_bytes)) == 0);
			mp_swim_untell(node->swim, m->slot, NEWS_STATEMENT);
			if (k % 16 == 15 || k + 1 == n)
				mesh_finish(node);
		}
	}
}

/* A cluster of n that has nothing more to say. */
static struct mesh *
settled(uint32_t n, uint32_t loss, bool checked)
{
	struct mesh_plan plan;
	struct mesh *mesh;

	mesh_plan_calm(&plan);
	plan.nodes = n;
	plan.unchecked = !checked;
	mesh = mesh_new(&plan);
	mesh_found(mesh);
	all_told(mesh);
	mesh_run_until(mesh, 40 * SIM_SEC);
	mesh->plan.loss = loss;
	return mesh;
}

static int
finished(struct mesh *mesh)
{
	char why[600];
	int rc = mesh_end(mesh, why, sizeof(why));

	if (rc != 0)
		(void)printf("\n**failed: %s**\n", why);
	return rc;
}

static bool
watching(struct mesh *mesh)
{
	return mesh->watch_count < mesh->plan.nodes;
}

static int
row_update(uint32_t n, uint32_t loss, uint32_t times)
{
	struct mesh *mesh = settled(n, loss, false);
	double formed = cpu_now(), half = 0, most = 0, all = 0, worst = 0;
	sim_time from = mesh->now;

	for (uint32_t i = 0; i < times; i++) {
		mesh_watch(mesh, (uint32_t)mp_rng_below(&mesh->rng, n));
		if (!mesh_run_while(mesh, 60 * SIM_SEC, watching))
			mesh_fail(mesh, "an update has reached %" PRIu32 " of %" PRIu32,
				mesh->watch_count, n);
		half += secs(mesh->watch_at[(n - 1) / 2]) / times;
		most += secs(mesh->watch_at[(n * 99 - 1) / 100]) / times;
		all += secs(mesh->watch_at[n - 1]) / times;
		if (secs(mesh->watch_at[n - 1]) > worst)
			worst = secs(mesh->watch_at[n - 1]);
		mesh->watch = MESH_NONE;
		mesh_run_until(mesh, mesh->now + 5 * SIM_SEC);
	}
	(void)printf("| %" PRIu32 " | %" PRIu32 " %% | %.3f | %.3f | %.3f | %.3f | %.1f | %.1f |\n",
		n, loss / 10, half, most, all, worst, (double)mesh->alloc_peak / n / n,
		secs(mesh->now - from) / (cpu_now() - formed));
	(void)fflush(stdout);
	return finished(mesh);
}

/* ---- the same by the model, for any number of nodes ---- */

static struct model *
model_settled(uint32_t n, uint32_t loss)
{
	struct model *m = model_new(n, 1);

	model_run_until(m, 10 * SIM_SEC);
	m->loss = loss;
	return m;
}

static void
model_update(uint32_t n, uint32_t loss, uint32_t times)
{
	struct model *m = model_settled(n, loss);
	double half = 0, most = 0, all = 0, worst = 0, began = cpu_now();
	sim_time from = m->now;

	for (uint32_t i = 0; i < times; i++) {
		model_speak(m, (uint32_t)mp_rng_below(&m->rng, n));
		while (m->heard < n - 1 && m->now - m->watch_since < 60 * SIM_SEC)
			model_run_until(m, m->now + 50 * SIM_MS);
		half += secs(m->heard_at[(n - 1) / 2 - 1]) / times;
		most += secs(m->heard_at[(n * 99 - 1) / 100 - 1]) / times;
		all += secs(m->heard_at[n - 2]) / times;
		if (secs(m->heard_at[n - 2]) > worst)
			worst = secs(m->heard_at[n - 2]);
		model_run_until(m, m->now + 5 * SIM_SEC);
	}
	(void)printf("| %" PRIu32 ", model | %" PRIu32 " %% | %.3f | %.3f | %.3f | %.3f | %.1f | "
		     "%.1f |\n",
		n, loss / 10, half, most, all, worst, (double)sizeof(*m->views),
		secs(m->now - from) / (cpu_now() - began));
	(void)fflush(stdout);
	model_free(m);
}

static void
model_crashes(uint32_t n, uint32_t times)
{
	struct model *m = model_settled(n, 0);
	double suspected = 0, first = 0, agreed = 0, worst = 0, began = cpu_now();
	sim_time from = m->now;

	for (uint32_t i = 0; i < times; i++) {
		double at;

		model_run_until(m, m->now + (sim_time)mp_rng_below(&m->rng, SIM_SEC));
		model_crash(m, (uint32_t)mp_rng_below(&m->rng, n));
		while (m->suspects == 0)
			model_run_until(m, m->now + 50 * SIM_MS);
		suspected += secs(m->now - m->watch_since) / times;
		while (m->deads == 0)
			model_run_until(m, m->now + 50 * SIM_MS);
		first += secs(m->now - m->watch_since) / times;
		while (m->deads < n - 1)
			model_run_until(m, m->now + 50 * SIM_MS);
		at = secs(m->now - m->watch_since);
		agreed += at / times;
		worst = at > worst ? at : worst;
		model_start(m, m->watched);
		while (m->deads > 0)
			model_run_until(m, m->now + 50 * SIM_MS);
		model_run_until(m, m->now + 5 * SIM_SEC);
	}
	(void)printf("| %" PRIu32 ", model | %.1f | %.1f | %.1f | %.1f | %.1f |\n", n, suspected,
		first, agreed, worst, secs(m->now - from) / (cpu_now() - began));
	(void)fflush(stdout);
	model_free(m);
}

/* Per hour of all nodes together; `took` is processor time. */
static void
print_deaths(uint32_t n, uint32_t loss, uint32_t starved, const char *by, const char *how,
	uint32_t minutes, uint64_t healthy, uint64_t others, double took)
{
	double hours = (double)minutes * n / 60;

	(void)printf("| %" PRIu32 "%s | %" PRIu32 " %% | %" PRIu32 "%s | %.0f | %" PRIu64
		     " | %.3f | %" PRIu64 " | %.3f | %.1f |\n",
		n, by, loss / 10, starved, how, hours, healthy, (double)healthy / hours, others,
		(double)others / hours, secs(minutes * 60 * SIM_SEC) / took);
	(void)fflush(stdout);
}

static void
model_deaths(uint32_t n, uint32_t loss, uint32_t starved, uint32_t minutes)
{
	struct model *m = model_settled(n, loss);
	double began = cpu_now();
	sim_time until;

	model_run_until(m, 90 * SIM_SEC);
	until = m->now + minutes * 60 * SIM_SEC;
	for (uint32_t i = 0; i < starved; i++)
		model_starve(m, i, until);
	model_run_until(m, until);
	print_deaths(n, loss, starved, ", model", "", minutes, m->false_deaths, m->starved_deaths,
		cpu_now() - began);
	model_free(m);
}

/* The same numbers of nodes for all sizes: `crashed` a minute, `spoke` every ten seconds. */
static void
model_churn(struct model *m, sim_time until, uint32_t crashed, uint32_t spoke)
{
	uint32_t down[16];
	uint32_t count = 0;

	mp_assert(crashed <= mp_countof(down));
	for (int i = 0; m->now < until; i++) {
		for (uint32_t k = 0; k < (i % 6 == 0 ? crashed : spoke); k++) {
			uint32_t v = (uint32_t)mp_rng_below(&m->rng, m->n);

			if (!model_is_up(m, v))
				continue;
			if (i % 6 == 0)
				model_crash(m, down[count++] = v);
			else
				model_speak(m, v);
		}
		for (; i % 6 == 2 && count > 0; count--)
			model_start(m, down[count - 1]);
		model_run_until(m, m->now + 10 * SIM_SEC);
	}
}

static void
model_traffic(uint32_t n, uint32_t minutes, bool churning)
{
	struct model *m = model_settled(n, 0);
	sim_time from = m->now;
	double s = 60.0 * minutes * n, began = cpu_now();
	uint64_t udp = m->udp_bytes, stream = m->stream_bytes, datagrams = m->datagrams;

	if (churning)
		model_churn(m, from + minutes * 60 * SIM_SEC, 10, 10);
	else
		model_run_until(m, from + minutes * 60 * SIM_SEC);
	(void)printf("| %" PRIu32 ", model | %s | %.1f | %.0f | %.0f | %.0f | %.1f |\n", n,
		churning ? "churn of 1000" : "idle", (double)(m->datagrams - datagrams) / s,
		(double)(m->udp_bytes - udp) / s, (double)(m->stream_bytes - stream) / s,
		(double)(m->udp_bytes - udp + m->stream_bytes - stream) / s,
		secs(m->now - from) / (cpu_now() - began));
	(void)fflush(stdout);
	model_free(m);
}

static int
updates(void)
{
	int rc;

	rc = row_update(10, 0, 100) | row_update(100, 0, 100) | row_update(1000, 0, 20) |
	     row_update(10, 300, 100) | row_update(100, 300, 100) | row_update(1000, 300, 20);
	for (uint32_t loss = 0; loss <= 300; loss += 300) {
		model_update(100, loss, 100);
		model_update(1000, loss, 50);
		model_update(10000, loss, 20);
	}
	return rc;
}

/* ---- a crash ---- */

struct crash {
	sim_time suspected, first, agreed;
};

static uint32_t victim;

static bool
nobody_suspects(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		if (i != victim &&
			mesh_view(&mesh->nodes[i], &mesh->nodes[victim])->state != MP_MEMBER_ALIVE)
			return false;
	}
	return true;
}

static bool
nobody_knows(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		if (i != victim &&
			mesh_view(&mesh->nodes[i], &mesh->nodes[victim])->state == MP_MEMBER_DEAD)
			return false;
	}
	return true;
}

static bool
not_all_know(struct mesh *mesh)
{
	return !mesh_dead_agree(mesh, victim);
}

static bool
not_agreed(struct mesh *mesh)
{
	return !mesh_agree(mesh, NULL, 0);
}

static struct crash
crash_once(struct mesh *mesh)
{
	struct crash c;
	sim_time from;

	mesh_run_until(mesh, mesh->now + mesh_between(mesh, 0, SIM_SEC));
	victim = (uint32_t)mp_rng_below(&mesh->rng, mesh->plan.nodes);
	from = mesh->now;
	mesh_crash(&mesh->nodes[victim]);
	(void)mesh_run_while(mesh, 60 * SIM_SEC, nobody_suspects);
	c.suspected = mesh->now - from;
	(void)mesh_run_while(mesh, 60 * SIM_SEC, nobody_knows);
	c.first = mesh->now - from;
	if (!mesh_run_while(mesh, 60 * SIM_SEC, not_all_know))
		mesh_fail(mesh, "node %" PRIu32 " is not dead everywhere", victim);
	c.agreed = mesh->now - from;
	mesh_start(&mesh->nodes[victim]);
	if (!mesh_run_while(mesh, 60 * SIM_SEC, not_agreed))
		mesh_fail(mesh, "node %" PRIu32 " does not come back", victim);
	mesh_run_until(mesh, mesh->now + 5 * SIM_SEC);
	return c;
}

static int
row_crash(uint32_t n, uint32_t times)
{
	struct mesh *mesh = settled(n, 0, n <= 100);
	double suspected = 0, first = 0, agreed = 0, worst = 0, began = cpu_now();
	sim_time from = mesh->now;

	for (uint32_t i = 0; i < times; i++) {
		struct crash c = crash_once(mesh);

		suspected += secs(c.suspected) / times;
		first += secs(c.first) / times;
		agreed += secs(c.agreed) / times;
		if (secs(c.agreed) > worst)
			worst = secs(c.agreed);
	}
	(void)printf("| %" PRIu32 " | %.1f | %.1f | %.1f | %.1f | %.1f |\n", n, suspected, first,
		agreed, worst, secs(mesh->now - from) / (cpu_now() - began));
	(void)fflush(stdout);
	return finished(mesh);
}

static int
crashes(void)
{
	int rc;

	rc = row_crash(3, 20) | row_crash(10, 20) | row_crash(30, 20) | row_crash(100, 10) |
	     row_crash(300, 5) | row_crash(1000, 3);
	model_crashes(100, 10);
	model_crashes(1000, 10);
	model_crashes(10000, 5);
	return rc;
}

/* ---- false deaths ---- */

static int
row_false(uint32_t n, uint32_t loss, uint32_t starved, bool tick_first, uint32_t minutes)
{
	struct mesh *mesh = settled(n, loss, true);
	double began;
	sim_time until;

	mesh_run_until(mesh, 90 * SIM_SEC);
	began = cpu_now();
	mesh->plan.tick_first = tick_first;
	until = mesh->now + minutes * 60 * SIM_SEC;
	for (uint32_t i = 0; i < starved; i++)
		mesh_starve(&mesh->nodes[i], until);
	mesh_run_until(mesh, until);
	print_deaths(n, loss, starved, "", tick_first ? ", timers first" : "", minutes,
		mesh->false_deaths, mesh->starved_deaths, cpu_now() - began);
	return finished(mesh);
}

static int
false_deaths(void)
{
	const uint32_t m = 20; /* minutes */
	int rc;

	rc = row_false(50, 0, 0, false, m) | row_false(50, 100, 0, false, m) |
	     row_false(50, 200, 0, false, m) | row_false(50, 300, 0, false, m) |
	     row_false(100, 300, 0, false, m) | row_false(100, 0, 16, false, m) |
	     row_false(100, 0, 16, true, m) | row_false(100, 100, 16, false, m);
	model_deaths(100, 0, 16, m);
	model_deaths(1000, 0, 160, 5);
	for (uint32_t loss = 0; loss <= 300; loss += 100)
		model_deaths(10000, loss, 0, 5);
	model_deaths(10000, 0, 16, 5);
	model_deaths(10000, 100, 16, 5);
	return rc;
}

/* ---- traffic ---- */

struct traffic {
	uint64_t udp, stream, datagrams;
};

static struct traffic
traffic_of(const struct mesh *mesh)
{
	struct traffic t = {0};

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		t.udp += mesh->nodes[i].udp_bytes;
		t.stream += mesh->nodes[i].stream_bytes;
		t.datagrams += mesh->nodes[i].datagrams;
	}
	return t;
}

static void
revive(struct mesh *mesh, uint64_t index)
{
	mesh_start(&mesh->nodes[index]);
}

/* One percent of the nodes, and one at least, crashes every minute and comes back; one node in a
 * hundred, and one at least, says something new every ten seconds. */
static void
churn(struct mesh *mesh, sim_time until)
{
	uint32_t n = mesh->plan.nodes, part = n < 100 ? 1 : n / 100;

	for (int i = 0; mesh->now < until && mesh->failure[0] == '\0'; i++) {
		for (uint32_t k = 0; k < part; k++) {
			struct mesh_node *node = &mesh->nodes[mp_rng_below(&mesh->rng, n)];

			if (mesh_member(node) && i % 6 == 0) {
				mesh_crash(node);
				mesh_at(mesh, mesh->now + 20 * SIM_SEC, revive, node->index);
			} else if (mesh_member(node)) {
				mesh_watch(mesh, node->index);
			}
		}
		mesh_run_until(mesh, mesh->now + 10 * SIM_SEC);
	}
}

static int
row_traffic(uint32_t n, bool churning)
{
	struct mesh *mesh = settled(n, 0, false);
	sim_time span = (n > 100 ? 5 : 20) * 60 * SIM_SEC, from;
	struct traffic before, after;
	double s, began;

	mesh_run_until(mesh, 120 * SIM_SEC);
	before = traffic_of(mesh);
	from = mesh->now;
	began = cpu_now();
	if (churning)
		churn(mesh, from + span);
	else
		mesh_run_until(mesh, from + span);
	after = traffic_of(mesh);
	s = secs(mesh->now - from) * n;
	(void)printf("| %" PRIu32 " | %s | %.1f | %.0f | %.0f | %.0f | %.0f |\n", n,
		churning ? "churn" : "idle", (double)(after.datagrams - before.datagrams) / s,
		(double)(after.udp - before.udp) / s, (double)(after.stream - before.stream) / s,
		(double)(after.udp - before.udp + after.stream - before.stream) / s,
		secs(mesh->now - from) / (cpu_now() - began));
	(void)fflush(stdout);
	return finished(mesh);
}

static int
traffic(void)
{
	int rc;

	rc = row_traffic(10, false) | row_traffic(100, false) | row_traffic(1000, false) |
	     row_traffic(10, true) | row_traffic(100, true) | row_traffic(1000, true);
	model_traffic(1000, 5, false);
	model_traffic(10000, 5, false);
	model_traffic(1000, 5, true);
	model_traffic(10000, 5, true);
	return rc;
}

/* ---- a revocation ---- */

static sim_time shut_half, shut_all, keyed_all;

/* Who has heard of it, and who has the key that came with it? */
static bool
not_all_shut(struct mesh *mesh)
{
	uint32_t n = 0, shut = 0, keyed = 0;

	for (uint32_t i = 0; i < mesh->plan.nodes; i++) {
		const struct mesh_node *node = &mesh->nodes[i];
		uint64_t epoch;

		if (i == victim || node->roster == NULL)
			continue;
		(void)mp_dgram_key(node->dgram, 0, &epoch);
		n++;
		shut += mesh_view(node, &mesh->nodes[victim])->revoked;
		keyed += epoch > 1;
	}
	if (shut_half == 0 && 2 * shut >= n)
		shut_half = mesh->now;
	if (shut_all == 0 && shut == n)
		shut_all = mesh->now;
	if (keyed_all == 0 && keyed == n)
		keyed_all = mesh->now;
	return shut_all == 0 || keyed_all == 0;
}

static int
row_revocation(uint32_t n, uint32_t loss, uint32_t times)
{
	double half = 0, all = 0, keyed = 0, worst = 0;
	uint64_t deaths = 0;
	int rc = 0;

	for (uint32_t i = 0; i < times; i++) {
		struct mesh *mesh = settled(n, loss, false);
		sim_time from = mesh->now;

		mesh->rng.state += i;
		victim = 1 + (uint32_t)mp_rng_below(&mesh->rng, n - 1);
		shut_half = shut_all = keyed_all = 0;
		mesh_revoke(&mesh->nodes[0], &mesh->nodes[victim]);
		while (not_all_shut(mesh) && mesh->now - from < 60 * SIM_SEC)
			mesh_run_until(mesh, mesh->now + SIM_MS);
		if (shut_all == 0 || keyed_all == 0)
			mesh_fail(mesh, "a revocation has not reached all");
		half += secs(shut_half - from) / times;
		all += secs(shut_all - from) / times;
		keyed += secs(keyed_all - from) / times;
		if (secs(shut_all - from) > worst)
			worst = secs(shut_all - from);
		if (secs(keyed_all - from) > worst)
			worst = secs(keyed_all - from);
		mesh_run_until(mesh, mesh->now + 30 * SIM_SEC);
		deaths += mesh->false_deaths;
		rc |= finished(mesh);
	}
	(void)printf("| %" PRIu32 " | %" PRIu32 " %% | %.3f | %.3f | %.3f | %.3f | %" PRIu64 " |\n",
		n, loss / 10, half, all, keyed, worst, deaths);
	(void)fflush(stdout);
	return rc;
}

static int
revocations(void)
{
	return row_revocation(10, 0, 20) | row_revocation(100, 0, 10) |
	       row_revocation(10, 300, 20) | row_revocation(100, 300, 10);
}

static const struct {
	const char *name, *title, *columns;
	int (*fn)(void);
} parts[] = {
	{"updates", "One update on its way to all (s)",
		"| nodes | loss | at 50 % | at 99 % | at 100 % | worst | bytes a pair | "
		"faster than real |\n|--:|--:|--:|--:|--:|--:|--:|--:|",
		updates},
	{"crashes", "A crash (s)",
		"| nodes | first suspicion | first verdict | agreement | worst | "
		"faster than real |\n|--:|--:|--:|--:|--:|--:|",
		crashes},
	{"deaths", "Nodes held dead that live",
		"| nodes | loss | starved | node-hours | healthy ones | per node-hour | "
		"starved ones | per node-hour | faster than real |\n"
		"|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
		false_deaths},
	{"traffic", "Traffic of one node (sent, with IP, UDP and TCP heads)",
		"| nodes | | datagrams/s | UDP B/s | streams B/s | all B/s | faster than real |\n"
		"|--:|:--|--:|--:|--:|--:|--:|",
		traffic},
	{"revocations", "A revocation and the gossip key that comes with it (s)",
		"| nodes | loss | half refuse it | all refuse it | all have the key | worst | "
		"false deaths |\n|--:|--:|--:|--:|--:|--:|--:|",
		revocations},
};

static bool
part_is(const char *name, size_t i)
{
	return strcmp(name, "membership") == 0 || strcmp(name, "heads") == 0 ||
	       strcmp(name, parts[i].name) == 0;
}

bool
mesh_measure_is(const char *name)
{
	for (size_t i = 0; i < mp_countof(parts); i++) {
		if (part_is(name, i))
			return true;
	}
	return false;
}

int
mesh_measure(const char *name)
{
	int rc = 0;

	for (size_t i = 0; i < mp_countof(parts); i++) {
		if (!part_is(name, i))
			continue;
		(void)printf("## %s\n\n%s\n", parts[i].title, parts[i].columns);
		(void)fflush(stdout);
		if (strcmp(name, "heads") != 0)
			rc |= parts[i].fn();
		(void)printf("\n");
	}
	return rc;
}
