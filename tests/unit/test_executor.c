/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "shell/executor.h"
#include "shell/executor_msg.h"
#include "shell/heap.h"
#include "util/clock.h"

/* Longer than anything here takes, even on a busy machine. */
#define PATIENCE_MS 60000

struct fixture {
	struct scratch scratch;
	struct mp_executor executor;
	int keeper;
	pid_t keeper_pid;
	struct mp_buf in;
	uint64_t id;
	bool lost; /* the executor was killed or stopped by the test */
};

static void
wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static void
get_keeper(struct fixture *f)
{
	int rc;

	assert_int_equal(mp_executor_ask(&f->executor), 0);
	while ((rc = mp_executor_recv(&f->executor, &f->keeper, &f->keeper_pid)) == MP_EBUSY)
		wait_readable(f->executor.fd);
	assert_int_equal(rc, 0);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mp_error err = {0};

	assert_non_null(f);
	scratch_make(&f->scratch);
	assert_int_equal(chdir(f->scratch.path), 0);
	mp_buf_init(&f->in, &mp_heap, 4u << 20);
	if (mp_executor_start(-1, &f->executor, &err) != 0)
		fail_msg("%s", err.text);
	get_keeper(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->keeper >= 0)
		(void)close(f->keeper);
	if (!f->lost)
		mp_executor_stop(&f->executor);
	mp_buf_fini(&f->in);
	assert_int_equal(chdir("/"), 0);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static void
send_msg(struct fixture *f, const struct mp_keeper_msg *m)
{
	struct mp_buf b;

	mp_buf_init(&b, &mp_heap, 4u << 20);
	assert_int_equal(mp_keeper_msg_encode(&b, m), 0);
	assert_int_equal(send(f->keeper, b.p, b.n, MSG_NOSIGNAL), (ssize_t)b.n);
	mp_buf_fini(&b);
}

/* False when the keeper closed its socket. */
static bool
receive(struct fixture *f, struct mp_keeper_msg *m)
{
	size_t used;
	ssize_t n;
	int rc;

	while ((rc = mp_keeper_msg_decode(mp_buf_span(&f->in), m, &used)) == MP_ETRUNC) {
		wait_readable(f->keeper);
		assert_int_equal(mp_buf_reserve(&f->in, 4096), 0);
		n = recv(f->keeper, f->in.p + f->in.n, 4096, 0);
		if (n <= 0)
			return false;
		f->in.n += (size_t)n;
	}
	assert_int_equal(rc, 0);
	mp_buf_consume(&f->in, used);
	assert_int_equal(m->id, f->id);
	return true;
}

/* What to run; the rest of a SPAWN has defaults. */
struct run {
	char *argv[8];
	uint64_t timeout_ms, grace_ms, keep_max;
	uint64_t lease_ms; /* from now; 0: needs none */
	const char *dir;
};

/* Folders of PATH that are relative do not count. */
static char *const test_env[] = {"PATH=.::/usr/local/bin:/usr/bin:/bin:.", "COLOUR=green", NULL};

static void
spawn(struct fixture *f, struct run *r)
{
	struct mp_keeper_msg m = {.kind = MP_KEEPER_SPAWN, .id = ++f->id};

	(void)unlink(scratch_path(&f->scratch, "out"));
	(void)unlink(scratch_path(&f->scratch, "err"));
	m.u.spawn = (struct mp_keeper_spawn){.dir = r->dir == NULL ? f->scratch.path : r->dir,
		.argv = r->argv,
		.env = (char **)(uintptr_t)test_env,
		.out = scratch_path(&f->scratch, "out"),
		.err = scratch_path(&f->scratch, "err"),
		.timeout_ms = r->timeout_ms,
		.grace_ms = r->grace_ms == 0 ? 5000 : r->grace_ms,
		.keep_max = r->keep_max == 0 ? 1u << 20 : r->keep_max,
		.lease_ms = r->lease_ms == 0 ? 0 : (uint64_t)mp_clock_boot_ms() + r->lease_ms};
	send_msg(f, &m);
}

static pid_t
started(struct fixture *f)
{
	struct mp_keeper_msg m;

	assert_true(receive(f, &m));
	if (m.kind == MP_KEEPER_FAILED)
		fail_msg("%s", m.u.failed.text);
	assert_int_equal(m.kind, MP_KEEPER_STARTED);
	return m.u.started.pid;
}

static struct mp_keeper_exited
exited(struct fixture *f)
{
	struct mp_keeper_msg m;

	assert_true(receive(f, &m));
	assert_int_equal(m.kind, MP_KEEPER_EXITED);
	return m.u.exited;
}

static struct mp_keeper_exited
run(struct fixture *f, struct run *r)
{
	spawn(f, r);
	(void)started(f);
	return exited(f);
}

static struct mp_keeper_exited
run_sh(struct fixture *f, const char *script)
{
	struct run r = {.argv = {"/bin/sh", "-c", (char *)(uintptr_t)script}};

	return run(f, &r);
}

static void
expect_failed(struct fixture *f, struct run *r, const char *text)
{
	struct mp_keeper_msg m;

	spawn(f, r);
	assert_true(receive(f, &m));
	assert_int_equal(m.kind, MP_KEEPER_FAILED);
	if (strstr(m.u.failed.text, text) == NULL)
		fail_msg("unclear: %s", m.u.failed.text);
}

static void
expect_file(struct fixture *f, const char *name, const char *text)
{
	char *got = scratch_read(scratch_path(&f->scratch, name), NULL);

	if (text == NULL) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

/* Waits for a file that another process writes whole by renaming it. */
static pid_t
wait_pid_file(struct fixture *f, const char *name)
{
	int64_t end = mp_clock_ms() + PATIENCE_MS;
	char *text;
	pid_t pid;

	while ((text = scratch_read(scratch_path(&f->scratch, name), NULL)) == NULL) {
		assert_true(mp_clock_ms() < end);
		(void)poll(NULL, 0, 2);
	}
	pid = (pid_t)strtol(text, NULL, 10);
	free(text);
	assert_true(pid > 1);
	return pid;
}

static bool
is_gone(pid_t pid)
{
	(void)waitpid(pid, NULL, WNOHANG);
	return kill(pid, 0) != 0 && errno == ESRCH;
}

static void
wait_gone(pid_t pid)
{
	int64_t end = mp_clock_ms() + PATIENCE_MS;

	while (!is_gone(pid)) {
		assert_true(mp_clock_ms() < end);
		(void)poll(NULL, 0, 2);
	}
}

/* ---- commands ---- */

static void
test_exit_codes_and_signals(void **state)
{
	struct fixture *f = *state;
	struct mp_keeper_exited e;

	e = run_sh(f, "exit 0");
	assert_int_equal(e.exit_code, 0);
	assert_int_equal(e.signal, 0);
	assert_true(e.wall_us > 0 && e.rss_max_kib > 0);
	assert_true(e.started_ms > 1600000000000 && e.ended_ms >= e.started_ms);
	e = run_sh(f, "exit 77");
	assert_int_equal(e.exit_code, 77);
	e = run_sh(f, "kill -SEGV $$");
	assert_int_equal(e.exit_code, -1);
	assert_int_equal(e.signal, SIGSEGV);
	assert_false(e.killed || e.timed_out);
	assert_int_equal(e.strays, 0);
}

static void
test_output_is_captured(void **state)
{
	struct fixture *f = *state;
	struct mp_keeper_exited e;

	e = run_sh(f, "echo hello; echo trouble >&2; printf bye");
	assert_int_equal(e.out_size, 9);
	assert_int_equal(e.err_size, 8);
	assert_false(e.out_cut || e.err_cut || e.out_lost || e.err_lost);
	expect_file(f, "out", "hello\nbye");
	expect_file(f, "err", "trouble\n");
	e = run_sh(f, ":");
	assert_int_equal(e.out_size, 0);
	expect_file(f, "out", NULL);
	expect_file(f, "err", NULL);
}

static void
test_output_is_readable_live(void **state)
{
	struct fixture *f = *state;
	int64_t end = mp_clock_ms() + PATIENCE_MS;
	struct run r = {.argv = {"/bin/sh", "-c", "echo first; mkfifo gate; read x < gate"}};
	char *text = NULL;
	int fd;

	spawn(f, &r);
	(void)started(f);
	while ((text = scratch_read(scratch_path(&f->scratch, "out"), NULL)) == NULL ||
		strcmp(text, "first\n") != 0) {
		assert_true(mp_clock_ms() < end);
		free(text);
	}
	free(text);
	while ((fd = open(scratch_path(&f->scratch, "gate"), O_WRONLY | O_NONBLOCK)) < 0)
		assert_true(mp_clock_ms() < end);
	assert_int_equal(write(fd, "x\n", 2), 2);
	(void)close(fd);
	assert_int_equal(exited(f).exit_code, 0);
}

static void
test_surroundings_are_clean(void **state)
{
	struct fixture *f = *state;
	char expected[512];

	(void)signal(SIGUSR1, SIG_IGN);
	assert_int_equal(run_sh(f, "env | grep -v '^_=' | grep -v '^PWD=' | sort").exit_code, 0);
	expect_file(f, "out", "COLOUR=green\nPATH=.::/usr/local/bin:/usr/bin:/bin:.\n");
	(void)run_sh(f, "ls -l /proc/self/fd | grep -c -- '->'; readlink /proc/self/fd/0; umask");
	expect_file(f, "out", "4\n/dev/null\n0022\n"); /* 3 is ls reading the folder */
	(void)run_sh(f, "grep -E '^Sig(Blk|Ign)' /proc/self/status");
	expect_file(f, "out", "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	(void)run_sh(f, "pwd -P");
	(void)snprintf(expected, sizeof(expected), "%s\n", f->scratch.path);
	expect_file(f, "out", expected);
	(void)run_sh(
		f, "set -- $(cut -d ' ' -f 6 /proc/$$/stat); test $1 = $$ && echo own session");
	expect_file(f, "out", "own session\n");
}

static bool
on_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

static void
test_what_cannot_start(void **state)
{
	struct fixture *f = *state;
	struct run none = {.argv = {"no-such-command"}};
	struct run empty = {.argv = {""}};
	struct run here = {.argv = {"./none.sh"}};
	struct run plain = {.argv = {"./plain"}};
	struct run nowhere = {.argv = {"true"}, .dir = "/no/such/folder"};
	struct run well = {.argv = {"true"}};
	struct run planted = {.argv = {"planted-command"}};

	scratch_write(scratch_path(&f->scratch, "planted-command"), "#!/bin/sh\n", 10);
	assert_int_equal(chmod(scratch_path(&f->scratch, "planted-command"), 0755), 0);
	expect_failed(f, &planted, "planted-command: command not found");
	expect_failed(f, &none, "no-such-command: command not found");
	expect_failed(f, &empty, "command not found");
	scratch_write(scratch_path(&f->scratch, "plain"), "x", 1);
	if (!on_valgrind()) { /* its vfork does not share memory */
		expect_failed(f, &here, "./none.sh: No such file");
		expect_failed(f, &plain, "./plain: Permission denied");
		expect_failed(f, &nowhere, "/no/such/folder: No such file");
	}
	assert_int_equal(run(f, &well).exit_code, 0);
}

static void
test_big_frames(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(100001);
	struct run r = {.argv = {"/bin/sh", "-c", "printf %s ${#1}", "sh", big}};

	memset(big, 'b', 100000);
	big[100000] = '\0';
	assert_int_equal(run(f, &r).exit_code, 0);
	expect_file(f, "out", "100000");
	free(big);
}

static void
test_times_are_those_of_the_tree(void **state)
{
	struct fixture *f = *state;
	struct mp_keeper_exited e;

	e = run_sh(f, "sh -c 'i=0; while test $i -lt 20000; do i=$((i+1)); done' & wait");
	assert_int_equal(e.exit_code, 0);
	assert_true(e.user_us + e.sys_us > 1000);
	assert_true(e.wall_us < PATIENCE_MS * 1000u);
}

/* ---- the end of a tree ---- */

static void
test_timeout(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"sleep", "1000"}, .timeout_ms = 50};
	struct mp_keeper_exited e = run(f, &r);

	assert_true(e.timed_out);
	assert_false(e.killed);
	assert_int_equal(e.signal, SIGTERM);
	assert_int_equal(e.exit_code, -1);
}

static void
test_kill_after_grace(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"/bin/sh", "-c",
				"trap '' TERM; echo ready; while :; do sleep 1; "
				"done"},
		.grace_ms = 50};
	struct mp_keeper_msg m = {.kind = MP_KEEPER_KILL};
	struct mp_keeper_exited e;

	spawn(f, &r);
	(void)started(f);
	m.id = f->id + 5;
	send_msg(f, &m); /* of another attempt: nothing */
	m.id = f->id;
	send_msg(f, &m);
	e = exited(f);
	assert_true(e.killed);
	assert_false(e.timed_out);
	assert_true(e.signal == SIGKILL || e.signal == SIGTERM);
	send_msg(f, &m); /* too late: nothing */
	assert_int_equal(run_sh(f, "exit 4").exit_code, 4);
}

