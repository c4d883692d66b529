# SPDX-License-Identifier: Apache-2.0
# What a cluster costs on top of the bare work. Prints figures, judges nothing.
EXTRA_PROGRAMS = tests/bench/raw_spawn
tests_bench_raw_spawn_SOURCES = %D%/raw_spawn.c
CLEANFILES += tests/bench/raw_spawn
EXTRA_DIST += %D%/bench.sh %D%/lib.sh

bench: $(bin_PROGRAMS) tests/bench/raw_spawn
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/%D%/bench.sh
.PHONY: bench
