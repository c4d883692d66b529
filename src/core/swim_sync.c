/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/caps.h"
#include "core/mutant.h"
#include "core/swim_impl.h"

#define CAPS_REPLY_MAX (1024u * 1024)

/* What a delta says of a member. */
#define SAY_SEEN       0x1u /* it was in the other's view */
#define SAY_CREDENTIAL 0x2u
#define SAY_STATEMENT  0x4u
#define SAY_VIEW       0x8u

static struct mp_view_entry
entry_of(const struct mp_swim *swim, const struct mp_member *m)
{
	static const enum mp_view views[] = {
		[MP_MEMBER_ALIVE] = MP_VIEW_ALIVE,
		[MP_MEMBER_SUSPECT] = MP_VIEW_SUSPECT,
		[MP_MEMBER_DEAD] = MP_VIEW_DEAD,
		[MP_MEMBER_LEFT] = MP_VIEW_LEFT,
	};
	struct mp_view_entry entry = {
		.id = m->id, .incarnation = m->incarnation, .state = views[m->state]};

	if (m->statement.n == 0 ||
		(m->state == MP_MEMBER_SUSPECT && swim->peers[m->slot].unverified))
		entry.state = MP_VIEW_UNKNOWN;
	return entry;
}

/* ---- sums ---- */

/* A bucket has eight members, as the number of them is a power of two. */
static size_t
sums_buckets(const struct mp_swim *swim)
{
	size_t n = MP_SUMS_MIN;

	while (8 * n < swim->peer_count && n < MP_SUMS_MAX)
		n *= 2;
	return n;
}

static void
sums_make(const struct mp_swim *swim, uint8_t *sums, size_t buckets)
{
	memset(sums, 0, 4 * buckets);
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		const struct mp_member *m = swim_member(swim, i);
		uint8_t *sum = sums + 4 * mp_sums_bucket(&m->id, buckets);
		uint64_t share = swim->peers[i].digest;

		/* A suspicion that only one of us has is to be told, and refuted. */
		if (m->state == MP_MEMBER_SUSPECT)
			share = share >> 32;
		for (int k = 0; k < 4; k++)
			sum[k] ^= (uint8_t)(share >> (8 * k));
	}
}

static bool
in_buckets(struct mp_span buckets, const struct mp_member *m)
{
	size_t i;

	if (buckets.n == 0)
		return true;
	i = mp_sums_bucket(&m->id, 8 * buckets.n);
	return (buckets.p[i / 8] >> i % 8 & 1) != 0;
}

/* ---- asking ---- */

static void
sums_send(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	uint8_t sums[4 * MP_SUMS_MAX];
	struct mp_sums_msg msg = {
		.sums = mp_span(sums, 4 * sums_buckets(swim)), .trust = swim->trust};
	struct mp_cbor_w w;

	sums_make(swim, sums, msg.sums.n / 4);
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_sums_msg_write(&w, &msg);
	if (w.rc == 0)
		mp_out_send(env->out, &m->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
	swim->sums_asked = true;
}

/* Of these buckets; none: of all members. */
static void
view_send(struct mp_swim *swim, struct mp_env *env, const struct mp_member *to,
	struct mp_span buckets)
{
	size_t count = 0;
	struct mp_cbor_w w;

	for (uint32_t i = 0; i < swim->peer_count; i++)
		count += in_buckets(buckets, swim_member(swim, i));
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_view_msg_begin(&w, count, buckets);
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		struct mp_view_entry entry = entry_of(swim, swim_member(swim, i));

		if (in_buckets(buckets, swim_member(swim, i)))
			mp_view_entry_write(&w, &entry);
	}
	mp_view_msg_end(&w, swim->trust, buckets);
	if (w.rc == 0)
		mp_out_send(env->out, &to->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
}

bool
mp_swim_unverified(const struct mp_swim *swim)
{
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		if (swim->peers[i].unverified)
			return true;
	}
	return false;
}

/* Sums do not say of whom we have only heard, and somebody of an older version does not answer
 * them: the whole view then. */
