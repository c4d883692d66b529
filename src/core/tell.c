/* SPDX-License-Identifier: Apache-2.0 */
/* What a leader tells its workers, gathered during a step. */
#include "core/lead_int.h"

/* When memory is out nothing is noted: the worker goes on naming the attempt, and is told then. */
void
lead_settle(struct mp_lead *lead, struct lead_worker *w, const struct mp_attempt_id *id)
{
	(void)mp_buf_append(&w->settle, id, sizeof(*id));
	lead_dirty(lead, w);
}

void
lead_kill(struct mp_lead *lead, struct lead_worker *w, const struct mp_attempt_id *id)
{
	(void)mp_buf_append(&w->kill, id, sizeof(*id));
	lead_dirty(lead, w);
}

void
lead_introduce(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w)
{
	const struct mp_msg_work_lead m = {
		.record = lead->c.signed_record,
		.certificate = mp_raft_certificate(lead->c.raft),
	};
	struct mp_buf *buf;

	if (w->introduced)
		return;
	buf = mp_out_scratch(env->out);
	if (mp_msg_work_lead_encode(buf, &m) != 0)
		return;
	mp_out_send(env->out, &w->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	w->introduced = true;
}

static void
send_list(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w, enum mp_msg_work number,
	struct mp_buf *list)
{
	struct mp_buf *buf;

	if (list->n == 0)
		return;
	buf = mp_out_scratch(env->out);
	if (mp_msg_work_list_encode(buf, number, &lead->head,
		    (const struct mp_attempt_id *)(const void *)list->p,
		    list->n / sizeof(struct mp_attempt_id)) == 0)
		mp_out_send(env->out, &w->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	mp_buf_fini(list);
}

static void
send_ask(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w)
{
	const struct mp_msg_work_status_req m = {.head = lead->head, .seq = w->seq + 1};
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_msg_work_status_req_encode(buf, &m) != 0)
		return;
	mp_out_send(env->out, &w->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
	w->seq++;
	w->ask = false;
	w->asked_ms = env->now_ms;
}

void
lead_tell_end(struct mp_lead *lead, struct mp_env *env, struct lead_worker *w)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_msg_work_end_encode(buf, &lead->head) == 0)
		mp_out_send(env->out, &w->id, MP_CLASS_CONTROL, mp_buf_span(buf), 0);
}

void
lead_flush(struct mp_lead *lead, struct mp_env *env)
{
	struct mp_dlist *l;

	while ((l = mp_dlist_first(&lead->dirty)) != NULL) {
		struct lead_worker *w = mp_container_of(l, struct lead_worker, in_dirty);

		mp_dlist_remove(l);
		lead_introduce(lead, env, w);
		send_list(lead, env, w, MP_MSG_WORK_SETTLED, &w->settle);
		send_list(lead, env, w, MP_MSG_WORK_KILL, &w->kill);
		if (w->ask)
			send_ask(lead, env, w);
	}
}
