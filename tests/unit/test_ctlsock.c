/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "codec/msg_ctl.h"
#include "crypto/hasher.h"
#include "crypto/key.h"
#include "ctl/client.h"
#include "mp/member.h"
#include "shell/ctlsock.h"
#include "shell/heap.h"

/* A user and a group that nobody has. */
#define STRANGER 65533
#define CONTROL  65532

/* The node's side, on the loop of the test's own thread. */
struct server {
	struct scratch dir;
	char path[512]; /* of the socket */
	char log[512];
	uv_loop_t loop;
	uv_async_t over;
	uv_timer_t later;
	struct mp_ctl_local own; /* what is to be answered then */
	uint64_t own_request;
	struct mp_cache *cache;
	struct mp_ctlsock *sock;
	uint64_t waiting; /* a WAIT that is never answered */
	int requests;
	int gone;
	bool closed;
	int answers; /* to guests, the last one to `answered` */
	uint64_t answered;
	size_t big; /* RUNS is answered with so many bytes */
	bool flood; /* WAIT is, by pieces of so many, until it has gone; */
	int pieces; /* so many it took */
};

/* The client's side, in a thread: 0 or the line that failed. */
struct script {
	struct server *server;
	int (*run)(struct server *s);
	int line;
};

#define CHECK(e)                                                                                   \
	do {                                                                                       \
		if (!(e))                                                                          \
			return __LINE__;                                                           \
	} while (0)

static void
flood(struct server *s, uint64_t request)
{
	uint8_t *zeros = calloc(1, s->big);
	int gone = s->gone;

	for (s->pieces = 0; s->gone == gone; s->pieces++) {
		assert_true((size_t)s->pieces * s->big <= MP_CTLSOCK_QUEUE_MAX);
		mp_ctlsock_reply(s->sock, request, mp_span(zeros, s->big), false);
	}
	free(zeros);
}

static void
on_request(void *ctx, uint64_t request, struct mp_span bytes)
{
	struct server *s = ctx;
	struct mp_ctl_request r;
	struct mp_buf buf, payload;
	struct mp_cbor_w w;

	s->requests++;
	if (mp_ctl_request_decode(bytes, &r) == 0 && r.number == MP_CTL_WAIT) {
		s->waiting = request;
		if (s->flood)
			flood(s, request);
		return;
	}
	mp_buf_init(&buf, &mp_heap, 2 * MP_MSG_MAX);
	mp_buf_init(&payload, &mp_heap, 2 * MP_MSG_MAX);
	if (r.number == MP_CTL_RUNS) {
		void *zeros = calloc(1, s->big + 1);

		mp_cbor_w_init(&w, &payload);
		mp_cbor_w_bytes(&w, zeros, s->big);
		free(zeros);
		(void)mp_ctl_ok_encode(&buf, mp_buf_span(&payload));
	} else {
		(void)mp_ctl_error_encode(&buf, MP_ENOENT, "no such run");
	}
	mp_ctlsock_reply(s->sock, request, mp_buf_span(&buf), true);
	mp_ctlsock_reply(s->sock, request, mp_buf_span(&buf), true); /* it is over */
	mp_buf_fini(&payload);
	mp_buf_fini(&buf);
}

static void
on_gone(void *ctx, uint64_t request)
{
	struct server *s = ctx;

	assert_int_equal(request, s->waiting);
	s->gone++;
	mp_ctlsock_reply(s->sock, request, mp_span("x", 1), true); /* nobody is there */
}

/* Answered later, as what needs a file is. */
static void
on_later(uv_timer_t *timer)
{
	struct server *s = timer->data;
	struct mp_error err = {0};
	struct mp_buf payload;
	struct mp_cbor_w w;
	int rc = 0;

	if (s->own.roles != MP_ROLE_NODE || s->own.expires_ms != 1000)
		rc = mp_fail(&err, MP_ENOENT, "the authority key is not on this node");
	mp_buf_init(&payload, &mp_heap, 64);
	mp_cbor_w_init(&w, &payload);
	mp_cbor_w_text_n(&w, "TOKEN", 5);
	mp_ctlsock_answer(s->sock, s->own_request, rc, mp_buf_span(&payload), &err);
	mp_ctlsock_answer(s->sock, s->own_request, MP_EIO, mp_span(NULL, 0), NULL); /* it is over */
	mp_buf_fini(&payload);
}

