/* SPDX-License-Identifier: Apache-2.0 */
/* What a pipeline file may say, and what is said about one that says something else. */
#include "unit/pipeline_case.h"

#define HEAD "meshpipe: 1\nname: t\n"
#define ONE  HEAD "modules:\n  a:\n    run: make\n"

static const char all_keys[] =
	HEAD "params: { version: \"1.0\", flag: true, empty: }\n"
	     "env: { CI: 1, LANG: C.UTF-8 }\n"
	     "inputs: [\"src/**\", Makefile]\n"
	     "defaults: { timeout: 30m, retry: { attempts: 2, on: [signal, 75, 1] },\n"
	     "            cache: true, requires: { os: linux, tags: [fast] } }\n"
	     "on_failure: stop\n"
	     "electors: 5\n"
	     "copies: 3\n"
	     "modules:\n"
	     "  restore:\n"
	     "    run: [./restore.sh, \"${params.version}\", '', 010, ~]\n"
	     "    outputs: [\"deps/**\"]\n"
	     "    timeout: none\n"
	     "  build:\n"
	     "    needs: [restore]\n"
	     "    matrix: { cc: [gcc, clang], os: [linux, true], exclude: [{ cc: clang, "
	     "os: 1 }] }\n"
	     "    requires: { arch: x86_64, tools: [\"${matrix.cc}\"] }\n"
	     "    retry: { attempts: 3, backoff: 1h30m, on: [exit, 1] }\n"
	     "    env: { A: \"$${x}\" }\n"
	     "    inputs: []\n"
	     "    cache: false\n"
	     "    grace: 10s\n"
	     "    placement_timeout: 1d\n"
	     "    run: |\n"
	     "      make CC=${matrix.cc}\n"
	     "      echo ${HOME} $$ $(date)\n"
	     "  test: { needs: [\"build[gcc,true]\"], run: ./t, cache: true }\n";

static void
test_keys(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc, all_keys);
	const struct mp_pipeline_module *m = p->modules;

	(void)state;
	assert_string_equal(p->name.s, "t");
	assert_int_equal(p->electors, 5);
	assert_int_equal(p->copies, 3);
	assert_int_equal(p->params.n, 3);
	assert_string_equal(p->params.v[0].name.s, "flag");
	assert_string_equal(p->params.v[0].value.s, "true");
	assert_string_equal(p->params.v[1].value.s, "");
	assert_string_equal(p->params.v[2].value.s, "1.0");
	assert_string_equal(p->env.v[0].value.s, "1");
	assert_int_equal(p->inputs.n, 2);
	assert_int_equal(p->module_count, 3);

	assert_int_equal(m[0].argv.n, 5);
	assert_string_equal(m[0].argv.v[2].s, "");
	assert_string_equal(m[0].argv.v[3].s, "010");
	assert_string_equal(m[0].argv.v[4].s, "~");
	assert_int_equal(m[0].argv.v[1].pos.line, 13);
	assert_int_equal(m[0].argv.v[1].pos.column, 25);
	assert_true(m[0].timeout_ms == 0 && m[0].cache && m[0].grace_ms == MP_GRACE_MS_DEFAULT);
	assert_int_equal(m[0].retry.attempts, 2);
	assert_int_equal(m[0].retry.exit_count, 2);
	assert_int_equal(m[0].retry.exits[1], 75);
	assert_true(m[0].retry.on_signal && !m[0].retry.on_exit && !m[0].retry.on_timeout);
	assert_string_equal(m[0].requires->os.s, "linux");
	assert_false(m[0].inputs.set);

	assert_true(m[1].timeout_ms == 30 * 60 * 1000);
	assert_string_equal(m[1].requires->os.s, "linux");
	assert_string_equal(m[1].requires->arch.s, "x86_64");
	assert_int_equal(m[1].requires->tags.n, 1);
	assert_int_equal(m[1].retry.attempts, 3);
	assert_true(m[1].retry.backoff_ms == 90 * 60 * 1000);
	assert_true(m[1].retry.max_backoff_ms == 90 * 60 * 1000);
	assert_int_equal(m[1].retry.exit_count, 0);
	assert_true(m[1].retry.on_exit && !m[1].retry.on_signal);
	assert_true(m[1].inputs.set && m[1].inputs.n == 0 && !m[1].cache);
	assert_true(m[1].placement_timeout_ms == 86400000 && m[1].grace_ms == 10000);
	assert_int_equal(m[1].matrix->combination_count, 4);
	assert_int_equal(m[1].matrix->instance_count, 4);
	assert_string_equal(m[1].matrix->axes[1].values.v[1].s, "true");
	assert_string_equal(m[1].shell.s, "make CC=${matrix.cc}\necho ${HOME} $$ $(date)\n");
	assert_int_equal(m[2].needs[0].group, 1);
	assert_int_equal(m[2].needs[0].instance, 1);
	assert_true(m[2].cache);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

