/* SPDX-License-Identifier: Apache-2.0 */
/* I14: a module that takes secrets starts with those of its submission and no others, no disk has
 * them in clear, and after the end of the run, or when it has left for ever, no disk has them. */
#include "check_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "codec/record_secret.h"

#define MARK "sim-secret-"

/* Of a run that is called sim-NUMBER. */
static struct mp_span
secret_text(char out[64], const char *name, uint32_t run_number)
{
	return mp_span(out, (size_t)snprintf(out, 64, MARK "%s-%" PRIu32, name, run_number));
}

void
sim_secrets(uint32_t run_number, struct mp_buf *out)
{
	char a[64], b[64];
	const struct mp_secret_value v[] = {
		{mp_span_str("SIM_A"), secret_text(a, "SIM_A", run_number)},
		{mp_span_str("SIM_B"), secret_text(b, "SIM_B", run_number)}};

	mp_assert(mp_secrets_encode(out, v, mp_countof(v)) == 0);
}

void
check_secrets_exec(struct sim_host *host, const struct check_run *run,
	const struct mp_graph_module *module, const struct mp_exec_request *req)
{
	uint32_t number = (uint32_t)strtoul(run->record.name + strlen("sim-"), NULL, 10);
	struct mp_secret_value v;
	struct mp_cbor_r r;
	size_t left = mp_secrets_begin(&r, req->secrets), n = left;
	char text[64];

	host->sim->sometimes[SIM_SECRETS] += n > 0;
	for (uint32_t i = 0; i < module->secrets.n && mp_secrets_next(&r, &left, &v); i++) {
		struct mp_span want = secret_text(text, module->secrets.v[i], number);

		n -= mp_span_eq(v.name, mp_span_str(module->secrets.v[i])) &&
		     mp_span_eq(v.value, want);
	}
	if (n != 0 || left != 0 || (module->secrets.n > 0 && req->secrets.n == 0))
		sim_fail(host->sim, "I14: %s starts on host %" PRIu32 " without its secrets",
			module->name, host->index);
}

void
check_secrets_row(struct sim_host *host, const struct mp_row *row)
{
	if (host->sim->plan.secrets && row->value.n > 0 &&
		memmem(row->value.p, row->value.n, MARK, strlen(MARK)) != NULL)
		sim_fail(host->sim, "I14: host %" PRIu32 " writes a secret in clear", host->index);
}

void
sim_check_secrets_left(struct sim_host *host)
{
	if (sim_disk_count(host, MP_TABLE_SECRET) > 0)
		sim_fail(host->sim, "I14: host %" PRIu32 " leaves for ever with secrets",
			host->index);
}

bool
check_secrets_gone(const struct sim_host *host, const struct check_run *run)
{
	return sim_disk_row(host, MP_TABLE_SECRET, mp_span(run->id.b, sizeof(run->id.b))).p == NULL;
}
