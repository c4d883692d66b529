/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the daemon share: daemon.c steps the node, daemon_blob.c works for it on the
 * thread pool, daemon_guest.c speaks to those that are no nodes, daemon_jobs.c has that done which
 * would keep the loop waiting, daemon_join.c finds seeds, daemon_members.c tells of members,
 * daemon_net.c has the sockets, daemon_open.c sets everything up and takes it down. */
#ifndef MP_SHELL_DAEMON_INT_H
#define MP_SHELL_DAEMON_INT_H

#include <stdatomic.h>
#include <uv.h>

#include "core/node.h"
#include "shell/cache.h"
#include "shell/control.h"
#include "shell/ctlsock.h"
#include "shell/daemon.h"
#include "shell/exec.h"
#include "shell/executor.h"
#include "shell/heap.h"
#include "shell/lines.h"
#include "shell/peers.h"
#include "shell/resolve.h"
#include "shell/state.h"
#include "shell/udp.h"

struct mp_daemon_queued {
	struct mp_daemon_queued *next;
	struct mp_event event;
};

/* A source about which a line was logged. */
struct mp_daemon_trouble {
	uint8_t source[16]; /* an IP, or the name of a part */
	uint64_t until_ms;  /* no other one before that */
};

/* Up to where the log tells of members. */
struct mp_daemon_members {
	uint64_t version; /* of the roster */
	uint8_t *said;    /* by slot: what was said last */
	size_t cap;
};

/* What this node can do, from which its capabilities are put together. */
struct mp_daemon_caps {
	struct mp_settings settings; /* node.conf */
	struct mp_caps machine;      /* found; of tools those whose versions were asked for */
	uv_signal_t sighup;
	uv_timer_t disk;
	bool probing; /* versions are being asked for on the thread pool, */
	bool again;   /* and are to be once more */
	bool untold;  /* mp_daemon_caps_tell_soon() */
	bool disk_asked;
	bool hup_asked; /* and not looked at yet */
	atomic_bool stop;
};

/* Where a joiner asks. */
struct mp_daemon_seed {
	struct mp_resolve *asked; /* NULL: nothing is asked */
	struct mp_resolved known; /* the last answer with addresses */
	uint64_t trouble;         /* the sum of what was said; 0: none */
};

/* Work on the small files of the state directory, which it does not see change meanwhile: one is
 * over before the next one begins. */
struct mp_daemon_job {
	uv_work_t req;
	struct mp_daemon *d;
	struct mp_daemon_job *next;
	int (*begin)(struct mp_daemon_job *job); /* on the loop, first; may be NULL */
	int (*work)(struct mp_daemon_job *job);  /* on the thread pool, if that was 0 */
	void (*done)(struct mp_daemon_job *job); /* on the loop; frees it, even while all ends */
	int rc;                                  /* of the two */
	struct mp_error err;
};

/* Counters of the node and of the shell; bounds with how much of them is used. */
#define MP_DAEMON_COUNTERS (MP_COUNTER_COUNT + MP_REFUSED_COUNT + 9)
#define MP_DAEMON_LIMITS   3

struct mp_daemon {
	struct mp_daemon_config config;
	struct mp_lines *log, *ready; /* NULL: none is wanted */
	uv_loop_t loop;
	bool has_loop;
	uv_timer_t timer;
	uv_idle_t idle;
	uv_check_t check;
	uv_signal_t sigterm, sigint;
	struct mp_udp udp;
	struct mp_peers *peers;
	struct mp_control *control;
	struct mp_cache *cache;
	struct mp_executor executor;
	bool has_executor;
	struct mp_exec *exec;
	struct mp_ctlsock *ctlsock;
	struct mp_node *node;
	struct mp_addr advertised[MP_ADDRS_MAX]; /* where others reach it, the best first */
	size_t advertised_count;
	mp_time armed; /* the deadline that the timer is set to */
	bool tick_due;
	unsigned drain_rounds; /* since then */
	uint64_t drain_seen;   /* datagrams up to the last round */
	uint64_t entropy[64];
	size_t entropy_left;
	bool stepping;
	bool stopping;                           /* asked to, gracefully */
	bool stop;                               /* the loop is to end */
	size_t works;                            /* on the thread pool for us */
	struct mp_daemon_job *jobs, **jobs_last; /* the first one runs, */
	bool job_runs;                           /* if this is set */
	uv_async_t resolved;                     /* the resolver has answered */
	struct mp_daemon_seed seeds[MP_STATE_SEEDS_MAX];
	struct mp_daemon_queued *queue, **queue_last;
	struct mp_daemon_trouble trouble[64];
	uint64_t quiet;            /* lines that were held back since the last one, */
	uint64_t held;             /* and ever */
	uint64_t requests_refused; /* of clients from elsewhere, by their role */
	struct mp_daemon_members members;
	struct mp_daemon_caps caps;
	struct mp_error ended;
	mp_time started_ms; /* wall */
	struct mp_ctl_counter info_counters[MP_DAEMON_COUNTERS];
	struct mp_ctl_limit info_limits[MP_DAEMON_LIMITS];
	size_t closing; /* parts that are not closed yet */
};

/* One line; never waits. Nothing before the executor was forked. */
void mp_daemon_log(struct mp_daemon *d, const char *fmt, ...) MP_PRINTF(2, 3);
void mp_daemon_event(struct mp_daemon *d, struct mp_event *ev);

void mp_daemon_on_timer(uv_timer_t *timer);
void mp_daemon_on_check(uv_check_t *check);
void mp_daemon_on_signal(uv_signal_t *handle, int signum);
void mp_daemon_on_datagram(void *ctx, const struct mp_addr *from, struct mp_span bytes);
void mp_daemon_on_peer(void *ctx, struct mp_event *ev);
int mp_daemon_on_check_peer(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
	struct mp_node_id *id, bool *joiner, struct mp_error *err);
