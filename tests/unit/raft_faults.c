/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong in a cluster of raft_cluster.h. */
#include "unit/raft_cluster.h"

void
cl_cut(struct cl *c, int i, int k, bool cut)
{
	c->cut[i][k] = c->cut[k][i] = cut;
}

void
cl_isolate(struct cl *c, int i, bool cut)
{
	for (size_t k = 0; k < c->n; k++)
		if ((int)k != i)
			cl_cut(c, i, (int)k, cut);
}

void
cl_heal(struct cl *c)
{
	memset(c->cut, 0, sizeof(c->cut));
}

void
cl_quiet(struct cl *c)
{
	cl_heal(c);
	c->faults = (struct cl_faults){.delay_ms = 2, .fsync_ms = 1};
	c->event_at = MP_TIME_NEVER;
	for (size_t i = 0; i < c->n; i++)
		if (!c->nodes[i].up)
			cl_restart(c, (int)i);
}

/* The stream between two breaks: what is under way is lost, and both hear of it. */
static void
cl_reset(struct cl *c, int i, int k)
{
	for (size_t m = 0; m < c->msg_count; m++) {
		struct cl_msg *msg = &c->msgs[m];

		if (msg->pulse != 0 ||
			!((msg->from == i && msg->to == k) || (msg->from == k && msg->to == i)))
			continue;
		free(msg->p);
		/* What is no message any more arrives as a heartbeat of term 0. */
		msg->p = NULL;
		msg->n = 0;
		msg->pulse = 1;
		msg->term = 0;
	}
	for (int side = 0; side < 2; side++) {
		int at = side == 0 ? i : k, other = side == 0 ? k : i;

		for (int up = 0; up < 2 && c->nodes[at].up; up++) {
			struct mp_env *env = cl_begin(c, at);

			mp_raft_link(c->nodes[at].raft, env, &c->ids[other], up == 1);
			cl_end(c, at);
		}
	}
}

int
cl_propose(struct cl *c, int i, struct mp_span body)
{
	struct mp_env *env = cl_begin(c, i);
	int rc = mp_raft_propose(c->nodes[i].raft, env, MP_ENTRY_ASSIGNED, body, NULL);

	if (mp_rng_below(&c->rng, 2) == 0)
		mp_raft_flush(c->nodes[i].raft, env);
	cl_end(c, i);
	return rc;
}

void
cl_transfer(struct cl *c, int i)
{
	struct mp_env *env = cl_begin(c, i);

	(void)mp_raft_transfer(c->nodes[i].raft, env, 0);
	cl_end(c, i);
}

static void
cl_propose_some(struct cl *c)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t n = 1 + mp_rng_below(&c->rng, 4);

		if (!c->nodes[i].up || c->commit + 200 > CL_LOG_MAX ||
			mp_raft_last_index(c->nodes[i].raft) + 200 > CL_LOG_MAX)
			continue;
		for (; n > 0; n--) {
			c->proposed++;
			(void)cl_propose(c, (int)i, mp_span(&c->proposed, sizeof(c->proposed)));
		}
	}
}

void
cl_fault(struct cl *c)
{
	int i = (int)mp_rng_below(&c->rng, c->n), k = (int)mp_rng_below(&c->rng, c->n);

	c->event_at = c->now + 1 + cl_upto(c, 2 * c->faults.event_ms);
	if (c->faults.wipe > 0 && mp_rng_below(&c->rng, 1000) < c->faults.wipe && c->nodes[i].up) {
		if (cl_wipe(c, i))
			c->nodes[i].restart_at = c->now + 1 + cl_upto(c, 1000);
		return;
	}
	switch (mp_rng_below(&c->rng, 12)) {
	case 0:
		if (c->nodes[i].up) {
			cl_crash(c, i, mp_rng_below(&c->rng, 3));
			c->nodes[i].restart_at = c->now + 1 + cl_upto(c, 4000);
		}
		return;
	case 1:
		for (int a = 0; a < (int)c->n; a++)
			for (int b = 0; b < a; b++)
				cl_cut(c, a, b, (a <= i) != (b <= i));
		return;
	case 2:
		c->cut[i][k] = i != k; /* one way only */
		return;
	case 3:
		cl_isolate(c, cl_leader(c) >= 0 ? cl_leader(c) : i, true);
		return;
	case 4:
	case 5:
		cl_heal(c);
		return;
	case 6:
		if (i != k)
			cl_reset(c, i, k);
		return;
	case 7:
		if (c->nodes[i].up)
			cl_transfer(c, i);
		return;
	default:
		cl_propose_some(c);
		return;
	}
}
