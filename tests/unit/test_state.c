/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/scratch.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "crypto/key.h"
#include "shell/control.h"
#include "shell/heap.h"
#include "shell/state.h"
#include "shell/state_int.h"

#define HOUR_MS ((mp_time)3600 * 1000)

/* ---- crashes: in front of the system call number crash_at that changes the directory ---- */

static int crash_at, crash_calls;

/* Of a killed process no exit status is known, which whatever watches it might replace. */
static MP_NORETURN void
crash(void)
{
	for (;;)
		(void)kill(getpid(), SIGKILL);
}

static void
crash_here(void)
{
	if (crash_at > 0 && ++crash_calls == crash_at)
		crash();
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	crash_here();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int
link(const char *from, const char *to)
{
	crash_here();
	return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlinkat(int dir, const char *name, int flags)
{
	crash_here();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int
fsync(int fd)
{
	crash_here();
	return (int)syscall(SYS_fsync, fd);
}

/* ---- help ---- */

static struct scratch dir;
static struct mp_state st;
static const struct mp_span bare; /* that of the credential */
static struct mp_error err;

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(mp_key_init(), 0);
	scratch_make(&dir);
	err = (struct mp_error){0};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	scratch_remove(&dir);
	return 0;
}

static int
open_at(const char *leaf, const char *name)
{
	return mp_state_open(scratch_path(&dir, leaf), name, &st, &err);
}

/* A founder's directory, left open in st. */
static void
found_at(const char *leaf, const char *name)
{
	assert_int_equal(open_at(leaf, name), 0);
	assert_int_equal(mp_state_found(&st, &err), 0);
}

/* A token of the cluster that DIR/leaf founded, which is made when it is not there. */
static struct mp_buf
token_of(const char *leaf, mp_time ms)
{
	const char *seeds[2] = {"127.0.0.1:7117", "[::1]:7118"};
	struct mp_state by;
	struct mp_buf token;

	mp_buf_init(&token, &mp_heap, 65536);
	assert_int_equal(mp_state_open(scratch_path(&dir, leaf), NULL, &by, &err), 0);
	if (!by.has_credential)
		assert_int_equal(mp_state_found(&by, &err), 0);
	assert_int_equal(mp_state_invite(&by, bare, MP_ROLE_NODE, ms, seeds, 2, &token, &err), 0);
	mp_state_close(&by);
	return token;
}

static bool
there(const char *path)
{
	return access(scratch_path(&dir, path), F_OK) == 0;
}

static void
put(const char *path, const char *text)
{
	scratch_write(scratch_path(&dir, path), text, strlen(text));
}

/* Stores a row in DIR/leaf/control.db. */
static void
put_row(const char *leaf, enum mp_table table, struct mp_span key)
{
	char path[512];
	uv_loop_t loop;
	struct mp_control_config config = {.path = path, .loop = &loop};
	struct mp_row row = {
		.op = MP_ROW_PUT, .table = table, .key = key, .value = mp_span_str("x")};
	struct mp_control *control;

	(void)snprintf(path, sizeof(path), "%s/%s/control.db", dir.path, leaf);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(mp_control_open(&config, &control, &err), 0);
	assert_int_equal(mp_control_write(control, 1, &row, 1), 0);
	assert_int_equal(mp_control_close(control, NULL, NULL), 0);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- the directory ---- */

static void
which_directory(void **state)
{
	char path[MP_PATH_MAX + 1], *big = calloc(1, MP_PATH_MAX + 2);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', MP_PATH_MAX + 1);
	assert_int_equal(setenv("MP_STATE", "/from/env", 1), 0);
	assert_int_equal(mp_state_default("/from/option", path, &err), 0);
	assert_string_equal(path, "/from/option");
	assert_int_equal(mp_state_default(NULL, path, &err), 0);
	assert_string_equal(path, "/from/env");
	assert_int_equal(mp_state_default(big, path, &err), MP_ELIMIT);
	assert_int_equal(mp_state_open(big, NULL, &st, &err), MP_ELIMIT);
	assert_int_equal(mp_state_default("", path, &err), MP_EUSAGE);
	assert_int_equal(unsetenv("MP_STATE"), 0);
	assert_int_equal(mp_state_default(NULL, path, &err), 0);
	assert_int_equal(path[0], '/');
	free(big);
	if (geteuid() != 0)
		return;
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(setenv("XDG_STATE_HOME", "relative", 1), 0);
	assert_int_equal(setenv("HOME", "/home/me", 1), 0);
	assert_int_equal(mp_state_default(NULL, path, &err), 0);
	assert_string_equal(path, "/home/me/.local/state/meshpipe");
	assert_int_equal(setenv("XDG_STATE_HOME", "/states", 1), 0);
	assert_int_equal(mp_state_default(NULL, path, &err), 0);
	assert_string_equal(path, "/states/meshpipe");
	assert_int_equal(unsetenv("XDG_STATE_HOME") + unsetenv("HOME"), 0);
	assert_int_equal(mp_state_default(NULL, path, &err), MP_EUSAGE);
	assert_int_equal(seteuid(0), 0);
}

static void
made_and_opened_again(void **state)
{
	struct mp_node_id id;
	struct stat sb;

	(void)state;
	assert_int_equal(open_at("a/b/c", "one"), 0);
	assert_false(st.has_credential);
	assert_int_equal(stat(st.dir, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0700);
	assert_int_equal(stat(scratch_path(&dir, "a/b/c/node.key"), &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	id = st.id;
	assert_int_equal(mp_state_set_port(&st, 4711, &err), 0);
	mp_state_close(&st);
	assert_int_equal(open_at("a/b/c", NULL), 0);
	assert_true(mp_node_id_eq(&st.id, &id));
	assert_int_equal(st.port, 4711);
	mp_state_close(&st);
}

static void
not_ours(void **state)
{
	(void)state;
	assert_int_equal(mkdir(scratch_path(&dir, "foreign"), 0755), 0);
	put("foreign/letter", "mine");
	assert_int_equal(open_at("foreign", NULL), MP_EEXIST);
	assert_non_null(strstr(err.text, "foreign"));
	assert_false(
		there("foreign/meshpipe") || there("foreign/lock") || there("foreign/node.key"));
	assert_int_equal(open_at("foreign/letter", NULL), MP_EEXIST);
	assert_int_equal(mkdir(scratch_path(&dir, "newer"), 0700), 0);
	put("newer/meshpipe", "meshpipe state 2\n");
	assert_int_equal(open_at("newer", NULL), MP_EVERSION);
	/* What a start that was cut short leaves, on a file system of its own. */
	assert_int_equal(mkdir(scratch_path(&dir, "fresh"), 0755), 0);
	assert_int_equal(mkdir(scratch_path(&dir, "fresh/lost+found"), 0700), 0);
	put("fresh/meshpipe.new", "meshpi");
	assert_int_equal(open_at("fresh", NULL), 0);
	mp_state_close(&st);
}

static void
no_permission(void **state)
{
	struct stat sb;

	(void)state;
	if (geteuid() == 0) {
		assert_int_equal(mkdir(scratch_path(&dir, "root"), 0755), 0);
		assert_int_equal(chmod(dir.path, 0755), 0);
		assert_int_equal(seteuid(65534), 0);
		assert_int_equal(open_at("root", NULL), MP_EAUTH);
		assert_int_equal(open_at("root/below", NULL), MP_EAUTH);
		assert_non_null(strstr(err.text, "--state"));
		assert_int_equal(seteuid(0), 0);
	}
	found_at("a", NULL);
	mp_state_close(&st);
	assert_int_equal(chmod(scratch_path(&dir, "a/node.key"), 0640), 0);
	assert_int_equal(open_at("a", NULL), MP_EAUTH);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(stat(scratch_path(&dir, "a/node.key"), &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0640);
}

static void
damaged(void **state)
{
	(void)state;
	found_at("a", "one");
	mp_state_close(&st);
	put("a/port", "seventy thousand");
	assert_int_equal(open_at("a", NULL), 0);
	assert_int_equal(st.port, 0);
	mp_state_close(&st);
	put("a/port", "99999999");
	assert_int_equal(open_at("a", NULL), 0);
	assert_int_equal(st.port, 0);
	mp_state_close(&st);
	put("a/credential", "\x84 is no credential");
	assert_int_equal(open_at("a", NULL), MP_ECORRUPT);
	assert_int_equal(truncate(scratch_path(&dir, "a/credential"), 0), 0);
	assert_int_equal(open_at("a", NULL), MP_ECORRUPT);
	assert_int_equal(unlink(scratch_path(&dir, "a/node.key")), 0);
	assert_int_equal(open_at("a", NULL), MP_ECORRUPT);
	assert_false(there("a/node.key"));
}

/* What a node keeps of having come back without its database. */
static void
returned(void **state)
{
	(void)state;
	found_at("a", "one");
	mp_state_close(&st);
	put("a/returned", "1700000000000");
	assert_int_equal(open_at("a", NULL), 0);
	assert_true(st.returned_ms == 1700000000000 && !st.founder);
	mp_state_close(&st);
	put("a/returned", "soon");
	assert_int_equal(open_at("a", NULL), MP_ECORRUPT);
	assert_non_null(strstr(err.text, "returned"));
	put("a/returned", "-5");
	assert_int_equal(open_at("a", NULL), MP_ECORRUPT);
}

/* What DIR/a comes back with when it says that its control.db is lost. */
static enum mp_state_drain
came_back(mp_time wall_ms)
{
	const char *seed = "127.0.0.1:1";
	struct mp_state_back back;

	assert_int_equal(open_at("a", NULL), 0);
	assert_int_equal(mp_state_return(&st, &seed, 1, wall_ms, &back, &err), 0);
	assert_true(st.joining && st.returned_ms == wall_ms);
	assert_false(there("a/control.db.next"));
	mp_state_close(&st);
	return back.drain;
}

static int
only_drain(void *ctx, const struct mp_row *row)
{
	assert_true(mp_span_eq(row->key, mp_span_str("drain")) && row->value.n == 1);
	++*(int *)ctx;
	return 0;
}

/* Who took it out of work is not asked again because its database was lost, if that can be helped.
 */
static void
returned_while_draining(void **state)
{
	char from[512];
	int rows = 0;

	(void)state;
	found_at("a", "one");
	mp_state_close(&st);
	put_row("a", MP_TABLE_META, mp_span_str("boot"));
	assert_int_equal(came_back(1000), MP_STATE_DRAINS_NOT);
	assert_true(there("a/control.db.lost-1000") && !there("a/control.db"));
	put_row("a", MP_TABLE_META, mp_span_str("doubled"));
	put_row("a", MP_TABLE_META, mp_span_str("drain"));
	assert_int_equal(came_back(2000), MP_STATE_DRAINS);
	/* Killed while it was set aside. */
	(void)snprintf(from, sizeof(from), "%s/a/control.db", dir.path);
	assert_int_equal(rename(from, scratch_path(&dir, "a/control.db.next")), 0);
	assert_int_equal(came_back(3000), MP_STATE_DRAINS);
	/* Of all rows this one. */
	assert_int_equal(mp_control_read_file(from, MP_TABLE_META, mp_span_str("a"),
				 mp_span_str("z"), only_drain, &rows, &err),
		0);
	assert_int_equal(rows, 1);
	/* One that cannot be read. */
	put("a/control.db", "this is no database, and never was one");
	put("a/control.db.next", "left by a command that was cut short");
	assert_int_equal(came_back(4000), MP_STATE_DRAIN_UNKNOWN);
	assert_true(there("a/control.db.lost-4000") && !there("a/control.db"));
}

static int
mode_of(const char *path)
{
	struct stat sb;

	assert_int_equal(stat(scratch_path(&dir, path), &sb), 0);
	return sb.st_mode & 07777;
}

static void
who_may_pass(void **state)
{
	(void)state;
	found_at("a", NULL);
	put("a/control.db", "");
	assert_int_equal(chmod(scratch_path(&dir, "a/control.db"), 0644), 0);
	assert_int_equal(mp_state_open_to(&st, true, getegid(), false, &err), 0);
	assert_int_equal(mode_of("a"), 0710);
	assert_int_equal(mp_state_open_to(&st, false, 0, true, &err), 0);
	assert_int_equal(mode_of("a"), 0711);
	assert_int_equal(mp_state_open_to(&st, false, 0, false, &err), 0);
	assert_int_equal(mode_of("a"), 0700);
	assert_int_equal(mode_of("a/control.db"), 0600);
	mp_state_close(&st);
}

static void
disk_full(void **state)
{
	char junk[4096] = "";
	int fd;

	(void)state;
	if (geteuid() != 0 || !scratch_shrink(&dir, 65536))
		skip();
	assert_int_equal(open_at("a", NULL), 0);
	fd = open(scratch_path(&dir, "a/work"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, junk, sizeof(junk)) > 0)
		;
	assert_int_equal(mp_state_found(&st, &err), MP_EFULL);
	assert_int_equal(mp_state_set_port(&st, 99, &err), MP_EFULL);
	assert_false(there("a/credential") || there("a/credential.new") || there("a/port.new"));
	assert_int_equal(ftruncate(fd, 0), 0);
	(void)close(fd);
	assert_int_equal(mp_state_found(&st, &err), 0);
	mp_state_close(&st);
}

/* ---- the lock ---- */

static void
in_use(void **state)
{
	char pid[32];
	struct mp_state other;

	(void)state;
	found_at("a", NULL);
	assert_int_equal(mp_state_open(st.dir, NULL, &other, &err), MP_EBUSY);
	(void)snprintf(pid, sizeof(pid), "process %ld;", (long)getpid());
	assert_non_null(strstr(err.text, pid));
	mp_state_close(&st);
	assert_int_equal(open_at("a", NULL), 0);
	mp_state_close(&st);
}

/* The process that had it is gone, and a child of it lives on for a little. */
static void
remains_are_waited_for(void **state)
{
	struct timespec pause = {.tv_nsec = 300 * 1000000L};
	int fds[2], status, fd;
	char byte = 0;
	pid_t pid;

	(void)state;
	found_at("a", NULL);
	mp_state_close(&st);
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fd = open(scratch_path(&dir, "a/lock"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && dprintf(fd, "%ld\n", (long)pid) > 0);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)flock(fd, LOCK_EX);
		(void)!write(fds[1], &byte, 1);
		(void)nanosleep(&pause, NULL);
		_exit(0);
	}
	(void)close(fd);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(open_at("a", NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	mp_state_close(&st);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- names ---- */

static void
names(void **state)
{
	static const char *const bad[] = {"", "-a", ".a", "a b", "a/b", "a\n", "\xc3\xa4"};
	char big[MP_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < mp_countof(bad); i++)
		assert_int_equal(open_at("a", bad[i]), MP_EINVAL);
	memset(big, 'x', sizeof(big));
	big[MP_NAME_MAX + 1] = '\0';
	assert_int_equal(open_at("a", big), MP_EINVAL);
	assert_int_equal(open_at("a", NULL), 0);
	assert_true(strlen(st.name.s) > 0);
	mp_state_close(&st);
	big[MP_NAME_MAX] = '\0';
	found_at("a", big);
	mp_state_close(&st);
	assert_int_equal(open_at("a", NULL), 0);
	assert_string_equal(st.name.s, big);
	mp_state_close(&st);
	assert_int_equal(open_at("a", "another"), 0);
	assert_true(st.renamed); /* needs a token, and a cluster that may be replaced */
	mp_state_close(&st);
	assert_int_equal(open_at("a", big), 0);
	assert_false(st.renamed);
	mp_state_close(&st);
}

/* ---- clusters and tokens ---- */

static void
founded(void **state)
{
	struct mp_cluster_id cluster;
	struct mp_buf token;

	(void)state;
	found_at("a", "one");
	assert_true(st.has_credential && st.founder && !st.joining);
	cluster = st.cluster;
	mp_state_close(&st);
	assert_int_equal(open_at("a", "one"), 0);
	assert_true(st.has_credential && st.founder && !st.joining);
	assert_true(mp_cluster_id_eq(&st.cluster, &cluster));
	assert_string_equal(st.name.s, "one");
	assert_int_equal(unlink(scratch_path(&dir, "a/authority.key")), 0);
	mp_buf_init(&token, &mp_heap, 65536);
	assert_int_equal(
		mp_state_invite(&st, bare, MP_ROLE_NODE, HOUR_MS, NULL, 0, &token, &err), MP_EAUTH);
	mp_buf_fini(&token);
	mp_state_close(&st);
}

static void
invited(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS);
	const char *seed = "seed.example:1";

	(void)state;
	assert_int_equal(open_at("b", "two"), 0);
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	assert_true(st.has_credential && !st.founder && st.joining);
	mp_state_close(&st);
	/* A process that was killed goes on where it was. */
	assert_int_equal(open_at("b", NULL), 0);
	assert_true(st.joining && !st.renamed && !st.founder);
	assert_string_equal(st.name.s, "two");
	assert_int_equal(st.seed_count, 2);
	assert_string_equal(st.seeds[1], "[::1]:7118");
	assert_int_equal(mp_state_set_seeds(&st, &seed, 1, &err), 0);
	mp_state_close(&st);
	/* The name was taken there: another one, with the token. */
	assert_int_equal(open_at("b", "three"), 0);
	assert_true(st.renamed);
	assert_int_equal(st.seed_count, 1);
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), &seed, 1, &err), 0);
	assert_false(st.renamed);
	assert_string_equal(st.name.s, "three");
	mp_state_keep_joined(&st);
	mp_state_close(&st);
	assert_int_equal(open_at("b", "four"), MP_EEXIST);
	assert_int_equal(open_at("b", NULL), 0);
	assert_true(!st.joining && st.seed_count == 0);
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	assert_false(st.joining);
	mp_state_close(&st);
	mp_buf_fini(&token);
}

/* Without a token it is the first cluster that counts, and no token of another one is taken. */
static void
waits_for_one_cluster(void **state)
{
	struct mp_cluster_id first = {{1}}, other = {{2}};
	struct mp_buf token = token_of("a", HOUR_MS);
	const char *seed = "127.0.0.1:7117";

	(void)state;
	assert_int_equal(open_at("b", "two"), 0);
	assert_int_equal(mp_state_wait(&st, &seed, 1, &err), 0);
	assert_int_equal(mp_state_pin(&st, &first, &err), 0);
	assert_int_equal(mp_state_pin(&st, &first, &err), 0);
	assert_int_equal(mp_state_pin(&st, &other, &err), MP_ECLUSTER);
	assert_non_null(strstr(err.text, "b/waiting"));
	mp_state_close(&st);
	assert_int_equal(open_at("b", NULL), 0);
	assert_true(st.waiting && st.pinned && mp_cluster_id_eq(&st.pin, &first));
	assert_string_equal(st.seeds[0], seed);
	assert_int_equal(mp_state_pin(&st, &other, &err), MP_ECLUSTER);
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), MP_ECLUSTER);
	assert_false(st.has_credential || there("b/credential"));
	mp_state_close(&st);
	assert_int_equal(unlink(scratch_path(&dir, "b/waiting")), 0);
	assert_int_equal(open_at("b", NULL), 0);
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	mp_state_close(&st);
	mp_buf_fini(&token);
}

/* It became a member, and was killed before it could note that. */
static void
member_before_it_knows(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS);

	(void)state;
	assert_int_equal(open_at("b", "two"), 0);
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	put_row("b", MP_TABLE_MEMBER, mp_span(st.id.b, 32));
	put_row("b", MP_TABLE_META, mp_span_str("boot"));
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	assert_false(st.joining);
	assert_true(there("b/control.db"));
	mp_state_close(&st);
	mp_buf_fini(&token);
}

static void
bad_tokens(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS), old = token_of("a", 1);
	mp_time made_ms = mp_state_wall_ms();
	const char *bad[] = {"", "two words", "a\nb"};

	(void)state;
	assert_int_equal(open_at("b", NULL), 0);
	while (mp_state_wall_ms() <= made_ms + 1)
		continue;
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&old), NULL, 0, &err), MP_EEXPIRED);
	for (size_t i = 0; i < mp_countof(bad); i++)
		assert_int_equal(
			mp_state_take_token(&st, mp_buf_span(&token), &bad[i], 1, &err), MP_EINVAL);
	token.p[token.n / 2] ^= 1;
	assert_int_not_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	assert_int_not_equal(mp_state_take_token(&st, mp_span_str("mp1-"), NULL, 0, &err), 0);
	assert_false(st.has_credential || there("b/credential") || there("b/joining"));
	mp_state_close(&st);
	mp_buf_fini(&token);
	mp_buf_fini(&old);
}

