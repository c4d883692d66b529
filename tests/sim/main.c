/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpsim: runs seeds or scenarios and says in TAP how they went.
 *
 *   mpsim --seed N [--trace]          one seed, everything that happened in it
 *   mpsim --seeds N [--from M]        N seeds, each twice with equal trace hashes
 *   mpsim FILE.sim... [--trace]       scenarios
 */
#include "sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

void
mp_assert_fail(const char *what, const char *file, int line, const char *func)
{
	(void)printf("Bail out! bug: %s:%d: %s: %s\n", file, line, func, what);
	(void)fflush(stdout);
	abort();
}

static int
usage(void)
{
	(void)fprintf(stderr, "usage: mpsim --seed N [--trace]\n"
			      "       mpsim --seeds N [--from M] [--once]\n"
			      "       mpsim SCENARIO... [--trace]\n");
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
	char why[600];
	uint64_t hash;
	int rc = sim_seed_run(seed, trace, false, &hash, why, sizeof(why));

	(void)printf("# seed %" PRIu64 ", trace hash %016" PRIx64 ", %.1f ms\n", seed, hash,
		cpu_seconds() * 1e3);
	(void)printf("1..1\n%s 1 - seed %" PRIu64 "%s%s\n", rc == 0 ? "ok" : "not ok", seed,
		rc == 0 ? "" : ": ", why);
	return rc == 0 ? 0 : 1;
}

/* One TAP point for each hundred seeds, and one for each that fails. */
static int
many_seeds(uint64_t from, uint64_t count, bool once)
{
	unsigned point = 0, failed = 0;
	double worst = 0, total = 0;
	uint64_t worst_seed = from;

	for (uint64_t seed = from; seed < from + count; seed++) {
		char why[600];
		uint64_t hash, again;
		double before = cpu_seconds(), took;
		int rc = sim_seed_run(seed, false, true, &hash, why, sizeof(why));

		took = cpu_seconds() - before;
		total += took;
		if (took > worst) {
			worst = took;
			worst_seed = seed;
		}
		if (rc == 0 && !once) {
			rc = sim_seed_run(seed, false, true, &again, why, sizeof(why));
			if (rc == 0 && again != hash) {
				(void)snprintf(why, sizeof(why), "the second time was different");
				rc = -1;
			}
		}
		if (rc != 0) {
			failed++;
			(void)printf("not ok %u - mpsim --seed %" PRIu64 " --trace: %s\n", ++point,
				seed, why);
		} else if ((seed - from + 1) % 100 == 0) {
			(void)printf("ok %u - seeds up to %" PRIu64 "\n", ++point, seed);
		}
		(void)fflush(stdout);
	}
	(void)printf("ok %u - all %" PRIu64 " seeds were run\n", ++point, count);
	(void)printf("1..%u\n# %u of %" PRIu64
		     " seeds failed; %.1f ms each, at most %.1f (seed %" PRIu64 ")\n",
		point, failed, count, total / (double)count * 1e3, worst * 1e3, worst_seed);
	return failed == 0 ? 0 : 1;
}

static int
scenarios(char **files, int count, bool trace)
{
	int failed = 0;

	(void)printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		char why[600];
		int rc = sim_script_run(files[i], trace, why, sizeof(why));

		(void)printf("%s %d - %s%s%s\n", rc == 0 ? "ok" : "not ok", i + 1, files[i],
			rc == 0 ? "" : ": ", why);
		failed += rc != 0;
	}
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
		{0},
	};
	uint64_t seed = 0, count = 0, from = 1;
	bool trace = false, once = false, single = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't')
			trace = true;
		else if (c == 'o')
			once = true;
		else if (c == 's' && number(optarg, &seed))
			single = true;
		else if (!(c == 'n' && number(optarg, &count)) &&
			 !(c == 'f' && number(optarg, &from)))
			return usage();
	}
	if (single)
		return one_seed(seed, trace);
	if (count > 0)
		return many_seeds(from, count, once);
	if (optind < argc)
		return scenarios(argv + optind, argc - optind, trace);
	return usage();
}
