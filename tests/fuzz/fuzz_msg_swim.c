/* SPDX-License-Identifier: Apache-2.0 */
/* Records, statements and messages of membership: what is accepted is written back byte for byte,
 * and lists walk to their end. */
#include "same.h"

#include "codec/caps.h"
#include "codec/msg_swim.h"
#include "codec/record_revoke.h"
#include "null_crypto.h"

static void
check_record(struct mp_span in, struct mp_alloc *alloc)
{
	struct mp_swim_record record, again;
	struct mp_buf buf;
	struct mp_cbor_w w;

	if (mp_swim_record_read(in, &record) != 0)
		return;
	mp_assert(mp_msg_kind(in) == record.kind);
	mp_buf_init(&buf, alloc, in.n);
	mp_cbor_w_init(&w, &buf);
	mp_swim_record_write(&w, &record);
	mp_assert(w.rc == 0);
	/* Only items of a newer node may be lost. */
	mp_assert(buf.n < in.n || mp_span_eq(mp_buf_span(&buf), in));
	fuzz_item(in);
	mp_assert(mp_swim_record_read(mp_buf_span(&buf), &again) == 0);
	mp_buf_fini(&buf);
}

static void
check_statement(struct mp_span in, struct mp_alloc *alloc)
{
	static const struct mp_cluster_id cluster = {{0}};
	struct mp_statement s;
	struct mp_buf buf;

	if (mp_statement_read(in, &cluster, &s) != 0)
		return;
	mp_assert(mp_statement_verify(in, &s, &null_crypto) == 0);
	mp_assert(s.left || (s.addr_count >= 1 && s.addr_count <= MP_ADDRS_MAX));
	mp_buf_init(&buf, alloc, MP_STATEMENT_MAX);
	mp_assert(mp_statement_sign(&s, &cluster, &null_crypto, NULL, &buf) == 0);
	/* All but the 64 bytes of the signature. */
	mp_assert(buf.n == in.n && memcmp(buf.p, in.p, in.n - 64) == 0);
	fuzz_item(in);
	mp_buf_fini(&buf);
}

static void
check_caps(struct mp_span in, struct mp_alloc *alloc)
{
	struct mp_caps caps, again;
	struct mp_buf buf;

	if (mp_caps_decode(in, &caps) != 0)
		return;
	mp_buf_init(&buf, alloc, MP_CAPS_BYTES_MAX);
	mp_assert(mp_caps_encode(&caps, &buf) == 0);
	/* The first nodes said less: that is written as six times nothing. */
	mp_assert(buf.n < in.n || mp_span_eq(mp_buf_span(&buf), in) ||
		  (in.p[0] < 0x8e && buf.n <= in.n + 6));
	fuzz_item(in);
	mp_assert(mp_caps_decode(mp_buf_span(&buf), &again) == 0);
	mp_assert(memcmp(&caps, &again, sizeof(caps)) == 0);
	mp_buf_fini(&buf);
}

static void
walk_bytes(struct mp_part list, size_t max)
{
	struct mp_span item;
	size_t n = 0, count = list.count;
	int rc = 0;

	while (mp_list_next_bytes(&list, max, &item, &rc)) {
		mp_assert(item.n <= max);
		n++;
	}
	mp_assert(rc != 0 || n == count);
}

static void
walk_items(struct mp_part list)
{
	struct mp_span item;
	size_t n = 0, count = list.count;

	while (mp_list_next(&list, &item))
		n++;
	mp_assert(n == count && list.items.n == 0);
}

static void
walk_view(struct mp_part list)
{
	struct mp_view_entry entry;
	int rc = 0;

	while (mp_list_next_entry(&list, &entry, &rc))
		mp_assert((unsigned)entry.state <= MP_VIEW_UNKNOWN);
}

static void
walk_rest(struct mp_part ids, struct mp_part keys)
{
	struct mp_node_id id;
	uint64_t epoch;
	uint8_t key[32];
	int rc = 0;

	while (mp_list_next_id(&ids, &id, &rc))
		;
	rc = 0;
	while (mp_list_next_key(&keys, &epoch, key, &rc))
		;
}

/* What is read has one form, but for what a newer node adds. */
static void
check_sums(struct mp_span in, struct mp_alloc *alloc)
{
	struct mp_sums_msg sums;
	struct mp_cbor_w w;
	struct mp_buf buf;
	struct mp_node_id id = {{0xff, 0xff}};

	if (mp_sums_msg_read(in, &sums) != 0)
		return;
	mp_assert(sums.sums.n >= 4 * MP_SUMS_MIN && sums.sums.n <= 4 * MP_SUMS_MAX);
	mp_assert(mp_sums_bucket(&id, sums.sums.n / 4) == sums.sums.n / 4 - 1);
	mp_buf_init(&buf, alloc, SIZE_MAX);
	mp_cbor_w_init(&w, &buf);
	mp_sums_msg_write(&w, &sums);
	mp_assert(w.rc == 0);
	mp_assert(in.p[0] != 0x83 || mp_span_eq(mp_buf_span(&buf), in));
	fuzz_item(in);
	mp_buf_fini(&buf);
}

static void
check_messages(struct mp_span in, struct mp_alloc *alloc)
{
	struct mp_delta_msg delta;
	struct mp_joined_msg joined;
	struct mp_trust_msg trust;
	struct mp_view_msg view;
	struct mp_part list;
	struct mp_span a, b;
	char text[MP_JOIN_TEXT_MAX + 1];
	int64_t code;

	if (mp_view_msg_read(in, &view) == 0) {
		walk_view(view.view);
		mp_assert(view.buckets.n <= MP_SUMS_MAX / 8);
	}
	check_sums(in, alloc);
	if (mp_trust_msg_read(in, &trust) == 0) {
		walk_items(trust.logs);
		walk_bytes(trust.revocations, MP_REVOCATION_MAX);
		walk_rest(trust.keys, trust.keys);
	}
	if (mp_delta_msg_read(in, &delta) == 0) {
		walk_bytes(delta.credentials, MP_CREDENTIAL_MAX);
		walk_items(delta.statements);
		walk_view(delta.view);
		walk_rest(delta.wanted, delta.wanted);
	}
	if (mp_joined_msg_read(in, &joined) == 0) {
		walk_rest(joined.keys, joined.keys);
		walk_bytes(joined.credentials, MP_CREDENTIAL_MAX);
		walk_items(joined.statements);
		walk_items(joined.logs);
		walk_bytes(joined.revocations, MP_REVOCATION_MAX);
	}
	if (mp_join_msg_read(in, &a, &b) == 0)
		mp_assert(a.n <= MP_CREDENTIAL_MAX && b.n > 0);
	if (mp_join_refused_read(in, &code, text) == 0)
		mp_assert(memchr(text, '\0', sizeof(text)) != NULL);
	if (mp_caps_msg_read(in, MP_MSG_CAPS_GET, &list) == 0)
		walk_bytes(list, sizeof(struct mp_hash));
	if (mp_caps_msg_read(in, MP_MSG_CAPS, &list) == 0)
		walk_bytes(list, MP_CAPS_BYTES_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 4 * size + 64u * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);

	check_record(in, &alloc);
	check_statement(in, &alloc);
	check_caps(in, &alloc);
	check_messages(in, &alloc);
	mp_assert(heap.live == 0);
	return 0;
}
