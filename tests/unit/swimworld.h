/* SPDX-License-Identifier: Apache-2.0 */
/* The world of swimnet.h: its cryptography, what is in it, its queue of events, its disks. */
#ifndef MP_TESTS_SWIMWORLD_H
#define MP_TESTS_SWIMWORLD_H

#include "unit/unit.h"

#include "codec/caps.h"
#include "codec/record_trust.h"
#include "core/dgram.h"
#include "core/join.h"
#include "core/out.h"
#include "core/roster.h"
#include "core/swim.h"
#include "unit/fake_crypto.h"

#define NET_MAX  72
#define NET_WALL ((mp_time)1700000000000)
#define NET_HOUR ((mp_time)3600 * 1000)

static const struct mp_profile net_profile = {
	.probe_interval_ms = 1000,
	.probe_timeout_ms = 500,
	.gossip_interval_ms = 200,
	.suspicion_ms = 4000,
	.push_pull_ms = 30000,
	.dead_contact_ms = 30000,
};

/* ---- the missing half of the fake cryptography ---- */

static inline void
net_mask(uint8_t *out, struct mp_span in, const uint8_t *nonce, const uint8_t *key)
{
	for (size_t i = 0; i < in.n; i++)
		out[i] = in.p[i] ^ nonce[i % MP_XAEAD_NONCE] ^ key[i % MP_SYMKEY_SIZE];
}

static inline void
net_tag(uint8_t tag[MP_AEAD_TAG], struct mp_span msg, struct mp_span ad, const uint8_t *nonce,
	const uint8_t *key)
{
	struct mp_span parts[] = {
		mp_span(key, MP_SYMKEY_SIZE), mp_span(nonce, MP_XAEAD_NONCE), ad, msg};
	struct mp_hash h;

	fake_hash(&h, parts, mp_countof(parts));
	memcpy(tag, h.b, MP_AEAD_TAG);
}

static inline void
net_seal(uint8_t *out, struct mp_span msg, struct mp_span ad, const uint8_t nonce[MP_XAEAD_NONCE],
	const uint8_t key[MP_SYMKEY_SIZE])
{
	net_tag(out + msg.n, msg, ad, nonce, key);
	net_mask(out, msg, nonce, key);
}

static inline int
net_open(uint8_t *out, struct mp_span sealed, struct mp_span ad,
	const uint8_t nonce[MP_XAEAD_NONCE], const uint8_t key[MP_SYMKEY_SIZE])
{
	uint8_t tag[MP_AEAD_TAG];
	size_t n = sealed.n - MP_AEAD_TAG;

	net_mask(out, mp_span(sealed.p, n), nonce, key);
	net_tag(tag, mp_span(out, n), ad, nonce, key);
	return memcmp(tag, sealed.p + n, sizeof(tag)) == 0 ? 0 : MP_ESIG;
}

static inline void
net_wipe(void *p, size_t n)
{
	memset(p, 0, n);
}

static const struct mp_crypto net_crypto = {
	.hash = fake_hash,
	.sign = fake_sign,
	.verify = fake_verify,
	.seal = net_seal,
	.open = net_open,
	.wipe = net_wipe,
};

/* ---- the world ---- */

struct net_row {
	struct net_row *next;
	enum mp_table table;
	size_t key_size, value_size;
	uint8_t key[64];
	uint8_t value[];
};

/* Rows on their way to a disk. */
struct net_write {
	struct net_write *next;
	uint64_t seq;
	struct net_row *rows;
};

struct net_node {
	bool exists, up, fatal, member;
	bool out; /* it tells no address, and nobody can open a stream to it */
	size_t index;
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct mp_secret secret;
	struct mp_xkey xkey;
	struct mp_addr addr;
	char name[16];
	uint32_t roles;
	struct mp_buf credential; /* of the state directory: without admission for joiners */
	struct mp_buf caps;
	bool genesis;
	uint64_t boot;
	struct net_row *disk;
	struct net_write *writes;
	size_t life; /* grows with each start, so that events for an earlier one are dropped */
	struct mp_addr seeds[4];
	size_t seed_count;
	unsigned resolves; /* so often it asked where they are */
	struct mp_env env;
	struct mp_roster *roster;
	struct mp_dgram *dgram;
	struct mp_swim *swim;
	struct mp_join *join;
	struct mp_dgram_in in;
	bool link[NET_MAX];
	bool pause;
	mp_time wall_skew_ms;
	size_t datagrams_sent;
};

enum net_kind { NET_DATAGRAM, NET_MESSAGE, NET_LINK, NET_PERSISTED };

struct net_event {
	mp_time at;
	uint64_t order;
	enum net_kind kind;
	size_t to, from, life;
	enum mp_link_state link;
	uint64_t seq;
	size_t size;
	uint8_t *bytes; /* on the C heap */
};

