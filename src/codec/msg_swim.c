/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_swim.h"

#include "codec/record_revoke.h"

#include "codec/record_trust.h"
#include "util/utf8.h"

#define ITEMS_MAX 64 /* a newer node's array */

static const char alive_domain[] = "mp-alive";
static const char left_domain[] = "mp-left";

/* Skips what a newer sender added, and ends. */
static int
read_end(struct mp_cbor_r *r, size_t extra)
{
	for (; extra > 0 && r->rc == 0; extra--)
		mp_cbor_r_skip(r);
	return mp_cbor_r_end(r);
}

/* [kind, n - 1 more items]; *extra behind them. */
static void
read_head(struct mp_cbor_r *r, struct mp_span bytes, uint64_t kind, size_t n, size_t *extra)
{
	mp_cbor_r_init(r, bytes);
	mp_cbor_r_array_min(r, n, ITEMS_MAX, extra);
	if (mp_cbor_r_uint(r, UINT64_MAX) != kind && r->rc == 0)
		r->rc = MP_EFORMAT;
}

uint64_t
mp_msg_kind(struct mp_span bytes)
{
	struct mp_cbor_r r;
	uint64_t kind;

	mp_cbor_r_init(&r, bytes);
	if (mp_cbor_r_array(&r, ITEMS_MAX) == 0)
		return 0;
	kind = mp_cbor_r_uint(&r, UINT64_MAX);
	return r.rc == 0 ? kind : 0;
}

/* ---- datagram records ---- */

static void
write_u64_bytes(struct mp_cbor_w *w, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (56 - 8 * i));
	mp_cbor_w_bytes(w, b, sizeof(b));
}

