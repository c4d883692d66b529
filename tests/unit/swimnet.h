/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster in one process, of membership only: whole nodes without runs, virtual time, a network
 * with loss, delay and cuts, streams that are reliable while both ends live, and disks that lose
 * what was not reported durable. Everything follows from the seed.
 */
#ifndef MP_TESTS_SWIMNET_H
#define MP_TESTS_SWIMNET_H

#include "unit/swimworld.h"

/* ---- steps and effects ---- */

static inline void
net_begin(struct net *net, struct net_node *n)
{
	n->env.now_ms = net->now;
	n->env.wall_ms = NET_WALL + net->now + n->wall_skew_ms;
	mp_rng_stir(&n->env.rng, mp_rng_next(&net->rng));
	mp_out_begin(n->env.out);
}

static inline mp_time
net_delay(struct net *net)
{
	return 1 + (mp_time)mp_rng_below(&net->rng, 5);
}

static inline void
net_link_event(struct net *net, size_t to, size_t from, enum mp_link_state state, mp_time delay)
{
	net_push(net,
		(struct net_event){.at = net->now + delay,
			.kind = NET_LINK,
			.to = to,
			.from = from,
			.life = net->nodes[to].life,
			.link = state},
		mp_span(NULL, 0));
}

static inline struct mp_span
net_credential(struct net_node *n)
{
	struct mp_node_id id;
	const struct mp_member *m;

	memcpy(id.b, n->secret.public_key, sizeof(id.b));
	m = mp_roster_find(n->roster, &id);
	return m != NULL ? m->credential : mp_buf_span(&n->credential);
}

/* Would this node let the other in? */
static inline bool
net_accepts(struct net *net, struct net_node *n, struct net_node *other, bool *joiner)
{
	struct mp_node_id id;

	return mp_join_check_peer(n->roster, net_credential(other), &other->xkey,
		       NET_WALL + net->now, &id, joiner, NULL) == 0;
}

/* A stream from a to b, or the news that there is none. */
static inline bool
net_connect(struct net *net, size_t a, size_t b)
{
	struct net_node *na = &net->nodes[a], *nb = &net->nodes[b];
	bool joiner;

	if (na->link[b] && !net->no_streams)
		return true;
	if (net->no_streams || net->cut[a][b] || net->cut[b][a] || nb->out) {
		net_link_event(net, a, b, MP_LINK_FAILED, 3000);
		return false;
	}
	if (!nb->up || !net_accepts(net, na, nb, &joiner) || !net_accepts(net, nb, na, &joiner)) {
		net_link_event(net, a, b, MP_LINK_REFUSED, net_delay(net));
		return false;
	}
	na->link[b] = nb->link[a] = true;
	net_link_event(net, a, b, MP_LINK_UP, 1);
	net_link_event(net, b, a, MP_LINK_UP, 1);
	return true;
}

static inline size_t
net_at(const struct net *net, const struct mp_addr *addr)
{
	for (size_t i = 0; i < net->count; i++) {
		if (mp_addr_eq(&net->nodes[i].addr, addr))
			return i;
	}
	return NET_MAX;
}

static inline void
net_fx_connect(struct net *net, struct net_node *n, const struct mp_addr *to)
{
	size_t b = net_at(net, to);

	if (b < net->count && net->nodes[b].exists)
		(void)net_connect(net, n->index, b);
	else /* nobody there: told under its address, which is that of slot NET_MAX - 1 */
		net_link_event(net, n->index, NET_MAX - 1, MP_LINK_REFUSED, 1);
}

/* Who is meant by that id: where two have it, the last with a stream, or else who is up. */
static inline size_t
net_holder(const struct net *net, const struct net_node *n, const struct mp_node_id *id)
{
	size_t found = net_index(net, id);

	for (size_t i = found + 1; i < net->count; i++) {
		const struct net_node *other = &net->nodes[i];

		if (memcmp(other->secret.public_key, id->b, sizeof(id->b)) == 0 && other->up &&
			!other->fatal && (n->link[i] || net->nodes[found].fatal))
			found = i;
	}
	return found;
}

