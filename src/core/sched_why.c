/* SPDX-License-Identifier: Apache-2.0 */
/* Why a module that is ready runs nowhere. */
#include "core/sched_int.h"
#include "core/want.h"

/* So many nodes are named. */
#define NAMED_MAX 2

static const struct mp_member *
nearest_member(const struct mp_sched *s, const struct mp_graph_module *want)
{
	const struct mp_member *best = NULL;
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < s->worker_count; i++) {
		const struct mp_member *m = s->workers[i].member;
		uint32_t lacks;

		if (!sched_present(m) || m->caps == NULL)
			continue;
		lacks = 2 * mp_want_lacks(want, m->caps, NULL) + (m->caps->slots == 0);
		if (lacks >= least)
			continue;
		least = lacks;
		best = m;
	}
	return best;
}

bool
mp_sched_unplaceable(struct mp_sched *s, uint32_t module, struct mp_error *why)
{
	const struct mp_graph_module *want = &s->graph->modules[module];
	struct sched_class *c = sched_class_of(s, module);
	const struct mp_member *nearest;
	struct mp_error lacks = {0};

	if (c == NULL || s->version == 0 || !sched_class_refresh(s, c) || c->placeable)
		return false;
	nearest = nearest_member(s, want);
	if (nearest == NULL) {
		(void)mp_fail(why, MP_ENOENT, "no live member has said what it can do");
		return true;
	}
	if (mp_want_lacks(want, nearest->caps, &lacks) == 0)
		(void)mp_fail(why, MP_ENOENT, "no live member has slots; %s comes nearest",
			nearest->name.s);
	else
		(void)mp_fail(why, MP_ENOENT,
			"no live member can run it; %s comes nearest but lacks %s", nearest->name.s,
			lacks.text);
	return true;
}

uint32_t
mp_sched_unplaceable_count(struct mp_sched *s)
{
	uint32_t n = 0;

	for (struct sched_class *c = s->classes; c != NULL && s->version != 0; c = c->next) {
		if (!sched_class_refresh(s, c) || c->placeable)
			continue;
		for (size_t i = 0; i < c->ready; i++)
			n += s->queued[c->heap[i]] == 1;
	}
	return n;
}

/* Those that could run it, or, with `willing`, that would; the first ones by name. */
static uint32_t
name_fitting(
	const struct mp_sched *s, const struct sched_class *c, bool willing, struct mp_error *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->worker_count; i++) {
		struct mp_error said = *out;

		if (c->fits[i] == 0 || (willing && s->workers[i].slots == 0))
			continue;
		if (n++ < NAMED_MAX)
			(void)mp_fail(out, MP_EBUSY, "%s%s%s", said.text, n > 1 ? ", " : "",
				s->workers[i].member->name.s);
	}
	return n;
}

void
mp_sched_waits(struct mp_sched *s, uint32_t module, struct mp_error *why)
{
	const struct mp_demands *takes = &s->graph->modules[module].resources;
	struct sched_class *c = sched_class_of(s, module);
	struct mp_error names = {0}, said;
	bool willing;
	uint32_t n;

	if (c == NULL || s->version == 0 || !sched_class_refresh(s, c))
		return;
	n = name_fitting(s, c, true, &names);
	willing = n > 0;
	if (!willing)
		n = name_fitting(s, c, false, &names);
	said = names;
	if (n > NAMED_MAX)
		(void)mp_fail(&names, MP_EBUSY, "%s%s%u more", said.text,
			willing ? " or " : " and ", n - NAMED_MAX);
	if (!willing)
		(void)mp_fail(why, MP_EBUSY,
			"who could run it is draining, stopping or out of reach: %s", names.text);
	else
		(void)mp_fail(why, MP_EBUSY, "waits for a slot%s%s%s on %s",
			takes->n > 0 ? " and " : "", takes->n > 0 ? takes->v[0].name : "",
			takes->n > 1 ? " and others" : "", names.text);
}
