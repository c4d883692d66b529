/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <uv.h>

#include "codec/manifest.h"
#include "mp/limits.h"
#include "mp/pipeline.h"
#include "shell/cache.h"
#include "shell/exec.h"
#include "shell/heap.h"

#define REPORTS_MAX 64

struct fixture {
	struct scratch scratch;
	uv_loop_t loop;
	struct mp_cache *cache;
	struct mp_executor executor;
	struct mp_exec *exec;
	struct mp_exec_report done[REPORTS_MAX]; /* by module */
	char error[REPORTS_MAX][MP_ERROR_TEXT_MAX];
	bool started[REPORTS_MAX];
	size_t done_count;
	unsigned failed;
	bool closed;
	bool kill_when_started;
};

/* ---- the fixture ---- */

static void
on_report(void *ctx, const struct mp_exec_report *r)
{
	struct fixture *f = ctx;
	uint32_t i = r->key.attempt.module;

	assert_true(i < REPORTS_MAX);
	if (r->phase == MP_EXEC_STARTED) {
		assert_false(f->started[i]);
		f->started[i] = true;
		if (f->kill_when_started)
			mp_exec_kill(f->exec, &r->key);
		return;
	}
	assert_int_equal(f->done[i].phase, MP_EXEC_STARTED); /* not yet DONE */
	f->done[i] = *r;
	(void)snprintf(f->error[i], sizeof(f->error[i]), "%.*s", (int)r->error.n,
		r->error.n == 0 ? "" : (const char *)r->error.p);
	f->done_count++;
}

static void
on_failed(void *ctx, const struct mp_error *err)
{
	struct fixture *f = ctx;

	assert_int_not_equal(err->code, 0);
	f->failed++;
}

static void
on_closed(void *ctx)
{
	((struct fixture *)ctx)->closed = true;
}