/* What a module says goes before what all have. */
static void
test_cache(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p =
		case_good(&alloc, HEAD "defaults: { cache: false }\n"
				       "modules: { a: { run: x }, b: { run: x, cache: true } }\n");

	(void)state;
	assert_true(!p->modules[0].cache && p->modules[1].cache);
	mp_pipeline_free(p);
	p = case_good(&alloc, HEAD "defaults: { cache: true }\n"
				   "modules: { a: { run: x }, b: { run: x, cache: false } }\n");
	assert_true(p->modules[0].cache && !p->modules[1].cache);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

static void
test_resources(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc,
		HEAD "defaults: { resources: { cpus: 2 } }\n"
		     "modules:\n"
		     "  a: { run: b }\n"
		     "  b: { run: b, resources: { memory: 3GiB, gpu: 1, bus: 4 } }\n"
		     "  c: { run: b, resources: {} }\n"
		     "  d: { run: b, resources: { memory: 512 } }\n");
	const struct mp_demands *d = &p->modules[1].resources;
	struct mp_demands one = {d->v, 1}, other = {d->v + 1, 1};

	(void)state;
	assert_int_equal(p->modules[0].resources.n, 1);
	assert_string_equal(p->modules[0].resources.v[0].name, "cpus");
	assert_int_equal(d->n, 3);
	assert_string_equal(d->v[0].name, "bus");
	assert_string_equal(d->v[1].name, "gpu");
	assert_true(d->v[2].count == (uint64_t)3 << 30);
	assert_int_equal(p->modules[2].resources.n, 0);
	assert_int_equal(p->modules[3].resources.v[0].count, 512);
	assert_true(mp_demands_same(d, d));
	assert_false(mp_demands_same(d, &one) || mp_demands_same(&one, &other));
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

/* What may not start twice takes neither retries nor the cache from `defaults`. */
static void
test_once(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(&alloc,
		"meshpipe: 1\nname: t\ndefaults: { timeout: 1m, retry: { attempts: 3 } }\n"
		"modules:\n"
		"  a: { run: b, once: true }\n"
		"  b: { run: b, once: true, retry: { attempts: 1 } }\n"
		"  c: { run: b, once: false }\n");

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(p->modules[i].once && !p->modules[i].cache);
		assert_int_equal(p->modules[i].retry.attempts, 1);
		assert_int_equal(p->modules[i].timeout_ms, 60000);
	}
	assert_true(!p->modules[2].once && p->modules[2].cache);
	assert_int_equal(p->modules[2].retry.attempts, 3);
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

static void
test_name_of_file(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p = case_good(
		&alloc, "\xef\xbb\xbf{\"meshpipe\": 1, \"modules\": {\"a\": {\"run\": [\"b\"]}}}");

	(void)state;
	assert_string_equal(p->name.s, "p");
	mp_pipeline_free(p);
	assert_int_equal(heap.live, 0);
}

struct bad {
	const char *text;
	const char *lines;
};

static void
try_bad(const struct bad *rows, size_t n)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);

	for (size_t i = 0; i < n; i++) {
		(void)case_parse(
			&alloc, rows[i].text, strlen(rows[i].text), MP_EPIPELINE, rows[i].lines);
		assert_int_equal(heap.live, 0);
	}
}

