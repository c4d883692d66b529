/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/worker_world.h"

#include "core/cachekey.h"

static void
test_runs(void **state)
{
	struct mp_result r;
	int phases[8];
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(rows(MP_TABLE_FENCE), 1);
	assert_int_equal(assign_many(1, 1, 0, 3, NULL), 0);
	assert_int_equal(T.starts, 2);
	assert_int_equal(mp_worker_slots_used(T.worker), 2);
	assert_int_equal(status(1, 1, phases), 0);
	assert_true(phases[0] == MP_WORK_RUNNING && phases[2] == MP_WORK_FETCHING);
	exec_done(1, 0, MP_STATUS_OK);
	assert_int_equal(T.starts, 3);
	assert_true(result(1, &r, &holders));
	assert_true(r.status == MP_STATUS_OK && r.attempt.module == 0 && holders == 1);
	assert_int_equal(rows(MP_TABLE_HELD), 1);
	assert_int_equal(W.nodes[0].syncs, 0); /* nothing to copy */
	assert_int_equal(list(1, 1, MP_MSG_WORK_SETTLED, 0, 1), 0);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
	assert_int_equal(mp_worker_attempts(T.worker), 2);
}

/* A new leader adopts what runs, and gets what is held. */
static void
test_adopted(void **state)
{
	struct mp_result r;
	int phases[8];
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 2, NULL), 0);
	exec_done(1, 0, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	assert_int_equal(lead(2, 2), 0);
	assert_true(result(2, &r, &holders));
	assert_true(r.attempt.module == 0 && r.attempt.term == 1);
	assert_int_equal(status(2, 2, phases), 0);
	assert_true(phases[0] == MP_WORK_DONE && phases[1] == MP_WORK_RUNNING);
	assert_true(result(2, &r, &holders));
	exec_done(1, 1, MP_STATUS_FAILED);
	assert_true(result(2, &r, &holders));
	assert_true(r.attempt.module == 1 && r.status == MP_STATUS_FAILED);
	assert_int_equal(T.kills, 0);
	assert_int_equal(list(2, 2, MP_MSG_WORK_SETTLED, 0, 1), 0);
	assert_int_equal(list(2, 2, MP_MSG_WORK_SETTLED, 1, 1), 0);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
}

static void
test_busy(void **state)
{
	struct mp_msg_work_reject m;
	struct mp_attempt_id id;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 6, NULL), 0);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_true(mp_attempts_next(&m.attempts, &id) && id.module == 4);
	assert_true(mp_attempts_next(&m.attempts, &id) && id.module == 5);
	assert_null(heard(MP_MSG_WORK_FREE));
	/* Said again, what is known is no news. */
	assert_int_equal(assign_many(1, 1, 0, 4, NULL), 0);
	assert_null(heard(MP_MSG_WORK_REJECT));
	assert_int_equal(mp_worker_attempts(T.worker), 4);
	exec_done(1, 0, MP_STATUS_OK);
	assert_non_null(heard(MP_MSG_WORK_FREE));
	exec_done(1, 1, MP_STATUS_OK);
	assert_null(heard(MP_MSG_WORK_FREE));
}

static void
test_witness(void **state)
{
	struct mp_msg_work_reject m;

	(void)state;
	mp_worker_free(T.worker);
	worker_new(0);
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_null(heard(MP_MSG_WORK_FREE));
}

static void
test_kill(void **state)
{
	struct mp_result r;
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 3, NULL), 0);
	assert_int_equal(list(1, 1, MP_MSG_WORK_KILL, 2, 1), 0); /* waits for a slot */
	assert_true(result(1, &r, &holders));
	assert_true(r.status == MP_STATUS_CANCELLED && r.attempt.module == 2);
	assert_int_equal(T.kills, 0);
	assert_int_equal(list(1, 1, MP_MSG_WORK_KILL, 0, 1), 0);
	assert_int_equal(list(1, 1, MP_MSG_WORK_KILL, 0, 1), 0);
	assert_int_equal(T.kills, 1);
	exec_done_with(1, 0,
		&(struct mp_exec_report){
			.status = MP_STATUS_FAILED, .signal = 15, .exit_code = -1});
	assert_true(result(1, &r, &holders));
	assert_true(r.status == MP_STATUS_CANCELLED && r.signal == 15);
	/* Settled while it runs: killed, and never heard of again. */
	assert_int_equal(list(1, 1, MP_MSG_WORK_SETTLED, 1, 1), 0);
	assert_int_equal(T.kills, 2);
	exec_done(1, 1, MP_STATUS_FAILED);
	assert_false(result(1, &r, &holders));
	assert_int_equal(mp_worker_attempts(T.worker), 2);
}

