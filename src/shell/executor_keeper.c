/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/executor_msg.h"
#include "shell/executor_spawn.h"
#include "shell/executor_spool.h"
#include "shell/executor_tree.h"
#include "shell/heap.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/mask.h"

/* STARTED waits so long for an EXITED to travel with: most commands are short. */
#define KEEPER_JOIN_US 3000

/* Pauses between looks for what is left of a tree. */
#define KEEPER_SWEEP_US 20000

/* What survives SIGKILL for so long (a disk that hangs) is reported as left. */
#define KEEPER_GIVE_UP_US (30 * 1000000ll)

#define KEEPER_NEVER INT64_MAX

/* A lease is looked at so often: while a machine sleeps, poll(2) counts no time. */
#define KEEPER_LEASE_LOOK_US 1000000

/* Longer times are as good as this one: thirty years. */
#define KEEPER_MS_MAX 1000000000000ull

struct keeper_job {
	struct mp_keeper_msg spawn; /* kind 0: idle */
	pid_t leader;               /* 0 when it was reaped */
	struct mp_spool out, err;
	struct mp_mask *mask; /* NULL: there are no secrets */
	struct mp_keeper_exited end;
	int64_t started_us, timeout_us; /* monotonic */
	uint64_t lease_ms;              /* CLOCK_BOOTTIME; 0: needs none */
	int64_t kill_us;                /* SIGKILL is due; KEEPER_NEVER before SIGTERM */
	int64_t sweep_us;               /* next look for what is left */
	int64_t give_up_us;
	bool gone; /* nothing is below us any more */
};

struct keeper {
	int sock, signals, null;
	struct keeper_job job;
	struct mp_buf in, out;
	int64_t flush_us; /* when `out` must go */
	bool ending;      /* the socket closed, or SIGTERM came */
};

static int64_t
keeper_after(int64_t now_us, uint64_t ms)
{
	return now_us + (int64_t)(ms < KEEPER_MS_MAX ? ms : KEEPER_MS_MAX) * 1000;
}

static bool
keeper_busy(const struct keeper *k)
{
	return k->job.spawn.kind == MP_KEEPER_SPAWN;
}

/* ---- the socket ---- */

static void
keeper_flush(struct keeper *k)
{
	ssize_t n;

	k->flush_us = KEEPER_NEVER;
	while (k->out.n > 0 && !k->ending) {
		n = send(k->sock, k->out.p, k->out.n, MSG_NOSIGNAL);
		if (n > 0)
			mp_buf_consume(&k->out, (size_t)n);
		else if (n < 0 && errno != EINTR)
			k->ending = true;
	}
}

static void
keeper_say(struct keeper *k, const struct mp_keeper_msg *m)
{
	/* Without memory for a few bytes there is no way to supervise anything. */
	if (mp_keeper_msg_encode(&k->out, m) != 0)
		k->ending = true;
}

/* ---- a job ---- */

static void
job_term(struct keeper *k, int64_t now_us, uint64_t grace_ms)
{
	struct keeper_job *j = &k->job;

	if (j->kill_us != KEEPER_NEVER)
		return;
	j->kill_us = keeper_after(now_us, grace_ms);
	(void)mp_tree_signal(getpid(), SIGTERM, NULL, NULL);
	(void)mp_tree_signal(getpid(), SIGCONT, NULL, NULL);
}

static void
job_failed(struct keeper *k, const struct mp_error *err)
{
	struct mp_keeper_msg m = {.kind = MP_KEEPER_FAILED, .id = k->job.spawn.id};

	m.u.failed.code = err->code;
	memcpy(m.u.failed.text, err->text, sizeof(m.u.failed.text));
	keeper_say(k, &m);
	keeper_flush(k);
	mp_keeper_msg_fini(&k->job.spawn);
}

/* The secrets stand last in its environment. */
static int
job_mask(struct keeper_job *j)
{
	const struct mp_keeper_spawn *s = &j->spawn.u.spawn;
	struct mp_span values[MP_SECRETS_MAX];
	uint32_t n = 0;
	int rc;

	if (s->secrets == 0)
		return 0;
	for (char **env = s->env; *env != NULL; env++)
		n++;
	for (uint32_t i = 0; i < s->secrets; i++) {
		const char *at = strchr(s->env[n - s->secrets + i], '=');

		values[i] = mp_span_str(at != NULL ? at + 1 : "");
	}
	rc = mp_mask_new(&mp_heap, values, s->secrets, &j->mask);
	if (rc == 0)
		rc = mp_masker_new(j->mask, &j->out.masker);
	if (rc == 0)
		rc = mp_masker_new(j->mask, &j->err.masker);
	return rc;
}