static inline void
net_fx_send(struct net *net, struct net_node *n, const struct mp_effect *fx)
{
	size_t to = net_holder(net, n, &fx->u.send.peer);
	uint64_t kind = mp_msg_kind(fx->u.send.bytes);

	assert_true(to < net->count && kind < mp_countof(net->sent));
	if (!net_connect(net, n->index, to))
		return;
	net->sent[kind]++;
	net->sent_bytes[kind] += fx->u.send.bytes.n;
	/* One delay for all messages: they stay in order. */
	net_push(net,
		(struct net_event){.at = net->now + 2,
			.kind = NET_MESSAGE,
			.to = to,
			.from = n->index,
			.life = net->nodes[to].life},
		fx->u.send.bytes);
}

static inline void
net_fx_datagram(struct net *net, struct net_node *n, const struct mp_effect *fx)
{
	size_t to = net_at(net, &fx->u.datagram.to);

	n->datagrams_sent++;
	assert_true(fx->u.datagram.bytes.n <= MP_DGRAM_MAX);
	if (to == NET_MAX || net->cut[n->index][to] ||
		mp_rng_below(&net->rng, 100) < net->loss_percent)
		return;
	net_push(net,
		(struct net_event){.at = net->now + net_delay(net),
			.kind = NET_DATAGRAM,
			.to = to,
			.from = n->index,
			.life = net->nodes[to].life},
		fx->u.datagram.bytes);
}

static inline void
net_fx_drop(struct net *net, struct net_node *n, const struct mp_node_id *peer)
{
	size_t b = net_index(net, peer);

	if (b == NET_MAX || !n->link[b])
		return;
	/* The other one reads what was said before. */
	n->link[b] = false;
	net_link_event(net, b, n->index, MP_LINK_DOWN, 3);
}

/* What node.c does with joining. */
static inline void
net_progress(struct net_node *n)
{
	int rc;

	n->fatal = n->fatal || mp_swim_shut(n->swim, n->env.now_ms);
	if (n->member || !mp_join_done(n->join))
		return;
	rc = mp_swim_start(n->swim, &n->env);
	n->member = rc == 0;
	n->fatal = n->fatal || rc != 0;
}

static inline void
net_end(struct net *net, struct net_node *n)
{
	const struct mp_effect *fx;
	size_t count;

	net_progress(n);
	mp_out_end(n->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++) {
		switch ((int)fx[i].kind) {
		case MP_FX_DATAGRAM:
			net_fx_datagram(net, n, &fx[i]);
			break;
		case MP_FX_SEND:
			net_fx_send(net, n, &fx[i]);
			break;
		case MP_FX_CONNECT:
			net_fx_connect(net, n, &fx[i].u.connect.to);
			break;
		case MP_FX_RESOLVE:
			n->resolves++;
			break;
		case MP_FX_DROP_PEER:
			net_fx_drop(net, n, &fx[i].u.drop.peer);
			break;
		case MP_FX_PERSIST:
			net_persist(net, n, &fx[i]);
			break;
		case MP_FX_FATAL:
			n->fatal = true;
			break;
		default:
			fail_msg("effect %d", (int)fx[i].kind);
		}
	}
}

/* ---- events ---- */

static inline void
net_on_datagram(struct net *net, struct net_node *n, const struct net_event *ev)
{
	struct mp_span record;

	if (!n->member)
		return;
	if (mp_dgram_open(n->dgram, &n->env, mp_span(ev->bytes, ev->size), &n->in) != 0) {
		mp_swim_dropped(n->swim, &n->env, &n->in, &net->nodes[ev->from].addr);
		return;
	}
	mp_swim_heard(n->swim, &n->env, &n->in.sender->id, n->in.boot, &net->nodes[ev->from].addr);
	while (mp_list_next(&n->in.records, &record))
		(void)mp_swim_record(
			n->swim, &n->env, &n->in.sender->id, &net->nodes[ev->from].addr, record);
}

static inline void
net_on_message(struct net *net, struct net_node *n, const struct net_event *ev)
{
	struct mp_node_id from = net_id(net, ev->from);
	struct mp_span bytes = mp_span(ev->bytes, ev->size);
	uint64_t kind = mp_msg_kind(bytes);

	if (!n->link[ev->from])
		return;
	if (mp_roster_revoked(n->roster, &from) || (net->no_sums && kind == MP_MSG_SUMS))
		return;
	if (kind >= MP_MSG_JOIN && kind <= MP_MSG_JOIN_REFUSED) {
		(void)mp_join_message(n->join, &n->env, &from, bytes);
		return;
	}
	if (!n->member || mp_roster_find(n->roster, &from) == NULL)
		return;
	mp_swim_sign_of_life(n->swim, &n->env, &from);
	(void)mp_swim_message(n->swim, &n->env, &from, bytes);
}