struct mp_span mp_daemon_on_credential(void *ctx);
bool mp_daemon_member_at(void *ctx, const struct mp_addr *source);
bool mp_daemon_member(void *ctx, const struct mp_node_id *id);
bool mp_daemon_quiet(void *ctx);
void mp_daemon_on_trouble(void *ctx, const struct mp_addr *addr, const struct mp_error *err);
void mp_daemon_on_durable(void *ctx, uint64_t seq);
void mp_daemon_on_disk(void *ctx, const struct mp_error *err);
void mp_daemon_on_exec(void *ctx, const struct mp_exec_report *report);
void mp_daemon_on_exec_failed(void *ctx, const struct mp_error *err);

/* Reads node.conf and looks at the machine. The errors of mp_state_load_settings(). */
int mp_daemon_open_caps(struct mp_daemon *d, struct mp_error *err);
/* The node runs: looks at what takes longer, and now and then at the disk. */
void mp_daemon_caps_start(struct mp_daemon *d);
/* Appends encoded capabilities, with these settings. MP_ELIMIT with a text, MP_ENOMEM. */
int mp_daemon_caps_now(const struct mp_daemon *d, const struct mp_settings *settings,
	struct mp_buf *buf, uint32_t *slots, struct mp_error *err);
/* Something changed while the node must not be called: they are told in the loop's next round. */
void mp_daemon_caps_tell_soon(struct mp_daemon *d);
/* mpctl node set: keeps and tells it, and answers the request. MP_ENOMEM: it does not. */
int mp_daemon_caps_set(struct mp_daemon *d, const struct mp_settings *change, uint64_t request);
void mp_daemon_on_hup(uv_signal_t *handle, int signum);

/* Has `work` done on the thread pool and then `done` on the loop, which calls
 * mp_daemon_work_done() first. The daemon closes when nothing is there any more. */
void mp_daemon_work(struct mp_daemon *d, uv_work_t *req, uv_work_cb work, uv_after_work_cb done);
void mp_daemon_work_done(struct mp_daemon *d);
/* A job whose functions are set, after all before it. */
void mp_daemon_do(struct mp_daemon *d, struct mp_daemon_job *job);
/* No memory for what the node has asked: it would wait for the answer for ever, and is stopped. */
void mp_daemon_no_memory(struct mp_daemon *d);

/* After a step: logs what changed among the members. */
void mp_daemon_watch_members(struct mp_daemon *d);

/* Trouble of the cache, at most one line in ten seconds. */
void mp_daemon_log_cache(struct mp_daemon *d, const struct mp_error *err);

/* The BLOB effects: each becomes one event when the thread pool has done it. */
void mp_daemon_blob(struct mp_daemon *d, const struct mp_effect *fx);
/* The CACHE effects, the same. */
void mp_daemon_result(struct mp_daemon *d, const struct mp_effect *fx);
void mp_daemon_read_rows(struct mp_daemon *d, const struct mp_effect *fx);
void mp_daemon_read_log(struct mp_daemon *d, const struct mp_effect *fx);

/* Is there a seed to ask, if this node joins? MP_EUSAGE, MP_EINVAL: none is written as one. */
int mp_daemon_check_seeds(const struct mp_state *state, struct mp_error *err);
/* MP_FX_RESOLVE; MP_EV_SEEDS follows for each name that is answered, with all that is known. */
void mp_daemon_resolve(struct mp_daemon *d);
void mp_daemon_on_resolved(uv_async_t *async);
/* Before it closes: no answer counts any more, and none is waited for. */
void mp_daemon_resolve_end(struct mp_daemon *d);
/* While the node is opened: runs the loop, so that a signal ends it. MP_ECANCELED, and the errors
 * of mp_addr_resolve(). */
int mp_daemon_resolve_now(struct mp_daemon *d, const char *text, enum mp_addr_use use,
	struct mp_resolved *out, struct mp_error *err);

/* What depends on the profile, after it has changed. */
void mp_daemon_net_timings(struct mp_daemon *d);
/* Binds, by what is asked for and what is kept, and keeps that. Errors as mp_daemon_open(). */
int mp_daemon_open_sockets(struct mp_daemon *d, struct mp_error *err);
/* Closes the sockets, if they are open; runs the loop until they are. */
void mp_daemon_unbind(struct mp_daemon *d);
/* A part has closed; d->closing counts those that have not. Runs the loop until there is none. */
void mp_daemon_part_closed(void *ctx);
void mp_daemon_loop_drain(struct mp_daemon *d);

/* Streams that are not of nodes: as mp_peers_config and mp_ctlsock_config say. */
int mp_daemon_on_client(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
	struct mp_peers_guest *out, struct mp_error *err);
void mp_daemon_on_guest(void *ctx, const struct mp_peers_guest *guest, struct mp_span bytes);
void mp_daemon_on_guest_gone(void *ctx, uint64_t guest);
void mp_daemon_guest_answer(void *ctx, uint64_t guest, struct mp_span bytes);

/* As mp_ctlsock_config says. */
void mp_daemon_on_info(void *ctx, struct mp_ctl_info *info);

/* As mp_ctlsock_answer(), unless the daemon ends. */
void mp_daemon_answer(struct mp_daemon *d, uint64_t request, int rc, struct mp_span payload,
	const struct mp_error *err);

/* Opens the control socket; what is asked there goes to the node. */
int mp_daemon_open_control(struct mp_daemon *d, struct mp_error *err);

/* sd_notify(3) without the library: a datagram to $NOTIFY_SOCKET, nothing when it is not set. */
void mp_notify_systemd(const char *state);

#endif
