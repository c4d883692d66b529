/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "shell/lines.h"

static struct mp_lines *lines;
static int ends[2];

static int
setup(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return pipe(ends) != 0 || mp_lines_open(ends[1], &lines) != 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return 0;
}

static void
put(const char *text)
{
	mp_lines_put(lines, mp_span_str(text));
}

/* So many bytes of it, which are there before long. */
static void
take(char *out, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t k = read(ends[0], out + got, n - got);

		assert_true(k > 0);
		got += (size_t)k;
	}
}

static size_t filled;

/* Nothing more goes into the pipe. */
static void
fill(void)
{
	static const char zeros[4096];
	int flags = fcntl(ends[1], F_GETFL);
	ssize_t n;

	assert_int_equal(fcntl(ends[1], F_SETFL, flags | O_NONBLOCK), 0);
	for (filled = 0; (n = write(ends[1], zeros, sizeof(zeros))) > 0; filled += (size_t)n)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
}

/* Reads what filled it. */
static void
empty(void)
{
	char bytes[4096];

	for (; filled > 0; filled -= mp_min_size(filled, sizeof(bytes)))
		take(bytes, mp_min_size(filled, sizeof(bytes)));
}

static void
in_order(void **state)
{
	char text[3 * 100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		char line[8];

		(void)snprintf(line, sizeof(line), "%02d\n", i);
		put(line);
	}
	take(text, sizeof(text));
	for (int i = 0; i < 100; i++)
		assert_int_equal((text[3 * i] - '0') * 10 + text[3 * i + 1] - '0', i);
	put("last\n");
	mp_lines_close(lines);
	take(text, 5);
	assert_memory_equal(text, "last\n", 5);
}

/* Who is not read loses lines, and nothing else; and says so when there is room again. */
static void
full_pipe(void **state)
{
	char line[1024], text[sizeof(line)];
	size_t n = 0;

	(void)state;
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	fill();
	for (; mp_lines_lost(lines) < 3; n++) {
		assert_true(n <= MP_LINES_BYTES_MAX / (sizeof(line) - 1) + 3);
		put(line);
	}
	n -= 3;
	assert_true(n >= MP_LINES_BYTES_MAX / sizeof(line));
	empty();
	for (size_t i = 0; i < n; i++) {
		take(text, sizeof(line) - 1);
		assert_memory_equal(text, line, sizeof(line) - 1);
	}
	put("after\n");
	take(text, 44 + 6);
	assert_memory_equal(text, "mpnode: 3 lines were lost: nobody took them\nafter\n", 50);
	mp_lines_close(lines);
}

/* The same on a descriptor that another process has made one that does not block. */
static void
would_block(void **state)
{
	char text[5];

	(void)state;
	fill();
	assert_int_equal(fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) | O_NONBLOCK), 0);
	put("late\n");
	empty();
	take(text, sizeof(text));
	assert_memory_equal(text, "late\n", 5);
	mp_lines_close(lines);
}

/* The end does not wait for ever; its thread does, so what it writes to stays open. */
static void
never_read(void **state)
{
	(void)state;
	fill();
	put("lost\n");
	mp_lines_close(lines);
	mp_lines_close(NULL);
}

static void
reader_gone(void **state)
{
	(void)state;
	(void)close(ends[0]);
	put("nobody\n");
	mp_lines_close(lines);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(full_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(would_block, setup, teardown),
		cmocka_unit_test_setup_teardown(reader_gone, setup, teardown),
		cmocka_unit_test_setup(never_read, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