static void
job_unmask(struct keeper_job *j)
{
	mp_masker_free(j->out.masker);
	mp_masker_free(j->err.masker);
	mp_mask_free(j->mask);
	j->out.masker = j->err.masker = NULL;
	j->mask = NULL;
}

static bool
job_unleased(const struct keeper_job *j)
{
	return j->lease_ms != 0 && (uint64_t)mp_clock_boot_ms() >= j->lease_ms;
}

static int
job_spawn(struct keeper *k, struct mp_error *err)
{
	struct keeper_job *j = &k->job;
	const struct mp_keeper_spawn *s = &j->spawn.u.spawn;
	struct mp_spawn spawn = {.argv = s->argv,
		.env = s->env,
		.dir = s->dir,
		.uid = s->uid,
		.gid = s->gid,
		.in = k->null,
		.err = -1};
	int rc = MP_EIO;

	if (job_unleased(j))
		return mp_fail(err, rc, "its lease was over before it started");
	j->out.pipe = j->out.file = j->err.pipe = j->err.file = -1;
	spawn.out = mp_spool_open(&j->out, s->out, s->keep_max);
	if (spawn.out >= 0)
		spawn.err = mp_spool_open(&j->err, s->err, s->keep_max);
	if (spawn.err < 0)
		rc = mp_fail(err, mp_sys_error(errno), "cannot start: %s", strerror(errno));
	else if ((rc = job_mask(j)) != 0)
		(void)mp_fail(err, rc, "cannot mask its secrets: %s", mp_strerror(rc));
	else
		rc = mp_spawn(&spawn, &j->leader, err);
	if (spawn.out >= 0)
		(void)close(spawn.out);
	if (spawn.err >= 0)
		(void)close(spawn.err);
	if (rc != 0) {
		mp_spool_close(&j->out);
		mp_spool_close(&j->err);
		job_unmask(j);
	}
	return rc;
}

static void
job_start(struct keeper *k, struct mp_keeper_msg *spawn)
{
	struct mp_keeper_msg m = {.kind = MP_KEEPER_STARTED, .id = spawn->id};
	struct mp_error err;
	struct keeper_job *j = &k->job;
	int64_t now_us = mp_clock_us();

	*j = (struct keeper_job){.spawn = *spawn,
		.started_us = now_us,
		.lease_ms = spawn->u.spawn.lease_ms,
		.timeout_us = KEEPER_NEVER,
		.kill_us = KEEPER_NEVER,
		.sweep_us = KEEPER_NEVER,
		.give_up_us = KEEPER_NEVER};
	j->end.started_ms = mp_clock_wall_ms();
	if (job_spawn(k, &err) != 0) {
		job_failed(k, &err);
		return;
	}
	if (spawn->u.spawn.timeout_ms > 0)
		j->timeout_us = keeper_after(now_us, spawn->u.spawn.timeout_ms);
	m.u.started.pid = j->leader;
	keeper_say(k, &m);
	k->flush_us = now_us + KEEPER_JOIN_US;
}

static void
job_count(struct keeper_job *j, const struct rusage *ru)
{
	j->end.user_us += (uint64_t)ru->ru_utime.tv_sec * 1000000u + (uint64_t)ru->ru_utime.tv_usec;
	j->end.sys_us += (uint64_t)ru->ru_stime.tv_sec * 1000000u + (uint64_t)ru->ru_stime.tv_usec;
	if ((uint64_t)ru->ru_maxrss > j->end.rss_max_kib)
		j->end.rss_max_kib = (uint64_t)ru->ru_maxrss;
}

static void
job_leader_ended(struct keeper_job *j, int status)
{
	int64_t now_us = mp_clock_us();

	j->leader = 0;
	j->end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	j->end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	j->end.ended_ms = mp_clock_wall_ms();
	j->end.wall_us = (uint64_t)(now_us - j->started_us);
	j->timeout_us = KEEPER_NEVER;
	/* What it left behind goes at once, unless it has a grace that is not over. */
	j->sweep_us = j->kill_us == KEEPER_NEVER ? now_us : j->kill_us;
}

