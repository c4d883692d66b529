/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a module, and of `defaults`. */
#include "codec/pipeline_read.h"
#include "codec/pipeline_text.h"
#include "codec/tool.h"
#include "mp/limits.h"

/* ---- keys that modules and defaults share ---- */

static void
read_timeout_value(struct mp_pipeline_reader *r, const struct mp_value *v, uint64_t *out)
{
	if (v->kind == MP_VALUE_TEXT && strcmp(v->s, "none") == 0)
		*out = 0;
	else if (mp_read_duration(r, v, out) && *out == 0)
		mp_pipeline_reader_fail(r, v->pos, "expected a duration above 0, or none");
}

static void
read_timeout(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_TIMEOUT;
	read_timeout_value(r, v, &d->m.timeout_ms);
}

static void
read_placement_timeout(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_PLACEMENT;
	read_timeout_value(r, v, &d->m.placement_timeout_ms);
}

static void
read_grace(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_GRACE;
	(void)mp_read_duration(r, v, &d->m.grace_ms);
}

static void
read_cache(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_CACHE;
	(void)mp_read_bool(r, v, &d->m.cache);
}

static void
read_once(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	(void)mp_read_bool(r, v, &d->m.once);
}

static void
read_attempts(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;
	uint64_t n = 1;

	d->set |= MP_SET_ATTEMPTS;
	if (mp_read_uint(r, v, 1, MP_ATTEMPTS_MAX, "a number of attempts", &n))
		d->m.retry.attempts = (uint32_t)n;
}

static void
read_backoff(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_BACKOFF;
	(void)mp_read_duration(r, v, &d->m.retry.backoff_ms);
}

static void
read_max_backoff(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_MAX_BACKOFF;
	(void)mp_read_duration(r, v, &d->m.retry.max_backoff_ms);
}

/* One entry of `on`: an exit code, or a word. */
static void
read_on_entry(struct mp_pipeline_reader *r, struct mp_retry *retry, bool exits[256],
	const struct mp_value *v)
{
	static const char what[] = "an exit code, exit, signal or timeout";
	uint64_t code;
	bool *word = NULL;

	if (v->kind == MP_VALUE_TEXT) {
		word = strcmp(v->s, "exit") == 0      ? &retry->on_exit
		       : strcmp(v->s, "signal") == 0  ? &retry->on_signal
		       : strcmp(v->s, "timeout") == 0 ? &retry->on_timeout
						      : NULL;
	}
	if (word == NULL) {
		if (mp_read_uint(r, v, 1, 255, what, &code))
			word = &exits[code];
		else
			return;
	}
	if (*word)
		mp_pipeline_reader_fail(r, v->pos, "an entry of 'on' is written twice");
	*word = true;
}

static void
read_on(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;
	struct mp_retry *retry = &d->m.retry;
	bool exits[256] = {false};
	uint8_t *list;

	d->set |= MP_SET_ON;
	if (v->kind != MP_VALUE_LIST) {
		mp_read_expected(r, v, "a list of exit codes, exit, signal and timeout");
		return;
	}
	if (v->count == 0)
		mp_pipeline_reader_fail(r, v->pos, "'on' is empty: nothing would be tried again");
	for (const struct mp_value *item = v->first; item != NULL; item = item->next)
		read_on_entry(r, retry, exits, item);
	list = mp_read_take(r, 255, sizeof(*list));
	if (list == NULL)
		return;
	for (unsigned code = 1; code < 256 && !retry->on_exit; code++)
		if (exits[code])
			list[retry->exit_count++] = (uint8_t)code;
	retry->exits = list;
}

static void
read_retry(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	static const struct mp_field fields[] = {
		{"attempts", read_attempts},
		{"backoff", read_backoff},
		{"max_backoff", read_max_backoff},
		{"on", read_on},
	};
	struct mp_draft *d = into;

	d->set |= MP_SET_RETRY;
	d->retry_pos = v->pos;
	if (v->kind != MP_VALUE_MAP)
		d->set |= MP_SET_ATTEMPTS; /* one mistake is enough */
	mp_read_map(r, v, "a map with attempts", fields, mp_countof(fields), d);
}

static void
read_label(struct mp_pipeline_reader *r, const struct mp_value *v, const char *what,
	struct mp_text *out)
{
	if (mp_read_text(r, v, MP_ARG_MAX, what, out) && !mp_text_has_ref(out->s) &&
		!mp_is_label(out->s))
		mp_pipeline_reader_fail(r, v->pos,
			"expected %s of at most %d bytes without spaces and '/', found '%.60s'",
			what, MP_NAME_MAX, out->s);
}

static void
read_labels(struct mp_pipeline_reader *r, const struct mp_value *v, const char *what,
	struct mp_texts *out)
{
	if (!mp_read_texts(r, v, MP_ARG_MAX, what, out))
		return;
	for (uint32_t i = 0; i < out->n; i++)
		if (!mp_text_has_ref(out->v[i].s) && !mp_is_label(out->v[i].s))
			mp_pipeline_reader_fail(r, out->v[i].pos,
				"expected a name of at most %d bytes without spaces and '/', "
				"found '%.60s'",
				MP_NAME_MAX, out->v[i].s);
}

static void
read_os(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	read_label(r, v, "an operating system", &((struct mp_requires *)into)->os);
}

static void
read_arch(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	read_label(r, v, "an architecture", &((struct mp_requires *)into)->arch);
}

