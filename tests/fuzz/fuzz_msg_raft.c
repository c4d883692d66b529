/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between electors: what is accepted encodes to the same bytes. Then the input as a
 * sequence of things that happen to one elector of three, whose peers say what they like: nothing
 * makes it forget what is committed, or fall over its own assertions.
 */
#include "same.h"

#include "codec/msg_raft.h"
#include "core/pulse.h"
#include "core/raft.h"
#include "null_crypto.h"

static const struct mp_profile profile = {
	.heartbeat_ms = 250, .lease_ms = 1200, .election_ms = 1500};
static const struct mp_node_id ids[] = {{{1}}, {{2}}, {{3}}};

/* ---- bytes ---- */

static void
check_bytes(const struct mp_alloc *alloc, struct mp_span in)
{
	static struct mp_span entries[MP_APPEND_ENTRIES_MAX];
	static struct mp_pulse_run runs[MP_RUNS_MAX];
	struct mp_msg_pulse pulse;
	struct mp_msg_raft msg;
	struct mp_run_id run;
	struct mp_buf buf;
	size_t n = 0;

	mp_buf_init(&buf, alloc, 16u * 1024 * 1024);
	if (mp_msg_raft_decode(in, &msg) == 0) {
		mp_assert(mp_msg_raft_run(in, &run, &(uint64_t){0}) == 0 &&
			  mp_run_id_eq(&run, &msg.run));
		if (msg.kind == MP_MSG_APPEND) {
			size_t count = msg.u.append.entry_count;

			while (mp_msg_raft_entry(&msg, &entries[n]))
				n++;
			mp_assert(n == count);
			msg.u.append.entries = entries;
			msg.u.append.entry_count = n;
		}
		fuzz_same(&buf, mp_msg_raft_encode(&buf, &msg), in);
	}
	if (mp_msg_pulse_decode(in, &pulse) == 0) {
		enum mp_msg_raft_kind kind =
			pulse.record ? (pulse.ack ? MP_MSG_PULSE_ACK_RECORD : MP_MSG_PULSE_RECORD)
				     : (pulse.ack ? MP_MSG_PULSE_ACK : MP_MSG_PULSE);
		size_t count = pulse.count;

		for (n = 0; mp_msg_pulse_next(&pulse, &runs[n]); n++)
			;
		mp_assert(n == count);
		fuzz_same(&buf, mp_msg_pulse_encode(&buf, kind, pulse.seq, runs, n), in);
	}
	mp_buf_fini(&buf);
}

/* ---- life ---- */

struct life {
	struct mp_env env;
	struct mp_raft *raft;
	struct mp_pulse *pulse;
	uint64_t seq; /* of the last PERSIST that is not durable yet */
	uint64_t commit;
	struct mp_span in;
};

static void
on_datagram(void *ctx, struct mp_env *env, const struct mp_node_id *to, struct mp_span record)
{
	(void)ctx;
	(void)env;
	(void)to;
	mp_assert(record.n <= MP_PULSE_RECORD_MAX);
}

static bool
on_link_up(void *ctx, const struct mp_node_id *peer)
{
	(void)ctx;
	return peer->b[0] == 2;
}

static uint8_t
take(struct life *l)
{
	if (l->in.n == 0)
		return 0;
	l->in.n--;
	return *l->in.p++;
}

static struct mp_span
take_bytes(struct life *l)
{
	size_t n = (size_t)take(l) << 8;
	struct mp_span bytes;

	n |= take(l);
	n = mp_min_size(n, l->in.n);
	bytes = mp_span(l->in.p, n);
	l->in.p += n;
	l->in.n -= n;
	return bytes;
}

