/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios: one command a line, `#` begins a comment. Times are seconds, `0.25` or `3`.
 *
 *   hosts N | slots N | modules N | loss PER_MILLE | job MIN MAX | seed N     before the first
 * `run` run T                   let T pass submit HOST             submit the next pipeline there
 *   crash HOST | start HOST (if it is down) | pause HOST T
 *   cut A B | cut A > B     both directions, or what A says to B
 *   isolate HOST            cut from everybody
 *   heal                    the network
 *   wait ended T | wait views T | wait leader T     fail if it is not so within T
 *   expect elections N      at least so many
 * HOST is a number or `leader`, the last host that was seen leading a run.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdlib.h>

struct script {
	struct sim_plan plan;
	struct sim *sim; /* made by the first command that needs it */
	uint32_t submits;
	bool trace;
	unsigned line;
	const char *file;
	char *why;
	size_t why_size;
};

static int
script_fail(struct script *s, const char *text)
{
	(void)snprintf(s->why, s->why_size, "%s:%u: %s", s->file, s->line, text);
	return -1;
}

static struct sim *
script_sim(struct script *s)
{
	if (s->sim == NULL) {
		s->sim = sim_new(&s->plan, s->trace);
		for (uint32_t i = 0; i < s->plan.hosts; i++)
			sim_host_start(&s->sim->hosts[i]);
	}
	return s->sim;
}

static sim_time
seconds(const char *text)
{
	return (sim_time)(strtod(text, NULL) * 1e6);
}

static struct sim_host *
host_arg(struct script *s, const char *text)
{
	struct sim *sim = script_sim(s);
	unsigned long n;

	if (strcmp(text, "leader") == 0)
		n = sim_check_last_leader(sim);
	else
		n = strtoul(text, NULL, 10);
	return n < s->plan.hosts ? &sim->hosts[n] : NULL;
}

static int
set_plan(struct script *s, const char *verb, const char *a, const char *b)
{
	uint32_t n = (uint32_t)strtoul(a, NULL, 10);

	if (strcmp(verb, "hosts") == 0)
		s->plan.hosts = n;
	else if (strcmp(verb, "slots") == 0)
		s->plan.slots = n;
	else if (strcmp(verb, "modules") == 0)
		s->plan.modules = n;
	else if (strcmp(verb, "loss") == 0)
		s->plan.loss = n;
	else if (strcmp(verb, "seed") == 0)
		s->plan.seed = n;
	else if (strcmp(verb, "job") == 0) {
		s->plan.job_min = seconds(a);
		s->plan.job_max = seconds(b);
	} else
		return 1;
	if (s->sim != NULL && strcmp(verb, "loss") != 0)
		return script_fail(s, "comes too late: the hosts run");
	if (s->sim != NULL)
		s->sim->plan.loss = n;
	return 0;
}

static bool
not_ended(struct sim *sim)
{
	return !sim_check_runs_ended(sim, NULL, 0);
}

static bool
not_agreed(struct sim *sim)
{
	return !sim_check_views_agree(sim, NULL, 0);
}

static bool
not_led(struct sim *sim)
{
	return sim_check_last_leader(sim) >= sim->plan.hosts;
}

static int
do_wait(struct script *s, const char *what, sim_time t)
{
	struct sim *sim = script_sim(s);
	bool (*going)(struct sim *) = strcmp(what, "ended") == 0    ? not_ended
				      : strcmp(what, "views") == 0  ? not_agreed
				      : strcmp(what, "leader") == 0 ? not_led
								    : NULL;
	char why[256] = "not within that time";

	if (going == NULL)
		return script_fail(s, "wait for what?");
	sim_run_while(sim, sim->now + t, going);
	if (sim->failure[0] != '\0' || !going(sim))
		return 0;
	if (going == not_ended)
		(void)sim_check_runs_ended(sim, why, sizeof(why));
	else if (going == not_agreed)
		(void)sim_check_views_agree(sim, why, sizeof(why));
	return script_fail(s, why);
}

static int
do_cut(struct script *s, char **w, size_t n)
{
	struct sim_host *a = host_arg(s, w[1]), *b = n > 2 ? host_arg(s, w[n - 1]) : NULL;

	if (a == NULL)
		return script_fail(s, "no such host");
	for (uint32_t i = 0; i < s->plan.hosts; i++) {
		if (strcmp(w[0], "cut") == 0 && (b == NULL || i != b->index))
			continue;
		sim_net_cut(s->sim, a->index, i, true);
		if (n < 4)
			sim_net_cut(s->sim, i, a->index, true);
	}
	return 0;
}

static int
do_host(struct script *s, char **w, size_t n)
{
	struct sim_host *host = n > 1 ? host_arg(s, w[1]) : NULL;

	if (host == NULL)
		return script_fail(s, "no such host");
	if (strcmp(w[0], "submit") == 0)
		sim_check_submit(host, s->submits++);
	else if (strcmp(w[0], "crash") == 0)
		sim_host_crash(host);
	else if (strcmp(w[0], "start") == 0) {
		if (host->node == NULL)
			sim_host_start(host);
	} else if (strcmp(w[0], "pause") == 0 && n == 3)
		sim_host_pause(host, s->sim->now + seconds(w[2]));
	else
		return script_fail(s, "no such command");
	return 0;
}

static int
do_command(struct script *s, char **w, size_t n)
{
	int rc = n > 1 ? set_plan(s, w[0], w[1], n > 2 ? w[2] : w[1]) : 1;

	if (rc <= 0)
		return rc;
	if (strcmp(w[0], "run") == 0 && n == 2)
		sim_run_until(script_sim(s), script_sim(s)->now + seconds(w[1]));
	else if (strcmp(w[0], "heal") == 0)
		sim_net_heal(script_sim(s));
	else if (strcmp(w[0], "wait") == 0 && n == 3)
		return do_wait(s, w[1], seconds(w[2]));
	else if ((strcmp(w[0], "cut") == 0 && n > 2) || (strcmp(w[0], "isolate") == 0 && n == 2))
		return do_cut(s, w, n);
	else if (strcmp(w[0], "expect") == 0 && n == 3 && strcmp(w[1], "elections") == 0)
		return sim_check_elections(script_sim(s)) >= strtoull(w[2], NULL, 10)
			       ? 0
			       : script_fail(s, "fewer elections than expected");
	else
		return do_host(s, w, n);
	return 0;
}

int
sim_script_run(const char *file, bool trace, char *why, size_t size)
{
	struct script s = {.file = file, .why = why, .why_size = size, .trace = trace};
	FILE *f = fopen(file, "re");
	char text[256];
	int rc = 0;

	sim_plan_calm(&s.plan);
	why[0] = '\0';
	if (f == NULL)
		return script_fail(&s, "cannot be read");
	while (rc == 0 && fgets(text, sizeof(text), f) != NULL) {
		char *words[6], *save = NULL;
		size_t n = 0;

		s.line++;
		text[strcspn(text, "#\n")] = '\0';
		for (char *w = strtok_r(text, " \t", &save); w != NULL && n < mp_countof(words);
			w = strtok_r(NULL, " \t", &save))
			words[n++] = w;
		if (n > 0)
			rc = do_command(&s, words, n);
		if (rc == 0 && s.sim != NULL && s.sim->failure[0] != '\0')
			rc = script_fail(&s, s.sim->failure);
	}
	(void)fclose(f);
	sim_free(s.sim);
	return rc;
}