static void
on_own(void *ctx, uint64_t request, const struct mp_ctl_local *m)
{
	struct server *s = ctx;

	assert_int_equal(m->number, MP_CTL_INVITE);
	s->own = *m;
	s->own_request = request;
	assert_int_equal(uv_timer_start(&s->later, on_later, 0, 0), 0);
}

static void
on_info(void *ctx, struct mp_ctl_info *info)
{
	static const struct mp_ctl_counter counters[] = {{"junk", 7}};

	(void)ctx;
	memset(info->id.b, 9, sizeof(info->id.b));
	(void)snprintf(info->name, sizeof(info->name), "alpha");
	(void)snprintf(info->version, sizeof(info->version), "0.1");
	info->addr.port = 7117;
	info->counters = counters;
	info->counter_count = 1;
}

static void
on_guest_answer(void *ctx, uint64_t guest, struct mp_span bytes)
{
	struct server *s = ctx;

	assert_true(bytes.n > 0);
	s->answers++;
	s->answered = guest;
}

static void
on_closed(void *ctx)
{
	struct server *s = ctx;

	s->closed = true;
}

static void
on_over(uv_async_t *async)
{
	uv_stop(async->loop);
}

static void
server_listen(struct server *s, bool group)
{
	struct mp_ctlsock_config config = {.loop = &s->loop,
		.cache = s->cache,
		.path = s->path,
		.has_group = group,
		.group = CONTROL,
		.request = on_request,
		.closed = on_gone,
		.own = on_own,
		.guest_answer = on_guest_answer,
		.info = on_info,
		.ctx = s};
	struct mp_error err = {0};

	assert_int_equal(mp_ctlsock_open(&config, &s->sock, &err), 0);
}

static void
server_start(struct server *s)
{
	struct mp_error err = {0};

	*s = (struct server){.big = 10};
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(mp_key_init(), 0);
	scratch_make(&s->dir);
	(void)snprintf(s->path, sizeof(s->path), "%s/control.sock", s->dir.path);
	(void)snprintf(s->log, sizeof(s->log), "%s/log", s->dir.path);
	assert_int_equal(uv_loop_init(&s->loop), 0);
	assert_int_equal(uv_async_init(&s->loop, &s->over, on_over), 0);
	assert_int_equal(uv_timer_init(&s->loop, &s->later), 0);
	s->later.data = s;
	assert_int_equal(mp_cache_open(scratch_path(&s->dir, "cache.db"), &s->cache, &err), 0);
	server_listen(s, false);
}

static void
server_stop(struct server *s)
{
	struct stat st;

	if (s->sock != NULL) {
		mp_ctlsock_close(s->sock, on_closed, s);
		while (!s->closed)
			(void)uv_run(&s->loop, UV_RUN_ONCE);
		assert_int_not_equal(stat(s->path, &st), 0);
	}
	uv_close((uv_handle_t *)&s->over, NULL);
	uv_close((uv_handle_t *)&s->later, NULL);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	mp_cache_close(s->cache);
	scratch_remove(&s->dir);
}

static void *
script_main(void *arg)
{
	struct script *script = arg;

	script->line = script->run(script->server);
	(void)uv_async_send(&script->server->over);
	return NULL;
}

static void
play(struct server *s, int (*run)(struct server *s))
{
	struct script script = {.server = s, .run = run};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, script_main, &script), 0);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (script.line != 0)
		print_message("line %d\n", script.line);
	assert_int_equal(script.line, 0);
}

/* ---- requests of the core ---- */

static int
call(struct mp_client *c, enum mp_ctl_number number, const char *run, struct mp_span *payload,
	struct mp_error *err)
{
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &mp_heap, 4096);
	rc = mp_ctl_simple_encode(&buf, number, run);
	if (rc == 0)
		rc = mp_client_call(c, mp_buf_span(&buf), payload, err);
	mp_buf_fini(&buf);
	return rc;
}