struct net {
	struct mp_rng rng;
	mp_time now;
	uint64_t order;
	struct net_node nodes[NET_MAX];
	size_t count;
	struct net_event *events; /* a heap, earliest first */
	size_t event_count, event_cap;
	unsigned loss_percent;
	bool cut[NET_MAX][NET_MAX]; /* [from][to] */
	struct mp_cluster_id cluster;
	struct mp_signer authority, inviter;
	struct mp_secret authority_secret, inviter_secret;
	struct mp_buf log, invite;
	struct unit_heap heap;
	struct mp_alloc alloc;
	size_t deaths; /* of nodes that are up, seen by anyone; judged by net_watch() */
	bool watch, no_streams, no_sums;   /* no_sums: nobody knows what that message is */
	size_t sent[128], sent_bytes[128]; /* messages, by their number */
};

static inline void
net_node_id(struct mp_secret *s, struct mp_signer *signer, unsigned kind, unsigned i)
{
	memset(s->public_key, (int)(0x10 * kind + 1), sizeof(s->public_key));
	s->public_key[0] = (uint8_t)(i * 37 + 11);
	s->public_key[1] = (uint8_t)i;
	signer->secret = s;
	memcpy(signer->key, s->public_key, sizeof(signer->key));
}

static inline bool
net_before(const struct net_event *a, const struct net_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static inline void
net_push(struct net *net, struct net_event ev, struct mp_span bytes)
{
	size_t i = net->event_count++;

	if (i == net->event_cap) {
		net->event_cap = net->event_cap == 0 ? 64 : 2 * net->event_cap;
		net->events = realloc(net->events, net->event_cap * sizeof(*net->events));
		assert_non_null(net->events);
	}
	ev.order = net->order++;
	ev.size = bytes.n;
	ev.bytes = malloc(bytes.n + 1);
	assert_non_null(ev.bytes);
	if (bytes.n > 0)
		memcpy(ev.bytes, bytes.p, bytes.n);
	for (; i > 0 && net_before(&ev, &net->events[(i - 1) / 2]); i = (i - 1) / 2)
		net->events[i] = net->events[(i - 1) / 2];
	net->events[i] = ev;
}

static inline struct net_event
net_pop(struct net *net)
{
	struct net_event first = net->events[0], last = net->events[--net->event_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < net->event_count) {
		if (child + 1 < net->event_count &&
			net_before(&net->events[child + 1], &net->events[child]))
			child++;
		if (!net_before(&net->events[child], &last))
			break;
		net->events[i] = net->events[child];
		i = child;
	}
	net->events[i] = last;
	return first;
}

static inline size_t
net_index(const struct net *net, const struct mp_node_id *id)
{
	for (size_t i = 0; i < net->count; i++) {
		if (memcmp(net->nodes[i].secret.public_key, id->b, sizeof(id->b)) == 0)
			return i;
	}
	return NET_MAX;
}

static inline struct mp_node_id
net_id(const struct net *net, size_t i)
{
	struct mp_node_id id;

	memcpy(id.b, net->nodes[i].secret.public_key, sizeof(id.b));
	return id;
}

static inline const struct mp_member *
net_view(const struct net *net, size_t observer, size_t of)
{
	struct mp_node_id id = net_id(net, of);

	return mp_roster_find(net->nodes[observer].roster, &id);
}

/* ---- disks ---- */

static inline void
net_rows_free(struct net_row *row)
{
	while (row != NULL) {
		struct net_row *next = row->next;

		free(row);
		row = next;
	}
}

static inline void
net_disk_put(struct net_node *n, struct net_row *row)
{
	struct net_row **at = &n->disk;

	while (*at != NULL && ((*at)->table < row->table ||
				      ((*at)->table == row->table &&
					      memcmp((*at)->key, row->key, sizeof(row->key)) < 0)))
		at = &(*at)->next;
	if (*at != NULL && (*at)->table == row->table &&
		memcmp((*at)->key, row->key, sizeof(row->key)) == 0) {
		struct net_row *old = *at;

		*at = old->next;
		free(old);
	}
	row->next = *at;
	*at = row;
}

static inline void
net_persist(struct net *net, struct net_node *n, const struct mp_effect *fx)
{
	struct net_write *w = calloc(1, sizeof(*w)), **at = &n->writes;
	struct net_event ev = {.at = net->now + 2,
		.kind = NET_PERSISTED,
		.to = n->index,
		.life = n->life,
		.seq = fx->u.persist.seq};
	struct net_row **last;

	assert_non_null(w);
	w->seq = fx->u.persist.seq;
	last = &w->rows;
	for (size_t i = 0; i < fx->u.persist.count; i++) {
		const struct mp_row *row = &fx->u.persist.rows[i];
		struct net_row *copy = calloc(1, sizeof(*copy) + row->value.n);

		assert_non_null(copy);
		assert_int_equal(row->op, MP_ROW_PUT);
		copy->table = row->table;
		copy->key_size = row->key.n;
		copy->value_size = row->value.n;
		memcpy(copy->key, row->key.p, row->key.n);
		memcpy(copy->value, row->value.p, row->value.n);
		*last = copy;
		last = &copy->next;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = w;
	net_push(net, ev, mp_span(NULL, 0));
}

static inline void
net_written(struct net_node *n, uint64_t seq)
{
	while (n->writes != NULL && n->writes->seq <= seq) {
		struct net_write *w = n->writes;

		n->writes = w->next;
		while (w->rows != NULL) {
			struct net_row *row = w->rows;

			w->rows = row->next;
			net_disk_put(n, row);
		}
		free(w);
	}
}

#endif