static void
lonely_cluster_is_replaced(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS);
	struct mp_cluster_id own;

	(void)state;
	found_at("b", "two");
	own = st.cluster;
	put_row("b", MP_TABLE_MEMBER, mp_span(st.id.b, 32));
	assert_int_equal(mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), 0);
	assert_false(mp_cluster_id_eq(&st.cluster, &own));
	assert_true(st.joining && !st.founder);
	assert_false(there("b/control.db") || there("b/authority.key"));
	assert_true(there("a/authority.key"));
	mp_state_close(&st);
	mp_buf_fini(&token);
}

static void
cluster_with_others_stays(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS);
	struct mp_cluster_id own;
	char text[17];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *leaf = i == 0 ? "b" : "c";

		found_at(leaf, NULL);
		own = st.cluster;
		put_row(leaf, i == 0 ? MP_TABLE_MEMBER : MP_TABLE_KNOWN, mp_span_str("somebody"));
		assert_int_equal(
			mp_state_take_token(&st, mp_buf_span(&token), NULL, 0, &err), MP_ECLUSTER);
		assert_true(mp_cluster_id_eq(&st.cluster, &own));
		for (int k = 0; k < 8; k++)
			(void)snprintf(text + (size_t)(2 * k), 3, "%02x", own.b[k]);
		assert_non_null(strstr(err.text, text));
		mp_state_close(&st);
		assert_int_equal(open_at(leaf, NULL), 0);
		assert_true(st.founder && mp_cluster_id_eq(&st.cluster, &own));
		mp_state_close(&st);
	}
	mp_buf_fini(&token);
}