static void
test_end(void **state)
{
	int phases[8];

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 4, NULL), 0);
	exec_done(1, 0, MP_STATUS_OK);
	assert_int_equal(end(1, 1), 0);
	assert_int_equal(T.kills, 2);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
	assert_int_equal(rows(MP_TABLE_FENCE), 1);
	exec_done(1, 1, MP_STATUS_FAILED);
	exec_done(1, 2, MP_STATUS_FAILED);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
	assert_int_equal(mp_worker_slots_used(T.worker), 0);
	assert_int_equal(status(1, 1, phases), 0);
	assert_int_equal(phases[1], -1);
	assert_int_equal(assign(1, 1, 9, NULL), MP_ESIG);
}

/* Outputs and logs are on two nodes before the result is said. */
static void
test_copies(void **state)
{
	struct mp_file f = put_file(0, "out", "output");
	struct mp_exec_report report = {.status = MP_STATUS_OK};
	struct mp_result r;
	size_t holders, copies = 0;

	(void)state;
	report.manifest = put_manifest(0, &f, 1);
	report.out_log = world_put(0, "log", 3).digest;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	exec_done_with(1, 0, &report);
	assert_true(result(1, &r, &holders));
	assert_int_equal(r.status, MP_STATUS_OK);
	assert_int_equal(holders, 2);
	for (int i = 1; i < WORLD_NODES; i++)
		copies += world_has(i, &report.manifest) && world_has(i, &f.digest) &&
			  world_has(i, &report.out_log);
	assert_int_equal(copies, 1);
}

/* Its own disk fails: the module did not do what it was to do. */
static void
test_cannot_keep(void **state)
{
	struct mp_exec_report report = {.status = MP_STATUS_OK};
	struct mp_result r;
	size_t holders;

	(void)state;
	report.out_log = world_put(0, "log", 3).digest;
	W.nodes[0].sync_rc = MP_EIO;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	exec_done_with(1, 0, &report);
	assert_true(result(1, &r, &holders));
	assert_int_equal(r.status, MP_STATUS_NO_OUTPUT);
	assert_true(mp_hash_is_zero(&r.out_log));
	assert_true(r.error.n > 0);
}

/* A full disk is no fault of the module: it is given back, before it began or when it has run. */
static void
test_full(void **state)
{
	struct mp_exec_report report = {.status = MP_STATUS_OK};
	struct mp_msg_work_reject m;

	(void)state;
	report.out_log = world_put(0, "log", 3).digest;
	W.nodes[0].sync_rc = MP_EFULL;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	exec_done_with(1, 0, &report);
	assert_int_equal(rejected(1, &m), MP_REJECT_TROUBLE);
	assert_int_equal(mp_worker_attempts(T.worker), 0);

	report = (struct mp_exec_report){.status = MP_STATUS_NOT_STARTED, .trouble = true};
	assert_int_equal(assign(1, 1, 1, NULL), 0);
	exec_done_with(1, 1, &report);
	assert_int_equal(rejected(1, &m), MP_REJECT_TROUBLE);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
	assert_int_equal(mp_worker_slots_used(T.worker), 0);
	assert_null(heard(MP_MSG_WORK_RESULT));
}

/* Inputs by the module's globs, and all that its dependencies left, once each. */
static void
test_lays(void **state)
{
	struct mp_file inputs[] = {put_file(4, "doc/a", "text"), put_file(4, "src/a", "aaa"),
		put_file(4, "src/b", "bbb")};
	struct mp_hash manifest = put_manifest(4, inputs, 3);
	struct mp_file x[] = {put_file(4, "bin/x", "x"), put_file(4, "src/b", "bbb")};
	struct mp_file y[] = {put_file(4, "bin/y", "y"), put_file(4, "src/c", "ccc")};
	uint8_t one[1024], two[1024];
	struct give g = {.deps = 2, .names = {"one", "two"}, .input_glob = "src/**"};

	(void)state;
	open_run(&manifest);
	g.results[0] = dep_result(x, 2, one);
	g.results[1] = dep_result(y, 2, two);
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, &g), 0);
	assert_int_equal(T.starts, 1);
	assert_int_equal(T.file_count, 5);
	assert_string_equal(T.files[0], "bin/x");
	assert_string_equal(T.files[1], "bin/y");
	assert_string_equal(T.files[2], "src/a");
	assert_string_equal(T.files[3], "src/b");
	assert_string_equal(T.files[4], "src/c");
	assert_int_equal(T.dep_count, 2);
	assert_false(world_has(0, &inputs[0].digest));
}

