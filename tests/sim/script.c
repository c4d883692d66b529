/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios: one command a line, `#` begins a comment. Times are seconds, `0.25` or `3`.
 *
 * Before the first that does something:
 *   hosts N | slots N | witnesses N | modules N | electors N | copies N | seed N | drift PPM
 *   once PER_MILLE          so many modules may not start twice
 *   inputs yes              runs have input files
 *   secrets yes             modules take secrets
 *   wide yes                no module needs another
 *   survivor yes            of two hosts, the mirror of a run may go on by itself
 *   contents N              so many different pipelines: submission N is submission 0 again
 *   fresh yes               but with another input
 *   job MIN MAX | fsync MIN MAX | delay MIN MAX
 * At any time:
 *   loss PER_MILLE | duplicate PER_MILLE
 *   run T                   let T pass
 *   submit HOST             submit the next pipeline there
 *   cancel RUN HOST         cancel the submission with that number, from 0
 *   resolve HOST            an operator answers one question of what may have run
 *   crash HOST | start HOST | stop HOST | pause HOST T | full HOST T | clock HOST T
 *   leave HOST              for ever
 *   drain HOST              takes it out of work, or back
 *   wipe HOST               crash, and lose all rows
 *   power-cut               of all at once; they come back by themselves
 *   revoke HOST HOST | rotate HOST      an authority at HOST shuts another one out, or changes
 *                           the gossip key
 *   lose                    two of three electors of a run for good; an operator takes it over
 *   cut A B | cut A > B     both directions, or what A says to B
 *   isolate HOST            cut from everybody
 *   part electors | part workers    the leader from the other electors, or from who is none
 *   heal                    the network
 *   wait ended T | wait views T | wait leader T | wait answers T    fail if it is not so within T
 *   expect elections N | expect succeeded N | expect lost N | expect left N  at least so many
 *   expect NAME 1           it happened: a name of SIM_SOMETIMES
 * HOST is a number; `leader`, the last host that was seen leading a run; or `other`, one that is up
 * and no elector of that run.
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
	else if (strcmp(text, "other") == 0)
		for (n = 0; n < s->plan.hosts &&
			    (sim->hosts[n].node == NULL || sim_check_elects(sim, (uint32_t)n));)
			n++;
	else
		n = strtoul(text, NULL, 10);
	return n < s->plan.hosts ? &sim->hosts[n] : NULL;
}

/* 1: it is no such word. */
static int
set_number(struct script *s, const char *verb, const char *a)
{
	const struct {
		const char *verb;
		uint32_t *to;
		bool always;
	} numbers[] = {
		{"hosts", &s->plan.hosts, false},
		{"slots", &s->plan.slots, false},
		{"witnesses", &s->plan.witnesses, false},
		{"modules", &s->plan.modules, false},
		{"electors", &s->plan.electors, false},
		{"copies", &s->plan.copies, false},
		{"contents", &s->plan.contents, false},
		{"drift", &s->plan.drift_ppm, false},
		{"once", &s->plan.once, false},
		{"loss", &s->plan.loss, true},
		{"duplicate", &s->plan.duplicate, true},
	};

	for (size_t i = 0; i < mp_countof(numbers); i++) {
		if (strcmp(verb, numbers[i].verb) != 0)
			continue;
		if (s->sim != NULL && !numbers[i].always)
			return script_fail(s, "comes too late: the hosts run");
		*numbers[i].to = (uint32_t)strtoul(a, NULL, 10);
		if (s->sim != NULL) {
			s->sim->plan.loss = s->plan.loss;
			s->sim->plan.duplicate = s->plan.duplicate;
		}
		return 0;
	}
	return 1;
}