static int
open_fixture(void **state, bool keep_failed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mp_exec_config config;
	struct mp_error err = {0};
	char work[PATH_MAX];

	assert_non_null(f);
	scratch_make(&f->scratch);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	if (mp_executor_start(-1, &f->executor, &err) != 0 ||
		mp_cache_open(scratch_path(&f->scratch, "cache.db"), &f->cache, &err) != 0)
		fail_msg("%s", err.text);
	(void)snprintf(work, sizeof(work), "%s", scratch_path(&f->scratch, "work"));
	config = (struct mp_exec_config){.loop = &f->loop,
		.executor = f->executor,
		.cache = f->cache,
		.work_dir = work,
		.node_name = "ada",
		.keep_failed = keep_failed,
		.report = on_report,
		.failed = on_failed,
		.ctx = f};
	if (mp_exec_open(&config, &f->exec, &err) != 0)
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

static int
setup(void **state)
{
	return open_fixture(state, false);
}

static int
setup_keeping(void **state)
{
	return open_fixture(state, true);
}

static void
close_exec(struct fixture *f)
{
	if (f->closed)
		return;
	mp_exec_close(f->exec, on_closed, f);
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_true(f->closed);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	close_exec(f);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	mp_cache_close(f->cache);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* ---- requests ---- */

struct todo {
	const char *argv[6];
	const char *shell;
	struct mp_env_var env[4];
	const char *outputs[4];
	uint64_t timeout_ms;
	struct mp_exec_request req; /* the spec is made */
};

static struct mp_attempt_key
key(uint32_t module)
{
	return (struct mp_attempt_key){.run = {{0xcd, 1}}, .attempt = {2, module, 1}};
}

static void
start(struct fixture *f, uint32_t module, struct todo *t)
{
	struct mp_spec spec = {.argv = {t->argv, 0},
		.shell = t->shell,
		.env = t->env,
		.all_inputs = true,
		.outputs = {t->outputs, 0},
		.timeout_ms = t->timeout_ms,
		.grace_ms = MP_GRACE_MS_DEFAULT};
	struct mp_buf b;

	while (t->argv[spec.argv.n] != NULL)
		spec.argv.n++;
	while (spec.env_count < 4 && t->env[spec.env_count].name != NULL)
		spec.env_count++;
	while (spec.outputs.n < 4 && t->outputs[spec.outputs.n] != NULL)
		spec.outputs.n++;
	mp_buf_init(&b, &mp_heap, MP_SPEC_MAX);
	assert_int_equal(mp_spec_encode(&spec, &b), 0);
	t->req.key = key(module);
	t->req.module_name = mp_span_str("build[gcc]");
	t->req.attempt_number = 2;
	t->req.fence_term = 9;
	t->req.spec = mp_buf_span(&b);
	mp_exec_start(f->exec, &t->req);
	mp_buf_fini(&b); /* and all the rest may go as well */
}

static void
wait_done(struct fixture *f, size_t n)
{
	while (f->done_count < n)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
}

static const struct mp_exec_report *
run(struct fixture *f, struct todo *t)
{
	uint32_t module = (uint32_t)f->done_count;

	start(f, module, t);
	wait_done(f, f->done_count + 1);
	assert_int_equal(f->done[module].phase, MP_EXEC_DONE);
	return &f->done[module];
}

static void
expect_blob(struct fixture *f, const struct mp_hash *digest, const char *text)
{
	uint8_t *p;
	size_t n;

	assert_int_equal(mp_cache_get_bytes(f->cache, digest, 1u << 20, &p, &n, NULL), 0);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(p, text, n);
	free(p);
}

static void
expect_status(
	struct fixture *f, const struct mp_exec_report *r, enum mp_status status, const char *text)
{
	const char *error = f->error[r - f->done];

	if (r->status != status || strstr(error, text) == NULL)
		fail_msg("status %d: %s", r->status, error);
}

/* ---- tests ---- */

static void
test_true(void **state)
{
	struct fixture *f = *state;
	struct todo t = {.argv = {"true"}};
	const struct mp_exec_report *r = run(f, &t);

	expect_status(f, r, MP_STATUS_OK, "");
	assert_true(f->started[0]);
	assert_int_equal(r->exit_code, 0);
	assert_int_equal(r->error.n, 0);
	assert_true(mp_hash_is_zero(&r->manifest) && mp_hash_is_zero(&r->value));
	assert_true(mp_hash_is_zero(&r->out_log) && mp_hash_is_zero(&r->err_log));
	assert_true(r->started_ms > 0 && r->ended_ms >= r->started_ms && r->wall_us > 0);
	assert_int_equal(mp_exec_count(f->exec), 0);
}

static void
test_everything_at_once(void **state)
{
	struct fixture *f = *state;
	struct mp_blob_ref in, dep;
	struct mp_file input = {mp_span_str("src/in.txt"), MP_FILE_REGULAR, 5, {{0}}};
	struct mp_file output = {mp_span_str("lib/x"), MP_FILE_REGULAR, 3, {{0}}};
	struct mp_exec_dep deps[] = {
		{.name = mp_span_str("restore"), .files = &output, .file_count = 1}};
	struct todo t = {
		.shell = "cat src/in.txt \"$MP_DEPS/restore/lib/x\" > joined; echo out; "
			 "echo err >&2; echo -n 17 > \"$MP_OUTPUT\"; mkdir -p d/e; echo $COLOUR > "
			 "d/e/f; touch \"$HOME/h\" \"$TMPDIR/t\"",
		.env = {{"COLOUR", "blue"}},
		.outputs = {"d", "joined"},
	};
	const struct mp_exec_report *r;
	struct mp_manifest m;
	uint8_t *p;
	size_t n;

	assert_int_equal(mp_cache_put_bytes(f->cache, mp_span_str("input"), &in, NULL), 0);
	assert_int_equal(mp_cache_put_bytes(f->cache, mp_span_str("dep"), &dep, NULL), 0);
	input.digest = in.digest;
	output.digest = dep.digest;
	t.req = (struct mp_exec_request){
		.files = &input, .file_count = 1, .deps = deps, .dep_count = 1};
	r = run(f, &t);
	expect_status(f, r, MP_STATUS_OK, "");
	expect_blob(f, &r->out_log, "out\n");
	expect_blob(f, &r->err_log, "err\n");
	expect_blob(f, &r->value, "17");
	assert_int_equal(r->out_size, 4);
	assert_int_equal(r->output_files, 2);
	assert_int_equal(r->output_bytes, 5 + 8);
	assert_int_equal(mp_cache_get_bytes(f->cache, &r->manifest, 4096, &p, &n, NULL), 0);
	assert_int_equal(mp_manifest_decode(&mp_heap, mp_span(p, n), &m, NULL), 0);
	assert_int_equal(m.count, 2);
	expect_blob(f, &m.files[0].digest, "blue\n");
	expect_blob(f, &m.files[1].digest, "inputdep");
	mp_manifest_fini(&m);
	free(p);
}

/* Is the workspace of this attempt there? */
static bool
is_left(struct fixture *f, unsigned module)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "work/cd01%028d/build_gcc_.%u-2-1/w", 0, module);
	return access(scratch_path(&f->scratch, name), F_OK) == 0;
}