static const struct bad bad_files[] = {
	{"", "p.yaml:1:1: the file is empty"},
	{"# nothing\n", "p.yaml:1:1: the file is empty"},
	{"- a\n", "p.yaml:1:1: expected a map that begins with 'meshpipe: 1'"},
	{"just text", "p.yaml:1:1: expected a map that begins with 'meshpipe: 1'"},
	{"name: x\n", "p.yaml:1:1: 'meshpipe: 1' is missing\np.yaml:1:1: 'modules' is missing"},
	{"meshpipe: 2\nmodules: { a: { run: b } }",
		"p.yaml:1:11: version 2 of the format is not known, this program reads 1"},
	{"meshpipe: one\nmodules: { a: { run: b } }",
		"p.yaml:1:11: expected the version of this format, 1, found 'one'"},
	{"meshpipe: \"1\"\nmodules: { a: { run: b } }",
		"p.yaml:1:11: expected the version of this format, 1, found '1'"},
	{HEAD "modules: {}\n", "p.yaml:3:1: there are no modules"},
	{HEAD "modules: [a]\n", "p.yaml:3:10: expected a map of modules, found a list"},
	{HEAD "modules:\n", "p.yaml:3:1: expected a map of modules, found nothing"},
	{ONE "name: u\n", "p.yaml:6:1: 'name' is written twice, first at line 2"},
	{ONE "moduls: 1\n", "p.yaml:6:1: unknown key 'moduls': did you mean 'modules'?"},
	{ONE "whatever: { x: 1 }\n", "p.yaml:6:1: unknown key 'whatever'"},
	{ONE "<<: x\n", "p.yaml:6:1: unknown key '<<'"},
	{ONE "    once: true\nfailover: survivor\n",
		"p.yaml:7:11: 'failover: survivor' and 'once: true' of module 'a': both of two "
		"nodes may think that they survived"},
	{ONE "failover: both\n", "p.yaml:6:11: expected survivor, found 'both'"},
	{ONE "on_failure: fast\n",
		"p.yaml:6:13: 'on_failure: fast' is not implemented in this version"},
	{ONE "on_failure: continue\n",
		"p.yaml:6:13: 'on_failure: continue' is not implemented in this version"},
	{ONE "on_failure: never\n", "p.yaml:6:13: expected stop, found 'never'"},
	{ONE "electors: 4\n", "p.yaml:6:11: expected 1, 3 or 5 electors, found '4'"},
	{ONE "copies: 0\n", "p.yaml:6:9: expected a number of copies, from 1 to 16, found 0"},
	{ONE "copies: -1\n", "p.yaml:6:9: expected a number of copies, found '-1'"},
	{ONE "params: [a]\n", "p.yaml:6:9: expected a map of parameters, found a list"},
	{ONE "params: { 1a: b }\n", "p.yaml:6:11: '1a' cannot name a parameter: letters, "
				    "digits, '_' and '-', a "
				    "letter or '_' first"},
	{ONE "params: { a: b, a: c }\n", "p.yaml:6:17: 'a' is written twice, first at line 6"},
	{ONE "params: { a: [b] }\n", "p.yaml:6:14: expected text, found a list"},
	{ONE "params: { a: \"${params.b}\" }\n",
		"p.yaml:6:14: '${params.b}': nothing is replaced here"},
	{ONE "env: { MP_RUN: b }\n", "p.yaml:6:8: 'MP_RUN': names that begin with MP_ are taken"},
	{ONE "env: { a-b: b }\n", "p.yaml:6:8: 'a-b' cannot name an environment variable: "
				  "letters, digits and "
				  "'_', no digit first"},
	{ONE "env: { a: \"${matrix.x}\" }\n",
		"p.yaml:6:11: '${matrix.x}': only parameters are replaced here"},
	{ONE "inputs: src\n", "p.yaml:6:9: expected a list of globs, found 'src'"},
	{ONE "inputs: [/etc/passwd, ../x, a//b, \"[\", \"${params.x}\", ]\n",
		"p.yaml:6:10: '/etc/passwd' is absolute: paths are relative to the "
		"workspace\n"
		"p.yaml:6:23: '../x' has a '..' component and would leave the workspace\n"
		"p.yaml:6:29: 'a//b' has an empty component ('//' or a '/' at its end)\n"
		"p.yaml:6:35: '[' has a '[' that is not closed or a range that runs "
		"backwards\n"
		"p.yaml:6:40: '${params.x}': nothing is replaced here"},
	{ONE "defaults: { run: x, timeouut: 1s, priority: 3 }\n",
		"p.yaml:6:13: unknown key 'run'\n"
		"p.yaml:6:21: unknown key 'timeouut': did you mean 'timeout'?\n"
		"p.yaml:6:35: 'priority' is not implemented in this version"},
	{ONE "defaults: { retry: { backoff: 1s } }\n", "p.yaml:6:20: 'retry' has no 'attempts'"},
};