static bool
sums_will_do(const struct mp_swim *swim)
{
	return swim->peer_count > SWIM_FEW && (!swim->sums_asked || MP_MUTANT(SUMS_ONLY)) &&
	       !mp_swim_unverified(swim);
}

static void
pull(struct mp_swim *swim, struct mp_env *env, const struct mp_member *from)
{
	if (sums_will_do(swim)) {
		sums_send(swim, env, from);
	} else {
		swim->sums_asked = false;
		view_send(swim, env, from, mp_span(NULL, 0));
	}
	swim->stats[MP_SWIM_STAT_PULLS]++;
	swim->pulled_ms = env->now_ms;
}

/* It is a member, and we have a word of its own. */
static bool
has_spoken(const struct mp_swim *swim, const struct mp_node_id *id)
{
	const struct mp_member *m = mp_roster_find(swim->roster, id);

	return m != NULL && m->statement.n > 0;
}

void
mp_swim_want(struct mp_swim *swim, struct mp_env *env, const struct mp_member *from,
	const struct mp_node_id *about)
{
	mp_time due = about != NULL ? env->now_ms + SWIM_WANT_MS : env->now_ms;
	mp_time pause_ms = swim->peer_count <= SWIM_FEW ? SWIM_PULL_FEW_MS : SWIM_PULL_MS;

	if (!swim->started || swim->leaving || from->slot == swim->self ||
		(about != NULL && MP_MUTANT(UNKNOWN_DROPPED)))
		return;
	if (due < swim->pulled_ms + pause_ms && swim->pulled_ms > 0)
		due = swim->pulled_ms + pause_ms;
	if (swim->pull_ms <= due) {
		/* It is for both; one of them having spoken does not make it needless. */
		if (about == NULL || !mp_node_id_eq(about, &swim->pull_about))
			swim->pull_has_about = false;
		return;
	}
	swim->pull_ms = due;
	swim->pull_from = from->slot;
	swim->pull_has_about = about != NULL;
	if (about != NULL)
		swim->pull_about = *about;
}

void
mp_swim_meet(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m)
{
	mp_swim_want(swim, env, m, NULL);
}

/* Above 32 members it is done less often: 30 s times ceil(log2 n) - 4. */
static mp_time
push_pull_interval(const struct mp_swim *swim, const struct mp_env *env)
{
	mp_time factor = 1;

	for (size_t n = 32; n < swim->peer_count; n *= 2)
		factor++;
	return env->profile->push_pull_ms * factor;
}

void
mp_swim_sync_tick(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t slot;

	if (swim->pull_ms <= env->now_ms) {
		const struct mp_member *m = swim_member(swim, swim->pull_from);

		swim->pull_ms = MP_TIME_NEVER;
		if (m->state != MP_MEMBER_LEFT &&
			(!swim->pull_has_about || !has_spoken(swim, &swim->pull_about)))
			pull(swim, env, m);
	}
	/* Equal digests on the last ping or ack leave nothing to exchange. */
	if (swim->push_pull_ms <= env->now_ms) {
		if ((swim->mismatches > 0 || !swim->compared) &&
			mp_swim_pick(swim, env, PICK_ALIVE, SWIM_NONE, &slot, 1) == 1)
			pull(swim, env, swim_member(swim, slot));
		swim->compared = false;
		swim->push_pull_ms = env->now_ms + push_pull_interval(swim, env);
	}
}

/* ---- answering ---- */

static size_t
count_say(const struct mp_swim *swim, const uint8_t *say, uint8_t what)
{
	size_t n = 0;

	for (uint32_t i = 0; i < swim->peer_count; i++)
		n += (say[i] & what) != 0;
	return n;
}

