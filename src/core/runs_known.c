/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runs_int.h"

#include "mp/limits.h"
#include "util/hex.h"

static uint64_t
id_hash(const struct mp_run_id *id)
{
	uint64_t h;

	memcpy(&h, id->b, sizeof(h));
	return h;
}

struct known *
known_find(const struct mp_runs *runs, const struct mp_run_id *id)
{
	struct mp_map_node *n = mp_map_find(&runs->map, id_hash(id));

	for (; n != NULL; n = mp_map_find_next(n)) {
		struct known *k = mp_container_of(n, struct known, in_map);

		if (mp_run_id_eq(&k->id, id))
			return k;
	}
	return NULL;
}

static void
known_put(struct mp_env *env, const struct known *k)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_span(&w, mp_buf_span(&k->record));
	if (k->ended)
		mp_cbor_w_span(&w, mp_buf_span(&k->end));
	else
		mp_cbor_w_null(&w);
	if (w.rc == 0)
		mp_out_put(env->out, MP_TABLE_KNOWN, mp_span(k->id.b, sizeof(k->id.b)),
			mp_buf_span(w.buf));
}

/* Newest first, by the time of submission, then by id. */
static void
known_link(struct mp_runs *runs, struct known *k)
{
	struct known **at = &runs->known;

	while (*at != NULL && ((*at)->rec.submitted_ms > k->rec.submitted_ms ||
				      ((*at)->rec.submitted_ms == k->rec.submitted_ms &&
					      mp_run_id_cmp(&(*at)->id, &k->id) < 0)))
		at = &(*at)->next;
	k->next = *at;
	*at = k;
	runs->known_count++;
}

static void
known_unlink(struct mp_runs *runs, struct known *k)
{
	struct known **at = &runs->known;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	runs->known_count--;
}

static bool
known_is_spare(const struct known *k, const struct mp_env *env)
{
	return k->box == NULL && (k->ended || !mp_node_id_eq(&k->rec.opener, &env->self));
}

/* How many each member has opened, by slot; those of nobody known come last. */
static uint32_t *
count_openers(const struct mp_runs *runs, struct mp_env *env, size_t members)
{
	uint32_t *counts = mp_out_mem(env->out, (members + 1) * sizeof(*counts));

	for (const struct known *k = runs->known; counts != NULL && k != NULL; k = k->next)
		counts[k->opener != NULL ? k->opener->slot : members]++;
	return counts;
}

/* Whoever opens more than all others pushes out its own: of who has opened most the oldest that has
 * ended, or is only known of, makes room. */
static struct known *
known_spare(const struct mp_runs *runs, struct mp_env *env)
{
	size_t members = mp_roster_count(runs->parts.roster);
	const uint32_t *counts = count_openers(runs, env, members);
	uint32_t most = 0, n;
	struct known *best = NULL;

	for (struct known *k = runs->known; counts != NULL && k != NULL; k = k->next) {
		if (!known_is_spare(k, env))
			continue;
		n = counts[k->opener != NULL ? k->opener->slot : members];
		if (best != NULL && (n < most || (n == most && best->ended && !k->ended)))
			continue;
		best = k;
		most = n;
	}
	return best;
}

static void
known_make_room(struct mp_runs *runs, struct mp_env *env)
{
	struct known *spare;

	if (runs->known_count < MP_RUNS_KNOWN_MAX)
		return;
	spare = known_spare(runs, env);
	if (spare == NULL)
		return;
	if (spare->away)
		box_delete_rows(env, &spare->id);
	known_remove(runs, env, spare);
}

struct known *
known_add(struct mp_runs *runs, struct mp_env *env, const struct mp_run_record *rec,
	struct mp_span signed_record, bool persist)
{
	struct known *k;

	known_make_room(runs, env);
	k = mp_realloc(runs->alloc, NULL, 0, sizeof(*k));
	if (k == NULL)
		return NULL;
	*k = (struct known){.id = rec->id, .opened = persist};
	mp_dlist_init(&k->to_load);
	mp_buf_init(&k->record, runs->alloc, MP_SIGNED_RECORD_MAX);
	mp_buf_init(&k->end, runs->alloc, MP_SIGNED_END_MAX);
	mp_buf_init(&k->sealed, runs->alloc, MP_SEALED_MAX + 128);
	if (mp_buf_append(&k->record, signed_record.p, signed_record.n) != 0 ||
		mp_run_record_verify(
			env->crypto, &env->cluster, mp_buf_span(&k->record), &k->rec) != 0 ||
		mp_map_add(&runs->map, &k->in_map, id_hash(&k->id)) != 0) {
		mp_buf_fini(&k->record);
		mp_dealloc(runs->alloc, k, sizeof(*k));
		return NULL;
	}
	k->opener = mp_roster_find(runs->parts.roster, &k->rec.opener);
	known_link(runs, k);
	if (persist)
		known_put(env, k);
	return k;
}