static void
test_bad_file(void **state)
{
	(void)state;
	try_bad(bad_files, mp_countof(bad_files));
}

static const struct bad bad_modules[] = {
	{HEAD "modules:\n  a:\n", "p.yaml:4:3: expected a map with run, found nothing"},
	{HEAD "modules:\n  a: make\n", "p.yaml:4:6: expected a map with run, found 'make'"},
	{HEAD "modules:\n  a: {}\n", "p.yaml:4:3: module 'a' has no 'run'"},
	{HEAD "modules:\n  a/b: { run: x }\n",
		"p.yaml:4:3: 'a/b' cannot name a module: at most 128 letters, digits, '_', "
		"'-' "
		"and '.', beginning with a letter, a digit or '_'"},
	{HEAD "modules:\n  a: { run: x }\n  a: { run: x }\n",
		"p.yaml:5:3: 'a' is written twice, first at line 4"},
	{HEAD "modules:\n  [a]: { run: x }\n  b: { run: x }\n", "p.yaml:4:3: a key is one word"},
	{HEAD "modules:\n  a: { run: }\n", "p.yaml:4:8: expected a command: text for the "
					   "shell, or a list of arguments, "
					   "found nothing"},
	{HEAD "modules:\n  a: { run: { a: b } }\n",
		"p.yaml:4:13: expected a command: text for the shell, or a list of "
		"arguments, "
		"found a map"},
	{HEAD "modules:\n  a: { run: [] }\n", "p.yaml:4:13: the command is empty"},
	{HEAD "modules:\n  a: { run: \" \" }\n", "p.yaml:4:13: the command is empty"},
	{HEAD "modules:\n  a: { run: [[a]] }\n", "p.yaml:4:14: expected text, found a list"},
	{HEAD "modules:\n  a: { run: [a, ] , needs: b }\n",
		"p.yaml:4:28: expected a list of modules, found 'b'"},
	{ONE "    out: [a]\n", "p.yaml:6:5: unknown key 'out'"},
	{ONE "    output: [a]\n", "p.yaml:6:5: unknown key 'output': did you mean 'outputs'?"},
	{ONE "    run: again\n", "p.yaml:6:5: 'run' is written twice, first at line 5"},
	{ONE "    once: true\n    retry: { attempts: 2 }\n",
		"p.yaml:7:12: 'retry' of more than one attempt, and 'once: true': never started "
		"twice"},
	{ONE "    once: maybe\n", "p.yaml:6:11: expected true or false, found 'maybe'"},
	{ONE "    when: x\n    not_in_parallel: [x]\n"
	     "    pin: leader\n    priority: 1\n    always: true\n"
	     "    ignore_failure: true\n",
		"p.yaml:6:5: 'when' is not implemented in this version\n"
		"p.yaml:7:5: 'not_in_parallel' is not implemented in this version\n"
		"p.yaml:8:5: 'pin' is not implemented in this version\n"
		"p.yaml:9:5: 'priority' is not implemented in this version\n"
		"p.yaml:10:5: 'always' is not implemented in this version\n"
		"p.yaml:11:5: 'ignore_failure' is not implemented in this version"},
	{ONE "    resources: [gpu]\n",
		"p.yaml:6:16: expected a map of resources to how much is taken, found a list"},
	{ONE "    resources: { gpu: 0 }\n", "p.yaml:6:23: expected a whole number, from 1 to "
					    "9223372036854775807, found 0"},
	{ONE "    resources: { gpu: many }\n",
		"p.yaml:6:23: expected a whole number, found 'many'"},
	{ONE "    resources: { memory: 1GB }\n",
		"p.yaml:6:26: expected a size such as 512MiB or 2GiB, found '1GB'"},
	{ONE "    resources: { memory: 8388608TiB }\n",
		"p.yaml:6:26: expected a size such as 512MiB or 2GiB, found '8388608TiB'"},
	{ONE "    resources: { a=b: 1 }\n",
		"p.yaml:6:18: 'a=b' cannot name a resource: no blanks, '/' and '='"},
	{ONE "    requires: { resources: { gpu: 1 } }\n", "p.yaml:6:17: unknown key 'resources'"},
	{ONE "    timeout: 30\n", "p.yaml:6:14: expected a duration of at most 366d, such "
				  "as 500ms, 30s or 1h30m, "
				  "found '30'"},
	{ONE "    timeout: 0s\n", "p.yaml:6:14: expected a duration above 0, or none"},
	{ONE "    timeout: 367d\n", "p.yaml:6:14: expected a duration of at most 366d, "
				    "such as 500ms, 30s or 1h30m, "
				    "found '367d'"},
	{ONE "    grace: [1s]\n", "p.yaml:6:12: expected a duration of at most 366d, such "
				  "as 500ms, 30s or 1h30m, "
				  "found a list"},
	{ONE "    cache: yes\n", "p.yaml:6:12: expected true or false, found 'yes'"},
	{ONE "    cache: \"true\"\n", "p.yaml:6:12: expected true or false, found 'true'"},
	{ONE "    retry: 3\n", "p.yaml:6:12: expected a map with attempts, found '3'"},
	{ONE "    retry: { attempts: 0 }\n",
		"p.yaml:6:24: expected a number of attempts, from 1 to 100, found 0"},
	{ONE "    retry: { attempts: 2, on: [] }\n",
		"p.yaml:6:31: 'on' is empty: nothing would be tried again"},
	{ONE "    retry: { attempts: 2, on: [0, 256, sigkill, 1, 1] }\n",
		"p.yaml:6:32: expected an exit code, exit, signal or timeout, from 1 to "
		"255, "
		"found 0\n"
		"p.yaml:6:35: expected an exit code, exit, signal or timeout, from 1 to "
		"255, "
		"found 256\n"
		"p.yaml:6:40: expected an exit code, exit, signal or timeout, found "
		"'sigkill'\n"
		"p.yaml:6:52: an entry of 'on' is written twice"},
	{ONE "    retry: { attempts: 2, backoff: 2m, max_backoff: 1m }\n",
		"p.yaml:6:12: 'max_backoff' is shorter than 'backoff'"},
	{ONE "    requires: { tools: [a b, /bin/sh], os: [x], tags: [\"\"] }\n",
		"p.yaml:6:25: expected a name of at most 128 bytes without spaces and '/', "
		"found "
		"'a b'\n"
		"p.yaml:6:30: expected a name of at most 128 bytes without spaces and '/', "
		"found "
		"'/bin/sh'\n"
		"p.yaml:6:44: expected an operating system, found a list\n"
		"p.yaml:6:56: expected a name of at most 128 bytes without spaces and '/', "
		"found "
		"''"},
	{ONE "    outputs: [../x, \"a\\tb\"]\n    inputs: [\"${params.x}/y\"]\n",
		"p.yaml:6:15: '../x' has a '..' component and would leave the workspace\n"
		"p.yaml:6:21: 'a?b' is not printable UTF-8 text\n"
		"p.yaml:7:14: there is no parameter 'x'"},
	{ONE "    env: { A: \"${needs.b.x}\", B: \"${params.}\", C: \"${params.x\" }\n",
		"p.yaml:6:15: '${needs.b.x}': values of dependencies are not implemented "
		"in "
		"this version\n"
		"p.yaml:6:34: '${params.' is not closed by '}' after one name\n"
		"p.yaml:6:51: '${params.x' is not closed by '}' after one name"},
};

