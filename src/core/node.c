/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composition only: which part gets what, and in which order a step goes. Rules live in the parts.
 *
 *   rows     -> dgram (keys), roster, runs, worker
 *   datagram -> dgram opens it -> swim (who is there), pulse (who leads)
 *   message  -> by the range of its number: swim 1-35, 39 and 96, join 36-38, raft 40-46,
 *               open 50-55, ctl 56-57, takeovers 58-59, worker 60-66, lead 70-75, fetch 80-82,
 *               hold 83-84, shelf 90-95
 *
 * RESTORING -> BOOTING (the boot counter goes to disk) -> JOINING -> RUNNING -> STOPPING
 *                                                                     '-> QUARANTINED
 */
#include "core/node_int.h"

#include "codec/msg_swim.h"
#include "codec/record_trust.h"

#define META_BOOT    "boot"
#define META_DOUBLED "doubled"

/* ---- building and taking down ---- */

static void
pulse_datagram(void *ctx, struct mp_env *env, const struct mp_node_id *to, struct mp_span record)
{
	struct mp_node *node = ctx;
	const struct mp_member *m = mp_roster_find(node->roster, to);
	const struct mp_addr *where = m != NULL ? mp_swim_where(node->swim, m) : NULL;

	if (where != NULL)
		mp_dgram_send(node->dgram, env, where, &m->id, record, 1);
}

static bool
pulse_link_up(void *ctx, const struct mp_node_id *peer)
{
	const struct mp_node *node = ctx;
	const struct mp_member *m = mp_roster_find(node->roster, peer);

	return m != NULL && m->link_up;
}

static int
node_parts(struct mp_node *node, const struct mp_node_config *config, const struct mp_name *name)
{
	struct mp_env *env = &node->env;
	struct mp_swim_config swim = {.name = *name,
		.addrs = config->addrs,
		.addr_count = config->addr_count,
		.caps = config->caps};
	struct mp_pulse_io pulse = {
		.ctx = node, .datagram = pulse_datagram, .link_up = pulse_link_up};
	int rc = mp_roster_new(env, &node->roster);

	if (rc != 0)
		return rc;
	node->out = mp_out_new(env->alloc, &env->self, mp_roster_addrs, node->roster);
	if (node->out == NULL)
		return MP_ENOMEM;
	env->out = node->out;
	if ((rc = mp_dgram_new(env, node->roster, &node->dgram)) != 0 ||
		(rc = mp_swim_new(env, node->roster, node->dgram, &swim, &node->swim)) != 0 ||
		(rc = mp_join_new(env, node->roster, node->dgram, node->swim, &node->join)) != 0 ||
		(rc = mp_pulse_new(env, &pulse, &node->pulse)) != 0 ||
		(rc = mp_fetch_new(env, node->roster, &node->fetch)) != 0 ||
		(rc = mp_hold_new(env, node->roster, node->fetch, &node->hold)) != 0 ||
		(rc = mp_shelf_new(env, node->roster, node->fetch, node->hold, &node->shelf)) !=
			0 ||
		(rc = mp_worker_new(env, node->roster, node->fetch, node->hold, config->slots,
			 &node->worker)) != 0)
		return rc;
	rc = mp_runs_new(env,
		&(struct mp_runs_parts){.roster = node->roster,
			.returned_ms = config->returned_ms,
			.pulse = node->pulse,
			.fetch = node->fetch,
			.hold = node->hold,
			.shelf = node->shelf},
		&node->runs);
	if (rc != 0)
		return rc;
	rc = mp_leave_new(env,
		&(struct mp_leave_parts){.roster = node->roster,
			.runs = node->runs,
			.worker = node->worker,
			.hold = node->hold,
			.swim = node->swim},
		&node->leave);
	if (rc == 0)
		rc = mp_drain_new(env,
			&(struct mp_drain_parts){
				.runs = node->runs, .worker = node->worker, .swim = node->swim},
			&node->drain);
	if (rc != 0)
		return rc;
	return mp_ctl_new(env,
		&(struct mp_ctl_parts){.roster = node->roster,
			.runs = node->runs,
			.fetch = node->fetch,
			.leave = node->leave,
			.drain = node->drain,
			.swim = node->swim},
		&node->ctl);
}