static uint64_t
read_u64_bytes(struct mp_cbor_r *r)
{
	uint64_t v = 0;
	uint8_t b[8];

	mp_cbor_r_fixed(r, b, sizeof(b));
	for (int i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v;
}

#define PING_WALL  5                   /* PING and ACK with a clock, */
#define PING_LOAD  8                   /* and with what it does, */
#define PING_ITEMS 9                   /* and with all that may be left out */
#define WALL_MAX   ((uint64_t)1 << 52) /* nobody's clock says more */

/* Items that a record of each kind has at least. */
static const uint8_t record_items[] = {
	[MP_SWIM_PING] = 4,
	[MP_SWIM_ACK] = 4,
	[MP_SWIM_PING_REQ] = 3,
	[MP_SWIM_NACK] = 2,
	[MP_SWIM_IND_ACK] = 2,
	[MP_SWIM_CRED] = 2,
	[MP_SWIM_STATEMENT] = 2,
	[MP_SWIM_SUSPECT] = 4,
	[MP_SWIM_DEAD] = 4,
	[MP_SWIM_REVOKED] = 2,
};

/* What is zero at its end is left out: idle nodes say nothing else all day. */
static size_t
ping_items(const struct mp_swim_record *record)
{
	const struct mp_load *load = &record->u.ping.load;

	if (load->runs > 0)
		return PING_ITEMS;
	if (load->attempts > 0 || load->leads > 0 || load->drained)
		return PING_LOAD;
	return record->u.ping.wall_ms > 0 ? PING_WALL : record_items[record->kind];
}

void
mp_swim_record_write(struct mp_cbor_w *w, const struct mp_swim_record *record)
{
	const struct mp_load *load = &record->u.ping.load;
	size_t items = record_items[record->kind];

	if (record->kind <= MP_SWIM_ACK)
		items = ping_items(record);
	mp_cbor_w_array(w, items);
	mp_cbor_w_uint(w, record->kind);
	switch (record->kind) {
	case MP_SWIM_PING:
	case MP_SWIM_ACK:
		mp_cbor_w_uint(w, record->u.ping.seq);
		write_u64_bytes(w, record->u.ping.view);
		mp_cbor_w_uint(w, load->used);
		if (items >= PING_WALL)
			mp_cbor_w_uint(w, (uint64_t)record->u.ping.wall_ms);
		if (items < PING_LOAD)
			return;
		mp_cbor_w_uint(w, load->attempts);
		mp_cbor_w_uint(w, load->leads);
		mp_cbor_w_bool(w, load->drained);
		if (items >= PING_ITEMS)
			mp_cbor_w_uint(w, load->runs);
		return;
	case MP_SWIM_PING_REQ:
		mp_cbor_w_uint(w, record->u.ask.seq);
		mp_cbor_w_bytes(w, record->u.ask.target.b, sizeof(record->u.ask.target.b));
		return;
	case MP_SWIM_NACK:
	case MP_SWIM_IND_ACK:
		mp_cbor_w_uint(w, record->u.ask.seq);
		return;
	case MP_SWIM_CRED:
		mp_cbor_w_span(w, record->u.credential);
		return;
	case MP_SWIM_STATEMENT:
		mp_cbor_w_raw(w, record->u.statement);
		return;
	case MP_SWIM_SUSPECT:
	case MP_SWIM_DEAD:
		mp_cbor_w_bytes(w, record->u.accuse.subject.b, sizeof(record->u.accuse.subject.b));
		mp_cbor_w_uint(w, record->u.accuse.incarnation);
		mp_cbor_w_bytes(w, record->u.accuse.from.b, sizeof(record->u.accuse.from.b));
		return;
	case MP_SWIM_REVOKED:
		mp_cbor_w_span(w, record->u.revocation);
		return;
	}
	mp_unreachable();
}

static void
read_record_body(struct mp_cbor_r *r, size_t items, struct mp_swim_record *out)
{
	switch (out->kind) {
	case MP_SWIM_PING:
	case MP_SWIM_ACK:
		out->u.ping.seq = mp_cbor_r_uint(r, UINT64_MAX);
		out->u.ping.view = read_u64_bytes(r);
		out->u.ping.load.used = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		if (items >= PING_WALL)
			out->u.ping.wall_ms = (mp_time)mp_cbor_r_uint(r, WALL_MAX);
		if (items < PING_LOAD)
			return;
		out->u.ping.load.attempts = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		out->u.ping.load.leads = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		out->u.ping.load.drained = mp_cbor_r_bool(r);
		if (items >= PING_ITEMS)
			out->u.ping.load.runs = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
		return;
	case MP_SWIM_PING_REQ:
		out->u.ask.seq = mp_cbor_r_uint(r, UINT64_MAX);
		mp_cbor_r_fixed(r, out->u.ask.target.b, sizeof(out->u.ask.target.b));
		return;
	case MP_SWIM_NACK:
	case MP_SWIM_IND_ACK:
		out->u.ask.seq = mp_cbor_r_uint(r, UINT64_MAX);
		return;
	case MP_SWIM_CRED:
		out->u.credential = mp_cbor_r_bytes(r, MP_CREDENTIAL_MAX);
		return;
	case MP_SWIM_STATEMENT:
		out->u.statement = mp_cbor_r_item(r);
		return;
	case MP_SWIM_SUSPECT:
	case MP_SWIM_DEAD:
		mp_cbor_r_fixed(r, out->u.accuse.subject.b, sizeof(out->u.accuse.subject.b));
		out->u.accuse.incarnation = mp_cbor_r_uint(r, UINT64_MAX);
		mp_cbor_r_fixed(r, out->u.accuse.from.b, sizeof(out->u.accuse.from.b));
		return;
	case MP_SWIM_REVOKED:
		out->u.revocation = mp_cbor_r_bytes(r, MP_REVOCATION_MAX);
		return;
	}
	mp_unreachable();
}

int
mp_swim_record_read(struct mp_span bytes, struct mp_swim_record *out)
{
	struct mp_swim_record record = {0};
	struct mp_cbor_r r;
	size_t items, known;
	uint64_t kind;
	int rc;

	mp_cbor_r_init(&r, bytes);
	items = mp_cbor_r_array(&r, ITEMS_MAX);
	kind = mp_cbor_r_uint(&r, UINT64_MAX);
	if (r.rc != 0)
		return r.rc;
	if (items == 0 || kind == 0)
		return MP_EFORMAT;
	if (kind >= mp_countof(record_items) || record_items[kind] == 0)
		return MP_EUNSUPPORTED;
	if (items < record_items[kind])
		return MP_EFORMAT;
	record.kind = (enum mp_swim_kind)kind;
	read_record_body(&r, items, &record);
	known = record_items[kind];
	if (kind <= MP_SWIM_ACK && items >= PING_WALL)
		known = items >= PING_ITEMS  ? PING_ITEMS
			: items >= PING_LOAD ? PING_LOAD
					     : PING_WALL;
	rc = read_end(&r, items - known);
	if (rc == 0)
		*out = record;
	return rc;
}

/* ---- statements ---- */

static void
write_alive(struct mp_cbor_w *w, const struct mp_statement *s, const struct mp_cluster_id *cluster)
{
	mp_cbor_w_array(w, 12);
	mp_cbor_w_text(w, alive_domain);
	mp_cbor_w_uint(w, 1);
	mp_cbor_w_bytes(w, cluster->b, sizeof(cluster->b));
	mp_cbor_w_bytes(w, s->id.b, sizeof(s->id.b));
	mp_cbor_w_uint(w, s->incarnation);
	mp_cbor_w_text(w, s->name.s);
	mp_cbor_w_array(w, s->addr_count);
	for (uint32_t i = 0; i < s->addr_count; i++) {
		mp_cbor_w_array(w, 2);
		mp_cbor_w_bytes(w, s->addrs[i].ip, sizeof(s->addrs[i].ip));
		mp_cbor_w_uint(w, s->addrs[i].port);
	}
	mp_cbor_w_uint(w, s->proto_min);
	mp_cbor_w_uint(w, s->proto_max);
	mp_cbor_w_uint(w, s->roles);
	mp_cbor_w_uint(w, s->status);
	if (s->has_caps)
		mp_cbor_w_bytes(w, s->caps_digest.b, sizeof(s->caps_digest.b));
	else
		mp_cbor_w_null(w);
}

static void
write_left(struct mp_cbor_w *w, const struct mp_statement *s, const struct mp_cluster_id *cluster)
{
	mp_cbor_w_array(w, 5);
	mp_cbor_w_text(w, left_domain);
	mp_cbor_w_uint(w, 1);
	mp_cbor_w_bytes(w, cluster->b, sizeof(cluster->b));
	mp_cbor_w_bytes(w, s->id.b, sizeof(s->id.b));
	mp_cbor_w_uint(w, s->incarnation);
}

int
mp_statement_sign(const struct mp_statement *statement, const struct mp_cluster_id *cluster,
	const struct mp_crypto *crypto, const struct mp_secret *secret, struct mp_buf *buf)
{
	uint8_t mem[MP_STATEMENT_MAX];
	struct mp_buf record = {.p = mem, .cap = sizeof(mem), .max = sizeof(mem)};
	struct mp_cbor_w w;
	struct mp_hash hash;
	struct mp_sig sig;
	size_t start = buf->n;

	mp_cbor_w_init(&w, &record);
	if (statement->left)
		write_left(&w, statement, cluster);
	else
		write_alive(&w, statement, cluster);
	mp_assert(w.rc == 0);
	crypto->hash(&hash, &(struct mp_span){record.p, record.n}, 1);
	crypto->sign(secret, &sig, mp_span(hash.b, sizeof(hash.b)));
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_span(&w, mp_buf_span(&record));
	mp_cbor_w_bytes(&w, sig.b, sizeof(sig.b));
	if (w.rc != 0)
		buf->n = start;
	return w.rc;
}

/* Where a datagram or stream may go: one host, and a port. */
static bool
addr_ok(const struct mp_addr *a)
{
	static const uint8_t any[16];
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (a->port == 0 || memcmp(a->ip, any, sizeof(any)) == 0 || a->ip[0] == 0xff)
		return false;
	return memcmp(a->ip, mapped, sizeof(mapped)) != 0 || (a->ip[12] != 0 && a->ip[12] < 224);
}

static void
read_addr(struct mp_cbor_r *r, struct mp_addr *a)
{
	mp_cbor_r_array_exact(r, 2);
	mp_cbor_r_fixed(r, a->ip, sizeof(a->ip));
	a->port = (uint16_t)mp_cbor_r_uint(r, UINT16_MAX);
	if (r->rc == 0 && !addr_ok(a))
		r->rc = MP_EFORMAT;
}

static void
read_alive(struct mp_cbor_r *r, struct mp_statement *s)
{
	mp_cbor_r_str(r, s->name.s, sizeof(s->name.s));
	if (r->rc == 0 && !mp_node_name_valid(mp_span_str(s->name.s)))
		r->rc = MP_EFORMAT;
	s->addr_count = (uint32_t)mp_cbor_r_array(r, MP_ADDRS_MAX);
	for (uint32_t i = 0; i < s->addr_count && r->rc == 0; i++)
		read_addr(r, &s->addrs[i]);
	s->proto_min = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	s->proto_max = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	s->roles = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	s->status = (enum mp_member_status)mp_cbor_r_uint(r, MP_NODE_DOUBLED);
	s->has_caps = mp_cbor_r_peek(r) != MP_CBOR_NULL;
	if (s->has_caps)
		mp_cbor_r_fixed(r, s->caps_digest.b, sizeof(s->caps_digest.b));
	else
		mp_cbor_r_null(r);
	if (r->rc == 0 && s->proto_min > s->proto_max)
		r->rc = MP_EFORMAT;
}

/* The two parts of a signed statement. */
static int
split_signed(struct mp_span bytes, struct mp_span *record, struct mp_sig *sig)
{
	struct mp_cbor_r r;

	if (bytes.n > MP_STATEMENT_MAX)
		return MP_ELIMIT;
	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 2);
	*record = mp_cbor_r_bytes(&r, MP_STATEMENT_MAX);
	mp_cbor_r_fixed(&r, sig->b, sizeof(sig->b));
	return mp_cbor_r_end(&r);
}

