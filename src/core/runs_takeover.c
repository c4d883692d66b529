/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds the log of a run that is to be taken over, and who is to decide in it then. */
#include "core/runs_int.h"
#include "core/takeover.h"

/* All electors and the mirror. */
#define HOLDERS_MAX (MP_ELECTORS_MAX + 1)

struct mp_takeover_ask {
	struct mp_takeover_ask *next;
	struct mp_takeover_req *req;
	struct mp_run_id run;
	mp_time deadline_ms;
	bool led; /* somebody hears a leader */
	size_t count;
	struct mp_run_tip tips[HOLDERS_MAX];
	struct mp_node_id from[HOLDERS_MAX];
};

static void
ask_free(struct mp_runs *runs, struct mp_takeover_ask *ask)
{
	struct mp_takeover_ask **at = &runs->takeovers;

	while (*at != ask)
		at = &(*at)->next;
	*at = ask->next;
	runs->takeover_count--;
	if (ask->req != NULL)
		ask->req->ask = NULL;
	mp_dealloc(runs->alloc, ask, sizeof(*ask));
}

void
takeovers_free(struct mp_runs *runs)
{
	while (runs->takeovers != NULL)
		ask_free(runs, runs->takeovers);
}

void
mp_runs_takeover_forget(struct mp_runs *runs, struct mp_takeover_req *req)
{
	if (req->ask != NULL)
		ask_free(runs, req->ask);
}

/* ---- what is here ---- */

/* False: this node has nothing of the log that could be gone on from. */
static bool
tip_of(const struct known *k, struct mp_run_tip *tip)
{
	const struct mp_raft *raft;
	struct mp_raft_entry last;

	if (k == NULL || k->box == NULL || k->box->broken || k->box->loading ||
		mp_raft_corrupt(k->box->raft))
		return false;
	raft = k->box->raft;
	*tip = (struct mp_run_tip){.run = k->id,
		.generation = k->rec.now.generation,
		.index = mp_raft_last_index(raft),
		.hash = k->rec.hash,
		.led = mp_raft_leader(raft) != NULL,
		.lost = mp_raft_lost(raft)};
	if (mp_raft_entry_at(raft, tip->index, &last)) {
		tip->term = last.term;
		tip->hash = last.hash;
	}
	return true;
}

int
takeover_on_ask(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	const struct known *k;
	struct mp_run_tip tip;
	struct mp_run_id run;
	struct mp_buf *buf;
	int rc = mp_msg_run_tip_ask_decode(bytes, &run);

	if (rc != 0)
		return rc;
	k = known_find(runs, &run);
	if (k != NULL && k->ended)
		known_tell(runs, env, k, from);
	if (!tip_of(k, &tip))
		return k == NULL ? MP_ENOENT : 0;
	buf = mp_out_scratch(env->out);
	/* Others build on it: not before it is on disk. */
	if (mp_msg_run_tip_encode(buf, &tip) == 0)
		mp_out_send(
			env->out, from, MP_CLASS_CONTROL, mp_buf_span(buf), mp_out_seq(env->out));
	return 0;
}

/* ---- the next electors ---- */

static size_t
holders_of(const struct known *k, struct mp_node_id out[HOLDERS_MAX])
{
	const struct mp_electorate *who = &k->rec.now;
	size_t n = who->elector_count;

	memcpy(out, who->electors, n * sizeof(out[0]));
	if (who->mirrored)
		out[n++] = who->mirror;
	return n;
}

struct candidate {
	const struct mp_member *member;
	unsigned rank; /* 0 holds the base, 1 answered, 2 is there */
	bool taken;    /* an elector of its zone is drawn already */
	uint64_t score;
};

static bool
candidate_before(const struct candidate *a, const struct candidate *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return a->taken != b->taken ? b->taken : a->score > b->score;
}

static unsigned
rank_of(const struct mp_takeover_ask *ask, size_t best, const struct mp_node_id *id)
{
	for (size_t i = 0; i < ask->count; i++) {
		if (mp_node_id_eq(&ask->from[i], id))
			return i == best ? 0 : 1;
	}
	return 2;
}

