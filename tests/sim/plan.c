/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster and its pipelines, as a seed has them; fault.c is what happens to them. */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>

#include "core/fetch.h"

void
sim_plan_calm(struct sim_plan *plan)
{
	*plan = (struct sim_plan){.seed = 1,
		.hosts = 3,
		.slots = 2,
		.modules = 8,
		.electors = 3,
		.copies = 2,
		.delay_min = 100,
		.delay_max = 2 * SIM_MS,
		.fsync_min = 200,
		.fsync_max = 2 * SIM_MS,
		.job_min = 20 * SIM_MS,
		.job_max = 500 * SIM_MS};
}

/* Mean time between two faults of a kind; 0 but for one of so many seeds. */
static sim_time
draw_every(struct mp_rng *r, uint64_t one_of, sim_time least, sim_time most)
{
	sim_time every = least + (sim_time)mp_rng_below(r, (uint64_t)most);

	return mp_rng_below(r, one_of) == 0 ? every : 0;
}

static void
draw_faults(struct sim_plan *plan, struct mp_rng *r)
{
	bool fierce = mp_rng_below(r, 4) == 0;
	sim_time least = fierce ? 100 * SIM_MS : SIM_SEC;
	sim_time most = fierce ? SIM_SEC : 8 * SIM_SEC;

	plan->loss = (uint32_t)mp_rng_below(r, 300);
	plan->duplicate = (uint32_t)mp_rng_below(r, 200);
	plan->job_fail = mp_rng_below(r, 3) == 0 ? (uint32_t)mp_rng_below(r, 100) : 0;
	plan->crash_every = draw_every(r, 2, least, most);
	plan->power_cut = mp_rng_below(r, 2) == 0 ? (uint32_t)mp_rng_below(r, 300) : 0;
	plan->pause_every = draw_every(r, 3, least, most);
	plan->cut_every = draw_every(r, 2, least, most);
	plan->stop_every = draw_every(r, 5, least, most);
	plan->clock_every = draw_every(r, 4, least, most);
	plan->full_every = draw_every(r, 5, least, most);
	plan->blob_every = draw_every(r, 4, least, most / 2);
	plan->drop_every = draw_every(r, 3, least, most / 2);
	plan->cut_one_way = mp_rng_below(r, 2) == 0;
	plan->tick_first = mp_rng_below(r, 2) == 0;
	plan->drift_ppm = mp_rng_below(r, 2) == 0 ? 10000 : 0;
	if (mp_rng_below(r, 3) == 0)
		plan->join_within = (sim_time)mp_rng_below(r, 8 * SIM_SEC);
	if (mp_rng_below(r, 5) == 0)
		plan->cancel_after = (sim_time)mp_rng_below(r, 8 * SIM_SEC);
	plan->damage = mp_rng_below(r, 4) == 0 ? (uint32_t)mp_rng_below(r, 300) : 0;
	plan->gone = mp_rng_below(r, 4) == 0 ? 1000 : 0;
	plan->depose = mp_rng_below(r, 4) == 0 ? (uint32_t)mp_rng_below(r, 700) : 0;
	plan->append_max = mp_rng_below(r, 4) == 0 ? 1 + mp_rng_below(r, 3) : 0;
}

/* What takes longer with them. */
static void
draw_once(struct sim_plan *plan, struct mp_rng *r)
{
	/* One word at a time. */
	plan->finish_within += 2 * plan->modules * plan->runs * plan->resolve_every;
	/* Long enough for a lease to end. */
	if (mp_rng_below(r, 3) > 0)
		return;
	plan->job_max += (sim_time)mp_rng_below(r, 40 * SIM_SEC);
	plan->fault_until += (sim_time)mp_rng_below(r, 60 * SIM_SEC);
	plan->pause_max = 40 * SIM_SEC;
	plan->finish_within += 2 * plan->modules * plan->runs * plan->job_max;
	/* As many restarts in more time. */
	if (plan->crash_every > 0)
		plan->crash_every += SIM_SEC;
}