static int
run_core(struct server *s)
{
	struct mp_error err = {0};
	struct mp_span payload;
	struct mp_client c;

	CHECK(mp_client_open(&c, &mp_heap, s->dir.path, &err) == 0);
	for (int i = 0; i < 50; i++) {
		CHECK(call(&c, MP_CTL_RUNS, NULL, &payload, &err) == 0);
		CHECK(payload.n == s->big + (s->big < 24 ? 1u : 5u));
	}
	CHECK(call(&c, MP_CTL_LEAVE, NULL, &payload, &err) == MP_ENOENT);
	CHECK(strcmp(err.text, "no such run") == 0);
	c.deadline_ms = mp_client_now_ms() + 50;
	CHECK(call(&c, MP_CTL_WAIT, "abcd", &payload, &err) == MP_ETIMEOUT);
	CHECK(call(&c, MP_CTL_RUNS, NULL, &payload, &err) == MP_ECLOSED);
	mp_client_close(&c);
	mp_client_close(&c);
	return 0;
}

static void
test_core(void **state)
{
	struct server s;
	struct stat st;

	(void)state;
	server_start(&s);
	assert_int_equal(stat(s.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	play(&s, run_core);
	while (s.gone == 0) /* its end may be seen after the thread's */
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	s.big = 5 * 1024 * 1024; /* more than a socket takes at once */
	play(&s, run_core);
	while (s.gone == 1)
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	assert_int_equal(s.requests, 2 * 52);
	server_stop(&s);
}

/* ---- requests that are answered here ---- */

static int
local(struct mp_client *c, const struct mp_ctl_local *m, const struct mp_hash *digests,
	struct mp_span *payload, struct mp_error *err)
{
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &mp_heap, MP_MSG_MAX);
	rc = mp_ctl_local_encode(&buf, m, digests);
	if (rc == 0)
		rc = mp_client_call(c, mp_buf_span(&buf), payload, err);
	mp_buf_fini(&buf);
	return rc;
}

static int
run_blobs(struct server *s)
{
	size_t n = MP_CHUNK_SIZE + 100;
	uint8_t *bytes = malloc(n);
	struct mp_ctl_local m = {.number = MP_CTL_BLOB_WRITE, .total = n};
	struct mp_hash digests[2] = {{{0}}};
	struct mp_error err = {0};
	struct mp_span payload, piece;
	struct mp_client c;
	struct mp_cbor_r r;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	mp_hasher_once(&digests[0], mp_span(bytes, n));
	m.digest = digests[0];
	CHECK(mp_client_open(&c, &mp_heap, s->dir.path, &err) == 0);
	m.bytes = mp_span(bytes, MP_CHUNK_SIZE);
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(payload.n == 1 && payload.p[0] == 0xf4);
	m.offset = MP_CHUNK_SIZE;
	m.bytes = mp_span(bytes + MP_CHUNK_SIZE, 100);
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(payload.n == 1 && payload.p[0] == 0xf5);

	m = (struct mp_ctl_local){.number = MP_CTL_BLOB_STAT, .digest_count = 2};
	CHECK(local(&c, &m, digests, &payload, &err) == 0);
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 2);
	CHECK(mp_cbor_r_uint(&r, UINT64_MAX) == n);
	mp_cbor_r_null(&r);
	CHECK(mp_cbor_r_end(&r) == 0);

	m = (struct mp_ctl_local){.number = MP_CTL_BLOB_READ, .digest = digests[0], .size = 50};
	m.offset = MP_CHUNK_SIZE - 20;
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 2);
	CHECK(mp_cbor_r_uint(&r, UINT64_MAX) == n);
	piece = mp_cbor_r_bytes(&r, 1000);
	CHECK(mp_cbor_r_end(&r) == 0 && piece.n == 50);
	CHECK(memcmp(piece.p, bytes + MP_CHUNK_SIZE - 20, 50) == 0);
	m.digest = digests[1];
	CHECK(local(&c, &m, NULL, &payload, &err) == MP_ENOENT);
	mp_client_close(&c);
	free(bytes);
	return 0;
}