/* In order of slots: whoever admitted a member comes before it. */
static void
delta_send(struct mp_swim *swim, struct mp_env *env, const struct mp_member *to, const uint8_t *say,
	const struct mp_part *wanted)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_uint(&w, MP_MSG_DELTA);
	mp_cbor_w_array(&w, count_say(swim, say, SAY_CREDENTIAL));
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		if ((say[i] & SAY_CREDENTIAL) != 0)
			mp_cbor_w_span(&w, swim_member(swim, i)->credential);
	}
	mp_cbor_w_array(&w, count_say(swim, say, SAY_STATEMENT));
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		if ((say[i] & SAY_STATEMENT) != 0)
			mp_cbor_w_raw(&w, swim_member(swim, i)->statement);
	}
	mp_cbor_w_array(&w, count_say(swim, say, SAY_VIEW));
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		struct mp_view_entry entry = entry_of(swim, swim_member(swim, i));

		if ((say[i] & SAY_VIEW) != 0)
			mp_view_entry_write(&w, &entry);
	}
	mp_cbor_w_array(&w, wanted->count);
	mp_cbor_w_raw(&w, wanted->items);
	if (w.rc == 0)
		mp_out_send(env->out, &to->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
}

/* All there is to say of a member that the other does not know. */
static uint8_t
say_all(const struct mp_swim *swim, const struct mp_member *m)
{
	uint8_t say = SAY_CREDENTIAL;

	if (m->statement.n > 0)
		say |= SAY_STATEMENT;
	if (mp_swim_accused(swim, m))
		say |= SAY_VIEW;
	return say;
}

/* What the sender of this entry lacks. */
static uint8_t
say_of(const struct mp_swim *swim, const struct mp_member *m, const struct mp_view_entry *entry)
{
	bool left = m->state == MP_MEMBER_LEFT;
	uint8_t say = SAY_SEEN;

	if (entry->state == MP_VIEW_LEFT || m->statement.n == 0)
		return say;
	if (left || m->signed_incarnation > entry->incarnation ||
		(entry->state == MP_VIEW_UNKNOWN && entry->incarnation == 0))
		say |= SAY_STATEMENT;
	if (m->state == MP_MEMBER_ALIVE && entry->state == MP_VIEW_UNKNOWN)
		say |= SAY_VIEW;
	if (mp_swim_accused(swim, m) &&
		(m->incarnation > entry->incarnation || entry->state == MP_VIEW_UNKNOWN ||
			(m->incarnation == entry->incarnation &&
				(unsigned)entry->state < (unsigned)m->state)))
		say |= SAY_VIEW;
	return say;
}

/* Takes over what another node holds of a member that we know. */
static int
entry_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	const struct mp_member *m, const struct mp_view_entry *entry)
{
	struct mp_swim_record record = {.kind = MP_SWIM_SUSPECT};

	switch (entry->state) {
	case MP_VIEW_ALIVE:
		if (m->slot != swim->self && entry->incarnation == m->incarnation &&
			m->state == MP_MEMBER_SUSPECT && swim_peer(swim, m)->unverified)
			mp_swim_vouch(swim, env, m);
		return 0;
	case MP_VIEW_DEAD:
		record.kind = MP_SWIM_DEAD;
		MP_FALLTHROUGH;
	case MP_VIEW_SUSPECT:
		record.u.accuse.subject = entry->id;
		record.u.accuse.incarnation = entry->incarnation;
		record.u.accuse.from = sender->id;
		return mp_swim_accuse(swim, env, sender, &record);
	case MP_VIEW_LEFT: /* only its own word counts */
	case MP_VIEW_UNKNOWN:
		return 0;
	}
	mp_unreachable();
}

/* Do we lack something that the sender of this entry has? */
static bool
entry_wanted(const struct mp_member *m, const struct mp_view_entry *entry)
{
	if (m == NULL)
		return true;
	if (m->state == MP_MEMBER_LEFT)
		return false;
	return entry->state == MP_VIEW_LEFT || entry->incarnation > m->signed_incarnation ||
	       (m->statement.n == 0 && entry->state != MP_VIEW_UNKNOWN);
}

/* The buckets in which we differ are answered, even if there are none: that is an answer, too. */
static int
sums_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes)
{
	uint8_t sums[4 * MP_SUMS_MAX], differ[MP_SUMS_MAX / 8] = {0};
	struct mp_sums_msg msg;
	int rc = mp_sums_msg_read(bytes, &msg);

	if (rc != 0)
		return rc;
	if (msg.trust != swim->trust)
		mp_swim_trust_send(swim, env, sender, true);
	sums_make(swim, sums, msg.sums.n / 4);
	for (size_t i = 0; i < msg.sums.n / 4; i++) {
		if (memcmp(sums + 4 * i, msg.sums.p + 4 * i, 4) != 0 && !MP_MUTANT(SUMS_EQUAL))
			differ[i / 8] |= (uint8_t)(1u << i % 8);
	}
	view_send(swim, env, sender, mp_span(differ, msg.sums.n / 32));
	return 0;
}