int
mp_statement_read(
	struct mp_span bytes, const struct mp_cluster_id *cluster, struct mp_statement *out)
{
	struct mp_statement s = {0};
	struct mp_cluster_id of;
	struct mp_cbor_r r;
	struct mp_span record, domain;
	struct mp_sig sig;
	size_t items;
	int rc = split_signed(bytes, &record, &sig);

	if (rc != 0)
		return rc;
	mp_cbor_r_init(&r, record);
	items = mp_cbor_r_array(&r, ITEMS_MAX);
	domain = mp_cbor_r_text(&r, 16);
	s.left = mp_span_eq(domain, mp_span_str(left_domain));
	if (r.rc == 0 && !s.left && !mp_span_eq(domain, mp_span_str(alive_domain)))
		return MP_EFORMAT;
	if (mp_cbor_r_uint(&r, UINT64_MAX) != 1 && r.rc == 0)
		return MP_EVERSION;
	mp_cbor_r_fixed(&r, of.b, sizeof(of.b));
	mp_cbor_r_fixed(&r, s.id.b, sizeof(s.id.b));
	s.incarnation = mp_cbor_r_uint(&r, UINT64_MAX);
	if (!s.left)
		read_alive(&r, &s);
	rc = mp_cbor_r_end(&r);
	if (rc == 0 && items != (s.left ? 5 : 12))
		rc = MP_EFORMAT;
	if (rc == 0 && !mp_cluster_id_eq(&of, cluster))
		rc = MP_ECLUSTER;
	if (rc == 0)
		*out = s;
	return rc;
}