/* The key is over what the module really gets, and where; only a success has one. */
static void
test_cache_key(void **state)
{
	static struct mp_caps caps = {.os = "linux", .arch = "x86_64"};
	struct mp_file inputs[] = {put_file(4, "doc/a", "text"), put_file(4, "src/a", "aaa")};
	struct mp_hash manifest = put_manifest(4, inputs, 2);
	struct mp_file x = put_file(4, "bin/x", "x");
	struct give g = {.deps = 1, .names = {"one"}, .input_glob = "src/**"};
	const char *argv[] = {"true", NULL}, *globs[] = {"src/**", NULL};
	const struct mp_spec spec = {.argv = {argv, 1}, .inputs = {globs, 1}};
	const struct mp_span dep = mp_span_str("one");
	struct mp_cache_dep read = {.value = {{0}}};
	struct mp_cache_what what = {.deps = &read, .dep_count = 1};
	struct mp_result r;
	struct mp_hash key;
	uint8_t one[1024];
	size_t holders;

	(void)state;
	open_run(&manifest);
	g.results[0] = dep_result(&x, 1, one);
	read.manifest = put_manifest(4, &x, 1);
	assert_int_equal(lead(1, 1), 0);
	/* What this node is, is not known yet. */
	assert_int_equal(assign(1, 1, 0, &g), 0);
	exec_done(1, 0, MP_STATUS_OK);
	assert_true(result(1, &r, &holders) && mp_hash_is_zero(&r.cache_key));
	W.members[0].caps = &caps;
	assert_int_equal(assign(1, 1, 1, &g), 0);
	exec_done(1, 1, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	assert_true(mp_cache_base(&fake_crypto, &W.own, mp_span_str("module"), &spec, &dep, 1,
			    &what.base) == 0);
	assert_int_equal(
		mp_cache_inputs(&fake_crypto, &W.own, &spec, &inputs[1], 1, &what.inputs), 0);
	assert_true(mp_cache_where(&fake_crypto, &W.own, &caps, spec.tools, &what.where) == 0 &&
		    mp_cache_key(&fake_crypto, &W.own, &what, &key) == 0);
	assert_true(mp_hash_eq(&r.cache_key, &key) && mp_hash_eq(&r.where, &what.where));
	assert_int_equal(assign(1, 1, 2, &g), 0);
	exec_done(1, 2, MP_STATUS_FAILED);
	assert_true(result(1, &r, &holders) && mp_hash_is_zero(&r.cache_key));
	/* All inputs: their manifest. */
	g.input_glob = NULL;
	what.inputs = manifest;
	assert_int_equal(assign(1, 1, 3, &g), 0);
	exec_done(1, 3, MP_STATUS_OK);
	assert_int_equal(mp_cache_key(&fake_crypto, &W.own, &what, &key), 0);
	assert_true(result(1, &r, &holders) && mp_hash_eq(&r.cache_key, &key));
	g.no_cache = true;
	assert_int_equal(assign(1, 1, 4, &g), 0);
	exec_done(1, 4, MP_STATUS_OK);
	assert_true(result(1, &r, &holders) && mp_hash_is_zero(&r.cache_key));
}

/* Many dependencies of one file each come out in order. */
static void
test_lays_many(void **state)
{
	static const char *const names[] = {"g", "b", "e", "a", "d", "f", "c"};
	static uint8_t results[7][1024];
	struct give g = {.deps = 7};

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct mp_file f = put_file(4, names[i], names[i]);

		g.names[i] = names[i];
		g.results[i] = dep_result(&f, 1, results[i]);
	}
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, &g), 0);
	assert_int_equal(T.file_count, 7);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(T.files[i][0], 'a' + i);
		assert_int_equal(T.files[i][1], '\0');
	}
}