/* ---- every crash ---- */

/* Founds, or takes the token in what was founded: what `mpnode start` and `mpnode join` do. */
static int
child_work(const char *leaf, struct mp_span token)
{
	int rc = open_at(leaf, "name");

	if (rc == 0 && token.n > 0)
		rc = mp_state_take_token(&st, token, NULL, 0, &err);
	else if (rc == 0 && !st.has_credential)
		rc = mp_state_found(&st, &err);
	return rc;
}

#define CRASHES_MAX 60

/* A process does it, and is killed at that point. True: it was through before. */
static bool
killed_at(int point, const char *leaf, struct mp_span token)
{
	int fds[2], status;
	char byte;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		crash_at = point;
		byte = child_work(leaf, token) == 0 ? 'y' : 'n';
		if (byte == 'n')
			(void)fprintf(stderr, "# %s: %s\n", leaf, err.text);
		(void)!write(fds[1], &byte, 1);
		crash();
	}
	(void)close(fds[1]);
	got = read(fds[0], &byte, 1);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(got == 0 || byte == 'y');
	return got == 1;
}

/* Runs it with a crash at every point; then the same command works. How many points there were. */
static int
sweep(const char *kind, struct mp_span token, bool founded_before)
{
	for (int n = 1; n <= CRASHES_MAX + 1; n++) {
		char leaf[32];
		bool through;

		(void)snprintf(leaf, sizeof(leaf), "%s-%d", kind, n);
		if (founded_before) {
			found_at(leaf, NULL);
			put_row(leaf, MP_TABLE_META, mp_span_str("boot"));
			mp_state_close(&st);
		}
		through = killed_at(n, leaf, token);
		assert_int_equal(child_work(leaf, token), 0);
		assert_true(st.has_credential);
		assert_int_equal(st.joining, token.n > 0);
		assert_int_equal(st.founder, token.n == 0);
		if (token.n == 0)
			assert_true(there(leaf));
		mp_state_close(&st);
		if (through)
			return n - 1;
	}
	fail_msg("%s: more than %d places to crash at", kind, CRASHES_MAX);
	return 0;
}