static inline void
net_on_link(struct net *net, struct net_node *n, const struct net_event *ev)
{
	struct mp_node_id peer = {{0}};
	struct mp_span credential = mp_span(NULL, 0);
	struct mp_addr addr = {.port = 1};
	bool joiner = false;

	if (ev->from < net->count) {
		peer = net_id(net, ev->from);
		addr = net->nodes[ev->from].addr;
		if (ev->link == MP_LINK_UP) {
			if (!net->nodes[ev->from].up)
				return;
			credential = net_credential(&net->nodes[ev->from]);
			if (!net_accepts(net, n, &net->nodes[ev->from], &joiner))
				return;
		}
	}
	if (ev->from < net->count && ev->link == MP_LINK_DOWN &&
		!net->nodes[ev->from].link[n->index])
		n->link[ev->from] = false;
	if (mp_swim_refuses(n->swim, &n->env, &peer, MP_CLASS_CONTROL, ev->link))
		return;
	if (n->member && !joiner)
		mp_swim_link(n->swim, &n->env, &peer, MP_CLASS_CONTROL, ev->link, credential);
	mp_join_link(n->join, &n->env, &peer, MP_CLASS_CONTROL, ev->link, credential, &addr);
}

static inline void
net_deliver(struct net *net, const struct net_event *ev)
{
	struct net_node *n = &net->nodes[ev->to];

	if (!n->up || n->fatal || ev->life != n->life)
		return;
	net_begin(net, n);
	switch (ev->kind) {
	case NET_DATAGRAM:
		net_on_datagram(net, n, ev);
		break;
	case NET_MESSAGE:
		net_on_message(net, n, ev);
		break;
	case NET_LINK:
		net_on_link(net, n, ev);
		break;
	case NET_PERSISTED:
		net_written(n, ev->seq);
		mp_out_persisted(n->env.out, ev->seq);
		mp_join_persisted(n->join, &n->env);
		break;
	}
	net_end(net, n);
}

/* A node that is up must never be held dead while this is on. */
static inline void
net_check(struct net *net, const struct net_node *n)
{
	for (size_t i = 0; net->watch && n->member && i < net->count; i++) {
		const struct mp_member *m;

		if (!net->nodes[i].up || !net->nodes[i].member)
			continue;
		m = net_view(net, n->index, i);
		if (m != NULL && m->statement.n > 0 && m->state == MP_MEMBER_DEAD)
			net->deaths++;
	}
}

static inline mp_time
net_deadline(const struct net_node *n)
{
	mp_time a, b;

	if (!n->up || n->fatal || n->pause)
		return MP_TIME_NEVER;
	a = mp_swim_deadline(n->swim);
	b = mp_join_deadline(n->join);
	return a < b ? a : b;
}

static inline void
net_tick(struct net *net, struct net_node *n)
{
	net_begin(net, n);
	mp_join_tick(n->join, &n->env);
	mp_swim_tick(n->swim, &n->env);
	net_end(net, n);
	net_check(net, n);
}

/* Runs until that much later. */
static inline void
net_run(struct net *net, mp_time ms)
{
	mp_time until = net->now + ms;

	for (;;) {
		mp_time next = net->event_count > 0 ? net->events[0].at : MP_TIME_NEVER;
		struct net_node *ticking = NULL;

		for (size_t i = 0; i < net->count; i++) {
			mp_time t = net_deadline(&net->nodes[i]);

			if (t < next) { /* what waits on a socket goes first */
				next = t;
				ticking = &net->nodes[i];
			}
		}
		if (next > until)
			break;
		if (next > net->now)
			net->now = next;
		if (ticking != NULL) {
			net_tick(net, ticking);
		} else {
			struct net_event ev = net_pop(net);

			if (net->nodes[ev.to].pause) {
				ev.at = net->now + 50;
				net_push(net, ev, mp_span(ev.bytes, ev.size));
			} else {
				net_deliver(net, &ev);
			}
			free(ev.bytes);
		}
	}
	net->now = until;
}

/* ---- nodes come and go ---- */

static inline void
net_caps(struct net_node *n)
{
	struct mp_caps caps = {.slots = (uint32_t)n->index + 1, .os = "linux", .arch = "x86_64"};

	mp_buf_init(&n->caps, &n->alloc, MP_CAPS_BYTES_MAX);
	assert_int_equal(mp_caps_encode(&caps, &n->caps), 0);
}