/* It ends without having run, and the text names both. */
static void
check_ends(const struct give *g, enum mp_status how, const char *a, const char *b)
{
	char text[MP_RESULT_ERROR_MAX + 1];
	struct mp_result r;
	size_t holders;

	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, g), 0);
	world_pass(60000);
	assert_int_equal(T.starts, 0);
	assert_true(result(1, &r, &holders));
	assert_int_equal(r.status, how);
	memcpy(text, r.error.p, r.error.n);
	text[r.error.n] = '\0';
	assert_non_null(strstr(text, a));
	assert_non_null(strstr(text, b));
}

static void
test_conflict(void **state)
{
	struct mp_file x = put_file(4, "bin/same", "x"), y = put_file(4, "bin/same", "y");
	uint8_t one[1024], two[1024];
	struct give g = {.deps = 2, .names = {"first", "second"}};

	(void)state;
	g.results[0] = dep_result(&x, 1, one);
	g.results[1] = dep_result(&y, 1, two);
	check_ends(&g, MP_STATUS_CONFLICT, "bin/same", "first and second");
}

static void
test_conflict_directory(void **state)
{
	struct mp_file x = put_file(4, "bin", "x"), y = put_file(4, "bin/a", "y");
	uint8_t one[1024], two[1024];
	struct give g = {.deps = 2, .names = {"first", "second"}};

	(void)state;
	g.results[0] = dep_result(&x, 1, one);
	g.results[1] = dep_result(&y, 1, two);
	check_ends(&g, MP_STATUS_CONFLICT, "a file and a directory", "first and second");
}

static void
test_blob_lost(void **state)
{
	struct mp_file x = put_file(4, "bin/gone", "gone");
	struct give g = {.deps = 1, .names = {"first"}};
	uint8_t one[1024];

	(void)state;
	g.results[0] = dep_result(&x, 1, one);
	W.nodes[4].blobs[0].complete = false;
	check_ends(&g, MP_STATUS_NOT_STARTED, "bin/gone", "no node has it");
}

static void
test_manifest_lost(void **state)
{
	struct mp_file x = put_file(4, "bin/x", "x");
	struct give g = {.deps = 1, .names = {"first"}};
	uint8_t one[1024];

	(void)state;
	g.results[0] = dep_result(&x, 1, one);
	W.nodes[4].blobs[1].complete = false;
	check_ends(&g, MP_STATUS_NOT_STARTED, "list of files of first", "no node has it");
}

/* The process dies; the next one has the result and the fence, and offers the result again. */
static void
test_restart(void **state)
{
	struct mp_result r;
	int phases[8];
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 4), 0);
	assert_int_equal(assign_many(1, 4, 0, 2, NULL), 0);
	exec_done(4, 0, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	mp_worker_free(T.worker);
	worker_new(2);
	W.nodes[0].env.boot = 2;
	restore(MP_TABLE_FENCE);
	restore(MP_TABLE_HELD);
	world_begin(0);
	mp_worker_start(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
	assert_true(result(1, &r, &holders));
	assert_true(r.attempt.module == 0 && holders == 1);
	assert_int_equal(assign(2, 3, 5, NULL), MP_EREPLAY);
	assert_int_equal(status(1, 4, phases), 0);
	assert_true(phases[0] == MP_WORK_DONE && phases[1] == -1);
	assert_int_equal(list(1, 4, MP_MSG_WORK_SETTLED, 0, 4), 0);
	assert_int_equal(mp_worker_attempts(T.worker), 0);
	assert_int_equal(rows(MP_TABLE_HELD), 0);
}

/* The leader of before goes on without a new word of who it is. */
static void
test_restart_idle(void **state)
{
	struct mp_result r;
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 4), 0);
	mp_worker_free(T.worker);
	worker_new(2);
	restore(MP_TABLE_FENCE);
	assert_int_equal(assign(1, 4, 6, NULL), 0);
	exec_done(4, 6, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	assert_true(mp_worker_deadline(T.worker) > W.now_ms);
}

static void
test_restore_refuses(void **state)
{
	static const uint8_t key[32], junk[] = {0x83, 0x01, 0x02, 0x03};
	struct mp_row row = {.table = MP_TABLE_FENCE, .key = mp_span(key, 16)};

	(void)state;
	row.value = mp_span(junk, sizeof(junk));
	assert_int_equal(mp_worker_restore(T.worker, &W.nodes[0].env, &row), MP_ECORRUPT);
	row.key.n = 32;
	assert_int_equal(mp_worker_restore(T.worker, &W.nodes[0].env, &row), MP_ECORRUPT);
	row.table = MP_TABLE_HELD;
	assert_int_equal(mp_worker_restore(T.worker, &W.nodes[0].env, &row), MP_ECORRUPT);
}