int
mp_node_new(const struct mp_node_config *config, struct mp_node **out, struct mp_error *err)
{
	const struct mp_alloc *alloc = config->alloc;
	struct mp_node *node;
	struct mp_name name;
	int rc;

	if (config->addr_count > MP_ADDRS_MAX || config->seed_count > MP_SEEDS_MAX ||
		(config->gossip_key.n != 0 && config->gossip_key.n != MP_SYMKEY_SIZE))
		return mp_fail(err, MP_EINVAL, "bad node configuration");
	rc = mp_join_check_own(alloc,
		&(struct mp_trust){.crypto = config->crypto, .cluster = config->cluster},
		config->credential, &config->self, &name, err);
	if (rc != 0)
		return rc;
	node = mp_realloc(alloc, NULL, 0, sizeof(*node));
	if (node == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	*node = (struct mp_node){.seed_count = config->seed_count,
		.may_join = config->joining || config->seed_count > 0};
	node->env = (struct mp_env){.alloc = alloc,
		.crypto = config->crypto,
		.secret = config->secret,
		.profile = config->profile != NULL ? config->profile : &mp_profile_lan,
		.self = config->self,
		.cluster = config->cluster,
		/* What was counted before is lost, and seconds are more than boots: runs.c. */
		.boot = (uint64_t)(config->returned_ms / 1000)};
	if (config->seed_count > 0)
		memcpy(node->seeds, config->seeds, config->seed_count * sizeof(node->seeds[0]));
	if (config->gossip_key.n > 0) {
		memcpy(node->gossip_key, config->gossip_key.p, MP_SYMKEY_SIZE);
		node->genesis = true;
	}
	mp_buf_init(&node->credential, alloc, MP_CREDENTIAL_MAX);
	rc = mp_buf_append(&node->credential, config->credential.p, config->credential.n);
	if (rc == 0)
		rc = node_parts(node, config, &name);
	if (rc != 0) {
		mp_node_free(node);
		return mp_fail(err, rc, "cannot set up the node: %s", mp_strerror(rc));
	}
	*out = node;
	return 0;
}

void
mp_node_free(struct mp_node *node)
{
	if (node == NULL)
		return;
	mp_ctl_free(node->ctl);
	mp_drain_free(node->drain);
	mp_leave_free(node->leave);
	mp_runs_free(node->runs);
	mp_worker_free(node->worker);
	mp_shelf_free(node->shelf);
	mp_hold_free(node->hold);
	mp_fetch_free(node->fetch);
	mp_pulse_free(node->pulse);
	mp_join_free(node->join);
	mp_swim_free(node->swim);
	mp_dgram_free(node->dgram);
	mp_roster_free(node->roster);
	mp_out_free(node->out);
	mp_buf_fini(&node->credential);
	node->env.crypto->wipe(node->gossip_key, sizeof(node->gossip_key));
	mp_dealloc(node->env.alloc, node, sizeof(*node));
}

/* ---- starting ---- */

static void
node_fatal(struct mp_node *node, int code, const char *what, const char *why)
{
	struct mp_error err = {0};
	struct mp_effect fx = {.kind = MP_FX_FATAL};

	(void)mp_fail(&err, code, "%s: %s", what, why);
	memcpy(node->fatal, err.text, sizeof(node->fatal));
	fx.u.fatal.text = node->fatal;
	fx.u.fatal.code = code;
	mp_out_effect(node->out, &fx);
	node->phase = NODE_STOPPED;
}

/* What it promised and what the other did is not known any more, and starting it again does not
 * help that: a row says so. What was held until rows are durable is never sent. */
static void
node_quarantine(struct mp_node *node)
{
	mp_out_put(node->out, MP_TABLE_META, mp_span_str(META_DOUBLED), mp_span_str("1"));
	node->phase = NODE_QUARANTINED;
}

/* Others will never listen to it again. */
static void
node_shut(struct mp_node *node)
{
	const struct mp_revocation *r =
		mp_charter_revoked(mp_roster_charter(node->roster), &node->env.self);
	char why[MP_REVOCATION_WHY_MAX + 1] = "";
	struct mp_span text;

	if (mp_swim_doubled(node->swim)) {
		node_fatal(node, MP_EAUTH, "quarantine", DOUBLED_TEXT);
		return;
	}
	text = r->why.n > 0 ? r->why : mp_span_str("no reason was given");
	memcpy(why, text.p, text.n);
	mp_runs_purge(node->runs, &node->env);
	node_fatal(node, MP_EAUTH, REVOKED_TEXT, why);
}

static int
restore_meta(struct mp_node *node, const struct mp_row *row)
{
	struct mp_cbor_r r;
	int rc;

	if (mp_span_eq(row->key, mp_span_str(META_BOOT))) {
		mp_cbor_r_init(&r, row->value);
		node->env.boot = mp_cbor_r_uint(&r, UINT32_MAX - 1);
		return mp_cbor_r_end(&r) == 0 ? 0 : MP_ECORRUPT;
	}
	if (mp_span_eq(row->key, mp_span_str(META_DOUBLED))) {
		node->quarantined = true;
		return 0;
	}
	rc = mp_drain_restore(node->drain, row->key, row->value);
	if (rc == MP_ENOENT)
		rc = mp_roster_restore_meta(node->roster, row->key, row->value);
	if (rc == MP_ENOENT)
		rc = mp_dgram_restore(node->dgram, &node->env, row->key, row->value);
	if (rc == MP_ENOENT)
		rc = mp_ctl_restore(node->ctl, &node->env, row->key, row->value);
	return rc == MP_ENOENT ? 0 : rc; /* a newer version's */
}

static void
node_restore(struct mp_node *node, const struct mp_row *row)
{
	int rc = 0;

	switch (row->table) {
	case MP_TABLE_META:
		rc = restore_meta(node, row);
		break;
	case MP_TABLE_MEMBER:
		rc = mp_roster_restore(node->roster, &node->env, row->key, row->value);
		break;
	case MP_TABLE_REVOKED:
		rc = mp_roster_restore_revoked(node->roster, row->key, row->value);
		break;
	case MP_TABLE_RUN:
	case MP_TABLE_VOTE:
	case MP_TABLE_ENTRY:
	case MP_TABLE_KNOWN:
	case MP_TABLE_SECRET:
		rc = mp_runs_restore(node->runs, &node->env, row);
		break;
	case MP_TABLE_FENCE:
	case MP_TABLE_HELD:
		rc = mp_worker_restore(node->worker, &node->env, row);
		break;
	case MP_TABLE_COUNT:
		break;
	}
	/* A damaged run is left alone and the others go on; without keys and members nothing does.
	 */
	if (rc != 0 && (rc != MP_ECORRUPT || row->table <= MP_TABLE_MEMBER ||
			       row->table == MP_TABLE_REVOKED))
		node_fatal(node, rc, "control.db: a row cannot be read back", mp_strerror(rc));
}

/* Nothing is said in a boot whose counter is not on disk: a datagram could be taken for a replay,
 * and a vote for one of the boot before. */
static void
node_boot(struct mp_node *node)
{
	struct mp_env *env = &node->env;
	struct mp_cbor_w w;

	if (node->quarantined) {
		node_fatal(node, MP_EAUTH, "quarantine", DOUBLED_TEXT);
		return;
	}
	env->boot++;
	mp_cbor_w_init(&w, mp_out_scratch(node->out));
	mp_cbor_w_uint(&w, env->boot);
	if (w.rc == 0)
		mp_out_put(node->out, MP_TABLE_META, mp_span_str(META_BOOT), mp_buf_span(w.buf));
	if (node->genesis && mp_dgram_key_count(node->dgram) == 0 &&
		mp_dgram_key_add(node->dgram, env, 1, node->gossip_key, true) != 0)
		w.rc = MP_ENOMEM;
	node->boot_seq = mp_out_seq(node->out);
	node->phase = NODE_BOOTING;
	if (w.rc != 0)
		node_fatal(node, w.rc, "start", mp_strerror(w.rc));
}

static void
node_run(struct mp_node *node)
{
	struct mp_env *env = &node->env;
	int rc = mp_swim_start(node->swim, env);

	if (mp_roster_revoked(node->roster, &env->self)) {
		node_shut(node);
		return;
	}
	if (rc == MP_EAUTH) {
		node_fatal(node, MP_EAUTH, "start",
			"this node has left its cluster for ever; use a new state "
			"directory");
		return;
	}
	if (rc != 0) {
		node_fatal(node, rc, "start", mp_strerror(rc));
		return;
	}
	node->phase = NODE_RUNNING;
	mp_runs_start(node->runs, env);
	mp_worker_start(node->worker, env);
	mp_out_effect(node->out, &(struct mp_effect){.kind = MP_FX_READY});
}

static void
node_begin(struct mp_node *node)
{
	struct mp_span credential = mp_buf_span(&node->credential);
	int rc = mp_drain_start(node->drain, &node->env);

	if (rc != 0) {
		node_fatal(node, rc, "start", mp_strerror(rc));
		return;
	}
	if (mp_roster_find(node->roster, &node->env.self) != NULL) {
		node_run(node);
		return;
	}
	if (node->genesis) {
		rc = mp_roster_add(node->roster, &node->env, credential, NULL);
		if (rc != 0)
			node_fatal(node, rc, "our own credential", mp_strerror(rc));
		else
			node_run(node);
		return;
	}
	node->phase = NODE_JOINING;
	rc = MP_EAUTH;
	if (node->may_join)
		rc = mp_join_start(
			node->join, &node->env, node->seeds, node->seed_count, credential);
	if (rc != 0)
		node_fatal(node, rc, "join", node->may_join ? mp_strerror(rc) : UNKNOWN_TEXT);
}

static void
node_joining(struct mp_node *node)
{
	if (mp_join_state(node->join) == MP_JOIN_REFUSED)
		node_fatal(node, mp_join_error(node->join)->code, "join refused",
			mp_join_error(node->join)->text);
	else if (mp_join_done(node->join))
		node_run(node);
}

/* ---- what comes from the network ---- */

/* What was said well, and was not for its sender to say, or too late. */
static void
node_count(struct mp_node *node, int rc, enum mp_counter malformed)
{
	if (rc == MP_EFORMAT || rc == MP_ETRUNC || rc == MP_ELIMIT)
		node->counters[malformed]++;
	else if (rc == MP_EREPLAY)
		node->counters[MP_COUNT_FENCED]++;
	else if (rc == MP_ENOMEM)
		node->counters[MP_COUNT_NO_MEMORY]++;
	else if (rc != 0 && rc != MP_EBUSY)
		node->counters[MP_COUNT_MSG_REFUSED]++;
}

static void
node_datagram(struct mp_node *node, const struct mp_event *ev)
{
	struct mp_env *env = &node->env;
	struct mp_dgram_in *in = &node->in;
	struct mp_span record;

	if (node->phase != NODE_RUNNING && node->phase != NODE_STOPPING)
		return;
	if (mp_dgram_open(node->dgram, env, ev->u.datagram.bytes, in) != 0) {
		mp_swim_dropped(node->swim, env, in, &ev->u.datagram.from);
		return;
	}
	mp_swim_heard(node->swim, env, &in->sender->id, in->boot, &ev->u.datagram.from);
	while (mp_list_next(&in->records, &record)) {
		uint64_t kind = mp_msg_kind(record);
		int rc;

		if (kind <= MP_SWIM_RECORD_LAST)
			rc = mp_swim_record(
				node->swim, env, &in->sender->id, &ev->u.datagram.from, record);
		else
			rc = mp_pulse_receive(node->pulse, env, &in->sender->id, record);
		if (rc != MP_EUNSUPPORTED) /* of a newer node */
			node_count(node, rc, MP_COUNT_DGRAM_MALFORMED);
	}
}

static int
node_route(struct mp_node *node, const struct mp_node_id *from, struct mp_span bytes)
{
	struct mp_env *env = &node->env;
	uint64_t kind = mp_msg_kind(bytes);

	if (kind >= 36 && kind <= 38)
		return mp_join_message(node->join, env, from, bytes);
	if (mp_roster_find(node->roster, from) == NULL)
		return MP_EAUTH;
	if ((kind >= 1 && kind <= 35) || kind == 39 || kind == 96)
		return mp_swim_message(node->swim, env, from, bytes);
	if (kind == 56 || kind == 57)
		return mp_ctl_message(node->ctl, env, from, bytes);
	if ((kind >= 40 && kind <= 55) || kind == 58 || kind == 59 || (kind >= 70 && kind <= 79))
		return mp_runs_message(node->runs, env, from, bytes);
	if (kind >= 60 && kind <= 69)
		return mp_worker_message(node->worker, env, from, bytes);
	if (kind >= 80 && kind <= 82)
		return mp_fetch_message(node->fetch, env, from, bytes);
	if (kind == 83 || kind == 84)
		return mp_hold_message(node->hold, env, from, bytes);
	if (kind >= 90 && kind <= 95)
		return mp_shelf_message(node->shelf, env, from, bytes);
	return MP_EUNSUPPORTED;
}

static void
node_message(struct mp_node *node, const struct mp_node_id *from, struct mp_span bytes)
{
	int rc;

	if (node->phase == NODE_BOOTING && mp_msg_kind(bytes) == MP_MSG_JOIN)
		(void)mp_join_message(node->join, &node->env, from, bytes);
	if (node->phase < NODE_JOINING || node->phase >= NODE_QUARANTINED)
		return;
	if (mp_roster_revoked(node->roster, from)) {
		node->counters[MP_COUNT_MSG_REFUSED]++;
		return;
	}
	if (node->phase != NODE_JOINING && mp_roster_find(node->roster, from) != NULL)
		mp_swim_sign_of_life(node->swim, &node->env, from);
	rc = node_route(node, from, bytes);
	if (mp_msg_kind(bytes) == MP_MSG_JOIN && rc != 0 && rc != MP_EBUSY)
		node->counters[MP_COUNT_JOIN_REFUSED]++;
	else
		node_count(node, rc, MP_COUNT_MSG_MALFORMED);
}

static void
node_link(struct mp_node *node, const struct mp_event *ev)
{
	struct mp_env *env = &node->env;
	const struct mp_node_id *peer = &ev->u.link.peer;

	if (node->phase < NODE_JOINING || node->phase >= NODE_QUARANTINED)
		return;
	if (ev->u.link.state == MP_LINK_UP && ev->u.link.klass == MP_CLASS_CONTROL &&
		mp_roster_revoked(node->roster, peer))
		mp_join_turn_away(env, peer);
	if (mp_swim_refuses(node->swim, env, peer, ev->u.link.klass, ev->u.link.state)) {
		node->counters[MP_COUNT_STREAM_REVOKED] += ev->u.link.state == MP_LINK_UP;
		if (ev->u.link.state == MP_LINK_UP)
			return;
	}
	if (!ev->u.link.joiner && node->phase != NODE_JOINING)
		mp_swim_link(node->swim, env, peer, ev->u.link.klass, ev->u.link.state,
			ev->u.link.credential);
	mp_join_link(node->join, env, peer, ev->u.link.klass, ev->u.link.state,
		ev->u.link.credential, &ev->u.link.addr);
	if (ev->u.link.joiner || node->phase == NODE_JOINING)
		return;
	if (ev->u.link.klass == MP_CLASS_BULK) {
		mp_fetch_event(node->fetch, env, ev);
		return;
	}
	mp_hold_event(node->hold, env, ev);
	mp_shelf_event(node->shelf, env, ev);
	mp_worker_link(node->worker, env, peer, ev->u.link.state);
	mp_pulse_link(node->pulse, env, peer, ev->u.link.state == MP_LINK_UP);
	mp_runs_link(node->runs, env, peer, ev->u.link.state);
	mp_ctl_link(node->ctl, env, peer, ev->u.link.state);
}

/* ---- the step ---- */

static void
node_persisted(struct mp_node *node, uint64_t seq)
{
	struct mp_env *env = &node->env;

	if (node->phase == NODE_QUARANTINED)
		return;
	mp_out_persisted(node->out, seq);
	if (node->phase == NODE_BOOTING && seq >= node->boot_seq) {
		node_begin(node);
		return;
	}
	mp_join_persisted(node->join, env);
	if (node->phase != NODE_RUNNING && node->phase != NODE_STOPPING)
		return;
	mp_runs_persisted(node->runs, env, seq);
	mp_worker_persisted(node->worker, env);
}

static void
node_tick(struct mp_node *node)
{
	struct mp_env *env = &node->env;

	if (node->phase == NODE_JOINING || node->phase == NODE_RUNNING)
		mp_join_tick(node->join, env);
	if (node->phase >= NODE_RUNNING && node->phase <= NODE_QUARANTINED &&
		mp_swim_deadline(node->swim) <= env->now_ms)
		mp_swim_tick(node->swim, env);
	if (node->phase != NODE_RUNNING && node->phase != NODE_STOPPING)
		return;
	if (mp_pulse_deadline(node->pulse) <= env->now_ms)
		mp_pulse_tick(node->pulse, env);
	if (mp_runs_deadline(node->runs) <= env->now_ms)
		mp_runs_tick(node->runs, env);
	if (mp_worker_deadline(node->worker) <= env->now_ms)
		mp_worker_tick(node->worker, env);
	if (mp_fetch_deadline(node->fetch) <= env->now_ms)
		mp_fetch_tick(node->fetch, env);
	if (mp_hold_deadline(node->hold) <= env->now_ms)
		mp_hold_tick(node->hold, env);
	if (mp_shelf_deadline(node->shelf) <= env->now_ms)
		mp_shelf_tick(node->shelf, env);
	if (mp_ctl_deadline(node->ctl) <= env->now_ms)
		mp_ctl_tick(node->ctl, env);
	mp_drain_tick(node->drain, env);
}

static void
node_stop(struct mp_node *node)
{
	struct mp_env *env = &node->env;

	if (node->phase != NODE_RUNNING) {
		node->phase = NODE_STOPPED;
		mp_out_effect(node->out, &(struct mp_effect){.kind = MP_FX_STOPPED});
		return;
	}
	node->phase = NODE_STOPPING;
	(void)mp_swim_set_status(node->swim, env, MP_NODE_OFFLINE);
	mp_runs_stop(node->runs, env);
	mp_worker_stop(node->worker, env);
}

static void
node_blob(struct mp_node *node, const struct mp_event *ev)
{
	uint64_t token = ev->kind == MP_EV_BLOB_STAT      ? ev->u.blob_stat.token
			 : ev->kind == MP_EV_BLOB_READ    ? ev->u.blob_read.token
			 : ev->kind == MP_EV_BLOB_WRITTEN ? ev->u.blob_written.token
							  : ev->u.blob_synced.token;

	if (mp_fetch_owns(token))
		mp_fetch_event(node->fetch, &node->env, ev);
	else if (mp_hold_owns(token))
		mp_hold_event(node->hold, &node->env, ev);
	else if (ev->kind == MP_EV_BLOB_READ)
		mp_ctl_copied(node->ctl, &node->env, ev);
}

static void
node_dispatch(struct mp_node *node, const struct mp_event *ev)
{
	struct mp_env *env = &node->env;

	switch (ev->kind) {
	case MP_EV_RESTORE:
		node_restore(node, &ev->u.restore);
		break;
	case MP_EV_START:
		node_boot(node);
		break;
	case MP_EV_TICK:
		node_tick(node);
		break;
	case MP_EV_DATAGRAM:
		node_datagram(node, ev);
		break;
	case MP_EV_LINK:
		node_link(node, ev);
		break;
	case MP_EV_SEEDS:
		mp_join_seeds(node->join, env, ev->u.seeds.addrs, ev->u.seeds.count);
		break;
	case MP_EV_MESSAGE:
		node_message(node, &ev->u.message.peer, ev->u.message.bytes);
		break;
	case MP_EV_PERSISTED:
		node_persisted(node, ev->u.persisted.seq);
		break;
	case MP_EV_ROWS_READ:
		mp_runs_rows(node->runs, env, ev);
		break;
	case MP_EV_CONTROL:
		mp_ctl_request(node->ctl, env, ev->u.control.request, ev->u.control.bytes,
			node->phase == NODE_RUNNING);
		break;
	case MP_EV_CONTROL_CLOSED:
		mp_ctl_closed(node->ctl, ev->u.control.request);
		break;
	case MP_EV_BLOB_STAT:
	case MP_EV_BLOB_READ:
	case MP_EV_BLOB_WRITTEN:
	case MP_EV_BLOB_SYNCED:
		node_blob(node, ev);
		break;
	case MP_EV_CACHE_FOUND:
	case MP_EV_CACHE_GOT:
		mp_shelf_event(node->shelf, env, ev);
		break;
	case MP_EV_LOG_READ:
		mp_ctl_logged(node->ctl, &node->env, ev);
		break;
	case MP_EV_BLOB_LIST:
		mp_leave_event(node->leave, env, ev);
		break;
	case MP_EV_EXEC:
		mp_worker_exec(node->worker, env, &ev->u.exec);
		break;
	case MP_EV_CAPS:
		if (mp_swim_set_caps(node->swim, env, ev->u.caps.caps) == 0)
			mp_worker_set_slots(node->worker, env, ev->u.caps.slots);
		break;
	case MP_EV_STOP:
		node_stop(node);
		break;
	}
}

static void
node_lost(struct mp_node *node, const struct mp_node_id *member)
{
	mp_hold_lost(node->hold, &node->env, member);
	mp_shelf_lost(node->shelf, &node->env, member);
}

/* Who appeared, fell or changed concerns those who wait for members. */
static void
node_members(struct mp_node *node)
{
	struct mp_env *env = &node->env;
	uint64_t seen = node->roster_version;

	if (mp_roster_version(node->roster) == seen)
		return;
	node->roster_version = mp_roster_version(node->roster);
	for (size_t i = 0; i < mp_roster_count(node->roster); i++) {
		const struct mp_member *m = mp_roster_at(node->roster, i);

		if (m->changed > seen && m->state >= MP_MEMBER_DEAD)
			node_lost(node, &m->id);
		if (m->changed > seen && m->revoked)
			mp_runs_shut(node->runs, env, &m->id);
	}
	mp_runs_members(node->runs, env);
}

/* What the parts put off to the end of a step, until nobody has anything more to say to itself.
 * Parts that answer each other for ever would stop the node: beyond a bound it is as on a network,
 * and messages are lost. */
static void
node_settle(struct mp_node *node)
{
	struct mp_env *env = &node->env;
	struct mp_span bytes;
	size_t budget = MP_LOOP_MAX;

	do {
		/* What these messages call forth comes after what they put off. */
		for (size_t n = mp_out_loop_count(node->out); n > 0; n--) {
			if (!mp_out_loop(node->out, &bytes))
				break;
			if (budget > 0) {
				budget--;
				node_message(node, &env->self, bytes);
			} else {
				node->counters[MP_COUNT_MSG_REFUSED]++;
			}
		}
		mp_runs_flush(node->runs, env);
		mp_worker_flush(node->worker, env);
		mp_hold_flush(node->hold, env);
		mp_ctl_flush(node->ctl, env);
	} while (mp_out_loop_count(node->out) > 0);
}

/* Is there nothing more to be done here? Whoever leaves stops first. */
static bool
node_is_done(struct mp_node *node)
{
	struct mp_env *env = &node->env;
	struct mp_error err = {0};

	if (!mp_leave_asked(node->leave))
		return mp_worker_stopped(node->worker, env);
	if (!mp_leave_step(node->leave, env, &err))
		return false;
	mp_ctl_left(node->ctl, env, &err);
	if (err.code != 0)
		node_fatal(node, err.code, "leave", err.text);
	return err.code == 0;
}

static void
node_end(struct mp_node *node)
{
	if (node->phase == NODE_RUNNING &&
		(mp_leave_asked(node->leave) || mp_swim_left(node->swim, node->env.now_ms)))
		node_stop(node);
	if (node->phase != NODE_STOPPING || !node_is_done(node))
		return;
	node->phase = NODE_STOPPED;
	mp_out_effect(node->out, &(struct mp_effect){.kind = MP_FX_STOPPED});
}

void
mp_node_step(struct mp_node *node, const struct mp_event *event, const struct mp_effect **effects,
	size_t *effect_count)
{
	struct mp_env *env = &node->env;

	env->now_ms = event->now_ms;
	env->wall_ms = event->wall_ms;
	mp_rng_stir(&env->rng, event->entropy);
	mp_out_begin(node->out);
	if (node->phase != NODE_STOPPED)
		node_dispatch(node, event);
	if (node->phase == NODE_JOINING)
		node_joining(node);
	if ((node->phase == NODE_RUNNING || node->phase == NODE_STOPPING) &&
		mp_swim_doubled(node->swim))
		node_quarantine(node);
	if (node->phase >= NODE_RUNNING && node->phase <= NODE_QUARANTINED &&
		mp_swim_shut(node->swim, env->now_ms))
		node_shut(node);
	if (node->phase == NODE_RUNNING || node->phase == NODE_STOPPING) {
		node_members(node);
		node_settle(node);
		mp_swim_set_load(
			node->swim, &(struct mp_load){.used = mp_worker_slots_used(node->worker),
					    .attempts = (uint32_t)mp_worker_attempts(node->worker),
					    .leads = (uint32_t)mp_runs_leading(node->runs),
					    .drained = mp_drain_done(node->drain),
					    .runs = mp_runs_say(node->runs, env)});
	}
	node_end(node);
	mp_out_end(node->out, effects, effect_count);
}