static void
test_bad_module(void **state)
{
	(void)state;
	try_bad(bad_modules, mp_countof(bad_modules));
}

static const struct bad bad_graphs[] = {
	{ONE "    needs: [a]\n", "p.yaml:6:13: cycle: a -> a"},
	{HEAD "modules:\n  a: { run: x, needs: [b] }\n  b: { run: x, needs: [c] }\n"
	      "  c: { run: x, needs: [d, a] }\n  d: { run: x }\n",
		"p.yaml:6:27: cycle: a -> b -> c -> a"},
	{HEAD "modules:\n  a: { run: x, needs: [b] }\n  b: { run: x, needs: [a, c] }\n"
	      "  c: { run: x, needs: [\"b\"] }\n",
		"p.yaml:5:24: cycle: a -> b -> a\np.yaml:6:24: cycle: b -> c -> b"},
	{HEAD "modules:\n  build: { run: x }\n  test: { run: x, needs: [biuld, nothing] "
	      "}\n",
		"p.yaml:5:27: there is no module 'biuld': did you mean 'build'?\n"
		"p.yaml:5:34: there is no module 'nothing'"},
	{HEAD "modules:\n  a: { run: x }\n  b: { run: x, needs: [a, a] }\n",
		"p.yaml:5:27: 'a' is needed twice by 'b'"},
	{HEAD "modules:\n  a: { run: x }\n  b: { run: x, needs: [\"a[x]\"] }\n",
		"p.yaml:5:24: module 'a' has no matrix"},
	{HEAD "modules:\n  a: { run: x, matrix: { k: [1, 2], exclude: [{ k: 2 }] } }\n"
	      "  b: { run: x, needs: [\"a[1]\", \"a[2]\", \"a[3]\", \"a[1\", \"a[1]x\", "
	      "\"a[1,1]\"] }\n",
		"p.yaml:5:32: there is no instance 'a[2]'\n"
		"p.yaml:5:40: there is no instance 'a[3]'\n"
		"p.yaml:5:48: there is no instance 'a[1'\n"
		"p.yaml:5:55: there is no instance 'a[1]x'\n"
		"p.yaml:5:64: there is no instance 'a[1,1]'"},
	{HEAD "modules:\n  a: { run: x, matrix: { k: [1] } }\n"
	      "  b: { run: x, needs: [\"a[1]\", \"a[1]\", \"a[${params.x}]\"] }\n",
		"p.yaml:5:32: 'a[1]' is needed twice by 'b'\n"
		"p.yaml:5:40: '${params.x}': nothing is replaced here"},
	{ONE "    matrix: {}\n", "p.yaml:6:13: the matrix has no axis"},
	{ONE "    matrix: { cc: [] }\n", "p.yaml:6:19: axis 'cc' is empty"},
	{ONE "    matrix: { cc: gcc }\n", "p.yaml:6:19: expected a list of values, found 'gcc'"},
	{ONE "    matrix: { cc: [gcc], exclude: [{ cc: gcc }] }\n",
		"p.yaml:6:13: the matrix is empty: every combination is excluded"},
	{ONE "    matrix: { cc: [gcc], exclude: [{ os: gcc }, {}, 1] }\n",
		"p.yaml:6:38: the matrix has no axis 'os'\n"
		"p.yaml:6:49: an empty entry excludes everything\n"
		"p.yaml:6:53: expected a map from axis to value, found '1'"},
	{ONE "    matrix: { cc: [gcc, gcc, a/b], CC: [x], a-b: [x], include: [] }\n",
		"p.yaml:6:25: 'gcc' is written twice, first at line 6\n"
		"p.yaml:6:30: expected a printable value without '/', '\\', ',', '[' and "
		"']', "
		"found 'a/b'\n"
		"p.yaml:6:36: 'CC' is written twice, first at line 6\n"
		"p.yaml:6:45: expected the name of an axis: letters, digits and '_', found "
		"'a-b'\n"
		"p.yaml:6:55: 'include' is not implemented in this version"},
	{HEAD "params: { verzion: x }\nmodules:\n  a: { run: \"x ${params.version} "
	      "${matrix.a}\" }\n",
		"p.yaml:5:13: there is no parameter 'version': did you mean 'verzion'?\n"
		"p.yaml:5:13: ${matrix.a} in a module without a matrix"},
	{HEAD "params: { v: a b }\nmodules:\n"
	      "  a: { run: \"x ${params.v} ${matrix.b}\", matrix: { c: [\"$x\"] } }\n"
	      "  b: { run: \"x ${matrix.c}\", matrix: { c: [\"$x\"] } }\n",
		"p.yaml:5:13: ${params.v} is 'a b', which may not stand in a shell "
		"command: use "
		"the list form of run, or env\n"
		"p.yaml:5:13: the matrix has no axis 'b'\n"
		"p.yaml:6:13: ${matrix.c} can be '$x', which may not stand in a shell "
		"command: "
		"use the list form of run, or env"},
};