/* A result that nobody settles is said again: in time, and when the leader's link is back. */
static void
test_says_again(void **state)
{
	struct mp_result r;
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	exec_done(1, 0, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	world_link(0, 1, MP_LINK_DOWN);
	world_settle();
	assert_false(result(1, &r, &holders));
	world_link(0, 1, MP_LINK_UP);
	world_settle();
	assert_true(result(1, &r, &holders));
	world_pass(6000);
	assert_true(result(1, &r, &holders));
	assert_false(result(1, &r, &holders));
	for (int i = 3; i >= 1; i--) { /* and all electors are asked who leads now */
		const struct message *got = heard(MP_MSG_WORK_WHO);

		assert_true(got != NULL && got->to == i);
	}
}

static void
test_stop(void **state)
{
	struct mp_msg_work_reject m;
	struct mp_attempt_id id;
	struct mp_result r;
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 3, NULL), 0);
	world_begin(0);
	mp_worker_stop(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
	assert_int_equal(rejected(1, &m), MP_REJECT_STOPPING);
	assert_true(mp_attempts_next(&m.attempts, &id) && id.module == 2);
	assert_int_equal(assign(1, 1, 4, NULL), 0);
	assert_int_equal(rejected(1, &m), MP_REJECT_STOPPING);
	exec_done(1, 0, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	assert_false(mp_worker_stopped(T.worker, &W.nodes[0].env));
	world_pass(MP_WORKER_STOP_MS - 1000);
	assert_int_equal(T.kills, 0);
	world_pass(2000);
	assert_int_equal(T.kills, 1);
	T.message_count = 0;
	exec_done(1, 1, MP_STATUS_FAILED);
	assert_false(result(1, &r, &holders));
	assert_int_equal(rejected(1, &m), MP_REJECT_STOPPING);
	assert_true(mp_attempts_next(&m.attempts, &id) && id.module == 1);
	assert_true(mp_worker_stopped(T.worker, &W.nodes[0].env));
}

/* Rows that no disk takes do not keep it from stopping. */
static void
test_stop_full(void **state)
{
	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	T.hold_disk = true;
	exec_done(1, 0, MP_STATUS_OK);
	world_begin(0);
	mp_worker_stop(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
	world_pass(MP_WORKER_STOP_MS + MP_WORKER_LAST_MS - 1000);
	assert_false(mp_worker_stopped(T.worker, &W.nodes[0].env));
	world_pass(1000);
	assert_true(mp_worker_stopped(T.worker, &W.nodes[0].env));
	T.hold_disk = false;
}

/* What waits goes back as if there were no slot, what runs goes on, and in the end there is room.
 */
static void
test_drain(void **state)
{
	struct mp_msg_work_reject m;
	struct mp_attempt_id id;
	struct mp_result r;
	size_t holders;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 3, NULL), 0);
	world_begin(0);
	mp_worker_drain(T.worker, &W.nodes[0].env, true);
	world_end(0);
	world_settle();
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_true(mp_attempts_next(&m.attempts, &id) && id.module == 2);
	T.message_count = 0;
	assert_int_equal(assign(1, 1, 4, NULL), 0);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	exec_done(1, 0, MP_STATUS_OK);
	exec_done(1, 1, MP_STATUS_OK);
	assert_true(result(1, &r, &holders));
	assert_int_equal(T.starts, 2);
	assert_int_equal(T.kills, 0);
	assert_null(heard(MP_MSG_WORK_FREE));
	world_begin(0);
	mp_worker_drain(T.worker, &W.nodes[0].env, false);
	mp_worker_flush(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
	assert_non_null(heard(MP_MSG_WORK_FREE));
	assert_int_equal(assign(1, 1, 4, NULL), 0);
	assert_int_equal(T.starts, 3);
}

static void
set_slots(uint32_t slots)
{
	world_begin(0);
	mp_worker_set_slots(T.worker, &W.nodes[0].env, slots);
	world_end(0);
	world_settle();
}

static void
test_slots_change(void **state)
{
	struct mp_msg_work_reject m;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 4, NULL), 0);
	assert_int_equal(T.starts, 2);
	set_slots(3);
	assert_int_equal(T.starts, 3);
	set_slots(1);
	exec_done(1, 0, MP_STATUS_OK);
	exec_done(1, 1, MP_STATUS_OK);
	assert_true(T.starts == 3 && T.kills == 0);
	exec_done(1, 2, MP_STATUS_OK);
	assert_int_equal(T.starts, 4);
	assert_int_equal(assign(1, 1, 5, NULL), 0);
	set_slots(0);
	assert_int_equal(rejected(1, &m), MP_REJECT_BUSY);
	assert_int_equal(mp_worker_slots_used(T.worker), 1);
}