static int
view_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes)
{
	struct mp_part view, wanted = {.count = 0};
	struct mp_view_msg msg;
	struct mp_view_entry entry;
	struct mp_buf ids;
	struct mp_cbor_w w;
	uint8_t *say, any = 0;
	int rc = mp_view_msg_read(bytes, &msg);

	if (rc != 0)
		return rc;
	if (msg.has_trust && msg.trust != swim->trust)
		mp_swim_trust_send(swim, env, sender, true);
	if (msg.buckets.n > 0)
		swim->sums_asked = false;
	view = msg.view;
	say = mp_out_mem(env->out, swim->peer_count);
	ids = (struct mp_buf){.cap = view.count * 34, .max = view.count * 34};
	ids.p = mp_out_mem(env->out, ids.cap + 1);
	if (say == NULL || ids.p == NULL)
		return MP_ENOMEM;
	mp_cbor_w_init(&w, &ids);
	while (mp_list_next_entry(&view, &entry, &rc)) {
		const struct mp_member *m = mp_roster_find(swim->roster, &entry.id);

		if (m != NULL)
			(void)entry_in(swim, env, sender, m, &entry);
		if (entry_wanted(m, &entry)) {
			mp_cbor_w_bytes(&w, entry.id.b, sizeof(entry.id.b));
			wanted.count++;
		}
		if (m != NULL)
			say[m->slot] |= say_of(swim, m, &entry);
	}
	wanted.items = mp_buf_span(&ids);
	for (uint32_t i = 0; i < swim->peer_count; i++) {
		if ((say[i] & SAY_SEEN) == 0 && in_buckets(msg.buckets, swim_member(swim, i)))
			say[i] = say_all(swim, swim_member(swim, i));
		any |= say[i];
	}
	if (rc == 0 && ((any & ~SAY_SEEN) != 0 || wanted.count > 0))
		delta_send(swim, env, sender, say, &wanted);
	return rc;
}

/* What the other asked for. */
static int
wanted_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_part *wanted)
{
	static const struct mp_part none;
	struct mp_node_id id;
	uint8_t *say = mp_out_mem(env->out, swim->peer_count);
	int rc = 0;

	if (say == NULL)
		return MP_ENOMEM;
	while (mp_list_next_id(wanted, &id, &rc)) {
		const struct mp_member *m = mp_roster_find(swim->roster, &id);

		if (m != NULL)
			say[m->slot] = say_all(swim, m);
	}
	if (rc == 0)
		delta_send(swim, env, sender, say, &none);
	return rc;
}

static int
delta_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes)
{
	struct mp_delta_msg msg;
	struct mp_view_entry entry;
	struct mp_span item;
	int rc = mp_delta_msg_read(bytes, &msg);

	while (rc == 0 && mp_list_next_bytes(&msg.credentials, MP_CREDENTIAL_MAX, &item, &rc)) {
		if (mp_swim_item(swim, mp_roster_add(swim->roster, env, item, NULL)) == MP_ENOMEM)
			rc = MP_ENOMEM;
	}
	if (rc == 0)
		rc = mp_swim_follow(swim, env);
	while (rc == 0 && mp_list_next(&msg.statements, &item)) {
		if (mp_swim_item(swim, mp_swim_take_statement(swim, env, &sender->id, item)) ==
			MP_ENOMEM)
			rc = MP_ENOMEM;
	}
	while (rc == 0 && mp_list_next_entry(&msg.view, &entry, &rc)) {
		const struct mp_member *m = mp_roster_find(swim->roster, &entry.id);

		if (m != NULL)
			(void)entry_in(swim, env, sender, m, &entry);
	}
	if (rc == 0 && msg.wanted.count > 0)
		rc = wanted_in(swim, env, sender, &msg.wanted);
	return rc;
}