/* False: it cannot be one, or is among the first n of `drawn`. */
static bool
candidate_of(const struct mp_env *env, const struct mp_takeover_ask *ask, size_t best,
	const struct mp_member *m, const struct candidate *drawn, size_t n, struct candidate *out)
{
	const char *zone = m->caps != NULL ? m->caps->zone : "";
	struct mp_span parts[2] = {
		mp_span(ask->run.b, sizeof(ask->run.b)), mp_span(m->id.b, sizeof(m->id.b))};
	struct mp_hash h;

	*out = (struct candidate){.member = m, .rank = rank_of(ask, best, &m->id)};
	if ((m->roles & MP_ROLE_NODE) == 0 || mp_member_reaches_out(m))
		return false;
	if (out->rank == 2 && !mp_node_id_eq(&m->id, &env->self) &&
		(m->state != MP_MEMBER_ALIVE || m->status > MP_NODE_BUSY || m->refused))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct mp_caps *caps = drawn[i].member->caps;

		if (drawn[i].member == m)
			return false;
		out->taken = out->taken ||
			     (zone[0] != '\0' && caps != NULL && strcmp(caps->zone, zone) == 0);
	}
	env->crypto->hash(&h, parts, 2);
	memcpy(&out->score, h.b, sizeof(out->score));
	return true;
}

/* The best few, in order: new zones first, among those that know as much. */
static size_t
candidates(const struct mp_runs *runs, const struct mp_env *env, const struct mp_takeover_ask *ask,
	size_t best, struct candidate out[HOLDERS_MAX])
{
	const struct mp_roster *roster = runs->parts.roster;
	size_t n;

	for (n = 0; n < HOLDERS_MAX; n++) {
		struct candidate c;
		bool found = false;

		for (size_t i = 0; i < mp_roster_count(roster); i++) {
			if (!candidate_of(env, ask, best, mp_roster_at(roster, i), out, n, &c) ||
				(found && !candidate_before(&c, &out[n])))
				continue;
			out[n] = c;
			found = true;
		}
		if (!found)
			break;
	}
	return n;
}

/* False: not even who holds the base may elect. */
static bool
draw(const struct mp_runs *runs, const struct mp_env *env, const struct mp_takeover_ask *ask,
	const struct known *k, size_t best, struct mp_electorate *who)
{
	struct mp_node_id old[HOLDERS_MAX];
	struct candidate c[HOLDERS_MAX];
	size_t n = candidates(runs, env, ask, best, c), old_count = holders_of(k, old);
	uint32_t wanted = k->rec.elector_count;
	uint32_t count = n >= wanted ? wanted : n >= 3 ? 3 : 1;

	if (n == 0 || c[0].rank != 0)
		return false;
	who->elector_count = count;
	for (uint32_t i = 0; i < count; i++)
		who->electors[i] = c[i].member->id;
	if (count > 1)
		return true;
	/* Nobody else is there: one who is lost may come back. */
	if (n > 1)
		who->mirror = c[1].member->id;
	who->mirrored = n > 1;
	for (size_t i = 0; !who->mirrored && i < old_count; i++) {
		who->mirrored = !mp_node_id_eq(&old[i], &who->electors[0]);
		who->mirror = who->mirrored ? old[i] : who->mirror;
	}
	return true;
}

/* ---- asking ---- */

static void
ask_end(struct mp_runs *runs, struct mp_env *env, struct mp_takeover_ask *ask, int rc,
	struct mp_span takeover, const char *text)
{
	struct mp_takeover_req *req = ask->req;

	ask_free(runs, ask);
	req->done(req, env, rc, takeover, text);
}

static bool
tip_above(const struct mp_run_tip *a, const struct mp_run_tip *b)
{
	return a->term != b->term ? a->term > b->term : a->index > b->index;
}

void
takeover_record(const struct mp_env *env, const struct known *k, const struct mp_run_tip *base,
	struct mp_takeover *t)
{
	*t = (struct mp_takeover){.parent = k->rec.now.naming, .wall_ms = env->wall_ms};
	t->who.cluster = env->cluster;
	t->who.run = k->id;
	t->who.generation = k->rec.now.generation + 1;
	t->who.base_index = base->index;
	t->who.base_term = base->term;
	t->who.base_hash = base->hash;
}

/* Those with a vote that answered. */
static size_t
ask_electors(const struct mp_takeover_ask *ask, const struct known *k)
{
	size_t n = 0;

	for (size_t i = 0; i < ask->count; i++)
		n += !ask->tips[i].lost && mp_run_elector(&k->rec, &ask->from[i]) >= 0;
	return n;
}

