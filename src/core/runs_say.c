/* SPDX-License-Identifier: Apache-2.0 */
/* What people say of a run that goes on: through its leader, and its log. */
#include "core/runs_int.h"

int
mp_runs_cancel(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	struct mp_span by, struct mp_raft_at *at)
{
	const struct known *k = known_find(runs, run);

	*at = (struct mp_raft_at){0, 0};
	if (k == NULL)
		return MP_ENOENT;
	if (k->ended)
		return 0;
	if (k->box == NULL || k->box->lead == NULL)
		return MP_ENOTLEADER;
	return mp_lead_cancel(k->box->lead, env, by, at);
}

int
mp_runs_resolve(struct mp_runs *runs, struct mp_env *env, const struct mp_run_id *run,
	const struct mp_word *word, struct mp_raft_at *at, struct mp_error *err)
{
	const struct known *k = known_find(runs, run);
	struct mp_run_box *box = k != NULL ? k->box : NULL;
	uint32_t i = 0;
	int rc;

	if (k == NULL)
		return mp_fail(err, MP_ENOENT, "no such run is known here");
	if (k->ended)
		return mp_fail(err, MP_EINVAL, "the run has ended");
	if (box == NULL || box->lead == NULL)
		return MP_ENOTLEADER;
	while (i < box->graph->module_count &&
		!mp_span_eq(mp_span_str(box->graph->modules[i].name), word->module))
		i++;
	if (i == box->graph->module_count)
		return mp_fail(err, MP_EINVAL, "the run has no module %.*s",
			(int)mp_min_size(word->module.n, MP_NAME_MAX),
			(const char *)word->module.p);
	rc = mp_lead_resolve(
		box->lead, env, i, word->rerun ? MP_ONCE_RERUN : MP_ONCE_DONE, word->by, at);
	if (rc == MP_EINVAL)
		return mp_fail(err, rc, "%s is %s: only what may have run waits for this",
			box->graph->modules[i].name,
			mp_module_state_word(mp_run_module_state(&box->run, i)));
	if (rc == MP_EBUSY) /* not this: the next elector would be asked */
		return mp_fail(err, MP_EREFUSED,
			"what was given up of %s may still be alive: try again in half a minute",
			box->graph->modules[i].name);
	return rc;
}

int
mp_runs_decided(
	const struct mp_runs *runs, const struct mp_run_id *run, const struct mp_raft_at *at)
{
	const struct known *k = known_find(runs, run);

	if (k == NULL || k->box == NULL || k->box->broken || k->box->loading)
		return MP_ECANCELED;
	return mp_raft_decided(k->box->raft, at);
}
