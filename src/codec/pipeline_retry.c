/* SPDX-License-Identifier: Apache-2.0 */
#include "mp/pipeline.h"

static bool
retries_exit(const struct mp_retry *r, int32_t exit_code)
{
	if (r->on_exit)
		return true;
	for (uint32_t i = 0; i < r->exit_count; i++)
		if (r->exits[i] == exit_code)
			return true;
	return false;
}

bool
mp_retry_applies(const struct mp_retry *r, enum mp_status status, int32_t exit_code, uint32_t used)
{
	if (used >= r->attempts)
		return false;
	switch (status) {
	case MP_STATUS_FAILED:
		return exit_code < 0 ? r->on_signal : retries_exit(r, exit_code);
	case MP_STATUS_TIMED_OUT:
		return r->on_timeout;
	case MP_STATUS_NO_OUTPUT:
	case MP_STATUS_NOT_STARTED:
		return r->on_exit;
	case MP_STATUS_OK:
	case MP_STATUS_CANCELLED:
	case MP_STATUS_CONFLICT:
		return false;
	}
	return false; /* a status of a later version */
}

uint64_t
mp_retry_backoff_ms(const struct mp_retry *r, uint32_t used)
{
	uint64_t ms = r->backoff_ms;

	for (uint32_t i = 1; i < used && ms < r->max_backoff_ms; i++)
		ms *= 2;
	return ms < r->max_backoff_ms ? ms : r->max_backoff_ms;
}
