/* SPDX-License-Identifier: Apache-2.0 */
/* What a table of runs makes of the rows that it finds on its disk. */
#include "unit/runs_case.h"

/* A node whose run has ended, and which is down. */
static struct cluster *
ended(struct mp_run_id *run)
{
	struct cluster *c = cluster_new(1);
	struct submission s;

	submit_ok(c, 0, &s);
	cluster_run(c, 5000);
	assert_true(mp_runs_ended(c->nodes[0].runs, &s.run));
	*run = s.run;
	node_crash(c, 0);
	return c;
}

/* It comes up, and has read nothing yet. */
static void
table_open(struct cluster *c)
{
	const struct mp_pulse_io io = {
		.ctx = c, .datagram = pulse_datagram, .link_up = pulse_link_up};
	struct cluster_node *n = &c->nodes[0];
	struct mp_runs_parts parts = {.roster = &c->roster};

	n->env.out = mp_out_new(&c->alloc, &n->env.self, NULL, NULL);
	assert_non_null(n->env.out);
	step_begin(c, 0);
	assert_int_equal(mp_pulse_new(&n->env, &io, &n->pulse), 0);
	parts.pulse = n->pulse;
	assert_int_equal(mp_runs_new(&n->env, &parts, &n->runs), 0);
}

static struct mp_row
row_of(const struct cluster *c, enum mp_table table)
{
	for (const struct cluster_row *row = c->nodes[0].rows; row != NULL; row = row->next) {
		if (row->table == table)
			return (struct mp_row){.table = table,
				.key = mp_span(row->key, row->key_size),
				.value = mp_span(row->value, row->value_size)};
	}
	fail_msg("no row of table %d", (int)table);
	return (struct mp_row){.table = table};
}

static int
restore(struct cluster *c, const struct mp_row *row)
{
	return mp_runs_restore(c->nodes[0].runs, &c->nodes[0].env, row);
}

/* In a table of its own. */
static int
restore_alone(struct cluster *c, const struct mp_row *row, const struct mp_run_id *run,
	enum mp_runs_have *have)
{
	int rc;

	table_open(c);
	rc = restore(c, row);
	*have = mp_runs_have(c->nodes[0].runs, run);
	node_crash(c, 0);
	return rc;
}

static const enum mp_table tables[] = {MP_TABLE_RUN, MP_TABLE_KNOWN};

static void
test_whole(void **state)
{
	struct mp_run_id run;
	struct cluster *c = ended(&run);
	struct mp_row row;
	enum mp_runs_have have;

	(void)state;
	row = row_of(c, MP_TABLE_RUN);
	assert_int_equal(restore_alone(c, &row, &run, &have), 0);
	assert_int_equal(have, MP_RUNS_HAVE_STATE);
	row = row_of(c, MP_TABLE_KNOWN);
	assert_int_equal(restore_alone(c, &row, &run, &have), 0);
	assert_int_equal(have, MP_RUNS_HAVE_RECORD);
	/* What has ended stays on the disk. */
	table_open(c);
	for (size_t i = mp_countof(tables); i-- > 0;) {
		row = row_of(c, tables[i]);
		assert_int_equal(restore(c, &row), 0);
	}
	assert_int_equal(mp_runs_have(c->nodes[0].runs, &run), MP_RUNS_HAVE_AWAY);
	node_crash(c, 0);
	cluster_free(c);
}

static void
test_damaged(void **state)
{
	struct mp_run_id run;
	struct cluster *c = ended(&run);

	(void)state;
	for (size_t i = 0; i < mp_countof(tables); i++) {
		const struct mp_row good = row_of(c, tables[i]);
		uint8_t key[17] = {0}, value[4096] = {0};
		struct mp_row row = good;
		enum mp_runs_have have;

		assert_true(good.value.n < sizeof(value));
		memcpy(value, good.value.p, good.value.n);
		row.value = mp_span(value, good.value.n - 1);
		assert_int_equal(restore_alone(c, &row, &run, &have), MP_ECORRUPT);
		row.value.n += 2;
		assert_int_equal(restore_alone(c, &row, &run, &have), MP_ECORRUPT);
		row.value.n = 0;
		assert_int_equal(restore_alone(c, &row, &run, &have), MP_ECORRUPT);
		/* It says that it is another run's, or nobody's. */
		row = good;
		memcpy(key, good.key.p, good.key.n);
		row.key = mp_span(key, good.key.n + 1);
		assert_int_equal(restore_alone(c, &row, &run, &have), MP_ECORRUPT);
		row.key.n = good.key.n;
		key[15] ^= 1;
		assert_int_equal(restore_alone(c, &row, &run, &have), MP_ECORRUPT);
		assert_int_equal(have, MP_RUNS_HAVE_NOTHING);
	}
	cluster_free(c);
}