/* A result waits for a new leader's fence to be said again, and is settled before it could be. */
static void
test_stop_after_settled(void **state)
{
	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign(1, 1, 0, NULL), 0);
	exec_done(1, 0, MP_STATUS_OK);
	T.hold_disk = true;
	assert_int_equal(lead(2, 2), 0);
	assert_int_equal(list(2, 2, MP_MSG_WORK_SETTLED, 0, 1), 0);
	T.hold_disk = false;
	persisted(T.seq);
	world_settle();
	assert_int_equal(mp_worker_attempts(T.worker), 0);
	world_begin(0);
	mp_worker_stop(T.worker, &W.nodes[0].env);
	world_end(0);
	world_settle();
	assert_true(mp_worker_stopped(T.worker, &W.nodes[0].env));
}

/* Results of one step share one message. */
static void
test_batches(void **state)
{
	struct mp_msg_work_result m;
	const struct message *got;

	(void)state;
	assert_int_equal(lead(1, 1), 0);
	assert_int_equal(assign_many(1, 1, 0, 2, NULL), 0);
	world_begin(0);
	for (uint32_t i = 0; i < 2; i++) {
		struct mp_exec_report report = {
			.key = {T.rec.id, {1, i, 1}}, .phase = MP_EXEC_DONE};

		mp_worker_exec(T.worker, &W.nodes[0].env, &report);
	}
	world_end(0);
	world_settle();
	got = heard(MP_MSG_WORK_RESULT);
	assert_non_null(got);
	assert_null(heard(MP_MSG_WORK_RESULT));
	assert_int_equal(mp_msg_work_result_decode(mp_span(got->bytes, got->n), &m), 0);
	assert_int_equal(m.results.left, 2);
}

static void
test_malformed(void **state)
{
	(void)state;
	for (uint8_t number = 60; number <= 66; number++) {
		uint8_t junk[] = {0x81, 0x18, number};

		world_begin(0);
		assert_int_not_equal(mp_worker_message(T.worker, &W.nodes[0].env, &W.members[1].id,
					     mp_span(junk, sizeof(junk))),
			0);
		world_end(0);
	}
	world_settle();
	assert_int_equal(T.message_count, 0);
}

/* Out of memory at any point: something is not done, nothing leaks, nothing hangs. */
static void
test_no_memory(void **state)
{
	for (size_t at = 1; at < 150; at++) {
		struct mp_file inputs[2], x;
		struct mp_hash manifest;
		struct give g = {.deps = 1, .names = {"one"}};
		uint8_t one[1024];

		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
		inputs[0] = put_file(4, "src/a", "aaa");
		inputs[1] = put_file(4, "src/b", "bbb");
		x = put_file(4, "bin/x", "x");
		manifest = put_manifest(4, inputs, 2);
		open_run(&manifest);
		g.results[0] = dep_result(&x, 1, one);
		assert_int_equal(lead(1, 1), 0);
		W.heap.fail_at = W.heap.calls + at;
		(void)assign_many(1, 1, 0, 2, &g);
		if (T.starts > 0)
			exec_done(1, T.started[0].attempt.module, MP_STATUS_OK);
		world_pass(100000);
	}
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_runs),
		CASE(test_adopted),
		CASE(test_busy),
		CASE(test_witness),
		CASE(test_kill),
		CASE(test_end),
		CASE(test_copies),
		CASE(test_cannot_keep),
		CASE(test_full),
		CASE(test_lays),
		CASE(test_lays_many),
		CASE(test_cache_key),
		CASE(test_conflict),
		CASE(test_conflict_directory),
		CASE(test_blob_lost),
		CASE(test_manifest_lost),
		CASE(test_restart),
		CASE(test_restart_idle),
		CASE(test_restore_refuses),
		CASE(test_says_again),
		CASE(test_stop),
		CASE(test_stop_full),
		CASE(test_drain),
		CASE(test_slots_change),
		CASE(test_stop_after_settled),
		CASE(test_batches),
		CASE(test_malformed),
		CASE(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