bool
known_opened(const struct known *k)
{
	return k->opened || k->ended || k->rec.now.generation > 1 ||
	       (k->box != NULL && mp_raft_last_index(k->box->raft) > 0);
}

void
known_free(struct mp_runs *runs, struct known *k)
{
	load_forget(runs, k);
	known_unlink(runs, k);
	mp_map_remove(&runs->map, &k->in_map);
	mp_buf_fini(&k->record);
	mp_buf_fini(&k->end);
	mp_buf_fini(&k->sealed);
	mp_dealloc(runs->alloc, k, sizeof(*k));
}

void
known_remove(struct mp_runs *runs, struct mp_env *env, struct known *k)
{
	mp_assert(k->box == NULL);
	mp_out_delete(env->out, MP_TABLE_KNOWN, mp_span(k->id.b, sizeof(k->id.b)));
	known_free(runs, k);
}

int
known_end(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span signed_end,
	bool persist)
{
	struct mp_end end;
	int rc;

	if (k->ended)
		return MP_EEXIST;
	rc = mp_end_open(env->crypto, signed_end, &end);
	if (rc != 0)
		return rc;
	if (end.generation != k->rec.now.generation || mp_run_elector(&k->rec, &end.leader) < 0 ||
		!mp_run_id_eq(&end.run, &k->id) ||
		memcmp(end.cluster.b, env->cluster.b, sizeof(end.cluster.b)) != 0)
		return MP_EAUTH;
	rc = mp_buf_append(&k->end, signed_end.p, signed_end.n);
	if (rc != 0)
		return rc;
	k->ending = end;
	k->ended = true;
	runs->ends++;
	vault_drop(env, k);
	if (persist)
		known_put(env, k);
	return 0;
}

/* It goes on in a later generation, which lets an end of an earlier one count for nothing. */
static void
known_reopen(struct mp_runs *runs, struct mp_env *env, struct known *k)
{
	mp_buf_clear(&k->end);
	k->ending = (struct mp_end){0};
	k->ended = false;
	if (k->box != NULL) {
		box_renew(runs, env, k->box);
	} else if (k->away && mp_electorate_has(&k->rec.now, &env->self)) {
		runs_load(runs, env, k);
	} else if (k->away) {
		load_forget(runs, k);
		box_delete_rows(env, &k->id);
		k->away = false;
	}
}

int
known_renew(struct mp_runs *runs, struct mp_env *env, struct known *k, struct mp_span signed_record)
{
	struct mp_run_record rec;
	struct mp_hash naming;
	struct mp_buf copy;
	int rc = mp_run_naming(env->crypto, signed_record, &naming);

	if (rc == 0 && mp_hash_eq(&naming, &k->rec.now.naming))
		return MP_EEXIST;
	if (rc == 0)
		rc = mp_run_record_verify(env->crypto, &env->cluster, signed_record, &rec);
	if (rc != 0)
		return rc;
	if (!mp_run_id_eq(&rec.id, &k->id) || !mp_roster_may_take_over(runs->parts.roster, &rec))
		return MP_EAUTH;
	if (mp_electorate_cmp(&rec.now, &k->rec.now) <= 0)
		return MP_EREPLAY;
	if (k->box != NULL && k->box->loading)
		return MP_EBUSY;
	mp_buf_init(&copy, runs->alloc, MP_SIGNED_RECORD_MAX);
	rc = mp_buf_append(&copy, signed_record.p, signed_record.n);
	if (rc == 0)
		rc = mp_run_record_verify(env->crypto, &env->cluster, mp_buf_span(&copy), &rec);
	if (rc != 0) {
		mp_buf_fini(&copy);
		return rc;
	}
	mp_buf_fini(&k->record);
	k->record = copy;
	k->rec = rec;
	known_reopen(runs, env, k);
	known_put(env, k);
	return 0;
}

