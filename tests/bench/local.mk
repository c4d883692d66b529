# SPDX-License-Identifier: Apache-2.0
# What a cluster costs on top of the bare work. Prints figures, judges nothing.
EXTRA_PROGRAMS = tests/bench/raw_spawn
tests_bench_raw_spawn_SOURCES = %D%/raw_spawn.c
CLEANFILES += tests/bench/raw_spawn
EXTRA_DIST += %D%/bench.sh %D%/flood.sh %D%/lib.sh %D%/peers.sh

bench: $(bin_PROGRAMS) tests/bench/raw_spawn tests/attack/attack
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/%D%/bench.sh
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/%D%/flood.sh
.PHONY: bench

# The same many agents of serf(1) and of ours, side by side.
bench-peers: $(bin_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/%D%/peers.sh
.PHONY: bench-peers
