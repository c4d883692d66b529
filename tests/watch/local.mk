# SPDX-License-Identifier: Apache-2.0
# Programs that are watched while they are tested: by the sanitizers of this build, by valgrind.
EXTRA_PROGRAMS += tests/watch/probe
tests_watch_probe_SOURCES = %D%/probe.c
CLEANFILES += tests/watch/probe
EXTRA_DIST += %D%/thread.supp %D%/valgrind.supp %D%/watch.sh

watch = $(SHELL) $(srcdir)/%D%/watch.sh
watched_tests = $(unit_tests) $(sim_scripts) tests/fuzz/replay.sh $(cli_tests)
WATCHED_SEEDS = 20

check-sanitize: $(bin_PROGRAMS) $(check_PROGRAMS) tests/watch/probe
if SANITIZERS
	$(watch) reports tests/watch/probe env MP_SEEDS=$(WATCHED_SEEDS) MP_PATIENCE=3 \
		$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(watched_tests)'
else
	@echo 'make check-sanitize needs a build of its own: configure --enable-sanitizers' >&2
	@false
endif

# Units in all detail. A cluster with all its processes; what is still reachable when one ends is
# no fault there: executor and keepers leave without tidying up.
check-valgrind: $(bin_PROGRAMS) $(unit_tests) tests/watch/probe
	$(watch) reports 'valgrind tests/watch/probe' env MP_UNDER=valgrind MP_PATIENCE=10 \
		$(MAKE) $(AM_MAKEFLAGS) check-TESTS \
		TESTS='$(unit_tests) tests/cli/cluster_tour.sh' \
		LOG_FLAGS='valgrind $(VALGRIND_FLAGS)'
VALGRIND_FLAGS = --show-leak-kinds=all --errors-for-leak-kinds=all --child-silent-after-fork=yes
.PHONY: check-sanitize check-valgrind

clean-local: clean-reports
clean-reports:
	rm -rf reports
.PHONY: clean-reports
