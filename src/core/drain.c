/* SPDX-License-Identifier: Apache-2.0 */
#include "core/drain.h"

#include "codec/cbor.h"
#include "core/mutant.h"

/* How often leaderships are offered again. */
#define AGAIN_MS 500

struct mp_drain {
	const struct mp_alloc *alloc;
	struct mp_drain_parts parts;
	struct mp_drain_state state;
	mp_time again_ms;
};

int
mp_drain_new(struct mp_env *env, const struct mp_drain_parts *parts, struct mp_drain **out)
{
	struct mp_drain *drain = mp_realloc(env->alloc, NULL, 0, sizeof(*drain));

	if (drain == NULL)
		return MP_ENOMEM;
	*drain = (struct mp_drain){.alloc = env->alloc, .parts = *parts};
	*out = drain;
	return 0;
}

void
mp_drain_free(struct mp_drain *drain)
{
	if (drain != NULL)
		mp_dealloc(drain->alloc, drain, sizeof(*drain));
}

/* ---- the row: [since_ms, by] ---- */

int
mp_drain_restore(struct mp_drain *drain, struct mp_span key, struct mp_span value)
{
	struct mp_drain_state state = {.on = true};
	struct mp_cbor_r r;

	if (!mp_span_eq(key, mp_span_str(MP_DRAIN_KEY)))
		return MP_ENOENT;
	mp_cbor_r_init(&r, value);
	mp_cbor_r_array_exact(&r, 2);
	state.since_ms = (mp_time)mp_cbor_r_uint(&r, INT64_MAX);
	mp_cbor_r_str(&r, state.by, sizeof(state.by));
	if (mp_cbor_r_end(&r) != 0)
		return MP_ECORRUPT;
	drain->state = state;
	return 0;
}

static int
drain_put(struct mp_env *env, const struct mp_drain_state *state)
{
	struct mp_cbor_w w;

	if (!state->on) {
		mp_out_delete(env->out, MP_TABLE_META, mp_span_str(MP_DRAIN_KEY));
		return 0;
	}
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, (uint64_t)state->since_ms);
	mp_cbor_w_text(&w, state->by);
	if (w.rc == 0)
		mp_out_put(env->out, MP_TABLE_META, mp_span_str(MP_DRAIN_KEY), mp_buf_span(w.buf));
	return w.rc;
}

/* ---- on and off ---- */

static int
drain_apply(struct mp_drain *drain, struct mp_env *env)
{
	bool on = drain->state.on;
	int rc = mp_swim_set_status(
		drain->parts.swim, env, on ? MP_NODE_DRAINING : MP_NODE_AVAILABLE);

	if (rc != 0)
		return rc;
	mp_runs_drain(drain->parts.runs, on);
	mp_worker_drain(drain->parts.worker, env, on);
	drain->again_ms = env->now_ms;
	return 0;
}

int
mp_drain_start(struct mp_drain *drain, struct mp_env *env)
{
	return drain->state.on ? drain_apply(drain, env) : 0;
}

int
mp_drain_set(struct mp_drain *drain, struct mp_env *env, bool on, struct mp_span by)
{
	struct mp_drain_state before = drain->state;
	int rc;

	if (mp_worker_stopping(drain->parts.worker))
		return MP_EBUSY;
	if (before.on == on)
		return 0;
	drain->state =
		(struct mp_drain_state){.on = on, .since_ms = env->wall_ms > 0 ? env->wall_ms : 0};
	if (on && by.n > 0)
		memcpy(drain->state.by, by.p, mp_min_size(by.n, MP_NAME_MAX));
	rc = drain_apply(drain, env);
	if (rc == 0)
		rc = drain_put(env, &drain->state);
	if (rc != 0) {
		drain->state = before;
		(void)drain_apply(drain, env);
	}
	return rc;
}

const struct mp_drain_state *
mp_drain_state(const struct mp_drain *drain)
{
	return &drain->state;
}

bool
mp_drain_done(const struct mp_drain *drain)
{
	return drain->state.on && mp_worker_attempts(drain->parts.worker) == 0 &&
	       mp_runs_leading(drain->parts.runs) == 0;
}

/* ---- leaderships ---- */

void
mp_drain_tick(struct mp_drain *drain, struct mp_env *env)
{
	if (mp_drain_deadline(drain) > env->now_ms)
		return;
	drain->again_ms = env->now_ms + AGAIN_MS;
	if (!MP_MUTANT(DRAIN_LEADS))
		mp_runs_hand_over(drain->parts.runs, env);
}

mp_time
mp_drain_deadline(const struct mp_drain *drain)
{
	if (!drain->state.on || mp_runs_leading(drain->parts.runs) == 0)
		return MP_TIME_NEVER;
	return drain->again_ms;
}
