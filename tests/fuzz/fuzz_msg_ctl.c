/* SPDX-License-Identifier: Apache-2.0 */
/* What mpctl and a node say to each other: each request that a decoder accepts, its encoder gives
 * back byte for byte; answers are walked to their end. */
#include "same.h"

#include "codec/msg_ctl.h"
#include "codec/msg_ctl_proof.h"
#include "codec/settings.h"
#include "codec/snapshot.h"

static char *
text(struct mp_span s)
{
	char *out = malloc(s.n + 1);

	mp_assert(out != NULL);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return out;
}

static int
copy_submit(struct mp_buf *buf, const struct mp_ctl_request *r)
{
	struct mp_ctl_param *params;
	char *key = text(r->key);
	struct mp_cbor_r list;
	size_t left = mp_ctl_list_begin(&list, r->params), n = 0;
	int rc;

	params = calloc(left + 1, sizeof(*params));
	mp_assert(params != NULL);
	while (mp_ctl_param_next(&list, &left, &params[n]))
		n++;
	mp_assert(left == 0);
	rc = mp_ctl_submit_encode(
		buf, r->pipeline, params, n, &r->inputs, r->key.n > 0 ? key : NULL, r->secrets);
	free(params);
	free(key);
	return rc;
}

static int
copy_fetch(struct mp_buf *buf, const struct mp_ctl_request *r)
{
	struct mp_cbor_r list;
	size_t left = mp_ctl_list_begin(&list, r->blobs), n = 0, k = 0;
	struct mp_blob_ref *blobs = calloc(left + 1, sizeof(*blobs));
	struct mp_node_id *holders;
	int rc;

	mp_assert(blobs != NULL);
	while (mp_ctl_blob_next(&list, &left, &blobs[n]))
		n++;
	left = mp_ctl_list_begin(&list, r->holders);
	holders = calloc(left + 1, sizeof(*holders));
	mp_assert(holders != NULL);
	while (mp_ctl_holder_next(&list, &left, &holders[k]))
		k++;
	rc = mp_ctl_fetch_encode(buf, blobs, n, holders, k);
	free(holders);
	free(blobs);
	return rc;
}

static int
copy_request(struct mp_buf *buf, const struct mp_ctl_request *r)
{
	char *run = text(r->run), *by = text(r->by), *module = text(r->module);
	char *name = text(r->name), *why = text(r->why);
	char *const texts[] = {run, by, module, name, why}, *of = r->run.p != NULL ? run : NULL;
	int rc = 0;

	switch (r->number) {
	case MP_CTL_SUBMIT:
	case MP_CTL_FETCH:
		rc = (r->number == MP_CTL_SUBMIT ? copy_submit : copy_fetch)(buf, r);
		break;
	case MP_CTL_SHOW:
	case MP_CTL_EVENTS:
	case MP_CTL_ENTRIES:
	case MP_CTL_NODES:
	case MP_CTL_CREDENTIALS:
		rc = mp_ctl_page_encode(buf, r->number, of, r->from, r->count);
		break;
	case MP_CTL_DRAIN:
		rc = mp_ctl_drain_encode(buf, name, r->on, by);
		break;
	case MP_CTL_REVOKE:
		rc = mp_ctl_revoke_encode(buf, name, why, r->on);
		break;
	case MP_CTL_TRUST:
		rc = mp_ctl_trust_encode(
			buf, r->what, r->trust, r->has_gossip_key ? r->gossip_key : NULL);
		break;
	case MP_CTL_TAKE:
		rc = mp_ctl_take_encode(buf, r->takeover, &r->sig);
		break;
	case MP_CTL_KNOCK:
		rc = mp_ctl_knock_encode(buf, r->record, &r->addr);
		break;
	case MP_CTL_GRANT:
		rc = mp_ctl_grant_encode(buf, &r->node, r->token);
		break;
	case MP_CTL_WAIT:
	case MP_CTL_TAKEOVER:
	case MP_CTL_RECORD:
	case MP_CTL_PENDING:
	case MP_CTL_RUNS:
	case MP_CTL_LEAVE:
	case MP_CTL_LEAVE_ANYWAY:
	case MP_CTL_CHARTER:
		rc = mp_ctl_simple_encode(buf, r->number, of);
		break;
	case MP_CTL_CANCEL:
		rc = mp_ctl_cancel_encode(buf, run, by);
		break;
	case MP_CTL_RESOLVE:
		rc = mp_ctl_resolve_encode(buf, run, module, r->rerun, by);
		break;
	case MP_CTL_SECRETS:
		rc = mp_ctl_secrets_encode(buf, run, r->secrets);
		break;
	case MP_CTL_LOG:
		rc = mp_ctl_log_encode(buf, &r->node, &r->log);
		break;
	case MP_CTL_COPY:
		rc = mp_ctl_copy_encode(buf, &r->node, &r->blob, r->log.offset, r->log.size);
		break;
	case MP_CTL_OK:
	case MP_CTL_ERROR:
		mp_unreachable();
	}
	for (size_t i = 0; i < mp_countof(texts); i++)
		free(texts[i]);
	return rc;
}