/* Whatever lies below us is ours to reap: children, and orphans of theirs. */
static void
keeper_reap(struct keeper *k)
{
	struct rusage ru;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
		if (!keeper_busy(k))
			continue;
		job_count(&k->job, &ru);
		if (pid == k->job.leader)
			job_leader_ended(&k->job, status);
	}
	k->job.gone = pid < 0 && errno == ECHILD;
}

static void
job_sweep(struct keeper *k, int64_t now_us)
{
	struct keeper_job *j = &k->job;
	size_t n = mp_tree_kill(getpid(), NULL, NULL);

	if (j->leader == 0 && n > j->end.strays && j->kill_us == KEEPER_NEVER)
		j->end.strays = (uint32_t)n;
	j->end.left = (uint32_t)n;
	if (j->give_up_us == KEEPER_NEVER)
		j->give_up_us = now_us + KEEPER_GIVE_UP_US;
	j->sweep_us = now_us + KEEPER_SWEEP_US;
}

static void
job_end(struct keeper *k)
{
	struct keeper_job *j = &k->job;
	struct mp_keeper_msg m = {.kind = MP_KEEPER_EXITED, .id = j->spawn.id};

	mp_spool_close(&j->out);
	mp_spool_close(&j->err);
	job_unmask(j);
	j->end.out_size = j->out.size;
	j->end.out_cut = j->out.cut;
	j->end.out_lost = j->out.lost;
	j->end.err_size = j->err.size;
	j->end.err_cut = j->err.cut;
	j->end.err_lost = j->err.lost;
	if (j->gone)
		j->end.left = 0;
	m.u.exited = j->end;
	keeper_say(k, &m);
	keeper_flush(k);
	if (!j->gone)
		k->ending = true; /* the next job must not meet what is left of this one */
	mp_keeper_msg_fini(&j->spawn);
}

/* Nobody answers for it any more, and soon somebody may ask for it to run elsewhere. */
static void
job_unlease(struct keeper *k, int64_t now_us)
{
	struct keeper_job *j = &k->job;
	uint64_t grace_ms = j->spawn.u.spawn.grace_ms;
	int64_t kill_us;

	grace_ms = grace_ms < MP_ONCE_KILL_MS ? grace_ms : MP_ONCE_KILL_MS;
	kill_us = keeper_after(now_us, grace_ms);
	j->lease_ms = 0;
	j->end.unleased = j->kill_us == KEEPER_NEVER;
	job_term(k, now_us, grace_ms);
	if (j->kill_us > kill_us)
		j->kill_us = kill_us;
}

static void
job_timers(struct keeper *k)
{
	struct keeper_job *j = &k->job;
	int64_t now_us = mp_clock_us();

	if (now_us >= j->timeout_us) {
		j->timeout_us = KEEPER_NEVER;
		j->end.timed_out = j->kill_us == KEEPER_NEVER;
		job_term(k, now_us, j->spawn.u.spawn.grace_ms);
	}
	if (j->leader != 0 && job_unleased(j))
		job_unlease(k, now_us);
	if (j->kill_us != KEEPER_NEVER && j->sweep_us == KEEPER_NEVER && now_us >= j->kill_us)
		j->sweep_us = now_us;
	if (now_us >= j->sweep_us && !j->gone) {
		job_sweep(k, now_us);
		keeper_reap(k);
	}
	if (j->leader == 0 && (j->gone || now_us >= j->give_up_us))
		job_end(k);
}

/* ---- messages ---- */

static void
keeper_kill(struct keeper *k, uint64_t id)
{
	if (!keeper_busy(k) || k->job.spawn.id != id || k->job.leader == 0)
		return; /* it ended meanwhile */
	if (k->job.kill_us == KEEPER_NEVER)
		k->job.end.killed = true;
	job_term(k, mp_clock_us(), k->job.spawn.u.spawn.grace_ms);
}

static void
keeper_lease(struct keeper *k, const struct mp_keeper_msg *m)
{
	struct keeper_job *j = &k->job;

	if (keeper_busy(k) && j->spawn.id == m->id && j->lease_ms != 0 &&
		m->u.lease.until_ms > j->lease_ms)
		j->lease_ms = m->u.lease.until_ms;
}

static void
keeper_take(struct keeper *k, struct mp_keeper_msg *m)
{
	switch (m->kind) {
	case MP_KEEPER_SPAWN:
		if (!keeper_busy(k)) {
			job_start(k, m);
			return; /* the job owns it */
		}
		break;
	case MP_KEEPER_KILL:
		keeper_kill(k, m->id);
		return;
	case MP_KEEPER_LEASE:
		keeper_lease(k, m);
		return;
	case MP_KEEPER_STARTED:
	case MP_KEEPER_EXITED:
	case MP_KEEPER_FAILED:
		break;
	}
	mp_keeper_msg_fini(m);
	k->ending = true;
}

