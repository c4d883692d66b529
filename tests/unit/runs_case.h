/* SPDX-License-Identifier: Apache-2.0 */
/* Submissions to the nodes of runs_cluster.h, and looks at what became of them. Included by one
 * test program only. */
#ifndef MP_TESTS_RUNS_CASE_H
#define MP_TESTS_RUNS_CASE_H

#include "unit/runs_cluster.h"

struct submission {
	struct mp_submit_req req;
	bool done;
	int rc;
	struct mp_run_id run;
	char text[MP_ERROR_TEXT_MAX];
};

static void
submitted(struct mp_submit_req *req, struct mp_env *env, int rc, const struct mp_run_id *run,
	const char *text)
{
	struct submission *s = mp_container_of(req, struct submission, req);

	(void)env;
	assert_false(s->done);
	s->done = true;
	s->rc = rc;
	s->run = *run;
	memcpy(s->text, text, strlen(text) + 1);
}

#define DIAMOND                                                                                    \
	"meshpipe: 1\nname: diamond\nmodules:\n"                                                   \
	"  a: { run: [\"true\"] }\n"                                                               \
	"  b: { needs: [a], run: [\"true\"] }\n"                                                   \
	"  c: { needs: [a], run: [\"true\"] }\n"                                                   \
	"  d: { needs: [b, c], run: [\"true\"] }\n"

static int
submit(struct cluster *c, int node, const char *yaml, struct submission *s, struct mp_error *err)
{
	struct cluster_node *n = &c->nodes[node];
	struct mp_submission what = {.key = NULL};
	struct mp_pipeline *p;
	struct mp_buf cbor;
	int rc;

	*s = (struct submission){.req = {.done = submitted}};
	assert_int_equal(mp_pipeline_parse("test", mp_span_str(yaml), &c->alloc, &p, NULL), 0);
	mp_buf_init(&cbor, &c->alloc, 1u << 20);
	assert_int_equal(mp_pipeline_encode(p, &cbor), 0);
	what.pipeline = mp_buf_span(&cbor);
	step_begin(c, node);
	rc = mp_runs_submit(n->runs, &n->env, &what, &s->req, err);
	step_end(c, node);
	mp_buf_fini(&cbor);
	mp_pipeline_free(p);
	return rc;
}

static void
submit_ok(struct cluster *c, int node, struct submission *s)
{
	struct mp_error err = {0};

	assert_int_equal(submit(c, node, DIAMOND, s, &err), 0);
	for (int i = 0; i < 200 && !s->done; i++)
		cluster_run(c, 100);
	assert_true(s->done);
	assert_int_equal(s->rc, 0);
}

static inline enum mp_run_state
state_at(struct cluster *c, int node, const struct mp_run_id *run, struct mp_show *show)
{
	static struct mp_buf buf;
	struct mp_show local;
	int rc;

	mp_buf_init(&buf, &c->alloc, 1u << 20);
	show = show != NULL ? show : &local;
	rc = mp_runs_snapshot(c->nodes[node].runs, &c->nodes[node].env, run, 0, 100, &buf);
	assert_int_equal(rc, 0);
	assert_int_equal(mp_show_decode(mp_buf_span(&buf), show), 0);
	mp_buf_fini(&buf);
	return show->state;
}

/* Has the log of an ended run read from the disk. */
static inline void
bring_back(struct cluster *c, int node, const struct mp_run_id *run)
{
	assert_int_equal(mp_runs_have(c->nodes[node].runs, run), MP_RUNS_HAVE_AWAY);
	step_begin(c, node);
	mp_runs_load(c->nodes[node].runs, &c->nodes[node].env, run);
	step_end(c, node);
	assert_true(mp_runs_loading(c->nodes[node].runs, run));
	for (int i = 0; i < 1000 && mp_runs_loading(c->nodes[node].runs, run); i++)
		cluster_run(c, 1);
	assert_int_equal(mp_runs_have(c->nodes[node].runs, run), MP_RUNS_HAVE_LATEST);
}

static inline int
leader_of(const struct cluster *c)
{
	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i].up && !c->nodes[i].deaf && mp_runs_led(c->nodes[i].runs) > 0)
			return i;
	}
	return -1;
}

static inline void
assert_all_ended(struct cluster *c, const struct mp_run_id *run, enum mp_run_state state)
{
	for (int i = 0; i < c->count; i++) {
		if (!c->nodes[i].up)
			continue;
		assert_true(mp_runs_ended(c->nodes[i].runs, run));
		if (mp_runs_have(c->nodes[i].runs, run) == MP_RUNS_HAVE_LATEST)
			assert_int_equal(state_at(c, i, run, NULL), state);
	}
}

#endif