static void
test_bad_graph(void **state)
{
	(void)state;
	try_bad(bad_graphs, mp_countof(bad_graphs));
}

static const struct bad bad_yamls[] = {
	{HEAD "modules:\n  a: &x { run: make }\n  b: *x\n",
		"p.yaml:4:9: anchors and aliases are not possible here: write the value\n"
		"p.yaml:5:7: anchors and aliases are not possible here: write the value"},
	{HEAD "modules:\n  a: { run: !!str make }\n", "p.yaml:4:19: tags are not possible here"},
	{ONE "---\nmeshpipe: 1\n",
		"p.yaml:6:1: a second document begins here: a pipeline is one document"},
	{HEAD "modules: [\n",
		"p.yaml:4:1: this is not YAML: flow sequence without a closing bracket"},
	{HEAD "modules:\n  a: { run: \"x\\0y\" }\n",
		"p.yaml:4:13: text cannot hold a NUL character"},
	{HEAD "x: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n",
		"p.yaml:3:19: lists and maps are nested too deeply"},
	{"meshpipe: 1\nname: \x01\n", "p.yaml:2:7: this is not UTF-8 text"},
	{"meshpipe: 1\nname: \xc3\xa9\xff\n", "p.yaml:2:8: this is not UTF-8 text"},
	{"? { a: b }\n: c\nmeshpipe: 1\nmodules: { a: { run: b } }\n",
		"p.yaml:1:3: a key is one word"},
};

