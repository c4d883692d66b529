/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/record_secret.h"
#include "mp/limits.h"
#include "shell/exec_impl.h"
#include "shell/heap.h"
#include "util/clock.h"
#include "util/hex.h"
#include "util/mask.h"

#define EXEC_PATH "/usr/local/bin:/usr/bin:/bin"

/* One request, and what is made of it. More: the attempt is not started. */
#define EXEC_MEMORY_MAX (512u * 1024 * 1024)

/* Variables that every command gets. */
#define EXEC_OWN_ENV 16

/* ---- copying ---- */

/* Sticky: after memory ran out everything is empty. */
static struct mp_span
copy_span(struct exec_attempt *a, struct mp_span s, bool *ok)
{
	char *p = mp_arena_text(&a->arena, s.n == 0 ? "" : (const char *)s.p, s.n);

	*ok = *ok && p != NULL;
	return mp_span(p, p == NULL ? 0 : s.n);
}

static const struct mp_file *
copy_files(struct exec_attempt *a, const struct mp_file *files, size_t n, bool *ok)
{
	struct mp_file *out = mp_arena_take_n(&a->arena, n, sizeof(*out));
	size_t i;

	*ok = *ok && out != NULL;
	for (i = 0; *ok && i < n; i++) {
		out[i] = files[i];
		out[i].path = copy_span(a, files[i].path, ok);
	}
	return out;
}

static const struct mp_exec_dep *
copy_deps(struct exec_attempt *a, const struct mp_exec_request *req, bool *ok)
{
	struct mp_exec_dep *out = mp_arena_take_n(&a->arena, req->dep_count, sizeof(*out));
	size_t i;

	*ok = *ok && out != NULL;
	for (i = 0; *ok && i < req->dep_count; i++) {
		const struct mp_exec_dep *dep = &req->deps[i];

		out[i] = *dep;
		out[i].name = copy_span(a, dep->name, ok);
		out[i].result = copy_span(a, dep->result, ok);
		out[i].files = copy_files(a, dep->files, dep->file_count, ok);
	}
	return out;
}

int
exec_copy_request(struct exec_attempt *a, const struct mp_exec_request *req)
{
	bool ok = true;

	mp_arena_init(&a->arena, &mp_heap, EXEC_MEMORY_MAX);
	a->req = *req;
	a->req.module_name = copy_span(a, req->module_name, &ok);
	a->req.spec = copy_span(a, req->spec, &ok);
	a->req.secrets = copy_span(a, req->secrets, &ok);
	a->req.files = copy_files(a, req->files, req->file_count, &ok);
	a->req.deps = copy_deps(a, req, &ok);
	return ok ? 0 : MP_ENOMEM;
}

void
exec_attempt_free(struct exec_attempt *a)
{
	mp_spec_free(a->spec);
	mp_arena_fini(&a->arena);
	free(a);
}

/* ---- what to run ---- */

struct env_list {
	struct exec_attempt *a;
	char **v;
	size_t n;
	bool ok;
};

static void
env_add(struct env_list *env, const char *name, const char *value)
{
	size_t n = strlen(name), m = strlen(value);
	char *p = mp_arena_take(&env->a->arena, n + m + 2);

	if (p == NULL) {
		env->ok = false;
		return;
	}
	memcpy(p, name, n);
	p[n] = '=';
	memcpy(p + n + 1, value, m + 1);
	env->v[env->n++] = p;
}

static bool
spec_has(const struct mp_spec *spec, const char *name)
{
	uint32_t i;

	for (i = 0; i < spec->env_count; i++)
		if (strcmp(spec->env[i].name, name) == 0)
			return true;
	for (i = 0; i < spec->secrets.n; i++)
		if (strcmp(spec->secrets.v[i], name) == 0)
			return true;
	return false;
}

static void
env_add_default(struct env_list *env, const char *name, const char *value)
{
	if (!spec_has(env->a->spec, name))
		env_add(env, name, value);
}

static void
env_add_below(struct env_list *env, const char *name, const char *file)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", env->a->ws.path, file) < sizeof(path))
		env_add_default(env, name, path);
	else
		env->ok = false;
}

