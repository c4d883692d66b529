/* SPDX-License-Identifier: Apache-2.0 */
/* RUN_SECRETS of codec/msg_work.h, SECRETS of codec/msg_ctl.h. */
#include "codec/msg_ctl.h"
#include "codec/msg_work.h"
#include "codec/record_secret.h"

int
mp_msg_run_secrets_encode(struct mp_buf *buf, const struct mp_run_id *run, struct mp_span sealed)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_MSG_RUN_SECRETS);
	mp_cbor_w_bytes(&w, run->b, sizeof(run->b));
	if (sealed.n == 0)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_span(&w, sealed);
	return w.rc;
}

int
mp_msg_run_secrets_decode(struct mp_span bytes, struct mp_run_id *run, struct mp_span *sealed)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 3);
	if (mp_cbor_r_uint(&r, UINT32_MAX) != MP_MSG_RUN_SECRETS && r.rc == 0)
		r.rc = MP_EFORMAT;
	mp_cbor_r_fixed(&r, run->b, sizeof(run->b));
	*sealed = mp_span(NULL, 0);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL) {
		mp_cbor_r_null(&r);
	} else {
		*sealed = mp_cbor_r_bytes(&r, MP_SEALED_MAX + 128);
		if (r.rc == 0 && sealed->n == 0)
			r.rc = MP_EFORMAT;
	}
	return mp_cbor_r_end(&r);
}

int
mp_ctl_secrets_encode(struct mp_buf *buf, const char *run, struct mp_span secrets)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_CTL_SECRETS);
	mp_cbor_w_text(&w, run);
	if (secrets.n == 0)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_span(&w, secrets);
	return w.rc;
}

int
mp_ctl_lacks_encode(struct mp_buf *buf, const struct mp_names_list *names)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, names->n);
	for (uint32_t i = 0; i < names->n; i++)
		mp_cbor_w_text(&w, names->v[i]);
	return w.rc;
}

int
mp_ctl_lacks_decode(struct mp_span payload, char names[][MP_NAME_MAX + 1], size_t *n)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, payload);
	*n = mp_cbor_r_array(&r, MP_SECRETS_MAX);
	for (size_t i = 0; i < *n && r.rc == 0; i++)
		mp_cbor_r_str(&r, names[i], sizeof(names[i]));
	return mp_cbor_r_end(&r);
}