static int
run_rest(struct server *s)
{
	struct mp_ctl_local m = {
		.number = MP_CTL_INVITE, .roles = MP_ROLE_NODE, .expires_ms = 1000};
	struct mp_cache_checked checked;
	struct mp_cache_totals totals;
	struct mp_cache_sound sound;
	struct mp_ctl_info info;
	struct mp_error err = {0};
	struct mp_span payload;
	struct mp_client c;

	CHECK(mp_client_open(&c, &mp_heap, s->dir.path, &err) == 0);
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(payload.n == 6 && memcmp(payload.p + 1, "TOKEN", 5) == 0);
	m.expires_ms = 2;
	CHECK(local(&c, &m, NULL, &payload, &err) == MP_ENOENT);
	CHECK(strstr(err.text, "authority") != NULL);
	m.roles = 0;
	CHECK(local(&c, &m, NULL, &payload, &err) == MP_EFORMAT);
	m.number = MP_CTL_CACHE_STAT;
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(mp_ctl_totals_decode(payload, &totals) == 0);
	CHECK(totals.blobs == 1 && totals.bytes == MP_CHUNK_SIZE + 100 && totals.results == 0);
	m.number = MP_CTL_CACHE_FILE;
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(mp_ctl_sound_decode(payload, &sound) == 0 && sound.wrong[0] == '\0');
	m.number = MP_CTL_CACHE_BLOBS;
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(mp_ctl_checked_decode(payload, &checked) == 0);
	CHECK(checked.blobs == 1 && checked.damaged_count == 0 && !checked.more);
	m.number = MP_CTL_INFO;
	CHECK(local(&c, &m, NULL, &payload, &err) == 0);
	CHECK(mp_ctl_info_decode(payload, &info) == 0);
	CHECK(strcmp(info.name, "alpha") == 0 && info.counter_count == 1);
	mp_client_close(&c);
	return 0;
}

static void
test_local(void **state)
{
	struct server s;

	(void)state;
	server_start(&s);
	play(&s, run_blobs);
	play(&s, run_rest);
	assert_int_equal(s.requests, 0);
	server_stop(&s);
}

/* ---- clients that do not behave ---- */

static int
raw_connect(struct server *s)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, s->path, mp_min_size(strlen(s->path), sizeof(un.sun_path) - 1));
	return connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 ? fd : -1;
}

/* What comes until the other side closes. */
static size_t
raw_rest(int fd, uint8_t *p, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, p + n, size - n)) > 0)
		n += (size_t)got;
	(void)close(fd);
	return n;
}

static int
run_rude(struct server *s)
{
	static const uint8_t junk[] = {0, 0, 0, 3, 1, 2, 3}, empty[] = {0, 0, 0, 0};
	static const uint8_t knock[] = {0, 0, 0, 3, 0x81, 0x18, MP_CTL_KNOCK};
	static const uint8_t huge[] = {1, 0, 0, 1}, answer[] = {0, 0, 0, 4, 0x82, 0x18, 200, 0xf6};
	static const struct {
		const uint8_t *p;
		size_t n;
	} bad[] = {{junk, sizeof(junk)}, {empty, sizeof(empty)}, {huge, sizeof(huge)},
		{answer, sizeof(answer)}, {knock, sizeof(knock)}};
	/* RUNS twice in one write, and half of a third one */
	static const uint8_t eager[] = {
		0, 0, 0, 3, 0x81, 0x18, 102, 0, 0, 0, 3, 0x81, 0x18, 102, 0, 0, 0, 3, 0x81};
	uint8_t buf[256];
	size_t n = 0;
	int fd;

	for (size_t i = 0; i < mp_countof(bad); i++) {
		fd = raw_connect(s);
		CHECK(fd >= 0);
		CHECK(write(fd, bad[i].p, bad[i].n) == (ssize_t)bad[i].n);
		CHECK(raw_rest(fd, buf, sizeof(buf)) > 8);
		CHECK(buf[4] == 0x83 && buf[6] == 201);
	}
	for (size_t i = 0; i < sizeof(eager); i++) { /* goes away in the middle */
		fd = raw_connect(s);
		CHECK(fd >= 0 && write(fd, eager, i) == (ssize_t)i);
		(void)close(fd);
	}
	fd = raw_connect(s);
	CHECK(write(fd, eager, sizeof(eager)) == (ssize_t)sizeof(eager));
	while (n < 2 * 18) { /* both answers, one after the other */
		ssize_t got = read(fd, buf + n, sizeof(buf) - n);

		CHECK(got > 0);
		n += (size_t)got;
	}
	CHECK(n == 2 * 18 && memcmp(buf, buf + 18, 18) == 0);
	(void)close(fd);
	return 0;
}

static int
run_crowd(struct server *s)
{
	int fds[MP_CTLSOCK_CLIENTS_MAX + 1];
	uint8_t buf[256];

	for (size_t i = 0; i < mp_countof(fds); i++) {
		fds[i] = raw_connect(s);
		CHECK(fds[i] >= 0);
	}
	CHECK(raw_rest(fds[MP_CTLSOCK_CLIENTS_MAX], buf, sizeof(buf)) > 8);
	CHECK(buf[6] == 201);
	for (size_t i = 0; i < MP_CTLSOCK_CLIENTS_MAX; i++)
		(void)close(fds[i]);
	return 0;
}