static void
ask_done(struct mp_runs *runs, struct mp_env *env, struct mp_takeover_ask *ask)
{
	const struct known *k = known_find(runs, &ask->run);
	struct mp_buf *buf = mp_out_scratch(env->out);
	struct mp_takeover t;
	size_t best = 0;
	int rc;

	for (size_t i = 0; i < ask->count; i++) {
		if (tip_above(&ask->tips[i], &ask->tips[best]))
			best = i;
	}
	if (k == NULL || k->ended || ask->count == 0) {
		ask_end(runs, env, ask, k == NULL || k->ended ? MP_EEXIST : MP_ENOQUORUM,
			mp_span(NULL, 0),
			k == NULL || k->ended ? "the run has ended"
					      : "no node that can be reached has the run's log: "
						"when none comes back, submit it again");
		return;
	}
	if (ask->led || ask_electors(ask, k) > k->rec.now.elector_count / 2) {
		ask_end(runs, env, ask, MP_EBUSY, mp_span(NULL, 0),
			"most of the run's electors answer: it goes on without a takeover");
		return;
	}
	takeover_record(env, k, &ask->tips[best], &t);
	rc = draw(runs, env, ask, k, best, &t.who) ? mp_takeover_encode(buf, &t) : MP_ENOQUORUM;
	ask_end(runs, env, ask, rc, mp_buf_span(buf), mp_strerror(rc));
}

int
takeover_on_tip(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_takeover_ask *ask = runs->takeovers;
	struct mp_run_tip tip;
	const struct known *k;
	int rc = mp_msg_run_tip_decode(bytes, &tip);

	if (rc != 0)
		return rc;
	while (ask != NULL && !mp_run_id_eq(&ask->run, &tip.run))
		ask = ask->next;
	k = known_find(runs, &tip.run);
	if (ask == NULL)
		return mp_open_tip(runs->open, env, from, &tip);
	if (k == NULL || tip.generation != k->rec.now.generation)
		return MP_ENOENT;
	if (!mp_electorate_has(&k->rec.now, from))
		return MP_EAUTH;
	for (size_t i = 0; i < ask->count; i++) {
		if (mp_node_id_eq(&ask->from[i], from))
			return 0;
	}
	ask->from[ask->count] = *from;
	ask->tips[ask->count++] = tip;
	ask->led = ask->led || tip.led;
	/* Only that it goes on by itself can be said early. */
	if (ask->led || ask_electors(ask, k) > k->rec.now.elector_count / 2)
		ask->deadline_ms = env->now_ms;
	return 0;
}

/* Everybody who may be there; how many others who do not decide in it. */
static size_t
ask_all(const struct mp_runs *runs, struct mp_env *env, const struct known *k)
{
	const struct mp_roster *roster = runs->parts.roster;
	size_t others = 0;

	for (size_t i = 0; i < mp_roster_count(roster); i++) {
		const struct mp_member *m = mp_roster_at(roster, i);
		struct mp_buf *buf = mp_out_scratch(env->out);

		if (m->state == MP_MEMBER_LEFT)
			continue;
		runs_send(env, &m->id, buf, mp_msg_run_tip_ask_encode(buf, &k->id));
		others += m->state <= MP_MEMBER_SUSPECT && !m->refused &&
			  !mp_node_id_eq(&m->id, &env->self) && mp_run_elector(&k->rec, &m->id) < 0;
	}
	return others;
}

