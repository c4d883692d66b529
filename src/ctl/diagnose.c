/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/diagnose.h"

#include <stdio.h>
#include <string.h>

/* Clocks that are so far apart make times in the log of a run hard to read, and tokens live longer
 * or shorter than they should. */
#define SKEW_MS 5000

/* Of the local health multiplier, 7 is the worst. */
#define SLOW_HEALTH 3

/* Fewer come of nodes that join, leave and restart. */
#define REFUSED_NOTE 50

/* ---- what is wrong with members ---- */

static void
look_at_state(struct mp_diagnosis *d, const struct mp_snap_member *m, const char *name)
{
	struct mp_problem *p;
	char silent[MP_W_SHORT] = "";

	if (m->silent_ms >= 0)
		mp_w_duration(silent, m->silent_ms);
	if (m->status == MP_NODE_DOUBLED) {
		p = mp_problem_add(&d->problems, "doubled", false, name);
		mp_problem_say(p,
			"%s is shut out: two nodes ran with its key, or one with an older copy of "
			"its state directory",
			name);
		mp_problem_advise(p, "leave one of them, and mpnode join --again there");
		return;
	}
	if (m->state == MP_MEMBER_DEAD) {
		p = mp_problem_add(&d->problems, "dead", false, name);
		if (m->silent_ms >= 0)
			mp_problem_say(
				p, "%s is dead: nothing was heard of it for %s", name, silent);
		else
			mp_problem_say(p,
				"%s is dead: nothing was heard of it since this node started",
				name);
		mp_problem_advise(p, "start it again (mpnode start there); if it runs, both ways "
				     "between it and this node must let UDP and TCP through; if "
				     "all have new addresses: mpnode join HOST:PORT there");
	} else if (m->state == MP_MEMBER_SUSPECT) {
		p = mp_problem_add(&d->problems, "suspect", false, name);
		mp_problem_say(p, "%s does not answer and is suspected to be dead", name);
		mp_problem_advise(p, "nothing yet: it has some seconds to say that it lives");
	}
	if (m->path == MP_PATH_TCP && !m->reaches_out) {
		p = mp_problem_add(&d->problems, "tcp_only", false, name);
		mp_problem_say(
			p, "datagrams between this node and %s get lost; streams work", name);
		mp_problem_advise(p,
			"let UDP through, in both directions, at the port that mpctl nodes shows");
	}
	if (m->status == MP_NODE_DRAINING && !mp_node_id_eq(&m->node.id, &d->id)) {
		p = mp_problem_add(&d->problems, "draining", true, name);
		mp_problem_say(p, "%s %s and takes no new work", name,
			mp_member_drained(m) ? "is drained" : "drains");
		mp_problem_advise(p, "mpctl undrain %s brings it back", name);
	}
}

static void
look_at_clock(struct mp_diagnosis *d, const struct mp_snap_member *m, const char *name)
{
	int64_t away = m->skew_ms < 0 ? -m->skew_ms : m->skew_ms;
	struct mp_problem *p;
	char time[MP_W_SHORT];

	if (!m->has_skew || away - m->rtt_ms <= SKEW_MS)
		return;
	d->skewed[m->skew_ms > 0]++;
	mp_w_duration(time, away);
	p = mp_problem_add(&d->problems, "clock_skew", false, name);
	mp_problem_say(p, "the clock of %s is %s %s this node's", name, time,
		m->skew_ms > 0 ? "ahead of" : "behind");
	mp_problem_advise(p, "let both machines set their clocks by the network (NTP)");
}

static void
look_at_caps(struct mp_diagnosis *d, const struct mp_snap_member *m, const struct mp_caps *caps,
	const char *name)
{
	struct mp_problem *p;
	char size[MP_W_SHORT];

	if (caps->version[0] != '\0' && strcmp(caps->version, d->version) != 0) {
		p = mp_problem_add(&d->problems, "version", true, name);
		mp_problem_say(
			p, "%s runs version %s, this node %s", name, caps->version, d->version);
		mp_problem_advise(p, "they work together; upgrade the older ones when it suits");
	}
	/* It is told in steps: what is at most 2 % is below 5 %. */
	if (caps->disk_bytes > 0 && caps->disk_free_bytes / 2 <= caps->disk_bytes / 100) {
		mp_w_size(size, caps->disk_bytes);
		p = mp_problem_add(&d->problems, "disk_low", false, name);
		mp_problem_say(p,
			"the disk with the state directory of %s is nearly full: of %s less "
			"than 5%% is free",
			name, size);
		mp_problem_advise(p, "make room there; a node that cannot write stops");
	}
	(void)m;
}

static void
look_at_timings(struct mp_diagnosis *d, const struct mp_caps *caps, const char *name)
{
	char *names = d->timed_names[caps->wan];
	size_t n = strlen(names);

	if (n + strlen(name) + sizeof(", ...") < sizeof(d->timed_names[0]))
		(void)snprintf(
			names + n, sizeof(d->timed_names[0]) - n, "%s%s", n > 0 ? ", " : "", name);
	else if (n > 3 && strcmp(names + n - 3, "...") != 0)
		memcpy(names + n, ", ...", sizeof(", ..."));
	d->timed[caps->wan]++;
}

void
mp_diagnose_member(void *arg, const struct mp_snap_member *m, const struct mp_caps *caps)
{
	struct mp_diagnosis *d = arg;
	char name[MP_NAME_MAX + 1];

	(void)snprintf(
		name, sizeof(name), "%.*s", (int)m->node.name.n, (const char *)m->node.name.p);
	if (m->state == MP_MEMBER_LEFT)
		return;
	d->members++;
	look_at_state(d, m, name);
	if (m->state == MP_MEMBER_DEAD)
		return;
	look_at_clock(d, m, name);
	if (caps != NULL)
		look_at_caps(d, m, caps, name);
	if (caps != NULL)
		look_at_timings(d, caps, name);
}

