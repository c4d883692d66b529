/* SPDX-License-Identifier: Apache-2.0 */
/* The secrets that an attempt takes: in memory until it is over, and in what the executor gets. */
#include "codec/record_secret.h"
#include "core/mutant.h"
#include "core/vault.h"
#include "core/worker_int.h"
#include "mp/pipeline.h"

int
secrets_take(struct attempt *a, struct mp_span values)
{
	struct mp_secret_value list[MP_SECRETS_MAX];
	struct mp_span names[MP_SECRETS_MAX];
	size_t n = mp_spec_secrets(a->spec, names);
	int rc;

	if (n == 0)
		return 0;
	if (MP_MUTANT(SECRETS_OF_OTHERS))
		return mp_buf_append(&a->secrets, values.p, values.n);
	for (size_t i = 0; i < n; i++) {
		list[i].name = names[i];
		if (!mp_secrets_find(values, names[i], &list[i].value))
			return MP_ENOENT;
	}
	/* All at once, so that no copy of a part is left behind. */
	rc = mp_buf_reserve(&a->secrets, values.n);
	return rc == 0 ? mp_secrets_encode(&a->secrets, list, n) : rc;
}

void
secrets_wipe(struct attempt *a)
{
	mp_buf_wipe(&a->secrets);
	mp_buf_fini(&a->secrets);
}

void
secrets_mask(struct attempt *a)
{
	mp_vault_mask(
		a->worker->alloc, mp_buf_span(&a->secrets), a->error.text, sizeof(a->error.text));
}