/* A state directory; the first one is that of the founder. */
static inline struct net_node *
net_add(struct net *net)
{
	size_t i = net->count++;
	struct net_node *n = &net->nodes[i];
	struct mp_signer signer;
	struct mp_join_request q = {.log = mp_buf_span(&net->log),
		.invite = mp_buf_span(&net->invite),
		.inviter = net->inviter,
		.roles = MP_ROLE_NODE,
		.serial = 1,
		.wall_ms = NET_WALL};

	assert_true(i < NET_MAX - 1);
	*n = (struct net_node){.exists = true, .index = i, .alloc = UNIT_ALLOC(&n->heap)};
	net_node_id(&n->secret, &signer, 3, (unsigned)i);
	memset(n->xkey.b, (int)i + 1, sizeof(n->xkey.b));
	n->addr.port = (uint16_t)(7117 + i);
	memcpy(n->addr.ip, (uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}, 16);
	n->addr.ip[15] = (uint8_t)(i + 1);
	memcpy(n->name, "node-", 6);
	n->name[5] = (char)('a' + i % 26);
	n->name[6] = (char)('0' + i / 26);
	mp_buf_init(&n->credential, &n->alloc, MP_CREDENTIAL_MAX);
	net_caps(n);
	if (i == 0) {
		struct mp_genesis g = {.authority = net->authority,
			.inviter = net->inviter,
			.node = signer,
			.xkey = n->xkey,
			.name = mp_span_str(n->name),
			.wall_ms = NET_WALL};

		n->genesis = true;
		assert_int_equal(
			mp_trust_genesis(&net_crypto, &g, &net->cluster, &n->credential), 0);
		return n;
	}
	q.node = signer;
	q.xkey = n->xkey;
	q.name = mp_span_str(n->name);
	assert_int_equal(mp_trust_join(&net_crypto, &q, &n->credential, NULL), 0);
	n->seeds[0] = net->nodes[0].addr;
	n->seed_count = 1;
	return n;
}

static inline int
net_parts(struct net *net, struct net_node *n)
{
	struct mp_swim_config config = {
		.addrs = &n->addr, .addr_count = n->out ? 0 : 1, .caps = mp_buf_span(&n->caps)};
	int rc = mp_join_credential_name(mp_buf_span(&n->credential), &config.name);

	assert_int_equal(rc, 0);
	n->env = (struct mp_env){.alloc = &n->alloc,
		.crypto = &net_crypto,
		.secret = &n->secret,
		.profile = &net_profile,
		.self = net_id(net, n->index),
		.cluster = net->cluster,
		.now_ms = net->now,
		.wall_ms = NET_WALL + net->now,
		.rng.state = mp_rng_next(&net->rng)};
	if ((rc = mp_roster_new(&n->env, &n->roster)) != 0)
		return rc;
	n->env.out = mp_out_new(&n->alloc, &n->env.self, mp_roster_addrs, n->roster);
	if (n->env.out == NULL)
		return MP_ENOMEM;
	if ((rc = mp_dgram_new(&n->env, n->roster, &n->dgram)) != 0 ||
		(rc = mp_swim_new(&n->env, n->roster, n->dgram, &config, &n->swim)) != 0)
		return rc;
	return mp_join_new(&n->env, n->roster, n->dgram, n->swim, &n->join);
}

static inline int
net_restore(struct net_node *n)
{
	int rc = 0;

	for (const struct net_row *row = n->disk; row != NULL && rc == 0; row = row->next) {
		struct mp_span key = mp_span(row->key, row->key_size);
		struct mp_span value = mp_span(row->value, row->value_size);

		if (row->table == MP_TABLE_REVOKED)
			rc = mp_roster_restore_revoked(n->roster, key, value);
		if (row->table != MP_TABLE_META)
			continue;
		rc = mp_dgram_restore(n->dgram, &n->env, key, value);
		if (rc == MP_ENOENT)
			rc = mp_roster_restore_meta(n->roster, key, value);
	}
	for (const struct net_row *row = n->disk; row != NULL && rc == 0; row = row->next) {
		struct mp_span key = mp_span(row->key, row->key_size);
		struct mp_span value = mp_span(row->value, row->value_size);

		if (row->table == MP_TABLE_MEMBER)
			rc = mp_roster_restore(n->roster, &n->env, key, value);
	}
	return rc;
}