/* Asks, and takes nothing of what it is told. */
static int
run_deaf(struct server *s)
{
	static const uint8_t wait[] = {
		0, 0, 0, 8, 0x82, 0x18, MP_CTL_WAIT, 0x64, 'a', 'b', 'c', 'd'};
	uint8_t byte;
	int fd = raw_connect(s);

	CHECK(fd >= 0 && write(fd, wait, sizeof(wait)) == (ssize_t)sizeof(wait));
	while (read(fd, &byte, 1) == 1)
		(void)shutdown(fd, SHUT_WR); /* what was sent before it was cut off */
	(void)close(fd);
	return 0;
}

static void
test_deaf(void **state)
{
	struct server s;

	(void)state;
	server_start(&s);
	s.big = MP_MSG_MAX / 4;
	s.flood = true;
	play(&s, run_deaf);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.pieces, MP_CTLSOCK_QUEUE_MAX / (MP_MSG_MAX / 4));
	s.flood = false;
	s.big = 10;
	play(&s, run_rude);
	server_stop(&s);
}

static void
test_rude(void **state)
{
	struct server s;

	(void)state;
	server_start(&s);
	play(&s, run_rude);
	play(&s, run_crowd);
	play(&s, run_blobs); /* and it still works */
	server_stop(&s);
}

/* ---- without memory ---- */

static atomic_int callocs; /* that are to fail */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *
__wrap_calloc(size_t count, size_t size)
{
	int left = atomic_load(&callocs);

	if (left > 0) {
		atomic_store(&callocs, left - 1);
		return NULL;
	}
	return __real_calloc(count, size);
}

static int
run_unaccepted(struct server *s)
{
	static const uint8_t ask[] = {0, 0, 0, 3, 0x81, 0x18, MP_CTL_RUNS};
	uint8_t buf[8];
	int fds[3];

	atomic_store(&callocs, 2);
	for (size_t i = 0; i < mp_countof(fds); i++) {
		fds[i] = raw_connect(s);
		CHECK(fds[i] >= 0);
		CHECK(write(fds[i], ask, sizeof(ask)) == (ssize_t)sizeof(ask));
	}
	for (size_t i = 0; i < mp_countof(fds); i++) {
		CHECK(read(fds[i], buf, sizeof(buf)) == (ssize_t)sizeof(buf));
		CHECK(buf[6] == MP_CTL_OK);
		(void)close(fds[i]);
	}
	CHECK(atomic_load(&callocs) == 0);
	return 0;
}

/* Who comes while there is no memory is served when there is some again, and so are all after. */
static void
test_unaccepted(void **state)
{
	struct server s;

	(void)state;
	server_start(&s);
	play(&s, run_unaccepted);
	play(&s, run_core);
	server_stop(&s);
}

/* ---- who may ---- */

/* What the socket says to a process of that user and group: the number of its answer, 0 for none.
 */
