/* SPDX-License-Identifier: Apache-2.0 */
/* Values, what is sealed, and the message that carries it: what is accepted is given back byte for
 * byte, and what a box held is whole. */
#include "fuzz.h"
#include "null_crypto.h"

#include "codec/msg_work.h"
#include "codec/record_secret.h"

static void
check_values(const struct mp_alloc *alloc, struct mp_span in)
{
	struct mp_secret_value v[MP_SECRETS_MAX];
	struct mp_cbor_r r;
	struct mp_buf buf;
	size_t left, n = 0;

	if (in.n == 0 || mp_secrets_check(in) != 0)
		return;
	left = mp_secrets_begin(&r, in);
	while (mp_secrets_next(&r, &left, &v[n])) {
		struct mp_span found;

		mp_assert(mp_secrets_find(in, v[n].name, &found));
		mp_assert(found.p == v[n].value.p);
		n++;
	}
	mp_assert(left == 0);
	mp_buf_init(&buf, alloc, MP_SECRETS_ENCODED_MAX);
	mp_assert(mp_secrets_encode(&buf, v, n) == 0);
	mp_assert(mp_span_eq(mp_buf_span(&buf), in));
	mp_buf_fini(&buf);
}

/* Under null_crypto everybody can open every box. */
static void
check_sealed(const struct mp_alloc *alloc, struct mp_span in)
{
	struct mp_sealed sealed;
	struct mp_node_id node;
	struct mp_buf values;

	if (mp_sealed_open(&null_crypto, in, &sealed) != 0)
		return;
	mp_buf_init(&values, alloc, MP_SECRETS_ENCODED_MAX);
	for (size_t i = 0; i + sizeof(node.b) <= sealed.boxes.n; i++) {
		memcpy(node.b, sealed.boxes.p + i, sizeof(node.b));
		if (!mp_sealed_has(&sealed, &node))
			continue;
		mp_buf_clear(&values);
		if (mp_sealed_values(&null_crypto, NULL, &sealed, &node, &values) == 0)
			mp_assert(mp_secrets_check(mp_buf_span(&values)) == 0);
	}
	mp_buf_fini(&values);
}

static void
check_message(const struct mp_alloc *alloc, struct mp_span in)
{
	struct mp_span sealed;
	struct mp_run_id run;
	struct mp_buf buf;

	if (mp_msg_run_secrets_decode(in, &run, &sealed) != 0)
		return;
	mp_buf_init(&buf, alloc, MP_SEALED_MAX + 256);
	mp_assert(mp_msg_run_secrets_encode(&buf, &run, sealed) == 0);
	mp_assert(mp_span_eq(mp_buf_span(&buf), in));
	mp_buf_fini(&buf);
	check_sealed(alloc, sealed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 16u * 1024 * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);

	check_values(&alloc, in);
	check_sealed(&alloc, in);
	check_message(&alloc, in);
	mp_assert(heap.live == 0);
	return 0;
}