/* Starts or restarts; false when memory was out or the node may not. */
static inline bool
net_start(struct net *net, size_t i)
{
	struct net_node *n = &net->nodes[i];
	static const uint8_t gossip_key[MP_SYMKEY_SIZE] = "what the founder made up";
	int rc = net_parts(net, n);

	assert_false(n->up);
	n->up = true;
	n->fatal = n->member = false;
	n->life++;
	if (rc == 0)
		rc = net_restore(n);
	n->env.boot = ++n->boot; /* on disk before anything is said */
	if (rc != 0) {
		n->fatal = true;
		return false;
	}
	net_begin(net, n);
	if (n->genesis && !mp_roster_is_member(n->roster)) {
		rc = mp_roster_add(n->roster, &n->env, mp_buf_span(&n->credential), NULL);
		if (rc == 0)
			rc = mp_dgram_key_add(n->dgram, &n->env, 1, gossip_key, true);
	}
	if (rc == 0 && mp_roster_is_member(n->roster)) {
		rc = mp_swim_start(n->swim, &n->env);
		n->member = rc == 0;
	} else if (rc == 0) {
		rc = mp_join_start(
			n->join, &n->env, n->seeds, n->seed_count, mp_buf_span(&n->credential));
	}
	n->fatal = rc != 0;
	net_end(net, n);
	return rc == 0;
}

static inline void
net_parts_free(struct net_node *n)
{
	mp_join_free(n->join);
	mp_swim_free(n->swim);
	mp_dgram_free(n->dgram);
	mp_out_free(n->env.out);
	mp_roster_free(n->roster);
	n->join = NULL;
	n->swim = NULL;
	n->dgram = NULL;
	n->env.out = NULL;
	n->roster = NULL;
}

/* kill -9: what was not durable is lost. */
static inline void
net_kill(struct net *net, size_t i)
{
	struct net_node *n = &net->nodes[i];

	n->up = n->member = n->fatal = n->pause = false;
	n->life++;
	net_parts_free(n);
	while (n->writes != NULL) {
		struct net_write *w = n->writes;

		n->writes = w->next;
		net_rows_free(w->rows);
		free(w);
	}
	for (size_t k = 0; k < net->count; k++) {
		if (n->link[k])
			net_link_event(net, k, i, MP_LINK_DOWN, 1);
		n->link[k] = net->nodes[k].link[i] = false;
	}
}

/* No packet passes between those below `edge` and the others; streams fall. */
static inline void
net_cut(struct net *net, size_t edge, bool cut)
{
	for (size_t a = 0; a < edge; a++) {
		for (size_t b = edge; b < net->count; b++) {
			net->cut[a][b] = net->cut[b][a] = cut;
			if (!cut || !net->nodes[a].link[b])
				continue;
			net->nodes[a].link[b] = net->nodes[b].link[a] = false;
			net_link_event(net, a, b, MP_LINK_DOWN, 1);
			net_link_event(net, b, a, MP_LINK_DOWN, 1);
		}
	}
}

static inline struct net *
net_new_invite(uint64_t seed, size_t seed_count)
{
	static const char place[] =
		"a-rather-long-name-of-a-machine.in-some-department.example:7117";
	struct net *net = calloc(1, sizeof(*net));
	struct mp_invite invite = {.roles = MP_ROLE_NODE,
		.not_before_ms = NET_WALL - NET_HOUR,
		.expires_ms = NET_WALL + NET_HOUR};
	struct mp_trust trust = {.crypto = &net_crypto};
	struct mp_credential c;

	assert_non_null(net);
	for (invite.seed_count = 0; invite.seed_count < seed_count; invite.seed_count++)
		invite.seeds[invite.seed_count] = mp_span_str(place);
	net->rng.state = seed;
	net->now = 1000;
	net->alloc = UNIT_ALLOC(&net->heap);
	mp_buf_init(&net->log, &net->alloc, 65536);
	mp_buf_init(&net->invite, &net->alloc, 65536);
	net_node_id(&net->authority_secret, &net->authority, 1, 0);
	net_node_id(&net->inviter_secret, &net->inviter, 2, 0);
	(void)net_add(net);
	trust.cluster = net->cluster;
	assert_int_equal(
		mp_credential_verify(&trust, mp_buf_span(&net->nodes[0].credential), &c, NULL), 0);
	assert_int_equal(mp_buf_append(&net->log, c.log.p, c.log.n), 0);
	invite.cluster = net->cluster;
	memcpy(invite.key, net->inviter.key, sizeof(invite.key));
	assert_int_equal(mp_invite_sign(&net_crypto, &invite, &net->authority, &net->invite), 0);
	return net;
}