static void
env_add_number(struct env_list *env, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	env_add(env, name, text);
}

static void
env_add_run(struct env_list *env, const struct mp_run_id *run)
{
	char text[MP_HEX_SIZE(sizeof(run->b))];

	mp_hex(text, run->b, sizeof(run->b));
	env_add(env, "MP_RUN", text);
}

/* They come last: the keeper masks them. */
static void
env_add_secrets(struct env_list *env)
{
	struct exec_attempt *a = env->a;
	struct mp_secret_value v;
	struct mp_cbor_r r;
	size_t left = mp_secrets_begin(&r, a->req.secrets);

	while (mp_secrets_next(&r, &left, &v) && a->spawn.secrets < a->spec->secrets.n) {
		const char *name = mp_arena_text(&a->arena, (const char *)v.name.p, v.name.n);
		const char *value = mp_arena_text(
			&a->arena, v.value.n == 0 ? "" : (const char *)v.value.p, v.value.n);

		env->ok = env->ok && name != NULL && value != NULL;
		if (!env->ok)
			return;
		env_add(env, name, value);
		a->spawn.secrets++;
	}
	env->ok = env->ok && a->spawn.secrets == a->spec->secrets.n;
}

static bool
exec_make_env(struct exec_attempt *a)
{
	const struct mp_exec *x = a->exec;
	struct env_list env = {.a = a, .ok = true};
	uint32_t i;

	env.v = mp_arena_take_n(&a->arena,
		(size_t)a->spec->env_count + a->spec->secrets.n + EXEC_OWN_ENV, sizeof(*env.v));
	if (env.v == NULL)
		return false;
	env_add_default(&env, "PATH", x->path == NULL ? EXEC_PATH : x->path);
	env_add_default(&env, "LANG", "C.UTF-8");
	env_add_below(&env, "HOME", "home");
	env_add_below(&env, "TMPDIR", "tmp");
	env_add_below(&env, "MP_DEPS", "deps");
	env_add_below(&env, "MP_OUTPUT", "value");
	env_add_run(&env, &a->req.key.run);
	env_add(&env, "MP_MODULE", (const char *)a->req.module_name.p);
	env_add(&env, "MP_NODE", x->node_name);
	env_add_number(&env, "MP_ATTEMPT", a->req.attempt_number);
	env_add_number(&env, "MP_FENCE", a->req.fence_term);
	for (i = 0; i < a->spec->env_count; i++)
		env_add(&env, a->spec->env[i].name, a->spec->env[i].value);
	env_add_secrets(&env);
	a->spawn.env = env.v; /* zeroed, so it ends in NULL */
	return env.ok;
}

static bool
exec_make_argv(struct exec_attempt *a)
{
	const struct mp_spec *spec = a->spec;
	char **v;

	if (spec->shell == NULL) {
		a->spawn.argv = (char **)(uintptr_t)spec->argv.v;
		return true;
	}
	v = mp_arena_take_n(&a->arena, 5, sizeof(*v));
	if (v == NULL)
		return false;
	v[0] = mp_arena_text(&a->arena, "/bin/sh", 7);
	v[1] = mp_arena_text(&a->arena, "-eu", 3);
	v[2] = mp_arena_text(&a->arena, "-c", 2);
	v[3] = (char *)(uintptr_t)spec->shell;
	a->spawn.argv = v;
	return v[0] != NULL && v[1] != NULL && v[2] != NULL;
}

static const char *
exec_path(struct exec_attempt *a, const char *file)
{
	size_t n = strlen(a->ws.path), m = strlen(file);
	char *p = mp_arena_take(&a->arena, n + m + 2);

	if (p == NULL)
		return NULL;
	memcpy(p, a->ws.path, n);
	p[n] = '/';
	memcpy(p + n + 1, file, m + 1);
	return p;
}

