/* SPDX-License-Identifier: Apache-2.0 */
/* The cache under several threads, and in a process that is killed. */
#include "unit/cache_fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <uv.h>

#include "crypto/hasher.h"

struct worker {
	struct mp_cache *cache;
	const uint8_t *big;
	unsigned seed;
	int rc;
};

static int
worker_round(struct worker *w, unsigned i)
{
	char text[64];
	struct mp_blob_ref ref;
	uint8_t *q;
	size_t n;
	int rc, len;

	len = snprintf(text, sizeof(text), "blob %u", (i * 31 + w->seed * 17) % 200);
	rc = mp_cache_put_bytes(w->cache, mp_span(text, (size_t)len), &ref, NULL);
	if (rc != 0)
		return rc;
	rc = mp_cache_get_bytes(w->cache, &ref.digest, 100, &q, &n, NULL);
	if (rc != 0)
		return rc;
	rc = n == (size_t)len && memcmp(q, text, n) == 0 ? 0 : MP_EBUG;
	free(q);
	return rc;
}

static void
worker_main(void *arg)
{
	struct worker *w = arg;
	struct mp_blob_ref ref;
	unsigned i;

	for (i = 0; w->rc == 0 && i < 300; i++) {
		w->rc = worker_round(w, i);
		if (w->rc == 0 && i % 100 == 7)
			w->rc = mp_cache_put_bytes(
				w->cache, mp_span(w->big, CHUNK * 6), &ref, NULL);
		if (w->rc == 0 && i % 100 == 50)
			w->rc = mp_cache_sync(w->cache, NULL);
	}
}

static void
test_threads(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *big = make_bytes(CHUNK * 6, 90, false);
	struct mp_cache_totals t;
	struct worker w[4];
	uv_thread_t thread[4];
	unsigned i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct worker){.cache = f->cache, .big = big, .seed = i};
		assert_int_equal(uv_thread_create(&thread[i], worker_main, &w[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		assert_int_equal(uv_thread_join(&thread[i]), 0);
		assert_int_equal(w[i].rc, 0);
	}
	assert_int_equal(mp_cache_totals(f->cache, &t, NULL), 0);
	assert_int_equal(t.blobs, 201);
	free(big);
}

static void
pieces_main(void *arg)
{
	struct worker *w = arg;
	struct mp_hash digest;
	bool complete = false;
	size_t i, n;

	mp_hasher_once(&digest, mp_span(w->big, CHUNK * 6));
	for (i = 0; w->rc == 0 && i < 6; i++) {
		n = (i + w->seed) % 6;
		w->rc = mp_cache_write_chunk(w->cache, &digest, CHUNK * 6, n * CHUNK,
			mp_span(w->big + n * CHUNK, CHUNK), &complete, NULL);
	}
}

static void
test_threads_with_pieces(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *big = make_bytes(CHUNK * 6, 91, false);
	struct mp_hash digest;
	struct worker w[4];
	uv_thread_t thread[4];
	unsigned i, round;

	mp_hasher_once(&digest, mp_span(big, CHUNK * 6));
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 4; i++) {
			w[i] = (struct worker){.cache = f->cache, .big = big, .seed = i};
			assert_int_equal(uv_thread_create(&thread[i], pieces_main, &w[i]), 0);
		}
		for (i = 0; i < 4; i++) {
			assert_int_equal(uv_thread_join(&thread[i]), 0);
			assert_int_equal(w[i].rc, 0);
		}
		expect_bytes(f, &digest, big, CHUNK * 6);
		assert_int_equal(mp_cache_remove(f->cache, &digest, NULL), 0);
	}
	free(big);
}

struct scribbler {
	int fd;
	atomic_bool stop;
	atomic_uint rounds;
};

static void
scribbler_main(void *arg)
{
	struct scribbler *s = arg;

	while (!atomic_load(&s->stop)) {
		unsigned n = atomic_fetch_add(&s->rounds, 1);

		(void)!pwrite(s->fd, &n, sizeof(n), CHUNK);
	}
}

/* Whatever is read of it, once or twice: no blob is what its digest does not say, and nothing is
 * left of what was refused. */
static void
test_a_file_that_changes(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *big = make_bytes(CHUNK * 6, 92, false);
	const char *path = scratch_path(&f->scratch, "file");
	struct scribbler s = {.fd = -1};
	unsigned i, before, refused = 0;
	struct mp_blob_ref ref;
	uv_thread_t thread;
	uint8_t *got;
	size_t got_n;
	int rc;

	scratch_write(path, big, CHUNK * 6);
	s.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(uv_thread_create(&thread, scribbler_main, &s), 0);
	for (i = 0; i < 1000 && refused < 5; i++) {
		before = atomic_load(&s.rounds);
		rc = mp_cache_put_file(f->cache, s.fd, &ref, NULL);
		refused += rc != 0;
		assert_true(rc == 0 || rc == MP_EIO);
		if (rc == 0) {
			assert_int_equal(mp_cache_get_bytes(f->cache, &ref.digest, CHUNK * 6, &got,
						 &got_n, NULL),
				0);
			free(got);
		}
		while (atomic_load(&s.rounds) == before) /* let it scribble */
			(void)sched_yield();
	}
	atomic_store(&s.stop, true);
	assert_int_equal(uv_thread_join(&thread), 0);
	(void)close(s.fd);
	assert_int_equal(refused, 5);
	assert_int_equal(count_hidden(f), 0);
	free(big);
}

static void
test_killed_process_keeps_what_it_synced(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_hash digest;
	unsigned i, told = 0;
	char text[32];
	int fds[2], status;
	pid_t pid;

	mp_cache_close(f->cache);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		must_open(f);
		for (i = 0;; i++) {
			(void)snprintf(text, sizeof(text), "blob %u", i);
			(void)put(f, text, strlen(text));
			if (mp_cache_sync(f->cache, NULL) != 0 ||
				write(fds[1], &i, sizeof(i)) != sizeof(i))
				_exit(1);
		}
	}
	(void)close(fds[1]);
	while (told < 100)
		assert_int_equal(read(fds[0], &told, sizeof(told)), sizeof(told));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (read(fds[0], &told, sizeof(told)) == sizeof(told))
		continue;
	(void)close(fds[0]);
	must_open(f);
	for (i = 0; i <= told; i++) {
		(void)snprintf(text, sizeof(text), "blob %u", i);
		mp_hasher_once(&digest, mp_span_str(text));
		expect_bytes(f, &digest, text, strlen(text));
	}
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_threads),
		T(test_threads_with_pieces),
		T(test_a_file_that_changes),
		T(test_killed_process_keeps_what_it_synced),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