/* A lease ends by itself; a longer one in time lets the command live. */
static void
test_lease(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"sleep", "60"}, .lease_ms = 300};
	struct mp_keeper_msg m = {.kind = MP_KEEPER_LEASE};
	struct mp_keeper_exited e = run(f, &r);
	int64_t began_ms;

	assert_true(e.unleased);
	assert_false(e.timed_out || e.killed);
	assert_int_equal(e.signal, SIGTERM);
	r = (struct run){.argv = {"sleep", "1"}, .lease_ms = 700};
	began_ms = mp_clock_ms();
	spawn(f, &r);
	m.id = f->id;
	m.u.lease.until_ms = (uint64_t)mp_clock_boot_ms() + PATIENCE_MS;
	send_msg(f, &m);
	(void)started(f);
	e = exited(f);
	/* Where the machine stood still for so long, the lease was over before it was renewed. */
	if (mp_clock_ms() - began_ms < 1600)
		assert_true(!e.unleased && e.exit_code == 0);
	r = (struct run){.argv = {"true"}, .lease_ms = (uint64_t)-1};
	expect_failed(f, &r, "lease");
}

/* A kill that comes late is for the command before. */
static void
test_kill_of_another(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"/bin/sh", "-c", "trap 'exit 9' TERM; read x <go"}};
	struct mp_keeper_msg m = {.kind = MP_KEEPER_KILL};
	struct mp_keeper_exited e;

	assert_int_equal(mkfifo(scratch_path(&f->scratch, "go"), 0600), 0);
	spawn(f, &r);
	(void)started(f);
	m.id = f->id - 1;
	send_msg(f, &m);
	scratch_write(scratch_path(&f->scratch, "go"), "x\n", 2);
	e = exited(f);
	assert_int_equal(e.exit_code, 0);
	assert_false(e.killed);
}