/* ---- what is wrong between members ---- */

static void
compare_timings(struct mp_diagnosis *d)
{
	bool few = d->timed[1] <= d->timed[0]; /* those with the wan profile are */
	struct mp_problem *p;

	if (d->timed[0] == 0 || d->timed[1] == 0)
		return;
	p = mp_problem_add(&d->problems, "timings", false, "");
	mp_problem_say(p,
		"%zu of %zu nodes have the timings of --profile %s, the others those of %s: %s",
		d->timed[few], d->timed[0] + d->timed[1], few ? "wan" : "lan", few ? "lan" : "wan",
		d->timed_names[few]);
	mp_problem_advise(p,
		"leaders and electors must agree how long silence may last: restart these with "
		"--profile %s, or the others with --profile %s",
		few ? "lan" : "wan", few ? "wan" : "lan");
}

/* ---- what is wrong with this node ---- */

void
mp_diagnose_self(struct mp_diagnosis *d)
{
	const struct mp_snap_self *self = &d->self.said;
	struct mp_problem *p;

	compare_timings(d);
	if (d->members > 2 && (d->skewed[0] > d->members / 2 || d->skewed[1] > d->members / 2)) {
		p = mp_problem_add(&d->problems, "own_clock", false, "");
		mp_problem_say(p, "most clocks are %s this node's: it is this one that is wrong",
			d->skewed[1] > d->skewed[0] ? "ahead of" : "behind");
		mp_problem_advise(p, "let this machine set its clock by the network (NTP)");
	}
	if (d->refused_count >= REFUSED_NOTE) {
		p = mp_problem_add(&d->problems, "refused", true, "");
		mp_problem_say(p, "since it started this node has refused: %s", d->refused);
		mp_problem_advise(p,
			"some are normal when nodes come and go; if they grow, somebody who "
			"is no member talks to this port: the log of mpnode has the address");
	}
	if (!d->self.known)
		return;
	if (self->isolated) {
		p = mp_problem_add(&d->problems, "isolated", false, "");
		mp_problem_say(p,
			"so many members fell silent at once that it must be this node that is "
			"cut off; it declares nobody dead");
		mp_problem_advise(p, "look at the network of this machine");
	} else if (self->health >= SLOW_HEALTH) {
		p = mp_problem_add(&d->problems, "slow", false, "");
		mp_problem_say(p,
			"this node answers late or hears little (%u of 7): it gives others more "
			"time to answer",
			self->health);
		mp_problem_advise(p, "does this machine have enough processor time and memory? "
				     "does its network lose "
				     "packets?");
	}
	if (self->drains) {
		p = mp_problem_add(&d->problems, "draining", true, d->name);
		mp_problem_say(
			p, "this node drains because %s has asked for it", d->self.drained_by);
		mp_problem_advise(p, "mpctl undrain %s ends that", d->name);
	}
}

void
mp_diagnose_counter(struct mp_diagnosis *d, const char *name, uint64_t value)
{
	static const char *const refused[] = {"datagrams_junk", "datagrams_stranger",
		"datagrams_forged", "datagrams_replayed", "datagrams_astray", "datagrams_revoked",
		"streams_rejected", "streams_distrusted", "streams_broken", "streams_crowded",
		"streams_throttled", "streams_revoked", "joins_refused", "knocks_refused",
		"requests_refused", "messages_refused"};
	struct mp_problem *p;
	size_t at = strlen(d->refused);

	for (size_t i = 0; value > 0 && i < mp_countof(refused); i++) {
		if (strcmp(refused[i], name) != 0)
			continue;
		d->refused_count += value;
		(void)snprintf(d->refused + at, sizeof(d->refused) - at, "%s%llu %s",
			at > 0 ? ", " : "", (unsigned long long)value, name);
	}
	if (value > 0 && strcmp(name, "out_of_memory") == 0) {
		p = mp_problem_add(&d->problems, "memory", false, "");
		mp_problem_say(p, "this node was out of memory %llu times since it started",
			(unsigned long long)value);
		mp_problem_advise(p, "give the machine, or mpnode, more of it");
	}
}

void
mp_diagnose_limit(struct mp_diagnosis *d, const char *name, uint64_t now, uint64_t max)
{
	struct mp_problem *p;

	if (now < max - max / 4)
		return;
	p = mp_problem_add(&d->problems, "crowded", true, name);
	mp_problem_say(p, "of %llu places for %s %llu are taken", (unsigned long long)max, name,
		(unsigned long long)now);
	mp_problem_advise(p, "if nobody of yours does that, keep strangers from this port; the log "
			     "of mpnode has addresses");
}

void
mp_diagnose_run(
	struct mp_diagnosis *d, const char *run, const struct mp_show *show, const char *why)
{
	struct mp_problem *p;

	if (show != NULL && show->state != MP_RUN_STALLED)
		return;
	p = mp_problem_add(&d->problems, show != NULL ? "stalled" : "no_elector", false, run);
	if (show != NULL)
		mp_problem_say(p, "the run %.*s (%.12s) stands still: %.*s", (int)show->name.n,
			(const char *)show->name.p, run, (int)mp_min_size(show->text.n, 250),
			(const char *)show->text.p);
	else
		mp_problem_say(p, "nobody can tell how the run %.12s goes: %.250s", run, why);
	mp_problem_advise(p,
		"it goes on when a majority of its electors runs again; if they are lost for good: "
		"mpctl takeover %.12s, on a node with the authority's key",
		run);
}