static void
test_bad_yaml(void **state)
{
	(void)state;
	try_bad(bad_yamls, mp_countof(bad_yamls));
}

static void
test_all_at_once(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_pipeline *p;
	struct mp_diags diags;
	struct mp_buf text;
	char line[MP_DIAG_LINE_MAX];

	(void)state;
	mp_buf_init(&text, &alloc, 1u << 20);
	assert_int_equal(mp_buf_append(&text, HEAD "modules:\n", strlen(HEAD "modules:\n")), 0);
	for (int i = 0; i < 150; i++) {
		int n = snprintf(line, sizeof(line), "  m%d: { run: x, oops: 1 }\n", i);

		assert_int_equal(mp_buf_append(&text, line, (size_t)n), 0);
	}
	mp_diags_init(&diags, &alloc, "p.yaml");
	assert_int_equal(
		mp_pipeline_parse("p.yaml", mp_buf_span(&text), &alloc, &p, &diags), MP_EPIPELINE);
	assert_int_equal(diags.n, MP_DIAGS_MAX);
	mp_diags_format(&diags, 99, line);
	assert_string_equal(line, "p.yaml:103:18: unknown key 'oops'");
	mp_diags_format(&diags, diags.n, line);
	assert_string_equal(line, "p.yaml: 50 more mistakes");
	mp_diags_fini(&diags);
	mp_buf_fini(&text);
	assert_int_equal(heap.live, 0);
}

/* Every allocation fails once; nothing is left, and the error is the right one. */
static void
test_memory(void **state)
{
	static const char good[] =
		HEAD "params: { v: 1 }\nmodules:\n  a: { run: x, matrix: { c: [1, 2] } }\n"
		     "  b: { run: [\"${params.v}\"], needs: [a, \"a[2]\"], retry: { attempts: 2, "
		     "on: [3] } }\n";
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	size_t at = 0;
	int rc;

	(void)state;
	do {
		struct mp_pipeline *p = NULL;
		struct mp_graph *g = NULL;
		struct mp_buf cbor;

		heap.fail_at = heap.calls + ++at;
		mp_buf_init(&cbor, &alloc, 1u << 20);
		rc = mp_pipeline_parse("p", mp_span_str(good), &alloc, &p, NULL);
		if (rc == 0)
			rc = mp_pipeline_encode(p, &cbor);
		mp_pipeline_free(p);
		p = NULL;
		if (rc == 0)
			rc = mp_pipeline_decode(mp_buf_span(&cbor), &alloc, &p, NULL);
		if (rc == 0)
			rc = mp_graph_expand(p, NULL, 0, &alloc, &g, NULL);
		mp_graph_free(g);
		mp_pipeline_free(p);
		mp_buf_fini(&cbor);
		assert_true(rc == 0 || rc == MP_ENOMEM);
		assert_int_equal(heap.live, 0);
	} while (rc != 0);
	assert_true(at > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_name_of_file),
		cmocka_unit_test(test_bad_file),
		cmocka_unit_test(test_bad_module),
		cmocka_unit_test(test_bad_graph),
		cmocka_unit_test(test_bad_yaml),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("pipeline_parse", tests, NULL, NULL);
}