static int
set_plan(struct script *s, const char *verb, const char *a, const char *b)
{
	const struct {
		const char *verb;
		sim_time *min, *max;
	} ranges[] = {
		{"job", &s->plan.job_min, &s->plan.job_max},
		{"fsync", &s->plan.fsync_min, &s->plan.fsync_max},
		{"delay", &s->plan.delay_min, &s->plan.delay_max},
	};
	const struct {
		const char *verb;
		bool *flag;
	} flags[] = {
		{"inputs", &s->plan.inputs},
		{"wide", &s->plan.wide},
		{"fresh", &s->plan.fresh},
		{"survivor", &s->plan.survivor},
		{"secrets", &s->plan.secrets},
	};

	for (size_t i = 0; i < mp_countof(ranges); i++) {
		if (strcmp(verb, ranges[i].verb) != 0)
			continue;
		*ranges[i].min = seconds(a);
		*ranges[i].max = seconds(b);
		return s->sim == NULL ? 0 : script_fail(s, "comes too late: the hosts run");
	}
	for (size_t i = 0; i < mp_countof(flags); i++) {
		if (strcmp(verb, flags[i].verb) != 0)
			continue;
		*flags[i].flag = true;
		return s->sim == NULL ? 0 : script_fail(s, "comes too late: the hosts run");
	}
	if (strcmp(verb, "seed") == 0) {
		s->plan.seed = strtoull(a, NULL, 10);
		return s->sim == NULL ? 0 : script_fail(s, "comes too late: the hosts run");
	}
	return set_number(s, verb, a);
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

static bool
not_answered(struct sim *sim)
{
	return sim_client_waits(sim, NULL, 0);
}

static int
do_wait(struct script *s, const char *what, sim_time t)
{
	struct sim *sim = script_sim(s);
	bool (*going)(struct sim *) = strcmp(what, "ended") == 0     ? not_ended
				      : strcmp(what, "views") == 0   ? not_agreed
				      : strcmp(what, "leader") == 0  ? not_led
				      : strcmp(what, "answers") == 0 ? not_answered
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
	else if (going == not_answered)
		(void)sim_client_waits(sim, why, sizeof(why));
	return script_fail(s, why);
}

static int
do_expect(struct script *s, const char *what, uint64_t least)
{
	static const char *const names[] = {
#define X(name, seeds, text) #name,
		SIM_SOMETIMES(X)
#undef X
	};
	struct sim *sim = script_sim(s);
	uint64_t got = 0;
	char why[96];

	if (strcmp(what, "elections") == 0)
		got = sim_check_elections(sim);
	else if (strcmp(what, "succeeded") == 0)
		got = sim_check_succeeded(sim);
	else if (strcmp(what, "lost") == 0)
		got = sim_check_lost(sim);
	else if (strcmp(what, "left") == 0)
		for (uint32_t i = 0; i < sim->plan.hosts; i++)
			got += sim->hosts[i].left;
	else
		for (size_t i = 0; i < mp_countof(names); i++)
			got += strcmp(what, names[i]) == 0 ? sim->sometimes[i] : 0;
	if (got >= least)
		return 0;
	(void)snprintf(why, sizeof(why), "%" PRIu64 " %s, fewer than expected", got, what);
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
		sim_client_submit(host, s->submits++);
	else if (strcmp(w[0], "resolve") == 0)
		sim_check_resolve(host);
	else if (strcmp(w[0], "crash") == 0)
		sim_host_crash(host, false);
	else if (strcmp(w[0], "wipe") == 0)
		return sim_fault_wipe(host) ? 0 : script_fail(s, "too much would be lost");
	else if (strcmp(w[0], "start") == 0) {
		if (host->node == NULL && !host->left)
			sim_host_start(host);
	} else if (strcmp(w[0], "stop") == 0)
		sim_host_stop(host);
	else if (strcmp(w[0], "drain") == 0)
		sim_drain_toggle(host);
	else if (strcmp(w[0], "leave") == 0)
		sim_client_leave(host);
	else if (strcmp(w[0], "pause") == 0 && n == 3)
		sim_host_pause(host, s->sim->now + seconds(w[2]));
	else if (strcmp(w[0], "full") == 0 && n == 3)
		sim_disk_full(host, s->sim->now + seconds(w[2]));
	else if (strcmp(w[0], "clock") == 0 && n == 3)
		host->wall_off_ms = seconds(w[2]) / SIM_MS;
	else
		return script_fail(s, "no such command");
	return 0;
}

static int
do_authority(struct script *s, char **w, size_t n)
{
	struct sim_host *at = host_arg(s, w[1]), *of = n > 2 ? host_arg(s, w[2]) : NULL;

	if (at == NULL || (n > 2 && of == NULL))
		return script_fail(s, "no such host");
	if (n > 2 ? sim_shut_revoke(at, of) : sim_shut_rotate(at))
		return 0;
	return script_fail(s, "that cannot be asked there now");
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
	else if (strcmp(w[0], "expect") == 0 && n == 3)
		return do_expect(s, w[1], strtoull(w[2], NULL, 10));
	else if (strcmp(w[0], "part") == 0 && n == 2)
		sim_fault_part_leader(script_sim(s), strcmp(w[1], "electors") == 0);
	else if ((strcmp(w[0], "revoke") == 0 && n == 3) || (strcmp(w[0], "rotate") == 0 && n == 2))
		return do_authority(s, w, n);
	else if (strcmp(w[0], "lose") == 0)
		sim_takeover_lose(script_sim(s));
	else if (strcmp(w[0], "power-cut") == 0)
		sim_fault_power_cut(script_sim(s));
	else if (strcmp(w[0], "cancel") == 0 && n == 3 && host_arg(s, w[2]) != NULL)
		return sim_client_cancel(host_arg(s, w[2]), (uint32_t)strtoul(w[1], NULL, 10))
			       ? 0
			       : script_fail(s, "there is no such run so far");
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
	if (s.sim != NULL && rc == 0 && sim_end(s.sim, text, sizeof(text)) != 0)
		rc = script_fail(&s, text);
	else if (s.sim != NULL && rc != 0) {
		if (trace)
			sim_check_picture(s.sim, stdout);
		(void)sim_end(s.sim, text, sizeof(text));
	}
	return rc;
}