int
mp_statement_verify(
	struct mp_span bytes, const struct mp_statement *out, const struct mp_crypto *crypto)
{
	struct mp_span record;
	struct mp_hash hash;
	struct mp_sig sig;
	int rc = split_signed(bytes, &record, &sig);

	if (rc != 0)
		return MP_ESIG;
	crypto->hash(&hash, &record, 1);
	return crypto->verify(out->id.b, &sig, mp_span(hash.b, sizeof(hash.b)));
}

/* ---- lists ---- */

/* An array whose items stay unread. */
static void
read_list(struct mp_cbor_r *r, size_t max, struct mp_part *out)
{
	const uint8_t *start;

	out->count = mp_cbor_r_array(r, max);
	start = r->p;
	for (size_t i = 0; i < out->count && r->rc == 0; i++)
		mp_cbor_r_skip(r);
	out->items = mp_span(start, (size_t)(r->p - start));
}

bool
mp_list_next(struct mp_part *list, struct mp_span *item)
{
	struct mp_cbor_r r;

	if (list->count == 0)
		return false;
	mp_cbor_r_init(&r, list->items);
	*item = mp_cbor_r_item(&r);
	mp_assert(r.rc == 0);
	list->count--;
	list->items = mp_span(r.p, (size_t)(r.end - r.p));
	return true;
}

/* Starts to read the next item; false at the end or after an error. */
static bool
list_begin(struct mp_part *list, struct mp_cbor_r *r, const int *rc)
{
	struct mp_span item;

	if (*rc != 0 || !mp_list_next(list, &item))
		return false;
	mp_cbor_r_init(r, item);
	return true;
}

static bool
list_done(const struct mp_cbor_r *r, int *rc)
{
	*rc = mp_cbor_r_end(r);
	return *rc == 0;
}

bool
mp_list_next_bytes(struct mp_part *list, size_t max, struct mp_span *bytes, int *rc)
{
	struct mp_cbor_r r;

	if (!list_begin(list, &r, rc))
		return false;
	*bytes = mp_cbor_r_bytes(&r, max);
	return list_done(&r, rc);
}

