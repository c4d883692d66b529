/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpsim: runs seeds or scenarios and says in TAP how they went.
 *
 *   mpsim --seed N [--trace]          one seed, everything that happened in it
 *   mpsim --seeds N [--from M]        N seeds, each twice with equal trace hashes
 *         [--once]                    and that only once
 *         [--until I1]                until one fails so; for mutants, see mutants.sh
 *         [--blind I8]                this invariant is not looked at
 *   mpsim --list FILE                 the seeds in a file, each twice
 *   mpsim FILE.sim... [--trace]       scenarios
 *         [--each N [--from M]]       those of membership, each with N seeds instead of its own
 *   mpsim --members N [--from M]      N seeds of membership alone
 *         [--trace] [--until M6]
 *   mpsim --table membership          the figures of docs/membership.md; or a part of them:
 *                                     updates, crashes, deaths, traffic, revocations;
 *                                     heads is what stands above each
 */
#include "mesh.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static uint64_t running; /* seed */

void
mp_assert_fail(const char *what, const char *file, int line, const char *func)
{
	(void)printf("Bail out! bug: seed %" PRIu64 ": %s:%d: %s: %s\n", running, file, line, func,
		what);
	(void)fflush(stdout);
	abort();
}

static int
usage(void)
{
	(void)fprintf(stderr,
		"usage: mpsim --seed N [--trace]\n"
		"       mpsim --seeds N [--from M] [--once] [--until I1] [--blind I8]\n"
		"       mpsim --list FILE\n"
		"       mpsim SCENARIO... [--trace] [--each N [--from M]]\n"
		"       mpsim --members N [--from M] [--trace] [--until M6]\n"
		"       mpsim --table "
		"membership|updates|crashes|deaths|traffic|revocations|heads\n");
	return 2;
}

static double
cpu_seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
one_seed(uint64_t seed, bool trace)
{
	struct sim_report report;
	int rc;

	running = seed;
	rc = sim_seed_run(seed, trace, false, &report);

	(void)printf("# seed %" PRIu64 ", trace hash %016" PRIx64 ", %.1f ms\n", seed,
		report.trace_hash, cpu_seconds() * 1e3);
	(void)printf("1..1\n%s 1 - seed %" PRIu64 "%s%s\n", rc == 0 ? "ok" : "not ok", seed,
		rc == 0 ? "" : ": ", report.why);
	return rc == 0 ? 0 : 1;
}

struct sweep {
	bool once;
	const char *until; /* "I1" */
	bool found;        /* what `until` says */
	unsigned point, failed;
	double worst, total;
	uint64_t worst_seed, count;
	uint64_t sometimes[SIM_SOMETIMES_COUNT]; /* in how many seeds */
};

/* Does the text tell of this invariant? */
static bool
tells_of(const char *text, const char *invariant)
{
	const char *at = strstr(text, invariant);

	return at != NULL && at[strlen(invariant)] == ':';
}

static void
sweep_seed(struct sweep *sweep, uint64_t seed)
{
	struct sim_report report, again;
	double before = cpu_seconds(), took;
	int rc;

	running = seed;
	rc = sim_seed_run(seed, false, true, &report);
	took = cpu_seconds() - before;
	sweep->count++;
	sweep->total += took;
	if (took > sweep->worst) {
		sweep->worst = took;
		sweep->worst_seed = seed;
	}
	for (size_t i = 0; i < SIM_SOMETIMES_COUNT; i++)
		sweep->sometimes[i] += report.sometimes[i] > 0;
	if (rc == 0 && !sweep->once) {
		rc = sim_seed_run(seed, false, true, &again);
		if (rc == 0 && again.trace_hash != report.trace_hash) {
			(void)snprintf(
				report.why, sizeof(report.why), "the second time was different");
			rc = -1;
		}
	}
	if (rc != 0) {
		sweep->failed++;
		sweep->found = sweep->until != NULL && tells_of(report.why, sweep->until);
		(void)printf("not ok %u - mpsim --seed %" PRIu64 " --trace: %s\n", ++sweep->point,
			seed, report.why);
	} else if (sweep->count % 100 == 0) {
		(void)printf("ok %u - seeds up to %" PRIu64 "\n", ++sweep->point, seed);
	}
	(void)fflush(stdout);
}

/* A sweep in which something never happened has not tested it. */
static void
sweep_sometimes(struct sweep *sweep)
{
	static const struct {
		uint64_t seeds;
		const char *text;
	} what[] = {
#define X(name, seeds, text) {seeds, text},
		SIM_SOMETIMES(X)
#undef X
	};

	for (size_t i = 0; i < SIM_SOMETIMES_COUNT; i++) {
		(void)printf("# %s in %" PRIu64 " seeds\n", what[i].text, sweep->sometimes[i]);
		if (sweep->sometimes[i] > 0 || sweep->count < what[i].seeds)
			continue;
		sweep->failed++;
		(void)printf("not ok %u - never in %" PRIu64 " seeds: %s\n", ++sweep->point,
			sweep->count, what[i].text);
	}
}

/* One TAP point for each hundred seeds, and one for each that fails. */
static int
many_seeds(uint64_t from, uint64_t count, bool once, const char *until)
{
	struct sweep sweep = {.worst_seed = from, .once = once, .until = until};

	for (uint64_t seed = from; seed < from + count && !sweep.found; seed++)
		sweep_seed(&sweep, seed);
	if (until != NULL)
		return sweep.found ? 1 : 0;
	sweep_sometimes(&sweep);
	(void)printf("ok %u - all %" PRIu64 " seeds were run\n", ++sweep.point, count);
	(void)printf("1..%u\n# %u of %" PRIu64
		     " seeds failed; %.1f ms each, at most %.1f (seed %" PRIu64 ")\n",
		sweep.point, sweep.failed, count, sweep.total / (double)count * 1e3,
		sweep.worst * 1e3, sweep.worst_seed);
	return sweep.failed == 0 ? 0 : 1;
}

