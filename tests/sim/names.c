/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include "codec/msg_blob.h"
#include "codec/msg_cache.h"
#include "codec/msg_ctl.h"
#include "codec/msg_raft.h"
#include "codec/msg_swim.h"
#include "codec/msg_work.h"
#include "codec/record_run.h"

const char *
sim_event_name(enum mp_event_kind kind)
{
	static const char *const names[] = {
		[MP_EV_RESTORE] = "restore",
		[MP_EV_ROWS_READ] = "rows read",
		[MP_EV_START] = "start",
		[MP_EV_TICK] = "tick",
		[MP_EV_DATAGRAM] = "datagram",
		[MP_EV_LINK] = "link",
		[MP_EV_SEEDS] = "seeds",
		[MP_EV_MESSAGE] = "message",
		[MP_EV_PERSISTED] = "persisted",
		[MP_EV_CONTROL] = "control",
		[MP_EV_CONTROL_CLOSED] = "control closed",
		[MP_EV_BLOB_STAT] = "blob stat",
		[MP_EV_BLOB_READ] = "blob read",
		[MP_EV_BLOB_WRITTEN] = "blob written",
		[MP_EV_BLOB_SYNCED] = "blob synced",
		[MP_EV_CACHE_FOUND] = "cache found",
		[MP_EV_CACHE_GOT] = "cache got",
		[MP_EV_EXEC] = "exec",
		[MP_EV_CAPS] = "caps",
		[MP_EV_STOP] = "stop",
	};

	return names[kind];
}

const char *
sim_message_name(struct mp_span bytes)
{
	static const char *const names[] = {
		[MP_MSG_VIEW] = "VIEW",
		[MP_MSG_DELTA] = "DELTA",
		[MP_MSG_SUMS] = "SUMS",
		[MP_MSG_CAPS_GET] = "CAPS_GET",
		[MP_MSG_CAPS] = "CAPS",
		[MP_MSG_JOIN] = "JOIN",
		[MP_MSG_JOINED] = "JOINED",
		[MP_MSG_JOIN_REFUSED] = "JOIN_REFUSED",
		[MP_MSG_PREVOTE] = "PREVOTE",
		[MP_MSG_PREVOTE_ACK] = "PREVOTE_ACK",
		[MP_MSG_VOTE] = "VOTE",
		[MP_MSG_VOTE_ACK] = "VOTE_ACK",
		[MP_MSG_APPEND] = "APPEND",
		[MP_MSG_APPEND_ACK] = "APPEND_ACK",
		[MP_MSG_TIMEOUT_NOW] = "TIMEOUT_NOW",
		[MP_MSG_PULSE] = "PULSE",
		[MP_MSG_PULSE_ACK] = "PULSE_ACK",
		[MP_MSG_RUN_HAVE] = "RUN_HAVE",
		[MP_MSG_RUN_OPEN] = "RUN_OPEN",
		[MP_MSG_RUN_ACCEPT] = "RUN_ACCEPT",
		[MP_MSG_RUN_REFUSE] = "RUN_REFUSE",
		[MP_MSG_RUN_KNOWN] = "RUN_KNOWN",
		[MP_MSG_RUN_WANT] = "RUN_WANT",
		[MP_MSG_RUN_ABORT] = "RUN_ABORT",
		[MP_MSG_CTL_ASK] = "CTL_ASK",
		[MP_MSG_CTL_ANSWER] = "CTL_ANSWER",
		[MP_MSG_WORK_LEAD] = "WORK_LEAD",
		[MP_MSG_WORK_ASSIGN] = "WORK_ASSIGN",
		[MP_MSG_WORK_STATUS_REQ] = "WORK_STATUS_REQ",
		[MP_MSG_WORK_SETTLED] = "WORK_SETTLED",
		[MP_MSG_WORK_KILL] = "WORK_KILL",
		[MP_MSG_WORK_END] = "WORK_END",
		[MP_MSG_WORK_WHO] = "WORK_WHO",
		[MP_MSG_WORK_STATUS] = "WORK_STATUS",
		[MP_MSG_WORK_RESULT] = "WORK_RESULT",
		[MP_MSG_WORK_REJECT] = "WORK_REJECT",
		[MP_MSG_WORK_FREE] = "WORK_FREE",
		[MP_MSG_WORK_LEASE] = "WORK_LEASE",
		[MP_MSG_WORK_RENEW] = "WORK_RENEW",
		[MP_MSG_BLOB_GET] = "BLOB_GET",
		[MP_MSG_BLOB_DATA] = "BLOB_DATA",
		[MP_MSG_BLOB_NONE] = "BLOB_NONE",
		[MP_MSG_HOLD] = "HOLD",
		[MP_MSG_HELD] = "HELD",
		[MP_MSG_CACHE_ASK] = "CACHE_ASK",
		[MP_MSG_CACHE_HAVE] = "CACHE_HAVE",
		[MP_MSG_CACHE_GET] = "CACHE_GET",
		[MP_MSG_CACHE_GOT] = "CACHE_GOT",
		[MP_MSG_CACHE_HOLD] = "CACHE_HOLD",
		[MP_MSG_CACHE_HELD] = "CACHE_HELD",
	};
	uint64_t kind = mp_msg_number(bytes);

	return kind < mp_countof(names) && names[kind] != NULL ? names[kind] : "message";
}

const char *
sim_entry_name(uint64_t kind)
{
	static const char *const names[] = {
		[MP_ENTRY_OPEN] = "OPEN",
		[MP_ENTRY_TERM_START] = "TERM_START",
		[MP_ENTRY_ASSIGNED] = "ASSIGNED",
		[MP_ENTRY_LOST] = "LOST",
		[MP_ENTRY_FINISHED] = "FINISHED",
		[MP_ENTRY_RETRY] = "RETRY",
		[MP_ENTRY_ONCE_BEGIN] = "ONCE_BEGIN",
		[MP_ENTRY_ONCE_END] = "ONCE_END",
		[MP_ENTRY_CANCEL] = "CANCEL",
		[MP_ENTRY_SKIP] = "SKIP",
		[MP_ENTRY_END] = "END",
		[MP_ENTRY_CACHED] = "CACHED",
		[MP_ENTRY_RETURNED] = "RETURNED",
	};

	return kind < mp_countof(names) && names[kind] != NULL ? names[kind] : "entry";
}
