/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two live holders of one key (DESIGN 3). Neither can know what the other has promised in its name,
 * votes above all, so both stop:
 *
 * Who hears a word of its own key that it has not said, of a later boot or further in this one,
 * signs a last word, DOUBLED, in a boot above that, tells it for a while and takes part in nothing.
 * Who hears that word stops as well.
 *
 * All others keep the last word as they keep any statement, so whatever either of the two still
 * says is of a boot that is over, and is answered with that word. Every peer whose stream comes up
 * is told what it said last, before anything of a run is: a directory that was restored from an
 * older copy hears there that it was. A boot counter of `mpnode join --again` is above the last
 * word.
 */
#include "core/swim_impl.h"

void
mp_swim_double(struct mp_swim *swim, struct mp_env *env, const struct mp_statement *heard)
{
	bool told = heard->status == MP_NODE_DOUBLED;
	uint64_t boot = (heard->incarnation >> 32) + 1;

	swim->doubled = true;
	swim->own.status = MP_NODE_DOUBLED;
	/* In a boot that neither had: datagrams of an earlier one than the last are replays.
	 * Without memory for it the others are not told, and it stops all the same. */
	if (!told && boot < UINT32_MAX) {
		env->boot = boot;
		(void)mp_swim_speak(swim, env, boot << 32);
	}
	mp_swim_shut_soon(swim, env, told);
}

void
mp_swim_remind(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_addr *to)
{
	struct mp_swim_record record = {.kind = MP_SWIM_STATEMENT};

	if (!swim->started || swim->leaving || m->statement.n == 0 || m->slot == swim->self)
		return;
	record.u.statement = m->statement;
	if (to == NULL) {
		mp_swim_send_stream(swim, env, m, &record);
	} else if (env->now_ms - swim_peer(swim, m)->replied_ms >= SWIM_REPLY_MS) {
		swim_peer(swim, m)->replied_ms = env->now_ms;
		mp_swim_send(swim, env, m, to, &record);
	}
}

bool
mp_swim_doubled(const struct mp_swim *swim)
{
	return swim->doubled;
}