static void
test_grace_is_for_the_whole_tree(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"/bin/sh", "-c",
				"sh -c 'trap \"sleep 0.1; echo cleaned; exit\" TERM; echo $$ > p; "
				"mv p pid; "
				"while :; do sleep 0.01; done' & wait"},
		.grace_ms = PATIENCE_MS};
	struct mp_keeper_msg m = {.kind = MP_KEEPER_KILL};

	spawn(f, &r);
	(void)started(f);
	m.id = f->id;
	(void)wait_pid_file(f, "pid");
	send_msg(f, &m);
	assert_true(exited(f).killed);
	expect_file(f, "out", "cleaned\n");
}

static void
test_what_is_left_behind_is_killed(void **state)
{
	struct fixture *f = *state;
	struct mp_keeper_exited e;

	e = run_sh(f, "sleep 1000 & echo $! > pid; echo done");
	assert_int_equal(e.exit_code, 0);
	assert_int_equal(e.strays, 1);
	assert_int_equal(e.left, 0);
	expect_file(f, "out", "done\n");
	assert_true(is_gone(wait_pid_file(f, "pid")));
}

/* Forks twice, makes a session, ignores what can be ignored, keeps stdout open, forgets its
 * environment: then says who it is, and stays. */
static int
daemon_main(const char *dir)
{
	char path[512], tmp[512];
	FILE *file;
	int sig;

	if (fork() != 0)
		return 0;
	(void)setsid();
	if (fork() != 0)
		_exit(0);
	(void)setsid();
	for (sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_IGN);
	(void)clearenv();
	(void)chdir("/");
	(void)snprintf(tmp, sizeof(tmp), "%s/tmp", dir);
	(void)snprintf(path, sizeof(path), "%s/daemon", dir);
	file = fopen(tmp, "w");
	if (file == NULL)
		_exit(1);
	(void)fprintf(file, "%d\n", (int)getpid());
	(void)fclose(file);
	(void)rename(tmp, path);
	for (;;)
		(void)pause();
}