int
mp_runs_takeover(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	struct mp_takeover_req *req, struct mp_error *err)
{
	const struct known *k = known_find(runs, run);
	struct mp_takeover_ask *ask;

	if (k == NULL)
		return mp_fail(err, MP_ENOENT, "no such run is known here");
	if (k->ended)
		return mp_fail(err, MP_EEXIST, "the run has ended");
	if (runs->takeover_count >= MP_TAKEOVERS_MAX)
		return mp_fail(err, MP_EBUSY, "too many takeovers are under way; try again");
	ask = mp_realloc(runs->alloc, NULL, 0, sizeof(*ask));
	if (ask == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	*ask = (struct mp_takeover_ask){.next = runs->takeovers,
		.req = req,
		.run = *run,
		.deadline_ms = env->now_ms + MP_TAKEOVER_ASK_MS};
	req->ask = ask;
	runs->takeovers = ask;
	runs->takeover_count++;
	(void)ask_all(runs, env, k);
	return 0;
}

/* ---- the survivor of two ---- */

/* The only elector is gone: it refuses connections, or has left, or nothing was heard of it for
 * long, and not by us alone. */
static bool
elector_gone(const struct mp_runs *runs, const struct mp_env *env, const struct mp_run_box *box)
{
	const struct mp_member *m =
		mp_roster_find(runs->parts.roster, &box->known->rec.now.electors[0]);
	mp_time since = mp_raft_stalled_since(box->raft);

	if (since == MP_TIME_NEVER || env->now_ms - since < 2 * env->profile->election_ms)
		return false;
	if (m == NULL || m->refused || m->state == MP_MEMBER_LEFT)
		return true;
	return m->state != MP_MEMBER_ALIVE && env->now_ms - since >= MP_SURVIVOR_MS;
}

/* Others than the elector may know that it has ended. */
static bool
survivor_asked(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	if (box->survive_ms == 0) {
		box->survive_ms = env->now_ms;
		if (ask_all(runs, env, box->known) > 0)
			box->survive_ms += MP_TAKEOVER_ASK_MS;
	}
	return env->now_ms >= box->survive_ms; /* there is a tick soon: it waits for its elector */
}

static void
survivor_take(struct mp_runs *runs, struct mp_env *env, struct known *k)
{
	uint8_t bytes[MP_TAKEOVER_MAX];
	struct mp_buf record = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_takeover t;
	struct mp_run_tip tip;
	struct mp_sig sig;
	struct mp_hash h;

	if (!tip_of(k, &tip))
		return;
	takeover_record(env, k, &tip, &t);
	t.who.elector_count = 1;
	t.who.electors[0] = env->self;
	t.who.mirrored = true;
	t.who.mirror = k->rec.now.electors[0];
	memcpy(t.signer, env->self.b, sizeof(t.signer));
	if (mp_takeover_encode(&record, &t) != 0)
		return;
	h = mp_record_hash(env->crypto, mp_buf_span(&record));
	env->crypto->sign(env->secret, &sig, mp_span(h.b, sizeof(h.b)));
	(void)mp_runs_take(runs, env, mp_buf_span(&record), &sig, &(struct mp_error){0});
}

/* One at a time: there is another tick soon. */
static void
survive(struct mp_runs *runs, struct mp_env *env)
{
	/* What the others are told to build on is on disk. A generation that begins so soon after
	 * we lost our rows could be one that we know nothing of any more. */
	if (runs->stopping || mp_out_seq(env->out) > mp_out_durable(env->out) ||
		(runs->parts.returned_ms > 0 &&
			env->wall_ms <= runs->parts.returned_ms + MP_RUNS_SKEW_MS))
		return;
	for (struct mp_dlist *l = runs->active.next; l != &runs->active; l = l->next) {
		struct mp_run_box *box = mp_container_of(l, struct mp_run_box, in_active);

		if (!box->known->rec.survivor || box->broken || box->known->ended ||
			!mp_raft_mirrors(box->raft))
			continue;
		if (!elector_gone(runs, env, box)) {
			box->survive_ms = 0;
			continue;
		}
		if (!survivor_asked(runs, env, box))
			continue;
		survivor_take(runs, env, box->known);
		return;
	}
}

/* ---- time ---- */

void
takeovers_tick(struct mp_runs *runs, struct mp_env *env)
{
	struct mp_takeover_ask *next;

	for (struct mp_takeover_ask *ask = runs->takeovers; ask != NULL; ask = next) {
		next = ask->next;
		if (ask->deadline_ms <= env->now_ms)
			ask_done(runs, env, ask);
	}
	survive(runs, env);
}

mp_time
takeovers_deadline(const struct mp_runs *runs)
{
	mp_time first = MP_TIME_NEVER;

	for (const struct mp_takeover_ask *ask = runs->takeovers; ask != NULL; ask = ask->next) {
		if (ask->deadline_ms < first)
			first = ask->deadline_ms;
	}
	return first;
}

/* ---- taking ---- */

int
mp_runs_take(struct mp_runs *runs, struct mp_env *env, struct mp_span takeover,
	const struct mp_sig *sig, struct mp_error *err)
{
	struct mp_takeover t;
	struct mp_buf buf;
	struct known *k;
	int rc = mp_takeover_decode(takeover, &t);

	if (rc != 0)
		return mp_fail(err, MP_EFORMAT, "not a takeover");
	k = known_find(runs, &t.who.run);
	if (k == NULL)
		return mp_fail(err, MP_ENOENT, "no such run is known here");
	if (k->ended)
		return mp_fail(err, MP_EEXIST, "the run has ended");
	if (!mp_hash_eq(&t.parent, &k->rec.now.naming))
		return mp_fail(err, MP_EEXIST, "the run was taken over meanwhile; look again");
	mp_buf_init(&buf, runs->alloc, MP_SIGNED_RECORD_MAX);
	rc = mp_run_take_over(&buf, mp_buf_span(&k->record), takeover, sig);
	if (rc == 0)
		rc = known_renew(runs, env, k, mp_buf_span(&buf));
	mp_buf_fini(&buf);
	if (rc != 0)
		return mp_fail(err, rc, "%s",
			rc == MP_EAUTH ? "no authority of this cluster signed the takeover"
				       : mp_strerror(rc));
	known_tell(runs, env, k, NULL);
	return 0;
}
