/* SPDX-License-Identifier: Apache-2.0 */
/* Draining, with the parts that it tells played by the test. */
#include "unit/unit.h"

#include "core/drain.h"

static struct {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_env env;
	struct mp_drain *drain;
	enum mp_member_status status;
	bool runs, worker, stopping;
	size_t leading, attempts, offers;
	struct mp_row row; /* the last one put or deleted */
	uint8_t value[256];
	int swim_rc;
} T;

int
mp_swim_set_status(struct mp_swim *swim, struct mp_env *env, enum mp_member_status status)
{
	(void)swim;
	(void)env;
	if (T.swim_rc == 0)
		T.status = status;
	return T.swim_rc;
}

void
mp_runs_drain(struct mp_runs *runs, bool on)
{
	(void)runs;
	T.runs = on;
}

void
mp_runs_hand_over(struct mp_runs *runs, struct mp_env *env)
{
	(void)runs;
	(void)env;
	T.offers++;
}

size_t
mp_runs_leading(const struct mp_runs *runs)
{
	(void)runs;
	return T.leading;
}

void
mp_worker_drain(struct mp_worker *worker, struct mp_env *env, bool on)
{
	(void)worker;
	(void)env;
	T.worker = on;
}

bool
mp_worker_stopping(const struct mp_worker *worker)
{
	(void)worker;
	return T.stopping;
}

size_t
mp_worker_attempts(const struct mp_worker *worker)
{
	(void)worker;
	return T.attempts;
}

/* ---- steps ---- */

static void
step_end(void)
{
	const struct mp_effect *fx;
	size_t count;

	mp_out_end(T.env.out, &fx, &count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(fx[i].kind, MP_FX_PERSIST);
		assert_int_equal(fx[i].u.persist.count, 1);
		T.row = fx[i].u.persist.rows[0];
		assert_int_equal(T.row.table, MP_TABLE_META);
		assert_true(mp_span_eq(T.row.key, mp_span_str("drain")));
		if (T.row.op != MP_ROW_PUT)
			continue;
		assert_true(T.row.value.n <= sizeof(T.value));
		memcpy(T.value, T.row.value.p, T.row.value.n);
		T.row.value.p = T.value;
	}
}

static int
set(bool on, const char *by)
{
	int rc;

	T.env.now_ms += 1000;
	T.env.wall_ms = 1700000000000 + T.env.now_ms;
	mp_out_begin(T.env.out);
	rc = mp_drain_set(T.drain, &T.env, on, mp_span_str(by));
	step_end();
	return rc;
}

static void
tick(mp_time ms)
{
	T.env.now_ms += ms;
	mp_out_begin(T.env.out);
	mp_drain_tick(T.drain, &T.env);
	step_end();
}

static int
setup(void **state)
{
	const struct mp_drain_parts parts = {.runs = NULL};

	(void)state;
	memset(&T, 0, sizeof(T));
	T.alloc = UNIT_ALLOC(&T.heap);
	T.env = (struct mp_env){.alloc = &T.alloc};
	T.env.out = mp_out_new(&T.alloc, &T.env.self, NULL, NULL);
	assert_non_null(T.env.out);
	assert_int_equal(mp_drain_new(&T.env, &parts, &T.drain), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mp_drain_free(T.drain);
	mp_out_free(T.env.out);
	assert_int_equal(T.heap.live, 0);
	return 0;
}

/* ---- tests ---- */

static void
test_on_and_off(void **state)
{
	(void)state;
	assert_false(mp_drain_done(T.drain));
	assert_int_equal(set(true, "me@here"), 0);
	assert_int_equal(T.row.op, MP_ROW_PUT);
	assert_true(T.status == MP_NODE_DRAINING && T.runs && T.worker);
	assert_string_equal(mp_drain_state(T.drain)->by, "me@here");
	assert_int_equal(mp_drain_state(T.drain)->since_ms, T.env.wall_ms);
	assert_true(mp_drain_done(T.drain));
	T.row.op = MP_ROW_DELETE_RANGE;
	assert_int_equal(set(true, "you"), 0); /* it drains already */
	assert_int_equal(T.row.op, MP_ROW_DELETE_RANGE);
	assert_string_equal(mp_drain_state(T.drain)->by, "me@here");
	assert_int_equal(set(false, "you"), 0);
	assert_int_equal(T.row.op, MP_ROW_DELETE);
	assert_true(T.status == MP_NODE_AVAILABLE && !T.runs && !T.worker);
	assert_false(mp_drain_done(T.drain));
}

/* Leaderships are offered again and again, and are a part of what is left. */
static void
test_leaderships(void **state)
{
	(void)state;
	T.leading = 1;
	assert_int_equal(mp_drain_deadline(T.drain), MP_TIME_NEVER);
	assert_int_equal(set(true, "me"), 0);
	assert_int_equal(mp_drain_deadline(T.drain), T.env.now_ms);
	tick(0);
	tick(1);
	assert_int_equal(T.offers, 1);
	tick(mp_drain_deadline(T.drain) - T.env.now_ms);
	assert_int_equal(T.offers, 2);
	assert_false(mp_drain_done(T.drain));
	T.leading = 0;
	T.attempts = 1;
	assert_int_equal(mp_drain_deadline(T.drain), MP_TIME_NEVER);
	assert_false(mp_drain_done(T.drain));
	T.attempts = 0;
	assert_true(mp_drain_done(T.drain));
}

static void
test_restart(void **state)
{
	struct mp_span key = mp_span_str("drain"), value;

	(void)state;
	assert_int_equal(set(true, "me"), 0);
	value = T.row.value;
	mp_drain_free(T.drain);
	assert_int_equal(mp_drain_new(&T.env, &(struct mp_drain_parts){.runs = NULL}, &T.drain), 0);
	T.status = MP_NODE_AVAILABLE;
	T.runs = T.worker = false;
	assert_int_equal(mp_drain_start(T.drain, &T.env), 0);
	assert_int_equal(T.status, MP_NODE_AVAILABLE);
	assert_int_equal(mp_drain_restore(T.drain, mp_span_str("boot"), value), MP_ENOENT);
	for (size_t n = 0; n < value.n; n++)
		assert_int_equal(mp_drain_restore(T.drain, key, mp_span(value.p, n)), MP_ECORRUPT);
	assert_int_equal(mp_drain_restore(T.drain, key, value), 0);
	assert_int_equal(mp_drain_start(T.drain, &T.env), 0);
	assert_true(T.status == MP_NODE_DRAINING && T.runs && T.worker);
	assert_string_equal(mp_drain_state(T.drain)->by, "me");
}

/* What cannot be said has not happened; and a node that stops says so, and nothing else. */
static void
test_refused(void **state)
{
	(void)state;
	T.swim_rc = MP_ENOMEM;
	T.row.op = MP_ROW_DELETE_RANGE;
	assert_int_equal(set(true, "me"), MP_ENOMEM);
	assert_int_equal(T.row.op, MP_ROW_DELETE_RANGE); /* nothing was put */
	assert_false(mp_drain_state(T.drain)->on || T.worker);
	T.swim_rc = 0;
	T.stopping = true;
	assert_int_equal(set(true, "me"), MP_EBUSY);
	assert_false(mp_drain_state(T.drain)->on);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_on_and_off),
		CASE(test_leaderships),
		CASE(test_restart),
		CASE(test_refused),
	};
#undef CASE

	return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