static void
expect_left(struct fixture *f, bool failed)
{
	struct todo well = {.shell = "echo x >file"}, fails = {.shell = "echo x >file; exit 1"};
	struct todo wants = {.shell = "echo x >file", .outputs = {"none"}};

	(void)run(f, &well);
	(void)run(f, &fails);
	(void)run(f, &wants);
	close_exec(f); /* what goes has gone */
	assert_false(is_left(f, 0));
	assert_int_equal(is_left(f, 1), failed);
	assert_int_equal(is_left(f, 2), failed);
}

static void
test_nothing_is_left(void **state)
{
	expect_left(*state, false);
}

static void
test_what_failed_is_left(void **state)
{
	expect_left(*state, true);
}

static void
test_environment(void **state)
{
	struct fixture *f = *state;
	struct todo t = {
		.shell = "cd \"$HOME/..\"; base=$(pwd); env | grep -Ev '^(_|PWD|OLDPWD|PPID|"
			 "OPTIND|PS|IFS)=' | sed \"s,$base,A,\" | sort",
		.env = {{"LANG", "de_DE.UTF-8"}, {"MP_MATRIX_CC", "gcc"}}};
	const struct mp_exec_report *r;

	(void)setenv("LEAK", "no", 1);
	r = run(f, &t);
	expect_status(f, r, MP_STATUS_OK, "");
	expect_blob(f, &r->out_log,
		"HOME=A/home\n"
		"LANG=de_DE.UTF-8\n"
		"MP_ATTEMPT=2\n"
		"MP_DEPS=A/deps\n"
		"MP_FENCE=9\n"
		"MP_MATRIX_CC=gcc\n"
		"MP_MODULE=build[gcc]\n"
		"MP_NODE=ada\n"
		"MP_OUTPUT=A/value\n"
		"MP_RUN=cd010000000000000000000000000000\n"
		"PATH=/usr/local/bin:/usr/bin:/bin\n"
		"TMPDIR=A/tmp\n");
}

static void
test_failures(void **state)
{
	struct fixture *f = *state;
	struct todo code = {.shell = "echo before; false; echo after", .outputs = {"x"}},
		    unset = {.shell = "echo $NOT_SET_ANYWHERE"}, sig = {.shell = "kill -KILL $$"},
		    none = {.argv = {"no-such-tool", "-v"}},
		    missing = {.argv = {"true"}, .outputs = {"bin/*"}},
		    slow = {.argv = {"sleep", "1000"}, .timeout_ms = 50};
	const struct mp_exec_report *r;

	r = run(f, &code);
	expect_status(f, r, MP_STATUS_FAILED, "exit code 1");
	expect_blob(f, &r->out_log, "before\n");
	assert_int_equal(r->exit_code, 1);
	expect_status(f, run(f, &unset), MP_STATUS_FAILED, "exit code 2");
	r = run(f, &sig);
	expect_status(f, r, MP_STATUS_FAILED, "killed by signal 9");
	assert_int_equal(r->signal, SIGKILL);
	assert_int_equal(r->exit_code, -1);
	r = run(f, &none);
	expect_status(f, r, MP_STATUS_NOT_STARTED, "no-such-tool: command not found");
	assert_false(f->started[r - f->done]);
	assert_false(r->trouble); /* it is not there the next time either */
	expect_status(f, run(f, &missing), MP_STATUS_NO_OUTPUT, "declared output bin/* is missing");
	expect_status(f, run(f, &slow), MP_STATUS_TIMED_OUT, "timed out after 50 ms");
}

static void
test_bad_requests(void **state)
{
	struct fixture *f = *state;
	struct mp_exec_request req = {.key = key(0), .spec = mp_span_str("junk")};
	struct mp_file out = {mp_span_str("../x"), MP_FILE_REGULAR, 0, {{0}}};
	struct todo t = {.argv = {"true"}, .req = {.files = &out, .file_count = 1}};

	mp_exec_start(f->exec, &req);
	wait_done(f, 1);
	expect_status(f, &f->done[0], MP_STATUS_NOT_STARTED, "specification of the module");
	expect_status(f, run(f, &t), MP_STATUS_NOT_STARTED, "../x");
}

/* That this node's copy of an input is gone is not the module's fault. */
static void
test_input_is_gone(void **state)
{
	struct fixture *f = *state;
	struct mp_file in = {mp_span_str("x"), MP_FILE_REGULAR, 1, {{7}}};
	struct todo t = {.argv = {"true"}, .req = {.files = &in, .file_count = 1}};
	const struct mp_exec_report *r = run(f, &t);

	expect_status(f, r, MP_STATUS_NOT_STARTED, "no such blob");
	assert_true(r->trouble);
}