/* Nothing else happens meanwhile. */
static void
draw_figure8(struct sim_plan *plan)
{
	uint64_t seed = plan->seed;

	sim_plan_calm(plan);
	plan->seed = seed;
	plan->figure8 = true;
	plan->runs = 1;
	plan->modules = 30;
	plan->slots = 1;
	plan->append_max = 1;
	plan->job_min = 2 * SIM_SEC;
	plan->job_max = 5 * SIM_SEC;
	plan->join_within = 300 * SIM_MS;
	plan->resolve_every = SIM_SEC;
	plan->fault_until = 40 * SIM_SEC;
	plan->finish_within = 300 * SIM_SEC;
}

void
sim_plan_draw(struct sim_plan *plan, uint64_t seed)
{
	static const uint32_t hosts[] = {1, 2, 3, 3, 3, 4, 5, 5, 6, 7};
	static const sim_time fsyncs[] = {2 * SIM_MS, 30 * SIM_MS, 30 * SIM_MS, 300 * SIM_MS};
	struct mp_rng r = {.state = seed ^ 0x5eed};
	bool calm = mp_rng_below(&r, 8) == 0;

	*plan = (struct sim_plan){.seed = seed};
	plan->hosts = hosts[mp_rng_below(&r, mp_countof(hosts))];
	plan->slots = 1 + (uint32_t)mp_rng_below(&r, 3);
	if (plan->hosts > 2 && mp_rng_below(&r, 4) == 0)
		plan->witnesses = 1;
	plan->runs = 1 + (uint32_t)mp_rng_below(&r, 4);
	plan->modules = 3 + (uint32_t)mp_rng_below(&r, 12);
	plan->electors = mp_rng_below(&r, 3) == 0 ? 5 : 3;
	plan->copies = 1 + (uint32_t)mp_rng_below(&r, 3);
	plan->inputs = mp_rng_below(&r, 2) == 0;
	plan->secrets = seed % 8 == 3; /* not drawn: all other seeds stay what they were */
	plan->wide = mp_rng_below(&r, 8) == 0;
	plan->once = mp_rng_below(&r, 3) == 0 ? (uint32_t)mp_rng_below(&r, 500) : 0;
	plan->resolve_every = SIM_SEC + (sim_time)mp_rng_below(&r, 20 * SIM_SEC);
	plan->fault_until = 8 * SIM_SEC + (sim_time)mp_rng_below(&r, 16 * SIM_SEC);
	/* Some wait for bytes that only hosts have that are gone for good, one after the other. */
	plan->finish_within = 300 * SIM_SEC + plan->modules * MP_FETCH_AWAY_MS * SIM_MS;
	plan->delay_min = 50 + (sim_time)mp_rng_below(&r, 500);
	plan->delay_max = plan->delay_min + (sim_time)mp_rng_below(&r, 20 * SIM_MS);
	plan->fsync_min = 100;
	plan->fsync_max = 200 + (sim_time)mp_rng_below(
					&r, (uint64_t)fsyncs[mp_rng_below(&r, mp_countof(fsyncs))]);
	plan->job_min = 5 * SIM_MS;
	plan->job_max = 10 * SIM_MS + (sim_time)mp_rng_below(&r, 3 * SIM_SEC);
	plan->join_within = 300 * SIM_MS;
	if (!calm)
		draw_faults(plan, &r);
	if (mp_rng_below(&r, 3) > 0)
		plan->contents = 1 + (uint32_t)mp_rng_below(&r, 2);
	plan->fresh = mp_rng_below(&r, 4) == 0;
	/* Which runs are from before, clocks tell: they do not jump here. */
	if (!calm && plan->hosts > 2 && plan->damage == 0 && plan->gone == 0 &&
		mp_rng_below(&r, 4) == 0) {
		plan->wipe_every = SIM_SEC + (sim_time)mp_rng_below(&r, 8 * SIM_SEC);
		plan->clock_every = 0;
		plan->job_max += 2 * SIM_SEC;
	}
	plan->survivor = plan->hosts == 2 && plan->once == 0;
	/* One that loses two of three electors, and what they had. */
	if (plan->hosts > 3 && plan->once == 0 && plan->damage == 0 && plan->gone == 0 &&
		plan->wipe_every == 0 && mp_rng_below(&r, 2) == 0) {
		plan->takeover = true;
		plan->electors = plan->copies = 3;
		plan->job_max += 2 * SIM_SEC;
	}
	/* Two that lose each other for so long that both go on. */
	if (plan->survivor && !calm && mp_rng_below(&r, 2) == 0) {
		plan->cut_every = 12 * SIM_SEC + (sim_time)mp_rng_below(&r, 12 * SIM_SEC);
		plan->cut_one_way = false;
		plan->fault_until += 60 * SIM_SEC;
		plan->job_min += 2 * SIM_SEC;
		plan->job_max += 5 * SIM_SEC;
		plan->finish_within += 2 * plan->modules * plan->runs * plan->job_max;
	}
	if (plan->once > 0)
		draw_once(plan, &r);
	if (mp_rng_below(&r, 100) == 0)
		draw_figure8(plan);
	if (mp_rng_below(&r, 4) == 0)
		plan->rotate_every = SIM_SEC / 2 + (sim_time)mp_rng_below(&r, 8 * SIM_SEC);
	if (!calm && !plan->figure8 && mp_rng_below(&r, 4) == 0)
		plan->drain_every = SIM_SEC / 2 + (sim_time)mp_rng_below(&r, 8 * SIM_SEC);
}

