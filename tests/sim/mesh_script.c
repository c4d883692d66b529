/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios of membership alone: files whose first command is `members`. One command a line, `#`
 * begins a comment; times are seconds.
 *
 * Before the first that does something:
 *   members N               so many nodes, of all clusters together; the i-th is of cluster
 *                           i modulo their number
 *   clusters N | founded N  of each cluster so many are there from the start; the others are down,
 *                           and join when they are started
 *   seed N | delay MIN MAX | tick-first | replay | wan
 * At any time:
 *   loss PER_MILLE | duplicate PER_MILLE
 *   run T
 *   crash WHO | start WHO | leave WHO | speak HOST | newer WHO
 *   pause WHO T | starve WHO T      for T; stalls of 2 to 16 s
 *   udp WHO off | udp WHO on        no datagram reaches or leaves them
 *   side WHO N                      for: cut halves | cut one-way | cut bridge | cut none
 *   flap PERIOD T                   cut in halves and whole by turns
 *   revoke AT WHO | rotate AT | authorise AT N      an authority at AT shuts WHO out, changes the
 *                           gossip key, adds its key number N
 *   swap HOST HOST                  addresses; both are down afterwards
 *   no-deaths                       from now on nobody that lives may be held dead
 *   wait views T | wait dead HOST T | wait update T     fail if it is not so within T; an update is
 *                           what was spoken last, and has to reach all
 *   expect idle BYTES       each node sends no more a second now, for 20 s
 *   expect refused N | expect strangers N | expect false-deaths N     so many at least, datagrams
 *                           that came again or from outside; or so many at most
 * WHO is a number, A-B, or `all`.
 */
#include "mesh.h"

#include <inttypes.h>
#include <stdlib.h>