static void
test_daemons_die_too(void **state)
{
	struct fixture *f = *state;
	char script[1024];
	struct mp_keeper_exited e;

	(void)snprintf(script, sizeof(script),
		"exe=%s; $exe daemon %s; while ! test -f daemon; do sleep 0.01; done",
		getenv("TEST_EXE"), f->scratch.path);
	e = run_sh(f, script);
	assert_int_equal(e.exit_code, 0);
	assert_int_equal(e.strays, 1);
	assert_true(is_gone(wait_pid_file(f, "daemon")));
}

static void
test_what_forks_and_forks(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"/bin/sh", "-c",
				"f() { trap '' TERM; echo x > running; (setsid sleep 0.05; f) & "
				"exit 0; }; f & f & f & while :; do sleep 0.01; done"},
		.grace_ms = 1};
	struct mp_keeper_msg m = {.kind = MP_KEEPER_KILL};
	int64_t end = mp_clock_ms() + PATIENCE_MS;

	spawn(f, &r);
	(void)started(f);
	while (access(scratch_path(&f->scratch, "running"), F_OK) != 0)
		assert_true(mp_clock_ms() < end);
	m.id = f->id;
	send_msg(f, &m);
	assert_int_equal(exited(f).left, 0);
	assert_int_equal(run_sh(f, "exit 3").exit_code, 3);
}