static void
test_conflict(void **state)
{
	struct fixture *f = *state;
	struct mp_blob_ref a, b;
	struct mp_file files[2] = {{mp_span_str("x"), MP_FILE_REGULAR, 1, {{0}}},
		{mp_span_str("x"), MP_FILE_REGULAR, 1, {{0}}}};
	struct todo t = {.argv = {"true"}, .req = {.files = files, .file_count = 2}};

	assert_int_equal(mp_cache_put_bytes(f->cache, mp_span_str("a"), &a, NULL), 0);
	assert_int_equal(mp_cache_put_bytes(f->cache, mp_span_str("b"), &b, NULL), 0);
	files[0].digest = a.digest;
	files[1].digest = b.digest;
	expect_status(f, run(f, &t), MP_STATUS_CONFLICT, "x: two files claim this path");
}

static void
test_many_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct todo t = {.shell = "echo $MP_MODULE > o; sleep 0.0$MP_ATTEMPT", .outputs = {"o"}};
	uint32_t i;

	for (i = 0; i < 40; i++)
		start(f, i, &t);
	assert_int_equal(mp_exec_count(f->exec), 40);
	wait_done(f, 40);
	for (i = 0; i < 40; i++)
		expect_status(f, &f->done[i], MP_STATUS_OK, "");
}

static void
test_kill(void **state)
{
	struct fixture *f = *state;
	struct todo t = {.argv = {"sleep", "1000"}};
	struct mp_attempt_key k = key(0), other = key(1);

	f->kill_when_started = true;
	start(f, 0, &t);
	mp_exec_kill(f->exec, &other);
	wait_done(f, 1);
	expect_status(f, &f->done[0], MP_STATUS_CANCELLED, "cancelled");
	assert_int_equal(f->done[0].signal, SIGTERM);
	mp_exec_kill(f->exec, &k);
	f->kill_when_started = false;
	start(f, 1, &t);
	mp_exec_kill(f->exec, &other); /* while it is laid */
	wait_done(f, 2);
	expect_status(f, &f->done[1], MP_STATUS_CANCELLED, "before it started");
	assert_false(f->started[1]);
}

static void
test_log_of_a_running_command(void **state)
{
	struct fixture *f = *state;
	struct todo t = {.shell = "echo live; while ! test -f \"$HOME/go\"; do sleep 0.01; done"};
	struct mp_attempt_key k = key(0);
	char path[PATH_MAX], go[PATH_MAX], *text = NULL;

	assert_int_equal(
		mp_exec_log_path(f->exec, &k, MP_EXEC_LOG_OUT, path, sizeof(path)), MP_ENOENT);
	start(f, 0, &t);
	while (!f->started[0])
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(mp_exec_log_path(f->exec, &k, MP_EXEC_LOG_ERR, path, 5), MP_ELIMIT);
	assert_int_equal(mp_exec_log_path(f->exec, &k, MP_EXEC_LOG_OUT, path, sizeof(path)), 0);
	while ((text = scratch_read(path, NULL)) == NULL || strcmp(text, "live\n") != 0)
		free(text);
	free(text);
	*strrchr(path, '/') = '\0';
	(void)snprintf(go, sizeof(go), "%.4000s/home/go", path);
	scratch_write(go, "", 0);
	wait_done(f, 1);
	expect_status(f, &f->done[0], MP_STATUS_OK, "");
}

static void
test_log_is_read_on(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_path(&f->scratch, "log");
	uint64_t offset = 2;
	char bytes[8] = "";
	size_t got;

	assert_int_equal(mp_exec_log_read(path, &offset, bytes, 5, &got), 0);
	assert_int_equal(got, 0); /* no file yet */
	scratch_write(path, "0123456789", 10);
	assert_int_equal(mp_exec_log_read(path, &offset, bytes, 5, &got), 0);
	assert_true(got == 5 && offset == 2);
	assert_memory_equal(bytes, "23456", 5);
	assert_int_equal(mp_exec_log_read(f->scratch.path, &offset, bytes, 5, &got), MP_EIO);
}