static void
read_tools(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_texts *out = &((struct mp_requires *)into)->tools;
	struct mp_error err;

	read_labels(r, v, "a list of tools", out);
	for (uint32_t i = 0; i < out->n; i++) {
		if (!mp_text_has_ref(out->v[i].s) && mp_is_label(out->v[i].s) &&
			mp_tool_check(out->v[i].s, &err) != 0)
			mp_pipeline_reader_fail(r, out->v[i].pos, "%s", err.text);
	}
}

static void
read_tags(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	read_labels(r, v, "a list of tags", &((struct mp_requires *)into)->tags);
}

static void
read_requires(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	static const struct mp_field fields[] = {
		{"os", read_os},
		{"arch", read_arch},
		{"tools", read_tools},
		{"tags", read_tags},
	};
	struct mp_draft *d = into;

	d->requires = mp_read_take(r, 1, sizeof(*d->requires));
	if (d->requires != NULL)
		mp_read_map(r, v, "a map with os, arch, tools or tags", fields, mp_countof(fields),
			d->requires);
	d->m.requires = d->requires;
}

static void
read_resources(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	d->set |= MP_SET_RESOURCES;
	mp_read_demands(r, v, &d->m.resources);
}

/* ---- keys of a module ---- */

static void
read_needs(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	if (v->kind != MP_VALUE_LIST) {
		mp_read_expected(r, v, "a list of modules");
		return;
	}
	d->m.needs = mp_read_take(r, v->count, sizeof(*d->m.needs));
	if (d->m.needs == NULL)
		return;
	for (const struct mp_value *item = v->first; item != NULL; item = item->next) {
		struct mp_need *need = &d->m.needs[d->m.need_count];

		if (mp_read_is_nothing(item))
			mp_read_expected(r, item, "a module");
		else if (mp_read_text(r, item, MP_ARG_MAX, "a module", &need->text))
			d->m.need_count++;
	}
}

static void
read_run(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	static const char what[] = "a command: text for the shell, or a list of arguments";
	struct mp_draft *d = into;

	d->set |= MP_SET_RUN;
	if (v->kind != MP_VALUE_LIST) {
		if (mp_read_is_nothing(v))
			mp_read_expected(r, v, what);
		else if (mp_read_text(r, v, MP_ARG_MAX, what, &d->m.shell) &&
			 d->m.shell.s[strspn(d->m.shell.s, " \t\n")] == '\0')
			mp_pipeline_reader_fail(r, v->pos, "the command is empty");
		return;
	}
	if (!mp_read_texts(r, v, MP_ARG_MAX, what, &d->m.argv))
		return;
	if (d->m.argv.n == 0 || d->m.argv.v[0].s[0] == '\0')
		mp_pipeline_reader_fail(r, v->pos, "the command is empty");
}

bool
mp_read_env_name(struct mp_pipeline_reader *r, const struct mp_value *key)
{
	if (key->kind == MP_VALUE_BAD)
		return false;
	if (!mp_is_identifier(key->s, false)) {
		mp_pipeline_reader_fail(r, key->pos,
			"'%.60s' cannot name an environment variable: letters, digits and '_', no "
			"digit first",
			key->s);
		return false;
	}
	if (strncmp(key->s, "MP_", 3) == 0) {
		mp_pipeline_reader_fail(
			r, key->pos, "'%.60s': names that begin with MP_ are taken", key->s);
		return false;
	}
	return true;
}

static void
read_env(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	(void)mp_read_bindings(
		r, v, MP_ENV_MAX, mp_read_env_name, "a map of environment variables", &d->m.env);
}

static void
read_inputs(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	(void)mp_read_texts(r, v, MP_ARG_MAX, "a list of globs", &d->m.inputs);
}

static void
read_outputs(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	struct mp_draft *d = into;

	(void)mp_read_texts(r, v, MP_ARG_MAX, "a list of globs", &d->m.outputs);
	d->m.outputs.set = d->m.outputs.n > 0;
}

static void
read_secrets(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	mp_read_secrets(r, v, &((struct mp_draft *)into)->m.secrets);
}

static void
read_matrix(struct mp_pipeline_reader *r, void *into, const struct mp_value *v)
{
	mp_read_matrix(r, v, into);
}

void
mp_read_module(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_draft *d)
{
	static const struct mp_field fields[] = {
		{"needs", read_needs},
		{"run", read_run},
		{"env", read_env},
		{"inputs", read_inputs},
		{"outputs", read_outputs},
		{"matrix", read_matrix},
		{"requires", read_requires},
		{"retry", read_retry},
		{"timeout", read_timeout},
		{"placement_timeout", read_placement_timeout},
		{"grace", read_grace},
		{"cache", read_cache},
		{"once", read_once},
		{"when", NULL},
		{"not_in_parallel", NULL},
		{"secrets", read_secrets},
		{"resources", read_resources},
		{"pin", NULL},
		{"priority", NULL},
		{"always", NULL},
		{"ignore_failure", NULL},
	};

	mp_read_map(r, v, "a map with run", fields, mp_countof(fields), d);
}

void
mp_read_defaults(struct mp_pipeline_reader *r, const struct mp_value *v, struct mp_draft *d)
{
	static const struct mp_field fields[] = {
		{"timeout", read_timeout},
		{"placement_timeout", read_placement_timeout},
		{"grace", read_grace},
		{"retry", read_retry},
		{"requires", read_requires},
		{"cache", read_cache},
		{"resources", read_resources},
		{"priority", NULL},
		{"pin", NULL},
	};

	mp_read_map(r, v, "a map of defaults", fields, mp_countof(fields), d);
}