static int
copy_local(struct mp_buf *buf, struct mp_ctl_local *m)
{
	struct mp_hash *digests = calloc(m->digest_count + 1, sizeof(*digests));
	int rc;

	mp_assert(digests != NULL);
	for (size_t i = 0; i < m->digest_count; i++)
		mp_cbor_r_fixed(&m->digests, digests[i].b, sizeof(digests[i].b));
	mp_assert(m->digest_count == 0 || m->digests.rc == 0);
	rc = mp_ctl_local_encode(buf, m, digests);
	free(digests);
	return rc;
}

/* Texts with a NUL inside are not what a client's encoder can make. */
static bool
plain(struct mp_span s)
{
	return s.n == 0 || memchr(s.p, 0, s.n) == NULL;
}

/* What a node says of its cache is given back byte for byte, too. */
static void
try_cache(struct mp_buf *buf, struct mp_span in)
{
	struct mp_cache_checked checked;
	struct mp_cache_totals totals;
	struct mp_cache_sound sound;
	size_t accepted = 0;
	int rc = 0;

	mp_buf_clear(buf);
	if (mp_ctl_totals_decode(in, &totals) == 0 && ++accepted > 0)
		rc = mp_ctl_totals_encode(buf, &totals);
	if (mp_ctl_checked_decode(in, &checked) == 0 && ++accepted > 0)
		rc = mp_ctl_checked_encode(buf, &checked);
	/* Nothing that is wrong is said by null alone. */
	if (mp_ctl_sound_decode(in, &sound) == 0 && in.p[1] != 0x60 && ++accepted > 0)
		rc = mp_ctl_sound_encode(buf, &sound);
	mp_assert(rc == 0 && accepted <= 1);
	mp_assert(accepted == 0 || mp_span_eq(mp_buf_span(buf), in));
	if (accepted > 0)
		fuzz_item(in);
}

/* What is read, of a request or of a file, can be written, and reads the same again. */
static void
try_settings(struct mp_buf *buf, struct mp_span in)
{
	struct mp_settings s, again;
	struct mp_error err;
	struct mp_cbor_r r;
	bool good;

	mp_cbor_r_init(&r, in);
	mp_settings_read(&r, &s);
	good = in.n > 0 && mp_cbor_r_end(&r) == 0;
	if (!good && mp_settings_parse(in, &s, &err) != 0)
		return;
	mp_buf_clear(buf);
	mp_assert(mp_settings_format(&s, buf) == 0);
	mp_assert(mp_settings_parse(mp_buf_span(buf), &again, &err) == 0);
	mp_assert(s.tag_count == again.tag_count && s.untag_count == again.untag_count);
	mp_assert(s.resource_count == again.resource_count && s.slots == again.slots);
	mp_assert(s.has_zone == again.has_zone && strcmp(s.zone, again.zone) == 0);
}