static void
life_do(struct life *l, uint8_t what)
{
	const struct mp_node_id *peer = &ids[1 + what / 128];
	uint64_t term, commit;

	switch (what % 10) {
	case 0:
	case 1:
	case 2:
		(void)mp_raft_message(l->raft, &l->env, peer, take_bytes(l));
		return;
	case 3:
		l->env.now_ms += 20 * take(l);
		mp_raft_tick(l->raft, &l->env);
		mp_pulse_tick(l->pulse, &l->env);
		return;
	case 4:
		mp_raft_heal(l->raft, &l->env);
		(void)mp_raft_propose(l->raft, &l->env, MP_ENTRY_ASSIGNED, mp_span(&what, 1), NULL);
		mp_raft_flush(l->raft, &l->env);
		return;
	case 5:
		mp_out_persisted(l->env.out, l->seq);
		mp_raft_persisted(l->raft, &l->env, l->seq);
		return;
	case 6:
		term = take(l);
		commit = take(l);
		(void)mp_raft_heard_leader(l->raft, &l->env, peer, term, commit);
		return;
	case 7:
		mp_raft_heard_follower(
			l->raft, &l->env, peer, take(l), l->env.now_ms - 10 * take(l));
		return;
	case 8:
		(void)mp_pulse_receive(l->pulse, &l->env, peer, take_bytes(l));
		return;
	default:
		if (take(l) % 4 == 0)
			(void)mp_raft_transfer(l->raft, &l->env, 0);
		else
			mp_pulse_link(l->pulse, &l->env, peer, take(l) % 2 == 0);
		return;
	}
}

static void
life_step(struct life *l)
{
	const struct mp_effect *fx;
	size_t count;

	mp_out_begin(l->env.out);
	life_do(l, take(l));
	mp_out_end(l->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++)
		if (fx[i].kind == MP_FX_PERSIST)
			l->seq = fx[i].u.persist.seq;
	mp_assert(mp_raft_commit(l->raft) >= l->commit);
	mp_assert(mp_raft_commit(l->raft) <= mp_raft_last_index(l->raft));
	l->commit = mp_raft_commit(l->raft);
	mp_assert(mp_raft_role(l->raft) != MP_RAFT_LEADER || mp_raft_certificate(l->raft).n > 0);
}

static void
check_life(const struct mp_alloc *alloc, struct mp_span in)
{
	struct mp_pulse_io io = {NULL, on_datagram, on_link_up};
	struct mp_electorate who = {
		.generation = 1, .elector_count = 3, .electors = {ids[0], ids[1], ids[2]}};
	struct mp_raft_config config = {.record_hash = {{1}}, .who = &who};
	struct life l = {.in = in};
	uint8_t how;
	int rc = 0;

	l.env = (struct mp_env){.alloc = alloc,
		.crypto = &null_crypto,
		.profile = &profile,
		.self = ids[0],
		.now_ms = 10000};
	memset(config.record_hash.b, 1, sizeof(config.record_hash.b)); /* as null_hash() has it */
	who.base_hash = config.record_hash;
	l.env.out = mp_out_new(alloc, &ids[0], NULL, NULL);
	mp_assert(l.env.out != NULL);
	mp_out_begin(l.env.out);
	rc |= mp_raft_new(&l.env, &config, &l.raft);
	rc |= mp_pulse_new(&l.env, &io, &l.pulse);
	mp_assert(rc == 0);
	how = take(&l);
	if (how % 4 >= 2)
		mp_raft_lose(l.raft, &l.env);
	mp_raft_start(l.raft, &l.env, how % 2 == 0);
	rc = mp_pulse_add(l.pulse, &l.env, l.raft);
	mp_assert(rc == 0);
	mp_out_end(l.env.out, &(const struct mp_effect *){NULL}, &(size_t){0});
	l.seq = mp_out_seq(l.env.out);
	while (l.in.n > 0)
		life_step(&l);
	mp_pulse_free(l.pulse);
	mp_raft_free(l.raft);
	mp_out_free(l.env.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 256u * 1024 * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);

	check_bytes(&alloc, mp_span(data, size));
	check_life(&alloc, mp_span(data, size));
	mp_assert(heap.live == 0);
	return 0;
}