/* ---- caps ---- */

static void
test_the_middle_of_much_output_is_cut(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"/bin/sh", "-c",
				"echo first; head -c 30000000 /dev/zero; echo last; echo e >&2"},
		.keep_max = 1u << 20};
	struct mp_keeper_exited e = run(f, &r);
	struct stat st;
	char buf[8];
	int fd;

	assert_int_equal(e.out_size, 30000000 + 6 + 5);
	assert_true(e.out_cut && !e.err_cut && !e.out_lost);
	fd = open(scratch_path(&f->scratch, "out"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	if ((uint64_t)st.st_size == e.out_size) { /* this file system has holes */
		assert_true(st.st_blocks * 512 < 2 << 20);
		assert_int_equal(pread(fd, buf, 5, (off_t)e.out_size - 5), 5);
		assert_memory_equal(buf, "last\n", 5);
	} else {
		assert_true(st.st_size < 2 << 20);
	}
	assert_int_equal(pread(fd, buf, 6, 0), 6);
	assert_memory_equal(buf, "first\n", 6);
	(void)close(fd);
}

static void
test_output_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct run r = {.argv = {"/bin/sh", "-c", "head -c 3000000 /dev/zero; echo e >&2; exit 5"},
		.keep_max = 16u << 20,
		.dir = "/"};
	struct mp_keeper_exited e;

	(void)close(f->keeper);
	mp_executor_stop(&f->executor);
	f->lost = true;
	f->keeper = -1;
	if (!scratch_shrink(&f->scratch, 1u << 20))
		skip();
	assert_int_equal(mp_executor_start(-1, &f->executor, NULL), 0);
	f->lost = false;
	get_keeper(f);
	e = run(f, &r);
	assert_int_equal(e.exit_code, 5);
	assert_int_equal(e.out_size, 3000000);
	assert_true(e.out_lost);
}

/* ---- processes that are killed ---- */

static void
spawn_daemon(struct fixture *f)
{
	struct run r = {.argv = {getenv("TEST_EXE"), "daemon", f->scratch.path}};
	struct run wait = {
		.argv = {"/bin/sh", "-c", "$1 daemon $2; sleep 1000", "sh", r.argv[0], r.argv[2]}};

	spawn(f, &wait);
}