bool
mp_list_next_entry(struct mp_part *list, struct mp_view_entry *entry, int *rc)
{
	struct mp_cbor_r r;

	if (!list_begin(list, &r, rc))
		return false;
	mp_cbor_r_array_exact(&r, 3);
	mp_cbor_r_fixed(&r, entry->id.b, sizeof(entry->id.b));
	entry->incarnation = mp_cbor_r_uint(&r, UINT64_MAX);
	entry->state = (enum mp_view)mp_cbor_r_uint(&r, MP_VIEW_UNKNOWN);
	return list_done(&r, rc);
}

bool
mp_list_next_id(struct mp_part *list, struct mp_node_id *id, int *rc)
{
	struct mp_cbor_r r;

	if (!list_begin(list, &r, rc))
		return false;
	mp_cbor_r_fixed(&r, id->b, sizeof(id->b));
	return list_done(&r, rc);
}

bool
mp_list_next_key(struct mp_part *list, uint64_t *epoch, uint8_t key[32], int *rc)
{
	struct mp_cbor_r r;

	if (!list_begin(list, &r, rc))
		return false;
	mp_cbor_r_array_exact(&r, 2);
	*epoch = mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, key, 32);
	return list_done(&r, rc);
}

/* ---- messages ---- */

void
mp_view_entry_write(struct mp_cbor_w *w, const struct mp_view_entry *entry)
{
	mp_cbor_w_array(w, 3);
	mp_cbor_w_bytes(w, entry->id.b, sizeof(entry->id.b));
	mp_cbor_w_uint(w, entry->incarnation);
	mp_cbor_w_uint(w, entry->state);
}

void
mp_view_msg_begin(struct mp_cbor_w *w, size_t entries, struct mp_span buckets)
{
	mp_cbor_w_array(w, buckets.n > 0 ? 4 : 3);
	mp_cbor_w_uint(w, MP_MSG_VIEW);
	mp_cbor_w_array(w, entries);
}

void
mp_view_msg_end(struct mp_cbor_w *w, uint64_t trust, struct mp_span buckets)
{
	write_u64_bytes(w, trust);
	if (buckets.n > 0)
		mp_cbor_w_span(w, buckets);
}

size_t
mp_sums_bucket(const struct mp_node_id *id, size_t buckets)
{
	return ((size_t)id->b[0] << 8 | id->b[1]) & (buckets - 1);
}

void
mp_sums_msg_write(struct mp_cbor_w *w, const struct mp_sums_msg *msg)
{
	mp_cbor_w_array(w, 3);
	mp_cbor_w_uint(w, MP_MSG_SUMS);
	mp_cbor_w_span(w, msg->sums);
	write_u64_bytes(w, msg->trust);
}

/* A power of two within the bounds? */
static bool
buckets_valid(size_t n)
{
	return n >= MP_SUMS_MIN && n <= MP_SUMS_MAX && (n & (n - 1)) == 0;
}

void
mp_trust_msg_begin(struct mp_cbor_w *w, bool answer, uint64_t digest)
{
	mp_cbor_w_array(w, 6);
	mp_cbor_w_uint(w, MP_MSG_TRUST);
	mp_cbor_w_bool(w, answer);
	write_u64_bytes(w, digest);
}

/* [kind, list]. */
static int
read_one_list(struct mp_span bytes, uint64_t kind, size_t max, struct mp_part *out)
{
	struct mp_part list;
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, kind, 2, &extra);
	read_list(&r, max, &list);
	rc = read_end(&r, extra);
	if (rc == 0)
		*out = list;
	return rc;
}

int
mp_view_msg_read(struct mp_span bytes, struct mp_view_msg *out)
{
	struct mp_view_msg msg = {.has_trust = false};
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, MP_MSG_VIEW, 2, &extra);
	read_list(&r, MP_MEMBERS_MAX, &msg.view);
	if (extra > 0 && r.rc == 0) {
		msg.has_trust = true;
		msg.trust = read_u64_bytes(&r);
		extra--;
	}
	if (extra > 0 && r.rc == 0) {
		msg.buckets = mp_cbor_r_bytes(&r, MP_SUMS_MAX / 8);
		extra--;
		if (r.rc == 0 && !buckets_valid(8 * msg.buckets.n))
			r.rc = MP_EFORMAT;
	}
	rc = read_end(&r, extra);
	if (rc == 0)
		*out = msg;
	return rc;
}