/* What reads as zeros because the middle was dropped is stepped over. */
static void
test_long_log_is_stepped_over(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_path(&f->scratch, "log");
	uint64_t half = MP_OUTPUT_KEEP_MAX / 2, size = 3 * half, offset = 0, at = 0, seen = 0;
	size_t room = 65536, got;
	char *bytes = malloc(room);

	assert_non_null(bytes);
	scratch_write(path, "", 0);
	assert_int_equal(truncate(path, (off_t)size), 0);
	do {
		assert_int_equal(mp_exec_log_read(path, &offset, bytes, room, &got), 0);
		assert_true(offset >= at);
		assert_true(offset + got <= half || offset >= size - half);
		seen += got;
		offset += got;
		at = offset;
	} while (got > 0);
	assert_true(seen == 2 * half);
	free(bytes);
}

/* More than is kept: that is told by a line in it, and is nobody's fault. */
static void
test_cut_log(void **state)
{
	struct fixture *f = *state;
	struct todo t = {.shell = "head -c 17000000 /dev/zero"};
	const struct mp_exec_report *r = run(f, &t);

	expect_status(f, r, MP_STATUS_OK, "");
	assert_int_equal(r->out_size, 17000000);
	assert_true(r->out_cut && !r->err_cut);
	assert_false(mp_hash_is_zero(&r->out_log));
	assert_int_equal(r->error.n, 0);
}

static pid_t
wait_pid_file(struct fixture *f, const char *name)
{
	char *text;
	pid_t pid;

	while ((text = scratch_read(scratch_path(&f->scratch, name), NULL)) == NULL)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	pid = (pid_t)strtol(text, NULL, 10);
	free(text);
	assert_true(pid > 1);
	return pid;
}

/* A command that says who supervises it, and stays. */
static void
start_sleeper(struct fixture *f, uint32_t module, struct todo *t, char *script, size_t size)
{
	(void)snprintf(script, size,
		"sleep 1000 & echo $PPID > p; echo $! > q; mv q %s/child; mv p %s/keeper; wait",
		f->scratch.path, f->scratch.path);
	*t = (struct todo){.shell = script};
	start(f, module, t);
}

static void
wait_gone(pid_t pid)
{
	while (kill(pid, 0) == 0)
		(void)waitpid(pid, NULL, WNOHANG);
}

static void
test_keeper_that_dies(void **state)
{
	struct fixture *f = *state;
	struct todo t, well = {.argv = {"true"}};
	char script[1024];
	pid_t child;

	start_sleeper(f, 0, &t, script, sizeof(script));
	assert_int_equal(kill(wait_pid_file(f, "keeper"), SIGKILL), 0);
	child = wait_pid_file(f, "child");
	wait_done(f, 1);
	expect_status(f, &f->done[0], MP_STATUS_FAILED, "together with its supervisor");
	wait_gone(child);
	expect_status(f, run(f, &well), MP_STATUS_OK, "");
	assert_int_equal(f->failed, 0);
}

static void
test_executor_that_dies(void **state)
{
	struct fixture *f = *state;
	struct todo t, late = {.argv = {"true"}};
	char script[1024];
	pid_t child;

	start_sleeper(f, 0, &t, script, sizeof(script));
	child = wait_pid_file(f, "child");
	assert_int_equal(kill(f->executor.pid, SIGKILL), 0);
	wait_done(f, 1);
	assert_int_not_equal(f->done[0].status, MP_STATUS_OK);
	while (f->failed == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(kill(child, 0), -1);
	expect_status(f, run(f, &late), MP_STATUS_NOT_STARTED, "the executor is gone");
	assert_int_equal(f->failed, 1);
}

static void
test_close_kills(void **state)
{
	struct fixture *f = *state;
	struct todo t, late = {.argv = {"true"}};
	char script[1024];
	pid_t child;

	start_sleeper(f, 0, &t, script, sizeof(script));
	child = wait_pid_file(f, "child");
	start(f, 1, &late); /* still being laid when it closes */
	assert_int_equal(teardown(state), 0);
	assert_int_equal(kill(child, 0), -1);
	assert_int_equal(setup(state), 0);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_true),
		T(test_everything_at_once),
		T(test_nothing_is_left),
		cmocka_unit_test_setup_teardown(test_what_failed_is_left, setup_keeping, teardown),
		T(test_environment),
		T(test_failures),
		T(test_bad_requests),
		T(test_input_is_gone),
		T(test_conflict),
		T(test_many_at_a_time),
		T(test_kill),
		T(test_log_of_a_running_command),
		T(test_log_is_read_on),
		T(test_long_log_is_stepped_over),
		T(test_cut_log),
		T(test_keeper_that_dies),
		T(test_executor_that_dies),
		T(test_close_kills),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