/* Plays mpnode: an executor, a command with a daemon, then waits to be killed. */
static void
node_main(struct fixture *f, int lock, int fd)
{
	pid_t pids[3];

	(void)close(f->keeper);
	(void)close(f->executor.fd);
	if (mp_executor_start(lock, &f->executor, NULL) != 0)
		_exit(1);
	get_keeper(f);
	spawn_daemon(f);
	pids[0] = f->executor.pid;
	pids[1] = f->keeper_pid;
	pids[2] = started(f);
	(void)write(fd, pids, sizeof(pids));
	for (;;)
		(void)pause();
}

static void
test_killed_node_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	pid_t node, pids[3], daemon;
	int fds[2], lock, again;

	lock = open(scratch_path(&f->scratch, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(pipe(fds), 0);
	node = fork();
	assert_true(node >= 0);
	if (node == 0)
		node_main(f, lock, fds[1]);
	(void)close(lock);
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], pids, sizeof(pids)), sizeof(pids));
	daemon = wait_pid_file(f, "daemon");
	again = open(scratch_path(&f->scratch, "lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(again, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(kill(node, SIGKILL), 0);
	assert_int_equal(waitpid(node, NULL, 0), node);
	assert_int_equal(flock(again, LOCK_EX), 0); /* only when all of them are gone */
	assert_true(is_gone(daemon));
	assert_true(is_gone(pids[2]));
	wait_gone(pids[1]);
	wait_gone(pids[0]);
	(void)close(again);
	(void)close(fds[0]);
}

static void
test_killed_keeper_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct mp_keeper_msg m;
	pid_t leader, daemon;

	spawn_daemon(f);
	leader = started(f);
	daemon = wait_pid_file(f, "daemon");
	assert_int_equal(kill(f->keeper_pid, SIGKILL), 0);
	assert_false(receive(f, &m));
	wait_gone(leader);
	wait_gone(daemon);
	(void)close(f->keeper);
	get_keeper(f);
	assert_int_equal(run_sh(f, "exit 6").exit_code, 6);
}

static void
test_killed_executor_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	pid_t leader, daemon, pid;
	char byte;
	int fd;

	spawn_daemon(f);
	leader = started(f);
	daemon = wait_pid_file(f, "daemon");
	assert_int_equal(kill(f->executor.pid, SIGKILL), 0);
	wait_readable(f->executor.fd);
	assert_int_equal(recv(f->executor.fd, &byte, 1, 0), 0);
	assert_int_equal(mp_executor_ask(&f->executor), MP_ECLOSED);
	assert_int_equal(mp_executor_recv(&f->executor, &fd, &pid), MP_ECLOSED);
	mp_executor_lost(&f->executor);
	f->lost = true;
	assert_true(is_gone(leader));
	assert_true(is_gone(daemon));
	assert_true(is_gone(f->keeper_pid));
}

static void
test_closed_keeper_kills(void **state)
{
	struct fixture *f = *state;
	pid_t daemon;

	spawn_daemon(f);
	(void)started(f);
	daemon = wait_pid_file(f, "daemon");
	(void)close(f->keeper);
	f->keeper = -1;
	wait_gone(daemon);
	mp_executor_stop(&f->executor);
	f->lost = true;
	assert_true(is_gone(f->keeper_pid));
}

int
main(int argc, char **argv)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_exit_codes_and_signals),
		T(test_output_is_captured),
		T(test_output_is_readable_live),
		T(test_surroundings_are_clean),
		T(test_what_cannot_start),
		T(test_big_frames),
		T(test_times_are_those_of_the_tree),
		T(test_timeout),
		T(test_kill_after_grace),
		T(test_lease),
		T(test_kill_of_another),
		T(test_grace_is_for_the_whole_tree),
		T(test_what_is_left_behind_is_killed),
		T(test_daemons_die_too),
		T(test_what_forks_and_forks),
		T(test_the_middle_of_much_output_is_cut),
		T(test_output_on_a_full_disk),
		T(test_killed_node_leaves_nothing),
		T(test_killed_keeper_leaves_nothing),
		T(test_killed_executor_leaves_nothing),
		T(test_closed_keeper_kills),
	};
#undef T
	char exe[PATH_MAX];
	ssize_t n;

	if (argc == 3 && strcmp(argv[1], "daemon") == 0)
		return daemon_main(argv[2]);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		return 1;
	exe[n] = '\0';
	(void)setenv("TEST_EXE", exe, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
