# SPDX-License-Identifier: Apache-2.0
TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/unit/run.sh
AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; AR='$(AR)'; export AR; NM='$(NM)'; export NM; \
	MANDOC='$(MANDOC)'; export MANDOC; fuzz_targets='$(fuzz_targets)'; export fuzz_targets; \
	MAKE='$(MAKE)'; export MAKE; \
	installed='$(bin_PROGRAMS) $(dist_man_MANS)'; export installed; \
	lib_cflags='$(LIB_CFLAGS)'; export lib_cflags; \
	systemd_unit='$(systemdunit_DATA)'; export systemd_unit;

# Where the headers of the libraries are, for the lints that compile.
LIB_CFLAGS = $(UV_CFLAGS) $(SODIUM_CFLAGS) $(CBOR_CFLAGS) $(SQLITE_CFLAGS) $(FYAML_CFLAGS) \
	$(ZSTD_CFLAGS) $(CMOCKA_CFLAGS)

EXTRA_DIST += %D%/tap.sh
dist_check_SCRIPTS += %D%/install.sh
TESTS += %D%/install.sh

include tests/unit/local.mk
include tests/sim/local.mk
include tests/model/local.mk
include tests/cli/local.mk
include tests/attack/local.mk
include tests/net/local.mk
include tests/fuzz/local.mk
include tests/lint/local.mk
include tests/bench/local.mk
include tests/watch/local.mk
include tests/chaos/local.mk

# Parts of `make check`: units; lints; the model.
check-units: $(unit_tests)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(unit_tests)'
check-lint: $(noinst_LIBRARIES)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(lint_tests)'
check-model:
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(model_tests)'
.PHONY: check-units check-lint check-model

# Lines covered by all tests, as text; in full in coverage.info.
coverage: all
if COVERAGE
	lcov -q --zerocounters --directory .
	-$(MAKE) $(AM_MAKEFLAGS) check
	lcov -q --capture --directory . --output-file coverage.all 2>coverage.log || \
		{ cat coverage.log; false; }
	lcov -q --extract coverage.all '*/src/*' '*/include/mp/*' --output-file coverage.info
	rm -f coverage.all coverage.log
	lcov --list coverage.info
else
	@echo 'make coverage needs a build of its own: configure --enable-coverage' >&2; false
endif
.PHONY: coverage
CLEANFILES += coverage.info
clean-local: clean-coverage
clean-coverage:
	find . -name '*.gcda' -o -name '*.gcno' | xargs rm -f
.PHONY: clean-coverage