static int
answer_to(struct server *s, uid_t uid, gid_t group, const gid_t *more, size_t count)
{
	static const uint8_t ask[] = {0, 0, 0, 3, 0x81, 0x18, MP_CTL_RUNS};
	uint8_t buf[256] = {0};
	int fd, status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(count, more) != 0 || setresgid(group, group, group) != 0 ||
			setresuid(uid, uid, uid) != 0)
			_exit(1);
		fd = raw_connect(s);
		if (fd < 0)
			_exit(0);
		(void)!write(fd, ask, sizeof(ask)); /* it may be refused before it asks */
		if (read(fd, buf, sizeof(buf)) < 8)
			_exit(0);
		_exit(buf[6]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The socket's mode keeps strangers away, and if it does not, the credentials do. */
static int
run_strangers(struct server *s)
{
	static const gid_t others[] = {1, 2, 3}, control[] = {1, CONTROL, 3};
	struct stat st;

	CHECK(stat(s->path, &st) == 0 && (st.st_mode & 07777) == 0660 && st.st_gid == CONTROL);
	CHECK(answer_to(s, STRANGER, STRANGER, others, 3) == 0);
	CHECK(answer_to(s, STRANGER, STRANGER, control, 3) == MP_CTL_OK);
	CHECK(chmod(s->path, 0666) == 0);
	CHECK(answer_to(s, STRANGER, STRANGER, NULL, 0) == MP_CTL_ERROR);
	CHECK(answer_to(s, STRANGER, STRANGER, others, 3) == MP_CTL_ERROR);
	CHECK(answer_to(s, STRANGER, STRANGER, control, 3) == MP_CTL_OK);
	CHECK(answer_to(s, STRANGER, CONTROL, NULL, 0) == MP_CTL_OK);
	CHECK(answer_to(s, 0, 0, NULL, 0) == MP_CTL_OK);
	return 0;
}

static void
test_strangers(void **state)
{
	struct server s;

	(void)state;
	if (geteuid() != 0)
		skip();
	server_start(&s);
	s.closed = false;
	mp_ctlsock_close(s.sock, on_closed, &s);
	while (!s.closed)
		(void)uv_run(&s.loop, UV_RUN_ONCE);
	s.closed = false;
	server_listen(&s, true);
	assert_int_equal(chmod(s.dir.path, 0711), 0);
	play(&s, run_strangers);
	server_stop(&s);
}

/* ---- requests of guests ---- */

static void
test_guests(void **state)
{
	static const uint8_t runs[] = {0x81, 0x18, MP_CTL_RUNS};
	struct mp_buf wait;
	struct server s;

	(void)state;
	server_start(&s);
	mp_buf_init(&wait, &mp_heap, 64);
	assert_int_equal(mp_ctl_simple_encode(&wait, MP_CTL_WAIT, "abcd"), 0);
	assert_int_equal(mp_ctlsock_guest_ask(s.sock, 7, mp_buf_span(&wait)), 0);
	assert_int_equal(s.requests, 1);
	/* One at a time; another guest does not wait for it. */
	assert_int_equal(mp_ctlsock_guest_ask(s.sock, 7, mp_span(runs, 3)), MP_EBUSY);
	assert_int_equal(s.requests, 1);
	assert_int_equal(mp_ctlsock_guest_ask(s.sock, 8, mp_span(runs, 3)), 0);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.answered, 8);
	mp_ctlsock_guest_gone(s.sock, 7);
	assert_int_equal(s.gone, 1);
	mp_ctlsock_guest_gone(s.sock, 7);
	mp_ctlsock_guest_gone(s.sock, 8); /* its request is over */
	assert_int_equal(s.gone, 1);
	assert_int_equal(mp_ctlsock_guest_ask(s.sock, 7, mp_span(runs, 3)), 0);
	assert_int_equal(s.answers, 2);
	assert_int_equal(mp_ctlsock_guest_ask(s.sock, 7, mp_buf_span(&wait)), 0);
	mp_buf_fini(&wait);
	server_stop(&s);
	assert_int_equal(s.gone, 1); /* nobody is told while all of it ends */
}

/* ---- the socket ---- */

static void
test_path(void **state)
{
	struct mp_ctlsock_config config = {.request = on_request, .closed = on_gone};
	struct mp_error err = {0};
	struct mp_ctlsock *sock;
	struct mp_client c;
	struct server s;
	char dir[512], path[600];

	(void)state;
	server_start(&s);
	assert_int_equal(mp_client_open(&c, &mp_heap, "/nonexistent", &err), MP_EREFUSED);
	config.loop = &s.loop;
	config.path = s.log;
	scratch_write(s.log, "x", 1);
	assert_int_equal(mp_ctlsock_open(&config, &sock, &err), MP_EBUSY);
	config.path = "/nonexistent/sock";
	assert_int_equal(mp_ctlsock_open(&config, &sock, &err), MP_EIO);

	/* a path longer than an address, over what a killed node left behind */
	(void)snprintf(dir, sizeof(dir), "%s/%0*d", s.dir.path, 200, 0);
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	config.path = path;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mp_ctlsock_open(&config, &sock, &err), 0);
		assert_int_equal(mp_client_open(&c, &mp_heap, dir, &err), 0);
		mp_client_close(&c);
		s.closed = false;
		mp_ctlsock_close(sock, on_closed, &s);
		while (!s.closed)
			(void)uv_run(&s.loop, UV_RUN_ONCE);
		assert_int_equal(mp_client_open(&c, &mp_heap, dir, &err), MP_EREFUSED);
	}
	s.closed = false;
	server_stop(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_rude),
		cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_unaccepted),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_guests),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