static void MP_PRINTF(2, 3) say(struct mp_buf *yaml, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	mp_assert(n > 0 && (size_t)n < sizeof(line));
	mp_assert(mp_buf_append(yaml, line, (size_t)n) == 0);
}

static void
say_needs(struct mp_buf *yaml, struct mp_rng *r, uint32_t module, char name[][8])
{
	uint32_t needs = module == 0 ? 0 : (uint32_t)mp_rng_below(r, 4);
	const char *before = "    needs: [";

	for (uint32_t last = module; needs > 0 && last > 0; needs--) {
		last = (uint32_t)mp_rng_below(r, last);
		say(yaml, "%s%s", before, name[last]);
		before = ", ";
	}
	if (before[0] == ',')
		say(yaml, "]\n");
}

/* What the result cache cares for, drawn apart: the graph stays what it was. */
static void
say_cache(struct mp_buf *yaml, struct mp_rng *r, bool inputs)
{
	static const char *const narrow[] = {"in/same", "in/*", "in/none"};

	if (mp_rng_below(r, 8) == 0)
		say(yaml, "    cache: false\n");
	if (inputs && mp_rng_below(r, 2) == 0)
		say(yaml, "    inputs: [\"%s\"]\n", narrow[mp_rng_below(r, mp_countof(narrow))]);
}

/* A random DAG: each module needs up to three of those before it. */
void
sim_plan_pipeline(struct sim *sim, uint32_t run_number, struct mp_buf *yaml)
{
	uint32_t content = sim_model_content(sim, run_number);
	struct mp_rng r = {.state = sim->plan.seed * 31 + content};
	struct mp_rng of_cache = {.state = sim->plan.seed * 37 + content};
	uint32_t modules = 1 + (uint32_t)mp_rng_below(&r, sim->plan.modules * 2);
	char name[1024][8];

	if (sim->plan.wide)
		modules = sim->plan.modules;
	mp_assert(modules <= mp_countof(name));
	say(yaml,
		"meshpipe: 1\nname: sim-%" PRIu32 "\nelectors: %" PRIu32 "\ncopies: %" PRIu32
		"%s%s\nmodules:\n",
		run_number, sim->plan.electors, sim->plan.copies,
		sim->plan.survivor ? "\nfailover: survivor" : "",
		sim->plan.secrets ? "\nsecrets: [SIM_A, SIM_B]" : "");
	for (uint32_t i = 0; i < modules; i++) {
		bool output = mp_rng_below(&r, 2) == 0;

		(void)snprintf(name[i], sizeof(name[i]), "%c%" PRIu32, output ? 'o' : 'm', i);
		say(yaml, "  %s:\n    run: [\"work\", \"%s\"]\n", name[i], name[i]);
		if (mp_rng_below(&r, 1000) < sim->plan.once)
			say(yaml, "    once: true\n");
		else
			say(yaml, "    retry: { attempts: %" PRIu64 ", backoff: 100ms }\n",
				1 + mp_rng_below(&r, 4));
		say_cache(yaml, &of_cache, sim->plan.inputs);
		if (sim->plan.secrets && i % 3 != 0)
			say(yaml, "    secrets: [SIM_A%s]\n", i % 3 == 2 ? ", SIM_B" : "");
		if (output)
			say(yaml, "    outputs: [\"out/%s\"]\n", name[i]);
		if (!sim->plan.wide)
			say_needs(yaml, &r, i, name);
	}
}