int
mp_sums_msg_read(struct mp_span bytes, struct mp_sums_msg *out)
{
	struct mp_sums_msg msg;
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, MP_MSG_SUMS, 3, &extra);
	msg.sums = mp_cbor_r_bytes(&r, 4 * MP_SUMS_MAX);
	msg.trust = read_u64_bytes(&r);
	if (r.rc == 0 && (msg.sums.n % 4 != 0 || !buckets_valid(msg.sums.n / 4)))
		r.rc = MP_EFORMAT;
	rc = read_end(&r, extra);
	if (rc == 0)
		*out = msg;
	return rc;
}

int
mp_trust_msg_read(struct mp_span bytes, struct mp_trust_msg *out)
{
	struct mp_trust_msg msg;
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, MP_MSG_TRUST, 6, &extra);
	msg.answer = mp_cbor_r_bool(&r);
	msg.digest = read_u64_bytes(&r);
	read_list(&r, MP_BRANCHES_MAX, &msg.logs);
	read_list(&r, MP_REVOKED_MAX, &msg.revocations);
	read_list(&r, MP_GOSSIP_KEYS, &msg.keys);
	rc = read_end(&r, extra);
	if (rc == 0)
		*out = msg;
	return rc;
}

int
mp_delta_msg_read(struct mp_span bytes, struct mp_delta_msg *out)
{
	struct mp_delta_msg msg;
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, MP_MSG_DELTA, 5, &extra);
	read_list(&r, MP_MEMBERS_MAX, &msg.credentials);
	read_list(&r, MP_MEMBERS_MAX, &msg.statements);
	read_list(&r, MP_MEMBERS_MAX, &msg.view);
	read_list(&r, MP_MEMBERS_MAX, &msg.wanted);
	rc = read_end(&r, extra);
	if (rc == 0)
		*out = msg;
	return rc;
}

int
mp_joined_msg_read(struct mp_span bytes, struct mp_joined_msg *out)
{
	struct mp_joined_msg msg = {.logs = {.count = 0}};
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, MP_MSG_JOINED, 5, &extra);
	msg.credential = mp_cbor_r_bytes(&r, MP_CREDENTIAL_MAX);
	read_list(&r, MP_GOSSIP_KEYS, &msg.keys);
	read_list(&r, MP_MEMBERS_MAX, &msg.credentials);
	read_list(&r, MP_MEMBERS_MAX, &msg.statements);
	if (extra > 0 && r.rc == 0) {
		mp_cbor_r_array_exact(&r, 2);
		read_list(&r, MP_BRANCHES_MAX, &msg.logs);
		read_list(&r, MP_REVOKED_MAX, &msg.revocations);
		extra--;
	}
	if (extra > 0 && r.rc == 0) {
		msg.has_profile = true;
		msg.wan = mp_cbor_r_bool(&r);
		extra--;
	}
	rc = read_end(&r, extra);
	if (rc == 0)
		*out = msg;
	return rc;
}

int
mp_join_msg_read(struct mp_span bytes, struct mp_span *credential, struct mp_span *statement)
{
	struct mp_span c, s;
	struct mp_cbor_r r;
	size_t extra;
	int rc;

	read_head(&r, bytes, MP_MSG_JOIN, 3, &extra);
	c = mp_cbor_r_bytes(&r, MP_CREDENTIAL_MAX);
	s = mp_cbor_r_item(&r);
	rc = read_end(&r, extra);
	if (rc == 0) {
		*credential = c;
		*statement = s;
	}
	return rc;
}

int
mp_join_refused_read(struct mp_span bytes, int64_t *code, char text[MP_JOIN_TEXT_MAX + 1])
{
	char copy[MP_JOIN_TEXT_MAX + 1];
	struct mp_cbor_r r;
	size_t extra;
	int64_t number;
	int rc;

	read_head(&r, bytes, MP_MSG_JOIN_REFUSED, 3, &extra);
	number = mp_cbor_r_int(&r);
	mp_cbor_r_str(&r, copy, sizeof(copy));
	rc = read_end(&r, extra);
	if (rc == 0 && !mp_utf8_printable(mp_span_str(copy)))
		rc = MP_EFORMAT;
	if (rc == 0) {
		*code = number;
		memcpy(text, copy, sizeof(copy));
	}
	return rc;
}

int
mp_caps_msg_read(struct mp_span bytes, enum mp_member_msg kind, struct mp_part *out)
{
	return read_one_list(bytes, kind, MP_CAPS_ASK_MAX, out);
}