static void
keeper_receive(struct keeper *k)
{
	struct mp_keeper_msg m;
	size_t used;
	ssize_t n;
	int rc;

	if (mp_buf_reserve(&k->in, 16384) != 0) {
		k->ending = true;
		return;
	}
	n = recv(k->sock, k->in.p + k->in.n, k->in.cap - k->in.n, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		k->ending = true;
	if (n <= 0)
		return;
	k->in.n += (size_t)n;
	while (!k->ending &&
		(rc = mp_keeper_msg_decode(mp_buf_span(&k->in), &m, &used)) != MP_ETRUNC) {
		if (rc != 0) {
			k->ending = true;
			return;
		}
		mp_buf_consume(&k->in, used);
		keeper_take(k, &m);
	}
}

/* ---- the loop ---- */

static int
keeper_timeout_ms(const struct keeper *k)
{
	const struct keeper_job *j = &k->job;
	int64_t due = k->flush_us, left;

	if (keeper_busy(k)) {
		due = j->timeout_us < due ? j->timeout_us : due;
		due = j->sweep_us < due ? j->sweep_us : due;
		if (j->lease_ms != 0 && due > mp_clock_us() + KEEPER_LEASE_LOOK_US)
			due = mp_clock_us() + KEEPER_LEASE_LOOK_US;
		if (j->sweep_us == KEEPER_NEVER)
			due = j->kill_us < due ? j->kill_us : due;
	}
	if (due == KEEPER_NEVER)
		return -1;
	left = due - mp_clock_us();
	if (left <= 0)
		return 0;
	return left > 3600 * 1000000ll ? 3600 * 1000 : (int)((left + 999) / 1000);
}

static void
keeper_signals(struct keeper *k)
{
	struct signalfd_siginfo info[8];
	ssize_t n = read(k->signals, info, sizeof(info));
	size_t i;

	for (i = 0; n > 0 && i < (size_t)n / sizeof(info[0]); i++)
		if (info[i].ssi_signo == SIGTERM)
			k->ending = true;
}

static void
keeper_step(struct keeper *k)
{
	struct pollfd p[4] = {{.fd = k->sock, .events = POLLIN},
		{.fd = k->signals, .events = POLLIN},
		{.fd = keeper_busy(k) ? k->job.out.pipe : -1, .events = POLLIN},
		{.fd = keeper_busy(k) ? k->job.err.pipe : -1, .events = POLLIN}};

	if (poll(p, mp_countof(p), keeper_timeout_ms(k)) < 0)
		return;
	if (p[0].revents != 0)
		keeper_receive(k);
	if (p[2].revents != 0)
		mp_spool_read(&k->job.out);
	if (p[3].revents != 0)
		mp_spool_read(&k->job.err);
	if (p[1].revents != 0) {
		keeper_signals(k);
		keeper_reap(k);
	}
	if (keeper_busy(k))
		job_timers(k);
	if (k->flush_us != KEEPER_NEVER && mp_clock_us() >= k->flush_us)
		keeper_flush(k);
}

/* Nobody is left to report to: everything below dies, however long it takes. */
static MP_NORETURN void
keeper_die(struct keeper *k)
{
	struct pollfd p = {.fd = k->signals, .events = POLLIN};

	(void)close(k->sock);
	for (;;) {
		(void)mp_tree_kill(getpid(), NULL, NULL);
		keeper_reap(k);
		if (k->job.gone)
			_exit(0);
		(void)poll(&p, 1, 20);
		keeper_signals(k);
	}
}

void
mp_keeper_main(int sock)
{
	struct keeper k = {.sock = sock, .flush_us = KEEPER_NEVER};
	sigset_t set;

	(void)prctl(PR_SET_NAME, "mp-keeper", 0L, 0L, 0L);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0L, 0L, 0L);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	k.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (k.signals < 0 || k.null < 0)
		_exit(1);
	mp_buf_init(&k.in, &mp_heap, 2 * MP_KEEPER_FRAME_MAX);
	mp_buf_init(&k.out, &mp_heap, 2 * MP_KEEPER_FRAME_MAX);
	while (!k.ending)
		keeper_step(&k);
	keeper_die(&k);
}