static bool
exec_make_spawn(struct exec_attempt *a)
{
	a->spawn.dir = exec_path(a, "w");
	a->spawn.out = exec_path(a, "out");
	a->spawn.err = exec_path(a, "err");
	a->spawn.uid = a->ws.uid;
	a->spawn.gid = a->ws.gid;
	a->spawn.timeout_ms = a->spec->timeout_ms;
	a->spawn.grace_ms = a->spec->grace_ms;
	a->spawn.keep_max = MP_OUTPUT_KEEP_MAX;
	return a->spawn.dir != NULL && a->spawn.out != NULL && a->spawn.err != NULL &&
	       exec_make_argv(a) && exec_make_env(a);
}

void
exec_lay(struct exec_attempt *a)
{
	int rc;

	a->report.status = MP_STATUS_NOT_STARTED;
	rc = mp_spec_decode(a->req.spec, &mp_heap, &a->spec);
	if (rc != 0) {
		(void)mp_fail(&a->err, rc, "specification of the module: %s", mp_strerror(rc));
		return;
	}
	rc = mp_workspace_lay(
		a->exec->root, a->exec->config.cache, &a->req, &a->ws, &a->report.status, &a->err);
	if (rc != 0) {
		a->err.code = rc;
		a->stale = rc == MP_ECORRUPT || rc == MP_ENOENT;
		return;
	}
	a->err.code = 0;
	if (!exec_make_spawn(a))
		(void)mp_fail(&a->err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
}

/* ---- what came out ---- */

/* How the command ended, in status and words. */
static void
exec_judge(struct exec_attempt *a)
{
	const struct mp_keeper_exited *e = &a->end;

	if (e->timed_out) {
		a->report.status = MP_STATUS_TIMED_OUT;
		(void)mp_fail(&a->err, MP_ETIMEOUT, "timed out after %llu ms",
			(unsigned long long)a->spec->timeout_ms);
	} else if (e->unleased) {
		a->report.status = MP_STATUS_CANCELLED;
		(void)mp_fail(&a->err, MP_ECANCELED,
			"killed: no leader of the run was heard for %d s", MP_ONCE_LEASE_MS / 1000);
	} else if (e->killed) {
		a->report.status = MP_STATUS_CANCELLED;
		(void)mp_fail(&a->err, MP_ECANCELED, "cancelled");
	} else if (e->signal != 0) {
		a->report.status = MP_STATUS_FAILED;
		(void)mp_fail(&a->err, MP_EIO, "killed by signal %d (%s)", e->signal,
			strsignal(e->signal));
	} else if (e->exit_code != 0) {
		a->report.status = MP_STATUS_FAILED;
		(void)mp_fail(&a->err, MP_EIO, "exit code %d", e->exit_code);
	} else {
		a->report.status = MP_STATUS_OK;
	}
}

static void
exec_measure(struct exec_attempt *a)
{
	const struct mp_keeper_exited *e = &a->end;
	struct mp_exec_report *r = &a->report;

	r->exit_code = e->exit_code;
	r->signal = e->signal;
	r->started_ms = e->started_ms != 0 ? e->started_ms : mp_clock_wall_ms();
	r->ended_ms = e->ended_ms != 0 ? e->ended_ms : mp_clock_wall_ms();
	r->wall_us = e->wall_us;
	r->user_us = e->user_us;
	r->sys_us = e->sys_us;
	r->rss_max_kib = e->rss_max_kib;
	r->out_size = e->out_size;
	r->err_size = e->err_size;
	r->out_cut = e->out_cut || e->out_lost;
	r->err_cut = e->err_cut || e->err_lost;
}

/* What is known of secrets when outputs are gathered. */
static int
exec_mask(const struct exec_attempt *a, struct mp_mask **mask)
{
	struct mp_span values[MP_SECRETS_MAX];
	struct mp_secret_value v;
	struct mp_cbor_r r;
	size_t left = mp_secrets_begin(&r, a->req.secrets), n = 0;

	while (mp_secrets_next(&r, &left, &v))
		values[n++] = v.value;
	return n == 0 ? 0 : mp_mask_new(&mp_heap, values, n, mask);
}

static void
exec_collect(struct exec_attempt *a)
{
	const struct mp_names_list *globs = &a->spec->outputs;
	struct mp_workspace_yield y;
	struct mp_mask *mask = NULL;
	int rc = exec_mask(a, &mask);

	a->ws.mask = mask;
	if (rc != 0)
		(void)mp_fail(&a->err, rc, "outputs: %s", mp_strerror(rc));
	else
		rc = mp_workspace_collect(
			&a->ws, a->exec->config.cache, globs->v, globs->n, &y, &a->err);
	a->ws.mask = NULL;
	mp_mask_free(mask);
	if (rc != 0) {
		a->report.status = MP_STATUS_NO_OUTPUT;
		a->err.code = rc;
		return;
	}
	a->err.code = 0;
	a->report.manifest = y.manifest;
	a->report.output_files = y.files;
	a->report.output_bytes = y.bytes;
	a->report.value = y.value;
}

/* False: it is not kept, and *err says why. What was looked for in vain on the way to a success is
 * no news. */
static bool
exec_keep_log(struct exec_attempt *a, const char *which, uint64_t size, struct mp_hash *log,
	struct mp_error *err)
{
	int rc = mp_workspace_log(
		&a->ws, a->exec->config.cache, which, size, MP_OUTPUT_KEEP_MAX, log, err);

	if (rc == 0)
		*err = (struct mp_error){0};
	return rc == 0;
}

/* A log that cannot be kept is told of, but fails nobody. */
static void
exec_keep_logs(struct exec_attempt *a)
{
	struct mp_exec_report *r = &a->report;
	struct mp_error out, err;

	r->out_cut |= !exec_keep_log(a, "out", r->out_size, &r->out_log, &out);
	r->err_cut |= !exec_keep_log(a, "err", r->err_size, &r->err_log, &err);
	if (a->err.code != 0)
		return;
	if (out.code != 0 || err.code != 0)
		a->err = out.code != 0 ? out : err;
	else if (a->end.out_lost || a->end.err_lost)
		(void)mp_fail(&a->err, MP_EFULL, "output could not be kept: disk full?");
}

/* Is it this node that failed, and not the module? */
static bool
exec_trouble(const struct exec_attempt *a)
{
	enum mp_status status = a->report.status;

	/* What it reads is fetched anew next time. */
	return (status == MP_STATUS_NOT_STARTED && a->stale) ||
	       ((status == MP_STATUS_NOT_STARTED || status == MP_STATUS_NO_OUTPUT) &&
		       (a->err.code == MP_EFULL || a->err.code == MP_ENOMEM));
}

static bool
exec_keeps(const struct exec_attempt *a)
{
	return a->exec->config.keep_failed && a->report.status != MP_STATUS_OK;
}

void
exec_finish(struct exec_attempt *a)
{
	struct mp_exec_report *r = &a->report;

	if (a->spawned) {
		exec_measure(a);
		if (a->err.code == 0)
			exec_judge(a);
		if (r->status == MP_STATUS_OK)
			exec_collect(a);
		r->trouble = exec_trouble(a);
		exec_keep_logs(a);
		if (a->end.left > 0 && a->err.code != 0)
			(void)mp_wrap(&a->err, "%u processes would not die", a->end.left);
		else if (a->end.left > 0)
			(void)mp_fail(&a->err, MP_EBUSY, "%u processes would not die", a->end.left);
	} else {
		r->exit_code = -1;
		r->started_ms = r->ended_ms = mp_clock_wall_ms();
		if (a->killed && a->err.code == 0) {
			r->status = MP_STATUS_CANCELLED;
			(void)mp_fail(&a->err, MP_ECANCELED, "cancelled before it started");
		}
		r->trouble = exec_trouble(a);
	}
	a->ws.haunted = a->end.left > 0;
	if (a->ws.fd >= 0 && !exec_keeps(a))
		(void)mp_workspace_put_back(a->exec->root, &a->ws);
	if (a->err.code != 0)
		r->error = mp_span_str(a->err.text);
}

void
exec_leave(struct exec_attempt *a)
{
	(void)mp_workspace_remove(a->exec->root, &a->ws, exec_keeps(a), NULL);
}
