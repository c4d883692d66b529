/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs are read from the disk when they are needed: at the start those of runs that go on, later
 * those of ended runs that somebody asks for. One run at a time, in pieces:
 *
 *   queued ─▶ RUN row (unless it was restored) ─▶ VOTE row ─▶ ENTRY rows ─▶ in memory
 *
 * An ended run goes to rest in memory, and away when MP_RUNS_RESTING_MAX others went to rest after
 * it: then only its record and its end are here, and its rows on the disk.
 */
#include "core/runs_int.h"

#include "mp/limits.h"

#define TOKEN_ROWS (0xf7ull << 56)
/* A piece of a log. */
#define PIECE_BYTES (1024u * 1024)
/* The shell has lost the request: again after this. */
#define LOAD_MS 30000

/* ---- asking for rows ---- */

static void
load_read(struct mp_runs *runs, struct mp_env *env, enum mp_table table, uint64_t from_index)
{
	const struct mp_run_id *id = &runs->load.k->id;
	struct mp_effect fx = {.kind = MP_FX_ROWS_READ};
	uint8_t from[24], to[25];
	size_t n = sizeof(id->b);

	memcpy(from, id->b, sizeof(id->b));
	if (table == MP_TABLE_ENTRY) {
		for (int i = 0; i < 8; i++)
			from[n++] = (uint8_t)(from_index >> (56 - 8 * i));
	}
	/* The first key after all that begin so, or after this one. */
	memcpy(to, from, n);
	if (table == MP_TABLE_ENTRY)
		memset(to + sizeof(id->b), 0xff, 8);
	to[n] = 0;
	runs->load.token = TOKEN_ROWS | ++runs->loads_begun;
	runs->load.table = table;
	runs->load.from_index = from_index;
	runs->load.deadline_ms = env->now_ms + LOAD_MS;
	fx.u.rows_read.token = runs->load.token;
	fx.u.rows_read.table = table;
	fx.u.rows_read.from = mp_out_copy(env->out, mp_span(from, n));
	fx.u.rows_read.to = mp_out_copy(env->out, mp_span(to, n + 1));
	fx.u.rows_read.size = PIECE_BYTES;
	if (fx.u.rows_read.from.p != NULL && fx.u.rows_read.to.p != NULL)
		mp_out_effect(env->out, &fx);
}

static void
load_begin(struct mp_runs *runs, struct mp_env *env)
{
	struct mp_dlist *l = runs->to_load.next;

	if (runs->load.k != NULL || l == &runs->to_load || !runs->started)
		return;
	runs->load.k = mp_container_of(l, struct known, to_load);
	runs->load.entries = 0;
	runs->load.damaged = false;
	/* Its VOTE row was restored with its RUN row. */
	load_read(runs, env, runs->load.k->box != NULL ? MP_TABLE_ENTRY : MP_TABLE_RUN, 0);
}

void
runs_load(struct mp_runs *runs, struct mp_env *env, struct known *k)
{
	if (mp_dlist_linked(&k->to_load))
		return;
	mp_dlist_push(&runs->to_load, &k->to_load);
	load_begin(runs, env);
}

void
load_forget(struct mp_runs *runs, struct known *k)
{
	mp_dlist_remove(&k->to_load);
	if (runs->load.k == k)
		runs->load.k = NULL; /* the next tick begins another */
}

/* rc 0: it is here whole. */
static void
load_end(struct mp_runs *runs, struct mp_env *env, int rc)
{
	struct known *k = runs->load.k;
	struct mp_run_box *box = k->box;

	load_forget(runs, k);
	runs->loads_ended++;
	k->away = box == NULL && rc != MP_ENOENT && rc != MP_ECORRUPT;
	if (box != NULL) {
		box->loading = false;
		box->broken = box->broken || rc != 0;
		box_restart(runs, env, box);
		if (box->ended && !box->started)
			runs_rest(runs, env, box);
	}
	load_begin(runs, env);
}

/* ---- at rest and away ---- */

/* Its rows are on the disk: what is in memory is given back. */
static void
box_put_away(struct mp_runs *runs, struct mp_run_box *box)
{
	struct known *k = box->known;

	mp_assert(k->ended && box->ended && !mp_dlist_linked(&box->in_active));
	box_free(runs, box);
	k->away = true;
}

void
runs_rest(struct mp_runs *runs, struct mp_env *env, struct mp_run_box *box)
{
	struct mp_dlist *l, *next;
	uint64_t modules = 0;
	size_t n = 0;

	box->rest_seq = mp_out_seq(env->out);
	mp_dlist_remove(&box->resting);
	mp_dlist_push(&runs->resting, &box->resting);
	/* The last of the list went to rest last. */
	for (l = runs->resting.prev; l != &runs->resting; l = next) {
		box = mp_container_of(l, struct mp_run_box, resting);
		next = l->prev;
		modules += box->graph->module_count;
		n++;
		if (n > 1 && (n > MP_RUNS_RESTING_MAX || modules > MP_RUNS_RESTING_MODULES) &&
			box->known->ended && box->rest_seq <= mp_out_durable(env->out))
			box_put_away(runs, box);
	}
}

/* ---- what comes ---- */

static int
load_rows(struct mp_runs *runs, struct mp_env *env, const struct mp_event *ev)
{
	int rc = ev->u.rows_read.rc;

	for (size_t i = 0; rc == 0 && i < ev->u.rows_read.count; i++) {
		const struct mp_row *row = &ev->u.rows_read.rows[i];

		if (row->table == MP_TABLE_RUN)
			rc = box_restore(runs, env, row);
		else
			rc = mp_raft_restore(
				runs->load.k->box->raft, env, row->table, row->key, row->value);
		/* Damaged: it is what it was up to here, and asks for the rest. */
		if (rc == MP_ECORRUPT && row->table != MP_TABLE_RUN)
			runs->load.damaged = true;
		if (runs->load.damaged)
			return 0;
		runs->load.entries += row->table == MP_TABLE_ENTRY;
	}
	return rc;
}

void
mp_runs_rows(struct mp_runs *runs, struct mp_env *env, const struct mp_event *ev)
{
	enum mp_table table = runs->load.table;
	int rc;

	if (runs->load.k == NULL || ev->u.rows_read.token != runs->load.token)
		return;
	rc = load_rows(runs, env, ev);
	if (table == MP_TABLE_RUN && runs->load.k->box != NULL)
		runs->load.k->box->loading = true;
	else if (table == MP_TABLE_RUN && rc == 0)
		rc = MP_ENOENT;
	if (rc != 0)
		load_end(runs, env, rc);
	else if (table == MP_TABLE_RUN)
		load_read(runs, env, MP_TABLE_VOTE, 0);
	else if (table == MP_TABLE_VOTE)
		load_read(runs, env, MP_TABLE_ENTRY, 0);
	else if (ev->u.rows_read.more && !runs->load.damaged)
		load_read(runs, env, MP_TABLE_ENTRY, runs->load.entries + 1);
	else
		load_end(runs, env, 0);
}

void
load_tick(struct mp_runs *runs, struct mp_env *env)
{
	if (runs->load.k != NULL && runs->load.deadline_ms <= env->now_ms)
		load_read(runs, env, runs->load.table, runs->load.from_index);
	load_begin(runs, env);
}

mp_time
load_deadline(const struct mp_runs *runs)
{
	return runs->load.k != NULL ? runs->load.deadline_ms : MP_TIME_NEVER;
}
