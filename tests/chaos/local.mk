# SPDX-License-Identifier: Apache-2.0
# Runs that lose nodes, disks and networks. In `make check` with 200 modules and one fault of each
# kind; `make chaos` has 2,000 and each fault at 25, 50 and 75 % of a run of its own.
chaos_tests = \
	%D%/cuts.sh \
	%D%/disks.sh \
	%D%/judge.sh \
	%D%/kills.sh \
	%D%/stops.sh

check_PROGRAMS += tests/chaos/step
tests_chaos_step_SOURCES = %D%/step.c
EXTRA_DIST += %D%/lib.sh %D%/judge.awk %D%/failover.sh
dist_check_SCRIPTS += $(chaos_tests)
TESTS += $(chaos_tests)

chaos: $(bin_PROGRAMS) tests/chaos/step
	CHAOS=long $(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(chaos_tests)'
.PHONY: chaos

# From SIGKILL of a leader to the next module, 50 times.
bench-failover: $(bin_PROGRAMS) tests/chaos/step
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/%D%/failover.sh
.PHONY: bench-failover