/* Seeds from a file, one a line, `#` begins a comment: what each of them once caught. */
static int
listed_seeds(const char *file)
{
	struct sweep sweep = {0};
	FILE *f = fopen(file, "re");
	char line[256];

	if (f == NULL) {
		(void)fprintf(stderr, "mpsim: %s cannot be read\n", file);
		return 1;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] >= '0' && line[0] <= '9')
			sweep_seed(&sweep, strtoull(line, NULL, 10));
	}
	(void)fclose(f);
	(void)printf("ok %u - %" PRIu64 " seeds that once failed\n1..%u\n", sweep.point + 1,
		sweep.count, sweep.point + 1);
	return sweep.failed == 0 ? 0 : 1;
}

/* The same for seeds of the membership world. */
static int
member_seeds(uint64_t from, uint64_t count, const char *until, bool trace)
{
	unsigned point = 0, failed = 0;

	for (uint64_t seed = from; seed < from + count; seed++) {
		char why[600];

		running = seed;
		if (mesh_seed_run(seed, trace, why, sizeof(why)) != 0) {
			failed++;
			(void)printf("not ok %u - mpsim --members 1 --from %" PRIu64 ": %s\n",
				++point, seed, why);
			if (until != NULL && tells_of(why, until))
				return 1;
		} else if ((seed - from + 1) % 100 == 0) {
			(void)printf("ok %u - member seeds up to %" PRIu64 "\n", ++point, seed);
		}
		(void)fflush(stdout);
	}
	(void)printf("ok %u - all %" PRIu64 " member seeds were run\n1..%u\n# %u failed\n",
		point + 1, count, point + 1, failed);
	return failed == 0 ? 0 : 1;
}

static int
scenario(const char *file, uint64_t seed, bool trace, unsigned *point)
{
	char why[600], with[40] = "";
	int rc;

	running = seed;
	if (seed != SCENARIO_SEED)
		(void)snprintf(with, sizeof(with), " --each 1 --from %" PRIu64, seed);
	rc = mesh_script_is(file) ? mesh_script_run(file, seed, trace, why, sizeof(why))
				  : sim_script_run(file, trace, why, sizeof(why));
	if (rc != 0 || seed == SCENARIO_SEED)
		(void)printf("%s %u - %s%s%s%s\n", rc == 0 ? "ok" : "not ok", ++*point, file, with,
			rc == 0 ? "" : ": ", why);
	(void)fflush(stdout);
	return rc == 0 ? 0 : 1;
}

static int
scenarios(char **files, int count, bool trace)
{
	unsigned point = 0;
	int failed = 0;

	(void)printf("1..%d\n", count);
	for (int i = 0; i < count; i++)
		failed += scenario(files[i], SCENARIO_SEED, trace, &point);
	return failed == 0 ? 0 : 1;
}

/* A point for each scenario, and one for each seed with which it fails. */
static int
scenarios_each(char **files, int count, uint64_t from, uint64_t seeds, bool trace)
{
	unsigned point = 0;
	int failed = 0;

	for (int i = 0; i < count; i++) {
		if (!mesh_script_is(files[i])) {
			(void)fprintf(stderr, "mpsim: %s is not of membership\n", files[i]);
			return 2;
		}
		for (uint64_t seed = from; seed < from + seeds; seed++)
			failed += scenario(files[i], seed, trace, &point);
		(void)printf("ok %u - %s with seeds %" PRIu64 " to %" PRIu64 "\n", ++point,
			files[i], from, from + seeds - 1);
	}
	(void)printf("1..%u\n# %d failed\n", point, failed);
	return failed == 0 ? 0 : 1;
}

static bool
number(const char *text, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'},
		{"from", required_argument, NULL, 'f'},
		{"trace", no_argument, NULL, 't'},
		{"once", no_argument, NULL, 'o'},
		{"list", required_argument, NULL, 'l'},
		{"until", required_argument, NULL, 'u'},
		{"blind", required_argument, NULL, 'b'},
		{"members", required_argument, NULL, 'm'},
		{"each", required_argument, NULL, 'e'},
		{"table", required_argument, NULL, 'T'},
		{0},
	};
	uint64_t seed = 0, count = 0, from = 1, members = 0, each = 0;
	bool trace = false, once = false, single = false;
	const char *list = NULL, *until = NULL, *table = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't')
			trace = true;
		else if (c == 'o')
			once = true;
		else if (c == 'l')
			list = optarg;
		else if (c == 'u')
			until = optarg;
		else if (c == 'b')
			sim_blind = optarg;
		else if (c == 'T')
			table = optarg;
		else if (c == 's' && number(optarg, &seed))
			single = true;
		else if (!(c == 'n' && number(optarg, &count)) &&
			 !(c == 'm' && number(optarg, &members)) &&
			 !(c == 'e' && number(optarg, &each)) &&
			 !(c == 'f' && number(optarg, &from)))
			return usage();
	}
	if (table != NULL)
		return mesh_measure_is(table) ? mesh_measure(table) != 0 : usage();
	if (list != NULL)
		return listed_seeds(list);
	if (single)
		return one_seed(seed, trace);
	if (members > 0)
		return member_seeds(from, members, until, trace);
	if (count > 0)
		return many_seeds(from, count, once, until);
	if (optind < argc && each > 0)
		return scenarios_each(argv + optind, argc - optind, from, each, trace);
	if (optind < argc)
		return scenarios(argv + optind, argc - optind, trace);
	return usage();
}