/* ---- capabilities ---- */

void
mp_swim_want_caps(struct mp_swim *swim, struct mp_env *env)
{
	if (swim->started && !swim->leaving && swim->caps_ms == MP_TIME_NEVER)
		swim->caps_ms = env->now_ms;
}

static bool
caps_missing(const struct mp_swim *swim, uint32_t slot)
{
	const struct mp_member *m = swim_member(swim, slot);

	return m->has_caps && (m->caps == NULL || m->caps_old) && slot != swim->self &&
	       (m->state == MP_MEMBER_ALIVE || m->state == MP_MEMBER_SUSPECT);
}

/* One that misses is asked for its own, and for all others that are missing. */
void
mp_swim_caps_tick(struct mp_swim *swim, struct mp_env *env)
{
	uint32_t start = (uint32_t)mp_rng_below(&env->rng, swim->peer_count);
	uint32_t slots[MP_CAPS_ASK_MAX];
	struct mp_cbor_w w;
	size_t n = 0;

	swim->caps_ms = MP_TIME_NEVER;
	for (size_t i = 0; i < swim->peer_count && n < mp_countof(slots); i++) {
		uint32_t slot = (uint32_t)((start + i) % swim->peer_count);

		if (caps_missing(swim, slot))
			slots[n++] = slot;
	}
	if (n == 0)
		return;
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, MP_MSG_CAPS_GET);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++)
		mp_cbor_w_bytes(
			&w, swim_member(swim, slots[i])->caps_digest.b, sizeof(struct mp_hash));
	if (w.rc == 0)
		mp_out_send(env->out, &swim_member(swim, slots[0])->id, MP_CLASS_CONTROL,
			mp_buf_span(w.buf), 0);
	swim->caps_ms = env->now_ms + SWIM_CAPS_MS;
}

static int
caps_get_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes)
{
	struct mp_span found[MP_CAPS_ASK_MAX], digest;
	struct mp_part list;
	struct mp_cbor_w w;
	size_t n = 0, total = 0;
	int rc = mp_caps_msg_read(bytes, MP_MSG_CAPS_GET, &list);

	while (rc == 0 && mp_list_next_bytes(&list, sizeof(struct mp_hash), &digest, &rc)) {
		struct mp_hash hash = {{0}};

		memcpy(hash.b, digest.p, digest.n);
		found[n] = mp_roster_caps_bytes(swim->roster, &hash);
		if (found[n].n == 0 || total + found[n].n > CAPS_REPLY_MAX)
			continue;
		total += found[n++].n;
	}
	if (rc != 0 || n == 0)
		return rc;
	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, MP_MSG_CAPS);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++)
		mp_cbor_w_span(&w, found[i]);
	if (w.rc == 0)
		mp_out_send(env->out, &sender->id, MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
	return w.rc;
}

static int
caps_in(struct mp_swim *swim, struct mp_env *env, struct mp_span bytes)
{
	struct mp_span caps;
	struct mp_part list;
	int rc = mp_caps_msg_read(bytes, MP_MSG_CAPS, &list);

	while (rc == 0 && mp_list_next_bytes(&list, MP_CAPS_BYTES_MAX, &caps, &rc)) {
		struct mp_hash digest;

		env->crypto->hash(&digest, &caps, 1);
		rc = mp_roster_caps(swim->roster, &digest, caps);
		if (rc == MP_ENOENT) { /* nobody has announced them */
			(void)mp_swim_item(swim, MP_EAUTH);
			rc = 0;
		}
	}
	return rc;
}

int
mp_swim_sync_message(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes)
{
	switch (mp_msg_kind(bytes)) {
	case MP_MSG_VIEW:
		return view_in(swim, env, sender, bytes);
	case MP_MSG_SUMS:
		return sums_in(swim, env, sender, bytes);
	case MP_MSG_DELTA:
		return delta_in(swim, env, sender, bytes);
	case MP_MSG_CAPS_GET:
		return caps_get_in(swim, env, sender, bytes);
	case MP_MSG_CAPS:
		return caps_in(swim, env, bytes);
	default:
		return MP_EUNSUPPORTED;
	}
}