/* ---- telling others ---- */

void
known_tell(struct mp_runs *runs, struct mp_env *env, const struct known *k,
	const struct mp_node_id *to)
{
	struct mp_msg_run_known m = {.record = mp_buf_span(&k->record)};
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (k->ended)
		m.end = mp_buf_span(&k->end);
	if (mp_msg_run_known_encode(buf, &m) != 0)
		return;
	if (to != NULL) {
		mp_out_send(env->out, to, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
		return;
	}
	for (size_t i = 0; i < mp_roster_count(runs->parts.roster); i++) {
		const struct mp_member *m2 = mp_roster_at(runs->parts.roster, i);

		if (m2->state <= MP_MEMBER_SUSPECT && !mp_node_id_eq(&m2->id, &env->self))
			mp_out_send(env->out, &m2->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	}
}

static struct mp_run_have
known_as_have(const struct known *k)
{
	struct mp_run_have have = {
		.run = k->id, .ended = k->ended, .generation = k->rec.now.generation};

	memcpy(have.naming, k->rec.now.naming.b, sizeof(have.naming));
	return have;
}

/* Which of two knows more of a run: of the later generation, or of the end of the same one. */
static int
have_cmp(const struct mp_run_have *a, const struct mp_run_have *b)
{
	int order = memcmp(a->naming, b->naming, sizeof(a->naming));

	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	return order != 0 ? order : a->ended - b->ended;
}

void
known_have(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *to)
{
	struct mp_run_have *list = mp_out_mem(env->out, MP_RUN_HAVE_MAX * sizeof(*list));
	struct mp_buf *buf = mp_out_scratch(env->out);
	size_t n = 0;

	if (list == NULL)
		return;
	for (const struct known *k = runs->known; k != NULL && n < MP_RUN_HAVE_MAX; k = k->next) {
		if (known_opened(k))
			list[n++] = known_as_have(k);
	}
	runs_send(env, to, buf, mp_msg_run_have_encode(buf, list, n));
}

/* Does not depend on the order, which is by the clocks of those who submitted. */
uint32_t
known_digest(const struct mp_runs *runs)
{
	uint64_t sum = 0;
	uint32_t digest;
	size_t n = 0;

	for (const struct known *k = runs->known; k != NULL && n < MP_RUN_HAVE_MAX; k = k->next) {
		struct mp_run_have have;

		if (!known_opened(k))
			continue;
		have = known_as_have(k);
		sum += mp_hash64(have.run.b, sizeof(have.run.b),
			mp_hash64(have.naming, sizeof(have.naming),
				have.generation * 2 + have.ended));
		n++;
	}
	digest = (uint32_t)(sum ^ sum >> 32);
	return digest != 0 ? digest : 1;
}

/* For as long as some pings take, every so often. */
uint32_t
mp_runs_say(struct mp_runs *runs, const struct mp_env *env)
{
	if (!runs->started || (runs->said == 0 && env->now_ms < runs->say_ms))
		return 0;
	if (runs->said == 0) {
		runs->said = known_digest(runs);
		runs->say_ms = env->now_ms + 2 * env->profile->probe_interval_ms;
	} else if (env->now_ms >= runs->say_ms) {
		runs->said = 0;
		runs->say_ms = env->now_ms + SAY_MS;
	}
	return runs->said;
}

/* What was heard longer ago says too little: it may know by now. */
void
known_compare(struct mp_runs *runs, struct mp_env *env)
{
	const struct mp_roster *roster = runs->parts.roster;
	size_t members = mp_roster_count(roster), at = mp_rng_below(&env->rng, members + 1);
	uint32_t digest = known_digest(runs);

	for (size_t i = 0; i < members; i++) {
		const struct mp_member *m = mp_roster_at(roster, (at + i) % members);

		if (m->state != MP_MEMBER_ALIVE || mp_node_id_eq(&m->id, &env->self) ||
			m->runs == 0 || m->runs == digest || env->now_ms - m->runs_ms > SAY_MS)
			continue;
		known_have(runs, env, &m->id);
		return;
	}
}

/* The other side named what it has: it gets what it lacks, and hears what we lack. */
static int
on_have(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_list list, again;
	struct mp_run_have have, ours;
	bool lacking = false;
	size_t named = 0, told = 0;
	int rc = mp_msg_run_have_decode(bytes, &list);

	if (rc != 0)
		return rc;
	again = list;
	while (mp_run_have_next(&again, &have)) {
		const struct known *k = known_find(runs, &have.run);

		named++;
		lacking = lacking || k == NULL || !known_opened(k);
		if (!lacking)
			ours = known_as_have(k);
		lacking = lacking || have_cmp(&have, &ours) > 0;
	}
	for (const struct known *k = runs->known; k != NULL && told < MP_RUN_HAVE_MAX;
		k = k->next) {
		bool has = false;

		again = list;
		ours = known_as_have(k);
		while (!has && mp_run_have_next(&again, &have))
			has = mp_run_id_eq(&have.run, &k->id) && have_cmp(&have, &ours) >= 0;
		if (!has && known_opened(k) &&
			(named < MP_RUN_HAVE_MAX || k->box != NULL || k->away)) {
			known_tell(runs, env, k, from);
			told++;
		}
	}
	if (lacking)
		known_have(runs, env, from);
	return 0;
}

static int
on_known(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes)
{
	struct mp_msg_run_known m;
	struct mp_run_record rec;
	struct mp_span record;
	struct mp_sig sig;
	struct known *k;
	struct mp_hash h;
	struct mp_run_id id;
	int rc = mp_msg_run_known_decode(bytes, &m);

	if (rc == 0)
		rc = mp_run_signed_decode(m.record, &record, &sig, NULL, NULL);
	if (rc != 0)
		return rc;
	h = mp_record_hash(env->crypto, record);
	id = mp_run_id_of(&h);
	k = known_find(runs, &id);
	if (k != NULL) {
		rc = known_renew(runs, env, k, m.record);
		if (rc == MP_EREPLAY)
			known_tell(runs, env, k, from);
		if (rc != 0 && rc != MP_EEXIST)
			return rc;
	} else {
		rc = mp_run_record_verify(env->crypto, &env->cluster, m.record, &rec);
		if (rc != 0)
			return rc;
		if (mp_roster_find(runs->parts.roster, &rec.opener) == NULL ||
			!mp_roster_may_take_over(runs->parts.roster, &rec))
			return MP_EAUTH;
		k = known_add(runs, env, &rec, m.record, true);
		if (k == NULL)
			return MP_ENOMEM;
	}
	if (!k->opened) {
		k->opened = true;
		known_put(env, k);
		/* An opener that is no elector leaves it to us to begin. */
		if (k->box != NULL && box_untouched(k->box) &&
			mp_node_id_eq(&k->rec.now.electors[0], &env->self))
			mp_raft_hurry(k->box->raft, env);
	}
	if (m.end.n == 0)
		return 0;
	rc = known_end(runs, env, k, m.end, true);
	return rc == MP_EEXIST ? 0 : rc;
}

int
known_message(struct mp_runs *runs, struct mp_env *env, const struct mp_node_id *from,
	struct mp_span bytes, uint64_t kind)
{
	return kind == MP_MSG_RUN_HAVE ? on_have(runs, env, from, bytes)
				       : on_known(runs, env, from, bytes);
}

int
known_of_row(struct mp_runs *runs, struct mp_env *env, struct mp_span key, struct mp_span record,
	struct known **out)
{
	struct mp_run_record rec;

	if (key.n != sizeof(rec.id.b) ||
		mp_run_record_verify(env->crypto, &env->cluster, record, &rec) != 0 ||
		memcmp(rec.id.b, key.p, sizeof(rec.id.b)) != 0)
		return MP_ECORRUPT;
	*out = known_find(runs, &rec.id);
	if (*out == NULL)
		*out = known_add(runs, env, &rec, record, false);
	return *out != NULL ? 0 : MP_ENOMEM;
}

int
known_restore(struct mp_runs *runs, struct mp_env *env, const struct mp_row *row)
{
	struct mp_span record, end = mp_span(NULL, 0);
	struct known *k;
	struct mp_cbor_r r;
	int rc;

	mp_cbor_r_init(&r, row->value);
	mp_cbor_r_array_exact(&r, 2);
	record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL)
		mp_cbor_r_null(&r);
	else
		end = mp_cbor_r_bytes(&r, MP_SIGNED_END_MAX);
	if (mp_cbor_r_end(&r) != 0)
		return MP_ECORRUPT;
	rc = known_of_row(runs, env, row->key, record, &k);
	if (rc != 0)
		return rc;
	k->opened = true;
	if (end.n > 0 && !k->ended)
		rc = known_end(runs, env, k, end, false);
	return rc == 0 || rc == MP_ENOMEM ? rc : MP_ECORRUPT;
}

/* ---- asking ---- */

static bool
id_begins(const struct mp_run_id *id, struct mp_span text)
{
	for (size_t i = 0; i < text.n; i++) {
		int nibble = i % 2 == 0 ? id->b[i / 2] >> 4 : id->b[i / 2] & 15;

		if (mp_unhex_digit(text.p[i]) != nibble)
			return false;
	}
	return true;
}

int
mp_runs_find(const struct mp_runs *runs, struct mp_span text, struct mp_run_id *out)
{
	const struct known *found = NULL;

	if (text.n < 4 || text.n > 2 * sizeof(out->b))
		return MP_EINVAL;
	for (size_t i = 0; i < text.n; i++) {
		if (mp_unhex_digit(text.p[i]) < 0)
			return MP_EINVAL;
	}
	for (const struct known *k = runs->known; k != NULL; k = k->next) {
		if (!id_begins(&k->id, text))
			continue;
		if (found != NULL)
			return MP_EEXIST;
		found = k;
	}
	if (found == NULL)
		return MP_ENOENT;
	*out = found->id;
	return 0;
}

size_t
mp_runs_whom(const struct mp_runs *runs, const struct mp_run_id *run,
	struct mp_node_id who[MP_ELECTORS_MAX])
{
	const struct known *k = known_find(runs, run);
	const struct mp_node_id *leader = NULL;
	const struct mp_node_id *self = mp_runs_self(runs);
	size_t n = 0;

	if (k == NULL)
		return 0;
	if (k->box != NULL && !k->box->broken)
		leader = mp_raft_leader(k->box->raft);
	if (leader != NULL && !mp_node_id_eq(leader, self))
		who[n++] = *leader;
	/* Those who seem to be there before those who do not. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < k->rec.now.elector_count; i++) {
			const struct mp_node_id *e = &k->rec.now.electors[i];
			const struct mp_member *m = mp_roster_find(runs->parts.roster, e);
			bool there = m != NULL && m->state == MP_MEMBER_ALIVE && !m->refused;

			if (there == (pass == 0) && !mp_node_id_eq(e, self) &&
				(leader == NULL || !mp_node_id_eq(e, leader)))
				who[n++] = *e;
		}
	}
	if (k->rec.now.mirrored && !mp_node_id_eq(&k->rec.now.mirror, self))
		who[n++] = k->rec.now.mirror;
	return n;
}

enum mp_runs_have
mp_runs_have(const struct mp_runs *runs, const struct mp_run_id *run)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL)
		return MP_RUNS_HAVE_NOTHING;
	if (k->away || (k->ended && k->box != NULL && k->box->loading))
		return MP_RUNS_HAVE_AWAY;
	if (k->box == NULL || k->box->broken || k->box->loading)
		return MP_RUNS_HAVE_RECORD;
	if (k->box->run.outcome != 0 || k->box->lead != NULL)
		return MP_RUNS_HAVE_LATEST;
	return MP_RUNS_HAVE_STATE;
}

void
mp_runs_load(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run)
{
	struct known *k = known_find(runs, run);

	if (k != NULL && k->away)
		runs_load(runs, env, k);
}

bool
mp_runs_loading(const struct mp_runs *runs, const struct mp_run_id *run)
{
	const struct known *k = known_find(runs, run);

	return k != NULL && mp_dlist_linked(&k->to_load);
}

uint64_t
mp_runs_loads(const struct mp_runs *runs)
{
	return runs->loads_ended;
}

const struct mp_end *
mp_runs_end(const struct mp_runs *runs, const struct mp_run_id *run)
{
	const struct known *k = known_find(runs, run);

	return k != NULL && k->ended ? &k->ending : NULL;
}

bool
mp_runs_ended(const struct mp_runs *runs, const struct mp_run_id *run)
{
	return mp_runs_end(runs, run) != NULL;
}

uint64_t
mp_runs_ends(const struct mp_runs *runs)
{
	return runs->ends;
}