static inline struct net *
net_new(uint64_t seed)
{
	return net_new_invite(seed, 0);
}

static inline void
net_free(struct net *net)
{
	for (size_t i = 0; i < net->count; i++) {
		struct net_node *n = &net->nodes[i];

		if (n->up)
			net_kill(net, i);
		net_rows_free(n->disk);
		mp_buf_fini(&n->credential);
		mp_buf_fini(&n->caps);
		assert_int_equal(n->heap.live, 0);
	}
	while (net->event_count > 0)
		free(net_pop(net).bytes);
	free(net->events);
	mp_buf_fini(&net->log);
	mp_buf_fini(&net->invite);
	assert_int_equal(net->heap.live, 0);
	free(net);
}

/* ---- what tests ask ---- */

static inline uint64_t
net_stat(const struct net *net, size_t i, enum mp_swim_stat which)
{
	return mp_swim_stat(net->nodes[i].swim, which);
}

/* Node `at` is told this record, as if it came from `from`. */
static inline int
net_tell(struct net *net, size_t at, size_t from, const struct mp_swim_record *record)
{
	struct net_node *n = &net->nodes[at];
	struct mp_node_id id = net_id(net, from);
	struct mp_addr nowhere = {.ip = {1}, .port = 9};
	struct mp_buf buf;
	struct mp_cbor_w w;
	int rc;

	mp_buf_init(&buf, &net->alloc, 4096);
	mp_cbor_w_init(&w, &buf);
	mp_swim_record_write(&w, record);
	assert_int_equal(w.rc, 0);
	net_begin(net, n);
	rc = mp_swim_record(n->swim, &n->env, &id, &nowhere, mp_buf_span(&buf));
	net_end(net, n);
	mp_buf_fini(&buf);
	return rc;
}

static inline int
net_accuse(struct net *net, size_t at, size_t from, size_t subject, enum mp_swim_kind kind,
	uint64_t incarnation)
{
	struct mp_swim_record record = {.kind = kind};

	record.u.accuse.subject = net_id(net, subject);
	record.u.accuse.from = net_id(net, from);
	record.u.accuse.incarnation = incarnation;
	return net_tell(net, at, from, &record);
}

/* Every member that is up holds `of` to be in that state. */
static inline bool
net_agree(const struct net *net, size_t of, enum mp_member_state state)
{
	for (size_t i = 0; i < net->count; i++) {
		const struct mp_member *m;

		if (!net->nodes[i].up || i == of)
			continue;
		m = net_view(net, i, of);
		if (!net->nodes[i].member || m == NULL || m->state != state)
			return false;
	}
	return true;
}

/* Everybody is up, holds everybody alive, and has the same digest. */
static inline bool
net_whole(const struct net *net)
{
	for (size_t i = 0; i < net->count; i++) {
		if (!net->nodes[i].up || !net->nodes[i].member ||
			!net_agree(net, i, MP_MEMBER_ALIVE) ||
			mp_swim_view_digest(net->nodes[i].swim) !=
				mp_swim_view_digest(net->nodes[0].swim))
			return false;
	}
	return true;
}

/* Runs until it holds; fails after that long. Returns how long it took. */
#define net_until(net, limit_ms, condition)                                                        \
	({                                                                                         \
		mp_time net_start_ms = (net)->now;                                                 \
		while (!(condition)) {                                                             \
			if ((net)->now - net_start_ms >= (limit_ms))                               \
				fail_msg("not within %d ms: %s", (int)(limit_ms), #condition);     \
			net_run((net), 50);                                                        \
		}                                                                                  \
		(net)->now - net_start_ms;                                                         \
	})

/* A cluster of n that is whole. */
static inline struct net *
net_cluster(uint64_t seed, size_t n)
{
	struct net *net = net_new(seed);

	assert_true(net_start(net, 0));
	for (size_t i = 1; i < n; i++) {
		(void)net_add(net);
		assert_true(net_start(net, i));
		net_until(net, 5000, net->nodes[i].member);
	}
	net_until(net, 10000, net_whole(net));
	return net;
}

#endif