static void
try_waiting(struct mp_span in)
{
	struct mp_ctl_pending p;
	struct mp_span token;
	struct mp_cbor_r r;
	size_t n;

	if (mp_ctl_knocked_decode(in, &token) == 0)
		mp_assert(token.n <= in.n);
	mp_cbor_r_init(&r, in);
	n = mp_cbor_r_array(&r, MP_CTL_PENDING_MAX);
	while (r.rc == 0 && n-- > 0) {
		mp_ctl_pending_next(&r, &p);
		mp_assert(r.rc != 0 || p.since_ms >= 0);
	}
}

/* Records and their pages are given back byte for byte. */
static void
try_proofs(struct mp_buf *buf, struct mp_span in)
{
	struct mp_ctl_proofs page;
	struct mp_ctl_record record;
	struct mp_cbor_w w;
	struct mp_span item;

	mp_buf_clear(buf);
	if (mp_ctl_record_decode(in, &record) == 0) {
		mp_assert(mp_ctl_record_encode(buf, &record) == 0);
		mp_assert(mp_span_eq(mp_buf_span(buf), in));
	}
	if (mp_ctl_proofs_decode(in, &page) != 0)
		return;
	mp_buf_clear(buf);
	mp_cbor_w_init(&w, buf);
	mp_ctl_proofs_begin(&w, page.next, page.left);
	while (mp_ctl_proofs_next(&page, &item))
		mp_cbor_w_span(&w, item);
	mp_assert(page.r.rc == 0 && w.rc == 0 && mp_span_eq(mp_buf_span(buf), in));
}

static void
try_answers(struct mp_span in)
{
	uint32_t total, from, count, seen = 0;
	struct mp_snap_member member;
	struct mp_snap_self self;
	struct mp_ctl_info info;
	struct mp_error err;
	struct mp_run_id run;
	struct mp_span payload;
	struct mp_cbor_r r;

	(void)mp_ctl_answer_decode(in, &payload, &err);
	(void)mp_ctl_submitted_decode(in, &run);
	if (mp_ctl_info_decode(in, &info) == 0) {
		for (size_t i = 0; i < info.counter_count; i++)
			mp_cbor_r_skip(&info.items);
		mp_assert(info.items.rc == 0);
	}
	if (mp_snap_self_decode(in, &self) == 0)
		mp_assert(self.drained_by.n <= MP_NAME_MAX);
	if (mp_snap_nodes_decode(in, &total, &from, &count, &r) == 0) {
		while (seen < count && mp_snap_member_next(&r, &member) == 0)
			seen++;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 8192 + 4 * size};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);
	struct mp_ctl_request r;
	struct mp_ctl_local m;
	struct mp_buf buf;

	mp_buf_init(&buf, &alloc, SIZE_MAX / 4);
	if (mp_ctl_request_decode(in, &r) == 0 && plain(r.run) && plain(r.by) && plain(r.key) &&
		plain(r.name)) {
		mp_assert(!mp_ctl_is_local(in));
		mp_assert(copy_request(&buf, &r) == 0);
		mp_assert(mp_span_eq(mp_buf_span(&buf), in));
		fuzz_item(in);
	}
	mp_buf_clear(&buf);
	if (mp_ctl_local_decode(in, &m) == 0) {
		mp_assert(mp_ctl_is_local(in));
		mp_assert(copy_local(&buf, &m) == 0);
		mp_assert(mp_span_eq(mp_buf_span(&buf), in));
		fuzz_item(in);
		try_settings(&buf, m.settings);
	}
	try_settings(&buf, in);
	try_answers(in);
	try_waiting(in);
	try_cache(&buf, in);
	try_proofs(&buf, in);
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
