/* SPDX-License-Identifier: Apache-2.0 */
/* Each message about the result cache, and each record of it, that a decoder accepts, its encoder
 * gives back byte for byte. */
#include "same.h"

#include "codec/msg_cache.h"
#include "mp/error.h"
#include "mp/limits.h"

static int
copy_hashes(struct mp_buf *buf, struct mp_msg_cache_list *m, bool ask)
{
	static struct mp_hash hashes[MP_CACHE_ASK_MAX];
	size_t n = m->count;

	for (size_t i = 0; i < n; i++)
		hashes[i] = mp_msg_cache_next(m);
	return ask ? mp_msg_cache_ask_encode(buf, m->seq, hashes, n)
		   : mp_msg_cache_get_encode(buf, m->seq, hashes, n);
}

static int
copy_have(struct mp_buf *buf, struct mp_msg_cache_list *m)
{
	static struct mp_cache_ref refs[MP_CACHE_HAVE_MAX];
	size_t n = m->count;

	for (size_t i = 0; i < n; i++)
		refs[i] = mp_msg_cache_have_next(m);
	return mp_msg_cache_have_encode(buf, m->seq, refs, n);
}

static int
copy_got(struct mp_buf *buf, struct mp_msg_cache_list *m)
{
	static struct mp_hash keys[MP_CACHE_GET_MAX];
	static struct mp_span records[MP_CACHE_GET_MAX];
	size_t n = m->count;

	for (size_t i = 0; i < n; i++)
		keys[i] = mp_msg_cache_got_next(m, &records[i]);
	return mp_msg_cache_got_encode(buf, m->seq, keys, records, n);
}

static size_t
copy_holders(struct mp_list list, struct mp_node_id out[MP_HOLDERS_MAX + 1])
{
	size_t n = 0;

	while (mp_holders_next(&list, &out[n]))
		n++;
	return n;
}

/* Decodes with each decoder; at most one may accept. */
static size_t
copy_any(struct mp_buf *buf, struct mp_span in)
{
	struct mp_node_id holders[MP_HOLDERS_MAX + 1];
	struct mp_msg_cache_list list;
	struct mp_msg_cache_hold hold;
	struct mp_msg_cache_held held;
	struct mp_cache_record record;
	size_t accepted = 0, n;
	int rc = 0;

	if (mp_msg_cache_ask_decode(in, &list) == 0 && ++accepted > 0)
		rc = copy_hashes(buf, &list, true);
	if (mp_msg_cache_have_decode(in, &list) == 0 && ++accepted > 0)
		rc = copy_have(buf, &list);
	if (mp_msg_cache_get_decode(in, &list) == 0 && ++accepted > 0)
		rc = copy_hashes(buf, &list, false);
	if (mp_msg_cache_got_decode(in, &list) == 0 && ++accepted > 0)
		rc = copy_got(buf, &list);
	if (mp_msg_cache_hold_decode(in, &hold) == 0 && ++accepted > 0) {
		n = copy_holders(hold.holders, holders);
		rc = mp_msg_cache_hold_encode(buf, hold.seq, hold.result, hold.copies, holders, n);
	}
	if (mp_msg_cache_held_decode(in, &held) == 0 && ++accepted > 0) {
		n = copy_holders(held.holders, holders);
		rc = mp_msg_cache_held_encode(buf, held.seq, holders, n);
	}
	if (mp_cache_record_decode(in, &record) == 0 && ++accepted > 0) {
		n = copy_holders(record.holders, holders);
		rc = mp_cache_record_encode(buf, record.result, holders, n);
	}
	mp_assert(rc == 0);
	return accepted;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 4096 + 4 * size};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);
	struct mp_buf buf;
	size_t accepted;

	mp_buf_init(&buf, &alloc, SIZE_MAX / 4);
	accepted = copy_any(&buf, in);
	mp_assert(accepted <= 1);
	mp_assert(accepted == 0 || mp_span_eq(mp_buf_span(&buf), in));
	if (accepted > 0)
		fuzz_item(in);
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