struct script {
	struct mesh_plan plan;
	uint64_t seed;     /* instead of the plan's; SCENARIO_SEED: none */
	struct mesh *mesh; /* made by the first command that needs it */
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

static struct mesh *
script_mesh(struct script *s)
{
	if (s->mesh == NULL) {
		if (s->seed != SCENARIO_SEED)
			s->plan.seed = s->seed;
		s->mesh = mesh_new(&s->plan);
		mesh_found(s->mesh);
	}
	return s->mesh;
}

static sim_time
seconds(const char *text)
{
	return (sim_time)(strtod(text, NULL) * 1e6);
}

static uint32_t
count(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

/* False: there is nobody of that name. */
static bool
who(struct script *s, const char *text, uint32_t *from, uint32_t *to)
{
	const char *dash = strchr(text, '-');

	*from = 0;
	*to = s->plan.nodes - 1;
	if (strcmp(text, "all") != 0) {
		*from = count(text);
		*to = dash != NULL ? count(dash + 1) : *from;
	}
	return *from <= *to && *to < script_mesh(s)->plan.nodes;
}

/* 1: it is no such word. */
static int
set_plan(struct script *s, const char *verb, const char *a, const char *b)
{
	struct mesh_plan *p = &s->plan;
	bool before = true;

	if (strcmp(verb, "members") == 0)
		p->nodes = count(a);
	else if (strcmp(verb, "clusters") == 0)
		p->clusters = count(a);
	else if (strcmp(verb, "founded") == 0)
		p->founded = count(a);
	else if (strcmp(verb, "seed") == 0)
		p->seed = count(a);
	else if (strcmp(verb, "delay") == 0) {
		p->delay_min = seconds(a);
		p->delay_max = seconds(b);
	} else if (strcmp(verb, "tick-first") == 0)
		p->tick_first = true;
	else if (strcmp(verb, "replay") == 0)
		p->replay = true;
	else if (strcmp(verb, "wan") == 0)
		p->wan = true;
	else {
		before = false;
		if (strcmp(verb, "loss") == 0)
			p->loss = count(a);
		else if (strcmp(verb, "duplicate") == 0)
			p->duplicate = count(a);
		else
			return 1;
	}
	if (s->mesh == NULL)
		return 0;
	s->mesh->plan.loss = p->loss;
	s->mesh->plan.duplicate = p->duplicate;
	return before ? script_fail(s, "comes too late: the nodes run") : 0;
}

static void
do_one(struct mesh_node *node, const char *verb, const char *arg)
{
	struct mesh *mesh = node->mesh;

	if (strcmp(verb, "crash") == 0)
		mesh_crash(node);
	else if (strcmp(verb, "start") == 0)
		mesh_start(node);
	else if (strcmp(verb, "leave") == 0)
		mesh_leave(node);
	else if (strcmp(verb, "newer") == 0)
		mesh_newer(node);
	else if (strcmp(verb, "speak") == 0)
		mesh_watch(mesh, node->index);
	else if (strcmp(verb, "pause") == 0)
		mesh_pause(node, mesh->now + seconds(arg));
	else if (strcmp(verb, "starve") == 0)
		mesh_starve(node, mesh->now + seconds(arg));
	else if (strcmp(verb, "udp") == 0)
		node->no_udp = strcmp(arg, "off") == 0;
	else if (strcmp(verb, "side") == 0)
		node->side = (uint8_t)count(arg);
}

static int
do_nodes(struct script *s, char **w, size_t n)
{
	static const char *const plain[] = {"crash", "start", "leave", "newer", "speak"};
	static const char *const with[] = {"pause", "starve", "udp", "side"};
	uint32_t from, to;
	bool known = false;

	for (size_t i = 0; n == 2 && i < mp_countof(plain); i++)
		known = known || strcmp(w[0], plain[i]) == 0;
	for (size_t i = 0; n == 3 && i < mp_countof(with); i++)
		known = known || strcmp(w[0], with[i]) == 0;
	if (!known)
		return script_fail(s, "no such command");
	if (!who(s, w[1], &from, &to))
		return script_fail(s, "no such node");
	for (uint32_t i = from; i <= to; i++)
		do_one(&s->mesh->nodes[i], w[0], n > 2 ? w[2] : "");
	return 0;
}

static int
do_cut(struct script *s, const char *how)
{
	static const char *const names[] = {"none", "halves", "one-way", "bridge"};

	for (size_t i = 0; i < mp_countof(names); i++) {
		if (strcmp(how, names[i]) != 0)
			continue;
		mesh_cut_set(script_mesh(s), (enum mesh_cut)i);
		return 0;
	}
	return script_fail(s, "no such cut");
}

static void
do_flap(struct mesh *mesh, sim_time period, sim_time span)
{
	sim_time until = mesh->now + span;

	while (mesh->now < until && mesh->failure[0] == '\0') {
		mesh_cut_set(mesh, MESH_HALVES);
		mesh_run_until(mesh, mesh->now + period);
		mesh_cut_set(mesh, MESH_WHOLE);
		mesh_run_until(mesh, mesh->now + period);
	}
}

static int
do_wait(struct script *s, char **w, size_t n)
{
	struct mesh *mesh = script_mesh(s);
	sim_time limit = mesh->now + seconds(w[n - 1]);

	if (strcmp(w[1], "views") == 0 && n == 3) {
		(void)mesh_agree_within(mesh, seconds(w[2]));
	} else if (strcmp(w[1], "update") == 0 && n == 3 && mesh->watch != MESH_NONE) {
		mesh_update_within(mesh, seconds(w[2]));
	} else if (strcmp(w[1], "dead") == 0 && n == 4 && count(w[2]) < mesh->plan.nodes) {
		while (mesh->now < limit && !mesh_dead_agree(mesh, count(w[2])))
			mesh_run_until(mesh, mesh->now + 50 * SIM_MS);
		if (!mesh_dead_agree(mesh, count(w[2])))
			return script_fail(s, "not all hold it dead");
	} else {
		return script_fail(s, "wait for what?");
	}
	return 0;
}

static int
do_expect(struct script *s, const char *what, uint64_t n)
{
	struct mesh *mesh = script_mesh(s);
	uint64_t got = 0, least = n;
	char text[96];

	if (strcmp(what, "idle") == 0) {
		mesh_idle_below(mesh, n);
		return 0;
	}
	if (strcmp(what, "refused") == 0) {
		got = mesh->replays_refused;
	} else if (strcmp(what, "strangers") == 0) {
		got = mesh->strangers_refused;
	} else if (strcmp(what, "false-deaths") == 0) {
		got = n;
		least = mesh->false_deaths; /* at most n of them */
	} else {
		return script_fail(s, "expect what?");
	}
	if (got >= least)
		return 0;
	(void)snprintf(text, sizeof(text), "%" PRIu64 " %s, %" PRIu64 " wanted", got, what, least);
	return script_fail(s, text);
}

/* 1: it is no such word. */
static int
do_authority(struct script *s, char **w, size_t n)
{
	uint32_t from, to, at = n > 1 ? count(w[1]) : 0;
	struct mesh *mesh;

	if (strcmp(w[0], "revoke") != 0 && strcmp(w[0], "rotate") != 0 &&
		strcmp(w[0], "authorise") != 0)
		return 1;
	if (at >= s->plan.nodes || n != (strcmp(w[0], "rotate") == 0 ? 2u : 3u))
		return script_fail(s, "an authority does what, and where?");
	mesh = script_mesh(s);
	if (strcmp(w[0], "rotate") == 0) {
		mesh_rotate(&mesh->nodes[at]);
	} else if (strcmp(w[0], "authorise") == 0) {
		mesh_authorise(&mesh->nodes[at], count(w[2]));
	} else {
		if (!who(s, w[2], &from, &to))
			return script_fail(s, "no such node");
		for (uint32_t i = from; i <= to; i++)
			mesh_revoke(&mesh->nodes[at], &mesh->nodes[i]);
	}
	return 0;
}

static int
do_command(struct script *s, char **w, size_t n)
{
	int rc = set_plan(s, w[0], n > 1 ? w[1] : "", n > 2 ? w[2] : "");

	if (rc > 0)
		rc = do_authority(s, w, n);
	if (rc <= 0)
		return rc;
	if (strcmp(w[0], "run") == 0 && n == 2)
		mesh_run_until(script_mesh(s), script_mesh(s)->now + seconds(w[1]));
	else if (strcmp(w[0], "cut") == 0 && n == 2)
		return do_cut(s, w[1]);
	else if (strcmp(w[0], "flap") == 0 && n == 3)
		do_flap(script_mesh(s), seconds(w[1]), seconds(w[2]));
	else if (strcmp(w[0], "swap") == 0 && n == 3 && count(w[1]) < s->plan.nodes &&
		 count(w[2]) < s->plan.nodes)
		mesh_swap(&script_mesh(s)->nodes[count(w[1])], &s->mesh->nodes[count(w[2])]);
	else if (strcmp(w[0], "no-deaths") == 0)
		script_mesh(s)->deaths_fail = true;
	else if (strcmp(w[0], "wait") == 0 && n >= 3)
		return do_wait(s, w, n);
	else if (strcmp(w[0], "expect") == 0 && n == 3)
		return do_expect(s, w[1], strtoull(w[2], NULL, 10));
	else
		return do_nodes(s, w, n);
	return 0;
}

/* The words of a line, without its comment. */
static size_t
split(char *text, char **words, size_t max)
{
	char *save = NULL;
	size_t n = 0;

	text[strcspn(text, "#\n")] = '\0';
	for (char *w = strtok_r(text, " \t", &save); w != NULL && n < max;
		w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	return n;
}

bool
mesh_script_is(const char *file)
{
	FILE *f = fopen(file, "re");
	char text[256], *words[1] = {NULL};
	bool is = false;

	while (f != NULL && !is && fgets(text, sizeof(text), f) != NULL) {
		if (split(text, words, 1) == 0)
			continue;
		is = strcmp(words[0], "members") == 0;
		break;
	}
	if (f != NULL)
		(void)fclose(f);
	return is;
}

int
mesh_script_run(const char *file, uint64_t seed, bool trace, char *why, size_t size)
{
	struct script s = {.seed = seed, .file = file, .why = why, .why_size = size};
	FILE *f = fopen(file, "re");
	char text[600];
	int rc = 0;

	mesh_plan_calm(&s.plan);
	why[0] = '\0';
	if (f == NULL)
		return script_fail(&s, "cannot be read");
	while (rc == 0 && fgets(text, 256, f) != NULL) {
		char *words[6];
		size_t n = split(text, words, mp_countof(words));

		s.line++;
		if (n > 0)
			rc = do_command(&s, words, n);
		if (rc == 0 && s.mesh != NULL && s.mesh->failure[0] != '\0')
			rc = script_fail(&s, s.mesh->failure);
	}
	(void)fclose(f);
	if (s.mesh == NULL)
		return rc;
	if (trace && rc != 0)
		mesh_picture(s.mesh, stdout);
	if (mesh_end(s.mesh, text, sizeof(text)) != 0 && rc == 0)
		rc = script_fail(&s, text);
	return rc;
}