static void
killed_while_founding(void **state)
{
	(void)state;
	assert_in_range(sweep("f", mp_span(NULL, 0), false), 6, CRASHES_MAX);
}

static void
killed_while_joining(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS);

	(void)state;
	assert_in_range(sweep("j", mp_buf_span(&token), false), 6, CRASHES_MAX);
	mp_buf_fini(&token);
}

static void
killed_while_replacing(void **state)
{
	struct mp_buf token = token_of("a", HOUR_MS);

	(void)state;
	assert_in_range(sweep("r", mp_buf_span(&token), true), 6, CRASHES_MAX);
	mp_buf_fini(&token);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(which_directory),
		TEST(made_and_opened_again),
		TEST(not_ours),
		TEST(no_permission),
		TEST(damaged),
		TEST(returned),
		TEST(returned_while_draining),
		TEST(who_may_pass),
		TEST(disk_full),
		TEST(in_use),
		TEST(remains_are_waited_for),
		TEST(names),
		TEST(founded),
		TEST(invited),
		TEST(waits_for_one_cluster),
		TEST(member_before_it_knows),
		TEST(bad_tokens),
		TEST(lonely_cluster_is_replaced),
		TEST(cluster_with_others_stays),
		TEST(killed_while_founding),
		TEST(killed_while_joining),
		TEST(killed_while_replacing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