/* A flipped bit is found wherever it may matter: only who holds a run's inputs is not checked. */
static void
test_flipped(void **state)
{
	struct mp_run_id run;
	struct cluster *c = ended(&run);

	(void)state;
	for (size_t i = 0; i < mp_countof(tables); i++) {
		struct mp_row row = row_of(c, tables[i]);
		uint8_t value[4096];
		enum mp_runs_have have;

		assert_true(row.value.n < sizeof(value));
		memcpy(value, row.value.p, row.value.n);
		row.value.p = value;
		for (size_t at = 0; at < row.value.n; at++) {
			value[at] ^= 4;
			assert_int_equal(restore_alone(c, &row, &run, &have), MP_ECORRUPT);
			value[at] ^= 4;
		}
	}
	cluster_free(c);
}

/* Memory that is out is no damage: the node would go on without its votes. */
static void
test_no_memory(void **state)
{
	struct mp_run_id run;
	struct cluster *c = ended(&run);

	(void)state;
	for (size_t i = 0; i < mp_countof(tables); i++) {
		const struct mp_row row = row_of(c, tables[i]);
		bool through = false;

		for (size_t n = 1; !through; n++) {
			int rc;

			assert_true(n < 1000);
			table_open(c);
			c->heap.fail_at = c->heap.calls + n;
			rc = restore(c, &row);
			through = c->heap.calls < c->heap.fail_at;
			assert_int_equal(rc, through ? 0 : MP_ENOMEM);
			c->heap.fail_at = 0;
			node_crash(c, 0);
		}
	}
	cluster_free(c);
}

/* n1 or n2 says that it has opened its i-th run, which n1 decides and which may have ended. */
static struct mp_run_id
tell_run(struct cluster *c, int opener, size_t i, bool ended)
{
	struct mp_run_record rec = {.cluster = c->nodes[0].env.cluster,
		.opener = c->nodes[opener].env.self,
		.submitted_ms = 1700000000000 + (mp_time)i,
		.name = "run",
		.elector_count = 1,
		.electors = {c->nodes[1].env.self},
		.copies = 1};
	struct mp_end end = {.cluster = rec.cluster,
		.generation = 1,
		.term = 1,
		.leader = rec.electors[0],
		.outcome = MP_OUTCOME_SUCCEEDED,
		.ended_ms = rec.submitted_ms,
		.last_index = 1};
	struct mp_buf record, bytes, message;
	struct mp_msg_run_known m;

	mp_buf_init(&record, &c->alloc, MP_SIGNED_RECORD_MAX);
	mp_buf_init(&bytes, &c->alloc, MP_SIGNED_END_MAX);
	mp_buf_init(&message, &c->alloc, MP_MSG_MAX);
	memcpy(rec.nonce, &i, sizeof(i));
	assert_int_equal(
		mp_run_record_sign(&fake_crypto, &c->nodes[opener].secret, &rec, &record), 0);
	end.run = rec.id;
	if (ended)
		assert_int_equal(mp_end_sign(&fake_crypto, &c->nodes[1].secret, &end, &bytes), 0);
	m = (struct mp_msg_run_known){mp_buf_span(&record), mp_buf_span(&bytes)};
	assert_int_equal(mp_msg_run_known_encode(&message, &m), 0);
	step_begin(c, 0);
	assert_int_equal(mp_runs_message(c->nodes[0].runs, &c->nodes[0].env,
				 &c->nodes[opener].env.self, mp_buf_span(&message)),
		0);
	mp_out_end(c->nodes[0].env.out, &(const struct mp_effect *){NULL}, &(size_t){0});
	mp_buf_fini(&record);
	mp_buf_fini(&bytes);
	mp_buf_fini(&message);
	return rec.id;
}

/* One that opens more runs than all others makes the node forget its own, of which those that have
 * ended go first, and none of the others'. */
static void
test_busy_opener(void **state)
{
	struct mp_run_id others[50], busy[100], last;
	struct cluster *c = cluster_new(3);
	const struct mp_runs *runs = c->nodes[0].runs;

	(void)state;
	for (size_t i = 0; i < mp_countof(others); i++)
		others[i] = tell_run(c, 1, i, i % 2 == 0);
	for (size_t i = 0; i < mp_countof(busy); i++)
		busy[i] = tell_run(c, 2, 1000 + i, i == 7);
	for (size_t i = mp_countof(others) + mp_countof(busy); i < MP_RUNS_KNOWN_MAX; i++)
		(void)tell_run(c, 2, 1000 + i, false);
	assert_int_equal(mp_runs_have(runs, &busy[0]), MP_RUNS_HAVE_RECORD);
	(void)tell_run(c, 2, 100000, false);
	assert_int_equal(mp_runs_have(runs, &busy[7]), MP_RUNS_HAVE_NOTHING);
	for (size_t i = 0; i < 99; i++)
		last = tell_run(c, 2, 100001 + i, false);
	for (size_t i = 0; i < mp_countof(busy); i++)
		assert_int_equal(mp_runs_have(runs, &busy[i]), MP_RUNS_HAVE_NOTHING);
	for (size_t i = 0; i < mp_countof(others); i++)
		assert_int_equal(mp_runs_have(runs, &others[i]), MP_RUNS_HAVE_RECORD);
	assert_int_equal(mp_runs_have(runs, &last), MP_RUNS_HAVE_RECORD);
	cluster_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_busy_opener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
